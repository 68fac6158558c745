/* What a file need not hold any more. Every record that was ever in a file is kept here, so that
 * the fold of a file whose records were forgotten, or replaced by a snapshot, is still what it must
 * be.
 *
 *   horizon risen, records known ─► every member that is there must hold them
 *   horizon beyond the chain     ─► a snapshot: all is folded anew
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/device.h"
#include "tests/sim/history.h"
#include "tests/sim/ledger_private.h"

/* ---- all records ----------------------------------------------------------------------------- */

static struct tome *tome_of(struct ledger *ledger, uint32_t device, uint64_t incarnation) {
    struct tome *of = ledger->tome[device];
    uint32_t i = 0;
    while (i < INCARNATIONS && of[i].scroll && of[i].incarnation != incarnation)
        i++;
    CHECK(i < INCARNATIONS);
    if (!of[i].scroll) {
        of[i].incarnation = incarnation;
        of[i].scroll = calloc(SEQ_MAX, sizeof of[i].scroll[0]);
        CHECK(of[i].scroll != NULL);
    }
    return &of[i];
}

void ledger_keep(struct ledger *ledger, const struct scroll *scroll) {
    CHECK(scroll->seq < SEQ_MAX && scroll->count <= SCROLL_SAID);
    struct scroll **kept =
        &tome_of(ledger, scroll->device, scroll->incarnation)->scroll[scroll->seq];
    /* After a restored disk one number may be given out again. */
    if (*kept && memcmp((*kept)->hash, scroll->hash, sizeof scroll->hash) == 0) return;
    if (!*kept) *kept = malloc(sizeof **kept);
    CHECK(*kept != NULL);
    **kept = *scroll;
}

void ledger_keep_free(struct ledger *ledger) {
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        for (uint32_t i = 0; i < INCARNATIONS; i++) {
            struct tome *tome = &ledger->tome[d][i];
            for (uint32_t seq = 0; tome->scroll && seq < SEQ_MAX; seq++)
                free(tome->scroll[seq]);
            free(tome->scroll);
        }
}

/* ---- horizons -------------------------------------------------------------------------------- */

struct horizon {
    uint32_t device;
    uint64_t incarnation, pruned, seq;
};

/* Reads the row of the query; false at the end. */
static bool next_horizon(struct device *device, struct horizon *out, int *code) {
    sqlite3_stmt *statement = ledger_file(device)->query[QUERY_HORIZONS];
    *code = sqlite3_step(statement);
    if (*code != SQLITE_ROW) return false;
    const struct cast *cast = &device->world->cast;
    out->device = 0;
    while (out->device < cast->device_count &&
           memcmp(cast->device[out->device].bytes, sqlite3_column_blob(statement, 0), 16) != 0)
        out->device++;
    CHECK(out->device < cast->device_count);
    out->incarnation = (uint64_t)sqlite3_column_int64(statement, 1);
    out->pruned = (uint64_t)sqlite3_column_int64(statement, 2);
    out->seq = (uint64_t)sqlite3_column_int64(statement, 3);
    return true;
}

bool ledger_away(struct device *device, uint32_t of, bool *away) {
    const struct id *member = &device->world->cast.device[of];
    sqlite3_stmt *statement = ledger_file(device)->query[QUERY_AWAY];
    int code;
    *away = false;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        *away = *away || memcmp(sqlite3_column_blob(statement, 0), member->bytes, 16) == 0;
    sqlite3_reset(statement);
    return code == SQLITE_DONE || ledger_broken(device, "reading who is away");
}

/* I6: what was forgotten every member holds, but for those that are away, and those whose disk was
 * set back after they had said so. */
static bool nobody_needs(struct device *device, const struct horizon *horizon) {
    struct ledger *ledger = device->world->ledger;
    bool members[DEVICES_MAX];
    if (!snapshot_members(device, members)) return false;
    for (uint32_t m = 0; m < device->world->cast.device_count; m++) {
        bool away = false;
        if (!members[m] || m == device->number || ledger->restored[m]) continue;
        if (!world_trusts(device->world, m)) continue;
        if (!ledger_away(device, m, &away)) return false;
        const struct chain *chain =
            ledger_chain(&ledger->file[m], horizon->device, horizon->incarnation);
        ledger->world->points.reached[POINT_AWAY] += away;
        if (away || (chain && chain->seq >= horizon->pruned)) continue;
        return world_fail(device->world,
                          "device %u forgets records of device %u up to %llu, of which device %u "
                          "holds %llu only",
                          device->number, horizon->device, (unsigned long long)horizon->pruned, m,
                          (unsigned long long)(chain ? chain->seq : 0));
    }
    return true;
}

bool ledger_passed(const struct device *device, uint64_t hlc) {
    const uint64_t taken_ms = device->world->ledger->taken_ms[device->number];
    uint64_t wall_ms = device_wall_ms(device);
    if (taken_ms != 0 && taken_ms < wall_ms) wall_ms = taken_ms;
    return (hlc >> 16) + 10000 < wall_ms + LIMIT_CLOCK_AHEAD_MS;
}

static void note_taking(struct device *device, bool was) {
    uint64_t *taken_ms = &device->world->ledger->taken_ms[device->number];
    const uint64_t wall_ms = device_wall_ms(device);
    if (ledger_file(device)->taking && (!was || *taken_ms == 0 || wall_ms < *taken_ms))
        *taken_ms = wall_ms;
}

static void note_passed(struct device *device, uint64_t hlc) {
    struct file *file = ledger_file(device);
    if (hlc > file->newest && ledger_passed(device, hlc)) file->newest = hlc;
}

/* What is shown once all was taken was shown by the giver as well, so its stamps were in the rows
 * that came. */
static void note_shown(struct device *device) {
    const struct fold *fold = &ledger_file(device)->fold;
    for (uint32_t r = 0; r < COMMONS_ROWS; r++) {
        const struct fold_row *row = &fold->row[r];
        if (row->created.hlc <= row->deleted.hlc) continue;
        note_passed(device, row->created.hlc);
        for (uint32_t c = 0; c < COMMONS_COLUMNS; c++)
            note_passed(device, row->written[c].hlc);
    }
}

/* What the snapshot, or records that were here once, said up to the horizon. */
static bool fold_upto(struct device *device, const struct horizon *horizon) {
    struct file *file = ledger_file(device);
    struct ledger *ledger = device->world->ledger;
    const struct tome *tome = tome_of(ledger, horizon->device, horizon->incarnation);
    struct chain *chain = ledger_chain_add(file, horizon->device, horizon->incarnation);
    if (!chain) return world_fail(device->world, "device %u: too many origins", device->number);
    const struct scroll *head = tome->scroll[horizon->pruned];
    /* Of one that lies ahead the clock did not learn, nor of what its rows had hidden. */
    const bool passed = head && ledger_passed(device, head->hlc);
    for (uint64_t seq = chain->seq + 1; seq <= horizon->pruned; seq++) {
        const struct scroll *scroll = tome->scroll[seq];
        if (!scroll)
            return world_fail(device->world,
                              "device %u stands at record %llu of device %u, which was nowhere",
                              device->number, (unsigned long long)seq, horizon->device);
        fold_scroll(&file->fold, scroll);
        if (passed && scroll->count > 0) note_passed(device, scroll->hlc);
        memcpy(chain->hash, scroll->hash, sizeof chain->hash);
    }
    chain->seq = chain->pruned = horizon->pruned;
    return true;
}

/* All anew: what lies below the horizons, and then the records that were taken before. */
static bool fold_anew(struct device *device) {
    struct file *file = ledger_file(device);
    struct horizon horizon;
    const uint64_t upto = file->place;
    uint64_t place = 0;
    bool good = true;
    int code;
    fold_begin(&file->fold, &device->world->cast, &device->world->plan.rules);
    memset(file->chain, 0, sizeof file->chain);
    memset(file->chains, 0, sizeof file->chains);
    file->waiting_count = 0;
    file->place = 0;
    while (good && next_horizon(device, &horizon, &code))
        good = fold_upto(device, &horizon);
    sqlite3_reset(file->query[QUERY_HORIZONS]);
    file->folding = true;
    while (good && file->place < upto) {
        good = ledger_read(device, QUERY_NEXT, file->place, &place, &file->next);
        if (!good || place == 0 || place > upto) break;
        good = ledger_take(device, place);
    }
    file->folding = false;
    if (file->place < upto) file->place = upto;
    if (file->begun && !file->taking) note_shown(device);
    return good;
}

bool ledger_follow_horizon(struct device *device) {
    struct file *file = ledger_file(device);
    struct horizon horizon;
    bool good = true, anew = false, was = file->taking;
    int code = sqlite3_step(file->query[QUERY_TAKING]);
    file->taking = code == SQLITE_ROW;
    sqlite3_reset(file->query[QUERY_TAKING]);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return ledger_broken(device, "reading whether a snapshot is taken");
    note_taking(device, was);
    if (ledger_is_loose(file)) file->released = true;
    anew = was && !file->taking;
    while (good && next_horizon(device, &horizon, &code)) {
        struct chain *chain = ledger_chain_add(file, horizon.device, horizon.incarnation);
        if (!chain) return world_fail(device->world, "device %u: too many origins", device->number);
        if (chain->pruned >= horizon.pruned) continue;
        device->world->points.reached[POINT_FORGOTTEN]++;
        if (chain->seq < horizon.pruned)
            anew = true;
        else if (file->begun)
            good = nobody_needs(device, &horizon);
        chain->pruned = horizon.pruned;
    }
    sqlite3_reset(file->query[QUERY_HORIZONS]);
    file->took = file->took || anew;
    if (file->begun && anew) device->world->points.reached[POINT_SNAPSHOT]++;
    if (good && code != SQLITE_DONE) return ledger_broken(device, "reading horizons");
    return good && (!anew || fold_anew(device));
}

bool ledger_is_kept(struct device *device, const struct scroll *scroll, bool *kept) {
    const struct chain *chain =
        ledger_chain(ledger_file(device), scroll->device, scroll->incarnation);
    struct heads heads[DEVICES_MAX];
    *kept = chain && scroll->seq <= chain->pruned;
    if (*kept || scroll->count > 0) return true;
    if (!snapshot_heads(device, heads)) return false;
    const struct head *head = heads_seek(&heads[scroll->device], scroll->incarnation);
    *kept = !head || scroll->seq > head->seq;
    return true;
}
