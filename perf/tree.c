/* A tree of files; see tree.h.
 *
 * What is made has a twelfth of folders with up to 40 nodes each, at most DEPTH deep; names of one
 * to three words, a number and an extension; times near those of the folder, as an installation
 * leaves them; sizes of which each power of two is as frequent as the next. */
#include "perf/tree.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"

#define DEPTH 12u
#define FOLDER_NODES 40u
#define FOLDERS 12u /* one of so many nodes is a folder */
#define NAME_MAX_MADE 64u

uint64_t tree_mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Makes room for more elements. */
static void *grow(void *block, uint64_t used, uint64_t more, uint64_t *room, size_t element) {
    if (used + more <= *room) return block;
    *room = (used + more) * 2;
    block = realloc(block, *room * element);
    CHECK(block != NULL);
    return block;
}

/* Adds a node of that name; its parent and what is known of the file are the caller's to set. */
static struct node *add(struct tree *tree, const char *name, size_t size, bool folder) {
    tree->nodes = grow(tree->nodes, tree->count, 1, &tree->room, sizeof *tree->nodes);
    tree->names = grow(tree->names, tree->names_size, size, &tree->names_room, 1);
    struct node *node = &tree->nodes[tree->count++];
    *node = (struct node){.name = tree->names_size, .name_size = (uint32_t)size, .folder = folder};
    memcpy(tree->names + tree->names_size, name, size);
    tree->names_size += size;
    for (size_t i = size; i > 1 && !folder; i--) {
        if (name[i - 1] != '.') continue;
        node->extension_size = (uint32_t)(size - i);
        break;
    }
    return node;
}

void tree_free(struct tree *tree) {
    free(tree->nodes);
    free(tree->names);
    *tree = (struct tree){0};
}

/* ---- walked ---- */

static void add_found(struct tree *tree, FTSENT *found) {
    const bool root = found->fts_level == FTS_ROOTLEVEL;
    const uint64_t self = tree->count;
    struct node *node = add(tree, found->fts_name, found->fts_namelen, found->fts_info == FTS_D);
    node->parent = root ? self : (uint64_t)found->fts_parent->fts_number;
    node->size = found->fts_statp->st_size;
    node->inode = (int64_t)found->fts_statp->st_ino;
    node->mtime = found->fts_statp->st_mtime;
    node->ctime = found->fts_statp->st_ctime;
    CHECK(root || node->parent < self);
    found->fts_number = (long)self;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

void tree_walk(struct tree *tree, const char *folder) {
    char *root = strdup(folder);
    CHECK(root != NULL);
    char *roots[] = {root, NULL};
    *tree = (struct tree){0};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
    CHECK(walk != NULL);
    for (FTSENT *found = fts_read(walk); found != NULL; found = fts_read(walk)) {
        bool kept = found->fts_info == FTS_D || found->fts_info == FTS_F ||
                    found->fts_info == FTS_SL || found->fts_info == FTS_DEFAULT;
        if (kept && utf8_valid(found->fts_name, found->fts_namelen))
            add_found(tree, found);
        else if (found->fts_info == FTS_D)
            (void)fts_set(walk, found, FTS_SKIP);
    }
    fts_close(walk);
    free(root);
}

/* ---- made ---- */

static const char *const words[] = {
    "access", "auto",   "base",   "build",  "cache",  "chart",  "class",  "client",
    "code",   "common", "config", "copy",   "core",   "data",   "debug",  "device",
    "driver", "error",  "event",  "export", "filter", "font",   "format", "frame",
    "graph",  "handle", "help",   "icon",   "image",  "import", "index",  "input",
    "kernel", "key",    "lib",    "light",  "list",   "locale", "media",  "message",
    "model",  "mono",   "net",    "node",   "page",   "parse",  "path",   "python",
    "query",  "render", "report", "rule",   "scale",  "script", "server", "shape",
    "simple", "style",  "table",  "test",   "text",   "theme",  "tool",   "utils"};
static const char *const extensions[] = {"",      "",     ".h",   ".h",   ".py", ".so",
                                         ".svg",  ".png", ".c",   ".o",   ".md", ".txt",
                                         ".json", ".gz",  ".pyc", ".html"};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Draws from a stream of numbers. */
static uint64_t draw(uint64_t *state, uint64_t below) {
    return tree_mix((*state)++) % below;
}

static struct node *add_made(struct tree *tree, uint64_t *state, bool folder) {
    char name[NAME_MAX_MADE];
    size_t used = 0;
    const uint64_t parts = 1 + draw(state, 3), number = draw(state, 3) == 0 ? draw(state, 100) : 0;
    for (uint64_t i = 0; i < parts; i++) {
        const char *word = words[draw(state, COUNT(words))];
        used += (size_t)snprintf(name + used, sizeof name - used, "%s%s", i > 0 ? "-" : "", word);
    }
    if (number > 0)
        used += (size_t)snprintf(name + used, sizeof name - used, "%u", (unsigned)number);
    if (!folder)
        used += (size_t)snprintf(name + used, sizeof name - used, "%s",
                                 extensions[draw(state, COUNT(extensions))]);
    CHECK(used < sizeof name);
    return add(tree, name, used, folder);
}

void tree_make(struct tree *tree, uint64_t seed, uint64_t count) {
    struct {
        uint64_t node, left;
        int64_t mtime;
    } open[DEPTH] = {{.left = UINT64_MAX, .mtime = 1600000000}};
    unsigned depth = 1;
    uint64_t state = tree_mix(seed);
    int64_t inode = 1000;
    *tree = (struct tree){0};
    for (uint64_t i = 0; i < count; i++) {
        while (open[depth - 1].left == 0)
            depth--;
        const bool folder = i == 0 || (depth < DEPTH && draw(&state, FOLDERS) == 0);
        struct node *node = add_made(tree, &state, folder);
        node->parent = open[depth - 1].node;
        node->inode = inode += 1 + (int64_t)draw(&state, draw(&state, 20) == 0 ? 5000 : 3);
        node->mtime = open[depth - 1].mtime + (int64_t)draw(&state, 4);
        node->ctime = 1700000000 + (int64_t)(i / 100);
        node->size = folder ? 4096 : (int64_t)draw(&state, UINT64_C(64) << draw(&state, 14));
        if (i == 0) continue;
        open[depth - 1].left--;
        if (!folder) continue;
        open[depth].node = i;
        open[depth].left = 1 + draw(&state, FOLDER_NODES);
        open[depth].mtime = 1500000000 + (int64_t)draw(&state, 190000000);
        depth++;
    }
}
