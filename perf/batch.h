/* The workload's rows as the engine hands them to its codec. */
#ifndef WEFT_PERF_BATCH_H
#define WEFT_PERF_BATCH_H

#include "engine/wire/codec.h"
#include "perf/workload.h"

#define BATCH_ROWS 2000u
#define BATCH_COLUMNS ((uint32_t)FIELD_COUNT - 1)
#define BATCH_LEVEL_LAN (-5) /* zstd's, for fast links: what the engine uses */
#define BATCH_LEVEL_WAN 1    /* for slow ones */

/* Rows [first, first + count) as one batch, in blocks of `arena`. */
const Weft__Rows *batch_rows(struct arena *arena, const struct workload *workload, uint64_t first,
                             uint32_t count);

#endif
