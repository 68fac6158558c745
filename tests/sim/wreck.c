/* See wreck.h.
 *
 *     edit ──► edit ──► edit        of all files, oldest first
 *      0        1        2          its number among them
 *
 * Invariants
 *   1. A crash changes a file in units of sectors of the disk: an edit is there, or not, or there
 *      up to a sector's boundary, or from one on.
 *   2. Edits that are left are laid in their order: of two to one place the later one shows.
 * Deliberately not here: bytes that nobody wrote; those are image.c's. */
#include "tests/sim/wreck.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/image.h"
#include "tests/sim/memory.h"
#include "tests/sim/rng.h"

#define SECTOR 512u

const char *const wreck_names[WRECK_KINDS] = {
#define WRECK_NAME(name, text, meaning) [WRECK_##name] = text,
    WRECK_LIST(WRECK_NAME)
#undef WRECK_NAME
};
const char *const wreck_meanings[WRECK_KINDS] = {
#define WRECK_MEANING(name, text, meaning) [WRECK_##name] = meaning,
    WRECK_LIST(WRECK_MEANING)
#undef WRECK_MEANING
};

struct edit {
    struct edit *next;
    const void *file;
    uint64_t serial;
    bool database; /* not of a file beside it */
    bool resized;
    size_t at, size;
    uint8_t bytes[];
};

struct wreck {
    struct edit *first, **end;
    uint64_t serial, synced; /* edits and forgettings ever */
    enum wreck_kind kind;
};

/* The part of an edit that is left: [from, to) of its bytes; nothing; or a new size. */
struct rest {
    bool left;
    size_t from, to;
};

struct wreck *wreck_open(void) {
    struct wreck *wreck = calloc(1, sizeof *wreck);
    CHECK(wreck != NULL);
    wreck->end = &wreck->first;
    return wreck;
}

void wreck_close(struct wreck *wreck) {
    if (!wreck) return;
    wreck_forget(wreck, NULL);
    free(wreck);
}

static bool ends_with(const char *path, const char *end) {
    size_t size = strlen(path), tail = strlen(end);
    return size >= tail && strcmp(path + size - tail, end) == 0;
}

void wreck_note(struct wreck *wreck, const void *file, const char *path, size_t at,
                const void *data, size_t size) {
    struct edit *edit = memory_new(sizeof *edit + (data ? size : 0));
    *edit = (struct edit){.file = file, .serial = ++wreck->serial, .at = at, .size = size};
    edit->database = !ends_with(path, "-wal") && !ends_with(path, "-journal");
    edit->resized = data == NULL;
    if (data) memcpy(edit->bytes, data, size);
    *wreck->end = edit;
    wreck->end = &edit->next;
}

void wreck_forget(struct wreck *wreck, const void *file) {
    struct edit **at = &wreck->first;
    while (*at) {
        struct edit *edit = *at;
        if (file && edit->file != file) {
            at = &edit->next;
            continue;
        }
        *at = edit->next;
        free(edit);
    }
    wreck->end = at;
    wreck->synced++;
}

void wreck_choose(struct wreck *wreck, enum wreck_kind kind) {
    CHECK(kind < WRECK_KINDS);
    wreck->kind = kind;
}

static struct rest part(size_t from, size_t to) {
    return (struct rest){.left = true, .from = from, .to = to};
}

/* The last edit, torn. */
static struct rest torn(const struct edit *edit, enum wreck_kind kind) {
    if (edit->resized) return (struct rest){.left = kind != WRECK_TORN_END};
    size_t first = edit->at / SECTOR, last = (edit->at + edit->size - 1) / SECTOR;
    if (first == last) return part(0, edit->size);
    switch (kind) {
    case WRECK_TORN_FIRST:
        return part(0, (first + 1) * SECTOR - edit->at);
    case WRECK_TORN_HALF:
        return part(0, (first + (last - first + 1) / 2) * SECTOR - edit->at);
    case WRECK_TORN_LAST:
        return part(0, last * SECTOR - edit->at);
    default:
        CHECK(kind == WRECK_TORN_END);
        return part(last * SECTOR - edit->at, edit->size);
    }
}

/* What is left of the edit which is the `number`th, from 0. */
static struct rest rest_of(const struct edit *edit, uint64_t number, enum wreck_kind kind) {
    const bool last = edit->next == NULL;
    bool left;
    switch (kind) {
    case WRECK_LOST:
        left = false;
        break;
    case WRECK_KEPT:
        left = true;
        break;
    case WRECK_LAST_ONLY:
        left = last;
        break;
    case WRECK_WITHOUT_FIRST:
        left = number > 0;
        break;
    case WRECK_EVEN:
        left = number % 2 == 0;
        break;
    case WRECK_ODD:
        left = number % 2 == 1;
        break;
    case WRECK_DATABASE:
        left = edit->database;
        break;
    case WRECK_BESIDE:
        left = !edit->database;
        break;
    default:
        return last ? torn(edit, kind) : part(0, edit->size);
    }
    return left ? part(0, edit->size) : (struct rest){0};
}

void wreck_lay(const struct wreck *wreck, const void *file, struct content *out) {
    uint64_t number = 0;
    for (const struct edit *edit = wreck->first; edit; edit = edit->next, number++) {
        const struct rest rest = rest_of(edit, number, wreck->kind);
        if (edit->file != file || !rest.left) continue;
        if (edit->resized)
            content_resize(out, edit->size);
        else
            content_write(out, edit->at + rest.from, edit->bytes + rest.from, rest.to - rest.from);
    }
    content_sync(out);
}

uint64_t wreck_signature(const struct wreck *wreck, enum wreck_kind kind) {
    uint64_t number = 0, signature = rng_mix(wreck->synced, 1);
    for (const struct edit *edit = wreck->first; edit; edit = edit->next, number++) {
        const struct rest rest = rest_of(edit, number, kind);
        if (!rest.left) continue;
        signature = rng_mix(signature, edit->serial);
        signature = rng_mix(signature, rng_mix(rest.from, rest.to));
    }
    return signature;
}
