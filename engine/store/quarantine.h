/* The quarantine: records whose stamps lie too far ahead of this device's wall clock. They are held
 * and acknowledged like others; what they say of rows waits until its time has come, so that one
 * wrong clock decides nothing for anybody else. Works inside a transaction of the writer. */
#ifndef WEFT_STORE_QUARANTINE_H
#define WEFT_STORE_QUARANTINE_H

#include "engine/base/arena.h"
#include "engine/store/writer.h"
#include "engine/wire/record.h"

struct quarantined {
    uint64_t place;
    uint64_t hlc;
    struct bytes record; /* in the arena */
};

/* Keeps the record that stands at a place. Errors: WEFT_LIMIT (LIMIT_QUARANTINE of one origin), and
 * those of writing. */
enum weft_status quarantine_add(struct writer *writer, const struct record_origin *origin,
                                uint64_t place, uint64_t hlc, struct weft_error *why);
/* The one with the least stamp. Errors: those of reading, WEFT_NO_MEMORY. */
enum weft_status quarantine_next(struct writer *writer, struct arena *arena, bool *found,
                                 struct quarantined *out, struct weft_error *why);
enum weft_status quarantine_drop(struct writer *writer, uint64_t place, struct weft_error *why);

#endif
