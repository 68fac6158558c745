/* Who attacks: a bare connection, and a member that lies.
 *
 * The bare connection is bytes in, bytes out, and a count of what came until the other side hung
 * up. The liar has the key file and the library keys of a device that once joined, so its handshake
 * and Hello are good; what it says after them is anything: messages, packed bytes, frames, each
 * sealed as it should be. Neither fails a test by itself (a peer may hang up at any moment, and
 * they run on threads of their own, too): calls say whether the other side still listened. */
#ifndef TESTS_LIB_HOSTILE_H
#define TESTS_LIB_HOSTILE_H

#include "engine/base/arena.h"
#include "proto/wire.pb-c.h"
#include "tests/lib/party.h"
#include "tests/lib/scene.h"
#include "tests/lib/sealed.h"

/* For what must come at once or not at all. */
#define HOSTILE_PATIENCE_MS 30000

#define HOSTILE_TAPE 4096u

/* ---- a bare connection ---- */

struct hostile {
    int fd;            /* -1: none */
    bool closed;       /* the other side hung up */
    uint64_t received; /* bytes, so far */
};

/* Connects to "127.0.0.1:port" from `from`, an address of the loopback network; NULL: any. False
 * when nobody takes the connection. */
bool hostile_dial(struct hostile *hostile, const char *address, const char *from);
/* The same, but does not wait longer than so many milliseconds until the connection is made: if the
 * other side has no room for it, it stays half made. False when it cannot be made at all. */
bool hostile_call(struct hostile *hostile, const char *address, const char *from, int patience_ms);
/* An address of its own for each number below 60,000: 127.9.y.z, never 127.0.0.1. What counts by
 * address then counts anew. */
const char *hostile_address(char out[16], uint32_t number);
/* Says all of it, reading and forgetting what comes meanwhile; false when the other side hung up.
 */
bool hostile_say(struct hostile *hostile, const void *bytes, size_t size);
/* Reads and forgets until the other side hangs up, which it has so many milliseconds for; false
 * when it did not. */
bool hostile_hear_out(struct hostile *hostile, int patience_ms);
void hostile_hang_up(struct hostile *hostile);

/* ---- a member that lies ---- */

/* Tables of party_schema. */
enum liar_model { LIAR_LOCATION, LIAR_ENTRY };

/* A batch of rows, as its sender describes it. */
struct lie {
    enum liar_model model;
    struct id owner; /* whose stream this is said to be */
    uint64_t after, upto, horizon;
    uint32_t count;             /* rows: PUTs of the versions after + 1, after + 2 … */
    uint32_t claimed;           /* rows, as the message says */
    struct id key, location;    /* of the first row, the next ones count on; of all rows */
    const char *name, *renamed; /* of all rows; of the last column, NULL: as it is */
    bool sweep;
};

struct liar {
    struct author author; /* identity, and the head of its chain */
    struct handshake_self self;
    struct handshake_target target;
    struct id library, victim;
    char address[WEFT_ADDRESS_MAX];
    uint32_t dials; /* each from an address of its own */

    struct hostile line;
    struct session *session;
    struct pool *pool;
    struct arena arena;    /* of the message heard last */
    struct arena speeches; /* of what is said; emptied by liar_dial() */

    /* What was heard in this session. */
    uint64_t heard[32]; /* messages, by body_case */
    uint64_t asked[2];  /* the place from which it was last asked for its own rows, by liar_model */
    uint64_t owed, paid; /* bytes of rows and records that were said; for which credit came */
    uint32_t code;       /* of an Error */
    char said[256];      /* by Error or Goodbye */

    bool deaf; /* reads nothing; what the line does not take for a while is not said */
    /* All bytes that it has said in this session, as they were on the line, up to some length. */
    uint8_t tape[HOSTILE_TAPE];
    size_t taped;
};

/* Takes over the device of a party that has left, to speak with `victim`, which listens. Fails the
 * test when the files cannot be read. */
void liar_become(struct liar *liar, const struct party *body, const struct party *victim);
void liar_forget(struct liar *liar);

/* Connects and shakes hands; false when nobody answers. The second half alone, on a line that is
 * open. */
bool liar_dial(struct liar *liar);
bool liar_shake(struct liar *liar);
/* The same, then a true Hello; waits until the victim sends what follows its own Hello. */
bool liar_meet(struct liar *liar);
/* The same unless a session stands. */
bool liar_stays(struct liar *liar);
void liar_hang_up(struct liar *liar);
/* The proof of a Hello by this identity, on this side of this session. */
void liar_proof(const struct liar *liar, uint8_t out[64]);

/* Says a message in one lane; packed bytes with any claim of their raw size, cut into frames as the
 * engine does; one frame of any content. False when the victim hung up. */
bool liar_says(struct liar *liar, enum frame_lane lane, const Weft__Wire__Wire *wire);
bool liar_packs(struct liar *liar, enum frame_lane lane, struct bytes message, uint32_t raw_size);
bool liar_frames(struct liar *liar, struct bytes frame);
bool liar_beats(struct liar *liar, uint64_t echo);
/* Acknowledges, or else asks for, so many streams of `entry`, all from one place. Their owners
 * count from the one given; 16 is what their size should be. */
bool liar_places(struct liar *liar, bool ack, const struct id *owner, size_t owner_size,
                 uint32_t count, uint64_t position);
/* Rows, in the lane of live ones; and records. */
bool liar_rows(struct liar *liar, const struct lie *lie);
bool liar_records(struct liar *liar, const struct bytes *records, size_t count);
/* A record that this liar signs; it says what `record` says. It lies in liar->speeches. */
struct bytes liar_signs(struct liar *liar, struct record *record);
/* Bytes as they are, sealed or not. */
bool liar_bytes(struct liar *liar, struct bytes bytes);

/* Listens until so many messages of a kind (body_case) were heard in this session, or the victim
 * hung up (false). */
bool liar_hears(struct liar *liar, Weft__Wire__Wire__BodyCase kind, uint64_t count);
/* Listens until the victim has dealt with what was said so far. */
void liar_catches_up(struct liar *liar);
/* Listens until the victim has dealt with all rows and records that were said. */
bool liar_is_paid(struct liar *liar);
/* Listens until the victim hangs up; false when it does not. */
bool liar_hears_out(struct liar *liar);
/* The same: it was told that this is an error, of this status. */
bool liar_is_thrown_out(struct liar *liar, enum weft_status status);

#endif
