/* Sequences of 64-bit numbers, packed in whichever of six forms is smallest, or nearly so.
 *
 *   numbers(n) := form u8 | body                 n is known from elsewhere and is at least 1
 *     0 frame    low zz | width u8 | n × width bits          a number is low + its bits
 *     1 varints  n × zz                                      each number by itself
 *     2 runs     (zz | length - 1 varint)*                   zz: from the run before, or from 0
 *     3, 4, 5    first zz | body 0, 1 or 2 of the n - 1 differences between neighbours
 *
 * `zz` is a zigzag varint. Bits are packed from the least significant bit of the first byte on.
 * Arithmetic is modulo 2^64, so integers, bits of reals, sizes and indexes are all one case.
 * Source: Goldstein, Ramakrishnan, Shaft, "Compressing Relations and Indexes", 1998 (frame of
 * reference). The bits are packed because zstd's fast levels do not entropy-code literals. */
#ifndef WEFT_WIRE_NUMBERS_H
#define WEFT_WIRE_NUMBERS_H

#include "engine/wire/cursor.h"
#include "engine/wire/sink.h"

/* The most bytes that numbers_pack() appends. */
#define NUMBERS_PACKED_MAX(n) (8 * (size_t)(n) + 32)

/* Appends `n` numbers (1 to LIMIT_ROWS); `values` is overwritten. Errors: WEFT_NO_MEMORY. */
enum weft_status numbers_pack(struct sink *sink, uint64_t *values, uint32_t n);

/* Reads `n` numbers (at least 1) into `out`. Errors: WEFT_PROTOCOL. */
enum weft_status numbers_unpack(struct cursor *cursor, uint64_t *out, uint32_t n);

#endif
