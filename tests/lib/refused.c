/* See refused.h. What cannot fail but by a mistake of ours is not here. */
#include "tests/lib/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "engine/base/check.h"

#define NAMES 2u

static _Thread_local struct {
    const char *call; /* NULL: free */
    int error;
    unsigned after, times, refused;
} refusals[NAMES];

void refuse(const char *call, int error, unsigned after, unsigned times) {
    for (unsigned i = 0; i < NAMES; i++) {
        if (refusals[i].call != NULL) continue;
        refusals[i].call = call;
        refusals[i].error = error;
        refusals[i].after = after;
        refusals[i].times = times;
        refusals[i].refused = 0;
        return;
    }
    CHECK(!"two names at a time");
}

bool refuse_end(void) {
    bool all = true;
    for (unsigned i = 0; i < NAMES; i++) {
        all = all && (refusals[i].call == NULL || refusals[i].refused > 0);
        refusals[i].call = NULL;
    }
    return all;
}

/* The error that a call is to fail with, or -1. */
static int refused(const char *call) {
    for (unsigned i = 0; i < NAMES; i++) {
        if (refusals[i].call == NULL || strcmp(refusals[i].call, call) != 0) continue;
        if (refusals[i].after > 0) {
            refusals[i].after--;
        } else if (refusals[i].refused < refusals[i].times) {
            refusals[i].refused++;
            return refusals[i].error;
        }
    }
    return -1;
}

/* As above, left in errno. */
static bool fails(const char *call) {
    const int error = refused(call);
    if (error >= 0) errno = error;
    return error >= 0;
}

#define WRAP(type, name, parameters, arguments)             \
    type __real_##name parameters;                          \
    type __wrap_##name parameters;                          \
    type __wrap_##name parameters {                         \
        return fails(#name) ? -1 : __real_##name arguments; \
    }

WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, socketpair, (int domain, int type, int protocol, int pair[2]),
     (domain, type, protocol, pair))
WRAP(int, setsockopt, (int file, int level, int name, const void *value, socklen_t size),
     (file, level, name, value, size))
WRAP(int, bind, (int file, const struct sockaddr *address, socklen_t size), (file, address, size))
WRAP(int, listen, (int file, int backlog), (file, backlog))
WRAP(int, getsockname, (int file, struct sockaddr *address, socklen_t *size), (file, address, size))
WRAP(int, getpeername, (int file, struct sockaddr *address, socklen_t *size), (file, address, size))
WRAP(int, accept4, (int file, struct sockaddr *address, socklen_t *size, int flags),
     (file, address, size, flags))
WRAP(ssize_t, recv, (int file, void *out, size_t size, int flags), (file, out, size, flags))
WRAP(ssize_t, send, (int file, const void *data, size_t size, int flags), (file, data, size, flags))
WRAP(int, epoll_create1, (int flags), (flags))
WRAP(int, epoll_ctl, (int epoll, int what, int file, struct epoll_event *event),
     (epoll, what, file, event))
WRAP(int, epoll_pwait2,
     (int epoll, struct epoll_event *events, int count, const struct timespec *time,
      const sigset_t *mask),
     (epoll, events, count, time, mask))
WRAP(int, eventfd, (unsigned count, int flags), (count, flags))
WRAP(ssize_t, read, (int file, void *out, size_t size), (file, out, size))
WRAP(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
WRAP(int, fstat, (int file, struct stat *out), (file, out))
WRAP(int, lstat, (const char *path, struct stat *out), (path, out))
WRAP(int, fchmod, (int file, mode_t mode), (file, mode))
WRAP(int, fsync, (int file), (file))
WRAP(int, renameat2,
     (int from_folder, const char *from, int to_folder, const char *to, unsigned flags),
     (from_folder, from, to_folder, to, flags))
WRAP(int, linkat, (int from_folder, const char *from, int to_folder, const char *to, int flags),
     (from_folder, from, to_folder, to, flags))
WRAP(int, statx, (int folder, const char *path, int flags, unsigned mask, struct statx *out),
     (folder, path, flags, mask, out))

int __real_connect(int file, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int file, const struct sockaddr *address, socklen_t size);

int __wrap_connect(int file, const struct sockaddr *address, socklen_t size) {
    const int made = __real_connect(file, address, size);
    const int error = refused("connect");
    if (error > 0) errno = error;
    return error < 0 ? made : error == 0 ? 0 : -1;
}

/* A descriptor that cannot be closed well is closed. */
int __real_close(int file);
int __wrap_close(int file);

int __wrap_close(int file) {
    const int closed = __real_close(file);
    return fails("close") ? -1 : closed;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int folder, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails("openat") ? -1 : __real_openat(folder, path, flags, mode);
}

/* ---- threads: these return the error --------------------------------------------------------- */

#define WRAP_THREAD(name, parameters, arguments)             \
    int __real_##name parameters;                            \
    int __wrap_##name parameters;                            \
    int __wrap_##name parameters {                           \
        const int error = refused(#name);                    \
        return error >= 0 ? error : __real_##name arguments; \
    }

WRAP_THREAD(pthread_create,
            (pthread_t * thread, const pthread_attr_t *attributes, void *(*call)(void *),
             void *context),
            (thread, attributes, call, context))
WRAP_THREAD(pthread_key_create, (pthread_key_t * key, void (*drop)(void *)), (key, drop))
WRAP_THREAD(pthread_setspecific, (pthread_key_t key, const void *value), (key, value))
