/* weft bench: a quick figure of this machine, beside what bare SQLite does with the same rows.
 *
 * Both write the same rows into the same table, in transactions of the same size, with the same
 * durability (WAL, synchronous=FULL). The figures of one run on a busy machine say little; `perf/`
 * has the benches that are kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "cli/cli.h"
#include "cli/host.h"
#include "cli/options.h"

#define BULK 1000u   /* rows of a transaction in bulk */
#define SINGLES 200u /* durable commits of one row */
#define PATH_ROOM 512u

struct bench {
    uint64_t rows;
    char folder[PATH_ROOM], path[PATH_ROOM + 16];
    double bulk[2], single[2]; /* rows/s and commits/s: weft, and bare SQLite */
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void row_of(uint64_t number, uint8_t id[WEFT_ID_SIZE], char body[48]) {
    memset(id, 0, WEFT_ID_SIZE);
    for (unsigned i = 0; i < 8; i++)
        id[15 - i] = (uint8_t)(number >> (8 * i));
    snprintf(body, 48, "row %llu of a benchmark", (unsigned long long)number);
}

/* ---- weft ---- */

static enum weft_status put(weft_engine *engine, uint64_t from, uint64_t count, uint64_t *ticket) {
    uint8_t id[WEFT_ID_SIZE], device[WEFT_ID_SIZE];
    char body[48];
    weft_tx *tx = NULL;
    weft_device(engine, device);
    const int model = weft_model(engine, "note");
    enum weft_status status = weft_begin_wait(engine, -1, &tx);
    for (uint64_t i = from; i < from + count && status == WEFT_OK; i++) {
        row_of(i, id, body);
        struct weft_value row[] = {weft_blob(id, sizeof id), weft_blob(device, sizeof device),
                                   weft_text(body, strlen(body)), weft_integer((int64_t)i)};
        status = weft_put(tx, model, row, 4);
    }
    if (status == WEFT_OK) status = weft_commit_wait(tx, -1, ticket);
    if (status != WEFT_OK) weft_abort(tx);
    return status;
}

static enum weft_status bench_weft(struct bench *bench, struct weft_error *why) {
    static const char schema[] = "CREATE TABLE IF NOT EXISTS note ( -- @owned(owner: device)\n"
                                 "id BLOB PRIMARY KEY, device BLOB NOT NULL, body TEXT, "
                                 "size INTEGER) WITHOUT ROWID";
    const struct weft_config config = {.path = bench->path, .schema = schema};
    weft_engine *engine = NULL;
    uint64_t ticket = 0;
    enum weft_status status = weft_open(&config, &engine, why);
    double began = now_s();
    for (uint64_t i = 0; i < bench->rows && status == WEFT_OK; i += BULK)
        status = put(engine, i, bench->rows - i < BULK ? bench->rows - i : BULK, &ticket);
    if (status == WEFT_OK) status = weft_wait(engine, ticket, WEFT_DURABLE, 0, -1, why);
    bench->bulk[0] = (double)bench->rows / (now_s() - began);
    began = now_s();
    for (unsigned i = 0; i < SINGLES && status == WEFT_OK; i++) {
        status = put(engine, bench->rows + i, 1, &ticket);
        if (status == WEFT_OK) status = weft_wait(engine, ticket, WEFT_DURABLE, 0, -1, why);
    }
    bench->single[0] = SINGLES / (now_s() - began);
    weft_close(engine);
    if (status != WEFT_OK && why->status == WEFT_OK) why->status = status;
    return status;
}

/* ---- bare SQLite ---- */

static bool bare_put(sqlite3 *db, sqlite3_stmt *insert, uint64_t from, uint64_t count) {
    uint8_t id[WEFT_ID_SIZE];
    char body[48];
    bool sound = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
    for (uint64_t i = from; i < from + count && sound; i++) {
        row_of(i, id, body);
        sqlite3_bind_blob(insert, 1, id, sizeof id, SQLITE_STATIC);
        sqlite3_bind_blob(insert, 2, id, sizeof id, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, body, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 4, (int64_t)i);
        sound = sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
    }
    return sound && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

static bool bench_bare(struct bench *bench) {
    static const char schema[] = "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; "
                                 "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; "
                                 "CREATE TABLE note (id BLOB PRIMARY KEY, device BLOB NOT NULL, "
                                 "body TEXT, size INTEGER) WITHOUT ROWID";
    char path[PATH_ROOM + 16];
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    snprintf(path, sizeof path, "%s/bare.db", bench->folder);
    bool sound = sqlite3_open(path, &db) == SQLITE_OK &&
                 sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK &&
                 sqlite3_prepare_v2(db, "INSERT INTO note VALUES (?1, ?2, ?3, ?4)", -1, &insert,
                                    NULL) == SQLITE_OK;
    double began = now_s();
    for (uint64_t i = 0; i < bench->rows && sound; i += BULK)
        sound = bare_put(db, insert, i, bench->rows - i < BULK ? bench->rows - i : BULK);
    bench->bulk[1] = (double)bench->rows / (now_s() - began);
    began = now_s();
    for (unsigned i = 0; i < SINGLES && sound; i++)
        sound = bare_put(db, insert, bench->rows + i, 1);
    bench->single[1] = SINGLES / (now_s() - began);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return sound;
}

/* ---- both ---- */

static void clean_up(const struct bench *bench) {
    static const char *const names[] = {"weft.db",     "weft.db-wal",  "weft.db-shm",
                                        "weft.db-key", "weft.db-lock", "bare.db",
                                        "bare.db-wal", "bare.db-shm"};
    char path[PATH_ROOM + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", bench->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(bench->folder);
}

static void report(const struct bench *bench, bool as_json) {
    struct json json = {0};
    if (!as_json) {
        printf("%llu rows in bulk       %9.0f rows/s     bare SQLite %9.0f\n",
               (unsigned long long)bench->rows, bench->bulk[0], bench->bulk[1]);
        printf("durable single commits %9.0f commits/s  bare SQLite %9.0f\n", bench->single[0],
               bench->single[1]);
        return;
    }
    json_open(&json, NULL, '{');
    json_number(&json, "rows", bench->rows);
    json_real(&json, "bulk_rows_s", bench->bulk[0]);
    json_real(&json, "bare_bulk_rows_s", bench->bulk[1]);
    json_real(&json, "single_commits_s", bench->single[0]);
    json_real(&json, "bare_single_commits_s", bench->single[1]);
    json_close(&json, '}');
}

int command_bench(const struct command *command, int count, char **arguments) {
    struct bench bench = {.rows = 200000};
    const char *dir = NULL;
    bool json = false;
    const struct option options[] = {{"--rows", OPTION_NUMBER, &bench.rows, 1000, 10000000},
                                     {"--dir", OPTION_TEXT, &dir, 0, 0},
                                     {"--json", OPTION_FLAG, &json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.most = 0};
    struct weft_error why = {0};
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    if (dir == NULL) dir = getenv("TMPDIR");
    if (dir == NULL || dir[0] == '\0') dir = "/tmp";
    const int size = snprintf(bench.folder, sizeof bench.folder, "%s/weft-bench-XXXXXX", dir);
    if (size < 0 || (size_t)size >= sizeof bench.folder || mkdtemp(bench.folder) == NULL)
        return cli_fail_text(CLI_FAILED, "no folder can be made in \"%s\"; give another by --dir",
                             dir);
    snprintf(bench.path, sizeof bench.path, "%s/weft.db", bench.folder);
    status = bench_weft(&bench, &why) == WEFT_OK ? OPTIONS_GO : cli_fail(&why);
    if (status == OPTIONS_GO && !bench_bare(&bench))
        status = cli_fail_text(CLI_FAILED, "bare SQLite failed in \"%s\"", bench.folder);
    clean_up(&bench);
    if (status != OPTIONS_GO) return status;
    report(&bench, json);
    return CLI_OK;
}
