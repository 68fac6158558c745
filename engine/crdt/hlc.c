/* The hybrid logical clock's three steps, and the text form of a stamp.
 *
 *     start     last := max(stored, wall)
 *     tick(n)   first := max(last + 1, wall);  last := first + n - 1
 *     observe   last := max(last, wall, stamp), unless the stamp is too far ahead
 *
 * where `wall` is the wall clock's milliseconds with a counter of zero. A stamp is one number, so
 * adding 1 to a full counter carries into the milliseconds without a line of code, and a wall clock
 * that stepped back loses the maximum and changes nothing.
 *
 * Invariants: those of hlc.h.
 * Not here: reading the wall clock, and storing the high-water mark. Both belong to the caller. */
#include "engine/crdt/hlc.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#define HLC_MS_MAX ((UINT64_C(1) << 48) - 1) /* the year 10889 */

static uint64_t hlc_wall(uint64_t wall_ms) {
    CHECK(wall_ms <= HLC_MS_MAX);
    return hlc_pack(wall_ms, 0);
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

void hlc_start(struct hlc *hlc, uint64_t stored, uint64_t wall_ms) {
    CHECK(hlc != NULL);
    hlc->last = later(stored, hlc_wall(wall_ms));
}

uint64_t hlc_tick(struct hlc *hlc, uint64_t wall_ms, uint32_t count) {
    CHECK(hlc != NULL);
    CHECK(count >= 1);
    CHECK(hlc->last < UINT64_MAX);
    uint64_t first = later(hlc->last + 1, hlc_wall(wall_ms));
    CHECK(first <= UINT64_MAX - (count - 1));
    hlc->last = first + (count - 1);
    return first;
}

enum hlc_verdict hlc_observe(struct hlc *hlc, uint64_t wall_ms, uint64_t stamp) {
    CHECK(hlc != NULL);
    uint64_t wall = hlc_wall(wall_ms);
    /* Compared in milliseconds, so that the counter does not move the edge of what is too far. */
    if (hlc_ms(stamp) > wall_ms + LIMIT_CLOCK_AHEAD_MS) return HLC_QUARANTINED;
    hlc->last = later(hlc->last, later(wall, stamp));
    return HLC_OBSERVED;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void hex_write(char *out, uint64_t number, unsigned digits) {
    static const char names[] = "0123456789abcdef";
    for (unsigned i = digits; i > 0; i--) {
        out[i - 1] = names[number & 15];
        number >>= 4;
    }
}

/* Only the digits that hex_write() writes: a stamp has one text, so upper case is no stamp. */
static bool hex_read(const char *text, unsigned digits, uint64_t *number) {
    uint64_t read = 0;
    for (unsigned i = 0; i < digits; i++) {
        char c = text[i];
        uint64_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint64_t)(c - 'a') + 10;
        } else {
            return false; /* the terminator too, so that nothing behind it is read */
        }
        read = read << 4 | digit;
    }
    *number = read;
    return true;
}

void hlc_text(uint64_t stamp, const struct id *device, char out[HLC_TEXT_SIZE]) {
    CHECK(device != NULL);
    CHECK(out != NULL);
    _Static_assert(HLC_TEXT_SIZE == 12 + 1 + 4 + 1 + ID_TEXT_SIZE, "the drawing in hlc.h");
    hex_write(out, hlc_ms(stamp), 12);
    out[12] = '-';
    hex_write(out + 13, stamp & 0xFFFF, 4);
    out[17] = '-';
    id_text(device, out + 18);
}

bool hlc_parse(const char *text, uint64_t *stamp, struct id *device) {
    CHECK(text != NULL);
    CHECK(stamp != NULL && device != NULL);
    uint64_t ms;
    uint64_t counter;
    struct id read;
    if (!hex_read(text, 12, &ms) || text[12] != '-') return false;
    if (!hex_read(text + 13, 4, &counter) || text[17] != '-') return false;
    if (!id_parse(text + 18, &read)) return false;
    *stamp = hlc_pack(ms, (uint16_t)counter);
    *device = read;
    return true;
}
