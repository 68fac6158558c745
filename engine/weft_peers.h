/* Other devices: sessions with them, how much is sent, and who is a member.
 *
 * A part of weft.h, which includes it and says what holds for the whole interface; programs include
 * that. */
#ifndef WEFT_PEERS_H
#define WEFT_PEERS_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- peers ----------------------------------------------------------------------------------- */

/* Listens on "host:port" (port 0: any free one), or for WebSockets on "ws://host:port/path"; hosts
 * are numbers. `bound` (may be NULL) receives the address in use, WEFT_ADDRESS_MAX bytes.
 * Waits for the listener's answer, not for any peer. Thread: any.
 * Errors: WEFT_ADDRESS, WEFT_PORT_IN_USE, WEFT_NET, WEFT_LIMIT, WEFT_CLOSED. */
WEFT_API WEFT_MUST_USE enum weft_status weft_listen_wait(weft_engine *engine, const char *address,
                                                         char *bound, struct weft_error *why);

#define WEFT_RATE_MAX UINT64_C(100000000000)

/* Bounds how many bytes a second go out to all devices together and come in from them, or to and
 * from one, 16 bytes; `device` NULL: all. 0: no bound. They hold from now on, until the engine is
 * closed, for sessions that stand as well. What is urgent goes first within them: control, shared
 * changes, new rows, then old ones; each gets its turn. A bound on what comes in is asked of the
 * senders, and kept also if they do not listen.
 * Errors: WEFT_INVALID (less than 8 KiB/s), WEFT_LIMIT (64 devices have bounds). Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_set_rates(weft_engine *engine, const uint8_t *device,
                                                       uint64_t up, uint64_t down,
                                                       struct weft_error *why);

/* On a network that is paid for by the byte: rows of owners wait, on their way out and in, until it
 * is said that it is none any more; shared changes and what keeps devices in touch pass.
 * Thread: any. */
WEFT_API void weft_set_metered(weft_engine *engine, bool metered);

/* What a library knows of other devices it keeps: their addresses, how these did, and the sessions
 * there were. At weft_open() all that are known are called, unless they are paused. What changes is
 * written with the next commit, or a minute later (what this interface was told: a second later): a
 * power cut may cost that much of it.
 *
 * The addresses of a device are tried one after the other, that at which it was reached last
 * first, and for ever: after a second, then every two; after a long absence, with pauses of a
 * 512th part of it, up to 64 s, and at once when another device is reached. With many out of reach
 * there are four calls a second in all. */

/* Keeps a session with the peer at "host:port", "ws://host:port/path" or "wss://host:port/path",
 * with "#device" (the text of its id) behind it or not, and calls it now, whatever pause it was in.
 * Sessions are for one device: an address that does not say which is tried with each member in
 * turn, and is from then on an address of who answered.
 * A device may have eight; of a ninth, that which failed most often makes room. Returns at once.
 * Errors: WEFT_ADDRESS, WEFT_LIMIT (160 devices, and addresses at which nobody answered, are
 *   known), WEFT_BUSY, WEFT_CLOSED. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_connect(weft_engine *engine, const char *address,
                                                     struct weft_error *why);

/* Takes an address away, if it is known; a session that came of it stays. "host:port", or
 * "host:port#device": then only from that device. Returns at once.
 * Errors: WEFT_ADDRESS, WEFT_BUSY, WEFT_CLOSED. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_forget_address(weft_engine *engine,
                                                            const char *address,
                                                            struct weft_error *why);

/* No session with a device, or with any (NULL), until it is resumed: one that stands is ended in
 * order, calls are neither made nor taken. Holds across weft_close(). A device stays paused while
 * it is so itself or all are. Nothing is lost: what was missed comes after weft_resume(), which
 * also calls the device. Returns at once. Thread: any.
 * Errors: WEFT_BUSY, WEFT_NO_MEMORY, WEFT_CLOSED. */
WEFT_API WEFT_MUST_USE enum weft_status weft_pause(weft_engine *engine,
                                                   const uint8_t device[WEFT_ID_SIZE]);
WEFT_API WEFT_MUST_USE enum weft_status weft_resume(weft_engine *engine,
                                                    const uint8_t device[WEFT_ID_SIZE]);

enum weft_peer_state {
    WEFT_PEER_VACANT = 0,
    WEFT_PEER_PAUSING,  /* between two dials */
    WEFT_PEER_DIALLING, /* the connection is being made */
    WEFT_PEER_GREETING, /* connected; not yet known who it is */
    WEFT_PEER_LIVE      /* a session stands */
};

/* Where a device may be reached. Times are milliseconds since 1970; 0: never. */
struct weft_address {
    char text[WEFT_ADDRESS_MAX];
    uint64_t tried_ms;
    uint64_t reached_ms;
    uint64_t failures;       /* since it was reached last */
    enum weft_status status; /* of the last try: WEFT_NET: no answer; WEFT_CLOSED: another program,
                                or device, or it does not want to */
};

#define WEFT_ADDRESSES_MAX 8u

/* A device that is known, or an address at which nobody has answered yet. Counters are since it is
 * known, over all of its sessions. */
struct weft_contact {
    uint8_t device[WEFT_ID_SIZE]; /* zero: nobody has answered yet */
    char name[WEFT_NAME_MAX + 1];
    bool paused;
    enum weft_peer_state state; /* VACANT: it has no address, or is paused */
    uint64_t seen_ms;           /* when a session last stood; milliseconds since 1970 */
    uint64_t sessions;
    uint64_t failures; /* calls that did not lead to one */
    uint64_t rows_in, rows_out;
    uint64_t bytes_in, bytes_out;
    /* How far it is behind with what this device writes, if it is a member: as struct weft_lag. */
    uint64_t lag_ms, lag_rows, lag_records;
    bool lag_rows_known;
    uint32_t address_count;
    struct weft_address addresses[WEFT_ADDRESSES_MAX]; /* in the order in which they are tried */
};

/* Copies up to `cap` of the devices that are known; returns how many there are. Thread: any. */
WEFT_API unsigned weft_contacts(const weft_engine *engine, struct weft_contact *out, unsigned cap);

/* Whether all are paused: weft_pause(NULL), or config.paused. Thread: any. */
WEFT_API bool weft_is_paused(const weft_engine *engine);

#define WEFT_REASON_MAX 256u

/* A session that has ended. */
struct weft_session {
    uint8_t device[WEFT_ID_SIZE];
    char address[WEFT_ADDRESS_MAX]; /* that was called; or of who has called, without a port */
    bool opened_here;
    uint64_t began_ms; /* milliseconds since 1970 */
    uint64_t lasted_ms;
    uint64_t rows_in, rows_out;
    uint64_t bytes_in, bytes_out;
    enum weft_status status; /* WEFT_OK: ended by this side, in order; WEFT_CLOSED: by the other */
    char reason[WEFT_REASON_MAX];
};

/* Reads up to `cap` of the newest sessions that have ended, the newest first: those with `device`,
 * or with any (NULL). `*count` is how many were read. 256 of each device are kept, for 90 days.
 * Has written first what is not yet; waits for the engine's answer and for the disk; a
 * caller-stepped engine is stepped.
 * Errors: WEFT_BUSY, WEFT_CLOSED, WEFT_IO, WEFT_NO_MEMORY. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_history_wait(weft_engine *engine,
                                                          const uint8_t device[WEFT_ID_SIZE],
                                                          struct weft_session *out, unsigned cap,
                                                          unsigned *count, struct weft_error *why);

/* One session slot as the host sees it. Counters are since weft_open(). */
struct weft_peer {
    enum weft_peer_state state;
    uint8_t device[WEFT_ID_SIZE]; /* zero until known */
    uint64_t bytes_in, bytes_out; /* on the wire */
    uint64_t rows_in, rows_out;
    uint64_t sessions, failures;
};

/* Copies the state of up to `cap` slots that were ever used; returns how many there are.
 * Thread: any. */
WEFT_API unsigned weft_peers(const weft_engine *engine, struct weft_peer *out, unsigned cap);

/* Asks devices to say at once what they hold, and waits up to `timeout_ms` (negative: for ever)
 * until each of them holds, durably, all that was committed here before this call, and this device
 * all that the other held when it answered: rows of owners and shared changes, as far as each side
 * takes them. `device`, 16 bytes: that member, also if a session with it is still to come; NULL:
 * all with which a session stands now. One that is cut off is waited for.
 * What lies too far ahead of a clock is held as well, and applied when its time comes.
 * Errors: WEFT_NOT_FOUND (no session stands; `device` is not another member), WEFT_TIMEOUT (`why`
 *   names who did not answer), WEFT_BUSY, WEFT_NO_MEMORY, WEFT_CLOSED, and a fault of the engine.
 * Thread: any. With WEFT_THREADS_NONE it steps, and gives up as soon as nothing moves. */
WEFT_API WEFT_MUST_USE enum weft_status weft_sync_now_wait(weft_engine *engine,
                                                           const uint8_t *device, int timeout_ms,
                                                           struct weft_error *why);

/* ---- members --------------------------------------------------------------------------------- */

/* Whoever opens a new file without an invite founds a library and is its first member. Others come
 * in by invite; every member may invite, and may remove any other. What a removed device has read
 * it keeps; it gets nothing new, and nothing that it writes afterwards is taken. */

#define WEFT_LINK_MAX 1024u

/* All fields may be zero; zero means the default given here. */
struct weft_invite {
    unsigned seconds;    /* for which it is good; 600 */
    bool confirm;        /* weft_admit() is to say yes when the codes have been compared */
    const char *address; /* where this device can be reached; those that it listens on */
};

/* Makes an invite: a link that lets one device in, once. It is a secret: give it to nobody else.
 * `link` has room for `room` bytes, WEFT_LINK_MAX is enough. `options` may be NULL. Up to 16 are
 * open at a time; they end with the engine, after their time, and after three failures.
 * Errors: WEFT_DENIED (this device is not a member), WEFT_ADDRESS (it listens nowhere, and no
 *   address was given), WEFT_LIMIT (`room`), WEFT_BUSY, WEFT_CLOSED. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_invite(weft_engine *engine,
                                                    const struct weft_invite *options, char *link,
                                                    size_t room, struct weft_error *why);

/* weft_open() with config->invite = `link`, then waits up to `timeout_ms` (negative: for ever)
 * until this device is a member. The file may be one that an earlier attempt left.
 * On the way both sides get WEFT_EVENT_JOINING with the same code, for people to compare.
 * Errors: those of weft_open(); WEFT_INVITE (nobody answers to it: it has ended, or was used),
 *   WEFT_TIMEOUT (also when nobody listens at its addresses). Thread: any. Not for
 *   WEFT_THREADS_NONE. */
WEFT_API WEFT_MUST_USE enum weft_status weft_join(const struct weft_config *config,
                                                  const char *link, int timeout_ms,
                                                  weft_engine **out, struct weft_error *why);

/* Says yes or no to the device that a WEFT_EVENT_JOINING named, after an invite with `confirm`.
 * Errors: WEFT_BUSY, WEFT_CLOSED. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_admit(weft_engine *engine,
                                                   const uint8_t device[WEFT_ID_SIZE], bool yes);

/* Removes a member for good: its sessions end, and the library's key is changed. `*ticket` as in
 * weft_commit(); the ticket fails with WEFT_NOT_FOUND for a device that never was one, WEFT_DENIED
 * when this device is none itself.
 * Errors: WEFT_INVALID (this device itself), WEFT_BUSY, WEFT_CLOSED. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_revoke(weft_engine *engine,
                                                    const uint8_t device[WEFT_ID_SIZE],
                                                    uint64_t *ticket);

enum weft_member_state { WEFT_MEMBER = 1, WEFT_MEMBER_REMOVED = 2 };

struct weft_member {
    uint8_t device[WEFT_ID_SIZE];
    char name[WEFT_NAME_MAX + 1];
    enum weft_member_state state;
    bool self;
    bool away; /* silent for long: nothing waits for it until it is back (config.patience_h) */
};

/* Copies up to `cap` of the devices that are or were members, this one first; returns how many
 * there are. Thread: any. */
WEFT_API unsigned weft_members(const weft_engine *engine, struct weft_member *out, unsigned cap);

/* The number of member devices, this one included if it is one. Thread: any. */
WEFT_API unsigned weft_member_count(const weft_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
