/* See feed.h. A virtual table that is there without having been created (sqlite.org/vtab.html,
 * "Eponymous-only virtual tables"): it has as many columns as the widest model, of which a
 * statement names those that it wants. */
#include "engine/store/feed.h"

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"

struct feed_table {
    sqlite3_vtab base;
    struct feed *feed;
};

static int feed_connect(sqlite3 *db, void *context, int count, const char *const *arguments,
                        sqlite3_vtab **out, char **error) {
    (void)count, (void)arguments, (void)error;
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendall(sql, "CREATE TABLE feed(version");
    const struct feed *feed = context;
    for (uint32_t c = 0; c < feed->columns; c++)
        sqlite3_str_appendf(sql, ",c%u", (unsigned)c);
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int code = text == NULL ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text);
    sqlite3_free(text);
    if (code == SQLITE_OK) code = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    if (code != SQLITE_OK) return code;
    struct feed_table *table = sqlite3_malloc(sizeof *table);
    if (table == NULL) return SQLITE_NOMEM;
    *table = (struct feed_table){.feed = context};
    *out = &table->base;
    return SQLITE_OK;
}

static int feed_disconnect(sqlite3_vtab *base) {
    sqlite3_free(base);
    return SQLITE_OK;
}

/* There is one way to read it. */
static int feed_plan(sqlite3_vtab *base, sqlite3_index_info *plan) {
    (void)base;
    plan->estimatedCost = LIMIT_ROWS;
    plan->estimatedRows = LIMIT_ROWS;
    return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
    struct feed *feed = ((struct feed_table *)(void *)base)->feed;
    CHECK(!feed->reading);
    feed->reading = true;
    feed->cursor = (struct feed_cursor){.feed = feed};
    *out = &feed->cursor.base;
    return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *base) {
    struct feed *feed = ((struct feed_table *)(void *)base->pVtab)->feed;
    CHECK(feed->reading);
    feed->reading = false;
    return SQLITE_OK;
}

static struct feed_cursor *cursor_of(sqlite3_vtab_cursor *base) {
    return (struct feed_cursor *)(void *)base;
}

static int feed_begin(sqlite3_vtab_cursor *base, int number, const char *text, int count,
                      sqlite3_value **values) {
    (void)number, (void)text, (void)count, (void)values;
    cursor_of(base)->at = 0;
    return SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *base) {
    cursor_of(base)->at++;
    return SQLITE_OK;
}

static int feed_at_end(sqlite3_vtab_cursor *base) {
    const struct feed_cursor *cursor = cursor_of(base);
    return cursor->at >= cursor->feed->count;
}

static int feed_row_number(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    *out = cursor_of(base)->at;
    return SQLITE_OK;
}

static void give_cell(sqlite3_context *context, const Weft__Column *column, uint32_t row) {
    const uint8_t *cell = column->cells.data + (size_t)row * 8;
    const uint8_t tag = column->tags.data[row];
    if (tag == WEFT_INTEGER) {
        sqlite3_result_int64(context, (int64_t)load_u64(cell));
    } else if (tag == WEFT_TEXT || tag == WEFT_BLOB) {
        const uint32_t offset = load_u32(cell), size = load_u32(cell + 4);
        CHECK(offset <= column->body.len && size <= column->body.len - offset);
        const void *bytes = size == 0 ? (const void *)"" : column->body.data + offset;
        if (tag == WEFT_TEXT) {
            sqlite3_result_text(context, bytes, (int)size, SQLITE_STATIC);
        } else {
            sqlite3_result_blob(context, bytes, (int)size, SQLITE_STATIC);
        }
    } else if (tag == WEFT_REAL) {
        double real;
        memcpy(&real, cell, sizeof real);
        sqlite3_result_double(context, real);
    } else {
        CHECK(tag == WEFT_NULL); /* What a column is when nothing is said of it. */
    }
}

static int feed_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    const struct feed_cursor *cursor = cursor_of(base);
    const Weft__Rows *rows = cursor->feed->rows;
    const uint32_t row = cursor->feed->picked[cursor->at];
    CHECK(row < rows->count && column <= (int)rows->n_columns);
    if (column > 0) {
        give_cell(context, rows->columns[column - 1], row);
    } else {
        CHECK(rows_version(rows, row) <= INT64_MAX);
        sqlite3_result_int64(context, (int64_t)rows_version(rows, row));
    }
    return SQLITE_OK;
}

static const sqlite3_module feed_module = {
    .iVersion = 1,
    .xConnect = feed_connect,
    .xBestIndex = feed_plan,
    .xDisconnect = feed_disconnect,
    .xOpen = feed_open,
    .xClose = feed_close,
    .xFilter = feed_begin,
    .xNext = feed_next,
    .xEof = feed_at_end,
    .xColumn = feed_column,
    .xRowid = feed_row_number,
};

int feed_register(struct feed *feed, sqlite3 *db, uint32_t columns) {
    CHECK(feed != NULL && db != NULL);
    CHECK(columns <= LIMIT_COLUMNS);
    feed->columns = columns;
    return sqlite3_create_module_v2(db, FEED_TABLE, &feed_module, feed, NULL);
}

void feed_set(struct feed *feed, const Weft__Rows *rows, const uint32_t *picked, uint32_t count) {
    CHECK(!feed->reading);
    CHECK(count == 0 || (rows != NULL && picked != NULL));
    feed->rows = rows;
    feed->picked = picked;
    feed->count = count;
}
