/* A crowd: members by the hundred that cost little, to have a hub served with.
 *
 *     gather: identities made, put into the hub's file as members ──► the hub is opened
 *     meet:   a session each, by the library's own code; rows of one table are asked for
 *     listen: batches are taken apart as far as their place, acknowledged, and forgotten
 *
 * Nobody here stores anything, holds a row or says what others hold. All of them are driven by one
 * thread, which need not be the hub's process: gather before the fork. What goes wrong ends the
 * process (CHECK). */
#ifndef TESTS_LIB_CROWD_H
#define TESTS_LIB_CROWD_H

#include <stdbool.h>
#include <stdint.h>

struct crowd;

/* Makes `count` members of the library that lies closed at `path`. */
struct crowd *crowd_gather(const char *path, uint32_t count);
/* Calls "127.0.0.1:port", each from an address of its own, and asks for the hub's rows of a
 * table. */
void crowd_meet(struct crowd *crowd, const char *address, const char *model);
/* Serves every session until the hub hangs up on all of them. */
void crowd_listen(struct crowd *crowd);
void crowd_disperse(struct crowd *crowd);

#endif
