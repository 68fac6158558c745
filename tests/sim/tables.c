/* Rows and values of the simulated application: locations and entries as an indexer keeps them, and
 * a table with a key of three columns and every kind of value.
 *
 * Values are chosen to be awkward: empty, long, beyond 32 bits, text that holds a zero byte or that
 * is not ASCII, a column without a type.
 * Invariants
 *   1. A row's key depends on (seed, device, row) alone.
 *   2. Equal values have equal hashes, wherever they were read from. SQLite keeps no negative zero
 * in a REAL column, so both zeros are one value here. Deliberately not here: which row is written
 * when (author.c). */
#include "tests/sim/tables.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"

const struct table_shape table_shapes[TABLE_COUNT] = {
    [TABLE_LOCATION] = {"location", "r.id, r.device_id, r.path", 3, 3, 1, {0}, 0, LOCATIONS},
    [TABLE_ENTRY] = {"entry",
                     "r.id, r.location_id, r.name, r.size, r.mtime, r.hash, r.rating",
                     6,
                     7,
                     1,
                     {0},
                     LOCATIONS,
                     ENTRIES},
    [TABLE_SAMPLE] = {"sample",
                      "r.device_id, r.name, r.serial, r.ratio, r.note, r.body, r.total, r.anything",
                      8,
                      8,
                      3,
                      {0, 1, 2},
                      LOCATIONS + ENTRIES,
                      SAMPLES},
    [TABLE_VISIT] =
        {"visit", "r.id, r.device_id, r.place, r.score", 0, 4, 1, {0}, ROWS_OLD, VISITS},
};

enum table table_of(uint32_t row) {
    CHECK(row < ROWS);
    if (row < LOCATIONS) return TABLE_LOCATION;
    if (row < LOCATIONS + ENTRIES) return TABLE_ENTRY;
    return row < ROWS_OLD ? TABLE_SAMPLE : TABLE_VISIT;
}

uint32_t table_columns(enum table table, enum version version) {
    CHECK(version != VERSION_NONE);
    const struct table_shape *shape = &table_shapes[table];
    return version == VERSION_OLD ? shape->old_columns : shape->column_count;
}

int table_list(enum table table, enum version version) {
    const char *list = table_shapes[table].qualified, *at = list;
    uint32_t left = table_columns(table, version);
    while (left > 0 && *at != '\0' && (*at != ',' || --left > 0))
        at++;
    return (int)(at - list);
}

struct weft_value table_default(enum table table, uint32_t column) {
    return table == TABLE_ENTRY && column == 6 ? weft_integer(9) : weft_null();
}

/* ---- values ---------------------------------------------------------------------------------- */

uint64_t value_hash(const struct weft_value *value) {
    uint64_t hash = rng_mix(value->type, value->size);
    if (value->type == WEFT_INTEGER) return rng_mix(hash, (uint64_t)value->as.integer);
    if (value->type == WEFT_REAL) {
        double real = value->as.real == 0 ? 0 : value->as.real;
        uint64_t bits;
        memcpy(&bits, &real, sizeof bits);
        return rng_mix(hash, bits);
    }
    if (value->type == WEFT_NULL) return hash;
    const uint8_t *bytes = value->as.bytes;
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= value->size; at += sizeof(uint64_t))
        hash = rng_mix(hash, load_u64(bytes + at));
    for (; at < value->size; at++)
        hash = (hash ^ bytes[at]) * UINT64_C(0x100000001b3);
    return rng_mix(hash, value->size);
}

uint64_t null_hash(void) {
    const struct weft_value null = weft_null();
    return value_hash(&null);
}

struct weft_value value_of_column(sqlite3_stmt *statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return weft_integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
        return weft_real(sqlite3_column_double(statement, column));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        return weft_text(text, (size_t)sqlite3_column_bytes(statement, column));
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_column_blob(statement, column);
        return weft_blob(blob, (size_t)sqlite3_column_bytes(statement, column));
    }
    default:
        return weft_null();
    }
}

uint64_t cells_digest(enum table table, const uint64_t hash[COLUMNS_MAX]) {
    uint64_t digest = table + 1;
    for (uint32_t c = 0; c < table_shapes[table].column_count; c++)
        digest = rng_mix(digest, hash[c]);
    return digest ? digest : 1;
}

static void cell_id(struct cells *cells, uint32_t column, uint64_t seed, uint64_t what) {
    uint64_t words[2] = {rng_mix(seed, what), rng_mix(what, seed)};
    memcpy(cells->text[column], words, sizeof words);
    cells->value[column] = weft_blob(cells->text[column], sizeof words);
}

/* The id of a location or entry. */
static void cell_row_id(struct cells *cells, uint32_t column, const struct cast *cast,
                        uint32_t device, uint32_t row) {
    cell_id(cells, column, cast->seed, (uint64_t)device << 32 | (row + 1));
}

static void cell_device(struct cells *cells, uint32_t column, const struct cast *cast,
                        uint32_t device) {
    cells->value[column] = weft_blob(cast->device[device].bytes, sizeof cast->device[0].bytes);
}

static const char *const words[] = {"",     "a",        "naïve",  "日本語",
                                    "rows", "Ünïcödé…", "\x7f\t", "a rather longer piece of text"};

static void cell_text(struct cells *cells, uint32_t column, struct rng *rng, bool hot) {
    char *text = cells->text[column];
    int size = snprintf(text, CELL_TEXT, "%s", words[rng_below(rng, 8)]);
    if (!hot && rng_chance(rng, 700))
        size += snprintf(text + size, CELL_TEXT - (size_t)size, "%llx",
                         (unsigned long long)rng_u64(rng));
    if (!hot && rng_chance(rng, 30)) size++; /* The terminator, as a part of the text. */
    cells->value[column] = weft_text(text, (size_t)size);
}

static void cell_integer(struct cells *cells, uint32_t column, struct rng *rng, bool hot) {
    static const int64_t edges[] = {0, 1, 127, 128, 65536, INT32_MAX, INT64_C(1) << 40, INT64_MAX};
    int64_t value = edges[rng_below(rng, 8)];
    if (!hot && rng_chance(rng, 600)) value = (int64_t)rng_below(rng, 100000);
    cells->value[column] = weft_integer(value);
}

static void cell_blob(struct cells *cells, uint32_t column, struct rng *rng, bool hot) {
    size_t size = hot ? rng_below(rng, 2) * 32 : rng_below(rng, 40);
    char *bytes = cells->text[column];
    if (!hot && rng_chance(rng, 30)) {
        size = rng_below(rng, CELL_LONG);
        bytes = cells->body[column];
    }
    if (hot)
        memset(bytes, 'h', size);
    else
        rng_fill(rng, bytes, size);
    cells->value[column] = weft_blob(bytes, size);
}

static void cell_real(struct cells *cells, uint32_t column, struct rng *rng) {
    static const double edges[] = {0.0, -0.0, 1.0, -2.5, 1e300, 5e-324, 1234567890123.0, -1e-7};
    cells->value[column] = weft_real(edges[rng_below(rng, 8)]);
}

static void cell_anything(struct cells *cells, uint32_t column, struct rng *rng, bool hot) {
    switch (rng_below(rng, 5)) {
    case 0:
        cell_integer(cells, column, rng, hot);
        break;
    case 1:
        cell_real(cells, column, rng);
        break;
    case 2:
        cell_text(cells, column, rng, hot);
        break;
    case 3:
        cell_blob(cells, column, rng, hot);
        break;
    default:
        cells->value[column] = weft_null();
    }
}

static void cell_or_null(struct cells *cells, uint32_t column, struct rng *rng) {
    if (rng_chance(rng, 200)) cells->value[column] = weft_null();
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void entry_cell(struct cells *cells, const struct cast *cast, uint32_t device,
                       uint32_t column, struct rng *rng, bool hot) {
    switch (column) {
    case 1:
        cell_row_id(cells, 1, cast, device, (uint32_t)rng_below(rng, LOCATIONS));
        return;
    case 2:
        cell_text(cells, 2, rng, hot);
        break;
    case 3:
    case 4:
    case 6:
        cell_integer(cells, column, rng, hot);
        break;
    default:
        cell_blob(cells, column, rng, hot);
    }
    cell_or_null(cells, column, rng);
}

static void visit_cell(struct cells *cells, uint32_t column, struct rng *rng, bool hot) {
    if (column == 2)
        cell_text(cells, 2, rng, hot);
    else
        cell_real(cells, column, rng);
    cell_or_null(cells, column, rng);
}

static void sample_cell(struct cells *cells, uint32_t column, struct rng *rng, bool hot) {
    switch (column) {
    case 3:
        cell_real(cells, 3, rng);
        break;
    case 4:
        cell_text(cells, 4, rng, hot);
        return;
    case 5:
        cell_blob(cells, 5, rng, hot);
        break;
    case 6:
        cell_integer(cells, 6, rng, hot);
        break;
    default:
        cell_anything(cells, column, rng, hot);
        return;
    }
    cell_or_null(cells, column, rng);
}

/* The key's cells, and the owner's where it is a column of its own. */
static void key_cells(struct cells *cells, const struct cast *cast, uint32_t device, uint32_t row) {
    enum table table = table_of(row);
    if (table != TABLE_SAMPLE) {
        cell_row_id(cells, 0, cast, device, row);
        if (table != TABLE_ENTRY) cell_device(cells, 1, cast, device);
        return;
    }
    uint32_t number = row - table_shapes[TABLE_SAMPLE].first_row;
    int size = snprintf(cells->text[1], CELL_TEXT, "%s%u", words[number / 4 % 8], number / 4);
    cell_device(cells, 0, cast, device);
    cells->value[1] = weft_text(cells->text[1], (size_t)size);
    cells->value[2] = weft_integer((int64_t)(number % 4) - 1);
}

static void draw_cell(struct cells *cells, const struct cast *cast, uint32_t device, uint32_t row,
                      uint32_t column, struct rng *rng, bool hot) {
    switch (table_of(row)) {
    case TABLE_LOCATION:
        cell_text(cells, column, rng, hot);
        break;
    case TABLE_ENTRY:
        entry_cell(cells, cast, device, column, rng, hot);
        break;
    case TABLE_VISIT:
        visit_cell(cells, column, rng, hot);
        break;
    default:
        sample_cell(cells, column, rng, hot);
    }
    cells->hash[column] = value_hash(&cells->value[column]);
}

static uint32_t first_free_column(enum table table) {
    static const uint32_t first[TABLE_COUNT] = {
        [TABLE_LOCATION] = 2, [TABLE_ENTRY] = 1, [TABLE_SAMPLE] = 3, [TABLE_VISIT] = 2};
    return first[table];
}

void cells_draw(struct cells *cells, const struct cast *cast, uint32_t device, uint32_t row,
                enum version version, bool hot, struct rng *rng) {
    enum table table = table_of(row);
    const uint32_t columns = table_columns(table, version);
    CHECK(columns > 0);
    key_cells(cells, cast, device, row);
    for (uint32_t c = 0; c < first_free_column(table); c++)
        cells->hash[c] = value_hash(&cells->value[c]);
    for (uint32_t c = first_free_column(table); c < columns; c++)
        draw_cell(cells, cast, device, row, c, rng, hot);
    for (uint32_t c = columns; c < table_shapes[table].column_count; c++) {
        cells->value[c] = table_default(table, c);
        cells->hash[c] = value_hash(&cells->value[c]);
    }
}

void cells_redraw(struct cells *cells, const struct cast *cast, uint32_t device, uint32_t row,
                  uint32_t column, struct rng *rng) {
    CHECK(column >= first_free_column(table_of(row)));
    draw_cell(cells, cast, device, row, column, rng, false);
}

uint32_t cells_settable(enum table table, enum version version, struct rng *rng) {
    return (uint32_t)rng_between(rng, first_free_column(table), table_columns(table, version) - 1);
}

uint32_t cells_key(const struct cells *cells, enum table table, struct weft_value out[3]) {
    const struct table_shape *shape = &table_shapes[table];
    for (uint32_t i = 0; i < shape->key_count; i++)
        out[i] = cells->value[shape->key[i]];
    return shape->key_count;
}

/* ---- whose key ------------------------------------------------------------------------------- */

#define KEYRING_SLOTS 4096u

struct keyring {
    struct {
        uint64_t key; /* 0: free */
        uint32_t device, row;
    } slot[KEYRING_SLOTS];
};

static uint64_t key_hash(enum table table, const uint64_t hash[COLUMNS_MAX]) {
    uint64_t key = table + 1;
    for (uint32_t i = 0; i < table_shapes[table].key_count; i++)
        key = rng_mix(key, hash[table_shapes[table].key[i]]);
    return key ? key : 1;
}

struct keyring *keyring_open(const struct cast *cast) {
    struct keyring *keyring = calloc(1, sizeof *keyring);
    CHECK(keyring != NULL && cast->device_count * ROWS * 2 < KEYRING_SLOTS);
    struct cells *cells = malloc(sizeof *cells);
    CHECK(cells != NULL);
    for (uint32_t device = 0; device < cast->device_count; device++)
        for (uint32_t row = 0; row < ROWS; row++) {
            enum table table = table_of(row);
            key_cells(cells, cast, device, row);
            for (uint32_t i = 0; i < table_shapes[table].key_count; i++)
                cells->hash[i] = value_hash(&cells->value[i]);
            uint64_t key = key_hash(table, cells->hash);
            uint32_t at = (uint32_t)(key % KEYRING_SLOTS);
            while (keyring->slot[at].key)
                at = (at + 1) % KEYRING_SLOTS;
            keyring->slot[at].key = key;
            keyring->slot[at].device = device;
            keyring->slot[at].row = row;
        }
    free(cells);
    return keyring;
}

void keyring_close(struct keyring *keyring) {
    free(keyring);
}

bool keyring_find(const struct keyring *keyring, enum table table, const uint64_t hash[COLUMNS_MAX],
                  uint32_t *device, uint32_t *row) {
    uint64_t key = key_hash(table, hash);
    for (uint32_t at = (uint32_t)(key % KEYRING_SLOTS); keyring->slot[at].key;
         at = (at + 1) % KEYRING_SLOTS) {
        if (keyring->slot[at].key != key) continue;
        *device = keyring->slot[at].device;
        *row = keyring->slot[at].row;
        return true;
    }
    return false;
}
