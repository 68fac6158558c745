/* Statuses have names and phrases, and an error's text is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/status.h"

static void status_names_and_phrases_are_those_of_the_list(void **state) {
    (void)state;
#define ASSERT_STATUS(name, number, text)               \
    assert_int_equal((int)name, number);                \
    assert_string_equal(weft_status_name(name), #name); \
    assert_string_equal(weft_status_text(name), text);
    WEFT_STATUS_LIST(ASSERT_STATUS)
#undef ASSERT_STATUS
}

static void status_numbers_are_all_different(void **state) {
    (void)state;
#define STATUS_NUMBER(name, number, text) number,
    const int numbers[] = {WEFT_STATUS_LIST(STATUS_NUMBER)};
#undef STATUS_NUMBER
    const size_t count = sizeof numbers / sizeof numbers[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(numbers[i], numbers[j]);
        }
    }
}

static void status_unknown_number_still_has_a_name_and_a_phrase(void **state) {
    (void)state;
    enum weft_status unknown = (enum weft_status) - 9999;
    assert_string_equal(weft_status_name(unknown), "WEFT_?");
    assert_string_equal(weft_status_text(unknown), "a status that this version does not know");
}

static void status_fail_fills_the_error_and_returns_the_status(void **state) {
    (void)state;
    struct weft_error why;
    memset(&why, 0x5A, sizeof why);
    enum weft_status status =
        status_fail(&why, WEFT_SCHEMA, 17, "table \"%s\": column %d", "tag", 3);
    assert_int_equal(status, WEFT_SCHEMA);
    assert_int_equal(why.status, WEFT_SCHEMA);
    assert_int_equal(why.native, 17);
    assert_string_equal(why.text, "table \"tag\": column 3");
}

static void status_fail_without_an_error_only_returns_the_status(void **state) {
    (void)state;
    assert_int_equal(status_fail(NULL, WEFT_IO, 5, "reading %s", "x"), WEFT_IO);
}

static void status_fail_keeps_a_text_that_just_fits(void **state) {
    (void)state;
    char text[WEFT_ERROR_TEXT_MAX];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct weft_error why;
    status_fail(&why, WEFT_IO, 0, "%s", text);
    assert_string_equal(why.text, text);
}

static void status_fail_cuts_a_long_text_between_characters(void **state) {
    (void)state;
    static const char *const characters[] = {"a", "ü", "€", "🧵"};
    for (size_t c = 0; c < sizeof characters / sizeof characters[0]; c++) {
        /* Every offset of the character against the cut. */
        for (size_t shift = 0; shift < 4; shift++) {
            char text[3 * WEFT_ERROR_TEXT_MAX] = "";
            const size_t width = strlen(characters[c]);
            size_t size = shift;
            memset(text, '.', shift);
            while (size + width < sizeof text) {
                memcpy(text + size, characters[c], width);
                size += width;
            }
            text[size] = '\0';

            struct weft_error why;
            status_fail(&why, WEFT_IO, 0, "%s", text);

            const size_t cut = strlen(why.text);
            const size_t room = WEFT_ERROR_TEXT_MAX - 1;
            assert_int_equal(cut, shift + (room - shift) / width * width);
            assert_memory_equal(why.text, text, cut);
            assert_true(utf8_valid(why.text, cut));
        }
    }
}

static void status_fail_may_quote_the_text_it_replaces(void **state) {
    (void)state;
    struct weft_error why;
    status_fail(&why, WEFT_IO, 0, "%s", "the disk is gone");
    status_fail(&why, WEFT_SCHEMA, 0, "opening \"%s\": %s", "a.db", why.text);
    assert_string_equal(why.text, "opening \"a.db\": the disk is gone");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_names_and_phrases_are_those_of_the_list),
        cmocka_unit_test(status_numbers_are_all_different),
        cmocka_unit_test(status_unknown_number_still_has_a_name_and_a_phrase),
        cmocka_unit_test(status_fail_fills_the_error_and_returns_the_status),
        cmocka_unit_test(status_fail_without_an_error_only_returns_the_status),
        cmocka_unit_test(status_fail_keeps_a_text_that_just_fits),
        cmocka_unit_test(status_fail_cuts_a_long_text_between_characters),
        cmocka_unit_test(status_fail_may_quote_the_text_it_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
