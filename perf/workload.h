/* The rows that the benches write: a walk of a folder, repeated over as many locations as needed.
 *
 * Row i is node i modulo n of the walk, in location i / n. Everything about it follows from the
 * walk, i and the seed, so that every process makes the same rows without being told them. Ids are
 * UUIDs of version 7 that increase with i, or of version 4, in no order. */
#ifndef WEFT_PERF_WORKLOAD_H
#define WEFT_PERF_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bytes.h"
#include "engine/weft.h"
#include "perf/bench.h"

/* The text of schema/demo.sql. */
extern const char demo_schema[];

/* What a column of `entry` may hold; which column holds what is told by its name. */
enum field {
    FIELD_OTHER, /* a column that the walk knows nothing of: NULL */
    FIELD_ID,
    FIELD_LOCATION,
    FIELD_PARENT,
    FIELD_NAME,
    FIELD_EXTENSION,
    FIELD_KIND,
    FIELD_SIZE,
    FIELD_INODE,
    FIELD_MTIME,
    FIELD_CTIME,
    FIELD_HIDDEN,
    FIELD_HASH,
    FIELD_COUNT
};

/* One column name of `entry`, and what it holds. The table ends with a NULL name. */
struct field_name {
    const char *name;
    enum field field;
};
extern const struct field_name field_names[];

struct workload;

/* The tree that is made from the seed alone: the same on every machine. */
#define WORKLOAD_MADE "made"

/* Walks the bench's tree, or makes one when it is WORKLOAD_MADE. NULL, and the reason is on stderr,
 * when there is nothing to be walked. */
struct workload *workload_open(const struct bench *bench);
void workload_close(struct workload *workload);
/* Nodes of the walk. */
uint64_t workload_nodes(const struct workload *workload);
/* How many locations `rows` rows need. */
uint64_t workload_locations(const struct workload *workload, uint64_t rows);
void workload_location(const struct workload *workload, uint64_t number, struct id *out);

/* One row; `name` and `extension` are borrowed from the workload. */
struct entry {
    struct id id, location, parent;
    bool has_parent, has_hash;
    const char *name, *extension;
    uint32_t name_size, extension_size;
    int64_t kind, size, inode, mtime, ctime, hidden;
    uint8_t hash[32];
};
void workload_entry(const struct workload *workload, uint64_t index, struct entry *out);
/* The cell of a row for one kind of column; its bytes are borrowed from `entry`. */
struct weft_value workload_cell(const struct entry *entry, enum field field);

#endif
