/* Lines of text and of flat JSON.
 *
 * Invariants
 *   1. line->text is terminated at line->size < LINE_MAX_BYTES.
 *   2. A line that would be longer is cut, never overrun.
 * Not here: nesting, arrays, unescaping. The demo's own lines need none of it. */
#include "demo/line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo/must.h"

void line_clear(struct line *line) {
    line->size = 0;
    line->members = false;
    line->text[0] = '\0';
}

void line_add(struct line *line, const char *format, ...) {
    MUST(line->size < sizeof line->text);
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof line->text - line->size;
    int wanted = vsnprintf(line->text + line->size, room, format, arguments);
    va_end(arguments);
    MUST(wanted >= 0);
    line->size += (size_t)wanted < room ? (size_t)wanted : room - 1;
}

bool line_write(const struct line *line, int fd) {
    size_t done = 0;
    while (done < line->size) {
        ssize_t wrote = write(fd, line->text + done, line->size - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        done += (size_t)wrote;
    }
    return true;
}

static void line_name(struct line *line, const char *name) {
    line_add(line, "%s\"%s\":", line->members ? "," : "", name);
    line->members = true;
}

void line_open(struct line *line, const char *event) {
    line_clear(line);
    line_add(line, "{");
    line_member_text(line, "event", event);
}

void line_member(struct line *line, const char *name, uint64_t number) {
    line_name(line, name);
    line_add(line, "%llu", (unsigned long long)number);
}

void line_member_signed(struct line *line, const char *name, int64_t number) {
    line_name(line, name);
    line_add(line, "%lld", (long long)number);
}

void line_member_real(struct line *line, const char *name, double number) {
    line_name(line, name);
    line_add(line, "%.3f", number);
}

void line_member_bool(struct line *line, const char *name, bool value) {
    line_name(line, name);
    line_add(line, "%s", value ? "true" : "false");
}

void line_member_text(struct line *line, const char *name, const char *text) {
    line_name(line, name);
    line_add(line, "\"");
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        /* A text that is too long is cut here, so that the object still closes. */
        if (line->size > LINE_MAX_BYTES - 256) break;
        if (*at == '"' || *at == '\\') {
            line_add(line, "\\%c", *at);
        } else if (*at < 0x20) {
            line_add(line, "\\u%04x", *at);
        } else {
            line_add(line, "%c", *at);
        }
    }
    line_add(line, "\"");
}

void line_member_id(struct line *line, const char *name, const uint8_t id[16]) {
    char text[LINE_ID_TEXT];
    line_id_text(id, text);
    line_member_text(line, name, text);
}

void line_close(struct line *line) {
    line_add(line, "}\n");
    line->members = false;
}

bool line_find(const char *json, const char *name, char *out, size_t cap) {
    MUST(cap > 0);
    out[0] = '\0';
    char wanted[64];
    int size = snprintf(wanted, sizeof wanted, "\"%s\":", name);
    MUST(size > 0 && (size_t)size < sizeof wanted);
    const char *at = strstr(json, wanted);
    if (at == NULL) return false;
    at += size;
    bool quoted = *at == '"';
    if (quoted) at++;
    size_t length = 0;
    while (at[length] != '\0') {
        if (quoted ? at[length] == '"' : strchr(",}\n", at[length]) != NULL) break;
        length += quoted && at[length] == '\\' && at[length + 1] != '\0' ? 2 : 1;
    }
    if (length >= cap) length = cap - 1;
    memcpy(out, at, length);
    out[length] = '\0';
    return true;
}

int64_t line_number(const char *json, const char *name) {
    char text[32];
    if (!line_find(json, name, text, sizeof text)) return 0;
    return strtoll(text, NULL, 10);
}

void line_id_text(const uint8_t id[16], char out[LINE_ID_TEXT]) {
    size_t size = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[size++] = '-';
        snprintf(out + size, 3, "%02x", id[i]);
        size += 2;
    }
    MUST(size == LINE_ID_TEXT - 1);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool line_id_read(const char *text, uint8_t id[16]) {
    size_t digits = 0;
    memset(id, 0, 16);
    for (; *text != '\0'; text++) {
        if (*text == '-') continue;
        int digit = hex_digit(*text);
        if (digit < 0 || digits == 32) return false;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        digits++;
    }
    return digits == 32;
}
