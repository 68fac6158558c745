/* The rows that the benches write; see workload.h.
 *
 * Invariants
 *   1. A parent stands before its children, in the walk and so in every location.
 *   2. With ids of version 7 row i's id is greater than row i-1's, as bytes: 4,096 rows share a
 *      millisecond, and the 12 bits after the version count them.
 * 42 % of the files have a content hash, as a library that hashes in the background has after a
 * while. Not here: where the tree comes from (tree.h), and reading what the files hold. */
#include "perf/workload.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "perf/tree.h"

#define ROWS_PER_MS 4096u
#define EPOCH_MS 1700000000000u /* when the first row was made */
#define HASHED_PERCENT 42u
#define MADE_NODES 150000u

const struct field_name field_names[] = {
    {"id", FIELD_ID},       {"location_id", FIELD_LOCATION}, {"parent_id", FIELD_PARENT},
    {"name", FIELD_NAME},   {"extension", FIELD_EXTENSION},  {"kind", FIELD_KIND},
    {"size", FIELD_SIZE},   {"inode", FIELD_INODE},          {"mtime", FIELD_MTIME},
    {"ctime", FIELD_CTIME}, {"hidden", FIELD_HIDDEN},        {"hash", FIELD_HASH},
    {NULL, FIELD_OTHER},
};

struct workload {
    uint64_t seed;
    bool random_ids;
    struct tree tree;
};

struct workload *workload_open(const struct bench *bench) {
    struct workload *workload = calloc(1, sizeof *workload);
    CHECK(bench != NULL && workload != NULL);
    workload->seed = bench->seed;
    workload->random_ids = bench->random_ids;
    if (strcmp(bench->tree, WORKLOAD_MADE) == 0)
        tree_make(&workload->tree, bench->seed, MADE_NODES);
    else
        tree_walk(&workload->tree, bench->tree);
    if (workload->tree.count > 0) return workload;
    fprintf(stderr, "  %s: nothing to be walked\n", bench->tree);
    workload_close(workload);
    return NULL;
}

void workload_close(struct workload *workload) {
    if (workload == NULL) return;
    tree_free(&workload->tree);
    free(workload);
}

uint64_t workload_nodes(const struct workload *workload) {
    return workload->tree.count;
}

uint64_t workload_locations(const struct workload *workload, uint64_t rows) {
    return (rows + workload->tree.count - 1) / workload->tree.count;
}

/* A UUID of version 7 (RFC 9562, section 5.7) from a counter. */
static void id_of(uint64_t seed, uint64_t ms, uint64_t count, struct id *out) {
    uint64_t random = tree_mix(seed ^ tree_mix(ms ^ count << 44));
    for (unsigned i = 0; i < 6; i++)
        out->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    out->bytes[6] = (uint8_t)(0x70 | (count >> 8 & 15));
    out->bytes[7] = (uint8_t)count;
    memcpy(out->bytes + 8, &random, 8);
    out->bytes[8] = (uint8_t)(0x80 | (out->bytes[8] & 0x3f));
}

/* A UUID of version 4. */
static void random_id(uint64_t seed, uint64_t index, struct id *out) {
    const uint64_t first = tree_mix(~seed ^ tree_mix(index)), second = tree_mix(first);
    memcpy(out->bytes, &first, 8);
    memcpy(out->bytes + 8, &second, 8);
    out->bytes[6] = (uint8_t)(0x40 | (out->bytes[6] & 15));
    out->bytes[8] = (uint8_t)(0x80 | (out->bytes[8] & 0x3f));
}

static void row_id(const struct workload *workload, uint64_t index, struct id *out) {
    if (workload->random_ids) {
        random_id(workload->seed, index, out);
        return;
    }
    id_of(workload->seed, EPOCH_MS + index / ROWS_PER_MS, index % ROWS_PER_MS, out);
}

void workload_location(const struct workload *workload, uint64_t number, struct id *out) {
    CHECK(number < ROWS_PER_MS);
    id_of(workload->seed, EPOCH_MS - 1, number, out);
}

void workload_entry(const struct workload *workload, uint64_t index, struct entry *out) {
    uint64_t place = index % workload->tree.count;
    uint64_t first = index - place;
    const struct node *node = &workload->tree.nodes[place];
    const char *name = workload->tree.names + node->name;
    uint64_t random = tree_mix(workload->seed ^ tree_mix(index));
    *out = (struct entry){
        .has_parent = node->parent != place,
        .has_hash = !node->folder && random % 100 < HASHED_PERCENT,
        .name = name,
        .extension = name + node->name_size - node->extension_size,
        .name_size = node->name_size,
        .extension_size = node->extension_size,
        .kind = node->folder ? 1 : 0,
        .size = node->size,
        .inode = node->inode,
        .mtime = node->mtime,
        .ctime = node->ctime,
        .hidden = name[0] == '.',
    };
    row_id(workload, index, &out->id);
    row_id(workload, first + node->parent, &out->parent);
    workload_location(workload, first / workload->tree.count, &out->location);
    for (unsigned i = 0; i < sizeof out->hash && out->has_hash; i += 8) {
        random = tree_mix(random);
        memcpy(out->hash + i, &random, 8);
    }
}

struct weft_value workload_cell(const struct entry *entry, enum field field) {
    switch (field) {
    case FIELD_ID:
        return weft_blob(entry->id.bytes, sizeof entry->id.bytes);
    case FIELD_LOCATION:
        return weft_blob(entry->location.bytes, sizeof entry->location.bytes);
    case FIELD_PARENT:
        return entry->has_parent ? weft_blob(entry->parent.bytes, sizeof entry->parent.bytes)
                                 : weft_null();
    case FIELD_NAME:
        return weft_text(entry->name, entry->name_size);
    case FIELD_EXTENSION:
        return entry->extension_size > 0 ? weft_text(entry->extension, entry->extension_size)
                                         : weft_null();
    case FIELD_KIND:
        return weft_integer(entry->kind);
    case FIELD_SIZE:
        return weft_integer(entry->size);
    case FIELD_INODE:
        return weft_integer(entry->inode);
    case FIELD_MTIME:
        return weft_integer(entry->mtime);
    case FIELD_CTIME:
        return weft_integer(entry->ctime);
    case FIELD_HIDDEN:
        return weft_integer(entry->hidden);
    case FIELD_HASH:
        return entry->has_hash ? weft_blob(entry->hash, sizeof entry->hash) : weft_null();
    default:
        return weft_null();
    }
}
