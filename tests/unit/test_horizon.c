/* The horizon in the store: forgetting in slices and where it stops, what is kept for good, and a
 * head that a snapshot raises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/store/horizon.h"
#include "engine/store/quarantine.h"
#include "tests/lib/scene.h"
#include "tests/lib/words.h"

#define RECORDS "SELECT count(*) FROM shared_changes"
#define PRUNED "SELECT max(pruned) FROM _weft_origin"
#define ALL INT64_MAX

static int64_t count(struct scene *scene, const char *sql) {
    return library_count(&scene->library, sql);
}

/* The next record of an author, that changes a row and may be forgotten. */
static struct signed_record change(struct scene *scene, struct author *author) {
    struct signed_record out = {.record = {.origin = author->origin, .seq = ++author->seq}};
    struct record_ops ops;
    struct weft_error why;
    out.record.hlc = 100 + author->seq;
    memcpy(out.record.prev, author->hash, RECORD_HASH);
    record_ops_begin(&ops, &scene->arena);
    record_ops_change(&ops, words_body(&scene->arena, "strange =x a=#1"));
    assert_int_equal(record_ops_end(&ops, &out.record.ops), WEFT_OK);
    assert_int_equal(record_write(&author->identity, &out.record, &scene->arena, &out.bytes, &why),
                     WEFT_OK);
    memcpy(author->hash, out.record.hash, RECORD_HASH);
    return out;
}

/* So many of them lie here. Returns the place of the last. */
static uint64_t changes(struct scene *scene, struct author *author, unsigned many) {
    uint64_t place = 0;
    scene_begins(scene);
    for (unsigned i = 0; i < many; i++) {
        const struct signed_record next = change(scene, author);
        place = scene_appends(scene, &next);
    }
    scene_commits(scene);
    return place;
}

static struct horizon_cut forget(struct scene *scene, const struct author *author, uint64_t seq,
                                 uint64_t place, uint32_t limit) {
    struct library *library = &scene->library;
    struct horizon_cut cut = {99, 99, 99};
    scene_begins(scene);
    library_ok(library, horizon_forget(library->writer, &library->store.library, &author->origin,
                                       seq, place, limit, &cut, &library->why));
    scene_commits(scene);
    return cut;
}

static void assert_cut(struct horizon_cut cut, uint64_t seq, uint32_t many) {
    assert_int_equal(cut.count, many);
    assert_int_equal(cut.seq, seq);
    assert_int_equal(cut.hlc, seq == 0 ? 0 : 100 + seq);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static void records_go_in_slices_up_to_a_number(void **state) {
    struct scene *scene = *state;
    changes(scene, &scene->ann, 10);
    changes(scene, &scene->bob, 3);
    assert_cut(forget(scene, &scene->ann, 7, ALL, 3), 3, 3);
    assert_cut(forget(scene, &scene->ann, 7, ALL, 3), 6, 3);
    assert_cut(forget(scene, &scene->ann, 7, ALL, 3), 7, 1);
    assert_cut(forget(scene, &scene->ann, 7, ALL, 3), 0, 0);
    assert_cut(forget(scene, &scene->ann, 2, ALL, 3), 0, 0); /* It never sinks. */
    assert_int_equal(count(scene, RECORDS), 3 + 3);
    assert_int_equal(count(scene, PRUNED), 7);
}

static void the_horizon_stops_at_the_head(void **state) {
    struct scene *scene = *state;
    changes(scene, &scene->ann, 5);
    assert_cut(forget(scene, &scene->ann, UINT64_MAX >> 1, UINT64_MAX, 100), 5, 5);
    assert_int_equal(count(scene, RECORDS), 0);
    /* The chain goes on, and is known after reopening. */
    scene_reopen(scene);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
    assert_int_equal(seen_head(&scene->seen, &scene->ann)->pruned, 5);
    assert_int_equal(seen_head(&scene->seen, &scene->ann)->pruned_hlc, 105);
    changes(scene, &scene->ann, 1);
    assert_cut(forget(scene, &scene->ann, 100, ALL, 100), 6, 1);
}

static void records_behind_a_place_stay(void **state) {
    struct scene *scene = *state;
    const uint64_t place = changes(scene, &scene->ann, 4);
    changes(scene, &scene->bob, 2);
    changes(scene, &scene->ann, 4);
    assert_cut(forget(scene, &scene->ann, 100, place + 2, 100), 4, 4);
    assert_cut(forget(scene, &scene->bob, 100, place + 1, 100), 1, 1);
}

static void nothing_is_forgotten_of_an_origin_that_is_not_here(void **state) {
    struct scene *scene = *state;
    changes(scene, &scene->ann, 2);
    assert_cut(forget(scene, &scene->bob, 100, ALL, 100), 0, 0);
}

static void what_waits_in_quarantine_and_what_is_behind_it_stays(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    changes(scene, &scene->ann, 3);
    scene_begins(scene);
    const struct signed_record waits = change(scene, &scene->ann);
    const uint64_t place = scene_appends(scene, &waits);
    library_ok(library, quarantine_add(library->writer, &scene->ann.origin, place, waits.record.hlc,
                                       &library->why));
    scene_commits(scene);
    changes(scene, &scene->ann, 3);
    changes(scene, &scene->bob, 3);
    assert_cut(forget(scene, &scene->ann, 100, ALL, 100), 3, 3);
    assert_cut(forget(scene, &scene->ann, 100, ALL, 100), 0, 0);
    assert_cut(forget(scene, &scene->bob, 100, ALL, 100), 3, 3); /* Another's do not wait. */
    scene_begins(scene);
    library_ok(library, quarantine_drop(library->writer, place, &library->why));
    scene_commits(scene);
    assert_cut(forget(scene, &scene->ann, 100, ALL, 100), 7, 4);
}

static void what_is_kept_for_good_stays_below_the_horizon(void **state) {
    struct scene *scene = *state;
    changes(scene, &scene->ann, 2);
    scene_says(scene, &scene->ann, 10); /* of a kind that nobody knows */
    changes(scene, &scene->ann, 2);
    assert_cut(forget(scene, &scene->ann, 100, ALL, 100), 5, 5);
    assert_int_equal(count(scene, RECORDS), 1);
    assert_int_equal(count(scene, "SELECT seq FROM shared_changes"), 3);
}

static void of_the_record_at_the_horizon_there_is_a_proof(void **state) {
    struct scene *scene = *state;
    changes(scene, &scene->ann, 3);
    struct author then = scene->ann;
    changes(scene, &scene->ann, 3);
    (void)forget(scene, &scene->ann, 3, ALL, 100);
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    struct record record;
    assert_int_equal(sqlite3_open(scene->library.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT proof FROM _weft_origin WHERE pruned = 3", -1, &query, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    const struct bytes proof = {sqlite3_column_blob(query, 0),
                                (size_t)sqlite3_column_bytes(query, 0)};
    assert_true(record_read_proof(&scene->library.store.library, proof, &record));
    assert_memory_equal(record.hash, then.hash, RECORD_HASH);
    assert_true(record_signed_by(&record, scene->ann.identity.public.id_pk));
    sqlite3_finalize(query);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_record_that_cannot_be_read_is_not_forgotten(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    struct horizon_cut cut;
    changes(scene, &scene->ann, 3);
    library_sql(library, "UPDATE shared_changes SET record = zeroblob(200) WHERE seq = 3");
    scene_begins(scene);
    assert_int_equal(horizon_forget(library->writer, &library->store.library, &scene->ann.origin, 3,
                                    ALL, 100, &cut, &library->why),
                     WEFT_CORRUPT);
    writer_rollback(library->writer);
    assert_int_equal(count(scene, RECORDS), 3);
}

static void the_oldest_that_may_go_is_found_behind_those_that_stay(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    uint64_t place = 99, newest = 0;
    scene_says(scene, &scene->ann, 10);
    library_ok(library, horizon_places(library->writer, &place, &newest, &library->why));
    assert_int_equal(place, 0);
    const uint64_t first = changes(scene, &scene->ann, 1);
    changes(scene, &scene->ann, 2);
    library_ok(library, horizon_places(library->writer, &place, &newest, &library->why));
    assert_int_equal(place, first);
    (void)forget(scene, &scene->ann, 2, ALL, 100);
    library_ok(library, horizon_places(library->writer, &place, &newest, &library->why));
    assert_int_equal(place, first + 1);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static uint64_t keep(struct scene *scene, const struct signed_record *kept) {
    struct library *library = &scene->library;
    uint64_t place = 99;
    scene_begins(scene);
    library_ok(library,
               horizon_keep(library->writer, &kept->record, kept->bytes, &place, &library->why));
    scene_commits(scene);
    return place;
}

static void a_record_is_kept_beyond_the_head_once_and_gives_way(void **state) {
    struct scene *scene = *state;
    const struct signed_record one = author_signs(&scene->arena, &scene->ann, 10);
    const struct signed_record two = author_signs(&scene->arena, &scene->ann, 10);
    const uint64_t place = keep(scene, &two);
    assert_true(place > 0);
    assert_int_equal(keep(scene, &two), 0);
    scene_loads(scene);
    assert_true(scene->seen.head_count == 0 || scene->seen.heads[0].seq == 0);
    /* Those ahead of it come after all: what is ordinary now stands behind them. */
    scene_begins(scene);
    const uint64_t first = scene_appends(scene, &one);
    const uint64_t second = scene_appends(scene, &two);
    scene_commits(scene);
    assert_true(place < first && first < second);
    assert_int_equal(count(scene, RECORDS), 2);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
}

static void raise(struct scene *scene, const struct signed_record *at) {
    struct library *library = &scene->library;
    uint8_t proof[RECORD_PROOF];
    record_prove(&at->record, proof);
    scene_begins(scene);
    library_ok(library, horizon_release(library->writer, &at->record, &library->why));
    library_ok(library, horizon_raise(library->writer, &at->record,
                                      (struct bytes){proof, sizeof proof}, &library->why));
    scene_commits(scene);
}

static void a_raised_head_is_gone_on_from(void **state) {
    struct scene *scene = *state;
    changes(scene, &scene->ann, 2);
    const struct signed_record kept = author_signs(&scene->arena, &scene->ann, 10);
    (void)keep(scene, &kept);
    struct signed_record last;
    for (int i = 0; i < 5; i++)
        last = change(scene, &scene->ann);
    raise(scene, &last);
    assert_int_equal(count(scene, RECORDS), 1); /* what is kept for good */
    scene_reopen(scene);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
    assert_int_equal(seen_head(&scene->seen, &scene->ann)->pruned, 8);
    changes(scene, &scene->ann, 2);
    assert_cut(forget(scene, &scene->ann, 100, ALL, 100), 10, 2);
}

static void a_head_of_an_origin_that_was_not_here_is_raised(void **state) {
    struct scene *scene = *state;
    struct signed_record last = {0};
    for (int i = 0; i < 3; i++)
        last = change(scene, &scene->bob);
    raise(scene, &last);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->bob);
    changes(scene, &scene->bob, 1);
}

static void what_waits_below_a_raised_head_waits_no_more(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    for (int i = 0; i < 2; i++) {
        scene_begins(scene);
        const struct signed_record waits = change(scene, &scene->ann);
        const uint64_t place = scene_appends(scene, &waits);
        library_ok(library, quarantine_add(library->writer, &scene->ann.origin, place,
                                           waits.record.hlc, &library->why));
        scene_commits(scene);
    }
    scene_begins(scene);
    const struct record first = {.origin = scene->ann.origin, .seq = 1};
    library_ok(library, horizon_release(library->writer, &first, &library->why));
    scene_commits(scene);
    assert_int_equal(count(scene, "SELECT count(*) FROM _weft_quarantine"), 1);
    const struct signed_record last = change(scene, &scene->ann);
    raise(scene, &last);
    assert_int_equal(count(scene, "SELECT count(*) FROM _weft_quarantine"), 0);
}

static void what_is_being_taken_is_known_after_reopening_until_it_is_dropped(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    static const uint8_t said[] = "anything", more[] = "something longer";
    const struct bytes states[] = {{said, sizeof said}, {more, sizeof more}, {NULL, 0}};
    struct bytes loaded = {said, 1};
    library_ok(library,
               horizon_taking_load(library->writer, &scene->arena, &loaded, &library->why));
    assert_int_equal(loaded.size, 0);
    for (size_t i = 0; i < 3; i++) {
        scene_begins(scene);
        library_ok(library, horizon_taking_save(library->writer, states[i], &library->why));
        scene_commits(scene);
        scene_reopen(scene);
        library_ok(library,
                   horizon_taking_load(library->writer, &scene->arena, &loaded, &library->why));
        assert_int_equal(loaded.size, states[i].size);
        if (loaded.size != 0) assert_memory_equal(loaded.data, states[i].data, loaded.size);
        library_ok(library,
                   shared_reader_taking(scene->reader, &scene->arena, &loaded, &library->why));
        assert_int_equal(loaded.size, states[i].size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scene_test(records_go_in_slices_up_to_a_number),
        scene_test(the_horizon_stops_at_the_head),
        scene_test(records_behind_a_place_stay),
        scene_test(nothing_is_forgotten_of_an_origin_that_is_not_here),
        scene_test(what_waits_in_quarantine_and_what_is_behind_it_stays),
        scene_test(what_is_kept_for_good_stays_below_the_horizon),
        scene_test(of_the_record_at_the_horizon_there_is_a_proof),
        scene_test(a_record_that_cannot_be_read_is_not_forgotten),
        scene_test(the_oldest_that_may_go_is_found_behind_those_that_stay),
        scene_test(a_record_is_kept_beyond_the_head_once_and_gives_way),
        scene_test(a_raised_head_is_gone_on_from),
        scene_test(a_head_of_an_origin_that_was_not_here_is_raised),
        scene_test(what_waits_below_a_raised_head_waits_no_more),
        scene_test(what_is_being_taken_is_known_after_reopening_until_it_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
