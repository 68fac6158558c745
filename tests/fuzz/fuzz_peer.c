/* Fuzzes the peer actor: whatever a member's device says inside of its session, the actor lives,
 * keeps its bounds, lets go of every mail, and ends the session at most once.
 *
 *   input := flags u8 | step ...;   step := what u8 | size u8 | bytes, fewer if the input ends
 *     flags: bit 0 this device has dialled, bit 1 by invite, bit 2 no Hello has been said yet
 *     what: 0 a message of the control lane, 1 to 3 of another one, 4 a frame, sealed as it is,
 *       5 bytes below the seal, 6 time passes (size seconds), 7 bulk and share deal with what came,
 *       8 the remote's key changes, 9 a right Hello, 10 the listener lets the session stand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/base/check.h"
#include "tests/lib/sealed.h"
#include "tests/lib/solo_peer.h"

#define STEPS_MAX 200u
#define SECOND 1000000u
#define MAIL(kind) WEFT__MAIL__BODY_##kind

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct talk {
    struct solo_peer stage;
    uint32_t packed, records; /* inside of the engine */
    uint64_t packed_bytes, record_bytes;
    bool claimed, stands, ended;
};

static void say_message(struct talk *talk, enum frame_lane lane, const uint8_t *data, size_t size) {
    struct solo_peer *stage = &talk->stage;
    uint8_t *copy = arena_take(&stage->arena, size);
    CHECK(copy != NULL);
    memcpy(copy, data, size);
    const enum weft_status status = session_push(stage->remote, lane, (struct bytes){copy, size}, 0,
                                                 (struct frame_owner){NULL}, NULL);
    CHECK(status == WEFT_OK);
    solo_peer_carry(stage, SIZE_MAX);
}

/* Takes all that the actor has said to bulk, share, log and host, and counts what is inside. */
static void take_all(struct talk *talk) {
    struct solo *solo = &talk->stage.solo;
    struct mail *mail;
    while ((mail = solo_take(solo, ACTOR_BULK, MAIL(PACKED))) != NULL) {
        if (mail->body.body_case == MAIL(PACKED)) {
            talk->packed++;
            talk->packed_bytes += mail->body.packed->wire_bytes;
        }
        talk->ended = talk->ended || mail->body.body_case == MAIL(LEFT);
        mail_drop(&mail);
    }
    while ((mail = solo_take(solo, ACTOR_SHARE, MAIL(RECORDS))) != NULL) {
        if (mail->body.body_case == MAIL(RECORDS)) {
            talk->records++;
            talk->record_bytes += mail->body.records->wire_bytes;
        }
        mail_drop(&mail);
    }
    while ((mail = solo_take(solo, ACTOR_LISTENER, MAIL(CLAIM))) != NULL) {
        if (mail->body.body_case == MAIL(CLAIM)) {
            CHECK(!talk->claimed);
            talk->claimed = true;
            talk->stage.claimed = mail->body.claim->session;
        } else {
            CHECK(mail->body.body_case == MAIL(VACATED));
            talk->ended = true;
        }
        mail_drop(&mail);
    }
    while ((mail = solo_take(solo, ACTOR_LOG, MAIL(ACKED))) != NULL)
        mail_drop(&mail);
    while ((mail = solo_take(solo, ACTOR_HOST, MAIL(NOTICE))) != NULL)
        mail_drop(&mail);
    CHECK(talk->packed <= LIMIT_PEER_PACKED && talk->records <= LIMIT_PEER_RECORDS);
    CHECK(talk->stage.link.closes == (talk->ended ? 1 : 0));
}

/* bulk and share say that they have dealt with all. */
static void settle(struct talk *talk) {
    if (solo_peer_state(&talk->stage) != WEFT_PEER_LIVE) return;
    const uint32_t packed = talk->packed, records = talk->records;
    const uint32_t packed_bytes = (uint32_t)talk->packed_bytes;
    const uint32_t record_bytes = (uint32_t)talk->record_bytes;
    talk->packed = talk->records = 0;
    talk->packed_bytes = talk->record_bytes = 0;
    if (packed != 0) solo_peer_held(&talk->stage, packed, packed_bytes, "");
    take_all(talk);
    if (records == 0 || talk->ended) return;
    const uint32_t came = talk->records;
    talk->records = 0;
    solo_peer_shared_held(&talk->stage, records, record_bytes, "");
    talk->records += came;
    take_all(talk);
}

static void act(struct talk *talk, uint8_t what, const uint8_t *data, size_t size) {
    struct solo_peer *stage = &talk->stage;
    if (what % 11 <= 3 && size > 0) {
        static const enum frame_lane lanes[] = {LANE_CONTROL, LANE_SHARED, LANE_LIVE,
                                                LANE_BACKFILL};
        say_message(talk, lanes[what % 11], data, size);
    } else if (what % 11 == 4) {
        uint8_t record[256 + SEALED_OVERHEAD];
        solo_peer_carry(stage, SIZE_MAX);
        size = sealed_record(stage->remote, (struct bytes){data, size}, record);
        solo_peer_say_raw(stage, record, size);
    } else if (what % 11 == 5) {
        solo_peer_say_raw(stage, data, size);
    } else if (what % 11 == 8) {
        session_rekey(stage->remote);
        solo_peer_carry(stage, SIZE_MAX);
    } else if (what % 11 == 9) {
        solo_peer_say_right_hello(stage);
    } else if (what % 11 == 10 && talk->claimed && !talk->stands) {
        solo_peer_rule(stage, true, false, false);
        talk->stands = true;
    }
}

static void run(struct talk *talk, const uint8_t *data, size_t size) {
    for (unsigned step = 0; step < STEPS_MAX && size >= 2 && !talk->ended; step++) {
        const uint8_t what = data[0];
        size_t length = data[1];
        if (length > size - 2) length = size - 2;
        if (what % 11 == 6) {
            length = 0;
            solo_peer_wait(&talk->stage, data[1] * (uint64_t)SECOND);
        } else if (what % 11 == 7) {
            length = 0;
            settle(talk);
        } else {
            act(talk, what, data + 2, length);
        }
        take_all(talk);
        data += 2 + length;
        size -= 2 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct talk *talk = calloc(1, sizeof *talk);
    CHECK(talk != NULL);
    CHECK(solo_peer_open(&talk->stage));
    talk->stage.mode = (data[0] & 2) != 0 ? HANDSHAKE_INVITE : HANDSHAKE_MEMBER;
    if ((data[0] & 4) == 0) {
        solo_peer_live(&talk->stage, (data[0] & 1) != 0);
    } else {
        if ((data[0] & 1) != 0) solo_peer_dial(&talk->stage);
        if ((data[0] & 1) == 0) solo_peer_accept(&talk->stage);
        solo_peer_remote(&talk->stage);
    }
    run(talk, data + 1, size - 1);
    CHECK(solo_peer_close(&talk->stage));
    free(talk);
    return 0;
}
