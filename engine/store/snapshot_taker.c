/* Merging rows of a snapshot.
 *
 *   row of the body ─► stamps by the origins here ─► what is covered here, and not there, goes
 *                                                 └► what is covered there is merged ─► place
 *
 * Not here: what a body's bytes must be (wire/snapshot.h), and rows that no chunk named
 * (snapshot_sweep.c). */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/snapshot_taker_private.h"

/* ---- takers ---------------------------------------------------------------------------------- */

static int by_origin(const void *a, const void *b) {
    const struct snapshot_head *x = a, *y = b;
    return record_origin_compare(&x->origin, &y->origin);
}

enum weft_status snapshot_taker_new(const struct shared_head *heads, uint32_t count,
                                    struct snapshot_taker **out, struct weft_error *why) {
    *out = NULL;
    if (count > LIMIT_ORIGINS) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "a snapshot names %u origins, of %u at most; the sender is at fault, so "
                           "nothing of it is used",
                           count, LIMIT_ORIGINS);
    }
    struct snapshot_taker *taker = calloc(1, sizeof *taker);
    if (taker != NULL) taker->heads = calloc((size_t)count + 1, sizeof *taker->heads);
    if (taker == NULL || taker->heads == NULL) {
        free(taker);
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a snapshot");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (heads[i].seq == 0) continue;
        taker->heads[taker->head_count++] = (struct snapshot_head){heads[i].origin, heads[i].hlc};
    }
    qsort(taker->heads, taker->head_count, sizeof *taker->heads, by_origin);
    *out = taker;
    return WEFT_OK;
}

enum weft_status snapshot_own(struct snapshot_taker *taker, const struct shared_head *heads,
                              uint32_t count, const struct id *removed, uint32_t removed_count,
                              struct weft_error *why) {
    CHECK(count <= LIMIT_ORIGINS && removed_count <= LIMIT_ROSTER);
    if (taker->own == NULL) taker->own = calloc(LIMIT_ORIGINS, sizeof *taker->own);
    if (taker->own == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a snapshot");
    for (uint32_t i = 0; i < count; i++)
        taker->own[i] = (struct snapshot_head){heads[i].origin, heads[i].hlc};
    taker->own_count = count;
    qsort(taker->own, count, sizeof *taker->own, by_origin);
    taker->removed_count = removed_count;
    if (removed_count != 0) memcpy(taker->removed, removed, removed_count * sizeof removed[0]);
    taker->own_known = true;
    return WEFT_OK;
}

void snapshot_unite(struct snapshot_taker *taker) {
    taker->unite = true;
}

void snapshot_taker_free(struct snapshot_taker *taker) {
    if (taker == NULL) return;
    snapshot_place_free(&taker->place);
    packed_free(&taker->found);
    free(taker->covers);
    free(taker->own);
    free(taker->heads);
    free(taker);
}

void snapshot_rewind(struct snapshot_taker *taker) {
    taker->place.begun = false;
}

/* ---- what is covered ------------------------------------------------------------------------- */

static const struct snapshot_head *find_head(const struct snapshot_head *heads, uint32_t count,
                                             const struct record_origin *origin) {
    const struct snapshot_head key = {*origin, 0};
    if (count == 0) return NULL;
    return bsearch(&key, heads, count, sizeof key, by_origin);
}

static const struct snapshot_head *head_of(const struct snapshot_taker *taker,
                                           const struct record_origin *origin) {
    return find_head(taker->heads, taker->head_count, origin);
}

static bool is_removed(const struct snapshot_taker *taker, const struct id *device) {
    for (uint32_t i = 0; i < taker->removed_count; i++)
        if (id_equal(&taker->removed[i], device)) return true;
    return false;
}

static struct snapshot_cover cover_of(const struct snapshot_taker *taker,
                                      const struct record_origin *origin) {
    const struct snapshot_head *head = head_of(taker, origin);
    struct snapshot_cover cover = {head == NULL ? 0 : head->hlc, UINT64_MAX};
    if (taker->own_known && (head != NULL || is_removed(taker, &origin->device))) {
        const struct snapshot_head *own = find_head(taker->own, taker->own_count, origin);
        cover.own = own == NULL ? 0 : own->hlc;
    }
    return cover;
}

enum weft_status snapshot_cover(struct writer *writer, struct snapshot_taker *taker,
                                struct weft_error *why) {
    const struct shared_work *work = writer->shared;
    CHECK(work != NULL && work->recalled);
    if (work->origin_count > taker->cover_room) {
        const uint32_t room = work->origin_count * 2;
        struct snapshot_cover *covers = realloc(taker->covers, room * sizeof *covers);
        if (covers == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for origins");
        taker->covers = covers;
        taker->cover_room = room;
    }
    for (uint32_t i = 0; i < work->origin_count; i++)
        taker->covers[i] = cover_of(taker, &work->origins[i].origin);
    taker->cover_count = work->origin_count;
    return WEFT_OK;
}

static const struct snapshot_cover *find_cover(const struct writer *writer,
                                               const struct snapshot_taker *taker,
                                               const struct stamp *stamp) {
    const struct shared_work *work = writer->shared;
    uint32_t low = 0, high = taker->cover_count;
    CHECK(taker->cover_count == work->origin_count);
    if (stamp->hlc == 0) return NULL;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (work->origins[middle].number == stamp->origin) return &taker->covers[middle];
        if (work->origins[middle].number < stamp->origin) low = middle + 1;
        if (work->origins[middle].number > stamp->origin) high = middle;
    }
    return NULL;
}

bool snapshot_covered(const struct writer *writer, const struct snapshot_taker *taker,
                      const struct stamp *stamp) {
    const struct snapshot_cover *cover = find_cover(writer, taker, stamp);
    return cover != NULL && stamp->hlc <= cover->upto;
}

bool snapshot_remains(const struct writer *writer, const struct snapshot_taker *taker,
                      const struct stamp *stamp) {
    const struct snapshot_cover *cover = find_cover(writer, taker, stamp);
    return cover != NULL && stamp->hlc > cover->upto && stamp->hlc > cover->own;
}

/* ---- one body -------------------------------------------------------------------------------- */

struct merging {
    struct writer *writer;
    struct shared_work *work;
    struct snapshot_taker *taker;
    struct shared_row_tally *tally;
    struct weft_error *why;
};

/* The model of the body's table, if it is one that takes this row's key. */
static const struct model *model_for(const struct merging *merging) {
    const struct snapshot_body *body = &merging->taker->body;
    const struct model *model =
        models_find(merging->writer->models, (const char *)body->table.data, body->table.size);
    if (model == NULL || model->kind != MODEL_SHARED || model->key_count != body->key_count)
        return NULL;
    for (uint32_t k = 0; k < model->key_count; k++) {
        if (model_accepts(model, model->key[k], &merging->taker->row.key[k], NULL) != WEFT_OK)
            return NULL;
    }
    return model;
}

/* Numbers the origins and fields that the body has named so far. Origins without a head get none:
 * nothing of theirs is taken, so nobody can fill the file with names of origins. */
static enum weft_status number_names(struct merging *merging, const struct model *model) {
    struct snapshot_taker *taker = merging->taker;
    const struct snapshot_body *body = &taker->body;
    enum weft_status status = WEFT_OK;
    for (; taker->origins_known < body->origin_count && status == WEFT_OK; taker->origins_known++) {
        const struct record_origin *origin = &body->origins[taker->origins_known];
        uint32_t number = 0;
        if (head_of(taker, origin) != NULL)
            status = shared_origin(merging->writer, origin, &number, merging->why);
        taker->origins[taker->origins_known] = number;
    }
    for (; taker->fields_known < body->field_count && status == WEFT_OK; taker->fields_known++) {
        const uint32_t i = taker->fields_known;
        status = shared_field(merging->writer, body->table, model, body->fields[i],
                              &taker->fields[i], &taker->full[i], merging->why);
    }
    if (status == WEFT_OK && merging->work->origin_count != taker->cover_count)
        status = snapshot_cover(merging->writer, taker, merging->why);
    return status;
}

/* A stamp of the body with the origin's number here; `*covered` whether it counts. */
static struct stamp stamp_here(const struct merging *merging, const struct stamp *there,
                               bool *covered) {
    const struct snapshot_taker *taker = merging->taker;
    const struct stamp here = {there->hlc, there->hlc == 0 ? 0 : taker->origins[there->origin]};
    *covered = here.origin != 0 && snapshot_covered(merging->writer, taker, &here);
    return here;
}

/* Takes a covered stamp away that the source does not have. What it has instead, and is not covered
 * itself, will beat it; but not what another snapshot left. */
static bool give_up(const struct merging *merging, struct stamp *mine, const struct stamp *there) {
    bool covered = false;
    const struct stamp here = stamp_here(merging, there, &covered);
    if (mine->hlc == 0) return false;
    if (here.hlc == mine->hlc && here.origin == mine->origin) return false;
    if (!snapshot_remains(merging->writer, merging->taker, mine)) {
        if (!snapshot_covered(merging->writer, merging->taker, mine)) return false;
        if (there->hlc != 0 && !covered) return false;
    }
    *mine = (struct stamp){0};
    return true;
}

static bool give_up_all(const struct merging *merging, struct merge_row *clock) {
    struct snapshot_taker *taker = merging->taker;
    const struct snapshot_row *row = &taker->row;
    bool changed = false;
    memset(taker->said, 0, clock->field_count * sizeof taker->said[0]);
    for (uint32_t i = 0; i < row->count; i++) {
        const uint32_t field = row->fields[i];
        if (!taker->full[field]) taker->said[taker->fields[field]] = row->stamps[i];
    }
    changed |= give_up(merging, &clock->created, &row->created);
    changed |= give_up(merging, &clock->deleted, &row->deleted);
    for (uint32_t f = 0; f < clock->field_count; f++)
        changed |= give_up(merging, &clock->fields[f], &taker->said[f]);
    return changed;
}

/* What the row says that counts here, as a change; `values` by its places. */
static void fill_change(const struct merging *merging, struct merge_change *out,
                        struct weft_value *values) {
    struct shared_work *work = merging->work;
    const struct snapshot_taker *taker = merging->taker;
    const struct snapshot_row *row = &taker->row;
    bool covered = false;
    *out = (struct merge_change){.fields = work->fields, .stamps = work->stamps};
    const struct stamp created = stamp_here(merging, &row->created, &covered);
    if (covered) out->created = created;
    const struct stamp deleted = stamp_here(merging, &row->deleted, &covered);
    if (covered) out->deleted = deleted;
    for (uint32_t i = 0; i < row->count; i++) {
        const struct stamp stamp = stamp_here(merging, &row->stamps[i], &covered);
        if (!covered || taker->full[row->fields[i]] || merge_bit(row->more, i)) continue;
        work->fields[out->count] = taker->fields[row->fields[i]];
        work->stamps[out->count] = stamp;
        values[out->count++] = row->values[i];
    }
}

enum weft_status snapshot_settle(struct writer *writer, struct shared_row *row,
                                 struct shared_row_tally *tally, struct weft_error *why) {
    tally->written++;
    row->touched = true; /* Its age may be another, or what a unique index has of it. */
    if (row->model != NULL) tally->models |= UINT64_C(1) << (row->model->id - 1);
    return shared_row_place(writer, row, false, tally, why);
}

static enum weft_status mark_seen(const struct merging *merging) {
    const struct shared_row *row = &merging->work->row;
    sqlite3_stmt *add = NULL;
    enum weft_status status = writer_fixed(merging->writer, FIXED_SEEN_ADD, &add, merging->why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_text(add, 1, (const char *)row->table.data, (int)row->table.size, SQLITE_STATIC);
    sqlite3_bind_blob64(add, 2, row->packed_key.data, row->packed_key.size, SQLITE_STATIC);
    return statement_run(add, "writing", merging->writer->path, merging->why);
}

static enum weft_status merge_row(struct merging *merging) {
    struct shared_work *work = merging->work;
    struct snapshot_taker *taker = merging->taker;
    struct shared_row *row = &work->row;
    struct merge_change said;
    struct merge_verdict verdict;
    row->table = taker->body.table;
    row->model = model_for(merging);
    row->key_count = taker->body.key_count;
    memcpy(row->key, taker->row.key, row->key_count * sizeof row->key[0]);
    enum weft_status status = number_names(merging, row->model);
    if (status == WEFT_OK) status = shared_row_load(merging->writer, row, merging->why);
    if (status == WEFT_OK) status = mark_seen(merging);
    if (status != WEFT_OK) return status;
    const bool gave_up = !taker->unite && give_up_all(merging, &row->clock);
    fill_change(merging, &said, taker->row.values);
    merge_apply(&row->clock, &said, &work->order, &verdict);
    merging->tally->beaten += verdict.beaten;
    if (!verdict.news && !gave_up) return WEFT_OK;
    for (uint32_t i = 0; i < said.count; i++) {
        if (merge_bit(verdict.won, i)) row->values[said.fields[i]] = taker->row.values[i];
    }
    return snapshot_settle(merging->writer, row, merging->tally, merging->why);
}

enum weft_status snapshot_follow(struct writer *writer, struct shared_row_tally *mine,
                                 struct shared_row_tally *tally, struct weft_error *why) {
    enum weft_status status = shared_row_follow(writer, mine->models, mine, why);
    tally->written += mine->written;
    tally->beaten += mine->beaten;
    tally->parked += mine->parked;
    tally->models |= mine->models;
    return status;
}

enum weft_status snapshot_merge(struct writer *writer, struct snapshot_taker *taker,
                                struct bytes body, struct shared_row_tally *tally,
                                struct weft_error *why) {
    struct shared_row_tally mine = {0};
    struct merging merging = {.writer = writer, .taker = taker, .tally = &mine, .why = why};
    enum weft_status status = shared_work(writer, &merging.work, why);
    if (status == WEFT_OK) status = snapshot_cover(writer, taker, why);
    if (status != WEFT_OK) return status;
    taker->origins_known = taker->fields_known = 0;
    snapshot_open(&taker->body, body);
    while (status == WEFT_OK && snapshot_next(&taker->body, &taker->row))
        status = merge_row(&merging);
    if (status != WEFT_OK) return status;
    return snapshot_follow(writer, &mine, tally, why);
}

enum weft_status snapshot_forget(struct writer *writer, uint32_t limit, bool *more,
                                 struct weft_error *why) {
    sqlite3_stmt *forget = NULL;
    CHECK(limit > 0);
    *more = false;
    enum weft_status status = writer_fixed(writer, FIXED_SEEN_FORGET, &forget, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(forget, 1, limit);
    status = statement_run(forget, "writing", writer->path, why);
    *more = status == WEFT_OK && sqlite3_changes64(writer->db) == (sqlite3_int64)limit;
    return status;
}
