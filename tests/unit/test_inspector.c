/* The inspector: what it polls is JSON and says what the calls say; the page shows the same without
 * a script, asks nobody else for anything, and foreign text stays text in both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/status.h"
#include "engine/inspector.h"
#include "tests/lib/alone.h"
#include "tests/lib/json.h"

#define HOSTILE "</script><b title=\"x\">'&\\"

static int named_setup(void **state) {
    struct alone *alone = calloc(1, sizeof *alone);
    assert_non_null(alone);
    alone_new(alone);
    alone->config.name = HOSTILE;
    alone_ok(alone, alone_open(alone));
    alone_run(alone);
    *state = alone;
    return 0;
}

static int named_teardown(void **state) {
    struct alone *alone = *state;
    alone_close(alone);
    alone_end(alone);
    free(alone);
    return 0;
}

static void status_is_json_and_says_what_the_calls_say(void **state) {
    struct alone *alone = *state;
    struct weft_stats stats;
    struct weft_actor actors[32];
    struct page page = {0};
    for (uint32_t i = 0; i < 3; i++)
        (void)alone_commits(alone, i, "note");
    alone_run(alone);
    weft_stats(alone->engine, &stats);
    inspector_status(alone->engine, &page);
    assert_false(page.failed);
    assert_true(json_sound(page.text));
#define SAYS(path, number) assert_true(json_number(page.text, path) == (double)(number))
    SAYS("stats.commits", stats.commits);
    SAYS("stats.rows_local", stats.rows_local);
    SAYS("stats.bytes_out", stats.bytes_out);
    SAYS("latency.ticket.count", stats.commits);
    SAYS("commits_waiting", 0);
    SAYS("members.0.lag_ms", 0);
    const unsigned count = weft_actors(alone->engine, actors, 32);
    for (unsigned i = 0; i < count; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "actors.%u.steps", i);
        SAYS(path, actors[i].steps);
    }
#undef SAYS
    assert_true(json_is(page.text, "ready", "true"));
    assert_true(json_is(page.text, "fault", "\"\""));
    assert_true(json_is(page.text, "members.0.self", "true"));
    assert_true(
        json_is(page.text, "members.0.name", "\"\\u003c/script>\\u003cb title=\\\"x\\\">'&\\\\\""));
    assert_null(json_at(page.text, "members.1"));
    page_free(&page);
}

static void the_page_shows_the_same_without_a_script(void **state) {
    struct alone *alone = *state;
    struct page page = {0};
    inspector_page(alone->engine, &page);
    assert_false(page.failed);
    assert_null(strstr(page.text, "<!--plain-->"));
    assert_non_null(strstr(page.text, "&lt;/script&gt;&lt;b title=&quot;x&quot;&gt;&#39;&amp;\\"));
    assert_null(strstr(page.text, HOSTILE));
    uint8_t device[WEFT_ID_SIZE];
    struct id id;
    char text[ID_TEXT_SIZE];
    weft_device(alone->engine, device);
    memcpy(id.bytes, device, sizeof id.bytes);
    id_text(&id, text);
    assert_non_null(strstr(page.text, text));
    assert_non_null(strstr(page.text, "this one"));
    /* One script, at the end, whatever names are. */
    assert_ptr_equal(strstr(page.text, "</script>") + strlen("</script>\n</body>\n</html>\n"),
                     page.text + page.size);
    page_free(&page);
}

static void the_page_asks_nobody_else_for_anything(void **state) {
    static const char *const outside[] = {"src=", "@import", "url(", "https:", "import("};
    (void)state;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_null(strstr(inspector_html, outside[i]));
    /* The only link is the icon, which is within it. */
    for (const char *at = strstr(inspector_html, "href="); at != NULL; at = strstr(at + 1, "href="))
        assert_memory_equal(at, "href=\"data:", 11);
    /* The only address is the name of SVG's elements, which nobody fetches. */
    for (const char *at = strstr(inspector_html, "http:"); at != NULL; at = strstr(at + 1, "http:"))
        assert_memory_equal(at, "http://www.w3.org/2000/svg", 26);
}

static void events_are_shown_after_they_were_taken_and_faults_in_full(void **state) {
    struct alone *alone = *state;
    struct weft_event event;
    struct weft_error why = {0};
    struct page page = {0};
    (void)status_fail(&why, WEFT_SYNC_FAILED, 5, "the disk of the <test> has failed");
    topology_fatal(engine_topology(alone->engine), &why);
    while (weft_next_event(alone->engine, &event)) {
    }
    inspector_status(alone->engine, &page);
    assert_true(json_sound(page.text));
    assert_true(json_is(page.text, "ready", "false"));
    assert_true(json_is(page.text, "fault", "\"the disk of the \\u003ctest> has failed\""));
    assert_true(json_is(page.text, "events.0.kind", "\"fault\""));
    assert_true(json_is(page.text, "events.0.text", "\"the disk of the \\u003ctest> has failed\""));
    page_free(&page);
    inspector_page(alone->engine, &page);
    assert_non_null(strstr(page.text, "the disk of the &lt;test&gt; has failed"));
    page_free(&page);
}

/* What is shown takes no event from the program, and its descriptor stays readable. */
static void looking_takes_no_event_away(void **state) {
    struct alone *alone = *state;
    struct weft_event event;
    struct weft_error why = {0};
    struct page page = {0};
    while (weft_next_event(alone->engine, &event)) {
    }
    (void)status_fail(&why, WEFT_SYNC_FAILED, 5, "the disk has failed");
    topology_fatal(engine_topology(alone->engine), &why);
    inspector_status(alone->engine, &page);
    page_free(&page);
    assert_true(weft_next_event(alone->engine, &event));
    assert_int_equal(event.kind, WEFT_EVENT_FAULT);
    assert_false(weft_next_event(alone->engine, &event));
}

static void what_is_no_json_is_found(void **state) {
    static const char *const wrong[] = {
        "", "{", "{\"a\":1,}", "[1,]", "{a:1}", "\"\n\"", "{\"a\":\"\\x\"}", "01", "[1] 2", "tru"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(json_sound(wrong[i]));
    assert_true(json_sound(" {\"a\":[1,-2.5e3,\"\\u00e9\\n\",{}],\"b\":[],\"c\":null} "));
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, named_setup, named_teardown)
    const struct CMUnitTest tests[] = {
        T(status_is_json_and_says_what_the_calls_say),
        T(the_page_shows_the_same_without_a_script),
        T(events_are_shown_after_they_were_taken_and_faults_in_full),
        T(looking_takes_no_event_away),
        cmocka_unit_test(the_page_asks_nobody_else_for_anything),
        cmocka_unit_test(what_is_no_json_is_found),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
