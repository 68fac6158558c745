/* What a program can read of an engine: two devices, joined, and what one knows of the other. */
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include "engine/base/bytes.h"
#include "engine/metrics_text.h"
#include "tests/lib/pair.h"
#include "tests/lib/scrape.h"

#define RINGS_MAX 64u
#define ACTORS_MAX 32u

static void durations_are_counted_where_they_were_spent(void **state) {
    struct pair *pair = *state;
    static struct weft_metrics before, after;
    struct weft_stats stats;
    (void)weft_metrics(pair->a.engine, &before, sizeof before);
    for (uint32_t i = 0; i < 20; i++)
        party_wait(&pair->a, party_put(&pair->a, i, "row", i), WEFT_REPLICATED, 1);
    (void)weft_metrics(pair->a.engine, &after, sizeof after);
    weft_stats(pair->a.engine, &stats);
    assert_int_equal(after.ticket.count, before.ticket.count + 20);
    assert_int_equal(after.commit.count, stats.syncs);
    assert_int_equal(after.sync.count, stats.syncs);
    assert_true(after.replicate.count > before.replicate.count);
    assert_true(after.commit.sum_us >= after.sync.sum_us);
    assert_true(after.ticket.greatest_us > 0);
    assert_int_equal(after.commit_status, WEFT_OK);
    assert_int_equal(after.commits_waiting, 0);
    assert_int_equal(after.members, 1);
    assert_int_equal(after.members_away, 0);
    assert_true(after.door_bytes_max >= stats.door_bytes_held);
    (void)weft_metrics(pair->b.engine, &after, sizeof after);
    assert_true(after.arrive.count > 0);
}

static void a_struct_of_another_size_gets_what_fits(void **state) {
    struct pair *pair = *state;
    struct {
        struct weft_metrics metrics;
        uint8_t behind[64];
    } room;
    memset(&room, 0xee, sizeof room);
    party_wait(&pair->a, party_put(&pair->a, 1, "row", 1), WEFT_DURABLE, 0);
    const size_t size = weft_metrics(pair->a.engine, &room.metrics, sizeof room.metrics.commit);
    assert_int_equal(size, sizeof room.metrics);
    assert_true(room.metrics.commit.count > 0);
    assert_int_equal(room.metrics.sync.count & 0xff, 0xee); /* Not the caller's: left alone. */
    (void)weft_metrics(pair->a.engine, &room.metrics, sizeof room);
    assert_true(room.metrics.sync.count > 0);
    for (size_t i = 0; i < sizeof room.behind; i++)
        assert_int_equal(room.behind[i], 0);
}

static void a_member_that_is_gone_falls_behind_and_catches_up(void **state) {
    struct pair *pair = *state;
    struct weft_lag lag;
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_REPLICATED, 1);
    assert_int_equal(weft_lags(pair->a.engine, &lag, 1), 1);
    assert_memory_equal(lag.device, pair->b.device, WEFT_ID_SIZE);
    assert_true(lag.rows_known);
    assert_int_equal(lag.rows, 0);
    assert_int_equal(lag.records, 0);
    assert_int_equal(lag.ms, 0);

    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    (void)party_put(&pair->a, 2, "two", 2);
    party_wait(&pair->a, party_put(&pair->a, 3, "three", 3), WEFT_DURABLE, 0);
    assert_int_equal(weft_lags(pair->a.engine, &lag, 1), 1);
    assert_int_equal(lag.rows, 2);

    party_return(&pair->b);
    party_wait(&pair->a, party_put(&pair->a, 4, "four", 4), WEFT_REPLICATED, 1);
    assert_int_equal(weft_lags(pair->a.engine, &lag, 1), 1);
    assert_int_equal(lag.rows, 0);
    assert_int_equal(lag.ms, 0);
}

static struct weft_contact contact_of(struct pair *pair) {
    struct weft_contact list[4];
    const unsigned count = weft_contacts(pair->a.engine, list, 4);
    for (unsigned i = 0; i < count && i < 4; i++)
        if (memcmp(list[i].device, pair->b.device, WEFT_ID_SIZE) == 0) return list[i];
    fail_msg("b is not known");
    return list[0];
}

static void what_is_known_of_a_device_says_how_far_behind_it_is(void **state) {
    struct pair *pair = *state;
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_REPLICATED, 1);
    struct weft_contact known = contact_of(pair);
    assert_true(known.lag_rows_known);
    assert_int_equal(known.lag_rows, 0);
    assert_int_equal(known.lag_ms, 0);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    const uint64_t ticket = party_put(&pair->a, 2, "two", 2);
    party_wait(&pair->a, party_put(&pair->a, 3, "three", 3), WEFT_DURABLE, 0);
    known = contact_of(pair);
    assert_int_equal(known.lag_rows, 2);
    party_return(&pair->b);
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
}

static void figures_of_peers_are_labelled_with_device_and_name(void **state) {
    struct pair *pair = *state;
    struct page page = {0};
    struct scrape found;
    struct weft_error why = {0};
    char labels[256], text[ID_TEXT_SIZE];
    struct id id;
    /* And an address at which nobody answers: without a device. */
    assert_int_equal(weft_connect(pair->a.engine, "127.0.0.1:9", &why), WEFT_OK);
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_REPLICATED, 1);
    memcpy(id.bytes, pair->b.device, sizeof id.bytes);
    id_text(&id, text);
    snprintf(labels, sizeof labels, "device=\"%s\",name=\"%s\"", text, contact_of(pair).name);
    metrics_text(pair->a.engine, &page);
    if (!scrape_read(&found, page.text)) fail_msg("%s", found.wrong);
    const struct weft_contact known = contact_of(pair);
    assert_true(scrape_value(&found, "weft_peer_state", labels) == (double)WEFT_PEER_LIVE);
    assert_true(scrape_value(&found, "weft_peer_sent_rows_total", labels) >= 1);
    assert_true(scrape_value(&found, "weft_peer_sent_rows_total", labels) <=
                (double)known.rows_out);
    assert_true(scrape_value(&found, "weft_peer_received_bytes_total", labels) > 0);
    scrape_free(&found);
    page_free(&page);
}

static void actors_and_rings_are_told_apart_and_their_mails_counted(void **state) {
    struct pair *pair = *state;
    struct weft_actor actors[ACTORS_MAX];
    struct weft_ring rings[RINGS_MAX];
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_REPLICATED, 1);
    const unsigned actor_count = weft_actors(pair->a.engine, actors, ACTORS_MAX);
    const unsigned ring_count = weft_rings(pair->a.engine, rings, RINGS_MAX);
    assert_in_range(actor_count, 7, ACTORS_MAX);
    assert_in_range(ring_count, 10, RINGS_MAX);
    for (unsigned i = 0; i < actor_count; i++) {
        for (unsigned k = 0; k < i; k++)
            assert_true(strcmp(actors[i].name, actors[k].name) != 0 ||
                        actors[i].index != actors[k].index);
        if (strcmp(actors[i].name, "log") == 0) assert_true(actors[i].steps > 0);
        assert_true(actors[i].mails_waiting <= actors[i].ring_slots);
    }
    bool committed = false;
    for (unsigned i = 0; i < ring_count; i++) {
        const struct weft_ring *ring = &rings[i];
        for (unsigned k = 0; k < i; k++)
            assert_true(strcmp(ring->from, rings[k].from) != 0 ||
                        strcmp(ring->to, rings[k].to) != 0 ||
                        strcmp(ring->mail, rings[k].mail) != 0);
        assert_true(ring->mails_deepest <= ring->ring_slots);
        if (strcmp(ring->from, "clock") != 0 || strcmp(ring->to, "log") != 0) continue;
        committed = ring->mails > 0;
    }
    assert_true(committed);
    /* Asked for less, they say as much. */
    assert_int_equal(weft_actors(pair->a.engine, NULL, 0), actor_count);
    assert_int_equal(weft_rings(pair->a.engine, rings, 1), ring_count);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, pair_meet, pair_close)
    const struct CMUnitTest tests[] = {
        T(durations_are_counted_where_they_were_spent),
        T(a_struct_of_another_size_gets_what_fits),
        T(a_member_that_is_gone_falls_behind_and_catches_up),
        T(what_is_known_of_a_device_says_how_far_behind_it_is),
        T(figures_of_peers_are_labelled_with_device_and_name),
        T(actors_and_rings_are_told_apart_and_their_mails_counted),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
