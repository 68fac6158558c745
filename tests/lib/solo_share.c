/* See solo_share.h. Mails to a peer come in one ring: shipments that are taken while notes are
 * looked for wait in `waiting`. */
#include "tests/lib/solo_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define WAITING 8u

struct stage {
    struct solo_share share; /* must be first */
    struct mail *waiting[SOLO_SHARE_PEERS][WAITING];
    uint32_t waiting_count[SOLO_SHARE_PEERS];
    struct solo_notes notes[SOLO_SHARE_PEERS];
};

int solo_share_setup(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    void *scene = NULL;
    assert_non_null(stage);
    if (scene_setup(&scene) != 0) return 1;
    stage->share.scene = scene;
    *state = &stage->share;
    return 0;
}

int solo_share_teardown(void **state) {
    struct stage *stage = *state;
    void *scene = stage->share.scene;
    bool clean = true;
    for (uint32_t peer = 0; peer < SOLO_SHARE_PEERS; peer++) {
        for (uint32_t i = 0; i < stage->waiting_count[peer]; i++)
            mail_drop(&stage->waiting[peer][i]);
    }
    if (stage->share.started) clean = solo_close(&stage->share.solo);
    int failed = scene_teardown(&scene);
    free(stage);
    return failed != 0 || !clean;
}

void solo_share_start(struct solo_share *stage) {
    const struct library *library = &stage->scene->library;
    struct solo *solo = &stage->solo;
    struct weft_error why = {0};
    *solo = (struct solo){.id = ACTOR_SHARE, .now = {.mono_us = 1000000, .wall_ms = 1700000000000}};
    solo->board = board_open(SOLO_SHARE_PEERS);
    solo->pool = pool_open(0, 0, NULL);
    assert_non_null(solo->board);
    assert_non_null(solo->pool);
    solo->settings = (struct settings){.path = library->path,
                                       .device = library->store.device,
                                       .library = library->store.library,
                                       .incarnation = library->store.incarnation,
                                       .models = library->store.models,
                                       .chunk_bytes = LIMIT_CHUNK,
                                       .peers = SOLO_SHARE_PEERS,
                                       .board = solo->board};
    assert_int_equal(topology_open(&solo->settings, &solo->topology, NULL), WEFT_OK);
    if (actor_start(&solo->topology->actors[ACTOR_SHARE], &why) != WEFT_OK) {
        fail_msg("%s", why.text);
    }
    stage->started = true;
}

/* ---- what the actor is told ------------------------------------------------------------------ */

static struct id remote_of(const struct solo_share *stage, uint32_t peer) {
    return (struct id){{stage->low[peer] ? 0 : 0x77, (uint8_t)peer}};
}

/* Every mail is packed and unpacked on its way, as proof that it hides no pointer. */
static void tell(struct solo_share *stage, uint32_t from, struct mail *mail) {
    mail = mail_repack(&mail, stage->solo.pool, NULL);
    assert_non_null(mail);
    solo_tell(&stage->solo, from, mail);
}

static Weft__Head **mail_heads(struct mail *mail, const struct solo_head *heads, size_t count) {
    static const uint8_t hash[RECORD_HASH];
    Weft__Head **out = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, count);
    assert_true(out != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        const struct record_origin *origin = &heads[i].author->origin;
        assert_true(mail_bytes(mail, &out[i]->device, origin->device.bytes, WEFT_ID_SIZE));
        assert_true(mail_bytes(mail, &out[i]->hash, hash, sizeof hash));
        out[i]->incarnation = origin->incarnation;
        out[i]->seq = heads[i].seq;
    }
    return out;
}

void solo_share_say(struct solo_share *stage, struct author *author, unsigned count, size_t size) {
    struct scene *scene = stage->scene;
    scene_begins(scene);
    for (unsigned i = 0; i < count; i++) {
        const struct signed_record next = author_signs(&scene->arena, author, size);
        stage->place = scene_appends(scene, &next);
    }
    scene_commits(scene);
}

void solo_share_grown(struct solo_share *stage, struct author *author, unsigned count,
                      size_t size) {
    Weft__Grown *grown = NULL;
    solo_share_say(stage, author, count, size);
    struct mail *mail = solo_mail(&stage->solo, MAIL(GROWN), &grown);
    const struct solo_head head = {author, author->seq};
    grown->heads = mail_heads(mail, &head, 1);
    grown->n_heads = 1;
    grown->place = stage->place;
    tell(stage, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

void solo_share_grant(struct solo_share *stage, uint32_t peer, uint32_t shipments, uint32_t notes) {
    Weft__Granted *granted = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(GRANTED), &granted);
    granted->peer = peer;
    granted->batches = shipments;
    granted->notes = notes;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_join(struct solo_share *stage, uint32_t peer, uint32_t shipments) {
    const struct id device = remote_of(stage, peer);
    Weft__Joined *joined = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(JOINED), &joined);
    joined->peer = peer;
    joined->session = SOLO_SHARE_SESSION + peer;
    assert_true(mail_bytes(mail, &joined->device, device.bytes, sizeof device.bytes));
    tell(stage, ACTOR_PEER + peer, mail);
    solo_share_grant(stage, peer, shipments, 2);
}

void solo_share_leave(struct solo_share *stage, uint32_t peer) {
    Weft__Left *left = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(LEFT), &left);
    left->peer = peer;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_want(struct solo_share *stage, uint32_t peer, const struct solo_head *heads,
                     size_t count) {
    Weft__SharedWanted *wanted = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHARED_WANTED), &wanted);
    wanted->peer = peer;
    wanted->heads = mail_heads(mail, heads, count);
    wanted->n_heads = count;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_acked(struct solo_share *stage, uint32_t peer, const struct solo_head *heads,
                      size_t count) {
    Weft__SharedAcked *acked = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHARED_ACKED), &acked);
    acked->peer = peer;
    acked->heads = mail_heads(mail, heads, count);
    acked->n_heads = count;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_sync(struct solo_share *stage, uint64_t number) {
    Weft__Sync *sync = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SYNC), &sync);
    sync->number = number;
    tell(stage, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

void solo_share_marks(struct solo_share *stage, uint32_t peer, uint64_t ask, uint64_t answer) {
    Weft__SharedAcked *acked = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHARED_ACKED), &acked);
    acked->peer = peer;
    acked->ask = ask;
    acked->answer = answer;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_deliver(struct solo_share *stage, uint32_t peer, uint32_t session,
                        const struct bytes *bytes, size_t count, uint32_t wire_bytes) {
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(RECORDS), &records);
    records->peer = peer;
    records->session = session;
    records->wire_bytes = wire_bytes;
    records->records = arena_zero(&mail->arena, (count + 1) * sizeof *records->records);
    assert_non_null(records->records);
    records->n_records = count;
    for (size_t i = 0; i < count; i++)
        assert_true(mail_bytes(mail, &records->records[i], bytes[i].data, bytes[i].size));
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

/* ---- snapshots ---- */

static Weft__Records *new_records(struct solo_share *stage, uint32_t peer, struct mail **mail) {
    Weft__Records *records = NULL;
    *mail = solo_mail(&stage->solo, MAIL(RECORDS), &records);
    records->peer = peer;
    records->session = SOLO_SHARE_SESSION + peer;
    records->wire_bytes = 100;
    return records;
}

void solo_share_below(struct solo_share *stage, uint32_t peer, bool kept) {
    struct mail *mail = NULL;
    Weft__Records *records = new_records(stage, peer, &mail);
    records->below = true;
    records->kept = kept;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_asks(struct solo_share *stage, uint32_t peer, bool asks_records) {
    Weft__SnapshotWanted *wanted = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SNAPSHOT_WANTED), &wanted);
    wanted->peer = peer;
    wanted->records = asks_records;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_chunk(struct solo_share *stage, uint32_t peer, struct solo_chunk from) {
    struct mail *mail = NULL;
    Weft__Records *records = new_records(stage, peer, &mail);
    Weft__Chunk *chunk = records->chunk = mail_message(mail, &weft__chunk__descriptor);
    assert_non_null(chunk);
    chunk->heads = arena_zero(&mail->arena, (from.head_count + 1) * sizeof *chunk->heads);
    chunk->bodies = arena_zero(&mail->arena, sizeof *chunk->bodies);
    assert_non_null(chunk->heads);
    assert_non_null(chunk->bodies);
    for (size_t i = 0; i < from.head_count; i++)
        assert_true(mail_bytes(mail, &chunk->heads[chunk->n_heads++], from.heads[i].data,
                               from.heads[i].size));
    if (from.body.size != 0)
        assert_true(
            mail_bytes(mail, &chunk->bodies[chunk->n_bodies++], from.body.data, from.body.size));
    const struct id device = remote_of(stage, peer);
    const char *cursor = from.cursor == NULL ? "" : from.cursor;
    assert_true(mail_bytes(mail, &chunk->cursor, cursor, strlen(cursor)));
    assert_true(mail_bytes(mail, &chunk->source, device.bytes, sizeof device.bytes));
    chunk->last = from.last;
    chunk->lost = from.lost;
    chunk->busy = from.busy;
    tell(stage, ACTOR_PEER + peer, mail);
    solo_turn(&stage->solo);
}

void solo_share_freeze(struct solo_share *stage, const struct author *author) {
    Weft__Grown *grown = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(GROWN), &grown);
    const struct solo_head head = {author, author->seq};
    grown->heads = mail_heads(mail, &head, 1);
    grown->heads[0]->frozen = true;
    grown->n_heads = 1;
    grown->place = stage->place;
    tell(stage, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

void solo_share_horizon(struct solo_share *stage, const struct author *author, uint64_t pruned,
                        bool taking) {
    Weft__Grown *grown = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(GROWN), &grown);
    const struct solo_head head = {author, author->seq};
    grown->heads = mail_heads(mail, &head, 1);
    grown->heads[0]->pruned = pruned;
    grown->n_heads = 1;
    grown->place = stage->place;
    grown->taking = taking;
    tell(stage, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

void solo_share_missing(struct solo_share *stage, uint64_t missing) {
    Weft__Grown *grown = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(GROWN), &grown);
    grown->place = stage->place;
    grown->taking = true;
    grown->missing = missing;
    tell(stage, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

struct mail *solo_share_incoming(struct solo_share *stage) {
    return solo_take(&stage->solo, ACTOR_CLOCK, MAIL(RECORDS));
}

void solo_share_home(struct solo_share *stage, struct mail *mail, enum weft_status status,
                     const char *text) {
    Weft__Records *records = mail->body.records;
    records->stamp = 1;
    records->status = status;
    records->text = mail_text(mail, text);
    tell(stage, ACTOR_LOG, mail);
    solo_turn(&stage->solo);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void take_note(struct solo_notes *notes, const Weft__Mail *body) {
    if (body->body_case == MAIL(LEFT)) {
        notes->lefts++;
    } else if (body->body_case == MAIL(SHARED_REQUEST)) {
        notes->requests++;
        notes->requested = body->shared_request->n_heads;
    } else if (body->body_case == MAIL(SNAPSHOT_WANTED)) {
        const Weft__SnapshotWanted *wanted = body->snapshot_wanted;
        *(wanted->records ? &notes->wants_kept : &notes->wants) += 1;
        assert_true(wanted->cursor.len < sizeof notes->cursor);
        memset(notes->cursor, 0, sizeof notes->cursor);
        if (wanted->cursor.len != 0) memcpy(notes->cursor, wanted->cursor.data, wanted->cursor.len);
    } else {
        assert_int_equal(body->body_case, MAIL(SHARED_HELD));
        const Weft__SharedHeld *held = body->shared_held;
        notes->helds++;
        notes->held = held->n_heads;
        notes->count += held->count;
        notes->consumed += held->consumed;
        if (held->ask != 0) notes->ask = held->ask;
        if (held->answer != 0) notes->answer = held->answer;
        if (held->fault[0] != 0) snprintf(notes->fault, sizeof notes->fault, "%s", held->fault);
    }
}

/* Sorts what has come to a peer. */
static void sort(struct stage *stage, uint32_t peer) {
    for (;;) {
        struct mail *mail = solo_take(&stage->share.solo, ACTOR_PEER + peer, MAIL(SHIPMENT));
        if (mail == NULL) return;
        if (mail->body.body_case == MAIL(SHIPMENT)) {
            assert_true(stage->waiting_count[peer] < WAITING);
            stage->waiting[peer][stage->waiting_count[peer]++] = mail;
        } else {
            take_note(&stage->notes[peer], &mail->body);
            mail_drop(&mail);
        }
    }
}

struct solo_shipment solo_share_shipment(struct solo_share *share, uint32_t peer) {
    struct stage *stage = (struct stage *)share;
    struct solo_shipment out = {0};
    sort(stage, peer);
    if (stage->waiting_count[peer] == 0) return out;
    struct mail *mail = stage->waiting[peer][0];
    memmove(stage->waiting[peer], stage->waiting[peer] + 1,
            --stage->waiting_count[peer] * sizeof mail);
    const Weft__Shipment *shipment = mail->body.shipment;
    out.some = true;
    out.more = shipment->more;
    out.kept = shipment->kept;
    out.below = shipment->below;
    out.chunk = shipment->chunk != NULL;
    out.busy = out.chunk && shipment->chunk->busy;
    out.last = out.chunk && shipment->chunk->last;
    out.bodies = out.chunk ? (unsigned)shipment->chunk->n_bodies : 0;
    out.count = (unsigned)shipment->n_records;
    assert_in_range(out.count, out.chunk || out.below ? 0 : 1, LIMIT_SHIPMENT_RECORDS);
    for (unsigned i = 0; i < out.count; i++) {
        const struct bytes bytes = {shipment->records[i].data, shipment->records[i].len};
        struct record record;
        assert_int_equal(record_read(&share->scene->library.store.library, bytes, &record, NULL),
                         WEFT_OK);
        out.bytes += bytes.size;
        out.records[i].origin = record.origin;
        out.records[i].seq = record.seq;
    }
    mail_drop(&mail);
    return out;
}

struct solo_notes solo_share_notes(struct solo_share *share, uint32_t peer) {
    struct stage *stage = (struct stage *)share;
    sort(stage, peer);
    const struct solo_notes out = stage->notes[peer];
    stage->notes[peer] = (struct solo_notes){0};
    return out;
}

struct solo_notes solo_share_all_notes(struct solo_share *stage, uint32_t peer) {
    struct solo_notes sum = {0};
    for (uint32_t spent = 1; spent != 0;) {
        const struct solo_notes one = solo_share_notes(stage, peer);
        spent = one.requests + one.helds + one.wants + one.wants_kept;
        if (spent != 0) solo_share_grant(stage, peer, 0, spent);
        sum.requests += one.requests;
        sum.helds += one.helds;
        sum.wants += one.wants;
        sum.wants_kept += one.wants_kept;
        if (one.ask != 0) sum.ask = one.ask;
        if (one.answer != 0) sum.answer = one.answer;
        if (one.wants != 0) memcpy(sum.cursor, one.cursor, sizeof sum.cursor);
        if (one.fault[0] != 0) memcpy(sum.fault, one.fault, sizeof sum.fault);
    }
    return sum;
}

struct bytes solo_share_proof(struct solo_share *stage, uint64_t seq, uint64_t hlc) {
    struct scene *scene = stage->scene;
    struct record record = {.origin = scene->ann.origin, .seq = seq, .hlc = hlc};
    struct bytes bytes;
    uint8_t *out = arena_take(&scene->arena, RECORD_PROOF);
    assert_non_null(out);
    assert_int_equal(record_write(&scene->ann.identity, &record, &scene->arena, &bytes, NULL),
                     WEFT_OK);
    record_prove(&record, out);
    return (struct bytes){out, RECORD_PROOF};
}

void solo_share_later(struct solo_share *stage, uint64_t us) {
    stage->solo.now.mono_us += us;
    stage->solo.now.wall_ms += us / 1000;
    solo_turn(&stage->solo);
}
