/* The engine's log: what happens, told to a function of the host's, for who operates it.
 *
 * A part of weft.h, which includes it and says what holds for the whole interface; programs include
 * that. What a program acts upon are events (weft_next_event()), and rows (weft_on_commit()); the
 * log says what they say, and more, in words, names and numbers that can be searched and counted.
 * docs/operations.md lists all that can happen. */
#ifndef WEFT_LOG_H
#define WEFT_LOG_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How much something matters. Of what is less than the level that is set, nothing is made. */
enum weft_log_level {
    WEFT_LOG_OFF = 0,   /* only as a level that is set: nothing */
    WEFT_LOG_ERROR = 1, /* something failed; a person should look */
    WEFT_LOG_WARN = 2,  /* it goes on, and should not stay so */
    WEFT_LOG_INFO = 3,  /* what rarely happens: sessions, members, settings */
    WEFT_LOG_DEBUG = 4  /* what often happens: calls that fail, rows of others */
};

/* "error", "warn", "info", "debug"; "off". Static. Thread: any. */
WEFT_API const char *weft_log_level_name(enum weft_log_level level);

/* A device is the text of its id, a status its name ("WEFT_NET"), a model the name of its table. */
struct weft_log_field {
    const char *key;
    const char *text; /* NULL: it is a number */
    uint64_t number;
};

/* Something that happened. All of it is borrowed for the call. */
struct weft_log_entry {
    uint64_t wall_ms; /* when, in milliseconds since 1970, by this device's wall clock */
    enum weft_log_level level;
    const char *component; /* whose word it is: "engine", or an actor: "log", "peer" ... */
    const char *event;     /* which: "peer_up". Names keep their meaning */
    const char *text;      /* the same for a person: UTF-8, in one sentence */
    const struct weft_log_field *fields;
    unsigned field_count;
};

/* Takes an entry. It is called by a thread of the engine's that does nothing else, one call at a
 * time; in a WEFT_THREADS_NONE engine by weft_step() and weft_close(), on the caller's thread.
 * It may be called before weft_open() has returned, for the last time within weft_close(), and no
 * more after that. No lock is held: it may call the engine, but not weft_step() nor weft_close().
 * It should not wait for anything: nothing in the engine waits for it, but of what happens
 * meanwhile 256 entries are kept, and the rest is lost; "log_lost" then says how many. */
typedef void weft_log_fn(void *context, const struct weft_log_entry *entry);

/* config.log: copied by weft_open(). Ownership: `context` is the host's, and is to be there until
 * weft_close() has returned, or weft_open() has failed. */
struct weft_log {
    weft_log_fn *write;
    void *context;
    enum weft_log_level level; /* what matters less is not told; 0: WEFT_LOG_INFO */
};

/* Sets the level from now on. Without config.log nothing happens. Thread: any. */
WEFT_API void weft_set_log_level(weft_engine *engine, enum weft_log_level level);

#ifdef __cplusplus
}
#endif

#endif
