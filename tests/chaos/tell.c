/* See tell.h. */
#include "tests/chaos/tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *teller = "chaos";

int64_t tell_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tell_as(const char *name) {
    teller = name;
}

void tell_die(const char *format, ...) {
    va_list values;
    fflush(stdout);
    fprintf(stderr, "%s: ", teller);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\n");
    exit(1);
}
