/* Proofs of records, and the ops AWAY and BACK: what is made reads back, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/wire/record.h"
#include "tests/lib/drawn.h"

#define NUMBER_MAX (UINT64_MAX >> 1)

static const struct id library = {{0x11, 0x22, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* What one case needs: a device, a record that it wrote, and the proof of that. */
struct bench {
    struct pool *pool;
    struct arena arena;
    struct rng rng;
    struct identity identity;
    struct record record;
    struct bytes bytes;
    uint8_t proof[RECORD_PROOF];
};

static int set_up(void **state) {
    static struct bench bench;
    uint8_t secret[IDENTITY_SECRET];
    memset(&bench, 0, sizeof bench);
    bench.pool = pool_open(0, 0, NULL);
    if (bench.pool == NULL) return -1;
    arena_init(&bench.arena, bench.pool);
    rng_seed(&bench.rng, 77, 0);
    rng_fill(&bench.rng, secret, sizeof secret);
    identity_make(&bench.identity, secret, &library, 7);
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *bench = *state;
    arena_drop(&bench->arena);
    pool_close(bench->pool);
    return 0;
}

/* The device writes record number `seq` with so many bytes of ops, and it is proved. */
static void write_record(struct bench *bench, uint64_t seq, uint32_t size) {
    uint8_t *ops = arena_take(&bench->arena, RECORD_OP_HEAD + size);
    assert_non_null(ops);
    ops[0] = RECORD_OP_CHANGE;
    store_u32(ops + 1, size);
    rng_fill(&bench->rng, ops + RECORD_OP_HEAD, size);
    bench->record = (struct record){.origin = {bench->identity.device, 7},
                                    .seq = seq,
                                    .hlc = rng_u64(&bench->rng) & NUMBER_MAX,
                                    .ops = {ops, RECORD_OP_HEAD + size}};
    if (seq > 1) rng_fill(&bench->rng, bench->record.prev, RECORD_HASH);
    assert_int_equal(
        record_write(&bench->identity, &bench->record, &bench->arena, &bench->bytes, NULL),
        WEFT_OK);
    record_prove(&bench->record, bench->proof);
}

static struct bytes proof_of(struct bench *bench) {
    return (struct bytes){bench->proof, sizeof bench->proof};
}

/* ---- proofs ---------------------------------------------------------------------------------- */

static void a_proof_says_what_its_record_does_without_the_ops(void **state) {
    static const uint64_t numbers[] = {1, 2, 1000, NUMBER_MAX};
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct record record, proved;
        write_record(bench, numbers[i], (uint32_t)rng_below(&bench->rng, 2000));
        /* Of a record as it comes from a peer, not only of one just written. */
        assert_int_equal(record_read(&library, bench->bytes, &record, NULL), WEFT_OK);
        record_prove(&record, bench->proof);
        const struct bytes exact = drawn_exact(bench->proof, RECORD_PROOF);
        assert_true(record_read_proof(&library, exact, &proved));
        assert_int_equal(record_origin_compare(&proved.origin, &record.origin), 0);
        assert_true(proved.seq == record.seq && proved.hlc == record.hlc);
        assert_memory_equal(proved.prev, record.prev, RECORD_HASH);
        assert_memory_equal(proved.hash, record.hash, RECORD_HASH);
        assert_int_equal(proved.ops.size, 0);
        assert_true(record_signed_by(&proved, bench->identity.public.id_pk));
        drawn_exact_free(exact);
    }
}

static void a_proof_of_another_length_is_refused(void **state) {
    struct bench *bench = *state;
    struct record out;
    uint8_t longer[RECORD_PROOF + 40] = {0};
    write_record(bench, 5, 30);
    for (size_t size = 0; size < RECORD_PROOF; size++) {
        const struct bytes part = drawn_exact(bench->proof, size);
        assert_false(record_read_proof(&library, part, &out));
        drawn_exact_free(part);
    }
    memcpy(longer, bench->proof, RECORD_PROOF);
    for (size_t more = 1; more <= 40; more++)
        assert_false(
            record_read_proof(&library, (struct bytes){longer, RECORD_PROOF + more}, &out));
    /* Nor does the record itself pass for one. */
    write_record(bench, 5, RECORD_PROOF - RECORD_OVERHEAD - RECORD_OP_HEAD);
    assert_int_equal(bench->bytes.size, RECORD_PROOF);
    if (record_read_proof(&library, bench->bytes, &out))
        assert_false(record_signed_by(&out, bench->identity.public.id_pk));
}

static void no_flipped_bit_passes_for_the_proof(void **state) {
    struct bench *bench = *state;
    struct record out;
    write_record(bench, 3, 30);
    for (size_t bit = 0; bit < RECORD_PROOF * 8; bit++) {
        bench->proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (record_read_proof(&library, proof_of(bench), &out)) {
            const bool in_signature = bit / 8 >= RECORD_PROOF - RECORD_SIGNATURE;
            assert_int_equal(memcmp(out.hash, bench->record.hash, RECORD_HASH) == 0, in_signature);
            assert_false(record_signed_by(&out, bench->identity.public.id_pk));
        }
        bench->proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(record_read_proof(&library, proof_of(bench), &out));
    assert_true(record_signed_by(&out, bench->identity.public.id_pk));
}

static void numbers_that_no_record_has_are_refused(void **state) {
    static const struct {
        size_t at;
        uint64_t value;
    } cases[] = {
        {16, NUMBER_MAX + 1}, {16, UINT64_MAX},     {24, 0},          {24, NUMBER_MAX + 1},
        {24, UINT64_MAX},     {32, NUMBER_MAX + 1}, {32, UINT64_MAX}, {24, 1}, /* ... with a prev */
    };
    struct bench *bench = *state;
    struct record out;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_record(bench, 5, 30);
        store_u64(bench->proof + cases[i].at, cases[i].value);
        assert_false(record_read_proof(&library, proof_of(bench), &out));
    }
}

static void a_proof_holds_in_its_library_and_for_its_device_only(void **state) {
    struct bench *bench = *state;
    struct id elsewhere = library;
    struct record out;
    uint8_t other[IDENTITY_KEY];
    elsewhere.bytes[0] ^= 1;
    write_record(bench, 5, 30);
    assert_true(record_read_proof(&elsewhere, proof_of(bench), &out));
    assert_false(record_signed_by(&out, bench->identity.public.id_pk));
    assert_true(record_read_proof(&library, proof_of(bench), &out));
    rng_fill(&bench->rng, other, sizeof other);
    assert_false(record_signed_by(&out, other));
}

/* ---- what is never forgotten ----------------------------------------------------------------- */

/* A record with an op of each of these kinds, of no body. */
static bool lasts(struct bench *bench, const uint8_t *kinds, size_t count) {
    uint8_t *ops = arena_zero(&bench->arena, count * RECORD_OP_HEAD + 1);
    assert_non_null(ops);
    for (size_t i = 0; i < count; i++)
        ops[i * RECORD_OP_HEAD] = kinds[i];
    const struct record record = {.ops = {ops, count * RECORD_OP_HEAD}};
    return record_lasting(&record);
}

static void whatever_is_no_change_of_rows_lasts(void **state) {
    struct bench *bench = *state;
    const uint8_t changes[] = {RECORD_OP_CHANGE, RECORD_OP_CHANGE, RECORD_OP_CHANGE};
    for (unsigned kind = 0; kind < 256; kind++) {
        const uint8_t alone = (uint8_t)kind;
        const uint8_t last[] = {RECORD_OP_CHANGE, RECORD_OP_CHANGE, alone};
        const uint8_t first[] = {alone, RECORD_OP_CHANGE, RECORD_OP_CHANGE};
        assert_int_equal(lasts(bench, &alone, 1), kind != RECORD_OP_CHANGE);
        assert_int_equal(lasts(bench, last, 3), kind != RECORD_OP_CHANGE);
        assert_int_equal(lasts(bench, first, 3), kind != RECORD_OP_CHANGE);
    }
    assert_false(lasts(bench, changes, 3));
    assert_false(lasts(bench, changes, 0));
}

/* ---- away and back --------------------------------------------------------------------------- */

/* Builds ops with one op, and returns its body. */
static struct bytes body_of(struct record_ops *ops, enum record_op_kind kind) {
    struct bytes all;
    struct record_op op;
    size_t at = 0;
    assert_int_equal(record_ops_end(ops, &all), WEFT_OK);
    const struct record record = {.ops = all};
    assert_true(record_next(&record, &at, &op));
    assert_int_equal(op.kind, kind);
    assert_false(record_next(&record, &at, &op));
    return op.body;
}

static void an_away_reads_back_and_only_in_its_form(void **state) {
    struct bench *bench = *state;
    static const uint64_t stamps[] = {0, 1, NUMBER_MAX};
    struct record_ops ops;
    struct record_away away, read;
    uint8_t longer[25] = {0};
    rng_fill(&bench->rng, away.device.bytes, sizeof away.device.bytes);
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        away.hlc = stamps[i];
        record_ops_begin(&ops, &bench->arena);
        record_ops_away(&ops, &away);
        const struct bytes body = body_of(&ops, RECORD_OP_AWAY);
        assert_int_equal(body.size, stamps[i] == 0 ? 16 : 24);
        assert_true(record_read_away(body, &read));
        assert_true(id_equal(&read.device, &away.device));
        assert_true(read.hlc == stamps[i]);
    }
    store_u64(longer + 16, 1);
    for (size_t size = 0; size <= sizeof longer; size++) {
        const struct bytes part = drawn_exact(longer, size);
        assert_true(record_read_away(part, &read) == (size == 16 || size == 24));
        drawn_exact_free(part);
    }
    store_u64(longer + 16, 0); /* That is the shorter form. */
    assert_false(record_read_away((struct bytes){longer, 24}, &read));
    store_u64(longer + 16, NUMBER_MAX + 1); /* No record has such a stamp. */
    assert_false(record_read_away((struct bytes){longer, 24}, &read));
}

static void a_back_reads_back_and_only_in_its_form(void **state) {
    static const uint64_t stamps[] = {1, 77, NUMBER_MAX};
    struct bench *bench = *state;
    struct record_ops ops;
    uint64_t read = 0;
    uint8_t bytes[9] = {1};
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        record_ops_begin(&ops, &bench->arena);
        record_ops_back(&ops, stamps[i]);
        const struct bytes body = body_of(&ops, RECORD_OP_BACK);
        assert_true(record_read_back(body, &read));
        assert_true(read == stamps[i]);
    }
    for (size_t size = 0; size < 8; size++) {
        const struct bytes part = drawn_exact(bytes, size);
        assert_false(record_read_back(part, &read));
        drawn_exact_free(part);
    }
    assert_false(record_read_back((struct bytes){bytes, 9}, &read));
    /* No record has such a stamp. */
    store_u64(bytes, NUMBER_MAX + 1);
    assert_false(record_read_back((struct bytes){bytes, 8}, &read));
    store_u64(bytes, UINT64_MAX);
    assert_false(record_read_back((struct bytes){bytes, 8}, &read));
}

int main(void) {
#define PROOF_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROOF_TEST(a_proof_says_what_its_record_does_without_the_ops),
        PROOF_TEST(a_proof_of_another_length_is_refused),
        PROOF_TEST(no_flipped_bit_passes_for_the_proof),
        PROOF_TEST(numbers_that_no_record_has_are_refused),
        PROOF_TEST(a_proof_holds_in_its_library_and_for_its_device_only),
        PROOF_TEST(whatever_is_no_change_of_rows_lasts),
        PROOF_TEST(an_away_reads_back_and_only_in_its_form),
        PROOF_TEST(a_back_reads_back_and_only_in_its_form),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
