/* The simulated vault.
 *
 *     make ──► the whole file, or nothing ──► durable before it returns
 *       └─ power is lost: the caller learns nothing, the file is there or not
 *
 *     stamp = BLAKE2b-256 of  seed u64 | times restamped u64 | path
 *
 * Invariants
 *   1. A file for which make() has returned WEFT_OK is there until vault_remove().
 *   2. No file changes once it is there.
 *   3. The same calls and the same seed give the same files and stamps.
 * Deliberately not here: permissions, which are the posix vault's (tests/unit/test_vault.c). */
#include "tests/sim/vault.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "tests/sim/rng.h"

#define VAULT_FILES 4u
#define VAULT_PATH 256u
#define VAULT_SIZE 256u

struct vault_file {
    char path[VAULT_PATH];
    size_t size;
    uint8_t data[VAULT_SIZE];
};

struct vault {
    struct rng rng;
    uint64_t seed, restamped;
    const struct disk *disk;
    struct vault_file files[VAULT_FILES];
    uint32_t count;
    bool down, full;
    uint64_t crash_in; /* makes until power is lost; 0: it is not */
};

static uint32_t vault_find(const struct vault *vault, const char *path) {
    uint32_t at = 0;
    while (at < vault->count && strcmp(vault->files[at].path, path) != 0)
        at++;
    return at;
}

static enum weft_status fail_down(struct weft_error *why, const char *path) {
    return status_fail(why, WEFT_IO, 0, "the simulated device is down: %s", path);
}

static enum weft_status fail_missing(struct weft_error *why, const char *path) {
    return status_fail(why, WEFT_NOT_FOUND, 0, "there is no simulated file %s", path);
}

/* ---- what engines are given ------------------------------------------------------------------ */

/* Its own power is gone, or that of the disk which it lies on. */
static bool is_down(const struct vault *vault) {
    return vault->down || (vault->disk != NULL && disk_is_down(vault->disk));
}

static enum weft_status port_load(void *self, const char *path, uint8_t *out, size_t room,
                                  size_t *size, struct weft_error *why) {
    const struct vault *vault = self;
    CHECK(out != NULL && size != NULL);
    if (is_down(vault)) return fail_down(why, path);
    const uint32_t at = vault_find(vault, path);
    if (at == vault->count) return fail_missing(why, path);
    const struct vault_file *file = &vault->files[at];
    if (file->size > room)
        return status_fail(why, WEFT_KEY_FILE, 0, "the simulated file %s is too large", path);
    memcpy(out, file->data, file->size);
    *size = file->size;
    return WEFT_OK;
}

static void add_file(struct vault *vault, const char *path, const uint8_t *data, size_t size) {
    CHECK(vault->count < VAULT_FILES);
    CHECK(strlen(path) < VAULT_PATH && size <= VAULT_SIZE);
    struct vault_file *file = &vault->files[vault->count++];
    memset(file, 0, sizeof *file);
    memcpy(file->path, path, strlen(path) + 1);
    memcpy(file->data, data, size);
    file->size = size;
}

static enum weft_status port_make(void *self, const char *path, const uint8_t *data, size_t size,
                                  struct weft_error *why) {
    struct vault *vault = self;
    CHECK(data != NULL && size > 0);
    if (is_down(vault)) return fail_down(why, path);
    if (vault->crash_in > 0 && --vault->crash_in == 0) {
        const bool placed = rng_chance(&vault->rng, 500);
        if (placed && !vault->full && vault_find(vault, path) == vault->count)
            add_file(vault, path, data, size);
        vault->down = true;
        return fail_down(why, path);
    }
    if (vault_find(vault, path) < vault->count)
        return status_fail(why, WEFT_INVALID, 0, "the simulated file %s is there already", path);
    if (vault->full)
        return status_fail(why, WEFT_DISK_FULL, 0, "no room for the simulated file %s", path);
    add_file(vault, path, data, size);
    return WEFT_OK;
}

static enum weft_status port_stamp(void *self, const char *path, uint8_t out[32],
                                   struct weft_error *why) {
    const struct vault *vault = self;
    uint8_t text[16 + VAULT_PATH] = {0};
    CHECK(out != NULL && strlen(path) < VAULT_PATH);
    if (is_down(vault)) return fail_down(why, path);
    const bool there = vault_find(vault, path) < vault->count ||
                       (vault->disk != NULL && disk_file_size(vault->disk, path) >= 0);
    if (!there) return fail_missing(why, path);
    store_u64(text, vault->seed);
    store_u64(text + 8, vault->restamped);
    memcpy(text + 16, path, strlen(path));
    CHECK(crypto_generichash_blake2b(out, 32, text, sizeof text, NULL, 0) == 0);
    return WEFT_OK;
}

struct vault_port vault_port(struct vault *vault) {
    return (struct vault_port){
        .self = vault, .load = port_load, .make = port_make, .stamp = port_stamp};
}

/* ---- what the world does --------------------------------------------------------------------- */

struct vault *vault_open(uint64_t seed, const struct disk *disk) {
    struct vault *vault = calloc(1, sizeof *vault);
    CHECK(vault != NULL);
    rng_seed(&vault->rng, seed, UINT64_C(0x7a017));
    vault->seed = seed;
    vault->disk = disk;
    return vault;
}

void vault_close(struct vault *vault) {
    free(vault);
}

void vault_crash(struct vault *vault) {
    vault->down = true;
    vault->crash_in = 0;
}

void vault_crash_after(struct vault *vault, uint64_t makes) {
    vault->crash_in = makes;
}

bool vault_is_down(const struct vault *vault) {
    return is_down(vault);
}

void vault_restart(struct vault *vault) {
    vault->down = false;
}

void vault_set_full(struct vault *vault, bool full) {
    vault->full = full;
}

void vault_restamp(struct vault *vault) {
    vault->restamped++;
}

void vault_clone(struct vault *to, const struct vault *from) {
    CHECK(to != from);
    memcpy(to->files, from->files, sizeof to->files);
    to->count = from->count;
}

void vault_clone_as(struct vault *to, const char *to_path, const struct vault *from,
                    const char *from_path) {
    const size_t size = strlen(from_path);
    vault_clone(to, from);
    for (uint32_t i = 0; i < to->count; i++) {
        char path[VAULT_PATH];
        if (strncmp(to->files[i].path, from_path, size) != 0) continue;
        snprintf(path, sizeof path, "%s%s", to_path, to->files[i].path + size);
        memcpy(to->files[i].path, path, sizeof path);
    }
}

bool vault_remove(struct vault *vault, const char *path) {
    const uint32_t at = vault_find(vault, path);
    if (at == vault->count) return false;
    vault->files[at] = vault->files[--vault->count];
    return true;
}

uint32_t vault_files(const struct vault *vault) {
    return vault->count;
}
