/* The place: schema, one location, and short names for what nearly every test does. */
#include "tests/lib/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

const char place_schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    " id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT,"
    " size INTEGER CHECK (size >= 0)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS misc ( -- @owned(owner: o)\n"
    " a INTEGER, b TEXT, o BLOB NOT NULL, any, label TEXT COLLATE NOCASE, number NUMERIC,"
    " ratio REAL,"
    " PRIMARY KEY (b, a));";

int place_setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    scratch_make(place->folder);
    library_open(&place->a, place->folder, "a.weft", place_schema, ME);
    run_begin(&place->run, &place->a, "location");
    run_put(&place->run, "bbt", 0xaa, ME, "/home");
    place_commits(place);
    place_fresh(place, "entry");
    *state = place;
    return 0;
}

int place_teardown(void **state) {
    struct place *place = *state;
    run_drop(&place->run);
    library_close(&place->a);
    scratch_remove(place->folder);
    free(place);
    return 0;
}

struct run *place_fresh(struct place *place, const char *table) {
    run_drop(&place->run);
    run_begin(&place->run, &place->a, table);
    return &place->run;
}

void place_commits(struct place *place) {
    place->tally = (struct writer_tally){0};
    library_ok(&place->a, run_commit(&place->run, &place->tally));
}

void place_refused(struct place *place, enum weft_status status, const char *said) {
    enum weft_status got = run_commit(&place->run, NULL);
    if (got != status || strstr(place->a.why.text, said) == NULL) {
        fail_msg("%s instead of %s: %s", weft_status_name(got), weft_status_name(status),
                 place->a.why.text);
    }
}

void place_receives(struct place *place, uint8_t owner) {
    place->tally = (struct writer_tally){0};
    run_receive(&place->run, &place->a, owner, &place->tally);
}

enum row_op place_op(const struct place *place, uint32_t row) {
    return rows_op(place->run.builder.rows, row);
}

uint64_t place_version(const struct place *place, uint32_t row) {
    return rows_version(place->run.builder.rows, row);
}

int64_t place_count(const struct place *place, const char *sql) {
    return library_count(&place->a, sql);
}

void place_text(const struct place *place, const char *sql, const char *wanted) {
    char text[256];
    assert_string_equal(library_ask(&place->a, sql, text, sizeof text), wanted);
}
