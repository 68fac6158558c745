/* The checker.
 *
 *     log ──committed──► bulk      the history of own rows grows (oracle_mail)
 *     bulk ──held──► peer          a promise
 *     log ──answered──► host       versions of the newest ticket
 *     file                         read by SQL at moments drawn from the seed, after each restart,
 * and at the end
 *
 * A rescan deletes rows without a mail that names them; then the file itself completes the history.
 * Invariants
 *   1. It learns what was committed only from the owner's own engine, and what is so from files.
 *   2. It changes nothing in any engine.
 * Deliberately not here: which answers tickets get (author.c). */
#include "tests/sim/oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/wire/rows.h"
#include "tests/sim/ambush.h"
#include "tests/sim/audit.h"
#include "tests/sim/author.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/company.h"
#include "tests/sim/device.h"
#include "tests/sim/diet.h"
#include "tests/sim/history.h"
#include "tests/sim/ledger.h"
#include "tests/sim/memory.h"
#include "tests/sim/mirror.h"
#include "tests/sim/pace.h"
#include "tests/sim/sums.h"
#include "tests/sim/trace.h"

struct oracle {
    struct world *world;
    struct history history;
    /* What a device has told any peer that it holds, and what peers have stored of that. */
    uint64_t promised[DEVICES_MAX][DEVICES_MAX][TABLE_COUNT];
    /* The same since its disk was restored last: what it must still hold. */
    uint64_t owed[DEVICES_MAX][DEVICES_MAX][TABLE_COUNT];
    uint64_t acked[DEVICES_MAX][DEVICES_MAX][DEVICES_MAX][TABLE_COUNT];
    bool incomplete[DEVICES_MAX]; /* the history lacks what the file has */
    struct snapshot *scratch;     /* one for each device */
};

/* ---- what the mails say ---------------------------------------------------------------------- */

static bool model_table(const struct device *device, uint32_t model, enum table *out) {
    for (int t = 0; t < TABLE_COUNT; t++)
        if (model != 0 && device->model_id[t] == (int)model) {
            *out = (enum table)t;
            return true;
        }
    return false;
}

static bool committed_row(struct device *device, enum table table, const Weft__Rows *rows,
                          uint32_t at) {
    struct world *world = device->world;
    const struct table_shape *shape = &table_shapes[table];
    uint64_t hash[COLUMNS_MAX] = {0};
    uint32_t of = 0, row = 0;
    bool whole = rows_op(rows, at) == ROW_PUT;
    if (rows_op(rows, at) == ROW_NONE) return true;
    if (!whole && rows_op(rows, at) != ROW_DELETE)
        return world_fail(world, "device %u: a committed row is neither put nor delete",
                          device->number);
    const uint32_t columns = table_columns(table, device->version);
    for (uint32_t c = 0; c < shape->column_count; c++) {
        struct weft_value value = c < columns ? rows_value(rows, at, c) : table_default(table, c);
        hash[c] = value_hash(&value);
    }
    if (!keyring_find(world->keyring, table, hash, &of, &row) || of != device->number)
        return world_fail(world, "device %u: committed a row of table %s that is not its own",
                          device->number, shape->name);
    if (!history_add(&world->oracle->history, of, row, rows_version(rows, at),
                     whole ? cells_digest(table, hash) : 0))
        return world_fail(world, "device %u: table %s row %u: version %llx does not rise",
                          device->number, shape->name, row,
                          (unsigned long long)rows_version(rows, at));
    return true;
}

static void on_committed(struct device *device, const Weft__Commit *commit) {
    struct oracle *oracle = device->world->oracle;
    for (size_t r = 0; r < commit->n_rows; r++) {
        const Weft__Rows *rows = commit->rows[r];
        enum table table;
        if (!model_table(device, rows->model, &table)) continue;
        if (rows->count == 0 && rows->upto > rows->after) oracle->incomplete[device->number] = true;
        for (uint32_t i = 0; i < rows->count; i++)
            if (!committed_row(device, table, rows, i)) return;
    }
}

static void on_held(struct device *device, const Weft__Held *held) {
    const struct cast *cast = &device->world->cast;
    for (size_t i = 0; i < held->n_places; i++) {
        const Weft__Place *place = held->places[i];
        enum table table;
        if (!model_table(device, place->model, &table)) continue;
        for (uint32_t d = 0; d < cast->device_count; d++) {
            struct oracle *oracle = device->world->oracle;
            uint64_t *promised = &oracle->promised[device->number][d][table];
            uint64_t *owed = &oracle->owed[device->number][d][table];
            if (memcmp(cast->device[d].bytes, place->owner.data, place->owner.len) != 0) continue;
            if (place->position > *promised) *promised = place->position;
            /* What was said before bulk heard that it is left out is owed no more. */
            if (place->position <= diet_gone(device->world->diet, device->number, d, table))
                continue;
            if (place->position > *owed) *owed = place->position;
        }
    }
}

/* What the log says that it has taken is owed from then on, though peers hear of it later: on a
 * machine with threads they may hear of it at once. In a sweep it says how far that has come. */
static void on_taken(struct device *device, const Weft__Incoming *incoming) {
    const struct cast *cast = &device->world->cast;
    const Weft__Rows *rows = incoming->rows;
    enum table table;
    if (incoming->status != WEFT_OK || !rows || incoming->sweeping) return;
    if (!model_table(device, rows->model, &table)) return;
    for (uint32_t d = 0; d < cast->device_count; d++) {
        uint64_t *owed = &device->world->oracle->owed[device->number][d][table];
        if (memcmp(cast->device[d].bytes, rows->owner.data, rows->owner.len) != 0) continue;
        if (incoming->position <= diet_gone(device->world->diet, device->number, d, table))
            continue;
        if (incoming->position > *owed) *owed = incoming->position;
    }
}

/* Nothing is owed of what is left out. `subscribed` NULL: what that is, the file says. */
static bool let_go(struct device *device, const Weft__Subscribed *subscribed) {
    struct oracle *oracle = device->world->oracle;
    const uint32_t me = device->number;
    return diet_let_go(device, subscribed, oracle->promised[me], oracle->owed[me]);
}

/* Tombstones have been forgotten: every member must have said that it holds them. */
static void on_forgotten(struct device *device, const Weft__Place *place) {
    const struct world *world = device->world;
    const struct oracle *oracle = world->oracle;
    bool members[DEVICES_MAX];
    enum table table;
    if (!device->db || !model_table(device, place->model, &table)) return;
    if (!snapshot_members(device, members)) return;
    struct snapshot *file = &world->oracle->scratch[device->number];
    if (!snapshot_positions(device, file)) return;
    for (uint32_t of = 0; of < world->cast.device_count; of++) {
        if (memcmp(world->cast.device[of].bytes, place->owner.data, place->owner.len) != 0)
            continue;
        uint64_t upto = place->position;
        if (upto > file->position[of][table]) upto = file->position[of][table];
        for (uint32_t m = 0; m < world->cast.device_count; m++) {
            bool away = false;
            if (!ledger_away(device, m, &away)) return;
            if (members[m] && world_trusts(world, m) && m != device->number && m != of && !away &&
                oracle->promised[m][of][table] < upto && !diet_ever(world->diet, m, of, table))
                world_fail(device->world,
                           "device %u: forgets tombstones of device %u's %s up to %llx, which "
                           "device %u holds up to %llx only",
                           device->number, of, table_shapes[table].name, (unsigned long long)upto,
                           m, (unsigned long long)oracle->promised[m][of][table]);
        }
    }
}

static void take_mail(struct device *device, const struct edge *edge, const struct mail *mail) {
    const Weft__Mail *body = &mail->body;
    if (device->world->trace) trace_mail(device, edge, mail);
    if (!edge || device->world->failed) return;
    company_mail(device, edge, body);
    pace_mail(device, edge, body);
    points_mail(device, edge, body);
    ambush_mail(device, edge, body);
    if (edge->from == ACTOR_LOG && edge->to == ACTOR_BULK &&
        body->body_case == WEFT__MAIL__BODY_COMMIT)
        on_committed(device, body->commit);
    else if (edge->from == ACTOR_LOG && edge->to == ACTOR_BULK &&
             body->body_case == WEFT__MAIL__BODY_INCOMING)
        on_taken(device, body->incoming);
    else if (edge->from == ACTOR_BULK && body->body_case == WEFT__MAIL__BODY_HELD)
        on_held(device, body->held);
    else if (body->body_case == WEFT__MAIL__BODY_SUBSCRIBED) {
        (void)let_go(device, body->subscribed);
    } else if (body->body_case == WEFT__MAIL__BODY_ANSWERED) {
        author_observe(device, body->answered);
        if (!device->world->failed) ledger_answered(device, body->answered);
    } else if (body->body_case == WEFT__MAIL__BODY_GROWN) {
        ledger_grown(device);
    } else if (body->body_case == WEFT__MAIL__BODY_FORGOTTEN && body->forgotten->upto &&
               body->forgotten->count > 0)
        on_forgotten(device, body->forgotten->upto);
}

static void on_mail(void *context, const struct edge *edge, struct mail *mail) {
    struct device *device = context;
    const bool working = disk_at_work(device->disk, false); /* Nothing fails who looks on. */
    const void *worker = memory_at_work(NULL);
    take_mail(device, edge, mail);
    if (edge && !device->world->failed) byzantine_mail(device, edge, mail);
    (void)memory_at_work(worker);
    (void)disk_at_work(device->disk, working);
}

/* ---- own rows -------------------------------------------------------------------------------- */

/* Adds what the file shows of own rows and the history lacks. */
static bool complete_history(struct device *device, const struct snapshot *file) {
    struct oracle *oracle = device->world->oracle;
    uint32_t me = device->number;
    for (uint32_t row = 0; row < ROWS; row++) {
        struct past now = history_now(&oracle->history, me, row);
        uint64_t version = file->version[me][row], digest = file->digest[me][row];
        if (digest == now.digest && (digest == 0 || version == now.version)) continue;
        /* Which version a deletion got is not to be seen here; none is greater than the newest. */
        if (digest == 0) version = file->buried[table_of(row)];
        if (!history_add(&oracle->history, me, row, version, digest))
            return world_fail(device->world,
                              "device %u: table %s row %u: what was announced at version %llx is "
                              "not in the file, which has version %llx",
                              me, table_shapes[table_of(row)].name, row,
                              (unsigned long long)now.version, (unsigned long long)version);
    }
    return true;
}

static bool own_rows_as_announced(struct device *device, const struct snapshot *file) {
    const struct history *history = &device->world->oracle->history;
    uint32_t me = device->number;
    for (uint32_t row = 0; row < ROWS; row++) {
        struct past now = history_now(history, me, row);
        bool same = now.digest == file->digest[me][row] &&
                    (now.digest == 0 || now.version == file->version[me][row]);
        if (!same)
            return world_fail(device->world,
                              "device %u: own table %s row %u is not what was announced (version "
                              "%llx, announced %llx)",
                              me, table_shapes[table_of(row)].name, row,
                              (unsigned long long)file->version[me][row],
                              (unsigned long long)now.version);
    }
    return true;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static bool bad_copy(struct device *device, uint32_t of, uint32_t row, const char *what,
                     const struct snapshot *file) {
    struct past now = history_now(&device->world->oracle->history, of, row);
    return world_fail(device->world,
                      "device %u: its copy of device %u's table %s row %u %s: version %llx, "
                      "position %llx, the owner's version %llx%s",
                      device->number, of, table_shapes[table_of(row)].name, row, what,
                      (unsigned long long)file->version[of][row],
                      (unsigned long long)file->position[of][table_of(row)],
                      (unsigned long long)now.version, now.digest ? "" : " (deleted)");
}

/* The version of a row that waits, as its table does not take it, the oldest if there are several;
 * 0: none does. */
static uint64_t version_waiting(const struct history *history, uint32_t of, uint32_t row,
                                const struct snapshot *file) {
    uint64_t oldest = 0;
    for (uint32_t i = 0; i < file->beside_count; i++) {
        const struct beside *beside = &file->beside[i];
        if (beside->owner != of || beside->table != table_of(row)) continue;
        if (oldest != 0 && beside->version >= oldest) continue;
        if (history_had(history, of, row, beside->version)) oldest = beside->version;
    }
    return oldest;
}

/* A row that waits is the newest, and what its table shows meanwhile is older. */
static bool waiting_is_sound(struct device *device, uint32_t of, uint32_t row, uint64_t waits,
                             const struct snapshot *file) {
    uint64_t position = file->position[of][table_of(row)];
    struct past now = history_now(&device->world->oracle->history, of, row);
    if (device->version == VERSION_NEW || !device->world->plan.rules.picky)
        return bad_copy(device, of, row, "waits, and nothing keeps it out", file);
    if (waits > position && !file->sweeps[of][table_of(row)])
        return bad_copy(device, of, row, "waits beyond its position", file);
    if (file->digest[of][row] && file->version[of][row] >= waits)
        return bad_copy(device, of, row, "waits though a newer one is there", file);
    if (now.version <= position && waits != now.version)
        return bad_copy(device, of, row, "waits, and is old", file);
    return true;
}

static bool copy_is_sound(struct device *device, uint32_t of, uint32_t row,
                          const struct snapshot *file) {
    const struct history *history = &device->world->oracle->history;
    uint64_t digest = file->digest[of][row], version = file->version[of][row];
    uint64_t position = file->position[of][table_of(row)];
    struct past now = history_now(history, of, row);
    /* A sweep that began anew has left rows beyond the point where it stands. */
    if (digest && version > position && !file->sweeps[of][table_of(row)])
        return bad_copy(device, of, row, "is past its position", file);
    if (digest && !history_was(history, of, row, version, digest) &&
        !byzantine_said(device->world, of, row, version, digest))
        return bad_copy(device, of, row, "was never so", file);
    if (byzantine_touched(device->world, of, table_of(row))) return true;
    uint64_t waits = version_waiting(history, of, row, file);
    if (waits) return waiting_is_sound(device, of, row, waits, file);
    if (now.version > position) return true;
    if (now.digest && !digest) return bad_copy(device, of, row, "is missing", file);
    if (!now.digest && digest) return bad_copy(device, of, row, "is there, though deleted", file);
    if (digest && version != now.version) return bad_copy(device, of, row, "is old", file);
    return true;
}

static bool copies_are_sound(struct device *device, const struct snapshot *file) {
    for (uint32_t of = 0; of < device->world->cast.device_count; of++)
        for (uint32_t row = 0; of != device->number && row < ROWS; row++)
            if (!copy_is_sound(device, of, row, file)) return false;
    return true;
}

/* ---- promises -------------------------------------------------------------------------------- */

static bool promises_are_kept(struct device *device, const struct snapshot *file) {
    const struct oracle *oracle = device->world->oracle;
    uint32_t me = device->number;
    for (uint32_t of = 0; of < device->world->cast.device_count; of++)
        for (uint32_t t = 0; t < TABLE_COUNT; t++)
            if (file->position[of][t] < oracle->owed[me][of][t])
                return world_fail(device->world,
                                  "device %u: told its peers that it holds %s of device %u up to "
                                  "%llx, and holds it up to %llx",
                                  me, table_shapes[t].name, of,
                                  (unsigned long long)oracle->owed[me][of][t],
                                  (unsigned long long)file->position[of][t]);
    return true;
}

static bool on_stored_ack(void *context, uint32_t from, uint32_t owner, enum table table,
                          uint64_t position) {
    struct device *device = context;
    struct oracle *oracle = device->world->oracle;
    uint64_t *before = &oracle->acked[device->number][from][owner][table];
    if (!world_trusts(device->world, from)) return true;
    if (position<*before && * before> diet_gone(device->world->diet, from, owner, table))
        return world_fail(device->world, "device %u: the acknowledgement of device %u went back",
                          device->number, from);
    *before = position;
    if (position > oracle->promised[from][owner][table])
        return world_fail(device->world,
                          "device %u: has an acknowledgement of device %u up to %llx of %s of "
                          "device %u, which was promised up to %llx only",
                          device->number, from, (unsigned long long)position,
                          table_shapes[table].name, owner,
                          (unsigned long long)oracle->promised[from][owner][table]);
    return true;
}

/* Of a device whose disk was restored it counts what it held before: it has said so. */
static bool holds_newest(struct device *other, struct device *writer, bool *holds) {
    const struct oracle *oracle = other->world->oracle;
    struct snapshot *file = &other->world->oracle->scratch[other->number];
    const uint64_t record = writer->author.last_shared;
    const struct head said = {writer->incarnation, record, {0}};
    if (!world_trusts(other->world, other->number)) {
        *holds = true; /* It is believed. */
        return true;
    }
    *holds = record == 0 || company_said(other, writer->number, &said);
    for (uint32_t t = 0; t < TABLE_COUNT && other->restores > 0; t++)
        if (oracle->promised[other->number][writer->number][t] < writer->author.last_version[t] &&
            !diet_ever(other->world->diet, other->number, writer->number, t))
            *holds = false;
    if (other->restores > 0 && *holds) return true;
    *holds = true;
    if (!other->engine) return true; /* It cannot be asked. */
    struct heads heads[DEVICES_MAX];
    if (!snapshot_heads(other, heads)) return false;
    const struct head *head = heads_seek(&heads[writer->number], writer->incarnation);
    if (record != 0 && (!head || head->seq < record)) *holds = false;
    if (!snapshot_positions(other, file)) return false;
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        if (file->position[writer->number][t] < writer->author.last_version[t] &&
            !diet_ever(other->world->diet, other->number, writer->number, t))
            *holds = false;
    return true;
}

/* What the engine says of how far its newest transaction has come. */
static bool replication_is_true(struct device *device) {
    struct world *world = device->world;
    uint64_t ticket = device->author.last_ticket;
    uint32_t holding = 0, count = world->cast.device_count;
    if (ticket == 0) return true;
    for (uint32_t d = 0; d < count; d++) {
        bool holds = false;
        if (d == device->number) continue;
        if (!holds_newest(&world->device[d], device, &holds)) return false;
        holding += holds;
    }
    for (uint32_t n = 1; n < count; n++) {
        struct weft_error why;
        enum weft_status status = weft_wait(device->engine, ticket, WEFT_REPLICATED, n, 0, &why);
        if (status == WEFT_OK) point_reach(world, POINT_REPLICATED);
        if (status == WEFT_OK && holding < n)
            return world_fail(world, "device %u: ticket %llu is said to be on %u devices, not %u",
                              device->number, (unsigned long long)ticket, n, holding);
    }
    return true;
}

/* The same of every member that the device knows. */
static bool everywhere_is_true(struct device *device) {
    struct world *world = device->world;
    uint64_t ticket = device->author.last_ticket;
    struct weft_error why;
    bool members[DEVICES_MAX];
    if (ticket == 0) return true;
    if (weft_wait(device->engine, ticket, WEFT_EVERYWHERE, 0, 0, &why) != WEFT_OK) return true;
    point_reach(world, POINT_EVERYWHERE);
    if (!snapshot_members(device, members)) return false;
    for (uint32_t d = 0; d < world->cast.device_count; d++) {
        bool holds = true;
        if (d == device->number || !members[d]) continue;
        if (!holds_newest(&world->device[d], device, &holds)) return false;
        if (!holds)
            return world_fail(world,
                              "device %u: ticket %llu is said to be everywhere, and is not "
                              "on device %u",
                              device->number, (unsigned long long)ticket, d);
    }
    return true;
}

/* ---- when ------------------------------------------------------------------------------------ */

struct oracle *oracle_open(struct world *world) {
    struct oracle *oracle = calloc(1, sizeof *oracle);
    CHECK(oracle != NULL);
    oracle->world = world;
    oracle->scratch = calloc(DEVICES_MAX, sizeof *oracle->scratch);
    CHECK(oracle->scratch != NULL);
    return oracle;
}

void oracle_close(struct oracle *oracle) {
    history_free(&oracle->history);
    free(oracle->scratch);
    free(oracle);
}

uint64_t oracle_rows(const struct oracle *oracle) {
    return oracle->history.total;
}

void oracle_listen(struct device *device) {
    struct topology *topology = engine_topology(device->engine);
    topology->observe = on_mail;
    topology->observe_context = device;
}

bool oracle_attach(struct device *device) {
    struct snapshot *file = &device->world->oracle->scratch[device->number];
    oracle_listen(device);
    return snapshot_begin(device) && let_go(device, NULL) && ledger_attach(device) &&
           snapshot_read(device, file) && author_settle(device, file->digest[device->number]) &&
           complete_history(device, file) && copies_are_sound(device, file) &&
           promises_are_kept(device, file) && company_check(device, file) && audit_check(device) &&
           mirror_begin(device);
}

void oracle_restored(struct device *device) {
    struct oracle *oracle = device->world->oracle;
    uint32_t me = device->number;
    memset(oracle->owed[me], 0, sizeof oracle->owed[me]);
    memset(oracle->acked[me], 0, sizeof oracle->acked[me]);
    ledger_restored(device);
    diet_restored(device);
    author_restored(device);
}

void oracle_detach(struct device *device) {
    if (!device->db) return;
    mirror_end(device);
    ledger_detach(device);
    snapshot_end(device);
}

bool oracle_turned(struct device *device) {
    struct oracle *oracle = device->world->oracle;
    if (!ledger_turned(device)) return false;
    if (!oracle->incomplete[device->number] || disk_is_down(device->disk)) return true;
    oracle->incomplete[device->number] = false;
    struct snapshot *file = &oracle->scratch[device->number];
    return snapshot_read(device, file) && complete_history(device, file);
}

bool oracle_check(struct device *device) {
    struct snapshot *file = &device->world->oracle->scratch[device->number];
    CHECK(device->engine != NULL);
    device_stir(device); /* Its host is asked, which takes what waits for it. */
    return oracle_turned(device) && author_poll(device) && snapshot_read(device, file) &&
           author_agrees(device, file->digest[device->number]) &&
           own_rows_as_announced(device, file) && copies_are_sound(device, file) &&
           promises_are_kept(device, file) && diet_check(device, file) && ledger_check(device) &&
           snapshot_acks(device, device, on_stored_ack) && replication_is_true(device) &&
           everywhere_is_true(device) && company_check(device, file) && mirror_check(device) &&
           sums_check(device) && pace_check(device);
}

/* Whose rows of a device are the right ones: its own. Of one that was removed the others may lack
 * the newest; what they have up to the same position is to be the same on all of them. */
static uint32_t standard(const struct world *world, uint32_t of) {
    uint32_t other = 0;
    if (!company_out(world->company, of)) return of;
    while (other == of || !world_awaits(world, other))
        other++;
    CHECK(other < world->cast.device_count);
    return other;
}

/* A row of a removed device that it changed once more, unheard. Whoever asked before has it as it
 * was, and whoever asked later does not have it: what was in between is not sent. */
static bool is_beyond_reach(const struct world *world, uint32_t of, uint32_t row,
                            const struct snapshot *file) {
    uint64_t version = history_now(&world->oracle->history, of, row).version;
    return company_out(world->company, of) && version > file->position[of][table_of(row)];
}

/* A row of a removed device that the liar has touched: nobody says any more what is right. */
static bool is_beyond_repair(const struct world *world, uint32_t of, uint32_t row) {
    return company_out(world->company, of) && byzantine_touched(world, of, table_of(row));
}

/* Of equal versions. */
static bool same_value(const struct world *world, uint32_t of, uint32_t row,
                       const struct snapshot *copy, const struct snapshot *own) {
    const uint64_t mine = copy->digest[of][row], theirs = own->digest[of][row];
    return mine == theirs ||
           (theirs && byzantine_said(world, of, row, copy->version[of][row], mine));
}

static bool differs_from_owner(const struct world *world, uint32_t device, uint32_t of, char *why) {
    const struct snapshot *own = &world->oracle->scratch[standard(world, of)];
    const struct snapshot *copy = &world->oracle->scratch[device];
    for (uint32_t row = 0; row < ROWS; row++) {
        uint64_t mine = copy->version[of][row], theirs = own->version[of][row];
        if (mine == theirs && same_value(world, of, row, copy, own)) continue;
        if (is_beyond_reach(world, of, row, copy) && is_beyond_reach(world, of, row, own)) continue;
        if (is_beyond_repair(world, of, row)) continue;
        snprintf(why, FAILURE_TEXT,
                 "device %u's copy of device %u's %s row %u has version %llx, the owner's %llx; "
                 "positions %llx and %llx",
                 device, of, table_shapes[table_of(row)].name, row, (unsigned long long)mine,
                 (unsigned long long)theirs, (unsigned long long)copy->position[of][table_of(row)],
                 (unsigned long long)own->position[of][table_of(row)]);
        return true;
    }
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        if (copy->position[of][t] == own->position[of][t]) continue;
        snprintf(why, FAILURE_TEXT, "device %u holds device %u's %s up to %llx, the owner to %llx",
                 device, of, table_shapes[t].name, (unsigned long long)copy->position[of][t],
                 (unsigned long long)own->position[of][t]);
        return true;
    }
    return false;
}

/* What the liar itself wrote, and what it holds, is its own affair. */
static bool is_compared(const struct world *world, uint32_t device, uint32_t of) {
    return world_awaits(world, device) && world_awaits(world, of) &&
           !company_out(world->company, device);
}

bool oracle_converged(struct world *world, bool *equal, char *why) {
    uint32_t count = world->cast.device_count;
    *equal = false;
    for (uint32_t d = 0; d < count; d++) {
        struct device *device = &world->device[d];
        if (!world_awaits(world, d)) continue;
        snprintf(why, FAILURE_TEXT, "device %u is down or has unanswered tickets", d);
        if (!device->engine || device->author.pending_count > 0) return true;
        snprintf(why, FAILURE_TEXT, "device %u does not take all again yet", d);
        if (!diet_over(world->diet, device)) return true;
        if (!snapshot_read(device, &world->oracle->scratch[d])) return false;
    }
    snprintf(why, FAILURE_TEXT, "a link of which a bit was changed goes on");
    if (net_any_flipped(world->net)) return true;
    for (uint32_t d = 0; d < count; d++)
        for (uint32_t of = 0; of < count; of++)
            if (d != of && is_compared(world, d, of) && differs_from_owner(world, d, of, why))
                return true;
    if (!ledger_agrees(world, equal, why) || !*equal) return !world->failed;
    if (!sums_agree(world, equal, why) || !*equal) return !world->failed;
    return company_agrees(world->company, equal, why);
}
