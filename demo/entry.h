/* The demo's two models as the demo writes them: a location (a folder that one device indexes) and
 * its entries (the files in it). The schema is schema/demo.sql, compiled in. */
#ifndef DEMO_ENTRY_H
#define DEMO_ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "engine/weft.h"

/* Generated from schema/demo.sql at build time. */
extern const char demo_schema[];

#define ENTRY_COLUMNS_MAX 32u

enum entry_kind { ENTRY_FILE = 0, ENTRY_FOLDER = 1, ENTRY_LINK = 2, ENTRY_OTHER = 3 };

/* Positions of the columns, found by name once. */
struct entry_models {
    int location, entry;
    unsigned location_count, entry_count;
    int location_id, location_device, location_path, location_name;
    int id, location_of, parent, name, extension, kind, size, inode, mtime, ctime, hidden;
};

/* Errors: WEFT_NOT_FOUND: the library was made with another schema. */
enum weft_status entry_models_find(const weft_engine *engine, struct entry_models *out);

enum weft_status entry_put_location(weft_tx *tx, const struct entry_models *models,
                                    const uint8_t id[16], const uint8_t device[16],
                                    const char *path);

/* One file. `parent` may be NULL. A name that the engine refuses as not UTF-8 is written escaped
 * (name.h), and `*escaped` is set. */
struct entry_file {
    const uint8_t *id, *location, *parent;
    const char *name;
    const struct stat *stat;
};
enum weft_status entry_put(weft_tx *tx, const struct entry_models *models,
                           const struct entry_file *file, bool *escaped);

#endif
