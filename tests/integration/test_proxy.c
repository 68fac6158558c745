/* weft behind nginx as docs/examples/nginx.conf sets it up: an unprivileged process on loopback,
 * which the test starts and ends. Without nginx and openssl it ends at once with status 77. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/cable.h"
#include "tests/lib/hostile.h"
#include "tests/lib/party.h"

#define NGINX "/usr/sbin/nginx"
#define OPENSSL "/usr/bin/openssl"
#define EXAMPLE WEFT_SOURCE_DIR "/docs/examples/nginx.conf"
#define SKIPPED 77
#define NOBODY 65534u
#define PATIENCE_MS 20000

struct front {
    char folder[SCRATCH_PATH];
    unsigned weft, plain, tls; /* ports */
    pid_t nginx;               /* 0: does not run */
    int says;                  /* its standard error */
    struct party a, b;
};

/* ---- the configuration ---------------------------------------------------------------------- */

static const char head[] = "daemon off;\n"
                           "worker_processes 1;\n"
                           "pid pid;\n"
                           "error_log stderr notice;\n"
                           "events { worker_connections 512; }\n"
                           "http {\n"
                           "access_log off;\n"
                           "client_body_temp_path body;\n"
                           "proxy_temp_path proxy;\n"
                           "fastcgi_temp_path fastcgi;\n"
                           "uwsgi_temp_path uwsgi;\n"
                           "scgi_temp_path scgi;\n"
                           "include weft.conf;\n"
                           "}\n";

static void write_file(const char *folder, const char *name, const char *text) {
    char path[SCRATCH_PATH + 32];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Puts `with` in the place of `what`, which must be there. */
static void replace(char *text, size_t room, const char *what, const char *with) {
    static char out[8192];
    size_t size = 0;
    bool found = false;
    for (const char *at = text; *at != '\0';) {
        const bool here = strncmp(at, what, strlen(what)) == 0;
        const char *put = here ? with : at;
        const size_t count = here ? strlen(with) : 1;
        assert_true(size + count < sizeof out);
        memcpy(out + size, put, count);
        size += count;
        at += here ? strlen(what) : 1;
        found = found || here;
    }
    out[size] = '\0';
    assert_true(found && size < room);
    memcpy(text, out, size + 1);
}

static void write_configuration(struct front *front) {
    static char text[8192];
    char with[64];
    FILE *file = fopen(EXAMPLE, "re");
    assert_non_null(file);
    const size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    (void)snprintf(with, sizeof with, "listen 127.0.0.1:%u;", front->plain);
    replace(text, sizeof text, "listen 203.0.113.5:80;", with);
    (void)snprintf(with, sizeof with, "listen 127.0.0.1:%u ssl;", front->tls);
    replace(text, sizeof text, "listen 203.0.113.5:443 ssl;", with);
    (void)snprintf(with, sizeof with, "http://127.0.0.1:%u;", front->weft);
    replace(text, sizeof text, "http://127.0.0.1:7000;", with);
    replace(text, sizeof text, "/etc/nginx/weft", "weft");
    write_file(front->folder, "weft.conf", text);
    write_file(front->folder, "nginx.conf", head);
}

static void make_certificate(const struct front *front) {
    char key[SCRATCH_PATH + 16], crt[SCRATCH_PATH + 16];
    (void)snprintf(key, sizeof key, "%s/weft.key", front->folder);
    (void)snprintf(crt, sizeof crt, "%s/weft.crt", front->folder);
    int status = 0;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int quiet = open("/dev/null", O_WRONLY);
        (void)dup2(quiet, STDERR_FILENO);
        (void)execl(OPENSSL, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=somebody else",
                    "-keyout", key, "-out", crt, (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(key, 0644), 0); /* of a proxy that is gone in a moment */
}

/* ---- the process ---------------------------------------------------------------------------- */

/* Reads what nginx says until it has its sockets and starts to work. */
static void wait_for_work(const struct front *front) {
    static char said[8192];
    size_t size = 0;
    said[0] = '\0';
    while (strstr(said, "start worker process") == NULL) {
        struct pollfd watched = {front->says, POLLIN, 0};
        if (poll(&watched, 1, PATIENCE_MS) != 1) fail_msg("nginx does not start: %s", said);
        const ssize_t got = read(front->says, said + size, sizeof said - 1 - size);
        if (got <= 0) fail_msg("nginx has ended: %s", said);
        size += (size_t)got;
        said[size] = '\0';
    }
}

static void nginx_start(struct front *front) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    front->nginx = fork();
    assert_true(front->nginx >= 0);
    if (front->nginx == 0) {
        /* Not more rights than it needs: they are those of nobody. */
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) _exit(1);
        if (dup2(ends[1], STDERR_FILENO) < 0) _exit(1);
        (void)execl(NGINX, "nginx", "-p", front->folder, "-c", "nginx.conf", "-e", "stderr",
                    (char *)NULL);
        _exit(1);
    }
    assert_int_equal(close(ends[1]), 0);
    front->says = ends[0];
    wait_for_work(front);
}

static void nginx_stop(struct front *front) {
    if (front->nginx == 0) return;
    assert_int_equal(kill(front->nginx, SIGTERM), 0);
    assert_int_equal(waitpid(front->nginx, NULL, 0), front->nginx);
    assert_int_equal(close(front->says), 0);
    front->nginx = 0;
}

/* ---- fixtures ------------------------------------------------------------------------------- */

static int front_open(void **state) {
    struct front *front = calloc(1, sizeof *front);
    assert_non_null(front);
    *state = front;
    scratch_make(front->folder);
    assert_int_equal(chmod(front->folder, 0777), 0);
    front->weft = scratch_port();
    front->plain = scratch_port();
    front->tls = scratch_port();
    make_certificate(front);
    write_configuration(front);
    nginx_start(front);
    party_start(&front->a, front->folder, "a", NULL);
    (void)snprintf(front->a.address, sizeof front->a.address, "ws://127.0.0.1:%u/weft",
                   front->weft);
    party_listen(&front->a);
    return 0;
}

static int front_close(void **state) {
    struct front *front = *state;
    if (front->a.engine != NULL) party_leave(&front->a);
    if (front->b.engine != NULL) party_leave(&front->b);
    nginx_stop(front);
    scratch_remove(front->folder);
    free(front);
    return 0;
}

/* b comes in by an invite that names the proxy, and stays. */
static void join(struct front *front, const char *scheme, unsigned port) {
    char address[WEFT_ADDRESS_MAX], link[WEFT_LINK_MAX];
    (void)snprintf(address, sizeof address, "%s://127.0.0.1:%u/weft", scheme, port);
    const struct weft_invite options = {.address = address};
    party_invite(&front->a, &options, link);
    party_join(&front->b, front->folder, "b", link);
    party_wait_live(&front->a, &front->b, true);
}

static void exchange(struct front *front, uint32_t from) {
    uint64_t from_a = 0, from_b = 0;
    for (uint32_t i = from; i < from + 100; i++) {
        from_a = party_put(&front->a, i, "from a", i);
        from_b = party_put(&front->b, i, "from b", i);
    }
    party_wait(&front->a, from_a, WEFT_REPLICATED, 1);
    party_wait(&front->b, from_b, WEFT_REPLICATED, 1);
}

static void assert_equal(struct front *front) {
    party_leave(&front->a);
    party_leave(&front->b);
    const struct party *parties[] = {&front->a, &front->b};
    party_assert_equal(parties, 2);
}

/* ---- sessions through it -------------------------------------------------------------------- */

static void devices_meet_through_it_by_tls(void **state) {
    struct front *front = *state;
    join(front, "wss", front->tls);
    exchange(front, 0);
    assert_equal(front);
}

static void devices_meet_through_it_without_tls(void **state) {
    struct front *front = *state;
    join(front, "ws", front->plain);
    exchange(front, 0);
    assert_equal(front);
}

/* Rows that do not compress, more than all buffers on the way hold. */
static void large_rows_pass_it(void **state) {
    enum { ROWS = 60, SIZE = 200000 };
    struct front *front = *state;
    static uint8_t data[SIZE];
    uint64_t ticket = 0, bits = 1;
    join(front, "wss", front->tls);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct party *from = i % 2 == 0 ? &front->a : &front->b;
        for (size_t at = 0; at < SIZE; at++) {
            bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407;
            data[at] = (uint8_t)(bits >> 56);
        }
        party_put(from, i, "large", i);
        ticket = party_set(from, i, PARTY_DATA, weft_blob(data, SIZE));
        if (i >= ROWS - 2) party_wait(from, ticket, WEFT_REPLICATED, 1);
    }
    assert_int_equal(party_number(&front->a, "SELECT sum(length(data)) FROM entry"), ROWS * SIZE);
    assert_equal(front);
}

static void a_proxy_that_comes_back_is_found_again(void **state) {
    struct front *front = *state;
    join(front, "wss", front->tls);
    nginx_stop(front);
    party_wait_live(&front->b, &front->a, false);
    nginx_start(front);
    exchange(front, 0);
    assert_equal(front);
}

/* ---- dials that lead nowhere ---------------------------------------------------------------- */

static void must_fail(struct cable *cable, const char *scheme, unsigned port, const char *path,
                      const char *says) {
    char address[WEFT_ADDRESS_MAX];
    struct weft_error why = {0};
    (void)snprintf(address, sizeof address, "%s://127.0.0.1:%u%s", scheme, port, path);
    cable->watch_a.ready = false;
    cable_dial(cable, address);
    assert_int_equal(cable_end_of(cable_a(cable), &why), WEFT_NET);
    if (strstr(why.text, address) == NULL || strstr(why.text, says) == NULL)
        fail_msg("%s: %s", address, why.text);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
}

static void dials_that_lead_nowhere_say_where_to_look(void **state) {
    struct front *front = *state;
    void *line = (void *)(uintptr_t)&cable_websocket;
    assert_int_equal(cable_setup(&line), 0);
    must_fail(line, "wss", front->tls, "/else", "check the path");
    must_fail(line, "wss", front->plain, "/weft", "check the path");
    must_fail(line, "ws", front->tls, "/weft", "check the path");
    party_leave(&front->a);
    must_fail(line, "wss", front->tls, "/weft", "check the path");
    nginx_stop(front);
    must_fail(line, "wss", front->tls, "/weft", "nothing listens there");
    assert_int_equal(cable_teardown(&line), 0);
}

/* The proxy's own limits are those that count addresses. */
static void too_many_requests_end_at_the_proxy(void **state) {
    enum { CALLS = 40 };
    static const char request[] = "GET /weft HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct front *front = *state;
    char address[32], answer[64];
    unsigned refused = 0;
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", front->plain);
    for (int i = 0; i < CALLS; i++) {
        struct hostile line;
        memset(answer, 0, sizeof answer);
        assert_true(hostile_dial(&line, address, NULL));
        assert_true(hostile_say(&line, request, sizeof request - 1));
        struct pollfd watched = {line.fd, POLLIN, 0};
        assert_int_equal(poll(&watched, 1, PATIENCE_MS), 1);
        assert_true(recv(line.fd, answer, sizeof answer - 1, 0) > 12);
        if (strncmp(answer, "HTTP/1.1 503", 12) == 0) refused++;
        hostile_hang_up(&line);
    }
    assert_in_range(refused, 1, CALLS - 10);
}

#define FRONT_TEST(test) cmocka_unit_test_setup_teardown(test, front_open, front_close)

int main(void) {
    if (access(NGINX, X_OK) != 0 || access(OPENSSL, X_OK) != 0) {
        printf("not run: it needs " NGINX " and " OPENSSL "; ./dev test proxy installs them\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        FRONT_TEST(devices_meet_through_it_by_tls),
        FRONT_TEST(devices_meet_through_it_without_tls),
        FRONT_TEST(large_rows_pass_it),
        FRONT_TEST(a_proxy_that_comes_back_is_found_again),
        FRONT_TEST(dials_that_lead_nowhere_say_where_to_look),
        FRONT_TEST(too_many_requests_end_at_the_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
