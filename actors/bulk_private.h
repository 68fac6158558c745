/* What the files of the bulk actor share. */
#ifndef WEFT_ACTORS_BULK_PRIVATE_H
#define WEFT_ACTORS_BULK_PRIVATE_H

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/vector.h"
#include "engine/runtime/actor.h"
#include "engine/store/reader.h"
#include "engine/store/subscription.h"
#include "engine/store/tail.h"
#include "engine/wire/message.h"
#include "engine/wire/zip.h"

#define BULK_CACHE 8u    /* batches kept for other peers at the same place */
#define BULK_SLICES 256u /* runs in one batch */
#define BULK_NOBODY UINT32_MAX
#define BULK_GONE UINT64_MAX /* it is to be told that nothing of it is held any more */
#define BULK_PATIENCE 10u    /* doublings of the time for which a source is waited for */

/* What a remote asked for: a stream, and how far it has been sent. */
struct want {
    struct stream stream;
    uint64_t cursor; /* STREAM_WITHDRAWN: nothing */
    uint64_t until;  /* not beyond; 0: as it grows */
    bool sweep;
    uint64_t pause_us; /* not served before: it was asked for again from an earlier place */
};

/* What one side has said that it holds, and the other is to hold: weft_sync_now_wait(). */
struct sync_goal {
    uint64_t number; /* of the ask or answer; 0: none */
    bool noted;      /* `places` are what had been said by then */
    struct vector places;
    uint32_t met; /* so many of them are held */
};
struct bulk_sync {
    uint64_t wanted;       /* the newest call of the host */
    uint64_t asked, done;  /* what the remote was asked, and has answered, and is held here */
    struct sync_goal ours; /* with its answer */
    struct sync_goal theirs;
};

/* A session, as bulk sees it. */
struct bulk_peer {
    bool live;
    uint32_t session;
    struct id device;
    struct want *wants;
    uint32_t want_count, want_next; /* served in turn */
    struct vector held;             /* what the remote says it holds */
    uint32_t unknown;               /* ... how much of that is of owners whom nobody knows here */
    struct vector told;             /* what it has been told that this device holds; BULK_GONE */
    uint32_t batches, notes;        /* may be handed over */
    uint32_t done_batches;          /* received ones dealt with, not yet said */
    uint32_t done_bytes;
    struct mail *packed_first, *packed_last; /* received ones that are not opened yet */
    uint32_t packed_count;
    uint32_t under_way; /* received ones between clock and log; kept beyond the session's end */
    struct mail *left;  /* the session's end, to be answered when none is under way */
    struct counting *counting; /* ranges that it has asked about; NULL: it never did */
    struct bulk_sync sync;
    bool faulty; /* it broke the protocol: nothing large of this session is unpacked any more */
    char fault[LIMIT_ERROR_BYTES];
};

/* Where a stream of another owner comes from. */
struct source {
    struct stream stream;
    uint32_t peer; /* BULK_NOBODY */
    bool asked;    /* the peer has been asked from the present place */
    bool sweeping;
    bool narrow;       /* ranges are to be compared before it is asked */
    bool blocked;      /* it carries something this version cannot apply */
    bool skipped;      /* this device leaves it out, or is clearing it */
    uint64_t cursor;   /* of the sweep */
    uint64_t expected; /* where the next batch must begin */
    uint64_t dropped;  /* where the last batch that was dropped ended; 0: none since one was used */
    uint32_t in_flight; /* batches on their way through clock and log */
    uint32_t withdraw;  /* a peer to be told that it is no longer asked; BULK_NOBODY */
    uint64_t retry_us;  /* not before */
    uint64_t since_us;  /* when the peer was asked, or last gave something */
    uint32_t patience;  /* so often was waited for longer in vain: doublings */
    uint32_t repairs;   /* sweeps begun as rows were wrong */
    uint32_t shunned;   /* a peer that is asked only if nobody else can be; BULK_NOBODY */
    uint32_t trusted;   /* who says what the owner says: it is swept from there; BULK_NOBODY */
};

struct cached {
    struct mail *mail; /* a Batch */
    uint64_t used;
};

struct bulk {
    /* Fixed at start. */
    const struct settings *settings;
    struct board *board;
    struct pool *pool;
    struct reader *reader;
    struct zip *zip;

    struct subscriptions rules; /* of what is taken */
    struct vector clearing;     /* streams that are not, until all of their rows have gone */
    struct vector heads;        /* what this device holds, committed */
    struct tail *tail;
    struct bulk_peer *peers; /* settings->peers of them */
    uint32_t live_count;
    uint32_t packed_count;   /* received batches that are not opened yet, of all peers */
    uint32_t packed_next;    /* the peer whose turn it is */
    uint64_t rows_under_way; /* between clock and log */
    uint32_t peer_next;      /* served in turn */
    struct marks ready;      /* ... of those that something may be sendable to */
    uint32_t *asks;          /* by peer: sources of which it is to be told; for bulk_notes() */
    uint32_t touched; /* the one peer that this step's mail is about; BULK_NOBODY: all, or none */
    struct source *sources;
    uint32_t source_count;
    struct cached cache[BULK_CACHE];
    uint64_t cache_clock;
    bool serve_due;        /* something may be sendable */
    bool notes_due;        /* something may have to be said, to whomever */
    bool sources_due;      /* sources may have to be chosen anew */
    bool group_open;       /* more mails of one commit follow */
    bool room_due;         /* transactions were let go: the host may be waiting for that */
    uint64_t retry_us;     /* after reading failed; DUE_NEVER */
    uint32_t seats;        /* of the board, as many as are known here */
    bool unknown;          /* a remote holds rows of an owner who is not among them */
    uint64_t look_us;      /* at the board, then */
    bool metered;          /* rows are neither served nor asked for */
    uint64_t pause_us;     /* a want that pauses can be served then; DUE_NEVER */
    bool timers_due;       /* the next is to be worked out */
    uint64_t source_us;    /* bulk_source_due() */
    struct narrow *narrow; /* the sweep that only some ranges need */
    uint32_t narrow_count; /* sources that wait for that */
    uint32_t counting;     /* peers that ranges are counted for */
    uint64_t sync;         /* number of the host's newest Sync */
};

/* ---- bulk_send.c ---- */

/* Something may be sendable to anybody. */
void bulk_serve_all(struct bulk *bulk);
/* Hands at most one batch to one peer; false when there is nothing to hand over. */
bool bulk_serve(struct bulk *bulk, struct instant now, struct outbox *out);
void bulk_wanted(struct bulk *bulk, struct instant now, const Weft__Wanted *wanted);
void bulk_cache_clear(struct bulk *bulk);

/* A stream is held up to here. Without memory to know it the engine stops. */
void bulk_head(struct bulk *bulk, const struct stream *stream, uint64_t position,
               struct outbox *out);

/* ---- bulk_receive.c ---- */

/* Keeps a received batch until it is its turn. */
void bulk_packed(struct bulk *bulk, struct mail **in);
/* A session has ended: nobody waits for what it gave. */
void bulk_packed_drop(struct bulk *bulk, struct bulk_peer *peer);
/* Whether bulk_open() would find something. */
bool bulk_may_open(const struct bulk *bulk);
/* Opens at most one batch; false when none waits, or enough is on its way to the log. */
bool bulk_open(struct bulk *bulk, struct instant now, struct outbox *out);
/* A received batch has come home from the log. */
void bulk_applied(struct bulk *bulk, struct instant now, const Weft__Incoming *incoming,
                  struct outbox *out);

/* ---- bulk_source.c ---- */

struct source *bulk_source(struct bulk *bulk, const struct stream *stream);
struct source *bulk_source_add(struct bulk *bulk, const struct stream *stream);
/* Turns away from who says that it holds more, and gives nothing. */
void bulk_turn_away(struct bulk *bulk, struct instant now);
/* Chooses where each stream comes from. */
void bulk_choose(struct bulk *bulk);
/* ... one of them does. */
void bulk_choose_one(struct bulk *bulk, struct source *source);
/* Says what has to be said to each peer that can be told: requests, positions, bytes dealt with. */
void bulk_notes(struct bulk *bulk, struct instant now, struct outbox *out);
/* The same to one of them. */
void bulk_note(struct bulk *bulk, uint32_t index, struct instant now, struct outbox *out);
/* When a source may be asked again, or has been waited for long enough. */
uint64_t bulk_source_due(const struct bulk *bulk);

/* ---- bulk_subscribe.c ---- */

/* Whether a stream of another owner is left out. */
bool bulk_skips(const struct bulk *bulk, const struct stream *stream);
/* The log says what is taken from now on. */
void bulk_subscribed(struct bulk *bulk, const Weft__Subscribed *subscribed);
/* A remote holds nothing of a stream any more. */
void bulk_gone(struct bulk *bulk, uint32_t index, const struct stream *stream);
/* Says of which streams nothing is held any more, as far as there is room. */
void bulk_say_gone(struct bulk_peer *peer, struct mail *mail, Weft__Held *held);

/* ---- bulk_narrow.c ---- */

enum weft_status bulk_narrow_start(struct bulk *bulk);
void bulk_narrow_stop(struct bulk *bulk);
/* A sweep has been begun: what differs is found first. */
void bulk_narrow_begin(struct bulk *bulk, struct source *source);
/* A sweep goes on as a whole one, or has ended. Nothing if it is whole anyway. */
void bulk_narrow_drop(struct bulk *bulk, struct source *source);
/* A session has ended. */
void bulk_narrow_left(struct bulk *bulk, uint32_t index);
/* A remote has asked, or answered. */
void bulk_ranges(struct bulk *bulk, struct instant now, const Weft__Ranges *ranges);
/* Goes on, by one slice of rows and by what can be said. */
void bulk_narrow(struct bulk *bulk, struct instant now, struct outbox *out);
uint64_t bulk_narrow_due(const struct bulk *bulk);
/* The end of what a source is asked for; 0: there is none. */
uint64_t bulk_narrow_until(struct bulk *bulk, const struct source *source);

/* ---- bulk_sync.c ---- */

/* The host has called; a session has begun, or ended; its remote has asked or answered. */
void bulk_sync(struct bulk *bulk, const Weft__Sync *sync);
void bulk_sync_joined(struct bulk *bulk, struct bulk_peer *peer);
void bulk_sync_left(struct bulk *bulk, uint32_t index);
void bulk_sync_holds(struct bulk *bulk, struct bulk_peer *peer, const Weft__Holds *holds);
/* Whether all of a goal is held; false when there is none. */
bool bulk_sync_met(const struct bulk *bulk, const struct bulk_peer *peer, struct sync_goal *goal);
/* Whether the remote is to be asked; and with the note that says the last of all that is held. */
bool bulk_sync_asks(const struct bulk_peer *peer);
void bulk_sync_say(struct bulk_peer *peer, bool asks, bool answers, Weft__Held *held);
/* Tells the host when a call has come to its end. */
void bulk_sync_look(struct bulk *bulk, uint32_t index, struct outbox *out);

/* ---- for all ---- */

void bulk_notice(struct bulk *bulk, int model, const struct id *device,
                 const struct weft_error *why, struct outbox *out);

#endif
