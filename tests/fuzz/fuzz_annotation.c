/* Annotations: any text at all, taken for that of a CREATE TABLE. Slices stay inside it, refusals
 * explain themselves, and what was read survives being written down anew. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/store/annotation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct bytes name, const char *text, size_t size) {
    const char *start = (const char *)name.data;
    CHECK(name.size >= 1 && name.size <= size);
    CHECK(start >= text && start + name.size <= text + size);
    CHECK(memchr(start, ' ', name.size) == NULL && memchr(start, ',', name.size) == NULL);
}

/* Writes the annotation as the grammar has it. */
static void write_down(const struct annotation *a, char *out, size_t room) {
    char id[2048] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < a->id_count; i++) {
        at += (size_t)snprintf(id + at, sizeof id - at, "%s%.*s", i == 0 ? ", id: [" : ",",
                               (int)a->id[i].size, (const char *)a->id[i].data);
    }
    if (a->id_count > 0) snprintf(id + at, sizeof id - at, "]");
    switch (a->kind) {
    case ANNOTATION_LOCAL:
        snprintf(out, room, "(--@local\n)");
        break;
    case ANNOTATION_OWNED:
        snprintf(out, room, "(--@owned(owner: %.*s%s)\n)", (int)a->owner.size,
                 (const char *)a->owner.data, id);
        break;
    case ANNOTATION_SHARED_UNIQUE:
    case ANNOTATION_SHARED_ATOMIC:
        snprintf(out, room, "(--@shared(create: %s%s)\n)",
                 a->kind == ANNOTATION_SHARED_UNIQUE ? "unique" : "atomic", id);
        break;
    case ANNOTATION_RELATION:
        snprintf(out, room, "(--@relation(item: %.*s, group: %.*s)\n)", (int)a->item.size,
                 (const char *)a->item.data, (int)a->group.size, (const char *)a->group.data);
        break;
    }
}

static void check_annotation(const struct annotation *a, const char *text, size_t size) {
    char anew[4096];
    struct annotation again;
    struct weft_error why;
    size_t names = a->owner.size + a->item.size + a->group.size;
    if (a->kind == ANNOTATION_OWNED) check_name(a->owner, text, size);
    if (a->kind == ANNOTATION_RELATION) check_name(a->item, text, size);
    if (a->kind == ANNOTATION_RELATION) check_name(a->group, text, size);
    CHECK(a->id_count <= LIMIT_KEY_COLUMNS);
    for (uint32_t i = 0; i < a->id_count; i++)
        check_name(a->id[i], text, size);
    for (uint32_t i = 0; i < a->id_count; i++)
        names += a->id[i].size;
    if (names > 1500) return;
    write_down(a, anew, sizeof anew);
    CHECK(annotation_parse("t", anew, &again, &why) == WEFT_OK);
    CHECK(again.kind == a->kind && again.id_count == a->id_count);
    CHECK(again.owner.size == a->owner.size && again.item.size == a->item.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    struct annotation annotation;
    struct weft_error why = {0};
    CHECK(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    enum weft_status status = annotation_parse("t", text, &annotation, &why);
    CHECK(status == WEFT_OK || status == WEFT_SCHEMA);
    if (status == WEFT_OK) check_annotation(&annotation, text, size);
    if (status != WEFT_OK) CHECK(strstr(why.text, "table \"t\", line ") != NULL);
    status = annotation_stray(text, &why);
    CHECK(status == WEFT_OK || status == WEFT_SCHEMA);
    free(text);
    return 0;
}
