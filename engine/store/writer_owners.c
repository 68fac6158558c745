/* Whose a row is: numbers of devices, and owners of the rows that references name.
 *
 *   reference ─► the place that answered last ─► owner
 *             └► hash ─► one of WRITER_SLOTS places ─► owner      else ─► SELECT ─► remember
 *
 * An indexer writes thousands of entries of one location in a row, so that nearly every look-up is
 * answered from memory.
 *
 * Invariants
 *   1. A reference that names no row is remembered, too: entries may arrive before their location.
 *   2. A row's owner never changes while the row is there. When a table that others refer to has
 *      been written, all is forgotten. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/writer_private.h"

static enum weft_status device_ask(struct writer *writer, enum writer_fixed fixed,
                                   const struct id *id, uint32_t *number, struct weft_error *why) {
    struct weft_value device = weft_blob(id->bytes, sizeof id->bytes);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum weft_status status = writer_fixed(writer, fixed, &statement, why);
    if (status != WEFT_OK) return status;
    statement_bind(statement, 1, &device);
    if (fixed == FIXED_DEVICE_ADD) sqlite3_bind_int64(statement, 2, LIMIT_MEMBERS);
    status = statement_step(statement, &row, "reading", writer->path, why);
    if (status != WEFT_OK || !row) return status;
    const int64_t stored = sqlite3_column_int64(statement, 0);
    if (stored < 1 || stored > UINT32_MAX) {
        sqlite3_reset(statement);
        return status_fail(why, WEFT_CORRUPT, 0,
                           "%s: a device has the number %lld, which cannot be; restore the file "
                           "from a copy",
                           writer->path, (long long)stored);
    }
    *number = (uint32_t)stored;
    return statement_run(statement, "reading", writer->path, why);
}

enum weft_status writer_device_known(struct writer *writer, const struct id *id, uint32_t *number,
                                     struct weft_error *why) {
    CHECK(id != NULL && number != NULL);
    *number = 0;
    if (id_equal(id, &writer->self)) {
        *number = WRITER_SELF;
        return WEFT_OK;
    }
    for (uint32_t i = 0; i < writer->device_count; i++) {
        if (!id_equal(&writer->devices[i].id, id)) continue;
        *number = writer->devices[i].number;
        return WEFT_OK;
    }
    enum weft_status status = device_ask(writer, FIXED_DEVICE, id, number, why);
    if (status != WEFT_OK || *number == 0) return status;
    CHECK(writer->device_count < LIMIT_MEMBERS);
    writer->devices[writer->device_count++] = (struct writer_device){*id, *number};
    return WEFT_OK;
}

enum weft_status writer_device(struct writer *writer, const struct id *id, uint32_t *number,
                               struct weft_error *why) {
    CHECK(id != NULL && number != NULL);
    enum weft_status status = writer_device_known(writer, id, number, why);
    if (status != WEFT_OK || *number != 0) return status;
    status = device_ask(writer, FIXED_DEVICE_ADD, id, number, why);
    if (status != WEFT_OK || *number != 0) return status;
    char text[ID_TEXT_SIZE];
    id_text(id, text);
    return status_fail(
        why, WEFT_LIMIT, 0,
        "device %s cannot be taken into %s: the library has met %u devices, all that "
        "it may know; begin a new library",
        text, writer->path, LIMIT_MEMBERS);
}

static struct writer_reference *reference_place(struct writer *writer, uint32_t model,
                                                const struct weft_value *value) {
    uint64_t hash = 14695981039346656037u ^ model; /* FNV-1a */
    const uint8_t *bytes = (const uint8_t *)&value->as;
    size_t size = 8;
    if (value->type == WEFT_BLOB || value->type == WEFT_TEXT) {
        bytes = value->as.bytes;
        size = value->size;
    }
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return &writer->references[(hash ^ hash >> 32) % WRITER_SLOTS];
}

static bool reference_is(const struct writer_reference *place, uint32_t model,
                         const struct weft_value *value) {
    if (place->model != model || place->type != value->type) return false;
    if (value->type == WEFT_INTEGER) return memcmp(place->bytes, &value->as, 8) == 0;
    return place->size == value->size && memcmp(place->bytes, value->as.bytes, value->size) == 0;
}

static void reference_keep(struct writer_reference *place, uint32_t model, uint32_t owner,
                           const struct weft_value *value) {
    *place = (struct writer_reference){
        .model = model, .owner = owner, .type = (uint8_t)value->type, .size = (uint8_t)value->size};
    if (value->type == WEFT_INTEGER) {
        memcpy(place->bytes, &value->as, 8);
    } else if (value->size > 0) {
        memcpy(place->bytes, value->as.bytes, value->size);
    }
}

enum weft_status writer_owner_of(struct writer *writer, const struct model *model,
                                 const struct weft_value *reference, uint32_t *owner,
                                 struct weft_error *why) {
    CHECK(model->owner_model != NULL);
    CHECK(owner != NULL);
    const uint32_t id = model->owner_model->id;
    bool small = reference->type == WEFT_INTEGER ||
                 ((reference->type == WEFT_BLOB || reference->type == WEFT_TEXT) &&
                  reference->size <= WRITER_REFERENCE && reference->size > 0);
    if (small && writer->met != NULL && reference_is(writer->met, id, reference)) {
        *owner = writer->met->owner;
        return WEFT_OK;
    }
    struct writer_reference *place = small ? reference_place(writer, id, reference) : NULL;
    if (small && reference_is(place, id, reference)) {
        writer->met = place;
        *owner = place->owner;
        return WEFT_OK;
    }
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *owner = 0;
    enum weft_status status = writer_slot(writer, model, SLOT_OWNER_OF, &statement, why);
    if (status != WEFT_OK) return status;
    statement_bind(statement, 1, reference);
    status = statement_step(statement, &row, "reading", model->owner_model->name, why);
    if (status != WEFT_OK) return status;
    if (row) *owner = (uint32_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    if (small) reference_keep(place, id, *owner, reference);
    return WEFT_OK;
}

void writer_forget_owners(struct writer *writer, const struct model *model) {
    CHECK(model != NULL);
    /* Which of the places this model fills is not known; such tables are seldom written. */
    const struct writer_table *table = writer_table(writer, model);
    if (table->known && !table->owns) return;
    memset(writer->references, 0, sizeof writer->references);
}
