/* Ranges: a stream cut by versions, with the digest of the rows of each piece.
 *
 *     0 ──── bound[0] ──── bound[1] ──── … ──── bound[count - 1]    a bound is in its left one
 *        sum[0]       sum[1]
 *
 * Two devices whose sums of one range are the same hold the same rows in it (store/digest.h says
 * what a sum is); parked rows count beside those that they stand before, so that a range with one
 * may seem to differ. Pure; no memory but the struct. */
#ifndef WEFT_STORE_RANGES_H
#define WEFT_STORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

struct ranges {
    uint32_t count;
    uint64_t bound[LIMIT_RANGES]; /* increasing */
    uint64_t sum[LIMIT_RANGES];
    bool differs[LIMIT_RANGES]; /* ranges_compare() */
    /* While they are being cut. */
    uint64_t rows;       /* in all of them */
    uint64_t each, last; /* in one of them; in the last of them */
};

/* Cutting rows that come in the order of their versions: into LIMIT_RANGES ranges at most, all but
 * the last of equally many rows, and more than half of LIMIT_RANGES if there are rows enough. */
void ranges_cut_begin(struct ranges *ranges);
void ranges_cut_add(struct ranges *ranges, uint64_t version, uint64_t hash);
/* The last range ends at `position`, behind which no row was added. */
void ranges_cut_end(struct ranges *ranges, uint64_t position);

/* Ranges that somebody else has cut; their sums are 0. `bounds` increase, and are LIMIT_RANGES at
 * most. */
void ranges_begin(struct ranges *ranges, const uint64_t *bounds, uint32_t count);
/* Adds a row to the range that it lies in, if there is one. */
void ranges_add(struct ranges *ranges, uint64_t version, uint64_t hash);

/* Takes in the sums of somebody else. Returns how many differ. */
uint32_t ranges_compare(struct ranges *ranges, const uint64_t *sums);
/* Where the run of ranges ends that all differ, or all do not, and of which the first version
 * behind `cursor` is in the first; 0: there is no range behind it. */
uint64_t ranges_run(const struct ranges *ranges, uint64_t cursor, bool *differs);

#endif
