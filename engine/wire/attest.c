/* See attest.h. Invariants
 *   1. What is laid down is read back the same.
 *   2. Reading never looks behind the bytes given, and takes all of them or says no.
 * Not here: who is a member, and what follows from what is held. */
#include "engine/wire/attest.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/wire/sign.h"

#define CONTEXT "weft/held"
#define FORMAT 2u
#define HASH 32u
#define HEAD 36u        /* magic, format, flags, device, incarnation, serial */
#define HEAD_ENTRY 32u  /* device, incarnation, seq */
#define SUM_ENTRY 9u    /* table, digest */
#define PLACE_ENTRY 34u /* owner, table, position, known, digest */
#define NUMBER_MAX (UINT64_MAX >> 1)
#define TAIL (4u + SIGN_SIZE) /* what stands behind the heads at least */
#define WAITING 1u            /* the flag */

_Static_assert(HEAD + 1 + ATTEST_TABLES * (1 + LIMIT_NAME) + 2 + TAIL <= LIMIT_ATTEST,
               "all names of tables fit");
_Static_assert(LIMIT_ORIGINS <= UINT16_MAX && LIMIT_ATTEST / PLACE_ENTRY <= UINT16_MAX,
               "entries are counted with 16 bits");

/* ---- reading ---- */

static bool read_tables(struct cursor *cursor, struct attest *out) {
    uint8_t count = 0, size = 0;
    if (!cursor_byte(cursor, &count) || count > ATTEST_TABLES) return false;
    for (out->table_count = 0; out->table_count < count; out->table_count++) {
        if (!cursor_byte(cursor, &size) || size == 0 || size > LIMIT_NAME) return false;
        const uint8_t *name = cursor_take(cursor, size);
        if (name == NULL || !utf8_valid(name, size) || memchr(name, 0, size) != NULL) return false;
        out->tables[out->table_count] = (struct bytes){name, size};
    }
    return true;
}

/* A list of entries of one size. */
static const uint8_t *read_list(struct cursor *cursor, size_t entry, uint32_t *count) {
    const uint8_t *head = cursor_take(cursor, 2);
    if (head == NULL) return NULL;
    *count = load_u16(head);
    return cursor_take(cursor, *count * entry);
}

static bool entries_sound(const struct attest *attest) {
    for (uint32_t i = 0; i < attest->head_count; i++) {
        const struct attest_head head = attest_head_at(attest, i);
        if (head.origin.incarnation > NUMBER_MAX || head.seq > NUMBER_MAX) return false;
    }
    for (uint32_t i = 0; i < attest->sum_count; i++) {
        if (attest->sums[(size_t)i * SUM_ENTRY] >= attest->table_count) return false;
    }
    for (uint32_t i = 0; i < attest->place_count; i++) {
        const uint8_t *at = attest->places + (size_t)i * PLACE_ENTRY;
        if (at[16] >= attest->table_count || load_u64(at + 17) > NUMBER_MAX) return false;
        if (at[25] > 1) return false;
    }
    return true;
}

bool attest_read(struct bytes bytes, struct attest *out) {
    struct cursor cursor = cursor_begin(bytes, "a statement", NULL);
    memset(out, 0, sizeof *out);
    if (bytes.size > LIMIT_ATTEST) return false;
    const uint8_t *head = cursor_take(&cursor, HEAD);
    if (head == NULL || memcmp(head, "WA", 2) != 0 || head[2] != FORMAT || head[3] > WAITING)
        return false;
    memcpy(out->origin.device.bytes, head + 4, WEFT_ID_SIZE);
    out->origin.incarnation = load_u64(head + 20);
    out->serial = load_u64(head + 28);
    out->waiting = head[3] == WAITING;
    if (out->origin.incarnation > NUMBER_MAX || !read_tables(&cursor, out)) return false;
    out->heads = read_list(&cursor, HEAD_ENTRY, &out->head_count);
    if (out->heads == NULL || out->head_count > LIMIT_ORIGINS) return false;
    out->sums = read_list(&cursor, SUM_ENTRY, &out->sum_count);
    if (out->sums == NULL || out->sum_count > ATTEST_TABLES) return false;
    out->places = read_list(&cursor, PLACE_ENTRY, &out->place_count);
    if (out->places == NULL || cursor_left(&cursor) != SIGN_SIZE) return false;
    out->said = (struct bytes){bytes.data, bytes.size - SIGN_SIZE};
    out->signature = cursor.at;
    return entries_sound(out);
}

static void hash_of(struct bytes said, uint8_t hash[HASH]) {
    CHECK(crypto_generichash_blake2b(hash, HASH, said.data, said.size, NULL, 0) == 0);
}

bool attest_signed_by(const struct attest *attest, const struct id *library,
                      const uint8_t id_pk[IDENTITY_KEY]) {
    uint8_t hash[HASH];
    hash_of(attest->said, hash);
    const struct bytes parts[] = {{library->bytes, sizeof library->bytes}, {hash, sizeof hash}};
    return sign_check(CONTEXT, parts, 2, id_pk, attest->signature);
}

struct attest_head attest_head_at(const struct attest *attest, uint32_t i) {
    CHECK(i < attest->head_count);
    const uint8_t *at = attest->heads + (size_t)i * HEAD_ENTRY;
    struct attest_head head = {.origin.incarnation = load_u64(at + 16), .seq = load_u64(at + 24)};
    memcpy(head.origin.device.bytes, at, WEFT_ID_SIZE);
    return head;
}

struct attest_place attest_place_at(const struct attest *attest, uint32_t i) {
    CHECK(i < attest->place_count);
    const uint8_t *at = attest->places + (size_t)i * PLACE_ENTRY;
    struct attest_place place = {.table = at[16],
                                 .position = load_u64(at + 17),
                                 .known = at[25] != 0,
                                 .digest = load_u64(at + 26)};
    memcpy(place.owner.bytes, at, WEFT_ID_SIZE);
    return place;
}

struct attest_table_sum attest_sum_at(const struct attest *attest, uint32_t i) {
    CHECK(i < attest->sum_count);
    const uint8_t *at = attest->sums + (size_t)i * SUM_ENTRY;
    return (struct attest_table_sum){at[0], load_u64(at + 1)};
}

/* ---- writing ---- */

/* Room for `size` bytes; NULL when the arena has none. */
static uint8_t *room(struct attest_builder *builder, size_t size) {
    if (builder->status != WEFT_OK) return NULL;
    uint8_t *at = sink_room(&builder->sink, size);
    if (at == NULL) builder->status = WEFT_NO_MEMORY;
    return at;
}

static void begin_list(struct attest_builder *builder) {
    uint8_t *at = room(builder, 2);
    builder->count = 0;
    builder->lists++;
    if (at == NULL) return;
    builder->count_at = (size_t)(at - builder->sink.data);
    store_u16(at, 0);
    sink_wrote(&builder->sink, at + 2);
}

/* The place of an entry, counted; NULL when it is to be left out. */
static uint8_t *entry(struct attest_builder *builder, size_t size) {
    if (builder->sink.size + size + TAIL > LIMIT_ATTEST) return NULL;
    uint8_t *at = room(builder, size);
    if (at == NULL) return NULL;
    sink_wrote(&builder->sink, at + size);
    store_u16(builder->sink.data + builder->count_at, (uint16_t)++builder->count);
    return at;
}

void attest_begin(struct attest_builder *builder, struct arena *arena,
                  const struct record_origin *origin, uint64_t serial, bool waiting,
                  const struct bytes *tables, uint32_t table_count) {
    CHECK(table_count <= ATTEST_TABLES && origin->incarnation <= NUMBER_MAX);
    *builder = (struct attest_builder){.status = WEFT_OK, .table_count = table_count};
    if (!sink_begin(&builder->sink, arena, 1024)) builder->status = WEFT_NO_MEMORY;
    uint8_t *at = room(builder, HEAD + 1 + table_count * (1u + LIMIT_NAME));
    if (at == NULL) return;
    memcpy(at, "WA", 2);
    at[2] = FORMAT;
    at[3] = waiting ? WAITING : 0;
    memcpy(at + 4, origin->device.bytes, WEFT_ID_SIZE);
    store_u64(at + 20, origin->incarnation);
    store_u64(at + 28, serial);
    at[HEAD] = (uint8_t)table_count;
    at += HEAD + 1;
    for (uint32_t i = 0; i < table_count; i++) {
        CHECK(tables[i].size >= 1 && tables[i].size <= LIMIT_NAME);
        *at++ = (uint8_t)tables[i].size;
        memcpy(at, tables[i].data, tables[i].size);
        at += tables[i].size;
    }
    sink_wrote(&builder->sink, at);
    begin_list(builder);
}

void attest_add_head(struct attest_builder *builder, const struct attest_head *head) {
    CHECK(head->origin.incarnation <= NUMBER_MAX && head->seq <= NUMBER_MAX);
    CHECK(builder->lists == 1 || builder->status != WEFT_OK);
    if (builder->count == LIMIT_ORIGINS) return;
    uint8_t *at = entry(builder, HEAD_ENTRY);
    if (at == NULL) return;
    memcpy(at, head->origin.device.bytes, WEFT_ID_SIZE);
    store_u64(at + 16, head->origin.incarnation);
    store_u64(at + 24, head->seq);
}

void attest_begin_sums(struct attest_builder *builder) {
    CHECK(builder->lists == 1 || builder->status != WEFT_OK);
    begin_list(builder);
}

void attest_add_sum(struct attest_builder *builder, uint32_t table, uint64_t digest) {
    CHECK(builder->lists == 2 || builder->status != WEFT_OK);
    CHECK(table < builder->table_count && builder->count < ATTEST_TABLES);
    uint8_t *at = entry(builder, SUM_ENTRY);
    if (at == NULL) return;
    at[0] = (uint8_t)table;
    store_u64(at + 1, digest);
}

void attest_begin_places(struct attest_builder *builder) {
    if (builder->lists == 1) begin_list(builder);
    CHECK(builder->lists == 2 || builder->status != WEFT_OK);
    begin_list(builder);
}

void attest_add_place(struct attest_builder *builder, const struct attest_place *place) {
    CHECK(builder->lists == 3 || builder->status != WEFT_OK);
    CHECK(place->table < builder->table_count && place->position <= NUMBER_MAX);
    uint8_t *at = entry(builder, PLACE_ENTRY);
    if (at == NULL) return;
    memcpy(at, place->owner.bytes, WEFT_ID_SIZE);
    at[16] = (uint8_t)place->table;
    store_u64(at + 17, place->position);
    at[25] = place->known;
    store_u64(at + 26, place->digest);
}

enum weft_status attest_end(struct attest_builder *builder, const struct identity *identity,
                            struct bytes *out) {
    uint8_t hash[HASH];
    *out = (struct bytes){NULL, 0};
    uint8_t *at = room(builder, SIGN_SIZE);
    if (at == NULL) return builder->status;
    CHECK(builder->lists == 3);
    const struct sink *sink = &builder->sink;
    hash_of((struct bytes){sink->data, sink->size}, hash);
    const struct bytes parts[] = {{identity->library.bytes, sizeof identity->library.bytes},
                                  {hash, sizeof hash}};
    sign_make(CONTEXT, parts, 2, identity->id_sk, at);
    *out = (struct bytes){sink->data, sink->size + SIGN_SIZE};
    return WEFT_OK;
}
