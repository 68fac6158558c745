/* Strangers at the HTTP server: garbage, requests without end, a thousand that say nothing. Memory
 * and descriptors stay within their bounds, and an honest scrape is answered all the while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "tests/lib/alone.h"
#include "tests/lib/scrape.h"
#include "tests/lib/web.h"

#define CROWD 1000u
/* Connections that the server has shut down and not let go of yet: http.c. */
#define SLACK 64u

struct shown {
    struct alone alone;
    char address[WEFT_ADDRESS_MAX];
    struct web web;
    int crowd[CROWD];
};

static int shown_setup(void **state) {
    struct shown *shown = calloc(1, sizeof *shown);
    struct rlimit files;
    assert_non_null(shown);
    /* Both ends are of this process. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 4 * CROWD) files.rlim_cur = 4 * CROWD;
    if (files.rlim_cur > files.rlim_max) files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    alone_new(&shown->alone);
    alone_ok(&shown->alone, alone_open(&shown->alone));
    const struct weft_http options = {.address = "127.0.0.1:0"};
    alone_ok(&shown->alone, weft_http_start_wait(shown->alone.engine, &options, shown->address,
                                                 &shown->alone.why));
    *state = shown;
    return 0;
}

static int shown_teardown(void **state) {
    struct shown *shown = *state;
    alone_close(&shown->alone);
    alone_end(&shown->alone);
    free(shown);
    return 0;
}

static unsigned descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

/* An honest client: it is answered, and the whole of it. */
static void scrapes(struct shown *shown) {
    struct scrape found;
    web_get(&shown->web, shown->address, "/metrics", NULL);
    assert_int_equal(shown->web.status, 200);
    assert_true(scrape_read(&found, shown->web.body));
    scrape_free(&found);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void garbage_is_refused_or_ended(void **state) {
    struct shown *shown = *state;
    static const char *const garbage[] = {
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /metrics\r\n\r\n",
        "GET /metrics HTTP/9.9\r\n\r\n",
        "GET /metrics HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 a handshake of TLS\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /%6detrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /%00%zz%2e%2e/%2fmetrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET http://localhost/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int descriptor = web_connect(shown->address);
        assert_true(descriptor >= 0);
        (void)web_send(descriptor, garbage[i], strlen(garbage[i]));
        (void)shutdown(descriptor, SHUT_WR); /* Nothing follows. */
        web_read(&shown->web, descriptor);
        (void)close(descriptor);
        assert_true(shown->web.status == 0 || shown->web.status >= 400);
        assert_null(strstr(shown->web.text, "weft_"));
    }
    scrapes(shown);
}

static void random_bytes_are_refused_or_ended(void **state) {
    struct shown *shown = *state;
    uint64_t drawn = 88172645463325252u;
    uint8_t bytes[512];
    for (unsigned round = 0; round < 100; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            drawn ^= drawn << 13;
            drawn ^= drawn >> 7;
            drawn ^= drawn << 17;
            bytes[i] = (uint8_t)drawn;
        }
        int descriptor = web_connect(shown->address);
        assert_true(descriptor >= 0);
        (void)web_send(descriptor, bytes, sizeof bytes);
        (void)shutdown(descriptor, SHUT_WR);
        web_read(&shown->web, descriptor);
        (void)close(descriptor);
        assert_true(shown->web.status == 0 || shown->web.status >= 400);
    }
    scrapes(shown);
}

/* A line, a header or headers that would not end: given up at LIMIT_HTTP_REQUEST bytes. */
static void requests_without_end_are_cut_off(void **state) {
    struct shown *shown = *state;
    static const char *const begins[] = {"GET /", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ",
                                         "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"};
    static const char *const goes_on[] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb",
                                          "Header: 5678\r\n"};
    for (size_t i = 0; i < 3; i++) {
        int descriptor = web_connect(shown->address);
        assert_true(descriptor >= 0);
        size_t sent = strlen(begins[i]);
        bool open = web_send(descriptor, begins[i], sent);
        while (open && sent < 16 * LIMIT_HTTP_REQUEST && !web_closed(descriptor, 0)) {
            open = web_send(descriptor, goes_on[i], strlen(goes_on[i]));
            sent += strlen(goes_on[i]);
        }
        /* It has answered, or closed; in either case long before this. */
        assert_true(web_closed(descriptor, 5000) || sent < 16 * LIMIT_HTTP_REQUEST);
        (void)close(descriptor);
    }
    scrapes(shown);
}

static void an_oversized_header_is_refused_in_words(void **state) {
    struct shown *shown = *state;
    char *line = malloc(LIMIT_HTTP_REQUEST + 100);
    assert_non_null(line);
    (void)memcpy(line, "X: ", 3);
    memset(line + 3, 'x', LIMIT_HTTP_REQUEST);
    memcpy(line + 3 + LIMIT_HTTP_REQUEST, "\r\n", 3);
    web_get(&shown->web, shown->address, "/metrics", line);
    free(line);
    assert_true(shown->web.status == 431 || shown->web.status == 413 || shown->web.status == 414);
    scrapes(shown);
}

/* ---- crowds ---------------------------------------------------------------------------------- */

/* Everybody connects and then says nothing, or only begins. */
static void crowd_comes(struct shown *shown, const char *begin) {
    for (unsigned i = 0; i < CROWD; i++) {
        shown->crowd[i] = web_connect(shown->address);
        assert_true(shown->crowd[i] >= 0);
        if (begin != NULL) (void)web_send(shown->crowd[i], begin, strlen(begin));
        if (i % 100 == 99) scrapes(shown);
    }
}

static void crowd_goes(struct shown *shown) {
    for (unsigned i = 0; i < CROWD; i++)
        (void)close(shown->crowd[i]);
}

static void a_thousand_silent_connections_keep_nobody_out(void **state) {
    struct shown *shown = *state;
    const unsigned before = descriptors();
    crowd_comes(shown, NULL);
    for (unsigned i = 0; i < 20; i++)
        scrapes(shown);
    /* Its own end of each, and no more than may be of the server's. */
    assert_in_range(descriptors(), before + CROWD, before + CROWD + LIMIT_HTTP_LINKS + SLACK);
    /* Those that stay are the last to have come; all others are closed. */
    unsigned open = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        const bool closed = web_closed(shown->crowd[i], 0);
        assert_true(closed || i >= CROWD - LIMIT_HTTP_ADDRESS);
        open += !closed;
    }
    assert_true(open <= LIMIT_HTTP_ADDRESS);
    crowd_goes(shown);
    scrapes(shown);
}

static void a_thousand_that_only_begin_keep_nobody_out(void **state) {
    struct shown *shown = *state;
    crowd_comes(shown, "GET /metrics HTTP/1.1\r\nHost: loc");
    for (unsigned i = 0; i < 20; i++)
        scrapes(shown);
    crowd_goes(shown);
    scrapes(shown);
}

/* They ask, and do not read what they are given. */
static void a_thousand_that_do_not_read_keep_nobody_out(void **state) {
    struct shown *shown = *state;
    const size_t before = shown->web.size;
    crowd_comes(shown, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (unsigned i = 0; i < 20; i++)
        scrapes(shown);
    assert_true(shown->web.size > before);
    crowd_goes(shown);
    scrapes(shown);
}

static uint64_t now_ms(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void who_is_silent_is_closed_when_its_time_is_over(void **state) {
    struct shown *shown = *state;
    const uint64_t begun = now_ms();
    const int silent = web_connect(shown->address), begins = web_connect(shown->address);
    assert_true(silent >= 0 && begins >= 0);
    assert_true(web_send(begins, "GET /met", 8));
    assert_true(web_closed(silent, 60000));
    assert_true(web_closed(begins, 60000));
    assert_true(now_ms() - begun >= (LIMIT_HTTP_IDLE_S - 1) * 1000);
    (void)close(silent);
    (void)close(begins);
    scrapes(shown);
}

static int comes_from(struct shown *shown, const char *from) {
    int descriptor = web_connect_from(shown->address, from);
    assert_true(descriptor >= 0);
    return descriptor;
}

static void of_each_address_the_oldest_goes_and_of_all_when_all_are_too_many(void **state) {
    struct shown *shown = *state;
    unsigned count = 0;
    const int other = comes_from(shown, "127.0.0.2:0");
    for (; count <= LIMIT_HTTP_ADDRESS; count++)
        shown->crowd[count] = comes_from(shown, "127.0.0.3:0");
    assert_true(web_closed(shown->crowd[0], 5000)); /* One more than may be of one address. */
    assert_false(web_closed(shown->crowd[1], 50));
    assert_false(web_closed(other, 0)); /* Which costs others nothing, */
    for (unsigned i = 0; i < LIMIT_HTTP_LINKS - LIMIT_HTTP_ADDRESS; i++)
        shown->crowd[count++] = comes_from(shown, "127.0.0.4:0");
    assert_true(web_closed(other, 5000)); /* ... until there are too many of all. */
    assert_false(web_closed(shown->crowd[1], 50));
    scrapes(shown);
    for (unsigned i = 0; i < count; i++)
        (void)close(shown->crowd[i]);
    (void)close(other);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, shown_setup, shown_teardown)
    const struct CMUnitTest tests[] = {
        T(garbage_is_refused_or_ended),
        T(random_bytes_are_refused_or_ended),
        T(requests_without_end_are_cut_off),
        T(an_oversized_header_is_refused_in_words),
        T(a_thousand_silent_connections_keep_nobody_out),
        T(a_thousand_that_only_begin_keep_nobody_out),
        T(a_thousand_that_do_not_read_keep_nobody_out),
        T(who_is_silent_is_closed_when_its_time_is_over),
        T(of_each_address_the_oldest_goes_and_of_all_when_all_are_too_many),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
