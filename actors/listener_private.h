/* What the files of the listener actor share. */
#ifndef WEFT_ACTORS_LISTENER_PRIVATE_H
#define WEFT_ACTORS_LISTENER_PRIVATE_H

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/runtime/actor.h"
#include "engine/store/contacts.h"
#include "engine/wire/handshake.h"

#define LISTENING_MAX 8u
/* Mails one step may send to one peer: Accepted, Dial, two Rulings; and to the clock: a session, a
 * decision about a member, LISTENER_SAVES contacts. */
#define LISTENER_EMIT_MAX 4u
#define LISTENER_SAVES 2u
#define CALLERS_SEEN 4096u   /* first messages remembered, so that they cannot be used again */
#define CALLERS_BUCKETS 256u /* addresses whose calls are counted */

/* A connection whose first message is not whole yet. */
struct caller {
    net_handle link; /* 0: free */
    char origin[WEFT_ADDRESS_MAX];
    uint64_t since_us;
    size_t got;
    uint8_t m1[HANDSHAKE_M1];
};

/* How many more handshakes of one address are worth decrypting. */
struct bucket {
    uint64_t address;   /* a hash; 0: free */
    uint64_t tokens_us; /* time saved up, at most LIMIT_CALLS_BURST / LIMIT_CALLS_PER_S */
    uint64_t last_us;
};

struct invite {
    bool open;
    bool used;        /* by `device`: nobody else comes in with it any more */
    struct id device; /* it may until the time is over, should its session break off early */
    uint64_t serial;  /* tells it from others that had its place */
    bool confirm;     /* the host has to say yes */
    uint32_t failures;
    uint64_t until_us;
    uint8_t psk[LIBRARY_KEY];
    uint8_t psk_id[LIBRARY_KEY_ID];
};

/* A device that this one knows how to reach, or has a session with; or an address at which nobody
 * has answered yet. */
struct contact {
    bool used;
    struct contact_known known;
    bool invite;                 /* it is the introducer, until this device is a member */
    bool quiet[LIMIT_ADDRESSES]; /* the host knows that nobody answers at this address */
    struct id tried;             /* not named: whose turn it is */
    uint32_t next;               /* which address is tried next */
    uint32_t turn;     /* how often all had theirs since a session stood: which key comes next */
    uint32_t failures; /* in a row */
    uint32_t faults;   /* ... of them by what was said, not by nothing */
    int slot;          /* that dials it; -1 */
    int live;          /* in which a session stands; -1 */
    uint64_t due_us;   /* when it is dialled next; DUE_NEVER: not until something has happened */
    uint64_t last_us;  /* when it was dialled last */
    uint64_t since_us; /* since when it has been out of reach */
    bool soon;         /* the log is not to wait long with it */
    uint64_t save_us;  /* when the log is told; DUE_NEVER: it knows */
    uint64_t saved_us; /* when it was told last */
    struct contact_totals before; /* what the slot of its session had moved when that began */
};

struct slot {
    bool taken;
    bool stands; /* its claim on `device` was granted */
    bool stood;  /* ... once */
    bool opened_here;
    uint32_t session; /* the peer's count, so that a late ruling finds only the session it means */
    struct id device;
    int contact; /* that it dials; -1: it was called, or that one is forgotten */
    char address[WEFT_ADDRESS_MAX];
    int invite;        /* by which the connection came in; -1 */
    uint64_t serial;   /* ... that one */
    Weft__Claim *held; /* a newcomer's claim, until the roster has it; in `held_mail` */
    struct mail *held_mail;
    bool asked; /* its ADD is on its way */
};

struct listener {
    const struct settings *settings;
    struct net_port net;
    struct net_watch *watch;
    struct pool *pool;
    struct handshake_self self;
    struct handshake_screen screen;

    net_handle listening[LISTENING_MAX];
    uint32_t listening_count;
    struct slot *slots; /* settings->peers of them */
    uint32_t stopping;  /* slots that have not yet said goodbye; + 1 */
    bool stopped;       /* ... and the host knows that all have */

    /* Whom it knows. */
    struct contact *contacts; /* LIMIT_CONTACTS of them, by number; */
    uint32_t contact_end;     /* ... from this one on none was ever used */
    bool begun;               /* the first step has been */
    bool paused;              /* no session with anybody */
    bool paused_unsaved;      /* the log is to know */

    struct mail *roster; /* the newest one; NULL before the first */
    bool roster_asked;
    struct invite invites[LIMIT_INVITES];
    uint64_t invited; /* counts invites */
    /* Coming in with an invite of somebody else's. */
    bool joining;
    struct handshake_target introducer;

    /* The door. */
    struct caller *callers; /* LIMIT_CALLERS of them */
    uint64_t *seen;         /* CALLERS_SEEN of them */
    uint32_t seen_next;
    struct bucket *buckets; /* CALLERS_BUCKETS of them */
    uint64_t address_key;
    bool more; /* connections wait that this step had no time for */
};

/* ---- listener.c ---- */

enum ruling {
    RULING_STANDS,
    RULING_ENDS,
    RULING_REFUSED,
    RULING_REPLACED,
    RULING_PROVE,
    RULING_GONE, /* the device is no member any more */
    RULING_PAUSED
};
void listener_rule(uint32_t slot, uint32_t session, enum ruling ruling, struct outbox *out);
int listener_free_slot(const struct listener *listener);
void listener_notice(struct outbox *out, enum weft_event_kind kind, const struct id *device,
                     uint64_t count, enum weft_status status, const char *text);

/* ---- listener_call.c: connections until it is known who calls ---- */

enum weft_status listener_call_start(struct listener *listener, struct weft_error *why);
/* Takes waiting connections, reads first messages, and hands callers who may come in to peers. */
void listener_call(struct listener *listener, struct instant now, struct outbox *out);
/* When the oldest caller has had its time. */
uint64_t listener_call_due(const struct listener *listener);
void listener_call_close(struct listener *listener);

/* ---- listener_roster.c: who may come in, and whom to dial ---- */

/* The entry of a member; NULL for anybody else. */
const Weft__RosterMember *listener_member(const struct listener *listener, const struct id *device);
/* Whether a device was a member, and is none any more: it never comes back as the same. */
bool listener_removed(const struct listener *listener, const struct id *device);
/* The key of this name; NULL when there is none. */
const uint8_t *listener_key(const struct listener *listener, const uint8_t psk_id[LIBRARY_KEY_ID]);
void listener_roster(struct listener *listener, struct instant now, struct mail **in,
                     struct outbox *out);
void listener_ask_roster(struct listener *listener, struct outbox *out);
void listener_open_invite(struct listener *listener, struct instant now, const Weft__Invite *order);
/* The open invite of this name; -1 when there is none. */
int listener_invite(struct listener *listener, struct instant now,
                    const uint8_t psk_id[LIBRARY_KEY_ID]);
void listener_spend_invite(struct listener *listener, int invite);
/* Asks the log to add the newcomer that a slot's held claim describes. */
void listener_admit(struct listener *listener, struct slot *slot, struct outbox *out);

/* ---- listener_contact.c: whom this device knows, and where ---- */

enum weft_status listener_contact_start(struct listener *listener, struct weft_error *why);
void listener_contact_stop(struct listener *listener);
/* Before the first step: from now on they are out of reach. */
void listener_contact_begin(struct listener *listener, struct instant now);
/* This device is a member: nobody is its introducer any more. */
void listener_contact_inside(struct listener *listener);
/* The contact of a device; NULL. */
struct contact *listener_contact(struct listener *listener, const struct id *device);
/* The same, added if there is none; NULL when there are as many as may be. */
struct contact *listener_contact_add(struct listener *listener, struct instant now,
                                     const struct id *device);
/* Adds an address if it is none of the contact's yet; `first`: it is tried before the others. Too
 * many: the one that has failed longest goes. Its place. */
uint32_t listener_address_add(struct contact *contact, const char *address, bool first);
/* The place of an address; address_count: it is none of the contact's. */
uint32_t listener_address_find(const struct contact *contact, const char *address);
/* Forgets a contact. */
void listener_contact_drop(struct listener *listener, struct contact *contact);
/* Whether no session with a device is to be. */
bool listener_paused(struct listener *listener, const struct id *device);
/* The log is to know of a change: with its next commit; `soon`: within a second or so. */
void listener_save(struct contact *contact, struct instant now, bool soon);
/* Tells the log, of a few. False: there are more. */
bool listener_save_some(struct listener *listener, struct instant now, struct outbox *out);
uint64_t listener_save_due(const struct listener *listener);
/* Lets the host see a contact. */
void listener_show(struct listener *listener, const struct contact *contact);
/* Orders of the host. */
void listener_connect(struct listener *listener, struct instant now, const Weft__Connect *order,
                      struct outbox *out);
void listener_disconnect(struct listener *listener, struct instant now,
                         const Weft__Disconnect *order);
void listener_pausing(struct listener *listener, struct instant now, const Weft__Pausing *order,
                      struct outbox *out);
void listener_join(struct listener *listener, struct instant now, const Weft__Join *join);
/* A session has ended: its figures are the contact's, and go on to the log. */
void listener_session(struct listener *listener, struct instant now, struct mail **in,
                      struct outbox *out);

/* ---- listener_dial.c: when whom ---- */

/* Whether a session with a device stands. */
bool listener_stands(const struct listener *listener, const struct id *device);
/* It is dialled as soon as it can be. */
void listener_dial_now(struct listener *listener, struct instant now, struct contact *contact);
/* A session stands, in this slot; `at`: with whom. */
void listener_dial_stood(struct listener *listener, struct instant now, uint32_t at);
/* The connection of a slot has ended. */
void listener_dial_ended(struct listener *listener, struct instant now,
                         const Weft__Vacated *vacated, const struct slot *slot, struct outbox *out);
/* Who is a member has changed. */
void listener_dial_roster(struct listener *listener, struct instant now);
/* Dials those whose time has come. */
void listener_dial(struct listener *listener, struct instant now, struct outbox *out);
uint64_t listener_dial_due(const struct listener *listener);

#endif
