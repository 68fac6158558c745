/* A store of shared rows, driven in words. */
#include "tests/lib/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/digests.h"

enum { CACHE = 8 << 20 };

/* ---- the store ------------------------------------------------------------------------------- */

void replica_ok(const struct replica *replica, enum weft_status status) {
    library_ok(&replica->library, status);
}

static struct instant no_time(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = UINT64_C(1750000000000)};
}

static void open_writer(struct replica *replica) {
    struct library *library = &replica->library;
    library_ok(library,
               writer_open(library->path, disk_vfs(replica->disk), CACHE, library->store.models,
                           &library->store.device, &library->writer, &library->why));
}

static void close_writer(struct replica *replica) {
    while (replica->query_count > 0)
        sqlite3_finalize(replica->queries[--replica->query_count]);
    writer_close(replica->library.writer);
}

static void open_store(struct replica *replica, const char *schema) {
    struct library *library = &replica->library;
    const uint64_t clock = library->clock;
    *library = (struct library){0};
    snprintf(library->path, sizeof library->path, "/replica/library.db");
    library->pool = pool_open(0, 1 << 20, NULL);
    assert_non_null(library->pool);
    arena_init(&replica->arena, library->pool);
    struct store_seed seed = library_seed(library->path, schema, replica->device);
    seed.vfs = disk_vfs(replica->disk);
    library_ok(library, store_open(&seed, library->pool, &library->store, &library->why));
    open_writer(replica);
    library->clock = clock == 0 ? 1000 : clock;
}

static void close_store(struct replica *replica) {
    struct library *library = &replica->library;
    digests_hold(library->writer, true);
    close_writer(replica);
    store_close(&library->store);
    arena_drop(&replica->arena);
    pool_close(library->pool);
}

void replica_open(struct replica *replica, const char *name, uint8_t device, const char *schema) {
    memset(replica, 0, sizeof *replica);
    replica->device = device;
    replica->disk = disk_open(name, device, (struct time_port){.now = no_time});
    open_store(replica, schema);
}

void replica_close(struct replica *replica) {
    close_store(replica);
    disk_close(replica->disk);
    replica->disk = NULL;
}

void replica_reopen(struct replica *replica, const char *schema) {
    struct library *library = &replica->library;
    close_store(replica);
    open_store(replica, schema);
    replica->tally = (struct shared_row_tally){0};
    replica_ok(replica, writer_begin(library->writer, &library->why));
    replica_ok(replica, shared_row_retry(library->writer, &replica->tally, &library->why));
    replica_ok(replica, writer_commit(library->writer, &library->why));
}

void replica_renew(struct replica *replica) {
    close_writer(replica);
    open_writer(replica);
}

void replica_forget(struct replica *replica) {
    arena_drop(&replica->arena);
    arena_init(&replica->arena, replica->library.pool);
}

static struct record_origin origin_of(uint8_t device) {
    return (struct record_origin){library_id(device), 7};
}

/* Fills in the newest row of the run. */
static void fill_row(struct run *run, const struct model *model, const struct spoken *row) {
    assert_int_equal(row->key_count, model->key_count);
    for (uint32_t k = 0; k < row->key_count; k++)
        assert_int_equal(rows_cell(&run->builder, model->key[k], &row->key[k].value), WEFT_OK);
    for (uint32_t i = 0; i < row->count; i++) {
        const struct word *word = &row->writes[i];
        const int column = model_column(model, word->name, strlen(word->name));
        if (column < 0) fail_msg("table %s has no column %s", model->name, word->name);
        if (row->sign == '~')
            assert_int_equal(rows_field(&run->builder, (uint32_t)column), WEFT_OK);
        assert_int_equal(rows_cell(&run->builder, (uint32_t)column, &word->value), WEFT_OK);
    }
}

Weft__Rows *replica_run(struct replica *replica, const char *words) {
    struct library *library = &replica->library;
    struct spoken *row = malloc(sizeof *row);
    struct run run = {.library = library};
    char table[LIMIT_NAME + 1];
    const char *at = words + strcspn(words, " ");
    assert_non_null(row);
    snprintf(table, sizeof table, "%.*s", (int)(at - words), words);
    const struct model *model = models_get(library->store.models, library_model(library, table));
    run.arena = replica->arena;
    assert_int_equal(rows_begin(&run.builder, &run.arena, model->id, model->column_count), WEFT_OK);
    while (words_next(&at, row)) {
        const enum row_op op = row->sign == '=' ? ROW_PUT : row->sign == '~' ? ROW_SET : ROW_DELETE;
        assert_int_equal(rows_add(&run.builder, op, library_version(library)), WEFT_OK);
        fill_row(&run, model, row);
    }
    free(row);
    replica->arena = run.arena;
    return run.builder.rows;
}

enum weft_status replica_write_run(struct replica *replica, Weft__Rows *rows) {
    struct library *library = &replica->library;
    const struct record_origin self = origin_of(replica->device);
    uint32_t origin = 0;
    replica->tally = (struct shared_row_tally){0};
    replica->hlc = library->clock;
    enum weft_status status = shared_origin(library->writer, &self, &origin, &library->why);
    if (status != WEFT_OK) return status;
    return shared_row_write(library->writer, rows, replica->hlc, origin, &replica->arena,
                            &replica->said, &replica->tally, &library->why);
}

enum weft_status replica_write_within(struct replica *replica, const char *words) {
    return replica_write_run(replica, replica_run(replica, words));
}

enum weft_status replica_apply_within(struct replica *replica, uint8_t device, uint64_t hlc,
                                      struct bytes body) {
    struct library *library = &replica->library;
    const struct record_origin author = origin_of(device);
    uint32_t origin = 0;
    assert_true(change_sound(body, hlc));
    replica->tally = (struct shared_row_tally){0};
    enum weft_status status = shared_origin(library->writer, &author, &origin, &library->why);
    if (status != WEFT_OK) return status;
    if (library->clock < hlc) library->clock = hlc;
    return shared_row_apply(library->writer, body, hlc, origin, &author.device, &replica->tally,
                            &library->why);
}

enum weft_status replica_try(struct replica *replica, const char *words) {
    struct library *library = &replica->library;
    replica_ok(replica, writer_begin(library->writer, &library->why));
    enum weft_status status = replica_write_within(replica, words);
    if (status == WEFT_OK) return writer_commit(library->writer, &library->why);
    writer_rollback(library->writer);
    return status;
}

const char *replica_writes(struct replica *replica, const char *words) {
    replica_ok(replica, replica_try(replica, words));
    assert_true(replica->said.size == 0 || change_sound(replica->said, replica->hlc));
    struct text text = text_begin(replica->text, REPLICA_TEXT);
    text_change(&text, replica->said);
    return replica->text;
}

void replica_hears(struct replica *replica, uint8_t device, uint64_t hlc, const char *words) {
    struct library *library = &replica->library;
    const struct bytes body = words_body(&replica->arena, words);
    replica_ok(replica, writer_begin(library->writer, &library->why));
    replica_ok(replica, replica_apply_within(replica, device, hlc, body));
    replica_ok(replica, writer_commit(library->writer, &library->why));
}

/* ---- looking --------------------------------------------------------------------------------- */

sqlite3_stmt *replica_query(struct replica *replica, const char *sql) {
    uint32_t at = 0;
    while (at < replica->query_count && strcmp(sqlite3_sql(replica->queries[at]), sql) != 0)
        at++;
    if (at < replica->query_count) return replica->queries[at];
    assert_true(at < REPLICA_QUERIES);
    sqlite3 *db = replica->library.writer->db;
    if (sqlite3_prepare_v2(db, sql, -1, &replica->queries[at], NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    replica->query_count++;
    return replica->queries[at];
}

const char *replica_rows(struct replica *replica, const char *sql) {
    struct text text = text_begin(replica->text, REPLICA_TEXT);
    sqlite3_stmt *query = replica_query(replica, sql);
    while (sqlite3_step(query) == SQLITE_ROW) {
        if (text.size > 0) text_put(&text, " ");
        for (int c = 0; c < sqlite3_column_count(query); c++) {
            const struct weft_value value = statement_value(query, c);
            if (c > 0) text_put(&text, "|");
            text_value(&text, &value);
        }
    }
    assert_int_equal(sqlite3_reset(query), SQLITE_OK);
    return replica->text;
}
