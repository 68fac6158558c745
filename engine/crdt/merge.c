/* See merge.h. Invariants
 *   1. created, deleted and every field's stamp only grow, but for a field that a deletion ends.
 *   2. No field's stamp is `deleted` or below it.
 *   3. Merging what was merged before changes nothing.
 *   4. A write that loses leaves no trace, not even in field_count. */
#include "engine/crdt/merge.h"

#include <string.h>

#include "engine/base/check.h"

int stamp_compare(const struct stamp *a, const struct stamp *b, const struct stamp_order *order) {
    CHECK(order->compare != NULL);
    if (a->hlc != b->hlc) return a->hlc < b->hlc ? -1 : 1;
    if (a->origin == b->origin || a->hlc == 0) return 0;
    return order->compare(order->context, a->origin, b->origin);
}

static void set_bit(uint64_t bits[MERGE_WORDS], uint32_t at) {
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static void clear_bit(uint64_t bits[MERGE_WORDS], uint32_t at) {
    bits[at / 64] &= ~(UINT64_C(1) << (at % 64));
}

static bool raise_to(struct stamp *stamp, const struct stamp *to, const struct stamp_order *order) {
    if (stamp_compare(to, stamp, order) <= 0) return false;
    *stamp = *to;
    return true;
}

/* Ends every write that is not later than the deletion. */
static void clear_dead(struct merge_row *row, const struct stamp_order *order,
                       struct merge_verdict *out) {
    for (uint32_t f = 0; f < row->field_count; f++) {
        struct stamp *field = &row->fields[f];
        if (field->hlc == 0 || stamp_compare(field, &row->deleted, order) > 0) continue;
        *field = (struct stamp){0};
        set_bit(out->cleared, f);
    }
}

static void write_field(struct merge_row *row, const struct merge_change *change, uint32_t i,
                        const struct stamp_order *order, struct merge_verdict *out) {
    static const struct stamp never = {0};
    const uint32_t f = change->fields[i];
    const struct stamp *stamp = &change->stamps[i];
    CHECK(f < LIMIT_FIELDS);
    if (stamp->hlc == 0) return;
    const struct stamp *rival = f < row->field_count ? &row->fields[f] : &never;
    if (stamp_compare(&row->deleted, rival, order) > 0) rival = &row->deleted;
    if (stamp_compare(stamp, rival, order) <= 0) {
        out->beaten += rival->origin != stamp->origin;
        return;
    }
    while (row->field_count <= f)
        row->fields[row->field_count++] = never;
    row->fields[f] = *stamp;
    set_bit(out->won, i);
    clear_bit(out->cleared, f);
    out->news = true;
}

void merge_apply(struct merge_row *row, const struct merge_change *change,
                 const struct stamp_order *order, struct merge_verdict *out) {
    CHECK(row->field_count <= LIMIT_FIELDS && change->count <= LIMIT_FIELDS);
    memset(out, 0, sizeof *out);
    out->news = raise_to(&row->created, &change->created, order);
    if (raise_to(&row->deleted, &change->deleted, order)) {
        out->news = true;
        clear_dead(row, order, out);
    }
    for (uint32_t i = 0; i < change->count; i++)
        write_field(row, change, i, order, out);
}

bool merge_visible(const struct merge_row *row, const struct stamp_order *order) {
    return stamp_compare(&row->created, &row->deleted, order) > 0;
}
