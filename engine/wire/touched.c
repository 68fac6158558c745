/* See touched.h. */
#include "engine/wire/touched.h"

#include "engine/base/check.h"

#define TOUCHED_HEAD 3u
#define TOUCHED_ROOM 512u /* of the first block */

void touched_begin(struct touched_builder *builder, struct arena *arena) {
    CHECK(builder != NULL && arena != NULL);
    *builder = (struct touched_builder){.arena = arena};
}

/* Bytes of a value behind its type. */
static size_t value_size(const struct weft_value *value) {
    if (value->type == WEFT_NULL) return 0;
    return value->type == WEFT_TEXT || value->type == WEFT_BLOB ? 4 + (size_t)value->size : 8;
}

static bool make_room(struct touched_builder *builder, size_t size) {
    size_t room = builder->room == 0 ? TOUCHED_ROOM : builder->room;
    if (builder->size + size <= builder->room) return true;
    while (room < builder->size + size)
        room *= 2;
    uint8_t *grown = builder->data == NULL
                         ? arena_take(builder->arena, room)
                         : arena_grow(builder->arena, builder->data, builder->size, room);
    if (grown == NULL) return false;
    builder->data = grown;
    builder->room = room;
    return true;
}

bool touched_add(struct touched_builder *builder, uint32_t model, enum weft_change_op op,
                 const struct weft_value *key, uint32_t count, size_t max) {
    size_t size = TOUCHED_HEAD;
    CHECK(model >= 1 && model <= LIMIT_MODELS && model <= UINT8_MAX);
    CHECK(count <= LIMIT_KEY_COLUMNS);
    for (uint32_t k = 0; k < count; k++)
        size += 1 + value_size(&key[k]);
    if (builder->size + size > max || !make_room(builder, size)) return false;
    uint8_t *at = builder->data + builder->size;
    *at++ = (uint8_t)model;
    *at++ = (uint8_t)op;
    *at++ = (uint8_t)count;
    for (uint32_t k = 0; k < count; k++) {
        *at++ = (uint8_t)key[k].type;
        if (key[k].type == WEFT_TEXT || key[k].type == WEFT_BLOB) {
            store_u32(at, key[k].size);
            if (key[k].size > 0) memcpy(at + 4, key[k].as.bytes, key[k].size);
        } else if (key[k].type != WEFT_NULL) {
            memcpy(at, &key[k].as, 8);
        }
        at += value_size(&key[k]);
    }
    builder->size += size;
    builder->rows++;
    builder->values += count;
    CHECK(at == builder->data + builder->size);
    return true;
}

static bool read_value(const uint8_t **at, const uint8_t *end, struct weft_value *out) {
    *out = (struct weft_value){0};
    if (*at == end || **at > WEFT_BLOB) return false;
    out->type = (enum weft_type)(*(*at)++);
    const size_t left = (size_t)(end - *at);
    if (out->type == WEFT_TEXT || out->type == WEFT_BLOB) {
        if (left < 4) return false;
        out->size = load_u32(*at);
        out->as.bytes = *at + 4;
    } else if (out->type != WEFT_NULL) {
        if (left < 8) return false;
        memcpy(&out->as, *at, 8);
    }
    if (value_size(out) > left) return false;
    *at += value_size(out);
    return true;
}

bool touched_next(const uint8_t **at, const uint8_t *end, struct touched *out) {
    CHECK(at != NULL && out != NULL);
    if (end - *at < (ptrdiff_t)TOUCHED_HEAD) return false;
    const uint8_t *next = *at;
    out->model = *next++;
    out->op = (enum weft_change_op)(*next++);
    out->count = *next++;
    if (out->model == 0 || out->model > LIMIT_MODELS || out->count > LIMIT_KEY_COLUMNS)
        return false;
    for (uint32_t k = 0; k < out->count; k++) {
        if (!read_value(&next, end, &out->key[k])) return false;
    }
    *at = next;
    return true;
}
