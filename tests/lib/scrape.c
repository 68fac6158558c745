/* See scrape.h. */
#include "tests/lib/scrape.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct scrape *scrape;
    const char *at;
    unsigned line;
    char family[SCRAPE_NAME], type[16];
    bool helped, typed;
    char families[256][SCRAPE_NAME]; /* all so far */
    size_t family_count;
};

static bool fail(struct reading *reading, const char *what) {
    (void)snprintf(reading->scrape->wrong, sizeof reading->scrape->wrong, "line %u: %s: %.60s",
                   reading->line, what, reading->at);
    return false;
}

static size_t name_size(const char *text) {
    size_t size = 0;
    while (isalpha((unsigned char)text[size]) || text[size] == '_' || text[size] == ':' ||
           (size > 0 && isdigit((unsigned char)text[size])))
        size++;
    return size;
}

static bool take_name(struct reading *reading, char out[SCRAPE_NAME]) {
    const size_t size = name_size(reading->at);
    if (size == 0 || size >= SCRAPE_NAME) return fail(reading, "no name");
    memcpy(out, reading->at, size);
    out[size] = 0;
    reading->at += size;
    return true;
}

static bool take(struct reading *reading, const char *text) {
    const size_t size = strlen(text);
    if (strncmp(reading->at, text, size) != 0) return false;
    reading->at += size;
    return true;
}

/* "# HELP name text" or "# TYPE name type". */
static bool read_comment(struct reading *reading) {
    char name[SCRAPE_NAME], type[16] = {0};
    const bool help = take(reading, "# HELP ");
    if (!help && !take(reading, "# TYPE ")) return fail(reading, "an unknown comment");
    if (!take_name(reading, name) || !take(reading, " ")) return fail(reading, "no name");
    if (help) {
        for (size_t i = 0; i < reading->family_count; i++)
            if (strcmp(reading->families[i], name) == 0) return fail(reading, "said twice");
        if (reading->family_count == 256) return fail(reading, "too many names");
        memcpy(reading->families[reading->family_count++], name, sizeof name);
        memcpy(reading->family, name, sizeof name);
        reading->typed = false;
        reading->helped = *reading->at != '\n';
        return reading->helped || fail(reading, "no help");
    }
    if (strcmp(name, reading->family) != 0 || reading->typed) return fail(reading, "no HELP");
    (void)sscanf(reading->at, "%15[a-z]", type);
    if (strcmp(type, "counter") != 0 && strcmp(type, "gauge") != 0 &&
        strcmp(type, "histogram") != 0)
        return fail(reading, "an unknown type");
    const size_t size = strlen(name);
    const bool total = size > 6 && strcmp(name + size - 6, "_total") == 0;
    if (total != (strcmp(type, "counter") == 0)) return fail(reading, "a counter is a _total");
    memcpy(reading->type, type, sizeof type);
    reading->typed = true;
    return true;
}

/* name="text",name="text"} */
static bool read_labels(struct reading *reading, char out[SCRAPE_LABELS]) {
    const char *begin = reading->at;
    char name[SCRAPE_NAME];
    do {
        if (!take_name(reading, name) || !take(reading, "=\"")) return fail(reading, "no label");
        for (; *reading->at != '"'; reading->at++) {
            if (*reading->at == 0 || *reading->at == '\n') return fail(reading, "no end");
            if (*reading->at != '\\') continue;
            reading->at++;
            if (strchr("\\\"n", *reading->at) == NULL) return fail(reading, "unknown escape");
        }
        reading->at++;
    } while (take(reading, ","));
    const size_t size = (size_t)(reading->at - begin);
    if (size >= SCRAPE_LABELS) return fail(reading, "long labels");
    memcpy(out, begin, size);
    out[size] = 0;
    return take(reading, "}") || fail(reading, "no brace");
}

static bool belongs(const struct reading *reading, const char *name) {
    const size_t size = strlen(reading->family);
    if (strcmp(reading->type, "histogram") != 0) return strcmp(name, reading->family) == 0;
    if (strncmp(name, reading->family, size) != 0) return false;
    return strcmp(name + size, "_bucket") == 0 || strcmp(name + size, "_sum") == 0 ||
           strcmp(name + size, "_count") == 0;
}

static bool read_sample(struct reading *reading) {
    struct scrape *scrape = reading->scrape;
    struct scrape_sample *grown =
        realloc(scrape->samples, (scrape->count + 1) * sizeof *scrape->samples);
    if (grown == NULL) return fail(reading, "no memory");
    scrape->samples = grown;
    struct scrape_sample *sample = &grown[scrape->count];
    memset(sample, 0, sizeof *sample);
    if (!take_name(reading, sample->name)) return false;
    if (!reading->helped || !reading->typed || !belongs(reading, sample->name))
        return fail(reading, "a sample outside of its family");
    if (take(reading, "{") && !read_labels(reading, sample->labels)) return false;
    if (!take(reading, " ")) return fail(reading, "no blank before the value");
    char *end = NULL;
    sample->value = strtod(reading->at, &end);
    if (end == reading->at || *end != '\n') return fail(reading, "no value");
    if (sample->value < 0) return fail(reading, "below zero");
    reading->at = end;
    for (size_t i = 0; i < scrape->count; i++) {
        if (strcmp(grown[i].name, sample->name) == 0 &&
            strcmp(grown[i].labels, sample->labels) == 0)
            return fail(reading, "two samples alike");
    }
    scrape->count++;
    return true;
}

/* Buckets stand in order, grow, and the last is +Inf and the count. */
static bool check_histograms(struct reading *reading) {
    const struct scrape *scrape = reading->scrape;
    double bound = 0, below = 0;
    bool infinite = false;
    for (size_t i = 0; i < scrape->count; i++) {
        const struct scrape_sample *sample = &scrape->samples[i];
        const size_t size = strlen(sample->name);
        const bool bucket = size > 7 && strcmp(sample->name + size - 7, "_bucket") == 0;
        if (bucket) {
            double le = 0;
            if (strcmp(sample->labels, "le=\"+Inf\"") == 0) {
                le = INFINITY;
            } else if (sscanf(sample->labels, "le=\"%lf\"", &le) != 1) {
                return fail(reading, "a bucket without a bound");
            }
            if (infinite) bound = below = 0; /* Another histogram's first. */
            if (le <= bound || sample->value < below) return fail(reading, "buckets shrink");
            bound = le;
            below = sample->value;
            infinite = isinf(le);
        } else if (infinite && size > 6 && strcmp(sample->name + size - 6, "_count") == 0 &&
                   sample->value != below) {
            return fail(reading, "+Inf is not the count");
        }
    }
    return true;
}

bool scrape_read(struct scrape *scrape, const char *text) {
    struct reading *reading = calloc(1, sizeof *reading);
    *scrape = (struct scrape){0};
    if (reading == NULL) return false;
    reading->scrape = scrape;
    reading->at = text;
    bool sound = true;
    while (sound && *reading->at != 0) {
        reading->line++;
        sound = *reading->at == '#' ? read_comment(reading) : read_sample(reading);
        while (sound && *reading->at != '\n' && *reading->at != 0)
            reading->at++;
        if (sound && *reading->at++ != '\n') sound = fail(reading, "the last line does not end");
    }
    sound = sound && check_histograms(reading);
    free(reading);
    return sound;
}

void scrape_free(struct scrape *scrape) {
    free(scrape->samples);
    *scrape = (struct scrape){0};
}

double scrape_value(const struct scrape *scrape, const char *name, const char *labels) {
    for (size_t i = 0; i < scrape->count; i++) {
        if (strcmp(scrape->samples[i].name, name) == 0 &&
            strcmp(scrape->samples[i].labels, labels == NULL ? "" : labels) == 0)
            return scrape->samples[i].value;
    }
    return -1;
}

size_t scrape_count(const struct scrape *scrape, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < scrape->count; i++)
        count += strcmp(scrape->samples[i].name, name) == 0;
    return count;
}
