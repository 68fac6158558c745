/* The bytes of one simulated file: as they are now, and as the last sync left them. */
#ifndef SIM_IMAGE_H
#define SIM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/sim/rng.h"

struct image {
    uint8_t *bytes;
    size_t size, room;
};

struct content {
    struct image now, synced;
    size_t dirty_from, dirty_to; /* where the two may differ */
};

enum image_survival { IMAGE_KEEP_ALL, IMAGE_KEEP_SYNCED, IMAGE_KEEP_SOME };

void content_free(struct content *content);
void content_write(struct content *content, size_t at, const void *data, size_t size);
/* Makes the file longer (with zeros) or shorter. */
void content_resize(struct content *content, size_t size);
void content_sync(struct content *content);
/* A sync that failed: what it should have made safe is taken for clean, and is not safe. */
void content_sync_failed(struct content *content);
/* What a crash leaves, as a fresh content that is all synced. `*lost` is raised by the number of
 * unsynced sectors dropped or torn. */
void content_crash(const struct content *content, enum image_survival survival, struct rng *rng,
                   struct content *out, uint64_t *lost);

#endif
