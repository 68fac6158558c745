/* A trio: three parties in one folder, of which the first is there, and has founded a library. Who
 * else comes is each test's matter. */
#ifndef TESTS_LIB_TRIO_H
#define TESTS_LIB_TRIO_H

#include "tests/lib/party.h"

struct trio {
    char folder[SCRATCH_PATH];
    struct party a, b, c;
};

/* For cmocka; *state becomes the trio. What is still open at the end is closed. */
int trio_open(void **state);
int trio_close(void **state);
#define TRIO_TEST(name) cmocka_unit_test_setup_teardown(name, trio_open, trio_close)

/* b and c have come in by invites of a, each by the name it has here, and every one knows all. They
 * stay open; each has its session with a. */
void trio_meet(struct trio *trio);
/* The path of a party's key file. */
void trio_key(const struct party *party, char path[SCRATCH_PATH + 32]);
/* How `party` lists a device: its state and name. Fails the test if it does not. */
void trio_assert_listed(struct party *party, const uint8_t device[16], enum weft_member_state state,
                        const char *name);

#endif
