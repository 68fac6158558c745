/* See sums.h. Of each position that an owner's stream has been seen at, settled, on any device, the
 * digest is remembered. */
#include "tests/sim/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/store/digest.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/company.h"

struct sum {
    struct id owner;
    char table[32];
    uint64_t position, digest;
    uint32_t device;
};

struct sums {
    struct sum *list;
    uint32_t count, room;
    struct digest_list last[DEVICES_MAX];
};

struct sums *sums_open(struct world *world) {
    struct sums *sums = calloc(1, sizeof *sums);
    CHECK(sums != NULL);
    (void)world;
    return sums;
}

void sums_close(struct sums *sums) {
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        digest_list_free(&sums->last[d]);
    free(sums->list);
    free(sums);
}

static struct sum *find(struct sums *sums, const struct digest_found *found) {
    for (uint32_t i = 0; i < sums->count; i++) {
        struct sum *seen = &sums->list[i];
        if (seen->position == found->position && id_equal(&seen->owner, &found->owner) &&
            strcmp(seen->table, found->table) == 0) {
            return seen;
        }
    }
    return NULL;
}

static void remember(struct sums *sums, const struct digest_found *found, uint32_t device) {
    if (sums->count == sums->room) {
        sums->room = sums->room * 2 + 64;
        sums->list = realloc(sums->list, sums->room * sizeof *sums->list);
        CHECK(sums->list != NULL);
    }
    struct sum *seen = &sums->list[sums->count++];
    *seen = (struct sum){found->owner, "", found->position, found->kept, device};
    snprintf(seen->table, sizeof seen->table, "%.31s", found->table);
}

/* Whether rows of the stream are false somewhere. */
static bool is_touched(const struct world *world, const struct digest_found *found) {
    for (uint32_t d = 0; d < world->cast.device_count; d++)
        for (uint32_t t = 0; t < TABLE_COUNT; t++)
            if (id_equal(&world->cast.device[d], &found->owner) &&
                strcmp(table_shapes[t].name, found->table) == 0)
                return byzantine_touched(world, d, (enum table)t);
    return false;
}

static bool look(struct device *device, const struct digest_found *found) {
    struct world *world = device->world;
    if (!found->known)
        return world_fail(world, "device %u: the digest of %s is lost", device->number,
                          found->table);
    if (found->kept != found->computed)
        return world_fail(world, "device %u: the digest of %s is kept as %llx and is %llx",
                          device->number, found->table, (unsigned long long)found->kept,
                          (unsigned long long)found->computed);
    if (found->shared || !found->settled || found->position == 0) return true;
    const struct sum *seen = find(world->sums, found);
    if (seen == NULL) {
        remember(world->sums, found, device->number);
        return true;
    }
    if (seen->digest == found->kept) return true;
    if (is_touched(world, found)) return true;
    return world_fail(world,
                      "device %u: %s of one owner at position %llx has the digest %llx, and had "
                      "%llx on device %u",
                      device->number, found->table, (unsigned long long)found->position,
                      (unsigned long long)found->kept, (unsigned long long)seen->digest,
                      seen->device);
}

bool sums_check(struct device *device) {
    struct weft_error why = {0};
    const struct settings *settings = engine_topology(device->engine)->settings;
    struct digest_list *list = &device->world->sums->last[device->number];
    CHECK(sqlite3_exec(device->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
    enum weft_status status = digest_scan(device->db, device->path, settings->models, list, &why);
    CHECK(sqlite3_exec(device->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    if (status != WEFT_OK) return world_fail(device->world, "%s", why.text);
    for (uint32_t i = 0; i < list->count; i++)
        if (!look(device, &list->list[i])) return false;
    return true;
}

static bool is_out(const struct world *world, const struct id *owner) {
    for (uint32_t d = 0; d < world->cast.device_count; d++)
        if (id_equal(&world->cast.device[d], owner))
            return company_out(world->company, d) || !world_awaits(world, d);
    return false;
}

bool sums_agree(struct world *world, bool *equal, char *why) {
    const struct digest_list *first = NULL;
    *equal = false;
    for (uint32_t d = 0; d < world->cast.device_count; d++) {
        struct device *device = &world->device[d];
        if (company_out(world->company, d) || !world_awaits(world, d)) continue;
        if (!sums_check(device)) return false;
        const struct digest_list *list = &world->sums->last[d];
        if (first == NULL) first = list;
        for (uint32_t i = 0; i < first->count; i++) {
            const struct digest_found *mine = &first->list[i];
            if (!mine->shared || world->far_future) continue;
            /* Of records behind a fork not all have the same. */
            if (byzantine_forked(world, world->plan.liar)) continue;
            const struct digest_found *theirs =
                digest_find_shared(list, mine->table, strlen(mine->table));
            if ((theirs == NULL ? 0 : theirs->kept) == mine->kept) continue;
            snprintf(why, FAILURE_TEXT, "device %u has another digest of the shared table %s", d,
                     mine->table);
            return true;
        }
        for (uint32_t i = 0; i < list->count; i++) {
            if (list->list[i].shared || list->list[i].settled) continue;
            /* What only a removed owner had nobody can have any more. */
            if (is_out(world, &list->list[i].owner)) continue;
            char owner[ID_TEXT_SIZE];
            id_text(&list->list[i].owner, owner);
            snprintf(why, FAILURE_TEXT, "device %u: rows of %s of %s are not settled at %llx", d,
                     list->list[i].table, owner, (unsigned long long)list->list[i].position);
            return true;
        }
    }
    *equal = true;
    return true;
}
