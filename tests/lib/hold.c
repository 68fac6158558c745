/* See hold.h. */
#include "tests/lib/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/status.h"
#include "engine/store/adopt_shared.h"
#include "engine/store/found.h"
#include "engine/store/quarantine.h"
#include "engine/store/shared_row.h"
#include "engine/store/writer_private.h"

#define SHARED                                                                    \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"               \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER CHECK (color < 100));" \
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: object, group: tag)\n"  \
    " tag BLOB NOT NULL, object TEXT NOT NULL, by BLOB /* @node */, weight REAL," \
    " PRIMARY KEY (object, tag)) WITHOUT ROWID;"                                  \
    "CREATE TABLE IF NOT EXISTS wide ( -- @shared(create: atomic)\n"              \
    " id TEXT PRIMARY KEY, a INTEGER, b INTEGER);"

const char hold_schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    " id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT,"
    " size INTEGER CHECK (size >= 0)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS misc ( -- @owned(owner: o)\n"
    " a INTEGER, b TEXT, o BLOB NOT NULL, any, ratio REAL, PRIMARY KEY (b, a));" SHARED;

const char hold_schema_newer[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    " id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT,"
    " size INTEGER CHECK (size >= 0)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS misc ( -- @owned(owner: o)\n"
    " a INTEGER, b TEXT, o BLOB NOT NULL, any, ratio REAL, PRIMARY KEY (b, a));"
    "CREATE TABLE IF NOT EXISTS device_name ( -- @owned(owner: device)\n"
    " device BLOB PRIMARY KEY, name TEXT);"
    "CREATE TABLE IF NOT EXISTS strange ( -- @shared(create: unique)\n"
    " id TEXT PRIMARY KEY, a INTEGER);" SHARED;

struct instant hold_now(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = UINT64_C(1750000000000)};
}

/* ---- opening --------------------------------------------------------------------------------- */

#define DO(call)                                \
    do {                                        \
        if (status == WEFT_OK) status = (call); \
    } while (0)

static enum weft_status open_store(struct hold *hold, const char *schema) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    const struct entropy_port entropy = rng_entropy(&hold->rng);
    const struct id id = library_id(0x99);
    struct store_seed seed = library_seed(HOLD_PATH, schema, 1);
    seed.vfs = disk_vfs(hold->disk);
    seed.library = &id;
    seed.fresh_device = hold->devices[HOLD_SELF];
    enum weft_status status = store_open(&seed, library->pool, &library->store, why);
    if (status != WEFT_OK) return status;
    hold->store_open = true;
    struct identity *self = &hold->identities[HOLD_SELF];
    uint64_t hlc = library->store.clock >= HOLD_WALL ? library->store.clock + 1 : HOLD_WALL;
    DO(store_found(&library->store, HOLD_PATH, seed.vfs, self, "self", hlc, &entropy, library->pool,
                   why));
    DO(adopt_shared(&library->store, HOLD_PATH, seed.vfs, self, HOLD_WALL, library->pool, why));
    return status;
}

static void see_heard(void *context, const struct id *device, uint64_t wall_ms) {
    (void)device;
    *(uint64_t *)context += wall_ms;
}

static void see_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    (void)stream;
    *(uint64_t *)context += cursor;
}

static void see_ack(void *context, const struct id *device, const struct stream *stream,
                    uint64_t position) {
    (void)device;
    see_sweep(context, stream, position);
}

/* What the log does when it starts. */
static enum weft_status load(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct writer *writer = library->writer;
    struct writer_tally owned = {0};
    struct shared_row_tally shared = {0};
    uint64_t sum = 0;
    struct bytes taking;
    struct vector positions;
    const struct shared_visit nothing = {0};
    const struct writer_visit visit = {&sum, see_sweep, see_ack, see_sweep};
    vector_init(&positions);
    enum weft_status status = writer_load_positions(writer, &positions, why);
    vector_free(&positions);
    if (status != WEFT_OK) return status;
    status = roster_open(&hold->roster, &hold->identities[HOLD_SELF]);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for the roster");
    hold->roster_open = true;
    DO(shared_load(writer, &nothing, &hold->roster, why));
    DO(horizon_taking_load(writer, &hold->given, &taking, why));
    DO(horizon_load_heard(writer, &sum, see_heard, why));
    DO(writer_visit(writer, &visit, why));
    DO(writer_begin(writer, why));
    if (status != WEFT_OK) return status;
    DO(writer_retry_parked(writer, &owned, why));
    DO(shared_row_retry(writer, &shared, why));
    DO(writer_fill_digests(writer, why));
    DO(writer_serial(writer, false, &sum, why));
    if (status == WEFT_OK) return writer_commit(writer, why);
    writer_rollback(writer);
    return status;
}

enum weft_status hold_open(struct hold *hold, const char *schema) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    const char *vfs = disk_vfs(hold->disk);
    *library = (struct library){.pool = library->pool};
    snprintf(library->path, sizeof library->path, "%s", HOLD_PATH);
    library->devices = hold->devices;
    library->device_count = HOLD_DEVICES;
    rng_seed(&hold->rng, 1, 1);
    arena_init(&hold->arena, library->pool);
    arena_init(&hold->given, library->pool);
    enum weft_status status = open_store(hold, schema);
    const struct models *models = library->store.models;
    const struct record_origin self = {hold->devices[HOLD_SELF], library->store.incarnation};
    DO(writer_open(HOLD_PATH, vfs, 1 << 20, models, &library->store.device, &library->writer, why));
    DO(load(hold));
    DO(reader_open(HOLD_PATH, vfs, 1 << 20, models, &library->reader, why));
    DO(shared_reader_open(HOLD_PATH, vfs, &hold->shared, why));
    DO(snapshot_reader_open(HOLD_PATH, vfs, models, &self, &library->store.library, &hold->snapshot,
                            why));
    library->clock = HOLD_WALL + 1000000;
    if (status != WEFT_OK) hold_close(hold);
    return status;
}

void hold_close(struct hold *hold) {
    struct library *library = &hold->library;
    while (hold->run_count > 0)
        run_drop(&hold->runs[--hold->run_count]);
    if (hold->snapshot != NULL) snapshot_reader_close(hold->snapshot);
    if (hold->shared != NULL) shared_reader_close(hold->shared);
    if (library->reader != NULL) reader_close(library->reader);
    if (library->writer != NULL) writer_close(library->writer);
    if (hold->roster_open) roster_close(&hold->roster);
    if (hold->store_open) store_close(&library->store);
    hold->snapshot = NULL;
    hold->shared = NULL;
    library->reader = NULL;
    library->writer = NULL;
    hold->roster_open = hold->store_open = false;
    arena_drop(&hold->arena);
    arena_drop(&hold->given);
    assert_int_equal(pool_held(library->pool), 0);
    assert_int_equal(disk_open_handles(hold->disk), 0);
}

/* ---- looking --------------------------------------------------------------------------------- */

static sqlite3 *plain_open(const struct hold *hold) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(HOLD_PATH, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     disk_vfs(hold->disk)),
                     SQLITE_OK);
    return db;
}

bool hold_sql(struct hold *hold, const char *sql) {
    sqlite3 *db = plain_open(hold);
    const int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return code == SQLITE_OK;
}

/* FNV-1a, of values by their types and texts. */
static void mix(uint64_t *sum, const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        *sum = (*sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
}

static void mix_rows(sqlite3 *db, const char *sql, uint64_t *sum) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(query) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(query); c++) {
            const int type = sqlite3_column_type(query, c);
            mix(sum, &type, sizeof type);
            mix(sum, sqlite3_column_blob(query, c), (size_t)sqlite3_column_bytes(query, c));
        }
    }
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
}

uint64_t hold_dump(struct hold *hold) {
    uint64_t sum = UINT64_C(14695981039346656037);
    if (disk_file_size(hold->disk, HOLD_PATH) <= 0) return 0;
    sqlite3 *db = plain_open(hold);
    sqlite3_stmt *tables = NULL;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT format('SELECT * FROM \"%w\"', name) FROM "
                                        "sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                        "'sqlite!_%' ESCAPE '!' ORDER BY name",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    mix_rows(db, "SELECT type, name, sql FROM sqlite_schema ORDER BY name", &sum);
    while (sqlite3_step(tables) == SQLITE_ROW)
        mix_rows(db, (const char *)sqlite3_column_text(tables, 0), &sum);
    sqlite3_finalize(tables);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return sum;
}
