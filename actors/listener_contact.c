/* The listener's contacts: whom this device knows, where it may be reached, and how that went.
 *
 *   file ─► contacts ─► log, which writes them (schema/006_peers.sql)
 *              │ └────► sheets, which the host reads
 *              └──────► listener_dial
 *
 * A device has one contact, however many addresses lead to it. An address of which nobody said
 * whose it is has one of its own, until somebody has answered there.
 * Invariants
 *   1. A text is an address of one contact at most.
 *   2. Contacts that are not named have one address.
 *   3. Their numbers are those of the file; a contact that is forgotten leaves its number free. */
#include <stdlib.h>

#include "actors/listener_private.h"
#include "engine/base/sheet.h"

_Static_assert(sizeof(struct contact_shown) <= SHEET_BYTES, "a sheet takes a contact");

enum weft_status listener_contact_start(struct listener *listener, struct weft_error *why) {
    const struct contacts *known = listener->settings->contacts;
    listener->contacts = calloc(LIMIT_CONTACTS, sizeof *listener->contacts);
    if (listener->contacts == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the listener");
    listener->paused = listener->settings->paused || (known != NULL && known->paused);
    for (uint32_t i = 0; known != NULL && i < LIMIT_CONTACTS; i++)
        if (known->used[i]) listener->contact_end = i + 1;
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        contact->slot = contact->live = -1;
        contact->due_us = contact->save_us = DUE_NEVER;
        if (!known->used[i]) continue;
        contact->used = true;
        contact->known = known->list[i];
        contact->due_us = 0;
        listener_show(listener, contact);
    }
    return WEFT_OK;
}

void listener_contact_stop(struct listener *listener) {
    free(listener->contacts);
    listener->contacts = NULL;
}

void listener_contact_begin(struct listener *listener, struct instant now) {
    if (listener->begun) return;
    listener->begun = true;
    for (uint32_t i = 0; i < listener->contact_end; i++)
        listener->contacts[i].since_us = listener->contacts[i].saved_us = now.mono_us;
}

void listener_contact_inside(struct listener *listener) {
    for (uint32_t i = 0; i < listener->contact_end; i++)
        listener->contacts[i].invite = false;
}

/* ---- finding, adding, forgetting ---- */

struct contact *listener_contact(struct listener *listener, const struct id *device) {
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        if (contact->used && contact->known.named && id_equal(&contact->known.device, device))
            return contact;
    }
    return NULL;
}

static struct contact *add(struct listener *listener, struct instant now) {
    for (uint32_t i = 0; i < LIMIT_CONTACTS; i++) {
        struct contact *contact = &listener->contacts[i];
        if (contact->used) continue;
        *contact = (struct contact){.used = true, .slot = -1, .live = -1};
        contact->due_us = DUE_NEVER;
        contact->since_us = contact->saved_us = now.mono_us;
        contact->save_us = now.mono_us;
        contact->soon = true;
        if (i == listener->contact_end) listener->contact_end++;
        return contact;
    }
    return NULL;
}

struct contact *listener_contact_add(struct listener *listener, struct instant now,
                                     const struct id *device) {
    struct contact *contact = listener_contact(listener, device);
    if (contact == NULL) contact = add(listener, now);
    if (contact == NULL) return NULL;
    contact->known.named = true;
    contact->known.device = *device;
    return contact;
}

void listener_contact_drop(struct listener *listener, struct contact *contact) {
    const int number = (int)(contact - listener->contacts);
    CHECK(contact->used);
    for (uint32_t i = 0; i < listener->settings->peers; i++)
        if (listener->slots[i].contact == number) listener->slots[i].contact = -1;
    *contact = (struct contact){.slot = -1, .live = -1, .soon = true, .due_us = DUE_NEVER};
    listener_show(listener, contact);
}

uint32_t listener_address_find(const struct contact *contact, const char *address) {
    uint32_t i = 0;
    while (i < contact->known.address_count &&
           strcmp(contact->known.addresses[i].text, address) != 0)
        i++;
    return i;
}

static void address_remove(struct contact *contact, uint32_t at) {
    struct contact_known *known = &contact->known;
    CHECK(at < known->address_count);
    known->address_count--;
    memmove(&known->addresses[at], &known->addresses[at + 1],
            (known->address_count - at) * sizeof known->addresses[0]);
    memmove(&contact->quiet[at], &contact->quiet[at + 1], known->address_count - at);
    if (contact->next > at) contact->next--;
    if (contact->next >= known->address_count) contact->next = 0;
}

/* The one that has been tried in vain most often since it was reached last. */
static uint32_t worst_address(const struct contact_known *known) {
    uint32_t worst = 0;
    for (uint32_t i = 1; i < known->address_count; i++)
        if (known->addresses[i].failures >= known->addresses[worst].failures) worst = i;
    return worst;
}

uint32_t listener_address_add(struct contact *contact, const char *address, bool first) {
    struct contact_known *known = &contact->known;
    struct weft_address entry = {0};
    bool quiet = false;
    const size_t size = strlen(address);
    uint32_t at = listener_address_find(contact, address);
    CHECK(size != 0 && size < sizeof entry.text);
    if (at < known->address_count && !first) return at;
    memcpy(entry.text, address, size + 1);
    if (at < known->address_count) {
        entry = known->addresses[at];
        quiet = contact->quiet[at];
        address_remove(contact, at);
    } else if (known->address_count == LIMIT_ADDRESSES) {
        address_remove(contact, worst_address(known));
    }
    at = first ? 0 : known->address_count;
    memmove(&known->addresses[at + 1], &known->addresses[at],
            (known->address_count - at) * sizeof known->addresses[0]);
    memmove(&contact->quiet[at + 1], &contact->quiet[at], known->address_count - at);
    known->address_count++;
    known->addresses[at] = entry;
    contact->quiet[at] = quiet;
    return at;
}

/* Whose address a text is; NULL: nobody's. */
static struct contact *owner_of(struct listener *listener, const char *address) {
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        if (contact->used && listener_address_find(contact, address) < contact->known.address_count)
            return contact;
    }
    return NULL;
}

/* A contact without an address is kept for what is known of its device. */
static void take_away(struct listener *listener, struct instant now, struct contact *contact,
                      const char *address) {
    address_remove(contact, listener_address_find(contact, address));
    listener_save(contact, now, true);
    if (contact->known.named) {
        listener_show(listener, contact);
    } else {
        listener_contact_drop(listener, contact);
        listener_save(contact, now, true);
    }
}

/* ---- who is to know ---- */

void listener_save(struct contact *contact, struct instant now, bool soon) {
    contact->save_us = now.mono_us;
    contact->soon = contact->soon || soon;
}

static void fill_addresses(struct mail *mail, Weft__Contact *out,
                           const struct contact_known *known) {
    out->addresses =
        (Weft__Address **)mail_messages(mail, &weft__address__descriptor, known->address_count);
    CHECK(out->addresses != NULL || known->address_count == 0);
    out->n_addresses = known->address_count;
    for (uint32_t i = 0; i < known->address_count; i++) {
        const struct weft_address *address = &known->addresses[i];
        out->addresses[i]->text = mail_text(mail, address->text);
        out->addresses[i]->tried_ms = address->tried_ms;
        out->addresses[i]->reached_ms = address->reached_ms;
        out->addresses[i]->failures = address->failures;
        out->addresses[i]->status = address->status;
    }
}

static void tell_log(struct listener *listener, struct instant now, uint32_t number,
                     struct outbox *out) {
    struct contact *contact = &listener->contacts[number];
    const struct contact_known *known = &contact->known;
    Weft__Contact *message = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_CONTACT, &message);
    message->number = number;
    message->gone = !contact->used;
    message->soon = contact->soon;
    message->paused = known->paused;
    message->seen_ms = known->seen_ms;
    message->sessions = known->sessions;
    message->failures = known->failures;
    message->rows_in = known->rows_in;
    message->rows_out = known->rows_out;
    message->bytes_in = known->bytes_in;
    message->bytes_out = known->bytes_out;
    if (known->named)
        CHECK(mail_bytes(mail, &message->device, known->device.bytes, sizeof known->device.bytes));
    fill_addresses(mail, message, known);
    contact->save_us = DUE_NEVER;
    contact->saved_us = now.mono_us;
    contact->soon = false;
    outbox_send(out, ACTOR_CLOCK, &mail);
}

bool listener_save_some(struct listener *listener, struct instant now, struct outbox *out) {
    uint32_t sent = 0;
    if (listener->paused_unsaved) {
        Weft__Contact *message = NULL;
        struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_CONTACT, &message);
        message->number = LIMIT_CONTACTS; /* All of them. */
        message->all_paused = listener->paused;
        message->soon = true;
        listener->paused_unsaved = false;
        sent++;
        outbox_send(out, ACTOR_CLOCK, &mail);
    }
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        const uint64_t due = listener->contacts[i].save_us;
        if (due == DUE_NEVER || (due > now.mono_us && listener->stopping == 0)) continue;
        if (sent++ == LISTENER_SAVES) return false;
        tell_log(listener, now, i, out);
    }
    return true;
}

uint64_t listener_save_due(const struct listener *listener) {
    uint64_t due = listener->paused_unsaved ? 0 : DUE_NEVER;
    for (uint32_t i = 0; i < listener->contact_end; i++)
        if (listener->contacts[i].save_us < due) due = listener->contacts[i].save_us;
    return due;
}

void listener_show(struct listener *listener, const struct contact *contact) {
    const struct contact_known *known = &contact->known;
    struct contact_shown shown = {.used = contact->used,
                                  .live = contact->live,
                                  .before = contact->before,
                                  .contact = {.paused = known->paused,
                                              .seen_ms = known->seen_ms,
                                              .sessions = known->sessions,
                                              .failures = known->failures,
                                              .rows_in = known->rows_in,
                                              .rows_out = known->rows_out,
                                              .bytes_in = known->bytes_in,
                                              .bytes_out = known->bytes_out,
                                              .address_count = known->address_count}};
    struct weft_contact *out = &shown.contact;
    out->state = contact->live >= 0   ? WEFT_PEER_LIVE
                 : contact->slot >= 0 ? WEFT_PEER_DIALLING
                 : contact->used && known->address_count > 0 && !known->paused && !listener->paused
                     ? WEFT_PEER_PAUSING
                     : WEFT_PEER_VACANT;
    if (listener->settings->sheets == NULL) return;
    if (known->named) memcpy(out->device, known->device.bytes, WEFT_ID_SIZE);
    memcpy(out->addresses, known->addresses, known->address_count * sizeof out->addresses[0]);
    sheet_write(&listener->settings->sheets[contact - listener->contacts], &shown, sizeof shown);
}

/* ---- orders of the host ---- */

/* Takes "address" or "address#device" apart; the façade has looked at its form. True: whose it is
 * is said. */
static bool read_target(const char *text, char address[WEFT_ADDRESS_MAX], struct id *device) {
    const char *mark = strchr(text, '#');
    const size_t size = mark == NULL ? strlen(text) : (size_t)(mark - text);
    CHECK(size < WEFT_ADDRESS_MAX);
    memcpy(address, text, size);
    address[size] = 0;
    return mark != NULL && id_parse(mark + 1, device);
}

void listener_connect(struct listener *listener, struct instant now, const Weft__Connect *order,
                      struct outbox *out) {
    char address[WEFT_ADDRESS_MAX];
    struct id device;
    const bool named = read_target(order->address, address, &device);
    struct contact *had = owner_of(listener, address);
    struct contact *contact = had;
    if (named) contact = listener_contact_add(listener, now, &device);
    if (contact == NULL) contact = add(listener, now);
    if (contact == NULL) {
        listener_notice(out, WEFT_EVENT_FAULT, NULL, 0, WEFT_LIMIT,
                        "as many devices and addresses are known as may be; forget some");
        return;
    }
    if (had != NULL && had != contact) take_away(listener, now, had, address);
    if (had != contact) listener_save(contact, now, true);
    contact->next = listener_address_add(contact, address, false);
    contact->quiet[contact->next] = false;
    contact->tried = (struct id){0};
    if (contact->live >= 0) /* It may be there no more. */
        listener_rule((uint32_t)contact->live, listener->slots[contact->live].session, RULING_PROVE,
                      out);
    listener_dial_now(listener, now, contact);
    listener_show(listener, contact);
}

void listener_disconnect(struct listener *listener, struct instant now,
                         const Weft__Disconnect *order) {
    char address[WEFT_ADDRESS_MAX];
    struct id device;
    const bool named = read_target(order->address, address, &device);
    struct contact *contact = owner_of(listener, address);
    if (contact == NULL) return;
    if (named && !(contact->known.named && id_equal(&contact->known.device, &device))) return;
    take_away(listener, now, contact, address);
}

static void end_paused(struct listener *listener, const struct contact *contact,
                       struct outbox *out) {
    if (contact->live < 0) return;
    const struct slot *slot = &listener->slots[contact->live];
    listener_rule((uint32_t)contact->live, slot->session, RULING_PAUSED, out);
}

void listener_pausing(struct listener *listener, struct instant now, const Weft__Pausing *order,
                      struct outbox *out) {
    struct id device;
    struct contact *only = NULL;
    if (id_read(&device, order->device.data, order->device.len)) {
        only = listener_contact_add(listener, now, &device);
        if (only == NULL) return;
        if (only->known.paused != order->paused) listener_save(only, now, true);
        only->known.paused = order->paused;
    } else {
        listener->paused_unsaved = true;
        listener->paused = order->paused;
    }
    for (uint32_t i = 0; i < listener->contact_end; i++) {
        struct contact *contact = &listener->contacts[i];
        if (!contact->used || (only != NULL && contact != only)) continue;
        if (order->paused) {
            end_paused(listener, contact, out);
        } else {
            listener_dial_now(listener, now, contact);
        }
        listener_show(listener, contact);
    }
}

bool listener_paused(struct listener *listener, const struct id *device) {
    const struct contact *contact = listener_contact(listener, device);
    return listener->paused || (contact != NULL && contact->known.paused);
}

void listener_join(struct listener *listener, struct instant now, const Weft__Join *join) {
    struct handshake_target *introducer = &listener->introducer;
    CHECK(join->id_pk.len == IDENTITY_KEY && join->x_pk.len == IDENTITY_KEY);
    CHECK(join->psk.len == LIBRARY_KEY);
    introducer->mode = HANDSHAKE_INVITE;
    memcpy(introducer->device.id_pk, join->id_pk.data, IDENTITY_KEY);
    memcpy(introducer->device.x_pk, join->x_pk.data, IDENTITY_KEY);
    memcpy(introducer->psk, join->psk.data, LIBRARY_KEY);
    listener->joining = true;
    const struct id device = identity_device(introducer->device.id_pk);
    struct contact *contact = listener_contact_add(listener, now, &device);
    if (contact == NULL) return;
    contact->invite = true;
    for (size_t i = 0; i < join->n_addresses; i++) {
        const size_t size = strlen(join->addresses[i]);
        if (size == 0 || size >= WEFT_ADDRESS_MAX) continue;
        struct contact *had = owner_of(listener, join->addresses[i]);
        if (had != NULL && had != contact) take_away(listener, now, had, join->addresses[i]);
        const uint32_t at = listener_address_add(contact, join->addresses[i], false);
        contact->quiet[at] = false;
    }
    listener_save(contact, now, true);
    listener_dial_now(listener, now, contact);
    listener_show(listener, contact);
}

/* ---- sessions that have ended ---- */

void listener_session(struct listener *listener, struct instant now, struct mail **in,
                      struct outbox *out) {
    const Weft__Session *session = (*in)->body.session;
    struct id device;
    CHECK(id_read(&device, session->device.data, session->device.len));
    struct contact *contact = listener_contact(listener, &device);
    if (contact != NULL) {
        struct contact_known *known = &contact->known;
        known->rows_in += session->rows_in;
        known->rows_out += session->rows_out;
        known->bytes_in += session->bytes_in;
        known->bytes_out += session->bytes_out;
        known->seen_ms = now.wall_ms;
        listener_save(contact, now, false);
        listener_show(listener, contact);
    }
    outbox_send(out, ACTOR_CLOCK, in);
}
