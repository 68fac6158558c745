/* See contacts.h. Invariants
 *   1. Of each device at most LIMIT_HISTORY sessions are kept.
 *   2. What is read of the file is judged: a number, text or id that cannot be is passed over. */
#include "engine/store/contacts.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/statement.h"
#include "engine/store/writer_private.h"

/* ---- reading ---- */

static uint64_t number_at(sqlite3_stmt *query, int column) {
    const int64_t value = sqlite3_column_int64(query, column);
    return value < 0 ? 0 : (uint64_t)value;
}

/* A text that fits, terminated; false for any other. */
static bool text_at(sqlite3_stmt *query, int column, char *out, size_t room) {
    const struct weft_value value = statement_value(query, column);
    if (value.type != WEFT_TEXT || value.size >= room) return false;
    if (value.size != 0) memcpy(out, value.as.bytes, value.size);
    out[value.size] = 0;
    return utf8_valid(out, value.size) && strlen(out) == value.size;
}

static void take_contact(sqlite3_stmt *query, struct contacts *out) {
    const int64_t id = sqlite3_column_int64(query, 0);
    const struct weft_value device = statement_value(query, 1);
    if (id < 1 || id > LIMIT_CONTACTS) return;
    struct contact_known *known = &out->list[id - 1];
    known->named =
        device.type == WEFT_BLOB && id_read(&known->device, device.as.bytes, device.size);
    if (!known->named && device.type != WEFT_NULL) return;
    known->paused = sqlite3_column_int(query, 2) != 0;
    known->seen_ms = number_at(query, 3);
    known->sessions = number_at(query, 4);
    known->failures = number_at(query, 5);
    known->rows_in = number_at(query, 6);
    known->rows_out = number_at(query, 7);
    known->bytes_in = number_at(query, 8);
    known->bytes_out = number_at(query, 9);
    out->used[id - 1] = true;
}

static void take_address(sqlite3_stmt *query, struct contacts *out) {
    const int64_t id = sqlite3_column_int64(query, 0);
    struct weft_address address = {.tried_ms = number_at(query, 2),
                                   .reached_ms = number_at(query, 3),
                                   .failures = number_at(query, 4),
                                   .status = (enum weft_status)sqlite3_column_int(query, 5)};
    if (id < 1 || id > LIMIT_CONTACTS || !out->used[id - 1]) return;
    struct contact_known *known = &out->list[id - 1];
    if (known->address_count == LIMIT_ADDRESSES) return;
    if (!text_at(query, 1, address.text, sizeof address.text) || address.text[0] == 0) return;
    known->addresses[known->address_count++] = address;
}

static void take_paused(sqlite3_stmt *query, struct contacts *out) {
    out->paused = sqlite3_column_int(query, 0) != 0;
}

/* Runs a query and gives each row to `take`. */
static enum weft_status each_row(sqlite3 *db, const char *path, const char *sql,
                                 void (*take)(sqlite3_stmt *query, struct contacts *out),
                                 struct contacts *out, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status = statement_prepare(db, &query, path, why, "%s", sql);
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", path, why);
        if (status != WEFT_OK || !row) break;
        take(query, out);
    }
    sqlite3_finalize(query);
    return status;
}

enum weft_status contacts_load(sqlite3 *db, const char *path, struct contacts *out,
                               struct weft_error *why) {
    CHECK(db != NULL && out != NULL);
    *out = (struct contacts){0};
    enum weft_status status =
        each_row(db, path,
                 "SELECT id, device, paused, seen, sessions, failures, rows_in, rows_out, "
                 "bytes_in, bytes_out FROM _weft_contact ORDER BY id",
                 take_contact, out, why);
    if (status == WEFT_OK) {
        status = each_row(db, path,
                          "SELECT contact, address, tried, reached, failures, status "
                          "FROM _weft_address ORDER BY contact, rank",
                          take_address, out, why);
    }
    if (status != WEFT_OK) return status;
    return each_row(db, path, "SELECT value FROM _weft_meta WHERE key = 'paused'", take_paused, out,
                    why);
}

static bool take_session(sqlite3_stmt *query, struct weft_session *out) {
    const struct weft_value device = statement_value(query, 0);
    struct id id;
    *out = (struct weft_session){0};
    if (device.type != WEFT_BLOB || !id_read(&id, device.as.bytes, device.size)) return false;
    memcpy(out->device, id.bytes, WEFT_ID_SIZE);
    if (!text_at(query, 1, out->address, sizeof out->address)) return false;
    out->opened_here = sqlite3_column_int(query, 2) != 0;
    out->began_ms = number_at(query, 3);
    out->lasted_ms = number_at(query, 4);
    out->rows_in = number_at(query, 5);
    out->rows_out = number_at(query, 6);
    out->bytes_in = number_at(query, 7);
    out->bytes_out = number_at(query, 8);
    out->status = (enum weft_status)sqlite3_column_int(query, 9);
    return text_at(query, 10, out->reason, sizeof out->reason);
}

#define SESSION_COLUMNS                                                                     \
    "device, address, opened_here, began, lasted, rows_in, rows_out, bytes_in, bytes_out, " \
    "status, reason"

enum weft_status contacts_history(sqlite3 *db, const char *path, const struct id *device,
                                  struct weft_session *out, uint32_t cap, uint32_t *count,
                                  struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    CHECK(db != NULL && count != NULL);
    *count = 0;
    enum weft_status status = statement_prepare(
        db, &query, path, why, "SELECT " SESSION_COLUMNS " FROM _weft_session %s ORDER BY id DESC",
        device == NULL ? "" : "WHERE device = ?1");
    if (status == WEFT_OK && device != NULL)
        sqlite3_bind_blob64(query, 1, device->bytes, sizeof device->bytes, SQLITE_STATIC);
    while (status == WEFT_OK && *count < cap) {
        status = statement_step(query, &row, "reading", path, why);
        if (status != WEFT_OK || !row) break;
        *count += take_session(query, &out[*count]);
    }
    sqlite3_finalize(query);
    return status;
}

/* ---- writing ---- */

static enum weft_status drop(struct writer *writer, enum writer_fixed fixed, uint32_t number,
                             struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, fixed, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, (int64_t)number + 1);
    return statement_run(statement, "writing", writer->path, why);
}

static enum weft_status save_address(struct writer *writer, uint32_t number, size_t rank,
                                     const Weft__Address *address, struct weft_error *why) {
    sqlite3_stmt *save = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_ADDRESS, &save, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(save, 1, (int64_t)number + 1);
    sqlite3_bind_int64(save, 2, (int64_t)rank);
    sqlite3_bind_text(save, 3, address->text, -1, SQLITE_STATIC);
    sqlite3_bind_int64(save, 4, (int64_t)address->tried_ms);
    sqlite3_bind_int64(save, 5, (int64_t)address->reached_ms);
    sqlite3_bind_int64(save, 6, (int64_t)address->failures);
    sqlite3_bind_int(save, 7, address->status);
    return statement_run(save, "writing", writer->path, why);
}

static enum weft_status save_paused(struct writer *writer, bool paused, struct weft_error *why) {
    sqlite3_stmt *save = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_PAUSED, &save, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int(save, 1, paused);
    return statement_run(save, "writing", writer->path, why);
}

enum weft_status contacts_save(struct writer *writer, const Weft__Contact *contact,
                               struct weft_error *why) {
    sqlite3_stmt *save = NULL;
    CHECK(contact->number <= LIMIT_CONTACTS);
    /* The number behind the last stands for all of them. */
    if (contact->number == LIMIT_CONTACTS) return save_paused(writer, contact->all_paused, why);
    enum weft_status status = drop(writer, FIXED_ADDRESS_DROP, contact->number, why);
    if (status == WEFT_OK) status = drop(writer, FIXED_CONTACT_DROP, contact->number, why);
    if (status != WEFT_OK || contact->gone) return status;
    status = writer_fixed(writer, FIXED_CONTACT, &save, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(save, 1, (int64_t)contact->number + 1);
    if (contact->device.len == WEFT_ID_SIZE) {
        sqlite3_bind_blob64(save, 2, contact->device.data, WEFT_ID_SIZE, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(save, 2);
    }
    sqlite3_bind_int(save, 3, contact->paused);
    sqlite3_bind_int64(save, 4, (int64_t)contact->seen_ms);
    sqlite3_bind_int64(save, 5, (int64_t)contact->sessions);
    sqlite3_bind_int64(save, 6, (int64_t)contact->failures);
    sqlite3_bind_int64(save, 7, (int64_t)contact->rows_in);
    sqlite3_bind_int64(save, 8, (int64_t)contact->rows_out);
    sqlite3_bind_int64(save, 9, (int64_t)contact->bytes_in);
    sqlite3_bind_int64(save, 10, (int64_t)contact->bytes_out);
    status = statement_run(save, "writing", writer->path, why);
    for (size_t i = 0; i < contact->n_addresses && status == WEFT_OK; i++)
        status = save_address(writer, contact->number, i, contact->addresses[i], why);
    return status;
}

static enum weft_status trim(struct writer *writer, const Weft__Session *session,
                             struct weft_error *why) {
    sqlite3_stmt *many = NULL, *old = NULL;
    const uint64_t end = session->began_ms + session->lasted_ms;
    enum weft_status status = writer_fixed(writer, FIXED_SESSIONS_MANY, &many, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_SESSIONS_OLD, &old, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob64(many, 1, session->device.data, session->device.len, SQLITE_STATIC);
    sqlite3_bind_int64(many, 2, LIMIT_HISTORY);
    status = statement_run(many, "writing", writer->path, why);
    if (status != WEFT_OK || end < LIMIT_HISTORY_MS) return status;
    sqlite3_bind_int64(old, 1, (int64_t)(end - LIMIT_HISTORY_MS));
    return statement_run(old, "writing", writer->path, why);
}

enum weft_status contacts_session(struct writer *writer, const Weft__Session *session,
                                  struct weft_error *why) {
    sqlite3_stmt *add = NULL;
    CHECK(session->device.len == WEFT_ID_SIZE);
    enum weft_status status = writer_fixed(writer, FIXED_SESSION, &add, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob64(add, 1, session->device.data, WEFT_ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_text(add, 2, session->address, -1, SQLITE_STATIC);
    sqlite3_bind_int(add, 3, session->opened_here);
    sqlite3_bind_int64(add, 4, (int64_t)session->began_ms);
    sqlite3_bind_int64(add, 5, (int64_t)session->lasted_ms);
    sqlite3_bind_int64(add, 6, (int64_t)session->rows_in);
    sqlite3_bind_int64(add, 7, (int64_t)session->rows_out);
    sqlite3_bind_int64(add, 8, (int64_t)session->bytes_in);
    sqlite3_bind_int64(add, 9, (int64_t)session->bytes_out);
    sqlite3_bind_int(add, 10, session->status);
    sqlite3_bind_text(add, 11, session->text, -1, SQLITE_STATIC);
    status = statement_run(add, "writing", writer->path, why);
    return status == WEFT_OK ? trim(writer, session, why) : status;
}
