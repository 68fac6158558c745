/* A sink: bytes appended to one growing block of an arena. */
#ifndef WEFT_WIRE_SINK_H
#define WEFT_WIRE_SINK_H

#include "engine/base/arena.h"

struct sink {
    struct arena *arena;
    uint8_t *data;
    size_t size;
    size_t room;
};

/* Begins an empty sink with some room. False when the arena is exhausted. */
static inline bool sink_begin(struct sink *sink, struct arena *arena, size_t room) {
    *sink = (struct sink){arena, arena_take(arena, room), 0, room};
    return sink->data != NULL;
}

/* The place of the next byte, with room for at least `size` of them; NULL when the arena is
 * exhausted. What is written there counts after sink_wrote(). */
static inline uint8_t *sink_room(struct sink *sink, size_t size) {
    if (sink->room - sink->size < size) {
        const size_t room = (sink->room + size) * 2;
        uint8_t *data = arena_grow(sink->arena, sink->data, sink->room, room);
        if (data == NULL) return NULL;
        sink->data = data;
        sink->room = room;
    }
    return sink->data + sink->size;
}

/* Says that what was written since sink_room() ends at `end`. */
static inline void sink_wrote(struct sink *sink, const uint8_t *end) {
    sink->size = (size_t)(end - sink->data);
}

#endif
