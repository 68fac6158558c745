/* Contacts: the devices that this one knows how to reach, or had sessions with; and the history of
 * those sessions. The listener keeps them in memory, the log writes them with its commits
 * (schema/006_peers.sql).
 *
 * Writing works inside a transaction of the writer; loading and reading, on a connection of its
 * own. */
#ifndef WEFT_STORE_CONTACTS_H
#define WEFT_STORE_CONTACTS_H

#include <sqlite3.h>

#include "engine/base/bytes.h"
#include "engine/base/limits.h"
#include "engine/runtime/mail.h"
#include "engine/weft.h"

struct writer;

/* One of them, as it is kept. Times are wall-clock milliseconds; 0: never. */
struct contact_known {
    bool named;       /* `device` is meant; else whoever answers at the address */
    struct id device; /* zero if not named */
    bool paused;
    uint64_t seen_ms;
    uint64_t sessions, failures, rows_in, rows_out, bytes_in, bytes_out;
    uint32_t address_count;
    struct weft_address addresses[LIMIT_ADDRESSES]; /* in the order in which they are tried */
};

/* All of them, by number. */
struct contacts {
    bool paused; /* no session with anybody */
    bool used[LIMIT_CONTACTS];
    struct contact_known list[LIMIT_CONTACTS];
};

/* What a session slot has moved since the engine was opened. */
struct contact_totals {
    uint64_t rows_in, rows_out, bytes_in, bytes_out;
};

/* One of them, as the listener lets the host see it. */
struct contact_shown {
    bool used;
    int live; /* the slot in which a session stands, which is not counted yet; -1 */
    struct contact_totals before; /* ... what that had moved when it began */
    struct weft_contact contact;  /* without a name, and what is unknown to the listener */
};

/* Reads all there are; what cannot be one is passed over. Errors: as store_fail(). */
enum weft_status contacts_load(sqlite3 *db, const char *path, struct contacts *out,
                               struct weft_error *why);
/* Reads up to `cap` of the newest sessions, the newest first: with a device, or (NULL) with any.
 * `*count`: how many were read. Errors: as store_fail(). */
enum weft_status contacts_history(sqlite3 *db, const char *path, const struct id *device,
                                  struct weft_session *out, uint32_t cap, uint32_t *count,
                                  struct weft_error *why);

/* Writes a contact as the mail says, or forgets it. */
enum weft_status contacts_save(struct writer *writer, const Weft__Contact *contact,
                               struct weft_error *why);
/* Adds a session to the history, and lets go of those of its device that are too many
 * (LIMIT_HISTORY), and of all that are too old (LIMIT_HISTORY_MS before its end). */
enum weft_status contacts_session(struct writer *writer, const Weft__Session *session,
                                  struct weft_error *why);

#endif
