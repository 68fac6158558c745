/* The text of the writer's statements. Parameters are numbered as writer_private.h says.
 *
 * The two upserts, for a table entry(id, name), one row; of many, SELECT … FROM the feed stands in
 * the place of VALUES:
 *
 *   INSERT INTO entry AS t(id, name, _weft_owner, _weft_version) VALUES (?2, ?3, ?1, ?4)
 *   ON CONFLICT(id) DO UPDATE SET name = excluded.name, _weft_version = excluded._weft_version
 *   WHERE _weft_note(excluded._weft_version, t._weft_version, t._weft_owner IS
 * excluded._weft_owner,
 *         own:     (t.name) IS NOT (excluded.name)            nothing to do for an equal row
 *         remote:  excluded._weft_version > t._weft_version   never back
 *         )
 *
 * _weft_note() notes what it is told in the writer, and says yes if the last two are true. So one
 * statement tells of each of its rows whether it was new, changed, equal, or another owner's.
 *
 * Invariants
 *   1. Every name in the text is quoted, every value a parameter.
 *   2. Values are compared as bytes and types, whatever the column's collation says.
 * Not here: when which statement runs. */
#include "engine/base/check.h"
#include "engine/store/shared_private.h"
#include "engine/store/writer_private.h"

static unsigned place(uint32_t column) {
    return 2 + column;
}

static void append_columns(sqlite3_str *sql, const struct model *model) {
    for (uint32_t c = 0; c < model->column_count; c++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", c == 0 ? "" : ",", model->columns[c].name);
    }
}

/* The key's columns, compared with their parameters. */
static void append_key(sqlite3_str *sql, const struct model *model) {
    for (uint32_t k = 0; k < model->key_count; k++) {
        uint32_t c = model->key[k];
        sqlite3_str_appendf(sql, "%s\"%w\" = ?%u", k == 0 ? "" : " AND ", model->columns[c].name,
                            place(c));
    }
}

/* `INSERT … VALUES …` of one row. */
static void append_insert(sqlite3_str *sql, const struct model *model, const char *verb) {
    sqlite3_str_appendf(sql, "%s INTO main.\"%w\" AS t(", verb, model->name);
    append_columns(sql, model);
    sqlite3_str_appendall(sql, ",_weft_owner,_weft_version) VALUES (");
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, "?%u,", place(c));
    sqlite3_str_appendf(sql, "?1,?%u)", place(model->column_count));
}

/* `INSERT … SELECT … FROM` the feed. Without its WHERE an ON CONFLICT behind it would be read as
 * the ON of a join. */
static void append_insert_many(sqlite3_str *sql, const struct model *model, const char *verb) {
    sqlite3_str_appendf(sql, "%s INTO main.\"%w\" AS t(", verb, model->name);
    append_columns(sql, model);
    sqlite3_str_appendall(sql, ",_weft_owner,_weft_version) SELECT ");
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, "c%u,", c);
    sqlite3_str_appendall(sql, "?1,version FROM " FEED_TABLE " WHERE true");
}

/* One side of the comparison of whole rows. A column that takes any type is compared by type too,
 * since SQLite finds 1 and 1.0 equal. */
static void append_cells(sqlite3_str *sql, const struct model *model, const char *side) {
    const char *before = "(";
    for (uint32_t c = 0; c < model->column_count; c++) {
        const struct column *column = &model->columns[c];
        if (column->key_place >= 0) continue;
        sqlite3_str_appendf(sql, "%s%s.\"%w\"", before, side, column->name);
        before = ",";
        if (column->type == WEFT_TEXT || column->type == WEFT_NULL) {
            sqlite3_str_appendall(sql, " COLLATE BINARY");
        }
        if (column->type == WEFT_NULL) {
            sqlite3_str_appendf(sql, ",typeof(%s.\"%w\")", side, column->name);
        }
    }
    sqlite3_str_appendall(sql, ")");
}

static void append_conflict(sqlite3_str *sql, const struct model *model, bool own) {
    for (uint32_t k = 0; k < model->key_count; k++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", k == 0 ? " ON CONFLICT(" : ",",
                            model->columns[model->key[k]].name);
    }
    sqlite3_str_appendall(sql, ") DO UPDATE SET _weft_version = excluded._weft_version");
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (model->columns[c].key_place >= 0) continue;
        sqlite3_str_appendf(sql, ",\"%w\" = excluded.\"%w\"", model->columns[c].name,
                            model->columns[c].name);
    }
    sqlite3_str_appendall(sql, " WHERE _weft_note(excluded._weft_version, t._weft_version, "
                               "t._weft_owner IS excluded._weft_owner, ");
    if (!own) {
        sqlite3_str_appendall(sql, "excluded._weft_version > t._weft_version");
    } else if (model->key_count == model->column_count) {
        sqlite3_str_appendall(sql, "false");
    } else {
        append_cells(sql, model, "t");
        sqlite3_str_appendall(sql, " IS NOT ");
        append_cells(sql, model, "excluded");
    }
    sqlite3_str_appendall(sql, ")");
}

static void append_upsert(sqlite3_str *sql, const struct model *model, enum writer_slot slot) {
    const bool many = slot == SLOT_OWN_MANY || slot == SLOT_REMOTE_MANY;
    (many ? append_insert_many : append_insert)(sql, model, "INSERT");
    append_conflict(sql, model, slot == SLOT_OWN_MANY || slot == SLOT_OWN_ONE);
}

/* ---- shared tables: ?1 clock, ?(2 + column) cells */

static void append_shared_insert(sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendf(sql, "INSERT OR ABORT INTO main.\"%w\"(", model->name);
    append_columns(sql, model);
    sqlite3_str_appendall(sql, ",_weft_clock) VALUES (");
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, "?%u,", place(c));
    sqlite3_str_appendall(sql, "?1)");
}

static void append_shared_update(sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendf(sql, "UPDATE OR ABORT main.\"%w\" SET _weft_clock = ?1", model->name);
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (model->columns[c].key_place >= 0) continue;
        sqlite3_str_appendf(sql, ",\"%w\" = ?%u", model->columns[c].name, place(c));
    }
    sqlite3_str_appendall(sql, " WHERE ");
    append_key(sql, model);
}

/* UPDATE … SET every column that is not in the key. */
static void append_update(sqlite3_str *sql, const struct model *model) {
    unsigned version = place(model->column_count);
    sqlite3_str_appendf(sql, "UPDATE OR REPLACE main.\"%w\" SET _weft_version = ?%u", model->name,
                        version);
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (model->columns[c].key_place >= 0) continue;
        sqlite3_str_appendf(sql, ",\"%w\" = ?%u", model->columns[c].name, place(c));
    }
    sqlite3_str_appendall(sql, " WHERE ");
    append_key(sql, model);
    sqlite3_str_appendf(sql, " AND _weft_owner = ?1 AND _weft_version < ?%u", version);
}

/* ` AND (` whether one of the unique indexes would not let a row stand beside this one `)`. Returns
 * SQLite's code: SQLITE_OK, or why the indexes cannot be read. */
static int append_conflicting(sqlite3 *db, sqlite3_str *sql, const struct model *model) {
    sqlite3_stmt *query = NULL;
    const char *before = " AND ((";
    static const char indexes[] =
        "SELECT l.seq, x.seqno, x.name, x.coll FROM pragma_index_list(?1) AS l, "
        "pragma_index_xinfo(l.name) AS x WHERE l.\"unique\" = 1 AND l.partial = 0 "
        "AND x.\"key\" = 1 ORDER BY l.seq, x.seqno";
    int code = sqlite3_prepare_v2(db, indexes, -1, &query, NULL);
    if (code != SQLITE_OK) return code;
    sqlite3_bind_text(query, 1, model->name, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(query)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(query, 2);
        const char *collation = (const char *)sqlite3_column_text(query, 3);
        bool first = sqlite3_column_int(query, 1) == 0;
        int column = name == NULL ? -1 : model_column(model, name, strlen(name));
        sqlite3_str_appendall(sql, first ? before : " AND ");
        before = ") OR (";
        if (column < 0 || collation == NULL) {
            /* An expression, or a column that is not sent: such an index is `opaque`. */
            sqlite3_str_appendall(sql, "false");
            continue;
        }
        sqlite3_str_appendf(sql, "\"%w\" COLLATE \"%w\" = ?%u", name, collation,
                            place((uint32_t)column));
    }
    sqlite3_finalize(query);
    if (code != SQLITE_DONE) return code;
    /* Alone only: beside others it would keep SQLite from using their indexes. */
    sqlite3_str_appendall(sql, before[0] == ')' ? "))" : " AND false");
    return SQLITE_OK;
}

/* Another owner's rows that are in the way of this one. */
static int append_foreign(sqlite3 *db, sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\" WHERE _weft_owner IS NOT ?1", model->name);
    const int code = append_conflicting(db, sql, model);
    sqlite3_str_appendall(sql, " LIMIT 1");
    return code;
}

/* Version and key of the owner's other rows that are in the way of this one. */
static int append_replaced(sqlite3 *db, sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendall(sql, "SELECT _weft_version");
    for (uint32_t k = 0; k < model->key_count; k++)
        sqlite3_str_appendf(sql, ",\"%w\"", model->columns[model->key[k]].name);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE _weft_owner IS ?1 AND NOT (", model->name);
    append_key(sql, model);
    sqlite3_str_appendall(sql, ")");
    return append_conflicting(db, sql, model);
}

/* Clock and key of other rows that are in the way of this one. */
static int append_rivals(sqlite3 *db, sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendall(sql, "SELECT _weft_clock");
    for (uint32_t k = 0; k < model->key_count; k++)
        sqlite3_str_appendf(sql, ",\"%w\"", model->columns[model->key[k]].name);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE NOT (", model->name);
    append_key(sql, model);
    sqlite3_str_appendall(sql, ")");
    return append_conflicting(db, sql, model);
}

static void append_by_key(sqlite3_str *sql, const struct model *model, const char *what) {
    sqlite3_str_appendf(sql, "%s FROM main.\"%w\" WHERE ", what, model->name);
    append_key(sql, model);
}

/* The statements of shared tables. */
static int append_shared(sqlite3 *db, sqlite3_str *sql, const struct model *model,
                         enum writer_slot slot) {
    switch (slot) {
    case SLOT_SHARED_LOOK:
        sqlite3_str_appendall(sql, "SELECT _weft_clock,");
        append_columns(sql, model);
        append_by_key(sql, model, "");
        break;
    case SLOT_SHARED_INSERT:
        append_shared_insert(sql, model);
        break;
    case SLOT_SHARED_UPDATE:
        append_shared_update(sql, model);
        break;
    case SLOT_SHARED_DELETE:
        append_by_key(sql, model, "DELETE");
        break;
    case SLOT_SHARED_RIVALS:
        return append_rivals(db, sql, model);
    default:
        break;
    }
    return SQLITE_OK;
}

char *writer_sql(sqlite3 *db, const struct model *model, enum writer_slot slot, int *code) {
    CHECK(db != NULL && model != NULL);
    CHECK(slot < SLOT_COUNT);
    sqlite3_str *sql = sqlite3_str_new(db);
    unsigned version = place(model->column_count);
    *code = SQLITE_OK;
    switch (slot) {
    case SLOT_INSERT_MANY:
        append_insert_many(sql, model, "INSERT OR IGNORE");
        break;
    case SLOT_OWN_MANY:
    case SLOT_OWN_ONE:
    case SLOT_REMOTE_MANY:
    case SLOT_REMOTE_ONE:
        append_upsert(sql, model, slot);
        break;
    case SLOT_LOOK:
        append_by_key(sql, model, "SELECT _weft_owner, _weft_version");
        break;
    case SLOT_DELETE:
        append_by_key(sql, model, "DELETE");
        sqlite3_str_appendf(
            sql, " AND _weft_owner = ?1 AND _weft_version < ?%u RETURNING _weft_version", version);
        break;
    case SLOT_OWNER_OF:
        CHECK(model->owner_model != NULL);
        sqlite3_str_appendf(sql, "SELECT _weft_owner FROM main.\"%w\" WHERE \"%w\" = ?1",
                            model->owner_model->name,
                            model->owner_model->columns[model->owner_model->key[0]].name);
        break;
    case SLOT_FOREIGN:
        *code = append_foreign(db, sql, model);
        break;
    case SLOT_REPLACE_NEW:
        append_insert(sql, model, "INSERT OR REPLACE");
        break;
    case SLOT_REPLACE_OLD:
        append_update(sql, model);
        break;
    case SLOT_RANGE:
        sqlite3_str_appendall(sql, "SELECT _weft_version");
        for (uint32_t k = 0; k < model->key_count; k++)
            sqlite3_str_appendf(sql, ",\"%w\"", model->columns[model->key[k]].name);
        sqlite3_str_appendf(sql,
                            " FROM main.\"%w\" INDEXED BY \"_weft_%w_order\" "
                            "WHERE _weft_owner = ?1 AND _weft_version > ?2 AND _weft_version <= ?3 "
                            "ORDER BY _weft_version",
                            model->name, model->name);
        break;
    case SLOT_REPLACED:
        *code = append_replaced(db, sql, model);
        break;
    case SLOT_SHARED_LOOK:
    case SLOT_SHARED_INSERT:
    case SLOT_SHARED_UPDATE:
    case SLOT_SHARED_DELETE:
    case SLOT_SHARED_RIVALS:
        *code = append_shared(db, sql, model, slot);
        break;
    case SLOT_COUNT:
        break;
    }
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) *code = SQLITE_NOMEM;
    if (*code == SQLITE_OK) return text;
    sqlite3_free(text);
    return NULL;
}

char *writer_sql_set(sqlite3 *db, const struct model *model, uint32_t column) {
    CHECK(db != NULL && model != NULL);
    CHECK(column < model->column_count);
    const struct column *field = &model->columns[column];
    bool text = field->type == WEFT_TEXT || field->type == WEFT_NULL;
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET \"%w\" = ?%u, _weft_version = ?%u WHERE ",
                        model->name, field->name, place(column), place(model->column_count));
    append_key(sql, model);
    sqlite3_str_appendf(
        sql, " AND _weft_note(?%u, _weft_version, _weft_owner = ?1, \"%w\"%s IS NOT ?%u",
        place(model->column_count), field->name, text ? " COLLATE BINARY" : "", place(column));
    if (field->type == WEFT_NULL) {
        sqlite3_str_appendf(sql, " OR typeof(\"%w\") <> typeof(?%u)", field->name, place(column));
    }
    sqlite3_str_appendall(sql, ") RETURNING ");
    append_columns(sql, model);
    return sqlite3_str_finish(sql);
}

/* ?1 from, ?2 mark, ?3 scope. Gives version, whether the row is in the scope, and the key. */
char *writer_sql_scan(sqlite3 *db, const struct model *model, uint32_t column) {
    CHECK(db != NULL && model != NULL);
    CHECK(column < model->column_count);
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendf(sql, "SELECT _weft_version, \"%w\" COLLATE BINARY IS ?3",
                        model->columns[column].name);
    for (uint32_t k = 0; k < model->key_count; k++) {
        sqlite3_str_appendf(sql, ",\"%w\"", model->columns[model->key[k]].name);
    }
    sqlite3_str_appendf(sql,
                        " FROM main.\"%w\" INDEXED BY \"_weft_%w_order\" WHERE _weft_owner = 1 "
                        "AND _weft_version > ?1 AND _weft_version < ?2 ORDER BY _weft_version",
                        model->name, model->name);
    return sqlite3_str_finish(sql);
}

const char *const writer_fixed_sql[FIXED_COUNT] = {
    [FIXED_BEGIN] = "BEGIN IMMEDIATE",
    [FIXED_COMMIT] = "COMMIT",
    [FIXED_ROLLBACK] = "ROLLBACK",
    [FIXED_CLOCK] = "UPDATE _weft_meta SET value = max(value, ?1) WHERE key = 'clock'",
    [FIXED_DEVICE] = "SELECT id FROM _weft_device WHERE device = ?1",
    [FIXED_DEVICE_ADD] = "INSERT INTO _weft_device(device) "
                         "SELECT ?1 FROM (SELECT count(*) AS n FROM _weft_device) "
                         "WHERE n < ?2 RETURNING id",
    [FIXED_POSITION] = "INSERT INTO _weft_position(owner, model, position, digest) "
                       "VALUES (?1, ?2, ?3, 0) "
                       "ON CONFLICT(owner, model) DO UPDATE SET position = excluded.position "
                       "WHERE excluded.position > position",
    [FIXED_HORIZON] = "INSERT INTO _weft_position(owner, model, horizon, digest) "
                      "VALUES (?1, ?2, ?3, 0) "
                      "ON CONFLICT(owner, model) DO UPDATE SET horizon = excluded.horizon "
                      "WHERE excluded.horizon > horizon",
    [FIXED_SWEEP] = "INSERT INTO _weft_position(owner, model, sweep, digest) "
                    "VALUES (?1, ?2, ?3, 0) "
                    "ON CONFLICT(owner, model) DO UPDATE SET sweep = excluded.sweep, "
                    "settled = CASE excluded.sweep WHEN 0 THEN 0 ELSE settled END",
    [FIXED_ACK] = "INSERT INTO _weft_ack(device, owner, model, position) VALUES (?1, ?2, ?3, ?4) "
                  "ON CONFLICT(device, owner, model) DO UPDATE SET position = excluded.position "
                  "WHERE excluded.position > position",
    [FIXED_ACK_DROP] = "DELETE FROM _weft_ack WHERE device = ?1",
    [FIXED_SKIP] = "UPDATE _weft_position SET gone = max(gone, position), position = 0, sweep = 0, "
                   "horizon = 0, settled = 0, clearing = 1 WHERE owner = ?1 AND model = ?2",
    [FIXED_CLEARED] = "UPDATE _weft_position SET clearing = 0, sweep = NULL, horizon = 0, "
                      "settled = 0, digest = 0 WHERE owner = ?1 AND model = ?2 AND clearing",
    [FIXED_TOMBSTONE] = "INSERT INTO _weft_tombstone(owner, model, version, key) "
                        "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    [FIXED_FORGET_CUT] = "SELECT count(*), max(version) FROM (SELECT version FROM _weft_tombstone "
                         "WHERE owner = ?1 AND model = ?2 AND version <= ?3 ORDER BY version "
                         "LIMIT ?4)",
    [FIXED_FORGET] = "DELETE FROM _weft_tombstone WHERE owner = ?1 AND model = ?2 "
                     "AND version <= ?3",
    [FIXED_PARK] = "INSERT OR REPLACE INTO _weft_parked(owner, model, version, key, row, reason) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [FIXED_PARKED_ANY] = "SELECT EXISTS (SELECT 1 FROM _weft_parked)",
    [FIXED_PARKED_OBSOLETE] = "DELETE FROM _weft_parked WHERE owner = ?1 AND model = ?2 "
                              "AND key = ?4 AND version < ?3",
    [FIXED_PARKED_NEXT] = "SELECT owner, model, version, row, reason FROM _weft_parked "
                          "WHERE (owner, model, version) > (?1, ?2, ?3) "
                          "ORDER BY owner, model, version LIMIT 1",
    [FIXED_UNPARK] = "DELETE FROM _weft_parked WHERE owner = ?1 AND model = ?2 AND version = ?3",
    [FIXED_PARKED_RANGE] = "SELECT version, key FROM _weft_parked WHERE owner = ?1 "
                           "AND model = ?4 AND version > ?2 AND version <= ?3 ORDER BY version",
    [FIXED_VISIT_ACKS] = "SELECT d.device, o.device, a.model, a.position FROM _weft_ack AS a "
                         "JOIN _weft_device AS d ON d.id = a.device "
                         "JOIN _weft_device AS o ON o.id = a.owner "
                         "ORDER BY a.device, a.owner, a.model",
    [FIXED_VISIT_SWEEPS] = "SELECT d.device, p.model, p.sweep FROM _weft_position AS p "
                           "JOIN _weft_device AS d ON d.id = p.owner WHERE p.sweep IS NOT NULL "
                           "AND NOT p.clearing ORDER BY p.owner, p.model",
    /* A seek per possible stream, where grouping would read every tombstone. */
    [FIXED_VISIT_TOMBSTONES] = "SELECT d.device, m.id, (SELECT min(t.version) FROM _weft_tombstone "
                               "AS t WHERE t.owner = d.id AND t.model = m.id) AS oldest "
                               "FROM _weft_device AS d CROSS JOIN _weft_model AS m "
                               "WHERE oldest IS NOT NULL ORDER BY d.id, m.id",
    [FIXED_POSITIONS] = "SELECT d.device, p.model, p.position FROM _weft_position AS p "
                        "JOIN _weft_device AS d ON d.id = p.owner ORDER BY p.owner, p.model",
    [FIXED_ORIGIN] = "SELECT id, seq, hash, fork IS NOT NULL, pruned FROM _weft_origin "
                     "WHERE device = ?1 AND incarnation = ?2",
    [FIXED_ORIGIN_ADD] = "INSERT INTO _weft_origin(device, incarnation) VALUES (?1, ?2) "
                         "RETURNING id",
    /* One that was kept before those ahead of it were here gives way. */
    [FIXED_APPEND] = "INSERT OR REPLACE INTO shared_changes(origin, seq, hlc, record, keep) "
                     "VALUES (?1, ?2, ?3, ?4, ?5)",
    [FIXED_KEEP] = "INSERT OR IGNORE INTO shared_changes(origin, seq, hlc, record, keep) "
                   "VALUES (?1, ?2, ?3, ?4, 1)",
    [FIXED_FORGET_NEXT] = "SELECT seq, hlc, place FROM shared_changes WHERE origin = ?1 "
                          "AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
    [FIXED_FORGET_HELD] = "SELECT min(place) FROM _weft_quarantine WHERE origin = ?1",
    [FIXED_FORGET_RECORDS] = "DELETE FROM shared_changes "
                             "WHERE origin = ?1 AND seq <= ?2 AND keep = 0",
    [FIXED_LOG_HORIZON] = "UPDATE _weft_origin SET pruned = ?2, pruned_hlc = ?3, proof = ?4 "
                          "WHERE id = ?1",
    /* Those that stay lie first, and are few. */
    [FIXED_LOG_PLACES] = "SELECT (SELECT place FROM shared_changes WHERE keep = 0 "
                         "ORDER BY place LIMIT 1), (SELECT max(place) FROM shared_changes)",
    [FIXED_QUARANTINE_PASS] = "DELETE FROM _weft_quarantine WHERE origin = ?1 AND place IN "
                              "(SELECT place FROM shared_changes WHERE origin = ?1 AND seq <= ?2)",
    [FIXED_HEARD] = "INSERT OR REPLACE INTO _weft_heard(device, wall) VALUES (?1, ?2)",
    [FIXED_LOAD_HEARD] = "SELECT device, wall FROM _weft_heard ORDER BY device",
    [FIXED_TAKING] = "INSERT OR REPLACE INTO _weft_meta(key, value) VALUES ('snapshot', ?1)",
    [FIXED_TAKING_DROP] = "DELETE FROM _weft_meta WHERE key = 'snapshot'",
    [FIXED_TAKING_LOAD] = "SELECT value FROM _weft_meta WHERE key = 'snapshot'",
    [FIXED_HEAD] = "UPDATE _weft_origin SET seq = ?2, hlc = ?3, hash = ?4 WHERE id = ?1",
    [FIXED_RECORD] = "SELECT record FROM shared_changes WHERE origin = ?1 AND seq = ?2",
    [FIXED_FREEZE] = "UPDATE _weft_origin SET held = ?2, fork = ?3 WHERE id = ?1",
    [FIXED_SHARED_ACK] = "INSERT INTO peer_acks(device, origin, seq) VALUES (?1, ?2, ?3) "
                         "ON CONFLICT(device, origin) DO UPDATE SET seq = excluded.seq "
                         "WHERE excluded.seq > seq",
    [FIXED_SAVE_MEMBER] = "INSERT OR REPLACE INTO _weft_member(device, id_pk, x_pk, incarnation, "
                          "cert, name, removed, added_hlc, removed_hlc, added_by, disputed, said, "
                          "away_hlc, back_hlc) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [FIXED_PINS_DROP] = "DELETE FROM _weft_pin WHERE device = ?1",
    [FIXED_PIN] = "INSERT INTO _weft_pin(device, incarnation, seq, hash, said) "
                  "VALUES (?1, ?2, ?3, ?4, ?5)",
    [FIXED_KEY] = "INSERT OR REPLACE INTO _weft_key(epoch, psk_id, author, sealed) "
                  "VALUES (?1, ?2, ?3, ?4)",
    [FIXED_LOAD_HEADS] = "SELECT " SHARED_HEAD_COLUMNS " FROM _weft_origin ORDER BY id",
    [FIXED_LOAD_ACKS] = "SELECT d.device, o.device, o.incarnation, a.seq FROM peer_acks AS a "
                        "JOIN _weft_device AS d ON d.id = a.device "
                        "JOIN _weft_origin AS o ON o.id = a.origin ORDER BY a.device, a.origin",
    [FIXED_LOAD_MEMBERS] = "SELECT device, id_pk, x_pk, incarnation, cert, name, removed, "
                           "added_hlc, removed_hlc, added_by, disputed, said, away_hlc, back_hlc "
                           "FROM _weft_member ORDER BY added_hlc, device",
    /* As the incarnations are ordered: without sign. */
    [FIXED_LOAD_PINS] = "SELECT incarnation, seq, hash, said FROM _weft_pin WHERE device = ?1 "
                        "ORDER BY incarnation < 0, incarnation",
    [FIXED_LOAD_KEYS] = "SELECT epoch, psk_id, author, sealed FROM _weft_key "
                        "ORDER BY epoch, psk_id",
    [FIXED_ORIGINS] = "SELECT id, device, incarnation FROM _weft_origin ORDER BY id",
    [FIXED_FIELD] = "SELECT field FROM _weft_field WHERE model = ?1 AND name = ?2",
    [FIXED_FIELD_ADD] = "INSERT INTO _weft_field(model, field, name) SELECT ?1, n, ?2 FROM "
                        "(SELECT ifnull(max(field) + 1, 0) AS n FROM _weft_field "
                        "WHERE model = ?1) WHERE n < ?3 RETURNING field",
    [FIXED_SHADOW_ANY] = "SELECT EXISTS (SELECT 1 FROM _weft_shadow), EXISTS (SELECT 1 FROM "
                         "_weft_shadow WHERE kind <> 2 AND kind = 4)",
    [FIXED_SHADOW_LOOK] = "SELECT kind, clock, fields FROM _weft_shadow "
                          "WHERE model = ?1 AND key = ?2",
    [FIXED_SHADOW_KEEP] = "INSERT OR REPLACE INTO _weft_shadow(model, key, kind, hlc, clock, "
                          "fields, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [FIXED_SHADOW_DROP] = "DELETE FROM _weft_shadow WHERE model = ?1 AND key = ?2",
    /* Of all kinds that are to be seen, or of one of them. */
    [FIXED_SHADOW_NEXT] = "SELECT model, key FROM _weft_shadow WHERE kind <> 2 "
                          "AND (model, key) > (?1, ?2) AND (?3 IS NULL OR kind = ?3) "
                          "AND (?4 IS NULL OR model = ?4) ORDER BY model, key LIMIT 1",
    [FIXED_QUARANTINE] = "INSERT INTO _weft_quarantine(place, origin, hlc) SELECT ?1, ?2, ?3 "
                         "WHERE (SELECT count(*) FROM _weft_quarantine WHERE origin = ?2) < ?4",
    [FIXED_QUARANTINE_NEXT] = "SELECT q.place, q.hlc, s.record FROM _weft_quarantine AS q "
                              "JOIN shared_changes AS s ON s.place = q.place "
                              "ORDER BY q.hlc LIMIT 1",
    [FIXED_QUARANTINE_DROP] = "DELETE FROM _weft_quarantine WHERE place = ?1",
    [FIXED_DELETED_NEXT] = "SELECT hlc, model, key, clock FROM _weft_shadow WHERE kind = 2 "
                           "AND (hlc, model, key) > (?1, ?2, ?3) AND hlc <= ?4 "
                           "ORDER BY hlc, model, key LIMIT ?5",
    [FIXED_DELETED_MARK] = "UPDATE _weft_shadow SET kind = 0 WHERE model = ?1 AND key = ?2",
    [FIXED_SEEN_ADD] = "INSERT OR IGNORE INTO _weft_seen(model, key) VALUES (?1, ?2)",
    [FIXED_SEEN_LOOK] = "SELECT 1 FROM _weft_seen WHERE model = ?1 AND key = ?2",
    [FIXED_SEEN_FORGET] = "DELETE FROM _weft_seen WHERE (model, key) IN (SELECT model, key "
                          "FROM _weft_seen LIMIT ?1)",
    [FIXED_DIGEST] = "INSERT INTO _weft_position(owner, model, digest) VALUES (?1, ?2, ?3) "
                     "ON CONFLICT(owner, model) DO UPDATE SET "
                     "digest = _weft_sum(digest, excluded.digest)",
    [FIXED_DIGEST_SHARED] = "INSERT INTO _weft_digest(model, digest) VALUES (?1, ?2) "
                            "ON CONFLICT(model) DO UPDATE SET "
                            "digest = _weft_sum(digest, excluded.digest)",
    [FIXED_PARKED_OF] = "SELECT ifnull(max(version), 0) FROM _weft_parked WHERE owner = ?1 "
                        "AND model = ?2 AND key = ?3",
    [FIXED_SETTLED] = "INSERT INTO _weft_position(owner, model, settled, digest) "
                      "VALUES (?1, ?2, ?3, 0) ON CONFLICT(owner, model) DO UPDATE SET "
                      "settled = excluded.settled WHERE excluded.settled > settled",
    [FIXED_CONTACT] =
        "INSERT OR REPLACE INTO _weft_contact(id, device, paused, seen, sessions, failures, "
        "rows_in, rows_out, bytes_in, bytes_out) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [FIXED_CONTACT_DROP] = "DELETE FROM _weft_contact WHERE id = ?1",
    [FIXED_ADDRESS] = "INSERT INTO _weft_address(contact, rank, address, tried, reached, failures, "
                      "status) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [FIXED_ADDRESS_DROP] = "DELETE FROM _weft_address WHERE contact = ?1",
    [FIXED_PAUSED] = "INSERT OR REPLACE INTO _weft_meta(key, value) VALUES ('paused', ?1)",
    [FIXED_SESSION] = "INSERT INTO _weft_session(device, address, opened_here, began, lasted, "
                      "rows_in, rows_out, bytes_in, bytes_out, status, reason) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [FIXED_SESSIONS_MANY] = "DELETE FROM _weft_session WHERE device = ?1 AND id <= "
                            "(SELECT id FROM _weft_session WHERE device = ?1 "
                            "ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    [FIXED_SESSIONS_OLD] = "DELETE FROM _weft_session WHERE began < ?1",
};
