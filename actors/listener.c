/* See listener.h. Invariants
 *   1. A slot that dials keeps its address for as long as the engine is open; a slot that took an
 *      accepted connection is free again when the connection has ended.
 *   2. Of the slots that claimed one device, one stands, and only a member's stand, or the
 *      introducer's while this device comes in.
 * Not here: anything about sessions themselves (peer), or about how long to wait between dials; who
 * may come in (listener_call), members and invites (listener_roster). */
#include "actors/listener.h"

#include <sodium.h>
#include <stdlib.h>

#include "actors/listener_private.h"
#include "engine/wire/message.h"

static void listener_stop(void *self);

static enum weft_status listener_start(void *self, const struct actor_seed *seed,
                                       struct weft_error *why) {
    struct listener *listener = self;
    const struct settings *settings = seed->settings;
    listener->settings = settings;
    listener->net = seed->net;
    listener->watch = seed->watch;
    listener->pool = seed->pool;
    listener->self = (struct handshake_self){.identity = settings->identity,
                                             .ver_min = WIRE_VERSION_MIN,
                                             .ver_max = WIRE_VERSION_MAX,
                                             .hlc = settings->clock_stored};
    listener->slots = calloc(settings->peers, sizeof *listener->slots);
    enum weft_status status = listener_call_start(listener, why);
    if (listener->slots == NULL) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the listener");
    }
    if (status != WEFT_OK) listener_stop(listener);
    return status;
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

void listener_notice(struct outbox *out, enum weft_event_kind kind, const struct id *device,
                     uint64_t count, enum weft_status status, const char *text) {
    Weft__Notice *notice = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_NOTICE, &notice);
    notice->kind = kind;
    notice->model = -1;
    notice->count = count;
    notice->status = status;
    notice->text = mail_text(mail, text);
    if (device != NULL) {
        CHECK(mail_bytes(mail, &notice->device, device->bytes, WEFT_ID_SIZE));
    }
    outbox_send(out, ACTOR_HOST, &mail);
}

int listener_free_slot(const struct listener *listener) {
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        if (!listener->slots[i].taken) return (int)i;
    }
    return -1;
}

/* Takes "address" or "address#device" apart; the façade has looked at its form. */
static void read_target(struct slot *slot, const char *text) {
    const char *mark = strchr(text, '#');
    size_t size = mark == NULL ? strlen(text) : (size_t)(mark - text);
    CHECK(size < sizeof slot->address);
    memcpy(slot->address, text, size);
    slot->address[size] = 0;
    slot->aim = mark != NULL && id_parse(mark + 1, &slot->target) ? AIM_DEVICE : AIM_ANYBODY;
}

static void on_connect(struct listener *listener, const Weft__Connect *order, struct outbox *out) {
    struct slot wanted = {.taken = true, .dials = true, .invite = -1};
    read_target(&wanted, order->address);
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        struct slot *slot = &listener->slots[i];
        if (!slot->dials || strcmp(slot->address, wanted.address) != 0) continue;
        if (wanted.aim == AIM_DEVICE && slot->aim != AIM_INVITE) {
            slot->aim = wanted.aim;
            slot->target = wanted.target;
        }
        slot->turn = 0;
        slot->tried = (struct id){0};
        listener_aim(listener, i, AIMING_NOW, out);
        return;
    }
    int i = listener_free_slot(listener);
    if (i < 0) {
        listener_notice(out, WEFT_EVENT_FAULT, NULL, 0, WEFT_LIMIT,
                        "every session slot is in use; raise peers_max");
        return;
    }
    listener->slots[i] = wanted;
    listener_aim(listener, (uint32_t)i, AIMING_NOW, out);
}

enum ruling { RULING_STANDS, RULING_ENDS, RULING_REFUSED, RULING_REPLACED, RULING_PROVE };

static void send_ruling(uint32_t slot, uint32_t session, enum ruling ruling, struct outbox *out) {
    Weft__Ruling *message = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RULING, &message);
    message->stands = ruling == RULING_STANDS;
    message->end = ruling == RULING_REPLACED;
    message->prove = ruling == RULING_PROVE;
    message->gone = ruling == RULING_REFUSED;
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

/* Lets a claim stand, unless another session with the device does. */
static void settle_claim(struct listener *listener, const Weft__Claim *claim,
                         const struct id *device, struct outbox *out) {
    struct slot *claimant = &listener->slots[claim->peer];
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        struct slot *slot = &listener->slots[i];
        if (i == claim->peer || !slot->stands || !id_equal(&slot->device, device)) continue;
        if (!claim_beats(listener, slot, device, claim->dialled)) {
            send_ruling(i, slot->session, RULING_PROVE, out);
            send_ruling(claim->peer, claim->session, RULING_ENDS, out);
            return;
        }
        slot->stands = false;
        send_ruling(i, slot->session, RULING_REPLACED, out);
    }
    claimant->stands = true;
    claimant->device = *device;
    claimant->opened_here = claim->dialled;
    claimant->session = claim->session;
    claimant->turn = 0;
    if (claimant->dials && claimant->aim == AIM_ANYBODY) {
        claimant->aim = AIM_DEVICE; /* Who answered here once is meant from now on. */
        claimant->target = *device;
    }
    send_ruling(claim->peer, claim->session, RULING_STANDS, out);
}

/* Somebody came in by invite, and has proved who it is: its claim waits until it is a member. */
static void hold_claim(struct listener *listener, struct instant now, struct mail **in,
                       const struct id *device, struct outbox *out) {
    const Weft__Claim *claim = (*in)->body.claim;
    struct slot *slot = &listener->slots[claim->peer];
    struct invite *invite = slot->invite < 0 ? NULL : &listener->invites[slot->invite];
    if (invite == NULL || !invite->open || invite->serial != slot->serial ||
        (invite->used && !id_equal(&invite->device, device)) || now.mono_us >= invite->until_us) {
        /* Another was faster, or its time has passed. */
        send_ruling(claim->peer, claim->session, RULING_REFUSED, out);
        return;
    }
    invite->used = true;
    invite->device = *device;
    listener_notice(out, WEFT_EVENT_JOINING, device, claim->code, WEFT_OK, claim->name);
    mail_drop(&slot->held_mail);
    slot->held_mail = *in;
    slot->held = (*in)->body.claim;
    slot->asked = false;
    *in = NULL;
    if (!invite->confirm) listener_admit(listener, slot, out);
}

static void on_claim(struct listener *listener, struct instant now, struct mail **in,
                     struct outbox *out) {
    const Weft__Claim *claim = (*in)->body.claim;
    struct id device;
    CHECK(claim->peer < listener->settings->peers);
    CHECK(id_read(&device, claim->device.data, claim->device.len));
    struct slot *slot = &listener->slots[claim->peer];
    if (listener_member(listener, &device) != NULL) {
        settle_claim(listener, claim, &device, out);
    } else if (claim->invite && !claim->dialled) {
        hold_claim(listener, now, in, &device, out);
    } else if (claim->invite && listener->joining && id_equal(&device, &slot->target)) {
        listener_notice(out, WEFT_EVENT_JOINING, &device, claim->code, WEFT_OK, claim->name);
        settle_claim(listener, claim, &device, out);
    } else {
        send_ruling(claim->peer, claim->session, RULING_REFUSED, out); /* Removed meanwhile. */
    }
}

static void on_admit(struct listener *listener, const Weft__Admit *admit, struct outbox *out) {
    struct id device, held;
    CHECK(id_read(&device, admit->device.data, admit->device.len));
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        struct slot *slot = &listener->slots[i];
        if (slot->held == NULL) continue;
        CHECK(id_read(&held, slot->held->device.data, slot->held->device.len));
        if (!id_equal(&device, &held)) continue;
        if (admit->yes) {
            listener_admit(listener, slot, out);
            return;
        } else if (!slot->asked) {
            const struct invite *by = slot->invite < 0 ? NULL : &listener->invites[slot->invite];
            if (by != NULL && by->open && by->serial == slot->serial) {
                listener_spend_invite(listener, slot->invite); /* No is no. */
            }
            send_ruling(i, slot->held->session, RULING_REFUSED, out);
            mail_drop(&slot->held_mail);
            slot->held = NULL;
        }
    }
}

static void tell_stopped(struct listener *listener, struct outbox *out) {
    if (listener->stopping != 1) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_STOP, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}

/* A dial to a device may rest for long while another session with it stands: that one has ended,
 * and who opened it may not find back. One is woken: if there are more, they lead to the same
 * device. */
static void wake_dial(struct listener *listener, const struct id *device, struct outbox *out) {
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        const struct slot *slot = &listener->slots[i];
        if (slot->stands && id_equal(&slot->device, device)) return;
    }
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        const struct slot *slot = &listener->slots[i];
        if (!slot->dials || slot->aim != AIM_DEVICE || !id_equal(&slot->target, device)) continue;
        listener_aim(listener, i, AIMING_NOW, out);
        return;
    }
}

static void on_vacated(struct listener *listener, const Weft__Vacated *vacated,
                       struct outbox *out) {
    CHECK(vacated->peer < listener->settings->peers);
    struct slot *slot = &listener->slots[vacated->peer];
    const bool stood = slot->stands, dials = slot->dials;
    const struct id device = slot->device;
    slot->stands = false;
    mail_drop(&slot->held_mail);
    slot->held = NULL;
    if (vacated->slot_free) *slot = (struct slot){.invite = -1};
    if (slot->dials && listener->stopping == 0) {
        listener_aim(listener, vacated->peer,
                     vacated->refused  ? AIMING_SOON
                     : vacated->missed ? AIMING_NEXT
                                       : AIMING_AGAIN,
                     out);
    }
    if (stood && !dials && listener->stopping == 0) wake_dial(listener, &device, out);
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

/* A host's order about members goes on; it is answered by the log. */
static void on_govern(struct mail **in, struct outbox *out) {
    outbox_send(out, ACTOR_CLOCK, in);
}

static void listener_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct listener *listener = self;
    const Weft__Mail *body = &(*in)->body;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_LISTEN:
        on_listen(listener, body->listen, out);
        break;
    case WEFT__MAIL__BODY_CONNECT:
        if (listener->stopping == 0) on_connect(listener, body->connect, out);
        break;
    case WEFT__MAIL__BODY_INVITE:
        listener_open_invite(listener, now, body->invite);
        break;
    case WEFT__MAIL__BODY_ADMIT:
        on_admit(listener, body->admit, out);
        break;
    case WEFT__MAIL__BODY_JOIN:
        if (listener->stopping == 0) listener_join(listener, body->join, out);
        break;
    case WEFT__MAIL__BODY_GOVERN:
        on_govern(in, out);
        break;
    case WEFT__MAIL__BODY_ROSTER:
        listener_roster(listener, in, out);
        break;
    case WEFT__MAIL__BODY_CLAIM:
        on_claim(listener, now, in, out);
        break;
    case WEFT__MAIL__BODY_VACATED:
        on_vacated(listener, body->vacated, out);
        break;
    case WEFT__MAIL__BODY_STOP:
        on_stop(listener, out);
        return;
    case WEFT__MAIL__BODY_READY:
        /* Orders come first: a caller may come with an invite that is still among them. */
        listener->more = true;
        break;
    default: /* Tick: no mail waits. */
        listener_call(listener, now, out);
        break;
    }
    listener_ask_roster(listener, out);
}

static uint64_t listener_due(const void *self) {
    const struct listener *listener = self;
    /* The first step asks for the roster. */
    if (listener->roster == NULL && !listener->roster_asked && listener->stopping == 0) return 0;
    return listener_call_due(listener);
}

static void listener_stop(void *self) {
    struct listener *listener = self;
    close_listening(listener);
    listener_call_close(listener);
    for (uint32_t i = 0; listener->slots != NULL && i < listener->settings->peers; i++) {
        mail_drop(&listener->slots[i].held_mail);
    }
    free(listener->slots);
    listener->slots = NULL;
    mail_drop(&listener->roster);
    sodium_memzero(listener->invites, sizeof listener->invites);
    sodium_memzero(&listener->introducer, sizeof listener->introducer);
}

const struct actor_kind listener_actor = {
    .name = "listener",
    .state_size = sizeof(struct listener),
    .emit_max = LISTENER_EMIT_MAX,
    .start = listener_start,
    .step = listener_step,
    .due_us = listener_due,
    .stop = listener_stop,
};
