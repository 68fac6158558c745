/* What a liar does to rows that it sends: its own, or those of another that it passes on.
 *
 *     batch ──► decompressed, unpacked ──► one row or two changed ──► packed
 *
 * Whatever it makes of a row is remembered, so that nobody is held to be wrong who believes it.
 * Deliberately not here: what makes them be told from true ones (actors/log_digest.c). */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/wire/codec.h"
#include "engine/wire/message.h"
#include "tests/sim/byzantine_private.h"

/* A batch taken apart. */
struct opened {
    Weft__Wire__Wire *wire;
    Weft__Wire__StateRows *sent;
    Weft__Rows *rows; /* NULL: it has none */
    enum table table;
    uint32_t of;
};

static bool unpack(struct byzantine *byzantine, struct mail *mail, struct opened *out) {
    const Weft__Batch *batch = mail->body.batch;
    struct bytes raw = {batch->message.data, batch->message.len};
    struct weft_error why;
    if (batch->raw_bytes &&
        zip_unpack(byzantine->zip, raw, batch->raw_bytes, &mail->arena, &raw, &why) != WEFT_OK)
        return false;
    if (message_unpack(raw, &mail->arena, &out->wire, &why) != WEFT_OK) return false;
    if (out->wire->body_case != WEFT__WIRE__WIRE__BODY_STATE_RESPONSE &&
        out->wire->body_case != WEFT__WIRE__WIRE__BODY_STATE_BATCH &&
        out->wire->body_case != WEFT__WIRE__WIRE__BODY_STATE_CHANGE)
        return false;
    out->sent = out->wire->state_response;
    out->rows = NULL;
    if (out->sent->count == 0) return true;
    const struct bytes packed = {out->sent->rows.data, out->sent->rows.len};
    return codec_unpack(packed, out->sent->after, out->sent->upto, (uint32_t)out->sent->n_columns,
                        &mail->arena, &out->rows, &why) == WEFT_OK;
}

/* Whose rows of which table these are, as the simulation numbers them. */
static bool place(const struct device *device, struct opened *opened) {
    const struct cast *cast = &device->world->cast;
    struct id owner;
    opened->of = opened->table = 0;
    while (opened->table < TABLE_COUNT &&
           strcmp(table_shapes[opened->table].name, opened->sent->model) != 0)
        opened->table++;
    if (!id_read(&owner, opened->sent->owner.data, opened->sent->owner.len)) return false;
    while (opened->of < cast->device_count && !id_equal(&cast->device[opened->of], &owner))
        opened->of++;
    return opened->table < TABLE_COUNT && opened->of < cast->device_count &&
           (!opened->rows ||
            opened->sent->n_columns == table_columns(opened->table, device->version));
}

static void pack(struct mail *mail, struct opened *opened) {
    Weft__Batch *batch = mail->body.batch;
    Weft__Wire__StateRows *sent = opened->sent;
    struct bytes packed;
    if (opened->rows) {
        const struct rows_slice slice = {opened->rows, 0, opened->rows->count};
        CHECK(codec_pack(&slice, 1, sent->after, (uint32_t)sent->n_columns, &mail->arena, &packed,
                         &sent->count) == WEFT_OK);
        sent->rows = (ProtobufCBinaryData){packed.size, (uint8_t *)(uintptr_t)packed.data};
    }
    CHECK(message_pack(&opened->wire->base, &mail->arena, &packed) == WEFT_OK);
    batch->message = (ProtobufCBinaryData){packed.size, (uint8_t *)(uintptr_t)packed.data};
    batch->raw_bytes = 0;
    batch->rows = sent->count;
}

/* Remembers what row `at` is said to be. */
static void remember(struct byzantine *byzantine, const struct opened *opened, uint32_t at) {
    const Weft__Rows *rows = opened->rows;
    uint64_t hash[COLUMNS_MAX] = {0};
    uint32_t of = 0, row = 0;
    if (rows_op(rows, at) != ROW_PUT) return;
    for (uint32_t c = 0; c < table_shapes[opened->table].column_count; c++) {
        const struct weft_value value =
            c < rows->n_columns ? rows_value(rows, at, c) : table_default(opened->table, c);
        hash[c] = value_hash(&value);
    }
    if (!keyring_find(byzantine->world->keyring, opened->table, hash, &of, &row)) return;
    if (byzantine->forged_count == byzantine->forged_room) {
        byzantine->forged_room = byzantine->forged_room * 2 + 64;
        byzantine->forged =
            realloc(byzantine->forged, byzantine->forged_room * sizeof *byzantine->forged);
        CHECK(byzantine->forged != NULL);
    }
    byzantine->forged[byzantine->forged_count++] =
        (struct forged){of, row, rows_version(rows, at), cells_digest(opened->table, hash)};
}

/* ---- lies ------------------------------------------------------------------------------------ */

static bool is_key(enum table table, uint32_t column) {
    for (uint32_t k = 0; k < table_shapes[table].key_count; k++)
        if (table_shapes[table].key[k] == column) return true;
    return false;
}

/* Row `to` gets the values of row `from`, but for its key. */
static bool give_values(const struct opened *opened, uint32_t from, uint32_t to) {
    Weft__Rows *rows = opened->rows;
    if (rows_op(rows, from) != ROW_PUT || rows_op(rows, to) != ROW_PUT || from == to) return false;
    for (uint32_t c = 0; c < rows->n_columns; c++) {
        Weft__Column *column = rows->columns[c];
        if (is_key(opened->table, c)) continue;
        column->tags.data[to] = column->tags.data[from];
        memcpy(column->cells.data + (size_t)to * 8, column->cells.data + (size_t)from * 8, 8);
    }
    return true;
}

/* Two rows change places: each gets the other's version. */
static void change_places(const struct opened *opened, uint32_t a, uint32_t b) {
    Weft__Rows *rows = opened->rows;
    uint8_t op = rows->ops.data[a], tag, cell[8];
    rows->ops.data[a] = rows->ops.data[b];
    rows->ops.data[b] = op;
    for (uint32_t c = 0; c < rows->n_columns; c++) {
        Weft__Column *column = rows->columns[c];
        uint8_t *one = column->cells.data + (size_t)a * 8,
                *other = column->cells.data + (size_t)b * 8;
        tag = column->tags.data[a];
        column->tags.data[a] = column->tags.data[b];
        column->tags.data[b] = tag;
        memcpy(cell, one, 8);
        memcpy(one, other, 8);
        memcpy(other, cell, 8);
    }
}

static void bury(const struct opened *opened, uint32_t at) {
    Weft__Rows *rows = opened->rows;
    rows->ops.data[at] = ROW_DELETE;
    for (uint32_t c = 0; c < rows->n_columns; c++)
        if (!is_key(opened->table, c)) rows->columns[c]->tags.data[at] = WEFT_NULL;
}

/* Another version that still has its place between those around it. */
static bool change_version(struct byzantine *byzantine, const struct opened *opened, uint32_t at) {
    Weft__Rows *rows = opened->rows;
    const uint64_t after = at ? rows_version(rows, at - 1) : opened->sent->after;
    const uint64_t upto =
        at + 1 < rows->count ? rows_version(rows, at + 1) - 1 : opened->sent->upto;
    const uint64_t version = rng_between(&byzantine->rng, after + 1, upto);
    if (version == rows_version(rows, at)) return false;
    rows_version_set(rows, at, version);
    return true;
}

static bool rewrite(struct byzantine *byzantine, const struct opened *opened) {
    const uint32_t at = (uint32_t)rng_below(&byzantine->rng, opened->rows->count);
    const uint32_t other = (uint32_t)rng_below(&byzantine->rng, opened->rows->count);
    const uint64_t how = rng_below(&byzantine->rng, 3);
    bool done = true;
    if (how == 0) done = give_values(opened, other, at);
    if (how == 1) done = change_version(byzantine, opened, at);
    if (how == 2) bury(opened, at);
    if (!done) return false;
    remember(byzantine, opened, at);
    byzantine_did(byzantine, FAULT_REWRITE, how);
    return true;
}

static bool withhold(struct byzantine *byzantine, const struct opened *opened) {
    const bool all = rng_chance(&byzantine->rng, 300);
    const uint32_t only = (uint32_t)rng_below(&byzantine->rng, opened->rows->count);
    for (uint32_t at = 0; at < opened->rows->count; at++)
        if (all || at == only) opened->rows->ops.data[at] = ROW_NONE;
    byzantine_did(byzantine, FAULT_WITHHOLD, 2 + all);
    return true;
}

static bool reorder(struct byzantine *byzantine, const struct opened *opened) {
    if (opened->rows->count < 2) return false;
    const uint32_t a = (uint32_t)rng_below(&byzantine->rng, opened->rows->count - 1);
    change_places(opened, a, a + 1);
    remember(byzantine, opened, a);
    remember(byzantine, opened, a + 1);
    byzantine_did(byzantine, FAULT_REORDER, 0);
    return true;
}

/* Bytes that no longer are a batch; one that still is would say what it likes of positions. */
static void malform(struct byzantine *byzantine, const struct device *device, struct mail *mail) {
    Weft__Batch *batch = mail->body.batch;
    struct opened opened;
    ProtobufCBinaryData was = batch->message, copy;
    CHECK(mail_bytes(mail, &copy, was.data, was.len));
    batch->message = copy;
    byzantine_flip(byzantine, copy.data, copy.len);
    if (unpack(byzantine, mail, &opened) && place(device, &opened)) {
        batch->message = was;
        return;
    }
    byzantine_did(byzantine, FAULT_MALFORM, 2);
}

/* That the rows are of a state which the owner will perhaps never have: nobody can compare them. */
static bool unsettle(struct byzantine *byzantine, const struct opened *opened) {
    const bool far = rng_chance(&byzantine->rng, 500);
    opened->sent->settled =
        far ? INT64_MAX : opened->sent->upto + rng_between(&byzantine->rng, 1, UINT64_C(1) << 24);
    byzantine_did(byzantine, FAULT_LIE, far);
    return true;
}

void byzantine_batch(struct byzantine *byzantine, struct device *device, struct mail *mail) {
    struct opened opened;
    bool changed = false;
    if (!unpack(byzantine, mail, &opened) || !place(device, &opened)) return;
    if (opened.rows) {
        if (byzantine_will(byzantine, FAULT_REWRITE)) changed = rewrite(byzantine, &opened);
        if (byzantine_will(byzantine, FAULT_REORDER))
            changed = reorder(byzantine, &opened) || changed;
        if (byzantine_will(byzantine, FAULT_WITHHOLD))
            changed = withhold(byzantine, &opened) || changed;
    }
    if (byzantine_will(byzantine, FAULT_LIE)) changed = unsettle(byzantine, &opened);
    if (changed) {
        byzantine->touched[opened.of][opened.table] = true;
        pack(mail, &opened);
    }
    if (byzantine_will(byzantine, FAULT_MALFORM)) malform(byzantine, device, mail);
}
