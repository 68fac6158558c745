/* Sequences of byte strings: tried as a dictionary, then as heads, else plain. The forms are drawn
 * in strings.h.
 *
 * Invariants
 *   1. Trying costs little: a dictionary is given up as soon as more than half of the strings seen
 *      are distinct, or a probe sequence grows long, so that no input makes packing quadratic.
 *   2. Reading copies each byte of the input once at most; a dictionary's strings share their place
 *      in the body, but count in full against the budget, because whoever uses them copies them.
 * Not here: whether a text is UTF-8; whoever applies rows checks values against the schema. */
#include "engine/wire/strings.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

enum form { FORM_PLAIN, FORM_HEADS, FORM_DICTIONARY };

#define HEAD 8u
#define TRY_MIN 8u /* fewer strings than this are written as they are */
#define PROBES_MAX 16u
#define EARLY_DISTINCT 48u /* distinct strings that are allowed before half must be repeats */

static uint64_t ref_make(size_t offset, size_t size) {
    return (uint64_t)size << 32 | offset;
}

enum weft_status strings_scratch(struct strings_scratch *scratch, struct arena *arena,
                                 uint32_t capacity) {
    CHECK(capacity >= 1 && capacity <= LIMIT_ROWS);
    *scratch = (struct strings_scratch){.capacity = capacity, .slot_bits = 4};
    while (1u << scratch->slot_bits < 2 * capacity)
        scratch->slot_bits++;
    scratch->numbers = arena_take(arena, capacity * sizeof *scratch->numbers);
    scratch->distinct = arena_take(arena, capacity * sizeof *scratch->distinct);
    scratch->index = arena_take(arena, capacity * sizeof *scratch->index);
    scratch->slots = arena_take(arena, sizeof *scratch->slots << scratch->slot_bits);
    if (scratch->numbers == NULL || scratch->distinct == NULL || scratch->index == NULL ||
        scratch->slots == NULL)
        return WEFT_NO_MEMORY;
    return WEFT_OK;
}

/* ---- packing ----------------------------------------------------------------------------------
 */

/* A hash of both ends of a string: equal strings have equal hashes, and that is all it must do. */
static uint64_t hash_of(struct bytes value) {
    uint64_t first = 0, last = 0;
    if (value.size >= 8) {
        first = load_u64(value.data);
        last = load_u64(value.data + value.size - 8);
    } else if (value.size >= 4) {
        first = load_u32(value.data);
        last = load_u32(value.data + value.size - 4);
    } else if (value.size > 0) {
        first = value.data[0];
        last = (uint64_t)value.data[value.size / 2] << 8 | value.data[value.size - 1];
    }
    first = (first + value.size) * 0x9e3779b97f4a7c15u;
    last = (last ^ first >> 29) * 0xbf58476d1ce4e5b9u;
    return (last ^ last >> 32) * 0x94d049bb133111ebu;
}

/* Ids are compared without a call. */
static bool equal(struct bytes a, struct bytes b) {
    if (a.size != b.size) return false;
    if (a.size < 8 || a.size > 16) return a.size == 0 || memcmp(a.data, b.data, a.size) == 0;
    return load_u64(a.data) == load_u64(b.data) &&
           load_u64(a.data + a.size - 8) == load_u64(b.data + b.size - 8);
}

/* Finds the number of a string among the `count` distinct ones, or makes it the next one. False
 * when that takes too many probes. */
static bool find_distinct(struct strings_scratch *scratch, struct bytes value, uint32_t *count,
                          uint32_t *number) {
    const uint32_t mask = (1u << scratch->slot_bits) - 1;
    uint32_t slot = (uint32_t)(hash_of(value) >> (64 - scratch->slot_bits));
    for (uint32_t probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
        if (scratch->slots[slot] == 0) {
            scratch->distinct[*count] = value;
            *number = *count;
            scratch->slots[slot] = (uint16_t)++ * count;
            return true;
        }
        *number = scratch->slots[slot] - 1u;
        if (equal(scratch->distinct[*number], value)) return true;
    }
    return false;
}

/* Fills index and distinct of the scratch. 0 when a dictionary is not worth it, else its size. */
static uint32_t find_dictionary(struct strings_scratch *scratch, const struct bytes *values,
                                uint32_t n) {
    uint32_t count = 0, number = 0;
    size_t size = 0, distinct_size = 0;
    memset(scratch->slots, 0, sizeof *scratch->slots << scratch->slot_bits);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t before = count;
        if ((i == 0 || !equal(values[i], values[i - 1])) &&
            !find_distinct(scratch, values[i], &count, &number))
            return 0;
        if (count != before) distinct_size += values[i].size + 1;
        if (count > EARLY_DISTINCT + i / 2) return 0;
        size += values[i].size;
        scratch->index[i] = (uint16_t)number;
    }
    /* An index takes at most two bytes; a quarter is left to what zstd does without our help. */
    const size_t with = distinct_size + (count < 2 ? 0 : n * (count <= 256 ? 1u : 2u));
    return with <= size - size / 4 ? count : 0;
}

/* Appends bytes [skip, size) of each string. Strings that lie one behind the other, as those of one
 * column of a run do, are copied together. */
static enum weft_status put_bytes(struct sink *sink, const struct bytes *values, uint32_t n,
                                  size_t skip, size_t total) {
    uint8_t *at = sink_room(sink, total);
    if (at == NULL) return WEFT_NO_MEMORY;
    const uint8_t *const begin = at;
    for (uint32_t i = 0; i < n;) {
        const uint8_t *from = values[i].data;
        size_t size = values[i].size;
        for (i++; skip == 0 && i < n && values[i].data == from + size; i++)
            size += values[i].size;
        if (skip == HEAD && size == HEAD + HEAD) /* an id: by far the most frequent */
            memcpy(at, from + HEAD, HEAD);
        else if (size > skip)
            memcpy(at, from + skip, size - skip);
        at += size - skip;
    }
    CHECK((size_t)(at - begin) == total);
    sink_wrote(sink, at);
    return WEFT_OK;
}

static enum weft_status put_form(struct sink *sink, enum form form, const uint64_t *number) {
    uint8_t *at = sink_room(sink, 1 + VARINT_MAX);
    if (at == NULL) return WEFT_NO_MEMORY;
    *at++ = (uint8_t)form;
    if (number != NULL) at = varint_put(at, *number);
    sink_wrote(sink, at);
    return WEFT_OK;
}

static enum weft_status pack_plain(struct sink *sink, struct strings_scratch *scratch,
                                   const struct bytes *values, uint32_t n) {
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        scratch->numbers[i] = values[i].size;
        total += values[i].size;
    }
    enum weft_status status = put_form(sink, FORM_PLAIN, NULL);
    if (status == WEFT_OK) status = numbers_pack(sink, scratch->numbers, n);
    if (status == WEFT_OK) status = put_bytes(sink, values, n, 0, total);
    return status;
}

/* `*done` stays false, and the sink as it was, when heads do not save at least a byte each. */
static enum weft_status pack_heads(struct sink *sink, struct strings_scratch *scratch,
                                   const struct bytes *values, uint32_t n, bool *done) {
    const uint64_t size = values[0].size;
    if (n < TRY_MIN || size < HEAD) return WEFT_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (values[i].size != size) return WEFT_OK;
        scratch->numbers[i] = __builtin_bswap64(load_u64(values[i].data));
    }
    const size_t mark = sink->size;
    enum weft_status status = put_form(sink, FORM_HEADS, &size);
    if (status == WEFT_OK) status = numbers_pack(sink, scratch->numbers, n);
    if (status != WEFT_OK) return status;
    if (sink->size - mark > (size_t)n * (HEAD - 1)) {
        sink->size = mark;
        return WEFT_OK;
    }
    *done = true;
    return put_bytes(sink, values, n, HEAD, n * (size - HEAD));
}

static enum weft_status pack_listed(struct sink *sink, struct strings_scratch *scratch,
                                    const struct bytes *values, uint32_t n) {
    bool done = false;
    const enum weft_status status = pack_heads(sink, scratch, values, n, &done);
    return status != WEFT_OK || done ? status : pack_plain(sink, scratch, values, n);
}

enum weft_status strings_pack(struct sink *sink, struct strings_scratch *scratch,
                              const struct bytes *values, uint32_t n) {
    CHECK(n >= 1 && n <= scratch->capacity);
    const uint64_t count = n < TRY_MIN ? 0 : find_dictionary(scratch, values, n);
    if (count == 0) return pack_listed(sink, scratch, values, n);
    enum weft_status status = put_form(sink, FORM_DICTIONARY, &count);
    if (status == WEFT_OK) status = pack_listed(sink, scratch, scratch->distinct, (uint32_t)count);
    if (status != WEFT_OK) return status;
    for (uint32_t i = 0; i < n; i++)
        scratch->numbers[i] = scratch->index[i];
    return numbers_pack(sink, scratch->numbers, n);
}

/* ---- unpacking --------------------------------------------------------------------------------
 */

/* Takes `size` bytes, once, off what the strings may come to. */
static enum weft_status spend(const struct cursor *cursor, size_t *budget, uint64_t size) {
    if (size > *budget)
        return cursor_fail(cursor, WEFT_LIMIT, "the rows unfold to more than 16 MiB");
    *budget -= (size_t)size;
    return WEFT_OK;
}

static enum weft_status unpack_plain(struct cursor *cursor, uint32_t n, struct arena *arena,
                                     uint64_t *refs, struct bytes *body) {
    const enum weft_status status = numbers_unpack(cursor, refs, n);
    if (status != WEFT_OK) return status;
    const size_t left = cursor_left(cursor);
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t size = refs[i];
        if (size > left - total)
            return cursor_fail(cursor, WEFT_PROTOCOL, "a text or blob reaches past the end");
        refs[i] = ref_make(total, (size_t)size);
        total += (size_t)size;
    }
    uint8_t *block = arena_take(arena, total + 1);
    if (block == NULL) return WEFT_NO_MEMORY;
    memcpy(block, cursor_take(cursor, total), total);
    *body = (struct bytes){block, total};
    return WEFT_OK;
}

static enum weft_status unpack_heads(struct cursor *cursor, uint32_t n, struct arena *arena,
                                     uint64_t *refs, struct bytes *body) {
    uint64_t size;
    if (!cursor_varint(cursor, &size) || size < HEAD || size > LIMIT_UNPACKED)
        return cursor_fail(cursor, WEFT_PROTOCOL, "texts or blobs have an impossible size");
    const enum weft_status status = numbers_unpack(cursor, refs, n);
    if (status != WEFT_OK) return status;
    const size_t rest = (size_t)size - HEAD;
    const uint8_t *from = cursor_take(cursor, rest * n);
    if (from == NULL)
        return cursor_fail(cursor, WEFT_PROTOCOL, "a text or blob reaches past the end");
    uint8_t *block = arena_take(arena, (size_t)size * n);
    if (block == NULL) return WEFT_NO_MEMORY;
    uint8_t *at = block;
    for (uint32_t i = 0; i < n; i++, from += rest, at += size) {
        store_u64(at, __builtin_bswap64(refs[i]));
        if (rest == HEAD)
            memcpy(at + HEAD, from, HEAD);
        else
            memcpy(at + HEAD, from, rest);
        refs[i] = ref_make((size_t)(at - block), (size_t)size);
    }
    *body = (struct bytes){block, (size_t)size * n};
    return WEFT_OK;
}

static enum weft_status unpack_listed(struct cursor *cursor, uint8_t form, uint32_t n,
                                      struct arena *arena, uint64_t *refs, struct bytes *body) {
    if (form == FORM_PLAIN) return unpack_plain(cursor, n, arena, refs, body);
    if (form == FORM_HEADS) return unpack_heads(cursor, n, arena, refs, body);
    return cursor_fail(cursor, WEFT_PROTOCOL, "texts or blobs have an unknown form");
}

static enum weft_status unpack_dictionary(struct cursor *cursor, uint32_t n, struct arena *arena,
                                          uint64_t *refs, uint64_t *spare, struct bytes *body) {
    uint64_t count;
    uint8_t form;
    if (!cursor_varint(cursor, &count) || count < 1 || count > n || !cursor_byte(cursor, &form))
        return cursor_fail(cursor, WEFT_PROTOCOL, "a dictionary has an impossible size");
    enum weft_status status = unpack_listed(cursor, form, (uint32_t)count, arena, spare, body);
    if (status == WEFT_OK) status = numbers_unpack(cursor, refs, n);
    if (status != WEFT_OK) return status;
    for (uint32_t i = 0; i < n; i++) {
        if (refs[i] >= count)
            return cursor_fail(cursor, WEFT_PROTOCOL, "an index points past its dictionary");
        refs[i] = spare[refs[i]];
    }
    return WEFT_OK;
}

enum weft_status strings_unpack(struct cursor *cursor, uint32_t n, struct arena *arena,
                                uint64_t *refs, uint64_t *spare, size_t *budget,
                                struct bytes *body) {
    CHECK(n >= 1 && n <= LIMIT_ROWS);
    uint8_t form;
    if (!cursor_byte(cursor, &form))
        return cursor_fail(cursor, WEFT_PROTOCOL, "the form of some texts or blobs is missing");
    if (form != FORM_DICTIONARY) {
        const enum weft_status status = unpack_listed(cursor, form, n, arena, refs, body);
        return status == WEFT_OK ? spend(cursor, budget, body->size) : status;
    }
    const enum weft_status status = unpack_dictionary(cursor, n, arena, refs, spare, body);
    if (status != WEFT_OK) return status;
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += refs[i] >> 32;
    return spend(cursor, budget, total);
}
