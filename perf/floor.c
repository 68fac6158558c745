/* What the machine alone takes; see floor.h. */
#include "perf/floor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "perf/bench.h"

#define PAGE 8192u
#define PAGES 1024u
#define WORD 100u

static const char page[PAGE] = {1};

int floor_open(const char *path) {
    const int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(file >= 0);
    for (unsigned i = 0; i < PAGES; i++)
        CHECK(write(file, page, sizeof page) == (ssize_t)sizeof page);
    CHECK(fsync(file) == 0);
    return file;
}

double floor_sync(int file) {
    if (lseek(file, 0, SEEK_CUR) == (off_t)PAGES * PAGE) CHECK(lseek(file, 0, SEEK_SET) == 0);
    const double started = bench_now();
    CHECK(write(file, page, sizeof page) == (ssize_t)sizeof page);
    CHECK(fdatasync(file) == 0);
    return bench_now() - started;
}

static void undelayed(int peer) {
    const int one = 1;
    CHECK(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
}

static void echo(const struct sockaddr_in *address, unsigned count) {
    char word[WORD];
    const int peer = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(peer >= 0 && connect(peer, (const struct sockaddr *)address, sizeof *address) == 0);
    undelayed(peer);
    for (unsigned i = 0; i < count; i++) {
        CHECK(recv(peer, word, sizeof word, MSG_WAITALL) == (ssize_t)sizeof word);
        CHECK(send(peer, word, sizeof word, MSG_NOSIGNAL) == (ssize_t)sizeof word);
    }
    close(peer);
}

double floor_tcp(unsigned count) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    char word[WORD] = {0};
    double *took = calloc(count, sizeof *took);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(took != NULL && listener >= 0 && count > 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        echo(&address, count);
        _exit(0);
    }
    const int peer = accept(listener, NULL, NULL);
    CHECK(peer >= 0);
    undelayed(peer);
    for (unsigned i = 0; i < count; i++) {
        const double started = bench_now();
        CHECK(send(peer, word, sizeof word, MSG_NOSIGNAL) == (ssize_t)sizeof word);
        CHECK(recv(peer, word, sizeof word, MSG_WAITALL) == (ssize_t)sizeof word);
        took[i] = bench_now() - started;
    }
    close(peer);
    close(listener);
    CHECK(waitpid(child, NULL, 0) == child);
    const double median = bench_median(took, count);
    free(took);
    return median;
}
