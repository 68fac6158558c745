/* All figures of an engine in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#ifndef WEFT_METRICS_TEXT_H
#define WEFT_METRICS_TEXT_H

#include "engine/net/page.h"
#include "engine/weft.h"

/* The content type. */
#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends them. Thread: any. */
void metrics_text(const weft_engine *engine, struct page *page);

#endif
