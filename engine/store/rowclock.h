/* The clock of a shared row, as it lies in a table: crdt/merge.h's stamps in a few bytes.
 *
 *   clock := flags u8 (1: created, 2: deleted, 4: most fields have the creation's stamp)
 *            | stamp of the creation? | stamp of the deletion? | field_count varint | exception*
 *   stamp := hlc u64 | origin varint
 *   exception := varint, how many fields lie between this one and the last exception
 *                | origin varint (0: never written)
 *                | hlc varint, zigzag, less that of the creation (or the deletion)     if written
 *
 * The exceptions are the fields that have another stamp than the creation (flag 4), or that were
 * written at all (without it). Fields that never were written, after the last that was, are left
 * out, and varints are as short as they can be, so that a clock has one form. A row written whole
 * takes a dozen bytes. Local to the file: origins are _weft_origin ids, which begin at 1, and
 * fields _weft_field numbers. Little-endian. */
#ifndef WEFT_STORE_ROWCLOCK_H
#define WEFT_STORE_ROWCLOCK_H

#include "engine/base/bytes.h"
#include "engine/crdt/merge.h"

/* A number that takes five bytes at most, for each origin; ten for a time. */
#define ROWCLOCK_MAX (1u + 2u * 13u + 3u + LIMIT_FIELDS * (3u + 5u + 10u))

/* Lays the clock into `out`; returns how many bytes it takes. No stamp's origin is 0. */
size_t rowclock_pack(const struct merge_row *row, uint8_t out[ROWCLOCK_MAX]);
/* False, and `*out` of no use, if the bytes are not what rowclock_pack() makes: then the file is
 * damaged. */
bool rowclock_read(struct bytes bytes, struct merge_row *out);

#endif
