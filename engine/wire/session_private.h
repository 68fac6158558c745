/* What a session is made of: for session.c, and for tests that forge a counter or seal a frame of
 * their own. */
#ifndef WEFT_WIRE_SESSION_PRIVATE_H
#define WEFT_WIRE_SESSION_PRIVATE_H

#include "engine/wire/session.h"

#define SESSION_TYPE_REKEY 2u
#define SESSION_LENGTH 2u
#define SESSION_RECORD_ROOM (SESSION_LENGTH + FRAME_MAX + NOISE_TAG_SIZE)

enum session_state { SESSION_DIALLED, SESSION_STANDS, SESSION_BROKEN };

/* One direction. */
struct sealing {
    struct noise_cipher cipher;
    uint64_t records, bytes; /* under this key */
    uint64_t total;          /* records */
};

struct session {
    enum session_state state;
    enum handshake_mode mode;
    bool rekey; /* this side's key is to change */
    const struct handshake_self *self;
    struct handshake handshake;
    struct handshake_remote remote;
    uint8_t channel[64];
    struct sealing send, receive;
    struct frame_writer *writer;
    struct frame_reader *reader;
    uint8_t *buffer;
    size_t room, taken, filled; /* [taken, filled) of `buffer` is received and not yet taken */
    bool long_in;               /* the last buffer was filled: the next one is large at once */
    uint8_t *out;
    size_t out_room, begin, end; /* [begin, end) of `out` waits for the link */
    size_t ahead;                /* session_set_ahead() */
};

#endif
