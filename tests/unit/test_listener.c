/* The listener actor alone: who sits in which slot, and which of two sessions stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo.h"

/* A net port on which `waiting` connections wait. */
struct door_step {
    int waiting;
    int discarded;
};

static enum weft_status fake_listen(void *self, const char *address, struct net_watch *watch,
                                    net_handle *out, char *bound, struct weft_error *why) {
    (void)self, (void)watch, (void)why;
    memcpy(bound, address, strlen(address) + 1);
    *out = 1;
    return WEFT_OK;
}

static enum weft_status fake_accept(void *self, net_handle listener, int64_t *transfer,
                                    struct weft_error *why) {
    struct door_step *net = self;
    (void)listener, (void)why;
    if (net->waiting == 0) return WEFT_BUSY;
    *transfer = net->waiting--;
    return WEFT_OK;
}

static void fake_discard(void *self, int64_t transfer) {
    struct door_step *net = self;
    (void)transfer;
    net->discarded++;
}

static void fake_close(void *self, net_handle handle) {
    (void)self, (void)handle;
}

static const struct net_ops fake_ops = {
    .listen = fake_listen, .accept = fake_accept, .discard = fake_discard, .close = fake_close};

struct scene {
    struct solo solo;
    struct door_step net;
};

static int open_scene(void **state) {
    static struct scene scene;
    scene.net = (struct door_step){0};
    *state = &scene;
    if (!solo_open_on(&scene.solo, ACTOR_LISTENER,
                      (struct net_port){.self = &scene.net, .ops = &fake_ops})) {
        return 1;
    }
    Weft__Listen *listen = NULL;
    struct mail *mail = solo_mail(&scene.solo, WEFT__MAIL__BODY_LISTEN, &listen);
    listen->request = 5;
    listen->address = mail_text(mail, "127.0.0.1:7000");
    solo_tell(&scene.solo, ACTOR_HOST, mail);
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    return !solo_close(&scene->solo);
}

static bool took(struct solo *solo, uint32_t to, Weft__Mail__BodyCase kind) {
    struct mail *mail = solo_take(solo, to, kind);
    bool right = mail != NULL && mail->body.body_case == kind;
    mail_drop(&mail);
    return right;
}

/* The two connections that wait are accepted into the two slots. */
static void accept_two(struct scene *scene) {
    scene->net.waiting = 2;
    scene->solo.topology->actors[ACTOR_LISTENER].watch.ready = true;
    solo_turn(&scene->solo);
    assert_true(took(&scene->solo, ACTOR_PEER, WEFT__MAIL__BODY_ACCEPTED));
    assert_true(took(&scene->solo, ACTOR_PEER + 1, WEFT__MAIL__BODY_ACCEPTED));
}

static void claim(struct scene *scene, uint32_t peer, uint8_t device, bool dialled) {
    const uint8_t id[16] = {device};
    Weft__Claim *message = NULL;
    struct mail *mail = solo_mail(&scene->solo, WEFT__MAIL__BODY_CLAIM, &message);
    message->peer = peer;
    message->session = 1;
    message->dialled = dialled;
    assert_true(mail_bytes(mail, &message->device, id, sizeof id));
    solo_tell(&scene->solo, ACTOR_PEER + peer, mail);
}

/* 's' stands, 'e' not granted, 'r' replaced, 'p' prove, '-' nothing. */
static char ruling(struct scene *scene, uint32_t peer) {
    struct mail *mail = solo_take(&scene->solo, ACTOR_PEER + peer, WEFT__MAIL__BODY_RULING);
    if (mail == NULL) return '-';
    const Weft__Ruling *message = mail->body.ruling;
    char verdict = message->stands ? 's' : message->end ? 'r' : message->prove ? 'p' : 'e';
    mail_drop(&mail);
    return verdict;
}

static void listener_says_where_it_listens(void **state) {
    struct scene *scene = *state;
    struct mail *mail = solo_take(&scene->solo, ACTOR_HOST, WEFT__MAIL__BODY_LISTENING);
    assert_non_null(mail);
    assert_int_equal(mail->body.listening->request, 5);
    assert_string_equal(mail->body.listening->address, "127.0.0.1:7000");
    mail_drop(&mail);
}

static void listener_drops_a_connection_that_finds_no_slot(void **state) {
    struct scene *scene = *state;
    accept_two(scene);
    scene->net.waiting = 1;
    scene->solo.topology->actors[ACTOR_LISTENER].watch.ready = true;
    solo_turn(&scene->solo);
    assert_int_equal(scene->net.discarded, 1);
}

static void listener_keeps_the_session_opened_by_the_lower_id(void **state) {
    struct scene *scene = *state; /* This device's id begins with 1, the other's with 9. */
    accept_two(scene);
    claim(scene, 0, 9, true);
    assert_int_equal(ruling(scene, 0), 's');
    claim(scene, 1, 9, false);
    assert_int_equal(ruling(scene, 0), 'p');
    assert_int_equal(ruling(scene, 1), 'e');
}

static void listener_gives_way_to_the_session_opened_by_the_lower_id(void **state) {
    struct scene *scene = *state;
    accept_two(scene);
    claim(scene, 0, 9, false);
    assert_int_equal(ruling(scene, 0), 's');
    claim(scene, 1, 9, true);
    assert_int_equal(ruling(scene, 0), 'r');
    assert_int_equal(ruling(scene, 1), 's');
}

static void listener_prefers_the_newer_of_two_from_one_end(void **state) {
    struct scene *scene = *state;
    accept_two(scene);
    claim(scene, 0, 9, false);
    assert_int_equal(ruling(scene, 0), 's');
    claim(scene, 1, 9, false);
    assert_int_equal(ruling(scene, 0), 'r');
    assert_int_equal(ruling(scene, 1), 's');
}

static void listener_lets_two_devices_stand_side_by_side(void **state) {
    struct scene *scene = *state;
    accept_two(scene);
    claim(scene, 0, 8, false);
    claim(scene, 1, 9, false);
    assert_int_equal(ruling(scene, 0), 's');
    assert_int_equal(ruling(scene, 1), 's');
}

#define LISTENER_TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        LISTENER_TEST(listener_says_where_it_listens),
        LISTENER_TEST(listener_drops_a_connection_that_finds_no_slot),
        LISTENER_TEST(listener_keeps_the_session_opened_by_the_lower_id),
        LISTENER_TEST(listener_gives_way_to_the_session_opened_by_the_lower_id),
        LISTENER_TEST(listener_prefers_the_newer_of_two_from_one_end),
        LISTENER_TEST(listener_lets_two_devices_stand_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
