/* See scroll.h. Invariant: whatever the bytes are, nothing outside of them is read.
 * Deliberately not here: signatures; the receiving engine has checked them, and its tests check
 * that. */
#include "tests/sim/scroll.h"

#include <sodium.h>
#include <string.h>

#include "engine/base/check.h"

#define HEAD 80u
#define SIGNATURE 64u
#define OP_CHANGE 4u
#define NODE 5u

struct reading {
    const struct cast *cast;
    const uint8_t *at, *end;
    bool bad;
};

static const uint8_t *take(struct reading *reading, uint64_t size) {
    const uint8_t *at = reading->at;
    if (reading->bad || size > (uint64_t)(reading->end - at)) {
        reading->bad = true;
        return NULL;
    }
    reading->at += size;
    return at;
}

/* A little-endian number of so many bytes. */
static uint64_t number(struct reading *reading, uint32_t size) {
    const uint8_t *at = take(reading, size);
    uint64_t value = 0;
    for (uint32_t i = size; at && i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static uint64_t varint(struct reading *reading) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        const uint64_t byte = number(reading, 1);
        value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    reading->bad = true;
    return 0;
}

/* The hash of a value; NODE is the id of the device. */
static uint64_t value(struct reading *reading, uint32_t device) {
    struct weft_value out = weft_null();
    const uint64_t type = number(reading, 1);
    uint64_t bits, size;
    switch (type) {
    case WEFT_NULL:
        break;
    case WEFT_INTEGER:
        bits = varint(reading);
        out = weft_integer((int64_t)(bits >> 1 ^ (~(bits & 1) + 1)));
        break;
    case WEFT_REAL:
        out = weft_real(0);
        bits = number(reading, 8);
        memcpy(&out.as.real, &bits, sizeof bits);
        break;
    case WEFT_TEXT:
    case WEFT_BLOB:
        size = varint(reading);
        const uint8_t *bytes = take(reading, size);
        if (!bytes) return 0;
        out = type == WEFT_TEXT ? weft_text((const char *)bytes, (size_t)size)
                                : weft_blob(bytes, (size_t)size);
        break;
    case NODE:
        return commons_node(reading->cast, device);
    default:
        reading->bad = true;
    }
    return value_hash(&out);
}

/* A name, as its number in a list of names; `count` when it is none of them. */
static uint32_t named(struct reading *reading, const char *const *names, uint32_t count) {
    const uint64_t size = number(reading, 1);
    const uint8_t *at = take(reading, size);
    uint32_t i = 0;
    while (at && i < count && (strlen(names[i]) != size || memcmp(names[i], at, size) != 0))
        i++;
    if (i == count) reading->bad = true;
    return i;
}

static const char *read_row(struct reading *reading, const struct scroll *scroll,
                            enum commons_table table, uint32_t fields[COMMONS_COLUMNS],
                            uint32_t *known, struct said *out) {
    const struct commons_shape *shape = &commons_shapes[table];
    uint64_t key[COMMONS_COLUMNS] = {0};
    memset(out, 0, sizeof *out);
    out->what = (enum said_what)number(reading, 1);
    const uint64_t back = varint(reading);
    if (out->what < SAID_CREATE || out->what > SAID_UPDATE) return "a row is neither made nor gone";
    if (back >= scroll->hlc) return "a row's stamp wraps";
    out->mark = (struct mark){scroll->hlc - back, scroll->device, scroll->incarnation};
    for (uint32_t k = 0; k < shape->key_count; k++)
        key[k] = value(reading, scroll->device);
    if (reading->bad || !commons_find(reading->cast, table, key, &out->row))
        return "a key that nobody wrote";
    if (out->what == SAID_DELETE) return NULL;
    for (uint64_t left = varint(reading); left > 0 && !reading->bad; left--) {
        const uint64_t field = varint(reading);
        if (field > *known || field >= COMMONS_COLUMNS) return "a field without a name";
        if (field == *known)
            fields[(*known)++] = named(reading, shape->columns, shape->column_count);
        const uint32_t column = fields[field];
        if (reading->bad || column < shape->key_count || out->writes >> column & 1)
            return "a field that cannot be, or twice";
        out->writes |= 1u << column;
        out->value[column] = value(reading, scroll->device);
    }
    return reading->bad ? "it ends too early" : NULL;
}

static const char *read_change(struct reading *reading, struct scroll *scroll) {
    const char *tables[COMMONS_COUNT];
    for (uint32_t t = 0; t < COMMONS_COUNT; t++)
        tables[t] = commons_shapes[t].name;
    uint32_t fields[COMMONS_COLUMNS], known = 0;
    const uint32_t table = named(reading, tables, COMMONS_COUNT);
    const uint64_t keys = number(reading, 1);
    if (reading->bad || keys != commons_shapes[table].key_count) return "an unknown table";
    while (reading->at < reading->end) {
        if (scroll->count == SCROLL_SAID) return "more rows than any transaction wrote";
        const char *fault = read_row(reading, scroll, (enum commons_table)table, fields, &known,
                                     &scroll->said[scroll->count++]);
        if (fault) return fault;
    }
    return NULL;
}

/* "weft/rec\0" ‖ library ‖ device ‖ incarnation ‖ seq ‖ hlc ‖ prev ‖ BLAKE2b-256(ops) */
static void hash_record(const uint8_t *bytes, size_t size, uint8_t out[32]) {
    static const uint8_t library[WEFT_ID_SIZE] = LIBRARY_NAME;
    uint8_t all[9 + 16 + 72 + 32];
    memcpy(all, "weft/rec", 9);
    memcpy(all + 9, library, 16);
    memcpy(all + 25, bytes + 4, 72);
    CHECK(crypto_generichash(all + 97, 32, bytes + HEAD, size - HEAD - SIGNATURE, NULL, 0) == 0);
    CHECK(crypto_generichash(out, 32, all, sizeof all, NULL, 0) == 0);
}

const char *scroll_read(const struct cast *cast, const uint8_t *bytes, size_t size,
                        struct scroll *out) {
    struct reading head = {cast, bytes, bytes + size, false};
    out->count = 0;
    if (size < HEAD + SIGNATURE || memcmp(bytes, "WR\1", 4) != 0) return "it is no record";
    (void)take(&head, 4);
    const uint8_t *id = take(&head, 16);
    for (out->device = 0; memcmp(cast->device[out->device].bytes, id, 16) != 0;)
        if (++out->device == cast->device_count) return "an unknown device";
    out->incarnation = number(&head, 8);
    out->seq = number(&head, 8);
    out->hlc = number(&head, 8);
    memcpy(out->prev, take(&head, 32), 32);
    if (number(&head, 4) != size - HEAD - SIGNATURE) return "it is not as long as it says";
    hash_record(bytes, size, out->hash);
    struct reading ops = {cast, bytes + HEAD, bytes + size - SIGNATURE, false};
    while (ops.at < ops.end) {
        const uint64_t kind = number(&ops, 1), length = number(&ops, 4);
        const uint8_t *body = take(&ops, length);
        if (!body) return "an op is longer than the record";
        struct reading change = {cast, body, body + length, false};
        const char *fault = kind == OP_CHANGE ? read_change(&change, out) : NULL;
        if (fault) return fault;
    }
    return NULL;
}
