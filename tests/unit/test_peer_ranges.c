/* The peer actor alone: questions and answers about ranges of a stream, between remote and bulk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_peer.h"

#define WIRE(kind) WEFT__WIRE__WIRE__BODY_##kind
#define MAIL(kind) WEFT__MAIL__BODY_##kind

static uint8_t owner[WEFT_ID_SIZE + 1] = {7};
static char entry[] = "entry", photo[] = "photo"; /* photo is not here */

static int open_stage(void **state) {
    struct solo_peer *stage = calloc(1, sizeof *stage);
    if (stage == NULL || !solo_peer_open(stage)) return 1;
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_peer_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

static void say_request(struct solo_peer *stage, const Weft__Wire__DigestRequest *request) {
    Weft__Wire__DigestRequest copy = *request;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    wire.body_case = WIRE(DIGEST_REQUEST);
    wire.digest_request = &copy;
    solo_peer_say(stage, &wire);
}

static void say_response(struct solo_peer *stage, const Weft__Wire__DigestResponse *response) {
    Weft__Wire__DigestResponse copy = *response;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    wire.body_case = WIRE(DIGEST_RESPONSE);
    wire.digest_response = &copy;
    solo_peer_say(stage, &wire);
}

static Weft__Wire__DigestRequest request_of(uint64_t *bounds, size_t count) {
    Weft__Wire__DigestRequest request = WEFT__WIRE__DIGEST_REQUEST__INIT;
    request.owner = (ProtobufCBinaryData){WEFT_ID_SIZE, owner};
    request.model = entry;
    request.bounds = bounds;
    request.n_bounds = count;
    request.position = count == 0 ? 0 : bounds[count - 1];
    return request;
}

static Weft__Wire__DigestResponse response_of(uint64_t *sums, size_t count) {
    Weft__Wire__DigestResponse response = WEFT__WIRE__DIGEST_RESPONSE__INIT;
    response.owner = (ProtobufCBinaryData){WEFT_ID_SIZE, owner};
    response.model = entry;
    response.position = 50;
    response.sums = sums;
    response.n_sums = count;
    return response;
}

static void a_question_reaches_bulk(void **state) {
    struct solo_peer *stage = *state;
    uint64_t bounds[] = {10, 11, 50};
    solo_peer_live(stage, false);
    const Weft__Wire__DigestRequest request = request_of(bounds, 3);
    say_request(stage, &request);
    struct mail *mail = solo_peer_to_bulk(stage, MAIL(RANGES));
    assert_non_null(mail);
    const Weft__Ranges *ranges = mail->body.ranges;
    assert_false(ranges->answer);
    assert_int_equal(ranges->model, 1);
    assert_int_equal(ranges->position, 50);
    assert_int_equal(ranges->n_bounds, 3);
    assert_memory_equal(ranges->bounds, bounds, sizeof bounds);
    assert_memory_equal(ranges->owner.data, owner, WEFT_ID_SIZE);
    mail_drop(&mail);
}

static void an_answer_reaches_bulk_also_without_sums(void **state) {
    struct solo_peer *stage = *state;
    uint64_t sums[] = {UINT64_MAX, 0, 3};
    solo_peer_live(stage, false);
    for (size_t count = 0; count <= 3; count += 3) {
        Weft__Wire__DigestResponse response = response_of(sums, count);
        response.horizon = 20;
        response.settled = 60;
        say_response(stage, &response);
        struct mail *mail = solo_peer_to_bulk(stage, MAIL(RANGES));
        assert_non_null(mail);
        const Weft__Ranges *ranges = mail->body.ranges;
        assert_true(ranges->answer && ranges->position == 50);
        assert_true(ranges->horizon == 20 && ranges->settled == 60);
        assert_int_equal(ranges->n_sums, count);
        if (count != 0) assert_memory_equal(ranges->sums, sums, sizeof sums);
        mail_drop(&mail);
    }
}

static void what_is_of_a_table_that_is_not_here_is_passed_over(void **state) {
    struct solo_peer *stage = *state;
    uint64_t bounds[] = {10};
    solo_peer_live(stage, false);
    Weft__Wire__DigestRequest request = request_of(bounds, 1);
    request.model = photo;
    say_request(stage, &request);
    assert_null(solo_peer_to_bulk(stage, MAIL(RANGES)));
    assert_int_equal(stage->link.closes, 0);
}

static void ranges_that_cannot_be_end_the_session(void **state) {
    struct solo_peer *stage = *state;
    static uint64_t many[LIMIT_RANGES + 1];
    uint64_t falling[] = {10, 9, 50}, twice[] = {10, 10}, zero[] = {0, 50};
    uint64_t far[] = {(uint64_t)INT64_MAX + 1}, right[] = {10, 50};
    for (size_t i = 0; i < LIMIT_RANGES + 1; i++)
        many[i] = i + 1;
    Weft__Wire__DigestRequest bad[] = {
        request_of(falling, 3), request_of(twice, 2), request_of(zero, 2),
        request_of(far, 1),     request_of(right, 0), request_of(many, LIMIT_RANGES + 1),
        request_of(right, 2),   request_of(right, 2),
    };
    bad[6].position = 51;
    bad[7].owner.len = 15;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        stage->link.closes = 0;
        solo_peer_live(stage, false);
        say_request(stage, &bad[i]);
        solo_peer_expect_end(stage, WEFT_PROTOCOL);
        solo_peer_cleared(stage);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

static void sums_that_cannot_be_end_the_session(void **state) {
    struct solo_peer *stage = *state;
    static uint64_t many[LIMIT_RANGES + 1];
    Weft__Wire__DigestResponse bad[5];
    for (size_t i = 0; i < 5; i++)
        bad[i] = response_of(many, i == 0 ? LIMIT_RANGES + 1 : 1);
    bad[1].owner.len = 17;
    bad[2].position = UINT64_MAX;
    bad[3].horizon = UINT64_MAX;
    bad[4].settled = UINT64_MAX;
    for (size_t i = 0; i < 5; i++) {
        stage->link.closes = 0;
        solo_peer_live(stage, false);
        say_response(stage, &bad[i]);
        solo_peer_expect_end(stage, WEFT_PROTOCOL);
        solo_peer_cleared(stage);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

static void what_bulk_says_of_ranges_is_said_to_the_remote(void **state) {
    struct solo_peer *stage = *state;
    uint64_t numbers[] = {10, 50};
    solo_peer_live(stage, false);
    for (int i = 0; i < 2; i++) {
        Weft__Ranges *ranges = NULL;
        struct mail *mail = solo_mail(&stage->solo, MAIL(RANGES), &ranges);
        uint64_t *copy = arena_take(&mail->arena, sizeof numbers);
        const uint32_t notes = stage->granted_notes;
        assert_non_null(copy);
        memcpy(copy, numbers, sizeof numbers);
        assert_true(mail_bytes(mail, &ranges->owner, owner, WEFT_ID_SIZE));
        ranges->model = 1;
        ranges->position = 50;
        ranges->answer = i == 1;
        if (i == 0) ranges->bounds = copy, ranges->n_bounds = 2;
        if (i == 1) ranges->sums = copy, ranges->n_sums = 2, ranges->horizon = 3;
        solo_tell(&stage->solo, ACTOR_BULK, mail);
        assert_null(solo_peer_to_bulk(stage, MAIL(RANGES)));
        assert_int_equal(stage->granted_notes, notes + 1);
    }
    const Weft__Wire__Wire *wire = solo_peer_heard_kind(stage, WIRE(DIGEST_REQUEST));
    assert_non_null(wire);
    assert_string_equal(wire->digest_request->model, "entry");
    assert_int_equal(wire->digest_request->position, 50);
    assert_int_equal(wire->digest_request->n_bounds, 2);
    assert_memory_equal(wire->digest_request->bounds, numbers, sizeof numbers);
    wire = solo_peer_heard_kind(stage, WIRE(DIGEST_RESPONSE));
    assert_non_null(wire);
    assert_int_equal(wire->digest_response->n_sums, 2);
    assert_memory_equal(wire->digest_response->sums, numbers, sizeof numbers);
    assert_int_equal(wire->digest_response->horizon, 3);
}

#define RANGES_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        RANGES_TEST(a_question_reaches_bulk),
        RANGES_TEST(an_answer_reaches_bulk_also_without_sums),
        RANGES_TEST(what_is_of_a_table_that_is_not_here_is_passed_over),
        RANGES_TEST(ranges_that_cannot_be_end_the_session),
        RANGES_TEST(sums_that_cannot_be_end_the_session),
        RANGES_TEST(what_bulk_says_of_ranges_is_said_to_the_remote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
