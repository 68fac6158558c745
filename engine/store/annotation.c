/* Reading annotations out of SQL text.
 *
 * Two small scanners, one inside the other. The outer one walks the SQL far enough to know what is
 * a comment: it steps over the four kinds of quotes and counts parentheses. The inner one reads
 * the grammar of annotation.h inside a single comment.
 *
 *     CREATE TABLE "a -- b" (   -- @owned(owner: x)   what comes after is prose
 *                  └ quote ┘      └ annotation ────┘
 *
 * Invariants
 *   1. Every byte is looked at once, left to right: no recursion, nothing kept per byte.
 *   2. No slice handed out leaves the text that was given.
 *   3. A comment that begins with '@' is read whole or refused; it is never taken for prose.
 * Not here: whether the columns named exist, and what the annotations mean. models_compile.c does
 * that. */
#include "engine/store/annotation.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

/* ---- comments -------------------------------------------------------------------------------- */

struct scanner {
    const char *table; /* for messages: what the text is */
    const char *begin;
    const char *at;
    const char *end;
    unsigned depth; /* open parentheses at `at` */
    struct weft_error *why;
};

/* Steps over a quoted name or text; a doubled quote stands for itself. */
static const char *quote_end(const char *at, const char *end) {
    char close = *at == '[' ? ']' : *at;
    CHECK(at < end);
    for (at++; at < end; at++) {
        if (*at != close) continue;
        if (close == ']' || at + 1 == end || at[1] != close) return at + 1;
        at++;
    }
    return end;
}

/* The next comment, without its marks; false at the end of the text. */
static bool scanner_comment(struct scanner *scanner, struct bytes *out) {
    while (scanner->at < scanner->end) {
        const char *at = scanner->at, *end = scanner->end;
        bool pair = end - at >= 2;
        const char *stop = NULL;
        if (pair && at[0] == '-' && at[1] == '-') {
            stop = memchr(at, '\n', (size_t)(end - at));
            if (stop == NULL) stop = end;
            scanner->at = stop;
        } else if (pair && at[0] == '/' && at[1] == '*') {
            stop = memmem(at + 2, (size_t)(end - at - 2), "*/", 2);
            scanner->at = stop == NULL ? end : stop + 2;
            if (stop == NULL) stop = end;
        } else if (memchr("'\"`[", *at, 4) != NULL) {
            scanner->at = quote_end(at, end);
            continue;
        } else {
            if (*at == '(') scanner->depth++;
            if (*at == ')' && scanner->depth > 0) scanner->depth--;
            scanner->at++;
            continue;
        }
        *out = (struct bytes){(const uint8_t *)at + 2, (size_t)(stop - at - 2)};
        return true;
    }
    return false;
}

/* ---- the grammar ----------------------------------------------------------------------------- */

/* Inside one comment. `place` is where the token last taken began: where a complaint points. */
struct words {
    const struct scanner *scanner;
    const char *at;
    const char *end;
    const char *place;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '$';
}

static void words_skip(struct words *words) {
    while (words->at < words->end && is_blank(*words->at))
        words->at++;
}

/* Complains about what stands at `place`. */
static enum weft_status words_fail(const struct words *words, const char *expected) {
    unsigned line = 1, column = 1;
    for (const char *at = words->scanner->begin; at < words->place; at++) {
        line += *at == '\n';
        column = *at == '\n' ? 1 : column + 1;
    }
    const char *stop = words->place;
    if (stop < words->end && is_letter(*stop)) {
        while (stop < words->end && is_name(*stop) && stop - words->place < 40)
            stop++;
    } else if (stop < words->end) {
        stop++;
    }
    bool ended = words->place >= words->end;
    return status_fail(words->scanner->why, WEFT_SCHEMA, 0,
                       "%s, line %u, column %u: the annotation cannot be read: found %s%.*s%s, "
                       "expected %s; correct it, or begin the comment with another character than "
                       "'@' if it is prose",
                       words->scanner->table, line, column, ended ? "the comment's end" : "\"",
                       ended ? 0 : (int)(stop - words->place), words->place, ended ? "" : "\"",
                       expected);
}

static bool words_mark(struct words *words, char mark) {
    words_skip(words);
    words->place = words->at;
    if (words->at == words->end || *words->at != mark) return false;
    words->at++;
    return true;
}

static bool words_name(struct words *words, struct bytes *out) {
    words_skip(words);
    words->place = words->at;
    if (words->at == words->end || !is_letter(*words->at)) return false;
    while (words->at < words->end && is_name(*words->at))
        words->at++;
    *out = (struct bytes){(const uint8_t *)words->place, (size_t)(words->at - words->place)};
    return true;
}

static bool name_is(struct bytes name, const char *word) {
    return name.size == strlen(word) && memcmp(name.data, word, name.size) == 0;
}

/* `key: ` */
static enum weft_status words_key(struct words *words, const char *key, const char *expected) {
    struct bytes name;
    if (!words_name(words, &name) || !name_is(name, key)) return words_fail(words, expected);
    if (!words_mark(words, ':')) return words_fail(words, "':'");
    return WEFT_OK;
}

/* `key: name` */
static enum weft_status words_pair(struct words *words, const char *key, const char *expected,
                                   struct bytes *out) {
    enum weft_status status = words_key(words, key, expected);
    if (status != WEFT_OK) return status;
    if (!words_name(words, out)) return words_fail(words, "the name of a column");
    return WEFT_OK;
}

/* names, after `id:` */
static enum weft_status words_id(struct words *words, struct annotation *out) {
    if (!words_mark(words, '[')) {
        if (!words_name(words, &out->id[0])) {
            return words_fail(words, "the name of a column, or '['");
        }
        out->id_count = 1;
        return WEFT_OK;
    }
    do {
        struct bytes name;
        if (!words_name(words, &name)) return words_fail(words, "the name of a column");
        if (out->id_count == LIMIT_KEY_COLUMNS) return words_fail(words, "at most 8 columns");
        out->id[out->id_count++] = name;
    } while (words_mark(words, ','));
    if (!words_mark(words, ']')) return words_fail(words, "',' or ']'");
    return WEFT_OK;
}

/* [',' 'id' ':' names] ')' */
static enum weft_status words_tail(struct words *words, struct annotation *out) {
    if (words_mark(words, ',')) {
        enum weft_status status = words_key(words, "id", "\"id\"");
        if (status == WEFT_OK) status = words_id(words, out);
        if (status != WEFT_OK) return status;
    }
    if (!words_mark(words, ')')) {
        return words_fail(words, out->id_count > 0 ? "')'" : "',' or ')'");
    }
    return WEFT_OK;
}

static enum weft_status words_owned(struct words *words, struct annotation *out) {
    if (!words_mark(words, '(')) return words_fail(words, "'('");
    enum weft_status status = words_pair(words, "owner", "\"owner\"", &out->owner);
    if (status != WEFT_OK) return status;
    out->kind = ANNOTATION_OWNED;
    return words_tail(words, out);
}

static enum weft_status words_shared(struct words *words, struct annotation *out) {
    if (!words_mark(words, '(')) return words_fail(words, "'('");
    enum weft_status status = words_key(words, "create", "\"create\"");
    if (status != WEFT_OK) return status;
    struct bytes how = {0};
    if (!words_name(words, &how) || (!name_is(how, "unique") && !name_is(how, "atomic"))) {
        return words_fail(words, "\"unique\" or \"atomic\"");
    }
    out->kind = name_is(how, "unique") ? ANNOTATION_SHARED_UNIQUE : ANNOTATION_SHARED_ATOMIC;
    return words_tail(words, out);
}

static enum weft_status words_relation(struct words *words, struct annotation *out) {
    if (!words_mark(words, '(')) return words_fail(words, "'('");
    enum weft_status status = words_pair(words, "item", "\"item\"", &out->item);
    if (status != WEFT_OK) return status;
    if (!words_mark(words, ',')) return words_fail(words, "','");
    status = words_pair(words, "group", "\"group\"", &out->group);
    if (status != WEFT_OK) return status;
    if (!words_mark(words, ')')) return words_fail(words, "')'");
    out->kind = ANNOTATION_RELATION;
    return WEFT_OK;
}

/* Positions `words` behind the '@' that a comment begins with; false if it begins otherwise. */
static bool words_begin(struct words *words, const struct scanner *scanner, struct bytes comment) {
    const char *text = (const char *)comment.data;
    *words = (struct words){scanner, text, text + comment.size, text};
    return words_mark(words, '@');
}

static enum weft_status annotation_read(struct words *words, unsigned *tables,
                                        struct annotation *out) {
    const char *start = words->place;
    struct bytes kind = {0};
    /* A blank between '@' and its word would read as prose to a person, so it is not allowed. */
    bool named = words->at < words->end && is_letter(*words->at) && words_name(words, &kind);
    if (named && name_is(kind, "node")) {
        out->node_count++;
        return WEFT_OK;
    }
    bool table = named && (name_is(kind, "local") || name_is(kind, "owned") ||
                           name_is(kind, "shared") || name_is(kind, "relation"));
    if (!table) {
        words->place = words->at < words->end && named ? (const char *)kind.data : words->at;
        return words_fail(words, "local, owned, shared, relation or node after '@'");
    }
    if (++*tables > 1) {
        words->place = start;
        return words_fail(words, "no second annotation of the same table");
    }
    if (name_is(kind, "owned")) return words_owned(words, out);
    if (name_is(kind, "shared")) return words_shared(words, out);
    if (name_is(kind, "relation")) return words_relation(words, out);
    out->kind = ANNOTATION_LOCAL;
    return WEFT_OK;
}

enum weft_status annotation_parse(const char *table, const char *sql, struct annotation *out,
                                  struct weft_error *why) {
    CHECK(table != NULL && sql != NULL);
    CHECK(out != NULL);
    *out = (struct annotation){0};
    char subject[LIMIT_NAME + 16];
    int size = snprintf(subject, sizeof subject, "table \"%s\"", table);
    CHECK(size > 0);
    struct scanner scanner = {subject, sql, sql, sql + strlen(sql), 0, why};
    unsigned tables = 0;
    struct bytes comment;
    while (scanner_comment(&scanner, &comment)) {
        struct words words;
        if (!words_begin(&words, &scanner, comment)) continue;
        enum weft_status status = annotation_read(&words, &tables, out);
        if (status != WEFT_OK) return status;
    }
    return WEFT_OK;
}

enum weft_status annotation_stray(const char *schema, struct weft_error *why) {
    CHECK(schema != NULL);
    struct scanner scanner = {"the schema", schema, schema, schema + strlen(schema), 0, why};
    struct bytes comment;
    while (scanner_comment(&scanner, &comment)) {
        struct words words;
        if (scanner.depth > 0 || !words_begin(&words, &scanner, comment)) continue;
        const char *start = words.place;
        struct bytes kind;
        if (!words_name(&words, &kind)) continue;
        if (!name_is(kind, "owned") && !name_is(kind, "shared") && !name_is(kind, "relation")) {
            continue;
        }
        words.place = start;
        return words_fail(&words, "it between the parentheses of CREATE TABLE: what stands outside "
                                  "of them SQLite does not keep");
    }
    return WEFT_OK;
}
