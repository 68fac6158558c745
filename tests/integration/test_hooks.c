/* Hooks on commit: what they are told of this host's rows and of others', in which order, and that
 * nothing which a hook does, or does not do, harms a commit. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/base/limits.h"
#include "tests/lib/told.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    "  id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location (id),\n"
    "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER);\n";

struct pair {
    char folder[SCRATCH_PATH];
    struct party a, b;
    struct told told, other;
};

static int pair_open(void **state) {
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    scratch_make(pair->folder);
    *state = pair;
    return 0;
}

static int pair_close(void **state) {
    struct pair *pair = *state;
    party_leave(&pair->b);
    party_leave(&pair->a);
    if (pair->told.calls != NULL) told_close(&pair->told);
    if (pair->other.calls != NULL) told_close(&pair->other);
    scratch_remove(pair->folder);
    free(pair);
    return 0;
}

static void opens(struct party *party, struct pair *pair, const char *name, struct party *of,
                  enum weft_threads threads) {
    const struct weft_config config = {.threads = threads};
    party_start_with(party, pair->folder, name, of, &config);
    party_leave(party);
    party->config.schema = schema;
    party_return(party);
}

/* a alone. */
static struct pair *alone(void **state) {
    struct pair *pair = *state;
    opens(&pair->a, pair, "a", NULL, WEFT_THREADS_AUTO);
    return pair;
}

/* a and b, with a session. */
static struct pair *both(void **state) {
    struct pair *pair = alone(state);
    opens(&pair->b, pair, "b", &pair->a, WEFT_THREADS_AUTO);
    party_connect(&pair->b, &pair->a);
    return pair;
}

/* ---- writing --------------------------------------------------------------------------------- */

static weft_tx *begins(struct party *party) {
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
    return tx;
}

static uint64_t commits(weft_tx *tx) {
    uint64_t ticket = 0;
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    return ticket;
}

static void put_tag(struct party *party, weft_tx *tx, uint32_t number, const char *name) {
    uint8_t id[16];
    party_id(party, number, id);
    const struct weft_value values[] = {weft_blob(id, 16), weft_text(name, strlen(name)),
                                        weft_null()};
    assert_int_equal(weft_put(tx, weft_model(party->engine, "tag"), values, 3), WEFT_OK);
}

static void delete_tag(struct party *party, weft_tx *tx, uint32_t number) {
    uint8_t id[16];
    party_id(party, number, id);
    const struct weft_value key = weft_blob(id, 16);
    assert_int_equal(weft_delete(tx, weft_model(party->engine, "tag"), &key, 1), WEFT_OK);
}

static void put_entries(struct party *party, weft_tx *tx, uint32_t from, uint32_t count) {
    for (uint32_t i = from; i < from + count; i++) {
        uint8_t id[16];
        struct weft_value values[PARTY_COLUMNS];
        party_id(party, i, id);
        party_values(party, id, "many", i, values);
        assert_int_equal(weft_put(tx, party->entry, values, PARTY_COLUMNS), WEFT_OK);
    }
}

/* ---- what is told ---------------------------------------------------------------------------- */

/* One commit is told of before and after it. */
static struct told_call is_told(struct told *told, const char *text) {
    const struct told_call before = told_is(told, WEFT_BEFORE, text);
    const struct told_call after = told_is(told, WEFT_AFTER, text);
    assert_int_equal(before.serial, after.serial);
    assert_int_equal(before.ticket, after.ticket);
    assert_int_equal(before.remote, after.remote);
    assert_memory_equal(before.device, after.device, 16);
    return after;
}

static void commits_of_this_host_are_told_before_and_after_with_their_rows(void **state) {
    struct pair *pair = alone(state);
    struct party *a = &pair->a;
    told_open(&pair->told, a, WEFT_HOOK_ALL);
    uint64_t ticket = party_put(a, 1, "one", 1);
    party_wait(a, ticket, WEFT_DURABLE, 0);
    struct told_call call = is_told(&pair->told, "entry+1");
    const uint64_t serial = call.serial;
    assert_int_equal(call.ticket, ticket);
    assert_false(call.remote);
    assert_memory_equal(call.device, a->device, 16);

    party_wait(a, party_put(a, 1, "one", 1), WEFT_DURABLE, 0); /* As it is: nothing is told. */
    party_wait(a, party_set(a, 1, PARTY_NAME, weft_text("uno", 3)), WEFT_DURABLE, 0);
    assert_true(is_told(&pair->told, "entry+1").serial > serial);
    party_wait(a, party_delete(a, 9), WEFT_DURABLE, 0); /* There is none. */
    party_wait(a, party_delete(a, 1), WEFT_DURABLE, 0);
    is_told(&pair->told, "entry-1");

    weft_tx *tx = begins(a);
    put_entries(a, tx, 2, 2);
    put_tag(a, tx, 5, "red");
    put_tag(a, tx, 6, "blue");
    delete_tag(a, tx, 5);
    party_wait(a, commits(tx), WEFT_DURABLE, 0);
    is_told(&pair->told, "entry+2 entry+3 tag+5 tag+6 tag-5");
    assert_int_equal(told_count(&pair->told), 8);
}

static void a_refused_transaction_is_not_told(void **state) {
    struct pair *pair = alone(state);
    struct party *a = &pair->a;
    told_open(&pair->told, a, WEFT_HOOK_ALL);
    weft_tx *tx = begins(a);
    put_tag(a, tx, 1, "red");
    put_tag(a, tx, 2, "red");
    party_wait_failure(a, commits(tx), WEFT_CONSTRAINT, NULL);
    party_wait(a, party_put(a, 1, "one", 1), WEFT_DURABLE, 0);
    is_told(&pair->told, "entry+1");
}

static void the_end_of_a_rescan_is_told(void **state) {
    struct pair *pair = alone(state);
    struct party *a = &pair->a;
    struct weft_error why = {0};
    uint64_t scan = 0, ticket = 0;
    party_put(a, 1, "one", 1);
    party_wait(a, party_put(a, 2, "two", 2), WEFT_DURABLE, 0);
    const struct weft_value scope = weft_blob(a->device, 16);
    assert_int_equal(weft_scan_begin(a->engine, a->entry, PARTY_LOCATION, &scope, &scan, &why),
                     WEFT_OK);
    party_wait(a, party_put(a, 2, "two", 2), WEFT_DURABLE, 0);
    told_open(&pair->told, a, WEFT_HOOK_ALL);
    assert_int_equal(weft_scan_end(a->engine, scan, &ticket), WEFT_OK);
    party_wait(a, ticket, WEFT_DURABLE, 0);
    assert_int_equal(is_told(&pair->told, "entry-1").ticket, ticket);
}

static void rows_of_another_device_are_told_with_its_name(void **state) {
    struct pair *pair = both(state);
    struct party *a = &pair->a, *b = &pair->b;
    struct weft_event event;
    party_wait_number(b, "SELECT count(*) FROM location", 2);
    told_open(&pair->told, b, WEFT_HOOK_ALL);

    party_wait(a, party_put(a, 1, "one", 1), WEFT_REPLICATED, 1);
    struct told_call call = is_told(&pair->told, "entry+1");
    assert_true(call.remote);
    assert_int_equal(call.ticket, 0);
    assert_memory_equal(call.device, a->device, 16);
    do
        party_wait_event(b, WEFT_EVENT_CHANGED, &event);
    while (event.model != b->entry);
    party_wait(a, party_set(a, 1, PARTY_SIZE, weft_integer(7)), WEFT_REPLICATED, 1);
    is_told(&pair->told, "entry+1");
    party_wait(a, party_delete(a, 1), WEFT_REPLICATED, 1);
    is_told(&pair->told, "entry-1");

    weft_tx *tx = begins(a);
    put_tag(a, tx, 5, "red");
    put_tag(a, tx, 6, "blue");
    party_wait(a, commits(tx), WEFT_REPLICATED, 1);
    call = is_told(&pair->told, "tag+5 tag+6");
    assert_true(call.remote);
    assert_memory_equal(call.device, a->device, 16);
    do
        party_wait_event(b, WEFT_EVENT_CHANGED, &event);
    while (event.model != weft_model(b->engine, "tag"));
    tx = begins(a);
    put_tag(a, tx, 5, "crimson");
    delete_tag(a, tx, 6);
    party_wait(a, commits(tx), WEFT_REPLICATED, 1);
    is_told(&pair->told, "tag+5 tag-6");
    assert_int_equal(told_count(&pair->told), 10);
}

static void a_hook_is_told_only_what_it_wants(void **state) {
    struct pair *pair = both(state);
    struct party *a = &pair->a, *b = &pair->b;
    party_wait_number(b, "SELECT count(*) FROM location", 2);
    told_open(&pair->told, b, WEFT_HOOK_AFTER | WEFT_HOOK_REMOTE);
    told_open(&pair->other, b, WEFT_HOOK_BEFORE | WEFT_HOOK_LOCAL);
    party_wait(a, party_put(a, 1, "one", 1), WEFT_REPLICATED, 1);
    party_wait(b, party_put(b, 2, "two", 2), WEFT_DURABLE, 0);
    party_wait(a, party_put(a, 3, "three", 3), WEFT_REPLICATED, 1);
    told_is(&pair->told, WEFT_AFTER, "entry+1");
    told_is(&pair->told, WEFT_AFTER, "entry+3");
    told_is(&pair->other, WEFT_BEFORE, "entry+2");
    assert_int_equal(told_count(&pair->told), 2);
    assert_int_equal(told_count(&pair->other), 1);
}

/* ---- slow hooks ------------------------------------------------------------------------------ */

#define MANY 100000u
#define MANY_AT_ONCE 250u

/* Every AFTER has its BEFORE before it, in both with the same serial, and what was lost is said. */
static void check_pairs(struct told *told, uint64_t *lost) {
    uint64_t before = 0, after = 0;
    *lost = 0;
    for (unsigned i = 0; i < told->count; i++) {
        const struct told_call *call = &told->calls[i];
        if (call->phase == WEFT_BEFORE) assert_int_equal(call->serial, ++before);
        if (call->phase == WEFT_AFTER) assert_int_equal(call->serial, ++after);
        assert_true(after <= before);
        assert_int_not_equal(call->phase, WEFT_UNDONE);
        if (call->phase != WEFT_LOST) continue;
        assert_true(call->lost > 0);
        assert_string_equal(call->text, "entry*");
        *lost += call->lost;
    }
    assert_int_equal(before, after);
}

static void a_hook_that_stands_still_costs_commits_nothing_and_is_told_what_it_lost(void **state) {
    struct pair *pair = alone(state);
    struct party *a = &pair->a;
    struct weft_stats stats;
    uint64_t lost = 0, most = 0;
    told_open(&pair->told, a, WEFT_HOOK_ALL);
    told_hold(&pair->told, true);
    for (uint32_t from = 0; from < MANY; from += MANY_AT_ONCE) {
        weft_tx *tx = begins(a);
        put_entries(a, tx, from, MANY_AT_ONCE);
        party_wait(a, commits(tx), WEFT_DURABLE, 0); /* So each is a group of its own. */
        weft_stats(a->engine, &stats);
        if (stats.pool_bytes_held > most) most = stats.pool_bytes_held;
    }
    assert_int_equal(told_count(&pair->told), 1);
    assert_int_equal(party_number(a, "SELECT count(*) FROM entry"), MANY);
    /* What waits for the hook, and what the engine holds anyway. */
    assert_true(most < LIMIT_HOOK_BYTES + (24u << 20) + LIMIT_TAIL_BYTES);
    told_hold(&pair->told, false);
    struct told_call call = {0};
    while (call.phase != WEFT_LOST)
        call = told_next(&pair->told);
    party_wait(a, party_put(a, MANY, "last", 1), WEFT_DURABLE, 0);
    while (strcmp(call.text, "entry+100000") != 0 || call.phase != WEFT_AFTER)
        call = told_next(&pair->told);
    pthread_mutex_lock(&pair->told.lock);
    check_pairs(&pair->told, &lost);
    /* Nothing is told twice, and nothing is missing. */
    assert_int_equal(pair->told.changes, MANY - lost * MANY_AT_ONCE + 1);
    pthread_mutex_unlock(&pair->told.lock);
}

/* ---- taking away, closing -------------------------------------------------------------------- */

struct leaver {
    struct pair *pair;
    bool close; /* the engine, instead of taking the hook away */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool begun;
    bool inside; /* the hook was still under way afterwards */
    enum weft_status status;
};

static void *leave(void *context) {
    struct leaver *leaver = context;
    struct told *told = &leaver->pair->told;
    pthread_mutex_lock(&leaver->lock);
    leaver->begun = true;
    pthread_cond_signal(&leaver->changed);
    pthread_mutex_unlock(&leaver->lock);
    if (leaver->close) {
        weft_close(leaver->pair->a.engine);
    } else {
        leaver->status = weft_off_commit_wait(leaver->pair->a.engine, told_hook, told);
    }
    pthread_mutex_lock(&told->lock);
    leaver->inside = told->inside;
    pthread_mutex_unlock(&told->lock);
    return NULL;
}

/* Takes the hook away, or closes, while a call of it stands still. */
static void leaves_under_way(struct pair *pair, struct leaver *leaver) {
    pthread_t thread;
    leaver->pair = pair;
    leaver->inside = true;
    pthread_mutex_init(&leaver->lock, NULL);
    pthread_cond_init(&leaver->changed, NULL);
    told_open(&pair->told, &pair->a, WEFT_HOOK_ALL);
    told_hold(&pair->told, true);
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_DURABLE, 0);
    told_wait_inside(&pair->told);
    assert_int_equal(pthread_create(&thread, NULL, leave, leaver), 0);
    pthread_mutex_lock(&leaver->lock);
    while (!leaver->begun)
        pthread_cond_wait(&leaver->changed, &leaver->lock);
    pthread_mutex_unlock(&leaver->lock);
    if (!leaver->close) party_wait(&pair->a, party_put(&pair->a, 2, "two", 2), WEFT_DURABLE, 0);
    told_hold(&pair->told, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(leaver->inside);
    pthread_cond_destroy(&leaver->changed);
    pthread_mutex_destroy(&leaver->lock);
}

static void taking_a_hook_away_waits_for_its_call_and_no_other_follows(void **state) {
    struct pair *pair = alone(state);
    struct leaver leaver = {.close = false};
    leaves_under_way(pair, &leaver);
    assert_int_equal(leaver.status, WEFT_OK);
    const unsigned count = told_count(&pair->told);
    /* Another hook is told of what comes next: by then the first would have been, too. */
    told_open(&pair->other, &pair->a, WEFT_HOOK_ALL);
    party_wait(&pair->a, party_put(&pair->a, 3, "three", 3), WEFT_DURABLE, 0);
    is_told(&pair->other, "entry+3");
    assert_int_equal(told_count(&pair->told), count);
    assert_int_equal(weft_off_commit_wait(pair->a.engine, told_hook, &pair->told), WEFT_NOT_FOUND);
}

static void closing_waits_for_the_call_under_way(void **state) {
    struct pair *pair = alone(state);
    struct leaver leaver = {.close = true};
    assert_int_equal(sqlite3_close(pair->a.reader), SQLITE_OK);
    leaves_under_way(pair, &leaver);
    pair->a.engine = NULL;
    assert_in_range(told_count(&pair->told), 1, 2); /* BEFORE, and AFTER if it came in time. */
}

struct once {
    struct party *party;
    struct told *told;
    unsigned calls;
    enum weft_status left, committed;
};

/* Writes a row, and takes itself away. */
static void once_hook(void *context, const struct weft_commit *commit) {
    struct once *once = context;
    weft_tx *tx = NULL;
    (void)commit;
    once->calls++;
    once->left = weft_off_commit_wait(once->party->engine, once_hook, once);
    once->committed = weft_begin_wait(once->party->engine, PARTY_PATIENCE_MS, &tx);
    if (once->committed != WEFT_OK) return;
    put_tag(once->party, tx, 77, "from the hook");
    once->committed = weft_commit_wait(tx, PARTY_PATIENCE_MS, NULL);
}

static void a_hook_may_write_and_take_itself_away(void **state) {
    struct pair *pair = alone(state);
    struct once once = {.party = &pair->a};
    assert_int_equal(
        weft_on_commit(pair->a.engine, WEFT_HOOK_AFTER | WEFT_HOOK_LOCAL, once_hook, &once, NULL),
        WEFT_OK);
    told_open(&pair->told, &pair->a, WEFT_HOOK_AFTER | WEFT_HOOK_LOCAL);
    party_put(&pair->a, 1, "one", 1);
    told_is(&pair->told, WEFT_AFTER, "entry+1");
    told_is(&pair->told, WEFT_AFTER, "tag+77");
    assert_int_equal(once.calls, 1);
    assert_int_equal(once.left, WEFT_OK);
    assert_int_equal(once.committed, WEFT_OK);
}

#define GUESTS 3u
#define VISITS 200u

/* A thread that sets its hook and takes it away again and again. */
struct guest {
    weft_engine *engine;
    pthread_t thread;
    unsigned here; /* plain: what the engine promises orders every access */
    unsigned calls, missed;
    enum weft_status status;
};

static void guest_hook(void *context, const struct weft_commit *commit) {
    struct guest *guest = context;
    guest->calls += commit->count != 0;
    guest->missed += !guest->here;
}

static void *come_and_go(void *context) {
    struct guest *guest = context;
    for (unsigned i = 0; i < VISITS && guest->status == WEFT_OK; i++) {
        guest->here = 1;
        guest->status = weft_on_commit(guest->engine, WEFT_HOOK_ALL, guest_hook, guest, NULL);
        if (guest->status != WEFT_OK) break;
        sched_yield();
        guest->status = weft_off_commit_wait(guest->engine, guest_hook, guest);
        guest->here = 0;
    }
    return NULL;
}

static void hooks_may_come_and_go_while_rows_are_written(void **state) {
    struct pair *pair = alone(state);
    struct guest guests[GUESTS];
    told_open(&pair->told, &pair->a, WEFT_HOOK_AFTER | WEFT_HOOK_LOCAL);
    for (unsigned i = 0; i < GUESTS; i++) {
        guests[i] = (struct guest){.engine = pair->a.engine};
        assert_int_equal(pthread_create(&guests[i].thread, NULL, come_and_go, &guests[i]), 0);
    }
    for (uint32_t i = 0; i < 200; i++)
        party_put(&pair->a, i, "one of many", i);
    for (unsigned i = 0; i < GUESTS; i++) {
        assert_int_equal(pthread_join(guests[i].thread, NULL), 0);
        assert_int_equal(guests[i].status, WEFT_OK);
        assert_int_equal(guests[i].missed, 0);
    }
    for (uint32_t i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "entry+%u", i);
        told_is(&pair->told, WEFT_AFTER, text);
    }
}

static void what_cannot_be_set_is_refused(void **state) {
    struct pair *pair = alone(state);
    weft_engine *engine = pair->a.engine;
    struct weft_error why = {0};
    char contexts[LIMIT_HOOKS + 1];
    static const unsigned wrong[] = {0, WEFT_HOOK_AFTER, WEFT_HOOK_LOCAL,
                                     WEFT_HOOK_LOCAL | WEFT_HOOK_REMOTE, WEFT_HOOK_ALL + 1};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(weft_on_commit(engine, wrong[i], told_hook, contexts, &why), WEFT_INVALID);
        assert_int_equal(why.status, WEFT_INVALID);
    }
    told_open(&pair->told, &pair->a, WEFT_HOOK_ALL);
    assert_int_equal(weft_on_commit(engine, WEFT_HOOK_ALL, told_hook, &pair->told, &why),
                     WEFT_INVALID);
    for (unsigned i = 1; i < LIMIT_HOOKS; i++)
        assert_int_equal(weft_on_commit(engine, WEFT_HOOK_ALL, once_hook, &contexts[i], &why),
                         WEFT_OK);
    assert_int_equal(weft_on_commit(engine, WEFT_HOOK_ALL, once_hook, contexts, &why), WEFT_LIMIT);
    for (unsigned i = 1; i < LIMIT_HOOKS; i++)
        assert_int_equal(weft_off_commit_wait(engine, once_hook, &contexts[i]), WEFT_OK);
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_DURABLE, 0);
    is_told(&pair->told, "entry+1");
}

/* ---- stepped --------------------------------------------------------------------------------- */

static void a_stepped_engine_calls_its_hooks_from_a_step(void **state) {
    struct pair *pair = *state;
    struct party *a = &pair->a;
    uint64_t due = 0;
    opens(a, pair, "a", NULL, WEFT_THREADS_NONE);
    weft_tx *tx = begins(a);
    const struct weft_value home[] = {weft_blob(a->device, 16), weft_blob(a->device, 16),
                                      weft_text("/home", 5)};
    assert_int_equal(weft_put(tx, a->location, home, 3), WEFT_OK);
    party_wait(a, commits(tx), WEFT_DURABLE, 0);
    told_open(&pair->told, a, WEFT_HOOK_ALL);
    party_wait(a, party_put(a, 1, "one", 1), WEFT_DURABLE, 0); /* It waits by stepping. */
    assert_int_equal(told_count(&pair->told), 0);
    assert_int_equal(weft_step(a->engine, &due), WEFT_OK);
    assert_int_equal(due, 0); /* The hook might have written. */
    is_told(&pair->told, "entry+1");
    assert_true(pthread_equal(pair->told.caller, pthread_self()));
    assert_int_equal(weft_step(a->engine, &due), WEFT_OK);
    assert_true(due > 0);
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(commits_of_this_host_are_told_before_and_after_with_their_rows),
        PAIR_TEST(a_refused_transaction_is_not_told),
        PAIR_TEST(the_end_of_a_rescan_is_told),
        PAIR_TEST(rows_of_another_device_are_told_with_its_name),
        PAIR_TEST(a_hook_is_told_only_what_it_wants),
        PAIR_TEST(a_hook_that_stands_still_costs_commits_nothing_and_is_told_what_it_lost),
        PAIR_TEST(taking_a_hook_away_waits_for_its_call_and_no_other_follows),
        PAIR_TEST(closing_waits_for_the_call_under_way),
        PAIR_TEST(a_hook_may_write_and_take_itself_away),
        PAIR_TEST(hooks_may_come_and_go_while_rows_are_written),
        PAIR_TEST(what_cannot_be_set_is_refused),
        PAIR_TEST(a_stepped_engine_calls_its_hooks_from_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
