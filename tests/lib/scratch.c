/* Scratch folders.
 *
 * The comparison is made by a process of its own, so that the databases are read as anybody would
 * read them, with none of the engine's connections, locks or memory in the way. */
#include "tests/lib/scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

extern char **environ;

void scratch_make(char folder[SCRATCH_PATH]) {
    const char *parent = getenv("TMPDIR");
    int size = snprintf(folder, SCRATCH_PATH, "%s/weft-test-XXXXXX",
                        parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    assert_in_range(size, 1, SCRATCH_PATH - 1);
    if (mkdtemp(folder) == NULL) fail_msg("no scratch folder \"%s\": %s", folder, strerror(errno));
}

static int scratch_drop(const char *path, const struct stat *stat, int kind, struct FTW *place) {
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

void scratch_remove(const char *folder) {
    assert_non_null(strstr(folder, "weft-test-"));
    nftw(folder, scratch_drop, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

unsigned scratch_port(void) {
    for (;;) {
        uint16_t random;
        assert_int_equal(getrandom(&random, sizeof random, 0), sizeof random);
        struct sockaddr_in address = {.sin_family = AF_INET};
        address.sin_port = htons((uint16_t)(20000 + random % 12000));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        int taken = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (taken == 0) return ntohs(address.sin_port);
    }
}

bool scratch_equal(const char *const *paths, unsigned count) {
    const char *arguments[SCRATCH_FILES_MAX + 3] = {"engine_demo", "compare"};
    assert_in_range(count, 2, SCRATCH_FILES_MAX);
    memcpy(arguments + 2, paths, count * sizeof *paths);
    pid_t pid;
    int status;
    int error = posix_spawn(&pid, WEFT_BINARY_DIR "/engine_demo", NULL, NULL,
                            (char *const *)(uintptr_t)arguments, environ);
    if (error != 0) fail_msg("engine_demo does not start: %s", strerror(error));
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
