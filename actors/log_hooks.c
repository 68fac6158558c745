/* The log's way with the host's hooks: it tells them what a commit changes, and what became of it.
 *
 *   log_begin ─► off ──hooks?──► rows ─┬ a row is written: its key goes to the entry of its author
 *                 ▲                    └ no room for this commit ─► models: only which tables
 *   flush ────────┼── Changes, before the commit │ Settled, after it
 *                 └── no room: one more on the board is lost, of these models
 *
 * Nobody waits for a hook. What is on its way to them is counted here, and what they are done with
 * on the board; a commit for which there is no room is left out as a whole.
 * Invariants
 *   1. Changes and Settled of one commit are both sent, or neither.
 *   2. What was rolled back is forgotten; what was told before is then said to be undone.
 *   3. While there is no hook, this costs a look at the board for each transaction. */
#include "actors/log_private.h"

#include "engine/runtime/wake.h"

/* What the mail of a commit without a row counts as; and the mail that says what became of it. */
#define SETTLED_BYTES 512u

static bool has_room(const struct log *log, uint64_t mails, uint64_t bytes) {
    const struct log_hooks *hooks = &log->hooks;
    const struct board *board = log->board;
    uint64_t done = atomic_load_explicit(&board->hooks_mails, memory_order_acquire);
    uint64_t freed = atomic_load_explicit(&board->hooks_bytes, memory_order_acquire);
    CHECK(done <= hooks->mails && freed <= hooks->bytes);
    return hooks->mails - done + mails <= log->settings->hook_mails &&
           hooks->bytes - freed + bytes <= LIMIT_HOOK_BYTES;
}

/* ---- gathering ---- */

/* A place for one more entry; false when there is none. */
static bool add_entry(struct log_hooks *hooks) {
    Weft__Changes *changes = hooks->mail->body.changes;
    struct arena *arena = &hooks->mail->arena;
    if (changes->n_entries == LIMIT_HOOK_ENTRIES) return false;
    if (changes->n_entries == hooks->room) {
        size_t room = hooks->room == 0 ? 8 : hooks->room * 2;
        Weft__Changed **grown = arena_take(arena, room * sizeof(Weft__Changed *));
        if (grown == NULL) return false;
        if (changes->n_entries != 0)
            memcpy(grown, changes->entries, changes->n_entries * sizeof(Weft__Changed *));
        changes->entries = grown;
        hooks->room = room;
    }
    Weft__Changed *entry = mail_message(hooks->mail, &weft__changed__descriptor);
    if (entry == NULL) return false;
    entry->ticket = hooks->ticket;
    if (hooks->remote &&
        !mail_bytes(hooks->mail, &entry->device, hooks->author.bytes, WEFT_ID_SIZE))
        return false;
    changes->entries[changes->n_entries++] = entry;
    hooks->entry = entry;
    touched_begin(&hooks->rows, arena);
    return true;
}

/* Writes what is gathered into its entry. */
static void end_entry(struct log_hooks *hooks) {
    if (hooks->entry == NULL) return;
    hooks->entry->rows.data = hooks->rows.data;
    hooks->entry->rows.len = hooks->rows.size;
    hooks->entry->count = hooks->rows.rows;
    hooks->entry->values = hooks->rows.values;
    hooks->packed += hooks->rows.size;
    hooks->entry = NULL;
}

/* There is an entry for what comes; else the commit is left out. */
static bool open_entry(struct log *log) {
    struct log_hooks *hooks = &log->hooks;
    if (hooks->entry != NULL) return true;
    if (hooks->mail == NULL) hooks->mail = mail_new(log->pool, WEFT__MAIL__BODY_CHANGES, NULL);
    if (hooks->mail != NULL && add_entry(hooks)) return true;
    hooks->state = LOG_HOOKS_MODELS;
    mail_drop(&hooks->mail);
    return false;
}

void log_hooks_touched(void *context, const struct model *model, enum weft_change_op op,
                       const struct weft_value *key) {
    struct log *log = context;
    struct log_hooks *hooks = &log->hooks;
    const uint64_t bit = UINT64_C(1) << (model->id - 1);
    hooks->models |= bit;
    if (hooks->state != LOG_HOOKS_ROWS || !open_entry(log)) return;
    const size_t left = LIMIT_HOOK_COMMIT - hooks->packed;
    if (op != WEFT_CHANGE_MANY && (hooks->entry->many & bit) == 0 &&
        touched_add(&hooks->rows, model->id, op, key, model->key_count, left)) {
        return;
    }
    hooks->entry->many |= bit;
}

void log_hooks_author(struct log *log, uint64_t ticket, const struct id *device) {
    struct log_hooks *hooks = &log->hooks;
    end_entry(hooks);
    hooks->ticket = ticket;
    hooks->remote = device != NULL;
    if (device != NULL) hooks->author = *device;
}

void log_hooks_begin(struct log *log) {
    struct log_hooks *hooks = &log->hooks;
    if (hooks->state != LOG_HOOKS_OFF || board_get(log->board->hooks_wanted) == 0) return;
    hooks->state =
        has_room(log, 2, 2 * (uint64_t)SETTLED_BYTES) ? LOG_HOOKS_ROWS : LOG_HOOKS_MODELS;
    writer_watch(log->writer, &hooks->watch);
}

void log_hooks_drop(struct log *log) {
    struct log_hooks *hooks = &log->hooks;
    if (hooks->state == LOG_HOOKS_OFF) return;
    mail_drop(&hooks->mail);
    hooks->entry = NULL;
    hooks->room = hooks->packed = 0;
    hooks->models = 0;
    hooks->told = 0;
    hooks->state = LOG_HOOKS_OFF;
    writer_watch(log->writer, NULL);
}

/* ---- telling ---- */

static void post(struct log *log, struct mail **mail, uint64_t bytes, struct outbox *out) {
    log->hooks.mails++;
    log->hooks.bytes += bytes;
    outbox_send(out, ACTOR_HOST, mail);
}

static void send_settled(struct log *log, uint64_t first, bool done, struct outbox *out) {
    Weft__Settled *settled = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SETTLED, &settled);
    settled->first = first;
    settled->done = done;
    settled->bytes = SETTLED_BYTES;
    post(log, &mail, SETTLED_BYTES, out);
}

void log_hooks_before(struct log *log, struct outbox *out) {
    struct log_hooks *hooks = &log->hooks;
    if (hooks->state != LOG_HOOKS_ROWS || hooks->mail == NULL) return;
    end_entry(hooks);
    Weft__Changes *changes = hooks->mail->body.changes;
    changes->bytes = hooks->mail->arena.bytes;
    if (!has_room(log, 2, changes->bytes + SETTLED_BYTES)) {
        mail_drop(&hooks->mail);
        return;
    }
    changes->first = hooks->told = hooks->serial + 1;
    hooks->serial += changes->n_entries;
    atomic_store_explicit(&log->board->hooks_serial, hooks->serial, memory_order_release);
    post(log, &hooks->mail, changes->bytes, out);
    outbox_wake(out); /* Now, not after the commit. */
}

/* Nobody was told of a commit. */
static void note_lost(struct log *log, struct outbox *out) {
    struct log_hooks *hooks = &log->hooks;
    struct board *board = log->board;
    for (uint32_t m = 0; m < LIMIT_MODELS; m++) {
        if ((hooks->models >> m & 1) != 0) board_add(board->hooks_lost_at[m], 1);
    }
    atomic_fetch_add_explicit(&board->hooks_lost, 1, memory_order_release);
    /* Whoever has something left to do for the hooks looks at the board after it; if nobody has,
     * somebody is to. The fences stand for: one of the two sees what the other wrote. */
    wake_fence();
    if (atomic_load_explicit(&board->hooks_mails, memory_order_acquire) == hooks->mails)
        send_settled(log, 0, true, out);
}

void log_hooks_after(struct log *log, bool done, struct outbox *out) {
    struct log_hooks *hooks = &log->hooks;
    if (hooks->state == LOG_HOOKS_OFF) return;
    if (hooks->told != 0) {
        send_settled(log, hooks->told, done, out);
    } else if (done && hooks->models != 0) {
        note_lost(log, out);
    }
    log_hooks_drop(log);
}
