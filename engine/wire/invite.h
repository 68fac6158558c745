/* An invite as a link: who invites, into which library, where, and the secret that opens the door.
 *
 *   weft:1:BASE64URL(library 16 | id_pk 32 | x_pk 32 | secret 32
 *                    | count u8 | count × (size u8 | text) | check 4)
 *
 * `check` is the first four bytes of BLAKE2b-256("weft/invite\0" ‖ all before it): a link that was
 * cut or mistyped is told from one that has ended. Base64 as RFC 4648, section 5, without padding.
 * Whoever has the link may come in: it is a secret. */
#ifndef WEFT_WIRE_INVITE_H
#define WEFT_WIRE_INVITE_H

#include "engine/wire/identity.h"

#define INVITE_SECRET 32u
#define INVITE_ADDRESSES 4u

struct invite_link {
    struct id library;
    struct identity_public inviter;
    uint8_t secret[INVITE_SECRET];
    uint32_t address_count;
    char addresses[INVITE_ADDRESSES][WEFT_ADDRESS_MAX];
};

/* Writes the link, terminated. Errors: WEFT_LIMIT (`room`). */
enum weft_status invite_write(const struct invite_link *link, char *out, size_t room,
                              struct weft_error *why);
/* Reads one; blanks around it are allowed. Errors: WEFT_INVITE. */
enum weft_status invite_read(const char *text, struct invite_link *out, struct weft_error *why);
/* The pre-shared key of its session: BLAKE2b-256("weft/invite-psk" ‖ library ‖ secret). */
void invite_psk(const struct id *library, const uint8_t secret[INVITE_SECRET],
                uint8_t out[LIBRARY_KEY]);

#endif
