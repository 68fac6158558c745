/* The listener's list: who may come in, whom to dial, and invites.
 *
 *   weft_invite ─► invite ◄── M1 in invite mode ── newcomer
 *                    │ Hello proved, and the host has said yes if it wants to be asked
 *                    └─► Govern(add) ─► clock ─► log ─► roster ─► the newcomer's session stands
 *
 * A slot that dials aims at one device: the one its address names, the one that answered there
 * before, or else the members in turn. The first message names a library key; a member that was
 * away may not know the newest, so the older ones have their turn as well.
 * Invariant: an invite opens the door once; three failures or its time burn it. */
#include <sodium.h>

#include "actors/listener_private.h"

static bool stands_elsewhere(const struct listener *listener, const struct id *device) {
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        if (listener->slots[i].stands && id_equal(&listener->slots[i].device, device)) return true;
    }
    return false;
}

/* ---- the roster ---- */

void listener_ask_roster(struct listener *listener, struct outbox *out) {
    Weft__RosterWanted *wanted = NULL;
    if (listener->roster_asked || listener->stopping != 0) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ROSTER_WANTED, &wanted);
    if (listener->roster != NULL) wanted->version = listener->roster->body.roster->version;
    listener->roster_asked = true;
    outbox_send(out, ACTOR_LOG, &mail);
}

static const Weft__RosterMember *listed(const struct listener *listener, const struct id *device) {
    if (listener->roster == NULL) return NULL;
    const Weft__Roster *roster = listener->roster->body.roster;
    for (size_t i = 0; i < roster->n_members; i++) {
        const Weft__RosterMember *member = roster->members[i];
        if (memcmp(member->device.data, device->bytes, WEFT_ID_SIZE) == 0) return member;
    }
    return NULL;
}

const Weft__RosterMember *listener_member(const struct listener *listener,
                                          const struct id *device) {
    const Weft__RosterMember *member = listed(listener, device);
    return member == NULL || member->removed ? NULL : member;
}

bool listener_removed(const struct listener *listener, const struct id *device) {
    const Weft__RosterMember *member = listed(listener, device);
    return member != NULL && member->removed;
}

const uint8_t *listener_key(const struct listener *listener, const uint8_t psk_id[LIBRARY_KEY_ID]) {
    if (listener->roster == NULL) return NULL;
    const Weft__Roster *roster = listener->roster->body.roster;
    for (size_t i = 0; i < roster->n_keys; i++) {
        if (memcmp(roster->keys[i]->psk_id.data, psk_id, LIBRARY_KEY_ID) == 0) {
            return roster->keys[i]->key.data;
        }
    }
    return NULL;
}

static void end_session(struct listener *listener, uint32_t at, struct outbox *out) {
    struct slot *slot = &listener->slots[at];
    Weft__Ruling *ruling = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RULING, &ruling);
    ruling->end = true;
    ruling->gone = true;
    ruling->session = slot->session;
    slot->stands = false;
    outbox_send(out, ACTOR_PEER + at, &mail);
}

static void let_stand(struct listener *listener, struct slot *slot, uint32_t at,
                      struct outbox *out) {
    Weft__Ruling *ruling = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RULING, &ruling);
    CHECK(id_read(&slot->device, slot->held->device.data, slot->held->device.len));
    /* It may have come in twice at once. */
    ruling->stands = !stands_elsewhere(listener, &slot->device);
    ruling->session = slot->held->session;
    slot->stands = ruling->stands;
    slot->session = slot->held->session;
    slot->opened_here = false;
    mail_drop(&slot->held_mail);
    slot->held = NULL;
    slot->asked = false;
    outbox_send(out, ACTOR_PEER + at, &mail);
}

void listener_roster(struct listener *listener, struct mail **in, struct outbox *out) {
    mail_drop(&listener->roster);
    listener->roster = *in;
    *in = NULL;
    listener->roster_asked = false;
    bool inside = listener_member(listener, &listener->settings->device) != NULL;
    if (inside) listener->joining = false;
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        struct slot *slot = &listener->slots[i];
        struct id newcomer;
        if (slot->held != NULL &&
            id_read(&newcomer, slot->held->device.data, slot->held->device.len) &&
            listener_member(listener, &newcomer) != NULL) {
            let_stand(listener, slot, i, out);
        } else if (slot->stands && !listener->joining &&
                   (!inside || listener_member(listener, &slot->device) == NULL)) {
            end_session(listener, i, out);
        }
        if (slot->dials && slot->aim == AIM_INVITE && inside) slot->aim = AIM_DEVICE;
        if (slot->dials && !slot->stands) listener_aim(listener, i, AIMING_AGAIN, out);
    }
}

/* ---- whom to dial ---- */

/* Whether an address may lead to this member: not to those with whom a session stands, unless one
 * stands with all. */
static bool may_be_there(const struct listener *listener, const Weft__RosterMember *member,
                         bool apart, struct id *device) {
    CHECK(id_read(device, member->device.data, member->device.len));
    if (member->removed || id_equal(device, &listener->settings->device)) return false;
    return !apart || !stands_elsewhere(listener, device);
}

/* The member that a slot without a name is to try: who was tried last, or else the next by its id.
 * The set may change between two turns, so a place in a list would pass over some for ever.
 * `*round`: all have had their turn, and it begins anew. */
static const Weft__RosterMember *pick(const struct listener *listener, struct slot *slot, bool next,
                                      bool *round) {
    const Weft__Roster *roster = listener->roster->body.roster;
    const Weft__RosterMember *first = NULL, *after = NULL;
    struct id first_id = {0}, after_id = {0};
    for (int apart = 1; apart >= 0 && first == NULL; apart--) {
        for (size_t i = 0; i < roster->n_members; i++) {
            const Weft__RosterMember *member = roster->members[i];
            struct id device;
            if (!may_be_there(listener, member, apart == 1, &device)) continue;
            if (first == NULL || id_compare(&device, &first_id) < 0) {
                first = member;
                first_id = device;
            }
            if (id_compare(&device, &slot->tried) < (next ? 1 : 0)) continue;
            if (after == NULL || id_compare(&device, &after_id) < 0) {
                after = member;
                after_id = device;
            }
        }
    }
    *round = after == NULL;
    slot->tried = after != NULL ? after_id : first_id;
    return after != NULL ? after : first;
}

static void fill_dial(struct mail *mail, Weft__Dial *dial, const uint8_t *id_pk,
                      const uint8_t *x_pk, const uint8_t *psk) {
    CHECK(mail_bytes(mail, &dial->id_pk, id_pk, IDENTITY_KEY));
    CHECK(mail_bytes(mail, &dial->x_pk, x_pk, IDENTITY_KEY));
    CHECK(mail_bytes(mail, &dial->psk, psk, LIBRARY_KEY));
}

void listener_aim(struct listener *listener, uint32_t at, enum aiming aiming, struct outbox *out) {
    struct slot *slot = &listener->slots[at];
    const bool next = aiming == AIMING_NEXT || aiming == AIMING_SOON;
    bool round = next; /* There is one to try, or nobody. */
    Weft__Dial *dial = NULL;
    CHECK(slot->dials);
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_DIAL, &dial);
    mail->secret = true;
    dial->address = mail_text(mail, slot->address);
    dial->now = aiming == AIMING_NOW;
    const Weft__Roster *roster = listener->roster == NULL ? NULL : listener->roster->body.roster;
    if (slot->aim == AIM_INVITE) {
        dial->invite = true;
        fill_dial(mail, dial, listener->introducer.device.id_pk, listener->introducer.device.x_pk,
                  listener->introducer.psk);
    } else if (roster != NULL && roster->n_keys != 0) {
        const Weft__RosterMember *member = slot->aim == AIM_DEVICE
                                               ? listener_member(listener, &slot->target)
                                               : pick(listener, slot, next, &round);
        if (round) slot->turn++;
        /* The newest key comes first, and again after each of the older ones. */
        const uint32_t turn = slot->turn;
        size_t older = roster->n_keys - 1;
        size_t back = turn % 2 == 0 || older == 0 ? 0 : 1 + turn / 2 % older;
        const Weft__RosterKey *key = roster->keys[roster->n_keys - 1 - back];
        if (member != NULL) {
            fill_dial(mail, dial, member->id_pk.data, member->x_pk.data, key->key.data);
        }
    }
    dial->soon = aiming == AIMING_SOON && !round;
    outbox_send(out, ACTOR_PEER + at, &mail);
}

/* ---- invites ---- */

void listener_open_invite(struct listener *listener, struct instant now,
                          const Weft__Invite *order) {
    struct invite *place = &listener->invites[0];
    for (uint32_t i = 0; i < LIMIT_INVITES; i++) {
        struct invite *invite = &listener->invites[i];
        if (invite->open && now.mono_us >= invite->until_us)
            listener_spend_invite(listener, (int)i);
        /* As many as there may be: the one that would end first ends now. */
        if (!invite->open || (place->open && invite->until_us < place->until_us)) place = invite;
        if (!place->open) break;
    }
    CHECK(order->psk.len == LIBRARY_KEY);
    *place = (struct invite){.open = true, .confirm = order->confirm};
    place->serial = ++listener->invited;
    place->until_us = now.mono_us + (uint64_t)order->seconds * 1000000u;
    memcpy(place->psk, order->psk.data, LIBRARY_KEY);
    identity_psk_id(&listener->settings->library, place->psk, place->psk_id);
}

int listener_invite(struct listener *listener, struct instant now,
                    const uint8_t psk_id[LIBRARY_KEY_ID]) {
    for (uint32_t i = 0; i < LIMIT_INVITES; i++) {
        struct invite *invite = &listener->invites[i];
        if (!invite->open || memcmp(invite->psk_id, psk_id, LIBRARY_KEY_ID) != 0) continue;
        if (now.mono_us < invite->until_us) return (int)i;
        listener_spend_invite(listener, (int)i);
    }
    return -1;
}

void listener_spend_invite(struct listener *listener, int invite) {
    CHECK(invite >= 0 && (uint32_t)invite < LIMIT_INVITES);
    sodium_memzero(&listener->invites[invite], sizeof listener->invites[invite]);
}

void listener_admit(struct listener *listener, struct slot *slot, struct outbox *out) {
    const Weft__Claim *claim = slot->held;
    Weft__Govern *govern = NULL;
    CHECK(claim != NULL);
    if (slot->asked) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_GOVERN, &govern);
    CHECK(mail_bytes(mail, &govern->device, claim->device.data, claim->device.len));
    CHECK(mail_bytes(mail, &govern->id_pk, claim->id_pk.data, claim->id_pk.len));
    CHECK(mail_bytes(mail, &govern->x_pk, claim->x_pk.data, claim->x_pk.len));
    CHECK(mail_bytes(mail, &govern->cert, claim->cert.data, claim->cert.len));
    govern->incarnation = claim->incarnation;
    govern->name = mail_text(mail, claim->name);
    slot->asked = true;
    (void)listener;
    outbox_send(out, ACTOR_CLOCK, &mail);
}

void listener_join(struct listener *listener, const Weft__Join *join, struct outbox *out) {
    struct handshake_target *introducer = &listener->introducer;
    CHECK(join->id_pk.len == IDENTITY_KEY && join->x_pk.len == IDENTITY_KEY);
    CHECK(join->psk.len == LIBRARY_KEY);
    introducer->mode = HANDSHAKE_INVITE;
    memcpy(introducer->device.id_pk, join->id_pk.data, IDENTITY_KEY);
    memcpy(introducer->device.x_pk, join->x_pk.data, IDENTITY_KEY);
    memcpy(introducer->psk, join->psk.data, LIBRARY_KEY);
    listener->joining = true;
    for (size_t i = 0; i < join->n_addresses; i++) {
        int at = listener_free_slot(listener);
        if (at < 0 || strlen(join->addresses[i]) >= WEFT_ADDRESS_MAX) continue;
        struct slot *slot = &listener->slots[at];
        *slot = (struct slot){.taken = true, .dials = true, .aim = AIM_INVITE, .invite = -1};
        slot->target = identity_device(introducer->device.id_pk);
        memcpy(slot->address, join->addresses[i], strlen(join->addresses[i]) + 1);
        listener_aim(listener, (uint32_t)at, AIMING_NOW, out);
    }
}
