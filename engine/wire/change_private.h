/* The forms of names, numbers and values that changes of shared rows and snapshots of them have in
 * common: change.h says what they are. Private to change.c and snapshot.c. */
#ifndef WEFT_WIRE_CHANGE_PRIVATE_H
#define WEFT_WIRE_CHANGE_PRIVATE_H

#include "engine/base/limits.h"
#include "engine/weft.h"
#include "engine/wire/cursor.h"

/* ---- reading: false at anything that has not the form */

bool change_name_sound(struct bytes name);
bool change_read_name(struct cursor *cursor, struct bytes *out);
/* A varint in its shortest form. */
bool change_read_number(struct cursor *cursor, uint64_t *out);
/* One value. `*special` (NULL: there may be none) becomes true, and the value NULL, if it is of the
 * type `special_type`, which has no body. */
bool change_read_value(struct cursor *cursor, struct weft_value *out, bool *special,
                       uint8_t special_type);
/* A key of so many values, none of them NULL or REAL. */
bool change_read_key(struct cursor *cursor, uint32_t count, struct weft_value *key,
                     struct bytes *bytes);
/* Whether two fields have one name, as SQLite compares names of columns: ASCII letters of either
 * case are the same. */
bool change_has_twins(const struct bytes *fields, uint32_t count);

/* ---- writing */

/* Bytes that change_lay_value() takes at most. */
size_t change_value_room(const struct weft_value *value);
/* Lays a value down and returns the place after it. */
uint8_t *change_lay_value(uint8_t *at, const struct weft_value *value);
/* Whether it may be laid down: a text is UTF-8. */
bool change_value_sound(const struct weft_value *value);

#endif
