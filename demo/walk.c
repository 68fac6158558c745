/* Walking a tree with several threads.
 *
 *      walker ──take──► ┌───────────────────────────┐
 *      walker ──take──► │ directories to be entered │ ◄──give── walker that found one
 *      walker ──take──► └───────────────────────────┘
 *
 * The directories wait in one stack under one lock; a walker holds the lock for a push or a pop,
 * never while it reads the disk. A stack, not a queue: depth first keeps it short.
 *
 * Invariants
 *   1. `active` counts the walkers that hold a directory; the walk is done when it is 0 and the
 *      stack is empty, since only those could find more.
 *   2. A directory is entered once, by one walker, after its own row was handed out.
 *   3. Every open directory is closed by the walker that opened it; none is kept while waiting.
 * Not here: ids and rows; the visitor makes those. */
#include "demo/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo/must.h"

/* A directory to be entered; `path` is relative to the root, "" is the root. */
struct pending {
    struct pending *next;
    uint8_t id[16];
    char path[];
};

struct walk {
    /* Set by walk_open(), then only read. */
    int root;
    dev_t device;
    bool skips;
    dev_t skip_device;
    ino_t skip_inode;
    char *root_name;
    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pending *stack;
    unsigned active;
    bool root_taken, stopped;
    struct walk_report report;
};

static void walk_note(struct walk *walk, const char *path, const char *name, int error) {
    pthread_mutex_lock(&walk->lock);
    walk->report.unreadable++;
    if (walk->report.note_count < WALK_NOTES_MAX) {
        char *note = walk->report.notes[walk->report.note_count++];
        /* The tail of a long path says more than its head. */
        size_t size = strlen(path);
        const char *shown = size > 90 ? path + size - 90 : path;
        snprintf(note, WALK_NOTE_BYTES, "%s%s%s%s: %s", size > 90 ? "..." : "", shown,
                 size > 0 && *name != '\0' ? "/" : "", name, strerror(error));
    }
    pthread_mutex_unlock(&walk->lock);
}

/* Opens a directory below the root. A path may be longer than the system takes in one call, so it
 * is opened in pieces that are not. Returns a descriptor or -1. */
static int walk_descend(int root, const char *path) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int at = openat(root, ".", flags);
    char piece[PATH_MAX];
    while (at >= 0 && *path != '\0') {
        size_t size = strlen(path);
        if (size >= sizeof piece) {
            size = sizeof piece - 1;
            while (path[size] != '/')
                size--;
        }
        memcpy(piece, path, size);
        piece[size] = '\0';
        int next = openat(at, piece, flags);
        int error = errno;
        close(at);
        errno = error;
        at = next;
        path += size + (path[size] == '/');
    }
    return at;
}

static struct pending *pending_make(const char *path, const char *name, const uint8_t id[16]) {
    size_t path_size = strlen(path), name_size = strlen(name);
    struct pending *made = malloc(sizeof *made + path_size + name_size + 2);
    if (made == NULL) return NULL;
    made->next = NULL;
    memcpy(made->id, id, sizeof made->id);
    memcpy(made->path, path, path_size);
    size_t at = path_size;
    if (path_size > 0 && name_size > 0) made->path[at++] = '/';
    memcpy(made->path + at, name, name_size + 1);
    return made;
}

static void walk_give(struct walk *walk, struct pending *found) {
    pthread_mutex_lock(&walk->lock);
    found->next = walk->stack;
    walk->stack = found;
    walk->report.directories++;
    pthread_cond_signal(&walk->changed);
    pthread_mutex_unlock(&walk->lock);
}

/* Waits for a directory; NULL when the walk is done. Gives back the one held before. */
static struct pending *walk_take(struct walk *walk, struct pending *held) {
    pthread_mutex_lock(&walk->lock);
    if (held != NULL) {
        free(held);
        MUST(walk->active > 0);
        walk->active--;
    }
    while (walk->stack == NULL && walk->active > 0 && !walk->stopped)
        pthread_cond_wait(&walk->changed, &walk->lock);
    struct pending *taken = walk->stopped ? NULL : walk->stack;
    if (taken != NULL) {
        walk->stack = taken->next;
        walk->active++;
    } else {
        pthread_cond_broadcast(&walk->changed);
    }
    pthread_mutex_unlock(&walk->lock);
    return taken;
}

static bool walk_enters(struct walk *walk, const struct stat *stat) {
    if (!S_ISDIR(stat->st_mode)) return false;
    if (walk->skips && stat->st_dev == walk->skip_device && stat->st_ino == walk->skip_inode)
        return false;
    if (stat->st_dev == walk->device) return true;
    pthread_mutex_lock(&walk->lock);
    walk->report.elsewhere++;
    pthread_mutex_unlock(&walk->lock);
    return false;
}

/* One file of an open directory. False ends the walk. */
static bool walk_file(struct walk *walk, int directory, const struct pending *in, const char *name,
                      const struct walk_visitor *visitor) {
    struct stat stat;
    if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0) {
        int error = errno;
        if (error != ENOENT) {
            walk_note(walk, in->path, name, error);
            return true;
        }
        pthread_mutex_lock(&walk->lock);
        walk->report.vanished++;
        pthread_mutex_unlock(&walk->lock);
        return true;
    }
    struct walk_file file = {name, &stat, in->id};
    uint8_t id[16];
    if (!visitor->file(visitor->context, &file, id)) return false;
    if (!walk_enters(walk, &stat)) return true;
    struct pending *found = pending_make(in->path, name, id);
    if (found == NULL) return false;
    walk_give(walk, found);
    return true;
}

static bool walk_is_stopped(struct walk *walk, uint64_t found) {
    pthread_mutex_lock(&walk->lock);
    walk->report.found += found;
    bool stopped = walk->stopped;
    pthread_mutex_unlock(&walk->lock);
    return stopped;
}

/* Everything in one directory. False ends the walk. */
static bool walk_directory(struct walk *walk, const struct pending *in,
                           const struct walk_visitor *visitor) {
    int descriptor = walk_descend(walk->root, in->path);
    DIR *directory = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (directory == NULL) {
        walk_note(walk, in->path, "", errno);
        if (descriptor >= 0) close(descriptor);
        return true;
    }
    bool goes_on = true;
    uint64_t found = 0;
    while (goes_on) {
        errno = 0;
        struct dirent *item = readdir(directory);
        if (item == NULL) {
            if (errno != 0) walk_note(walk, in->path, "", errno);
            break;
        }
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
        goes_on = walk_file(walk, dirfd(directory), in, item->d_name, visitor);
        /* Counted in portions: the lock is not worth taking for each file. */
        if (++found < 64) continue;
        goes_on = goes_on && !walk_is_stopped(walk, found);
        found = 0;
    }
    closedir(directory);
    return !walk_is_stopped(walk, found) && goes_on;
}

/* The root has a row of its own; the first walker that comes makes it. */
static bool walk_root(struct walk *walk, const struct walk_visitor *visitor) {
    struct stat stat;
    if (fstat(walk->root, &stat) != 0) {
        walk_note(walk, walk->root_name, "", errno);
        return true;
    }
    struct walk_file file = {walk->root_name, &stat, NULL};
    uint8_t id[16];
    if (!visitor->file(visitor->context, &file, id)) return false;
    (void)walk_is_stopped(walk, 1);
    struct pending *root = pending_make("", "", id);
    if (root == NULL) return false;
    walk_give(walk, root);
    return true;
}

void walk_run(struct walk *walk, const struct walk_visitor *visitor) {
    MUST(walk != NULL && visitor->file != NULL);
    pthread_mutex_lock(&walk->lock);
    bool first = !walk->root_taken;
    walk->root_taken = true;
    if (first) walk->active++; /* Others wait for the root instead of finding nothing to do. */
    pthread_mutex_unlock(&walk->lock);
    bool goes_on = true;
    if (first) {
        goes_on = walk_root(walk, visitor);
        pthread_mutex_lock(&walk->lock);
        walk->active--;
        pthread_mutex_unlock(&walk->lock);
    }
    struct pending *held = NULL;
    while (goes_on && (held = walk_take(walk, held)) != NULL)
        goes_on = walk_directory(walk, held, visitor);
    if (!goes_on) {
        walk_stop(walk);
        (void)walk_take(walk, held);
    }
}

void walk_stop(struct walk *walk) {
    pthread_mutex_lock(&walk->lock);
    walk->stopped = true;
    pthread_cond_broadcast(&walk->changed);
    pthread_mutex_unlock(&walk->lock);
}

void walk_report(struct walk *walk, struct walk_report *out) {
    pthread_mutex_lock(&walk->lock);
    *out = walk->report;
    pthread_mutex_unlock(&walk->lock);
}

/* The last part of the path as given: "/usr/" and "/usr" are both "usr". */
static const char *last_part(char *path) {
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        path[--size] = '\0';
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

struct walk *walk_open(const char *root, const struct stat *skip, char *why, size_t why_cap) {
    char real[PATH_MAX];
    struct stat stat;
    if (realpath(root, real) == NULL) {
        snprintf(why, why_cap, "cannot index \"%s\": %s", root, strerror(errno));
        return NULL;
    }
    int descriptor = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &stat) != 0) {
        snprintf(why, why_cap, "cannot index \"%s\": %s", root, strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return NULL;
    }
    struct walk *walk = calloc(1, sizeof *walk);
    char *name = strdup(last_part(real));
    if (walk == NULL || name == NULL) {
        snprintf(why, why_cap, "cannot index \"%s\": out of memory", root);
        free(walk);
        free(name);
        close(descriptor);
        return NULL;
    }
    walk->root = descriptor;
    walk->device = stat.st_dev;
    walk->root_name = name;
    if (skip != NULL) {
        walk->skips = true;
        walk->skip_device = skip->st_dev;
        walk->skip_inode = skip->st_ino;
    }
    pthread_mutex_init(&walk->lock, NULL);
    pthread_cond_init(&walk->changed, NULL);
    return walk;
}

void walk_close(struct walk *walk) {
    if (walk == NULL) return;
    MUST(walk->active == 0);
    while (walk->stack != NULL) {
        struct pending *next = walk->stack->next;
        free(walk->stack);
        walk->stack = next;
    }
    pthread_cond_destroy(&walk->changed);
    pthread_mutex_destroy(&walk->lock);
    close(walk->root);
    free(walk->root_name);
    free(walk);
}
