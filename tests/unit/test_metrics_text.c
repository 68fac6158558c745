/* The text of /metrics, read back by a parser of its own, and held against what the calls say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/metrics_text.h"
#include "tests/lib/alone.h"
#include "tests/lib/scrape.h"

static void scrape(struct alone *alone, struct scrape *out) {
    struct page page = {0};
    metrics_text(alone->engine, &page);
    assert_false(page.failed);
    assert_non_null(page.text);
    const bool sound = scrape_read(out, page.text);
    if (!sound) print_error("%s\n", out->wrong);
    page_free(&page);
    assert_true(sound);
}

static void the_text_is_well_formed_and_says_what_the_calls_say(void **state) {
    struct alone *alone = *state;
    struct scrape found;
    struct weft_stats stats;
    static struct weft_metrics metrics;
    for (uint32_t i = 0; i < 5; i++)
        (void)alone_commits(alone, i, "note");
    alone_run(alone);
    weft_stats(alone->engine, &stats);
    (void)weft_metrics(alone->engine, &metrics, sizeof metrics);
    scrape(alone, &found);
    assert_true(stats.commits >= 5 && metrics.ticket.count >= 5);
#define SAYS(name, number) assert_true(scrape_value(&found, name, NULL) == (double)(number))
    SAYS("weft_commits_total", stats.commits);
    SAYS("weft_sqlite_commits_total", stats.syncs);
    SAYS("weft_rows_local_total", stats.rows_local);
    SAYS("weft_ticket_seconds_count", metrics.ticket.count);
    SAYS("weft_commit_seconds_count", metrics.commit.count);
    SAYS("weft_sync_seconds_count", metrics.sync.count);
    SAYS("weft_door_bytes_max", metrics.door_bytes_max);
    SAYS("weft_commit_ok", 1);
    SAYS("weft_log_records", metrics.log_records);
#undef SAYS
    const double sum = scrape_value(&found, "weft_ticket_seconds_sum", NULL);
    assert_true(sum > (double)metrics.ticket.sum_us / 1e6 - 1e-9);
    assert_true(sum < (double)metrics.ticket.sum_us / 1e6 + 1e-9);
    scrape_free(&found);
}

/* A figure that is in the structs and not on the page would be seen by nobody. */
static void every_actor_and_ring_has_its_line(void **state) {
    struct alone *alone = *state;
    struct scrape found;
    struct weft_actor actors[32];
    struct weft_ring rings[64];
    scrape(alone, &found);
    const unsigned actor_count = weft_actors(alone->engine, actors, 32);
    const unsigned ring_count = weft_rings(alone->engine, rings, 64);
    assert_int_equal(scrape_count(&found, "weft_actor_steps_total"), actor_count);
    assert_int_equal(scrape_count(&found, "weft_actor_mails_waiting"), actor_count);
    assert_int_equal(scrape_count(&found, "weft_ring_slots"), ring_count);
    for (unsigned i = 0; i < actor_count; i++) {
        char labels[96];
        (void)snprintf(labels, sizeof labels, "actor=\"%s\",index=\"%u\"", actors[i].name,
                       actors[i].index);
        assert_true(scrape_value(&found, "weft_actor_steps_total", labels) ==
                    (double)actors[i].steps);
    }
    scrape_free(&found);
}

/* docs/metrics.md has a line for each name, and none for what is not there. */
static void every_name_is_documented(void **state) {
    struct alone *alone = *state;
    static char document[65536];
    struct page page = {0};
    unsigned names = 0, lines = 0;
    FILE *file = fopen(WEFT_SOURCE_DIR "/docs/metrics.md", "re");
    assert_non_null(file);
    document[fread(document, 1, sizeof document - 1, file)] = 0;
    (void)fclose(file);
    metrics_text(alone->engine, &page);
    for (const char *at = page.text; (at = strstr(at, "# TYPE ")) != NULL; names++) {
        char name[96], type[16], line[160];
        assert_int_equal(sscanf(at, "# TYPE %95s %15s", name, type), 2);
        (void)snprintf(line, sizeof line, "\n| `%s` | %s | ", name, type);
        if (strstr(document, line) == NULL) fail_msg("%s", line);
        at++;
    }
    for (const char *at = document; (at = strstr(at, "\n| `weft_")) != NULL; at++)
        lines++;
    assert_int_equal(lines, names);
    page_free(&page);
}

/* The parser finds what it is there for. */
static void what_is_not_well_formed_is_found(void **state) {
    static const char *const wrong[] = {
        "x 1\n",
        "# HELP x h\n# TYPE x gauge\nx 1",
        "# HELP x h\n# TYPE x gauge\ny 1\n",
        "# HELP x h\n# TYPE x counter\nx 1\n",
        "# HELP x h\n# TYPE x gauge\nx 1\nx 2\n",
        "# HELP x h\n# TYPE x gauge\nx{a=\"\n\"} 1\n",
        "# HELP x h\n# TYPE x gauge\nx{a=\"\\t\"} 1\n",
        "# HELP x h\n# TYPE x gauge\nx{a=\"b\" 1\n",
        "# HELP x h\n# TYPE x gauge\nx one\n",
        "# HELP x h\n# TYPE x gauge\nx 1\n# HELP y h\n# TYPE y gauge\ny 1\nx 1\n",
        "# HELP x h\n# TYPE x gauge\nx 1\n# HELP x h\n# TYPE x gauge\nx 1\n",
        "# HELP x h\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"+Inf\"} 1\n",
        "# HELP x h\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 2\n",
    };
    struct scrape found;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(scrape_read(&found, wrong[i]));
        scrape_free(&found);
    }
    assert_true(scrape_read(&found, "# HELP x_total h\n# TYPE x_total counter\nx_total{a=\"\\n\","
                                    "b=\"\\\"\\\\\"} 1.5\n"));
    assert_true(scrape_value(&found, "x_total", "a=\"\\n\",b=\"\\\"\\\\\"") == 1.5);
    scrape_free(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_text_is_well_formed_and_says_what_the_calls_say,
                                        alone_setup, alone_teardown),
        cmocka_unit_test_setup_teardown(every_actor_and_ring_has_its_line, alone_setup,
                                        alone_teardown),
        cmocka_unit_test_setup_teardown(every_name_is_documented, alone_setup, alone_teardown),
        cmocka_unit_test(what_is_not_well_formed_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
