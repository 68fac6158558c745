/* Pairs: see pair.h. */
#include "tests/lib/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static const char schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                             "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT\n"
                             ") WITHOUT ROWID;\n"
                             "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
                             "  id BLOB PRIMARY KEY,\n"
                             "  location_id BLOB NOT NULL REFERENCES location (id),\n"
                             "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB\n"
                             ") WITHOUT ROWID;\n"
                             "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
                             "  id TEXT PRIMARY KEY NOT NULL, name TEXT, color TEXT, made_by BLOB "
                             "/* @node */) WITHOUT ROWID;\n";

struct pair *pair_start(void **state, const struct weft_config *ann,
                        const struct weft_config *bob) {
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    *state = pair;
    scratch_make(pair->folder);
    party_start_with(&pair->a, pair->folder, "a", NULL, ann);
    party_start_with(&pair->b, pair->folder, "b", &pair->a, bob);
    return pair;
}

int pair_open(void **state) {
    const struct weft_config ann = {.schema = schema, .name = "ann"};
    const struct weft_config bob = {.schema = schema, .name = "bob"};
    (void)pair_start(state, &ann, &bob);
    return 0;
}

int pair_apart(void **state) {
    const struct weft_config plain = {0};
    (void)pair_start(state, &plain, &plain);
    return 0;
}

int pair_listen(void **state) {
    (void)pair_apart(state);
    party_listen(&((struct pair *)*state)->a);
    return 0;
}

int pair_meet(void **state) {
    (void)pair_apart(state);
    struct pair *pair = *state;
    party_connect(&pair->a, &pair->b);
    return 0;
}

int pair_close(void **state) {
    struct pair *pair = *state;
    weft_look_close(pair->look);
    party_leave(&pair->a);
    party_leave(&pair->b);
    scratch_remove(pair->folder);
    free(pair);
    return 0;
}

void pair_assert_equal(struct pair *pair) {
    const struct party *parties[] = {&pair->a, &pair->b};
    party_leave(&pair->a);
    party_leave(&pair->b);
    party_assert_equal(parties, 2);
}

void pair_must(enum weft_status status, const struct weft_error *why) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), why->text);
}

weft_look *pair_look(struct pair *pair, const struct party *party) {
    struct weft_error why = {0};
    weft_look_close(pair->look);
    pair_must(weft_look_open(party->path, &pair->look, &why), &why);
    return pair->look;
}

struct weft_value pair_text(const char *value) {
    return weft_text(value, strlen(value));
}

static uint64_t commit(weft_tx *tx) {
    uint64_t ticket = 0;
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    return ticket;
}

static weft_tx *begin(const struct party *party) {
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
    return tx;
}

void pair_put_tag(struct party *party, const char *id, const char *name) {
    const struct weft_value values[] = {pair_text(id), pair_text(name), weft_null(), weft_null()};
    weft_tx *tx = begin(party);
    assert_int_equal(weft_put(tx, weft_model(party->engine, "tag"), values, 4), WEFT_OK);
    party_wait(party, commit(tx), WEFT_DURABLE, 0);
}

void pair_set_tag(struct party *party, const char *id, const char *column, const char *value) {
    const int model = weft_model(party->engine, "tag");
    const struct weft_value key = pair_text(id), cell = pair_text(value);
    weft_tx *tx = begin(party);
    assert_int_equal(weft_set(tx, model, &key, 1, weft_column(party->engine, model, column), &cell),
                     WEFT_OK);
    party_wait(party, commit(tx), WEFT_DURABLE, 0);
}

void pair_delete_tag(struct party *party, const char *id) {
    const struct weft_value key = pair_text(id);
    weft_tx *tx = begin(party);
    assert_int_equal(weft_delete(tx, weft_model(party->engine, "tag"), &key, 1), WEFT_OK);
    party_wait(party, commit(tx), WEFT_DURABLE, 0);
}

/* Changes the file behind the library's back. */
void pair_meddle(struct party *party, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(party->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
