/* See points.h. */
#include "tests/sim/points.h"

const char *const point_names[POINT_COUNT] = {
#define POINT_NAME(name, text, meaning) [POINT_##name] = text,
    POINT_LIST(POINT_NAME)
#undef POINT_NAME
};

const char *const point_meanings[POINT_COUNT] = {
#define POINT_MEANING(name, text, meaning) [POINT_##name] = meaning,
    POINT_LIST(POINT_MEANING)
#undef POINT_MEANING
};
