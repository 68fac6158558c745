/* Who is no member, and who only looks like one: hears not one byte, and costs nobody else
 * anything. What was recorded, forwarded, signed for something else or changed on the way lets
 * nobody in. How many may knock at once: test_hostile_flood.c. */
#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/meeting.h"
#include "tests/lib/siege.h"

/* Says bytes as somebody new, and nothing more; what came back until the line was closed. */
static uint64_t answer_to(struct siege *siege, const void *bytes, size_t size) {
    struct hostile hostile;
    char from[16];
    if (!hostile_dial(&hostile, siege->victim.address, hostile_address(from, siege->liar.dials++)))
        return UINT64_MAX;
    (void)hostile_say(&hostile, bytes, size);
    /* Who listens on hears more than who leaves; but what is too short would be waited for. */
    if (size < HANDSHAKE_M1) (void)shutdown(hostile.fd, SHUT_WR);
    const bool closed = hostile_hear_out(&hostile, HOSTILE_PATIENCE_MS);
    hostile_hang_up(&hostile);
    return closed ? hostile.received : UINT64_MAX;
}

/* The first message that the liar would send, which nobody has seen yet. */
static void fresh_m1(struct siege *siege, uint8_t m1[HANDSHAKE_M1]) {
    struct liar *liar = &siege->liar;
    struct handshake handshake = {0};
    uint8_t ephemeral[32];
    randombytes_buf(ephemeral, sizeof ephemeral);
    assert_int_equal(handshake_dial(&handshake, &liar->self, &liar->target, ephemeral, m1, NULL),
                     WEFT_OK);
    handshake_wipe(&handshake);
}

/* mac1 as anybody can make it who knows the victim's public key. */
static void repair(struct siege *siege, uint8_t m1[HANDSHAKE_M1]) {
    struct handshake_screen screen;
    handshake_screen_init(&screen, siege->liar.target.device.x_pk);
    (void)crypto_generichash_blake2b(m1 + M1_MAC_AT, HANDSHAKE_M1 - M1_MAC_AT, m1, M1_MAC_AT,
                                     screen.key, sizeof screen.key);
}

/* ---- what was recorded ---- */

static void a_first_message_said_again_gets_no_byte(void **state) {
    struct siege *siege = *state;
    assert_true(liar_meet(&siege->liar));
    assert_true(siege->liar.taped > HANDSHAKE_M1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer_to(siege, siege->liar.tape, HANDSHAKE_M1), 0);
    siege_wait_gone(siege);
    assert_int_equal(answer_to(siege, siege->liar.tape, HANDSHAKE_M1), 0);
    siege_assert_well(siege);
}

static void a_whole_session_said_again_gets_no_byte(void **state) {
    struct siege *siege = *state;
    assert_true(liar_meet(&siege->liar));
    siege_wait_gone(siege);
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer_to(siege, siege->liar.tape, siege->liar.taped), 0);
    siege_assert_well(siege);
}

/* Junk that only passes the first look must not make the victim forget what was said. */
static void junk_does_not_make_a_first_message_good_again(void **state) {
    struct siege *siege = *state;
    uint8_t m1[HANDSHAKE_M1];
    assert_true(liar_meet(&siege->liar));
    siege_wait_gone(siege);
    fresh_m1(siege, m1);
    for (uint32_t i = 0; i < 4200; i++) {
        store_u32(m1 + M1_NOISE_AT, i);
        repair(siege, m1);
        struct hostile hostile;
        char from[16];
        assert_true(hostile_dial(&hostile, siege->victim.address, hostile_address(from, 59999)));
        (void)hostile_say(&hostile, m1, sizeof m1);
        assert_true(hostile_hear_out(&hostile, HOSTILE_PATIENCE_MS));
        assert_int_equal(hostile.received, 0);
        hostile_hang_up(&hostile);
    }
    assert_int_equal(answer_to(siege, siege->liar.tape, HANDSHAKE_M1), 0);
    siege_assert_well(siege);
}

/* ---- what was forwarded ---- */

static int listen_as_nobody(char address[WEFT_ADDRESS_MAX]) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    (void)snprintf(address, WEFT_ADDRESS_MAX, "127.0.0.1:%u", ntohs(own.sin_port));
    return fd;
}

static void a_handshake_meant_for_another_is_not_answered(void **state) {
    struct siege *siege = *state;
    struct party liar = siege->body;
    struct weft_error why;
    char target[WEFT_ADDRESS_MAX];
    uint8_t m1[HANDSHAKE_M1];
    int listening = listen_as_nobody(liar.address);
    party_target(&liar, target);
    assert_int_equal(weft_connect(siege->friend.engine, target, &why), WEFT_OK);
    int fd = accept(listening, NULL, NULL);
    assert_int_equal(recv(fd, m1, sizeof m1, MSG_WAITALL), sizeof m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    /* Even with a first MAC that is the victim's. */
    repair(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    close(fd);
    close(listening);
    siege_assert_well(siege);
}

/* Carries bytes between two lines until either is closed; of those that go from `a` to `b`, the
 * one at `changed` is another. Returns whether both sides sent more than a handshake. */
static bool relay(int a, int b, uint64_t changed) {
    struct pollfd lines[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    uint64_t passed[2] = {0, 0};
    uint8_t bytes[4096];
    while (poll(lines, 2, HOSTILE_PATIENCE_MS) > 0) {
        for (int i = 0; i < 2; i++) {
            if (lines[i].revents == 0) continue;
            const ssize_t got = recv(lines[i].fd, bytes, sizeof bytes, 0);
            if (got <= 0) return passed[0] > HANDSHAKE_M1 && passed[1] > HANDSHAKE_M2;
            if (i == 0 && changed >= passed[0] && changed < passed[0] + (uint64_t)got)
                bytes[changed - passed[0]] ^= 1;
            passed[i] += (uint64_t)got;
            if (send(lines[1 - i].fd, bytes, (size_t)got, MSG_NOSIGNAL) != got) return false;
        }
    }
    return false;
}

/* Between two victims one may stand who passes on what they say. It hears nothing but sealed
 * records, and whatever it changes ends their session. */
static void who_relays_between_two_can_change_nothing(void **state) {
    static const uint64_t places[] = {0, 20, HANDSHAKE_M1 - 1, HANDSHAKE_M1 + 1, HANDSHAKE_M1 + 30};
    struct siege *siege = *state;
    struct party second = siege->victim;
    struct weft_error why;
    char target[WEFT_ADDRESS_MAX];
    int listening = listen_as_nobody(second.address);
    party_forget(&siege->friend); /* It knows the way past the relay. */
    party_leave(&siege->friend);
    party_return(&siege->friend);
    party_target(&second, target);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct hostile onward;
        assert_int_equal(weft_connect(siege->friend.engine, target, &why), WEFT_OK);
        int fd = accept(listening, NULL, NULL);
        assert_true(fd >= 0);
        assert_true(hostile_dial(&onward, siege->victim.address, NULL));
        assert_int_equal(relay(fd, onward.fd, places[i]), places[i] >= HANDSHAKE_M1);
        close(fd);
        hostile_hang_up(&onward);
        party_wait_live(&siege->victim, &siege->friend, false);
    }
    close(listening);
    party_leave(&siege->friend);
    party_return(&siege->friend);
    party_connect(&siege->friend, &siege->victim);
    siege_assert_well(siege);
}

/* ---- what was signed for something else ---- */

static bool proof_is_refused(struct siege *siege, const uint8_t proof[64]) {
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    hello.proof = (ProtobufCBinaryData){64, (uint8_t *)(uintptr_t)proof};
    wire.body_case = WEFT__WIRE__WIRE__BODY_HELLO;
    wire.hello = &hello;
    (void)liar_says(&siege->liar, LANE_CONTROL, &wire);
    return liar_is_thrown_out(&siege->liar, WEFT_DENIED) &&
           siege->liar.heard[WEFT__WIRE__WIRE__BODY_STATE_REQUEST] == 0;
}

static void a_signature_made_for_something_else_is_no_hello(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    const struct identity *identity = &liar->author.identity;
    uint8_t proof[64];
    /* That of an earlier session. */
    assert_true(liar_meet(liar));
    liar_proof(liar, proof);
    assert_true(liar_dial(liar));
    assert_true(proof_is_refused(siege, proof));
    /* That of the other side. */
    assert_true(liar_dial(liar));
    handshake_hello(identity, false, session_channel(liar->session), liar->target.device.id_pk,
                    proof);
    assert_true(proof_is_refused(siege, proof));
    /* One for somebody else. */
    assert_true(liar_dial(liar));
    handshake_hello(identity, true, session_channel(liar->session), identity->public.id_pk, proof);
    assert_true(proof_is_refused(siege, proof));
    /* A certificate, and a record. */
    assert_true(liar_dial(liar));
    assert_true(proof_is_refused(siege, identity->cert));
    assert_true(liar_dial(liar));
    const uint8_t none[RECORD_HASH] = {0};
    struct signed_record record = author_signs_at(&liar->speeches, &liar->author, 1, none, 1, 64);
    assert_true(proof_is_refused(siege, record.record.signature.data));
    siege_assert_well(siege);
}

/* ---- downgrades, other libraries, forged papers ---- */

static void a_header_that_was_changed_gets_no_byte(void **state) {
    struct siege *siege = *state;
    uint8_t m1[HANDSHAKE_M1];
    for (unsigned at = 0; at < HANDSHAKE_HEADER; at++) {
        fresh_m1(siege, m1);
        m1[at] ^= 1;
        repair(siege, m1);
        assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    }
    siege_assert_well(siege);
}

static void versions_that_do_not_meet_get_no_byte(void **state) {
    struct siege *siege = *state;
    const struct handshake_self kept = siege->liar.self;
    uint8_t m1[HANDSHAKE_M1];
    static const uint16_t ranges[][2] = {{2, 9}, {0, 0}, {65535, 65535}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        siege->liar.self.ver_min = ranges[i][0];
        siege->liar.self.ver_max = ranges[i][1];
        fresh_m1(siege, m1);
        assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    }
    siege->liar.self = kept;
    siege_assert_well(siege);
}

static void a_device_of_another_library_gets_no_byte(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    const struct author kept = liar->author;
    const struct handshake_target target = liar->target;
    struct id library = liar->library;
    uint8_t secret[IDENTITY_SECRET], m1[HANDSHAKE_M1];
    /* Its own key, of a library that is not the victim's. */
    library.bytes[0] ^= 1;
    randombytes_buf(secret, sizeof secret);
    identity_make(&liar->author.identity, secret, &library, 1);
    randombytes_buf(liar->target.psk, sizeof liar->target.psk);
    fresh_m1(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    /* Somebody who has stolen the library's key, but was never added. */
    liar->target = target;
    fresh_m1(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    identity_make(&liar->author.identity, secret, &liar->library, 1);
    fresh_m1(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    liar->author = kept;
    siege_assert_well(siege);
}

static void a_forged_certificate_gets_no_byte(void **state) {
    struct siege *siege = *state;
    struct identity *identity = &siege->liar.author.identity;
    const struct identity kept = *identity;
    uint8_t m1[HANDSHAKE_M1];
    identity->cert[5] ^= 1;
    fresh_m1(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    *identity = kept;
    identity->incarnation++;
    fresh_m1(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    /* The friend's name on the liar's key. */
    *identity = kept;
    identity->public.id_pk[0] ^= 1;
    fresh_m1(siege, m1);
    assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    *identity = kept;
    siege_assert_well(siege);
}

/* ---- what was changed on the way ---- */

static void a_first_message_with_any_byte_changed_or_missing_gets_no_byte(void **state) {
    struct siege *siege = *state;
    uint8_t m1[HANDSHAKE_M1];
    for (unsigned at = 0; at < HANDSHAKE_M1; at++) {
        fresh_m1(siege, m1);
        m1[at] ^= (uint8_t)(1u << at % 8);
        if (at % 2 == 0 && at < M1_MAC_AT) repair(siege, m1);
        assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    }
    for (unsigned size = 0; size < HANDSHAKE_M1; size += 7) {
        fresh_m1(siege, m1);
        assert_int_equal(answer_to(siege, m1, size), 0);
    }
    siege_assert_well(siege);
}

static void a_record_with_any_byte_changed_ends_the_session(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    static const uint8_t beat[] = {
        FRAME_TYPE_MESSAGE, 0, LANE_CONTROL, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x42, 0};
    uint8_t record[SEALED_ROOM], more[4096] = {0};
    for (unsigned at = 0; at < sizeof beat + SEALED_OVERHEAD; at++) {
        assert_true(liar_meet(liar));
        size_t size = sealed_record(liar->session, (struct bytes){beat, sizeof beat}, record);
        assert_int_equal(size, sizeof beat + SEALED_OVERHEAD);
        record[at] ^= (uint8_t)(1u << at % 8);
        /* If the length is what was changed, more is waited for, and comes. */
        bool open = liar_bytes(liar, (struct bytes){record, size});
        for (int i = 0; open && at < 2 && i < 17; i++)
            open = liar_bytes(liar, (struct bytes){more, sizeof more});
        assert_true(liar_hears_out(liar));
    }
    siege_assert_well(siege);
}

static void a_record_said_twice_or_left_out_ends_the_session(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    static const uint8_t beat[] = {
        FRAME_TYPE_MESSAGE, 0, LANE_CONTROL, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x42, 0};
    uint8_t record[SEALED_ROOM];
    for (int twice = 0; twice < 2; twice++) {
        assert_true(liar_meet(liar));
        size_t size = sealed_record(liar->session, (struct bytes){beat, sizeof beat}, record);
        if (twice) assert_true(liar_bytes(liar, (struct bytes){record, size}));
        if (!twice) size = sealed_record(liar->session, (struct bytes){beat, sizeof beat}, record);
        (void)liar_bytes(liar, (struct bytes){record, size});
        assert_true(liar_hears_out(liar));
    }
    siege_assert_well(siege);
}

/* ---- all of it, on and on ---- */

static void replay(struct siege *siege, uint32_t round) {
    (void)round;
    (void)answer_to(siege, siege->liar.tape, siege->liar.taped);
}

static void forge(struct siege *siege, uint32_t round) {
    uint8_t m1[HANDSHAKE_M1];
    fresh_m1(siege, m1);
    m1[round % HANDSHAKE_M1] ^= 1;
    if (round % 3 != 0) repair(siege, m1);
    (void)answer_to(siege, m1, sizeof m1);
}

static void spoil(struct siege *siege, uint32_t round) {
    uint8_t record[40] = {30, 0, (uint8_t)round};
    if (liar_meet(&siege->liar) && liar_bytes(&siege->liar, (struct bytes){record, sizeof record}))
        (void)liar_hears_out(&siege->liar);
}

static void commits_go_on_while_strangers_knock(void **state) {
    static const struct siege_attack attacks[] = {{"replayed sessions", replay, 1, 50},
                                                  {"forged calls", forge, 1, 50},
                                                  {"spoiled records", spoil, 10, 50}};
    struct siege *siege = *state;
    assert_true(liar_meet(&siege->liar));
    siege_endure(siege, attacks, 3);
}

/* ---- who was a member: last, because nobody comes back ---- */

static void a_removed_member_is_sent_away_and_gets_no_byte_from_then_on(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    uint64_t ticket = 0;
    uint8_t m1[HANDSHAKE_M1];
    assert_true(liar_meet(liar));
    assert_int_equal(weft_revoke(siege->victim.engine, siege->body.device, &ticket), WEFT_OK);
    assert_true(liar_hears_out(liar));
    assert_int_equal(liar->heard[WEFT__WIRE__WIRE__BODY_GOODBYE], 1);
    party_wait(&siege->victim, ticket, WEFT_DURABLE, 0);
    for (int i = 0; i < 10; i++) {
        fresh_m1(siege, m1);
        assert_int_equal(answer_to(siege, m1, sizeof m1), 0);
    }
    siege_assert_well(siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_message_said_again_gets_no_byte),
        cmocka_unit_test(a_whole_session_said_again_gets_no_byte),
        cmocka_unit_test(junk_does_not_make_a_first_message_good_again),
        cmocka_unit_test(a_handshake_meant_for_another_is_not_answered),
        cmocka_unit_test(who_relays_between_two_can_change_nothing),
        cmocka_unit_test(a_signature_made_for_something_else_is_no_hello),
        cmocka_unit_test(a_header_that_was_changed_gets_no_byte),
        cmocka_unit_test(versions_that_do_not_meet_get_no_byte),
        cmocka_unit_test(a_device_of_another_library_gets_no_byte),
        cmocka_unit_test(a_forged_certificate_gets_no_byte),
        cmocka_unit_test(a_first_message_with_any_byte_changed_or_missing_gets_no_byte),
        cmocka_unit_test(a_record_with_any_byte_changed_ends_the_session),
        cmocka_unit_test(a_record_said_twice_or_left_out_ends_the_session),
        cmocka_unit_test(commits_go_on_while_strangers_knock),
        cmocka_unit_test(a_removed_member_is_sent_away_and_gets_no_byte_from_then_on),
    };
    return cmocka_run_group_tests(tests, siege_setup, siege_teardown);
}
