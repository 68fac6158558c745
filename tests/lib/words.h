/* Rows in words, for tests of shared rows.
 *
 *     tag =@1 name=red color=#5; ~@1 name=blue; -@2        one run of the host, or one CHANGE op
 *
 *   row    := sign key [^back] (column=value)*    sign: = put, ~ set or update, + create, - delete
 *   key    := value (,value)*
 *   value  := #5 INTEGER | %0.5 REAL | @7 BLOB of 16 bytes 7 | null | node | anything else: TEXT
 *
 * A put names what it gives; its other columns are NULL. `back` is how far the row's stamp lies
 * below the op's. Numbers are taken as they are written, so that words are compared as texts. */
#ifndef TESTS_LIB_WORDS_H
#define TESTS_LIB_WORDS_H

#include "engine/wire/change.h"

enum { WORD_MAX = 256 };

struct word {
    char name[LIMIT_NAME + 1];
    struct weft_value value; /* in `room` */
    bool node;
    char room[WORD_MAX];
};

struct spoken {
    char sign;
    uint64_t back;
    uint32_t key_count, count;
    struct word key[LIMIT_KEY_COLUMNS];
    struct word writes[LIMIT_FIELDS];
};

/* Reads the next row, `*at` being behind the table's name or behind the last row; false at the end.
 * Fails the test if there is something else. */
bool words_next(const char **at, struct spoken *row);
/* A CHANGE op of these rows, in the arena. */
struct bytes words_body(struct arena *arena, const char *words);

/* A text under way, in the caller's room; fails the test when that is full. */
struct text {
    char *data;
    size_t size, room;
};
struct text text_begin(char *data, size_t room);
__attribute__((format(printf, 2, 3))) void text_put(struct text *text, const char *format, ...);
void text_value(struct text *text, const struct weft_value *value);
/* A sound CHANGE op, row by row. */
void text_change(struct text *text, struct bytes body);

#endif
