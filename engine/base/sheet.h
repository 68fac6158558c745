/* A sheet: a small block of memory that one thread writes and any others read, whole, without a
 * lock. A reader that meets a writer at it reads again.
 *
 *   writer:  turn odd ─► words ─► turn even        reader:  turn even? words, the same turn? */
#ifndef WEFT_BASE_SHEET_H
#define WEFT_BASE_SHEET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHEET_BYTES 2048u

struct sheet {
    _Atomic uint64_t turn; /* odd: it is being written; 0: it never was */
    _Atomic uint64_t words[SHEET_BYTES / 8];
};

/* Writes `size` bytes, SHEET_BYTES at most. Thread: one. */
void sheet_write(struct sheet *sheet, const void *data, size_t size);
/* Reads as many as were written; zeros if none ever were. Thread: any. */
void sheet_read(const struct sheet *sheet, void *out, size_t size);
/* Whether there is anything to read. Thread: any. */
bool sheet_written(const struct sheet *sheet);

#endif
