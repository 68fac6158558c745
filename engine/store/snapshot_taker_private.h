/* The inside of a taker. Private to snapshot_taker.c and snapshot_sweep.c. */
#ifndef WEFT_STORE_SNAPSHOT_TAKER_PRIVATE_H
#define WEFT_STORE_SNAPSHOT_TAKER_PRIVATE_H

#include "engine/store/shared_row_private.h"
#include "engine/store/snapshot_taker.h"
#include "engine/store/snapshot_walk.h"

struct snapshot_head {
    struct record_origin origin;
    uint64_t hlc;
};

/* Of an origin of the file: stamps up to `upto` are covered, those after `own` are remains. */
struct snapshot_cover {
    uint64_t upto, own;
};

struct snapshot_taker {
    bool unite;
    uint32_t head_count;
    struct snapshot_head *heads; /* by origin */
    /* What this device holds, by origin, and who was removed: snapshot_own(). */
    bool own_known;
    uint32_t own_count;
    struct snapshot_head *own;
    uint32_t removed_count;
    struct id removed[LIMIT_ROSTER];
    /* Per origin of the file, in the order of writer->shared. */
    struct snapshot_cover *covers;
    uint32_t cover_count, cover_room;
    /* The body under way. */
    struct snapshot_body body;
    struct snapshot_row row;
    uint32_t origins_known;
    uint32_t origins[LIMIT_SNAPSHOT_ORIGINS]; /* the body's, by their numbers here; 0: no head */
    uint32_t fields_known;
    uint32_t fields[LIMIT_FIELDS];
    bool full[LIMIT_FIELDS];         /* a field that has no number any more */
    struct stamp said[LIMIT_FIELDS]; /* of the row under way, by field; hlc 0: nothing */
    /* The sweep. */
    struct snapshot_place place;
    struct packed found; /* rows to be looked at again: table, key */
};

/* Learns up to where the origins of the file are covered: once per call, and when one was added. */
enum weft_status snapshot_cover(struct writer *writer, struct snapshot_taker *taker,
                                struct weft_error *why);
bool snapshot_covered(const struct writer *writer, const struct snapshot_taker *taker,
                      const struct stamp *stamp);
/* Whether a stamp here is what another snapshot left. */
bool snapshot_remains(const struct writer *writer, const struct snapshot_taker *taker,
                      const struct stamp *stamp);
/* Puts a row that was changed into its place, or removes it if nothing is said of it any more. */
enum weft_status snapshot_settle(struct writer *writer, struct shared_row *row,
                                 struct shared_row_tally *tally, struct weft_error *why);
/* Ends a call: tries rows that stood behind those that have gone, and adds up. */
enum weft_status snapshot_follow(struct writer *writer, struct shared_row_tally *mine,
                                 struct shared_row_tally *tally, struct weft_error *why);

#endif
