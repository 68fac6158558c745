/* Annotations: what is read, what is passed over, and that a mistake is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/store/annotation.h"

static struct annotation parsed(const char *sql) {
    struct annotation annotation;
    struct weft_error why = {0};
    enum weft_status status = annotation_parse("t", sql, &annotation, &why);
    if (status != WEFT_OK) fail_msg("%s: %s", sql, why.text);
    return annotation;
}

static void refused(const char *sql, const char *place, const char *said) {
    struct annotation annotation;
    struct weft_error why = {0};
    assert_int_equal(annotation_parse("t", sql, &annotation, &why), WEFT_SCHEMA);
    if (strstr(why.text, place) == NULL || strstr(why.text, said) == NULL) {
        fail_msg("%s: expected \"%s\" and \"%s\" in: %s", sql, place, said, why.text);
    }
    assert_non_null(strstr(why.text, "table \"t\""));
}

static void equal(struct bytes slice, const char *text) {
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.data, text, slice.size);
}

static void owned_names_its_owner(void **state) {
    (void)state;
    struct annotation a = parsed("CREATE TABLE t ( -- @owned(owner: device_id)\n id BLOB)");
    assert_int_equal(a.kind, ANNOTATION_OWNED);
    equal(a.owner, "device_id");
    assert_int_equal(a.id_count, 0);
}

static void what_follows_an_annotation_is_prose(void **state) {
    (void)state;
    struct annotation a =
        parsed("CREATE TABLE t ( -- @owned(owner: x)   the owner, (see @x)\n id)");
    assert_int_equal(a.kind, ANNOTATION_OWNED);
    equal(a.owner, "x");
}

static void block_comments_and_line_breaks_are_as_good(void **state) {
    (void)state;
    struct annotation a =
        parsed("CREATE TABLE t (/*\n  @owned ( owner :\n x , id : [ a,b ,c ] ) */ id BLOB)");
    assert_int_equal(a.kind, ANNOTATION_OWNED);
    equal(a.owner, "x");
    assert_int_equal(a.id_count, 3);
    equal(a.id[0], "a");
    equal(a.id[1], "b");
    equal(a.id[2], "c");
}

static void id_may_be_one_name_without_brackets(void **state) {
    (void)state;
    struct annotation a = parsed("CREATE TABLE t(--@owned(owner:o,id:uuid)\nuuid BLOB)");
    assert_int_equal(a.id_count, 1);
    equal(a.id[0], "uuid");
}

static void shared_and_relation_are_read(void **state) {
    (void)state;
    struct annotation a = parsed("CREATE TABLE t( -- @shared(create: unique)\n id)");
    assert_int_equal(a.kind, ANNOTATION_SHARED_UNIQUE);
    a = parsed("CREATE TABLE t( -- @shared(create: atomic, id: cas_id)\n cas_id)");
    assert_int_equal(a.kind, ANNOTATION_SHARED_ATOMIC);
    equal(a.id[0], "cas_id");
    a = parsed("CREATE TABLE t( -- @relation(item: object_id, group: tag_id)\n object_id)");
    assert_int_equal(a.kind, ANNOTATION_RELATION);
    equal(a.item, "object_id");
    equal(a.group, "tag_id");
}

static void a_table_without_annotation_is_local(void **state) {
    (void)state;
    assert_int_equal(parsed("CREATE TABLE t(id BLOB -- the id @ home\n)").kind, ANNOTATION_LOCAL);
    assert_int_equal(parsed("CREATE TABLE t(id BLOB /* - */)").kind, ANNOTATION_LOCAL);
    assert_int_equal(parsed("CREATE TABLE t( -- @local\nid)").kind, ANNOTATION_LOCAL);
    assert_int_equal(parsed("").kind, ANNOTATION_LOCAL);
}

static void quoted_text_is_not_looked_at(void **state) {
    (void)state;
    const char *const texts[] = {
        "CREATE TABLE \"-- @owned(owner: x)\" (id)",
        "CREATE TABLE [-- @owned(owner: x)] (id)",
        "CREATE TABLE `/* @owned(owner: x) */` (id)",
        "CREATE TABLE t (id TEXT DEFAULT '-- @owned(owner: x)')",
        "CREATE TABLE t (id TEXT DEFAULT 'it''s -- @owned(owner: x)')",
        "CREATE TABLE t (id TEXT DEFAULT '/*', n /* @owned( no: '*/)",
        "CREATE TABLE \"unfinished -- @owned(owner: x)",
    };
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(parsed(texts[i]).kind, ANNOTATION_LOCAL);
    assert_int_equal(parsed(texts[6]).kind, ANNOTATION_LOCAL);
    refused(texts[5], "line 1", "found \"no\"");
}

static void a_node_mark_is_of_the_column_in_whose_definition_it_stands(void **state) {
    (void)state;
    struct annotation a = parsed("CREATE TABLE t( -- @owned(owner: o)\n"
                                 "a BLOB /* @node */, b BLOB -- @node who wrote it\n)");
    assert_int_equal(a.kind, ANNOTATION_OWNED);
    assert_int_equal(a.node_count, 2);
    equal(a.node[0], "a");
    equal(a.node[1], "b");
    a = parsed("CREATE TABLE t(x INT, a /* @node */ BLOB DEFAULT (',') -- @node\n, y INT)");
    assert_int_equal(a.node_count, 1);
    equal(a.node[0], "a");
    /* Commas inside of parentheses and quotes begin no column. */
    a = parsed("CREATE TABLE t(a DECIMAL(1,2) /* @node */, b TEXT CHECK (b IN ('x,', \"y\", z)"
               " /* @node */), PRIMARY KEY (a, b))");
    assert_int_equal(a.node_count, 2);
    equal(a.node[0], "a");
    equal(a.node[1], "b");
    /* On a line of its own it stands in the definition that goes on. */
    a = parsed("CREATE TABLE t(x INT,\n a BLOB\n -- @node\n , y)");
    equal(a.node[0], "a");
}

static void a_node_mark_behind_a_comma_is_of_the_column_before_it(void **state) {
    (void)state;
    struct annotation a = parsed("CREATE TABLE t(\n a BLOB, -- @node\n b BLOB,-- @node\n c INT)");
    assert_int_equal(a.node_count, 2);
    equal(a.node[0], "a");
    equal(a.node[1], "b");
    /* Remarks may stand between. */
    a = parsed("CREATE TABLE t(a BLOB, /* who */ -- @node\n -- the rest:\n /* , */ b INT)");
    assert_int_equal(a.node_count, 1);
    equal(a.node[0], "a");
}

static void a_node_mark_of_no_column_is_refused(void **state) {
    (void)state;
    const char *const said = "it behind the name of its column";
    refused("CREATE TABLE t( -- @node\n a BLOB)", "line 1, column 20", said);
    refused("CREATE TABLE t(a BLOB,\n  -- @node\n b BLOB)", "line 2, column 6", said);
    refused("CREATE TABLE t(a BLOB, /* @node */ b BLOB)", "line 1, column 27", said);
    refused("CREATE TABLE t(a BLOB, /*\n*/ -- @node\n b BLOB)", "line 2, column 7", said);
    refused("CREATE TABLE t(a BLOB, PRIMARY KEY (a) /* @node */)", "column 43", said);
    refused("CREATE TABLE t(a BLOB, CHECK (a), -- @node\n UNIQUE (a))", "column 38", said);
    refused("CREATE TABLE t /* @node */ (a BLOB)", "column 19", said);
    refused("CREATE TABLE t(a BLOB) -- @node\n WITHOUT ROWID", "column 27", said);
}

static void a_node_mark_that_a_new_column_would_take_over_is_refused(void **state) {
    (void)state;
    const char *const ends[] = {"PRIMARY KEY (a)", "unique (a)", "Check (a)",
                                "CONSTRAINT c CHECK (a)", "FOREIGN KEY (a) REFERENCES b"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "CREATE TABLE t(a BLOB, b BLOB, -- @node\n /* so: */ %s)",
                 ends[i]);
        refused(sql, "line 1, column 35", "in front of the comma");
        snprintf(sql, sizeof sql, "CREATE TABLE t(a BLOB, b BLOB -- @node\n, %s)", ends[i]);
        equal(parsed(sql).node[0], "b");
    }
    /* In quotes these words are columns. */
    equal(parsed("CREATE TABLE t(a BLOB, -- @node\n \"check\" INT)").node[0], "a");
    equal(parsed("CREATE TABLE t(a INT, \"check\" BLOB /* @node */)").node[0], "\"check\"");
}

static void more_node_marks_than_allowed_are_refused(void **state) {
    (void)state;
    char sql[1024] = "CREATE TABLE t(";
    size_t at = strlen(sql);
    for (unsigned i = 0; i < ANNOTATION_NODES; i++)
        at += (size_t)snprintf(sql + at, sizeof sql - at, "c%u BLOB /* @node */, ", i);
    snprintf(sql + at, sizeof sql - at, "x BLOB)");
    assert_int_equal(parsed(sql).node_count, 16);
    snprintf(sql + at, sizeof sql - at, "x BLOB /* @node */)");
    refused(sql, "line 1", "at most 16 columns");
}

static bool names(const char *written, const char *name) {
    return annotation_names((struct bytes){(const uint8_t *)written, strlen(written)}, name);
}

static void names_are_compared_as_sqlite_reads_them(void **state) {
    (void)state;
    assert_true(names("ab", "AB") && names("\"a b\"", "A b") && names("[a\"b]", "a\"b"));
    assert_true(names("`a``b`", "a`b") && names("\"a\"\"\"", "a\"") && names("'a'", "a"));
    assert_true(names("\"\"\"\"", "\"") && names("\"\"", ""));
    assert_false(names("ab", "a") || names("a", "ab") || names("\"ab\"", "a") ||
                 names("[a]", "ab"));
    assert_false(names("\"a\"\"b\"", "a") || names("\"a\"\"b\"", "ab") || names("\"a", "a"));
    assert_false(names("\"a\"", "a\"") || names("\"a\"\"", "a\"") || names("a", "\"a\""));
}

static void annotations_are_equal_when_they_say_the_same(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"(--@owned(owner:a,id:[b,c])\n)",
         "( /* @owned( owner: A, id: [b , C] ) */ x /* @node */)"},
        {"(--@shared(create:unique,id:a)\n)", "(/* @shared(create: unique, id: [a])*/)"},
        {"(--@relation(item:a,group:b)\n)", "(--@relation(item:A,group:B) prose\n)"},
        {"(--@local\n)", "(x)"},
    };
    static const char *const other[] = {
        "(--@owned(owner:a)\n)",           "(--@owned(owner:a,id:b)\n)",
        "(--@owned(owner:b)\n)",           "(--@owned(owner:a,id:[b,c])\n)",
        "(--@owned(owner:a,id:[c,b])\n)",  "(--@shared(create:unique)\n)",
        "(--@shared(create:atomic)\n)",    "(--@relation(item:a,group:b)\n)",
        "(--@relation(item:b,group:a)\n)", "(--@owned(owner:ab)\n)",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct annotation a = parsed(same[i][0]), b = parsed(same[i][1]);
        assert_true(annotation_equal(&a, &b));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        for (size_t j = 0; j < sizeof other / sizeof other[0]; j++) {
            struct annotation a = parsed(other[i]), b = parsed(other[j]);
            assert_int_equal(annotation_equal(&a, &b), i == j);
        }
    }
}

static void it_is_told_where_the_annotation_stands(void **state) {
    (void)state;
    const char sql[] = "CREATE TABLE \"(t\" -- (\n (x /* @shared( create: unique ) so */)";
    struct annotation a = parsed(sql);
    equal(a.text, "@shared( create: unique )");
    assert_int_equal(a.inside, strchr(sql, 'x') - sql);
    a = parsed("CREATE TABLE t(x) -- @local.");
    equal(a.text, "@local");
    a = parsed("CREATE TABLE t(x /* @node */)");
    assert_int_equal(a.text.size, 0);
    assert_int_equal(parsed("CREATE TABLE t").inside, 0);
}

static void a_mistake_is_told_with_its_place(void **state) {
    (void)state;
    refused("CREATE TABLE t (\n  id, -- @ownd(owner: x)\n y)", "line 2, column 11", "\"ownd\"");
    refused("CREATE TABLE t ( -- @owned\n id)", "line 1, column 27", "the comment's end");
    refused("CREATE TABLE t ( -- @owned(owner x)\n id)", "column 34", "expected ':'");
    refused("CREATE TABLE t ( -- @owned(owner: )\n id)", "column 35", "the name of a column");
    refused("CREATE TABLE t ( -- @owned(device: x)\n id)", "\"device\"", "expected \"owner\"");
    refused("CREATE TABLE t ( -- @owned(owner: x y)\n id)", "\"y\"", "',' or ')'");
    refused("CREATE TABLE t ( -- @owned(owner: x, id: [a b])\n id)", "\"b\"", "',' or ']'");
    refused("CREATE TABLE t ( -- @owned(owner: x, id: [])\n id)", "\"]\"", "name of a column");
    refused("CREATE TABLE t ( -- @owned(owner: x, id: a\n id)", "comment's end", "expected ')'");
    refused("CREATE TABLE t ( -- @shared(create: often)\n id)", "\"often\"", "\"unique\"");
    refused("CREATE TABLE t ( -- @relation(item: a; group: b)\n id)", "\";\"", "expected ','");
    refused("CREATE TABLE t ( -- @ owned(owner: x)\n id)", "column 22", "after '@'");
    refused("CREATE TABLE t ( -- @\n id)", "comment's end", "after '@'");
    refused("CREATE TABLE t ( -- @Owned(owner: x)\n id)", "\"Owned\"", "after '@'");
}

static void more_key_columns_than_allowed_are_refused(void **state) {
    (void)state;
    assert_int_equal(LIMIT_KEY_COLUMNS, 8);
    assert_int_equal(
        parsed("CREATE TABLE t( -- @owned(owner: o, id: [a,b,c,d,e,f,g,h])\n a)").id_count, 8);
    refused("CREATE TABLE t( -- @owned(owner: o, id: [a,b,c,d,e,f,g,h,i])\n a)", "\"i\"",
            "at most 8");
}

static void a_second_table_annotation_is_refused(void **state) {
    (void)state;
    refused("CREATE TABLE t ( -- @local\n id /* @owned(owner: x) */)", "line 2, column 8",
            "no second annotation");
}

static void an_annotation_outside_of_parentheses_is_refused(void **state) {
    (void)state;
    const char *const astray[] = {
        "CREATE TABLE t (id BLOB); -- @owned(owner: x)",
        "CREATE TABLE t (id BLOB) -- @owned(owner: x)\n;",
        "-- @shared(create: unique)\nCREATE TABLE t (id BLOB)",
        "CREATE TABLE t -- @relation(item: a, group: b)\n(id BLOB)",
        "CREATE TABLE t (id TEXT DEFAULT ')(('); /* @owned(owner: x) */",
        "CREATE TABLE t (id BLOB, n BLOB); -- @node",
    };
    for (size_t i = 0; i < sizeof astray / sizeof astray[0]; i++) {
        struct weft_error why = {0};
        assert_int_equal(annotation_stray(astray[i], &why), WEFT_SCHEMA);
        assert_non_null(strstr(why.text, "between the parentheses"));
    }
    const char *const fine[] = {
        "CREATE TABLE t ( -- @owned(owner: x)\n id BLOB);",
        "CREATE TABLE statistics (n INTEGER); -- @local",
        "-- a note to @all\n-- @todo: more tables\nCREATE TABLE t (id BLOB);",
        "CREATE TABLE t (id TEXT CHECK (id <> ')') /* @owned(owner: x) */);",
        "",
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        assert_int_equal(annotation_stray(fine[i], NULL), WEFT_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owned_names_its_owner),
        cmocka_unit_test(what_follows_an_annotation_is_prose),
        cmocka_unit_test(block_comments_and_line_breaks_are_as_good),
        cmocka_unit_test(id_may_be_one_name_without_brackets),
        cmocka_unit_test(shared_and_relation_are_read),
        cmocka_unit_test(a_table_without_annotation_is_local),
        cmocka_unit_test(quoted_text_is_not_looked_at),
        cmocka_unit_test(a_node_mark_is_of_the_column_in_whose_definition_it_stands),
        cmocka_unit_test(a_node_mark_behind_a_comma_is_of_the_column_before_it),
        cmocka_unit_test(a_node_mark_of_no_column_is_refused),
        cmocka_unit_test(a_node_mark_that_a_new_column_would_take_over_is_refused),
        cmocka_unit_test(more_node_marks_than_allowed_are_refused),
        cmocka_unit_test(names_are_compared_as_sqlite_reads_them),
        cmocka_unit_test(annotations_are_equal_when_they_say_the_same),
        cmocka_unit_test(it_is_told_where_the_annotation_stands),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(more_key_columns_than_allowed_are_refused),
        cmocka_unit_test(a_second_table_annotation_is_refused),
        cmocka_unit_test(an_annotation_outside_of_parentheses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
