/* How a crew comes to be: one device founds a library, the others come in by its invites, within
 * the director's process. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "tests/chaos/crew.h"
#include "tests/chaos/tell.h"
#include "tests/sim/rng.h"

#define CREW_PORT 20000
#define CREW_HOSTS 8u /* addresses; more devices share them, with other ports */
#define CREW_LOOK_MS 20

static void must_be_ok(enum weft_status status, const char *what, const struct weft_error *why) {
    if (status != WEFT_OK) tell_die("%s: %s: %s", what, weft_status_name(status), why->text);
}

/* An address of the loopback network that no other director's device has: so no port is taken. */
static void sailor_place(struct sailor *sailor, unsigned number) {
    const unsigned pid = (unsigned)getpid();
    snprintf(sailor->source, sizeof sailor->source, "127.%u.%u.%u",
             64 + 16 * (number % CREW_HOSTS) + (pid >> 16 & 15), pid >> 8 & 255, pid & 255);
    snprintf(sailor->listen, sizeof sailor->listen, "%s:%u", sailor->source,
             CREW_PORT + number / CREW_HOSTS);
    memcpy(sailor->dial, sailor->listen, sizeof sailor->dial);
}

static weft_engine *come_in(struct sailor *sailor, weft_engine *founder) {
    const struct weft_config config = {
        .path = sailor->path, .schema = node_schema, .peers_max = 2 * CREW_MAX};
    const struct weft_invite options = {.address = NULL};
    char link[WEFT_LINK_MAX];
    weft_engine *engine = NULL;
    struct weft_error why = {0};
    enum weft_status status;
    if (founder == NULL) {
        must_be_ok(weft_open(&config, &engine, &why), "founding", &why);
        must_be_ok(weft_listen_wait(engine, sailor->listen, NULL, &why), "listening", &why);
        must_be_ok(node_seed_rows(engine, &why), "the first rows", &why);
        return engine;
    }
    must_be_ok(weft_invite(founder, &options, link, sizeof link, &why), "inviting", &why);
    /* The listener may not have heard of the invite yet: then nobody answers to it. */
    const int64_t deadline = tell_now_ms() + NODE_PATIENCE_MS;
    do {
        status = weft_join(&config, link, NODE_PATIENCE_MS, &engine, &why);
    } while (status == WEFT_INVITE && tell_now_ms() < deadline);
    must_be_ok(status, "joining", &why);
    return engine;
}

static bool all_know_all(weft_engine *const *engines, unsigned count) {
    unsigned known = 0;
    for (unsigned i = 0; i < count; i++)
        known += weft_member_count(engines[i]) == count;
    return known == count;
}

static void await_members(weft_engine *const *engines, unsigned count) {
    const int64_t deadline = tell_now_ms() + NODE_PATIENCE_MS;
    while (!all_know_all(engines, count)) {
        struct pollfd watched[CREW_MAX];
        struct weft_event event;
        if (tell_now_ms() > deadline) tell_die("not every device knows of all others");
        for (unsigned i = 0; i < count; i++)
            watched[i] = (struct pollfd){weft_event_descriptor(engines[i]), POLLIN, 0};
        (void)poll(watched, count, CREW_LOOK_MS);
        for (unsigned i = 0; i < count; i++) {
            while (weft_next_event(engines[i], &event))
                continue;
        }
    }
}

/* ---- who dials whom -------------------------------------------------------------------------- */

static void link_both(struct crew *crew, unsigned a, unsigned b) {
    crew->linked[a][b] = crew->linked[b][a] = a != b;
}

static unsigned degree_of(const struct crew *crew, unsigned number) {
    unsigned degree = 0;
    for (unsigned i = 0; i < crew->count; i++)
        degree += crew->linked[number][i];
    return degree;
}

/* A ring, and drawn chords until each has links enough: it hangs together, and its paths are short.
 */
static void crew_link(struct crew *crew, unsigned degree) {
    struct rng rng;
    rng_seed(&rng, crew->seed, 2);
    const unsigned count = crew->count, least = degree == 0 || degree >= count ? count - 1 : degree;
    for (unsigned i = 0; i < count; i++)
        link_both(crew, i, (i + 1) % count);
    for (unsigned i = 0; i < count; i++) {
        while (degree_of(crew, i) < least)
            link_both(crew, i, (unsigned)rng_below(&rng, count));
    }
}

void crew_found(struct crew *crew, unsigned count, unsigned degree, uint64_t seed) {
    weft_engine *engines[CREW_MAX] = {NULL};
    *crew =
        (struct crew){.seed = seed, .count = count, .rows_max = 400, .pause_ms = 0, .steady = 50};
    if (count < 2 || count > CREW_MAX) tell_die("2 to %u devices", CREW_MAX);
    crew_link(crew, degree);
    scratch_make(crew->folder);
    crew->ledger = ledger_open();
    if (crew->ledger == NULL) tell_die("no memory for the ledger");
    for (unsigned i = 0; i < count; i++) {
        struct sailor *sailor = &crew->sailors[i];
        struct id id;
        sailor->space = sailor->to = sailor->from = -1;
        snprintf(sailor->path, sizeof sailor->path, "%s/%u.db", crew->folder, i);
        sailor_place(sailor, i);
        engines[i] = come_in(sailor, engines[0]);
        weft_device(engines[i], id.bytes);
        id_text(&id, sailor->device);
    }
    await_members(engines, count);
    for (unsigned i = 0; i < count; i++) {
        struct weft_error why = {0};
        /* They came in there; who dials whom is said to each node, as is the way. */
        must_be_ok(weft_forget_address(engines[i], crew->sailors[0].listen, &why), "forgetting",
                   &why);
        weft_close(engines[i]);
    }
}

void crew_connect(struct crew *crew) {
    const char *listen[CREW_MAX], *source[CREW_MAX];
    for (unsigned i = 0; i < crew->count; i++) {
        listen[i] = crew->sailors[i].listen;
        source[i] = crew->sailors[i].source;
    }
    crew->proxy = proxy_open(crew->count, listen, source, &crew->linked[0][0], CREW_MAX);
    if (crew->proxy == NULL) tell_die("no faulty network to be had");
}
