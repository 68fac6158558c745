/* The shared log of one file, read by SQL as it grows.
 *
 *   file ──place by place──► peeked ──► taken: chain, answered? ──┬─► fold
 *                                                                └─► waits (quarantine) ──► fold
 *
 * Invariants
 *   1. Records are taken in the order in which the device took them, so that the fold is what its
 *      host's next transaction met.
 *   2. It learns what was answered from mails, and everything else from files.
 * Deliberately not here: what the records must say (ledger.c). */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/device.h"
#include "tests/sim/ledger_private.h"

struct file *ledger_file(const struct device *device) {
    return &device->world->ledger->file[device->number];
}

bool ledger_broken(struct device *device, const char *doing) {
    return world_fail(device->world, "device %u: %s: %s", device->number, doing,
                      sqlite3_errmsg(device->db));
}

uint64_t ledger_hash(const struct scroll *scroll) {
    uint64_t hash;
    memcpy(&hash, scroll->hash, sizeof hash);
    return hash | 1;
}

struct promise *ledger_promise(struct ledger *ledger, uint32_t device, uint64_t incarnation) {
    struct promise *of = ledger->promise[device];
    uint32_t i = 0;
    while (i < INCARNATIONS && of[i].hash && of[i].incarnation != incarnation)
        i++;
    CHECK(i < INCARNATIONS);
    if (!of[i].hash) {
        of[i].incarnation = incarnation;
        of[i].hash = calloc(SEQ_MAX, sizeof of[i].hash[0]);
        CHECK(of[i].hash != NULL);
    }
    return &of[i];
}

/* The end of an origin's chain in a file; NULL: it has more incarnations than can be. */
struct chain *ledger_chain_add(struct file *file, uint32_t device, uint64_t incarnation) {
    struct chain *of = file->chain[device];
    uint32_t i = 0;
    while (i < file->chains[device] && of[i].incarnation != incarnation)
        i++;
    if (i == INCARNATIONS) return NULL;
    if (i == file->chains[device]) of[file->chains[device]++].incarnation = incarnation;
    return &of[i];
}

const struct chain *ledger_chain(const struct file *file, uint32_t device, uint64_t incarnation) {
    for (uint32_t i = 0; i < file->chains[device]; i++)
        if (file->chain[device][i].incarnation == incarnation) return &file->chain[device][i];
    return NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool prepare(struct device *device, int query, const char *sql) {
    struct file *file = ledger_file(device);
    int code = sqlite3_prepare_v3(device->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &file->query[query], NULL);
    return code == SQLITE_OK || ledger_broken(device, sql);
}

bool ledger_prepare(struct device *device) {
    for (int t = 0; t < COMMONS_COUNT; t++) {
        const struct commons_shape *shape = &commons_shapes[t];
        const uint32_t columns = commons_columns((enum commons_table)t, device->version);
        if (columns == 0) continue;
        char *sql = sqlite3_mprintf("SELECT %s", shape->columns[0]);
        for (uint32_t c = 1; c < columns; c++)
            sql = sqlite3_mprintf("%z, %s", sql, shape->columns[c]);
        sql = sqlite3_mprintf("%z FROM %s", sql, shape->name);
        CHECK(sql != NULL);
        bool good = prepare(device, QUERY_ROWS + t, sql);
        sqlite3_free(sql);
        if (!good) return false;
    }
    return prepare(device, QUERY_NEXT,
                   "SELECT c.place, o.incarnation, c.seq, c.hlc, c.record FROM shared_changes c "
                   "LEFT JOIN _weft_origin o ON o.id = c.origin WHERE c.place > ? "
                   "ORDER BY c.place LIMIT 1") &&
           prepare(device, QUERY_AT,
                   "SELECT c.place, o.incarnation, c.seq, c.hlc, c.record FROM shared_changes c "
                   "LEFT JOIN _weft_origin o ON o.id = c.origin WHERE c.place = ?") &&
           prepare(device, QUERY_WAITING, "SELECT 1 FROM _weft_quarantine WHERE place = ?") &&
           prepare(device, QUERY_SHADOW, "SELECT kind, count(*) FROM _weft_shadow GROUP BY kind") &&
           prepare(device, QUERY_TAKING, "SELECT 1 FROM _weft_meta WHERE key = 'snapshot'") &&
           prepare(device, QUERY_HORIZONS,
                   "SELECT device, incarnation, pruned, seq FROM _weft_origin WHERE pruned > 0 "
                   "ORDER BY id") &&
           prepare(device, QUERY_AWAY, "SELECT device FROM _weft_member WHERE away_hlc > back_hlc");
}

bool ledger_read(struct device *device, int query, uint64_t at, uint64_t *place,
                 struct scroll *out) {
    sqlite3_stmt *statement = ledger_file(device)->query[query];
    const char *fault = NULL;
    *place = 0;
    sqlite3_bind_int64(statement, 1, (int64_t)at);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *place = (uint64_t)sqlite3_column_int64(statement, 0);
        fault = scroll_read(&device->world->cast, sqlite3_column_blob(statement, 4),
                            (size_t)sqlite3_column_bytes(statement, 4), out);
        bool listed = out->incarnation == (uint64_t)sqlite3_column_int64(statement, 1) &&
                      out->seq == (uint64_t)sqlite3_column_int64(statement, 2) &&
                      out->hlc == (uint64_t)sqlite3_column_int64(statement, 3);
        if (!fault && !listed) fault = "it is listed as another";
    }
    sqlite3_reset(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return ledger_broken(device, "reading the shared log");
    return !fault || world_fail(device->world, "device %u: record at place %llu: %s",
                                device->number, (unsigned long long)*place, fault);
}

static bool is_waiting(struct device *device, uint64_t place, bool *waits) {
    sqlite3_stmt *statement = ledger_file(device)->query[QUERY_WAITING];
    sqlite3_bind_int64(statement, 1, (int64_t)place);
    int code = sqlite3_step(statement);
    *waits = code == SQLITE_ROW;
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ||
           ledger_broken(device, "reading the quarantine");
}

/* ---- taking records -------------------------------------------------------------------------- */

bool ledger_peek(struct device *device, uint64_t *place) {
    struct file *file = ledger_file(device);
    if (!file->folding && !ledger_follow_horizon(device)) return false;
    return ledger_read(device, QUERY_NEXT, file->place, place, &file->next);
}

static bool fits_chain(struct device *device, const struct scroll *scroll) {
    struct ledger *ledger = device->world->ledger;
    struct chain *chain =
        ledger_chain_add(ledger_file(device), scroll->device, scroll->incarnation);
    if (!chain) return world_fail(device->world, "device %u: too many origins", device->number);
    const struct promise *promise = ledger_promise(ledger, scroll->device, scroll->incarnation);
    const char *fault = NULL;
    if (scroll->seq != chain->seq + 1) fault = "does not follow the one before";
    const bool forked = byzantine_forked(device->world, scroll->device);
    if (memcmp(scroll->prev, chain->hash, 32) != 0 && !forked) fault = "names another before it";
    if (!forked && scroll->seq <= promise->upto && promise->hash[scroll->seq] &&
        promise->hash[scroll->seq] != ledger_hash(scroll))
        fault = "is not the one that was answered";
    if (fault)
        return world_fail(
            device->world, "device %u: record %llu of device %u, incarnation %llu, %s (%llu)",
            device->number, (unsigned long long)scroll->seq, scroll->device,
            (unsigned long long)scroll->incarnation, fault, (unsigned long long)chain->seq);
    chain->seq = scroll->seq;
    memcpy(chain->hash, scroll->hash, 32);
    return true;
}

/* How far a record is ahead of the device's wall clock, in milliseconds. */
static int64_t ahead_ms(const struct device *device, const struct scroll *scroll) {
    return (int64_t)(scroll->hlc >> 16) - (int64_t)device_wall_ms(device);
}

bool ledger_far_ahead(const struct device *device, const struct scroll *scroll) {
    return ahead_ms(device, scroll) > 86400000;
}

/* A record waits if it came too far ahead of its time, and only then. Where clocks are set far, it
 * is looked at in the turn in which it came. */
static bool waits_rightly(struct device *device, const struct scroll *scroll, bool waits) {
    const int64_t ahead = ahead_ms(device, scroll);
    bool should = scroll->count > 0 && ahead > LIMIT_CLOCK_AHEAD_MS;
    const bool near = llabs(ahead - LIMIT_CLOCK_AHEAD_MS) < 1000; /* Several actors look. */
    if (waits == should || near || scroll->device == device->number) return true;
    return world_fail(device->world,
                      "device %u: record %llu of device %u, %lld ms ahead of its clock, %s",
                      device->number, (unsigned long long)scroll->seq, scroll->device,
                      (long long)ahead, waits ? "has to wait" : "does not wait");
}

bool ledger_take(struct device *device, uint64_t place) {
    struct file *file = ledger_file(device);
    bool waits = false, kept = false;
    ledger_keep(device->world->ledger, &file->next);
    if (!ledger_is_kept(device, &file->next, &kept)) return false;
    if (kept) {
        file->place = place;
        return true;
    }
    if (!fits_chain(device, &file->next) || !is_waiting(device, place, &waits)) return false;
    if (file->begun && !file->folding && device->world->plan.far_clocks &&
        !waits_rightly(device, &file->next, waits))
        return false;
    file->place = place;
    if (waits) {
        CHECK(file->waiting_count < WAITING_MAX);
        file->waiting[file->waiting_count++] = place;
        device->world->points.reached[POINT_QUARANTINED]++;
        return true;
    }
    if (file->next.count > 0 && file->next.hlc > file->newest &&
        (!file->folding || ledger_passed(device, file->next.hlc)))
        file->newest = file->next.hlc;
    device->world->points.reached[POINT_BEATEN] += fold_scroll(&file->fold, &file->next);
    return true;
}

bool ledger_is_loose(const struct file *file) {
    return file->taking || (file->took && file->waiting_count > 0);
}

bool ledger_is_own(const struct device *device) {
    const struct file *file = &device->world->ledger->file[device->number];
    return file->next.device == device->number && file->next.incarnation == file->own &&
           file->next.count > 0;
}

/* Those that waited, and wait no more. */
static bool take_released(struct device *device) {
    struct file *file = ledger_file(device);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < file->waiting_count; i++) {
        struct scroll scroll;
        uint64_t place = 0;
        bool waits = false;
        if (!is_waiting(device, file->waiting[i], &waits)) return false;
        if (waits) {
            file->waiting[kept++] = file->waiting[i];
            continue;
        }
        if (!ledger_read(device, QUERY_AT, file->waiting[i], &place, &scroll)) return false;
        if (place == 0)
            return world_fail(device->world, "device %u: lost a record of the quarantine",
                              device->number);
        if (ahead_ms(device, &scroll) > 0)
            return world_fail(device->world,
                              "device %u: a record left the quarantine %lld ms before its time",
                              device->number, (long long)ahead_ms(device, &scroll));
        if (!file->took && scroll.hlc > file->newest) file->newest = scroll.hlc;
        fold_scroll(&file->fold, &scroll);
        device->world->points.reached[POINT_RELEASED]++;
        file->released = true;
    }
    file->waiting_count = kept;
    return true;
}

bool ledger_take_all(struct device *device) {
    uint64_t place = 0;
    for (;;) {
        if (!ledger_peek(device, &place)) return false;
        if (place == 0) return take_released(device);
        if (ledger_is_own(device))
            return world_fail(device->world,
                              "device %u: record %llu of its own host was never answered",
                              device->number, (unsigned long long)ledger_file(device)->next.seq);
        if (!ledger_take(device, place)) return false;
    }
}
