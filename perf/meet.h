/* Devices in processes of their own that meet: one offers invites, the others come in.
 *
 *     parent ──fork──► offers: open, listen, invite ──links──► take: join, work ──► done
 *       └──fork──► takes, as many as there are invites         └─ the parent ends the meeting
 *
 * What they tell each other goes through two pipes that all of them inherit. Whoever waits for
 * somebody who has died reads the end of file, and fails. */
#ifndef WEFT_PERF_MEET_H
#define WEFT_PERF_MEET_H

#include "engine/weft.h"
#include "perf/bench.h"

struct meet {
    int links[2];  /* invites, WEFT_LINK_MAX bytes each */
    int finish[2]; /* nothing is ever written: its end says that the meeting is over */
};

/* Called by the parent: before it forks; when all have been forked; when those who wait may end;
 * when all have ended. */
void meet_open(struct meet *meet);
void meet_begun(struct meet *meet);
void meet_end(struct meet *meet);
void meet_close(struct meet *meet);

/* Called by a side: listens on the loopback and makes `count` invites, of
 * which 8 at a time are not used yet. Takes the engine's events. */
bool meet_offer(struct meet *meet, weft_engine *engine, unsigned count, struct side *side);
/* Called by a side: waits for an invite and takes it; `link` has room for WEFT_LINK_MAX bytes. */
bool meet_take(struct meet *meet, char *link, struct side *side);
/* Called by a side: waits for meet_end(). */
void meet_wait(struct meet *meet);

#endif
