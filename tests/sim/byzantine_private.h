/* The inside of the liar. Private to byzantine*.c.
 *
 *   byzantine.c        what the others may be held to; which mail is changed; replays
 *   byzantine_rows.c   batches of rows
 *   byzantine_log.c    heads, records, statements */
#ifndef SIM_BYZANTINE_PRIVATE_H
#define SIM_BYZANTINE_PRIVATE_H

#include "engine/wire/zip.h"
#include "tests/sim/byzantine.h"

#define KINDS 64u /* of mails */
#define KEPT 4u   /* older mails of each kind */

/* A mail as it was said once. */
struct echo {
    uint8_t *packed;
    size_t size;
};

/* What the liar said that a row was. */
struct forged {
    uint32_t of, row;
    uint64_t version, digest;
};

struct byzantine {
    struct world *world;
    struct rng rng;
    struct zip *zip;
    struct echo echo[KINDS][KEPT];
    uint32_t echoes[KINDS]; /* ever kept */
    bool touched[DEVICES_MAX][TABLE_COUNT];
    bool forked;
    struct forged *forged;
    uint32_t forged_count, forged_room;
};

/* Whether the liar is to do this now, by its rate. */
bool byzantine_will(struct byzantine *byzantine, enum fault lie);
/* It has. */
void byzantine_did(struct byzantine *byzantine, enum fault lie, uint64_t what);
/* One of the bits of `size` bytes is turned over. */
void byzantine_flip(struct byzantine *byzantine, void *data, size_t size);

/* ---- byzantine_rows.c */

void byzantine_batch(struct byzantine *byzantine, struct device *device, struct mail *mail);

/* ---- byzantine_log.c */

void byzantine_heads(struct byzantine *byzantine, Weft__Head **heads, size_t *count);
void byzantine_records(struct byzantine *byzantine, struct device *device, struct mail *mail);
void byzantine_statements(struct byzantine *byzantine, struct device *device, struct mail *mail);

#endif
