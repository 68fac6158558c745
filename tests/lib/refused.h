/* System calls that fail when they are told to, as if the system had no more to give: the call does
 * nothing and returns the error.
 *
 * The linker leads the calls that a test program makes through this file (--wrap,
 * tests/CMakeLists.txt: for programs that include this header). Calls of this thread alone fail.
 *
 *     refuse("accept4", EMFILE, 0, 1);
 *     status = what_is_tested();
 *     assert_true(refuse_end()); */
#ifndef TESTS_LIB_REFUSED_H
#define TESTS_LIB_REFUSED_H

#include <stdbool.h>

/* Of the calls of this name from now on the first `after` are made, and the next `times` fail with
 * `error`. Two names can be refused at a time. connect() is made all the same; 0: it says that the
 * connection stands at once. */
void refuse(const char *call, int error, unsigned after, unsigned times);
/* From now on all are made. Whether of each name that was to be refused a call has been. */
bool refuse_end(void);

#endif
