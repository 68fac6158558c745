/* See text.h. */
#include "cli/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SHOWN 60u /* bytes of a cell that are shown */

/* ---- ids and bytes ---- */

void text_id(const uint8_t id[WEFT_ID_SIZE], char out[TEXT_ID]) {
    size_t size = 0;
    for (size_t i = 0; i < WEFT_ID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[size++] = '-';
        snprintf(out + size, 3, "%02x", id[i]);
        size += 2;
    }
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

size_t text_hex(const char *text, uint8_t *out, size_t room) {
    size_t digits = 0;
    for (; *text != '\0'; text++) {
        if (*text == '-') continue;
        const int value = digit(*text);
        if (value < 0 || digits / 2 == room) return 0;
        if (digits % 2 == 0) out[digits / 2] = 0;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | value);
        digits++;
    }
    return digits % 2 == 0 ? digits / 2 : 0;
}

/* ---- times and sizes ---- */

void text_time(uint64_t ms, char out[TEXT_TIME]) {
    struct tm parts;
    const time_t seconds = (time_t)(ms / 1000);
    char day[24];
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        snprintf(out, TEXT_TIME, "%llu ms", (unsigned long long)ms);
        return;
    }
    snprintf(out, TEXT_TIME, "%s.%03uZ", day, (unsigned)(ms % 1000));
}

void text_stamp(uint64_t stamp, char out[TEXT_STAMP]) {
    char time[TEXT_TIME];
    if (stamp == 0) {
        snprintf(out, TEXT_STAMP, "-");
        return;
    }
    text_time(stamp >> 16, time);
    if ((stamp & 0xffff) == 0) {
        snprintf(out, TEXT_STAMP, "%s", time);
    } else {
        snprintf(out, TEXT_STAMP, "%s+%u", time, (unsigned)(stamp & 0xffff));
    }
}

void text_size(uint64_t bytes, char out[TEXT_SIZE]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    unsigned unit = 0;
    for (; size >= 1024 && unit < 4; unit++)
        size /= 1024;
    snprintf(out, TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

/* ---- UTF-8 ---- */

size_t text_character(const unsigned char *at, size_t left) {
    if (left == 0) return 0;
    if (at[0] < 0x80) return 1;
    const size_t size = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                        : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                        : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                         : 0;
    /* The second byte rules out overlong forms, surrogates, and what lies above U+10FFFF. */
    unsigned char low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (size > left) return 0;
    for (size_t i = 1; i < size; i++) {
        if (at[i] < low || at[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
    }
    return size;
}

bool text_whole(const void *text, size_t size) {
    const unsigned char *at = text;
    for (size_t i = 0; i < size;) {
        const size_t step = text_character(at + i, size - i);
        if (step == 0) return false;
        i += step;
    }
    return true;
}

size_t text_columns(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* ---- cells ---- */

static void show_text(const unsigned char *at, size_t size, char out[TEXT_VALUE]) {
    size_t made = 0, i = 0;
    out[made++] = '\'';
    while (i < size && made < SHOWN) {
        const size_t step = text_character(at + i, size - i);
        /* C1 controls, U+0080 to U+009F, steer a terminal as C0 ones do. */
        const bool steers =
            at[i] < 0x20 || at[i] == 0x7f || (step == 2 && at[i] == 0xc2 && at[i + 1] < 0xa0);
        if (step == 0 || steers) {
            out[made++] = '?';
            i += step == 0 ? 1 : step;
            continue;
        }
        if (at[i] == '\'') out[made++] = '\'';
        memcpy(out + made, at + i, step);
        made += step;
        i += step;
    }
    snprintf(out + made, TEXT_VALUE - made, "'%s", i < size ? "…" : "");
}

static void show_blob(const unsigned char *at, size_t size, char out[TEXT_VALUE]) {
    if (size == WEFT_ID_SIZE) {
        text_id(at, out);
        return;
    }
    size_t made = (size_t)snprintf(out, TEXT_VALUE, "x'"), i = 0;
    for (; i < size && made < SHOWN; i++)
        made += (size_t)snprintf(out + made, TEXT_VALUE - made, "%02x", at[i]);
    snprintf(out + made, TEXT_VALUE - made, "'%s", i < size ? "…" : "");
}

void text_value(const struct weft_value *value, char out[TEXT_VALUE]) {
    switch (value->type) {
    case WEFT_NULL:
        snprintf(out, TEXT_VALUE, "NULL");
        return;
    case WEFT_INTEGER:
        snprintf(out, TEXT_VALUE, "%lld", (long long)value->as.integer);
        return;
    case WEFT_REAL:
        snprintf(out, TEXT_VALUE, "%.15g", value->as.real);
        return;
    case WEFT_TEXT:
        show_text(value->as.bytes, value->size, out);
        return;
    case WEFT_BLOB:
        show_blob(value->as.bytes, value->size, out);
        return;
    }
}
