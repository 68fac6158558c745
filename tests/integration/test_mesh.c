/* Eight engines in one process, each with a session to each other, all writing at once: rows of
 * their own, and shared rows that all write. One is closed and opened again on the way, one
 * is removed, and a new one comes in. ThreadSanitizer sees all that the real runtime does there. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/party.h"

/* Who is opened again, who is removed, and who comes in its place. */
enum { CREW = 8, RETURNS = 6, REMOVED = 7, NEW = 8, PARTIES = 9 };
enum { TAGS = 12, WRITES = 80, ROWS_EACH = 2 };

static const char mesh_schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    "  id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location (id),\n"
    "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, first INTEGER, second INTEGER);\n";

/* A thread that writes through one engine. It asserts nothing: cmocka knows one thread only. */
struct hand {
    struct party *party;
    uint32_t number, begin, end; /* which of its writes */
    pthread_t thread;
    bool works;
    enum weft_status status;
    struct weft_error why;
    uint64_t last;
};

struct mesh {
    char folder[SCRATCH_PATH];
    struct party parties[PARTIES];
    struct hand hands[PARTIES];
};

static void tag_id(uint32_t number, uint8_t id[WEFT_ID_SIZE]) {
    memset(id, 0, WEFT_ID_SIZE);
    id[0] = 7;
    id[WEFT_ID_SIZE - 1] = (uint8_t)number;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Rows of its own, and both fields of a tag: the fields of one tag are always written together. */
static enum weft_status hand_write(struct hand *hand, weft_tx *tx, uint32_t write) {
    struct party *party = hand->party;
    const int tag = weft_model(party->engine, "tag");
    uint8_t id[WEFT_ID_SIZE];
    enum weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < ROWS_EACH && status == WEFT_OK; i++) {
        struct weft_value values[PARTY_COLUMNS];
        /* Every fourth write changes rows that are there. */
        party_id(party, (write % 4 == 3 ? write - 1 : write) * ROWS_EACH + i, id);
        party_values(party, id, "written by a hand", write, values);
        status = weft_put(tx, party->entry, values, PARTY_COLUMNS);
    }
    tag_id((write * 5 + hand->number) % TAGS, id);
    const struct weft_value key = weft_blob(id, sizeof id);
    const struct weft_value value = weft_integer((int64_t)hand->number * WRITES + write + 1);
    for (int column = 1; column <= 2 && status == WEFT_OK; column++)
        status = weft_set(tx, tag, &key, 1, column, &value);
    return status;
}

static void *hand_work(void *argument) {
    struct hand *hand = argument;
    for (uint32_t write = hand->begin; write < hand->end && hand->status == WEFT_OK; write++) {
        weft_tx *tx = NULL;
        hand->status = weft_begin_wait(hand->party->engine, PARTY_PATIENCE_MS, &tx);
        if (hand->status == WEFT_OK) hand->status = hand_write(hand, tx, write);
        if (hand->status == WEFT_OK)
            hand->status = weft_commit_wait(tx, PARTY_PATIENCE_MS, &hand->last);
        if (hand->status == WEFT_OK && write % 8 == 7)
            hand->status = weft_wait(hand->party->engine, hand->last, WEFT_REPLICATED, 1,
                                     PARTY_PATIENCE_MS, &hand->why);
    }
    return NULL;
}

static void hand_begin(struct mesh *mesh, uint32_t number, uint32_t begin, uint32_t end) {
    struct hand *hand = &mesh->hands[number];
    *hand = (struct hand){
        .party = &mesh->parties[number], .number = number, .begin = begin, .end = end};
    assert_int_equal(pthread_create(&hand->thread, NULL, hand_work, hand), 0);
    hand->works = true;
}

/* Until it is done. */
static void hand_end(struct mesh *mesh, uint32_t number) {
    struct hand *hand = &mesh->hands[number];
    assert_true(hand->works);
    assert_int_equal(pthread_join(hand->thread, NULL), 0);
    hand->works = false;
    if (hand->status != WEFT_OK)
        fail_msg("hand %u: %s: %s", number, weft_status_name(hand->status), hand->why.text);
}

/* ---- eight of them --------------------------------------------------------------------------- */

static void mesh_start(struct mesh *mesh, uint32_t number, struct party *of) {
    static const char *const names[PARTIES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    const struct weft_config config = {
        .schema = mesh_schema,
        .peers_max = 2 * CREW,
        /* Each way to spread the actors over threads. */
        .threads = (enum weft_threads)(WEFT_THREADS_EACH + (int)(number % 3))};
    party_start_with(&mesh->parties[number], mesh->folder, names[number], of, &config);
    party_listen(&mesh->parties[number]);
}

static int mesh_open(void **state) {
    struct mesh *mesh = calloc(1, sizeof *mesh);
    assert_non_null(mesh);
    *state = mesh;
    scratch_make(mesh->folder);
    for (uint32_t i = 0; i < CREW; i++)
        mesh_start(mesh, i, i == 0 ? NULL : &mesh->parties[0]);
    for (uint32_t i = 0; i < CREW; i++) {
        for (uint32_t with = 0; with < i; with++)
            party_connect(&mesh->parties[i], &mesh->parties[with]);
    }
    return 0;
}

static int mesh_close(void **state) {
    struct mesh *mesh = *state;
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (mesh->hands[i].works) pthread_join(mesh->hands[i].thread, NULL);
        party_leave(&mesh->parties[i]);
    }
    scratch_remove(mesh->folder);
    free(mesh);
    return 0;
}

static void put_tags(struct mesh *mesh) {
    struct party *party = &mesh->parties[0];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    assert_int_equal(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
    for (uint32_t i = 0; i < TAGS; i++) {
        uint8_t id[WEFT_ID_SIZE];
        tag_id(i, id);
        const struct weft_value row[] = {weft_blob(id, sizeof id), weft_integer(0),
                                         weft_integer(0)};
        assert_int_equal(weft_put(tx, weft_model(party->engine, "tag"), row, 3), WEFT_OK);
    }
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    party_wait(party, ticket, WEFT_EVERYWHERE, 0);
}

/* Its first half has been written: it is closed, opened again, and writes the rest. */
static void one_returns(struct mesh *mesh) {
    struct party *party = &mesh->parties[RETURNS];
    hand_end(mesh, RETURNS);
    party_leave(party);
    party_return(party);
    for (uint32_t with = 0; with < RETURNS; with++)
        party_connect(party, &mesh->parties[with]);
    hand_begin(mesh, RETURNS, WRITES / 2, WRITES);
}

/* It is removed while all others write, who keep what it wrote. Nobody need tell it. */
static void one_is_removed(struct mesh *mesh) {
    struct party *party = &mesh->parties[REMOVED];
    uint64_t ticket = 0;
    hand_end(mesh, REMOVED);
    party_wait(party, mesh->hands[REMOVED].last, WEFT_EVERYWHERE, 0);
    assert_int_equal(weft_revoke(mesh->parties[0].engine, party->device, &ticket), WEFT_OK);
    party_wait(&mesh->parties[0], ticket, WEFT_DURABLE, 0);
    for (uint32_t i = 0; i < REMOVED; i++)
        party_wait_members(&mesh->parties[i], CREW - 1);
    party_leave(party);
}

static void one_comes_in(struct mesh *mesh) {
    mesh_start(mesh, NEW, &mesh->parties[1]);
    for (uint32_t with = 0; with < CREW; with++) {
        if (with != REMOVED) party_connect(&mesh->parties[NEW], &mesh->parties[with]);
    }
    hand_begin(mesh, NEW, 0, WRITES);
}

/* Whatever a hand wrote of its own is there, in the state of its last write. */
static void assert_written(struct party *party, uint32_t hands, uint32_t writes) {
    const int64_t rows = (int64_t)hands * ROWS_EACH * (writes - writes / 4);
    assert_int_equal(party_number(party, "SELECT count(*) FROM entry"), rows);
    assert_int_equal(party_number(party, "SELECT count(*) FROM entry WHERE size % 4 = 2"), 0);
    assert_int_equal(party_number(party, "SELECT count(*) FROM tag"), TAGS);
    assert_int_equal(party_number(party, "SELECT count(*) FROM tag WHERE first <> second"), 0);
    assert_int_equal(party_number(party, "SELECT count(*) FROM tag WHERE first = 0"), 0);
}

static void eight_that_write_at_once_become_equal(void **state) {
    struct mesh *mesh = *state;
    const struct party *left[CREW];
    unsigned count = 0;
    put_tags(mesh);
    for (uint32_t i = 0; i < CREW; i++)
        hand_begin(mesh, i, 0, i == RETURNS ? WRITES / 2 : WRITES);
    one_returns(mesh);
    one_is_removed(mesh);
    one_comes_in(mesh);
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (i != REMOVED) hand_end(mesh, i);
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (i == REMOVED) continue;
        party_wait(&mesh->parties[i], mesh->hands[i].last, WEFT_EVERYWHERE, 0);
    }
    for (uint32_t i = 0; i < PARTIES; i++) {
        if (i == REMOVED) continue;
        party_wait_members(&mesh->parties[i], CREW);
        assert_written(&mesh->parties[i], PARTIES, WRITES);
        party_leave(&mesh->parties[i]);
        left[count++] = &mesh->parties[i];
    }
    party_assert_equal(left, count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(eight_that_write_at_once_become_equal, mesh_open,
                                        mesh_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
