/* What a bad caller gets: a stranger not one byte, whatever it says; and everybody else goes on as
 * before. Who is called and does not answer: test_dial.c. */
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

#include "tests/lib/pair.h"
#include "tests/lib/stranger.h"

/* The engine is as well as before: it takes a row, meets its friend, and hands the row over. */
static void assert_a_is_well(struct pair *pair) {
    party_connect(&pair->b, &pair->a);
    party_wait(&pair->a, party_put(&pair->a, 7, "well", 7), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry WHERE size = 7"), 1);
}

static void a_client_that_speaks_http_hears_nothing(void **state) {
    struct pair *pair = *state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: example\r\nAccept: */*\r\n\r\n";
    char requests[8 * sizeof request] = {0};
    for (size_t i = 0; i < 8; i++)
        memcpy(requests + i * (sizeof request - 1), request, sizeof request - 1);
    stranger_is_ignored(pair->a.address, requests, sizeof requests);
    assert_a_is_well(pair);
}

/* Whoever keeps silent is hung up on after 5 s. Until then it keeps nobody else waiting. */
static void callers_who_keep_silent_hear_nothing_and_hold_nobody_up(void **state) {
    struct pair *pair = *state;
    struct stranger stranger;
    uint8_t m1[HANDSHAKE_M1];
    int silent[4];
    stranger_draw_as(&stranger, &pair->a, &pair->b);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    static const size_t said[] = {0, 1, HANDSHAKE_M1 / 2, HANDSHAKE_M1 - 1};
    for (size_t i = 0; i < 4; i++) {
        silent[i] = stranger_dial(pair->a.address);
        if (said[i] != 0) stranger_say(silent[i], m1, said[i]);
    }
    assert_a_is_well(pair);
    for (size_t i = 0; i < 4; i++)
        stranger_hears_nothing(silent[i]);
}

static void garbage_of_every_length_hears_nothing(void **state) {
    struct pair *pair = *state;
    uint8_t bytes[3000];
    uint32_t random = 12345;
    for (uint32_t round = 0; round < 60; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(random >> 24);
        }
        int connection = stranger_dial(pair->a.address);
        stranger_say(connection, bytes, round == 0 ? HANDSHAKE_M1 : (size_t)round * 50);
        shutdown(connection, SHUT_WR);
        stranger_hears_nothing(connection);
    }
    assert_a_is_well(pair);
}

/* The first message that a real member says, with one bit changed. */
static void a_first_message_with_any_byte_changed_hears_nothing(void **state) {
    struct pair *pair = *state;
    struct stranger stranger;
    uint8_t m1[HANDSHAKE_M1];
    stranger_draw_as(&stranger, &pair->a, &pair->b);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    for (size_t at = 0; at < sizeof m1; at++) {
        m1[at] ^= (uint8_t)(1u << at % 8);
        stranger_is_ignored(pair->a.address, m1, sizeof m1);
        m1[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_a_is_well(pair);
}

/* Whoever recorded a first message of a member cannot use it again. */
static void a_first_message_said_again_hears_nothing(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char address[WEFT_ADDRESS_MAX], target[WEFT_ADDRESS_MAX];
    uint8_t m1[HANDSHAKE_M1], m2[HANDSHAKE_M2];
    int listening = stranger_listen(address);
    /* B means A, and the stranger stands between them. */
    struct party elsewhere = pair->a;
    memcpy(elsewhere.address, address, sizeof address);
    party_target(&elsewhere, target);
    assert_int_equal(weft_connect(pair->b.engine, target, &why), WEFT_OK);
    int from_b = stranger_accept(listening);
    stranger_hear(from_b, m1, sizeof m1);
    /* It is sound: the first time it is answered. */
    int to_a = stranger_dial(pair->a.address);
    stranger_say(to_a, m1, sizeof m1);
    stranger_hear(to_a, m2, sizeof m2);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    close(to_a);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    close(from_b);
    close(listening);
    assert_a_is_well(pair);
}

/* The cases of somebody who knows A's public keys, and so gets past the first MAC. */
static void whoever_is_no_member_hears_nothing(void **state) {
    struct pair *pair = *state;
    struct party other;
    struct stranger stranger;
    uint8_t m1[HANDSHAKE_M1], key[LIBRARY_KEY];
    stranger_library_key(&pair->b, key);

    /* A member of another library, who knows its own library's key. */
    party_start(&other, pair->folder, "other", NULL);
    stranger_draw_as(&stranger, &pair->a, &other);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    /* The same, having stolen this library's key. */
    memcpy(stranger.target.psk, key, sizeof key);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    party_leave(&other);

    /* Somebody who calls itself a device of this library, has the key, and was never added. */
    stranger_draw(&stranger, &pair->a, pair->a.library);
    memcpy(stranger.target.psk, key, sizeof key);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    /* By an invite that nobody has written. */
    stranger_m1(&stranger, HANDSHAKE_INVITE, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);

    /* Somebody who says that it is A itself. */
    stranger_draw_as(&stranger, &pair->a, &pair->a);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    assert_a_is_well(pair);
    assert_int_equal(weft_member_count(pair->a.engine), 2);
}

static void a_removed_member_hears_nothing(void **state) {
    struct pair *pair = *state;
    struct party c;
    struct stranger stranger;
    uint8_t m1[HANDSHAKE_M1];
    uint64_t ticket = 0;
    party_start(&c, pair->folder, "c", &pair->a);
    assert_int_equal(weft_revoke(pair->a.engine, c.device, &ticket), WEFT_OK);
    party_wait(&pair->a, ticket, WEFT_DURABLE, 0);
    party_wait_members(&pair->a, 2);
    stranger_draw_as(&stranger, &pair->a, &c);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    /* Nor does it help to know the new key. */
    stranger_library_key(&pair->a, stranger.target.psk);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    stranger_is_ignored(pair->a.address, m1, sizeof m1);
    assert_a_is_well(pair);
    party_leave(&c);
}

/* Holds the exchange key and the library key of a member, but cannot sign: it gets the answer to
 * its first message, proves nothing, and gets no further. */
static void a_caller_who_proves_nothing_gets_no_rows(void **state) {
    struct pair *pair = *state;
    struct stranger stranger;
    uint8_t m1[HANDSHAKE_M1], m2[HANDSHAKE_M2], junk[300] = {1};
    stranger_draw_as(&stranger, &pair->a, &pair->b);
    stranger_m1(&stranger, HANDSHAKE_MEMBER, m1);
    int connection = stranger_dial(pair->a.address);
    stranger_say(connection, m1, sizeof m1);
    stranger_hear(connection, m2, sizeof m2);
    stranger_say(connection, junk, sizeof junk);
    /* Its Hello, sealed, and the end. */
    size_t heard = 0;
    for (ssize_t got = 1; got > 0; heard += got > 0 ? (size_t)got : 0)
        got = recv(connection, junk, sizeof junk, 0);
    assert_in_range(heard, 0, 200);
    close(connection);
    struct weft_peer peers[8];
    unsigned count = weft_peers(pair->a.engine, peers, 8);
    for (unsigned i = 0; i < count; i++)
        assert_int_not_equal(peers[i].state, WEFT_PEER_LIVE);
    assert_a_is_well(pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_LISTENING_TEST(a_client_that_speaks_http_hears_nothing),
        PAIR_LISTENING_TEST(callers_who_keep_silent_hear_nothing_and_hold_nobody_up),
        PAIR_LISTENING_TEST(garbage_of_every_length_hears_nothing),
        PAIR_LISTENING_TEST(a_first_message_with_any_byte_changed_hears_nothing),
        PAIR_LISTENING_TEST(a_first_message_said_again_hears_nothing),
        PAIR_LISTENING_TEST(whoever_is_no_member_hears_nothing),
        PAIR_LISTENING_TEST(a_removed_member_hears_nothing),
        PAIR_LISTENING_TEST(a_caller_who_proves_nothing_gets_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
