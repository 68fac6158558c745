/* Driving a store by hand. */
#include "tests/lib/library.h"

#include "tests/lib/digests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY_CACHE (8u << 20)

struct id library_id(uint8_t n) {
    struct id id;
    memset(id.bytes, n, sizeof id.bytes);
    return id;
}

struct store_seed library_seed(const char *path, const char *schema, uint8_t device) {
    return (struct store_seed){.path = path,
                               .schema = schema,
                               .fresh_device = library_id(device),
                               .fresh_library = library_id(0x99),
                               .fresh_incarnation = 7,
                               .cache_bytes = LIBRARY_CACHE};
}

void library_ok(const struct library *library, enum weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), library->why.text);
}

void library_open(struct library *library, const char *folder, const char *name, const char *schema,
                  uint8_t device) {
    *library = (struct library){0};
    snprintf(library->path, sizeof library->path, "%s/%s", folder, name);
    library->pool = pool_open(0, 1 << 20, NULL);
    assert_non_null(library->pool);
    struct store_seed seed = library_seed(library->path, schema, device);
    library_ok(library, store_open(&seed, library->pool, &library->store, &library->why));
    library_ok(library, writer_open(library->path, NULL, LIBRARY_CACHE, library->store.models,
                                    &library->store.device, &library->writer, &library->why));
    library_ok(library, reader_open(library->path, NULL, LIBRARY_CACHE, library->store.models,
                                    &library->reader, &library->why));
    library->clock = library->store.clock + 100;
}

void library_close(struct library *library) {
    reader_close(library->reader);
    digests_hold(library->writer, true);
    writer_close(library->writer);
    store_close(&library->store);
    pool_close(library->pool);
    *library = (struct library){0};
}

void library_reopen(struct library *library, const char *schema, uint8_t device) {
    char folder[sizeof library->path];
    snprintf(folder, sizeof folder, "%s", library->path);
    char *name = strrchr(folder, '/');
    *name++ = '\0';
    library_close(library);
    library_open(library, folder, name, schema, device);
}

uint32_t library_model(const struct library *library, const char *table) {
    const struct model *model = models_find(library->store.models, table, strlen(table));
    assert_non_null(model);
    return model->id;
}

struct stream library_stream(const struct library *library, const struct id *owner,
                             const char *table) {
    return (struct stream){*owner, library_model(library, table)};
}

uint64_t library_version(struct library *library) {
    return ++library->clock;
}

static sqlite3 *plain_open(const struct library *library) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(library->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    return db;
}

void library_sql(const struct library *library, const char *sql) {
    sqlite3 *db = plain_open(library);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

const char *library_ask(const struct library *library, const char *sql, char *out, size_t size) {
    sqlite3 *db = plain_open(library);
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    out[0] = '\0';
    if (sqlite3_step(query) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(query, 0);
        snprintf(out, size, "%s", text == NULL ? "NULL" : text);
    }
    sqlite3_finalize(query);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return out;
}

int64_t library_count(const struct library *library, const char *sql) {
    char text[64];
    return strtoll(library_ask(library, sql, text, sizeof text), NULL, 10);
}

/* ---- runs ------------------------------------------------------------------------------------ */

void run_begin(struct run *run, struct library *library, const char *table) {
    run->library = library;
    arena_init(&run->arena, library->pool);
    const struct model *model = models_get(library->store.models, library_model(library, table));
    assert_int_equal(rows_begin(&run->builder, &run->arena, model->id, model->column_count),
                     WEFT_OK);
}

void run_drop(struct run *run) {
    arena_drop(&run->arena);
}

/* Reads one value of the arguments; blobs are laid out in `room`. */
static struct weft_value take(const struct library *library, char letter, va_list *values,
                              uint8_t room[16]) {
    int n;
    const char *text;
    switch (letter) {
    case 'd':
        n = va_arg(*values, int);
        if (library->devices != NULL && (uint32_t)n < library->device_count)
            memcpy(room, library->devices[n].bytes, 16);
        else
            memset(room, n, 16);
        return weft_blob(room, 16);
    case 'b':
        n = va_arg(*values, int);
        memset(room, n, 16);
        return n < 0 ? weft_null() : weft_blob(room, 16);
    case 't':
        text = va_arg(*values, const char *);
        return text == NULL ? weft_null() : weft_text(text, strlen(text));
    case 'i':
        return weft_integer(va_arg(*values, int64_t));
    case 'r':
        return weft_real(va_arg(*values, double));
    default:
        assert_int_equal(letter, 'n');
        return weft_null();
    }
}

static const struct model *run_model(const struct run *run) {
    return models_get(run->library->store.models, run->builder.rows->model);
}

static void run_row(struct run *run, enum row_op op) {
    uint64_t version = library_version(run->library);
    assert_int_equal(rows_add(&run->builder, op, version), WEFT_OK);
}

static void run_cell(struct run *run, uint32_t column, char letter, va_list *values) {
    uint8_t room[16];
    struct weft_value value = take(run->library, letter, values, room);
    assert_int_equal(rows_cell(&run->builder, column, &value), WEFT_OK);
}

void run_put(struct run *run, const char *format, ...) {
    va_list values;
    va_start(values, format);
    run_row(run, ROW_PUT);
    assert_int_equal(strlen(format), run_model(run)->column_count);
    for (uint32_t c = 0; format[c] != '\0'; c++)
        run_cell(run, c, format[c], &values);
    va_end(values);
}

void run_delete(struct run *run, const char *format, ...) {
    const struct model *model = run_model(run);
    va_list values;
    va_start(values, format);
    run_row(run, ROW_DELETE);
    assert_int_equal(strlen(format), model->key_count);
    for (uint32_t k = 0; k < model->key_count; k++) {
        run_cell(run, model->key[k], format[k], &values);
    }
    va_end(values);
}

void run_set(struct run *run, const char *format, ...) {
    const struct model *model = run_model(run);
    va_list values;
    va_start(values, format);
    run_row(run, ROW_SET);
    assert_int_equal(strlen(format), model->key_count + 1);
    for (uint32_t k = 0; k < model->key_count; k++) {
        run_cell(run, model->key[k], format[k], &values);
    }
    const char *name = va_arg(values, const char *);
    int column = model_column(model, name, strlen(name));
    assert_true(column >= 0);
    assert_int_equal(rows_field(&run->builder, (uint32_t)column), WEFT_OK);
    run_cell(run, (uint32_t)column, format[model->key_count], &values);
    va_end(values);
}

enum weft_status run_commit(struct run *run, struct writer_tally *tally) {
    struct library *library = run->library;
    struct writer_tally ignored = {0};
    Weft__Rows *rows = run->builder.rows;
    struct stream stream = {library->store.device, rows->model};
    library_ok(library, writer_begin(library->writer, &library->why));
    enum weft_status status = writer_apply_own(library->writer, rows, &run->arena, NULL,
                                               tally == NULL ? &ignored : tally, &library->why);
    if (status == WEFT_OK) {
        status = writer_position(library->writer, &stream, library->clock, &library->why);
    }
    if (status == WEFT_OK) status = writer_clock(library->writer, library->clock, &library->why);
    if (status == WEFT_OK) return writer_commit(library->writer, &library->why);
    writer_rollback(library->writer);
    return status;
}

void library_receive(struct library *library, const struct id *owner, const Weft__Rows *rows,
                     struct writer_tally *tally) {
    struct stream stream = {*owner, rows->model};
    struct weft_error *why = &library->why;
    library_ok(library, writer_begin(library->writer, why));
    library_ok(library, writer_apply_remote(library->writer, owner, rows, tally, why));
    library_ok(library, writer_position(library->writer, &stream, rows->upto, why));
    if (rows->horizon != 0) {
        library_ok(library, writer_horizon(library->writer, &stream, rows->horizon, why));
    }
    library_ok(library, writer_commit(library->writer, why));
}

void run_receive(struct run *run, struct library *library, uint8_t owner,
                 struct writer_tally *tally) {
    struct writer_tally ignored = {0};
    struct id id = library_id(owner);
    Weft__Rows *rows = run->builder.rows;
    rows->upto = rows_version(rows, rows->count - 1);
    library_receive(library, &id, rows, tally == NULL ? &ignored : tally);
}

uint64_t library_position(struct library *library, const struct stream *stream) {
    struct vector positions;
    vector_init(&positions);
    library_ok(library, reader_positions(library->reader, &positions, &library->why));
    uint64_t position = vector_get(&positions, stream);
    vector_free(&positions);
    return position;
}

/* A batch of a sweep: beside the position, until it has caught up with it. */
static void pull_sweep(struct pull *pull, const Weft__Rows *rows) {
    struct library *to = pull->to;
    struct weft_error *why = &to->why;
    struct writer_tally tally = {0};
    if (rows->after == 0) pull->horizon = rows->horizon;
    if (rows->horizon > pull->horizon) {
        pull->cursor = 0;
        pull->sweeps++;
        return;
    }
    bool done = rows->upto >= library_position(to, &pull->stream) && rows->upto >= rows->horizon;
    library_ok(to, writer_begin(to->writer, why));
    library_ok(to, writer_apply_remote(to->writer, &pull->stream.owner, rows, &tally, why));
    library_ok(to, writer_sweep_cursor(to->writer, &pull->stream, !done, rows->upto, why));
    if (done) {
        library_ok(to, writer_position(to->writer, &pull->stream, rows->upto, why));
        library_ok(to, writer_horizon(to->writer, &pull->stream, rows->upto, why));
    }
    library_ok(to, writer_commit(to->writer, why));
    pull->cursor = rows->upto;
    pull->sweeping = !done;
}

/* Applies what was read; false when it was nothing. */
static bool pull_apply(struct pull *pull, const struct reader_batch *batch) {
    const Weft__Rows *rows = batch->rows;
    struct writer_tally tally = {0};
    const bool sweeping = pull->sweeping;
    if (batch->sweep) {
        assert_int_equal(rows->count, 0);
        assert_false(sweeping);
        pull->sweeping = true;
        pull->cursor = 0;
        pull->sweeps++;
        return true;
    }
    assert_true(rows_valid(rows, (uint32_t)rows->n_columns));
    if (sweeping) {
        pull_sweep(pull, rows);
        return rows->upto > rows->after || !pull->sweeping || pull->cursor < rows->upto;
    }
    if (rows->upto == rows->after) return false;
    library_receive(pull->to, &pull->stream.owner, rows, &tally);
    return true;
}

bool library_pull(struct pull *pull, uint32_t rows_max, size_t bytes_max) {
    struct arena arena;
    struct reader_batch batch;
    arena_init(&arena, pull->to->pool);
    uint64_t after = pull->sweeping ? pull->cursor : library_position(pull->to, &pull->stream);
    library_ok(pull->from, reader_after(pull->from->reader, &pull->stream, after, pull->sweeping,
                                        rows_max, bytes_max, &arena, &batch, &pull->from->why));
    assert_true(batch.rows->count <= rows_max);
    assert_int_equal(batch.rows->after, after);
    assert_int_equal(batch.more, batch.rows->upto < batch.position && !batch.sweep);
    bool moved = pull_apply(pull, &batch);
    arena_drop(&arena);
    return moved;
}
