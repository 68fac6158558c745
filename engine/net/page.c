/* See page.h. Invariant: `text` is terminated, and `size` < `room`, unless it is NULL. */
#include "engine/net/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

#define PAGE_FIRST 4096u

static bool page_grow(struct page *page, size_t more) {
    if (page->failed) return false;
    if (page->text != NULL && more < page->room - page->size) return true;
    size_t room = page->room == 0 ? PAGE_FIRST : page->room;
    while (room - page->size <= more)
        room *= 2;
    char *text = realloc(page->text, room);
    page->failed = text == NULL;
    if (page->failed) return false;
    page->text = text;
    page->room = room;
    return true;
}

void page_add(struct page *page, const char *format, ...) {
    va_list arguments, again;
    CHECK(page != NULL && format != NULL);
    va_start(arguments, format);
    va_copy(again, arguments);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    if (page_grow(page, (size_t)size)) {
        (void)vsnprintf(page->text + page->size, page->room - page->size, format, again);
        page->size += (size_t)size;
    }
    va_end(again);
}

void page_put(struct page *page, const char *bytes, size_t size) {
    CHECK(page != NULL && bytes != NULL);
    if (!page_grow(page, size)) return;
    memcpy(page->text + page->size, bytes, size);
    page->size += size;
    page->text[page->size] = 0;
}

void page_json(struct page *page, const char *text) {
    for (const char *at = text; *at != 0; at++) {
        const unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            page_add(page, "\\%c", c);
        } else if (c < 0x20 || c == '<' || c == 0x7f) {
            page_add(page, "\\u%04x", c);
        } else {
            page_put(page, at, 1);
        }
    }
}

void page_html(struct page *page, const char *text) {
    for (const char *at = text; *at != 0; at++) {
        switch (*at) {
        case '&':
            page_add(page, "&amp;");
            break;
        case '<':
            page_add(page, "&lt;");
            break;
        case '>':
            page_add(page, "&gt;");
            break;
        case '"':
            page_add(page, "&quot;");
            break;
        case '\'':
            page_add(page, "&#39;");
            break;
        default:
            page_put(page, at, 1);
        }
    }
}

void page_label(struct page *page, const char *text) {
    for (const char *at = text; *at != 0; at++) {
        if (*at == '\\' || *at == '"') {
            page_add(page, "\\%c", *at);
        } else if (*at == '\n') {
            page_add(page, "\\n");
        } else {
            page_put(page, at, 1);
        }
    }
}

void page_free(struct page *page) {
    CHECK(page != NULL);
    free(page->text);
    *page = (struct page){0};
}
