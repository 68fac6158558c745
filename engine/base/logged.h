/* What can stand in the log: once, with its name, how much it matters, and what it means.
 *
 * Names are a part of the public interface: docs/operations.md lists them, tests/docs/complete
 * holds the two against each other. */
#ifndef WEFT_BASE_LOGGED_H
#define WEFT_BASE_LOGGED_H

#include <stdint.h>

#include "engine/weft.h"

/* Code, name, level, and the sentence of which "%s" is the device, if none was given. */
#define LOGGED_LIST(X)                                                                      \
    X(LOGGED_OPENED, "opened", WEFT_LOG_INFO, "the library is open")                        \
    X(LOGGED_CLOSED, "closed", WEFT_LOG_INFO, "the library is closed")                      \
    X(LOGGED_LISTENING, "listening", WEFT_LOG_INFO, "other devices may call here")          \
    X(LOGGED_SHOWN, "http_shown", WEFT_LOG_INFO, "figures are shown by HTTP")               \
    X(LOGGED_RATES, "rates_set", WEFT_LOG_INFO, "bytes per second have new bounds")         \
    X(LOGGED_METERED, "metered_set", WEFT_LOG_INFO, "whether rows of owners wait was set")  \
    X(LOGGED_PAUSED, "paused", WEFT_LOG_INFO, "no session is held until it is resumed")     \
    X(LOGGED_RESUMED, "resumed", WEFT_LOG_INFO, "sessions are held again")                  \
    X(LOGGED_CONNECT, "address_added", WEFT_LOG_INFO, "an address is called from now on")   \
    X(LOGGED_FORGET, "address_forgotten", WEFT_LOG_INFO, "an address is called no longer")  \
    X(LOGGED_PEER_UP, "peer_up", WEFT_LOG_INFO, "a session with %s stands")                 \
    X(LOGGED_PEER_DOWN, "peer_down", WEFT_LOG_INFO, "the session with %s has ended")        \
    X(LOGGED_CALL_FAILED, "call_failed", WEFT_LOG_DEBUG, "a call has led to no session")    \
    X(LOGGED_REFUSED, "caller_refused", WEFT_LOG_DEBUG, "who has called was not let in")    \
    X(LOGGED_MEMBER, "member", WEFT_LOG_INFO, "%s is a member")                             \
    X(LOGGED_REMOVED, "removed", WEFT_LOG_INFO, "%s is a member no longer")                 \
    X(LOGGED_JOINING, "joining", WEFT_LOG_INFO, "%s comes in by invite")                    \
    X(LOGGED_RESTORED, "restored", WEFT_LOG_WARN, "the file is a copy, or was restored")    \
    X(LOGGED_CHANGED, "changed", WEFT_LOG_DEBUG, "rows of another device were applied")     \
    X(LOGGED_FAULT, "fault", WEFT_LOG_WARN, "something failed")                             \
    X(LOGGED_FATAL, "fatal", WEFT_LOG_ERROR, "the engine has stopped")                      \
    X(LOGGED_PARKED, "parked", WEFT_LOG_WARN, "received rows cannot be applied yet")        \
    X(LOGGED_DIFFERS, "differs", WEFT_LOG_WARN, "rows are not what another member holds")   \
    X(LOGGED_REPAIRED, "repaired", WEFT_LOG_INFO, "rows that differed are equal again")     \
    X(LOGGED_SLOW, "slow_commit", WEFT_LOG_WARN, "the disk took more than a second")        \
    X(LOGGED_FORGOTTEN, "forgotten", WEFT_LOG_DEBUG, "what all members hold was forgotten") \
    X(LOGGED_LOST, "log_lost", WEFT_LOG_WARN, "entries of the log have found no room")

enum logged {
    LOGGED_NONE = 0,
#define LOGGED_MEMBER_OF(code, name, level, sentence) code,
    LOGGED_LIST(LOGGED_MEMBER_OF)
#undef LOGGED_MEMBER_OF
        LOGGED_COUNT
};

/* Keys of fields. */
#define LOGGED_KEYS(X)  \
    X(DEVICE, device)   \
    X(NAME, name)       \
    X(TABLE, table)     \
    X(COUNT, count)     \
    X(STATUS, status)   \
    X(NATIVE, native)   \
    X(PATH, path)       \
    X(LIBRARY, library) \
    X(ADDRESS, address) \
    X(UP, up)           \
    X(DOWN, down)       \
    X(ON, on)           \
    X(ROWS, rows)       \
    X(RECORDS, records) \
    X(TOOK_MS, took_ms)

enum logged_key {
    LOGGED_KEY_NONE = 0,
#define LOGGED_KEY_OF(code, name) LOGGED_KEY_##code,
    LOGGED_KEYS(LOGGED_KEY_OF)
#undef LOGGED_KEY_OF
        LOGGED_KEYS_END
};

#define LOGGED_FIELDS 8u      /* of one entry */
#define LOGGED_FIELD_MAX 160u /* bytes of a field's text, with its end */

/* A field, while it is said; `text` NULL: a number. */
struct logged_field {
    enum logged_key key;
    const char *text;
    uint64_t number;
};

/* Static. */
const char *logged_name(enum logged what);
const char *logged_sentence(enum logged what);
const char *logged_key(enum logged_key key);
/* How much it matters; a fault of the disk or of memory more than one of the network. */
enum weft_log_level logged_level(enum logged what, enum weft_status status);
/* What stands in the log of an event; LOGGED_NONE: nothing. */
enum logged logged_of(enum weft_event_kind kind);

#endif
