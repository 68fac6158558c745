/* A library that keeps a shared log, and two devices, ann and bob, who sign records for it. For the
 * tests of the shared log in the store, which play the part of the log's actor themselves. */
#ifndef TESTS_LIB_SCENE_H
#define TESTS_LIB_SCENE_H

#include "engine/store/shared.h"
#include "tests/lib/library.h"

enum { SCENE_HEADS = 16 };

extern const char scene_schema[];

/* Whoever signs records: a device in one incarnation, and the end of its chain. */
struct author {
    struct identity identity;
    struct record_origin origin;
    uint64_t seq;
    uint8_t hash[RECORD_HASH];
};

struct signed_record {
    struct record record;
    struct bytes bytes;
};

/* The device whose secret is bytes `n`. */
void author_init(struct author *author, uint8_t n, uint64_t incarnation);
/* Signs a record that holds one op of a kind nobody knows, of `size` bytes. */
struct signed_record author_signs_at(struct arena *arena, const struct author *author, uint64_t seq,
                                     const uint8_t prev[RECORD_HASH], uint8_t filler, size_t size);
/* The next record of an author's chain; the filler counts from 0. */
struct signed_record author_signs(struct arena *arena, struct author *author, size_t size);

/* What shared_load() or shared_reader_heads() told. */
struct seen_ack {
    struct id device;
    struct record_origin origin;
    uint64_t seq;
};
struct seen {
    struct shared_head heads[SCENE_HEADS];
    struct seen_ack acks[SCENE_HEADS];
    unsigned head_count, ack_count;
};
/* For visitors; the context is a struct seen. */
void seen_take(void *context, const struct shared_head *head);
void seen_take_ack(void *context, const struct id *device, const struct record_origin *origin,
                   uint64_t seq);
/* Fails the test if there is none. */
const struct shared_head *seen_head(const struct seen *seen, const struct author *author);
/* The head seen is the end of the author's chain. */
void seen_at(const struct seen *seen, const struct author *author);

struct scene {
    char folder[SCRATCH_PATH];
    struct library library;
    struct shared_reader *reader;
    struct pool *pool;
    struct arena arena; /* of everything signed and read; outlives a reopening */
    struct author ann, bob;
    struct seen seen; /* of the last scene_loads() */
};

/* For cmocka; *state becomes the scene. */
int scene_setup(void **state);
int scene_teardown(void **state);
void scene_reopen(struct scene *scene);
#define scene_test(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)

/* These fail the test if they cannot be done. */
void scene_begins(struct scene *scene);
void scene_commits(struct scene *scene);
/* Returns the place. */
uint64_t scene_appends(struct scene *scene, const struct signed_record *signed_record);
/* Signs the next record and appends it in a transaction of its own. */
uint64_t scene_says(struct scene *scene, struct author *author, size_t size);
/* Loads into scene->seen, and into a roster of ann's that is closed again. */
void scene_loads(struct scene *scene);
/* Opens the roster, whatever comes of loading. */
enum weft_status scene_try_load(struct scene *scene, struct roster *roster);

struct scene_batch {
    struct shared_entry *entries;
    uint32_t count;
    bool more;
};
struct scene_batch scene_reads(struct scene *scene, uint64_t after, uint32_t count_max,
                               size_t bytes_max);

#endif
