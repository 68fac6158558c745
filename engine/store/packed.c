/* Packing values one after another, and reading them back without trusting them: the file may have
 * been damaged, or written to by others.
 *
 * Invariants
 *   1. Equal keys pack to equal bytes, so packed keys can be compared as blobs.
 *   2. Reading never looks behind the bytes given, and takes all of them or says no. */
#include "engine/store/packed.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/wire/varint.h"

#define PACKED_VALUE_MAX (1 + VARINT_MAX) /* of what stands before a value's bytes */

void packed_free(struct packed *packed) {
    CHECK(packed != NULL);
    free(packed->data);
    *packed = (struct packed){0};
}

static uint8_t *packed_grow(struct packed *packed, size_t more) {
    if (more > packed->room - packed->size) {
        size_t room = (packed->size + more) * 2;
        uint8_t *data = realloc(packed->data, room);
        if (data == NULL) return NULL;
        packed->data = data;
        packed->room = room;
    }
    return packed->data + packed->size;
}

enum weft_status packed_value(struct packed *packed, const struct weft_value *value) {
    CHECK(packed->size <= packed->room);
    bool body = value->type == WEFT_TEXT || value->type == WEFT_BLOB;
    uint8_t *at = packed_grow(packed, PACKED_VALUE_MAX + (body ? value->size : 8));
    if (at == NULL) return WEFT_NO_MEMORY;
    uint8_t *start = at;
    *at++ = (uint8_t)value->type;
    if (body) {
        at = varint_put(at, value->size);
        if (value->size > 0) memcpy(at, value->as.bytes, value->size);
        at += value->size;
    } else if (value->type != WEFT_NULL) {
        uint64_t bits;
        memcpy(&bits, &value->as, 8);
        store_u64(at, bits);
        at += 8;
    }
    packed->size += (size_t)(at - start);
    return WEFT_OK;
}

enum weft_status packed_number(struct packed *packed, uint64_t number) {
    CHECK(packed->size <= packed->room);
    uint8_t *at = packed_grow(packed, VARINT_MAX);
    if (at == NULL) return WEFT_NO_MEMORY;
    packed->size += (size_t)(varint_put(at, number) - at);
    return WEFT_OK;
}

enum weft_status packed_key(struct packed *packed, const struct model *model,
                            const struct weft_value *values) {
    CHECK(packed != NULL && values != NULL);
    CHECK(model->key_count > 0);
    packed->size = 0;
    enum weft_status status = WEFT_OK;
    for (uint32_t k = 0; k < model->key_count && status == WEFT_OK; k++) {
        status = packed_value(packed, &values[model->key[k]]);
    }
    return status;
}

enum weft_status packed_row(struct packed *packed, const struct model *model,
                            const struct weft_value *values) {
    CHECK(packed != NULL && values != NULL);
    CHECK(model->column_count > 0);
    packed->size = 0;
    enum weft_status status = WEFT_OK;
    for (uint32_t c = 0; c < model->column_count && status == WEFT_OK; c++) {
        const char *name = model->columns[c].name;
        struct weft_value text = weft_text(name, strlen(name));
        status = packed_value(packed, &text);
        if (status == WEFT_OK) status = packed_value(packed, &values[c]);
    }
    return status;
}

enum weft_status packed_copy(struct packed *packed, struct bytes bytes) {
    CHECK(packed != NULL);
    CHECK(bytes.data != NULL || bytes.size == 0);
    packed->size = 0;
    uint8_t *at = packed_grow(packed, bytes.size + 1);
    if (at == NULL) return WEFT_NO_MEMORY;
    if (bytes.size > 0) memcpy(at, bytes.data, bytes.size);
    packed->size = bytes.size;
    return WEFT_OK;
}

bool packed_read_value(const uint8_t **at, const uint8_t *end, struct weft_value *out) {
    if (*at == end) return false;
    uint8_t type = *(*at)++;
    uint64_t size = 0;
    switch (type) {
    case WEFT_NULL:
        *out = weft_null();
        return true;
    case WEFT_INTEGER:
    case WEFT_REAL:
        if (end - *at < 8) return false;
        *out = (struct weft_value){(enum weft_type)type, 0, {0}};
        size = load_u64(*at);
        memcpy(&out->as, &size, 8);
        *at += 8;
        return true;
    case WEFT_TEXT:
    case WEFT_BLOB:
        if (!varint_get(at, end, &size) || size > (uint64_t)(end - *at)) return false;
        if (size > UINT32_MAX) return false;
        *out = (struct weft_value){(enum weft_type)type, (uint32_t)size, {0}};
        out->as.bytes = *at;
        *at += size;
        return true;
    default:
        return false;
    }
}

bool packed_read_number(const uint8_t **at, const uint8_t *end, uint64_t *out) {
    return varint_get(at, end, out);
}

static void values_clear(const struct model *model, struct weft_value *values) {
    for (uint32_t c = 0; c < model->column_count; c++)
        values[c] = weft_null();
}

bool packed_read_key(struct bytes bytes, const struct model *model, struct weft_value *values) {
    CHECK(model != NULL && values != NULL);
    if (bytes.data == NULL) return false;
    const uint8_t *at = bytes.data, *end = bytes.data + bytes.size;
    values_clear(model, values);
    for (uint32_t k = 0; k < model->key_count; k++) {
        if (!packed_read_value(&at, end, &values[model->key[k]])) return false;
    }
    return at == end;
}

bool packed_read_row(struct bytes bytes, const struct model *model, struct weft_value *values) {
    CHECK(model != NULL && values != NULL);
    if (bytes.data == NULL) return false;
    const uint8_t *at = bytes.data, *end = bytes.data + bytes.size;
    values_clear(model, values);
    while (at < end) {
        struct weft_value name, value;
        if (!packed_read_value(&at, end, &name) || name.type != WEFT_TEXT) return false;
        if (!packed_read_value(&at, end, &value)) return false;
        int column = model_column(model, name.as.bytes, name.size);
        if (column >= 0) values[column] = value;
    }
    return true;
}
