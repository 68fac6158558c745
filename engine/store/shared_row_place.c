/* Where a shared row belongs, and putting it there.
 *
 *                       not to be seen ─────────────────────────► shadow, HIDDEN
 *   row ─► to be seen ─► no such table, or a value that does not fit ─► shadow, PARKED
 *                    └─► table ─┬ taken ────────────────────────► fields without column: EXTRA
 *                               ├ a unique index: older rival ──► shadow, RIVAL
 *                               │                 younger ones ─► they go there; again
 *                               └ another constraint, or a row
 *                                 of its key without a clock ───► shadow, PARKED
 *
 * Of rows that cannot stand together, the one stands that was created first, unless one created
 * still earlier keeps it out: the greedy choice by age, which depends on the rows alone. It is kept
 * up by trying those that stand behind others whenever a row of the table has gone or changed. An
 * index that is partial, or of expressions, does not tell whom it keeps out: it is refused when the
 * file is opened (models_shared.c), and one that is made later is a constraint like others.
 *
 * Invariant: a row in the table is there with its clock and all its fields that have a column. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_row_private.h"

/* ---- the shadow ---- */

static enum weft_status lay_fields(struct shared_work *work, const struct shared_row *row,
                                   bool extra_only, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    work->laid.size = 0;
    for (uint32_t f = 0; f < row->clock.field_count && status == WEFT_OK; f++) {
        if (row->clock.fields[f].hlc == 0) continue;
        if (extra_only && shared_column_of(row->model, f) >= 0) continue;
        status = packed_number(&work->laid, f);
        if (status == WEFT_OK) status = packed_value(&work->laid, &row->values[f]);
    }
    return status == WEFT_OK ? WEFT_OK : status_fail(why, status, 0, "no memory for a row");
}

static uint64_t newest(const struct merge_row *clock) {
    uint64_t hlc =
        clock->created.hlc > clock->deleted.hlc ? clock->created.hlc : clock->deleted.hlc;
    for (uint32_t f = 0; f < clock->field_count; f++)
        if (clock->fields[f].hlc > hlc) hlc = clock->fields[f].hlc;
    return hlc;
}

static enum weft_status shadow_keep(struct writer *writer, struct shared_row *row,
                                    enum shadow_kind kind, const char *reason,
                                    struct weft_error *why) {
    struct shared_work *work = writer->shared;
    sqlite3_stmt *keep = NULL;
    enum weft_status status = lay_fields(work, row, kind == SHADOW_EXTRA, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_SHADOW_KEEP, &keep, why);
    if (status != WEFT_OK) return status;
    const size_t clock = kind == SHADOW_EXTRA ? 0 : rowclock_pack(&row->clock, work->clock);
    sqlite3_bind_text(keep, 1, (const char *)row->table.data, (int)row->table.size, SQLITE_STATIC);
    sqlite3_bind_blob64(keep, 2, row->packed_key.data, row->packed_key.size, SQLITE_STATIC);
    sqlite3_bind_int(keep, 3, (int)kind);
    sqlite3_bind_int64(keep, 4, (int64_t)newest(&row->clock));
    sqlite3_bind_blob64(keep, 5, work->clock, clock, SQLITE_STATIC);
    sqlite3_bind_blob64(keep, 6, work->laid.size == 0 ? (const void *)"" : work->laid.data,
                        work->laid.size, SQLITE_STATIC);
    sqlite3_bind_text(keep, 7, reason, -1, SQLITE_STATIC);
    status = statement_run(keep, "writing", writer->path, why);
    if (status != WEFT_OK) return status;
    row->kind = kind;
    work->any_shadow = true;
    work->any_rivals = work->any_rivals || kind == SHADOW_RIVAL;
    return WEFT_OK;
}

static enum weft_status shadow_drop(struct writer *writer, struct shared_row *row,
                                    struct weft_error *why) {
    sqlite3_stmt *drop = NULL;
    if (row->kind == SHADOW_NONE) return WEFT_OK;
    enum weft_status status = writer_fixed(writer, FIXED_SHADOW_DROP, &drop, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_text(drop, 1, (const char *)row->table.data, (int)row->table.size, SQLITE_STATIC);
    sqlite3_bind_blob64(drop, 2, row->packed_key.data, row->packed_key.size, SQLITE_STATIC);
    row->kind = SHADOW_NONE;
    return statement_run(drop, "writing", writer->path, why);
}

/* ---- the table ---- */

/* Whether a code speaks about the row alone: a trigger that rolls back takes the transaction. */
static bool row_refused(const struct writer *writer, int code) {
    return writer_row_fault(code) && sqlite3_get_autocommit(writer->db) == 0;
}

static void bind_key(sqlite3_stmt *statement, const struct shared_row *row) {
    for (uint32_t k = 0; k < row->key_count; k++)
        statement_bind(statement, 2 + (int)row->model->key[k], &row->key[k]);
}

/* Tells the watch that the table shows another row now, or none. */
static void tell_watch(const struct writer *writer, const struct shared_row *row,
                       enum weft_change_op op) {
    if (writer->watch == NULL) return;
    writer->watch->touched(writer->watch->context, row->model, op, row->key);
}

/* A row goes even if a trigger would have it stay: then without triggers. */
static enum weft_status leave_table(struct writer *writer, struct shared_row *row,
                                    struct weft_error *why) {
    sqlite3_stmt *leave = NULL;
    if (!row->in_table) return WEFT_OK;
    enum weft_status status = writer_slot(writer, row->model, SLOT_SHARED_DELETE, &leave, why);
    if (status != WEFT_OK) return status;
    bind_key(leave, row);
    const int stepped = sqlite3_step(leave);
    const bool gone = stepped == SQLITE_DONE && sqlite3_changes64(writer->db) > 0;
    sqlite3_reset(leave);
    if (!gone && stepped != SQLITE_DONE && !row_refused(writer, stepped)) {
        status = store_fail(writer->db, stepped, "deleting from", row->model->name, why);
    } else if (!gone) {
        sqlite3_db_config(writer->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        status = statement_run(leave, "deleting from", row->model->name, why);
        sqlite3_db_config(writer->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    }
    if (status == WEFT_OK) row->in_table = row->bare = false;
    if (status == WEFT_OK) tell_watch(writer, row, WEFT_CHANGE_DELETE);
    writer_table(writer, row->model)->freed = true;
    return status;
}

static void bind_row(struct writer *writer, const struct shared_row *row, sqlite3_stmt *statement) {
    const size_t clock = rowclock_pack(&row->clock, writer->shared->clock);
    sqlite3_bind_blob64(statement, 1, writer->shared->clock, clock, SQLITE_STATIC);
    for (uint32_t c = 0; c < row->model->column_count; c++)
        statement_bind(statement, 2 + (int)c, shared_cell(row, c));
}

/* What a trigger that refused a row has left of it: RAISE(FAIL) takes nothing back. */
static enum weft_status look_again(struct writer *writer, struct shared_row *row,
                                   struct weft_error *why) {
    sqlite3_stmt *look = NULL;
    const enum weft_status status = shared_row_look(writer, row, &look, why);
    sqlite3_reset(look);
    return status;
}

/* Inserts or updates the row; `*code` is SQLite's when a constraint refused it. */
static enum weft_status write_table(struct writer *writer, struct shared_row *row, int *code,
                                    char reason[SHARED_REASON], struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    const enum writer_slot slot = row->in_table ? SLOT_SHARED_UPDATE : SLOT_SHARED_INSERT;
    *code = SQLITE_OK;
    enum weft_status status = writer_slot(writer, row->model, slot, &statement, why);
    if (status == WEFT_OK) bind_row(writer, row, statement);
    if (status != WEFT_OK) return status;
    int stepped = sqlite3_step(statement);
    if (stepped == SQLITE_DONE && sqlite3_changes64(writer->db) == 0) {
        *code = SQLITE_CONSTRAINT_TRIGGER;
        sqlite3_snprintf((int)SHARED_REASON, reason, "a trigger of the table passed over it");
    } else if (stepped != SQLITE_DONE && row_refused(writer, stepped)) {
        *code = stepped;
        sqlite3_snprintf((int)SHARED_REASON, reason, "%s", sqlite3_errmsg(writer->db));
    } else if (stepped != SQLITE_DONE) {
        status = store_fail(writer->db, stepped, "writing to", row->model->name, why);
    }
    sqlite3_reset(statement);
    if (*code == SQLITE_CONSTRAINT_TRIGGER) return look_again(writer, row, why);
    if (status != WEFT_OK || *code != SQLITE_OK) return status;
    /* What it held before may have kept others out. */
    if (row->in_table && row->touched) writer_table(writer, row->model)->freed = true;
    row->in_table = true;
    row->bare = false;
    tell_watch(writer, row, WEFT_CHANGE_PUT);
    return WEFT_OK;
}

/* ---- rivals ---- */

static int compare_values(const struct weft_value *a, const struct weft_value *b) {
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (a->type == WEFT_INTEGER)
        return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
    const uint32_t size = a->size < b->size ? a->size : b->size;
    const int order = size == 0 ? 0 : memcmp(a->as.bytes, b->as.bytes, size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Whether one key is less than another: by the first column in which they differ. */
static bool is_lesser(const struct weft_value *a, const struct weft_value *b, uint32_t count) {
    uint32_t k = 0;
    while (k + 1 < count && compare_values(&a[k], &b[k]) == 0)
        k++;
    return compare_values(&a[k], &b[k]) < 0;
}

/* Whether the rival in the query's row, its clock read, goes before the row. Of two with one stamp
 * the lesser key does. */
static bool goes_before(const struct writer *writer, const struct shared_row *rival,
                        const struct shared_row *row, sqlite3_stmt *query) {
    struct weft_value key[LIMIT_KEY_COLUMNS];
    const int order =
        stamp_compare(&rival->clock.created, &row->clock.created, &writer->shared->order);
    for (uint32_t k = 0; k < row->key_count; k++)
        key[k] = statement_value(query, 1 + (int)k);
    return order < 0 || (order == 0 && is_lesser(key, row->key, row->key_count));
}

/* A row that a unique index does not let stand beside this one, its key in `rival`; `*older`: one
 * of them goes before this one. */
static enum weft_status find_rival(struct writer *writer, const struct shared_row *row,
                                   struct shared_row *rival, bool *found, bool *older,
                                   struct weft_error *why) {
    struct weft_value *keys[LIMIT_KEY_COLUMNS];
    sqlite3_stmt *query = NULL;
    bool more = false;
    enum weft_status status = writer_slot(writer, row->model, SLOT_SHARED_RIVALS, &query, why);
    if (status == WEFT_OK) bind_row(writer, row, query);
    if (status == WEFT_OK) status = statement_step(query, &more, "reading", row->model->name, why);
    for (*found = *older = false; status == WEFT_OK && more && !*older;) {
        const struct weft_value clock = statement_value(query, 0);
        /* One without a clock, from before its table was annotated, was there first. */
        rival->clock = (struct merge_row){0};
        if (clock.type == WEFT_BLOB &&
            !rowclock_read((struct bytes){clock.as.bytes, clock.size}, &rival->clock)) {
            rival->clock = (struct merge_row){0};
        }
        *older = goes_before(writer, rival, row, query);
        for (uint32_t k = 0; k < row->key_count && !*found; k++) {
            rival->key[k] = statement_value(query, 1 + (int)k);
            keys[k] = &rival->key[k];
        }
        if (!*found) status = shared_keep_values(&writer->row, keys, row->key_count, why);
        *found = true;
        if (status == WEFT_OK)
            status = statement_step(query, &more, "reading", row->model->name, why);
    }
    if (query != NULL) sqlite3_reset(query);
    rival->table = row->table;
    rival->model = row->model;
    rival->key_count = row->key_count;
    return status;
}

/* Makes room for a row that a unique index refuses, if it was created before all that are in its
 * way. `*made`: it may be tried again; `*older`: one goes before it. */
static enum weft_status make_room(struct writer *writer, const struct shared_row *row, bool *made,
                                  bool *older, struct shared_row_tally *tally,
                                  struct weft_error *why) {
    struct shared_row *rival = &writer->shared->rival;
    for (*made = false;; *made = true) {
        bool found = false;
        enum weft_status status = find_rival(writer, row, rival, &found, older, why);
        if (status != WEFT_OK || !found) return status;
        if (*older) break;
        status = shared_row_load(writer, rival, why);
        if (status == WEFT_OK) status = leave_table(writer, rival, why);
        if (status == WEFT_OK) {
            status = shadow_keep(writer, rival, SHADOW_RIVAL,
                                 "a row that was created earlier has the same unique values", why);
        }
        if (status == WEFT_OK) status = digest_move_shared(writer, rival, why);
        if (status != WEFT_OK) return status;
        tally->parked++;
    }
    *made = false;
    return WEFT_OK;
}

static bool is_unique_fault(int code) {
    return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
           code == SQLITE_CONSTRAINT_ROWID;
}

/* Puts the row into its table; `*kind` is where it must go instead, and why. */
static enum weft_status enter_table(struct writer *writer, struct shared_row *row, bool strict,
                                    enum shadow_kind *kind, char reason[SHARED_REASON],
                                    struct shared_row_tally *tally, struct weft_error *why) {
    for (;;) {
        int code = SQLITE_OK;
        bool made = false, older = false;
        enum weft_status status = write_table(writer, row, &code, reason, why);
        *kind = code == SQLITE_OK ? SHADOW_NONE : SHADOW_PARKED;
        if (status != WEFT_OK || code == SQLITE_OK || strict || !is_unique_fault(code))
            return status;
        status = make_room(writer, row, &made, &older, tally, why);
        /* Where nobody is in its way, room would be made again and again. */
        if (older) *kind = SHADOW_RIVAL;
        if (status != WEFT_OK || !made) return status;
    }
}

/* ---- placing ---- */

/* Whether every value may stand in its column; a row without a table has none. */
static bool fits(const struct shared_row *row, char reason[SHARED_REASON]) {
    struct weft_error why = {0};
    if (row->model == NULL) {
        sqlite3_snprintf((int)SHARED_REASON, reason,
                         "this version of the application has no such shared table");
        return false;
    }
    for (uint32_t c = 0; c < row->model->column_count; c++) {
        const struct column *column = &row->model->columns[c];
        const struct weft_value *value = NULL;
        if (column->key_place >= 0) {
            value = &row->key[column->key_place];
        } else if (column->field < row->clock.field_count &&
                   row->clock.fields[column->field].hlc != 0) {
            value = &row->values[column->field];
        }
        if (value == NULL || model_accepts(row->model, c, value, &why) == WEFT_OK) continue;
        sqlite3_snprintf((int)SHARED_REASON, reason, "%s", why.text);
        return false;
    }
    return true;
}

static bool has_extra(const struct shared_row *row) {
    for (uint32_t f = 0; f < row->clock.field_count; f++) {
        if (row->clock.fields[f].hlc != 0 && shared_column_of(row->model, f) < 0) return true;
    }
    return false;
}

static enum weft_status fail_strict(struct writer *writer, const struct shared_row *row,
                                    const char *reason, struct weft_error *why) {
    char key[WRITER_KEY_TEXT];
    for (uint32_t k = 0; k < row->key_count; k++)
        writer->values[row->model->key[k]] = row->key[k];
    return status_fail(why, WEFT_CONSTRAINT, 0,
                       "table \"%s\": the row with %s was refused: %s; change the row, or the "
                       "constraint",
                       row->model->name, writer_key_text(writer, row->model, key), reason);
}

/* What was said of a row whose place one has that no record says yet: that one is not overwritten,
 * and what differs is said when it is taken in. */
static enum weft_status keep_beside(struct writer *writer, struct shared_row *row,
                                    struct shared_row_tally *tally, struct weft_error *why) {
    if (!merge_visible(&row->clock, &writer->shared->order))
        return shadow_keep(writer, row, SHADOW_HIDDEN, NULL, why);
    tally->parked += row->kind != SHADOW_PARKED;
    return shadow_keep(writer, row, SHADOW_PARKED,
                       "a row of the same key stands in the table, which has not entered sync yet",
                       why);
}

static enum weft_status place(struct writer *writer, struct shared_row *row, bool strict,
                              struct shared_row_tally *tally, struct weft_error *why) {
    char reason[SHARED_REASON] = "";
    enum shadow_kind kind = SHADOW_PARKED;
    enum weft_status status = WEFT_OK;
    if (newest(&row->clock) == 0) { /* Nothing is known of it any more. */
        if (!row->bare) status = leave_table(writer, row, why);
        return status == WEFT_OK ? shadow_drop(writer, row, why) : status;
    }
    if (row->bare && !strict) return keep_beside(writer, row, tally, why);
    if (!merge_visible(&row->clock, &writer->shared->order)) {
        status = leave_table(writer, row, why);
        return status == WEFT_OK ? shadow_keep(writer, row, SHADOW_HIDDEN, NULL, why) : status;
    }
    if (fits(row, reason)) {
        status = enter_table(writer, row, strict, &kind, reason, tally, why);
        if (status != WEFT_OK) return status;
    }
    if (kind == SHADOW_NONE) {
        return has_extra(row) ? shadow_keep(writer, row, SHADOW_EXTRA, NULL, why)
                              : shadow_drop(writer, row, why);
    }
    if (strict) return fail_strict(writer, row, reason, why);
    tally->parked += row->kind != kind;
    status = leave_table(writer, row, why);
    return status == WEFT_OK ? shadow_keep(writer, row, kind, reason, why) : status;
}

enum weft_status shared_row_place(struct writer *writer, struct shared_row *row, bool strict,
                                  struct shared_row_tally *tally, struct weft_error *why) {
    const enum weft_status status = place(writer, row, strict, tally, why);
    return status == WEFT_OK ? digest_move_shared(writer, row, why) : status;
}

/* ---- trying again ---- */

/* Whether a row of the shadow is where it belongs, as far as that can be told without writing. */
static enum weft_status is_idle(struct writer *writer, const struct shared_row *row, bool *idle,
                                struct weft_error *why) {
    char reason[SHARED_REASON];
    bool found = false, older = false;
    *idle = row->model == NULL && row->kind == SHADOW_PARKED;
    if (row->kind == SHADOW_EXTRA) *idle = row->in_table && !row->came;
    if (row->kind != SHADOW_RIVAL || !fits(row, reason)) return WEFT_OK;
    const enum weft_status status =
        find_rival(writer, row, &writer->shared->rival, &found, &older, why);
    *idle = older;
    return status;
}

/* Keeps where a pass stands. */
static enum weft_status keep_place(struct packed *place, const void *bytes, size_t size,
                                   struct weft_error *why) {
    const enum weft_status status = packed_copy(place, (struct bytes){bytes, size});
    return status == WEFT_OK ? WEFT_OK : status_fail(why, status, 0, "no memory for a key");
}

static enum weft_status fail_corrupt(const struct writer *writer, struct weft_error *why) {
    return status_fail(
        why, WEFT_CORRUPT, 0,
        "%s: a row in the shadow has no table or no key; restore the file from a copy",
        writer->path);
}

/* One pass over the shadow; `*placed`: a row has come into its table. */
static enum weft_status settle_pass(struct writer *writer, const struct model *only, bool *placed,
                                    struct shared_row_tally *tally, struct weft_error *why) {
    struct shared_row *row = &writer->shared->row;
    struct packed table = {0}, key = {0};
    enum weft_status status = keep_place(&table, "", 0, why);
    if (status == WEFT_OK) status = keep_place(&key, "", 0, why);
    bool found = true, sound = true;
    while (status == WEFT_OK) {
        sqlite3_stmt *next = NULL;
        status = writer_fixed(writer, FIXED_SHADOW_NEXT, &next, why);
        if (status != WEFT_OK) break;
        sqlite3_bind_text(next, 1, (const char *)table.data, (int)table.size, SQLITE_STATIC);
        sqlite3_bind_blob64(next, 2, key.data, key.size, SQLITE_STATIC);
        sqlite3_bind_null(next, 3);
        sqlite3_bind_null(next, 4);
        if (only != NULL) sqlite3_bind_int(next, 3, SHADOW_RIVAL);
        if (only != NULL) sqlite3_bind_text(next, 4, only->name, -1, SQLITE_STATIC);
        status = statement_step(next, &found, "reading", writer->path, why);
        if (status != WEFT_OK || !found) break;
        struct weft_value name = statement_value(next, 0), at = statement_value(next, 1);
        if (name.type != WEFT_TEXT || at.type != WEFT_BLOB) {
            status = fail_corrupt(writer, why);
            sqlite3_reset(next);
            break;
        }
        status = keep_place(&table, name.as.bytes, name.size, why);
        if (status == WEFT_OK) status = keep_place(&key, at.as.bytes, at.size, why);
        sqlite3_reset(next);
        row->table = (struct bytes){table.data, table.size};
        row->model = models_find(writer->models, (const char *)table.data, table.size);
        if (row->model != NULL && row->model->kind != MODEL_SHARED) row->model = NULL;
        const struct bytes packed = {key.data, key.size};
        bool idle = false;
        if (status == WEFT_OK) status = shared_row_load_packed(writer, row, packed, &sound, why);
        if (status == WEFT_OK && sound) status = is_idle(writer, row, &idle, why);
        if (status != WEFT_OK || !sound || idle) continue;
        const bool was = row->in_table;
        status = shared_row_place(writer, row, false, tally, why);
        *placed = *placed || (row->in_table && !was);
    }
    packed_free(&table);
    packed_free(&key);
    return status;
}

enum weft_status shared_row_settle(struct writer *writer, const struct model *model,
                                   struct shared_row_tally *tally, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    bool placed = true;
    while (status == WEFT_OK && placed) {
        placed = false;
        status = settle_pass(writer, model, &placed, tally, why);
    }
    if (model != NULL) writer_table(writer, model)->freed = false;
    return status;
}
