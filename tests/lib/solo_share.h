/* The share actor alone, on the library of a scene (scene.h): the test is the log, the clock and
 * the peers, of which there are two. What it lets the actor send it must grant, as a peer would.
 *
 *     scene_says(stage->scene, &stage->scene->ann, 10);    later: solo_share_grown()
 *     solo_share_start(stage);
 *     solo_share_join(stage, 0, 2);
 *     solo_share_want(stage, 0, &(struct solo_head){&stage->scene->ann, 1}, 1);
 *     struct solo_shipment shipment = solo_share_shipment(stage, 0);
 */
#ifndef TESTS_LIB_SOLO_SHARE_H
#define TESTS_LIB_SOLO_SHARE_H

#include "tests/lib/scene.h"
#include "tests/lib/solo.h"

#define SOLO_SHARE_PEERS 2u
#define SOLO_SHARE_SESSION 5u /* of peer 0; that of peer 1 is one more */

struct solo_share {
    struct scene *scene;
    struct solo solo;
    bool started;
    uint64_t place;             /* told by solo_share_grown() */
    bool low[SOLO_SHARE_PEERS]; /* the remote's id is below this device's, not above it */
};

/* A head: that of an author, or what a remote has of it. */
struct solo_head {
    const struct author *author;
    uint64_t seq;
};

/* For cmocka; *state becomes the stage. The teardown fails when a mail has leaked. */
int solo_share_setup(void **state);
int solo_share_teardown(void **state);
#define share_test(f) cmocka_unit_test_setup_teardown(f, solo_share_setup, solo_share_teardown)

void solo_share_start(struct solo_share *stage);

/* ---- what the actor is told ---- */

/* The author writes `count` records of `size` bytes, in one commit of which nobody is told; */
void solo_share_say(struct solo_share *stage, struct author *author, unsigned count, size_t size);
/* ... and the log says so. */
void solo_share_grown(struct solo_share *stage, struct author *author, unsigned count, size_t size);
/* A session stands with peer's remote, and both notes and so many shipments are granted. */
void solo_share_join(struct solo_share *stage, uint32_t peer, uint32_t shipments);
void solo_share_grant(struct solo_share *stage, uint32_t peer, uint32_t shipments, uint32_t notes);
void solo_share_leave(struct solo_share *stage, uint32_t peer);
/* The remote asks, or says what it holds. */
void solo_share_want(struct solo_share *stage, uint32_t peer, const struct solo_head *heads,
                     size_t count);
void solo_share_acked(struct solo_share *stage, uint32_t peer, const struct solo_head *heads,
                      size_t count);
/* The host calls for what all hold, and for this device to hold it; the remote has asked, or
 * answered, 0: not, behind all that it said it holds. */
void solo_share_sync(struct solo_share *stage, uint64_t number);
void solo_share_marks(struct solo_share *stage, uint32_t peer, uint64_t ask, uint64_t answer);
/* The log says that nothing more is taken of the author. */
void solo_share_freeze(struct solo_share *stage, const struct author *author);
/* Records have come from the remote: `bytes` of which each is one. They count as `wire_bytes`. */
void solo_share_deliver(struct solo_share *stage, uint32_t peer, uint32_t session,
                        const struct bytes *bytes, size_t count, uint32_t wire_bytes);
/* The remote says that what this device asked for lies below its horizon, or (`kept`) that all it
 * keeps for good has been sent. */
void solo_share_below(struct solo_share *stage, uint32_t peer, bool kept);
/* The remote asks for a chunk, or (`records`) for what is kept for good. */
void solo_share_asks(struct solo_share *stage, uint32_t peer, bool records);
/* A chunk has come: with heads as proofs, and one body unless it is empty. */
struct solo_chunk {
    const struct bytes *heads;
    size_t head_count;
    struct bytes body;
    const char *cursor;
    bool last, lost, busy;
};
void solo_share_chunk(struct solo_share *stage, uint32_t peer, struct solo_chunk chunk);
/* The log says: records of the author up to this number have been forgotten, and whether a snapshot
 * is being taken. */
void solo_share_horizon(struct solo_share *stage, const struct author *author, uint64_t pruned,
                        bool taking);
/* ... and a snapshot is being taken, behind which so many records are missing. */
void solo_share_missing(struct solo_share *stage, uint64_t missing);
/* The next records on their way to the log; NULL. */
struct mail *solo_share_incoming(struct solo_share *stage);
/* They come home from it. */
void solo_share_home(struct solo_share *stage, struct mail *mail, enum weft_status status,
                     const char *text);

/* ---- what it says ---- */

/* The next shipment to a peer. Its records are dropped with it. */
struct solo_shipment {
    bool some, more, kept, below;
    bool chunk, busy, last; /* a chunk, instead of records */
    unsigned bodies;
    unsigned count;
    size_t bytes;
    struct {
        struct record_origin origin;
        uint64_t seq;
    } records[LIMIT_SHIPMENT_RECORDS];
};
struct solo_shipment solo_share_shipment(struct solo_share *stage, uint32_t peer);

/* What came to a peer besides shipments since this was last asked. */
struct solo_notes {
    unsigned requests, helds, lefts;
    unsigned wants, wants_kept; /* chunks, and what is kept for good, that it asked for */
    char cursor[16];            /* ... of the last chunk */
    size_t requested, held;     /* heads of the last of each */
    uint64_t ask, answer;       /* said with what is held, the last of each */
    uint32_t count, consumed;
    char fault[LIMIT_ERROR_BYTES];
};
struct solo_notes solo_share_notes(struct solo_share *stage, uint32_t peer);
/* Likewise, credit being given back for all of it. */
struct solo_notes solo_share_all_notes(struct solo_share *stage, uint32_t peer);

/* A proof that ann has written number `seq` at this moment. */
struct bytes solo_share_proof(struct solo_share *stage, uint64_t seq, uint64_t hlc);
/* So much time passes. */
void solo_share_later(struct solo_share *stage, uint64_t us);

#endif
