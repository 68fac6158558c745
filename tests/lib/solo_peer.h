/* The peer actor alone: the test is the link, the remote behind it, the listener, bulk and share.
 *
 *     solo_peer_open(&stage);
 *     solo_peer_live(&stage, false);              accepted, greeted, granted: a session stands
 *     solo_peer_say_batch(&stage, LANE_LIVE, 100);
 *     struct mail *mail = solo_peer_to_bulk(&stage, WEFT__MAIL__BODY_PACKED);
 *
 * The remote speaks through a session of its own, sealed as the peer's. This device and the remote
 * are the two of meeting.h: ME dials by nature, but either may be dialled. */
#ifndef TESTS_LIB_SOLO_PEER_H
#define TESTS_LIB_SOLO_PEER_H

#include "engine/store/models.h"
#include "engine/wire/message.h"
#include "engine/wire/session.h"
#include "tests/lib/meeting.h"
#include "tests/lib/solo.h"

#define SOLO_LINK_ROOM (16u << 20)
#define SOLO_ME INITIATOR
#define SOLO_THEM RESPONDER
#define SOLO_NAME "a device of ours"

/* The link and its port. */
struct solo_link {
    uint8_t *in; /* on its way to the peer, which has read `in_taken` of it */
    size_t in_size, in_taken, in_room;
    uint8_t *out; /* written by the peer, of which the remote has read `out_taken` */
    size_t out_size, out_taken, out_room;
    size_t write_room;           /* bytes it still takes */
    size_t read_most;            /* bytes that one read brings */
    enum weft_status dial_fails; /* WEFT_OK: it does not */
    enum weft_status breaks;     /* what reading says when all is read; WEFT_BUSY */
    uint32_t dials, adopts, closes;
};

/* What the remote heard. */
struct said {
    bool some;
    enum frame_lane lane;
    size_t size;                  /* of the message */
    const Weft__Wire__Wire *wire; /* of the control lane; valid until the stage is closed */
};

struct solo_peer {
    struct solo solo;
    struct solo_link link;
    struct meeting meeting;
    enum handshake_mode mode; /* of the next connection */
    struct session *remote;
    struct models models;
    struct model model_list[2]; /* entry, misc */
    struct arena arena;
    uint8_t ephemerals;
    uint32_t granted_batches, granted_notes; /* to bulk */
    uint32_t granted_shipments, granted_shared_notes;
    bool dialled;     /* the peer's session is of a link it dialled */
    uint32_t claimed; /* the peer's number of the session it claimed last */
};

bool solo_peer_open(struct solo_peer *stage);
/* False when a mail has leaked. */
bool solo_peer_close(struct solo_peer *stage);

/* ---- the connection */

/* The listener hands over a connection whose first message it has read; or has the peer keep one to
 * an address. */
void solo_peer_accept(struct solo_peer *stage);
void solo_peer_dial(struct solo_peer *stage);
/* The same, where the host knows that nobody answers. */
void solo_peer_dial_quietly(struct solo_peer *stage);
/* What the next dial finds is a link of its own. */
void solo_peer_new_link(struct solo_peer *stage);
/* The remote's side of the handshake is done; what it answers is carried. */
void solo_peer_remote(struct solo_peer *stage);
/* ... and its Hello is said, and claimed. */
void solo_peer_claim(struct solo_peer *stage);
/* From nothing to LIVE; what the others are told on the way is taken. */
void solo_peer_live(struct solo_peer *stage, bool dialled);
/* Whether the peer has asked the listener if its session may stand. */
bool solo_peer_claimed(struct solo_peer *stage);
/* The listener rules on the session claimed last. */
void solo_peer_rule(struct solo_peer *stage, bool stands, bool end, bool prove);
/* bulk and share let go of the session that has ended, which they must have been told. */
void solo_peer_cleared(struct solo_peer *stage);
/* What the host sees of the slot. */
uint32_t solo_peer_state(const struct solo_peer *stage);

/* ---- the remote speaks */

/* What a right Hello says; `proof` is what it lies in. */
Weft__Wire__Hello solo_peer_hello(const struct solo_peer *stage, uint8_t proof[64]);
/* The remote says a message of the control lane; the peer is turned. */
void solo_peer_say(struct solo_peer *stage, Weft__Wire__Wire *wire);
void solo_peer_say_hello(struct solo_peer *stage, const Weft__Wire__Hello *hello);
void solo_peer_say_right_hello(struct solo_peer *stage);
void solo_peer_say_heartbeat(struct solo_peer *stage, uint64_t echo);
void solo_peer_say_credit(struct solo_peer *stage, uint64_t bytes);
void solo_peer_say_shared_credit(struct solo_peer *stage, uint64_t bytes);
/* `count` records of `size` bytes that are none; and that it holds one record of each of `count`
 * origins: a request, or an acknowledgement. */
void solo_peer_say_records(struct solo_peer *stage, size_t count, size_t size);
void solo_peer_say_shared_heads(struct solo_peer *stage, bool request, size_t count);
/* `size` bytes on a lane. */
void solo_peer_say_bytes(struct solo_peer *stage, enum frame_lane lane, size_t size,
                         uint32_t raw_size);
/* What the remote has said so far and the link not yet carried: `size` bytes of it at most. */
void solo_peer_carry(struct solo_peer *stage, size_t size);
/* Says it without carrying. */
void solo_peer_prepare(struct solo_peer *stage, Weft__Wire__Wire *wire);
/* A sealed frame that says a message of `wire_size` bytes follows, with the first of them. */
void solo_peer_say_frame(struct solo_peer *stage, uint8_t type, uint8_t lane, uint32_t wire_size);
/* Bytes below the session. */
void solo_peer_say_raw(struct solo_peer *stage, const void *data, size_t size);
/* The link takes all there is. */
void solo_peer_drain(struct solo_peer *stage);
/* The link can be read and written again, or is broken. */
void solo_peer_ready(struct solo_peer *stage);
void solo_peer_break(struct solo_peer *stage, enum weft_status status);

/* ---- the remote listens */

struct said solo_peer_heard(struct solo_peer *stage);
/* The next message of this kind, those before it let go; NULL when there is none. */
const Weft__Wire__Wire *solo_peer_heard_kind(struct solo_peer *stage,
                                             Weft__Wire__Wire__BodyCase kind);

/* How many batches the remote hears; control messages are let go. */
uint32_t solo_peer_batches_heard(struct solo_peer *stage);
/* The link was closed, once. With `code` not WEFT_OK the remote was told why first, else no error.
 */
void solo_peer_expect_end(struct solo_peer *stage, enum weft_status code);

/* ---- the other actors */

/* The next mail to bulk of this kind, those before it let go (grants are counted); NULL. */
struct mail *solo_peer_to_bulk(struct solo_peer *stage, Weft__Mail__BodyCase kind);
/* The same to share. */
struct mail *solo_peer_to_share(struct solo_peer *stage, Weft__Mail__BodyCase kind);
/* bulk hands over a batch of `size` bytes, or a position with what it has dealt with. */
void solo_peer_batch(struct solo_peer *stage, size_t size, uint32_t model, bool live);
void solo_peer_held(struct solo_peer *stage, uint32_t batches, uint32_t consumed,
                    const char *fault);
/* The same of share: a shipment of one record of `size` bytes, and what has been dealt with. */
void solo_peer_shipment(struct solo_peer *stage, size_t size, bool more);
void solo_peer_shared_held(struct solo_peer *stage, uint32_t count, uint32_t consumed,
                           const char *fault);
/* A request, or a note of what is held, of `count` origins. */
void solo_peer_shared_heads(struct solo_peer *stage, bool request, uint32_t count);
/* A position note of `places` streams. */
void solo_peer_places(struct solo_peer *stage, uint32_t places);
/* Whether such a mail goes to the listener, or the log; it is dropped. */
bool solo_peer_told(struct solo_peer *stage, uint32_t actor, Weft__Mail__BodyCase kind);
/* The next event for the host is of this kind and says so. */
void solo_peer_expect_event(struct solo_peer *stage, enum weft_event_kind kind,
                            enum weft_status status, const char *said);
/* Time passes, in microseconds, and the peer is turned. */
void solo_peer_wait(struct solo_peer *stage, uint64_t us);

#endif
