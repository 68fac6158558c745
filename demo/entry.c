/* Rows of the demo's models.
 *
 * Values are placed by column name, so the demo does not depend on the order of the columns in the
 * schema; columns it does not know stay NULL. */
#include "demo/entry.h"

#include <string.h>

#include "demo/must.h"
#include "demo/name.h"

static bool column_find(const weft_engine *engine, int model, const char *name, int *out) {
    *out = weft_column(engine, model, name);
    return *out >= 0;
}

enum weft_status entry_models_find(const weft_engine *engine, struct entry_models *out) {
    memset(out, 0, sizeof *out);
    out->location = weft_model(engine, "location");
    out->entry = weft_model(engine, "entry");
    if (out->location < 0 || out->entry < 0) return WEFT_NOT_FOUND;
    out->location_count = weft_column_count(engine, out->location);
    out->entry_count = weft_column_count(engine, out->entry);
    MUST(out->location_count <= ENTRY_COLUMNS_MAX && out->entry_count <= ENTRY_COLUMNS_MAX);
    const struct {
        int model;
        const char *name;
        int *place;
    } wanted[] = {
        {out->location, "id", &out->location_id},
        {out->location, "device_id", &out->location_device},
        {out->location, "path", &out->location_path},
        {out->location, "name", &out->location_name},
        {out->entry, "id", &out->id},
        {out->entry, "location_id", &out->location_of},
        {out->entry, "parent_id", &out->parent},
        {out->entry, "name", &out->name},
        {out->entry, "extension", &out->extension},
        {out->entry, "kind", &out->kind},
        {out->entry, "size", &out->size},
        {out->entry, "inode", &out->inode},
        {out->entry, "mtime", &out->mtime},
        {out->entry, "ctime", &out->ctime},
        {out->entry, "hidden", &out->hidden},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!column_find(engine, wanted[i].model, wanted[i].name, wanted[i].place))
            return WEFT_NOT_FOUND;
    }
    return WEFT_OK;
}

static struct weft_value text_value(const char *text) {
    return weft_text(text, strlen(text));
}

/* A path need not be UTF-8 either: what follows its last valid part is escaped part by part. */
static void path_escape(const char *path, char *out, size_t cap) {
    size_t size = 0;
    while (*path != '\0' && size + NAME_ESCAPED_MAX + 2 < cap) {
        char part[256], escaped[NAME_ESCAPED_MAX];
        size_t length = strcspn(path, "/");
        if (length > sizeof part - 1) length = sizeof part - 1;
        memcpy(part, path, length);
        part[length] = '\0';
        size_t wrote = name_escape(part, escaped, sizeof escaped);
        memcpy(out + size, escaped, wrote);
        size += wrote;
        path += length;
        if (*path == '/') out[size++] = *path++;
    }
    out[size] = '\0';
}

enum weft_status entry_put_location(weft_tx *tx, const struct entry_models *models,
                                    const uint8_t id[16], const uint8_t device[16],
                                    const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : path;
    struct weft_value values[ENTRY_COLUMNS_MAX] = {0};
    values[models->location_id] = weft_blob(id, WEFT_ID_SIZE);
    values[models->location_device] = weft_blob(device, WEFT_ID_SIZE);
    values[models->location_path] = text_value(path);
    values[models->location_name] = text_value(name);
    enum weft_status status = weft_put(tx, models->location, values, models->location_count);
    if (status != WEFT_NOT_UTF8) return status;
    char escaped[8192];
    path_escape(path, escaped, sizeof escaped);
    slash = strrchr(escaped, '/');
    values[models->location_path] = text_value(escaped);
    values[models->location_name] = text_value(slash != NULL ? slash + 1 : escaped);
    return weft_put(tx, models->location, values, models->location_count);
}

static enum entry_kind kind_of(const struct stat *stat) {
    if (S_ISREG(stat->st_mode)) return ENTRY_FILE;
    if (S_ISDIR(stat->st_mode)) return ENTRY_FOLDER;
    return S_ISLNK(stat->st_mode) ? ENTRY_LINK : ENTRY_OTHER;
}

static int64_t nanoseconds(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static void place_name(const struct entry_models *models, struct weft_value *values,
                       const char *name, enum entry_kind kind) {
    const char *extension = kind == ENTRY_FILE ? name_extension(name) : NULL;
    values[models->name] = text_value(name);
    values[models->extension] = extension != NULL ? text_value(extension) : weft_null();
}

enum weft_status entry_put(weft_tx *tx, const struct entry_models *models,
                           const struct entry_file *file, bool *escaped) {
    MUST(file->id != NULL && file->location != NULL && file->stat != NULL);
    const struct stat *stat = file->stat;
    enum entry_kind kind = kind_of(stat);
    struct weft_value values[ENTRY_COLUMNS_MAX] = {0};
    values[models->id] = weft_blob(file->id, WEFT_ID_SIZE);
    values[models->location_of] = weft_blob(file->location, WEFT_ID_SIZE);
    if (file->parent != NULL) values[models->parent] = weft_blob(file->parent, WEFT_ID_SIZE);
    place_name(models, values, file->name, kind);
    values[models->kind] = weft_integer(kind);
    values[models->size] = weft_integer(stat->st_size);
    values[models->inode] = weft_integer((int64_t)stat->st_ino);
    values[models->mtime] = weft_integer(nanoseconds(&stat->st_mtim));
    values[models->ctime] = weft_integer(nanoseconds(&stat->st_ctim));
    values[models->hidden] = weft_integer(file->name[0] == '.');
    *escaped = false;
    enum weft_status status = weft_put(tx, models->entry, values, models->entry_count);
    if (status != WEFT_NOT_UTF8) return status;
    char readable[NAME_ESCAPED_MAX];
    name_escape(file->name, readable, sizeof readable);
    place_name(models, values, readable, kind);
    *escaped = true;
    return weft_put(tx, models->entry, values, models->entry_count);
}
