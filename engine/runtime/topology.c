/* The one page with all the wiring: who speaks to whom, about what, and how much of it can wait.
 *
 *                    ┌────────── lanes, one per submitting thread ──┐
 *        host ───────┴──► clock ──► log ──┬─► bulk  ◄── rows ────► peer ×N ◄──► wire
 *          ▲ answers       ▲ ▲ ▲     ▲ ▲  └─► share ◄── records ─►  │ │  ▲
 *          ├───────────────┼─┼─┼─────┘ │        │ │                 │ │  │
 *          │               │ └─┴─ rows, records ┴─┘                 │ │  │
 *          │  members, new │       prune ◄─► log ◄───── acks ───────┘ │  │
 *          │               └── listener ◄── who is it? ───────────────┘  │
 *          ├── notices (any)    ▲ └── who may come in, whom to dial ─────┘
 *          └── changes, for its hooks: log ◄─► copier
 *                               └── roster ── log
 *
 * Invariants (topology_check() proves 1 to 3 at every start)
 *   1. Asks are acyclic: host → clock → log → bulk, share; host → listener → peer → log, bulk,
 *      share; listener → clock, log; prune → log. So an actor that is held back waits for one that
 *      can step; bulk and share always can.
 *   2. An answer never finds its ring full: its slots are a sum over what can be outstanding, and
 *      outbox_send() stops the process if the sum was wrong.
 *   3. A mail has one way from its sender to its receiver.
 *   4. Nothing here is lost but notices, and those are counted.
 *
 * Not here: how the table becomes actors and rings (topology_build.c), the door (door.c), and which
 * thread turns which actor (runner.c). */
#include "engine/runtime/topology.h"

#include "actors/bulk.h"
#include "actors/clock.h"
#include "actors/copier.h"
#include "actors/listener.h"
#include "actors/log.h"
#include "actors/peer.h"
#include "actors/prune.h"
#include "actors/share.h"
#include "engine/base/check.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind

/* Orders to listen that the façade lets be under way at once. */
#define TOPOLOGY_LISTENS 64u
/* Notes (Held, Request, Ranges, Left) that a peer lets bulk have under way. */
#define TOPOLOGY_NOTES 8u

#define TOPOLOGY_ANSWERS 2048u
_Static_assert(LIMIT_COMMITS + 1u <= TOPOLOGY_ANSWERS, "log → host: every commit, and a Stop");
#define TOPOLOGY_COMMITTED 512u
_Static_assert(2 * LIMIT_GROUP_MAILS <= TOPOLOGY_COMMITTED, "log → bulk: two groups");
#define TOPOLOGY_BATCHES 16u
_Static_assert(LIMIT_PEER_BATCHES + TOPOLOGY_NOTES <= TOPOLOGY_BATCHES, "bulk → peer: the grant");

/* clang-format off */
const struct edge_rule topology_rules[] = {
    /* The host's control edge. Its transactions come through the door. */
    {.from = ACTOR_HOST, .to = ACTOR_CLOCK, .kind = EDGE_ASK, .slots = 4,
     .mails = {MAIL(RECOUNT), MAIL(SUBSCRIBE), MAIL(SYNC), MAIL(STOP)}},
    {.from = ACTOR_HOST, .to = ACTOR_LISTENER, .kind = EDGE_ASK, .slots = 64,
     .mails = {MAIL(LISTEN), MAIL(CONNECT), MAIL(DISCONNECT), MAIL(PAUSING), MAIL(INVITE),
               MAIL(ADMIT), MAIL(JOIN), MAIL(GOVERN), MAIL(STOP)}},

    {.from = ACTOR_CLOCK, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 256,
     .mails = {MAIL(COMMIT), MAIL(SCAN), MAIL(RECORDS), MAIL(GOVERN), MAIL(SURVEY),
               MAIL(RECOUNT), MAIL(SUBSCRIBE), MAIL(SYNC), MAIL(CONTACT), MAIL(SESSION),
               MAIL(STOP)}},
    /* Rows of others have a ring of their own: an edit takes its turn beside them, not behind. It
     * has room for all that bulk may have under way, or it would hold the clock back. */
    {.from = ACTOR_CLOCK, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 8,
     .slots_per_peer = LIMIT_PEER_INCOMING,
     .mails = {MAIL(INCOMING)}},

    {.from = ACTOR_LOG, .to = ACTOR_HOST, .kind = EDGE_ANSWER, .slots = TOPOLOGY_ANSWERS,
     .mails = {MAIL(ANSWERED), MAIL(STOP)},
     .why_enough = "one for each outstanding commit (LIMIT_COMMITS), one Stop"},
    /* Taken by the hooks' thread, or weft_step(): engine/hooks.h. */
    {.from = ACTOR_LOG, .to = ACTOR_HOST, .kind = EDGE_ANSWER, .slots = LIMIT_HOOK_MAILS,
     .mails = {MAIL(CHANGES), MAIL(SETTLED)},
     .why_enough = "log counts what waits there, and leaves out what has no room"},
    {.from = ACTOR_LOG, .to = ACTOR_BULK, .kind = EDGE_ASK, .slots = TOPOLOGY_COMMITTED,
     .mails = {MAIL(COMMIT), MAIL(INCOMING), MAIL(REPAIR), MAIL(SUBSCRIBED), MAIL(SYNC)}},
    {.from = ACTOR_LOG, .to = ACTOR_SHARE, .kind = EDGE_ASK, .slots = 256,
     .mails = {MAIL(GROWN), MAIL(RECORDS), MAIL(ATTESTED), MAIL(REPAIR), MAIL(SYNC)}},
    {.from = ACTOR_LOG, .to = ACTOR_LISTENER, .kind = EDGE_ANSWER, .slots = 2,
     .mails = {MAIL(ROSTER)},
     .why_enough = "the listener has one request outstanding"},
    {.from = ACTOR_LOG, .to = ACTOR_PRUNE, .kind = EDGE_ANSWER, .slots = 4,
     .mails = {MAIL(SURVEYED), MAIL(FORGOTTEN)},
     .why_enough = "prune has one request outstanding"},

    /* Copying takes long, and nobody waits for it: it comes home as it went. */
    {.from = ACTOR_LOG, .to = ACTOR_COPIER, .kind = EDGE_ANSWER, .slots = 2,
     .mails = {MAIL(CHECKPOINT)},
     .why_enough = "the log has one of them on its way"},
    {.from = ACTOR_COPIER, .to = ACTOR_LOG, .kind = EDGE_ANSWER, .slots = 2,
     .mails = {MAIL(CHECKPOINT)},
     .why_enough = "the log has one of them on its way"},

    {.from = ACTOR_PRUNE, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 4,
     .mails = {MAIL(FORGET)}},
    {.from = ACTOR_PRUNE, .to = ACTOR_CLOCK, .kind = EDGE_ASK, .slots = 4,
     .mails = {MAIL(SURVEY), MAIL(GOVERN)}},

    {.from = ACTOR_BULK, .to = ACTOR_CLOCK, .kind = EDGE_ANSWER, .slots = 8,
     .slots_per_peer = LIMIT_PEER_INCOMING,
     .mails = {MAIL(INCOMING)},
     .why_enough = "decoded batches inside the engine (peers × LIMIT_PEER_INCOMING), and one that "
                   "passes over a range"},
    {.from = ACTOR_BULK, .to = ACTOR_PEER, .kind = EDGE_ANSWER, .slots = TOPOLOGY_BATCHES,
     .mails = {MAIL(BATCH), MAIL(HELD), MAIL(REQUEST), MAIL(RANGES), MAIL(LEFT)},
     .why_enough = "batches (LIMIT_PEER_BATCHES) and notes that the peer has granted"},

    {.from = ACTOR_SHARE, .to = ACTOR_CLOCK, .kind = EDGE_ANSWER, .slots = 8,
     .slots_per_peer = LIMIT_PEER_RECORDS,
     .mails = {MAIL(RECORDS)},
     .why_enough = "received records inside the engine (peers × LIMIT_PEER_RECORDS)"},
    {.from = ACTOR_SHARE, .to = ACTOR_PEER, .kind = EDGE_ANSWER, .slots = TOPOLOGY_BATCHES,
     .mails = {MAIL(SHIPMENT), MAIL(SHARED_HELD), MAIL(SHARED_REQUEST), MAIL(ATTESTED),
               MAIL(SNAPSHOT_WANTED), MAIL(LEFT)},
     .why_enough = "shipments (LIMIT_PEER_SHIPMENTS) and notes that the peer has granted"},

    {.from = ACTOR_PEER, .to = ACTOR_BULK, .kind = EDGE_ASK, .slots = 32,
     .mails = {MAIL(JOINED), MAIL(LEFT), MAIL(WANTED), MAIL(GRANTED), MAIL(HOLDS), MAIL(PACKED),
               MAIL(RANGES)}},
    {.from = ACTOR_PEER, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 16,
     .mails = {MAIL(ACKED), MAIL(SHARED_ACKED), MAIL(ATTESTED)}},
    {.from = ACTOR_PEER, .to = ACTOR_SHARE, .kind = EDGE_ASK, .slots = 32,
     .mails = {MAIL(JOINED), MAIL(LEFT), MAIL(GRANTED), MAIL(SHARED_WANTED), MAIL(SHARED_ACKED),
               MAIL(SNAPSHOT_WANTED), MAIL(RECORDS)}},
    {.from = ACTOR_PEER, .to = ACTOR_LISTENER, .kind = EDGE_ANSWER, .slots = 8,
     .mails = {MAIL(CLAIM), MAIL(SESSION), MAIL(VACATED)},
     .why_enough = "one of each for a connection; one connection at a time"},

    {.from = ACTOR_LISTENER, .to = ACTOR_PEER, .kind = EDGE_ASK, .slots = 8,
     .mails = {MAIL(DIAL), MAIL(ACCEPTED), MAIL(RULING), MAIL(STOP)}},
    {.from = ACTOR_LISTENER, .to = ACTOR_CLOCK, .kind = EDGE_ASK, .slots = 16,
     .mails = {MAIL(GOVERN), MAIL(CONTACT), MAIL(SESSION)}},
    {.from = ACTOR_LISTENER, .to = ACTOR_LOG, .kind = EDGE_ASK, .slots = 4,
     .mails = {MAIL(ROSTER_WANTED)}},
    {.from = ACTOR_LISTENER, .to = ACTOR_HOST, .kind = EDGE_ANSWER, .slots = 2 * TOPOLOGY_LISTENS,
     .mails = {MAIL(LISTENING), MAIL(STOP)},
     .why_enough = "orders to listen under way (64), one Stop"},

    /* What the host may miss. Held, empty: look again at the board, or at the door's room. */
    {.from = ACTOR_LOG, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 4,
     .mails = {MAIL(HELD)}},
    {.from = ACTOR_BULK, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 4,
     .mails = {MAIL(HELD)}},
    {.from = ACTOR_SHARE, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 4,
     .mails = {MAIL(HELD)}},
    {.from = ACTOR_LOG, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 256,
     .mails = {MAIL(NOTICE)}},
    {.from = ACTOR_BULK, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 256,
     .mails = {MAIL(NOTICE)}},
    {.from = ACTOR_SHARE, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 64,
     .mails = {MAIL(NOTICE)}},
    {.from = ACTOR_PEER, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 32,
     .mails = {MAIL(NOTICE)}},
    {.from = ACTOR_LISTENER, .to = ACTOR_HOST, .kind = EDGE_NOTICE, .slots = 256,
     .mails = {MAIL(NOTICE)}},
    {.slots = 0},
};
/* clang-format on */

static const struct actor_kind *topology_kind(enum actor_id id) {
    static const struct actor_kind *const kinds[ACTOR_PEER + 1] = {
        [ACTOR_CLOCK] = &clock_actor,   [ACTOR_LOG] = &log_actor,
        [ACTOR_BULK] = &bulk_actor,     [ACTOR_SHARE] = &share_actor,
        [ACTOR_PRUNE] = &prune_actor,   [ACTOR_PEER] = &peer_actor,
        [ACTOR_COPIER] = &copier_actor, [ACTOR_LISTENER] = &listener_actor,
    };
    CHECK(id <= ACTOR_PEER);
    CHECK(kinds[id] != NULL);
    return kinds[id];
}

enum weft_status topology_open(struct settings *settings, struct topology **out,
                               struct weft_error *why) {
    const struct topology_plan plan = {.rules = topology_rules, .kind_of = topology_kind};
    return topology_build(&plan, settings, out, why);
}
