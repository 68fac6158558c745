/* The façade's inside: what weft.c, host.c and tx.c share. The host's threads live here; everything
 * behind the door and the edges belongs to the actors.
 *
 *   host thread ──► lane (own SPSC ring) ──► clock           no lock on the way in
 *   log, listener, any ──► host edges ──► pump ──► tickets, events     under `lock`
 *
 * A host thread that waits polls one descriptor; others that wait meanwhile sleep on `changed`. */
#ifndef WEFT_HOST_H
#define WEFT_HOST_H

#include <pthread.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/hlc.h"
#include "engine/engine.h"
#include "engine/hooks.h"
#include "engine/logger.h"
#include "engine/store/store.h"
#include "engine/wire/invite.h"

#define HOST_EVENTS 256u
#define HOST_LISTENS 8u
#define HOST_RECENT 24u

/* One submitting thread's way in. Owned by the thread that took it, until the thread ends. */
struct lane {
    struct weft_engine *engine;
    uint32_t index;
    atomic_bool taken;
    struct pool *pool;     /* the owner's */
    struct weft_tx *spare; /* the owner's: one finished transaction, to be used again */
};

/* The last version that a ticket's transaction wrote in one model. */
struct mark {
    uint32_t model;
    uint64_t version;
};

/* What became of a ticket; valid when `id` is the ticket's number. */
struct ticket {
    uint64_t id;
    enum weft_status status;
    bool unmarked; /* there was no memory for its marks */
    uint32_t mark_count;
    struct mark *marks; /* `few`, or malloc'd when there are more */
    struct mark few[2];
    uint64_t shared_seq;      /* its record in the shared log; 0: none */
    struct weft_error *error; /* malloc'd; NULL unless it failed */
};

struct listening {
    uint64_t request; /* 0: free */
    bool answered;
    struct weft_error error;
    char address[WEFT_ADDRESS_MAX];
};

/* An event, kept to be shown after it was taken; of any kind but CHANGED. */
struct host_recent {
    uint64_t wall_ms; /* when the host's side heard of it */
    struct weft_event event;
};

struct weft_engine {
    /* Fixed from open to close. */
    char *path;
    struct engine_ports ports;
    struct settings settings;
    struct identity identity;  /* secret */
    struct invite_link invite; /* by which it came in, if it did; secret */
    char name[WEFT_NAME_MAX + 1];
    struct store store;
    struct pool *store_pool;
    struct board *board;
    struct topology *topology;
    struct runner *runner;
    struct sheet *sheets; /* LIMIT_CONTACTS of them: contacts, as the listener shows them */
    _Atomic bool paused;  /* what weft_pause(NULL) and weft_resume(NULL) have said last */
    bool stepped;
    struct edge *to_clock, *to_listener;
    uint8_t id_key[16];
    size_t door_max;
    uint64_t opened_us; /* monotonic */

    /* Any thread, atomically. */
    _Atomic uint64_t id_clock;    /* the last id's time and counter */
    _Atomic uint64_t next_ticket; /* the next to be issued; from 1 */
    _Atomic uint64_t done_tickets;
    atomic_size_t door_held; /* bytes of every lane's pool */
    atomic_bool closing;

    /* Lanes: the pointer in `lane_key` is the thread's own. */
    pthread_key_t lane_key;
    struct lane lanes[LIMIT_LANES];

    /* Host threads, under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool polling;              /* a waiter polls `answers` for all */
    bool joining;              /* weft_join() waits, for notices as well */
    struct wake answers;       /* answers, positions and room */
    struct wake notices;       /* events; its descriptor is the host's */
    struct ticket *tickets;    /* LIMIT_TICKETS of them */
    struct weft_event *events; /* ring of HOST_EVENTS */
    uint32_t event_first, event_count;
    uint64_t events_lost;
    struct host_recent recent[HOST_RECENT]; /* the newest, as a ring */
    uint64_t recent_count;                  /* ever */
    bool fatal_told, fatal_logged;
    struct listening listenings[HOST_LISTENS];
    uint64_t next_request;
    uint64_t syncs;                                /* calls of weft_sync_now_wait() so far */
    char listened[HOST_LISTENS][WEFT_ADDRESS_MAX]; /* addresses in use */
    uint32_t listened_count;
    uint32_t turned_away; /* addresses at which nobody answered this device */
    bool log_stopped, listener_stopped;

    struct http *http; /* shows the engine; NULL: nothing does. Under `lock` */
    struct hooks hooks;
    struct logger logger;
};

/* ---- host.c ---- */

/* Takes in everything the actors have sent; how many mails it was. Caller holds `lock`. */
uint32_t host_pump(struct weft_engine *engine);
/* Copies the newest events, the newest first, also those that the program has taken; returns how
 * many. Takes `lock`. Thread: any. */
uint32_t host_recent(struct weft_engine *engine, struct host_recent out[HOST_RECENT]);
/* Makes the events' descriptor say whether there are any, after a pump that gave none away. Caller
 * holds `lock`. */
void host_show_events(struct weft_engine *engine);
/* Tells the host that its library is another file than the last time. */
void host_tell_restored(struct weft_engine *engine);
/* The engine's fatal fault, if it has one: then `why` is filled and its status returned. */
enum weft_status host_fault(struct weft_engine *engine, struct weft_error *why);

/* A moment by which to give up: `timeout_ms` from now; negative is never. */
struct deadline {
    bool never;
    bool look; /* timeout 0: no waiting, no stepping */
    uint64_t mono_us;
};
struct deadline host_deadline(struct weft_engine *engine, int timeout_ms);
/* Caller holds `lock`. Sleeps until something may have changed or the deadline; pumps. False when
 * the deadline has passed. A stepped engine steps instead, and it is false when nothing moved. */
bool host_sleep(struct weft_engine *engine, const struct deadline *deadline);

/* Whether notices end a sleep as well: while weft_join() waits, and nobody else has the engine yet.
 * Caller holds `lock`. */
void host_joining(struct weft_engine *engine, bool joining);

/* Checks "host:port" or "host:port#device". */
enum weft_status host_check_address(struct weft_engine *engine, const char *address,
                                    struct weft_error *why);

/* Has the log write what waits, or what an order says, and waits for its answer. */
enum weft_status host_ask_log(struct weft_engine *engine, bool recount, struct weft_error *why);
/* Sends an order with a ticket to the log; `*mail` is moved if that was done. `ticket` may be NULL.
 * Caller holds `lock`. Errors: WEFT_BUSY, WEFT_CLOSED, those of host_fault(). */
enum weft_status host_order_log(struct weft_engine *engine, struct mail **mail,
                                uint64_t *ticket_field, uint64_t *ticket, struct weft_error *why);
/* A name on the board, terminated. */
void host_read_name(const _Atomic uint64_t from[8], char out[WEFT_NAME_MAX + 1]);
/* Sends an order to the listener; the mail is gone, whatever comes of it. Caller holds `lock`. */
enum weft_status host_order(struct weft_engine *engine, struct mail *mail, struct weft_error *why);

/* ---- metrics.c ---- */

/* How far the device of a seat on the board is behind. */
void metrics_lag(const struct weft_engine *engine, uint32_t seat, struct weft_lag *out);

/* ---- members.c ---- */

/* Sets out to come in with the engine's invite. */
enum weft_status members_join(struct weft_engine *engine, struct weft_error *why);

/* ---- tx.c ---- */

/* Draws the number of a ticket for an order of another kind than a transaction. */
uint64_t ticket_draw(struct weft_engine *engine);

enum weft_status lanes_open(struct weft_engine *engine, struct weft_error *why);
void lanes_close(struct weft_engine *engine);

#endif
