/* The rows that the benches write; see workload.h.
 *
 * Invariants
 *   1. A parent stands before its children, in the walk and so in every location.
 *   2. Row i's id is greater than row i-1's, as bytes: 4,096 rows share a millisecond, and the 12
 *      bits after the version count them.
 * 42 % of the files have a content hash, as a library that hashes in the background has after a
 * while. Not here: reading what the files hold. */
#include "perf/workload.h"

#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/check.h"

#define ROWS_PER_MS 4096u
#define EPOCH_MS 1700000000000u /* when the first row was made */
#define HASHED_PERCENT 42u

const struct field_name field_names[] = {
    {"id", FIELD_ID},       {"location_id", FIELD_LOCATION}, {"parent_id", FIELD_PARENT},
    {"name", FIELD_NAME},   {"extension", FIELD_EXTENSION},  {"kind", FIELD_KIND},
    {"size", FIELD_SIZE},   {"inode", FIELD_INODE},          {"mtime", FIELD_MTIME},
    {"ctime", FIELD_CTIME}, {"hidden", FIELD_HIDDEN},        {"hash", FIELD_HASH},
    {NULL, FIELD_OTHER},
};

struct node {
    uint64_t parent; /* index of the node; its own index at the root */
    uint64_t name;   /* offset of its name in `names` */
    uint32_t name_size;
    uint32_t extension_size; /* its last bytes, without the dot; 0: none */
    int64_t size, inode, mtime, ctime;
    bool folder;
};

struct workload {
    uint64_t seed;
    struct node *nodes;
    uint64_t count, room;
    char *names;
    uint64_t names_size, names_room;
};

/* The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): a number that looks random. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Makes room for one more element. */
static void *grow(void *block, uint64_t used, uint64_t more, uint64_t *room, size_t element) {
    if (used + more <= *room) return block;
    *room = (used + more) * 2;
    block = realloc(block, *room * element);
    CHECK(block != NULL);
    return block;
}

static void add_node(struct workload *workload, FTSENT *found) {
    workload->nodes =
        grow(workload->nodes, workload->count, 1, &workload->room, sizeof *workload->nodes);
    workload->names =
        grow(workload->names, workload->names_size, found->fts_namelen, &workload->names_room, 1);
    struct node *node = &workload->nodes[workload->count];
    bool root = found->fts_level == FTS_ROOTLEVEL;
    *node = (struct node){
        .parent = root ? workload->count : (uint64_t)found->fts_parent->fts_number,
        .name = workload->names_size,
        .name_size = found->fts_namelen,
        .folder = found->fts_info == FTS_D,
        .size = found->fts_statp->st_size,
        .inode = (int64_t)found->fts_statp->st_ino,
        .mtime = found->fts_statp->st_mtime,
        .ctime = found->fts_statp->st_ctime,
    };
    CHECK(root || node->parent < workload->count);
    const char *dot = strrchr(found->fts_name, '.');
    if (dot != NULL && dot != found->fts_name && !node->folder)
        node->extension_size = (uint32_t)strlen(dot + 1);
    memcpy(workload->names + workload->names_size, found->fts_name, found->fts_namelen);
    workload->names_size += found->fts_namelen;
    found->fts_number = (long)workload->count++;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

struct workload *workload_open(const char *tree, uint64_t seed) {
    CHECK(tree != NULL);
    struct workload *workload = calloc(1, sizeof *workload);
    char *root = strdup(tree);
    CHECK(workload != NULL && root != NULL);
    workload->seed = seed;
    char *roots[] = {root, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
    CHECK(walk != NULL);
    for (FTSENT *found = fts_read(walk); found != NULL; found = fts_read(walk)) {
        bool kept = found->fts_info == FTS_D || found->fts_info == FTS_F ||
                    found->fts_info == FTS_SL || found->fts_info == FTS_DEFAULT;
        /* Names that are no UTF-8 cannot be TEXT. */
        if (kept && utf8_valid(found->fts_name, found->fts_namelen))
            add_node(workload, found);
        else if (found->fts_info == FTS_D)
            (void)fts_set(walk, found, FTS_SKIP);
    }
    fts_close(walk);
    free(root);
    if (workload->count > 0) return workload;
    workload_close(workload);
    return NULL;
}

void workload_close(struct workload *workload) {
    if (workload == NULL) return;
    free(workload->nodes);
    free(workload->names);
    free(workload);
}

uint64_t workload_nodes(const struct workload *workload) {
    return workload->count;
}

uint64_t workload_locations(const struct workload *workload, uint64_t rows) {
    return (rows + workload->count - 1) / workload->count;
}

/* A UUID of version 7 (RFC 9562, section 5.7) from a counter. */
static void id_of(uint64_t seed, uint64_t ms, uint64_t count, struct id *out) {
    uint64_t random = mix(seed ^ mix(ms ^ count << 44));
    for (unsigned i = 0; i < 6; i++)
        out->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    out->bytes[6] = (uint8_t)(0x70 | (count >> 8 & 15));
    out->bytes[7] = (uint8_t)count;
    memcpy(out->bytes + 8, &random, 8);
    out->bytes[8] = (uint8_t)(0x80 | (out->bytes[8] & 0x3f));
}

static void row_id(const struct workload *workload, uint64_t index, struct id *out) {
    id_of(workload->seed, EPOCH_MS + index / ROWS_PER_MS, index % ROWS_PER_MS, out);
}

void workload_location(const struct workload *workload, uint64_t number, struct id *out) {
    CHECK(number < ROWS_PER_MS);
    id_of(workload->seed, EPOCH_MS - 1, number, out);
}

void workload_entry(const struct workload *workload, uint64_t index, struct entry *out) {
    uint64_t place = index % workload->count;
    uint64_t first = index - place;
    const struct node *node = &workload->nodes[place];
    const char *name = workload->names + node->name;
    uint64_t random = mix(workload->seed ^ mix(index));
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
    workload_location(workload, first / workload->count, &out->location);
    for (unsigned i = 0; i < sizeof out->hash && out->has_hash; i += 8) {
        random = mix(random);
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
