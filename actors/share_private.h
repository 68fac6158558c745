/* What the files of the share actor share. */
#ifndef WEFT_ACTORS_SHARE_PRIVATE_H
#define WEFT_ACTORS_SHARE_PRIVATE_H

#include "engine/runtime/actor.h"
#include "engine/store/shared.h"
#include "engine/store/snapshot_reader.h"
#include "engine/wire/zip.h"

/* Heads, sorted by origin. */
struct heads {
    struct shared_head *list;
    uint32_t count, capacity;
};

#define SHARE_TAIL_BYTES (1u << 20)
#define SHARE_TAIL_RECORDS 1024u
#define SHARE_NOWHERE UINT64_MAX
#define SHARE_REPEAT_US 300000000u /* who did not know a device yet has forgotten its statement */
#define SHARE_ATTEST_US 1000000u   /* between two mails of statements to one peer */
#define SHARE_BACKOFF 6u           /* doublings of the pause before a remote is asked again */

/* What a device has said that it holds. */
struct statement {
    struct id device;
    uint8_t *data;
    size_t size;
    uint64_t version; /* counts statements: those after what a peer was told are to be sent */
};

/* A snapshot that this device is taking, as far as share drives it; the log does the work. */
enum share_stage {
    TAKING_NONE,
    TAKING_READ,   /* chunks are asked for, one at a time */
    TAKING_KEPT,   /* ... all have come, or (`early`) the first: now what is never forgotten */
    TAKING_END,    /* the log ends it */
    TAKING_FOLLOW, /* the log behind it is missing */
};
struct share_taking {
    enum share_stage stage;
    struct id source;
    uint8_t *cursor; /* of the chunk that is to be asked for */
    size_t cursor_size, cursor_room;
    bool early;        /* KEPT goes back to READ */
    uint64_t lost_us;  /* since when the source is not there; 0: it is */
    uint64_t still_us; /* since when nothing has come of it; 0: something just has */
    bool lost;         /* ... that is long enough: others may give as well */
    uint64_t ahead_us; /* since when all that could be had lies ahead of the clock; 0: not */
    bool under_way;    /* a mail of it is with the log */
    bool repair;       /* of rows that differ: it need not bring news */
    bool unite;        /* ... it adds to what is here */
    bool begun;        /* the log has taken some of it: rows and heads do not go together */
    bool raised;       /* ... and has raised the heads, but has not the log behind them */
    uint64_t missing;  /* records of that log, at the least that there were */
    uint64_t stuck_us; /* since when whoever is asked is taking one itself; 0: somebody gives */
};

/* What one side has said that it holds, and the other is to hold: weft_sync_now_wait(). */
struct sync_goal {
    uint64_t number; /* of the ask or answer; 0: none */
    bool noted;      /* `heads` are what had been said by then */
    struct heads heads;
    uint32_t met; /* so many of them are held */
};
struct share_sync {
    uint64_t wanted;       /* the newest call of the host */
    uint64_t asked, done;  /* what the remote was asked, and has answered, and is held here */
    struct sync_goal ours; /* with its answer */
    struct sync_goal theirs;
};

struct share_peer {
    bool live;
    uint32_t session;
    struct id device;
    uint64_t attested;         /* version of the last statement sent */
    uint64_t attest_us;        /* the next one not before */
    struct heads remote;       /* what it holds, as far as is known */
    uint64_t cursor;           /* a place; SHARE_NOWHERE: it has not asked */
    bool asked;                /* it has been asked from what is held here now */
    uint64_t retry_us;         /* not before */
    uint32_t refused;          /* mails of it in a row that could not be taken whole */
    uint32_t shipments, notes; /* may be handed over */
    uint64_t told;             /* version of `heads` that it was told */
    uint32_t done, done_bytes; /* received mails dealt with, not yet said */
    uint32_t under_way;        /* received ones between clock and log; kept beyond the session */
    struct mail *left;         /* the session's end, to be answered when none is under way */
    /* Snapshots: of this peer ... */
    bool below;       /* what is held here lies below its horizon, as it has said */
    bool busy;        /* it is taking one itself, as it said last */
    uint64_t busy_us; /* ... and is asked again then */
    bool asked_chunk; /* the answer is on its way */
    bool asked_kept;  /* likewise, what it never forgets */
    bool kept_missed; /* ... of which something could not be taken: all of it anew */
    /* ... and for it. */
    bool say_below;     /* it lies below the horizon here, and is to be told */
    bool told_below;    /* ... and it has not asked from above since */
    bool kept_only;     /* it is being sent what is never forgotten, and nothing else */
    struct mail *chunk; /* it waits for one: the request */
    struct share_sync sync;
    char fault[LIMIT_ERROR_BYTES];
};

struct share {
    const struct settings *settings;
    struct pool *pool;
    struct shared_reader *reader;
    struct heads heads;
    uint64_t version; /* of heads: counts changes */
    uint64_t place;   /* of the newest record */
    bool waiting;     /* records wait in quarantine, as far as is known */
    struct share_peer *peers;
    /* Records in (tail_after, tail_upto], so that all who are near the head share one reading. */
    struct arena tail;
    struct shared_entry tail_list[SHARE_TAIL_RECORDS];
    uint32_t tail_count;
    uint64_t tail_after, tail_upto;
    uint64_t retry_us; /* after reading failed; DUE_NEVER */
    struct share_taking taking;
    struct snapshot_reader *snapshots; /* for others; opened when it is first asked for */
    struct zip *zip;                   /* likewise, and for those of others */
    struct statement statements[LIMIT_ROSTER];
    uint32_t statement_count;
    uint64_t statement_version;
    uint64_t repeat_us; /* when all statements are sent again */
    uint64_t sync;      /* number of the host's newest Sync */
    uint64_t due_us;    /* no peer wants a Tick before */
};

/* The head of an origin, or NULL; then `*at` is where it would stand. */
struct shared_head *heads_find(const struct heads *heads, const struct record_origin *origin,
                               uint32_t *at);
/* A head's entry, added with seq 0 if there is none; NULL without memory, or when there are as many
 * as there may be. */
struct shared_head *heads_add(struct heads *heads, const struct record_origin *origin);
/* 0: nothing is held of the origin. */
uint64_t heads_seq(const struct heads *heads, const struct record_origin *origin);
void heads_free(struct heads *heads);
/* Raises heads by those of a mail. Ones that cannot be are passed over: they only serve to leave
 * out what need not be sent. */
void heads_raise(struct heads *heads, Weft__Head *const *list, size_t count);
Weft__Head **heads_mail(const struct heads *heads, struct mail *mail, size_t *count);
/* Whether anything that a remote lacks has been forgotten here. */
bool heads_below(const struct heads *heads, const struct heads *remote);
/* The place before the first record that a remote lacks: of each origin all after its head. With
 * many records here and few to be sent, those before it are not read. */
enum weft_status share_first_lacked(struct share *share, const struct heads *remote,
                                    uint64_t *cursor, struct weft_error *why);

/* ---- share.c ---- */

/* A mail of records has been dealt with; the session is to end for `text`. */
void share_done(struct share_peer *peer, uint32_t session, uint32_t bytes);
void share_blame(struct share_peer *peer, uint32_t session, const char *text);

/* Answers the end of a session when none of its mails is under way any more. */
void share_settle_left(struct share *share, uint32_t index, struct outbox *out);

/* ---- share_attest.c: statements ---- */

/* From the log, which has judged them. */
void share_on_attested(struct share *share, const Weft__Attested *attested);
/* The oldest statement after a version that is not the remote's own; NULL: none. */
const struct statement *share_next_statement(const struct share *share,
                                             const struct share_peer *peer, uint64_t after);
/* A statement of a device that the receiver did not know yet was lost on it: all, now and then. */
void share_repeat_statements(struct share *share, struct instant now);
void share_send_attested(struct share *share, uint32_t index, struct instant now,
                         struct outbox *out);

/* ---- share_snapshot.c: snapshots, taken ---- */

enum weft_status share_snapshot_start(struct share *share, struct weft_error *why);
void share_snapshot_stop(struct share *share);
/* The peer has said that this device lies below its horizon, or that all it keeps has come. */
void share_on_below(struct share *share, struct instant now, uint32_t index, bool kept,
                    struct outbox *out);
/* Shared rows are to be taken from a member. */
void share_on_repair(struct share *share, const Weft__Repair *repair);
/* A chunk has come; and a mail of the snapshot is back from the log. True: the mail was kept. */
bool share_on_chunk(struct share *share, struct instant now, struct mail **in, struct outbox *out);
void share_chunk_taken(struct share *share, struct instant now, struct mail **in,
                       struct outbox *out);
/* What the log says: whether a snapshot is being taken, and how many records are missing behind
 * it. */
void share_follow_taking(struct share *share, bool taking, uint64_t missing);
/* A part of what the source never forgets has come. */
void share_still_giving(struct share *share, const struct share_peer *peer);
/* Asks for what is next. */
void share_ask(struct share *share, struct instant now, struct outbox *out);
uint64_t share_ask_due(const struct share *share);
bool share_zip_start(struct share *share);

/* ---- share_sync.c ---- */

/* The host has called; a session has begun, or ended; its remote has asked or answered. */
void share_sync(struct share *share, const Weft__Sync *sync);
void share_sync_joined(const struct share *share, struct share_peer *peer);
void share_sync_left(struct share *share, uint32_t index);
void share_sync_free(struct share_peer *peer);
void share_sync_acked(struct share *share, struct share_peer *peer, const Weft__SharedAcked *acked);
/* What is to be said with all that is held: numbers, 0: nothing. And: it has been said. */
void share_sync_next(const struct share *share, struct share_peer *peer, uint64_t *ask,
                     uint64_t *answer);
void share_sync_said(struct share_peer *peer, uint64_t ask, uint64_t answer);
/* Tells the host when a call has come to its end. */
void share_sync_look(struct share *share, uint32_t index, struct outbox *out);

/* ---- share_give.c: snapshots, given ---- */

/* The remote asks for a chunk. */
void share_on_snapshot_wanted(struct share *share, struct mail **in);
/* Hands out the chunk that a peer waits for. */
void share_give_chunk(struct share *share, uint32_t index, struct instant now, struct outbox *out);
void share_forget_peer(struct share *share, uint32_t index);

#endif
