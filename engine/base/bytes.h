/* Byte slices, ids and little-endian numbers. */
#ifndef WEFT_BASE_BYTES_H
#define WEFT_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

/* A 16-byte id: device, library. Compared as a byte string. */
struct id {
    uint8_t bytes[16];
};

#define ID_TEXT_SIZE 37u /* 8-4-4-4-12 hex digits and the terminator */

static inline bool id_equal(const struct id *a, const struct id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
static inline int id_compare(const struct id *a, const struct id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}
bool id_is_zero(const struct id *id);
/* UUID text form, terminated. */
void id_text(const struct id *id, char out[ID_TEXT_SIZE]);
/* Reads a UUID's text form, which ends there; false for anything else. */
bool id_parse(const char *text, struct id *out);
/* Reads a 16-byte slice; false if the size is another. */
bool id_read(struct id *out, const void *data, size_t size);

static inline uint16_t load_u16(const uint8_t *p) {
    return (uint16_t)(p[0] | (uint16_t)p[1] << 8);
}
static inline uint32_t load_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t load_u64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void store_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void store_u32(uint8_t *p, uint32_t v) {
    memcpy(p, &v, 4);
}
static inline void store_u64(uint8_t *p, uint64_t v) {
    memcpy(p, &v, 8);
}

/* True if `text` is well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, no U+0000 rule.
 */
bool utf8_valid(const void *text, size_t size);
/* Copies foreign text so that it can be shown: whole characters only, as many as fit into `room`
 * bytes with the terminator; what is no character, or would steer a terminal (U+0000 to U+001F,
 * U+007F to U+009F), becomes '?'. Ends at a zero. */
void utf8_plain(const char *text, size_t size, char *out, size_t room);

#endif
