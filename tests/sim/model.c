/* The rules of owned rows, as a reader of the interface would write them down.
 *
 *   put     the row is there with these cells
 *   set     one cell; WEFT_NOT_FOUND if the row is not there
 *   delete  the row is not there
 *   scan    what was not put or set between its begin and its end, and is in its scope, is deleted
 *
 * Invariant: a step whose answer is not WEFT_OK has changed nothing.
 * Deliberately not here: full disks and crashes, which decide whether a step was applied at all. */
#include "tests/sim/model.h"

#include <string.h>

#include "engine/base/check.h"

static enum weft_status apply_op(struct model *model, const struct op *op) {
    struct model_row *row = &model->row[op->row];
    if (op->refused != WEFT_OK) return op->refused;
    switch (op->kind) {
    case OP_PUT:
        row->there = true;
        memcpy(row->hash, op->hash, sizeof row->hash);
        return WEFT_OK;
    case OP_SET:
        if (!row->there) return WEFT_NOT_FOUND;
        row->hash[op->column] = op->hash[op->column];
        return WEFT_OK;
    default:
        row->there = false;
        return WEFT_OK;
    }
}

static void mark_seen(struct model *model, const struct step *step) {
    for (uint32_t s = 0; s < MODEL_SCANS; s++)
        for (uint32_t i = 0; model->scan[s].id && i < step->op_count; i++)
            if (step->op[i].kind != OP_DELETE) model->scan[s].seen[step->op[i].row] = true;
}

static enum weft_status apply_tx(struct model *model, const struct step *step) {
    struct model_row before[STEP_OPS_MAX];
    CHECK(step->op_count <= STEP_OPS_MAX);
    for (uint32_t i = 0; i < step->op_count; i++) {
        before[i] = model->row[step->op[i].row];
        enum weft_status status = apply_op(model, &step->op[i]);
        if (status == WEFT_OK) continue;
        for (uint32_t back = i + 1; back-- > 0;)
            model->row[step->op[back].row] = before[back];
        return status;
    }
    mark_seen(model, step);
    return WEFT_OK;
}

static struct model_scan *find_scan(struct model *model, uint64_t id) {
    for (uint32_t s = 0; s < MODEL_SCANS; s++)
        if (model->scan[s].id == id) return &model->scan[s];
    return NULL;
}

static enum weft_status scan_begin(struct model *model, const struct step *step) {
    struct model_scan *scan = find_scan(model, 0);
    CHECK(scan != NULL && step->scan != 0);
    *scan = (struct model_scan){
        .id = step->scan, .table = step->table, .column = step->column, .scope = step->scope};
    return WEFT_OK;
}

bool model_sweep(const struct model *model, uint64_t id, bool doomed[ROWS]) {
    const struct model_scan *scan = NULL;
    for (uint32_t s = 0; s < MODEL_SCANS; s++)
        if (model->scan[s].id == id) scan = &model->scan[s];
    memset(doomed, 0, ROWS * sizeof doomed[0]);
    if (!scan) return false;
    const struct table_shape *shape = &table_shapes[scan->table];
    for (uint32_t row = shape->first_row; row < shape->first_row + shape->row_count; row++)
        doomed[row] = model->row[row].there && !scan->seen[row] &&
                      model->row[row].hash[scan->column] == scan->scope;
    return true;
}

static enum weft_status scan_end(struct model *model, const struct step *step) {
    bool doomed[ROWS];
    if (!model_sweep(model, step->scan, doomed)) return WEFT_NOT_FOUND;
    for (uint32_t row = 0; row < ROWS; row++)
        if (doomed[row]) model->row[row].there = false;
    find_scan(model, step->scan)->id = 0;
    return WEFT_OK;
}

enum weft_status model_apply(struct model *model, const struct step *step) {
    if (step->kind == STEP_TX) return apply_tx(model, step);
    return step->kind == STEP_SCAN_BEGIN ? scan_begin(model, step) : scan_end(model, step);
}

void model_fail(struct model *model, const struct step *step) {
    for (uint32_t s = 0; step->kind == STEP_TX && s < MODEL_SCANS; s++)
        for (uint32_t i = 0; i < step->op_count; i++)
            if (table_of(step->op[i].row) == model->scan[s].table) model->scan[s].id = 0;
}

uint64_t model_digest(const struct model *model, uint32_t row) {
    CHECK(row < ROWS);
    return model->row[row].there ? cells_digest(table_of(row), model->row[row].hash) : 0;
}

void model_forget_scans(struct model *model) {
    for (uint32_t s = 0; s < MODEL_SCANS; s++)
        model->scan[s].id = 0;
}
