/* Looking at one row: whose a value is, whom it beat, and who has not heard of it; and whether the
 * rows are those that were written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/pair.h"

/* ---- one row ---- */

struct known {
    unsigned fields, beaten, lacks, away;
    struct weft_look_stamp name; /* of the field */
    char value[16], loser[16];   /* of the field name, and of what it beat */
    struct weft_look_stamp beat;
    uint8_t lacking[16];
};

static void take_field(void *context, const struct weft_look_field *field) {
    struct known *known = context;
    known->fields++;
    if (strcmp(field->name, "name") != 0) return;
    known->name = field->stamp;
    snprintf(known->value, sizeof known->value, "%.*s", (int)field->value.size,
             (const char *)field->value.as.bytes);
}

static void take_write(void *context, const struct weft_look_write *write) {
    struct known *known = context;
    if (write->stands || write->field == NULL || strcmp(write->field, "name") != 0) return;
    known->beaten++;
    known->beat = write->stamp;
    snprintf(known->loser, sizeof known->loser, "%.*s", (int)write->value.size,
             (const char *)write->value.as.bytes);
}

static void take_lack(void *context, const struct weft_look_lack *lack) {
    struct known *known = context;
    known->lacks++;
    known->away += lack->away;
    assert_true(lack->held < lack->wanted);
    memcpy(known->lacking, lack->device, 16);
}

static void row_of(weft_look *look, const char *table, struct weft_value key, struct known *known,
                   struct weft_look_row *row) {
    struct weft_error why = {0};
    const struct weft_look_known visit = {known, take_field, take_write, take_lack};
    *known = (struct known){0};
    pair_must(weft_look_row(look, table, &key, 1, &visit, row, &why), &why);
}

static void a_conflict_names_who_won_and_whom_it_beat(void **state) {
    struct pair *pair = *state;
    struct weft_look_row row;
    struct known known;
    pair_put_tag(&pair->a, "one", "first");
    party_connect(&pair->b, &pair->a);
    party_wait_number(&pair->b, "SELECT count(*) FROM tag", 1);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    pair_set_tag(&pair->a, "one", "name", "of ann");
    party_return(&pair->b);
    pair_set_tag(&pair->b, "one", "name", "of bob"); /* the later one */
    party_connect(&pair->b, &pair->a);
    party_wait_number(&pair->a, "SELECT count(*) FROM tag WHERE name = 'of bob'", 1);
    row_of(pair_look(pair, &pair->a), "tag", pair_text("one"), &known, &row);
    assert_int_equal(row.state, WEFT_ROW_SHOWN);
    assert_true(row.shared);
    assert_memory_equal(row.created.device, pair->a.device, 16);
    assert_string_equal(known.value, "of bob");
    assert_memory_equal(known.name.device, pair->b.device, 16);
    assert_int_equal(known.beaten, 2); /* what it was created with, and what ann wrote */
    assert_string_equal(known.loser, "of ann");
    assert_memory_equal(known.beat.device, pair->a.device, 16);
    assert_true(known.beat.stamp < known.name.stamp);
}

static void a_deleted_row_names_who_has_not_heard_of_it(void **state) {
    struct pair *pair = *state;
    struct weft_look_row row;
    struct known known;
    pair_put_tag(&pair->a, "one", "first");
    pair_delete_tag(&pair->a, "one");
    row_of(pair_look(pair, &pair->a), "tag", pair_text("one"), &known, &row);
    assert_int_equal(row.state, WEFT_ROW_DELETED);
    assert_memory_equal(row.deleted.device, pair->a.device, 16);
    assert_true(row.deleted.stamp > row.created.stamp);
    assert_int_equal(known.lacks, 1);
    assert_memory_equal(known.lacking, pair->b.device, 16);
    assert_int_equal(known.away, 0);
    party_connect(&pair->b, &pair->a);
    do {
        row_of(pair->look, "tag", pair_text("one"), &known, &row);
    } while (known.lacks > 0);
}

static void an_owned_row_has_an_owner_and_a_version(void **state) {
    struct pair *pair = *state;
    struct weft_look_row row, gone;
    struct known known;
    uint8_t id[16];
    party_wait(&pair->a, party_put(&pair->a, 1, "file", 1), WEFT_DURABLE, 0);
    party_id(&pair->a, 1, id);
    row_of(pair_look(pair, &pair->a), "entry", weft_blob(id, 16), &known, &row);
    assert_int_equal(row.state, WEFT_ROW_SHOWN);
    assert_false(row.shared);
    assert_memory_equal(row.owner, pair->a.device, 16);
    assert_true(row.version >> 16 > 1700000000000);
    assert_int_equal(known.fields, PARTY_COLUMNS);
    assert_int_equal(known.lacks, 1);
    party_wait(&pair->a, party_delete(&pair->a, 1), WEFT_DURABLE, 0);
    row_of(pair->look, "entry", weft_blob(id, 16), &known, &gone);
    assert_int_equal(gone.state, WEFT_ROW_DELETED);
    assert_memory_equal(gone.owner, pair->a.device, 16);
    assert_true(gone.version > row.version);
    assert_int_equal(known.fields, 0);
    assert_int_equal(known.lacks, 1);
}

static void keys_and_tables_that_are_none_are_refused(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct weft_look_row row;
    struct known known;
    const struct weft_value number = weft_integer(1), keys[] = {pair_text("one"), pair_text("two")};
    weft_look *look = pair_look(pair, &pair->a);
    row_of(look, "tag", pair_text("none"), &known, &row);
    assert_int_equal(row.state, WEFT_ROW_ABSENT);
    assert_int_equal(weft_look_row(look, "tag", &number, 1, NULL, &row, &why), WEFT_TYPE);
    assert_int_equal(weft_look_row(look, "tag", keys, 2, NULL, &row, &why), WEFT_INVALID);
    assert_int_equal(weft_look_row(look, "none", keys, 1, NULL, &row, &why), WEFT_NOT_FOUND);
    assert_non_null(strstr(why.text, "\"none\""));
}

/* ---- digests, and SQLite's check ---- */

struct digests {
    unsigned count, unsound;
    uint64_t rows;
};

static void take_digest(void *context, const struct weft_look_digest *digest) {
    struct digests *digests = context;
    digests->count++;
    digests->unsound += !digest->sound;
    digests->rows += digest->rows;
    assert_true(digest->known);
}

static void take_fault(void *context, const char *fault) {
    fail_msg("%s (%p)", fault, context);
}

static unsigned unsound(struct pair *pair, uint64_t *rows) {
    struct weft_error why = {0};
    struct digests digests = {0};
    pair_must(weft_look_digests(pair_look(pair, &pair->a), &digests, take_digest, &why), &why);
    pair_must(weft_look_integrity(pair->look, NULL, take_fault, &why), &why);
    assert_true(digests.count > 0);
    *rows = digests.rows;
    return digests.unsound;
}

static void a_row_that_was_taken_away_makes_its_digest_unsound(void **state) {
    struct pair *pair = *state;
    uint64_t rows = 0;
    pair_put_tag(&pair->a, "one", "first");
    pair_put_tag(&pair->a, "two", "second");
    party_wait(&pair->a, party_put(&pair->a, 1, "file", 1), WEFT_DURABLE, 0);
    assert_int_equal(unsound(pair, &rows), 0);
    assert_int_equal(rows, 4); /* two tags, an entry, a location */
    party_leave(&pair->a);
    pair_meddle(&pair->a, "DELETE FROM tag WHERE id = 'two'");
    assert_int_equal(unsound(pair, &rows), 1);
    pair_meddle(&pair->a, "DELETE FROM entry");
    assert_int_equal(unsound(pair, &rows), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(a_conflict_names_who_won_and_whom_it_beat),
        PAIR_TEST(a_deleted_row_names_who_has_not_heard_of_it),
        PAIR_TEST(an_owned_row_has_an_owner_and_a_version),
        PAIR_TEST(keys_and_tables_that_are_none_are_refused),
        PAIR_TEST(a_row_that_was_taken_away_makes_its_digest_unsound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
