/* WebSockets when the system refuses what a connection needs: each failure has a status and a
 * sentence, leaves no descriptor behind, and the same call afterwards is as good as any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cable.h"
#include "tests/lib/refused.h"

struct refusal {
    const char *call;
    int error;
};

static int next_descriptor(void) {
    const int next = dup(0);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    return next;
}

static void a_first_dial_that_is_refused_leaves_nothing_open(void **state) {
    struct cable *cable = *state;
    const struct refusal refusals[] = {{"eventfd", EMFILE},
                                       {"epoll_create1", ENFILE},
                                       {"epoll_ctl", ENOSPC},
                                       {"pthread_create", EAGAIN}};
    cable_listen(cable, cable->kind->address);
    const int before = next_descriptor();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct weft_error why = {0};
        refuse(refusals[i].call, refusals[i].error, 0, 1);
        const enum weft_status status = cable->a.net.ops->dial(cable->a.net.self, cable->bound,
                                                               &cable->watch_a, &cable->from, &why);
        assert_true(refuse_end());
        if (status != WEFT_LIMIT || why.native != refusals[i].error)
            fail_msg("%s: %s", refusals[i].call, why.text);
        assert_non_null(strstr(why.text, "WebSockets cannot be carried"));
        assert_int_equal(cable->from, 0);
        assert_int_equal(next_descriptor(), before);
    }
    cable->b.net.ops->close(cable->b.net.self, cable->listener);
    cable_connect(cable, cable->kind->address);
    cable_put_all(cable_a(cable), "x", 1);
    cable_get_all(cable_b(cable), &(char){0}, 1);
}

static void a_later_dial_that_is_refused_spends_no_place(void **state) {
    struct cable *cable = *state;
    cable_connect(cable, cable->kind->address);
    for (uint32_t i = 0; i < 1000; i++) {
        /* What the net port has no room for had a place for a moment, and few of them. */
        const struct refusal refusal =
            i < 20 ? (struct refusal){"epoll_ctl", ENOSPC} : (struct refusal){"socketpair", EMFILE};
        net_handle link = 0;
        refuse(refusal.call, refusal.error, 0, 1);
        const enum weft_status status =
            cable->a.net.ops->dial(cable->a.net.self, cable->bound, &cable->watch_a, &link, NULL);
        assert_true(refuse_end());
        assert_int_equal(status, WEFT_LIMIT);
        assert_int_equal(link, 0);
    }
    cable_put_all(cable_a(cable), "x", 1);
    cable_get_all(cable_b(cable), &(char){0}, 1);
}

static void a_caller_for_whom_nothing_is_left_is_turned_away_and_the_next_one_let_in(void **state) {
    struct cable *cable = *state;
    const struct net_port *net = &cable->b.net;
    struct weft_error why = {0};
    int64_t transfer = -1;
    cable_connect(cable, cable->kind->address);
    net->ops->close(net->self, cable->to);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    cable->watch_listener.ready = false;
    cable_dial(cable, cable->bound);
    cable_wait(cable, &cable->b, &cable->watch_listener);
    refuse("socketpair", EMFILE, 0, 1);
    assert_int_equal(net->ops->accept(net->self, cable->listener, &transfer, &why), WEFT_BUSY);
    assert_true(refuse_end());
    assert_int_equal(cable_end_of(cable_a(cable), &why), WEFT_NET);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    /* One that cannot be adopted is dropped. */
    cable_dial(cable, cable->bound);
    transfer = cable_accept(cable);
    refuse("epoll_ctl", ENOSPC, 0, 1);
    assert_int_equal(net->ops->adopt(net->self, transfer, &cable->watch_b, &cable->to, &why),
                     WEFT_LIMIT);
    assert_true(refuse_end());
    assert_int_equal(cable_end_of(cable_a(cable), &why), WEFT_NET);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    cable_dial(cable, cable->bound);
    transfer = cable_accept(cable);
    assert_int_equal(net->ops->adopt(net->self, transfer, &cable->watch_b, &cable->to, &why),
                     WEFT_OK);
    cable_put_all(cable_a(cable), "x", 1);
    cable_get_all(cable_b(cable), &(char){0}, 1);
}

#define WEB_TEST(test)                                                          \
    cmocka_unit_test_prestate_setup_teardown(test, cable_setup, cable_teardown, \
                                             (void *)(uintptr_t)&cable_websocket)

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_first_dial_that_is_refused_leaves_nothing_open),
        WEB_TEST(a_later_dial_that_is_refused_spends_no_place),
        WEB_TEST(a_caller_for_whom_nothing_is_left_is_turned_away_and_the_next_one_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
