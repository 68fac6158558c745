/* See solo_bulk.h. */
#include "tests/lib/solo_bulk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#define ENTRY_COLUMNS 4u

static const char *const entry_columns[ENTRY_COLUMNS] = {"id", "location_id", "name", "size"};

/* ---- the stage ------------------------------------------------------------------------------- */

static void add_location(struct solo_bulk *stage, uint8_t owner, int location) {
    struct run run;
    char path[8];
    run_begin(&run, &stage->library, "location");
    snprintf(path, sizeof path, "/%u", owner);
    run_put(&run, "bbt", location, owner, path);
    if (owner == ME) {
        library_ok(&stage->library, run_commit(&run, NULL));
    } else {
        run_receive(&run, &stage->library, owner, NULL);
    }
    run_drop(&run);
}

void solo_bulk_library(struct solo_bulk *stage) {
    *stage = (struct solo_bulk){0};
    scratch_make(stage->folder);
    library_open(&stage->library, stage->folder, "a.weft", place_schema, ME);
    add_location(stage, ME, 0xaa);
    add_location(stage, THEM, 0xbb);
    add_location(stage, OTHERS, 0xcc);
    stage->zip = zip_open(1);
    assert_non_null(stage->zip);
    stage->solo.pool = pool_open(0, 0, NULL);
    assert_non_null(stage->solo.pool);
    arena_init(&stage->arena, stage->solo.pool);
}

void solo_bulk_start(struct solo_bulk *stage, uint32_t batch_rows) {
    struct solo *solo = &stage->solo;
    struct weft_error why = {0};
    solo->id = ACTOR_BULK;
    solo->now = (struct instant){.mono_us = 1000000, .wall_ms = 1700000000000};
    solo->board = board_open(SOLO_PEERS);
    assert_non_null(solo->board);
    solo->settings = (struct settings){.path = stage->library.path,
                                       .device = stage->library.store.device,
                                       .library = stage->library.store.library,
                                       .peers = SOLO_PEERS,
                                       .batch_rows = batch_rows,
                                       .group_rows = LIMIT_GROUP_ROWS,
                                       .tail_bytes = 1 << 20,
                                       .models = stage->library.store.models,
                                       .board = solo->board};
    assert_int_equal(topology_open(&solo->settings, &solo->topology, NULL), WEFT_OK);
    if (actor_start(&solo->topology->actors[ACTOR_BULK], &why) != WEFT_OK) fail_msg("%s", why.text);
    stage->started = true;
}

bool solo_bulk_close(struct solo_bulk *stage) {
    for (uint32_t p = 0; p < SOLO_PEERS; p++)
        solo_bulk_clear(stage, p);
    mail_drop(&stage->commit);
    arena_drop(&stage->arena);
    zip_close(stage->zip);
    bool clean = stage->started && solo_close(&stage->solo);
    library_close(&stage->library);
    scratch_remove(stage->folder);
    return clean;
}

/* ---- the peers ------------------------------------------------------------------------------- */

void solo_bulk_clear(struct solo_bulk *stage, uint32_t peer) {
    struct heard *heard = &stage->heard[peer];
    for (uint32_t i = 0; i < heard->out_count; i++)
        mail_drop(&heard->out[i]);
    mail_drop(&heard->ranges);
    *heard = (struct heard){0};
}

static void hear_request(struct solo_bulk *stage, struct heard *heard,
                         const Weft__Request *request) {
    const uint32_t entry = library_model(&stage->library, "entry");
    bool of_entry = false;
    for (size_t i = 0; i < request->n_places; i++) {
        const Weft__Place *place = request->places[i];
        heard->places++;
        if (place->model != entry) continue;
        of_entry = true;
        heard->entry = (struct asked){place->owner.data[0], place->model, place->position,
                                      place->until, place->sweep};
    }
    heard->requests += of_entry;
}

static void hear_held(const struct solo_bulk *stage, struct heard *heard, const Weft__Held *held) {
    const struct id me = library_id(ME);
    heard->batches += held->batches;
    heard->bytes += held->consumed;
    if (held->ask != 0) heard->ask = held->ask;
    if (held->answer != 0) heard->answer = held->answer;
    for (size_t i = 0; i < held->n_places; i++) {
        if (memcmp(held->places[i]->owner.data, me.bytes, WEFT_ID_SIZE) == 0 &&
            held->places[i]->model == library_model(&stage->library, "entry"))
            heard->own = held->places[i]->position;
    }
    if (held->fault[0] != 0) snprintf(heard->fault, sizeof heard->fault, "%s", held->fault);
}

static uint32_t hear(struct solo_bulk *stage, struct heard *heard, struct mail *mail) {
    switch (mail->body.body_case) {
    case WEFT__MAIL__BODY_HELD:
        hear_held(stage, heard, mail->body.held);
        mail_drop(&mail);
        return 1;
    case WEFT__MAIL__BODY_REQUEST:
        hear_request(stage, heard, mail->body.request);
        mail_drop(&mail);
        return 1;
    case WEFT__MAIL__BODY_BATCH:
        assert_true(heard->out_count < SOLO_BATCHES);
        heard->out[heard->out_count++] = mail;
        return 0;
    case WEFT__MAIL__BODY_RANGES:
        mail_drop(&heard->ranges);
        heard->ranges = mail;
        heard->ranges_count++;
        return 1;
    default:
        assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_LEFT);
        heard->lefts++;
        mail_drop(&mail);
        return 0;
    }
}

static void grant(struct solo_bulk *stage, uint32_t peer, uint32_t batches, uint32_t notes) {
    Weft__Granted *granted = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_GRANTED, &granted);
    granted->peer = peer;
    granted->batches = batches;
    granted->notes = notes;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
}

/* Gathers what bulk says; a note that was heard is granted anew, as long as the session stands. */
static void listen(struct solo_bulk *stage) {
    solo_turn(&stage->solo);
    for (uint32_t p = 0; p < SOLO_PEERS; p++) {
        for (;;) {
            struct mail *mail = solo_take(&stage->solo, ACTOR_PEER + p, WEFT__MAIL__BODY_HELD);
            if (mail == NULL) break;
            uint32_t notes = hear(stage, &stage->heard[p], mail);
            if (notes != 0 && stage->live[p]) grant(stage, p, 0, notes);
            solo_turn(&stage->solo);
        }
    }
}

void solo_bulk_join(struct solo_bulk *stage, uint32_t peer, uint8_t device) {
    Weft__Joined *joined = NULL;
    struct id id = library_id(device);
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_JOINED, &joined);
    joined->peer = peer;
    joined->session = ++stage->session[peer];
    assert_true(mail_bytes(mail, &joined->device, id.bytes, sizeof id.bytes));
    stage->live[peer] = true;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    grant(stage, peer, 0, 2);
    listen(stage);
}

void solo_bulk_ask(struct solo_bulk *stage) {
    solo_bulk_join(stage, 0, THEM);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.owner, THEM);
    assert_int_equal(stage->heard[0].entry.position, 0);
    solo_bulk_clear(stage, 0);
}

void solo_bulk_leave(struct solo_bulk *stage, uint32_t peer) {
    Weft__Left *left = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_LEFT, &left);
    left->peer = peer;
    stage->live[peer] = false;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

void solo_bulk_grant(struct solo_bulk *stage, uint32_t peer, uint32_t batches) {
    grant(stage, peer, batches, 0);
    listen(stage);
}

static Weft__Place **place(struct solo_bulk *stage, struct mail *mail, uint8_t owner,
                           uint64_t position, uint64_t until, bool sweep) {
    Weft__Place **places = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, 1);
    struct id id = library_id(owner);
    assert_non_null(places);
    assert_true(mail_bytes(mail, &places[0]->owner, id.bytes, sizeof id.bytes));
    places[0]->model = library_model(&stage->library, "entry");
    places[0]->position = position;
    places[0]->until = until;
    places[0]->sweep = sweep;
    return places;
}

void solo_bulk_want(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position,
                    bool sweep) {
    solo_bulk_want_until(stage, peer, owner, position, 0, sweep);
}

void solo_bulk_want_until(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position,
                          uint64_t until, bool sweep) {
    Weft__Wanted *wanted = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_WANTED, &wanted);
    wanted->peer = peer;
    wanted->n_places = 1;
    wanted->places = place(stage, mail, owner, position, until, sweep);
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

/* Somebody who is on the roster: only what is held of them counts. */
static void seat(struct board *board, uint8_t owner) {
    const struct id id = library_id(owner);
    const uint32_t count = board_get(board->member_count);
    assert_true(count < LIMIT_ROSTER);
    board_set(board->members[count].device[0], load_u64(id.bytes));
    board_set(board->members[count].device[1], load_u64(id.bytes + 8));
    atomic_store(&board->member_count, count + 1);
}

void solo_bulk_holds(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position) {
    seat(stage->solo.board, owner);
    Weft__Holds *holds = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_HOLDS, &holds);
    holds->peer = peer;
    holds->n_places = 1;
    holds->places = place(stage, mail, owner, position, 0, false);
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

void solo_bulk_sync(struct solo_bulk *stage, uint64_t number, uint8_t device) {
    const struct id id = library_id(device);
    Weft__Sync *sync = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_SYNC, &sync);
    sync->number = number;
    if (device != 0) assert_true(mail_bytes(mail, &sync->device, id.bytes, sizeof id.bytes));
    solo_tell(&stage->solo, ACTOR_LOG, mail);
    listen(stage);
}

void solo_bulk_marks(struct solo_bulk *stage, uint32_t peer, uint64_t ask, uint64_t answer) {
    Weft__Holds *holds = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_HOLDS, &holds);
    holds->peer = peer;
    holds->ask = ask;
    holds->answer = answer;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static struct mail *ranges_mail(struct solo_bulk *stage, uint32_t peer, uint8_t owner,
                                uint64_t position) {
    const struct id id = library_id(owner);
    Weft__Ranges *ranges = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_RANGES, &ranges);
    assert_true(mail_bytes(mail, &ranges->owner, id.bytes, sizeof id.bytes));
    ranges->peer = peer;
    ranges->model = library_model(&stage->library, "entry");
    ranges->position = position;
    return mail;
}

static uint64_t *numbers(struct mail *mail, const uint64_t *list, size_t count) {
    uint64_t *copy = arena_take(&mail->arena, count * sizeof *copy + 1);
    assert_non_null(copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = list[i];
    return copy;
}

void solo_bulk_repair_from(struct solo_bulk *stage, uint8_t owner, uint8_t agrees, bool whole) {
    const struct id id = library_id(owner);
    Weft__Repair *repair = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_REPAIR, &repair);
    repair->place = mail_message(mail, &weft__place__descriptor);
    assert_non_null(repair->place);
    assert_true(mail_bytes(mail, &repair->place->owner, id.bytes, sizeof id.bytes));
    repair->place->model = library_model(&stage->library, "entry");
    repair->whole = whole;
    repair->agree = arena_zero(&mail->arena, sizeof *repair->agree);
    assert_non_null(repair->agree);
    repair->n_agree = agrees == 0 ? 0 : 1;
    const struct id agreeing = library_id(agrees);
    assert_true(mail_bytes(mail, repair->agree, agreeing.bytes, sizeof agreeing.bytes));
    solo_tell(&stage->solo, ACTOR_LOG, mail);
    listen(stage);
}

void solo_bulk_repair(struct solo_bulk *stage, uint8_t owner, bool whole) {
    solo_bulk_repair_from(stage, owner, 0, whole);
}

void solo_bulk_asks(struct solo_bulk *stage, uint32_t peer, uint8_t owner, const uint64_t *bounds,
                    uint32_t count) {
    struct mail *mail = ranges_mail(stage, peer, owner, bounds[count - 1]);
    mail->body.ranges->bounds = numbers(mail, bounds, count);
    mail->body.ranges->n_bounds = count;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

void solo_bulk_answers(struct solo_bulk *stage, uint32_t peer, uint8_t owner, uint64_t position,
                       const uint64_t *sums, uint32_t count) {
    struct mail *mail = ranges_mail(stage, peer, owner, position);
    mail->body.ranges->answer = true;
    mail->body.ranges->sums = numbers(mail, sums, count);
    mail->body.ranges->n_sums = count;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

/* ---- batches in ------------------------------------------------------------------------------ */

static void fill_row(struct rows_builder *builder, uint32_t columns, uint64_t version,
                     const struct delivery *delivery) {
    uint8_t key[16] = {0};
    char name[32];
    store_u64(key, version);
    snprintf(name, sizeof name, "row %llu", (unsigned long long)version);
    const struct id location = library_id(delivery->owner == THEM ? 0xbb : 0xcc);
    const struct weft_value values[ENTRY_COLUMNS] = {
        delivery->keyless ? weft_null() : weft_blob(key, sizeof key),
        weft_blob(location.bytes, sizeof location.bytes), weft_text(name, strlen(name)),
        weft_integer((int64_t)version)};
    assert_int_equal(rows_add(builder, ROW_PUT, version), WEFT_OK);
    for (uint32_t c = 0; c < columns; c++) {
        assert_int_equal(rows_cell(builder, c, &values[c % ENTRY_COLUMNS]), WEFT_OK);
    }
}

/* The message's bytes, in `arena`. */
static struct bytes pack(const struct delivery *delivery, struct arena *arena) {
    struct rows_builder builder;
    struct bytes rows = {0}, raw = {0};
    uint32_t packed = 0;
    const uint32_t columns = delivery->columns == NULL ? ENTRY_COLUMNS : delivery->column_count;
    struct id owner = library_id(delivery->owner);
    assert_int_equal(rows_begin(&builder, arena, 1, columns), WEFT_OK);
    for (uint32_t i = 0; i < delivery->count; i++) {
        fill_row(&builder, columns, delivery->upto - delivery->count + 1 + i, delivery);
    }
    const struct rows_slice slice = {builder.rows, 0, delivery->count};
    assert_int_equal(codec_pack(&slice, 1, delivery->after, columns, arena, &rows, &packed),
                     WEFT_OK);
    Weft__Wire__StateRows message = WEFT__WIRE__STATE_ROWS__INIT;
    message.owner = (ProtobufCBinaryData){sizeof owner.bytes, owner.bytes};
    message.model = (char *)(delivery->table == NULL ? "entry" : delivery->table);
    message.after = delivery->after;
    message.upto = delivery->upto;
    message.count = delivery->count + delivery->says;
    message.columns = (char **)(delivery->columns == NULL ? entry_columns : delivery->columns);
    message.n_columns = delivery->count == 0 ? 0 : columns;
    message.rows = (ProtobufCBinaryData){rows.size, (uint8_t *)rows.data};
    message.sweep = delivery->sweep;
    message.horizon = delivery->horizon;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    wire.body_case = WEFT__WIRE__WIRE__BODY_STATE_BATCH;
    wire.state_batch = &message;
    assert_int_equal(message_pack(&wire.base, arena, &raw), WEFT_OK);
    return raw;
}

static void tell_packed(struct solo_bulk *stage, uint32_t peer, uint32_t session,
                        struct bytes message, uint32_t raw_bytes) {
    Weft__Packed *packed = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_PACKED, &packed);
    packed->peer = peer;
    packed->session = session;
    packed->raw_bytes = raw_bytes;
    packed->wire_bytes = (uint32_t)message.size;
    assert_true(mail_bytes(mail, &packed->message, message.data, message.size));
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
    listen(stage);
}

uint32_t solo_bulk_deliver(struct solo_bulk *stage, const struct delivery *delivery) {
    struct arena arena;
    uint32_t raw_bytes = 0;
    arena_init(&arena, stage->solo.pool);
    struct bytes message = pack(delivery, &arena);
    if (delivery->zipped) {
        assert_int_equal(zip_pack(stage->zip, message, &arena, &message, &raw_bytes), WEFT_OK);
        assert_int_not_equal(raw_bytes, 0);
    }
    tell_packed(stage, delivery->peer, stage->session[delivery->peer] + delivery->session, message,
                raw_bytes);
    arena_drop(&arena);
    return (uint32_t)message.size;
}

void solo_bulk_deliver_bytes(struct solo_bulk *stage, uint32_t peer, struct bytes message,
                             uint32_t raw_bytes) {
    tell_packed(stage, peer, stage->session[peer], message, raw_bytes);
}

/* ---- the clock and the log ------------------------------------------------------------------- */

struct mail *solo_bulk_incoming(struct solo_bulk *stage) {
    return solo_take(&stage->solo, ACTOR_CLOCK, WEFT__MAIL__BODY_INCOMING);
}

void solo_bulk_home(struct solo_bulk *stage, struct mail *incoming, enum weft_status status,
                    uint64_t position, bool sweeping) {
    assert_non_null(incoming);
    Weft__Incoming *message = incoming->body.incoming;
    message->status = status;
    message->position = position;
    message->sweeping = sweeping;
    message->last_of_group = 1;
    solo_tell(&stage->solo, ACTOR_LOG, incoming);
    listen(stage);
}

uint64_t solo_bulk_commit_incoming(struct solo_bulk *stage) {
    struct mail *mail = solo_bulk_incoming(stage);
    if (mail == NULL) return 0;
    uint64_t upto = mail->body.incoming->rows->upto;
    solo_bulk_home(stage, mail, WEFT_OK, upto, false);
    return upto;
}

void solo_bulk_expect(struct solo_bulk *stage, uint64_t after, uint64_t upto, uint32_t count) {
    struct mail *mail = solo_bulk_incoming(stage);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.incoming->rows;
    assert_int_equal(rows->after, after);
    assert_int_equal(rows->upto, upto);
    assert_int_equal(rows->count, count);
    assert_true(rows_valid(rows, (uint32_t)rows->n_columns));
    solo_bulk_home(stage, mail, WEFT_OK, upto, false);
}

static void add_row(struct solo_bulk *stage, enum row_op op, uint32_t row) {
    uint8_t key[16] = {0};
    char name[32];
    const struct model *model = models_find(stage->library.store.models, "entry", 5);
    if (stage->commit == NULL) {
        Weft__Commit *commit = NULL;
        stage->commit = solo_mail(&stage->solo, WEFT__MAIL__BODY_COMMIT, &commit);
        assert_int_equal(
            rows_begin(&stage->builder, &stage->commit->arena, model->id, model->column_count),
            WEFT_OK);
    }
    store_u32(key, row);
    const uint64_t version = library_version(&stage->library);
    snprintf(name, sizeof name, "%u at %llu", row, (unsigned long long)version);
    const struct id location = library_id(0xaa);
    const struct weft_value values[ENTRY_COLUMNS] = {
        weft_blob(key, sizeof key), weft_blob(location.bytes, sizeof location.bytes),
        weft_text(name, strlen(name)), weft_integer(row)};
    assert_int_equal(rows_add(&stage->builder, op, version), WEFT_OK);
    for (uint32_t c = 0; c < (op == ROW_DELETE ? 1 : ENTRY_COLUMNS); c++) {
        assert_int_equal(rows_cell(&stage->builder, c, &values[c]), WEFT_OK);
    }
}

void solo_bulk_put(struct solo_bulk *stage, uint32_t row) {
    add_row(stage, ROW_PUT, row);
}

void solo_bulk_delete(struct solo_bulk *stage, uint32_t row) {
    add_row(stage, ROW_DELETE, row);
}

void solo_bulk_commit(struct solo_bulk *stage) {
    struct library *library = &stage->library;
    struct weft_error *why = &library->why;
    struct writer_tally tally = {0};
    Weft__Rows *rows = stage->builder.rows;
    Weft__Commit *commit = stage->commit->body.commit;
    const struct stream stream = library_stream(library, &library->store.device, "entry");
    rows->after = library_position(library, &stream);
    rows->upto = library->clock;
    library_ok(library, writer_begin(library->writer, why));
    library_ok(library,
               writer_apply_own(library->writer, rows, &stage->commit->arena, NULL, &tally, why));
    library_ok(library, writer_position(library->writer, &stream, rows->upto, why));
    library_ok(library, writer_commit(library->writer, why));
    commit->rows = (Weft__Rows **)arena_take(&stage->commit->arena, sizeof rows);
    assert_non_null(commit->rows);
    commit->rows[0] = rows;
    commit->n_rows = 1;
    commit->last_of_group = 1;
    if (stage->started) {
        struct mail *mail = stage->commit;
        stage->commit = NULL;
        solo_tell(&stage->solo, ACTOR_LOG, mail);
        listen(stage);
    }
    mail_drop(&stage->commit);
}

uint64_t solo_bulk_commit_rows(struct solo_bulk *stage, uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        solo_bulk_put(stage, first + i);
    solo_bulk_commit(stage);
    return stage->library.clock;
}

/* ---- what came out --------------------------------------------------------------------------- */

struct opened solo_bulk_opened(struct solo_bulk *stage, const struct mail *batch) {
    const Weft__Batch *message = batch->body.batch;
    struct bytes raw = {message->message.data, message->message.len};
    struct weft_error why = {0};
    Weft__Wire__Wire *wire = NULL;
    Weft__Rows *rows = NULL;
    if (message->raw_bytes != 0) {
        assert_int_equal(zip_unpack(stage->zip, raw, message->raw_bytes, &stage->arena, &raw, &why),
                         WEFT_OK);
    }
    assert_int_equal(message_unpack(raw, &stage->arena, &wire, &why), WEFT_OK);
    const Weft__Wire__StateRows *sent = wire->state_response;
    const struct bytes packed = {sent->rows.data, sent->rows.len};
    if (codec_unpack(packed, sent->after, sent->upto, (uint32_t)sent->n_columns, &stage->arena,
                     &rows, &why) != WEFT_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(sent->after, message->after);
    assert_int_equal(sent->upto, message->upto);
    assert_int_equal(sent->count, rows->count);
    assert_int_equal(message->rows, rows->count);
    return (struct opened){sent, rows};
}

const char *solo_bulk_event(struct solo_bulk *stage, char out[LIMIT_ERROR_BYTES]) {
    struct mail *mail = solo_take(&stage->solo, ACTOR_HOST, WEFT__MAIL__BODY_NOTICE);
    out[0] = '\0';
    if (mail != NULL) snprintf(out, LIMIT_ERROR_BYTES, "%s", mail->body.notice->text);
    mail_drop(&mail);
    return out;
}
