/* Packed values: how keys and whole rows are kept inside the engine's own tables. Private to the
 * store: never on the wire, and independent of the batches' columnar form.
 *
 *   values := value*
 *   value  := type u8 (enum weft_type) | body
 *   body   := NULL: nothing | INTEGER, REAL: 8 bytes | TEXT, BLOB: size varint, bytes
 *   row    := (TEXT value: a column's name, value)*
 * A parked row carries the names, so that it can still be read when columns have come or gone. */
#ifndef WEFT_STORE_PACKED_H
#define WEFT_STORE_PACKED_H

#include "engine/store/models.h"

/* Grows as needed; reused from call to call. */
struct packed {
    uint8_t *data;
    size_t size;
    size_t room;
};

void packed_free(struct packed *packed);

/* Packs a key: `values[model->key[i]]` in key order. Errors: WEFT_NO_MEMORY. */
enum weft_status packed_key(struct packed *packed, const struct model *model,
                            const struct weft_value *values);
/* Packs a row: one value per column of the model. Errors: WEFT_NO_MEMORY. */
enum weft_status packed_row(struct packed *packed, const struct model *model,
                            const struct weft_value *values);

/* Adds one value, or one number, behind what is packed. Errors: WEFT_NO_MEMORY. */
enum weft_status packed_value(struct packed *packed, const struct weft_value *value);
enum weft_status packed_number(struct packed *packed, uint64_t number);
/* Reads them back, moving `*at`; false if the bytes are not what packing makes. The value borrows
 * from them. */
bool packed_read_value(const uint8_t **at, const uint8_t *end, struct weft_value *out);
bool packed_read_number(const uint8_t **at, const uint8_t *end, uint64_t *out);

/* Keeps a copy of packed bytes. Errors: WEFT_NO_MEMORY. */
enum weft_status packed_copy(struct packed *packed, struct bytes bytes);

/* Unpacks into `values`, one per column of the model; what is not packed becomes NULL. The values
 * borrow from `bytes`. False if the bytes are not what packing makes. */
bool packed_read_key(struct bytes bytes, const struct model *model, struct weft_value *values);
bool packed_read_row(struct bytes bytes, const struct model *model, struct weft_value *values);

#endif
