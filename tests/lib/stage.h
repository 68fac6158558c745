/* A stage for tests of the runtime: eight actors without skills, whose parts the test writes.
 *
 *     static void pass_on(struct part *part, struct instant now, struct mail **in,
 *                         struct outbox *out) { outbox_send(out, ACTOR_LOG, in); }
 *
 *     stage_open(&stage, rules, peers);
 *     stage.part[ACTOR_CLOCK].play = pass_on;
 *
 * A part without `play` keeps nothing and sends nothing. */
#ifndef TESTS_LIB_STAGE_H
#define TESTS_LIB_STAGE_H

#include "engine/runtime/runner.h"

#define STAGE_PEERS 12u
#define STAGE_ACTORS (ACTOR_PEER + STAGE_PEERS)
/* Mails that one step of any of them may send on one edge. */
#define STAGE_EMIT_MAX 2u

struct part {
    void (*play)(struct part *part, struct instant now, struct mail **in, struct outbox *out);
    enum weft_status (*begin)(struct part *part, struct weft_error *why);
    uint64_t due_us; /* DUE_NEVER from stage_open() */
    uint32_t id;
    void *context; /* the test's */
    const struct actor_seed *seed;
    /* Counted by the stage. */
    uint32_t mails, ticks, readies, starts, stops;
};

struct stage {
    struct settings settings; /* first: the actors find the stage by it */
    struct board *board;
    struct topology *topology;
    struct part part[STAGE_ACTORS];
};

/* Builds the topology; starts nothing. */
enum weft_status stage_open(struct stage *stage, const struct edge_rule *rules, uint32_t peers,
                            struct weft_error *why);
/* Stops what was started, takes all down. */
void stage_close(struct stage *stage);
/* Starts every actor without a runner, for tests that turn them by hand. */
void stage_start(struct stage *stage);
struct actor *stage_actor(struct stage *stage, uint32_t id);
/* A mail as a host would make it, from a pool that stands in for the host's. */
struct mail *stage_mail(struct pool *pool, Weft__Mail__BodyCase kind);
/* A moment. */
struct instant stage_at(uint64_t mono_us);

#endif
