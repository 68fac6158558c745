/* The shared tables of the simulated application, which every device may write: tags, objects,
 * which tag is on which object, and albums, which the newer version has. Their rows are few, and
 * the same for all: [0, COMMONS_ROWS).
 *
 * A value is known by its hash (tables.h), here and in everything that judges. */
#ifndef SIM_COMMONS_H
#define SIM_COMMONS_H

#include "tests/sim/tables.h"

enum commons_table { COMMONS_TAG, COMMONS_OBJECT, COMMONS_LINK, COMMONS_ALBUM, COMMONS_COUNT };

#define COMMONS_COLUMNS 7u
#define COMMONS_TAGS 10u
#define COMMONS_OBJECTS 8u
#define COMMONS_LINKS 16u
#define COMMONS_ALBUMS 6u
#define COMMONS_ROWS (COMMONS_TAGS + COMMONS_OBJECTS + COMMONS_LINKS + COMMONS_ALBUMS)

/* What a seed adds to the table of tags. */
struct commons_rules {
    bool unique;  /* no two tags of one name */
    bool checked; /* no note without a color */
    bool picky;   /* the older version takes no sample of others that has no total */
};

struct commons_shape {
    const char *name;
    const char *columns[COMMONS_COLUMNS];
    uint32_t old_columns; /* so many the older version has; 0: nor the table */
    uint32_t column_count;
    uint32_t key_count;                /* the first columns */
    uint32_t node;                     /* the column that holds who wrote the row; 0: none */
    bool atomic;                       /* a creation says nothing of what is NULL */
    uint32_t optional;                 /* flags by column: NULL means "not given" */
    int64_t defaults[COMMONS_COLUMNS]; /* INTEGERs; 0: NULL */
    uint32_t first_row, row_count;
};
extern const struct commons_shape commons_shapes[COMMONS_COUNT];

enum commons_column { TAG_NAME = 1, TAG_COLOR = 2, TAG_NOTE = 3 };

/* The schema of the whole application. `upgrade`: for a file that the older version has made. */
const char *commons_schema(const struct commons_rules *rules, enum version version, bool upgrade);

enum commons_table commons_table_of(uint32_t row);
/* As table_columns(). */
uint32_t commons_columns(enum commons_table table, enum version version);
/* Draws the cells of a row that the version has: the key's, and values that a put may give. */
void commons_draw(struct cells *cells, const struct cast *cast, uint32_t row, enum version version,
                  struct rng *rng);
/* A column that weft_set() may set; its cell is drawn again so that it may. */
uint32_t commons_settable(struct cells *cells, enum commons_table table, enum version version,
                          struct rng *rng);
/* Which row a key names, from the hashes of its columns; false: none. */
bool commons_find(const struct cast *cast, enum commons_table table, const uint64_t *key,
                  uint32_t *row);
/* The hash of what a column shows that nobody has written. */
uint64_t commons_default(enum commons_table table, uint32_t column);
/* The hash of a device's id, as a node column shows it. */
uint64_t commons_node(const struct cast *cast, uint32_t device);

#endif
