/* What one more peer takes of a device's memory: a hub with 1, 10 and 100 others that take what it
 * writes, and the slope between the fewest and the most.
 *
 *     hub: found, listen, invite ──link──► others, one after another, all in one process of their
 *          commit, wait until it is durable on all of them, sample        own: join
 *
 * The hub is opened for as many sessions as come (peers_max); its slots, members and sessions are
 * all in the slope. `pages` is what the kernel has given it (RSS), `heap` what it has taken from
 * malloc; both while the sessions stand, after each has been sent the same rows. `idle slot` is the
 * slope of the heap of hubs with as many slots and no peer.
 *
 * Rows here are those that the hub writes. */
#include <sys/resource.h>

#include "engine/base/check.h"
#include "engine/weft.h"
#include "perf/bench.h"
#include "perf/meet.h"

#define PEERS_MAX 100u
#define ROUNDS 3u /* hubs: of the fewest, of some, of the most peers */
#define ROWS_PER_COMMIT 100u
#define PATIENCE_MS 60000
#define JOINS_MAX 100u /* the door turns away who comes too often */
#define CACHE_BYTES (1u << 20)

static const char schema[] = "CREATE TABLE IF NOT EXISTS item ( -- @owned(owner: device_id)\n"
                             "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, name TEXT\n"
                             ") WITHOUT ROWID;\n";

struct crowd {
    const struct bench *bench;
    unsigned peers;
    bool alone; /* the hub has its slots, and no peer */
    char path[BENCH_PATH_MAX];
    struct meet meet;
};

/* ---- the hub ---- */

static bool commit_rows(weft_engine *engine, uint64_t first, uint64_t *ticket, struct side *side) {
    uint8_t own[WEFT_ID_SIZE];
    weft_tx *tx = NULL;
    const int item = weft_model(engine, "item");
    enum weft_status status = weft_begin_wait(engine, PATIENCE_MS, &tx);
    weft_device(engine, own);
    for (uint64_t i = first; i < first + ROWS_PER_COMMIT && status == WEFT_OK; i++) {
        uint8_t id[WEFT_ID_SIZE];
        char name[40];
        weft_id(engine, id);
        const int size = snprintf(name, sizeof name, "row %llu", (unsigned long long)i);
        struct weft_value row[] = {weft_blob(id, sizeof id), weft_blob(own, sizeof own),
                                   weft_text(name, (size_t)size)};
        status = weft_put(tx, item, row, 3);
    }
    if (status == WEFT_OK) status = weft_commit_wait(tx, PATIENCE_MS, ticket);
    if (status == WEFT_OK) return true;
    side_fail(side, "commit: %s", weft_status_name(status));
    weft_abort(tx);
    return false;
}

static bool write_rows(const struct crowd *crowd, weft_engine *engine, struct side *side) {
    const unsigned others = crowd->alone ? 0 : crowd->peers;
    const enum weft_level level = crowd->alone ? WEFT_DURABLE : WEFT_REPLICATED;
    for (uint64_t first = 0; first < crowd->bench->rows; first += ROWS_PER_COMMIT) {
        uint64_t ticket = 0;
        struct weft_error why = {0};
        if (!commit_rows(engine, first, &ticket, side)) return false;
        const enum weft_status status = weft_wait(engine, ticket, level, others, PATIENCE_MS, &why);
        if (status != WEFT_OK) side_fail(side, "wait: %s", why.text);
        if (status != WEFT_OK) return false;
    }
    return true;
}

static void run_hub(void *context, struct side *side) {
    struct crowd *crowd = context;
    struct weft_error why = {0};
    struct weft_config config = {.path = crowd->path,
                                 .schema = schema,
                                 .peers_max = crowd->peers,
                                 .threads = WEFT_THREADS_TWO,
                                 .cache_bytes = CACHE_BYTES};
    weft_engine *engine = NULL;
    if (weft_open(&config, &engine, &why) != WEFT_OK) {
        side_fail(side, "hub: %s", why.text);
        return;
    }
    const bool good = crowd->alone || meet_offer(&crowd->meet, engine, crowd->peers, side);
    side_begin(side);
    if (good) (void)write_rows(crowd, engine, side);
    side_end(side);
    if (!side->failed) side_memory(side);
    weft_close(engine);
}

/* ---- the others ---- */

/* An engine has a dozen descriptors, and there are a hundred of them in one process. */
static void raise_descriptors(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void peer_path(const struct crowd *crowd, unsigned peer, char out[BENCH_PATH_MAX]) {
    char name[32];
    (void)snprintf(name, sizeof name, "peer-%u.weft", peer);
    bench_path(crowd->bench, name, out);
}

static weft_engine *come_in(const struct crowd *crowd, unsigned peer, const char *link,
                            struct side *side) {
    char path[BENCH_PATH_MAX];
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    enum weft_status status = WEFT_INVITE;
    peer_path(crowd, peer, path);
    struct weft_config config = {.path = path,
                                 .schema = schema,
                                 .peers_max = 1,
                                 .threads = WEFT_THREADS_ONE,
                                 .cache_bytes = CACHE_BYTES};
    for (unsigned i = 0; i < JOINS_MAX && status == WEFT_INVITE; i++)
        status = weft_join(&config, link, PATIENCE_MS, &engine, &why);
    if (status != WEFT_OK) side_fail(side, "peer %u: %s", peer, why.text);
    return engine;
}

static void run_others(void *context, struct side *side) {
    struct crowd *crowd = context;
    weft_engine *engines[PEERS_MAX] = {0};
    raise_descriptors();
    for (unsigned i = 0; i < crowd->peers && !side->failed; i++) {
        char link[WEFT_LINK_MAX];
        if (meet_take(&crowd->meet, link, side)) engines[i] = come_in(crowd, i, link, side);
    }
    if (!side->failed) meet_wait(&crowd->meet);
    for (unsigned i = 0; i < crowd->peers; i++)
        weft_close(engines[i]);
}

/* ---- runs ---- */

static bool run_crowd(struct crowd *crowd, struct side *hub) {
    struct side others = {0};
    struct side_process process_others = {0};
    meet_open(&crowd->meet);
    struct side_process process = side_start(run_hub, crowd);
    if (!crowd->alone) process_others = side_start(run_others, crowd);
    meet_begun(&crowd->meet);
    side_finish(&process, hub);
    meet_end(&crowd->meet);
    if (!crowd->alone) side_finish(&process_others, &others);
    meet_close(&crowd->meet);
    bench_forget(crowd->path);
    for (unsigned i = 0; i < crowd->peers; i++) {
        char path[BENCH_PATH_MAX];
        peer_path(crowd, i, path);
        bench_forget(path);
    }
    if (hub->failed) fprintf(stderr, "  the hub of %u: %s\n", crowd->peers, hub->why);
    if (others.failed) fprintf(stderr, "  the others: %s\n", others.why);
    return !hub->failed && !others.failed;
}

struct results {
    unsigned peers[ROUNDS];
    double pages[ROUNDS][BENCH_PAIRS_MAX], heap[ROUNDS][BENCH_PAIRS_MAX]; /* KiB */
    double slope[BENCH_PAIRS_MAX], heap_slope[BENCH_PAIRS_MAX], slot[BENCH_PAIRS_MAX];
};

static bool run_pair(struct bench *bench, struct results *results, unsigned pair) {
    struct crowd crowd = {.bench = bench};
    struct side side;
    double slots[ROUNDS];
    bench_path(bench, "hub.weft", crowd.path);
    for (unsigned r = 0; r < ROUNDS; r++) {
        crowd.peers = results->peers[r];
        crowd.alone = false;
        if (!run_crowd(&crowd, &side)) return false;
        results->pages[r][pair] = (double)side.memory / 1024;
        results->heap[r][pair] = (double)side.heap / 1024;
        if (r > 0 && r + 1 < ROUNDS) continue;
        crowd.alone = true;
        if (!run_crowd(&crowd, &side)) return false;
        slots[r] = (double)side.heap / 1024;
    }
    const double more = results->peers[ROUNDS - 1] - results->peers[0];
    results->slope[pair] = (results->pages[ROUNDS - 1][pair] - results->pages[0][pair]) / more;
    results->heap_slope[pair] = (results->heap[ROUNDS - 1][pair] - results->heap[0][pair]) / more;
    results->slot[pair] = (slots[ROUNDS - 1] - slots[0]) / more;
    return true;
}

static void print_one(struct bench *bench, const char *name, unsigned peers, double *values) {
    struct bench_figure figure = bench_figure_of(name, bench_median(values, bench->pairs), "KiB");
    figure.n = bench->pairs;
    figure.peers = peers;
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

static void print_all(struct bench *bench, struct results *results) {
    for (unsigned r = 0; r < ROUNDS; r++) {
        printf("  %u peer%s\n", results->peers[r], results->peers[r] == 1 ? "" : "s");
        print_one(bench, "pages", results->peers[r], results->pages[r]);
        print_one(bench, "heap", results->peers[r], results->heap[r]);
    }
    print_one(bench, "one more peer: pages", 0, results->slope);
    print_one(bench, "one more peer: heap", 0, results->heap_slope);
    print_one(bench, "one more idle slot", 0, results->slot);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {20000, 5000, 100};
    static struct results results;
    struct bench bench;
    int status;
    if (!bench_open(&bench, "memory_per_peer", &size, argc, argv, &status)) return status;
    const bool smoke = bench.rows <= size.rows_smoke;
    results.peers[0] = 1;
    results.peers[1] = smoke ? 2 : 10;
    results.peers[2] = smoke ? 3 : PEERS_MAX;
    bool good = true;
    for (unsigned pair = 0; pair < bench.pairs && good; pair++)
        good = run_pair(&bench, &results, pair);
    if (good) print_all(&bench, &results);
    return bench_close(&bench, !good);
}
