/* One actor's turns: what is served when, what holds a step back, and what happens to mails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>

#include "engine/runtime/ring.h"
#include "tests/lib/stage.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind

static const struct edge_rule rules[] = {
    {.from = ACTOR_HOST, .to = ACTOR_CLOCK, .kind = EDGE_ASK, .slots = 3, .mails = {MAIL(STOP)}},
    {.from = ACTOR_HOST,
     .to = ACTOR_LISTENER,
     .kind = EDGE_ASK,
     .slots = 7,
     .mails = {MAIL(CONNECT)}},
    {.from = ACTOR_BULK,
     .to = ACTOR_CLOCK,
     .kind = EDGE_ASK,
     .slots = 7,
     .mails = {MAIL(INCOMING)}},
    {.from = ACTOR_CLOCK,
     .to = ACTOR_LOG,
     .kind = EDGE_ASK,
     .slots = 7,
     .mails = {MAIL(COMMIT), MAIL(INCOMING), MAIL(STOP)}},
    {.from = ACTOR_PRUNE, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 7, .mails = {MAIL(SURVEY)}},
    {.from = ACTOR_LOG,
     .to = ACTOR_BULK,
     .kind = EDGE_ANSWER,
     .slots = 63,
     .mails = {MAIL(COMMIT)},
     .why_enough = "as many as the test sends"},
    {.from = ACTOR_BULK,
     .to = ACTOR_PEER,
     .kind = EDGE_ANSWER,
     .slots = 7,
     .mails = {MAIL(BATCH)},
     .why_enough = "as many as the test sends"},
    {.from = ACTOR_LOG, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 3, .mails = {MAIL(NOTICE)}},
    {.slots = 0},
};

struct scene {
    struct stage stage;
    struct pool *pool; /* the host's */
    char served[64];   /* what the clock was served, one letter each */
};

static int open_scene(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    scene.pool = pool_open(0, 1 << 20, NULL);
    if (stage_open(&scene.stage, rules, 2, NULL) != WEFT_OK) return 1;
    stage_start(&scene.stage);
    *state = &scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    stage_close(&scene->stage);
    bool leaked = pool_held(scene->pool) != 0;
    pool_close(scene->pool);
    return leaked;
}

/* Notes what was served, by the first letter of its kind: c, i, s, t, r. */
static void note(struct part *part, struct instant now, struct mail **in, struct outbox *out) {
    char *served = part->context;
    (void)now;
    (void)out;
    served[strlen(served)] = mail_kind_name((*in)->body.body_case)[0];
}

static void pass_to_log(struct part *part, struct instant now, struct mail **in,
                        struct outbox *out) {
    (void)part;
    (void)now;
    outbox_send(out, ACTOR_LOG, in);
}

static struct edge *edge_of(struct scene *scene, uint32_t from, uint32_t to,
                            Weft__Mail__BodyCase kind) {
    struct edge *edge = topology_edge(scene->stage.topology, from, to, kind);
    assert_non_null(edge);
    return edge;
}

static void push(struct scene *scene, uint32_t from, uint32_t to, Weft__Mail__BodyCase kind) {
    assert_true(edge_push(edge_of(scene, from, to, kind), stage_mail(scene->pool, kind)));
}

static void commit(struct scene *scene, uint64_t order) {
    struct mail *mail = stage_mail(scene->pool, MAIL(COMMIT));
    mail->order = order;
    assert_true(door_push(&scene->stage.topology->door, 0, mail));
}

static uint32_t turn_all(struct actor *actor, uint64_t mono_us) {
    uint32_t turns = 0;
    while (actor_turn(actor, stage_at(mono_us)))
        turns++;
    return turns;
}

static void an_actor_with_nothing_to_do_does_not_run(void **state) {
    struct scene *scene = *state;
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    assert_false(actor_turn(clock, stage_at(1)));
    assert_false(actor_waits(clock, stage_at(1)));
    assert_true(actor_due_us(clock) == DUE_NEVER);
}

static void a_ready_watch_comes_first_and_a_tick_last(void **state) {
    struct scene *scene = *state;
    struct part *part = &scene->stage.part[ACTOR_CLOCK];
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    part->play = note;
    part->context = scene->served;
    part->due_us = 50;
    push(scene, ACTOR_BULK, ACTOR_CLOCK, MAIL(INCOMING));
    clock->watch.ready = true;
    assert_true(actor_waits(clock, stage_at(100)));
    for (int i = 0; i < 3; i++)
        assert_true(actor_turn(clock, stage_at(100)));
    assert_string_equal(scene->served, "rit");
    assert_false(clock->watch.ready);
    assert_false(actor_turn(clock, stage_at(49)));
}

static void in_edges_and_the_door_are_served_in_turn_and_the_control_edge_last(void **state) {
    struct scene *scene = *state;
    struct part *part = &scene->stage.part[ACTOR_CLOCK];
    part->play = note;
    part->context = scene->served;
    push(scene, ACTOR_HOST, ACTOR_CLOCK, MAIL(STOP));
    for (uint64_t i = 1; i <= 3; i++)
        push(scene, ACTOR_BULK, ACTOR_CLOCK, MAIL(INCOMING));
    for (uint64_t i = 1; i <= 5; i++)
        commit(scene, i);
    assert_int_equal(turn_all(stage_actor(&scene->stage, ACTOR_CLOCK), 1), 9);
    assert_string_equal(scene->served, "icicicccs");
}

static void a_full_ask_edge_holds_back_the_actor_that_feeds_it(void **state) {
    struct scene *scene = *state;
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    struct actor *log = stage_actor(&scene->stage, ACTOR_LOG);
    scene->stage.part[ACTOR_CLOCK].play = pass_to_log;
    for (uint64_t i = 1; i <= 20; i++)
        commit(scene, i);
    /* Seven slots, and a step may want STAGE_EMIT_MAX of them. */
    assert_int_equal(turn_all(clock, 1), 7 - STAGE_EMIT_MAX + 1);
    assert_false(actor_waits(clock, stage_at(1)));
    assert_int_equal(atomic_load(&edge_of(scene, ACTOR_CLOCK, ACTOR_LOG, MAIL(COMMIT))->blocked),
                     1);
    clock->watch.ready = true;
    assert_false(actor_turn(clock, stage_at(1)));
    assert_true(clock->watch.ready);
    clock->watch.ready = false;
    assert_true(actor_turn(log, stage_at(1)));
    assert_int_equal(turn_all(clock, 1), 1);
    while (turn_all(log, 1) + turn_all(clock, 1) > 0) {
    }
    assert_int_equal(scene->stage.part[ACTOR_LOG].mails, 20);
}

static bool is_readable(const struct wake *wake) {
    struct pollfd watched = {wake->descriptor, POLLIN, 0};
    return poll(&watched, 1, 0) == 1;
}

static void a_blocked_producer_is_woken_when_half_of_the_ring_is_free(void **state) {
    struct scene *scene = *state;
    struct wake wake;
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    struct actor *log = stage_actor(&scene->stage, ACTOR_LOG);
    struct edge *edge = edge_of(scene, ACTOR_CLOCK, ACTOR_LOG, MAIL(COMMIT));
    scene->stage.part[ACTOR_CLOCK].play = pass_to_log;
    assert_true(wake_open(&wake));
    edge->producer = &wake;
    for (uint64_t i = 1; i <= 20; i++)
        commit(scene, i);
    (void)turn_all(clock, 1);
    wake_prepare(&wake);
    assert_false(actor_waits(clock, stage_at(1)));
    uint32_t pops = 0;
    while (!is_readable(&wake)) {
        assert_true(actor_turn(log, stage_at(1)));
        pops++;
    }
    assert_true(ring_free(edge->ring) >= ring_slots(edge->ring) / 2);
    assert_true(pops > 1);
    wake_cancel(&wake);
    /* Nobody is blocked any more: further pops cost no signal. */
    wake_prepare(&wake);
    (void)turn_all(log, 1);
    assert_false(is_readable(&wake));
    edge->producer = NULL;
    wake_close(&wake);
}

/* Sends, and looks whether the consumer has been told, before and after it asks for that. */
static void send_and_wake(struct part *part, struct instant now, struct mail **in,
                          struct outbox *out) {
    struct wake *wake = part->context;
    (void)now;
    outbox_send(out, ACTOR_LOG, in);
    assert_false(is_readable(wake));
    outbox_wake(out);
    assert_true(is_readable(wake));
}

static void a_consumer_is_woken_after_the_step_or_when_the_step_asks_for_it(void **state) {
    struct scene *scene = *state;
    struct part *part = &scene->stage.part[ACTOR_CLOCK];
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    struct edge *edge = edge_of(scene, ACTOR_CLOCK, ACTOR_LOG, MAIL(COMMIT));
    struct wake wake;
    assert_true(wake_open(&wake));
    edge->consumer = &wake;
    part->play = pass_to_log;
    wake_prepare(&wake);
    commit(scene, 1);
    (void)turn_all(clock, 1);
    assert_true(is_readable(&wake));
    wake_cancel(&wake);
    part->play = send_and_wake;
    part->context = &wake;
    wake_prepare(&wake);
    commit(scene, 2);
    (void)turn_all(clock, 1);
    wake_cancel(&wake);
    edge->consumer = NULL;
    wake_close(&wake);
}

static void room_found_at_the_last_look_takes_the_mark_back(void **state) {
    struct scene *scene = *state;
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    struct edge *edge = edge_of(scene, ACTOR_CLOCK, ACTOR_LOG, MAIL(COMMIT));
    commit(scene, 1);
    assert_true(actor_waits(clock, stage_at(1)));
    assert_int_equal(atomic_load(&edge->blocked), 0);
}

static void send_notices(struct part *part, struct instant now, struct mail **in,
                         struct outbox *out) {
    (void)part;
    (void)now;
    (void)in;
    for (int i = 0; i < 5; i++) {
        Weft__Notice *notice = NULL;
        struct mail *mail = outbox_mail(out, MAIL(NOTICE), &notice);
        notice->kind = i < 4 ? WEFT_EVENT_FAULT : WEFT_EVENT_NONE;
        outbox_send(out, ACTOR_HOST, &mail);
        assert_null(mail);
    }
}

static void a_full_notice_edge_drops_and_counts(void **state) {
    struct scene *scene = *state;
    struct edge *edge = edge_of(scene, ACTOR_LOG, ACTOR_HOST, MAIL(NOTICE));
    scene->stage.part[ACTOR_LOG].play = send_notices;
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    assert_true(actor_turn(stage_actor(&scene->stage, ACTOR_LOG), stage_at(1)));
    assert_int_equal(ring_count(edge->ring), 3);
    assert_int_equal(edge->dropped, 2);
    /* The fifth is no event. */
    assert_int_equal(board_get(scene->stage.board->events_lost), 1);
    assert_int_equal(board_get(scene->stage.board->log_lost), 0);
}

/* What is only for the log is made if it is wanted. */
static void log_both(struct part *part, struct instant now, struct mail **in, struct outbox *out) {
    struct logged_field field = {LOGGED_KEY_TOOK_MS, NULL, 1234};
    (void)part;
    (void)now;
    (void)in;
    outbox_log(out, LOGGED_SLOW, NULL, NULL, &field, 1);
    outbox_log(out, LOGGED_FORGOTTEN, NULL, NULL, NULL, 0);
}

static void what_is_only_logged_is_made_if_its_level_is_wanted(void **state) {
    struct scene *scene = *state;
    struct edge *edge = edge_of(scene, ACTOR_LOG, ACTOR_HOST, MAIL(NOTICE));
    scene->stage.part[ACTOR_LOG].play = log_both;
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    assert_true(actor_turn(stage_actor(&scene->stage, ACTOR_LOG), stage_at(1)));
    assert_int_equal(ring_count(edge->ring), 0);
    board_set(scene->stage.board->log_level, WEFT_LOG_INFO);
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    assert_true(actor_turn(stage_actor(&scene->stage, ACTOR_LOG), stage_at(2)));
    struct mail *mail = edge_pop(edge);
    assert_non_null(mail);
    assert_null(edge_pop(edge));
    assert_int_equal(mail->body.notice->kind, WEFT_EVENT_NONE);
    assert_int_equal(mail->body.notice->logged, LOGGED_SLOW);
    assert_int_equal(mail->body.notice->wall_ms, stage_at(2).wall_ms);
    assert_int_equal(mail->body.notice->fields[0]->number, 1234);
    mail_drop(&mail);
}

struct ticks {
    struct mail *seen[8];
    uint32_t count;
    bool keep, build;
};

static void look_at_tick(struct part *part, struct instant now, struct mail **in,
                         struct outbox *out) {
    struct ticks *ticks = part->context;
    (void)now;
    (void)out;
    assert_int_equal((*in)->body.body_case, MAIL(TICK));
    ticks->seen[ticks->count++] = *in;
    if (ticks->build) assert_non_null(mail_text(*in, "built upon"));
    if (ticks->keep) *in = NULL;
}

static void a_tick_is_used_again_unless_the_step_kept_it_or_built_upon_it(void **state) {
    struct scene *scene = *state;
    struct ticks ticks = {.count = 0};
    struct part *part = &scene->stage.part[ACTOR_PRUNE];
    struct actor *prune = stage_actor(&scene->stage, ACTOR_PRUNE);
    part->play = look_at_tick;
    part->context = &ticks;
    part->due_us = 0;
    assert_true(actor_turn(prune, stage_at(1)));
    assert_true(actor_turn(prune, stage_at(2)));
    assert_ptr_equal(ticks.seen[0], ticks.seen[1]);
    ticks.keep = true;
    assert_true(actor_turn(prune, stage_at(3)));
    ticks.keep = false;
    assert_null(prune->kit->tick);
    assert_true(actor_turn(prune, stage_at(4)));
    assert_ptr_not_equal(ticks.seen[3], ticks.seen[2]);
    assert_ptr_equal(prune->kit->tick, ticks.seen[3]);
    ticks.build = true;
    assert_true(actor_turn(prune, stage_at(5)));
    assert_null(prune->kit->tick);
    mail_drop(&ticks.seen[2]);
}

static void a_mail_the_step_left_is_dropped(void **state) {
    struct scene *scene = *state;
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    assert_true(pool_held(scene->pool) > 0);
    assert_true(actor_turn(stage_actor(&scene->stage, ACTOR_LOG), stage_at(1)));
    assert_int_equal(pool_held(scene->pool), 0);
}

static void turn_into_answer(struct part *part, struct instant now, struct mail **in,
                             struct outbox *out) {
    (void)part;
    (void)now;
    assert_ptr_equal((*in)->arena.pool, part->seed->pool);
    assert_non_null(mail_turn_into(*in, MAIL(COMMIT)));
    assert_non_null(arena_take(&(*in)->arena, 100000));
    outbox_send(out, ACTOR_BULK, in);
}

static void a_mail_taken_in_grows_from_the_takers_pool(void **state) {
    struct scene *scene = *state;
    struct actor *log = stage_actor(&scene->stage, ACTOR_LOG);
    scene->stage.part[ACTOR_LOG].play = turn_into_answer;
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    size_t before = pool_held(scene->pool);
    size_t mine = pool_held(log->kit->pool);
    assert_true(actor_turn(log, stage_at(1)));
    assert_int_equal(pool_held(scene->pool), before);
    assert_true(pool_held(log->kit->pool) >= mine + 100000);
}

static void share_batch(struct part *part, struct instant now, struct mail **in,
                        struct outbox *out) {
    (void)part;
    (void)now;
    (void)in;
    Weft__Batch *batch = NULL;
    struct mail *mail = outbox_mail(out, MAIL(BATCH), &batch);
    batch->rows = 77;
    struct mail *other = mail_share(mail);
    outbox_send(out, ACTOR_PEER, &mail);
    outbox_send(out, ACTOR_PEER + 1, &other);
}

struct observed {
    uint32_t count;
    uint32_t last_to;
};

static void observe(void *context, const struct edge *edge, struct mail *mail) {
    struct observed *observed = context;
    assert_int_equal(mail->body.body_case, MAIL(BATCH));
    observed->count++;
    observed->last_to = edge->to;
}

static uint64_t share_repacked(struct scene *scene, struct mail *got[2]) {
    struct observed observed = {0, 0};
    struct topology *topology = scene->stage.topology;
    struct actor *bulk = stage_actor(&scene->stage, ACTOR_BULK);
    scene->stage.part[ACTOR_BULK].play = share_batch;
    topology->repack = true;
    topology->observe = observe;
    topology->observe_context = &observed;
    bulk->watch.ready = true;
    assert_true(actor_turn(bulk, stage_at(1)));
    assert_int_equal(observed.count, 2);
    assert_int_equal(observed.last_to, ACTOR_PEER + 1);
    topology->observe = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        got[i] = edge_pop(edge_of(scene, ACTOR_BULK, ACTOR_PEER + i, MAIL(BATCH)));
        assert_non_null(got[i]);
    }
    return topology->hash;
}

static void repacking_gives_each_receiver_a_mail_of_its_own(void **state) {
    struct scene *scene = *state;
    struct mail *got[2];
    uint64_t start = scene->stage.topology->hash;
    assert_true(share_repacked(scene, got) != start);
    assert_ptr_not_equal(got[0], got[1]);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(atomic_load(&got[i]->references), 1);
        assert_int_equal(got[i]->body.batch->rows, 77);
        mail_drop(&got[i]);
    }
}

static void the_hash_tells_the_same_mails_on_the_same_edges(void **state) {
    struct scene *scene = *state;
    struct mail *got[2];
    uint64_t start = scene->stage.topology->hash;
    uint64_t first = share_repacked(scene, got);
    mail_drop(&got[0]);
    mail_drop(&got[1]);
    scene->stage.topology->hash = start;
    assert_true(share_repacked(scene, got) == first);
    /* The same mail on other edges is another history. */
    scene->stage.topology->hash = start;
    struct topology *topology = scene->stage.topology;
    topology_inspect(topology, edge_of(scene, ACTOR_BULK, ACTOR_PEER + 1, MAIL(BATCH)), &got[0],
                     scene->pool);
    topology_inspect(topology, edge_of(scene, ACTOR_BULK, ACTOR_PEER, MAIL(BATCH)), &got[1],
                     scene->pool);
    assert_true(topology->hash != first);
    mail_drop(&got[0]);
    mail_drop(&got[1]);
}

static void report_fault(struct part *part, struct instant now, struct mail **in,
                         struct outbox *out) {
    struct weft_error why = {WEFT_SYNC_FAILED, 10, "the disk did not confirm"};
    (void)part;
    (void)now;
    (void)in;
    outbox_fatal(out, &why);
    struct mail *mail = outbox_mail(out, MAIL(NOTICE), NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}

static void after_a_fault_no_actor_steps_and_none_waits(void **state) {
    struct scene *scene = *state;
    struct actor *clock = stage_actor(&scene->stage, ACTOR_CLOCK);
    struct actor *log = stage_actor(&scene->stage, ACTOR_LOG);
    scene->stage.part[ACTOR_LOG].play = report_fault;
    scene->stage.part[ACTOR_LOG].due_us = 0;
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    commit(scene, 1);
    assert_true(actor_waits(clock, stage_at(1)));
    assert_true(actor_turn(log, stage_at(1)));
    assert_true(topology_failed(scene->stage.topology, NULL));
    assert_int_equal(ring_count(edge_of(scene, ACTOR_LOG, ACTOR_HOST, MAIL(NOTICE))->ring), 1);
    assert_false(actor_turn(log, stage_at(2)));
    assert_false(actor_turn(clock, stage_at(2)));
    assert_false(actor_waits(log, stage_at(2)));
    assert_false(actor_waits(clock, stage_at(2)));
    assert_true(actor_due_us(log) == DUE_NEVER);
}

static void send_one_notice(struct part *part, struct instant now, struct mail **in,
                            struct outbox *out) {
    Weft__Notice *notice = NULL;
    (void)part;
    (void)now;
    (void)in;
    struct mail *mail = outbox_mail(out, MAIL(NOTICE), &notice);
    assert_non_null(mail);
    notice->count = 5;
    outbox_send(out, ACTOR_HOST, &mail);
}

static void without_memory_the_step_ends_with_a_spare_mail_and_the_engine_with_a_fault(
    void **state) {
    struct scene *scene = *state;
    struct actor *log = stage_actor(&scene->stage, ACTOR_LOG);
    struct weft_error why = {0};
    scene->stage.part[ACTOR_LOG].play = send_one_notice;
    log->kit->pool->held_max = pool_held(log->kit->pool);
    push(scene, ACTOR_PRUNE, ACTOR_LOG, MAIL(SURVEY));
    assert_true(actor_turn(log, stage_at(1)));
    assert_true(topology_failed(scene->stage.topology, &why));
    assert_int_equal(why.status, WEFT_NO_MEMORY);
    assert_non_null(strstr(why.text, "log: out of memory"));
    struct mail *mail = edge_pop(edge_of(scene, ACTOR_LOG, ACTOR_HOST, MAIL(NOTICE)));
    assert_int_equal(mail->body.notice->count, 5);
    mail_drop(&mail);
}

static enum weft_status refuse_to_begin(struct part *part, struct weft_error *why) {
    (void)part;
    why->status = WEFT_IO;
    return WEFT_IO;
}

static void an_actor_that_could_not_start_holds_nothing_and_can_be_started_later(void **state) {
    struct scene *scene = *state;
    struct weft_error why;
    struct part *part = &scene->stage.part[ACTOR_PRUNE];
    struct actor *prune = stage_actor(&scene->stage, ACTOR_PRUNE);
    actor_stop(prune);
    assert_int_equal(part->stops, 1);
    part->begin = refuse_to_begin;
    assert_int_equal(actor_start(prune, &why), WEFT_IO);
    assert_false(prune->started);
    assert_int_equal(pool_held(prune->kit->pool), 0);
    actor_stop(prune);
    assert_int_equal(part->stops, 1);
    part->begin = NULL;
    assert_int_equal(actor_start(prune, &why), WEFT_OK);
    assert_int_equal(part->starts, 2);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(an_actor_with_nothing_to_do_does_not_run),
        SCENE_TEST(a_ready_watch_comes_first_and_a_tick_last),
        SCENE_TEST(in_edges_and_the_door_are_served_in_turn_and_the_control_edge_last),
        SCENE_TEST(a_full_ask_edge_holds_back_the_actor_that_feeds_it),
        SCENE_TEST(a_blocked_producer_is_woken_when_half_of_the_ring_is_free),
        SCENE_TEST(a_consumer_is_woken_after_the_step_or_when_the_step_asks_for_it),
        SCENE_TEST(room_found_at_the_last_look_takes_the_mark_back),
        SCENE_TEST(a_full_notice_edge_drops_and_counts),
        SCENE_TEST(what_is_only_logged_is_made_if_its_level_is_wanted),
        SCENE_TEST(a_tick_is_used_again_unless_the_step_kept_it_or_built_upon_it),
        SCENE_TEST(a_mail_the_step_left_is_dropped),
        SCENE_TEST(a_mail_taken_in_grows_from_the_takers_pool),
        SCENE_TEST(repacking_gives_each_receiver_a_mail_of_its_own),
        SCENE_TEST(the_hash_tells_the_same_mails_on_the_same_edges),
        SCENE_TEST(after_a_fault_no_actor_steps_and_none_waits),
        SCENE_TEST(without_memory_the_step_ends_with_a_spare_mail_and_the_engine_with_a_fault),
        SCENE_TEST(an_actor_that_could_not_start_holds_nothing_and_can_be_started_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
