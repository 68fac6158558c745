/* The shared log in the store: origins and their heads, records, acknowledgements, members, keys.
 *
 *   shared_changes(place, origin, seq, hlc, record)     place: the order in which they came here
 *   _weft_origin(id, device, incarnation, seq, hash, hlc, fork, pruned …)    one row per origin:
 *                                                                     its head, its horizon
 *   peer_acks(device, origin, seq)                                    what members hold durably
 *   _weft_member(device, …)  _weft_pin(device, incarnation, seq, hash, said)  _weft_key(epoch, …)
 *
 * The writing half works inside the transaction of a writer (writer.h); the reading half has a
 * connection of its own, for the share actor. Records are read in the order of `place`: each was
 * written after all that it depends on, so that this order is causal wherever it is read.
 * Invariants
 *   1. An origin's records are here from behind its horizon (`pruned`) to its head without a gap,
 *      each chained to the last. Of those below it and beyond its head only some are here, that are
 *      never forgotten (horizon.h).
 *   2. Head, record and what the record's ops changed are in one transaction. */
#ifndef WEFT_STORE_SHARED_H
#define WEFT_STORE_SHARED_H

#include "engine/store/roster.h"
#include "engine/store/writer.h"

struct shared_head {
    struct record_origin origin;
    uint64_t seq; /* 0: nothing yet */
    uint64_t hlc;
    uint8_t hash[RECORD_HASH];
    bool frozen; /* two records of one number were seen: nothing more is taken of it */
    uint64_t pruned, pruned_hlc; /* number and stamp of the last record that was forgotten */
};

/* ---- writing, by the log actor ---- */

/* Appends a record, whose origin's head is the record before it, and moves the head. `*place` is
 * where it stands. Errors: WEFT_CORRUPT (it does not continue the chain that is stored),
 * WEFT_DISK_FULL, WEFT_IO … The caller rolls back. */
enum weft_status shared_append(struct writer *writer, const struct record *record,
                               struct bytes bytes, uint64_t *place, struct weft_error *why);
/* Keeps the proof that an origin has signed two records of one number, and freezes it: the record
 * stored, and `other`. */
enum weft_status shared_freeze(struct writer *writer, const struct record *other,
                               struct bytes other_bytes, struct weft_error *why);
/* Greater numbers only. Of an origin no record of which is here nothing is written, and the answer
 * is WEFT_OK: nobody can fill the table of origins with names. Errors: WEFT_PROTOCOL (a number that
 * cannot be), WEFT_LIMIT (too many devices), and those of writing. */
enum weft_status shared_ack(struct writer *writer, const struct id *device,
                            const struct record_origin *origin, uint64_t seq,
                            struct weft_error *why);
/* All of it, in the place of what was kept of that device. */
enum weft_status shared_save_member(struct writer *writer, const struct roster_member *member,
                                    struct weft_error *why);
enum weft_status shared_save_key(struct writer *writer, const struct roster_key *key,
                                 struct weft_error *why);
/* Everything that the log keeps in memory. Members and keys go into `roster`, which is empty.
 * Functions of `visit` may be NULL. */
struct shared_visit {
    void *context;
    void (*head)(void *context, const struct shared_head *head);
    void (*ack)(void *context, const struct id *device, const struct record_origin *origin,
                uint64_t seq);
};
/* Errors: WEFT_CORRUPT (a member or key that cannot be read: `why` says which), WEFT_IO … */
enum weft_status shared_load(struct writer *writer, const struct shared_visit *visit,
                             struct roster *roster, struct weft_error *why);

/* ---- reading, by the share actor ---- */

struct shared_reader;
enum weft_status shared_reader_open(const char *path, const char *vfs, struct shared_reader **out,
                                    struct weft_error *why);
void shared_reader_close(struct shared_reader *reader);

struct shared_entry {
    uint64_t place;
    struct record_origin origin;
    uint64_t seq;
    bool keep;           /* it says more than changes of rows */
    struct bytes record; /* in the arena */
};
/* Reads records with places greater than `after`, in order, until `count_max` of them or
 * `bytes_max` bytes (at least one if there is any). `*more`: others follow. Its own short read
 * transaction. Errors: WEFT_IO, WEFT_CORRUPT, WEFT_NO_MEMORY. */
enum weft_status shared_reader_after(struct shared_reader *reader, uint64_t after,
                                     uint32_t count_max, size_t bytes_max, struct arena *arena,
                                     struct shared_entry **out, uint32_t *count, bool *more,
                                     struct weft_error *why);
/* The least place of an origin's records with numbers above `seq`; 0: there are none. Takes time in
 * proportion to their number. Errors: WEFT_IO. */
enum weft_status shared_reader_place(struct shared_reader *reader,
                                     const struct record_origin *origin, uint64_t seq,
                                     uint64_t *place, struct weft_error *why);
/* What horizon_taking_load() gives. */
enum weft_status shared_reader_taking(struct shared_reader *reader, struct arena *arena,
                                      struct bytes *out, struct weft_error *why);
/* Whether records wait in quarantine. */
enum weft_status shared_reader_waits(struct shared_reader *reader, bool *waits,
                                     struct weft_error *why);
/* Heads of all origins, in one read transaction with the greatest place. */
enum weft_status shared_reader_heads(struct shared_reader *reader, void *context,
                                     void (*visit)(void *context, const struct shared_head *head),
                                     uint64_t *place, struct weft_error *why);

#endif
