/* See diet.h.
 *
 *     SAYS ──rules──► LEAVES OUT ──time──► OVER ──"take all", answered──► DONE
 *                                            └── failed, or the device went down: again
 *
 * Invariant: whoever has left anything out says "take all" until that is durable: of what was said
 * last a crash may have kept nothing. */
#include "tests/sim/diet.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/author.h"
#include "tests/sim/device.h"
#include "tests/sim/history.h"
#include "tests/sim/ledger_private.h"

#define NEVER UINT64_MAX
#define AGAIN_US UINT64_C(50000)
#define RULES_MAX 4u

struct eater {
    bool began, over, done;
    uint64_t ticket; /* of "take all"; 0: to be said */
    uint32_t life;   /* ... in which it was said */
    uint64_t next_us;
    /* Of what it leaves out, or left out once: the most that it had said it holds. */
    bool ever[DEVICES_MAX][TABLE_COUNT];
    uint64_t gone[DEVICES_MAX][TABLE_COUNT];
};

struct diet {
    struct world *world;
    struct eater eater[DEVICES_MAX];
};

struct diet *diet_open(struct world *world) {
    struct diet *diet = calloc(1, sizeof *diet);
    CHECK(diet != NULL);
    diet->world = world;
    return diet;
}

void diet_close(struct diet *diet) {
    free(diet);
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* Its answer is awaited like those of transactions. */
static bool await(struct author *author, uint64_t ticket) {
    uint32_t at = 0;
    while (at < author->order_count && author->orders[at] != 0)
        at++;
    if (at == ORDERS_MAX) return false;
    author->orders[at] = ticket;
    if (at == author->order_count) author->order_count++;
    return true;
}

/* Says one rule; its ticket, or 0. */
static uint64_t say(struct diet *diet, struct device *device, int model, const uint8_t *owner,
                    bool take) {
    struct weft_error why = {0};
    uint64_t ticket = 0;
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < device->author.order_count; i++)
        waiting += device->author.orders[i] != 0;
    if (waiting + RULES_MAX > ORDERS_MAX) return 0;
    enum weft_status status = weft_subscribe(device->engine, model, owner, take, &ticket, &why);
    if (status == WEFT_OK) {
        CHECK(await(&device->author, ticket));
        return ticket;
    }
    if (status != WEFT_BUSY && status != WEFT_CLOSED && status != WEFT_NO_MEMORY &&
        !device_dead(device))
        world_fail(diet->world, "device %u: weft_subscribe: %s", device->number, why.text);
    return 0;
}

bool diet_begin(struct diet *diet, struct rng *rng, struct device *device, uint32_t other) {
    struct eater *eater = &diet->eater[device->number];
    const uint32_t count = (uint32_t)rng_between(rng, 1, RULES_MAX);
    bool said = false;
    if (!device->engine || device->outside || device_dead(device)) return false;
    device_stir(device);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t table = (uint32_t)rng_below(rng, TABLE_COUNT);
        const bool all_tables = rng_chance(rng, 300), all_owners = rng_chance(rng, 400);
        const bool take = i > 0 && rng_chance(rng, 300);
        const int model = all_tables ? 0 : device->model_id[table];
        if (!all_tables && model == 0) continue; /* Its version does not have it. */
        const uint8_t *owner = all_owners ? NULL : diet->world->cast.device[other].bytes;
        said = say(diet, device, model - 1, owner, take) != 0 || said;
    }
    if (!said) return false;
    eater->began = true;
    eater->over = eater->done = false;
    eater->ticket = 0;
    return true;
}

/* ---- taking it back -------------------------------------------------------------------------- */

void diet_end(struct diet *diet, struct device *device) {
    struct eater *eater = &diet->eater[device->number];
    eater->over = eater->began;
    eater->done = false;
    eater->ticket = 0;
    eater->next_us = diet->world->now_us;
}

static bool owes(const struct diet *diet, const struct device *device) {
    const struct eater *eater = &diet->eater[device->number];
    return eater->over && !eater->done && device->engine && !device_dead(device);
}

static void take_all(struct diet *diet, struct device *device) {
    struct eater *eater = &diet->eater[device->number];
    struct weft_error why = {0};
    eater->next_us = diet->world->now_us + AGAIN_US;
    device_stir(device);
    if (eater->ticket == 0 || eater->life != device->lives) {
        eater->ticket = say(diet, device, -1, NULL, true);
        eater->life = device->lives;
        return;
    }
    enum weft_status status = weft_wait(device->engine, eater->ticket, WEFT_DURABLE, 0, 0, &why);
    if (status == WEFT_TIMEOUT) return;
    if (status == WEFT_OK) {
        eater->done = true;
    } else {
        eater->ticket = 0;
    }
}

void diet_turn(struct diet *diet) {
    struct world *world = diet->world;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (world->now_us >= diet->eater[d].next_us && owes(diet, &world->device[d]))
            take_all(diet, &world->device[d]);
}

uint64_t diet_due_us(const struct diet *diet) {
    uint64_t due = NEVER;
    for (uint32_t d = 0; d < diet->world->plan.device_count; d++)
        if (diet->eater[d].next_us < due && owes(diet, &diet->world->device[d]))
            due = diet->eater[d].next_us;
    return due;
}

void diet_restored(struct device *device) {
    struct eater *eater = &device->world->diet->eater[device->number];
    eater->done = false;
    eater->ticket = 0;
}

bool diet_over(const struct diet *diet, const struct device *device) {
    const struct eater *eater = &diet->eater[device->number];
    return !eater->began || eater->done;
}

/* ---- what follows ---------------------------------------------------------------------------- */

static void lets_go(struct device *device, uint32_t of, uint32_t table, uint64_t *held) {
    struct eater *eater = &device->world->diet->eater[device->number];
    eater->ever[of][table] = true;
    if (held[table] > eater->gone[of][table]) eater->gone[of][table] = held[table];
}

/* Of the rules that concern a stream the last one counts. */
static bool told_to_take(const Weft__Subscribed *subscribed, const struct id *owner,
                         uint32_t model) {
    bool take = true;
    for (size_t i = 0; i < subscribed->n_rules; i++) {
        const Weft__Subscription *rule = subscribed->rules[i];
        const bool mine =
            rule->owner.len == 0 || memcmp(rule->owner.data, owner->bytes, WEFT_ID_SIZE) == 0;
        if (mine && (rule->model == 0 || rule->model == model)) take = rule->take;
    }
    return take;
}

static void told(struct device *device, const Weft__Subscribed *subscribed,
                 uint64_t held[DEVICES_MAX][TABLE_COUNT]) {
    const struct cast *cast = &device->world->cast;
    for (uint32_t of = 0; of < cast->device_count; of++)
        for (uint32_t t = 0; t < TABLE_COUNT; t++)
            if (of != device->number && device->model_id[t] != 0 &&
                !told_to_take(subscribed, &cast->device[of], (uint32_t)device->model_id[t]))
                lets_go(device, of, t, held[of]);
}

/* Whether the rules in the file leave a stream out; whether what was told is taken back. */
#define LEFT_OUT                                                                                \
    "SELECT coalesce((SELECT take FROM _weft_subscription WHERE (owner IS NULL OR owner = ?1) " \
    "AND (model IS NULL OR model = ?2) ORDER BY id DESC LIMIT 1), 1) = 0, EXISTS (SELECT 1 "    \
    "FROM _weft_position AS p JOIN _weft_device AS d ON d.id = p.owner JOIN _weft_model AS m "  \
    "ON m.id = p.model WHERE p.gone > p.position AND d.device = ?1 AND m.name = ?2)"

static bool read_streams(struct device *device,
                         bool (*see)(void *context, uint32_t of, uint32_t t, bool left_out,
                                     bool gone),
                         void *context) {
    const struct cast *cast = &device->world->cast;
    sqlite3_stmt *query = NULL;
    bool good = true;
    if (sqlite3_prepare_v2(device->db, LEFT_OUT, -1, &query, NULL) != SQLITE_OK)
        return ledger_broken(device, "reading what is taken");
    for (uint32_t of = 0; of < cast->device_count && good; of++)
        for (uint32_t t = 0; of != device->number && t < TABLE_COUNT && good; t++) {
            sqlite3_bind_blob(query, 1, cast->device[of].bytes, WEFT_ID_SIZE, SQLITE_STATIC);
            sqlite3_bind_text(query, 2, table_shapes[t].name, -1, SQLITE_STATIC);
            good = sqlite3_step(query) == SQLITE_ROW
                       ? see(context, of, t, sqlite3_column_int(query, 0) != 0,
                             sqlite3_column_int(query, 1) != 0)
                       : ledger_broken(device, "reading what is taken");
            sqlite3_reset(query);
        }
    sqlite3_finalize(query);
    return good;
}

struct attaching {
    struct device *device;
    uint64_t (*held)[TABLE_COUNT];
};

static bool see_attached(void *context, uint32_t of, uint32_t t, bool left_out, bool gone) {
    const struct attaching *attaching = context;
    if (left_out || gone) lets_go(attaching->device, of, t, attaching->held[of]);
    return true;
}

bool diet_let_go(struct device *device, const Weft__Subscribed *subscribed,
                 uint64_t promised[DEVICES_MAX][TABLE_COUNT],
                 uint64_t owed[DEVICES_MAX][TABLE_COUNT]) {
    const struct eater *eater = &device->world->diet->eater[device->number];
    uint64_t held[DEVICES_MAX][TABLE_COUNT];
    struct attaching attaching = {device, held};
    for (uint32_t of = 0; of < DEVICES_MAX; of++)
        for (uint32_t t = 0; t < TABLE_COUNT; t++)
            held[of][t] = promised[of][t] > owed[of][t] ? promised[of][t] : owed[of][t];
    if (subscribed) told(device, subscribed, held);
    if (!subscribed && !read_streams(device, see_attached, &attaching)) return false;
    for (uint32_t of = 0; of < DEVICES_MAX; of++)
        for (uint32_t t = 0; t < TABLE_COUNT; t++)
            if (owed[of][t] <= eater->gone[of][t]) owed[of][t] = 0;
    return true;
}

struct looking {
    struct device *device;
    const struct snapshot *file;
};

static bool see_left_out(void *context, uint32_t of, uint32_t t, bool left_out, bool gone) {
    const struct looking *looking = context;
    struct device *device = looking->device;
    const struct snapshot *file = looking->file;
    const struct table_shape *shape = &table_shapes[t];
    (void)gone;
    if (!left_out) return true;
    if (file->position[of][t] != 0)
        return world_fail(device->world, "device %u: leaves out %s of device %u, and holds it",
                          device->number, shape->name, of);
    point_reach(device->world, file->sweeps[of][t] ? POINT_CLEARING : POINT_LEFT_OUT);
    for (uint32_t row = shape->first_row; row < shape->first_row + shape->row_count; row++)
        if (file->digest[of][row] && !file->sweeps[of][t])
            return world_fail(device->world,
                              "device %u: leaves out %s of device %u, and has row %u of it",
                              device->number, shape->name, of, row);
    return true;
}

bool diet_check(struct device *device, const struct snapshot *file) {
    struct looking looking = {device, file};
    return read_streams(device, see_left_out, &looking);
}

uint64_t diet_gone(const struct diet *diet, uint32_t device, uint32_t of, uint32_t table) {
    return diet->eater[device].gone[of][table];
}

bool diet_ever(const struct diet *diet, uint32_t device, uint32_t of, uint32_t table) {
    return diet->eater[device].ever[of][table];
}
