/* See subscription.h. */
#include "engine/store/subscription.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/models.h"
#include "engine/store/writer_private.h"

/* ---- rules ---- */

static bool same_table(const struct subscription *a, const struct subscription *b) {
    return sqlite3_stricmp(a->table, b->table) == 0;
}

/* Whether `wide` concerns all that `narrow` does. */
static bool covers(const struct subscription *wide, const struct subscription *narrow) {
    const bool owners =
        wide->all_owners || (!narrow->all_owners && id_equal(&wide->owner, &narrow->owner));
    return owners && (wide->table[0] == 0 || same_table(wide, narrow));
}

/* Whether there is a stream that both concern. */
static bool meet(const struct subscription *a, const struct subscription *b) {
    const bool owners = a->all_owners || b->all_owners || id_equal(&a->owner, &b->owner);
    return owners && (a->table[0] == 0 || b->table[0] == 0 || same_table(a, b));
}

bool subscriptions_take(const struct subscriptions *subscriptions, const struct id *owner,
                        uint32_t model) {
    CHECK(model != 0);
    for (uint32_t i = subscriptions->count; i > 0; i--) {
        const struct subscription *rule = &subscriptions->list[i - 1];
        if (!rule->all_owners && (owner == NULL || !id_equal(&rule->owner, owner))) continue;
        if (rule->model == 0 || rule->model == model) return rule->take;
    }
    return true;
}

enum weft_status subscriptions_add(struct subscriptions *subscriptions,
                                   const struct subscription *rule, struct weft_error *why) {
    struct subscription *list = subscriptions->list;
    const struct subscription copy = *rule; /* It may be one of them. */
    uint32_t kept = 0;
    bool says = !copy.take;
    for (uint32_t i = 0; i < subscriptions->count; i++) {
        if (covers(&copy, &list[i])) continue;
        says = says || meet(&copy, &list[i]);
        if (kept != i) list[kept] = list[i];
        kept++;
    }
    if (says && kept == LIMIT_SUBSCRIPTIONS) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "there are %u rules about what this device takes; one about all owners "
                           "or all tables would take the place of many",
                           LIMIT_SUBSCRIPTIONS);
    }
    if (says) list[kept++] = copy;
    subscriptions->count = kept;
    return WEFT_OK;
}

/* ---- the file ---- */

/* Takes the rule under a statement; false if it cannot be one. */
static bool take_rule(sqlite3_stmt *query, const struct models *models, struct subscription *out) {
    const struct weft_value owner = statement_value(query, 0);
    const struct weft_value table = statement_value(query, 1);
    *out = (struct subscription){.all_owners = owner.type == WEFT_NULL,
                                 .take = sqlite3_column_int(query, 2) != 0};
    if (!out->all_owners &&
        (owner.type != WEFT_BLOB || !id_read(&out->owner, owner.as.bytes, owner.size))) {
        return false;
    }
    if (table.type == WEFT_NULL) return true;
    if (table.type != WEFT_TEXT || table.size == 0 || table.size > LIMIT_NAME) return false;
    memcpy(out->table, table.as.bytes, table.size);
    const struct model *model = models_owned_named(models, out->table, table.size);
    out->model = model == NULL ? SUBSCRIPTION_ELSEWHERE : model->id;
    return true;
}

static enum weft_status read_rules(sqlite3 *db, const char *path, const struct models *models,
                                   struct subscriptions *out, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    out->count = 0;
    enum weft_status status =
        statement_prepare(db, &query, path, why,
                          "SELECT owner, model, take FROM main._weft_subscription ORDER BY id");
    while (status == WEFT_OK) {
        struct subscription rule;
        status = statement_step(query, &row, "reading", path, why);
        if (status != WEFT_OK || !row) break;
        if (!take_rule(query, models, &rule)) continue;
        status = subscriptions_add(out, &rule, why);
    }
    sqlite3_finalize(query);
    return status;
}

static enum weft_status read_clearing(sqlite3 *db, const char *path, const struct models *models,
                                      struct vector *out, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status =
        statement_prepare(db, &query, path, why,
                          "SELECT d.device, p.model FROM main._weft_position AS p JOIN "
                          "main._weft_device AS d ON d.id = p.owner WHERE p.clearing <> 0 "
                          "ORDER BY p.owner, p.model");
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", path, why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value device = statement_value(query, 0);
        struct stream stream = {.model = (uint32_t)sqlite3_column_int64(query, 1)};
        /* What is left of a table that is gone stays as it is. */
        if (device.type != WEFT_BLOB || models_owned(models, stream.model) == NULL ||
            !id_read(&stream.owner, device.as.bytes, device.size)) {
            continue;
        }
        status = vector_advance(out, &stream, 1, NULL);
        if (status != WEFT_OK) status_fail(why, status, 0, "%s: no memory for streams", path);
    }
    sqlite3_finalize(query);
    return status;
}

enum weft_status subscriptions_read(sqlite3 *db, const char *path, const struct models *models,
                                    struct subscriptions *out, struct vector *clearing,
                                    struct weft_error *why) {
    CHECK(db != NULL && models != NULL && out != NULL);
    enum weft_status status = read_rules(db, path, models, out, why);
    if (status == WEFT_OK && clearing != NULL)
        status = read_clearing(db, path, models, clearing, why);
    return status;
}

enum weft_status subscriptions_write(struct writer *writer,
                                     const struct subscriptions *subscriptions,
                                     struct weft_error *why) {
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    sqlite3_stmt *add = NULL;
    enum weft_status status = statement_exec(writer->db, "writing", writer->path, why,
                                             "DELETE FROM main._weft_subscription");
    if (status == WEFT_OK) {
        status = statement_prepare(writer->db, &add, writer->path, why,
                                   "INSERT INTO main._weft_subscription(id, owner, model, take) "
                                   "VALUES (?1, ?2, ?3, ?4)");
    }
    for (uint32_t i = 0; i < subscriptions->count && status == WEFT_OK; i++) {
        const struct subscription *rule = &subscriptions->list[i];
        sqlite3_bind_int64(add, 1, (sqlite3_int64)i + 1);
        sqlite3_bind_null(add, 2);
        if (!rule->all_owners)
            sqlite3_bind_blob(add, 2, rule->owner.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
        sqlite3_bind_null(add, 3);
        if (rule->table[0] != 0) sqlite3_bind_text(add, 3, rule->table, -1, SQLITE_STATIC);
        sqlite3_bind_int(add, 4, rule->take);
        status = statement_run(add, "writing", writer->path, why);
    }
    sqlite3_finalize(add);
    return status;
}

enum weft_status writer_subscriptions(struct writer *writer, struct subscriptions *out,
                                      struct vector *clearing, struct weft_error *why) {
    CHECK(writer != NULL);
    return subscriptions_read(writer->db, writer->path, writer->models, out, clearing, why);
}
