/* Figures of an engine for those who watch it: totals, durations, lags, actors, rings; and HTTP.
 *
 * A part of weft.h, which includes it and says what holds for the whole interface; programs include
 * that. Nothing in the engine depends on it. Structs of which lists are filled do not grow. */
#ifndef WEFT_FIGURES_H
#define WEFT_FIGURES_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Totals since weft_open(), and gauges. */
struct weft_stats {
    uint64_t commits;        /* transactions of this host written */
    uint64_t commits_failed; /* ... refused */
    uint64_t syncs;          /* SQLite commits: groups of transactions */
    uint64_t rows_local;     /* rows and tombstones written for this host */
    uint64_t rows_remote;    /* ... for other devices */
    uint64_t rows_unchanged; /* puts equal to the stored row */
    uint64_t rows_parked;    /* received rows that cannot be applied yet */
    uint64_t fields_beaten; /* writes to shared rows that lost against another device's later one */
    uint64_t tombstones_pruned;
    uint64_t records_pruned; /* of the shared log, forgotten as every member holds them */
    uint64_t batches_encoded, batches_shared, batches_decoded;
    uint64_t batches_from_memory, batches_from_disk;
    uint64_t bytes_in, bytes_out; /* on the wire, all peers */
    uint64_t digests_compared;    /* with members who hold as much; equal, but for: */
    uint64_t digests_differ;      /* ... */
    uint64_t digests_repaired;    /* ... those that were equal again after a repair */
    uint64_t events_lost;
    uint64_t door_bytes_held; /* gauge: bytes of transactions not yet let go */
    uint64_t pool_bytes_held; /* gauge: bytes of all mail arenas */
};
WEFT_API void weft_stats(const weft_engine *engine, struct weft_stats *out);

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
    uint64_t log_lost; /* entries of config.log that found no room */
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
    uint64_t pool_bytes_held; /* gauge: bytes of mails that it made and that are still in use; peers
                               * that share a thread: all of them, with the first */
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

/* What is shown by HTTP; all fields may be zero. */
struct weft_http {
    const char *address; /* "host:port", numbers; NULL: "127.0.0.1:9464". Port 0: any free one */
    const char *token;   /* asked for, up to 256 bytes; NULL: none. As Bearer, or as the password of
                            Basic for a browser. It travels in the clear, as all of HTTP */
    bool anywhere;       /* an address beyond this machine is meant, though there is no token */
};

/* Shows the engine by HTTP, off until this is called:
 *   /          a page for people: devices, lag, throughput, members, actors, recent events
 *   /status.json   what it polls; may change with any version
 *   /metrics   all figures, in the text format of Prometheus (version 0.0.4)
 *   /healthz   200 unless the engine was stopped by a fault (a failed sync, no memory): 503
 *   /readyz    200 if it can commit: no fault, not closing, room at the door, and the last SQLite
 *              commit was made; else 503, with the reason. Neither of these two asks for the token
 * GET and HEAD only. A server takes 64 connections, 32 of one address; beyond that, the one that
 * has been silent longest goes, and any that was for 5 s. Without a token, and on this machine,
 * only who names it by number or as localhost is answered: pages of others in a browser are not.
 * `options` may be NULL; `bound` (may be NULL) receives the address in use, WEFT_ADDRESS_MAX bytes.
 * Starts a thread; nothing waits for it, and no actor knows of it. Thread: any.
 * Errors: WEFT_ADDRESS, WEFT_DENIED (beyond this machine, without `token` or `anywhere`),
 *   WEFT_INVALID (the token; it is shown already), WEFT_PORT_IN_USE, WEFT_NET, WEFT_LIMIT,
 *   WEFT_NO_MEMORY. */
WEFT_API WEFT_MUST_USE enum weft_status weft_http_start_wait(weft_engine *engine,
                                                             const struct weft_http *options,
                                                             char *bound, struct weft_error *why);

/* Ends that: every connection is closed. Waits for an answer that is being written. weft_close()
 * does it as well. Nothing happens when it is not shown. Thread: any, but for one that closes. */
WEFT_API void weft_http_stop_wait(weft_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
