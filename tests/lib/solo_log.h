/* The log actor alone (solo.h), over a library on a simulated disk that can be full, fail to sync,
 * and lose power. The test is clock, host, bulk, prune and peers.
 *
 * This device is ME of tests/lib/place.h, whose schema the library has, and its founder. Device n
 * is the one whose secret is n in all bytes. Every mail to the log is packed and unpacked on its
 * way, as proof that it hides no pointer. */
#ifndef TESTS_LIB_SOLO_LOG_H
#define TESTS_LIB_SOLO_LOG_H

#include "engine/store/shared.h"
#include "tests/lib/place.h"
#include "tests/lib/solo.h"
#include "tests/sim/disk.h"
#include "tests/sim/rng.h"

#define SOLO_LOG_DEVICES 16u
#define SOLO_LOG_INCARNATION 7u

struct solo_log {
    struct solo solo;
    struct identity identities[SOLO_LOG_DEVICES]; /* by number; 0 is nobody */
    struct id devices[SOLO_LOG_DEVICES];
    struct disk *disk;
    struct library library; /* pool and store, to build runs with; no writer, no reader */
    struct rng rng;
    uint64_t tickets, stamp; /* the last ones handed out to this host's orders */
    struct mail *answered;   /* being read */
    size_t answered_at;
    bool stopped; /* the log has said so */
    /* Of the next start. */
    uint32_t cache_bytes, group_rows, log_records, checkpoint_pages;
    uint64_t patience_ms;
};

/* For cmocka; *state becomes the stage. The teardown fails when a mail has leaked. */
int solo_log_setup(void **state);
int solo_log_teardown(void **state);
/* Stops the log, as at the end of an engine, and starts it again with the settings as they are.
 * What was under way to and from it is dropped. */
void solo_log_restart(struct solo_log *log);
/* The same, but the power goes first: what was not synced is lost. The disk may be down already. */
void solo_log_power_cut(struct solo_log *log);
/* Whether the engine has ended, and of what. */
enum weft_status solo_log_fatal(struct solo_log *log);

/* ---- what the log is told ---- */

/* Each of these turns the log once, as far as the mail goes; solo_turn() commits what is open. Runs
 * are dropped. */

/* The runs of one transaction: one or, with `other`, two. Its ticket. */
uint64_t solo_log_commit(struct solo_log *log, struct run *run, struct run *other);
/* One row put into "location". */
uint64_t solo_log_put(struct solo_log *log, int id, const char *path);
/* A row so large that a small cache must write before the commit: 700 KB, and as much in an index.
 */
uint64_t solo_log_put_large(struct solo_log *log, int id);
uint64_t solo_log_delete(struct solo_log *log, int id);

/* A received batch. Its rows' versions are ten apart, the last one is `upto`. */
struct solo_log_batch {
    uint8_t owner;
    const char *table;
    uint64_t after, upto, horizon;
    bool sweep;
    bool same; /* of a sweep: passed over */
};
/* `run` may be NULL: no rows. */
void solo_log_receive(struct solo_log *log, struct run *run, struct solo_log_batch batch);

/* A rescan of the rows of `table` with `column` = `scope`. Tickets. */
uint64_t solo_log_scan_begin(struct solo_log *log, const char *table, const char *column,
                             struct weft_value scope);
uint64_t solo_log_scan_end(struct solo_log *log, uint64_t scan);

/* A device is added, or removed, by this one; what the host and others are told of it is not taken.
 * Returns the ticket. */
uint64_t solo_log_govern(struct solo_log *log, uint8_t device, bool remove);
/* The device becomes a member, of which the host is told. */
void solo_log_meet(struct solo_log *log, uint8_t device);
/* Who this is: the number, or the first byte of an id that is nobody's. */
uint8_t solo_log_who(const struct solo_log *log, const void *id);

/* Device `device` says that it holds that much; without a table, nothing. */
void solo_log_acked(struct solo_log *log, uint8_t device, uint8_t owner, const char *table,
                    uint64_t position);
/* The answer to a survey; the caller drops it. */
struct mail *solo_log_survey(struct solo_log *log);
struct solo_log_forgotten {
    uint64_t upto;
    uint32_t count;
    bool more;
};
struct solo_log_forgotten solo_log_forget(struct solo_log *log, uint8_t owner, const char *table,
                                          uint64_t upto);

/* ---- what the log says ---- */

/* The next outcome that the host is given; ticket 0 when there is none. */
struct solo_log_outcome {
    uint64_t ticket;
    enum weft_status status;
    size_t count; /* of models and versions */
    uint32_t models[2];
    uint64_t versions[2];
};
struct solo_log_outcome solo_log_outcome(struct solo_log *log);
/* The next outcome is this one; fails the test otherwise. */
void solo_log_answers(struct solo_log *log, uint64_t ticket, enum weft_status status);

/* The next mail that bulk is given; false when there is none. */
struct solo_log_passed {
    bool incoming; /* a batch, else a transaction */
    bool last;
    uint64_t ticket;         /* a transaction's */
    enum weft_status status; /* these three a batch's */
    uint64_t position;
    bool sweeping;
    size_t run_count;
    struct {
        uint32_t model, count;
        uint64_t after, upto;
    } runs[2];
};
bool solo_log_passed(struct solo_log *log, struct solo_log_passed *out);
/* The next mail to bulk is a batch with this status, position and mark; or there is none. */
void solo_log_passes(struct solo_log *log, enum weft_status status, uint64_t position,
                     bool sweeping);
void solo_log_passes_nothing(struct solo_log *log);

/* The next notice of this kind, what comes before it being dropped; kind 0 when there is none. */
struct solo_log_notice {
    int kind, model;
    uint64_t count;
    uint8_t device; /* its number; 0: none */
    enum weft_status status;
};
struct solo_log_notice solo_log_notice(struct solo_log *log, enum weft_event_kind kind);

/* ---- the file, as another connection sees it ---- */

int64_t solo_log_count(const struct solo_log *log, const char *sql);
void solo_log_sql(const struct solo_log *log, const char *sql);

#endif
