/* Devices whose application has different versions of the schema, and tables that had rows before
 * they were shared: whole engines, joined by real sockets. */
#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

#define OLD                                                                        \
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"          \
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT) WITHOUT ROWID;\n"  \
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"           \
    "  id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location (id),\n" \
    "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB) WITHOUT ROWID;\n"  \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"                \
    "  id BLOB PRIMARY KEY, name TEXT, color INTEGER"
static const char old_schema[] = OLD ");\n";
static const char new_schema[] =
    OLD ", note TEXT);\n"
        "CREATE TABLE IF NOT EXISTS list ( -- @shared(create: atomic)\n"
        "  id BLOB PRIMARY KEY, title TEXT);\n";

/* ---- parties with shared tables -------------------------------------------------------------- */

static void must(enum weft_status status, const char *doing, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    fail_msg("%s: %s: %s", doing, weft_status_name(status), why == NULL ? "" : why->text);
}

/* A file, as a program opens it that knows nothing of the library. */
static void plain(const struct party *party, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_null(party->engine);
    assert_int_equal(sqlite3_open(party->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Opens it again with another version of the schema; `before` is run on the closed file. */
static void returns_with(struct party *party, const char *schema, const char *before) {
    party_leave(party);
    if (before != NULL) plain(party, before);
    party->config.schema = schema;
    party_return(party);
}

/* A new device with this schema comes into the library of `of`. */
static void starts(struct party *party, struct trio *trio, const char *name, const char *schema) {
    party_start(party, trio->folder, name, &trio->a);
    returns_with(party, schema, NULL);
}

/* The same, but with the schema from the first moment on, and whatever the file holds already. */
static void joins(struct party *party, struct trio *trio, const char *name, const char *schema,
                  const char *before) {
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    memset(party, 0, sizeof *party);
    snprintf(party->path, sizeof party->path, "%s/%s.db", trio->folder, name);
    party->config = (struct weft_config){.path = party->path, .schema = schema};
    if (before != NULL) plain(party, before);
    party_invite(&trio->a, NULL, link);
    must(weft_join(&party->config, link, PARTY_PATIENCE_MS, &party->engine, &why), "join", &why);
    must(weft_open_reader(party->engine, &party->reader, &why), "weft_open_reader", &why);
    weft_device(party->engine, party->device);
}

static uint64_t commits(weft_tx *tx) {
    uint64_t ticket = 0;
    must(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), "weft_commit_wait", NULL);
    return ticket;
}

static weft_tx *begins(struct party *party) {
    weft_tx *tx = NULL;
    must(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), "weft_begin_wait", NULL);
    return tx;
}

/* Row `n` of a table, whose id is sixteen times that byte; `values[0]` is filled in. Returns when
 * so many other devices have it. */
static void puts_row(struct party *party, const char *table, uint8_t n, struct weft_value *values,
                     unsigned count, unsigned devices) {
    uint8_t id[WEFT_ID_SIZE];
    weft_tx *tx = begins(party);
    memset(id, n, sizeof id);
    values[0] = weft_blob(id, sizeof id);
    must(weft_put(tx, weft_model(party->engine, table), values, count), "put", weft_tx_why(tx));
    party_wait(party, commits(tx), devices == 0 ? WEFT_DURABLE : WEFT_REPLICATED, devices);
}

static void puts_tag(struct party *party, uint8_t n, const char *name, int64_t color,
                     const char *note, unsigned devices) {
    struct weft_value values[] = {weft_null(), weft_text(name, strlen(name)), weft_integer(color),
                                  note == NULL ? weft_null() : weft_text(note, strlen(note))};
    const unsigned count = weft_column_count(party->engine, weft_model(party->engine, "tag"));
    puts_row(party, "tag", n, values, count, devices);
}

static void sets_tag(struct party *party, uint8_t n, const char *column, const char *text,
                     unsigned devices) {
    uint8_t id[WEFT_ID_SIZE];
    weft_tx *tx = begins(party);
    const int model = weft_model(party->engine, "tag");
    memset(id, n, sizeof id);
    const struct weft_value key = weft_blob(id, sizeof id);
    const struct weft_value value = weft_text(text, strlen(text));
    must(weft_set(tx, model, &key, 1, weft_column(party->engine, model, column), &value), "set",
         weft_tx_why(tx));
    party_wait(party, commits(tx), devices == 0 ? WEFT_DURABLE : WEFT_REPLICATED, devices);
}

/* So many tags are as the condition says. */
static void has(struct party *party, const char *condition, int64_t count) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM tag WHERE %s", condition);
    party_wait_number(party, sql, count);
}

/* ---- versions -------------------------------------------------------------------------------- */

/* b, of the new version, writes; a, of the old one, has it, and shows what it can. */
static void newer_writes_reach_older(struct trio *trio) {
    struct party *a = &trio->a, *b = &trio->b;
    returns_with(a, old_schema, NULL);
    starts(b, trio, "b", new_schema);
    party_connect(b, a);
    puts_tag(a, 1, "one", 10, NULL, 1);
    sets_tag(b, 1, "note", "of one", 1);
    puts_tag(b, 2, "two", 20, "of two", 1);
    struct weft_value list[] = {weft_null(), weft_text("all", 3)};
    puts_row(b, "list", 7, list, 2, 1);
    has(a, "name = 'two' AND color = 20", 1);
    assert_int_equal(party_number(a, "SELECT count(*) FROM pragma_table_info('tag') "
                                     "WHERE name = 'note'"),
                     0);
    assert_int_equal(weft_model(a->engine, "list"), WEFT_NOT_FOUND);
}

static void what_an_older_version_does_not_show_passes_through_it(void **state) {
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b, *c = &trio->c;
    newer_writes_reach_older(trio);
    /* c comes when b has gone: it never meets it. */
    party_leave(b);
    starts(c, trio, "c", new_schema);
    party_connect(c, a);
    has(c, "name = 'one' AND color = 10 AND note = 'of one'", 1);
    has(c, "name = 'two' AND color = 20 AND note = 'of two'", 1);
    party_wait_number(c, "SELECT count(*) FROM list WHERE title = 'all'", 1);
}

static void what_an_older_version_writes_leaves_what_it_does_not_show(void **state) {
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b, *c = &trio->c;
    newer_writes_reach_older(trio);
    sets_tag(a, 1, "name", "uno", 1);
    puts_tag(a, 2, "dos", 21, NULL, 1);
    has(b, "name = 'uno' AND color = 10 AND note = 'of one'", 1);
    has(b, "name = 'dos' AND color = 21 AND note = 'of two'", 1);
    /* Nor does it when it is opened again as it is. */
    party_leave(b);
    returns_with(a, old_schema, NULL);
    sets_tag(a, 1, "name", "eins", 0);
    starts(c, trio, "c", new_schema);
    party_connect(c, a);
    has(c, "name = 'eins' AND color = 10 AND note = 'of one'", 1);
    has(c, "name = 'dos' AND color = 21 AND note = 'of two'", 1);
}

static void a_version_that_has_come_shows_what_was_kept_for_it(void **state) {
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b;
    newer_writes_reach_older(trio);
    sets_tag(a, 1, "name", "uno", 1);
    party_leave(b);
    returns_with(a, new_schema, "ALTER TABLE tag ADD COLUMN note TEXT");
    has(a, "name = 'uno' AND color = 10 AND note = 'of one'", 1);
    has(a, "name = 'two' AND color = 20 AND note = 'of two'", 1);
    assert_int_equal(party_number(a, "SELECT count(*) FROM list WHERE title = 'all'"), 1);
    assert_int_equal(party_number(a, "SELECT count(*) FROM _weft_shadow"), 0);
    /* And it is a column like others now. */
    party_return(b);
    party_connect(a, b);
    sets_tag(a, 1, "note", "anew", 1);
    has(b, "name = 'uno' AND note = 'anew'", 1);
    sets_tag(b, 2, "note", "as well", 1);
    has(a, "name = 'two' AND note = 'as well'", 1);
}

static void a_row_that_an_older_version_deletes_is_gone_with_all_its_columns(void **state) {
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b;
    newer_writes_reach_older(trio);
    uint8_t id[WEFT_ID_SIZE];
    memset(id, 2, sizeof id);
    const struct weft_value key = weft_blob(id, sizeof id);
    weft_tx *tx = begins(a);
    must(weft_delete(tx, weft_model(a->engine, "tag"), &key, 1), "delete", weft_tx_why(tx));
    party_wait(a, commits(tx), WEFT_REPLICATED, 1);
    has(b, "true", 1);
    puts_tag(a, 2, "two again", 22, NULL, 1);
    has(b, "name = 'two again' AND note IS NULL", 1);
}

/* b, whose version is the older one, writes a row of its own; a has columns more, one of which
 * cannot be NULL. Then b gets them, too. */
static void own_rows_of_an_older_version_have_the_default_of_what_it_lacks(void **state) {
    static const char more[] = "ALTER TABLE location ADD COLUMN stars INTEGER NOT NULL DEFAULT 3;"
                               "ALTER TABLE location ADD COLUMN mood TEXT DEFAULT 'good'";
    static const char wanted[] =
        "SELECT count(*) FROM location WHERE path = '/home' AND stars = 3 AND mood = 'good'";
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b;
    returns_with(a, old_schema, more);
    starts(b, trio, "b", old_schema);
    party_connect(b, a);
    party_wait_number(a, wanted, 2);
    /* Nor is a column that it lacks dropped: a's row waits until b has them. */
    assert_int_equal(party_number(b, "SELECT count(*) FROM location"), 1);
    returns_with(b, old_schema, more);
    party_connect(b, a);
    party_wait_number(b, wanted, 2);
    party_leave(a);
    party_leave(b);
    const struct party *both[] = {a, b};
    party_assert_equal(both, 2);
}

/* ---- rows from before ------------------------------------------------------------------------ */

#define SONGS "CREATE TABLE IF NOT EXISTS song (%s\n id BLOB PRIMARY KEY, title TEXT, year REAL);"

static void a_table_annotated_while_it_is_closed_arrives_whole(void **state) {
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b;
    struct weft_error why = {0};
    char *schema = sqlite3_mprintf("%s" SONGS, party_schema, " -- @shared(create: unique)");
    char *before = sqlite3_mprintf(
        SONGS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
              "INSERT INTO song SELECT randomblob(16), 'song ' || i, i / 8.0 FROM n;",
        "");
    party_leave(a);
    plain(a, before);
    must(weft_annotate(a->path, "song", "@shared(create: unique)", &why), "weft_annotate", &why);
    party_return(a);
    assert_int_equal(party_number(a, "SELECT count(*) FROM song WHERE _weft_clock IS NOT NULL"),
                     10000);
    joins(b, trio, "b", schema, NULL);
    party_wait_number(b, "SELECT count(*) FROM song", 10000);
    party_leave(a);
    party_leave(b);
    const struct party *parties[] = {a, b};
    party_assert_equal(parties, 2);
    sqlite3_free(before);
    sqlite3_free(schema);
}

static void rows_of_one_that_joins_are_taken_in_when_it_is_opened_as_a_member(void **state) {
    struct trio *trio = *state;
    struct party *a = &trio->a, *b = &trio->b;
    returns_with(a, new_schema, NULL);
    puts_tag(a, 1, "one of a", 1, "a", 0);
    joins(b, trio, "b", new_schema,
          "CREATE TABLE tag ( -- @shared(create: unique)\n"
          "  id BLOB PRIMARY KEY, name TEXT, color INTEGER, note TEXT);"
          "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
          "INSERT INTO tag SELECT CAST(printf('%016d', i) AS BLOB), 'before', i, 'b' FROM n;"
          "INSERT INTO tag VALUES (x'01010101010101010101010101010101', 'one of b', 1, NULL)");
    puts_tag(b, 200, "after", 200, NULL, 1);
    has(a, "true", 2);
    party_wait_number(b, "SELECT count(*) FROM _weft_shadow", 1);
    /* They wait, and nothing that comes changes them. */
    has(b, "_weft_clock IS NULL", 100);
    has(b, "name = 'one of b'", 1);
    party_leave(b);
    must(weft_open(&b->config, &b->engine, NULL), "weft_open", NULL);
    must(weft_open_reader(b->engine, &b->reader, NULL), "weft_open_reader", NULL);
    has(b, "_weft_clock IS NULL", 0);
    has(b, "true", 101);
    party_connect(b, a);
    has(a, "name = 'before' AND note = 'b'", 99);
    /* Of the row that both had, what differed was written by the one that came later. */
    has(a, "name = 'one of b' AND color = 1 AND note IS NULL", 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(what_an_older_version_does_not_show_passes_through_it),
        TRIO_TEST(what_an_older_version_writes_leaves_what_it_does_not_show),
        TRIO_TEST(a_version_that_has_come_shows_what_was_kept_for_it),
        TRIO_TEST(a_row_that_an_older_version_deletes_is_gone_with_all_its_columns),
        TRIO_TEST(own_rows_of_an_older_version_have_the_default_of_what_it_lacks),
        TRIO_TEST(a_table_annotated_while_it_is_closed_arrives_whole),
        TRIO_TEST(rows_of_one_that_joins_are_taken_in_when_it_is_opened_as_a_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
