/* The log's own records about members: who comes in, who goes, and the library's keys.
 *
 *   add    ─► ADD, and the current key sealed to the newcomer
 *   remove ─► REMOVE with what was accepted of the device, and a new key sealed to all who stay
 *   a removal of others that leaves something unsaid (docs/decisions/008-removal.md) ─► REMOVE
 *   silent for long ─► AWAY; others say so of this device ─► BACK
 *
 * Invariant: a record of this device is written only while it is a member, in a transaction of its
 * own, chained to its head. */
#include <sodium.h>

#include "actors/log_private.h"

enum weft_status log_append_own(struct log *log, struct bytes ops, uint64_t hlc,
                                struct arena *arena, struct weft_error *why) {
    struct record_origin origin = {log->settings->device, log->settings->incarnation};
    const struct shared_head *head = log_head(log, &origin);
    struct bytes bytes;
    struct record record = {.origin = origin, .seq = 1, .hlc = hlc, .ops = ops};
    if (head != NULL) {
        record.seq = head->seq + 1;
        memcpy(record.prev, head->hash, sizeof record.prev);
    }
    enum weft_status status = record_write(log->settings->identity, &record, arena, &bytes, why);
    if (status == WEFT_OK) status = log_append_record(log, &record, bytes, why);
    if (status == WEFT_OK && hlc > log->group_stamp) log->group_stamp = hlc;
    return status;
}

/* ---- keys ---- */

static void seal_to(struct log *log, const uint8_t key[LIBRARY_KEY],
                    const struct roster_member *member, uint8_t *box) {
    uint8_t ephemeral[32];
    log->settings->entropy.fill(log->settings->entropy.self, ephemeral, sizeof ephemeral);
    memcpy(box, member->device.bytes, WEFT_ID_SIZE);
    identity_seal(key, member->public.x_pk, ephemeral, box + WEFT_ID_SIZE);
    sodium_memzero(ephemeral, sizeof ephemeral);
}

static int compare_boxes(const void *a, const void *b) {
    return memcmp(a, b, WEFT_ID_SIZE);
}

/* Adds a key, sealed to everybody who is a member and is not `without`. None after the last number:
 * a member that lies may have used it up, and the keys there are go on being good. */
static void add_fresh_key(struct log *log, const struct id *without, struct record_ops *ops) {
    const struct roster_key *current = roster_current(&log->roster);
    uint8_t boxes[LIMIT_ROSTER][WEFT_ID_SIZE + LIBRARY_KEY_SEALED];
    uint8_t key[LIBRARY_KEY];
    struct record_key op = {.epoch = current == NULL ? 1 : current->epoch + 1};
    if (op.epoch == 0) return;
    log->settings->entropy.fill(log->settings->entropy.self, key, sizeof key);
    identity_psk_id(&log->settings->library, key, op.psk_id);
    for (uint32_t i = 0; i < log->roster.count; i++) {
        const struct roster_member *member = &log->roster.members[i];
        if (!roster_has(&log->roster, &member->device)) continue;
        if (id_equal(&member->device, without)) continue;
        seal_to(log, key, member, boxes[op.count++]);
    }
    qsort(boxes, op.count, sizeof boxes[0], compare_boxes);
    op.boxes = (struct bytes){boxes[0], op.count * sizeof boxes[0]};
    record_ops_key(ops, &op);
    sodium_memzero(key, sizeof key);
}

/* Adds every key that this device has, sealed to a newcomer: with the older ones it reaches members
 * who have not heard of the newest. */
static void add_known_keys(struct log *log, const struct roster_member *newcomer,
                           struct record_ops *ops) {
    for (uint32_t i = 0; i < log->roster.key_count; i++) {
        const struct roster_key *key = &log->roster.keys[i];
        uint8_t box[WEFT_ID_SIZE + LIBRARY_KEY_SEALED];
        struct record_key op = {.epoch = key->epoch, .count = 1, .boxes = {box, sizeof box}};
        memcpy(op.psk_id, key->psk_id, sizeof op.psk_id);
        seal_to(log, key->key, newcomer, box);
        record_ops_key(ops, &op);
    }
}

/* ---- removals ---- */

/* What this device holds of another, by increasing incarnation. */
static uint32_t heads_of(const struct log *log, const struct id *device,
                         struct record_pin pins[LIMIT_ORIGINS]) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct shared_head *head = &log->heads[i];
        if (!id_equal(&head->origin.device, device) || head->seq == 0) continue;
        struct record_pin pin = {.incarnation = head->origin.incarnation, .seq = head->seq};
        memcpy(pin.hash, head->hash, sizeof pin.hash);
        uint32_t at = count++;
        while (at > 0 && pins[at - 1].incarnation > pin.incarnation) {
            pins[at] = pins[at - 1];
            at--;
        }
        pins[at] = pin;
    }
    return count;
}

static bool was_refused(const struct log_unsaid *unsaid, const struct id *device) {
    for (uint32_t i = 0; i < unsaid->refused_count; i++) {
        if (id_equal(&unsaid->refused[i], device)) return true;
    }
    return false;
}

/* Adds what is to be said of removed devices; false without memory. */
static bool add_removals(const struct log *log, const struct log_unsaid *unsaid,
                         struct record_ops *ops, uint32_t *said) {
    struct record_pin *pins = arena_take(ops->arena, LIMIT_ORIGINS * sizeof *pins);
    for (uint32_t i = 0; pins != NULL && i < log->roster.count; i++) {
        const struct id *device = &log->roster.members[i].device;
        struct record_remove remove;
        if (!log->roster.members[i].removed) continue;
        uint32_t count = heads_of(log, device, pins);
        if (!roster_must_say(&log->roster, device, pins, count, was_refused(unsaid, device),
                             &remove)) {
            continue;
        }
        record_ops_remove(ops, &remove);
        ++*said;
    }
    return pins != NULL;
}

/* ---- keys that somebody was not given ---- */

static void note_lacking(const struct log *log, const struct record_key *key,
                         struct log_unsaid *unsaid) {
    for (uint32_t i = 0; i < log->roster.count && unsaid->key_count < LIMIT_ROSTER; i++) {
        const struct roster_member *member = &log->roster.members[i];
        if (!id_equal(&member->added_by, &log->settings->device)) continue;
        if (id_equal(&member->device, &log->settings->device)) continue;
        if (member->removed || record_key_box(key, &member->device) != NULL) continue;
        unsaid->keys[unsaid->key_count].device = member->device;
        memcpy(unsaid->keys[unsaid->key_count++].psk_id, key->psk_id, LIBRARY_KEY_ID);
    }
}

void log_note_keys(const struct log *log, const struct record *record, struct log_unsaid *unsaid) {
    struct record_op op;
    struct record_key key;
    for (size_t at = 0; record_next(record, &at, &op);) {
        if (op.kind != RECORD_OP_KEY || !record_read_key(op.body, &key)) continue;
        /* Once: of a key that was known, whoever made it known has said it. */
        if (record_key_box(&key, &log->settings->device) == NULL) continue;
        if (roster_key_named(&log->roster, key.psk_id) == NULL) note_lacking(log, &key, unsaid);
    }
}

static void add_lacking(struct log *log, const struct log_unsaid *unsaid, struct record_ops *ops,
                        uint32_t *said) {
    for (uint32_t i = 0; i < unsaid->key_count; i++) {
        const struct roster_key *key = roster_key_named(&log->roster, unsaid->keys[i].psk_id);
        const struct roster_member *member = roster_find(&log->roster, &unsaid->keys[i].device);
        uint8_t box[WEFT_ID_SIZE + LIBRARY_KEY_SEALED];
        struct record_key op = {.count = 1, .boxes = {box, sizeof box}};
        if (key == NULL || member == NULL || member->removed) continue;
        op.epoch = key->epoch;
        memcpy(op.psk_id, key->psk_id, sizeof op.psk_id);
        seal_to(log, key->key, member, box);
        record_ops_key(ops, &op);
        ++*said;
    }
}

/* Others think that this device is away. */
static void add_back(const struct log *log, struct record_ops *ops, uint32_t *said) {
    const struct id *self = &log->settings->device;
    if (!roster_away(&log->roster, self)) return;
    record_ops_back(ops, roster_find(&log->roster, self)->away_hlc);
    ++*said;
}

enum weft_status log_say_members(struct log *log, const struct log_unsaid *unsaid, uint64_t hlc,
                                 struct weft_error *why) {
    struct record_ops ops;
    struct arena arena;
    struct bytes bytes = {0};
    uint32_t said = 0;
    if (!roster_has(&log->roster, &log->settings->device)) return WEFT_OK;
    arena_init(&arena, log->pool);
    record_ops_begin(&ops, &arena);
    bool room = add_removals(log, unsaid, &ops, &said);
    add_lacking(log, unsaid, &ops, &said);
    add_back(log, &ops, &said);
    enum weft_status status = room ? record_ops_end(&ops, &bytes) : WEFT_NO_MEMORY;
    if (status != WEFT_OK) (void)status_fail(why, status, 0, "no room for a record about members");
    if (status == WEFT_OK && said != 0) status = log_append_own(log, bytes, hlc, &arena, why);
    arena_drop(&arena);
    return status;
}

/* ---- orders ---- */

/* The newcomer as the roster will have it; false when what is said of it cannot be. */
static bool read_newcomer(const struct log *log, const Weft__Govern *govern,
                          struct roster_member *out, struct record_add *add) {
    *out = (struct roster_member){.incarnation = govern->incarnation};
    size_t name = strnlen(govern->name, RECORD_NAME);
    if (govern->id_pk.len != IDENTITY_KEY || govern->x_pk.len != IDENTITY_KEY) return false;
    if (govern->cert.len != IDENTITY_CERT || govern->incarnation > INT64_MAX) return false;
    memcpy(out->public.id_pk, govern->id_pk.data, IDENTITY_KEY);
    memcpy(out->public.x_pk, govern->x_pk.data, IDENTITY_KEY);
    memcpy(out->cert, govern->cert.data, IDENTITY_CERT);
    out->device = identity_device(out->public.id_pk);
    *add = (struct record_add){.device = out->public, .incarnation = out->incarnation};
    memcpy(add->cert, out->cert, IDENTITY_CERT);
    add->name = (struct bytes){(const uint8_t *)govern->name, name};
    return identity_certified(out->cert, &log->settings->library, &out->public, out->incarnation);
}

static enum weft_status write_add(struct log *log, const Weft__Govern *govern,
                                  struct record_ops *ops, bool *nothing, struct weft_error *why) {
    struct roster_member newcomer;
    struct record_add add;
    if (!read_newcomer(log, govern, &newcomer, &add)) {
        return status_fail(why, WEFT_DENIED, 0, "a device to be added is not certified");
    }
    const struct roster_member *known = roster_find(&log->roster, &newcomer.device);
    if (known != NULL && known->removed) {
        return status_fail(why, WEFT_DENIED, 0,
                           "the device was removed from this library; it can only come back with "
                           "a new identity: let it open a new library file, without its key file");
    }
    *nothing = roster_has(&log->roster, &newcomer.device);
    if (*nothing) return WEFT_OK;
    if (log->roster.count == LIMIT_ROSTER) {
        return status_fail(why, WEFT_LIMIT, 0, "a library knows at most %u devices", LIMIT_ROSTER);
    }
    record_ops_add(ops, &add);
    add_known_keys(log, &newcomer, ops);
    return WEFT_OK;
}

static enum weft_status write_remove(struct log *log, const Weft__Govern *govern,
                                     struct arena *arena, struct record_ops *ops, bool *nothing,
                                     struct weft_error *why) {
    struct id device;
    struct record_remove remove;
    struct record_pin *pins = arena_take(arena, LIMIT_ORIGINS * sizeof *pins);
    CHECK(id_read(&device, govern->device.data, govern->device.len));
    if (pins == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a removal");
    const struct roster_member *known = roster_find(&log->roster, &device);
    if (known == NULL) {
        return status_fail(why, WEFT_NOT_FOUND, 0, "no such device is or was a member");
    }
    *nothing = known->removed;
    if (*nothing) return WEFT_OK;
    roster_pin(&device, pins, heads_of(log, &device, pins), &remove);
    record_ops_remove(ops, &remove);
    add_fresh_key(log, &device, ops);
    return WEFT_OK;
}

/* A member is silent for long: nothing is to wait for it any more. False when that cannot be said:
 * an AWAY before had the last stamp there is. */
static bool say_away(const struct log *log, const struct id *device, uint64_t hlc,
                     struct record_ops *ops) {
    const struct roster_member *member = roster_find(&log->roster, device);
    struct record_away away = {*device, 0};
    CHECK(member != NULL);
    if (member->away_hlc >= INT64_MAX) return false;
    if (member->away_hlc >= hlc) away.hlc = member->away_hlc + 1;
    record_ops_away(ops, &away);
    return true;
}

static enum weft_status write_away(const struct log *log, struct instant now,
                                   const Weft__Govern *govern, struct record_ops *ops,
                                   bool *nothing) {
    struct id device;
    CHECK(id_read(&device, govern->device.data, govern->device.len));
    *nothing = true;
    for (uint32_t m = 0; m < log->member_count; m++) {
        /* It may have been heard of since it was asked for. */
        if (!id_equal(&log->members[m].device, &device) || !log_silent(log, now, m)) continue;
        *nothing = !say_away(log, &device, govern->hlc, ops);
    }
    return WEFT_OK;
}

static enum weft_status write_order(struct log *log, struct instant now, const Weft__Govern *govern,
                                    struct weft_error *why) {
    struct arena arena;
    struct record_ops ops;
    struct bytes bytes = {0};
    bool nothing = false;
    if (!roster_has(&log->roster, &log->settings->device)) {
        return status_fail(why, WEFT_DENIED, 0,
                           "this device is not a member of the library (yet, or any more)");
    }
    arena_init(&arena, log->pool);
    record_ops_begin(&ops, &arena);
    enum weft_status status = govern->away ? write_away(log, now, govern, &ops, &nothing)
                              : govern->remove
                                  ? write_remove(log, govern, &arena, &ops, &nothing, why)
                                  : write_add(log, govern, &ops, &nothing, why);
    if (status == WEFT_OK && !nothing) {
        status = record_ops_end(&ops, &bytes);
        if (status != WEFT_OK) (void)status_fail(why, status, 0, "no room for the record");
    }
    if (status == WEFT_OK && !nothing) {
        status = log_append_own(log, bytes, govern->hlc, &arena, why);
    }
    arena_drop(&arena);
    return status;
}

void log_govern(struct log *log, struct instant now, const Weft__Govern *govern,
                struct outbox *out) {
    struct weft_error why = {0};
    (void)log_flush(log, now, out);
    enum weft_status status = log_reload_shared(log, &why);
    if (status == WEFT_OK) status = log_begin(log, &why);
    if (status == WEFT_OK) {
        status = write_order(log, now, govern, &why);
        status = log_settle_shared(log, now, status, &why, out);
    }
    if (govern->ticket != 0) {
        log_answer(log, govern->ticket, status == WEFT_OK ? NULL : &why, out);
    } else if (status != WEFT_OK) {
        log_notice(log, WEFT_EVENT_FAULT, -1, 0, NULL, &why, out);
    }
}
