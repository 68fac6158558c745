/* See snapshot.h. Invariants
 *   1. What the builder lays down, the reader takes, and finds the same.
 *   2. A sound body is read without another check: reading it cannot fail.
 *   3. What is said has one form: numbers are in order of first use, varints short, and a field's
 *      stamp is the creation's only by the 0 that stands for it.
 * Not here: which rows go into a chunk (store/snapshot_reader.h), and what they bring about
 * (store/snapshot_taker.h). */
#include "engine/wire/snapshot.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/crdt/hlc.h"
#include "engine/wire/change_private.h"

enum { WHAT_CREATED = 1, WHAT_DELETED = 2 };

/* What a stamp takes at most: number, device, incarnation, hlc. */
#define STAMP_ROOM (3u + WEFT_ID_SIZE + 8u + VARINT_MAX)

static bool same_stamp(const struct stamp *a, const struct stamp *b) {
    return a->hlc == b->hlc && a->origin == b->origin;
}

/* ---- reading ---- */

/* The origin of a stamp, once its number has been read. */
static bool read_origin(struct snapshot_body *reader, uint64_t number, struct stamp *out) {
    if (number > reader->origin_count || number == LIMIT_SNAPSHOT_ORIGINS) return false;
    out->origin = (uint32_t)number;
    if (number < reader->origin_count) return true;
    const uint8_t *at = cursor_take(&reader->rest, WEFT_ID_SIZE + 8);
    struct record_origin *origin = &reader->origins[reader->origin_count];
    if (at == NULL) return false;
    memcpy(origin->device.bytes, at, WEFT_ID_SIZE);
    origin->incarnation = load_u64(at + WEFT_ID_SIZE);
    reader->origin_count++;
    return origin->incarnation <= INT64_MAX;
}

static bool read_hlc(struct snapshot_body *reader, struct stamp *out) {
    uint64_t away = 0;
    if (!change_read_number(&reader->rest, &away)) return false;
    out->hlc = reader->base + varint_unzigzag(away);
    return out->hlc != 0 && out->hlc <= INT64_MAX;
}

static bool read_stamp(struct snapshot_body *reader, struct stamp *out) {
    uint64_t number = 0;
    return change_read_number(&reader->rest, &number) && read_origin(reader, number, out) &&
           read_hlc(reader, out);
}

static bool read_field_stamp(struct snapshot_body *reader, const struct snapshot_row *row,
                             struct stamp *out) {
    uint64_t number = 0;
    if (!change_read_number(&reader->rest, &number)) return false;
    *out = row->created;
    if (number == 0) return row->created.hlc != 0;
    return read_origin(reader, number - 1, out) && read_hlc(reader, out) &&
           !(row->created.hlc != 0 && same_stamp(out, &row->created));
}

static bool read_fields(struct snapshot_body *reader, struct snapshot_row *row) {
    uint64_t count = 0, seen[MERGE_WORDS] = {0};
    if (!change_read_number(&reader->rest, &count) || count > LIMIT_FIELDS) return false;
    for (row->count = 0; row->count < count; row->count++) {
        const uint32_t i = row->count;
        uint64_t field = 0;
        bool more = false;
        if (!change_read_number(&reader->rest, &field) || field > reader->field_count) return false;
        if (field == reader->field_count) {
            if (field == LIMIT_FIELDS) return false;
            if (!change_read_name(&reader->rest, &reader->fields[reader->field_count]))
                return false;
            reader->field_count++;
        }
        if (merge_bit(seen, (uint32_t)field)) return false;
        seen[field / 64] |= UINT64_C(1) << (field % 64);
        row->fields[i] = (uint32_t)field;
        if (!read_field_stamp(reader, row, &row->stamps[i])) return false;
        if (!change_read_value(&reader->rest, &row->values[i], &more, SNAPSHOT_MORE)) return false;
        if (more) row->more[i / 64] |= UINT64_C(1) << (i % 64);
    }
    return true;
}

static bool read_row(struct snapshot_body *reader, struct snapshot_row *row) {
    uint8_t what = 0;
    if (!cursor_byte(&reader->rest, &what) || what > (WHAT_CREATED | WHAT_DELETED)) return false;
    row->created = row->deleted = (struct stamp){0};
    row->count = 0;
    memset(row->more, 0, sizeof row->more);
    if (!change_read_key(&reader->rest, reader->key_count, row->key, &row->key_bytes)) return false;
    if ((what & WHAT_CREATED) != 0) {
        if (!read_stamp(reader, &row->created)) return false;
        reader->base = row->created.hlc;
    }
    if ((what & WHAT_DELETED) != 0) {
        if (!read_stamp(reader, &row->deleted)) return false;
        if (what == WHAT_DELETED) reader->base = row->deleted.hlc;
    }
    return read_fields(reader, row) && (what != 0 || row->count > 0);
}

static bool read_head(struct snapshot_body *reader, struct bytes body) {
    uint8_t count = 0;
    reader->rest = cursor_begin(body, "rows of a snapshot", NULL);
    reader->field_count = 0;
    reader->origin_count = 0;
    reader->base = 0;
    if (!change_read_name(&reader->rest, &reader->table) || !cursor_byte(&reader->rest, &count))
        return false;
    reader->key_count = count;
    return count >= 1 && count <= LIMIT_KEY_COLUMNS;
}

static bool origins_differ(const struct snapshot_body *reader) {
    for (uint32_t a = 0; a < reader->origin_count; a++) {
        for (uint32_t b = 0; b < a; b++) {
            if (record_origin_compare(&reader->origins[a], &reader->origins[b]) == 0) return false;
        }
    }
    return true;
}

/* Of what a row says, the greatest hlc up to `ms_max`. */
static void raise_to(uint64_t *newest, const struct snapshot_row *row, uint64_t ms_max) {
    const struct stamp *existence[] = {&row->created, &row->deleted};
    for (uint32_t i = 0; i < 2 + row->count; i++) {
        const uint64_t hlc = i < 2 ? existence[i]->hlc : row->stamps[i - 2].hlc;
        if (hlc > *newest && hlc_ms(hlc) <= ms_max) *newest = hlc;
    }
}

bool snapshot_sound(struct bytes body, uint64_t *newest) {
    struct snapshot_body reader;
    struct snapshot_row row;
    uint32_t rows = 0;
    *newest = 0;
    if (body.size > LIMIT_SNAPSHOT || !read_head(&reader, body)) return false;
    for (; cursor_left(&reader.rest) > 0; rows++) {
        if (!read_row(&reader, &row)) return false;
        raise_to(newest, &row, UINT64_MAX);
    }
    return rows > 0 && origins_differ(&reader) &&
           !change_has_twins(reader.fields, reader.field_count);
}

void snapshot_open(struct snapshot_body *reader, struct bytes body) {
    const bool sound = read_head(reader, body);
    CHECK(sound);
}

bool snapshot_next(struct snapshot_body *reader, struct snapshot_row *out) {
    if (cursor_left(&reader->rest) == 0) return false;
    const bool sound = read_row(reader, out);
    CHECK(sound);
    return true;
}

uint64_t snapshot_newest(struct bytes body, uint64_t ms_max) {
    struct snapshot_body reader;
    struct snapshot_row row;
    uint64_t newest = 0;
    snapshot_open(&reader, body);
    while (snapshot_next(&reader, &row))
        raise_to(&newest, &row, ms_max);
    return newest;
}

/* ---- writing ---- */

#define BODY_ROOM 1024u

/* Room for `size` bytes; NULL once something failed. */
static uint8_t *room(struct snapshot_builder *builder, size_t size) {
    if (builder->status != WEFT_OK) return NULL;
    if (builder->sink.size + size > LIMIT_SNAPSHOT) {
        builder->status = WEFT_LIMIT;
        return NULL;
    }
    uint8_t *at = sink_room(&builder->sink, size);
    if (at == NULL) builder->status = WEFT_NO_MEMORY;
    return at;
}

static uint8_t *lay_name(uint8_t *at, struct bytes name) {
    CHECK(change_name_sound(name));
    *at++ = (uint8_t)name.size;
    memcpy(at, name.data, name.size);
    return at + name.size;
}

/* The number of an origin in the body; `*known` false when it has just got it. */
static uint32_t number_origin(struct snapshot_builder *builder, uint32_t origin, bool *known) {
    *known = true;
    for (uint32_t i = 0; i < builder->origins; i++)
        if (builder->origin[i] == origin) return i;
    *known = false;
    if (builder->origins == LIMIT_SNAPSHOT_ORIGINS) {
        if (builder->status == WEFT_OK) builder->status = WEFT_LIMIT;
        return 0;
    }
    builder->origin[builder->origins] = origin;
    return builder->origins++;
}

/* Lays a stamp down; `plus` is added to its origin's number. */
static void put_stamp(struct snapshot_builder *builder, const struct stamp *stamp, uint32_t plus) {
    bool known = false;
    CHECK(stamp->hlc != 0 && stamp->hlc <= INT64_MAX);
    const uint32_t number = number_origin(builder, stamp->origin, &known);
    uint8_t *at = room(builder, STAMP_ROOM);
    if (at == NULL) return;
    at = varint_put(at, number + plus);
    if (!known) {
        const struct record_origin *origin = builder->whose(builder->context, stamp->origin);
        CHECK(origin != NULL);
        memcpy(at, origin->device.bytes, WEFT_ID_SIZE);
        store_u64(at + WEFT_ID_SIZE, origin->incarnation);
        at += WEFT_ID_SIZE + 8;
    }
    at = varint_put(at, varint_zigzag(stamp->hlc - builder->base));
    sink_wrote(&builder->sink, at);
}

static void put_value(struct snapshot_builder *builder, const struct weft_value *value) {
    if (builder->status == WEFT_OK && !change_value_sound(value)) builder->status = WEFT_NOT_UTF8;
    uint8_t *at = room(builder, change_value_room(value));
    if (at != NULL) sink_wrote(&builder->sink, change_lay_value(at, value));
}

void snapshot_build(struct snapshot_builder *builder, struct arena *arena, struct bytes table,
                    uint32_t key_count,
                    const struct record_origin *(*whose)(const void *context, uint32_t origin),
                    const void *context) {
    CHECK(key_count >= 1 && key_count <= LIMIT_KEY_COLUMNS);
    CHECK(whose != NULL);
    memset(builder, 0, sizeof *builder);
    builder->key_count = key_count;
    builder->whose = whose;
    builder->context = context;
    if (!sink_begin(&builder->sink, arena, BODY_ROOM)) builder->status = WEFT_NO_MEMORY;
    uint8_t *at = room(builder, SNAPSHOT_HEAD_ROOM);
    if (at == NULL) return;
    at = lay_name(at, table);
    *at++ = (uint8_t)key_count;
    sink_wrote(&builder->sink, at);
}

void snapshot_row(struct snapshot_builder *builder, const struct weft_value *const *key,
                  const struct stamp *created, const struct stamp *deleted, uint32_t count) {
    CHECK(builder->left == 0 && count <= LIMIT_FIELDS);
    CHECK(created->hlc != 0 || deleted->hlc != 0 || count > 0);
    builder->left = count;
    builder->created = *created;
    memset(builder->written, 0, sizeof builder->written);
    uint8_t *at = room(builder, 1);
    if (at == NULL) return;
    *at++ =
        (uint8_t)((created->hlc != 0 ? WHAT_CREATED : 0) | (deleted->hlc != 0 ? WHAT_DELETED : 0));
    sink_wrote(&builder->sink, at);
    for (uint32_t k = 0; k < builder->key_count; k++) {
        CHECK(key[k]->type != WEFT_NULL && key[k]->type != WEFT_REAL);
        put_value(builder, key[k]);
    }
    if (created->hlc != 0) {
        put_stamp(builder, created, 0);
        builder->base = created->hlc;
    }
    if (deleted->hlc != 0) {
        put_stamp(builder, deleted, 0);
        if (created->hlc == 0) builder->base = deleted->hlc;
    }
    at = room(builder, 3);
    if (at != NULL) sink_wrote(&builder->sink, varint_put(at, count));
    builder->rows++;
}

void snapshot_field(struct snapshot_builder *builder, uint32_t field, struct bytes name,
                    const struct stamp *stamp, const struct weft_value *value) {
    CHECK(field < LIMIT_FIELDS && builder->left > 0);
    CHECK(!merge_bit(builder->written, field) && stamp->hlc != 0);
    builder->written[field / 64] |= UINT64_C(1) << (field % 64);
    builder->left--;
    const bool known = builder->number[field] != 0;
    if (!known) builder->number[field] = (uint16_t)++builder->named;
    uint8_t *at = room(builder, 4 + LIMIT_NAME);
    if (at == NULL) return;
    at = varint_put(at, builder->number[field] - 1u);
    if (!known) at = lay_name(at, name);
    const bool as_created = same_stamp(stamp, &builder->created);
    if (as_created) *at++ = 0;
    sink_wrote(&builder->sink, at);
    if (!as_created) put_stamp(builder, stamp, 1);
    if (value != NULL) {
        put_value(builder, value);
        return;
    }
    at = room(builder, 1);
    if (at == NULL) return;
    *at++ = SNAPSHOT_MORE;
    sink_wrote(&builder->sink, at);
}

enum weft_status snapshot_finish(struct snapshot_builder *builder, struct bytes *out) {
    *out = (struct bytes){NULL, 0};
    CHECK(builder->left == 0 || builder->status != WEFT_OK);
    if (builder->status == WEFT_OK && builder->rows > 0)
        *out = (struct bytes){builder->sink.data, builder->sink.size};
    return builder->status;
}

size_t snapshot_row_room(const struct weft_value *const *key, uint32_t key_count) {
    size_t size = 1 + 2 * STAMP_ROOM + 3;
    CHECK(key_count <= LIMIT_KEY_COLUMNS);
    for (uint32_t k = 0; k < key_count; k++)
        size += change_value_room(key[k]);
    return size;
}

size_t snapshot_field_room(struct bytes name, const struct weft_value *value) {
    (void)name;
    return 4 + LIMIT_NAME + STAMP_ROOM + (value == NULL ? 1 : change_value_room(value));
}
