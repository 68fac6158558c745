/* The log that a host asks for: what is told, by whom, and what a slow or busy host costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>

#include "engine/engine.h"
#include "engine/host.h"
#include "tests/lib/alone.h"
#include "tests/lib/party.h"

#define KEPT 512u
#define LINE 900u

/* What was told, a line each: "level component event text key=value …". */
struct book {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    char lines[KEPT][LINE];
    unsigned count;
    uint64_t lost; /* as log_lost said */
    bool held;     /* the first call waits for `go` */
    sem_t at, go;
    weft_engine *engine; /* to be called from within, or NULL */
    pthread_t writer;
};

static void note(void *context, const struct weft_log_entry *entry) {
    struct book *book = context;
    char line[LINE];
    size_t size =
        (size_t)snprintf(line, sizeof line, "%s %s %s %s", weft_log_level_name(entry->level),
                         entry->component, entry->event, entry->text);
    assert_true(entry->wall_ms > UINT64_C(1700000000000));
    for (unsigned i = 0; i < entry->field_count; i++) {
        const struct weft_log_field *field = &entry->fields[i];
        char number[24];
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)field->number);
        size += (size_t)snprintf(line + size, sizeof line - size, " %s=%s", field->key,
                                 field->text != NULL ? field->text : number);
        assert_true(size < sizeof line);
        if (strcmp(entry->event, "log_lost") == 0) book->lost += field->number;
    }
    if (book->held) {
        book->held = false;
        (void)sem_post(&book->at);
        while (sem_wait(&book->go) != 0)
            continue;
    }
    (void)pthread_mutex_lock(&book->lock);
    book->writer = pthread_self();
    assert_true(book->count < KEPT);
    (void)snprintf(book->lines[book->count++], LINE, "%s", line);
    (void)pthread_cond_broadcast(&book->grown);
    (void)pthread_mutex_unlock(&book->lock);
}

static struct book *book_new(void) {
    struct book *book = calloc(1, sizeof *book);
    assert_non_null(book);
    (void)pthread_mutex_init(&book->lock, NULL);
    (void)pthread_cond_init(&book->grown, NULL);
    (void)sem_init(&book->at, 0, 0);
    (void)sem_init(&book->go, 0, 0);
    return book;
}

static void book_free(struct book *book) {
    (void)pthread_mutex_destroy(&book->lock);
    (void)pthread_cond_destroy(&book->grown);
    (void)sem_destroy(&book->at);
    (void)sem_destroy(&book->go);
    free(book);
}

/* The first line, from number `from` on, that begins so; NULL: there is none. */
static const char *find(struct book *book, unsigned from, const char *begins) {
    for (unsigned i = from; i < book->count; i++) {
        if (strncmp(book->lines[i], begins, strlen(begins)) == 0) return book->lines[i];
    }
    return NULL;
}

/* Waits for such a line, which stays where it is. */
static const char *await(struct book *book, const char *begins) {
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PARTY_PATIENCE_MS / 1000;
    (void)pthread_mutex_lock(&book->lock);
    const char *line = find(book, 0, begins);
    while (line == NULL && pthread_cond_timedwait(&book->grown, &book->lock, &until) == 0)
        line = find(book, 0, begins);
    (void)pthread_mutex_unlock(&book->lock);
    for (unsigned i = 0; line == NULL && i < book->count; i++)
        print_message("%s\n", book->lines[i]);
    if (line == NULL) fail_msg("nobody has said '%s'", begins);
    return line;
}

static void has(const char *line, const char *text) {
    if (line == NULL || strstr(line, text) == NULL) fail_msg("'%s' is not in '%s'", text, line);
}

/* ---- one engine, stepped --------------------------------------------------------------------- */

struct told {
    struct alone alone;
    struct book *book;
    struct weft_log log;
};

static int told_setup(void **state) {
    struct told *told = calloc(1, sizeof *told);
    assert_non_null(told);
    told->book = book_new();
    told->log = (struct weft_log){.write = note, .context = told->book};
    alone_new(&told->alone);
    told->alone.config.log = &told->log;
    *state = told;
    return 0;
}

static int told_teardown(void **state) {
    struct told *told = *state;
    alone_end(&told->alone);
    book_free(told->book);
    free(told);
    return 0;
}

static void what_happens_is_told_from_opening_to_closing(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    struct book *book = told->book;
    const uint8_t device[16] = {0x11, 0x22, 0x33, 0x44};
    alone->config.name = "desk";
    alone_ok(alone, alone_open(alone));
    alone_run(alone);
    has(book->lines[0], "info engine opened the library is open device=");
    has(book->lines[0], " name=desk path=");
    has(book->lines[0], alone->path);
    alone_ok(alone, weft_set_rates(alone->engine, device, 10000, 20000, &alone->why));
    weft_set_metered(alone->engine, true);
    alone_ok(alone, weft_connect(alone->engine, "127.0.0.1:9", &alone->why));
    assert_int_equal(weft_pause(alone->engine, NULL), WEFT_OK);
    alone_run(alone);
    has(find(book, 1, "info engine rates_set"),
        " device=11223344-0000-0000-0000-000000000000 up=10000 down=20000");
    has(find(book, 1, "info engine metered_set"), " on=yes");
    has(find(book, 1, "info engine address_added"), " address=127.0.0.1:9");
    assert_non_null(find(book, 1, "info engine paused"));
    alone_close(alone);
    const unsigned count = book->count;
    has(book->lines[count - 1], "info engine closed the library is closed path=");
}

static void what_matters_less_than_the_level_is_not_told(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    told->log.level = WEFT_LOG_WARN;
    alone_ok(alone, alone_open(alone));
    weft_set_metered(alone->engine, true);
    alone_run(alone);
    assert_int_equal(told->book->count, 0);
    weft_set_log_level(alone->engine, WEFT_LOG_INFO);
    weft_set_metered(alone->engine, false);
    weft_set_log_level(alone->engine, WEFT_LOG_OFF);
    weft_set_metered(alone->engine, true);
    alone_run(alone);
    assert_int_equal(told->book->count, 1);
    has(told->book->lines[0], "info engine metered_set");
    has(told->book->lines[0], " on=no");
    alone_close(alone);
    assert_int_equal(told->book->count, 1);
}

static void without_a_log_the_level_means_nothing(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    struct weft_metrics metrics;
    alone->config.log = NULL;
    alone_ok(alone, alone_open(alone));
    weft_set_log_level(alone->engine, WEFT_LOG_DEBUG);
    for (unsigned i = 0; i < LOGGER_ENTRIES + 10; i++)
        weft_set_metered(alone->engine, i % 2 == 0);
    alone_run(alone);
    (void)weft_metrics(alone->engine, &metrics, sizeof metrics);
    assert_int_equal(metrics.log_lost, 0);
}

static void a_plan_that_cannot_be_is_refused_in_words(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    told->log.write = NULL;
    assert_int_equal(alone_open(alone), WEFT_INVALID);
    has(alone->why.text, "config.log needs a function");
    told->log.write = note;
    told->log.level = (enum weft_log_level)9;
    assert_int_equal(alone_open(alone), WEFT_INVALID);
    told->log.level = WEFT_LOG_DEBUG;
    alone_ok(alone, alone_open(alone));
}

static void a_fault_that_stops_the_engine_is_an_error(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    struct weft_error why = {0};
    alone_ok(alone, alone_open(alone));
    (void)status_fail(&why, WEFT_SYNC_FAILED, 5, "the disk has failed; replace it");
    topology_fatal(engine_topology(alone->engine), &why);
    assert_int_equal(weft_step(alone->engine, NULL), WEFT_OK);
    has(find(told->book, 0, "error engine fatal"),
        "the disk has failed; replace it status=WEFT_SYNC_FAILED");
}

static void a_commit_that_fails_for_want_of_space_is_an_error(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    alone_ok(alone, alone_open(alone));
    alone_run(alone);
    disk_set_full(alone->disk, true);
    for (uint32_t i = 0; i < 20; i++) /* Until there is no room in the file either. */
        (void)alone_commits(alone, i, "a note that needs some room");
    alone_run(alone);
    has(find(told->book, 0, "error log fault"), " status=WEFT_DISK_FULL");
    disk_set_full(alone->disk, false);
}

static void what_finds_no_room_is_counted_and_said(void **state) {
    struct told *told = *state;
    struct alone *alone = &told->alone;
    struct weft_metrics metrics;
    const unsigned many = LOGGER_ENTRIES + 44;
    alone_ok(alone, alone_open(alone));
    alone_run(alone);
    const unsigned before = told->book->count;
    for (unsigned i = 0; i < many; i++)
        weft_set_metered(alone->engine, i % 2 == 0);
    (void)weft_metrics(alone->engine, &metrics, sizeof metrics);
    assert_int_equal(metrics.log_lost, 44);
    alone_run(alone);
    assert_int_equal(told->book->count - before, LOGGER_ENTRIES + 1);
    assert_int_equal(told->book->lost, 44);
    /* The next finds room again, and nothing is said twice. */
    weft_set_metered(alone->engine, true);
    alone_run(alone);
    assert_int_equal(told->book->count - before, LOGGER_ENTRIES + 2);
    assert_int_equal(told->book->lost, 44);
}

/* ---- engines with threads -------------------------------------------------------------------- */

struct two {
    char folder[SCRATCH_PATH];
    struct party a, b;
    struct book *book; /* of a */
    struct weft_log log;
};

static int two_setup(void **state) {
    struct two *two = calloc(1, sizeof *two);
    assert_non_null(two);
    two->book = book_new();
    two->log = (struct weft_log){.write = note, .context = two->book, .level = WEFT_LOG_DEBUG};
    scratch_make(two->folder);
    const struct weft_config config = {.log = &two->log};
    party_start_with(&two->a, two->folder, "a", NULL, &config);
    *state = two;
    return 0;
}

static int two_teardown(void **state) {
    struct two *two = *state;
    if (two->a.engine != NULL) party_leave(&two->a);
    if (two->b.engine != NULL) party_leave(&two->b);
    scratch_remove(two->folder);
    book_free(two->book);
    free(two);
    return 0;
}

static void devices_that_come_and_go_are_told_by_id_and_name(void **state) {
    struct two *two = *state;
    struct book *book = two->book;
    party_start_with(&two->b, two->folder, "b", &two->a, &(struct weft_config){.name = "b"});
    has(await(book, "info log member b is a member"), " name=b");
    has(await(book, "info listener joining b comes in by invite"), " device=");
    assert_null(strstr(await(book, "info listener joining"), "count="));
    party_connect(&two->a, &two->b);
    has(await(book, "info peer peer_up a session with b stands"), " name=b");
    const uint64_t ticket = party_put(&two->b, 1, "one", 1);
    party_wait(&two->b, ticket, WEFT_REPLICATED, 1);
    has(await(book, "debug log changed"), " table=location count=1");
    party_leave(&two->b);
    has(await(book, "info peer peer_down the session with b has ended"), " device=");
    /* Nobody listens there any more. */
    has(await(book, "debug listener call_failed"), " status=WEFT_NET");
    assert_false(pthread_equal(book->writer, pthread_self()));
}

/* While the host's function stands still, commits are made and events come. */
static void a_log_that_waits_holds_up_nothing_else(void **state) {
    struct two *two = *state;
    struct book *book = two->book;
    const unsigned many = 3 * LOGGER_ENTRIES;
    struct weft_metrics metrics;
    book->held = true;
    weft_set_log_level(two->a.engine, WEFT_LOG_INFO);
    weft_set_metered(two->a.engine, true);
    while (sem_wait(&book->at) != 0)
        continue;
    for (unsigned i = 1; i < many; i++)
        weft_set_metered(two->a.engine, i % 2 == 0);
    party_wait(&two->a, party_put(&two->a, 1, "one", 1), WEFT_DURABLE, 0);
    weft_set_log_level(two->a.engine, WEFT_LOG_WARN);
    party_start(&two->b, two->folder, "b", &two->a); /* Waits for events of a. */
    (void)weft_metrics(two->a.engine, &metrics, sizeof metrics);
    assert_true(metrics.log_lost > 0);
    (void)sem_post(&book->go);
    await(book, "warn engine log_lost");
    party_leave(&two->a); /* All that was kept has been told then. */
    unsigned told = 0;
    for (unsigned i = 0; i < book->count; i++)
        told += strncmp(book->lines[i], "info engine metered_set", 23) == 0;
    assert_int_equal(told + book->lost, many);
}

static void call_back(void *context, const struct weft_log_entry *entry) {
    struct book *book = context;
    note(context, entry);
    (void)pthread_mutex_lock(&book->lock);
    weft_engine *engine = book->engine;
    (void)pthread_mutex_unlock(&book->lock);
    if (engine == NULL || strcmp(entry->event, "metered_set") != 0) return;
    struct weft_event event;
    (void)weft_next_event(engine, &event);
    weft_set_log_level(engine, WEFT_LOG_OFF);
    assert_int_equal(weft_step(engine, NULL), WEFT_INVALID);
}

static void the_function_may_call_the_engine(void **state) {
    struct two *two = *state;
    party_leave(&two->a);
    two->log.write = call_back;
    party_return(&two->a);
    (void)pthread_mutex_lock(&two->book->lock);
    two->book->engine = two->a.engine;
    (void)pthread_mutex_unlock(&two->book->lock);
    weft_set_metered(two->a.engine, true);
    await(two->book, "info engine metered_set");
    (void)pthread_mutex_lock(&two->book->lock);
    two->book->engine = NULL;
    (void)pthread_mutex_unlock(&two->book->lock);
    party_leave(&two->a);
}

#define TOLD_TEST(test) cmocka_unit_test_setup_teardown(test, told_setup, told_teardown)
#define TWO_TEST(test) cmocka_unit_test_setup_teardown(test, two_setup, two_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TOLD_TEST(what_happens_is_told_from_opening_to_closing),
        TOLD_TEST(what_matters_less_than_the_level_is_not_told),
        TOLD_TEST(without_a_log_the_level_means_nothing),
        TOLD_TEST(a_plan_that_cannot_be_is_refused_in_words),
        TOLD_TEST(a_fault_that_stops_the_engine_is_an_error),
        TOLD_TEST(a_commit_that_fails_for_want_of_space_is_an_error),
        TOLD_TEST(what_finds_no_room_is_counted_and_said),
        TWO_TEST(devices_that_come_and_go_are_told_by_id_and_name),
        TWO_TEST(a_log_that_waits_holds_up_nothing_else),
        TWO_TEST(the_function_may_call_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
