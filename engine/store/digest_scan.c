/* See digest.h. Here: digests worked out from all rows, and read as they are kept.
 *
 *   _weft_position, _weft_digest ─► what is kept ─┐
 *   tables, _weft_parked ─► sums of owned rows ───┼─► list
 *   tables, _weft_shadow ─► sums of shared rows ──┘
 *
 * Reads what a damaged file may hold: what makes no sense counts for nothing, so that the sums
 * differ. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/digest.h"
#include "engine/store/models.h"
#include "engine/store/packed.h"
#include "engine/store/rowclock.h"
#include "engine/store/statement.h"

/* Shared tables that are looked at. Others may make up names of tables without end. */
#define SHARED_MAX (4u * LIMIT_MODELS)

struct scanning {
    sqlite3 *db;
    const char *path;
    const struct models *models;
    struct digest_list *out;
    struct weft_error *why;
    struct packed key;
    struct record_origin *origins; /* by number, from 0 */
    uint32_t origin_count;
    struct merge_row clock;
    struct digest_names names;
    uint32_t shared_count;
};

/* ---- the list ---- */

void digest_list_free(struct digest_list *list) {
    free(list->list);
    *list = (struct digest_list){0};
}

static struct digest_found *list_add(struct scanning *scanning) {
    struct digest_list *list = scanning->out;
    if (list->count == list->room) {
        const uint32_t room = list->room == 0 ? 16 : list->room * 2;
        struct digest_found *grown = realloc(list->list, room * sizeof *grown);
        if (grown == NULL) return NULL;
        list->list = grown;
        list->room = room;
    }
    list->list[list->count] = (struct digest_found){0};
    return &list->list[list->count++];
}

static enum weft_status fail_memory(struct weft_error *why) {
    return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for digests");
}

const struct digest_found *digest_find_owned(const struct digest_list *list, const struct id *owner,
                                             uint32_t model) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct digest_found *found = &list->list[i];
        if (!found->shared && found->model == model && id_equal(&found->owner, owner)) return found;
    }
    return NULL;
}

const struct digest_found *digest_find_shared(const struct digest_list *list, const char *table,
                                              size_t size) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct digest_found *found = &list->list[i];
        if (!found->shared || strlen(found->table) != size) continue;
        if (sqlite3_strnicmp(found->table, table, (int)size) == 0) return found;
    }
    return NULL;
}

static struct digest_found *find_number(struct scanning *scanning, uint32_t owner, uint32_t model) {
    for (uint32_t i = 0; i < scanning->out->count; i++) {
        struct digest_found *found = &scanning->out->list[i];
        if (!found->shared && found->model == model && found->number == owner) return found;
    }
    return NULL;
}

/* The entry of a shared table, which is added if there is none. */
static struct digest_found *shared_entry(struct scanning *scanning, const char *table,
                                         size_t size) {
    const struct digest_found *known = digest_find_shared(scanning->out, table, size);
    if (known != NULL) return &scanning->out->list[known - scanning->out->list];
    if (size > LIMIT_NAME) size = LIMIT_NAME;
    struct digest_found *found = list_add(scanning);
    if (found == NULL) return NULL;
    const struct model *model = models_find(scanning->models, table, size);
    found->shared = true;
    scanning->shared_count++;
    found->model = model != NULL && model->kind == MODEL_SHARED ? model->id : 0;
    memcpy(found->table, table, size);
    return found;
}

/* ---- what is kept ---- */

static enum weft_status read_positions(struct scanning *scanning) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status =
        statement_prepare(scanning->db, &query, scanning->path, scanning->why,
                          "SELECT p.owner, d.device, p.model, p.position, p.digest, "
                          "p.sweep IS NULL AND p.position >= p.settled, p.gone FROM "
                          "main._weft_position AS p JOIN main._weft_device AS d ON d.id = p.owner "
                          "ORDER BY p.owner, p.model");
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", scanning->path, scanning->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value device = statement_value(query, 1);
        const uint32_t id = (uint32_t)sqlite3_column_int64(query, 2);
        const struct model *model = models_owned(scanning->models, id);
        struct id owner;
        if (model == NULL || device.type != WEFT_BLOB ||
            !id_read(&owner, device.as.bytes, device.size)) {
            continue;
        }
        struct digest_found *found = list_add(scanning);
        if (found == NULL) {
            status = fail_memory(scanning->why);
            break;
        }
        found->owner = owner;
        found->number = (uint32_t)sqlite3_column_int64(query, 0);
        found->model = model->id;
        sqlite3_snprintf(sizeof found->table, found->table, "%s", model->name);
        found->position = (uint64_t)sqlite3_column_int64(query, 3);
        found->known = sqlite3_column_type(query, 4) == SQLITE_INTEGER;
        found->kept = (uint64_t)sqlite3_column_int64(query, 4);
        found->settled = sqlite3_column_int(query, 5) != 0;
        found->gone = (uint64_t)sqlite3_column_int64(query, 6);
    }
    sqlite3_finalize(query);
    return status;
}

static enum weft_status read_shared(struct scanning *scanning) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status = WEFT_OK;
    for (uint32_t m = 0; m < scanning->models->count && status == WEFT_OK; m++) {
        const struct model *model = models_get(scanning->models, m + 1);
        if (model == NULL || model->name == NULL || model->kind != MODEL_SHARED) continue;
        struct digest_found *found = shared_entry(scanning, model->name, strlen(model->name));
        if (found == NULL) return fail_memory(scanning->why);
        found->known = true; /* A table that never had a row has no entry. */
    }
    status = statement_prepare(scanning->db, &query, scanning->path, scanning->why,
                               "SELECT model, digest FROM main._weft_digest ORDER BY model IN "
                               "(SELECT name FROM main._weft_model) DESC, model LIMIT %u",
                               SHARED_MAX);
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", scanning->path, scanning->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value name = statement_value(query, 0);
        if (name.type != WEFT_TEXT) continue;
        struct digest_found *found = shared_entry(scanning, (const char *)name.as.bytes, name.size);
        if (found == NULL) {
            status = fail_memory(scanning->why);
            break;
        }
        found->known = true;
        found->kept = (uint64_t)sqlite3_column_int64(query, 1);
    }
    sqlite3_finalize(query);
    return status;
}

enum weft_status digest_read(sqlite3 *db, const char *path, const struct models *models,
                             struct digest_list *out, struct weft_error *why) {
    struct scanning scanning = {.db = db, .path = path, .models = models, .out = out, .why = why};
    CHECK(db != NULL && models != NULL && out != NULL);
    out->count = 0;
    enum weft_status status = read_positions(&scanning);
    return status == WEFT_OK ? read_shared(&scanning) : status;
}

/* ---- owned rows ---- */

/* Packs the key that stands in these columns of a statement's row. */
static enum weft_status pack_key(struct scanning *scanning, const struct model *model,
                                 sqlite3_stmt *query, int first) {
    enum weft_status status = WEFT_OK;
    scanning->key.size = 0;
    for (uint32_t k = 0; k < model->key_count && status == WEFT_OK; k++) {
        const struct weft_value value = statement_value(query, first + (int)k);
        status = packed_value(&scanning->key, &value);
    }
    return status == WEFT_OK ? WEFT_OK : fail_memory(scanning->why);
}

static void append_key(sqlite3_str *sql, const struct model *model, const char *before,
                       const char *behind) {
    for (uint32_t k = 0; k < model->key_count; k++)
        sqlite3_str_appendf(sql, "%s\"%w\"%s", before, model->columns[model->key[k]].name, behind);
}

static enum weft_status prepare(struct scanning *scanning, sqlite3_str *sql, const char *what,
                                sqlite3_stmt **out) {
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return fail_memory(scanning->why);
    enum weft_status status = statement_prepare(scanning->db, out, what, scanning->why, "%s", text);
    sqlite3_free(text);
    return status;
}

static void count_owned(struct scanning *scanning, const struct model *model, uint32_t owner,
                        uint64_t version, uint64_t instead) {
    struct digest_found *found = find_number(scanning, owner, model->id);
    const struct bytes key = {scanning->key.data, scanning->key.size};
    if (found == NULL || version == 0) return;
    found->computed += digest_owned(key, version);
    if (instead != 0) found->computed -= digest_owned(key, instead);
    found->rows += instead == 0;
}

static enum weft_status scan_table(struct scanning *scanning, const struct model *model) {
    sqlite3_str *sql = sqlite3_str_new(scanning->db);
    sqlite3_stmt *query = NULL;
    bool row = true;
    sqlite3_str_appendall(sql, "SELECT _weft_owner, _weft_version");
    append_key(sql, model, ",", "");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE _weft_owner IS NOT NULL", model->name);
    enum weft_status status = prepare(scanning, sql, model->name, &query);
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", model->name, scanning->why);
        if (status != WEFT_OK || !row) break;
        status = pack_key(scanning, model, query, 2);
        if (status == WEFT_OK)
            count_owned(scanning, model, (uint32_t)sqlite3_column_int64(query, 0),
                        (uint64_t)sqlite3_column_int64(query, 1), 0);
    }
    sqlite3_finalize(query);
    return status;
}

/* The version of the owner's row that stands in the table under the key packed; 0: none does. */
static enum weft_status version_of(struct scanning *scanning, const struct model *model,
                                   sqlite3_stmt *look, uint32_t owner, uint64_t *version) {
    const uint8_t *at = scanning->key.data, *end = at + scanning->key.size;
    bool row = false;
    *version = 0;
    for (uint32_t k = 0; k < model->key_count; k++) {
        struct weft_value value;
        if (!packed_read_value(&at, end, &value)) return WEFT_OK;
        statement_bind(look, 2 + (int)k, &value);
    }
    sqlite3_bind_int64(look, 1, owner);
    enum weft_status status = statement_step(look, &row, "reading", model->name, scanning->why);
    if (status == WEFT_OK && row) *version = (uint64_t)sqlite3_column_int64(look, 0);
    sqlite3_reset(look);
    return status;
}

static enum weft_status scan_parked(struct scanning *scanning, const struct model *model) {
    sqlite3_str *sql = sqlite3_str_new(scanning->db);
    sqlite3_stmt *query = NULL, *look = NULL;
    bool row = true;
    sqlite3_str_appendf(sql, "SELECT _weft_version FROM main.\"%w\" WHERE _weft_owner = ?1",
                        model->name);
    append_key(sql, model, " AND ", " = ?");
    enum weft_status status = prepare(scanning, sql, model->name, &look);
    if (status == WEFT_OK) {
        status = statement_prepare(scanning->db, &query, scanning->path, scanning->why,
                                   "SELECT owner, key, max(version) FROM main._weft_parked "
                                   "WHERE model = %u GROUP BY owner, key",
                                   model->id);
    }
    while (status == WEFT_OK) {
        uint64_t stored = 0;
        status = statement_step(query, &row, "reading", scanning->path, scanning->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value key = statement_value(query, 1);
        const uint32_t owner = (uint32_t)sqlite3_column_int64(query, 0);
        const uint64_t version = (uint64_t)sqlite3_column_int64(query, 2);
        if (key.type != WEFT_BLOB) continue;
        status = packed_copy(&scanning->key, (struct bytes){key.as.bytes, key.size});
        if (status == WEFT_OK) status = version_of(scanning, model, look, owner, &stored);
        if (status == WEFT_OK && version > stored)
            count_owned(scanning, model, owner, version, stored);
    }
    sqlite3_finalize(query);
    sqlite3_finalize(look);
    return status;
}

/* ---- shared rows ---- */

static const struct record_origin *origin_at(const void *context, uint32_t number) {
    const struct scanning *scanning = context;
    if (number >= scanning->origin_count || scanning->origins[number].incarnation == UINT64_MAX)
        return NULL;
    return &scanning->origins[number];
}

static int compare_origins(const void *context, uint32_t a, uint32_t b) {
    const struct record_origin *x = origin_at(context, a), *y = origin_at(context, b);
    if (x == NULL || y == NULL) return (x != NULL) - (y != NULL);
    return record_origin_compare(x, y);
}

static enum weft_status load_origins(struct scanning *scanning) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status =
        statement_prepare(scanning->db, &query, scanning->path, scanning->why,
                          "SELECT id, device, incarnation FROM main._weft_origin ORDER BY id");
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", scanning->path, scanning->why);
        if (status != WEFT_OK || !row) break;
        const int64_t number = sqlite3_column_int64(query, 0);
        const struct weft_value device = statement_value(query, 1);
        struct record_origin origin = {.incarnation = (uint64_t)sqlite3_column_int64(query, 2)};
        if (number < 0 || number > UINT16_MAX || device.type != WEFT_BLOB ||
            !id_read(&origin.device, device.as.bytes, device.size)) {
            continue;
        }
        struct record_origin *grown =
            realloc(scanning->origins, ((size_t)number + 1) * sizeof *grown);
        if (grown == NULL) {
            status = fail_memory(scanning->why);
            break;
        }
        for (uint32_t i = scanning->origin_count; i < (uint32_t)number; i++)
            grown[i] = (struct record_origin){.incarnation = UINT64_MAX};
        grown[number] = origin;
        scanning->origins = grown;
        scanning->origin_count = (uint32_t)number + 1;
    }
    sqlite3_finalize(query);
    return status;
}

/* Adds the row whose key is packed, if it is there. */
static void count_shared(struct scanning *scanning, struct digest_found *found,
                         const struct weft_value *clock) {
    const struct stamp_order order = {compare_origins, scanning};
    const struct digest_origins origins = {origin_at, scanning};
    const struct bytes key = {scanning->key.data, scanning->key.size};
    bool known = true;
    if (clock->type != WEFT_BLOB ||
        !rowclock_read((struct bytes){clock->as.bytes, clock->size}, &scanning->clock) ||
        !merge_visible(&scanning->clock, &order)) {
        return;
    }
    found->computed += digest_shared(key, &scanning->clock, &scanning->names, &origins, &known);
    found->rows++;
}

static enum weft_status scan_shared_table(struct scanning *scanning, const struct model *model) {
    const struct bytes name = {(const uint8_t *)model->name, strlen(model->name)};
    sqlite3_str *sql = sqlite3_str_new(scanning->db);
    sqlite3_stmt *query = NULL;
    bool row = true;
    sqlite3_str_appendall(sql, "SELECT _weft_clock");
    append_key(sql, model, ",", "");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE _weft_clock IS NOT NULL", model->name);
    enum weft_status status = prepare(scanning, sql, model->name, &query);
    if (status == WEFT_OK) {
        status =
            digest_names_load(scanning->db, scanning->path, name, &scanning->names, scanning->why);
    }
    struct digest_found *found = shared_entry(scanning, model->name, name.size);
    if (status == WEFT_OK && found == NULL) status = fail_memory(scanning->why);
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", model->name, scanning->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value clock = statement_value(query, 0);
        status = pack_key(scanning, model, query, 1);
        if (status == WEFT_OK) count_shared(scanning, found, &clock);
    }
    sqlite3_finalize(query);
    return status;
}

static enum weft_status scan_shadow(struct scanning *scanning) {
    struct digest_found *found = NULL;
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status = statement_prepare(
        scanning->db, &query, scanning->path, scanning->why,
        "SELECT model, key, clock FROM main._weft_shadow WHERE kind > 2 ORDER BY model");
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", scanning->path, scanning->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value name = statement_value(query, 0), key = statement_value(query, 1);
        const struct weft_value clock = statement_value(query, 2);
        if (name.type != WEFT_TEXT || key.type != WEFT_BLOB) continue;
        if (scanning->shared_count >= SHARED_MAX &&
            digest_find_shared(scanning->out, (const char *)name.as.bytes, name.size) == NULL)
            continue;
        struct digest_found *next = shared_entry(scanning, (const char *)name.as.bytes, name.size);
        status = packed_copy(&scanning->key, (struct bytes){key.as.bytes, key.size});
        if (next == NULL || status != WEFT_OK) {
            status = fail_memory(scanning->why);
            break;
        }
        if (next != found) {
            status = digest_names_load(scanning->db, scanning->path,
                                       (struct bytes){name.as.bytes, name.size}, &scanning->names,
                                       scanning->why);
        }
        found = next;
        if (status == WEFT_OK) count_shared(scanning, found, &clock);
    }
    sqlite3_finalize(query);
    return status;
}

enum weft_status digest_scan(sqlite3 *db, const char *path, const struct models *models,
                             struct digest_list *out, struct weft_error *why) {
    struct scanning *scanning = calloc(1, sizeof *scanning);
    if (scanning == NULL) return fail_memory(why);
    scanning->db = db, scanning->path = path, scanning->models = models;
    scanning->out = out, scanning->why = why;
    enum weft_status status = digest_read(db, path, models, out, why);
    for (uint32_t i = 0; i < out->count; i++)
        scanning->shared_count += out->list[i].shared;
    if (status == WEFT_OK) status = load_origins(scanning);
    for (uint32_t m = 0; m < models->count && status == WEFT_OK; m++) {
        const struct model *model = models_get(models, m + 1);
        if (model == NULL || model->name == NULL) continue;
        if (model->kind == MODEL_SHARED) {
            status = scan_shared_table(scanning, model);
            continue;
        }
        status = scan_table(scanning, model);
        if (status == WEFT_OK) status = scan_parked(scanning, model);
    }
    if (status == WEFT_OK) status = scan_shadow(scanning);
    packed_free(&scanning->key);
    free(scanning->origins);
    free(scanning);
    return status;
}
