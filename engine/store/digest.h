/* Digests: eight bytes that tell one set of rows from another, kept up to date row by row.
 *
 *   digest of a set := sum, modulo 2^64, of the hash of each of its rows
 *   hash of an owned row  := SipHash-2-4(version u64 | 0 | key, packed), or, for a key of more than
 *                            119 bytes, SipHash-2-4(version u64 | 1 | SipHash-2-4(key, packed))
 *   hash of a shared row  := SipHash-2-4(SipHash-2-4(key, packed) | stamp of the creation
 *                            | sum of SipHash-2-4(name) over the fields of that stamp
 *                            | sum of SipHash-2-4(SipHash-2-4(name) | stamp) over all others)
 *   stamp := hlc u64 | device 16 | incarnation u64
 *
 * A sum does not depend on the order in which rows came, and a row is taken out again by
 * subtraction. Names are hashed in lower case. Nothing in it is local to a file: no numbers of
 * devices, origins or fields. The key of SipHash is fixed and public: digests find faults, they are
 * no proof against somebody who makes up rows. Values are not in it: of one key and one version,
 * and of one field and one stamp, there is one value. Little-endian.
 * What counts
 *   owned    of each key what arrived last: the row of the table, or the one that is parked, if its
 *            version is greater. Tombstones do not: they are forgotten at different times.
 *   shared   rows that the merge says are there (crdt/merge.h), also those that wait in the shadow.
 * Source of the hash: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012; of the sum:
 * Clarke et al., "Incremental multiset hash functions", 2003 (MSet-Add-Hash). */
#ifndef WEFT_STORE_DIGEST_H
#define WEFT_STORE_DIGEST_H

#include <sqlite3.h>

#include "engine/crdt/merge.h"
#include "engine/wire/record.h"

struct models;

/* ---- rows ---- */

#define DIGEST_HEAD 9u    /* room before a packed key */
#define DIGEST_SHORT 119u /* bytes of a key that is hashed as it is */

/* The hash of an owned row: of its version and its packed key, before which there are DIGEST_HEAD
 * bytes to be written to. Nothing is copied. */
uint64_t digest_in_place(uint8_t *key, size_t size, uint64_t version);
/* The same of a key that lies anywhere. */
uint64_t digest_owned(struct bytes key, uint64_t version);

/* Hashes of the names of a shared table's fields, by their numbers; 0: not known. */
struct digest_names {
    uint64_t hash[LIMIT_FIELDS];
};
uint64_t digest_name(const char *name, size_t size);
/* Reads them all. Errors: those of reading. */
enum weft_status digest_names_load(sqlite3 *db, const char *path, struct bytes table,
                                   struct digest_names *out, struct weft_error *why);

/* Whose a number of an origin is; NULL: nobody's, as only a damaged file has it. */
struct digest_origins {
    const struct record_origin *(*find)(const void *context, uint32_t number);
    const void *context;
};

/* The hash of a shared row that is there. `*known` becomes false if a field's name is missing. */
uint64_t digest_shared(struct bytes key, const struct merge_row *clock,
                       const struct digest_names *names, const struct digest_origins *origins,
                       bool *known);

/* ---- worked out anew ---- */

/* A digest, worked out from the rows and as it was kept. */
struct digest_found {
    bool shared;
    struct id owner; /* of owned rows */
    uint32_t number; /* ... its number in the file */
    uint32_t model;  /* 0: a shared table that this version of the application does not have */
    char table[LIMIT_NAME + 1];
    uint64_t rows, computed;
    bool known; /* there is one that was kept: */
    uint64_t kept;
    /* Of owned rows. */
    uint64_t position;
    uint64_t gone; /* this device has said that it holds as much, and has let go of it since */
    bool settled;  /* no sweep is under way, and `position` is one that the owner has had */
};

/* `list` is malloc()'s. */
struct digest_list {
    struct digest_found *list;
    uint32_t count, room;
};
void digest_list_free(struct digest_list *list);

/* Works out all digests by reading all rows, within the caller's transaction: owned streams, by
 * owner and model, then shared tables. Errors: WEFT_NO_MEMORY, WEFT_CORRUPT, those of reading. */
enum weft_status digest_scan(sqlite3 *db, const char *path, const struct models *models,
                             struct digest_list *out, struct weft_error *why);

/* The same without reading rows: what is kept, as it stands; `rows` and `computed` are 0. */
enum weft_status digest_read(sqlite3 *db, const char *path, const struct models *models,
                             struct digest_list *out, struct weft_error *why);
/* An entry of one of these lists; NULL: there is none. */
const struct digest_found *digest_find_owned(const struct digest_list *list, const struct id *owner,
                                             uint32_t model);
const struct digest_found *digest_find_shared(const struct digest_list *list, const char *table,
                                              size_t size);

#endif
