/* See listener.h. Invariants
 *   1. A slot that dials keeps its address for as long as the engine is open; a slot that took an
 *      accepted connection is free again when the connection has ended.
 *   2. Of the slots that claimed one device, one stands.
 * Not here: anything about sessions themselves (peer), or about how long to wait between dials. */
#include "actors/listener.h"

#include <stdlib.h>

#include "engine/base/check.h"

#define LISTENING_MAX 8u

struct slot {
    bool taken;  /* has an address to dial, or a connection */
    bool dials;  /* keeps `address` */
    bool stands; /* its claim on `device` was granted */
    bool opened_here;
    uint32_t session; /* the peer's count, so that a late ruling finds only the session it means */
    struct id device;
    char address[WEFT_ADDRESS_MAX];
};

struct listener {
    const struct settings *settings;
    struct net_port net;
    struct net_watch *watch;
    net_handle listening[LISTENING_MAX];
    uint32_t listening_count;
    struct slot *slots; /* settings->peers of them */
    uint32_t stopping;  /* slots that have not yet said goodbye; + 1 */
};

static enum weft_status listener_start(void *self, const struct actor_seed *seed,
                                       struct weft_error *why) {
    struct listener *listener = self;
    listener->settings = seed->settings;
    listener->net = seed->net;
    listener->watch = seed->watch;
    listener->slots = calloc(seed->settings->peers, sizeof *listener->slots);
    if (listener->slots == NULL) {
        if (why != NULL) why->status = WEFT_NO_MEMORY;
        return WEFT_NO_MEMORY;
    }
    return WEFT_OK;
}

/* Answers a Listen order. */
static void on_listen(struct listener *listener, const Weft__Listen *order, struct outbox *out) {
    struct weft_error why = {.status = WEFT_LIMIT,
                             .text = "eight addresses are listened on already"};
    char bound[WEFT_ADDRESS_MAX] = "";
    enum weft_status status = WEFT_LIMIT;
    if (listener->listening_count < LISTENING_MAX) {
        net_handle *handle = &listener->listening[listener->listening_count];
        status = listener->net.ops->listen(listener->net.self, order->address, listener->watch,
                                           handle, bound, &why);
        if (status == WEFT_OK) listener->listening_count++;
    }
    Weft__Listening *answer = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_LISTENING, &answer);
    answer->request = order->request;
    answer->status = status;
    answer->native = status == WEFT_OK ? 0 : why.native;
    answer->text = mail_text(mail, status == WEFT_OK ? "" : why.text);
    answer->address = mail_text(mail, bound);
    outbox_send(out, ACTOR_HOST, &mail);
}

static void notice_fault(struct outbox *out, enum weft_status status, const char *text) {
    Weft__Notice *notice = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_NOTICE, &notice);
    notice->kind = WEFT_EVENT_FAULT;
    notice->model = -1;
    notice->status = status;
    notice->text = mail_text(mail, text);
    outbox_send(out, ACTOR_HOST, &mail);
}

static int free_slot(const struct listener *listener) {
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        if (!listener->slots[i].taken) return (int)i;
    }
    return -1;
}

static void send_dial(uint32_t slot, const char *address, struct outbox *out) {
    Weft__Dial *dial = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_DIAL, &dial);
    dial->address = mail_text(mail, address);
    outbox_send(out, ACTOR_PEER + slot, &mail);
}

static void on_connect(struct listener *listener, const Weft__Connect *order, struct outbox *out) {
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        if (listener->slots[i].dials && strcmp(listener->slots[i].address, order->address) == 0) {
            send_dial(i, order->address, out);
            return;
        }
    }
    int i = free_slot(listener);
    if (i < 0) {
        notice_fault(out, WEFT_LIMIT, "every session slot is in use; raise peers_max");
        return;
    }
    struct slot *slot = &listener->slots[i];
    *slot = (struct slot){.taken = true, .dials = true};
    CHECK(strlen(order->address) < sizeof slot->address);
    memcpy(slot->address, order->address, strlen(order->address) + 1);
    send_dial((uint32_t)i, order->address, out);
}

/* Gives every waiting connection to a free slot; those that find none are dropped. */
static void accept_all(struct listener *listener, struct outbox *out) {
    for (uint32_t l = 0; l < listener->listening_count; l++) {
        int64_t transfer = 0;
        while (listener->net.ops->accept(listener->net.self, listener->listening[l], &transfer,
                                         NULL) == WEFT_OK) {
            int i = listener->stopping != 0 ? -1 : free_slot(listener);
            if (i < 0) {
                listener->net.ops->discard(listener->net.self, transfer);
                continue;
            }
            listener->slots[i] = (struct slot){.taken = true};
            Weft__Accepted *accepted = NULL;
            struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ACCEPTED, &accepted);
            accepted->handle = transfer;
            outbox_send(out, ACTOR_PEER + (uint32_t)i, &mail);
        }
    }
}

enum ruling { RULING_STANDS, RULING_ENDS, RULING_REPLACED, RULING_PROVE };

static void send_ruling(uint32_t slot, uint32_t session, enum ruling ruling, struct outbox *out) {
    Weft__Ruling *message = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RULING, &message);
    message->stands = ruling == RULING_STANDS;
    message->end = ruling == RULING_REPLACED;
    message->prove = ruling == RULING_PROVE;
    message->session = session;
    outbox_send(out, ACTOR_PEER + slot, &mail);
}

/* Whether a claim beats the session that stands. Both ends come to the same answer. */
static bool claim_beats(const struct listener *listener, const struct slot *stands,
                        const struct id *device, bool opened_here) {
    if (stands->opened_here == opened_here) return true;
    bool lower_here = id_compare(&listener->settings->device, device) < 0;
    return opened_here == lower_here;
}

static void on_claim(struct listener *listener, const Weft__Claim *claim, struct outbox *out) {
    CHECK(claim->peer < listener->settings->peers);
    struct slot *claimant = &listener->slots[claim->peer];
    struct id device;
    CHECK(id_read(&device, claim->device.data, claim->device.len));
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        struct slot *slot = &listener->slots[i];
        if (i == claim->peer || !slot->stands || !id_equal(&slot->device, &device)) continue;
        if (!claim_beats(listener, slot, &device, claim->dialled)) {
            send_ruling(i, slot->session, RULING_PROVE, out);
            send_ruling(claim->peer, claim->session, RULING_ENDS, out);
            return;
        }
        slot->stands = false;
        send_ruling(i, slot->session, RULING_REPLACED, out);
    }
    claimant->stands = true;
    claimant->device = device;
    claimant->opened_here = claim->dialled;
    claimant->session = claim->session;
    send_ruling(claim->peer, claim->session, RULING_STANDS, out);
}

static void tell_stopped(struct listener *listener, struct outbox *out) {
    if (listener->stopping != 1) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_STOP, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}

static void on_vacated(struct listener *listener, const Weft__Vacated *vacated,
                       struct outbox *out) {
    CHECK(vacated->peer < listener->settings->peers);
    struct slot *slot = &listener->slots[vacated->peer];
    slot->stands = false;
    if (vacated->slot_free) slot->taken = slot->dials = false;
    if (listener->stopping > 1 && vacated->slot_free) {
        listener->stopping--;
        tell_stopped(listener, out);
    }
}

static void close_listening(struct listener *listener) {
    for (uint32_t i = 0; i < listener->listening_count; i++) {
        listener->net.ops->close(listener->net.self, listener->listening[i]);
    }
    listener->listening_count = 0;
}

static void on_stop(struct listener *listener, struct outbox *out) {
    if (listener->stopping != 0) return;
    accept_all(listener, out);
    close_listening(listener);
    listener->stopping = 1;
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        if (!listener->slots[i].taken) continue;
        struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_STOP, NULL);
        outbox_send(out, ACTOR_PEER + i, &mail);
        listener->stopping++;
    }
    tell_stopped(listener, out);
}

static void listener_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct listener *listener = self;
    const Weft__Mail *body = &(*in)->body;
    (void)now;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_LISTEN:
        on_listen(listener, body->listen, out);
        break;
    case WEFT__MAIL__BODY_CONNECT:
        if (listener->stopping == 0) on_connect(listener, body->connect, out);
        break;
    case WEFT__MAIL__BODY_CLAIM:
        on_claim(listener, body->claim, out);
        break;
    case WEFT__MAIL__BODY_VACATED:
        on_vacated(listener, body->vacated, out);
        break;
    case WEFT__MAIL__BODY_STOP:
        on_stop(listener, out);
        return;
    default:
        break;
    }
    /* Also after a slot became free: a connection may have waited for it. */
    accept_all(listener, out);
}

static uint64_t listener_due(const void *self) {
    (void)self;
    return DUE_NEVER;
}

static void listener_stop(void *self) {
    struct listener *listener = self;
    close_listening(listener);
    free(listener->slots);
    listener->slots = NULL;
}

const struct actor_kind listener_actor = {
    .name = "listener",
    .state_size = sizeof(struct listener),
    .emit_max = 3,
    .start = listener_start,
    .step = listener_step,
    .due_us = listener_due,
    .stop = listener_stop,
};
