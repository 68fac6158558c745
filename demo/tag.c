/* Rows of the shared models. Columns that the demo does not know, and the one that says who tagged,
 * are given as NULL. */
#include "demo/tag.h"

#include <string.h>
#include <time.h>

#include "demo/entry.h"
#include "demo/must.h"

enum weft_status tag_models_find(const weft_engine *engine, struct tag_models *out) {
    memset(out, 0, sizeof *out);
    out->tag = weft_model(engine, "tag");
    out->link = weft_model(engine, "tag_on_entry");
    if (out->tag < 0 || out->link < 0) return WEFT_NOT_FOUND;
    out->tag_count = weft_column_count(engine, out->tag);
    out->link_count = weft_column_count(engine, out->link);
    MUST(out->tag_count <= ENTRY_COLUMNS_MAX && out->link_count <= ENTRY_COLUMNS_MAX);
    const struct {
        int model;
        const char *name;
        int *place;
    } wanted[] = {
        {out->tag, "id", &out->id},          {out->tag, "name", &out->name},
        {out->tag, "color", &out->color},    {out->link, "entry_id", &out->entry_id},
        {out->link, "tag_id", &out->tag_id}, {out->link, "tagged_at", &out->tagged_at},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        *wanted[i].place = weft_column(engine, wanted[i].model, wanted[i].name);
        if (*wanted[i].place < 0) return WEFT_NOT_FOUND;
    }
    return WEFT_OK;
}

int64_t tag_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

enum weft_status tag_put(weft_tx *tx, const struct tag_models *models, const uint8_t id[16],
                         const char *name, const char *color) {
    MUST(tx != NULL && name != NULL && color != NULL);
    struct weft_value values[ENTRY_COLUMNS_MAX] = {0};
    values[models->id] = weft_blob(id, WEFT_ID_SIZE);
    values[models->name] = weft_text(name, strlen(name));
    values[models->color] = weft_text(color, strlen(color));
    return weft_put(tx, models->tag, values, models->tag_count);
}

enum weft_status tag_link(weft_tx *tx, const struct tag_models *models, const uint8_t entry[16],
                          const uint8_t tag[16]) {
    MUST(tx != NULL);
    struct weft_value values[ENTRY_COLUMNS_MAX] = {0};
    values[models->entry_id] = weft_blob(entry, WEFT_ID_SIZE);
    values[models->tag_id] = weft_blob(tag, WEFT_ID_SIZE);
    values[models->tagged_at] = weft_integer(tag_now_us());
    return weft_put(tx, models->link, values, models->link_count);
}

enum weft_status tag_unlink(weft_tx *tx, const struct tag_models *models, const uint8_t entry[16],
                            const uint8_t tag[16]) {
    MUST(tx != NULL);
    const struct weft_value key[] = {weft_blob(entry, WEFT_ID_SIZE), weft_blob(tag, WEFT_ID_SIZE)};
    return weft_delete(tx, models->link, key, 2);
}
