/* Looking into files that are newer, older, damaged, or no libraries: errors, and never a crash. */
#include <fcntl.h>
#include <unistd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/pair.h"

/* ---- files that cannot be looked into ---- */

static void refused(const char *path, enum weft_status status, const char *said) {
    struct weft_error why = {0};
    weft_look *look = (weft_look *)(uintptr_t)1;
    enum weft_status got = weft_look_open(path, &look, &why);
    assert_null(look);
    if (got != status) fail_msg("%s: %s", weft_status_name(got), why.text);
    if (strstr(why.text, said) == NULL) fail_msg("\"%s\" is not in: %s", said, why.text);
}

static void formats_of_other_versions_are_refused(void **state) {
    struct pair *pair = *state;
    party_leave(&pair->a);
    pair_meddle(&pair->a, "UPDATE _weft_meta SET value = 9999 WHERE key = 'format'");
    refused(pair->a.path, WEFT_NEWER, "9999");
    pair_meddle(&pair->a, "UPDATE _weft_meta SET value = 1 WHERE key = 'format'");
    refused(pair->a.path, WEFT_UNSUPPORTED, "format 1");
    pair_meddle(&pair->a, "UPDATE _weft_meta SET value = 'x' WHERE key = 'format'");
    refused(pair->a.path, WEFT_CORRUPT, "format");
}

static void what_is_no_library_is_refused(void **state) {
    struct pair *pair = *state;
    char path[SCRATCH_PATH + 16];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/none.db", pair->folder);
    refused(path, WEFT_NOT_FOUND, "none.db");
    assert_int_not_equal(access(path, F_OK), 0);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (unsigned i = 0; i < 500; i++)
        fputs("this is no database, ", file);
    fclose(file);
    refused(path, WEFT_NOT_A_DATABASE, "none.db");
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    refused(path, WEFT_NOT_FOUND, "no library");
    refused(pair->folder, WEFT_NOT_A_DATABASE, "folder");
}

/* ---- damage ---- */

static void ignore_fault(void *context, const char *fault) {
    assert_non_null(fault);
    ++*(unsigned *)context;
}
static void ignore_member(void *context, const struct weft_look_member *member) {
    *(unsigned *)context += member->member.self;
}
static void ignore_ack(void *context, const struct weft_look_ack *ack) {
    *(unsigned *)context += ack->away;
}
static void ignore_stream(void *context, const struct weft_look_stream *stream) {
    *(unsigned *)context += stream->frozen;
}
static void ignore_table(void *context, const struct weft_look_table *table) {
    *(unsigned *)context += table->shared;
}
static void ignore_digest(void *context, const struct weft_look_digest *digest) {
    *(unsigned *)context += !digest->sound;
}
static void ignore_record(void *context, const struct weft_look_record *record) {
    *(unsigned *)context += record->seal != WEFT_SEAL_SIGNED || record->chain == WEFT_CHAIN_BROKEN;
}
static void ignore_field(void *context, const struct weft_look_field *field) {
    *(unsigned *)context += field->hidden;
}
static void ignore_write(void *context, const struct weft_look_write *write) {
    *(unsigned *)context += write->stands;
}
static void ignore_lack(void *context, const struct weft_look_lack *lack) {
    *(unsigned *)context += lack->away;
}
static void ignore_op(void *context, const struct weft_look_op *op) {
    *(unsigned *)context += op->field_count > 256;
}

/* A failure is one of these, and says something; `found` is whether anything was amiss. */
static void is_failure(enum weft_status status, struct weft_error *why, unsigned *found) {
    if (status == WEFT_OK) return;
    ++*found;
    if (status != WEFT_CORRUPT && status != WEFT_NOT_A_DATABASE && status != WEFT_IO &&
        status != WEFT_SCHEMA && status != WEFT_NOT_FOUND && status != WEFT_NEWER &&
        status != WEFT_UNSUPPORTED && status != WEFT_LIMIT && status != WEFT_INTEGER_KEY)
        fail_msg("%s: %s", weft_status_name(status), why->text);
    assert_string_not_equal(why->text, "");
    *why = (struct weft_error){0};
}

/* Everything that can be asked, of a file that may hold anything; how much was amiss. */
static unsigned look_everywhere(const char *path) {
    struct weft_error why = {0};
    struct weft_look_library library;
    struct weft_look_row row;
    unsigned found = 0, other = 0;
    const struct weft_look_log log = {&found, ignore_record, ignore_op};
    const struct weft_value keys[] = {pair_text("one"), pair_text("two")};
    const struct weft_look_known visit = {&other, ignore_field, ignore_write, ignore_lack};
    weft_look *look = NULL;
    is_failure(weft_look_open(path, &look, &why), &why, &found);
    if (look == NULL) return found;
    is_failure(weft_look_library(look, &library, &why), &why, &found);
    is_failure(weft_look_members(look, &other, ignore_member, &why), &why, &found);
    is_failure(weft_look_acks(look, &other, ignore_ack, &why), &why, &found);
    is_failure(weft_look_streams(look, &found, ignore_stream, &why), &why, &found);
    is_failure(weft_look_tables(look, &other, ignore_table, &why), &why, &found);
    is_failure(weft_look_records(look, 0, &log, &why), &why, &found);
    for (unsigned k = 0; k < 2; k++)
        is_failure(weft_look_row(look, "tag", &keys[k], 1, &visit, &row, &why), &why, &found);
    is_failure(weft_look_digests(look, &found, ignore_digest, &why), &why, &found);
    is_failure(weft_look_integrity(look, &found, ignore_fault, &why), &why, &found);
    weft_look_close(look);
    return found;
}

static void a_damaged_file_gives_errors_and_never_a_crash(void **state) {
    struct pair *pair = *state;
    unsigned noticed = 0;
    uint32_t random = 12345;
    pair_put_tag(&pair->a, "one", "first");
    pair_set_tag(&pair->a, "one", "name", "second");
    pair_put_tag(&pair->a, "two", "third");
    pair_delete_tag(&pair->a, "two");
    party_wait(&pair->a, party_put(&pair->a, 1, "file", 1), WEFT_DURABLE, 0);
    party_leave(&pair->a);
    pair_meddle(&pair->a, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(look_everywhere(pair->a.path), 0);
    int file = open(pair->a.path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    const off_t size = lseek(file, 0, SEEK_END);
    for (unsigned i = 0; i < 120; i++) {
        uint8_t before[64], after[64];
        random = random * 1664525u + 1013904223u;
        /* Every other time the head of a page, of which most are empty otherwise. */
        const off_t any = (off_t)((random >> 8) % (uint32_t)(size - 64));
        const off_t at = i % 2 == 0 ? any : any & ~(off_t)8191;
        assert_int_equal(pread(file, before, sizeof before, at), sizeof before);
        for (unsigned b = 0; b < sizeof after; b++) {
            random = random * 1664525u + 1013904223u;
            after[b] = (uint8_t)(random >> 24);
        }
        assert_int_equal(pwrite(file, after, sizeof after, at), sizeof after);
        noticed += look_everywhere(pair->a.path) > 0;
        assert_int_equal(pwrite(file, before, sizeof before, at), sizeof before);
    }
    close(file);
    assert_true(noticed > 60);
    assert_int_equal(look_everywhere(pair->a.path), 0);
}

/* What the engine's own tables may hold when SQLite finds nothing wrong. */
static void rows_that_say_something_else_give_errors(void **state) {
    struct pair *pair = *state;
    static const char *const spoils[] = {
        "UPDATE tag SET _weft_clock = x'0102'",
        "UPDATE tag SET _weft_clock = 'text'",
        "UPDATE _weft_shadow SET clock = x''",
        "UPDATE _weft_shadow SET kind = 9",
        "UPDATE shared_changes SET record = x'00' WHERE place = 2",
        "UPDATE shared_changes SET record = 'text', hlc = -1",
        "UPDATE _weft_origin SET hash = zeroblob(32)",
        ("UPDATE _weft_origin SET proof = x'00', pruned = 2; "
         "DELETE FROM shared_changes WHERE place <= 2"),
        "UPDATE _weft_member SET id_pk = x'00'",
        "UPDATE _weft_meta SET value = x'00' WHERE key = 'device'",
        "DELETE FROM _weft_meta WHERE key = 'library'",
        "UPDATE _weft_field SET field = 1000 WHERE name = 'name'",
        "DROP TABLE _weft_digest",
    };
    pair_put_tag(&pair->a, "one", "first");
    pair_put_tag(&pair->a, "two", "second");
    pair_delete_tag(&pair->a, "two");
    party_leave(&pair->a);
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        struct party copy = pair->a;
        char sql[2 * SCRATCH_PATH];
        snprintf(copy.path, sizeof copy.path, "%s/copy.db", pair->folder);
        snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy.path);
        pair_meddle(&pair->a, sql);
        assert_int_equal(look_everywhere(copy.path), 0);
        pair_meddle(&copy, spoils[i]);
        if (look_everywhere(copy.path) == 0) fail_msg("nobody has noticed: %s", spoils[i]);
        unlink(copy.path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(formats_of_other_versions_are_refused),
        PAIR_TEST(what_is_no_library_is_refused),
        PAIR_TEST(a_damaged_file_gives_errors_and_never_a_crash),
        PAIR_TEST(rows_that_say_something_else_give_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
