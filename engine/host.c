/* The host's side of the engine: what comes back, and waiting for it.
 *
 *   pump: every edge to the host ─► outcomes ─► tickets    (table by number, the newest are kept)
 *                                 └► notices ─► events     (ring, the oldest kept, losses counted)
 *
 * Invariants
 *   1. Only host threads are here, and they change what is here under `lock`.
 *   2. A waiter that found nothing sleeps on the descriptor that the next answer writes, having
 *      said so before it looked for the last time.
 *   3. The events' descriptor is readable whenever weft_next_event() would give one. */
#include "engine/host.h"

#include "engine/runtime/ring.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- faults ---- */

enum weft_status host_fault(struct weft_engine *engine, struct weft_error *why) {
    const struct fatal *fatal = &engine->topology->fatal;
    if (atomic_load_explicit(&fatal->set, memory_order_acquire) == 0) return WEFT_OK;
    if (why != NULL) *why = fatal->error;
    return fatal->error.status;
}

/* ---- events ---- */

static uint64_t wall_ms(const struct weft_engine *engine) {
    const struct time_port *time = &engine->ports.runner.time;
    return time->now(time->self).wall_ms;
}

static bool event_add(struct weft_engine *engine, const struct weft_event *event) {
    if (event->kind != WEFT_EVENT_CHANGED) { /* Of which there are hundreds a second. */
        engine->recent[engine->recent_count++ % HOST_RECENT] =
            (struct host_recent){.wall_ms = wall_ms(engine), .event = *event};
    }
    if (engine->event_count == HOST_EVENTS) {
        engine->events_lost++;
        board_add(engine->board->events_lost, 1);
        return false;
    }
    engine->events[(engine->event_first + engine->event_count++) % HOST_EVENTS] = *event;
    return true;
}

void host_tell_restored(struct weft_engine *engine) {
    struct weft_event event = {
        .kind = WEFT_EVENT_RESTORED, .model = -1, .count = engine->store.incarnation};
    (void)snprintf(event.error.text, sizeof event.error.text,
                   "%s is a copy, or was restored: it goes on as a new incarnation of this device. "
                   "If the original is still in use, remove one of the two and let it come in anew",
                   engine->path);
    CHECK(event_add(engine, &event));
    (void)pthread_mutex_lock(&engine->lock);
    (void)logger_add(engine, &(struct logger_said){.what = LOGGED_RESTORED,
                                                   .wall_ms = wall_ms(engine),
                                                   .component = "engine",
                                                   .text = event.error.text});
    (void)pthread_mutex_unlock(&engine->lock);
    wake_signal(&engine->notices);
}

static void copy_text(char out[WEFT_ERROR_TEXT_MAX], const char *text) {
    /* A sender without memory for the text sends none. */
    size_t size = text == NULL ? 0 : strnlen(text, WEFT_ERROR_TEXT_MAX - 1);
    if (size != 0) memcpy(out, text, size);
    out[size] = 0;
}

/* The code that people compare is theirs, and does not stand in a log. */
static void log_notice(struct weft_engine *engine, uint32_t from, const Weft__Notice *notice) {
    const enum logged what = notice->kind != WEFT_EVENT_NONE
                                 ? logged_of((enum weft_event_kind)notice->kind)
                                 : (enum logged)notice->logged;
    const enum weft_status status = (enum weft_status)notice->status;
    if (!logger_wants(engine, what, status)) return;
    struct logger_entry *entry = logger_add(
        engine, &(struct logger_said){
                    .what = what,
                    .status = status,
                    .wall_ms = notice->wall_ms,
                    .component = topology_name(from),
                    .device = notice->device.len == WEFT_ID_SIZE ? notice->device.data : NULL,
                    .text = notice->text});
    if (notice->model >= 0)
        logger_text(entry, LOGGED_KEY_TABLE,
                    models_get(engine->settings.models, (uint32_t)notice->model + 1)->name);
    if (notice->count != 0 && what != LOGGED_JOINING)
        logger_number(entry, LOGGED_KEY_COUNT, notice->count);
    if (status != WEFT_OK) logger_text(entry, LOGGED_KEY_STATUS, weft_status_name(status));
    if (notice->native != 0) logger_number(entry, LOGGED_KEY_NATIVE, (uint64_t)notice->native);
    for (size_t i = 0; i < notice->n_fields; i++) {
        const Weft__LoggedField *field = notice->fields[i];
        const enum logged_key key = (enum logged_key)field->key;
        if (field->text != NULL && field->text[0] != 0) {
            logger_text(entry, key, field->text);
        } else {
            logger_number(entry, key, field->number);
        }
    }
}

static void on_notice(struct weft_engine *engine, uint32_t from, const Weft__Notice *notice) {
    log_notice(engine, from, notice);
    if (notice->kind == WEFT_EVENT_NONE) return;
    if (notice->status == WEFT_DENIED) engine->turned_away++;
    struct weft_event event = {
        .kind = (enum weft_event_kind)notice->kind, .model = notice->model, .count = notice->count};
    if (notice->device.len == WEFT_ID_SIZE) {
        memcpy(event.device, notice->device.data, WEFT_ID_SIZE);
    }
    event.error.status = (enum weft_status)notice->status;
    event.error.native = notice->native;
    copy_text(event.error.text, notice->text);
    (void)event_add(engine, &event);
}

/* ---- outcomes ---- */

static void ticket_clear(struct ticket *ticket) {
    if (ticket->marks != ticket->few) free(ticket->marks);
    free(ticket->error);
    *ticket = (struct ticket){0};
}

static void on_outcome(struct weft_engine *engine, const Weft__Outcome *outcome) {
    struct ticket *ticket = &engine->tickets[outcome->ticket % LIMIT_TICKETS];
    ticket_clear(ticket);
    ticket->id = outcome->ticket;
    ticket->status = (enum weft_status)outcome->status;
    atomic_fetch_add_explicit(&engine->done_tickets, 1, memory_order_relaxed);
    if (ticket->status != WEFT_OK) {
        ticket->error = calloc(1, sizeof *ticket->error);
        if (ticket->error == NULL) return;
        ticket->error->status = ticket->status;
        ticket->error->native = outcome->native;
        copy_text(ticket->error->text, outcome->text);
        return;
    }
    ticket->shared_seq = outcome->shared_seq;
    ticket->marks = ticket->few;
    if (outcome->n_models > sizeof ticket->few / sizeof ticket->few[0]) {
        ticket->marks = calloc(outcome->n_models, sizeof *ticket->marks);
        if (ticket->marks == NULL) {
            ticket->marks = ticket->few;
            ticket->unmarked = true; /* It is written; who holds it cannot be told. */
            return;
        }
    }
    for (size_t i = 0; i < outcome->n_models; i++) {
        ticket->marks[ticket->mark_count++] =
            (struct mark){outcome->models[i], outcome->versions[i]};
    }
}

static void on_listening(struct weft_engine *engine, const Weft__Listening *answer) {
    for (uint32_t i = 0; i < HOST_LISTENS; i++) {
        struct listening *listening = &engine->listenings[i];
        if (listening->request != answer->request) continue;
        listening->answered = true;
        listening->error.status = (enum weft_status)answer->status;
        listening->error.native = answer->native;
        copy_text(listening->error.text, answer->text);
        size_t size = strnlen(answer->address, WEFT_ADDRESS_MAX - 1);
        memcpy(listening->address, answer->address, size);
        listening->address[size] = 0;
        return;
    }
}

static void take_mail(struct weft_engine *engine, uint32_t from, const struct mail *mail) {
    const Weft__Mail *body = &mail->body;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_ANSWERED:
        for (size_t i = 0; i < body->answered->n_outcomes; i++) {
            on_outcome(engine, body->answered->outcomes[i]);
        }
        break;
    case WEFT__MAIL__BODY_NOTICE:
        on_notice(engine, from, body->notice);
        break;
    case WEFT__MAIL__BODY_LISTENING:
        on_listening(engine, body->listening);
        break;
    case WEFT__MAIL__BODY_STOP:
        if (from == ACTOR_LOG) {
            engine->log_stopped = true;
        } else {
            engine->listener_stopped = true;
        }
        break;
    default: /* Held: what it points to is on the board. */
        break;
    }
}

uint32_t host_pump(struct weft_engine *engine) {
    struct weft_error why = {0};
    uint32_t count = 0;
    struct actor *host = &engine->topology->actors[ACTOR_HOST];
    for (uint32_t i = 0; marks_next(&host->waiting, i, &i); i++) {
        struct edge *edge = host->in[i];
        struct mail *mail = NULL;
        marks_clear(&host->waiting, i); /* What is pushed from now on is marked anew. */
        if (edge->rule->mails[0] == WEFT__MAIL__BODY_CHANGES) continue; /* The hooks'. */
        while ((mail = edge_pop(edge)) != NULL) {
            take_mail(engine, edge->from, mail);
            mail_drop(&mail);
            count++;
        }
    }
    if (!engine->fatal_logged && host_fault(engine, &why) != WEFT_OK) {
        engine->fatal_logged = true;
        struct logger_entry *entry =
            logger_add(engine, &(struct logger_said){.what = LOGGED_FATAL,
                                                     .status = why.status,
                                                     .wall_ms = wall_ms(engine),
                                                     .component = "engine",
                                                     .text = why.text});
        logger_text(entry, LOGGED_KEY_STATUS, weft_status_name(why.status));
    }
    /* Once there is room for it. */
    if (!engine->fatal_told && engine->event_count < HOST_EVENTS &&
        host_fault(engine, &why) != WEFT_OK) {
        const struct weft_event event = {.kind = WEFT_EVENT_FAULT, .model = -1, .error = why};
        engine->fatal_told = event_add(engine, &event);
    }
    return count;
}

/* ---- sleeping ---- */

struct deadline host_deadline(struct weft_engine *engine, int timeout_ms) {
    if (timeout_ms < 0) return (struct deadline){.never = true};
    if (timeout_ms == 0) return (struct deadline){.look = true};
    struct time_port time = engine->ports.runner.time;
    uint64_t now = time.now(time.self).mono_us;
    return (struct deadline){.mono_us = now + (uint64_t)timeout_ms * 1000};
}

/* Milliseconds left, rounded up, as poll() wants them; 0 when the deadline has passed. */
static int time_left(struct weft_engine *engine, const struct deadline *deadline) {
    if (deadline->never) return -1;
    struct time_port time = engine->ports.runner.time;
    uint64_t now = time.now(time.self).mono_us;
    if (now >= deadline->mono_us) return 0;
    return (int)((deadline->mono_us - now + 999) / 1000); /* No more than was asked for: an int. */
}

static bool wait_for_poller(struct weft_engine *engine, int left) {
    struct timespec until;
    if (left < 0) {
        (void)pthread_cond_wait(&engine->changed, &engine->lock);
        return true;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left / 1000;
    until.tv_nsec += (long)(left % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&engine->changed, &engine->lock, &until);
    return true;
}

/* From now on the next notice makes the descriptor readable, whatever is kept already. */
static void await_notices(struct weft_engine *engine) {
    wake_cancel(&engine->notices);
    wake_prepare(&engine->notices);
}

/* The descriptor says what is kept. Caller holds the lock. */
void host_show_events(struct weft_engine *engine) {
    if (engine->event_count == 0 && engine->events_lost == 0) return;
    wake_prepare(&engine->notices);
    wake_signal(&engine->notices);
}

uint32_t host_recent(struct weft_engine *engine, struct host_recent out[HOST_RECENT]) {
    (void)pthread_mutex_lock(&engine->lock);
    (void)host_pump(engine);
    host_show_events(engine);
    const uint64_t all = engine->recent_count;
    const uint32_t count = all < HOST_RECENT ? (uint32_t)all : HOST_RECENT;
    for (uint32_t i = 0; i < count; i++)
        out[i] = engine->recent[(all - 1 - i) % HOST_RECENT];
    (void)pthread_mutex_unlock(&engine->lock);
    return count;
}

void host_joining(struct weft_engine *engine, bool joining) {
    engine->joining = joining;
    if (!joining) host_show_events(engine);
}

bool host_sleep(struct weft_engine *engine, const struct deadline *deadline) {
    if (deadline->look) return false;
    if (engine->stepped) {
        uint64_t due = 0;
        runner_step(engine->runner, &due);
        return host_pump(engine) != 0 || host_fault(engine, NULL) != WEFT_OK;
    }
    int left = time_left(engine, deadline);
    if (left == 0) return false;
    if (engine->polling) return wait_for_poller(engine, left);
    engine->polling = true;
    wake_prepare(&engine->answers);
    if (engine->joining) await_notices(engine);
    /* The last look: what comes after it writes the descriptor. A fault comes without a mail. */
    if (host_pump(engine) == 0 && host_fault(engine, NULL) == WEFT_OK) {
        nfds_t count = engine->joining ? 2 : 1;
        (void)pthread_mutex_unlock(&engine->lock);
        struct pollfd descriptors[2] = {{.fd = engine->answers.descriptor, .events = POLLIN},
                                        {.fd = engine->notices.descriptor, .events = POLLIN}};
        (void)poll(descriptors, count, left);
        (void)pthread_mutex_lock(&engine->lock);
        (void)host_pump(engine);
    }
    wake_cancel(&engine->answers);
    engine->polling = false;
    (void)pthread_cond_broadcast(&engine->changed);
    return true;
}

/* ---- orders ---- */

enum weft_status host_order_log(struct weft_engine *engine, struct mail **mail,
                                uint64_t *ticket_field, uint64_t *ticket, struct weft_error *why) {
    enum weft_status status = host_fault(engine, why);
    if (status != WEFT_OK) return status;
    if (atomic_load(&engine->closing))
        return status_fail(why, WEFT_CLOSED, 0, "the engine is being closed");
    (void)host_pump(engine); /* Outcomes that nobody has taken in count as outstanding. */
    const uint64_t issued = atomic_load(&engine->next_ticket) - 1;
    const uint64_t done = atomic_load(&engine->done_tickets);
    if (issued - done >= LIMIT_COMMITS - LIMIT_LANES)
        return status_fail(why, WEFT_BUSY, 0, "too many orders at once; try again");
    const uint64_t number = ticket_draw(engine);
    *ticket_field = number;
    if (!edge_push(engine->to_clock, *mail)) {
        atomic_fetch_add(&engine->done_tickets, 1); /* Nobody will answer it. */
        return status_fail(why, WEFT_BUSY, 0, "too many orders at once; try again");
    }
    if (ticket != NULL) *ticket = number;
    *mail = NULL;
    return WEFT_OK;
}

/* ---- waiting for tickets ---- */

struct holders {
    uint32_t members; /* all others */
    uint32_t all;     /* ... that hold everything that a ticket's transaction wrote */
    uint32_t taken;   /* ... that hold what they take of it, and leave something of it out */
};

static struct holders holders(const struct weft_engine *engine, const struct ticket *ticket) {
    const struct board *board = engine->board;
    uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    struct holders found = {0};
    for (uint32_t m = 0; m < seats; m++) {
        uint32_t state = atomic_load_explicit(&board->members[m].state, memory_order_acquire);
        const uint64_t skips = atomic_load_explicit(&board->skips[m], memory_order_acquire);
        bool all = true, part = false;
        if (state != BOARD_MEMBER) continue;
        found.members++;
        for (uint32_t k = 0; k < ticket->mark_count && all; k++) {
            uint32_t model = ticket->marks[k].model - 1;
            if ((skips >> model & 1) != 0) {
                part = true;
                continue;
            }
            all = atomic_load_explicit(&engine->board->position[m][model], memory_order_acquire) >=
                  ticket->marks[k].version;
        }
        all = all &&
              atomic_load_explicit(&board->shared[m], memory_order_acquire) >= ticket->shared_seq;
        found.all += all && !part;
        found.taken += all && part;
    }
    return found;
}

/* WEFT_BUSY: not yet. */
static enum weft_status ticket_look(struct weft_engine *engine, uint64_t number,
                                    enum weft_level level, unsigned devices,
                                    struct weft_error *why) {
    const struct ticket *ticket = &engine->tickets[number % LIMIT_TICKETS];
    uint64_t next = atomic_load_explicit(&engine->next_ticket, memory_order_relaxed);
    if (number == 0 || number >= next || ticket->id > number) {
        return status_fail(why, WEFT_NOT_FOUND, 0,
                           "ticket %llu is not known: tickets are kept until %u later ones",
                           (unsigned long long)number, LIMIT_TICKETS);
    }
    if (ticket->id == number && ticket->status != WEFT_OK) {
        if (ticket->error == NULL)
            return status_fail(why, ticket->status, 0, "%s", weft_status_text(ticket->status));
        if (why != NULL) *why = *ticket->error;
        return ticket->status;
    }
    enum weft_status fault = host_fault(engine, why);
    if (fault != WEFT_OK && (ticket->id != number || level > WEFT_DURABLE)) return fault;
    if (ticket->id != number) return WEFT_BUSY;
    if (level <= WEFT_DURABLE) return WEFT_OK;
    if (ticket->unmarked)
        return status_fail(why, WEFT_NO_MEMORY, 0,
                           "ticket %llu is written, but there was no memory to follow who holds it",
                           (unsigned long long)number);
    const struct holders found = holders(engine, ticket);
    const bool enough =
        level == WEFT_EVERYWHERE ? found.all + found.taken == found.members : found.all >= devices;
    return enough ? WEFT_OK : WEFT_BUSY;
}

enum weft_status weft_wait(weft_engine *engine, uint64_t ticket, enum weft_level level,
                           unsigned devices, int timeout_ms, struct weft_error *why) {
    CHECK(engine != NULL && level >= WEFT_APPLIED && level <= WEFT_EVERYWHERE);
    struct deadline deadline = host_deadline(engine, timeout_ms);
    (void)pthread_mutex_lock(&engine->lock);
    (void)host_pump(engine);
    enum weft_status status = ticket_look(engine, ticket, level, devices, why);
    while (status == WEFT_BUSY && host_sleep(engine, &deadline)) {
        status = ticket_look(engine, ticket, level, devices, why);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (status != WEFT_BUSY) return status;
    return status_fail(why, WEFT_TIMEOUT, 0, "ticket %llu has not come that far in %d ms",
                       (unsigned long long)ticket, timeout_ms);
}

/* ---- events ---- */

int weft_event_descriptor(const weft_engine *engine) {
    CHECK(engine != NULL);
    return engine->notices.descriptor;
}

/* Caller holds the lock. */
static bool event_take(struct weft_engine *engine, struct weft_event *out) {
    if (engine->event_count != 0) {
        *out = engine->events[engine->event_first];
        engine->event_first = (engine->event_first + 1) % HOST_EVENTS;
        engine->event_count--;
        return true;
    }
    if (engine->events_lost != 0) {
        *out = (struct weft_event){.kind = WEFT_EVENT_LOST, .model = -1};
        out->count = engine->events_lost;
        engine->events_lost = 0;
        return true;
    }
    return false;
}

bool weft_next_event(weft_engine *engine, struct weft_event *out) {
    CHECK(engine != NULL && out != NULL);
    (void)pthread_mutex_lock(&engine->lock);
    (void)host_pump(engine);
    bool got = event_take(engine, out);
    if (!got) {
        await_notices(engine);
        (void)host_pump(engine);
        got = event_take(engine, out);
    }
    if (got) host_show_events(engine);
    (void)pthread_mutex_unlock(&engine->lock);
    return got;
}

/* ---- peers ---- */

static struct listening *listening_free(struct weft_engine *engine) {
    for (uint32_t i = 0; i < HOST_LISTENS; i++) {
        if (engine->listenings[i].request == 0) return &engine->listenings[i];
    }
    return NULL;
}

static enum weft_status send_listen(struct weft_engine *engine, const char *address,
                                    uint64_t request) {
    Weft__Listen *listen = NULL;
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_LISTEN, &listen);
    if (mail == NULL) return WEFT_NO_MEMORY;
    listen->request = request;
    listen->address = mail_text(mail, address);
    const bool room = listen->address != NULL;
    if (room && edge_push(engine->to_listener, mail)) return WEFT_OK;
    mail_drop(&mail);
    return room ? WEFT_BUSY : WEFT_NO_MEMORY;
}

enum weft_status host_check_address(struct weft_engine *engine, const char *address,
                                    struct weft_error *why) {
    const struct net_port *net = &engine->topology->actors[ACTOR_LISTENER].seed.net;
    char plain[WEFT_ADDRESS_MAX];
    struct id device;
    const char *mark = address == NULL ? NULL : strchr(address, '#');
    if (address == NULL || strlen(address) >= WEFT_ADDRESS_MAX) {
        return status_fail(why, WEFT_ADDRESS, 0,
                           "an address is \"host:port\" or \"ws://host:port/path\", up to %u bytes",
                           WEFT_ADDRESS_MAX - 1);
    }
    if (mark != NULL && !id_parse(mark + 1, &device)) {
        return status_fail(why, WEFT_ADDRESS, 0,
                           "\"%s\" cannot be used as an address: behind the # stands the id of a "
                           "device, as 0198c0de-0000-7000-8000-00000000cafe",
                           address);
    }
    memcpy(plain, address, strlen(address) + 1);
    if (mark != NULL) plain[mark - address] = 0;
    return net->ops->check(net->self, plain, why);
}

enum weft_status weft_listen_wait(weft_engine *engine, const char *address, char *bound,
                                  struct weft_error *why) {
    CHECK(engine != NULL);
    const struct deadline never = {.never = true};
    char at[WEFT_ADDRESS_MAX] = "";
    enum weft_status status = host_check_address(engine, address, why);
    if (status != WEFT_OK) return status;
    (void)pthread_mutex_lock(&engine->lock);
    struct listening *listening = listening_free(engine);
    if (listening == NULL) {
        status = status_fail(why, WEFT_LIMIT, 0,
                             "%u calls of weft_listen_wait() are under way; wait for one of them",
                             HOST_LISTENS);
    } else {
        *listening = (struct listening){.request = ++engine->next_request};
        status = send_listen(engine, address, listening->request);
        if (status != WEFT_OK) (void)status_fail(why, status, 0, "%s", weft_status_text(status));
        while (status == WEFT_OK && !listening->answered) {
            status = host_fault(engine, why);
            if (status == WEFT_OK && !host_sleep(engine, &never)) { /* Only if it is stepped. */
                status = status_fail(why, WEFT_CLOSED, 0, "the listener does not answer");
            }
        }
        if (status == WEFT_OK) status = listening->error.status;
        if (listening->answered && status != WEFT_OK && why != NULL) *why = listening->error;
        if (status == WEFT_OK) {
            CHECK(engine->listened_count < HOST_LISTENS); /* The listener takes no more. */
            memcpy(engine->listened[engine->listened_count++], listening->address,
                   sizeof listening->address);
        }
        memcpy(at, listening->address, sizeof at);
        if (status == WEFT_OK && bound != NULL) memcpy(bound, at, sizeof at);
        listening->request = 0;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (status == WEFT_OK) logger_say(engine, LOGGED_LISTENING, NULL, LOGGED_KEY_ADDRESS, at);
    return status;
}

unsigned weft_peers(const weft_engine *engine, struct weft_peer *out, unsigned cap) {
    CHECK(engine != NULL && (out != NULL || cap == 0));
    unsigned count = 0;
    for (uint32_t i = 0; i < engine->board->peer_count; i++) {
        const struct board_peer *cell = &engine->board->peers[i];
        if (board_get(cell->used) == 0) continue;
        if (count < cap) {
            struct weft_peer *peer = &out[count];
            *peer = (struct weft_peer){.state = (enum weft_peer_state)board_get(cell->state),
                                       .bytes_in = board_get(cell->bytes_in),
                                       .bytes_out = board_get(cell->bytes_out),
                                       .rows_in = board_get(cell->rows_in),
                                       .rows_out = board_get(cell->rows_out),
                                       .sessions = board_get(cell->sessions),
                                       .failures = board_get(cell->failures)};
            store_u64(peer->device, board_get(cell->device[0]));
            store_u64(peer->device + 8, board_get(cell->device[1]));
        }
        count++;
    }
    return count;
}

void weft_stats(const weft_engine *engine, struct weft_stats *out) {
    CHECK(engine != NULL && out != NULL);
    const struct board *board = engine->board;
    *out = (struct weft_stats){0};
#define COPY_COUNTER(name) out->name = board_get(board->name);
    BOARD_COUNTERS(COPY_COUNTER)
#undef COPY_COUNTER
    for (uint32_t i = 0; i < board->peer_count; i++) {
        out->bytes_in += board_get(board->peers[i].bytes_in);
        out->bytes_out += board_get(board->peers[i].bytes_out);
    }
    out->door_bytes_held = atomic_load_explicit(&engine->door_held, memory_order_relaxed);
    out->pool_bytes_held =
        out->door_bytes_held + atomic_load_explicit(&board->pool_bytes, memory_order_relaxed);
}
