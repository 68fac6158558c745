/* An actor: a struct of state and one step.
 *
 * Whatever happens to it is a mail. A step reads no clock, no socket, no randomness and no global:
 * time comes as `now`, the rest through the ports of its seed. actor_turn() runs at most one step,
 * and only when every ask edge that leaves the actor has emit_max free slots, so that a step never
 * blocks, never drops and never fails on a full ring. */
#ifndef WEFT_RUNTIME_ACTOR_H
#define WEFT_RUNTIME_ACTOR_H

#include "engine/base/board.h"
#include "engine/base/logged.h"
#include "engine/runtime/mail.h"
#include "engine/runtime/port.h"

struct contacts; /* engine/store/contacts.h */
struct models;   /* engine/store/models.h */
struct sheet;    /* engine/base/sheet.h */
struct identity; /* engine/wire/identity.h */

/* Addresses. Peers follow one another from ACTOR_PEER. */
enum actor_id {
    ACTOR_HOST,
    ACTOR_CLOCK,
    ACTOR_LOG,
    ACTOR_BULK,
    ACTOR_SHARE,
    ACTOR_PRUNE,
    ACTOR_LISTENER,
    ACTOR_COPIER,
    ACTOR_PEER
};

#define DUE_NEVER UINT64_MAX

/* What every actor of one engine may know: fixed before the first step. Read only. */
struct settings {
    const char *path; /* the library's file */
    const char *vfs;  /* SQLite VFS name, or NULL for the default */
    struct id device;
    struct id library;
    uint64_t incarnation;
    const struct identity *identity;
    const char *name;      /* what people call this device */
    uint64_t clock_stored; /* the clock's high-water mark at open */
    uint32_t peers;
    uint32_t peer_threads; /* that peers share at most; 0: each has its own */
    uint32_t cache_bytes;
    /* Shrunken by the simulator; see limits.h for the defaults. */
    uint32_t batch_rows;
    uint32_t group_rows;
    uint64_t tail_bytes;
    uint32_t log_records;   /* of the shared log, that stay though all members hold them */
    uint32_t snapshot_rows; /* looked at per slice of a snapshot's end */
    uint32_t chunk_bytes;   /* of a snapshot */
    uint32_t checkpoint_pages;
    uint64_t patience_ms; /* after which a silent member is away */
    uint32_t hook_mails;
    const struct models *models;
    struct board *board;
    const struct contacts *contacts; /* as the file has them, while actors are started; or NULL */
    bool paused;                     /* no session with anybody, until the host says so */
    struct sheet *sheets;            /* LIMIT_CONTACTS of them, written by the listener; or NULL */
    struct entropy_port entropy;
    /* Says how long things take, for figures; decides nothing. Its `now` may be NULL. */
    struct time_port stopwatch;
};

/* What one actor is given at its start. */
struct actor_seed {
    const struct settings *settings;
    uint32_t index;          /* which peer; 0 for all others */
    struct pool *pool;       /* mails it makes */
    struct net_port net;     /* of the thread it runs on */
    struct net_watch *watch; /* to hand to the net port */
};

struct outbox;

struct actor_kind {
    const char *name;
    size_t state_size;
    uint32_t emit_max; /* mails one step may send on any one ask edge */
    /* State is zeroed. Errors: as the actor documents; `why` says which. */
    enum weft_status (*start)(void *self, const struct actor_seed *seed, struct weft_error *why);
    /* `*in` is never NULL; nulled by the step when it keeps or forwards the mail, else dropped. */
    void (*step)(void *self, struct instant now, struct mail **in, struct outbox *out);
    /* When it next wants a Tick, in monotonic microseconds, or DUE_NEVER. 0: as soon as no mail
     * waits. */
    uint64_t (*due_us)(const void *self);
    void (*stop)(void *self); /* may be NULL */
};

/* ---- sending, from inside a step ---- */

/* Sends a mail to an actor. The edge is found by (sender, receiver, kind of mail); there must be
 * one (CHECK). The mail is moved. On a notice edge it may be dropped, and is then counted. */
void outbox_send(struct outbox *out, uint32_t to, struct mail **mail);
/* A new mail from the sender's own pool. Never NULL: what is outstanding is bounded by the edges'
 * slots, and memory exhaustion ends the engine with a Fault. The step that meets it is given a
 * spare mail kept for this, and is the actor's last. (CHECK if that step wants yet another.) */
struct mail *outbox_mail(struct outbox *out, Weft__Mail__BodyCase kind, void *message);
/* Puts something into the host's log, if its level is wanted; else it costs a comparison. `device`
 * and `text` may be NULL. Thread: a step's, of an actor with an edge for notices. */
void outbox_log(struct outbox *out, enum logged what, const struct id *device, const char *text,
                const struct logged_field *fields, uint32_t count);
/* Wakes those that this step has sent to: for before it does something long. */
void outbox_wake(struct outbox *out);
/* Stops the engine for good: this step is the last, nothing more is committed; what it sends still
 * arrives at the host. Reported to the host as a FAULT event and
 * by every later call. */
void outbox_fatal(struct outbox *out, const struct weft_error *why);

#endif
