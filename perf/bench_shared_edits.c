/* How fast two devices edit what they share: one field of one row in a transaction, from two
 * threads of each device at once, until every edit is durable on both; beside one connection that
 * updates the same rows in commits as large as the engine's group commits.
 *
 * Every fifth edit is of a row that the other device edits as well: of those two the later one
 * stays. Edits and their time are those of both devices together, and so is the CPU. Both must hold
 * the same rows at the end.
 *
 * Rows here are edits: half of them of each device. */
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "perf/bare.h"
#include "perf/feed.h"
#include "perf/pairs.h"

#define DEVICES 2u
#define THREADS 2u /* of each device */
#define CONFLICTING 5u
#define ROWS_PER_COMMIT 1000u
#define PATIENCE_MS 300000

static const char tags_sql[] = "SELECT id, name, color FROM tag ORDER BY id";

struct edits {
    char paths[DEVICES][BENCH_PATH_MAX], path_bare[BENCH_PATH_MAX];
    uint64_t rows; /* as many rows as edits */
    uint64_t rows_per_commit;
};

/* The row of edit `i` of a device; every CONFLICTING-th is a row that both edit. */
static uint64_t edited(uint64_t i, unsigned device) {
    return DEVICES * i + (i % CONFLICTING == 0 ? 0 : device);
}

static void row_id(uint64_t row, struct id *id) {
    memset(id, 0, sizeof *id);
    for (unsigned i = 0; i < 8; i++)
        id->bytes[i] = (uint8_t)(row >> (56 - 8 * i));
}

/* ---- the engine's side ---- */

static bool went(struct side *side, enum weft_status status, const char *what) {
    if (status != WEFT_OK) side_fail(side, "%s: %s", what, weft_status_name(status));
    return status == WEFT_OK;
}

/* Submits; or forgets what could not be written. */
static bool submit(weft_tx *tx, enum weft_status status, uint64_t *ticket, struct side *side) {
    if (status == WEFT_OK) status = weft_commit_wait(tx, PATIENCE_MS, ticket);
    if (status != WEFT_OK) weft_abort(tx);
    return went(side, status, "commit");
}

static bool put_all(struct feed *feed, uint64_t rows, uint64_t *ticket, struct side *side) {
    const int tag = weft_model(feed->engine, "tag");
    for (uint64_t first = 0; first < rows; first += ROWS_PER_COMMIT) {
        weft_tx *tx = NULL;
        enum weft_status status = weft_begin_wait(feed->engine, PATIENCE_MS, &tx);
        for (uint64_t i = first; i < first + ROWS_PER_COMMIT && i < rows; i++) {
            struct id id;
            row_id(i, &id);
            struct weft_value row[] = {weft_blob(id.bytes, sizeof id.bytes), weft_text("tag", 3),
                                       weft_text("0", 1)};
            if (status == WEFT_OK) status = weft_put(tx, tag, row, 3);
        }
        if (!submit(tx, status, ticket, side)) return false;
    }
    return true;
}

struct editor {
    weft_engine *engine;
    unsigned device, number;
    uint64_t count; /* edits of each device */
    struct side side;
};

static void *editor_run(void *context) {
    struct editor *editor = context;
    const int tag = weft_model(editor->engine, "tag");
    const int color = weft_column(editor->engine, tag, "color");
    uint64_t ticket = 0;
    for (uint64_t i = editor->number; i < editor->count; i += THREADS) {
        struct id id;
        char text[32];
        weft_tx *tx = NULL;
        row_id(edited(i, editor->device), &id);
        const int size =
            snprintf(text, sizeof text, "%u.%llu", editor->device + 1, (unsigned long long)i);
        const struct weft_value key = weft_blob(id.bytes, sizeof id.bytes);
        const struct weft_value value = weft_text(text, (size_t)size);
        enum weft_status status = weft_begin_wait(editor->engine, PATIENCE_MS, &tx);
        if (status == WEFT_OK) status = weft_set(tx, tag, &key, 1, color, &value);
        if (!submit(tx, status, &ticket, &editor->side)) return NULL;
    }
    if (ticket != 0)
        (void)went(&editor->side,
                   weft_wait(editor->engine, ticket, WEFT_REPLICATED, 1, PATIENCE_MS, NULL),
                   "wait");
    return NULL;
}

static void edit_all(const struct edits *edits, struct feed *feeds, struct side *side) {
    struct editor editors[DEVICES * THREADS];
    pthread_t running[DEVICES * THREADS];
    for (unsigned i = 0; i < DEVICES * THREADS; i++) {
        editors[i] = (struct editor){.engine = feeds[i % DEVICES].engine,
                                     .device = i % DEVICES,
                                     .number = i / DEVICES,
                                     .count = edits->rows / DEVICES};
        CHECK(pthread_create(&running[i], NULL, editor_run, &editors[i]) == 0);
    }
    for (unsigned i = 0; i < DEVICES * THREADS; i++) {
        CHECK(pthread_join(running[i], NULL) == 0);
        if (editors[i].side.failed) side_fail(side, "device %u: %s", i % 2, editors[i].side.why);
    }
}

/* Both devices, in this process; the first holds all rows, and then the second. */
static bool open_both(const struct edits *edits, struct feed *feeds, struct side *side) {
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    uint64_t ticket = 0;
    if (!feed_open(&feeds[0], NULL, edits->paths[0], NULL, side)) return false;
    return went(side, weft_listen_wait(feeds[0].engine, "127.0.0.1:0", NULL, &why), "listen") &&
           went(side, weft_invite(feeds[0].engine, NULL, link, sizeof link, &why), "invite") &&
           feed_open(&feeds[1], NULL, edits->paths[1], link, side) &&
           put_all(&feeds[0], edits->rows, &ticket, side) &&
           feed_wait(&feeds[0], ticket, WEFT_REPLICATED, 1, side);
}

static void engine_run(void *context, struct side *side) {
    const struct edits *edits = context;
    struct feed feeds[DEVICES] = {0};
    struct weft_stats before, after;
    if (open_both(edits, feeds, side)) {
        weft_stats(feeds[0].engine, &before);
        side_begin(side);
        edit_all(edits, feeds, side);
        side_end(side);
        weft_stats(feeds[0].engine, &after);
        side->commits = after.syncs - before.syncs;
        side->wire = after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
        side->rows = edits->rows;
    }
    for (unsigned i = 0; i < DEVICES; i++)
        feed_close(&feeds[i]);
    side_written(side);
    if (side->failed) return;
    side->hash = bare_hash_of(edits->paths[0], tags_sql, edits->rows);
    if (bare_hash_of(edits->paths[1], tags_sql, edits->rows) != side->hash || side->hash == 0)
        side_fail(side, "the devices hold different rows");
}

/* ---- the bare side ---- */

static bool update_all(sqlite3 *db, const struct edits *edits, struct side *side) {
    sqlite3_stmt *update = NULL;
    bool good = sqlite3_prepare_v2(db, "UPDATE tag SET color = ?2 WHERE id = ?1", -1, &update,
                                   NULL) == SQLITE_OK;
    for (uint64_t n = 0; n < edits->rows && good; n++) {
        struct id id;
        char text[32];
        const unsigned device = (unsigned)(n % DEVICES);
        row_id(edited(n / DEVICES, device), &id);
        const int size =
            snprintf(text, sizeof text, "%u.%llu", device + 1, (unsigned long long)(n / DEVICES));
        if (n % edits->rows_per_commit == 0)
            good = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
        (void)sqlite3_bind_blob(update, 1, id.bytes, sizeof id.bytes, SQLITE_STATIC);
        (void)sqlite3_bind_text(update, 2, text, size, SQLITE_STATIC);
        good = good && sqlite3_step(update) == SQLITE_DONE && sqlite3_reset(update) == SQLITE_OK;
        if (good && ((n + 1) % edits->rows_per_commit == 0 || n + 1 == edits->rows))
            good = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    }
    if (!good) side_fail(side, "bare: %s", sqlite3_errmsg(db));
    (void)sqlite3_finalize(update);
    return good;
}

static bool fill(sqlite3 *db, uint64_t rows, struct side *side) {
    sqlite3_stmt *insert = NULL;
    bool good = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, "INSERT INTO tag(id, name, color) VALUES (?1, 'tag', '0')",
                                   -1, &insert, NULL) == SQLITE_OK;
    for (uint64_t i = 0; i < rows && good; i++) {
        struct id id;
        row_id(i, &id);
        (void)sqlite3_bind_blob(insert, 1, id.bytes, sizeof id.bytes, SQLITE_STATIC);
        good = sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
    }
    good = good && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (!good) side_fail(side, "bare: %s", sqlite3_errmsg(db));
    (void)sqlite3_finalize(insert);
    return good;
}

static void bare_edit(void *context, struct side *side) {
    const struct edits *edits = context;
    sqlite3 *db = bare_open(edits->path_bare, side);
    if (db == NULL) return;
    (void)fill(db, edits->rows, side);
    side_begin(side);
    if (!side->failed) (void)update_all(db, edits, side);
    side_end(side);
    (void)sqlite3_close(db);
    side_written(side);
    side->rows = edits->rows;
}

static bool run_pair(struct edits *edits, struct pairs *pairs, unsigned pair) {
    struct side engine = {0}, loop = {0};
    for (unsigned turn = 0; turn < 2; turn++) {
        const bool engines = (turn + pair) % 2 == 0;
        edits->rows_per_commit = pairs_group(pairs, &engine, 1);
        struct side_process process = side_start(engines ? engine_run : bare_edit, edits);
        side_finish(&process, engines ? &engine : &loop);
    }
    for (unsigned i = 0; i < DEVICES; i++)
        bench_forget(edits->paths[i]);
    bench_forget(edits->path_bare);
    /* Whose edit of a row comes last is not told beforehand: the sides' rows may differ. */
    loop.hash = engine.hash;
    return pairs_add(pairs, &engine, &loop);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {50000, 10000, 200};
    static struct pairs pairs;
    struct bench bench;
    int status;
    if (!bench_open(&bench, "shared_edits", &size, argc, argv, &status)) return status;
    struct edits edits = {.rows = bench.rows / DEVICES * DEVICES};
    bench_path(&bench, "0.weft", edits.paths[0]);
    bench_path(&bench, "1.weft", edits.paths[1]);
    bench_path(&bench, "bare.db", edits.path_bare);
    pairs.failed = edits.rows == 0;
    for (unsigned pair = 0; pair < bench.pairs && !pairs.failed; pair++)
        (void)run_pair(&edits, &pairs, pair);
    pairs_print(&bench, &pairs, "edits", "edits/s");
    return bench_close(&bench, pairs.failed);
}
