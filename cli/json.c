/* See json.h.
 *
 * Invariant: whatever texts hold, what is written is well-formed JSON: bytes that are no UTF-8
 * become U+FFFD, control characters are escaped, numbers that JSON does not have are null. */
#include "cli/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"

static void begin(struct json *json, const char *name) {
    if (json->more[json->depth]) putchar(',');
    json->more[json->depth] = true;
    if (name != NULL) printf("\"%s\":", name);
}

void json_open(struct json *json, const char *name, char bracket) {
    begin(json, name);
    putchar(bracket);
    if (json->depth + 1 < JSON_DEPTH) json->depth++;
    json->more[json->depth] = false;
}

void json_close(struct json *json, char bracket) {
    putchar(bracket);
    if (json->depth > 0) json->depth--;
    if (json->depth > 0) return;
    putchar('\n');
    json->more[0] = false;
}

void json_bytes(struct json *json, const char *name, const void *text, size_t size) {
    const unsigned char *at = text;
    begin(json, name);
    putchar('"');
    for (size_t i = 0; i < size;) {
        const size_t step = text_character(at + i, size - i);
        if (step == 0) {
            fputs("\xef\xbf\xbd", stdout);
            i++;
        } else if (at[i] == '"' || at[i] == '\\') {
            printf("\\%c", at[i++]);
        } else if (at[i] < 0x20 || at[i] == 0x7f) {
            printf("\\u%04x", at[i++]);
        } else {
            fwrite(at + i, 1, step, stdout);
            i += step;
        }
    }
    putchar('"');
}

void json_text(struct json *json, const char *name, const char *text) {
    json_bytes(json, name, text, strlen(text));
}

void json_number(struct json *json, const char *name, uint64_t number) {
    begin(json, name);
    printf("%llu", (unsigned long long)number);
}

void json_signed(struct json *json, const char *name, int64_t number) {
    begin(json, name);
    printf("%lld", (long long)number);
}

void json_real(struct json *json, const char *name, double number) {
    begin(json, name);
    if (isfinite(number)) {
        printf("%.17g", number);
    } else {
        fputs("null", stdout);
    }
}

void json_bool(struct json *json, const char *name, bool value) {
    begin(json, name);
    fputs(value ? "true" : "false", stdout);
}

void json_id(struct json *json, const char *name, const uint8_t id[WEFT_ID_SIZE]) {
    char text[TEXT_ID];
    text_id(id, text);
    json_text(json, name, text);
}

static void json_null(struct json *json, const char *name) {
    begin(json, name);
    fputs("null", stdout);
}

void json_stamp(struct json *json, const char *name, uint64_t stamp) {
    char time[TEXT_TIME];
    if (stamp == 0) {
        json_null(json, name);
        return;
    }
    text_time(stamp >> 16, time);
    json_open(json, name, '{');
    json_number(json, "ms", stamp >> 16);
    json_number(json, "counter", stamp & 0xffff);
    json_text(json, "time", time);
    json_close(json, '}');
}

static void json_blob(struct json *json, const char *name, const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    json_open(json, name, '{');
    begin(json, "blob");
    putchar('"');
    for (size_t i = 0; i < size; i++)
        printf("%02x", at[i]);
    putchar('"');
    json_close(json, '}');
}

void json_value(struct json *json, const char *name, const struct weft_value *value) {
    switch (value->type) {
    case WEFT_NULL:
        json_null(json, name);
        return;
    case WEFT_INTEGER:
        json_signed(json, name, value->as.integer);
        return;
    case WEFT_REAL:
        json_real(json, name, value->as.real);
        return;
    case WEFT_TEXT:
        if (text_whole(value->as.bytes, value->size)) {
            json_bytes(json, name, value->as.bytes, value->size);
            return;
        }
        break;
    case WEFT_BLOB:
        break;
    }
    json_blob(json, name, value->as.bytes, value->size);
}
