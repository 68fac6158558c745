/* The roster: who is a member, who was, and the library's keys; what the membership records say,
 * in memory.
 *
 *   record of a member ──► ADD:    device unknown ──────────► member
 *                                  member, added later ─────► the earlier ADD's fields
 *                                  removed, not yet added ──► removed, its key known
 *                          REMOVE: device unknown ──────────► removed, not yet added
 *                                  member ──────────────────► removed, pinned
 *                                  removed ─────────────────► pins raised
 *                          KEY:    box for this device ─────► one more library key
 *                          AWAY:   member ──────────────────► nothing waits for it any more …
 *                          BACK:   of itself ───────────────► … until it is there again
 *
 * The first record of a library is its founder's, who adds itself; after that only members' records
 * count. A removed device never comes back under the same identity. A record of a removed device is
 * admitted up to its pin, the greatest that any member's REMOVE gives: so whoever took a later
 * record before hearing of the removal says so, by a REMOVE of its own, and all agree again
 * (docs/decisions/008-removal.md).
 * Invariants
 *   1. Two rosters that applied the same records, in whatever order, are equal but for the order of
 *      entries, for what this device has itself said, and for the keys, which are sealed to each.
 *   2. A member that was removed stays removed; a pin never goes back.
 * Pure, but for memory. Owned by the log actor; others get copies by mail. */
#ifndef WEFT_STORE_ROSTER_H
#define WEFT_STORE_ROSTER_H

#include "engine/base/limits.h"
#include "engine/wire/record.h"

#define ROSTER_NAME RECORD_NAME
#define ROSTER_KEYS 64u /* library keys that are kept: the last ones */

struct roster_member {
    struct id device;
    struct identity_public public;
    uint64_t incarnation; /* the one it was added in */
    uint8_t cert[IDENTITY_CERT];
    char name[ROSTER_NAME + 1];
    bool removed;
    bool disputed;                   /* two REMOVEs of it gave other pins */
    bool said;                       /* this device has itself written a REMOVE of it */
    uint64_t added_hlc, removed_hlc; /* the least of those that say so */
    uint64_t away_hlc, back_hlc;     /* the greatest AWAY, and the greatest that a BACK answers */
    struct id added_by;              /* zero: a REMOVE of it came before its ADD */
    uint32_t pin_count;
    /* By increasing incarnation, the greatest ones when there were more. A pin with a zero hash
     * admits any record of its number: members disagreed on which one it is. */
    struct record_pin pins[RECORD_PINS];
    uint64_t said_seq[RECORD_PINS]; /* of each pin, up to where this device has said it; or 0 */
};

struct roster_key {
    uint32_t epoch;
    uint8_t psk_id[LIBRARY_KEY_ID];
    uint8_t key[LIBRARY_KEY];
    uint8_t sealed[LIBRARY_KEY_SEALED]; /* to this device */
    struct id author;                   /* who sealed it */
};

struct roster {
    const struct identity *self;
    struct roster_member *members; /* LIMIT_ROSTER of them; this device among them */
    uint32_t count;
    /* In increasing (epoch, psk_id): the last is the current one. */
    struct roster_key keys[ROSTER_KEYS];
    uint32_t key_count;
    uint64_t version; /* counts changes, from 1 */
};

/* Errors: WEFT_NO_MEMORY. `self` is borrowed until roster_close(). */
enum weft_status roster_open(struct roster *roster, const struct identity *self);
/* Wipes the keys. */
void roster_close(struct roster *roster);

/* What is known of a device, or NULL. Valid until the roster changes. */
const struct roster_member *roster_find(const struct roster *roster, const struct id *device);
/* A member now: added and not removed. */
bool roster_has(const struct roster *roster, const struct id *device);
/* A member that was said to be silent for long, and has not said since that it is back: what all
 * members hold is asked of the others (docs/decisions/020-horizon.md). */
bool roster_away(const struct roster *roster, const struct id *device);
/* The key that new sessions use; NULL when this device has none yet. Both: valid until the roster
 * changes. */
const struct roster_key *roster_current(const struct roster *roster);
const struct roster_key *roster_key_named(const struct roster *roster,
                                          const uint8_t psk_id[LIBRARY_KEY_ID]);

enum roster_verdict {
    ROSTER_ADMITS,
    ROSTER_UNKNOWN, /* nobody has added its origin yet: it may be asked for later */
    ROSTER_REMOVED, /* beyond what is pinned of a removed device */
    ROSTER_FORGED   /* the signature is not that of its origin */
};
/* Whether a record may be taken: its origin is a member, or removed with a pin that covers it (and,
 * at the pin, has its hash), and has signed it. The founding record is admitted when the roster is
 * empty: seq 1, with an ADD of its own origin whose key signed it. */
enum roster_verdict roster_judge(const struct roster *roster, const struct record *record);
/* The same of a record whose signature was checked before: one of our own, or from the disk. */
enum roster_verdict roster_judge_signed(const struct roster *roster, const struct record *record);

/* What applying a record changed, for whoever stores it; each may be NULL. */
struct roster_change {
    void *context;
    void (*member)(void *context, const struct roster_member *member); /* new, or changed */
    void (*key)(void *context, const struct roster_key *key);          /* new */
};
/* Applies an admitted record's membership ops; ops that do not hold (a body of another form, a
 * certificate or a key that is not what it should be) are passed over. Other ops are ignored. What
 * is passed to `change` (may be NULL) is valid during the call. Errors: WEFT_LIMIT, said once all
 * the rest is applied: more than LIMIT_ROSTER devices were ever named. */
enum weft_status roster_apply(struct roster *roster, const struct record *record,
                              const struct roster_change *change);

/* ---- the rule of removal ---- */

/* What a REMOVE of `device` says: the last records accepted of it, `heads`, by increasing
 * incarnation; of more than RECORD_PINS incarnations the greatest. */
void roster_pin(const struct id *device, const struct record_pin *heads, uint32_t count,
                struct record_remove *out);
/* Whether this device must now write a REMOVE of one that was removed, with these heads of it;
 * fills in `out` if so. It must
 *   - when its heads lie beyond the pins;
 *   - when the removal is disputed, and it has not yet said as much as its heads itself;
 *   - when it has never said so itself and `refused`: a member has just offered it a record of that
 *     device that was judged ROSTER_REMOVED.
 * Ask for each device removed after a batch of records was applied and at start, and after a
 * refusal. */
bool roster_must_say(const struct roster *roster, const struct id *device,
                     const struct record_pin *heads, uint32_t count, bool refused,
                     struct record_remove *out);

/* ---- from the store ---- */

/* Puts back what was stored. Errors: WEFT_LIMIT, WEFT_CORRUPT (it is there already, or no roster
 * holds such a member). */
enum weft_status roster_load_member(struct roster *roster, const struct roster_member *member);
/* False when the key cannot be unsealed by this device's keys. */
bool roster_load_key(struct roster *roster, uint32_t epoch, const struct id *author,
                     const uint8_t sealed[LIBRARY_KEY_SEALED]);

#endif
