/* See quarantine.h. Invariant: a place in the quarantine has its record in shared_changes. */
#include "engine/store/quarantine.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_private.h"
#include "engine/store/writer_private.h"

enum weft_status quarantine_add(struct writer *writer, const struct record_origin *origin,
                                uint64_t place, uint64_t hlc, struct weft_error *why) {
    uint32_t number = 0;
    sqlite3_stmt *add = NULL;
    CHECK(place > 0 && hlc <= INT64_MAX);
    enum weft_status status = shared_origin_number(writer, origin, &number, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_QUARANTINE, &add, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(add, 1, (int64_t)place);
    sqlite3_bind_int64(add, 2, number);
    sqlite3_bind_int64(add, 3, (int64_t)hlc);
    sqlite3_bind_int64(add, 4, LIMIT_QUARANTINE);
    status = statement_run(add, "writing", writer->path, why);
    if (status != WEFT_OK || sqlite3_changes64(writer->db) == 1) return status;
    char device[ID_TEXT_SIZE];
    id_text(&origin->device, device);
    return status_fail(why, WEFT_LIMIT, 0,
                       "device %s has a clock that is far ahead, and %u of its records wait for "
                       "their time; set its clock right",
                       device, LIMIT_QUARANTINE);
}

enum weft_status quarantine_next(struct writer *writer, struct arena *arena, bool *found,
                                 struct quarantined *out, struct weft_error *why) {
    sqlite3_stmt *next = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_QUARANTINE_NEXT, &next, why);
    if (status != WEFT_OK) return status;
    status = statement_step(next, found, "reading", writer->path, why);
    if (status != WEFT_OK || !*found) return status;
    const struct weft_value record = statement_value(next, 2);
    out->place = (uint64_t)sqlite3_column_int64(next, 0);
    out->hlc = (uint64_t)sqlite3_column_int64(next, 1);
    uint8_t *copy = arena_take(arena, record.size + 1);
    if (copy == NULL) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a record");
    } else if (record.type == WEFT_BLOB && record.size > 0) {
        memcpy(copy, record.as.bytes, record.size);
    }
    out->record = (struct bytes){copy, record.type == WEFT_BLOB ? record.size : 0};
    sqlite3_reset(next);
    return status;
}

enum weft_status quarantine_drop(struct writer *writer, uint64_t place, struct weft_error *why) {
    sqlite3_stmt *drop = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_QUARANTINE_DROP, &drop, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(drop, 1, (int64_t)place);
    return statement_run(drop, "writing", writer->path, why);
}
