/* Ids as text, and well-formed UTF-8.
 *
 *     xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx     the text of an id, lower case (RFC 9562, section 4)
 *
 * Invariants
 *   1. utf8_valid() accepts what table 3-7 of the Unicode standard accepts, and nothing else.
 *   2. No function reads beyond the size it is given.
 * Not here: the text of a stamp (crdt/hlc). */
#include "engine/base/bytes.h"

#include "engine/base/check.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "load_ and store_ copy numbers as they lie in memory: little-endian");

bool id_is_zero(const struct id *id) {
    CHECK(id != NULL);
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

void id_text(const struct id *id, char out[ID_TEXT_SIZE]) {
    CHECK(id != NULL);
    CHECK(out != NULL);
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out[at++] = '-';
        out[at++] = digits[id->bytes[i] >> 4];
        out[at++] = digits[id->bytes[i] & 15];
    }
    out[at++] = '\0';
    CHECK(at == ID_TEXT_SIZE);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool id_parse(const char *text, struct id *out) {
    CHECK(text != NULL && out != NULL);
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') return false;
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0) return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return *text == '\0';
}

bool id_read(struct id *out, const void *data, size_t size) {
    CHECK(out != NULL);
    if (size != sizeof out->bytes) return false;
    CHECK(data != NULL);
    memcpy(out->bytes, data, sizeof out->bytes);
    return true;
}

/* The length of the well-formed character of several bytes at `p`, 0 if there is none. The second
 * byte carries what rules out overlong forms, surrogates and numbers above U+10FFFF. */
static size_t utf8_character(const uint8_t *p, size_t size) {
    uint8_t first = p[0];
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    size_t length;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    if (length > size || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
    }
    return length;
}

bool utf8_valid(const void *text, size_t size) {
    CHECK(text != NULL || size == 0);
    const uint8_t *p = text;
    size_t at = 0;
    while (at < size) {
        /* Most text is ASCII, eight bytes of which can be told at once. */
        if (size - at >= 8 && (load_u64(p + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
            continue;
        }
        if (p[at] < 0x80) {
            at++;
            continue;
        }
        size_t length = utf8_character(p + at, size - at);
        if (length == 0) return false;
        at += length;
    }
    CHECK(at == size);
    return true;
}

void utf8_plain(const char *text, size_t size, char *out, size_t room) {
    CHECK(room > 0 && (text != NULL || size == 0));
    size_t to = 0;
    for (size_t at = 0; at < size && text[at] != 0;) {
        const uint8_t *p = (const uint8_t *)text + at;
        size_t length = p[0] < 0x80 ? 1 : utf8_character(p, size - at);
        bool shown = length == 1 ? p[0] >= 0x20 && p[0] != 0x7F
                                 : length > 1 && !(p[0] == 0xC2 && p[1] < 0xA0);
        if (length == 0) length = 1;
        if (to + (shown ? length : 1) >= room) break;
        if (shown) {
            memcpy(out + to, p, length);
            to += length;
        } else {
            out[to++] = '?';
        }
        at += length;
    }
    out[to] = 0;
}
