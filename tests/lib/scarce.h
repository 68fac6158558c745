/* Memory that runs out at a chosen call: of SQLite, or of weft's own allocations.
 *
 * The linker leads the calls that a test program makes of SQLite, and of malloc(), through this
 * file (--wrap, tests/CMakeLists.txt: for programs that include this header). Within the chosen
 * call of SQLite no memory is given and no page can be had, as often as it asks, so that it fails
 * as SQLite itself fails, with its own message and its own consequences for the transaction. A call
 * that asks for none succeeds; then it is the next one's turn. One thread only.
 *
 *     for (at = 1;; at = scarce_struck() + 1) {
 *         scarce_begin(SCARCE_SQLITE, at);
 *         status = what_is_tested();
 *         if (!scarce_end()) break;
 *     } */
#ifndef TESTS_LIB_SCARCE_H
#define TESTS_LIB_SCARCE_H

#include <stdbool.h>
#include <stdint.h>

enum scarce_kind {
    SCARCE_SQLITE, /* a call of SQLite */
    SCARCE_HEAP,   /* an allocation of weft's, but not SQLite's */
    SCARCE_ARENA   /* a block of an arena, taken or grown */
};

/* How many of the calls from one place in the source (to SQLite: with the same SQL) count: 1 to
 * SQLite and 12 others, until this says something else. 0: as in the beginning. */
void scarce_repeats(unsigned times);
/* From the `call`th call on (1: the next), until one has failed. */
void scarce_begin(enum scarce_kind kind, uint64_t call);
/* Whether one has. */
bool scarce_end(void);
/* Which one it was, of the last time one did. */
uint64_t scarce_struck(void);

#endif
