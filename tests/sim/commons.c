/* See commons.h. Names of tags are drawn from a few, so that two devices give one name to two tags;
 * all else is often equal to what is there.
 * Deliberately not here: which row is written when (author.c), and what comes of it (fold.c). */
#include "tests/sim/commons.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"

const struct commons_shape commons_shapes[COMMONS_COUNT] = {
    [COMMONS_TAG] = {.name = "tag",
                     .columns = {"id", "name", "color", "note", "author", "weight", "pinned"},
                     .old_columns = 6,
                     .column_count = 7,
                     .key_count = 1,
                     .node = 4,
                     .optional = 1u << 4,
                     .defaults = {[6] = 4},
                     .row_count = COMMONS_TAGS},
    [COMMONS_OBJECT] = {.name = "object",
                        .columns = {"cas_id", "kind", "size", "seen_by", "body"},
                        .old_columns = 5,
                        .column_count = 5,
                        .key_count = 1,
                        .node = 3,
                        .atomic = true,
                        .optional = 1u << 3 | 1u << 1,
                        .defaults = {[1] = 7, [2] = 5},
                        .first_row = COMMONS_TAGS,
                        .row_count = COMMONS_OBJECTS},
    [COMMONS_LINK] = {.name = "tag_on_object",
                      .columns = {"object_id", "tag_id", "added_at", "reason"},
                      .old_columns = 4,
                      .column_count = 4,
                      .key_count = 2,
                      .atomic = true,
                      .first_row = COMMONS_TAGS + COMMONS_OBJECTS,
                      .row_count = COMMONS_LINKS},
    [COMMONS_ALBUM] = {.name = "album",
                       .columns = {"id", "title", "cover"},
                       .column_count = 3,
                       .key_count = 1,
                       .atomic = true,
                       .first_row = COMMONS_TAGS + COMMONS_OBJECTS + COMMONS_LINKS,
                       .row_count = COMMONS_ALBUMS},
};

#define TAG_BEGIN                                                   \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n" \
    "  id BLOB PRIMARY KEY, name TEXT"
#define TAG_MIDDLE ", color TEXT, note, author BLOB /* @node */, weight REAL"
#define TAG_NEW ", pinned INTEGER DEFAULT 4"
#define TAG_CHECK ", CHECK (note IS NULL OR color IS NOT NULL)"
#define REST                                                                                    \
    " );\n"                                                                                     \
    "CREATE TABLE IF NOT EXISTS object ( -- @shared(create: atomic, id: cas_id)\n"              \
    "  cas_id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL DEFAULT 7,\n"                         \
    "  size INTEGER DEFAULT 5, seen_by BLOB /* @node */, body BLOB );\n"                        \
    "CREATE TABLE IF NOT EXISTS tag_on_object ( -- @relation(item: object_id, group: tag_id)\n" \
    "  object_id BLOB, tag_id BLOB, added_at INTEGER, reason TEXT,\n"                           \
    "  PRIMARY KEY (object_id, tag_id) ) WITHOUT ROWID;\n"

/* Rows of others that a table does not take wait beside it; the newer version takes them. */
#define PICKY_WHEN                                         \
    "WHEN NEW.total IS NULL AND NEW.device_id <> "         \
    "(SELECT value FROM _weft_meta WHERE key = 'device') " \
    "BEGIN SELECT RAISE(ABORT, 'a sample without a total'); END;\n"
#define PICKY_PUT "CREATE TRIGGER IF NOT EXISTS picky_put BEFORE INSERT ON sample " PICKY_WHEN
#define PICKY_SET "CREATE TRIGGER IF NOT EXISTS picky_set BEFORE UPDATE ON sample " PICKY_WHEN
#define UNPICKY "DROP TRIGGER IF EXISTS picky_put;\nDROP TRIGGER IF EXISTS picky_set;\n"

#define OLD(unique, check) TABLES_OWNED("") TAG_BEGIN unique TAG_MIDDLE check REST
#define PICKY(unique, check) OLD(unique, check) PICKY_PUT PICKY_SET
#define NEW(unique, check)                                                \
    UNPICKY TABLES_OWNED(ENTRY_NEW)                                       \
    TAG_BEGIN unique TAG_MIDDLE TAG_NEW check REST TABLES_OWNED_NEW       \
        "CREATE TABLE IF NOT EXISTS album ( -- @shared(create: atomic)\n" \
        "  id BLOB PRIMARY KEY, title TEXT, cover BLOB );\n"
#define UPGRADED(unique, check)                                \
    NEW(unique, check)                                         \
    "ALTER TABLE entry ADD COLUMN rating INTEGER DEFAULT 9;\n" \
    "ALTER TABLE tag ADD COLUMN pinned INTEGER DEFAULT 4;\n"
#define FOUR(schema) \
    schema("", ""), schema("", TAG_CHECK), schema(" UNIQUE", ""), schema(" UNIQUE", TAG_CHECK)

const char *commons_schema(const struct commons_rules *rules, enum version version, bool upgrade) {
    static const char *const schemas[4][4] = {
        {FOUR(OLD)}, {FOUR(PICKY)}, {FOUR(NEW)}, {FOUR(UPGRADED)}};
    CHECK(version == VERSION_NEW || !upgrade);
    const uint32_t which = version == VERSION_OLD ? rules->picky : upgrade ? 3 : 2;
    return schemas[which][rules->unique * 2 + rules->checked];
}

enum commons_table commons_table_of(uint32_t row) {
    CHECK(row < COMMONS_ROWS);
    if (row < commons_shapes[COMMONS_OBJECT].first_row) return COMMONS_TAG;
    if (row < commons_shapes[COMMONS_LINK].first_row) return COMMONS_OBJECT;
    return row < commons_shapes[COMMONS_ALBUM].first_row ? COMMONS_LINK : COMMONS_ALBUM;
}

uint32_t commons_columns(enum commons_table table, enum version version) {
    CHECK(version != VERSION_NONE);
    const struct commons_shape *shape = &commons_shapes[table];
    return version == VERSION_OLD ? shape->old_columns : shape->column_count;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void draw_key(const struct cast *cast, uint32_t row, uint64_t out[2]) {
    out[0] = rng_mix(cast->seed, 0xc0000 + row);
    out[1] = rng_mix(0xc0000 + row, cast->seed);
}

/* Whose ids the key of a row consists of; how many. */
static uint32_t key_rows(uint32_t row, uint32_t out[2]) {
    const uint32_t link = row - commons_shapes[COMMONS_LINK].first_row;
    out[0] = row;
    if (commons_table_of(row) != COMMONS_LINK) return 1;
    out[0] = commons_shapes[COMMONS_OBJECT].first_row + link % 4;
    out[1] = link / 4;
    return 2;
}

static void key_cells(struct cells *cells, const struct cast *cast, uint32_t row) {
    uint32_t of[2];
    const uint32_t count = key_rows(row, of);
    for (uint32_t k = 0; k < count; k++) {
        uint64_t words[2];
        draw_key(cast, of[k], words);
        memcpy(cells->text[k], words, sizeof words);
        cells->value[k] = weft_blob(cells->text[k], sizeof words);
    }
}

bool commons_find(const struct cast *cast, enum commons_table table, const uint64_t *key,
                  uint32_t *row) {
    const struct commons_shape *shape = &commons_shapes[table];
    for (*row = shape->first_row; *row < shape->first_row + shape->row_count; ++*row) {
        uint32_t of[2], k = 0;
        const uint32_t count = key_rows(*row, of);
        for (; k < count; k++) {
            uint64_t words[2];
            draw_key(cast, of[k], words);
            const struct weft_value id = weft_blob(words, sizeof words);
            if (value_hash(&id) != key[k]) break;
        }
        if (k == count) return true;
    }
    return false;
}

/* ---- values ---------------------------------------------------------------------------------- */

uint64_t commons_default(enum commons_table table, uint32_t column) {
    const int64_t number = commons_shapes[table].defaults[column];
    const struct weft_value value = number ? weft_integer(number) : weft_null();
    return value_hash(&value);
}

uint64_t commons_node(const struct cast *cast, uint32_t device) {
    const struct weft_value id =
        weft_blob(cast->device[device].bytes, sizeof cast->device[device].bytes);
    return value_hash(&id);
}

static void cell_text(struct cells *cells, uint32_t column, struct rng *rng, bool few) {
    static const char *const texts[] = {"", "urgent", "später", "日本", "red", "blue"};
    char *text = cells->text[column];
    int size = snprintf(text, CELL_TEXT, "%s", texts[rng_below(rng, 6)]);
    if (!few && rng_chance(rng, 500))
        size += snprintf(text + size, CELL_TEXT - (size_t)size, "%llx",
                         (unsigned long long)rng_below(rng, 100000));
    cells->value[column] = weft_text(text, (size_t)size);
}

static void cell_blob(struct cells *cells, uint32_t column, struct rng *rng) {
    bool is_long = rng_chance(rng, 50);
    char *bytes = is_long ? cells->body[column] : cells->text[column];
    size_t size = rng_below(rng, is_long ? CELL_LONG : 20);
    rng_fill(rng, bytes, size);
    cells->value[column] = weft_blob(bytes, size);
}

static void cell_number(struct cells *cells, uint32_t column, struct rng *rng) {
    static const int64_t edges[] = {0, 5, 7, -1, INT64_MIN, INT64_MAX, INT64_C(1) << 33, 128};
    cells->value[column] = weft_integer(edges[rng_below(rng, 8)]);
}

static void cell_real(struct cells *cells, uint32_t column, struct rng *rng) {
    static const double edges[] = {0.0, -0.0, 1.0, -2.5, 1e300, 5e-324};
    cells->value[column] = weft_real(edges[rng_below(rng, 6)]);
}

static void draw_tag(struct cells *cells, enum version version, struct rng *rng) {
    cell_text(cells, TAG_NAME, rng, rng_chance(rng, 700));
    cell_text(cells, TAG_COLOR, rng, true);
    switch (rng_below(rng, 7)) {
    case 0:
        cell_number(cells, TAG_NOTE, rng);
        break;
    case 1:
        cell_text(cells, TAG_NOTE, rng, false);
        break;
    case 2:
        cell_blob(cells, TAG_NOTE, rng);
        break;
    default:
        cells->value[TAG_NOTE] = weft_null();
    }
    if (rng_chance(rng, 400)) cells->value[TAG_COLOR] = weft_null();
    if (rng_chance(rng, 100)) cells->value[TAG_NAME] = weft_null();
    cells->value[4] = weft_null();
    cell_real(cells, 5, rng);
    if (rng_chance(rng, 300)) cells->value[5] = weft_null();
    cells->value[6] = weft_null();
    if (version == VERSION_NEW && !rng_chance(rng, 300)) cell_number(cells, 6, rng);
}

void commons_draw(struct cells *cells, const struct cast *cast, uint32_t row, enum version version,
                  struct rng *rng) {
    enum commons_table table = commons_table_of(row);
    CHECK(commons_columns(table, version) > 0);
    key_cells(cells, cast, row);
    if (table == COMMONS_TAG) {
        draw_tag(cells, version, rng);
    } else if (table == COMMONS_ALBUM) {
        cell_text(cells, 1, rng, false);
        cell_blob(cells, 2, rng);
        for (uint32_t c = 1; c < 3; c++)
            if (rng_chance(rng, 300)) cells->value[c] = weft_null();
    } else if (table == COMMONS_OBJECT) {
        cell_number(cells, 1, rng);
        cell_number(cells, 2, rng);
        cell_blob(cells, 4, rng);
        for (uint32_t c = 1; c < 5; c++)
            if (c == 3 || rng_chance(rng, 300)) cells->value[c] = weft_null();
    } else {
        cell_number(cells, 2, rng);
        cell_text(cells, 3, rng, true);
        for (uint32_t c = 2; c < 4; c++)
            if (rng_chance(rng, 300)) cells->value[c] = weft_null();
    }
    for (uint32_t c = 0; c < commons_shapes[table].column_count; c++)
        cells->hash[c] = value_hash(&cells->value[c]);
}

uint32_t commons_settable(struct cells *cells, enum commons_table table, enum version version,
                          struct rng *rng) {
    const struct commons_shape *shape = &commons_shapes[table];
    const uint32_t columns = commons_columns(table, version);
    uint32_t column;
    do
        column = (uint32_t)rng_between(rng, shape->key_count, columns - 1);
    while (column == shape->node || (column > TAG_NOTE && rng_chance(rng, 500)));
    if (shape->optional >> column & 1 && cells->value[column].type == WEFT_NULL)
        cell_number(cells, column, rng);
    cells->hash[column] = value_hash(&cells->value[column]);
    return column;
}
