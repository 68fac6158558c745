/* The clock against an oracle that keeps milliseconds and counter apart, as the paper does.
 *
 *     input = steps; a step is one byte, the step's number, and what it needs, little-endian:
 *     0 wall forward u16 │ 1 wall back u16 │ 2 wall set u48 │ 3 tick u8 + 1 │ 4 tick u24 + 1
 *     5 observe, from the clock by i32 │ 6 observe u64 │ 7 restart from what is stored
 *
 * What the input lacks reads as zero. The input as a whole is then read as a stamp's text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/crdt/hlc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Half of what a stamp can hold, so that no number of ticks reaches the end of time. */
#define WALL_MAX ((UINT64_C(1) << 47) - 1)
#define COUNTERS (UINT64_C(1) << 16)

struct input {
    const uint8_t *data;
    size_t size;
};

static uint64_t input_take(struct input *input, size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes && input->size > 0; i++) {
        number |= (uint64_t)*input->data << 8 * i;
        input->data++;
        input->size--;
    }
    return number;
}

struct oracle {
    uint64_t l; /* milliseconds */
    uint64_t c; /* counter, below COUNTERS */
};

static void oracle_count(struct oracle *oracle, uint64_t by) {
    oracle->c += by;
    oracle->l += oracle->c / COUNTERS;
    oracle->c %= COUNTERS;
}

static void oracle_raise(struct oracle *oracle, uint64_t l, uint64_t c) {
    if (l < oracle->l || (l == oracle->l && c <= oracle->c)) return;
    oracle->l = l;
    oracle->c = c;
}

static void compare(const struct hlc *hlc, const struct oracle *oracle) {
    CHECK(oracle->c < COUNTERS);
    CHECK(hlc_ms(hlc->last) == oracle->l);
    CHECK((hlc->last & (COUNTERS - 1)) == oracle->c);
}

static void step_tick(struct hlc *hlc, struct oracle *oracle, uint64_t wall, uint32_t count) {
    const uint64_t before = hlc->last;
    const uint64_t first = hlc_tick(hlc, wall, count);
    if (wall > oracle->l) {
        *oracle = (struct oracle){wall, 0};
    } else {
        oracle_count(oracle, 1);
    }
    CHECK(first > before);
    CHECK(first == hlc_pack(oracle->l, (uint16_t)oracle->c));
    CHECK(hlc->last - first == count - 1);
    CHECK(hlc_ms(first) >= wall);
    oracle_count(oracle, count - 1);
}

static void step_observe(struct hlc *hlc, struct oracle *oracle, uint64_t wall, uint64_t stamp) {
    const uint64_t before = hlc->last;
    const uint64_t ms = stamp / COUNTERS;
    const bool far = ms > wall && ms - wall > LIMIT_CLOCK_AHEAD_MS;
    const enum hlc_verdict verdict = hlc_observe(hlc, wall, stamp);
    CHECK(verdict == (far ? HLC_QUARANTINED : HLC_OBSERVED));
    if (far) {
        CHECK(hlc->last == before);
        return;
    }
    CHECK(hlc->last >= before && hlc->last >= stamp);
    oracle_raise(oracle, wall, 0);
    oracle_raise(oracle, ms, stamp % COUNTERS);
}

static void check_steps(struct input input) {
    uint64_t wall = input_take(&input, 6) & WALL_MAX;
    struct oracle oracle = {wall, 0};
    struct hlc hlc;
    hlc_start(&hlc, 0, wall);
    while (input.size > 0) {
        uint64_t by;
        switch (input_take(&input, 1) % 8) {
        case 0:
            wall += input_take(&input, 2);
            if (wall > WALL_MAX) wall = WALL_MAX;
            break;
        case 1:
            by = input_take(&input, 2);
            wall = by > wall ? 0 : wall - by;
            break;
        case 2:
            wall = input_take(&input, 6) & WALL_MAX;
            break;
        case 3:
            step_tick(&hlc, &oracle, wall, (uint32_t)input_take(&input, 1) + 1);
            break;
        case 4:
            step_tick(&hlc, &oracle, wall, (uint32_t)input_take(&input, 3) + 1);
            break;
        case 5:
            by = input_take(&input, 4);
            step_observe(&hlc, &oracle, wall, hlc.last + by - (UINT64_C(1) << 31));
            break;
        case 6:
            step_observe(&hlc, &oracle, wall, input_take(&input, 8));
            break;
        default:
            hlc_start(&hlc, hlc.last, wall);
            oracle_raise(&oracle, wall, 0);
            break;
        }
        compare(&hlc, &oracle);
    }
}

/* A stamp has one text: what is read is written again as it was, and what is written is read. */
static void check_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    uint64_t stamp;
    struct id device;
    char again[HLC_TEXT_SIZE];
    if (hlc_parse(text, &stamp, &device)) {
        hlc_text(stamp, &device, again);
        CHECK(strcmp(again, text) == 0);
    }
    free(text);

    uint8_t block[24] = {0};
    if (size > 0) memcpy(block, data, size < sizeof block ? size : sizeof block);
    struct id read;
    uint64_t read_stamp;
    stamp = load_u64(block);
    CHECK(id_read(&device, block + 8, 16));
    hlc_text(stamp, &device, again);
    CHECK(hlc_parse(again, &read_stamp, &read));
    CHECK(read_stamp == stamp && id_equal(&read, &device));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_steps((struct input){data, size});
    check_text(data, size);
    return 0;
}
