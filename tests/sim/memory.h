/* Allocations that fail: malloc and its kin in the engine's own objects, and SQLite's.
 *
 * A program that wants it links memory_wrap.c with --wrap (tests/CMakeLists.txt), and calls
 * memory_install() before SQLite is used. There is one state for the process, as there is one
 * malloc. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SQLite's allocations go the same way from now on. */
void memory_install(void);

/* Says whose work is done from now on (NULL: that of who looks on, for whom nothing fails), and
 * returns whose it was before. */
const void *memory_at_work(const void *who);

/* The `allocations`th allocation of `who` from now (1: the next) fails, once, or it and all that
 * follow, until memory_mend(). Only one at a time has this. */
void memory_fail(const void *who, uint64_t allocations, bool for_ever);
void memory_mend(const void *who);
/* Whether one may fail from now on; whether one has, since memory_mend(). */
bool memory_ails(const void *who);
bool memory_failed(const void *who);
/* How many have failed in this process. */
uint64_t memory_failures(void);

/* calloc() and realloc() for what the simulator needs amid an engine's work; never NULL. */
void *memory_new(size_t size);
void *memory_grow(void *block, size_t size);

/* Told of each allocation of anybody; true: it fails. NULL: nobody is. */
typedef bool memory_watcher(void *context, const void *who);
void memory_watch(memory_watcher *watcher, void *context);

/* Whether the allocation that is asked for now fails. For memory_wrap.c. */
bool memory_strikes(void);

#endif
