/* One turn of an actor, and its outbox.
 *
 *     ready ──┐
 *     in[0] ──┤
 *     in[1] ──┤  one mail                    ┌──► ask      room was made sure of before the step
 *      ...  ──┼──────────► step ─────────────┼──► answer   room by the table's sums
 *     door  ──┤                              └──► notice   room or dropped
 *     tick  ──┘
 *
 * Invariants
 *   1. A step runs only when every ask edge that leaves has emit_max free slots, and it may send
 *      that many on each; so no send fails.
 *   2. In-edges and the door are served in turn, one mail each: none starves another. The host's
 *      edge beside the door is served when all of them are empty.
 *   3. A mail that came in unshared takes further memory from this actor's pool, as only this
 *      thread may take from it.
 *   4. A consumer is signalled once for all that a step sent to it, after the step (or when the
 *      step asks for it).
 *   5. A step that the system has no memory for is ended with what was set aside, and is the last:
 *      so taking a little memory never fails in a step.
 *   6. A mail that waits has a mark, and its actor has one: both are set after the push, and
 *      cleared before a last look.
 *   7. After a fault no actor steps, and none claims to have something to do.
 *
 * Not here: threads and sleeping (runner.c). */
#include "engine/runtime/actor.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/topology.h"

#define ACTOR_TOUCHED (sizeof(((struct actor *)NULL)->touched) / sizeof(struct wake *))

struct outbox {
    struct actor *actor;
    uint64_t wall_ms;
};

/* ---- sending ---- */

static void actor_touch(struct actor *actor, struct wake *consumer) {
    if (consumer == NULL) return;
    for (uint32_t i = 0; i < actor->touched_count; i++) {
        if (actor->touched[i] == consumer) return;
    }
    if (actor->touched_count == ACTOR_TOUCHED) {
        /* More than it remembers: the others are told now, and may be told again. */
        wake_signal(consumer);
        return;
    }
    actor->touched[actor->touched_count++] = consumer;
}

static bool edge_carries(const struct edge *edge, Weft__Mail__BodyCase kind) {
    for (uint32_t i = 0; i < EDGE_MAILS_MAX; i++) {
        if (edge->rule->mails[i] == WEFT__MAIL__BODY__NOT_SET) return false;
        if (edge->rule->mails[i] == kind) return true;
    }
    return false;
}

/* The first edge to `to`; out_count when there is none. */
static uint32_t first_out(const struct actor *actor, uint32_t to) {
    uint32_t low = 0, high = actor->out_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (actor->out[middle]->to < to) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void outbox_send(struct outbox *out, uint32_t to, struct mail **mail) {
    CHECK(out != NULL);
    CHECK(mail != NULL && *mail != NULL);
    struct actor *actor = out->actor;
    struct edge *edge = NULL;
    for (uint32_t i = first_out(actor, to);
         i < actor->out_count && actor->out[i]->to == to && edge == NULL; i++) {
        if (edge_carries(actor->out[i], (*mail)->body.body_case)) edge = actor->out[i];
    }
    CHECK(edge != NULL); /* The table has no edge for this mail. */
    const uint64_t step = board_get(actor->steps);
    if (edge->step != step) edge->emitted = 0;
    edge->step = step;
    edge->emitted++;
    CHECK(edge->rule->kind != EDGE_ASK || edge->emitted <= actor->kind->emit_max);
    if ((*mail)->body.body_case == WEFT__MAIL__BODY_NOTICE)
        (*mail)->body.notice->wall_ms = out->wall_ms;
    if (!edge_put(edge, mail, actor->kit->pool)) {
        CHECK(edge->rule->kind == EDGE_NOTICE); /* The table's sum for an answer is wrong. */
        struct board *board = actor->topology->settings->board;
        bool notice = (*mail)->body.body_case == WEFT__MAIL__BODY_NOTICE;
        bool event = notice && (*mail)->body.notice->kind != WEFT_EVENT_NONE;
        if (event && board != NULL) board_add(board->events_lost, 1);
        if (notice && board != NULL && board_get(board->log_level) != WEFT_LOG_OFF)
            board_add(board->log_lost, 1);
        mail_drop(mail);
        board_set(edge->dropped, board_get(edge->dropped) + 1);
    }
    actor_touch(actor, edge->consumer);
    actor_touch(actor, edge->also);
}

void outbox_log(struct outbox *out, enum logged what, const struct id *device, const char *text,
                const struct logged_field *fields, uint32_t count) {
    const struct board *board = out->actor->topology->settings->board;
    Weft__Notice *notice = NULL;
    CHECK(count <= LOGGED_FIELDS);
    if (board == NULL || board_get(board->log_level) < logged_level(what, WEFT_OK)) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_NOTICE, &notice);
    notice->model = -1;
    notice->logged = what;
    if (text != NULL) notice->text = mail_text(mail, text);
    /* Without memory it says less. */
    if (device != NULL) (void)mail_bytes(mail, &notice->device, device->bytes, WEFT_ID_SIZE);
    if (count != 0)
        notice->fields =
            (Weft__LoggedField **)mail_messages(mail, &weft__logged_field__descriptor, count);
    for (uint32_t i = 0; notice->fields != NULL && i < count; i++) {
        notice->fields[i]->key = fields[i].key;
        notice->fields[i]->number = fields[i].number;
        if (fields[i].text != NULL) notice->fields[i]->text = mail_text(mail, fields[i].text);
        notice->n_fields++;
    }
    outbox_send(out, ACTOR_HOST, &mail);
}

void outbox_wake(struct outbox *out) {
    struct actor *actor = out->actor;
    CHECK(actor->touched_count <= ACTOR_TOUCHED);
    for (uint32_t i = 0; i < actor->touched_count; i++)
        wake_signal(actor->touched[i]);
    actor->touched_count = 0;
}

static void actor_out_of_memory(struct actor *actor) {
    struct weft_error why;
    (void)status_fail(&why, WEFT_NO_MEMORY, 0,
                      "%s: out of memory for a message; the engine has stopped, what was "
                      "acknowledged is safe; free memory and open the library again",
                      actor->kind->name);
    topology_fatal(actor->topology, &why);
}

struct mail *outbox_mail(struct outbox *out, Weft__Mail__BodyCase kind, void *message) {
    CHECK(out != NULL);
    struct actor *actor = out->actor;
    struct mail *mail = mail_new(actor->kit->pool, kind, message);
    if (mail != NULL) return mail;
    actor_out_of_memory(actor);
    mail = actor->kit->spare;
    actor->kit->spare = NULL;
    CHECK(mail != NULL);
    void *made = mail_turn_into(mail, kind);
    CHECK(made != NULL);
    if (message != NULL) memcpy(message, &made, sizeof made);
    return mail;
}

void outbox_fatal(struct outbox *out, const struct weft_error *why) {
    CHECK(out != NULL);
    CHECK(why != NULL && why->status != WEFT_OK);
    topology_fatal(out->actor->topology, why);
}

/* ---- start and stop ---- */

static bool kit_start(struct kit *kit) {
    if (kit->started++ != 0) return true;
    kit->tick = mail_new(kit->pool, WEFT__MAIL__BODY_TICK, NULL);
    kit->ready = mail_new(kit->pool, WEFT__MAIL__BODY_READY, NULL);
    kit->spare = mail_new(kit->pool, WEFT__MAIL__BODY_TICK, NULL);
    return kit->tick != NULL && kit->ready != NULL && kit->spare != NULL;
}

static void kit_stop(struct kit *kit) {
    CHECK(kit->started > 0);
    if (--kit->started != 0) return;
    mail_drop(&kit->spare);
    mail_drop(&kit->ready);
    mail_drop(&kit->tick);
}

enum weft_status actor_start(struct actor *actor, struct weft_error *why) {
    CHECK(actor != NULL && actor->kind != NULL);
    CHECK(!actor->started);
    enum weft_status status = WEFT_OK;
    memset(actor->state, 0, actor->kind->state_size);
    actor->watch.ready = false;
    if (!kit_start(actor->kit)) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "%s: out of memory at its start",
                             actor->kind->name);
        goto stop_kit;
    }
    status = actor->kind->start(actor->state, &actor->seed, why);
    if (status != WEFT_OK) goto stop_kit;
    actor->started = true;
    return WEFT_OK;

stop_kit:
    kit_stop(actor->kit);
    return status;
}

void actor_stop(struct actor *actor) {
    CHECK(actor != NULL);
    if (!actor->started) return;
    CHECK(actor->kind != NULL);
    actor->started = false;
    if (actor->kind->stop != NULL) actor->kind->stop(actor->state);
    kit_stop(actor->kit);
}

/* ---- turning ---- */

static bool actor_failed(const struct actor *actor) {
    return atomic_load_explicit(&actor->topology->fatal.set, memory_order_acquire) != 0;
}

uint64_t actor_due_us(const struct actor *actor) {
    CHECK(actor != NULL && actor->started);
    return actor_failed(actor) ? DUE_NEVER : actor->kind->due_us(actor->state);
}

void actor_rouse(struct actor *actor) {
    if (actor->agenda != NULL) marks_add(&actor->agenda->marks, actor->agenda_place);
}

static bool place_waits(const struct actor *actor, uint32_t place) {
    return place < actor->in_count ? ring_count(actor->in[place]->ring) > 0
                                   : !door_empty(actor->door);
}

static bool actor_has_work(struct actor *actor, struct instant now) {
    if (actor->watch.ready) return true;
    for (uint32_t i = 0; marks_next(&actor->waiting, i, &i); i++) {
        if (place_waits(actor, i)) return true;
        marks_clear(&actor->waiting, i);
        if (!place_waits(actor, i)) continue;
        marks_set(&actor->waiting, i);
        return true;
    }
    if (actor->control != NULL && ring_count(actor->control->ring) > 0) return true;
    return actor->kind->due_us(actor->state) <= now.mono_us;
}

/* Whether a step may run. What is known to be free only grows until this actor pushes. */
static bool actor_has_room(struct actor *actor) {
    for (uint32_t i = 0; i < actor->ask_count; i++) {
        if (actor->rooms[i] >= actor->kind->emit_max) continue;
        actor->rooms[i] = ring_free(actor->asks[i]->ring);
        if (actor->rooms[i] < actor->kind->emit_max) return false;
    }
    return true;
}

static struct mail *place_take(struct actor *actor, uint32_t place) {
    return place < actor->in_count ? edge_pop(actor->in[place]) : door_pull(actor->door);
}

static struct mail *actor_take(struct actor *actor) {
    uint32_t place = actor->in_next;
    for (unsigned lap = 0; lap < 2;) {
        if (!marks_next(&actor->waiting, place, &place)) {
            place = 0;
            lap++;
            continue;
        }
        struct mail *mail = place_take(actor, place);
        if (mail == NULL) {
            marks_clear(&actor->waiting, place);
            mail = place_take(actor, place);
            if (mail != NULL) marks_set(&actor->waiting, place);
        }
        place++;
        if (mail == NULL) continue;
        actor->in_next = place;
        return mail;
    }
    return actor->control != NULL ? edge_pop(actor->control) : NULL;
}

static void actor_step(struct actor *actor, struct instant now, struct mail **in) {
    struct outbox out = {actor, now.wall_ms};
    CHECK(actor->touched_count == 0);
    board_set(actor->steps, board_get(actor->steps) + 1);
    actor->kind->step(actor->state, now, in, &out);
    if (pool_starved(actor->kit->pool)) actor_out_of_memory(actor);
    outbox_wake(&out);
}

/* Steps with a Tick or Ready, which is used again unless the step kept it or built upon it. */
static void actor_step_own(struct actor *actor, struct instant now, struct mail **kept,
                           Weft__Mail__BodyCase kind) {
    struct mail *mail = *kept;
    *kept = NULL;
    if (mail == NULL) mail = mail_new(actor->kit->pool, kind, NULL);
    if (mail == NULL) {
        actor_out_of_memory(actor);
        return;
    }
    const uint8_t *mark = mail->arena.next;
    size_t bytes = mail->arena.bytes;
    actor_step(actor, now, &mail);
    if (mail == NULL) return;
    if (mail->body.body_case == kind && mail->arena.next == mark && mail->arena.bytes == bytes &&
        atomic_load_explicit(&mail->references, memory_order_acquire) == 1) {
        *kept = mail;
    } else {
        mail_drop(&mail);
    }
}

bool actor_turn(struct actor *actor, struct instant now) {
    CHECK(actor != NULL && actor->kind != NULL);
    CHECK(actor->started);
    if (actor_failed(actor) || !actor_has_work(actor, now) || !actor_has_room(actor)) return false;
    if (actor->watch.ready) {
        actor->watch.ready = false;
        actor_step_own(actor, now, &actor->kit->ready, WEFT__MAIL__BODY_READY);
        return true;
    }
    struct mail *mail = actor_take(actor);
    if (mail != NULL) {
        if (atomic_load_explicit(&mail->references, memory_order_acquire) == 1) {
            arena_adopt(&mail->arena, actor->kit->pool);
        }
        actor_step(actor, now, &mail);
        mail_drop(&mail);
        return true;
    }
    if (actor->kind->due_us(actor->state) <= now.mono_us) {
        actor_step_own(actor, now, &actor->kit->tick, WEFT__MAIL__BODY_TICK);
        return true;
    }
    return false;
}

bool actor_waits(struct actor *actor, struct instant now) {
    CHECK(actor != NULL && actor->kind != NULL);
    CHECK(actor->started);
    if (actor_failed(actor) || !actor_has_work(actor, now)) return false;
    bool room = true;
    for (uint32_t i = 0; i < actor->ask_count; i++) {
        struct edge *edge = actor->asks[i];
        if (ring_free(edge->ring) >= actor->kind->emit_max) continue;
        atomic_store_explicit(&edge->blocked, 1, memory_order_relaxed);
        wake_fence();
        if (ring_free(edge->ring) >= actor->kind->emit_max) {
            atomic_store_explicit(&edge->blocked, 0, memory_order_relaxed);
        } else {
            room = false;
        }
    }
    return room;
}
