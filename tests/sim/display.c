/* See display.h. The line goes to stderr, so that what is kept of stdout has none of it; failures
 * go to stdout.
 * Deliberately not here: the summary at the end (tally.c). */
#include "tests/sim/display.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_S 0.2
#define LINE_S 10.0
#define WIDTH_MAX 200u

double display_now_s(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void display_begin(struct display *display) {
    display->terminal = isatty(STDERR_FILENO);
    display->begun_s = display->shown_s = display_now_s();
    display->told = 0;
}

static void erase(const struct display *display) {
    if (display->line && display->terminal) fprintf(stderr, "\r\033[K");
}

static void draw(struct display *display, const struct tally *tally, double now_s) {
    char text[WIDTH_MAX];
    unsigned long long done = atomic_load(&tally->done);
    double minutes = (now_s - display->begun_s) / 60;
    struct winsize size = {0};
    snprintf(text, sizeof text,
             "%llu seeds, %.0f/min, %.1f virtual hours, %llu faults of %u/%d kinds, %u/%d points, "
             "%llu failed",
             done, minutes > 0 ? (double)done / minutes : 0.0,
             (double)atomic_load(&tally->virtual_us) / 3.6e9,
             (unsigned long long)tally_faults(tally), tally_kinds(tally->fault, FAULT_COUNT),
             FAULT_COUNT, tally_kinds(tally->point, POINT_COUNT), POINT_COUNT,
             atomic_load(&tally->failed));
    display->shown_s = now_s;
    if (!display->terminal) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
        size.ws_col <= strlen(text))
        text[size.ws_col - 1] = '\0'; /* One that is broken cannot be drawn over. */
    fprintf(stderr, "\r\033[K%s", text);
}

static void tell_failures(struct display *display, const struct tally *tally) {
    uint64_t failed = atomic_load(&tally->failed);
    if (failed > TALLY_FAILURES) failed = TALLY_FAILURES;
    if (!display->failures) return;
    for (; display->told < failed; display->told++) {
        const struct tally_failure *failure = &tally->failure[display->told];
        if (!atomic_load(&failure->ready)) return;
        erase(display);
        printf("FAILED seed %llu %s\n  replay: ./dev sim --seed %llu%s --trace\n",
               (unsigned long long)failure->seed, failure->text, (unsigned long long)failure->seed,
               display->options);
        fflush(stdout);
    }
}

void display_turn(struct display *display, const struct tally *tally) {
    double now_s = display_now_s();
    tell_failures(display, tally);
    if (display->line && now_s - display->shown_s >= (display->terminal ? REDRAW_S : LINE_S))
        draw(display, tally, now_s);
}

void display_end(struct display *display, const struct tally *tally) {
    tell_failures(display, tally);
    erase(display);
}
