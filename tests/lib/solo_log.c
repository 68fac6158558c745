/* The stage of the log's tests. */
#include "tests/lib/solo_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/store/found.h"

#define VERSIONS_APART 10u

/* ---- beginning and end ----------------------------------------------------------------------- */

static struct instant disk_now(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

static void draw(struct solo_log *log) {
    const struct id library = library_id(0x99);
    uint8_t secret[IDENTITY_SECRET];
    for (uint8_t n = 0; n < SOLO_LOG_DEVICES; n++) {
        memset(secret, n, sizeof secret);
        identity_make(&log->identities[n], secret, &library, SOLO_LOG_INCARNATION);
        log->devices[n] = log->identities[n].device;
    }
}

static void start(struct solo_log *log) {
    log->stopped = false;
    struct library *library = &log->library;
    struct store_seed seed = library_seed("/library.weft", place_schema, ME);
    const struct identity *me = &log->identities[ME];
    const struct entropy_port entropy = rng_entropy(&log->rng);
    seed.vfs = disk_vfs(log->disk);
    seed.fresh_device = me->device;
    seed.fresh_incarnation = me->incarnation;
    library->devices = log->devices;
    library->device_count = SOLO_LOG_DEVICES;
    library->pool = pool_open(0, 1 << 20, NULL);
    assert_non_null(library->pool);
    library_ok(library, store_open(&seed, library->pool, &library->store, &library->why));
    library_ok(library, store_found(&library->store, seed.path, seed.vfs, me, "mine", log->stamp,
                                    &entropy, library->pool, &library->why));

    assert_true(solo_make(&log->solo, ACTOR_LOG));
    struct settings *settings = &log->solo.settings;
    settings->path = seed.path;
    settings->vfs = seed.vfs;
    settings->device = me->device;
    settings->library = library->store.library;
    settings->incarnation = library->store.incarnation;
    settings->identity = me;
    settings->name = "mine";
    settings->models = library->store.models;
    settings->cache_bytes = log->cache_bytes;
    settings->group_rows = log->group_rows;
    settings->log_records = log->log_records;
    settings->patience_ms = log->patience_ms;
    settings->checkpoint_pages = log->checkpoint_pages;
    settings->snapshot_rows = LIMIT_SNAPSHOT_ROWS;
    settings->hook_mails = LIMIT_HOOK_MAILS;
    settings->entropy = entropy;
    library_ok(library, actor_start(&log->solo.topology->actors[ACTOR_LOG], &library->why));
}

static bool stop(struct solo_log *log) {
    mail_drop(&log->answered);
    bool clean = solo_close(&log->solo);
    store_close(&log->library.store);
    pool_close(log->library.pool);
    return clean;
}

int solo_log_setup(void **state) {
    struct solo_log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    log->disk = disk_open("solo-log", 1, (struct time_port){.self = NULL, .now = disk_now});
    rng_seed(&log->rng, 1, 1);
    log->cache_bytes = 8u << 20;
    log->group_rows = LIMIT_GROUP_ROWS;
    log->log_records = LIMIT_LOG_RECORDS;
    log->checkpoint_pages = LIMIT_CHECKPOINT_PAGES;
    log->patience_ms = LIMIT_PATIENCE_MS;
    log->stamp = 1000;
    draw(log);
    start(log);
    *state = log;
    return 0;
}

int solo_log_teardown(void **state) {
    struct solo_log *log = *state;
    bool clean = stop(log);
    disk_close(log->disk);
    free(log);
    return !clean;
}

void solo_log_restart(struct solo_log *log) {
    assert_true(stop(log));
    start(log);
}

void solo_log_power_cut(struct solo_log *log) {
    if (!disk_is_down(log->disk)) disk_crash(log->disk, DISK_KEEP_SYNCED);
    assert_true(stop(log));
    assert_int_equal(disk_open_handles(log->disk), 0);
    disk_restart(log->disk);
    start(log);
}

enum weft_status solo_log_fatal(struct solo_log *log) {
    struct weft_error why = {0};
    return topology_failed(log->solo.topology, &why) ? why.status : WEFT_OK;
}

/* ---- what the log is told -------------------------------------------------------------------- */

static void tell(struct solo_log *log, uint32_t from, struct mail *mail) {
    mail = mail_repack(&mail, log->solo.pool, NULL);
    assert_non_null(mail);
    solo_tell(&log->solo, from, mail);
}

static struct id device_id(const struct solo_log *log, uint8_t n) {
    return n < SOLO_LOG_DEVICES ? log->devices[n] : library_id(n);
}

uint8_t solo_log_who(const struct solo_log *log, const void *id) {
    for (uint8_t n = 0; n < SOLO_LOG_DEVICES; n++) {
        if (memcmp(log->devices[n].bytes, id, WEFT_ID_SIZE) == 0) return n;
    }
    return *(const uint8_t *)id;
}

static uint64_t stamps(struct solo_log *log, uint64_t count) {
    uint64_t first = log->stamp + 1;
    log->stamp += count;
    return first;
}

uint64_t solo_log_commit(struct solo_log *log, struct run *run, struct run *other) {
    struct run *const runs[] = {run, other};
    Weft__Rows *rows[2];
    Weft__Commit *commit = NULL;
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_COMMIT, &commit);
    commit->ticket = ++log->tickets;
    commit->rows = rows;
    commit->n_rows = other == NULL ? 1 : 2;
    for (size_t r = 0; r < commit->n_rows; r++) {
        rows[r] = runs[r]->builder.rows;
        commit->count += rows[r]->count;
    }
    uint64_t stamp = commit->first = stamps(log, commit->count);
    for (size_t r = 0; r < commit->n_rows; r++) {
        for (uint32_t row = 0; row < rows[r]->count; row++)
            rows_version_set(rows[r], row, stamp++);
    }
    tell(log, ACTOR_CLOCK, mail);
    run_drop(run);
    if (other != NULL) run_drop(other);
    return log->tickets;
}

uint64_t solo_log_put(struct solo_log *log, int id, const char *path) {
    struct run run;
    run_begin(&run, &log->library, "location");
    run_put(&run, "bdt", id, ME, path);
    return solo_log_commit(log, &run, NULL);
}

uint64_t solo_log_put_large(struct solo_log *log, int id) {
    static char text[700000];
    char end[] = {'/', (char)('a' + id % 26), (char)('a' + id / 26), 0};
    memset(text, 'x', sizeof text - 1);
    memcpy(text + sizeof text - sizeof end, end, sizeof end);
    return solo_log_put(log, id, text);
}

uint64_t solo_log_delete(struct solo_log *log, int id) {
    struct run run;
    run_begin(&run, &log->library, "location");
    run_delete(&run, "b", id);
    return solo_log_commit(log, &run, NULL);
}

void solo_log_receive(struct solo_log *log, struct run *run, struct solo_log_batch batch) {
    struct run empty;
    Weft__Incoming *incoming = NULL;
    const struct id owner = device_id(log, batch.owner);
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_INCOMING, &incoming);
    if (run == NULL) run_begin(run = &empty, &log->library, batch.table);
    Weft__Rows *rows = incoming->rows = run->builder.rows;
    assert_int_equal(rows->model, library_model(&log->library, batch.table));
    assert_true(mail_bytes(mail, &rows->owner, owner.bytes, sizeof owner.bytes));
    rows->after = batch.after;
    rows->upto = batch.upto;
    rows->horizon = batch.horizon;
    rows->sweep = batch.sweep;
    rows->same = batch.same;
    for (uint32_t row = 0; row < rows->count; row++) {
        rows_version_set(rows, row, batch.upto - VERSIONS_APART * (rows->count - 1 - row));
    }
    assert_true(rows_valid(rows, (uint32_t)rows->n_columns));
    tell(log, ACTOR_CLOCK, mail);
    run_drop(run);
}

uint64_t solo_log_scan_begin(struct solo_log *log, const char *table, const char *column,
                             struct weft_value scope) {
    Weft__Scan *scan = NULL;
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_SCAN, &scan);
    scan->model = library_model(&log->library, table);
    int at =
        model_column(models_get(log->library.store.models, scan->model), column, strlen(column));
    assert_true(at >= 0);
    scan->ticket = ++log->tickets;
    scan->column = (uint32_t)at;
    scan->scope = mail_message(mail, &weft__value__descriptor);
    assert_non_null(scan->scope);
    scan->scope->type = scope.type;
    if (scope.type == WEFT_TEXT || scope.type == WEFT_BLOB) {
        assert_true(mail_bytes(mail, &scan->scope->body, scope.as.bytes, scope.size));
    } else {
        scan->scope->integer = scope.as.integer;
    }
    scan->first = stamps(log, 1);
    tell(log, ACTOR_CLOCK, mail);
    return log->tickets;
}

uint64_t solo_log_scan_end(struct solo_log *log, uint64_t scan) {
    Weft__Scan *order = NULL;
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_SCAN, &order);
    order->ticket = ++log->tickets;
    order->scan = scan;
    order->end = true;
    order->first = stamps(log, LIMIT_SCAN_RANGE);
    tell(log, ACTOR_CLOCK, mail);
    return log->tickets;
}

static void fill_place(struct solo_log *log, struct mail *mail, Weft__Place *place, uint8_t owner,
                       const char *table, uint64_t position) {
    const struct id id = device_id(log, owner);
    assert_true(mail_bytes(mail, &place->owner, id.bytes, sizeof id.bytes));
    place->model = library_model(&log->library, table);
    place->position = position;
}

static void govern_as(struct solo_log *log, uint64_t ticket, uint8_t device, bool remove) {
    const struct identity *identity = &log->identities[device];
    char name[] = "device 00";
    Weft__Govern *govern = NULL;
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_GOVERN, &govern);
    name[7] = (char)('0' + device / 10);
    name[8] = (char)('0' + device % 10);
    govern->ticket = ticket;
    govern->remove = remove;
    govern->hlc = stamps(log, 1);
    govern->incarnation = identity->incarnation;
    govern->name = mail_text(mail, name);
    assert_true(mail_bytes(mail, &govern->device, identity->device.bytes, WEFT_ID_SIZE));
    assert_true(mail_bytes(mail, &govern->id_pk, identity->public.id_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &govern->x_pk, identity->public.x_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &govern->cert, identity->cert, IDENTITY_CERT));
    tell(log, ACTOR_CLOCK, mail);
}

uint64_t solo_log_govern(struct solo_log *log, uint8_t device, bool remove) {
    govern_as(log, ++log->tickets, device, remove);
    return log->tickets;
}

void solo_log_meet(struct solo_log *log, uint8_t device) {
    govern_as(log, 0, device, false);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_MEMBER).device, device);
    solo_turn(&log->solo);
}

void solo_log_acked(struct solo_log *log, uint8_t device, uint8_t owner, const char *table,
                    uint64_t position) {
    Weft__Acked *acked = NULL;
    const struct id id = device_id(log, device);
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_ACKED, &acked);
    assert_true(mail_bytes(mail, &acked->device, id.bytes, sizeof id.bytes));
    if (table != NULL) {
        acked->places = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, 1);
        assert_non_null(acked->places);
        acked->n_places = 1;
        fill_place(log, mail, acked->places[0], owner, table, position);
    }
    tell(log, ACTOR_PEER, mail);
}

struct mail *solo_log_survey(struct solo_log *log) {
    tell(log, ACTOR_CLOCK, solo_mail(&log->solo, WEFT__MAIL__BODY_SURVEY, NULL));
    struct mail *mail = solo_take(&log->solo, ACTOR_PRUNE, WEFT__MAIL__BODY_SURVEYED);
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_SURVEYED);
    return mail;
}

struct solo_log_forgotten solo_log_forget(struct solo_log *log, uint8_t owner, const char *table,
                                          uint64_t upto) {
    Weft__Forget *forget = NULL;
    struct mail *mail = solo_mail(&log->solo, WEFT__MAIL__BODY_FORGET, &forget);
    forget->upto = mail_message(mail, &weft__place__descriptor);
    assert_non_null(forget->upto);
    fill_place(log, mail, forget->upto, owner, table, upto);
    tell(log, ACTOR_PRUNE, mail);
    mail = solo_take(&log->solo, ACTOR_PRUNE, WEFT__MAIL__BODY_FORGOTTEN);
    assert_non_null(mail);
    const Weft__Forgotten *forgotten = mail->body.forgotten;
    assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_FORGOTTEN);
    struct solo_log_forgotten out = {forgotten->upto->position, forgotten->count, forgotten->more};
    mail_drop(&mail);
    return out;
}

/* ---- what the log says ----------------------------------------------------------------------- */

struct solo_log_outcome solo_log_outcome(struct solo_log *log) {
    struct solo_log_outcome out = {0};
    while (log->answered == NULL) {
        log->answered = solo_take(&log->solo, ACTOR_HOST, WEFT__MAIL__BODY_ANSWERED);
        log->answered_at = 0;
        if (log->answered == NULL) return out;
        if (log->answered->body.body_case != WEFT__MAIL__BODY_STOP) continue;
        log->stopped = true;
        mail_drop(&log->answered);
    }
    assert_false(log->stopped);
    const Weft__Answered *answered = log->answered->body.answered;
    assert_in_range(log->answered_at, 0, answered->n_outcomes - 1);
    const Weft__Outcome *outcome = answered->outcomes[log->answered_at++];
    out.ticket = outcome->ticket;
    out.status = (enum weft_status)outcome->status;
    out.count = outcome->n_models;
    assert_int_equal(outcome->n_models, outcome->n_versions);
    assert_in_range(outcome->n_models, 0, 2);
    assert_int_equal(outcome->status == WEFT_OK, outcome->text[0] == '\0');
    for (size_t i = 0; i < out.count; i++) {
        out.models[i] = outcome->models[i];
        out.versions[i] = outcome->versions[i];
    }
    if (log->answered_at == answered->n_outcomes) mail_drop(&log->answered);
    return out;
}

void solo_log_answers(struct solo_log *log, uint64_t ticket, enum weft_status status) {
    struct solo_log_outcome outcome = solo_log_outcome(log);
    if (outcome.ticket != ticket || outcome.status != status) {
        fail_msg("ticket %llu: %s instead of ticket %llu: %s", (unsigned long long)outcome.ticket,
                 weft_status_name(outcome.status), (unsigned long long)ticket,
                 weft_status_name(status));
    }
}

static void read_run(struct solo_log_passed *out, const Weft__Rows *rows) {
    assert_in_range(out->run_count, 0, 1);
    out->runs[out->run_count].model = rows->model;
    out->runs[out->run_count].count = rows->count;
    out->runs[out->run_count].after = rows->after;
    out->runs[out->run_count++].upto = rows->upto;
}

bool solo_log_passed(struct solo_log *log, struct solo_log_passed *out) {
    *out = (struct solo_log_passed){0};
    struct mail *mail = solo_take(&log->solo, ACTOR_BULK, WEFT__MAIL__BODY_COMMIT);
    if (mail == NULL) return false;
    if (mail->body.body_case == WEFT__MAIL__BODY_INCOMING) {
        const Weft__Incoming *incoming = mail->body.incoming;
        out->incoming = true;
        out->last = incoming->last_of_group != 0;
        out->status = (enum weft_status)incoming->status;
        out->position = incoming->position;
        out->sweeping = incoming->sweeping;
        read_run(out, incoming->rows);
    } else {
        const Weft__Commit *commit = mail->body.commit;
        assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_COMMIT);
        out->last = commit->last_of_group != 0;
        out->ticket = commit->ticket;
        for (size_t r = 0; r < commit->n_rows; r++)
            read_run(out, commit->rows[r]);
    }
    mail_drop(&mail);
    return true;
}

void solo_log_passes(struct solo_log *log, enum weft_status status, uint64_t position,
                     bool sweeping) {
    struct solo_log_passed passed;
    assert_true(solo_log_passed(log, &passed));
    assert_true(passed.incoming);
    if (passed.status != status || passed.position != position || passed.sweeping != sweeping) {
        fail_msg("%s, at %llu%s, instead of %s, at %llu%s", weft_status_name(passed.status),
                 (unsigned long long)passed.position, passed.sweeping ? ", sweeping" : "",
                 weft_status_name(status), (unsigned long long)position,
                 sweeping ? ", sweeping" : "");
    }
}

void solo_log_passes_nothing(struct solo_log *log) {
    struct solo_log_passed passed;
    assert_false(solo_log_passed(log, &passed));
}

struct solo_log_notice solo_log_notice(struct solo_log *log, enum weft_event_kind kind) {
    struct solo_log_notice out = {0};
    while (out.kind == 0) {
        struct mail *mail = solo_take(&log->solo, ACTOR_HOST, WEFT__MAIL__BODY_NOTICE);
        if (mail == NULL) return out;
        const Weft__Notice *notice = mail->body.notice;
        if ((int)notice->kind == (int)kind) {
            out.kind = (int)notice->kind;
            out.model = notice->model;
            out.count = notice->count;
            out.device = notice->device.len == 0 ? 0 : solo_log_who(log, notice->device.data);
            out.status = (enum weft_status)notice->status;
        }
        mail_drop(&mail);
    }
    return out;
}

/* ---- the file -------------------------------------------------------------------------------- */

static sqlite3 *open_file(const struct solo_log *log) {
    sqlite3 *db = NULL;
    assert_int_equal(
        sqlite3_open_v2(log->solo.settings.path, &db, SQLITE_OPEN_READWRITE, disk_vfs(log->disk)),
        SQLITE_OK);
    return db;
}

int64_t solo_log_count(const struct solo_log *log, const char *sql) {
    sqlite3 *db = open_file(log);
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    int64_t count = sqlite3_step(query) == SQLITE_ROW ? sqlite3_column_int64(query, 0) : 0;
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return count;
}

void solo_log_sql(const struct solo_log *log, const char *sql) {
    sqlite3 *db = open_file(log);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
