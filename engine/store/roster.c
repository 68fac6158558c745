/* The roster: what each membership op does to it.
 *
 * Invariants
 *   1. Every op joins: what two of them give does not depend on their order, and the same one twice
 *      gives what it gives once. Of ADDs the least (stamp, author, content) counts, of REMOVEs the
 *      least stamp and, for each incarnation, the greatest pin.
 *   2. A device that was added has the id of its key, and a certificate that held.
 *   3. A library key outlives neither its place in `keys` nor roster_close().
 * Not here: the chain of an origin (its heads are the log's), and who may be invited. */
#include "engine/store/roster.h"

#include <sodium.h>
#include <stdlib.h>

#include "engine/base/check.h"

enum weft_status roster_open(struct roster *roster, const struct identity *self) {
    CHECK(roster != NULL);
    CHECK(self != NULL);
    memset(roster, 0, sizeof *roster);
    roster->self = self;
    roster->version = 1;
    roster->members = calloc(LIMIT_ROSTER, sizeof *roster->members);
    return roster->members == NULL ? WEFT_NO_MEMORY : WEFT_OK;
}

void roster_close(struct roster *roster) {
    CHECK(roster != NULL);
    free(roster->members);
    sodium_memzero(roster, sizeof *roster);
}

/* ---- looking up ---- */

static struct roster_member *find(const struct roster *roster, const struct id *device) {
    for (uint32_t i = 0; i < roster->count; i++) {
        if (id_equal(&roster->members[i].device, device)) return &roster->members[i];
    }
    return NULL;
}

static bool added(const struct roster_member *member) {
    return !id_is_zero(&member->added_by);
}

const struct roster_member *roster_find(const struct roster *roster, const struct id *device) {
    CHECK(roster->count <= LIMIT_ROSTER);
    return find(roster, device);
}

bool roster_has(const struct roster *roster, const struct id *device) {
    const struct roster_member *member = roster_find(roster, device);
    return member != NULL && added(member) && !member->removed;
}

bool roster_away(const struct roster *roster, const struct id *device) {
    const struct roster_member *member = roster_find(roster, device);
    return member != NULL && member->away_hlc > member->back_hlc;
}

const struct roster_key *roster_current(const struct roster *roster) {
    CHECK(roster->key_count <= ROSTER_KEYS);
    return roster->key_count == 0 ? NULL : &roster->keys[roster->key_count - 1];
}

const struct roster_key *roster_key_named(const struct roster *roster,
                                          const uint8_t psk_id[LIBRARY_KEY_ID]) {
    CHECK(roster->key_count <= ROSTER_KEYS);
    for (uint32_t i = roster->key_count; i > 0; i--) {
        const struct roster_key *key = &roster->keys[i - 1];
        if (memcmp(key->psk_id, psk_id, LIBRARY_KEY_ID) == 0) return key;
    }
    return NULL;
}

/* ---- pins ---- */

/* Where the pin of an incarnation is, or belongs. */
static uint32_t pin_place(const struct roster_member *member, uint64_t incarnation) {
    uint32_t i = 0;
    while (i < member->pin_count && member->pins[i].incarnation < incarnation)
        i++;
    return i;
}

static const struct record_pin *pin_find(const struct roster_member *member, uint64_t incarnation) {
    const uint32_t place = pin_place(member, incarnation);
    if (place == member->pin_count) return NULL;
    const struct record_pin *pin = &member->pins[place];
    return pin->incarnation == incarnation ? pin : NULL;
}

/* Whether joining this pin would change the member. */
static bool pin_raises(const struct roster_member *member, const struct record_pin *pin) {
    const struct record_pin *held = pin_find(member, pin->incarnation);
    if (held == NULL)
        return member->pin_count < RECORD_PINS || member->pins[0].incarnation < pin->incarnation;
    if (held->seq != pin->seq) return held->seq < pin->seq;
    return !sodium_is_zero(held->hash, RECORD_HASH) &&
           memcmp(held->hash, pin->hash, RECORD_HASH) != 0;
}

/* Makes room for a pin at a place; of too many, that of the least incarnation goes. */
static uint32_t pin_open(struct roster_member *member, uint32_t place) {
    uint32_t from = place, to = place + 1, count = member->pin_count - place;
    if (member->pin_count == RECORD_PINS) {
        CHECK(place > 0);
        from = 1;
        to = 0;
        count = --place;
    } else {
        member->pin_count++;
    }
    memmove(&member->pins[to], &member->pins[from], count * sizeof member->pins[0]);
    memmove(&member->said_seq[to], &member->said_seq[from], count * sizeof member->said_seq[0]);
    return place;
}

static bool pin_join(struct roster_member *member, const struct record_pin *pin) {
    CHECK(member->pin_count <= RECORD_PINS);
    if (!pin_raises(member, pin)) return false;
    uint32_t place = pin_place(member, pin->incarnation);
    const bool held = pin_find(member, pin->incarnation) != NULL;
    const bool doubtful = held && member->pins[place].seq == pin->seq;
    if (!held) {
        place = pin_open(member, place);
        member->said_seq[place] = 0;
    }
    member->pins[place] = *pin;
    if (doubtful) memset(member->pins[place].hash, 0, RECORD_HASH);
    return true;
}

static bool pins_equal(const struct roster_member *a, const struct roster_member *b) {
    if (a->pin_count != b->pin_count) return false;
    for (uint32_t i = 0; i < a->pin_count; i++) {
        const struct record_pin *one = &a->pins[i], *other = &b->pins[i];
        if (one->incarnation != other->incarnation || one->seq != other->seq) return false;
        if (memcmp(one->hash, other->hash, RECORD_HASH) != 0) return false;
    }
    return true;
}

/* Whether this device has not yet said as much itself. */
static bool pin_unsaid(const struct roster_member *member, const struct record_pin *pin) {
    const struct record_pin *held = pin_find(member, pin->incarnation);
    if (held == NULL) return pin_raises(member, pin);
    return member->said_seq[held - member->pins] < pin->seq;
}

void roster_pin(const struct id *device, const struct record_pin *heads, uint32_t count,
                struct record_remove *out) {
    CHECK(heads != NULL || count == 0);
    memset(out, 0, sizeof *out);
    out->device = *device;
    for (uint32_t i = count > RECORD_PINS ? count - RECORD_PINS : 0; i < count; i++) {
        CHECK(i == 0 || heads[i - 1].incarnation < heads[i].incarnation);
        if (heads[i].seq > 0) out->pins[out->count++] = heads[i];
    }
}

bool roster_must_say(const struct roster *roster, const struct id *device,
                     const struct record_pin *heads, uint32_t count, bool refused,
                     struct record_remove *out) {
    CHECK(out != NULL);
    const struct roster_member *member = roster_find(roster, device);
    /* A removed device is heard by nobody, and speaks no more. */
    if (member == NULL || !member->removed || !roster_has(roster, &roster->self->device))
        return false;
    roster_pin(device, heads, count, out);
    bool must = refused && !member->said;
    for (uint32_t i = 0; i < out->count && !must; i++) {
        must = pin_raises(member, &out->pins[i]) ||
               (member->disputed && pin_unsaid(member, &out->pins[i]));
    }
    return must;
}

/* ---- judging ---- */

/* What a founding record says of its author; false if it is none. */
static bool founding(const struct roster *roster, const struct record *record,
                     struct record_add *out) {
    struct record_op op;
    if (roster->count > 0 || record->seq != 1) return false;
    for (size_t at = 0; record_next(record, &at, &op);) {
        if (op.kind != RECORD_OP_ADD || !record_read_add(op.body, out)) continue;
        const struct id device = identity_device(out->device.id_pk);
        if (id_equal(&device, &record->origin.device) &&
            out->incarnation == record->origin.incarnation)
            return true;
    }
    return false;
}

static enum roster_verdict judge_founding(const struct roster *roster, const struct record *record,
                                          bool is_signed) {
    struct record_add add;
    if (!founding(roster, record, &add)) return ROSTER_UNKNOWN;
    if (!is_signed && !record_signed_by(record, add.device.id_pk)) return ROSTER_FORGED;
    const bool certified =
        identity_certified(add.cert, &roster->self->library, &add.device, add.incarnation);
    return certified ? ROSTER_ADMITS : ROSTER_FORGED;
}

static bool pin_covers(const struct roster_member *member, const struct record *record) {
    const struct record_pin *pin = pin_find(member, record->origin.incarnation);
    if (pin == NULL || record->seq > pin->seq) return false;
    return record->seq < pin->seq || sodium_is_zero(pin->hash, RECORD_HASH) ||
           memcmp(pin->hash, record->hash, RECORD_HASH) == 0;
}

static enum roster_verdict judge(const struct roster *roster, const struct record *record,
                                 bool is_signed) {
    CHECK(record->seq >= 1);
    const struct roster_member *member = roster_find(roster, &record->origin.device);
    if (member == NULL) return judge_founding(roster, record, is_signed);
    if (!added(member)) return ROSTER_UNKNOWN;
    if (!is_signed && !record_signed_by(record, member->public.id_pk)) return ROSTER_FORGED;
    return !member->removed || pin_covers(member, record) ? ROSTER_ADMITS : ROSTER_REMOVED;
}

enum roster_verdict roster_judge(const struct roster *roster, const struct record *record) {
    return judge(roster, record, false);
}

enum roster_verdict roster_judge_signed(const struct roster *roster, const struct record *record) {
    return judge(roster, record, true);
}

/* ---- applying ---- */

static void member_changed(struct roster *roster, const struct roster_member *member,
                           const struct roster_change *change) {
    roster->version++;
    if (change != NULL && change->member != NULL) change->member(change->context, member);
}

/* The entry of a device, a new one if need be; NULL when there are too many. */
static struct roster_member *enter(struct roster *roster, const struct id *device) {
    struct roster_member *member = find(roster, device);
    if (member != NULL || roster->count == LIMIT_ROSTER) return member;
    member = &roster->members[roster->count++];
    memset(member, 0, sizeof *member);
    member->device = *device;
    return member;
}

/* Orders what ADDs say of one device: by stamp and author, and by content, so that of two that a
 * broken device wrote at one time all choose the same. */
static int compare_added(const struct roster_member *a, const struct roster_member *b) {
    if (a->added_hlc != b->added_hlc) return a->added_hlc < b->added_hlc ? -1 : 1;
    int order = id_compare(&a->added_by, &b->added_by);
    if (order == 0) order = (a->incarnation > b->incarnation) - (a->incarnation < b->incarnation);
    if (order == 0) order = memcmp(a->public.x_pk, b->public.x_pk, IDENTITY_KEY);
    if (order == 0) order = memcmp(a->cert, b->cert, IDENTITY_CERT);
    if (order == 0) order = memcmp(a->name, b->name, sizeof a->name);
    return order;
}

/* What an ADD says of a device, laid over what is known of it. */
static void member_added(const struct record *record, const struct record_add *add,
                         struct roster_member *out) {
    out->public = add->device;
    out->incarnation = add->incarnation;
    memcpy(out->cert, add->cert, IDENTITY_CERT);
    memset(out->name, 0, sizeof out->name);
    if (add->name.size > 0) memcpy(out->name, add->name.data, add->name.size);
    out->added_hlc = record->hlc;
    out->added_by = record->origin.device;
}

static enum weft_status apply_add(struct roster *roster, const struct record *record,
                                  struct bytes body, const struct roster_change *change) {
    struct record_add add;
    if (!record_read_add(body, &add)) return WEFT_OK;
    const struct id device = identity_device(add.device.id_pk);
    struct roster_member *member = find(roster, &device);
    struct roster_member said = {.device = device};
    if (member != NULL) said = *member;
    member_added(record, &add, &said);
    /* The certificate last: it costs more than all the rest. */
    if (member != NULL && added(member) && compare_added(&said, member) >= 0) return WEFT_OK;
    if (!identity_certified(add.cert, &roster->self->library, &add.device, add.incarnation))
        return WEFT_OK;
    member = enter(roster, &device);
    if (member == NULL) return WEFT_LIMIT;
    *member = said;
    member_changed(roster, member, change);
    return WEFT_OK;
}

/* The pins that a REMOVE gives. Who leaves cannot know the hash of the record that says so: that
 * one is pinned all the same. */
static void pins_given(const struct record *record, const struct record_remove *remove,
                       struct roster_member *out) {
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < remove->count; i++)
        pin_join(out, &remove->pins[i]);
    if (id_equal(&record->origin.device, &remove->device)) {
        struct record_pin last = {record->origin.incarnation, record->seq, {0}};
        memcpy(last.hash, record->hash, RECORD_HASH);
        pin_join(out, &last);
    }
}

/* Notes what this device itself says by a REMOVE. */
static bool note_said(struct roster_member *member, const struct roster_member *given) {
    bool changed = !member->said;
    member->said = true;
    for (uint32_t i = 0; i < given->pin_count; i++) {
        const struct record_pin *pin = &given->pins[i], *held = pin_find(member, pin->incarnation);
        if (held == NULL || member->said_seq[held - member->pins] >= pin->seq) continue;
        member->said_seq[held - member->pins] = pin->seq;
        changed = true;
    }
    return changed;
}

static enum weft_status apply_remove(struct roster *roster, const struct record *record,
                                     struct bytes body, const struct roster_change *change) {
    struct record_remove remove;
    struct roster_member given;
    if (!record_read_remove(body, &remove)) return WEFT_OK;
    struct roster_member *member = enter(roster, &remove.device);
    if (member == NULL) return WEFT_LIMIT;
    pins_given(record, &remove, &given);
    bool changed = !member->removed || record->hlc < member->removed_hlc;
    if (changed) member->removed_hlc = record->hlc;
    if (member->removed && !member->disputed && !pins_equal(member, &given)) {
        member->disputed = true;
        changed = true;
    }
    member->removed = true;
    for (uint32_t i = 0; i < given.pin_count; i++)
        changed |= pin_join(member, &given.pins[i]);
    if (id_equal(&record->origin.device, &roster->self->device))
        changed |= note_said(member, &given);
    if (changed) member_changed(roster, member, change);
    return WEFT_OK;
}

/* ---- away and back ---- */

static void apply_away(struct roster *roster, const struct record *record, struct bytes body,
                       const struct roster_change *change) {
    struct record_away said;
    if (!record_read_away(body, &said)) return;
    struct roster_member *member = find(roster, &said.device);
    const uint64_t hlc = said.hlc > record->hlc ? said.hlc : record->hlc;
    if (member == NULL || member->away_hlc >= hlc) return;
    member->away_hlc = hlc;
    member_changed(roster, member, change);
}

static void apply_back(struct roster *roster, const struct record *record, struct bytes body,
                       const struct roster_change *change) {
    struct roster_member *member = find(roster, &record->origin.device);
    uint64_t hlc = 0;
    if (member == NULL || !record_read_back(body, &hlc) || member->back_hlc >= hlc) return;
    member->back_hlc = hlc;
    member_changed(roster, member, change);
}

/* ---- library keys ---- */

static int compare_keys(const struct roster_key *a, const struct roster_key *b) {
    if (a->epoch != b->epoch) return a->epoch < b->epoch ? -1 : 1;
    return memcmp(a->psk_id, b->psk_id, LIBRARY_KEY_ID);
}

/* Puts a key in its place; when there are too many, the least goes. NULL when it is there already,
 * or is the least itself. */
static const struct roster_key *insert_key(struct roster *roster, const struct roster_key *key) {
    uint32_t place = roster->key_count;
    while (place > 0 && compare_keys(&roster->keys[place - 1], key) > 0)
        place--;
    if (place > 0 && compare_keys(&roster->keys[place - 1], key) == 0) return NULL;
    if (roster->key_count < ROSTER_KEYS) {
        memmove(&roster->keys[place + 1], &roster->keys[place],
                (roster->key_count - place) * sizeof *key);
        roster->key_count++;
    } else {
        if (place == 0) return NULL;
        memmove(&roster->keys[0], &roster->keys[1], --place * sizeof *key);
    }
    roster->keys[place] = *key;
    roster->version++;
    return &roster->keys[place];
}

static void apply_key(struct roster *roster, const struct record *record, struct bytes body,
                      const struct roster_change *change) {
    struct record_key said;
    if (!record_read_key(body, &said)) return;
    const uint8_t *box = record_key_box(&said, &roster->self->device);
    if (box == NULL) return;
    struct roster_key key = {.epoch = said.epoch, .author = record->origin.device};
    memcpy(key.sealed, box, LIBRARY_KEY_SEALED);
    if (identity_unseal(roster->self, key.sealed, key.key)) {
        identity_psk_id(&roster->self->library, key.key, key.psk_id);
        const bool named_so = memcmp(key.psk_id, said.psk_id, LIBRARY_KEY_ID) == 0;
        const struct roster_key *held = named_so ? insert_key(roster, &key) : NULL;
        if (held != NULL && change != NULL && change->key != NULL)
            change->key(change->context, held);
    }
    sodium_memzero(&key, sizeof key);
}

enum weft_status roster_apply(struct roster *roster, const struct record *record,
                              const struct roster_change *change) {
    enum weft_status status = WEFT_OK;
    struct record_op op;
    for (size_t at = 0; record_next(record, &at, &op);) {
        enum weft_status one = WEFT_OK;
        if (op.kind == RECORD_OP_ADD) one = apply_add(roster, record, op.body, change);
        if (op.kind == RECORD_OP_REMOVE) one = apply_remove(roster, record, op.body, change);
        if (op.kind == RECORD_OP_KEY) apply_key(roster, record, op.body, change);
        if (op.kind == RECORD_OP_AWAY) apply_away(roster, record, op.body, change);
        if (op.kind == RECORD_OP_BACK) apply_back(roster, record, op.body, change);
        if (one != WEFT_OK) status = one;
    }
    return status;
}

/* ---- from the store ---- */

static bool member_sound(const struct roster_member *member) {
    if (member->name[ROSTER_NAME] != 0 || member->pin_count > RECORD_PINS) return false;
    for (uint32_t i = 0; i < member->pin_count; i++) {
        if (member->pins[i].seq == 0) return false;
        if (i > 0 && member->pins[i - 1].incarnation >= member->pins[i].incarnation) return false;
    }
    if (!added(member)) return member->removed;
    const struct id device = identity_device(member->public.id_pk);
    return id_equal(&device, &member->device);
}

enum weft_status roster_load_member(struct roster *roster, const struct roster_member *member) {
    CHECK(member != NULL);
    if (!member_sound(member) || find(roster, &member->device) != NULL) return WEFT_CORRUPT;
    struct roster_member *entry = enter(roster, &member->device);
    if (entry == NULL) return WEFT_LIMIT;
    *entry = *member;
    roster->version++;
    return WEFT_OK;
}

bool roster_load_key(struct roster *roster, uint32_t epoch, const struct id *author,
                     const uint8_t sealed[LIBRARY_KEY_SEALED]) {
    CHECK(author != NULL);
    struct roster_key key = {.epoch = epoch, .author = *author};
    memcpy(key.sealed, sealed, LIBRARY_KEY_SEALED);
    const bool opened = identity_unseal(roster->self, key.sealed, key.key);
    if (opened) {
        identity_psk_id(&roster->self->library, key.key, key.psk_id);
        insert_key(roster, &key);
    }
    sodium_memzero(&key, sizeof key);
    return opened;
}
