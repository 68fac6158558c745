/* Annotations: what is read, what is passed over, and that a mistake is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static void node_marks_are_counted(void **state) {
    (void)state;
    struct annotation a = parsed("CREATE TABLE t( -- @owned(owner: o)\n"
                                 "a BLOB /* @node */, b BLOB -- @node who wrote it\n)");
    assert_int_equal(a.node_count, 2);
    assert_int_equal(a.kind, ANNOTATION_OWNED);
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
        cmocka_unit_test(node_marks_are_counted),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(more_key_columns_than_allowed_are_refused),
        cmocka_unit_test(a_second_table_annotation_is_refused),
        cmocka_unit_test(an_annotation_outside_of_parentheses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
