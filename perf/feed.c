/* The engine's side of the benches; see feed.h.
 *
 * Everything goes through the public interface, as a program's writes would. */
#include "perf/feed.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "engine/base/check.h"

#define PATIENCE_MS 300000 /* an engine that does not answer for so long is broken */
/* Several that come in at once from one address are turned away by the door, and try again. */
#define JOINS_MAX 100u

bool feed_open(struct feed *feed, const struct workload *workload, const char *path,
               const char *link, struct side *side) {
    CHECK(feed != NULL && path != NULL);
    *feed = (struct feed){.workload = workload};
    struct weft_error why;
    struct weft_config config = {.path = path, .schema = demo_schema};
    enum weft_status status;
    unsigned attempts = 0;
    do
        status = link == NULL ? weft_open(&config, &feed->engine, &why)
                              : weft_join(&config, link, PATIENCE_MS, &feed->engine, &why);
    while (status == WEFT_INVITE && ++attempts < JOINS_MAX);
    if (status != WEFT_OK) {
        side_fail(side, "open %s: %s", path, why.text);
        return false;
    }
    feed->location = weft_model(feed->engine, "location");
    feed->entry = weft_model(feed->engine, "entry");
    CHECK(feed->location >= 0 && feed->entry >= 0);
    feed->columns = weft_column_count(feed->engine, feed->entry);
    CHECK(feed->columns <= FEED_COLUMNS_MAX);
    for (const struct field_name *f = field_names; f->name != NULL; f++) {
        int place = weft_column(feed->engine, feed->entry, f->name);
        CHECK(place >= 0 && (unsigned)place < feed->columns);
        feed->fields[place] = f->field;
    }
    return true;
}

void feed_close(struct feed *feed) {
    weft_close(feed->engine);
    feed->engine = NULL;
}

bool feed_wait(struct feed *feed, uint64_t ticket, enum weft_level level, unsigned devices,
               struct side *side) {
    struct weft_error why = {0};
    enum weft_status status = weft_wait(feed->engine, ticket, level, devices, PATIENCE_MS, &why);
    if (status != WEFT_OK) side_fail(side, "wait: %s: %s", weft_status_name(status), why.text);
    return status == WEFT_OK;
}

bool feed_receive(struct feed *feed, uint64_t rows, struct side *side) {
    struct pollfd ready = {.fd = weft_event_descriptor(feed->engine), .events = POLLIN};
    for (;;) {
        struct weft_event event;
        struct weft_stats stats;
        while (weft_next_event(feed->engine, &event)) {
            if (event.kind == WEFT_EVENT_FAULT || event.kind == WEFT_EVENT_PARKED)
                side_fail(side, "receiving: %s", event.error.text);
        }
        weft_stats(feed->engine, &stats);
        if (stats.rows_remote >= rows || side->failed) return !side->failed;
        if (poll(&ready, 1, PATIENCE_MS) == 0)
            side_fail(side, "%llu of %llu rows came", (unsigned long long)stats.rows_remote,
                      (unsigned long long)rows);
    }
}

/* Submits, or says why not. */
static bool submit(weft_tx *tx, uint64_t *ticket, struct side *side) {
    enum weft_status status = weft_commit_wait(tx, PATIENCE_MS, ticket);
    if (status == WEFT_OK) return true;
    side_fail(side, "commit: %s: %s", weft_status_name(status), weft_tx_why(tx)->text);
    weft_abort(tx);
    return false;
}

bool feed_locations(struct feed *feed, uint64_t rows, enum weft_level level, unsigned devices,
                    struct side *side) {
    uint8_t device[WEFT_ID_SIZE];
    weft_device(feed->engine, device);
    weft_tx *tx = NULL;
    enum weft_status status = weft_begin_wait(feed->engine, PATIENCE_MS, &tx);
    uint64_t count = workload_locations(feed->workload, rows), ticket = 0;
    for (uint64_t i = 0; i < count && status == WEFT_OK; i++) {
        struct id id;
        workload_location(feed->workload, i, &id);
        struct weft_value row[] = {weft_blob(id.bytes, sizeof id.bytes),
                                   weft_blob(device, sizeof device), weft_text("/usr", 4),
                                   weft_text("bench", 5)};
        status = weft_put(tx, feed->location, row, sizeof row / sizeof *row);
    }
    if (status != WEFT_OK) {
        side_fail(side, "locations: %s", weft_status_name(status));
        weft_abort(tx);
        return false;
    }
    return submit(tx, &ticket, side) && feed_wait(feed, ticket, level, devices, side);
}

bool feed_rows(struct feed *feed, uint64_t first, uint64_t count, uint64_t *ticket,
               struct side *side) {
    weft_tx *tx = NULL;
    enum weft_status status = weft_begin_wait(feed->engine, PATIENCE_MS, &tx);
    for (uint64_t i = first; i < first + count && status == WEFT_OK; i++) {
        struct entry entry;
        struct weft_value row[FEED_COLUMNS_MAX];
        workload_entry(feed->workload, i, &entry);
        for (unsigned c = 0; c < feed->columns; c++)
            row[c] = workload_cell(&entry, feed->fields[c]);
        status = weft_put(tx, feed->entry, row, feed->columns);
    }
    if (status != WEFT_OK) {
        side_fail(side, "rows from %llu: %s: %s", (unsigned long long)first,
                  weft_status_name(status), tx != NULL ? weft_tx_why(tx)->text : "");
        weft_abort(tx);
        return false;
    }
    return submit(tx, ticket, side);
}

/* ---- from many threads ---- */

struct feeder {
    struct feed *feed;
    uint64_t rows, rows_per_commit;
    unsigned number, of;
    enum weft_level level;
    unsigned devices;
    struct side side; /* only to carry a failure */
};

static void *feeder_run(void *context) {
    struct feeder *feeder = context;
    uint64_t step = feeder->rows_per_commit, ticket = 0;
    for (uint64_t first = feeder->number * step; first < feeder->rows; first += feeder->of * step) {
        uint64_t count = feeder->rows - first < step ? feeder->rows - first : step;
        if (!feed_rows(feeder->feed, first, count, &ticket, &feeder->side)) return NULL;
    }
    if (ticket != 0)
        (void)feed_wait(feeder->feed, ticket, feeder->level, feeder->devices, &feeder->side);
    return NULL;
}

bool feed_all(struct feed *feed, uint64_t rows, uint64_t rows_per_commit, unsigned threads,
              enum weft_level level, unsigned devices, struct side *side) {
    CHECK(threads > 0 && threads <= BENCH_THREADS_MAX && rows_per_commit > 0);
    struct feeder feeders[BENCH_THREADS_MAX];
    pthread_t running[BENCH_THREADS_MAX];
    for (unsigned i = 0; i < threads; i++) {
        feeders[i] = (struct feeder){.feed = feed,
                                     .rows = rows,
                                     .rows_per_commit = rows_per_commit,
                                     .number = i,
                                     .of = threads,
                                     .level = level,
                                     .devices = devices};
        CHECK(pthread_create(&running[i], NULL, feeder_run, &feeders[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        CHECK(pthread_join(running[i], NULL) == 0);
        if (feeders[i].side.failed) side_fail(side, "thread %u: %s", i, feeders[i].side.why);
    }
    struct weft_stats stats;
    weft_stats(feed->engine, &stats);
    if (stats.commits_failed > 0)
        side_fail(side, "%llu commits were refused", (unsigned long long)stats.commits_failed);
    return !side->failed;
}
