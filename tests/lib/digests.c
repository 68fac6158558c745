/* See digests.h. */
#include "tests/lib/digests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static struct digest_list look(struct writer *writer) {
    struct digest_list list = {0};
    struct weft_error why = {0};
    if (sqlite3_get_autocommit(writer->db) == 0 && digest_save(writer, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    if (digest_scan(writer->db, writer->path, writer->models, &list, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    return list;
}

void digests_hold(struct writer *writer, bool missing) {
    struct digest_list list = look(writer);
    for (uint32_t i = 0; i < list.count; i++) {
        const struct digest_found *found = &list.list[i];
        if (missing && !found->known) continue;
        if (found->known && found->kept == found->computed) continue;
        fail_msg("%s%s, owner %u: %s, kept %016llx, but its %llu rows make %016llx", found->table,
                 found->shared ? " (shared)" : "", found->number,
                 found->known ? "known" : "not known", (unsigned long long)found->kept,
                 (unsigned long long)found->rows, (unsigned long long)found->computed);
    }
    digest_list_free(&list);
}

static int by_table(const void *a, const void *b) {
    const struct digest_found *x = a, *y = b;
    if (x->shared != y->shared) return x->shared ? -1 : 1;
    return sqlite3_stricmp(x->table, y->table);
}

const char *digests_shared_text(struct writer *writer, char *out, size_t size) {
    struct digest_list list = look(writer);
    out[0] = 0;
    if (list.count > 1) qsort(list.list, list.count, sizeof *list.list, by_table);
    for (uint32_t i = 0; i < list.count && list.list[i].shared; i++) {
        const struct digest_found *found = &list.list[i];
        const size_t at = strlen(out);
        if (found->kept == 0) continue;
        char lower[LIMIT_NAME + 1];
        for (size_t c = 0; c <= strlen(found->table); c++) {
            const char letter = found->table[c];
            lower[c] = letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter;
        }
        sqlite3_snprintf((int)(size - at), out + at, "%s=%016llx ", lower,
                         (unsigned long long)found->kept);
    }
    digest_list_free(&list);
    return out;
}
