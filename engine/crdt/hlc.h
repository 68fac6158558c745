/* The hybrid logical clock: 48 bits of wall-clock milliseconds, 16 bits of counter.
 *
 *      63                       16 15        0
 *     ┌───────────────────────────┬───────────┐
 *     │ milliseconds since 1970   │  counter  │      one number; order of numbers = order of stamps
 *     └───────────────────────────┴───────────┘
 *
 * Source: Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks", 2014, figure 5, with
 * l and c packed into one word, so that a counter that overflows carries into the milliseconds.
 * Invariants
 *   1. hlc_tick() returns stamps greater than every stamp returned or observed before.
 *   2. The clock is never behind the wall clock it was last shown, by any call but a quarantine.
 *   3. A wall clock that steps back only makes the counter tick.
 *   4. A stamp more than LIMIT_CLOCK_AHEAD_MS ahead of the wall clock never moves the clock. */
#ifndef WEFT_CRDT_HLC_H
#define WEFT_CRDT_HLC_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bytes.h"

struct hlc {
    uint64_t last; /* the greatest stamp returned or observed */
};

static inline uint64_t hlc_pack(uint64_t ms, uint16_t counter) {
    return ms << 16 | counter;
}
static inline uint64_t hlc_ms(uint64_t stamp) {
    return stamp >> 16;
}

/* Starts a clock: max(stored, wall). `stored` is the high-water mark of the last commit; one that
 * no clock can have given (near 2^64) the caller refuses. Wall clocks are below 2^48 everywhere. */
void hlc_start(struct hlc *hlc, uint64_t stored, uint64_t wall_ms);
/* Takes a range of `count` stamps (≥ 1) and returns the first: first … first + count - 1. */
uint64_t hlc_tick(struct hlc *hlc, uint64_t wall_ms, uint32_t count);

enum hlc_verdict { HLC_OBSERVED, HLC_QUARANTINED };
/* Shows the clock the greatest stamp of a received batch. HLC_QUARANTINED: too far ahead, the clock
 * did not move. */
enum hlc_verdict hlc_observe(struct hlc *hlc, uint64_t wall_ms, uint64_t stamp);

#define HLC_TEXT_SIZE 55u /* 12 + 1 + 4 + 1 + 36 and the terminator */
/* The one text form, `{ms:012x}-{counter:04x}-{device uuid}`; sorts as the stamps do. */
void hlc_text(uint64_t stamp, const struct id *device, char out[HLC_TEXT_SIZE]);
/* Reads it back; false on anything that hlc_text() would not have written. */
bool hlc_parse(const char *text, uint64_t *stamp, struct id *device);

#endif
