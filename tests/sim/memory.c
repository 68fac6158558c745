/* See memory.h.
 *
 * Invariant: an allocation fails only between memory_at_work() with somebody, and with nobody; so
 * what the simulator itself needs in between it takes under memory_at_work(NULL).
 * Deliberately not here: malloc itself (memory_wrap.c). */
#include "tests/sim/memory.h"

#include <malloc.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "tests/sim/heap.h"

/* There is one malloc in a process, and so one of these. */
static struct {
    const void
        *volatile worker; /* read in malloc(), of which compilers know that it reads nothing */
    const void *who;      /* whose allocations fail */
    uint64_t in;          /* allocations until it strikes; 0: never */
    bool for_ever, failed;
    uint64_t failures;
    memory_watcher *watcher;
    void *context;
} memory;

const void *memory_at_work(const void *who) {
    const void *before = memory.worker;
    memory.worker = who;
    return before;
}

void memory_fail(const void *who, uint64_t allocations, bool for_ever) {
    memory.who = who;
    memory.in = allocations;
    memory.for_ever = for_ever;
    memory.failed = false;
}

void memory_mend(const void *who) {
    if (memory.who != who) return;
    memory.who = NULL;
    memory.in = 0;
    memory.failed = false;
}

bool memory_ails(const void *who) {
    return who == NULL ? memory.who != NULL : memory.who == who && memory.in != 0;
}

bool memory_failed(const void *who) {
    return memory.who == who && memory.failed;
}

uint64_t memory_failures(void) {
    return memory.failures;
}

void memory_watch(memory_watcher *watcher, void *context) {
    memory.watcher = watcher;
    memory.context = context;
}

static bool counts_down(void) {
    if (memory.who != memory.worker || memory.in == 0) return false;
    if (memory.in > 1) {
        memory.in--;
        return false;
    }
    if (!memory.for_ever) memory.in = 0;
    return true;
}

bool memory_strikes(void) {
    const void *worker = memory.worker;
    if (worker == NULL) return false;
    memory.worker = NULL; /* Whoever is told may take memory. */
    const bool told = memory.watcher != NULL && memory.watcher(memory.context, worker);
    memory.worker = worker;
    if (!told && !counts_down()) return false;
    if (memory.who == worker) memory.failed = true;
    memory.failures++;
    return true;
}

void *memory_new(size_t size) {
    const void *worker = memory_at_work(NULL);
    void *block = calloc(1, size);
    (void)memory_at_work(worker);
    CHECK(block != NULL);
    return block;
}

void *memory_grow(void *block, size_t size) {
    const void *worker = memory_at_work(NULL);
    void *grown = realloc(block, size);
    (void)memory_at_work(worker);
    CHECK(grown != NULL);
    return grown;
}

/* ---- SQLite's -------------------------------------------------------------------------------- */

static void *sqlite_malloc(int size) {
    return memory_strikes() ? NULL : heap_new(size);
}

static void *sqlite_realloc(void *block, int size) {
    return memory_strikes() ? NULL : heap_resize(block, size);
}

static int sqlite_begin(void *context) {
    (void)context;
    return SQLITE_OK;
}

static void sqlite_end(void *context) {
    (void)context;
}

void memory_install(void) {
    static bool installed;
    if (installed) return;
    installed = true;
    /* An engine sets aside more than it ever writes: large blocks come from the system as they are,
     * and what is freed is kept for the next world. */
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    /* One thread; and who forks while it allocates must not find that its mutexes are another's. */
    CHECK(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
    CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    const sqlite3_mem_methods methods = {.xMalloc = sqlite_malloc,
                                         .xFree = heap_free,
                                         .xRealloc = sqlite_realloc,
                                         .xSize = heap_size,
                                         .xRoundup = heap_round,
                                         .xInit = sqlite_begin,
                                         .xShutdown = sqlite_end};
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
}
