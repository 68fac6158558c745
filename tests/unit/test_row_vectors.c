/* tests/vectors/weft/changes.txt and snapshots.txt: bodies that say what was done to shared rows,
 * and what they are. What the files tell of is laid down to the same bytes, and read from them
 * again; what must be refused is. Another implementation made them, from docs/protocol.md alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/wire/change.h"
#include "engine/wire/snapshot.h"
#include "tests/lib/noise_vectors.h"

enum { ORIGINS = 4, NAMES = 300 };

static struct stage {
    struct pool *pool;
    struct arena arena; /* values and bodies; until the end of a vector */
    struct vectors vectors;
    struct bytes names[NAMES]; /* of fields, in the order of their first use */
    uint32_t name_count;
    struct record_origin origins[ORIGINS];
    uint32_t origin_count;
} stage;

/* ---- words ----------------------------------------------------------------------------------- */

static struct bytes from_hex(const char *hex) {
    size_t size = 0;
    uint8_t *bytes = arena_take(&stage.arena, strlen(hex) / 2 + 1);
    assert_non_null(bytes);
    if (strcmp(hex, "-") == 0) hex = "";
    assert_int_equal(
        sodium_hex2bin(bytes, strlen(hex) / 2 + 1, hex, strlen(hex), NULL, &size, NULL), 0);
    assert_int_equal(size * 2, strlen(hex));
    return (struct bytes){bytes, size};
}

static uint64_t number(const char *word) {
    char *end = NULL;
    const uint64_t value = strtoull(word, &end, 10);
    assert_true(end != word && *end == '\0');
    return value;
}

/* The next of the words that commas part; `*list` goes on behind it. */
static const char *token(const char **list) {
    const size_t size = strcspn(*list, ",");
    char *word = arena_take(&stage.arena, size + 1);
    assert_non_null(word);
    memcpy(word, *list, size);
    word[size] = '\0';
    *list += size + ((*list)[size] == ',');
    return word;
}

/* A value; false for `node` and `more`, which are none. */
static bool read_value(const char *word, struct weft_value *out) {
    const char *colon = strchr(word, ':');
    *out = weft_null();
    if (colon == NULL) {
        if (strcmp(word, "null") == 0) return true;
        assert_true(strcmp(word, "node") == 0 || strcmp(word, "more") == 0);
        return false;
    }
    if (strncmp(word, "integer", 7) == 0) {
        *out = weft_integer(strtoll(colon + 1, NULL, 10));
        return true;
    }
    const struct bytes bytes = from_hex(colon + 1);
    if (strncmp(word, "real", 4) == 0) {
        assert_int_equal(bytes.size, 8);
        *out = weft_real(0);
        memcpy(&out->as.real, bytes.data, 8);
        return true;
    }
    *out = word[0] == 't' ? weft_text((const char *)bytes.data, bytes.size)
                          : weft_blob(bytes.data, bytes.size);
    return true;
}

static void assert_value(const struct weft_value *have, const struct weft_value *want) {
    assert_int_equal(have->type, want->type);
    if (want->type == WEFT_INTEGER) assert_true(have->as.integer == want->as.integer);
    if (want->type == WEFT_REAL) assert_memory_equal(&have->as.real, &want->as.real, 8);
    if (want->type != WEFT_TEXT && want->type != WEFT_BLOB) return;
    assert_int_equal(have->size, want->size);
    assert_memory_equal(have->as.bytes, want->as.bytes, want->size);
}

/* The number of a field's name, here and in the body. */
static uint32_t named(struct bytes name) {
    for (uint32_t i = 0; i < stage.name_count; i++) {
        if (stage.names[i].size == name.size &&
            memcmp(stage.names[i].data, name.data, name.size) == 0)
            return i;
    }
    assert_true(stage.name_count < NAMES);
    stage.names[stage.name_count] = name;
    return stage.name_count++;
}

static bool line_is(unsigned line, const char *key) {
    return line < stage.vectors.count && strcmp(stage.vectors.keys[line], key) == 0;
}

/* How many lines from here on have this key, without another one in between. */
static uint32_t lines_of(unsigned line, const char *key) {
    uint32_t count = 0;
    while (line_is(line + count, key))
        count++;
    return count;
}

static uint32_t read_key(const char **list, struct weft_value key[LIMIT_KEY_COLUMNS]) {
    uint32_t count = 0;
    while (**list != '\0') {
        assert_true(count < LIMIT_KEY_COLUMNS);
        assert_true(read_value(token(list), &key[count++]));
    }
    return count;
}

static struct bytes text_of(const char *key) {
    return from_hex(vectors_text(&stage.vectors, key));
}

static void assert_body(const struct bytes *have) {
    const struct bytes want = text_of("body");
    assert_int_equal(have->size, want.size);
    assert_memory_equal(have->data, want.data, want.size);
}

/* Calls `check` for every vector of a file; there are so many. */
static void for_each(const char *file, unsigned expected, void (*check)(void)) {
    unsigned count = 0;
    vectors_open(&stage.vectors, file);
    for (; vectors_next(&stage.vectors); count++) {
        arena_init(&stage.arena, stage.pool);
        stage.name_count = stage.origin_count = 0;
        check();
        arena_drop(&stage.arena);
    }
    vectors_close(&stage.vectors);
    assert_int_equal(count, expected);
}

static int stage_open(void **state) {
    (void)state;
    stage.pool = pool_open(0, 0, NULL);
    return stage.pool == NULL;
}

static int stage_close(void **state) {
    (void)state;
    pool_close(stage.pool);
    return 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

static enum change_what what_of(const char *word) {
    if (strcmp(word, "create") == 0) return CHANGE_CREATE;
    if (strcmp(word, "delete") == 0) return CHANGE_DELETE;
    assert_string_equal(word, "update");
    return CHANGE_UPDATE;
}

struct told {
    enum change_what what;
    uint64_t back;
    uint32_t key_count;
    struct weft_value key[LIMIT_KEY_COLUMNS];
};

static struct told told_row(unsigned line) {
    const char *list = stage.vectors.values[line];
    struct told told = {.what = what_of(token(&list))};
    told.back = number(token(&list));
    told.key_count = read_key(&list, told.key);
    return told;
}

/* A field's number, and its value if it has one. */
static bool told_write(unsigned line, uint32_t *field, struct weft_value *value) {
    const char *list = stage.vectors.values[line];
    *field = named(from_hex(token(&list)));
    return read_value(token(&list), value);
}

static void lay_change(struct change_builder *builder) {
    for (unsigned line = 0; line < stage.vectors.count; line++) {
        if (line_is(line, "row")) {
            const struct told told = told_row(line);
            const struct weft_value *key[LIMIT_KEY_COLUMNS];
            for (uint32_t k = 0; k < told.key_count; k++)
                key[k] = &told.key[k];
            change_row(builder, told.what, told.back, key, lines_of(line + 1, "write"));
        } else if (line_is(line, "write")) {
            uint32_t field = 0;
            struct weft_value value;
            const bool some = told_write(line, &field, &value);
            change_write(builder, field, stage.names[field], some ? &value : NULL);
        }
    }
}

static void assert_change(struct bytes body) {
    struct change_reader reader;
    struct change_row row;
    unsigned rows = 0;
    change_open(&reader, body);
    for (unsigned line = 0; line < stage.vectors.count; line++) {
        if (!line_is(line, "row")) continue;
        const struct told told = told_row(line);
        assert_true(change_next(&reader, &row));
        assert_true(row.what == told.what && row.back == told.back);
        assert_int_equal(reader.key_count, told.key_count);
        for (uint32_t k = 0; k < told.key_count; k++)
            assert_value(&row.key[k], &told.key[k]);
        assert_int_equal(row.count, lines_of(line + 1, "write"));
        for (uint32_t i = 0; i < row.count; i++) {
            uint32_t field = 0;
            struct weft_value value;
            const bool some = told_write(line + 1 + i, &field, &value);
            assert_int_equal(row.fields[i], field);
            assert_int_equal(reader.fields[field].size, stage.names[field].size);
            assert_int_equal(row.nodes[i / 64] >> (i % 64) & 1, !some);
            assert_value(&row.values[i], &value);
        }
        rows++;
    }
    assert_true(rows > 0);
    assert_false(change_next(&reader, &row));
}

static void check_change(void) {
    const uint64_t hlc = number(vectors_text(&stage.vectors, "hlc"));
    const bool sound = strcmp(vectors_text(&stage.vectors, "fault"), "none") == 0;
    const struct bytes body = text_of("body");
    if (change_sound(body, hlc) != sound) fail_msg("%s", vectors_text(&stage.vectors, "name"));
    if (!sound) return;
    struct change_builder builder;
    struct bytes laid;
    change_begin(&builder, &stage.arena, text_of("table"),
                 (uint32_t)number(vectors_text(&stage.vectors, "key_count")));
    lay_change(&builder);
    assert_int_equal(change_end(&builder, &laid), WEFT_OK);
    assert_body(&laid);
    assert_change(body);
}

static void changes_are_those_of_the_file_and_no_others(void **state) {
    (void)state;
    for_each("weft/changes.txt", 45, check_change);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static const struct record_origin *whose(const void *context, uint32_t origin) {
    (void)context;
    return origin < stage.origin_count ? &stage.origins[origin] : NULL;
}

static void read_origins(void) {
    for (unsigned line = 0; line < stage.vectors.count; line++) {
        if (!line_is(line, "origin")) continue;
        const char *list = stage.vectors.values[line];
        struct record_origin *origin = &stage.origins[stage.origin_count++];
        assert_true(stage.origin_count <= ORIGINS);
        const struct bytes device = from_hex(token(&list));
        assert_true(id_read(&origin->device, device.data, device.size));
        origin->incarnation = number(token(&list));
    }
}

static struct stamp read_stamp(const char **list) {
    struct stamp stamp = {.origin = (uint32_t)number(token(list))};
    stamp.hlc = number(token(list));
    return stamp;
}

struct told_rows {
    struct stamp created, deleted;
    unsigned fields; /* the line of the first */
    uint32_t count;
};

/* What stands behind the line of a row. */
static struct told_rows told_stamps(unsigned line) {
    struct told_rows told = {.fields = line + 1};
    if (line_is(told.fields, "created")) {
        const char *list = stage.vectors.values[told.fields++];
        told.created = read_stamp(&list);
    }
    if (line_is(told.fields, "deleted")) {
        const char *list = stage.vectors.values[told.fields++];
        told.deleted = read_stamp(&list);
    }
    told.count = lines_of(told.fields, "field");
    return told;
}

static bool told_field(unsigned line, uint32_t *field, struct stamp *stamp,
                       struct weft_value *value) {
    const char *list = stage.vectors.values[line];
    *field = named(from_hex(token(&list)));
    *stamp = read_stamp(&list);
    return read_value(token(&list), value);
}

static void lay_snapshot(struct snapshot_builder *builder) {
    for (unsigned line = 0; line < stage.vectors.count; line++) {
        if (!line_is(line, "row")) continue;
        const struct told_rows told = told_stamps(line);
        const char *list = stage.vectors.values[line];
        struct weft_value values[LIMIT_KEY_COLUMNS];
        const struct weft_value *key[LIMIT_KEY_COLUMNS];
        const uint32_t count = read_key(&list, values);
        for (uint32_t k = 0; k < count; k++)
            key[k] = &values[k];
        snapshot_row(builder, key, &told.created, &told.deleted, told.count);
        for (uint32_t i = 0; i < told.count; i++) {
            uint32_t field = 0;
            struct stamp stamp;
            struct weft_value value;
            const bool some = told_field(told.fields + i, &field, &stamp, &value);
            snapshot_field(builder, field, stage.names[field], &stamp, some ? &value : NULL);
        }
    }
}

/* A stamp of a body, and what it is to be: `want` names its origin as the file does. */
static void assert_stamp(const struct snapshot_body *reader, const struct stamp *have,
                         const struct stamp *want) {
    assert_true(have->hlc == want->hlc);
    if (want->hlc == 0) return;
    assert_true(have->origin < reader->origin_count);
    assert_int_equal(
        record_origin_compare(&reader->origins[have->origin], &stage.origins[want->origin]), 0);
}

static void assert_fields(const struct snapshot_body *reader, const struct snapshot_row *row,
                          const struct told_rows *told) {
    assert_int_equal(row->count, told->count);
    for (uint32_t i = 0; i < row->count; i++) {
        uint32_t field = 0;
        struct stamp stamp;
        struct weft_value value;
        const bool some = told_field(told->fields + i, &field, &stamp, &value);
        assert_int_equal(row->fields[i], field);
        assert_stamp(reader, &row->stamps[i], &stamp);
        assert_int_equal(merge_bit(row->more, i), !some);
        assert_value(&row->values[i], &value);
    }
}

static void assert_snapshot(struct bytes body) {
    struct snapshot_body reader;
    struct snapshot_row row;
    snapshot_open(&reader, body);
    for (unsigned line = 0; line < stage.vectors.count; line++) {
        if (!line_is(line, "row")) continue;
        const struct told_rows told = told_stamps(line);
        const char *list = stage.vectors.values[line];
        struct weft_value key[LIMIT_KEY_COLUMNS];
        assert_true(snapshot_next(&reader, &row));
        assert_int_equal(read_key(&list, key), reader.key_count);
        for (uint32_t k = 0; k < reader.key_count; k++)
            assert_value(&row.key[k], &key[k]);
        assert_stamp(&reader, &row.created, &told.created);
        assert_stamp(&reader, &row.deleted, &told.deleted);
        assert_fields(&reader, &row, &told);
    }
    assert_false(snapshot_next(&reader, &row));
}

static void check_snapshot(void) {
    const bool sound = strcmp(vectors_text(&stage.vectors, "fault"), "none") == 0;
    const struct bytes body = text_of("body");
    uint64_t newest = 0;
    if (snapshot_sound(body, &newest) != sound)
        fail_msg("%s", vectors_text(&stage.vectors, "name"));
    if (!sound) return;
    assert_true(newest == number(vectors_text(&stage.vectors, "newest")));
    struct snapshot_builder builder;
    struct bytes laid;
    read_origins();
    snapshot_build(&builder, &stage.arena, text_of("table"),
                   (uint32_t)number(vectors_text(&stage.vectors, "key_count")), whose, NULL);
    lay_snapshot(&builder);
    assert_int_equal(snapshot_finish(&builder, &laid), WEFT_OK);
    assert_body(&laid);
    assert_snapshot(body);
}

static void snapshots_are_those_of_the_file_and_no_others(void **state) {
    (void)state;
    for_each("weft/snapshots.txt", 32, check_snapshot);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_those_of_the_file_and_no_others),
        cmocka_unit_test(snapshots_are_those_of_the_file_and_no_others),
    };
    return cmocka_run_group_tests(tests, stage_open, stage_close);
}
