/* What a device takes of other devices' rows.
 *
 * A part of weft.h, which includes it and says what holds for the whole interface; programs include
 * that. */
#ifndef WEFT_SUBSCRIBE_H
#define WEFT_SUBSCRIBE_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Unless it is told otherwise, a device takes all rows of all tables. A phone may leave out the
 * entries of all devices, or those of one server; or everything but the rows of one laptop.
 *
 * A rule is about one owned table or all, and one owner or all; of the rules that concern a row the
 * one that was said last counts. Rules are kept across weft_close(). Of a table, an owner's rows
 * are taken all or not at all. Shared tables cannot be left out: what changes them is chained and
 * signed, so every member holds all of it. This device's own rows stay in any case.
 *
 * What is left out is removed here, a thousand rows at a time, when nothing else waits; hooks and
 * WEFT_EVENT_CHANGED tell of it. On other devices nothing is deleted. What is taken again is
 * fetched anew, from the beginning. It may have been the last copy that goes: of rows of a device
 * that is lost, somebody should keep one.
 *
 * A device passes on only what it takes. If it is the only way between two others, what it leaves
 * out waits until these, or others that take it, meet. For transactions with rows that a member
 * leaves out WEFT_EVERYWHERE does not wait for it, and it does not count for WEFT_REPLICATED, once
 * its statement has arrived here, a second or so after it was told. */

/* Says the newest rule. `model` -1: all owned tables; `owner`, 16 bytes, NULL: all owners.
 * `*ticket` (may be NULL) as in weft_commit(): WEFT_DURABLE when the rule is kept and nothing more
 * that it leaves out is written; the ticket fails with WEFT_LIMIT at 256 rules that no other one
 * covers. Returns at once. Before the device is a member too: nothing need come first to be
 * removed again.
 * Errors: WEFT_INVALID (no such table, a shared one, this device as owner), WEFT_BUSY, WEFT_CLOSED,
 *   WEFT_NO_MEMORY. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_subscribe(weft_engine *engine, int model,
                                                       const uint8_t *owner, bool take,
                                                       uint64_t *ticket, struct weft_error *why);

#define WEFT_SUBSCRIPTIONS_MAX 256u
#define WEFT_TABLE_MAX 128u

/* A rule that stands. */
struct weft_subscription {
    int model;                      /* -1: all; -2: a table that this schema does not have: */
    char table[WEFT_TABLE_MAX + 1]; /* its name; empty: all */
    bool all_owners;
    uint8_t owner[WEFT_ID_SIZE];
    bool take;
};

/* Reads up to `cap` of the rules, the oldest first; `*count` is how many there are, `*clearing`
 * (may be NULL) of how many tables and owners rows that are left out are still being removed. As
 * of the last commit; waits for the disk.
 * Errors: WEFT_IO, WEFT_CORRUPT, WEFT_NO_MEMORY. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_subscriptions_wait(weft_engine *engine,
                                                                struct weft_subscription *out,
                                                                unsigned cap, unsigned *count,
                                                                unsigned *clearing,
                                                                struct weft_error *why);

#ifdef __cplusplus
}
#endif

#endif
