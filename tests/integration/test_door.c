/* The host's door: many threads, little room, and the order of what goes through. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/party.h"

#define WRITERS 8u
#define WRITER_COMMITS 40u
#define WRITER_ROWS 25u

struct desk {
    char folder[SCRATCH_PATH];
    struct party a, b;
};

static int desk_open(void **state) {
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    *state = desk;
    scratch_make(desk->folder);
    return 0;
}

static int desk_close(void **state) {
    struct desk *desk = *state;
    party_leave(&desk->a);
    party_leave(&desk->b);
    scratch_remove(desk->folder);
    free(desk);
    return 0;
}

struct writer {
    pthread_t thread;
    const struct party *party;
    uint32_t number;
    uint64_t last;           /* ticket */
    enum weft_status failed; /* of the first call that failed */
};

static enum weft_status writer_commit(struct writer *writer, uint32_t commit) {
    weft_tx *tx = NULL;
    enum weft_status status = weft_begin_wait(writer->party->engine, PARTY_PATIENCE_MS, &tx);
    for (uint32_t row = 0; row < WRITER_ROWS && status == WEFT_OK; row++) {
        uint8_t id[16];
        struct weft_value values[PARTY_COLUMNS];
        uint32_t number = (writer->number * WRITER_COMMITS + commit) * WRITER_ROWS + row;
        party_id(writer->party, number, id);
        party_values(writer->party, id, "of a thread", number, values);
        status = weft_put(tx, writer->party->entry, values, PARTY_COLUMNS);
    }
    if (status == WEFT_OK) status = weft_commit_wait(tx, PARTY_PATIENCE_MS, &writer->last);
    if (status != WEFT_OK) weft_abort(tx);
    return status;
}

static void *writer_main(void *context) {
    struct writer *writer = context;
    for (uint32_t commit = 0; commit < WRITER_COMMITS && writer->failed == WEFT_OK; commit++)
        writer->failed = writer_commit(writer, commit);
    return NULL;
}

static void write_with_all(struct party *party) {
    struct writer writers[WRITERS] = {0};
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.party = party, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    for (uint32_t i = 0; i < WRITERS; i++) {
        assert_string_equal(weft_status_name(writers[i].failed), "WEFT_OK");
        party_wait(party, writers[i].last, WEFT_REPLICATED, 1);
    }
}

static void eight_threads_write_at_once_and_all_of_it_arrives(void **state) {
    struct desk *desk = *state;
    party_start(&desk->a, desk->folder, "a", NULL);
    party_start(&desk->b, desk->folder, "b", &desk->a);
    party_connect(&desk->a, &desk->b);
    write_with_all(&desk->a);
    assert_int_equal(party_number(&desk->b, "SELECT count(DISTINCT size) FROM entry"),
                     WRITERS * WRITER_COMMITS * WRITER_ROWS);
}

static void a_narrow_door_makes_writers_wait_and_loses_nothing(void **state) {
    struct desk *desk = *state;
    struct weft_config config = {.door_bytes = 16384};
    party_start_with(&desk->a, desk->folder, "a", NULL, &config);
    party_start(&desk->b, desk->folder, "b", &desk->a);
    party_connect(&desk->a, &desk->b);
    write_with_all(&desk->a);
    assert_int_equal(party_number(&desk->b, "SELECT count(DISTINCT size) FROM entry"),
                     WRITERS * WRITER_COMMITS * WRITER_ROWS);
}

/* Commits to a stepped engine, which takes nothing until it is stepped. Returns the tickets given
 * before the door said no, and what it said. */
static uint32_t fill_door(struct party *party, uint64_t *tickets, uint32_t cap,
                          enum weft_status *said) {
    uint32_t count = 0;
    *said = WEFT_OK;
    while (*said == WEFT_OK && count < cap) {
        weft_tx *tx = NULL;
        uint8_t id[16];
        struct weft_value values[PARTY_COLUMNS];
        *said = weft_begin(party->engine, &tx);
        if (*said != WEFT_OK) break;
        party_id(party, count, id);
        party_values(party, id, "a row that takes its room in the door", count, values);
        assert_int_equal(weft_put(tx, party->entry, values, PARTY_COLUMNS), WEFT_OK);
        *said = weft_commit(tx, &tickets[count]);
        if (*said == WEFT_OK) {
            count++;
        } else {
            weft_abort(tx);
        }
    }
    return count;
}

static void a_full_door_says_busy_at_once_and_opens_again(void **state) {
    struct desk *desk = *state;
    enum { CAP = 20000 };
    uint64_t *tickets = calloc(CAP, sizeof *tickets);
    assert_non_null(tickets);
    struct weft_config config = {.threads = WEFT_THREADS_NONE, .door_bytes = 65536};
    party_start_with(&desk->a, desk->folder, "a", NULL, &config);
    weft_tx *tx = NULL;
    struct weft_value home[] = {weft_blob(desk->a.device, 16), weft_blob(desk->a.device, 16),
                                weft_text("/home", 5)};
    assert_int_equal(weft_begin(desk->a.engine, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, desk->a.location, home, 3), WEFT_OK);
    assert_int_equal(weft_commit(tx, NULL), WEFT_OK);

    enum weft_status said;
    uint32_t count = fill_door(&desk->a, tickets, CAP, &said);
    assert_int_equal(said, WEFT_BUSY);
    assert_in_range(count, 1, CAP - 1);
    assert_int_equal(weft_step(desk->a.engine, NULL), WEFT_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(weft_wait(desk->a.engine, tickets[i], WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
    assert_int_equal(party_number(&desk->a, "SELECT count(*) FROM entry"), count);

    assert_int_equal(weft_begin(desk->a.engine, &tx), WEFT_OK);
    weft_abort(tx);
    free(tickets);
}

/* What is kept for peers near the head counts as held; it must not keep the door shut. */
static void small_commits_without_end_go_through_the_door(void **state) {
    struct desk *desk = *state;
    enum { COMMITS = 20000 };
    party_start(&desk->a, desk->folder, "a", NULL);
    party_start(&desk->b, desk->folder, "b", &desk->a);
    party_connect(&desk->a, &desk->b);
    uint64_t ticket = 0;
    for (uint32_t i = 0; i < COMMITS; i++)
        ticket = party_put(&desk->a, i, "small", i);
    party_wait(&desk->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&desk->b, "SELECT count(*) FROM entry"), COMMITS);
}

static void commits_of_one_thread_are_written_in_their_order(void **state) {
    struct desk *desk = *state;
    enum { COMMITS = 300 };
    uint64_t tickets[COMMITS];
    party_start(&desk->a, desk->folder, "a", NULL);
    for (uint32_t i = 0; i < COMMITS; i++) {
        tickets[i] = party_put(&desk->a, 1, "the same row", i);
        if (i > 0) assert_true(tickets[i] > tickets[i - 1]);
    }
    party_wait(&desk->a, tickets[COMMITS - 1], WEFT_DURABLE, 0);
    /* The last one is written, so all before it are. */
    for (uint32_t i = 0; i < COMMITS; i++)
        assert_int_equal(weft_wait(desk->a.engine, tickets[i], WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
    assert_int_equal(party_number(&desk->a, "SELECT size FROM entry"), COMMITS - 1);
}

static void what_was_committed_before_close_is_there_after_it(void **state) {
    struct desk *desk = *state;
    party_start(&desk->a, desk->folder, "a", NULL);
    for (uint32_t i = 0; i < 200; i++)
        party_put(&desk->a, i, "not waited for", i);
    party_leave(&desk->a);
    party_return(&desk->a);
    assert_int_equal(party_number(&desk->a, "SELECT count(*) FROM entry"), 200);
}

static void an_aborted_transaction_leaves_nothing(void **state) {
    struct desk *desk = *state;
    struct weft_config config = {.threads = WEFT_THREADS_NONE};
    struct weft_stats stats;
    uint8_t id[16];
    struct weft_value values[PARTY_COLUMNS];
    weft_tx *tx = NULL;
    party_start_with(&desk->a, desk->folder, "a", NULL, &config);
    party_id(&desk->a, 1, id);
    party_values(&desk->a, id, "never", 1, values);
    assert_int_equal(weft_begin(desk->a.engine, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, desk->a.entry, values, PARTY_COLUMNS), WEFT_OK);
    weft_stats(desk->a.engine, &stats);
    assert_int_not_equal(stats.door_bytes_held, 0);
    weft_abort(tx);
    weft_stats(desk->a.engine, &stats);
    assert_int_equal(stats.door_bytes_held, 0);
    assert_int_equal(weft_step(desk->a.engine, NULL), WEFT_OK);
    assert_int_equal(party_number(&desk->a, "SELECT count(*) FROM entry"), 0);
}

static void a_ticket_never_issued_is_not_found(void **state) {
    struct desk *desk = *state;
    party_start(&desk->a, desk->folder, "a", NULL);
    assert_int_equal(weft_wait(desk->a.engine, 1u << 30, WEFT_APPLIED, 0, 0, NULL), WEFT_NOT_FOUND);
}

#define DESK_TEST(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        DESK_TEST(eight_threads_write_at_once_and_all_of_it_arrives),
        DESK_TEST(a_narrow_door_makes_writers_wait_and_loses_nothing),
        DESK_TEST(a_full_door_says_busy_at_once_and_opens_again),
        DESK_TEST(small_commits_without_end_go_through_the_door),
        DESK_TEST(commits_of_one_thread_are_written_in_their_order),
        DESK_TEST(what_was_committed_before_close_is_there_after_it),
        DESK_TEST(an_aborted_transaction_leaves_nothing),
        DESK_TEST(a_ticket_never_issued_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
