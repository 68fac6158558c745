/* The peer actor alone, without memory for what it is to say: the session ends and says why, and
 * nothing of it stays behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/wire/record.h"
#include "tests/lib/scarce.h"
#include "tests/lib/solo_peer.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define COUNT 3u

static const uint8_t device[WEFT_ID_SIZE] = {1}, hash[RECORD_HASH];

/* ---- what bulk and share ask for ------------------------------------------------------------ */

static Weft__Place **places_of(struct mail *mail) {
    Weft__Place **places = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, COUNT);
    assert_non_null(places);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(mail_bytes(mail, &places[i]->owner, device, sizeof device));
        places[i]->model = i + 1; /* The last is none that is known here. */
        places[i]->position = i + 1;
    }
    return places;
}

static Weft__Head **heads_of(struct mail *mail) {
    Weft__Head **heads = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, COUNT);
    assert_non_null(heads);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(mail_bytes(mail, &heads[i]->device, device, sizeof device));
        assert_true(mail_bytes(mail, &heads[i]->hash, hash, sizeof hash));
        heads[i]->incarnation = i + 1;
        heads[i]->seq = 1;
    }
    return heads;
}

static struct mail *request(struct solo_peer *stage) {
    Weft__Request *request = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(REQUEST), &request);
    request->places = places_of(mail);
    request->n_places = COUNT;
    return mail;
}

static struct mail *held(struct solo_peer *stage) {
    Weft__Held *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(HELD), &held);
    held->places = places_of(mail);
    held->n_places = COUNT;
    held->fault = mail_text(mail, "");
    return mail;
}

static struct mail *ranges(struct solo_peer *stage, bool answer) {
    static uint64_t numbers[] = {1, 2, 3};
    Weft__Ranges *ranges = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(RANGES), &ranges);
    assert_true(mail_bytes(mail, &ranges->owner, device, sizeof device));
    ranges->model = 1;
    ranges->position = 3;
    ranges->answer = answer;
    *(answer ? &ranges->sums : &ranges->bounds) = numbers;
    *(answer ? &ranges->n_sums : &ranges->n_bounds) = sizeof numbers / sizeof numbers[0];
    return mail;
}

static struct mail *ranges_asked(struct solo_peer *stage) {
    return ranges(stage, false);
}

static struct mail *ranges_answered(struct solo_peer *stage) {
    return ranges(stage, true);
}

static struct mail *shared_request(struct solo_peer *stage) {
    Weft__SharedRequest *asked = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHARED_REQUEST), &asked);
    asked->heads = heads_of(mail);
    asked->n_heads = COUNT;
    return mail;
}

static struct mail *shared_held(struct solo_peer *stage) {
    Weft__SharedHeld *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHARED_HELD), &held);
    held->heads = heads_of(mail);
    held->n_heads = COUNT;
    held->fault = mail_text(mail, "");
    return mail;
}

static struct mail *attested(struct solo_peer *stage) {
    Weft__Attested *attested = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(ATTESTED), &attested);
    attested->statements = arena_zero(&mail->arena, sizeof *attested->statements);
    assert_non_null(attested->statements);
    assert_true(mail_bytes(mail, &attested->statements[0], "a statement", 11));
    attested->n_statements = 1;
    return mail;
}

static struct mail *snapshot_wanted(struct solo_peer *stage) {
    Weft__SnapshotWanted *wanted = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SNAPSHOT_WANTED), &wanted);
    assert_true(mail_bytes(mail, &wanted->cursor, "a cursor", 8));
    return mail;
}

static struct mail *shipment(struct solo_peer *stage) {
    Weft__Shipment *shipment = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHIPMENT), &shipment);
    shipment->records = arena_zero(&mail->arena, sizeof *shipment->records);
    assert_non_null(shipment->records);
    assert_true(mail_bytes(mail, &shipment->records[0], "a record", 8));
    shipment->n_records = 1;
    return mail;
}

static const struct asking {
    const char *name;
    uint32_t from;
    struct mail *(*mail)(struct solo_peer *stage);
    Weft__Wire__Wire__BodyCase heard; /* what the remote hears when all is well; NOT_SET: records */
} askings[] = {
    {"request", ACTOR_BULK, request, WEFT__WIRE__WIRE__BODY_STATE_REQUEST},
    {"held", ACTOR_BULK, held, WEFT__WIRE__WIRE__BODY_STATE_ACK},
    {"ranges, asked", ACTOR_BULK, ranges_asked, WEFT__WIRE__WIRE__BODY_DIGEST_REQUEST},
    {"ranges, answered", ACTOR_BULK, ranges_answered, WEFT__WIRE__WIRE__BODY_DIGEST_RESPONSE},
    {"shared request", ACTOR_SHARE, shared_request, WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST},
    {"shared held", ACTOR_SHARE, shared_held, WEFT__WIRE__WIRE__BODY_ACK_SHARED_CHANGES},
    {"attested", ACTOR_SHARE, attested, WEFT__WIRE__WIRE__BODY_ATTEST},
    {"snapshot wanted", ACTOR_SHARE, snapshot_wanted, WEFT__WIRE__WIRE__BODY_SNAPSHOT_REQUEST},
    {"shipment", ACTOR_SHARE, shipment, WEFT__WIRE__WIRE__BODY__NOT_SET},
};

/* Puts the mail where the peer will find it, who is then turned with one block refused. */
static bool ask(struct solo_peer *stage, const struct asking *asking, uint64_t at) {
    struct mail *mail = asking->mail(stage);
    struct edge *edge =
        topology_edge(stage->solo.topology, asking->from, ACTOR_PEER, mail->body.body_case);
    assert_non_null(edge);
    assert_true(edge_push(edge, mail));
    scarce_begin(SCARCE_ARENA, at);
    solo_turn(&stage->solo);
    return scarce_end();
}

static void a_session_for_which_there_is_no_memory_ends_and_says_so(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++) {
        const struct asking *asking = &askings[i];
        bool struck = true;
        uint64_t at = 0;
        unsigned ended = 0;
        while (struck) {
            struct weft_error why = {0};
            struct solo_peer *stage = calloc(1, sizeof *stage);
            assert_non_null(stage);
            assert_true(solo_peer_open(stage));
            solo_peer_live(stage, false);
            solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
            struck = ask(stage, asking, ++at);
            if (struck && topology_failed(stage->solo.topology, &why)) {
                /* It was a mail to another actor: what such mails need is set aside. */
                assert_int_equal(why.status, WEFT_NO_MEMORY);
            } else if (struck) {
                if (solo_peer_state(stage) == WEFT_PEER_LIVE)
                    fail_msg("%s, block %llu: it goes on", asking->name, (unsigned long long)at);
                solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_NO_MEMORY, "memory");
                solo_peer_expect_end(stage, WEFT_NO_MEMORY);
                ended++;
            } else {
                assert_int_equal(solo_peer_state(stage), WEFT_PEER_LIVE);
                if (asking->heard != WEFT__WIRE__WIRE__BODY__NOT_SET)
                    assert_non_null(solo_peer_heard_kind(stage, asking->heard));
            }
            assert_true(solo_peer_close(stage)); /* No mail has leaked. */
            free(stage);
        }
        assert_in_range(ended, 1, 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_for_which_there_is_no_memory_ends_and_says_so),
    };
    return cmocka_run_group_tests_name("a peer without memory", tests, NULL, NULL);
}
