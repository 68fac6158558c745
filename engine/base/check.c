/* The end of a process in which an assertion failed.
 *
 * The one line goes to file descriptor 2 by write(2) and nothing else: the state of the process is
 * already known to be wrong, so no lock is taken, no memory asked for and no stream of the host
 * touched. This is the only place of the library that writes to the host's terminal.
 *
 * Invariants
 *   1. check_failed() never returns.
 *   2. The line is written by one call, so that two threads failing at once do not mix theirs.
 * Not here: traces and events. They need a working engine. */
#include "engine/base/check.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_LINE_MAX 512u

/* Appends what fits; by hand, because the formatted printers of the C library may take locks. */
static size_t line_text(char *line, size_t used, const char *text) {
    while (*text != '\0' && used < CHECK_LINE_MAX - 1) {
        line[used++] = *text++;
    }
    return used;
}

static size_t line_number(char *line, size_t used, int number) {
    char digits[12];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    unsigned rest = number < 0 ? 0u : (unsigned)number;
    do {
        digits[--at] = (char)('0' + rest % 10u);
        rest /= 10u;
    } while (rest != 0 && at > 0);
    return line_text(line, used, digits + at);
}

_Noreturn void check_failed(const char *expression, const char *file, int line) {
    char text[CHECK_LINE_MAX];
    size_t used = line_text(text, 0, "weft: a check failed, which is a bug of weft's: ");
    used = line_text(text, used, file);
    used = line_text(text, used, ":");
    used = line_number(text, used, line);
    used = line_text(text, used, ": ");
    used = line_text(text, used, expression);
    text[used++] = '\n';
    /* Whether anybody could read the line changes nothing about what follows. */
    ssize_t ignored = write(STDERR_FILENO, text, used);
    (void)ignored;
    abort();
}
