/* See weft_look.h. Here: one shared row.
 *
 *   table: _weft_clock, cells ──┬─► state, fields with their stamps
 *   shadow: clock, fields ──────┘
 *   shared log ─► what was written to it, as far as records are there
 *   stamps ─► record that said so ─► members who have not acknowledged it
 *
 * Reads as store/shared_row_load.c does, but a row for show: without a writer, and what a damaged
 * file holds is an error. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/look.h"
#include "engine/store/packed.h"
#include "engine/store/rowclock.h"
#include "engine/store/shared_private.h"
#include "engine/store/statement.h"

enum { HIDDEN = 2, PARKED = 3, RIVAL = 4 }; /* kinds of _weft_shadow that are whole rows */

/* Big, so it is malloc()'s. */
struct shared {
    struct look_row *row;
    bool in_table, bare;
    int kind; /* in the shadow; 0: nothing */
    struct merge_row clock;
    bool has[LIMIT_FIELDS], hidden[LIMIT_FIELDS];
    struct weft_value values[LIMIT_FIELDS];
    struct weft_look_record record; /* that is being told */
    enum weft_status status;
};

/* ---- reading ---- */

static bool keep(struct shared *shared, uint32_t field, const struct weft_value *value) {
    if (field >= LIMIT_FIELDS) return false;
    struct weft_value *kept = &shared->values[field];
    if (shared->has[field]) return false; /* in the table, and in the shadow as well */
    *kept = *value;
    shared->has[field] = true;
    if ((value->type != WEFT_TEXT && value->type != WEFT_BLOB) || value->size == 0) return true;
    void *copy = malloc(value->size);
    if (copy == NULL) {
        *kept = weft_null();
        shared->status = status_fail(shared->row->why, WEFT_NO_MEMORY, 0, "no memory for a row");
        return true;
    }
    memcpy(copy, value->as.bytes, value->size);
    kept->as.bytes = copy;
    return true;
}

static void shared_free(struct shared *shared) {
    for (uint32_t f = 0; f < LIMIT_FIELDS; f++) {
        const struct weft_value *value = &shared->values[f];
        if ((value->type == WEFT_TEXT || value->type == WEFT_BLOB) && value->size > 0)
            free((void *)(uintptr_t)value->as.bytes);
    }
    free(shared);
}

static bool take_table(void *context, sqlite3_stmt *at) {
    struct shared *shared = context;
    const struct model *model = shared->row->model;
    const struct weft_value clock = statement_value(at, 0);
    shared->in_table = true;
    shared->bare = clock.type == WEFT_NULL;
    if (shared->bare) return true;
    if (clock.type != WEFT_BLOB ||
        !rowclock_read((struct bytes){clock.as.bytes, clock.size}, &shared->clock))
        return false;
    for (uint32_t c = 0; c < model->column_count; c++) {
        const struct column *column = &model->columns[c];
        if (column->key_place >= 0 || column->field >= shared->clock.field_count) continue;
        if (shared->clock.fields[column->field].hlc == 0) continue;
        const struct weft_value value = statement_value(at, 1 + (int)c);
        if (!keep(shared, column->field, &value)) return false;
    }
    return true;
}

static bool take_shadow(void *context, sqlite3_stmt *at) {
    struct shared *shared = context;
    struct weft_look_row *out = shared->row->out;
    const struct weft_value clock = statement_value(at, 1), fields = statement_value(at, 2);
    const bool whole = !shared->in_table || shared->bare;
    shared->kind = sqlite3_column_int(at, 0);
    if (shared->kind < 1 || shared->kind > RIVAL) return false;
    if (!whole != (shared->kind == 1)) {
        /* A plain connection has deleted the row, and with it the stamps of these fields. */
        if (shared->kind != 1) return false;
        shared->kind = 0;
        return true;
    }
    if (whole && (clock.type != WEFT_BLOB ||
                  !rowclock_read((struct bytes){clock.as.bytes, clock.size}, &shared->clock)))
        return false;
    (void)look_text(at, 3, out->reason, sizeof out->reason);
    const uint8_t *from = fields.as.bytes;
    const uint8_t *end = fields.type == WEFT_BLOB && fields.size > 0 ? from + fields.size : from;
    while (fields.type == WEFT_BLOB && fields.size > 0 && from < end) {
        uint64_t field = 0;
        struct weft_value value;
        if (!packed_read_number(&from, end, &field) || field >= LIMIT_FIELDS) return false;
        if (!packed_read_value(&from, end, &value)) return false;
        if (!keep(shared, (uint32_t)field, &value)) return false;
        shared->hidden[field] = true;
    }
    return true;
}

static enum weft_status read_row(struct shared *shared) {
    struct look_row *row = shared->row;
    sqlite3_stmt *query = NULL;
    enum weft_status status = WEFT_OK;
    if (row->model != NULL) {
        status = look_row_select(row, "_weft_clock", &query);
        status = look_rows(row->look, query, status, "a row", shared, take_table, row->why);
    }
    query = NULL;
    if (status == WEFT_OK) {
        status = look_prepare(row->look, &query, row->why,
                              "SELECT kind, clock, fields, reason FROM main._weft_shadow "
                              "WHERE model = %Q AND key = ?1",
                              row->table);
        if (status == WEFT_OK)
            sqlite3_bind_blob64(query, 1, row->packed->data, row->packed->size, SQLITE_STATIC);
        status = look_rows(row->look, query, status, "a row", shared, take_shadow, row->why);
    }
    return status == WEFT_OK ? shared->status : status;
}

static enum weft_look_row_state state_of(const struct shared *shared) {
    if (shared->in_table) return shared->bare ? WEFT_ROW_BARE : WEFT_ROW_SHOWN;
    switch (shared->kind) {
    case HIDDEN:
        return shared->clock.deleted.hlc != 0 ? WEFT_ROW_DELETED : WEFT_ROW_UNCREATED;
    case PARKED:
        return WEFT_ROW_PARKED;
    case RIVAL:
        return WEFT_ROW_RIVAL;
    default:
        return WEFT_ROW_ABSENT;
    }
}

/* ---- stamps ---- */

static bool take_origin(void *context, sqlite3_stmt *at) {
    struct weft_look_stamp *out = context;
    out->incarnation = (uint64_t)sqlite3_column_int64(at, 1);
    return shared_column(at, 0, out->device, sizeof out->device);
}

static enum weft_status name_stamp(struct look_row *row, const struct stamp *stamp,
                                   struct weft_look_stamp *out) {
    sqlite3_stmt *query = NULL;
    *out = (struct weft_look_stamp){.stamp = stamp->hlc};
    if (stamp->hlc == 0) return WEFT_OK;
    enum weft_status status = look_prepare(
        row->look, &query, row->why,
        "SELECT device, incarnation FROM main._weft_origin WHERE id = %u", stamp->origin);
    return look_rows(row->look, query, status, "an origin", out, take_origin, row->why);
}

static bool take_field(void *context, sqlite3_stmt *at) {
    struct shared *shared = context;
    struct look_row *row = shared->row;
    char name[LIMIT_NAME + 1];
    const int64_t number = sqlite3_column_int64(at, 0);
    if (number < 0 || number >= (int64_t)LIMIT_FIELDS) return false;
    const uint32_t f = (uint32_t)number;
    if (!look_text(at, 1, name, sizeof name)) return false;
    if (shared->status != WEFT_OK || f >= shared->clock.field_count || !shared->has[f] ||
        shared->clock.fields[f].hlc == 0)
        return true;
    struct weft_look_field field = {
        .name = name, .value = shared->values[f], .hidden = shared->hidden[f]};
    shared->status = name_stamp(row, &shared->clock.fields[f], &field.stamp);
    if (shared->status == WEFT_OK && row->visit->field != NULL)
        row->visit->field(row->visit->context, &field);
    return true;
}

static enum weft_status tell_fields(struct shared *shared) {
    struct look_row *row = shared->row;
    sqlite3_stmt *query = NULL;
    enum weft_status status = look_prepare(
        row->look, &query, row->why,
        "SELECT field, name FROM main._weft_field WHERE model = %Q ORDER BY field", row->table);
    status = look_rows(row->look, query, status, "a field", shared, take_field, row->why);
    return status == WEFT_OK ? shared->status : status;
}

/* ---- writes ---- */

static bool same_value(const struct weft_value *a, const struct weft_value *b) {
    if (a->type != b->type) return false;
    switch (a->type) {
    case WEFT_INTEGER:
        return a->as.integer == b->as.integer;
    case WEFT_TEXT:
    case WEFT_BLOB:
        return a->size == b->size &&
               (a->size == 0 || memcmp(a->as.bytes, b->as.bytes, a->size) == 0);
    case WEFT_REAL:
    case WEFT_NULL:
        break;
    }
    return false; /* No key holds these. */
}

static void take_record(void *context, const struct weft_look_record *record) {
    ((struct shared *)context)->record = *record;
}

/* The stamp that the row has of what an op writes: of its creation, its deletion or a field. */
static enum weft_status stamp_now(struct shared *shared, const char *field,
                                  enum weft_look_op_kind kind, struct weft_look_stamp *out) {
    struct look_row *row = shared->row;
    sqlite3_stmt *query = NULL;
    uint64_t number = 0;
    if (kind == WEFT_OP_DELETE) return name_stamp(row, &shared->clock.deleted, out);
    if (field == NULL) return name_stamp(row, &shared->clock.created, out);
    enum weft_status status = look_prepare(
        row->look, &query, row->why,
        "SELECT field + 1 FROM main._weft_field WHERE model = %Q AND name = %Q", row->table, field);
    status = look_number(row->look, query, status, &number, row->why);
    *out = (struct weft_look_stamp){0};
    if (status != WEFT_OK || number == 0 || number > shared->clock.field_count) return status;
    return name_stamp(row, &shared->clock.fields[number - 1], out);
}

static void tell_write(struct shared *shared, const struct weft_look_op *op, const char *field,
                       const struct weft_value *value) {
    struct weft_look_write write = {
        .kind = op->kind,
        .stamp = {.stamp = op->stamp, .incarnation = shared->record.incarnation},
        .field = field,
        .value = value != NULL ? *value : weft_null()};
    struct weft_look_stamp now;
    memcpy(write.stamp.device, shared->record.device, WEFT_ID_SIZE);
    shared->status = stamp_now(shared, field, op->kind, &now);
    write.stands = now.stamp == write.stamp.stamp && now.incarnation == write.stamp.incarnation &&
                   memcmp(now.device, write.stamp.device, WEFT_ID_SIZE) == 0;
    if (shared->status == WEFT_OK) shared->row->visit->write(shared->row->visit->context, &write);
}

static void take_op(void *context, const struct weft_look_op *op) {
    struct shared *shared = context;
    const struct look_row *row = shared->row;
    if (shared->status != WEFT_OK || op->table == NULL) return;
    if (sqlite3_stricmp(op->table, row->table) != 0 || op->key_count != row->key_count) return;
    for (unsigned k = 0; k < op->key_count; k++)
        if (!same_value(&op->key[k], &row->key[k])) return;
    if (op->field_count == 0) tell_write(shared, op, NULL, NULL);
    for (unsigned i = 0; i < op->field_count && shared->status == WEFT_OK; i++)
        tell_write(shared, op, op->fields[i], &op->values[i]);
}

static enum weft_status tell_writes(struct shared *shared) {
    const struct weft_look_log log = {shared, take_record, take_op};
    if (shared->row->visit->write == NULL) return WEFT_OK;
    enum weft_status status = look_ops(shared->row->look, &log, shared->row->why);
    return status == WEFT_OK ? shared->status : status;
}

/* ---- who has not heard of it ---- */

struct lacks {
    struct look_row *row;
    struct weft_look_stamp stamp;
};

static bool take_lack(void *context, sqlite3_stmt *at) {
    struct lacks *lacks = context;
    struct weft_look_lack lack = {.away = sqlite3_column_int(at, 1) != 0,
                                  .stamp = lacks->stamp,
                                  .wanted = (uint64_t)sqlite3_column_int64(at, 2),
                                  .held = (uint64_t)sqlite3_column_int64(at, 3)};
    if (!shared_column(at, 0, lack.device, sizeof lack.device)) return false;
    lacks->row->visit->lack(lacks->row->visit->context, &lack);
    return true;
}

/* Of one origin: who lacks the record that says the latest of the row's stamps. That record is the
 * first whose stamp is not less; one that has been forgotten, all hold. */
static enum weft_status tell_lacks_of(struct look_row *row, const struct stamp *stamp) {
    struct lacks lacks = {.row = row};
    sqlite3_stmt *query = NULL;
    enum weft_status status = name_stamp(row, stamp, &lacks.stamp);
    if (status != WEFT_OK) return status;
    status = look_prepare(
        row->look, &query, row->why,
        "SELECT m.device, m.away_hlc > m.back_hlc, c.seq, ifnull(a.seq, 0) FROM "
        "(SELECT min(seq) AS seq FROM main.shared_changes WHERE origin = %u AND hlc >= %lld "
        "AND seq > (SELECT pruned FROM main._weft_origin WHERE id = %u)) AS c "
        "CROSS JOIN main._weft_member AS m "
        "LEFT JOIN main._weft_device AS w ON w.device = m.device "
        "LEFT JOIN main.peer_acks AS a ON a.device = w.id AND a.origin = %u "
        "WHERE m.removed = 0 AND m.device <> ?1 AND c.seq > ifnull(a.seq, 0) ORDER BY m.device",
        stamp->origin, (long long)stamp->hlc, stamp->origin, stamp->origin);
    if (status == WEFT_OK)
        sqlite3_bind_blob(query, 1, row->look->device.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
    return look_rows(row->look, query, status, "what a member holds", &lacks, take_lack, row->why);
}

/* The stamps of the row: of its creation, its deletion and its fields. */
static struct stamp stamp_at(const struct shared *shared, uint32_t i) {
    if (i < shared->clock.field_count) return shared->clock.fields[i];
    return i == shared->clock.field_count ? shared->clock.created : shared->clock.deleted;
}

static enum weft_status tell_lacks(struct shared *shared) {
    const uint32_t count = shared->clock.field_count + 2;
    enum weft_status status = WEFT_OK;
    if (shared->row->visit->lack == NULL) return WEFT_OK;
    for (uint32_t i = 0; i < count && status == WEFT_OK; i++) {
        const struct stamp stamp = stamp_at(shared, i);
        bool latest = stamp.hlc != 0;
        for (uint32_t j = 0; j < count && latest; j++) {
            const struct stamp other = stamp_at(shared, j);
            if (other.origin != stamp.origin) continue;
            latest = other.hlc < stamp.hlc || (other.hlc == stamp.hlc && j >= i);
        }
        if (latest) status = tell_lacks_of(shared->row, &stamp);
    }
    return status;
}

enum weft_status look_shared(struct look_row *row) {
    struct shared *shared = calloc(1, sizeof *shared);
    CHECK(row->packed->size > 0);
    if (shared == NULL) return status_fail(row->why, WEFT_NO_MEMORY, 0, "no memory for a row");
    shared->row = row;
    enum weft_status status = read_row(shared);
    if (status == WEFT_OK) {
        row->out->state = state_of(shared);
        status = name_stamp(row, &shared->clock.created, &row->out->created);
    }
    if (status == WEFT_OK) status = name_stamp(row, &shared->clock.deleted, &row->out->deleted);
    if (status == WEFT_OK) status = tell_fields(shared);
    if (status == WEFT_OK) status = tell_writes(shared);
    if (status == WEFT_OK) status = tell_lacks(shared);
    shared_free(shared);
    return status;
}
