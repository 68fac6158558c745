/* What the files of the listener actor share. */
#ifndef WEFT_ACTORS_LISTENER_PRIVATE_H
#define WEFT_ACTORS_LISTENER_PRIVATE_H

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/runtime/actor.h"
#include "engine/wire/handshake.h"

#define LISTENING_MAX 8u
/* Mails one step may send to one peer: Accepted, Dial, two Rulings. */
#define LISTENER_EMIT_MAX 4u
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

/* Whom a slot that dials means to reach. */
enum aim { AIM_ANYBODY, AIM_DEVICE, AIM_INVITE };

struct slot {
    bool taken;  /* has an address to dial, or a connection */
    bool dials;  /* keeps `address` */
    bool stands; /* its claim on `device` was granted */
    bool opened_here;
    uint32_t session; /* the peer's count, so that a late ruling finds only the session it means */
    struct id device;
    char address[WEFT_ADDRESS_MAX]; /* without what follows the # */
    enum aim aim;
    struct id target;  /* of AIM_DEVICE */
    struct id tried;   /* of AIM_ANYBODY: whose turn it is */
    uint32_t turn;     /* how often all had theirs since a session stood: which key comes next */
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
void listener_roster(struct listener *listener, struct mail **in, struct outbox *out);
void listener_ask_roster(struct listener *listener, struct outbox *out);
enum aiming {
    AIMING_AGAIN, /* as before; what is known of the members may have changed */
    AIMING_NEXT,  /* another member, or key: who was tried was not found */
    AIMING_SOON,  /* ... and somebody else was: no need to rest before all have had their turn */
    AIMING_NOW,
};
/* Tells a slot that dials whom to reach. */
void listener_aim(struct listener *listener, uint32_t slot, enum aiming aiming, struct outbox *out);
void listener_join(struct listener *listener, const Weft__Join *join, struct outbox *out);
void listener_open_invite(struct listener *listener, struct instant now, const Weft__Invite *order);
/* The open invite of this name; -1 when there is none. */
int listener_invite(struct listener *listener, struct instant now,
                    const uint8_t psk_id[LIBRARY_KEY_ID]);
void listener_spend_invite(struct listener *listener, int invite);
/* Asks the log to add the newcomer that a slot's held claim describes. */
void listener_admit(struct listener *listener, struct slot *slot, struct outbox *out);

#endif
