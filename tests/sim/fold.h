/* What the shared rows must be: the fold of all that was said of them, in whatever order. Plain
 * arrays; it knows nothing of how the engine keeps or merges them.
 *
 *   created   the greatest mark of a creation
 *   deleted   the greatest mark of a deletion
 *   a field   the greatest write of it among those later than `deleted`
 *   there     created > deleted */
#ifndef SIM_FOLD_H
#define SIM_FOLD_H

#include "tests/sim/model.h"
#include "tests/sim/scroll.h"

struct fold_row {
    struct mark created, deleted;
    struct mark written[COMMONS_COLUMNS];
    uint64_t value[COMMONS_COLUMNS];
};

struct fold {
    const struct cast *cast;
    struct commons_rules rules;
    struct fold_row row[COMMONS_ROWS];
};

/* Where a row is. */
enum stand {
    STAND_NOWHERE, /* nothing was said of it */
    STAND_GONE,    /* it is deleted, or not created yet */
    STAND_REFUSED, /* its table's CHECK does not take it */
    STAND_BEHIND,  /* a row that was created earlier has its name */
    STAND_SHOWN
};

void fold_begin(struct fold *fold, const struct cast *cast, const struct commons_rules *rules);
/* Adds what was said; true when that changed anything. */
bool fold_say(struct fold *fold, const struct said *said);
/* All that a record says; returns how much of it changed nothing. */
uint32_t fold_scroll(struct fold *fold, const struct scroll *scroll);
void fold_stands(const struct fold *fold, enum stand out[COMMONS_ROWS]);
/* What a row shows in a column that is not of its key. */
uint64_t fold_cell(const struct fold *fold, uint32_t row, uint32_t column);

/* What becomes of a step that is written now. */
struct foresight {
    uint32_t said; /* how many rows its record says something of; 0: there is none */
    bool refused;  /* by NOT_FOUND or CONSTRAINT: */
    bool not_found, constraint;
    bool matches; /* the record is this step's */
};
/* `record` NULL: none is known. */
struct foresight fold_foresee(const struct fold *fold, const struct step *step, uint32_t device,
                              const struct scroll *record);

#endif
