/* The quarantine: records that wait for their time are kept, in the order of their stamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/quarantine.h"
#include "tests/lib/scene.h"

/* What is next, within a transaction that changes nothing. */
static bool next(struct scene *scene, struct quarantined *out) {
    struct library *library = &scene->library;
    bool found = false;
    scene_begins(scene);
    library_ok(library,
               quarantine_next(library->writer, &scene->arena, &found, out, &library->why));
    writer_rollback(library->writer);
    return found;
}

static void adds(struct scene *scene, const struct author *author, uint64_t place, uint64_t hlc) {
    struct library *library = &scene->library;
    scene_begins(scene);
    library_ok(library,
               quarantine_add(library->writer, &author->origin, place, hlc, &library->why));
    scene_commits(scene);
}

static void drops(struct scene *scene, uint64_t place) {
    struct library *library = &scene->library;
    scene_begins(scene);
    library_ok(library, quarantine_drop(library->writer, place, &library->why));
    scene_commits(scene);
}

static void is_next(struct scene *scene, uint64_t place, uint64_t hlc) {
    struct quarantined entry;
    assert_true(next(scene, &entry));
    assert_int_equal(entry.place, place);
    assert_int_equal(entry.hlc, hlc);
}

static void an_empty_quarantine_has_no_next(void **state) {
    struct scene *scene = *state;
    struct quarantined entry;
    assert_false(next(scene, &entry));
    scene_says(scene, &scene->ann, 1);
    assert_false(next(scene, &entry));
    drops(scene, 1);
}

static void the_record_comes_back_as_it_was_signed(void **state) {
    struct scene *scene = *state;
    struct quarantined entry;
    struct signed_record said = author_signs(&scene->arena, &scene->ann, 5000);
    scene_begins(scene);
    const uint64_t place = scene_appends(scene, &said);
    library_ok(&scene->library, quarantine_add(scene->library.writer, &scene->ann.origin, place,
                                               INT64_MAX, &scene->library.why));
    scene_commits(scene);
    assert_true(next(scene, &entry));
    assert_true(entry.hlc == INT64_MAX);
    assert_int_equal(entry.record.size, said.bytes.size);
    assert_memory_equal(entry.record.data, said.bytes.data, said.bytes.size);
}

static void what_has_the_least_stamp_is_next_whoever_said_it(void **state) {
    struct scene *scene = *state;
    struct quarantined entry;
    uint64_t places[4];
    for (int i = 0; i < 4; i++)
        places[i] = scene_says(scene, i % 2 == 0 ? &scene->ann : &scene->bob, 1);
    static const uint64_t stamps[] = {700, 500, 900, 600};
    for (int i = 0; i < 4; i++)
        adds(scene, i % 2 == 0 ? &scene->ann : &scene->bob, places[i], stamps[i]);
    static const int order[] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) {
        is_next(scene, places[order[i]], stamps[order[i]]);
        scene_reopen(scene);
        is_next(scene, places[order[i]], stamps[order[i]]);
        drops(scene, places[order[i]]);
    }
    assert_false(next(scene, &entry));
    assert_int_equal(library_count(&scene->library, "SELECT count(*) FROM shared_changes"), 4);
}

/* One origin's records wait in its order, even when its stamps are all the same. */
static void records_of_one_stamp_come_in_the_order_in_which_they_came_here(void **state) {
    struct scene *scene = *state;
    uint64_t places[5];
    for (int i = 0; i < 5; i++)
        places[i] = scene_says(scene, &scene->ann, 1);
    for (int i = 4; i >= 0; i--)
        adds(scene, &scene->ann, places[i], 500);
    for (int i = 0; i < 5; i++) {
        is_next(scene, places[i], 500);
        drops(scene, places[i]);
    }
}

static void a_rollback_takes_back_what_was_added_and_dropped(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    struct quarantined entry;
    const uint64_t one = scene_says(scene, &scene->ann, 1), two = scene_says(scene, &scene->bob, 1);
    scene_begins(scene);
    library_ok(library,
               quarantine_add(library->writer, &scene->ann.origin, one, 500, &library->why));
    writer_rollback(library->writer);
    assert_false(next(scene, &entry));
    adds(scene, &scene->ann, one, 500);
    scene_begins(scene);
    library_ok(library, quarantine_drop(library->writer, one, &library->why));
    library_ok(library,
               quarantine_add(library->writer, &scene->bob.origin, two, 400, &library->why));
    writer_rollback(library->writer);
    is_next(scene, one, 500);
}

static void an_origin_may_have_so_many_and_others_are_not_the_worse_for_it(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    char device[ID_TEXT_SIZE], fill[256];
    enum weft_status status = WEFT_OK;
    scene_says(scene, &scene->ann, 1);
    scene_says(scene, &scene->bob, 1);
    adds(scene, &scene->ann, 1, 1000);
    snprintf(fill, sizeof fill,
             "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
             "INSERT INTO _weft_quarantine SELECT i, (SELECT origin FROM _weft_quarantine), i "
             "FROM n",
             LIMIT_QUARANTINE - 1);
    library_sql(library, fill);
    scene_begins(scene);
    library_ok(library, quarantine_add(library->writer, &scene->ann.origin, LIMIT_QUARANTINE, 5,
                                       &library->why));
    id_text(&scene->ann.origin.device, device);
    for (int i = 0; i < 2; i++) {
        status = quarantine_add(library->writer, &scene->ann.origin, LIMIT_QUARANTINE + 1, 5,
                                &library->why);
        assert_int_equal(status, WEFT_LIMIT);
        assert_non_null(strstr(library->why.text, device));
    }
    library_ok(library, quarantine_add(library->writer, &scene->bob.origin, LIMIT_QUARANTINE + 2, 5,
                                       &library->why));
    library_ok(library, quarantine_drop(library->writer, 7, &library->why));
    library_ok(library, quarantine_add(library->writer, &scene->ann.origin, LIMIT_QUARANTINE + 1, 5,
                                       &library->why));
    writer_rollback(library->writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scene_test(an_empty_quarantine_has_no_next),
        scene_test(the_record_comes_back_as_it_was_signed),
        scene_test(what_has_the_least_stamp_is_next_whoever_said_it),
        scene_test(records_of_one_stamp_come_in_the_order_in_which_they_came_here),
        scene_test(a_rollback_takes_back_what_was_added_and_dropped),
        scene_test(an_origin_may_have_so_many_and_others_are_not_the_worse_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
