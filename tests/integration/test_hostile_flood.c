/* Strangers in numbers, before any session: the limits of the door. However many connect, keep
 * silent, dribble or shout, the engine holds a few of them for a few seconds, answers none, and
 * serves its friend as before. */
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/meeting.h"
#include "tests/lib/siege.h"

#define CROWD 10000u
#define CROWD_LOOK_MS 50
#define SPARE_FILES 256u /* for everything but the crowd */

/* Connections, kept open from this side; the next one takes the place of the oldest. */
struct crowd {
    struct hostile *members;
    uint32_t room, next; /* how many there may be; how many there were */
};

static void crowd_begin(struct siege *siege, struct crowd *crowd, uint32_t room) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < room + SPARE_FILES) {
        assert_true(limit.rlim_cur > 2 * SPARE_FILES);
        room = (uint32_t)limit.rlim_cur - SPARE_FILES;
        print_message("    only %u connections: this process may not open more files\n", room);
    }
    crowd->members = calloc(room, sizeof *crowd->members);
    assert_non_null(crowd->members);
    crowd->room = room;
    crowd->next = 0;
    for (uint32_t i = 0; i < room; i++)
        crowd->members[i].fd = -1;
    siege->weapon = crowd;
}

/* What has come so far, without waiting. */
static void listen_to(struct siege *siege, struct hostile *hostile) {
    const uint64_t before = hostile->received;
    if (hostile->fd >= 0) (void)hostile_hear_out(hostile, 0);
    siege->leaked += hostile->received - before;
}

/* Another one, from an address of its own, or from `from`; says so many bytes. */
static struct hostile *crowd_join(struct siege *siege, const char *from, const void *bytes,
                                  size_t size) {
    struct crowd *crowd = siege->weapon;
    char address[16];
    const uint32_t number = crowd->next++;
    struct hostile *hostile = &crowd->members[number % crowd->room];
    listen_to(siege, hostile);
    hostile_hang_up(hostile);
    if (from == NULL) from = hostile_address(address, 2000 + number);
    if (hostile_call(hostile, siege->victim.address, from, CROWD_LOOK_MS) && size > 0)
        (void)send(hostile->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return hostile;
}

static void crowd_end(struct siege *siege) {
    struct crowd *crowd = siege->weapon;
    for (uint32_t i = 0; i < crowd->room; i++) {
        listen_to(siege, &crowd->members[i]);
        hostile_hang_up(&crowd->members[i]);
    }
    free(crowd->members);
    siege->weapon = NULL;
}

/* How many are still on the line. */
static uint32_t crowd_waits(struct siege *siege) {
    struct crowd *crowd = siege->weapon;
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < crowd->room; i++) {
        listen_to(siege, &crowd->members[i]);
        waiting += crowd->members[i].fd >= 0 && !crowd->members[i].closed;
    }
    return waiting;
}

/* Until somebody who is still on the line is hung up on, or for a moment. */
static void crowd_looks(struct siege *siege) {
    struct crowd *crowd = siege->weapon;
    for (uint32_t i = 0; i < crowd->room; i++) {
        if (crowd->members[i].fd < 0 || crowd->members[i].closed) continue;
        (void)hostile_hear_out(&crowd->members[i], CROWD_LOOK_MS);
        return;
    }
}

/* Waits until no more than so many are on the line. Whoever is hung up on hears no byte. */
static void crowd_shrinks_to(struct siege *siege, uint32_t count) {
    const uint64_t until = siege_now_us() + HOSTILE_PATIENCE_MS * 1000u;
    while (crowd_waits(siege) > count && siege_now_us() < until)
        crowd_looks(siege);
    assert_in_range(crowd_waits(siege), 0, count);
    assert_int_equal(siege->leaked, 0);
}

/* ---- how many wait --------------------------------------------------------------------------- */

static void of_one_address_no_more_than_four_wait(void **state) {
    struct siege *siege = *state;
    struct crowd crowd;
    enum { CALLS = 40 };
    crowd_begin(siege, &crowd, CALLS);
    const uint64_t since = siege_now_us();
    for (int i = 0; i < CALLS; i++)
        (void)crowd_join(siege, "127.8.0.1", "WFT1", 4);
    crowd_shrinks_to(siege, LIMIT_CALLERS_ADDRESS);
    /* Of the others none is thrown out. */
    if (siege_now_us() - since < LIMIT_HANDSHAKE_US / 2)
        assert_int_equal(crowd_waits(siege), LIMIT_CALLERS_ADDRESS);
    siege_assert_well(siege);
    crowd_end(siege);
}

static void no_more_than_64_wait_and_none_longer_than_5_s(void **state) {
    struct siege *siege = *state;
    struct crowd crowd;
    enum { CALLS = 1000 };
    crowd_begin(siege, &crowd, CALLS);
    for (int i = 0; i < CALLS; i++)
        (void)crowd_join(siege, NULL, "WFT1", 4);
    const uint64_t since = siege_now_us();
    crowd_shrinks_to(siege, LIMIT_CALLERS);
    if (siege_now_us() - since < LIMIT_HANDSHAKE_US / 2)
        assert_int_equal(crowd_waits(siege), LIMIT_CALLERS);
    /* Whoever comes with a first message comes in all the same. */
    assert_true(liar_meet(&siege->liar));
    siege_wait_gone(siege);
    siege_assert_well(siege);
    crowd_shrinks_to(siege, 0);
    const uint64_t took = siege_now_us() - since;
    assert_in_range(took, LIMIT_HANDSHAKE_US * 9 / 10, LIMIT_HANDSHAKE_US * 2);
    crowd_end(siege);
    siege_assert_well(siege);
}

/* Bytes that come one by one buy no time. */
static void a_first_message_that_dribbles_is_cut_off_after_5_s(void **state) {
    struct siege *siege = *state;
    struct crowd crowd;
    enum { CALLS = 48 };
    uint8_t m1[HANDSHAKE_M1] = "WFT1\1";
    crowd_begin(siege, &crowd, CALLS);
    const uint64_t since = siege_now_us();
    for (int i = 0; i < CALLS; i++)
        (void)crowd_join(siege, NULL, m1, 1);
    for (size_t at = 1; at < sizeof m1 - 1 && crowd_waits(siege) > 0; at++) {
        for (int i = 0; i < CALLS; i++) {
            if (!crowd.members[i].closed) (void)hostile_say(&crowd.members[i], m1 + at, 1);
        }
        crowd_looks(siege);
    }
    assert_int_equal(crowd_waits(siege), 0);
    assert_in_range(siege_now_us() - since, LIMIT_HANDSHAKE_US * 9 / 10, LIMIT_HANDSHAKE_US * 2);
    crowd_end(siege);
    siege_assert_well(siege);
}

static void ten_thousand_half_open_connections_cost_nothing(void **state) {
    struct siege *siege = *state;
    struct crowd crowd;
    uint8_t most[HANDSHAKE_M1 - 1] = "WFT1\1";
    crowd_begin(siege, &crowd, CROWD);
    for (uint32_t i = 0; i < crowd.room; i++)
        (void)crowd_join(siege, NULL, most, i % 2 == 0 ? sizeof most : 0);
    assert_in_range(crowd_waits(siege), 0, crowd.room - 1);
    siege_assert_well(siege);
    crowd_shrinks_to(siege, 0);
    crowd_end(siege);
    siege_assert_well(siege);
}

/* ---- how many are looked at ------------------------------------------------------------------ */

/* A good first message of a member; what comes back is counted. */
static uint64_t call(struct siege *siege, const char *from) {
    struct liar *liar = &siege->liar;
    struct handshake handshake = {0};
    struct hostile line;
    uint8_t ephemeral[32], m1[HANDSHAKE_M1];
    randombytes_buf(ephemeral, sizeof ephemeral);
    assert_int_equal(handshake_dial(&handshake, &liar->self, &liar->target, ephemeral, m1, NULL),
                     WEFT_OK);
    handshake_wipe(&handshake);
    assert_true(hostile_dial(&line, siege->victim.address, from));
    (void)hostile_say(&line, m1, sizeof m1);
    struct pollfd heard = {line.fd, POLLIN, 0};
    assert_int_equal(poll(&heard, 1, HOSTILE_PATIENCE_MS), 1);
    (void)hostile_hear_out(&line, 0);
    hostile_hang_up(&line);
    return line.received;
}

static void of_one_address_twenty_calls_a_second_are_looked_at(void **state) {
    struct siege *siege = *state;
    const uint64_t since = siege_now_us();
    uint32_t answered = 0;
    for (int i = 0; i < 200; i++)
        answered += call(siege, "127.8.0.2") != 0;
    const uint64_t took = siege_now_us() - since;
    assert_in_range(answered, 1, LIMIT_CALLS_BURST + LIMIT_CALLS_PER_S * took / 1000000u + 1);
    /* They were good, and only too many: another address is heard. */
    party_wait_live(&siege->victim, &siege->body, false);
    assert_true(liar_meet(&siege->liar));
    siege_wait_gone(siege);
    siege_assert_well(siege);
}

/* More callers than there are slots, each from an address of its own, who do not go on. */
static void slots_for_sessions_that_never_greet_are_free_again(void **state) {
    struct siege *siege = *state;
    char from[16];
    for (uint32_t i = 0; i < 100; i++)
        (void)call(siege, hostile_address(from, 50000 + i));
    party_wait_live(&siege->victim, &siege->body, false);
    assert_true(liar_meet(&siege->liar));
    siege_wait_gone(siege);
    siege_assert_well(siege);
}

/* ---- on and on ------------------------------------------------------------------------------- */

/* They come in small portions: both ends of each connection are worked at by these processors. */
#define PORTION 4u

static void keep_silent(struct siege *siege, uint32_t round) {
    uint8_t most[HANDSHAKE_M1 - 1] = "WFT1\1";
    for (uint32_t i = 0; i < PORTION; i++)
        (void)crowd_join(siege, NULL, most, (round + i) % 2 == 0 ? sizeof most : 0);
}

static void shout(struct siege *siege, uint32_t round) {
    uint8_t junk[4 * HANDSHAKE_M1];
    (void)round;
    randombytes_buf(junk, sizeof junk);
    for (unsigned i = 0; i < PORTION; i++) {
        if (i % 2 == 0) memcpy(junk, "WFT1\1", 6);
        (void)crowd_join(siege, NULL, junk, sizeof junk);
    }
}

/* With a first MAC that is right, so that each is decrypted: the dearest thing that a stranger can
 * ask for. */
static void shout_well(struct siege *siege, uint32_t round) {
    const struct liar *liar = &siege->liar;
    struct handshake handshake = {0};
    uint8_t ephemeral[32], m1[HANDSHAKE_M1];
    (void)round;
    randombytes_buf(ephemeral, sizeof ephemeral);
    struct handshake_target target = liar->target;
    (void)handshake_dial(&handshake, &liar->self, &target, ephemeral, m1, NULL);
    handshake_wipe(&handshake);
    struct handshake_screen screen;
    handshake_screen_init(&screen, liar->target.device.x_pk);
    for (uint32_t i = 0; i < PORTION; i++) {
        store_u32(m1 + M1_NOISE_AT + 64, i + 1);
        (void)crypto_generichash_blake2b(m1 + M1_MAC_AT, HANDSHAKE_M1 - M1_MAC_AT, m1, M1_MAC_AT,
                                         screen.key, sizeof screen.key);
        (void)crowd_join(siege, NULL, m1, sizeof m1);
    }
}

static void dribble(struct siege *siege, uint32_t round) {
    struct crowd *crowd = siege->weapon;
    if (round % 8 == 0) (void)crowd_join(siege, NULL, "W", 1);
    for (uint32_t i = 0; i < LIMIT_CALLERS; i++) {
        struct hostile *hostile = &crowd->members[(crowd->next - 1 - i) % crowd->room];
        if (hostile->fd >= 0) (void)send(hostile->fd, "F", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void commits_go_on_while_a_crowd_knocks(void **state) {
    static const struct siege_attack attacks[] = {{"half-open connections", keep_silent, 1, 100},
                                                  {"junk", shout, 1, 100},
                                                  {"junk with the right MAC", shout_well, 1, 100},
                                                  {"slow callers", dribble, 5, 50}};
    struct siege *siege = *state;
    struct crowd crowd;
    crowd_begin(siege, &crowd, CROWD);
    siege_endure(siege, attacks, sizeof attacks / sizeof *attacks);
    assert_true(crowd.next > 1000);
    crowd_end(siege);
    siege_assert_well(siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_address_no_more_than_four_wait),
        cmocka_unit_test(no_more_than_64_wait_and_none_longer_than_5_s),
        cmocka_unit_test(a_first_message_that_dribbles_is_cut_off_after_5_s),
        cmocka_unit_test(ten_thousand_half_open_connections_cost_nothing),
        cmocka_unit_test(of_one_address_twenty_calls_a_second_are_looked_at),
        cmocka_unit_test(slots_for_sessions_that_never_greet_are_free_again),
        cmocka_unit_test(commits_go_on_while_a_crowd_knocks),
    };
    return cmocka_run_group_tests(tests, siege_setup, siege_teardown);
}
