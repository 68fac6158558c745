/* See ranges.h. A cut begins with one row in each range. When there are too many ranges, each two
 * neighbours become one, which is an addition: so neither the number of rows nor the versions have
 * to be known before. */
#include "engine/store/ranges.h"

#include <string.h>

#include "engine/base/check.h"

_Static_assert(LIMIT_RANGES % 2 == 0, "ranges are joined in pairs");

void ranges_cut_begin(struct ranges *ranges) {
    *ranges = (struct ranges){.each = 1};
}

static void join_pairs(struct ranges *ranges) {
    CHECK(ranges->count == LIMIT_RANGES && ranges->last == ranges->each);
    for (uint32_t i = 0; i < LIMIT_RANGES / 2; i++) {
        ranges->bound[i] = ranges->bound[2 * i + 1];
        ranges->sum[i] = ranges->sum[2 * i] + ranges->sum[2 * i + 1];
    }
    ranges->count = LIMIT_RANGES / 2;
    ranges->each *= 2;
    ranges->last = ranges->each;
}

void ranges_cut_add(struct ranges *ranges, uint64_t version, uint64_t hash) {
    CHECK(ranges->each != 0 && ranges->count <= LIMIT_RANGES);
    ranges->rows++;
    if (ranges->count != 0 && version <= ranges->bound[ranges->count - 1]) {
        ranges->sum[ranges->count - 1] += hash; /* One version twice: only a damaged file has it. */
        return;
    }
    if (ranges->count == 0 || ranges->last == ranges->each) {
        if (ranges->count == LIMIT_RANGES) join_pairs(ranges);
        ranges->sum[ranges->count++] = 0;
        ranges->last = 0;
    }
    ranges->bound[ranges->count - 1] = version;
    ranges->sum[ranges->count - 1] += hash;
    ranges->last++;
}

void ranges_cut_end(struct ranges *ranges, uint64_t position) {
    if (ranges->count == 0) ranges->count = 1; /* One range without rows: its sum is 0. */
    CHECK(ranges->bound[ranges->count - 1] <= position);
    ranges->bound[ranges->count - 1] = position;
}

void ranges_begin(struct ranges *ranges, const uint64_t *bounds, uint32_t count) {
    CHECK(count >= 1 && count <= LIMIT_RANGES);
    *ranges = (struct ranges){.count = count};
    memcpy(ranges->bound, bounds, count * sizeof *bounds);
}

/* The range that a version lies in; `count`: none. */
static uint32_t find(const struct ranges *ranges, uint64_t version) {
    uint32_t low = 0, high = ranges->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (ranges->bound[middle] < version) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void ranges_add(struct ranges *ranges, uint64_t version, uint64_t hash) {
    const uint32_t at = find(ranges, version);
    if (at < ranges->count) ranges->sum[at] += hash;
}

uint32_t ranges_compare(struct ranges *ranges, const uint64_t *sums) {
    uint32_t differing = 0;
    for (uint32_t i = 0; i < ranges->count; i++) {
        ranges->differs[i] = ranges->sum[i] != sums[i];
        differing += ranges->differs[i];
    }
    return differing;
}

uint64_t ranges_run(const struct ranges *ranges, uint64_t cursor, bool *differs) {
    uint32_t at = find(ranges, cursor + 1);
    if (at == ranges->count) return 0;
    *differs = ranges->differs[at];
    while (at + 1 < ranges->count && ranges->differs[at + 1] == *differs)
        at++;
    return ranges->bound[at];
}
