/* Sheets: what is read is whole, also while it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/sheet.h"

#define WRITES 20000u
#define BYTES 1001u

static void a_sheet_that_was_never_written_reads_as_zeros(void **state) {
    struct sheet *sheet = calloc(1, sizeof *sheet);
    uint8_t out[BYTES], zeros[BYTES] = {0};
    (void)state;
    assert_non_null(sheet);
    memset(out, 7, sizeof out);
    sheet_read(sheet, out, sizeof out);
    assert_memory_equal(out, zeros, sizeof out);
    free(sheet);
}

static void what_was_written_last_is_read(void **state) {
    struct sheet *sheet = calloc(1, sizeof *sheet);
    uint8_t in[BYTES], out[BYTES + 1];
    (void)state;
    assert_non_null(sheet);
    for (uint8_t i = 1; i < 4; i++) {
        for (size_t k = 0; k < sizeof in; k++)
            in[k] = (uint8_t)(i * k);
        out[BYTES] = 99;
        sheet_write(sheet, in, sizeof in);
        sheet_read(sheet, out, BYTES);
        assert_memory_equal(in, out, BYTES);
        assert_int_equal(out[BYTES], 99); /* Nor one byte more. */
    }
    free(sheet);
}

static void *write_many(void *context) {
    uint8_t in[BYTES];
    for (unsigned i = 1; i <= WRITES; i++) {
        memset(in, (int)(i % 251), sizeof in);
        in[0] = i == WRITES; /* The last one. */
        sheet_write(context, in, sizeof in);
    }
    return NULL;
}

static void a_reader_never_sees_half_of_what_is_being_written(void **state) {
    struct sheet *sheet = calloc(1, sizeof *sheet);
    pthread_t writer;
    uint8_t out[BYTES] = {0};
    unsigned torn = 0;
    (void)state;
    assert_non_null(sheet);
    assert_int_equal(pthread_create(&writer, NULL, write_many, sheet), 0);
    while (out[0] == 0) {
        sheet_read(sheet, out, sizeof out);
        for (size_t k = 2; k < sizeof out; k++)
            torn += out[k] != out[1];
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(torn, 0);
    free(sheet);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sheet_that_was_never_written_reads_as_zeros),
        cmocka_unit_test(what_was_written_last_is_read),
        cmocka_unit_test(a_reader_never_sees_half_of_what_is_being_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
