/* A tree of files: the walk of a folder, or one that is made from a seed. */
#ifndef WEFT_PERF_TREE_H
#define WEFT_PERF_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct node {
    uint64_t parent; /* index of the node; its own index at the root */
    uint64_t name;   /* offset of its name in `names` */
    uint32_t name_size;
    uint32_t extension_size; /* its last bytes, without the dot; 0: none */
    int64_t size, inode, mtime, ctime;
    bool folder;
};

/* Nodes in the order of the walk: a parent stands before its children. */
struct tree {
    struct node *nodes;
    uint64_t count, room;
    char *names;
    uint64_t names_size, names_room;
};

/* Walks a folder. Names that are no UTF-8 are left out: they cannot be TEXT. */
void tree_walk(struct tree *tree, const char *folder);
/* Makes a tree of `count` nodes that resembles a system's files: the same for the same seed, on
 * every machine. */
void tree_make(struct tree *tree, uint64_t seed, uint64_t count);
void tree_free(struct tree *tree);

/* The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): a number that looks random. */
uint64_t tree_mix(uint64_t x);

#endif
