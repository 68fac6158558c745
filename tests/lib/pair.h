/* A pair: two parties, a who has founded a library and b who came into it by an invite, and a look
 * at the file of one of them. For tests of what two devices do, and of what is seen from outside.
 * What a helper cannot do fails the test. */
#ifndef TESTS_LIB_PAIR_H
#define TESTS_LIB_PAIR_H

#include "engine/weft_look.h"
#include "tests/lib/party.h"

struct pair {
    char folder[SCRATCH_PATH];
    struct party a, b; /* who has founded the library, and the other */
    weft_look *look;
};

/* For cmocka: *state becomes the pair. */

/* Called ann and bob, without a session. Beside the tables of a party there is, shared,
 * tag(id TEXT, name TEXT, color TEXT, made_by BLOB), whose last column is @node. */
int pair_open(void **state);
/* With the tables of a party: without a session; a listens; a session stands. */
int pair_apart(void **state);
int pair_listen(void **state);
int pair_meet(void **state);
int pair_close(void **state);
#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)
#define PAIR_APART_TEST(name) cmocka_unit_test_setup_teardown(name, pair_apart, pair_close)
#define PAIR_LISTENING_TEST(name) cmocka_unit_test_setup_teardown(name, pair_listen, pair_close)
#define PAIR_MET_TEST(name) cmocka_unit_test_setup_teardown(name, pair_meet, pair_close)

/* ... and with settings of their own. */
struct pair *pair_start(void **state, const struct weft_config *ann, const struct weft_config *bob);
/* Closes both and compares their files. */
void pair_assert_equal(struct pair *pair);

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
