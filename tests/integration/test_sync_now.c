/* weft_sync_now_wait() between two real engines over loopback: when it returns, both hold what was
 * there at the call; and when it gives up, it says who did not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "tests/lib/pair.h"

#define LONG_MS 30000 /* only a test that fails waits for so long */
#define ROWS 3000u
#define COUNT_ROWS "SELECT count(*) FROM entry"
#define COUNT_TAGS "SELECT count(*) FROM tag"

static void sync_with(struct party *party, const struct party *other) {
    struct weft_error why = {0};
    const uint8_t *device = other == NULL ? NULL : other->device;
    pair_must(weft_sync_now_wait(party->engine, device, LONG_MS, &why), &why);
}

/* It is not durable yet when this returns. */
static void put_rows(struct party *party, uint32_t count) {
    for (uint32_t row = 1; row <= count; row++)
        (void)party_put(party, row, "row", row);
}

static void what_one_wrote_is_with_the_other_when_it_returns(void **state) {
    struct pair *pair = *state;
    party_connect(&pair->b, &pair->a);
    put_rows(&pair->a, ROWS);
    pair_put_tag(&pair->a, "one", "red");
    sync_with(&pair->a, &pair->b);
    assert_int_equal(party_number(&pair->b, COUNT_ROWS), ROWS);
    assert_int_equal(party_number(&pair->b, COUNT_TAGS), 1);
}

static void what_the_other_holds_is_here_when_it_returns(void **state) {
    struct pair *pair = *state;
    party_connect(&pair->b, &pair->a);
    put_rows(&pair->a, ROWS - 1);
    party_wait(&pair->a, party_put(&pair->a, ROWS, "row", ROWS), WEFT_DURABLE, 0);
    pair_put_tag(&pair->a, "one", "red");
    sync_with(&pair->b, NULL);
    assert_int_equal(party_number(&pair->b, COUNT_ROWS), ROWS);
    assert_int_equal(party_number(&pair->b, COUNT_TAGS), 1);
    /* ... also a second and a third time. */
    pair_put_tag(&pair->a, "two", "blue");
    sync_with(&pair->b, NULL);
    assert_int_equal(party_number(&pair->b, COUNT_TAGS), 2);
    pair_put_tag(&pair->a, "three", "pink");
    sync_with(&pair->b, &pair->a);
    assert_int_equal(party_number(&pair->b, COUNT_TAGS), 3);
}

static void a_session_that_is_still_to_come_is_waited_for(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX];
    put_rows(&pair->a, 10);
    party_listen(&pair->a);
    party_target(&pair->a, target);
    pair_must(weft_connect(pair->b.engine, target, &why), &why);
    sync_with(&pair->b, &pair->a);
    sync_with(&pair->a, &pair->b);
    assert_int_equal(party_number(&pair->b, COUNT_ROWS), 10);
}

static void with_nobody_there_it_says_so_at_once(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    assert_int_equal(weft_sync_now_wait(pair->a.engine, NULL, LONG_MS, &why), WEFT_NOT_FOUND);
    assert_non_null(strstr(why.text, "no session"));
    const uint8_t stranger[WEFT_ID_SIZE] = {1, 2, 3};
    assert_int_equal(weft_sync_now_wait(pair->a.engine, stranger, LONG_MS, &why), WEFT_NOT_FOUND);
    assert_int_equal(weft_sync_now_wait(pair->a.engine, pair->a.device, LONG_MS, &why),
                     WEFT_NOT_FOUND);
}

/* It must time out, and name the other. */
static void times_out(struct party *party, const struct party *other, const char *said) {
    struct weft_error why = {0};
    struct id device;
    char text[ID_TEXT_SIZE];
    memcpy(device.bytes, other->device, sizeof device.bytes);
    id_text(&device, text);
    assert_int_equal(weft_sync_now_wait(party->engine, other->device, 100, &why), WEFT_TIMEOUT);
    assert_non_null(strstr(why.text, text));
    assert_non_null(strstr(why.text, said));
}

static void who_is_not_there_in_time_is_named(void **state) {
    struct pair *pair = *state;
    times_out(&pair->a, &pair->b, "no session stands");
}

static void who_does_not_take_rows_in_time_is_named(void **state) {
    struct pair *pair = *state;
    weft_set_metered(pair->b.engine, true); /* First, or it has asked for rows already. */
    party_connect(&pair->b, &pair->a);
    put_rows(&pair->a, ROWS);
    times_out(&pair->a, &pair->b, "rows");
    times_out(&pair->b, &pair->a, "rows");
    weft_set_metered(pair->b.engine, false);
    sync_with(&pair->a, &pair->b);
    sync_with(&pair->b, &pair->a);
    assert_int_equal(party_number(&pair->b, COUNT_ROWS), ROWS);
}

struct writing {
    struct party *party;
    atomic_bool stop;
    atomic_uint rows;
};

static void *write_on(void *context) {
    struct writing *writing = context;
    for (uint32_t row = 1; !atomic_load(&writing->stop); row++) {
        (void)party_put(writing->party, row, "row", row);
        atomic_store(&writing->rows, row);
    }
    return NULL;
}

static void somebody_who_never_stops_writing_keeps_nobody_waiting(void **state) {
    struct pair *pair = *state;
    struct writing writing = {.party = &pair->a};
    pthread_t thread;
    party_connect(&pair->b, &pair->a);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writing), 0);
    while (atomic_load(&writing.rows) < 100)
        sync_with(&pair->a, &pair->b);
    for (int i = 0; i < 5; i++) {
        const unsigned before = atomic_load(&writing.rows);
        sync_with(&pair->a, &pair->b);
        assert_true(party_number(&pair->b, COUNT_ROWS) >= before);
        sync_with(&pair->b, &pair->a);
    }
    atomic_store(&writing.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

struct call {
    struct party *party;
    const uint8_t *device;
    enum weft_status status;
    struct weft_error why;
};

static void *call_it(void *context) {
    struct call *call = context;
    call->status = weft_sync_now_wait(call->party->engine, call->device, LONG_MS, &call->why);
    return NULL;
}

static void many_may_call_at_once(void **state) {
    struct pair *pair = *state;
    pthread_t threads[8];
    struct call calls[8];
    party_connect(&pair->b, &pair->a);
    for (int i = 0; i < 8; i++) {
        calls[i] = (struct call){.party = i % 2 == 0 ? &pair->a : &pair->b};
        pair_put_tag(&pair->a, i % 2 == 0 ? "even" : "odd", "red");
        assert_int_equal(pthread_create(&threads[i], NULL, call_it, &calls[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        pair_must(calls[i].status, &calls[i].why);
    }
}

static void one_that_is_cut_off_is_waited_for(void **state) {
    struct pair *pair = *state;
    pthread_t thread;
    /* It takes no rows, so it cannot answer before it is gone. */
    weft_set_metered(pair->b.engine, true);
    party_connect(&pair->b, &pair->a);
    put_rows(&pair->a, 10);
    uint8_t device[WEFT_ID_SIZE];
    memcpy(device, pair->b.device, sizeof device); /* That one is written when b returns. */
    struct call call = {.party = &pair->a, .device = device};
    times_out(&pair->a, &pair->b, "rows");
    assert_int_equal(pthread_create(&thread, NULL, call_it, &call), 0);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    party_return(&pair->b);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pair_must(call.status, &call.why);
    assert_int_equal(party_number(&pair->b, COUNT_ROWS), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(what_one_wrote_is_with_the_other_when_it_returns),
        PAIR_TEST(what_the_other_holds_is_here_when_it_returns),
        PAIR_TEST(a_session_that_is_still_to_come_is_waited_for),
        PAIR_TEST(with_nobody_there_it_says_so_at_once),
        PAIR_TEST(who_is_not_there_in_time_is_named),
        PAIR_TEST(who_does_not_take_rows_in_time_is_named),
        PAIR_TEST(somebody_who_never_stops_writing_keeps_nobody_waiting),
        PAIR_TEST(many_may_call_at_once),
        PAIR_TEST(one_that_is_cut_off_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
