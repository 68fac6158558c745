/* See inspector.h. One state, written twice: as JSON for the page's script, and as tables in the
 * place of the mark in inspector.html.
 *
 * Invariant: whatever others chose, names and texts, passes page_json() or page_html(). */
#include "engine/inspector.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/monitor.h"

#define INSPECTOR_MARK "<!--plain-->"
#define INSPECTOR_MEMBERS (LIMIT_ROSTER + 1u)
#define INSPECTOR_ACTORS (LIMIT_PEERS_SHOWN + 16u)

/* Everything that is shown, as it was read. */
struct view {
    struct weft_stats stats;
    struct weft_metrics metrics;
    struct weft_member members[INSPECTOR_MEMBERS];
    struct weft_lag lags[INSPECTOR_MEMBERS];
    struct weft_peer peers[LIMIT_PEERS_SHOWN];
    struct weft_actor actors[INSPECTOR_ACTORS];
    struct host_recent events[HOST_RECENT];
    unsigned member_count, lag_count, peer_count, actor_count, event_count;
    char device[ID_TEXT_SIZE], library[ID_TEXT_SIZE];
    struct weft_error fault;
    bool ready;
};

static unsigned at_most(unsigned count, unsigned most) {
    return count < most ? count : most;
}

static void text_of(const uint8_t device[WEFT_ID_SIZE], char out[ID_TEXT_SIZE]) {
    struct id id;
    memcpy(id.bytes, device, sizeof id.bytes);
    out[0] = 0;
    if (!id_is_zero(&id)) id_text(&id, out);
}

static struct view *view_new(struct weft_engine *engine) {
    struct view *view = calloc(1, sizeof *view);
    if (view == NULL) return NULL;
    weft_stats(engine, &view->stats);
    (void)weft_metrics(engine, &view->metrics, sizeof view->metrics);
    view->member_count =
        at_most(weft_members(engine, view->members, INSPECTOR_MEMBERS), INSPECTOR_MEMBERS);
    view->lag_count = at_most(weft_lags(engine, view->lags, INSPECTOR_MEMBERS), INSPECTOR_MEMBERS);
    view->peer_count =
        at_most(weft_peers(engine, view->peers, LIMIT_PEERS_SHOWN), LIMIT_PEERS_SHOWN);
    view->actor_count =
        at_most(weft_actors(engine, view->actors, INSPECTOR_ACTORS), INSPECTOR_ACTORS);
    view->event_count = host_recent(engine, view->events);
    text_of(engine->settings.device.bytes, view->device);
    text_of(engine->settings.library.bytes, view->library);
    (void)host_fault(engine, &view->fault);
    view->ready = monitor_unready(engine) == NULL;
    return view;
}

static const struct weft_lag *lag_of(const struct view *view, const struct weft_member *member) {
    for (unsigned i = 0; i < view->lag_count; i++) {
        if (memcmp(view->lags[i].device, member->device, WEFT_ID_SIZE) == 0) return &view->lags[i];
    }
    return NULL;
}

static const char *peer_state(enum weft_peer_state state) {
    static const char *const names[] = {[WEFT_PEER_VACANT] = "vacant",
                                        [WEFT_PEER_PAUSING] = "pausing",
                                        [WEFT_PEER_DIALLING] = "dialling",
                                        [WEFT_PEER_GREETING] = "greeting",
                                        [WEFT_PEER_LIVE] = "live"};
    return state < sizeof names / sizeof names[0] ? names[state] : "";
}

static const char *event_name(enum weft_event_kind kind) {
    static const char *const names[] = {
        [WEFT_EVENT_NONE] = "",
        [WEFT_EVENT_PEER_UP] = "session",
        [WEFT_EVENT_PEER_DOWN] = "session ended",
        [WEFT_EVENT_MEMBER] = "member",
        [WEFT_EVENT_REMOVED] = "removed",
        [WEFT_EVENT_JOINING] = "joining",
        [WEFT_EVENT_RESTORED] = "restored",
        [WEFT_EVENT_FAULT] = "fault",
        [WEFT_EVENT_PARKED] = "parked",
        [WEFT_EVENT_DIFFERS] = "differs",
        [WEFT_EVENT_LOST] = "lost",
    };
    return (size_t)kind < sizeof names / sizeof names[0] && names[kind] != NULL ? names[kind]
                                                                                : "other";
}

/* The code that people compare is for them, and not for a page. */
static uint64_t event_count(const struct weft_event *event) {
    return event->kind == WEFT_EVENT_JOINING ? 0 : event->count;
}

/* ---- JSON ---- */

static void json_text(struct page *page, const char *name, const char *text) {
    page_add(page, "\"%s\":\"", name);
    page_json(page, text);
    page_add(page, "\",");
}

static void json_number(struct page *page, const char *name, uint64_t number) {
    page_add(page, "\"%s\":%" PRIu64 ",", name, number);
}

/* Takes the comma behind the last member back, and closes. */
static void json_close(struct page *page, const char *closes) {
    if (!page->failed && page->size != 0 && page->text[page->size - 1] == ',') page->size--;
    page_add(page, "%s", closes);
}

/* Quantiles in milliseconds; nothing when nothing was measured. */
static void json_span(struct page *page, const char *name, const struct weft_histogram *span) {
    if (span->count == 0) return;
    page_add(page, "\"%s\":{\"p50\":%.3f,\"p99\":%.3f,\"count\":%" PRIu64 "},", name,
             (double)weft_quantile_us(span, 0.5) / 1000,
             (double)weft_quantile_us(span, 0.99) / 1000, span->count);
}

static void json_figures(struct page *page, const struct view *view) {
    const struct weft_stats *stats = &view->stats;
    const struct weft_metrics *metrics = &view->metrics;
    uint64_t failures = 0;
    for (unsigned i = 0; i < view->peer_count; i++)
        failures += view->peers[i].failures;
    page_add(page, "\"stats\":{");
    json_number(page, "commits", stats->commits);
    json_number(page, "commits_failed", stats->commits_failed);
    json_number(page, "rows_local", stats->rows_local);
    json_number(page, "rows_remote", stats->rows_remote);
    json_number(page, "bytes_in", stats->bytes_in);
    json_number(page, "bytes_out", stats->bytes_out);
    json_number(page, "conflicts", stats->fields_beaten);
    json_number(page, "failures", failures);
    json_close(page, "},\"latency\":{");
    json_span(page, "commit", &metrics->commit);
    json_span(page, "sync", &metrics->sync);
    json_span(page, "ticket", &metrics->ticket);
    json_span(page, "replicate", &metrics->replicate);
    json_close(page, "},\"log\":{");
    json_number(page, "records", metrics->log_records);
    json_number(page, "pages", metrics->log_pages);
    json_close(page, "},\"memory\":{");
    json_number(page, "pool_bytes", stats->pool_bytes_held);
    json_number(page, "kept_bytes", metrics->pool_bytes_kept);
    json_close(page, "},");
    json_number(page, "commits_waiting", metrics->commits_waiting);
}

static void json_members(struct page *page, const struct view *view) {
    char device[ID_TEXT_SIZE];
    page_add(page, "\"members\":[");
    for (unsigned i = 0; i < view->member_count; i++) {
        const struct weft_member *member = &view->members[i];
        const struct weft_lag *lag = lag_of(view, member);
        text_of(member->device, device);
        page_add(page, "{");
        json_text(page, "device", device);
        json_text(page, "name", member->name);
        page_add(page, "\"self\":%s,\"removed\":%s,\"away\":%s,", member->self ? "true" : "false",
                 member->state == WEFT_MEMBER_REMOVED ? "true" : "false",
                 member->away ? "true" : "false");
        json_number(page, "lag_ms", lag == NULL ? 0 : lag->ms);
        if (lag != NULL && lag->rows_known) json_number(page, "lag_rows", lag->rows);
        if (lag != NULL) json_number(page, "lag_records", lag->records);
        json_close(page, "},");
    }
    json_close(page, "],");
}

static void json_peers(struct page *page, const struct view *view) {
    char device[ID_TEXT_SIZE];
    page_add(page, "\"peers\":[");
    for (unsigned i = 0; i < view->peer_count; i++) {
        const struct weft_peer *peer = &view->peers[i];
        text_of(peer->device, device);
        page_add(page, "{");
        json_text(page, "device", device);
        json_text(page, "state", peer_state(peer->state));
        json_number(page, "bytes_in", peer->bytes_in);
        json_number(page, "bytes_out", peer->bytes_out);
        json_number(page, "rows_in", peer->rows_in);
        json_number(page, "rows_out", peer->rows_out);
        json_number(page, "sessions", peer->sessions);
        json_number(page, "failures", peer->failures);
        json_close(page, "},");
    }
    json_close(page, "],\"actors\":[");
    for (unsigned i = 0; i < view->actor_count; i++) {
        const struct weft_actor *actor = &view->actors[i];
        page_add(page, "{");
        json_text(page, "name", actor->name);
        json_number(page, "index", actor->index);
        json_number(page, "waiting", actor->mails_waiting);
        json_number(page, "slots", actor->ring_slots);
        json_number(page, "steps", actor->steps);
        json_number(page, "pool_bytes", actor->pool_bytes_held);
        json_close(page, "},");
    }
    json_close(page, "],");
}

static void json_events(struct page *page, const struct view *view) {
    char device[ID_TEXT_SIZE];
    page_add(page, "\"events\":[");
    for (unsigned i = 0; i < view->event_count; i++) {
        const struct weft_event *event = &view->events[i].event;
        text_of(event->device, device);
        page_add(page, "{");
        json_number(page, "at_ms", view->events[i].wall_ms);
        json_text(page, "kind", event_name(event->kind));
        json_text(page, "device", device);
        json_number(page, "count", event_count(event));
        json_text(page, "text", event->error.text);
        json_close(page, "},");
    }
    json_close(page, "]");
}

void inspector_status(struct weft_engine *engine, struct page *page) {
    struct view *view = view_new(engine);
    if (view == NULL) {
        page->failed = true;
        return;
    }
    page_add(page, "{");
    json_text(page, "device", view->device);
    json_text(page, "library", view->library);
    json_text(page, "name", engine->name);
    json_text(page, "fault", view->fault.text);
    page_add(page, "\"ready\":%s,", view->ready ? "true" : "false");
    json_number(page, "uptime_ms", view->metrics.uptime_ms);
    json_figures(page, view);
    json_members(page, view);
    json_peers(page, view);
    json_events(page, view);
    page_add(page, "}\n");
    free(view);
}

/* ---- plain tables ---- */

static void plain_line(struct page *page, const char *name, uint64_t number) {
    page_add(page, "<tr><th>%s</th><td class=\"n\">%" PRIu64 "</td></tr>\n", name, number);
}

static void plain_figures(struct page *page, const struct view *view) {
    page_add(page,
             "<section><h2>Figures</h2><table>\n<tr><th>device</th><td>%s</td></tr>\n"
             "<tr><th>library</th><td>%s</td></tr>\n<tr><th>state</th><td>",
             view->device, view->library);
    page_html(page, view->fault.status != WEFT_OK ? view->fault.text
                    : view->ready                 ? "ready"
                                                  : "not ready");
    page_add(page, "</td></tr>\n");
    plain_line(page, "up, in seconds", view->metrics.uptime_ms / 1000);
    plain_line(page, "transactions", view->stats.commits);
    plain_line(page, "own rows", view->stats.rows_local);
    plain_line(page, "rows of others", view->stats.rows_remote);
    plain_line(page, "bytes received", view->stats.bytes_in);
    plain_line(page, "bytes sent", view->stats.bytes_out);
    plain_line(page, "conflicts lost", view->stats.fields_beaten);
    plain_line(page, "records in the shared log", view->metrics.log_records);
    plain_line(page, "ticket, 99 %, in \xc2\xb5s", weft_quantile_us(&view->metrics.ticket, 0.99));
    page_add(page, "</table></section>\n");
}

static void plain_members(struct page *page, const struct view *view) {
    char device[ID_TEXT_SIZE];
    page_add(page, "<section class=\"wide\"><h2>Members</h2><div class=\"scroll\"><table>\n"
                   "<tr><th>name</th><th>device</th><th></th><th class=\"n\">behind, in ms</th>"
                   "</tr>\n");
    for (unsigned i = 0; i < view->member_count; i++) {
        const struct weft_member *member = &view->members[i];
        const struct weft_lag *lag = lag_of(view, member);
        text_of(member->device, device);
        page_add(page, "<tr><td>");
        page_html(page, member->name);
        page_add(page, "</td><td>%s</td><td>%s</td><td class=\"n\">", device,
                 member->self                           ? "this one"
                 : member->state == WEFT_MEMBER_REMOVED ? "removed"
                 : member->away                         ? "away"
                                                        : "");
        if (lag != NULL) page_add(page, "%" PRIu64, lag->ms);
        page_add(page, "</td></tr>\n");
    }
    page_add(page, "</table></div></section>\n");
}

static void plain_peers(struct page *page, const struct view *view) {
    char device[ID_TEXT_SIZE];
    page_add(page, "<section><h2>Sessions</h2><div class=\"scroll\"><table>\n<tr><th>device</th>"
                   "<th>state</th><th class=\"n\">bytes in</th><th class=\"n\">out</th></tr>\n");
    for (unsigned i = 0; i < view->peer_count; i++) {
        const struct weft_peer *peer = &view->peers[i];
        text_of(peer->device, device);
        page_add(page,
                 "<tr><td>%s</td><td>%s</td><td class=\"n\">%" PRIu64
                 "</td><td class=\"n\">%" PRIu64 "</td></tr>\n",
                 device, peer_state(peer->state), peer->bytes_in, peer->bytes_out);
    }
    page_add(page, "</table></div></section>\n<section><h2>Actors</h2><table>\n<tr><th>actor</th>"
                   "<th class=\"n\">mails waiting</th><th class=\"n\">steps</th></tr>\n");
    for (unsigned i = 0; i < view->actor_count; i++) {
        const struct weft_actor *actor = &view->actors[i];
        page_add(page,
                 "<tr><td>%s %u</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
                 "</td></tr>\n",
                 actor->name, actor->index, actor->mails_waiting, actor->steps);
    }
    page_add(page, "</table></section>\n");
}

static void plain_events(struct page *page, const struct view *view) {
    char device[ID_TEXT_SIZE];
    page_add(page, "<section class=\"wide\"><h2>Recent events</h2><div class=\"scroll\"><table>\n");
    for (unsigned i = 0; i < view->event_count; i++) {
        const struct weft_event *event = &view->events[i].event;
        text_of(event->device, device);
        page_add(page, "<tr><td>%s</td><td>%s</td><td class=\"n\">%" PRIu64 "</td><td>",
                 event_name(event->kind), device, event_count(event));
        page_html(page, event->error.text);
        page_add(page, "</td></tr>\n");
    }
    page_add(page, "</table></div></section>\n");
}

void inspector_page(struct weft_engine *engine, struct page *page) {
    struct view *view = view_new(engine);
    const char *mark = strstr(inspector_html, INSPECTOR_MARK);
    CHECK(mark != NULL);
    if (view == NULL) {
        page->failed = true;
        return;
    }
    page_put(page, inspector_html, (size_t)(mark - inspector_html));
    plain_figures(page, view);
    plain_members(page, view);
    plain_peers(page, view);
    plain_events(page, view);
    mark += sizeof INSPECTOR_MARK - 1;
    page_put(page, mark, strlen(mark));
    free(view);
}
