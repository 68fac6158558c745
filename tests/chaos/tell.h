/* What a program of this folder says when it cannot go on. */
#ifndef TESTS_CHAOS_TELL_H
#define TESTS_CHAOS_TELL_H

#include <stdint.h>

/* Milliseconds of a clock that never steps. */
int64_t tell_now_ms(void);
/* What stands before each such sentence: the program's name and its seed. Kept, not copied. */
void tell_as(const char *name);
/* Says it on standard error and ends the process with status 1; its children end with it. */
_Noreturn void tell_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
