/* weft_verify_wait(): all rows read again, and held against what is known of them.
 *
 *   host ─► log: write what members said last ─► answered
 *        ─► a connection of its own, one read transaction: rows, digests kept, members' words
 *        ─► log, if rows do not make what is kept: work it out anew, and compare ─► answered
 *
 * Not here: what a digest is (store/digest.h), and what is done about a difference
 * (actors/log_digest.c). */
#include <stdlib.h>

#include "engine/host.h"
#include "engine/store/digest.h"
#include "engine/store/statement.h"
#include "engine/wire/attest.h"

struct verifying {
    struct weft_engine *engine;
    sqlite3 *db;
    struct digest_list list;
    struct weft_digest *results; /* one for each entry of the list */
    struct weft_error *why;
};

enum weft_status host_ask_log(struct weft_engine *engine, bool recount, struct weft_error *why) {
    Weft__Recount *message = NULL;
    uint64_t ticket = 0;
    (void)pthread_mutex_lock(&engine->lock);
    enum weft_status status = WEFT_OK;
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_RECOUNT, &message);
    if (mail == NULL) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "verifying the library: out of memory");
    } else {
        message->recount = recount;
        status = host_order_log(engine, &mail, &message->ticket, &ticket, why);
    }
    mail_drop(&mail);
    (void)pthread_mutex_unlock(&engine->lock);
    if (status != WEFT_OK) return status;
    return weft_wait(engine, ticket, WEFT_APPLIED, 0, -1, why);
}

/* ---- what members say ---- */

static bool same_heads(struct verifying *verifying, const struct attest *attest) {
    sqlite3_stmt *query = NULL;
    uint32_t found = 0;
    bool row = true, same = !attest->waiting;
    enum weft_status status = statement_prepare(
        verifying->db, &query, verifying->engine->path, verifying->why,
        "SELECT device, incarnation, seq, fork IS NULL AND NOT EXISTS (SELECT 1 FROM "
        "_weft_quarantine) FROM _weft_origin WHERE seq > 0");
    while (status == WEFT_OK && same) {
        status = statement_step(query, &row, "reading", verifying->engine->path, verifying->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value device = statement_value(query, 0);
        bool said = false;
        for (uint32_t i = 0; i < attest->head_count && !said; i++) {
            const struct attest_head head = attest_head_at(attest, i);
            said = device.size == WEFT_ID_SIZE &&
                   memcmp(device.as.bytes, head.origin.device.bytes, WEFT_ID_SIZE) == 0 &&
                   head.origin.incarnation == (uint64_t)sqlite3_column_int64(query, 1) &&
                   head.seq == (uint64_t)sqlite3_column_int64(query, 2);
        }
        same = said && sqlite3_column_int(query, 3) != 0;
        found++;
    }
    sqlite3_finalize(query);
    return same && status == WEFT_OK && found == attest->head_count;
}

/* What a member says of an entry: 1 the same, 0 not the same, -1 nothing that can be compared. */
static int says_of(const struct attest *attest, const struct digest_found *found, bool heads) {
    const size_t size = strlen(found->table);
    for (uint32_t i = 0; found->shared && heads && i < attest->sum_count; i++) {
        const struct attest_table_sum sum = attest_sum_at(attest, i);
        const struct bytes name = attest->tables[sum.table];
        if (name.size != size) continue;
        if (sqlite3_strnicmp((const char *)name.data, found->table, (int)size) != 0) continue;
        return sum.digest == found->computed;
    }
    for (uint32_t i = 0; !found->shared && found->settled && i < attest->place_count; i++) {
        const struct attest_place place = attest_place_at(attest, i);
        const struct bytes name = attest->tables[place.table];
        if (!place.known || place.position != found->position || name.size != size) continue;
        if (!id_equal(&place.owner, &found->owner)) continue;
        if (sqlite3_strnicmp((const char *)name.data, found->table, (int)size) != 0) continue;
        return place.digest == found->computed;
    }
    return -1;
}

static void take_word(struct verifying *verifying, struct bytes word) {
    struct attest attest;
    if (!attest_read(word, &attest)) return;
    const bool heads = same_heads(verifying, &attest);
    for (uint32_t i = 0; i < verifying->list.count; i++) {
        const int says = says_of(&attest, &verifying->list.list[i], heads);
        if (says < 0) continue;
        verifying->results[i].agree += says == 1;
        verifying->results[i].differ += says == 0;
        if (verifying->results[i].elsewhere > 0) verifying->results[i].elsewhere--;
    }
}

static enum weft_status take_words(struct verifying *verifying) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status =
        statement_prepare(verifying->db, &query, verifying->engine->path, verifying->why,
                          "SELECT w.statement FROM _weft_word AS w JOIN _weft_member AS m "
                          "ON m.device = w.device WHERE m.removed = 0");
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", verifying->engine->path, verifying->why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value word = statement_value(query, 0);
        if (word.type == WEFT_BLOB) take_word(verifying, (struct bytes){word.as.bytes, word.size});
    }
    sqlite3_finalize(query);
    return status;
}

/* ---- all of it ---- */

/* Other members, each of them elsewhere until it is found to have said something. */
static unsigned count_others(const struct weft_engine *engine) {
    const unsigned members = weft_member_count(engine);
    const uint32_t self = atomic_load_explicit(&engine->board->self_state, memory_order_acquire);
    return members - (self == BOARD_MEMBER && members > 0);
}

static enum weft_status read_all(struct verifying *verifying) {
    struct weft_engine *engine = verifying->engine;
    struct weft_error *why = verifying->why;
    const unsigned others = count_others(engine);
    enum weft_status status = statement_exec(verifying->db, "reading", engine->path, why, "BEGIN");
    if (status == WEFT_OK) {
        status =
            digest_scan(verifying->db, engine->path, engine->store.models, &verifying->list, why);
    }
    if (status != WEFT_OK) return status;
    verifying->results = calloc(verifying->list.count + 1, sizeof *verifying->results);
    if (verifying->results == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "verifying the library: out of memory");
    for (uint32_t i = 0; i < verifying->list.count; i++) {
        const struct digest_found *found = &verifying->list.list[i];
        verifying->results[i] =
            (struct weft_digest){.model = (int)found->model - 1,
                                 .shared = found->shared,
                                 .rows = found->rows,
                                 .digest = found->computed,
                                 .position = found->position,
                                 .sound = found->known && found->kept == found->computed,
                                 .elsewhere = others};
        memcpy(verifying->results[i].owner, found->owner.bytes, WEFT_ID_SIZE);
    }
    return take_words(verifying);
}

enum weft_status weft_verify_wait(weft_engine *engine, struct weft_digest *out, unsigned cap,
                                  unsigned *count, struct weft_error *why) {
    CHECK(engine != NULL && count != NULL && (out != NULL || cap == 0));
    struct verifying verifying = {.engine = engine, .why = why};
    bool sound = true;
    *count = 0;
    enum weft_status status = host_ask_log(engine, false, why);
    if (status == WEFT_OK)
        status = store_connect(engine->path, engine->ports.vfs, true, 0, &verifying.db, why);
    if (status == WEFT_OK) status = read_all(&verifying);
    if (verifying.db != NULL) (void)sqlite3_close(verifying.db);
    for (uint32_t i = 0; status == WEFT_OK && i < verifying.list.count; i++) {
        if (i < cap) out[i] = verifying.results[i];
        sound = sound && verifying.results[i].sound;
    }
    if (status == WEFT_OK) *count = verifying.list.count;
    if (status == WEFT_OK && !sound) status = host_ask_log(engine, true, why);
    digest_list_free(&verifying.list);
    free(verifying.results);
    return status;
}
