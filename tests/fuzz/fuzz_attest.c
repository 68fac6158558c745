/* Fuzzes statements: whatever the bytes, a statement is refused or has one form. What reads is
 * built anew to the same bytes, and signing it by any key makes it that key's.
 *
 *   input := statement, signed by nobody */
#include "engine/base/check.h"
#include "engine/wire/attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct id library = {"weft fuzz lib 1"};

/* Says the same again. */
static struct bytes build(const struct attest *attest, const struct identity *identity,
                          struct arena *arena) {
    struct attest_builder builder;
    struct bytes out;
    attest_begin(&builder, arena, &attest->origin, attest->serial, attest->waiting, attest->tables,
                 attest->table_count);
    for (uint32_t i = 0; i < attest->head_count; i++) {
        const struct attest_head head = attest_head_at(attest, i);
        attest_add_head(&builder, &head);
    }
    attest_begin_sums(&builder);
    for (uint32_t i = 0; i < attest->sum_count; i++) {
        const struct attest_table_sum sum = attest_sum_at(attest, i);
        attest_add_sum(&builder, sum.table, sum.digest);
    }
    attest_begin_places(&builder);
    for (uint32_t i = 0; i < attest->place_count; i++) {
        const struct attest_place place = attest_place_at(attest, i);
        CHECK(place.table < attest->table_count);
        attest_add_place(&builder, &place);
    }
    CHECK(attest_end(&builder, identity, &out) == WEFT_OK);
    return out;
}

static void read_statement(struct bytes bytes, const struct identity *identity,
                           struct arena *arena) {
    struct attest attest, again;
    if (!attest_read(bytes, &attest)) return;
    CHECK(bytes.size <= LIMIT_ATTEST && attest.head_count <= LIMIT_ORIGINS);
    for (uint32_t i = 0; i < attest.table_count; i++) {
        CHECK(attest.tables[i].size >= 1 && attest.tables[i].size <= LIMIT_NAME);
    }
    const struct bytes built = build(&attest, identity, arena);
    CHECK(built.size == bytes.size && attest.said.size < bytes.size);
    CHECK(memcmp(built.data, bytes.data, attest.said.size) == 0);
    CHECK(attest_read(built, &again));
    CHECK(attest_signed_by(&again, &library, identity->public.id_pk));
    CHECK(again.serial == attest.serial && again.waiting == attest.waiting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t secret[IDENTITY_SECRET] = {1, 2, 3};
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct identity identity;
    struct arena arena;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    identity_make(&identity, secret, &library, 1);
    read_statement((struct bytes){data, size}, &identity, &arena);
    arena_drop(&arena);
    pool_close(pool);
    return 0;
}
