/* Parties: devices of a test.
 *
 * Invariant: every wait ends by its condition or fails the test after PARTY_PATIENCE_MS. */
#include "tests/lib/party.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/base/bytes.h"
#include "engine/engine.h"
#include "engine/net/posix.h"
#include "engine/net/sockets.h"
#include "engine/net/vault.h"

#define PARTY_LOOK_MS 10

const char party_schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                            "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT\n"
                            ") WITHOUT ROWID;\n"
                            "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
                            "  id BLOB PRIMARY KEY,\n"
                            "  location_id BLOB NOT NULL REFERENCES location (id),\n"
                            "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB\n"
                            ") WITHOUT ROWID;\n";

static int64_t party_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A status that must be WEFT_OK, and what was said about it when it is not. */
static void party_must(enum weft_status status, const char *doing, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    fail_msg("%s: %s: %s", doing, weft_status_name(status),
             why != NULL && why->text[0] != '\0' ? why->text : weft_status_text(status));
}

static uint64_t party_commit(struct party *party, weft_tx *tx) {
    (void)party;
    uint64_t ticket = 0;
    party_must(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), "weft_commit_wait", NULL);
    return ticket;
}

static weft_tx *party_begin(struct party *party) {
    weft_tx *tx = NULL;
    party_must(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), "weft_begin_wait", NULL);
    assert_non_null(tx);
    return tx;
}

/* Writes the party's location. Written again after a return it changes nothing. */
static void party_settle(struct party *party) {
    weft_tx *tx = party_begin(party);
    struct weft_value values[] = {weft_blob(party->device, 16), weft_blob(party->device, 16),
                                  weft_text("/home", 5)};
    party_must(weft_put(tx, party->location, values, 3), "weft_put", weft_tx_why(tx));
    party_wait(party, party_commit(party, tx), WEFT_APPLIED, 0);
}

/* What follows an opening: ids, models, a reader. */
static void party_settle_in(struct party *party) {
    struct weft_error why = {0};
    assert_non_null(party->engine);
    weft_device(party->engine, party->device);
    weft_library(party->engine, party->library);
    party->location = weft_model(party->engine, "location");
    party->entry = weft_model(party->engine, "entry");
    assert_true(party->location >= 0 && party->entry >= 0);
    assert_int_equal(weft_column_count(party->engine, party->entry), PARTY_COLUMNS);
    assert_int_equal(weft_column(party->engine, party->entry, "data"), PARTY_DATA);
    party_must(weft_open_reader(party->engine, &party->reader, &why), "weft_open_reader", &why);
}

static void party_open(struct party *party) {
    struct weft_error why = {0};
    enum weft_status status = WEFT_OK;
    if (party->time == NULL) {
        status = weft_open(&party->config, &party->engine, &why);
    } else {
        struct engine_ports ports = {
            .entropy = posix_entropy(), .runner = sockets_ports(), .vault = vault_posix()};
        ports.runner.time = *party->time;
        status = engine_open(&party->config, &ports, &party->engine, &why);
    }
    party_must(status, "weft_open", &why);
    party_settle_in(party);
}

static void party_name(struct party *party, const char *folder, const char *name,
                       const struct weft_config *config) {
    memset(party, 0, sizeof *party);
    int size = snprintf(party->path, sizeof party->path, "%s/%s.db", folder, name);
    assert_in_range(size, 1, sizeof party->path - 1);
    party->config = *config;
    party->config.path = party->path;
    if (party->config.schema == NULL) party->config.schema = party_schema;
}

static void party_come_in(struct party *party, const char *link) {
    struct weft_error why = {0};
    party_must(weft_join(&party->config, link, PARTY_PATIENCE_MS, &party->engine, &why),
               "weft_join", &why);
    party_settle_in(party);
}

void party_forget(struct party *party) {
    struct weft_contact contacts[16];
    struct weft_error why = {0};
    const unsigned count = weft_contacts(party->engine, contacts, 16);
    assert_in_range(count, 0, 16);
    for (unsigned i = 0; i < count; i++)
        for (uint32_t k = 0; k < contacts[i].address_count; k++)
            party_must(weft_forget_address(party->engine, contacts[i].addresses[k].text, &why),
                       "weft_forget_address", &why);
}

void party_start_with(struct party *party, const char *folder, const char *name, struct party *of,
                      const struct weft_config *config) {
    char link[WEFT_LINK_MAX];
    party_name(party, folder, name, config);
    if (of != NULL) {
        party_invite(of, NULL, link);
        party_come_in(party, link);
        assert_memory_equal(party->library, of->library, sizeof party->library);
        /* Opened again, it dials nobody. */
        party_forget(party);
        party_leave(party);
        party_wait_live(of, party, false);
    }
    party_open(party);
    /* A stepped engine writes only when its test says so. */
    if (config->threads != WEFT_THREADS_NONE) party_settle(party);
}

void party_start(struct party *party, const char *folder, const char *name, struct party *of) {
    const struct weft_config config = {0};
    party_start_with(party, folder, name, of, &config);
}

void party_join(struct party *party, const char *folder, const char *name, const char *link) {
    const struct weft_config config = {.name = name};
    party_name(party, folder, name, &config);
    party_come_in(party, link);
    party_settle(party);
}

void party_leave(struct party *party) {
    if (party->engine == NULL) return;
    assert_int_equal(sqlite3_close(party->reader), SQLITE_OK);
    party->reader = NULL;
    weft_close(party->engine);
    party->engine = NULL;
    party->listens = false;
}

void party_return(struct party *party) {
    assert_null(party->engine);
    uint8_t before[16];
    memcpy(before, party->device, sizeof before);
    party_open(party);
    assert_memory_equal(party->device, before, sizeof before);
    if (party->address[0] != '\0') party_listen(party);
}

void party_listen(struct party *party) {
    struct weft_error why = {0};
    char wanted[WEFT_ADDRESS_MAX];
    bool returns = party->address[0] != '\0';
    enum weft_status status;
    if (party->listens) return;
    do {
        if (returns) {
            memcpy(wanted, party->address, sizeof wanted);
        } else {
            snprintf(wanted, sizeof wanted, party->web ? "ws://127.0.0.1:%u/weft" : "127.0.0.1:%u",
                     scratch_port());
        }
        status = weft_listen_wait(party->engine, wanted, party->address, &why);
        /* Somebody else may have taken a port that was free a moment ago. */
    } while (status == WEFT_PORT_IN_USE && !returns);
    party_must(status, "weft_listen_wait", &why);
    assert_string_equal(party->address, wanted);
    party->listens = true;
}

void party_target(const struct party *party, char out[WEFT_ADDRESS_MAX]) {
    char device[ID_TEXT_SIZE];
    struct id id;
    memcpy(id.bytes, party->device, sizeof id.bytes);
    id_text(&id, device);
    int size = snprintf(out, WEFT_ADDRESS_MAX, "%s#%s", party->address, device);
    assert_in_range(size, 1, WEFT_ADDRESS_MAX - 1);
}

void party_invite(struct party *party, const struct weft_invite *options,
                  char link[WEFT_LINK_MAX]) {
    struct weft_error why = {0};
    party_listen(party);
    party_must(weft_invite(party->engine, options, link, WEFT_LINK_MAX, &why), "weft_invite", &why);
    /* The listener carries out orders in turn: when it has answered this one, which cannot be, the
     * invite is good. A program of a test would be faster than it. */
    assert_int_equal(weft_listen_wait(party->engine, party->address, NULL, &why), WEFT_PORT_IN_USE);
}

static bool party_is_live(const struct party *party, const struct party *with) {
    struct weft_peer peers[16];
    unsigned count = weft_peers(party->engine, peers, 16);
    for (unsigned i = 0; i < count && i < 16; i++) {
        if (peers[i].state == WEFT_PEER_LIVE && memcmp(peers[i].device, with->device, 16) == 0)
            return true;
    }
    return false;
}

/* Waits for the next event; false when the time has passed. */
static bool party_event(struct party *party, int64_t deadline, struct weft_event *out) {
    while (!weft_next_event(party->engine, out)) {
        int64_t left = deadline - party_now_ms();
        struct pollfd watched = {weft_event_descriptor(party->engine), POLLIN, 0};
        if (left <= 0 || poll(&watched, 1, (int)left) == 0) return false;
    }
    return true;
}

void party_wait_live(struct party *party, const struct party *with, bool live) {
    int64_t deadline = party_now_ms() + PARTY_PATIENCE_MS;
    struct weft_event event;
    while (party_is_live(party, with) != live) {
        /* That a session ended is told a moment before its slot says so: look again soon. */
        int64_t soon = party_now_ms() + PARTY_LOOK_MS;
        if (party_event(party, live || soon > deadline ? deadline : soon, &event)) continue;
        if (party_now_ms() < deadline) continue;
        fail_msg("%s", live ? "no session came to stand" : "the session did not end");
    }
}

void party_connect(struct party *party, struct party *to) {
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX];
    party_listen(to);
    party_target(to, target);
    party_must(weft_connect(party->engine, target, &why), "weft_connect", &why);
    party_wait_live(party, to, true);
    party_wait_live(to, party, true);
}

void party_wait_members(struct party *party, unsigned count) {
    int64_t deadline = party_now_ms() + PARTY_PATIENCE_MS;
    struct weft_event event;
    while (weft_member_count(party->engine) != count) {
        if (party_event(party, deadline, &event)) continue;
        fail_msg("%u members, not %u", weft_member_count(party->engine), count);
    }
}

void party_id(const struct party *party, uint32_t number, uint8_t id[16]) {
    memcpy(id, party->device, 16);
    for (int i = 0; i < 4; i++)
        id[15 - i] = (uint8_t)(number >> 8 * i);
}

void party_values(const struct party *party, const uint8_t id[16], const char *name, int64_t size,
                  struct weft_value values[PARTY_COLUMNS]) {
    values[PARTY_ID] = weft_blob(id, 16);
    values[PARTY_LOCATION] = weft_blob(party->device, 16);
    values[PARTY_NAME] = weft_text(name, strlen(name));
    values[PARTY_SIZE] = weft_integer(size);
    values[PARTY_RATIO] = weft_real((double)size / 4);
    values[PARTY_DATA] = weft_null();
}

uint64_t party_put(struct party *party, uint32_t number, const char *name, int64_t size) {
    uint8_t id[16];
    struct weft_value values[PARTY_COLUMNS];
    weft_tx *tx = party_begin(party);
    party_id(party, number, id);
    party_values(party, id, name, size, values);
    party_must(weft_put(tx, party->entry, values, PARTY_COLUMNS), "weft_put", weft_tx_why(tx));
    return party_commit(party, tx);
}

uint64_t party_set(struct party *party, uint32_t number, enum party_column column,
                   struct weft_value value) {
    uint8_t id[16];
    weft_tx *tx = party_begin(party);
    party_id(party, number, id);
    struct weft_value key = weft_blob(id, 16);
    party_must(weft_set(tx, party->entry, &key, 1, (int)column, &value), "weft_set",
               weft_tx_why(tx));
    return party_commit(party, tx);
}

uint64_t party_delete(struct party *party, uint32_t number) {
    uint8_t id[16];
    weft_tx *tx = party_begin(party);
    party_id(party, number, id);
    struct weft_value key = weft_blob(id, 16);
    party_must(weft_delete(tx, party->entry, &key, 1), "weft_delete", weft_tx_why(tx));
    return party_commit(party, tx);
}

void party_wait(struct party *party, uint64_t ticket, enum weft_level level, unsigned devices) {
    struct weft_error why = {0};
    party_must(weft_wait(party->engine, ticket, level, devices, PARTY_PATIENCE_MS, &why),
               "weft_wait", &why);
}

void party_wait_failure(struct party *party, uint64_t ticket, enum weft_status status,
                        struct weft_error *why) {
    struct weft_error spare = {0};
    struct weft_error *said = why != NULL ? why : &spare;
    memset(said, 0, sizeof *said);
    enum weft_status got =
        weft_wait(party->engine, ticket, WEFT_DURABLE, 0, PARTY_PATIENCE_MS, said);
    assert_string_equal(weft_status_name(got), weft_status_name(status));
    assert_int_equal(said->status, status);
    assert_string_not_equal(said->text, "");
}

int64_t party_number(struct party *party, const char *sql) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(party->reader, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(party->reader));
    int result = sqlite3_step(statement);
    int64_t number = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(party->reader));
    sqlite3_finalize(statement);
    return number;
}

void party_wait_number(struct party *party, const char *sql, int64_t number) {
    int64_t deadline = party_now_ms() + PARTY_PATIENCE_MS;
    struct weft_event event;
    while (party_number(party, sql) != number) {
        if (party_event(party, deadline, &event)) continue;
        int64_t got = party_number(party, sql);
        if (got == number) fail_msg("%s is %lld, but no event said so", sql, (long long)got);
        fail_msg("%s is %lld, not %lld", sql, (long long)got, (long long)number);
    }
}

void party_wait_event(struct party *party, enum weft_event_kind kind, struct weft_event *out) {
    int64_t deadline = party_now_ms() + PARTY_PATIENCE_MS;
    do {
        if (!party_event(party, deadline, out)) fail_msg("no event of kind %d came", (int)kind);
    } while (out->kind != kind);
}

void party_wait_events(struct party *party, const enum weft_event_kind *kinds, unsigned count,
                       struct weft_event *out) {
    int64_t deadline = party_now_ms() + PARTY_PATIENCE_MS;
    struct weft_event event;
    unsigned missing = count;
    for (unsigned i = 0; i < count; i++)
        out[i].kind = WEFT_EVENT_NONE;
    while (missing != 0) {
        if (!party_event(party, deadline, &event)) fail_msg("%u events did not come", missing);
        for (unsigned i = 0; i < count; i++) {
            if (kinds[i] != event.kind || out[i].kind != WEFT_EVENT_NONE) continue;
            out[i] = event;
            missing--;
            break;
        }
    }
}

void party_stays_quiet(struct party *party, int ms) {
    struct weft_event event;
    if (!party_event(party, party_now_ms() + ms, &event)) return;
    fail_msg("an event of kind %d came: %s", (int)event.kind, event.error.text);
}

void party_assert_equal(const struct party *const *parties, unsigned count) {
    const char *paths[SCRATCH_FILES_MAX];
    assert_in_range(count, 2, SCRATCH_FILES_MAX);
    for (unsigned i = 0; i < count; i++) {
        assert_null(parties[i]->engine);
        paths[i] = parties[i]->path;
    }
    assert_true(scratch_equal(paths, count));
}
