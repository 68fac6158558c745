/* A scribe.
 *
 *      loop:  choose a few own rows ─► [TRIED for deletes] ─► commit ─► ring of open tickets
 *             oldest ticket durable ─► PUT, DELETED
 *
 * Invariants
 *   1. A promise is reported only after weft_wait() said WEFT_DURABLE for its transaction.
 *   2. A delete is announced before its transaction is committed.
 *   3. Generations grow over all starts: the epoch is their upper half. A row's size is the
 *      generation that wrote it. */
#include "tests/lib/scribe.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/ledger.h"
#include "tests/lib/party.h"

#define SCRIBE_OPEN 8u   /* transactions on their way */
#define SCRIBE_WRITES 6u /* of one transaction, at most */
#define SCRIBE_ROWS_MAX 2000u

struct written {
    uint64_t ticket;
    uint32_t count;
    struct ledger_record records[SCRIBE_WRITES];
};

struct scribe {
    const struct scribe_orders *orders;
    weft_engine *engine;
    uint8_t device[16];
    int location, entry;
    uint32_t random;
    uint32_t counter;
    uint8_t (*rows)[16]; /* own rows that are there, or will be */
    uint32_t row_count;
    struct written open[SCRIBE_OPEN];
    uint32_t begun, ended; /* transactions; open: [ended, begun) */
    uint64_t last;
};

/* Not a check of cmocka's: this is another process. */
static void must(bool holds, const struct scribe *scribe, const char *what, enum weft_status status,
                 const struct weft_error *why) {
    if (holds) return;
    fprintf(stderr, "scribe %u, epoch %u: %s: %s %s\n", scribe->orders->number,
            scribe->orders->epoch, what, weft_status_name(status), why != NULL ? why->text : "");
    _exit(1);
}

static void must_be_ok(const struct scribe *scribe, enum weft_status status, const char *what,
                       const struct weft_error *why) {
    must(status == WEFT_OK, scribe, what, status, why);
}

static uint32_t scribe_random(struct scribe *scribe, uint32_t below) {
    scribe->random = scribe->random * 1664525u + 1013904223u;
    return (scribe->random >> 8) % below;
}

static void report(const struct scribe *scribe, const struct ledger_record *record) {
    ssize_t wrote;
    do {
        wrote = write(STDOUT_FILENO, record, sizeof *record);
    } while (wrote < 0 && errno == EINTR);
    must(wrote == (ssize_t)sizeof *record, scribe, "the ledger does not listen", WEFT_IO, NULL);
}

static void report_kind(const struct scribe *scribe, enum ledger_kind kind) {
    struct ledger_record record = {.kind = kind};
    report(scribe, &record);
}

/* Waits for the oldest open transaction, and reports its promises. */
static void settle_one(struct scribe *scribe) {
    struct weft_error why = {0};
    struct written *oldest = &scribe->open[scribe->ended++ % SCRIBE_OPEN];
    must_be_ok(scribe,
               weft_wait(scribe->engine, oldest->ticket, WEFT_DURABLE, 0, PARTY_PATIENCE_MS, &why),
               "a write did not become durable", &why);
    for (uint32_t i = 0; i < oldest->count; i++)
        report(scribe, &oldest->records[i]);
}

static enum weft_status put_row(struct scribe *scribe, weft_tx *tx,
                                const struct ledger_record *record) {
    struct weft_value values[PARTY_COLUMNS] = {0};
    char name[64];
    int size = snprintf(name, sizeof name, "written by scribe %u in epoch %u",
                        scribe->orders->number, scribe->orders->epoch);
    values[PARTY_ID] = weft_blob(record->id, 16);
    values[PARTY_LOCATION] = weft_blob(scribe->device, 16);
    values[PARTY_NAME] = weft_text(name, (size_t)size);
    values[PARTY_SIZE] = weft_integer(record->generation);
    return weft_put(tx, scribe->entry, values, PARTY_COLUMNS);
}

/* Chooses one write: a new row, a changed one, or a deleted one. */
static void choose(struct scribe *scribe, struct ledger_record *record) {
    uint32_t dice = scribe_random(scribe, 100);
    *record = (struct ledger_record){.kind = LEDGER_PUT};
    record->generation = (int64_t)((uint64_t)scribe->orders->epoch << 32 | ++scribe->counter);
    bool full = scribe->row_count == SCRIBE_ROWS_MAX;
    if (scribe->row_count == 0 || (dice < 50 && !full)) {
        weft_id(scribe->engine, record->id);
        memcpy(scribe->rows[scribe->row_count++], record->id, 16);
        return;
    }
    uint32_t chosen = scribe_random(scribe, scribe->row_count);
    memcpy(record->id, scribe->rows[chosen], 16);
    if (dice < 80) return;
    record->kind = LEDGER_DELETED;
    memcpy(scribe->rows[chosen], scribe->rows[--scribe->row_count], 16);
}

static void write_some(struct scribe *scribe) {
    if (scribe->begun - scribe->ended == SCRIBE_OPEN) settle_one(scribe);
    struct written *made = &scribe->open[scribe->begun % SCRIBE_OPEN];
    weft_tx *tx = NULL;
    made->count = 1 + scribe_random(scribe, SCRIBE_WRITES);
    must_be_ok(scribe, weft_begin_wait(scribe->engine, PARTY_PATIENCE_MS, &tx), "begin", NULL);
    for (uint32_t i = 0; i < made->count; i++) {
        struct ledger_record *record = &made->records[i];
        choose(scribe, record);
        enum weft_status status;
        if (record->kind == LEDGER_DELETED) {
            struct ledger_record tried = *record;
            struct weft_value key = weft_blob(record->id, 16);
            tried.kind = LEDGER_TRIED;
            report(scribe, &tried);
            status = weft_delete(tx, scribe->entry, &key, 1);
        } else {
            status = put_row(scribe, tx, record);
        }
        must_be_ok(scribe, status, "write", weft_tx_why(tx));
    }
    must_be_ok(scribe, weft_commit_wait(tx, PARTY_PATIENCE_MS, &made->ticket), "commit", NULL);
    scribe->last = made->ticket;
    scribe->begun++;
}

/* Own rows, as the last start left them. */
static void load_rows(struct scribe *scribe) {
    struct weft_error why = {0};
    sqlite3 *reader = NULL;
    sqlite3_stmt *rows = NULL;
    must_be_ok(scribe, weft_open_reader(scribe->engine, &reader, &why), "reader", &why);
    const char *sql = "SELECT id FROM entry WHERE location_id = ?1";
    must(sqlite3_prepare_v2(reader, sql, -1, &rows, NULL) == SQLITE_OK, scribe,
         sqlite3_errmsg(reader), WEFT_IO, NULL);
    sqlite3_bind_blob(rows, 1, scribe->device, 16, SQLITE_STATIC);
    int result;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        must(scribe->row_count < SCRIBE_ROWS_MAX, scribe, "too many rows", WEFT_LIMIT, NULL);
        memcpy(scribe->rows[scribe->row_count++], sqlite3_column_blob(rows, 0), 16);
    }
    must(result == SQLITE_DONE, scribe, "reading own rows", WEFT_IO, NULL);
    sqlite3_finalize(rows);
    sqlite3_close(reader);
}

static void settle_in(struct scribe *scribe) {
    weft_tx *tx = NULL;
    struct weft_value home[] = {weft_blob(scribe->device, 16), weft_blob(scribe->device, 16),
                                weft_text("/home", 5)};
    must_be_ok(scribe, weft_begin_wait(scribe->engine, PARTY_PATIENCE_MS, &tx), "begin", NULL);
    must_be_ok(scribe, weft_put(tx, scribe->location, home, 3), "location", weft_tx_why(tx));
    must_be_ok(scribe, weft_commit_wait(tx, PARTY_PATIENCE_MS, &scribe->last), "commit", NULL);
}

static void open_scribe(struct scribe *scribe) {
    const struct scribe_orders *orders = scribe->orders;
    struct weft_error why = {0};
    struct weft_config config = {.path = orders->path, .schema = party_schema};
    must_be_ok(scribe, weft_open(&config, &scribe->engine, &why), "open", &why);
    weft_device(scribe->engine, scribe->device);
    scribe->location = weft_model(scribe->engine, "location");
    scribe->entry = weft_model(scribe->engine, "entry");
    const char *address = orders->addresses[orders->number];
    must_be_ok(scribe, weft_listen_wait(scribe->engine, address, NULL, &why), "listen", &why);
    for (unsigned i = 0; i < SCRIBES; i++) {
        if (i == orders->number) continue;
        must_be_ok(scribe, weft_connect(scribe->engine, orders->targets[i], &why), "connect", &why);
    }
    load_rows(scribe);
    settle_in(scribe);
}

/* What the test says: 'q', 0 for the end of it, or -1 for nothing yet. */
static int listen_to_test(bool wait) {
    struct pollfd watched = {STDIN_FILENO, POLLIN, 0};
    char byte;
    if (poll(&watched, 1, wait ? -1 : 0) <= 0) return -1;
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : 0;
}

static void fall_quiet(struct scribe *scribe) {
    struct weft_error why = {0};
    write_some(scribe);
    while (scribe->ended != scribe->begun)
        settle_one(scribe);
    enum weft_status status = weft_wait(scribe->engine, scribe->last, WEFT_REPLICATED, SCRIBES - 1,
                                        PARTY_PATIENCE_MS, &why);
    must_be_ok(scribe, status, "the last write did not arrive everywhere", &why);
    report_kind(scribe, LEDGER_QUIET);
}

int scribe_run(const struct scribe_orders *orders) {
    struct scribe *scribe = calloc(1, sizeof *scribe);
    if (scribe == NULL) return 1;
    scribe->orders = orders;
    scribe->random = orders->seed + orders->epoch * 7919u + orders->number * 104729u;
    scribe->rows = calloc(SCRIBE_ROWS_MAX, sizeof *scribe->rows);
    must(scribe->rows != NULL, scribe, "memory", WEFT_NO_MEMORY, NULL);
    open_scribe(scribe);
    report_kind(scribe, LEDGER_READY);
    int said;
    while ((said = listen_to_test(false)) == -1)
        write_some(scribe);
    if (said == 'q') fall_quiet(scribe);
    while (said != 0)
        said = listen_to_test(true);
    weft_close(scribe->engine);
    free(scribe->rows);
    free(scribe);
    return 0;
}
