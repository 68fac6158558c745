/* What a row takes on the wire.
 *
 *   live        between two devices, while one writes: all bytes of the session in both directions,
 *               frames, seals, acknowledgements and heartbeats included
 *   backfill    the same for a third one that joins afterwards, its handshake and admission too
 *   LAN, WAN    batches of BATCH_ROWS rows packed and compressed, and nothing around them, at the
 *               level for fast links, which every session uses, and at that for slow ones
 *
 * LAN and WAN follow from the rows alone: exact. `live` and `backfill` also depend on how many
 * rows were ready when the sender looked. */

#include "engine/base/check.h"
#include "engine/wire/zip.h"
#include "perf/batch.h"
#include "perf/bench.h"
#include "perf/feed.h"

#define ROWS_PER_COMMIT 1000u
#define DEVICES 3u

struct wire {
    const struct workload *workload;
    char paths[DEVICES][BENCH_PATH_MAX];
    uint64_t rows;
    bool backfill; /* the third device: else the second one */
};

static uint64_t bytes_of(const struct feed *feed) {
    struct weft_stats stats;
    weft_stats(feed->engine, &stats);
    return stats.bytes_in + stats.bytes_out;
}

static bool invite(struct feed *feed, char link[WEFT_LINK_MAX], struct side *side) {
    struct weft_error why = {0};
    if (weft_invite(feed->engine, NULL, link, WEFT_LINK_MAX, &why) == WEFT_OK) return true;
    side_fail(side, "invite: %s", why.text);
    return false;
}

/* One device writes while another takes; or one that has written gives all to another. */
static void run_session(void *context, struct side *side) {
    const struct wire *wire = context;
    const uint64_t rows = wire->rows, locations = workload_locations(wire->workload, rows);
    struct feed from = {0}, to = {0};
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    if (!feed_open(&from, wire->workload, wire->paths[0], NULL, side)) return;
    side_begin(side);
    if (weft_listen_wait(from.engine, "127.0.0.1:0", NULL, &why) != WEFT_OK)
        side_fail(side, "listen: %s", why.text);
    if (side->failed || !invite(&from, link, side)) goto close;
    if (!feed_open(&to, wire->workload, wire->paths[wire->backfill ? 2 : 1], link, side))
        goto close;
    if (wire->backfill) {
        (void)feed_receive(&to, rows + locations, side);
        side->wire = bytes_of(&to);
    } else if (feed_locations(&from, rows, WEFT_REPLICATED, 1, side)) {
        side->wire = bytes_of(&to);
        (void)feed_all(&from, rows, ROWS_PER_COMMIT, 1, WEFT_REPLICATED, 1, side);
        side->wire = bytes_of(&to) - side->wire;
    }
    side->rows = rows;
close:
    side_end(side);
    feed_close(&from);
    feed_close(&to);
}

/* The bytes of all batches at a level of zstd. */
static uint64_t zipped(const struct bench *bench, const struct workload *workload, int level) {
    struct pool *pool = pool_open(0, 16u << 20, NULL);
    struct zip *zip = zip_open(level);
    uint64_t bytes = 0;
    CHECK(pool != NULL && zip != NULL);
    for (uint64_t first = 0; first < bench->rows; first += BATCH_ROWS) {
        const uint64_t left = bench->rows - first;
        const uint32_t count = left < BATCH_ROWS ? (uint32_t)left : BATCH_ROWS;
        struct arena arena;
        struct bytes packed, out;
        uint32_t taken, raw_size;
        arena_init(&arena, pool);
        const struct rows_slice slice = {batch_rows(&arena, workload, first, count), 0, count};
        CHECK(codec_pack(&slice, 1, first, BATCH_COLUMNS, &arena, &packed, &taken) == WEFT_OK);
        CHECK(taken == count);
        CHECK(zip_pack(zip, packed, &arena, &out, &raw_size) == WEFT_OK);
        bytes += out.size;
        arena_drop(&arena);
    }
    zip_close(zip);
    pool_close(pool);
    return bytes;
}

static void print_bytes(struct bench *bench, const char *name, uint64_t bytes) {
    const double per_row = (double)bytes / (double)bench->rows;
    struct bench_figure figure = bench_figure_of(name, per_row, "B/row");
    figure.wire_per_row = per_row;
    figure.n = 1;
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    static const char *const names[] = {"live", "backfill"};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "wire_bytes", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    struct wire wire = {.workload = workload, .rows = bench.rows};
    for (unsigned i = 0; i < DEVICES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%u.weft", i);
        bench_path(&bench, name, wire.paths[i]);
    }
    bool good = workload != NULL;
    for (unsigned i = 0; i < 2 && good; i++) {
        struct side side;
        wire.backfill = i == 1;
        struct side_process process = side_start(run_session, &wire);
        side_finish(&process, &side);
        good = !side.failed;
        if (good)
            print_bytes(&bench, names[i], side.wire);
        else
            fprintf(stderr, "  %s: %s\n", names[i], side.why);
    }
    for (unsigned i = 0; i < DEVICES; i++)
        bench_forget(wire.paths[i]);
    if (good) {
        print_bytes(&bench, "LAN", zipped(&bench, workload, BATCH_LEVEL_LAN));
        print_bytes(&bench, "WAN", zipped(&bench, workload, BATCH_LEVEL_WAN));
    }
    workload_close(workload);
    return bench_close(&bench, !good);
}
