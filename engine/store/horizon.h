/* The horizon of the shared log: below it every member holds all, and it has been forgotten.
 *
 *    records that are kept for good      forgotten ──► horizon ──── records ────► head
 *    (members, keys)                     `pruned`, its stamp, and a proof of it
 *
 * Whoever comes from below takes a snapshot (snapshot_taker.h), after which its head stands where
 * the giver's stood, and its horizon too: of what lies below, it holds the rows, not the records.
 * Works inside a transaction of the writer.
 * Invariants
 *   1. The horizon of an origin only rises, and never past its head.
 *   2. A record that waits in quarantine is not forgotten, nor any behind it.
 *   3. Of the record at the horizon there is a proof that its device signed it. */
#ifndef WEFT_STORE_HORIZON_H
#define WEFT_STORE_HORIZON_H

#include "engine/store/shared.h"

/* Keeps a record for good that does not go behind its origin's head: one that says more than
 * changes of rows, and was signed as it should be. `*place`: where it stands; 0: it was there. */
enum weft_status horizon_keep(struct writer *writer, const struct record *record,
                              struct bytes bytes, uint64_t *place, struct weft_error *why);

struct horizon_cut {
    uint64_t seq, hlc; /* of the horizon now */
    uint32_t count;    /* records that were looked at */
};
/* Forgets records of an origin up to number `seq` and place `place`, `limit` of them at most.
 * Errors: WEFT_CORRUPT (the record at the horizon cannot be read), and those of writing. */
enum weft_status horizon_forget(struct writer *writer, const struct id *library,
                                const struct record_origin *origin, uint64_t seq, uint64_t place,
                                uint32_t limit, struct horizon_cut *out, struct weft_error *why);
/* The places of the oldest record that may be forgotten one day, and of the newest of all; 0: there
 * is none. */
enum weft_status horizon_places(struct writer *writer, uint64_t *oldest, uint64_t *newest,
                                struct weft_error *why);
/* After a snapshot: what records of an origin up to this one say of rows came with it, also if they
 * wait in quarantine here. Before horizon_raise(). */
enum weft_status horizon_release(struct writer *writer, const struct record *record,
                                 struct weft_error *why);
/* After a snapshot: head and horizon of an origin stand at a record whose proof was judged, and
 * that lies beyond its head. */
enum weft_status horizon_raise(struct writer *writer, const struct record *record,
                               struct bytes proof, struct weft_error *why);

/* What is known of a snapshot that is being taken, for after a restart; empty: none is. `*out` is
 * in the arena. Errors: those of reading and writing, WEFT_NO_MEMORY. */
enum weft_status horizon_taking_save(struct writer *writer, struct bytes taking,
                                     struct weft_error *why);
enum weft_status horizon_taking_load(struct writer *writer, struct arena *arena, struct bytes *out,
                                     struct weft_error *why);

/* When a member was last heard of, by this device's wall clock in milliseconds. */
enum weft_status horizon_heard(struct writer *writer, const struct id *device, uint64_t wall_ms,
                               struct weft_error *why);
enum weft_status horizon_load_heard(struct writer *writer, void *context,
                                    void (*visit)(void *context, const struct id *device,
                                                  uint64_t wall_ms),
                                    struct weft_error *why);

#endif
