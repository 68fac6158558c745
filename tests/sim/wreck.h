/* What was done to the files of a disk since they were synced, one by one, and which of it a power
 * cut leaves: not drawn, as content_crash() does, but chosen.
 *
 * SQLite's documents say what to expect of a disk: writes that were not synced may be lost, done in
 * another order, or done in part (https://sqlite.org/atomiccommit.html, section 2). */
#ifndef SIM_WRECK_H
#define SIM_WRECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content;
struct wreck;

/* Name and meaning: those of all or nothing, those of a torn write, those of an order. "Writes" are
 * those that were not synced, truncations among them. */
#define WRECK_LIST(X)                                                           \
    X(LOST, "lost", "all writes are lost")                                      \
    X(KEPT, "kept", "none is lost")                                             \
    X(TORN_FIRST, "torn-first", "of the last one its first sector is there")    \
    X(TORN_HALF, "torn-half", "... the first half of its sectors")              \
    X(TORN_LAST, "torn-last", "... all but its last sector")                    \
    X(TORN_END, "torn-end", "... only its last sector")                         \
    X(LAST_ONLY, "last-only", "only the last one is there")                     \
    X(WITHOUT_FIRST, "without-first", "only the first one is lost")             \
    X(EVEN, "even", "every second one is there")                                \
    X(ODD, "odd", "... the others")                                             \
    X(DATABASE, "database", "only those to the database file itself are there") \
    X(BESIDE, "beside", "... to the files beside it")

enum wreck_kind {
#define WRECK_MEMBER(name, text, meaning) WRECK_##name,
    WRECK_LIST(WRECK_MEMBER)
#undef WRECK_MEMBER
        WRECK_KINDS
};
extern const char *const wreck_names[WRECK_KINDS];
extern const char *const wreck_meanings[WRECK_KINDS];

/* Never NULL. */
struct wreck *wreck_open(void);
/* NULL is allowed. */
void wreck_close(struct wreck *wreck);

/* Something was written to a file; `data` NULL: it has been given another size. */
void wreck_note(struct wreck *wreck, const void *file, const char *path, size_t at,
                const void *data, size_t size);
/* The file (NULL: every file) was synced, or is gone. */
void wreck_forget(struct wreck *wreck, const void *file);

/* Which of it the next crash leaves. */
void wreck_choose(struct wreck *wreck, enum wreck_kind kind);
/* Lays what is left over what was synced of a file; it is synced then. */
void wreck_lay(const struct wreck *wreck, const void *file, struct content *out);
/* A number for what a kind would leave of all files: equal ones leave the same bytes. */
uint64_t wreck_signature(const struct wreck *wreck, enum wreck_kind kind);

#endif
