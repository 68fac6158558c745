/* What is done with the file of a hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/quarantine.h"
#include "engine/store/shared_row.h"
#include "engine/wire/snapshot.h"
#include "tests/lib/hold.h"

#define ALL INT64_MAX
#define MANY 70 /* rows: more than one statement takes */
#define DO(call)                                \
    do {                                        \
        if (status == WEFT_OK) status = (call); \
    } while (0)

/* ---- what acts are given --------------------------------------------------------------------- */

struct run *hold_fresh(struct hold *hold, const char *table) {
    assert_true(hold->run_count < HOLD_RUNS);
    struct run *run = &hold->runs[hold->run_count++];
    run_begin(run, &hold->library, table);
    return run;
}

void hold_drop_runs(struct hold *hold) {
    while (hold->run_count > 0)
        run_drop(&hold->runs[--hold->run_count]);
}

/* The next record of a device's chain: a change of rows. */
void hold_signs(struct hold *hold, unsigned at, int device, uint64_t seq, const char *words) {
    struct record *record = &hold->records[at];
    struct record_ops ops;
    const uint64_t incarnation = 7;
    *record = (struct record){.origin = {hold->devices[device], incarnation}, .seq = seq};
    record->hlc = HOLD_WALL + 1000 * seq + (uint64_t)device;
    if (at > 0 && seq > 1 && hold->records[at - 1].seq + 1 == seq)
        memcpy(record->prev, hold->records[at - 1].hash, RECORD_HASH);
    record_ops_begin(&ops, &hold->arena);
    hold->bodies[at] = words_body(&hold->arena, words);
    record_ops_change(&ops, hold->bodies[at]);
    assert_int_equal(record_ops_end(&ops, &record->ops), WEFT_OK);
    assert_int_equal(record_write(&hold->identities[device], record, &hold->arena,
                                  &hold->signed_records[at], &hold->library.why),
                     WEFT_OK);
}

struct stream hold_stream(struct hold *hold, int device, const char *table) {
    return library_stream(&hold->library, &hold->devices[device], table);
}

/* Ends a transaction, well or not. */
static enum weft_status settle(struct hold *hold, enum weft_status status) {
    struct library *library = &hold->library;
    if (status == WEFT_OK) return writer_commit(library->writer, &library->why);
    writer_rollback(library->writer);
    return status;
}

/* ---- owned rows ------------------------------------------------------------------------------ */

static void prepare_own(struct hold *hold) {
    struct run *run = hold_fresh(hold, "entry");
    run_put(run, "bbti", 31, 0xaa, "new", INT64_C(5));
    run_put(run, "bbti", 21, 0xaa, "changed", INT64_C(6));
    run_put(run, "bbti", 22, 0xaa, "two", INT64_C(2)); /* as it is */
    run_set(run, "bi", 23, "size", INT64_C(77));
    run_delete(run, "b", 24);
    run = hold_fresh(hold, "misc");
    for (int i = 0; i < MANY; i++)
        run_put(run, "itdtr", (int64_t)i, "many", HOLD_SELF, "any", 0.5);
}

static enum weft_status act_own(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct writer_tally tally = {0};
    const struct stream entries = hold_stream(hold, HOLD_SELF, "entry");
    const struct stream misc = hold_stream(hold, HOLD_SELF, "misc");
    enum weft_status status = writer_begin(library->writer, why);
    for (unsigned r = 0; r < hold->run_count; r++)
        DO(writer_apply_own(library->writer, hold->runs[r].builder.rows, &hold->runs[r].arena, NULL,
                            &tally, why));
    DO(writer_position(library->writer, &entries, library->clock, why));
    DO(writer_position(library->writer, &misc, library->clock, why));
    DO(writer_clock(library->writer, library->clock, why));
    return settle(hold, status);
}

/* Ann's rows: one stands where another's stands, one breaks a constraint. */
static void prepare_remote(struct hold *hold) {
    struct run *run = hold_fresh(hold, "location");
    for (int i = 0; i < MANY; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        run_put(run, "bdt", 0x40 + i, HOLD_ANN, path);
    }
    run = hold_fresh(hold, "entry");
    for (int i = 0; i < MANY; i++)
        run_put(run, "bbti", 0x90 + i, 0xbb, "many", (int64_t)i);
    run_put(run, "bbti", 0x81, 0xbb, "wrong", INT64_C(-1));
    run_put(run, "bbti", 0x85, 0xbb, "late", INT64_C(1));
    run_delete(run, "b", 0x84);
    run_delete(run, "b", 0x83);
    run = hold_fresh(hold, "location");
    run_put(run, "bdt", 0x40, HOLD_ANN, "/home");
    run_put(run, "bdt", 0xbb, HOLD_ANN, "/ann");
    run->builder.rows->sweep = 1;
}

static enum weft_status act_remote(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct writer_tally tally = {0};
    enum weft_status status = writer_begin(library->writer, why);
    for (unsigned r = 0; r < hold->run_count; r++) {
        Weft__Rows *rows = hold->runs[r].builder.rows;
        const struct stream stream = {hold->devices[HOLD_ANN], rows->model};
        rows->upto = rows_version(rows, rows->count - 1);
        DO(writer_apply_remote(library->writer, &stream.owner, rows, &tally, why));
        DO(writer_position(library->writer, &stream, rows->upto, why));
        DO(writer_horizon(library->writer, &stream, rows->upto / 2, why));
    }
    DO(writer_retry_parked(library->writer, &tally, why));
    return settle(hold, status);
}

static bool keeps_some(void *context, const struct weft_value *key, uint32_t key_count) {
    (void)context;
    return key_count == 1 && key->size > 0 && *(const uint8_t *)key->as.bytes == 21;
}

/* A rescan's end. */
static enum weft_status act_scan(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    static const uint8_t scope[16] = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
                                      0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa};
    const struct model *model = models_get(library->store.models, library_model(library, "entry"));
    struct writer_sweep sweep = {.model = model,
                                 .column = 1,
                                 .scope = weft_blob(scope, 16),
                                 .mark = library->clock + 10,
                                 .keep = keeps_some};
    struct rows_builder deleted;
    uint64_t next = library->clock + 10;
    bool more = true;
    enum weft_status status = rows_begin(&deleted, &hold->given, model->id, model->column_count);
    if (status != WEFT_OK)
        return status_fail(why, status, 0, "no memory for what a rescan deletes");
    DO(writer_begin(library->writer, why));
    if (status != WEFT_OK) return status;
    while (status == WEFT_OK && more)
        status = writer_scan_sweep(library->writer, &sweep, 2, &next, &deleted, &more, why);
    return settle(hold, status);
}

/* ---- the small tables ------------------------------------------------------------------------ */

static enum weft_status act_small(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct writer *writer = library->writer;
    const struct stream own = hold_stream(hold, HOLD_SELF, "entry");
    const struct stream ann = hold_stream(hold, HOLD_ANN, "entry");
    const struct stream bob = hold_stream(hold, HOLD_BOB, "misc");
    static const uint8_t word[] = "what somebody said";
    uint32_t count = 0;
    uint64_t serial = 0;
    enum weft_status status = writer_begin(writer, why);
    if (status != WEFT_OK) return status;
    DO(writer_clock(writer, library->clock + 5, why));
    DO(writer_position(writer, &bob, 5, why));
    DO(writer_horizon(writer, &ann, 3, why));
    DO(writer_sweep_cursor(writer, &bob, true, 4, why));
    DO(writer_sweep_cursor(writer, &ann, false, 0, why));
    DO(writer_ack(writer, &hold->devices[HOLD_BOB], &own, 5, why));
    DO(writer_forget(writer, &own, ALL, 10, &count, why));
    DO(writer_settled(writer, &ann, 7, why));
    DO(writer_word(writer, &hold->devices[HOLD_ANN], (struct bytes){word, sizeof word}, why));
    DO(writer_serial(writer, true, &serial, why));
    return settle(hold, status);
}

static enum weft_status act_recount(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct digest_list list = {0}, kept = {0};
    enum weft_status status = writer_begin(library->writer, why);
    if (status != WEFT_OK) return status;
    status = writer_recount(library->writer, &list, why);
    digest_list_free(&list);
    status = settle(hold, status);
    DO(writer_read_digests(library->writer, &kept, why));
    digest_list_free(&kept);
    return status;
}

/* ---- shared rows ----------------------------------------------------------------------------- */

static void prepare_host(struct hold *hold) {
    struct run *run = hold_fresh(hold, "tag");
    run_put(run, "bti", 51, "new", INT64_C(5));
    run_put(run, "bti", 41, "red", INT64_C(50));
    run_set(run, "bi", 42, "color", INT64_C(9));
    run_delete(run, "b", 43);
    run_put(run, "bti", 44, "back", INT64_C(1));
    run = hold_fresh(hold, "link");
    run_put(run, "btbr", 41, "a", -1, 0.25);
    run_delete(run, "tb", "c", 41);
    run = hold_fresh(hold, "wide");
    run_put(run, "tii", "x", INT64_C(4), INT64_C(5));
}

static enum weft_status act_host(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    const struct record_origin self = {hold->devices[HOLD_SELF], library->store.incarnation};
    struct shared_row_tally tally = {0};
    uint32_t origin = 0;
    enum weft_status status = writer_begin(library->writer, why);
    if (status != WEFT_OK) return status;
    DO(shared_origin(library->writer, &self, &origin, why));
    for (unsigned r = 0; r < hold->run_count; r++) {
        struct bytes said;
        DO(shared_row_write(library->writer, hold->runs[r].builder.rows, library->clock, origin,
                            &hold->given, &said, &tally, why));
    }
    return settle(hold, status);
}

enum weft_status hold_hears(struct hold *hold, int device, uint64_t hlc, struct bytes body) {
    struct library *library = &hold->library;
    const struct record_origin origin = {hold->devices[device], 7};
    struct shared_row_tally tally = {0};
    uint32_t number = 0;
    enum weft_status status = shared_origin(library->writer, &origin, &number, &library->why);
    DO(shared_row_apply(library->writer, body, hlc, number, &origin.device, &tally, &library->why));
    return status;
}

static void prepare_hears(struct hold *hold) {
    hold->bodies[0] = words_body(&hold->arena, "tag +@61 name=blue color=#1; +@62 name=red "
                                               "color=#2; ~@41 color=#3; -@42; ~@43 name=none; "
                                               "+@44 name=again color=#100");
    hold->bodies[1] = words_body(&hold->arena, "link +b,@41 by=node weight=%1.5; -a,@41");
    hold->bodies[2] = words_body(&hold->arena, "wide ~x b=#9; +y a=#1 b=#2; -z");
    hold->bodies[3] = words_body(&hold->arena, "strange ~x b=#9 c=text; +y a=#1");
}

static enum weft_status act_hears(struct hold *hold) {
    struct library *library = &hold->library;
    enum weft_status status = writer_begin(library->writer, &library->why);
    if (status != WEFT_OK) return status;
    for (unsigned b = 0; b < HOLD_BODIES; b++)
        DO(hold_hears(hold, HOLD_ANN + (int)(b % 2), HOLD_WALL + 900000 + b, hold->bodies[b]));
    return settle(hold, status);
}

static enum weft_status act_deleted(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct deleted_cut cuts[2] = {{{hold->devices[HOLD_ANN], 7}, ALL},
                                  {{hold->devices[HOLD_BOB], 7}, ALL}};
    if (record_origin_compare(&cuts[0].origin, &cuts[1].origin) > 0) {
        const struct deleted_cut first = cuts[0];
        cuts[0] = cuts[1];
        cuts[1] = first;
    }
    struct deleted_place place = {0};
    struct deleted_tally tally = {0};
    bool more = true;
    enum weft_status status = writer_begin(library->writer, why);
    if (status != WEFT_OK) return status;
    while (status == WEFT_OK && more)
        status = deleted_forget(library->writer, &place, cuts, 2, 2, &tally, &more, why);
    deleted_place_free(&place);
    return settle(hold, status);
}

/* ---- the shared log -------------------------------------------------------------------------- */

static void prepare_log(struct hold *hold) {
    hold_signs(hold, 0, HOLD_ANN, 3, "tag ~@41 name=ann");
    hold_signs(hold, 1, HOLD_BOB, 1, "tag ~@41 name=bob");
}

void hold_member(struct hold *hold, int device, struct roster_member *out) {
    const struct identity *identity = &hold->identities[device];
    *out = (struct roster_member){.device = identity->device,
                                  .public = identity->public,
                                  .incarnation = 7,
                                  .added_hlc = HOLD_WALL,
                                  .added_by = hold->devices[HOLD_SELF]};
    memcpy(out->cert, identity->cert, sizeof out->cert);
    snprintf(out->name, sizeof out->name, "device %d", device);
}

static void key_of(struct hold *hold, uint32_t epoch, struct roster_key *out) {
    const struct identity *self = &hold->identities[HOLD_SELF];
    uint8_t ephemeral[32];
    *out = (struct roster_key){.epoch = epoch, .author = self->device};
    memset(ephemeral, 3, sizeof ephemeral);
    memset(out->key, 0xa0, sizeof out->key);
    identity_psk_id(&self->library, out->key, out->psk_id);
    identity_seal(out->key, self->public.x_pk, ephemeral, out->sealed);
}

static enum weft_status act_log(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct writer *writer = library->writer;
    struct roster_member bob;
    struct roster_key key;
    uint64_t place = 0;
    hold_member(hold, HOLD_BOB, &bob);
    bob.removed = true;
    bob.pin_count = 1;
    bob.pins[0] = (struct record_pin){.incarnation = 7, .seq = 1};
    key_of(hold, 9, &key);
    enum weft_status status = writer_begin(writer, why);
    if (status != WEFT_OK) return status;
    DO(shared_append(writer, &hold->records[1], hold->signed_records[1], &place, why));
    DO(quarantine_add(writer, &hold->records[1].origin, place, hold->records[1].hlc, why));
    DO(shared_ack(writer, &hold->devices[HOLD_ANN], &hold->records[1].origin, 1, why));
    DO(shared_save_member(writer, &bob, why));
    DO(shared_save_key(writer, &key, why));
    DO(horizon_heard(writer, &hold->devices[HOLD_BOB], 17, why));
    DO(horizon_keep(writer, &hold->records[0], hold->signed_records[0], &place, why));
    DO(horizon_taking_save(writer, hold->signed_records[0], why));
    return settle(hold, status);
}

/* Ann has signed two records of one number. */
static void prepare_freeze(struct hold *hold) {
    hold_signs(hold, 0, HOLD_ANN, 2, "tag ~@41 name=other");
}

static enum weft_status act_freeze(struct hold *hold) {
    struct library *library = &hold->library;
    enum weft_status status = writer_begin(library->writer, &library->why);
    if (status != WEFT_OK) return status;
    DO(shared_freeze(library->writer, &hold->records[0], hold->signed_records[0], &library->why));
    return settle(hold, status);
}

static enum weft_status act_quarantine(struct hold *hold) {
    struct library *library = &hold->library;
    struct quarantined next = {0};
    bool found = false;
    enum weft_status status = writer_begin(library->writer, &library->why);
    if (status != WEFT_OK) return status;
    DO(quarantine_next(library->writer, &hold->given, &found, &next, &library->why));
    if (found) DO(quarantine_drop(library->writer, next.place, &library->why));
    return settle(hold, status);
}

static enum weft_status act_horizon(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    const struct record_origin ann = {hold->devices[HOLD_ANN], 7};
    struct horizon_cut cut;
    uint64_t oldest = 0, newest = 0;
    enum weft_status status = writer_begin(library->writer, why);
    if (status != WEFT_OK) return status;
    DO(horizon_places(library->writer, &oldest, &newest, why));
    DO(horizon_forget(library->writer, &library->store.library, &ann, 2, ALL, 10, &cut, why));
    return settle(hold, status);
}

/* A record that is kept for good, of an origin that has said nothing else. */
static void prepare_keep(struct hold *hold) {
    hold_signs(hold, 0, HOLD_SELF, 1, "tag ~@41 name=kept");
}

static enum weft_status act_keep(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    uint64_t place = 0;
    enum weft_status status = writer_begin(library->writer, why);
    if (status != WEFT_OK) return status;
    DO(horizon_keep(library->writer, &hold->records[0], hold->signed_records[0], &place, why));
    return settle(hold, status);
}

static void see_greatest(void *context, const struct shared_head *head) {
    uint64_t *seen = context;
    if (head->seq > *seen) *seen = head->seq;
}

/* A snapshot's end: Bob's head stands behind what was here. */
static void prepare_raise(struct hold *hold) {
    hold_signs(hold, 0, HOLD_BOB, 5, "tag ~@41 name=bob");
}

static enum weft_status raise_head(struct hold *hold, bool waits) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    uint8_t proof[RECORD_PROOF];
    record_prove(&hold->records[0], proof);
    /* Whoever raises a head knows that the record lies beyond it. */
    uint64_t seen = 0, place = 0;
    enum weft_status status = shared_reader_heads(hold->shared, &seen, see_greatest, &place, why);
    if (status != WEFT_OK || seen >= hold->records[0].seq) return status;
    status = writer_begin(library->writer, why);
    if (status != WEFT_OK) return status;
    if (waits) DO(horizon_release(library->writer, &hold->records[0], why));
    DO(horizon_raise(library->writer, &hold->records[0], (struct bytes){proof, sizeof proof}, why));
    return settle(hold, status);
}

static enum weft_status act_raise(struct hold *hold) {
    return raise_head(hold, true);
}

static enum weft_status act_raise_alone(struct hold *hold) {
    return raise_head(hold, false);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void see_hash(void *context, uint64_t version, uint64_t hash) {
    *(uint64_t *)context += version ^ hash;
}

static void see_head(void *context, const struct shared_head *head) {
    *(uint64_t *)context += head->seq;
}

static void see_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    (void)stream;
    *(uint64_t *)context += cursor;
}

static enum weft_status read_stream(struct hold *hold, const struct stream *stream) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct reader_batch batch = {.more = true};
    struct reader_place place;
    uint64_t sum = 0;
    const struct reader_visit visit = {&sum, see_hash};
    enum weft_status status = WEFT_OK;
    for (uint64_t after = 0; status == WEFT_OK && batch.more;) {
        status =
            reader_after(library->reader, stream, after, true, 3, 1000, &hold->given, &batch, why);
        if (status == WEFT_OK) after = batch.rows->upto;
    }
    DO(reader_between(library->reader, stream, 1, 5000, false, 3, 1000, &hold->given, &batch, why));
    DO(reader_hashes(library->reader, stream, 0, 5, 100, &visit, &place, why));
    return status;
}

static enum weft_status act_read(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    uint64_t sum = 0;
    struct vector positions;
    static const char *const tables[] = {"location", "entry", "misc"};
    enum weft_status status = WEFT_OK;
    for (int device = HOLD_SELF; device <= HOLD_ANN; device++)
        for (unsigned t = 0; t < 3; t++) {
            const struct stream stream = hold_stream(hold, device, tables[t]);
            DO(read_stream(hold, &stream));
        }
    vector_init(&positions);
    DO(reader_positions(library->reader, &positions, why));
    vector_free(&positions);
    DO(reader_sweeps(library->reader, &sum, see_sweep, why));
    return status;
}

static enum weft_status act_read_log(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    const struct record_origin ann = {hold->devices[HOLD_ANN], 7};
    struct shared_entry *entries = NULL;
    uint32_t count = 0;
    uint64_t sum = 0, place = 0;
    bool more = false, waits = false;
    struct bytes taking;
    enum weft_status status = shared_reader_after(hold->shared, 0, 2, 1 << 20, &hold->given,
                                                  &entries, &count, &more, why);
    DO(shared_reader_place(hold->shared, &ann, 0, &place, why));
    DO(shared_reader_taking(hold->shared, &hold->given, &taking, why));
    DO(shared_reader_waits(hold->shared, &waits, why));
    DO(shared_reader_heads(hold->shared, &sum, see_head, &place, why));
    return status;
}

/* The whole of a snapshot is read, in small chunks. */
static enum weft_status act_read_snapshot(struct hold *hold) {
    struct bytes cursor = {NULL, 0};
    enum weft_status status = WEFT_OK;
    hold->chunk.last = false;
    for (int i = 0; status == WEFT_OK && !hold->chunk.last && i < 100; i++) {
        status = snapshot_chunk_read(hold->snapshot, cursor, 60, &hold->given, &hold->chunk,
                                     &hold->library.why);
        cursor = hold->chunk.cursor;
    }
    return status;
}

static void prepare_snapshot(struct hold *hold) {
    (void)snapshot_chunk_read(hold->snapshot, (struct bytes){NULL, 0}, 1 << 20, &hold->arena,
                              &hold->chunk, &hold->library.why);
}

/* What this file gives is taken: of what its heads do not cover everything goes. */
static enum weft_status act_take(struct hold *hold) {
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    struct snapshot_taker *taker = NULL;
    struct shared_row_tally tally = {0};
    bool more = true;
    struct shared_head heads[2] = {
        {.origin = {hold->devices[HOLD_ANN], 7}, .seq = 9, .hlc = ALL},
        {.origin = {hold->devices[HOLD_BOB], 7}, .seq = 9, .hlc = ALL},
    };
    enum weft_status status = snapshot_taker_new(heads, 2, &taker, why);
    DO(writer_begin(library->writer, why));
    if (status != WEFT_OK) {
        snapshot_taker_free(taker);
        return status;
    }
    while (status == WEFT_OK && more)
        status = snapshot_forget(library->writer, 2, &more, why);
    for (uint32_t b = 0; b < hold->chunk.body_count; b++) {
        uint64_t newest = 0;
        if (!snapshot_sound(hold->chunk.bodies[b], &newest)) continue; /* As whoever takes it. */
        DO(snapshot_merge(library->writer, taker, hold->chunk.bodies[b], &tally, why));
    }
    for (more = true; status == WEFT_OK && more;)
        status = snapshot_sweep(library->writer, taker, 3, &more, &tally, why);
    snapshot_taker_free(taker);
    return settle(hold, status);
}

static void prepare_take_nothing(struct hold *hold) {
    hold->chunk.body_count = 0;
}

const struct hold_act hold_acts[] = {
    {"own rows", prepare_own, act_own},
    {"rows of another", prepare_remote, act_remote},
    {"a rescan's end", NULL, act_scan},
    {"small tables", NULL, act_small},
    {"digests anew", NULL, act_recount},
    {"shared rows of the host", prepare_host, act_host},
    {"shared rows of others", prepare_hears, act_hears},
    {"deletions forgotten", NULL, act_deleted},
    {"the shared log", prepare_log, act_log},
    {"a fork", prepare_freeze, act_freeze},
    {"the quarantine", NULL, act_quarantine},
    {"the horizon", NULL, act_horizon},
    {"a head raised", prepare_raise, act_raise},
    {"a head raised where nothing waits", prepare_raise, act_raise_alone},
    {"a record kept", prepare_keep, act_keep},
    {"rows read", NULL, act_read},
    {"records read", NULL, act_read_log},
    {"a snapshot read", NULL, act_read_snapshot},
    {"a snapshot taken", prepare_snapshot, act_take},
    {"an empty snapshot taken", prepare_take_nothing, act_take},
};
const unsigned hold_act_count = sizeof hold_acts / sizeof hold_acts[0];
