/* The shared log, written: records at the end of their chains, proofs, acknowledgements, members.
 *
 *   record ─► its origin's head: number before it? hash in its `prev`? ─► shared_changes, and head
 *                    │ no                                frozen: no
 *                    └─► WEFT_CORRUPT, and the caller rolls back
 *
 * Invariants
 *   1. Record and head are written by the same call, one after the other, in one transaction.
 *   2. A frozen origin stays so, and its first proof with it.
 *   3. Acknowledgements only grow.
 *   4. No key is written that is not sealed.
 * Not here: signatures, and who may write at all. roster.c judges that, before. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_private.h"
#include "engine/store/writer_private.h"

static int bind_bytes(sqlite3_stmt *statement, int place, const void *bytes, size_t size) {
    CHECK(bytes != NULL && size > 0);
    return sqlite3_bind_blob64(statement, place, bytes, size, SQLITE_STATIC);
}

static int bind_id(sqlite3_stmt *statement, int place, const struct id *id) {
    return bind_bytes(statement, place, id->bytes, sizeof id->bytes);
}

/* Numbers go in as SQLite has them, with a sign, and come out as they were. */
static int bind_number(sqlite3_stmt *statement, int place, uint64_t number) {
    return sqlite3_bind_int64(statement, place, (int64_t)number);
}

/* ---- origins --------------------------------------------------------------------------------- */

#define ORIGIN_TEXT (ID_TEXT_SIZE + 40u)
/* An origin, for a message. */
static const char *origin_text(const struct record_origin *origin, char out[ORIGIN_TEXT]) {
    char device[ID_TEXT_SIZE];
    id_text(&origin->device, device);
    sqlite3_snprintf((int)ORIGIN_TEXT, out, "%s, incarnation %llu", device,
                     (unsigned long long)origin->incarnation);
    return out;
}

enum weft_status shared_stored(struct writer *writer, const struct record_origin *origin,
                               struct shared_stored *out, struct weft_error *why) {
    CHECK(out != NULL);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *out = (struct shared_stored){0};
    enum weft_status status = writer_fixed(writer, FIXED_ORIGIN, &statement, why);
    if (status != WEFT_OK) return status;
    bind_id(statement, 1, &origin->device);
    bind_number(statement, 2, origin->incarnation);
    status = statement_step(statement, &row, "reading", writer->path, why);
    if (status != WEFT_OK || !row) return status;
    out->id = sqlite3_column_int64(statement, 0);
    out->seq = (uint64_t)sqlite3_column_int64(statement, 1);
    out->frozen = sqlite3_column_int(statement, 3) != 0;
    out->pruned = (uint64_t)sqlite3_column_int64(statement, 4);
    if (!shared_column(statement, 2, out->hash, sizeof out->hash)) {
        char text[ORIGIN_TEXT];
        status = status_fail(why, WEFT_CORRUPT, 0,
                             "%s: the head of device %s, cannot be read; restore the file from a "
                             "copy",
                             writer->path, origin_text(origin, text));
    }
    sqlite3_reset(statement);
    return status;
}

enum weft_status shared_stored_add(struct writer *writer, const struct record_origin *origin,
                                   struct shared_stored *out, struct weft_error *why) {
    CHECK(origin->incarnation <= INT64_MAX);
    enum weft_status status = shared_stored(writer, origin, out, why);
    if (status != WEFT_OK || out->id != 0) return status;
    sqlite3_stmt *add = NULL;
    bool row = false;
    status = writer_fixed(writer, FIXED_ORIGIN_ADD, &add, why);
    if (status != WEFT_OK) return status;
    bind_id(add, 1, &origin->device);
    bind_number(add, 2, origin->incarnation);
    status = statement_step(add, &row, "writing", writer->path, why);
    if (status != WEFT_OK) return status;
    CHECK(row);
    out->id = sqlite3_column_int64(add, 0);
    return statement_run(add, "writing", writer->path, why);
}

enum weft_status shared_origin_number(struct writer *writer, const struct record_origin *origin,
                                      uint32_t *number, struct weft_error *why) {
    struct shared_stored stored;
    enum weft_status status = shared_stored_add(writer, origin, &stored, why);
    *number = (uint32_t)stored.id;
    return status;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Says why a record does not go behind the head that is stored; WEFT_OK when it does. */
static enum weft_status chain_check(const struct writer *writer, const struct shared_stored *head,
                                    const struct record *record, struct weft_error *why) {
    char text[ORIGIN_TEXT];
    const unsigned long long seq = record->seq, last = head->seq;
    if (head->frozen) {
        return status_fail(why, WEFT_CORRUPT, 0,
                           "record %llu of device %s, is not taken into %s: that device has signed "
                           "two different histories; remove it, and add it anew",
                           seq, origin_text(&record->origin, text), writer->path);
    }
    if (record->seq != head->seq + 1) {
        return status_fail(why, WEFT_CORRUPT, 0,
                           "record %llu of device %s, does not follow record %llu, the last of it "
                           "in %s; ask for the records after that one",
                           seq, origin_text(&record->origin, text), last, writer->path);
    }
    if (memcmp(record->prev, head->hash, RECORD_HASH) != 0) {
        return status_fail(why, WEFT_CORRUPT, 0,
                           "record %llu of device %s, does not continue record %llu in %s, but "
                           "another of that number: it has signed two histories; remove it",
                           seq, origin_text(&record->origin, text), last, writer->path);
    }
    return WEFT_OK;
}

enum weft_status shared_head_move(struct writer *writer, int64_t origin,
                                  const struct record *record, struct weft_error *why) {
    sqlite3_stmt *head = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_HEAD, &head, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(head, 1, origin);
    bind_number(head, 2, record->seq);
    bind_number(head, 3, record->hlc);
    bind_bytes(head, 4, record->hash, sizeof record->hash);
    status = statement_run(head, "writing", writer->path, why);
    CHECK(status != WEFT_OK || sqlite3_changes64(writer->db) == 1);
    return status;
}

enum weft_status shared_append(struct writer *writer, const struct record *record,
                               struct bytes bytes, uint64_t *place, struct weft_error *why) {
    CHECK(writer != NULL && record != NULL && place != NULL);
    CHECK(bytes.size == record->ops.size + RECORD_OVERHEAD);
    CHECK(record->seq >= 1 && record->hlc <= INT64_MAX);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    struct shared_stored head;
    sqlite3_stmt *append = NULL;
    *place = 0;
    enum weft_status status = shared_stored_add(writer, &record->origin, &head, why);
    if (status == WEFT_OK) status = chain_check(writer, &head, record, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_APPEND, &append, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(append, 1, head.id);
    bind_number(append, 2, record->seq);
    bind_number(append, 3, record->hlc);
    bind_bytes(append, 4, bytes.data, bytes.size);
    sqlite3_bind_int(append, 5, record_lasting(record));
    status = statement_run(append, "writing a record of the shared log to", writer->path, why);
    if (status != WEFT_OK) return status;
    *place = (uint64_t)sqlite3_last_insert_rowid(writer->db);
    return shared_head_move(writer, head.id, record, why);
}

/* Whether the record stored, of the same number or of the one before, and `other` cannot both be of
 * one history. */
static bool contradicts(const struct shared_stored *head, struct bytes stored,
                        const struct record *other, struct bytes other_bytes) {
    if (stored.size < RECORD_OVERHEAD) return false;
    if (other->seq == head->seq + 1) return memcmp(other->prev, head->hash, RECORD_HASH) != 0;
    /* Two signatures of one content are no contradiction. */
    const size_t size = other_bytes.size - RECORD_SIGNATURE;
    return stored.size != other_bytes.size || memcmp(stored.data, other_bytes.data, size) != 0;
}

enum weft_status shared_freeze(struct writer *writer, const struct record *other,
                               struct bytes other_bytes, struct weft_error *why) {
    CHECK(writer != NULL && other != NULL && other->seq >= 1);
    CHECK(other_bytes.size == other->ops.size + RECORD_OVERHEAD);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    struct shared_stored head;
    sqlite3_stmt *query = NULL, *freeze = NULL;
    bool row = false;
    enum weft_status status = shared_stored(writer, &other->origin, &head, why);
    if (status == WEFT_OK && head.frozen) return WEFT_OK;
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_RECORD, &query, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_FREEZE, &freeze, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(query, 1, head.id);
    bind_number(query, 2, other->seq == head.seq + 1 ? head.seq : other->seq);
    status = statement_step(query, &row, "reading", writer->path, why);
    if (status != WEFT_OK) return status;
    struct weft_value stored = row ? statement_value(query, 0) : weft_null();
    const struct bytes held = {stored.as.bytes, stored.type == WEFT_BLOB ? stored.size : 0};
    if (contradicts(&head, held, other, other_bytes)) {
        sqlite3_bind_int64(freeze, 1, head.id);
        bind_bytes(freeze, 2, held.data, held.size);
        bind_bytes(freeze, 3, other_bytes.data, other_bytes.size);
        status = statement_run(freeze, "writing", writer->path, why);
    } else {
        char text[ORIGIN_TEXT];
        status = status_fail(why, WEFT_CORRUPT, 0,
                             "record %llu of device %s, contradicts none in %s, so that device "
                             "cannot be refused for it; restore the file from a copy",
                             (unsigned long long)other->seq, origin_text(&other->origin, text),
                             writer->path);
    }
    sqlite3_reset(query);
    return status;
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

enum weft_status shared_ack(struct writer *writer, const struct id *device,
                            const struct record_origin *origin, uint64_t seq,
                            struct weft_error *why) {
    CHECK(writer != NULL && device != NULL && origin != NULL);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    if (seq > INT64_MAX || origin->incarnation > INT64_MAX) {
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a device speaks of record %llu of incarnation %llu, which cannot be; "
                           "it is at fault, and what it says is not kept",
                           (unsigned long long)seq, (unsigned long long)origin->incarnation);
    }
    uint32_t from = 0;
    struct shared_stored stored;
    sqlite3_stmt *ack = NULL;
    enum weft_status status = shared_stored(writer, origin, &stored, why);
    /* Of an origin that nothing is held of, nothing will be asked: or anybody could fill the table
     * of origins with names. */
    if (status != WEFT_OK || stored.id == 0) return status;
    status = writer_device(writer, device, &from, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_SHARED_ACK, &ack, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(ack, 1, from);
    sqlite3_bind_int64(ack, 2, stored.id);
    bind_number(ack, 3, seq);
    return statement_run(ack, "writing", writer->path, why);
}

/* ---- members and keys ------------------------------------------------------------------------ */

static enum weft_status pins_save(struct writer *writer, const struct roster_member *member,
                                  struct weft_error *why) {
    CHECK(member->pin_count <= RECORD_PINS);
    sqlite3_stmt *drop = NULL, *pin = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_PINS_DROP, &drop, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_PIN, &pin, why);
    if (status != WEFT_OK) return status;
    bind_id(drop, 1, &member->device);
    status = statement_run(drop, "writing", writer->path, why);
    bind_id(pin, 1, &member->device);
    for (uint32_t i = 0; i < member->pin_count && status == WEFT_OK; i++) {
        bind_number(pin, 2, member->pins[i].incarnation);
        bind_number(pin, 3, member->pins[i].seq);
        bind_bytes(pin, 4, member->pins[i].hash, sizeof member->pins[i].hash);
        bind_number(pin, 5, member->said_seq[i]);
        status = statement_run(pin, "writing", writer->path, why);
    }
    return status;
}

enum weft_status shared_save_member(struct writer *writer, const struct roster_member *member,
                                    struct weft_error *why) {
    CHECK(writer != NULL && member != NULL);
    CHECK(member->name[ROSTER_NAME] == 0);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    sqlite3_stmt *save = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_SAVE_MEMBER, &save, why);
    if (status != WEFT_OK) return status;
    bind_id(save, 1, &member->device);
    bind_bytes(save, 2, member->public.id_pk, sizeof member->public.id_pk);
    bind_bytes(save, 3, member->public.x_pk, sizeof member->public.x_pk);
    bind_number(save, 4, member->incarnation);
    bind_bytes(save, 5, member->cert, sizeof member->cert);
    sqlite3_bind_text(save, 6, member->name, -1, SQLITE_STATIC);
    sqlite3_bind_int(save, 7, member->removed);
    bind_number(save, 8, member->added_hlc);
    bind_number(save, 9, member->removed_hlc);
    bind_id(save, 10, &member->added_by);
    sqlite3_bind_int(save, 11, member->disputed);
    sqlite3_bind_int(save, 12, member->said);
    bind_number(save, 13, member->away_hlc);
    bind_number(save, 14, member->back_hlc);
    status = statement_run(save, "writing", writer->path, why);
    return status == WEFT_OK ? pins_save(writer, member, why) : status;
}

enum weft_status shared_save_key(struct writer *writer, const struct roster_key *key,
                                 struct weft_error *why) {
    CHECK(writer != NULL && key != NULL);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    sqlite3_stmt *save = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_KEY, &save, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(save, 1, key->epoch);
    bind_bytes(save, 2, key->psk_id, sizeof key->psk_id);
    bind_id(save, 3, &key->author);
    bind_bytes(save, 4, key->sealed, sizeof key->sealed);
    return statement_run(save, "writing", writer->path, why);
}

/* ---- loading --------------------------------------------------------------------------------- */

static enum weft_status heads_load(struct writer *writer, const struct shared_visit *visit,
                                   struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOAD_HEADS, &statement, why);
    for (bool row = true; row && status == WEFT_OK;) {
        struct shared_head head;
        status = shared_head_step(statement, writer->path, &row, &head, why);
        if (status == WEFT_OK && row && visit->head != NULL) visit->head(visit->context, &head);
    }
    return status;
}

static enum weft_status acks_load(struct writer *writer, const struct shared_visit *visit,
                                  struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOAD_ACKS, &statement, why);
    for (bool row = true; status == WEFT_OK;) {
        struct id device;
        struct record_origin origin;
        status = statement_step(statement, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        origin.incarnation = (uint64_t)sqlite3_column_int64(statement, 2);
        const uint64_t seq = (uint64_t)sqlite3_column_int64(statement, 3);
        if (shared_column(statement, 0, device.bytes, sizeof device.bytes) &&
            shared_column(statement, 1, origin.device.bytes, sizeof origin.device.bytes)) {
            if (visit->ack != NULL) visit->ack(visit->context, &device, &origin, seq);
        } else {
            sqlite3_reset(statement);
            status = status_fail(why, WEFT_CORRUPT, 0,
                                 "%s: an acknowledgement names a device whose id is not 16 bytes; "
                                 "restore the file from a copy",
                                 writer->path);
        }
    }
    return status;
}

/* Reads all but the pins of the member in the current row. */
static bool member_read(sqlite3_stmt *row, struct roster_member *out) {
    *out = (struct roster_member){.incarnation = (uint64_t)sqlite3_column_int64(row, 3),
                                  .removed = sqlite3_column_int(row, 6) != 0,
                                  .disputed = sqlite3_column_int(row, 10) != 0,
                                  .said = sqlite3_column_int(row, 11) != 0,
                                  .added_hlc = (uint64_t)sqlite3_column_int64(row, 7),
                                  .removed_hlc = (uint64_t)sqlite3_column_int64(row, 8),
                                  .away_hlc = (uint64_t)sqlite3_column_int64(row, 12),
                                  .back_hlc = (uint64_t)sqlite3_column_int64(row, 13)};
    /* The device first: it is what a message names. */
    if (!shared_column(row, 0, out->device.bytes, sizeof out->device.bytes)) return false;
    struct weft_value name = statement_value(row, 5);
    if (name.type != WEFT_TEXT || name.size > ROSTER_NAME) return false;
    memcpy(out->name, name.as.bytes, name.size);
    return shared_column(row, 1, out->public.id_pk, sizeof out->public.id_pk) &&
           shared_column(row, 2, out->public.x_pk, sizeof out->public.x_pk) &&
           shared_column(row, 4, out->cert, sizeof out->cert) &&
           shared_column(row, 9, out->added_by.bytes, sizeof out->added_by.bytes);
}

/* Reads a member's pins; `*sound` false when they cannot be. */
static enum weft_status pins_load(struct writer *writer, struct roster_member *member, bool *sound,
                                  struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOAD_PINS, &statement, why);
    if (status != WEFT_OK) return status;
    bind_id(statement, 1, &member->device);
    for (bool row = true; row && *sound;) {
        status = statement_step(statement, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) return status;
        *sound = member->pin_count < RECORD_PINS;
        if (!*sound) break;
        member->said_seq[member->pin_count] = (uint64_t)sqlite3_column_int64(statement, 3);
        struct record_pin *pin = &member->pins[member->pin_count++];
        pin->incarnation = (uint64_t)sqlite3_column_int64(statement, 0);
        pin->seq = (uint64_t)sqlite3_column_int64(statement, 1);
        *sound = shared_column(statement, 2, pin->hash, sizeof pin->hash);
    }
    sqlite3_reset(statement);
    return WEFT_OK;
}

static enum weft_status members_load(struct writer *writer, struct roster *roster,
                                     struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOAD_MEMBERS, &statement, why);
    if (status != WEFT_OK) return status;
    for (bool row = true; status == WEFT_OK;) {
        struct roster_member member;
        status = statement_step(statement, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) return status;
        bool sound = member_read(statement, &member);
        if (sound) status = pins_load(writer, &member, &sound, why);
        if (status != WEFT_OK) break;
        char device[ID_TEXT_SIZE];
        id_text(&member.device, device);
        if (!sound) {
            status = status_fail(why, WEFT_CORRUPT, 0,
                                 "%s: what is kept of member %s cannot be read; restore the file "
                                 "from a copy",
                                 writer->path, device);
            break;
        }
        status = roster_load_member(roster, &member);
        if (status != WEFT_OK) {
            status_fail(why, status, 0,
                        "%s: member %s cannot be taken up, after %u others; restore the file from "
                        "a copy",
                        writer->path, device, roster->count);
        }
    }
    sqlite3_reset(statement);
    return status;
}

static enum weft_status keys_load(struct writer *writer, struct roster *roster,
                                  struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOAD_KEYS, &statement, why);
    for (bool row = true; status == WEFT_OK;) {
        uint8_t psk_id[LIBRARY_KEY_ID], sealed[LIBRARY_KEY_SEALED];
        struct id author;
        status = statement_step(statement, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        const int64_t epoch = sqlite3_column_int64(statement, 0);
        bool sound = epoch >= 1 && epoch <= UINT32_MAX &&
                     shared_column(statement, 1, psk_id, sizeof psk_id) &&
                     shared_column(statement, 2, author.bytes, sizeof author.bytes) &&
                     shared_column(statement, 3, sealed, sizeof sealed) &&
                     roster_load_key(roster, (uint32_t)epoch, &author, sealed) &&
                     roster_key_named(roster, psk_id) != NULL;
        if (!sound) {
            sqlite3_reset(statement);
            status = status_fail(why, WEFT_CORRUPT, 0,
                                 "%s: the library's key of epoch %lld cannot be opened with this "
                                 "device's key file; restore the file and its key file from a copy",
                                 writer->path, (long long)epoch);
        }
    }
    return status;
}

enum weft_status shared_load(struct writer *writer, const struct shared_visit *visit,
                             struct roster *roster, struct weft_error *why) {
    CHECK(writer != NULL && roster != NULL);
    CHECK(visit != NULL);
    enum weft_status status = members_load(writer, roster, why);
    if (status == WEFT_OK) status = keys_load(writer, roster, why);
    if (status == WEFT_OK) status = heads_load(writer, visit, why);
    if (status == WEFT_OK) status = acks_load(writer, visit, why);
    return status;
}
