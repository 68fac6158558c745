/* Strangers at a door for WebSockets: what is no request for a session gets no answer, and what
 * follows a good request is held to the same limits as at the other door. */
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/base/limits.h"
#include "tests/lib/siege.h"

#define KEYS                                               \
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define GOOD                                                       \
    "GET /weft HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEYS \
    "Sec-WebSocket-Protocol: weft.v1\r\n\r\n"

static char door[WEFT_ADDRESS_MAX]; /* host:port of the victim's second door */

/* The friend's session, too, is in a WebSocket. */
static int web_setup(void **state) {
    struct weft_error why = {0};
    char plain[WEFT_ADDRESS_MAX], web[WEFT_ADDRESS_MAX];
    if (siege_setup(state) != 0) return -1;
    struct siege *siege = *state;
    assert_int_equal(weft_listen_wait(siege->victim.engine, "ws://127.0.0.1:0/weft", web, &why),
                     WEFT_OK);
    assert_int_equal(sscanf(web, "ws://%127[^/]/weft", door), 1);
    memcpy(plain, siege->victim.address, sizeof plain);
    memcpy(siege->victim.address, web, sizeof web);
    party_leave(&siege->friend);
    party_return(&siege->friend);
    party_connect(&siege->friend, &siege->victim);
    memcpy(siege->victim.address, plain, sizeof plain);
    siege_rest(siege);
    return 0;
}

/* ---- strangers ------------------------------------------------------------------------------ */

/* A connection that has asked rightly, and been answered; false: hung up on. */
static bool upgraded(struct hostile *line, const char *from) {
    char answer[1024] = "";
    size_t size = 0;
    if (!hostile_dial(line, door, from) || !hostile_say(line, GOOD, strlen(GOOD))) return false;
    while (strstr(answer, "\r\n\r\n") == NULL && size < sizeof answer - 1) {
        struct pollfd watched = {line->fd, POLLIN, 0};
        if (poll(&watched, 1, HOSTILE_PATIENCE_MS) != 1) return false;
        const ssize_t got = recv(line->fd, answer + size, sizeof answer - 1 - size, 0);
        if (got <= 0) return false;
        size += (size_t)got;
        answer[size] = '\0';
    }
    return strncmp(answer, "HTTP/1.1 101", 12) == 0 && strstr(answer, "weft.v1") != NULL;
}

/* A frame of a client, with a mask of zeros; its size. `length` may be more than follows. */
static size_t frame(uint8_t *out, uint8_t first, uint64_t length, const void *body, size_t size) {
    size_t at = 0;
    out[at++] = first;
    if (length < 126) {
        out[at++] = (uint8_t)(0x80 | length);
    } else {
        out[at++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            out[at++] = (uint8_t)(length >> 8 * i);
    }
    memset(out + at, 0, 4);
    if (size != 0) memcpy(out + at + 4, body, size);
    return at + 4 + size;
}

#define TEXT 0x81
#define BINARY 0x82
#define PART 0x02
#define REST 0x80
#define PING 0x89

/* ---- requests ------------------------------------------------------------------------------- */

static void what_is_no_request_for_a_session_is_hung_up_on(void **state) {
    struct siege *siege = *state;
    static const struct {
        const char *name, *bytes;
        bool answered; /* by libwebsockets, with an error of HTTP */
    } cases[] = {
        {"no HTTP", "WFT1\1\0 and more that means nothing\r\n\r\n", true},
        {"a page", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false},
        {"the path as a page", "GET /weft HTTP/1.1\r\nHost: x\r\n\r\n", false},
        {"another path",
         "GET /else HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEYS
         "Sec-WebSocket-Protocol: weft.v1\r\n\r\n",
         false},
        {"a longer path",
         "GET /weft/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEYS
         "Sec-WebSocket-Protocol: weft.v1\r\n\r\n",
         false},
        {"no subprotocol", "GET /weft HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEYS "\r\n",
         false},
        {"another subprotocol",
         "GET /weft HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEYS
         "Sec-WebSocket-Protocol: chat\r\n\r\n",
         false},
        {"a name used inside",
         "GET /weft HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEYS
         "Sec-WebSocket-Protocol: weft-near\r\n\r\n",
         false},
        {"HTTP/2 by upgrade",
         "GET /weft HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
         "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
         false},
        {"HTTP/2 at once", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true},
        {"something else to become",
         "GET /weft HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: irc\r\n\r\n", true},
        {"a tunnel", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", false},
        {"a form", "POST /weft HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\nx=1&y=2",
         false},
        {"no length", "POST /weft HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nx=1", false},
        {"a method that is none", "STEAL /weft HTTP/1.1\r\nHost: x\r\n\r\n", true},
        {"a path out of the tree", "GET /../../weft HTTP/1.1\r\nHost: x\r\n\r\n", false},
        {"bad escapes", "GET /%zz%00%2e%2e/weft HTTP/1.1\r\nHost: x\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hostile line;
        assert_true(hostile_dial(&line, door, NULL));
        (void)hostile_say(&line, cases[i].bytes, strlen(cases[i].bytes));
        if (!hostile_hear_out(&line, HOSTILE_PATIENCE_MS)) fail_msg("%s: stays", cases[i].name);
        if ((line.received != 0) != cases[i].answered) {
            fail_msg("%s: answered with %u bytes", cases[i].name, (unsigned)line.received);
        }
        hostile_hang_up(&line);
    }
    siege_assert_well(siege);
}

static void headers_are_bounded(void **state) {
    struct siege *siege = *state;
    static const char begin[] = "GET /weft HTTP/1.1\r\nHost: x\r\n";
    char line_of[100];
    memset(line_of, 'a', sizeof line_of);
    for (int kind = 0; kind < 3; kind++) {
        struct hostile line;
        assert_true(hostile_dial(&line, door, NULL));
        bool heard = hostile_say(&line, begin, sizeof begin - 1);
        /* 64 MB of one value, of many headers, or of a method. */
        for (int i = 0; i < 640000 && heard; i++) {
            if (kind == 1) memcpy(line_of, "\r\nCookie: ", 10);
            heard = hostile_say(&line, line_of, sizeof line_of);
        }
        assert_true(hostile_hear_out(&line, HOSTILE_PATIENCE_MS));
        hostile_hang_up(&line);
    }
    siege_assert_well(siege);
}

/* Every one of them may hold a place for 5 s, as long as nobody else wants it. */
static void requests_that_never_end_are_cut_off_after_5_s(void **state) {
    enum { CALLS = 100 };
    static struct hostile lines[CALLS];
    struct siege *siege = *state;
    char from[16];
    const uint64_t since = siege_now_us();
    for (uint32_t i = 0; i < CALLS; i++) {
        assert_true(hostile_dial(&lines[i], door, hostile_address(from, 30000 + i)));
        (void)hostile_say(&lines[i], "GET /we", 7);
        if (i % 3 == 0) (void)hostile_say(&lines[i], "ft HTTP/1.1\r\nHost: ", 19);
    }
    siege_assert_well(siege);
    uint32_t waiting = CALLS;
    while (waiting > 0) {
        waiting = 0;
        for (uint32_t i = 0; i < CALLS; i++) {
            if (lines[i].closed) continue;
            if (hostile_hear_out(&lines[i], waiting == 0 ? 20 : 0)) continue;
            (void)send(lines[i].fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
            waiting++;
        }
        assert_true(siege_now_us() - since < 3 * LIMIT_HANDSHAKE_US);
    }
    assert_true(siege_now_us() - since >= LIMIT_HANDSHAKE_US * 9 / 10);
    for (uint32_t i = 0; i < CALLS; i++) {
        assert_int_equal(lines[i].received, 0);
        hostile_hang_up(&lines[i]);
    }
    siege_assert_well(siege);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void frames_that_carry_no_session_end_the_connection(void **state) {
    struct siege *siege = *state;
    uint8_t junk[HANDSHAKE_M1] = {0}, bytes[2 * HANDSHAKE_M1 + 64];
    const struct {
        const char *name;
        uint8_t first;
        uint64_t length;
    } cases[] = {
        {"text", TEXT, sizeof junk},
        {"text in parts", 0x01, sizeof junk},
        {"a rest without a part", REST, sizeof junk},
        {"an opcode that is none", 0x83, sizeof junk},
        {"a bit that is reserved", 0xc2, sizeof junk},
        {"a long ping", PING, sizeof junk},
        {"a ping in parts", 0x09, 4},
        {"a length with its highest bit", BINARY, UINT64_MAX},
        {"junk in place of a session", BINARY, sizeof junk},
        {"the longest message that there can be", BINARY, INT64_MAX},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    struct hostile lines[CASES];
    char from[16];
    for (uint32_t i = 0; i < CASES; i++) {
        assert_true(upgraded(&lines[i], hostile_address(from, 35000 + i)));
        const size_t size = frame(bytes, cases[i].first, cases[i].length, junk, sizeof junk);
        (void)hostile_say(&lines[i], bytes, size);
    }
    /* What libwebsockets ends waits for a farewell, but no longer than the listener. */
    for (uint32_t i = 0; i < CASES; i++) {
        if (!hostile_hear_out(&lines[i], LIMIT_HANDSHAKE_US / 1000 * 3 / 2))
            fail_msg("%s: stays", cases[i].name);
        hostile_hang_up(&lines[i]);
    }
    siege_assert_well(siege);
}

/* Whoever answers nothing and reads nothing gets no more memory by it. */
static void pings_without_end_cost_nothing(void **state) {
    struct siege *siege = *state;
    static uint8_t pings[131 * 500];
    uint8_t body[125] = {0};
    size_t size = 0;
    for (int i = 0; i < 500; i++)
        size += frame(pings + size, PING, sizeof body, body, sizeof body);
    struct hostile line;
    assert_true(upgraded(&line, NULL));
    const uint64_t since = siege_now_us();
    size_t sent = 0;
    /* Not read: the answers have to wait, too. */
    while (siege_now_us() - since < 3 * LIMIT_HANDSHAKE_US) {
        struct pollfd watched = {line.fd, POLLOUT, 0};
        if (poll(&watched, 1, 100) != 1) continue;
        const ssize_t count = send(line.fd, pings, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0) break;
        /* The rest of a ping that was cut off is no ping; that ends the connection as well. */
        sent += (size_t)count;
    }
    assert_true(siege_now_us() - since < 2 * LIMIT_HANDSHAKE_US);
    assert_true(sent > 0);
    hostile_hang_up(&line);
    siege_assert_well(siege);
}

/* ---- on and on ------------------------------------------------------------------------------ */

static void ask_for_pages(struct siege *siege, uint32_t round) {
    static const char *const requests[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /we",
                                           "POST /weft HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"};
    static struct hostile lines[64];
    static uint32_t next;
    char from[16];
    (void)siege;
    for (int i = 0; i < 4; i++) {
        struct hostile *line = &lines[next++ % 64];
        const char *request = requests[(round + (uint32_t)i) % 3];
        if (next > 64) hostile_hang_up(line);
        if (hostile_call(line, door, hostile_address(from, 31000 + next % 1000), 50))
            (void)send(line->fd, request, strlen(request), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void speak_junk(struct siege *siege, uint32_t round) {
    uint8_t junk[2 * HANDSHAKE_M1], bytes[sizeof junk + 64];
    char from[16];
    struct hostile line;
    (void)siege;
    randombytes_buf(junk, sizeof junk);
    if (round % 2 == 0) memcpy(junk, "WFT1\1", 6);
    if (hostile_call(&line, door, hostile_address(from, 33000 + round % 1000), 50)) {
        size_t size = frame(bytes, BINARY, sizeof junk, junk, sizeof junk);
        (void)send(line.fd, GOOD, strlen(GOOD), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)send(line.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        hostile_hang_up(&line);
    }
}

static void commits_go_on_while_a_crowd_asks(void **state) {
    static const struct siege_attack attacks[] = {{"requests for pages", ask_for_pages, 1, 100},
                                                  {"WebSockets with junk", speak_junk, 1, 100}};
    struct siege *siege = *state;
    siege_endure(siege, attacks, sizeof attacks / sizeof *attacks);
    siege_assert_well(siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_request_for_a_session_is_hung_up_on),
        cmocka_unit_test(headers_are_bounded),
        cmocka_unit_test(requests_that_never_end_are_cut_off_after_5_s),
        cmocka_unit_test(frames_that_carry_no_session_end_the_connection),
        cmocka_unit_test(pings_without_end_cost_nothing),
        cmocka_unit_test(commits_go_on_while_a_crowd_asks),
    };
    return cmocka_run_group_tests(tests, web_setup, siege_teardown);
}
