/* See fold.h. Invariant: fold_say() takes maxima only, so nothing depends on the order of calls.
 * Deliberately not here: which records there are (ledger.c). */
#include "tests/sim/fold.h"

#include <string.h>

#include "engine/base/check.h"

#define LATER (UINT64_C(1) << 62) /* a stamp after all others */

static int compare(const struct fold *fold, const struct mark *a, const struct mark *b) {
    if (a->hlc != b->hlc) return a->hlc < b->hlc ? -1 : 1;
    if (a->hlc == 0) return 0;
    const struct id *of = fold->cast->device;
    const int devices = memcmp(of[a->device].bytes, of[b->device].bytes, sizeof of[0].bytes);
    if (devices != 0) return devices;
    return (a->incarnation > b->incarnation) - (a->incarnation < b->incarnation);
}

void fold_begin(struct fold *fold, const struct cast *cast, const struct commons_rules *rules) {
    memset(fold, 0, sizeof *fold);
    fold->cast = cast;
    fold->rules = *rules;
}

bool fold_say(struct fold *fold, const struct said *said) {
    struct fold_row *row = &fold->row[said->row];
    struct mark *existence = said->what == SAID_CREATE   ? &row->created
                             : said->what == SAID_DELETE ? &row->deleted
                                                         : NULL;
    bool news = existence && compare(fold, &said->mark, existence) > 0;
    if (news) *existence = said->mark;
    for (uint32_t c = 0; c < COMMONS_COLUMNS; c++) {
        struct mark *written = &row->written[c];
        if (said->writes >> c & 1 && compare(fold, &said->mark, &row->deleted) > 0 &&
            compare(fold, &said->mark, written) > 0) {
            *written = said->mark;
            row->value[c] = said->value[c];
            news = true;
        }
        if (compare(fold, written, &row->deleted) <= 0) *written = (struct mark){0};
    }
    return news;
}

uint32_t fold_scroll(struct fold *fold, const struct scroll *scroll) {
    uint32_t beaten = 0;
    for (uint32_t i = 0; i < scroll->count; i++)
        beaten += !fold_say(fold, &scroll->said[i]);
    return beaten;
}

uint64_t fold_cell(const struct fold *fold, uint32_t row, uint32_t column) {
    const struct fold_row *of = &fold->row[row];
    if (of->written[column].hlc) return of->value[column];
    return commons_default(commons_table_of(row), column);
}

static bool is_there(const struct fold *fold, uint32_t row) {
    return compare(fold, &fold->row[row].created, &fold->row[row].deleted) > 0;
}

static bool is_taken(const struct fold *fold, uint32_t row) {
    if (!fold->rules.checked || commons_table_of(row) != COMMONS_TAG) return true;
    return fold_cell(fold, row, TAG_NOTE) == null_hash() ||
           fold_cell(fold, row, TAG_COLOR) != null_hash();
}

/* Whether two tags cannot stand together. */
static bool are_rivals(const struct fold *fold, uint32_t a, uint32_t b) {
    if (!fold->rules.unique || a == b) return false;
    if (commons_table_of(a) != COMMONS_TAG || commons_table_of(b) != COMMONS_TAG) return false;
    const uint64_t name = fold_cell(fold, a, TAG_NAME);
    return name != null_hash() && name == fold_cell(fold, b, TAG_NAME);
}

/* The eldest row that has not been placed; false: there is none. */
static bool eldest(const struct fold *fold, const enum stand out[COMMONS_ROWS], uint32_t *row) {
    bool found = false;
    for (uint32_t r = 0; r < COMMONS_ROWS; r++) {
        if (out[r] != STAND_NOWHERE || !is_there(fold, r)) continue;
        if (found && compare(fold, &fold->row[r].created, &fold->row[*row].created) > 0) continue;
        found = true;
        *row = r;
    }
    return found;
}

void fold_stands(const struct fold *fold, enum stand out[COMMONS_ROWS]) {
    uint32_t row = 0;
    memset(out, 0, COMMONS_ROWS * sizeof out[0]);
    while (eldest(fold, out, &row)) {
        out[row] = is_taken(fold, row) ? STAND_SHOWN : STAND_REFUSED;
        for (uint32_t r = 0; out[row] == STAND_SHOWN && r < COMMONS_ROWS; r++)
            if (out[r] == STAND_SHOWN && are_rivals(fold, row, r)) out[row] = STAND_BEHIND;
    }
    for (uint32_t r = 0; r < COMMONS_ROWS; r++) {
        bool any = fold->row[r].created.hlc || fold->row[r].deleted.hlc;
        for (uint32_t c = 0; c < COMMONS_COLUMNS; c++)
            any = any || fold->row[r].written[c].hlc;
        if (out[r] == STAND_NOWHERE && any) out[r] = STAND_GONE;
    }
}

/* ---- what a host's step does ----------------------------------------------------------------- */

/* What the record is to say of an operation; false: nothing. */
static bool expect(const struct fold *fold, const struct shared_op *op, enum version version,
                   uint32_t device, struct said *out, struct foresight *sight) {
    const enum commons_table table = commons_table_of(op->row);
    const struct commons_shape *shape = &commons_shapes[table];
    const bool there = is_there(fold, op->row);
    *out = (struct said){.row = op->row, .what = there ? SAID_UPDATE : SAID_CREATE};
    if (op->kind == OP_DELETE) {
        out->what = SAID_DELETE;
        return there;
    }
    if (op->kind == OP_SET && !there) sight->not_found = true;
    for (uint32_t c = shape->key_count; c < commons_columns(table, version); c++) {
        const bool null = op->hash[c] == null_hash();
        bool says = there ? op->hash[c] != fold_cell(fold, op->row, c) : !shape->atomic || !null;
        if (op->kind == OP_SET && (c != op->column || !there)) continue;
        if (op->kind == OP_PUT && null && shape->optional >> c & 1) says = false;
        out->value[c] = op->hash[c];
        if (c == shape->node) {
            says = !there;
            out->value[c] = commons_node(fold->cast, device);
        }
        if (says) out->writes |= 1u << c;
    }
    return out->what == SAID_CREATE ? op->kind == OP_PUT : out->writes != 0;
}

static bool same(const struct said *a, const struct said *b) {
    if (a->what != b->what || a->row != b->row || a->writes != b->writes) return false;
    for (uint32_t c = 0; c < COMMONS_COLUMNS; c++)
        if (a->writes >> c & 1 && a->value[c] != b->value[c]) return false;
    return true;
}

/* The next thing a record says of a table, from `*at`; NULL: no more. */
static const struct said *next_said(const struct scroll *record, enum commons_table table,
                                    uint32_t *at) {
    for (; record && *at < record->count; ++*at)
        if (commons_table_of(record->said[*at].row) == table) return &record->said[(*at)++];
    return NULL;
}

/* The operations on one table, which stand together in the record. */
static void foresee_table(struct fold *fold, const struct step *step, enum commons_table table,
                          uint32_t device, const struct scroll *record, struct foresight *sight) {
    enum stand stands[COMMONS_ROWS];
    uint32_t at = 0;
    uint64_t hlc = LATER, last = 0;
    fold_stands(fold, stands);
    for (uint32_t i = 0; i < step->shared_count && !sight->refused; i++) {
        const struct shared_op *op = &step->shared[i];
        struct said said;
        if (commons_table_of(op->row) != table) continue;
        const bool says = expect(fold, op, step->version, device, &said, sight);
        sight->refused = sight->not_found;
        if (!says) continue;
        const struct said *found = next_said(record, table, &at);
        said.mark = found ? found->mark : (struct mark){hlc++, device, UINT64_MAX};
        if (record && (!found || !same(found, &said) || found->mark.hlc <= last)) {
            sight->matches = false;
            return;
        }
        last = said.mark.hlc;
        sight->said++;
        if (!fold_say(fold, &said)) continue;
        stands[op->row] = is_there(fold, op->row) ? STAND_SHOWN : STAND_GONE;
        if (stands[op->row] == STAND_GONE) continue;
        bool fits = is_taken(fold, op->row);
        for (uint32_t r = 0; r < COMMONS_ROWS; r++)
            if (stands[r] == STAND_SHOWN && are_rivals(fold, op->row, r)) fits = false;
        if (!fits) sight->constraint = sight->refused = true;
    }
    if (next_said(record, table, &at)) sight->matches = false;
}

struct foresight fold_foresee(const struct fold *fold, const struct step *step, uint32_t device,
                              const struct scroll *record) {
    struct foresight all = {.matches = record != NULL};
    struct fold now = *fold;
    for (int t = 0; t < COMMONS_COUNT; t++) {
        struct foresight one = {.matches = record != NULL};
        foresee_table(&now, step, (enum commons_table)t, device, record, &one);
        all.said += one.said;
        all.not_found = all.not_found || one.not_found;
        all.constraint = all.constraint || one.constraint;
        all.matches = all.matches && one.matches;
    }
    all.refused = all.not_found || all.constraint;
    all.matches = all.matches && !all.refused;
    return all;
}
