/* What a device's own rows must be: a plain table of rows, and the rules by which a transaction
 * changes it. It knows nothing of clocks, versions, logs or peers. */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "tests/sim/commons.h"

#define MODEL_SCANS 2u
#define STEP_OPS_MAX 24u
#define STEP_SHARED_MAX 12u

struct model_row {
    bool there;
    uint64_t hash[COLUMNS_MAX];
};

/* A rescan that has begun. */
struct model_scan {
    uint64_t id; /* 0: none */
    enum table table;
    uint32_t column;
    uint64_t scope; /* hash of the value */
    bool seen[ROWS];
};

struct model {
    struct model_row row[ROWS];
    struct model_scan scan[MODEL_SCANS];
};

enum op_kind { OP_PUT, OP_SET, OP_DELETE };

struct op {
    enum op_kind kind;
    uint32_t row;
    uint32_t column;            /* SET */
    uint64_t hash[COLUMNS_MAX]; /* PUT: all; SET: that column */
    enum weft_status refused;   /* what the engine must say to this one; WEFT_OK: nothing wrong */
};

/* One on a row of the commons. */
struct shared_op {
    enum op_kind kind;
    uint32_t row;
    uint32_t column;                /* SET */
    uint64_t hash[COMMONS_COLUMNS]; /* PUT: all; SET: that column */
};

enum step_kind { STEP_TX, STEP_SCAN_BEGIN, STEP_SCAN_END };

/* One thing submitted to an engine. */
struct step {
    enum step_kind kind;
    uint64_t ticket;
    uint64_t at_us; /* when it was submitted */
    bool told;      /* the engine has sent its answer */
    bool may_fail;  /* the disk was full or ailed while it waited: it may say so */
    uint64_t scan;  /* begin, end */
    enum table table;
    uint32_t column;
    uint64_t scope;
    uint32_t op_count;
    struct op op[STEP_OPS_MAX];
    /* What it does to the commons, and what is known of that (ledger.c). */
    uint32_t shared_count;
    struct shared_op shared[STEP_SHARED_MAX];
    enum version version;    /* of the program that wrote it */
    bool judged;             /* its answer has been seen and is right ... */
    enum weft_status answer; /* ... this one */
    bool recorded;           /* its record has been seen, and no answer */
};

/* Applies a step, all of it or nothing; returns what the engine must answer. */
enum weft_status model_apply(struct model *model, const struct step *step);
/* A transaction failed: the rescans of its tables are given up. */
void model_fail(struct model *model, const struct step *step);
/* Rows that the end of this scan would delete, as flags. False: there is no such scan. */
bool model_sweep(const struct model *model, uint64_t scan, bool doomed[ROWS]);
/* The digest of a row; 0: it is not there. */
uint64_t model_digest(const struct model *model, uint32_t row);
/* A restarted engine knows no scans. */
void model_forget_scans(struct model *model);

#endif
