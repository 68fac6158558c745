/* What a row costs between two engines, and how many bytes it takes on the way: packing,
 * compressing, decompressing and unpacking batches of the workload's rows, on one thread.
 *
 * Each run goes through all batches; the figures are medians over the runs. The bytes follow from
 * the walk alone. Not here: sealing and the socket. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/wire/codec.h"
#include "engine/wire/zip.h"
#include "perf/batch.h"
#include "perf/bench.h"
#include "perf/workload.h"

enum step { STEP_PACK, STEP_ZIP, STEP_UNZIP, STEP_UNPACK, STEP_COUNT };

static const char *const step_names[] = {"pack", "zip", "unzip", "unpack"};

struct run {
    double seconds[STEP_COUNT];
    uint64_t packed, zipped; /* bytes */
    uint64_t rows;
};

/* Adds what passed since `*since` to a step, and begins the next. */
static void lap(struct run *run, enum step step, double *since) {
    double now = bench_now();
    run->seconds[step] += now - *since;
    *since = now;
}

static void round_trip(const Weft__Rows *rows, struct zip *zip, struct pool *pool,
                       struct run *run) {
    const uint64_t after = rows_version(rows, 0) - 1;
    const uint64_t upto = rows_version(rows, rows->count - 1);
    const struct rows_slice slice = {rows, 0, rows->count};
    struct arena sender, receiver;
    struct bytes packed, zipped, raw;
    uint32_t count, raw_size;
    Weft__Rows *back;
    arena_init(&sender, pool);
    arena_init(&receiver, pool);
    double since = bench_now();
    enum weft_status status = codec_pack(&slice, 1, after, BATCH_COLUMNS, &sender, &packed, &count);
    lap(run, STEP_PACK, &since);
    CHECK(status == WEFT_OK && count == rows->count);
    status = zip_pack(zip, packed, &sender, &zipped, &raw_size);
    lap(run, STEP_ZIP, &since);
    CHECK(status == WEFT_OK);
    raw = zipped;
    if (raw_size != 0) status = zip_unpack(zip, zipped, raw_size, &receiver, &raw, NULL);
    lap(run, STEP_UNZIP, &since);
    CHECK(status == WEFT_OK);
    status = codec_unpack(raw, after, upto, BATCH_COLUMNS, &receiver, &back, NULL);
    lap(run, STEP_UNPACK, &since);
    CHECK(status == WEFT_OK && back->count == rows->count && rows_valid(back, BATCH_COLUMNS));
    run->packed += packed.size;
    run->zipped += zipped.size;
    run->rows += rows->count;
    arena_drop(&sender);
    arena_drop(&receiver);
}

static void run_all(const struct bench *bench, const struct workload *workload, struct run *run) {
    struct pool *pool = pool_open(0, 16u << 20, NULL);
    struct zip *zip = zip_open(BATCH_LEVEL_LAN);
    CHECK(pool != NULL && zip != NULL);
    for (uint64_t first = 0; first < bench->rows; first += BATCH_ROWS) {
        uint64_t left = bench->rows - first;
        struct arena arena;
        arena_init(&arena, pool);
        round_trip(
            batch_rows(&arena, workload, first, left < BATCH_ROWS ? (uint32_t)left : BATCH_ROWS),
            zip, pool, run);
        arena_drop(&arena);
    }
    zip_close(zip);
    pool_close(pool);
}

static void print_steps(struct bench *bench, const struct run *runs) {
    double ns[STEP_COUNT][BENCH_PAIRS_MAX], total = 0;
    for (unsigned step = 0; step < STEP_COUNT; step++) {
        for (unsigned i = 0; i < bench->pairs; i++)
            ns[step][i] = runs[i].seconds[step] / (double)runs[i].rows * 1e9;
        double value = bench_median(ns[step], bench->pairs);
        struct bench_figure figure = bench_figure_of(step_names[step], value, "ns/row");
        figure.n = bench->pairs;
        figure.rows = bench->rows;
        bench_print(bench, &figure);
        total += value;
    }
    struct bench_figure all = bench_figure_of("all four", total, "ns/row");
    all.wire_per_row = (double)runs[0].zipped / (double)runs[0].rows;
    all.n = bench->pairs;
    all.rows = bench->rows;
    bench_print(bench, &all);
    struct bench_figure packed = bench_figure_of(
        "before compression", (double)runs[0].packed / (double)runs[0].rows, "B/row");
    packed.rows = bench->rows;
    bench_print(bench, &packed);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "codec", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    struct run *runs = calloc(bench.pairs, sizeof *runs);
    CHECK(runs != NULL);
    if (workload != NULL) {
        printf("  batches of %u rows, %u columns, zstd level %d\n", BATCH_ROWS, BATCH_COLUMNS,
               BATCH_LEVEL_LAN);
        for (unsigned i = 0; i < bench.pairs; i++)
            run_all(&bench, workload, &runs[i]);
        print_steps(&bench, runs);
    }
    free(runs);
    bool failed = workload == NULL;
    workload_close(workload);
    return bench_close(&bench, failed);
}
