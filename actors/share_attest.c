/* Statements of what devices hold, passed on: each to every peer but its own device.
 * Invariants
 *   1. Of a device the newest statement is kept, as the log has judged it.
 *   2. Statements go to a peer in the order in which they came, one mail a second.
 * Not here: whether a statement may be believed, and what follows from it (log_attest.c). */
#include <stdlib.h>

#include "actors/share_private.h"
#include "engine/base/check.h"
#include "engine/wire/attest.h"

static struct statement *statement_of(struct share *share, const struct id *device) {
    for (uint32_t i = 0; i < share->statement_count; i++) {
        if (id_equal(&share->statements[i].device, device)) return &share->statements[i];
    }
    if (share->statement_count == LIMIT_ROSTER) return NULL;
    share->statements[share->statement_count] = (struct statement){.device = *device};
    return &share->statements[share->statement_count++];
}

static bool statement_grow(struct statement *statement, size_t size) {
    uint8_t *data = realloc(statement->data, size);
    if (data == NULL) return false;
    statement->data = data;
    return true;
}

void share_on_attested(struct share *share, const Weft__Attested *attested) {
    for (size_t i = 0; i < attested->n_statements; i++) {
        const ProtobufCBinaryData *bytes = &attested->statements[i];
        struct attest attest;
        CHECK(attest_read((struct bytes){bytes->data, bytes->len}, &attest));
        struct statement *statement = statement_of(share, &attest.origin.device);
        if (statement == NULL || !statement_grow(statement, bytes->len)) continue;
        memcpy(statement->data, bytes->data, bytes->len);
        statement->size = bytes->len;
        statement->version = ++share->statement_version;
    }
}

const struct statement *share_next_statement(const struct share *share,
                                             const struct share_peer *peer, uint64_t after) {
    const struct statement *next = NULL;
    for (uint32_t i = 0; i < share->statement_count; i++) {
        const struct statement *statement = &share->statements[i];
        if (statement->version <= after || id_equal(&statement->device, &peer->device)) continue;
        if (next == NULL || statement->version < next->version) next = statement;
    }
    return next;
}

void share_repeat_statements(struct share *share, struct instant now) {
    if (share->statement_count == 0 || now.mono_us < share->repeat_us) return;
    for (uint32_t p = 0; p < share->settings->peers; p++)
        share->peers[p].attested = 0;
    share->repeat_us = now.mono_us + SHARE_REPEAT_US;
}

void share_send_attested(struct share *share, uint32_t index, struct instant now,
                         struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    if (peer->notes == 0 || now.mono_us < peer->attest_us) return;
    const struct statement *next = share_next_statement(share, peer, peer->attested);
    if (next == NULL) return;
    Weft__Attested *attested = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ATTESTED, &attested);
    attested->statements =
        arena_zero(&mail->arena, share->statement_count * sizeof *attested->statements);
    CHECK(attested->statements != NULL);
    for (size_t bytes = 0; next != NULL && bytes + next->size <= 2 * LIMIT_ATTEST;) {
        CHECK(mail_bytes(mail, &attested->statements[attested->n_statements++], next->data,
                         next->size));
        bytes += next->size;
        peer->attested = next->version;
        next = share_next_statement(share, peer, peer->attested);
    }
    peer->attest_us = now.mono_us + SHARE_ATTEST_US;
    peer->notes--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}
