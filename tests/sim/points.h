/* Points: states that worlds must reach sometimes. A simulator that never reaches one does not test
 * what comes after it, however many seeds it runs. (FoundationDB calls them code probes, Antithesis
 * sometimes assertions.) The engine knows nothing of them: they are told from mails, events, the
 * board's counters, files, and from what goes wrong at the same time. */
#ifndef SIM_POINTS_H
#define SIM_POINTS_H

#include "engine/runtime/topology.h"
#include "engine/weft.h"
#include "tests/sim/net.h"
#include "tests/sim/points_list.h"

enum point {
#define POINT_MEMBER(name, text, meaning) POINT_##name,
    POINT_LIST(POINT_MEMBER)
#undef POINT_MEMBER
        POINT_COUNT
};
extern const char *const point_names[POINT_COUNT];
extern const char *const point_meanings[POINT_COUNT];

struct device;
struct world;

#define POINT_SLOTS (2u * NET_DEVICES)
#define POINT_MODELS 32u

/* What one life of a device has come to. */
struct points_life {
    struct {
        uint32_t with; /* the device on the other side, from 1; 0: no session */
        uint32_t batches;
    } slot[POINT_SLOTS];
    uint64_t position[NET_DEVICES][POINT_MODELS];
    uint32_t group; /* transactions since the last commit of the file */
    bool taking, asked, sweeping, waiting;
    bool deletions; /* what is being forgotten are deletions of shared rows */
};

struct points {
    uint64_t reached[POINT_COUNT]; /* so often */
    struct points_life life[NET_DEVICES];
    /* Who sends this device batches with more behind them, until the last has come. */
    struct {
        bool on, more;
        uint32_t under_way;
    } backfill[NET_DEVICES][NET_DEVICES];
    uint32_t removers[NET_DEVICES]; /* who has removed it; bits */
    bool was_taking[NET_DEVICES];   /* its last life ended within a snapshot */
    bool called_away[NET_DEVICES];
};

void point_reach(struct world *world, enum point point);

/* A device's engine was opened; could not be, as its disk was full or went down; will end now,
 * `well` or not. */
void points_opened(struct device *device);
void points_not_opened(struct device *device, enum weft_status status);
void points_ending(struct device *device, bool well);
/* With which device the peer actor has a session; DEVICES_MAX or more: none. */
uint32_t points_session(const struct device *device, uint32_t actor);
/* A mail of a device that is up (points_mail.c). */
void points_mail(struct device *device, const struct edge *edge, const Weft__Mail *body);
void points_event(struct device *device, const struct weft_event *event);
/* A device's wall clock was set. */
void points_clock(struct device *device, int64_t before_ms, int64_t now_ms);
/* The world is over. */
void points_end(struct world *world);

#endif
