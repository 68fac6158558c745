/* See audit.h.
 *
 *     file ──► SQLite's own check ──► laws: queries that find nothing ──► clocks of shared rows
 *
 * Invariant: it reads tables and says what contradicts what; it asks no engine.
 * The clocks are taken apart by engine/store/rowclock.h, and held against marks that are not.
 * Deliberately not here: what was promised (oracle.c, ledger.c, company.c), digests (sums.c). */
#include "tests/sim/audit.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/store/rowclock.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/ledger_private.h"

#define SELF "(SELECT value FROM _weft_meta WHERE key = 'device')"
#define CLOCK "(SELECT value FROM _weft_meta WHERE key = 'clock')"
/* What a member that lies has said is no contradiction. */
#define TRUSTED "a.device NOT IN (SELECT id FROM _weft_device WHERE device = ?1)"
#define INCARNATION "(SELECT value FROM _weft_meta WHERE key = 'incarnation')"

/* Each finds what must not be. */
static const struct law {
    const char *what;
    const char *sql;
} laws[] = {
    {"an origin's head is not its last record",
     "SELECT 1 FROM _weft_origin o WHERE o.seq > o.pruned AND NOT EXISTS (SELECT 1 FROM "
     "shared_changes c WHERE c.origin = o.id AND c.seq = o.seq AND c.hlc = o.hlc)"},
    {"a record lies beyond its origin's head",
     "SELECT 1 FROM shared_changes c JOIN _weft_origin o ON o.id = c.origin "
     "WHERE c.seq > o.seq AND NOT c.keep"},
    {"an origin's records have a gap",
     "SELECT 1 FROM _weft_origin o WHERE o.seq > o.pruned AND o.seq - o.pruned <> (SELECT count(*) "
     "FROM shared_changes c WHERE c.origin = o.id AND c.seq > o.pruned AND c.seq <= o.seq)"},
    {"a record is nobody's",
     "SELECT 1 FROM shared_changes c LEFT JOIN _weft_origin o ON o.id = c.origin "
     "WHERE o.id IS NULL"},
    {"the quarantine names a record that is not there",
     "SELECT 1 FROM _weft_quarantine q LEFT JOIN shared_changes c ON c.place = q.place AND "
     "c.origin = q.origin AND c.hlc = q.hlc WHERE c.place IS NULL"},
    {"the clock is behind a record of this device",
     "SELECT 1 FROM shared_changes c JOIN _weft_origin o ON o.id = c.origin "
     "WHERE o.device = " SELF " AND o.incarnation = " INCARNATION " AND c.hlc > " CLOCK},
    {"the clock is behind an own tombstone",
     "SELECT 1 FROM _weft_tombstone WHERE owner = 1 AND version > " CLOCK},
    {"the clock is behind the position of own rows",
     "SELECT 1 FROM _weft_position WHERE owner = 1 AND position > " CLOCK},
    {"a tombstone lies beyond its position",
     "SELECT 1 FROM _weft_tombstone t LEFT JOIN _weft_position p ON p.owner = t.owner AND "
     "p.model = t.model WHERE p.position IS NULL OR (t.version > p.position AND p.sweep IS NULL)"},
    {"a parked row lies beyond its position",
     "SELECT 1 FROM _weft_parked t LEFT JOIN _weft_position p ON p.owner = t.owner AND "
     "p.model = t.model WHERE p.position IS NULL OR (t.version > p.position AND p.sweep IS NULL)"},
    {"tombstones are forgotten beyond the position",
     "SELECT 1 FROM _weft_position a WHERE horizon > position AND sweep IS NULL AND a.owner NOT IN "
     "(SELECT id FROM _weft_device WHERE device = ?1)"},
    {"a member has acknowledged a record that this device has not written",
     "SELECT 1 FROM peer_acks a JOIN _weft_origin o ON o.id = a.origin "
     "WHERE o.device = " SELF " AND o.incarnation = " INCARNATION
     " AND a.seq > o.seq AND " TRUSTED},
    {"a member has acknowledged own rows that this device has not written",
     "SELECT 1 FROM _weft_ack a LEFT JOIN _weft_position p ON p.owner = a.owner AND "
     "p.model = a.model WHERE a.owner = 1 AND a.position > coalesce(p.position, 0) AND " TRUSTED},
    {"an acknowledgement is nobody's",
     "SELECT 1 FROM (SELECT device FROM _weft_ack UNION SELECT device FROM peer_acks) a "
     "LEFT JOIN _weft_device d ON d.id = a.device WHERE d.id IS NULL"},
};

static sqlite3_stmt *prepare(struct device *device, const char *sql) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(device->db, sql, -1, &statement, NULL) == SQLITE_OK) return statement;
    (void)ledger_broken(device, sql);
    return NULL;
}

static bool is_sound(struct device *device) {
    sqlite3_stmt *statement = prepare(device, "PRAGMA integrity_check");
    if (!statement) return false;
    const char *said = NULL;
    if (sqlite3_step(statement) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(statement, 0);
    bool good = said && strcmp(said, "ok") == 0;
    if (!good)
        world_fail(device->world, "device %u: the file is damaged: %s", device->number,
                   said ? said : sqlite3_errmsg(device->db));
    sqlite3_finalize(statement);
    return good;
}

static bool law_holds(struct device *device, const struct law *law) {
    const struct world *world = device->world;
    sqlite3_stmt *statement = prepare(device, law->sql);
    if (!statement) return false;
    if (world->byzantine && sqlite3_bind_parameter_count(statement) > 0)
        sqlite3_bind_blob(statement, 1, world->cast.device[world->plan.liar].bytes, WEFT_ID_SIZE,
                          SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code == SQLITE_ROW)
        return world_fail(device->world, "device %u: its file contradicts itself: %s",
                          device->number, law->what);
    return code == SQLITE_DONE || ledger_broken(device, law->what);
}

/* ---- clocks of shared rows ------------------------------------------------------------------- */

struct dial {
    struct device *device;
    sqlite3_stmt *rows, *origin;
    enum commons_table table;
    uint32_t columns;
    int64_t field[COMMONS_COLUMNS]; /* its number in clocks; -1: none */
};

/* Whether a stamp of a row's clock says when and by whom as the fold does. */
static bool same_mark(struct dial *dial, const struct stamp *stamp, const struct mark *mark) {
    const struct cast *cast = &dial->device->world->cast;
    if (stamp->hlc != mark->hlc) return false;
    if (stamp->hlc == 0) return true;
    sqlite3_bind_int64(dial->origin, 1, stamp->origin);
    bool same = sqlite3_step(dial->origin) == SQLITE_ROW &&
                memcmp(sqlite3_column_blob(dial->origin, 0), cast->device[mark->device].bytes,
                       WEFT_ID_SIZE) == 0;
    sqlite3_reset(dial->origin);
    return same;
}

static bool clock_agrees(struct dial *dial, const struct fold_row *row, uint32_t number) {
    struct device *device = dial->device;
    const char *fault = NULL;
    struct merge_row clock;
    uint32_t column = 0;
    const struct bytes bytes = {sqlite3_column_blob(dial->rows, 0),
                                (size_t)sqlite3_column_bytes(dial->rows, 0)};
    if (!rowclock_read(bytes, &clock))
        fault = "has no clock that can be read";
    else if (!same_mark(dial, &clock.created, &row->created))
        fault = "was not created when its clock says";
    else if (clock.deleted.hlc != 0 && clock.deleted.hlc > row->deleted.hlc)
        fault = "was not deleted when its clock says";
    for (column = commons_shapes[dial->table].key_count; !fault && column < dial->columns;
         column++) {
        const int64_t field = dial->field[column];
        const struct stamp none = {0};
        bool there = field >= 0 && (uint64_t)field < clock.field_count;
        const struct stamp *stamp = there ? &clock.fields[field] : &none;
        if (!same_mark(dial, stamp, &row->written[column]))
            fault = "has a column that was not written when its clock says";
    }
    return !fault ||
           world_fail(device->world, "device %u: table %s row %u %s (column %u, written %llx)",
                      device->number, commons_shapes[dial->table].name, number, fault, column - 1,
                      (unsigned long long)row->written[column - 1].hlc);
}

static bool read_fields(struct dial *dial) {
    const struct commons_shape *shape = &commons_shapes[dial->table];
    sqlite3_stmt *statement =
        prepare(dial->device, "SELECT field FROM _weft_field WHERE model = ? AND name = ?");
    if (!statement) return false;
    for (uint32_t c = 0; c < dial->columns; c++) {
        sqlite3_bind_text(statement, 1, shape->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, shape->columns[c], -1, SQLITE_STATIC);
        dial->field[c] =
            sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return true;
}

static bool table_agrees(struct dial *dial) {
    const struct commons_shape *shape = &commons_shapes[dial->table];
    const struct file *file = ledger_file(dial->device);
    char *sql = sqlite3_mprintf("SELECT _weft_clock, %s%s%s FROM %s", shape->columns[0],
                                shape->key_count > 1 ? ", " : "",
                                shape->key_count > 1 ? shape->columns[1] : "", shape->name);
    CHECK(sql != NULL && shape->key_count <= 2);
    dial->rows = prepare(dial->device, sql);
    sqlite3_free(sql);
    if (!dial->rows) return false;
    bool good = read_fields(dial);
    while (good && sqlite3_step(dial->rows) == SQLITE_ROW) {
        uint64_t key[2] = {0};
        uint32_t row = 0;
        for (uint32_t k = 0; k < shape->key_count; k++) {
            const struct weft_value value = value_of_column(dial->rows, (int)k + 1);
            key[k] = value_hash(&value);
        }
        good = commons_find(&dial->device->world->cast, dial->table, key, &row) &&
               clock_agrees(dial, &file->fold.row[row], row);
    }
    sqlite3_finalize(dial->rows);
    return good;
}

static bool clocks_agree(struct device *device) {
    struct dial dial = {.device = device};
    dial.origin = prepare(device, "SELECT device FROM _weft_origin WHERE id = ?");
    bool good = dial.origin != NULL;
    for (int t = 0; t < COMMONS_COUNT && good; t++) {
        dial.table = (enum commons_table)t;
        dial.columns = commons_columns(dial.table, device->version);
        if (dial.columns > 0) good = table_agrees(&dial);
    }
    sqlite3_finalize(dial.origin);
    return good;
}

static bool audit(struct device *device) {
    for (uint32_t i = 0; i < sizeof laws / sizeof laws[0]; i++)
        if (!law_holds(device, &laws[i])) return false;
    if (!ledger_take_all(device)) return false;
    /* While a snapshot is taken, rows come before their records do. */
    return ledger_is_loose(ledger_file(device)) || clocks_agree(device);
}

bool audit_check(struct device *device) {
    if (!is_sound(device)) return false;
    if (sqlite3_exec(device->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return ledger_broken(device, "beginning to read");
    bool good = audit(device);
    if (sqlite3_exec(device->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK && good)
        return ledger_broken(device, "ending to read");
    return good;
}
