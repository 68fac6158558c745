/* One real actor alone: the real topology, of which only that actor is started. The test is
 * everybody else: it pushes mails on the edges that lead in, and takes what comes out. */
#ifndef TESTS_LIB_SOLO_H
#define TESTS_LIB_SOLO_H

#include "engine/runtime/topology.h"

struct solo {
    struct settings settings;
    struct board *board;
    struct topology *topology;
    struct pool *pool; /* of the mails the test makes */
    uint32_t id;
    struct instant now;
};

/* Builds the topology and starts nothing, so that settings may be filled in before actor_start().
 * False when that fails. */
bool solo_make(struct solo *solo, uint32_t id);
/* Builds the topology and starts actor `id`. False when that fails. */
bool solo_open(struct solo *solo, uint32_t id);
/* The same for an actor that needs a net port. */
bool solo_open_on(struct solo *solo, uint32_t id, struct net_port net);
/* Stops it. False when a mail has leaked. */
bool solo_close(struct solo *solo);
/* A mail, as any sender would make it. */
struct mail *solo_mail(struct solo *solo, Weft__Mail__BodyCase kind, void *message);
/* Sends a mail from `from`, and turns the actor once. */
void solo_tell(struct solo *solo, uint32_t from, struct mail *mail);
/* Turns the actor until it has nothing to do at this moment. */
void solo_turn(struct solo *solo);
/* The next mail of this kind to `to`; NULL when there is none. The caller drops it. */
struct mail *solo_take(struct solo *solo, uint32_t to, Weft__Mail__BodyCase kind);

#endif
