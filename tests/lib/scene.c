/* The scene of the tests of the shared log. */
#include "tests/lib/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char scene_schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                            " id BLOB PRIMARY KEY, device_id BLOB NOT NULL);";

/* ---- authors --------------------------------------------------------------------------------- */

void author_init(struct author *author, uint8_t n, uint64_t incarnation) {
    struct id library = library_id(0x99);
    uint8_t secret[IDENTITY_SECRET];
    memset(secret, n, sizeof secret);
    *author = (struct author){0};
    identity_make(&author->identity, secret, &library, incarnation);
    author->origin = (struct record_origin){author->identity.device, incarnation};
}

struct signed_record author_signs_at(struct arena *arena, const struct author *author, uint64_t seq,
                                     const uint8_t prev[RECORD_HASH], uint8_t filler, size_t size) {
    struct signed_record out = {.record = {.origin = author->origin, .seq = seq, .hlc = 100 + seq}};
    uint8_t *ops = arena_take(arena, RECORD_OP_HEAD + size);
    assert_non_null(ops);
    ops[0] = 0xee;
    store_u32(ops + 1, (uint32_t)size);
    memset(ops + RECORD_OP_HEAD, filler, size);
    out.record.ops = (struct bytes){ops, RECORD_OP_HEAD + size};
    memcpy(out.record.prev, prev, RECORD_HASH);
    struct weft_error why;
    if (record_write(&author->identity, &out.record, arena, &out.bytes, &why) != WEFT_OK) {
        fail_msg("%s", why.text);
    }
    return out;
}

struct signed_record author_signs(struct arena *arena, struct author *author, size_t size) {
    struct signed_record out =
        author_signs_at(arena, author, author->seq + 1, author->hash, (uint8_t)author->seq, size);
    author->seq++;
    memcpy(author->hash, out.record.hash, RECORD_HASH);
    return out;
}

/* ---- what was seen --------------------------------------------------------------------------- */

void seen_take(void *context, const struct shared_head *head) {
    struct seen *seen = context;
    assert_true(seen->head_count < SCENE_HEADS);
    seen->heads[seen->head_count++] = *head;
}

void seen_take_ack(void *context, const struct id *device, const struct record_origin *origin,
                   uint64_t seq) {
    struct seen *seen = context;
    assert_true(seen->ack_count < SCENE_HEADS);
    seen->acks[seen->ack_count++] = (struct seen_ack){*device, *origin, seq};
}

const struct shared_head *seen_head(const struct seen *seen, const struct author *author) {
    for (unsigned i = 0; i < seen->head_count; i++) {
        if (record_origin_compare(&seen->heads[i].origin, &author->origin) == 0) {
            return &seen->heads[i];
        }
    }
    fail_msg("no head of that author, of %u heads", seen->head_count);
    return NULL;
}

void seen_at(const struct seen *seen, const struct author *author) {
    const struct shared_head *head = seen_head(seen, author);
    assert_int_equal(head->seq, author->seq);
    assert_int_equal(head->hlc, 100 + author->seq);
    assert_memory_equal(head->hash, author->hash, RECORD_HASH);
    assert_false(head->frozen);
}

/* ---- the scene ------------------------------------------------------------------------------- */

static void scene_open(struct scene *scene) {
    struct library *library = &scene->library;
    library_open(library, scene->folder, "a.weft", scene_schema, 1);
    library_ok(library, shared_reader_open(library->path, NULL, &scene->reader, &library->why));
}

static void scene_close(struct scene *scene) {
    shared_reader_close(scene->reader);
    library_close(&scene->library);
}

void scene_reopen(struct scene *scene) {
    scene_close(scene);
    scene_open(scene);
}

int scene_setup(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scratch_make(scene->folder);
    scene->pool = pool_open(0, 0, NULL);
    assert_non_null(scene->pool);
    arena_init(&scene->arena, scene->pool);
    scene_open(scene);
    author_init(&scene->ann, 0x11, 5);
    author_init(&scene->bob, 0x22, 6);
    *state = scene;
    return 0;
}

int scene_teardown(void **state) {
    struct scene *scene = *state;
    scene_close(scene);
    arena_drop(&scene->arena);
    pool_close(scene->pool);
    scratch_remove(scene->folder);
    free(scene);
    return 0;
}

void scene_begins(struct scene *scene) {
    library_ok(&scene->library, writer_begin(scene->library.writer, &scene->library.why));
}

void scene_commits(struct scene *scene) {
    library_ok(&scene->library, writer_commit(scene->library.writer, &scene->library.why));
}

uint64_t scene_appends(struct scene *scene, const struct signed_record *signed_record) {
    uint64_t place = 0;
    library_ok(&scene->library, shared_append(scene->library.writer, &signed_record->record,
                                              signed_record->bytes, &place, &scene->library.why));
    return place;
}

uint64_t scene_says(struct scene *scene, struct author *author, size_t size) {
    struct signed_record next = author_signs(&scene->arena, author, size);
    scene_begins(scene);
    uint64_t place = scene_appends(scene, &next);
    scene_commits(scene);
    return place;
}

enum weft_status scene_try_load(struct scene *scene, struct roster *roster) {
    struct library *library = &scene->library;
    const struct shared_visit visit = {&scene->seen, seen_take, seen_take_ack};
    scene->seen = (struct seen){0};
    assert_int_equal(roster_open(roster, &scene->ann.identity), WEFT_OK);
    return shared_load(library->writer, &visit, roster, &library->why);
}

void scene_loads(struct scene *scene) {
    struct roster roster;
    library_ok(&scene->library, scene_try_load(scene, &roster));
    roster_close(&roster);
}

struct scene_batch scene_reads(struct scene *scene, uint64_t after, uint32_t count_max,
                               size_t bytes_max) {
    struct scene_batch batch;
    library_ok(&scene->library,
               shared_reader_after(scene->reader, after, count_max, bytes_max, &scene->arena,
                                   &batch.entries, &batch.count, &batch.more, &scene->library.why));
    return batch;
}
