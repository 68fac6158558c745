/* The shared log in the store: chains, proofs of forks, acknowledgements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/scene.h"

enum { FILLER_MAX = 5000 };

/* ---- chains ---------------------------------------------------------------------------------- */

/* A record is refused with a sentence that says this, and nothing of it stays. */
static void refuses(struct scene *scene, const struct signed_record *signed_record,
                    const char *said) {
    struct library *library = &scene->library;
    char device[ID_TEXT_SIZE], number[32];
    uint64_t place = 0;
    int64_t before = library_count(library, "SELECT count(*) FROM shared_changes");
    scene_begins(scene);
    enum weft_status status = shared_append(library->writer, &signed_record->record,
                                            signed_record->bytes, &place, &library->why);
    writer_rollback(library->writer);
    id_text(&signed_record->record.origin.device, device);
    snprintf(number, sizeof number, "record %llu", (unsigned long long)signed_record->record.seq);
    if (status != WEFT_CORRUPT || strstr(library->why.text, said) == NULL ||
        strstr(library->why.text, device) == NULL || strstr(library->why.text, number) == NULL) {
        fail_msg("%s: %s", weft_status_name(status), library->why.text);
    }
    assert_int_equal(library_count(library, "SELECT count(*) FROM shared_changes"), before);
}

static void records_are_read_back_as_they_were_signed(void **state) {
    struct scene *scene = *state;
    struct id library = library_id(0x99);
    struct signed_record one = author_signs(&scene->arena, &scene->ann, 10);
    struct signed_record two = author_signs(&scene->arena, &scene->bob, 20);
    struct signed_record three = author_signs(&scene->arena, &scene->ann, FILLER_MAX);
    const struct signed_record *all[] = {&one, &two, &three};
    uint64_t places[3];
    scene_begins(scene);
    for (int i = 0; i < 3; i++)
        places[i] = scene_appends(scene, all[i]);
    scene_commits(scene);
    assert_true(places[0] < places[1] && places[1] < places[2]);

    struct scene_batch batch = scene_reads(scene, 0, 100, 1 << 20);

    assert_int_equal(batch.count, 3);
    assert_false(batch.more);
    for (int i = 0; i < 3; i++) {
        const struct shared_entry *entry = &batch.entries[i];
        struct record record;
        assert_int_equal(entry->place, places[i]);
        assert_int_equal(entry->seq, all[i]->record.seq);
        assert_int_equal(record_origin_compare(&entry->origin, &all[i]->record.origin), 0);
        assert_int_equal(entry->record.size, all[i]->bytes.size);
        assert_memory_equal(entry->record.data, all[i]->bytes.data, entry->record.size);
        library_ok(&scene->library,
                   record_read(&library, entry->record, &record, &scene->library.why));
        assert_memory_equal(record.hash, all[i]->record.hash, RECORD_HASH);
    }
}

static void heads_follow_their_records_and_survive_reopening(void **state) {
    struct scene *scene = *state;
    scene_says(scene, &scene->ann, 1);
    scene_says(scene, &scene->bob, 1);
    scene_says(scene, &scene->ann, 1);
    /* The same device in another incarnation is another origin. */
    struct author again;
    author_init(&again, 0x11, 50);
    scene_says(scene, &again, 1);
    for (int i = 0; i < 2; i++) {
        scene_loads(scene);
        assert_int_equal(scene->seen.head_count, 3);
        seen_at(&scene->seen, &scene->ann);
        seen_at(&scene->seen, &scene->bob);
        seen_at(&scene->seen, &again);
        scene_reopen(scene);
    }
    scene_says(scene, &scene->ann, 1);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
}

static void a_record_that_leaves_a_gap_or_comes_twice_is_refused(void **state) {
    struct scene *scene = *state;
    struct signed_record one = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record two = author_signs(&scene->arena, &scene->ann, 1);
    refuses(scene, &two, "does not follow record 0");
    scene_begins(scene);
    scene_appends(scene, &one);
    scene_commits(scene);
    struct signed_record three = author_signs(&scene->arena, &scene->ann, 1);
    refuses(scene, &three, "does not follow record 1");
    refuses(scene, &one, "does not follow record 1");
    scene_begins(scene);
    scene_appends(scene, &two);
    scene_appends(scene, &three);
    scene_commits(scene);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
}

static void a_record_that_continues_another_history_is_refused(void **state) {
    struct scene *scene = *state;
    static const uint8_t zero[RECORD_HASH], other[RECORD_HASH] = {1};
    struct signed_record first = author_signs_at(&scene->arena, &scene->ann, 1, zero, 1, 1);
    scene_says(scene, &scene->ann, 1);
    struct signed_record wrong = author_signs_at(&scene->arena, &scene->ann, 2, other, 1, 1);
    struct signed_record fork =
        author_signs_at(&scene->arena, &scene->ann, 2, first.record.hash, 1, 1);
    refuses(scene, &wrong, "does not continue record 1");
    refuses(scene, &fork, "does not continue record 1");
    scene_says(scene, &scene->ann, 1);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
}

static void a_rollback_takes_record_and_head_back(void **state) {
    struct scene *scene = *state;
    scene_says(scene, &scene->ann, 1);
    struct author before = scene->ann;
    struct signed_record two = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record bobs = author_signs(&scene->arena, &scene->bob, 1);
    scene_begins(scene);
    uint64_t place = scene_appends(scene, &two);
    scene_appends(scene, &bobs);
    writer_rollback(scene->library.writer);
    scene_loads(scene);
    assert_int_equal(scene->seen.head_count, 1);
    seen_at(&scene->seen, &before);
    assert_int_equal(scene_reads(scene, 0, 100, 1 << 20).count, 1);
    scene_begins(scene);
    assert_int_equal(scene_appends(scene, &two), place);
    scene_commits(scene);
}

/* ---- proofs ---------------------------------------------------------------------------------- */

static enum weft_status try_freeze(struct scene *scene, const struct signed_record *other) {
    struct library *library = &scene->library;
    scene_begins(scene);
    enum weft_status status =
        shared_freeze(library->writer, &other->record, other->bytes, &library->why);
    if (status == WEFT_OK) {
        scene_commits(scene);
    } else {
        writer_rollback(library->writer);
    }
    return status;
}

/* A column of ann's proof is exactly this record. */
static void proof_is(struct scene *scene, const char *column, struct bytes wanted) {
    char sql[128];
    char *hex = malloc(2 * wanted.size + 1), *got = malloc(2 * wanted.size + 16);
    assert_true(hex != NULL && got != NULL);
    snprintf(sql, sizeof sql, "SELECT hex(%s) FROM _weft_origin WHERE incarnation = 5", column);
    for (size_t i = 0; i < wanted.size; i++)
        snprintf(hex + 2 * i, 3, "%02X", wanted.data[i]);
    assert_string_equal(library_ask(&scene->library, sql, got, 2 * wanted.size + 16), hex);
    free(hex);
    free(got);
}

static void a_fork_freezes_its_origin_for_good_and_keeps_the_proof(void **state) {
    struct scene *scene = *state;
    static const uint8_t zero[RECORD_HASH];
    struct signed_record one = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record other = author_signs_at(&scene->arena, &scene->ann, 1, zero, 0xfe, 9);
    struct signed_record third = author_signs_at(&scene->arena, &scene->ann, 1, zero, 0xfd, 9);
    scene_begins(scene);
    scene_appends(scene, &one);
    scene_commits(scene);
    scene_says(scene, &scene->bob, 1);

    assert_int_equal(try_freeze(scene, &other), WEFT_OK);

    struct signed_record two = author_signs(&scene->arena, &scene->ann, 1);
    for (int i = 0; i < 2; i++) {
        scene_loads(scene);
        assert_true(seen_head(&scene->seen, &scene->ann)->frozen);
        assert_int_equal(seen_head(&scene->seen, &scene->ann)->seq, 1);
        seen_at(&scene->seen, &scene->bob);
        proof_is(scene, "held", one.bytes);
        proof_is(scene, "fork", other.bytes);
        refuses(scene, &two, "two different histories");
        /* The first proof stays. */
        assert_int_equal(try_freeze(scene, &third), WEFT_OK);
        scene_reopen(scene);
    }
    scene_says(scene, &scene->bob, 1);
    assert_int_equal(scene_reads(scene, 0, 100, 1 << 20).count, 3);
}

static void a_successor_of_a_record_that_is_not_here_freezes_too(void **state) {
    struct scene *scene = *state;
    static const uint8_t other[RECORD_HASH] = {7};
    struct signed_record one = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record two = author_signs_at(&scene->arena, &scene->ann, 2, other, 1, 1);
    scene_begins(scene);
    scene_appends(scene, &one);
    scene_commits(scene);
    assert_int_equal(try_freeze(scene, &two), WEFT_OK);
    proof_is(scene, "held", one.bytes);
    proof_is(scene, "fork", two.bytes);
    scene_loads(scene);
    assert_true(seen_head(&scene->seen, &scene->ann)->frozen);
}

static void a_fork_is_proven_by_an_old_record_as_well(void **state) {
    struct scene *scene = *state;
    struct signed_record one = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record other =
        author_signs_at(&scene->arena, &scene->ann, 2, one.record.hash, 0xfe, 1);
    struct signed_record two = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record three = author_signs(&scene->arena, &scene->ann, 1);
    scene_begins(scene);
    scene_appends(scene, &one);
    scene_appends(scene, &two);
    scene_appends(scene, &three);
    scene_commits(scene);
    assert_int_equal(try_freeze(scene, &other), WEFT_OK);
    proof_is(scene, "held", two.bytes);
}

static void what_contradicts_nothing_freezes_nobody(void **state) {
    struct scene *scene = *state;
    static const uint8_t other[RECORD_HASH] = {7};
    struct signed_record one = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record bobs = author_signs(&scene->arena, &scene->bob, 1);
    scene_begins(scene);
    scene_appends(scene, &one);
    scene_commits(scene);
    struct signed_record two = author_signs(&scene->arena, &scene->ann, 1);
    struct signed_record far = author_signs_at(&scene->arena, &scene->ann, 9, other, 1, 1);
    /* Two signatures of one content. */
    struct signed_record again = one;
    uint8_t *bytes = arena_take(&scene->arena, one.bytes.size);
    assert_non_null(bytes);
    memcpy(bytes, one.bytes.data, one.bytes.size);
    bytes[one.bytes.size - 1] ^= 1;
    again.bytes.data = bytes;
    const struct signed_record *harmless[] = {&one, &two, &far, &bobs, &again};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(try_freeze(scene, harmless[i]), WEFT_CORRUPT);
        assert_non_null(strstr(scene->library.why.text, "contradicts none"));
    }
    scene_loads(scene);
    assert_int_equal(scene->seen.head_count, 1);
    assert_false(scene->seen.heads[0].frozen);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static void acks(struct scene *scene, uint8_t device, const struct author *of, uint64_t seq) {
    struct id from = library_id(device);
    library_ok(&scene->library,
               shared_ack(scene->library.writer, &from, &of->origin, seq, &scene->library.why));
}

static void acked(const struct scene *scene, unsigned i, uint8_t device, const struct author *of,
                  uint64_t seq) {
    const struct seen_ack *ack = &scene->seen.acks[i];
    struct id from = library_id(device);
    assert_true(i < scene->seen.ack_count);
    assert_true(id_equal(&ack->device, &from));
    assert_int_equal(record_origin_compare(&ack->origin, &of->origin), 0);
    assert_int_equal(ack->seq, seq);
}

static void acknowledgements_only_grow(void **state) {
    struct scene *scene = *state;
    scene_says(scene, &scene->ann, 1);
    scene_says(scene, &scene->bob, 1);
    const uint64_t numbers[] = {5, 9, 7};
    scene_begins(scene);
    for (int i = 0; i < 3; i++)
        acks(scene, 2, &scene->ann, numbers[i]);
    acks(scene, 3, &scene->bob, 1);
    acks(scene, 2, &scene->bob, 0);
    scene_commits(scene);
    for (int i = 0; i < 2; i++) {
        scene_loads(scene);
        assert_int_equal(scene->seen.ack_count, 3);
        acked(scene, 0, 2, &scene->ann, 9);
        acked(scene, 1, 2, &scene->bob, 0);
        acked(scene, 2, 3, &scene->bob, 1);
        scene_reopen(scene);
    }
}

/* Others may be ahead of what is here. */
static void an_acknowledgement_may_come_before_the_records_after_the_first(void **state) {
    struct scene *scene = *state;
    scene_says(scene, &scene->ann, 1);
    scene_begins(scene);
    acks(scene, 2, &scene->ann, 2);
    scene_commits(scene);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
    scene_says(scene, &scene->ann, 1);
    scene_loads(scene);
    seen_at(&scene->seen, &scene->ann);
    acked(scene, 0, 2, &scene->ann, 2);
}

static void an_acknowledgement_of_an_origin_that_is_not_known_writes_nothing(void **state) {
    struct scene *scene = *state;
    struct library *library = &scene->library;
    struct author again;
    author_init(&again, 0x11, 50);
    scene_says(scene, &scene->ann, 1);
    scene_begins(scene);
    acks(scene, 2, &scene->bob, 3);
    acks(scene, 2, &again, 3); /* a device that is known, in another incarnation */
    scene_commits(scene);
    assert_int_equal(library_count(library, "SELECT count(*) FROM peer_acks"), 0);
    assert_int_equal(library_count(library, "SELECT count(*) FROM _weft_origin"), 1);
    assert_int_equal(library_count(library, "SELECT count(*) FROM _weft_device"), 1);
    scene_says(scene, &scene->bob, 1);
    scene_begins(scene);
    acks(scene, 2, &scene->bob, 3);
    scene_commits(scene);
    scene_loads(scene);
    assert_int_equal(scene->seen.ack_count, 1);
    acked(scene, 0, 2, &scene->bob, 3);
}

static void numbers_that_cannot_be_are_not_acknowledged(void **state) {
    struct scene *scene = *state;
    struct id them = library_id(2);
    struct record_origin origin = scene->ann.origin;
    scene_begins(scene);
    assert_int_equal(
        shared_ack(scene->library.writer, &them, &origin, UINT64_MAX, &scene->library.why),
        WEFT_PROTOCOL);
    origin.incarnation = UINT64_C(1) << 63;
    assert_int_equal(shared_ack(scene->library.writer, &them, &origin, 1, &scene->library.why),
                     WEFT_PROTOCOL);
    scene_commits(scene);
    assert_int_equal(library_count(&scene->library, "SELECT count(*) FROM peer_acks"), 0);
    assert_int_equal(library_count(&scene->library, "SELECT count(*) FROM _weft_origin"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scene_test(records_are_read_back_as_they_were_signed),
        scene_test(heads_follow_their_records_and_survive_reopening),
        scene_test(a_record_that_leaves_a_gap_or_comes_twice_is_refused),
        scene_test(a_record_that_continues_another_history_is_refused),
        scene_test(a_rollback_takes_record_and_head_back),
        scene_test(a_fork_freezes_its_origin_for_good_and_keeps_the_proof),
        scene_test(a_successor_of_a_record_that_is_not_here_freezes_too),
        scene_test(a_fork_is_proven_by_an_old_record_as_well),
        scene_test(what_contradicts_nothing_freezes_nobody),
        scene_test(acknowledgements_only_grow),
        scene_test(an_acknowledgement_may_come_before_the_records_after_the_first),
        scene_test(an_acknowledgement_of_an_origin_that_is_not_known_writes_nothing),
        scene_test(numbers_that_cannot_be_are_not_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
