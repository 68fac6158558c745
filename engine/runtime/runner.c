/* Threads for actors.
 *
 *      ┌──► turn each actor a while ► one ran? ──yes──► now and then look at the sockets ──┐
 *      │                                │ no                                              │
 *      │                             prepare the wake                                     │
 *      │                             look once more at every actor                        │
 *      │                             sleep in the port until something, or the first due  │
 *      └──────────────────────────── cancel the wake ◄────────────────────────────────────┘
 *
 * Invariants
 *   1. An actor's state, pool and port are used by one thread at a time: by the opener until
 *      the threads start, by the actor's thread until it is joined, then by the closer.
 *   2. A thread sleeps only after it has announced so and found nothing to do since (wake.h). An
 *      actor held back by a full edge has marked the edge by then (edge.c).
 *   3. A due time that has passed while its actor is held back does not shorten the sleep: the
 *      consumer's signal ends it.
 *   4. The threads take no signals of the host's.
 *
 * Not here: what a turn is (actor.c), and the graceful end (weft.c). */
#include "engine/runtime/runner.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

/* A busy thread looks at its sockets after so many rounds or so long, whichever is first. */
#define RUNNER_LOOK_ROUNDS 64u
#define RUNNER_LOOK_US 1000u
#define RUNNER_SHARE_US 500u /* of an actor, before it is the turn of another */
#define RUNNER_NAME_MAX 16u  /* the system's bound for a thread's name */

struct runner_thread {
    struct wake wake;
    struct runner *runner;
    struct runner_port port;
    struct actor **actors;
    uint32_t actor_count;
    struct agenda agenda; /* of `actors`, by their places */
    pthread_t thread;
    bool wake_stands, port_stands, thread_stands;
    /* The thread's own. */
    uint32_t rounds;
    uint64_t looked_us;
};

struct runner {
    struct topology *topology;
    struct runner_ports ports;
    enum weft_threads threads;
    struct runner_thread *thread; /* one for NONE as well, with a port and without a thread */
    uint32_t thread_count;
    atomic_bool halt;
};

/* ---- which actor on which thread ---- */

enum weft_threads runner_settle(enum weft_threads threads) {
    if (threads != WEFT_THREADS_AUTO) return threads;
    return sysconf(_SC_NPROCESSORS_ONLN) <= 2 ? WEFT_THREADS_TWO : WEFT_THREADS_EACH;
}

static uint32_t place_count(enum weft_threads threads, const struct topology *topology) {
    if (threads == WEFT_THREADS_EACH) return topology->kit_count - 1;
    return threads == WEFT_THREADS_TWO ? 3 : 1;
}

static uint32_t place_of(enum weft_threads threads, const struct topology *topology,
                         uint32_t actor) {
    CHECK(actor != ACTOR_HOST);
    if (threads == WEFT_THREADS_EACH)
        return (uint32_t)(topology->actors[actor].kit - topology->kits) - 1;
    if (threads == WEFT_THREADS_TWO) {
        if (actor == ACTOR_COPIER) return 2; /* It waits for the disk, and nobody waits for it. */
        return actor == ACTOR_BULK || actor == ACTOR_SHARE || actor >= ACTOR_PEER ? 1 : 0;
    }
    return 0;
}

/* ---- one thread ---- */

static struct instant runner_now(const struct runner *runner) {
    return runner->ports.time.now(runner->ports.time.self);
}

static void thread_wait(struct runner_thread *thread, uint64_t timeout_us) {
    thread->port.wait(thread->port.net.self, timeout_us);
}

/* An actor's share of the thread: one turn, and more while it has something to do and its turns are
 * short. So what takes many short steps does not wait for a long one of another between each two of
 * them. It stays marked while it has more to do; if it is held back it is marked again when there
 * is room. */
static bool thread_turn(struct runner_thread *thread, uint32_t place, struct instant *now) {
    struct actor *actor = thread->actors[place];
    const uint64_t begun_us = now->mono_us;
    bool ran = false, spent = false;
    marks_clear(&thread->agenda.marks, place);
    while (!spent && actor_turn(actor, *now)) {
        ran = true;
        *now = runner_now(thread->runner);
        spent = now->mono_us - begun_us >= RUNNER_SHARE_US;
    }
    const uint64_t due = actor_due_us(actor);
    if (due > now->mono_us) agenda_set_due(&thread->agenda, place, due);
    if (spent || actor_waits(actor, *now)) marks_set(&thread->agenda.marks, place);
    return ran;
}

/* A share for each actor that may have something to do; true if any ran. */
static bool thread_round(struct runner_thread *thread, struct instant now) {
    bool ran = false;
    agenda_ring(&thread->agenda, now.mono_us);
    for (uint32_t i = 0; marks_next(&thread->agenda.marks, i, &i); i++) {
        if (thread_turn(thread, i, &now)) ran = true;
    }
    return ran;
}

static void thread_look(struct runner_thread *thread, struct instant now) {
    thread->rounds++;
    if (thread->rounds < RUNNER_LOOK_ROUNDS && now.mono_us - thread->looked_us < RUNNER_LOOK_US) {
        return;
    }
    thread->rounds = 0;
    thread->looked_us = now.mono_us;
    thread_wait(thread, 0);
}

/* How long the thread may sleep: 0 if an actor has something to do, UINT64_MAX without a due time.
 * Invariant 3. */
static uint64_t thread_sleep_us(struct runner_thread *thread, struct instant now) {
    struct agenda *agenda = &thread->agenda;
    agenda_ring(agenda, now.mono_us);
    for (uint32_t i = 0; marks_next(&agenda->marks, i, &i); i++) {
        /* Who is held back is marked again when there is room. */
        marks_clear(&agenda->marks, i);
        if (!actor_waits(thread->actors[i], now)) continue;
        marks_set(&agenda->marks, i);
        return 0;
    }
    const uint64_t first = agenda_first(agenda);
    return first == DUE_NEVER ? UINT64_MAX : first - now.mono_us;
}

static void *thread_main(void *context) {
    struct runner_thread *thread = context;
    struct runner *runner = thread->runner;
    CHECK(thread->actor_count > 0);
    while (!atomic_load(&runner->halt)) {
        struct instant now = runner_now(runner);
        if (thread_round(thread, now)) {
            thread_look(thread, now);
            continue;
        }
        wake_prepare(&thread->wake);
        uint64_t sleep_us = thread_sleep_us(thread, runner_now(runner));
        if (atomic_load(&runner->halt)) sleep_us = 0;
        thread_wait(thread, sleep_us);
        wake_cancel(&thread->wake);
    }
    return NULL;
}

static void name_thread(const struct runner_thread *thread, enum weft_threads threads) {
    char name[RUNNER_NAME_MAX];
    uint32_t first = thread->actors[0]->id;
    if (threads == WEFT_THREADS_ONE) {
        (void)snprintf(name, sizeof name, "weft");
    } else if (threads == WEFT_THREADS_TWO) {
        (void)snprintf(name, sizeof name, "weft-%s",
                       first == ACTOR_BULK     ? "net"
                       : first == ACTOR_COPIER ? topology_name(first)
                                               : "storage");
    } else if (first >= ACTOR_PEER) {
        (void)snprintf(name, sizeof name, "weft-peer%u", (first - ACTOR_PEER) % 10000u);
    } else {
        (void)snprintf(name, sizeof name, "weft-%s", topology_name(first));
    }
    (void)pthread_setname_np(thread->thread, name);
}

/* ---- open ---- */

static enum weft_status open_places(struct runner *runner, struct weft_error *why) {
    struct topology *topology = runner->topology;
    runner->thread = aligned_alloc(_Alignof(struct runner_thread),
                                   runner->thread_count * sizeof *runner->thread);
    if (runner->thread == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for threads");
    memset(runner->thread, 0, runner->thread_count * sizeof *runner->thread);
    for (uint32_t i = 0; i < runner->thread_count; i++) {
        struct runner_thread *thread = &runner->thread[i];
        bool stepped = runner->threads == WEFT_THREADS_NONE;
        thread->runner = runner;
        thread->actors = calloc(topology->actor_count, sizeof(struct actor *));
        if (thread->actors == NULL) {
            return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for threads");
        }
        for (uint32_t id = ACTOR_HOST + 1; id < topology->actor_count; id++) {
            if (place_of(runner->threads, topology, id) != i) continue;
            thread->actors[thread->actor_count++] = &topology->actors[id];
        }
        CHECK(thread->actor_count > 0);
        if (!agenda_open(&thread->agenda, thread->actor_count)) {
            return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for threads");
        }
        for (uint32_t place = 0; place < thread->actor_count; place++) {
            struct actor *actor = thread->actors[place];
            actor->agenda = &thread->agenda;
            actor->agenda_place = actor->watch.place = place;
            actor->watch.marks = &thread->agenda.marks;
        }
        if (!stepped && !wake_open(&thread->wake)) {
            return status_fail(why, WEFT_LIMIT, 0,
                               "no descriptor left to wake thread %u of the engine with; raise the "
                               "limit of open files",
                               i + 1);
        }
        thread->wake_stands = !stepped;
        int descriptor = stepped ? -1 : thread->wake.descriptor;
        enum weft_status status =
            runner->ports.open(runner->ports.self, descriptor, &thread->port, why);
        if (status != WEFT_OK) return status;
        thread->port_stands = true;
    }
    return WEFT_OK;
}

/* Tells every edge and the door whom to wake. */
static void join_wakes(struct runner *runner) {
    struct topology *topology = runner->topology;
    bool stepped = runner->threads == WEFT_THREADS_NONE;
    for (uint32_t i = 0; i < topology->edge_count; i++) {
        struct edge *edge = &topology->edges[i];
        if (edge->to == ACTOR_HOST) {
            /* Events have a descriptor of their own: the host polls it. Hooks have a thread. */
            bool event = edge->rule->mails[0] == WEFT__MAIL__BODY_NOTICE;
            edge->consumer = event ? topology->host_notices : topology->host_answers;
            if (event) edge->also = topology->host_log;
            if (edge->rule->mails[0] == WEFT__MAIL__BODY_CHANGES)
                edge->consumer = topology->host_hooks;
        } else if (!stepped) {
            edge->consumer = &runner->thread[place_of(runner->threads, topology, edge->to)].wake;
        }
        if (edge->from != ACTOR_HOST && !stepped) {
            edge->producer = &runner->thread[place_of(runner->threads, topology, edge->from)].wake;
        }
    }
    if (!stepped) {
        topology->door.consumer =
            &runner->thread[place_of(runner->threads, topology, ACTOR_CLOCK)].wake;
    }
}

static void part_wakes(struct topology *topology) {
    for (uint32_t i = 0; i < topology->edge_count; i++) {
        topology->edges[i].consumer = NULL;
        topology->edges[i].also = NULL;
        topology->edges[i].producer = NULL;
    }
    topology->door.consumer = NULL;
    for (uint32_t id = 0; id < topology->actor_count; id++) {
        topology->actors[id].agenda = NULL;
        topology->actors[id].watch.marks = NULL;
    }
}

static enum weft_status start_actors(struct runner *runner, struct weft_error *why) {
    struct topology *topology = runner->topology;
    for (uint32_t id = ACTOR_HOST + 1; id < topology->actor_count; id++) {
        struct actor *actor = &topology->actors[id];
        actor->seed.net = runner->thread[place_of(runner->threads, topology, id)].port.net;
        enum weft_status status = actor_start(actor, why);
        if (status != WEFT_OK) return status;
    }
    return WEFT_OK;
}

static enum weft_status start_threads(struct runner *runner, struct weft_error *why) {
    if (runner->threads == WEFT_THREADS_NONE) return WEFT_OK;
    enum weft_status status = WEFT_OK;
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    for (uint32_t i = 0; i < runner->thread_count && status == WEFT_OK; i++) {
        struct runner_thread *thread = &runner->thread[i];
        int error = pthread_create(&thread->thread, NULL, thread_main, thread);
        if (error != 0) {
            status = status_fail(why, WEFT_LIMIT, error,
                                 "thread %u of %u of the engine cannot be started; raise the limit "
                                 "of threads, or open with fewer (WEFT_THREADS_TWO)",
                                 i + 1, runner->thread_count);
        } else {
            thread->thread_stands = true;
            name_thread(thread, runner->threads);
        }
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return status;
}

enum weft_status runner_open(struct topology *topology, enum weft_threads threads,
                             const struct runner_ports *ports, struct runner **out,
                             struct weft_error *why) {
    CHECK(topology != NULL && out != NULL);
    CHECK(ports != NULL && ports->open != NULL && ports->close != NULL);
    *out = NULL;
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for threads");
    runner->topology = topology;
    runner->ports = *ports;
    runner->threads = runner_settle(threads);
    runner->thread_count = place_count(runner->threads, topology);
    atomic_init(&runner->halt, false);
    enum weft_status status = open_places(runner, why);
    if (status == WEFT_OK) join_wakes(runner);
    if (status == WEFT_OK) status = start_actors(runner, why);
    if (status == WEFT_OK) status = start_threads(runner, why);
    if (status != WEFT_OK) {
        runner_close(runner);
        return status;
    }
    *out = runner;
    return WEFT_OK;
}

/* ---- close ---- */

/* A connection on its way from the listener to a peer belongs to neither port; nobody adopts it. */
static void discard_transfers(struct runner *runner) {
    const struct runner_thread *thread = &runner->thread[0];
    for (uint32_t i = 0; i < runner->topology->edge_count; i++) {
        struct edge *edge = &runner->topology->edges[i];
        if (edge->from != ACTOR_LISTENER || edge->to < ACTOR_PEER) continue;
        for (struct mail *mail = edge_pop(edge); mail != NULL; mail = edge_pop(edge)) {
            const struct net_port *net = &thread->port.net;
            if (mail->body.body_case == WEFT__MAIL__BODY_ACCEPTED)
                net->ops->discard(net->self, mail->body.accepted->handle);
            mail_drop(&mail);
        }
    }
}

void runner_close(struct runner *runner) {
    if (runner == NULL) return;
    struct topology *topology = runner->topology;
    uint32_t count = runner->thread != NULL ? runner->thread_count : 0;
    atomic_store(&runner->halt, true);
    for (uint32_t i = 0; i < count; i++) {
        if (runner->thread[i].thread_stands) wake_signal(&runner->thread[i].wake);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!runner->thread[i].thread_stands) continue;
        CHECK(pthread_join(runner->thread[i].thread, NULL) == 0);
    }
    for (uint32_t id = topology->actor_count; id-- > ACTOR_HOST + 1;) {
        actor_stop(&topology->actors[id]);
    }
    part_wakes(topology);
    if (count > 0 && runner->thread[0].port_stands) discard_transfers(runner);
    for (uint32_t i = count; i-- > 0;) {
        struct runner_thread *thread = &runner->thread[i];
        if (thread->port_stands) runner->ports.close(runner->ports.self, &thread->port);
        if (thread->wake_stands) wake_close(&thread->wake);
        agenda_close(&thread->agenda);
        free(thread->actors);
    }
    free(runner->thread);
    free(runner);
}

/* ---- caller-stepped ---- */

void runner_step(struct runner *runner, uint64_t *due_us) {
    CHECK(runner != NULL && due_us != NULL);
    CHECK(runner->threads == WEFT_THREADS_NONE);
    struct runner_thread *thread = &runner->thread[0];
    struct instant now;
    bool ran;
    do {
        ran = false;
        thread_wait(thread, 0);
        /* Whoever steps it may have turned single actors, or told a watch, without the agenda. */
        for (uint32_t i = 0; i < thread->actor_count; i++)
            actor_rouse(thread->actors[i]);
        for (now = runner_now(runner); thread_round(thread, now); now = runner_now(runner)) {
            ran = true;
        }
    } while (ran);
    uint64_t sleep_us = thread_sleep_us(thread, now);
    *due_us = sleep_us == UINT64_MAX ? DUE_NEVER : now.mono_us + sleep_us;
}

bool runner_turn(struct runner *runner, uint32_t actor) {
    CHECK(runner != NULL);
    CHECK(runner->threads == WEFT_THREADS_NONE);
    CHECK(actor < runner->topology->actor_count);
    if (actor == ACTOR_HOST) return false;
    return actor_turn(&runner->topology->actors[actor], runner_now(runner));
}

uint32_t runner_thread_count(const struct runner *runner) {
    CHECK(runner != NULL);
    return runner->threads == WEFT_THREADS_NONE ? 0 : runner->thread_count;
}
