/* Fuzzes the handshake from outside and from inside the seal: nothing but the genuine bytes gets
 * through, except where a payload says what needs no proof.
 *
 *   input := mode u8 | bytes; what the input lacks is zero
 *     0 bytes are M1, screened and read
 *     1 the same with mac1 repaired, so that they reach the decryption if they have the form
 *     2 bytes are M2, read by who has dialled
 *     3 bytes are XORed onto the initiator's payload, which is sealed in M1 as it should be
 *     4 ... onto the responder's, in M2 */
#include <sodium.h>

#include "engine/base/check.h"
#include "tests/lib/meeting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A refused handshake holds nothing but that it failed. */
static void check_wiped(struct handshake handshake, enum weft_status status) {
    CHECK(status == WEFT_DENIED || status == WEFT_PROTOCOL);
    CHECK(handshake.state == HANDSHAKE_FAILED);
    handshake.state = HANDSHAKE_FRESH;
    CHECK(sodium_is_zero((const uint8_t *)&handshake, sizeof handshake));
}

static void take(void *out, size_t room, const uint8_t *data, size_t size) {
    memset(out, 0, room);
    if (size > 0) memcpy(out, data, size < room ? size : room);
}

static void fuzz_m1(struct meeting *meeting, const uint8_t *data, size_t size, bool repair) {
    uint8_t genuine[HANDSHAKE_M1];
    memcpy(genuine, meeting->m1, sizeof genuine);
    take(meeting->m1, sizeof meeting->m1, data, size);
    if (repair) meeting_repair(meeting, meeting->m1);
    const bool same = memcmp(meeting->m1, genuine, M1_MAC_AT) == 0;
    if (!meeting_screened(meeting, meeting->m1)) {
        CHECK(!same || memcmp(meeting->m1, genuine, sizeof genuine) != 0);
        return;
    }
    CHECK(same || repair);
    const enum weft_status status = meeting_read(meeting, NULL);
    CHECK((status == WEFT_OK) == same);
    if (!same) check_wiped(meeting->sides[RESPONDER], status);
}

static void fuzz_m2(struct meeting *meeting, const uint8_t *data, size_t size) {
    uint8_t genuine[HANDSHAKE_M2];
    memcpy(genuine, meeting->m2, sizeof genuine);
    take(meeting->m2, sizeof meeting->m2, data, size);
    const bool same = memcmp(meeting->m2, genuine, sizeof genuine) == 0;
    const enum weft_status status = meeting_finish(meeting, NULL);
    CHECK((status == WEFT_OK) == same);
    if (!same) check_wiped(meeting->sides[INITIATOR], status);
}

/* What should be said to the payload of `side`, of which `change` is the difference to its own. */
static enum weft_status verdict(const struct meeting *meeting, enum meeting_side side,
                                const uint8_t payload[PAYLOAD_SIZE],
                                const uint8_t change[PAYLOAD_SIZE]) {
    const struct handshake_self *reader = &meeting->selves[1 - side];
    if (!sodium_is_zero(change, PAYLOAD_VERSIONS_AT)) return WEFT_DENIED;
    if (!sodium_is_zero(change + PAYLOAD_ZERO_AT, PAYLOAD_SIZE - PAYLOAD_ZERO_AT))
        return WEFT_DENIED;
    const uint16_t ver_min = load_u16(payload + PAYLOAD_VERSIONS_AT);
    const uint16_t ver_max = load_u16(payload + PAYLOAD_VERSIONS_AT + 2);
    for (unsigned version = ver_min; version <= ver_max; version++) {
        if (version >= reader->ver_min && version <= reader->ver_max) return WEFT_OK;
    }
    return WEFT_PROTOCOL;
}

static void fuzz_payload(struct meeting *meeting, enum meeting_side side, const uint8_t *data,
                         size_t size) {
    uint8_t payload[PAYLOAD_SIZE], change[PAYLOAD_SIZE];
    meeting_payload(&meeting->selves[side], payload);
    take(change, sizeof change, data, size);
    for (unsigned i = 0; i < PAYLOAD_SIZE; i++)
        payload[i] ^= change[i];
    const enum weft_status expected = verdict(meeting, side, payload, change);
    enum weft_status status;
    if (side == INITIATOR) {
        meeting_seal_m1(meeting, payload, meeting->identities[side].public.x_pk);
        CHECK(meeting_screened(meeting, meeting->m1));
        status = meeting_read(meeting, NULL);
    } else {
        meeting_seal_m2(meeting, payload);
        status = meeting_finish(meeting, NULL);
    }
    const struct handshake *reader = &meeting->sides[1 - side];
    CHECK(status == expected);
    if (status != WEFT_OK) {
        check_wiped(*reader, status);
        return;
    }
    CHECK(reader->remote.version <= meeting->selves[1 - side].ver_max);
    CHECK(reader->remote.version <= load_u16(payload + PAYLOAD_VERSIONS_AT + 2));
    CHECK(reader->remote.features == load_u32(payload + PAYLOAD_FEATURES_AT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct meeting meeting;
    if (size == 0) return 0;
    const uint8_t mode = data[0] % 5;
    data++;
    size--;
    meeting_draw(&meeting);
    meeting_exchange(&meeting);
    if (mode == 0 || mode == 1)
        fuzz_m1(&meeting, data, size, mode == 1);
    else if (mode == 2)
        fuzz_m2(&meeting, data, size);
    else
        fuzz_payload(&meeting, mode == 3 ? INITIATOR : RESPONDER, data, size);
    return 0;
}
