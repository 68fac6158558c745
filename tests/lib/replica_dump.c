/* What a store knows of shared rows, as one text.
 *
 * Read from the tables themselves, and not by what is tested. Rows are told by names and by whose
 * stamps they have, so that two stores that know the same have the same text. */
#include "tests/lib/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/rowclock.h"
#include "engine/store/writer_private.h"

enum { ORIGINS = 32 };

struct dump {
    struct replica *replica;
    struct text text;
    struct text line;
    char line_room[REPLICA_TEXT];
    struct record_origin origins[ORIGINS];
    char table[LIMIT_NAME + 1];               /* the one under way */
    char names[LIMIT_FIELDS][LIMIT_NAME + 1]; /* of its fields; "" none */
    struct merge_row clock;
    struct weft_value values[LIMIT_FIELDS];
    bool has[LIMIT_FIELDS];
};

static sqlite3_stmt *ask(const struct dump *dump, const char *format, ...) {
    char sql[1024];
    va_list values;
    va_start(values, format);
    sqlite3_vsnprintf(sizeof sql, sql, format, values);
    va_end(values);
    assert_true(strlen(sql) + 1 < sizeof sql);
    return replica_query(dump->replica, sql);
}

static void dump_origins(struct dump *dump) {
    sqlite3_stmt *query = ask(dump, "SELECT id, device, incarnation FROM _weft_origin");
    while (sqlite3_step(query) == SQLITE_ROW) {
        const int id = sqlite3_column_int(query, 0);
        assert_true(id > 0 && id < ORIGINS);
        memcpy(dump->origins[id].device.bytes, sqlite3_column_blob(query, 1), WEFT_ID_SIZE);
        dump->origins[id].incarnation = (uint64_t)sqlite3_column_int64(query, 2);
    }
    sqlite3_reset(query);
}

static void dump_names(struct dump *dump, const char *table) {
    if (sqlite3_stricmp(dump->table, table) == 0) return;
    snprintf(dump->table, sizeof dump->table, "%s", table);
    sqlite3_stmt *query = ask(dump, "SELECT field, name FROM _weft_field WHERE model = %Q", table);
    memset(dump->names, 0, sizeof dump->names);
    while (sqlite3_step(query) == SQLITE_ROW) {
        snprintf(dump->names[sqlite3_column_int(query, 0)], sizeof dump->names[0], "%s",
                 (const char *)sqlite3_column_text(query, 1));
    }
    sqlite3_reset(query);
}

static void put_stamp(struct dump *dump, const char *what, const struct stamp *stamp) {
    if (stamp->hlc == 0) return;
    assert_true(stamp->origin < ORIGINS);
    const struct record_origin *origin = &dump->origins[stamp->origin];
    assert_int_equal(origin->incarnation, 7);
    text_put(&dump->line, "%s%llu/%u", what, (unsigned long long)stamp->hlc,
             origin->device.bytes[0]);
}

static int by_origin(const void *context, uint32_t a, uint32_t b) {
    const struct dump *dump = context;
    return record_origin_compare(&dump->origins[a], &dump->origins[b]);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is known of one row, behind its table and key. */
static void put_row(struct dump *dump) {
    const struct stamp_order order = {by_origin, dump};
    char *names[LIMIT_FIELDS];
    uint32_t count = 0;
    text_put(&dump->line, merge_visible(&dump->clock, &order) ? " seen" : " hidden");
    put_stamp(dump, " +", &dump->clock.created);
    put_stamp(dump, " -", &dump->clock.deleted);
    for (uint32_t f = 0; f < dump->clock.field_count; f++) {
        if (dump->clock.fields[f].hlc != 0) names[count++] = dump->names[f];
    }
    qsort(names, count, sizeof names[0], by_name);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t f =
            (uint32_t)((names[i] - dump->names[0]) / (ptrdiff_t)sizeof dump->names[0]);
        if (!dump->has[f])
            fail_msg("%s: \"%s\" has a stamp and no value", dump->line.data, names[i]);
        text_put(&dump->line, " %s=", names[i]);
        text_value(&dump->line, &dump->values[f]);
        put_stamp(dump, "^", &dump->clock.fields[f]);
    }
}

static void take_clock(struct dump *dump, sqlite3_stmt *query, int column) {
    const struct weft_value clock = statement_value(query, column);
    assert_int_equal(clock.type, WEFT_BLOB);
    assert_true(rowclock_read((struct bytes){clock.as.bytes, clock.size}, &dump->clock));
}

/* The shadow's fields; of an extra field the table has none. */
static void take_fields(struct dump *dump, const struct weft_value *fields) {
    const uint8_t *at = fields->as.bytes, *end = fields->size == 0 ? at : at + fields->size;
    while (at < end) {
        uint64_t f = 0;
        assert_true(packed_read_number(&at, end, &f) && f < LIMIT_FIELDS);
        assert_false(dump->has[f]);
        assert_true(packed_read_value(&at, end, &dump->values[f]));
        dump->has[f] = true;
    }
}

static void put_key(struct dump *dump, const char *table, const struct weft_value *key) {
    const uint8_t *at = key->as.bytes, *end = at + key->size;
    struct weft_value value;
    dump->line.size = 0;
    for (const char *c = table; *c != '\0'; c++)
        text_put(&dump->line, "%c", *c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
    for (text_put(&dump->line, " "); at < end; text_put(&dump->line, at < end ? "," : "")) {
        assert_true(packed_read_value(&at, end, &value));
        text_value(&dump->line, &value);
    }
}

static void end_line(struct dump *dump) {
    text_put(&dump->text, "%s\n", dump->line.data);
}

static void dump_shadow(struct dump *dump) {
    sqlite3_stmt *query = ask(dump, "SELECT model, key, clock, fields FROM _weft_shadow "
                                    "WHERE kind <> 1 ORDER BY model, key");
    while (sqlite3_step(query) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(query, 0);
        const struct weft_value key = statement_value(query, 1), fields = statement_value(query, 3);
        dump_names(dump, table);
        put_key(dump, table, &key);
        take_clock(dump, query, 2);
        memset(dump->has, 0, sizeof dump->has);
        take_fields(dump, &fields);
        put_row(dump);
        end_line(dump);
    }
    sqlite3_reset(query);
}

/* The fields that the table has no column for; they lie in the statement's row. */
static void take_extra(struct dump *dump, sqlite3_stmt *query, const struct packed *key) {
    sqlite3_bind_blob64(query, 1, key->data, key->size, SQLITE_STATIC);
    if (sqlite3_step(query) != SQLITE_ROW) return;
    assert_int_equal(sqlite3_column_int(query, 1), 1);
    const struct weft_value fields = statement_value(query, 0);
    take_fields(dump, &fields);
}

static sqlite3_stmt *ask_table(const struct dump *dump, const struct model *model) {
    sqlite3_str *columns = sqlite3_str_new(NULL);
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(columns, ", \"%w\"", model->columns[c].name);
    char *text = sqlite3_str_finish(columns);
    sqlite3_stmt *query = ask(dump, "SELECT _weft_clock%s FROM \"%w\"", text, model->name);
    sqlite3_free(text);
    return query;
}

static void dump_table(struct dump *dump, const struct model *model) {
    sqlite3_stmt *query = ask_table(dump, model);
    sqlite3_stmt *extra = ask(
        dump, "SELECT fields, kind FROM _weft_shadow WHERE model = %Q AND key = ?1", model->name);
    struct packed key = {0};
    dump_names(dump, model->name);
    while (sqlite3_step(query) == SQLITE_ROW) {
        struct weft_value cells[LIMIT_COLUMNS];
        take_clock(dump, query, 0);
        memset(dump->has, 0, sizeof dump->has);
        for (uint32_t c = 0; c < model->column_count; c++) {
            cells[c] = statement_value(query, 1 + (int)c);
            const uint32_t f = model->columns[c].field;
            if (model->columns[c].key_place >= 0 || f >= dump->clock.field_count) continue;
            dump->values[f] = cells[c];
            dump->has[f] = dump->clock.fields[f].hlc != 0;
        }
        assert_int_equal(packed_key(&key, model, cells), WEFT_OK);
        const struct weft_value packed = weft_blob(key.data, key.size);
        put_key(dump, model->name, &packed);
        take_extra(dump, extra, &key);
        put_row(dump);
        end_line(dump);
        sqlite3_reset(extra);
    }
    sqlite3_reset(extra);
    sqlite3_reset(query);
    packed_free(&key);
}

/* Puts the lines into order. */
static void sort_lines(struct text *text) {
    char *copy = strdup(text->data);
    char **lines = calloc(text->size + 1, sizeof *lines);
    size_t count = 0;
    assert_true(copy != NULL && lines != NULL);
    for (char *at = copy, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        lines[count++] = at;
    }
    qsort(lines, count, sizeof *lines, by_name);
    text->size = 0;
    for (size_t i = 0; i < count; i++)
        text_put(text, "%s\n", lines[i]);
    free(lines);
    free(copy);
}

const char *replica_dump(struct replica *replica) {
    struct dump *dump = malloc(sizeof *dump);
    const struct models *models = replica->library.store.models;
    assert_non_null(dump);
    memset(dump->origins, 0, sizeof dump->origins);
    dump->replica = replica;
    dump->table[0] = '\0';
    dump->text = text_begin(replica->text, REPLICA_TEXT);
    dump->line = text_begin(dump->line_room, sizeof dump->line_room);
    dump_origins(dump);
    dump_shadow(dump);
    for (uint32_t m = 1; m <= models->count; m++) {
        const struct model *model = models_get(models, m);
        if (model != NULL && model->kind == MODEL_SHARED) dump_table(dump, model);
    }
    sort_lines(&dump->text);
    free(dump);
    return replica->text;
}
