/* Ports: everything the engine needs from the world. The posix ones are in engine/net; the
 * simulator has its own. Nothing else reads a clock, a socket or randomness. */
#ifndef WEFT_RUNTIME_PORT_H
#define WEFT_RUNTIME_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/agenda.h"
#include "engine/weft.h"

/* A moment: monotonic microseconds and wall-clock milliseconds since 1970. */
struct instant {
    uint64_t mono_us;
    uint64_t wall_ms;
};

struct time_port {
    void *self;
    struct instant (*now)(void *self); /* thread: any */
};

struct entropy_port {
    void *self;
    void (*fill)(void *self, void *out, size_t size); /* thread: any; never fails */
};

/* Where secrets lie, beside the library's file and not through SQLite. Used by weft_open() alone,
 * before the first actor is started; blocks on the disk. */
struct vault_port {
    void *self;
    /* Reads a small file whole into `out` (`room` bytes). Errors: WEFT_NOT_FOUND; WEFT_KEY_FILE
     * (others than its owner may read or write it, its owner is another user, it is no file, or it
     * is larger than `room`: `why` says which, and what command mends it), WEFT_IO. */
    enum weft_status (*load)(void *self, const char *path, uint8_t *out, size_t room, size_t *size,
                             struct weft_error *why);
    /* Makes a file that only its owner may read and that is whole, and on the disk, or not there at
     * all. Errors: WEFT_INVALID (there is one already), WEFT_READ_ONLY, WEFT_DISK_FULL, WEFT_IO. */
    enum weft_status (*make)(void *self, const char *path, const uint8_t *data, size_t size,
                             struct weft_error *why);
    /* What tells this file on this machine from a copy of it: a digest of the machine's id, device,
     * inode and birth time, as far as the system knows them. Errors: WEFT_NOT_FOUND, WEFT_IO. */
    enum weft_status (*stamp)(void *self, const char *path, uint8_t out[32],
                              struct weft_error *why);
};

/* A link or a listening socket, as its net port numbers it; 0 is none. */
typedef uint64_t net_handle;

/* Set by the port, on the thread that owns the port, when something has changed: readable,
 * writable, connected, cut, a connection waits. Cleared by actor_turn() before the step it causes.
 *
 * It tells changes, not states (edge-triggered), so that an actor that does not want to read now
 * costs nothing. Contract: once set, assume that reading, writing and accepting are possible, and
 * remember that. It is set again for reading only after read() has answered WEFT_BUSY, for writing
 * only after write() has, for accepting only after accept() has. An actor that stops before that
 * goes on later by itself. It may also be set without a reason. */
struct net_watch {
    bool ready;
    /* Where it is told as well, so that the thread finds out without asking; NULL: nowhere. */
    struct marks *marks;
    uint32_t place;
};

/* One instance per runner thread; every call is made by that thread and never blocks.
 * Errors fill `why`. After WEFT_CLOSED or WEFT_NET on a link only close() is allowed on it. */
struct net_ops {
    /* Listens; `bound` (WEFT_ADDRESS_MAX) receives the address in use. Errors: WEFT_ADDRESS,
     * WEFT_PORT_IN_USE, WEFT_NET, WEFT_LIMIT. */
    enum weft_status (*listen)(void *self, const char *address, struct net_watch *watch,
                               net_handle *out, char *bound, struct weft_error *why);
    /* Takes one waiting connection; `*transfer` is a number that adopt() of another thread's port
     * understands. WEFT_BUSY: none waits. */
    enum weft_status (*accept)(void *self, net_handle listener, int64_t *transfer,
                               struct weft_error *why);
    /* Lets go of a link so that adopt() of another thread's port can take it up. `link` is gone,
     * also after a failure. */
    enum weft_status (*release)(void *self, net_handle link, int64_t *transfer,
                                struct weft_error *why);
    /* Who is at the other end of a link, as a text without the port ("192.0.2.7", "2001:db8::1"),
     * terminated: what limits per address count by. */
    void (*origin)(void *self, net_handle link, char out[WEFT_ADDRESS_MAX]);
    /* Drops a transfer number that nobody will adopt. Thread: any. */
    void (*discard)(void *self, int64_t transfer);
    enum weft_status (*adopt)(void *self, int64_t transfer, struct net_watch *watch,
                              net_handle *out, struct weft_error *why);
    /* Begins to connect. The first write() or read() tells whether it succeeded. */
    enum weft_status (*dial)(void *self, const char *address, struct net_watch *watch,
                             net_handle *out, struct weft_error *why);
    /* WEFT_OK with *got ≥ 1; WEFT_BUSY: nothing now; WEFT_CLOSED: the other side ended;
     * WEFT_NET: cut or never connected (`why`). */
    enum weft_status (*read)(void *self, net_handle link, void *out, size_t size, size_t *got,
                             struct weft_error *why);
    /* WEFT_OK with *sent ≥ 1; WEFT_BUSY: full or not yet connected; WEFT_NET. */
    enum weft_status (*write)(void *self, net_handle link, const void *data, size_t size,
                              size_t *sent, struct weft_error *why);
    void (*close)(void *self, net_handle handle);
    /* Says whether an address can be used at all, without using it. Thread: any. */
    enum weft_status (*check)(void *self, const char *address, struct weft_error *why);
};

struct net_port {
    void *self;
    const struct net_ops *ops;
};

#endif
