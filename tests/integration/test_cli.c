/* The command weft, run as people and scripts run it: exit statuses, what is printed, two devices
 * that meet over the loopback, and a conflict between them that is explained. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/weft_look.h"
#include "tests/lib/json.h"
#include "tests/lib/pair.h"

#define ARGUMENTS 16u
#define SAID_MAX (1u << 20)
#define PATH_ROOM (SCRATCH_PATH + 16u)

/* ---- one run of weft ---- */

struct run {
    pid_t pid;
    int out, in; /* what it prints, errors with it; what it is told */
    char *said;
    size_t size;
};

static void run_start(struct run *run, const char *const *arguments) {
    const char *list[ARGUMENTS] = {"weft"};
    int out[2], in[2];
    for (unsigned i = 0; arguments[i] != NULL; i++) {
        assert_true(i + 2 < ARGUMENTS);
        list[i + 1] = arguments[i];
    }
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    run->pid = fork();
    assert_true(run->pid >= 0);
    if (run->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        execv(WEFT_BINARY_DIR "/weft", (char *const *)(uintptr_t)list);
        _exit(127);
    }
    close(out[1]);
    close(in[0]);
    run->out = out[0];
    run->in = in[1];
    run->said = calloc(1, SAID_MAX);
    assert_non_null(run->said);
    run->size = 0;
}

/* Reads on; false at the end of what it prints. */
static bool run_read(struct run *run) {
    struct pollfd watched = {run->out, POLLIN, 0};
    assert_true(run->size + 1 < SAID_MAX);
    if (poll(&watched, 1, PARTY_PATIENCE_MS) <= 0)
        fail_msg("weft says nothing more; so far: %s", run->said);
    ssize_t got = read(run->out, run->said + run->size, SAID_MAX - 1 - run->size);
    if (got <= 0) return false;
    run->size += (size_t)got;
    run->said[run->size] = '\0';
    return true;
}

/* Reads until it has said this; returns where it did. */
static const char *run_until(struct run *run, const char *wanted) {
    const char *at;
    while ((at = strstr(run->said, wanted)) == NULL || strchr(at, '\n') == NULL)
        if (!run_read(run)) fail_msg("\"%s\" was not said: %s", wanted, run->said);
    return at;
}

static int run_end(struct run *run) {
    int status = 0;
    close(run->in);
    while (run_read(run))
        continue;
    close(run->out);
    while (waitpid(run->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (!WIFEXITED(status)) fail_msg("weft ended by signal %d: %s", WTERMSIG(status), run->said);
    return WEXITSTATUS(status);
}

/* Runs weft to its end; `run.said` is the caller's to free. */
static struct run run_whole(int status, const char *const *arguments) {
    struct run run;
    run_start(&run, arguments);
    const int got = run_end(&run);
    if (got != status) fail_msg("weft %s: status %d: %s", arguments[0], got, run.said);
    return run;
}

/* The arguments, ended. */
#define WEFT(...) ((const char *const[]){__VA_ARGS__, NULL})

static void says(int status, const char *wanted, const char *const *arguments) {
    struct run run = run_whole(status, arguments);
    if (strstr(run.said, wanted) == NULL) fail_msg("\"%s\" is not in: %s", wanted, run.said);
    free(run.said);
}

/* ---- lines of JSON ---- */

static char *line_copy(const char *at) {
    char *line = strndup(at, strcspn(at, "\n"));
    assert_non_null(line);
    if (!json_sound(line)) fail_msg("this is no JSON: %s", line);
    return line;
}

static void line_check(const char *at) {
    free(line_copy(at));
}

/* A member of the object: a text without its quotes, or a number. */
static void line_find(const char *at, const char *name, char *out, size_t room) {
    char *line = line_copy(at);
    const char *value = json_at(line, name);
    if (value == NULL) fail_msg("no \"%s\" in: %s", name, line);
    const bool quoted = *value == '"';
    const size_t size = quoted ? strcspn(value + 1, "\"") : strcspn(value, ",}");
    assert_in_range(snprintf(out, room, "%.*s", (int)size, value + quoted), 1, room - 1);
    free(line);
}

/* ---- libraries ---- */

struct bench {
    char folder[SCRATCH_PATH];
    char a[PATH_ROOM], b[PATH_ROOM], schema[PATH_ROOM];
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
                             "  id TEXT PRIMARY KEY NOT NULL, name TEXT) WITHOUT ROWID;\n";

static int bench_open(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    scratch_make(bench->folder);
    snprintf(bench->a, sizeof bench->a, "%s/a.db", bench->folder);
    snprintf(bench->b, sizeof bench->b, "%s/b.db", bench->folder);
    snprintf(bench->schema, sizeof bench->schema, "%s/schema.sql", bench->folder);
    FILE *file = fopen(bench->schema, "we");
    assert_non_null(file);
    fputs(schema, file);
    assert_int_equal(fclose(file), 0);
    says(0, "library  ", WEFT("init", bench->a, "--schema", bench->schema, "--name", "ann"));
    *state = bench;
    return 0;
}

static int bench_close(void **state) {
    struct bench *bench = *state;
    scratch_remove(bench->folder);
    free(bench);
    return 0;
}

/* Lets b come into the library of a, by commands alone. */
static void meet(const struct bench *bench) {
    struct run inviting, joining;
    char link[WEFT_LINK_MAX], code[8];
    run_start(&inviting, WEFT("invite", bench->a, "--listen", "127.0.0.1:0", "--json"));
    line_find(run_until(&inviting, "{\"event\":\"invite\""), "link", link, sizeof link);
    run_start(&joining,
              WEFT("join", "-", bench->b, "--schema", bench->schema, "--name", "bob", "--json"));
    assert_int_equal(write(joining.in, link, strlen(link)), strlen(link));
    assert_int_equal(write(joining.in, "\n", 1), 1);
    line_find(run_until(&joining, "{\"event\":\"joining\""), "code", code, sizeof code);
    assert_int_equal(strlen(code), 6);
    run_until(&joining, "\"event\":\"joined\"");
    assert_non_null(strstr(run_until(&inviting, "{\"event\":\"joining\""), code));
    assert_int_equal(run_end(&joining), 0);
    if (run_end(&inviting) != 0) fail_msg("%s", inviting.said);
    free(joining.said);
    free(inviting.said);
}

/* Writes a tag's name, through an engine of the test's own. */
static void write_tag(const char *path, const char *name) {
    const struct weft_config config = {.path = path, .schema = schema};
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    pair_must(weft_open(&config, &engine, &why), &why);
    const struct weft_value row[] = {pair_text("one"), pair_text(name)};
    assert_int_equal(weft_begin_wait(engine, -1, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, weft_model(engine, "tag"), row, 2), WEFT_OK);
    assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
    pair_must(weft_wait(engine, ticket, WEFT_DURABLE, 0, PARTY_PATIENCE_MS, &why), &why);
    weft_close(engine);
}

static void delete_tag(const char *path) {
    const struct weft_config config = {.path = path, .schema = schema};
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    pair_must(weft_open(&config, &engine, &why), &why);
    const struct weft_value key = pair_text("one");
    assert_int_equal(weft_begin_wait(engine, -1, &tx), WEFT_OK);
    assert_int_equal(weft_delete(tx, weft_model(engine, "tag"), &key, 1), WEFT_OK);
    assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
    pair_must(weft_wait(engine, ticket, WEFT_DURABLE, 0, PARTY_PATIENCE_MS, &why), &why);
    weft_close(engine);
}

static void take_ack(void *context, const struct weft_look_ack *ack) {
    *(uint64_t *)context += ack->behind;
}

/* How many records the other member is behind, as this file has heard. */
static uint64_t behind(const char *path) {
    struct weft_error why = {0};
    weft_look *look = NULL;
    uint64_t sum = 0;
    pair_must(weft_look_open(path, &look, &why), &why);
    pair_must(weft_look_acks(look, &sum, take_ack, &why), &why);
    weft_look_close(look);
    return sum;
}

/* Two headless members, until each has what the other has. */
static void serve_both(const struct bench *bench) {
    struct run a, b;
    char text[256], address[128];
    run_start(&a, WEFT("serve", bench->a, "--listen", "127.0.0.1:0", "--log", "json"));
    line_find(run_until(&a, "\"event\":\"ready\"") - 1, "text", text, sizeof text);
    snprintf(address, sizeof address, "127.0.0.1:%s", strrchr(text, ':') + 1);
    run_start(&b, WEFT("serve", bench->b, "--connect", address));
    run_until(&a, "\"event\":\"peer_up\"");
    says(0, "\"contacts\":[{\"device\":\"", WEFT("peers", bench->b, "--json"));
    says(0, "\"addresses\":[{\"address\":\"127.0.0.1:", WEFT("peers", bench->b, "--json"));
    says(0, " RESULT", WEFT("peers", bench->b));
    says(4, "WEFT_LOCKED", WEFT("serve", bench->a, "--listen", "127.0.0.1:0"));
    while (behind(bench->a) > 0 || behind(bench->b) > 0)
        continue;
    assert_int_equal(kill(b.pid, SIGINT), 0);
    assert_int_equal(run_end(&b), 0);
    assert_non_null(strstr(b.said, "info  engine closed: "));
    assert_non_null(strstr(a.said, "\"level\":\"info\",\"component\":\"peer\",\"device\":\""));
    assert_int_equal(kill(a.pid, SIGTERM), 0);
    assert_int_equal(run_end(&a), 0);
    for (const char *at = a.said; *at != '\0'; at = strchr(at, '\n') + 1)
        line_check(at);
    free(a.said);
    free(b.said);
}

/* ---- what is tested ---- */

static void wrong_usage_is_status_2_and_says_where_to_read(void **state) {
    const struct bench *bench = *state;
    char name[] = "--help";
    static const char *const commands[] = {"init",   "invite", "join",   "members",
                                           "revoke", "peers",  "status", "log",
                                           "why",    "verify", "serve",  "bench"};
    says(2, "weft --help", WEFT("nonsense"));
    says(2, "--nonsense", WEFT("status", bench->a, "--nonsense"));
    says(2, "too many", WEFT("status", bench->a, "more"));
    says(2, "wants PATH TABLE KEY", WEFT("why", bench->a, "tag"));
    says(2, "--last wants a number", WEFT("log", bench->a, "--last", "x"));
    says(2, "text or json", WEFT("serve", bench->a, "--listen", "127.0.0.1:0", "--log", "xml"));
    says(2, "reaches nobody", WEFT("serve", bench->a));
    says(0, "Exit status", WEFT("--help"));
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        says(0, commands[i], WEFT(commands[i], name));
}

static void what_is_not_there_is_status_3(void **state) {
    const struct bench *bench = *state;
    says(3, "no file", WEFT("status", bench->b));
    says(3, "no library", WEFT("serve", bench->b, "--listen", "127.0.0.1:0"));
    says(3, "no library", WEFT("invite", bench->b));
    says(3, "no device", WEFT("revoke", bench->a, "nobody"));
    says(3, "absent", WEFT("why", bench->a, "tag", "none"));
    says(3, "no synced table", WEFT("why", bench->a, "none", "none"));
    says(1, "a library already", WEFT("init", bench->a));
    assert_int_not_equal(access(bench->b, F_OK), 0);
}

static void status_is_well_formed_json(void **state) {
    const struct bench *bench = *state;
    char text[64];
    write_tag(bench->a, "quotes \" and \\, a tab\t and \xc3\xa9");
    struct run run = run_whole(0, WEFT("status", bench->a, "--json"));
    line_check(run.said);
    line_find(run.said, "state", text, sizeof text);
    assert_string_equal(text, "member");
    assert_non_null(strstr(run.said, "\"table\":\"tag\",\"kind\":\"shared\",\"rows\":1"));
    assert_non_null(strstr(run.said, "\"log\":{\"records\":2,"));
    free(run.said);
    run = run_whole(0, WEFT("log", bench->a, "--json", "--last", "1"));
    line_check(run.said);
    assert_non_null(strstr(run.said, "quotes \\\" and \\\\, a tab\\u0009 and \xc3\xa9"));
    free(run.said);
    run = run_whole(0, WEFT("why", bench->a, "tag", "one", "--json"));
    line_check(run.said);
    free(run.said);
    run = run_whole(0, WEFT("verify", bench->a, "--json"));
    line_check(run.said);
    assert_non_null(strstr(run.said, "\"sound\":true}"));
    free(run.said);
    run = run_whole(0, WEFT("members", bench->a, "--json"));
    line_check(run.said);
    free(run.said);
}

static void status_that_watches_ends_by_a_signal(void **state) {
    const struct bench *bench = *state;
    struct run run;
    run_start(&run, WEFT("status", bench->a, "--watch"));
    run_until(&run, "log      1 records");
    assert_int_equal(kill(run.pid, SIGTERM), 0);
    assert_int_equal(run_end(&run), 0);
    assert_null(strchr(run.said, '\x1b')); /* No terminal: nothing is redrawn. */
    free(run.said);
}

static void two_devices_meet_and_a_conflict_is_explained(void **state) {
    const struct bench *bench = *state;
    meet(bench);
    says(0, "bob", WEFT("members", bench->a));
    says(0, "ann", WEFT("members", bench->b));
    write_tag(bench->a, "of ann");
    says(0, "create tag 'one'", WEFT("log", bench->a));
    says(0, "signed, chained", WEFT("log", bench->a));
    serve_both(bench);
    write_tag(bench->a, "later of ann");
    write_tag(bench->b, "last of bob");
    says(0, "bob has not acknowledged", WEFT("why", bench->a, "tag", "one"));
    serve_both(bench);
    struct run run = run_whole(0, WEFT("why", bench->a, "tag", "one"));
    const char *winner = strstr(run.said, "'last of bob'");
    const char *loser = strstr(run.said, "'later of ann'");
    assert_non_null(winner);
    assert_non_null(loser);
    assert_true(loser > winner);
    assert_null(strstr(run.said, "has not acknowledged"));
    free(run.said);
    says(0, "0", WEFT("peers", bench->a));
    delete_tag(bench->b);
    says(0, "so the deletion is remembered", WEFT("why", bench->b, "tag", "one"));
    says(0, "all is as it was written", WEFT("verify", bench->b));
}

static void a_member_is_revoked_by_its_name(void **state) {
    const struct bench *bench = *state;
    meet(bench);
    says(1, "this device", WEFT("revoke", bench->a, "ann"));
    says(0, "is removed", WEFT("revoke", bench->a, "bob"));
    says(0, "removed", WEFT("members", bench->a));
    says(3, "removed before", WEFT("revoke", bench->a, "bob"));
    says(0, "remove ", WEFT("log", bench->a));
}

static void an_invite_with_confirm_lets_nobody_in_without_a_yes(void **state) {
    const struct bench *bench = *state;
    struct run inviting;
    char link[WEFT_LINK_MAX];
    run_start(&inviting,
              WEFT("invite", bench->a, "--listen", "127.0.0.1:0", "--confirm", "--json"));
    line_find(run_until(&inviting, "{\"event\":\"invite\""), "link", link, sizeof link);
    struct run joining;
    run_start(&joining, WEFT("join", link, bench->b, "--name", "bob"));
    run_until(&inviting, "{\"event\":\"joining\"");
    assert_int_equal(write(inviting.in, "no\n", 3), 3);
    assert_int_equal(run_end(&inviting), 6);
    assert_int_equal(kill(joining.pid, SIGTERM), 0);
    assert_int_not_equal(run_end(&joining), 0);
    says(0, "ann (here)", WEFT("members", bench->a));
    struct run members = run_whole(0, WEFT("members", bench->a));
    assert_null(strstr(members.said, "bob"));
    free(members.said);
    free(joining.said);
    free(inviting.said);
}

static void a_link_that_is_none_is_denied(void **state) {
    const struct bench *bench = *state;
    says(6, "WEFT_INVITE", WEFT("join", "weft:1:nonsense", bench->b));
    assert_int_not_equal(access(bench->b, F_OK), 0);
}

static void a_damaged_library_is_status_5(void **state) {
    struct bench *bench = *state;
    struct party party;
    write_tag(bench->a, "first");
    says(0, "all is as it was written", WEFT("verify", bench->a));
    snprintf(party.path, sizeof party.path, "%s", bench->a);
    pair_meddle(&party, "DELETE FROM tag");
    says(5, "NOT SOUND", WEFT("verify", bench->a));
    pair_meddle(&party, "UPDATE shared_changes SET record = CAST(substr(record, 1, 100) || 'Z' || "
                        "substr(record, 102) AS BLOB) WHERE place = 2");
    says(5, "is not what that device signed", WEFT("verify", bench->a));
    FILE *file = fopen(bench->b, "we");
    assert_non_null(file);
    for (unsigned i = 0; i < 500; i++)
        fputs("this is no database, ", file);
    fclose(file);
    says(5, "WEFT_NOT_A_DATABASE", WEFT("verify", bench->b));
}

static void bench_prints_four_figures_and_leaves_nothing(void **state) {
    const struct bench *bench = *state;
    struct run run =
        run_whole(0, WEFT("bench", "--rows", "2000", "--dir", bench->folder, "--json"));
    static const char *const names[] = {"bulk_rows_s", "bare_bulk_rows_s", "single_commits_s",
                                        "bare_single_commits_s"};
    char text[64], left[PATH_ROOM + 32];
    line_check(run.said);
    for (unsigned i = 0; i < 4; i++) {
        line_find(run.said, names[i], text, sizeof text);
        assert_true(strtod(text, NULL) > 0);
    }
    free(run.said);
    glob_t found;
    snprintf(left, sizeof left, "%s/weft-bench-*", bench->folder);
    assert_int_equal(glob(left, 0, NULL, &found), GLOB_NOMATCH);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        BENCH_TEST(wrong_usage_is_status_2_and_says_where_to_read),
        BENCH_TEST(what_is_not_there_is_status_3),
        BENCH_TEST(status_is_well_formed_json),
        BENCH_TEST(status_that_watches_ends_by_a_signal),
        BENCH_TEST(two_devices_meet_and_a_conflict_is_explained),
        BENCH_TEST(a_member_is_revoked_by_its_name),
        BENCH_TEST(an_invite_with_confirm_lets_nobody_in_without_a_yes),
        BENCH_TEST(a_link_that_is_none_is_denied),
        BENCH_TEST(a_damaged_library_is_status_5),
        BENCH_TEST(bench_prints_four_figures_and_leaves_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
