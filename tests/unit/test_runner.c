/* Threads for actors: every wiring carries everything, nobody spins, and a start that fails leaves
 * nothing behind. The net port is a stand-in that counts how often its thread slept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/net/posix.h"
#include "engine/runtime/ring.h"
#include "tests/lib/stage.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define PORTS_MAX 32u
/* What ends a test that would else never end. No passing test comes near it. */
#define PATIENCE_MS 30000

/* ---- the stand-in for the net ---- */

struct ports;

struct port {
    struct ports *ports;
    int descriptor;
    atomic_uint sleeps; /* waits with a timeout */
    atomic_uint looks;  /* waits without */
    atomic_bool rests;  /* sleeps now, and without a timeout */
};

struct ports {
    struct port port[PORTS_MAX];
    uint32_t opened, closed;
    uint32_t open_max; /* the open after so many fails; 0: none does */
    int64_t discarded; /* the connection that was last */
};

static void port_discard(void *self, int64_t transfer) {
    ((struct port *)self)->ports->discarded = transfer;
}

static const struct net_ops port_ops = {.discard = port_discard};

static void port_wait(void *self, uint64_t timeout_us) {
    struct port *port = self;
    if (timeout_us == 0) {
        atomic_fetch_add(&port->looks, 1);
        return;
    }
    struct pollfd watched = {port->descriptor, POLLIN, 0};
    struct timespec time = {(time_t)(timeout_us / 1000000), (long)(timeout_us % 1000000) * 1000};
    atomic_fetch_add(&port->sleeps, 1);
    atomic_store(&port->rests, timeout_us == UINT64_MAX);
    (void)ppoll(&watched, 1, timeout_us == UINT64_MAX ? NULL : &time, NULL);
    atomic_store(&port->rests, false);
}

static enum weft_status port_open(void *self, int descriptor, struct runner_port *out,
                                  struct weft_error *why) {
    struct ports *ports = self;
    if (ports->open_max != 0 && ports->opened == ports->open_max) {
        why->status = WEFT_LIMIT;
        return WEFT_LIMIT;
    }
    struct port *port = &ports->port[ports->opened++];
    port->ports = ports;
    port->descriptor = descriptor;
    *out = (struct runner_port){.net = {port, &port_ops}, .wait = port_wait};
    return WEFT_OK;
}

static void port_close(void *self, struct runner_port *port) {
    (void)port;
    ((struct ports *)self)->closed++;
}

static struct runner_ports ports_of(struct ports *ports) {
    struct runner_ports out = {
        .time = posix_time(), .self = ports, .open = port_open, .close = port_close};
    return out;
}

static bool within_patience(const struct instant *start) {
    const struct time_port time = posix_time();
    return time.now(time.self).mono_us - start->mono_us < PATIENCE_MS * 1000u;
}

/* Waits until a condition holds; false when patience ends. */
#define UNTIL(condition)                                                    \
    do {                                                                    \
        const struct time_port until_time = posix_time();                   \
        const struct instant until_start = until_time.now(until_time.self); \
        while (!(condition)) {                                              \
            assert_true(within_patience(&until_start));                     \
            sched_yield();                                                  \
        }                                                                   \
    } while (0)

/* ---- the scene: host ─► clock ─► log ─► host, prune ─► log ---- */

static const struct edge_rule rules[] = {
    {.from = ACTOR_HOST, .to = ACTOR_CLOCK, .kind = EDGE_ASK, .slots = 3, .mails = {MAIL(STOP)}},
    {.from = ACTOR_CLOCK, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 31, .mails = {MAIL(COMMIT)}},
    {.from = ACTOR_PRUNE, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 7, .mails = {MAIL(SURVEY)}},
    {.from = ACTOR_LOG,
     .to = ACTOR_HOST,
     .kind = EDGE_ANSWER,
     .slots = 255,
     .mails = {MAIL(COMMIT)},
     .why_enough = "the test has as many under way"},
    {.from = ACTOR_LISTENER,
     .to = ACTOR_PEER,
     .kind = EDGE_ASK,
     .slots = 3,
     .mails = {MAIL(STOP), MAIL(ACCEPTED)}},
    {.slots = 0},
};

struct scene {
    struct stage stage;
    struct ports ports;
    struct runner *runner;
    struct wake answers;
    struct pool *pool;
};

static void pass_to_log(struct part *part, struct instant now, struct mail **in,
                        struct outbox *out) {
    (void)part;
    (void)now;
    if ((*in)->body.body_case == MAIL(COMMIT)) outbox_send(out, ACTOR_LOG, in);
}

static void pass_to_host(struct part *part, struct instant now, struct mail **in,
                         struct outbox *out) {
    (void)part;
    (void)now;
    if ((*in)->body.body_case == MAIL(COMMIT)) outbox_send(out, ACTOR_HOST, in);
}

static void scene_build(struct scene *scene, uint32_t peers) {
    memset(scene, 0, sizeof *scene);
    scene->pool = pool_open(0, 1 << 20, NULL);
    assert_true(wake_open(&scene->answers));
    assert_int_equal(stage_open(&scene->stage, rules, peers, NULL), WEFT_OK);
    scene->stage.topology->host_answers = &scene->answers;
    scene->stage.part[ACTOR_CLOCK].play = pass_to_log;
    scene->stage.part[ACTOR_LOG].play = pass_to_host;
}

static void scene_run(struct scene *scene, enum weft_threads threads) {
    struct runner_ports ports = ports_of(&scene->ports);
    assert_int_equal(runner_open(scene->stage.topology, threads, &ports, &scene->runner, NULL),
                     WEFT_OK);
}

static void scene_close(struct scene *scene) {
    runner_close(scene->runner);
    assert_int_equal(scene->ports.opened, scene->ports.closed);
    for (uint32_t id = 1; id < scene->stage.topology->actor_count; id++) {
        assert_int_equal(scene->stage.part[id].starts, scene->stage.part[id].stops);
    }
    stage_close(&scene->stage);
    wake_close(&scene->answers);
    assert_int_equal(pool_held(scene->pool), 0);
    pool_close(scene->pool);
}

static bool scene_commit(struct scene *scene, uint32_t lane, uint64_t order) {
    struct mail *mail = stage_mail(scene->pool, MAIL(COMMIT));
    mail->order = order;
    mail->body.commit->ticket = order;
    if (door_push(&scene->stage.topology->door, lane, mail)) return true;
    mail_drop(&mail);
    return false;
}

/* The ticket of the next answer; sleeps until there is one, 0 when patience ends. */
static uint64_t scene_answer(struct scene *scene) {
    struct edge *edge = topology_edge(scene->stage.topology, ACTOR_LOG, ACTOR_HOST, MAIL(COMMIT));
    for (bool last = false;;) {
        struct mail *mail = edge_pop(edge);
        if (mail != NULL) {
            uint64_t ticket = mail->body.commit->ticket;
            mail_drop(&mail);
            return ticket;
        }
        if (last) return 0;
        wake_prepare(&scene->answers);
        if (ring_count(edge->ring) == 0) {
            struct pollfd watched = {scene->answers.descriptor, POLLIN, 0};
            last = poll(&watched, 1, PATIENCE_MS) != 1;
        }
        wake_cancel(&scene->answers);
    }
}

/* ---- tests ---- */

static void carries_all_in_order(enum weft_threads threads, uint32_t thread_count) {
    static struct scene scene;
    const uint64_t commits = 30000;
    scene_build(&scene, 3);
    scene_run(&scene, threads);
    assert_int_equal(runner_thread_count(scene.runner), thread_count);
    uint64_t submitted = 0, answered = 0;
    while (answered < commits) {
        while (submitted < commits && submitted - answered < 200 &&
               scene_commit(&scene, (uint32_t)(submitted % 5), submitted + 1)) {
            submitted++;
        }
        assert_int_equal(scene_answer(&scene), ++answered);
    }
    scene_close(&scene);
}

static void one_thread_per_actor_carries_all_in_order(void **state) {
    (void)state;
    carries_all_in_order(WEFT_THREADS_EACH, 10);
}

static void two_threads_carry_all_in_order(void **state) {
    (void)state;
    carries_all_in_order(WEFT_THREADS_TWO, 3);
}

static void one_thread_carries_all_in_order(void **state) {
    (void)state;
    carries_all_in_order(WEFT_THREADS_ONE, 1);
}

static void the_machine_decides_how_many_threads_there_are(void **state) {
    (void)state;
    static struct scene scene;
    scene_build(&scene, 1);
    scene_run(&scene, WEFT_THREADS_AUTO);
    uint32_t expected = sysconf(_SC_NPROCESSORS_ONLN) <= 2 ? 3 : 7;
    assert_int_equal(runner_thread_count(scene.runner), expected);
    scene_close(&scene);
}

/* A log that takes a mail only when the test says so. */
static void pass_when_told(struct part *part, struct instant now, struct mail **in,
                           struct outbox *out) {
    sem_t *permits = part->context;
    while (sem_wait(permits) != 0) {
    }
    pass_to_host(part, now, in, out);
}

static void a_slow_consumer_holds_its_producer_back_without_loss_or_spinning(void **state) {
    (void)state;
    static struct scene scene;
    sem_t permits;
    const uint64_t commits = 60;
    assert_int_equal(sem_init(&permits, 0, 0), 0);
    scene_build(&scene, 0);
    scene.stage.part[ACTOR_LOG].play = pass_when_told;
    scene.stage.part[ACTOR_LOG].context = &permits;
    /* The clock always wants a Tick as well: that must not keep its thread awake. */
    scene.stage.part[ACTOR_CLOCK].due_us = 1;
    for (uint64_t i = 1; i <= commits; i++)
        assert_true(scene_commit(&scene, 0, i));
    scene_run(&scene, WEFT_THREADS_EACH);
    struct port *clock = &scene.ports.port[0];
    struct edge *edge = topology_edge(scene.stage.topology, ACTOR_CLOCK, ACTOR_LOG, MAIL(COMMIT));
    /* Held back it sleeps without a timeout, though a Tick is due. */
    UNTIL(atomic_load(&clock->rests) && atomic_load(&edge->blocked) == 1);
    uint32_t sleeps = atomic_load(&clock->sleeps);
    for (uint64_t i = 1; i <= commits; i++) {
        assert_int_equal(sem_post(&permits), 0);
        assert_int_equal(scene_answer(&scene), i);
    }
    /* Half a ring for each wake, not one mail. */
    assert_true(atomic_load(&clock->sleeps) - sleeps <= commits / 4);
    runner_close(scene.runner);
    scene.runner = NULL;
    assert_int_equal(edge->pushed, commits);
    scene_close(&scene);
    sem_destroy(&permits);
}

struct ticking {
    uint32_t left;
    uint32_t early;
    uint64_t due_us;
    sem_t done;
};

static void tick(struct part *part, struct instant now, struct mail **in, struct outbox *out) {
    struct ticking *ticking = part->context;
    (void)in;
    (void)out;
    ticking->early += now.mono_us < part->due_us;
    part->due_us = --ticking->left > 0 ? now.mono_us + 500 : DUE_NEVER;
    if (ticking->left == 0) sem_post(&ticking->done);
}

static void ticks_come_when_they_are_due_and_the_thread_sleeps_between(void **state) {
    (void)state;
    static struct scene scene;
    struct ticking ticking = {.left = 40};
    assert_int_equal(sem_init(&ticking.done, 0, 0), 0);
    scene_build(&scene, 0);
    scene.stage.part[ACTOR_PRUNE].play = tick;
    scene.stage.part[ACTOR_PRUNE].context = &ticking;
    scene.stage.part[ACTOR_PRUNE].due_us = 0;
    scene_run(&scene, WEFT_THREADS_ONE);
    while (sem_wait(&ticking.done) != 0) {
    }
    UNTIL(atomic_load(&scene.ports.port[0].rests));
    assert_int_equal(ticking.early, 0);
    assert_int_equal(scene.stage.part[ACTOR_PRUNE].ticks, 40);
    /* One sleep for each pause, and one now. A sleep that ends early costs another one. */
    assert_true(atomic_load(&scene.ports.port[0].sleeps) <= 2 * 40);
    scene_close(&scene);
    sem_destroy(&ticking.done);
}

static void a_thread_that_never_rests_still_looks_at_its_sockets(void **state) {
    (void)state;
    static struct scene scene;
    scene_build(&scene, 0);
    scene.stage.part[ACTOR_BULK].due_us = 0;
    scene_run(&scene, WEFT_THREADS_TWO);
    UNTIL(atomic_load(&scene.ports.port[1].looks) >= 10);
    assert_int_equal(atomic_load(&scene.ports.port[1].sleeps), 0);
    scene_close(&scene);
    assert_true(scene.stage.part[ACTOR_BULK].ticks >= 10);
}

static enum weft_status refuse(struct part *part, struct weft_error *why) {
    (void)part;
    why->status = WEFT_LOCKED;
    return WEFT_LOCKED;
}

static void a_start_that_fails_stops_what_had_started(void **state) {
    (void)state;
    static struct scene scene;
    struct weft_error why = {0};
    for (enum weft_threads threads = WEFT_THREADS_EACH; threads <= WEFT_THREADS_NONE; threads++) {
        scene_build(&scene, 2);
        struct runner_ports ports = ports_of(&scene.ports);
        scene.stage.part[ACTOR_LISTENER].begin = refuse;
        assert_int_equal(runner_open(scene.stage.topology, threads, &ports, &scene.runner, &why),
                         WEFT_LOCKED);
        assert_int_equal(why.status, WEFT_LOCKED);
        assert_null(scene.runner);
        assert_int_equal(scene.stage.part[ACTOR_LOG].starts, 1);
        assert_int_equal(scene.stage.part[ACTOR_PEER].starts, 0);
        assert_int_equal(scene.stage.part[ACTOR_LOG].mails, 0);
        scene_close(&scene);
    }
}

static void a_port_that_cannot_be_opened_starts_nothing(void **state) {
    (void)state;
    static struct scene scene;
    struct weft_error why = {0};
    scene_build(&scene, 0);
    scene.ports.open_max = 1;
    struct runner_ports ports = ports_of(&scene.ports);
    assert_int_equal(
        runner_open(scene.stage.topology, WEFT_THREADS_TWO, &ports, &scene.runner, &why),
        WEFT_LIMIT);
    assert_int_equal(scene.stage.part[ACTOR_CLOCK].starts, 0);
    scene_close(&scene);
}

static void fail_for_good(struct part *part, struct instant now, struct mail **in,
                          struct outbox *out) {
    struct weft_error why = {WEFT_SYNC_FAILED, 10, "the disk did not confirm"};
    (void)part;
    (void)now;
    (void)in;
    outbox_fatal(out, &why);
}

static void a_fault_wakes_the_host_and_every_thread_comes_to_rest(void **state) {
    (void)state;
    static struct scene scene;
    scene_build(&scene, 0);
    scene.stage.part[ACTOR_LOG].play = fail_for_good;
    scene.stage.part[ACTOR_PRUNE].due_us = 0; /* would tick for ever */
    scene_run(&scene, WEFT_THREADS_EACH);
    wake_prepare(&scene.answers);
    for (uint64_t i = 1; i <= 20; i++)
        assert_true(scene_commit(&scene, 0, i));
    struct pollfd watched = {scene.answers.descriptor, POLLIN, 0};
    assert_int_equal(poll(&watched, 1, PATIENCE_MS), 1);
    wake_cancel(&scene.answers);
    assert_true(topology_failed(scene.stage.topology, NULL));
    for (uint32_t i = 0; i < scene.ports.opened; i++)
        UNTIL(atomic_load(&scene.ports.port[i].rests));
    scene_close(&scene);
    assert_int_equal(scene.stage.part[ACTOR_LOG].mails, 1);
}

static void closing_drops_what_is_under_way(void **state) {
    (void)state;
    static struct scene scene;
    for (int round = 0; round < 50; round++) {
        scene_build(&scene, 1);
        scene_run(&scene, round % 2 == 0 ? WEFT_THREADS_EACH : WEFT_THREADS_TWO);
        for (uint64_t i = 1; i <= 60; i++)
            assert_true(scene_commit(&scene, 0, i));
        scene_close(&scene);
    }
}

/* Neither thread has the connection any more, or has it yet. */
static void closing_ends_a_connection_on_its_way_to_a_peer(void **state) {
    (void)state;
    static struct scene scene;
    scene_build(&scene, 2);
    scene_run(&scene, WEFT_THREADS_NONE);
    struct edge *edge =
        topology_edge(scene.stage.topology, ACTOR_LISTENER, ACTOR_PEER + 1, MAIL(ACCEPTED));
    assert_true(edge_push(edge, stage_mail(scene.pool, MAIL(STOP))));
    struct mail *mail = stage_mail(scene.pool, MAIL(ACCEPTED));
    mail->body.accepted->handle = 77;
    assert_true(edge_push(edge, mail));
    scene_close(&scene);
    assert_int_equal(scene.ports.discarded, 77);
}

static void a_stepped_engine_runs_until_nothing_is_left_and_says_when_it_is_due(void **state) {
    (void)state;
    static struct scene scene;
    uint64_t due_us = 0;
    scene_build(&scene, 2);
    scene_run(&scene, WEFT_THREADS_NONE);
    assert_int_equal(runner_thread_count(scene.runner), 0);
    assert_int_equal(scene.ports.opened, 1);
    assert_int_equal(scene.ports.port[0].descriptor, -1);
    runner_step(scene.runner, &due_us);
    assert_true(due_us == DUE_NEVER);
    for (uint64_t i = 1; i <= 50; i++)
        assert_true(scene_commit(&scene, 0, i));
    scene.stage.part[ACTOR_BULK].due_us = UINT64_MAX - 7;
    runner_step(scene.runner, &due_us);
    assert_true(due_us == UINT64_MAX - 7);
    for (uint64_t i = 1; i <= 50; i++)
        assert_int_equal(scene_answer(&scene), i);
    assert_int_equal(atomic_load(&scene.ports.port[0].sleeps), 0);
    scene_close(&scene);
}

static void a_scheduler_can_turn_one_actor_at_a_time(void **state) {
    (void)state;
    static struct scene scene;
    scene_build(&scene, 0);
    scene_run(&scene, WEFT_THREADS_NONE);
    assert_true(scene_commit(&scene, 0, 1));
    assert_false(runner_turn(scene.runner, ACTOR_HOST));
    assert_false(runner_turn(scene.runner, ACTOR_LOG));
    assert_true(runner_turn(scene.runner, ACTOR_CLOCK));
    assert_false(runner_turn(scene.runner, ACTOR_CLOCK));
    assert_true(runner_turn(scene.runner, ACTOR_LOG));
    assert_int_equal(scene_answer(&scene), 1);
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_per_actor_carries_all_in_order),
        cmocka_unit_test(two_threads_carry_all_in_order),
        cmocka_unit_test(one_thread_carries_all_in_order),
        cmocka_unit_test(the_machine_decides_how_many_threads_there_are),
        cmocka_unit_test(a_slow_consumer_holds_its_producer_back_without_loss_or_spinning),
        cmocka_unit_test(ticks_come_when_they_are_due_and_the_thread_sleeps_between),
        cmocka_unit_test(a_thread_that_never_rests_still_looks_at_its_sockets),
        cmocka_unit_test(a_start_that_fails_stops_what_had_started),
        cmocka_unit_test(a_port_that_cannot_be_opened_starts_nothing),
        cmocka_unit_test(a_fault_wakes_the_host_and_every_thread_comes_to_rest),
        cmocka_unit_test(closing_drops_what_is_under_way),
        cmocka_unit_test(closing_ends_a_connection_on_its_way_to_a_peer),
        cmocka_unit_test(a_stepped_engine_runs_until_nothing_is_left_and_says_when_it_is_due),
        cmocka_unit_test(a_scheduler_can_turn_one_actor_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
