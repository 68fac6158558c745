/* A file's two images, and what a crash makes of them.
 *
 *     now     |----------------------|~~~~~~~|--->   grown
 *     synced  |----------------------|-------|
 *                                 dirty [from, to)
 *
 * Invariants
 *   1. Outside the dirty range, `now` and `synced` are equal, but for what a failed sync left.
 *   2. A crash changes bytes only inside the dirty range (power-safe overwrite, the promise that
 *      SQLite assumes by default), in units of one sector, or in the first part of one.
 *   3. The same calls and the same seed give the same bytes.
 * A sync that fails does what Linux does: the pages are clean afterwards, and were never written
 * (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
 * Deliberately not here: bit flips. */
#include "tests/sim/image.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/memory.h"

#define SECTOR 512u
#define ROOM ((size_t)128 << 10) /* of a file, to begin with */

static void image_reserve(struct image *image, size_t size) {
    size_t room = image->room ? image->room : ROOM;
    if (size <= image->room) return;
    while (room < size)
        room *= 2;
    image->bytes = memory_grow(image->bytes, room);
    image->room = room;
}

static void image_resize(struct image *image, size_t size) {
    image_reserve(image, size);
    if (size > image->size) memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, size_t at, const void *data, size_t size) {
    if (size == 0) return;
    if (at > image->size) image_resize(image, at);
    image_reserve(image, at + size);
    memcpy(image->bytes + at, data, size);
    if (at + size > image->size) image->size = at + size;
}

static void touch(struct content *content, size_t from, size_t to) {
    if (content->dirty_from == content->dirty_to) {
        content->dirty_from = from;
        content->dirty_to = to;
        return;
    }
    if (from < content->dirty_from) content->dirty_from = from;
    if (to > content->dirty_to) content->dirty_to = to;
}

void content_free(struct content *content) {
    free(content->now.bytes);
    free(content->synced.bytes);
    memset(content, 0, sizeof *content);
}

void content_write(struct content *content, size_t at, const void *data, size_t size) {
    if (size == 0) return;
    size_t from = at < content->now.size ? at : content->now.size;
    image_write(&content->now, at, data, size);
    touch(content, from, at + size);
}

void content_resize(struct content *content, size_t size) {
    size_t old = content->now.size;
    if (size == old) return;
    touch(content, size < old ? size : old, size < old ? old : size);
    image_resize(&content->now, size);
}

void content_sync(struct content *content) {
    const struct image *now = &content->now;
    size_t from = content->dirty_from;
    size_t to = content->dirty_to < now->size ? content->dirty_to : now->size;
    if (to > from) image_write(&content->synced, from, now->bytes + from, to - from);
    image_resize(&content->synced, now->size);
    content->dirty_from = content->dirty_to = 0;
}

void content_sync_failed(struct content *content) {
    content->dirty_from = content->dirty_to = 0;
}

/* How a crash treats the unsynced sectors of one file. */
enum tear { TEAR_SUBSET, TEAR_PREFIX, TEAR_SUFFIX, TEAR_COUNT };

static bool sector_survives(struct rng *rng, enum tear tear, size_t sector, size_t split) {
    if (tear == TEAR_PREFIX) return sector < split;
    if (tear == TEAR_SUFFIX) return sector >= split;
    return rng_chance(rng, 500);
}

/* Lays a random part of what was written and not synced over `out`, a copy of the synced bytes. */
static void keep_some(const struct content *content, struct rng *rng, struct image *out,
                      uint64_t *lost) {
    const struct image *now = &content->now;
    if (content->dirty_from == content->dirty_to) return;
    enum tear tear = (enum tear)rng_below(rng, TEAR_COUNT);
    size_t first = content->dirty_from / SECTOR, last = (content->dirty_to - 1) / SECTOR;
    size_t split = rng_between(rng, first, last + 1);
    for (size_t sector = first; sector <= last && sector * SECTOR < now->size; sector++) {
        size_t at = sector * SECTOR;
        size_t size = now->size - at < SECTOR ? now->size - at : SECTOR;
        if (!sector_survives(rng, tear, sector, split)) {
            ++*lost;
            continue;
        }
        if (rng_chance(rng, 100)) {
            size = rng_below(rng, size);
            ++*lost;
        }
        image_write(out, at, now->bytes + at, size);
    }
    /* The length is written by itself: a file may have grown or shrunk without its bytes. */
    if (rng_chance(rng, 300)) image_resize(out, now->size);
}

void content_crash(const struct content *content, enum image_survival survival, struct rng *rng,
                   struct content *out, uint64_t *lost) {
    memset(out, 0, sizeof *out);
    const struct image *base = survival == IMAGE_KEEP_ALL ? &content->now : &content->synced;
    image_write(&out->now, 0, base->bytes, base->size);
    if (survival == IMAGE_KEEP_SOME) keep_some(content, rng, &out->now, lost);
    if (survival == IMAGE_KEEP_SYNCED)
        *lost += (content->dirty_to - content->dirty_from + SECTOR - 1) / SECTOR;
    image_write(&out->synced, 0, out->now.bytes, out->now.size);
}
