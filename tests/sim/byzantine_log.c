/* What a liar does to what it says of the shared log: heads, records, statements.
 *
 *     records      of others are signed and chained; so are statements: a changed one is no longer
 *     its own      it signs anew, and says what it likes
 *
 * Deliberately not here: rows of snapshots, which nobody signs (docs/status.md). */
#include <string.h>

#include "engine/base/check.h"
#include "engine/runtime/actor.h"
#include "engine/wire/attest.h"
#include "tests/sim/byzantine_private.h"

/* ---- heads ----------------------------------------------------------------------------------- */

static uint64_t other_number(struct byzantine *byzantine, uint64_t number) {
    switch (rng_below(&byzantine->rng, 4)) {
    case 0:
        return rng_below(&byzantine->rng, number + 1);
    case 1:
        return INT64_MAX;
    default:
        return number + rng_between(&byzantine->rng, 1, 5);
    }
}

void byzantine_heads(struct byzantine *byzantine, Weft__Head **heads, size_t *count) {
    if (*count == 0) return;
    Weft__Head *head = heads[rng_below(&byzantine->rng, *count)];
    if (byzantine_will(byzantine, FAULT_LIE)) {
        head->seq = other_number(byzantine, head->seq);
        if (rng_chance(&byzantine->rng, 300))
            byzantine_flip(byzantine, head->hash.data, head->hash.len);
        byzantine_did(byzantine, FAULT_LIE, head->seq);
    }
    if (byzantine_will(byzantine, FAULT_MALFORM)) {
        const uint64_t how = rng_below(&byzantine->rng, 3);
        if (how == 0) head->device.len = rng_below(&byzantine->rng, WEFT_ID_SIZE);
        if (how == 1) head->hash.len = rng_below(&byzantine->rng, 32);
        if (how == 2) head->seq = UINT64_MAX - rng_below(&byzantine->rng, 1000);
        byzantine_did(byzantine, FAULT_MALFORM, 3 + how);
    }
    if (byzantine_will(byzantine, FAULT_WITHHOLD)) {
        const bool all = rng_chance(&byzantine->rng, 300);
        heads[0] = heads[--*count];
        if (all) *count = 0;
        byzantine_did(byzantine, FAULT_WITHHOLD, 4 + all);
    }
}

/* ---- records --------------------------------------------------------------------------------- */

static void flags(struct byzantine *byzantine, Weft__Shipment *shipment) {
    const bool forks = byzantine->world->plan.lies[FAULT_FORK] != 0; /* plan.c */
    const uint64_t how = rng_below(&byzantine->rng, forks ? 2 : 3);
    if (how == 0) shipment->more = !shipment->more;
    if (how == 1) shipment->kept = !shipment->kept;
    if (how == 2) shipment->below = !shipment->below;
    byzantine_did(byzantine, FAULT_LIE, how);
}

/* It gives no snapshot though it could; what is in one is as it was. */
static void chunk(struct byzantine *byzantine, Weft__Chunk *chunk) {
    if (!byzantine_will(byzantine, FAULT_WITHHOLD)) return;
    chunk->n_heads = chunk->n_bodies = chunk->n_raw_sizes = 0;
    chunk->cursor.len = 0;
    chunk->last = false;
    chunk->busy = rng_chance(&byzantine->rng, 500);
    chunk->lost = !chunk->busy;
    byzantine_did(byzantine, FAULT_WITHHOLD, 6);
}

/* A record of its own is signed once more, with an op behind the others that nobody knows: so the
 * two say the same of all rows, and only who sees both can tell. */
static void fork_record(struct byzantine *byzantine, const struct device *device, struct mail *mail,
                        ProtobufCBinaryData *bytes) {
    static const uint8_t unknown[RECORD_OP_HEAD] = {0xee};
    const struct settings *settings = engine_topology(device->engine)->settings;
    const struct bytes was = {bytes->data, bytes->len};
    struct weft_error why;
    struct record record;
    struct bytes signed_anew;
    if (record_read(&settings->library, was, &record, &why) != WEFT_OK) return;
    if (!id_equal(&record.origin.device, &settings->device)) return;
    if (!byzantine_will(byzantine, FAULT_FORK)) return;
    uint8_t *ops = arena_take(&mail->arena, record.ops.size + sizeof unknown);
    CHECK(ops != NULL);
    memcpy(ops, record.ops.data, record.ops.size);
    memcpy(ops + record.ops.size, unknown, sizeof unknown);
    record.ops = (struct bytes){ops, record.ops.size + sizeof unknown};
    CHECK(record_write(settings->identity, &record, &mail->arena, &signed_anew, &why) == WEFT_OK);
    *bytes = (ProtobufCBinaryData){signed_anew.size, (uint8_t *)(uintptr_t)signed_anew.data};
    byzantine->forked = true;
    byzantine_did(byzantine, FAULT_FORK, record.seq);
}

void byzantine_records(struct byzantine *byzantine, struct device *device, struct mail *mail) {
    Weft__Shipment *shipment = mail->body.shipment;
    ProtobufCBinaryData *list = shipment->records;
    if (shipment->chunk) {
        chunk(byzantine, shipment->chunk);
        return;
    }
    if (byzantine_will(byzantine, FAULT_LIE)) flags(byzantine, shipment);
    if (shipment->n_records == 0) return;
    const size_t at = rng_below(&byzantine->rng, shipment->n_records);
    const size_t other = rng_below(&byzantine->rng, shipment->n_records);
    fork_record(byzantine, device, mail, &list[at]);
    if (byzantine_will(byzantine, FAULT_REWRITE)) {
        byzantine_flip(byzantine, list[at].data, list[at].len);
        byzantine_did(byzantine, FAULT_REWRITE, 3);
    }
    if (other != at && byzantine_will(byzantine, FAULT_REORDER)) {
        const ProtobufCBinaryData was = list[at];
        list[at] = list[other];
        list[other] = was;
        byzantine_did(byzantine, FAULT_REORDER, 1);
    }
    if (byzantine_will(byzantine, FAULT_MALFORM)) {
        list[other].len = rng_below(&byzantine->rng, list[other].len);
        byzantine_did(byzantine, FAULT_MALFORM, 6);
    }
    if (byzantine_will(byzantine, FAULT_WITHHOLD)) {
        memmove(list + at, list + at + 1, (shipment->n_records - at - 1) * sizeof list[0]);
        shipment->n_records--;
        byzantine_did(byzantine, FAULT_WITHHOLD, 7);
    }
}

/* ---- statements ------------------------------------------------------------------------------ */

/* A statement of its own says other numbers, and is signed again. `same`: under its serial, so that
 * there are two of that. */
static struct bytes sign_anew(struct byzantine *byzantine, const struct device *device,
                              const struct attest *was, bool same, struct mail *mail) {
    const struct settings *settings = engine_topology(device->engine)->settings;
    struct rng *rng = &byzantine->rng;
    struct attest_builder builder;
    struct bytes out;
    attest_begin(&builder, &mail->arena, &was->origin, was->serial + (same ? 0 : 1), was->waiting,
                 was->tables, was->table_count);
    for (uint32_t i = 0; i < was->head_count; i++) {
        struct attest_head head = attest_head_at(was, i);
        if (rng_chance(rng, 300)) head.seq = other_number(byzantine, head.seq);
        attest_add_head(&builder, &head);
    }
    attest_begin_sums(&builder);
    for (uint32_t i = 0; i < was->sum_count; i++) {
        const struct attest_table_sum sum = attest_sum_at(was, i);
        attest_add_sum(&builder, sum.table, rng_chance(rng, 300) ? rng_u64(rng) : sum.digest);
    }
    attest_begin_places(&builder);
    for (uint32_t i = 0; i < was->place_count; i++) {
        struct attest_place place = attest_place_at(was, i);
        if (rng_chance(rng, 300)) place.digest = rng_u64(rng);
        if (rng_chance(rng, 300)) place.known = !place.known;
        if (rng_chance(rng, 300)) place.position += rng_below(rng, UINT64_C(1) << 30);
        attest_add_place(&builder, &place);
    }
    CHECK(attest_end(&builder, settings->identity, &out) == WEFT_OK);
    return out;
}

static void own_statement(struct byzantine *byzantine, const struct device *device,
                          struct mail *mail, ProtobufCBinaryData *statement) {
    struct attest attest;
    const struct id *self = &device->world->cast.device[device->number];
    const bool same = rng_chance(&byzantine->rng, 500);
    if (!attest_read((struct bytes){statement->data, statement->len}, &attest)) return;
    if (!id_equal(&attest.origin.device, self)) return;
    if (!byzantine_will(byzantine, same ? FAULT_EQUIVOCATE : FAULT_LIE)) return;
    const struct bytes said = sign_anew(byzantine, device, &attest, same, mail);
    *statement = (ProtobufCBinaryData){said.size, (uint8_t *)(uintptr_t)said.data};
    byzantine_did(byzantine, same ? FAULT_EQUIVOCATE : FAULT_LIE, attest.serial);
}

void byzantine_statements(struct byzantine *byzantine, struct device *device, struct mail *mail) {
    Weft__Attested *attested = mail->body.attested;
    ProtobufCBinaryData *list = attested->statements;
    for (size_t i = 0; i < attested->n_statements; i++)
        own_statement(byzantine, device, mail, &list[i]);
    if (attested->n_statements == 0) return;
    const size_t at = rng_below(&byzantine->rng, attested->n_statements);
    if (byzantine_will(byzantine, FAULT_REWRITE)) {
        byzantine_flip(byzantine, list[at].data, list[at].len);
        byzantine_did(byzantine, FAULT_REWRITE, 4);
    }
    if (byzantine_will(byzantine, FAULT_MALFORM)) {
        list[at].len = rng_below(&byzantine->rng, list[at].len);
        byzantine_did(byzantine, FAULT_MALFORM, 7);
    }
    if (byzantine_will(byzantine, FAULT_WITHHOLD)) {
        list[at] = list[--attested->n_statements];
        byzantine_did(byzantine, FAULT_WITHHOLD, 8);
    }
}
