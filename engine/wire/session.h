/* The session: what stands between frames and the byte stream. This is the seam where the sealed
 * session (Noise IKpsk1) will stand; the calls are those it needs.
 *
 *      peer ── messages ──► frame ──► session ──► link          (and back)
 *
 * Today the session is clear: it exchanges the eight-byte greeting and passes frames as they are,
 * and session_is_sealed() is false. The net port refuses any address but loopback for as long as
 * that is so. */
#ifndef WEFT_WIRE_SESSION_H
#define WEFT_WIRE_SESSION_H

#include "engine/wire/frame.h"

struct session;

/* Opens one side of a session. NULL when out of memory. */
struct session *session_open(bool initiator);
/* Closes it; queued messages are released. NULL is allowed. */
void session_close(struct session *session);

/* Whether sessions of this build are sealed. */
bool session_is_sealed(void);

/* Queues a message, as frame_writer_push(). */
enum weft_status session_push(struct session *session, enum frame_lane lane, struct bytes message,
                              uint32_t raw_size, struct frame_owner owner, void *token);
/* Bytes queued by session_push() and not yet cut into frames. */
size_t session_queued(const struct session *session);
/* Whether nothing of a lane is left to be cut into frames. */
bool session_idle(const struct session *session, enum frame_lane lane);

/* Bytes that wait to be written to the link; empty when there are none. Borrowed until
 * session_sent(), which says how many of them the link took. The side that was dialled has none
 * before session_next() has seen the other's greeting: a stranger gets silence. */
struct bytes session_to_send(struct session *session);
void session_sent(struct session *session, size_t size);

/* Room for bytes read from the link, and how many arrived. Errors: as frame_reader_room(). */
enum weft_status session_room(struct session *session, uint8_t **out, size_t *size);
void session_received(struct session *session, size_t size);

/* The next whole message. As frame_reader_next(); a peer whose greeting is not ours is
 * WEFT_PROTOCOL, with the bytes it sent in the text. */
enum weft_status session_next(struct session *session, struct frame_message *out, bool *got,
                              struct weft_error *why);

#endif
