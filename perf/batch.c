/* The workload's rows as the engine hands them to its codec; see batch.h. */
#include "perf/batch.h"

#include "engine/base/check.h"

const Weft__Rows *batch_rows(struct arena *arena, const struct workload *workload, uint64_t first,
                             uint32_t count) {
    struct rows_builder builder;
    enum weft_status status = rows_begin(&builder, arena, 1, BATCH_COLUMNS);
    for (uint32_t i = 0; i < count && status == WEFT_OK; i++) {
        struct entry entry;
        workload_entry(workload, first + i, &entry);
        status = rows_add(&builder, ROW_PUT, first + i + 1);
        for (uint32_t c = 0; c < BATCH_COLUMNS && status == WEFT_OK; c++) {
            struct weft_value value = workload_cell(&entry, (enum field)(c + 1));
            status = rows_cell(&builder, c, &value);
        }
    }
    CHECK(status == WEFT_OK);
    return builder.rows;
}
