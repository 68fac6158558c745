/* Figures of an engine for those who watch it: durations, lags, actors, rings.
 *
 * A part of weft.h, which includes it and says what holds for the whole interface; programs include
 * that. What is here only tells: nothing in the engine depends on it. */
#ifndef WEFT_FIGURES_H
#define WEFT_FIGURES_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A histogram of durations: how many took no longer than each of a row of bounds, which grow by
 * about a fifth, from a microsecond to 71 minutes. */
#define WEFT_BUCKETS 125u
struct weft_histogram {
    uint64_t count; /* of all buckets */
    uint64_t sum_us;
    uint64_t greatest_us;
    uint64_t bucket[WEFT_BUCKETS]; /* above the bound before, up to weft_bucket_us() */
};

/* The bound of a bucket, in microseconds: durations up to it, and itself, are counted there. The
 * last one's is UINT64_MAX. Thread: any. */
WEFT_API uint64_t weft_bucket_us(unsigned bucket);

/* The duration that a part of all (0.99: of a hundred 99) did not pass, in microseconds: never too
 * small, and at most a quarter too great. 0 when nothing was counted. Thread: any. */
WEFT_API uint64_t weft_quantile_us(const struct weft_histogram *histogram, double quantile);

/* More figures, beside those of weft_stats(): since weft_open(), and gauges as they stand. */
struct weft_metrics {
    struct weft_histogram commit;     /* SQLite commits: from the first row until it is synced */
    struct weft_histogram sync;       /* ... of that writing the log and syncing it */
    struct weft_histogram checkpoint; /* copying the write-ahead log into the file */
    struct weft_histogram ticket;     /* from weft_commit() until the transaction is durable */
    struct weft_histogram replicate;  /* from then until a member has said that it holds it */
    struct weft_histogram arrive;     /* age of rows of others when durable here, by their clocks */
    uint64_t syncs_failed;            /* SQLite commits that could not be made */
    uint64_t mails_lost;              /* notices that found no room */
    enum weft_status commit_status;   /* what became of the last SQLite commit */
    uint64_t commits_waiting;         /* gauge: transactions without an answer */
    uint64_t door_bytes_max;          /* what door_bytes_held may reach */
    uint64_t pool_bytes_kept;         /* gauge: bytes of mail arenas kept to be used again */
    uint64_t log_records; /* gauge: records of the shared log that can be forgotten, one day */
    uint64_t log_pages;   /* gauge: SQLite pages in the write-ahead log, after a commit */
    uint64_t threads;     /* gauge: of actors */
    uint64_t members, members_away; /* gauges: other devices */
    uint64_t uptime_ms;
};

/* Copies the figures. `size` is sizeof *out as the caller knows it: later versions of the library
 * add fields at the end of the struct, and never change one. A shorter struct gets what fits, the
 * end of a longer one is zeroed; returns the size that the library knows. Thread: any. */
WEFT_API size_t weft_metrics(const weft_engine *engine, struct weft_metrics *out, size_t size);

/* How far another member is behind with what this device writes. */
struct weft_lag {
    uint8_t device[WEFT_ID_SIZE];
    uint64_t ms;      /* age of the oldest commit that it may lack; 0: it holds all */
    uint64_t rows;    /* rows of owned tables, written since weft_open(), that it may lack, if: */
    bool rows_known;  /* ... it has once held all since weft_open(). No less than it lacks */
    uint64_t records; /* records of the shared log, written by this device, that it lacks */
};

/* Copies up to `cap` of the members' lags; returns how many other members there are. Thread: any.
 */
WEFT_API unsigned weft_lags(const weft_engine *engine, struct weft_lag *out, unsigned cap);

/* One actor as it stands. */
struct weft_actor {
    const char *name;         /* "log", "peer" ...: static */
    unsigned index;           /* which peer: the session slot; 0 for all others */
    uint64_t steps;           /* mails and ticks that it has dealt with */
    uint64_t mails_waiting;   /* gauge: in all rings that lead to it */
    uint64_t ring_slots;      /* of these rings */
    uint64_t pool_bytes_held; /* gauge: bytes of mails that it made and that are still in use */
};

/* Copies up to `cap` of the actors; returns how many there are. Thread: any. */
WEFT_API unsigned weft_actors(const weft_engine *engine, struct weft_actor *out, unsigned cap);

/* The rings from one kind of actor to another, those of all peers together. */
struct weft_ring {
    const char *from, *to;  /* names, as of weft_actor; "host" is the program. Static */
    const char *kind;       /* "ask", "answer" or "notice" */
    const char *mail;       /* the first kind of mail that it carries: no other ring between
                               these two carries it. Static */
    unsigned rings;         /* so many */
    uint64_t mails_waiting; /* gauge: in all of them */
    uint64_t mails_deepest; /* gauge: in the fullest */
    uint64_t ring_slots;    /* of each */
    uint64_t mails;         /* ever sent */
    uint64_t mails_lost;    /* notices that found no room */
};

/* Copies up to `cap` of the rings; returns how many there are. Thread: any. */
WEFT_API unsigned weft_rings(const weft_engine *engine, struct weft_ring *out, unsigned cap);

#ifdef __cplusplus
}
#endif

#endif
