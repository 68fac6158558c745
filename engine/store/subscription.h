/* Subscriptions: which owners' rows of which owned tables this device takes.
 *
 *   rule := owners (one, or all) | tables (one, or all) | take or leave out
 *
 * Of the rules that concern a stream the newest counts; where there is none, it is taken. What this
 * device itself owns is not theirs to decide. Kept in the file (schema/007_subscriptions.sql), and
 * as values by the actors that go by them.
 * Invariant: no rule stands that a newer one covers. */
#ifndef WEFT_STORE_SUBSCRIPTION_H
#define WEFT_STORE_SUBSCRIPTION_H

#include <sqlite3.h>

#include "engine/base/bytes.h"
#include "engine/base/limits.h"
#include "engine/crdt/vector.h"

struct models;
struct writer;

#define SUBSCRIPTION_ELSEWHERE \
    UINT32_MAX /* a table that this version of the schema does not have */

struct subscription {
    bool all_owners;
    struct id owner;
    uint32_t model;             /* 0: all of them; SUBSCRIPTION_ELSEWHERE */
    char table[LIMIT_NAME + 1]; /* its name; empty: all */
    bool take;
};

struct subscriptions {
    uint32_t count;
    struct subscription list[LIMIT_SUBSCRIPTIONS]; /* the oldest first */
};

/* Whether a stream of another device is taken; of `owner` NULL: one that no rule names. */
bool subscriptions_take(const struct subscriptions *subscriptions, const struct id *owner,
                        uint32_t model);
/* Adds the newest rule. Errors: WEFT_LIMIT. */
enum weft_status subscriptions_add(struct subscriptions *subscriptions,
                                   const struct subscription *rule, struct weft_error *why);

/* Reads them; and, unless `clearing` is NULL, adds the streams whose rows are still being removed.
 * What makes no sense is passed over. Errors: as store_fail(), WEFT_NO_MEMORY. */
enum weft_status subscriptions_read(sqlite3 *db, const char *path, const struct models *models,
                                    struct subscriptions *out, struct vector *clearing,
                                    struct weft_error *why);
/* Writes them, within the writer's transaction, instead of those that are there. */
enum weft_status subscriptions_write(struct writer *writer,
                                     const struct subscriptions *subscriptions,
                                     struct weft_error *why);

#endif
