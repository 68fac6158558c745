/* See change.h. Invariants
 *   1. What the builder lays down, the reader takes, and finds the same.
 *   2. A sound body is read without another check: reading it cannot fail.
 *   3. Equal keys are laid down as equal bytes: every value has one form only.
 * Not here: which op this is the body of (record.h), and what it brings about
 * (store/shared_row.h). */
#include "engine/wire/change.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/wire/change_private.h"

/* ---- reading ---- */

bool change_name_sound(struct bytes name) {
    if (name.size == 0 || name.size > LIMIT_NAME) return false;
    return utf8_valid(name.data, name.size) && memchr(name.data, 0, name.size) == NULL;
}

bool change_read_name(struct cursor *cursor, struct bytes *out) {
    uint8_t size = 0;
    if (!cursor_byte(cursor, &size)) return false;
    *out = (struct bytes){cursor_take(cursor, size), size};
    return out->data != NULL && change_name_sound(*out);
}

bool change_read_number(struct cursor *cursor, uint64_t *out) {
    const uint8_t *from = cursor->at;
    return cursor_varint(cursor, out) && varint_size(*out) == (size_t)(cursor->at - from);
}

static bool read_body(struct cursor *cursor, enum weft_type type, struct weft_value *out) {
    uint64_t size = 0;
    if (!change_read_number(cursor, &size) || size > cursor_left(cursor)) return false;
    const uint8_t *data = cursor_take(cursor, (size_t)size);
    *out = type == WEFT_TEXT ? weft_text((const char *)data, (size_t)size)
                             : weft_blob(data, (size_t)size);
    return type == WEFT_BLOB || utf8_valid(data, (size_t)size);
}

#define NEGATIVE_ZERO (UINT64_C(1) << 63)

/* Whether SQLite gives a REAL back as it was stored. */
static bool read_real(struct cursor *cursor, struct weft_value *out) {
    const uint8_t *at = cursor_take(cursor, 8);
    if (at == NULL) return false;
    *out = weft_real(0);
    memcpy(&out->as.real, at, 8);
    return out->as.real == out->as.real && load_u64(at) != NEGATIVE_ZERO;
}

bool change_read_value(struct cursor *cursor, struct weft_value *out, bool *special,
                       uint8_t special_type) {
    uint8_t type = 0;
    uint64_t bits = 0;
    if (!cursor_byte(cursor, &type)) return false;
    *out = weft_null();
    switch (type) {
    case WEFT_NULL:
        return true;
    case WEFT_INTEGER:
        if (!change_read_number(cursor, &bits)) return false;
        *out = weft_integer((int64_t)varint_unzigzag(bits));
        return true;
    case WEFT_REAL:
        return read_real(cursor, out);
    case WEFT_TEXT:
    case WEFT_BLOB:
        return read_body(cursor, (enum weft_type)type, out);
    default:
        if (special == NULL || type != special_type) return false;
        *special = true;
        return true;
    }
}

bool change_read_key(struct cursor *cursor, uint32_t count, struct weft_value *key,
                     struct bytes *bytes) {
    const uint8_t *from = cursor->at;
    CHECK(count <= LIMIT_KEY_COLUMNS);
    for (uint32_t k = 0; k < count; k++) {
        if (!change_read_value(cursor, &key[k], NULL, 0)) return false;
        if (key[k].type == WEFT_NULL || key[k].type == WEFT_REAL) return false;
    }
    *bytes = (struct bytes){from, (size_t)(cursor->at - from)};
    return true;
}

static bool read_writes(struct change_reader *reader, struct change_row *row) {
    uint64_t count = 0, seen[LIMIT_FIELDS / 64] = {0};
    if (!change_read_number(&reader->rest, &count) || count > LIMIT_FIELDS) return false;
    for (row->count = 0; row->count < count; row->count++) {
        uint64_t field = 0;
        bool node = false;
        if (!change_read_number(&reader->rest, &field) || field > reader->field_count) return false;
        if (field == reader->field_count) {
            if (field == LIMIT_FIELDS) return false;
            if (!change_read_name(&reader->rest, &reader->fields[reader->field_count++]))
                return false;
        }
        if (seen[field / 64] >> (field % 64) & 1) return false;
        seen[field / 64] |= UINT64_C(1) << (field % 64);
        row->fields[row->count] = (uint32_t)field;
        if (!change_read_value(&reader->rest, &row->values[row->count], &node, CHANGE_NODE))
            return false;
        if (node) row->nodes[row->count / 64] |= UINT64_C(1) << (row->count % 64);
    }
    return true;
}

static bool read_row(struct change_reader *reader, struct change_row *row) {
    uint8_t what = 0;
    if (!cursor_byte(&reader->rest, &what)) return false;
    if (what < CHANGE_CREATE || what > CHANGE_UPDATE) return false;
    row->what = (enum change_what)what;
    row->count = 0;
    memset(row->nodes, 0, sizeof row->nodes);
    if (!change_read_number(&reader->rest, &row->back) ||
        !change_read_key(&reader->rest, reader->key_count, row->key, &row->key_bytes))
        return false;
    if (what == CHANGE_DELETE) return true;
    return read_writes(reader, row) && (what == CHANGE_CREATE || row->count > 0);
}

static bool read_head(struct change_reader *reader, struct bytes body) {
    uint8_t count = 0;
    reader->rest = cursor_begin(body, "a change of shared rows", NULL);
    reader->field_count = 0;
    if (!change_read_name(&reader->rest, &reader->table) || !cursor_byte(&reader->rest, &count))
        return false;
    reader->key_count = count;
    return count >= 1 && count <= LIMIT_KEY_COLUMNS;
}

static uint8_t in_lower_case(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* They are brought into one case before any are compared: comparing takes the square of their
 * number. */
bool change_has_twins(const struct bytes *fields, uint32_t count) {
    uint8_t names[LIMIT_FIELDS][LIMIT_NAME];
    CHECK(count <= LIMIT_FIELDS);
    for (uint32_t a = 0; a < count; a++) {
        const struct bytes name = fields[a];
        CHECK(name.size <= LIMIT_NAME);
        for (size_t i = 0; i < name.size; i++)
            names[a][i] = in_lower_case(name.data[i]);
        for (uint32_t b = 0; b < a; b++) {
            if (fields[b].size == name.size && memcmp(names[a], names[b], name.size) == 0)
                return true;
        }
    }
    return false;
}

bool change_sound(struct bytes body, uint64_t hlc) {
    struct change_reader reader;
    struct change_row row;
    uint32_t rows = 0;
    if (body.size > LIMIT_RECORD) return false;
    if (!read_head(&reader, body)) return false;
    for (; cursor_left(&reader.rest) > 0; rows++) {
        if (!read_row(&reader, &row) || row.back >= hlc) return false;
    }
    return rows > 0 && !change_has_twins(reader.fields, reader.field_count);
}

void change_open(struct change_reader *reader, struct bytes body) {
    const bool sound = read_head(reader, body);
    CHECK(sound);
}

bool change_next(struct change_reader *reader, struct change_row *out) {
    if (cursor_left(&reader->rest) == 0) return false;
    const bool sound = read_row(reader, out);
    CHECK(sound);
    return true;
}

/* ---- writing ---- */

#define BODY_ROOM 256u

_Static_assert(LIMIT_COLUMNS <= LIMIT_FIELDS, "every column has a number within the body");

/* Room for `size` bytes; NULL once something failed. */
static uint8_t *room(struct change_builder *builder, size_t size) {
    if (builder->status != WEFT_OK) return NULL;
    if (builder->sink.size + size > LIMIT_RECORD) {
        builder->status = WEFT_LIMIT;
        return NULL;
    }
    uint8_t *at = sink_room(&builder->sink, size);
    if (at == NULL) builder->status = WEFT_NO_MEMORY;
    return at;
}

static void put_name(struct change_builder *builder, struct bytes name) {
    CHECK(change_name_sound(name));
    uint8_t *at = room(builder, 1 + name.size);
    if (at == NULL) return;
    *at++ = (uint8_t)name.size;
    memcpy(at, name.data, name.size);
    sink_wrote(&builder->sink, at + name.size);
}

static void put_number(struct change_builder *builder, uint64_t number) {
    uint8_t *at = room(builder, VARINT_MAX);
    if (at != NULL) sink_wrote(&builder->sink, varint_put(at, number));
}

size_t change_value_room(const struct weft_value *value) {
    const bool body = value->type == WEFT_TEXT || value->type == WEFT_BLOB;
    return 1 + VARINT_MAX + (body ? value->size : 0);
}

uint8_t *change_lay_value(uint8_t *at, const struct weft_value *value) {
    CHECK((unsigned)value->type <= WEFT_BLOB);
    *at++ = (uint8_t)value->type;
    if (value->type == WEFT_TEXT || value->type == WEFT_BLOB) {
        at = varint_put(at, value->size);
        if (value->size > 0) memcpy(at, value->as.bytes, value->size);
        at += value->size;
    } else if (value->type == WEFT_INTEGER) {
        at = varint_put(at, varint_zigzag((uint64_t)value->as.integer));
    } else if (value->type == WEFT_REAL) {
        const double real = value->as.real == 0 ? 0.0 : value->as.real;
        CHECK(real == real);
        memcpy(at, &real, 8);
        at += 8;
    }
    return at;
}

bool change_value_sound(const struct weft_value *value) {
    return value->type != WEFT_TEXT || utf8_valid(value->as.bytes, value->size);
}

static void put_value(struct change_builder *builder, const struct weft_value *value) {
    if (value != NULL && builder->status == WEFT_OK && !change_value_sound(value))
        builder->status = WEFT_NOT_UTF8;
    uint8_t *at = room(builder, value == NULL ? 1 + VARINT_MAX : change_value_room(value));
    if (at == NULL) return;
    if (value == NULL) *at++ = CHANGE_NODE;
    if (value != NULL) at = change_lay_value(at, value);
    sink_wrote(&builder->sink, at);
}

void change_begin(struct change_builder *builder, struct arena *arena, struct bytes table,
                  uint32_t key_count) {
    CHECK(key_count >= 1 && key_count <= LIMIT_KEY_COLUMNS);
    memset(builder, 0, sizeof *builder);
    builder->key_count = key_count;
    if (!sink_begin(&builder->sink, arena, BODY_ROOM)) builder->status = WEFT_NO_MEMORY;
    put_name(builder, table);
    uint8_t *at = room(builder, 1);
    if (at == NULL) return;
    *at = (uint8_t)key_count;
    sink_wrote(&builder->sink, at + 1);
}

void change_row(struct change_builder *builder, enum change_what what, uint64_t back,
                const struct weft_value *const *key, uint32_t writes) {
    CHECK(what >= CHANGE_CREATE && what <= CHANGE_UPDATE && builder->left == 0);
    CHECK(writes <= LIMIT_COLUMNS && (what != CHANGE_DELETE || writes == 0));
    CHECK(what != CHANGE_UPDATE || writes > 0);
    builder->left = writes;
    memset(builder->written, 0, sizeof builder->written);
    uint8_t *at = room(builder, 1 + VARINT_MAX);
    if (at == NULL) return;
    *at++ = (uint8_t)what;
    sink_wrote(&builder->sink, varint_put(at, back));
    for (uint32_t k = 0; k < builder->key_count; k++) {
        CHECK(key[k]->type != WEFT_NULL && key[k]->type != WEFT_REAL);
        put_value(builder, key[k]);
    }
    if (what != CHANGE_DELETE) put_number(builder, writes);
    builder->rows++;
}

void change_write(struct change_builder *builder, uint32_t column, struct bytes name,
                  const struct weft_value *value) {
    CHECK(column < LIMIT_COLUMNS && builder->left > 0);
    uint64_t *written = &builder->written[column / 64];
    const uint64_t bit = UINT64_C(1) << (column % 64);
    CHECK((*written & bit) == 0);
    *written |= bit;
    builder->left--;
    const bool known = builder->number[column] != 0;
    if (!known) builder->number[column] = (uint16_t)++builder->named;
    put_number(builder, builder->number[column] - 1u);
    if (!known) put_name(builder, name);
    put_value(builder, value);
}

enum weft_status change_end(struct change_builder *builder, struct bytes *out) {
    *out = (struct bytes){NULL, 0};
    CHECK(builder->left == 0 || builder->status != WEFT_OK);
    if (builder->status == WEFT_OK && builder->rows > 0)
        *out = (struct bytes){builder->sink.data, builder->sink.size};
    return builder->status;
}
