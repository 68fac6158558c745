/* Records of the shared log: reading what came, writing what is said.
 *
 * Invariants
 *   1. What record_read() takes has one form only: whatever bytes give the same fields are the same
 *      bytes, so that a hash names one record.
 *   2. The hash covers every field and the library; the signature covers the hash.
 * Not here: the chain (who has the record before), membership (store/roster.h), what ops mean
 * (record_ops.c). */
#include "engine/wire/record.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/wire/cursor.h"
#include "engine/wire/sign.h"

#define HASH_CONTEXT "weft/rec"
#define SIGN_CONTEXT "weft/head"
#define FORMAT 1u
#define NUMBER_MAX (UINT64_MAX >> 1) /* what a signed 64-bit column holds */

/* Where fields lie. */
enum {
    AT_MAGIC = 0,
    AT_FORMAT = 2,
    AT_FLAGS = 3,
    AT_DEVICE = 4,
    AT_INCARNATION = 20,
    AT_SEQ = 28,
    AT_HLC = 36,
    AT_PREV = 44,
    AT_OPS_SIZE = 76,
    FIELDS = AT_OPS_SIZE - AT_DEVICE /* what is hashed of the head, and begins a proof */
};

_Static_assert(AT_OPS_SIZE + 4u == RECORD_HEAD, "the head ends where the ops begin");
_Static_assert(RECORD_HEAD + RECORD_SIGNATURE == RECORD_OVERHEAD, "head, ops, signature");
_Static_assert(RECORD_SIGNATURE == SIGN_SIZE, "signatures");
_Static_assert(FIELDS + RECORD_HASH + RECORD_SIGNATURE == RECORD_PROOF, "fields, hash, signature");
_Static_assert(RECORD_HASH == crypto_generichash_blake2b_BYTES, "hashes");

int record_origin_compare(const struct record_origin *a, const struct record_origin *b) {
    const int devices = id_compare(&a->device, &b->device);
    if (devices != 0) return devices;
    return (a->incarnation > b->incarnation) - (a->incarnation < b->incarnation);
}

static void hash_ops(struct bytes ops, uint8_t out[RECORD_HASH]) {
    CHECK(crypto_generichash_blake2b(out, RECORD_HASH, ops.data, ops.size, NULL, 0) == 0);
}

/* `fields`: those that are hashed, in the order that a record and a proof have them in. */
static void hash_record(const struct id *library, const uint8_t *fields,
                        const uint8_t ops_hash[RECORD_HASH], uint8_t out[RECORD_HASH]) {
    crypto_generichash_blake2b_state state;
    CHECK(crypto_generichash_blake2b_init(&state, NULL, 0, RECORD_HASH) == 0);
    const struct bytes parts[] = {
        {(const uint8_t *)HASH_CONTEXT, sizeof HASH_CONTEXT},
        {library->bytes, sizeof library->bytes},
        {fields, FIELDS},
        {ops_hash, RECORD_HASH},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK(crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].size) == 0);
    CHECK(crypto_generichash_blake2b_final(&state, out, RECORD_HASH) == 0);
}

static void record_hash(const struct id *library, const uint8_t *bytes, size_t ops_size,
                        uint8_t out[RECORD_HASH]) {
    uint8_t ops_hash[RECORD_HASH];
    hash_ops((struct bytes){bytes + RECORD_HEAD, ops_size}, ops_hash);
    hash_record(library, bytes + AT_DEVICE, ops_hash, out);
}

/* ---- reading ---- */

/* Whether the ops are framed soundly to their last byte. */
static bool ops_framed(struct bytes ops) {
    size_t at = 0;
    while (at < ops.size) {
        if (ops.size - at < RECORD_OP_HEAD) return false;
        const size_t size = load_u32(ops.data + at + 1);
        if (size > ops.size - at - RECORD_OP_HEAD) return false;
        at += RECORD_OP_HEAD + size;
    }
    return true;
}

/* Reads the fields that are hashed. */
static void read_fields(const uint8_t *fields, struct record *out) {
    memcpy(out->origin.device.bytes, fields, sizeof out->origin.device.bytes);
    out->origin.incarnation = load_u64(fields + (AT_INCARNATION - AT_DEVICE));
    out->seq = load_u64(fields + (AT_SEQ - AT_DEVICE));
    out->hlc = load_u64(fields + (AT_HLC - AT_DEVICE));
    memcpy(out->prev, fields + (AT_PREV - AT_DEVICE), RECORD_HASH);
}

/* What is wrong with them, or NULL. */
static const char *fields_fault(const struct record *record) {
    if (record->origin.incarnation > NUMBER_MAX) return "its incarnation is 2^63 or greater";
    if (record->seq == 0 || record->seq > NUMBER_MAX) return "its number is 0, or 2^63 or greater";
    if (record->hlc > NUMBER_MAX) return "its stamp is 2^63 or greater";
    if (record->seq == 1 && !sodium_is_zero(record->prev, RECORD_HASH))
        return "it is its origin's first, but names one before it";
    return NULL;
}

/* What is wrong with a record's form, or NULL; a record is at least RECORD_OVERHEAD bytes. */
static const char *form_fault(struct bytes bytes, const struct record *record) {
    if (memcmp(bytes.data + AT_MAGIC, "WR", 2) != 0) return "it does not begin as a record does";
    if (bytes.data[AT_FORMAT] != FORMAT) return "its format is not 1";
    if (bytes.data[AT_FLAGS] != 0) return "its flags are not 0";
    if (load_u32(bytes.data + AT_OPS_SIZE) != bytes.size - RECORD_OVERHEAD)
        return "it is not as long as it says";
    const char *fault = fields_fault(record);
    if (fault != NULL) return fault;
    if (!ops_framed(record->ops)) return "its ops do not end where it ends";
    return NULL;
}

enum weft_status record_read(const struct id *library, struct bytes bytes, struct record *out,
                             struct weft_error *why) {
    CHECK(library != NULL);
    CHECK(out != NULL);
    const struct cursor cursor = cursor_begin(bytes, "a record", why);
    memset(out, 0, sizeof *out);
    if (bytes.size > LIMIT_RECORD)
        return cursor_fail(&cursor, WEFT_LIMIT, "it is longer than a record may be (256 KiB)");
    if (bytes.size < RECORD_OVERHEAD)
        return cursor_fail(&cursor, WEFT_PROTOCOL, "it is shorter than any record (144 bytes)");
    read_fields(bytes.data + AT_DEVICE, out);
    out->ops = (struct bytes){bytes.data + RECORD_HEAD, bytes.size - RECORD_OVERHEAD};
    out->signature = (struct bytes){out->ops.data + out->ops.size, RECORD_SIGNATURE};
    const char *fault = form_fault(bytes, out);
    if (fault != NULL) {
        memset(out, 0, sizeof *out);
        return cursor_fail(&cursor, WEFT_PROTOCOL, fault);
    }
    record_hash(library, bytes.data, out->ops.size, out->hash);
    return WEFT_OK;
}

bool record_signed_by(const struct record *record, const uint8_t id_pk[IDENTITY_KEY]) {
    CHECK(record != NULL && id_pk != NULL);
    if (record->signature.size != RECORD_SIGNATURE) return false;
    const struct bytes hash = {record->hash, RECORD_HASH};
    return sign_check(SIGN_CONTEXT, &hash, 1, id_pk, record->signature.data);
}

/* ---- proofs ---- */

void record_prove(const struct record *record, uint8_t out[RECORD_PROOF]) {
    CHECK(record != NULL && out != NULL);
    CHECK(record->signature.size == RECORD_SIGNATURE);
    memcpy(out, record->origin.device.bytes, WEFT_ID_SIZE);
    store_u64(out + (AT_INCARNATION - AT_DEVICE), record->origin.incarnation);
    store_u64(out + (AT_SEQ - AT_DEVICE), record->seq);
    store_u64(out + (AT_HLC - AT_DEVICE), record->hlc);
    memcpy(out + (AT_PREV - AT_DEVICE), record->prev, RECORD_HASH);
    hash_ops(record->ops, out + FIELDS);
    memcpy(out + FIELDS + RECORD_HASH, record->signature.data, RECORD_SIGNATURE);
}

bool record_read_proof(const struct id *library, struct bytes proof, struct record *out) {
    CHECK(library != NULL && out != NULL);
    memset(out, 0, sizeof *out);
    if (proof.size != RECORD_PROOF) return false;
    read_fields(proof.data, out);
    if (fields_fault(out) != NULL) return false;
    out->ops = (struct bytes){proof.data, 0};
    out->signature = (struct bytes){proof.data + FIELDS + RECORD_HASH, RECORD_SIGNATURE};
    hash_record(library, proof.data, proof.data + FIELDS, out->hash);
    return true;
}

/* ---- ops ---- */

bool record_lasting(const struct record *record) {
    struct record_op op;
    for (size_t at = 0; record_next(record, &at, &op);) {
        if (op.kind != RECORD_OP_CHANGE) return true;
    }
    return false;
}

bool record_next(const struct record *record, size_t *at, struct record_op *out) {
    const struct bytes ops = record->ops;
    CHECK(*at <= ops.size);
    if (*at == ops.size) return false;
    CHECK(ops.size - *at >= RECORD_OP_HEAD);
    const uint8_t *op = ops.data + *at;
    const size_t size = load_u32(op + 1);
    CHECK(size <= ops.size - *at - RECORD_OP_HEAD);
    *out = (struct record_op){op[0], {op + RECORD_OP_HEAD, size}};
    *at += RECORD_OP_HEAD + size;
    return true;
}

/* ---- writing ---- */

enum weft_status record_write(const struct identity *identity, struct record *record,
                              struct arena *arena, struct bytes *out, struct weft_error *why) {
    CHECK(id_equal(&identity->device, &record->origin.device));
    CHECK(record->seq >= 1 && record->seq <= NUMBER_MAX && record->hlc <= NUMBER_MAX);
    CHECK(record->origin.incarnation <= NUMBER_MAX);
    CHECK(record->seq > 1 || sodium_is_zero(record->prev, RECORD_HASH));
    CHECK(ops_framed(record->ops));
    const size_t ops_size = record->ops.size;
    if (ops_size > LIMIT_RECORD - RECORD_OVERHEAD)
        return status_fail(why, WEFT_LIMIT, 0,
                           "a record of %zu bytes of changes cannot be written: %u are allowed; "
                           "commit them in several transactions",
                           ops_size, LIMIT_RECORD - RECORD_OVERHEAD);
    uint8_t *bytes = arena_take(arena, ops_size + RECORD_OVERHEAD);
    if (bytes == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0,
                           "a record of %zu bytes cannot be written: out of memory; nothing of it "
                           "is used",
                           ops_size + RECORD_OVERHEAD);
    memcpy(bytes + AT_MAGIC, "WR", 2);
    bytes[AT_FORMAT] = FORMAT;
    bytes[AT_FLAGS] = 0;
    memcpy(bytes + AT_DEVICE, record->origin.device.bytes, sizeof record->origin.device.bytes);
    store_u64(bytes + AT_INCARNATION, record->origin.incarnation);
    store_u64(bytes + AT_SEQ, record->seq);
    store_u64(bytes + AT_HLC, record->hlc);
    memcpy(bytes + AT_PREV, record->prev, RECORD_HASH);
    store_u32(bytes + AT_OPS_SIZE, (uint32_t)ops_size);
    if (ops_size > 0) memcpy(bytes + RECORD_HEAD, record->ops.data, ops_size);
    record_hash(&identity->library, bytes, ops_size, record->hash);
    const struct bytes hash = {record->hash, RECORD_HASH};
    sign_make(SIGN_CONTEXT, &hash, 1, identity->id_sk, bytes + RECORD_HEAD + ops_size);
    record->ops = (struct bytes){bytes + RECORD_HEAD, ops_size};
    record->signature = (struct bytes){bytes + RECORD_HEAD + ops_size, RECORD_SIGNATURE};
    *out = (struct bytes){bytes, ops_size + RECORD_OVERHEAD};
    return WEFT_OK;
}
