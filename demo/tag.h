/* The demo's shared models as the demo writes them: tags, and which entry carries which. Every
 * device writes them, as it writes its own rows. */
#ifndef DEMO_TAG_H
#define DEMO_TAG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/weft.h"

#define TAG_NAME_MAX 128u

/* Positions of the columns, found by name once. */
struct tag_models {
    int tag, link;
    unsigned tag_count, link_count;
    int id, name, color;
    int entry_id, tag_id, tagged_at;
};

/* Errors: WEFT_NOT_FOUND: the library was made with another schema. */
enum weft_status tag_models_find(const weft_engine *engine, struct tag_models *out);

/* A new tag, or new values of one that is there. Errors: as weft_put(). */
enum weft_status tag_put(weft_tx *tx, const struct tag_models *models, const uint8_t id[16],
                         const char *name, const char *color);
/* Tags an entry. The engine writes who did, this says when: now. Errors: as weft_put(). */
enum weft_status tag_link(weft_tx *tx, const struct tag_models *models, const uint8_t entry[16],
                          const uint8_t tag[16]);
/* Errors: as weft_delete(). */
enum weft_status tag_unlink(weft_tx *tx, const struct tag_models *models, const uint8_t entry[16],
                            const uint8_t tag[16]);

/* Microseconds since 1970, as `tagged_at` holds them. */
int64_t tag_now_us(void);

#endif
