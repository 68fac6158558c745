/* See trio.h. */
#include "tests/lib/trio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

int trio_open(void **state) {
    struct trio *trio = calloc(1, sizeof *trio);
    const struct weft_config config = {.name = "a"};
    assert_non_null(trio);
    *state = trio;
    scratch_make(trio->folder);
    party_start_with(&trio->a, trio->folder, "a", NULL, &config);
    return 0;
}

int trio_close(void **state) {
    struct trio *trio = *state;
    party_leave(&trio->a);
    party_leave(&trio->b);
    party_leave(&trio->c);
    scratch_remove(trio->folder);
    free(trio);
    return 0;
}

void trio_meet(struct trio *trio) {
    char link[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    party_invite(&trio->a, NULL, link);
    party_join(&trio->c, trio->folder, "c", link);
    party_wait_members(&trio->a, 3);
    party_wait_members(&trio->b, 3);
    party_wait_members(&trio->c, 3);
}

void trio_key(const struct party *party, char path[SCRATCH_PATH + 32]) {
    int size = snprintf(path, SCRATCH_PATH + 32, "%s-key", party->path);
    assert_in_range(size, 1, SCRATCH_PATH + 31);
}

void trio_assert_listed(struct party *party, const uint8_t device[16], enum weft_member_state state,
                        const char *name) {
    struct weft_member members[16];
    unsigned count = weft_members(party->engine, members, 16);
    assert_in_range(count, 0, 16);
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(members[i].device, device, 16) != 0) continue;
        assert_int_equal(members[i].state, state);
        assert_int_equal(members[i].self, memcmp(device, party->device, 16) == 0);
        assert_string_equal(members[i].name, name);
        return;
    }
    fail_msg("%s is not listed", name);
}
