/* Two engines joined by WebSockets: come in by invite, replicate, part and meet again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/pair.h"

static int web_open(void **state) {
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    *state = pair;
    scratch_make(pair->folder);
    party_start(&pair->a, pair->folder, "a", NULL);
    pair->a.web = true;
    party_start(&pair->b, pair->folder, "b", &pair->a); /* by an invite with a's address */
    pair->b.web = true;
    return 0;
}

static void rows_go_both_ways(void **state) {
    struct pair *pair = *state;
    uint64_t from_a = 0, from_b = 0;
    party_connect(&pair->b, &pair->a);
    for (uint32_t i = 0; i < 300; i++) {
        from_a = party_put(&pair->a, i, "from a", i);
        from_b = party_put(&pair->b, i, "from b", i);
    }
    party_wait(&pair->a, from_a, WEFT_REPLICATED, 1);
    party_wait(&pair->b, from_b, WEFT_REPLICATED, 1);
    pair_assert_equal(pair);
}

/* Several megabytes that do not compress, so that every buffer on the way fills up. */
static void large_rows_arrive(void **state) {
    enum { ROWS = 40, SIZE = 200000 };
    struct pair *pair = *state;
    static uint8_t data[SIZE];
    uint64_t ticket = 0, bits = 1;
    for (uint32_t i = 0; i < ROWS; i++) {
        for (size_t at = 0; at < SIZE; at++) {
            bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407;
            data[at] = (uint8_t)(bits >> 56);
        }
        party_put(&pair->a, i, "large", i);
        ticket = party_set(&pair->a, i, PARTY_DATA, weft_blob(data, SIZE));
    }
    party_connect(&pair->b, &pair->a);
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT sum(length(data)) FROM entry"), ROWS * SIZE);
    pair_assert_equal(pair);
}

static void a_device_that_leaves_is_found_again_at_its_address(void **state) {
    struct pair *pair = *state;
    party_connect(&pair->b, &pair->a);
    party_leave(&pair->a);
    party_wait_live(&pair->b, &pair->a, false);
    uint64_t ticket = party_put(&pair->b, 1, "meanwhile", 1);
    party_return(&pair->a);
    party_wait(&pair->b, ticket, WEFT_REPLICATED, 1);
    party_wait(&pair->a, party_put(&pair->a, 2, "again", 2), WEFT_REPLICATED, 1);
    pair_assert_equal(pair);
}

/* What an engine says last is a farewell. It goes through the bridge, which must not end first. */
static void a_farewell_is_carried_over_before_the_engine_is_gone(void **state) {
    struct pair *pair = *state;
    struct weft_event event;
    party_connect(&pair->b, &pair->a);
    party_leave(&pair->a);
    party_wait_event(&pair->b, WEFT_EVENT_PEER_DOWN, &event);
    if (strstr(event.error.text, "said goodbye") == NULL) fail_msg("%s", event.error.text);
}

static void an_engine_listens_on_both_kinds_of_address(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char bound[WEFT_ADDRESS_MAX] = "", second[WEFT_ADDRESS_MAX] = "";
    assert_int_equal(weft_listen_wait(pair->b.engine, "127.0.0.1:0", bound, &why), WEFT_OK);
    assert_int_equal(strncmp(bound, "127.0.0.1:", 10), 0);
    assert_int_equal(weft_listen_wait(pair->b.engine, "ws://[::1]:0/a/path", second, &why),
                     WEFT_OK);
    assert_int_equal(strncmp(second, "ws://[::1]:", 11), 0);
    assert_non_null(strstr(second, "/a/path"));
    /* The one and then the other lead to the same device. */
    memcpy(pair->b.address, second, sizeof second);
    pair->b.listens = true;
    party_connect(&pair->a, &pair->b);
    party_leave(&pair->a);
    party_return(&pair->a);
    memcpy(pair->b.address, bound, sizeof bound);
    party_connect(&pair->a, &pair->b);
}

static void addresses_that_cannot_be_listened_on_are_told_what_to_do(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    assert_int_equal(weft_listen_wait(pair->b.engine, "wss://127.0.0.1:0/weft", NULL, &why),
                     WEFT_ADDRESS);
    assert_non_null(strstr(why.text, "a proxy in front"));
    assert_int_equal(weft_listen_wait(pair->b.engine, "ws://127.0.0.1/weft", NULL, &why),
                     WEFT_ADDRESS);
    assert_int_equal(weft_connect(pair->b.engine, "http://127.0.0.1:80/weft", &why), WEFT_ADDRESS);
    assert_non_null(strstr(why.text, "ws://host:port/path"));
    /* "All addresses of this machine" is no address for a link. */
    assert_int_equal(weft_listen_wait(pair->b.engine, "ws://0.0.0.0:0/weft", NULL, &why), WEFT_OK);
    assert_int_equal(weft_invite(pair->b.engine, NULL, link, sizeof link, &why), WEFT_ADDRESS);
    const struct weft_invite options = {.address = "wss://192.0.2.1:443/weft"};
    assert_int_equal(weft_invite(pair->b.engine, &options, link, sizeof link, &why), WEFT_OK);
}

static unsigned entries(const char *path) {
    unsigned count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void an_engine_leaves_no_thread_and_no_descriptor_behind(void **state) {
    struct pair *pair = *state;
    unsigned files = 0, threads = 0; /* after the first round: a sanitizer has a thread, too */
    for (int round = 0; round < 3; round++) {
        party_connect(&pair->b, &pair->a);
        party_wait(&pair->b, party_put(&pair->b, 1, "x", round), WEFT_REPLICATED, 1);
        party_leave(&pair->b);
        party_leave(&pair->a);
        if (round > 0) {
            assert_int_equal(entries("/proc/self/task"), threads);
            assert_int_equal(entries("/proc/self/fd"), files);
        }
        threads = entries("/proc/self/task");
        files = entries("/proc/self/fd");
        party_return(&pair->a);
        party_return(&pair->b);
    }
}

#define WEB_TEST(test) cmocka_unit_test_setup_teardown(test, web_open, pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(rows_go_both_ways),
        WEB_TEST(large_rows_arrive),
        WEB_TEST(a_device_that_leaves_is_found_again_at_its_address),
        WEB_TEST(a_farewell_is_carried_over_before_the_engine_is_gone),
        WEB_TEST(an_engine_listens_on_both_kinds_of_address),
        WEB_TEST(addresses_that_cannot_be_listened_on_are_told_what_to_do),
        WEB_TEST(an_engine_leaves_no_thread_and_no_descriptor_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
