/* The rules that the simulator's oracle holds an engine to, and the rows it lets it write. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/sim/model.h"

#define ENTRY LOCATIONS

static struct model *new_model(void) {
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    return model;
}

static struct step tx(uint32_t count, const struct op *ops) {
    struct step step = {.kind = STEP_TX, .op_count = count};
    memcpy(step.op, ops, count * sizeof ops[0]);
    return step;
}

static struct op put(uint32_t row, uint64_t location) {
    return (struct op){.kind = OP_PUT, .row = row, .hash = {row, location, 7}};
}

static enum weft_status apply_one(struct model *model, struct op op) {
    struct step step = tx(1, &op);
    return model_apply(model, &step);
}

static void failed_transaction_changes_nothing(void **state) {
    (void)state;
    struct model *model = new_model();
    assert_int_equal(apply_one(model, put(ENTRY, 1)), WEFT_OK);
    uint64_t before = model_digest(model, ENTRY);
    struct op ops[3] = {put(ENTRY, 2), put(ENTRY + 1, 1), {.kind = OP_SET, .row = ENTRY + 2}};
    struct step step = tx(3, ops);
    assert_int_equal(model_apply(model, &step), WEFT_NOT_FOUND);
    assert_int_equal(model_digest(model, ENTRY), before);
    assert_int_equal(model_digest(model, ENTRY + 1), 0);
    free(model);
}

static void set_changes_one_cell_of_a_row_that_is_there(void **state) {
    (void)state;
    struct model *model = new_model();
    struct op set = {.kind = OP_SET, .row = ENTRY, .column = 2, .hash = {0, 0, 8}};
    assert_int_equal(apply_one(model, set), WEFT_NOT_FOUND);
    assert_int_equal(apply_one(model, put(ENTRY, 1)), WEFT_OK);
    uint64_t before = model_digest(model, ENTRY);
    assert_int_equal(apply_one(model, set), WEFT_OK);
    assert_int_not_equal(model_digest(model, ENTRY), before);
    free(model);
}

static void rescan_deletes_what_it_did_not_see_in_its_scope(void **state) {
    (void)state;
    struct model *model = new_model();
    struct step begin = {.kind = STEP_SCAN_BEGIN, .scan = 5, .table = TABLE_ENTRY, .column = 1};
    struct step end = {.kind = STEP_SCAN_END, .scan = 5};
    begin.scope = 1;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(apply_one(model, put(ENTRY + i, i < 2 ? 1 : 2)), WEFT_OK);
    assert_int_equal(model_apply(model, &begin), WEFT_OK);
    assert_int_equal(apply_one(model, put(ENTRY, 1)), WEFT_OK);
    assert_int_equal(model_apply(model, &end), WEFT_OK);
    assert_int_not_equal(model_digest(model, ENTRY), 0);
    assert_int_equal(model_digest(model, ENTRY + 1), 0);
    assert_int_not_equal(model_digest(model, ENTRY + 2), 0);
    assert_int_equal(model_apply(model, &end), WEFT_NOT_FOUND);
    free(model);
}

static void every_key_belongs_to_one_row_of_one_device(void **state) {
    (void)state;
    struct cast cast = {.seed = 3, .device_count = 5};
    struct cells *cells = calloc(1, sizeof *cells);
    struct rng rng;
    rng_seed(&rng, 3, 0);
    for (uint32_t d = 0; d < 5; d++)
        memset(cast.device[d].bytes, (int)d + 1, sizeof cast.device[d].bytes);
    struct keyring *keyring = keyring_open(&cast);
    for (uint32_t d = 0; d < 5; d++)
        for (uint32_t row = 0; row < ROWS; row++) {
            uint32_t device = 99, found = ROWS;
            cells_draw(cells, &cast, d, row, VERSION_NEW, false, &rng);
            assert_true(keyring_find(keyring, table_of(row), cells->hash, &device, &found));
            assert_int_equal(device, d);
            assert_int_equal(found, row);
        }
    keyring_close(keyring);
    free(cells);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_transaction_changes_nothing),
        cmocka_unit_test(set_changes_one_cell_of_a_row_that_is_there),
        cmocka_unit_test(rescan_deletes_what_it_did_not_see_in_its_scope),
        cmocka_unit_test(every_key_belongs_to_one_row_of_one_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
