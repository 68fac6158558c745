/* What everybody may write, written by three devices that are apart: when they have met again, all
 * show the same, and nothing is lost. Their clocks are the test's to set. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/crdt/hlc.h"
#include "engine/engine.h"
#include "engine/net/posix.h"
#include "tests/lib/trio.h"
#include "tests/sim/rng.h"

enum { DEVICES = 3, TAGS = 20, EDITS = 500 };
enum column { NAME = 1, COLOR, NOTE, COLUMNS };

#define MINUTE_MS 60000
#define YEAR_MS (INT64_C(365) * 24 * 60 * MINUTE_MS)

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    "  id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location (id),\n"
    "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, name INTEGER, color INTEGER, note INTEGER);\n";

/* ---- clocks ---------------------------------------------------------------------------------- */

/* A wall clock that is wrong by so much. */
struct wall {
    struct time_port real;
    atomic_llong wrong_ms;
};

static struct instant wall_now(void *self) {
    struct wall *wall = self;
    struct instant now = wall->real.now(wall->real.self);
    now.wall_ms = (uint64_t)((int64_t)now.wall_ms + atomic_load(&wall->wrong_ms));
    return now;
}

/* ---- three devices --------------------------------------------------------------------------- */

struct stage {
    struct trio *trio;
    struct party *party[DEVICES]; /* a, b, c */
    struct wall wall[DEVICES];
    struct time_port time[DEVICES];
};

static void must(enum weft_status status, const char *doing, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    fail_msg("%s: %s: %s", doing, weft_status_name(status), why == NULL ? "" : why->text);
}

static weft_tx *begins(struct party *party) {
    weft_tx *tx = NULL;
    must(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), "weft_begin_wait", NULL);
    return tx;
}

static uint64_t commits(weft_tx *tx) {
    uint64_t ticket = 0;
    must(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), "weft_commit_wait", NULL);
    return ticket;
}

static void tag_id(uint32_t number, uint8_t id[WEFT_ID_SIZE]) {
    memset(id, 0, WEFT_ID_SIZE);
    id[0] = 7;
    id[WEFT_ID_SIZE - 1] = (uint8_t)number;
}

static uint64_t puts_tag(struct party *party, uint32_t number, int64_t value) {
    uint8_t id[WEFT_ID_SIZE];
    weft_tx *tx = begins(party);
    tag_id(number, id);
    struct weft_value values[] = {weft_blob(id, sizeof id), weft_integer(value),
                                  weft_integer(value), weft_integer(value)};
    must(weft_put(tx, weft_model(party->engine, "tag"), values, 4), "put", weft_tx_why(tx));
    return commits(tx);
}

static uint64_t sets_tag(struct party *party, uint32_t number, enum column column, int64_t value) {
    uint8_t id[WEFT_ID_SIZE];
    weft_tx *tx = begins(party);
    tag_id(number, id);
    const struct weft_value key = weft_blob(id, sizeof id), cell = weft_integer(value);
    must(weft_set(tx, weft_model(party->engine, "tag"), &key, 1, (int)column, &cell), "set",
         weft_tx_why(tx));
    return commits(tx);
}

static int64_t reads_tag(struct party *party, uint32_t number, enum column column) {
    static const char *const names[COLUMNS] = {"id", "name", "color", "note"};
    char sql[128];
    uint8_t id[WEFT_ID_SIZE], text[2 * WEFT_ID_SIZE + 1];
    tag_id(number, id);
    for (uint32_t i = 0; i < WEFT_ID_SIZE; i++)
        snprintf((char *)text + 2 * i, 3, "%02X", id[i]);
    snprintf(sql, sizeof sql, "SELECT %s FROM tag WHERE hex(id) = '%s'", names[column], text);
    return party_number(party, sql);
}

/* Three members that know one another, none of whom has a session. */
static int stage_open(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    void *trio = NULL;
    assert_non_null(stage);
    assert_int_equal(trio_open(&trio), 0);
    *state = stage;
    stage->trio = trio;
    struct party *party[DEVICES] = {&stage->trio->a, &stage->trio->b, &stage->trio->c};
    memcpy(stage->party, party, sizeof party);
    for (uint32_t d = 0; d < DEVICES; d++) {
        stage->wall[d].real = posix_time();
        stage->time[d] = (struct time_port){&stage->wall[d], wall_now};
    }
    trio_meet(stage->trio);
    for (uint32_t d = 0; d < DEVICES; d++) {
        party_forget(party[d]);
        party_leave(party[d]);
        party[d]->config.schema = schema;
        party[d]->config.invite = NULL;
        party[d]->time = &stage->time[d];
    }
    for (uint32_t d = 0; d < DEVICES; d++)
        party_return(party[d]);
    return 0;
}

static int stage_close(void **state) {
    struct stage *stage = *state;
    void *trio = stage->trio;
    free(stage);
    return trio_close(&trio);
}

static void all_leave(struct stage *stage) {
    for (uint32_t d = 0; d < DEVICES; d++)
        party_leave(stage->party[d]);
}

static void all_return(struct stage *stage) {
    for (uint32_t d = 0; d < DEVICES; d++)
        party_return(stage->party[d]);
}

/* a ── b ── c. */
static void joins_line(struct stage *stage) {
    party_connect(stage->party[0], stage->party[1]);
    party_connect(stage->party[2], stage->party[1]);
}

static void assert_never_met(struct party *party, const struct party *other) {
    struct weft_peer peers[16];
    unsigned count = weft_peers(party->engine, peers, 16);
    for (unsigned i = 0; i < count && i < 16; i++)
        assert_memory_not_equal(peers[i].device, other->device, 16);
}

static void assert_all_equal(struct stage *stage) {
    all_leave(stage);
    party_assert_equal((const struct party *const *)stage->party, DEVICES);
}

/* ---- on a line ------------------------------------------------------------------------------- */

static void shared_rows_pass_through_the_device_in_the_middle(void **state) {
    struct stage *stage = *state;
    struct party *a = stage->party[0], *b = stage->party[1], *c = stage->party[2];
    joins_line(stage);
    puts_tag(a, 1, 10);
    puts_tag(c, 2, 20);
    for (uint32_t d = 0; d < DEVICES; d++)
        party_wait_number(stage->party[d], "SELECT sum(color) FROM tag", 30);
    sets_tag(a, 2, NAME, 21);
    sets_tag(c, 1, NOTE, 12);
    sets_tag(b, 1, COLOR, 11);
    for (uint32_t d = 0; d < DEVICES; d++)
        party_wait_number(stage->party[d], "SELECT sum(name + color + note) FROM tag",
                          10 + 11 + 12 + 21 + 20 + 20);
    assert_never_met(a, c);
    assert_never_met(c, a);
    assert_all_equal(stage);
}

/* Removes all that a device has on its disk. */
static void loses_its_disk(struct party *party) {
    static const char *const endings[] = {"", "-wal", "-shm", "-key"};
    party_leave(party);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char file[sizeof party->path + 8];
        snprintf(file, sizeof file, "%s%s", party->path, endings[i]);
        (void)unlink(file);
    }
    assert_int_not_equal(access(party->path, F_OK), 0);
}

static void what_reached_one_device_survives_its_author_s_disk(void **state) {
    struct stage *stage = *state;
    struct party *a = stage->party[0], *b = stage->party[1], *c = stage->party[2];
    party_connect(c, b);
    puts_tag(b, 1, 10);
    party_wait_number(c, "SELECT sum(color) FROM tag", 10);
    party_leave(c);
    party_connect(a, b);
    party_wait_number(a, "SELECT sum(color) FROM tag", 10);
    sets_tag(a, 1, NAME, 11);
    party_wait(a, puts_tag(a, 2, 20), WEFT_REPLICATED, 1);
    loses_its_disk(a);
    party_return(c);
    party_connect(c, b);
    party_wait_number(c, "SELECT sum(name + color + note) FROM tag", 11 + 10 + 10 + 60);
    assert_never_met(c, a);
    /* And it is written on as if its author were there. */
    party_wait(c, sets_tag(c, 2, NOTE, 22), WEFT_REPLICATED, 1);
    assert_int_equal(reads_tag(b, 2, NOTE), 22);
    party_leave(b);
    party_leave(c);
    const struct party *both[] = {b, c};
    party_assert_equal(both, 2);
}

/* ---- conflicts ------------------------------------------------------------------------------- */

/* What a device has written, in order. The stamps are those of its records, read from its file
 * before it has met anybody again. */
struct edit {
    uint32_t tag;
    enum column column;
    int64_t value;
    uint64_t stamp;
};

/* Reads the stamps of a device's last EDITS records, and that they follow its clock. */
static void reads_stamps(struct party *party, struct edit edits[EDITS]) {
    sqlite3_stmt *select = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(party->reader,
                           "SELECT c.hlc FROM shared_changes AS c JOIN _weft_origin AS o "
                           "ON o.id = c.origin WHERE o.device = ?1 ORDER BY c.place DESC LIMIT ?2",
                           -1, &select, NULL),
        SQLITE_OK);
    sqlite3_bind_blob(select, 1, party->device, WEFT_ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int(select, 2, EDITS);
    for (uint32_t i = EDITS; i > 0; i--) {
        assert_int_equal(sqlite3_step(select), SQLITE_ROW);
        edits[i - 1].stamp = (uint64_t)sqlite3_column_int64(select, 0);
        if (i < EDITS) assert_true(edits[i - 1].stamp < edits[i].stamp);
    }
    sqlite3_finalize(select);
}

/* The later of two edits by the rule in docs: by stamp, then by device. */
static bool later(const struct stage *stage, const struct edit *edit, uint32_t device,
                  const struct edit *than, uint32_t of) {
    if (than == NULL || edit->stamp != than->stamp)
        return than == NULL || edit->stamp > than->stamp;
    return memcmp(stage->party[device]->device, stage->party[of]->device, WEFT_ID_SIZE) > 0;
}

/* Every device writes the same fields again and again, its clock running now fast and now slow; of
 * a minute's span, so that nobody's stamps have to wait. */
static void writes_apart(struct stage *stage, struct edit edits[DEVICES][EDITS]) {
    struct rng rng;
    uint64_t last[DEVICES] = {0};
    rng_seed(&rng, 1, 0);
    for (uint32_t d = 0; d < DEVICES; d++)
        atomic_store(&stage->wall[d].wrong_ms, -MINUTE_MS / 2);
    for (uint32_t i = 0; i < EDITS; i++) {
        for (uint32_t d = 0; d < DEVICES; d++) {
            struct edit *edit = &edits[d][i];
            *edit = (struct edit){.tag = (uint32_t)rng_below(&rng, TAGS),
                                  .column = (enum column)rng_between(&rng, NAME, NOTE),
                                  .value = 1000 + (int64_t)(i * DEVICES + d)};
            last[d] = sets_tag(stage->party[d], edit->tag, edit->column, edit->value);
            atomic_fetch_add(&stage->wall[d].wrong_ms,
                             (long long)rng_below(&rng, 2 * MINUTE_MS / EDITS));
        }
    }
    for (uint32_t d = 0; d < DEVICES; d++) {
        party_wait(stage->party[d], last[d], WEFT_DURABLE, 0);
        reads_stamps(stage->party[d], edits[d]);
        atomic_store(&stage->wall[d].wrong_ms, 0);
    }
}

struct winner {
    const struct edit *edit;
    uint32_t device;
};

static void find_winners(const struct stage *stage, struct edit edits[DEVICES][EDITS],
                         struct winner winners[TAGS][COLUMNS]) {
    for (uint32_t d = 0; d < DEVICES; d++) {
        for (uint32_t i = 0; i < EDITS; i++) {
            const struct edit *edit = &edits[d][i];
            struct winner *winner = &winners[edit->tag][edit->column];
            if (later(stage, edit, d, winner->edit, winner->device))
                *winner = (struct winner){edit, d};
        }
    }
}

static void of_conflicting_edits_every_field_has_the_one_of_the_highest_stamp(void **state) {
    struct stage *stage = *state;
    static struct edit edits[DEVICES][EDITS];
    struct winner winners[TAGS][COLUMNS] = {0};
    uint32_t won[DEVICES] = {0};
    uint64_t tickets[DEVICES] = {0};
    joins_line(stage);
    for (uint32_t t = 0; t < TAGS; t++)
        tickets[0] = puts_tag(stage->party[0], t, 1);
    party_wait_number(stage->party[2], "SELECT count(*) FROM tag", TAGS);
    all_leave(stage);
    all_return(stage);
    writes_apart(stage, edits);
    find_winners(stage, edits, winners);

    joins_line(stage);
    party_connect(stage->party[0], stage->party[2]);
    for (uint32_t d = 0; d < DEVICES; d++) {
        tickets[d] = puts_tag(stage->party[d], TAGS + d, 1);
        party_wait(stage->party[d], tickets[d], WEFT_REPLICATED, DEVICES - 1);
    }
    for (uint32_t t = 0; t < TAGS; t++) {
        for (uint32_t column = NAME; column < COLUMNS; column++) {
            const struct winner *winner = &winners[t][column];
            const int64_t value = winner->edit == NULL ? 1 : winner->edit->value;
            won[winner->device] += winner->edit != NULL;
            for (uint32_t d = 0; d < DEVICES; d++)
                assert_int_equal(reads_tag(stage->party[d], t, (enum column)column), value);
        }
    }
    for (uint32_t d = 0; d < DEVICES; d++)
        assert_true(won[d] > 0);
    assert_all_equal(stage);
}

/* ---- wrong clocks ---------------------------------------------------------------------------- */

/* The stamp of a row that the device writes now. */
static uint64_t stamps(struct party *party, uint32_t tag) {
    party_wait(party, puts_tag(party, tag, 0), WEFT_APPLIED, 0);
    return (uint64_t)party_number(party,
                                  "SELECT hlc FROM shared_changes ORDER BY place DESC LIMIT 1");
}

static uint64_t real_ms(const struct stage *stage) {
    return stage->wall[0].real.now(stage->wall[0].real.self).wall_ms;
}

/* Everybody writes: a tag of its own, a row of its own, and the tag that all have. */
static void each_writes_alone(struct stage *stage) {
    for (uint32_t d = 0; d < DEVICES; d++) {
        struct party *party = stage->party[d];
        party_put(party, 1, "alone", 1 << d);
        sets_tag(party, 0, (enum column)(NAME + d), 100 + d);
        party_wait(party, puts_tag(party, 1 + d, 10 * (d + 1)), WEFT_DURABLE, 0);
    }
}

static void a_clock_that_is_wrong_by_a_year_loses_nothing_and_moves_no_other(void **state) {
    struct stage *stage = *state;
    struct party *a = stage->party[0], *b = stage->party[1], *c = stage->party[2];
    joins_line(stage);
    puts_tag(b, 0, 1);
    party_wait_number(a, "SELECT count(*) FROM tag", 1);
    party_wait_number(c, "SELECT count(*) FROM tag", 1);
    all_leave(stage);
    /* a's is right, b's in the middle a year ahead, c's a year behind. */
    atomic_store(&stage->wall[1].wrong_ms, YEAR_MS);
    atomic_store(&stage->wall[2].wrong_ms, -YEAR_MS);
    all_return(stage);
    each_writes_alone(stage);
    const uint64_t stamp_c = stamps(c, 9);
    joins_line(stage);

    /* Rows of their own have no rival: they are to be seen at once. What c says is in nobody's
     * future, and so is what a says to b; the rest is held until its time comes. */
    for (uint32_t d = 0; d < DEVICES; d++)
        party_wait_number(stage->party[d], "SELECT sum(size) FROM entry", 7);
    party_wait_number(a, "SELECT count(*) FROM tag WHERE color = 30", 1);
    party_wait_number(b, "SELECT count(*) FROM tag WHERE color IN (10, 20, 30)", 3);
    for (uint32_t d = 0; d < DEVICES; d++)
        party_wait(stage->party[d], puts_tag(stage->party[d], 4 + d, 5), WEFT_REPLICATED, 1);

    /* a stamps by its own clock as before, c by the mark that it had before it was set back. */
    const uint64_t before = real_ms(stage);
    const uint64_t stamp_a = stamps(a, 7);
    assert_in_range(hlc_ms(stamp_a), before - 1000, real_ms(stage) + 1000);
    const uint64_t stamp = stamps(c, 8);
    assert_true(stamp > stamp_c);
    assert_in_range(hlc_ms(stamp), hlc_ms(stamp_c), hlc_ms(stamp_c) + 1);
    assert_in_range(hlc_ms(stamp), 0, before);
    party_wait_number(b, "SELECT count(*) FROM tag WHERE color = 0", 3);

    /* A year later all clocks are right. */
    all_leave(stage);
    for (uint32_t d = 0; d < DEVICES; d++)
        atomic_store(&stage->wall[d].wrong_ms, YEAR_MS + 10 * MINUTE_MS);
    all_return(stage);
    joins_line(stage);
    for (uint32_t d = 0; d < DEVICES; d++) {
        party_wait_number(stage->party[d], "SELECT count(*) FROM tag", 10);
        party_wait_number(stage->party[d], "SELECT sum(color) FROM tag",
                          101 + 10 + 20 + 30 + 3 * 5 + 3 * 0);
        for (uint32_t column = NAME; column < COLUMNS; column++)
            assert_int_equal(reads_tag(stage->party[d], 0, (enum column)column), 99 + column);
    }
    assert_all_equal(stage);
}

#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGE_TEST(shared_rows_pass_through_the_device_in_the_middle),
        STAGE_TEST(what_reached_one_device_survives_its_author_s_disk),
        STAGE_TEST(of_conflicting_edits_every_field_has_the_one_of_the_highest_stamp),
        STAGE_TEST(a_clock_that_is_wrong_by_a_year_loses_nothing_and_moves_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
