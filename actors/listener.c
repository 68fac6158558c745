/* See listener.h. Invariants
 *   1. A slot that is taken has a connection, or is to get one; it is free again when that has
 *      ended.
 *   2. Of the slots that claimed one device, one stands, and only a member's stand, or the
 *      introducer's while this device comes in.
 * Not here: anything about sessions themselves (peer); who may come in (listener_call), members
 * and invites (listener_roster), whom this device knows (listener_contact) and calls
 * (listener_dial). */
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
    if (status == WEFT_OK) status = listener_contact_start(listener, why);
    if (listener->slots == NULL) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the listener");
    }
    for (uint32_t i = 0; listener->slots != NULL && i < settings->peers; i++)
        listener->slots[i].contact = listener->slots[i].invite = -1;
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

void listener_rule(uint32_t slot, uint32_t session, enum ruling ruling, struct outbox *out) {
    Weft__Ruling *message = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RULING, &message);
    message->stands = ruling == RULING_STANDS;
    message->end = ruling == RULING_REPLACED || ruling == RULING_GONE || ruling == RULING_PAUSED;
    message->prove = ruling == RULING_PROVE;
    message->gone = ruling == RULING_REFUSED || ruling == RULING_GONE;
    message->paused = ruling == RULING_PAUSED;
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
static void settle_claim(struct listener *listener, struct instant now, const Weft__Claim *claim,
                         const struct id *device, struct outbox *out) {
    struct slot *claimant = &listener->slots[claim->peer];
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        struct slot *slot = &listener->slots[i];
        if (i == claim->peer || !slot->stands || !id_equal(&slot->device, device)) continue;
        if (!claim_beats(listener, slot, device, claim->dialled)) {
            listener_rule(i, slot->session, RULING_PROVE, out);
            listener_rule(claim->peer, claim->session, RULING_ENDS, out);
            return;
        }
        slot->stands = false;
        listener_rule(i, slot->session, RULING_REPLACED, out);
    }
    claimant->stands = true;
    claimant->device = *device;
    claimant->opened_here = claim->dialled;
    claimant->session = claim->session;
    listener_dial_stood(listener, now, claim->peer);
    listener_rule(claim->peer, claim->session, RULING_STANDS, out);
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
        listener_rule(claim->peer, claim->session, RULING_REFUSED, out);
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

static bool is_introducer(const struct listener *listener, const struct id *device) {
    const struct id introducer = identity_device(listener->introducer.device.id_pk);
    return id_equal(device, &introducer);
}

static void on_claim(struct listener *listener, struct instant now, struct mail **in,
                     struct outbox *out) {
    const Weft__Claim *claim = (*in)->body.claim;
    struct id device;
    CHECK(claim->peer < listener->settings->peers);
    CHECK(id_read(&device, claim->device.data, claim->device.len));
    if (listener_paused(listener, &device)) {
        listener_rule(claim->peer, claim->session, RULING_PAUSED, out);
    } else if (listener_member(listener, &device) != NULL) {
        settle_claim(listener, now, claim, &device, out);
    } else if (claim->invite && !claim->dialled) {
        hold_claim(listener, now, in, &device, out);
    } else if (claim->invite && listener->joining && is_introducer(listener, &device)) {
        listener_notice(out, WEFT_EVENT_JOINING, &device, claim->code, WEFT_OK, claim->name);
        settle_claim(listener, now, claim, &device, out);
    } else {
        listener_rule(claim->peer, claim->session, RULING_REFUSED, out); /* Removed meanwhile. */
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
            listener_rule(i, slot->held->session, RULING_REFUSED, out);
            mail_drop(&slot->held_mail);
            slot->held = NULL;
        }
    }
}

/* The host hears of it when the clock has been sent all that is to be kept. */
static void tell_stopped(struct listener *listener, struct outbox *out) {
    if (listener->stopping != 1 || listener->stopped) return;
    listener->stopped = true;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_STOP, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}

static void on_vacated(struct listener *listener, struct instant now, const Weft__Vacated *vacated,
                       struct outbox *out) {
    CHECK(vacated->peer < listener->settings->peers);
    struct slot *slot = &listener->slots[vacated->peer];
    struct slot ended = *slot;
    CHECK(slot->taken);
    mail_drop(&slot->held_mail);
    *slot = (struct slot){.invite = -1, .contact = -1};
    listener_dial_ended(listener, now, vacated, &ended, out);
    if (listener->stopping > 1) listener->stopping--;
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
}

/* A host's order about members goes on; it is answered by the log. */
static void on_govern(struct mail **in, struct outbox *out) {
    outbox_send(out, ACTOR_CLOCK, in);
}

static void listener_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct listener *listener = self;
    const Weft__Mail *body = &(*in)->body;
    listener_contact_begin(listener, now);
    switch (body->body_case) {
    case WEFT__MAIL__BODY_LISTEN:
        on_listen(listener, body->listen, out);
        break;
    case WEFT__MAIL__BODY_CONNECT:
        if (listener->stopping == 0) listener_connect(listener, now, body->connect, out);
        break;
    case WEFT__MAIL__BODY_DISCONNECT:
        if (listener->stopping == 0) listener_disconnect(listener, now, body->disconnect);
        break;
    case WEFT__MAIL__BODY_PAUSING:
        if (listener->stopping == 0) listener_pausing(listener, now, body->pausing, out);
        break;
    case WEFT__MAIL__BODY_INVITE:
        listener_open_invite(listener, now, body->invite);
        break;
    case WEFT__MAIL__BODY_ADMIT:
        on_admit(listener, body->admit, out);
        break;
    case WEFT__MAIL__BODY_JOIN:
        if (listener->stopping == 0) listener_join(listener, now, body->join);
        break;
    case WEFT__MAIL__BODY_GOVERN:
        on_govern(in, out);
        break;
    case WEFT__MAIL__BODY_ROSTER:
        listener_roster(listener, now, in, out);
        break;
    case WEFT__MAIL__BODY_CLAIM:
        on_claim(listener, now, in, out);
        break;
    case WEFT__MAIL__BODY_VACATED:
        on_vacated(listener, now, body->vacated, out);
        break;
    case WEFT__MAIL__BODY_SESSION:
        listener_session(listener, now, in, out);
        break;
    case WEFT__MAIL__BODY_STOP:
        on_stop(listener, out);
        break;
    case WEFT__MAIL__BODY_READY:
        /* Orders come first: a caller may come with an invite that is still among them. */
        listener->more = true;
        break;
    default: /* Tick: no mail waits. */
        listener_call(listener, now, out);
        break;
    }
    listener_dial(listener, now, out);
    listener_ask_roster(listener, out);
    if (listener_save_some(listener, now, out)) tell_stopped(listener, out);
}

static uint64_t listener_due(const void *self) {
    const struct listener *listener = self;
    /* The first step asks for the roster. */
    if (listener->roster == NULL && !listener->roster_asked && listener->stopping == 0) return 0;
    if (listener->stopping == 1 && !listener->stopped) return 0;
    uint64_t due = listener_call_due(listener);
    const uint64_t dial = listener_dial_due(listener), save = listener_save_due(listener);
    if (dial < due) due = dial;
    return save < due ? save : due;
}

static void listener_stop(void *self) {
    struct listener *listener = self;
    close_listening(listener);
    listener_call_close(listener);
    listener_contact_stop(listener);
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
