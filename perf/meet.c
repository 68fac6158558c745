/* Devices in processes of their own that meet; see meet.h.
 *
 * A link is written with one call of fewer bytes than PIPE_BUF, all links have one size, and so is
 * what a reader takes: whole links, however many read at once. */
#include "perf/meet.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "engine/base/check.h"

#define PATIENCE_MS 60000
#define OPEN_MAX 8u /* invites; the engine keeps 16, and ends the oldest for another */

/* Closes an end of a pipe, once. */
static void shut(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

void meet_open(struct meet *meet) {
    CHECK(pipe(meet->links) == 0 && pipe(meet->finish) == 0);
}

void meet_begun(struct meet *meet) {
    shut(&meet->links[1]);
}

void meet_end(struct meet *meet) {
    shut(&meet->finish[1]);
}

void meet_close(struct meet *meet) {
    shut(&meet->links[0]);
    shut(&meet->finish[0]);
}

/* Takes all events; waits for one if there is none. */
static void await_event(weft_engine *engine, struct side *side) {
    struct pollfd ready = {.fd = weft_event_descriptor(engine), .events = POLLIN};
    struct weft_event event;
    unsigned taken = 0;
    while (weft_next_event(engine, &event))
        taken++;
    if (taken == 0 && poll(&ready, 1, PATIENCE_MS) == 0) side_fail(side, "nobody comes in");
}

bool meet_offer(struct meet *meet, weft_engine *engine, unsigned count, struct side *side) {
    struct weft_error why = {0};
    const unsigned before = weft_member_count(engine);
    if (weft_listen_wait(engine, "127.0.0.1:0", NULL, &why) != WEFT_OK)
        side_fail(side, "listen: %s", why.text);
    for (unsigned i = 0; i < count && !side->failed;) {
        char link[WEFT_LINK_MAX] = {0};
        if (i - (weft_member_count(engine) - before) >= OPEN_MAX) {
            await_event(engine, side); /* A member, perhaps: its invite has ended. */
            continue;
        }
        if (weft_invite(engine, NULL, link, sizeof link, &why) != WEFT_OK)
            side_fail(side, "invite: %s", why.text);
        else
            CHECK(write(meet->links[1], link, sizeof link) == (ssize_t)sizeof link);
        i++;
    }
    shut(&meet->links[1]);
    return !side->failed;
}

bool meet_take(struct meet *meet, char *link, struct side *side) {
    shut(&meet->links[1]);
    ssize_t got;
    do
        got = read(meet->links[0], link, WEFT_LINK_MAX);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)WEFT_LINK_MAX) side_fail(side, "nobody invites");
    return !side->failed;
}

void meet_wait(struct meet *meet) {
    char byte;
    shut(&meet->finish[1]);
    while (read(meet->finish[0], &byte, 1) < 0)
        CHECK(errno == EINTR);
}
