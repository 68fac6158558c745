/* An engine shown by HTTP, over real sockets: who is answered, with what, and when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/alone.h"
#include "tests/lib/json.h"
#include "tests/lib/party.h"
#include "tests/lib/scrape.h"
#include "tests/lib/web.h"

struct shown {
    struct alone alone;
    char address[WEFT_ADDRESS_MAX];
    struct web web; /* the last answer */
};

static int shown_setup(void **state) {
    struct shown *shown = calloc(1, sizeof *shown);
    assert_non_null(shown);
    alone_new(&shown->alone);
    alone_ok(&shown->alone, alone_open(&shown->alone));
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

static enum weft_status start(struct shown *shown, const struct weft_http *given) {
    struct weft_http options = {.address = "127.0.0.1:0"};
    if (given != NULL) options.token = given->token;
    if (given != NULL) options.anywhere = given->anywhere;
    if (given != NULL && given->address != NULL) options.address = given->address;
    return weft_http_start_wait(shown->alone.engine, &options, shown->address, &shown->alone.why);
}

static int get(struct shown *shown, const char *path, const char *lines) {
    web_get(&shown->web, shown->address, path, lines);
    return shown->web.status;
}

static int ask(struct shown *shown, const char *request) {
    web_ask(&shown->web, shown->address, request);
    return shown->web.status;
}

static bool said(const struct shown *shown, const char *text) {
    return strstr(shown->web.text, text) != NULL;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void metrics_say_what_the_calls_say_when_the_engine_is_quiet(void **state) {
    struct shown *shown = *state;
    struct alone *alone = &shown->alone;
    struct weft_stats stats;
    struct scrape found;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    for (uint32_t i = 0; i < 7; i++)
        (void)alone_commits(alone, i, "note");
    alone_run(alone);
    assert_int_equal(get(shown, "/metrics", NULL), 200);
    assert_true(said(shown, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_true(said(shown, "Cache-Control: no-store\r\n"));
    assert_true(scrape_read(&found, shown->web.body));
    weft_stats(alone->engine, &stats);
    assert_true(stats.commits >= 7);
#define SAYS(name, number) assert_true(scrape_value(&found, name, NULL) == (double)(number))
    SAYS("weft_commits_total", stats.commits);
    SAYS("weft_commits_failed_total", stats.commits_failed);
    SAYS("weft_sqlite_commits_total", stats.syncs);
    SAYS("weft_rows_local_total", stats.rows_local);
    SAYS("weft_rows_remote_total", stats.rows_remote);
    SAYS("weft_rows_unchanged_total", stats.rows_unchanged);
    SAYS("weft_rows_parked_total", stats.rows_parked);
    SAYS("weft_conflicts_lost_total", stats.fields_beaten);
    SAYS("weft_tombstones_pruned_total", stats.tombstones_pruned);
    SAYS("weft_log_records_pruned_total", stats.records_pruned);
    SAYS("weft_batches_encoded_total", stats.batches_encoded);
    SAYS("weft_batches_shared_total", stats.batches_shared);
    SAYS("weft_batches_decoded_total", stats.batches_decoded);
    SAYS("weft_batches_from_memory_total", stats.batches_from_memory);
    SAYS("weft_batches_from_disk_total", stats.batches_from_disk);
    SAYS("weft_received_bytes_total", stats.bytes_in);
    SAYS("weft_sent_bytes_total", stats.bytes_out);
    SAYS("weft_digests_compared_total", stats.digests_compared);
    SAYS("weft_digests_differ_total", stats.digests_differ);
    SAYS("weft_digests_repaired_total", stats.digests_repaired);
    SAYS("weft_events_lost_total", stats.events_lost);
    SAYS("weft_door_bytes", stats.door_bytes_held);
    SAYS("weft_pool_bytes", stats.pool_bytes_held);
#undef SAYS
    scrape_free(&found);
}

static void head_is_answered_without_a_body(void **state) {
    struct shown *shown = *state;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    assert_int_equal(ask(shown, "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                "Connection: close\r\n\r\n"),
                     200);
    assert_int_equal(shown->web.size, 0);
    assert_true(said(shown, "Content-Length: "));
    assert_false(said(shown, "Content-Length: 0\r\n"));
}

static void a_connection_is_answered_once(void **state) {
    struct shown *shown = *state;
    static const char two[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                              "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_int_equal(start(shown, NULL), WEFT_OK);
    assert_int_equal(ask(shown, two), 200); /* And it ends, or this would wait. */
    assert_true(said(shown, "Connection: close\r\n"));
    assert_false(said(shown, "HTTP/1.1 404"));
}

static void what_is_not_there_or_not_shown_is_refused_in_words(void **state) {
    struct shown *shown = *state;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    assert_int_equal(get(shown, "/nothing", NULL), 404);
    assert_string_equal(shown->web.body, "There is no such page.\n");
    assert_int_equal(get(shown, "/metrics/", NULL), 404);
    assert_int_equal(get(shown, "/../metrics", NULL), 404);
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char request[128];
        (void)snprintf(request, sizeof request,
                       "%s /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                       methods[i]);
        assert_int_equal(ask(shown, request), 405);
        assert_true(said(shown, "Allow: GET, HEAD\r\n"));
        assert_true(said(shown, "GET and HEAD are allowed"));
    }
}

static void a_body_is_refused_before_it_is_sent(void **state) {
    struct shown *shown = *state;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    assert_int_equal(ask(shown, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                "Content-Length: 1000000000\r\n\r\n"),
                     413);
    assert_int_equal(ask(shown, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n"),
                     413);
}

static void the_inspector_is_a_page_that_polls_json(void **state) {
    struct shown *shown = *state;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    assert_int_equal(get(shown, "/", NULL), 200);
    assert_true(said(shown, "Content-Type: text/html; charset=utf-8\r\n"));
    assert_true(said(shown, "Content-Security-Policy: default-src 'none'; "));
    assert_int_equal(get(shown, "/status.json", NULL), 200);
    assert_true(said(shown, "Content-Type: application/json\r\n"));
    assert_true(json_sound(shown->web.body));
    assert_true(json_is(shown->web.body, "ready", "true"));
}

/* ---- who is answered ------------------------------------------------------------------------- */

static void without_the_token_nothing_is_shown_but_whether_it_lives(void **state) {
    struct shown *shown = *state;
    const struct weft_http options = {.token = "secret"};
    assert_int_equal(start(shown, &options), WEFT_OK);
    static const char *const wrong[] = {
        NULL,
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer secre\r\n",
        "Authorization: Bearer secrets\r\n",
        "Authorization: Bearer Secret\r\n",
        "Authorization: secret\r\n",
        "Authorization: Digest secret\r\n",
        "Authorization: Basic secret\r\n",
        "Authorization: Basic c2VjcmV0\r\n",     /* secret, without a user */
        "Authorization: Basic c2VjcmV0Og==\r\n", /* secret: */
        "Authorization: Basic eDpzZWNyZXRz\r\n", /* x:secrets */
        "X-Authorization: Bearer secret\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(get(shown, "/metrics", wrong[i]), 401);
        assert_true(said(shown, "WWW-Authenticate: Bearer realm=\"weft\"\r\n"));
        assert_false(said(shown, "weft_"));
        assert_int_equal(get(shown, "/", wrong[i]), 401);
        assert_int_equal(get(shown, "/status.json", wrong[i]), 401);
        /* Nor which pages there are. */
        assert_int_equal(get(shown, "/nothing", wrong[i]), 401);
    }
    assert_int_equal(get(shown, "/healthz", NULL), 200);
    assert_int_equal(get(shown, "/readyz", NULL), 200);
}

static void with_the_token_all_is_shown(void **state) {
    struct shown *shown = *state;
    const struct weft_http options = {.token = "secret"};
    assert_int_equal(start(shown, &options), WEFT_OK);
    assert_int_equal(get(shown, "/metrics", "Authorization: Bearer secret\r\n"), 200);
    assert_int_equal(get(shown, "/metrics", "authorization: bearer secret\r\n"), 200);
    assert_int_equal(get(shown, "/nothing", "Authorization: Bearer secret\r\n"), 404);
    /* anybody:secret, as a browser says it. */
    assert_int_equal(get(shown, "/metrics", "Authorization: Basic YW55Ym9keTpzZWNyZXQ=\r\n"), 200);
}

static void a_token_that_cannot_be_one_is_refused(void **state) {
    struct shown *shown = *state;
    char text[258];
    memset(text, 't', sizeof text - 1);
    text[257] = 0;
    assert_int_equal(start(shown, &(struct weft_http){.token = ""}), WEFT_INVALID);
    assert_int_equal(start(shown, &(struct weft_http){.token = text}), WEFT_INVALID);
    text[256] = 0;
    assert_int_equal(start(shown, &(struct weft_http){.token = text}), WEFT_OK);
    char line[320];
    (void)snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", text);
    assert_int_equal(get(shown, "/metrics", line), 200);
    (void)snprintf(line, sizeof line, "Authorization: Bearer %st\r\n", text);
    assert_int_equal(get(shown, "/metrics", line), 401);
}

/* As a page of another site asks, whose name its owner has made lead here. */
static void who_asks_for_a_name_is_not_answered_without_a_token(void **state) {
    struct shown *shown = *state;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    static const char *const fine[] = {"localhost", "localhost:80", "127.0.0.1", "127.0.0.1:9464",
                                       "[::1]:80"};
    static const char *const wrong[] = {"rebound.example", "rebound.example:9464", "127.0.0.1.x",
                                        "localhost.example:80", ""};
    char request[256];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(request, sizeof request,
                       "GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", fine[i]);
        assert_int_equal(ask(shown, request), 200);
        (void)snprintf(request, sizeof request,
                       "GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", wrong[i]);
        assert_int_equal(ask(shown, request), 403);
    }
}

static void beyond_this_machine_it_is_shown_only_if_that_is_meant(void **state) {
    struct shown *shown = *state;
    static const char *const addresses[] = {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        assert_int_equal(start(shown, &(struct weft_http){.address = addresses[i]}), WEFT_DENIED);
        assert_non_null(strstr(shown->alone.why.text, "token"));
    }
    /* An address that this machine has not: but it was not refused for where it is. */
    assert_int_equal(start(shown, &(struct weft_http){.address = "192.0.2.1:0", .anywhere = true}),
                     WEFT_NET);
    assert_int_equal(start(shown, &(struct weft_http){.address = "192.0.2.1:0", .token = "t"}),
                     WEFT_NET);
    assert_int_equal(start(shown, &(struct weft_http){.address = "nowhere:1"}), WEFT_ADDRESS);
    assert_int_equal(start(shown, &(struct weft_http){.address = "127.9.9.9:0"}), WEFT_OK);
}

/* ---- how it stands --------------------------------------------------------------------------- */

static void an_engine_whose_commits_fail_is_alive_and_not_ready(void **state) {
    struct shown *shown = *state;
    struct alone *alone = &shown->alone;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    assert_int_equal(get(shown, "/readyz", NULL), 200);
    disk_set_full(alone->disk, true);
    for (uint32_t i = 0; i < 20; i++) /* Until there is no room in the file either. */
        (void)alone_commits(alone, i, "a note that needs some room");
    alone_run(alone);
    assert_int_equal(get(shown, "/readyz", NULL), 503);
    assert_true(said(shown, "the disk is full"));
    assert_int_equal(get(shown, "/healthz", NULL), 200);
    disk_set_full(alone->disk, false);
    (void)alone_commits(alone, 100, "note");
    alone_run(alone);
    assert_int_equal(get(shown, "/readyz", NULL), 200);
}

static void an_engine_that_a_fault_has_stopped_is_neither(void **state) {
    struct shown *shown = *state;
    struct alone *alone = &shown->alone;
    assert_int_equal(start(shown, NULL), WEFT_OK);
    disk_fail_sync(alone->disk, 1);
    (void)alone_commits(alone, 1, "note");
    assert_int_equal(weft_step(alone->engine, NULL), WEFT_OK);
    assert_int_equal(get(shown, "/healthz", NULL), 503);
    assert_true(said(shown, "the disk did not confirm a write"));
    assert_int_equal(get(shown, "/readyz", NULL), 503);
    assert_int_equal(get(shown, "/metrics", NULL), 200);
    assert_true(said(shown, "\nweft_commit_ok 0\n"));
}

static void it_is_shown_once_and_again_after_it_was_ended(void **state) {
    struct shown *shown = *state;
    weft_engine *engine = shown->alone.engine;
    weft_http_stop_wait(engine); /* Nothing to end. */
    assert_int_equal(start(shown, NULL), WEFT_OK);
    char first[WEFT_ADDRESS_MAX];
    memcpy(first, shown->address, sizeof first);
    assert_int_equal(start(shown, NULL), WEFT_INVALID);
    int idle = web_connect(first);
    assert_true(idle >= 0);
    weft_http_stop_wait(engine);
    assert_true(web_closed(idle, 0));
    (void)close(idle);
    assert_int_equal(web_connect(first), -1);
    assert_int_equal(start(shown, &(struct weft_http){.address = first}), WEFT_OK);
    assert_int_equal(get(shown, "/healthz", NULL), 200);
}

static void a_port_that_is_taken_is_told_so(void **state) {
    struct shown *shown = *state;
    char bound[WEFT_ADDRESS_MAX];
    assert_int_equal(weft_listen_wait(shown->alone.engine, "127.0.0.1:0", bound, NULL), WEFT_OK);
    assert_int_equal(start(shown, &(struct weft_http){.address = bound}), WEFT_PORT_IN_USE);
    assert_non_null(strstr(shown->alone.why.text, bound));
}

/* The engine at work on threads of its own, and asked all the while. */
static void an_engine_at_work_is_shown_and_can_be_closed(void **state) {
    (void)state;
    char folder[SCRATCH_PATH], address[WEFT_ADDRESS_MAX];
    struct party a = {0}, b = {0};
    struct web *web = calloc(1, sizeof *web);
    struct scrape found;
    assert_non_null(web);
    scratch_make(folder);
    party_start(&a, folder, "a", NULL);
    party_start(&b, folder, "b\\\"\n", &a);
    party_connect(&a, &b);
    const struct weft_http options = {.address = "127.0.0.1:0"};
    assert_int_equal(weft_http_start_wait(a.engine, &options, address, NULL), WEFT_OK);
    double commits = 0;
    for (uint32_t i = 0; i < 50; i++) {
        (void)party_put(&a, i, "row", i);
        web_get(web, address, "/metrics", NULL);
        assert_int_equal(web->status, 200);
        const bool sound = scrape_read(&found, web->body);
        if (!sound) print_error("%s\n", found.wrong);
        assert_true(sound);
        const double now = scrape_value(&found, "weft_commits_total", NULL);
        assert_true(now >= commits);
        commits = now;
        assert_int_equal(scrape_count(&found, "weft_member_lag_seconds"), 1);
        scrape_free(&found);
    }
    party_leave(&a); /* Closes it while it is shown. */
    assert_int_equal(web_connect(address), -1);
    party_leave(&b);
    scratch_remove(folder);
    free(web);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, shown_setup, shown_teardown)
    const struct CMUnitTest tests[] = {
        T(metrics_say_what_the_calls_say_when_the_engine_is_quiet),
        T(head_is_answered_without_a_body),
        T(the_inspector_is_a_page_that_polls_json),
        T(a_connection_is_answered_once),
        T(what_is_not_there_or_not_shown_is_refused_in_words),
        T(a_body_is_refused_before_it_is_sent),
        T(without_the_token_nothing_is_shown_but_whether_it_lives),
        T(with_the_token_all_is_shown),
        T(a_token_that_cannot_be_one_is_refused),
        T(who_asks_for_a_name_is_not_answered_without_a_token),
        T(beyond_this_machine_it_is_shown_only_if_that_is_meant),
        T(an_engine_whose_commits_fail_is_alive_and_not_ready),
        T(an_engine_that_a_fault_has_stopped_is_neither),
        T(it_is_shown_once_and_again_after_it_was_ended),
        T(a_port_that_is_taken_is_told_so),
        cmocka_unit_test(an_engine_at_work_is_shown_and_can_be_closed),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
