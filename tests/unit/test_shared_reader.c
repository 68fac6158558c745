/* The shared log in the store: reading by place, and what a lost power leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/lib/scene.h"
#include "tests/sim/disk.h"

/* ---- reading --------------------------------------------------------------------------------- */

static void records_come_in_batches_that_keep_to_both_bounds(void **state) {
    struct scene *scene = *state;
    uint64_t places[10], after = 0;
    const size_t size = 1000 + RECORD_OP_HEAD + RECORD_OVERHEAD;
    for (int i = 0; i < 10; i++)
        places[i] = scene_says(scene, i % 3 == 0 ? &scene->bob : &scene->ann, 1000);
    struct scene_batch batch = scene_reads(scene, 0, 10, 1 << 20);
    assert_true(batch.count == 10 && !batch.more);
    batch = scene_reads(scene, 0, 9, 1 << 20);
    assert_true(batch.count == 9 && batch.more);
    batch = scene_reads(scene, 0, 100, 3 * size);
    assert_true(batch.count == 3 && batch.more);
    batch = scene_reads(scene, 0, 100, 3 * size - 1);
    assert_true(batch.count == 2 && batch.more);
    batch = scene_reads(scene, 0, 100, 10 * size);
    assert_true(batch.count == 10 && !batch.more);
    /* One that is larger than the bound comes alone. */
    for (unsigned i = 0; i < 10; i++) {
        batch = scene_reads(scene, after, 100, 1);
        assert_int_equal(batch.count, 1);
        assert_int_equal(batch.entries[0].place, places[i]);
        assert_int_equal(batch.more, i < 9);
        after = batch.entries[0].place;
    }
    batch = scene_reads(scene, after, 100, 1 << 20);
    assert_true(batch.count == 0 && !batch.more);
}

static void a_batch_of_many_records_is_whole(void **state) {
    struct scene *scene = *state;
    scene_begins(scene);
    for (int i = 0; i < 500; i++) {
        struct signed_record next = author_signs(&scene->arena, &scene->ann, 40);
        scene_appends(scene, &next);
    }
    scene_commits(scene);
    struct scene_batch batch = scene_reads(scene, 0, 1000, 1 << 20);
    assert_int_equal(batch.count, 500);
    for (uint32_t i = 0; i < batch.count; i++) {
        assert_int_equal(batch.entries[i].seq, i + 1);
        assert_int_equal(batch.entries[i].record.data[RECORD_HEAD + RECORD_OP_HEAD], (uint8_t)i);
    }
}

static void a_place_is_never_given_out_again(void **state) {
    struct scene *scene = *state;
    scene_says(scene, &scene->ann, 1);
    uint64_t last = scene_says(scene, &scene->ann, 1);
    library_sql(&scene->library, "DELETE FROM shared_changes");
    scene_reopen(scene);
    assert_int_equal(scene_says(scene, &scene->ann, 1), last + 1);
}

static void a_record_that_cannot_be_read_is_told(void **state) {
    struct scene *scene = *state;
    struct scene_batch batch;
    scene_says(scene, &scene->ann, 1);
    scene_says(scene, &scene->ann, 1);
    library_sql(&scene->library, "UPDATE shared_changes SET record = 'x' WHERE place = 2");
    assert_int_equal(scene_reads(scene, 0, 1, 1 << 20).count, 1);
    assert_int_equal(shared_reader_after(scene->reader, 0, 10, 1 << 20, &scene->arena,
                                         &batch.entries, &batch.count, &batch.more,
                                         &scene->library.why),
                     WEFT_CORRUPT);
    assert_non_null(strstr(scene->library.why.text, "place 2"));
    /* The reader goes on as before. */
    library_sql(&scene->library, "DELETE FROM shared_changes WHERE place = 2");
    assert_int_equal(scene_reads(scene, 0, 10, 1 << 20).count, 1);
}

static uint64_t place_after(struct scene *scene, const struct author *author, uint64_t seq) {
    uint64_t place = 77;
    library_ok(&scene->library, shared_reader_place(scene->reader, &author->origin, seq, &place,
                                                    &scene->library.why));
    return place;
}

static void the_least_place_of_what_an_origin_has_said_since_is_found(void **state) {
    struct scene *scene = *state;
    uint64_t first = scene_says(scene, &scene->ann, 1);
    uint64_t other = scene_says(scene, &scene->bob, 1);
    uint64_t last = scene_says(scene, &scene->ann, 1);
    assert_int_equal(place_after(scene, &scene->ann, 0), first);
    assert_int_equal(place_after(scene, &scene->ann, 1), last);
    assert_int_equal(place_after(scene, &scene->ann, 2), 0);
    assert_int_equal(place_after(scene, &scene->ann, INT64_MAX), 0);
    assert_int_equal(place_after(scene, &scene->bob, 0), other);
    struct author nobody = scene->bob;
    nobody.origin.incarnation++;
    assert_int_equal(place_after(scene, &nobody, 0), 0);
    /* Later ones may stand first. */
    library_sql(&scene->library, "UPDATE shared_changes SET place = 100 WHERE place = 1");
    assert_int_equal(place_after(scene, &scene->ann, 0), last);
}

struct meddling {
    struct scene *scene;
    struct seen seen;
    bool done;
};

/* Commits one more record while the heads are being read. */
static void seen_take_and_write(void *context, const struct shared_head *head) {
    struct meddling *meddling = context;
    seen_take(&meddling->seen, head);
    if (meddling->done) return;
    meddling->done = true;
    scene_says(meddling->scene, &meddling->scene->bob, 1);
    scene_says(meddling->scene, &meddling->scene->ann, 1);
}

static void heads_and_the_greatest_place_are_of_one_moment(void **state) {
    struct scene *scene = *state;
    struct meddling meddling = {.scene = scene};
    uint64_t place = 77;
    library_ok(&scene->library, shared_reader_heads(scene->reader, &scene->seen, seen_take, &place,
                                                    &scene->library.why));
    assert_int_equal(scene->seen.head_count, 0);
    assert_int_equal(place, 0);

    uint64_t first = scene_says(scene, &scene->ann, 1);
    scene_says(scene, &scene->bob, 1);
    uint64_t last = scene_says(scene, &scene->bob, 1);
    struct author ann = scene->ann, bob = scene->bob;
    library_ok(&scene->library, shared_reader_heads(scene->reader, &meddling, seen_take_and_write,
                                                    &place, &scene->library.why));
    assert_true(first < last);
    assert_int_equal(place, last);
    assert_int_equal(meddling.seen.head_count, 2);
    seen_at(&meddling.seen, &ann);
    seen_at(&meddling.seen, &bob);

    scene->seen = (struct seen){0};
    library_ok(&scene->library, shared_reader_heads(scene->reader, &scene->seen, seen_take, &place,
                                                    &scene->library.why));
    assert_int_equal(place, last + 2);
    seen_at(&scene->seen, &scene->ann);
    seen_at(&scene->seen, &scene->bob);
}

/* ---- crashes --------------------------------------------------------------------------------- */

struct ruin {
    struct disk *disk;
    struct pool *pool;
    struct store store;
    struct writer *writer;
    struct author ann, bob;
    uint64_t sure; /* records of each that were committed */
};

static struct instant no_time(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

static void ruin_open(struct ruin *ruin) {
    struct weft_error why;
    struct store_seed seed = library_seed("/d/a.weft", scene_schema, 1);
    seed.vfs = disk_vfs(ruin->disk);
    if (store_open(&seed, ruin->pool, &ruin->store, &why) != WEFT_OK) fail_msg("%s", why.text);
    if (writer_open(seed.path, seed.vfs, 1 << 20, ruin->store.models, &ruin->store.device,
                    &ruin->writer, &why) != WEFT_OK) {
        fail_msg("%s", why.text);
    }
}

static void ruin_close(struct ruin *ruin) {
    writer_close(ruin->writer);
    store_close(&ruin->store);
}

/* Commits `count` times one record of each; false once the disk is down. */
static bool ruin_write(struct ruin *ruin, struct arena *arena, int count) {
    for (int i = 0; i < count; i++) {
        struct signed_record both[2] = {author_signs(arena, &ruin->ann, 700),
                                        author_signs(arena, &ruin->bob, 700)};
        enum weft_status status = writer_begin(ruin->writer, NULL);
        uint64_t place;
        for (int k = 0; k < 2 && status == WEFT_OK; k++) {
            status = shared_append(ruin->writer, &both[k].record, both[k].bytes, &place, NULL);
        }
        if (status == WEFT_OK) {
            status = writer_commit(ruin->writer, NULL);
        } else {
            writer_rollback(ruin->writer);
        }
        if (status != WEFT_OK) return false;
        ruin->sure++;
    }
    return !disk_is_down(ruin->disk);
}

/* Heads and records tell the same story, which has all that was committed. */
static void ruin_is_sound(struct ruin *ruin, struct arena *arena) {
    struct shared_reader *reader = NULL;
    struct shared_entry *entries = NULL;
    struct weft_error why;
    struct seen seen = {0};
    struct id library = library_id(0x99);
    uint64_t place = 0, last[2] = {0};
    uint32_t count = 0;
    bool more = false;
    const struct author *authors[2] = {&ruin->ann, &ruin->bob};
    assert_int_equal(shared_reader_open("/d/a.weft", disk_vfs(ruin->disk), &reader, &why), WEFT_OK);
    assert_int_equal(shared_reader_heads(reader, &seen, seen_take, &place, &why), WEFT_OK);
    assert_int_equal(
        shared_reader_after(reader, 0, 100, 1 << 20, arena, &entries, &count, &more, &why),
        WEFT_OK);
    assert_int_equal(count, place);
    assert_int_equal(seen.head_count, count > 0 ? 2 : 0);
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        int whose = record_origin_compare(&entries[i].origin, &ruin->ann.origin) == 0 ? 0 : 1;
        assert_int_equal(record_read(&library, entries[i].record, &record, &why), WEFT_OK);
        assert_int_equal(record.seq, ++last[whose]);
        const struct shared_head *head = seen_head(&seen, authors[whose]);
        if (record.seq == head->seq) assert_memory_equal(head->hash, record.hash, RECORD_HASH);
    }
    assert_int_equal(last[0], last[1]);
    assert_true(last[0] >= ruin->sure && last[0] <= ruin->sure + 1);
    for (int i = 0; i < 2 && count > 0; i++)
        assert_int_equal(seen_head(&seen, authors[i])->seq, last[i]);
    shared_reader_close(reader);
}

static void heads_and_records_agree_after_power_was_lost_at_any_point(void **state) {
    (void)state;
    bool whole = false;
    unsigned points = 0;
    for (uint64_t point = 1; !whole; point++, points++) {
        struct ruin ruin = {.pool = pool_open(0, 0, NULL)};
        struct arena arena;
        assert_non_null(ruin.pool);
        arena_init(&arena, ruin.pool);
        ruin.disk = disk_open("shared-crash", point, (struct time_port){.now = no_time});
        author_init(&ruin.ann, 0x11, 5);
        author_init(&ruin.bob, 0x22, 6);
        ruin_open(&ruin);
        disk_crash_after(ruin.disk, point, DISK_KEEP_SOME);
        whole = ruin_write(&ruin, &arena, 3);
        ruin_close(&ruin);
        if (disk_is_down(ruin.disk)) disk_restart(ruin.disk);
        disk_crash_after(ruin.disk, 0, DISK_KEEP_ALL);
        ruin_open(&ruin);
        ruin_is_sound(&ruin, &arena);
        ruin_close(&ruin);
        disk_close(ruin.disk);
        arena_drop(&arena);
        pool_close(ruin.pool);
    }
    assert_true(points > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scene_test(records_come_in_batches_that_keep_to_both_bounds),
        scene_test(a_batch_of_many_records_is_whole),
        scene_test(a_place_is_never_given_out_again),
        scene_test(a_record_that_cannot_be_read_is_told),
        scene_test(the_least_place_of_what_an_origin_has_said_since_is_found),
        scene_test(heads_and_the_greatest_place_are_of_one_moment),
        cmocka_unit_test(heads_and_records_agree_after_power_was_lost_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
