/* A stranger: a program at the other end of a socket that is no weft device, or makes first
 * messages (engine/wire/handshake.h) of its own. For tests of what a device says to whom: to a
 * stranger not one byte. */
#ifndef TESTS_LIB_STRANGER_H
#define TESTS_LIB_STRANGER_H

#include "engine/wire/handshake.h"
#include "tests/lib/party.h"

/* ---- sockets ---- */

/* Listens on a free port; `address` receives it. Returns the descriptor. */
int stranger_listen(char address[WEFT_ADDRESS_MAX]);
/* Takes the next connection, waiting for it. */
int stranger_accept(int listening);
/* Connects to an address of IPv4. */
int stranger_dial(const char *address);
/* Says something; the other side may hang up before it has heard all. */
void stranger_say(int connection, const void *bytes, size_t size);
/* Reads exactly so many bytes. */
void stranger_hear(int connection, void *bytes, size_t size);
/* Waits until the other side hangs up, which it must do without having said one byte; closes. */
void stranger_hears_nothing(int connection);
/* Dials, says this, and hears nothing. */
void stranger_is_ignored(const char *address, const void *bytes, size_t size);

/* ---- first messages ---- */

/* Who a stranger says it is, and whom it means. Ephemeral keys are counted, so that each first
 * message is another. */
struct stranger {
    struct identity identity;
    struct handshake_target target;
    uint8_t ephemeral[32];
};

/* A device that nobody has added, with keys of its own and a certificate for `library`. It means
 * `party`, which is open; target.psk is zeros. */
void stranger_draw(struct stranger *stranger, struct party *party, const uint8_t library[16]);
/* The same with the identity of a device, and the newest library key that it knows. `as` is open.
 */
void stranger_draw_as(struct stranger *stranger, struct party *party, struct party *as);
/* The newest library key that a device knows; it is open. */
void stranger_library_key(struct party *party, uint8_t key[LIBRARY_KEY]);
/* The pre-shared key of a link. */
void stranger_link_key(const char *link, uint8_t key[LIBRARY_KEY]);
/* The next first message. */
void stranger_m1(struct stranger *stranger, enum handshake_mode mode, uint8_t m1[HANDSHAKE_M1]);
/* Writes the first MAC of a changed first message anew, as anybody can who knows the keys of whom
 * it is for. */
void stranger_repair(const struct stranger *stranger, uint8_t m1[HANDSHAKE_M1]);

#endif
