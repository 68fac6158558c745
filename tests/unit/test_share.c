/* The share actor alone: which records go to whom, in which order and how many of them, and what
 * becomes of those that come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/wire/attest.h"
#include "tests/lib/solo_share.h"

#define SESSION SOLO_SHARE_SESSION
#define ATTEST_US 1000000u /* as share.c has it */

/* A shipment says these records, named by author and number. */
static void ships(struct solo_share *stage, uint32_t peer, const char *records) {
    const struct solo_shipment shipment = solo_share_shipment(stage, peer);
    assert_int_equal(shipment.count, strlen(records) / 2);
    for (unsigned i = 0; i < shipment.count; i++) {
        const struct author *author =
            records[2 * i] == 'a' ? &stage->scene->ann : &stage->scene->bob;
        const struct record_origin *origin = &shipment.records[i].origin;
        assert_int_equal(record_origin_compare(origin, &author->origin), 0);
        assert_int_equal(shipment.records[i].seq, records[2 * i + 1] - '0');
    }
}

static void ships_nothing(struct solo_share *stage, uint32_t peer) {
    assert_false(solo_share_shipment(stage, peer).some);
}

/* Ann has said two things, then bob one, then ann one more. */
static struct solo_share *talked(void **state) {
    struct solo_share *stage = *state;
    struct scene *scene = stage->scene;
    (void)scene_says(scene, &scene->ann, 10);
    (void)scene_says(scene, &scene->ann, 10);
    (void)scene_says(scene, &scene->bob, 10);
    (void)scene_says(scene, &scene->ann, 10);
    solo_share_start(stage);
    return stage;
}

/* ---- records out ----------------------------------------------------------------------------- */

static void who_asks_is_sent_all_records_in_the_order_of_their_coming(void **state) {
    struct solo_share *stage = talked(state);
    solo_share_join(stage, 0, 2);
    ships_nothing(stage, 0); /* It has not asked. */
    solo_share_want(stage, 0, NULL, 0);
    ships(stage, 0, "a1a2b1a3");
    ships_nothing(stage, 0);
    ships_nothing(stage, 1);
}

static void what_the_remote_holds_is_left_out(void **state) {
    struct solo_share *stage = talked(state);
    const struct solo_head heads[] = {{&stage->scene->ann, 2}};
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, heads, 1);
    ships(stage, 0, "b1a3");
}

/* However long the log: a device that was away for an hour costs what was written in it. */
static void records_before_the_first_that_the_remote_lacks_are_not_read(void **state) {
    struct solo_share *stage = talked(state);
    const struct solo_head heads[] = {{&stage->scene->ann, 2}};
    library_sql(&stage->scene->library, "UPDATE shared_changes SET record = 'x' WHERE place <= 2");
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, heads, 1);
    ships(stage, 0, "b1a3");
}

static void who_holds_everything_is_sent_what_comes_next(void **state) {
    struct solo_share *stage = talked(state);
    struct scene *scene = stage->scene;
    const struct solo_head heads[] = {{&scene->ann, 3}, {&scene->bob, 1}};
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, heads, 2);
    ships_nothing(stage, 0);
    solo_share_grown(stage, &scene->bob, 2, 10);
    ships(stage, 0, "b2b3");
    solo_share_grown(stage, &scene->ann, 1, 10);
    ships(stage, 0, "a4");
}

static void what_the_remote_says_it_holds_meanwhile_is_left_out(void **state) {
    struct solo_share *stage = talked(state);
    struct scene *scene = stage->scene;
    const struct solo_head first[] = {{&scene->ann, 3}, {&scene->bob, 1}};
    const struct solo_head then[] = {{&scene->bob, 3}, {&scene->ann, 1}}; /* Of ann: long ago. */
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, first, 2);
    solo_share_acked(stage, 0, then, 2);
    solo_share_grown(stage, &scene->bob, 3, 10);
    ships(stage, 0, "b4");
    solo_share_grown(stage, &scene->ann, 1, 10);
    ships(stage, 0, "a4");
}

static void a_second_request_begins_anew(void **state) {
    struct solo_share *stage = talked(state);
    const struct solo_head heads[] = {{&stage->scene->ann, 1}};
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, NULL, 0);
    ships(stage, 0, "a1a2b1a3");
    solo_share_want(stage, 0, heads, 1); /* What was sent was not taken. */
    ships(stage, 0, "a2b1a3");
}

static void both_remotes_are_served_each_from_where_it_is(void **state) {
    struct solo_share *stage = talked(state);
    struct scene *scene = stage->scene;
    const struct solo_head heads[] = {{&scene->ann, 3}, {&scene->bob, 1}};
    solo_share_join(stage, 0, 2);
    solo_share_join(stage, 1, 2);
    solo_share_want(stage, 0, heads, 2);
    solo_share_grown(stage, &scene->bob, 1, 10);
    ships(stage, 0, "b2");
    solo_share_want(stage, 1, NULL, 0);
    ships(stage, 1, "a1a2b1a3b2");
    solo_share_grown(stage, &scene->bob, 1, 10);
    ships(stage, 0, "b3");
    ships(stage, 1, "b3");
}

static void no_more_shipments_are_handed_over_than_were_granted(void **state) {
    struct solo_share *stage = talked(state);
    struct scene *scene = stage->scene;
    solo_share_join(stage, 0, 0);
    solo_share_want(stage, 0, NULL, 0);
    ships_nothing(stage, 0);
    solo_share_grant(stage, 0, 1, 0);
    ships(stage, 0, "a1a2b1a3");
    solo_share_grown(stage, &scene->bob, 1, 10);
    solo_share_grown(stage, &scene->bob, 1, 10);
    ships_nothing(stage, 0);
    solo_share_grant(stage, 0, 2, 0);
    ships(stage, 0, "b2b3");
    ships_nothing(stage, 0);
}

static void a_shipment_is_closed_at_64_kib_unless_one_record_is_larger(void **state) {
    struct solo_share *stage = *state;
    struct scene *scene = stage->scene;
    const size_t third = LIMIT_SHIPMENT / 3 - RECORD_OVERHEAD - RECORD_OP_HEAD;
    for (unsigned i = 0; i < 4; i++)
        (void)scene_says(scene, &scene->ann, third);
    (void)scene_says(scene, &scene->bob, 2 * LIMIT_SHIPMENT);
    (void)scene_says(scene, &scene->bob, 10);
    solo_share_start(stage);
    solo_share_join(stage, 0, 0);
    solo_share_want(stage, 0, NULL, 0);
    static const char *const parts[] = {"a1a2a3", "a4", "b1", "b2"};
    for (unsigned i = 0; i < 4; i++) {
        solo_share_grant(stage, 0, 1, 0);
        ships(stage, 0, parts[i]);
    }
}

static void a_shipment_says_whether_more_follows(void **state) {
    struct solo_share *stage = *state;
    struct scene *scene = stage->scene;
    solo_share_say(stage, &scene->ann, LIMIT_SHIPMENT_RECORDS + 44, 1);
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, NULL, 0);
    struct solo_shipment shipment = solo_share_shipment(stage, 0);
    assert_int_equal(shipment.count, LIMIT_SHIPMENT_RECORDS);
    assert_true(shipment.more);
    shipment = solo_share_shipment(stage, 0);
    assert_int_equal(shipment.count, 44);
    assert_int_equal(shipment.records[43].seq, LIMIT_SHIPMENT_RECORDS + 44);
    assert_false(shipment.more);
}

/* More than the tail holds, one reader at the head and one that begins behind it. */
static void who_is_far_behind_catches_up_while_the_log_grows(void **state) {
    struct solo_share *stage = talked(state);
    struct scene *scene = stage->scene;
    const struct solo_head heads[] = {{&scene->ann, 3}, {&scene->bob, 1}};
    uint64_t at_head = 1, behind[2] = {0, 0};
    solo_share_join(stage, 0, 0);
    solo_share_join(stage, 1, 0);
    solo_share_want(stage, 0, heads, 2);
    solo_share_want(stage, 1, NULL, 0);
    while (at_head < 1500 || behind[1] < 1500) {
        if (scene->bob.seq < 1500) solo_share_grown(stage, &scene->bob, 100, 1);
        for (uint32_t peer = 0; peer < 2; peer++) {
            solo_share_grant(stage, peer, 1, 0);
            const struct solo_shipment shipment = solo_share_shipment(stage, peer);
            for (unsigned i = 0; i < shipment.count; i++) {
                const bool ann =
                    record_origin_compare(&shipment.records[i].origin, &scene->ann.origin) == 0;
                uint64_t *last = peer == 0 ? &at_head : &behind[ann ? 0 : 1];
                assert_int_equal(shipment.records[i].seq, ++*last);
            }
        }
    }
    assert_int_equal(at_head, scene->bob.seq);
    assert_int_equal(behind[0], 3);
    assert_int_equal(behind[1], scene->bob.seq);
}

/* ---- notes ----------------------------------------------------------------------------------- */

static void a_new_session_is_told_what_is_held_here_and_asked_for_the_rest(void **state) {
    struct solo_share *stage = talked(state);
    solo_share_join(stage, 0, 2);
    const struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.helds, 1);
    assert_int_equal(notes.held, 2); /* The heads of both authors. */
    assert_int_equal(notes.requests, 1);
    assert_int_equal(notes.requested, 2);
    assert_int_equal(notes.count, 0);
}

static void what_is_held_is_told_when_it_has_grown(void **state) {
    struct solo_share *stage = talked(state);
    solo_share_join(stage, 0, 2);
    (void)solo_share_notes(stage, 0);
    solo_share_grant(stage, 0, 0, 1);
    (void)solo_share_notes(stage, 0);
    solo_share_grown(stage, &stage->scene->bob, 1, 10);
    struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.helds, 1);
    assert_int_equal(notes.held, 2);
    solo_share_grown(stage, &stage->scene->bob, 1, 10); /* No note is granted; */
    solo_share_grown(stage, &stage->scene->bob, 1, 10);
    assert_int_equal(solo_share_notes(stage, 0).helds, 0);
    solo_share_grant(stage, 0, 0, 1); /* then one says it all. */
    notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.helds, 1);
    solo_share_grant(stage, 0, 0, 1);
    assert_int_equal(solo_share_notes(stage, 0).helds, 0);
}

/* ---- statements ------------------------------------------------------------------------------ */

#define ATTESTED WEFT__MAIL__BODY_ATTESTED

/* Devices whose statements occur: those behind the peers, and two that are elsewhere. */
static struct id device_of(char name) {
    if (name >= '0' && name <= '9') return (struct id){{0x77, (uint8_t)(name - '0')}};
    return (struct id){{(uint8_t)name}};
}

/* What the log passes on: a statement of each of these devices, that says `seq` and has so many
 * places. */
static void attests(struct solo_share *stage, const char *names, uint64_t seq, uint32_t places) {
    const struct bytes table = {(const uint8_t *)"entry", 5};
    struct arena *arena = &stage->scene->arena;
    Weft__Attested *attested = NULL;
    struct mail *mail = solo_mail(&stage->solo, ATTESTED, &attested);
    attested->statements = arena_zero(&mail->arena, strlen(names) * sizeof *attested->statements);
    assert_non_null(attested->statements);
    for (; *names != 0; names++) {
        const struct record_origin origin = {device_of(*names), 1};
        struct attest_builder builder;
        struct bytes bytes;
        attest_begin(&builder, arena, &origin, seq, false, &table, 1);
        attest_add_head(&builder, &(struct attest_head){origin, seq});
        attest_begin_places(&builder);
        for (uint32_t i = 0; i < places; i++)
            attest_add_place(&builder, &(struct attest_place){origin.device, 0, i, false, 0});
        assert_int_equal(attest_end(&builder, &stage->scene->ann.identity, &bytes), WEFT_OK);
        assert_true(mail_bytes(mail, &attested->statements[attested->n_statements++], bytes.data,
                               bytes.size));
    }
    mail = mail_repack(&mail, stage->solo.pool, NULL);
    assert_non_null(mail);
    solo_tell(&stage->solo, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

/* The next mail of statements to a peer, of these devices in this order, says `seq`. */
static void passes_on(struct solo_share *stage, uint32_t peer, const char *names, uint64_t seq) {
    struct mail *mail = solo_take(&stage->solo, ACTOR_PEER + peer, ATTESTED);
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, ATTESTED);
    const Weft__Attested *attested = mail->body.attested;
    assert_int_equal(attested->n_statements, strlen(names));
    for (size_t i = 0; i < attested->n_statements; i++) {
        const struct bytes bytes = {attested->statements[i].data, attested->statements[i].len};
        const struct id device = device_of(names[i]);
        struct attest attest;
        assert_true(attest_read(bytes, &attest));
        assert_true(id_equal(&attest.origin.device, &device));
        assert_int_equal(attest_head_at(&attest, 0).seq, seq);
    }
    mail_drop(&mail);
}

static void passes_nothing_on(struct solo_share *stage, uint32_t peer) {
    struct mail *mail = solo_take(&stage->solo, ACTOR_PEER + peer, ATTESTED);
    const bool none = mail == NULL;
    mail_drop(&mail);
    assert_true(none);
}

/* Peers 0 and 1 have a session, of which two notes are granted and none is to be said. */
static struct solo_share *both_joined(void **state) {
    struct solo_share *stage = talked(state);
    for (uint32_t peer = 0; peer < 2; peer++) {
        solo_share_join(stage, peer, 2);
        const struct solo_notes notes = solo_share_notes(stage, peer);
        solo_share_grant(stage, peer, 0, notes.requests + notes.helds);
    }
    return stage;
}

static void later(struct solo_share *stage, uint64_t us) {
    stage->solo.now.mono_us += us;
    solo_turn(&stage->solo);
}

static void a_statement_goes_once_to_every_peer_but_its_device(void **state) {
    struct solo_share *stage = both_joined(state);
    attests(stage, "a0b", 1, 0);
    passes_on(stage, 0, "ab", 1);
    passes_on(stage, 1, "a0b", 1);
    for (unsigned i = 0; i < 3; i++) {
        later(stage, ATTEST_US);
        passes_nothing_on(stage, 0);
        passes_nothing_on(stage, 1);
    }
    attests(stage, "0", 2, 0);
    passes_nothing_on(stage, 0);
    passes_on(stage, 1, "0", 2);
}

static void of_statements_one_mail_a_second_goes_out_with_the_last_of_each(void **state) {
    struct solo_share *stage = both_joined(state);
    attests(stage, "a", 1, 0);
    passes_on(stage, 0, "a", 1);
    attests(stage, "ab", 2, 0);
    later(stage, ATTEST_US / 2);
    attests(stage, "ba", 3, 0);
    later(stage, ATTEST_US / 2 - 1);
    passes_nothing_on(stage, 0);
    later(stage, 1);
    passes_on(stage, 0, "ba", 3);
    passes_nothing_on(stage, 0);
    later(stage, ATTEST_US);
    passes_nothing_on(stage, 0);
}

static void a_statement_waits_for_a_note(void **state) {
    struct solo_share *stage = both_joined(state);
    for (uint64_t seq = 1; seq <= 2; seq++) {
        attests(stage, "a", seq, 0);
        passes_on(stage, 0, "a", seq);
        later(stage, ATTEST_US);
    }
    attests(stage, "a", 3, 0);
    later(stage, 10 * ATTEST_US);
    passes_nothing_on(stage, 0);
    solo_share_grant(stage, 0, 0, 1);
    passes_on(stage, 0, "a", 3);
}

static void a_new_session_is_sent_all_statements(void **state) {
    struct solo_share *stage = both_joined(state);
    attests(stage, "ab01", 1, 0);
    passes_on(stage, 0, "ab1", 1);
    solo_share_leave(stage, 0);
    assert_int_equal(solo_share_notes(stage, 0).lefts, 1);
    attests(stage, "a", 2, 0);
    later(stage, ATTEST_US);
    passes_nothing_on(stage, 0);
    attests(stage, "b1", 2, 0);
    solo_share_join(stage, 0, 2);
    (void)solo_share_notes(stage, 0);
    solo_share_grant(stage, 0, 0, 2);
    passes_on(stage, 0, "ab1", 2);
}

static void large_statements_go_out_by_and_by(void **state) {
    struct solo_share *stage = both_joined(state);
    attests(stage, "abcd", 1, LIMIT_ATTEST / 34);
    passes_on(stage, 0, "ab", 1);
    passes_nothing_on(stage, 0);
    later(stage, ATTEST_US);
    passes_on(stage, 0, "cd", 1);
    later(stage, ATTEST_US);
    passes_nothing_on(stage, 0);
}

/* ---- records in ------------------------------------------------------------------------------ */

/* A session of peer 0, both notes of which are granted and none is to be said. */
static struct solo_share *joined(void **state) {
    struct solo_share *stage = talked(state);
    solo_share_join(stage, 0, 2);
    const struct solo_notes notes = solo_share_notes(stage, 0);
    solo_share_grant(stage, 0, 0, notes.requests + notes.helds);
    (void)solo_share_notes(stage, 0);
    return stage;
}

static void records_go_to_the_log_as_they_came_with_the_greatest_stamp(void **state) {
    struct solo_share *stage = joined(state);
    struct scene *scene = stage->scene;
    const struct signed_record one = author_signs(&scene->arena, &scene->bob, 30);
    const struct signed_record two = author_signs(&scene->arena, &scene->ann, 20);
    const struct bytes bytes[] = {one.bytes, two.bytes};
    solo_share_deliver(stage, 0, SESSION, bytes, 2, 500);
    struct mail *mail = solo_share_incoming(stage);
    assert_non_null(mail);
    const Weft__Records *records = mail->body.records;
    assert_int_equal(records->n_records, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(records->records[i].len, bytes[i].size);
        assert_memory_equal(records->records[i].data, bytes[i].data, bytes[i].size);
    }
    assert_int_equal(records->hlc, 104); /* Ann's fourth. */
    assert_int_equal(records->stamp, 0);
    solo_share_home(stage, mail, WEFT_OK, "");
    const struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.count, 1);
    assert_int_equal(notes.consumed, 500);
    assert_string_equal(notes.fault, "");
    assert_int_equal(solo_share_notes(stage, 0).count, 0); /* Said once. */
}

static void bytes_that_are_no_record_are_the_peer_s_fault(void **state) {
    struct solo_share *stage = joined(state);
    struct scene *scene = stage->scene;
    const struct signed_record good = author_signs(&scene->arena, &scene->bob, 30);
    const struct bytes bytes[] = {good.bytes, {good.bytes.data, good.bytes.size - 1}};
    solo_share_deliver(stage, 0, SESSION, bytes, 2, 500);
    assert_null(solo_share_incoming(stage));
    const struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.count, 1);
    assert_int_equal(notes.consumed, 500);
    assert_string_not_equal(notes.fault, "");
}

static void what_the_log_calls_a_lie_is_the_peer_s_fault(void **state) {
    static const enum weft_status lies[] = {WEFT_DENIED, WEFT_PROTOCOL};
    struct solo_share *stage = joined(state);
    struct scene *scene = stage->scene;
    for (unsigned i = 0; i < 2; i++) {
        const struct signed_record record = author_signs(&scene->arena, &scene->bob, 30);
        solo_share_deliver(stage, 0, SESSION, &record.bytes, 1, 100);
        solo_share_home(stage, solo_share_incoming(stage), lies[i], "not signed by its origin");
        const struct solo_notes notes = solo_share_notes(stage, 0);
        assert_string_equal(notes.fault, "not signed by its origin");
        assert_int_equal(notes.count, 1);
        assert_int_equal(notes.requests, 0);
        solo_share_grant(stage, 0, 0, notes.helds);
    }
}

/* A mail comes, and the log says this of it; the remote is asked again after `pause`, not before.
 */
static void refuse(struct solo_share *stage, enum weft_status status, uint64_t pause) {
    struct scene *scene = stage->scene;
    const struct signed_record record = author_signs(&scene->arena, &scene->bob, 30);
    solo_share_deliver(stage, 0, SESSION, &record.bytes, 1, 100);
    solo_share_home(stage, solo_share_incoming(stage), status, "a gap");
    struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.count, 1);
    assert_string_equal(notes.fault, "");
    assert_int_equal(notes.requests, 0);
    solo_share_grant(stage, 0, 0, notes.helds);
    stage->solo.now.mono_us += pause - 1;
    solo_turn(&stage->solo);
    assert_int_equal(solo_share_notes(stage, 0).requests, 0);
    stage->solo.now.mono_us += 1;
    solo_turn(&stage->solo);
    notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.requests, status == WEFT_OK ? 0 : 1);
    solo_share_grant(stage, 0, 0, notes.requests);
}

static void what_does_not_follow_is_asked_for_again_after_growing_pauses(void **state) {
    struct solo_share *stage = joined(state);
    uint64_t pause = LIMIT_RETRY_US;
    for (unsigned i = 0; i < 6; i++, pause *= 2)
        refuse(stage, i % 2 == 0 ? WEFT_NOT_FOUND : WEFT_DISK_FULL, pause);
    for (unsigned i = 0; i < 3; i++)
        refuse(stage, WEFT_NOT_FOUND, pause);
    refuse(stage, WEFT_OK, 1000 * pause); /* Now it goes on. */
    refuse(stage, WEFT_NOT_FOUND, LIMIT_RETRY_US);
}

static void nothing_is_asked_for_while_records_are_under_way(void **state) {
    struct solo_share *stage = joined(state);
    struct scene *scene = stage->scene;
    const struct signed_record record = author_signs(&scene->arena, &scene->bob, 30);
    solo_share_deliver(stage, 0, SESSION, &record.bytes, 1, 100);
    solo_share_deliver(stage, 0, SESSION, &record.bytes, 1, 100);
    solo_share_home(stage, solo_share_incoming(stage), WEFT_NOT_FOUND, "a gap");
    struct mail *last = solo_share_incoming(stage);
    stage->solo.now.mono_us += 2 * LIMIT_RETRY_US;
    solo_turn(&stage->solo);
    assert_int_equal(solo_share_notes(stage, 0).requests, 0);
    solo_share_home(stage, last, WEFT_OK, "");
    solo_share_grant(stage, 0, 0, 1);
    assert_int_equal(solo_share_notes(stage, 0).requests, 1);
}

/* ---- the end of a session -------------------------------------------------------------------- */

static void a_session_s_end_is_answered_when_nothing_of_it_is_under_way(void **state) {
    struct solo_share *stage = joined(state);
    struct scene *scene = stage->scene;
    const struct signed_record record = author_signs(&scene->arena, &scene->bob, 30);
    solo_share_deliver(stage, 0, SESSION, &record.bytes, 1, 100);
    solo_share_deliver(stage, 0, SESSION, &record.bytes, 1, 100);
    solo_share_leave(stage, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(solo_share_notes(stage, 0).lefts, 0);
        solo_share_home(stage, solo_share_incoming(stage), WEFT_DENIED, "a lie");
    }
    const struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.lefts, 1);
    assert_int_equal(notes.helds, 0); /* There is nobody to blame. */
    solo_share_join(stage, 0, 2);
    solo_share_leave(stage, 0);
    assert_int_equal(solo_share_notes(stage, 0).lefts, 1);
}

static void after_its_end_a_session_is_sent_nothing(void **state) {
    struct solo_share *stage = joined(state);
    solo_share_want(stage, 0, NULL, 0);
    ships(stage, 0, "a1a2b1a3");
    solo_share_leave(stage, 0);
    solo_share_grant(stage, 0, 1, 1); /* These crossed it. */
    solo_share_want(stage, 0, NULL, 0);
    solo_share_grown(stage, &stage->scene->bob, 1, 10);
    ships_nothing(stage, 0);
    (void)solo_share_notes(stage, 0);
    solo_share_join(stage, 0, 2); /* The next one has asked for nothing yet. */
    ships_nothing(stage, 0);
    assert_int_equal(solo_share_notes(stage, 0).requests, 1);
}

static void records_of_an_earlier_session_are_dropped(void **state) {
    struct solo_share *stage = joined(state);
    struct scene *scene = stage->scene;
    const struct signed_record record = author_signs(&scene->arena, &scene->bob, 30);
    solo_share_deliver(stage, 0, SESSION - 1, &record.bytes, 1, 100);
    assert_null(solo_share_incoming(stage));
    assert_int_equal(solo_share_notes(stage, 0).count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        share_test(who_asks_is_sent_all_records_in_the_order_of_their_coming),
        share_test(what_the_remote_holds_is_left_out),
        share_test(records_before_the_first_that_the_remote_lacks_are_not_read),
        share_test(who_holds_everything_is_sent_what_comes_next),
        share_test(what_the_remote_says_it_holds_meanwhile_is_left_out),
        share_test(a_second_request_begins_anew),
        share_test(both_remotes_are_served_each_from_where_it_is),
        share_test(no_more_shipments_are_handed_over_than_were_granted),
        share_test(a_shipment_is_closed_at_64_kib_unless_one_record_is_larger),
        share_test(a_shipment_says_whether_more_follows),
        share_test(who_is_far_behind_catches_up_while_the_log_grows),
        share_test(a_new_session_is_told_what_is_held_here_and_asked_for_the_rest),
        share_test(what_is_held_is_told_when_it_has_grown),
        share_test(a_statement_goes_once_to_every_peer_but_its_device),
        share_test(of_statements_one_mail_a_second_goes_out_with_the_last_of_each),
        share_test(a_statement_waits_for_a_note),
        share_test(a_new_session_is_sent_all_statements),
        share_test(large_statements_go_out_by_and_by),
        share_test(records_go_to_the_log_as_they_came_with_the_greatest_stamp),
        share_test(bytes_that_are_no_record_are_the_peer_s_fault),
        share_test(what_the_log_calls_a_lie_is_the_peer_s_fault),
        share_test(what_does_not_follow_is_asked_for_again_after_growing_pauses),
        share_test(nothing_is_asked_for_while_records_are_under_way),
        share_test(a_session_s_end_is_answered_when_nothing_of_it_is_under_way),
        share_test(after_its_end_a_session_is_sent_nothing),
        share_test(records_of_an_earlier_session_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
