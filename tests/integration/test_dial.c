/* Dialling: who is called does not answer, or is somebody else; and addresses, good and bad. Who
 * calls: test_bad_peer.c. */
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

/* Where a member would be dialled if it listened at this address. */
static void target_at(const char *address, const struct party *meant,
                      char target[WEFT_ADDRESS_MAX]) {
    struct party elsewhere = *meant;
    snprintf(elsewhere.address, sizeof elsewhere.address, "%s", address);
    party_target(&elsewhere, target);
}

struct told {
    unsigned denied, others;
};

/* Counts the faults told so far of either address. */
static void count_faults(struct party *party, const char *const addresses[2], struct told told[2]) {
    struct weft_event event;
    while (weft_next_event(party->engine, &event)) {
        if (event.kind != WEFT_EVENT_FAULT) continue;
        for (int i = 0; i < 2; i++) {
            if (strstr(event.error.text, addresses[i]) == NULL) continue;
            told[i].denied += event.error.status == WEFT_DENIED;
            told[i].others += event.error.status != WEFT_DENIED;
        }
    }
}

/* Neither a program that hangs up nor a device of another library answers. It is told once,
 * however often they are dialled, and no fault of this device's. */
static void a_dial_that_is_not_answered_is_told_once(void **state) {
    struct pair *pair = *state;
    struct party other;
    struct weft_error why = {0};
    struct told told[2] = {0};
    char program[WEFT_ADDRESS_MAX], target[WEFT_ADDRESS_MAX];
    party_start(&other, pair->folder, "other", NULL);
    party_listen(&other);
    int listening = stranger_listen(program);
    const char *const addresses[2] = {program, other.address};
    for (int i = 0; i < 2; i++) {
        target_at(addresses[i], &pair->a, target);
        assert_int_equal(weft_connect(pair->b.engine, target, &why), WEFT_OK);
    }
    for (int dial = 0; dial < 3; dial++) {
        uint8_t m1[HANDSHAKE_M1];
        int connection = stranger_accept(listening);
        stranger_hear(connection, m1, sizeof m1);
        close(connection);
    }
    struct weft_contact contact;
    assert_int_equal(weft_contacts(pair->b.engine, &contact, 1), 1);
    assert_int_equal(contact.address_count, 2);
    for (unsigned i = 0; i < contact.address_count; i++)
        assert_in_range(contact.addresses[i].failures, 1, 8);
    count_faults(&pair->b, addresses, told);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(told[i].denied, 1);
        assert_int_equal(told[i].others, 0);
    }
    close(listening);
    /* It was not told of any of it. */
    assert_int_equal(weft_peers(other.engine, NULL, 0), 0);
    assert_int_equal(weft_member_count(other.engine), 1);
    party_leave(&other);
    assert_a_is_well(pair);
}

static void a_server_that_speaks_something_else_is_hung_up_on(void **state) {
    struct pair *pair = *state;
    struct weft_event event;
    struct weft_error why = {0};
    char program[WEFT_ADDRESS_MAX], target[WEFT_ADDRESS_MAX];
    char banner[512], byte;
    uint8_t m1[HANDSHAKE_M1];
    memset(banner, '.', sizeof banner);
    memcpy(banner, "220 mail.example ESMTP ready\r\n", 30);
    int listening = stranger_listen(program);
    target_at(program, &pair->a, target);
    assert_int_equal(weft_connect(pair->b.engine, target, &why), WEFT_OK);
    int connection = stranger_accept(listening);
    stranger_hear(connection, m1, sizeof m1);
    stranger_say(connection, banner, sizeof banner);
    party_wait_event(&pair->b, WEFT_EVENT_FAULT, &event);
    assert_true(event.error.status == WEFT_DENIED || event.error.status == WEFT_PROTOCOL);
    assert_string_not_equal(event.error.text, "");
    /* After its first message it said nothing more. */
    assert_true(recv(connection, &byte, 1, 0) <= 0);
    close(connection);
    close(listening);
    assert_a_is_well(pair);
}

static void nobody_listening_is_not_an_error_but_a_reason_to_try_again(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX];
    party_leave(&pair->a);
    party_target(&pair->a, target);
    assert_int_equal(weft_connect(pair->b.engine, target, &why), WEFT_OK);
    party_return(&pair->a);
    /* B dials again by itself. */
    struct weft_event event;
    party_wait_event(&pair->b, WEFT_EVENT_PEER_UP, &event);
    assert_memory_equal(event.device, pair->a.device, 16);
    assert_a_is_well(pair);
}

/* Without a device in the address the members are tried in turn. */
static void an_address_without_a_device_finds_the_member_who_listens_there(void **state) {
    struct pair *pair = *state;
    struct party c;
    struct weft_error why = {0};
    party_start(&c, pair->folder, "c", &pair->a);
    assert_int_equal(weft_connect(c.engine, pair->a.address, &why), WEFT_OK);
    party_wait_live(&c, &pair->a, true);
    party_leave(&c);
}

/* ---- addresses ---- */

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
        {"example.org:4000", WEFT_ADDRESS},
        {"127.0.0.1:4000#", WEFT_ADDRESS},
        {"127.0.0.1:4000#nobody", WEFT_ADDRESS},
        {"127.0.0.1:4000#0198c0de-0000-7000-8000-00000000caf", WEFT_ADDRESS},
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

static void all_addresses_of_a_machine_can_be_listened_on(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char everywhere[WEFT_ADDRESS_MAX], bound[WEFT_ADDRESS_MAX], link[WEFT_LINK_MAX];
    unsigned port = scratch_port();
    snprintf(everywhere, sizeof everywhere, "0.0.0.0:%u", port);
    assert_int_equal(weft_listen_wait(pair->b.engine, everywhere, bound, &why), WEFT_OK);
    assert_string_equal(bound, everywhere);
    /* An invite cannot lead to "everywhere"; it has to be told where this is. */
    assert_int_equal(weft_invite(pair->b.engine, NULL, link, sizeof link, &why), WEFT_ADDRESS);
    assert_int_equal(why.status, WEFT_ADDRESS);
    snprintf(pair->b.address, sizeof pair->b.address, "127.0.0.1:%u", port);
    pair->b.listens = true;
    const struct weft_invite here = {.address = pair->b.address};
    assert_int_equal(weft_invite(pair->b.engine, &here, link, sizeof link, &why), WEFT_OK);
    party_connect(&pair->a, &pair->b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_LISTENING_TEST(a_dial_that_is_not_answered_is_told_once),
        PAIR_LISTENING_TEST(a_server_that_speaks_something_else_is_hung_up_on),
        PAIR_LISTENING_TEST(nobody_listening_is_not_an_error_but_a_reason_to_try_again),
        PAIR_LISTENING_TEST(an_address_without_a_device_finds_the_member_who_listens_there),
        PAIR_LISTENING_TEST(a_port_in_use_is_named),
        PAIR_LISTENING_TEST(addresses_that_will_not_do_are_named),
        PAIR_LISTENING_TEST(all_addresses_of_a_machine_can_be_listened_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
