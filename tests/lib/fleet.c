/* See fleet.h. */
#include "tests/lib/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/net/posix.h"
#include "engine/net/sockets.h"
#include "engine/net/vault.h"

#define WALL_MS UINT64_C(1760000000000)
#define TURNS_MAX 30000u

static const char schema[] = "CREATE TABLE IF NOT EXISTS note ( -- @shared(create: unique)\n"
                             "  id TEXT PRIMARY KEY, title TEXT, number INTEGER);\n"
                             "CREATE TABLE IF NOT EXISTS wide ( -- @shared(create: atomic)\n"
                             "  id TEXT PRIMARY KEY, a TEXT, b TEXT);\n"
                             "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: o, group: t)\n"
                             "  o TEXT NOT NULL, t TEXT NOT NULL, weight INTEGER,\n"
                             "  PRIMARY KEY (o, t));\n";

static void must(enum weft_status status, const char *doing, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    fail_msg("%s: %s: %s", doing, weft_status_name(status), why == NULL ? "" : why->text);
}

static struct instant fleet_now(void *self) {
    return ((const struct fleet *)self)->now;
}

void fleet_open(struct fleet *fleet) {
    assert_true(sodium_init() >= 0);
    memset(fleet, 0, sizeof *fleet);
    fleet->now = (struct instant){.mono_us = 1000000, .wall_ms = WALL_MS};
    fleet->steps_ms = 20;
    /* Nothing here is about power cuts: where there is a disk in memory, its syncs cost nothing. */
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    scratch_make(fleet->folder);
    for (unsigned n = 0; n < FLEET_SHIPS; n++) {
        struct ship *ship = &fleet->ships[n];
        ship->fleet = fleet;
        int size = snprintf(ship->path, sizeof ship->path, "%s/%u.db", fleet->folder, n);
        assert_in_range(size, 1, sizeof ship->path - 1);
    }
}

void fleet_close(struct fleet *fleet) {
    for (unsigned n = 0; n < FLEET_SHIPS; n++)
        fleet_leave(fleet, n, false);
    scratch_remove(fleet->folder);
}

static void board(struct ship *ship, const char *invite) {
    struct fleet *fleet = ship->fleet;
    struct weft_error why = {0};
    const struct weft_config config = {
        .path = ship->path, .schema = schema, .threads = WEFT_THREADS_NONE, .invite = invite};
    struct engine_ports ports = {.entropy = posix_entropy(),
                                 .runner = sockets_ports(),
                                 .vault = vault_posix(),
                                 .log_records = fleet->log_records,
                                 .chunk_bytes = fleet->chunk_bytes,
                                 .patience_ms = fleet->patience_ms};
    ports.runner.time = (struct time_port){.self = fleet, .now = fleet_now};
    must(engine_open(&config, &ports, &ship->engine, &why), "engine_open", &why);
    weft_device(ship->engine, ship->device);
    ship->note = weft_model(ship->engine, "note");
    ship->wide = weft_model(ship->engine, "wide");
    ship->link = weft_model(ship->engine, "link");
    assert_true(ship->note >= 0 && ship->wide >= 0 && ship->link >= 0);
    must(weft_open_reader(ship->engine, &ship->reader, &why), "weft_open_reader", &why);
}

static void listen(struct ship *ship) {
    struct weft_error why = {0};
    char wanted[WEFT_ADDRESS_MAX];
    enum weft_status status;
    const bool again = ship->address[0] != 0;
    do {
        if (again) {
            memcpy(wanted, ship->address, sizeof wanted);
        } else {
            snprintf(wanted, sizeof wanted, "127.0.0.1:%u", scratch_port());
        }
        status = weft_listen_wait(ship->engine, wanted, ship->address, &why);
    } while (status == WEFT_PORT_IN_USE && !again);
    must(status, "weft_listen_wait", &why);
}

void fleet_found(struct fleet *fleet, unsigned n) {
    board(&fleet->ships[n], NULL);
    listen(&fleet->ships[n]);
}

static bool is_member(struct fleet *fleet, void *context) {
    const struct ship *ship = context;
    (void)fleet;
    return weft_member_count(ship->engine) > 1;
}

void fleet_come(struct fleet *fleet, unsigned n, unsigned of) {
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    must(weft_invite(fleet->ships[of].engine, NULL, link, sizeof link, &why), "weft_invite", &why);
    fleet_turn(fleet);
    board(&fleet->ships[n], link);
    listen(&fleet->ships[n]);
}

void fleet_join(struct fleet *fleet, unsigned n, unsigned of) {
    fleet_come(fleet, n, of);
    fleet_until(fleet, is_member, &fleet->ships[n]);
}

void fleet_leave(struct fleet *fleet, unsigned n, bool kill) {
    struct ship *ship = &fleet->ships[n];
    if (ship->engine == NULL) return;
    assert_null(ship->tx);
    assert_int_equal(sqlite3_close(ship->reader), SQLITE_OK);
    ship->reader = NULL;
    if (kill) {
        engine_kill(ship->engine);
    } else {
        weft_close(ship->engine);
    }
    ship->engine = NULL;
}

void fleet_return(struct fleet *fleet, unsigned n) {
    board(&fleet->ships[n], NULL);
    listen(&fleet->ships[n]);
}

struct pair {
    const struct ship *from, *to;
};

static bool is_live(struct fleet *fleet, void *context) {
    const struct pair *pair = context;
    struct weft_peer peers[16];
    unsigned count = weft_peers(pair->from->engine, peers, 16);
    (void)fleet;
    for (unsigned i = 0; i < count && i < 16; i++) {
        if (peers[i].state == WEFT_PEER_LIVE &&
            memcmp(peers[i].device, pair->to->device, WEFT_ID_SIZE) == 0)
            return true;
    }
    return false;
}

void fleet_meet(struct fleet *fleet, unsigned n, unsigned to) {
    char target[WEFT_ADDRESS_MAX + 64], device[ID_TEXT_SIZE];
    struct weft_error why = {0};
    struct pair pair = {&fleet->ships[n], &fleet->ships[to]};
    struct id id;
    memcpy(id.bytes, pair.to->device, sizeof id.bytes);
    id_text(&id, device);
    snprintf(target, sizeof target, "%s#%s", pair.to->address, device);
    must(weft_connect(pair.from->engine, target, &why), "weft_connect", &why);
    fleet_until(fleet, is_live, &pair);
}

/* ---- time ------------------------------------------------------------------------------------ */

void fleet_turn(struct fleet *fleet) {
    uint64_t soonest = fleet->steps_ms;
    for (unsigned n = 0; n < FLEET_SHIPS; n++) {
        uint64_t due_ms = 0;
        struct weft_event event;
        if (fleet->ships[n].engine == NULL) continue;
        must(weft_step(fleet->ships[n].engine, &due_ms), "weft_step", NULL);
        if (due_ms < soonest) soonest = due_ms;
        while (weft_next_event(fleet->ships[n].engine, &event))
            continue;
    }
    if (soonest == 0) soonest = 1;
    fleet->now.mono_us += soonest * 1000;
    fleet->now.wall_ms += soonest;
}

void fleet_pass(struct fleet *fleet, uint64_t ms) {
    const uint64_t end = fleet->now.wall_ms + ms;
    while (fleet->now.wall_ms < end)
        fleet_turn(fleet);
}

/* ---- writing --------------------------------------------------------------------------------- */

void fleet_begin(struct fleet *fleet, unsigned n) {
    struct ship *ship = &fleet->ships[n];
    enum weft_status status;
    assert_null(ship->tx);
    while ((status = weft_begin(ship->engine, &ship->tx)) == WEFT_BUSY)
        fleet_turn(fleet);
    must(status, "weft_begin", NULL);
}

static struct weft_value text(const char *said) {
    return said == NULL ? weft_null() : weft_text(said, strlen(said));
}

static void put(struct ship *ship, int model, const struct weft_value values[3]) {
    must(weft_put(ship->tx, model, values, 3), "weft_put", weft_tx_why(ship->tx));
}

void fleet_put_note(struct fleet *fleet, unsigned n, const char *id, const char *title,
                    int64_t number) {
    struct ship *ship = &fleet->ships[n];
    put(ship, ship->note, (struct weft_value[]){text(id), text(title), weft_integer(number)});
}

void fleet_put_wide(struct fleet *fleet, unsigned n, const char *id, const char *a, const char *b) {
    struct ship *ship = &fleet->ships[n];
    put(ship, ship->wide, (struct weft_value[]){text(id), text(a), text(b)});
}

void fleet_put_link(struct fleet *fleet, unsigned n, const char *object, const char *to,
                    int64_t weight) {
    struct ship *ship = &fleet->ships[n];
    put(ship, ship->link, (struct weft_value[]){text(object), text(to), weft_integer(weight)});
}

void fleet_delete(struct fleet *fleet, unsigned n, int model, const char *id) {
    struct ship *ship = &fleet->ships[n];
    const struct weft_value key = text(id);
    must(weft_delete(ship->tx, model, &key, 1), "weft_delete", weft_tx_why(ship->tx));
}

void fleet_commit(struct fleet *fleet, unsigned n) {
    struct ship *ship = &fleet->ships[n];
    enum weft_status status;
    uint64_t ticket = 0;
    while ((status = weft_commit(ship->tx, &ticket)) == WEFT_BUSY)
        fleet_turn(fleet);
    must(status, "weft_commit", NULL);
    ship->tx = NULL;
}

void fleet_note(struct fleet *fleet, unsigned n, const char *id, const char *title,
                int64_t number) {
    fleet_begin(fleet, n);
    fleet_put_note(fleet, n, id, title, number);
    fleet_commit(fleet, n);
}

/* ---- looking --------------------------------------------------------------------------------- */

static sqlite3_stmt *ask(struct ship *ship, const char *sql) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(ship->reader, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(ship->reader));
    return statement;
}

int64_t fleet_number(struct fleet *fleet, unsigned n, const char *sql) {
    sqlite3_stmt *statement = ask(&fleet->ships[n], sql);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* What is wrong may be seen from this, when something does not come to pass. */
static void describe(struct fleet *fleet, unsigned n) {
    static const char *const queries[] = {
        "SELECT count(*) FROM note",
        "SELECT count(*) FROM wide",
        "SELECT count(*) FROM link",
        "SELECT count(*) FROM _weft_shadow",
        "SELECT count(*) FROM shared_changes WHERE keep = 0",
        "SELECT count(*) FROM shared_changes WHERE keep <> 0",
        "SELECT count(*) FROM _weft_member WHERE away_hlc > back_hlc",
        "SELECT count(*) FROM _weft_member",
        "SELECT count(*) FROM _weft_meta WHERE key = 'snapshot'",
        "SELECT count(*) FROM _weft_quarantine",
    };
    struct weft_peer peers[16];
    unsigned count = weft_peers(fleet->ships[n].engine, peers, 16), live = 0;
    for (unsigned i = 0; i < count && i < 16; i++)
        live += peers[i].state == WEFT_PEER_LIVE;
    print_message("ship %u: %u sessions\n", n, live);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        print_message("  %lld = %s\n", (long long)fleet_number(fleet, n, queries[i]), queries[i]);
}

void fleet_until(struct fleet *fleet, bool (*holds)(struct fleet *fleet, void *context),
                 void *context) {
    for (uint32_t turn = 0; turn < TURNS_MAX; turn++) {
        if (holds(fleet, context)) return;
        fleet_turn(fleet);
    }
    for (unsigned n = 0; n < FLEET_SHIPS; n++)
        if (fleet->ships[n].engine != NULL) describe(fleet, n);
    fail_msg("it does not come to pass");
}

/* Whether a query gives the same, row by row. */
static bool same_rows(struct ship *a, struct ship *b, const char *sql) {
    sqlite3_stmt *one = ask(a, sql), *other = ask(b, sql);
    bool same = true;
    for (bool more = true; more && same;) {
        const int code = sqlite3_step(one);
        same = sqlite3_step(other) == code;
        more = code == SQLITE_ROW;
        for (int c = 0; same && more && c < sqlite3_column_count(one); c++) {
            const int size = sqlite3_column_bytes(one, c);
            same = size == sqlite3_column_bytes(other, c) &&
                   sqlite3_column_type(one, c) == sqlite3_column_type(other, c) &&
                   (size == 0 || memcmp(sqlite3_column_blob(one, c), sqlite3_column_blob(other, c),
                                        (size_t)size) == 0);
        }
    }
    sqlite3_finalize(one);
    sqlite3_finalize(other);
    return same;
}

bool fleet_equal(struct fleet *fleet, unsigned a, unsigned b) {
    struct ship *one = &fleet->ships[a], *other = &fleet->ships[b];
    return same_rows(one, other, "SELECT id, title, number FROM note ORDER BY id") &&
           same_rows(one, other, "SELECT id, a, b FROM wide ORDER BY id") &&
           same_rows(one, other, "SELECT o, t, weight FROM link ORDER BY o, t");
}

bool fleet_level(struct fleet *fleet, void *unused) {
    static const char heads[] = "SELECT device, incarnation, seq, hash FROM _weft_origin "
                                "WHERE seq <> 0 ORDER BY device, incarnation";
    struct ship *first = NULL;
    (void)unused;
    for (unsigned n = 0; n < FLEET_SHIPS; n++) {
        struct ship *ship = &fleet->ships[n];
        if (ship->engine == NULL) continue;
        if (first == NULL) first = ship;
        struct weft_stats stats;
        weft_stats(ship->engine, &stats);
        if (stats.door_bytes_held != 0) return false; /* Not all is written. */
        if (first != ship && !same_rows(first, ship, heads)) return false;
    }
    for (unsigned n = 0; n < FLEET_SHIPS; n++) {
        if (fleet->ships[n].engine != NULL && &fleet->ships[n] != first &&
            !fleet_equal(fleet, (unsigned)(first - fleet->ships), n))
            return false;
    }
    return true;
}
