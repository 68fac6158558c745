/* See shared_row.h. Here: ops of records applied, and the numbers of origins and fields.
 *
 *   op ─► row by row: key ─► load ─► stamps of what is said ─► merge ─► values of what won ─► place
 *
 * Not here: what an op's bytes must be (wire/change.h has judged them), which record may be taken
 * (roster.h), and what the host writes (shared_row_own.c). */
#include "engine/store/shared_row.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_private.h"
#include "engine/store/shared_row_private.h"

/* ---- what is remembered ---- */

void shared_work_forget(struct shared_work *work) {
    if (work == NULL) return;
    work->recalled = false;
    work->origin_count = 0;
}

void shared_work_free(struct shared_work *work) {
    if (work == NULL) return;
    shared_row_free(&work->row);
    shared_row_free(&work->rival);
    packed_free(&work->laid);
    free(work->origins);
    free(work);
}

const struct record_origin *shared_origin_numbered(const struct shared_work *work,
                                                   uint32_t number) {
    uint32_t low = 0, high = work->origin_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (work->origins[middle].number == number) return &work->origins[middle].origin;
        if (work->origins[middle].number < number) low = middle + 1;
        if (work->origins[middle].number > number) high = middle;
    }
    return NULL;
}

/* Origins as they are the same on every device. A number that the file does not know, as only a
 * damaged file has it, goes first. */
static int compare_origins(const void *context, uint32_t a, uint32_t b) {
    const struct record_origin *x = shared_origin_numbered(context, a);
    const struct record_origin *y = shared_origin_numbered(context, b);
    if (x == NULL || y == NULL) return (x != NULL) - (y != NULL);
    return record_origin_compare(x, y);
}

static enum weft_status origin_keep(struct writer *writer, const struct record_origin *origin,
                                    uint32_t number, struct weft_error *why) {
    struct shared_work *work = writer->shared;
    if (work->origin_count == work->origin_room) {
        uint32_t room = work->origin_room == 0 ? 64 : work->origin_room * 2;
        struct shared_origin *grown = realloc(work->origins, room * sizeof *grown);
        if (grown == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for origins");
        work->origins = grown;
        work->origin_room = room;
    }
    /* One that the log has numbered may come after others that have greater numbers. */
    uint32_t at = work->origin_count;
    while (at > 0 && work->origins[at - 1].number > number)
        at--;
    if (at > 0 && work->origins[at - 1].number == number) {
        return status_fail(why, WEFT_CORRUPT, 0,
                           "%s: two origins have the number %u; restore the file from a copy",
                           writer->path, number);
    }
    memmove(&work->origins[at + 1], &work->origins[at],
            (work->origin_count++ - at) * sizeof work->origins[0]);
    work->origins[at] = (struct shared_origin){*origin, number};
    return WEFT_OK;
}

static enum weft_status recall(struct writer *writer, struct shared_work *work,
                               struct weft_error *why) {
    sqlite3_stmt *any = NULL, *origins = NULL;
    bool row = false;
    enum weft_status status = writer_fixed(writer, FIXED_SHADOW_ANY, &any, why);
    if (status == WEFT_OK) status = statement_step(any, &row, "reading", writer->path, why);
    if (status != WEFT_OK) return status;
    CHECK(row);
    work->any_shadow = sqlite3_column_int(any, 0) != 0;
    work->any_rivals = sqlite3_column_int(any, 1) != 0;
    sqlite3_reset(any);
    status = writer_fixed(writer, FIXED_ORIGINS, &origins, why);
    work->origin_count = 0;
    while (status == WEFT_OK) {
        status = statement_step(origins, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        struct record_origin origin = {.incarnation = (uint64_t)sqlite3_column_int64(origins, 2)};
        const int64_t number = sqlite3_column_int64(origins, 0);
        if (!shared_column(origins, 1, origin.device.bytes, sizeof origin.device.bytes)) continue;
        if (number >= 1 && number <= UINT32_MAX)
            status = origin_keep(writer, &origin, (uint32_t)number, why);
        else
            status = status_fail(why, WEFT_CORRUPT, 0,
                                 "%s: an origin has the number %lld, which cannot be; restore the "
                                 "file from a copy",
                                 writer->path, (long long)number);
        if (status != WEFT_OK) sqlite3_reset(origins);
    }
    work->recalled = status == WEFT_OK;
    return status;
}

static struct shared_work *work_new(void) {
    struct shared_work *work = calloc(1, sizeof *work);
    if (work != NULL) work->order = (struct stamp_order){compare_origins, work};
    return work;
}

enum weft_status shared_work(struct writer *writer, struct shared_work **out,
                             struct weft_error *why) {
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    if (writer->shared == NULL) writer->shared = work_new();
    *out = writer->shared;
    if (*out == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for shared rows");
    return (*out)->recalled ? WEFT_OK : recall(writer, *out, why);
}

struct shared_work *shared_work_begun(const struct writer *writer) {
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    CHECK(writer->shared != NULL && writer->shared->recalled);
    return writer->shared;
}

enum weft_status shared_origin(struct writer *writer, const struct record_origin *origin,
                               uint32_t *number, struct weft_error *why) {
    struct shared_work *work = NULL;
    enum weft_status status = shared_work(writer, &work, why);
    if (status != WEFT_OK) return status;
    for (uint32_t i = 0; i < work->origin_count; i++) {
        *number = work->origins[i].number;
        if (record_origin_compare(&work->origins[i].origin, origin) == 0) return WEFT_OK;
    }
    status = shared_origin_number(writer, origin, number, why);
    return status == WEFT_OK ? origin_keep(writer, origin, *number, why) : status;
}

/* ---- fields ---- */

int shared_column_of(const struct model *model, uint32_t field) {
    for (uint32_t c = 0; model != NULL && c < model->column_count; c++) {
        if (model->columns[c].key_place < 0 && model->columns[c].field == field) return (int)c;
    }
    return -1;
}

enum weft_status shared_field(struct writer *writer, struct bytes table, const struct model *model,
                              struct bytes name, uint32_t *field, bool *full,
                              struct weft_error *why) {
    const char *text = (const char *)name.data;
    int column = model == NULL ? -1 : model_column(model, text, name.size);
    *full = false;
    if (column >= 0) {
        /* A key's column is no field: nobody but a liar writes it apart from the key. */
        *full = model->columns[column].key_place >= 0;
        *field = model->columns[column].field;
        return WEFT_OK;
    }
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *query = NULL;
        bool row = false;
        enum weft_status status =
            writer_fixed(writer, i == 0 ? FIXED_FIELD : FIXED_FIELD_ADD, &query, why);
        if (status != WEFT_OK) return status;
        sqlite3_bind_text(query, 1, (const char *)table.data, (int)table.size, SQLITE_STATIC);
        sqlite3_bind_text(query, 2, text, (int)name.size, SQLITE_STATIC);
        if (i == 1) sqlite3_bind_int(query, 3, LIMIT_FIELDS_FOREIGN);
        status = statement_step(query, &row, "reading", writer->path, why);
        if (status != WEFT_OK) return status;
        if (!row) continue;
        *field = (uint32_t)sqlite3_column_int64(query, 0);
        if (i == 1) return statement_run(query, "writing", writer->path, why);
        sqlite3_reset(query);
        return WEFT_OK;
    }
    *full = true;
    return WEFT_OK;
}

/* ---- ops ---- */

struct applying {
    struct writer *writer;
    struct shared_work *work;
    struct change_reader reader;
    uint64_t hlc;
    uint32_t origin;
    const struct id *device;
    struct shared_row_tally *tally;
    struct weft_error *why;
    /* Fields of the body as they are numbered here, as far as that was asked. */
    uint32_t known;
    uint32_t fields[LIMIT_FIELDS];
    bool full[LIMIT_FIELDS];
};

/* The model of the op's table, if it is one that takes this row's key. */
static const struct model *model_for(const struct applying *applying,
                                     const struct change_row *change) {
    const struct bytes table = applying->reader.table;
    const struct model *model =
        models_find(applying->writer->models, (const char *)table.data, table.size);
    return shared_takes_key(model, change->key, applying->reader.key_count) ? model : NULL;
}

static enum weft_status number_fields(struct applying *applying, const struct model *model) {
    enum weft_status status = WEFT_OK;
    for (; applying->known < applying->reader.field_count && status == WEFT_OK; applying->known++) {
        const uint32_t i = applying->known;
        status = shared_field(applying->writer, applying->reader.table, model,
                              applying->reader.fields[i], &applying->fields[i], &applying->full[i],
                              applying->why);
    }
    return status;
}

/* What the op's row says, as a change; `values` by its places. */
static void fill_change(const struct applying *applying, const struct change_row *from,
                        struct merge_change *out, struct weft_value *values) {
    struct shared_work *work = applying->work;
    const struct stamp stamp = {applying->hlc - from->back, applying->origin};
    *out = (struct merge_change){.fields = work->fields, .stamps = work->stamps};
    if (from->what == CHANGE_CREATE) out->created = stamp;
    if (from->what == CHANGE_DELETE) out->deleted = stamp;
    for (uint32_t i = 0; i < from->count; i++) {
        if (applying->full[from->fields[i]]) continue;
        work->fields[out->count] = applying->fields[from->fields[i]];
        work->stamps[out->count] = stamp;
        values[out->count] = merge_bit(from->nodes, i)
                                 ? weft_blob(applying->device->bytes, WEFT_ID_SIZE)
                                 : from->values[i];
        out->count++;
    }
}

static enum weft_status apply_row(struct applying *applying, struct change_row *change) {
    struct shared_row *row = &applying->work->row;
    struct merge_change said;
    struct merge_verdict verdict;
    row->table = applying->reader.table;
    row->model = model_for(applying, change);
    row->key_count = applying->reader.key_count;
    memcpy(row->key, change->key, row->key_count * sizeof row->key[0]);
    enum weft_status status = number_fields(applying, row->model);
    if (status == WEFT_OK) status = shared_row_load(applying->writer, row, applying->why);
    if (status != WEFT_OK) return status;
    fill_change(applying, change, &said, change->values);
    merge_apply(&row->clock, &said, &applying->work->order, &verdict);
    applying->tally->beaten += verdict.beaten;
    if (!verdict.news) return WEFT_OK;
    for (uint32_t i = 0; i < said.count; i++) {
        if (merge_bit(verdict.won, i))
            shared_row_set(applying->writer, row, said.fields[i], &change->values[i]);
    }
    row->touched = row->touched || said.created.hlc != 0;
    applying->tally->written++;
    if (row->model != NULL) applying->tally->models |= UINT64_C(1) << (row->model->id - 1);
    return shared_row_place(applying->writer, row, false, applying->tally, applying->why);
}

/* Tries those that stood behind a row that has gone. */
enum weft_status shared_row_follow(struct writer *writer, uint64_t models,
                                   struct shared_row_tally *tally, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    for (uint32_t m = 0; m < writer->models->count && status == WEFT_OK; m++) {
        const struct model *model = models_get(writer->models, m + 1);
        if (model == NULL || (models >> m & 1) == 0 || !writer->tables[m].freed) continue;
        writer->tables[m].freed = false;
        if (writer->shared->any_rivals) status = shared_row_settle(writer, model, tally, why);
    }
    return status;
}

enum weft_status shared_row_apply(struct writer *writer, struct bytes body, uint64_t hlc,
                                  uint32_t origin, const struct id *device,
                                  struct shared_row_tally *tally, struct weft_error *why) {
    struct applying applying = {.writer = writer,
                                .work = shared_work_begun(writer),
                                .hlc = hlc,
                                .origin = origin,
                                .device = device,
                                .tally = tally,
                                .why = why};
    struct shared_row_tally mine = {0};
    enum weft_status status = WEFT_OK;
    applying.tally = &mine;
    change_open(&applying.reader, body);
    struct change_row *change = &applying.work->change;
    while (status == WEFT_OK && change_next(&applying.reader, change))
        status = apply_row(&applying, change);
    if (status == WEFT_OK) status = shared_row_follow(writer, mine.models, &mine, why);
    tally->written += mine.written;
    tally->beaten += mine.beaten;
    tally->parked += mine.parked;
    tally->models |= mine.models;
    return status;
}

enum weft_status shared_row_retry(struct writer *writer, struct shared_row_tally *tally,
                                  struct weft_error *why) {
    struct shared_work *work = NULL;
    enum weft_status status = shared_work(writer, &work, why);
    if (status != WEFT_OK || !work->any_shadow) return status;
    return shared_row_settle(writer, NULL, tally, why);
}
