/* The text format of Prometheus, read back, by its description and not by what wrote it
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4). */
#ifndef TESTS_LIB_SCRAPE_H
#define TESTS_LIB_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>

#define SCRAPE_NAME 96u
#define SCRAPE_LABELS 400u

struct scrape_sample {
    char name[SCRAPE_NAME];
    char labels[SCRAPE_LABELS]; /* as they stand between the braces */
    double value;
};

struct scrape {
    struct scrape_sample *samples;
    size_t count;
    char wrong[256]; /* what is wrong with the text */
};

/* Reads a text; false if it is not well-formed: lines, names, labels and their escapes, HELP and
 * TYPE before the samples and those of one name together, no two alike, counters named _total, and
 * buckets of histograms that grow and end in their count. */
bool scrape_read(struct scrape *scrape, const char *text);
void scrape_free(struct scrape *scrape);
/* The value of a sample; -1 when there is none. `labels` as they stand, NULL: without any. */
double scrape_value(const struct scrape *scrape, const char *name, const char *labels);
/* How many samples have this name. */
size_t scrape_count(const struct scrape *scrape, const char *name);

#endif
