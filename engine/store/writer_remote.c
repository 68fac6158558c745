/* Writing what other devices wrote.
 *
 *   PUT … PUT ─► gathered ─► insert ─► guarded upsert ─┬ all written ───────────────────► done
 *                                                      └► each row by itself
 *   one row:  upsert ─┬ written, or older than what is there ───────────────────────────► done
 *                     ├ another row has its unique values ─► same owner's: replace it
 *                     └ refused, or not the owner's ─────────────────────────────────────► parked
 *
 * Why replacing is right: rows arrive in version order but without the states in between. If two
 * rows of one owner clash here, the one that is already here has changed or gone at the owner
 * since, under a version that this device has not reached yet, and will be sent again. Another
 * owner's row is never touched for it.
 *
 * Invariants
 *   1. One row that cannot be written holds up no other, and is never lost: it is parked.
 *   2. What is parked of a key goes when a newer version of it arrives.
 *   3. No row of any other owner changes.
 * Not here: whether the batch continues the position. The log actor decides that. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/writer_private.h"

struct remote {
    struct writer *writer;
    const struct model *model;
    const Weft__Rows *rows;
    uint32_t owner;
    struct writer_tally *tally;
    struct weft_error *why;
    uint32_t picked[WRITER_ROWS_MANY];
    uint32_t count;
    uint64_t fresh; /* of these rows so many have just gone in as new ones, uncounted */
    uint64_t same;  /* so many were met that stand in the table in this very version */
};

static void say(char reason[WRITER_REASON], const char *text) {
    sqlite3_snprintf(WRITER_REASON, reason, "%s", text);
}

/* Whether the row in `value`'s owner column is the sender's to write. A reference to a row that is
 * not here yet is let through: streams arrive independently. */
static enum weft_status remote_owned(struct writer *writer, const struct model *model,
                                     uint32_t owner, const struct weft_value *value, bool *owned,
                                     struct weft_error *why) {
    *owned = true;
    if (model->owner_model != NULL) {
        uint32_t other = 0;
        enum weft_status status = writer_owner_of(writer, model, value, &other, why);
        *owned = other == 0 || other == owner;
        return status;
    }
    struct id id;
    *owned = value->type == WEFT_BLOB && id_read(&id, value->as.bytes, value->size);
    if (!*owned) return WEFT_OK;
    uint32_t number = 0;
    enum weft_status status = writer_device_known(writer, &id, &number, why);
    *owned = number == owner;
    return status;
}

/* ---- one row --------------------------------------------------------------------------------- */

/* Steps a statement for one row; a refusal becomes a reason to park. */
static enum weft_status one_step(struct writer *writer, const struct model *model,
                                 sqlite3_stmt *statement, int *code, char reason[WRITER_REASON],
                                 struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    *code = sqlite3_step(statement);
    if (*code != SQLITE_DONE && writer_row_fault(*code)) {
        say(reason, sqlite3_errmsg(writer->db));
    } else if (*code != SQLITE_DONE && *code != SQLITE_ROW) {
        status = store_fail(writer->db, *code, "writing to", model->name, why);
    }
    sqlite3_reset(statement);
    return status;
}

/* Takes the rows that are about to be replaced out of the digest: those of the owner that have the
 * same unique values under other keys. One of which a newer version is parked counts with that. */
static enum weft_status one_uncount(struct writer *writer, const struct model *model,
                                    uint32_t owner, uint64_t version, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    struct weft_value own[LIMIT_KEY_COLUMNS];
    bool row = false;
    enum weft_status status = writer_slot(writer, model, SLOT_REPLACED, &query, why);
    if (status != WEFT_OK) return status;
    writer_bind_one(writer, model, query, owner, version);
    status = statement_step(query, &row, "reading", model->name, why);
    for (uint32_t k = 0; k < model->key_count; k++)
        own[k] = writer->values[model->key[k]];
    while (status == WEFT_OK && row) {
        const uint64_t stored = (uint64_t)sqlite3_column_int64(query, 0);
        uint64_t parked = 0;
        for (uint32_t k = 0; k < model->key_count; k++)
            writer->values[model->key[k]] = statement_value(query, 1 + (int)k);
        status = digest_parked(writer, model, owner, &parked, why);
        if (status == WEFT_OK && parked < stored) digest_move(writer, model, owner, stored, parked);
        for (uint32_t k = 0; k < model->key_count; k++)
            writer->values[model->key[k]] = own[k];
        if (status == WEFT_OK) status = statement_step(query, &row, "reading", model->name, why);
    }
    sqlite3_reset(query);
    return status;
}

/* Writes a row whose unique values another row has, if that other is the same owner's. */
static enum weft_status one_replace(struct writer *writer, const struct model *model,
                                    uint32_t owner, uint64_t version, enum writer_outcome *outcome,
                                    uint64_t *met, char reason[WRITER_REASON],
                                    struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_OK;
    *outcome =
        OUTCOME_PARK; /* with the reason that SQLite gave, unless something below says more */
    if (writer_table(writer, model)->opaque) return WEFT_OK;
    enum weft_status status = writer_slot(writer, model, SLOT_FOREIGN, &statement, why);
    if (status != WEFT_OK) return status;
    writer_bind_one(writer, model, statement, owner, version);
    char ignored[WRITER_REASON];
    status = one_step(writer, model, statement, &code, ignored, why);
    if (status != WEFT_OK || code != SQLITE_DONE) return status;

    bool found = false;
    uint32_t stored_owner = 0;
    uint64_t stored = 0;
    status = writer_look(writer, model, &found, &stored_owner, &stored, why);
    if (status != WEFT_OK) return status;
    if (found && stored_owner == owner) *met = stored;
    if (*met >= version) {
        *outcome = OUTCOME_STALE;
        return WEFT_OK;
    }
    const enum writer_slot slot = found ? SLOT_REPLACE_OLD : SLOT_REPLACE_NEW;
    status = one_uncount(writer, model, owner, version, why);
    if (status == WEFT_OK) status = writer_slot(writer, model, slot, &statement, why);
    if (status != WEFT_OK) return status;
    writer_bind_one(writer, model, statement, owner, version);
    status = one_step(writer, model, statement, &code, reason, why);
    /* What was taken out of the digest may stand there still. */
    if (status == WEFT_OK && code != SQLITE_DONE) digest_lose(writer, model, owner);
    if (code != SQLITE_DONE) return status;
    *outcome = OUTCOME_WRITTEN;
    writer_touched_many(writer, model); /* What was in its way is not known. */
    writer_touched(writer, model, WEFT_CHANGE_PUT);
    return status;
}

enum weft_status writer_remote_one(struct writer *writer, const struct model *model, uint32_t owner,
                                   uint64_t version, enum writer_outcome *outcome, uint64_t *met,
                                   char reason[WRITER_REASON], struct weft_error *why) {
    CHECK(outcome != NULL && reason != NULL);
    CHECK(owner > 0 && version > 0);
    bool owned = false;
    *outcome = OUTCOME_PARK;
    *met = 0;
    enum weft_status status =
        remote_owned(writer, model, owner, &writer->values[model->owner_column], &owned, why);
    if (status != WEFT_OK) return status;
    if (!owned) {
        say(reason, "the row is not the owner's: its owner column names another device");
        return WEFT_OK;
    }
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_OK;
    uint64_t changed = 0;
    status = writer_slot(writer, model, SLOT_REMOTE_ONE, &statement, why);
    if (status != WEFT_OK) return status;
    writer_bind_one(writer, model, statement, owner, version);
    status = writer_upsert(writer, model, statement, &changed, &code, why);
    if (code != SQLITE_DONE) say(reason, sqlite3_errmsg(writer->db));
    sqlite3_reset(statement);
    if (status != WEFT_OK) return status;
    if (code == SQLITE_DONE) {
        bool foreign = writer->note_count == 1 && !writer->notes[0].ours;
        if (writer->note_count == 1 && !foreign) *met = writer->notes[0].stored;
        *outcome = changed > 0                           ? OUTCOME_WRITTEN
                   : writer->note_count == 1 && !foreign ? OUTCOME_STALE
                                                         : OUTCOME_PARK;
        say(reason, foreign ? "the key belongs to another device's row"
                            : "a trigger of the schema put the row aside");
        if (*outcome == OUTCOME_WRITTEN) writer_touched(writer, model, WEFT_CHANGE_PUT);
        return WEFT_OK;
    }
    bool unique = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY;
    if (!unique) return WEFT_OK;
    return one_replace(writer, model, owner, version, outcome, met, reason, why);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Parks the row in writer->values. If the table has an older one, that no longer counts. */
static enum weft_status park_one(struct remote *remote, uint64_t version, const char *reason) {
    struct writer *writer = remote->writer;
    uint64_t before = 0;
    enum weft_status status =
        digest_counted(writer, remote->model, remote->owner, &before, remote->why);
    if (status != WEFT_OK) return status;
    if (before < version) digest_move(writer, remote->model, remote->owner, before, version);
    return writer_park(writer, remote->model, remote->owner, version, reason, remote->tally,
                       remote->why);
}

/* Drops what is parked of the key in writer->values and older, `parked` being the greatest. */
static enum weft_status unpark_older(struct remote *remote, uint64_t version, uint64_t parked) {
    if (parked == 0) return WEFT_OK;
    return writer_unpark_older(remote->writer, remote->model, remote->owner, version, remote->why);
}

/* One row of the run by itself, whatever comes of it. */
static enum weft_status put_one(struct remote *remote, uint32_t row) {
    struct writer *writer = remote->writer;
    const uint64_t version = rows_version(remote->rows, row);
    enum writer_outcome outcome = OUTCOME_PARK;
    uint64_t met = 0, parked = 0;
    char reason[WRITER_REASON] = "";
    writer_values(writer, remote->rows, row);
    enum weft_status status =
        digest_parked(writer, remote->model, remote->owner, &parked, remote->why);
    if (status == WEFT_OK) {
        status = writer_remote_one(writer, remote->model, remote->owner, version, &outcome, &met,
                                   reason, remote->why);
    }
    if (status != WEFT_OK) return status;
    if (outcome == OUTCOME_PARK) {
        status = park_one(remote, version, reason);
    } else if (outcome == OUTCOME_WRITTEN) {
        remote->tally->written++;
        if (parked < version)
            digest_move(writer, remote->model, remote->owner, parked > met ? parked : met, version);
    } else if (remote->fresh != 0 && met == version) {
        writer_touched(writer, remote->model, WEFT_CHANGE_PUT); /* An insert has written it. */
    }
    return status == WEFT_OK ? unpark_older(remote, version, parked) : status;
}

static enum weft_status put_step(struct remote *remote, enum writer_slot slot, uint64_t *changed,
                                 int *code) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status =
        writer_slot(remote->writer, remote->model, slot, &statement, remote->why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, remote->owner);
    feed_set(&remote->writer->feed, remote->rows, remote->picked, remote->count);
    status = writer_upsert(remote->writer, remote->model, statement, changed, code, remote->why);
    sqlite3_reset(statement);
    feed_set(&remote->writer->feed, NULL, NULL, 0);
    if (status == WEFT_OK) remote->tally->written += *changed;
    return status;
}

/* Counts a row that a statement of many has written, or met (`note` not NULL). */
static void count_one(struct remote *remote, uint32_t row, const struct writer_note *note) {
    const bool same = note != NULL && note->stored == note->version;
    if (note != NULL && !note->written && !(same && remote->fresh != 0)) return;
    remote->same += same;
    digest_move_row(remote->writer, remote->model, remote->owner, remote->rows, row,
                    note == NULL || same ? 0 : note->stored);
    writer_touched_row(remote->writer, remote->model, WEFT_CHANGE_PUT, remote->rows, row);
}

static void count_all(struct remote *remote) {
    for (uint32_t i = 0; i < remote->count; i++)
        count_one(remote, remote->picked[i], NULL);
}

/* Counts those that have just gone in as new ones, before each row is tried by itself and may
 * replace them. */
static enum weft_status count_fresh(struct remote *remote) {
    struct writer *writer = remote->writer;
    enum weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < remote->count && status == WEFT_OK && remote->fresh != 0; i++) {
        const uint64_t version = rows_version(remote->rows, remote->picked[i]);
        uint32_t owner = 0;
        uint64_t stored = 0;
        bool found = false;
        writer_values(writer, remote->rows, remote->picked[i]);
        status = writer_look(writer, remote->model, &found, &owner, &stored, remote->why);
        if (!found || owner != remote->owner || stored != version) continue;
        remote->same++;
        digest_move(writer, remote->model, owner, 0, version);
    }
    return status;
}

static enum weft_status put_many(struct remote *remote) {
    struct writer_table *table = writer_table(remote->writer, remote->model);
    uint64_t changed = 0;
    uint32_t at = 0;
    int code = SQLITE_DONE;
    enum weft_status status = WEFT_OK;
    CHECK(remote->count >= WRITER_ROWS_FEW);
    remote->fresh = remote->same = 0;
    /* Of a sweep many a row is there, in this very version: it must not seem to be new. */
    if (table->hopeless > 0 || table->triggers || remote->rows->sweep) {
        table->hopeless -= table->hopeless > 0;
    } else {
        status = put_step(remote, SLOT_INSERT_MANY, &changed, &code);
        if (status == WEFT_OK && changed == remote->count) count_all(remote);
        if (status != WEFT_OK || changed == remote->count) return status;
        table->hopeless = WRITER_HOPELESS;
        remote->fresh = changed;
    }
    if (status == WEFT_OK) status = put_step(remote, SLOT_REMOTE_MANY, &changed, &code);
    /* By itself goes a row whose key is another's, and each of them when one was refused or went
     * missing. Those that are in already are then only older than themselves. */
    bool whole =
        code == SQLITE_DONE && changed + writer_passed_over(remote->writer) == remote->count;
    struct writer_note notes[WRITER_ROWS_MANY];
    const uint32_t note_count = remote->writer->note_count;
    memcpy(notes, remote->writer->notes, sizeof notes);
    /* A trigger has put some aside: which of them, and what they replaced, is not known. */
    if (!whole && code == SQLITE_DONE && status == WEFT_OK)
        digest_lose(remote->writer, remote->model, remote->owner);
    if (!whole && status == WEFT_OK) status = count_fresh(remote);
    for (uint32_t i = 0; i < remote->count && status == WEFT_OK; i++) {
        const uint32_t row = remote->picked[i];
        bool met = at < note_count && notes[at].version == rows_version(remote->rows, row);
        if (!whole || (met && !notes[at].ours)) {
            status = put_one(remote, row);
        } else {
            count_one(remote, row, met ? &notes[at] : NULL);
        }
        at += met;
    }
    /* Some were there before, and it cannot be told which. Of a stream that chains none are. */
    if (status == WEFT_OK && remote->same != remote->fresh)
        digest_lose(remote->writer, remote->model, remote->owner);
    return status;
}

static enum weft_status put_flush(struct remote *remote) {
    enum weft_status status = WEFT_OK;
    if (remote->count >= WRITER_ROWS_FEW) {
        status = put_many(remote);
    } else {
        for (uint32_t i = 0; i < remote->count && status == WEFT_OK; i++) {
            status = put_one(remote, remote->picked[i]);
        }
    }
    remote->count = 0;
    remote->fresh = 0;
    return status;
}

static enum weft_status put_row(struct remote *remote, uint32_t row) {
    const struct model *model = remote->model;
    struct weft_value value = rows_value(remote->rows, row, model->owner_column);
    bool owned = false;
    enum weft_status status =
        remote_owned(remote->writer, model, remote->owner, &value, &owned, remote->why);
    uint64_t parked = 0;
    if (status == WEFT_OK && remote->writer->any_parked) {
        writer_values(remote->writer, remote->rows, row);
        status = digest_parked(remote->writer, model, remote->owner, &parked, remote->why);
    }
    if (status != WEFT_OK) return status;
    if (!owned || parked != 0) {
        /* What came before goes first, so that a run keeps its order whatever becomes of a row. */
        status = put_flush(remote);
        return status == WEFT_OK ? put_one(remote, row) : status;
    }
    remote->picked[remote->count++] = row;
    return remote->count == WRITER_ROWS_MANY ? put_flush(remote) : WEFT_OK;
}

static enum weft_status delete_row(struct remote *remote, uint32_t row) {
    struct writer *writer = remote->writer;
    const struct model *model = remote->model;
    const uint64_t version = rows_version(remote->rows, row);
    bool added = false;
    uint64_t deleted = 0, parked = 0, before = 0, after = 0;
    enum weft_status status = put_flush(remote);
    writer_values(writer, remote->rows, row);
    if (status == WEFT_OK)
        status = digest_parked(writer, model, remote->owner, &parked, remote->why);
    if (status == WEFT_OK && parked != 0) {
        status = digest_counted(writer, model, remote->owner, &before, remote->why);
    }
    if (status == WEFT_OK) status = unpark_older(remote, version, parked);
    if (status != WEFT_OK) return status;
    status = writer_delete(writer, model, remote->owner, version, &deleted, remote->why);
    if (status == WEFT_OK)
        status = writer_tombstone(writer, model, remote->owner, version, &added, remote->why);
    if (status == WEFT_OK && parked != 0)
        status = digest_counted(writer, model, remote->owner, &after, remote->why);
    if (status != WEFT_OK) return status;
    digest_move(writer, model, remote->owner, parked != 0 ? before : deleted, after);
    if (deleted != 0 || added) remote->tally->written++;
    if (deleted != 0) writer_touched(writer, model, WEFT_CHANGE_DELETE);
    return WEFT_OK;
}

enum weft_status writer_apply_remote(struct writer *writer, const struct id *owner,
                                     const Weft__Rows *rows, struct writer_tally *tally,
                                     struct weft_error *why) {
    CHECK(writer != NULL && owner != NULL && tally != NULL);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    struct remote remote = {.writer = writer,
                            .model = writer_model(writer, rows),
                            .rows = rows,
                            .tally = tally,
                            .why = why};
    if (rows->upto > INT64_MAX) {
        return status_fail(
            why, WEFT_PROTOCOL, 0,
            "table \"%s\": a batch claims versions up to %llu, which no clock gives "
            "before the year 6429; its sender is at fault, and nothing of it is used",
            remote.model->name, (unsigned long long)rows->upto);
    }
    enum weft_status status = writer_device(writer, owner, &remote.owner, why);
    for (uint32_t row = 0; row < rows->count && status == WEFT_OK; row++) {
        const enum row_op op = rows_op(rows, row);
        CHECK(op != ROW_SET);
        if (op == ROW_PUT) status = put_row(&remote, row);
        if (op == ROW_DELETE) status = delete_row(&remote, row);
    }
    if (status == WEFT_OK) status = put_flush(&remote);
    if (status == WEFT_OK && rows->sweep) {
        status = writer_sweep_range(writer, remote.model, remote.owner, rows, tally, why);
    }
    writer_forget_owners(writer, remote.model);
    return status;
}
