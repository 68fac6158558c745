/* The peer's Hello, and what it hears and says of the shared log.
 * Invariants
 *   1. Nothing is asked of the listener before the remote's Hello has proved who it is.
 *   2. Records are passed on as they came; share and log look into them. */
#include <string.h>

#include "actors/peer_private.h"
#include "engine/wire/record.h"

#define ATTEST_US 500000u /* a message of statements in so long, but for a few at once */
#define ATTEST_BURST 16u  /* ... as come at once after a stalled link */

/* ---- the Hello ---- */

static void fill_claim(struct peer *peer, struct mail *mail, Weft__Claim *claim) {
    const struct handshake_remote *remote = session_remote(peer->session);
    claim->peer = peer->index;
    claim->session = peer->session_number;
    claim->dialled = peer->opened_here;
    claim->invite = session_mode(peer->session) == HANDSHAKE_INVITE;
    claim->incarnation = remote->incarnation;
    claim->code = handshake_code(session_channel(peer->session));
    claim->name = mail_text(mail, peer->name);
    CHECK(mail_bytes(mail, &claim->device, peer->device.bytes, sizeof peer->device.bytes));
    CHECK(mail_bytes(mail, &claim->id_pk, remote->public.id_pk, IDENTITY_KEY));
    CHECK(mail_bytes(mail, &claim->x_pk, remote->public.x_pk, IDENTITY_KEY));
    CHECK(mail_bytes(mail, &claim->cert, remote->cert, IDENTITY_CERT));
}

enum weft_status peer_hello(struct peer *peer, const Weft__Wire__Hello *hello, struct outbox *out,
                            struct weft_error *why) {
    if (peer->state != PEER_GREETING) {
        return status_fail(why, WEFT_PROTOCOL, 0, "a second Hello in one session");
    }
    const struct handshake_remote *remote = session_remote(peer->session);
    if (hello->proof.len != 64 ||
        !handshake_hello_holds(hello->proof.data, !peer->opened_here,
                               session_channel(peer->session), remote->public.id_pk,
                               peer->self.identity->public.id_pk)) {
        return status_fail(why, WEFT_DENIED, 0,
                           "the other side does not prove that it holds the identity it claims");
    }
    utf8_plain(hello->name, strlen(hello->name), peer->name, sizeof peer->name);
    peer->device = remote->device;
    board_set(peer->board->device[0], load_u64(peer->device.bytes));
    board_set(peer->board->device[1], load_u64(peer->device.bytes + 8));
    Weft__Claim *claim = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_CLAIM, &claim);
    fill_claim(peer, mail, claim);
    peer->state = PEER_CLAIMING;
    outbox_send(out, ACTOR_LISTENER, &mail);
    return WEFT_OK;
}

/* ---- from the remote ---- */

/* Heads of a message as heads of a mail; NULL when one cannot be. */
static Weft__Head **mail_heads(struct mail *mail, Weft__Wire__Head *const *heads, size_t count) {
    Weft__Head **out = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, count);
    CHECK(out != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        if (heads[i]->device.len != WEFT_ID_SIZE || heads[i]->seq > INT64_MAX ||
            heads[i]->incarnation > INT64_MAX || heads[i]->hash.len != RECORD_HASH) {
            return NULL;
        }
        CHECK(mail_bytes(mail, &out[i]->device, heads[i]->device.data, WEFT_ID_SIZE));
        CHECK(mail_bytes(mail, &out[i]->hash, heads[i]->hash.data, RECORD_HASH));
        out[i]->incarnation = heads[i]->incarnation;
        out[i]->seq = heads[i]->seq;
    }
    return out;
}

static enum weft_status on_request(struct peer *peer,
                                   const Weft__Wire__SharedChangeRequest *request,
                                   struct outbox *out, struct weft_error *why) {
    Weft__SharedWanted *wanted = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SHARED_WANTED, &wanted);
    wanted->peer = peer->index;
    wanted->heads = mail_heads(mail, request->heads, request->n_heads);
    wanted->n_heads = wanted->heads == NULL ? 0 : request->n_heads;
    if (wanted->heads == NULL && request->n_heads != 0) {
        mail_drop(&mail);
        return status_fail(why, WEFT_PROTOCOL, 0, "a SharedChangeRequest with an impossible head");
    }
    peer_emit(peer, ACTOR_SHARE, &mail, out);
    return WEFT_OK;
}

static enum weft_status on_ack(struct peer *peer, const Weft__Wire__AckSharedChanges *ack,
                               struct outbox *out, struct weft_error *why) {
    struct mail *mails[2];
    bool sound = true;
    for (int i = 0; i < 2; i++) {
        Weft__SharedAcked *acked = NULL;
        mails[i] = outbox_mail(out, WEFT__MAIL__BODY_SHARED_ACKED, &acked);
        acked->peer = peer->index;
        acked->waiting = ack->waiting;
        CHECK(mail_bytes(mails[i], &acked->device, peer->device.bytes, WEFT_ID_SIZE));
        acked->heads = mail_heads(mails[i], ack->heads, ack->n_heads);
        acked->n_heads = acked->heads == NULL ? 0 : ack->n_heads;
        sound = sound && (acked->heads != NULL || ack->n_heads == 0);
    }
    if (!sound) {
        mail_drop(&mails[0]);
        mail_drop(&mails[1]);
        return status_fail(why, WEFT_PROTOCOL, 0, "an AckSharedChanges with an impossible head");
    }
    peer_emit(peer, ACTOR_SHARE, &mails[0], out);
    outbox_send(out, ACTOR_LOG, &mails[1]);
    return WEFT_OK;
}

/* What more comes of a remote than one message in a while is passed over: statements are repeated
 * by the next, and each costs a signature to look at. */
static bool attest_allowed(struct peer *peer) {
    const uint64_t now_us = peer->heard_us, burst_us = ATTEST_BURST * ATTEST_US;
    uint64_t from = peer->attest_us;
    if (from + burst_us < now_us) from = now_us - burst_us;
    if (from + ATTEST_US > now_us) return false;
    peer->attest_us = from + ATTEST_US;
    return true;
}

static enum weft_status on_attest(struct peer *peer, const Weft__Wire__Attest *attest,
                                  struct outbox *out, struct weft_error *why) {
    Weft__Attested *attested = NULL;
    if (attest->n_statements > LIMIT_ROSTER) {
        return status_fail(why, WEFT_PROTOCOL, 0, "an Attest with more statements than devices");
    }
    if (!attest_allowed(peer)) return WEFT_OK;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ATTESTED, &attested);
    attested->peer = peer->index;
    attested->statements =
        arena_zero(&mail->arena, attest->n_statements * sizeof *attested->statements + 1);
    bool room = attested->statements != NULL;
    for (size_t i = 0; i < attest->n_statements && room; i++) {
        room = mail_bytes(mail, &attested->statements[i], attest->statements[i].data,
                          attest->statements[i].len);
        attested->n_statements += room;
    }
    if (!room) {
        mail_drop(&mail);
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for received statements");
    }
    peer_emit(peer, ACTOR_LOG, &mail, out);
    return WEFT_OK;
}

/* A list of bytes of a message as one of a mail; false without memory. */
static bool mail_list(struct mail *mail, const ProtobufCBinaryData *list, size_t count,
                      ProtobufCBinaryData **out, size_t *out_count) {
    *out = arena_zero(&mail->arena, count * sizeof **out + 1);
    bool room = *out != NULL;
    for (size_t i = 0; i < count && room; i++) {
        room = mail_bytes(mail, &(*out)[i], list[i].data, list[i].len);
        *out_count += room;
    }
    return room;
}

static enum weft_status emit_records(struct peer *peer, struct mail *mail, bool room,
                                     uint32_t wire_bytes, struct outbox *out,
                                     struct weft_error *why) {
    Weft__Records *records = mail->body.records;
    if (!room) {
        mail_drop(&mail);
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for received records");
    }
    records->peer = peer->index;
    records->session = peer->session_number;
    records->wire_bytes = wire_bytes;
    peer->records_in++;
    peer_emit(peer, ACTOR_SHARE, &mail, out);
    return WEFT_OK;
}

static enum weft_status on_records(struct peer *peer, const Weft__Wire__SharedRecords *message,
                                   uint32_t wire_bytes, struct outbox *out,
                                   struct weft_error *why) {
    Weft__Records *records = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RECORDS, &records);
    bool room = mail_list(mail, message->records, message->n_records, &records->records,
                          &records->n_records);
    records->kept = message->kept;
    records->below = message->below;
    return emit_records(peer, mail, room, wire_bytes, out, why);
}

/* ---- snapshots ---- */

static bool mail_numbers(struct mail *mail, const uint32_t *sizes, size_t count,
                         Weft__Chunk *chunk) {
    chunk->raw_sizes = arena_take(&mail->arena, count * sizeof *sizes + 1);
    if (chunk->raw_sizes == NULL) return false;
    if (count != 0) memcpy(chunk->raw_sizes, sizes, count * sizeof *sizes);
    chunk->n_raw_sizes = count;
    return true;
}

static enum weft_status on_chunk(struct peer *peer, const Weft__Wire__SnapshotChunk *message,
                                 uint32_t wire_bytes, struct outbox *out, struct weft_error *why) {
    Weft__Records *records = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RECORDS, &records);
    Weft__Chunk *chunk = mail_message(mail, &weft__chunk__descriptor);
    CHECK(chunk != NULL);
    records->chunk = chunk;
    bool room =
        mail_list(mail, message->heads, message->n_heads, &chunk->heads, &chunk->n_heads) &&
        mail_list(mail, message->bodies, message->n_bodies, &chunk->bodies, &chunk->n_bodies) &&
        mail_bytes(mail, &chunk->cursor, message->cursor.data, message->cursor.len) &&
        mail_numbers(mail, message->raw_sizes, message->n_raw_sizes, chunk) &&
        mail_bytes(mail, &chunk->source, peer->device.bytes, WEFT_ID_SIZE);
    chunk->last = message->last;
    chunk->lost = message->lost;
    chunk->busy = message->busy;
    return emit_records(peer, mail, room, wire_bytes, out, why);
}

static enum weft_status on_snapshot_request(struct peer *peer,
                                            const Weft__Wire__SnapshotRequest *request,
                                            struct outbox *out, struct weft_error *why) {
    Weft__SnapshotWanted *wanted = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SNAPSHOT_WANTED, &wanted);
    if (request->cursor.len > LIMIT_CURSOR) {
        mail_drop(&mail);
        return status_fail(why, WEFT_PROTOCOL, 0, "a SnapshotRequest with an impossible cursor");
    }
    wanted->peer = peer->index;
    wanted->records = request->records;
    CHECK(mail_bytes(mail, &wanted->cursor, request->cursor.data, request->cursor.len));
    peer_emit(peer, ACTOR_SHARE, &mail, out);
    return WEFT_OK;
}

enum weft_status peer_shared(struct peer *peer, const Weft__Wire__Wire *wire, uint32_t wire_bytes,
                             struct outbox *out, struct weft_error *why) {
    switch (wire->body_case) {
    case WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST:
        return on_request(peer, wire->shared_change_request, out, why);
    case WEFT__WIRE__WIRE__BODY_ACK_SHARED_CHANGES:
        return on_ack(peer, wire->ack_shared_changes, out, why);
    case WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_RESPONSE:
    case WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_BATCH:
    case WEFT__WIRE__WIRE__BODY_SHARED_CHANGE:
        return on_records(peer, wire->shared_change, wire_bytes, out, why);
    case WEFT__WIRE__WIRE__BODY_ATTEST:
        return on_attest(peer, wire->attest, out, why);
    case WEFT__WIRE__WIRE__BODY_SNAPSHOT_REQUEST:
        return on_snapshot_request(peer, wire->snapshot_request, out, why);
    case WEFT__WIRE__WIRE__BODY_SNAPSHOT_CHUNK:
        return on_chunk(peer, wire->snapshot_chunk, wire_bytes, out, why);
    default:
        return WEFT_OK;
    }
}
