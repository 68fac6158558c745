/* A record of the shared log, read by other eyes than the engine's: engine/wire/record.h and
 * engine/wire/change.h say what the bytes are, and nothing of the engine's takes them apart here.
 *
 *   bytes ──► head, hash ──► ops ──► what is said of each row of the commons */
#ifndef SIM_SCROLL_H
#define SIM_SCROLL_H

#include "tests/sim/commons.h"

/* When something was said, and by whom. */
struct mark {
    uint64_t hlc; /* 0: never */
    uint32_t device;
    uint64_t incarnation;
};

enum said_what { SAID_CREATE = 1, SAID_DELETE = 2, SAID_UPDATE = 3 };

struct said {
    enum said_what what;
    uint32_t row;
    struct mark mark;
    uint32_t writes; /* flags by column */
    uint64_t value[COMMONS_COLUMNS];
};

#define SCROLL_SAID 24u

struct scroll {
    uint32_t device;
    uint64_t incarnation, seq, hlc;
    uint8_t prev[32], hash[32];
    uint32_t count;
    struct said said[SCROLL_SAID]; /* in the record's order */
};

/* Reads a record; NULL, or what is wrong with it. */
const char *scroll_read(const struct cast *cast, const uint8_t *bytes, size_t size,
                        struct scroll *out);

#endif
