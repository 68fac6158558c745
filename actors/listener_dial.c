/* The listener's calls: when a contact is dialled, where, and for whom.
 *
 *      add, resume, roster            a slot is free                 a session stands
 *   ─────────────────────► due_us ───────────────────► slot ─────────────────────────► live
 *                            ▲                           │ nobody, or not it             │
 *                            └── next address; a pause ◄─┴───────────────────────────────┘
 *
 * The addresses of a contact are tried one after the other, that at which it was reached last
 * first; nobody is ever given up. The pause between two rounds is such a part of the time that the
 * device has been away for that nobody waits for long, after a long absence or a short one
 * (docs/decisions/023-redial.md). An address of which nobody said whose it is is tried for the
 * members in turn. The first message names a library key; a member that was away may not know the
 * newest, so the older ones have their turn as well.
 * Invariants
 *   1. A contact is dialled in one slot at a time, and not while a session with it stands.
 *   2. A contact that has no due_us has no address, is paused, has a slot or a session, or nobody
 *      who may be there is a member: whatever ends that gives it one. */
#include "actors/listener_private.h"

bool listener_stands(const struct listener *listener, const struct id *device) {
    for (uint32_t i = 0; i < listener->settings->peers; i++) {
        if (listener->slots[i].stands && id_equal(&listener->slots[i].device, device)) return true;
    }
    return false;
}

static bool may_dial(const struct listener *listener, const struct contact *contact) {
    return contact->used && contact->known.address_count > 0 && !contact->known.paused &&
           !listener->paused && contact->slot < 0 && contact->live < 0 && listener->stopping == 0;
}

void listener_dial_now(struct listener *listener, struct instant now, struct contact *contact) {
    contact->failures = contact->faults = contact->turn = 0;
    if (contact->live < 0) contact->since_us = now.mono_us;
    contact->due_us = may_dial(listener, contact) ? now.mono_us : DUE_NEVER;
}

/* ---- whom ---- */

/* Whether an address may lead to this member: not to those with whom a session stands, unless one
 * stands with all. */
static bool may_be_there(const struct listener *listener, const Weft__RosterMember *member,
                         bool apart, struct id *device) {
    CHECK(id_read(device, member->device.data, member->device.len));
    if (member->removed || id_equal(device, &listener->settings->device)) return false;
    return !apart || !listener_stands(listener, device);
}

/* The member that a contact without a name is to be tried for: who was tried last, or else the next
 * by its id. The set may change between two turns, so a place in a list would pass over some for
 * ever. `*round`: all have had their turn, and it begins anew. `*idle`: a session stands with all
 * of them. */
static const Weft__RosterMember *pick(const struct listener *listener, struct contact *contact,
                                      bool next, bool *round, bool *idle) {
    const Weft__Roster *roster = listener->roster->body.roster;
    const Weft__RosterMember *first = NULL, *after = NULL;
    struct id first_id = {0}, after_id = {0};
    *idle = true;
    for (int apart = 1; apart >= 0 && first == NULL; apart--) {
        for (size_t i = 0; i < roster->n_members; i++) {
            const Weft__RosterMember *member = roster->members[i];
            struct id device;
            if (!may_be_there(listener, member, apart == 1, &device)) continue;
            *idle = *idle && apart == 0;
            if (first == NULL || id_compare(&device, &first_id) < 0) {
                first = member;
                first_id = device;
            }
            if (id_compare(&device, &contact->tried) < (next ? 1 : 0)) continue;
            if (after == NULL || id_compare(&device, &after_id) < 0) {
                after = member;
                after_id = device;
            }
        }
    }
    *round = after == NULL;
    contact->tried = after != NULL ? after_id : first_id;
    return after != NULL ? after : first;
}

/* The newest key comes first, and again after each of the older ones. */
static const Weft__RosterKey *key_of(const Weft__Roster *roster, uint32_t turn) {
    const size_t older = roster->n_keys - 1;
    const size_t back = turn % 2 == 0 || older == 0 ? 0 : 1 + turn / 2 % older;
    return roster->keys[roster->n_keys - 1 - back];
}

static void fill_dial(struct mail *mail, Weft__Dial *dial, const uint8_t *id_pk,
                      const uint8_t *x_pk, const uint8_t *psk) {
    CHECK(mail_bytes(mail, &dial->id_pk, id_pk, IDENTITY_KEY));
    CHECK(mail_bytes(mail, &dial->x_pk, x_pk, IDENTITY_KEY));
    CHECK(mail_bytes(mail, &dial->psk, psk, LIBRARY_KEY));
}

/* Says whose keys a dial takes; false: there is nobody to dial for now. */
static bool aim(struct listener *listener, struct contact *contact, struct mail *mail,
                Weft__Dial *dial) {
    const Weft__RosterMember *member = NULL;
    bool round = false, idle = false;
    if (contact->invite) {
        dial->invite = true;
        fill_dial(mail, dial, listener->introducer.device.id_pk, listener->introducer.device.x_pk,
                  listener->introducer.psk);
        return true;
    }
    if (listener->roster == NULL || listener->roster->body.roster->n_keys == 0) return false;
    if (contact->known.named) {
        member = listener_member(listener, &contact->known.device);
    } else {
        member = pick(listener, contact, false, &round, &idle);
    }
    if (member == NULL) return false;
    const Weft__RosterKey *key = key_of(listener->roster->body.roster, contact->turn);
    fill_dial(mail, dial, member->id_pk.data, member->x_pk.data, key->key.data);
    return true;
}

/* ---- when ---- */

/* Contacts that are out of reach, and would be dialled. */
static uint32_t count_away(const struct listener *listener) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        const struct contact *contact = &listener->contacts[i];
        count += contact->used && contact->live < 0 && contact->known.address_count > 0 &&
                 !contact->known.paused;
    }
    return count;
}

static uint64_t jittered(const struct listener *listener, uint64_t pause_us) {
    const struct entropy_port *entropy = &listener->settings->entropy;
    uint32_t drawn = 0;
    entropy->fill(entropy->self, &drawn, sizeof drawn);
    return pause_us + drawn % (pause_us / 4);
}

/* How long a contact rests after a round in vain. */
static uint64_t rest_us(const struct listener *listener, struct instant now,
                        const struct contact *contact) {
    uint64_t rest = contact->failures < 2 ? LIMIT_REDIAL_MIN_US : LIMIT_REDIAL_NEAR_US;
    const uint64_t part = (now.mono_us - contact->since_us) / LIMIT_REDIAL_PART;
    const uint64_t crowd = count_away(listener) * (uint64_t)LIMIT_REDIAL_CROWD_US;
    if (part > rest) rest = part;
    if (crowd > rest) rest = crowd;
    /* Who answers with something else than it should is not hammered. */
    const uint32_t faults = contact->faults < 8 ? contact->faults : 8;
    if (faults > 0 && (LIMIT_REDIAL_MIN_US << (faults - 1)) > rest)
        rest = LIMIT_REDIAL_MIN_US << (faults - 1);
    return rest < LIMIT_REDIAL_MAX_US ? rest : LIMIT_REDIAL_MAX_US;
}

/* A dial did not lead to a session. `missed`: nobody there has proved to be the one; `refused`:
 * somebody was there. The next address or member has its turn, and this is the pause before it. */
static uint64_t turn_us(struct listener *listener, struct instant now, struct contact *contact,
                        const struct slot *slot, bool missed, bool refused) {
    bool round = true, idle = false;
    const uint32_t tried = listener_address_find(contact, slot->address);
    if (missed && contact->known.named) {
        /* Unless another is to be the next anyway. */
        if (tried == contact->next) contact->next++;
        round = contact->next >= contact->known.address_count;
        if (round) contact->next = 0;
    } else if (missed && listener->roster != NULL) {
        (void)pick(listener, contact, true, &round, &idle);
    }
    if (missed && round) contact->turn++;
    if (idle) return LIMIT_REDIAL_MAX_US;
    if (!round && contact->known.named) return LIMIT_REDIAL_MIN_US / 4;
    if (!round && refused) return LIMIT_REDIAL_MIN_US;
    return rest_us(listener, now, contact);
}

static void note_failure(struct contact *contact, struct instant now, const struct slot *slot,
                         const Weft__Vacated *vacated) {
    struct contact_known *known = &contact->known;
    const uint32_t at = listener_address_find(contact, slot->address);
    contact->failures++;
    contact->faults =
        vacated->status == WEFT_NET || vacated->status == WEFT_CLOSED ? 0 : contact->faults + 1;
    known->failures++;
    if (at < known->address_count) {
        struct weft_address *address = &known->addresses[at];
        address->status = (enum weft_status)vacated->status;
        address->failures++;
        if (vacated->missed && vacated->status == WEFT_CLOSED) contact->quiet[at] = true;
    }
    /* Not every failure is worth writing. */
    const uint64_t save_us = contact->saved_us + LIMIT_CONTACT_SAVE_US;
    if (save_us < contact->save_us)
        contact->save_us = save_us > now.mono_us ? save_us : now.mono_us;
}

static void say_failure(const struct contact *contact, const struct slot *slot,
                        const Weft__Vacated *vacated, struct outbox *out) {
    const struct logged_field fields[] = {
        {LOGGED_KEY_ADDRESS, slot->address, 0},
        {LOGGED_KEY_STATUS, weft_status_name((enum weft_status)vacated->status), 0}};
    outbox_log(out, LOGGED_CALL_FAILED, &contact->known.device, NULL, fields, 2);
}

/* A session with this contact has ended. */
static void lose(struct listener *listener, struct instant now, struct contact *contact,
                 bool opened_here) {
    contact->live = -1;
    contact->since_us = now.mono_us;
    contact->next = 0;
    contact->known.seen_ms = now.wall_ms;
    /* Who opened it may not find back. */
    if (!may_dial(listener, contact)) return;
    contact->due_us = now.mono_us;
    if (opened_here) contact->due_us += jittered(listener, LIMIT_REDIAL_MIN_US);
}

void listener_dial_ended(struct listener *listener, struct instant now,
                         const Weft__Vacated *vacated, const struct slot *slot,
                         struct outbox *out) {
    struct contact *contact = NULL;
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *one = &listener->contacts[i];
        if (!one->used || one->live != (int)vacated->peer) continue;
        lose(listener, now, one, slot->opened_here);
        listener_show(listener, one);
    }
    if (slot->contact < 0) return;
    contact = &listener->contacts[slot->contact];
    CHECK(contact->used && contact->slot == (int)vacated->peer);
    contact->slot = -1;
    if (slot->stood) {
        /* lose() has said when, or another session stands. */
        if (may_dial(listener, contact) && contact->due_us == DUE_NEVER)
            contact->due_us = now.mono_us + jittered(listener, LIMIT_REDIAL_MIN_US);
    } else {
        if (vacated->status != WEFT_OK) note_failure(contact, now, slot, vacated);
        if (vacated->status != WEFT_OK) say_failure(contact, slot, vacated, out);
        const uint64_t pause =
            turn_us(listener, now, contact, slot, vacated->missed, vacated->refused);
        if (may_dial(listener, contact)) contact->due_us = now.mono_us + jittered(listener, pause);
    }
    listener_show(listener, contact);
}

/* The network seems to be there again: who rests for long is tried soon. */
static void hurry(struct listener *listener, struct instant now) {
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        if (contact->due_us == DUE_NEVER || contact->faults > 0 || !contact->known.named) continue;
        const uint64_t least = contact->last_us + LIMIT_REDIAL_MIN_US;
        const uint64_t soon = least > now.mono_us ? least : now.mono_us;
        if (soon < contact->due_us) contact->due_us = soon;
    }
}

/* It is at this address that the device was reached. */
static void note_reached(struct contact *contact, struct instant now, const char *address) {
    const uint32_t at = listener_address_add(contact, address, true);
    struct weft_address *entry = &contact->known.addresses[at];
    entry->reached_ms = now.wall_ms;
    entry->failures = 0;
    entry->status = WEFT_OK;
    contact->quiet[at] = false;
}

void listener_dial_stood(struct listener *listener, struct instant now, uint32_t at) {
    struct slot *slot = &listener->slots[at];
    struct contact *dialled = slot->contact < 0 ? NULL : &listener->contacts[slot->contact];
    struct contact *contact = listener_contact_add(listener, now, &slot->device);
    slot->stood = true;
    if (contact == NULL) return; /* There are as many as may be; the session is as good. */
    if (dialled != NULL && dialled != contact) {
        /* Who answered here is meant from now on. */
        const uint32_t place = listener_address_find(dialled, slot->address);
        if (place < dialled->known.address_count) {
            const uint32_t to = listener_address_add(contact, slot->address, true);
            contact->known.addresses[to] = dialled->known.addresses[place];
        }
        listener_contact_drop(listener, dialled);
        listener_save(dialled, now, true);
        listener_save(contact, now, true);
        if (contact->slot < 0) {
            slot->contact = (int)(contact - listener->contacts);
            contact->slot = (int)at;
        }
    }
    const struct board_peer *moved = &listener->settings->board->peers[at];
    contact->before =
        (struct contact_totals){board_get(moved->rows_in), board_get(moved->rows_out),
                                board_get(moved->bytes_in), board_get(moved->bytes_out)};
    contact->live = (int)at;
    contact->due_us = DUE_NEVER;
    contact->failures = contact->faults = contact->turn = contact->next = 0;
    contact->known.sessions++;
    contact->known.seen_ms = now.wall_ms;
    if (slot->opened_here &&
        listener_address_find(contact, slot->address) < contact->known.address_count)
        note_reached(contact, now, slot->address);
    listener_save(contact, now, false);
    listener_show(listener, contact);
    hurry(listener, now);
}

void listener_dial_roster(struct listener *listener, struct instant now) {
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        if (!contact->used) continue;
        if (contact->known.named && listener_removed(listener, &contact->known.device)) {
            listener_contact_drop(listener, contact);
            listener_save(contact, now, true);
        } else if (contact->due_us == DUE_NEVER && may_dial(listener, contact)) {
            contact->due_us = now.mono_us;
        }
    }
}

/* ---- dialling ---- */

static void dial_one(struct listener *listener, struct instant now, struct contact *contact,
                     uint32_t at, struct outbox *out) {
    struct slot *slot = &listener->slots[at];
    Weft__Dial *dial = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_DIAL, &dial);
    struct weft_address *address = &contact->known.addresses[contact->next];
    mail->secret = true;
    contact->due_us = DUE_NEVER;
    if (!aim(listener, contact, mail, dial)) {
        mail_drop(&mail); /* A roster may bring somebody. */
        return;
    }
    dial->address = mail_text(mail, address->text);
    dial->quiet = contact->quiet[contact->next];
    address->tried_ms = now.wall_ms;
    contact->last_us = now.mono_us;
    contact->slot = (int)at;
    *slot = (struct slot){.taken = true, .invite = -1};
    slot->contact = (int)(contact - listener->contacts);
    memcpy(slot->address, address->text, sizeof slot->address);
    outbox_send(out, ACTOR_PEER + at, &mail);
    listener_show(listener, contact);
}

/* Who has waited longest. */
static struct contact *most_due(struct listener *listener, struct instant now) {
    struct contact *most = NULL;
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        if (contact->due_us > now.mono_us) continue;
        if (most == NULL || contact->due_us < most->due_us) most = contact;
    }
    return most;
}

void listener_dial(struct listener *listener, struct instant now, struct outbox *out) {
    for (int at = listener_free_slot(listener); at >= 0; at = listener_free_slot(listener)) {
        struct contact *contact = most_due(listener, now);
        if (contact == NULL) return;
        if (may_dial(listener, contact)) {
            dial_one(listener, now, contact, (uint32_t)at, out);
        } else {
            contact->due_us = DUE_NEVER;
        }
    }
}

uint64_t listener_dial_due(const struct listener *listener) {
    uint64_t due = DUE_NEVER;
    if (listener_free_slot(listener) < 0) return DUE_NEVER; /* One that ends is heard of. */
    for (uint32_t i = 0; i < listener->contact_end; i++)
        if (listener->contacts[i].due_us < due) due = listener->contacts[i].due_us;
    return due;
}
