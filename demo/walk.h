/* Walking a tree with several threads that share the work.
 *
 *      walk_open ──► walk_run by each walker thread, until the tree is done ──► walk_close
 *
 * Symbolic links are reported, not followed. A directory on another file system is reported, not
 * entered, and neither is the folder that the walk is told to skip. */
#ifndef DEMO_WALK_H
#define DEMO_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define WALK_NOTES_MAX 5u
#define WALK_NOTE_BYTES 160u

struct walk;

/* One file, for the time of the call. */
struct walk_file {
    const char *name;        /* not a path; not necessarily UTF-8 */
    const struct stat *stat; /* as lstat() gives it */
    const uint8_t *parent;   /* the parent's 16-byte id; NULL for the root itself */
};

/* Called for each file, directories before what is in them. Fills the file's own id. False ends the
 * whole walk. Thread: the walker's. */
struct walk_visitor {
    void *context;
    bool (*file)(void *context, const struct walk_file *file, uint8_t id[16]);
};

/* What was seen. */
struct walk_report {
    uint64_t found;       /* files of all kinds */
    uint64_t directories; /* ... of which were entered */
    uint64_t elsewhere;   /* directories on other file systems */
    uint64_t unreadable;  /* files and directories that could not be read */
    uint64_t vanished;    /* gone between being listed and being looked at */
    unsigned note_count;  /* the first few of the unreadable ones, and why */
    char notes[WALK_NOTES_MAX][WALK_NOTE_BYTES];
};

/* `skip` is a folder not to enter, or NULL. On failure NULL, and a sentence in `why`. */
struct walk *walk_open(const char *root, const struct stat *skip, char *why, size_t why_cap);
/* Walks until nothing is left. Thread: any number at once. */
void walk_run(struct walk *walk, const struct walk_visitor *visitor);
/* Makes every walker return soon. Thread: any. */
void walk_stop(struct walk *walk);
/* Thread: any. */
void walk_report(struct walk *walk, struct walk_report *out);
void walk_close(struct walk *walk);

#endif
