/* See rowclock.h. Invariants
 *   1. Reading what was packed gives the same row: the same fields, each with its stamp.
 *   2. Packing what was read gives the same bytes: reading takes all of them, or says no. */
#include "engine/store/rowclock.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/wire/varint.h"

enum { HAS_CREATED = 1, HAS_DELETED = 2, FROM_CREATION = 4 };

static uint8_t *put_stamp(uint8_t *at, const struct stamp *stamp) {
    CHECK(stamp->hlc != 0 && stamp->origin != 0);
    store_u64(at, stamp->hlc);
    return varint_put(at + 8, stamp->origin);
}

static bool same(const struct stamp *a, const struct stamp *b) {
    return a->hlc == b->hlc && (a->hlc == 0 || a->origin == b->origin);
}

/* What the hlc of an exception is counted from. */
static uint64_t base_of(const struct merge_row *row) {
    return row->created.hlc != 0 ? row->created.hlc : row->deleted.hlc;
}

static uint8_t flags_of(const struct merge_row *row, uint32_t field_count) {
    uint32_t as_created = 0;
    for (uint32_t f = 0; f < field_count; f++)
        as_created += row->created.hlc != 0 && same(&row->fields[f], &row->created);
    return (uint8_t)((row->created.hlc != 0 ? HAS_CREATED : 0) |
                     (row->deleted.hlc != 0 ? HAS_DELETED : 0) |
                     (as_created * 2 > field_count ? FROM_CREATION : 0));
}

/* The stamp of the fields that are no exceptions. */
static struct stamp usual_of(const struct merge_row *row, uint8_t flags) {
    return (flags & FROM_CREATION) != 0 ? row->created : (struct stamp){0};
}

size_t rowclock_pack(const struct merge_row *row, uint8_t out[ROWCLOCK_MAX]) {
    CHECK(row->field_count <= LIMIT_FIELDS);
    uint32_t count = row->field_count, next = 0;
    while (count > 0 && row->fields[count - 1].hlc == 0)
        count--;
    const uint8_t flags = flags_of(row, count);
    const struct stamp usual = usual_of(row, flags);
    uint8_t *at = out;
    *at++ = flags;
    if (row->created.hlc != 0) at = put_stamp(at, &row->created);
    if (row->deleted.hlc != 0) at = put_stamp(at, &row->deleted);
    at = varint_put(at, count);
    for (uint32_t f = 0; f < count; f++) {
        const struct stamp *stamp = &row->fields[f];
        CHECK(stamp->hlc == 0 || stamp->origin != 0);
        if (same(stamp, &usual)) continue;
        at = varint_put(at, f - next);
        next = f + 1;
        at = varint_put(at, stamp->hlc == 0 ? 0 : stamp->origin);
        if (stamp->hlc != 0) at = varint_put(at, varint_zigzag(stamp->hlc - base_of(row)));
    }
    CHECK((size_t)(at - out) <= ROWCLOCK_MAX);
    return (size_t)(at - out);
}

/* A varint in its shortest form, of `most` or less. */
static bool get_number(const uint8_t **at, const uint8_t *end, uint64_t most, uint64_t *out) {
    const uint8_t *from = *at;
    return varint_get(at, end, out) && *out <= most && varint_size(*out) == (size_t)(*at - from);
}

static bool get_stamp(const uint8_t **at, const uint8_t *end, struct stamp *out) {
    uint64_t origin = 0;
    if (end - *at < 8) return false;
    out->hlc = load_u64(*at);
    *at += 8;
    if (!get_number(at, end, UINT32_MAX, &origin) || origin == 0) return false;
    out->origin = (uint32_t)origin;
    return out->hlc != 0;
}

/* The exceptions, to the end. */
static bool get_fields(const uint8_t *at, const uint8_t *end, const struct stamp *usual,
                       struct merge_row *out) {
    uint64_t field = 0, origin = 0, away = 0;
    for (uint64_t next = 0; at < end; next = field + 1) {
        if (!get_number(&at, end, LIMIT_FIELDS, &field)) return false;
        field += next;
        if (field >= out->field_count) return false;
        struct stamp *stamp = &out->fields[field];
        *stamp = (struct stamp){0};
        if (!get_number(&at, end, UINT32_MAX, &origin)) return false;
        if (origin != 0) {
            if (!get_number(&at, end, UINT64_MAX, &away)) return false;
            *stamp = (struct stamp){base_of(out) + varint_unzigzag(away), (uint32_t)origin};
            if (stamp->hlc == 0) return false;
        }
        if (same(stamp, usual)) return false;
    }
    return true;
}

bool rowclock_read(struct bytes bytes, struct merge_row *out) {
    if (bytes.data == NULL || bytes.size == 0) return false;
    const uint8_t *at = bytes.data, *end = at + bytes.size;
    const uint8_t flags = *at++;
    uint64_t count = 0;
    out->created = out->deleted = (struct stamp){0};
    out->field_count = 0;
    if (flags > (HAS_CREATED | HAS_DELETED | FROM_CREATION)) return false;
    if ((flags & FROM_CREATION) != 0 && (flags & HAS_CREATED) == 0) return false;
    if ((flags & HAS_CREATED) != 0 && !get_stamp(&at, end, &out->created)) return false;
    if ((flags & HAS_DELETED) != 0 && !get_stamp(&at, end, &out->deleted)) return false;
    if (!get_number(&at, end, LIMIT_FIELDS, &count)) return false;
    out->field_count = (uint32_t)count;
    const struct stamp usual = usual_of(out, flags);
    for (uint32_t f = 0; f < count; f++)
        out->fields[f] = usual;
    if (!get_fields(at, end, &usual, out)) return false;
    if (count > 0 && out->fields[count - 1].hlc == 0) return false;
    return flags_of(out, out->field_count) == flags;
}
