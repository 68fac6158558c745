/* The session: what stands between frames and the byte stream. Everything is sealed; there is no
 * other kind.
 *
 *      peer ── messages ──► frame ──► session ──► link          (and back)
 *
 *   stream := M1 or M2 (handshake.h) | record ...
 *   record := len u16 | ChaCha20-Poly1305(key, n++, frame)        len: of the sealed frame, 20 …
 *   frame of type 2, four bytes: the sender's next record is sealed with the next key (Noise's
 *   Rekey); due before 2^20 records, 1 GiB or 15 minutes under one key have passed.
 *
 * Source: docs/protocol.md, "Session". */
#ifndef WEFT_WIRE_SESSION_H
#define WEFT_WIRE_SESSION_H

#include "engine/wire/frame.h"
#include "engine/wire/handshake.h"

struct session;

/* Opens a session as the one who dials: M1 is the first thing to send. `self` outlives it;
 * `ephemeral`: 32 bytes of entropy. Errors: WEFT_NO_MEMORY, WEFT_DENIED (see handshake_dial()). */
enum weft_status session_dial(const struct handshake_self *self,
                              const struct handshake_target *target, const uint8_t ephemeral[32],
                              struct session **out, struct weft_error *why);
/* Opens one as the one who was dialled, whose M1 has been read (and judged): M2 is the first thing
 * to send. `*read` is wiped. Errors: as session_dial(). */
enum weft_status session_accept(const struct handshake_self *self, struct handshake *read,
                                const uint8_t ephemeral[32], struct session **out,
                                struct weft_error *why);
/* Closes it, wiping its keys; queued messages are released. NULL is allowed. */
void session_close(struct session *session);

/* Whether the handshake is over: only then may the three below be asked, and messages flow. */
bool session_stands(const struct session *session);
const struct handshake_remote *session_remote(const struct session *session);
const uint8_t *session_channel(const struct session *session); /* 64 bytes */
enum handshake_mode session_mode(const struct session *session);

/* Queues a message, as frame_writer_push(). */
enum weft_status session_push(struct session *session, enum frame_lane lane, struct bytes message,
                              uint32_t raw_size, struct frame_owner owner, void *token);
/* Bytes queued by session_push() and not yet cut into frames. */
size_t session_queued(const struct session *session);
/* Whether nothing of a lane is left to be cut into frames. */
bool session_idle(const struct session *session, enum frame_lane lane);
/* The next record is to be the last under this side's key. Does nothing before it stands. */
void session_rekey(struct session *session);

/* Bytes that wait to be written to the link; empty when there are none. Borrowed until
 * session_sent(), which says how many of them the link took. */
struct bytes session_to_send(struct session *session);
void session_sent(struct session *session, size_t size);

/* Room for bytes read from the link, and how many arrived. Errors: WEFT_NO_MEMORY; WEFT_BUSY (whole
 * messages wait in it: take them with session_next() first). */
enum weft_status session_room(struct session *session, uint8_t **out, size_t *size);
void session_received(struct session *session, size_t size);

/* The next whole message; `*got` is false when more bytes are needed. It is valid until the next
 * call on the session. Errors: WEFT_DENIED, WEFT_PROTOCOL, WEFT_NO_MEMORY; the session is unusable
 * then. */
enum weft_status session_next(struct session *session, struct frame_message *out, bool *got,
                              struct weft_error *why);
/* So many bytes are sealed ahead of the link at most, but for the last record, since what is sealed
 * cannot be overtaken. SESSION_AHEAD until it is said. */
#define SESSION_AHEAD 65536u /* many small messages travel with one write; more gains nothing */
void session_set_ahead(struct session *session, size_t bytes);

/* Gives back the room for bytes that neither wait to be sent nor are held: after each step. What
 * session_next() gave last is not valid any more. */
void session_rest(struct session *session);
/* Whether something is kept for messages to come, and gives it back: once it has been quiet for a
 * while. */
bool session_spare(const struct session *session);
void session_shrink(struct session *session);

/* How many records have come in whole, and how large the one is that has begun to (0: none has). */
uint64_t session_records(const struct session *session, size_t *begun);

#endif
