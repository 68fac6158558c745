/* The table and what is built from it: which tables are refused, and what the drawing shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/runtime/ring.h"
#include "tests/lib/stage.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define ASK(a, b, mail)                                                                           \
    {                                                                                             \
        .from = ACTOR_##a, .to = ACTOR_##b, .kind = EDGE_ASK, .slots = 4, .mails = { MAIL(mail) } \
    }

static void assert_refused(const struct edge_rule *rules, const char *word, const char *edge) {
    struct weft_error why = {0};
    assert_int_equal(topology_check(rules, &why), WEFT_INVALID);
    assert_int_equal(why.status, WEFT_INVALID);
    if (strstr(why.text, word) == NULL) fail_msg("\"%s\" is not in: %s", word, why.text);
    if (strstr(why.text, edge) == NULL) fail_msg("\"%s\" is not in: %s", edge, why.text);
}

static void the_table_of_the_engine_is_sound(void **state) {
    (void)state;
    struct weft_error why = {0};
    assert_int_equal(topology_check(topology_rules, &why), WEFT_OK);
}

static void a_cycle_of_asks_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(HOST, CLOCK, STOP),  ASK(CLOCK, LOG, COMMIT),
                                      ASK(LOG, BULK, COMMIT),  ASK(BULK, CLOCK, INCOMING),
                                      ASK(PRUNE, LOG, SURVEY), {.slots = 0}};
    assert_refused(rules, "cycle", "clock → log");
}

static void an_ask_of_an_actor_to_itself_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(CLOCK, LOG, COMMIT), ASK(PEER, PEER, STOP), {.slots = 0}};
    assert_refused(rules, "cycle", "peer → peer");
}

static void two_asks_that_face_each_other_are_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {
        ASK(PRUNE, LOG, SURVEY), ASK(LOG, PRUNE, SURVEYED), {.slots = 0}};
    assert_refused(rules, "cycle", "prune → log");
}

static void an_answer_back_along_an_ask_is_no_cycle(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(PRUNE, LOG, SURVEY),
                                      {.from = ACTOR_LOG,
                                       .to = ACTOR_PRUNE,
                                       .kind = EDGE_ANSWER,
                                       .slots = 1,
                                       .mails = {MAIL(SURVEYED)},
                                       .why_enough = "one is outstanding"},
                                      {.slots = 0}};
    struct weft_error why = {0};
    assert_int_equal(topology_check(rules, &why), WEFT_OK);
}

static void a_mail_with_two_ways_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(CLOCK, LOG, COMMIT),
                                      {.from = ACTOR_CLOCK,
                                       .to = ACTOR_LOG,
                                       .kind = EDGE_NOTICE,
                                       .slots = 4,
                                       .mails = {MAIL(NOTICE), MAIL(COMMIT)}},
                                      {.slots = 0}};
    assert_refused(rules, "\"commit\"", "clock → log");
}

static void a_mail_named_twice_by_one_edge_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {{.from = ACTOR_CLOCK,
                                       .to = ACTOR_LOG,
                                       .kind = EDGE_ASK,
                                       .slots = 4,
                                       .mails = {MAIL(STOP), MAIL(STOP)}},
                                      {.slots = 0}};
    assert_refused(rules, "\"stop\"", "clock → log");
}

static void two_edges_with_different_mails_may_join_the_same_actors(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(CLOCK, LOG, COMMIT), ASK(CLOCK, LOG, STOP), {.slots = 0}};
    struct weft_error why = {0};
    assert_int_equal(topology_check(rules, &why), WEFT_OK);
}

static void an_answer_that_does_not_say_what_its_slots_cover_is_refused(void **state) {
    (void)state;
    struct edge_rule rules[] = {{.from = ACTOR_LOG,
                                 .to = ACTOR_HOST,
                                 .kind = EDGE_ANSWER,
                                 .slots = 4,
                                 .mails = {MAIL(ANSWERED)}},
                                {.slots = 0}};
    assert_refused(rules, "cover", "log → host");
    rules[0].why_enough = "";
    assert_refused(rules, "cover", "log → host");
    rules[0].why_enough = "four at most";
    struct weft_error why = {0};
    assert_int_equal(topology_check(rules, &why), WEFT_OK);
}

static void an_ask_to_the_host_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(LOG, HOST, ANSWERED), {.slots = 0}};
    assert_refused(rules, "hold the engine back", "log → host");
}

static void an_edge_without_mail_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {
        {.from = ACTOR_CLOCK, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 4}, {.slots = 0}};
    assert_refused(rules, "carries no mail", "clock → log");
}

static void a_list_of_mails_without_an_end_is_refused(void **state) {
    (void)state;
    const struct edge_rule rules[] = {{.from = ACTOR_CLOCK,
                                       .to = ACTOR_LOG,
                                       .kind = EDGE_ASK,
                                       .slots = 4,
                                       .mails = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
                                      {.slots = 0}};
    assert_refused(rules, "without an end", "clock → log");
}

static void an_ask_too_small_for_one_step_is_refused_at_the_build(void **state) {
    (void)state;
    const struct edge_rule rules[] = {{.from = ACTOR_CLOCK,
                                       .to = ACTOR_LOG,
                                       .kind = EDGE_ASK,
                                       .slots = 1,
                                       .mails = {MAIL(COMMIT)}},
                                      {.slots = 0}};
    struct stage stage;
    struct weft_error why = {0};
    assert_int_equal(stage_open(&stage, rules, 0, &why), WEFT_INVALID);
    assert_non_null(strstr(why.text, "clock → log has 1 slots"));
    assert_null(stage.topology);
}

static void every_peer_has_edges_of_its_own_and_room_is_added_for_each(void **state) {
    (void)state;
    const struct edge_rule rules[] = {ASK(PEER, BULK, PACKED),
                                      {.from = ACTOR_LOG,
                                       .to = ACTOR_BULK,
                                       .kind = EDGE_ANSWER,
                                       .slots = 100,
                                       .slots_per_peer = 60,
                                       .mails = {MAIL(COMMIT), MAIL(INCOMING)},
                                       .why_enough = "a hundred, and sixty for each peer"},
                                      {.from = ACTOR_LOG,
                                       .to = ACTOR_HOST,
                                       .kind = EDGE_NOTICE,
                                       .slots = 4,
                                       .mails = {MAIL(NOTICE)}},
                                      {.from = ACTOR_LOG,
                                       .to = ACTOR_HOST,
                                       .kind = EDGE_NOTICE,
                                       .slots = 4,
                                       .mails = {MAIL(HELD)}},
                                      {.slots = 0}};
    struct stage stage;
    assert_int_equal(stage_open(&stage, rules, 5, NULL), WEFT_OK);
    struct topology *topology = stage.topology;
    assert_int_equal(topology->actor_count, ACTOR_PEER + 5);
    assert_int_equal(topology->edge_count, 5 + 3);
    for (uint32_t i = 0; i < 5; i++) {
        struct edge *edge = topology_edge(topology, ACTOR_PEER + i, ACTOR_BULK, MAIL(PACKED));
        assert_non_null(edge);
        assert_int_equal(edge->from, ACTOR_PEER + i);
        assert_int_equal(edge->to, ACTOR_BULK);
    }
    struct edge *edge = topology_edge(topology, ACTOR_LOG, ACTOR_BULK, MAIL(INCOMING));
    assert_ptr_equal(edge, topology_edge(topology, ACTOR_LOG, ACTOR_BULK, MAIL(COMMIT)));
    assert_true(ring_slots(edge->ring) >= 100 + 5 * 60);
    assert_null(topology_edge(topology, ACTOR_LOG, ACTOR_CLOCK, MAIL(COMMIT)));
    assert_null(topology_edge(topology, ACTOR_LOG, ACTOR_BULK, MAIL(STOP)));
    assert_ptr_not_equal(topology_edge(topology, ACTOR_LOG, ACTOR_HOST, MAIL(HELD)),
                         topology_edge(topology, ACTOR_LOG, ACTOR_HOST, MAIL(NOTICE)));
    stage_close(&stage);
}

static void the_drawing_names_every_edge_once(void **state) {
    (void)state;
    struct stage stage;
    static char text[16384];
    assert_int_equal(stage_open(&stage, topology_rules, 3, NULL), WEFT_OK);
    size_t length = topology_print(stage.topology, text, sizeof text);
    assert_int_equal(length, strlen(text));
    uint32_t arrows = 0, rules = 0;
    for (const char *at = strstr(text, "►"); at != NULL; at = strstr(at + 1, "►"))
        arrows++;
    while (topology_rules[rules].slots != 0)
        rules++;
    assert_int_equal(arrows, rules + 1); /* and the door */
    assert_non_null(strstr(text, "commit, scan, records, govern, survey, recount, subscribe, sync, "
                                 "contact, session, stop"));
    assert_non_null(strstr(text, "changes, settled"));
    assert_non_null(strstr(text, "share\n"));
    assert_null(strstr(text, "(null)"));
    assert_non_null(strstr(text, "peer ×3"));
    assert_int_equal(topology_print(stage.topology, text, 100), 99);
    assert_int_equal(strlen(text), 99);
    assert_int_equal(topology_print(stage.topology, text, 1), 0);
    stage_close(&stage);
}

static void the_first_fault_stays(void **state) {
    (void)state;
    struct stage stage;
    struct weft_error first = {WEFT_SYNC_FAILED, 5, "first"}, second = {WEFT_IO, 6, "second"};
    struct weft_error got;
    struct wake answers;
    assert_true(wake_open(&answers));
    assert_int_equal(stage_open(&stage, topology_rules, 1, NULL), WEFT_OK);
    stage.topology->host_answers = &answers;
    assert_false(topology_failed(stage.topology, &got));
    wake_prepare(&answers);
    topology_fatal(stage.topology, &first);
    assert_int_equal(atomic_load(&answers.sleeping), 0);
    topology_fatal(stage.topology, &second);
    assert_true(topology_failed(stage.topology, &got));
    assert_int_equal(got.status, WEFT_SYNC_FAILED);
    assert_string_equal(got.text, "first");
    stage_close(&stage);
    wake_close(&answers);
}

static void closing_drops_what_is_under_way(void **state) {
    (void)state;
    struct stage stage;
    struct pool *pool = pool_open(0, 0, NULL);
    assert_int_equal(stage_open(&stage, topology_rules, 1, NULL), WEFT_OK);
    assert_true(edge_push(topology_edge(stage.topology, ACTOR_HOST, ACTOR_CLOCK, MAIL(STOP)),
                          stage_mail(pool, MAIL(STOP))));
    assert_true(door_push(&stage.topology->door, 9, stage_mail(pool, MAIL(COMMIT))));
    assert_true(pool_held(pool) > 0);
    stage_close(&stage);
    assert_int_equal(pool_held(pool), 0);
    pool_close(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_the_engine_is_sound),
        cmocka_unit_test(a_cycle_of_asks_is_refused),
        cmocka_unit_test(an_ask_of_an_actor_to_itself_is_refused),
        cmocka_unit_test(two_asks_that_face_each_other_are_refused),
        cmocka_unit_test(an_answer_back_along_an_ask_is_no_cycle),
        cmocka_unit_test(a_mail_with_two_ways_is_refused),
        cmocka_unit_test(a_mail_named_twice_by_one_edge_is_refused),
        cmocka_unit_test(two_edges_with_different_mails_may_join_the_same_actors),
        cmocka_unit_test(an_answer_that_does_not_say_what_its_slots_cover_is_refused),
        cmocka_unit_test(an_ask_to_the_host_is_refused),
        cmocka_unit_test(an_edge_without_mail_is_refused),
        cmocka_unit_test(a_list_of_mails_without_an_end_is_refused),
        cmocka_unit_test(an_ask_too_small_for_one_step_is_refused_at_the_build),
        cmocka_unit_test(every_peer_has_edges_of_its_own_and_room_is_added_for_each),
        cmocka_unit_test(the_drawing_names_every_edge_once),
        cmocka_unit_test(the_first_fault_stays),
        cmocka_unit_test(closing_drops_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
