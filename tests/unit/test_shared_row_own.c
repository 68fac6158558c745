/* What the host writes to shared rows: what the tables show then, and what the record says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/replica.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER NOT NULL DEFAULT 3 CHECK (color < 100),"
    " weight REAL);\n"
    "CREATE TABLE IF NOT EXISTS object ( -- @shared(create: atomic, id: cas)\n"
    " cas TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL DEFAULT 7, note TEXT,\n"
    " first BLOB -- @node\n"
    ");\n"
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: object, group: tag)\n"
    " tag BLOB NOT NULL, object TEXT NOT NULL, added INTEGER, PRIMARY KEY (object, tag));\n";

#define ALL_TAGS "SELECT id, name, color, weight FROM tag ORDER BY id"
#define ALL_OBJECTS "SELECT cas, kind, note, first FROM object ORDER BY cas"
#define ALL_LINKS "SELECT object, tag, added FROM link ORDER BY object, tag"

static int setup(void **state) {
    struct replica *replica = malloc(sizeof *replica);
    assert_non_null(replica);
    replica_open(replica, "own", REPLICA_ME, schema);
    *state = replica;
    return 0;
}

static int teardown(void **state) {
    replica_close(*state);
    free(*state);
    return 0;
}

/* The host writes, and the record says, in words; ops of others have other stamps. */
static void writes(struct replica *replica, const char *words, const char *said) {
    assert_string_equal(replica_writes(replica, words), said);
}

static void refuses(struct replica *replica, const char *words, enum weft_status status,
                    const char *said) {
    const enum weft_status answer = replica_try(replica, words);
    if (answer != status || strstr(replica->library.why.text, said) == NULL)
        fail_msg("%s: %s", weft_status_name(answer), replica->library.why.text);
}

/* ---- models ---------------------------------------------------------------------------------- */

static void a_new_row_says_every_column_and_null_too(void **state) {
    struct replica *replica = *state;
    writes(replica, "tag =@1 name=red color=#5", "tag +@1 name=red color=#5 weight=null");
    replica_shows(replica, ALL_TAGS, "@1|red|#5|null");
    assert_int_equal(replica->tally.written, 1);
    assert_int_equal(replica->tally.models, 1u << (library_model(&replica->library, "tag") - 1));
}

static void an_atomic_row_says_only_what_was_given(void **state) {
    struct replica *replica = *state;
    writes(replica, "object =abc", "object +abc first=node");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|null|@9");
    writes(replica, "object =def kind=#1 note=n", "object +def kind=#1 note=n first=node");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|null|@9 def|#1|n|@9");
}

static void a_relation_is_known_by_item_and_group_in_this_order(void **state) {
    struct replica *replica = *state;
    writes(replica, "link =abc,@1 added=#3", "link +abc,@1 added=#3");
    writes(replica, "link =abc,@2", "link +abc,@2");
    writes(replica, "link =abc,@1 added=#3", "");
    replica_shows(replica, ALL_LINKS, "abc|@1|#3 abc|@2|null");
    writes(replica, "link -abc,@1", "link -abc,@1");
    replica_shows(replica, ALL_LINKS, "abc|@2|null");
}

/* ---- changes --------------------------------------------------------------------------------- */

static void a_put_of_a_row_that_is_there_says_what_has_changed(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "tag =@1 name=red color=#5 weight=%0.5");
    writes(replica, "tag =@1 name=red color=#6 weight=%0.5", "tag ~@1 color=#6");
    writes(replica, "tag =@1 name=red color=#6", "tag ~@1 weight=null");
    replica_shows(replica, ALL_TAGS, "@1|red|#6|null");
}

static void a_row_that_is_so_already_says_nothing(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "tag =@1 name=red color=#5 weight=%0.5");
    const char *same[] = {"tag =@1 name=red color=#5 weight=%0.5", "tag ~@1 name=red",
                          "tag ~@1 weight=%0.5", "tag -@2"};
    for (unsigned i = 0; i < sizeof same / sizeof *same; i++) {
        writes(replica, same[i], "");
        assert_int_equal(replica->tally.unchanged, 1);
        assert_int_equal(replica->tally.written, 0);
        assert_int_equal(replica->tally.models, 0);
    }
    writes(replica, "tag =@1 name=red color=#5 weight=%0.5; ~@1 color=#9; -@3",
           "tag ~@1^1 color=#9");
    assert_int_equal(replica->tally.unchanged, 2);
}

static void zero_without_sign_is_what_is_kept_and_said(void **state) {
    struct replica *replica = *state;
    writes(replica, "tag =@1 color=#5 weight=%-0.0", "tag +@1 name=null color=#5 weight=%0");
    writes(replica, "tag ~@1 weight=%-0.0", "");
    writes(replica, "tag ~@1 weight=%0.0", "");
}

static void what_an_unset_column_shows_is_no_change(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "object =abc");
    writes(replica, "object =abc kind=#7", "");
    writes(replica, "object ~abc kind=#7", "");
    writes(replica, "object =abc note=n", "object ~abc note=n");
    writes(replica, "object =abc", "object ~abc note=null");
    /* A row of which nobody wrote the column, since their version has none. */
    replica_hears(replica, 1, 2000, "tag +@5 name=five");
    replica_shows(replica, ALL_TAGS, "@5|five|#3|null");
    writes(replica, "tag =@5 name=five color=#3", "");
}

static void a_set_says_one_field(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "tag =@1 name=red color=#5; =@2 name=blue color=#5");
    writes(replica, "tag ~@1 name=pink; ~@2 weight=%2", "tag ~@1^1 name=pink; ~@2 weight=%2");
    replica_shows(replica, ALL_TAGS, "@1|pink|#5|null @2|blue|#5|%2");
}

static void a_node_column_names_who_wrote_it_and_stays(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 2000, "object +abc first=node");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|null|@1");
    writes(replica, "object =abc note=n", "object ~abc note=n");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|n|@1");
    writes(replica, "object ~abc first=null", "object ~abc first=node");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|n|@9");
    writes(replica, "object ~abc first=null", "");
}

/* ---- several in one transaction -------------------------------------------------------------- */

static void what_is_done_to_one_row_several_times_is_said_in_order(void **state) {
    struct replica *replica = *state;
    writes(replica, "tag =@1 name=red color=#5; ~@1 name=pink; -@1; =@1 name=blue color=#6",
           "tag +@1^3 name=red color=#5 weight=null; ~@1^2 name=pink; -@1^1; "
           "+@1 name=blue color=#6 weight=null");
    replica_shows(replica, ALL_TAGS, "@1|blue|#6|null");
    replica_shows(replica, "SELECT * FROM _weft_shadow", "");
    writes(replica, "tag ~@1 name=a; ~@1 name=b", "tag ~@1^1 name=a; ~@1 name=b");
    writes(replica, "tag =@2 color=#1; -@2", "tag +@2^1 name=null color=#1 weight=null; -@2");
    replica_shows(replica, ALL_TAGS, "@1|b|#6|null");
}

static void two_rows_may_change_names_through_a_third(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "tag =@1 name=a color=#1; =@2 name=b color=#1");
    refuses(replica, "tag ~@1 name=b; ~@2 name=a", WEFT_CONSTRAINT, "UNIQUE");
    replica_writes(replica, "tag ~@1 name=c; ~@2 name=a; ~@1 name=b");
    replica_shows(replica, ALL_TAGS, "@1|b|#1|null @2|a|#1|null");
    replica_shows(replica, "SELECT * FROM _weft_shadow", "");
}

static void a_row_that_comes_back_begins_anew(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "tag =@1 name=red color=#5 weight=%2");
    writes(replica, "tag -@1", "tag -@1");
    replica_shows(replica, ALL_TAGS, "");
    writes(replica, "tag -@1", "");
    writes(replica, "tag =@1 color=#6", "tag +@1 name=null color=#6 weight=null");
    replica_shows(replica, ALL_TAGS, "@1|null|#6|null");
    replica_writes(replica, "object =abc note=n kind=#1; -abc");
    writes(replica, "object =abc", "object +abc first=node");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|null|@9");
}

static void a_row_that_comes_back_has_what_others_wrote_since(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "object =abc note=old kind=#1");
    replica_writes(replica, "object -abc");
    replica_hears(replica, 1, replica->hlc + 1, "object ~abc note=new");
    replica_shows(replica, ALL_OBJECTS, "");
    writes(replica, "object =abc", "object +abc first=node");
    replica_shows(replica, ALL_OBJECTS, "abc|#7|new|@9");
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void a_set_of_a_row_that_is_not_there_is_refused(void **state) {
    struct replica *replica = *state;
    refuses(replica, "tag ~@1 name=red", WEFT_NOT_FOUND, "tag");
    assert_non_null(strstr(replica->library.why.text, "name"));
    assert_non_null(strstr(replica->library.why.text, "id = 0101"));
    replica_writes(replica, "tag =@1 name=red color=#1; -@1");
    refuses(replica, "tag ~@1 name=red", WEFT_NOT_FOUND, "id = 0101");
    refuses(replica, "tag =@2 name=a color=#1; -@2; ~@2 name=b", WEFT_NOT_FOUND, "id = 0202");
    replica_hears(replica, 1, 5000, "tag ~@3 name=not-created");
    refuses(replica, "tag ~@3 name=red", WEFT_NOT_FOUND, "id = 0303");
    replica_shows(replica, ALL_TAGS, "");
}

static void what_a_constraint_refuses_fails_and_leaves_nothing(void **state) {
    struct replica *replica = *state;
    replica_writes(replica, "tag =@1 name=red color=#5");
    char *before = strdup(replica_dump(replica));
    refuses(replica, "tag =@2 name=a color=#5; =@3 name=red color=#5", WEFT_CONSTRAINT, "UNIQUE");
    assert_non_null(strstr(replica->library.why.text, "id = 0303"));
    refuses(replica, "tag =@2 name=a color=#100", WEFT_CONSTRAINT, "CHECK");
    refuses(replica, "tag ~@1 name=b; ~@1 color=#100", WEFT_CONSTRAINT, "CHECK");
    refuses(replica, "tag =@2 name=b", WEFT_CONSTRAINT, "NULL");
    assert_string_equal(replica_dump(replica), before);
    free(before);
    /* The writer is as good as before. */
    writes(replica, "tag =@3 name=a color=#5", "tag +@3 name=a color=#5 weight=null");
    replica_shows(replica, ALL_TAGS, "@1|red|#5|null @3|a|#5|null");
}

/* ---- rows that the table does not show ------------------------------------------------------- */

static void a_row_that_stands_behind_another_can_be_named_anew_by_the_host(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 2000, "tag +@1 name=red color=#1");
    replica_hears(replica, 2, 3000, "tag +@2 name=red color=#2");
    replica_shows(replica, ALL_TAGS, "@1|red|#1|null");
    refuses(replica, "tag ~@2 color=#9", WEFT_CONSTRAINT, "UNIQUE");
    writes(replica, "tag ~@2 name=pink", "tag ~@2 name=pink");
    replica_shows(replica, ALL_TAGS, "@1|red|#1|null @2|pink|#2|null");
    replica_shows(replica, "SELECT * FROM _weft_shadow", "");
}

static void a_row_that_stands_behind_another_comes_when_the_host_lets_that_go(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 2000, "tag +@1 name=red color=#1");
    replica_hears(replica, 2, 3000, "tag +@2 name=red color=#2");
    replica_writes(replica, "tag -@1");
    replica_shows(replica, ALL_TAGS, "@2|red|#2|null");
    replica_hears(replica, 1, 5000, "tag +@3 name=red color=#3");
    replica_writes(replica, "tag ~@2 name=pink");
    replica_shows(replica, ALL_TAGS, "@2|pink|#2|null @3|red|#3|null");
    replica_hears(replica, 1, 6000, "tag +@4 name=red color=#4");
    replica_writes(replica, "tag -@4");
    replica_writes(replica, "tag -@3");
    replica_shows(replica, ALL_TAGS, "@2|pink|#2|null");
}

static void what_the_host_took_is_given_up_to_one_that_was_created_before(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 2000, "tag +@1 name=red color=#1");
    replica_hears(replica, 2, 3000, "tag +@2 name=red color=#2");
    writes(replica, "tag -@1; =@3 name=red color=#3",
           "tag -@1^1; +@3 name=red color=#3 weight=null");
    replica_shows(replica, ALL_TAGS, "@2|red|#2|null");
}

/* ---- rollback -------------------------------------------------------------------------------- */

static void after_a_rollback_nothing_of_the_transaction_is_remembered(void **state) {
    struct replica *replica = *state;
    struct library *library = &replica->library;
    static const char *const words[] = {"tag -@1", "tag ~@2 name=red more=#1",
                                        "other +#1 a=#1 b=#2", "tag +@3 name=red color=#1"};
    replica_writes(replica, "tag =@1 name=red color=#5");
    for (unsigned round = 0; round < 3; round++) {
        replica_ok(replica, writer_begin(library->writer, &library->why));
        for (uint8_t i = 0; i < 4; i++) {
            /* Each time other devices get the next numbers. */
            const uint8_t device = (uint8_t)(1 + (i + round) % 4);
            replica_ok(replica, replica_apply_within(replica, device, 5000u + i,
                                                     words_body(&replica->arena, words[i])));
        }
        replica_ok(replica, replica_write_within(replica, "tag =@7 name=blue color=#5"));
        writer_rollback(library->writer);
        replica_shows(replica, "SELECT * FROM _weft_shadow", "");
        replica_shows(replica, "SELECT device FROM _weft_origin", "@9");
    }
    replica_hears(replica, 4, 6000, "tag ~@1 more=#4");
    replica_hears(replica, 3, 6000, "tag ~@1 color=#8 more=#3");
    assert_string_equal(replica_dump(replica),
                        "tag @1 seen +1001/9 color=#8^6000/3 more=#4^6000/4 name=red^1001/9 "
                        "weight=null^1001/9\n");
    writes(replica, "tag ~@1 color=#9", "tag ~@1 color=#9");
    replica_shows(replica, ALL_TAGS, "@1|red|#9|null");
}

#define own_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* As when the file says so by mistake: what others say moves this device's clock beyond it. */
static void a_write_that_is_older_than_what_is_there_changes_nothing_and_is_told(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 2000, "tag +@1 name=red color=#5 weight=null");
    replica_hears(replica, 1, 9000, "tag ~@1 name=blue");
    replica->library.clock = 5000;
    writes(replica, "tag =@1 name=green color=#6", "tag ~@1 name=green color=#6");
    replica_shows(replica, ALL_TAGS, "@1|blue|#6|null");
    assert_int_equal(replica->tally.beaten, 1);
    assert_int_equal(replica->tally.written, 1);
    writes(replica, "tag ~@1 name=green", "tag ~@1 name=green");
    replica_shows(replica, ALL_TAGS, "@1|blue|#6|null");
    assert_int_equal(replica->tally.beaten, 1);
    assert_int_equal(replica->tally.written, 0);
}

static void more_than_a_record_may_have_is_refused(void **state) {
    enum { NOTE = 240, ROWS = 1 + LIMIT_RECORD / NOTE, SIZE = ROWS * (NOTE + 32) };
    struct replica *replica = *state;
    char *words = malloc(SIZE);
    assert_non_null(words);
    size_t size = (size_t)snprintf(words, SIZE, "object ");
    for (int i = 0; i < ROWS; i++)
        size += (size_t)snprintf(words + size, SIZE - size, "=k%d note=%0*d; ", i, NOTE, i);
    refuses(replica, words, WEFT_LIMIT, "commit them in several");
    free(words);
    replica_shows(replica, "SELECT count(*) FROM object", "#0");
    writes(replica, "object =abc", "object +abc first=node");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_test(a_new_row_says_every_column_and_null_too),
        own_test(an_atomic_row_says_only_what_was_given),
        own_test(a_relation_is_known_by_item_and_group_in_this_order),
        own_test(a_put_of_a_row_that_is_there_says_what_has_changed),
        own_test(a_row_that_is_so_already_says_nothing),
        own_test(zero_without_sign_is_what_is_kept_and_said),
        own_test(what_an_unset_column_shows_is_no_change),
        own_test(a_set_says_one_field),
        own_test(a_node_column_names_who_wrote_it_and_stays),
        own_test(what_is_done_to_one_row_several_times_is_said_in_order),
        own_test(two_rows_may_change_names_through_a_third),
        own_test(a_row_that_comes_back_begins_anew),
        own_test(a_row_that_comes_back_has_what_others_wrote_since),
        own_test(a_set_of_a_row_that_is_not_there_is_refused),
        own_test(what_a_constraint_refuses_fails_and_leaves_nothing),
        own_test(a_row_that_stands_behind_another_can_be_named_anew_by_the_host),
        own_test(a_row_that_stands_behind_another_comes_when_the_host_lets_that_go),
        own_test(what_the_host_took_is_given_up_to_one_that_was_created_before),
        own_test(after_a_rollback_nothing_of_the_transaction_is_remembered),
        own_test(a_write_that_is_older_than_what_is_there_changes_nothing_and_is_told),
        own_test(more_than_a_record_may_have_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
