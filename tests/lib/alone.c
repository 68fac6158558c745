/* See alone.h. */
#include "tests/lib/alone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/status.h"
#include "engine/engine.h"
#include "engine/net/posix.h"
#include "engine/net/sockets.h"
#include "engine/net/vault.h"

static const char alone_schema[] =
    "CREATE TABLE IF NOT EXISTS note ( -- @owned(owner: device)\n"
    " id BLOB PRIMARY KEY, device BLOB NOT NULL, body TEXT);"
    "CREATE TABLE IF NOT EXISTS place ( -- @owned(owner: device)\n"
    " number INTEGER, name TEXT, device BLOB NOT NULL, size REAL, PRIMARY KEY (name, number));"
    "CREATE TABLE IF NOT EXISTS thing ( -- @owned(owner: device)\n"
    " id BLOB PRIMARY KEY, device BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, by BLOB /* @node */);";

static void name_file(struct alone *alone) {
    (void)snprintf(alone->path, sizeof alone->path, "%s/%u.weft", alone->folder, alone->files);
}

void alone_new(struct alone *alone) {
    memset(alone, 0, sizeof *alone);
    scratch_make(alone->folder);
    alone->disk = disk_open("alone", 1, posix_time());
    name_file(alone);
}

void alone_end(struct alone *alone) {
    alone_close(alone);
    disk_close(alone->disk);
    scratch_remove(alone->folder);
}

void alone_another(struct alone *alone) {
    alone_close(alone);
    alone->files++;
    name_file(alone);
}

static enum weft_status stamp(void *self, const char *path, uint8_t out[32],
                              struct weft_error *why) {
    struct alone *alone = self;
    if (++alone->stamps == alone->stamp_fails)
        return status_fail(why, WEFT_IO, 0, "%s cannot be looked at; try again", path);
    if (disk_file_size(alone->disk, path) < 0)
        return status_fail(why, WEFT_NOT_FOUND, 0, "%s is not there; make it", path);
    memset(out, 0x77, 32);
    return WEFT_OK;
}

enum weft_status alone_open(struct alone *alone) {
    struct weft_config config = alone->config;
    struct vault_port vault = vault_posix();
    vault.self = alone;
    vault.stamp = stamp;
    const struct engine_ports ports = {.entropy = posix_entropy(),
                                       .runner = sockets_ports(),
                                       .vault = vault,
                                       .vfs = disk_vfs(alone->disk)};
    config.path = alone->path;
    config.threads = WEFT_THREADS_NONE;
    if (config.schema == NULL) config.schema = alone_schema;
    enum weft_status status = engine_open(&config, &ports, &alone->engine, &alone->why);
    if (status != WEFT_OK) return status;
    alone->note = weft_model(alone->engine, "note");
    alone->place = weft_model(alone->engine, "place");
    alone->thing = weft_model(alone->engine, "thing");
    alone->tag = weft_model(alone->engine, "tag");
    weft_device(alone->engine, alone->device);
    return WEFT_OK;
}

void alone_close(struct alone *alone) {
    weft_close(alone->engine);
    alone->engine = NULL;
}

void alone_ok(const struct alone *alone, enum weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), alone->why.text);
}

void alone_run(struct alone *alone) {
    uint64_t due = 0;
    do {
        assert_int_equal(weft_step(alone->engine, &due), WEFT_OK);
    } while (due == 0);
}

struct weft_value alone_id(uint32_t number) {
    static uint8_t ids[2][WEFT_ID_SIZE];
    static unsigned next;
    uint8_t *id = ids[next++ % 2];
    memset(id, 0x5a, WEFT_ID_SIZE);
    memcpy(id, &number, sizeof number);
    return weft_blob(id, WEFT_ID_SIZE);
}

static struct weft_value text_of(const char *text) {
    return text == NULL ? weft_null() : weft_text(text, strlen(text));
}

enum weft_status alone_put_note(struct alone *alone, weft_tx *tx, uint32_t number,
                                const char *body) {
    const struct weft_value row[] = {alone_id(number), weft_blob(alone->device, WEFT_ID_SIZE),
                                     text_of(body)};
    return weft_put(tx, alone->note, row, ALONE_NOTE_COLUMNS);
}

enum weft_status alone_put_tag(struct alone *alone, weft_tx *tx, uint32_t number,
                               const char *name) {
    const struct weft_value row[] = {alone_id(number), text_of(name), weft_null()};
    return weft_put(tx, alone->tag, row, ALONE_TAG_COLUMNS);
}

uint64_t alone_commits(struct alone *alone, uint32_t number, const char *body) {
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    assert_int_equal(weft_begin(alone->engine, &tx), WEFT_OK);
    assert_int_equal(alone_put_note(alone, tx, number, body), WEFT_OK);
    assert_int_equal(weft_commit(tx, &ticket), WEFT_OK);
    return ticket;
}

int64_t alone_count(struct alone *alone, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    struct weft_error why = {0};
    if (weft_open_reader(alone->engine, &db, &why) != WEFT_OK) fail_msg("%s", why.text);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    const int64_t count = sqlite3_column_int64(query, 0);
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return count;
}

int alone_setup(void **state) {
    struct alone *alone = calloc(1, sizeof *alone);
    assert_non_null(alone);
    alone_new(alone);
    alone_ok(alone, alone_open(alone));
    *state = alone;
    return 0;
}

int alone_teardown(void **state) {
    alone_end(*state);
    free(*state);
    return 0;
}
