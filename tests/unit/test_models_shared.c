/* Models of shared tables: what their keys and columns must be, how fields are numbered, and which
 * columns a host may leave open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/library.h"

struct place {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 16];
    struct pool *pool;
    struct store store;
    struct weft_error why;
};

static int setup(void **state) {
    static struct place place;
    place = (struct place){0};
    scratch_make(place.folder);
    snprintf(place.path, sizeof place.path, "%s/a.weft", place.folder);
    place.pool = pool_open(0, 0, NULL);
    *state = &place;
    return place.pool == NULL;
}

static int teardown(void **state) {
    struct place *place = *state;
    if (place->store.lock != NULL) store_close(&place->store);
    pool_close(place->pool);
    scratch_remove(place->folder);
    return 0;
}

static enum weft_status compile(struct place *place, const char *schema) {
    if (place->store.lock != NULL) store_close(&place->store);
    struct store_seed seed = library_seed(place->path, schema, 1);
    return store_open(&seed, place->pool, &place->store, &place->why);
}

static const struct model *model_of(struct place *place, const char *schema, const char *table) {
    enum weft_status status = compile(place, schema);
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
    const struct model *model = models_find(place->store.models, table, strlen(table));
    if (model == NULL) fail_msg("no model %s", table);
    return model;
}

/* The table `t` with this in its parentheses is refused; the message names it and says this. */
static void refused(struct place *place, const char *inside, enum weft_status status,
                    const char *said) {
    char schema[1024];
    snprintf(schema, sizeof schema, "CREATE TABLE t (%s);", inside);
    enum weft_status got = compile(place, schema);
    if (got != status || strstr(place->why.text, said) == NULL ||
        strstr(place->why.text, "table \"t\"") == NULL) {
        fail_msg("%s\n -> %s: %s", schema, weft_status_name(got), place->why.text);
    }
}

static const struct column *column_of(const struct model *model, const char *name) {
    int c = model_column(model, name, strlen(name));
    if (c < 0) fail_msg("no column %s", name);
    return &model->columns[c];
}

#define UNIQUE "/* @shared(create: unique) */ "
#define ATOMIC "/* @shared(create: atomic) */ "
#define RELATION "/* @relation(item: a, group: b) */ "

/* ---- keys ------------------------------------------------------------------------------------ */

static void shared_tables_become_models_of_either_kind(void **state) {
    struct place *place = *state;
    const struct model *tag = model_of(
        place,
        "CREATE TABLE tag (-- @shared(create: unique)\n id BLOB PRIMARY KEY, name TEXT NOT NULL);"
        "CREATE TABLE object (-- @shared(create: atomic, id: cas_id)\n"
        " n INTEGER PRIMARY KEY, cas_id BLOB NOT NULL UNIQUE, kind INTEGER);",
        "tag");
    assert_int_equal(tag->kind, MODEL_SHARED);
    assert_false(tag->atomic);
    assert_int_equal(tag->key_count, 1);
    assert_int_equal(tag->key[0], 0);
    assert_null(tag->owner_model);
    const struct model *object = models_find(place->store.models, "object", 6);
    assert_int_equal(object->kind, MODEL_SHARED);
    assert_true(object->atomic);
    assert_string_equal(object->columns[object->key[0]].name, "cas_id");
    assert_int_equal(object->column_count, 2);
    assert_int_equal(place->store.models->order_count, 2);
}

static void a_relation_is_known_by_its_pair(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE one (-- @relation(item: object_id, group: tag_id)\n"
                 " at INTEGER, tag_id BLOB, object_id BLOB, PRIMARY KEY (tag_id, object_id));"
                 "CREATE TABLE two (-- @relation(item: x, group: y)\n n INTEGER PRIMARY KEY,"
                 " x TEXT NOT NULL, y TEXT NOT NULL, UNIQUE (x, y));"
                 "CREATE TABLE three (-- @relation(item: x, group: y)\n"
                 " x, y, PRIMARY KEY (x, y)) WITHOUT ROWID;",
                 "one");
    assert_int_equal(model->kind, MODEL_SHARED);
    assert_true(model->atomic);
    /* In the order of the annotation, which is the same on every device. */
    assert_int_equal(model->key_count, 2);
    assert_string_equal(model->columns[model->key[0]].name, "object_id");
    assert_string_equal(model->columns[model->key[1]].name, "tag_id");
    assert_true(column_of(model, "object_id")->not_null);
    assert_int_equal(models_find(place->store.models, "two", 3)->key_count, 2);
    assert_true(models_find(place->store.models, "three", 5)->without_rowid);
}

static void a_relation_with_another_key_is_refused(void **state) {
    struct place *place = *state;
    refused(place, RELATION "a BLOB, b BLOB", WEFT_SCHEMA, "item: a, but that column may be NULL");
    refused(place, RELATION "a BLOB NOT NULL, b BLOB", WEFT_SCHEMA,
            "group: b, but that column may");
    refused(place, RELATION "a BLOB NOT NULL, b BLOB NOT NULL", WEFT_SCHEMA, "not UNIQUE");
    refused(place, RELATION "a BLOB NOT NULL, b BLOB NOT NULL UNIQUE", WEFT_SCHEMA, "not UNIQUE");
    refused(place, RELATION "a BLOB NOT NULL, b BLOB NOT NULL, c, PRIMARY KEY (a, b, c)",
            WEFT_SCHEMA, "not UNIQUE");
    refused(place, RELATION "a BLOB, b BLOB, c, PRIMARY KEY (a, b, c)", WEFT_SCHEMA, "may be NULL");
    refused(place, RELATION "a BLOB PRIMARY KEY, b BLOB", WEFT_SCHEMA, "may be NULL");
    refused(place, RELATION "a BLOB, c BLOB, PRIMARY KEY (a, c)", WEFT_SCHEMA, "may be NULL");
    refused(place, RELATION "a BLOB NOT NULL, c BLOB, PRIMARY KEY (a, c)", WEFT_SCHEMA,
            "group: b, but there is no such column");
    refused(place, "/* @relation(item: a, group: a) */ a BLOB PRIMARY KEY NOT NULL", WEFT_SCHEMA,
            "named twice");
    refused(place, RELATION "a REAL, b BLOB, PRIMARY KEY (a, b)", WEFT_SCHEMA, "REAL");
    refused(place, RELATION "a INTEGER PRIMARY KEY, b BLOB NOT NULL, UNIQUE (a, b)",
            WEFT_INTEGER_KEY, "which is INTEGER PRIMARY KEY");
}

static void a_unique_index_that_does_not_tell_whom_it_keeps_out_is_refused(void **state) {
    struct place *place = *state;
    refused(place,
            UNIQUE "id BLOB PRIMARY KEY, n); CREATE UNIQUE INDEX i ON t(n) WHERE n > 5; "
                   "CREATE TABLE u (x",
            WEFT_SCHEMA, "\"i\" is partial");
    refused(place,
            UNIQUE "id BLOB PRIMARY KEY, n); CREATE UNIQUE INDEX i ON t(n + 1); "
                   "CREATE TABLE u (x",
            WEFT_SCHEMA, "over an expression");
}

static void an_integer_key_is_refused_with_what_to_write_instead(void **state) {
    struct place *place = *state;
    refused(place, UNIQUE "id INTEGER PRIMARY KEY", WEFT_INTEGER_KEY,
            "NOT NULL UNIQUE: @shared(create: unique, id: that_column)");
    refused(place, ATOMIC "id INTEGER PRIMARY KEY", WEFT_INTEGER_KEY,
            "NOT NULL UNIQUE: @shared(create: atomic, id: that_column)");
    refused(place, UNIQUE "id BLOB", WEFT_SCHEMA, "@shared(create: unique, id: that_column)");
    assert_null(strstr(place->why.text, "owner"));
}

static void an_owner_may_be_named_through_a_shared_table(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(
        place,
        "CREATE TABLE device (-- @shared(create: atomic)\n id BLOB PRIMARY KEY, name TEXT);"
        "CREATE TABLE location (-- @owned(owner: d)\n id BLOB PRIMARY KEY,"
        " d BLOB REFERENCES device(id));",
        "location");
    assert_int_equal(model->kind, MODEL_OWNED);
    assert_null(model->owner_model);
    assert_int_equal(model->owner_column, 1);
}

/* ---- columns that may stay unset ------------------------------------------------------------- */

static void columns_of_an_atomic_table_may_be_null_or_have_a_default(void **state) {
    struct place *place = *state;
    refused(place, ATOMIC "id BLOB PRIMARY KEY, n INTEGER NOT NULL", WEFT_SCHEMA,
            "column \"n\": it may not be NULL and has no DEFAULT");
    assert_non_null(strstr(place->why.text, "write NOT NULL DEFAULT with a constant"));
    refused(place, RELATION "a, b, n INTEGER NOT NULL, PRIMARY KEY (a, b)", WEFT_SCHEMA,
            "column \"n\": it may not be NULL");
    refused(place, ATOMIC "id BLOB PRIMARY KEY, n INTEGER NOT NULL DEFAULT NULL", WEFT_SCHEMA,
            "column \"n\": it may not be NULL, but");
    refused(place, ATOMIC "id BLOB PRIMARY KEY, n INTEGER NOT NULL DEFAULT (1 + NULL)", WEFT_SCHEMA,
            "column \"n\": it may not be NULL, but");
    refused(place, ATOMIC "id BLOB PRIMARY KEY, n BLOB NOT NULL /* @node */", WEFT_SCHEMA,
            "take NOT NULL off, since the engine fills it in");
    const struct model *model =
        model_of(place,
                 "CREATE TABLE u (" UNIQUE "id BLOB PRIMARY KEY, n INTEGER NOT NULL);"
                 "CREATE TABLE t (" ATOMIC "id BLOB PRIMARY KEY, a INTEGER,"
                 " b INTEGER NOT NULL DEFAULT 0, c TEXT DEFAULT 'x');",
                 "t");
    assert_false(column_of(model, "id")->optional);
    assert_false(column_of(model, "a")->optional);
    assert_true(column_of(model, "b")->optional && column_of(model, "b")->not_null);
    assert_false(column_of(model, "c")->optional);
}

static void a_default_must_be_a_constant(void **state) {
    struct place *place = *state;
    static const char *const changing[] = {"CURRENT_TIMESTAMP",
                                           "current_date",
                                           "CURRENT_TIME",
                                           "(random())",
                                           "(strftime('%s', 'now'))",
                                           "(1 + abs(-1))",
                                           "(CASE WHEN 1 THEN 2 ELSE datetime('now') END)"};
    static const char *const constant[] = {"0",     "-1.5",    "+2",      "'it''s (now)'",
                                           "x'00'", "NULL",    "true",    "FALSE",
                                           "word",  "\"a b\"", "(1 + 2)", "('a' || 'b' /* ( */)"};
    for (size_t i = 0; i < sizeof changing / sizeof changing[0]; i++) {
        char inside[200];
        snprintf(inside, sizeof inside, UNIQUE "id BLOB PRIMARY KEY, c DEFAULT %s", changing[i]);
        refused(place, inside, WEFT_SCHEMA, "column \"c\": its DEFAULT (");
        snprintf(inside, sizeof inside, RELATION "a, b, c NOT NULL DEFAULT %s, PRIMARY KEY (a, b)",
                 changing[i]);
        refused(place, inside, WEFT_SCHEMA, "is not a constant");
    }
    refused(place, UNIQUE "id BLOB PRIMARY KEY, c DEFAULT (no_such_function(1))", WEFT_SCHEMA,
            "no_such_function");
    for (size_t i = 0; i < sizeof constant / sizeof constant[0]; i++) {
        char schema[200];
        snprintf(schema, sizeof schema,
                 "DROP TABLE IF EXISTS t; CREATE TABLE t (" ATOMIC
                 "id BLOB PRIMARY KEY, c DEFAULT %s, d NOT NULL DEFAULT %s);",
                 constant[i], strcmp(constant[i], "NULL") == 0 ? "1" : constant[i]);
        model_of(place, schema, "t");
    }
    /* Keys are always given, and owned rows always written whole. */
    model_of(place,
             "CREATE TABLE k (" UNIQUE "id BLOB PRIMARY KEY DEFAULT (randomblob(16)));"
             "CREATE TABLE o (/* @owned(owner: o) */ id BLOB PRIMARY KEY, o BLOB,"
             " at DEFAULT CURRENT_TIMESTAMP);",
             "k");
}

static void a_default_may_end_in_a_comment(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(
        place, "CREATE TABLE t (" ATOMIC "id BLOB PRIMARY KEY, c NOT NULL DEFAULT (1 -- )\n));",
        "t");
    assert_true(column_of(model, "c")->optional);
}

/* ---- @node ----------------------------------------------------------------------------------- */

static void a_node_column_is_marked_in_its_model(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE t (" ATOMIC "\n id BLOB PRIMARY KEY, plain BLOB,\n"
                 " \"first \"\"seen\" BLOB, -- @node\n added_by /* @node */);"
                 "CREATE TABLE o (/* @owned(owner: o) */ id BLOB PRIMARY KEY, o BLOB,"
                 " w BLOB NOT NULL -- @node\n);",
                 "t");
    assert_true(column_of(model, "first \"seen")->node);
    assert_true(column_of(model, "added_by")->node);
    assert_false(column_of(model, "plain")->node || column_of(model, "id")->node);
    assert_true(column_of(model, "added_by")->optional);
    const struct model *owned = models_find(place->store.models, "o", 1);
    assert_true(column_of(owned, "w")->node && column_of(owned, "w")->optional);
    /* And so after the engine has added its own columns. */
    model = model_of(place, NULL, "t");
    assert_true(column_of(model, "first \"seen")->node);
    assert_false(column_of(model, "plain")->node);
}

static void a_node_mark_on_a_column_that_cannot_hold_an_id_is_refused(void **state) {
    struct place *place = *state;
    refused(place, UNIQUE "id BLOB PRIMARY KEY, w TEXT /* @node */", WEFT_SCHEMA,
            "column \"w\": it is marked @node");
    refused(place, UNIQUE "id BLOB PRIMARY KEY, w NUMERIC /* @node */", WEFT_SCHEMA,
            "declare it BLOB, or without a type");
    refused(place, UNIQUE "id BLOB PRIMARY KEY /* @node */", WEFT_SCHEMA, "it is part of the key");
    refused(place, "/* @owned(owner: O) */ id BLOB PRIMARY KEY, o BLOB /* @node */", WEFT_SCHEMA,
            "it names the owner");
    refused(place,
            "/* @shared(create: unique, id: u) */ n INTEGER PRIMARY KEY /* @node */,"
            " u BLOB NOT NULL UNIQUE",
            WEFT_SCHEMA, "this device's own row number");
    refused(place, UNIQUE "id BLOB PRIMARY KEY, w BLOB, /* @node */ x INT", WEFT_SCHEMA,
            "line 1, column ");
}

static void columns_that_are_filled_in_may_be_given_as_null(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE t (" ATOMIC
                 "id BLOB PRIMARY KEY, a INTEGER NOT NULL DEFAULT 7, w /* @node */);"
                 "CREATE TABLE u (" UNIQUE "id BLOB PRIMARY KEY, a INTEGER NOT NULL DEFAULT 7,"
                 " w BLOB NOT NULL /* @node */);",
                 "t");
    struct weft_error *why = &place->why;
    struct weft_value null = weft_null(), one = weft_integer(1), text = weft_text("x", 1);
    struct weft_value id = weft_blob("0123456789abcdef", 16), part = weft_blob("01234", 5);
    struct weft_value letters = weft_text("0123456789abcdef", 16);
    assert_int_equal(model_accepts(model, 0, &null, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 1, &null, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 1, &one, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 1, &text, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 2, &null, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 2, &id, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 2, &part, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 2, &letters, why), WEFT_TYPE);
    assert_non_null(strstr(why->text, "pass NULL, and the engine fills it in"));
    model = models_find(place->store.models, "u", 1);
    assert_int_equal(model_accepts(model, 1, &null, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 2, &null, why), WEFT_OK);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static void fields_are_numbered_from_0_without_the_key(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE o (/* @owned(owner: o) */ id BLOB PRIMARY KEY, o BLOB);"
                 "CREATE TABLE t (" RELATION "x, a, y, b, z BLOB /* @node */, PRIMARY KEY (a, b));"
                 "CREATE TABLE u (" UNIQUE "id BLOB PRIMARY KEY, x, y);",
                 "t");
    assert_int_equal(column_of(model, "x")->field, 0);
    assert_int_equal(column_of(model, "y")->field, 1);
    assert_int_equal(column_of(model, "z")->field, 2);
    model = models_find(place->store.models, "u", 1);
    assert_int_equal(column_of(model, "x")->field, 0);
    assert_int_equal(column_of(model, "y")->field, 1);
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT group_concat(model || field || name, ' ') FROM "
                                        "(SELECT * FROM _weft_field ORDER BY model, field)",
                                        -1, &query, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(query, 0), "t0x t1y t2z u0x u1y");
    sqlite3_finalize(query);
    sqlite3_close(db);
}

static void a_field_keeps_its_number_and_nobody_else_gets_it(void **state) {
    struct place *place = *state;
    const char *const first = "CREATE TABLE t (" UNIQUE "id BLOB PRIMARY KEY, x, y, z);";
    assert_int_equal(column_of(model_of(place, first, "t"), "z")->field, 2);
    const struct model *model =
        model_of(place, "ALTER TABLE t DROP COLUMN y; ALTER TABLE t ADD COLUMN w;", "t");
    assert_int_equal(column_of(model, "x")->field, 0);
    assert_int_equal(column_of(model, "z")->field, 2);
    assert_int_equal(column_of(model, "w")->field, 3);
    /* A name that comes back is the field it was, also in another case and in a new table. */
    model = model_of(place,
                     "DROP TABLE t; CREATE TABLE T (" UNIQUE "id BLOB PRIMARY KEY, v, Y, x);", "t");
    assert_int_equal(column_of(model, "v")->field, 4);
    assert_int_equal(column_of(model, "y")->field, 1);
    assert_int_equal(column_of(model, "x")->field, 0);
}

static void more_fields_than_allowed_are_refused(void **state) {
    struct place *place = *state;
    char schema[8192] = "CREATE TABLE t (" UNIQUE "id BLOB PRIMARY KEY";
    size_t at = strlen(schema);
    for (unsigned i = 0; i < LIMIT_COLUMNS - 1; i++)
        at += (size_t)snprintf(schema + at, sizeof schema - at, ", c%u", i);
    snprintf(schema + at, sizeof schema - at, ");");
    assert_int_equal(column_of(model_of(place, schema, "t"), "c254")->field, 254);
    const char *const one = "ALTER TABLE t DROP COLUMN c0; ALTER TABLE t ADD COLUMN d;";
    assert_int_equal(column_of(model_of(place, one, "t"), "d")->field, 255);
    const char *const two = "ALTER TABLE t DROP COLUMN c1; ALTER TABLE t ADD COLUMN e;";
    assert_int_equal(compile(place, two), WEFT_LIMIT);
    assert_non_null(strstr(place->why.text, "column \"e\""));
    assert_non_null(strstr(place->why.text, "has had 256 columns"));
    /* What was refused has left no trace. */
    assert_int_equal(column_of(model_of(place, NULL, "t"), "c1")->field, 1);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(shared_tables_become_models_of_either_kind),
        place_test(a_relation_is_known_by_its_pair),
        place_test(a_relation_with_another_key_is_refused),
        place_test(a_unique_index_that_does_not_tell_whom_it_keeps_out_is_refused),
        place_test(an_integer_key_is_refused_with_what_to_write_instead),
        place_test(an_owner_may_be_named_through_a_shared_table),
        place_test(columns_of_an_atomic_table_may_be_null_or_have_a_default),
        place_test(a_default_must_be_a_constant),
        place_test(a_default_may_end_in_a_comment),
        place_test(a_node_column_is_marked_in_its_model),
        place_test(a_node_mark_on_a_column_that_cannot_hold_an_id_is_refused),
        place_test(columns_that_are_filled_in_may_be_given_as_null),
        place_test(fields_are_numbered_from_0_without_the_key),
        place_test(a_field_keeps_its_number_and_nobody_else_gets_it),
        place_test(more_fields_than_allowed_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
