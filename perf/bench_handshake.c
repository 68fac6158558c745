/* What it costs to meet: engine/wire/handshake.h on one thread.
 *
 *   both sides    M1, M2, the split, and a HELLO each way, with all signatures and all checks, of
 *                 certificates too. Beside the libsodium calls that these cannot do without, with
 *                 nothing around them: 2 keys made, 8 exchanges, 2 signatures, 4 checks, 3 seals
 *                 and 3 openings. What is beyond is hashing, copying and wiping
 *   initiator     its part of the same handshakes, and the responder's
 *   wrong form    first messages dropped before anything is computed
 *   wrong mac1    first messages dropped by their first MAC
 *
 * Rows here are handshakes; of junk there is JUNK times as much. Seconds are those of the
 * processor: nothing here ever waits, and the figures are those of one core. Not here: the socket,
 * and whoever looks up a member. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/check.h"
#include "engine/wire/handshake.h"
#include "perf/bench.h"

#define JUNK 500u
#define HELLO 64u

enum { INITIATOR, RESPONDER, SIDES };

struct party {
    struct identity identity;
    struct handshake_self self;
    struct handshake handshake;
    struct handshake_keys keys;
    uint8_t ephemeral[32];
    double seconds;
};

struct meeting {
    struct party parties[SIDES];
    struct handshake_target target;
    struct handshake_screen screen;
    uint8_t m1[HANDSHAKE_M1], m2[HANDSHAKE_M2];
};

static double cpu_now(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void prepare(struct meeting *meeting) {
    const struct id library = {{1, 2, 3}};
    memset(meeting, 0, sizeof *meeting);
    for (unsigned i = 0; i < SIDES; i++) {
        struct party *party = &meeting->parties[i];
        uint8_t secret[IDENTITY_SECRET];
        memset(secret, (int)(i + 1), sizeof secret);
        identity_make(&party->identity, secret, &library, 1);
        party->self =
            (struct handshake_self){.identity = &party->identity, .ver_min = 1, .ver_max = 1};
        memset(party->ephemeral, (int)(i + 101), sizeof party->ephemeral);
    }
    memset(meeting->target.psk, 7, sizeof meeting->target.psk);
    meeting->target.device = meeting->parties[RESPONDER].identity.public;
    handshake_screen_init(&meeting->screen, meeting->target.device.x_pk);
}

/* What the entropy port would bring. */
static void refresh(struct party *party) {
    sodium_increment(party->ephemeral, sizeof party->ephemeral);
    handshake_wipe(&party->handshake);
}

static void lap(struct party *party, double *since) {
    const double now = cpu_now();
    party->seconds += now - *since;
    *since = now;
}

static void hello(const struct party *party, bool initiator, uint8_t out[HELLO]) {
    handshake_hello(&party->identity, initiator, party->keys.channel,
                    party->handshake.remote.public.id_pk, out);
}

static void hear_hello(const struct party *party, bool from_initiator, const uint8_t in[HELLO]) {
    CHECK(handshake_hello_holds(in, from_initiator, party->keys.channel,
                                party->handshake.remote.public.id_pk,
                                party->identity.public.id_pk));
}

/* One handshake; each side's time goes to its own account. */
static void meet(struct meeting *meeting) {
    struct party *initiator = &meeting->parties[INITIATOR];
    struct party *responder = &meeting->parties[RESPONDER];
    enum handshake_mode mode;
    uint8_t psk_id[LIBRARY_KEY_ID], theirs[HELLO], ours[HELLO];
    double since = cpu_now();
    refresh(initiator);
    CHECK(handshake_dial(&initiator->handshake, &initiator->self, &meeting->target,
                         initiator->ephemeral, meeting->m1, NULL) == WEFT_OK);
    lap(initiator, &since);
    refresh(responder);
    CHECK(handshake_screen_passes(&meeting->screen, meeting->m1, &mode, psk_id));
    CHECK(handshake_read(&responder->handshake, &responder->self, meeting->target.psk, meeting->m1,
                         NULL) == WEFT_OK);
    CHECK(handshake_answer(&responder->handshake, &responder->self, responder->ephemeral,
                           meeting->m2, NULL) == WEFT_OK);
    handshake_split(&responder->handshake, &responder->keys);
    hello(responder, false, ours);
    lap(responder, &since);
    CHECK(handshake_finish(&initiator->handshake, &initiator->self, meeting->m2, NULL) == WEFT_OK);
    handshake_split(&initiator->handshake, &initiator->keys);
    hello(initiator, true, theirs);
    hear_hello(initiator, false, ours);
    lap(initiator, &since);
    hear_hello(responder, true, theirs);
    lap(responder, &since);
}

/* ---- the bare calls ---- */

struct bare {
    uint8_t secret[32], public[32], shared[32], key[32], nonce[12];
    uint8_t id_sk[64], id_pk[32], message[161], signature[64];
    uint8_t plain[160], sealed[176];
};

static void bare_prepare(struct bare *bare) {
    static const uint8_t seed[32] = {9};
    memset(bare, 5, sizeof *bare);
    CHECK(crypto_sign_ed25519_seed_keypair(bare->id_pk, bare->id_sk, seed) == 0);
}

static void bare_meet(struct bare *bare) {
    bool sound = true;
    for (unsigned i = 0; i < 2; i++)
        sound &= crypto_scalarmult_curve25519_base(bare->public, bare->secret) == 0;
    for (unsigned i = 0; i < 8; i++)
        sound &= crypto_scalarmult_curve25519(bare->shared, bare->secret, bare->public) == 0;
    for (unsigned i = 0; i < 2; i++)
        sound &= crypto_sign_ed25519_detached(bare->signature, NULL, bare->message,
                                              sizeof bare->message, bare->id_sk) == 0;
    for (unsigned i = 0; i < 4; i++)
        sound &= crypto_sign_ed25519_verify_detached(bare->signature, bare->message,
                                                     sizeof bare->message, bare->id_pk) == 0;
    for (unsigned i = 0; i < 3; i++) { /* a static key and two payloads */
        const size_t size = i == 0 ? 32 : sizeof bare->plain;
        sound &= crypto_aead_chacha20poly1305_ietf_encrypt(bare->sealed, NULL, bare->plain, size,
                                                           bare->shared, 32, NULL, bare->nonce,
                                                           bare->key) == 0;
        sound &= crypto_aead_chacha20poly1305_ietf_decrypt(bare->plain, NULL, NULL, bare->sealed,
                                                           size + 16, bare->shared, 32, bare->nonce,
                                                           bare->key) == 0;
    }
    CHECK(sound);
    sodium_increment(bare->secret, sizeof bare->secret);
}

static double bare_run(uint64_t count) {
    struct bare bare;
    bare_prepare(&bare);
    const double started = cpu_now();
    for (uint64_t i = 0; i < count; i++)
        bare_meet(&bare);
    return cpu_now() - started;
}

/* ---- runs ---- */

static void print_side(struct bench *bench, const char *name, double *rates) {
    struct bench_figure figure = bench_figure_of(name, bench_median(rates, bench->pairs), "/s");
    figure.n = bench->pairs;
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

static void bench_meetings(struct bench *bench) {
    double rates[SIDES][BENCH_PAIRS_MAX], both[BENCH_PAIRS_MAX], bare[BENCH_PAIRS_MAX];
    double ratios[BENCH_PAIRS_MAX];
    for (unsigned i = 0; i < bench->pairs; i++) {
        struct meeting meeting;
        prepare(&meeting);
        double bare_seconds = i % 2 ? bare_run(bench->rows) : 0;
        const double started = cpu_now();
        for (uint64_t n = 0; n < bench->rows; n++)
            meet(&meeting);
        const double seconds = cpu_now() - started;
        if (i % 2 == 0) bare_seconds = bare_run(bench->rows);
        const double rows = (double)bench->rows;
        for (unsigned side = 0; side < SIDES; side++)
            rates[side][i] = rows / meeting.parties[side].seconds;
        both[i] = rows / seconds;
        bare[i] = rows / bare_seconds;
        ratios[i] = seconds / bare_seconds;
    }
    struct bench_figure figure =
        bench_figure_of("both sides", bench_median(both, bench->pairs), "handshakes/s");
    bench_figure_ratio(&figure, "bare calls", ratios, bench->pairs);
    figure.rows = bench->rows;
    bench_print(bench, &figure);
    print_side(bench, "bare calls", bare);
    print_side(bench, "initiator", rates[INITIATOR]);
    print_side(bench, "responder", rates[RESPONDER]);
}

/* Messages dropped per second. In each of them the byte at `at` is wrong, in another way. */
static void bench_junk(struct bench *bench, const char *name, size_t at) {
    const uint64_t count = bench->rows * JUNK;
    double rates[BENCH_PAIRS_MAX];
    struct meeting meeting;
    prepare(&meeting);
    meet(&meeting);
    for (unsigned i = 0; i < bench->pairs; i++) {
        const uint8_t genuine = meeting.m1[at];
        uint64_t passed = 0;
        const double started = cpu_now();
        for (uint64_t n = 0; n < count; n++) {
            enum handshake_mode mode;
            uint8_t psk_id[LIBRARY_KEY_ID];
            meeting.m1[at] = (uint8_t)(genuine ^ (1 + n % 255));
            passed += handshake_screen_passes(&meeting.screen, meeting.m1, &mode, psk_id);
        }
        rates[i] = (double)count / (cpu_now() - started);
        meeting.m1[at] = genuine;
        CHECK(passed == 0);
    }
    struct bench_figure figure =
        bench_figure_of(name, bench_median(rates, bench->pairs), "messages/s");
    figure.n = bench->pairs;
    figure.rows = count;
    bench_print(bench, &figure);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {3000, 500, 20};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "handshake", &size, argc, argv, &status)) return status;
    CHECK(sodium_init() >= 0); /* chooses what this processor does fastest, as weft_open() does */
    bench_meetings(&bench);
    bench_junk(&bench, "wrong form", 0);
    bench_junk(&bench, "wrong mac1", HANDSHAKE_M1 - 1);
    return bench_close(&bench, false);
}
