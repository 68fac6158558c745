/* What the remote and share say of the shared log. See solo_peer.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/wire/record.h"
#include "tests/lib/solo_peer.h"

#define HEADS_MAX 4u

/* ---- the remote ---- */

void solo_peer_say_records(struct solo_peer *stage, size_t count, size_t size) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__SharedRecords message = WEFT__WIRE__SHARED_RECORDS__INIT;
    struct bytes packed = {0};
    message.n_records = count;
    message.records = arena_zero(&stage->arena, count * sizeof *message.records);
    assert_non_null(message.records);
    for (size_t i = 0; i < count; i++) {
        message.records[i].len = size;
        message.records[i].data = arena_zero(&stage->arena, size);
        assert_non_null(message.records[i].data);
        memset(message.records[i].data, (int)i + 1, size);
    }
    wire.body_case = WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_BATCH;
    wire.shared_change_batch = &message;
    assert_int_equal(message_pack(&wire.base, &stage->arena, &packed), WEFT_OK);
    assert_int_equal(
        session_push(stage->remote, LANE_SHARED, packed, 0, (struct frame_owner){NULL}, NULL),
        WEFT_OK);
    solo_peer_carry(stage, SIZE_MAX);
}

void solo_peer_say_shared_heads(struct solo_peer *stage, bool request, size_t count) {
    static uint8_t device[WEFT_ID_SIZE], hash[RECORD_HASH];
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__SharedChangeRequest asked = WEFT__WIRE__SHARED_CHANGE_REQUEST__INIT;
    Weft__Wire__AckSharedChanges held = WEFT__WIRE__ACK_SHARED_CHANGES__INIT;
    Weft__Wire__Head heads[HEADS_MAX], *pointers[HEADS_MAX];
    assert_true(count <= HEADS_MAX);
    for (size_t i = 0; i < count; i++) {
        weft__wire__head__init(&heads[i]);
        heads[i].device = (ProtobufCBinaryData){sizeof device, device};
        heads[i].hash = (ProtobufCBinaryData){sizeof hash, hash};
        heads[i].incarnation = i + 1;
        heads[i].seq = 1;
        pointers[i] = &heads[i];
    }
    asked.heads = held.heads = pointers;
    asked.n_heads = held.n_heads = count;
    wire.body_case = request ? WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST
                             : WEFT__WIRE__WIRE__BODY_ACK_SHARED_CHANGES;
    if (request) {
        wire.shared_change_request = &asked;
    } else {
        wire.ack_shared_changes = &held;
    }
    solo_peer_say(stage, &wire);
}

/* ---- share ---- */

void solo_peer_shipment(struct solo_peer *stage, size_t size, bool more) {
    Weft__Shipment *shipment = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_SHIPMENT, &shipment);
    shipment->records = arena_zero(&mail->arena, sizeof *shipment->records);
    assert_non_null(shipment->records);
    shipment->n_records = 1;
    shipment->records[0].len = size;
    shipment->records[0].data = arena_zero(&mail->arena, size);
    assert_non_null(shipment->records[0].data);
    shipment->more = more;
    solo_tell(&stage->solo, ACTOR_SHARE, mail);
    solo_turn(&stage->solo);
}

void solo_peer_shared_held(struct solo_peer *stage, uint32_t count, uint32_t consumed,
                           const char *fault) {
    Weft__SharedHeld *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_SHARED_HELD, &held);
    held->count = count;
    held->consumed = consumed;
    held->fault = mail_text(mail, fault);
    solo_tell(&stage->solo, ACTOR_SHARE, mail);
    solo_turn(&stage->solo);
}

void solo_peer_shared_heads(struct solo_peer *stage, bool request, uint32_t count) {
    static const uint8_t device[WEFT_ID_SIZE], hash[RECORD_HASH];
    Weft__SharedRequest *asked = NULL;
    Weft__SharedHeld *held = NULL;
    struct mail *mail = request ? solo_mail(&stage->solo, WEFT__MAIL__BODY_SHARED_REQUEST, &asked)
                                : solo_mail(&stage->solo, WEFT__MAIL__BODY_SHARED_HELD, &held);
    Weft__Head **heads = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, count);
    assert_non_null(heads);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(mail_bytes(mail, &heads[i]->device, device, sizeof device));
        assert_true(mail_bytes(mail, &heads[i]->hash, hash, sizeof hash));
        heads[i]->incarnation = i + 1;
        heads[i]->seq = 1;
    }
    if (request) {
        asked->heads = heads;
        asked->n_heads = count;
    } else {
        held->heads = heads;
        held->n_heads = count;
    }
    solo_tell(&stage->solo, ACTOR_SHARE, mail);
    solo_turn(&stage->solo);
}
