/* The merge of a row that everybody may write: per field, the greatest stamp wins.
 *
 *   created   the greatest stamp of a creation              the row is to be seen when it was
 *   deleted   the greatest stamp of a deletion              created after it was last deleted
 *   field f   the greatest stamp of a write of f after `deleted`; writes before it have gone
 *
 * So what a row is follows from the set of what was said of it, whatever the order in which that
 * came, how often, and in how many parts: each of the three is a maximum. A deletion ends what was
 * written before it: a row that comes back begins with what its creation says, and with writes that
 * were made later than the deletion by devices that had not heard of it.
 * Source: the last-writer-wins register of Shapiro, Preguiça, Baquero, Zawirski, "A comprehensive
 * study of Convergent and Commutative Replicated Data Types", 2011, section 3.2.1, one for each
 * field and two for existence; stamps are those of crdt/hlc.h.
 * Pure: no allocation, no clock. Values are not looked at; the caller keeps them by the fields'
 * numbers. */
#ifndef WEFT_CRDT_MERGE_H
#define WEFT_CRDT_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/limits.h"

struct stamp {
    uint64_t hlc;    /* 0: never */
    uint32_t origin; /* whose: a number that is local to the file */
};

/* Which of two origins goes first when their stamps have one time. It must say the same on every
 * device, so it does not go by the numbers; 0 for no two of them: one of two writes would be lost
 * here and the other there. */
struct stamp_order {
    int (*compare)(const void *context, uint32_t a, uint32_t b);
    const void *context;
};

/* < 0, 0, > 0. Equal stamps are one write. */
int stamp_compare(const struct stamp *a, const struct stamp *b, const struct stamp_order *order);

/* What a row was told, and when. Fields from field_count on have no stamp; the last one before it
 * need not have one either. */
struct merge_row {
    struct stamp created, deleted;
    uint32_t field_count;
    struct stamp fields[LIMIT_FIELDS];
};

/* What is said of a row: by an op, whose stamps are all the same, or by a whole row of another
 * device. */
struct merge_change {
    struct stamp created, deleted; /* hlc 0: nothing is said of it */
    uint32_t count;                /* at most LIMIT_FIELDS */
    const uint32_t *fields;        /* their numbers, below LIMIT_FIELDS, each once */
    const struct stamp *stamps;
};

#define MERGE_WORDS (LIMIT_FIELDS / 64u)

struct merge_verdict {
    bool news;                     /* the row is another than before */
    uint32_t beaten;               /* writes of the change that lost against another origin's */
    uint64_t won[MERGE_WORDS];     /* bit i: the change's i-th write is the field's value now */
    uint64_t cleared[MERGE_WORDS]; /* bit f: field f had a value, and has none any more */
};

static inline bool merge_bit(const uint64_t bits[MERGE_WORDS], uint32_t at) {
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

/* Merges a change into a row. What a verdict says may be carried out in any order: no field is both
 * won and cleared. */
void merge_apply(struct merge_row *row, const struct merge_change *change,
                 const struct stamp_order *order, struct merge_verdict *out);

/* Whether the row is there. */
bool merge_visible(const struct merge_row *row, const struct stamp_order *order);

#endif
