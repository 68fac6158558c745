/* Ops of other devices applied: where a row goes that its table takes, and one that it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/quarantine.h"
#include "tests/lib/replica.h"

#define TAGS                                                                   \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"            \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER NOT NULL DEFAULT 3" \
    " CHECK (color < 100));\n"
#define SHOWN "SELECT id, name, color FROM tag ORDER BY id"
#define SHADOW "SELECT kind, model, reason FROM _weft_shadow ORDER BY model, key"

static int setup(void **state) {
    *state = calloc(1, sizeof(struct replica));
    return *state == NULL;
}

static int teardown(void **state) {
    struct replica *replica = *state;
    if (replica->disk != NULL) replica_close(replica);
    free(*state);
    return 0;
}

/* Opens the test's store anew, empty, with this schema. */
static struct replica *with(void **state, const char *schema) {
    struct replica *replica = *state;
    if (replica->disk != NULL) replica_close(replica);
    replica_open(replica, "apply", REPLICA_ME, schema);
    return replica;
}

/* ---- what this version does not know --------------------------------------------------------- */

static void a_table_that_is_not_known_is_kept_and_filled_when_it_appears(void **state) {
    struct replica *replica = with(state, TAGS);
    replica_hears(replica, 1, 2000, "Note +x text=one rank=#1; +y text=two; +z^3; -z");
    replica_hears(replica, 2, 3000, "note ~x rank=#2; ~w text=never-created");
    assert_int_equal(replica->tally.models, 0);
    replica_shows(replica, "SELECT kind FROM _weft_shadow ORDER BY key", "#2 #3 #3 #2");
    replica_reopen(replica, TAGS "CREATE TABLE note ( -- @shared(create: unique)\n"
                                 " key TEXT PRIMARY KEY, rank INTEGER, text TEXT);");
    replica_shows(replica, "SELECT key, rank, text FROM note ORDER BY key", "x|#2|one y|null|two");
    replica_shows(replica, "SELECT kind FROM _weft_shadow ORDER BY key", "#2 #2");
    assert_int_equal(replica->tally.parked, 0);
    replica_hears(replica, 1, 4000, "note +w text=created");
    replica_hears(replica, 1, 4000, "note +z rank=#9");
    replica_shows(replica, "SELECT key, rank, text FROM note ORDER BY key",
                  "w|null|created x|#2|one y|null|two z|#9|null");
}

static void a_column_that_is_not_known_is_kept_and_filled_when_it_appears(void **state) {
    struct replica *replica = with(state, TAGS);
    replica_hears(replica, 1, 2000, "tag +@1 name=a icon=star; +@2 name=b size=#5");
    replica_hears(replica, 2, 3000, "tag ~@1 color=#7; ~@2 icon=moon; +@3 name=c color=#1");
    replica_shows(replica, SHOWN, "@1|a|#7 @2|b|#3 @3|c|#1");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#1 #1");
    char *before = strdup(replica_dump(replica));
    replica_reopen(replica, TAGS "ALTER TABLE tag ADD COLUMN ICON TEXT;");
    replica_shows(replica, "SELECT id, icon FROM tag ORDER BY id", "@1|star @2|moon @3|null");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#1");
    assert_string_equal(replica_dump(replica), before);
    free(before);
    replica_reopen(replica, TAGS "ALTER TABLE tag ADD COLUMN size INTEGER;");
    replica_shows(replica, "SELECT id, icon, size FROM tag ORDER BY id",
                  "@1|star|null @2|moon|#5 @3|null|null");
    replica_shows(replica, SHADOW, "");
}

static void a_column_that_has_gone_leaves_null_and_no_trace_of_another_row(void **state) {
    struct replica *replica = with(state, TAGS "ALTER TABLE tag ADD COLUMN icon TEXT;");
    replica_hears(replica, 1, 2000, "tag +@1 name=a icon=star; +@2 name=b icon=moon");
    replica_reopen(replica, TAGS "ALTER TABLE tag DROP COLUMN icon;");
    replica_hears(replica, 1, 3000, "tag +@3 name=c icon=sun");
    replica_hears(replica, 1, 4000, "tag ~@1 color=#1; ~@2 color=#2");
    replica_reopen(replica, TAGS "ALTER TABLE tag ADD COLUMN icon TEXT;");
    replica_shows(replica, "SELECT id, icon, color FROM tag ORDER BY id",
                  "@1|null|#1 @2|null|#2 @3|sun|#3");
}

static void a_value_of_another_type_parks_its_row_until_it_fits(void **state) {
    struct replica *replica = with(state, TAGS);
    replica_hears(replica, 1, 2000, "tag +@1 name=a color=blue");
    replica_shows(replica, SHOWN, "");
    assert_int_equal(replica->tally.parked, 1);
    assert_int_equal(replica->tally.written, 1);
    replica_shows(replica, SHADOW,
                  "#3|tag|table \"tag\", column \"color\": it was given TEXT, but is declared to "
                  "hold INTEGER; pass a value of that type");
    replica_hears(replica, 2, 3000, "tag ~@1 name=b");
    assert_int_equal(replica->tally.parked, 0);
    replica_shows(replica, SHOWN, "");
    replica_hears(replica, 2, 4000, "tag ~@1 color=#5");
    replica_shows(replica, SHOWN, "@1|b|#5");
    replica_shows(replica, SHADOW, "");
    replica_hears(replica, 2, 5000, "tag ~@1 color=%0.5");
    replica_shows(replica, SHOWN, "");
    replica_hears(replica, 1, 6000, "tag -@1");
    replica_shows(replica, "SELECT kind, reason FROM _weft_shadow", "#2|null");
}

static void a_key_of_another_shape_is_kept_and_does_not_touch_rows(void **state) {
    static const char items[] = "CREATE TABLE IF NOT EXISTS item ( -- @shared(create: unique)\n"
                                " code TEXT PRIMARY KEY, a INTEGER);\n"
                                "CREATE TABLE IF NOT EXISTS pair ( -- @shared(create: unique)\n"
                                " x INTEGER, y INTEGER, a INTEGER, PRIMARY KEY (x, y));";
    struct replica *replica = with(state, items);
    replica_hears(replica, 1, 2000, "item +1 a=#1");
    replica_hears(replica, 1, 2000, "item +#1 a=#2; -#2");
    replica_hears(replica, 1, 2000, "item +1,1 a=#3");
    replica_hears(replica, 1, 2000, "pair +#1,#2 a=#1");
    replica_hears(replica, 1, 2000, "pair +1,2 a=#2; +#1,2 a=#3");
    replica_shows(replica, "SELECT kind FROM _weft_shadow ORDER BY model, key", "#3 #2 #3 #3 #3");
    char *before = strdup(replica_dump(replica));
    /* What compares equal in SQL is not the same key. */
    replica_reopen(replica, items);
    assert_string_equal(replica_dump(replica), before);
    replica_hears(replica, 1, 2500, "item ~1 a=#9; ~#1 a=#8");
    replica_shows(replica, "SELECT code, a FROM item", "1|#9");
    replica_shows(replica, "SELECT x, y, a FROM pair", "#1|#2|#1");
    replica_reopen(replica, items);
    replica_shows(replica, "SELECT kind FROM _weft_shadow ORDER BY model, key", "#3 #2 #3 #3 #3");
    free(before);
}

static void a_key_column_is_no_field(void **state) {
    struct replica *replica = with(state, TAGS);
    replica_hears(replica, 1, 2000, "tag +@1 name=a id=@2 ID2=x");
    replica_shows(replica, SHOWN, "@1|a|#3");
    assert_string_equal(replica_dump(replica), "tag @1 seen +2000/1 ID2=x^2000/1 name=a^2000/1\n");
}

/* ---- rivals ---------------------------------------------------------------------------------- */

/* Applies ops in every order, and asks what is shown then. Each begins with its device's digit; its
 * stamp is 1000 times that. */
static void on_every_order(struct replica *replica, const char *const *ops, unsigned count,
                           const char *sql, const char *wanted) {
    struct library *library = &replica->library;
    unsigned orders = 1, tried = 0;
    for (unsigned i = 2; i <= count; i++)
        orders *= i;
    for (unsigned order = 0; order < orders; order++, tried++) {
        unsigned left[8], rest = order;
        for (unsigned i = 0; i < count; i++)
            left[i] = i;
        replica_ok(replica, writer_begin(library->writer, &library->why));
        for (unsigned n = count; n > 0; n--) {
            const unsigned at = rest % n, op = left[at];
            rest /= n;
            left[at] = left[n - 1];
            const uint8_t device = (uint8_t)(ops[op][0] - '0');
            const struct bytes body = words_body(&replica->arena, ops[op] + 2);
            replica_ok(replica, replica_apply_within(replica, device, device * 1000u, body));
        }
        if (strcmp(replica_rows(replica, sql), wanted) != 0)
            fail_msg("order %u: %s", order, replica->text);
        writer_rollback(library->writer);
    }
    assert_int_equal(tried, orders);
}
#define EVERY_ORDER(replica, sql, wanted, ...)                               \
    do {                                                                     \
        static const char *const ops[] = {__VA_ARGS__};                      \
        on_every_order(replica, ops, sizeof ops / sizeof *ops, sql, wanted); \
    } while (0)

static void of_rivals_the_one_created_first_stands_whatever_came_first(void **state) {
    struct replica *replica = with(state, TAGS);
    EVERY_ORDER(replica, SHOWN, "@3|a|#1", "2 tag +@1 name=a color=#2", "1 tag +@3 name=a color=#1",
                "3 tag +@2 name=a color=#3");
    EVERY_ORDER(replica, "SELECT kind, substr(key, 3) FROM _weft_shadow", "#4|@2",
                "1 tag +@3 name=a", "2 tag +@2 name=a");
}

static void when_the_older_goes_or_is_renamed_the_next_comes(void **state) {
    struct replica *replica = with(state, TAGS);
    EVERY_ORDER(replica, SHOWN, "@2|a|#2", "1 tag +@1 name=a", "2 tag +@2 name=a color=#2",
                "3 tag +@3 name=a", "4 tag -@1");
    EVERY_ORDER(replica, SHOWN, "@1|b|#3 @2|a|#2", "1 tag +@1 name=a", "2 tag +@2 name=a color=#2",
                "3 tag +@3 name=a", "4 tag ~@1 name=b");
    EVERY_ORDER(replica, SHOWN, "@1|null|#3 @3|a|#3", "1 tag +@1 name=a", "2 tag +@2 name=a",
                "3 tag +@3 name=a", "4 tag ~@1 name=null", "5 tag -@2");
    /* What is created anew is as old as its last creation. */
    EVERY_ORDER(replica, SHOWN, "@2|a|#2", "1 tag +@1 name=a", "2 tag +@2 name=a color=#2",
                "3 tag +@1 name=a");
    EVERY_ORDER(replica, SHOWN, "@1|a|#3", "1 tag +@1 name=a", "2 tag +@2 name=a",
                "3 tag ~@2 color=#100");
    /* One that breaks another constraint keeps nobody out. */
    EVERY_ORDER(replica, SHOWN, "@2|a|#3", "1 tag +@1 name=a", "2 tag +@2 name=a",
                "3 tag ~@1 color=#100");
}

static void chains_of_rivals_settle_by_age_alone(void **state) {
    struct replica *replica = with(state, "CREATE TABLE t ( -- @shared(create: unique)\n"
                                          " id TEXT PRIMARY KEY, p TEXT UNIQUE, q TEXT UNIQUE);");
    static const char shown[] = "SELECT id FROM t ORDER BY id";
    /* a keeps b out, so that c may stand; when a goes, b comes and c goes. */
    EVERY_ORDER(replica, shown, "a c", "1 t +a p=x", "2 t +b p=x q=y", "3 t +c q=y");
    EVERY_ORDER(replica, shown, "b", "1 t +a p=x", "2 t +b p=x q=y", "3 t +c q=y", "4 t -a");
    EVERY_ORDER(replica, shown, "a c e", "1 t +a p=x", "2 t +b p=x q=y", "3 t +c p=w q=y",
                "4 t +d p=w q=z", "5 t +e q=z");
    EVERY_ORDER(replica, shown, "b d", "1 t +a p=x", "2 t +b p=x q=y", "3 t +c p=w q=y",
                "4 t +d p=w q=z", "5 t +e q=z", "6 t ~a p=u; -a");
    /* One that is older than both its rivals, and came last. */
    EVERY_ORDER(replica, shown, "a", "1 t +a p=x q=y", "2 t +b p=x", "3 t +c q=y");
}

static void rows_of_one_stamp_stand_by_their_keys(void **state) {
    struct replica *replica = with(state, TAGS);
    EVERY_ORDER(replica, SHOWN, "@1|a|#3", "1 tag +@2 name=a; +@1 name=a");
    EVERY_ORDER(replica, SHOWN, "@1|a|#3", "1 tag +@1 name=a; +@2 name=a");
    EVERY_ORDER(replica, SHOWN, "@1|a|#3 @3|b|#3", "1 tag +@3 name=a; +@2 name=a; +@1 name=a",
                "2 tag ~@3 name=b");
}

static void nulls_and_other_cases_are_no_rivals_unless_the_index_says_so(void **state) {
    struct replica *replica = with(state, TAGS);
    EVERY_ORDER(replica, SHOWN, "@1|null|#3 @2|null|#3 @3|a|#3 @4|A|#3", "1 tag +@1 name=null",
                "2 tag +@2", "3 tag +@3 name=a", "4 tag +@4 name=A");
    replica = with(state, "CREATE TABLE tag ( -- @shared(create: unique)\n"
                          " id BLOB PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE, color INTEGER);"
                          "CREATE UNIQUE INDEX two ON tag(color, name COLLATE BINARY);");
    EVERY_ORDER(replica, "SELECT id, name FROM tag ORDER BY id", "@1|null @2|a",
                "1 tag +@1 name=null", "2 tag +@2 name=a", "3 tag +@3 name=A");
    replica = with(state, "CREATE TABLE tag ( -- @shared(create: unique)\n"
                          " id BLOB PRIMARY KEY, name TEXT, color INTEGER, UNIQUE (name, color));");
    EVERY_ORDER(replica, SHOWN, "@1|a|null @2|a|null @3|a|#1 @5|b|#1", "1 tag +@1 name=a",
                "2 tag +@2 name=a", "3 tag +@3 name=a color=#1", "4 tag +@4 name=a color=#1",
                "5 tag +@5 name=b color=#1");
}

static void rivals_come_when_the_index_has_gone_at_the_next_open(void **state) {
    static const char table[] = "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
                                " id BLOB PRIMARY KEY, name TEXT, color INTEGER);\n";
    char schema[512];
    snprintf(schema, sizeof schema, "%s CREATE UNIQUE INDEX one ON tag(name);", table);
    struct replica *replica = with(state, schema);
    replica_hears(replica, 2, 2000, "tag +@2 name=a");
    replica_hears(replica, 1, 1000, "tag +@1 name=a");
    replica_hears(replica, 3, 3000, "tag +@3 name=a; ~@3 color=#1");
    replica_shows(replica, SHOWN, "@1|a|null");
    replica_reopen(replica, "DROP INDEX one;");
    replica_shows(replica, SHOWN, "@1|a|null @2|a|null @3|a|#1");
    replica_shows(replica, SHADOW, "");
}

static void rivals_that_a_new_column_tells_of_settle_at_the_next_open(void **state) {
    static const char table[] = "CREATE TABLE IF NOT EXISTS t ( -- @shared(create: unique)\n"
                                " id TEXT PRIMARY KEY);\n";
    char schema[512];
    struct replica *replica = with(state, table);
    replica_hears(replica, 3, 3000, "t +a name=x");
    replica_hears(replica, 1, 1000, "t +b name=x");
    replica_hears(replica, 2, 2000, "t +c name=x; +d name=y");
    replica_shows(replica, "SELECT id FROM t ORDER BY id", "a b c d");
    snprintf(schema, sizeof schema,
             "%s ALTER TABLE t ADD COLUMN name TEXT; CREATE UNIQUE INDEX one ON t(name);", table);
    char *before = strdup(replica_dump(replica));
    replica_reopen(replica, schema);
    replica_shows(replica, "SELECT id, name FROM t ORDER BY id", "b|x d|y");
    assert_string_equal(replica_dump(replica), before);
    free(before);
}

/* ---- other constraints ----------------------------------------------------------------------- */

static void what_a_constraint_refuses_is_parked_with_its_reason(void **state) {
    struct replica *replica = with(state, TAGS);
    replica_hears(replica, 1, 2000, "tag +@1 name=a color=#100; +@2 name=a color=null");
    replica_shows(replica, SHOWN, "");
    assert_int_equal(replica->tally.parked, 2);
    replica_shows(replica, SHADOW,
                  "#3|tag|CHECK constraint failed: color < 100 #3|tag|table \"tag\", column "
                  "\"color\": it may not be NULL; give it a value");
    replica_hears(replica, 1, 3000, "tag ~@2 color=#2");
    replica_hears(replica, 1, 4000, "tag ~@1 color=#1");
    replica_shows(replica, "SELECT id FROM tag", "@1");
    replica_shows(replica, SHADOW,
                  "#4|tag|a row that was created earlier has the same unique values");
    replica_hears(replica, 1, 5000, "tag ~@2 color=#3");
    replica_shows(replica, SHADOW, "#4|tag|UNIQUE constraint failed: tag.name");
}

static void a_column_that_may_not_be_null_and_has_no_default_parks_what_lacks_it(void **state) {
    struct replica *replica = with(state, "CREATE TABLE t ( -- @shared(create: unique)\n"
                                          " id TEXT PRIMARY KEY, must INTEGER NOT NULL, b TEXT);");
    replica_hears(replica, 1, 2000, "t +a b=x");
    replica_shows(replica, "SELECT kind, reason FROM _weft_shadow",
                  "#3|NOT NULL constraint failed: t.must");
    replica_hears(replica, 1, 1000, "t ~a must=#1");
    replica_shows(replica, "SELECT * FROM _weft_shadow", "");
    replica_shows(replica, "SELECT id, must, b FROM t", "a|#1|x");
}

/* ---- deletions ------------------------------------------------------------------------------- */

static void a_deletion_ends_what_was_before_it_and_nothing_later(void **state) {
    struct replica *replica = with(state, TAGS);
    EVERY_ORDER(replica, SHOWN, "", "1 tag +@1 name=a color=#1", "2 tag -@1", "3 tag ~@1 name=b");
    EVERY_ORDER(replica, SHOWN, "@1|b|#3", "1 tag +@1 name=a color=#1", "2 tag -@1",
                "3 tag ~@1 name=b", "4 tag +@1");
    EVERY_ORDER(replica, SHOWN, "@1|null|#3", "1 tag +@1 name=a color=#1", "2 tag -@1", "4 tag +@1",
                "1 tag ~@1 color=#2");
    EVERY_ORDER(replica, SHOWN, "@1|d|#3", "1 tag -@1", "2 tag -@1; -@7", "3 tag +@1 name=c",
                "4 tag ~@1 name=d");
}

static void fields_without_a_column_live_and_die_with_their_row(void **state) {
    struct replica *replica = with(state, TAGS);
    static const char sql[] = "SELECT kind, fields FROM _weft_shadow";
    replica_hears(replica, 1, 1000, "tag +@1 name=a more=#1");
    replica_hears(replica, 1, 2000, "tag -@1");
    replica_shows(replica, sql, "#2|x");
    replica_hears(replica, 1, 3000, "tag +@1 name=b");
    replica_shows(replica, sql, "");
    replica_hears(replica, 1, 5000, "tag -@1");
    replica_hears(replica, 2, 6000, "tag ~@1 more=#2");
    replica_hears(replica, 1, 7000, "tag +@1 name=c");
    replica_shows(replica, SHOWN, "@1|c|#3");
    assert_string_equal(replica_dump(replica),
                        "tag @1 seen +7000/1 -5000/1 more=#2^6000/2 name=c^7000/1\n");
    replica_hears(replica, 1, 6000, "tag ~@1 more=null other=#1");
    assert_int_equal(replica->tally.beaten, 1);
    assert_string_equal(replica_dump(replica),
                        "tag @1 seen +7000/1 -5000/1 more=#2^6000/2 name=c^7000/1 "
                        "other=#1^6000/1\n");
}

static void what_was_heard_before_changes_nothing(void **state) {
    struct replica *replica = with(state, TAGS);
    static const char words[] = "tag +@1 name=a; +@2 name=a more=#1; -@3; ~@4 name=x";
    replica_hears(replica, 1, 1000, words);
    assert_int_equal(replica->tally.written, 4);
    char *before = strdup(replica_dump(replica));
    replica_hears(replica, 1, 1000, words);
    assert_int_equal(replica->tally.written, 0);
    assert_int_equal(replica->tally.parked, 0);
    assert_int_equal(replica->tally.beaten, 0);
    assert_int_equal(replica->tally.models, 0);
    assert_string_equal(replica_dump(replica), before);
    free(before);
}

/* ---- tables of all sorts --------------------------------------------------------------------- */

static void a_table_without_rowid_is_like_others(void **state) {
    struct replica *replica =
        with(state, "CREATE TABLE t ( -- @shared(create: unique)\n"
                    " a INTEGER, b TEXT, p TEXT UNIQUE, PRIMARY KEY (b, a)) WITHOUT ROWID;");
    static const char shown[] = "SELECT b, a, p FROM t";
    EVERY_ORDER(replica, shown, "y|#2|x", "1 t +x,#1 p=x", "2 t +y,#2 p=x", "3 t -x,#1",
                "3 t ~z,#1 p=x");
    EVERY_ORDER(replica, shown, "x|#1|x y|#1|z", "1 t +x,#1 p=x", "2 t +y,#1 p=x", "3 t ~y,#1 p=z");
}

static void a_table_whose_rows_have_numbers_of_their_own_is_known_by_its_id(void **state) {
    struct replica *replica =
        with(state, "CREATE TABLE object ( -- @shared(create: atomic, id: cas)\n"
                    " number INTEGER PRIMARY KEY, cas TEXT NOT NULL UNIQUE, p TEXT UNIQUE,"
                    " kind INTEGER NOT NULL DEFAULT 7);");
    EVERY_ORDER(replica, "SELECT cas, p, kind FROM object ORDER BY cas", "a|null|#2 b|x|#7",
                "1 object +a p=x", "2 object +a kind=#2", "3 object +b p=x", "4 object ~a p=null",
                "1 object ~c p=x");
    /* A twin that is made again is younger, and lets the other stand. */
    EVERY_ORDER(replica, "SELECT cas, p, kind FROM object", "b|x|#7", "1 object +a p=x",
                "2 object +b p=x", "3 object +a");
}

/* SQLite takes a word that stands alone for a text. */
static void a_default_may_be_a_word(void **state) {
    struct replica *replica =
        with(state, "CREATE TABLE object ( -- @shared(create: atomic)\n"
                    " id BLOB PRIMARY KEY, color TEXT NOT NULL DEFAULT red, size INTEGER);");
    replica_hears(replica, 1, 1000, "object +@1 size=#1");
    replica_shows(replica, "SELECT id, color, size FROM object", "@1|red|#1");
}

static void a_trigger_that_refuses_parks_its_row(void **state) {
    struct replica *replica =
        with(state, TAGS "CREATE TABLE seen (id, name);\n"
                         "CREATE TRIGGER no AFTER INSERT ON tag WHEN new.color = 13 BEGIN"
                         " SELECT RAISE(ABORT, 'not that one'); END;\n"
                         "CREATE TRIGGER note AFTER INSERT ON tag BEGIN"
                         " INSERT INTO seen VALUES (new.id, new.name); END;\n");
    replica_hears(replica, 1, 1000, "tag +@1 name=a color=#13; +@2 name=b");
    replica_shows(replica, SHOWN, "@2|b|#3");
    replica_shows(replica, SHADOW, "#3|tag|not that one");
    replica_shows(replica, "SELECT id, name FROM seen", "@2|b");
    replica_hears(replica, 1, 2000, "tag ~@1 color=#1");
    replica_shows(replica, SHOWN, "@1|a|#1 @2|b|#3");
    replica_shows(replica, SHADOW, "");
}

/* RAISE(IGNORE) lets a statement end well that has done nothing. */
static void a_trigger_that_passes_over_a_row_parks_it(void **state) {
    struct replica *replica =
        with(state, TAGS "CREATE TRIGGER one BEFORE INSERT ON tag WHEN new.color = 13 BEGIN"
                         " SELECT RAISE(IGNORE); END;\n"
                         "CREATE TRIGGER two BEFORE UPDATE ON tag WHEN new.color = 14 BEGIN"
                         " SELECT RAISE(IGNORE); END;\n");
    replica_hears(replica, 1, 1000, "tag +@1 name=a color=#13; +@2 name=b");
    replica_shows(replica, SHOWN, "@2|b|#3");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#3");
    replica_hears(replica, 1, 2000, "tag ~@2 color=#14");
    replica_shows(replica, SHOWN, "");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#3 #3");
    assert_string_equal(replica_dump(replica),
                        "tag @1 seen +1000/1 color=#13^1000/1 name=a^1000/1\n"
                        "tag @2 seen +1000/1 color=#14^2000/1 name=b^1000/1\n");
    const enum weft_status status = replica_try(replica, "tag =@3 name=c color=#13");
    assert_int_equal(status, WEFT_CONSTRAINT);
}

/* RAISE(FAIL) takes back nothing of what was done. */
static void a_trigger_that_fails_after_the_row_was_written_parks_it(void **state) {
    struct replica *replica =
        with(state, TAGS "CREATE TRIGGER one AFTER INSERT ON tag WHEN new.color = 13 BEGIN"
                         " SELECT RAISE(FAIL, 'unlucky'); END;\n"
                         "CREATE TRIGGER two AFTER UPDATE ON tag WHEN new.color = 13 BEGIN"
                         " SELECT RAISE(FAIL, 'unlucky'); END;\n");
    replica_hears(replica, 1, 1000, "tag +@1 name=a color=#13; +@2 name=b");
    replica_hears(replica, 1, 2000, "tag ~@2 color=#13");
    replica_shows(replica, SHOWN, "");
    replica_shows(replica, SHADOW, "#3|tag|unlucky #3|tag|unlucky");
    replica_hears(replica, 1, 3000, "tag ~@1 color=#1; ~@2 color=#1");
    replica_shows(replica, SHOWN, "@1|a|#1 @2|b|#1");
}

static void a_trigger_that_keeps_a_row_from_going_does_not_keep_it(void **state) {
    struct replica *replica =
        with(state, TAGS "CREATE TRIGGER stay BEFORE DELETE ON tag WHEN old.color = 13 BEGIN"
                         " SELECT RAISE(IGNORE); END;\n"
                         "CREATE TRIGGER no BEFORE DELETE ON tag WHEN old.color = 14 BEGIN"
                         " SELECT RAISE(ABORT, 'never'); END;\n");
    replica_hears(replica, 1, 1000, "tag +@1 name=a color=#13; +@2 name=b color=#14");
    replica_hears(replica, 1, 2000, "tag -@1");
    replica_hears(replica, 1, 3000, "tag ~@1 color=#5; -@2");
    replica_shows(replica, SHOWN, "");
    replica_hears(replica, 1, 4000, "tag +@2 name=c");
    replica_shows(replica, SHOWN, "@2|c|#3");
}

/* ---- what is remembered of the file ---------------------------------------------------------- */

static void origins_that_others_have_numbered_are_told_apart(void **state) {
    struct replica *replica = with(state, TAGS);
    struct library *library = &replica->library;
    const struct record_origin second = {library_id(2), 7};
    replica_hears(replica, 1, 1000, "tag +@1 name=a");
    /* A record of the second that says nothing of rows: the log numbers it by itself. */
    replica_ok(replica, writer_begin(library->writer, &library->why));
    replica_ok(replica, quarantine_add(library->writer, &second, 1, 1, &library->why));
    replica_ok(replica, quarantine_drop(library->writer, 1, &library->why));
    replica_ok(replica, writer_commit(library->writer, &library->why));
    replica_hears(replica, 3, 2000, "tag ~@1 name=c");
    replica_hears(replica, 2, 2000, "tag ~@1 name=b color=#2");
    replica_shows(replica, SHOWN, "@1|c|#2");
    replica_hears(replica, 2, 2001, "tag ~@1 name=d");
    replica_shows(replica, SHOWN, "@1|d|#2");
}

static void what_the_shadow_keeps_is_looked_for_after_a_rollback(void **state) {
    struct replica *replica = with(state, TAGS);
    struct library *library = &replica->library;
    replica_hears(replica, 1, 2000, "tag -@1; +@2 name=a");
    replica_hears(replica, 1, 3000, "tag +@3 name=a");
    replica_ok(replica, writer_begin(library->writer, &library->why));
    writer_rollback(library->writer);
    replica_hears(replica, 2, 1000, "tag +@1 name=c");
    replica_shows(replica, SHOWN, "@2|a|#3");
    replica_hears(replica, 2, 4000, "tag -@2");
    replica_shows(replica, SHOWN, "@3|a|#3");
    /* And a transaction that is rolled back leaves no rival and no fields behind. */
    replica_ok(replica, writer_begin(library->writer, &library->why));
    replica_ok(replica, replica_apply_within(
                            replica, 4, 9000,
                            words_body(&replica->arena, "tag -@3; +@5 name=a; +@6 name=a new=#1")));
    writer_rollback(library->writer);
    replica_hears(replica, 2, 5000, "tag ~@3 other=#1 color=#9");
    replica_shows(replica, SHOWN, "@3|a|#9");
    assert_string_equal(replica_dump(replica),
                        "tag @1 hidden +1000/2 -2000/1\n"
                        "tag @2 hidden +2000/1 -4000/2\n"
                        "tag @3 seen +3000/1 color=#9^5000/2 name=a^3000/1 other=#1^5000/2\n");
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void a_table_may_have_so_many_fields_and_no_more(void **state) {
    struct replica *replica = with(state, TAGS);
    char words[64];
    for (int i = 0; i < 300; i += 20) {
        char *op = calloc(1, 2000);
        size_t size = (size_t)snprintf(op, 2000, "tag ~@1");
        for (int k = i; k < i + 20; k++)
            size += (size_t)snprintf(op + size, 2000 - size, " f%d=#%d", k, k);
        replica_hears(replica, 1, 1000u + (unsigned)i, op);
        free(op);
    }
    snprintf(words, sizeof words, "#%u", LIMIT_FIELDS_FOREIGN);
    replica_shows(replica, "SELECT count(*) FROM _weft_field WHERE model = 'tag'", words);
    replica_hears(replica, 1, 2000, "tag +@1 name=a f0=#1 f299=#1");
    replica_shows(replica, SHOWN, "@1|a|#3");
}

#define apply_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        apply_test(a_table_that_is_not_known_is_kept_and_filled_when_it_appears),
        apply_test(a_column_that_is_not_known_is_kept_and_filled_when_it_appears),
        apply_test(a_column_that_has_gone_leaves_null_and_no_trace_of_another_row),
        apply_test(a_value_of_another_type_parks_its_row_until_it_fits),
        apply_test(a_key_of_another_shape_is_kept_and_does_not_touch_rows),
        apply_test(a_key_column_is_no_field),
        apply_test(of_rivals_the_one_created_first_stands_whatever_came_first),
        apply_test(when_the_older_goes_or_is_renamed_the_next_comes),
        apply_test(chains_of_rivals_settle_by_age_alone),
        apply_test(rows_of_one_stamp_stand_by_their_keys),
        apply_test(nulls_and_other_cases_are_no_rivals_unless_the_index_says_so),
        apply_test(rivals_come_when_the_index_has_gone_at_the_next_open),
        apply_test(rivals_that_a_new_column_tells_of_settle_at_the_next_open),
        apply_test(what_a_constraint_refuses_is_parked_with_its_reason),
        apply_test(a_column_that_may_not_be_null_and_has_no_default_parks_what_lacks_it),
        apply_test(a_deletion_ends_what_was_before_it_and_nothing_later),
        apply_test(fields_without_a_column_live_and_die_with_their_row),
        apply_test(what_was_heard_before_changes_nothing),
        apply_test(a_table_without_rowid_is_like_others),
        apply_test(a_table_whose_rows_have_numbers_of_their_own_is_known_by_its_id),
        apply_test(a_default_may_be_a_word),
        apply_test(a_trigger_that_refuses_parks_its_row),
        apply_test(a_trigger_that_passes_over_a_row_parks_it),
        apply_test(a_trigger_that_fails_after_the_row_was_written_parks_it),
        apply_test(a_trigger_that_keeps_a_row_from_going_does_not_keep_it),
        apply_test(origins_that_others_have_numbered_are_told_apart),
        apply_test(what_the_shadow_keeps_is_looked_for_after_a_rollback),
        apply_test(a_table_may_have_so_many_fields_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
