/* Variable-length integers: seven bits a byte, least significant first, the high bit set on all
 * but the last byte; signed ones folded by zigzag. The form is that of Protocol Buffers
 * ("Encoding", sections "Base 128 Varints" and "Signed Integers"), so one reader serves messages
 * and batches. */
#ifndef WEFT_WIRE_VARINT_H
#define WEFT_WIRE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10u /* bytes of the longest one */

/* 0, -1, 1, -2 … become 0, 1, 2, 3 …: small magnitudes give small numbers. Total, and exact. */
static inline uint64_t varint_zigzag(uint64_t value) {
    return value << 1 ^ (0 - (value >> 63));
}
static inline uint64_t varint_unzigzag(uint64_t folded) {
    return folded >> 1 ^ (0 - (folded & 1));
}

/* Bytes that varint_put() writes: a ninth of the bits, with the division done by shifting. */
static inline size_t varint_size(uint64_t value) {
    const unsigned top = 63u - (unsigned)__builtin_clzll(value | 1);
    return (top * 9 + 73) >> 6;
}

/* Writes up to VARINT_MAX bytes and returns the place after them. */
static inline uint8_t *varint_put(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* Reads one and moves `*at` behind it. False, and nothing moved, when it does not end before `end`
 * or has more than 64 bits. */
static inline bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *out) {
    const uint8_t *next = *at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (next == end) return false;
        const uint8_t byte = *next++;
        if (shift == 63 && byte > 1) return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = next;
            *out = value;
            return true;
        }
    }
    return false;
}

#endif
