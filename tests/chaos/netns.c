/* Network namespaces, by ip of iproute2. See netns.h. */
#include "tests/chaos/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/chaos/tell.h"

extern char **environ;

#define NETNS_WORDS 16u

/* ---- orders ---------------------------------------------------------------------------------- */

/* Runs `ip` with these words, in the namespace that the thread is in. */
static bool ip_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool ip_run(const char *format, ...) {
    char text[256] = "ip ", *words[NETNS_WORDS + 1] = {NULL}, *rest = text;
    unsigned count = 0;
    posix_spawn_file_actions_t actions;
    va_list values;
    pid_t pid;
    int status = 0;
    va_start(values, format);
    vsnprintf(text + 3, sizeof text - 3, format, values);
    va_end(values);
    while (rest != NULL && count < NETNS_WORDS)
        words[count++] = strsep(&rest, " ");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int error = posix_spawnp(&pid, "ip", &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool file_write(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    const ssize_t wrote = write(file, text, strlen(text));
    close(file);
    return wrote == (ssize_t)strlen(text);
}

static void enter(int space) {
    if (setns(space, CLONE_NEWNET) != 0)
        tell_die("no way into a network namespace: %s", strerror(errno));
}

static int here(void) {
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A namespace of one's own; who is not root becomes it in a namespace of users. */
static bool unshare_net(void) {
    char map[64];
    const unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWNET) == 0) return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    (void)file_write("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", user);
    if (!file_write("/proc/self/uid_map", map)) return false;
    snprintf(map, sizeof map, "0 %u 1", group);
    return file_write("/proc/self/gid_map", map);
}

static bool space_make(int *out, bool *quick) {
    if (!unshare_net()) return false;
    *out = here();
    *quick = *quick && file_write("/proc/sys/net/ipv4/tcp_retries2", "3");
    return *out >= 0 && ip_run("link set lo up");
}

static bool device_settle(struct netns *netns, unsigned device) {
    enter(netns->spaces[device]);
    const bool well =
        ip_run("addr add 10.98.%u.%u/24 dev n%u", device, netns->host[device], device) &&
        ip_run("link set n%u up", device) && ip_run("route add default via 10.98.%u.1", device);
    enter(netns->router);
    return well;
}

static bool device_join(struct netns *netns, unsigned device) {
    return ip_run("link add r%u type veth peer name n%u", device, device) &&
           ip_run("link set n%u netns /proc/%ld/fd/%d", device, (long)getpid(),
                  netns->spaces[device]) &&
           ip_run("addr add 10.98.%u.1/24 dev r%u", device, device) &&
           ip_run("link set r%u up", device) && device_settle(netns, device);
}

static bool refuse(char *why, size_t cap, const char *what) {
    snprintf(why, cap, "%s", what);
    return false;
}

bool netns_open(struct netns *netns, unsigned count, char *why, size_t cap) {
    *netns = (struct netns){.count = count, .router = -1, .quick = true};
    for (unsigned i = 0; i < NETNS_MAX; i++) {
        netns->spaces[i] = -1;
        netns->host[i] = 2;
    }
    if (count > NETNS_MAX) return refuse(why, cap, "too many devices");
    if (!ip_run("-Version")) return refuse(why, cap, "ip, of the package iproute2, is not there");
    if (!space_make(&netns->router, &netns->quick))
        return refuse(why, cap, "no network namespace may be made here");
    if (!file_write("/proc/sys/net/ipv4/ip_forward", "1"))
        return refuse(why, cap, "net.ipv4.ip_forward cannot be set in a namespace");
    for (unsigned i = 0; i < count; i++) {
        if (!space_make(&netns->spaces[i], &netns->quick))
            return refuse(why, cap, "a second network namespace cannot be made");
    }
    enter(netns->router);
    for (unsigned i = 0; i < count; i++) {
        if (!device_join(netns, i)) return refuse(why, cap, "veth cannot be had or set up");
    }
    return true;
}

void netns_close(struct netns *netns) {
    for (unsigned i = 0; i < NETNS_MAX; i++) {
        if (netns->spaces[i] >= 0) close(netns->spaces[i]);
    }
    if (netns->router >= 0) close(netns->router);
}

/* ---- faults ---------------------------------------------------------------------------------- */

void netns_address(const struct netns *netns, unsigned device, char *out, size_t cap) {
    snprintf(out, cap, "10.98.%u.%u", device, netns->host[device]);
}

static void must(bool well, const char *what, unsigned device) {
    if (!well) tell_die("the network of device %u: %s", device, what);
}

void netns_plug(struct netns *netns, unsigned device, bool in) {
    enter(netns->router);
    must(ip_run("link set r%u %s", device, in ? "up" : "down"), "link set", device);
}

void netns_blackhole(struct netns *netns, unsigned device, unsigned to, bool vanishes) {
    enter(netns->spaces[device]);
    must(ip_run("route %s blackhole 10.98.%u.0/24", vanishes ? "add" : "del", to), "route", device);
    enter(netns->router);
}

void netns_move(struct netns *netns, unsigned device) {
    enter(netns->spaces[device]);
    must(ip_run("addr del 10.98.%u.%u/24 dev n%u", device, netns->host[device], device), "addr del",
         device);
    netns->host[device]++;
    must(device_settle(netns, device), "another address", device);
}
