/* Giving snapshots: one chunk whenever a peer asks for it.
 *
 *   SnapshotWanted ─► kept, newest only ─► credit? ─► chunk read, compressed ─► shipment
 *                                             └─ this device is taking one itself: busy
 * Invariants
 *   1. While rows and heads here do not go together nothing is given, but to who unites.
 *   2. A request is answered once, with a chunk, or that this device is busy.
 * Not here: records that are never forgotten (share.c), taking (share_snapshot.c). */
#include "actors/share_private.h"
#include "engine/base/check.h"
#include "engine/base/status.h"

void share_on_snapshot_wanted(struct share *share, struct mail **in) {
    const Weft__SnapshotWanted *wanted = (*in)->body.snapshot_wanted;
    CHECK(wanted->peer < share->settings->peers);
    struct share_peer *peer = &share->peers[wanted->peer];
    if (!peer->live) return;
    if (wanted->records) {
        peer->kept_only = true;
        peer->cursor = 0;
        return;
    }
    mail_drop(&peer->chunk);
    peer->chunk = *in;
    *in = NULL;
}

static enum weft_status giver_start(struct share *share, struct weft_error *why) {
    const struct settings *settings = share->settings;
    const struct record_origin self = {settings->device, settings->incarnation};
    if (!share_zip_start(share))
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a snapshot");
    if (share->snapshots != NULL) return WEFT_OK;
    return snapshot_reader_open(settings->path, settings->vfs, settings->models, &self,
                                &settings->library, &share->snapshots, why);
}

static enum weft_status fill_bodies(struct share *share, struct mail *mail,
                                    const struct snapshot_chunk *from, Weft__Chunk *out) {
    out->bodies = arena_take(&mail->arena, (from->body_count + 1) * sizeof *out->bodies);
    out->raw_sizes = arena_take(&mail->arena, (from->body_count + 1) * sizeof *out->raw_sizes);
    if (out->bodies == NULL || out->raw_sizes == NULL) return WEFT_NO_MEMORY;
    for (uint32_t i = 0; i < from->body_count; i++) {
        struct bytes packed;
        enum weft_status status =
            zip_pack(share->zip, from->bodies[i], &mail->arena, &packed, &out->raw_sizes[i]);
        if (status != WEFT_OK) return status;
        out->bodies[i] = (ProtobufCBinaryData){packed.size, (uint8_t *)(uintptr_t)packed.data};
    }
    out->n_bodies = out->n_raw_sizes = from->body_count;
    return WEFT_OK;
}

static enum weft_status fill_chunk(struct share *share, struct mail *mail,
                                   const struct snapshot_chunk *from, Weft__Chunk *out) {
    out->heads = arena_take(&mail->arena, (from->head_count + 1) * sizeof *out->heads);
    if (out->heads == NULL) return WEFT_NO_MEMORY;
    for (uint32_t i = 0; from->proofs != NULL && i < from->head_count; i++)
        out->heads[i] =
            (ProtobufCBinaryData){from->proofs[i].size, (uint8_t *)(uintptr_t)from->proofs[i].data};
    out->n_heads = from->proofs == NULL ? 0 : from->head_count;
    out->cursor = (ProtobufCBinaryData){from->cursor.size, (uint8_t *)(uintptr_t)from->cursor.data};
    out->last = from->last;
    out->lost = from->lost;
    return fill_bodies(share, mail, from, out);
}

void share_give_chunk(struct share *share, uint32_t index, struct instant now, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    struct snapshot_chunk read = {0};
    struct weft_error why = {0};
    Weft__Shipment *shipment = NULL;
    if (!peer->live || peer->chunk == NULL || peer->shipments == 0) return;
    const ProtobufCBinaryData *cursor = &peer->chunk->body.snapshot_wanted->cursor;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SHIPMENT, &shipment);
    shipment->chunk = mail_message(mail, &weft__chunk__descriptor);
    CHECK(shipment->chunk != NULL);
    enum weft_status status = WEFT_OK;
    const bool taking = share->taking.begun || share->taking.under_way;
    if (taking && !share->taking.unite) {
        shipment->chunk->busy = true;
    } else {
        status = giver_start(share, &why);
        if (status == WEFT_OK) {
            status =
                snapshot_chunk_read(share->snapshots, (struct bytes){cursor->data, cursor->len},
                                    share->settings->chunk_bytes, &mail->arena, &read, &why);
        }
        if (status == WEFT_OK) status = fill_chunk(share, mail, &read, shipment->chunk);
    }
    if (status == WEFT_PROTOCOL) share_blame(peer, peer->session, why.text);
    if (status != WEFT_OK) {
        if (status != WEFT_PROTOCOL) share->retry_us = now.mono_us + LIMIT_RETRY_US;
        mail_drop(&mail);
        if (status == WEFT_PROTOCOL) mail_drop(&peer->chunk);
        return;
    }
    mail_drop(&peer->chunk);
    peer->shipments--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}
