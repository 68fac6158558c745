/* The ops of a record: what each kind's body holds, read and written.
 *
 * Invariants
 *   1. A body has one form only: no byte more, lists in strictly increasing order.
 *   2. What the builder lays down, the readers take.
 * Not here: what an op brings about (store/roster.h), and whether its author may say it. */
#include "engine/base/check.h"
#include "engine/wire/cursor.h"
#include "engine/wire/record.h"

#define NUMBER_MAX (UINT64_MAX >> 1)
#define PIN_SIZE 48u                                /* incarnation, seq, hash */
#define ADD_MAX (64u + 8u + 64u + 1u + RECORD_NAME) /* keys, incarnation, cert, name */
#define KEY_HEAD 14u                                /* epoch, psk_id, count */
#define OPS_MAX (LIMIT_RECORD - RECORD_OVERHEAD)
#define OPS_ROOM 256u /* to begin with */

_Static_assert(RECORD_BOX == sizeof(struct id) + LIBRARY_KEY_SEALED, "boxes");

/* ---- reading ---- */

static bool take_u64(struct cursor *cursor, uint64_t *out) {
    const uint8_t *at = cursor_take(cursor, 8);
    if (at == NULL) return false;
    *out = load_u64(at);
    return *out <= NUMBER_MAX;
}

static bool take_copy(struct cursor *cursor, void *out, size_t size) {
    const uint8_t *at = cursor_take(cursor, size);
    if (at == NULL) return false;
    memcpy(out, at, size);
    return true;
}

static bool name_sound(struct bytes name) {
    if (name.size > RECORD_NAME) return false;
    if (name.size == 0) return true;
    return utf8_valid(name.data, name.size) && memchr(name.data, 0, name.size) == NULL;
}

bool record_read_add(struct bytes body, struct record_add *out) {
    CHECK(out != NULL);
    struct cursor cursor = cursor_begin(body, "an ADD", NULL);
    uint8_t name_size;
    memset(out, 0, sizeof *out);
    if (!take_copy(&cursor, out->device.id_pk, IDENTITY_KEY)) return false;
    if (!take_copy(&cursor, out->device.x_pk, IDENTITY_KEY)) return false;
    if (!take_u64(&cursor, &out->incarnation)) return false;
    if (!take_copy(&cursor, out->cert, IDENTITY_CERT)) return false;
    if (!cursor_byte(&cursor, &name_size)) return false;
    if (cursor_left(&cursor) != name_size) return false;
    out->name = (struct bytes){cursor.at, name_size};
    return name_sound(out->name);
}

bool record_read_remove(struct bytes body, struct record_remove *out) {
    CHECK(out != NULL);
    struct cursor cursor = cursor_begin(body, "a REMOVE", NULL);
    uint8_t count;
    memset(out, 0, sizeof *out);
    if (!take_copy(&cursor, out->device.bytes, sizeof out->device.bytes)) return false;
    if (!cursor_byte(&cursor, &count) || count > RECORD_PINS) return false;
    if (cursor_left(&cursor) != count * PIN_SIZE) return false;
    for (out->count = 0; out->count < count; out->count++) {
        struct record_pin *pin = &out->pins[out->count];
        if (!take_u64(&cursor, &pin->incarnation)) return false;
        if (!take_u64(&cursor, &pin->seq) || pin->seq == 0) return false;
        if (!take_copy(&cursor, pin->hash, RECORD_HASH)) return false;
        if (out->count > 0 && pin[-1].incarnation >= pin->incarnation) return false;
    }
    return true;
}

bool record_read_key(struct bytes body, struct record_key *out) {
    CHECK(out != NULL);
    memset(out, 0, sizeof *out);
    if (body.size < KEY_HEAD) return false;
    out->epoch = load_u32(body.data);
    memcpy(out->psk_id, body.data + 4, LIBRARY_KEY_ID);
    out->count = load_u16(body.data + 4 + LIBRARY_KEY_ID);
    out->boxes = (struct bytes){body.data + KEY_HEAD, body.size - KEY_HEAD};
    if (out->epoch == 0 || out->count == 0 || out->count > RECORD_BOXES_MAX) return false;
    if (out->boxes.size != (size_t)out->count * RECORD_BOX) return false;
    for (uint32_t i = 1; i < out->count; i++) {
        const uint8_t *box = out->boxes.data + (size_t)i * RECORD_BOX;
        if (memcmp(box - RECORD_BOX, box, sizeof(struct id)) >= 0) return false;
    }
    return true;
}

bool record_read_away(struct bytes body, struct record_away *out) {
    CHECK(out != NULL);
    struct cursor cursor = cursor_begin(body, "an AWAY", NULL);
    memset(out, 0, sizeof *out);
    if (!take_copy(&cursor, out->device.bytes, sizeof out->device.bytes)) return false;
    if (cursor_left(&cursor) == 0) return true;
    return take_u64(&cursor, &out->hlc) && out->hlc != 0 && cursor_left(&cursor) == 0;
}

bool record_read_back(struct bytes body, uint64_t *out) {
    struct cursor cursor = cursor_begin(body, "a BACK", NULL);
    return take_u64(&cursor, out) && cursor_left(&cursor) == 0;
}

const uint8_t *record_key_box(const struct record_key *key, const struct id *device) {
    CHECK(key->boxes.size == (size_t)key->count * RECORD_BOX);
    for (uint32_t i = 0; i < key->count; i++) {
        const uint8_t *box = key->boxes.data + (size_t)i * RECORD_BOX;
        if (memcmp(box, device->bytes, sizeof device->bytes) == 0) return box + sizeof *device;
    }
    return NULL;
}

/* ---- writing ---- */

void record_ops_begin(struct record_ops *ops, struct arena *arena) {
    CHECK(ops != NULL && arena != NULL);
    *ops = (struct record_ops){.arena = arena, .status = WEFT_OK};
}

/* Makes room for an op and writes its head; where its body goes, or NULL once something failed. */
static uint8_t *ops_open(struct record_ops *ops, enum record_op_kind kind, size_t size) {
    if (ops->status != WEFT_OK) return NULL;
    CHECK(ops->size <= ops->room && ops->size <= OPS_MAX);
    if (size > OPS_MAX || RECORD_OP_HEAD + size > OPS_MAX - ops->size) {
        ops->status = WEFT_LIMIT;
        return NULL;
    }
    const size_t end = ops->size + RECORD_OP_HEAD + size;
    if (end > ops->room) {
        const size_t room = end < OPS_ROOM ? OPS_ROOM : end * 2;
        uint8_t *data = arena_grow(ops->arena, ops->data, ops->room, room);
        if (data == NULL) {
            ops->status = WEFT_NO_MEMORY;
            return NULL;
        }
        ops->data = data;
        ops->room = room;
    }
    uint8_t *op = ops->data + ops->size;
    op[0] = (uint8_t)kind;
    store_u32(op + 1, (uint32_t)size);
    ops->size = end;
    return op + RECORD_OP_HEAD;
}

static uint8_t *put(uint8_t *at, const void *data, size_t size) {
    if (size > 0) memcpy(at, data, size);
    return at + size;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value) {
    store_u64(at, value);
    return at + 8;
}

void record_ops_add(struct record_ops *ops, const struct record_add *add) {
    CHECK(name_sound(add->name) && add->incarnation <= NUMBER_MAX);
    const size_t size = ADD_MAX - RECORD_NAME + add->name.size;
    uint8_t *at = ops_open(ops, RECORD_OP_ADD, size);
    if (at == NULL) return;
    const uint8_t *end = at + size;
    at = put(at, add->device.id_pk, IDENTITY_KEY);
    at = put(at, add->device.x_pk, IDENTITY_KEY);
    at = put_u64(at, add->incarnation);
    at = put(at, add->cert, IDENTITY_CERT);
    *at++ = (uint8_t)add->name.size;
    at = put(at, add->name.data, add->name.size);
    CHECK(at == end);
}

void record_ops_remove(struct record_ops *ops, const struct record_remove *remove) {
    CHECK(remove->count <= RECORD_PINS);
    const size_t size = sizeof(struct id) + 1u + remove->count * PIN_SIZE;
    uint8_t *at = ops_open(ops, RECORD_OP_REMOVE, size);
    if (at == NULL) return;
    at = put(at, remove->device.bytes, sizeof remove->device.bytes);
    *at++ = (uint8_t)remove->count;
    for (uint32_t i = 0; i < remove->count; i++) {
        const struct record_pin *pin = &remove->pins[i];
        CHECK(pin->incarnation <= NUMBER_MAX && pin->seq >= 1 && pin->seq <= NUMBER_MAX);
        CHECK(i == 0 || pin[-1].incarnation < pin->incarnation);
        at = put_u64(at, pin->incarnation);
        at = put_u64(at, pin->seq);
        at = put(at, pin->hash, RECORD_HASH);
    }
}

void record_ops_key(struct record_ops *ops, const struct record_key *key) {
    CHECK(key->epoch >= 1 && key->count >= 1 && key->count <= RECORD_BOXES_MAX);
    CHECK(key->boxes.size == (size_t)key->count * RECORD_BOX);
    uint8_t *body = ops_open(ops, RECORD_OP_KEY, KEY_HEAD + key->boxes.size);
    if (body == NULL) return;
    store_u32(body, key->epoch);
    memcpy(body + 4, key->psk_id, LIBRARY_KEY_ID);
    store_u16(body + 4 + LIBRARY_KEY_ID, (uint16_t)key->count);
    put(body + KEY_HEAD, key->boxes.data, key->boxes.size);
    struct record_key again;
    const bool sound = record_read_key((struct bytes){body, KEY_HEAD + key->boxes.size}, &again);
    CHECK(sound); /* the boxes are in order */
}

void record_ops_away(struct record_ops *ops, const struct record_away *away) {
    CHECK(away->hlc <= NUMBER_MAX);
    const size_t size = sizeof away->device + (away->hlc == 0 ? 0 : sizeof away->hlc);
    uint8_t *at = ops_open(ops, RECORD_OP_AWAY, size);
    if (at == NULL) return;
    put(at, away->device.bytes, sizeof away->device.bytes);
    if (away->hlc != 0) put_u64(at + sizeof away->device, away->hlc);
}

void record_ops_back(struct record_ops *ops, uint64_t hlc) {
    CHECK(hlc <= NUMBER_MAX);
    uint8_t *at = ops_open(ops, RECORD_OP_BACK, sizeof hlc);
    if (at != NULL) put_u64(at, hlc);
}

void record_ops_change(struct record_ops *ops, struct bytes body) {
    CHECK(body.size > 0);
    uint8_t *at = ops_open(ops, RECORD_OP_CHANGE, body.size);
    if (at != NULL) put(at, body.data, body.size);
}

enum weft_status record_ops_end(struct record_ops *ops, struct bytes *out) {
    CHECK(out != NULL);
    CHECK(ops->size <= ops->room);
    *out = (struct bytes){ops->data, ops->size};
    if (ops->status != WEFT_OK) *out = (struct bytes){NULL, 0};
    return ops->status;
}
