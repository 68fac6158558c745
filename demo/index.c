/* Indexing a tree.
 *
 * Each walker owns one transaction at a time and remembers its last tickets in a small ring. Before
 * a ticket is forgotten it is waited for, so that a transaction that the engine refuses is noticed,
 * and a walker runs at most INDEX_TICKETS transactions ahead of the disk.
 *
 * Invariants
 *   1. The location's row is committed before any walker starts: its entries belong to its owner.
 *   2. A row counts as put only after the transaction that holds it was committed.
 *   3. The first failure ends the walk and is the one reported. */
#include "demo/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/must.h"

#define INDEX_ROWS 1000u
#define INDEX_DOOR_MS 60000

struct walker {
    struct index *index;
    pthread_t thread;
    /* The walker's own. */
    weft_tx *tx;
    uint64_t rows, escaped; /* in `tx` */
    uint64_t tickets[INDEX_TICKETS];
    unsigned ticket_count; /* ever issued */
};

struct index {
    struct index_plan plan;
    struct walk *walk;
    uint8_t location[16];
    unsigned started;
    atomic_uint running;
    atomic_uint_fast64_t put, escaped, reserved;
    pthread_mutex_t lock;
    struct weft_error failure; /* under the lock */
    struct walker walkers[INDEX_WALKERS_MAX];
};

static void index_fail(struct index *index, enum weft_status status, const struct weft_error *why) {
    pthread_mutex_lock(&index->lock);
    if (index->failure.status == WEFT_OK) {
        if (why != NULL && why->status == status) index->failure = *why;
        index->failure.status = status;
        if (index->failure.text[0] == '\0')
            snprintf(index->failure.text, sizeof index->failure.text, "%s",
                     weft_status_text(status));
    }
    pthread_mutex_unlock(&index->lock);
    walk_stop(index->walk);
}

static bool walker_commit(struct walker *walker) {
    struct index *index = walker->index;
    if (walker->tx == NULL) return true;
    uint64_t *slot = &walker->tickets[walker->ticket_count % INDEX_TICKETS];
    struct weft_error why = {0};
    enum weft_status status = WEFT_OK;
    if (walker->ticket_count >= INDEX_TICKETS)
        status = weft_wait(index->plan.engine, *slot, WEFT_APPLIED, 0, INDEX_DOOR_MS, &why);
    if (status == WEFT_OK) status = weft_commit_wait(walker->tx, INDEX_DOOR_MS, slot);
    if (status != WEFT_OK) {
        index_fail(index, status, &why);
        weft_abort(walker->tx);
        walker->tx = NULL;
        return false;
    }
    atomic_fetch_add(&index->put, walker->rows);
    atomic_fetch_add(&index->escaped, walker->escaped);
    walker->tx = NULL;
    walker->rows = walker->escaped = 0;
    walker->ticket_count++;
    return true;
}

static bool walker_file(void *context, const struct walk_file *file, uint8_t id[16]) {
    struct walker *walker = context;
    struct index *index = walker->index;
    if (index->plan.limit > 0 && atomic_fetch_add(&index->reserved, 1) >= index->plan.limit)
        return false;
    enum weft_status status = WEFT_OK;
    if (walker->tx == NULL)
        status = weft_begin_wait(index->plan.engine, INDEX_DOOR_MS, &walker->tx);
    if (status != WEFT_OK) {
        index_fail(index, status, NULL);
        return false;
    }
    weft_id(index->plan.engine, id);
    struct entry_file row = {id, index->location, file->parent, file->name, file->stat};
    bool escaped;
    status = entry_put(walker->tx, index->plan.models, &row, &escaped);
    if (status != WEFT_OK) {
        index_fail(index, status, weft_tx_why(walker->tx));
        return false;
    }
    walker->escaped += escaped;
    return ++walker->rows < INDEX_ROWS || walker_commit(walker);
}

static void *walker_main(void *context) {
    struct walker *walker = context;
    struct index *index = walker->index;
    struct walk_visitor visitor = {walker, walker_file};
    walk_run(index->walk, &visitor);
    (void)walker_commit(walker);
    atomic_fetch_sub(&index->running, 1);
    return NULL;
}

static enum weft_status put_location(struct index *index, struct weft_error *why) {
    uint8_t device[16];
    weft_tx *tx = NULL;
    uint64_t ticket;
    weft_id(index->plan.engine, index->location);
    weft_device(index->plan.engine, device);
    enum weft_status status = weft_begin_wait(index->plan.engine, INDEX_DOOR_MS, &tx);
    if (status != WEFT_OK) return status;
    status = entry_put_location(tx, index->plan.models, index->location, device, index->plan.path);
    if (status == WEFT_OK) {
        status = weft_commit_wait(tx, INDEX_DOOR_MS, &ticket);
    } else {
        *why = *weft_tx_why(tx);
    }
    if (status != WEFT_OK) {
        weft_abort(tx);
        return status;
    }
    return weft_wait(index->plan.engine, ticket, WEFT_APPLIED, 0, INDEX_DOOR_MS, why);
}

struct index *index_open(const struct index_plan *plan, char *why, size_t why_cap) {
    MUST(plan->walkers >= 1 && plan->walkers <= INDEX_WALKERS_MAX);
    struct index *index = calloc(1, sizeof *index);
    if (index == NULL) {
        snprintf(why, why_cap, "cannot index \"%s\": out of memory", plan->path);
        return NULL;
    }
    index->plan = *plan;
    pthread_mutex_init(&index->lock, NULL);
    index->walk = walk_open(plan->path, plan->skip, why, why_cap);
    if (index->walk == NULL) {
        index_close(index);
        return NULL;
    }
    struct weft_error error = {0};
    enum weft_status status = put_location(index, &error);
    if (status != WEFT_OK) {
        snprintf(why, why_cap, "cannot write the location \"%s\": %s", plan->path,
                 error.text[0] != '\0' ? error.text : weft_status_text(status));
        index_close(index);
        return NULL;
    }
    atomic_store(&index->running, plan->walkers);
    for (unsigned i = 0; i < plan->walkers; i++) {
        index->walkers[i].index = index;
        int error_number =
            pthread_create(&index->walkers[i].thread, NULL, walker_main, &index->walkers[i]);
        if (error_number != 0) {
            snprintf(why, why_cap, "cannot start walker %u: %s", i + 1, strerror(error_number));
            index_close(index);
            return NULL;
        }
        index->started++;
    }
    return index;
}

void index_report(struct index *index, struct index_report *out) {
    memset(out, 0, sizeof *out);
    /* First: what is done has counted everything before it. */
    out->done = atomic_load(&index->running) == 0;
    out->put = atomic_load(&index->put);
    out->escaped = atomic_load(&index->escaped);
    walk_report(index->walk, &out->walk);
    pthread_mutex_lock(&index->lock);
    out->failure = index->failure;
    pthread_mutex_unlock(&index->lock);
}

unsigned index_tickets(const struct index *index, uint64_t out[INDEX_WALKERS_MAX * INDEX_TICKETS]) {
    MUST(atomic_load(&index->running) == 0);
    unsigned count = 0;
    for (unsigned i = 0; i < index->started; i++) {
        const struct walker *walker = &index->walkers[i];
        for (unsigned at = 0; at < walker->ticket_count && at < INDEX_TICKETS; at++)
            out[count++] = walker->tickets[at];
    }
    return count;
}

void index_close(struct index *index) {
    if (index == NULL) return;
    if (index->walk != NULL) walk_stop(index->walk);
    for (unsigned i = 0; i < index->started; i++) {
        pthread_join(index->walkers[i].thread, NULL);
        weft_abort(index->walkers[i].tx);
    }
    walk_close(index->walk);
    pthread_mutex_destroy(&index->lock);
    free(index);
}
