/* A node.
 *
 *      loop:  choose a few writes ─► [TRIED] ─► commit ─► ring of open transactions
 *             oldest one durable ─► PUT, DELETED of LEDGER_HERE ─► later, of the higher levels
 *
 * Invariants
 *   1. A promise is reported only after weft_wait() gave that level for its transaction.
 *   2. A delete, and what is to stand in a cell, is announced before its transaction is committed.
 *   3. Generations grow over all starts: the epoch is their upper half. A row's generation is that
 *      of the write that made it what it is.
 *   4. Two rows that are twins are written by one transaction, or not at all: whoever reads them
 *      together finds them equal, at any moment, on any device. */
#include "tests/chaos/node.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/host.h"
#include "engine/runtime/topology.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/tell.h"
#include "tests/sim/rng.h"

#define NODE_OPEN 8u       /* transactions not yet known to be durable */
#define NODE_FOLLOWED 512u /* ... and those whose higher levels are waited for */
#define NODE_WRITES 6u     /* of one transaction, at most */
#define NODE_RECORDS (NODE_WRITES * 2u)
#define NODE_LOOK_MS 50
#define NODE_TELL_MS 1000
#define NODE_WORK_MS 200
#define NODE_IDLE_MS 5

const char node_schema[] =
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: device)\n"
    "  id BLOB PRIMARY KEY, device BLOB NOT NULL, generation INTEGER NOT NULL, name TEXT\n"
    ") WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS mark ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, device BLOB, generation INTEGER, note TEXT);\n"
    "CREATE TABLE IF NOT EXISTS hot ( -- @shared(create: atomic)\n"
    "  id BLOB PRIMARY KEY, twin BLOB, first INTEGER, second INTEGER, alone INTEGER);\n";

enum hot_column { HOT_FIRST = 2, HOT_SECOND, HOT_ALONE, HOT_COLUMNS };

/* Own rows of one table. */
struct holding {
    enum ledger_table table;
    int model;
    uint8_t (*ids)[16]; /* that are there, or will be */
    uint32_t count;
};

struct written {
    uint64_t ticket;
    enum ledger_level level; /* reached and reported */
    uint32_t count;
    struct ledger_record records[NODE_RECORDS];
};

struct node {
    const struct node_orders *orders;
    weft_engine *engine;
    sqlite3 *reader;
    sqlite3_stmt *look;
    uint8_t device[16];
    struct holding entries, marks;
    int hot;
    struct rng rng;
    uint32_t counter;
    struct written open[NODE_OPEN], followed[NODE_FOLLOWED];
    uint32_t begun, ended;      /* transactions; open: [ended, begun) */
    uint32_t follow, forgotten; /* ... and followed: [forgotten, follow) */
    uint64_t last;
    int64_t sessions, told_ms; /* told last, and when */
    struct work *work;         /* NULL: none; it writes as this file says */
};

static void must_be_ok(enum weft_status status, const char *what, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    tell_die("%s: %s: %s", what, weft_status_name(status), why != NULL ? why->text : "");
}

static void report(const struct ledger_record *record) {
    ssize_t wrote;
    do {
        wrote = write(STDOUT_FILENO, record, sizeof *record);
    } while (wrote < 0 && errno == EINTR);
    if (wrote != (ssize_t)sizeof *record) tell_die("the ledger does not listen");
}

static void report_kind(enum ledger_kind kind, int64_t number) {
    struct ledger_record record = {.kind = (uint8_t)kind, .generation = number};
    report(&record);
}

/* ---- promises -------------------------------------------------------------------------------- */

static bool promised(struct node *node, struct written *made, enum ledger_level level,
                     int timeout_ms) {
    static const enum weft_level levels[LEDGER_LEVELS] = {
        [LEDGER_HERE] = WEFT_DURABLE,
        [LEDGER_ANOTHER] = WEFT_REPLICATED,
        [LEDGER_EVERYWHERE] = WEFT_EVERYWHERE,
    };
    struct weft_error why = {0};
    enum weft_status status =
        weft_wait(node->engine, made->ticket, levels[level], 1, timeout_ms, &why);
    if (status == WEFT_TIMEOUT && timeout_ms == 0) return false;
    must_be_ok(status, "a write did not keep", &why);
    made->level = level;
    for (uint32_t i = 0; i < made->count; i++) {
        made->records[i].level = (uint8_t)level;
        report(&made->records[i]);
    }
    return true;
}

/* Waits for the oldest open transaction; its higher levels are looked at from then on. */
static void settle_one(struct node *node) {
    struct written *oldest = &node->open[node->ended++ % NODE_OPEN];
    promised(node, oldest, LEDGER_HERE, NODE_PATIENCE_MS);
    if (node->follow - node->forgotten == NODE_FOLLOWED) node->forgotten++;
    node->followed[node->follow++ % NODE_FOLLOWED] = *oldest;
}

static void follow_some(struct node *node) {
    for (uint32_t i = node->forgotten; i != node->follow; i++) {
        struct written *made = &node->followed[i % NODE_FOLLOWED];
        while (made->level < LEDGER_EVERYWHERE &&
               promised(node, made, (enum ledger_level)(made->level + 1), 0))
            continue;
        if (made->level < LEDGER_ANOTHER) break; /* Later ones are no further. */
    }
    while (node->forgotten != node->follow &&
           node->followed[node->forgotten % NODE_FOLLOWED].level == LEDGER_EVERYWHERE)
        node->forgotten++;
}

/* ---- writing --------------------------------------------------------------------------------- */

static struct ledger_record *note(struct written *made, enum ledger_kind kind,
                                  enum ledger_table table, int64_t generation,
                                  const uint8_t id[16]) {
    if (made->count == NODE_RECORDS) tell_die("too many records of one transaction");
    struct ledger_record *record = &made->records[made->count++];
    *record = (struct ledger_record){
        .kind = (uint8_t)kind, .table = (uint8_t)table, .generation = generation};
    memcpy(record->id, id, sizeof record->id);
    return record;
}

static void put_row(struct node *node, weft_tx *tx, const struct holding *holding,
                    const struct ledger_record *record) {
    char name[64];
    int size = snprintf(name, sizeof name, "written by node %u in epoch %u", node->orders->number,
                        node->orders->epoch);
    struct weft_value values[] = {weft_blob(record->id, 16), weft_blob(node->device, 16),
                                  weft_integer(record->generation), weft_text(name, (size_t)size)};
    must_be_ok(weft_put(tx, holding->model, values, 4), "put", weft_tx_why(tx));
}

/* A new row of one's own, a changed one, or a deleted one. */
static void write_own(struct node *node, weft_tx *tx, struct holding *holding, struct written *made,
                      int64_t generation) {
    const uint32_t dice = (uint32_t)rng_below(&node->rng, 100), steady = node->orders->steady;
    const bool full = holding->count == node->orders->rows_max;
    uint8_t id[16];
    if (holding->count == 0 || (!full && dice >= steady && (dice - steady) % 2 == 0)) {
        weft_id(node->engine, id);
        memcpy(holding->ids[holding->count++], id, 16);
        put_row(node, tx, holding, note(made, LEDGER_PUT, holding->table, generation, id));
        return;
    }
    const uint32_t chosen = (uint32_t)rng_below(&node->rng, holding->count);
    memcpy(id, holding->ids[chosen], 16);
    if (dice < steady) {
        put_row(node, tx, holding, note(made, LEDGER_PUT, holding->table, generation, id));
        return;
    }
    struct ledger_record tried = *note(made, LEDGER_DELETED, holding->table, generation, id);
    struct weft_value key = weft_blob(id, sizeof id);
    tried.kind = LEDGER_TRIED;
    report(&tried);
    memcpy(holding->ids[chosen], holding->ids[--holding->count], 16);
    must_be_ok(weft_delete(tx, holding->model, &key, 1), "delete", weft_tx_why(tx));
}

static void hot_id(unsigned twin, unsigned of_two, bool alone, uint8_t id[16]) {
    memset(id, 0, 16);
    id[0] = 1;
    id[13] = (uint8_t)of_two;
    id[14] = alone;
    id[15] = (uint8_t)twin;
}

/* What two twins show now, as one statement reads it. */
struct twins {
    int64_t value[2], alone[2];
};

static void look_at_twins(struct node *node, unsigned twin, struct twins *out) {
    uint8_t id[16];
    for (unsigned i = 0; i < 2; i++) {
        hot_id(twin, i, false, id);
        sqlite3_bind_blob(node->look, 1 + (int)i, id, sizeof id, SQLITE_TRANSIENT);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (sqlite3_step(node->look) != SQLITE_ROW)
            tell_die("twin %u.%u cannot be read: %s", twin, i, sqlite3_errmsg(node->reader));
        out->value[i] = sqlite3_column_int64(node->look, 0);
        out->alone[i] = sqlite3_column_int64(node->look, 2);
        if (sqlite3_column_int64(node->look, 1) != out->value[i])
            tell_die("half of a write to twin %u.%u is to be seen", twin, i);
    }
    sqlite3_reset(node->look);
    if (out->value[0] != out->value[1])
        tell_die("twins %u show %lld and %lld: half of a transaction is to be seen", twin,
                 (long long)out->value[0], (long long)out->value[1]);
}

static void set_cell(struct node *node, weft_tx *tx, const uint8_t id[16], enum hot_column column,
                     int64_t generation) {
    struct weft_value key = weft_blob(id, 16), value = weft_integer(generation);
    must_be_ok(weft_set(tx, node->hot, &key, 1, (int)column, &value), "set", weft_tx_why(tx));
}

static void announce(struct written *made, const uint8_t cell[16], int64_t generation,
                     int64_t over) {
    struct ledger_record tried = *note(made, LEDGER_PUT, LEDGER_CELL, generation, cell);
    tried.kind = LEDGER_TRIED;
    tried.over = over;
    report(&tried);
}

/* What everybody writes: both twins, or one field of one of them. */
static void write_hot(struct node *node, weft_tx *tx, struct written *made, int64_t generation) {
    const unsigned twin = (unsigned)rng_below(&node->rng, NODE_TWINS);
    const bool alone = rng_chance(&node->rng, 400);
    const unsigned one = (unsigned)rng_below(&node->rng, 2);
    struct twins seen;
    uint8_t id[16], cell[16];
    look_at_twins(node, twin, &seen);
    for (unsigned i = 0; i < 2; i++) {
        if (alone && i != one) continue;
        hot_id(twin, i, false, id);
        hot_id(twin, i, alone, cell);
        announce(made, cell, generation, alone ? seen.alone[i] : seen.value[i]);
        if (alone) {
            set_cell(node, tx, id, HOT_ALONE, generation);
            continue;
        }
        set_cell(node, tx, id, HOT_FIRST, generation);
        set_cell(node, tx, id, HOT_SECOND, generation);
    }
}

static void write_some(struct node *node) {
    if (node->begun - node->ended == NODE_OPEN) settle_one(node);
    struct written *made = &node->open[node->begun % NODE_OPEN];
    const uint32_t count = (uint32_t)rng_between(&node->rng, 1, NODE_WRITES);
    weft_tx *tx = NULL;
    bool hot = false;
    *made = (struct written){0};
    must_be_ok(weft_begin_wait(node->engine, NODE_PATIENCE_MS, &tx), "begin", NULL);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t dice = (uint32_t)rng_below(&node->rng, 10);
        const int64_t generation =
            ledger_generation(node->orders->number, node->orders->epoch, ++node->counter);
        if (dice < 3 && !hot) {
            hot = true; /* Once: what it saw is true for the first only. */
            write_hot(node, tx, made, generation);
        } else {
            write_own(node, tx, dice < 7 ? &node->entries : &node->marks, made, generation);
        }
    }
    must_be_ok(weft_commit_wait(tx, NODE_PATIENCE_MS, &made->ticket), "commit", NULL);
    node->last = made->ticket;
    node->begun++;
}

enum weft_status node_seed_rows(weft_engine *engine, struct weft_error *why) {
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    enum weft_status status = weft_begin_wait(engine, NODE_PATIENCE_MS, &tx);
    for (unsigned i = 0; i < 2 * NODE_TWINS && status == WEFT_OK; i++) {
        uint8_t id[16], twin[16];
        hot_id(i / 2, i % 2, false, id);
        hot_id(i / 2, 1 - i % 2, false, twin);
        struct weft_value row[] = {weft_blob(id, 16), weft_blob(twin, 16), weft_integer(0),
                                   weft_integer(0), weft_integer(0)};
        status = weft_put(tx, weft_model(engine, "hot"), row, 5);
    }
    if (status == WEFT_OK) status = work_seed_rows(tx, engine);
    if (status == WEFT_OK) status = weft_commit_wait(tx, NODE_PATIENCE_MS, &ticket);
    return status == WEFT_OK ? weft_wait(engine, ticket, WEFT_DURABLE, 0, NODE_PATIENCE_MS, why)
                             : status;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Own rows, as the last start left them. */
static void load_rows(struct node *node, struct holding *holding, enum ledger_table table) {
    char sql[96];
    const char *name = table == LEDGER_ENTRY ? "entry" : "mark";
    sqlite3_stmt *rows = NULL;
    holding->table = table;
    holding->model = weft_model(node->engine, name);
    holding->ids = calloc(node->orders->rows_max, sizeof *holding->ids);
    if (holding->ids == NULL || holding->model < 0) tell_die("no memory, or no table %s", name);
    snprintf(sql, sizeof sql, "SELECT id FROM %s WHERE device = ?1", name);
    if (sqlite3_prepare_v2(node->reader, sql, -1, &rows, NULL) != SQLITE_OK)
        tell_die("%s: %s", sql, sqlite3_errmsg(node->reader));
    sqlite3_bind_blob(rows, 1, node->device, 16, SQLITE_STATIC);
    int result;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        if (holding->count == node->orders->rows_max) tell_die("too many rows in %s", name);
        memcpy(holding->ids[holding->count++], sqlite3_column_blob(rows, 0), 16);
    }
    if (result != SQLITE_DONE) tell_die("%s: %s", sql, sqlite3_errmsg(node->reader));
    sqlite3_finalize(rows);
}

static void dial_all(struct node *node) {
    struct weft_error why = {0};
    for (unsigned i = 0; i < node->orders->peer_count; i++)
        must_be_ok(weft_connect(node->engine, node->orders->peers[i], &why), "connect", &why);
}

static void node_open(struct node *node) {
    const struct node_orders *orders = node->orders;
    struct weft_error why = {0};
    /* Every way to spread the actors over threads has its turn. */
    struct weft_config config = {
        .path = orders->path,
        .schema = node_schema,
        .peers_max = 2 * NODE_PEERS_MAX,
        .threads = (enum weft_threads)rng_between(&node->rng, WEFT_THREADS_AUTO, WEFT_THREADS_ONE)};
    must_be_ok(weft_open(&config, &node->engine, &why), "open", &why);
    weft_device(node->engine, node->device);
    node->hot = weft_model(node->engine, "hot");
    if (node->hot < 0) tell_die("there is no table hot");
    must_be_ok(weft_listen_wait(node->engine, orders->listen, NULL, &why), "listen", &why);
    must_be_ok(weft_open_reader(node->engine, &node->reader, &why), "reader", &why);
    if (sqlite3_prepare_v2(node->reader,
                           "SELECT first, second, alone FROM hot WHERE id IN (?1, ?2) ORDER BY id",
                           -1, &node->look, NULL) != SQLITE_OK)
        tell_die("%s", sqlite3_errmsg(node->reader));
    if (orders->work.rows + orders->work.edits > 0) {
        node->work = work_open(&orders->work, node->engine);
    } else {
        load_rows(node, &node->entries, LEDGER_ENTRY);
        load_rows(node, &node->marks, LEDGER_MARK);
    }
    dial_all(node);
}

/* ---- what is heard --------------------------------------------------------------------------- */

/* What a faulty network may do to a device: nothing but this. */
static bool of_network(enum weft_status status) {
    return status == WEFT_NET || status == WEFT_DENIED || status == WEFT_PROTOCOL;
}

static void hear_event(const struct weft_event *event) {
    switch (event->kind) {
    case WEFT_EVENT_FAULT:
        if (of_network(event->error.status)) break;
        /* fall through */
    case WEFT_EVENT_RESTORED:
    case WEFT_EVENT_PARKED:
    case WEFT_EVENT_DIFFERS:
        tell_die("event of kind %d: %s: %s", (int)event->kind,
                 weft_status_name(event->error.status), event->error.text);
    default:
        break;
    }
}

/* What all pools have, in use or kept; of lanes there is one: this thread's. */
static size_t pools_have(const struct node *node) {
    const struct topology *topology = node->engine->topology;
    const struct pool *lane = node->engine->lanes[0].pool;
    size_t bytes = lane == NULL ? 0 : pool_held(lane) + pool_kept(lane);
    for (uint32_t i = 0; i < topology->kit_count; i++) {
        const struct pool *pool = topology->kits[i].pool;
        if (pool != NULL) bytes += pool_held(pool) + pool_kept(pool);
    }
    return bytes;
}

static void report_memory(const struct node *node) {
    const struct mallinfo2 heap = mallinfo2();
    struct ledger_record record = {.kind = LEDGER_MEMORY};
    record.memory = (struct ledger_memory){.heap = (int64_t)(heap.uordblks + heap.hblkhd),
                                           .pools = (int64_t)pools_have(node),
                                           .sqlite = sqlite3_memory_used()};
    report(&record);
}

static void report_work(const struct node *node, bool exact) {
    struct ledger_record record = {.kind = LEDGER_WORK};
    work_told(node->work, exact, &record.work);
    report(&record);
}

/* Takes all events, and tells how many sessions there are, when that has changed, and now and then
 * what the heap holds. */
static void hear_events(struct node *node) {
    struct weft_event event;
    struct weft_peer peers[2 * NODE_PEERS_MAX];
    int64_t live = 0;
    while (weft_next_event(node->engine, &event))
        hear_event(&event);
    unsigned count = weft_peers(node->engine, peers, 2 * NODE_PEERS_MAX);
    for (unsigned i = 0; i < count && i < 2 * NODE_PEERS_MAX; i++)
        live += peers[i].state == WEFT_PEER_LIVE;
    if (live != node->sessions) report_kind(LEDGER_SESSION, live);
    node->sessions = live;
    if (tell_now_ms() < node->told_ms + (node->work != NULL ? NODE_WORK_MS : NODE_TELL_MS)) return;
    node->told_ms = tell_now_ms();
    if (node->work != NULL)
        report_work(node, false);
    else
        report_memory(node);
}

/* What the director says: a letter, 0 for the end of it, or -1 for nothing in that time. */
static int listen_to_director(int timeout_ms) {
    struct pollfd watched = {STDIN_FILENO, POLLIN, 0};
    char byte;
    if (poll(&watched, 1, timeout_ms) <= 0) return -1;
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : 0;
}

/* Hears events until something is said. */
static int wait_for_word(struct node *node) {
    int said;
    do {
        hear_events(node);
        said = listen_to_director(NODE_LOOK_MS);
    } while (said == -1);
    return said;
}

static int64_t patience_ms(const struct node *node) {
    return node->orders->patience_ms > 0 ? node->orders->patience_ms : NODE_PATIENCE_MS;
}

static void fall_quiet(struct node *node) {
    struct weft_error why = {0};
    const int64_t deadline = tell_now_ms() + patience_ms(node);
    /* As a host does that hears of the network's return; else it would be a minute at most. */
    dial_all(node);
    if (node->work != NULL)
        node->last = work_finish(node->work);
    else
        write_some(node);
    while (node->ended != node->begun)
        settle_one(node);
    while (weft_wait(node->engine, node->last, WEFT_EVERYWHERE, 0, NODE_LOOK_MS, &why) ==
           WEFT_TIMEOUT) {
        hear_events(node);
        if (tell_now_ms() > deadline)
            tell_die("the last write did not arrive everywhere; %lld sessions stand",
                     (long long)node->sessions);
    }
    follow_some(node);
    report_kind(LEDGER_QUIET, 0);
}

/* Whether all rows are sound, and are what every other device says that it holds. */
static bool all_agree(struct node *node, struct weft_digest *worst) {
    struct weft_digest found[64];
    struct weft_error why = {0};
    const unsigned others = weft_member_count(node->engine) - 1;
    unsigned count = 0;
    must_be_ok(weft_verify_wait(node->engine, found, 64, &count, &why), "verify", &why);
    if (count == 0 || count > 64) tell_die("%u digests were found", count);
    for (unsigned i = 0; i < count; i++) {
        if (!found[i].sound || found[i].differ > 0)
            tell_die("the rows of model %d are %s; %u differ", found[i].model,
                     found[i].sound ? "sound" : "not sound", found[i].differ);
        *worst = found[i];
        if (found[i].agree != others) return false;
    }
    return true;
}

static void verify(struct node *node) {
    const int64_t deadline = tell_now_ms() + patience_ms(node);
    struct weft_digest worst = {0};
    while (!all_agree(node, &worst)) {
        struct pollfd watched = {weft_event_descriptor(node->engine), POLLIN, 0};
        if (tell_now_ms() > deadline)
            tell_die("of model %d, %u agree, %u are elsewhere", worst.model, worst.agree,
                     worst.elsewhere);
        (void)poll(&watched, 1, NODE_LOOK_MS);
        hear_events(node);
    }
    if (node->work != NULL) report_work(node, true);
    report_kind(LEDGER_VERIFIED, 0);
}

static void node_close(struct node *node) {
    sqlite3_finalize(node->look);
    sqlite3_close(node->reader);
    if (node->work != NULL) work_close(node->work);
    weft_close(node->engine);
    free(node->entries.ids);
    free(node->marks.ids);
    free(node);
}

int node_run(const struct node_orders *orders) {
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) return 1;
    node->orders = orders;
    rng_seed(&node->rng, orders->seed, (uint64_t)orders->number << 32 | orders->epoch);
    node_open(node);
    report_kind(LEDGER_READY, 0);
    int said, pause_ms = (int)orders->pause_ms;
    while ((said = listen_to_director(pause_ms)) == -1) {
        if (node->work != NULL) {
            pause_ms = work_turn(node->work) ? 0 : NODE_IDLE_MS;
        } else {
            write_some(node);
            follow_some(node);
        }
        hear_events(node);
    }
    while (said != 0) {
        if (said == 'q') fall_quiet(node);
        if (said == 'v') verify(node);
        said = wait_for_word(node);
    }
    node_close(node);
    return 0;
}
