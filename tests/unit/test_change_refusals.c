/* Changes of shared rows: a body that has another form than the one that there is for it is
 * refused, as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/wire/change.h"
#include "tests/lib/drawn.h"

#define HLC (UINT64_C(1750000000000) << 16)

#define HEAD "\1t\1"
#define ROW HEAD "\1\0\1\2" /* a create of key 1, up to its writes */
#define WRITE ROW "\1\0\1c" /* ... that writes field "c", up to its value */
#define KEY HEAD "\2\0"     /* a delete, up to its key */
#define FORM(what, text) \
    { what, text, sizeof text - 1 }

static const struct form {
    const char *what, *bytes;
    size_t size;
} refused[] = {
    FORM("nothing", ""),
    FORM("a table without a name", "\0\1\2\0\1\2"),
    FORM("a table's name that does not end", "\5t"),
    FORM("a table's name with a zero", "\2t\0\1\2\0\1\2"),
    FORM("a table's name that is no text", "\1\xff\1\2\0\1\2"),
    FORM("no number of key columns", "\1t"),
    FORM("a key of no column", "\1t\0\2\0"),
    FORM("a key of too many columns", "\1t\11\2\0\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"),
    FORM("no row", HEAD),
    FORM("a row that is nothing", HEAD "\0\0\1\2"),
    FORM("a row that is something else", HEAD "\4\0\1\2"),
    FORM("a row without a stamp", HEAD "\2"),
    FORM("a stamp that is too long a number", HEAD "\2\x80\0\1\2"),
    FORM("a stamp of more than 64 bits", HEAD "\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\1\2"),
    FORM("a stamp before all time", HEAD "\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\2"),
    FORM("a row without a key", KEY),
    FORM("a key of half its columns", "\1t\2\2\0\1\2"),
    FORM("NULL in a key", KEY "\0"),
    FORM("REAL in a key", KEY "\2\0\0\0\0\0\0\xf0\x3f"),
    FORM("NODE in a key", KEY "\5"),
    FORM("a key of an unknown type", KEY "\6"),
    FORM("a key without its number", KEY "\1"),
    FORM("a key that is too long a number", KEY "\1\x82\0"),
    FORM("a key that is a number without an end", KEY "\1\x82"),
    FORM("a key of more than 64 bits", KEY "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"),
    FORM("a key that is no text", KEY "\3\2\xc3\x28"),
    FORM("a key that is half a character", KEY "\3\1\xc3"),
    FORM("a key that is a surrogate", KEY "\3\3\xed\xa0\x80"),
    FORM("a key that goes beyond the end", KEY "\4\4abc"),
    FORM("a key with too long a size", KEY "\4\x81\0a"),
    FORM("a key of the greatest size", KEY "\4\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
    FORM("a create without a number of writes", ROW),
    FORM("too long a number of writes", ROW "\x80\0"),
    FORM("fewer writes than said", ROW "\2\0\1c\0"),
    FORM("more writes than said", ROW "\1\0\1c\0\1\1d\0"),
    FORM("a delete that writes", HEAD "\2\0\1\2\1\0\1c\1\2"),
    FORM("an update of nothing", HEAD "\3\0\1\2\0"),
    FORM("a field that goes beyond the next", ROW "\1\1\1c\0"),
    FORM("a field that is too long a number", ROW "\1\x80\0\1c\0"),
    FORM("a field without a name", ROW "\1\0\0\0"),
    FORM("a field's name that does not end", ROW "\1\0\5c\0"),
    FORM("a field's name with a zero", ROW "\1\0\3c\0d\0"),
    FORM("a field's name that is no text", ROW "\1\0\1\xff\0"),
    FORM("a field twice in a row", ROW "\2\0\1c\0\0\0"),
    FORM("one name for two fields of a row", ROW "\2\0\1c\0\1\1c\0"),
    FORM("one name for two fields of two rows", WRITE "\0\3\0\1\2\1\1\1c\0"),
    FORM("one name in two cases for two fields", ROW "\2\0\2cD\0\1\2Cd\0"),
    FORM("a value without a type", WRITE),
    FORM("a value of an unknown type", WRITE "\6"),
    FORM("a value of the last type", WRITE "\xff"),
    FORM("an integer that is too long a number", WRITE "\1\x80\0"),
    FORM("a real of seven bytes", WRITE "\2\0\0\0\0\0\0\0"),
    FORM("a real that is quietly not a number", WRITE "\2\0\0\0\0\0\0\xf8\x7f"),
    FORM("a real that is loudly not a number", WRITE "\2\1\0\0\0\0\0\xf0\x7f"),
    FORM("a real that is negatively not a number", WRITE "\2\0\0\0\0\0\0\xf8\xff"),
    FORM("a real that is a negative zero", WRITE "\2\0\0\0\0\0\0\0\x80"),
    FORM("a text that is none", WRITE "\3\1\x80"),
    FORM("a text in too long a form", WRITE "\3\2\xc0\x80"),
    FORM("a text that goes beyond the end", WRITE "\3\2a"),
    FORM("a blob that goes beyond the end", WRITE "\4\1"),
    FORM("a good row, and the beginning of one", WRITE "\0\2"),
};

static void the_bodies_that_the_refused_ones_are_made_from_are_sound(void **state) {
    (void)state;
    static const struct form sound[] = {
        FORM("a create of no field", ROW "\0"),
        FORM("a delete", KEY "\1\2"),
        FORM("a key of two columns", "\1t\2\2\0\1\2\3\0"),
        FORM("two writes", ROW "\2\0\1c\0\1\1d\0"),
        FORM("an update of what was named before", WRITE "\0\3\0\1\2\1\0\0"),
        FORM("names that differ by more than case", ROW "\2\0\2c@\0\1\2c`\0"),
        FORM("NODE", WRITE "\5"),
        FORM("an infinite real", WRITE "\2\0\0\0\0\0\0\xf0\x7f"),
        FORM("a text with a zero", WRITE "\3\1\0"),
    };
    for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
        const struct bytes body = drawn_exact((const uint8_t *)sound[i].bytes, sound[i].size);
        if (!change_sound(body, 1)) fail_msg("%s was refused", sound[i].what);
        drawn_exact_free(body);
    }
}

static void a_body_of_another_form_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct bytes body = drawn_exact((const uint8_t *)refused[i].bytes, refused[i].size);
        if (change_sound(body, HLC)) fail_msg("%s was not refused", refused[i].what);
        drawn_exact_free(body);
    }
    assert_false(change_sound((struct bytes){NULL, 0}, HLC));
}

static void a_name_is_refused_when_it_is_longer_than_a_name_may_be(void **state) {
    (void)state;
    uint8_t body[LIMIT_NAME + 16] = {0};
    for (uint8_t size = LIMIT_NAME; size <= LIMIT_NAME + 1; size++) {
        body[0] = size;
        memset(body + 1, 'n', size);
        memcpy(body + 1 + size, "\1\2\0\1\2", 5);
        assert_true(change_sound((struct bytes){body, size + 6u}, HLC) == (size == LIMIT_NAME));
    }
}

static void a_row_whose_stamp_would_wrap_is_refused(void **state) {
    (void)state;
    static const uint8_t body[] = HEAD "\2\5\1\2";
    const struct bytes bytes = {body, sizeof body - 1};
    assert_false(change_sound(bytes, 0));
    assert_false(change_sound(bytes, 4));
    assert_false(change_sound(bytes, 5));
    assert_true(change_sound(bytes, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bodies_that_the_refused_ones_are_made_from_are_sound),
        cmocka_unit_test(a_body_of_another_form_is_refused),
        cmocka_unit_test(a_name_is_refused_when_it_is_longer_than_a_name_may_be),
        cmocka_unit_test(a_row_whose_stamp_would_wrap_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
