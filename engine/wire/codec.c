/* The columnar form of a batch: what is common to a column is said once, and its cells are packed
 * as one sequence of numbers (numbers.h) and one of strings (strings.h).
 *
 *   kind    tags       presence         numbers                  strings
 *     │   (if mixed)  (if NULLs)  (integers, bits of reals)   (texts, blobs)
 *     ▼       ▼           ▼               ▼                        ▼
 *   NULL                                                                         all NULL: no body
 *   INTEGER, REAL     [bitmap]    numbers(present)
 *   TEXT, BLOB        [bitmap]                              strings(present)
 *   MIXED   [tags]    [bitmap]    numbers(that many)        strings(that many)
 *
 * Invariants
 *   1. One pass over the cells of a column, and one over what it gathered; scratch is taken from
 * the arena once per batch.
 *   2. What unpacking allocates is checked against LIMIT_UNPACKED before it is taken.
 *   3. What unpacking returns keeps invariants 1 and 2 of rows.h, whatever the input.
 * Not here: compression (zip.h), the names of the columns and the stream (the message has them),
 * invariant 3 of rows.h (which columns are the key is known to whoever applies the rows). */
#include "engine/wire/codec.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/wire/strings.h"

enum kind { KIND_NULL, KIND_INTEGER, KIND_REAL, KIND_TEXT, KIND_BLOB, KIND_MIXED };

#define KIND_SOME_NULL 0x08u /* a presence bitmap follows */

static size_t bitmap_size(uint32_t count) {
    return ((size_t)count + 7) / 8;
}

static bool is_number(uint8_t tag) {
    return tag == WEFT_INTEGER || tag == WEFT_REAL;
}

/* ---- packing ----------------------------------------------------------------------------------
 */

struct packer {
    const struct rows_slice *slices;
    uint32_t slice_count;
    uint32_t count; /* rows that are not ROW_NONE */
    bool gaps;      /* some are ROW_NONE */
    struct sink sink;
    struct strings_scratch scratch;
    uint8_t *tags;         /* of the column at hand, count of each: */
    uint64_t *numbers;     /* its integers and reals, in order */
    struct bytes *strings; /* its texts and blobs, in order */
};

/* About what the batch will take: the bytes of its texts and blobs, and a few for each number. */
static size_t packed_guess(const struct packer *packer, uint32_t column_count) {
    size_t guess = NUMBERS_PACKED_MAX(packer->count) + (size_t)packer->count * column_count * 3;
    for (uint32_t s = 0; s < packer->slice_count; s++) {
        const Weft__Rows *rows = packer->slices[s].rows;
        if (rows->count == 0) continue;
        for (uint32_t c = 0; c < column_count; c++)
            guess += rows->columns[c]->body.len * packer->slices[s].count / rows->count;
    }
    return guess;
}

static enum weft_status packer_begin(struct packer *packer, struct arena *arena,
                                     uint32_t column_count) {
    const size_t count = packer->count;
    packer->tags = arena_take(arena, count * sizeof *packer->tags);
    packer->numbers = arena_take(arena, count * sizeof *packer->numbers);
    packer->strings = arena_take(arena, count * sizeof *packer->strings);
    if (packer->tags == NULL || packer->numbers == NULL || packer->strings == NULL)
        return WEFT_NO_MEMORY;
    const enum weft_status status = strings_scratch(&packer->scratch, arena, packer->count);
    if (status != WEFT_OK) return status;
    /* The sink is the last block taken, so that it may grow in place. */
    return sink_begin(&packer->sink, arena, packed_guess(packer, column_count)) ? WEFT_OK
                                                                                : WEFT_NO_MEMORY;
}

/* Counts what is to be written, and holds the caller to the contract of codec_pack(). */
static void count_rows(struct packer *packer, uint32_t column_count) {
    const struct rows_slice *slices = packer->slices;
    uint32_t count = 0, all = 0;
    for (uint32_t s = 0; s < packer->slice_count; s++) {
        const Weft__Rows *rows = slices[s].rows;
        CHECK(slices[s].first <= rows->count && slices[s].count <= rows->count - slices[s].first);
        CHECK(rows->n_columns == column_count);
        for (uint32_t i = slices[s].first; i < slices[s].first + slices[s].count; i++) {
            CHECK(rows_op(rows, i) != ROW_SET);
            count += rows_op(rows, i) != ROW_NONE;
        }
        all += slices[s].count;
    }
    CHECK(count <= LIMIT_ROWS);
    packer->count = count;
    packer->gaps = count != all;
}

/* A set of rows: one bit each; `mark` chooses them from `of`, which has an entry per row. */
static uint8_t *put_bitmap(uint8_t *at, const uint8_t *of, uint32_t count,
                           bool (*mark)(uint8_t value)) {
    memset(at, 0, bitmap_size(count));
    for (uint32_t i = 0; i < count; i++)
        at[i >> 3] |= (uint8_t)(mark(of[i]) << (i & 7));
    return at + bitmap_size(count);
}

static bool is_delete(uint8_t op) {
    return op == ROW_DELETE;
}
static bool is_present(uint8_t tag) {
    return tag != WEFT_NULL;
}

static enum weft_status put_ops_and_versions(struct packer *packer, uint64_t after) {
    uint32_t n = 0, deletes = 0;
    uint64_t before = after;
    for (uint32_t s = 0; s < packer->slice_count; s++) {
        const Weft__Rows *rows = packer->slices[s].rows;
        for (uint32_t i = 0; i < packer->slices[s].count; i++) {
            const uint32_t row = packer->slices[s].first + i;
            if (rows_op(rows, row) == ROW_NONE) continue;
            const uint64_t version = rows_version(rows, row);
            CHECK(version > before);
            before = version;
            packer->numbers[n] = version - after;
            packer->tags[n++] = (uint8_t)rows_op(rows, row);
            deletes += rows_op(rows, row) == ROW_DELETE;
        }
    }
    CHECK(n == packer->count);
    /* The guess, by which the sink was begun, is more than this. */
    CHECK(packer->sink.room - packer->sink.size >= 1 + bitmap_size(n));
    uint8_t *at = packer->sink.data + packer->sink.size;
    *at++ = deletes != 0;
    if (deletes != 0) at = put_bitmap(at, packer->tags, n, is_delete);
    sink_wrote(&packer->sink, at);
    return numbers_pack(&packer->sink, packer->numbers, n);
}

/* How many cells of each type, and of both sequences, a column has. */
struct tally {
    uint32_t of[WEFT_BLOB + 1];
    uint32_t numbers, strings;
};

static struct bytes string_of(const Weft__Column *column, uint64_t cell) {
    static const uint8_t nothing[1];
    const uint32_t size = (uint32_t)(cell >> 32), offset = (uint32_t)cell;
    CHECK(size <= column->body.len && offset <= column->body.len - size);
    return (struct bytes){size == 0 ? nothing : column->body.data + offset, size};
}

/* Gathers rows of which none is left out and whose cells all have the same type. */
static void gather_alike(struct packer *packer, const Weft__Column *from, uint32_t first,
                         uint32_t count, uint32_t next, struct tally *tally) {
    const uint8_t tag = from->tags.data[first];
    const uint8_t *cells = from->cells.data + (size_t)first * 8;
    CHECK(tag <= WEFT_BLOB);
    memset(packer->tags + next, tag, count);
    tally->of[tag] += count;
    if (is_number(tag)) {
        memcpy(packer->numbers + tally->numbers, cells, (size_t)count * 8);
        tally->numbers += count;
    } else if (tag != WEFT_NULL) {
        struct bytes *strings = packer->strings + tally->strings;
        for (uint32_t i = 0; i < count; i++)
            strings[i] = string_of(from, load_u64(cells + (size_t)i * 8));
        tally->strings += count;
    }
}

static void gather_slice(struct packer *packer, const struct rows_slice *slice, uint32_t column,
                         uint32_t *next, struct tally *tally) {
    const Weft__Column *from = slice->rows->columns[column];
    const uint32_t first = slice->first, end = slice->first + slice->count;
    const uint8_t *tags = from->tags.data;
    uint32_t n = *next, numbers = tally->numbers, strings = tally->strings;
    if (!packer->gaps && slice->count > 0 &&
        memcmp(tags + first, tags + first + 1, slice->count - 1) == 0) {
        gather_alike(packer, from, first, slice->count, n, tally);
        *next += slice->count;
        return;
    }
    for (uint32_t row = first; row < end; row++) {
        if (rows_op(slice->rows, row) == ROW_NONE) continue;
        const uint8_t tag = tags[row];
        const uint64_t cell = load_u64(from->cells.data + (size_t)row * 8);
        CHECK(tag <= WEFT_BLOB);
        packer->tags[n++] = tag;
        tally->of[tag]++;
        if (is_number(tag))
            packer->numbers[numbers++] = cell;
        else if (tag != WEFT_NULL)
            packer->strings[strings++] = string_of(from, cell);
    }
    *next = n;
    tally->numbers = numbers;
    tally->strings = strings;
}

static enum kind kind_of(const struct tally *tally) {
    enum kind kind = KIND_NULL;
    for (uint8_t tag = WEFT_INTEGER; tag <= WEFT_BLOB; tag++) {
        if (tally->of[tag] == 0) continue;
        kind = kind == KIND_NULL ? (enum kind)tag : KIND_MIXED;
    }
    return kind;
}

static enum weft_status pack_column(struct packer *packer, uint32_t column) {
    struct tally tally = {0};
    uint32_t n = 0;
    for (uint32_t s = 0; s < packer->slice_count; s++)
        gather_slice(packer, &packer->slices[s], column, &n, &tally);
    CHECK(n == packer->count);
    const enum kind kind = kind_of(&tally);
    const bool some_null = kind != KIND_NULL && tally.of[WEFT_NULL] != 0;
    uint8_t *at = sink_room(&packer->sink, 1 + bitmap_size(n) + n);
    if (at == NULL) return WEFT_NO_MEMORY;
    *at++ = (uint8_t)(kind | (some_null ? KIND_SOME_NULL : 0));
    if (some_null) at = put_bitmap(at, packer->tags, n, is_present);
    for (uint32_t i = 0; kind == KIND_MIXED && i < n; i++) {
        if (packer->tags[i] != WEFT_NULL) *at++ = packer->tags[i];
    }
    sink_wrote(&packer->sink, at);
    enum weft_status status = WEFT_OK;
    if (tally.numbers != 0) status = numbers_pack(&packer->sink, packer->numbers, tally.numbers);
    if (tally.strings != 0 && status == WEFT_OK)
        status = strings_pack(&packer->sink, &packer->scratch, packer->strings, tally.strings);
    return status;
}

enum weft_status codec_pack(const struct rows_slice *slices, uint32_t slice_count, uint64_t after,
                            uint32_t column_count, struct arena *arena, struct bytes *out,
                            uint32_t *count) {
    CHECK(column_count <= LIMIT_COLUMNS);
    struct packer packer = {.slices = slices, .slice_count = slice_count};
    count_rows(&packer, column_count);
    *count = packer.count;
    if (packer.count == 0) {
        uint8_t *zero = arena_zero(arena, 1);
        *out = (struct bytes){zero, 1};
        return zero == NULL ? WEFT_NO_MEMORY : WEFT_OK;
    }
    enum weft_status status = packer_begin(&packer, arena, column_count);
    if (status != WEFT_OK) return status;
    sink_wrote(&packer.sink, varint_put(packer.sink.data, packer.count));
    status = put_ops_and_versions(&packer, after);
    for (uint32_t column = 0; column < column_count && status == WEFT_OK; column++)
        status = pack_column(&packer, column);
    *out = (struct bytes){packer.sink.data, packer.sink.size};
    return status;
}

/* ---- unpacking --------------------------------------------------------------------------------
 */

struct unpacker {
    struct cursor cursor;
    struct arena *arena;
    size_t budget; /* what may still be unfolded */
    uint32_t count;
    Weft__Rows *rows;
    uint64_t *numbers; /* scratch, count */
    uint64_t *spare;   /* scratch, count */
};

static ProtobufCBinaryData field_of(const void *data, size_t size) {
    return (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)data};
}

/* A column whose cells are not yet read. Each gets a block of its own, which a pool's chunk can
 * hold; one for all of them would have to come from the system each time. */
static bool column_begin(struct unpacker *unpacker, Weft__Column *column, uint8_t *tags) {
    const size_t count = unpacker->count, size = count * sizeof(uint64_t);
    uint64_t *cells = arena_take(unpacker->arena, size);
    weft__column__init(column);
    column->tags = field_of(tags, count);
    column->cells = field_of(cells, size);
    return cells != NULL;
}

/* Takes everything whose size the counts tell: all but the bodies. */
static enum weft_status unpacker_begin(struct unpacker *unpacker, uint32_t column_count) {
    struct arena *arena = unpacker->arena;
    const size_t count = unpacker->count, row = sizeof(uint64_t) + 1;
    const size_t fixed = count * row * (1 + (size_t)column_count);
    CHECK(fixed <= unpacker->budget); /* By LIMIT_ROWS and LIMIT_COLUMNS. */
    unpacker->budget -= fixed;
    Weft__Rows *rows = arena_take(arena, sizeof *rows);
    Weft__Column *columns = arena_take(arena, column_count * sizeof *columns);
    Weft__Column **pointers = arena_take(arena, column_count * sizeof *pointers);
    uint8_t *ops = arena_zero(arena, count);
    uint8_t *tags = arena_take(arena, count * column_count);
    uint64_t *versions = arena_take(arena, count * sizeof *versions);
    unpacker->numbers = arena_take(arena, count * sizeof *unpacker->numbers);
    unpacker->spare = arena_take(arena, count * sizeof *unpacker->spare);
    if (rows == NULL || columns == NULL || pointers == NULL || ops == NULL || tags == NULL ||
        versions == NULL || unpacker->numbers == NULL || unpacker->spare == NULL)
        return WEFT_NO_MEMORY;
    weft__rows__init(rows);
    rows->count = unpacker->count;
    rows->ops = field_of(ops, count);
    rows->versions = field_of(versions, count * sizeof *versions);
    rows->n_columns = column_count;
    rows->columns = pointers;
    for (uint32_t c = 0; c < column_count; c++) {
        pointers[c] = &columns[c];
        if (!column_begin(unpacker, &columns[c], tags + c * count)) return WEFT_NO_MEMORY;
    }
    unpacker->rows = rows;
    return WEFT_OK;
}

/* Reads a bitmap and gives the rows it names `value` in `out`. */
static enum weft_status get_bitmap(struct unpacker *unpacker, uint8_t *out, uint8_t value) {
    const uint32_t count = unpacker->count;
    const uint8_t *bits = cursor_take(&unpacker->cursor, bitmap_size(count));
    if (bits == NULL) return cursor_fail(&unpacker->cursor, WEFT_PROTOCOL, "a bitmap ends early");
    if (count % 8 != 0 && bits[count / 8] >> count % 8 != 0)
        return cursor_fail(&unpacker->cursor, WEFT_PROTOCOL, "a bitmap names rows past the last");
    for (uint32_t i = 0; i < count; i++)
        out[i] = (bits[i >> 3] >> (i & 7) & 1) != 0 ? value : 0;
    return WEFT_OK;
}

static enum weft_status get_ops_and_versions(struct unpacker *unpacker, uint64_t after,
                                             uint64_t upto) {
    struct cursor *cursor = &unpacker->cursor;
    Weft__Rows *rows = unpacker->rows;
    uint64_t *versions = (uint64_t *)(void *)rows->versions.data;
    uint8_t deletes;
    if (!cursor_byte(cursor, &deletes) || deletes > 1)
        return cursor_fail(cursor, WEFT_PROTOCOL, "it is not said which rows are deletes");
    enum weft_status status = WEFT_OK;
    if (deletes) status = get_bitmap(unpacker, rows->ops.data, ROW_DELETE);
    if (status == WEFT_OK) status = numbers_unpack(cursor, versions, unpacker->count);
    if (status != WEFT_OK) return status;
    uint64_t before = 0;
    for (uint32_t i = 0; i < unpacker->count; i++) {
        if (versions[i] <= before || versions[i] > upto - after)
            return cursor_fail(cursor, WEFT_PROTOCOL,
                               "versions do not increase, or do not lie in the batch's interval");
        before = versions[i];
        versions[i] += after;
    }
    return WEFT_OK;
}

/* Reads presence and tags of a column, so that every row has its tag. */
static enum weft_status get_tags(struct unpacker *unpacker, uint8_t first, uint8_t *tags) {
    struct cursor *cursor = &unpacker->cursor;
    const enum kind kind = (enum kind)(first & ~KIND_SOME_NULL);
    const uint8_t tag = kind == KIND_MIXED ? WEFT_INTEGER : (uint8_t)kind;
    if ((first & KIND_SOME_NULL) == 0) {
        memset(tags, tag, unpacker->count);
    } else {
        const enum weft_status status = get_bitmap(unpacker, tags, tag);
        if (status != WEFT_OK) return status;
    }
    for (uint32_t i = 0; kind == KIND_MIXED && i < unpacker->count; i++) {
        if (tags[i] == WEFT_NULL) continue;
        if (!cursor_byte(cursor, &tags[i]) || tags[i] < WEFT_INTEGER || tags[i] > WEFT_BLOB)
            return cursor_fail(cursor, WEFT_PROTOCOL, "a cell has an unknown type");
    }
    return WEFT_OK;
}

/* Puts what was read of one sequence into the cells it belongs to. */
static void scatter(const struct unpacker *unpacker, const uint8_t *tags, uint64_t *cells,
                    bool numbers) {
    const uint64_t *next = unpacker->numbers;
    for (uint32_t i = 0; i < unpacker->count; i++) {
        if (tags[i] != WEFT_NULL && is_number(tags[i]) == numbers) cells[i] = *next++;
    }
}

static enum weft_status unpack_column(struct unpacker *unpacker, uint32_t column) {
    struct cursor *cursor = &unpacker->cursor;
    Weft__Column *to = unpacker->rows->columns[column];
    uint64_t *cells = (uint64_t *)(void *)to->cells.data;
    uint8_t first;
    if (!cursor_byte(cursor, &first) || (first & ~KIND_SOME_NULL) > KIND_MIXED ||
        first == KIND_SOME_NULL)
        return cursor_fail(cursor, WEFT_PROTOCOL, "a column has an unknown kind");
    if (first == KIND_NULL) {
        memset(to->tags.data, WEFT_NULL, to->tags.len);
        memset(cells, 0, to->cells.len);
        return WEFT_OK;
    }
    enum weft_status status = get_tags(unpacker, first, to->tags.data);
    if (status != WEFT_OK) return status;
    const bool alike = first < KIND_MIXED;
    uint32_t numbers = alike && is_number(first) ? unpacker->count : 0;
    uint32_t strings = alike && !is_number(first) ? unpacker->count : 0;
    for (uint32_t i = 0; !alike && i < unpacker->count; i++) {
        numbers += is_number(to->tags.data[i]);
        strings += to->tags.data[i] > WEFT_REAL;
    }
    /* A column of one sequence without gaps is read straight into its cells. */
    const bool dense = numbers == unpacker->count || strings == unpacker->count;
    uint64_t *into = dense ? cells : unpacker->numbers;
    if (!dense) memset(cells, 0, to->cells.len);
    if (numbers != 0) {
        status = numbers_unpack(cursor, into, numbers);
        if (status != WEFT_OK) return status;
        if (!dense) scatter(unpacker, to->tags.data, cells, true);
    }
    if (strings != 0) {
        struct bytes body;
        status = strings_unpack(cursor, strings, unpacker->arena, into, unpacker->spare,
                                &unpacker->budget, &body);
        if (status != WEFT_OK) return status;
        if (!dense) scatter(unpacker, to->tags.data, cells, false);
        to->body = field_of(body.data, body.size);
    }
    return WEFT_OK;
}

enum weft_status codec_unpack(struct bytes packed, uint64_t after, uint64_t upto,
                              uint32_t column_count, struct arena *arena, Weft__Rows **out,
                              struct weft_error *why) {
    static const uint8_t no_rows[1] = {0};
    if (packed.size == 0) packed = (struct bytes){no_rows, sizeof no_rows};
    struct unpacker unpacker = {.arena = arena, .budget = LIMIT_UNPACKED};
    unpacker.cursor = cursor_begin(packed, "a batch of rows", why);
    struct cursor *cursor = &unpacker.cursor;
    if (packed.size > LIMIT_MESSAGE_RAW)
        return cursor_fail(cursor, WEFT_LIMIT, "it is larger than a message may be");
    if (column_count > LIMIT_COLUMNS)
        return cursor_fail(cursor, WEFT_LIMIT, "it has more than 256 columns");
    if (after > upto)
        return cursor_fail(cursor, WEFT_PROTOCOL, "its interval ends before it begins");
    uint64_t count;
    if (!cursor_varint(cursor, &count))
        return cursor_fail(cursor, WEFT_PROTOCOL, "the count of rows is missing");
    if (count > LIMIT_ROWS) return cursor_fail(cursor, WEFT_LIMIT, "it has more than 2048 rows");
    unpacker.count = (uint32_t)count;
    enum weft_status status = unpacker_begin(&unpacker, column_count);
    if (status == WEFT_OK && count != 0) status = get_ops_and_versions(&unpacker, after, upto);
    for (uint32_t c = 0; c < column_count && count != 0 && status == WEFT_OK; c++)
        status = unpack_column(&unpacker, c);
    if (status != WEFT_OK) return status;
    if (cursor_left(cursor) != 0)
        return cursor_fail(cursor, WEFT_PROTOCOL, "bytes follow the last column");
    unpacker.rows->after = after;
    unpacker.rows->upto = upto;
    *out = unpacker.rows;
    return WEFT_OK;
}
