/* zstd for whole messages: one frame per message, its raw size known beforehand and exact. */
#ifndef WEFT_WIRE_ZIP_H
#define WEFT_WIRE_ZIP_H

#include "engine/base/arena.h"

struct zip; /* a compression and a decompression context, reused */

/* Level: -5 for fast links, 1 for slow ones. NULL when out of memory. */
struct zip *zip_open(int level);
void zip_close(struct zip *zip);

/* Compresses into a block of `arena`. When the result would be larger than the input, or smaller
 * than 1/LIMIT_RATIO of it, or the input is below LIMIT_COMPRESS_MIN, `*out` is the input itself
 * and `*raw_size` 0: the message travels as it is. Errors: WEFT_NO_MEMORY. */
enum weft_status zip_pack(struct zip *zip, struct bytes raw, struct arena *arena, struct bytes *out,
                          uint32_t *raw_size);

/* Decompresses exactly `raw_size` bytes into a block of `arena`.
 * Errors: WEFT_PROTOCOL (bounds of limits.h, not one frame, another size), WEFT_NO_MEMORY. */
enum weft_status zip_unpack(struct zip *zip, struct bytes packed, uint32_t raw_size,
                            struct arena *arena, struct bytes *out, struct weft_error *why);

#endif
