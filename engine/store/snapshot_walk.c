/* See snapshot_walk.h. */
#include "engine/store/snapshot_walk.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/rowclock.h"

void snapshot_place_free(struct snapshot_place *place) {
    packed_free(&place->table);
    packed_free(&place->key);
    *place = (struct snapshot_place){0};
}

bool snapshot_read_key(struct bytes bytes, struct weft_value key[LIMIT_KEY_COLUMNS],
                       uint32_t *count) {
    const uint8_t *at = bytes.data, *end = bytes.size == 0 ? at : at + bytes.size;
    for (*count = 0; at < end; (*count)++) {
        if (*count == LIMIT_KEY_COLUMNS || !packed_read_value(&at, end, &key[*count])) return false;
    }
    return *count > 0;
}

static enum weft_status no_memory(const struct snapshot_walk *walk, struct weft_error *why) {
    return status_fail(why, WEFT_NO_MEMORY, 0, "reading the shared rows of %s: out of memory",
                       walk->path);
}

static enum weft_status fail_corrupt(const struct snapshot_walk *walk, struct bytes table,
                                     struct weft_error *why) {
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: what is kept of a row of table \"%.*s\" cannot be read; restore the "
                       "file from a copy",
                       walk->path, (int)table.size, (const char *)table.data);
}

static struct bytes bytes_of(const struct weft_value *value) {
    const bool has = value->type == WEFT_BLOB || value->type == WEFT_TEXT;
    return (struct bytes){value->as.bytes, has ? value->size : 0};
}

static const struct model *shared_model(const struct snapshot_walk *walk, struct bytes name) {
    const struct model *model = models_find(walk->models, (const char *)name.data, name.size);
    return model != NULL && model->kind == MODEL_SHARED ? model : NULL;
}

/* The next shared table after one (NULL: the first), by id. */
static const struct model *next_model(const struct snapshot_walk *walk, const struct model *after) {
    for (uint32_t id = after == NULL ? 1 : after->id + 1; id <= walk->models->count; id++) {
        const struct model *model = models_get(walk->models, id);
        if (model != NULL && model->kind == MODEL_SHARED) return model;
    }
    return NULL;
}

static const struct model *place_model(const struct snapshot_walk *walk) {
    const struct packed *table = &walk->place->table;
    return shared_model(walk, (struct bytes){table->data, table->size});
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* The number of the last row that has left the shadow. */
static enum weft_status last_moved(struct snapshot_walk *walk, uint64_t *last,
                                   struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status =
        statement_prepare(walk->db, &query, walk->path, why,
                          "SELECT seq FROM sqlite_sequence WHERE name = '_weft_moved'");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", walk->path, why);
    *last = status == WEFT_OK && row ? (uint64_t)sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    return status;
}

static enum weft_status any_extras(struct snapshot_walk *walk, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    enum weft_status status = statement_prepare(
        walk->db, &query, walk->path, why, "SELECT 1 FROM _weft_shadow WHERE kind = 1 LIMIT 1");
    if (status == WEFT_OK)
        status = statement_step(query, &walk->extras, "reading", walk->path, why);
    sqlite3_finalize(query);
    return status;
}

/* Whether the table that the walk stands in is still there, with such a key. */
static bool table_known(const struct snapshot_walk *walk) {
    const struct packed *key = &walk->place->key;
    const struct model *model = place_model(walk);
    struct weft_value values[LIMIT_KEY_COLUMNS];
    uint32_t count = 0;
    if (model == NULL || key->size == 0) return model != NULL;
    return snapshot_read_key((struct bytes){key->data, key->size}, values, &count) &&
           count == model->key_count;
}

enum weft_status snapshot_walk_begin(struct snapshot_walk *walk, sqlite3 *db, const char *path,
                                     const struct models *models, struct snapshot_place *place,
                                     bool values, bool *lost, struct weft_error *why) {
    CHECK(sqlite3_get_autocommit(db) == 0);
    uint64_t last = 0;
    *walk = (struct snapshot_walk){.db = db, .path = path, .models = models, .place = place};
    *lost = false;
    enum weft_status status = last_moved(walk, &last, why);
    if (status == WEFT_OK && values) status = any_extras(walk, why);
    if (status != WEFT_OK) return status;
    if (!place->begun) {
        place->begun = true;
        place->phase = SNAPSHOT_TABLES;
        place->within = false;
        place->table.size = place->key.size = 0;
        place->start = place->moved = last;
        return WEFT_OK;
    }
    *lost = place->start > last || last - place->start > LIMIT_MOVED || place->moved > last ||
            place->moved < place->start;
    if (place->phase == SNAPSHOT_TABLES && place->table.size > 0 && !table_known(walk))
        *lost = true;
    return WEFT_OK;
}

void snapshot_walk_end(struct snapshot_walk *walk) {
    sqlite3_finalize(walk->rows);
    sqlite3_finalize(walk->shadow);
    sqlite3_finalize(walk->extra);
    sqlite3_finalize(walk->look);
    packed_free(&walk->key);
    packed_free(&walk->from_table);
    packed_free(&walk->from_key);
    *walk = (struct snapshot_walk){0};
}

/* ---- statements ------------------------------------------------------------------------------ */

static void append_key(sqlite3_str *sql, const struct model *model) {
    for (uint32_t k = 0; k < model->key_count; k++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", k == 0 ? "(" : ",",
                            model->columns[model->key[k]].name);
    }
    sqlite3_str_appendall(sql, ")");
}

static void append_places(sqlite3_str *sql, uint32_t count) {
    for (uint32_t k = 0; k < count; k++)
        sqlite3_str_appendf(sql, "%s?%u", k == 0 ? "(" : ",", k + 1);
    sqlite3_str_appendall(sql, ")");
}

/* Clock and cells of a table's rows: behind (">"), from (">=") or at ("=") a key, or, with "", all
 * in order. */
static enum weft_status prepare_rows(struct snapshot_walk *walk, const struct model *model,
                                     const char *relation, sqlite3_stmt **out,
                                     struct weft_error *why) {
    sqlite3_str *sql = sqlite3_str_new(walk->db);
    sqlite3_str_appendall(sql, "SELECT _weft_clock");
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, ",\"%w\"", model->columns[c].name);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE _weft_clock IS NOT NULL", model->name);
    if (relation[0] != '\0') {
        sqlite3_str_appendall(sql, " AND ");
        append_key(sql, model);
        sqlite3_str_appendf(sql, " %s ", relation);
        append_places(sql, model->key_count);
    }
    sqlite3_str_appendall(sql, " ORDER BY ");
    for (uint32_t k = 0; k < model->key_count; k++)
        sqlite3_str_appendf(sql, "%s\"%w\"", k == 0 ? "" : ",", model->columns[model->key[k]].name);
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return no_memory(walk, why);
    enum weft_status status = statement_prepare(walk->db, out, model->name, why, "%s", text);
    sqlite3_free(text);
    return status;
}

/* The rows of a table, from where the walk stands. */
static enum weft_status open_table(struct snapshot_walk *walk, const struct model *model,
                                   struct weft_error *why) {
    const struct snapshot_place *place = walk->place;
    struct weft_value key[LIMIT_KEY_COLUMNS];
    uint32_t count = 0;
    const char *relation = place->key.size == 0 ? "" : place->within ? ">=" : ">";
    if (place->key.size > 0) {
        const struct bytes bytes = {walk->from_key.data, walk->from_key.size};
        const bool sound = snapshot_read_key(bytes, key, &count);
        CHECK(sound && count == model->key_count);
    }
    enum weft_status status = prepare_rows(walk, model, relation, &walk->rows, why);
    for (uint32_t k = 0; k < count && status == WEFT_OK; k++)
        statement_bind(walk->rows, 1 + (int)k, &key[k]);
    return status;
}

static enum weft_status open_shadow(struct snapshot_walk *walk, struct weft_error *why) {
    const struct snapshot_place *place = walk->place;
    enum weft_status status =
        statement_prepare(walk->db, &walk->rows, walk->path, why,
                          "SELECT model, key, clock, fields FROM _weft_shadow "
                          "WHERE (model, key) %s (?1, ?2) AND kind <> 1 ORDER BY model, key",
                          place->within ? ">=" : ">");
    if (status != WEFT_OK) return status;
    sqlite3_bind_text(walk->rows, 1, (const char *)walk->from_table.data,
                      (int)walk->from_table.size, SQLITE_STATIC);
    sqlite3_bind_blob64(walk->rows, 2, walk->from_key.data, walk->from_key.size, SQLITE_STATIC);
    return WEFT_OK;
}

static enum weft_status open_moved(struct snapshot_walk *walk, struct weft_error *why) {
    const struct snapshot_place *place = walk->place;
    enum weft_status status =
        statement_prepare(walk->db, &walk->rows, walk->path, why,
                          "SELECT id, model, key FROM _weft_moved WHERE id %s ?1 ORDER BY id",
                          place->within ? ">=" : ">");
    if (status == WEFT_OK) sqlite3_bind_int64(walk->rows, 1, (int64_t)place->moved);
    return status;
}

static enum weft_status enter(struct snapshot_walk *walk, enum snapshot_phase phase,
                              const struct model *model, struct weft_error *why) {
    struct snapshot_place *place = walk->place;
    struct bytes name = {(const uint8_t *)"", 0};
    if (model != NULL) name = (struct bytes){(const uint8_t *)model->name, strlen(model->name)};
    place->phase = phase;
    place->within = false;
    place->key.size = 0;
    return packed_copy(&place->table, name) == WEFT_OK ? WEFT_OK : no_memory(walk, why);
}

static struct bytes packed_bytes(const struct packed *packed) {
    static const uint8_t nothing[1] = {0};
    return (struct bytes){packed->size == 0 ? nothing : packed->data, packed->size};
}

/* The place moves on while its statement runs. */
static enum weft_status keep_from(struct snapshot_walk *walk, struct weft_error *why) {
    if (packed_copy(&walk->from_table, packed_bytes(&walk->place->table)) != WEFT_OK ||
        packed_copy(&walk->from_key, packed_bytes(&walk->place->key)) != WEFT_OK) {
        return no_memory(walk, why);
    }
    return WEFT_OK;
}

/* Opens what is to be read where the walk stands. */
static enum weft_status open_rows(struct snapshot_walk *walk, struct weft_error *why) {
    const struct model *model = NULL;
    enum weft_status status = WEFT_OK;
    if (walk->place->phase == SNAPSHOT_TABLES) {
        model = walk->place->table.size > 0 ? place_model(walk) : next_model(walk, NULL);
        if (walk->place->table.size == 0)
            status = enter(walk, model == NULL ? SNAPSHOT_SHADOW : SNAPSHOT_TABLES, model, why);
    }
    if (status == WEFT_OK) status = keep_from(walk, why);
    if (status != WEFT_OK) return status;
    if (walk->place->phase == SNAPSHOT_TABLES) return open_table(walk, model, why);
    return walk->place->phase == SNAPSHOT_SHADOW ? open_shadow(walk, why) : open_moved(walk, why);
}

/* The rows under way have come to their end: on to what is next. */
static enum weft_status leave_rows(struct snapshot_walk *walk, struct weft_error *why) {
    const enum snapshot_phase phase = walk->place->phase;
    sqlite3_finalize(walk->rows);
    walk->rows = NULL;
    if (phase == SNAPSHOT_TABLES) {
        const struct model *next = next_model(walk, place_model(walk));
        return enter(walk, next == NULL ? SNAPSHOT_SHADOW : SNAPSHOT_TABLES, next, why);
    }
    walk->ended = phase == SNAPSHOT_MOVED;
    return enter(walk, SNAPSHOT_MOVED, NULL, why);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static enum weft_status pack_key(struct snapshot_walk *walk, const struct snapshot_found *found,
                                 struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    walk->key.size = 0;
    for (uint32_t k = 0; k < found->key_count && status == WEFT_OK; k++)
        status = packed_value(&walk->key, &found->key[k]);
    return status == WEFT_OK ? WEFT_OK : no_memory(walk, why);
}

/* The statement by which the shadow is asked for one row. */
static enum weft_status ask_shadow(struct snapshot_walk *walk, sqlite3_stmt **statement,
                                   const char *relation, const struct snapshot_found *found,
                                   bool *row, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    if (*statement == NULL) {
        status = statement_prepare(walk->db, statement, walk->path, why,
                                   "SELECT clock, fields FROM _weft_shadow "
                                   "WHERE model = ?1 AND key = ?2 AND kind %s 1",
                                   relation);
    }
    if (status != WEFT_OK) return status;
    sqlite3_reset(*statement);
    sqlite3_bind_text(*statement, 1, (const char *)found->table.data, (int)found->table.size,
                      SQLITE_STATIC);
    sqlite3_bind_blob64(*statement, 2, walk->key.data, walk->key.size, SQLITE_STATIC);
    return statement_step(*statement, row, "reading", walk->path, why);
}

/* Takes a row of the table that `cells` stands on. */
static enum weft_status take_table(struct snapshot_walk *walk, sqlite3_stmt *cells,
                                   struct snapshot_found *found, struct weft_error *why) {
    const struct weft_value clock = statement_value(cells, 0);
    bool row = false;
    found->cells = cells;
    found->fields = (struct bytes){(const uint8_t *)"", 0};
    found->key_count = found->model->key_count;
    for (uint32_t k = 0; k < found->key_count; k++)
        found->key[k] = statement_value(cells, 1 + (int)found->model->key[k]);
    if (!rowclock_read(bytes_of(&clock), &found->clock))
        return fail_corrupt(walk, found->table, why);
    enum weft_status status = pack_key(walk, found, why);
    if (status != WEFT_OK || !walk->extras) return status;
    status = ask_shadow(walk, &walk->extra, "=", found, &row, why);
    if (status != WEFT_OK || !row) return status;
    const struct weft_value fields = statement_value(walk->extra, 1);
    found->fields = bytes_of(&fields);
    return WEFT_OK;
}

/* Takes a row of the shadow, its clock and fields in two columns. */
static enum weft_status take_shadow(struct snapshot_walk *walk, sqlite3_stmt *row, int column,
                                    struct bytes key, struct snapshot_found *found,
                                    struct weft_error *why) {
    const struct weft_value clock = statement_value(row, column);
    const struct weft_value fields = statement_value(row, column + 1);
    found->cells = NULL;
    found->fields = bytes_of(&fields);
    if (!snapshot_read_key(key, found->key, &found->key_count) ||
        !rowclock_read(bytes_of(&clock), &found->clock)) {
        return fail_corrupt(walk, found->table, why);
    }
    return WEFT_OK;
}

/* Whether the row of found->key is in its table. */
static enum weft_status look_table(struct snapshot_walk *walk, struct snapshot_found *found,
                                   bool *row, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    if (walk->look_model != found->model) {
        sqlite3_finalize(walk->look);
        walk->look = NULL;
        walk->look_model = NULL;
        status = prepare_rows(walk, found->model, "=", &walk->look, why);
        if (status != WEFT_OK) return status;
        walk->look_model = found->model;
    }
    sqlite3_reset(walk->look);
    for (uint32_t k = 0; k < found->key_count; k++)
        statement_bind(walk->look, 1 + (int)k, &found->key[k]);
    return statement_step(walk->look, row, "reading", found->model->name, why);
}

/* Looks for a row that has left the shadow. */
static enum weft_status take_moved(struct snapshot_walk *walk, struct snapshot_found *found,
                                   bool *there, struct weft_error *why) {
    const struct weft_value name = statement_value(walk->rows, 1);
    const struct weft_value key = statement_value(walk->rows, 2);
    walk->moved = (uint64_t)sqlite3_column_int64(walk->rows, 0);
    found->table = bytes_of(&name);
    found->model = shared_model(walk, found->table);
    *there = false;
    if (!snapshot_read_key(bytes_of(&key), found->key, &found->key_count))
        return fail_corrupt(walk, found->table, why);
    if (packed_copy(&walk->key, bytes_of(&key)) != WEFT_OK) return no_memory(walk, why);
    enum weft_status status = WEFT_OK;
    if (found->model != NULL && found->model->key_count == found->key_count)
        status = look_table(walk, found, there, why);
    if (status == WEFT_OK && *there) return take_table(walk, walk->look, found, why);
    if (status == WEFT_OK) status = ask_shadow(walk, &walk->shadow, "<>", found, there, why);
    if (status != WEFT_OK || !*there) return status;
    return take_shadow(walk, walk->shadow, 0, bytes_of(&key), found, why);
}

/* Takes the row that the phase's statement stands on; `*there` false: there is none to take. */
static enum weft_status take(struct snapshot_walk *walk, struct snapshot_found *found, bool *there,
                             struct weft_error *why) {
    *there = true;
    if (walk->place->phase == SNAPSHOT_TABLES) {
        found->model = place_model(walk);
        found->table =
            (struct bytes){(const uint8_t *)found->model->name, strlen(found->model->name)};
        return take_table(walk, walk->rows, found, why);
    }
    if (walk->place->phase == SNAPSHOT_MOVED) return take_moved(walk, found, there, why);
    const struct weft_value name = statement_value(walk->rows, 0);
    const struct weft_value key = statement_value(walk->rows, 1);
    found->table = bytes_of(&name);
    /* Else the walk, which goes on behind them, would come here again. */
    if (name.type != WEFT_TEXT || key.type != WEFT_BLOB)
        return fail_corrupt(walk, found->table, why);
    found->model = shared_model(walk, found->table);
    if (packed_copy(&walk->key, bytes_of(&key)) != WEFT_OK) return no_memory(walk, why);
    return take_shadow(walk, walk->rows, 2, bytes_of(&key), found, why);
}

/* Whether a row is the one that the walk had come to before. */
static bool is_within(const struct snapshot_walk *walk, const struct snapshot_found *found) {
    const struct snapshot_place *place = walk->place;
    if (!place->within) return false;
    if (place->phase == SNAPSHOT_MOVED) return place->moved == walk->moved;
    return place->table.size == found->table.size &&
           memcmp(place->table.data, found->table.data, found->table.size) == 0 &&
           place->key.size == walk->key.size &&
           memcmp(place->key.data, walk->key.data, walk->key.size) == 0;
}

enum weft_status snapshot_walk_next(struct snapshot_walk *walk, struct snapshot_found *found,
                                    bool *row, struct weft_error *why) {
    CHECK(walk->place->begun);
    enum weft_status status = WEFT_OK;
    *row = false;
    while (status == WEFT_OK && !walk->ended) {
        bool more = false, there = false;
        if (walk->rows == NULL) status = open_rows(walk, why);
        if (status == WEFT_OK)
            status = statement_step(walk->rows, &more, "reading", walk->path, why);
        if (status != WEFT_OK) break;
        if (!more) {
            status = leave_rows(walk, why);
            continue;
        }
        status = take(walk, found, &there, why);
        if (status == WEFT_OK && there) {
            found->within = is_within(walk, found);
            *row = true;
            return WEFT_OK;
        }
        if (status != WEFT_OK) break;
        walk->place->moved = walk->moved;
        walk->place->within = false;
    }
    return status;
}

enum weft_status snapshot_walk_pass(struct snapshot_walk *walk, const struct snapshot_found *found,
                                    bool within, struct weft_error *why) {
    struct snapshot_place *place = walk->place;
    enum weft_status status = WEFT_OK;
    place->within = within;
    if (place->phase == SNAPSHOT_MOVED) {
        place->moved = walk->moved;
        return WEFT_OK;
    }
    if (place->phase == SNAPSHOT_SHADOW) status = packed_copy(&place->table, found->table);
    if (status == WEFT_OK)
        status = packed_copy(&place->key, (struct bytes){walk->key.data, walk->key.size});
    return status == WEFT_OK ? WEFT_OK : no_memory(walk, why);
}
