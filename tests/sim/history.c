/* Keeping histories, and reading what a device's file holds, with plain SQL.
 *
 * Invariants
 *   1. A row's versions increase strictly.
 *   2. A snapshot is one read transaction: rows and positions of one moment.
 * Deliberately not here: what the two must have to do with each other (oracle.c). */
#include "tests/sim/history.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/byzantine.h"

/* ---- histories ------------------------------------------------------------------------------- */

struct past history_now(const struct history *history, uint32_t device, uint32_t row) {
    const struct row_history *of = &history->row[device][row];
    return of->count ? of->past[of->count - 1] : (struct past){0, 0};
}

bool history_add(struct history *history, uint32_t device, uint32_t row, uint64_t version,
                 uint64_t digest) {
    CHECK(device < DEVICES_MAX && row < ROWS);
    struct row_history *of = &history->row[device][row];
    if (version <= history_now(history, device, row).version) return false;
    if (of->count == of->room) {
        of->room = of->room ? of->room * 2 : 4;
        of->past = realloc(of->past, of->room * sizeof *of->past);
        CHECK(of->past != NULL);
    }
    of->past[of->count++] = (struct past){version, digest};
    uint64_t *head = &history->head[device][table_of(row)];
    if (version > *head) *head = version;
    history->total++;
    return true;
}

bool history_was(const struct history *history, uint32_t device, uint32_t row, uint64_t version,
                 uint64_t digest) {
    const struct row_history *of = &history->row[device][row];
    for (uint32_t i = of->count; i-- > 0;)
        if (of->past[i].version == version) return of->past[i].digest == digest;
    return false;
}

bool history_had(const struct history *history, uint32_t device, uint32_t row, uint64_t version) {
    const struct row_history *of = &history->row[device][row];
    for (uint32_t i = of->count; i-- > 0;)
        if (of->past[i].version == version) return true;
    return false;
}

void history_free(struct history *history) {
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        for (uint32_t row = 0; row < ROWS; row++)
            free(history->row[d][row].past);
}

/* ---- reading a file -------------------------------------------------------------------------- */

enum query {
    QUERY_ROWS, /* one for each table */
    QUERY_POSITIONS = QUERY_ROWS + TABLE_COUNT,
    QUERY_ACKS,
    QUERY_BURIED,
    QUERY_MEMBERS,
    QUERY_HEADS,
    QUERY_SHARED_ACKS,
    QUERY_ROSTER_MEMBERS,
    QUERY_ROSTER_PINS,
    QUERY_ROSTER_KEYS,
    QUERY_INCARNATION,
    QUERY_WAITING
};

static bool broken(struct device *device, const char *doing) {
    return world_fail(device->world, "device %u: %s: %s", device->number, doing,
                      sqlite3_errmsg(device->db));
}

static bool prepare(struct device *device, int query, const char *sql) {
    int code = sqlite3_prepare_v3(device->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &device->query[query], NULL);
    return code == SQLITE_OK || broken(device, sql);
}

bool snapshot_begin(struct device *device) {
    CHECK(device->db == NULL);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(device->path, &device->db, flags, disk_vfs(device->disk)) != SQLITE_OK)
        return broken(device, "opening the file to read");
    for (int t = 0; t < TABLE_COUNT; t++) {
        if (table_columns((enum table)t, device->version) == 0) continue;
        char *sql = sqlite3_mprintf("SELECT d.device, r._weft_version, %.*s FROM %s r "
                                    "JOIN _weft_device d ON d.id = r._weft_owner",
                                    table_list((enum table)t, device->version),
                                    table_shapes[t].qualified, table_shapes[t].name);
        CHECK(sql != NULL);
        bool good = prepare(device, QUERY_ROWS + t, sql);
        sqlite3_free(sql);
        if (!good) return false;
    }
    return prepare(device, QUERY_POSITIONS,
                   "SELECT d.device, m.name, p.position, p.sweep FROM _weft_position p "
                   "JOIN _weft_device d ON d.id = p.owner JOIN _weft_model m ON m.id = p.model") &&
           prepare(device, QUERY_ACKS,
                   "SELECT f.device, d.device, m.name, a.position FROM _weft_ack a "
                   "JOIN _weft_device f ON f.id = a.device JOIN _weft_device d ON d.id = a.owner "
                   "JOIN _weft_model m ON m.id = a.model") &&
           prepare(device, QUERY_BURIED,
                   "SELECT m.name, max(t.version) FROM (SELECT owner, model, version FROM "
                   "_weft_tombstone UNION ALL SELECT owner, model, horizon FROM _weft_position) t "
                   "JOIN _weft_model m ON m.id = t.model WHERE t.owner = 1 GROUP BY m.name") &&
           prepare(device, QUERY_MEMBERS, "SELECT device FROM _weft_member WHERE NOT removed") &&
           prepare(device, QUERY_HEADS,
                   "SELECT device, incarnation, seq, hash, fork IS NOT NULL FROM _weft_origin "
                   "WHERE seq > 0 ORDER BY device, incarnation") &&
           prepare(
               device, QUERY_SHARED_ACKS,
               "SELECT f.device, o.device, o.incarnation, a.seq FROM peer_acks a "
               "JOIN _weft_device f ON f.id = a.device JOIN _weft_origin o ON o.id = a.origin") &&
           prepare(device, QUERY_ROSTER_MEMBERS,
                   "SELECT device, id_pk, x_pk, incarnation, cert, name, removed, added_hlc, "
                   "removed_hlc, added_by FROM _weft_member ORDER BY device") &&
           prepare(device, QUERY_ROSTER_PINS,
                   "SELECT device, incarnation, seq, hash FROM _weft_pin "
                   "ORDER BY device, incarnation") &&
           prepare(device, QUERY_ROSTER_KEYS,
                   "SELECT epoch, psk_id FROM _weft_key ORDER BY epoch, psk_id") &&
           prepare(device, QUERY_INCARNATION,
                   "SELECT value FROM _weft_meta WHERE key = 'incarnation'") &&
           prepare(device, QUERY_WAITING,
                   "SELECT d.device, m.name, p.version FROM _weft_parked p "
                   "JOIN _weft_device d ON d.id = p.owner JOIN _weft_model m ON m.id = p.model");
}

void snapshot_end(struct device *device) {
    for (int q = 0; q < QUERY_COUNT; q++) {
        sqlite3_finalize(device->query[q]);
        device->query[q] = NULL;
    }
    CHECK(sqlite3_close(device->db) == SQLITE_OK);
    device->db = NULL;
}

static bool column_device(struct device *device, sqlite3_stmt *statement, int column,
                          uint32_t *out) {
    const struct cast *cast = &device->world->cast;
    struct id id;
    if (id_read(&id, sqlite3_column_blob(statement, column),
                (size_t)sqlite3_column_bytes(statement, column)))
        for (uint32_t d = 0; d < cast->device_count; d++)
            if (id_equal(&cast->device[d], &id)) {
                *out = d;
                return true;
            }
    return world_fail(device->world, "device %u: the file names an unknown device", device->number);
}

static bool column_table(struct device *device, sqlite3_stmt *statement, int column,
                         enum table *out) {
    const char *name = (const char *)sqlite3_column_text(statement, column);
    for (int t = 0; name && t < TABLE_COUNT; t++)
        if (strcmp(name, table_shapes[t].name) == 0) {
            *out = (enum table)t;
            return true;
        }
    return world_fail(device->world, "device %u: unknown model \"%s\"", device->number,
                      name ? name : "");
}

/* Ends a query; `code` is what its last step said. */
static bool query_done(struct device *device, sqlite3_stmt *statement, int code,
                       const char *doing) {
    bool good = code == SQLITE_DONE;
    if (!good && !device->world->failed) broken(device, doing);
    sqlite3_reset(statement);
    return good;
}

static bool take_row(struct device *device, enum table table, sqlite3_stmt *statement,
                     struct snapshot *out) {
    struct world *world = device->world;
    uint64_t hash[COLUMNS_MAX] = {0};
    uint32_t owner = 0, of = 0, row = 0;
    const uint32_t columns = table_columns(table, device->version);
    for (uint32_t c = 0; c < table_shapes[table].column_count; c++) {
        struct weft_value value =
            c < columns ? value_of_column(statement, (int)c + 2) : table_default(table, c);
        hash[c] = value_hash(&value);
    }
    if (!column_device(device, statement, 0, &owner)) return false;
    if (!keyring_find(world->keyring, table, hash, &of, &row))
        return world_fail(world, "device %u: table %s has a row that nobody wrote", device->number,
                          table_shapes[table].name);
    if (of != owner)
        return world_fail(world, "device %u: table %s: row %u of device %u is said to be %u's",
                          device->number, table_shapes[table].name, row, of, owner);
    out->digest[of][row] = cells_digest(table, hash);
    out->version[of][row] = (uint64_t)sqlite3_column_int64(statement, 1);
    return true;
}

static bool read_rows(struct device *device, struct snapshot *out) {
    for (int t = 0; t < TABLE_COUNT; t++) {
        sqlite3_stmt *statement = device->query[QUERY_ROWS + t];
        int code;
        if (!statement) continue;
        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
            if (!take_row(device, (enum table)t, statement, out)) break;
        if (!query_done(device, statement, code, "reading rows")) return false;
    }
    sqlite3_stmt *buried = device->query[QUERY_BURIED];
    int code;
    while ((code = sqlite3_step(buried)) == SQLITE_ROW) {
        enum table table;
        if (!column_table(device, buried, 0, &table)) break;
        out->buried[table] = (uint64_t)sqlite3_column_int64(buried, 1);
    }
    return query_done(device, buried, code, "reading tombstones");
}

static bool read_waiting(struct device *device, struct snapshot *out) {
    sqlite3_stmt *statement = device->query[QUERY_WAITING];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        CHECK(out->beside_count < BESIDE_MAX);
        struct beside *beside = &out->beside[out->beside_count++];
        if (!column_device(device, statement, 0, &beside->owner)) break;
        if (!column_table(device, statement, 1, &beside->table)) break;
        beside->version = (uint64_t)sqlite3_column_int64(statement, 2);
    }
    return query_done(device, statement, code, "reading rows that wait");
}

bool snapshot_positions(struct device *device, struct snapshot *out) {
    sqlite3_stmt *statement = device->query[QUERY_POSITIONS];
    int code;
    memset(out->position, 0, sizeof out->position);
    memset(out->sweeps, 0, sizeof out->sweeps);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint32_t owner;
        enum table table;
        if (!column_device(device, statement, 0, &owner)) break;
        if (!column_table(device, statement, 1, &table)) break;
        out->position[owner][table] = (uint64_t)sqlite3_column_int64(statement, 2);
        out->sweeps[owner][table] = sqlite3_column_type(statement, 3) != SQLITE_NULL;
    }
    return query_done(device, statement, code, "reading positions");
}

bool snapshot_members(struct device *device, bool members[DEVICES_MAX]) {
    sqlite3_stmt *statement = device->query[QUERY_MEMBERS];
    int code;
    memset(members, 0, DEVICES_MAX * sizeof members[0]);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint32_t member;
        if (!column_device(device, statement, 0, &member)) break;
        members[member] = true;
    }
    return query_done(device, statement, code, "reading members");
}

bool snapshot_read(struct device *device, struct snapshot *out) {
    const uint64_t writes = disk_counts(device->disk).writes;
    if (out->life == device->lives && out->writes == writes) return true;
    memset(out, 0, sizeof *out);
    if (sqlite3_exec(device->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return broken(device, "beginning to read");
    bool good =
        read_rows(device, out) && read_waiting(device, out) && snapshot_positions(device, out);
    if (sqlite3_exec(device->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK && good)
        return broken(device, "ending to read");
    if (good) {
        out->life = device->lives;
        out->writes = writes;
    }
    return good;
}

bool snapshot_acks(struct device *device, void *context,
                   bool (*visit)(void *context, uint32_t from, uint32_t owner, enum table table,
                                 uint64_t position)) {
    sqlite3_stmt *statement = device->query[QUERY_ACKS];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint32_t from, owner;
        enum table table;
        if (!column_device(device, statement, 0, &from)) break;
        if (!column_device(device, statement, 1, &owner)) break;
        if (!column_table(device, statement, 2, &table)) break;
        if (!visit(context, from, owner, table, (uint64_t)sqlite3_column_int64(statement, 3)))
            break;
    }
    return query_done(device, statement, code, "reading acknowledgements");
}

static bool take_head(struct device *device, uint32_t of, sqlite3_stmt *statement,
                      struct heads *heads) {
    if (sqlite3_column_int(statement, 4) != 0 && !byzantine_forked(device->world, of))
        return world_fail(device->world, "device %u: holds two histories of device %u's shared log",
                          device->number, of);
    if (heads->count > device->world->device[of].restores)
        return world_fail(device->world,
                          "device %u: holds %u incarnations of device %u, which was restored %u "
                          "times",
                          device->number, heads->count + 1, of, device->world->device[of].restores);
    struct head *head = &heads->head[heads->count++];
    CHECK(sqlite3_column_bytes(statement, 3) == sizeof head->hash);
    head->incarnation = (uint64_t)sqlite3_column_int64(statement, 1);
    head->seq = (uint64_t)sqlite3_column_int64(statement, 2);
    memcpy(head->hash, sqlite3_column_blob(statement, 3), sizeof head->hash);
    return true;
}

bool snapshot_heads(struct device *device, struct heads heads[DEVICES_MAX]) {
    sqlite3_stmt *statement = device->query[QUERY_HEADS];
    int code;
    memset(heads, 0, DEVICES_MAX * sizeof heads[0]);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint32_t of;
        if (!column_device(device, statement, 0, &of)) break;
        if (!take_head(device, of, statement, &heads[of])) break;
    }
    return query_done(device, statement, code, "reading heads of the shared log");
}

const struct head *heads_seek(const struct heads *heads, uint64_t incarnation) {
    for (uint32_t i = 0; i < heads->count; i++)
        if (heads->head[i].incarnation == incarnation) return &heads->head[i];
    return NULL;
}

bool snapshot_incarnation(struct device *device, uint64_t *out) {
    sqlite3_stmt *statement = device->query[QUERY_INCARNATION];
    int code;
    *out = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(statement, 0);
    return query_done(device, statement, code, "reading the incarnation");
}

bool snapshot_shared_acks(struct device *device, void *context,
                          bool (*visit)(void *context, uint32_t from, uint32_t of,
                                        const struct head *head)) {
    sqlite3_stmt *statement = device->query[QUERY_SHARED_ACKS];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct head head = {.incarnation = (uint64_t)sqlite3_column_int64(statement, 2),
                            .seq = (uint64_t)sqlite3_column_int64(statement, 3)};
        uint32_t from, of;
        if (!column_device(device, statement, 0, &from)) break;
        if (!column_device(device, statement, 1, &of)) break;
        if (!visit(context, from, of, &head)) break;
    }
    return query_done(device, statement, code, "reading acknowledgements of the shared log");
}

static bool digest_query(struct device *device, int query, uint64_t *out) {
    sqlite3_stmt *statement = device->query[query];
    int code;
    *out = 1;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        for (int c = 0; c < sqlite3_column_count(statement); c++) {
            struct weft_value value = value_of_column(statement, c);
            *out = rng_mix(*out, value_hash(&value));
        }
    return query_done(device, statement, code, "reading the roster");
}

bool snapshot_roster(struct device *device, struct roster_digest *out) {
    return digest_query(device, QUERY_ROSTER_MEMBERS, &out->members) &&
           digest_query(device, QUERY_ROSTER_PINS, &out->pins) &&
           digest_query(device, QUERY_ROSTER_KEYS, &out->keys);
}
