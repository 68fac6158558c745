/* WebSockets as a net port has them: addresses, messages in every shape that the protocol allows,
 * and how many there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "engine/net/address.h"
#include "engine/net/websocket.h"
#include "tests/lib/cable.h"

static void addresses_have_a_scheme_a_number_a_port_and_a_path(void **state) {
    (void)state;
    const struct {
        const char *text, *stream, *host, *path;
        bool tls;
    } cases[] = {
        {"ws://127.0.0.1:7000/weft", "127.0.0.1:7000", "127.0.0.1", "/weft", false},
        {"ws://127.0.0.1:7000", "127.0.0.1:7000", "127.0.0.1", "/weft", false},
        {"ws://127.0.0.1:7000/", "127.0.0.1:7000", "127.0.0.1", "/", false},
        {"wss://[2001:db8::1]:443/a/b", "[2001:db8::1]:443", "2001:db8::1", "/a/b", true},
        {"ws://localhost:80/x.y", "127.0.0.1:80", "127.0.0.1", "/x.y", false},
        {"ws://10.0.0.1:0/...", "10.0.0.1:0", "10.0.0.1", "/...", false},
        {"ws://10.0.0.1:1/~a-b_c!$&'()*+,;=:@", "10.0.0.1:1", "10.0.0.1", "/~a-b_c!$&'()*+,;=:@",
         false},
        {"ws://127.0.0.1:7000/.", NULL, NULL, NULL, false},
        {"ws://127.0.0.1:7000/a/..", NULL, NULL, NULL, false},
        {"ws://127.0.0.1:7000//", NULL, NULL, NULL, false},
        {"ws://127.0.0.1:7000/a/", NULL, NULL, NULL, false},
        {"ws://127.0.0.1:7000/a#b", NULL, NULL, NULL, false},
        {"ws://127.0.0.1:7000/\xc3\xa4", NULL, NULL, NULL, false},
        {"ws://user@127.0.0.1:7000/", NULL, NULL, NULL, false},
        {"WS://127.0.0.1:7000/", NULL, NULL, NULL, false},
        {"wsss://127.0.0.1:7000/", NULL, NULL, NULL, false},
        {"ws:///weft", NULL, NULL, NULL, false},
        {"ws://", NULL, NULL, NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct websocket_address at;
        struct weft_error why = {0};
        assert_true(websocket_is(cases[i].text));
        const enum weft_status status = websocket_read(&at, cases[i].text, &why);
        if ((status == WEFT_OK) != (cases[i].stream != NULL)) fail_msg("%s", cases[i].text);
        if (status != WEFT_OK) {
            assert_int_equal(status, WEFT_ADDRESS);
            continue;
        }
        assert_string_equal(at.stream, cases[i].stream);
        assert_string_equal(at.host, cases[i].host);
        assert_string_equal(at.path, cases[i].path);
        assert_int_equal(at.tls, cases[i].tls);
    }
    assert_false(websocket_is("127.0.0.1:7000"));
    char large[200] = "ws://127.0.0.1:7000/";
    memset(large + 20, 'a', sizeof large - 21);
    assert_int_equal(websocket_read(&(struct websocket_address){0}, large, NULL), WEFT_ADDRESS);
}

/* ---- a client made by hand ------------------------------------------------------------------ */

static int call(const struct cable *cable) {
    struct websocket_address at;
    struct address to;
    assert_int_equal(websocket_read(&at, cable->bound, NULL), WEFT_OK);
    assert_int_equal(address_read(&to, at.stream, NULL), WEFT_OK);
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&to.socket, to.size), 0);
    return descriptor;
}

static void say(int descriptor, const void *bytes, size_t size) {
    assert_int_equal(send(descriptor, bytes, size, MSG_NOSIGNAL), size);
}

static void frame(int descriptor, uint8_t first, const char *text) {
    static const uint8_t mask[4] = {0x5a, 0x00, 0xff, 0x31};
    uint8_t bytes[140] = {first,  (uint8_t)(0x80 | strlen(text)), mask[0], mask[1], mask[2],
                          mask[3]};
    for (size_t i = 0; i < strlen(text); i++)
        bytes[6 + i] = (uint8_t)text[i] ^ mask[i % 4];
    say(descriptor, bytes, 6 + strlen(text));
}

static const char good[] = "GET /weft HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Protocol: weft.v1\r\n\r\n";

/* RFC 6455, section 1.3: what that key is answered with. */
static const char proof[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static void hear(int descriptor, void *out, size_t size) {
    assert_int_equal(recv(descriptor, out, size, MSG_WAITALL), size);
}

static void hear_answer(int descriptor) {
    char answer[1024] = "";
    for (size_t size = 0; strstr(answer, "\r\n\r\n") == NULL; size++) {
        assert_true(size < sizeof answer - 1);
        hear(descriptor, answer + size, 1);
    }
    assert_int_equal(strncmp(answer, "HTTP/1.1 101", 12), 0);
    assert_non_null(strstr(answer, proof));
}

static struct cable_end adopt(struct cable *cable) {
    const int64_t transfer = cable_accept(cable);
    const struct net_port *net = &cable->b.net;
    assert_int_equal(net->ops->adopt(net->self, transfer, &cable->watch_b, &cable->to, NULL),
                     WEFT_OK);
    return cable_b(cable);
}

static void messages_in_parts_with_pings_between_are_one_stream(void **state) {
    struct cable *cable = *state;
    char in[32] = "";
    uint8_t answer[8] = {0};
    cable_listen(cable, cable->kind->address);
    const int line = call(cable);
    const struct cable_end end = adopt(cable);
    /* The request may come in pieces, too, and the first message with it. */
    say(line, good, 30);
    say(line, good + 30, sizeof good - 31);
    frame(line, 0x82, "one ");
    frame(line, 0x02, "two ");
    frame(line, 0x89, "ping");
    frame(line, 0x00, "three ");
    frame(line, 0x80, "");
    frame(line, 0x82, "");
    frame(line, 0x8a, "unasked");
    frame(line, 0x82, "four");
    cable_get_all(end, in, 18);
    assert_string_equal(in, "one two three four");
    hear_answer(line);
    hear(line, answer, 6);
    assert_memory_equal(answer, "\x8a\x04ping", 6);
    cable_put_all(end, "five", 4);
    hear(line, answer, 6);
    assert_memory_equal(answer,
                        "\x82\x04"
                        "five",
                        6);
    /* A close is answered, and is the end. */
    frame(line, 0x88, "\x03\xe8");
    struct weft_error why = {0};
    assert_int_equal(cable_end_of(end, &why), WEFT_CLOSED);
    hear(line, answer, 2);
    assert_int_equal(answer[0], 0x88);
    assert_int_equal(close(line), 0);
}

static void an_end_without_a_close_is_a_cut(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    cable_listen(cable, cable->kind->address);
    const int line = call(cable);
    const struct cable_end end = adopt(cable);
    say(line, good, sizeof good - 1);
    hear_answer(line);
    assert_int_equal(close(line), 0);
    assert_int_equal(cable_end_of(end, &why), WEFT_NET);
    assert_non_null(strstr(why.text, "cut"));
}

static void text_is_no_session(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    cable_listen(cable, cable->kind->address);
    const int line = call(cable);
    const struct cable_end end = adopt(cable);
    say(line, good, sizeof good - 1);
    frame(line, 0x81, "text");
    assert_int_equal(cable_end_of(end, &why), WEFT_NET);
    assert_non_null(strstr(why.text, "no part of a session"));
    assert_int_equal(close(line), 0);
}

/* A server that is none, or another than was meant. */
static void a_dial_to_what_is_no_weft_says_so(void **state) {
    struct cable *cable = *state;
    static const char *const answers[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
        "Sec-WebSocket-Protocol: weft.v1\r\n\r\n",
        "",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const struct net_port *net = &cable->a.net;
        struct weft_error why = {0};
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        char stream[WEFT_ADDRESS_MAX], address[WEFT_ADDRESS_MAX + 16], ask[64];
        const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
        address_text((struct sockaddr *)&at, size, stream);
        (void)snprintf(address, sizeof address, "ws://%s/weft", stream);
        cable->watch_a.ready = false;
        cable_dial(cable, address);
        const int line = accept(listener, NULL, NULL);
        assert_true(line >= 0);
        hear(line, ask, 19);
        assert_memory_equal(ask, "GET /weft HTTP/1.1\r", 19);
        say(line, answers[i], strlen(answers[i]));
        if (answers[i][0] == '\0') assert_int_equal(shutdown(line, SHUT_RDWR), 0);
        if (strncmp(answers[i], "SSH", 3) == 0) assert_int_equal(shutdown(line, SHUT_WR), 0);
        assert_int_equal(cable_end_of(cable_a(cable), &why), WEFT_NET);
        if (strstr(why.text, address) == NULL || strstr(why.text, "check the path") == NULL)
            fail_msg("%s: %s", answers[i], why.text);
        net->ops->close(net->self, cable->from);
        assert_int_equal(close(line), 0);
        assert_int_equal(close(listener), 0);
    }
}

/* ---- how many ------------------------------------------------------------------------------- */

/* Those who come while all spans are taken are turned away; one that ends makes room for one. */
static void there_are_so_many_and_no_more(void **state) {
    enum { MORE = 20 };
    struct cable *cable = *state;
    static int lines[LIMIT_SPANS + MORE];
    static int64_t taken[LIMIT_SPANS];
    const struct net_port *net = &cable->b.net;
    struct rlimit files;
    char byte;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    cable_listen(cable, cable->kind->address);
    for (uint32_t i = 0; i < LIMIT_SPANS; i++) {
        lines[i] = call(cable);
        taken[i] = cable_accept(cable);
    }
    int64_t none = -1;
    for (uint32_t i = 0; i < MORE; i++) {
        lines[LIMIT_SPANS + i] = call(cable);
        cable_wait(cable, &cable->b, &cable->watch_listener);
        assert_int_equal(net->ops->accept(net->self, cable->listener, &none, NULL), WEFT_BUSY);
        assert_int_equal(recv(lines[LIMIT_SPANS + i], &byte, 1, 0), 0);
    }
    for (uint32_t i = 0; i < MORE; i++) {
        net->ops->discard(net->self, taken[i]);
        assert_true(recv(lines[i], &byte, 1, 0) <= 0);
    }
    /* The last one's place is free a moment after its line is closed. */
    for (int64_t found = -1; found < 0;) {
        const int line = call(cable);
        cable_wait(cable, &cable->b, &cable->watch_listener);
        if (net->ops->accept(net->self, cable->listener, &found, NULL) == WEFT_OK)
            net->ops->discard(net->self, found);
        assert_int_equal(close(line), 0);
    }
    for (uint32_t i = MORE; i < LIMIT_SPANS; i++)
        net->ops->discard(net->self, taken[i]);
    for (uint32_t i = 0; i < LIMIT_SPANS + MORE; i++)
        assert_int_equal(close(lines[i]), 0);
}

#define WEB_TEST(test)                                                          \
    cmocka_unit_test_prestate_setup_teardown(test, cable_setup, cable_teardown, \
                                             (void *)(uintptr_t)&cable_websocket)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_a_scheme_a_number_a_port_and_a_path),
        WEB_TEST(messages_in_parts_with_pings_between_are_one_stream),
        WEB_TEST(an_end_without_a_close_is_a_cut),
        WEB_TEST(text_is_no_session),
        WEB_TEST(a_dial_to_what_is_no_weft_says_so),
        WEB_TEST(there_are_so_many_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
