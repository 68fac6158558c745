/* Founding a library: the first record, by which its first device makes itself a member. */
#ifndef WEFT_STORE_FOUND_H
#define WEFT_STORE_FOUND_H

#include "engine/runtime/port.h"
#include "engine/store/shared.h"

/* Writes the founding record (ADD of this device, and the first library key) if the library has no
 * member yet and does not wait to come into another's. `hlc` is its stamp, greater than the store's
 * clock, which is raised. Errors: those of writing. */
enum weft_status store_found(struct store *store, const char *path, const char *vfs,
                             const struct identity *identity, const char *name, uint64_t hlc,
                             const struct entropy_port *entropy, struct pool *pool,
                             struct weft_error *why);

#endif
