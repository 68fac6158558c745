/* Rows in words. */
#include "tests/lib/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ----------------------------------------------------------------------------------- */

static void take_value(const char *text, size_t size, struct word *word) {
    assert_true(size < WORD_MAX);
    memcpy(word->room, text, size);
    word->room[size] = '\0';
    word->node = strcmp(word->room, "node") == 0;
    if (strcmp(word->room, "null") == 0 || word->node) {
        word->value = weft_null();
    } else if (text[0] == '#') {
        word->value = weft_integer(strtoll(word->room + 1, NULL, 10));
    } else if (text[0] == '%') {
        word->value = weft_real(strtod(word->room + 1, NULL));
    } else if (text[0] == '@') {
        memset(word->room, (int)strtol(word->room + 1, NULL, 10), 16);
        word->value = weft_blob(word->room, 16);
    } else {
        word->value = weft_text(word->room, size);
    }
}

/* Takes one row; returns what lies behind it. */
static const char *take_row(const char *at, struct spoken *row) {
    row->sign = *at++;
    row->back = row->key_count = row->count = 0;
    for (;;) {
        const size_t size = strcspn(at, ",; ^");
        take_value(at, size, &row->key[row->key_count++]);
        at += size;
        if (*at != ',') break;
        at++;
    }
    if (*at == '^') {
        char *end = NULL;
        row->back = strtoull(at + 1, &end, 10);
        at = end;
    }
    while (*at == ' ') {
        struct word *word = &row->writes[row->count++];
        const size_t name = strcspn(++at, "="), size = strcspn(at + name + 1, " ;");
        assert_true(name <= LIMIT_NAME && at[name] == '=' && row->count <= LIMIT_FIELDS);
        memcpy(word->name, at, name);
        word->name[name] = '\0';
        take_value(at + name + 1, size, word);
        at += name + 1 + size;
    }
    return at;
}

/* Moves past the table's name, or from one row to the next; false at the end. */
bool words_next(const char **at, struct spoken *row) {
    *at += strspn(*at, "; ");
    if (**at == '\0') return false;
    if (strchr("=~+-", **at) == NULL) fail_msg("no row begins here: %s", *at);
    *at = take_row(*at, row);
    return true;
}

/* ---- ops of others --------------------------------------------------------------------------- */

static struct bytes name_bytes(const char *name) {
    return (struct bytes){(const uint8_t *)name, strlen(name)};
}

static void build_row(struct change_builder *builder, const struct spoken *row,
                      char names[LIMIT_FIELDS][LIMIT_NAME + 1], uint32_t *named) {
    const struct weft_value *keys[LIMIT_KEY_COLUMNS];
    const enum change_what what = row->sign == '+'   ? CHANGE_CREATE
                                  : row->sign == '-' ? CHANGE_DELETE
                                                     : CHANGE_UPDATE;
    for (uint32_t k = 0; k < row->key_count; k++)
        keys[k] = &row->key[k].value;
    change_row(builder, what, row->back, keys, row->count);
    for (uint32_t i = 0; i < row->count; i++) {
        const struct word *word = &row->writes[i];
        uint32_t n = 0;
        while (n < *named && strcmp(names[n], word->name) != 0)
            n++;
        if (n == *named) memcpy(names[(*named)++], word->name, sizeof names[0]);
        change_write(builder, n, name_bytes(word->name), word->node ? NULL : &word->value);
    }
}

struct bytes words_body(struct arena *arena, const char *words) {
    struct change_builder builder;
    struct spoken *row = malloc(sizeof *row);
    char(*names)[LIMIT_NAME + 1] = calloc(LIMIT_FIELDS, sizeof *names);
    const size_t table = strcspn(words, " ");
    const char *at = words + table;
    uint32_t named = 0;
    bool begun = false;
    struct bytes body = {NULL, 0};
    assert_true(row != NULL && names != NULL);
    while (words_next(&at, row)) {
        if (!begun) {
            const struct bytes name = {(const uint8_t *)words, table};
            change_begin(&builder, arena, name, row->key_count);
        }
        begun = true;
        build_row(&builder, row, names, &named);
    }
    free(names);
    free(row);
    assert_true(begun);
    assert_int_equal(change_end(&builder, &body), WEFT_OK);
    return body;
}

/* ---- text ------------------------------------------------------------------------------------ */

struct text text_begin(char *data, size_t room) {
    data[0] = '\0';
    return (struct text){data, 0, room};
}

void text_put(struct text *text, const char *format, ...) {
    va_list values;
    va_start(values, format);
    const int size = vsnprintf(text->data + text->size, text->room - text->size, format, values);
    va_end(values);
    assert_true(size >= 0 && (size_t)size < text->room - text->size);
    text->size += (size_t)size;
}

static bool all_same(const struct weft_value *value) {
    const uint8_t *bytes = value->as.bytes;
    return value->size == 16 && memcmp(bytes, bytes + 1, 15) == 0;
}

void text_value(struct text *text, const struct weft_value *value) {
    if (value->type == WEFT_NULL) text_put(text, "null");
    if (value->type == WEFT_INTEGER) text_put(text, "#%lld", (long long)value->as.integer);
    if (value->type == WEFT_REAL) text_put(text, "%%%g", value->as.real);
    if (value->type == WEFT_TEXT)
        text_put(text, "%.*s", (int)value->size, (const char *)value->as.bytes);
    if (value->type != WEFT_BLOB) return;
    if (value->size > 0 && all_same(value)) {
        text_put(text, "@%u", *(const uint8_t *)value->as.bytes);
        return;
    }
    text_put(text, "x");
    for (uint32_t i = 0; i < value->size; i++)
        text_put(text, "%02x", ((const uint8_t *)value->as.bytes)[i]);
}

static bool is_node(const struct change_row *row, uint32_t i) {
    return (row->nodes[i / 64] >> (i % 64) & 1) != 0;
}

void text_change(struct text *text, struct bytes body) {
    static const char signs[] = {
        [CHANGE_CREATE] = '+', [CHANGE_DELETE] = '-', [CHANGE_UPDATE] = '~'};
    struct change_reader reader;
    struct change_row row;
    if (body.size == 0) return;
    change_open(&reader, body);
    text_put(text, "%.*s", (int)reader.table.size, (const char *)reader.table.data);
    for (unsigned n = 0; change_next(&reader, &row); n++) {
        text_put(text, "%s %c", n == 0 ? "" : ";", signs[row.what]);
        for (uint32_t k = 0; k < reader.key_count; k++) {
            if (k > 0) text_put(text, ",");
            text_value(text, &row.key[k]);
        }
        if (row.back > 0) text_put(text, "^%llu", (unsigned long long)row.back);
        for (uint32_t i = 0; i < row.count; i++) {
            const struct bytes name = reader.fields[row.fields[i]];
            text_put(text, " %.*s=", (int)name.size, (const char *)name.data);
            if (is_node(&row, i)) text_put(text, "node");
            if (!is_node(&row, i)) text_value(text, &row.values[i]);
        }
    }
}
