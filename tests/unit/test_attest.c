/* Statements: what is written reads back, nothing else reads, and only its signer's key fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/wire/attest.h"
#include "tests/lib/drawn.h"

#define NUMBER_MAX (UINT64_MAX >> 1)
#define HEAD 36u        /* magic, format, flags, device, incarnation, serial */
#define HEAD_ENTRY 32u  /* device, incarnation, seq */
#define SUM_ENTRY 9u    /* table, digest */
#define PLACE_ENTRY 34u /* owner, table, position, known, digest */
#define SIGNATURE 64u

static const struct id library = {"of the library!"};

/* What one case needs. */
struct bench {
    struct pool *pool;
    struct arena arena;
    struct rng rng;
    struct identity identity;
    struct record_origin self;
};

static void begin(struct bench *bench, uint64_t seed) {
    uint8_t secret[IDENTITY_SECRET];
    bench->pool = pool_open(0, 0, NULL);
    assert_non_null(bench->pool);
    arena_init(&bench->arena, bench->pool);
    rng_seed(&bench->rng, seed, 0);
    rng_fill(&bench->rng, secret, sizeof secret);
    identity_make(&bench->identity, secret, &library, 7);
    bench->self = (struct record_origin){bench->identity.device, 7};
}

static void end(struct bench *bench) {
    arena_drop(&bench->arena);
    pool_close(bench->pool);
}

/* What a statement is to say. */
struct content {
    uint64_t serial;
    bool waiting;
    struct attest_table_sum sums[40];
    uint32_t sum_count;
    struct bytes tables[ATTEST_TABLES];
    uint32_t table_count;
    struct attest_head heads[40];
    uint32_t head_count;
    struct attest_place places[40];
    uint32_t place_count;
};

static struct bytes text(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void draw(struct bench *bench, struct content *out) {
    static const char *const names[] = {"entry", "location", "größe", "x"};
    struct rng *rng = &bench->rng;
    memset(out, 0, sizeof *out);
    out->table_count = 1 + (uint32_t)rng_below(rng, 4);
    for (uint32_t i = 0; i < out->table_count; i++)
        out->tables[i] = text(names[i]);
    out->serial = rng_u64(rng);
    out->waiting = rng_chance(rng, 500);
    out->sum_count = (uint32_t)rng_below(rng, 41);
    for (uint32_t i = 0; i < out->sum_count; i++) {
        out->sums[i].table = (uint32_t)rng_below(rng, out->table_count);
        out->sums[i].digest = rng_u64(rng);
    }
    out->head_count = (uint32_t)rng_below(rng, 41);
    for (uint32_t i = 0; i < out->head_count; i++) {
        struct attest_head *head = &out->heads[i];
        rng_fill(rng, head->origin.device.bytes, WEFT_ID_SIZE);
        head->origin.incarnation = rng_u64(rng) & NUMBER_MAX;
        head->seq = rng_u64(rng) & NUMBER_MAX;
    }
    out->place_count = (uint32_t)rng_below(rng, 41);
    for (uint32_t i = 0; i < out->place_count; i++) {
        struct attest_place *place = &out->places[i];
        rng_fill(rng, place->owner.bytes, WEFT_ID_SIZE);
        place->table = (uint32_t)rng_below(rng, out->table_count);
        place->position = rng_u64(rng) & NUMBER_MAX;
        place->known = rng_chance(rng, 500);
        place->digest = rng_u64(rng);
    }
}

static struct bytes write_statement(struct bench *bench, const struct content *content) {
    struct attest_builder builder;
    struct bytes out;
    attest_begin(&builder, &bench->arena, &bench->self, content->serial, content->waiting,
                 content->tables, content->table_count);
    for (uint32_t i = 0; i < content->head_count; i++)
        attest_add_head(&builder, &content->heads[i]);
    attest_begin_sums(&builder);
    for (uint32_t i = 0; i < content->sum_count; i++)
        attest_add_sum(&builder, content->sums[i].table, content->sums[i].digest);
    attest_begin_places(&builder);
    for (uint32_t i = 0; i < content->place_count; i++)
        attest_add_place(&builder, &content->places[i]);
    assert_int_equal(attest_end(&builder, &bench->identity, &out), WEFT_OK);
    return out;
}

/* Two tables, a head and two places: every part has a known place in the bytes. */
static struct content small_content(void) {
    struct content content = {
        .tables = {text("entry"), text("misc")},
        .table_count = 2,
        .heads = {{.origin = {{"device of head 1"}, 3}, .seq = 4}},
        .head_count = 1,
        .serial = 9,
        .sums = {{1, 70}},
        .sum_count = 1,
        .places = {{{"owner of place 1"}, 0, 50, true, 80},
                   {{"owner of place 2"}, 1, 60, false, 0}},
        .place_count = 2,
    };
    return content;
}

enum {
    AT_TABLE_COUNT = HEAD,
    AT_FIRST_NAME = AT_TABLE_COUNT + 1,
    AT_HEAD_COUNT = AT_FIRST_NAME + 6 + 5,
    AT_HEAD = AT_HEAD_COUNT + 2,
    AT_SUM_COUNT = AT_HEAD + HEAD_ENTRY,
    AT_SUM = AT_SUM_COUNT + 2,
    AT_PLACE_COUNT = AT_SUM + SUM_ENTRY,
    AT_PLACE = AT_PLACE_COUNT + 2,
    AT_SIGNATURE = AT_PLACE + 2 * PLACE_ENTRY,
    SMALL_SIZE = AT_SIGNATURE + SIGNATURE,
};

static struct bytes write_small(struct bench *bench, uint8_t copy[SMALL_SIZE]) {
    const struct content content = small_content();
    const struct bytes bytes = write_statement(bench, &content);
    assert_int_equal(bytes.size, SMALL_SIZE);
    memcpy(copy, bytes.data, SMALL_SIZE);
    return (struct bytes){copy, SMALL_SIZE};
}

/* Reading sees no byte behind these. */
static bool reads(struct bytes bytes) {
    struct attest attest;
    const struct bytes exact = drawn_exact(bytes.data, bytes.size);
    const bool read = attest_read(exact, &attest);
    drawn_exact_free(exact);
    return read;
}

/* ---- round trips ----------------------------------------------------------------------------- */

static void assert_says(const struct attest *attest, const struct content *content) {
    assert_int_equal(attest->table_count, content->table_count);
    for (uint32_t i = 0; i < content->table_count; i++) {
        assert_int_equal(attest->tables[i].size, content->tables[i].size);
        assert_memory_equal(attest->tables[i].data, content->tables[i].data,
                            content->tables[i].size);
    }
    assert_int_equal(attest->head_count, content->head_count);
    for (uint32_t i = 0; i < content->head_count; i++) {
        const struct attest_head head = attest_head_at(attest, i);
        assert_int_equal(record_origin_compare(&head.origin, &content->heads[i].origin), 0);
        assert_true(head.seq == content->heads[i].seq);
    }
    assert_true(attest->serial == content->serial && attest->waiting == content->waiting);
    assert_int_equal(attest->sum_count, content->sum_count);
    for (uint32_t i = 0; i < content->sum_count; i++) {
        const struct attest_table_sum sum = attest_sum_at(attest, i);
        assert_int_equal(sum.table, content->sums[i].table);
        assert_true(sum.digest == content->sums[i].digest);
    }
    assert_int_equal(attest->place_count, content->place_count);
    for (uint32_t i = 0; i < content->place_count; i++) {
        const struct attest_place place = attest_place_at(attest, i);
        assert_true(id_equal(&place.owner, &content->places[i].owner));
        assert_int_equal(place.table, content->places[i].table);
        assert_true(place.position == content->places[i].position);
        assert_int_equal(place.known, content->places[i].known);
        assert_true(place.digest == content->places[i].digest);
    }
}

static void a_statement_reads_back_as_it_was_written(void **state) {
    (void)state;
    struct bench bench;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct content content;
        struct attest attest;
        begin(&bench, seed);
        draw(&bench, &content);
        const struct bytes bytes = write_statement(&bench, &content);
        const struct bytes exact = drawn_exact(bytes.data, bytes.size);
        assert_true(attest_read(exact, &attest));
        assert_int_equal(record_origin_compare(&attest.origin, &bench.self), 0);
        assert_says(&attest, &content);
        assert_true(attest_signed_by(&attest, &library, bench.identity.public.id_pk));
        drawn_exact_free(exact);
        end(&bench);
    }
}

static void who_holds_nothing_says_so(void **state) {
    (void)state;
    struct bench bench;
    const struct content nothing = {.table_count = 0};
    struct attest attest;
    begin(&bench, 1);
    const struct bytes bytes = write_statement(&bench, &nothing);
    assert_int_equal(bytes.size, HEAD + 1 + 2 + 2 + 2 + SIGNATURE);
    assert_true(attest_read(bytes, &attest));
    end(&bench);
}

static void the_bytes_and_the_signature_are_those_that_the_format_gives(void **state) {
    (void)state;
    struct bench bench;
    uint8_t bytes[SMALL_SIZE], message[10 + WEFT_ID_SIZE + 32];
    begin(&bench, 1);
    (void)write_small(&bench, bytes);
    assert_memory_equal(bytes, "WA\2\0", 4);
    assert_memory_equal(bytes + 4, bench.self.device.bytes, WEFT_ID_SIZE);
    assert_memory_equal(bytes + 20, "\7\0\0\0\0\0\0\0", 8);
    assert_memory_equal(bytes + 28, "\x9\0\0\0\0\0\0\0", 8);
    assert_memory_equal(bytes + AT_TABLE_COUNT, "\2\5entry\4misc\1\0", 14);
    assert_memory_equal(bytes + AT_HEAD, "device of head 1\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0", 32);
    assert_memory_equal(bytes + AT_SUM_COUNT, "\1\0\1\x46\0\0\0\0\0\0\0", 11);
    assert_memory_equal(bytes + AT_PLACE_COUNT, "\2\0owner of place 1\0\x32\0\0\0\0\0\0\0", 27);
    assert_memory_equal(bytes + AT_PLACE + 25, "\1\x50\0\0\0\0\0\0\0", 9);
    assert_memory_equal(bytes + AT_PLACE + PLACE_ENTRY,
                        "owner of place 2\1\x3c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 34);
    memcpy(message, "weft/held", 10);
    memcpy(message + 10, library.bytes, WEFT_ID_SIZE);
    crypto_generichash(message + 10 + WEFT_ID_SIZE, 32, bytes, AT_SIGNATURE, NULL, 0);
    assert_int_equal(crypto_sign_verify_detached(bytes + AT_SIGNATURE, message, sizeof message,
                                                 bench.identity.public.id_pk),
                     0);
    end(&bench);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void every_truncation_and_every_byte_more_is_refused(void **state) {
    (void)state;
    struct bench bench;
    uint8_t bytes[SMALL_SIZE + 1] = {0};
    begin(&bench, 1);
    (void)write_small(&bench, bytes);
    for (size_t size = 0; size < SMALL_SIZE; size++)
        assert_false(reads((struct bytes){bytes, size}));
    assert_true(reads((struct bytes){bytes, SMALL_SIZE}));
    assert_false(reads((struct bytes){bytes, SMALL_SIZE + 1}));
    struct attest attest;
    assert_false(attest_read((struct bytes){NULL, 0}, &attest)); /* As protobuf has it. */
    end(&bench);
}

static void each_malformed_part_is_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } changes[] = {
        {0, 'w'},                          /* the magic */
        {1, 'R'},                          /* ... that of a record */
        {2, 0},                            /* the format */
        {2, 1},                            /* ... of an earlier version */
        {2, 3},                            /* ... of a later one */
        {3, 2},                            /* flags */
        {27, 0x80},                        /* an incarnation of 2^63 */
        {AT_TABLE_COUNT, 1},               /* a table fewer */
        {AT_TABLE_COUNT, 3},               /* ... or more than there are */
        {AT_TABLE_COUNT, 65},              /* more than there may be */
        {AT_TABLE_COUNT, 255},             /* ... */
        {AT_FIRST_NAME, 0},                /* an empty name */
        {AT_FIRST_NAME, 4},                /* a shorter one */
        {AT_FIRST_NAME, 129},              /* one too long */
        {AT_FIRST_NAME + 1, 0},            /* a NUL in it */
        {AT_FIRST_NAME + 1, 0xff},         /* no UTF-8 */
        {AT_HEAD_COUNT, 0},                /* a head fewer */
        {AT_HEAD_COUNT, 2},                /* ... or more than there are */
        {AT_HEAD_COUNT + 1, 0xff},         /* ... */
        {AT_HEAD + 16 + 7, 0x80},          /* a head's incarnation of 2^63 */
        {AT_HEAD + 24 + 7, 0x80},          /* its seq */
        {AT_SUM_COUNT, 0},                 /* a sum fewer */
        {AT_SUM_COUNT, 2},                 /* ... or more than there are */
        {AT_SUM, 2},                       /* a table that is not in the list */
        {AT_PLACE + 25, 2},                /* neither known nor not */
        {AT_PLACE_COUNT, 1},               /* a place fewer */
        {AT_PLACE_COUNT, 3},               /* ... or more than there are */
        {AT_PLACE_COUNT + 1, 0xff},        /* ... */
        {AT_PLACE + 16, 2},                /* a table that is not in the list */
        {AT_PLACE + PLACE_ENTRY + 16, 64}, /* ... */
        {AT_PLACE + 16, 255},              /* ... */
        {AT_PLACE + 17 + 7, 0x80},         /* a position of 2^63 */
        {AT_PLACE + PLACE_ENTRY + 24, 0xff},
    };
    struct bench bench;
    uint8_t bytes[SMALL_SIZE];
    begin(&bench, 1);
    (void)write_small(&bench, bytes);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const uint8_t before = bytes[changes[i].at];
        bytes[changes[i].at] = changes[i].byte;
        if (reads((struct bytes){bytes, SMALL_SIZE})) fail_msg("change %zu reads", i);
        bytes[changes[i].at] = before;
    }
    assert_true(reads((struct bytes){bytes, SMALL_SIZE}));
    end(&bench);
}

/* A statement of `heads` heads and `places` places, that nobody has signed. */
static struct bytes lay_large(struct bench *bench, uint32_t heads, uint32_t places) {
    const size_t size =
        HEAD + 3 + 2 + (size_t)heads * HEAD_ENTRY + 4 + (size_t)places * PLACE_ENTRY + SIGNATURE;
    uint8_t *bytes = arena_zero(&bench->arena, size);
    assert_non_null(bytes);
    memcpy(bytes, "WA\2\0", 4);
    memcpy(bytes + HEAD, "\1\1t", 3);
    store_u16(bytes + HEAD + 3, (uint16_t)heads);
    store_u16(bytes + HEAD + 7 + (size_t)heads * HEAD_ENTRY, (uint16_t)places);
    return (struct bytes){bytes, size};
}

static void more_heads_than_there_may_be_origins_are_refused(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, 1);
    assert_true(reads(lay_large(&bench, LIMIT_ORIGINS, 0)));
    assert_false(reads(lay_large(&bench, LIMIT_ORIGINS + 1, 0)));
    end(&bench);
}

static void what_is_longer_than_a_statement_may_be_is_refused(void **state) {
    (void)state;
    struct bench bench;
    const uint32_t most = (LIMIT_ATTEST - HEAD - 3 - 2 - 4 - SIGNATURE) / PLACE_ENTRY;
    begin(&bench, 1);
    assert_true(reads(lay_large(&bench, 0, most)));
    assert_false(reads(lay_large(&bench, 0, most + 1)));
    end(&bench);
}

static void every_flipped_bit_is_refused(void **state) {
    (void)state;
    struct bench bench;
    uint8_t bytes[SMALL_SIZE];
    unsigned read = 0;
    begin(&bench, 1);
    const struct bytes all = write_small(&bench, bytes);
    for (size_t bit = 0; bit < 8 * SMALL_SIZE; bit++) {
        struct attest attest;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (attest_read(all, &attest)) {
            read++;
            assert_false(attest_signed_by(&attest, &library, bench.identity.public.id_pk));
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_in_range(read, 512, 8 * SMALL_SIZE); /* Only the signature tells of most of them. */
    end(&bench);
}

static void another_key_or_another_library_does_not_fit(void **state) {
    (void)state;
    struct bench bench, other;
    uint8_t bytes[SMALL_SIZE];
    struct attest attest;
    struct id elsewhere = library;
    begin(&bench, 1);
    begin(&other, 2);
    elsewhere.bytes[15] ^= 1;
    assert_true(attest_read(write_small(&bench, bytes), &attest));
    assert_true(attest_signed_by(&attest, &library, bench.identity.public.id_pk));
    assert_false(attest_signed_by(&attest, &elsewhere, bench.identity.public.id_pk));
    assert_false(attest_signed_by(&attest, &library, other.identity.public.id_pk));
    /* The other signs what this device says. */
    other.self = bench.self;
    assert_true(attest_read(write_small(&other, bytes), &attest));
    assert_false(attest_signed_by(&attest, &library, bench.identity.public.id_pk));
    end(&other);
    end(&bench);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void what_no_longer_fits_is_left_out(void **state) {
    (void)state;
    struct bench bench;
    struct attest_builder builder;
    struct attest attest;
    struct bytes bytes;
    char names[ATTEST_TABLES][LIMIT_NAME];
    struct bytes tables[ATTEST_TABLES];
    begin(&bench, 1);
    for (uint32_t i = 0; i < ATTEST_TABLES; i++) {
        memset(names[i], 'a' + (int)(i % 26), sizeof names[i]);
        tables[i] = (struct bytes){(const uint8_t *)names[i], sizeof names[i]};
    }
    attest_begin(&builder, &bench.arena, &bench.self, 1, false, tables, ATTEST_TABLES);
    for (uint32_t i = 0; i < LIMIT_ORIGINS + 10; i++)
        attest_add_head(&builder, &(struct attest_head){.origin.incarnation = i, .seq = 1});
    attest_begin_places(&builder);
    for (uint32_t i = 0; i < 70000; i++)
        attest_add_place(&builder, &(struct attest_place){library, i % ATTEST_TABLES, i, true, i});
    assert_int_equal(attest_end(&builder, &bench.identity, &bytes), WEFT_OK);
    assert_in_range(bytes.size, LIMIT_ATTEST - PLACE_ENTRY + 1, LIMIT_ATTEST);
    assert_true(attest_read(bytes, &attest));
    assert_int_equal(attest.table_count, ATTEST_TABLES);
    assert_int_equal(attest.head_count, LIMIT_ORIGINS);
    assert_true(attest_head_at(&attest, LIMIT_ORIGINS - 1).origin.incarnation == LIMIT_ORIGINS - 1);
    for (uint32_t i = 0; i < attest.place_count; i++)
        assert_true(attest_place_at(&attest, i).position == i);
    assert_true(attest_signed_by(&attest, &library, bench.identity.public.id_pk));
    end(&bench);
}

static void short_memory_is_said_at_the_end(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, 1);
    unsigned failed = 0, done = 0;
    for (size_t limit = 4096; done == 0; limit += 4096) {
        struct pool *pool = pool_open(limit, 0, NULL);
        struct arena arena;
        struct attest_builder builder;
        struct bytes bytes;
        assert_non_null(pool);
        arena_init(&arena, pool);
        attest_begin(&builder, &arena, &bench.self, 1, false, NULL, 0);
        for (uint32_t i = 0; i < LIMIT_ORIGINS; i++)
            attest_add_head(&builder, &(struct attest_head){.seq = 1});
        attest_begin_places(&builder);
        const enum weft_status status = attest_end(&builder, &bench.identity, &bytes);
        assert_true(status == WEFT_OK || (status == WEFT_NO_MEMORY && bytes.data == NULL));
        failed += status != WEFT_OK;
        done += status == WEFT_OK;
        arena_drop(&arena);
        pool_close(pool);
    }
    assert_int_not_equal(failed, 0);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_reads_back_as_it_was_written),
        cmocka_unit_test(who_holds_nothing_says_so),
        cmocka_unit_test(the_bytes_and_the_signature_are_those_that_the_format_gives),
        cmocka_unit_test(every_truncation_and_every_byte_more_is_refused),
        cmocka_unit_test(each_malformed_part_is_refused),
        cmocka_unit_test(more_heads_than_there_may_be_origins_are_refused),
        cmocka_unit_test(what_is_longer_than_a_statement_may_be_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(another_key_or_another_library_does_not_fit),
        cmocka_unit_test(what_no_longer_fits_is_left_out),
        cmocka_unit_test(short_memory_is_said_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
