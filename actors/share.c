/* See share.h. Invariants
 *   1. heads never run ahead of what is committed and synced here: they move by mails of the log.
 *   2. A remote is sent every record after its cursor that it does not hold, in the order of
 *      places; a cursor moves only past what was handed over or is held there.
 *   3. What leaves for a peer is covered by its credit: shipments by shipments, notes by notes.
 *   4. Every mail of records that came in is said to be dealt with exactly once.
 * Not here: whether a record may be taken (log), sealing and framing (peer). */
#include "actors/share.h"

#include <stdlib.h>

#include "actors/share_private.h"
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/hlc.h"
#include "engine/store/shared.h"

#define SHARE_ALL UINT32_MAX

/* ---- records out ---- */

static void tail_restart(struct share *share, uint64_t after) {
    arena_drop(&share->tail);
    arena_init(&share->tail, share->pool);
    share->tail_count = 0;
    share->tail_after = share->tail_upto = after;
}

static enum weft_status tail_extend(struct share *share, struct weft_error *why) {
    bool more = share->tail_upto < share->place;
    while (more) {
        struct shared_entry *list = NULL;
        uint32_t count = 0;
        if (share->tail.bytes > SHARE_TAIL_BYTES ||
            share->tail_count + LIMIT_SHIPMENT_RECORDS > SHARE_TAIL_RECORDS) {
            tail_restart(share, share->tail_upto);
        }
        enum weft_status status =
            shared_reader_after(share->reader, share->tail_upto, LIMIT_SHIPMENT_RECORDS,
                                LIMIT_SHIPMENT, &share->tail, &list, &count, &more, why);
        if (status != WEFT_OK) return status;
        if (count == 0) break;
        memcpy(share->tail_list + share->tail_count, list, count * sizeof *list);
        share->tail_count += count;
        share->tail_upto = list[count - 1].place;
    }
    return WEFT_OK;
}

struct shipping {
    struct mail *mail;
    Weft__Shipment *shipment;
    const struct heads *held; /* here, with all records up to `place` */
    uint64_t place;
    size_t bytes;
    uint32_t room; /* for records: few have many, and a hub sends thousands */
};

static void shipping_grow(struct shipping *shipping) {
    Weft__Shipment *shipment = shipping->shipment;
    if (shipment->n_records < shipping->room) return;
    const uint32_t room = shipping->room == 0 ? 8 : shipping->room * 2;
    shipment->records =
        arena_grow(&shipping->mail->arena, shipment->records,
                   shipping->room * sizeof *shipment->records, room * sizeof *shipment->records);
    CHECK(shipment->records != NULL);
    shipping->room = room;
}

/* Puts a record into the shipment unless the remote holds it; false when there is no room. */
static bool ship(struct share_peer *peer, const struct shared_entry *entry,
                 struct shipping *shipping) {
    Weft__Shipment *shipment = shipping->shipment;
    if (heads_seq(&peer->remote, &entry->origin) >= entry->seq) return true;
    if (peer->kept_only && !entry->keep) return true;
    /* One that is kept before those ahead of it are here goes with what is kept only. */
    const bool ahead = entry->keep && entry->place <= shipping->place &&
                       heads_seq(shipping->held, &entry->origin) < entry->seq;
    if (!peer->kept_only && ahead) return true;
    if (shipment->n_records == LIMIT_SHIPMENT_RECORDS) return false;
    if (shipment->n_records != 0 && shipping->bytes + entry->record.size > LIMIT_SHIPMENT) {
        return false;
    }
    shipping_grow(shipping);
    struct shared_head *head = peer->kept_only ? NULL : heads_add(&peer->remote, &entry->origin);
    CHECK(mail_bytes(shipping->mail, &shipment->records[shipment->n_records], entry->record.data,
                     entry->record.size));
    shipment->n_records++;
    shipping->bytes += entry->record.size;
    if (head != NULL) head->seq = entry->seq;
    return true;
}

/* Fills a shipment from the tail, or, for a remote that is further behind, from the disk. */
static enum weft_status load(struct share *share, struct share_peer *peer,
                             struct shipping *shipping, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    bool room = true;
    if (peer->cursor >= share->tail_after) {
        for (uint32_t i = 0; i < share->tail_count && room; i++) {
            const struct shared_entry *entry = &share->tail_list[i];
            if (entry->place <= peer->cursor) continue;
            room = ship(peer, entry, shipping);
            if (room) peer->cursor = entry->place;
        }
        if (room && peer->cursor < share->tail_upto) peer->cursor = share->tail_upto;
        return WEFT_OK;
    }
    struct arena arena;
    struct shared_entry *list = NULL;
    uint32_t count = 0;
    bool more = false;
    arena_init(&arena, share->pool);
    status = shared_reader_after(share->reader, peer->cursor, LIMIT_SHIPMENT_RECORDS,
                                 LIMIT_SHIPMENT, &arena, &list, &count, &more, why);
    for (uint32_t i = 0; status == WEFT_OK && i < count && room; i++) {
        room = ship(peer, &list[i], shipping);
        if (room) peer->cursor = list[i].place;
    }
    if (status == WEFT_OK && room && !more) peer->cursor = share->place;
    arena_drop(&arena);
    return status;
}

/* Hands one shipment to a peer; false when there was nothing to send, or it may have no more. */
static bool serve(struct share *share, uint32_t index, struct instant now, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    struct weft_error why = {0};
    if (!peer->live || peer->shipments == 0 || peer->cursor == SHARE_NOWHERE) return false;
    if (peer->cursor >= share->place && !peer->kept_only) return false;
    struct shipping shipping = {.held = &share->heads, .place = share->place};
    shipping.mail = outbox_mail(out, WEFT__MAIL__BODY_SHIPMENT, &shipping.shipment);
    enum weft_status status = tail_extend(share, &why);
    while (status == WEFT_OK && shipping.shipment->n_records == 0 && peer->cursor < share->place) {
        const uint64_t before = peer->cursor;
        status = load(share, peer, &shipping, &why);
        if (status == WEFT_OK && peer->cursor == before)
            break; /* The disk has less than was said. */
    }
    if (status != WEFT_OK) share->retry_us = now.mono_us + LIMIT_RETRY_US;
    const bool end = status == WEFT_OK && peer->kept_only && peer->cursor >= share->place;
    if (shipping.shipment->n_records == 0 && !end) {
        mail_drop(&shipping.mail);
        return false;
    }
    shipping.shipment->more = peer->cursor < share->place;
    shipping.shipment->kept = peer->kept_only;
    shipping.shipment->below = end;
    if (end) {
        peer->kept_only = false;
        peer->cursor = SHARE_NOWHERE;
    }
    peer->shipments--;
    outbox_send(out, ACTOR_PEER + index, &shipping.mail);
    return true;
}

/* Tells a remote that it lies below the horizon: it gets nothing more until it asks from above. */
static void tell_below(struct share *share, uint32_t index, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    Weft__Shipment *shipment = NULL;
    if (!peer->live || !peer->say_below || peer->shipments == 0) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SHIPMENT, &shipment);
    shipment->below = true;
    peer->say_below = false;
    peer->shipments--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}

/* ---- notes ---- */

static void send_request(struct share *share, uint32_t index, struct instant now,
                         struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    if (peer->asked || peer->notes == 0 || peer->under_way != 0 || now.mono_us < peer->retry_us) {
        return;
    }
    Weft__SharedRequest *request = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SHARED_REQUEST, &request);
    request->heads = heads_mail(&share->heads, mail, &request->n_heads);
    peer->asked = true;
    peer->notes--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}

static void send_held(struct share *share, uint32_t index, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    /* What is held is told when all of it is: not while a snapshot is being taken. */
    const bool taking = share->taking.begun || share->taking.under_way;
    uint64_t ask = 0, answer = 0;
    share_sync_next(share, peer, &ask, &answer);
    /* With an ask or an answer all is said again: a request may have let it be forgotten. */
    const bool marks = ask != 0 || answer != 0;
    const bool news = marks || (peer->told != share->version && !taking);
    if (peer->notes == 0 || (!news && peer->done == 0 && peer->fault[0] == 0)) return;
    Weft__SharedHeld *held = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SHARED_HELD, &held);
    if (news) held->heads = heads_mail(&share->heads, mail, &held->n_heads);
    held->waiting = share->waiting;
    held->consumed = peer->done_bytes;
    held->count = peer->done;
    if (peer->fault[0] != 0) held->fault = mail_text(mail, peer->fault);
    held->ask = ask;
    held->answer = answer;
    share_sync_said(peer, ask, answer);
    if (news) peer->told = share->version;
    peer->done = peer->done_bytes = 0;
    peer->fault[0] = 0;
    peer->notes--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}

/* ---- records in ---- */

void share_done(struct share_peer *peer, uint32_t session, uint32_t bytes) {
    if (!peer->live || peer->session != session) return;
    peer->done++;
    peer->done_bytes += bytes;
}

void share_blame(struct share_peer *peer, uint32_t session, const char *text) {
    if (!peer->live || peer->session != session) return;
    size_t size = strnlen(text, sizeof peer->fault - 1);
    memcpy(peer->fault, text, size);
    peer->fault[size] = 0;
}

static void on_arrived(struct share *share, struct instant now, struct mail **in,
                       struct outbox *out) {
    Weft__Records *records = (*in)->body.records;
    CHECK(records->peer < share->settings->peers);
    struct share_peer *peer = &share->peers[records->peer];
    struct weft_error why = {0};
    enum weft_status status = WEFT_OK;
    if (!peer->live || peer->session != records->session) return;
    if (records->chunk != NULL) {
        if (!share_on_chunk(share, now, in, out))
            share_done(peer, records->session, records->wire_bytes);
        return;
    }
    if (records->kept && !peer->asked_kept) {
        share_blame(peer, records->session, "records out of their order, that nobody asked for");
        share_done(peer, records->session, records->wire_bytes);
        return;
    }
    if (records->kept) share_still_giving(share, peer);
    for (size_t i = 0; i < records->n_records && status == WEFT_OK; i++) {
        struct record record;
        struct bytes bytes = {records->records[i].data, records->records[i].len};
        status = record_read(&share->settings->library, bytes, &record, &why);
        /* The clock passes all that will be applied; one that has to wait must not keep it. */
        bool waits = hlc_ms(record.hlc) > now.wall_ms + LIMIT_CLOCK_AHEAD_MS;
        if (status == WEFT_OK && !waits && record.hlc > records->hlc) records->hlc = record.hlc;
    }
    if (status != WEFT_OK) {
        share_blame(peer, records->session, why.text);
        share_done(peer, records->session, records->wire_bytes);
        return;
    }
    /* The end of what is kept waits for the mails before it. */
    const bool in_turn = records->kept && peer->under_way != 0;
    if (records->below && records->n_records == 0 && !in_turn) {
        share_on_below(share, now, records->peer, records->kept, out);
        share_done(peer, records->session, records->wire_bytes);
        return;
    }
    peer->under_way++;
    outbox_send(out, ACTOR_CLOCK, in);
}

void share_settle_left(struct share *share, uint32_t index, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    if (peer->under_way == 0 && peer->left != NULL) {
        outbox_send(out, ACTOR_PEER + index, &peer->left);
    }
}

/* They have come home from the log. */
static void on_taken(struct share *share, struct instant now, struct mail **in,
                     struct outbox *out) {
    const Weft__Records *records = (*in)->body.records;
    CHECK(records->peer < share->settings->peers);
    struct share_peer *peer = &share->peers[records->peer];
    CHECK(peer->under_way > 0);
    peer->under_way--;
    const bool here = peer->live && peer->session == records->session;
    if (records->status == WEFT_PROTOCOL || records->status == WEFT_DENIED) {
        share_blame(peer, records->session, records->text);
    } else if (records->status != WEFT_OK) {
        /* A gap, an origin not known yet, or a full disk: to be asked for again. */
        peer->asked = false;
        peer->kept_missed = peer->kept_missed || (here && records->kept);
        peer->retry_us = now.mono_us + ((uint64_t)LIMIT_RETRY_US << peer->refused);
        if (peer->refused < SHARE_BACKOFF) peer->refused++;
    } else {
        peer->refused = 0;
    }
    if (records->below && here && (records->status == WEFT_OK || records->kept))
        share_on_below(share, now, records->peer, records->kept, out);
    share_done(peer, records->session, records->wire_bytes);
    share_settle_left(share, records->peer, out);
}

/* ---- mails ---- */

static void on_joined(struct share *share, const Weft__Joined *joined) {
    CHECK(joined->peer < share->settings->peers && !share->peers[joined->peer].live);
    struct share_peer *peer = &share->peers[joined->peer];
    CHECK(peer->under_way == 0 && peer->left == NULL);
    *peer = (struct share_peer){.live = true, .session = joined->session, .cursor = SHARE_NOWHERE};
    CHECK(id_read(&peer->device, joined->device.data, joined->device.len));
    share_sync_joined(share, peer);
}

static void on_left(struct share *share, uint32_t index, struct mail **in, struct outbox *out) {
    CHECK(index < share->settings->peers && share->peers[index].live);
    struct share_peer *peer = &share->peers[index];
    heads_free(&peer->remote);
    share_sync_left(share, index);
    share_forget_peer(share, index);
    *peer = (struct share_peer){.under_way = peer->under_way, .cursor = SHARE_NOWHERE};
    if (peer->under_way == 0) {
        outbox_send(out, ACTOR_PEER + index, in);
    } else {
        peer->left = *in;
        *in = NULL;
    }
}

static void on_granted(struct share *share, const Weft__Granted *granted) {
    CHECK(granted->peer < share->settings->peers);
    struct share_peer *peer = &share->peers[granted->peer];
    if (!peer->live) return;
    peer->shipments += granted->batches;
    peer->notes += granted->notes;
    CHECK(peer->shipments <= LIMIT_PEER_SHIPMENTS && peer->notes <= 2);
}

static void on_wanted(struct share *share, const Weft__SharedWanted *wanted) {
    CHECK(wanted->peer < share->settings->peers);
    struct share_peer *peer = &share->peers[wanted->peer];
    if (!peer->live) return;
    /* It may hold less than was thought: what was sent may have been refused. */
    heads_free(&peer->remote);
    heads_raise(&peer->remote, wanted->heads, wanted->n_heads);
    peer->told_below = peer->say_below = heads_below(&share->heads, &peer->remote);
    /* What is never forgotten goes on to its end, which is waited for; then it asks again. */
    if (peer->kept_only) return;
    peer->cursor = SHARE_NOWHERE;
    if (peer->told_below) return;
    if (share_first_lacked(share, &peer->remote, &peer->cursor, NULL) != WEFT_OK) peer->cursor = 0;
}

static void on_acked(struct share *share, const Weft__SharedAcked *acked) {
    CHECK(acked->peer < share->settings->peers);
    struct share_peer *peer = &share->peers[acked->peer];
    if (!peer->live) return;
    heads_raise(&peer->remote, acked->heads, acked->n_heads);
    if (acked->ask != 0 || acked->answer != 0) share_sync_acked(share, peer, acked);
}

/* A snapshot of our own may have raised the horizon past who is served. */
static void look_below(const struct share *share, struct share_peer *peer) {
    if (!peer->live || peer->kept_only || peer->cursor == SHARE_NOWHERE) return;
    if (!heads_below(&share->heads, &peer->remote)) return;
    peer->told_below = peer->say_below = true;
    peer->cursor = SHARE_NOWHERE;
}

static void on_grown(struct share *share, const Weft__Grown *grown) {
    heads_raise(&share->heads, grown->heads, grown->n_heads);
    share_follow_taking(share, grown->taking, grown->missing);
    share->waiting = grown->waiting;
    if (grown->place > share->place) share->place = grown->place;
    /* What was missing may have come: a pin, a member, the records before. */
    for (uint32_t p = 0; p < share->settings->peers; p++)
        share->peers[p].retry_us = 0;
    for (uint32_t p = 0; !share->taking.begun && p < share->settings->peers; p++)
        look_below(share, &share->peers[p]);
    share->version++;
}

/* The peer that a mail is about, if it changes nothing for any other; SHARE_ALL else. */
static uint32_t concerns(const struct share *share, const Weft__Mail *body) {
    if (share->taking.stage != TAKING_NONE) return SHARE_ALL;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_GRANTED:
        return body->granted->peer;
    case WEFT__MAIL__BODY_SHARED_ACKED:
        return body->shared_acked->peer;
    case WEFT__MAIL__BODY_JOINED:
        return body->joined->peer;
    default:
        return SHARE_ALL;
    }
}

static uint64_t peer_due(const struct share *share, const struct share_peer *peer) {
    uint64_t due = DUE_NEVER;
    if (!peer->live || peer->notes == 0) return due;
    if (!peer->asked && peer->under_way == 0) due = peer->retry_us;
    if (peer->attest_us < due && share_next_statement(share, peer, peer->attested) != NULL)
        due = peer->attest_us;
    return due;
}

/* Says and sends what can be to one peer. */
static void attend(struct share *share, uint32_t index, struct instant now, struct outbox *out) {
    const struct share_peer *peer = &share->peers[index];
    if (!peer->live) return;
    share_sync_look(share, index, out);
    send_held(share, index, out);
    send_request(share, index, now, out);
    share_send_attested(share, index, now, out);
    tell_below(share, index, out);
    if (share->retry_us == DUE_NEVER) share_give_chunk(share, index, now, out);
    while (share->retry_us == DUE_NEVER && serve(share, index, now, out))
        continue;
    const uint64_t due = peer_due(share, peer);
    if (due < share->due_us) share->due_us = due;
}

static void share_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct share *share = self;
    const Weft__Mail *body = &(*in)->body;
    uint32_t one = concerns(share, body);
    switch (body->body_case) {
    case WEFT__MAIL__BODY_GROWN:
        on_grown(share, body->grown);
        break;
    case WEFT__MAIL__BODY_RECORDS:
        if (body->records->stamp == 0) {
            on_arrived(share, now, in, out);
        } else if (body->records->chunk != NULL) {
            share_chunk_taken(share, now, in, out);
        } else {
            on_taken(share, now, in, out);
        }
        break;
    case WEFT__MAIL__BODY_SYNC:
        share_sync(share, body->sync);
        break;
    case WEFT__MAIL__BODY_ATTESTED:
        share_on_attested(share, body->attested);
        break;
    case WEFT__MAIL__BODY_SHARED_WANTED:
        on_wanted(share, body->shared_wanted);
        break;
    case WEFT__MAIL__BODY_REPAIR:
        share_on_repair(share, body->repair);
        break;
    case WEFT__MAIL__BODY_SNAPSHOT_WANTED:
        share_on_snapshot_wanted(share, in);
        break;
    case WEFT__MAIL__BODY_SHARED_ACKED:
        on_acked(share, body->shared_acked);
        break;
    case WEFT__MAIL__BODY_GRANTED:
        on_granted(share, body->granted);
        break;
    case WEFT__MAIL__BODY_JOINED:
        on_joined(share, body->joined);
        break;
    case WEFT__MAIL__BODY_LEFT:
        on_left(share, body->left->peer, in, out);
        break;
    default: /* Tick */
        break;
    }
    if (share->retry_us != DUE_NEVER && now.mono_us >= share->retry_us) {
        share->retry_us = DUE_NEVER;
        one = SHARE_ALL;
    }
    if (one != SHARE_ALL) {
        attend(share, one, now, out);
        return;
    }
    share_ask(share, now, out);
    share_repeat_statements(share, now);
    share->due_us = DUE_NEVER;
    for (uint32_t p = 0; p < share->settings->peers; p++)
        attend(share, p, now, out);
}

static uint64_t share_due(const void *self) {
    const struct share *share = self;
    uint64_t due = share_ask_due(share);
    if (share->statement_count != 0 && share->repeat_us < due) due = share->repeat_us;
    if (share->retry_us < due) due = share->retry_us;
    return share->due_us < due ? share->due_us : due;
}

static void share_stop(void *self) {
    struct share *share = self;
    for (uint32_t p = 0; share->peers != NULL && p < share->settings->peers; p++) {
        heads_free(&share->peers[p].remote);
        share_sync_free(&share->peers[p]);
        mail_drop(&share->peers[p].left);
        mail_drop(&share->peers[p].chunk);
    }
    share_snapshot_stop(share);
    for (uint32_t i = 0; i < share->statement_count; i++)
        free(share->statements[i].data);
    free(share->peers);
    heads_free(&share->heads);
    arena_drop(&share->tail);
    if (share->reader != NULL) shared_reader_close(share->reader);
}

struct head_load {
    struct share *share;
    bool failed;
};

static void load_head(void *context, const struct shared_head *head) {
    struct head_load *load = context;
    if (head->seq == 0) return; /* An origin with a number in the file, and without a record. */
    struct shared_head *mine = heads_add(&load->share->heads, &head->origin);
    if (mine == NULL) load->failed = true;
    if (mine != NULL) *mine = *head;
}

static enum weft_status share_start(void *self, const struct actor_seed *seed,
                                    struct weft_error *why) {
    struct share *share = self;
    const struct settings *settings = seed->settings;
    struct head_load load = {share, false};
    share->settings = settings;
    share->pool = seed->pool;
    share->retry_us = share->due_us = DUE_NEVER;
    share->version = 1; /* What lies here from before is news to every new session. */
    arena_init(&share->tail, seed->pool);
    share->peers = calloc(settings->peers, sizeof *share->peers);
    if (share->peers == NULL) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the share actor");
    }
    enum weft_status status =
        shared_reader_open(settings->path, settings->vfs, &share->reader, why);
    if (status == WEFT_OK) {
        status = shared_reader_heads(share->reader, &load, load_head, &share->place, why);
    }
    if (status == WEFT_OK && load.failed) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the share actor");
    }
    tail_restart(share, share->place);
    if (status == WEFT_OK) status = shared_reader_waits(share->reader, &share->waiting, why);
    if (status == WEFT_OK) status = share_snapshot_start(share, why);
    if (status != WEFT_OK) share_stop(share);
    return status;
}

const struct actor_kind share_actor = {
    .name = "share",
    .state_size = sizeof(struct share),
    .emit_max = 1,
    .start = share_start,
    .step = share_step,
    .due_us = share_due,
    .stop = share_stop,
};
