/* The inspector: a page for people, and what it polls. */
#ifndef WEFT_INSPECTOR_H
#define WEFT_INSPECTOR_H

#include "engine/host.h"
#include "engine/net/page.h"

/* engine/net/inspector.html, terminated. Generated. */
extern const char inspector_html[];

/* Appends the page, with the state as plain tables for browsers without JavaScript. Thread: any. */
void inspector_page(struct weft_engine *engine, struct page *page);
/* Appends the state as JSON. Thread: any. */
void inspector_status(struct weft_engine *engine, struct page *page);

#endif
