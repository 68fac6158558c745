/* See ledger.h. Every answer is held against what the fold of the records before it foresees; every
 * file against the fold of all that are in it.
 * Deliberately not here: who is a member (company.c). */
#include "tests/sim/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/company.h"
#include "tests/sim/ledger_private.h"

/* ---- answers --------------------------------------------------------------------------------- */

static struct step *pending_step(struct device *device, uint64_t ticket) {
    struct author *author = &device->author;
    for (uint32_t i = 0; i < author->pending_count; i++)
        if (author->pending[i].ticket == ticket) return &author->pending[i];
    return NULL;
}

static bool wrong_answer(struct device *device, const struct step *step, const char *what,
                         const struct foresight *sight) {
    return world_fail(device->world,
                      "device %u: ticket %llu, of %u shared operations: %s (%u rows to be told, "
                      "not found %d, constraint %d)",
                      device->number, (unsigned long long)step->ticket, step->shared_count, what,
                      sight->said, sight->not_found, sight->constraint);
}

/* A step was written, and its record is the one with this number. */
static bool judge_record(struct device *device, struct step *step, uint64_t seq) {
    struct file *file = ledger_file(device);
    struct ledger *ledger = device->world->ledger;
    uint64_t place = 0;
    for (;;) {
        if (!ledger_peek(device, &place)) return false;
        if (place == 0)
            return world_fail(device->world, "device %u: ticket %llu has no record %llu",
                              device->number, (unsigned long long)step->ticket,
                              (unsigned long long)seq);
        if (ledger_is_own(device)) break;
        if (!ledger_take(device, place)) return false;
    }
    const struct foresight sight = fold_foresee(&file->fold, step, device->number, &file->next);
    if (file->next.seq != seq) return wrong_answer(device, step, "the record is another's", &sight);
    if (!sight.matches && !file->released)
        return wrong_answer(device, step, "the record does not say what it did", &sight);
    for (uint32_t i = 0; i < file->next.count; i++)
        if (file->next.said[i].mark.hlc <= file->newest)
            return world_fail(device->world,
                              "device %u: ticket %llu is stamped %llx, before what was there: %llx",
                              device->number, (unsigned long long)step->ticket,
                              (unsigned long long)file->next.said[i].mark.hlc,
                              (unsigned long long)file->newest);
    struct promise *promise = ledger_promise(ledger, device->number, file->own);
    CHECK(seq < SEQ_MAX && seq > promise->upto);
    promise->upto = seq;
    promise->hash[seq] = ledger_hash(&file->next);
    ledger->world->points.reached[POINT_RECORD]++;
    return ledger_take(device, place);
}

/* A step was answered WEFT_OK, and there is no record: it changed nothing at the time. */
static bool judge_silence(struct device *device, struct step *step) {
    struct file *file = ledger_file(device);
    uint64_t place = 0;
    for (;;) {
        const struct foresight sight = fold_foresee(&file->fold, step, device->number, NULL);
        if (sight.said == 0 && !sight.refused) {
            device->world->points.reached[POINT_SILENT]++;
            return true;
        }
        if (!ledger_peek(device, &place)) return false;
        if (file->released) return true;
        if (place == 0 || ledger_is_own(device))
            return wrong_answer(device, step, "there is no record", &sight);
        if (!ledger_take(device, place)) return false;
    }
}

/* A step was refused. Why its own rows may have been the cause is for the author to know. */
static bool judge_refusal(struct device *device, struct step *step, enum weft_status status) {
    struct file *file = ledger_file(device);
    bool members[DEVICES_MAX], member;
    if (!ledger_take_all(device) || !snapshot_members(device, members)) return false;
    member = members[device->number] && !device->outside;
    const struct foresight sight = fold_foresee(&file->fold, step, device->number, NULL);
    bool right = (status == WEFT_DENIED && !member) ||
                 (status == WEFT_NOT_FOUND && sight.not_found) ||
                 (status == WEFT_CONSTRAINT && sight.constraint) || file->released;
    /* Else the author looks whether own rows explain it. */
    step->judged = right;
    enum point point = status == WEFT_DENIED      ? POINT_DENIED
                       : status == WEFT_NOT_FOUND ? POINT_NOT_FOUND
                                                  : POINT_CONSTRAINT;
    if (right) device->world->points.reached[point]++;
    return true;
}

static bool judge(struct device *device, struct step *step, const Weft__Outcome *outcome) {
    step->answer = (enum weft_status)outcome->status;
    step->judged = outcome->status == WEFT_OK;
    if (outcome->status == WEFT_OK && outcome->shared_seq)
        return judge_record(device, step, outcome->shared_seq);
    if (outcome->status == WEFT_OK) return judge_silence(device, step);
    return judge_refusal(device, step, step->answer);
}

void ledger_answered(struct device *device, const Weft__Answered *told) {
    if (!device->db || disk_is_down(device->disk)) return;
    for (size_t i = 0; i < told->n_outcomes; i++) {
        const Weft__Outcome *outcome = told->outcomes[i];
        struct step *step = pending_step(device, outcome->ticket);
        if (!step || step->shared_count == 0) continue;
        if (!judge(device, step, outcome)) return;
    }
    ledger_file(device)->released = false;
}

/* ---- when ------------------------------------------------------------------------------------ */

struct ledger *ledger_open(struct world *world) {
    struct ledger *ledger = calloc(1, sizeof *ledger);
    CHECK(ledger != NULL);
    ledger->world = world;
    return ledger;
}

void ledger_close(struct ledger *ledger) {
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        for (uint32_t i = 0; i < INCARNATIONS; i++)
            free(ledger->promise[d][i].hash);
    ledger_keep_free(ledger);
    free(ledger);
}

bool ledger_shows(const struct device *device, uint32_t row) {
    enum stand stands[COMMONS_ROWS];
    fold_stands(&device->world->ledger->file[device->number].fold, stands);
    return stands[row] == STAND_SHOWN;
}

bool ledger_taking(const struct device *device) {
    return device->world->ledger->file[device->number].taking;
}

/* Finds the pending step whose record was peeked at, not before `*from`. */
static bool recognise(struct device *device, uint32_t *from) {
    struct author *author = &device->author;
    struct file *file = ledger_file(device);
    struct ledger *ledger = device->world->ledger;
    struct promise *promise = ledger_promise(ledger, device->number, file->own);
    if (file->next.seq <= promise->upto) return true;
    for (; *from < author->pending_count; ++*from) {
        struct step *step = &author->pending[*from];
        if (step->shared_count == 0 || step->judged) continue;
        if (!fold_foresee(&file->fold, step, device->number, &file->next).matches) continue;
        step->recorded = true;
        ledger->world->points.reached[POINT_UNANSWERED]++;
        promise->upto = file->next.seq;
        promise->hash[promise->upto] = ledger_hash(&file->next);
        ++*from;
        return true;
    }
    return file->waiting_count > 0 || file->taking ||
           world_fail(device->world, "device %u: after a restart record %llu is of no pending step",
                      device->number, (unsigned long long)file->next.seq);
}

bool ledger_attach(struct device *device) {
    struct world *world = device->world;
    struct file *file = ledger_file(device);
    uint64_t place = 0;
    uint32_t from = 0;
    memset(file, 0, sizeof *file);
    fold_begin(&file->fold, &world->cast, &world->plan.rules);
    if (!ledger_prepare(device) || !snapshot_incarnation(device, &file->own)) return false;
    for (;;) {
        if (!ledger_peek(device, &place)) return false;
        if (place == 0) break;
        if (ledger_is_own(device) && !recognise(device, &from)) return false;
        if (!ledger_take(device, place)) return false;
    }
    file->begun = true;
    world->points.reached[POINT_UPGRADED] += device->upgraded;
    device->upgraded = false;
    return ledger_check(device);
}

void ledger_detach(struct device *device) {
    struct file *file = ledger_file(device);
    for (int q = 0; q < LEDGER_QUERIES; q++) {
        sqlite3_finalize(file->query[q]);
        file->query[q] = NULL;
    }
}

void ledger_grown(struct device *device) {
    if (!device->world->plan.log_records || disk_is_down(device->disk) || !device->db) return;
    (void)ledger_take_all(device);
}

bool ledger_turned(struct device *device) {
    if (!device->world->plan.far_clocks || disk_is_down(device->disk) || !device->db) return true;
    struct file *file = ledger_file(device);
    const uint64_t writes = disk_counts(device->disk).writes;
    if (file->writes != writes) {
        file->writes = writes;
        return ledger_take_all(device);
    }
    /* Nothing was committed since. */
    if (ledger_is_loose(file)) file->released = true;
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool rows_follow(struct device *device, enum commons_table table,
                        const enum stand stands[COMMONS_ROWS]) {
    const struct commons_shape *shape = &commons_shapes[table];
    const struct file *file = ledger_file(device);
    const uint32_t columns = commons_columns(table, device->version);
    sqlite3_stmt *statement = file->query[QUERY_ROWS + table];
    const char *fault = NULL;
    uint32_t row = 0, shown = 0, column = 0;
    int code;
    if (columns == 0) return true;
    while (!fault && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t hash[COMMONS_COLUMNS];
        for (uint32_t c = 0; c < columns; c++) {
            const struct weft_value value = value_of_column(statement, (int)c);
            hash[c] = value_hash(&value);
        }
        shown++;
        if (!commons_find(&device->world->cast, table, hash, &row))
            fault = "is nobody's";
        else if (stands[row] != STAND_SHOWN)
            fault = "should not be there";
        for (column = shape->key_count; !fault && column < columns; column++)
            if (hash[column] != fold_cell(&file->fold, row, column)) fault = "has another value";
    }
    sqlite3_reset(statement);
    if (!fault && code != SQLITE_DONE) return ledger_broken(device, "reading shared rows");
    for (uint32_t r = shape->first_row; !fault && r < shape->first_row + shape->row_count; r++) {
        row = r;
        if (stands[r] == STAND_SHOWN && shown-- == 0) fault = "or one before it is missing";
    }
    const uint32_t shown_column = column > 0 ? column - 1 : 0;
    return !fault || world_fail(device->world,
                                "device %u: shared rows do not follow from the log: table %s row "
                                "%u %s (column %u, written %llx by %u; it stands as %d, created "
                                "%llx by %u, deleted %llx by %u)",
                                device->number, shape->name, row, fault, shown_column,
                                (unsigned long long)file->fold.row[row].written[shown_column].hlc,
                                file->fold.row[row].written[shown_column].device, stands[row],
                                (unsigned long long)file->fold.row[row].created.hlc,
                                file->fold.row[row].created.device,
                                (unsigned long long)file->fold.row[row].deleted.hlc,
                                file->fold.row[row].deleted.device);
}

/* As what the shadow keeps a row; 0: not at all. */
static uint32_t kept_as(const struct file *file, enum version version, uint32_t row,
                        enum stand stand) {
    static const uint32_t kinds[] = {
        [STAND_GONE] = 2, [STAND_REFUSED] = 3, [STAND_BEHIND] = 4, [STAND_SHOWN] = 0};
    const uint32_t columns = commons_columns(commons_table_of(row), version);
    if (stand != STAND_SHOWN) return kinds[stand];
    if (columns == 0) return 3; /* There is no such table. */
    for (uint32_t c = columns; c < COMMONS_COLUMNS; c++)
        if (file->fold.row[row].written[c].hlc) return 1; /* ... no such column. */
    return 0;
}

#define SHADOW_HIDDEN 2 /* in the file: deleted, or not created yet */

static uint32_t wanted_hidden(const enum stand stands[COMMONS_ROWS]) {
    uint32_t wanted = 0;
    for (uint32_t r = 0; r < COMMONS_ROWS; r++)
        wanted += stands[r] == STAND_GONE;
    return wanted;
}

/* What the tables do not show is kept for what it is. */
static bool shadow_follows(struct device *device, const enum stand stands[COMMONS_ROWS]) {
    sqlite3_stmt *statement = ledger_file(device)->query[QUERY_SHADOW];
    uint32_t kept[5] = {0};
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        kept[sqlite3_column_int(statement, 0) % 5] = (uint32_t)sqlite3_column_int(statement, 1);
    sqlite3_reset(statement);
    if (code != SQLITE_DONE) return ledger_broken(device, "reading the shadow");
    /* Deletions that all have heard of may be forgotten. */
    if (kept[SHADOW_HIDDEN] < wanted_hidden(stands)) kept[SHADOW_HIDDEN] = wanted_hidden(stands);
    for (uint32_t kind = 1; kind < 5; kind++) {
        uint32_t wanted = 0;
        for (uint32_t r = 0; r < COMMONS_ROWS; r++)
            wanted += kept_as(ledger_file(device), device->version, r, stands[r]) == kind;
        device->world->points.reached[POINT_EXTRA] += kind == 1 ? wanted : 0;
        if (kept[kind] != wanted)
            return world_fail(device->world,
                              "device %u: the shadow keeps %u rows of kind %u, and not %u",
                              device->number, kept[kind], kind, wanted);
    }
    return true;
}

static bool heads_follow(struct device *device) {
    struct file *file = ledger_file(device);
    struct heads heads[DEVICES_MAX];
    if (!snapshot_heads(device, heads)) return false;
    for (uint32_t of = 0; of < DEVICES_MAX; of++) {
        bool same = heads[of].count == file->chains[of];
        for (uint32_t i = 0; i < file->chains[of] && same; i++) {
            const struct chain *chain = &file->chain[of][i];
            const struct head *head = heads_seek(&heads[of], chain->incarnation);
            same =
                head && head->seq == chain->seq &&
                (memcmp(head->hash, chain->hash, 32) == 0 || byzantine_forked(device->world, of));
        }
        if (!same)
            return world_fail(device->world,
                              "device %u: the head of device %u's log is not its last record",
                              device->number, of);
    }
    return true;
}

/* What was answered is in the device's own log. */
static bool holds_own(struct device *device) {
    const struct file *file = ledger_file(device);
    for (uint32_t i = 0; i < INCARNATIONS; i++) {
        const struct promise *promise = &device->world->ledger->promise[device->number][i];
        if (!promise->hash || promise->incarnation != file->own || promise->upto == 0) continue;
        const struct chain *chain = ledger_chain(file, device->number, promise->incarnation);
        if (chain && chain->seq >= promise->upto) continue;
        return world_fail(device->world, "device %u: has lost record %llu of its own",
                          device->number, (unsigned long long)promise->upto);
    }
    return true;
}

static bool check_all(struct device *device) {
    struct file *file = ledger_file(device);
    enum stand stands[COMMONS_ROWS];
    if (!ledger_take_all(device)) return false;
    if (ledger_is_loose(file)) return heads_follow(device) && holds_own(device);
    fold_stands(&file->fold, stands);
    for (uint32_t r = 0; r < COMMONS_ROWS; r++) {
        device->world->points.reached[POINT_BEHIND] += stands[r] == STAND_BEHIND;
        device->world->points.reached[POINT_REFUSED] += stands[r] == STAND_REFUSED;
    }
    for (int t = 0; t < COMMONS_COUNT; t++)
        if (!rows_follow(device, (enum commons_table)t, stands)) return false;
    return shadow_follows(device, stands) && heads_follow(device) && holds_own(device);
}

bool ledger_check(struct device *device) {
    if (sqlite3_exec(device->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return ledger_broken(device, "beginning to read");
    bool good = check_all(device);
    if (sqlite3_exec(device->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK && good)
        return ledger_broken(device, "ending to read");
    return good;
}

/* ---- restored disks, and the end ------------------------------------------------------------- */

void ledger_restored(struct device *device) {
    struct world *world = device->world;
    struct ledger *ledger = world->ledger;
    ledger->restored[device->number] = true;
    for (uint32_t of = 0; of < world->cast.device_count; of++)
        for (uint32_t i = 0; i < INCARNATIONS; i++) {
            struct promise *promise = &ledger->promise[of][i];
            uint64_t held = 0;
            if (!promise->hash) continue;
            for (uint32_t d = 0; d < world->cast.device_count; d++) {
                if (d == device->number || (d == world->plan.victim && d != of)) continue;
                if (!world_trusts(world, d) && d != of) continue;
                const struct chain *chain =
                    ledger_chain(&ledger->file[d], of, promise->incarnation);
                if (chain && chain->seq > held) held = chain->seq;
            }
            for (; promise->upto > held; promise->upto--)
                ledger->world->points.reached[POINT_LOST] += promise->hash[promise->upto] != 0;
        }
    /* Until it is read again it holds nothing for the sake of another whose disk is set back. */
    struct file *file = &ledger->file[device->number];
    memset(file->chains, 0, sizeof file->chains);
}

/* Whether no record waits but those that nobody will ever believe. */
static bool may_wait(struct device *device) {
    const struct file *file = ledger_file(device);
    struct scroll scroll;
    for (uint32_t i = 0; i < file->waiting_count; i++) {
        uint64_t place = 0;
        if (!ledger_read(device, QUERY_AT, file->waiting[i], &place, &scroll)) return false;
        if (place == 0 || !ledger_far_ahead(device, &scroll)) return false;
    }
    return true;
}

/* Whether all are to have what the device was told that it has written. */
static bool is_owed(const struct world *world, uint32_t of) {
    return world_awaits(world, of) && !company_out(world->company, of);
}

bool ledger_agrees(struct world *world, bool *equal, char *why) {
    *equal = false;
    for (uint32_t d = 0; d < world->cast.device_count; d++) {
        struct device *device = &world->device[d];
        struct file *file = &world->ledger->file[d];
        if (!world_awaits(world, d)) continue;
        if (!ledger_check(device)) return false;
        if (company_out(world->company, d)) continue;
        snprintf(why, FAILURE_TEXT, "device %u is taking a snapshot", d);
        if (file->taking) return true;
        snprintf(why, FAILURE_TEXT, "on device %u %u records wait for their time", d,
                 file->waiting_count);
        if (!may_wait(device)) return true;
        for (uint32_t of = 0; of < world->cast.device_count; of++)
            for (uint32_t i = 0; i < INCARNATIONS && is_owed(world, of); i++) {
                const struct promise *promise = &world->ledger->promise[of][i];
                if (!promise->hash || promise->upto == 0) continue;
                const struct chain *chain = ledger_chain(file, of, promise->incarnation);
                snprintf(why, FAILURE_TEXT,
                         "device %u lacks record %llu of device %u, which was answered", d,
                         (unsigned long long)promise->upto, of);
                if (!chain || chain->seq < promise->upto) return true;
            }
    }
    *equal = true;
    return true;
}
