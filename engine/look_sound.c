/* See weft_look.h. Here: whether all of it is as it was written. */
#include "engine/base/check.h"
#include "engine/look.h"
#include "engine/store/digest.h"
#include "engine/store/statement.h"

struct faults {
    void *context;
    void (*visit)(void *context, const char *fault);
};

static bool take_fault(void *context, sqlite3_stmt *row) {
    struct faults *faults = context;
    char text[WEFT_ERROR_TEXT_MAX];
    if (!look_text(row, 0, text, sizeof text)) return false;
    if (strcmp(text, "ok") != 0) faults->visit(faults->context, text);
    return true;
}

enum weft_status weft_look_integrity(weft_look *look, void *context,
                                     void (*visit)(void *context, const char *fault),
                                     struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    struct faults faults = {context, visit};
    sqlite3_stmt *query = NULL;
    enum weft_status status = look_prepare(look, &query, why, "PRAGMA main.integrity_check(100)");
    return look_rows(look, query, status, "the file", &faults, take_fault, why);
}

enum weft_status weft_look_digests(weft_look *look, void *context,
                                   void (*visit)(void *context,
                                                 const struct weft_look_digest *digest),
                                   struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    struct digest_list list = {0};
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    status = digest_scan(look->db, look->path, look->models, &list, why);
    look_end(look);
    for (uint32_t i = 0; i < list.count && status == WEFT_OK; i++) {
        const struct digest_found *found = &list.list[i];
        struct weft_look_digest out = {.table = found->table,
                                       .shared = found->shared,
                                       .rows = found->rows,
                                       .digest = found->computed,
                                       .known = found->known,
                                       .sound = found->known && found->kept == found->computed};
        memcpy(out.owner, found->owner.bytes, WEFT_ID_SIZE);
        visit(context, &out);
    }
    digest_list_free(&list);
    return status;
}
