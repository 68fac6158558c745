/* Models: which tables become one, with what key and owner, and what each refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/library.h"

#define LOCATION                                                          \
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n" \
    " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT);"

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

/* The schema is refused; the message names the table `t` and says this. */
static void refused(struct place *place, const char *schema, enum weft_status status,
                    const char *said) {
    enum weft_status got = compile(place, schema);
    if (got != status || strstr(place->why.text, said) == NULL ||
        strstr(place->why.text, "table \"t\"") == NULL) {
        fail_msg("%s\n -> %s: %s", schema, weft_status_name(got), place->why.text);
    }
    assert_int_equal(place->why.status, status);
}

static void owned_tables_become_models_and_others_stay_local(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(place,
                                         LOCATION "CREATE TABLE statistics (n INTEGER);"
                                                  "CREATE TABLE plain ( -- @local\n n INTEGER);",
                                         "location");
    assert_int_equal(model->id, 1);
    assert_int_equal(model->column_count, 3);
    assert_int_equal(model->key_count, 1);
    assert_int_equal(model->key[0], 0);
    assert_int_equal(model->owner_column, 1);
    assert_null(model->owner_model);
    assert_int_equal(place->store.models->order_count, 1);
    assert_null(models_find(place->store.models, "statistics", 10));
    assert_null(models_find(place->store.models, "plain", 5));
}

static void owners_come_before_what_they_own(void **state) {
    struct place *place = *state;
    static const char schema[] =
        "CREATE TABLE note ( -- @owned(owner: entry_id)\n"
        " id BLOB PRIMARY KEY, entry_id BLOB REFERENCES entry(id));"
        "CREATE TABLE entry ( -- @owned(owner: location_id)\n"
        " id BLOB PRIMARY KEY, location_id BLOB REFERENCES location);" LOCATION;
    const struct model *note = model_of(place, schema, "note");
    const struct models *models = place->store.models;
    assert_int_equal(models->order_count, 3);
    assert_string_equal(models_get(models, models->by_depth[0])->name, "location");
    assert_string_equal(models_get(models, models->by_depth[1])->name, "entry");
    assert_string_equal(models_get(models, models->by_depth[2])->name, "note");
    assert_string_equal(note->owner_model->name, "entry");
    assert_string_equal(note->owner_model->owner_model->name, "location");
    assert_null(note->owner_model->owner_model->owner_model);
}

/* What a row has that comes from an owner who does not have the column yet. */
static void a_constant_default_of_an_own_table_is_known(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE location ( -- @owned(owner: device_id)\n"
                 " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, none TEXT, number INTEGER "
                 "DEFAULT -3, real REAL DEFAULT 1.5, text TEXT DEFAULT 'good', word TEXT DEFAULT "
                 "red, blob BLOB DEFAULT x'0102', sum INTEGER DEFAULT (1 + 2), empty TEXT DEFAULT "
                 "'', now TEXT DEFAULT CURRENT_TIMESTAMP, drawn INTEGER DEFAULT (random()));",
                 "location");
    const struct weft_value wanted[] = {
        weft_null(),     weft_null(),          weft_null(),         weft_integer(-3),
        weft_real(1.5),  weft_text("good", 4), weft_text("red", 3), weft_blob("\1\2", 2),
        weft_integer(3), weft_text("", 0),     weft_null(),         weft_null()};
    assert_int_equal(model->column_count, sizeof wanted / sizeof *wanted);
    for (uint32_t c = 0; c < model->column_count; c++) {
        const struct weft_value *have = &model->columns[c].unset;
        assert_int_equal(have->type, wanted[c].type);
        assert_int_equal(have->size, wanted[c].size);
        if (have->type == WEFT_INTEGER) assert_int_equal(have->as.integer, wanted[c].as.integer);
        if (have->type == WEFT_REAL) assert_true(have->as.real == wanted[c].as.real);
        if (have->size > 0) assert_memory_equal(have->as.bytes, wanted[c].as.bytes, have->size);
    }
}

static void names_are_found_without_regard_to_case(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(place, LOCATION, "LOCATION");
    assert_int_equal(model_column(model, "Device_ID", 9), 1);
    assert_int_equal(model_column(model, "device_i", 8), -1);
    assert_int_equal(model_column(model, "device_idx", 10), -1);
    assert_null(models_get(place->store.models, 0));
    assert_null(models_get(place->store.models, 2));
}

static void types_follow_the_affinity_of_the_declared_type(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(
        place,
        "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB, a BIGINT, b "
        "VARCHAR(9),"
        " c DOUBLE PRECISION, d NUMERIC, e, f CLOB, g FLOATING POINT, h DATETIME, i CHARINT);",
        "t");
    static const enum weft_type wanted[] = {WEFT_BLOB,    WEFT_BLOB, WEFT_INTEGER, WEFT_TEXT,
                                            WEFT_REAL,    WEFT_NULL, WEFT_NULL,    WEFT_TEXT,
                                            WEFT_INTEGER, WEFT_NULL, WEFT_INTEGER};
    assert_int_equal(model->column_count, 11);
    for (uint32_t c = 0; c < 11; c++)
        assert_int_equal(model->columns[c].type, wanted[c]);
}

static void keys_may_be_composite_and_in_another_order_than_the_columns(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE t ( -- @owned(owner: o)\n o BLOB NOT NULL, a INTEGER, b TEXT,"
                 " PRIMARY KEY (b, a)) WITHOUT ROWID;",
                 "t");
    assert_int_equal(model->key_count, 2);
    assert_int_equal(model->key[0], 2);
    assert_int_equal(model->key[1], 1);
    assert_int_equal(model->columns[2].key_place, 0);
    assert_int_equal(model->columns[1].key_place, 1);
    assert_true(model->without_rowid);
    assert_true(model->columns[1].not_null);
}

static void id_names_another_key_and_the_row_number_stays_at_home(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(place,
                                         "CREATE TABLE t ( -- @owned(owner: o, id: uuid)\n"
                                         " n INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE,"
                                         " o BLOB NOT NULL, name TEXT);",
                                         "t");
    assert_int_equal(model->column_count, 3);
    assert_string_equal(model->columns[0].name, "uuid");
    assert_int_equal(model->key[0], 0);
    assert_int_equal(model_column(model, "n", 1), -1);
}

static void an_integer_key_is_refused_with_what_to_write_instead(void **state) {
    struct place *place = *state;
    refused(place, "CREATE TABLE t ( -- @owned(owner: o)\n id INTEGER PRIMARY KEY, o BLOB);",
            WEFT_INTEGER_KEY, "id BLOB PRIMARY KEY");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o, id: id)\n id INTEGER PRIMARY KEY, o BLOB);",
            WEFT_INTEGER_KEY, "NOT NULL UNIQUE: @owned(owner: ..., id: that_column)");
    /* INT is not a row number. */
    model_of(place, "CREATE TABLE t ( -- @owned(owner: o)\n id INT PRIMARY KEY, o BLOB);", "t");
}

static void a_key_that_cannot_identify_is_refused(void **state) {
    struct place *place = *state;
    refused(place, "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB, o BLOB);", WEFT_SCHEMA,
            "no PRIMARY KEY");
    refused(place, "CREATE TABLE t ( -- @owned(owner: o)\n id REAL PRIMARY KEY, o BLOB);",
            WEFT_SCHEMA, "REAL");
    refused(place, "CREATE TABLE t ( -- @owned(owner: o)\n id NUMERIC PRIMARY KEY, o BLOB);",
            WEFT_SCHEMA, "changes some values");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o)\n id TEXT COLLATE NOCASE PRIMARY KEY, o BLOB);",
            WEFT_SCHEMA, "COLLATE NOCASE");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o)\n id TEXT, o BLOB,"
            " PRIMARY KEY (id COLLATE RTRIM));",
            WEFT_SCHEMA, "COLLATE RTRIM");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o, id: u)\n id BLOB PRIMARY KEY, u BLOB NOT NULL,"
            " o BLOB);",
            WEFT_SCHEMA, "not UNIQUE");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o, id: u)\n id BLOB PRIMARY KEY, u BLOB UNIQUE,"
            " o BLOB);",
            WEFT_SCHEMA, "may be NULL");
    refused(place, "CREATE TABLE t ( -- @owned(owner: o, id: v)\n id BLOB PRIMARY KEY, o BLOB);",
            WEFT_SCHEMA, "no such column");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o, id: [u, u])\n u BLOB NOT NULL UNIQUE, o BLOB);",
            WEFT_SCHEMA, "named twice");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o, id: u)\n id BLOB PRIMARY KEY, u BLOB NOT NULL,"
            " o BLOB); CREATE UNIQUE INDEX part ON t(u) WHERE o IS NOT NULL;",
            WEFT_SCHEMA, "not UNIQUE");
}

static void more_key_columns_than_allowed_are_refused(void **state) {
    struct place *place = *state;
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o)\n o BLOB, a,b,c,d,e,f,g,h,i,"
            " PRIMARY KEY (a,b,c,d,e,f,g,h,i));",
            WEFT_LIMIT, "more than 8 columns");
}

static void what_this_version_does_not_carry_is_refused(void **state) {
    struct place *place = *state;
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB, n INTEGER,"
            " m INTEGER AS (n + 1));",
            WEFT_UNSUPPORTED, "generated column");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB, n INTEGER,"
            " m INTEGER AS (n + 1) STORED);",
            WEFT_UNSUPPORTED, "generated column");
    refused(place, "CREATE VIRTUAL TABLE t USING fts5(id, o -- @owned(owner: o)\n);",
            WEFT_UNSUPPORTED, "virtual table");
}

static void an_owner_that_cannot_be_found_is_refused(void **state) {
    struct place *place = *state;
    refused(place, "CREATE TABLE t ( -- @owned(owner: device)\n id BLOB PRIMARY KEY, o BLOB);",
            WEFT_SCHEMA, "no such column");
    refused(place, "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o TEXT);",
            WEFT_SCHEMA, "it must be BLOB");
    refused(place,
            LOCATION "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY,"
                     " o BLOB REFERENCES location(path));",
            WEFT_SCHEMA, "must refer to the whole key of \"location\"");
    refused(place,
            LOCATION "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY,"
                     " o TEXT REFERENCES location(id));",
            WEFT_SCHEMA, "have its type");
    refused(place,
            "CREATE TABLE pair ( -- @owned(owner: o)\n a BLOB, b BLOB, o BLOB, PRIMARY KEY (a, b));"
            "CREATE TABLE t ( -- @owned(owner: a)\n id BLOB PRIMARY KEY, a BLOB, b BLOB,"
            " FOREIGN KEY (a, b) REFERENCES pair(a, b));",
            WEFT_SCHEMA, "an owner's key must be one column");
    refused(place,
            "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB REFERENCES u(id));"
            "CREATE TABLE u ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB REFERENCES t(id));",
            WEFT_SCHEMA, "in a circle");
}

static void an_owner_column_may_refer_to_a_local_table(void **state) {
    struct place *place = *state;
    const struct model *model =
        model_of(place,
                 "CREATE TABLE device (id BLOB PRIMARY KEY, name TEXT);"
                 "CREATE TABLE t ( -- @owned(owner: d)\n id BLOB PRIMARY KEY,"
                 " d BLOB REFERENCES device(id));",
                 "t");
    assert_null(model->owner_model);
}

static void ids_outlive_their_tables_and_are_never_reused(void **state) {
    struct place *place = *state;
#define TABLE(name) \
    "CREATE TABLE IF NOT EXISTS " name " ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB);"
    assert_int_equal(model_of(place, TABLE("a") TABLE("b"), "b")->id, 2);
    const struct model *c = model_of(place, "DROP TABLE b;" TABLE("c"), "c");
    assert_int_equal(c->id, 3);
    assert_int_equal(place->store.models->count, 3);
    assert_null(models_get(place->store.models, 2));
    assert_int_equal(models_get(place->store.models, 3)->id, 3);
    assert_int_equal(model_of(place, TABLE("b"), "b")->id, 2);
    assert_int_equal(model_of(place, NULL, "a")->id, 1);
#undef TABLE
}

static void more_tables_than_allowed_are_refused(void **state) {
    struct place *place = *state;
    char schema[8192];
    size_t at = 0;
    for (unsigned i = 0; i <= LIMIT_MODELS; i++) {
        at += (size_t)snprintf(schema + at, sizeof schema - at,
                               "CREATE TABLE t%u ( -- @owned(owner: o)\n id BLOB PRIMARY KEY,"
                               " o BLOB);",
                               i);
    }
    assert_int_equal(compile(place, schema), WEFT_LIMIT);
    assert_non_null(strstr(place->why.text, "64 synced tables"));
}

static void names_with_quotes_and_blanks_work(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(place,
                                         "CREATE TABLE \"a \"\"b\"\" c\" ( -- @owned(owner: o)\n"
                                         " \"the \"\"id\" BLOB PRIMARY KEY, o BLOB, [x y] TEXT);",
                                         "a \"b\" c");
    assert_string_equal(model->columns[0].name, "the \"id");
    assert_string_equal(model->columns[2].name, "x y");
}

static void values_are_judged_by_type_null_and_encoding(void **state) {
    struct place *place = *state;
    const struct model *model = model_of(
        place,
        "CREATE TABLE t ( -- @owned(owner: o)\n id PRIMARY KEY, o BLOB, i INTEGER NOT NULL,"
        " r REAL, s TEXT, a);",
        "t");
    struct weft_error *why = &place->why;
    struct weft_value null = weft_null(), one = weft_integer(1), half = weft_real(0.5);
    struct weft_value text = weft_text("x", 1), bad = weft_text("\xff", 1), nan = weft_real(NAN);
    assert_int_equal(model_accepts(model, 0, &one, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 0, &text, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 0, &null, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 0, &half, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 1, &null, why), WEFT_TYPE); /* the owner */
    assert_int_equal(model_accepts(model, 2, &one, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 2, &null, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 2, &text, why), WEFT_TYPE);
    assert_non_null(strstr(why->text, "given TEXT, but is declared to hold INTEGER"));
    assert_int_equal(model_accepts(model, 3, &half, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 3, &one, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 3, &nan, why), WEFT_TYPE);
    assert_int_equal(model_accepts(model, 4, &null, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 4, &bad, why), WEFT_NOT_UTF8);
    assert_int_equal(model_accepts(model, 5, &half, why), WEFT_OK);
    assert_int_equal(model_accepts(model, 5, &bad, why), WEFT_NOT_UTF8);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(owned_tables_become_models_and_others_stay_local),
        place_test(owners_come_before_what_they_own),
        place_test(a_constant_default_of_an_own_table_is_known),
        place_test(names_are_found_without_regard_to_case),
        place_test(types_follow_the_affinity_of_the_declared_type),
        place_test(keys_may_be_composite_and_in_another_order_than_the_columns),
        place_test(id_names_another_key_and_the_row_number_stays_at_home),
        place_test(an_integer_key_is_refused_with_what_to_write_instead),
        place_test(a_key_that_cannot_identify_is_refused),
        place_test(more_key_columns_than_allowed_are_refused),
        place_test(what_this_version_does_not_carry_is_refused),
        place_test(an_owner_that_cannot_be_found_is_refused),
        place_test(an_owner_column_may_refer_to_a_local_table),
        place_test(ids_outlive_their_tables_and_are_never_reused),
        place_test(more_tables_than_allowed_are_refused),
        place_test(names_with_quotes_and_blanks_work),
        place_test(values_are_judged_by_type_null_and_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
