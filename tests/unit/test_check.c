/* The end of a process whose CHECK failed, watched from its parent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"

static void check_lets_a_true_expression_pass_and_evaluates_it_once(void **state) {
    (void)state;
    int evaluated = 0;
    CHECK(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

static void check_failed_says_what_and_where_and_aborts(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        check_failed("sky == blue", "weather.c", 1234);
    }
    close(ends[1]);
    char said[1024];
    size_t size = 0;
    ssize_t more;
    while ((more = read(ends[0], said + size, sizeof said - 1 - size)) > 0) {
        size += (size_t)more;
    }
    said[size] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(said, "weft: a check failed, which is a bug of weft's: "
                              "weather.c:1234: sky == blue\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_lets_a_true_expression_pass_and_evaluates_it_once),
        cmocka_unit_test(check_failed_says_what_and_where_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
