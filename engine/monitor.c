/* What an engine shows of itself by HTTP. A page more is a line more in `routes`.
 *
 * Pages are written on the server's thread, which reads the engine as any host thread does. */
#include "engine/monitor.h"
#include "engine/inspector.h"
#include "engine/metrics_text.h"
#include "engine/net/http.h"

#define MONITOR_ADDRESS "127.0.0.1:9464"
#define MONITOR_TEXT "text/plain; charset=utf-8"
#define MONITOR_OK 200u
#define MONITOR_UNAVAILABLE 503u

static unsigned show_metrics(void *context, struct page *page) {
    metrics_text(context, page);
    return MONITOR_OK;
}

/* The reason is for those who may see all: here stands only what a probe has to know. */
static unsigned show_health(void *context, struct page *page) {
    struct weft_engine *engine = context;
    struct weft_error why = {0};
    if (host_fault(engine, &why) == WEFT_OK) {
        page_add(page, "ok\n");
        return MONITOR_OK;
    }
    page_add(page, "stopped by a fault: %s\n", weft_status_text(why.status));
    return MONITOR_UNAVAILABLE;
}

const char *monitor_unready(const struct weft_engine *engine) {
    const size_t held = atomic_load_explicit(&engine->door_held, memory_order_relaxed);
    const enum weft_status last = (enum weft_status)board_get(engine->board->commit_status);
    if (topology_failed(engine->topology, NULL)) return "it was stopped by a fault";
    if (atomic_load(&engine->closing)) return "it is closing";
    if (last != WEFT_OK) return weft_status_text(last); /* What the last commit failed of. */
    if (held >= engine->door_max) return "it holds as much unwritten data as it may";
    return NULL;
}

static unsigned show_ready(void *context, struct page *page) {
    const char *unready = monitor_unready(context);
    page_add(page, "%s\n", unready == NULL ? "ok" : unready);
    return unready == NULL ? MONITOR_OK : MONITOR_UNAVAILABLE;
}

static unsigned show_inspector(void *context, struct page *page) {
    inspector_page(context, page);
    return MONITOR_OK;
}

static unsigned show_status(void *context, struct page *page) {
    inspector_status(context, page);
    return MONITOR_OK;
}

static const struct http_route routes[] = {
    {"/", "text/html; charset=utf-8", false, show_inspector},
    {"/status.json", "application/json", false, show_status},
    {"/metrics", METRICS_TEXT_TYPE, false, show_metrics},
    {"/healthz", MONITOR_TEXT, true, show_health},
    {"/readyz", MONITOR_TEXT, true, show_ready},
    {NULL, NULL, false, NULL},
};

enum weft_status weft_http_start_wait(weft_engine *engine, const struct weft_http *options,
                                      char *bound, struct weft_error *why) {
    CHECK(engine != NULL);
    const struct weft_http none = {0};
    char at[WEFT_ADDRESS_MAX] = "";
    if (options == NULL) options = &none;
    const struct http_plan plan = {
        .address = options->address != NULL ? options->address : MONITOR_ADDRESS,
        .token = options->token,
        .anywhere = options->anywhere,
        .routes = routes,
        .context = engine,
    };
    enum weft_status status = WEFT_OK;
    /* A page that needs the lock waits until this has returned. */
    (void)pthread_mutex_lock(&engine->lock);
    if (engine->http != NULL) {
        status = status_fail(why, WEFT_INVALID, 0,
                             "the engine is shown by HTTP already; call weft_http_stop_wait()");
    } else {
        status = http_open(&plan, &engine->http, at, why);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (status == WEFT_OK && bound != NULL) memcpy(bound, at, sizeof at);
    if (status == WEFT_OK) logger_say(engine, LOGGED_SHOWN, NULL, LOGGED_KEY_ADDRESS, at);
    return status;
}

void weft_http_stop_wait(weft_engine *engine) {
    CHECK(engine != NULL);
    (void)pthread_mutex_lock(&engine->lock);
    struct http *http = engine->http;
    engine->http = NULL;
    (void)pthread_mutex_unlock(&engine->lock);
    http_close(http);
}
