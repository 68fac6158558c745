/* A hub: 10, 100 and more devices that have a session with one, what each costs it, and how long
 * one edit takes to all of them.
 *
 *     others: gather ──ready──► hub: open, listen ──address──► others: meet, listen
 *                                    edit, wait until all have it, rest, sample, close
 *
 * The others are sessions without engines behind them, all in one process (tests/lib/crowd.h): what
 * is measured is the hub's. `pages` is what the kernel has given it, `heap` what it has taken from
 * malloc, while all sessions stand and nothing moves; `idle` its CPU in a second of that, for one
 * peer; `edit` the time from one commit to the last acknowledgement of it, `edit cpu` the hub's CPU
 * for it and for one peer. Slopes are between the fewest and the most. */
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/weft.h"
#include "perf/bench.h"
#include "perf/meet.h"
#include "tests/lib/crowd.h"

#define ROUNDS 3u
#define PATIENCE_MS 120000
#define REST_MS 2000
#define EDITS 10u

static const char schema[] = "CREATE TABLE IF NOT EXISTS item ( -- @owned(owner: device_id)\n"
                             "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, name TEXT\n"
                             ") WITHOUT ROWID;\n";

struct gathering {
    char path[BENCH_PATH_MAX];
    unsigned peers;
    int ready[2], address[2];
    /* The hub's, in its process and then in ours. */
    int measured[2];
};

struct measure {
    double pages, heap, idle_us, edit_ms, edit_cpu_us;
};

static double cpu_us(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void raise_descriptors(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* ---- the hub ---- */

static bool edit(weft_engine *engine, unsigned others, struct side *side) {
    uint8_t own[WEFT_ID_SIZE], id[WEFT_ID_SIZE];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    struct weft_error why = {0};
    weft_device(engine, own);
    weft_id(engine, id);
    const struct weft_value row[] = {weft_blob(id, sizeof id), weft_blob(own, sizeof own),
                                     weft_text("row", 3)};
    enum weft_status status = weft_begin_wait(engine, PATIENCE_MS, &tx);
    if (status == WEFT_OK) status = weft_put(tx, weft_model(engine, "item"), row, 3);
    if (status == WEFT_OK) status = weft_commit_wait(tx, PATIENCE_MS, &ticket);
    const enum weft_level level = others == 0 ? WEFT_DURABLE : WEFT_REPLICATED;
    if (status == WEFT_OK) status = weft_wait(engine, ticket, level, others, PATIENCE_MS, &why);
    if (status != WEFT_OK) side_fail(side, "edit: %s %s", weft_status_name(status), why.text);
    return status == WEFT_OK;
}

static weft_engine *open_hub(const struct gathering *gathering, unsigned peers, struct side *side) {
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    const struct weft_config config = {
        .path = gathering->path, .schema = schema, .peers_max = peers, .threads = WEFT_THREADS_TWO};
    if (weft_open(&config, &engine, &why) != WEFT_OK) side_fail(side, "hub: %s", why.text);
    return engine;
}

static void measure_hub(weft_engine *engine, unsigned peers, struct measure *out,
                        struct side *side) {
    double times[EDITS];
    /* The first ones reach who has just come in. */
    for (unsigned i = 0; i < 2; i++)
        if (!edit(engine, peers, side)) return;
    double cpu = cpu_us();
    for (unsigned i = 0; i < EDITS; i++) {
        const double since = bench_now();
        if (!edit(engine, peers, side)) return;
        times[i] = (bench_now() - since) * 1e3;
    }
    out->edit_cpu_us = (cpu_us() - cpu) / EDITS / peers;
    out->edit_ms = bench_median(times, EDITS);
    (void)poll(NULL, 0, REST_MS);
    cpu = cpu_us();
    (void)poll(NULL, 0, REST_MS);
    out->idle_us = (cpu_us() - cpu) * 1000 / REST_MS / peers;
    side_memory(side);
    out->pages = (double)side->memory / 1024;
    out->heap = (double)side->heap / 1024;
}

static void run_hub(void *context, struct side *side) {
    struct gathering *gathering = context;
    struct weft_error why = {0};
    struct measure measure = {0};
    char address[WEFT_ADDRESS_MAX] = "", ready;
    raise_descriptors();
    weft_engine *engine = open_hub(gathering, 1, side);
    if (engine != NULL) weft_close(engine);
    CHECK(write(gathering->ready[1], "!", 1) == 1); /* The file is there. */
    CHECK(read(gathering->address[0], &ready, 1) == 1);
    if (!side->failed) engine = open_hub(gathering, gathering->peers, side);
    if (engine != NULL && weft_listen_wait(engine, "127.0.0.1:0", address, &why) != WEFT_OK)
        side_fail(side, "listen: %s", why.text);
    CHECK(write(gathering->ready[1], address, sizeof address) == (ssize_t)sizeof address);
    if (!side->failed) measure_hub(engine, gathering->peers, &measure, side);
    CHECK(write(gathering->measured[1], &measure, sizeof measure) == (ssize_t)sizeof measure);
    weft_close(engine);
}

/* ---- the others ---- */

static void run_others(void *context, struct side *side) {
    struct gathering *gathering = context;
    char address[WEFT_ADDRESS_MAX], ready;
    close(gathering->measured[1]);
    (void)side;
    raise_descriptors();
    CHECK(read(gathering->ready[0], &ready, 1) == 1);
    struct crowd *crowd = crowd_gather(gathering->path, gathering->peers);
    CHECK(write(gathering->address[1], "!", 1) == 1);
    CHECK(read(gathering->ready[0], address, sizeof address) == (ssize_t)sizeof address);
    if (address[0] == 0) return;
    crowd_meet(crowd, address, "item");
    crowd_listen(crowd);
    crowd_disperse(crowd);
}

/* ---- runs ---- */

static bool run_round(struct bench *bench, unsigned peers, struct measure *out) {
    struct gathering gathering = {.peers = peers};
    struct side hub = {0}, others = {0};
    bench_path(bench, "hub.weft", gathering.path);
    CHECK(pipe(gathering.ready) == 0 && pipe(gathering.address) == 0);
    CHECK(pipe(gathering.measured) == 0);
    struct side_process process = side_start(run_hub, &gathering);
    struct side_process process_others = side_start(run_others, &gathering);
    close(gathering.measured[1]); /* A hub that dies ends the reading. */
    const bool told = read(gathering.measured[0], out, sizeof *out) == (ssize_t)sizeof *out;
    side_finish(&process, &hub);
    side_finish(&process_others, &others);
    for (unsigned i = 0; i < 2; i++) {
        close(gathering.ready[i]);
        close(gathering.address[i]);
    }
    close(gathering.measured[0]);
    bench_forget(gathering.path);
    if (hub.failed) fprintf(stderr, "  the hub of %u: %s\n", peers, hub.why);
    if (others.failed) fprintf(stderr, "  the others: %s\n", others.why);
    return told && !hub.failed && !others.failed;
}

static void print_one(struct bench *bench, const char *name, unsigned peers, double value,
                      const char *unit) {
    struct bench_figure figure = bench_figure_of(name, value, unit);
    figure.n = bench->pairs;
    figure.peers = peers;
    bench_print(bench, &figure);
}

static void print_round(struct bench *bench, unsigned peers, const struct measure *measure) {
    printf("  %u peers\n", peers);
    print_one(bench, "pages", peers, measure->pages, "KiB");
    print_one(bench, "heap", peers, measure->heap, "KiB");
    print_one(bench, "idle", peers, measure->idle_us, "us/s");
    print_one(bench, "edit", peers, measure->edit_ms, "ms");
    print_one(bench, "edit cpu", peers, measure->edit_cpu_us, "us");
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000, 127, 8}; /* peers, of the last round */
    struct bench bench;
    int status;
    if (!bench_open(&bench, "hub", &size, argc, argv, &status)) return status;
    const unsigned most = (unsigned)bench.rows;
    const unsigned peers[ROUNDS] = {most >= 100 ? 10 : 1, most >= 1000 ? 100 : most / 2, most};
    struct measure measures[ROUNDS] = {{0}};
    bool good = true;
    for (unsigned r = 0; r < ROUNDS && good; r++) {
        good = run_round(&bench, peers[r], &measures[r]);
        if (good) print_round(&bench, peers[r], &measures[r]);
    }
    const double more = peers[ROUNDS - 1] - peers[0];
    const struct measure *few = &measures[0], *many = &measures[ROUNDS - 1];
    if (good)
        print_one(&bench, "one more peer: pages", 0, (many->pages - few->pages) / more, "KiB");
    if (good) print_one(&bench, "one more peer: heap", 0, (many->heap - few->heap) / more, "KiB");
    return bench_close(&bench, !good);
}
