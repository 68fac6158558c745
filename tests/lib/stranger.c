/* A stranger. Its sockets block; every wait ends after PARTY_PATIENCE_MS. */
#include "tests/lib/stranger.h"

#include <arpa/inet.h>
#include <errno.h>
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

#include "engine/net/posix.h"
#include "engine/net/vault.h"
#include "engine/store/keyfile.h"
#include "engine/wire/invite.h"
#include "tests/lib/meeting.h"

/* ---- sockets ---- */

static struct sockaddr_in socket_address(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[WEFT_ADDRESS_MAX];
    snprintf(host, sizeof host, "%s", text);
    char *colon = strrchr(host, ':');
    assert_non_null(colon);
    *colon = '\0';
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return address;
}

int stranger_listen(char text[WEFT_ADDRESS_MAX]) {
    struct sockaddr_in address = socket_address("127.0.0.1:0");
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listening >= 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listening, 4), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    snprintf(text, WEFT_ADDRESS_MAX, "127.0.0.1:%u", ntohs(address.sin_port));
    return listening;
}

static void wait_readable(int descriptor) {
    struct pollfd watched = {descriptor, POLLIN, 0};
    assert_int_equal(poll(&watched, 1, PARTY_PATIENCE_MS), 1);
}

int stranger_accept(int listening) {
    wait_readable(listening);
    int connection = accept(listening, NULL, NULL);
    assert_true(connection >= 0);
    return connection;
}

int stranger_dial(const char *text) {
    struct sockaddr_in address = socket_address(text);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(connection >= 0);
    assert_int_equal(connect(connection, (struct sockaddr *)&address, sizeof address), 0);
    return connection;
}

void stranger_say(int connection, const void *bytes, size_t size) {
    ssize_t wrote = send(connection, bytes, size, MSG_NOSIGNAL);
    assert_true(wrote == (ssize_t)size || errno == EPIPE || errno == ECONNRESET);
}

void stranger_hear(int connection, void *bytes, size_t size) {
    for (size_t heard = 0; heard < size;) {
        wait_readable(connection);
        ssize_t got = recv(connection, (char *)bytes + heard, size - heard, 0);
        assert_true(got > 0);
        heard += (size_t)got;
    }
}

void stranger_hears_nothing(int connection) {
    char byte;
    wait_readable(connection);
    ssize_t got = recv(connection, &byte, 1, 0);
    /* What it left unread makes the system say "reset" instead of "end". */
    if (got != 0 && !(got < 0 && errno == ECONNRESET)) fail_msg("a stranger heard something");
    close(connection);
}

void stranger_is_ignored(const char *address, const void *bytes, size_t size) {
    int connection = stranger_dial(address);
    stranger_say(connection, bytes, size);
    stranger_hears_nothing(connection);
}

/* ---- first messages ---- */

static void aim(struct stranger *stranger, struct party *party) {
    char link[WEFT_LINK_MAX];
    struct invite_link read;
    memset(stranger, 0, sizeof *stranger);
    /* Whoever has a link knows the keys of the device that wrote it. */
    party_invite(party, NULL, link);
    assert_int_equal(invite_read(link, &read, NULL), WEFT_OK);
    stranger->target.device = read.inviter;
    randombytes_buf(stranger->ephemeral, sizeof stranger->ephemeral);
}

void stranger_draw(struct stranger *stranger, struct party *party, const uint8_t library[16]) {
    uint8_t secret[IDENTITY_SECRET];
    struct id id;
    aim(stranger, party);
    memcpy(id.bytes, library, sizeof id.bytes);
    randombytes_buf(secret, sizeof secret);
    identity_make(&stranger->identity, secret, &id, 1);
}

/* The identity of a party, from what lies on its disk. */
static void steal_identity(struct party *party, struct identity *out) {
    const struct vault_port vault = vault_posix();
    const struct entropy_port entropy = posix_entropy();
    uint8_t secret[IDENTITY_SECRET];
    struct weft_error why = {0};
    struct id library;
    bool made = false;
    memcpy(library.bytes, party->library, sizeof library.bytes);
    if (keyfile_open(&vault, &entropy, party->path, false, secret, &made, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    identity_make(
        out, secret, &library,
        (uint64_t)party_number(party, "SELECT value FROM _weft_meta WHERE key = 'incarnation'"));
    assert_memory_equal(out->device.bytes, party->device, sizeof party->device);
}

static void open_key(struct party *party, const struct identity *identity,
                     uint8_t key[LIBRARY_KEY]) {
    sqlite3_stmt *row = NULL;
    const char *sql = "SELECT sealed FROM _weft_key ORDER BY epoch DESC, psk_id DESC LIMIT 1";
    assert_int_equal(sqlite3_prepare_v2(party->reader, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_int_equal(sqlite3_column_bytes(row, 0), LIBRARY_KEY_SEALED);
    assert_true(identity_unseal(identity, sqlite3_column_blob(row, 0), key));
    sqlite3_finalize(row);
}

void stranger_library_key(struct party *party, uint8_t key[LIBRARY_KEY]) {
    struct identity identity;
    steal_identity(party, &identity);
    open_key(party, &identity, key);
}

void stranger_draw_as(struct stranger *stranger, struct party *party, struct party *as) {
    aim(stranger, party);
    steal_identity(as, &stranger->identity);
    open_key(as, &stranger->identity, stranger->target.psk);
}

void stranger_link_key(const char *link, uint8_t key[LIBRARY_KEY]) {
    struct invite_link read;
    assert_int_equal(invite_read(link, &read, NULL), WEFT_OK);
    invite_psk(&read.library, read.secret, key);
}

void stranger_m1(struct stranger *stranger, enum handshake_mode mode, uint8_t m1[HANDSHAKE_M1]) {
    const struct handshake_self self = {
        .identity = &stranger->identity, .ver_min = 1, .ver_max = 1};
    struct handshake handshake = {0};
    struct weft_error why = {0};
    sodium_increment(stranger->ephemeral, sizeof stranger->ephemeral);
    stranger->target.mode = mode;
    if (handshake_dial(&handshake, &self, &stranger->target, stranger->ephemeral, m1, &why) !=
        WEFT_OK)
        fail_msg("%s", why.text);
    handshake_wipe(&handshake);
}

void stranger_repair(const struct stranger *stranger, uint8_t m1[HANDSHAKE_M1]) {
    struct handshake_screen screen;
    handshake_screen_init(&screen, stranger->target.device.x_pk);
    assert_int_equal(crypto_generichash_blake2b(m1 + M1_MAC_AT, HANDSHAKE_M1 - M1_MAC_AT, m1,
                                                M1_MAC_AT, screen.key, sizeof screen.key),
                     0);
}
