/* Devices that know each other over TCP: what is remembered of them across a restart, every address
 * tried, pausing, and how soon they are together again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "tests/chaos/proxy.h"
#include "tests/chaos/tell.h"
#include "tests/lib/pair.h"

#define NOBODY "127.0.0.1:9"

/* What a party knows of another device. */
static struct weft_contact contact(const struct party *party, const struct party *of) {
    struct weft_contact list[16], none = {.address_count = UINT32_MAX};
    const unsigned count = weft_contacts(party->engine, list, 16);
    for (unsigned i = 0; i < count && i < 16; i++)
        if (memcmp(list[i].device, of->device, WEFT_ID_SIZE) == 0) return list[i];
    return none;
}

static void connect_at(struct party *party, const char *address, const struct party *to) {
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX], id[ID_TEXT_SIZE];
    struct id device;
    memcpy(device.bytes, to->device, sizeof device.bytes);
    id_text(&device, id);
    snprintf(target, sizeof target, "%s#%s", address, id);
    assert_int_equal(weft_connect(party->engine, target, &why), WEFT_OK);
}

static void write_row(struct party *from, uint32_t number) {
    party_wait(from, party_put(from, number, "row", number), WEFT_REPLICATED, 1);
}

/* ---- restarts -------------------------------------------------------------------------------- */

static void a_device_that_was_connected_to_is_called_again_after_a_restart(void **state) {
    struct pair *pair = *state;
    party_connect(&pair->b, &pair->a);
    write_row(&pair->b, 1);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    party_return(&pair->b); /* Nobody tells it where A is. */
    party_wait_live(&pair->b, &pair->a, true);
    const struct weft_contact known = contact(&pair->b, &pair->a);
    assert_int_equal(known.address_count, 1);
    assert_string_equal(known.addresses[0].text, pair->a.address);
    assert_int_equal(known.addresses[0].status, WEFT_OK);
    assert_true(known.addresses[0].reached_ms > UINT64_C(1600000000000));
    assert_true(known.sessions >= 2 && known.rows_out >= 1 && known.bytes_in > 0);
    assert_int_equal(known.state, WEFT_PEER_LIVE);
}

static void the_history_of_sessions_outlives_a_restart(void **state) {
    struct pair *pair = *state;
    struct weft_session list[8];
    struct weft_error why = {0};
    unsigned count = 0;
    party_connect(&pair->b, &pair->a);
    write_row(&pair->b, 1);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    party_return(&pair->b);
    assert_int_equal(weft_history_wait(pair->b.engine, NULL, list, 8, &count, &why), WEFT_OK);
    assert_true(count >= 1); /* The one by which it came in may be there as well. */
    assert_memory_equal(list[0].device, pair->a.device, WEFT_ID_SIZE);
    assert_string_equal(list[0].address, pair->a.address);
    assert_true(list[0].opened_here);
    assert_int_equal(list[0].status, WEFT_OK);
    assert_string_equal(list[0].reason, "the engine closes");
    assert_true(list[0].rows_out >= 1 && list[0].bytes_out > 0 && list[0].bytes_in > 0);
    /* The other side, which was not closed, tells of the same session, not yet written or not. */
    assert_int_equal(weft_history_wait(pair->a.engine, pair->b.device, list, 8, &count, &why),
                     WEFT_OK);
    assert_true(count >= 1);
    assert_string_equal(list[0].address, "127.0.0.1");
    assert_false(list[0].opened_here);
    assert_int_equal(list[0].status, WEFT_CLOSED);
    assert_non_null(strstr(list[0].reason, "the engine closes"));
    assert_true(list[0].rows_in >= 1);
    assert_int_equal(weft_history_wait(pair->a.engine, pair->a.device, list, 8, &count, &why),
                     WEFT_OK);
    assert_int_equal(count, 0);
}

struct seen {
    struct weft_contact contact;
    struct weft_session sessions[8];
    unsigned contacts, count;
};

static void see_contact(void *context, const struct weft_contact *known) {
    struct seen *seen = context;
    seen->contact = *known;
    seen->contacts++;
}

static void see_session(void *context, const struct weft_session *session) {
    struct seen *seen = context;
    assert_true(seen->count < 8);
    seen->sessions[seen->count++] = *session;
}

/* The same from outside, while the engine has the file open and when it has not. */
static void a_look_sees_addresses_results_and_sessions(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct weft_session told[8];
    struct seen *seen = calloc(1, sizeof *seen);
    unsigned count = 0;
    bool paused = true;
    assert_non_null(seen);
    party_connect(&pair->b, &pair->a);
    write_row(&pair->b, 1);
    party_leave(&pair->a);
    party_wait_live(&pair->b, &pair->a, false);
    assert_int_equal(weft_history_wait(pair->b.engine, NULL, told, 8, &count, &why), WEFT_OK);
    assert_true(count > 0);
    weft_look *look = pair_look(pair, &pair->b);
    pair_must(weft_look_contacts(look, &paused, seen, see_contact, &why), &why);
    pair_must(weft_look_sessions(look, NULL, 8, seen, see_session, &why), &why);
    assert_false(paused);
    assert_int_equal(seen->contacts, 1);
    assert_memory_equal(seen->contact.device, pair->a.device, WEFT_ID_SIZE);
    assert_string_equal(seen->contact.name, contact(&pair->b, &pair->a).name);
    assert_int_equal(seen->contact.address_count, 1);
    assert_string_equal(seen->contact.addresses[0].text, pair->a.address);
    assert_true(seen->contact.sessions >= 1 && seen->contact.bytes_out > 0);
    assert_int_equal(seen->count, count);
    assert_memory_equal(&seen->sessions[0], &told[0], sizeof told[0]);
    assert_int_equal(weft_pause(pair->b.engine, NULL), WEFT_OK);
    party_leave(&pair->b);
    seen->count = seen->contacts = 0;
    look = pair_look(pair, &pair->b);
    pair_must(weft_look_contacts(look, &paused, seen, see_contact, &why), &why);
    pair_must(weft_look_sessions(look, pair->a.device, 1, seen, see_session, &why), &why);
    assert_true(paused);
    assert_int_equal(seen->contacts, 1);
    assert_int_equal(seen->count, 1);
    assert_memory_equal(&seen->sessions[0], &told[0], sizeof told[0]);
    free(seen);
}

static void an_engine_that_starts_paused_calls_nobody_until_it_is_resumed(void **state) {
    struct pair *pair = *state;
    party_connect(&pair->b, &pair->a);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    pair->b.config.paused = true;
    party_return(&pair->b);
    assert_true(weft_is_paused(pair->b.engine));
    struct weft_event event;
    while (weft_next_event(pair->a.engine, &event)) {
    }
    party_stays_quiet(&pair->a, 1500);
    assert_int_equal(contact(&pair->b, &pair->a).addresses[0].failures, 0);
    assert_int_equal(weft_resume(pair->b.engine, NULL), WEFT_OK);
    party_wait_live(&pair->b, &pair->a, true);
    assert_false(weft_is_paused(pair->b.engine));
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void a_device_is_found_at_whichever_of_its_addresses_it_is(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    party_listen(&pair->a);
    connect_at(&pair->b, NOBODY, &pair->a);
    connect_at(&pair->b, "127.0.0.1:10", &pair->a);
    connect_at(&pair->b, pair->a.address, &pair->a);
    connect_at(&pair->b, NOBODY, &pair->a); /* Which is tried first. */
    party_wait_live(&pair->b, &pair->a, true);
    struct weft_contact known = contact(&pair->b, &pair->a);
    assert_int_equal(known.address_count, 3);
    assert_string_equal(known.addresses[0].text, pair->a.address);
    assert_int_equal(known.addresses[0].status, WEFT_OK);
    assert_string_equal(known.addresses[1].text, NOBODY);
    assert_int_equal(known.addresses[1].status, WEFT_NET);
    assert_int_equal(known.addresses[1].reached_ms, 0);
    assert_true(known.addresses[1].tried_ms > 0 && known.addresses[1].failures > 0);
    /* That order is kept, and an address can be taken away. */
    assert_int_equal(weft_forget_address(pair->b.engine, NOBODY, &why), WEFT_OK);
    party_leave(&pair->b);
    party_return(&pair->b);
    party_wait_live(&pair->b, &pair->a, true);
    known = contact(&pair->b, &pair->a);
    assert_int_equal(known.address_count, 2);
    assert_string_equal(known.addresses[0].text, pair->a.address);
    assert_string_equal(known.addresses[1].text, "127.0.0.1:10");
}

/* ---- pausing --------------------------------------------------------------------------------- */

static void a_paused_device_hears_nothing_until_it_is_resumed_and_then_all(void **state) {
    struct pair *pair = *state;
    struct weft_event event;
    party_connect(&pair->b, &pair->a);
    assert_int_equal(weft_pause(pair->a.engine, pair->b.device), WEFT_OK);
    party_wait_event(&pair->b, WEFT_EVENT_PEER_DOWN, &event);
    assert_int_equal(event.error.status, WEFT_CLOSED); /* In order. */
    assert_non_null(strstr(event.error.text, "paused"));
    (void)party_put(&pair->a, 1, "meanwhile", 1);
    /* A restart does not end it, nor do calls of the other side. */
    party_leave(&pair->a);
    party_return(&pair->a);
    party_wait_event(&pair->b, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_DENIED);
    assert_true(contact(&pair->a, &pair->b).paused);
    assert_int_equal(contact(&pair->a, &pair->b).state, WEFT_PEER_VACANT);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 0);
    assert_int_equal(weft_resume(pair->a.engine, pair->b.device), WEFT_OK);
    party_wait_number(&pair->b, "SELECT count(*) FROM entry WHERE name = 'meanwhile'", 1);
    assert_false(contact(&pair->a, &pair->b).paused);
}

static void what_is_paused_for_all_is_so_after_a_restart(void **state) {
    struct pair *pair = *state;
    party_connect(&pair->b, &pair->a);
    assert_int_equal(weft_pause(pair->b.engine, NULL), WEFT_OK);
    party_wait_live(&pair->a, &pair->b, false);
    party_leave(&pair->b);
    party_return(&pair->b);
    assert_true(weft_is_paused(pair->b.engine));
    assert_int_equal(contact(&pair->b, &pair->a).state, WEFT_PEER_VACANT);
    (void)party_put(&pair->b, 1, "meanwhile", 1);
    assert_int_equal(weft_resume(pair->b.engine, NULL), WEFT_OK);
    party_wait_number(&pair->a, "SELECT count(*) FROM entry WHERE name = 'meanwhile'", 1);
}

/* ---- networks that fail ---------------------------------------------------------------------- */

/* A network that is gone for some seconds of real time: sessions break, calls fail, and soon after
 * it is there again so are the sessions. WEFT_OUTAGE_S: another length than two seconds. */
static void after_an_outage_of_the_network_all_is_well_within_five_seconds(void **state) {
    struct pair *pair = *state;
    const char *asked = getenv("WEFT_OUTAGE_S");
    const int outage_ms = asked == NULL ? 2000 : (int)strtol(asked, NULL, 10) * 1000;
    party_listen(&pair->a);
    party_listen(&pair->b);
    const char *const listen[] = {pair->a.address, pair->b.address};
    const char *const source[] = {"127.0.0.2", "127.0.0.3"};
    char through[PROXY_ADDRESS];
    struct proxy *proxy = proxy_open(2, listen, source, NULL, 0);
    assert_non_null(proxy);
    proxy_address(proxy, 1, 0, through);
    connect_at(&pair->b, through, &pair->a);
    party_wait_live(&pair->b, &pair->a, true);
    static const enum proxy_fault faults[] = {PROXY_REFUSE, PROXY_SWALLOW};
    for (size_t i = 0; i < (asked == NULL ? 1 : 2); i++) {
        const struct proxy_order order = {.fault = faults[i]};
        proxy_set(proxy, 1, 0, &order);
        const uint64_t ticket = party_put(&pair->b, 1 + (uint32_t)i, "meanwhile", 1);
        assert_int_equal(weft_wait(pair->b.engine, ticket, WEFT_REPLICATED, 1, outage_ms, NULL),
                         WEFT_TIMEOUT);
        proxy_heal(proxy, true);
        assert_int_equal(weft_wait(pair->b.engine, ticket, WEFT_REPLICATED, 1, 5000, NULL),
                         WEFT_OK);
    }
    proxy_close(proxy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_APART_TEST(a_device_that_was_connected_to_is_called_again_after_a_restart),
        PAIR_APART_TEST(the_history_of_sessions_outlives_a_restart),
        PAIR_APART_TEST(a_look_sees_addresses_results_and_sessions),
        PAIR_APART_TEST(an_engine_that_starts_paused_calls_nobody_until_it_is_resumed),
        PAIR_APART_TEST(a_device_is_found_at_whichever_of_its_addresses_it_is),
        PAIR_APART_TEST(a_paused_device_hears_nothing_until_it_is_resumed_and_then_all),
        PAIR_APART_TEST(what_is_paused_for_all_is_so_after_a_restart),
        PAIR_APART_TEST(after_an_outage_of_the_network_all_is_well_within_five_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
