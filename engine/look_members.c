/* See weft_look.h. Here: members, tables, streams, and who holds how much of them. */
#include "engine/base/check.h"
#include "engine/look.h"
#include "engine/store/shared_private.h"
#include "engine/store/statement.h"

static bool take_id(sqlite3_stmt *row, int column, uint8_t out[WEFT_ID_SIZE]) {
    return shared_column(row, column, out, WEFT_ID_SIZE);
}

static uint64_t take_u64(sqlite3_stmt *row, int column) {
    return (uint64_t)sqlite3_column_int64(row, column);
}

/* ---- tables ---- */

enum weft_status look_count(struct weft_look *look, const struct model *model, int64_t owner,
                            uint64_t after, uint64_t *rows, uint64_t *deleted,
                            struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        look_prepare(look, &query, why,
                     "SELECT count(*) FROM main.\"%w\" WHERE _weft_owner = %lld "
                     "AND _weft_version > %lld",
                     model->name, (long long)owner, (long long)after);
    status = look_number(look, query, status, rows, why);
    if (status != WEFT_OK) return status;
    query = NULL;
    status = look_prepare(look, &query, why,
                          "SELECT count(*) FROM main._weft_tombstone WHERE owner = %lld AND "
                          "model = %u AND version > %lld",
                          (long long)owner, model->id, (long long)after);
    return look_number(look, query, status, deleted, why);
}

static enum weft_status count_table(struct weft_look *look, const struct model *model,
                                    struct weft_look_table *out, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    const bool shared = out->shared;
    enum weft_status status =
        look_prepare(look, &query, why, "SELECT count(*) FROM main.\"%w\"", model->name);
    status = look_number(look, query, status, &out->rows, why);
    query = NULL;
    if (status == WEFT_OK) {
        status = shared ? look_prepare(look, &query, why,
                                       "SELECT count(*) FROM main._weft_shadow WHERE model = %Q "
                                       "AND kind = 2",
                                       model->name)
                        : look_prepare(look, &query, why,
                                       "SELECT count(*) FROM main._weft_tombstone "
                                       "WHERE model = %u",
                                       model->id);
    }
    status = look_number(look, query, status, &out->deleted, why);
    query = NULL;
    if (status == WEFT_OK) {
        status = shared ? look_prepare(look, &query, why,
                                       "SELECT count(*) FROM main._weft_shadow WHERE model = %Q "
                                       "AND kind > 2",
                                       model->name)
                        : look_prepare(look, &query, why,
                                       "SELECT count(*) FROM main._weft_parked WHERE model = %u",
                                       model->id);
    }
    return look_number(look, query, status, &out->parked, why);
}

enum weft_status weft_look_tables(weft_look *look, void *context,
                                  void (*visit)(void *context, const struct weft_look_table *table),
                                  struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    for (uint32_t id = 1; id <= look->models->count && status == WEFT_OK; id++) {
        const struct model *model = models_get(look->models, id);
        if (model == NULL || model->name == NULL) continue;
        struct weft_look_table table = {.name = model->name, .shared = model->kind == MODEL_SHARED};
        status = count_table(look, model, &table, why);
        if (status == WEFT_OK) visit(context, &table);
    }
    look_end(look);
    return status;
}

/* ---- members ---- */

struct members {
    const struct weft_look *look;
    void *context;
    void (*visit)(void *context, const struct weft_look_member *member);
};

static bool take_member(void *context, sqlite3_stmt *row) {
    struct members *members = context;
    struct weft_look_member out = {
        .added = take_u64(row, 4), .removed = take_u64(row, 5), .heard_ms = take_u64(row, 7)};
    if (!take_id(row, 0, out.member.device) || !take_id(row, 6, out.added_by)) return false;
    if (!look_text(row, 1, out.member.name, sizeof out.member.name)) return false;
    out.member.state = sqlite3_column_int(row, 2) != 0 ? WEFT_MEMBER_REMOVED : WEFT_MEMBER;
    out.member.away = out.member.state == WEFT_MEMBER && sqlite3_column_int(row, 3) != 0;
    out.member.self = memcmp(out.member.device, members->look->device.bytes, WEFT_ID_SIZE) == 0;
    members->visit(members->context, &out);
    return true;
}

enum weft_status weft_look_members(weft_look *look, void *context,
                                   void (*visit)(void *context,
                                                 const struct weft_look_member *member),
                                   struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    struct members members = {look, context, visit};
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        look_prepare(look, &query, why,
                     "SELECT m.device, m.name, m.removed, m.away_hlc > m.back_hlc, m.added_hlc, "
                     "m.removed_hlc, m.added_by, ifnull(h.wall, 0) FROM main._weft_member AS m "
                     "LEFT JOIN main._weft_heard AS h ON h.device = m.device "
                     "ORDER BY m.device <> ?1, m.removed <> 0, m.added_hlc, m.device");
    if (status == WEFT_OK)
        sqlite3_bind_blob(query, 1, look->device.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
    return look_rows(look, query, status, "a member", &members, take_member, why);
}

/* ---- streams ---- */

struct streams {
    struct weft_look *look;
    void *context;
    void (*visit)(void *context, const struct weft_look_stream *stream);
    enum weft_status status;
    struct weft_error *why;
};

static bool take_stream(void *context, sqlite3_stmt *row) {
    struct streams *streams = context;
    const struct model *model =
        models_owned(streams->look->models, (uint32_t)sqlite3_column_int64(row, 2));
    if (model == NULL || streams->status != WEFT_OK) return true;
    struct weft_look_stream out = {.table = model->name,
                                   .position = take_u64(row, 3),
                                   .horizon = take_u64(row, 4),
                                   .stamp = take_u64(row, 3),
                                   .sweeping = sqlite3_column_int(row, 5) != 0};
    if (!take_id(row, 1, out.owner)) return false;
    streams->status = look_count(streams->look, model, sqlite3_column_int64(row, 0), 0, &out.rows,
                                 &out.deleted, streams->why);
    if (streams->status == WEFT_OK) streams->visit(streams->context, &out);
    return true;
}

static bool take_origin(void *context, sqlite3_stmt *row) {
    struct streams *streams = context;
    struct weft_look_stream out = {.incarnation = take_u64(row, 1),
                                   .position = take_u64(row, 2),
                                   .stamp = take_u64(row, 3),
                                   .frozen = sqlite3_column_int(row, 5) != 0,
                                   .horizon = take_u64(row, 6),
                                   .rows = take_u64(row, 8)};
    const uint64_t behind = take_u64(row, 9);
    if (!take_id(row, 0, out.owner)) return false;
    out.missing = out.position > out.horizon + behind ? out.position - out.horizon - behind : 0;
    streams->visit(streams->context, &out);
    return true;
}

enum weft_status weft_look_streams(weft_look *look, void *context,
                                   void (*visit)(void *context,
                                                 const struct weft_look_stream *stream),
                                   struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    struct streams streams = {look, context, visit, WEFT_OK, why};
    sqlite3_stmt *query = NULL;
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    status = look_prepare(look, &query, why,
                          "SELECT p.owner, d.device, p.model, p.position, p.horizon, "
                          "p.sweep IS NOT NULL FROM main._weft_position AS p "
                          "JOIN main._weft_device AS d ON d.id = p.owner "
                          "ORDER BY p.model, p.owner");
    status = look_rows(look, query, status, "a stream", &streams, take_stream, why);
    if (status == WEFT_OK) status = streams.status;
    query = NULL;
    if (status == WEFT_OK) {
        status = look_prepare(look, &query, why,
                              "SELECT " SHARED_HEAD_COLUMNS
                              ", (SELECT count(*) FROM main.shared_changes AS c "
                              "WHERE c.origin = o.id), "
                              "(SELECT count(*) FROM main.shared_changes AS c "
                              "WHERE c.origin = o.id AND c.seq > o.pruned AND c.seq <= o.seq) "
                              "FROM main._weft_origin AS o ORDER BY o.id");
        status =
            look_rows(look, query, status, "the head of an origin", &streams, take_origin, why);
    }
    look_end(look);
    return status;
}

/* ---- who holds how much ---- */

struct acks {
    struct weft_look *look;
    void *context;
    void (*visit)(void *context, const struct weft_look_ack *ack);
    enum weft_status status;
    struct weft_error *why;
};

static bool take_ack(void *context, sqlite3_stmt *row) {
    struct acks *acks = context;
    uint64_t rows = 0, deleted = 0;
    const struct model *model =
        models_owned(acks->look->models, (uint32_t)sqlite3_column_int64(row, 4));
    if (model == NULL || acks->status != WEFT_OK) return true;
    struct weft_look_ack out = {.away = sqlite3_column_int(row, 1) != 0,
                                .table = model->name,
                                .here = take_u64(row, 5),
                                .position = take_u64(row, 6)};
    if (!take_id(row, 0, out.device) || !take_id(row, 3, out.owner)) return false;
    if (out.position < out.here) {
        acks->status = look_count(acks->look, model, sqlite3_column_int64(row, 2), out.position,
                                  &rows, &deleted, acks->why);
    }
    out.behind = rows + deleted;
    if (acks->status == WEFT_OK) acks->visit(acks->context, &out);
    return true;
}

static bool take_log_ack(void *context, sqlite3_stmt *row) {
    struct acks *acks = context;
    struct weft_look_ack out = {.away = sqlite3_column_int(row, 1) != 0,
                                .incarnation = take_u64(row, 3),
                                .here = take_u64(row, 4),
                                .position = take_u64(row, 5)};
    if (!take_id(row, 0, out.device) || !take_id(row, 2, out.owner)) return false;
    out.behind = out.here > out.position ? out.here - out.position : 0;
    acks->visit(acks->context, &out);
    return true;
}

/* Other members, with their numbers in the file, if they have one. */
#define OTHERS                                                                             \
    "FROM main._weft_member AS m LEFT JOIN main._weft_device AS w ON w.device = m.device " \
    "CROSS JOIN "
#define OF_OTHERS "WHERE m.removed = 0 AND m.device <> ?1 AND m.device <> o.device "

static enum weft_status acks_of(struct acks *acks, const char *sql,
                                bool (*take)(void *context, sqlite3_stmt *row)) {
    sqlite3_stmt *query = NULL;
    struct weft_look *look = acks->look;
    enum weft_status status = look_prepare(look, &query, acks->why, "%s", sql);
    if (status == WEFT_OK)
        sqlite3_bind_blob(query, 1, look->device.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
    status = look_rows(look, query, status, "what a member holds", acks, take, acks->why);
    return status == WEFT_OK ? acks->status : status;
}

enum weft_status weft_look_acks(weft_look *look, void *context,
                                void (*visit)(void *context, const struct weft_look_ack *ack),
                                struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    struct acks acks = {look, context, visit, WEFT_OK, why};
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    status = acks_of(&acks,
                     "SELECT m.device, m.away_hlc > m.back_hlc, p.owner, o.device, p.model, "
                     "p.position, ifnull(a.position, 0) " OTHERS
                     "main._weft_position AS p JOIN main._weft_device AS o ON o.id = p.owner "
                     "LEFT JOIN main._weft_ack AS a ON a.device = w.id AND a.owner = p.owner AND "
                     "a.model = p.model " OF_OTHERS "AND p.position > 0 "
                     "ORDER BY m.device, p.model, p.owner",
                     take_ack);
    if (status == WEFT_OK) {
        status = acks_of(
            &acks,
            "SELECT m.device, m.away_hlc > m.back_hlc, o.device, o.incarnation, "
            "o.seq, ifnull(a.seq, 0) " OTHERS "main._weft_origin AS o "
            "LEFT JOIN main.peer_acks AS a ON a.device = w.id AND a.origin = o.id " OF_OTHERS
            "AND o.seq > 0 ORDER BY m.device, o.id",
            take_log_ack);
    }
    look_end(look);
    return status;
}
