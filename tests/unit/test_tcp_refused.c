/* The net port over TCP when the system refuses: each failure has a status, a sentence with the
 * address, and leaves no descriptor behind; the same call afterwards is as good as any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/runtime/wake.h"
#include "tests/lib/cable.h"
#include "tests/lib/refused.h"
#include "tests/lib/scarce.h"

/* The lowest descriptor that is free. */
static int next_descriptor(void) {
    const int next = dup(0);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    return next;
}

struct refusal {
    const char *call;
    int error;
    unsigned after;
    enum weft_status status;
    const char *says;
};

/* What was refused has `status`, and says so. */
static void check(const struct refusal *refusal, enum weft_status status,
                  const struct weft_error *why) {
    if (status != refusal->status || why->status != status || why->native != refusal->error)
        fail_msg("%s: %s %d: %s", refusal->call, weft_status_name(status), why->native, why->text);
    if (strstr(why->text, refusal->says) == NULL)
        fail_msg("%s: \"%s\" does not say %s", refusal->call, why->text, refusal->says);
}

/* ---- listening and dialling ----------------------------------------------------------------- */

static void listening_that_is_refused_leaves_nothing_open(void **state) {
    struct cable *cable = *state;
    const struct refusal refusals[] = {
        {"socket", EMFILE, 0, WEFT_LIMIT, "[::1]:0"},
        {"socket", ENFILE, 0, WEFT_LIMIT, "[::1]:0"},
        {"socket", ENOBUFS, 0, WEFT_LIMIT, "[::1]:0"},
        {"socket", ENOMEM, 0, WEFT_LIMIT, "[::1]:0"},
        {"socket", EAFNOSUPPORT, 0, WEFT_NET, "[::1]:0"},
        {"setsockopt", ENOMEM, 0, WEFT_LIMIT, "[::1]:0"},
        {"setsockopt", ENOMEM, 1, WEFT_LIMIT, "[::1]:0"},
        {"bind", EADDRINUSE, 0, WEFT_PORT_IN_USE, "another port"},
        {"bind", EACCES, 0, WEFT_ADDRESS, "1023"},
        {"bind", EADDRNOTAVAIL, 0, WEFT_ADDRESS, "not an address of this machine"},
        {"listen", EADDRINUSE, 0, WEFT_PORT_IN_USE, "another port"},
        {"getsockname", ENOBUFS, 0, WEFT_LIMIT, "[::1]:0"},
        {"epoll_ctl", ENOSPC, 0, WEFT_LIMIT, "[::1]:"},
    };
    const int before = next_descriptor();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct weft_error why = {0};
        net_handle listener = 0;
        refuse(refusals[i].call, refusals[i].error, refusals[i].after, 1);
        const enum weft_status status = cable->b.net.ops->listen(
            cable->b.net.self, "[::1]:0", &cable->watch_listener, &listener, cable->bound, &why);
        assert_true(refuse_end());
        check(&refusals[i], status, &why);
        assert_int_equal(listener, 0);
        assert_int_equal(next_descriptor(), before);
    }
    cable_connect(cable, "[::1]:0");
}

static void dialling_that_is_refused_leaves_nothing_open(void **state) {
    struct cable *cable = *state;
    cable_listen(cable, "127.0.0.1:0");
    const struct refusal refusals[] = {
        {"socket", EMFILE, 0, WEFT_LIMIT, cable->bound},
        {"setsockopt", ENOBUFS, 0, WEFT_LIMIT, cable->bound},
        {"connect", ECONNREFUSED, 0, WEFT_NET, "nothing listens there"},
        {"connect", ENETUNREACH, 0, WEFT_NET, "check the address"},
        {"epoll_ctl", ENOSPC, 0, WEFT_LIMIT, cable->bound},
    };
    const int before = next_descriptor();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct weft_error why = {0};
        refuse(refusals[i].call, refusals[i].error, refusals[i].after, 1);
        const enum weft_status status = cable->a.net.ops->dial(cable->a.net.self, cable->bound,
                                                               &cable->watch_a, &cable->from, &why);
        assert_true(refuse_end());
        check(&refusals[i], status, &why);
        assert_int_equal(next_descriptor(), before);
    }
}

static void what_is_no_address_is_neither_listened_on_nor_dialled(void **state) {
    struct cable *cable = *state;
    const int before = next_descriptor();
    assert_int_equal(cable->b.net.ops->listen(cable->b.net.self, "here", &cable->watch_listener,
                                              &cable->listener, cable->bound, NULL),
                     WEFT_ADDRESS);
    assert_int_equal(
        cable->a.net.ops->dial(cable->a.net.self, "there", &cable->watch_a, &cable->from, NULL),
        WEFT_ADDRESS);
    assert_int_equal(next_descriptor(), before);
}

/* Connected by the time that connect() returns, or interrupted by a signal: it goes on. */
static void a_dial_goes_on_whatever_moment_it_is_told_at(void **state) {
    struct cable *cable = *state;
    static const int errors[] = {0, EINTR};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        char byte;
        size_t got;
        cable->watch_a.ready = false;
        cable_listen(cable, "127.0.0.1:0");
        refuse("connect", errors[i], 0, 1);
        cable_dial(cable, cable->bound);
        assert_true(refuse_end());
        cable_wait(cable, &cable->a, &cable->watch_a);
        assert_int_equal(cable_get(&cable->a, cable->from, &byte, 1, &got), WEFT_BUSY);
        assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &got), WEFT_OK);
    }
}

static void a_connection_whose_ends_cannot_be_told_is_not_used(void **state) {
    struct cable *cable = *state;
    const struct refusal refusals[] = {
        {"getpeername", ENOBUFS, 0, WEFT_LIMIT, "connecting to"},
        {"getsockname", ENOBUFS, 0, WEFT_LIMIT, "connecting to"},
    };
    cable_listen(cable, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct weft_error why = {0};
        char byte;
        size_t got;
        cable_dial(cable, cable->bound);
        cable_wait(cable, &cable->a, &cable->watch_a);
        refuse(refusals[i].call, refusals[i].error, 0, 1);
        const enum weft_status status =
            cable->a.net.ops->read(cable->a.net.self, cable->from, &byte, 1, &got, &why);
        assert_true(refuse_end());
        check(&refusals[i], status, &why);
        cable->a.net.ops->close(cable->a.net.self, cable->from);
    }
}

static void a_connection_that_is_being_made_is_not_let_go(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    int64_t transfer = -1;
    cable_listen(cable, "127.0.0.1:0");
    const int before = next_descriptor();
    cable_dial(cable, cable->bound);
    refuse("getpeername", ENOTCONN, 0, 1);
    assert_int_equal(cable->a.net.ops->release(cable->a.net.self, cable->from, &transfer, &why),
                     WEFT_NET);
    assert_true(refuse_end());
    assert_non_null(strstr(why.text, "not made yet"));
    assert_int_equal(transfer, -1);
    assert_int_equal(next_descriptor(), before);
}

/* ---- accepting and adopting ----------------------------------------------------------------- */

/* A remote that has given up is passed over. */
static void accepting_goes_on_to_the_next_that_waits(void **state) {
    struct cable *cable = *state;
    static const int errors[] = {EINTR, ECONNABORTED, EPROTO};
    cable_listen(cable, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int64_t transfer = -1;
        cable_dial(cable, cable->bound);
        cable_wait(cable, &cable->b, &cable->watch_listener);
        refuse("accept4", errors[i], 0, 2);
        assert_int_equal(
            cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL), WEFT_OK);
        assert_true(refuse_end());
        cable->b.net.ops->discard(cable->b.net.self, transfer);
    }
}

static void accepting_that_is_refused_keeps_who_waits(void **state) {
    struct cable *cable = *state;
    const struct refusal refusals[] = {
        {"accept4", EMFILE, 0, WEFT_LIMIT, "open files"},
        {"accept4", ENETDOWN, 0, WEFT_NET, "accepting on"},
    };
    int64_t transfer = -1;
    cable_listen(cable, "127.0.0.1:0");
    cable_dial(cable, cable->bound);
    cable_wait(cable, &cable->b, &cable->watch_listener);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct weft_error why = {0};
        refuse("accept4", refusals[i].error, 0, 1);
        const enum weft_status status =
            cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, &why);
        assert_true(refuse_end());
        check(&refusals[i], status, &why);
        assert_int_equal(transfer, -1);
    }
    assert_int_equal(cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL),
                     WEFT_OK);
    cable->b.net.ops->discard(cable->b.net.self, transfer);
}

/* Accepts who dials next. */
static int64_t accepts(struct cable *cable) {
    int64_t transfer = -1;
    cable_dial(cable, cable->bound);
    cable_wait(cable, &cable->b, &cable->watch_listener);
    assert_int_equal(cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL),
                     WEFT_OK);
    return transfer;
}

static void a_connection_that_cannot_be_watched_is_closed(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    cable_listen(cable, "127.0.0.1:0");
    const int64_t transfer = accepts(cable);
    refuse("epoll_ctl", ENOSPC, 0, 1);
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, &why),
        WEFT_LIMIT);
    assert_true(refuse_end());
    assert_int_equal(next_descriptor(), transfer);
}

static void who_has_left_before_being_adopted_comes_from_nowhere(void **state) {
    struct cable *cable = *state;
    char origin[WEFT_ADDRESS_MAX], byte;
    size_t got;
    cable_listen(cable, "127.0.0.1:0");
    const int64_t transfer = accepts(cable);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    refuse("getpeername", ENOTCONN, 0, 1);
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, NULL),
        WEFT_OK);
    assert_true(refuse_end());
    cable->b.net.ops->origin(cable->b.net.self, cable->to, origin);
    assert_string_equal(origin, "unknown");
    struct weft_error why = {0};
    assert_int_equal(cable->b.net.ops->read(cable->b.net.self, cable->to, &byte, 1, &got, &why),
                     WEFT_CLOSED);
    assert_non_null(strstr(why.text, "a remote that has left"));
}

/* While another process, or a copy of the descriptor, holds a socket, its events still come. */
static void an_event_of_a_link_that_is_closed_wakes_nobody(void **state) {
    struct cable *cable = *state;
    size_t count;
    cable_listen(cable, "127.0.0.1:0");
    const int64_t transfer = accepts(cable);
    const int copy = dup((int)transfer);
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, NULL),
        WEFT_OK);
    cable_wait(cable, &cable->b, &cable->watch_b);
    cable->b.net.ops->close(cable->b.net.self, cable->to);
    const net_handle from = cable->from;
    assert_int_equal(cable_put(&cable->a, from, "x", 1, &count), WEFT_OK);
    assert_false(cable_look(&cable->b, &cable->watch_b));
    /* Another link in its place is not woken either. */
    const int64_t next = accepts(cable);
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, next, &cable->watch_b, &cable->to, NULL),
        WEFT_OK);
    cable_wait(cable, &cable->b, &cable->watch_b);
    assert_int_equal(cable_put(&cable->a, from, "y", 1, &count), WEFT_OK);
    assert_false(cable_look(&cable->b, &cable->watch_b));
    assert_int_equal(close(copy), 0);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void a_signal_interrupts_neither_reading_nor_writing(void **state) {
    struct cable *cable = *state;
    char byte = 0;
    size_t count;
    cable_connect(cable, "127.0.0.1:0");
    refuse("send", EINTR, 0, 3);
    assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &count), WEFT_OK);
    assert_true(refuse_end());
    cable_wait(cable, &cable->b, &cable->watch_b);
    refuse("recv", EINTR, 0, 3);
    assert_int_equal(cable_get(&cable->b, cable->to, &byte, 1, &count), WEFT_OK);
    assert_true(refuse_end());
    assert_int_equal(byte, 'x');
}

/* ---- memory --------------------------------------------------------------------------------- */

static void without_memory_there_is_no_port_and_no_link(void **state) {
    struct cable *cable = *state;
    struct runner_port port = {.wait = NULL};
    struct weft_error why = {0};
    net_handle listener = 0;
    const int before = next_descriptor();
    scarce_begin(SCARCE_HEAP, 1);
    assert_int_equal(cable->ports.open(cable->ports.self, -1, &port, &why), WEFT_NO_MEMORY);
    assert_true(scarce_end());
    assert_null(port.net.self);
    scarce_begin(SCARCE_HEAP, 1);
    assert_int_equal(cable->b.net.ops->listen(cable->b.net.self, "127.0.0.1:0",
                                              &cable->watch_listener, &listener, cable->bound,
                                              &why),
                     WEFT_NO_MEMORY);
    assert_true(scarce_end());
    assert_non_null(strstr(why.text, "127.0.0.1:"));
    assert_int_equal(next_descriptor(), before);
    cable_connect(cable, "127.0.0.1:0");
}

/* ---- ports and sleeping --------------------------------------------------------------------- */

static void a_port_that_cannot_be_opened_leaves_nothing_open(void **state) {
    struct cable *cable = *state;
    const struct refusal refusals[] = {
        {"epoll_create1", EMFILE, 0, WEFT_LIMIT, "open files"},
        {"epoll_ctl", ENOSPC, 0, WEFT_LIMIT, "open files"},
    };
    struct wake wake;
    assert_true(wake_open(&wake));
    const int before = next_descriptor();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct runner_port port = {.wait = NULL};
        struct weft_error why = {0};
        refuse(refusals[i].call, refusals[i].error, 0, 1);
        const enum weft_status status =
            cable->ports.open(cable->ports.self, wake.descriptor, &port, &why);
        assert_true(refuse_end());
        check(&refusals[i], status, &why);
        assert_null(port.net.self);
        assert_int_equal(next_descriptor(), before);
    }
    wake_close(&wake);
}

/* Old kernels, and sandboxes, have no sleep finer than a millisecond. */
static void without_a_fine_sleep_a_coarse_one_does(void **state) {
    static const int errors[] = {ENOSYS, EPERM};
    struct cable *cable = *state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct runner_port port;
        struct wake wake;
        struct time_port time = cable->ports.time;
        assert_true(wake_open(&wake));
        assert_int_equal(cable->ports.open(cable->ports.self, wake.descriptor, &port, NULL),
                         WEFT_OK);
        const uint64_t before = time.now(time.self).mono_us;
        refuse("epoll_pwait2", errors[i], 0, 1);
        port.wait(port.net.self, 1500);
        assert_true(refuse_end());
        port.wait(port.net.self, 1500);
        assert_true(time.now(time.self).mono_us + 1 >= before + 3000);
        /* Longer than the system can be told: what wakes it does. */
        wake_prepare(&wake);
        wake_signal(&wake);
        port.wait(port.net.self, UINT64_MAX - 1);
        wake_cancel(&wake);
        cable->ports.close(cable->ports.self, &port);
        wake_close(&wake);
    }
}

static void a_signal_ends_a_sleep_and_does_no_harm(void **state) {
    struct cable *cable = *state;
    size_t count;
    cable_connect(cable, "127.0.0.1:0");
    assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &count), WEFT_OK);
    refuse("epoll_pwait2", EINTR, 0, 1);
    cable->b.wait(cable->b.net.self, 1000000);
    assert_true(refuse_end());
    cable_wait(cable, &cable->b, &cable->watch_b);
}

static void a_signal_interrupts_no_waking(void **state) {
    struct wake wake;
    (void)state;
    assert_true(wake_open(&wake));
    wake_prepare(&wake);
    refuse("write", EINTR, 0, 2);
    wake_signal(&wake);
    assert_true(refuse_end());
    refuse("read", EINTR, 0, 2);
    wake_cancel(&wake);
    assert_true(refuse_end());
    uint64_t left;
    assert_int_equal(read(wake.descriptor, &left, sizeof left), -1); /* It is drained. */
    wake_close(&wake);
}

#define CABLE_TEST(test) cmocka_unit_test_setup_teardown(test, cable_setup, cable_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CABLE_TEST(listening_that_is_refused_leaves_nothing_open),
        CABLE_TEST(dialling_that_is_refused_leaves_nothing_open),
        CABLE_TEST(what_is_no_address_is_neither_listened_on_nor_dialled),
        CABLE_TEST(a_dial_goes_on_whatever_moment_it_is_told_at),
        CABLE_TEST(a_connection_whose_ends_cannot_be_told_is_not_used),
        CABLE_TEST(a_connection_that_is_being_made_is_not_let_go),
        CABLE_TEST(accepting_goes_on_to_the_next_that_waits),
        CABLE_TEST(accepting_that_is_refused_keeps_who_waits),
        CABLE_TEST(a_connection_that_cannot_be_watched_is_closed),
        CABLE_TEST(who_has_left_before_being_adopted_comes_from_nowhere),
        CABLE_TEST(an_event_of_a_link_that_is_closed_wakes_nobody),
        CABLE_TEST(a_signal_interrupts_neither_reading_nor_writing),
        CABLE_TEST(without_memory_there_is_no_port_and_no_link),
        CABLE_TEST(a_port_that_cannot_be_opened_leaves_nothing_open),
        CABLE_TEST(without_a_fine_sleep_a_coarse_one_does),
        CABLE_TEST(a_signal_ends_a_sleep_and_does_no_harm),
        cmocka_unit_test(a_signal_interrupts_no_waking),
    };
    return cmocka_run_group_tests_name("a net that the system refuses", tests, NULL, NULL);
}
