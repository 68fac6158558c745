/* The drawing of a QR code: its size, its edge, and module for module what the encoder made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/qr.h"

/* As long as an invite with one address is. */
static const char invite[] =
    "weft:1:AZ8BmyGXc9qTq8UeJm3QmC4m1Z0Gg5mB3Yc0sYl2r1b9nR8o7kQe6Pp5Oo4Nn3Mm2Ll1Kk0JjIiHhGgFfEeDd"
    "CcBbAa9z8y7x6w5v4u3t2s1r0q-p_oNmLkJiHgFeDcBa0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM";

struct drawing {
    char text[QR_DRAWING_MAX];
    unsigned side, lines;
    bool dark[QR_SIDE_MAX + 1][QR_SIDE_MAX];
};

static const char *after(const char *at, const char *wanted) {
    size_t size = strlen(wanted);
    return strncmp(at, wanted, size) == 0 ? at + size : NULL;
}

/* Two modules of one character; what is left of the line. */
static const char *read_block(const char *at, bool *upper, bool *lower) {
    static const char *const blocks[] = {" ", "▀", "▄", "█"};
    for (unsigned i = 0; i < 4; i++) {
        const char *next = after(at, blocks[i]);
        if (next == NULL) continue;
        *upper = (i & 1) != 0;
        *lower = (i & 2) != 0;
        return next;
    }
    fail_msg("a character that is no half block: \"%.8s\"", at);
    return NULL;
}

static struct drawing *draw(const char *text) {
    struct drawing *drawing = calloc(1, sizeof *drawing);
    assert_non_null(drawing);
    drawing->side = qr_draw(text, drawing->text, sizeof drawing->text);
    for (const char *at = drawing->text; *at != '\0'; drawing->lines++) {
        at = after(at, QR_COLOURS);
        assert_non_null(at);
        for (unsigned x = 0; x < drawing->side; x++)
            at = read_block(at, &drawing->dark[2 * drawing->lines][x],
                            &drawing->dark[2 * drawing->lines + 1][x]);
        at = after(at, QR_PLAIN);
        assert_non_null(at);
    }
    return drawing;
}

static void qr_drawing_has_a_line_for_two_rows_of_modules(void **state) {
    (void)state;
    /* A version 1 code has 21 modules along an edge; each version has four more. */
    struct drawing *drawing = draw("weft");
    assert_int_equal(drawing->side, 21 + 2 * QR_QUIET);
    assert_int_equal(drawing->lines, (21 + 2 * QR_QUIET + 1) / 2);
    free(drawing);
}

static void qr_of_an_invite_fits_a_terminal_of_eighty_columns(void **state) {
    (void)state;
    struct drawing *drawing = draw(invite);
    assert_in_range(drawing->side, 21 + 2 * QR_QUIET, 80);
    free(drawing);
}

static void qr_drawing_decodes_to_the_encoders_modules(void **state) {
    (void)state;
    const char *const texts[] = {"weft", "a", invite};
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        struct drawing *drawing = draw(texts[t]);
        QRcode *code = QRcode_encodeData((int)strlen(texts[t]), (const unsigned char *)texts[t], 0,
                                         QR_ECLEVEL_L);
        assert_non_null(code);
        unsigned width = (unsigned)code->width;
        assert_int_equal(drawing->side, width + 2 * QR_QUIET);
        for (unsigned y = 0; y < 2 * drawing->lines; y++) {
            for (unsigned x = 0; x < drawing->side; x++) {
                bool inside =
                    x >= QR_QUIET && x - QR_QUIET < width && y >= QR_QUIET && y - QR_QUIET < width;
                bool dark = inside && (code->data[(y - QR_QUIET) * width + x - QR_QUIET] & 1) != 0;
                if (drawing->dark[y][x] != dark) fail_msg("module %u, %u of text %zu", x, y, t);
            }
        }
        QRcode_free(code);
        free(drawing);
    }
}

/* Without the encoder's help: a ring of seven dark modules, a light one, and a core of three. */
static void qr_drawing_has_its_three_finder_patterns_dark_on_light(void **state) {
    (void)state;
    struct drawing *drawing = draw(invite);
    const unsigned far = drawing->side - QR_QUIET - 7;
    const unsigned corners[3][2] = {{QR_QUIET, QR_QUIET}, {far, QR_QUIET}, {QR_QUIET, far}};
    for (unsigned c = 0; c < 3; c++) {
        for (unsigned y = 0; y < 7; y++) {
            for (unsigned x = 0; x < 7; x++) {
                unsigned dx = x < 3 ? 3 - x : x - 3, dy = y < 3 ? 3 - y : y - 3;
                unsigned ring = dx > dy ? dx : dy;
                assert_int_equal(drawing->dark[corners[c][1] + y][corners[c][0] + x], ring != 2);
            }
        }
    }
    free(drawing);
}

static void qr_of_the_longest_text_fits_and_a_longer_one_is_refused(void **state) {
    (void)state;
    char text[QR_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    text[QR_TEXT_MAX] = '\0';
    struct drawing *drawing = draw(text);
    assert_int_equal(drawing->side, QR_SIDE_MAX);
    free(drawing);
    text[QR_TEXT_MAX] = 'x';
    text[QR_TEXT_MAX + 1] = '\0';
    drawing = draw(text);
    assert_int_equal(drawing->side, 0);
    assert_string_equal(drawing->text, "");
    free(drawing);
}

static void qr_of_nothing_is_refused(void **state) {
    (void)state;
    struct drawing *drawing = draw("");
    assert_int_equal(drawing->side, 0);
    assert_string_equal(drawing->text, "");
    free(drawing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qr_drawing_has_a_line_for_two_rows_of_modules),
        cmocka_unit_test(qr_of_an_invite_fits_a_terminal_of_eighty_columns),
        cmocka_unit_test(qr_drawing_decodes_to_the_encoders_modules),
        cmocka_unit_test(qr_drawing_has_its_three_finder_patterns_dark_on_light),
        cmocka_unit_test(qr_of_the_longest_text_fits_and_a_longer_one_is_refused),
        cmocka_unit_test(qr_of_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
