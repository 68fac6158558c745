/* Taking in rows of shared tables that no record says yet: what the tables show afterwards, what
 * the records say, who waits, and what a power cut leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/adopt_shared.h"
#include "engine/store/found.h"
#include "engine/store/statement.h"
#include "tests/lib/replica.h"
#include "tests/sim/rng.h"

#define PATH "/d/a.weft"
#define WALL (UINT64_C(1700000000000) << 16)
#define TEXT (1u << 16)
#define RECORDS 64u

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER NOT NULL DEFAULT 3, weight REAL);\n"
    "CREATE TABLE IF NOT EXISTS object ( -- @shared(create: atomic, id: cas)\n"
    " n INTEGER PRIMARY KEY, cas TEXT NOT NULL UNIQUE, kind INTEGER DEFAULT 7, any,\n"
    " first BLOB -- @node\n"
    ");\n"
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: object, group: tag)\n"
    " tag BLOB NOT NULL, object TEXT NOT NULL, PRIMARY KEY (object, tag)) WITHOUT ROWID;\n";

#define BYTES(hex) "x'" hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex hex "'"
#define ALL_TAGS "SELECT id, name, color, weight FROM tag ORDER BY id"
#define ALL_OBJECTS "SELECT cas, kind, any, first FROM object ORDER BY cas"
#define WAITING                                                                                   \
    "SELECT (SELECT count(*) FROM tag WHERE _weft_clock IS NULL) + (SELECT count(*) FROM object " \
    "WHERE _weft_clock IS NULL) + (SELECT count(*) FROM link WHERE _weft_clock IS NULL)"

/* A library's file on a simulated disk, opened as weft_open() does, by a device whose secret is
 * bytes 0x11. */
struct place {
    struct disk *disk;
    struct pool *pool;
    struct store store;
    struct identity identity;
    struct rng rng;
    struct weft_error why;
    char text[TEXT];
};

static struct instant no_time(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

static int setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    *state = place;
    place->disk = disk_open("adopt", 1, (struct time_port){.now = no_time});
    place->pool = pool_open(0, 0, NULL);
    rng_seed(&place->rng, 1, 1);
    return place->pool == NULL;
}

static void closes(struct place *place) {
    if (place->store.lock != NULL) store_close(&place->store);
    assert_int_equal(pool_held(place->pool), 0);
}

static int teardown(void **state) {
    struct place *place = *state;
    closes(place);
    pool_close(place->pool);
    identity_wipe(&place->identity);
    disk_close(place->disk);
    free(place);
    return 0;
}

static void ok(const struct place *place, enum weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
}

/* Opens the store, founds the library unless it is joining, and does not take in any row. */
static void opens_only(struct place *place, const char *sql, bool joining) {
    struct id library = library_id(0x99);
    const struct entropy_port entropy = rng_entropy(&place->rng);
    uint8_t secret[IDENTITY_SECRET];
    memset(secret, 0x11, sizeof secret);
    closes(place);
    identity_make(&place->identity, secret, &library, 0);
    struct store_seed seed = library_seed(PATH, sql, 1);
    seed.vfs = disk_vfs(place->disk);
    seed.library = &library;
    seed.fresh_device = place->identity.device;
    seed.joining = joining;
    ok(place, store_open(&seed, place->pool, &place->store, &place->why));
    identity_make(&place->identity, secret, &library, place->store.incarnation);
    ok(place, store_found(&place->store, PATH, seed.vfs, &place->identity, "ann", WALL, &entropy,
                          place->pool, &place->why));
}

static enum weft_status try_adopt(struct place *place) {
    return adopt_shared(&place->store, PATH, disk_vfs(place->disk), &place->identity, WALL,
                        place->pool, &place->why);
}

static void opens(struct place *place) {
    opens_only(place, schema, false);
    ok(place, try_adopt(place));
}

static sqlite3 *connects(struct place *place) {
    sqlite3 *db = NULL;
    ok(place, store_connect(PATH, disk_vfs(place->disk), false, 0, &db, &place->why));
    return db;
}

/* As another program would, while no engine has the file. */
static void plain(struct place *place, const char *sql) {
    char *message = NULL;
    closes(place);
    sqlite3 *db = connects(place);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The rows of a query: values as in words.h, `|` between them, and a blank between rows. */
static const char *rows(struct place *place, const char *sql) {
    sqlite3_stmt *query = NULL;
    sqlite3 *db = connects(place);
    struct text text = text_begin(place->text, TEXT);
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    while (sqlite3_step(query) == SQLITE_ROW) {
        if (text.size > 0) text_put(&text, " ");
        for (int c = 0; c < sqlite3_column_count(query); c++) {
            const struct weft_value value = statement_value(query, c);
            if (c > 0) text_put(&text, "|");
            text_value(&text, &value);
        }
    }
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return place->text;
}
#define shows(place, sql, wanted) assert_string_equal(rows(place, sql), wanted)

/* ---- records --------------------------------------------------------------------------------- */

struct log {
    struct arena arena;
    struct record records[RECORDS];
    size_t sizes[RECORDS];
    uint32_t count;
};

/* Reads the records of this device, of which the first is the founding one. */
static struct log *log_read(struct place *place) {
    struct log *log = calloc(1, sizeof *log);
    struct shared_reader *reader = NULL;
    struct shared_entry *entries = NULL;
    bool more = true;
    assert_non_null(log);
    arena_init(&log->arena, place->pool);
    ok(place, shared_reader_open(PATH, disk_vfs(place->disk), &reader, &place->why));
    ok(place, shared_reader_after(reader, 0, RECORDS, 64 << 20, &log->arena, &entries, &log->count,
                                  &more, &place->why));
    shared_reader_close(reader);
    assert_false(more);
    for (uint32_t i = 0; i < log->count; i++) {
        struct record *record = &log->records[i];
        ok(place, record_read(&place->store.library, entries[i].record, record, &place->why));
        log->sizes[i] = entries[i].record.size;
        assert_int_equal(record->seq, i + 1);
        assert_true(record_signed_by(record, place->identity.public.id_pk));
        if (i > 0) assert_memory_equal(record->prev, log->records[i - 1].hash, RECORD_HASH);
        if (i > 0) assert_true(record->hlc > log->records[i - 1].hlc);
    }
    assert_true(log->count == 0 || place->store.clock == log->records[log->count - 1].hlc);
    return log;
}

static void log_drop(struct log *log) {
    arena_drop(&log->arena);
    free(log);
}

/* What the records from number `from` on say. */
static const char *said(struct place *place, uint32_t from) {
    struct log *log = log_read(place);
    struct text text = text_begin(place->text, TEXT);
    for (uint32_t i = from - 1; i < log->count; i++) {
        struct record_op op;
        for (size_t at = 0; record_next(&log->records[i], &at, &op);) {
            if (op.kind != RECORD_OP_CHANGE) continue;
            assert_true(change_sound(op.body, log->records[i].hlc));
            if (text.size > 0) text_put(&text, "\n");
            text_change(&text, op.body);
        }
    }
    log_drop(log);
    return place->text;
}
#define says(place, from, wanted) assert_string_equal(said(place, from), wanted)

/* What another device said with this stamp, as the log takes it in. */
static void hears(struct place *place, uint8_t device, uint64_t hlc, const char *words) {
    const struct record_origin author = {library_id(device), 7};
    struct shared_row_tally tally = {0};
    struct writer *writer = NULL;
    struct arena arena;
    uint32_t origin = 0;
    arena_init(&arena, place->pool);
    ok(place, writer_open(PATH, disk_vfs(place->disk), 0, place->store.models, &place->store.device,
                          &writer, &place->why));
    ok(place, writer_begin(writer, &place->why));
    ok(place, shared_origin(writer, &author, &origin, &place->why));
    ok(place, shared_row_apply(writer, words_body(&arena, words), hlc, origin, &author.device,
                               &tally, &place->why));
    ok(place, shared_row_retry(writer, &tally, &place->why));
    ok(place, writer_commit(writer, &place->why));
    writer_close(writer);
    arena_drop(&arena);
}

/* ---- what is said, and what stays ------------------------------------------------------------ */

static void rows_from_before_are_said_and_stay_as_they_were(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place, "INSERT INTO tag VALUES (" BYTES("01") ", 'red', 5, 0.5), (" BYTES(
                     "02") ", NULL, 6, NULL); INSERT INTO link VALUES "
                           "(" BYTES("01") ", 'abc'), (" BYTES("02") ", "
                                                                     "'abc"
                                                                     "')"
                                                                     ";");
    opens(place);
    shows(place, ALL_TAGS, "@1|red|#5|%0.5 @2|null|#6|null");
    shows(place, "SELECT object, tag FROM link ORDER BY tag", "abc|@1 abc|@2");
    shows(place, WAITING, "#0");
    says(place, 2,
         "tag +@1^1 name=red color=#5 weight=%0.5; +@2 name=null color=#6 weight=null\n"
         "link +abc,@1^1; +abc,@2");
    /* And only once. */
    opens(place);
    says(place, 4, "");
}

static void an_atomic_row_says_what_is_not_null_and_null_where_that_would_not_show(void **state) {
    struct place *place = *state;
    char *before = NULL;
    plain(place, schema);
    plain(place, "INSERT INTO object(n, cas, kind, any) VALUES (5, 'a', 7, x'00'), (6, 'b', NULL, "
                 "'t'), (9, 'c', 1, NULL), (8, '', 2, 0.25);");
    before = strdup(rows(place, "SELECT n, cas, kind, any FROM object ORDER BY cas"));
    opens(place);
    shows(place, "SELECT n, cas, kind, any FROM object ORDER BY cas", before);
    free(before);
    /* As they lie in the file. */
    says(place, 2,
         "object +a^3 kind=#7 any=x00 first=node; +b^2 kind=null any=t first=node; "
         "+^1 kind=#2 any=%0.25 first=node; +c kind=#1 first=node");
}

static void a_row_that_is_taken_in_names_this_device_as_its_writer(void **state) {
    struct place *place = *state;
    char sql[200], device[2 * WEFT_ID_SIZE + 1];
    plain(place, schema);
    plain(place, "INSERT INTO object(cas) VALUES ('a')");
    opens(place);
    for (unsigned i = 0; i < WEFT_ID_SIZE; i++)
        snprintf(device + 2 * i, 3, "%02x", place->identity.device.bytes[i]);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM object WHERE first = x'%s'", device);
    shows(place, sql, "#1");
}

static void triggers_of_the_application_do_not_run(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place, "CREATE TRIGGER t AFTER UPDATE ON tag BEGIN UPDATE tag SET color = 99; END;"
                 "INSERT INTO tag VALUES (" BYTES("01") ", 'red', 5, 0.5)");
    opens(place);
    shows(place, ALL_TAGS, "@1|red|#5|%0.5");
}

static void many_rows_become_several_records_one_behind_the_other(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place,
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
          "INSERT INTO tag SELECT CAST(printf('%016d', 2501 - i) AS BLOB), i, i, i / 4.0 FROM n;"
          "INSERT INTO link SELECT id, color / 400 FROM tag;"
          "CREATE TABLE before AS SELECT * FROM tag");
    opens(place);
    struct log *log = log_read(place);
    assert_int_equal(log->count, 7); /* that of the founder, and two times three */
    log_drop(log);
    shows(place, WAITING, "#0");
    shows(place,
          "SELECT count(*), sum(a.name IS b.name AND a.color IS b.color AND a.weight IS "
          "b.weight) FROM tag AS a JOIN before AS b USING (id)",
          "#2500|#2500");
    /* Each row has a stamp of its own. */
    shows(place, "SELECT count(DISTINCT _weft_clock) FROM tag", "#2500");
}

static void large_rows_become_records_that_are_not_too_large(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7) "
                 "INSERT INTO object(cas, any) SELECT i, zeroblob(50000) FROM n;"
                 "INSERT INTO object(cas, any) VALUES ('y', zeroblob(261000)), ('z', 1);");
    opens(place);
    struct log *log = log_read(place);
    /* Two, two, two; one, as the next is too large to go with it; that; the last. */
    assert_int_equal(log->count, 7);
    for (uint32_t i = 0; i < log->count; i++)
        assert_true(log->sizes[i] <= LIMIT_RECORD);
    log_drop(log);
    shows(place, WAITING, "#0");
    shows(place, "SELECT sum(length(any)) FROM object", "#611001");
}

static void a_row_that_no_record_can_hold_is_refused_before(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place, "INSERT INTO object(cas, any) VALUES ('y', zeroblob(262000))");
    struct store_seed seed = library_seed(PATH, schema, 1);
    seed.vfs = disk_vfs(place->disk);
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_SCHEMA);
    assert_non_null(strstr(place->why.text, "more than the"));
}

static void a_row_that_its_own_table_refuses_is_told(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place, "CREATE UNIQUE INDEX once ON object(first); INSERT INTO object(cas) VALUES ('a'), "
                 "('b');");
    opens_only(place, schema, false);
    assert_int_equal(try_adopt(place), WEFT_SCHEMA);
    assert_int_equal(place->why.status, WEFT_SCHEMA);
    assert_non_null(strstr(place->why.text, "\"object\""));
    assert_non_null(strstr(place->why.text, "UNIQUE"));
    shows(place, WAITING, "#2");
    plain(place, "DROP INDEX once");
    opens(place);
    shows(place, WAITING, "#0");
}

/* ---- who waits ------------------------------------------------------------------------------- */

static void whoever_is_no_member_waits(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(place, "INSERT INTO tag VALUES (" BYTES("01") ", 'red', 5, 0.5)");
    opens_only(place, schema, true);
    ok(place, try_adopt(place));
    struct log *log = log_read(place);
    assert_int_equal(log->count, 0);
    log_drop(log);
    shows(place, WAITING, "#1");
}

static void what_others_say_does_not_touch_a_row_that_waits(void **state) {
    struct place *place = *state;
    plain(place, schema);
    plain(
        place,
        "INSERT INTO tag VALUES (" BYTES("01") ", 'red', 5, 0.5), (" BYTES(
            "02") ", 'blue', 6, NULL), (" BYTES("03") ", 'green', 7, NULL), (" BYTES("05") ", "
                                                                                           "'five',"
                                                                                           " 5, "
                                                                                           "NULL)");
    opens_only(place, schema, false);
    hears(place, 2, WALL - 9, "tag +@1 name=pink color=#5 weight=null more=#1");
    hears(place, 2, WALL - 8, "tag +@2 name=blue color=#6 weight=null");
    hears(place, 2, WALL - 7, "tag +@3 name=g color=#1 weight=null");
    hears(place, 2, WALL - 6, "tag -@3");
    hears(place, 2, WALL - 5, "tag +@4 name=green color=#1 weight=null");
    const char *const all = "@1|red|#5|%0.5 @2|blue|#6|null @3|green|#7|null @5|five|#5|null";
    shows(place, ALL_TAGS, all);
    shows(place, WAITING, "#4");

    /* Then it is a put of the row that others said: what differs is said. One that others have
     * deleted comes back. Of two that cannot stand together, the one that came first stands. */
    ok(place, try_adopt(place));
    says(place, 2,
         "tag ~@1^3 name=red weight=%0.5; +@3^1 name=green color=#7 weight=null; "
         "+@5 name=five color=#5 weight=null");
    shows(place, WAITING, "#0");
    shows(place, ALL_TAGS, "@1|red|#5|%0.5 @2|blue|#6|null @4|green|#1|null @5|five|#5|null");
    shows(place, "SELECT key IS NULL, kind FROM _weft_shadow ORDER BY kind", "#0|#1 #0|#4");
    hears(place, 2, WALL + (1 << 20), "tag ~@2 name=navy; ~@1 weight=%2");
    shows(place, ALL_TAGS, "@1|red|#5|%2 @2|navy|#6|null @4|green|#1|null @5|five|#5|null");
}

/* ---- plain connections ----------------------------------------------------------------------- */

static void a_row_that_a_plain_connection_inserts_is_taken_in_at_the_next_open(void **state) {
    struct place *place = *state;
    opens(place);
    plain(place, "INSERT INTO tag(id, name) VALUES (" BYTES("01") ", 'red')");
    opens(place);
    says(place, 2, "tag +@1 name=red color=#3 weight=null");
    shows(place, WAITING, "#0");
    /* One that was deleted by the library before, and comes back so. */
    hears(place, 2, WALL + (1 << 20), "tag -@1");
    shows(place, ALL_TAGS, "");
    place->store.clock = WALL + (1 << 20);
    plain(place, "INSERT INTO tag(id, name) VALUES (" BYTES(
                     "01") ", 'pink');"
                           "UPDATE _weft_meta SET value = (1700000000000 << 16) + (1 << 20) "
                           "WHERE key = 'clock'");
    opens(place);
    says(place, 3, "tag +@1 name=pink color=#3 weight=null");
    shows(place, ALL_TAGS, "@1|pink|#3|null");
    shows(place, "SELECT count(*) FROM _weft_shadow", "#0");
}

static void changes_and_deletes_by_a_plain_connection_are_not_said(void **state) {
    struct place *place = *state;
    opens(place);
    plain(place,
          "INSERT INTO tag(id, name) VALUES (" BYTES("01") ", 'red'), (" BYTES("02") ", 'blue')");
    opens(place);
    plain(place, "UPDATE tag SET name = 'pink' WHERE name = 'red'; DELETE FROM tag WHERE "
                 "name = 'blue'");
    opens(place);
    says(place, 3, "");
}

static void a_row_with_fields_of_another_version_may_be_deleted_by_a_plain_connection(
    void **state) {
    struct place *place = *state;
    opens(place);
    hears(place, 2, WALL + 1, "tag +@1 name=a color=#1 more=#1; +@2 name=b color=#2 more=#2");
    hears(place, 2, WALL + 2, "tag +@3 name=c color=#3 more=#3");
    plain(place, "DELETE FROM tag; INSERT INTO tag(id, name) VALUES (" BYTES("03") ", 'new')");
    opens(place);
    shows(place, ALL_TAGS, "@3|new|#3|null");
    /* What belongs to no row any more goes at the next opportunity. */
    hears(place, 2, WALL + 3, "link +abc,@1");
    shows(place, "SELECT count(*) FROM _weft_shadow", "#0");
    hears(place, 2, WALL + (1 << 20), "tag ~@1 color=#4");
    hears(place, 2, WALL + (1 << 20), "tag +@2 name=d color=#5 more=#5; ~@3 more=#6");
    shows(place, ALL_TAGS, "@2|d|#5|null @3|new|#3|null");
    shows(place, "SELECT kind FROM _weft_shadow ORDER BY key", "#2 #1 #1");
}

/* Inserted while the library is open, or by one that was no member when it was opened. */
static void a_row_that_waits_can_be_put_and_deleted_by_the_host(void **state) {
    (void)state;
    struct replica *replica = malloc(sizeof *replica);
    assert_non_null(replica);
    replica_open(replica, "adopt-host", REPLICA_ME, schema);
    replica_rows(replica, "INSERT INTO tag(id, name) VALUES (" BYTES("01") ", 'red'), (" BYTES(
                              "02") ", 'blue'), (" BYTES("03") ", 'green')");
    assert_int_equal(replica_try(replica, "tag ~@1 name=pink"), WEFT_NOT_FOUND);
    assert_string_equal(replica_writes(replica, "tag -@1; -@4"), "tag -@1^1");
    assert_string_equal(replica_writes(replica, "tag =@2 name=navy color=#1"),
                        "tag +@2 name=navy color=#1 weight=null");
    replica_hears(replica, 2, 5000, "tag +@3 name=green color=#3 weight=null");
    replica_shows(replica, "SELECT count(*) FROM tag WHERE _weft_clock IS NULL", "#1");
    assert_string_equal(replica_writes(replica, "tag =@3 name=green color=#3"), "");
    replica_shows(replica, "SELECT count(*) FROM tag WHERE _weft_clock IS NULL", "#0");
    replica_shows(replica, ALL_TAGS, "@2|navy|#1|null @3|green|#3|null");
    replica_close(replica);
    free(replica);
}

/* ---- disks that fail ------------------------------------------------------------------------- */

#define LARGE 7u

/* A file with rows for four records. */
static void begins(struct place *place) {
    char sql[200];
    plain(place, schema);
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
             "INSERT INTO object(cas, any) SELECT i, zeroblob(45000) FROM n;",
             LARGE);
    plain(place, sql);
    opens_only(place, schema, false);
}

/* Each row is said once, by this device, and shows. */
static void is_whole(struct place *place) {
    struct log *log = log_read(place);
    bool seen[LARGE + 1] = {false};
    for (uint32_t i = 0; i < log->count; i++) {
        struct record_op op;
        for (size_t at = 0; record_next(&log->records[i], &at, &op);) {
            struct change_reader reader;
            struct change_row row;
            if (op.kind != RECORD_OP_CHANGE) continue;
            change_open(&reader, op.body);
            while (change_next(&reader, &row)) {
                assert_int_equal(row.what, CHANGE_CREATE);
                const int n = *(const char *)row.key[0].as.bytes - '0';
                assert_in_range(n, 1, LARGE);
                assert_false(seen[n]);
                seen[n] = true;
            }
        }
    }
    for (unsigned n = 1; n <= LARGE; n++)
        assert_true(seen[n]);
    log_drop(log);
    shows(place, WAITING, "#0");
    shows(place, "SELECT count(*), sum(length(any)) FROM object", "#7|#315000");
}

/* Loses power at the `point`th operation; true if it was over before. `*part`: some of the rows had
 * been taken in, and not all. */
static bool survives(struct place *place, uint64_t point, enum disk_survival survival, bool *part) {
    disk_close(place->disk);
    place->disk = disk_open("adopt", point, (struct time_port){.now = no_time});
    begins(place);
    disk_crash_after(place->disk, point, survival);
    const bool done = try_adopt(place) == WEFT_OK;
    const bool whole = done && !disk_is_down(place->disk);
    closes(place);
    if (disk_is_down(place->disk)) disk_restart(place->disk);
    disk_crash_after(place->disk, 0, DISK_KEEP_ALL);
    opens_only(place, schema, false);
    const long waiting = strtol(rows(place, WAITING) + 1, NULL, 10);
    assert_true(waiting == 0 || !done);
    *part = waiting > 0 && waiting < (long)LARGE;
    ok(place, try_adopt(place));
    is_whole(place);
    closes(place);
    return whole;
}

static void power_may_be_lost_at_any_point(void **state) {
    struct place *place = *state;
    const enum disk_survival survivals[] = {DISK_KEEP_SYNCED, DISK_KEEP_SOME};
    for (int i = 0; i < 2; i++) {
        unsigned parts = 0;
        bool whole = false;
        for (uint64_t point = 1 + (uint64_t)i; !whole; point += 29) {
            bool part = false;
            whole = survives(place, point, survivals[i], &part);
            parts += part;
        }
        assert_true(parts > 1);
    }
}

static void a_full_disk_is_told_and_the_rest_is_taken_in_later(void **state) {
    struct place *place = *state;
    begins(place);
    disk_set_full(place->disk, true);
    assert_int_equal(try_adopt(place), WEFT_DISK_FULL);
    disk_set_full(place->disk, false);
    shows(place, WAITING, "#7");
    ok(place, try_adopt(place));
    is_whole(place);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(rows_from_before_are_said_and_stay_as_they_were),
        place_test(an_atomic_row_says_what_is_not_null_and_null_where_that_would_not_show),
        place_test(a_row_that_is_taken_in_names_this_device_as_its_writer),
        place_test(triggers_of_the_application_do_not_run),
        place_test(many_rows_become_several_records_one_behind_the_other),
        place_test(large_rows_become_records_that_are_not_too_large),
        place_test(a_row_that_no_record_can_hold_is_refused_before),
        place_test(a_row_that_its_own_table_refuses_is_told),
        place_test(whoever_is_no_member_waits),
        place_test(what_others_say_does_not_touch_a_row_that_waits),
        place_test(a_row_that_a_plain_connection_inserts_is_taken_in_at_the_next_open),
        place_test(changes_and_deletes_by_a_plain_connection_are_not_said),
        place_test(a_row_with_fields_of_another_version_may_be_deleted_by_a_plain_connection),
        cmocka_unit_test(a_row_that_waits_can_be_put_and_deleted_by_the_host),
        place_test(power_may_be_lost_at_any_point),
        place_test(a_full_disk_is_told_and_the_rest_is_taken_in_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
