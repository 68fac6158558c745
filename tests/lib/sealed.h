/* Two sessions that stand, of the two devices of meeting.h, and bytes that pass between them. Its
 * own steps are CHECKed, so that fuzz targets may use it, too. */
#ifndef TESTS_LIB_SEALED_H
#define TESTS_LIB_SEALED_H

#include "engine/wire/session.h"
#include "tests/lib/meeting.h"

/* Two bytes of length, a frame, a tag. */
#define SEALED_ROOM (2u + LIMIT_FRAME)
#define SEALED_OVERHEAD (2u + NOISE_TAG_SIZE)

struct sealed {
    struct meeting meeting;
    struct session *ends[2]; /* by enum meeting_side */
};

/* The initiator has dialled, and M1 is what it has to send. Only its end is there. */
void sealed_dial(struct sealed *sealed);
/* The responder has read M1, and M2 is what it has to send. */
void sealed_answer(struct sealed *sealed);
/* Both stand, and nothing is under way. */
void sealed_open(struct sealed *sealed);
void sealed_close(struct sealed *sealed);

/* Moves up to `most` bytes that wait in `from` to `to`, as far as there is room; returns how many.
 */
size_t sealed_carry(struct session *from, struct session *to, size_t most);
/* Gives bytes to a session, all of which must fit it. */
void sealed_give(struct session *session, const void *data, size_t size);
/* Seals a frame of any content as the next record of this session; returns the record's size.
 * Nothing may wait in the session. `out`: SEALED_OVERHEAD + frame.size bytes. */
size_t sealed_record(struct session *session, struct bytes frame, uint8_t *out);

#endif
