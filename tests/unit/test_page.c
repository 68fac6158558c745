/* Pages: text that grows, and foreign text that stays text in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/net/page.h"

static void what_is_added_stands_in_order_however_much_it_is(void **state) {
    (void)state;
    struct page page = {0};
    for (unsigned i = 0; i < 5000; i++)
        page_add(&page, "%04u,", i);
    page_put(&page, "end", 3);
    assert_false(page.failed);
    assert_int_equal(page.size, 5000 * 5 + 3);
    assert_int_equal(strlen(page.text), page.size);
    for (unsigned i = 0; i < 5000; i++) {
        const char wanted[] = {(char)('0' + i / 1000), (char)('0' + i / 100 % 10),
                               (char)('0' + i / 10 % 10), (char)('0' + i % 10), ','};
        assert_memory_equal(page.text + 5 * i, wanted, 5);
    }
    page_free(&page);
    assert_null(page.text);
}

static void foreign_text_cannot_leave_a_json_string(void **state) {
    (void)state;
    struct page page = {0};
    page_json(&page, "a\"b\\c\n\t\x01</script>\xc3\xa9");
    assert_string_equal(page.text, "a\\\"b\\\\c\\u000a\\u0009\\u0001\\u003c/script>\xc3\xa9");
    page_free(&page);
}

static void foreign_text_cannot_leave_an_element_or_an_attribute(void **state) {
    (void)state;
    struct page page = {0};
    page_html(&page, "<b title=\"x\" id='y'>&amp;");
    assert_string_equal(page.text, "&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;");
    page_free(&page);
}

static void foreign_text_cannot_leave_a_label(void **state) {
    (void)state;
    struct page page = {0};
    page_label(&page, "a\"} 1\nb\\");
    assert_string_equal(page.text, "a\\\"} 1\\nb\\\\");
    page_free(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stands_in_order_however_much_it_is),
        cmocka_unit_test(foreign_text_cannot_leave_a_json_string),
        cmocka_unit_test(foreign_text_cannot_leave_an_element_or_an_attribute),
        cmocka_unit_test(foreign_text_cannot_leave_a_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
