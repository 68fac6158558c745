/* Memory runs out at every allocation that a call of a host makes: the call says so, what was there
 * is still there, and the same call again is as good as if nothing had been wrong. What the actors
 * do without memory: weft_memory; what the store does: test_store_scarce.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/lib/alone.h"
#include "tests/lib/scarce.h"

#define BIG (400u << 10) /* two such rows do not fit one run */

/* What is tried at each allocation. */
struct trial {
    struct alone alone;
    unsigned refused; /* calls that had no memory, and were made again */
    uint64_t ticket;
    char *big;
};

static int setup(void **state) {
    struct trial *trial = calloc(1, sizeof *trial);
    assert_non_null(trial);
    alone_new(&trial->alone);
    alone_ok(&trial->alone, alone_open(&trial->alone));
    trial->big = malloc(BIG);
    assert_non_null(trial->big);
    memset(trial->big, 'x', BIG - 1);
    trial->big[BIG - 1] = 0;
    *state = trial;
    return 0;
}

static int teardown(void **state) {
    struct trial *trial = *state;
    alone_end(&trial->alone);
    free(trial->big);
    free(trial);
    return 0;
}

/* A call that may fail for want of memory, which it says; then it is made again. */
#define TRY(trial, status, call)               \
    do {                                       \
        if ((status) != WEFT_OK) break;        \
        (status) = (call);                     \
        if ((status) != WEFT_NO_MEMORY) break; \
        (trial)->refused++;                    \
        (status) = (call);                     \
    } while (0)

typedef enum weft_status tried(struct trial *trial);

/* `act` with its first allocation failing, with its second, ...; `check` (or NULL) after each. What
 * could fail so many times at least did. */
static void sweep(struct trial *trial, enum scarce_kind kind, tried *act,
                  void (*check)(struct trial *trial), unsigned least) {
    unsigned failures = 0;
    for (uint64_t at = 1;; at = scarce_struck() + 1) {
        trial->refused = 0;
        scarce_begin(kind, at);
        const enum weft_status status = act(trial);
        const bool struck = scarce_end();
        alone_ok(&trial->alone, status);
        if (trial->refused != struck)
            fail_msg("call %llu: nobody was told", (unsigned long long)at);
        if (check != NULL) check(trial);
        if (!struck) break;
        failures++;
    }
    assert_in_range(failures, least, 1000);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Rows 1 to 9: many runs of notes, one of each other table, and of each operation. */
static enum weft_status fill(struct trial *trial, weft_tx *tx) {
    struct alone *alone = &trial->alone;
    enum weft_status status = WEFT_OK;
    for (uint32_t number = 1; number <= 6; number++)
        TRY(trial, status, alone_put_note(alone, tx, number, trial->big));
    const struct weft_value one = alone_id(1), two = alone_id(2);
    const struct weft_value short_text = weft_text("short", 5);
    TRY(trial, status, weft_set(tx, alone->note, &one, 1, ALONE_NOTE_BODY, &short_text));
    TRY(trial, status, weft_delete(tx, alone->note, &two, 1));
    const struct weft_value place[] = {weft_integer(7), weft_text("home", 4),
                                       weft_blob(alone->device, WEFT_ID_SIZE), weft_real(0.5)};
    TRY(trial, status, weft_put(tx, alone->place, place, 4));
    const struct weft_value key[] = {weft_text("away", 4), weft_integer(8)};
    TRY(trial, status, weft_delete(tx, alone->place, key, 2));
    TRY(trial, status, alone_put_tag(alone, tx, 9, "red"));
    return status;
}

static enum weft_status write_all(struct trial *trial) {
    weft_tx *tx = NULL;
    enum weft_status status = WEFT_OK;
    TRY(trial, status, weft_begin(trial->alone.engine, &tx));
    if (status == WEFT_OK) status = fill(trial, tx);
    TRY(trial, status, weft_commit(tx, &trial->ticket));
    if (status != WEFT_OK) weft_abort(tx);
    return status;
}

/* All rows are there, once; then they are taken away. */
static void all_is_written(struct trial *trial) {
    struct alone *alone = &trial->alone;
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    alone_run(alone);
    alone_ok(alone, weft_wait(alone->engine, trial->ticket, WEFT_DURABLE, 0, 0, &alone->why));
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM note"), 5);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM note WHERE body = 'short'"), 1);
    assert_int_equal(alone_count(alone, "SELECT sum(length(body)) FROM note"), 4 * (BIG - 1) + 5);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM place WHERE size = 0.5"), 1);
    assert_int_equal(alone_count(alone, "SELECT length(by) FROM tag WHERE name = 'red'"), 16);
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    for (uint32_t number = 1; number <= 6; number++) {
        const struct weft_value key = alone_id(number);
        assert_int_equal(weft_delete(tx, alone->note, &key, 1), WEFT_OK);
    }
    assert_int_equal(weft_commit(tx, &ticket), WEFT_OK);
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
}

static void a_row_for_which_there_is_no_room_leaves_its_transaction_whole(void **state) {
    sweep(*state, SCARCE_ARENA, write_all, all_is_written, 20);
}

static void the_first_transaction_of_a_thread_is_begun_or_not(void **state) {
    struct trial *trial = *state;
    struct alone *alone = &trial->alone;
    unsigned failures = 0;
    for (uint64_t at = 1;; at++) {
        alone_close(alone);
        alone_ok(alone, alone_open(alone));
        trial->refused = 0;
        scarce_begin(SCARCE_HEAP, at);
        const enum weft_status status = write_all(trial);
        const bool struck = scarce_end();
        assert_int_equal(trial->refused, struck);
        alone_ok(alone, status);
        if (!struck) break;
        failures++;
        all_is_written(trial);
    }
    assert_true(failures > 5);
}

/* ---- what becomes of a ticket ---------------------------------------------------------------- */

static void a_ticket_without_room_for_its_marks_is_written_but_not_followed(void **state) {
    struct trial *trial = *state;
    struct alone *alone = &trial->alone;
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE);
    const struct weft_value place[] = {weft_integer(7), weft_text("", 0), self, weft_null()};
    const struct weft_value thing[] = {alone_id(3), self};
    weft_tx *tx = NULL;
    uint64_t ticket = 0, due = 0;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    assert_int_equal(alone_put_note(alone, tx, 1, "one"), WEFT_OK);
    assert_int_equal(weft_put(tx, alone->place, place, 4), WEFT_OK);
    assert_int_equal(weft_put(tx, alone->thing, thing, 2), WEFT_OK);
    assert_int_equal(weft_commit(tx, &ticket), WEFT_OK);
    assert_int_equal(weft_step(alone->engine, &due), WEFT_OK);
    scarce_begin(SCARCE_HEAP, 1);
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
    assert_true(scarce_end());
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_REPLICATED, 1, 0, &alone->why),
                     WEFT_NO_MEMORY);
    assert_non_null(strstr(alone->why.text, "written"));
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM thing"), 1);
}

static void a_ticket_without_room_for_its_reason_has_failed_all_the_same(void **state) {
    struct trial *trial = *state;
    struct alone *alone = &trial->alone;
    const struct weft_value key = alone_id(1), body = weft_text("none", 4);
    weft_tx *tx = NULL;
    uint64_t ticket = 0, due = 0;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    assert_int_equal(weft_set(tx, alone->note, &key, 1, ALONE_NOTE_BODY, &body), WEFT_OK);
    assert_int_equal(weft_commit(tx, &ticket), WEFT_OK);
    assert_int_equal(weft_step(alone->engine, &due), WEFT_OK);
    scarce_begin(SCARCE_HEAP, 1);
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, 0, &alone->why),
                     WEFT_NOT_FOUND);
    assert_true(scarce_end());
    assert_int_equal(alone->why.status, WEFT_NOT_FOUND);
    assert_string_equal(alone->why.text, weft_status_text(WEFT_NOT_FOUND));
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, 0, NULL), WEFT_NOT_FOUND);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static enum weft_status scan(struct trial *trial) {
    struct alone *alone = &trial->alone;
    const struct weft_value device = weft_blob(alone->device, WEFT_ID_SIZE);
    uint64_t first = 0;
    enum weft_status status = WEFT_OK;
    TRY(trial, status,
        weft_scan_begin(alone->engine, alone->note, ALONE_NOTE_DEVICE, &device, &first,
                        &alone->why));
    TRY(trial, status, weft_scan_end(alone->engine, first, &trial->ticket));
    return status;
}

static void the_scan_has_ended(struct trial *trial) {
    struct alone *alone = &trial->alone;
    alone_run(alone);
    alone_ok(alone, weft_wait(alone->engine, trial->ticket, WEFT_DURABLE, 0, 0, &alone->why));
}

static void a_rescan_is_begun_and_ended_or_not(void **state) {
    sweep(*state, SCARCE_ARENA, scan, the_scan_has_ended, 3);
}

static enum weft_status give_orders(struct trial *trial) {
    static const uint8_t nobody[WEFT_ID_SIZE] = {1};
    static const struct weft_invite invite = {.address = "127.0.0.1:9"};
    struct alone *alone = &trial->alone;
    char link[WEFT_LINK_MAX];
    enum weft_status status = WEFT_OK;
    TRY(trial, status, weft_connect(alone->engine, "127.0.0.1:9", &alone->why));
    TRY(trial, status, weft_invite(alone->engine, &invite, link, sizeof link, &alone->why));
    TRY(trial, status, weft_admit(alone->engine, nobody, true));
    TRY(trial, status, weft_revoke(alone->engine, nobody, &trial->ticket));
    return status;
}

static void the_orders_are_done(struct trial *trial) {
    struct alone *alone = &trial->alone;
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, trial->ticket, WEFT_DURABLE, 0, 0, NULL),
                     WEFT_NOT_FOUND);
    assert_int_equal(weft_member_count(alone->engine), 1);
}

static void an_order_is_given_or_not(void **state) {
    sweep(*state, SCARCE_ARENA, give_orders, the_orders_are_done, 8);
}

/* ---- calls for which the engine itself must do something: it may stop ----------------------- */

static bool stopped(struct alone *alone) {
    weft_tx *tx = NULL;
    const enum weft_status status = weft_begin(alone->engine, &tx);
    weft_abort(tx);
    return status == WEFT_CLOSED;
}

typedef enum weft_status asked(struct alone *alone);

static enum weft_status listen(struct alone *alone) {
    char bound[WEFT_ADDRESS_MAX] = "";
    const enum weft_status status =
        weft_listen_wait(alone->engine, "127.0.0.1:0", bound, &alone->why);
    assert_true((status == WEFT_OK) == (bound[0] != 0));
    return status;
}

static enum weft_status verify(struct alone *alone) {
    struct weft_digest digests[8];
    unsigned count = 0;
    const enum weft_status status =
        weft_verify_wait(alone->engine, digests, 8, &count, &alone->why);
    assert_true((status == WEFT_OK) == (count > 0));
    for (unsigned i = 0; i < count; i++)
        assert_true(digests[i].sound);
    return status;
}

static enum weft_status read_with_sql(struct alone *alone) {
    sqlite3 *db = NULL;
    const enum weft_status status = weft_open_reader(alone->engine, &db, &alone->why);
    assert_true((status == WEFT_OK) == (db != NULL));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return status;
}

/* At most `most` allocations fail: what an actor needs to end its step with is set aside. */
static void ask(struct trial *trial, enum scarce_kind kind, uint64_t most, asked *call) {
    struct alone *alone = &trial->alone;
    for (uint64_t at = 1; at <= most; at = scarce_struck() + 1) {
        alone->why = (struct weft_error){0};
        scarce_begin(kind, at);
        enum weft_status status = call(alone);
        const bool struck = scarce_end();
        if (!struck) alone_ok(alone, status);
        if (!struck) break;
        if (status != WEFT_OK && (status != WEFT_NO_MEMORY || alone->why.text[0] == 0))
            fail_msg("call %llu: %s: %s", (unsigned long long)at, weft_status_name(status),
                     alone->why.text);
        if (stopped(alone)) {
            alone_close(alone);
            alone_ok(alone, alone_open(alone));
        }
        alone_ok(alone, call(alone));
    }
}

static void what_cannot_be_answered_is_refused(void **state) {
    struct trial *trial = *state;
    static asked *const calls[] = {listen, verify, read_with_sql};
    struct alone *alone = &trial->alone;
    const struct weft_value place[] = {weft_integer(7), weft_text("home", 4),
                                       weft_blob(alone->device, WEFT_ID_SIZE), weft_real(0.5)};
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    assert_int_equal(alone_put_note(alone, tx, 1, "one"), WEFT_OK);
    assert_int_equal(weft_put(tx, alone->place, place, 4), WEFT_OK);
    assert_int_equal(alone_put_tag(alone, tx, 2, "red"), WEFT_OK);
    assert_int_equal(alone_put_tag(alone, tx, 3, NULL), WEFT_OK);
    assert_int_equal(weft_commit(tx, NULL), WEFT_OK);
    alone_run(alone);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        ask(trial, SCARCE_HEAP, UINT64_MAX, calls[i]);
        ask(trial, SCARCE_ARENA, i == 0 ? 3 : 2, calls[i]);
        ask(trial, SCARCE_SQLITE, UINT64_MAX, calls[i]);
    }
    assert_int_equal(alone_count(&trial->alone, "SELECT count(*) FROM note"), 1);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* With each call failing: nothing is open, and the next try is as good as any. */
static void open_and_close(struct trial *trial, enum scarce_kind kind, bool new) {
    struct alone *alone = &trial->alone;
    unsigned failures = 0;
    for (uint64_t at = 1;; at = scarce_struck() + 1) {
        alone_close(alone);
        if (new) alone_another(alone);
        alone->why = (struct weft_error){0};
        scarce_begin(kind, at);
        const enum weft_status status = alone_open(alone);
        if (!scarce_end()) break;
        failures++;
        if (status != WEFT_OK) {
            assert_null(alone->engine);
            if (status != WEFT_NO_MEMORY || alone->why.status != status || alone->why.text[0] == 0)
                fail_msg("call %llu: %s: %s", (unsigned long long)at, weft_status_name(status),
                         alone->why.text);
        }
        if (new || failures % 8 != 0) continue; /* Opening takes longest. */
        if (status != WEFT_OK) alone_ok(alone, alone_open(alone));
        alone_run(alone);
    }
    assert_true(failures > 20);
    alone_run(alone);
}

static void an_engine_opens_or_leaves_nothing_open(void **state) {
    struct trial *trial = *state;
    (void)alone_commits(&trial->alone, 1, "one");
    alone_run(&trial->alone);
    open_and_close(trial, SCARCE_HEAP, false);
    open_and_close(trial, SCARCE_ARENA, false);
    assert_int_equal(alone_count(&trial->alone, "SELECT count(*) FROM note"), 1);
}

static void an_engine_that_is_to_come_in_opens_or_leaves_nothing_open(void **state) {
    static const struct weft_invite invite = {.address = "127.0.0.1:9"};
    struct trial *trial = *state;
    struct alone *alone = &trial->alone;
    static char link[WEFT_LINK_MAX];
    alone_ok(alone, weft_invite(alone->engine, &invite, link, sizeof link, &alone->why));
    alone->config.invite = link;
    alone->config.name = "the guest";
    open_and_close(trial, SCARCE_ARENA, true);
    assert_int_equal(weft_member_count(alone->engine), 0);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

struct heard {
    unsigned many, named;
};

static void hear(void *context, const struct weft_commit *commit) {
    struct heard *heard = context;
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->changes[i].op == WEFT_CHANGE_MANY) {
            heard->many++;
        } else {
            heard->named++;
        }
    }
}

static void a_hook_without_room_for_rows_is_told_to_look_at_the_model(void **state) {
    struct trial *trial = *state;
    struct alone *alone = &trial->alone;
    uint64_t due = 0;
    for (uint64_t at = 1; at <= 3; at++) {
        struct heard heard = {0};
        assert_int_equal(
            weft_on_commit(alone->engine, WEFT_HOOK_AFTER | WEFT_HOOK_LOCAL, hear, &heard, NULL),
            WEFT_OK);
        (void)alone_commits(alone, (uint32_t)at, "told");
        runner_step(engine_runner(alone->engine), &due);
        scarce_begin(SCARCE_HEAP, at);
        assert_true(engine_run_hooks(alone->engine));
        assert_true(scarce_end() == (at <= 2));
        /* The room that BEFORE did not get, AFTER gets. */
        assert_int_equal(heard.many + heard.named, 1);
        assert_int_equal(weft_off_commit_wait(alone->engine, hear, &heard), WEFT_OK);
        alone_close(alone); /* Room once had is kept. */
        alone_ok(alone, alone_open(alone));
    }
}

int main(void) {
#define SCARCE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCARCE_TEST(a_row_for_which_there_is_no_room_leaves_its_transaction_whole),
        SCARCE_TEST(the_first_transaction_of_a_thread_is_begun_or_not),
        SCARCE_TEST(a_ticket_without_room_for_its_marks_is_written_but_not_followed),
        SCARCE_TEST(a_ticket_without_room_for_its_reason_has_failed_all_the_same),
        SCARCE_TEST(a_rescan_is_begun_and_ended_or_not),
        SCARCE_TEST(an_order_is_given_or_not),
        SCARCE_TEST(what_cannot_be_answered_is_refused),
        SCARCE_TEST(an_engine_opens_or_leaves_nothing_open),
        SCARCE_TEST(an_engine_that_is_to_come_in_opens_or_leaves_nothing_open),
        SCARCE_TEST(a_hook_without_room_for_rows_is_told_to_look_at_the_model),
    };
    return cmocka_run_group_tests_name("a host without memory", tests, NULL, NULL);
}
