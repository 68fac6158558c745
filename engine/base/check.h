/* CHECK: assertions that stay on in release builds. A failed CHECK is a bug of ours, never bad
 * input, so the process stops before it can damage anything. */
#ifndef WEFT_BASE_CHECK_H
#define WEFT_BASE_CHECK_H

/* Writes one line, by one write(2) to file descriptor 2, and aborts. Thread: any. */
_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) \
    (__builtin_expect(!!(expression), 1) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#endif
