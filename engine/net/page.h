/* A page: text that grows while it is written, for those who ask by HTTP. */
#ifndef WEFT_NET_PAGE_H
#define WEFT_NET_PAGE_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: empty. */
struct page {
    char *text; /* malloc'd; terminated; NULL while it is empty */
    size_t size;
    size_t room;
    bool failed; /* there was no memory: what follows is not written, and the page is of no use */
};

/* Appends, as printf() does. */
void page_add(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends these bytes. */
void page_put(struct page *page, const char *bytes, size_t size);
/* Appends a terminated text so that it stands between the quotes of a JSON string: also within a
 * <script>, as "<" is escaped. */
void page_json(struct page *page, const char *text);
/* ... as text of an HTML element, or the value of an attribute in quotes. */
void page_html(struct page *page, const char *text);
/* ... as the value of a label in the Prometheus text format. */
void page_label(struct page *page, const char *text);
void page_free(struct page *page);

#endif
