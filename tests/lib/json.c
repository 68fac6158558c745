/* See json.h. Every function takes where a value begins, and returns where it has ended; NULL when
 * it is none. */
#include "tests/lib/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *value(const char *at);

static const char *blanks(const char *at) {
    return at + strspn(at, " \t\r\n");
}

static const char *string(const char *at) {
    if (*at++ != '"') return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20) return NULL;
        if (*at != '\\') continue;
        at++;
        if (*at == 'u') {
            for (int i = 1; i <= 4; i++)
                if (!isxdigit((unsigned char)at[i])) return NULL;
            at += 4;
        } else if (*at == 0 || strchr("\"\\/bfnrt", *at) == NULL) {
            return NULL;
        }
    }
    return at + 1;
}

static const char *number(const char *at) {
    char *end = NULL;
    if (*at != '-' && !isdigit((unsigned char)*at)) return NULL;
    if (at[0] == '0' && isdigit((unsigned char)at[1])) return NULL;
    (void)strtod(at, &end);
    return end == at ? NULL : end;
}

/* Members of an object, or elements of an array, from behind its bracket to behind the other. */
static const char *list(const char *at, char closes) {
    at = blanks(at);
    if (*at == closes) return at + 1;
    for (;;) {
        if (closes == '}') {
            at = string(blanks(at));
            if (at == NULL) return NULL;
            at = blanks(at);
            if (*at++ != ':') return NULL;
        }
        at = value(blanks(at));
        if (at == NULL) return NULL;
        at = blanks(at);
        if (*at == closes) return at + 1;
        if (*at++ != ',') return NULL;
    }
}

static const char *value(const char *at) {
    static const char *const words[] = {"true", "false", "null"};
    if (*at == '{') return list(at + 1, '}');
    if (*at == '[') return list(at + 1, ']');
    if (*at == '"') return string(at);
    for (int i = 0; i < 3; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0) return at + strlen(words[i]);
    return number(at);
}

bool json_sound(const char *text) {
    const char *end = value(blanks(text));
    return end != NULL && *blanks(end) == 0;
}

/* The member of this name, or element of this number, of the value at `at`. */
static const char *step(const char *at, const char *name, size_t size) {
    const bool object = *at == '{';
    if (!object && *at != '[') return NULL;
    long left = object ? -1 : strtol(name, NULL, 10);
    at = blanks(at + 1);
    while (*at != '}' && *at != ']') {
        bool found = !object && left-- == 0;
        if (object) {
            const char *end = string(at);
            found = (size_t)(end - at) == size + 2 && memcmp(at + 1, name, size) == 0;
            at = blanks(blanks(end) + 1);
        }
        if (found) return at;
        at = blanks(value(at));
        if (*at == ',') at = blanks(at + 1);
    }
    return NULL;
}

const char *json_at(const char *text, const char *path) {
    const char *at = blanks(text);
    while (at != NULL && *path != 0) {
        const size_t size = strcspn(path, ".");
        at = step(at, path, size);
        path += size + (path[size] == '.');
    }
    return at;
}

double json_number(const char *text, const char *path) {
    const char *at = json_at(text, path);
    return at == NULL || number(at) == NULL ? -1 : strtod(at, NULL);
}

bool json_is(const char *text, const char *path, const char *written) {
    const char *at = json_at(text, path);
    return at != NULL && strncmp(at, written, strlen(written)) == 0 &&
           value(at) == at + strlen(written);
}
