/* Where the tests of the writer and the reader take place: a library of device ME with a location,
 * 0xaa, and a run to fill. Other devices are THEM and OTHERS. */
#ifndef TESTS_LIB_PLACE_H
#define TESTS_LIB_PLACE_H

#include "tests/lib/library.h"

enum { ME = 1, THEM = 2, OTHERS = 3 };

struct place {
    char folder[SCRATCH_PATH];
    struct library a;
    struct run run;
    struct writer_tally tally; /* of the last place_commits() or place_receives() */
};

extern const char place_schema[];

/* For cmocka; *state becomes the place. */
int place_setup(void **state);
int place_teardown(void **state);

/* Begins the run anew, for `table`. */
struct run *place_fresh(struct place *place, const char *table);
/* Commits the run as own rows; fails the test if that fails. */
void place_commits(struct place *place);
/* The run is refused with `status` and a sentence that contains `said`. */
void place_refused(struct place *place, enum weft_status status, const char *said);
/* Applies the run as rows of `owner`. */
void place_receives(struct place *place, uint8_t owner);

enum row_op place_op(const struct place *place, uint32_t row);
uint64_t place_version(const struct place *place, uint32_t row);
int64_t place_count(const struct place *place, const char *sql);
/* The first column of the first row is this text. */
void place_text(const struct place *place, const char *sql, const char *wanted);

#endif
