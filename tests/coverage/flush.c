/* Programs that are built to count which branches they take write their counters when they end by
 * exit(). Forked children of tests and of the simulator end by _exit(), and those that are to show
 * what becomes of a failed CHECK by abort(); the linker leads those calls here (--wrap,
 * tests/CMakeLists.txt), so that what a child has done counts as well.
 *
 * Not here: processes that a signal ends. What they did is not counted. */
int __llvm_profile_write_file(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);

_Noreturn void __wrap__exit(int status) {
    /* A counter that was not written makes the figures worse, never better. */
    (void)__llvm_profile_write_file();
    __real__exit(status);
}

_Noreturn void __wrap_abort(void) {
    (void)__llvm_profile_write_file();
    __real_abort();
}
