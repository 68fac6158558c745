/* A record of the shared log: what one device decided in one commit, signed and chained.
 *
 *   record := "WR" | format u8 (1) | flags u8 (0) | device 16 | incarnation u64 | seq u64 | hlc u64
 *             | prev 32 | ops_size u32 | ops | signature 64                   144 + ops bytes
 *   hash   := BLAKE2b-256("weft/rec\0" ‖ library ‖ device ‖ incarnation ‖ seq ‖ hlc ‖ prev
 *             ‖ BLAKE2b-256(ops))
 *   signature := Sign(id_sk, "weft/head\0" ‖ hash)
 *   op     := kind u8 | size u32 | body
 *
 * These bytes are canonical: they are hashed, stored and passed on as they came, never encoded
 * anew. An origin is a device in one of its incarnations; its records are numbered from 1 without a
 * gap, and `prev` is the hash of the one before (zero for the first). An op of a kind that this
 * version does not know is kept and passed on. Little-endian throughout.
 * Source: docs/protocol.md, "Records"; hash chaining after Schneier and Kelsey, "Secure Audit Logs
 * to Support Computer Forensics", 1999. */
#ifndef WEFT_WIRE_RECORD_H
#define WEFT_WIRE_RECORD_H

#include "engine/base/arena.h"
#include "engine/base/limits.h"
#include "engine/wire/identity.h"

#define RECORD_HASH 32u
#define RECORD_SIGNATURE 64u
#define RECORD_HEAD 80u /* bytes before the ops */
#define RECORD_OVERHEAD 144u
#define RECORD_OP_HEAD 5u
#define RECORD_PROOF 168u

struct record_origin {
    struct id device;
    uint64_t incarnation;
};

/* A record's fields; the slices lie in its bytes. */
struct record {
    struct record_origin origin;
    uint64_t seq; /* from 1 */
    uint64_t hlc;
    uint8_t prev[RECORD_HASH];
    struct bytes ops;
    struct bytes signature;
    uint8_t hash[RECORD_HASH];
};

int record_origin_compare(const struct record_origin *a, const struct record_origin *b);

/* Takes the fields apart and computes the hash. Nothing is believed: sizes, the frame of every op,
 * seq ≥ 1, `prev` zero for the first, seq, hlc and incarnation below 2^63. What an op says is not
 * looked at. Errors: WEFT_PROTOCOL, WEFT_LIMIT (LIMIT_RECORD). Thread: any; pure; no allocation. */
enum weft_status record_read(const struct id *library, struct bytes bytes, struct record *out,
                             struct weft_error *why);
/* Whether the signature is that of this key's holder. That the key is the origin's is for the
 * caller to know. */
bool record_signed_by(const struct record *record, const uint8_t id_pk[IDENTITY_KEY]);
/* A proof that its origin has written a record, for who need not know what it says:
 *   proof := device 16 | incarnation u64 | seq u64 | hlc u64 | prev 32 | BLAKE2b-256(ops) 32
 *            | signature 64
 * Of a record that was read. */
void record_prove(const struct record *record, uint8_t out[RECORD_PROOF]);
/* The same fields as record_read() gives, but for the ops: of those there are none. False when the
 * bytes are no proof. Who signed it is not looked at. */
bool record_read_proof(const struct id *library, struct bytes proof, struct record *out);
/* Fills in hash and signature of `record`, whose other fields are set and whose device is that of
 * the identity, and lays its canonical bytes into `arena`; the slices of `record` then lie in them.
 * Errors: WEFT_NO_MEMORY, WEFT_LIMIT. */
enum weft_status record_write(const struct identity *identity, struct record *record,
                              struct arena *arena, struct bytes *out, struct weft_error *why);

/* ---- ops ---- */

enum record_op_kind {
    RECORD_OP_ADD = 1,    /* a device becomes a member */
    RECORD_OP_REMOVE = 2, /* a member is one no longer; what was accepted of it is pinned */
    RECORD_OP_KEY = 3,    /* a library key, sealed to each of some members */
    RECORD_OP_CHANGE = 4, /* rows of a shared table: wire/change.h */
    RECORD_OP_AWAY = 5,   /* a member has been silent for long: nothing waits for it any more */
    RECORD_OP_BACK = 6,   /* who writes it is there again */
};

struct record_op {
    uint8_t kind;
    struct bytes body;
};

/* Whether a record says anything but changes of rows: it is never forgotten. */
bool record_lasting(const struct record *record);
/* Walks the ops of a record: *at from 0; false at the end. The record has been read. */
bool record_next(const struct record *record, size_t *at, struct record_op *out);

/* ADD := id_pk 32 | x_pk 32 | incarnation u64 | cert 64 | name_size u8 | name (UTF-8) */
struct record_add {
    struct identity_public device;
    uint64_t incarnation;
    uint8_t cert[IDENTITY_CERT];
    struct bytes name; /* what people call it; at most 64 bytes, none of them zero */
};
/* REMOVE := device 16 | count u8 | count × (incarnation u64 | seq u64 | hash 32)   in order
 * The pins: for each incarnation, the last record of the device that the writer has accepted. A
 * later one is refused, unless another member's REMOVE pins a greater one. */
#define RECORD_PINS 16u
#define RECORD_NAME 64u
#define RECORD_BOX 96u /* device 16 | sealed 80 */
#define RECORD_BOXES_MAX LIMIT_ROSTER
struct record_pin {
    uint64_t incarnation, seq;
    uint8_t hash[RECORD_HASH];
};
struct record_remove {
    struct id device;
    uint32_t count;
    struct record_pin pins[RECORD_PINS]; /* in increasing order of incarnation */
};
/* KEY := epoch u32 | psk_id 8 | count u16 | count × (device 16 | sealed 80)   in order */
struct record_key {
    uint32_t epoch; /* from 1: the key with the greatest (epoch, psk_id) is the current one */
    uint8_t psk_id[LIBRARY_KEY_ID];
    uint32_t count;     /* 1 to RECORD_BOXES_MAX */
    struct bytes boxes; /* count × RECORD_BOX bytes */
};
/* AWAY := device 16 [| hlc u64]   hlc: where the stamp of the record is not later than an AWAY that
 * was answered, as the clock of that one's author was ahead. Instead of the record's, if later. */
struct record_away {
    struct id device;
    uint64_t hlc; /* 0: not there */
};
/* BACK := hlc u64   the stamp of the AWAY that it answers: no wrong clock keeps it away */

/* False when the body has not the form given above (a certificate is not checked here). */
bool record_read_add(struct bytes body, struct record_add *out);
bool record_read_remove(struct bytes body, struct record_remove *out);
bool record_read_key(struct bytes body, struct record_key *out);
bool record_read_away(struct bytes body, struct record_away *out);
bool record_read_back(struct bytes body, uint64_t *out);
/* What is sealed to a device, LIBRARY_KEY_SEALED bytes; NULL when there is nothing. */
const uint8_t *record_key_box(const struct record_key *key, const struct id *device);

/* Builds the ops of a record, one after another, all of a form that record_read_*() takes. Errors,
 * here and below: WEFT_NO_MEMORY, WEFT_LIMIT; the first one stays, and record_ops_end() says it. */
struct record_ops {
    struct arena *arena;
    uint8_t *data;
    size_t size, room;
    enum weft_status status;
};
void record_ops_begin(struct record_ops *ops, struct arena *arena);
void record_ops_add(struct record_ops *ops, const struct record_add *add);
void record_ops_remove(struct record_ops *ops, const struct record_remove *remove);
void record_ops_key(struct record_ops *ops, const struct record_key *key);
void record_ops_away(struct record_ops *ops, const struct record_away *away);
void record_ops_back(struct record_ops *ops, uint64_t hlc);
/* `body` is that of a CHANGE, as change_end() gives it. */
void record_ops_change(struct record_ops *ops, struct bytes body);
enum weft_status record_ops_end(struct record_ops *ops, struct bytes *out);

#endif
