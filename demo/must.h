/* MUST: assertions of the demo. They stay on in every build. A failed one is a bug in the demo. */
#ifndef DEMO_MUST_H
#define DEMO_MUST_H

#include <stdio.h>
#include <stdlib.h>

static inline _Noreturn void must_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "engine_demo: %s:%d: this must hold: %s\n", file, line, what);
    abort();
}

#define MUST(what) ((what) ? (void)0 : must_failed(#what, __FILE__, __LINE__))

#endif
