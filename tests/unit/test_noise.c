/* Noise: every published vector of the suite, in both directions; and of the one pattern that weft
 * speaks, that nothing but what was meant passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/wire/noise_private.h"
#include "tests/lib/noise_vectors.h"
#include "tests/sim/rng.h"

#define PAYLOAD 160u
#define M1 (32u + 48u + PAYLOAD + 16u)
#define M2 (32u + PAYLOAD + 16u)

static const struct bytes none = {NULL, 0};

/* Two devices that are about to meet. */
struct meeting {
    struct rng rng;
    uint8_t prologue[14], psk[1][NOISE_KEY_SIZE], payload[PAYLOAD];
    struct noise_keypair statics[2];
    uint8_t ephemerals[2][NOISE_KEY_SIZE];
    struct noise_handshake initiator, responder;
    struct noise_cipher initiator_send, initiator_receive, responder_send, responder_receive;
};

static void draw(struct meeting *meeting) {
    rng_seed(&meeting->rng, 1, 0);
    rng_fill(&meeting->rng, meeting->prologue, sizeof meeting->prologue);
    rng_fill(&meeting->rng, meeting->psk, sizeof meeting->psk);
    rng_fill(&meeting->rng, meeting->payload, sizeof meeting->payload);
    rng_fill(&meeting->rng, meeting->ephemerals, sizeof meeting->ephemerals);
    for (unsigned i = 0; i < 2; i++) {
        rng_fill(&meeting->rng, meeting->statics[i].secret, NOISE_KEY_SIZE);
        noise_public(meeting->statics[i].secret, meeting->statics[i].public);
    }
}

static struct noise_setup setup_of(const struct meeting *meeting, bool initiator) {
    const unsigned own = initiator ? 0 : 1;
    return (struct noise_setup){
        .pattern = &noise_ikpsk1,
        .initiator = initiator,
        .prologue = {meeting->prologue, sizeof meeting->prologue},
        .own_static = &meeting->statics[own],
        .ephemeral_secret = meeting->ephemerals[own],
        .remote_static = initiator ? meeting->statics[1].public : NULL,
        .psks = meeting->psk,
        .psk_count = 1,
    };
}

static void begin(struct meeting *meeting) {
    draw(meeting);
    const struct noise_setup initiator = setup_of(meeting, true);
    const struct noise_setup responder = setup_of(meeting, false);
    noise_start(&meeting->initiator, &initiator);
    noise_start(&meeting->responder, &responder);
}

static struct bytes payload_of(const struct meeting *meeting) {
    return (struct bytes){meeting->payload, PAYLOAD};
}

static void write_message(const struct meeting *meeting, struct noise_handshake *from, uint8_t *out,
                          size_t expected) {
    size_t size;
    assert_int_equal(noise_write(from, payload_of(meeting), out, expected, &size, NULL), WEFT_OK);
    assert_int_equal(size, expected);
}

static void read_message(const struct meeting *meeting, struct noise_handshake *to,
                         const uint8_t *message, size_t message_size) {
    uint8_t out[PAYLOAD];
    size_t size;
    const struct bytes bytes = {message, message_size};
    assert_int_equal(noise_read(to, bytes, out, sizeof out, &size, NULL), WEFT_OK);
    assert_int_equal(size, PAYLOAD);
    assert_memory_equal(out, meeting->payload, PAYLOAD);
}

/* Both messages, and the split. */
static void meet(struct meeting *meeting) {
    uint8_t m1[M1], m2[M2];
    begin(meeting);
    write_message(meeting, &meeting->initiator, m1, M1);
    read_message(meeting, &meeting->responder, m1, M1);
    write_message(meeting, &meeting->responder, m2, M2);
    read_message(meeting, &meeting->initiator, m2, M2);
    noise_split(&meeting->initiator, &meeting->initiator_send, &meeting->initiator_receive);
    noise_split(&meeting->responder, &meeting->responder_send, &meeting->responder_receive);
}

static void assert_zeros(const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], 0);
}

/* A copy of the handshake must refuse the message, tell why, keep nothing, and give nothing away.
 */
static void assert_refuses(const struct noise_handshake *handshake, const uint8_t *message,
                           size_t message_size) {
    struct noise_handshake copy = *handshake;
    struct weft_error why = {0};
    /* An allocation that ends where the bytes end, so that reading past them is seen. */
    uint8_t *exact = malloc(message_size + (message_size == 0));
    uint8_t out[PAYLOAD + 1] = {0};
    size_t size = 1;
    assert_non_null(exact);
    memcpy(exact, message, message_size);
    const struct bytes bytes = {exact, message_size};
    assert_int_equal(noise_read(&copy, bytes, out, sizeof out, &size, &why), WEFT_PROTOCOL);
    free(exact);
    assert_int_equal(why.status, WEFT_PROTOCOL);
    assert_non_null(strstr(why.text, "of a handshake cannot be used"));
    assert_int_equal(size, 0);
    assert_int_equal(noise_turn(&copy), NOISE_OVER);
    assert_zeros(out, sizeof out);
    assert_zeros(&copy, sizeof copy);
}

/* ---- published vectors ----------------------------------------------------------------------- */

static unsigned run_file(const char *name, unsigned *hashes) {
    struct vectors vectors;
    unsigned count = 0;
    *hashes = 0;
    vectors_open(&vectors, name);
    while (vectors_next(&vectors)) {
        noise_vectors_run(&vectors);
        *hashes += vectors_count(&vectors, "hash");
        count++;
    }
    vectors_close(&vectors);
    print_message("%s: %u vectors, %u of them with a handshake hash\n", name, count, *hashes);
    return count;
}

static void noise_passes_every_published_vector(void **state) {
    (void)state;
    unsigned cacophony_hashes, snow_hashes;
    const unsigned cacophony = run_file("noise_cacophony.txt", &cacophony_hashes);
    const unsigned snow = run_file("noise_snow.txt", &snow_hashes);
    assert_int_equal(cacophony, 59);
    assert_int_equal(snow, 51);
    assert_int_equal(cacophony + snow, 110);
    assert_int_equal(cacophony_hashes, 59);
    assert_int_equal(snow_hashes, 0);
}

static void noise_speaks_the_pattern_that_the_vectors_test(void **state) {
    (void)state;
    struct noise_pattern pattern;
    assert_true(noise_vectors_pattern(noise_ikpsk1.name, &pattern));
    assert_int_equal(noise_ikpsk1.initiator_known, pattern.initiator_known);
    assert_int_equal(noise_ikpsk1.responder_known, pattern.responder_known);
    assert_int_equal(noise_ikpsk1.message_count, pattern.message_count);
    assert_memory_equal(noise_ikpsk1.messages, pattern.messages, sizeof pattern.messages);
}

/* ---- the handshake --------------------------------------------------------------------------- */

static void noise_refuses_every_flipped_bit_of_the_first_message(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1];
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    for (unsigned bit = 0; bit < 8 * M1; bit++) {
        m1[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refuses(&meeting.responder, m1, M1);
        m1[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    read_message(&meeting, &meeting.responder, m1, M1);
}

static void noise_refuses_every_flipped_bit_of_the_second_message(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1], m2[M2];
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    read_message(&meeting, &meeting.responder, m1, M1);
    write_message(&meeting, &meeting.responder, m2, M2);
    for (unsigned bit = 0; bit < 8 * M2; bit++) {
        m2[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refuses(&meeting.initiator, m2, M2);
        m2[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    read_message(&meeting, &meeting.initiator, m2, M2);
}

static void noise_refuses_every_truncation_and_any_extension(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1 + 1] = {0}, m2[M2 + 1] = {0};
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    for (size_t size = 0; size < M1; size++)
        assert_refuses(&meeting.responder, m1, size);
    assert_refuses(&meeting.responder, m1, M1 + 1);
    read_message(&meeting, &meeting.responder, m1, M1);
    write_message(&meeting, &meeting.responder, m2, M2);
    for (size_t size = 0; size < M2; size++)
        assert_refuses(&meeting.initiator, m2, size);
    assert_refuses(&meeting.initiator, m2, M2 + 1);
}

static void noise_refuses_who_knows_another_psk(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1];
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    meeting.psk[0][31] ^= 1;
    const struct noise_setup other = setup_of(&meeting, false);
    noise_start(&meeting.responder, &other);
    assert_refuses(&meeting.responder, m1, M1);
}

static void noise_refuses_who_dialled_another_static_key(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1];
    begin(&meeting);
    struct noise_setup other = setup_of(&meeting, true);
    other.remote_static = meeting.statics[0].public;
    noise_start(&meeting.initiator, &other);
    write_message(&meeting, &meeting.initiator, m1, M1);
    assert_refuses(&meeting.responder, m1, M1);
}

static void noise_refuses_an_initiator_without_the_secret_of_its_static_key(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1];
    begin(&meeting);
    struct noise_keypair stolen = meeting.statics[0];
    stolen.secret[0] ^= 8; /* the lowest three bits do not count */
    struct noise_setup other = setup_of(&meeting, true);
    other.own_static = &stolen;
    noise_start(&meeting.initiator, &other);
    write_message(&meeting, &meeting.initiator, m1, M1);
    assert_refuses(&meeting.responder, m1, M1);
}

static void noise_refuses_another_prologue(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1];
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    meeting.prologue[5] ^= 1;
    const struct noise_setup other = setup_of(&meeting, false);
    noise_start(&meeting.responder, &other);
    assert_refuses(&meeting.responder, m1, M1);
}

static void noise_refuses_the_answer_to_another_handshake(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1], m2[M2], again[M1];
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    read_message(&meeting, &meeting.responder, m1, M1);
    write_message(&meeting, &meeting.responder, m2, M2);
    meeting.ephemerals[0][1] ^= 1;
    const struct noise_setup setup = setup_of(&meeting, true);
    noise_start(&meeting.initiator, &setup);
    write_message(&meeting, &meeting.initiator, again, M1);
    assert_refuses(&meeting.initiator, m2, M2);
}

static void noise_refuses_keys_of_low_order(void **state) {
    (void)state;
    struct meeting meeting;
    struct weft_error why = {0};
    uint8_t m1[M1];
    size_t size;
    static const uint8_t zero[NOISE_KEY_SIZE];
    begin(&meeting);
    write_message(&meeting, &meeting.initiator, m1, M1);
    memset(m1, 0, NOISE_KEY_SIZE);
    assert_refuses(&meeting.responder, m1, M1);

    struct noise_setup setup = setup_of(&meeting, true);
    setup.remote_static = zero;
    noise_start(&meeting.initiator, &setup);
    assert_int_equal(
        noise_write(&meeting.initiator, payload_of(&meeting), m1, sizeof m1, &size, &why),
        WEFT_PROTOCOL);
    assert_int_equal(size, 0);
    assert_non_null(strstr(why.text, "hide nothing"));
    assert_zeros(&meeting.initiator, sizeof meeting.initiator);
}

static void noise_writes_and_reads_no_further_than_there_is_room(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t m1[M1], out[PAYLOAD];
    size_t size;
    begin(&meeting);
    struct noise_handshake copy = meeting.initiator;
    assert_int_equal(noise_write(&copy, payload_of(&meeting), m1, M1 - 1, &size, NULL), WEFT_LIMIT);
    assert_zeros(&copy, sizeof copy);
    write_message(&meeting, &meeting.initiator, m1, M1);
    copy = meeting.responder;
    assert_int_equal(noise_read(&copy, (struct bytes){m1, M1}, out, PAYLOAD - 1, &size, NULL),
                     WEFT_LIMIT);
    assert_int_equal(size, 0);
    assert_zeros(&copy, sizeof copy);
}

static void noise_handshakes_carry_up_to_65535_bytes(void **state) {
    (void)state;
    struct meeting meeting;
    struct weft_error why = {0};
    size_t size;
    begin(&meeting);
    const size_t most = NOISE_MESSAGE_MAX - noise_overhead(&meeting.initiator);
    uint8_t *payload = calloc(3, NOISE_MESSAGE_MAX + 1);
    assert_non_null(payload);
    uint8_t *message = payload + NOISE_MESSAGE_MAX + 1, *out = message + NOISE_MESSAGE_MAX + 1;
    struct noise_handshake copy = meeting.initiator;
    assert_int_equal(noise_write(&copy, (struct bytes){payload, most + 1}, message,
                                 NOISE_MESSAGE_MAX + 1, &size, NULL),
                     WEFT_LIMIT);
    assert_int_equal(noise_write(&meeting.initiator, (struct bytes){payload, most}, message,
                                 NOISE_MESSAGE_MAX + 1, &size, NULL),
                     WEFT_OK);
    assert_int_equal(size, NOISE_MESSAGE_MAX);
    copy = meeting.responder;
    assert_int_equal(noise_read(&copy, (struct bytes){message, NOISE_MESSAGE_MAX + 1}, out,
                                NOISE_MESSAGE_MAX, &size, &why),
                     WEFT_PROTOCOL);
    assert_non_null(strstr(why.text, "not as long as"));
    assert_int_equal(noise_read(&meeting.responder, (struct bytes){message, NOISE_MESSAGE_MAX}, out,
                                most, &size, NULL),
                     WEFT_OK);
    assert_int_equal(size, most);
    free(payload);
}

static bool holds(const struct noise_handshake *handshake, const uint8_t secret[NOISE_KEY_SIZE]) {
    return memmem(handshake, sizeof *handshake, secret, NOISE_KEY_SIZE) != NULL;
}

static void noise_keeps_no_secret_after_the_split(void **state) {
    (void)state;
    struct meeting meeting;
    begin(&meeting);
    assert_true(holds(&meeting.initiator, meeting.statics[0].secret));
    assert_true(holds(&meeting.initiator, meeting.psk[0]));
    meet(&meeting);
    const struct noise_handshake *sides[2] = {&meeting.initiator, &meeting.responder};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(noise_turn(sides[i]), NOISE_DONE);
        assert_false(holds(sides[i], meeting.statics[i].secret));
        assert_false(holds(sides[i], meeting.ephemerals[i]));
        assert_false(holds(sides[i], meeting.psk[0]));
        assert_false(holds(sides[i], meeting.initiator_send.key));
        assert_zeros(sides[i]->symmetric.chain, NOISE_HASH_SIZE);
        assert_zeros(&sides[i]->symmetric.cipher, sizeof sides[i]->symmetric.cipher);
        assert_memory_equal(noise_remote_static(sides[i]), meeting.statics[1 - i].public,
                            NOISE_KEY_SIZE);
    }
    assert_memory_equal(noise_hash(sides[0]), noise_hash(sides[1]), NOISE_HASH_SIZE);
    noise_wipe(&meeting.initiator);
    assert_zeros(&meeting.initiator, sizeof meeting.initiator);
    noise_cipher_wipe(&meeting.initiator_send);
    assert_zeros(&meeting.initiator_send, sizeof meeting.initiator_send);
}

/* ---- records --------------------------------------------------------------------------------- */

#define RECORD 100u

static void seal(struct noise_cipher *cipher, uint8_t filler, uint8_t out[RECORD + 16]) {
    uint8_t plain[RECORD];
    memset(plain, filler, sizeof plain);
    assert_int_equal(noise_cipher_seal(cipher, none, (struct bytes){plain, RECORD}, out, NULL),
                     WEFT_OK);
}

static enum weft_status open_record(struct noise_cipher *cipher, const uint8_t sealed[RECORD + 16],
                                    uint8_t filler) {
    uint8_t out[RECORD], expected[RECORD];
    struct weft_error why = {0};
    memset(out, 0xee, sizeof out);
    memset(expected, filler, sizeof expected);
    const enum weft_status status =
        noise_cipher_open(cipher, none, (struct bytes){sealed, RECORD + 16}, out, &why);
    if (status == WEFT_OK)
        assert_memory_equal(out, expected, RECORD);
    else
        assert_memory_not_equal(out, expected, RECORD);
    assert_int_equal(why.status, status);
    return status;
}

static void records_open_in_their_order_only(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t first[RECORD + 16], second[RECORD + 16];
    meet(&meeting);
    seal(&meeting.initiator_send, 1, first);
    seal(&meeting.initiator_send, 2, second);
    assert_int_equal(open_record(&meeting.responder_receive, second, 2), WEFT_PROTOCOL);
    assert_int_equal(open_record(&meeting.responder_receive, first, 1), WEFT_OK);
    assert_int_equal(open_record(&meeting.responder_receive, first, 1), WEFT_PROTOCOL);
    assert_int_equal(open_record(&meeting.responder_receive, second, 2), WEFT_OK);
}

static void records_do_not_open_where_they_came_from(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t record[RECORD + 16];
    meet(&meeting);
    seal(&meeting.initiator_send, 1, record);
    assert_int_equal(open_record(&meeting.initiator_receive, record, 1), WEFT_PROTOCOL);
    seal(&meeting.responder_send, 2, record);
    assert_int_equal(open_record(&meeting.initiator_receive, record, 2), WEFT_OK);
}

static void records_open_only_whole_and_unchanged(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t record[RECORD + 16], out[RECORD + 16];
    meet(&meeting);
    seal(&meeting.initiator_send, 1, record);
    for (unsigned bit = 0; bit < 8 * sizeof record; bit++) {
        record[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_record(&meeting.responder_receive, record, 1), WEFT_PROTOCOL);
        record[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < sizeof record; size++)
        assert_int_equal(noise_cipher_open(&meeting.responder_receive, none,
                                           (struct bytes){record, size}, out, NULL),
                         WEFT_PROTOCOL);
    assert_int_equal(open_record(&meeting.responder_receive, record, 1), WEFT_OK);
}

static void records_open_only_with_what_they_were_sealed_with(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t record[16], out[1];
    meet(&meeting);
    const struct bytes ad = {(const uint8_t *)"header", 6}, other = {(const uint8_t *)"Header", 6};
    assert_int_equal(noise_cipher_seal(&meeting.initiator_send, ad, none, record, NULL), WEFT_OK);
    const struct bytes sealed = {record, sizeof record};
    assert_int_equal(noise_cipher_open(&meeting.responder_receive, other, sealed, out, NULL),
                     WEFT_PROTOCOL);
    assert_int_equal(noise_cipher_open(&meeting.responder_receive, none, sealed, out, NULL),
                     WEFT_PROTOCOL);
    assert_int_equal(noise_cipher_open(&meeting.responder_receive, ad, sealed, out, NULL), WEFT_OK);
}

static void records_up_to_the_longest_are_sealed_and_opened_in_place(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 4096, NOISE_MESSAGE_MAX - 16};
    struct meeting meeting;
    meet(&meeting);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *record = malloc(sizes[i] + 16), *plain = malloc(sizes[i] + 1);
        assert_non_null(record);
        assert_non_null(plain);
        rng_fill(&meeting.rng, plain, sizes[i]);
        memcpy(record, plain, sizes[i]);
        assert_int_equal(noise_cipher_seal(&meeting.initiator_send, none,
                                           (struct bytes){record, sizes[i]}, record, NULL),
                         WEFT_OK);
        if (sizes[i] > 8) assert_memory_not_equal(record, plain, sizes[i]);
        assert_int_equal(noise_cipher_open(&meeting.responder_receive, none,
                                           (struct bytes){record, sizes[i] + 16}, record, NULL),
                         WEFT_OK);
        assert_memory_equal(record, plain, sizes[i]);
        free(record);
        free(plain);
    }
}

static void records_longer_than_any_are_refused_though_well_sealed(void **state) {
    (void)state;
    static const uint8_t first[NOISE_NONCE_SIZE];
    static uint8_t record[NOISE_MESSAGE_MAX + 1];
    struct meeting meeting;
    meet(&meeting);
    noise_aead_seal(meeting.initiator_send.key, first, none,
                    (struct bytes){record, sizeof record - 16}, record);
    assert_int_equal(noise_cipher_open(&meeting.responder_receive, none,
                                       (struct bytes){record, sizeof record}, record, NULL),
                     WEFT_PROTOCOL);
}

static void records_go_on_when_both_sides_rekey(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t record[RECORD + 16];
    meet(&meeting);
    for (uint8_t i = 0; i < 20; i++) {
        seal(&meeting.initiator_send, i, record);
        assert_int_equal(open_record(&meeting.responder_receive, record, i), WEFT_OK);
        if (i % 5 != 4) continue;
        noise_cipher_rekey(&meeting.initiator_send);
        noise_cipher_rekey(&meeting.responder_receive);
    }
    assert_int_equal(meeting.initiator_send.nonce, 20);
    assert_int_equal(meeting.responder_receive.nonce, 20);
}

static void records_do_not_open_when_one_side_rekeyed(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t record[RECORD + 16];
    meet(&meeting);
    noise_cipher_rekey(&meeting.initiator_send);
    seal(&meeting.initiator_send, 1, record);
    assert_int_equal(open_record(&meeting.responder_receive, record, 1), WEFT_PROTOCOL);
    noise_cipher_rekey(&meeting.responder_receive);
    assert_int_equal(open_record(&meeting.responder_receive, record, 1), WEFT_OK);
}

/* Section 4.2: the first 32 bytes of ENCRYPT(k, 2^64 - 1, no data, 32 zeros). */
static void rekey_seals_zeros_under_the_reserved_nonce(void **state) {
    (void)state;
    static const uint8_t zeros[NOISE_KEY_SIZE];
    static const uint8_t nonce[NOISE_NONCE_SIZE] = {0,    0,    0,    0,    0xff, 0xff,
                                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct meeting meeting;
    uint8_t sealed[NOISE_KEY_SIZE + 16];
    meet(&meeting);
    noise_aead_seal(meeting.initiator_send.key, nonce, none, (struct bytes){zeros, sizeof zeros},
                    sealed);
    noise_cipher_rekey(&meeting.initiator_send);
    assert_memory_equal(meeting.initiator_send.key, sealed, NOISE_KEY_SIZE);
    assert_int_equal(meeting.initiator_send.nonce, 0);
}

static void the_last_nonce_is_never_used(void **state) {
    (void)state;
    struct meeting meeting;
    struct weft_error why = {0};
    uint8_t record[RECORD + 16], untouched[RECORD + 16];
    meet(&meeting);
    meeting.initiator_send.nonce = meeting.responder_receive.nonce = UINT64_MAX - 1;
    seal(&meeting.initiator_send, 1, record);
    assert_int_equal(open_record(&meeting.responder_receive, record, 1), WEFT_OK);
    memcpy(untouched, record, sizeof record);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(noise_cipher_seal(&meeting.initiator_send, none,
                                           (struct bytes){record, RECORD}, record, &why),
                         WEFT_LIMIT);
        assert_non_null(strstr(why.text, "used up"));
        assert_int_equal(open_record(&meeting.responder_receive, record, 1), WEFT_LIMIT);
        /* Rekeying does not bring nonces back. */
        noise_cipher_rekey(&meeting.initiator_send);
    }
    assert_memory_equal(record, untouched, sizeof record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_passes_every_published_vector),
        cmocka_unit_test(noise_speaks_the_pattern_that_the_vectors_test),
        cmocka_unit_test(noise_refuses_every_flipped_bit_of_the_first_message),
        cmocka_unit_test(noise_refuses_every_flipped_bit_of_the_second_message),
        cmocka_unit_test(noise_refuses_every_truncation_and_any_extension),
        cmocka_unit_test(noise_refuses_who_knows_another_psk),
        cmocka_unit_test(noise_refuses_who_dialled_another_static_key),
        cmocka_unit_test(noise_refuses_an_initiator_without_the_secret_of_its_static_key),
        cmocka_unit_test(noise_refuses_another_prologue),
        cmocka_unit_test(noise_refuses_the_answer_to_another_handshake),
        cmocka_unit_test(noise_refuses_keys_of_low_order),
        cmocka_unit_test(noise_writes_and_reads_no_further_than_there_is_room),
        cmocka_unit_test(noise_handshakes_carry_up_to_65535_bytes),
        cmocka_unit_test(noise_keeps_no_secret_after_the_split),
        cmocka_unit_test(records_open_in_their_order_only),
        cmocka_unit_test(records_do_not_open_where_they_came_from),
        cmocka_unit_test(records_open_only_whole_and_unchanged),
        cmocka_unit_test(records_open_only_with_what_they_were_sealed_with),
        cmocka_unit_test(records_up_to_the_longest_are_sealed_and_opened_in_place),
        cmocka_unit_test(records_longer_than_any_are_refused_though_well_sealed),
        cmocka_unit_test(records_go_on_when_both_sides_rekey),
        cmocka_unit_test(records_do_not_open_when_one_side_rekeyed),
        cmocka_unit_test(rekey_seals_zeros_under_the_reserved_nonce),
        cmocka_unit_test(the_last_nonce_is_never_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
