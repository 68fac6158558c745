/* The host's side of membership: invites, coming in, saying yes, removing, listing.
 *
 *   weft_invite ─► secret ─► listener (who shows it may come in) and link (for whoever is to)
 *   weft_join   ─► link ─► engine with that invite ─► listener dials ─► ... ─► member
 *   weft_revoke ─► listener ─► clock ─► log ─► ticket
 *
 * Not here: who may come in (actors/listener), what the log makes of it (actors/log_govern). */
#include <sodium.h>
#include <stdio.h>

#include "engine/host.h"

#define INVITE_SECONDS 600u
#define INVITE_SECONDS_MAX 604800u /* a week */

/* ---- invites ---- */

/* An address that others can dial; false for one that means "all of this machine's". */
static bool leads_here(const char *address) {
    const char *scheme = strstr(address, "://");
    if (scheme != NULL) address = scheme + 3;
    return strncmp(address, "0.0.0.0:", 8) != 0 && strncmp(address, "[::]:", 5) != 0;
}

/* Caller holds the lock. */
static enum weft_status fill_addresses(struct weft_engine *engine, const char *given,
                                       struct invite_link *link, struct weft_error *why) {
    if (given != NULL) {
        enum weft_status status = host_check_address(engine, given, why);
        if (status != WEFT_OK) return status;
        memcpy(link->addresses[link->address_count++], given, strlen(given) + 1);
        return WEFT_OK;
    }
    for (uint32_t i = 0; i < engine->listened_count; i++) {
        if (link->address_count == INVITE_ADDRESSES || !leads_here(engine->listened[i])) continue;
        memcpy(link->addresses[link->address_count++], engine->listened[i], WEFT_ADDRESS_MAX);
    }
    if (link->address_count != 0) return WEFT_OK;
    return status_fail(why, WEFT_ADDRESS, 0,
                       "an invite says where this device can be reached, and it %s; call "
                       "weft_listen_wait() first, or give the address",
                       engine->listened_count == 0 ? "listens nowhere"
                                                   : "listens on every address it has");
}

/* Caller holds the lock. */
static enum weft_status send_invite(struct weft_engine *engine, const struct weft_invite *options,
                                    const struct invite_link *link, struct weft_error *why) {
    Weft__Invite *invite = NULL;
    uint8_t psk[LIBRARY_KEY];
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_INVITE, &invite);
    if (mail == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for an invite");
    mail->secret = true;
    invite_psk(&link->library, link->secret, psk);
    bool room = mail_bytes(mail, &invite->psk, psk, sizeof psk);
    sodium_memzero(psk, sizeof psk);
    invite->seconds = options->seconds != 0 ? options->seconds : INVITE_SECONDS;
    if (invite->seconds > INVITE_SECONDS_MAX) invite->seconds = INVITE_SECONDS_MAX;
    invite->confirm = options->confirm;
    if (room) return host_order(engine, mail, why);
    mail_drop(&mail);
    return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for an invite");
}

static bool is_member(const struct weft_engine *engine) {
    return atomic_load_explicit(&engine->board->self_state, memory_order_acquire) == BOARD_MEMBER;
}

enum weft_status weft_invite(weft_engine *engine, const struct weft_invite *options, char *link,
                             size_t room, struct weft_error *why) {
    static const struct weft_invite defaults = {0};
    const struct entropy_port *entropy = &engine->ports.entropy;
    struct invite_link invite = {.library = engine->settings.library,
                                 .inviter = engine->identity.public};
    CHECK(engine != NULL && link != NULL);
    if (options == NULL) options = &defaults;
    if (!is_member(engine)) {
        return status_fail(why, WEFT_DENIED, 0,
                           "only a member may invite others, and this device is none (yet, or any "
                           "more)");
    }
    entropy->fill(entropy->self, invite.secret, sizeof invite.secret);
    (void)pthread_mutex_lock(&engine->lock);
    enum weft_status status = fill_addresses(engine, options->address, &invite, why);
    if (status == WEFT_OK) status = invite_write(&invite, link, room, why);
    if (status == WEFT_OK) status = send_invite(engine, options, &invite, why);
    (void)pthread_mutex_unlock(&engine->lock);
    sodium_memzero(&invite, sizeof invite);
    return status;
}

enum weft_status weft_admit(weft_engine *engine, const uint8_t device[WEFT_ID_SIZE], bool yes) {
    CHECK(engine != NULL && device != NULL);
    Weft__Admit *admit = NULL;
    (void)pthread_mutex_lock(&engine->lock);
    enum weft_status status = WEFT_NO_MEMORY;
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_ADMIT, &admit);
    if (mail != NULL && mail_bytes(mail, &admit->device, device, WEFT_ID_SIZE)) {
        admit->yes = yes;
        status = host_order(engine, mail, NULL);
    } else {
        mail_drop(&mail);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return status;
}

/* ---- coming in ---- */

enum weft_status members_join(struct weft_engine *engine, struct weft_error *why) {
    const struct invite_link *link = &engine->invite;
    Weft__Join *join = NULL;
    uint8_t psk[LIBRARY_KEY];
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_JOIN, &join);
    bool room = mail != NULL;
    if (room) {
        mail->secret = true;
        invite_psk(&link->library, link->secret, psk);
        join->addresses = arena_take(&mail->arena, link->address_count * sizeof *join->addresses);
        room = join->addresses != NULL &&
               mail_bytes(mail, &join->id_pk, link->inviter.id_pk, IDENTITY_KEY) &&
               mail_bytes(mail, &join->x_pk, link->inviter.x_pk, IDENTITY_KEY) &&
               mail_bytes(mail, &join->psk, psk, sizeof psk);
        sodium_memzero(psk, sizeof psk);
    }
    for (uint32_t i = 0; room && i < link->address_count; i++) {
        char *address = mail_text(mail, link->addresses[i]);
        room = address != NULL;
        join->addresses[join->n_addresses++] = address;
    }
    if (!room) {
        mail_drop(&mail);
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory to come in by the invite");
    }
    (void)pthread_mutex_lock(&engine->lock);
    (void)host_order(engine, mail, NULL); /* The first order: there is room. */
    (void)pthread_mutex_unlock(&engine->lock);
    return WEFT_OK;
}

enum weft_status weft_join(const struct weft_config *config, const char *link, int timeout_ms,
                           weft_engine **out, struct weft_error *why) {
    CHECK(config != NULL && link != NULL && out != NULL);
    struct weft_config joining = *config;
    joining.invite = link;
    *out = NULL;
    if (config->threads == WEFT_THREADS_NONE) {
        return status_fail(why, WEFT_INVALID, 0,
                           "weft_join() waits, and nobody would step the engine meanwhile: open it "
                           "with config->invite instead");
    }
    enum weft_status status = weft_open(&joining, out, why);
    if (status != WEFT_OK) return status;
    weft_engine *engine = *out;
    struct deadline deadline = host_deadline(engine, timeout_ms);
    (void)pthread_mutex_lock(&engine->lock);
    host_joining(engine, true);
    (void)host_pump(engine);
    bool waits = true;
    while (status == WEFT_OK && waits && !is_member(engine)) {
        status = host_fault(engine, why);
        if (status == WEFT_OK && engine->turned_away >= engine->invite.address_count) {
            status = status_fail(why, WEFT_INVITE, 0,
                                 "nobody answers to the invite at %s: it has ended or was used, or "
                                 "the device that wrote it cannot be reached there; ask for "
                                 "another one",
                                 engine->invite.addresses[0]);
        }
        if (status == WEFT_OK) waits = host_sleep(engine, &deadline);
    }
    host_joining(engine, false);
    (void)pthread_mutex_unlock(&engine->lock);
    if (status == WEFT_OK && !is_member(engine)) {
        status = status_fail(why, WEFT_TIMEOUT, 0,
                             "this device did not become a member in %d ms; the invite may still "
                             "be used",
                             timeout_ms);
    }
    if (status == WEFT_OK) return WEFT_OK;
    weft_close(engine);
    *out = NULL;
    return status;
}

/* ---- removing ---- */

enum weft_status weft_revoke(weft_engine *engine, const uint8_t device[WEFT_ID_SIZE],
                             uint64_t *ticket) {
    CHECK(engine != NULL && device != NULL);
    Weft__Govern *govern = NULL;
    enum weft_status status = WEFT_NO_MEMORY;
    if (memcmp(device, engine->settings.device.bytes, WEFT_ID_SIZE) == 0) return WEFT_INVALID;
    (void)pthread_mutex_lock(&engine->lock);
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_GOVERN, &govern);
    if (mail != NULL && mail_bytes(mail, &govern->device, device, WEFT_ID_SIZE)) {
        govern->remove = true;
        govern->ticket = ticket_draw(engine);
        if (ticket != NULL) *ticket = govern->ticket;
        status = host_order(engine, mail, NULL);
        /* A number that nobody will answer is done with. */
        if (status != WEFT_OK) atomic_fetch_add(&engine->done_tickets, 1);
    } else {
        mail_drop(&mail);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return status;
}

/* ---- listing ---- */

void host_read_name(const _Atomic uint64_t from[8], char out[WEFT_NAME_MAX + 1]) {
    for (size_t k = 0; k < 8; k++)
        store_u64((uint8_t *)out + 8 * k, board_get(from[k]));
    out[WEFT_NAME_MAX] = 0;
}

unsigned weft_members(const weft_engine *engine, struct weft_member *out, unsigned cap) {
    CHECK(engine != NULL && (out != NULL || cap == 0));
    const struct board *board = engine->board;
    unsigned count = 0;
    uint32_t self = atomic_load_explicit(&board->self_state, memory_order_acquire);
    if (self != BOARD_HEARD && count++ < cap) {
        out[0] = (struct weft_member){.state = (enum weft_member_state)self, .self = true};
        memcpy(out[0].device, engine->settings.device.bytes, WEFT_ID_SIZE);
        host_read_name(board->self_name, out[0].name);
    }
    uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    for (uint32_t i = 0; i < seats; i++) {
        const struct board_seat *seat = &board->members[i];
        uint32_t state = atomic_load_explicit(&seat->state, memory_order_acquire);
        if (state == BOARD_HEARD || count++ >= cap) continue;
        struct weft_member *member = &out[count - 1];
        *member = (struct weft_member){.state = (enum weft_member_state)state,
                                       .away = board_get(seat->away) != 0};
        for (size_t k = 0; k < 2; k++)
            store_u64(member->device + 8 * k, board_get(seat->device[k]));
        host_read_name(seat->name, member->name);
    }
    return count;
}

unsigned weft_member_count(const weft_engine *engine) {
    CHECK(engine != NULL);
    const struct board *board = engine->board;
    unsigned count = is_member(engine) ? 1 : 0;
    uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    for (uint32_t i = 0; i < seats; i++) {
        if (atomic_load_explicit(&board->members[i].state, memory_order_acquire) == BOARD_MEMBER) {
            count++;
        }
    }
    return count;
}
