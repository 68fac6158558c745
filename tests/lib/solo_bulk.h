/* The bulk actor alone, on a real library of device ME: the test is the log, the clock and the
 * peers. THEM and OTHERS are devices whose rows the library may hold.
 *
 *     solo_bulk_library(&stage);             rows written here are read from SQLite
 *     solo_bulk_start(&stage, 100);
 *     solo_bulk_join(&stage, 0, THEM);       notes are granted as a peer would, batches are not
 *     solo_bulk_deliver(&stage, &(struct delivery){.owner = THEM, .upto = 10, .count = 10});
 *     struct mail *mail = solo_bulk_incoming(&stage);
 *     solo_bulk_home(&stage, mail, WEFT_OK, 10, false);
 *     assert_int_equal(stage.heard[0].batches, 1);
 *
 * What bulk says to a peer is gathered in `heard` after each of these calls. All rows are of the
 * table `entry` of place_schema. */
#ifndef TESTS_LIB_SOLO_BULK_H
#define TESTS_LIB_SOLO_BULK_H

#include "engine/wire/codec.h"
#include "engine/wire/message.h"
#include "engine/wire/zip.h"
#include "tests/lib/place.h"
#include "tests/lib/solo.h"

#define SOLO_PEERS 3u
#define SOLO_BATCHES 8u

/* A place that a peer was told to ask for. */
struct asked {
    uint8_t owner;
    uint32_t model;
    uint64_t position;
    uint64_t until;
    bool sweep;
};

/* What bulk has said to one peer, since the test last cleared it. */
struct heard {
    uint32_t batches; /* received ones dealt with */
    uint64_t bytes;
    uint32_t requests;  /* mails that ask for entry */
    struct asked entry; /* the last place of entry asked for */
    uint32_t places;    /* asked for, of any model */
    uint32_t lefts;
    uint64_t ask, answer; /* said with a position, the last of each */
    uint64_t own;         /* the last position said of this device's own entries */
    char fault[LIMIT_ERROR_BYTES];
    struct mail *out[SOLO_BATCHES]; /* batches handed over; dropped by the stage */
    uint32_t out_count;
    struct mail *ranges; /* the last question or answer about ranges; dropped by the stage */
    uint32_t ranges_count;
};

struct solo_bulk {
    struct solo solo;
    struct library library;
    char folder[SCRATCH_PATH];
    uint32_t session[SOLO_PEERS];
    bool live[SOLO_PEERS];
    struct heard heard[SOLO_PEERS];
    struct zip *zip;
    struct arena arena; /* what solo_bulk_opened() returns */
    bool started;
    struct mail *commit; /* being filled */
    struct rows_builder builder;
};

/* Makes the library, with a location of each device: 0xaa, 0xbb, 0xcc. */
void solo_bulk_library(struct solo_bulk *stage);
/* Starts the actor. */
void solo_bulk_start(struct solo_bulk *stage, uint32_t batch_rows);
/* Stops it and removes the library. False when a mail has leaked. */
bool solo_bulk_close(struct solo_bulk *stage);

/* ---- the peers */

void solo_bulk_join(struct solo_bulk *stage, uint32_t peer, uint8_t device);
/* THEM joins as peer 0 and is asked for its entries from 0; forgets what was heard. */
void solo_bulk_ask(struct solo_bulk *stage);
void solo_bulk_leave(struct solo_bulk *stage, uint32_t peer);
/* So many batches more may be handed over. */
void solo_bulk_grant(struct solo_bulk *stage, uint32_t peer, uint32_t batches);
/* The remote asks for `owner`'s entries from a place. */
void solo_bulk_want(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position,
                    bool sweep);
void solo_bulk_want_until(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position,
                          uint64_t until, bool sweep);
/* The remote asks about ranges of `owner`'s entries, or answers. */
void solo_bulk_asks(struct solo_bulk *stage, uint32_t peer, uint8_t owner, const uint64_t *bounds,
                    uint32_t count);
void solo_bulk_answers(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position,
                       const uint64_t *sums, uint32_t count);
/* The log has begun to sweep `owner`'s entries. */
void solo_bulk_repair(struct solo_bulk *stage, uint8_t owner, bool whole);
/* Likewise; a member says of it what the owner says (0: none does). */
void solo_bulk_repair_from(struct solo_bulk *stage, uint8_t owner, uint8_t agrees, bool whole);
/* The remote says how much of `owner`'s entries it holds. */
void solo_bulk_holds(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position);

/* The host calls for what `device` holds, 0: all do, and for this device to hold it; the remote has
 * asked, or answered, 0: not, behind all that it said it holds. */
void solo_bulk_sync(struct solo_bulk *stage, uint64_t number, uint8_t device);
void solo_bulk_marks(struct solo_bulk *stage, uint32_t peer, uint64_t ask, uint64_t answer);

/* A batch as a remote sends it, or as none should. Its rows have the last `count` versions of
 * (after, upto]. */
struct delivery {
    uint32_t peer;
    uint32_t session; /* more than the one that stands */
    uint8_t owner;
    const char *table; /* NULL: entry */
    uint64_t after, upto;
    uint32_t count;
    uint32_t says;              /* more rows than it carries */
    const char *const *columns; /* NULL: those of entry */
    uint32_t column_count;
    bool keyless, sweep, zipped;
    uint64_t horizon;
};

/* Hands over a batch; returns the bytes for which credit must come back. */
uint32_t solo_bulk_deliver(struct solo_bulk *stage, const struct delivery *delivery);
/* Hands over bytes that are no batch. */
void solo_bulk_deliver_bytes(struct solo_bulk *stage, uint32_t peer, struct bytes message,
                             uint32_t raw_bytes);

/* ---- the clock and the log */

/* The next batch on its way to the log, or NULL. The caller's, for solo_bulk_home(). */
struct mail *solo_bulk_incoming(struct solo_bulk *stage);
/* The log's answer to it. */
void solo_bulk_home(struct solo_bulk *stage, struct mail *incoming, enum weft_status status,
                    uint64_t position, bool sweeping);
/* Takes what is on its way and answers that it is committed; returns its upto, 0 for none. */
uint64_t solo_bulk_commit_incoming(struct solo_bulk *stage);

/* What is on its way is (after, upto] with `count` rows; commits it. */
void solo_bulk_expect(struct solo_bulk *stage, uint64_t after, uint64_t upto, uint32_t count);

/* Own rows: each row of a commit is named once. What is committed after the start is told. */
void solo_bulk_put(struct solo_bulk *stage, uint32_t row);
void solo_bulk_delete(struct solo_bulk *stage, uint32_t row);
void solo_bulk_commit(struct solo_bulk *stage);
/* A commit of `count` new rows from number `first`; returns the position. */
uint64_t solo_bulk_commit_rows(struct solo_bulk *stage, uint32_t first, uint32_t count);

/* ---- what came out */

/* A batch that was handed over, decoded; `rows` has no columns when it is empty. */
struct opened {
    const Weft__Wire__StateRows *sent;
    const Weft__Rows *rows;
};
struct opened solo_bulk_opened(struct solo_bulk *stage, const struct mail *batch);
/* Forgets what was heard from a peer. */
void solo_bulk_clear(struct solo_bulk *stage, uint32_t peer);
/* Text of the next event for the host; "" when there is none. */
const char *solo_bulk_event(struct solo_bulk *stage, char out[LIMIT_ERROR_BYTES]);

#endif
