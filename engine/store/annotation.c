/* Reading annotations out of SQL text.
 *
 * Two small scanners, one inside the other. The outer one walks the SQL far enough to know what is
 * a comment, and in which definition it stands: it steps over the four kinds of quotes, counts
 * parentheses, and keeps the first word behind each comma of the outermost ones. The inner one
 * reads the grammar of annotation.h inside a single comment.
 *
 *     CREATE TABLE "a -- b" (   -- @owned(owner: x)   what comes after is prose
 *                  └ quote ┘      └ annotation ────┘
 *
 * Invariants
 *   1. Left to right, no recursion, nothing kept per byte: the outer scanner looks at every byte
 *      once, and once more at what lies between a @node behind a comma and the next definition.
 *   2. No slice handed out leaves the text that was given.
 *   3. A comment that begins with '@' is read whole or refused; it is never taken for prose.
 * Not here: whether the columns named exist, and what the annotations mean. models_compile.c does
 * that. */
#include "engine/store/annotation.h"

#include <sqlite3.h>
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
    unsigned depth;     /* open parentheses at `at` */
    const char *inside; /* behind the first that was opened; NULL: none was */
    struct bytes item;  /* first word of the definition at `at`; no bytes: none has begun */
    struct bytes last;  /* ... of the one before `comma` */
    const char *comma;  /* the last between two definitions, or NULL */
    struct weft_error *why;
};

enum token { TOKEN_END, TOKEN_COMMENT, TOKEN_OTHER };

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '$';
}

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

/* Takes a comment if there is one; `*out` is it, without its marks. */
static bool scanner_comment(struct scanner *scanner, struct bytes *out) {
    const char *at = scanner->at, *end = scanner->end;
    const char *stop = NULL;
    if (end - at < 2) return false;
    if (at[0] == '-' && at[1] == '-') {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        scanner->at = stop;
    } else if (at[0] == '/' && at[1] == '*') {
        stop = memmem(at + 2, (size_t)(end - at - 2), "*/", 2);
        scanner->at = stop == NULL ? end : stop + 2;
        if (stop == NULL) stop = end;
    } else {
        return false;
    }
    *out = (struct bytes){(const uint8_t *)at + 2, (size_t)(stop - at - 2)};
    return true;
}

/* Takes a character that is neither in quotes nor in a word. */
static void scanner_mark(struct scanner *scanner) {
    const char *at = scanner->at++;
    if (*at == '(') {
        scanner->depth++;
        if (scanner->inside == NULL) scanner->inside = scanner->at;
    } else if (*at == ')' && scanner->depth > 0) {
        scanner->depth--;
        if (scanner->depth > 0) return;
        scanner->item = scanner->last = (struct bytes){0};
        scanner->comma = NULL;
    } else if (*at == ',' && scanner->depth == 1) {
        scanner->last = scanner->item;
        scanner->item = (struct bytes){0};
        scanner->comma = at;
    }
}

static enum token scanner_next(struct scanner *scanner, struct bytes *comment) {
    const char *at = scanner->at, *end = scanner->end;
    if (at == end) return TOKEN_END;
    if (scanner_comment(scanner, comment)) return TOKEN_COMMENT;
    if (memchr("'\"`[", *at, 4) != NULL) {
        scanner->at = quote_end(at, end);
    } else if (is_name(*at)) {
        while (scanner->at < end && is_name(*scanner->at))
            scanner->at++;
    } else {
        scanner_mark(scanner);
        return TOKEN_OTHER;
    }
    if (scanner->depth == 1 && scanner->item.size == 0) {
        scanner->item = (struct bytes){(const uint8_t *)at, (size_t)(scanner->at - at)};
    }
    return TOKEN_OTHER;
}

/* Goes on to the next comment, without its marks; false at the end of the text. */
static bool scanner_find(struct scanner *scanner, struct bytes *out) {
    enum token token = TOKEN_OTHER;
    while (token == TOKEN_OTHER)
        token = scanner_next(scanner, out);
    return token == TOKEN_COMMENT;
}

/* ---- the grammar ----------------------------------------------------------------------------- */

/* Inside one comment. `place` is where the token last taken began: where a complaint points. */
struct words {
    const struct scanner *scanner;
    const char *at;
    const char *end;
    const char *place;
};

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

/* ---- columns --------------------------------------------------------------------------------- */

static bool name_same(struct bytes a, struct bytes b) {
    return a.size == b.size &&
           (a.size == 0 ||
            sqlite3_strnicmp((const char *)a.data, (const char *)b.data, (int)a.size) == 0);
}

bool annotation_names(struct bytes written, const char *name) {
    CHECK(name != NULL);
    CHECK(written.size >= 1);
    const char *at = (const char *)written.data, *end = at + written.size;
    if (memchr("'\"`[", *at, 4) == NULL) {
        return name_same(written, (struct bytes){(const uint8_t *)name, strlen(name)});
    }
    const char close = *at == '[' ? ']' : *at;
    for (at++; at < end && *name != '\0'; at++, name++) {
        if (*at == close && (close == ']' || ++at == end || *at != close)) return false;
        if (sqlite3_strnicmp(at, name, 1) != 0) return false;
    }
    return *name == '\0' && end - at == 1 && *at == close;
}

/* Whether a definition that begins with this word is a column's: the other words are such as no
 * column can be called without quotes. */
static bool item_is_column(struct bytes item) {
    static const char *const constraints[] = {"constraint", "primary", "unique", "check",
                                              "foreign"};
    for (size_t i = 0; i < sizeof constraints / sizeof constraints[0]; i++) {
        const char *word = constraints[i];
        if (name_same(item, (struct bytes){(const uint8_t *)word, strlen(word)})) return false;
    }
    return item.size > 0;
}

/* The column that the comment with '@' at words->place, just taken, belongs to. */
static enum weft_status node_column(struct words *words, const struct scanner *scanner,
                                    struct bytes *out) {
    *out = scanner->item;
    if (item_is_column(scanner->item)) return WEFT_OK;
    const char *comma = scanner->comma;
    const bool line = words->end == scanner->at; /* not a block comment, which has an end mark */
    bool behind = scanner->item.size == 0 && comma != NULL && line &&
                  memchr(comma, '\n', (size_t)(words->place - comma)) == NULL;
    if (!behind || !item_is_column(scanner->last)) {
        return words_fail(words, "it behind the name of its column: in the column's definition, or "
                                 "as \"-- @node\" behind its comma on the same line");
    }
    struct scanner ahead = *scanner;
    struct bytes comment;
    while (ahead.item.size == 0 && ahead.depth > 0)
        if (scanner_next(&ahead, &comment) == TOKEN_END) break;
    if (ahead.item.size > 0 && !item_is_column(ahead.item)) {
        return words_fail(words, "it in front of the comma, since what follows is no column: ALTER "
                                 "TABLE ADD COLUMN would put a column between the two, which would "
                                 "get the annotation");
    }
    *out = scanner->last;
    return WEFT_OK;
}

static enum weft_status node_read(struct words *words, const struct scanner *scanner,
                                  const char *start, struct annotation *out) {
    struct bytes column;
    words->place = start;
    enum weft_status status = node_column(words, scanner, &column);
    if (status != WEFT_OK) return status;
    for (uint32_t i = 0; i < out->node_count; i++) {
        if (out->node[i].data == column.data) return WEFT_OK;
    }
    if (out->node_count == ANNOTATION_NODES) return words_fail(words, "at most 16 columns with it");
    out->node[out->node_count++] = column;
    return WEFT_OK;
}

/* ---- all of a text --------------------------------------------------------------------------- */

static enum weft_status annotation_read(struct words *words, const struct scanner *scanner,
                                        struct annotation *out) {
    const char *start = words->place;
    struct bytes kind = {0};
    enum weft_status status = WEFT_OK;
    /* A blank between '@' and its word would read as prose to a person, so it is not allowed. */
    bool named = words->at < words->end && is_letter(*words->at) && words_name(words, &kind);
    if (named && name_is(kind, "node")) return node_read(words, scanner, start, out);
    bool table = named && (name_is(kind, "local") || name_is(kind, "owned") ||
                           name_is(kind, "shared") || name_is(kind, "relation"));
    if (!table) {
        words->place = words->at < words->end && named ? (const char *)kind.data : words->at;
        return words_fail(words, "local, owned, shared, relation or node after '@'");
    }
    if (out->text.size > 0) {
        words->place = start;
        return words_fail(words, "no second annotation of the same table");
    }
    out->kind = ANNOTATION_LOCAL;
    if (name_is(kind, "owned")) status = words_owned(words, out);
    if (name_is(kind, "shared")) status = words_shared(words, out);
    if (name_is(kind, "relation")) status = words_relation(words, out);
    out->text = (struct bytes){(const uint8_t *)start, (size_t)(words->at - start)};
    return status;
}

enum weft_status annotation_parse(const char *table, const char *sql, struct annotation *out,
                                  struct weft_error *why) {
    CHECK(table != NULL && sql != NULL);
    CHECK(out != NULL);
    *out = (struct annotation){0};
    char subject[LIMIT_NAME + 16];
    int size = snprintf(subject, sizeof subject, "table \"%s\"", table);
    CHECK(size > 0);
    const char *end = sql + strlen(sql);
    struct scanner scanner = {.table = subject, .begin = sql, .at = sql, .end = end, .why = why};
    struct bytes comment;
    while (scanner_find(&scanner, &comment)) {
        struct words words;
        if (!words_begin(&words, &scanner, comment)) continue;
        enum weft_status status = annotation_read(&words, &scanner, out);
        if (status != WEFT_OK) return status;
    }
    out->inside = scanner.inside == NULL ? 0 : (size_t)(scanner.inside - sql);
    return WEFT_OK;
}

bool annotation_equal(const struct annotation *a, const struct annotation *b) {
    CHECK(a != NULL && b != NULL);
    CHECK(a->id_count <= LIMIT_KEY_COLUMNS);
    bool equal = a->kind == b->kind && a->id_count == b->id_count &&
                 name_same(a->owner, b->owner) && name_same(a->item, b->item) &&
                 name_same(a->group, b->group);
    for (uint32_t i = 0; equal && i < a->id_count; i++)
        equal = name_same(a->id[i], b->id[i]);
    return equal;
}

enum weft_status annotation_stray(const char *schema, struct weft_error *why) {
    CHECK(schema != NULL);
    const char *end = schema + strlen(schema);
    struct scanner scanner = {
        .table = "the schema", .begin = schema, .at = schema, .end = end, .why = why};
    struct bytes comment;
    while (scanner_find(&scanner, &comment)) {
        struct words words;
        if (scanner.depth > 0 || !words_begin(&words, &scanner, comment)) continue;
        const char *start = words.place;
        struct bytes kind;
        if (!words_name(&words, &kind)) continue;
        if (!name_is(kind, "owned") && !name_is(kind, "shared") && !name_is(kind, "relation") &&
            !name_is(kind, "node")) {
            continue;
        }
        words.place = start;
        return words_fail(&words, "it between the parentheses of CREATE TABLE: what stands outside "
                                  "of them SQLite does not keep");
    }
    return WEFT_OK;
}
