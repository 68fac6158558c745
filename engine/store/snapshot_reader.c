/* Giving out a snapshot.
 *
 *   cursor := version u8 (1) | device 16 | incarnation u64 | phase u8 | within u8 | part varint
 *             | start varint | moved varint | table_size u8 | table | key, packed, to the end
 *
 * `part` is the first field, by its number here, whose value was not in the parts of the row that
 * went before; the rest is snapshot_walk.h's place.
 * Invariants
 *   1. A chunk that is not the last makes progress: it holds a row, or a part of one; but for the
 *      first, by invariant 4.
 *   2. Where a chunk ends, the next begins: at the row that did not fit, or within it.
 *   3. A body is sound, and every row in it names all its fields.
 *   4. Heads of the first chunk are those of what the rows say, of the last one those of all that
 *      is held. Where these differ the two are not one chunk, even if all rows are in the first. */
#include "engine/store/snapshot_reader.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_private.h"
#include "engine/store/snapshot_walk.h"

#define READER_CACHE_BYTES (2u << 20)
#define CURSOR_VERSION 1u
/* Where a record has the hash of the one before. */
#define RECORD_PREV (RECORD_HEAD - 4u - RECORD_HASH)

struct origin_number {
    uint32_t number;
    struct record_origin origin;
};

struct snapshot_reader {
    sqlite3 *db;
    char *path;
    const struct models *models;
    struct record_origin self;
    struct id library;
    /* One call. */
    struct snapshot_place place;
    struct snapshot_walk walk;
    struct snapshot_found found;
    struct snapshot_builder builder;
    bool first;
    bool cut; /* a head is named as it is before what waits for its time */
    bool building;
    uint32_t part; /* of the row that the cursor lies within */
    struct arena *arena;
    size_t bytes, bytes_max;
    struct snapshot_chunk *chunk;
    struct weft_error *why;
    struct origin_number *origins; /* by increasing number; in the arena */
    uint32_t origin_count;
    /* The table under way: names of its fields, and where they are. */
    char table[LIMIT_NAME + 1];
    uint8_t name_sizes[LIMIT_FIELDS]; /* 0: there is no such field */
    char names[LIMIT_FIELDS][LIMIT_NAME];
    int16_t columns[LIMIT_FIELDS]; /* -1: it has none */
    /* The row under way. */
    const struct weft_value *key[LIMIT_KEY_COLUMNS];
    uint32_t field_count;
    uint16_t fields[LIMIT_FIELDS];
    struct weft_value values[LIMIT_FIELDS]; /* by field */
};

/* ---- opening --------------------------------------------------------------------------------- */

enum weft_status snapshot_reader_open(const char *path, const char *vfs,
                                      const struct models *models, const struct record_origin *self,
                                      const struct id *library, struct snapshot_reader **out,
                                      struct weft_error *why) {
    CHECK(path != NULL && models != NULL);
    CHECK(self != NULL && out != NULL);
    *out = NULL;
    struct snapshot_reader *reader = calloc(1, sizeof *reader);
    char *copy = strdup(path);
    if (reader == NULL || copy == NULL) {
        free(reader);
        free(copy);
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", path);
    }
    reader->path = copy;
    reader->models = models;
    reader->self = *self;
    reader->library = *library;
    enum weft_status status = store_connect(path, vfs, true, READER_CACHE_BYTES, &reader->db, why);
    if (status != WEFT_OK) {
        snapshot_reader_close(reader);
        return status;
    }
    *out = reader;
    return WEFT_OK;
}

void snapshot_reader_close(struct snapshot_reader *reader) {
    if (reader == NULL) return;
    snapshot_place_free(&reader->place);
    int code = sqlite3_close(reader->db);
    CHECK(code == SQLITE_OK);
    free(reader->path);
    free(reader);
}

static enum weft_status no_memory(const struct snapshot_reader *reader) {
    return status_fail(reader->why, WEFT_NO_MEMORY, 0,
                       "reading the shared rows of %s: no memory for a chunk", reader->path);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static bool take_number(struct cursor *cursor, uint64_t most, uint64_t *out) {
    return cursor_varint(cursor, out) && *out <= most;
}

/* Reads a cursor into the place; `*mine` false: another device's, or of another time. */
static bool read_cursor(struct snapshot_reader *reader, struct bytes bytes, bool *mine) {
    struct cursor cursor = cursor_begin(bytes, "a cursor", NULL);
    struct snapshot_place *place = &reader->place;
    uint8_t version = 0, phase = 0, within = 0, size = 0;
    uint64_t part = 0;
    if (!cursor_byte(&cursor, &version) || version != CURSOR_VERSION) return false;
    const uint8_t *self = cursor_take(&cursor, WEFT_ID_SIZE + 8);
    if (self == NULL || !cursor_byte(&cursor, &phase) || phase > SNAPSHOT_MOVED) return false;
    if (!cursor_byte(&cursor, &within) || within > 1) return false;
    if (!take_number(&cursor, LIMIT_FIELDS - 1, &part) || (part > 0 && within == 0)) return false;
    if (!take_number(&cursor, INT64_MAX, &place->start)) return false;
    if (!take_number(&cursor, INT64_MAX, &place->moved)) return false;
    if (!cursor_byte(&cursor, &size) || size > LIMIT_NAME) return false;
    const uint8_t *table = cursor_take(&cursor, size);
    if (table == NULL) return false;
    *mine = memcmp(self, reader->self.device.bytes, WEFT_ID_SIZE) == 0 &&
            load_u64(self + WEFT_ID_SIZE) == reader->self.incarnation;
    place->begun = true;
    place->phase = (enum snapshot_phase)phase;
    place->within = within != 0;
    reader->part = (uint32_t)part;
    return packed_copy(&place->table, (struct bytes){table, size}) == WEFT_OK &&
           packed_copy(&place->key, (struct bytes){cursor.at, cursor_left(&cursor)}) == WEFT_OK;
}

static enum weft_status write_cursor(struct snapshot_reader *reader) {
    const struct snapshot_place *place = &reader->place;
    const size_t size = 4 + WEFT_ID_SIZE + 8 + 3 * VARINT_MAX + place->table.size + place->key.size;
    uint8_t *start = arena_take(reader->arena, size), *at = start;
    if (at == NULL) return no_memory(reader);
    CHECK(place->table.size <= LIMIT_NAME);
    *at++ = CURSOR_VERSION;
    memcpy(at, reader->self.device.bytes, WEFT_ID_SIZE);
    store_u64(at + WEFT_ID_SIZE, reader->self.incarnation);
    at += WEFT_ID_SIZE + 8;
    *at++ = (uint8_t)place->phase;
    *at++ = place->within;
    at = varint_put(at, reader->part);
    at = varint_put(at, place->start);
    at = varint_put(at, place->moved);
    *at++ = (uint8_t)place->table.size;
    if (place->table.size > 0) memcpy(at, place->table.data, place->table.size);
    at += place->table.size;
    if (place->key.size > 0) memcpy(at, place->key.data, place->key.size);
    at += place->key.size;
    reader->chunk->cursor = (struct bytes){start, (size_t)(at - start)};
    return WEFT_OK;
}

/* ---- heads and origins ----------------------------------------------------------------------- */

/* The head of an origin of which records wait in quarantine: the record before the first of them.
 * Its hash is in that one. */
static enum weft_status cut_head(struct snapshot_reader *reader, sqlite3_stmt *heads,
                                 struct shared_head *head) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status = statement_prepare(
        reader->db, &query, reader->path, reader->why,
        "SELECT c.seq, substr(c.record, %u, %u), (SELECT b.hlc FROM shared_changes AS b WHERE "
        "b.origin = c.origin AND b.seq = c.seq - 1) FROM shared_changes AS c WHERE c.place = ?1",
        RECORD_PREV + 1, RECORD_HASH);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(query, 1, sqlite3_column_int64(heads, 9));
    status = statement_step(query, &row, "reading", reader->path, reader->why);
    if (status == WEFT_OK && (!row || !shared_column(query, 1, head->hash, sizeof head->hash))) {
        status = status_fail(reader->why, WEFT_CORRUPT, 0,
                             "%s: a record that waits for its time cannot be read; restore the "
                             "file from a copy",
                             reader->path);
    }
    if (status == WEFT_OK) {
        const bool held = sqlite3_column_type(query, 2) != SQLITE_NULL;
        head->seq = (uint64_t)sqlite3_column_int64(query, 0) - 1;
        head->hlc =
            (uint64_t)(held ? sqlite3_column_int64(query, 2) : sqlite3_column_int64(heads, 7));
        if (head->seq == 0) head->hlc = 0;
    }
    sqlite3_finalize(query);
    return status;
}

static enum weft_status take_heads(struct snapshot_reader *reader, sqlite3_stmt *query,
                                   uint32_t room) {
    struct snapshot_chunk *chunk = reader->chunk;
    enum weft_status status = WEFT_OK;
    chunk->heads = arena_take(reader->arena, (room + 1) * sizeof *chunk->heads);
    reader->origins = arena_take(reader->arena, (room + 1) * sizeof *reader->origins);
    if (chunk->heads == NULL || reader->origins == NULL) return no_memory(reader);
    reader->origin_count = chunk->head_count = 0;
    for (bool row = true; status == WEFT_OK;) {
        struct shared_head head;
        status = shared_head_step(query, reader->path, &row, &head, reader->why);
        if (status != WEFT_OK || !row) break;
        CHECK(reader->origin_count < room);
        reader->origins[reader->origin_count++] =
            (struct origin_number){(uint32_t)sqlite3_column_int64(query, 8), head.origin};
        if (reader->first && sqlite3_column_type(query, 9) != SQLITE_NULL) {
            status = cut_head(reader, query, &head);
            reader->cut = true;
        }
        if (status == WEFT_OK && head.seq > 0) chunk->heads[chunk->head_count++] = head;
    }
    return status;
}

static enum weft_status read_heads(struct snapshot_reader *reader) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status = statement_prepare(reader->db, &query, reader->path, reader->why,
                                                "SELECT count(*) FROM _weft_origin");
    if (status == WEFT_OK)
        status = statement_step(query, &row, "reading", reader->path, reader->why);
    const int64_t count = status == WEFT_OK && row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    query = NULL;
    if (status == WEFT_OK) {
        status = statement_prepare(reader->db, &query, reader->path, reader->why,
                                   "SELECT " SHARED_HEAD_COLUMNS
                                   ", id, (SELECT min(place) FROM _weft_quarantine AS q "
                                   "WHERE q.origin = o.id) FROM _weft_origin AS o ORDER BY id");
    }
    if (status == WEFT_OK) status = take_heads(reader, query, (uint32_t)count);
    sqlite3_finalize(query);
    return status;
}

/* The proof of a head: of the record, or, when that was forgotten, the one that was kept. */
static enum weft_status prove_head(struct snapshot_reader *reader, sqlite3_stmt *query,
                                   const struct shared_head *head, struct bytes *out) {
    struct record record;
    bool row = false;
    uint8_t *proof = arena_take(reader->arena, RECORD_PROOF);
    if (proof == NULL) return no_memory(reader);
    *out = (struct bytes){proof, RECORD_PROOF};
    sqlite3_bind_blob(query, 1, head->origin.device.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(query, 2, (int64_t)head->origin.incarnation);
    sqlite3_bind_int64(query, 3, (int64_t)head->seq);
    enum weft_status status = statement_step(query, &row, "reading", reader->path, reader->why);
    if (status != WEFT_OK) return status;
    const struct weft_value value = row ? statement_value(query, 0) : weft_null();
    const struct bytes bytes = {value.as.bytes, value.type == WEFT_BLOB ? value.size : 0};
    bool sound = row && head->seq != head->pruned && bytes.size > 0 &&
                 record_read(&reader->library, bytes, &record, NULL) == WEFT_OK;
    if (sound) record_prove(&record, proof);
    if (!sound && row) sound = shared_column(query, 1, proof, RECORD_PROOF);
    sqlite3_reset(query);
    if (sound) return WEFT_OK;
    return status_fail(reader->why, WEFT_CORRUPT, 0,
                       "%s: the last record of an origin of the shared log cannot be read; restore "
                       "the file from a copy",
                       reader->path);
}

static enum weft_status prove_heads(struct snapshot_reader *reader) {
    struct snapshot_chunk *chunk = reader->chunk;
    sqlite3_stmt *query = NULL;
    chunk->proofs = arena_take(reader->arena, (chunk->head_count + 1) * sizeof *chunk->proofs);
    if (chunk->proofs == NULL) return no_memory(reader);
    enum weft_status status = statement_prepare(
        reader->db, &query, reader->path, reader->why,
        "SELECT (SELECT record FROM shared_changes WHERE origin = o.id AND seq = ?3), proof "
        "FROM _weft_origin AS o WHERE device = ?1 AND incarnation = ?2");
    for (uint32_t i = 0; i < chunk->head_count && status == WEFT_OK; i++) {
        status = prove_head(reader, query, &chunk->heads[i], &chunk->proofs[i]);
    }
    sqlite3_finalize(query);
    return status;
}

static const struct record_origin *whose(const void *context, uint32_t number) {
    const struct snapshot_reader *reader = context;
    uint32_t low = 0, high = reader->origin_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (reader->origins[middle].number == number) return &reader->origins[middle].origin;
        if (reader->origins[middle].number < number) low = middle + 1;
        if (reader->origins[middle].number > number) high = middle;
    }
    return NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static enum weft_status fail_corrupt(const struct snapshot_reader *reader) {
    return status_fail(reader->why, WEFT_CORRUPT, 0,
                       "%s: what is kept of a row of table \"%.*s\" cannot be read; restore the "
                       "file from a copy",
                       reader->path, (int)reader->found.table.size,
                       (const char *)reader->found.table.data);
}

static enum weft_status end_body(struct snapshot_reader *reader) {
    struct snapshot_chunk *chunk = reader->chunk;
    struct bytes body;
    if (!reader->building) return WEFT_OK;
    reader->building = false;
    enum weft_status status = snapshot_finish(&reader->builder, &body);
    if (status == WEFT_OK) {
        if (body.size > 0) chunk->bodies[chunk->body_count++] = body;
        reader->bytes += body.size;
        return WEFT_OK;
    }
    if (status == WEFT_NO_MEMORY) return no_memory(reader);
    return status_fail(reader->why, status, 0,
                       "table \"%s\" of %s has a row that no weft_put() takes (%s), written by "
                       "something else: find it by weft_check, and put it anew",
                       reader->table, reader->path, weft_status_text(status));
}

static bool name_sound(struct bytes name) {
    return name.size > 0 && name.size <= LIMIT_NAME && utf8_valid(name.data, name.size) &&
           memchr(name.data, 0, name.size) == NULL;
}

static enum weft_status learn_names(struct snapshot_reader *reader) {
    sqlite3_stmt *query = NULL;
    const struct bytes table = reader->found.table;
    if (!name_sound(table)) return fail_corrupt(reader);
    memcpy(reader->table, table.data, table.size);
    reader->table[table.size] = '\0';
    memset(reader->name_sizes, 0, sizeof reader->name_sizes);
    enum weft_status status =
        statement_prepare(reader->db, &query, reader->path, reader->why,
                          "SELECT field, name FROM _weft_field WHERE model = %Q", reader->table);
    for (bool row = true; status == WEFT_OK;) {
        status = statement_step(query, &row, "reading", reader->path, reader->why);
        if (status != WEFT_OK || !row) break;
        const int64_t field = sqlite3_column_int64(query, 0);
        const struct weft_value name = statement_value(query, 1);
        if (field < 0 || field >= LIMIT_FIELDS || name.type != WEFT_TEXT ||
            !name_sound((struct bytes){name.as.bytes, name.size})) {
            status = fail_corrupt(reader);
            break;
        }
        memcpy(reader->names[field], name.as.bytes, name.size);
        reader->name_sizes[field] = (uint8_t)name.size;
    }
    sqlite3_finalize(query);
    const struct model *model = reader->found.model;
    for (uint32_t f = 0; f < LIMIT_FIELDS; f++)
        reader->columns[f] = -1;
    for (uint32_t c = 0; model != NULL && c < model->column_count; c++)
        if (model->columns[c].key_place < 0) reader->columns[model->columns[c].field] = (int16_t)c;
    return status;
}

static struct bytes name_of(const struct snapshot_reader *reader, uint32_t field) {
    return (struct bytes){(const uint8_t *)reader->names[field], reader->name_sizes[field]};
}

static bool is_real_sound(const struct weft_value *value) {
    return value->type != WEFT_REAL || value->as.real == value->as.real;
}

static bool stamp_sound(const struct snapshot_reader *reader, const struct stamp *stamp) {
    return stamp->hlc <= INT64_MAX && whose(reader, stamp->origin) != NULL;
}

/* Gathers values of the row: those of the table, and those that the shadow keeps. */
static bool gather(struct snapshot_reader *reader) {
    const struct snapshot_found *found = &reader->found;
    const uint8_t *at = found->fields.data,
                  *end = found->fields.size == 0 ? at : at + found->fields.size;
    uint64_t has[MERGE_WORDS] = {0};
    while (at < end) {
        uint64_t field = 0;
        if (!packed_read_number(&at, end, &field) || field >= LIMIT_FIELDS) return false;
        if (!packed_read_value(&at, end, &reader->values[field])) return false;
        has[field / 64] |= UINT64_C(1) << (field % 64);
    }
    reader->field_count = 0;
    for (uint32_t f = 0; f < found->clock.field_count; f++) {
        if (found->clock.fields[f].hlc == 0) continue;
        const int column = found->cells == NULL ? -1 : reader->columns[f];
        /* What the shadow keeps goes first: the column may just have come. */
        if (column < 0 && !merge_bit(has, f)) return false;
        if (!merge_bit(has, f)) reader->values[f] = statement_value(found->cells, 1 + column);
        if (reader->name_sizes[f] == 0 || !is_real_sound(&reader->values[f])) return false;
        if (!stamp_sound(reader, &found->clock.fields[f])) return false;
        reader->fields[reader->field_count++] = (uint16_t)f;
    }
    for (uint32_t k = 0; k < found->key_count; k++) {
        reader->key[k] = &found->key[k];
        if (found->key[k].type == WEFT_NULL || found->key[k].type == WEFT_REAL) return false;
    }
    const struct stamp *created = &found->clock.created, *deleted = &found->clock.deleted;
    return (created->hlc == 0 || stamp_sound(reader, created)) &&
           (deleted->hlc == 0 || stamp_sound(reader, deleted));
}

/* Bytes that the row takes at most, with the values of fields from `from` to before `to`. */
static size_t row_room(const struct snapshot_reader *reader, uint32_t from, uint32_t to) {
    size_t size = snapshot_row_room(reader->key, reader->found.key_count);
    for (uint32_t i = 0; i < reader->field_count; i++) {
        const uint32_t f = reader->fields[i];
        const bool given = f >= from && f < to;
        size += snapshot_field_room(name_of(reader, f), given ? &reader->values[f] : NULL);
    }
    return size;
}

static enum weft_status begin_body(struct snapshot_reader *reader) {
    const struct bytes table = {(const uint8_t *)reader->table, strlen(reader->table)};
    enum weft_status status = end_body(reader);
    if (status != WEFT_OK) return status;
    snapshot_build(&reader->builder, reader->arena, table, reader->found.key_count, whose, reader);
    reader->building = true;
    return WEFT_OK;
}

static void lay_row(struct snapshot_reader *reader, uint32_t from, uint32_t to) {
    const struct merge_row *clock = &reader->found.clock;
    snapshot_row(&reader->builder, reader->key, &clock->created, &clock->deleted,
                 reader->field_count);
    for (uint32_t i = 0; i < reader->field_count; i++) {
        const uint32_t f = reader->fields[i];
        snapshot_field(&reader->builder, f, name_of(reader, f), &clock->fields[f],
                       f >= from && f < to ? &reader->values[f] : NULL);
    }
}

/* Whether a row of this size goes into the chunk, and `*body`, into the body under way. */
static bool has_room(const struct snapshot_reader *reader, size_t size, bool *body) {
    const size_t under_way = reader->building ? reader->builder.sink.size : 0;
    const bool first = reader->bytes == 0 && !reader->building;
    *body = reader->building && under_way + size <= LIMIT_SNAPSHOT &&
            reader->builder.key_count == reader->found.key_count &&
            reader->builder.origins + reader->field_count + 2 <= LIMIT_SNAPSHOT_ORIGINS;
    if (!*body) size += SNAPSHOT_HEAD_ROOM;
    if (!*body && reader->chunk->body_count + reader->building == SNAPSHOT_BODIES) return false;
    return first || reader->bytes + under_way + size <= reader->bytes_max;
}

/* Lays as many values of a row that is too large as go into one body, from `from` on. */
static enum weft_status split_row(struct snapshot_reader *reader, uint32_t from) {
    uint32_t to = from;
    while (to < LIMIT_FIELDS &&
           SNAPSHOT_HEAD_ROOM + row_room(reader, from, to + 1) <= LIMIT_SNAPSHOT)
        to++;
    enum weft_status status = begin_body(reader);
    if (status != WEFT_OK) return status;
    /* The field that the next part begins with. */
    uint32_t next = LIMIT_FIELDS;
    for (uint32_t i = reader->field_count; i-- > 0;)
        if (reader->fields[i] >= to) next = reader->fields[i];
    if (next == from) reader->builder.status = WEFT_LIMIT;
    lay_row(reader, from, to);
    reader->part = next == LIMIT_FIELDS ? 0 : next;
    status = end_body(reader);
    if (status != WEFT_OK) return status;
    return snapshot_walk_pass(&reader->walk, &reader->found, reader->part > 0, reader->why);
}

/* Adds the row that was found, or a part of it; `*full`: the chunk ends here. */
static enum weft_status add_row(struct snapshot_reader *reader, bool *full) {
    const struct snapshot_found *found = &reader->found;
    enum weft_status status = WEFT_OK;
    bool body = false;
    const size_t size_of_name = strlen(reader->table);
    if (found->table.size != size_of_name ||
        memcmp(found->table.data, reader->table, size_of_name) != 0) {
        status = end_body(reader);
        if (status == WEFT_OK) status = learn_names(reader);
        if (status != WEFT_OK) return status;
    }
    const uint32_t from = found->within ? reader->part : 0;
    reader->part = 0;
    if (!gather(reader)) return fail_corrupt(reader);
    if (reader->field_count == 0 && found->clock.created.hlc == 0 && found->clock.deleted.hlc == 0)
        return snapshot_walk_pass(&reader->walk, found, false, reader->why);
    const size_t size = row_room(reader, from, LIMIT_FIELDS);
    const bool fits = has_room(reader, size, &body);
    if (!fits) {
        *full = true;
        reader->part = from;
        return WEFT_OK;
    }
    if (SNAPSHOT_HEAD_ROOM + size > LIMIT_SNAPSHOT) {
        *full = true;
        return split_row(reader, from);
    }
    if (!body) status = begin_body(reader);
    if (status != WEFT_OK) return status;
    lay_row(reader, from, LIMIT_FIELDS);
    return snapshot_walk_pass(&reader->walk, found, false, reader->why);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static enum weft_status read_rows(struct snapshot_reader *reader) {
    bool row = true, full = false;
    enum weft_status status = WEFT_OK;
    while (status == WEFT_OK && !full) {
        status = snapshot_walk_next(&reader->walk, &reader->found, &row, reader->why);
        if (status != WEFT_OK || !row) break;
        status = add_row(reader, &full);
    }
    if (status == WEFT_OK) status = end_body(reader);
    if (status != WEFT_OK) return status;
    CHECK(!full || reader->chunk->body_count > 0);
    /* Invariant 4. */
    reader->chunk->last = !full && !reader->cut;
    return reader->chunk->last ? WEFT_OK : write_cursor(reader);
}

/* Without memory even that may fail, and is tried again before the next reading. */
static void give_up(struct snapshot_reader *reader) {
    if (sqlite3_get_autocommit(reader->db) == 0)
        (void)sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum weft_status read_chunk(struct snapshot_reader *reader) {
    struct snapshot_chunk *chunk = reader->chunk;
    give_up(reader);
    enum weft_status status =
        statement_exec(reader->db, "reading", reader->path, reader->why, "BEGIN");
    if (status != WEFT_OK) return status;
    /* Heads first: that takes the read lock. */
    status = read_heads(reader);
    if (status == WEFT_OK) {
        status = snapshot_walk_begin(&reader->walk, reader->db, reader->path, reader->models,
                                     &reader->place, true, &chunk->lost, reader->why);
        if (status == WEFT_OK && !chunk->lost) status = read_rows(reader);
        snapshot_walk_end(&reader->walk);
    }
    if (status == WEFT_OK && !chunk->lost && (reader->first || chunk->last))
        status = prove_heads(reader);
    enum weft_status ended = statement_exec(reader->db, "reading", reader->path,
                                            status == WEFT_OK ? reader->why : NULL, "COMMIT");
    if (ended != WEFT_OK) give_up(reader);
    return status == WEFT_OK ? ended : status;
}

enum weft_status snapshot_chunk_read(struct snapshot_reader *reader, struct bytes cursor,
                                     size_t bytes_max, struct arena *arena,
                                     struct snapshot_chunk *out, struct weft_error *why) {
    CHECK(reader != NULL && arena != NULL && out != NULL);
    bool mine = true;
    memset(out, 0, sizeof *out);
    reader->arena = arena;
    reader->chunk = out;
    reader->why = why;
    reader->bytes = 0;
    reader->bytes_max = bytes_max;
    reader->first = cursor.size == 0;
    reader->cut = false;
    reader->building = false;
    reader->table[0] = '\0';
    reader->part = 0;
    reader->place.begun = false;
    if (cursor.size > 0 && !read_cursor(reader, cursor, &mine)) {
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a cursor of a snapshot cannot be read; the asker is at fault or speaks "
                           "another version, so it is told nothing");
    }
    out->lost = !mine;
    return mine ? read_chunk(reader) : WEFT_OK;
}
