/* The application of the simulation: its schema, the rows it may write, and their values.
 *
 * There are two versions of it. The newer one has a column more in some tables, and tables more;
 * these are the last in everything that is numbered here. In a column that the older one does not
 * have, its rows are taken to have the DEFAULT.
 *
 * Every device has the same fixed set of row numbers, [0, ROWS): which table, and which key in it.
 * A key belongs to one device, so a row found anywhere tells by its key alone whose it is. */
#ifndef SIM_TABLES_H
#define SIM_TABLES_H

#include "tests/sim/net.h"
#include "tests/sim/rng.h"

struct sqlite3_stmt;

enum version { VERSION_NONE, VERSION_OLD, VERSION_NEW };

enum table { TABLE_LOCATION, TABLE_ENTRY, TABLE_SAMPLE, TABLE_VISIT, TABLE_COUNT };

#define COLUMNS_MAX 8u
#define LOCATIONS 3u
#define ENTRIES 140u
#define SAMPLES 60u
#define VISITS 24u
#define ROWS_OLD (LOCATIONS + ENTRIES + SAMPLES)
#define ROWS (ROWS_OLD + VISITS)
#define CELL_TEXT 96u
#define CELL_LONG 6000u

/* The tables of which each device owns its own rows; the others are in commons.c. */
#define TABLES_OWNED(more)                                                                       \
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"                        \
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT NOT NULL );\n"                    \
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"                         \
    "  id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id),\n"                \
    "  name TEXT, size INTEGER CHECK (size IS NULL OR size >= 0), mtime INTEGER, hash BLOB" more \
    " );\n"                                                                                      \
    "CREATE TABLE IF NOT EXISTS sample ( -- @owned(owner: device_id)\n"                          \
    "  device_id BLOB NOT NULL, name TEXT NOT NULL, serial INTEGER NOT NULL, ratio REAL,\n"      \
    "  note TEXT NOT NULL, body BLOB, total INTEGER, anything,\n"                                \
    "  PRIMARY KEY (device_id, name, serial) ) WITHOUT ROWID;\n"                                 \
    "CREATE TABLE IF NOT EXISTS scratch ( x ); -- @local\n"
/* What the newer version has. */
#define ENTRY_NEW ", rating INTEGER DEFAULT 9"
#define TABLES_OWNED_NEW                                               \
    "CREATE TABLE IF NOT EXISTS visit ( -- @owned(owner: device_id)\n" \
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, place TEXT, score REAL );\n"

#define LIBRARY_NAME "simulated weft" /* its id, as bytes */

/* What the tables look like, in table order. */
struct table_shape {
    const char *name;
    const char *qualified; /* columns, for SELECT … FROM <name> r */
    uint32_t old_columns;  /* so many the older version has; 0: nor the table */
    uint32_t column_count;
    uint32_t key_count;
    uint32_t key[3];
    uint32_t first_row, row_count;
};
extern const struct table_shape table_shapes[TABLE_COUNT];

enum table table_of(uint32_t row);
/* How many columns a version's table has; 0: it does not have the table. */
uint32_t table_columns(enum table table, enum version version);
/* How many bytes of `qualified` name these. */
int table_list(enum table table, enum version version);
/* What rows have in a column that their writer's version did not have. */
struct weft_value table_default(enum table table, uint32_t column);

/* Values of one row, with room for their bytes. */
struct cells {
    struct weft_value value[COLUMNS_MAX];
    uint64_t hash[COLUMNS_MAX];
    char text[COLUMNS_MAX][CELL_TEXT];
    char body[COLUMNS_MAX][CELL_LONG];
};

/* The ids that values are made of, by device. */
struct cast {
    uint64_t seed;
    uint32_t device_count;
    struct id device[NET_DEVICES];
};

/* Draws all cells of a row that the version has. `hot`: from few values, so that rows equal to the
 * stored one occur. */
void cells_draw(struct cells *cells, const struct cast *cast, uint32_t device, uint32_t row,
                enum version version, bool hot, struct rng *rng);
/* Draws one column that is not part of the key again. */
void cells_redraw(struct cells *cells, const struct cast *cast, uint32_t device, uint32_t row,
                  uint32_t column, struct rng *rng);
/* A column of the table that weft_set() may set. */
uint32_t cells_settable(enum table table, enum version version, struct rng *rng);
/* Copies the key's values into `out`; returns how many. */
uint32_t cells_key(const struct cells *cells, enum table table, struct weft_value out[3]);

/* A number for a value, equal for equal values: type and content. */
uint64_t value_hash(const struct weft_value *value);
uint64_t null_hash(void);
/* The value of a result column. Borrowed from the statement. */
struct weft_value value_of_column(struct sqlite3_stmt *statement, int column);
/* One number for all cells of a row; never 0. */
uint64_t cells_digest(enum table table, const uint64_t hash[COLUMNS_MAX]);

/* Which device and row a key names, from the hashes of a row's cells. */
struct keyring;
struct keyring *keyring_open(const struct cast *cast);
void keyring_close(struct keyring *keyring);
bool keyring_find(const struct keyring *keyring, enum table table, const uint64_t hash[COLUMNS_MAX],
                  uint32_t *device, uint32_t *row);

#endif
