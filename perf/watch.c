/* Sees when a number can be read on another device; see watch.h. */
#include "perf/watch.h"

#include <poll.h>
#include <unistd.h>

#include "engine/base/check.h"

#define PATIENCE_MS 60000

static void tell(int out, uint64_t number) {
    const struct sight sight = {number, bench_now()};
    CHECK(write(out, &sight, sizeof sight) == (ssize_t)sizeof sight);
}

static void look(struct watch *watch) {
    (void)pthread_mutex_lock(&watch->lock);
    uint64_t number = 0;
    if (sqlite3_step(watch->select) == SQLITE_ROW)
        number = (uint64_t)sqlite3_column_int64(watch->select, 0);
    CHECK(sqlite3_reset(watch->select) == SQLITE_OK);
    if (number > watch->last) tell(watch->out, number);
    if (number > watch->last) watch->last = number;
    (void)pthread_mutex_unlock(&watch->lock);
}

static void on_commit(void *context, const struct weft_commit *commit) {
    struct watch *watch = context;
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->changes[i].model != watch->model) continue;
        look(watch);
        return;
    }
}

bool watch_open(struct watch *watch, weft_engine *engine, int model, const char *sql,
                const struct id *id, int out, struct side *side) {
    struct weft_error why = {0};
    *watch = (struct watch){.engine = engine, .model = model, .out = out};
    CHECK(pthread_mutex_init(&watch->lock, NULL) == 0);
    if (weft_open_reader(engine, &watch->reader, &why) != WEFT_OK) {
        side_fail(side, "reader: %s", why.text);
        return false;
    }
    if (sqlite3_prepare_v2(watch->reader, sql, -1, &watch->select, NULL) != SQLITE_OK ||
        sqlite3_bind_blob(watch->select, 1, id->bytes, sizeof id->bytes, SQLITE_TRANSIENT) !=
            SQLITE_OK)
        side_fail(side, "%s: %s", sql, sqlite3_errmsg(watch->reader));
    if (!side->failed && weft_on_commit(engine, WEFT_HOOK_AFTER | WEFT_HOOK_REMOTE, on_commit,
                                        watch, &why) != WEFT_OK)
        side_fail(side, "hook: %s", why.text);
    /* What came before the hook did is not told by it. */
    if (!side->failed) look(watch);
    return !side->failed;
}

void watch_close(struct watch *watch) {
    if (watch->engine == NULL) return;
    /* It is not there when watch_open() failed. */
    const enum weft_status status = weft_off_commit_wait(watch->engine, on_commit, watch);
    CHECK(status == WEFT_OK || status == WEFT_NOT_FOUND);
    (void)sqlite3_finalize(watch->select);
    (void)sqlite3_close(watch->reader);
    (void)pthread_mutex_destroy(&watch->lock);
    watch->engine = NULL;
}

void watch_end(int out) {
    tell(out, WATCH_END);
}

bool watch_read(int in, struct sight *sight) {
    struct pollfd ready = {.fd = in, .events = POLLIN};
    if (poll(&ready, 1, PATIENCE_MS) != 1) return false;
    return read(in, sight, sizeof *sight) == (ssize_t)sizeof *sight;
}
