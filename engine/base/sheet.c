/* See sheet.h. Boehm, "Can Seqlocks Get Along with Programming Language Memory Models?", 2012: each
 * word is atomic, so that no access is a race, and written with release, so that who reads a new
 * word sees the new turn as well.
 * Invariant: `turn` is even whenever nobody writes. */
#include "engine/base/sheet.h"

#include <string.h>

#include "engine/base/check.h"

void sheet_write(struct sheet *sheet, const void *data, size_t size) {
    const uint8_t *from = data;
    CHECK(size <= SHEET_BYTES);
    const uint64_t turn = atomic_load_explicit(&sheet->turn, memory_order_relaxed);
    CHECK(turn % 2 == 0);
    atomic_store_explicit(&sheet->turn, turn + 1, memory_order_relaxed);
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, from + at, size - at < 8 ? size - at : 8);
        atomic_store_explicit(&sheet->words[at / 8], word, memory_order_release);
    }
    atomic_store_explicit(&sheet->turn, turn + 2, memory_order_release);
}

void sheet_read(const struct sheet *sheet, void *out, size_t size) {
    uint8_t *to = out;
    uint64_t before = 0, after = 0;
    CHECK(size <= SHEET_BYTES);
    do {
        before = atomic_load_explicit(&sheet->turn, memory_order_acquire);
        for (size_t at = 0; at < size; at += 8) {
            const uint64_t word = atomic_load_explicit(&sheet->words[at / 8], memory_order_acquire);
            memcpy(to + at, &word, size - at < 8 ? size - at : 8);
        }
        after = atomic_load_explicit(&sheet->turn, memory_order_relaxed);
    } while (before != after || before % 2 != 0);
}

bool sheet_written(const struct sheet *sheet) {
    return atomic_load_explicit(&sheet->turn, memory_order_acquire) != 0;
}
