/* Who belongs to a library: founding, invites, coming in, and the key file that a device is known
 * by. Removing: test_removal.c. */
#include <fcntl.h>
#include <pthread.h>
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

#include "tests/lib/meeting.h"
#include "tests/lib/stranger.h"
#include "tests/lib/trio.h"

/* Coming in with this link must fail so. What the attempt leaves is `name` in the folder. */
static void joining_fails(struct trio *trio, const char *name, const char *link,
                          enum weft_status status) {
    char path[SCRATCH_PATH + 16];
    struct weft_error why = {0};
    weft_engine *engine = (weft_engine *)(uintptr_t)1;
    snprintf(path, sizeof path, "%s/%s.db", trio->folder, name);
    const struct weft_config config = {.path = path, .schema = party_schema};
    enum weft_status got = weft_join(&config, link, PARTY_PATIENCE_MS, &engine, &why);
    if (got != status)
        fail_msg("%s instead of %s: %s", weft_status_name(got), weft_status_name(status), why.text);
    assert_null(engine);
    assert_int_equal(why.status, status);
    assert_string_not_equal(why.text, "");
}

/* ---- founding ---- */

static void whoever_opens_a_new_file_founds_a_library_of_its_own(void **state) {
    struct trio *trio = *state;
    struct weft_member members[4];
    uint8_t library[16];
    assert_int_equal(weft_members(trio->a.engine, members, 4), 1);
    assert_true(members[0].self);
    assert_int_equal(members[0].state, WEFT_MEMBER);
    assert_memory_equal(members[0].device, trio->a.device, 16);
    assert_string_equal(members[0].name, "a");
    assert_int_equal(weft_member_count(trio->a.engine), 1);
    party_start(&trio->b, trio->folder, "b", NULL);
    assert_memory_not_equal(trio->b.library, trio->a.library, 16);
    assert_memory_not_equal(trio->b.device, trio->a.device, 16);
    /* It stays what it is. */
    memcpy(library, trio->a.library, sizeof library);
    party_leave(&trio->a);
    party_return(&trio->a);
    assert_memory_equal(trio->a.library, library, sizeof library);
    assert_int_equal(weft_member_count(trio->a.engine), 1);
}

/* ---- coming in ---- */

static void an_invite_lets_a_device_in_and_both_show_one_code(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    static const enum weft_event_kind kinds[] = {WEFT_EVENT_JOINING, WEFT_EVENT_MEMBER};
    struct weft_event here[2], there[2];
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    party_wait_events(&trio->a, kinds, 2, here);
    party_wait_events(&trio->b, kinds, 2, there);
    assert_memory_equal(here[0].device, trio->b.device, 16);
    assert_memory_equal(there[0].device, trio->a.device, 16);
    assert_int_equal(here[0].count, there[0].count);
    assert_in_range(here[0].count, 0, 999999);
    assert_memory_equal(here[1].device, trio->b.device, 16);
    assert_memory_equal(trio->b.library, trio->a.library, 16);
    struct party *const both[] = {&trio->a, &trio->b};
    for (int i = 0; i < 2; i++) {
        party_wait_members(both[i], 2);
        trio_assert_listed(both[i], trio->a.device, WEFT_MEMBER, "a");
        trio_assert_listed(both[i], trio->b.device, WEFT_MEMBER, "b");
    }
    /* The session by which it came in carries rows, both ways. */
    party_wait(&trio->a, party_put(&trio->a, 1, "from a", 1), WEFT_EVERYWHERE, 0);
    party_wait(&trio->b, party_put(&trio->b, 1, "from b", 2), WEFT_EVERYWHERE, 0);
    assert_int_equal(party_number(&trio->a, "SELECT sum(size) FROM entry"), 3);
    assert_int_equal(party_number(&trio->b, "SELECT sum(size) FROM entry"), 3);
}

static void a_session_that_is_dialled_twice_shows_no_code_twice(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    party_start(&trio->b, trio->folder, "b", &trio->a);
    while (weft_next_event(trio->a.engine, &event))
        continue;
    party_connect(&trio->b, &trio->a);
    party_wait(&trio->b, party_put(&trio->b, 1, "one", 1), WEFT_REPLICATED, 1);
    while (weft_next_event(trio->a.engine, &event))
        assert_int_not_equal(event.kind, WEFT_EVENT_JOINING);
}

static void an_invite_works_once(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    joining_fails(trio, "c", link, WEFT_INVITE);
    assert_int_equal(weft_member_count(trio->a.engine), 2);
    assert_int_equal(weft_member_count(trio->b.engine), 2);
}

static void an_invite_ends_after_its_time(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    const struct weft_invite options = {.seconds = 1};
    party_invite(&trio->a, &options, link);
    party_stays_quiet(&trio->a, 1100); /* What is waited for is the time itself. */
    joining_fails(trio, "b", link, WEFT_INVITE);
    assert_int_equal(weft_member_count(trio->a.engine), 1);
}

/* Somebody who knows the invite's name, which is no secret, guesses what it stands for. */
static void fail_with_invite(struct trio *trio, const char *link, unsigned times) {
    struct stranger stranger;
    uint8_t m1[HANDSHAKE_M1];
    stranger_draw(&stranger, &trio->a, trio->a.library);
    stranger_link_key(link, stranger.target.psk);
    for (unsigned i = 0; i < times; i++) {
        stranger_m1(&stranger, HANDSHAKE_INVITE, m1);
        m1[M1_SEALED_AT] ^= 1;
        stranger_repair(&stranger, m1);
        stranger_is_ignored(trio->a.address, m1, sizeof m1);
    }
}

static void two_failures_do_not_burn_an_invite(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    fail_with_invite(trio, link, 2);
    party_join(&trio->b, trio->folder, "b", link);
    party_wait_members(&trio->a, 2);
}

static void three_failures_burn_an_invite(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX], another[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    party_invite(&trio->a, NULL, another);
    fail_with_invite(trio, link, 3);
    joining_fails(trio, "b", link, WEFT_INVITE);
    /* Only that one. */
    party_join(&trio->c, trio->folder, "c", another);
    party_wait_members(&trio->a, 2);
}

static void one_invite_too_many_ends_the_oldest(void **state) {
    struct trio *trio = *state;
    char oldest[WEFT_LINK_MAX], second[WEFT_LINK_MAX], link[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, oldest);
    party_invite(&trio->a, NULL, second);
    for (int i = 2; i < 17; i++)
        party_invite(&trio->a, NULL, link);
    joining_fails(trio, "b", oldest, WEFT_INVITE);
    party_join(&trio->b, trio->folder, "b", second);
    party_join(&trio->c, trio->folder, "c", link);
}

static void a_link_that_was_damaged_is_no_invite(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX], path[SCRATCH_PATH + 16];
    party_invite(&trio->a, NULL, link);
    size_t size = strlen(link);
    static const char *const bad[] = {"", "weft:1:", "weft:2:AAAA", "https://example.org/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        joining_fails(trio, "b", bad[i], WEFT_INVITE);
    for (size_t at = 0; at < size; at += 11) {
        char kept = link[at];
        link[at] = kept == 'A' ? 'B' : 'A';
        joining_fails(trio, "b", link, WEFT_INVITE);
        link[at] = kept;
    }
    link[size - 1] = '\0';
    joining_fails(trio, "b", link, WEFT_INVITE);
    /* Nothing was made for what could not be read. */
    snprintf(path, sizeof path, "%s/b.db", trio->folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_failed_attempt_can_be_made_good_with_its_file(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX], other[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    joining_fails(trio, "c", link, WEFT_INVITE);
    /* The file is for that library, of which it is no member yet. */
    const struct weft_config nothing = {0};
    party_start_with(&trio->c, trio->folder, "c", NULL, &nothing);
    assert_memory_equal(trio->c.library, trio->a.library, 16);
    assert_int_equal(weft_member_count(trio->c.engine), 0);
    assert_int_equal(weft_members(trio->c.engine, NULL, 0), 0);
    assert_int_equal(weft_invite(trio->c.engine, NULL, other, sizeof other, NULL), WEFT_DENIED);
    party_leave(&trio->c);
    party_invite(&trio->a, NULL, link);
    party_join(&trio->c, trio->folder, "c", link);
    party_wait_members(&trio->c, 3);
    party_wait_members(&trio->a, 3);
    party_wait(&trio->c, party_put(&trio->c, 1, "at last", 1), WEFT_REPLICATED, 1);
}

static void a_file_of_one_library_does_not_come_into_another(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    party_start(&trio->b, trio->folder, "b", NULL);
    party_leave(&trio->b);
    party_invite(&trio->a, NULL, link);
    joining_fails(trio, "b", link, WEFT_OTHER_LIBRARY);
    /* The invite is none the worse for it. */
    party_join(&trio->c, trio->folder, "c", link);
}

/* ---- asking a person ---- */

struct joiner {
    pthread_t thread;
    struct weft_config config;
    const char *link;
    weft_engine *engine;
    enum weft_status status;
    struct weft_error why;
};

static void *joiner_main(void *context) {
    struct joiner *joiner = context;
    joiner->status =
        weft_join(&joiner->config, joiner->link, PARTY_PATIENCE_MS, &joiner->engine, &joiner->why);
    return NULL;
}

static void join_while_asked(struct trio *trio, bool yes, struct joiner *joiner) {
    const struct weft_invite options = {.confirm = true};
    char link[WEFT_LINK_MAX], path[SCRATCH_PATH + 16];
    struct weft_event asked;
    party_invite(&trio->a, &options, link);
    snprintf(path, sizeof path, "%s/joiner.db", trio->folder);
    *joiner = (struct joiner){.config = {.path = path, .schema = party_schema}, .link = link};
    assert_int_equal(pthread_create(&joiner->thread, NULL, joiner_main, joiner), 0);
    party_wait_event(&trio->a, WEFT_EVENT_JOINING, &asked);
    /* Nobody has said yes. */
    assert_int_equal(weft_member_count(trio->a.engine), 1);
    assert_int_equal(weft_admit(trio->a.engine, asked.device, yes), WEFT_OK);
    assert_int_equal(pthread_join(joiner->thread, NULL), 0);
}

static void a_device_that_is_admitted_is_a_member(void **state) {
    struct trio *trio = *state;
    struct joiner joiner;
    join_while_asked(trio, true, &joiner);
    assert_string_equal(weft_status_name(joiner.status), "WEFT_OK");
    assert_int_equal(weft_member_count(joiner.engine), 2);
    party_wait_members(&trio->a, 2);
    weft_close(joiner.engine);
}

static void a_device_that_is_not_admitted_stays_outside_and_leaves_nothing_behind(void **state) {
    struct trio *trio = *state;
    struct joiner joiner;
    char link[WEFT_LINK_MAX];
    int64_t records = party_number(&trio->a, "SELECT count(*) FROM shared_changes");
    join_while_asked(trio, false, &joiner);
    assert_string_equal(weft_status_name(joiner.status), "WEFT_INVITE");
    assert_null(joiner.engine);
    assert_int_equal(weft_member_count(trio->a.engine), 1);
    assert_int_equal(weft_members(trio->a.engine, NULL, 0), 1);
    assert_int_equal(party_number(&trio->a, "SELECT count(*) FROM shared_changes"), records);
    assert_int_equal(party_number(&trio->a, "SELECT count(*) FROM _weft_member"), 1);
    /* It may be asked again, and be told otherwise. */
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "joiner", link);
    party_wait_members(&trio->a, 2);
}

static void only_the_device_that_was_asked_about_is_admitted(void **state) {
    struct trio *trio = *state;
    const struct weft_invite options = {.confirm = true};
    static const uint8_t nobody[16] = {7};
    char link[WEFT_LINK_MAX];
    struct weft_event asked;
    party_invite(&trio->a, &options, link);
    const struct weft_config config = {.invite = link};
    party_start_with(&trio->b, trio->folder, "b", NULL, &config);
    party_wait_event(&trio->a, WEFT_EVENT_JOINING, &asked);
    assert_memory_equal(asked.device, trio->b.device, 16);
    assert_int_equal(weft_admit(trio->a.engine, nobody, true), WEFT_OK);
    assert_int_equal(weft_admit(trio->a.engine, trio->a.device, false), WEFT_OK);
    /* Orders are carried out one after the other: those two are, when this one is. */
    assert_int_equal(weft_admit(trio->a.engine, trio->b.device, true), WEFT_OK);
    party_wait_members(&trio->a, 2);
    party_wait_members(&trio->b, 2);
    assert_int_equal(weft_members(trio->a.engine, NULL, 0), 2);
}

static void until_somebody_says_yes_a_newcomer_gets_nothing_and_may_nothing(void **state) {
    struct trio *trio = *state;
    const struct weft_invite options = {.confirm = true};
    char link[WEFT_LINK_MAX], other[WEFT_LINK_MAX];
    struct weft_event here, there;
    uint64_t ticket = 0;
    party_wait(&trio->a, party_put(&trio->a, 1, "for members", 1), WEFT_DURABLE, 0);
    party_invite(&trio->a, &options, link);
    const struct weft_config config = {.invite = link};
    party_start_with(&trio->b, trio->folder, "b", NULL, &config);
    party_wait_event(&trio->a, WEFT_EVENT_JOINING, &here);
    party_wait_event(&trio->b, WEFT_EVENT_JOINING, &there);
    assert_int_equal(here.count, there.count);
    assert_int_equal(weft_invite(trio->b.engine, NULL, other, sizeof other, NULL), WEFT_DENIED);
    assert_int_equal(weft_revoke(trio->b.engine, trio->a.device, &ticket), WEFT_OK);
    party_wait_failure(&trio->b, ticket, WEFT_DENIED, NULL);
    assert_int_equal(weft_member_count(trio->b.engine), 0);
    assert_int_equal(weft_member_count(trio->a.engine), 1);
    assert_int_equal(party_number(&trio->b, "SELECT count(*) FROM entry"), 0);
    assert_int_equal(party_number(&trio->b, "SELECT count(*) FROM _weft_key"), 0);
    assert_int_equal(weft_admit(trio->a.engine, trio->b.device, true), WEFT_OK);
    party_wait_members(&trio->b, 2);
    party_wait_number(&trio->b, "SELECT count(*) FROM entry", 1);
}

/* ---- three devices ---- */

static void a_member_who_was_invited_invites_others(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    party_invite(&trio->b, NULL, link);
    party_join(&trio->c, trio->folder, "c", link);
    struct party *const all[] = {&trio->a, &trio->b, &trio->c};
    for (int i = 0; i < 3; i++) {
        party_wait_members(all[i], 3);
        trio_assert_listed(all[i], trio->a.device, WEFT_MEMBER, "a");
        trio_assert_listed(all[i], trio->b.device, WEFT_MEMBER, "b");
        trio_assert_listed(all[i], trio->c.device, WEFT_MEMBER, "c");
    }
    /* A and C have no session; B passes everything on. */
    party_put(&trio->c, 1, "from c", 1);
    party_put(&trio->a, 1, "from a", 2);
    party_wait_number(&trio->a, "SELECT sum(size) FROM entry", 3);
    party_wait_number(&trio->c, "SELECT sum(size) FROM entry", 3);
}

static void members_who_never_met_know_each_other_through_a_third(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX];
    party_start(&trio->b, trio->folder, "b", &trio->a);
    party_leave(&trio->a);
    party_start(&trio->c, trio->folder, "c", &trio->b); /* A is away. */
    party_return(&trio->a);
    /* To A, who has not heard of it, C is a stranger. */
    party_target(&trio->a, target);
    assert_int_equal(weft_connect(trio->c.engine, target, &why), WEFT_OK);
    party_wait_event(&trio->c, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_DENIED);
    /* B tells A; then B goes, and C, who goes on dialling, is let in. */
    party_connect(&trio->a, &trio->b);
    party_wait_members(&trio->a, 3);
    party_leave(&trio->b);
    party_wait_live(&trio->c, &trio->a, true);
    party_wait(&trio->c, party_put(&trio->c, 1, "from c", 1), WEFT_REPLICATED, 1);
    party_wait(&trio->a, party_put(&trio->a, 1, "from a", 2), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&trio->a, "SELECT sum(size) FROM entry"), 3);
    assert_int_equal(party_number(&trio->c, "SELECT sum(size) FROM entry"), 3);
}

static void a_device_is_dialled_as_soon_as_it_is_known(void **state) {
    struct trio *trio = *state;
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX];
    party_start(&trio->b, trio->folder, "b", &trio->a);
    party_leave(&trio->a);
    party_start(&trio->c, trio->folder, "c", &trio->b);
    party_listen(&trio->c);
    party_return(&trio->a);
    party_target(&trio->c, target);
    assert_int_equal(weft_connect(trio->a.engine, target, &why), WEFT_OK);
    party_connect(&trio->a, &trio->b);
    party_wait_live(&trio->a, &trio->c, true);
}

/* Opened again, a device dials those whose addresses it knows. */
static void devices_that_have_all_been_away_find_each_other_again(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    struct party *const all[] = {&trio->a, &trio->b, &trio->c};
    for (int i = 0; i < 3; i++)
        party_leave(all[i]);
    for (int i = 0; i < 3; i++) {
        party_return(all[i]);
        assert_int_equal(weft_member_count(all[i]->engine), 3);
    }
    party_wait_live(&trio->b, &trio->a, true);
    party_wait_live(&trio->c, &trio->a, true);
    party_put(&trio->b, 1, "from b", 1);
    party_put(&trio->c, 1, "from c", 2);
    for (int i = 0; i < 3; i++)
        party_wait_number(all[i], "SELECT sum(size) FROM entry", 3);
}

/* ---- key files ---- */

/* Opening fails because of the key file, and `advice` is what the message says to do. */
static void opening_fails(const struct party *party, const char *advice) {
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    enum weft_status status = weft_open(&party->config, &engine, &why);
    assert_string_equal(weft_status_name(status), "WEFT_KEY_FILE");
    assert_null(engine);
    assert_int_equal(why.status, WEFT_KEY_FILE);
    assert_non_null(strstr(why.text, party->path));
    if (strstr(why.text, advice) == NULL) fail_msg("\"%s\" does not say %s", why.text, advice);
}

static void a_key_file_of_others_or_for_others_is_refused_until_that_is_mended(void **state) {
    struct trio *trio = *state;
    char key[SCRATCH_PATH + 32];
    struct stat found;
    trio_key(&trio->a, key);
    assert_int_equal(stat(key, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    party_leave(&trio->a);
    assert_int_equal(chmod(key, 0644), 0);
    opening_fails(&trio->a, "chmod 600 ");
    assert_int_equal(chmod(key, 0600), 0);
    /* Only root can give a file away. */
    if (chown(key, 4711, (gid_t)-1) == 0) {
        opening_fails(&trio->a, "sudo chown 0 ");
        assert_int_equal(chown(key, geteuid(), (gid_t)-1), 0);
    }
    party_return(&trio->a);
}

static void a_library_without_its_key_file_is_not_opened(void **state) {
    struct trio *trio = *state;
    char key[SCRATCH_PATH + 32], kept[SCRATCH_PATH + 40];
    struct stat found;
    trio_key(&trio->a, key);
    snprintf(kept, sizeof kept, "%s.kept", key);
    party_leave(&trio->a);
    assert_int_equal(rename(key, kept), 0);
    opening_fails(&trio->a, "put back its own copy of it");
    /* No other one is made in its place. */
    assert_int_not_equal(stat(key, &found), 0);
    assert_int_equal(rename(kept, key), 0);
    party_return(&trio->a);
}

static void the_key_file_of_another_device_is_refused(void **state) {
    struct trio *trio = *state;
    char key[SCRATCH_PATH + 32], other[SCRATCH_PATH + 32];
    party_start(&trio->b, trio->folder, "b", NULL);
    party_leave(&trio->b);
    party_leave(&trio->a);
    trio_key(&trio->a, key);
    trio_key(&trio->b, other);
    assert_int_equal(rename(other, key), 0);
    opening_fails(&trio->a, "put back the key file that was made with this library");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(whoever_opens_a_new_file_founds_a_library_of_its_own),
        TRIO_TEST(an_invite_lets_a_device_in_and_both_show_one_code),
        TRIO_TEST(a_session_that_is_dialled_twice_shows_no_code_twice),
        TRIO_TEST(an_invite_works_once),
        TRIO_TEST(an_invite_ends_after_its_time),
        TRIO_TEST(two_failures_do_not_burn_an_invite),
        TRIO_TEST(three_failures_burn_an_invite),
        TRIO_TEST(one_invite_too_many_ends_the_oldest),
        TRIO_TEST(a_link_that_was_damaged_is_no_invite),
        TRIO_TEST(a_failed_attempt_can_be_made_good_with_its_file),
        TRIO_TEST(a_file_of_one_library_does_not_come_into_another),
        TRIO_TEST(a_device_that_is_admitted_is_a_member),
        TRIO_TEST(a_device_that_is_not_admitted_stays_outside_and_leaves_nothing_behind),
        TRIO_TEST(only_the_device_that_was_asked_about_is_admitted),
        TRIO_TEST(until_somebody_says_yes_a_newcomer_gets_nothing_and_may_nothing),
        TRIO_TEST(a_member_who_was_invited_invites_others),
        TRIO_TEST(members_who_never_met_know_each_other_through_a_third),
        TRIO_TEST(a_device_is_dialled_as_soon_as_it_is_known),
        TRIO_TEST(devices_that_have_all_been_away_find_each_other_again),
        TRIO_TEST(a_key_file_of_others_or_for_others_is_refused_until_that_is_mended),
        TRIO_TEST(a_library_without_its_key_file_is_not_opened),
        TRIO_TEST(the_key_file_of_another_device_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
