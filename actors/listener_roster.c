/* The listener's list: who may come in, and invites.
 *
 *   weft_invite ─► invite ◄── M1 in invite mode ── newcomer
 *                    │ Hello proved, and the host has said yes if it wants to be asked
 *                    └─► Govern(add) ─► clock ─► log ─► roster ─► the newcomer's session stands
 *
 * Invariant: an invite opens the door once; three failures or its time burn it. */
#include <sodium.h>

#include "actors/listener_private.h"

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

/* A newcomer has become a member. It may have come in twice at once. */
static void let_stand(struct listener *listener, struct instant now, uint32_t at,
                      struct outbox *out) {
    struct slot *slot = &listener->slots[at];
    CHECK(id_read(&slot->device, slot->held->device.data, slot->held->device.len));
    const bool stands = !listener_stands(listener, &slot->device);
    slot->stands = stands;
    slot->session = slot->held->session;
    slot->opened_here = false;
    mail_drop(&slot->held_mail);
    slot->held = NULL;
    slot->asked = false;
    if (stands) listener_dial_stood(listener, now, at);
    listener_rule(at, slot->session, stands ? RULING_STANDS : RULING_ENDS, out);
}

void listener_roster(struct listener *listener, struct instant now, struct mail **in,
                     struct outbox *out) {
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
            let_stand(listener, now, i, out);
        } else if (slot->stands && !listener->joining &&
                   (!inside || listener_member(listener, &slot->device) == NULL)) {
            slot->stands = false;
            listener_rule(i, slot->session, RULING_GONE, out);
        }
    }
    if (inside) listener_contact_inside(listener);
    listener_dial_roster(listener, now);
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
