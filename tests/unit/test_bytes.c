/* Ids, numbers and UTF-8. The oracle of utf8_valid() encodes: a text is well-formed if and only if
 * it is a row of encoded code points, so every one of them is tried, and every short row of bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"

static const struct id sample = {{0x01, 0x8f, 0x3a, 0x00, 0xff, 0x10, 0x7b, 0xcd, 0x9e, 0x22, 0x00,
                                  0x00, 0xde, 0xad, 0xbe, 0xef}};

static void id_text_is_the_uuid_form_in_lower_case(void **state) {
    (void)state;
    char text[ID_TEXT_SIZE];
    id_text(&sample, text);
    assert_string_equal(text, "018f3a00-ff10-7bcd-9e22-0000deadbeef");
}

static void id_is_zero_looks_at_every_byte(void **state) {
    (void)state;
    struct id id = {{0}};
    assert_true(id_is_zero(&id));
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        id.bytes[i] = 1;
        assert_false(id_is_zero(&id));
        id.bytes[i] = 0;
    }
}

static void id_read_takes_sixteen_bytes_and_no_other_size(void **state) {
    (void)state;
    uint8_t data[32] = {0};
    memcpy(data, sample.bytes, sizeof sample.bytes);
    struct id out;
    assert_true(id_read(&out, data, 16));
    assert_true(id_equal(&out, &sample));
    for (size_t size = 0; size <= sizeof data; size++) {
        memset(&out, 7, sizeof out);
        if (size == 16) continue;
        assert_false(id_read(&out, size == 0 ? NULL : data, size));
        assert_int_equal(out.bytes[0], 7);
    }
}

static void id_parse_reads_what_id_text_writes(void **state) {
    (void)state;
    struct id out, id;
    char text[ID_TEXT_SIZE];
    assert_true(id_parse("018f3a00-ff10-7bcd-9e22-0000deadbeef", &out));
    assert_true(id_equal(&out, &sample));
    for (unsigned value = 0; value < 256; value++) {
        for (size_t i = 0; i < sizeof id.bytes; i++)
            id.bytes[i] = (uint8_t)(value + 17 * i);
        id_text(&id, text);
        assert_true(id_parse(text, &out));
        assert_true(id_equal(&out, &id));
    }
}

static void id_parse_refuses_every_other_text(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "018f3a00ff107bcd9e220000deadbeef",
                                        "018f3a00-ff10-7bcd-9e22-0000deadbeef ",
                                        " 018f3a00-ff10-7bcd-9e22-0000deadbeef",
                                        "018F3A00-FF10-7BCD-9E22-0000DEADBEEF",
                                        "{18f3a00-ff10-7bcd-9e22-0000deadbeef}"};
    char text[ID_TEXT_SIZE];
    struct id out;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(id_parse(wrong[i], &out));
    id_text(&sample, text);
    for (size_t i = 0; i + 1 < sizeof text; i++) { /* Cut, or with a character that is none. */
        static const char others[] = "g-G/:@`.";
        const char kept = text[i];
        text[i] = '\0';
        assert_false(id_parse(text, &out));
        for (size_t other = 0; others[other] != '\0'; other++) {
            text[i] = others[other];
            assert_int_equal(id_parse(text, &out), text[i] == kept);
        }
        text[i] = kept;
    }
}

static void id_compare_orders_as_byte_strings(void **state) {
    (void)state;
    struct id low = {{0}};
    struct id high = {{0}};
    low.bytes[15] = 0xFF;
    high.bytes[0] = 0x01;
    assert_true(id_compare(&low, &high) < 0);
    assert_true(id_compare(&high, &low) > 0);
    assert_int_equal(id_compare(&low, &low), 0);
    assert_false(id_equal(&low, &high));
    high.bytes[0] = 0x80; /* bytes are unsigned */
    assert_true(id_compare(&low, &high) < 0);
}

static void numbers_are_little_endian_at_any_address(void **state) {
    (void)state;
    uint8_t bytes[9] = {0};
    store_u16(bytes + 1, 0x0102);
    assert_memory_equal(bytes + 1, "\x02\x01", 2);
    assert_int_equal(load_u16(bytes + 1), 0x0102);
    store_u32(bytes + 1, 0x01020304);
    assert_memory_equal(bytes + 1, "\x04\x03\x02\x01", 4);
    assert_int_equal(load_u32(bytes + 1), 0x01020304);
    store_u64(bytes + 1, UINT64_C(0x0102030405060708));
    assert_memory_equal(bytes + 1, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_true(load_u64(bytes + 1) == UINT64_C(0x0102030405060708));
    store_u16(bytes, 0xFFFE);
    assert_int_equal(load_u16(bytes), 0xFFFE);
}

/* Encodes by the bit table of RFC 3629, section 3, with as many bytes as asked for. */
static void encode(uint32_t point, size_t length, uint8_t out[4]) {
    static const uint8_t lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i > 1; i--) {
        out[i - 1] = (uint8_t)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (uint8_t)(lead[length] | point);
}

static size_t shortest(uint32_t point) {
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void utf8_valid_accepts_each_code_point_in_its_shortest_form_only(void **state) {
    (void)state;
    static const uint32_t limit[] = {0, 0x80, 0x800, 0x10000, 0x200000};
    for (uint32_t point = 0; point < 0x200000; point++) {
        bool scalar = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
        for (size_t length = 1; length <= 4; length++) {
            if (point >= limit[length]) continue;
            uint8_t text[4];
            encode(point, length, text);
            bool expected = scalar && length == shortest(point);
            if (utf8_valid(text, length) != expected) {
                fail_msg("U+%04X in %zu bytes", (unsigned)point, length);
            }
        }
    }
}

/* Follows the grammar of RFC 3629, section 4, by recursion. */
static bool grammar(const uint8_t *p, size_t size) {
    if (size == 0) return true;
    for (size_t length = 1; length <= 4 && length <= size; length++) {
        uint32_t point = length == 1   ? p[0]
                         : length == 2 ? p[0] & 0x1Fu
                         : length == 3 ? p[0] & 0x0Fu
                                       : p[0] & 0x07u;
        for (size_t i = 1; i < length; i++) {
            point = point << 6 | (p[i] & 0x3Fu);
        }
        if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) continue;
        if (shortest(point) != length) continue;
        uint8_t again[4];
        encode(point, length, again);
        if (memcmp(again, p, length) == 0) return grammar(p + length, size - length);
    }
    return false;
}

static void utf8_valid_agrees_with_the_grammar_on_every_short_row_of_bytes(void **state) {
    (void)state;
    for (uint32_t number = 0; number < 1u << 16; number++) {
        uint8_t text[2] = {(uint8_t)(number >> 8), (uint8_t)number};
        assert_true(utf8_valid(text, 2) == grammar(text, 2));
    }
    /* Three and four bytes: the values at which the rules change. */
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                    0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                    0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
    const size_t count = sizeof edges;
    for (size_t i = 0; i < count * count * count * count; i++) {
        uint8_t text[4] = {edges[i % count], edges[i / count % count],
                           edges[i / count / count % count], edges[i / count / count / count]};
        assert_true(utf8_valid(text, 4) == grammar(text, 4));
        assert_true(utf8_valid(text, 3) == grammar(text, 3));
    }
}

static void utf8_valid_finds_one_bad_byte_at_any_place_of_a_long_text(void **state) {
    (void)state;
    for (size_t size = 1; size <= 40; size++) {
        for (size_t at = 0; at < size; at++) {
            /* A block of the exact size, so that a read beyond it is seen. */
            uint8_t *text = malloc(size);
            assert_non_null(text);
            memset(text, 'x', size);
            assert_true(utf8_valid(text, size));
            text[at] = 0xC3;
            assert_false(utf8_valid(text, size));
            if (at + 1 < size) {
                text[at + 1] = 0xA9;
                assert_true(utf8_valid(text, size));
            }
            free(text);
        }
    }
}

static void utf8_valid_accepts_nothing_and_the_zero_character(void **state) {
    (void)state;
    assert_true(utf8_valid(NULL, 0));
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0b", 3));
}

/* What another device says is shown to a person: nothing in it may steer a terminal. */
static void utf8_plain_shows_whole_characters_and_marks_what_is_none(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size, room;
        const char *shown;
    } cases[] = {
        {NULL, 0, 8, ""},
        {"plain ~", 7, 16, "plain ~"},
        {"a\x1b[2J\nb\x7f", 8, 16, "a?[2J?b?"},
        {"\xc2\x9b"
         "2J",
         4, 16, "?2J"},
        {"\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb5", 11, 16,
         "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb5"},
        {"\x80x\xff\xe2\x82", 5, 16, "?x???"},
        {"ends\0here", 9, 16, "ends"},
        {"cut", 2, 16, "cu"},
        {"12345678", 8, 5, "1234"},
        {"\n\n\n\n", 4, 3, "??"},
        {"123\xc3\xa9", 5, 5, "123"},
        {"12\xc3\xa9", 4, 5, "12\xc3\xa9"},
        {"x", 1, 1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[16];
        memset(out, '#', sizeof out);
        utf8_plain(cases[i].text, cases[i].size, out, cases[i].room);
        assert_string_equal(out, cases[i].shown);
        assert_true(strlen(out) < cases[i].room);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_text_is_the_uuid_form_in_lower_case),
        cmocka_unit_test(id_is_zero_looks_at_every_byte),
        cmocka_unit_test(id_read_takes_sixteen_bytes_and_no_other_size),
        cmocka_unit_test(id_parse_reads_what_id_text_writes),
        cmocka_unit_test(id_parse_refuses_every_other_text),
        cmocka_unit_test(id_compare_orders_as_byte_strings),
        cmocka_unit_test(numbers_are_little_endian_at_any_address),
        cmocka_unit_test(utf8_valid_accepts_each_code_point_in_its_shortest_form_only),
        cmocka_unit_test(utf8_valid_agrees_with_the_grammar_on_every_short_row_of_bytes),
        cmocka_unit_test(utf8_valid_finds_one_bad_byte_at_any_place_of_a_long_text),
        cmocka_unit_test(utf8_valid_accepts_nothing_and_the_zero_character),
        cmocka_unit_test(utf8_plain_shows_whole_characters_and_marks_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
