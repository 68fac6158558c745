/* The handshake of two devices, on Noise (noise.h), certificates (identity.h) and signatures
 * (sign.h). handshake.h has the messages.
 *
 * Invariants
 *   1. Nothing of a payload is believed, compared or kept before Noise has authenticated it, and
 *      nothing of it but what its certificate proves gets into handshake->remote.
 *   2. A handshake that failed holds nothing but that it failed; `why` tells this side's people
 *      what was wrong, and the other side is told nothing.
 *   3. Both sides compute the version from the same four numbers, which the other side has sealed:
 *      nobody between them can lower it.
 *   4. Whatever a peer sends is refused, never a reason to stop. Keys, MACs and signatures are
 *      compared in constant time.
 * Not here: who is a member, which psk a psk_id names, limits on how often an address may try, and
 * the time a handshake may take (the listener, the peer). */
#include "engine/wire/handshake.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/wire/sign.h"

#define MAGIC "WFT1"
#define MAGIC_SIZE 4u
#define LEN_SIZE 2u
#define MAC 16u
#define MAC_CONTEXT "weft/mac1"
#define HELLO_CONTEXT "weft/hello"
#define CODE_CONTEXT "weft/code"
#define CODES 1000000u

/* Places in a message. */
#define VERSION_AT 4u
#define MODE_AT 5u
#define PSK_ID_AT 6u
#define M1_LEN_AT HANDSHAKE_HEADER
#define M1_NOISE_AT (M1_LEN_AT + LEN_SIZE)
#define M1_NOISE (HANDSHAKE_M1 - MAC - M1_NOISE_AT)
#define M1_MAC_AT (HANDSHAKE_M1 - MAC)
#define M2_NOISE_AT LEN_SIZE
#define M2_NOISE (HANDSHAKE_M2 - M2_NOISE_AT)

/* Places in a payload. */
#define ID_PK_AT 0u
#define CERT_AT 32u
#define INCARNATION_AT 96u
#define VER_MIN_AT 104u
#define VER_MAX_AT 106u
#define FEATURES_AT 108u
#define HLC_AT 112u
#define ZERO_AT 120u
#define PAYLOAD 160u

_Static_assert(HANDSHAKE_HEADER == PSK_ID_AT + LIBRARY_KEY_ID, "header");
_Static_assert(M1_NOISE == 2 * NOISE_KEY_SIZE + NOISE_TAG_SIZE + PAYLOAD + NOISE_TAG_SIZE, "M1");
_Static_assert(M2_NOISE == NOISE_KEY_SIZE + PAYLOAD + NOISE_TAG_SIZE, "M2");
_Static_assert(IDENTITY_KEY == NOISE_KEY_SIZE && LIBRARY_KEY == NOISE_KEY_SIZE, "keys");
_Static_assert(sizeof(struct identity_public) == 2 * IDENTITY_KEY, "compared as a whole");
_Static_assert(NOISE_HASH_SIZE == 64, "channel");

/* ---- what both sides do ---- */

/* Ends a handshake that failed; the caller says why. */
static void give_up(struct handshake *handshake) {
    handshake_wipe(handshake);
    handshake->state = HANDSHAKE_FAILED;
}

static enum weft_status deny(struct handshake *handshake, const char *wrong,
                             struct weft_error *why) {
    give_up(handshake);
    return status_fail(why, WEFT_DENIED, 0,
                       "a handshake was refused: %s; the session is not begun, and nothing of what "
                       "came is kept",
                       wrong);
}

static const char not_theirs[] =
    "the other side does not know the keys that it should, or its message was changed on its way";

/* Begins Noise. Only the initiator knows a remote key and has its ephemeral yet; NULL without. */
static void begin(struct handshake *handshake, const struct handshake_self *self,
                  const uint8_t header[HANDSHAKE_HEADER], const uint8_t psk[LIBRARY_KEY],
                  const uint8_t *remote, const uint8_t *ephemeral) {
    struct noise_keypair own;
    uint8_t psks[1][NOISE_KEY_SIZE];
    memcpy(own.secret, self->identity->x_sk, NOISE_KEY_SIZE);
    memcpy(own.public, self->identity->public.x_pk, NOISE_KEY_SIZE);
    memcpy(psks[0], psk, NOISE_KEY_SIZE);
    const struct noise_setup setup = {
        .pattern = &noise_ikpsk1,
        .initiator = handshake->initiator,
        .prologue = {header, HANDSHAKE_HEADER},
        .own_static = &own,
        .ephemeral_secret = ephemeral,
        .remote_static = remote,
        .psks = (const uint8_t(*)[NOISE_KEY_SIZE])psks,
        .psk_count = 1,
    };
    noise_start(&handshake->noise, &setup);
    sodium_memzero(&own, sizeof own);
    sodium_memzero(psks, sizeof psks);
}

static void write_payload(const struct handshake_self *self, uint8_t out[PAYLOAD]) {
    const struct identity *identity = self->identity;
    CHECK(self->ver_min <= self->ver_max);
    memset(out, 0, PAYLOAD);
    memcpy(out + ID_PK_AT, identity->public.id_pk, IDENTITY_KEY);
    memcpy(out + CERT_AT, identity->cert, IDENTITY_CERT);
    store_u64(out + INCARNATION_AT, identity->incarnation);
    store_u16(out + VER_MIN_AT, self->ver_min);
    store_u16(out + VER_MAX_AT, self->ver_max);
    store_u32(out + FEATURES_AT, self->features);
    store_u64(out + HLC_AT, self->hlc);
}

/* Seals the own payload into the Noise message that comes next. */
static bool say(struct handshake *handshake, const struct handshake_self *self, uint8_t *out,
                size_t size) {
    uint8_t payload[PAYLOAD];
    size_t written;
    write_payload(self, payload);
    const enum weft_status status =
        noise_write(&handshake->noise, (struct bytes){payload, PAYLOAD}, out, size, &written, NULL);
    CHECK(status != WEFT_OK || written == size);
    return status == WEFT_OK;
}

/* The highest version that both speak; false when there is none. A range that ends before it begins
 * has no version. */
static bool agree(const struct handshake_self *self, uint16_t ver_min, uint16_t ver_max,
                  uint16_t *version) {
    CHECK(self->ver_min <= self->ver_max);
    *version = ver_max < self->ver_max ? ver_max : self->ver_max;
    return *version >= ver_min && *version >= self->ver_min;
}

/* Takes an authenticated payload apart and holds it against its certificate, and against whom this
 * side dialled. */
static enum weft_status meet(struct handshake *handshake, const struct handshake_self *self,
                             const uint8_t payload[PAYLOAD], struct weft_error *why) {
    struct handshake_remote remote = {
        .incarnation = load_u64(payload + INCARNATION_AT),
        .features = load_u32(payload + FEATURES_AT),
        .hlc = load_u64(payload + HLC_AT),
    };
    const uint8_t *x_pk = noise_remote_static(&handshake->noise);
    CHECK(x_pk != NULL);
    memcpy(remote.public.id_pk, payload + ID_PK_AT, IDENTITY_KEY);
    memcpy(remote.public.x_pk, x_pk, IDENTITY_KEY);
    memcpy(remote.cert, payload + CERT_AT, IDENTITY_CERT);
    if (!sodium_is_zero(payload + ZERO_AT, PAYLOAD - ZERO_AT))
        return deny(handshake, "bytes that must be zero are not", why);
    if (handshake->initiator &&
        sodium_memcmp(&remote.public, &handshake->remote.public, sizeof remote.public) != 0)
        return deny(handshake, "the device that answered is not the one that was dialled", why);
    if (remote.incarnation > INT64_MAX)
        return deny(handshake, "the other side's incarnation is 2^63 or greater", why);
    if (!identity_certified(remote.cert, &self->identity->library, &remote.public,
                            remote.incarnation))
        return deny(handshake,
                    "the other side's certificate does not hold for its keys, its incarnation "
                    "and this library",
                    why);
    const uint16_t ver_min = load_u16(payload + VER_MIN_AT);
    const uint16_t ver_max = load_u16(payload + VER_MAX_AT);
    if (!agree(self, ver_min, ver_max, &remote.version)) {
        give_up(handshake);
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "the other device speaks versions %u to %u, this one %u to %u: they "
                           "have none in common; update the older of the two",
                           ver_min, ver_max, self->ver_min, self->ver_max);
    }
    remote.device = identity_device(remote.public.id_pk);
    handshake->remote = remote;
    return WEFT_OK;
}

/* Opens the Noise message that comes next. */
static enum weft_status hear(struct handshake *handshake, const struct handshake_self *self,
                             struct bytes message, struct weft_error *why) {
    uint8_t payload[PAYLOAD];
    size_t size;
    const enum weft_status opened =
        noise_read(&handshake->noise, message, payload, sizeof payload, &size, NULL);
    if (opened != WEFT_OK) return deny(handshake, not_theirs, why);
    CHECK(size == PAYLOAD);
    const enum weft_status status = meet(handshake, self, payload, why);
    sodium_memzero(payload, sizeof payload);
    return status;
}

/* ---- the first MAC ---- */

void handshake_screen_init(struct handshake_screen *screen, const uint8_t x_pk[IDENTITY_KEY]) {
    uint8_t input[sizeof MAC_CONTEXT - 1 + IDENTITY_KEY];
    CHECK(screen != NULL && x_pk != NULL);
    memcpy(input, MAC_CONTEXT, sizeof MAC_CONTEXT - 1);
    memcpy(input + sizeof MAC_CONTEXT - 1, x_pk, IDENTITY_KEY);
    const int code =
        crypto_generichash_blake2b(screen->key, sizeof screen->key, input, sizeof input, NULL, 0);
    CHECK(code == 0);
}

static void mac1(const struct handshake_screen *screen, const uint8_t m1[HANDSHAKE_M1],
                 uint8_t out[MAC]) {
    const int code =
        crypto_generichash_blake2b(out, MAC, m1, M1_MAC_AT, screen->key, sizeof screen->key);
    CHECK(code == 0);
}

/* Whether these bytes have the form of M1. All of it is public. */
static bool formed(const uint8_t m1[HANDSHAKE_M1]) {
    return memcmp(m1, MAGIC, MAGIC_SIZE) == 0 && m1[VERSION_AT] == HANDSHAKE_WIRE_VERSION &&
           m1[MODE_AT] <= HANDSHAKE_INVITE && load_u16(m1 + M1_LEN_AT) == M1_NOISE;
}

bool handshake_screen_passes(const struct handshake_screen *screen, const uint8_t m1[HANDSHAKE_M1],
                             enum handshake_mode *mode, uint8_t psk_id[LIBRARY_KEY_ID]) {
    uint8_t mac[MAC];
    CHECK(screen != NULL && m1 != NULL);
    CHECK(mode != NULL && psk_id != NULL);
    if (!formed(m1)) return false;
    mac1(screen, m1, mac);
    if (sodium_memcmp(mac, m1 + M1_MAC_AT, MAC) != 0) return false;
    *mode = (enum handshake_mode)m1[MODE_AT];
    memcpy(psk_id, m1 + PSK_ID_AT, LIBRARY_KEY_ID);
    return true;
}

/* ---- initiator ---- */

enum weft_status handshake_dial(struct handshake *handshake, const struct handshake_self *self,
                                const struct handshake_target *target, const uint8_t ephemeral[32],
                                uint8_t out[HANDSHAKE_M1], struct weft_error *why) {
    CHECK(handshake->state == HANDSHAKE_FRESH);
    CHECK(target->mode == HANDSHAKE_MEMBER || target->mode == HANDSHAKE_INVITE);
    handshake->initiator = true;
    handshake->mode = target->mode;
    handshake->remote = (struct handshake_remote){.public = target->device};
    memcpy(out, MAGIC, MAGIC_SIZE);
    out[VERSION_AT] = HANDSHAKE_WIRE_VERSION;
    out[MODE_AT] = (uint8_t)target->mode;
    identity_psk_id(&self->identity->library, target->psk, out + PSK_ID_AT);
    store_u16(out + M1_LEN_AT, M1_NOISE);
    begin(handshake, self, out, target->psk, target->device.x_pk, ephemeral);
    if (!say(handshake, self, out + M1_NOISE_AT, M1_NOISE)) {
        sodium_memzero(out, HANDSHAKE_M1);
        return deny(handshake, "a key of the device to dial is one that hides nothing", why);
    }
    struct handshake_screen screen;
    handshake_screen_init(&screen, target->device.x_pk);
    mac1(&screen, out, out + M1_MAC_AT);
    handshake->state = HANDSHAKE_DIALLED;
    return WEFT_OK;
}

enum weft_status handshake_finish(struct handshake *handshake, const struct handshake_self *self,
                                  const uint8_t m2[HANDSHAKE_M2], struct weft_error *why) {
    CHECK(handshake->state == HANDSHAKE_DIALLED);
    CHECK(handshake->initiator && noise_turn(&handshake->noise) == NOISE_READ);
    if (load_u16(m2) != M2_NOISE)
        return deny(handshake, "the answer does not have the form of one", why);
    const struct bytes message = {m2 + M2_NOISE_AT, M2_NOISE};
    const enum weft_status status = hear(handshake, self, message, why);
    if (status == WEFT_OK) handshake->state = HANDSHAKE_DONE;
    return status;
}

/* ---- responder ---- */

enum weft_status handshake_read(struct handshake *handshake, const struct handshake_self *self,
                                const uint8_t psk[LIBRARY_KEY], const uint8_t m1[HANDSHAKE_M1],
                                struct weft_error *why) {
    CHECK(handshake->state == HANDSHAKE_FRESH);
    CHECK(self->ver_min <= self->ver_max);
    if (!formed(m1))
        return deny(handshake, "the message does not have the form of a first one", why);
    handshake->mode = (enum handshake_mode)m1[MODE_AT];
    begin(handshake, self, m1, psk, NULL, NULL);
    const struct bytes message = {m1 + M1_NOISE_AT, M1_NOISE};
    const enum weft_status status = hear(handshake, self, message, why);
    if (status == WEFT_OK) handshake->state = HANDSHAKE_READ;
    return status;
}

enum weft_status handshake_answer(struct handshake *handshake, const struct handshake_self *self,
                                  const uint8_t ephemeral[32], uint8_t out[HANDSHAKE_M2],
                                  struct weft_error *why) {
    CHECK(handshake->state == HANDSHAKE_READ);
    CHECK(!handshake->initiator && noise_turn(&handshake->noise) == NOISE_WRITE);
    /* Only now: a first message that is refused costs neither entropy nor a key. */
    noise_ephemeral(&handshake->noise, ephemeral);
    store_u16(out, M2_NOISE);
    if (!say(handshake, self, out + M2_NOISE_AT, M2_NOISE)) {
        sodium_memzero(out, HANDSHAKE_M2);
        return deny(handshake, "a key of the other side is one that hides nothing", why);
    }
    handshake->state = HANDSHAKE_DONE;
    return WEFT_OK;
}

/* ---- both ---- */

void handshake_split(struct handshake *handshake, struct handshake_keys *out) {
    CHECK(handshake->state == HANDSHAKE_DONE);
    CHECK(noise_turn(&handshake->noise) == NOISE_SPLIT);
    noise_split(&handshake->noise, &out->send, &out->receive);
    memcpy(out->channel, noise_hash(&handshake->noise), sizeof out->channel);
    noise_wipe(&handshake->noise);
}

void handshake_wipe(struct handshake *handshake) {
    CHECK(handshake != NULL);
    sodium_memzero(handshake, sizeof *handshake);
}

void handshake_pack(const struct handshake *handshake, uint8_t out[HANDSHAKE_PACKED]) {
    CHECK(handshake->noise.pattern == &noise_ikpsk1);
    const size_t pattern = offsetof(struct handshake, noise.pattern);
    memcpy(out, handshake, sizeof *handshake);
    memset(out + pattern, 0, sizeof handshake->noise.pattern);
}

void handshake_unpack(const uint8_t packed[HANDSHAKE_PACKED], struct handshake *out) {
    memcpy(out, packed, sizeof *out);
    out->noise.pattern = &noise_ikpsk1;
}

#define HELLO_PARTS 4u

static void hello_parts(const uint8_t *role, const uint8_t channel[64],
                        const uint8_t from[IDENTITY_KEY], const uint8_t to[IDENTITY_KEY],
                        struct bytes parts[HELLO_PARTS]) {
    CHECK(channel != NULL && from != NULL && to != NULL);
    parts[0] = (struct bytes){role, 1};
    parts[1] = (struct bytes){channel, NOISE_HASH_SIZE};
    parts[2] = (struct bytes){from, IDENTITY_KEY};
    parts[3] = (struct bytes){to, IDENTITY_KEY};
}

void handshake_hello(const struct identity *identity, bool initiator, const uint8_t channel[64],
                     const uint8_t other_id_pk[IDENTITY_KEY], uint8_t out[64]) {
    const uint8_t role = initiator ? 0 : 1;
    struct bytes parts[HELLO_PARTS];
    CHECK(identity != NULL && out != NULL);
    hello_parts(&role, channel, identity->public.id_pk, other_id_pk, parts);
    sign_make(HELLO_CONTEXT, parts, HELLO_PARTS, identity->id_sk, out);
}

bool handshake_hello_holds(const uint8_t hello[64], bool from_initiator, const uint8_t channel[64],
                           const uint8_t from_id_pk[IDENTITY_KEY],
                           const uint8_t own_id_pk[IDENTITY_KEY]) {
    const uint8_t role = from_initiator ? 0 : 1;
    struct bytes parts[HELLO_PARTS];
    CHECK(hello != NULL);
    hello_parts(&role, channel, from_id_pk, own_id_pk, parts);
    return sign_check(HELLO_CONTEXT, parts, HELLO_PARTS, from_id_pk, hello);
}

uint32_t handshake_code(const uint8_t channel[64]) {
    uint8_t input[sizeof CODE_CONTEXT - 1 + NOISE_HASH_SIZE], digest[crypto_generichash_BYTES];
    CHECK(channel != NULL);
    memcpy(input, CODE_CONTEXT, sizeof CODE_CONTEXT - 1);
    memcpy(input + sizeof CODE_CONTEXT - 1, channel, NOISE_HASH_SIZE);
    const int code =
        crypto_generichash_blake2b(digest, sizeof digest, input, sizeof input, NULL, 0);
    CHECK(code == 0);
    return (uint32_t)(load_u64(digest) % CODES);
}
