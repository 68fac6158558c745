/* See links.h.
 *
 *     wait ──► epoll ──► link's edge      ──► watch->ready = true
 *                   └──► wake descriptor  ──► only ends the sleep
 *
 *     handle = generation (32 bits) | place in the table + 1 (32 bits)
 *
 * Descriptors are watched edge-triggered, so that one whose actor does not want to read now does
 * not keep the thread awake; port.h has the contract that follows. The wake descriptor is watched
 * by level: wake_cancel() drains it.
 *
 * Invariants
 *   1. No call blocks but links_wait().
 *   2. An event that was under way when its handle was closed finds another generation and is
 *      dropped. */
#include "engine/net/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define LINKS_EVENTS 64
#define LINKS_FIRST 16u

static struct link *link_find(struct links *links, net_handle handle) {
    uint32_t place = (uint32_t)handle;
    if (place == 0) return NULL;
    CHECK(place <= links->count);
    struct link *link = &links->table[place - 1];
    if (link->state == LINK_FREE || link->generation != (uint32_t)(handle >> 32)) return NULL;
    return link;
}

struct link *links_get(struct links *links, net_handle handle) {
    struct link *link = link_find(links, handle);
    CHECK(link != NULL); /* Closed, or never opened by this port. */
    CHECK(link->descriptor >= 0);
    return link;
}

static struct link *free_place(struct links *links) {
    for (uint32_t i = 0; i < links->count; i++) {
        if (links->table[i].state == LINK_FREE) return &links->table[i];
    }
    uint32_t count = links->count == 0 ? LINKS_FIRST : links->count * 2;
    struct link *table = realloc(links->table, count * sizeof *table);
    if (table == NULL) return NULL;
    memset(table + links->count, 0, (count - links->count) * sizeof *table);
    struct link *first = table + links->count;
    links->table = table;
    links->count = count;
    return first;
}

static enum weft_status fail_native(struct weft_error *why, int native, const char *doing,
                                    const char *what, const char *advice) {
    char reason[128];
    const char *text = strerror_r(native, reason, sizeof reason);
    return status_fail(why, WEFT_LIMIT, native, "%s %s: %s; %s", doing, what, text, advice);
}

enum weft_status links_add(struct links *links, int descriptor, enum link_state state,
                           const char *address, struct net_watch *watch, net_handle *out,
                           struct weft_error *why) {
    CHECK(descriptor >= 0 && state != LINK_FREE);
    CHECK(watch != NULL && out != NULL);
    struct link *link = free_place(links);
    if (link == NULL) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a connection with %s", address);
    }
    uint32_t generation = link->generation + 1;
    net_handle handle = (net_handle)generation << 32 | (uint32_t)(link - links->table + 1);
    uint32_t interest = state == LINK_LISTENING ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    struct epoll_event event = {.events = interest | EPOLLET, .data.u64 = handle};
    if (epoll_ctl(links->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        return fail_native(why, errno, "watching", address,
                           "raise the system's limit of watched descriptors");
    }
    link->generation = generation;
    link->state = state;
    link->descriptor = descriptor;
    link->span = 0;
    link->watch = watch;
    size_t length = strnlen(address, sizeof link->address - 1);
    memcpy(link->address, address, length);
    link->address[length] = '\0';
    *out = handle;
    return WEFT_OK;
}

int links_drop(struct links *links, struct link *link) {
    CHECK(link->state != LINK_FREE && link->descriptor >= 0);
    int descriptor = link->descriptor;
    CHECK(epoll_ctl(links->epoll, EPOLL_CTL_DEL, descriptor, NULL) == 0);
    link->descriptor = -1;
    link->span = 0;
    link->watch = NULL;
    link->state = LINK_FREE;
    return descriptor;
}

/* ---- sleeping ---- */

static int links_sleep(struct links *links, struct epoll_event *events, uint64_t timeout_us) {
    if (timeout_us == 0) return epoll_wait(links->epoll, events, LINKS_EVENTS, 0);
    if (timeout_us == UINT64_MAX) return epoll_wait(links->epoll, events, LINKS_EVENTS, -1);
    if (!links->coarse) {
        struct timespec time = {.tv_sec = (time_t)(timeout_us / 1000000u),
                                .tv_nsec = (long)(timeout_us % 1000000u) * 1000};
        int count = epoll_pwait2(links->epoll, events, LINKS_EVENTS, &time, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        links->coarse = true;
    }
    /* Rounded up: waking too early would only lead to sleeping again. */
    uint64_t ms = timeout_us / 1000u + 1;
    return epoll_wait(links->epoll, events, LINKS_EVENTS, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

void links_wait(struct links *links, uint64_t timeout_us) {
    struct epoll_event events[LINKS_EVENTS];
    int count = links_sleep(links, events, timeout_us);
    CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        struct link *link = link_find(links, events[i].data.u64);
        if (link == NULL) continue;
        link->watch->ready = true;
        if (link->watch->marks != NULL) marks_add(link->watch->marks, link->watch->place);
    }
}

/* ---- the table ---- */

enum weft_status links_open(struct links *links, int wake_descriptor, struct weft_error *why) {
    memset(links, 0, sizeof *links);
    links->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (links->epoll < 0) goto fail;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
    if (wake_descriptor >= 0 &&
        epoll_ctl(links->epoll, EPOLL_CTL_ADD, wake_descriptor, &event) != 0) {
        goto fail;
    }
    return WEFT_OK;

fail:
    (void)fail_native(why, errno, "opening", "a net port", "raise the limit of open files");
    if (links->epoll >= 0) close(links->epoll);
    links->epoll = -1;
    return WEFT_LIMIT;
}

void links_close(struct links *links) {
    CHECK(links->epoll >= 0);
    for (uint32_t i = 0; i < links->count; i++) {
        if (links->table[i].state != LINK_FREE) close(links->table[i].descriptor);
    }
    close(links->epoll);
    free(links->table);
    links->table = NULL;
    links->count = 0;
}
