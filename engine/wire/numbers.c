/* Sequences of numbers: the values and the differences between neighbours are each measured, and
 * the cheaper of the two is written. The forms are drawn in numbers.h.
 *
 * Invariants
 *   1. The measured cost of a body is never below what it takes, so that a chosen one fits
 *      NUMBERS_PACKED_MAX, which is what the frame of the values needs in the worst case.
 *   2. Reading checks that the bytes of a form are there before the loop that uses them.
 * Not here: what the numbers mean, and bounds on them. Whoever reads sizes or indexes checks those.
 */
#include "engine/wire/numbers.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#define SAMPLES 64u
#define FEW 8u /* fewer numbers are written in the least bytes, whatever reading costs */

enum body { BODY_FRAME, BODY_VARINTS, BODY_RUNS, BODY_COUNT };

/* How to write a sequence, and what that costs: its bytes, and for slow reading some more. */
struct plan {
    enum body body;
    size_t cost;
    uint64_t low, high; /* of the numbers, as signed ones */
};

static unsigned bits_of(uint64_t range) {
    return range == 0 ? 0 : 64u - (unsigned)__builtin_clzll(range);
}

static size_t zigzag_size(uint64_t value) {
    return varint_size(varint_zigzag(value));
}

static size_t frame_size(uint64_t low, uint64_t high, uint32_t n) {
    return zigzag_size(low) + 1 + ((size_t)bits_of(high - low) * n + 7) / 8;
}

static size_t varints_size(const uint64_t *values, uint32_t n, uint32_t stride) {
    size_t size = 0;
    for (uint32_t i = 0; i < n; i += stride)
        size += zigzag_size(values[i]);
    return size;
}

/* A length takes two bytes at most, because there are at most LIMIT_ROWS numbers. */
static size_t runs_size(const uint64_t *values, uint32_t n) {
    size_t size = zigzag_size(values[0]) + 2;
    for (uint32_t i = 1; i < n; i++) {
        if (values[i] != values[i - 1]) size += zigzag_size(values[i] - values[i - 1]) + 2;
    }
    return size;
}

/* Plans a sequence. Frames are read several times as fast as varints, which have to save a byte a
 * number; where a few numbers of many do not promise that, the rest is not looked at. */
static struct plan plan(const uint64_t *values, uint32_t n) {
    int64_t low = (int64_t)values[0], high = low;
    size_t runs = 1;
    for (uint32_t i = 1; i < n; i++) {
        const int64_t value = (int64_t)values[i];
        low = value < low ? value : low;
        high = value > high ? value : high;
        runs += values[i] != values[i - 1];
    }
    struct plan plan = {BODY_FRAME, 0, (uint64_t)low, (uint64_t)high};
    plan.cost = frame_size(plan.low, plan.high, n);
    if (2 * runs < plan.cost) {
        const size_t size = runs_size(values, n);
        if (size < plan.cost) {
            plan.body = BODY_RUNS;
            plan.cost = size;
        }
    }
    const size_t slow = n < FEW ? 0 : n;
    const uint32_t stride = n < 4 * SAMPLES ? 1 : n / SAMPLES;
    if (n + slow >= plan.cost || varints_size(values, n, stride) * stride + slow >= plan.cost)
        return plan;
    const size_t size = varints_size(values, n, 1);
    if (size + slow >= plan.cost) return plan;
    plan.body = BODY_VARINTS;
    plan.cost = size + slow;
    return plan;
}

static uint8_t *put_frame(uint8_t *at, const uint64_t *values, uint32_t n, uint64_t low,
                          uint64_t high) {
    const unsigned width = bits_of(high - low);
    at = varint_put(at, varint_zigzag(low));
    *at++ = (uint8_t)width;
    if (width == 0) return at;
    uint64_t word = 0;
    unsigned fill = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t offset = values[i] - low;
        word |= offset << fill;
        fill += width;
        if (fill < 64) continue;
        store_u64(at, word);
        at += 8;
        fill -= 64;
        word = fill == 0 ? 0 : offset >> (width - fill);
    }
    for (; fill > 0; fill -= fill < 8 ? fill : 8) {
        *at++ = (uint8_t)word;
        word >>= 8;
    }
    return at;
}

static uint8_t *put_varints(uint8_t *at, const uint64_t *values, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        at = varint_put(at, varint_zigzag(values[i]));
    return at;
}

static uint8_t *put_runs(uint8_t *at, const uint64_t *values, uint32_t n) {
    uint64_t before = 0;
    for (uint32_t i = 0; i < n;) {
        uint32_t end = i + 1;
        while (end < n && values[end] == values[i])
            end++;
        at = varint_put(at, varint_zigzag(values[i] - before));
        at = varint_put(at, end - i - 1);
        before = values[i];
        i = end;
    }
    return at;
}

static uint8_t *put_body(uint8_t *at, const struct plan *plan, const uint64_t *values, uint32_t n) {
    switch (plan->body) {
    case BODY_VARINTS:
        return put_varints(at, values, n);
    case BODY_RUNS:
        return put_runs(at, values, n);
    default:
        return put_frame(at, values, n, plan->low, plan->high);
    }
}

static void to_steps(uint64_t *values, uint32_t n) {
    for (uint32_t i = n - 1; i > 0; i--)
        values[i] -= values[i - 1];
}

static void from_steps(uint64_t *values, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        values[i] += values[i - 1];
}

enum weft_status numbers_pack(struct sink *sink, uint64_t *values, uint32_t n) {
    CHECK(n >= 1 && n <= LIMIT_ROWS);
    uint8_t *const begin = sink_room(sink, NUMBERS_PACKED_MAX(n));
    if (begin == NULL) return WEFT_NO_MEMORY;
    uint8_t *at = begin;
    const struct plan by_value = plan(values, n);
    if (n > 1 && by_value.low != by_value.high) {
        to_steps(values, n);
        const struct plan by_step = plan(values + 1, n - 1);
        if (zigzag_size(values[0]) + by_step.cost < by_value.cost) {
            *at++ = (uint8_t)(BODY_COUNT + by_step.body);
            at = varint_put(at, varint_zigzag(values[0]));
            at = put_body(at, &by_step, values + 1, n - 1);
            CHECK((size_t)(at - begin) <= NUMBERS_PACKED_MAX(n));
            sink_wrote(sink, at);
            return WEFT_OK;
        }
        from_steps(values, n);
    }
    *at++ = (uint8_t)by_value.body;
    at = put_body(at, &by_value, values, n);
    CHECK((size_t)(at - begin) <= NUMBERS_PACKED_MAX(n));
    sink_wrote(sink, at);
    return WEFT_OK;
}

static inline uint64_t get_word(const uint8_t *at, unsigned shift, unsigned width) {
    uint64_t word = load_u64(at) >> shift;
    if (shift + width > 64) word |= (uint64_t)at[8] << (64 - shift);
    return word;
}

/* `bits` has the bytes that n values take. A word is loaded whole, so the values within nine bytes
 * of the end are read from a padded copy. */
static void get_bits(const uint8_t *bits, size_t size, uint64_t *out, uint32_t n, uint64_t low,
                     unsigned width) {
    const uint64_t mask = UINT64_MAX >> (64 - width);
    size_t whole = size < 9 ? 0 : ((size - 9) * 8 + 7) / width + 1;
    if (whole > n) whole = n;
    for (size_t i = 0; i < whole; i++) {
        const size_t bit = i * width;
        out[i] = low + (get_word(bits + (bit >> 3), bit & 7, width) & mask);
    }
    for (size_t i = whole; i < n; i++) {
        const size_t bit = i * width;
        uint8_t padded[9] = {0};
        memcpy(padded, bits + (bit >> 3), size - (bit >> 3));
        out[i] = low + (get_word(padded, bit & 7, width) & mask);
    }
}

static enum weft_status get_frame(struct cursor *cursor, uint64_t *out, uint32_t n) {
    uint64_t low;
    uint8_t width;
    if (!cursor_varint(cursor, &low) || !cursor_byte(cursor, &width))
        return cursor_fail(cursor, WEFT_PROTOCOL, "a frame of numbers ends early");
    if (width > 64) return cursor_fail(cursor, WEFT_PROTOCOL, "a number has more than 64 bits");
    low = varint_unzigzag(low);
    if (width == 0) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = low;
        return WEFT_OK;
    }
    const size_t size = ((size_t)width * n + 7) / 8;
    const uint8_t *bits = cursor_take(cursor, size);
    if (bits == NULL) return cursor_fail(cursor, WEFT_PROTOCOL, "a frame of numbers ends early");
    get_bits(bits, size, out, n, low, width);
    return WEFT_OK;
}

static enum weft_status get_varints(struct cursor *cursor, uint64_t *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t folded;
        if (!cursor_varint(cursor, &folded))
            return cursor_fail(cursor, WEFT_PROTOCOL, "a varint ends early or is too long");
        out[i] = varint_unzigzag(folded);
    }
    return WEFT_OK;
}

static enum weft_status get_runs(struct cursor *cursor, uint64_t *out, uint32_t n) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < n;) {
        uint64_t step, more;
        if (!cursor_varint(cursor, &step) || !cursor_varint(cursor, &more))
            return cursor_fail(cursor, WEFT_PROTOCOL, "a varint ends early or is too long");
        if (more >= n - i)
            return cursor_fail(cursor, WEFT_PROTOCOL, "a run is longer than the rows");
        value += varint_unzigzag(step);
        for (const uint32_t end = i + (uint32_t)more + 1; i < end; i++)
            out[i] = value;
    }
    return WEFT_OK;
}

static enum weft_status get_body(struct cursor *cursor, uint8_t body, uint64_t *out, uint32_t n) {
    switch (body) {
    case BODY_FRAME:
        return get_frame(cursor, out, n);
    case BODY_VARINTS:
        return get_varints(cursor, out, n);
    case BODY_RUNS:
        return get_runs(cursor, out, n);
    default:
        return cursor_fail(cursor, WEFT_PROTOCOL, "numbers have an unknown form");
    }
}

enum weft_status numbers_unpack(struct cursor *cursor, uint64_t *out, uint32_t n) {
    CHECK(n >= 1 && n <= LIMIT_ROWS);
    uint8_t form;
    if (!cursor_byte(cursor, &form))
        return cursor_fail(cursor, WEFT_PROTOCOL, "the form of some numbers is missing");
    if (form < BODY_COUNT) return get_body(cursor, form, out, n);
    enum weft_status status = get_varints(cursor, out, 1);
    if (status == WEFT_OK) status = get_body(cursor, form - BODY_COUNT, out + 1, n - 1);
    if (status == WEFT_OK) from_steps(out, n);
    return status;
}
