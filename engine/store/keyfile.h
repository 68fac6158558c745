/* The key file: what a device is known by, beside its library and never in it.
 *
 *   PATH-key, mode 0600, text:
 *     weft-key 1
 *     identity <64 hex digits>      Ed25519 seed
 *     exchange <64 hex digits>      X25519 secret
 *
 * Reading and writing go through the vault port (runtime/port.h), which also says where and on what
 * the library's file lies. Invariant: a key file is never overwritten. */
#ifndef WEFT_STORE_KEYFILE_H
#define WEFT_STORE_KEYFILE_H

#include "engine/runtime/port.h"
#include "engine/wire/identity.h"

#define KEYFILE_TEXT 160u /* bytes of a key file, at most */

/* Reads the secret of the key file beside `path`, or makes one when there is none and `make`.
 * `*made` says which. The secret is the caller's to wipe.
 * Errors: WEFT_KEY_FILE (missing; not 0600 or another user's, with the command that mends it;
 * damaged), WEFT_READ_ONLY, WEFT_DISK_FULL, WEFT_IO. */
enum weft_status keyfile_open(const struct vault_port *vault, const struct entropy_port *entropy,
                              const char *path, bool make, uint8_t secret[IDENTITY_SECRET],
                              bool *made, struct weft_error *why);

#endif
