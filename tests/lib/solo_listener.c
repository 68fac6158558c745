/* See solo_listener.h. */
#include "tests/lib/solo_listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define LISTENING 1000u

/* ---- the port: a caller's handle, and its transfer number, are its number plus 1 ------------- */

static enum weft_status fake_listen(void *self, const char *address, struct net_watch *watch,
                                    net_handle *out, char *bound, struct weft_error *why) {
    struct solo_listener *stage = self;
    (void)watch, (void)why;
    memcpy(bound, address, strlen(address) + 1);
    *out = LISTENING + stage->listening++;
    return WEFT_OK;
}

static enum weft_status fake_accept(void *self, net_handle listener, int64_t *transfer,
                                    struct weft_error *why) {
    struct solo_listener *stage = self;
    (void)listener, (void)why;
    for (uint32_t i = 0; i < stage->caller_count; i++) {
        if (stage->callers[i].accepted) continue;
        stage->callers[i].accepted = true;
        *transfer = (int64_t)i + 1;
        return WEFT_OK;
    }
    return WEFT_BUSY;
}

static struct solo_caller *caller_of(struct solo_listener *stage, net_handle link) {
    assert_in_range(link, 1, stage->caller_count);
    struct solo_caller *caller = &stage->callers[link - 1];
    assert_false(caller->released || caller->closed);
    return caller;
}

static void fake_discard(void *self, int64_t transfer) {
    struct solo_listener *stage = self;
    caller_of(stage, (net_handle)transfer)->closed = true;
    stage->discarded++;
}

static enum weft_status fake_adopt(void *self, int64_t transfer, struct net_watch *watch,
                                   net_handle *out, struct weft_error *why) {
    (void)watch, (void)why;
    (void)caller_of(self, (net_handle)transfer);
    *out = (net_handle)transfer;
    return WEFT_OK;
}

static enum weft_status fake_release(void *self, net_handle link, int64_t *transfer,
                                     struct weft_error *why) {
    (void)why;
    caller_of(self, link)->released = true;
    *transfer = (int64_t)link;
    return WEFT_OK;
}

static void fake_origin(void *self, net_handle link, char out[WEFT_ADDRESS_MAX]) {
    const struct solo_caller *caller = caller_of(self, link);
    memcpy(out, caller->origin, sizeof caller->origin);
}

static enum weft_status fake_read(void *self, net_handle link, void *out, size_t size, size_t *got,
                                  struct weft_error *why) {
    struct solo_caller *caller = caller_of(self, link);
    (void)why;
    const size_t left = caller->size - caller->taken;
    if (left == 0) return caller->hung_up ? WEFT_CLOSED : WEFT_BUSY;
    *got = size < left ? size : left;
    memcpy(out, caller->bytes + caller->taken, *got);
    caller->taken += *got;
    assert_in_range(caller->taken, 1, HANDSHAKE_M1); /* No more is read of anybody. */
    return WEFT_OK;
}

/* Nobody hears a byte from the listener. */
static enum weft_status fake_write(void *self, net_handle link, const void *data, size_t size,
                                   size_t *sent, struct weft_error *why) {
    (void)self, (void)link, (void)data, (void)size, (void)sent, (void)why;
    fail_msg("the listener writes");
    return WEFT_NET;
}

static void fake_close(void *self, net_handle handle) {
    struct solo_listener *stage = self;
    if (handle >= LISTENING) {
        stage->closed_listening++;
    } else {
        caller_of(stage, handle)->closed = true;
    }
}

static const struct net_ops fake_ops = {.listen = fake_listen,
                                        .accept = fake_accept,
                                        .discard = fake_discard,
                                        .adopt = fake_adopt,
                                        .release = fake_release,
                                        .origin = fake_origin,
                                        .read = fake_read,
                                        .write = fake_write,
                                        .close = fake_close};

/* ---- the stage ------------------------------------------------------------------------------- */

static int by_device(const void *a, const void *b) {
    return id_compare(&((const struct identity *)a)->device, &((const struct identity *)b)->device);
}

static void draw(struct solo_listener *stage) {
    uint8_t secret[IDENTITY_SECRET];
    memset(&stage->library, 0x99, sizeof stage->library);
    for (uint8_t n = 0; n < SOLO_LISTENER_DEVICES; n++) {
        memset(secret, n + 1, sizeof secret);
        identity_make(&stage->devices[n], secret, &stage->library, 7);
    }
    qsort(stage->devices, SOLO_LISTENER_DEVICES, sizeof stage->devices[0], by_device);
    for (uint8_t k = 0; k < SOLO_LISTENER_KEYS; k++)
        memset(stage->keys[k], 0x50 + k, LIBRARY_KEY);
    memset(stage->invite, 0x70, sizeof stage->invite);
    stage->key_count = 1;
}

static void fill(void *self, void *out, size_t size) {
    (void)self;
    memset(out, 0x33, size);
}

static void tell_listen(struct solo_listener *stage) {
    Weft__Listen *listen = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(LISTEN), &listen);
    listen->request = 5;
    listen->address = mail_text(mail, "127.0.0.1:7000");
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

int solo_listener_setup(void **state) {
    struct solo_listener *stage = calloc(1, sizeof *stage);
    if (stage == NULL || !solo_make(&stage->solo, ACTOR_LISTENER)) return 1;
    draw(stage);
    struct settings *settings = &stage->solo.settings;
    settings->identity = &stage->devices[SOLO_SELF];
    settings->device = settings->identity->device;
    settings->incarnation = settings->identity->incarnation;
    settings->library = stage->library;
    settings->entropy = (struct entropy_port){.self = stage, .fill = fill};
    struct actor *actor = &stage->solo.topology->actors[ACTOR_LISTENER];
    actor->seed.net = (struct net_port){.self = stage, .ops = &fake_ops};
    if (actor_start(actor, NULL) != WEFT_OK) return 1;
    tell_listen(stage);
    *state = stage;
    return 0;
}

static void drain(struct solo_listener *stage);

int solo_listener_teardown(void **state) {
    struct solo_listener *stage = *state;
    drain(stage);
    for (uint32_t i = 0; i <= LIMIT_CONTACTS; i++)
        mail_drop(&stage->contacts[i]);
    for (uint32_t i = 0; i < stage->decision_count; i++)
        mail_drop(&stage->decisions[i]);
    bool clean = solo_close(&stage->solo);
    clean = clean && stage->closed_listening == stage->listening;
    for (uint32_t i = 0; i < stage->caller_count; i++) {
        const struct solo_caller *caller = &stage->callers[i];
        clean = clean && (!caller->accepted || caller->closed != caller->released);
    }
    free(stage);
    return !clean;
}

void solo_listener_roster(struct solo_listener *stage, uint32_t members) {
    struct mail *asked = solo_take(&stage->solo, ACTOR_LOG, MAIL(ROSTER_WANTED));
    assert_non_null(asked);
    assert_int_equal(asked->body.roster_wanted->version, stage->version);
    mail_drop(&asked);
    Weft__Roster *roster = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(ROSTER), &roster);
    mail->secret = true;
    roster->version = ++stage->version;
    roster->members = (Weft__RosterMember **)mail_messages(mail, &weft__roster_member__descriptor,
                                                           SOLO_LISTENER_DEVICES);
    roster->n_keys = stage->key_count;
    roster->keys =
        (Weft__RosterKey **)mail_messages(mail, &weft__roster_key__descriptor, stage->key_count);
    stage->ever |= members;
    roster->n_members = 0;
    for (uint32_t n = 0; n < SOLO_LISTENER_DEVICES; n++) {
        const struct identity *device = &stage->devices[n];
        if ((stage->ever & SOLO_ONLY(n)) == 0) continue;
        Weft__RosterMember *member = roster->members[roster->n_members++];
        assert_true(mail_bytes(mail, &member->device, device->device.bytes, WEFT_ID_SIZE));
        assert_true(mail_bytes(mail, &member->id_pk, device->public.id_pk, IDENTITY_KEY));
        assert_true(mail_bytes(mail, &member->x_pk, device->public.x_pk, IDENTITY_KEY));
        member->removed = (members & SOLO_ONLY(n)) == 0;
    }
    for (uint32_t k = 0; k < stage->key_count; k++) {
        uint8_t psk_id[LIBRARY_KEY_ID];
        identity_psk_id(&stage->library, stage->keys[k], psk_id);
        roster->keys[k]->epoch = k + 1;
        assert_true(mail_bytes(mail, &roster->keys[k]->psk_id, psk_id, sizeof psk_id));
        assert_true(mail_bytes(mail, &roster->keys[k]->key, stage->keys[k], LIBRARY_KEY));
    }
    solo_tell(&stage->solo, ACTOR_LOG, mail);
}

/* ---- who calls ------------------------------------------------------------------------------- */

void solo_listener_m1(struct solo_listener *stage, uint32_t from, enum handshake_mode mode,
                      const uint8_t psk[LIBRARY_KEY], uint8_t m1[HANDSHAKE_M1]) {
    const struct handshake_self self = {
        .identity = &stage->devices[from], .ver_min = 1, .ver_max = 1};
    struct handshake_target target = {.mode = mode, .device = stage->devices[SOLO_SELF].public};
    struct handshake handshake = {0};
    uint8_t ephemeral[32];
    memcpy(target.psk, psk, LIBRARY_KEY);
    memset(ephemeral, ++stage->ephemerals, sizeof ephemeral);
    assert_int_equal(handshake_dial(&handshake, &self, &target, ephemeral, m1, NULL), WEFT_OK);
}

static void port_tells(struct solo_listener *stage) {
    stage->solo.topology->actors[ACTOR_LISTENER].watch.ready = true;
    solo_turn(&stage->solo);
}

uint32_t solo_listener_call(struct solo_listener *stage, const char *origin, const void *bytes,
                            size_t size) {
    assert_true(stage->caller_count < SOLO_LISTENER_CALLERS);
    struct solo_caller *caller = &stage->callers[stage->caller_count++];
    assert_true(size <= sizeof caller->bytes);
    *caller = (struct solo_caller){.size = size};
    snprintf(caller->origin, sizeof caller->origin, "%s", origin);
    if (size > 0) memcpy(caller->bytes, bytes, size);
    port_tells(stage);
    return stage->caller_count - 1;
}

uint32_t solo_listener_member(struct solo_listener *stage, uint32_t from, const char *origin) {
    uint8_t m1[HANDSHAKE_M1];
    solo_listener_m1(stage, from, HANDSHAKE_MEMBER, stage->keys[stage->key_count - 1], m1);
    return solo_listener_call(stage, origin, m1, sizeof m1);
}

uint32_t solo_listener_guest(struct solo_listener *stage, uint32_t from, const char *origin) {
    uint8_t m1[HANDSHAKE_M1];
    solo_listener_m1(stage, from, HANDSHAKE_INVITE, stage->invite, m1);
    return solo_listener_call(stage, origin, m1, sizeof m1);
}

void solo_listener_more(struct solo_listener *stage, uint32_t at, const void *bytes, size_t size) {
    struct solo_caller *caller = &stage->callers[at];
    assert_true(caller->size + size <= sizeof caller->bytes);
    memcpy(caller->bytes + caller->size, bytes, size);
    caller->size += size;
    port_tells(stage);
}

/* What goes to the clock: contacts are kept by number, sessions are counted, decisions wait until
 * somebody asks for them. */
static void drain(struct solo_listener *stage) {
    struct mail *mail = NULL;
    while ((mail = solo_take(&stage->solo, ACTOR_CLOCK, MAIL(CONTACT))) != NULL) {
        if (mail->body.body_case == MAIL(CONTACT)) {
            const uint32_t number = mail->body.contact->number;
            assert_in_range(number, 0, LIMIT_CONTACTS);
            mail_drop(&stage->contacts[number]);
            stage->contacts[number] = mail;
        } else if (mail->body.body_case == MAIL(GOVERN)) {
            assert_in_range(stage->decision_count, 0, SOLO_LISTENER_DECISIONS - 1);
            stage->decisions[stage->decision_count++] = mail;
        } else {
            stage->sessions++;
            mail_drop(&mail);
        }
    }
}

static struct mail *decision(struct solo_listener *stage) {
    if (stage->decision_count == 0) return NULL;
    struct mail *first = stage->decisions[0];
    stage->decision_count--;
    memmove((void *)stage->decisions, (void *)(stage->decisions + 1),
            stage->decision_count * sizeof stage->decisions[0]);
    return first;
}

struct mail *solo_listener_told(struct solo_listener *stage, uint32_t to,
                                Weft__Mail__BodyCase kind) {
    drain(stage);
    if (to == ACTOR_CLOCK && kind == MAIL(GOVERN)) return decision(stage);
    for (;;) {
        struct mail *mail = solo_take(&stage->solo, to, kind);
        if (mail == NULL || mail->body.body_case == kind) return mail;
        mail_drop(&mail);
    }
}

const Weft__Contact *solo_listener_saved(struct solo_listener *stage, int device) {
    drain(stage);
    for (uint32_t i = 0; i < LIMIT_CONTACTS; i++) {
        if (stage->contacts[i] == NULL) continue;
        const Weft__Contact *contact = stage->contacts[i]->body.contact;
        if (contact->gone || (contact->device.len == 0) != (device < 0)) continue;
        if (device < 0 ||
            memcmp(contact->device.data, stage->devices[device].device.bytes, WEFT_ID_SIZE) == 0)
            return contact;
    }
    return NULL;
}

bool solo_listener_let_in(struct solo_listener *stage, uint32_t peer, struct handshake *out) {
    struct mail *mail = solo_listener_told(stage, ACTOR_PEER + peer, MAIL(ACCEPTED));
    if (mail == NULL) return false;
    const Weft__Accepted *accepted = mail->body.accepted;
    struct handshake read;
    assert_true(mail->secret);
    assert_int_equal(accepted->handshake.len, HANDSHAKE_PACKED);
    handshake_unpack(accepted->handshake.data, &read);
    assert_int_equal(read.state, HANDSHAKE_READ);
    assert_in_range(accepted->handle, 1, stage->caller_count);
    assert_true(stage->callers[accepted->handle - 1].released);
    if (out != NULL) *out = read;
    mail_drop(&mail);
    return true;
}

bool solo_listener_turned_away(const struct solo_listener *stage, uint32_t caller) {
    return stage->callers[caller].accepted && stage->callers[caller].closed;
}

void solo_listener_fill(struct solo_listener *stage) {
    (void)solo_listener_member(stage, SOLO_LOWER, "192.0.2.1");
    assert_true(solo_listener_let_in(stage, 0, NULL));
    (void)solo_listener_member(stage, SOLO_HIGHER, "192.0.2.2");
    assert_true(solo_listener_let_in(stage, 1, NULL));
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void claim(struct solo_listener *stage, uint32_t peer, uint32_t n, bool dialled,
                  bool invite) {
    const struct identity *device = &stage->devices[n];
    Weft__Claim *message = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(CLAIM), &message);
    message->peer = peer;
    message->session = 1;
    message->dialled = dialled;
    message->invite = invite;
    message->incarnation = device->incarnation;
    message->code = 123456;
    message->name = mail_text(mail, "a guest");
    assert_true(mail_bytes(mail, &message->device, device->device.bytes, WEFT_ID_SIZE));
    assert_true(mail_bytes(mail, &message->id_pk, device->public.id_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &message->x_pk, device->public.x_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &message->cert, device->cert, IDENTITY_CERT));
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
}

void solo_listener_claim(struct solo_listener *stage, uint32_t peer, uint32_t device,
                         bool dialled) {
    claim(stage, peer, device, dialled, false);
}

void solo_listener_claim_invite(struct solo_listener *stage, uint32_t peer, uint32_t device,
                                bool dialled) {
    claim(stage, peer, device, dialled, true);
}

char solo_listener_ruling(struct solo_listener *stage, uint32_t peer) {
    struct mail *mail = solo_listener_told(stage, ACTOR_PEER + peer, MAIL(RULING));
    if (mail == NULL) return '-';
    const Weft__Ruling *ruling = mail->body.ruling;
    assert_int_equal(ruling->session, 1);
    char verdict = ruling->stands                 ? 's'
                   : ruling->end && !ruling->gone ? 'r'
                   : ruling->end                  ? 'x'
                   : ruling->prove                ? 'p'
                   : ruling->gone                 ? 'g'
                                                  : 'e';
    mail_drop(&mail);
    return verdict;
}

void solo_listener_vacate(struct solo_listener *stage, uint32_t peer, enum weft_status status) {
    drain(stage);
    Weft__Vacated *vacated = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(VACATED), &vacated);
    vacated->peer = peer;
    vacated->status = status;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
}

void solo_listener_miss(struct solo_listener *stage, uint32_t peer, enum weft_status status) {
    drain(stage);
    Weft__Vacated *vacated = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(VACATED), &vacated);
    vacated->peer = peer;
    vacated->status = status;
    vacated->missed = true;
    vacated->refused = status == WEFT_CLOSED;
    solo_tell(&stage->solo, ACTOR_PEER + peer, mail);
}

/* ---- the host -------------------------------------------------------------------------------- */

void solo_listener_connect(struct solo_listener *stage, const char *address, int device) {
    drain(stage);
    Weft__Connect *connect = NULL;
    char text[128], id[ID_TEXT_SIZE] = "";
    struct mail *mail = solo_mail(&stage->solo, MAIL(CONNECT), &connect);
    if (device >= 0) id_text(&stage->devices[device].device, id);
    snprintf(text, sizeof text, "%s%s%s", address, device >= 0 ? "#" : "", id);
    connect->address = mail_text(mail, text);
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

void solo_listener_invite(struct solo_listener *stage, uint32_t seconds, bool confirm) {
    Weft__Invite *invite = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(INVITE), &invite);
    invite->seconds = seconds;
    invite->confirm = confirm;
    assert_true(mail_bytes(mail, &invite->psk, stage->invite, LIBRARY_KEY));
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

void solo_listener_admit(struct solo_listener *stage, uint32_t device, bool yes) {
    Weft__Admit *admit = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(ADMIT), &admit);
    admit->yes = yes;
    assert_true(
        mail_bytes(mail, &admit->device, stage->devices[device].device.bytes, WEFT_ID_SIZE));
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

void solo_listener_wait(struct solo_listener *stage, uint64_t us) {
    drain(stage);
    stage->solo.now.mono_us += us;
    solo_turn(&stage->solo);
}

struct solo_dial solo_listener_dial(struct solo_listener *stage, uint32_t peer) {
    struct solo_dial out = {.device = -1, .key = -1};
    struct mail *mail = solo_listener_told(stage, ACTOR_PEER + peer, MAIL(DIAL));
    if (mail == NULL) return out;
    const Weft__Dial *dial = mail->body.dial;
    out = (struct solo_dial){
        .some = true, .quiet = dial->quiet, .invite = dial->invite, .device = -1, .key = -1};
    out.secret = mail->secret;
    snprintf(out.address, sizeof out.address, "%s", dial->address);
    for (int n = 0; n < (int)SOLO_LISTENER_DEVICES && dial->id_pk.len != 0; n++) {
        const struct identity_public *public = &stage->devices[n].public;
        if (memcmp(public->id_pk, dial->id_pk.data, IDENTITY_KEY) != 0) continue;
        assert_memory_equal(dial->x_pk.data, public->x_pk, IDENTITY_KEY);
        out.device = n;
    }
    for (int k = 0; k < (int)SOLO_LISTENER_KEYS && dial->psk.len != 0; k++) {
        if (memcmp(stage->keys[k], dial->psk.data, LIBRARY_KEY) == 0) out.key = k + 1;
    }
    if (dial->psk.len != 0 && memcmp(stage->invite, dial->psk.data, LIBRARY_KEY) == 0) out.key = 0;
    mail_drop(&mail);
    return out;
}
