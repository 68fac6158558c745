/* What a bad peer gets, and a bad address: one session ends, one sentence says why, and everybody
 * else goes on as before. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/party.h"

struct pair {
    char folder[SCRATCH_PATH];
    struct party a, b;
};

static int pair_open(void **state) {
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    *state = pair;
    scratch_make(pair->folder);
    party_start(&pair->a, pair->folder, "a", NULL);
    party_start(&pair->b, pair->folder, "b", &pair->a);
    party_listen(&pair->a);
    return 0;
}

static int pair_close(void **state) {
    struct pair *pair = *state;
    party_leave(&pair->a);
    party_leave(&pair->b);
    scratch_remove(pair->folder);
    free(pair);
    return 0;
}

/* The engine is as well as before: it takes a row, meets its friend, and hands the row over. */
static void assert_a_is_well(struct pair *pair) {
    party_connect(&pair->b, &pair->a);
    party_wait(&pair->a, party_put(&pair->a, 7, "well", 7), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry WHERE size = 7"), 1);
}

static struct sockaddr_in socket_address(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[WEFT_ADDRESS_MAX];
    snprintf(host, sizeof host, "%s", text);
    char *colon = strrchr(host, ':');
    assert_non_null(colon);
    *colon = '\0';
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return address;
}

static int dial(const char *text) {
    struct sockaddr_in address = socket_address(text);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A listening socket of a stranger; `text` receives its address. */
static int stranger_listen(char text[WEFT_ADDRESS_MAX]) {
    struct sockaddr_in address = socket_address("127.0.0.1:0");
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(text, WEFT_ADDRESS_MAX, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static void say(int fd, const void *bytes, size_t size) {
    ssize_t wrote = send(fd, bytes, size, MSG_NOSIGNAL);
    /* It may hang up before it has heard all. */
    assert_true(wrote > 0 || errno == EPIPE || errno == ECONNRESET);
}

/* Reads until the other side hangs up; it must. */
static void assert_hangs_up(int fd) {
    char bytes[4096];
    for (;;) {
        struct pollfd watched = {fd, POLLIN, 0};
        assert_int_equal(poll(&watched, 1, PARTY_PATIENCE_MS), 1);
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) break;
        assert_true(got > 0);
    }
    close(fd);
}

static void a_client_that_speaks_http_is_hung_up_on(void **state) {
    struct pair *pair = *state;
    struct weft_event event;
    int fd = dial(pair->a.address);
    static const char request[] = "GET / HTTP/1.1\r\nHost: example\r\n\r\n";
    say(fd, request, sizeof request - 1);
    assert_hangs_up(fd);
    party_wait_event(&pair->a, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_PROTOCOL);
    /* The sentence shows what was said instead of a greeting. */
    assert_non_null(strstr(event.error.text, "GET"));
    assert_a_is_well(pair);
}

static void a_server_that_speaks_something_else_is_hung_up_on(void **state) {
    struct pair *pair = *state;
    struct weft_event event;
    struct weft_error why = {0};
    char address[WEFT_ADDRESS_MAX];
    static const char banner[] = "220 mail.example ESMTP ready\r\n";
    int listening = stranger_listen(address);
    assert_int_equal(weft_connect(pair->a.engine, address, &why), WEFT_OK);
    int fd = accept(listening, NULL, NULL);
    assert_true(fd >= 0);
    say(fd, banner, sizeof banner - 1);
    assert_hangs_up(fd);
    party_wait_event(&pair->a, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_PROTOCOL);
    assert_non_null(strstr(event.error.text, "220 mail"));
    close(listening);
    assert_a_is_well(pair);
}

static void a_client_that_says_nothing_is_hung_up_on(void **state) {
    struct pair *pair = *state;
    int fd = dial(pair->a.address);
    assert_hangs_up(fd);
    assert_a_is_well(pair);
}

static void garbage_of_every_length_is_hung_up_on(void **state) {
    struct pair *pair = *state;
    uint8_t bytes[3000];
    uint32_t random = 12345;
    for (uint32_t round = 0; round < 60; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(random >> 24);
        }
        int fd = dial(pair->a.address);
        say(fd, bytes, 1 + (size_t)round * 50);
        shutdown(fd, SHUT_WR);
        assert_hangs_up(fd);
    }
    assert_a_is_well(pair);
}

/* Takes the first bytes that a real device sends, and sends them again with one byte changed. */
static void a_greeting_with_any_byte_changed_does_no_harm(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char address[WEFT_ADDRESS_MAX];
    uint8_t greeting[512];
    int listening = stranger_listen(address);
    assert_int_equal(weft_connect(pair->b.engine, address, &why), WEFT_OK);
    int fd = accept(listening, NULL, NULL);
    ssize_t size = recv(fd, greeting, sizeof greeting, 0);
    assert_true(size > 8);
    close(fd);
    close(listening);
    for (ssize_t at = 0; at < size; at++) {
        uint8_t kept = greeting[at];
        greeting[at] = (uint8_t)(kept ^ 1u << at % 8);
        fd = dial(pair->a.address);
        say(fd, greeting, (size_t)size);
        shutdown(fd, SHUT_WR);
        assert_hangs_up(fd);
        greeting[at] = kept;
    }
    assert_a_is_well(pair);
}

static void a_device_of_another_library_is_refused(void **state) {
    struct pair *pair = *state;
    struct party stranger;
    struct weft_event event;
    struct weft_error why = {0};
    party_start(&stranger, pair->folder, "stranger", NULL);
    party_wait(&stranger, party_put(&stranger, 1, "not yours", 1), WEFT_DURABLE, 0);
    assert_int_equal(weft_connect(stranger.engine, pair->a.address, &why), WEFT_OK);
    party_wait_event(&pair->a, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_OTHER_LIBRARY);
    party_wait_event(&stranger, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_OTHER_LIBRARY);
    assert_a_is_well(pair);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry WHERE size = 1"), 0);
    assert_int_equal(party_number(&stranger, "SELECT count(*) FROM entry"), 1);
    assert_int_equal(weft_member_count(pair->a.engine), 2);
    party_leave(&stranger);
}

static void nobody_listening_is_not_an_error_but_a_reason_to_try_again(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char address[WEFT_ADDRESS_MAX];
    int listening = stranger_listen(address);
    close(listening);
    assert_int_equal(weft_connect(pair->b.engine, address, &why), WEFT_OK);
    snprintf(pair->a.address, sizeof pair->a.address, "%s", address);
    party_listen(&pair->a);
    /* B dials again by itself. */
    struct weft_event event;
    party_wait_event(&pair->b, WEFT_EVENT_PEER_UP, &event);
    assert_memory_equal(event.device, pair->a.device, 16);
    assert_a_is_well(pair);
}

static void a_port_in_use_is_named(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char address[WEFT_ADDRESS_MAX], bound[WEFT_ADDRESS_MAX];
    int listening = stranger_listen(address);
    assert_int_equal(weft_listen_wait(pair->b.engine, address, bound, &why), WEFT_PORT_IN_USE);
    assert_int_equal(why.status, WEFT_PORT_IN_USE);
    assert_non_null(strstr(why.text, address));
    /* The same between two engines. */
    assert_int_equal(weft_listen_wait(pair->b.engine, pair->a.address, bound, &why),
                     WEFT_PORT_IN_USE);
    assert_non_null(strstr(why.text, pair->a.address));
    close(listening);
    assert_int_equal(weft_listen_wait(pair->b.engine, address, bound, &why), WEFT_OK);
    assert_string_equal(bound, address);
}

static void addresses_that_will_not_do_are_named(void **state) {
    struct pair *pair = *state;
    static const struct {
        const char *address;
        enum weft_status status;
    } cases[] = {
        {"", WEFT_ADDRESS},
        {"127.0.0.1", WEFT_ADDRESS},
        {"127.0.0.1:", WEFT_ADDRESS},
        {"127.0.0.1:65536", WEFT_ADDRESS},
        {"127.0.0.1:port", WEFT_ADDRESS},
        {"127.0.0.1:-1", WEFT_ADDRESS},
        {"[::1:4000", WEFT_ADDRESS},
        {"0.0.0.0:4000", WEFT_NOT_LOOPBACK},
        {"192.0.2.1:4000", WEFT_NOT_LOOPBACK},
        {"[2001:db8::1]:4000", WEFT_NOT_LOOPBACK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_error why = {0};
        assert_int_equal(weft_listen_wait(pair->a.engine, cases[i].address, NULL, &why),
                         cases[i].status);
        assert_int_equal(why.status, cases[i].status);
        assert_non_null(strstr(why.text, cases[i].address));
        memset(&why, 0, sizeof why);
        assert_int_equal(weft_connect(pair->a.engine, cases[i].address, &why), cases[i].status);
        assert_int_equal(why.status, cases[i].status);
        assert_non_null(strstr(why.text, cases[i].address));
    }
    char long_address[WEFT_ADDRESS_MAX * 4];
    memset(long_address, '1', sizeof long_address);
    memcpy(long_address + sizeof long_address - 6, ":4000", 6);
    struct weft_error why = {0};
    assert_int_equal(weft_connect(pair->a.engine, long_address, &why), WEFT_ADDRESS);
    assert_a_is_well(pair);
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(a_client_that_speaks_http_is_hung_up_on),
        PAIR_TEST(a_server_that_speaks_something_else_is_hung_up_on),
        PAIR_TEST(a_client_that_says_nothing_is_hung_up_on),
        PAIR_TEST(garbage_of_every_length_is_hung_up_on),
        PAIR_TEST(a_greeting_with_any_byte_changed_does_no_harm),
        PAIR_TEST(a_device_of_another_library_is_refused),
        PAIR_TEST(nobody_listening_is_not_an_error_but_a_reason_to_try_again),
        PAIR_TEST(a_port_in_use_is_named),
        PAIR_TEST(addresses_that_will_not_do_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
