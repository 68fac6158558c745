/* What it costs two devices to agree again after edits made apart: with the same number of edits,
 * it must not matter how large the library is.
 *
 *   build    device 0 founds a library of N rows, half shared and half its own; the others come in
 *   round    a process opens every device; each edits shared rows alone, one transaction an edit,
 *            all of them the same rows spread over the whole table; then they are connected, and
 *            the time runs until each knows that all others hold its edits durably
 *
 * Rounds of a library of N / 100, of N / 10 and of N follow one another, so that other load moves
 * all of them. Bytes on the wire are those of both directions, session and handshake included.
 *
 * Then three devices that know one another heal: each has edited every row of a small library. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/weft.h"
#include "perf/bench.h"

#define DEVICES_MAX 3u
#define ROWS_PER_COMMIT 1000u /* of each table; shared ones take less than 256 KiB */
#define SIZES 3u
#define EDITS 1000u   /* of both devices together */
#define SMALL 40000u  /* rows of a library in which so many would be most of it */
#define HEAL_PART 50u /* of the rows, in the library that is healed; half of those are shared */
#define PATIENCE_MS 300000

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, name TEXT, color TEXT, rank INTEGER\n"
    ") WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS item ( -- @owned(owner: device_id)\n"
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, name TEXT, size INTEGER\n"
    ") WITHOUT ROWID;\n";

/* One library on some devices. */
struct group {
    unsigned devices;
    uint64_t rows;  /* of each table */
    uint64_t edits; /* of each device in a round */
    uint64_t round;
    char paths[DEVICES_MAX][BENCH_PATH_MAX];
};

/* A device that is open. */
struct device {
    weft_engine *engine;
    int tag, item, rank;
    char target[2 * WEFT_ADDRESS_MAX]; /* where it is dialled */
    uint64_t ticket;                   /* its newest */
};

/* ---- one device ---- */

/* False, and the side has failed, unless the status is WEFT_OK. */
static bool went(struct side *side, enum weft_status status, const char *what,
                 const struct weft_error *why) {
    if (status == WEFT_OK) return true;
    side_fail(side, "%s: %s: %s", what, weft_status_name(status), why != NULL ? why->text : "");
    return false;
}

static bool device_open(struct device *device, const char *path, const char *link,
                        struct side *side) {
    struct weft_error why = {0};
    struct weft_config config = {.path = path, .schema = schema};
    enum weft_status status = link == NULL
                                  ? weft_open(&config, &device->engine, &why)
                                  : weft_join(&config, link, PATIENCE_MS, &device->engine, &why);
    if (!went(side, status, "open", &why)) return false;
    device->tag = weft_model(device->engine, "tag");
    device->item = weft_model(device->engine, "item");
    device->rank = weft_column(device->engine, device->tag, "rank");
    CHECK(device->tag >= 0 && device->item >= 0 && device->rank >= 0);
    return true;
}

static bool device_listen(struct device *device, struct side *side) {
    struct weft_error why = {0};
    char address[WEFT_ADDRESS_MAX], name[ID_TEXT_SIZE];
    struct id id;
    weft_device(device->engine, id.bytes);
    id_text(&id, name);
    if (!went(side, weft_listen_wait(device->engine, "127.0.0.1:0", address, &why), "listen", &why))
        return false;
    (void)snprintf(device->target, sizeof device->target, "%s#%s", address, name);
    return true;
}

static bool device_wait(struct device *device, enum weft_level level, unsigned others,
                        struct side *side) {
    struct weft_error why = {0};
    return went(side, weft_wait(device->engine, device->ticket, level, others, PATIENCE_MS, &why),
                "wait", &why);
}

static bool device_commit(struct device *device, weft_tx *tx, enum weft_status status,
                          struct side *side) {
    if (status == WEFT_OK) status = weft_commit_wait(tx, PATIENCE_MS, &device->ticket);
    if (status == WEFT_OK) return true;
    went(side, status, "commit", weft_tx_why(tx));
    weft_abort(tx);
    return false;
}

/* The key of row `number`. Rows lie in the order of their numbers. */
static void row_id(uint64_t number, uint8_t id[16]) {
    memset(id, 0, 16);
    for (unsigned i = 0; i < 8; i++)
        id[i] = (uint8_t)(number >> (56 - 8 * i));
}

/* ---- building a library ---- */

static enum weft_status put_rows(struct device *device, weft_tx *tx, uint64_t first,
                                 uint64_t count) {
    uint8_t id[16], own[WEFT_ID_SIZE];
    char name[40];
    enum weft_status status = WEFT_OK;
    weft_device(device->engine, own);
    for (uint64_t i = first; i < first + count && status == WEFT_OK; i++) {
        row_id(i, id);
        int size = snprintf(name, sizeof name, "row %llu", (unsigned long long)i);
        CHECK(size > 0);
        struct weft_value tag[] = {weft_blob(id, sizeof id), weft_text(name, (size_t)size),
                                   weft_text("green", 5), weft_integer(0)};
        struct weft_value item[] = {weft_blob(id, sizeof id), weft_blob(own, sizeof own),
                                    weft_text(name, (size_t)size), weft_integer((int64_t)i)};
        status = weft_put(tx, device->tag, tag, 4);
        if (status == WEFT_OK) status = weft_put(tx, device->item, item, 4);
    }
    return status;
}

static bool device_fill(struct device *device, uint64_t rows, struct side *side) {
    for (uint64_t first = 0; first < rows; first += ROWS_PER_COMMIT) {
        uint64_t count = rows - first < ROWS_PER_COMMIT ? rows - first : ROWS_PER_COMMIT;
        weft_tx *tx = NULL;
        enum weft_status status = weft_begin_wait(device->engine, PATIENCE_MS, &tx);
        if (!went(side, status, "begin", NULL)) return false;
        status = put_rows(device, tx, first, count);
        if (!device_commit(device, tx, status, side)) return false;
    }
    return true;
}

static void close_all(struct device *devices, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        weft_close(devices[i].engine);
}

static void build(void *context, struct side *side) {
    const struct group *group = context;
    struct device devices[DEVICES_MAX] = {0};
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    bool good =
        device_open(&devices[0], group->paths[0], NULL, side) && device_listen(&devices[0], side);
    side_begin(side);
    good = good && device_fill(&devices[0], group->rows, side);
    for (unsigned i = 1; i < group->devices && good; i++) {
        good = went(side, weft_invite(devices[0].engine, NULL, link, sizeof link, &why), "invite",
                    &why) &&
               device_open(&devices[i], group->paths[i], link, side);
    }
    good = good && device_wait(&devices[0], WEFT_REPLICATED, group->devices - 1, side);
    /* Every device must know of every other: its statement of what it holds waits for them. */
    good = good && device_wait(&devices[0], WEFT_EVERYWHERE, 0, side);
    side_end(side);
    close_all(devices, group->devices);
}

/* ---- a round ---- */

/* Row i * rows / edits gets another rank, for every i. */
static bool device_edit(struct device *device, const struct group *group, int64_t rank,
                        struct side *side) {
    for (uint64_t i = 0; i < group->edits; i++) {
        uint8_t id[16];
        weft_tx *tx = NULL;
        enum weft_status status = weft_begin_wait(device->engine, PATIENCE_MS, &tx);
        if (!went(side, status, "begin", NULL)) return false;
        row_id(i * group->rows / group->edits, id);
        struct weft_value key = weft_blob(id, sizeof id), value = weft_integer(rank + (int64_t)i);
        status = weft_set(tx, device->tag, &key, 1, device->rank, &value);
        if (!device_commit(device, tx, status, side)) return false;
    }
    return device_wait(device, WEFT_DURABLE, 0, side);
}

static bool connect_all(struct device *devices, unsigned count, struct side *side) {
    struct weft_error why = {0};
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = i + 1; k < count; k++) {
            if (!went(side, weft_connect(devices[i].engine, devices[k].target, &why), "connect",
                      &why))
                return false;
        }
    }
    return true;
}

/* Bytes that left any of the devices. */
static uint64_t bytes_out(const struct device *devices, unsigned count) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        struct weft_stats stats;
        weft_stats(devices[i].engine, &stats);
        bytes += stats.bytes_out;
    }
    return bytes;
}

static void run_round(void *context, struct side *side) {
    const struct group *group = context;
    struct device devices[DEVICES_MAX] = {0};
    struct weft_stats stats[2];
    bool good = true;
    for (unsigned i = 0; i < group->devices && good; i++) {
        good = device_open(&devices[i], group->paths[i], NULL, side) &&
               device_listen(&devices[i], side) &&
               device_edit(&devices[i], group,
                           (int64_t)((group->round * DEVICES_MAX + i) * group->rows + 1), side);
    }
    if (good) weft_stats(devices[0].engine, &stats[0]);
    side_begin(side);
    good = good && connect_all(devices, group->devices, side);
    for (unsigned i = 0; i < group->devices && good; i++)
        good = device_wait(&devices[i], WEFT_REPLICATED, group->devices - 1, side);
    side_end(side);
    if (good) {
        weft_stats(devices[0].engine, &stats[1]);
        side->wire = bytes_out(devices, group->devices);
        side->commits = stats[1].syncs - stats[0].syncs;
    }
    close_all(devices, group->devices);
}

/* ---- what it came to ---- */

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return hash;
}

/* A hash of all rows, in the order of their keys; 0 when they cannot be read. */
static uint64_t rows_hash(const char *path) {
    static const char sql[] = "SELECT hex(id) || name || color || rank FROM tag UNION ALL "
                              "SELECT hex(id) || hex(device_id) || name || size FROM item "
                              "ORDER BY 1";
    sqlite3 *db = NULL;
    sqlite3_stmt *select = NULL;
    uint64_t hash = 0xcbf29ce484222325u;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(select);
        if (code == SQLITE_ROW)
            hash = hash_text(hash, (const char *)sqlite3_column_text(select, 0));
    }
    (void)sqlite3_finalize(select);
    (void)sqlite3_close(db);
    return code == SQLITE_DONE ? hash : 0;
}

static void compare(void *context, struct side *side) {
    const struct group *group = context;
    side->hash = rows_hash(group->paths[0]);
    if (side->hash == 0) side_fail(side, "the rows of device 0 cannot be read");
    for (unsigned i = 1; i < group->devices; i++) {
        if (rows_hash(group->paths[i]) != side->hash)
            side_fail(side, "devices 0 and %u hold different rows", i);
    }
}

/* Runs a part in a process of its own; says what went wrong. */
static bool run(side_run *part, struct group *group, struct side *side) {
    struct side_process process = side_start(part, group);
    side_finish(&process, side);
    if (side->failed) fprintf(stderr, "  %s\n", side->why);
    return !side->failed;
}

static struct group group_of(const struct bench *bench, unsigned devices, uint64_t rows,
                             uint64_t edits) {
    struct group group = {.devices = devices, .rows = rows, .edits = edits};
    for (unsigned i = 0; i < devices; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%u-%llu-%u.weft", devices, (unsigned long long)rows, i);
        bench_path(bench, name, group.paths[i]);
    }
    return group;
}

static void group_forget(const struct group *group) {
    for (unsigned i = 0; i < group->devices; i++)
        bench_forget(group->paths[i]);
}

struct results {
    double ms[BENCH_PAIRS_MAX], wire[BENCH_PAIRS_MAX];
    double cpu[BENCH_PAIRS_MAX];                                   /* seconds, of all devices */
    double ms_ratio[BENCH_PAIRS_MAX], wire_ratio[BENCH_PAIRS_MAX]; /* to the smallest library */
    double cpu_ratio[BENCH_PAIRS_MAX];
    uint64_t hash;
};

static void print_size(struct bench *bench, const struct group *group, struct results *results,
                       bool smallest) {
    const unsigned n = bench->pairs;
    printf("  library of %llu rows\n", (unsigned long long)(2 * group->rows));
    struct bench_figure time = bench_figure_of("time", bench_median(results->ms, n), "ms");
    struct bench_figure wire = bench_figure_of("wire", bench_median(results->wire, n), "bytes");
    wire.ratio_of = "bytes";
    if (!smallest) {
        bench_figure_ratio(&time, "smallest", results->ms_ratio, n);
        bench_figure_ratio(&wire, "smallest", results->wire_ratio, n);
        time.cpu_ratio = bench_median(results->cpu_ratio, n);
    }
    time.n = wire.n = n;
    time.rows = wire.rows = 2 * group->rows;
    time.result_hash = results->hash;
    bench_print(bench, &time);
    bench_print(bench, &wire);
}

/* Two devices, the same edits, libraries of three sizes. */
static bool bench_sizes(struct bench *bench) {
    static struct results results[SIZES];
    struct group groups[SIZES];
    struct side side;
    bool good = true;
    const uint64_t edits = bench->rows < SMALL ? bench->rows / 40 : EDITS / 2;
    for (unsigned s = 0; s < SIZES && good; s++) {
        static const uint64_t divisors[SIZES] = {100, 10, 1};
        uint64_t rows = bench->rows / divisors[s] / 2;
        groups[s] = group_of(bench, 2, rows > 0 ? rows : 1, edits);
        good = run(build, &groups[s], &side);
        if (good)
            printf("  library of %llu rows built in %.1f s\n",
                   (unsigned long long)(2 * groups[s].rows), side.seconds);
        fflush(NULL);
    }
    for (unsigned round = 0; round < bench->pairs && good; round++) {
        for (unsigned s = 0; s < SIZES && good; s++) {
            groups[s].round = round + 1;
            good = run(run_round, &groups[s], &side);
            results[s].ms[round] = side.seconds * 1e3;
            results[s].wire[round] = (double)side.wire;
            results[s].cpu[round] = side.cpu_seconds;
            results[s].ms_ratio[round] = results[s].ms[round] / results[0].ms[round];
            results[s].wire_ratio[round] = results[s].wire[round] / results[0].wire[round];
            results[s].cpu_ratio[round] = results[s].cpu[round] / results[0].cpu[round];
        }
    }
    for (unsigned s = 0; s < SIZES && good; s++) {
        good = run(compare, &groups[s], &side);
        results[s].hash = side.hash;
        if (good) print_size(bench, &groups[s], &results[s], s == 0);
        group_forget(&groups[s]);
    }
    return good;
}

/* Three devices that have all edited the same rows. */
static bool bench_heal(struct bench *bench) {
    uint64_t rows = bench->rows / HEAL_PART / 2;
    struct group group = group_of(bench, 3, rows > 0 ? rows : 1, rows > 0 ? rows : 1);
    struct side side, same;
    group.round = 1;
    if (!run(build, &group, &side) || !run(run_round, &group, &side) ||
        !run(compare, &group, &same))
        return false;
    uint64_t edits = 3 * group.edits;
    struct bench_figure time = bench_figure_of("3 devices heal: time", side.seconds * 1e3, "ms");
    struct bench_figure wire = bench_figure_of("3 devices heal: wire", (double)side.wire, "bytes");
    time.rows = wire.rows = edits;
    time.n = wire.n = 1;
    time.result_hash = same.hash;
    wire.wire_per_row = (double)side.wire / (double)edits;
    struct bench_figure cpu = bench_figure_of("... CPU of all", side.cpu_seconds * 1e3, "ms");
    struct bench_figure group_size = bench_figure_of(
        "... edits per commit", (double)(2 * group.edits) / (double)side.commits, "edits");
    bench_print(bench, &time);
    bench_print(bench, &wire);
    bench_print(bench, &cpu);
    bench_print(bench, &group_size);
    group_forget(&group);
    return true;
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 100000, 1000};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "converge", &size, argc, argv, &status)) return status;
    bool good = bench_sizes(&bench) && bench_heal(&bench);
    return bench_close(&bench, !good);
}
