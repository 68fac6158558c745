/* See hooks.h. The order of what one hook is told:
 *
 *     BEFORE 1, BEFORE 2   AFTER 1, AFTER 2   LOST   BEFORE 5 … UNDONE 5
 *     └─ one group of commits ────────────┘   └ groups that had no room */
#include "engine/hooks.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/host.h"
#include "engine/runtime/ring.h"
#include "engine/wire/touched.h"

/* ---- one call ---- */

/* Whether a hook wants to be told this. LOST concerns all. */
static bool wants(const struct hook *hook, const struct weft_commit *commit) {
    if (hook->call == NULL) return false;
    if (commit->phase == WEFT_LOST) return true;
    const unsigned phase = commit->phase == WEFT_AFTER ? WEFT_HOOK_AFTER : WEFT_HOOK_BEFORE;
    const unsigned side = commit->remote ? WEFT_HOOK_REMOTE : WEFT_HOOK_LOCAL;
    return (hook->which & phase) != 0 && (hook->which & side) != 0 && commit->serial > hook->since;
}

static void call_one(struct hooks *hooks, int at, const struct weft_commit *commit) {
    (void)pthread_mutex_lock(&hooks->lock);
    const struct hook hook = hooks->list[at];
    const bool call = wants(&hook, commit) && !atomic_load(&hooks->halt);
    if (call) {
        CHECK(hooks->calling == -1);
        hooks->calling = at;
        hooks->calls++;
        hooks->caller = pthread_self();
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    if (!call) return;
    hook.call(hook.context, commit);
    (void)pthread_mutex_lock(&hooks->lock);
    hooks->calling = -1;
    (void)pthread_cond_broadcast(&hooks->returned);
    (void)pthread_mutex_unlock(&hooks->lock);
}

bool hooks_within(struct hooks *hooks) {
    (void)pthread_mutex_lock(&hooks->lock);
    bool within = hooks->calling != -1 && pthread_equal(hooks->caller, pthread_self());
    (void)pthread_mutex_unlock(&hooks->lock);
    return within;
}

/* ---- what is told ---- */

/* Behind the `count` changes that are there, one for each of these models. */
static size_t lay_many(struct weft_change *changes, size_t count, uint64_t models) {
    for (int m = 0; m < (int)LIMIT_MODELS; m++) {
        if ((models >> m & 1) == 0) continue;
        changes[count++] = (struct weft_change){.model = m, .op = WEFT_CHANGE_MANY};
    }
    return count;
}

static bool make_room(struct hooks *hooks, const Weft__Changed *entry) {
    const size_t changes = (size_t)entry->count + LIMIT_MODELS;
    if (hooks->change_room < changes) {
        void *grown = realloc(hooks->changes, changes * sizeof *hooks->changes);
        if (grown == NULL) return false;
        hooks->changes = grown;
        hooks->change_room = changes;
    }
    if (hooks->value_room < entry->values) {
        void *grown = realloc(hooks->values, entry->values * sizeof *hooks->values);
        if (grown == NULL) return false;
        hooks->values = grown;
        hooks->value_room = entry->values;
    }
    return true;
}

/* Lays the changes of an entry; without memory for them, `few` names its models. */
static void lay_changes(struct hooks *hooks, const Weft__Changed *entry,
                        struct weft_change few[LIMIT_MODELS], struct weft_commit *commit) {
    const uint8_t *at = entry->rows.data, *end = at == NULL ? at : at + entry->rows.len;
    const bool room = make_room(hooks, entry);
    struct touched row;
    size_t values = 0;
    uint64_t many = entry->many;
    commit->count = 0;
    commit->changes = room ? hooks->changes : few;
    for (uint32_t i = 0; i < entry->count; i++) {
        const bool read = touched_next(&at, end, &row);
        CHECK(read);
        if (!room) {
            many |= UINT64_C(1) << (row.model - 1);
            continue;
        }
        CHECK(values + row.count <= entry->values);
        memcpy(hooks->values + values, row.key, row.count * sizeof row.key[0]);
        hooks->changes[commit->count++] = (struct weft_change){.model = (int)row.model - 1,
                                                               .op = row.op,
                                                               .key = hooks->values + values,
                                                               .key_count = row.count};
        values += row.count;
    }
    commit->count = lay_many(room ? hooks->changes : few, commit->count, many);
}

/* Tells all hooks of each entry of a group. */
static void tell(struct hooks *hooks, const Weft__Changes *group, enum weft_phase phase) {
    struct weft_change few[LIMIT_MODELS];
    for (size_t i = 0; i < group->n_entries; i++) {
        const Weft__Changed *entry = group->entries[i];
        struct weft_commit commit = {.phase = phase, .ticket = entry->ticket};
        commit.serial = group->first + i;
        commit.remote = entry->device.len != 0;
        memcpy(commit.device, commit.remote ? entry->device.data : hooks->device.bytes,
               WEFT_ID_SIZE);
        lay_changes(hooks, entry, few, &commit);
        for (int at = 0; at < (int)LIMIT_HOOKS; at++)
            call_one(hooks, at, &commit);
    }
}

/* What a hook has not been told is left out; takes note of it. 0 when there is nothing. */
static uint64_t take_lost(struct hooks *hooks, struct hook *hook, uint64_t *models) {
    /* Models first are counted last: those that belong to this count are seen. */
    const uint64_t now = atomic_load_explicit(&hooks->board->hooks_lost, memory_order_acquire);
    const uint64_t lost = now - hook->lost;
    *models = 0;
    if (lost == 0) return 0;
    for (uint32_t m = 0; m < LIMIT_MODELS; m++) {
        const uint64_t at = board_get(hooks->board->hooks_lost_at[m]);
        if (at != hook->lost_at[m]) *models |= UINT64_C(1) << m;
        hook->lost_at[m] = at;
    }
    hook->lost = now;
    return lost;
}

static bool tell_lost(struct hooks *hooks) {
    struct weft_change few[LIMIT_MODELS];
    bool told = false;
    for (int at = 0; at < (int)LIMIT_HOOKS; at++) {
        struct weft_commit commit = {.phase = WEFT_LOST, .remote = false, .changes = few};
        uint64_t models = 0;
        (void)pthread_mutex_lock(&hooks->lock);
        if (hooks->list[at].call != NULL) commit.lost = take_lost(hooks, &hooks->list[at], &models);
        (void)pthread_mutex_unlock(&hooks->lock);
        if (models == 0) continue; /* Or they were told with the loss before. */
        memcpy(commit.device, hooks->device.bytes, WEFT_ID_SIZE);
        commit.count = lay_many(few, 0, models);
        call_one(hooks, at, &commit);
        told = true;
    }
    return told;
}

/* ---- taking ---- */

/* Gives back what mails counted as. */
static void give_back(struct hooks *hooks, uint64_t mails, uint64_t bytes) {
    struct board *board = hooks->board;
    atomic_fetch_add_explicit(&board->hooks_bytes, bytes, memory_order_release);
    atomic_fetch_add_explicit(&board->hooks_mails, mails, memory_order_release);
    wake_fence(); /* Against that of the log: whatever it then finds left out is looked for next. */
}

/* Takes one mail; false when none waits. */
static bool take_one(struct hooks *hooks) {
    struct mail *mail = edge_pop(hooks->edge);
    if (mail == NULL) return false;
    if (mail->body.body_case == WEFT__MAIL__BODY_CHANGES) {
        CHECK(hooks->told == NULL);
        hooks->told = mail;
        tell(hooks, mail->body.changes, WEFT_BEFORE);
        return true;
    }
    CHECK(mail->body.body_case == WEFT__MAIL__BODY_SETTLED);
    const Weft__Settled *settled = mail->body.settled;
    uint64_t mails = 1, bytes = settled->bytes;
    if (settled->first != 0) {
        CHECK(hooks->told != NULL && hooks->told->body.changes->first == settled->first);
        tell(hooks, hooks->told->body.changes, settled->done ? WEFT_AFTER : WEFT_UNDONE);
        mails++;
        bytes += hooks->told->body.changes->bytes;
        mail_drop(&hooks->told);
    }
    mail_drop(&mail);
    give_back(hooks, mails, bytes);
    return true;
}

bool hooks_run(struct hooks *hooks) {
    CHECK(hooks->stepped && !hooks_within(hooks));
    bool any = false;
    for (;;) {
        bool lost = tell_lost(hooks);
        if (!take_one(hooks) && !lost) return any;
        any = true;
    }
}

static bool has_work(const struct hooks *hooks) {
    return ring_count(hooks->edge->ring) != 0 || atomic_load(&hooks->halt);
}

static void *thread_main(void *context) {
    struct hooks *hooks = context;
    while (!atomic_load(&hooks->halt)) {
        bool lost = tell_lost(hooks);
        if (take_one(hooks) || lost) continue;
        wake_prepare(&hooks->wake);
        if (!has_work(hooks)) {
            struct pollfd descriptor = {.fd = hooks->wake.descriptor, .events = POLLIN};
            (void)poll(&descriptor, 1, -1);
        }
        wake_cancel(&hooks->wake);
    }
    return NULL;
}

/* ---- setting and taking away ---- */

/* Caller holds the lock. */
static int find_hook(const struct hooks *hooks, hook_call *call, const void *context) {
    for (int at = 0; at < (int)LIMIT_HOOKS; at++) {
        if (hooks->list[at].call == call && (call == NULL || hooks->list[at].context == context))
            return at;
    }
    return -1;
}

/* Caller holds the lock. */
static void show_wanted(struct hooks *hooks) {
    uint32_t count = 0;
    for (int at = 0; at < (int)LIMIT_HOOKS; at++)
        count += hooks->list[at].call != NULL;
    board_set(hooks->board->hooks_wanted, count);
}

/* Caller holds the lock. */
static enum weft_status start_thread(struct hooks *hooks, struct weft_error *why) {
    sigset_t all, before;
    if (hooks->stepped || hooks->thread_stands) return WEFT_OK;
    if (hooks->wake.descriptor < 0 && !wake_open(&hooks->wake)) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "the process has no file descriptors left for the thread of the hooks");
    }
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int error = pthread_create(&hooks->thread, NULL, thread_main, hooks);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (error != 0) {
        return status_fail(why, WEFT_LIMIT, error,
                           "the thread of the hooks cannot be started; raise the limit of threads");
    }
    hooks->thread_stands = true;
    (void)pthread_setname_np(hooks->thread, "weft-hooks");
    return WEFT_OK;
}

/* Caller holds the lock. */
static enum weft_status add_hook(struct hooks *hooks, struct hook *hook, struct weft_error *why) {
    int at = find_hook(hooks, NULL, NULL);
    if (find_hook(hooks, hook->call, hook->context) >= 0) {
        return status_fail(why, WEFT_INVALID, 0, "this hook is set already with this context");
    }
    if (at < 0) {
        return status_fail(why, WEFT_LIMIT, 0, "%u hooks are set; take one away first",
                           LIMIT_HOOKS);
    }
    enum weft_status status = start_thread(hooks, why);
    if (status != WEFT_OK) return status;
    const struct board *board = hooks->board;
    hook->since = atomic_load_explicit(&board->hooks_serial, memory_order_acquire);
    hook->lost = atomic_load_explicit(&board->hooks_lost, memory_order_acquire);
    for (uint32_t m = 0; m < LIMIT_MODELS; m++)
        hook->lost_at[m] = board_get(board->hooks_lost_at[m]);
    hooks->list[at] = *hook;
    show_wanted(hooks);
    return WEFT_OK;
}

enum weft_status weft_on_commit(weft_engine *engine, unsigned which,
                                void (*hook)(void *context, const struct weft_commit *commit),
                                void *context, struct weft_error *why) {
    CHECK(engine != NULL && hook != NULL);
    const unsigned phases = WEFT_HOOK_BEFORE | WEFT_HOOK_AFTER;
    const unsigned sides = WEFT_HOOK_LOCAL | WEFT_HOOK_REMOTE;
    struct hook new = {.call = hook, .context = context, .which = which};
    if ((which & phases) == 0 || (which & sides) == 0 || (which & ~(phases | sides)) != 0) {
        return status_fail(why, WEFT_INVALID, 0,
                           "which is %u: a hook wants BEFORE, AFTER or both, LOCAL, REMOTE or both",
                           which);
    }
    if (atomic_load(&engine->closing) || host_fault(engine, why) != WEFT_OK) {
        return status_fail(why, WEFT_CLOSED, 0, "the engine has stopped, or is being closed");
    }
    (void)pthread_mutex_lock(&engine->hooks.lock);
    enum weft_status status = add_hook(&engine->hooks, &new, why);
    (void)pthread_mutex_unlock(&engine->hooks.lock);
    return status;
}

enum weft_status weft_off_commit_wait(weft_engine *engine,
                                      void (*hook)(void *context, const struct weft_commit *commit),
                                      void *context) {
    CHECK(engine != NULL && hook != NULL);
    struct hooks *hooks = &engine->hooks;
    (void)pthread_mutex_lock(&hooks->lock);
    int at = find_hook(hooks, hook, context);
    if (at >= 0) {
        const uint64_t call = hooks->calls;
        hooks->list[at] = (struct hook){0};
        show_wanted(hooks);
        while (hooks->calling == at && hooks->calls == call &&
               !pthread_equal(hooks->caller, pthread_self())) {
            (void)pthread_cond_wait(&hooks->returned, &hooks->lock);
        }
    }
    (void)pthread_mutex_unlock(&hooks->lock);
    return at >= 0 ? WEFT_OK : WEFT_NOT_FOUND;
}

/* ---- open and close ---- */

void hooks_open(struct hooks *hooks, struct edge *edge, struct board *board,
                const struct id *device, bool stepped) {
    CHECK(edge != NULL && board != NULL && device != NULL);
    hooks->edge = edge;
    hooks->board = board;
    hooks->device = *device;
    hooks->stepped = stepped;
    hooks->calling = -1;
    atomic_init(&hooks->halt, false);
    atomic_init(&hooks->wake.sleeping, 0);
    hooks->wake.descriptor = -1;
    (void)pthread_mutex_init(&hooks->lock, NULL);
    (void)pthread_cond_init(&hooks->returned, NULL);
}

void hooks_halt(struct hooks *hooks) {
    atomic_store(&hooks->halt, true);
    (void)pthread_mutex_lock(&hooks->lock);
    const bool stands = hooks->thread_stands;
    hooks->thread_stands = false;
    (void)pthread_mutex_unlock(&hooks->lock);
    if (!stands) return;
    wake_signal(&hooks->wake);
    CHECK(pthread_join(hooks->thread, NULL) == 0);
}

void hooks_close(struct hooks *hooks) {
    CHECK(!hooks->thread_stands);
    mail_drop(&hooks->told);
    if (hooks->wake.descriptor >= 0) wake_close(&hooks->wake);
    free(hooks->changes);
    free(hooks->values);
    (void)pthread_cond_destroy(&hooks->returned);
    (void)pthread_mutex_destroy(&hooks->lock);
}
