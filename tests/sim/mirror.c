/* See mirror.h. Rows are kept by hashes: of model and key, and of all cells.
 *
 * Invariants
 *   1. What BEFORE tells is told once more, as AFTER or UNDONE; the serials of both have no gap.
 *   2. A row is read again only when a hook has named it, or its model. */
#include "tests/sim/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/engine.h"
#include "tests/sim/commons.h"
#include "tests/sim/device.h"

#define MODELS (TABLE_COUNT + COMMONS_COUNT)
#define ROOM 4096u       /* places; more than twice as many as there are keys */
#define STANDS_STILL 40u /* turns of the log, every fourth time */

struct shown {
    uint64_t key;    /* 0: free */
    uint64_t digest; /* 0: it is gone */
    uint32_t model;
};

struct mirror {
    struct device *device;
    const char *name[MODELS];
    int model[MODELS]; /* numbers for the host */
    uint32_t key_count[MODELS];
    int key[MODELS][3];                      /* columns */
    sqlite3_stmt *all[MODELS], *one[MODELS]; /* NULL: a table that this version does not have */
    struct shown rows[ROOM], fresh[ROOM];    /* as it shows them; as they are, for a comparison */
    uint64_t turns;
    uint64_t before, settled; /* serials told last */
    uint64_t writes;          /* to the disk, when `fresh` was read; 0: never */
};

/* ---- rows ------------------------------------------------------------------------------------ */

static struct shown *seek(struct shown *rows, uint64_t key) {
    for (uint64_t i = key % ROOM;; i = (i + 1) % ROOM)
        if (rows[i].key == key || rows[i].key == 0) return &rows[i];
}

static uint64_t key_hash(uint32_t m, const struct weft_value *key, uint32_t count) {
    uint64_t hash = rng_mix(m, count);
    for (uint32_t k = 0; k < count; k++)
        hash = rng_mix(hash, value_hash(&key[k]));
    return hash == 0 ? 1 : hash;
}

/* Takes the row under the statement in. */
static void take_row(const struct mirror *mirror, uint32_t m, sqlite3_stmt *row,
                     struct shown *rows) {
    struct weft_value key[3];
    uint64_t digest = 1;
    for (int c = 0; c < sqlite3_column_count(row); c++) {
        const struct weft_value value = value_of_column(row, c);
        digest = rng_mix(digest, value_hash(&value));
    }
    for (uint32_t k = 0; k < mirror->key_count[m]; k++)
        key[k] = value_of_column(row, mirror->key[m][k]);
    struct shown *shown = seek(rows, key_hash(m, key, mirror->key_count[m]));
    *shown = (struct shown){.key = key_hash(m, key, mirror->key_count[m]),
                            .digest = digest == 0 ? 1 : digest,
                            .model = m};
}

/* Steps through a query; false when it could not be read to its end. */
static bool take_rows(struct mirror *mirror, uint32_t m, sqlite3_stmt *query, struct shown *rows) {
    int code = SQLITE_ROW;
    if (!query) return true;
    while ((code = sqlite3_step(query)) == SQLITE_ROW)
        take_row(mirror, m, query, rows);
    sqlite3_reset(query);
    if (code == SQLITE_DONE || disk_is_down(mirror->device->disk)) return code == SQLITE_DONE;
    return world_fail(mirror->device->world, "device %u: the mirror cannot read %s: %s",
                      mirror->device->number, mirror->name[m], sqlite3_errmsg(mirror->device->db));
}

static void bind(sqlite3_stmt *query, int place, const struct weft_value *value) {
    if (value->type == WEFT_INTEGER) sqlite3_bind_int64(query, place, value->as.integer);
    if (value->type == WEFT_TEXT)
        sqlite3_bind_text(query, place, value->as.bytes, (int)value->size, SQLITE_TRANSIENT);
    if (value->type == WEFT_BLOB)
        sqlite3_bind_blob(query, place, value->as.bytes, (int)value->size, SQLITE_TRANSIENT);
}

static void read_one(struct mirror *mirror, uint32_t m, const struct weft_change *change) {
    CHECK(change->key_count == mirror->key_count[m]);
    seek(mirror->rows, key_hash(m, change->key, change->key_count))->digest = 0;
    for (uint32_t k = 0; k < change->key_count; k++)
        bind(mirror->one[m], (int)k + 1, &change->key[k]);
    (void)take_rows(mirror, m, mirror->one[m], mirror->rows);
}

/* Forgets what it showed of a model. */
static void read_model(struct mirror *mirror, uint32_t m) {
    for (uint32_t i = 0; i < ROOM; i++)
        if (mirror->rows[i].model == m) mirror->rows[i].digest = 0;
    (void)take_rows(mirror, m, mirror->all[m], mirror->rows);
}

static bool read_all(struct mirror *mirror, struct shown *rows) {
    bool good = true;
    memset(rows, 0, ROOM * sizeof *rows);
    for (uint32_t m = 0; m < MODELS && good; m++)
        good = take_rows(mirror, m, mirror->all[m], rows);
    return good;
}

/* All rows as they are now; what was read stands until the disk is written to. */
static bool read_fresh(struct mirror *mirror) {
    const uint64_t writes = disk_counts(mirror->device->disk).writes;
    if (writes == mirror->writes) return true;
    mirror->writes = 0;
    if (!read_all(mirror, mirror->fresh)) return false;
    mirror->writes = writes;
    return true;
}

/* ---- the hook -------------------------------------------------------------------------------- */

static void check_order(struct mirror *mirror, const struct weft_commit *commit) {
    struct world *world = mirror->device->world;
    const bool before = commit->phase == WEFT_BEFORE;
    uint64_t *last = before ? &mirror->before : &mirror->settled;
    if (commit->phase == WEFT_LOST) return;
    if (commit->serial != *last + 1 || commit->count == 0 || mirror->settled > mirror->before)
        world_fail(world, "device %u: a hook was told %u of %llu after %llu, with %llu before",
                   mirror->device->number, (unsigned)commit->phase,
                   (unsigned long long)commit->serial, (unsigned long long)*last,
                   (unsigned long long)mirror->before);
    *last = commit->serial;
}

static void mirror_hook(void *context, const struct weft_commit *commit) {
    struct mirror *mirror = context;
    struct device *device = mirror->device;
    check_order(mirror, commit);
    if (disk_is_down(device->disk)) return;
    if (commit->phase != WEFT_AFTER && commit->phase != WEFT_LOST) return;
    for (size_t i = 0; i < commit->count; i++) {
        const struct weft_change *change = &commit->changes[i];
        uint32_t m = 0;
        while (m < MODELS && mirror->model[m] != change->model)
            m++;
        CHECK(m < MODELS);
        if (change->op == WEFT_CHANGE_MANY)
            read_model(mirror, m);
        else
            read_one(mirror, m, change);
    }
}

/* ---- a life ---------------------------------------------------------------------------------- */

static bool prepare(struct mirror *mirror, uint32_t m, const char *columns) {
    sqlite3 *db = mirror->device->db;
    char where[256] = "";
    char *all = sqlite3_mprintf("SELECT %s FROM %s r", columns, mirror->name[m]);
    CHECK(all != NULL);
    bool good = sqlite3_prepare_v2(db, all, -1, &mirror->all[m], NULL) == SQLITE_OK;
    for (uint32_t k = 0; k < mirror->key_count[m] && good; k++)
        snprintf(where + strlen(where), sizeof where - strlen(where), "%s%s = ?%u",
                 k == 0 ? "" : " AND ", sqlite3_column_name(mirror->all[m], mirror->key[m][k]),
                 k + 1);
    char *one = sqlite3_mprintf("%s WHERE %s", all, where);
    CHECK(one != NULL);
    good = good && sqlite3_prepare_v2(db, one, -1, &mirror->one[m], NULL) == SQLITE_OK;
    sqlite3_free(all);
    sqlite3_free(one);
    if (good || disk_is_down(mirror->device->disk)) return good;
    return world_fail(mirror->device->world, "device %u: the mirror cannot prepare: %s",
                      mirror->device->number, sqlite3_errmsg(db));
}

static bool prepare_all(struct mirror *mirror) {
    bool good = true;
    for (uint32_t t = 0; t < TABLE_COUNT && good; t++) {
        const struct table_shape *shape = &table_shapes[t];
        const enum version version = mirror->device->version;
        char columns[256];
        mirror->name[t] = shape->name;
        mirror->key_count[t] = shape->key_count;
        for (uint32_t k = 0; k < shape->key_count; k++)
            mirror->key[t][k] = (int)shape->key[k];
        snprintf(columns, sizeof columns, "%.*s", table_list((enum table)t, version),
                 shape->qualified);
        if (columns[0] != '\0') good = prepare(mirror, t, columns);
    }
    for (uint32_t t = 0; t < COMMONS_COUNT && good; t++) {
        const struct commons_shape *shape = &commons_shapes[t];
        const uint32_t m = TABLE_COUNT + t;
        char columns[256] = "";
        mirror->name[m] = shape->name;
        mirror->key_count[m] = shape->key_count;
        for (uint32_t k = 0; k < shape->key_count; k++)
            mirror->key[m][k] = (int)k;
        const uint32_t count = commons_columns((enum commons_table)t, mirror->device->version);
        for (uint32_t c = 0; c < count; c++)
            snprintf(columns + strlen(columns), sizeof columns - strlen(columns), "%s%s",
                     c == 0 ? "" : ", ", shape->columns[c]);
        if (count > 0) good = prepare(mirror, m, columns);
    }
    return good;
}

bool mirror_begin(struct device *device) {
    struct mirror *mirror = calloc(1, sizeof *mirror);
    struct weft_error why = {0};
    CHECK(mirror != NULL && device->mirror == NULL);
    device->mirror = mirror;
    mirror->device = device;
    if (!prepare_all(mirror)) return !device->world->failed;
    for (uint32_t m = 0; m < MODELS; m++)
        mirror->model[m] = weft_model(device->engine, mirror->name[m]);
    enum weft_status status =
        weft_on_commit(device->engine, WEFT_HOOK_ALL, mirror_hook, mirror, &why);
    if (status != WEFT_OK && !device_dead(device))
        return world_fail(device->world, "device %u: weft_on_commit: %s", device->number, why.text);
    return read_all(mirror, mirror->rows) || !device->world->failed;
}

void mirror_end(struct device *device) {
    struct mirror *mirror = device->mirror;
    if (mirror == NULL) return;
    for (uint32_t m = 0; m < MODELS; m++) {
        sqlite3_finalize(mirror->all[m]);
        sqlite3_finalize(mirror->one[m]);
    }
    free(mirror);
    device->mirror = NULL;
}

void mirror_turned(struct device *device) {
    struct mirror *mirror = device->mirror;
    if (mirror == NULL) return;
    if (mirror->turns++ / STANDS_STILL % 4 != 0) (void)engine_run_hooks(device->engine);
}

bool mirror_check(struct device *device) {
    struct mirror *mirror = device->mirror;
    if (mirror == NULL) return true;
    (void)engine_run_hooks(device->engine);
    if (device->world->failed) return false;
    if (disk_is_down(device->disk) || !read_fresh(mirror)) return !device->world->failed;
    for (uint32_t i = 0; i < ROOM; i++) {
        const struct shown *row = &mirror->rows[i];
        if (row->key != 0 && row->digest != seek(mirror->fresh, row->key)->digest)
            return world_fail(device->world, "device %u: a row has changed, and no hook was told",
                              device->number);
    }
    for (uint32_t i = 0; i < ROOM; i++) {
        const struct shown *row = &mirror->fresh[i];
        if (row->key != 0 && row->digest != seek(mirror->rows, row->key)->digest)
            return world_fail(device->world, "device %u: a row has come, and no hook was told",
                              device->number);
    }
    return true;
}
