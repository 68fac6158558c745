/* The peer actor alone: the test is the link, the remote behind it, the listener and bulk.
 *
 *     solo_peer_open(&stage);
 *     solo_peer_live(&stage, false);              accepted, greeted, granted: a session stands
 *     solo_peer_say_batch(&stage, LANE_LIVE, 100);
 *     struct mail *mail = solo_peer_to_bulk(&stage, WEFT__MAIL__BODY_PACKED);
 *
 * The remote speaks through a session of its own. Only solo_peer.c knows how one is opened and what
 * a frame's bytes are. This device's id is ME's, the remote's THEM's. */
#ifndef TESTS_LIB_SOLO_PEER_H
#define TESTS_LIB_SOLO_PEER_H

#include "engine/store/models.h"
#include "engine/wire/message.h"
#include "engine/wire/session.h"
#include "tests/lib/solo.h"

#define SOLO_LINK_ROOM (16u << 20)
#define SOLO_ME 1u
#define SOLO_THEM 2u

/* The link and its port. */
struct solo_link {
    uint8_t *in; /* on its way to the peer, which has read `in_taken` of it */
    size_t in_size, in_taken;
    uint8_t *out; /* written by the peer, of which the remote has read `out_taken` */
    size_t out_size, out_taken;
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
    struct session *remote;
    struct models models;
    struct model model_list[2]; /* entry, misc */
    struct arena arena;
    uint32_t jitter; /* what the entropy port gives */
    uint32_t granted_batches, granted_notes;
    bool dialled;     /* the peer's session is of a link it dialled */
    uint32_t claimed; /* the peer's number of the session it claimed last */
};

bool solo_peer_open(struct solo_peer *stage);
/* False when a mail has leaked. */
bool solo_peer_close(struct solo_peer *stage);

/* ---- the connection */

/* The listener hands over a connection; or has the peer keep one to an address. */
void solo_peer_accept(struct solo_peer *stage);
void solo_peer_dial(struct solo_peer *stage);
/* What the next dial finds is a link of its own. */
void solo_peer_new_link(struct solo_peer *stage);
/* Opens the remote's session on the link. */
void solo_peer_remote(struct solo_peer *stage);
/* From nothing to LIVE; what the others are told on the way is taken. */
void solo_peer_live(struct solo_peer *stage, bool dialled);
/* Whether the peer has asked the listener if its session may stand. */
bool solo_peer_claimed(struct solo_peer *stage);
/* The listener rules on the session claimed last. */
void solo_peer_rule(struct solo_peer *stage, bool stands, bool end, bool prove);
/* bulk lets go of the session that has ended, which must have been told. */
void solo_peer_cleared(struct solo_peer *stage);
/* What the host sees of the slot. */
uint32_t solo_peer_state(const struct solo_peer *stage);

/* ---- the remote speaks */

/* What a right Hello says. */
Weft__Wire__Hello solo_peer_hello(uint8_t device, uint8_t ids[32]);
/* The remote says a message of the control lane; the peer is turned. */
void solo_peer_say(struct solo_peer *stage, Weft__Wire__Wire *wire);
void solo_peer_say_hello(struct solo_peer *stage, const Weft__Wire__Hello *hello);
void solo_peer_say_heartbeat(struct solo_peer *stage, uint64_t echo);
void solo_peer_say_credit(struct solo_peer *stage, uint64_t bytes);
/* `size` bytes on a lane. */
void solo_peer_say_bytes(struct solo_peer *stage, enum frame_lane lane, size_t size,
                         uint32_t raw_size);
/* What the remote has said so far and the link not yet carried: `size` bytes of it at most. */
void solo_peer_carry(struct solo_peer *stage, size_t size);
/* Says it without carrying. */
void solo_peer_prepare(struct solo_peer *stage, Weft__Wire__Wire *wire);
/* A frame that says a message of `wire_size` bytes follows, with the first of them. */
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
/* bulk hands over a batch of `size` bytes, or a position with what it has dealt with. */
void solo_peer_batch(struct solo_peer *stage, size_t size, uint32_t model, bool live);
void solo_peer_held(struct solo_peer *stage, uint32_t batches, uint32_t consumed,
                    const char *fault);
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
