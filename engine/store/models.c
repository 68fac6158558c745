/* Looking models up, and judging values by them.
 *
 * Names are compared as SQLite compares them: without regard to the case of ASCII letters.
 * Not here: how models come to be. models_compile.c does that. */
#include "engine/store/models.h"

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/status.h"

static bool name_equal(const char *name, const char *text, size_t size) {
    return strlen(name) == size && sqlite3_strnicmp(name, text, (int)size) == 0;
}

const struct model *models_find(const struct models *models, const char *name, size_t size) {
    CHECK(models != NULL);
    CHECK(name != NULL);
    for (uint32_t i = 0; i < models->count; i++) {
        const struct model *model = &models->list[i];
        if (model->name != NULL && name_equal(model->name, name, size)) return model;
    }
    return NULL;
}

const struct model *models_get(const struct models *models, uint32_t id) {
    CHECK(models != NULL);
    if (id == 0 || id > models->count) return NULL;
    const struct model *model = &models->list[id - 1];
    CHECK(model->name == NULL || model->id == id);
    return model->name == NULL ? NULL : model;
}

const struct model *models_owned(const struct models *models, uint32_t id) {
    const struct model *model = models_get(models, id);
    return model != NULL && model->kind == MODEL_OWNED ? model : NULL;
}

const struct model *models_owned_named(const struct models *models, const char *name, size_t size) {
    const struct model *model = models_find(models, name, size);
    return model != NULL && model->kind == MODEL_OWNED ? model : NULL;
}

int model_column(const struct model *model, const char *name, size_t size) {
    CHECK(model != NULL);
    CHECK(name != NULL);
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (name_equal(model->columns[c].name, name, size)) return (int)c;
    }
    return -1;
}

static const char *type_name(enum weft_type type) {
    static const char *const names[] = {"NULL", "INTEGER", "REAL", "TEXT", "BLOB"};
    return (unsigned)type <= WEFT_BLOB ? names[type] : "something unknown";
}

enum weft_status model_accepts(const struct model *model, uint32_t column,
                               const struct weft_value *value, struct weft_error *why) {
    CHECK(model != NULL && value != NULL);
    CHECK(column < model->column_count);
    const struct column *wanted = &model->columns[column];
    enum weft_type type = value->type;
    /* Most values: nothing more is to be known of them. */
    if (type == wanted->type && (type == WEFT_INTEGER || type == WEFT_BLOB) && !wanted->node)
        return WEFT_OK;
    if (type == WEFT_NULL) {
        if (!wanted->not_null || wanted->optional) return WEFT_OK;
        return status_fail(why, WEFT_TYPE, 0,
                           "table \"%s\", column \"%s\": it may not be NULL; give it a value",
                           model->name, wanted->name);
    }
    if (wanted->node && (type != WEFT_BLOB || value->size != WEFT_ID_SIZE)) {
        return status_fail(why, WEFT_TYPE, 0,
                           "table \"%s\", column \"%s\": it holds the id of the device that writes "
                           "the row, and was given something else; pass NULL, and the engine fills "
                           "it in",
                           model->name, wanted->name);
    }
    if ((unsigned)type > WEFT_BLOB || (wanted->type != WEFT_NULL && type != wanted->type)) {
        return status_fail(why, WEFT_TYPE, 0,
                           "table \"%s\", column \"%s\": it was given %s, but is declared to hold "
                           "%s; pass a value of that type",
                           model->name, wanted->name, type_name(type), type_name(wanted->type));
    }
    if (type == WEFT_REAL && wanted->key_place >= 0) {
        return status_fail(why, WEFT_TYPE, 0,
                           "table \"%s\", column \"%s\": it is part of the key and was given REAL, "
                           "which cannot identify a row exactly; pass INTEGER, TEXT or BLOB",
                           model->name, wanted->name);
    }
    if (type == WEFT_REAL && value->as.real != value->as.real) {
        return status_fail(why, WEFT_TYPE, 0,
                           "table \"%s\", column \"%s\": it was given a REAL that is not a number, "
                           "which SQLite would store as NULL; pass NULL or a number",
                           model->name, wanted->name);
    }
    if (type == WEFT_TEXT && !utf8_valid(value->as.bytes, value->size)) {
        return status_fail(why, WEFT_NOT_UTF8, 0,
                           "table \"%s\", column \"%s\": the text of %u bytes is not valid UTF-8; "
                           "pass it as BLOB, or convert it",
                           model->name, wanted->name, value->size);
    }
    return WEFT_OK;
}
