/* The façade alone, on a stepped engine: ids, names, and what it refuses by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/weft.h"
#include "tests/lib/scratch.h"

struct desk {
    char folder[SCRATCH_PATH];
    weft_engine *engine;
    int note;
    uint8_t device[WEFT_ID_SIZE];
};

static int open_desk(void **state) {
    static struct desk desk;
    char path[SCRATCH_PATH + 16];
    struct weft_error why = {0};
    scratch_make(desk.folder);
    snprintf(path, sizeof path, "%s/a.db", desk.folder);
    struct weft_config config = {.path = path,
                                 .threads = WEFT_THREADS_NONE,
                                 .schema =
                                     "CREATE TABLE IF NOT EXISTS note ( -- @owned(owner: device)\n"
                                     "  id BLOB PRIMARY KEY, device BLOB NOT NULL, body TEXT)"};
    *state = &desk;
    if (weft_open(&config, &desk.engine, &why) != WEFT_OK) return 1;
    desk.note = weft_model(desk.engine, "note");
    weft_device(desk.engine, desk.device);
    return 0;
}

static int close_desk(void **state) {
    struct desk *desk = *state;
    weft_close(desk->engine);
    scratch_remove(desk->folder);
    return 0;
}

static enum weft_status put(struct desk *desk, weft_tx *tx, struct weft_value body) {
    uint8_t id[WEFT_ID_SIZE];
    weft_id(desk->engine, id);
    struct weft_value row[] = {weft_blob(id, sizeof id), weft_blob(desk->device, 16), body};
    return weft_put(tx, desk->note, row, 3);
}

static void ids_increase_and_are_of_version_7(void **state) {
    struct desk *desk = *state;
    uint8_t before[WEFT_ID_SIZE] = {0}, id[WEFT_ID_SIZE];
    for (int i = 0; i < 10000; i++) {
        weft_id(desk->engine, id);
        assert_true(memcmp(before, id, sizeof id) < 0);
        assert_int_equal(id[6] >> 4, 7);
        assert_int_equal(id[8] >> 6, 2);
        memcpy(before, id, sizeof id);
    }
}

static void names_are_found_and_strangers_are_not(void **state) {
    struct desk *desk = *state;
    assert_int_equal(weft_column(desk->engine, desk->note, "body"), 2);
    assert_int_equal(weft_column(desk->engine, desk->note, "mood"), WEFT_NOT_FOUND);
    assert_int_equal(weft_model(desk->engine, "diary"), WEFT_NOT_FOUND);
    assert_int_equal(weft_column_count(desk->engine, desk->note), 3);
    assert_int_equal(weft_key_count(desk->engine, desk->note), 1);
}

static void a_refused_value_leaves_the_transaction_usable(void **state) {
    struct desk *desk = *state;
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    assert_int_equal(weft_begin(desk->engine, &tx), WEFT_OK);
    assert_int_equal(put(desk, tx, weft_integer(4)), WEFT_TYPE);
    assert_non_null(strstr(weft_tx_why(tx)->text, "body"));
    assert_int_equal(put(desk, tx, weft_text("\xff\xfe", 2)), WEFT_NOT_UTF8);
    assert_int_equal(weft_put(tx, desk->note, NULL, 0), WEFT_INVALID);
    assert_int_equal(put(desk, tx, weft_text("kept", 4)), WEFT_OK);
    assert_int_equal(weft_commit(tx, &ticket), WEFT_OK);
    assert_int_equal(weft_wait(desk->engine, ticket, WEFT_DURABLE, 0, 0, NULL), WEFT_TIMEOUT);
    assert_int_equal(weft_step(desk->engine, NULL), WEFT_OK);
    assert_int_equal(weft_wait(desk->engine, ticket, WEFT_DURABLE, 0, 0, NULL), WEFT_OK);
}

static void a_row_that_fits_no_message_is_refused(void **state) {
    struct desk *desk = *state;
    static char text[1 << 20];
    weft_tx *tx = NULL;
    memset(text, 'x', sizeof text);
    assert_int_equal(weft_begin(desk->engine, &tx), WEFT_OK);
    assert_int_equal(put(desk, tx, weft_text(text, sizeof text)), WEFT_LIMIT);
    weft_abort(tx);
}

static void a_key_column_cannot_be_set_and_nothing_cannot_be_committed(void **state) {
    struct desk *desk = *state;
    weft_tx *tx = NULL;
    struct weft_value key = weft_blob(desk->device, 16);
    assert_int_equal(weft_begin(desk->engine, &tx), WEFT_OK);
    assert_int_equal(weft_set(tx, desk->note, &key, 1, 0, &key), WEFT_INVALID);
    assert_int_equal(weft_delete(tx, desk->note, &key, 2), WEFT_INVALID);
    assert_int_equal(weft_commit(tx, NULL), WEFT_INVALID);
    weft_abort(tx);
}

static void a_ticket_that_was_never_issued_is_not_found(void **state) {
    struct desk *desk = *state;
    assert_int_equal(weft_wait(desk->engine, 7, WEFT_APPLIED, 0, 0, NULL), WEFT_NOT_FOUND);
}

#define WEFT_TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void) {
    const struct CMUnitTest tests[] = {
        WEFT_TEST(ids_increase_and_are_of_version_7),
        WEFT_TEST(names_are_found_and_strangers_are_not),
        WEFT_TEST(a_refused_value_leaves_the_transaction_usable),
        WEFT_TEST(a_row_that_fits_no_message_is_refused),
        WEFT_TEST(a_key_column_cannot_be_set_and_nothing_cannot_be_committed),
        WEFT_TEST(a_ticket_that_was_never_issued_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
