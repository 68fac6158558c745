/* An engine that has stopped, is being closed, or holds as much as it may: every call says so, at
 * once or when its time is over, and what was promised stays promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/status.h"
#include "engine/host.h"
#include "tests/lib/alone.h"

#define NOBODY ((const uint8_t[WEFT_ID_SIZE]){1})

static weft_tx *begins(struct alone *alone) {
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    return tx;
}

/* ---- stopped --------------------------------------------------------------------------------- */

/* As an actor does whose disk has failed. */
static void stop(struct alone *alone) {
    struct weft_error why = {0};
    (void)status_fail(&why, WEFT_SYNC_FAILED, 5, "the disk of the test has failed");
    topology_fatal(engine_topology(alone->engine), &why);
}

static void ignore(void *context, const struct weft_commit *commit) {
    (void)context;
    (void)commit;
}

static void a_stopped_engine_takes_nothing_and_says_why(void **state) {
    static const struct weft_invite invite = {.address = "127.0.0.1:9"};
    struct alone *alone = *state;
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE);
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    uint64_t ticket = 0;
    unsigned count = 0;
    weft_tx *tx = begins(alone), *other = NULL;
    assert_int_equal(alone_put_note(alone, tx, 1, "one"), WEFT_OK);
    stop(alone);
    assert_int_equal(weft_commit(tx, NULL), WEFT_CLOSED);
    assert_int_equal(weft_tx_why(tx)->status, WEFT_CLOSED);
    assert_int_equal(weft_commit_wait(tx, -1, NULL), WEFT_CLOSED);
    weft_abort(tx);
    assert_int_equal(weft_begin(alone->engine, &other), WEFT_CLOSED);
    assert_int_equal(weft_begin_wait(alone->engine, -1, &other), WEFT_CLOSED);
    assert_null(other);
    assert_int_equal(
        weft_scan_begin(alone->engine, alone->note, ALONE_NOTE_DEVICE, &self, &ticket, &why),
        WEFT_CLOSED);
    assert_non_null(strstr(why.text, "note"));
    assert_int_equal(weft_scan_end(alone->engine, 1, &ticket), WEFT_CLOSED);
    assert_int_equal(weft_connect(alone->engine, "127.0.0.1:9", &why), WEFT_CLOSED);
    assert_non_null(strstr(why.text, "the disk of the test"));
    assert_int_equal(weft_invite(alone->engine, &invite, link, sizeof link, &why), WEFT_CLOSED);
    assert_int_equal(weft_admit(alone->engine, NOBODY, true), WEFT_CLOSED);
    assert_int_equal(weft_revoke(alone->engine, NOBODY, &ticket), WEFT_CLOSED);
    assert_int_equal(weft_on_commit(alone->engine, WEFT_HOOK_ALL, ignore, NULL, &why), WEFT_CLOSED);
    assert_int_equal(weft_listen_wait(alone->engine, "127.0.0.1:0", NULL, &why), WEFT_SYNC_FAILED);
    assert_int_equal(why.native, 5);
    assert_int_equal(weft_verify_wait(alone->engine, NULL, 0, &count, &why), WEFT_SYNC_FAILED);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM note"), 0);
}

static void a_stopped_engine_keeps_its_promises_and_makes_no_more(void **state) {
    struct alone *alone = *state;
    struct weft_error why = {0};
    const uint64_t done = alone_commits(alone, 1, "one");
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, done, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
    const uint64_t open = alone_commits(alone, 2, "two");
    stop(alone);
    assert_int_equal(weft_wait(alone->engine, done, WEFT_DURABLE, 0, -1, NULL), WEFT_OK);
    assert_int_equal(weft_wait(alone->engine, done, WEFT_REPLICATED, 1, -1, &why),
                     WEFT_SYNC_FAILED);
    assert_int_equal(weft_wait(alone->engine, open, WEFT_DURABLE, 0, -1, &why), WEFT_SYNC_FAILED);
    assert_non_null(strstr(why.text, "the disk of the test"));
    assert_int_equal(weft_wait(alone->engine, open, WEFT_DURABLE, 0, -1, NULL), WEFT_SYNC_FAILED);
}

/* The step that the wait itself makes is the one that fails. */
static void who_waits_while_an_engine_stops_learns_why(void **state) {
    struct alone *alone = *state;
    unsigned count = 0;
    alone_run(alone);
    disk_fail_sync(alone->disk, 1);
    const uint64_t ticket = alone_commits(alone, 1, "one");
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, -1, &alone->why),
                     WEFT_SYNC_FAILED);
    assert_int_equal(alone->why.status, WEFT_SYNC_FAILED);
    assert_int_equal(weft_verify_wait(alone->engine, NULL, 0, &count, NULL), WEFT_SYNC_FAILED);
}

static void that_an_engine_has_stopped_is_told_once(void **state) {
    struct alone *alone = *state;
    struct weft_event event;
    unsigned faults = 0;
    stop(alone);
    while (weft_next_event(alone->engine, &event)) {
        faults += event.kind == WEFT_EVENT_FAULT;
        assert_true(event.kind != WEFT_EVENT_FAULT || event.error.status == WEFT_SYNC_FAILED);
    }
    assert_int_equal(faults, 1);
}

/* What it may tell is bounded; that it has stopped is told after all the rest. */
static void that_an_engine_has_stopped_is_told_also_where_much_else_waits(void **state) {
    struct alone *alone = *state;
    struct weft_event event;
    unsigned told = 0, faults = 0;
    uint64_t lost = 0;
    for (unsigned i = 0; i < HOST_EVENTS + 10; i++) {
        struct mail *mail = NULL;
        Weft__Notice *notice = NULL;
        struct edge *edge = topology_edge(engine_topology(alone->engine), ACTOR_LISTENER,
                                          ACTOR_HOST, WEFT__MAIL__BODY_NOTICE);
        mail = mail_new(alone->engine->store_pool, WEFT__MAIL__BODY_NOTICE, &notice);
        assert_non_null(mail);
        notice->kind = WEFT_EVENT_PEER_DOWN;
        if (!edge_push(edge, mail)) {
            /* The host takes them in with any call that waits. */
            assert_int_equal(weft_wait(alone->engine, 1, WEFT_APPLIED, 0, 0, NULL), WEFT_NOT_FOUND);
            assert_true(edge_push(edge, mail));
        }
    }
    stop(alone);
    while (weft_next_event(alone->engine, &event)) {
        told += event.kind == WEFT_EVENT_PEER_DOWN;
        faults += event.kind == WEFT_EVENT_FAULT;
        if (event.kind == WEFT_EVENT_LOST) lost += event.count;
    }
    assert_int_equal(told, HOST_EVENTS);
    assert_int_equal(faults, 1);
    assert_true(lost >= 10);
}

/* ---- being closed ---------------------------------------------------------------------------- */

struct closing {
    weft_engine *engine;
    int note;
    weft_tx *tx; /* begun before */
    atomic_bool inside;
    enum weft_status begun, committed, hooked, verified;
    struct weft_error why;
};

/* Whoever closes waits for the hook under way, which finds the engine closed to all it asks for. */
static void ask_while_closing(void *context, const struct weft_commit *commit) {
    struct closing *closing = context;
    weft_tx *tx = NULL;
    unsigned count = 0;
    (void)commit;
    atomic_store(&closing->inside, true);
    while ((closing->begun = weft_begin(closing->engine, &tx)) == WEFT_OK)
        weft_abort(tx);
    closing->committed = weft_commit(closing->tx, NULL);
    weft_abort(closing->tx);
    closing->hooked = weft_on_commit(closing->engine, WEFT_HOOK_ALL, ignore, NULL, NULL);
    closing->verified = weft_verify_wait(closing->engine, NULL, 0, &count, &closing->why);
}

static void begin_in_hook(void *context, const struct weft_commit *commit) {
    struct closing *closing = context;
    (void)commit;
    if (closing->tx != NULL) return;
    assert_int_equal(weft_begin(closing->engine, &closing->tx), WEFT_OK);
    const uint8_t id[WEFT_ID_SIZE] = {3};
    uint8_t self[WEFT_ID_SIZE];
    weft_device(closing->engine, self);
    const struct weft_value row[] = {weft_blob(id, sizeof id), weft_blob(self, sizeof self),
                                     weft_null()};
    assert_int_equal(weft_put(closing->tx, closing->note, row, ALONE_NOTE_COLUMNS), WEFT_OK);
    ask_while_closing(closing, commit);
}

static void a_hook_that_asks_while_the_engine_closes_is_told_so(void **state) {
    struct alone *alone = *state;
    struct closing closing = {0};
    char path[SCRATCH_PATH + 16];
    weft_tx *tx = NULL;
    (void)snprintf(path, sizeof path, "%s/closes.weft", alone->folder);
    const struct weft_config config = {
        .path = path,
        .threads = WEFT_THREADS_ONE,
        .schema = "CREATE TABLE IF NOT EXISTS note ( -- @owned(owner: device)\n"
                  " id BLOB PRIMARY KEY, device BLOB NOT NULL, body TEXT)"};
    alone_ok(alone, weft_open(&config, &closing.engine, &alone->why));
    closing.note = weft_model(closing.engine, "note");
    alone_ok(alone, weft_on_commit(closing.engine, WEFT_HOOK_AFTER | WEFT_HOOK_LOCAL, begin_in_hook,
                                   &closing, &alone->why));
    uint8_t self[WEFT_ID_SIZE];
    weft_device(closing.engine, self);
    const struct weft_value row[] = {alone_id(1), weft_blob(self, sizeof self), weft_null()};
    assert_int_equal(weft_begin(closing.engine, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, closing.note, row, ALONE_NOTE_COLUMNS), WEFT_OK);
    assert_int_equal(weft_commit(tx, NULL), WEFT_OK);
    while (!atomic_load(&closing.inside))
        (void)sched_yield();
    weft_close(closing.engine);
    assert_int_equal(closing.begun, WEFT_CLOSED);
    assert_int_equal(closing.committed, WEFT_CLOSED);
    assert_int_equal(closing.hooked, WEFT_CLOSED);
    assert_int_equal(closing.verified, WEFT_CLOSED);
    assert_non_null(strstr(closing.why.text, "closed"));
}

/* ---- full ------------------------------------------------------------------------------------ */

static void two_transactions_of_one_thread_stand_beside_each_other(void **state) {
    struct alone *alone = *state;
    weft_tx *first = begins(alone), *second = begins(alone);
    assert_int_equal(alone_put_note(alone, first, 1, "one"), WEFT_OK);
    assert_int_equal(alone_put_note(alone, second, 2, "two"), WEFT_OK);
    assert_int_equal(weft_commit(second, NULL), WEFT_OK);
    assert_int_equal(weft_commit(first, NULL), WEFT_OK);
    alone_run(alone);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM note"), 2);
}

static void a_door_that_stays_shut_ends_a_wait_in_time(void **state) {
    struct alone *alone = *state;
    char body[20000];
    weft_tx *tx = NULL;
    alone_close(alone);
    alone->config.door_bytes = 16384;
    alone_ok(alone, alone_open(alone));
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = 0;
    weft_tx *large = begins(alone);
    assert_int_equal(alone_put_note(alone, large, 1, body), WEFT_OK);
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_BUSY);
    assert_int_equal(weft_begin_wait(alone->engine, 0, &tx), WEFT_TIMEOUT);
    assert_int_equal(weft_begin_wait(alone->engine, 20, &tx), WEFT_TIMEOUT);
    assert_null(tx);
    weft_abort(large);
    assert_int_equal(weft_begin_wait(alone->engine, 0, &tx), WEFT_OK);
    weft_abort(tx);
}

/* Fills the ring of this thread's lane; the transaction that did not go in. */
static weft_tx *fill_lane(struct alone *alone) {
    for (uint32_t number = 0; number < 2 * LIMIT_LANE_SLOTS; number++) {
        weft_tx *tx = begins(alone);
        assert_int_equal(alone_put_note(alone, tx, number, "many"), WEFT_OK);
        const enum weft_status status = weft_commit(tx, NULL);
        if (status == WEFT_OK) continue;
        assert_int_equal(status, WEFT_BUSY);
        assert_int_equal(weft_tx_why(tx)->status, WEFT_BUSY);
        return tx;
    }
    fail_msg("the lane is never full");
    return NULL;
}

static void a_full_lane_ends_a_wait_in_time_or_is_waited_for(void **state) {
    struct alone *alone = *state;
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE);
    uint64_t ticket = 0;
    weft_tx *tx = fill_lane(alone);
    assert_int_equal(weft_commit_wait(tx, 0, NULL), WEFT_TIMEOUT);
    assert_int_equal(weft_tx_why(tx)->status, WEFT_TIMEOUT);
    assert_int_equal(
        weft_scan_begin(alone->engine, alone->note, ALONE_NOTE_DEVICE, &self, &ticket, &alone->why),
        WEFT_BUSY);
    assert_int_equal(weft_scan_end(alone->engine, 1, &ticket), WEFT_BUSY);
    assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
}

/* It stops while somebody waits for room. */
static void who_waits_for_room_learns_that_the_engine_has_stopped(void **state) {
    struct alone *alone = *state;
    weft_tx *tx = fill_lane(alone);
    stop(alone);
    assert_int_equal(weft_commit_wait(tx, -1, NULL), WEFT_CLOSED);
    weft_abort(tx);
}

static void too_many_orders_at_once_are_refused_and_lost_to_nobody(void **state) {
    static const struct weft_invite invite = {.address = "127.0.0.1:9"};
    struct alone *alone = *state;
    char link[WEFT_LINK_MAX];
    uint64_t ticket = 0, last = 0;
    enum weft_status status = WEFT_OK;
    for (unsigned i = 0; i < 1000 && status == WEFT_OK; i++) {
        last = ticket;
        status = weft_revoke(alone->engine, NOBODY, &ticket);
    }
    assert_int_equal(status, WEFT_BUSY);
    assert_int_equal(weft_admit(alone->engine, NOBODY, true), WEFT_BUSY);
    assert_int_equal(weft_connect(alone->engine, "127.0.0.1:9", &alone->why), WEFT_BUSY);
    assert_non_null(strstr(alone->why.text, "try again"));
    assert_int_equal(weft_invite(alone->engine, &invite, link, sizeof link, &alone->why),
                     WEFT_BUSY);
    assert_int_equal(weft_listen_wait(alone->engine, "127.0.0.1:0", NULL, &alone->why), WEFT_BUSY);
    assert_int_equal(alone->why.status, WEFT_BUSY);
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, last, WEFT_APPLIED, 0, 0, NULL), WEFT_NOT_FOUND);
    alone_ok(alone, weft_listen_wait(alone->engine, "127.0.0.1:0", NULL, &alone->why));
}

/* ---- tickets --------------------------------------------------------------------------------- */

static void tickets_are_kept_until_so_many_later_ones(void **state) {
    struct alone *alone = *state;
    uint64_t ticket = 0;
    const uint64_t first = alone_commits(alone, 1, "one");
    while (ticket < first + LIMIT_TICKETS - 1) {
        enum weft_status status = weft_scan_end(alone->engine, 12345, &ticket);
        if (status == WEFT_OK) continue;
        assert_int_equal(status, WEFT_BUSY);
        alone_run(alone);
        assert_int_equal(weft_wait(alone->engine, first, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
    }
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, first, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
    assert_int_equal(weft_scan_end(alone->engine, 12345, &ticket), WEFT_OK);
    alone_run(alone);
    assert_int_equal(weft_wait(alone->engine, first, WEFT_DURABLE, 0, 0, &alone->why),
                     WEFT_NOT_FOUND);
    assert_non_null(strstr(alone->why.text, "kept until"));
    assert_int_equal(weft_wait(alone->engine, 0, WEFT_DURABLE, 0, 0, NULL), WEFT_NOT_FOUND);
    assert_int_equal(weft_wait(alone->engine, ticket + 1, WEFT_DURABLE, 0, 0, NULL),
                     WEFT_NOT_FOUND);
}

/* ---- many threads ---------------------------------------------------------------------------- */

struct crowd {
    struct alone *alone;
    pthread_barrier_t ready, over;
};

/* Takes a lane and fills it, and is there until all have been counted. */
static void *take_lane(void *context) {
    struct crowd *crowd = context;
    struct alone *alone = crowd->alone;
    intptr_t commits = 0;
    uint8_t id[WEFT_ID_SIZE];
    for (enum weft_status status = WEFT_OK; status == WEFT_OK;) {
        weft_tx *tx = NULL;
        status = weft_begin(alone->engine, &tx);
        if (status != WEFT_OK) break;
        weft_id(alone->engine, id);
        const struct weft_value row[] = {weft_blob(id, sizeof id),
                                         weft_blob(alone->device, WEFT_ID_SIZE), weft_null()};
        status = weft_put(tx, alone->note, row, ALONE_NOTE_COLUMNS);
        if (status == WEFT_OK) status = weft_commit(tx, NULL);
        if (status == WEFT_OK) commits++;
        if (status != WEFT_OK) weft_abort(tx);
    }
    (void)pthread_barrier_wait(&crowd->ready);
    (void)pthread_barrier_wait(&crowd->over);
    return (void *)commits;
}

/* A thread keeps its lane until it ends; all together have no more commits under way than the
 * engine may take. */
static void more_threads_than_lanes_are_too_many(void **state) {
    struct alone *alone = *state;
    struct crowd crowd = {.alone = alone};
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE);
    pthread_t threads[LIMIT_LANES];
    uint64_t ticket = 0, commits = 0;
    weft_tx *tx = NULL;
    alone_close(alone);
    alone_ok(alone, alone_open(alone)); /* This thread has no lane of it yet. */
    assert_int_equal(pthread_barrier_init(&crowd.ready, NULL, LIMIT_LANES + 1), 0);
    assert_int_equal(pthread_barrier_init(&crowd.over, NULL, LIMIT_LANES + 1), 0);
    for (size_t i = 0; i < LIMIT_LANES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_lane, &crowd), 0);
    (void)pthread_barrier_wait(&crowd.ready);
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_LIMIT);
    assert_int_equal(
        weft_scan_begin(alone->engine, alone->note, ALONE_NOTE_DEVICE, &self, &ticket, &alone->why),
        WEFT_LIMIT);
    assert_int_equal(weft_scan_end(alone->engine, 1, &ticket), WEFT_LIMIT);
    (void)pthread_barrier_wait(&crowd.over);
    for (size_t i = 0; i < LIMIT_LANES; i++) {
        void *made = NULL;
        assert_int_equal(pthread_join(threads[i], &made), 0);
        commits += (uint64_t)(intptr_t)made;
    }
    assert_in_range(commits, LIMIT_COMMITS - LIMIT_LANES, LIMIT_COMMITS);
    /* Lanes of threads that have ended are free again. */
    alone_run(alone);
    (void)alone_commits(alone, 1, "one");
    alone_run(alone);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM note"), commits + 1);
    assert_int_equal(pthread_barrier_destroy(&crowd.ready), 0);
    assert_int_equal(pthread_barrier_destroy(&crowd.over), 0);
}

int main(void) {
#define ALONE_TEST(f) cmocka_unit_test_setup_teardown(f, alone_setup, alone_teardown)
    const struct CMUnitTest tests[] = {
        ALONE_TEST(a_stopped_engine_takes_nothing_and_says_why),
        ALONE_TEST(a_stopped_engine_keeps_its_promises_and_makes_no_more),
        ALONE_TEST(who_waits_while_an_engine_stops_learns_why),
        ALONE_TEST(that_an_engine_has_stopped_is_told_once),
        ALONE_TEST(that_an_engine_has_stopped_is_told_also_where_much_else_waits),
        ALONE_TEST(a_hook_that_asks_while_the_engine_closes_is_told_so),
        ALONE_TEST(two_transactions_of_one_thread_stand_beside_each_other),
        ALONE_TEST(a_door_that_stays_shut_ends_a_wait_in_time),
        ALONE_TEST(a_full_lane_ends_a_wait_in_time_or_is_waited_for),
        ALONE_TEST(who_waits_for_room_learns_that_the_engine_has_stopped),
        ALONE_TEST(too_many_orders_at_once_are_refused_and_lost_to_nobody),
        ALONE_TEST(tickets_are_kept_until_so_many_later_ones),
        ALONE_TEST(more_threads_than_lanes_are_too_many),
    };
    return cmocka_run_group_tests_name("an engine that takes no more", tests, NULL, NULL);
}
