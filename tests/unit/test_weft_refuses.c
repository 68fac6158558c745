/* What a host may not ask for: each wrong call has a status and a sentence that says what is wrong,
 * and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/host.h"
#include "tests/lib/alone.h"

/* ---- opening --------------------------------------------------------------------------------- */

static void a_config_that_cannot_be_meant_is_refused(void **state) {
    struct alone *alone = *state;
    static const char long_name[] =
        "a name of more than sixty-four bytes, as nobody has for a phone";
    char longer[80];
    (void)snprintf(longer, sizeof longer, "%s!!", long_name);
    const struct {
        struct weft_config config;
        enum weft_status status;
        const char *says;
    } cases[] = {
        {{.path = NULL}, WEFT_INVALID, "path"},
        {{.path = ""}, WEFT_INVALID, "path"},
        {{.path = alone->path, .peers_max = LIMIT_PEERS + 1}, WEFT_LIMIT, "16385"},
        {{.path = alone->path, .name = "\xff"}, WEFT_NOT_UTF8, "name"},
        {{.path = alone->path, .name = longer}, WEFT_INVALID, "65"},
        {{.path = alone->path, .threads = (enum weft_threads)9}, WEFT_INVALID, "9"},
        {{.path = alone->path, .invite = "weft://nonsense"}, WEFT_INVITE, "invite"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weft_error why = {0};
        weft_engine *engine = (weft_engine *)(uintptr_t)1;
        assert_int_equal(weft_open(&cases[i].config, &engine, &why), cases[i].status);
        assert_null(engine);
        assert_int_equal(why.status, cases[i].status);
        if (strstr(why.text, cases[i].says) == NULL) fail_msg("case %zu: \"%s\"", i, why.text);
        assert_int_equal(weft_open(&cases[i].config, &engine, NULL), cases[i].status);
    }
    weft_engine *engine = (weft_engine *)(uintptr_t)1;
    assert_int_equal(weft_open(NULL, &engine, NULL), WEFT_INVALID);
    assert_null(engine);
}

static void a_file_that_cannot_be_looked_at_is_not_opened(void **state) {
    struct alone *alone = *state;
    (void)alone_commits(alone, 1, "one");
    alone_run(alone);
    alone_close(alone);
    alone->stamp_fails = alone->stamps + 1;
    assert_int_equal(alone_open(alone), WEFT_IO);
    assert_non_null(strstr(alone->why.text, alone->path));
    alone_ok(alone, alone_open(alone));
    /* A file that is new is looked at before and after it is made. */
    alone_another(alone);
    alone->stamp_fails = alone->stamps + 2;
    assert_int_equal(alone_open(alone), WEFT_IO);
    alone_ok(alone, alone_open(alone));
    assert_int_equal(weft_member_count(alone->engine), 1);
}

static void a_silent_member_is_waited_for_as_long_as_the_host_says(void **state) {
    struct alone *alone = *state;
    alone_close(alone);
    alone->config.patience_h = 1;
    alone_ok(alone, alone_open(alone));
    assert_int_equal(alone->engine->settings.patience_ms, 3600000);
}

static void what_is_not_open_is_closed(void **state) {
    (void)state;
    weft_close(NULL);
}

/* ---- models ---------------------------------------------------------------------------------- */

static void a_model_that_is_not_there_has_no_columns(void **state) {
    struct alone *alone = *state;
    static const int numbers[] = {-1, 4, 64, 1000000};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_int_equal(weft_column(alone->engine, numbers[i], "id"), WEFT_INVALID);
        assert_int_equal(weft_column_count(alone->engine, numbers[i]), 0);
        assert_int_equal(weft_key_count(alone->engine, numbers[i]), 0);
    }
}

/* ---- transactions ---------------------------------------------------------------------------- */

enum call { PUT, SET, DELETE };

struct wrong {
    enum call call;
    int model; /* of alone; -1 and 99 are there as they stand */
    int column;
    struct weft_value values[3];
    unsigned count;
    enum weft_status status;
    const char *says;
};

static enum weft_status make_call(weft_tx *tx, const struct wrong *wrong) {
    switch (wrong->call) {
    case PUT:
        return weft_put(tx, wrong->model, wrong->values, wrong->count);
    case SET:
        return weft_set(tx, wrong->model, wrong->values, wrong->count, wrong->column,
                        &wrong->values[2]);
    default:
        return weft_delete(tx, wrong->model, wrong->values, wrong->count);
    }
}

static void a_wrong_call_adds_nothing_to_its_transaction(void **state) {
    struct alone *alone = *state;
    static const uint8_t somebody[WEFT_ID_SIZE] = {9};
    const struct weft_value id = alone_id(1), self = weft_blob(alone->device, WEFT_ID_SIZE);
    const struct weft_value other = weft_blob(somebody, sizeof somebody);
    const struct weft_value text = weft_text("x", 1), number = weft_integer(1), none = weft_null();
    const struct wrong cases[] = {
        {PUT, -1, 0, {id, self, text}, 3, WEFT_INVALID, "no model"},
        {PUT, 99, 0, {id, self, text}, 3, WEFT_INVALID, "no model"},
        {PUT, alone->note, 0, {id, self}, 2, WEFT_INVALID, "3 columns, 2 values"},
        {PUT, alone->note, 0, {none, self, text}, 3, WEFT_TYPE, "\"id\""},
        {PUT, alone->note, 0, {id, self, weft_text("\xc0", 1)}, 3, WEFT_NOT_UTF8, "\"body\""},
        {PUT, alone->tag, 0, {id, text, other}, 3, WEFT_INVALID, "@node"},
        {PUT, alone->tag, 0, {id, text, text}, 3, WEFT_TYPE, "\"by\""},
        {DELETE, -1, 0, {id}, 1, WEFT_INVALID, "no model"},
        {DELETE, 99, 0, {id}, 1, WEFT_INVALID, "no model"},
        {DELETE, alone->place, 0, {text}, 1, WEFT_INVALID, "2 values, 1"},
        {DELETE, alone->note, 0, {number}, 1, WEFT_TYPE, "\"id\""},
        {SET, -1, 0, {id}, 1, WEFT_INVALID, "no model"},
        {SET, 99, 0, {id}, 1, WEFT_INVALID, "no model"},
        {SET, alone->note, -1, {id}, 1, WEFT_INVALID, "no column"},
        {SET, alone->note, 3, {id}, 1, WEFT_INVALID, "no column"},
        {SET, alone->note, ALONE_NOTE_ID, {id, none, id}, 1, WEFT_INVALID, "part of the key"},
        {SET, alone->note, ALONE_NOTE_DEVICE, {id, none, none}, 1, WEFT_TYPE, "NULL"},
        {SET, alone->note, ALONE_NOTE_BODY, {id, none, number}, 1, WEFT_TYPE, "\"body\""},
        {SET, alone->note, ALONE_NOTE_BODY, {number, none, text}, 1, WEFT_TYPE, "\"id\""},
        {SET, alone->tag, ALONE_TAG_BY, {id, none, other}, 1, WEFT_INVALID, "@node"},
        {SET, alone->tag, ALONE_TAG_BY, {id, none, number}, 1, WEFT_TYPE, "\"by\""},
    };
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const enum weft_status status = make_call(tx, &cases[i]);
        const struct weft_error *why = weft_tx_why(tx);
        if (status != cases[i].status || why->status != status ||
            strstr(why->text, cases[i].says) == NULL)
            fail_msg("case %zu: %s: \"%s\"", i, weft_status_name(status), why->text);
    }
    assert_int_equal(weft_commit(tx, NULL), WEFT_INVALID); /* It is empty. */
    weft_abort(tx);
    weft_abort(NULL);
}

/* NULL, and the device's own id, are what such a column may be given. */
static void a_column_marked_node_holds_whoever_writes(void **state) {
    struct alone *alone = *state;
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE), none = weft_null();
    const struct weft_value *const given[] = {&self, &none};
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const struct weft_value id = alone_id(i);
        const struct weft_value row[] = {id, weft_null(), *given[i]};
        assert_int_equal(weft_put(tx, alone->tag, row, ALONE_TAG_COLUMNS), WEFT_OK);
        assert_int_equal(weft_set(tx, alone->tag, &id, 1, ALONE_TAG_BY, given[i]), WEFT_OK);
    }
    assert_int_equal(weft_commit(tx, NULL), WEFT_OK);
    alone_run(alone);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM tag WHERE length(by) = 16"), 2);
    assert_int_equal(alone_count(alone, "SELECT count(DISTINCT by) FROM tag"), 1);
}

static void a_transaction_of_more_than_its_limit_is_to_be_divided(void **state) {
    struct alone *alone = *state;
    enum { ROW = 900 << 10 };
    char *body = malloc(ROW + 1);
    assert_non_null(body);
    memset(body, 'x', ROW);
    body[ROW] = 0;
    weft_tx *tx = NULL;
    uint32_t rows = 0;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    enum weft_status status = WEFT_OK;
    while (rows < 1000 && (status = alone_put_note(alone, tx, rows, body)) == WEFT_OK)
        rows++;
    assert_int_equal(status, WEFT_LIMIT);
    assert_non_null(strstr(weft_tx_why(tx)->text, "commit it"));
    assert_in_range(rows, LIMIT_TX_BYTES / ROW / 2, LIMIT_TX_BYTES / ROW + 1);
    /* What it holds can be committed. */
    assert_int_equal(weft_commit(tx, NULL), WEFT_OK);
    alone_run(alone);
    assert_int_equal(alone_count(alone, "SELECT count(*) FROM note"), rows);
    free(body);
}

/* ---- rescans --------------------------------------------------------------------------------- */

static void a_rescan_of_what_cannot_be_scanned_is_refused(void **state) {
    struct alone *alone = *state;
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE);
    const struct weft_value number = weft_integer(1);
    const struct {
        int model, column;
        const struct weft_value *scope;
        enum weft_status status;
        const char *says;
    } cases[] = {
        {-1, 0, &self, WEFT_INVALID, "not there"},
        {99, 0, &self, WEFT_INVALID, "not there"},
        {alone->note, -1, &self, WEFT_INVALID, "not there"},
        {alone->note, 3, &self, WEFT_INVALID, "not there"},
        {alone->tag, 0, &self, WEFT_INVALID, "shared"},
        {alone->note, ALONE_NOTE_DEVICE, &number, WEFT_TYPE, "\"device\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t scan = 0;
        struct weft_error why = {0};
        assert_int_equal(weft_scan_begin(alone->engine, cases[i].model, cases[i].column,
                                         cases[i].scope, &scan, &why),
                         cases[i].status);
        if (strstr(why.text, cases[i].says) == NULL) fail_msg("case %zu: \"%s\"", i, why.text);
        assert_int_equal(scan, 0);
    }
}

/* Rows of a scope, which may be of any type, that nobody has written since. */
static void a_rescan_takes_away_the_rows_of_its_scope_alone(void **state) {
    struct alone *alone = *state;
    const struct weft_value self = weft_blob(alone->device, WEFT_ID_SIZE);
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    for (int64_t n = 1; n <= 4; n++) {
        const struct weft_value row[] = {weft_integer(n),
                                         weft_text(n % 2 ? "odd" : "even", n % 2 ? 3 : 4), self,
                                         weft_real((double)n)};
        assert_int_equal(weft_put(tx, alone->place, row, 4), WEFT_OK);
    }
    assert_int_equal(weft_commit(tx, NULL), WEFT_OK);
    const struct {
        int column;
        struct weft_value scope;
        int64_t left;
    } scans[] = {{0, weft_integer(2), 3},
                 {3, weft_real(4.0), 2},
                 {1, weft_text("even", 4), 2},
                 {1, weft_text("odd", 3), 0}};
    for (size_t i = 0; i < sizeof scans / sizeof scans[0]; i++) {
        uint64_t scan = 0, ticket = 0;
        alone_ok(alone, weft_scan_begin(alone->engine, alone->place, scans[i].column,
                                        &scans[i].scope, &scan, &alone->why));
        assert_int_equal(weft_scan_end(alone->engine, scan, &ticket), WEFT_OK);
        alone_run(alone);
        alone_ok(alone, weft_wait(alone->engine, ticket, WEFT_DURABLE, 0, 0, &alone->why));
        assert_int_equal(alone_count(alone, "SELECT count(*) FROM place"), scans[i].left);
    }
}

/* ---- peers and members ----------------------------------------------------------------------- */

static void an_address_that_cannot_be_used_is_refused(void **state) {
    struct alone *alone = *state;
    char long_address[WEFT_ADDRESS_MAX + 1];
    memset(long_address, '1', sizeof long_address - 1);
    long_address[sizeof long_address - 1] = 0;
    const char *const addresses[] = {NULL, long_address, "127.0.0.1", "127.0.0.1:7#not-an-id"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        const struct weft_invite options = {.address = addresses[i]};
        char link[WEFT_LINK_MAX] = "";
        struct weft_error why = {0};
        assert_int_equal(weft_listen_wait(alone->engine, addresses[i], NULL, &why), WEFT_ADDRESS);
        assert_int_equal(why.status, WEFT_ADDRESS);
        assert_int_equal(weft_connect(alone->engine, addresses[i], &why), WEFT_ADDRESS);
        assert_int_equal(weft_invite(alone->engine, &options, link, sizeof link, &why),
                         WEFT_ADDRESS);
        assert_string_equal(link, "");
    }
}

static void no_more_addresses_are_connected_to_than_are_remembered(void **state) {
    struct alone *alone = *state;
    char address[WEFT_ADDRESS_MAX];
    for (uint32_t i = 0; i < LIMIT_CONTACTS; i++) {
        (void)snprintf(address, sizeof address, "127.0.0.1:%u", 1 + i);
        alone_ok(alone, weft_connect(alone->engine, address, &alone->why));
        alone_run(alone);
    }
    assert_int_equal(weft_connect(alone->engine, "127.0.0.1:999", &alone->why), WEFT_LIMIT);
    assert_non_null(strstr(alone->why.text, "forget some"));
    alone_ok(alone, weft_connect(alone->engine, address, &alone->why)); /* It is known. */
    alone_ok(alone, weft_forget_address(alone->engine, address, &alone->why));
    alone_run(alone);
    alone_ok(alone, weft_connect(alone->engine, "127.0.0.1:999", &alone->why));
}

static void no_more_than_eight_addresses_are_listened_on(void **state) {
    struct alone *alone = *state;
    char bound[WEFT_ADDRESS_MAX], link[WEFT_LINK_MAX];
    alone_ok(alone, weft_listen_wait(alone->engine, "0.0.0.0:0", NULL, &alone->why));
    alone_ok(alone, weft_listen_wait(alone->engine, "[::]:0", bound, &alone->why));
    /* Neither is an address that another device could dial. */
    assert_int_equal(weft_invite(alone->engine, NULL, link, sizeof link, &alone->why),
                     WEFT_ADDRESS);
    assert_non_null(strstr(alone->why.text, "every address"));
    for (int i = 0; i < 6; i++)
        alone_ok(alone, weft_listen_wait(alone->engine, "127.0.0.1:0", bound, &alone->why));
    assert_int_equal(weft_listen_wait(alone->engine, "127.0.0.1:0", NULL, &alone->why), WEFT_LIMIT);
    assert_int_equal(weft_listen_wait(alone->engine, "127.0.0.1:0", NULL, NULL), WEFT_LIMIT);
    /* Of those that lead here a link names as many as it has room for. */
    alone_ok(alone, weft_invite(alone->engine, NULL, link, sizeof link, &alone->why));
}

static void an_invite_needs_an_address_and_a_member(void **state) {
    struct alone *alone = *state;
    const struct weft_invite options = {.address = "127.0.0.1:9", .seconds = UINT32_MAX};
    char link[WEFT_LINK_MAX];
    assert_int_equal(weft_invite(alone->engine, NULL, link, sizeof link, &alone->why),
                     WEFT_ADDRESS);
    assert_non_null(strstr(alone->why.text, "listens nowhere"));
    assert_int_equal(weft_invite(alone->engine, &options, link, 10, &alone->why), WEFT_LIMIT);
    alone_ok(alone, weft_invite(alone->engine, &options, link, sizeof link, &alone->why));
    /* Who has come with an invite, and is not in yet, invites nobody. */
    alone_another(alone);
    alone->config.invite = link;
    alone_ok(alone, alone_open(alone));
    assert_int_equal(weft_invite(alone->engine, &options, link, sizeof link, &alone->why),
                     WEFT_DENIED);
}

static void a_device_does_not_remove_itself(void **state) {
    struct alone *alone = *state;
    static const uint8_t nobody[WEFT_ID_SIZE] = {1};
    struct weft_member member;
    uint64_t ticket = 0;
    assert_int_equal(weft_revoke(alone->engine, alone->device, &ticket), WEFT_INVALID);
    assert_int_equal(ticket, 0);
    assert_int_equal(weft_revoke(alone->engine, nobody, NULL), WEFT_OK);
    alone_run(alone);
    assert_int_equal(weft_members(alone->engine, NULL, 0), 1);
    assert_int_equal(weft_members(alone->engine, &member, 1), 1);
    assert_true(member.self && member.state == WEFT_MEMBER);
}

static void joining_waits_so_a_stepped_engine_cannot(void **state) {
    struct alone *alone = *state;
    const struct weft_config config = {.path = alone->path, .threads = WEFT_THREADS_NONE};
    weft_engine *engine = (weft_engine *)(uintptr_t)1;
    assert_int_equal(weft_join(&config, "link", 0, &engine, &alone->why), WEFT_INVALID);
    assert_null(engine);
    assert_non_null(strstr(alone->why.text, "config->invite"));
}

/* Somebody listens there and never says a word. */
static void joining_ends_with_its_time_when_nobody_answers(void **state) {
    struct alone *alone = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char address[WEFT_ADDRESS_MAX], link[WEFT_LINK_MAX], path[SCRATCH_PATH + 16];
    const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(silent, 1), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    (void)snprintf(path, sizeof path, "%s/guest.weft", alone->folder);
    const struct weft_invite options = {.address = address};
    const struct weft_config config = {.path = path};
    weft_engine *engine = NULL;
    alone_ok(alone, weft_invite(alone->engine, &options, link, sizeof link, &alone->why));
    assert_int_equal(weft_join(&config, link, 50, &engine, &alone->why), WEFT_TIMEOUT);
    assert_null(engine);
    assert_non_null(strstr(alone->why.text, "50 ms"));
    assert_int_equal(close(silent), 0);
}

/* ---- hooks, steps, verifying ---------------------------------------------------------------- */

static void count_call(void *context, const struct weft_commit *commit) {
    *(unsigned *)context += (unsigned)commit->count;
}

static void a_hook_must_say_what_it_wants_and_is_set_once(void **state) {
    struct alone *alone = *state;
    static const unsigned wrong[] = {0, WEFT_HOOK_BEFORE, WEFT_HOOK_LOCAL, 16 | WEFT_HOOK_ALL};
    unsigned calls[LIMIT_HOOKS + 1] = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(weft_on_commit(alone->engine, wrong[i], count_call, calls, &alone->why),
                         WEFT_INVALID);
    for (unsigned i = 0; i < LIMIT_HOOKS; i++)
        alone_ok(alone,
                 weft_on_commit(alone->engine, WEFT_HOOK_ALL, count_call, &calls[i], &alone->why));
    assert_int_equal(weft_on_commit(alone->engine, WEFT_HOOK_ALL, count_call, calls, &alone->why),
                     WEFT_INVALID);
    assert_int_equal(
        weft_on_commit(alone->engine, WEFT_HOOK_ALL, count_call, &calls[LIMIT_HOOKS], &alone->why),
        WEFT_LIMIT);
    (void)alone_commits(alone, 1, "one");
    alone_run(alone);
    for (unsigned i = 0; i < LIMIT_HOOKS; i++)
        assert_int_equal(calls[i], 2); /* BEFORE and AFTER. */
    assert_int_equal(calls[LIMIT_HOOKS], 0);
}

static void step_within(void *context, const struct weft_commit *commit) {
    struct alone *alone = context;
    (void)commit;
    assert_int_equal(weft_step(alone->engine, NULL), WEFT_INVALID);
    /* It may take itself away. */
    assert_int_equal(weft_off_commit_wait(alone->engine, step_within, alone), WEFT_OK);
}

static void an_engine_is_stepped_by_its_host_alone(void **state) {
    struct alone *alone = *state;
    char path[SCRATCH_PATH + 16];
    weft_engine *engine = NULL;
    (void)snprintf(path, sizeof path, "%s/threads.weft", alone->folder);
    const struct weft_config config = {.path = path};
    alone_ok(alone, weft_open(&config, &engine, &alone->why));
    assert_int_equal(weft_step(engine, NULL), WEFT_INVALID);
    weft_close(engine);
    alone_ok(alone, weft_on_commit(alone->engine, WEFT_HOOK_ALL, step_within, alone, &alone->why));
    (void)alone_commits(alone, 1, "one");
    alone_run(alone);
    assert_int_equal(weft_off_commit_wait(alone->engine, step_within, alone), WEFT_NOT_FOUND);
}

static void what_there_is_no_room_for_is_counted_all_the_same(void **state) {
    struct alone *alone = *state;
    struct weft_digest digests[8];
    unsigned all = 0, count = 0;
    (void)alone_commits(alone, 1, "one");
    alone_run(alone);
    alone_ok(alone, weft_verify_wait(alone->engine, digests, 8, &all, &alone->why));
    assert_in_range(all, 2, 8);
    const struct weft_digest second = digests[1];
    alone_ok(alone, weft_verify_wait(alone->engine, digests, 1, &count, &alone->why));
    assert_int_equal(count, all);
    assert_memory_equal(&digests[1], &second, sizeof second);
    alone_ok(alone, weft_verify_wait(alone->engine, NULL, 0, &count, NULL));
    assert_int_equal(count, all);
    assert_int_equal(weft_peers(alone->engine, NULL, 0), 0);
}

int main(void) {
#define ALONE_TEST(f) cmocka_unit_test_setup_teardown(f, alone_setup, alone_teardown)
    const struct CMUnitTest tests[] = {
        ALONE_TEST(a_config_that_cannot_be_meant_is_refused),
        ALONE_TEST(a_file_that_cannot_be_looked_at_is_not_opened),
        ALONE_TEST(a_silent_member_is_waited_for_as_long_as_the_host_says),
        ALONE_TEST(what_is_not_open_is_closed),
        ALONE_TEST(a_model_that_is_not_there_has_no_columns),
        ALONE_TEST(a_wrong_call_adds_nothing_to_its_transaction),
        ALONE_TEST(a_column_marked_node_holds_whoever_writes),
        ALONE_TEST(a_transaction_of_more_than_its_limit_is_to_be_divided),
        ALONE_TEST(a_rescan_of_what_cannot_be_scanned_is_refused),
        ALONE_TEST(a_rescan_takes_away_the_rows_of_its_scope_alone),
        ALONE_TEST(an_address_that_cannot_be_used_is_refused),
        ALONE_TEST(no_more_addresses_are_connected_to_than_are_remembered),
        ALONE_TEST(no_more_than_eight_addresses_are_listened_on),
        ALONE_TEST(an_invite_needs_an_address_and_a_member),
        ALONE_TEST(a_device_does_not_remove_itself),
        ALONE_TEST(joining_waits_so_a_stepped_engine_cannot),
        ALONE_TEST(joining_ends_with_its_time_when_nobody_answers),
        ALONE_TEST(a_hook_must_say_what_it_wants_and_is_set_once),
        ALONE_TEST(an_engine_is_stepped_by_its_host_alone),
        ALONE_TEST(what_there_is_no_room_for_is_counted_all_the_same),
    };
    return cmocka_run_group_tests_name("what a host may not ask for", tests, NULL, NULL);
}
