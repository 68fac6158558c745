/* The listener's door: connections until it is known who calls.
 *
 *   accept ─► caller ─► M1 whole ─► form, mac1 ─► seen before? ─► bucket ─► decrypt, certificate
 *               │ 5 s, or                  │            │            │              │
 *               ▼ another needs the place  ▼            ▼            ▼              ▼
 *             closed, without a byte ◄─────┴────────────┴────────────┴──── no ── member? invite?
 *                                                                                   │ yes
 *                                                             a free slot's peer ◄──┘
 *
 * The cheapest look comes first. Whoever is turned away hears nothing, for whatever reason.
 * Invariants
 *   1. At most LIMIT_CALLERS connections wait here, LIMIT_CALLERS_ADDRESS of one address; a newer
 *      one takes the place of the oldest, so that nobody can keep others out by waiting.
 *   2. Exactly HANDSHAKE_M1 bytes are read of a caller.
 *   3. Nothing is kept of a caller that was turned away but its address's count. */
#include <sodium.h>
#include <stdlib.h>

#include "actors/listener_private.h"

#define TOKEN_US (1000000u / LIMIT_CALLS_PER_S)
#define BURST_US ((uint64_t)LIMIT_CALLS_BURST * TOKEN_US)
#define ACCEPTS_A_STEP 64u

enum weft_status listener_call_start(struct listener *listener, struct weft_error *why) {
    const struct settings *settings = listener->settings;
    listener->callers = calloc(LIMIT_CALLERS, sizeof *listener->callers);
    listener->seen = calloc(CALLERS_SEEN, sizeof *listener->seen);
    listener->buckets = calloc(CALLERS_BUCKETS, sizeof *listener->buckets);
    if (listener->callers == NULL || listener->seen == NULL || listener->buckets == NULL) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the listener");
    }
    settings->entropy.fill(settings->entropy.self, &listener->address_key,
                           sizeof listener->address_key);
    handshake_screen_init(&listener->screen, settings->identity->public.x_pk);
    return WEFT_OK;
}

static void caller_close(struct listener *listener, struct caller *caller) {
    if (caller->link != 0) listener->net.ops->close(listener->net.self, caller->link);
    sodium_memzero(caller, sizeof *caller);
}

void listener_call_close(struct listener *listener) {
    for (uint32_t i = 0; listener->callers != NULL && i < LIMIT_CALLERS; i++) {
        caller_close(listener, &listener->callers[i]);
    }
    free(listener->callers);
    free(listener->seen);
    free(listener->buckets);
    listener->callers = NULL;
    listener->seen = NULL;
    listener->buckets = NULL;
}

/* A place for a caller from `origin`: a free one, else that of the oldest of its address if there
 * are too many of them, else that of the oldest. */
static struct caller *caller_place(struct listener *listener, const char *origin) {
    struct caller *free_place = NULL, *oldest = NULL, *oldest_here = NULL;
    uint32_t here = 0;
    for (uint32_t i = 0; i < LIMIT_CALLERS; i++) {
        struct caller *caller = &listener->callers[i];
        if (caller->link == 0) {
            free_place = caller;
            continue;
        }
        if (oldest == NULL || caller->since_us < oldest->since_us) oldest = caller;
        if (strcmp(caller->origin, origin) != 0) continue;
        here++;
        if (oldest_here == NULL || caller->since_us < oldest_here->since_us) oldest_here = caller;
    }
    struct caller *place = here >= LIMIT_CALLERS_ADDRESS ? oldest_here
                           : free_place != NULL          ? free_place
                                                         : oldest;
    caller_close(listener, place);
    return place;
}

/* ---- limits ---- */

static uint64_t address_hash(const struct listener *listener, const char *origin) {
    uint8_t key[crypto_shorthash_KEYBYTES] = {0};
    uint64_t hash = 0;
    memcpy(key, &listener->address_key, sizeof listener->address_key);
    (void)crypto_shorthash((uint8_t *)&hash, (const uint8_t *)origin, strlen(origin), key);
    return hash == 0 ? 1 : hash;
}

/* Takes one token of an address; false when it has none. An address that is not known yet takes the
 * place of the one that has been silent longest. */
static bool bucket_take(struct listener *listener, struct instant now, const char *origin) {
    uint64_t address = address_hash(listener, origin);
    struct bucket *bucket = &listener->buckets[0];
    for (uint32_t i = 0; i < CALLERS_BUCKETS; i++) {
        struct bucket *other = &listener->buckets[i];
        if (other->address == address) {
            bucket = other;
            break;
        }
        if (other->last_us < bucket->last_us) bucket = other;
    }
    if (bucket->address != address) {
        *bucket = (struct bucket){address, BURST_US, now.mono_us};
    }
    bucket->tokens_us += now.mono_us - bucket->last_us;
    bucket->last_us = now.mono_us;
    if (bucket->tokens_us > BURST_US) bucket->tokens_us = BURST_US;
    if (bucket->tokens_us < TOKEN_US) return false;
    bucket->tokens_us -= TOKEN_US;
    return true;
}

/* What identifies a first message: its ephemeral key. */
static uint64_t mark_of(const uint8_t m1[HANDSHAKE_M1]) {
    return load_u64(m1 + HANDSHAKE_HEADER + 2);
}

/* Whether this first message has opened the door before. A replayed one could not get past the
 * Hello, but would hold a slot until then. */
static bool was_seen(const struct listener *listener, const uint8_t m1[HANDSHAKE_M1]) {
    for (uint32_t i = 0; i < CALLERS_SEEN; i++) {
        if (listener->seen[i] == mark_of(m1)) return true;
    }
    return false;
}

/* Only of those who may enter: anybody can make others that pass the screen, as many as would push
 * the ones that matter out. */
static void remember(struct listener *listener, const uint8_t m1[HANDSHAKE_M1]) {
    listener->seen[listener->seen_next] = mark_of(m1);
    listener->seen_next = (listener->seen_next + 1) % CALLERS_SEEN;
}

/* ---- judging ---- */

/* Decrypts a first message that passed the screen, and decides. `*invite` is that by which the
 * caller comes in, or -1. */
static bool may_enter(struct listener *listener, struct instant now, const struct caller *caller,
                      enum handshake_mode mode, const uint8_t psk_id[LIBRARY_KEY_ID],
                      struct handshake *handshake, int *invite, struct outbox *out) {
    const uint8_t *psk = NULL;
    *invite = -1;
    if (mode == HANDSHAKE_INVITE) {
        *invite = listener_invite(listener, now, psk_id);
        if (*invite >= 0) psk = listener->invites[*invite].psk;
    } else {
        psk = listener_key(listener, psk_id);
    }
    if (psk == NULL) return false;
    if (handshake_read(handshake, &listener->self, psk, caller->m1, NULL) != WEFT_OK) {
        if (*invite >= 0 && ++listener->invites[*invite].failures >= LIMIT_INVITE_FAILURES) {
            listener_spend_invite(listener, *invite);
        }
        return false;
    }
    const struct id *device = &handshake->remote.device;
    if (id_equal(device, &listener->settings->device)) return false;
    if (listener_paused(listener, device)) return false;
    if (mode == HANDSHAKE_MEMBER) return listener_member(listener, device) != NULL;
    const struct invite *by = &listener->invites[*invite];
    if (listener_removed(listener, device)) {
        listener_notice(out, WEFT_EVENT_FAULT, device, 0, WEFT_DENIED,
                        "a device that was removed from this library has come with an invite: it "
                        "can only come back with a new identity; let it open a new library file, "
                        "without its key file");
        return false;
    }
    return !by->used || id_equal(device, &by->device);
}

static void let_in(struct listener *listener, struct caller *caller, struct handshake *handshake,
                   int invite, struct outbox *out) {
    int at = listener_free_slot(listener);
    int64_t transfer = 0;
    if (at < 0) return;
    enum weft_status status =
        listener->net.ops->release(listener->net.self, caller->link, &transfer, NULL);
    caller->link = 0;
    if (status != WEFT_OK) return;
    listener->slots[at] = (struct slot){.taken = true, .invite = invite, .contact = -1};
    if (invite >= 0) listener->slots[at].serial = listener->invites[invite].serial;
    Weft__Accepted *accepted = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ACCEPTED, &accepted);
    mail->secret = true;
    accepted->handle = transfer;
    accepted->origin = mail_text(mail, caller->origin);
    uint8_t *packed = arena_take(&mail->arena, HANDSHAKE_PACKED);
    CHECK(packed != NULL);
    handshake_pack(handshake, packed);
    accepted->handshake = (ProtobufCBinaryData){HANDSHAKE_PACKED, packed};
    outbox_send(out, ACTOR_PEER + (uint32_t)at, &mail);
}

static void judge(struct listener *listener, struct instant now, struct caller *caller,
                  struct outbox *out) {
    struct handshake handshake = {0};
    enum handshake_mode mode = HANDSHAKE_MEMBER;
    uint8_t psk_id[LIBRARY_KEY_ID];
    int invite = -1;
    if (handshake_screen_passes(&listener->screen, caller->m1, &mode, psk_id) &&
        !was_seen(listener, caller->m1) && bucket_take(listener, now, caller->origin)) {
        if (may_enter(listener, now, caller, mode, psk_id, &handshake, &invite, out)) {
            remember(listener, caller->m1);
            let_in(listener, caller, &handshake, invite, out);
        } else {
            outbox_log(out, LOGGED_REFUSED, NULL, NULL,
                       &(struct logged_field){LOGGED_KEY_ADDRESS, caller->origin, 0}, 1);
        }
    }
    handshake_wipe(&handshake);
    caller_close(listener, caller);
}

/* Reads what has come of a first message, and no further. */
static void hear(struct listener *listener, struct instant now, struct caller *caller,
                 struct outbox *out) {
    while (caller->link != 0 && caller->got < HANDSHAKE_M1) {
        size_t got = 0;
        enum weft_status status =
            listener->net.ops->read(listener->net.self, caller->link, caller->m1 + caller->got,
                                    HANDSHAKE_M1 - caller->got, &got, NULL);
        if (status == WEFT_BUSY) return;
        caller->got += got;
        if (status != WEFT_OK) caller_close(listener, caller);
    }
    if (caller->link != 0) judge(listener, now, caller, out);
}

/* ---- accepting ---- */

static bool accept_one(struct listener *listener, struct instant now, net_handle listening,
                       struct outbox *out) {
    int64_t transfer = 0;
    net_handle link = 0;
    char origin[WEFT_ADDRESS_MAX];
    const struct net_ops *net = listener->net.ops;
    if (net->accept(listener->net.self, listening, &transfer, NULL) != WEFT_OK) return false;
    if (listener->stopping != 0) {
        net->discard(listener->net.self, transfer);
        return true;
    }
    if (net->adopt(listener->net.self, transfer, listener->watch, &link, NULL) != WEFT_OK) {
        return true;
    }
    net->origin(listener->net.self, link, origin);
    struct caller *caller = caller_place(listener, origin);
    *caller = (struct caller){.link = link, .since_us = now.mono_us};
    memcpy(caller->origin, origin, sizeof origin);
    hear(listener, now, caller, out);
    return true;
}

void listener_call(struct listener *listener, struct instant now, struct outbox *out) {
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < LIMIT_CALLERS; i++) {
        struct caller *caller = &listener->callers[i];
        if (caller->link == 0) continue;
        if (now.mono_us - caller->since_us >= LIMIT_HANDSHAKE_US) {
            caller_close(listener, caller);
        } else {
            hear(listener, now, caller, out);
        }
    }
    for (uint32_t l = 0; l < listener->listening_count; l++) {
        while (accepted < ACCEPTS_A_STEP &&
               accept_one(listener, now, listener->listening[l], out)) {
            accepted++;
        }
    }
    /* The port does not say again that others wait. */
    listener->more = accepted == ACCEPTS_A_STEP;
}

uint64_t listener_call_due(const struct listener *listener) {
    uint64_t due = DUE_NEVER;
    if (listener->more) return 0;
    for (uint32_t i = 0; listener->callers != NULL && i < LIMIT_CALLERS; i++) {
        const struct caller *caller = &listener->callers[i];
        if (caller->link != 0 && caller->since_us + LIMIT_HANDSHAKE_US < due) {
            due = caller->since_us + LIMIT_HANDSHAKE_US;
        }
    }
    return due;
}
