/* The host's log: what is told to config.log, and the thread that calls it.
 *
 *   notices of actors ─► pump ─┐ under the engine's lock
 *   the host's own calls ──────┴► queue of LOGGER_ENTRIES ─► thread, or weft_step() ─► config.log
 *
 * Invariants
 *   1. The queue is touched under the engine's lock only; none is held while the host is called.
 *   2. What finds no room is counted, and the next entry that is told says how many those were.
 *   3. Without config.log there is no queue, no thread, and nothing is made for it anywhere.
 * Not here: what can be said (base/logged.h), how an actor says it (outbox_log()). */
#ifndef WEFT_LOGGER_H
#define WEFT_LOGGER_H

#include <pthread.h>

#include "engine/base/board.h"
#include "engine/base/logged.h"
#include "engine/runtime/wake.h"

#define LOGGER_ENTRIES 256u

struct logger_field {
    enum logged_key key;
    bool is_text;
    uint64_t number;
    char text[LOGGED_FIELD_MAX];
};

/* An entry as it waits. */
struct logger_entry {
    uint64_t wall_ms;
    enum logged what;
    enum weft_log_level level;
    const char *component; /* static */
    char text[WEFT_ERROR_TEXT_MAX];
    uint32_t field_count;
    struct logger_field fields[LOGGED_FIELDS];
};

struct weft_engine;

struct logger {
    /* Fixed from open to close. */
    struct weft_log plan; /* write NULL: there is none */
    bool stepped;
    /* Any thread. */
    struct wake wake;
    atomic_bool halt;
    /* Under the engine's lock. */
    struct logger_entry *queue; /* LOGGER_ENTRIES of them */
    uint32_t first, count;
    uint64_t lost; /* not told yet */
    uint64_t told; /* of those that the board has counted: actors' notices, and here */
    /* The caller's. */
    struct logger_entry entry; /* under way */
    _Atomic bool within;
    pthread_t thread;
    bool thread_stands;
};

/* Copies `plan` (NULL: no log). Errors: WEFT_INVALID, WEFT_NO_MEMORY, WEFT_LIMIT. */
enum weft_status logger_open(struct logger *logger, const struct weft_log *plan, bool stepped,
                             struct weft_error *why);
/* Sets the level, and starts the thread. Errors: WEFT_LIMIT. */
enum weft_status logger_start(struct weft_engine *engine, struct weft_error *why);
/* Tells all that waits, if `tell`; nothing is told afterwards. May be called twice. */
void logger_halt(struct weft_engine *engine, bool tell);
/* Frees it; it may never have been opened. */
void logger_close(struct logger *logger);

/* Whether what matters so much is told. Thread: any. */
bool logger_wants(const struct weft_engine *engine, enum logged what, enum weft_status status);
/* What happened: when, whose word it is (static), of which device (NULL or zero: none), and why or
 * what in words (NULL or empty: what logged.h says). */
struct logger_said {
    enum logged what;
    enum weft_status status;
    uint64_t wall_ms;
    const char *component;
    const uint8_t *device;
    const char *text;
};

/* A new entry at the end of the queue, to which the caller may add fields. NULL: it is not wanted,
 * or there is no room. Caller holds the lock. */
struct logger_entry *logger_add(struct weft_engine *engine, const struct logger_said *said);
/* Adds a field; more than LOGGED_FIELDS are left out. `entry` may be NULL. */
void logger_text(struct logger_entry *entry, enum logged_key key, const char *text);
void logger_number(struct logger_entry *entry, enum logged_key key, uint64_t number);
/* Something that the host's side did, with up to one text and one device (NULL: none). Takes the
 * lock. */
void logger_say(struct weft_engine *engine, enum logged what, const uint8_t *device,
                enum logged_key key, const char *text);
/* Tells all that waits, for an engine that is stepped; whether there was any. */
bool logger_run(struct weft_engine *engine);
/* Whether this thread is within a call of the host's function. */
bool logger_within(struct weft_engine *engine);

#endif
