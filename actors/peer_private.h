/* What the files of the peer actor share. */
#ifndef WEFT_ACTORS_PEER_PRIVATE_H
#define WEFT_ACTORS_PEER_PRIVATE_H

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/vector.h"
#include "engine/runtime/actor.h"
#include "engine/store/models.h"
#include "engine/wire/message.h"
#include "engine/wire/session.h"

/* Mails one step may send on one edge. The last PEER_EMIT_SPARE are for what must be said. */
#define PEER_EMIT_MAX 12u
#define PEER_EMIT_SPARE 4u
#define PEER_BEHIND 16u
#define PEER_READ_STEP (256u << 10) /* bytes read in one step */

enum peer_state {
    PEER_VACANT,
    PEER_DIALLING,
    PEER_GREETING,
    PEER_CLAIMING,
    PEER_LIVE,
    PEER_CLEARING
};

/* Streams with batches in a lane. */
struct waiting {
    struct stream streams[PEER_BEHIND];
    uint32_t count; /* PEER_BEHIND: take every stream for one of them */
};

/* What a slot has moved since the engine was opened. */
struct peer_totals {
    uint64_t rows_in, rows_out, bytes_in, bytes_out;
};

struct peer {
    /* Fixed at start. */
    const struct settings *settings;
    struct net_port net;
    struct net_watch *watch;
    struct pool *pool;
    struct board_peer *board;
    uint32_t index;
    struct handshake_self self;

    /* The slot. */
    enum peer_state state;
    bool quiet;                     /* that nobody answers at `address` is known to the host */
    char address[WEFT_ADDRESS_MAX]; /* dialled; or that of who has called */
    struct handshake_target target;

    enum weft_status ended; /* how the last connection did, and why */
    char ended_text[256];

    /* The connection. */
    net_handle link;
    struct session *session;
    uint32_t session_number;
    bool opened_here;
    bool may_read, may_write; /* until the port says WEFT_BUSY */
    bool more;                /* stopped reading for want of room, not of bytes */
    bool greeted;             /* this side's Hello has been said */
    uint32_t joined;          /* how many of bulk and share know this session */
    struct id device;
    char name[65]; /* what it calls itself */
    uint64_t opened_us, heard_us, sent_us;
    uint64_t live_us, live_ms; /* when it began to stand; by the wall clock */
    struct peer_totals before; /* what the slot had moved by then */
    uint64_t keyed_us;         /* when this side's key was last changed */
    uint64_t record_us;        /* when the record under way began; DUE_NEVER: none */
    uint64_t records;          /* whole ones by then */
    uint64_t prove_us;         /* the remote must be heard by then; DUE_NEVER */

    /* Flow. */
    uint64_t window; /* batch bytes the remote will still take */
    uint64_t credit; /* batch bytes dealt with and not yet told */
    struct mail *pending[LIMIT_PEER_BATCHES];
    uint32_t pending_count;
    struct waiting waiting[2]; /* of the live and of the backfill lane */
    uint32_t packed;           /* received batches inside the engine */
    uint64_t packed_bytes;     /* ... and their bytes */
    uint32_t grant_batches, grant_notes;
    struct pace asked;         /* bytes per second that the remote wants to get at most */
    uint64_t said_rate;        /* ... and what it was told to keep to; 0: no bound */
    uint64_t send_us, read_us; /* not before, for the sake of a bound on bytes per second */
    uint64_t shared_window;    /* bytes of records the remote will still take */
    uint64_t shared_credit;    /* bytes of records dealt with and not yet told */
    struct mail *shipments[LIMIT_PEER_SHIPMENTS];
    uint32_t shipment_count;
    uint64_t attest_us;  /* time saved up for statements of the remote */
    uint32_t records_in; /* received mails of records inside the engine */
    uint32_t grant_shipments, grant_shared_notes;
    /* weft_sync_now_wait(): what bulk, 0, and share, 1, would ask and answer; the ask that was said
     * last; and the remote's that is not answered yet, 0: none. */
    uint64_t sync_ask[2], sync_answer[2], sync_asked, sync_theirs;
    uint32_t emitted; /* mails to bulk and share in this step */
};

/* So much of what came in is inside the engine that no more is read: this side is deaf. */
static inline bool peer_full(const struct peer *peer) {
    return peer->packed == LIMIT_PEER_PACKED || peer->packed_bytes >= LIMIT_PEER_PACKED_BYTES ||
           peer->records_in == LIMIT_PEER_RECORDS;
}

/* ---- peer.c: the state machine ---- */

/* Ends the connection. `status` WEFT_OK: without fault. `text` goes to the remote if it can, and to
 * the host's event. */
void peer_end(struct peer *peer, struct instant now, enum weft_status status, const char *text,
              struct outbox *out);
void peer_notice(struct peer *peer, enum weft_event_kind kind, enum weft_status status,
                 const char *text, struct outbox *out);

/* ---- peer_in.c: from the remote ---- */

/* The Hello of the remote: who it is, proved. */
enum weft_status peer_hello(struct peer *peer, const Weft__Wire__Hello *hello, struct outbox *out,
                            struct weft_error *why);
/* Messages of the shared log. */
enum weft_status peer_shared(struct peer *peer, const Weft__Wire__Wire *wire, uint32_t wire_bytes,
                             struct outbox *out, struct weft_error *why);
/* Sends a mail to bulk or share, counting it. */
void peer_emit(struct peer *peer, uint32_t to, struct mail **mail, struct outbox *out);
/* Reads, takes messages apart and acts on them, within the step's bounds. */
void peer_receive(struct peer *peer, struct instant now, struct outbox *out);

/* ---- peer_out.c: to the remote ---- */

enum weft_status peer_say_hello(struct peer *peer);
enum weft_status peer_say_request(struct peer *peer, const Weft__Request *request);
enum weft_status peer_say_held(struct peer *peer, const Weft__Held *held);
enum weft_status peer_say_ranges(struct peer *peer, const Weft__Ranges *ranges);
enum weft_status peer_say_credit(struct peer *peer);
enum weft_status peer_say_heartbeat(struct peer *peer, uint64_t echo);
/* Bulk (0) or share (1) has said all that it holds, and asks or answers with it: the remote is told
 * when both have. */
enum weft_status peer_say_sync(struct peer *peer, unsigned half, uint64_t ask, uint64_t answer);
enum weft_status peer_say_farewell(struct peer *peer, enum weft_status status, const char *text);
enum weft_status peer_say_shared_request(struct peer *peer, const Weft__SharedRequest *request);
enum weft_status peer_say_shared_held(struct peer *peer, const Weft__SharedHeld *held);
enum weft_status peer_say_attested(struct peer *peer, const Weft__Attested *attested);
enum weft_status peer_say_snapshot_wanted(struct peer *peer, const Weft__SnapshotWanted *wanted);
/* Tells the remote how much a second this side takes, if that is another than it was told. */
enum weft_status peer_say_rate(struct peer *peer);
/* Moves waiting shipments and batches into the session as far as windows and queue allow. */
enum weft_status peer_feed(struct peer *peer);
/* Writes what is queued as far as the link takes it. Errors: WEFT_NET. */
enum weft_status peer_flush(struct peer *peer, struct instant now, struct weft_error *why);
/* Tells bulk and share what they may hand over again. */
void peer_grant(struct peer *peer, struct outbox *out);

#endif
