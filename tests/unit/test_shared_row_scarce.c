/* Memory runs out at each call of SQLite and at each allocation while shared rows are written, by
 * others and by the host, tried again, and forgotten: whoever asked for it is told, a rollback
 * leaves what was there, and the same done again ends as if nothing had been wrong. As
 * test_store_scarce, but in small: every call counts, and the writer has just been opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/store/deleted.h"
#include "tests/lib/replica.h"
#include "tests/lib/scarce.h"

#define TAGS                                                                   \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"            \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER NOT NULL DEFAULT 3" \
    " CHECK (color < 100));\n"
#define FAILS                                                             \
    "CREATE TRIGGER fails AFTER INSERT ON tag WHEN new.color = 13 BEGIN"  \
    " SELECT RAISE(FAIL, 'unlucky'); END;\n"                              \
    "CREATE TRIGGER stays BEFORE DELETE ON tag WHEN old.color = 14 BEGIN" \
    " SELECT RAISE(ABORT, 'never'); END;\n"
#define LONG "a-text-that-takes-more-than-the-room-of-a-first-block-"
#define TRIES "(tried again)"
#define FORGETS "(forgets)"

/* What is there before, and what is done: a device, and what it says at 1000 times its number; or,
 * of this device, what the host does. */
struct story {
    const char *name, *schema;
    const char *before[4];
    const char *done;
};

static const struct story stories[] = {
    {"a row of a new origin", TAGS, {0}, "1 tag +@1 name=a color=#5"},
    {"a column that is not known",
     TAGS,
     {"1 tag +@1 name=a"},
     "2 tag ~@1 icon=star; +@2 name=b icon=moon"},
    {"a table that is not known", TAGS, {0}, "2 note +x text=one; ~y text=two; -z"},
    {"an older rival, of two", TAGS, {"2 tag +@2 name=a", "3 tag +@3 name=a"}, "1 tag +@1 name=a"},
    {"a row with a key of two columns",
     "CREATE TABLE IF NOT EXISTS pair ( -- @shared(create: unique)\n"
     " x TEXT, y INTEGER, a INTEGER, PRIMARY KEY (x, y));",
     {0},
     "1 pair +" LONG LONG ",#2 a=#1"},
    {"a rival's end",
     TAGS,
     {"1 tag +@1 name=a", "2 tag +@2 name=a", "3 tag +@3 name=a"},
     "4 tag -@1"},
    {"a row of the table that breaks a constraint",
     TAGS,
     {"1 tag +@1 name=a"},
     "2 tag ~@1 color=#100"},
    {"a row of the shadow that fits again",
     TAGS,
     {"1 tag +@1 name=a color=#100"},
     "2 tag ~@1 color=#1"},
    {"a trigger that fails, and one that would keep a row",
     TAGS FAILS,
     {"1 tag +@1 name=a color=#14"},
     "2 tag +@2 name=b color=#13; -@1"},
    {"what the host writes",
     TAGS,
     {"1 tag +@1 name=a; +@2 name=b; +@3 name=c"},
     "9 tag =@4 name=d color=#5; =@1 name=e color=#3; ~@2 color=#7; -@3"},
    {"the shadow, tried again",
     TAGS,
     {"1 tag +@1 name=a icon=star", "2 tag +@2 name=a", "3 tag +@3 name=b color=#100; -@4",
      "4 note +x text=one"},
     TRIES},
    {"deletions that are forgotten", TAGS, {"1 tag -@1; -@2", "2 tag -@3; +@4 name=a"}, FORGETS},
};

struct trial {
    struct replica replica;
    const struct story *story;
    char *before, *after; /* what is known of rows */
    unsigned failures;
};

static int setup(void **state) {
    *state = calloc(1, sizeof(struct trial));
    return *state == NULL;
}

static int teardown(void **state) {
    struct trial *trial = *state;
    if (trial->replica.disk != NULL) replica_close(&trial->replica);
    free(trial->before);
    free(trial->after);
    free(trial);
    return 0;
}

static enum weft_status forget(struct trial *trial) {
    struct library *library = &trial->replica.library;
    const struct deleted_cut cuts[] = {{{library_id(1), 7}, 9000}, {{library_id(2), 7}, 9000}};
    struct deleted_place place = {0};
    struct deleted_tally tally;
    bool more = true;
    enum weft_status status = WEFT_OK;
    while (status == WEFT_OK && more)
        status = deleted_forget(library->writer, &place, cuts, 2, 2, &tally, &more, &library->why);
    deleted_place_free(&place);
    return status;
}

/* What the story says is done, by a writer that knows nothing yet, while memory runs out at `call`
 * (0: it does not). The transaction is left open. */
static enum weft_status run(struct trial *trial, enum scarce_kind kind, uint64_t call,
                            bool *struck) {
    struct replica *replica = &trial->replica;
    struct library *library = &replica->library;
    const char *done = trial->story->done;
    const uint8_t device = (uint8_t)(done[0] - '0');
    const uint64_t clock = library->clock;
    struct bytes body = {NULL, 0};
    Weft__Rows *rows = NULL;
    enum weft_status status;
    replica_forget(replica);
    replica_renew(replica);
    if (device == REPLICA_ME) rows = replica_run(replica, done + 2);
    if (device < REPLICA_ME) body = words_body(&replica->arena, done + 2);
    memset(&library->why, 0, sizeof library->why);
    replica_ok(replica, writer_begin(library->writer, &library->why));
    if (call > 0) scarce_begin(kind, call);
    if (rows != NULL)
        status = replica_write_run(replica, rows);
    else if (body.data != NULL)
        status = replica_apply_within(replica, device, device * 1000u, body);
    else if (strcmp(done, TRIES) == 0)
        status = shared_row_retry(library->writer, &replica->tally, &library->why);
    else
        status = forget(trial);
    if (call > 0) *struck = scarce_end();
    library->clock = clock;
    return status;
}

static void knows(struct trial *trial, const char *wanted) {
    if (strcmp(replica_dump(&trial->replica), wanted) != 0)
        fail_msg("%s, call %llu: it knows\n%sinstead of\n%s", trial->story->name,
                 (unsigned long long)scarce_struck(), trial->replica.text, wanted);
}

/* One call fails. False: there are not so many. */
static bool strike(struct trial *trial, enum scarce_kind kind, uint64_t call) {
    struct library *library = &trial->replica.library;
    bool struck = false;
    const enum weft_status status = run(trial, kind, call, &struck);
    const struct weft_error why = library->why;
    if (status == WEFT_OK) knows(trial, trial->after);
    writer_rollback(library->writer);
    knows(trial, trial->before);
    if (status == WEFT_OK) return struck;
    trial->failures++;
    assert_true(struck);
    if (status != WEFT_NO_MEMORY || strstr(why.text, "memory") == NULL)
        fail_msg("%s, call %llu: %s, \"%s\"", trial->story->name,
                 (unsigned long long)scarce_struck(), weft_status_name(status), why.text);
    if (trial->failures % 8 != 1) return true;
    replica_ok(&trial->replica, run(trial, kind, 0, NULL));
    knows(trial, trial->after);
    writer_rollback(library->writer);
    return true;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRIDE 5u /* with sanitizers a part of the calls: each takes longer */
#endif
#endif
#ifndef STRIDE
#define STRIDE 1u
#endif

static void tell(struct trial *trial, const struct story *story) {
    struct replica *replica = &trial->replica;
    if (replica->disk != NULL) replica_close(replica);
    free(trial->before);
    free(trial->after);
    replica_open(replica, "scarce", REPLICA_ME, story->schema);
    trial->story = story;
    for (unsigned i = 0; i < 4 && story->before[i] != NULL; i++) {
        const uint8_t device = (uint8_t)(story->before[i][0] - '0');
        replica_hears(replica, device, device * 1000u, story->before[i] + 2);
    }
    replica->library.clock = 50000;
    trial->before = strdup(replica_dump(replica));
    replica_ok(replica, run(trial, SCARCE_SQLITE, 0, NULL));
    trial->after = strdup(replica_dump(replica));
    writer_rollback(replica->library.writer);
}

static void sweep(struct trial *trial, enum scarce_kind kind) {
    unsigned failures = 0;
    scarce_repeats(20);
    for (unsigned s = 0; s < sizeof stories / sizeof *stories; s++) {
        tell(trial, &stories[s]);
        trial->failures = 0;
        for (uint64_t call = 1; strike(trial, kind, call);)
            call = scarce_struck() + STRIDE;
        failures += trial->failures;
    }
    scarce_repeats(0);
    assert_true(failures > 0);
}

static void a_call_of_sqlite_that_fails_leaves_the_rows_as_they_were(void **state) {
    sweep(*state, SCARCE_SQLITE);
}

static void an_allocation_that_fails_leaves_the_rows_as_they_were(void **state) {
    sweep(*state, SCARCE_HEAP);
}

static void a_block_of_an_arena_that_fails_leaves_the_rows_as_they_were(void **state) {
    sweep(*state, SCARCE_ARENA);
}

int main(void) {
#define SCARCE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCARCE_TEST(a_call_of_sqlite_that_fails_leaves_the_rows_as_they_were),
        SCARCE_TEST(an_allocation_that_fails_leaves_the_rows_as_they_were),
        SCARCE_TEST(a_block_of_an_arena_that_fails_leaves_the_rows_as_they_were),
    };
    return cmocka_run_group_tests_name("shared rows without memory", tests, NULL, NULL);
}
