/* See scarce.h. Calls that give SQLite memory to keep, and those that do not fail, are not here. */
#include "tests/lib/scarce.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"

#define PLACES 4096u

static struct {
    enum scarce_kind kind;
    bool armed, refusing; /* refusing: within the call */
    unsigned within; /* calls of SQLite under way: what its disk allocates is no business of ours */
    uint64_t call, chosen, struck;
    unsigned repeats;
    struct {
        uint64_t place;
        unsigned times;
    } seen[PLACES]; /* where calls came from */
    sqlite3_mem_methods memory;
    sqlite3_pcache_methods2 pages;
} scarce;

/* ---- what SQLite asks for -------------------------------------------------------------------- */

static void *give(int size) {
    return scarce.refusing ? NULL : scarce.memory.xMalloc(size);
}

static void *give_more(void *old, int size) {
    return scarce.refusing ? NULL : scarce.memory.xRealloc(old, size);
}

/* Pages that are only asked after, when they are here already, are not refused. */
static sqlite3_pcache_page *give_page(sqlite3_pcache *cache, unsigned key, int create) {
    if (scarce.refusing && create != 0) return NULL;
    return scarce.pages.xFetch(cache, key, create);
}

/* Before main(): SQLite takes these before its first use only. */
__attribute__((constructor)) static void install(void) {
    sqlite3_mem_methods memory;
    sqlite3_pcache_methods2 pages;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &scarce.memory);
    memory = scarce.memory;
    memory.xMalloc = give;
    memory.xRealloc = give_more;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &scarce.pages);
    pages = scarce.pages;
    pages.xFetch = give_page;
    sqlite3_config(SQLITE_CONFIG_PCACHE2, &pages);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

void scarce_begin(enum scarce_kind kind, uint64_t call) {
    scarce.kind = kind;
    scarce.armed = true;
    scarce.refusing = false;
    scarce.call = 0;
    memset(scarce.seen, 0, sizeof scarce.seen);
    scarce.chosen = call;
}

void scarce_repeats(unsigned times) {
    scarce.repeats = times;
}

bool scarce_end(void) {
    const bool struck = !scarce.armed;
    scarce.armed = scarce.refusing = false;
    return struck;
}

uint64_t scarce_struck(void) {
    return scarce.struck;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Whether a call is one of the first from its place in the source, with this SQL. */
static bool counts(const void *from, const char *sql) {
    uint64_t place = (uint64_t)(uintptr_t)from;
    for (; sql != NULL && *sql != 0; sql++)
        place = (place ^ (uint8_t)*sql) * UINT64_C(1099511628211);
    uint32_t at = (uint32_t)(place * UINT64_C(11400714819323198485) >> 52);
    while (scarce.seen[at].times > 0 && scarce.seen[at].place != place)
        at = (at + 1) % PLACES;
    scarce.seen[at].place = place;
    if (scarce.repeats > 0) return ++scarce.seen[at].times <= scarce.repeats;
    return ++scarce.seen[at].times <= (scarce.kind == SCARCE_SQLITE ? 1 : 12);
}

static void enter(const void *from, const char *sql) {
    if (scarce.within++ > 0) return;
    if (!scarce.armed || scarce.kind != SCARCE_SQLITE) return;
    if (counts(from, sql)) scarce.call++;
    scarce.refusing = scarce.call >= scarce.chosen;
}

static void leave(bool failed) {
    if (--scarce.within > 0) return;
    if (scarce.refusing && failed) {
        scarce.armed = false;
        scarce.struck = scarce.call;
    }
    scarce.refusing = false;
}

static int code(int result) {
    leave(result != SQLITE_OK && result != SQLITE_ROW && result != SQLITE_DONE);
    return result;
}

/* Those that do not fail. */
#define PASS(name, parameter)                            \
    int __real_sqlite3_##name(parameter);                \
    int __wrap_sqlite3_##name(parameter);                \
    int __wrap_sqlite3_##name(parameter) {               \
        scarce.within++;                                 \
        const int result = __real_sqlite3_##name(given); \
        scarce.within--;                                 \
        return result;                                   \
    }

PASS(close, sqlite3 *given)
PASS(finalize, sqlite3_stmt *given)
PASS(reset, sqlite3_stmt *given)

#define WRAP(name, parameters, arguments, sql_text)   \
    int __real_sqlite3_##name parameters;             \
    int __wrap_sqlite3_##name parameters;             \
    int __wrap_sqlite3_##name parameters {            \
        enter(__builtin_return_address(0), sql_text); \
        return code(__real_sqlite3_##name arguments); \
    }

WRAP(step, (sqlite3_stmt * statement), (statement), sqlite3_sql(statement))
WRAP(prepare_v2, (sqlite3 * db, const char *sql, int size, sqlite3_stmt **out, const char **tail),
     (db, sql, size, out, tail), sql)
WRAP(prepare_v3,
     (sqlite3 * db, const char *sql, int size, unsigned flags, sqlite3_stmt **out,
      const char **tail),
     (db, sql, size, flags, out, tail), sql)
WRAP(exec,
     (sqlite3 * db, const char *sql, int (*row)(void *, int, char **, char **), void *context,
      char **why),
     (db, sql, row, context, why), sql)
WRAP(open_v2, (const char *path, sqlite3 **out, int flags, const char *vfs),
     (path, out, flags, vfs), NULL)
WRAP(bind_text,
     (sqlite3_stmt * statement, int place, const char *text, int size, void (*drop)(void *)),
     (statement, place, text, size, drop), NULL)
WRAP(bind_blob,
     (sqlite3_stmt * statement, int place, const void *bytes, int size, void (*drop)(void *)),
     (statement, place, bytes, size, drop), NULL)
WRAP(create_function_v2,
     (sqlite3 * db, const char *name, int count, int flags, void *context,
      void (*call)(sqlite3_context *, int, sqlite3_value **),
      void (*step)(sqlite3_context *, int, sqlite3_value **), void (*end)(sqlite3_context *),
      void (*drop)(void *)),
     (db, name, count, flags, context, call, step, end, drop), name)
WRAP(table_column_metadata,
     (sqlite3 * db, const char *base, const char *table, const char *column, const char **type,
      const char **collation, int *not_null, int *key, int *counts),
     (db, base, table, column, type, collation, not_null, key, counts), NULL)
WRAP(wal_checkpoint_v2, (sqlite3 * db, const char *base, int mode, int *log, int *copied),
     (db, base, mode, log, copied), NULL)

char *__real_sqlite3_vmprintf(const char *format, va_list values);
char *__wrap_sqlite3_vmprintf(const char *format, va_list values);
char *__wrap_sqlite3_mprintf(const char *format, ...);
char *__real_sqlite3_str_finish(sqlite3_str *text);
char *__wrap_sqlite3_str_finish(sqlite3_str *text);
void __wrap_sqlite3_str_appendf(sqlite3_str *text, const char *format, ...);

char *__wrap_sqlite3_vmprintf(const char *format, va_list values) {
    enter(__builtin_return_address(0), format);
    char *text = __real_sqlite3_vmprintf(format, values);
    leave(text == NULL);
    return text;
}

char *__wrap_sqlite3_mprintf(const char *format, ...) {
    va_list values;
    va_start(values, format);
    char *text = __wrap_sqlite3_vmprintf(format, values);
    va_end(values);
    return text;
}

char *__wrap_sqlite3_str_finish(sqlite3_str *text) {
    enter(__builtin_return_address(0), NULL);
    char *out = __real_sqlite3_str_finish(text);
    leave(out == NULL);
    return out;
}

void __wrap_sqlite3_str_appendf(sqlite3_str *text, const char *format, ...) {
    va_list values;
    va_start(values, format);
    enter(__builtin_return_address(0), format);
    const bool before = sqlite3_str_errcode(text) != SQLITE_OK;
    sqlite3_str_vappendf(text, format, values);
    leave(!before && sqlite3_str_errcode(text) != SQLITE_OK);
    va_end(values);
}

/* ---- weft's own allocations ------------------------------------------------------------------ */

static bool refuses(enum scarce_kind kind, const void *from) {
    if (!scarce.armed || scarce.kind != kind || scarce.within > 0) return false;
    if (!counts(from, NULL) || ++scarce.call < scarce.chosen) return false;
    scarce.armed = false;
    scarce.struck = scarce.call;
    return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size) {
    return refuses(SCARCE_HEAP, __builtin_return_address(0)) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return refuses(SCARCE_HEAP, __builtin_return_address(0)) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return refuses(SCARCE_HEAP, __builtin_return_address(0)) ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return refuses(SCARCE_HEAP, __builtin_return_address(0))
               ? NULL
               : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text) {
    return refuses(SCARCE_HEAP, __builtin_return_address(0)) ? NULL : __real_strdup(text);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

void *__real_arena_take(struct arena *arena, size_t size);
void *__wrap_arena_take(struct arena *arena, size_t size);
void *__real_arena_zero(struct arena *arena, size_t size);
void *__wrap_arena_zero(struct arena *arena, size_t size);
void *__real_arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size);
void *__wrap_arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size);

void *__wrap_arena_take(struct arena *arena, size_t size) {
    if (refuses(SCARCE_ARENA, __builtin_return_address(0))) return NULL;
    return __real_arena_take(arena, size);
}

void *__wrap_arena_zero(struct arena *arena, size_t size) {
    if (refuses(SCARCE_ARENA, __builtin_return_address(0))) return NULL;
    return __real_arena_zero(arena, size);
}

void *__wrap_arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size) {
    if (refuses(SCARCE_ARENA, __builtin_return_address(0))) return NULL;
    return __real_arena_grow(arena, block, old_size, new_size);
}
