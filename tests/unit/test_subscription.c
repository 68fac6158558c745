/* Rules about what is taken: which of them counts, which stay, and what they do to a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "engine/store/digest.h"
#include "engine/store/subscription.h"
#include "tests/lib/digests.h"
#include "tests/lib/place.h"

enum { LOCATION = 1, ENTRY = 2 };

/* Of `table` 0: all; of `owner` 0: all. */
static struct subscription rule(uint32_t table, uint8_t owner, bool take) {
    struct subscription rule = {.all_owners = owner == 0, .model = table, .take = take};
    rule.owner = library_id(owner);
    if (table != 0)
        (void)snprintf(rule.table, sizeof rule.table, "%s", table == ENTRY ? "Entry" : "location");
    return rule;
}

static void add(struct subscriptions *rules, struct subscription rule) {
    struct weft_error why;
    assert_int_equal(subscriptions_add(rules, &rule, &why), WEFT_OK);
}

static bool takes(const struct subscriptions *rules, uint32_t table, uint8_t owner) {
    const struct id id = library_id(owner);
    return subscriptions_take(rules, owner == 0 ? NULL : &id, table);
}

static void without_rules_all_is_taken(void **state) {
    static struct subscriptions rules;
    (void)state;
    rules.count = 0;
    assert_true(takes(&rules, LOCATION, THEM));
    assert_true(takes(&rules, ENTRY, 0));
}

static void of_rules_that_concern_a_stream_the_newest_counts(void **state) {
    static struct subscriptions rules;
    (void)state;
    rules.count = 0;
    add(&rules, rule(ENTRY, 0, false));
    assert_false(takes(&rules, ENTRY, THEM));
    assert_false(takes(&rules, ENTRY, 0));
    assert_true(takes(&rules, LOCATION, THEM));
    add(&rules, rule(0, THEM, true));
    assert_true(takes(&rules, ENTRY, THEM));
    assert_false(takes(&rules, ENTRY, OTHERS));
    add(&rules, rule(LOCATION, THEM, false));
    assert_false(takes(&rules, LOCATION, THEM));
    assert_true(takes(&rules, ENTRY, THEM));
    assert_int_equal(rules.count, 3);
}

static void a_rule_takes_away_those_that_it_covers(void **state) {
    static struct subscriptions rules;
    (void)state;
    rules.count = 0;
    add(&rules, rule(ENTRY, THEM, false));
    add(&rules, rule(ENTRY, THEM, false));
    assert_int_equal(rules.count, 1);
    add(&rules, rule(LOCATION, OTHERS, false));
    add(&rules, rule(ENTRY, 0, false)); /* Covers the first. */
    assert_int_equal(rules.count, 2);
    add(&rules, rule(0, 0, true)); /* Covers all, and says what holds without it. */
    assert_int_equal(rules.count, 0);
    add(&rules, rule(0, THEM, true));
    assert_int_equal(rules.count, 0);
}

static void there_are_no_more_than_the_limit(void **state) {
    static struct subscriptions rules;
    struct weft_error why;
    (void)state;
    rules.count = 0;
    for (uint32_t i = 0; i < LIMIT_SUBSCRIPTIONS; i++) {
        struct subscription one = rule(ENTRY, 1, false);
        one.owner.bytes[0] = (uint8_t)i;
        one.owner.bytes[1] = (uint8_t)(i >> 8) + 1;
        add(&rules, one);
    }
    const struct subscription more = rule(LOCATION, THEM, false), wide = rule(0, 0, false);
    assert_int_equal(subscriptions_add(&rules, &more, &why), WEFT_LIMIT);
    assert_int_equal(rules.count, LIMIT_SUBSCRIPTIONS);
    assert_true(takes(&rules, LOCATION, THEM));
    add(&rules, wide);
    assert_int_equal(rules.count, 1);
}

/* ---- the file ---- */

static void writes(struct place *place, const struct subscriptions *rules) {
    struct weft_error why;
    assert_int_equal(writer_begin(place->a.writer, &why), WEFT_OK);
    assert_int_equal(subscriptions_write(place->a.writer, rules, &why), WEFT_OK);
    assert_int_equal(writer_commit(place->a.writer, &why), WEFT_OK);
}

static void rules_are_read_as_they_were_written_also_of_a_table_that_is_gone(void **state) {
    static struct subscriptions rules, back;
    struct place *place = *state;
    struct weft_error why;
    rules.count = 0;
    add(&rules, rule(ENTRY, 0, false));
    add(&rules, rule(0, THEM, true));
    writes(place, &rules);
    library_sql(&place->a, "INSERT INTO _weft_subscription(owner, model, take) "
                           "VALUES (NULL, 'not_here', 0)");
    assert_int_equal(writer_subscriptions(place->a.writer, &back, NULL, &why), WEFT_OK);
    assert_int_equal(back.count, 3);
    assert_int_equal(back.list[0].model, library_model(&place->a, "entry"));
    assert_true(back.list[0].all_owners && !back.list[0].take);
    assert_true(back.list[1].model == 0 && !back.list[1].all_owners && back.list[1].take);
    assert_int_equal(back.list[2].model, SUBSCRIPTION_ELSEWHERE);
    assert_string_equal(back.list[2].table, "not_here");
    writes(place, &back);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_subscription"), 3);
}

/* THEM have two entries, a parked one and a tombstone here. */
static struct stream receives_all(struct place *place) {
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/them");
    place_receives(place, THEM);
    run = place_fresh(place, "entry");
    run_put(run, "bbti", 1, 0xbb, "a", (int64_t)1);
    run_put(run, "bbti", 2, 0xbb, "b", (int64_t)2);
    run_put(run, "bbti", 3, 0xbb, "c", (int64_t)-3); /* CHECK (size >= 0) */
    run_delete(run, "b", 4);
    place_receives(place, THEM);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked"), 1);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_tombstone"), 1);
    const struct id them = library_id(THEM);
    return library_stream(&place->a, &them, "entry");
}

static void skips(struct place *place, const struct stream *stream) {
    struct weft_error why;
    assert_int_equal(writer_begin(place->a.writer, &why), WEFT_OK);
    assert_int_equal(writer_skip(place->a.writer, stream, &why), WEFT_OK);
    assert_int_equal(writer_commit(place->a.writer, &why), WEFT_OK);
}

static bool clears(struct place *place, const struct stream *stream, uint32_t limit) {
    struct weft_error why;
    struct writer_tally tally = {0};
    bool done = false;
    assert_int_equal(writer_begin(place->a.writer, &why), WEFT_OK);
    assert_int_equal(writer_clear(place->a.writer, stream, limit, &done, &tally, &why), WEFT_OK);
    assert_int_equal(writer_commit(place->a.writer, &why), WEFT_OK);
    assert_true(tally.written <= limit);
    digests_hold(place->a.writer, false);
    return done;
}

static void what_is_left_out_goes_slice_by_slice_and_nothing_else_does(void **state) {
    struct place *place = *state;
    const struct stream stream = receives_all(place);
    struct run *run = place_fresh(place, "entry");
    run_put(run, "bbti", 9, 0xaa, "own", (int64_t)9);
    place_commits(place);
    const uint64_t held = library_position(&place->a, &stream);
    skips(place, &stream);
    assert_int_equal(library_position(&place->a, &stream), 0);
    static struct subscriptions rules;
    struct vector clearing;
    struct weft_error why;
    vector_init(&clearing);
    assert_int_equal(writer_subscriptions(place->a.writer, &rules, &clearing, &why), WEFT_OK);
    assert_int_equal(clearing.count, 1);
    assert_int_equal(stream_compare(&clearing.entries[0].stream, &stream), 0);
    vector_free(&clearing);
    unsigned slices = 1;
    while (!clears(place, &stream, 1))
        slices++;
    assert_int_equal(slices, 5); /* Two rows, one parked, one tombstone; and the end. */
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 1);
    assert_int_equal(place_count(place, "SELECT count(*) FROM location"), 2);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked"), 0);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_tombstone"), 0);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_position WHERE clearing OR "
                                        "sweep IS NOT NULL"),
                     0);
    assert_true((uint64_t)place_count(place, "SELECT max(gone) FROM _weft_position") == held);
}

static void no_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    (void)context;
    (void)stream;
    fail_msg("a sweep stands at %llu", (unsigned long long)cursor);
}

static void a_sweep_that_was_under_way_is_none_any_more(void **state) {
    struct place *place = *state;
    const struct stream stream = receives_all(place);
    struct weft_error why;
    assert_int_equal(writer_begin(place->a.writer, &why), WEFT_OK);
    assert_int_equal(writer_sweep_cursor(place->a.writer, &stream, true, 3, &why), WEFT_OK);
    assert_int_equal(writer_commit(place->a.writer, &why), WEFT_OK);
    skips(place, &stream);
    library_reopen(&place->a, place_schema, ME);
    const struct writer_visit visit = {.sweep = no_sweep};
    assert_int_equal(writer_visit(place->a.writer, &visit, &why), WEFT_OK);
    assert_true(clears(place, &stream, 1000) || clears(place, &stream, 1000));
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 0);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_all_is_taken),
        cmocka_unit_test(of_rules_that_concern_a_stream_the_newest_counts),
        cmocka_unit_test(a_rule_takes_away_those_that_it_covers),
        cmocka_unit_test(there_are_no_more_than_the_limit),
        PLACE_TEST(rules_are_read_as_they_were_written_also_of_a_table_that_is_gone),
        PLACE_TEST(what_is_left_out_goes_slice_by_slice_and_nothing_else_does),
        PLACE_TEST(a_sweep_that_was_under_way_is_none_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
