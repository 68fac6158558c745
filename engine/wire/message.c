/* Wire messages: scanned with the descriptors before anything is allocated for them, then unpacked
 * into an arena that has a bound of its own.
 *
 *   tag varint = number << 3 | type      type 0 varint │ 1 eight bytes │ 2 length, bytes │ 5 four
 * bytes
 *
 * Source: Protocol Buffers, "Encoding"; the descriptors are those that protobuf-c generates.
 * Invariants
 *   1. What the scan has passed has at most LIMIT_ELEMENTS repeated elements and unknown fields in
 *      all, each of which costs protobuf-c a little memory; a field that is not repeated and a
 *      member of a oneof occur once at most, so nothing is merged.
 *   2. Texts are UTF-8 without NUL, so they are whole as C strings.
 *   3. The scan recurses along descriptors, and no message type contains itself.
 * Not here: what fields mean. Sizes of ids and names are checked by whoever uses them. */
#include "engine/wire/message.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/wire/cursor.h"

#define DEPTH_MAX 8u
#define NUMBER_MAX ((1u << 29) - 1)

/* ---- allocators -------------------------------------------------------------------------------
 */

static void *arena_alloc(void *context, size_t size) {
    return arena_take(context, size);
}

static void free_nothing(void *context, void *block) {
    (void)context;
    (void)block;
}

struct ProtobufCAllocator message_allocator(struct arena *arena) {
    CHECK(arena != NULL);
    return (struct ProtobufCAllocator){arena_alloc, free_nothing, arena};
}

/* What one message may still take, and whether it was refused something. */
struct budget {
    struct arena *arena;
    size_t left;
    bool refused;
};

static void *budget_alloc(void *context, size_t size) {
    struct budget *budget = context;
    void *block = size <= budget->left ? arena_take(budget->arena, size) : NULL;
    if (block == NULL)
        budget->refused = true;
    else
        budget->left -= size;
    return block;
}

/* ---- scanning ---------------------------------------------------------------------------------
 */

struct scan {
    struct cursor cursor; /* over the message at hand: its end is that message's */
    const uint8_t *end;   /* of the whole */
    uint32_t elements;    /* repeated elements and unknown fields so far, of the whole */
    uint32_t depth;
};

static enum weft_status scan_fail(struct scan *scan, enum weft_status status, const char *wrong) {
    scan->cursor.end = scan->end; /* the place is told in terms of the whole */
    return cursor_fail(&scan->cursor, status, wrong);
}

static enum weft_status scan_count(struct scan *scan, size_t elements) {
    if (elements > LIMIT_ELEMENTS - scan->elements)
        return scan_fail(scan, WEFT_LIMIT, "it has more than 4096 elements");
    scan->elements += (uint32_t)elements;
    return WEFT_OK;
}

/* How a single value of a field's type is written. */
static uint8_t wire_type_of(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

/* Moves past one value of a wire type. For type 2, `*value` is what the length counts. */
static enum weft_status scan_value(struct scan *scan, uint8_t wire_type, struct bytes *value) {
    struct cursor *cursor = &scan->cursor;
    uint64_t number = 0;
    *value = (struct bytes){cursor->at, 0};
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!cursor_varint(cursor, &number))
            return scan_fail(scan, WEFT_PROTOCOL, "a number does not end");
        return WEFT_OK;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        number = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        number = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!cursor_varint(cursor, &number))
            return scan_fail(scan, WEFT_PROTOCOL, "a length does not end");
        break;
    default:
        return scan_fail(scan, WEFT_PROTOCOL, "a field has a wire type that is not used");
    }
    if (number > cursor_left(cursor))
        return scan_fail(scan, WEFT_PROTOCOL, "a field reaches past the end");
    *value = (struct bytes){cursor->at, (size_t)number};
    cursor->at += number;
    return WEFT_OK;
}

/* Counts the elements of a packed repeated field. */
static enum weft_status scan_packed(struct scan *scan, uint8_t wire_type, struct bytes value) {
    const size_t width = wire_type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4;
    if (wire_type != PROTOBUF_C_WIRE_TYPE_VARINT) {
        if (value.size % width != 0)
            return scan_fail(scan, WEFT_PROTOCOL, "a packed field has a part of a number");
        return scan_count(scan, value.size / width);
    }
    struct cursor inner = cursor_begin(value, scan->cursor.subject, scan->cursor.why);
    size_t elements = 0;
    for (uint64_t number; cursor_left(&inner) != 0; elements++) {
        if (!cursor_varint(&inner, &number))
            return scan_fail(scan, WEFT_PROTOCOL, "a number does not end");
    }
    return scan_count(scan, elements);
}

static enum weft_status scan_text(struct scan *scan, struct bytes value) {
    if (!utf8_valid(value.data, value.size) || memchr(value.data, 0, value.size) != NULL)
        return scan_fail(scan, WEFT_PROTOCOL, "a text is not UTF-8 or contains a NUL");
    return WEFT_OK;
}

/* The bit that a singular field, or all members of its oneof together, have in the set of what was
 * seen: fields of a oneof share the place of its case. */
static bool seen_before(const ProtobufCMessageDescriptor *type,
                        const ProtobufCFieldDescriptor *field, uint64_t *seen) {
    uint32_t bit = (uint32_t)(field - type->fields);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        for (bit = 0; type->fields[bit].quantifier_offset != field->quantifier_offset ||
                      (type->fields[bit].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
             bit++) {
            CHECK(bit < type->n_fields);
        }
    }
    CHECK(bit < 64);
    const bool before = (*seen >> bit & 1) != 0;
    *seen |= (uint64_t)1 << bit;
    return before;
}

/* Recurses only along `type`, whose nesting is fixed: see invariant 3. */
static enum weft_status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type) {
    CHECK(scan->depth < DEPTH_MAX);
    uint64_t seen = 0;
    while (cursor_left(&scan->cursor) != 0) {
        uint64_t tag;
        struct bytes value;
        if (!cursor_varint(&scan->cursor, &tag))
            return scan_fail(scan, WEFT_PROTOCOL, "a tag does not end");
        const uint8_t wire_type = tag & 7;
        if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
            return scan_fail(scan, WEFT_PROTOCOL, "a field has an impossible number");
        enum weft_status status = scan_value(scan, wire_type, &value);
        if (status != WEFT_OK) return status;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        const bool repeated = field != NULL && field->label == PROTOBUF_C_LABEL_REPEATED;
        if (repeated && wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
            wire_type_of(field) != wire_type) {
            status = scan_packed(scan, wire_type_of(field), value);
        } else if (field != NULL && wire_type_of(field) != wire_type) {
            return scan_fail(scan, WEFT_PROTOCOL, "a field has the wire type of another");
        } else if (field == NULL || repeated) {
            status = scan_count(scan, 1);
        } else if (seen_before(type, field, &seen)) {
            return scan_fail(scan, WEFT_PROTOCOL, "a field that can occur once occurs again");
        }
        if (status == WEFT_OK && field != NULL && field->type == PROTOBUF_C_TYPE_STRING)
            status = scan_text(scan, value);
        if (status == WEFT_OK && field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            const struct cursor outer = scan->cursor;
            scan->cursor.at = value.data;
            scan->cursor.end = value.data + value.size;
            scan->depth++;
            status = scan_message(scan, field->descriptor);
            scan->depth--;
            scan->cursor = outer;
        }
        if (status != WEFT_OK) return status;
    }
    return WEFT_OK;
}

enum weft_status message_scan(const ProtobufCMessageDescriptor *type, struct bytes packed,
                              struct weft_error *why) {
    CHECK(type != NULL);
    struct scan scan = {.cursor = cursor_begin(packed, "a message", why)};
    scan.end = scan.cursor.end;
    return scan_message(&scan, type);
}

/* ---- packing and unpacking --------------------------------------------------------------------
 */

enum weft_status message_pack(const ProtobufCMessage *message, struct arena *arena,
                              struct bytes *out) {
    CHECK(message != NULL && message->descriptor != NULL);
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_take(arena, size);
    if (packed == NULL) return WEFT_NO_MEMORY;
    const size_t written = protobuf_c_message_pack(message, packed);
    CHECK(written == size);
    *out = (struct bytes){packed, size};
    return WEFT_OK;
}

enum weft_status message_unpack(struct bytes packed, struct arena *arena, Weft__Wire__Wire **out,
                                struct weft_error *why) {
    static const uint8_t nothing[1];
    if (packed.size == 0) packed.data = nothing;
    if (packed.size > LIMIT_MESSAGE_RAW)
        return status_fail(why, WEFT_LIMIT, 0,
                           "a message of %zu bytes is larger than the %u that are allowed",
                           packed.size, LIMIT_MESSAGE_RAW);
    const enum weft_status status = message_scan(&weft__wire__wire__descriptor, packed, why);
    if (status != WEFT_OK) return status;
    struct budget budget = {arena, LIMIT_UNPACKED, false};
    ProtobufCAllocator allocator = {budget_alloc, free_nothing, &budget};
    Weft__Wire__Wire *wire = weft__wire__wire__unpack(&allocator, packed.size, packed.data);
    if (wire == NULL && budget.refused)
        return status_fail(why, WEFT_NO_MEMORY, 0, "there is no memory for a message of %zu bytes",
                           packed.size);
    if (wire == NULL)
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a message of %zu bytes cannot be read; the sender is at fault or "
                           "speaks another version",
                           packed.size);
    *out = wire;
    return WEFT_OK;
}
