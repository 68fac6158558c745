/* Statements: what a device holds durably, signed by it, so that others may pass it on. Two devices
 * that never meet so know of each other what may be let go, and whether they hold the same.
 *
 *   statement := "WA" | format u8 (2) | flags u8 (1: not all that the heads say is in the rows)
 *                | device 16 | incarnation u64 | serial u64
 *                | table_count u8 | table_count × (size u8 | name)
 *                | head_count u16 | head_count × (device 16 | incarnation u64 | seq u64)
 *                | sum_count u16 | sum_count × (table u8 | digest u64)
 *                | place_count u16
 *                | place_count × (owner 16 | table u8 | position u64 | known u8 | digest u64)
 *                | signature 64
 *   signature := Sign(id_sk, "weft/held\0" ‖ library ‖ BLAKE2b-256(all before it))
 *
 * What a device holds only grows, so what statements say is merged by maximum. Of one device those
 * of a greater incarnation are the newer ones, and of one incarnation those of a greater serial.
 * Digests are those of store/digest.h: of a shared table, or of a place. Little-endian.
 * Source: docs/protocol.md, "Statements". */
#ifndef WEFT_WIRE_ATTEST_H
#define WEFT_WIRE_ATTEST_H

#include "engine/wire/cursor.h"
#include "engine/wire/record.h"
#include "engine/wire/sink.h"

#define ATTEST_TABLES LIMIT_MODELS

struct attest_head {
    struct record_origin origin;
    uint64_t seq;
};

struct attest_place {
    struct id owner;
    uint32_t table; /* its place in the list of tables */
    uint64_t position;
    bool known; /* the digest is said */
    uint64_t digest;
};

struct attest_table_sum {
    uint32_t table; /* its place in the list of tables */
    uint64_t digest;
};

/* ---- reading ---- */

/* A statement taken apart; slices lie in its bytes. */
struct attest {
    struct record_origin origin; /* whose it is */
    uint64_t serial;
    bool waiting; /* some of what the heads say is not in the rows yet */
    uint32_t table_count;
    struct bytes tables[ATTEST_TABLES];
    uint32_t head_count, sum_count, place_count;
    const uint8_t *heads, *sums, *places;
    struct bytes said; /* what is signed */
    const uint8_t *signature;
};

/* Nothing is believed: sizes, names of 1 to LIMIT_NAME bytes of UTF-8, numbers below 2^63, tables
 * that are there. False when the bytes are no statement, longer than LIMIT_ATTEST, or name more
 * than LIMIT_ORIGINS heads. Who signed it is not looked at. */
bool attest_read(struct bytes bytes, struct attest *out);
/* Whether the holder of this key has signed it. Costs a hash of all of it, and a signature. */
bool attest_signed_by(const struct attest *attest, const struct id *library,
                      const uint8_t id_pk[IDENTITY_KEY]);
struct attest_head attest_head_at(const struct attest *attest, uint32_t i);
struct attest_table_sum attest_sum_at(const struct attest *attest, uint32_t i);
struct attest_place attest_place_at(const struct attest *attest, uint32_t i);

/* ---- writing ---- */

/* Tables, then heads, then sums, if any, then places; what no longer fits is left out. Errors:
 * WEFT_NO_MEMORY, said by attest_end(). */
struct attest_builder {
    struct sink sink;
    enum weft_status status;
    uint32_t table_count;
    uint32_t lists;  /* begun so far */
    size_t count_at; /* of the one under way */
    uint32_t count;
};
void attest_begin(struct attest_builder *builder, struct arena *arena,
                  const struct record_origin *origin, uint64_t serial, bool waiting,
                  const struct bytes *tables, uint32_t table_count);
void attest_add_head(struct attest_builder *builder, const struct attest_head *head);
/* Ends the heads. `table` is the place in the list of tables. */
void attest_begin_sums(struct attest_builder *builder);
void attest_add_sum(struct attest_builder *builder, uint32_t table, uint64_t digest);
/* Ends heads and sums. */
void attest_begin_places(struct attest_builder *builder);
void attest_add_place(struct attest_builder *builder, const struct attest_place *place);
/* Signs it. The bytes are the arena's. */
enum weft_status attest_end(struct attest_builder *builder, const struct identity *identity,
                            struct bytes *out);

#endif
