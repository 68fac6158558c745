/* What it costs to hand a pointer to another thread: engine/runtime/ring.h and wake.h.
 *
 *   one thread    push and pop in alternation: what the primitives cost without a second
 *                 core; beside ck's ring alone, which ours is made of
 *   streaming     one thread pushes, one pops; who finds the ring full or empty yields. Beside a
 *                 plain queue with a cached index on each side: the least that a queue can cost
 *   wake          a pointer there and one back between two sleeping threads, beside two bare
 *                 eventfds: what the announcement of sleep adds to a wake-up
 *
 * Rows here are messages. */
#include <ck_ring.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/wake.h"
#include "perf/bench.h"

#define SLOTS 1024u
#define WAKES_DIVISOR 100u /* a wake-up costs some hundred times a message */

/* ---- the plain queue ---- */

/* Lamport's queue; each side remembers what it last saw of the other's index. */
struct plain {
    void *slots[SLOTS];
    _Alignas(64) atomic_uint tail; /* written by the producer */
    unsigned head_seen;
    _Alignas(64) atomic_uint head; /* written by the consumer */
    unsigned tail_seen;
};

static bool plain_push(struct plain *queue, void *pointer) {
    unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    if (tail - queue->head_seen == SLOTS)
        queue->head_seen = atomic_load_explicit(&queue->head, memory_order_acquire);
    if (tail - queue->head_seen == SLOTS) return false;
    queue->slots[tail % SLOTS] = pointer;
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
    return true;
}

static void *plain_pop(struct plain *queue) {
    unsigned head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    if (head == queue->tail_seen)
        queue->tail_seen = atomic_load_explicit(&queue->tail, memory_order_acquire);
    if (head == queue->tail_seen) return NULL;
    void *pointer = queue->slots[head % SLOTS];
    atomic_store_explicit(&queue->head, head + 1, memory_order_release);
    return pointer;
}

/* ---- streaming ---- */

struct stream {
    struct ring *ring; /* NULL: the plain queue */
    struct plain *plain;
    uint64_t count;
    uint64_t sum; /* of what arrived */
};

static void *consume(void *context) {
    struct stream *stream = context;
    for (uint64_t i = 0; i < stream->count;) {
        void *got = stream->ring != NULL ? ring_pop(stream->ring) : plain_pop(stream->plain);
        if (got == NULL) {
            (void)sched_yield();
            continue;
        }
        stream->sum += (uintptr_t)got;
        i++;
    }
    return NULL;
}

/* Seconds for `count` messages; every one must arrive. */
static double stream_run(struct stream *stream) {
    pthread_t thread;
    double started = bench_now();
    CHECK(pthread_create(&thread, NULL, consume, stream) == 0);
    for (uint64_t i = 1; i <= stream->count;) {
        void *message = (void *)(uintptr_t)i; /* A number in pointer's clothes. */
        bool pushed = stream->ring != NULL ? ring_push(stream->ring, message)
                                           : plain_push(stream->plain, message);
        if (pushed)
            i++;
        else
            (void)sched_yield();
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(stream->sum == stream->count * (stream->count + 1) / 2);
    return bench_now() - started;
}

static void bench_streaming(struct bench *bench) {
    double ring_ns[BENCH_PAIRS_MAX], ratios[BENCH_PAIRS_MAX];
    for (unsigned i = 0; i < bench->pairs; i++) {
        struct ring *ring = ring_open(SLOTS);
        struct plain *plain = aligned_alloc(64, sizeof *plain);
        CHECK(ring != NULL && plain != NULL);
        *plain = (struct plain){.head_seen = 0};
        struct stream of_ring = {.ring = ring, .count = bench->rows};
        struct stream of_plain = {.plain = plain, .count = bench->rows};
        double first = i % 2 ? stream_run(&of_plain) : stream_run(&of_ring);
        double second = i % 2 ? stream_run(&of_ring) : stream_run(&of_plain);
        double ring_seconds = i % 2 ? second : first, plain_seconds = i % 2 ? first : second;
        ring_ns[i] = ring_seconds / (double)bench->rows * 1e9;
        ratios[i] = ring_seconds / plain_seconds;
        ring_close(ring);
        free(plain);
    }
    struct bench_figure figure =
        bench_figure_of("streaming", bench_median(ring_ns, bench->pairs), "ns");
    bench_figure_ratio(&figure, "plain queue", ratios, bench->pairs);
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

/* Seconds for `count` messages over ck alone, pushed and popped in turn. */
static double raw_run(uint64_t count) {
    struct ck_ring ring;
    ck_ring_buffer_t *slots = aligned_alloc(64, SLOTS * sizeof *slots);
    CHECK(slots != NULL);
    memset(slots, 0, SLOTS * sizeof *slots);
    ck_ring_init(&ring, SLOTS);
    const double started = bench_now();
    for (uint64_t n = 1; n <= count; n++) {
        void *message = (void *)(uintptr_t)n, *got = NULL;
        CHECK(ck_ring_enqueue_spsc(&ring, slots, message));
        CHECK(ck_ring_dequeue_spsc(&ring, slots, &got) && got == message);
    }
    const double seconds = bench_now() - started;
    free(slots);
    return seconds;
}

static void bench_one_thread(struct bench *bench) {
    double ns[BENCH_PAIRS_MAX], ratios[BENCH_PAIRS_MAX];
    for (unsigned i = 0; i < bench->pairs; i++) {
        struct ring *ring = ring_open(SLOTS);
        CHECK(ring != NULL);
        double raw = i % 2 ? raw_run(bench->rows) : 0;
        double started = bench_now();
        for (uint64_t n = 1; n <= bench->rows; n++) {
            void *message = (void *)(uintptr_t)n;
            CHECK(ring_push(ring, message));
            CHECK(ring_pop(ring) == message);
        }
        const double seconds = bench_now() - started;
        if (i % 2 == 0) raw = raw_run(bench->rows);
        ns[i] = seconds / (double)bench->rows * 1e9;
        ratios[i] = seconds / raw;
        ring_close(ring);
    }
    struct bench_figure figure =
        bench_figure_of("one thread", bench_median(ns, bench->pairs), "ns");
    bench_figure_ratio(&figure, "raw ck", ratios, bench->pairs);
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

/* ---- waking ---- */

/* One direction of a conversation. */
struct line {
    struct ring *ring; /* NULL: the descriptor alone carries the word */
    struct wake wake;
};

static void say(struct line *line, void *word) {
    if (line->ring == NULL) {
        uint64_t one = 1;
        CHECK(write(line->wake.descriptor, &one, sizeof one) == (ssize_t)sizeof one);
        return;
    }
    CHECK(ring_push(line->ring, word));
    wake_signal(&line->wake);
}

static void sleep_on(int descriptor) {
    struct pollfd waiting = {.fd = descriptor, .events = POLLIN};
    CHECK(poll(&waiting, 1, -1) >= 0);
}

static void hear(struct line *line) {
    if (line->ring == NULL) {
        uint64_t count = 0;
        while (read(line->wake.descriptor, &count, sizeof count) != (ssize_t)sizeof count)
            sleep_on(line->wake.descriptor);
        return;
    }
    while (ring_pop(line->ring) == NULL) {
        wake_prepare(&line->wake);
        if (ring_peek(line->ring) == NULL) sleep_on(line->wake.descriptor);
        wake_cancel(&line->wake);
    }
}

struct talk {
    struct line there, back;
    uint64_t count;
};

static void *answer(void *context) {
    struct talk *talk = context;
    for (uint64_t i = 0; i < talk->count; i++) {
        hear(&talk->there);
        say(&talk->back, talk);
    }
    return NULL;
}

/* Fills `took` with the seconds of each round trip, sorted. */
static void talk_run(uint64_t count, bool rings, double *took) {
    struct talk talk = {.count = count};
    CHECK(wake_open(&talk.there.wake) && wake_open(&talk.back.wake));
    if (rings) {
        talk.there.ring = ring_open(16);
        talk.back.ring = ring_open(16);
        CHECK(talk.there.ring != NULL && talk.back.ring != NULL);
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, answer, &talk) == 0);
    for (uint64_t i = 0; i < count; i++) {
        double started = bench_now();
        say(&talk.there, &talk);
        hear(&talk.back);
        took[i] = bench_now() - started;
    }
    CHECK(pthread_join(thread, NULL) == 0);
    if (rings) {
        ring_close(talk.there.ring);
        ring_close(talk.back.ring);
    }
    wake_close(&talk.there.wake);
    wake_close(&talk.back.wake);
    bench_sort(took, count);
}

static void bench_wake(struct bench *bench) {
    uint64_t count = bench->rows / WAKES_DIVISOR + 1;
    double *took = calloc(count, sizeof *took);
    CHECK(took != NULL);
    double p50[BENCH_PAIRS_MAX], p99[BENCH_PAIRS_MAX], ratios[BENCH_PAIRS_MAX];
    for (unsigned i = 0; i < bench->pairs; i++) {
        talk_run(count, true, took);
        p50[i] = bench_quantile(took, count, 0.50) * 1e6;
        p99[i] = bench_quantile(took, count, 0.99) * 1e6;
        talk_run(count, false, took);
        ratios[i] = p50[i] / (bench_quantile(took, count, 0.50) * 1e6);
    }
    struct bench_figure figure =
        bench_figure_of("wake, there and back", bench_median(p50, bench->pairs), "us");
    bench_figure_ratio(&figure, "two eventfds", ratios, bench->pairs);
    figure.p50 = figure.value;
    figure.p99 = bench_median(p99, bench->pairs);
    figure.rows = count;
    bench_print(bench, &figure);
    free(took);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {5000000, 1000000, 20000};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "ring", &size, argc, argv, &status)) return status;
    bench_one_thread(&bench);
    bench_streaming(&bench);
    bench_wake(&bench);
    return bench_close(&bench, false);
}
