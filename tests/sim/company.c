/* See company.h.
 *
 *     device 0 opens ──► listens ──► weft_invite() ×n ──► the others open with an invite
 *         └── every turn of every actor, until everybody is a member to everybody ──► all close
 *
 * Invariants
 *   1. The guest's keys are made in the founding, so that all ids are known before rows are.
 *   2. The victim invites nobody: whom it let in unheard would have to be invited once more.
 * Deliberately not here: sessions and records themselves, which are the engines' own. */
#include "tests/sim/company.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/store/keyfile.h"
#include "engine/wire/attest.h"
#include "tests/sim/author.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/device.h"
#include "tests/sim/oracle.h"

#define FOUND_MAX_US UINT64_C(60000000)
#define LOOK_US UINT64_C(1000000)
#define OVER_US (2 * LOOK_US) /* a session that was being made when the removal came is over */

struct company {
    struct world *world;
    struct rng rng;
    bool asks; /* the guest's invite wants its inviter's yes */
    uint64_t look_us;
    bool knows[DEVICES_MAX]; /* of the victim's removal */
    bool knew[DEVICES_MAX];  /* ... when its disk was backed up */
    bool again[DEVICES_MAX]; /* it removes the victim again, knowing nothing of it */
    /* What a device told it holds of another's log; ever, and since its disk was restored. */
    struct heads said[DEVICES_MAX][DEVICES_MAX], owed[DEVICES_MAX][DEVICES_MAX];
    struct heads acked[DEVICES_MAX][DEVICES_MAX][DEVICES_MAX];
    /* Since all have heard of the removal: what there was then, which is all that may pass. */
    uint64_t apart_us;
    bool apart;
    uint64_t rows[DEVICES_MAX][TABLE_COUNT];
    struct heads records[DEVICES_MAX];
    struct snapshot scratch;
};

struct company *company_open(struct world *world) {
    struct company *company = calloc(1, sizeof *company);
    CHECK(company != NULL);
    company->world = world;
    rng_seed(&company->rng, world->plan.seed, UINT64_C(0xc0117a));
    company->apart_us = UINT64_MAX;
    return company;
}

void company_close(struct company *company) {
    free(company);
}

static bool is_guest(const struct world *world, uint32_t device) {
    return device == world->plan.guest;
}

static bool is_up(const struct device *device) {
    return device->engine && !device_dead(device);
}

/* How an engine sees a device; false: it has not heard of it. */
static bool member_state(weft_engine *engine, const struct id *id, enum weft_member_state *out) {
    struct weft_member list[DEVICES_MAX + 1];
    unsigned count = weft_members(engine, list, DEVICES_MAX + 1);
    CHECK(count <= DEVICES_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(list[i].device, id->bytes, sizeof id->bytes) != 0) continue;
        *out = list[i].state;
        return true;
    }
    return false;
}

static bool sees_as(const struct world *world, const struct device *device, uint32_t other,
                    enum weft_member_state state) {
    enum weft_member_state seen;
    return member_state(device->engine, &world->cast.device[other], &seen) && seen == state;
}

/* ---- founding -------------------------------------------------------------------------------- */

static uint32_t founders(const struct world *world) {
    return world->plan.device_count - (world->plan.guest < NET_DEVICES);
}

/* Gives the guest its keys, as an attempt to join that went no further would have. */
static bool make_guest(struct world *world) {
    struct device *guest = &world->device[world->plan.guest];
    struct vault_port vault = vault_port(guest->vault);
    struct entropy_port entropy = rng_entropy(&guest->entropy);
    struct weft_error why = {0};
    struct identity identity;
    struct id library = {{1}};
    uint8_t secret[IDENTITY_SECRET];
    bool made = false;
    if (keyfile_open(&vault, &entropy, guest->path, true, secret, &made, &why) != WEFT_OK)
        return world_fail(world, "device %u: no keys: %s", guest->number, why.text);
    identity_make(&identity, secret, &library, 0);
    world->cast.device[guest->number] = identity.device;
    guest->known = guest->outside = true;
    guest->up_us = UINT64_MAX;
    return true;
}

static bool open_all(struct world *world) {
    struct device *founder = &world->device[0];
    struct weft_error why = {0};
    device_start(founder);
    if (world->failed || !device_listen(founder)) return false;
    for (uint32_t d = 1; d < world->plan.device_count; d++) {
        struct device *device = &world->device[d];
        if (is_guest(world, d)) continue;
        if (weft_invite(founder->engine, NULL, device->invite, WEFT_LINK_MAX, &why) != WEFT_OK)
            return world_fail(world, "device 0: weft_invite: %s", why.text);
        device_start(device);
        device->invite[0] = 0;
        if (world->failed) return false;
    }
    return true;
}

static bool all_inside(const struct world *world) {
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (!is_guest(world, d) && weft_member_count(world->device[d].engine) < founders(world))
            return false;
    return true;
}

/* Every actor of every device has a turn; false when none had anything to do. */
static bool turn_all(struct world *world) {
    bool turned = false;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        for (uint32_t a = ACTOR_HOST + 1; a < world->device[d].actor_count; a++)
            if ((device_awake(&world->device[d]) >> a & 1) && device_turn(&world->device[d], a))
                turned = true;
    return turned;
}

static uint64_t next_us(const struct world *world) {
    uint64_t due = net_due(world->net);
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        uint64_t one = device_due_us(&world->device[d]);
        if (one < due) due = one;
    }
    return due > world->now_us ? due : world->now_us + 1;
}

bool company_found(struct company *company) {
    struct world *world = company->world;
    if (world->plan.guest < NET_DEVICES && !make_guest(world)) return false;
    if (!open_all(world)) return false;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (!is_guest(world, d)) oracle_listen(&world->device[d]);
    while (!world->failed && !all_inside(world)) {
        net_advance(world->net, world->now_us);
        if (turn_all(world)) continue;
        world->now_us = next_us(world);
        if (world->now_us > FOUND_MAX_US)
            world_fail(world, "the devices do not come into one library");
    }
    for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++)
        if (!is_guest(world, d)) device_close(&world->device[d], world->now_us);
    return !world->failed;
}

/* ---- the guest ------------------------------------------------------------------------------- */

void company_welcome(struct company *company) {
    struct device *guest = &company->world->device[company->world->plan.guest];
    if (guest->up_us == UINT64_MAX) guest->up_us = company->world->now_us;
}

/* Whether this device can write an invite now. */
static bool may_invite(const struct world *world, uint32_t d) {
    const struct device *device = &world->device[d];
    return !is_guest(world, d) && d != world->plan.victim && world_trusts(world, d) &&
           is_up(device) && device->talking;
}

bool company_invite(struct company *company, struct device *guest) {
    struct world *world = company->world;
    uint32_t count = world->plan.device_count;
    uint32_t at = (uint32_t)rng_below(&company->rng, count);
    struct weft_error why = {0};
    guest->up_us = world->now_us + LOOK_US / 2;
    for (uint32_t tried = 0; tried < count; tried++, at = (at + 1) % count) {
        if (!may_invite(world, at)) continue;
        company->asks = rng_chance(&company->rng, 300);
        const struct weft_invite options = {.confirm = company->asks};
        enum weft_status status =
            weft_invite(world->device[at].engine, &options, guest->invite, WEFT_LINK_MAX, &why);
        if (status != WEFT_OK) return world_fail(world, "device %u: weft_invite: %s", at, why.text);
        guest->patience_us = world->now_us + rng_between(&company->rng, 5 * LOOK_US, 40 * LOOK_US);
        world_note(world, guest, "invited", at, company->asks);
        return true;
    }
    return false;
}

void company_asked(struct company *company, struct device *inviter,
                   const struct weft_event *event) {
    struct world *world = company->world;
    if (!company->asks || is_guest(world, inviter->number)) return;
    bool yes = world->healing || rng_chance(&company->rng, 800);
    world_note(world, inviter, "admits", yes, 0);
    enum weft_status status = weft_admit(inviter->engine, event->device, yes);
    if (status != WEFT_OK && status != WEFT_BUSY && !device_dead(inviter))
        world_fail(world, "device %u: weft_admit: %s", inviter->number, weft_status_name(status));
}

static void turn_guest(struct world *world) {
    struct device *guest = &world->device[world->plan.guest];
    if (!guest->outside || !guest->engine || device_dead(guest)) return;
    if (sees_as(world, guest, guest->number, WEFT_MEMBER)) {
        guest->outside = false;
        guest->invite[0] = 0;
        world_note(world, guest, "is in", 0, 0);
    } else if (world->now_us >= guest->patience_us) {
        device_close(guest, world->now_us + LOOK_US);
    }
}

/* ---- the victim ------------------------------------------------------------------------------ */

void company_revoke(struct company *company, struct device *device) {
    struct world *world = company->world;
    const struct id *victim = &world->cast.device[world->plan.victim];
    uint64_t ticket = 0;
    if (device->number == world->plan.victim || !is_up(device) || device->outside) return;
    /* What the liar says of members may never reach those who have seen that it says two things. */
    if (!world_trusts(world, device->number)) return;
    if (world->device[world->plan.victim].outside) return;
    if (device->author.order_count == ORDERS_MAX) return;
    enum weft_status status = weft_revoke(device->engine, victim->bytes, &ticket);
    if (status == WEFT_OK) author_order(device, ticket);
    if (status != WEFT_OK && status != WEFT_BUSY)
        world_fail(world, "device %u: weft_revoke: %s", device->number, weft_status_name(status));
}

bool company_out(const struct company *company, uint32_t device) {
    if (device != company->world->plan.victim) return false;
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        if (d != device && company->knows[d]) return true;
    return false;
}

/* The head of an incarnation, which is added if need be. */
static struct head *heads_at(struct heads *heads, uint64_t incarnation) {
    uint32_t i = 0;
    while (i < heads->count && heads->head[i].incarnation != incarnation)
        i++;
    CHECK(i < INCARNATIONS);
    if (i == heads->count) heads->head[heads->count++] = (struct head){.incarnation = incarnation};
    return &heads->head[i];
}

static void heads_raise(struct heads *heads, uint64_t incarnation, uint64_t seq) {
    struct head *head = heads_at(heads, incarnation);
    if (seq > head->seq) head->seq = seq;
}

/* Whether a device has heard of the removal, and has no session with the victim any more. */
static bool is_over(const struct world *world, const struct device *device) {
    const struct id *victim = &world->cast.device[world->plan.victim];
    struct weft_peer peers[TURNED_MAX];
    if (!is_up(device) || device->outside || world->now_us < device->paused_until_us) return false;
    if (!sees_as(world, device, world->plan.victim, WEFT_MEMBER_REMOVED)) return false;
    unsigned count = weft_peers(device->engine, peers, TURNED_MAX);
    for (unsigned i = 0; i < count && i < TURNED_MAX; i++)
        if (peers[i].state >= WEFT_PEER_GREETING &&
            memcmp(peers[i].device, victim->bytes, sizeof victim->bytes) == 0)
            return false;
    return true;
}

/* All that there is now: no more may ever pass between the victim and the others. */
static void part(struct company *company) {
    struct world *world = company->world;
    memset(company->records, 0, sizeof company->records);
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        struct device *device = &world->device[d];
        struct heads heads[DEVICES_MAX];
        if (!device->db) continue; /* The guest, which has written nothing yet. */
        if (!snapshot_positions(device, &company->scratch)) return;
        if (!snapshot_heads(device, heads)) return;
        memcpy(company->rows[d], company->scratch.position[d], sizeof company->rows[d]);
        /* A restored device may lack what it wrote itself. */
        for (uint32_t of = 0; of < world->plan.device_count; of++)
            for (uint32_t i = 0; i < heads[of].count; i++)
                heads_raise(&company->records[of], heads[of].head[i].incarnation,
                            heads[of].head[i].seq);
    }
    company->apart = true;
    world_note(world, NULL, "apart", world->plan.victim, 0);
}

static void turn_victim(struct company *company) {
    struct world *world = company->world;
    bool over = is_up(&world->device[world->plan.victim]);
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        const struct device *device = &world->device[d];
        if (d == world->plan.victim) continue;
        if (is_up(device) && sees_as(world, device, world->plan.victim, WEFT_MEMBER_REMOVED))
            company->knows[d] = true;
        if (device->outside && device->lives == 0) continue;
        over = over && is_over(world, device);
    }
    if (!over)
        company->apart_us = UINT64_MAX;
    else if (company->apart_us == UINT64_MAX)
        company->apart_us = world->now_us + OVER_US;
    else if (world->now_us >= company->apart_us && !company->apart)
        part(company);
}

void company_turn(struct company *company) {
    struct world *world = company->world;
    if (world->plan.guest < NET_DEVICES) turn_guest(world);
    if (world->plan.victim == NET_DEVICES || world->now_us < company->look_us) return;
    company->look_us = world->now_us + LOOK_US;
    if (!world->failed) turn_victim(company);
}

uint64_t company_due_us(const struct company *company) {
    const struct world *world = company->world;
    uint64_t due = UINT64_MAX;
    if (world->plan.victim < NET_DEVICES) due = company->look_us;
    if (world->plan.guest == NET_DEVICES) return due;
    const struct device *guest = &world->device[world->plan.guest];
    bool waits = guest->outside && guest->engine != NULL;
    return waits && guest->patience_us < due ? guest->patience_us : due;
}

/* ---- restored disks -------------------------------------------------------------------------- */

/* The first thing of `wanted` that `heads` lacks, of each device; NULL: nothing. */
static const struct head *lacking(const struct heads heads[DEVICES_MAX],
                                  const struct heads wanted[DEVICES_MAX], uint32_t *of) {
    for (*of = 0; *of < DEVICES_MAX; ++*of)
        for (uint32_t i = 0; i < wanted[*of].count; i++) {
            const struct head *head = heads_seek(&heads[*of], wanted[*of].head[i].incarnation);
            if (!head || head->seq < wanted[*of].head[i].seq) return &wanted[*of].head[i];
        }
    return NULL;
}

static bool covers(const struct heads heads[DEVICES_MAX], const struct heads wanted[DEVICES_MAX]) {
    uint32_t of;
    return lacking(heads, wanted, &of) == NULL;
}

void company_backed_up(struct company *company, const struct device *device) {
    company->knew[device->number] = company->knows[device->number];
}

/* Another who is not about to come or go has to hold all records of the device. */
bool company_may_restore(struct company *company, struct device *device) {
    struct world *world = company->world;
    struct heads wanted[DEVICES_MAX], heads[DEVICES_MAX];
    if (world->plan.guest == NET_DEVICES && world->plan.victim == NET_DEVICES && !world->byzantine)
        return true;
    if (!is_up(device) || !snapshot_heads(device, wanted)) return false;
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        struct device *other = &world->device[d];
        if (other == device || is_guest(world, d) || d == world->plan.victim || !is_up(other) ||
            !world_trusts(world, d))
            continue;
        if (!snapshot_heads(other, heads)) return false;
        if (covers(heads, wanted)) return true;
    }
    return false;
}

void company_restored(struct company *company, const struct device *device) {
    uint32_t me = device->number;
    memset(company->owed[me], 0, sizeof company->owed[me]);
    memset(company->acked[me], 0, sizeof company->acked[me]);
    if (company->knew[me] || !company->knows[me]) return;
    company->knows[me] = company->apart = false;
    company->apart_us = UINT64_MAX;
    company->again[me] = rng_chance(&company->rng, 700);
}

void company_started(struct company *company, struct device *device) {
    if (!company->again[device->number]) return;
    company->again[device->number] = false;
    company_revoke(company, device);
}

/* ---- what must be true ----------------------------------------------------------------------- */

static void said_holding(struct device *device, const struct id *origin, uint64_t incarnation,
                         uint64_t seq) {
    struct world *world = device->world;
    for (uint32_t d = 0; d < world->cast.device_count; d++) {
        if (!id_equal(&world->cast.device[d], origin)) continue;
        heads_raise(&world->company->said[device->number][d], incarnation, seq);
        heads_raise(&world->company->owed[device->number][d], incarnation, seq);
    }
}

/* What a device says by its own statements, which may go by another way than what it tells peers.
 */
static void stated(struct device *device, const Weft__Attested *attested) {
    for (size_t i = 0; i < attested->n_statements; i++) {
        const ProtobufCBinaryData *bytes = &attested->statements[i];
        struct attest attest;
        if (!attest_read((struct bytes){bytes->data, bytes->len}, &attest)) continue;
        if (!id_equal(&attest.origin.device, &device->world->cast.device[device->number])) continue;
        for (uint32_t h = 0; h < attest.head_count; h++) {
            const struct attest_head head = attest_head_at(&attest, h);
            said_holding(device, &head.origin.device, head.origin.incarnation, head.seq);
        }
    }
}

void company_mail(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    if (edge->from == ACTOR_LOG && body->body_case == WEFT__MAIL__BODY_ATTESTED)
        stated(device, body->attested);
    if (edge->from != ACTOR_SHARE || body->body_case != WEFT__MAIL__BODY_SHARED_HELD) return;
    for (size_t i = 0; i < body->shared_held->n_heads; i++) {
        const Weft__Head *head = body->shared_held->heads[i];
        struct id origin;
        if (id_read(&origin, head->device.data, head->device.len))
            said_holding(device, &origin, head->incarnation, head->seq);
    }
}

bool company_said(const struct device *device, uint32_t of, const struct head *head) {
    const struct company *company = device->world->company;
    const struct head *said = heads_seek(&company->said[device->number][of], head->incarnation);
    return said && said->seq >= head->seq;
}

static bool on_shared_ack(void *context, uint32_t from, uint32_t of, const struct head *head) {
    struct device *device = context;
    struct company *company = device->world->company;
    struct head *before = heads_at(&company->acked[device->number][from][of], head->incarnation);
    const struct head *said = heads_seek(&company->said[from][of], head->incarnation);
    if (!world_trusts(device->world, from)) return true;
    if (head->seq >= before->seq && said && head->seq <= said->seq) {
        before->seq = head->seq;
        return true;
    }
    return world_fail(device->world,
                      "device %u: has device %u hold %llu records of device %u's shared log; it "
                      "had %llu before, and was told %llu",
                      device->number, from, (unsigned long long)head->seq, of,
                      (unsigned long long)before->seq, (unsigned long long)(said ? said->seq : 0));
}

static bool records_are_kept(struct device *device, const struct heads heads[DEVICES_MAX]) {
    const struct company *company = device->world->company;
    uint32_t of;
    const struct head *owed = lacking(heads, company->owed[device->number], &of);
    if (!owed) return true;
    return world_fail(device->world,
                      "device %u: does not hold record %llu of device %u, incarnation %llu, as it "
                      "told its peers",
                      device->number, (unsigned long long)owed->seq, of,
                      (unsigned long long)owed->incarnation);
}

/* Nothing newer than the parting has come over, in either direction. */
static bool kept_apart(struct device *device, const struct snapshot *file,
                       const struct heads heads[DEVICES_MAX]) {
    const struct world *world = device->world;
    const struct company *company = world->company;
    for (uint32_t of = 0; of < world->cast.device_count; of++) {
        bool across = (device->number == world->plan.victim) != (of == world->plan.victim);
        bool newer = false;
        for (uint32_t i = 0; i < heads[of].count; i++) {
            const struct head *head = &heads[of].head[i];
            const struct head *then = heads_seek(&company->records[of], head->incarnation);
            newer = newer || !then || head->seq > then->seq;
        }
        for (uint32_t t = 0; t < TABLE_COUNT; t++)
            newer = newer || file->position[of][t] > company->rows[of][t];
        if (across && newer)
            return world_fail(device->world,
                              "device %u: has something of device %u that is newer than the "
                              "removal of device %u, of which all had heard",
                              device->number, of, world->plan.victim);
    }
    return true;
}

/* The library's key is made anew with a removal, which is the only time: not for who is removed. */
static bool knows_no_key(struct device *device) {
    sqlite3_stmt *query = NULL;
    static const char sql[] = "SELECT 1 FROM _weft_key WHERE epoch > 1";
    if (sqlite3_prepare_v2(device->db, sql, -1, &query, NULL) != SQLITE_OK)
        return world_fail(device->world, "device %u: %s", device->number,
                          sqlite3_errmsg(device->db));
    const int code = sqlite3_step(query);
    sqlite3_finalize(query);
    if (code == SQLITE_DONE) return true;
    return world_fail(device->world, "device %u: has a library key that was made without it (%d)",
                      device->number, code);
}

bool company_check(struct device *device, const struct snapshot *file) {
    struct world *world = device->world;
    const struct company *company = world->company;
    struct heads heads[DEVICES_MAX];
    bool members[DEVICES_MAX];
    if (!snapshot_heads(device, heads) || !snapshot_members(device, members)) return false;
    if (device->number == world->plan.victim && !knows_no_key(device)) return false;
    if (company->knows[device->number] && members[world->plan.victim])
        return world_fail(world, "device %u: has forgotten that device %u was removed",
                          device->number, world->plan.victim);
    for (uint32_t d = 0; d < world->cast.device_count; d++)
        if (!members[d] && !company_out(company, d) && !is_guest(world, d) && !device->outside &&
            d != world->plan.victim)
            return world_fail(world, "device %u: does not know device %u as a member",
                              device->number, d);
    return records_are_kept(device, heads) && snapshot_shared_acks(device, device, on_shared_ack) &&
           (!company->apart || kept_apart(device, file, heads));
}

/* ---- in the end ------------------------------------------------------------------------------ */

/* Whether two engines say the same of everybody. */
static bool same_members(struct world *world, uint32_t a, uint32_t b, char *why) {
    for (uint32_t of = 0; of < world->plan.device_count; of++) {
        enum weft_member_state one = 0, other = 0;
        (void)member_state(world->device[a].engine, &world->cast.device[of], &one);
        (void)member_state(world->device[b].engine, &world->cast.device[of], &other);
        enum weft_member_state right =
            company_out(world->company, of) ? WEFT_MEMBER_REMOVED : WEFT_MEMBER;
        if (one == right && other == right) continue;
        snprintf(why, FAILURE_TEXT, "device %u is %d to device %u and %d to device %u, and not %d",
                 of, one, a, other, b, right);
        return false;
    }
    return true;
}

static bool same_heads(const struct world *world, uint32_t a, const struct heads one[DEVICES_MAX],
                       uint32_t b, const struct heads other[DEVICES_MAX], char *why) {
    for (uint32_t of = 0; of < DEVICES_MAX; of++) {
        if (memcmp(&one[of], &other[of], sizeof one[of]) == 0) continue;
        if (byzantine_forked(world, of)) continue;
        snprintf(why, FAILURE_TEXT,
                 "of device %u's shared log devices %u and %u hold other records", of, a, b);
        return false;
    }
    return true;
}

static bool same_roster(uint32_t a, const struct roster_digest *one, uint32_t b,
                        const struct roster_digest *other, char *why) {
    const char *what = one->members != other->members ? "members"
                       : one->pins != other->pins     ? "pins of removed devices"
                       : one->keys != other->keys     ? "library keys"
                                                      : NULL;
    if (what) snprintf(why, FAILURE_TEXT, "devices %u and %u have other %s", a, b, what);
    return what == NULL;
}

bool company_agrees(struct company *company, bool *equal, char *why) {
    struct world *world = company->world;
    struct heads first_heads[DEVICES_MAX], heads[DEVICES_MAX];
    struct roster_digest first_roster, roster;
    uint32_t first = DEVICES_MAX;
    *equal = false;
    if (world->plan.victim < NET_DEVICES) turn_victim(company);
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        snprintf(why, FAILURE_TEXT, "device %u has not come in", d);
        if (world->device[d].outside) return true;
        if (company_out(company, d) || !world_awaits(world, d)) continue;
        if (!snapshot_heads(&world->device[d], heads)) return false;
        if (!snapshot_roster(&world->device[d], &roster)) return false;
        if (first == DEVICES_MAX) {
            first = d;
            memcpy(first_heads, heads, sizeof first_heads);
            first_roster = roster;
        }
        if (!same_members(world, first, d, why)) return true;
        if (!same_heads(world, first, first_heads, d, heads, why)) return true;
        if (!same_roster(first, &first_roster, d, &roster, why)) return true;
    }
    *equal = true;
    return true;
}
