/* Library and key file as files: moved, copied, restored, lost. What a stamp is made of:
 * tests/unit/test_vault.c; what the store does about it: tests/unit/test_store_identity.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

#define COPIES_PATH (SCRATCH_PATH + 32)

/* ---- files ---- */

static void copy_file(const char *from, const char *to, mode_t mode) {
    static char bytes[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(in >= 0 && out >= 0);
    for (;;) {
        ssize_t got = read(in, bytes, sizeof bytes);
        assert_true(got >= 0);
        if (got == 0) break;
        assert_int_equal(write(out, bytes, (size_t)got), got);
    }
    close(in);
    close(out);
}

/* Copies a party's library, which is closed, and its key file. */
static void copy_library(const struct party *party, const char *path) {
    char key[COPIES_PATH], copy[COPIES_PATH];
    assert_null(party->engine);
    trio_key(party, key);
    snprintf(copy, sizeof copy, "%s-key", path);
    copy_file(party->path, path, 0644);
    copy_file(key, copy, 0600);
}

/* The party's file is at another path from now on. */
static void live_at(struct party *party, const char *path) {
    int size = snprintf(party->path, sizeof party->path, "%s", path);
    assert_in_range(size, 1, sizeof party->path - 1);
}

static int64_t incarnation(struct party *party) {
    return party_number(party, "SELECT value FROM _weft_meta WHERE key = 'incarnation'");
}

/* No event since it was opened says that it is a copy. */
static void assert_the_same_file(struct party *party) {
    struct weft_event event;
    while (weft_next_event(party->engine, &event))
        assert_int_not_equal(event.kind, WEFT_EVENT_RESTORED);
}

static void assert_a_copy(struct party *party, int64_t before) {
    struct weft_event event;
    party_wait_event(party, WEFT_EVENT_RESTORED, &event);
    assert_int_equal(event.count, incarnation(party));
    assert_true(incarnation(party) > before);
    assert_non_null(strstr(event.error.text, party->path));
}

/* ---- moved ---- */

static void a_library_that_was_moved_is_the_same(void **state) {
    struct trio *trio = *state;
    char path[SCRATCH_PATH + 16], key[COPIES_PATH], moved[COPIES_PATH];
    int64_t before = incarnation(&trio->a);
    party_wait(&trio->a, party_put(&trio->a, 1, "one", 1), WEFT_DURABLE, 0);
    party_leave(&trio->a);
    trio_key(&trio->a, key);
    snprintf(path, sizeof path, "%s/moved.db", trio->folder);
    snprintf(moved, sizeof moved, "%s-key", path);
    assert_int_equal(rename(trio->a.path, path), 0);
    assert_int_equal(rename(key, moved), 0);
    live_at(&trio->a, path);
    party_return(&trio->a);
    assert_the_same_file(&trio->a);
    assert_int_equal(incarnation(&trio->a), before);
    assert_int_equal(party_number(&trio->a, "SELECT count(*) FROM entry"), 1);
}

/* ---- copied ---- */

static void a_copy_in_a_second_place_is_told_and_begins_a_new_incarnation(void **state) {
    struct trio *trio = *state;
    char path[SCRATCH_PATH + 16];
    int64_t before = incarnation(&trio->a);
    party_leave(&trio->a);
    snprintf(path, sizeof path, "%s/copy.db", trio->folder);
    copy_library(&trio->a, path);
    /* The original is none the wiser. */
    party_return(&trio->a);
    assert_the_same_file(&trio->a);
    assert_int_equal(incarnation(&trio->a), before);
    party_leave(&trio->a);
    live_at(&trio->a, path);
    party_return(&trio->a);
    assert_a_copy(&trio->a, before);
    /* Once. */
    int64_t now = incarnation(&trio->a);
    party_leave(&trio->a);
    party_return(&trio->a);
    assert_the_same_file(&trio->a);
    assert_int_equal(incarnation(&trio->a), now);
}

static void a_copy_without_the_key_file_is_not_opened(void **state) {
    struct trio *trio = *state;
    char path[SCRATCH_PATH + 16], key[COPIES_PATH];
    struct weft_error why = {0};
    struct stat found;
    weft_engine *engine = NULL;
    party_leave(&trio->a);
    snprintf(path, sizeof path, "%s/copy.db", trio->folder);
    snprintf(key, sizeof key, "%s-key", path);
    copy_file(trio->a.path, path, 0644);
    const struct weft_config config = {.path = path, .schema = party_schema};
    assert_int_equal(weft_open(&config, &engine, &why), WEFT_KEY_FILE);
    assert_null(engine);
    assert_non_null(strstr(why.text, key));
    /* No other one was made in its place. */
    assert_int_not_equal(stat(key, &found), 0);
}

/* ---- restored ---- */

/* The state of yesterday is put back where the library lay. */
static void restore(struct party *party, const char *backup) {
    char key[COPIES_PATH], kept[COPIES_PATH];
    trio_key(party, key);
    snprintf(kept, sizeof kept, "%s-key", backup);
    assert_int_equal(rename(backup, party->path), 0);
    assert_int_equal(rename(kept, key), 0);
}

static void an_old_copy_put_back_is_told_and_goes_on(void **state) {
    struct trio *trio = *state;
    char path[SCRATCH_PATH + 16];
    trio_meet(trio);
    party_wait(&trio->b, party_put(&trio->b, 1, "before the backup", 1), WEFT_REPLICATED, 1);
    int64_t before = incarnation(&trio->b);
    party_leave(&trio->b);
    snprintf(path, sizeof path, "%s/backup.db", trio->folder);
    copy_library(&trio->b, path);
    party_return(&trio->b);
    party_connect(&trio->b, &trio->a);
    party_wait(&trio->b, party_put(&trio->b, 2, "after the backup", 2), WEFT_REPLICATED, 1);
    party_leave(&trio->b);
    restore(&trio->b, path);
    party_return(&trio->b);
    assert_a_copy(&trio->b, before);
    /* It is the same device to the others, and what it writes now arrives. */
    party_connect(&trio->b, &trio->a);
    party_wait(&trio->b, party_put(&trio->b, 3, "after all", 4), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&trio->a, "SELECT sum(size) FROM entry"), 7);
    assert_int_equal(weft_member_count(trio->a.engine), 3);
    assert_int_equal(weft_member_count(trio->b.engine), 3);
}

/* Yesterday's file knows nothing of an ADD that this device has signed since. It signs others as
 * another incarnation; and whom it has forgotten it takes back by another invite. */
static void whom_a_restored_device_let_in_since_comes_in_again(void **state) {
    struct trio *trio = *state;
    char path[SCRATCH_PATH + 16], link[WEFT_LINK_MAX];
    party_leave(&trio->a);
    snprintf(path, sizeof path, "%s/backup.db", trio->folder);
    copy_library(&trio->a, path);
    party_return(&trio->a);
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    party_wait_members(&trio->a, 2);
    party_leave(&trio->b);
    party_leave(&trio->a);
    restore(&trio->a, path);
    party_return(&trio->a);
    assert_int_equal(weft_member_count(trio->a.engine), 1);
    party_invite(&trio->a, NULL, link);
    party_join(&trio->c, trio->folder, "c", link);
    party_wait_members(&trio->c, 2);
    party_invite(&trio->a, NULL, link);
    trio->b.config.invite = link;
    party_return(&trio->b);
    struct party *const all[] = {&trio->a, &trio->b, &trio->c};
    for (int i = 0; i < 3; i++) {
        party_wait_members(all[i], 3);
        trio_assert_listed(all[i], trio->a.device, WEFT_MEMBER, "a");
        trio_assert_listed(all[i], trio->b.device, WEFT_MEMBER, "b");
        trio_assert_listed(all[i], trio->c.device, WEFT_MEMBER, "c");
    }
    party_put(&trio->b, 1, "from b", 1);
    party_wait_number(&trio->c, "SELECT count(*) FROM entry", 1);
    /* Of the founding and of two lives of A: nobody is taken for a forger. */
    static const char forks[] = "SELECT count(*) FROM _weft_origin WHERE fork IS NOT NULL";
    for (int i = 0; i < 3; i++)
        assert_int_equal(party_number(all[i], forks), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(a_library_that_was_moved_is_the_same),
        TRIO_TEST(a_copy_in_a_second_place_is_told_and_begins_a_new_incarnation),
        TRIO_TEST(a_copy_without_the_key_file_is_not_opened),
        TRIO_TEST(an_old_copy_put_back_is_told_and_goes_on),
        TRIO_TEST(whom_a_restored_device_let_in_since_comes_in_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
