/* A pair: ann and bob, two members of one library with owned and shared tables, who have no session
 * yet, and a look at the file of one of them. For tests of what is seen from outside.
 *
 * Beside the tables of a party there is tag(id TEXT, name TEXT, color TEXT, made_by BLOB), shared,
 * whose last column is @node. What a helper cannot do fails the test. */
#ifndef TESTS_LIB_PAIR_H
#define TESTS_LIB_PAIR_H

#include "engine/weft_look.h"
#include "tests/lib/party.h"

struct pair {
    char folder[SCRATCH_PATH];
    struct party a, b; /* ann, who has founded the library, and bob */
    weft_look *look;
};

/* For cmocka; *state becomes the pair. */
int pair_open(void **state);
int pair_close(void **state);
#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

void pair_must(enum weft_status status, const struct weft_error *why);
/* Looks at the file of a party; the look before that is closed. */
weft_look *pair_look(struct pair *pair, const struct party *party);

/* The value of a terminated text. */
struct weft_value pair_text(const char *value);
/* One durable transaction each. */
void pair_put_tag(struct party *party, const char *id, const char *name);
void pair_set_tag(struct party *party, const char *id, const char *column, const char *value);
void pair_delete_tag(struct party *party, const char *id);

/* Changes the file behind the library's back. */
void pair_meddle(struct party *party, const char *sql);

#endif
