/* A member that lies: its handshake and Hello are good, and what it says after them is not. It
 * loses its session, or is asked again, or is not believed; rows and records of others stay as they
 * are, and an honest member is served as before. What cannot even be read: test_hostile_bombs.c;
 * what takes room or time: test_hostile_greedy.c. */
#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/siege.h"

#define RECORDS_HELD "SELECT count(*) FROM shared_changes"
#define FORKS "SELECT count(*) FROM _weft_origin WHERE fork IS NOT NULL"

/* ---- beginnings ------------------------------------------------------------------------------ */

static bool says_hello(struct liar *liar) {
    uint8_t proof[64];
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    liar_proof(liar, proof);
    hello.proof = (ProtobufCBinaryData){sizeof proof, proof};
    wire.body_case = WEFT__WIRE__WIRE__BODY_HELLO;
    wire.hello = &hello;
    return liar_says(liar, LANE_CONTROL, &wire);
}

static struct lie own_rows(struct siege *siege) {
    const struct id *own = &siege->liar.author.identity.device;
    return (struct lie){.owner = *own, .key = *own, .location = *own, .name = "of the liar"};
}

static struct id id_of(const struct party *party) {
    struct id id;
    memcpy(id.bytes, party->device, sizeof id.bytes);
    return id;
}

static void before_its_hello_nothing_is_heard_and_after_it_no_other_one(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    struct lie rows = own_rows(siege);
    assert_true(liar_dial(liar));
    (void)liar_beats(liar, 1);
    assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    assert_true(liar_dial(liar));
    (void)liar_rows(liar, &rows);
    assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    assert_true(liar_meet(liar));
    (void)says_hello(liar);
    assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    siege_assert_well(siege);
}

/* ---- records --------------------------------------------------------------------------------- */

#define END_OF_TIME (UINT64_MAX >> 1)

/* The one that follows the liar's last. Its stamps are at the end of time, each later than the one
 * before, as they must be. */
static struct record next_record(const struct liar *liar) {
    const uint64_t seq = liar->author.seq + 1;
    struct record record = {
        .origin = liar->author.origin, .seq = seq, .hlc = END_OF_TIME - 1000 + seq};
    memcpy(record.prev, liar->author.hash, sizeof record.prev);
    return record;
}

static void a_record_signed_by_another_is_refused(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    const struct identity kept = liar->author.identity;
    const int64_t held = party_number(&siege->victim, RECORDS_HELD);
    assert_true(liar_meet(liar));
    liar->author.identity.device = id_of(&siege->friend);
    struct record record = {.origin = {id_of(&siege->friend), 1ull << 60}, .seq = 1, .hlc = 1};
    const struct bytes bytes = liar_signs(liar, &record);
    liar->author.identity = kept;
    (void)liar_records(liar, &bytes, 1);
    assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    assert_int_equal(party_number(&siege->victim, RECORDS_HELD), held);
    siege_assert_well(siege);
}

static void a_record_with_any_part_changed_is_refused(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    const int64_t held = party_number(&siege->victim, RECORDS_HELD);
    for (size_t at = 0; at < RECORD_OVERHEAD + RECORD_OP_HEAD; at += 7) {
        if (at == 28 || at == 35) continue; /* Its number: that leaves a gap, which is below. */
        assert_true(liar_meet(liar));
        struct record record = next_record(liar);
        struct bytes bytes = liar_signs(liar, &record);
        ((uint8_t *)(uintptr_t)bytes.data)[at] ^= 0x20;
        (void)liar_records(liar, &bytes, 1);
        /* One of a device or an incarnation that nobody has added may come to be known: it is asked
         * for again. All others are refused. */
        if (at < 4 || at >= 28) {
            assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
        } else {
            assert_true(liar_hears(liar, WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST, 2) ||
                        liar->code != 0);
        }
    }
    assert_int_equal(party_number(&siege->victim, RECORDS_HELD), held);
    siege_assert_well(siege);
}

/* Records behind a hole are not kept, and asking for what fills it has a pace. */
static void a_gap_in_records_that_never_ends_is_not_asked_for_every_time(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    enum { MESSAGES = 100, EACH = 101 };
    const Weft__Wire__Wire__BodyCase asked = WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST;
    struct bytes records[EACH];
    const int64_t held = party_number(&siege->victim, RECORDS_HELD);
    assert_true(liar_meet(liar));
    struct record record = next_record(liar);
    record.seq++;
    for (int i = 0; i < EACH; i++, record.seq++) {
        record.prev[0]++;
        record.ops.size = 0;
        records[i] = liar_signs(liar, &record);
    }
    const uint64_t since = siege_now_us();
    assert_true(liar_records(liar, records, EACH));
    assert_true(liar_hears(liar, asked, 2));
    assert_in_range(siege_now_us() - since, LIMIT_RETRY_US * 9 / 10, UINT64_MAX);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        assert_true(liar_records(liar, records, EACH));
        assert_true(liar_is_paid(liar));
    }
    assert_in_range(liar->heard[asked], 2, 2 + (siege_now_us() - since) / LIMIT_RETRY_US);
    assert_int_equal(party_number(&siege->victim, RECORDS_HELD), held);
    siege_assert_well(siege);
}

static int64_t victims_clock_ms(struct siege *siege) {
    return party_number(&siege->victim,
                        "SELECT max(position) >> 16 FROM _weft_position WHERE owner = 1");
}

static void a_record_of_an_absurd_time_moves_no_clock(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    siege_assert_well(siege);
    const int64_t before = victims_clock_ms(siege);
    const uint64_t since = siege_now_us();
    assert_true(liar_meet(liar));
    struct record record = next_record(liar);
    const struct bytes bytes = liar_signs(liar, &record);
    assert_true(liar_records(liar, &bytes, 1));
    assert_true(liar_is_paid(liar));
    liar->author.seq = record.seq;
    memcpy(liar->author.hash, record.hash, sizeof record.hash);
    siege_assert_well(siege);
    const int64_t passed = (int64_t)((siege_now_us() - since) / 1000);
    assert_in_range(victims_clock_ms(siege), before, before + passed + 1000);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Whatever the liar says, these stay. */
static int64_t rows_of(struct siege *siege, const char *condition) {
    char sql[160];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM entry WHERE %s", condition);
    return party_number(&siege->victim, sql);
}

static void rows_of_another_owner_are_not_taken(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    struct id nobody = {{9, 9, 9}};
    const struct id owners[] = {id_of(&siege->victim), id_of(&siege->friend), nobody};
    assert_true(liar_meet(liar));
    for (size_t i = 0; i < 3; i++) {
        struct lie lie = {.model = LIAR_ENTRY,
                          .owner = owners[i],
                          .key = owners[i],
                          .location = owners[i],
                          .name = "forged",
                          .count = 5,
                          .claimed = 5};
        /* From the beginning, and from where it may stand. */
        for (uint64_t after = 0; after < 1ull << 62; after = after * 3 + (1ull << 56)) {
            lie.after = after;
            lie.upto = INT64_MAX;
            assert_true(liar_rows(liar, &lie));
        }
    }
    assert_true(liar_is_paid(liar));
    siege_assert_well(siege);
    assert_int_equal(rows_of(siege, "name = 'forged'"), 0);
}

/* In the liar's own stream, but with the keys, or in the place, of others. */
static void rows_that_reach_for_others_are_not_applied(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    uint8_t row[16];
    party_id(&siege->friend, siege->row - siege->row % 2, row);
    assert_true(liar_meet(liar));
    struct lie lie = own_rows(siege);
    lie.after = liar->asked[LIAR_LOCATION];
    lie.upto = lie.after + 1;
    lie.count = lie.claimed = 1;
    assert_true(liar_rows(liar, &lie)); /* Its location: that is its own. */
    lie = own_rows(siege);
    lie.model = LIAR_ENTRY;
    lie.name = "forged";
    lie.count = lie.claimed = 1;
    lie.after = liar->asked[LIAR_ENTRY];
    for (int i = 0; i < 3; i++, lie.after++) {
        lie.upto = lie.after + 1;
        if (i != 1) memcpy(lie.key.bytes, row, sizeof row);
        if (i == 1) memcpy(lie.key.bytes, "a key of its own", sizeof row);
        lie.location = i == 0 ? siege->liar.author.identity.device : id_of(&siege->friend);
        assert_true(liar_rows(liar, &lie));
    }
    assert_true(liar_is_paid(liar));
    siege_assert_well(siege);
    assert_int_equal(rows_of(siege, "name = 'forged'"), 0);
    assert_int_equal(rows_of(siege, "name <> 'row'"), 0);
}

static void a_gap_in_rows_that_never_ends_applies_nothing(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    struct lie lie = own_rows(siege);
    lie.model = LIAR_ENTRY;
    lie.name = "behind a gap";
    lie.count = lie.claimed = 100;
    assert_true(liar_meet(liar));
    for (uint64_t i = 0; i < 200; i++) {
        lie.after = liar->asked[LIAR_ENTRY] + 1000 + i * 100;
        lie.upto = lie.after + 100;
        assert_true(liar_rows(liar, &lie));
    }
    assert_true(liar_is_paid(liar));
    siege_assert_well(siege);
    assert_int_equal(rows_of(siege, "name = 'behind a gap'"), 0);
}

static void batches_that_cannot_be_end_the_session(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    for (int i = 0; i < 8; i++) {
        assert_true(liar_meet(liar));
        struct lie lie = own_rows(siege);
        lie.after = liar->asked[LIAR_LOCATION];
        lie.count = lie.claimed = 2;
        lie.upto = lie.after + 2;
        if (i == 0) lie.claimed = 3;
        if (i == 1) lie.claimed = LIMIT_ROWS + 1;
        if (i == 2) lie.upto = lie.after;
        if (i == 3) lie.after = lie.upto + 10;
        if (i == 4) lie.upto = UINT64_MAX;
        if (i == 5) lie.horizon = UINT64_MAX;
        if (i == 6) lie.renamed = "id";
        if (i == 7) lie.upto = lie.after + 1;
        (void)liar_rows(liar, &lie);
        assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    }
    siege_assert_well(siege);
}

/* It can send what this version does not know: its own rows wait, and nobody else's. */
static void a_column_nobody_knows_stops_only_the_stream_it_is_in(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    assert_true(liar_meet(liar));
    struct lie lie = own_rows(siege);
    lie.after = liar->asked[LIAR_LOCATION];
    lie.upto = lie.after + 1;
    lie.count = lie.claimed = 1;
    lie.renamed = "of_tomorrow";
    for (int i = 0; i < 50; i++)
        assert_true(liar_rows(liar, &lie));
    assert_true(liar_is_paid(liar));
    siege_assert_well(siege);
}

/* ---- acknowledgements, requests, credit ------------------------------------------------------ */

static void acknowledging_what_was_never_sent_harms_nobody_else(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    const struct id owners[] = {id_of(&siege->victim), id_of(&siege->friend),
                                liar->author.identity.device};
    assert_true(liar_meet(liar));
    for (size_t i = 0; i < 3; i++)
        assert_true(liar_places(liar, true, &owners[i], 16, 1, INT64_MAX));
    assert_true(liar_beats(liar, 1));
    assert_true(liar_hears(liar, WEFT__WIRE__WIRE__BODY_HEARTBEAT, 1));
    siege_assert_well(siege);
    for (int i = 0; i < 4; i++) {
        assert_true(liar_meet(liar));
        (void)liar_places(liar, i < 2, &owners[0], i % 2 == 0 ? 16 : 15, 1,
                          i % 2 == 0 ? UINT64_MAX - 1 : 1);
        assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    }
    siege_assert_well(siege);
}

static void credit_for_what_was_never_sent_ends_the_session(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    static const uint64_t lies[][2] = {
        {1u << 30, 0}, {UINT64_MAX, 0}, {0, LIMIT_SHARED_WINDOW}, {0, UINT64_MAX}};
    for (size_t i = 0; i < 4; i++) {
        Weft__Wire__Credit credit = WEFT__WIRE__CREDIT__INIT;
        Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
        assert_true(liar_meet(liar));
        credit.bytes = lies[i][0];
        credit.shared = lies[i][1];
        wire.body_case = WEFT__WIRE__WIRE__BODY_CREDIT;
        wire.credit = &credit;
        (void)liar_says(liar, LANE_CONTROL, &wire);
        assert_true(liar_is_thrown_out(liar, WEFT_PROTOCOL));
    }
    siege_assert_well(siege);
}

/* ---- on and on ------------------------------------------------------------------------------- */

static void leave_gaps_in_rows(struct siege *siege, uint32_t round) {
    struct lie lie = own_rows(siege);
    if (!liar_stays(&siege->liar)) return;
    lie.model = LIAR_ENTRY;
    lie.count = lie.claimed = 20;
    lie.after = siege->liar.asked[LIAR_ENTRY] + 1000 + round;
    lie.upto = lie.after + 20;
    if (liar_rows(&siege->liar, &lie)) liar_catches_up(&siege->liar);
}

static void leave_gaps_in_records(struct siege *siege, uint32_t round) {
    struct bytes records[4];
    if (round % 64 == 0) liar_hang_up(&siege->liar);
    if (!liar_stays(&siege->liar)) return;
    struct record record = next_record(&siege->liar);
    record.seq += 1 + round;
    for (int i = 0; i < 4; i++, record.seq++) {
        record.prev[0]++;
        record.ops.size = 0;
        records[i] = liar_signs(&siege->liar, &record);
    }
    if (liar_records(&siege->liar, records, 4)) liar_catches_up(&siege->liar);
}

static void lie_and_come_back(struct siege *siege, uint32_t round) {
    struct lie lie = own_rows(siege);
    if (!liar_meet(&siege->liar)) return;
    lie.count = lie.claimed = 1;
    if (round % 2 == 0) (void)says_hello(&siege->liar);
    if (round % 2 == 1) (void)liar_rows(&siege->liar, &lie);
    (void)liar_hears_out(&siege->liar);
}

static void acknowledge_nothing(struct siege *siege, uint32_t round) {
    const struct id owner = id_of(&siege->victim);
    if (liar_stays(&siege->liar) &&
        liar_places(&siege->liar, true, &owner, 16, 1, (1ull << 62) + round))
        liar_catches_up(&siege->liar);
}

static void commits_go_on_while_a_member_lies(void **state) {
    static const struct siege_attack attacks[] = {
        {"gaps in rows", leave_gaps_in_rows, 1, 50},
        {"gaps in records", leave_gaps_in_records, 1, 50},
        {"lies and new sessions", lie_and_come_back, 10, 50},
        {"acknowledgements", acknowledge_nothing, 1, 50},
    };
    struct siege *siege = *state;
    siege_endure(siege, attacks, sizeof attacks / sizeof *attacks);
    siege_wait_gone(siege);
}

/* ---- last, since nobody believes the liar afterwards ----------------------------------------- */

static void a_forked_chain_freezes_its_origin_and_nobody_else(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    static const uint8_t other[] = {0xee, 1, 0, 0, 0, 0};
    struct bytes twins[2];
    assert_true(liar_meet(liar));
    struct record record = next_record(liar);
    twins[0] = liar_signs(liar, &record);
    record.ops = (struct bytes){other, sizeof other};
    twins[1] = liar_signs(liar, &record);
    assert_true(liar_records(liar, twins, 2));
    assert_true(liar_is_paid(liar));
    assert_int_equal(party_number(&siege->victim, FORKS), 1);
    const int64_t held = party_number(&siege->victim, RECORDS_HELD);
    liar->author.seq = record.seq;
    memcpy(liar->author.hash, record.hash, sizeof record.hash);
    for (uint64_t i = 1; i <= 10; i++) {
        record = next_record(liar);
        const struct bytes bytes = liar_signs(liar, &record);
        assert_true(liar_records(liar, &bytes, 1));
        assert_true(liar_is_paid(liar));
    }
    assert_int_equal(party_number(&siege->victim, RECORDS_HELD), held);
    siege_wait_gone(siege);
    siege_assert_well(siege);
}

static void rows_of_an_absurd_time_move_no_clock(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    siege_assert_well(siege);
    const int64_t before = victims_clock_ms(siege);
    const uint64_t since = siege_now_us();
    assert_true(liar_meet(liar));
    struct lie lie = own_rows(siege);
    lie.after = liar->asked[LIAR_LOCATION];
    lie.upto = INT64_MAX;
    lie.count = lie.claimed = 1;
    assert_true(liar_rows(liar, &lie));
    assert_true(liar_is_paid(liar));
    siege_wait_gone(siege);
    siege_assert_well(siege);
    const int64_t passed = (int64_t)((siege_now_us() - since) / 1000);
    assert_in_range(victims_clock_ms(siege), before, before + passed + 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_its_hello_nothing_is_heard_and_after_it_no_other_one),
        cmocka_unit_test(a_record_signed_by_another_is_refused),
        cmocka_unit_test(a_record_with_any_part_changed_is_refused),
        cmocka_unit_test(a_gap_in_records_that_never_ends_is_not_asked_for_every_time),
        cmocka_unit_test(a_record_of_an_absurd_time_moves_no_clock),
        cmocka_unit_test(rows_of_another_owner_are_not_taken),
        cmocka_unit_test(rows_that_reach_for_others_are_not_applied),
        cmocka_unit_test(a_gap_in_rows_that_never_ends_applies_nothing),
        cmocka_unit_test(batches_that_cannot_be_end_the_session),
        cmocka_unit_test(a_column_nobody_knows_stops_only_the_stream_it_is_in),
        cmocka_unit_test(acknowledging_what_was_never_sent_harms_nobody_else),
        cmocka_unit_test(credit_for_what_was_never_sent_ends_the_session),
        cmocka_unit_test(commits_go_on_while_a_member_lies),
        cmocka_unit_test(a_forked_chain_freezes_its_origin_and_nobody_else),
        cmocka_unit_test(rows_of_an_absurd_time_move_no_clock),
    };
    return cmocka_run_group_tests(tests, siege_setup, siege_teardown);
}
