/* Looking into a library without opening it: what is seen while an engine has it open of members,
 * streams and the shared log. One row: test_look_row.c; files that are damaged: test_look_bad.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/pair.h"

/* ---- the library, its members and streams ---- */

static void a_library_is_seen_while_an_engine_has_it_open(void **state) {
    struct pair *pair = *state;
    struct weft_look_library library;
    struct weft_error why = {0};
    pair_put_tag(&pair->a, "one", "first");
    pair_must(weft_look_library(pair_look(pair, &pair->a), &library, &why), &why);
    assert_memory_equal(library.library, pair->a.library, 16);
    assert_memory_equal(library.device, pair->a.device, 16);
    assert_int_equal(library.members, 2);
    assert_int_equal(library.removed, 0);
    assert_int_equal(library.records, 3); /* founding, adding bob, the tag */
    assert_true(library.record_bytes > 3 * 144);
    assert_true(library.file_bytes > 0 && library.wal_bytes > 0);
    assert_true(library.clock >> 16 > 1700000000000);
    assert_false(library.joining);
}

struct list {
    unsigned count;
    struct weft_look_member members[4];
    struct weft_look_table tables[8];
    struct weft_look_column columns[8];
    struct weft_look_ack acks[32];
};

static void take_member(void *context, const struct weft_look_member *member) {
    struct list *list = context;
    assert_true(list->count < 4);
    list->members[list->count++] = *member;
}

static void members_are_listed_this_one_first(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct list list = {0};
    pair_must(weft_look_members(pair_look(pair, &pair->b), &list, take_member, &why), &why);
    assert_int_equal(list.count, 2);
    assert_true(list.members[0].member.self);
    assert_string_equal(list.members[0].member.name, "bob");
    assert_string_equal(list.members[1].member.name, "ann");
    assert_memory_equal(list.members[0].added_by, pair->a.device, 16);
    assert_true(list.members[0].added > list.members[1].added);
}

static void a_removed_member_is_listed_as_such(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct list list = {0};
    uint64_t ticket = 0;
    assert_int_equal(weft_revoke(pair->a.engine, pair->b.device, &ticket), WEFT_OK);
    party_wait(&pair->a, ticket, WEFT_DURABLE, 0);
    pair_must(weft_look_members(pair_look(pair, &pair->a), &list, take_member, &why), &why);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.members[1].member.state, WEFT_MEMBER_REMOVED);
    assert_true(list.members[1].removed > list.members[1].added);
}

static void take_table(void *context, const struct weft_look_table *table) {
    struct list *list = context;
    assert_true(list->count < 8);
    list->tables[list->count++] = *table;
}

static void take_column(void *context, const struct weft_look_column *column) {
    struct list *list = context;
    assert_true(list->count < 8);
    list->columns[list->count++] = *column;
}

static void tables_are_counted_with_what_was_deleted(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct list list = {0}, columns = {0};
    pair_put_tag(&pair->a, "one", "first");
    pair_put_tag(&pair->a, "two", "second");
    pair_delete_tag(&pair->a, "two");
    party_wait(&pair->a, party_put(&pair->a, 1, "file", 1), WEFT_DURABLE, 0);
    pair_must(weft_look_tables(pair_look(pair, &pair->a), &list, take_table, &why), &why);
    assert_int_equal(list.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const bool tag = strcmp(list.tables[i].name, "tag") == 0;
        assert_int_equal(list.tables[i].rows, 1);
        assert_int_equal(list.tables[i].shared, tag);
        assert_int_equal(list.tables[i].deleted, tag ? 1 : 0);
    }
    pair_must(weft_look_columns(pair->look, "TAG", &columns, take_column, &why), &why);
    assert_int_equal(columns.count, 4);
    assert_int_equal(columns.columns[0].key_place, 0);
    assert_int_equal(columns.columns[0].type, WEFT_TEXT);
    assert_true(columns.columns[3].node);
    assert_int_equal(weft_look_columns(pair->look, "none", &columns, take_column, &why),
                     WEFT_NOT_FOUND);
}

static void take_ack(void *context, const struct weft_look_ack *ack) {
    struct list *list = context;
    assert_true(list->count < 32);
    list->acks[list->count++] = *ack;
}

/* How far bob is behind, as ann has heard: rows of entry, and records. */
static void behind_of_bob(struct pair *pair, uint64_t *rows, uint64_t *records) {
    struct weft_error why = {0};
    struct list list = {0};
    *rows = *records = 0;
    pair_must(weft_look_acks(pair_look(pair, &pair->a), &list, take_ack, &why), &why);
    for (unsigned i = 0; i < list.count; i++) {
        assert_memory_equal(list.acks[i].device, pair->b.device, 16);
        if (list.acks[i].table == NULL) *records += list.acks[i].behind;
        if (list.acks[i].table != NULL && strcmp(list.acks[i].table, "entry") == 0)
            *rows += list.acks[i].behind;
    }
}

static void how_far_a_member_is_behind_is_counted_in_rows_and_records(void **state) {
    struct pair *pair = *state;
    uint64_t rows = 0, records = 0;
    party_connect(&pair->b, &pair->a);
    do {
        behind_of_bob(pair, &rows, &records);
    } while (rows + records > 0);
    party_leave(&pair->b);
    party_wait_live(&pair->a, &pair->b, false);
    for (uint32_t i = 1; i <= 3; i++)
        party_wait(&pair->a, party_put(&pair->a, i, "file", 1), WEFT_DURABLE, 0);
    party_wait(&pair->a, party_delete(&pair->a, 3), WEFT_DURABLE, 0);
    pair_put_tag(&pair->a, "one", "first");
    pair_put_tag(&pair->a, "two", "second");
    behind_of_bob(pair, &rows, &records);
    assert_int_equal(rows, 3); /* two rows, one deletion */
    assert_int_equal(records, 2);
    party_return(&pair->b);
    party_connect(&pair->b, &pair->a);
    do {
        behind_of_bob(pair, &rows, &records);
    } while (rows + records > 0);
}

struct streams {
    unsigned entries, logs;
    uint64_t rows, records, missing;
};

static void take_stream(void *context, const struct weft_look_stream *stream) {
    struct streams *streams = context;
    if (stream->table == NULL) {
        streams->logs++;
        streams->records += stream->rows;
        streams->missing += stream->missing;
        assert_int_equal(stream->horizon, 0);
    } else if (strcmp(stream->table, "entry") == 0) {
        streams->entries++;
        streams->rows += stream->rows;
        assert_true(stream->position >> 16 > 1700000000000);
    }
}

static void streams_are_those_of_owned_rows_and_of_the_log(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct streams streams = {0};
    party_wait(&pair->a, party_put(&pair->a, 1, "file", 1), WEFT_DURABLE, 0);
    party_wait(&pair->a, party_put(&pair->a, 2, "file", 1), WEFT_DURABLE, 0);
    pair_must(weft_look_streams(pair_look(pair, &pair->a), &streams, take_stream, &why), &why);
    assert_int_equal(streams.entries, 1);
    assert_int_equal(streams.rows, 2);
    assert_int_equal(streams.logs, 1);
    assert_int_equal(streams.records, 2);
    assert_int_equal(streams.missing, 0);
}

/* ---- the log ---- */

struct log {
    unsigned records, forged, broken, whole;
    unsigned ops[16]; /* by kind */
    char last[128];   /* fields of the last change */
    char key[16], member[WEFT_NAME_MAX + 1];
    uint64_t bytes;
};

static void take_record(void *context, const struct weft_look_record *record) {
    struct log *log = context;
    log->records++;
    log->forged += record->seal != WEFT_SEAL_SIGNED;
    log->broken += record->chain == WEFT_CHAIN_BROKEN;
    log->whole += record->chain == WEFT_CHAIN_WHOLE;
    log->bytes += record->bytes;
}

static void take_op(void *context, const struct weft_look_op *op) {
    struct log *log = context;
    log->ops[op->kind]++;
    if (op->kind == WEFT_OP_MEMBER) snprintf(log->member, sizeof log->member, "%s", op->name);
    if (op->table == NULL) return;
    assert_string_equal(op->table, "tag");
    assert_int_equal(op->key_count, 1);
    assert_int_equal(op->key[0].type, WEFT_TEXT);
    snprintf(log->key, sizeof log->key, "%.*s", (int)op->key[0].size,
             (const char *)op->key[0].as.bytes);
    log->last[0] = '\0';
    for (unsigned i = 0; i < op->field_count; i++) {
        const struct weft_value *value = &op->values[i];
        const size_t size = strlen(log->last);
        const bool is_text = value->type == WEFT_TEXT;
        snprintf(log->last + size, sizeof log->last - size, "%s=%.*s;", op->fields[i],
                 is_text ? (int)value->size : 1, is_text ? (const char *)value->as.bytes : "?");
    }
}

static void walk(struct pair *pair, uint64_t last, struct log *out) {
    struct weft_error why = {0};
    const struct weft_look_log visit = {out, take_record, take_op};
    *out = (struct log){0};
    pair_must(weft_look_records(pair_look(pair, &pair->a), last, &visit, &why), &why);
}

static void records_are_told_with_what_they_say(void **state) {
    struct pair *pair = *state;
    struct log log;
    pair_put_tag(&pair->a, "one", "first");
    pair_set_tag(&pair->a, "one", "color", "red");
    walk(pair, 0, &log);
    assert_int_equal(log.records, 4);
    assert_int_equal(log.whole, 4);
    assert_int_equal(log.forged, 0);
    assert_int_equal(log.ops[WEFT_OP_MEMBER], 2);
    assert_string_equal(log.member, "bob");
    assert_int_equal(log.ops[WEFT_OP_CREATE], 1);
    assert_int_equal(log.ops[WEFT_OP_UPDATE], 1);
    assert_string_equal(log.last, "color=red;");
    assert_string_equal(log.key, "one");
    pair_delete_tag(&pair->a, "one");
    walk(pair, 1, &log);
    assert_int_equal(log.records, 1);
    assert_int_equal(log.ops[WEFT_OP_DELETE], 1);
    assert_string_equal(log.last, "");
}

static void a_record_that_was_changed_is_forged_and_breaks_the_chain(void **state) {
    struct pair *pair = *state;
    struct log log;
    pair_put_tag(&pair->a, "one", "first");
    pair_put_tag(&pair->a, "two", "second");
    party_leave(&pair->a);
    /* A byte of the third record's ops. */
    pair_meddle(&pair->a,
                "UPDATE shared_changes SET record = CAST(substr(record, 1, 100) || 'Z' || "
                "substr(record, 102) AS BLOB) WHERE place = 3");
    walk(pair, 0, &log);
    assert_int_equal(log.records, 4);
    assert_int_equal(log.forged, 1);
    assert_int_equal(log.broken, 1); /* the one behind it */
}

static void a_record_that_is_missing_is_noticed(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    struct streams streams = {0};
    struct log log;
    pair_put_tag(&pair->a, "one", "first");
    pair_put_tag(&pair->a, "two", "second");
    party_leave(&pair->a);
    pair_meddle(&pair->a, "DELETE FROM shared_changes WHERE place = 3");
    walk(pair, 0, &log);
    assert_int_equal(log.broken, 1);
    pair_must(weft_look_streams(pair->look, &streams, take_stream, &why), &why);
    assert_int_equal(streams.missing, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(a_library_is_seen_while_an_engine_has_it_open),
        PAIR_TEST(members_are_listed_this_one_first),
        PAIR_TEST(a_removed_member_is_listed_as_such),
        PAIR_TEST(tables_are_counted_with_what_was_deleted),
        PAIR_TEST(how_far_a_member_is_behind_is_counted_in_rows_and_records),
        PAIR_TEST(streams_are_those_of_owned_rows_and_of_the_log),
        PAIR_TEST(records_are_told_with_what_they_say),
        PAIR_TEST(a_record_that_was_changed_is_forged_and_breaks_the_chain),
        PAIR_TEST(a_record_that_is_missing_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
