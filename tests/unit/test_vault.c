/* The vault over real files: who may read them, that making one is all or nothing whatever fails
 * meanwhile, and what tells a file from its copy.
 *
 * Failures of the system are made by a filter on the system calls of a child process (seccomp(2)):
 * the chosen call does nothing and returns the chosen error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/net/vault.h"
#include "tests/lib/scratch.h"

#define FILE_PATH (SCRATCH_PATH + 64u)

struct scene {
    char folder[SCRATCH_PATH];
    char path[FILE_PATH];
    struct vault_port vault;
    struct weft_error why;
    uint8_t out[64];
    size_t size;
};

static void name_file(struct scene *scene, const char *name) {
    int length = snprintf(scene->path, sizeof scene->path, "%s/%s", scene->folder, name);
    assert_in_range(length, 1, (int)sizeof scene->path - 1);
}

static int open_scene(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    scratch_make(scene.folder);
    name_file(&scene, "library-key");
    scene.vault = vault_posix();
    *state = &scene;
    return 0;
}

static int close_scene(void **state) {
    const struct scene *scene = *state;
    scratch_remove(scene->folder);
    return 0;
}

static enum weft_status make(struct scene *scene, const char *text) {
    return scene->vault.make(scene->vault.self, scene->path, (const uint8_t *)text, strlen(text),
                             &scene->why);
}

static enum weft_status load(struct scene *scene) {
    memset(&scene->why, 0, sizeof scene->why);
    return scene->vault.load(scene->vault.self, scene->path, scene->out, sizeof scene->out,
                             &scene->size, &scene->why);
}

static void assert_loads(struct scene *scene, const char *text) {
    if (load(scene) != WEFT_OK) fail_msg("%s", scene->why.text);
    assert_int_equal(scene->size, strlen(text));
    assert_memory_equal(scene->out, text, scene->size);
}

/* Refused for this reason, with this advice; `%s` in the advice is the path. */
__attribute__((format(printf, 3, 0))) static void assert_refused(struct scene *scene,
                                                                 const char *reason,
                                                                 const char *advice) {
    char expected[WEFT_ERROR_TEXT_MAX];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(expected, sizeof expected, advice, scene->path, scene->path);
#pragma GCC diagnostic pop
    assert_int_equal(load(scene), WEFT_KEY_FILE);
    assert_int_equal(scene->why.status, WEFT_KEY_FILE);
    assert_int_equal(strncmp(scene->why.text, scene->path, strlen(scene->path)), 0);
    if (strstr(scene->why.text, reason) == NULL) fail_msg("%s: %s", reason, scene->why.text);
    if (strstr(scene->why.text, expected) == NULL) fail_msg("%s: %s", expected, scene->why.text);
}

/* How many names the folder holds. */
static unsigned names(const struct scene *scene) {
    unsigned count = 0;
    DIR *folder = opendir(scene->folder);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
    }
    assert_int_equal(closedir(folder), 0);
    return count;
}

/* ---- permissions ---- */

static void what_is_made_is_read_back_and_only_its_owner_may(void **state) {
    struct scene *scene = *state;
    struct stat found;
    assert_int_equal(load(scene), WEFT_NOT_FOUND);
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_loads(scene, "secret");
    assert_int_equal(stat(scene->path, &found), 0);
    assert_int_equal(found.st_mode, S_IFREG | 0600);
    assert_int_equal(found.st_nlink, 1);
    assert_int_equal(names(scene), 1);
}

static void the_mode_does_not_depend_on_the_umask(void **state) {
    struct scene *scene = *state;
    const mode_t masks[] = {0, 0077, 0277, 0777};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        const mode_t before = umask(masks[i]);
        const enum weft_status status = make(scene, "secret");
        (void)umask(before);
        assert_int_equal(status, WEFT_OK);
        assert_loads(scene, "secret");
        assert_int_equal(unlink(scene->path), 0);
    }
}

static void any_other_mode_is_refused_and_mended_by_the_command_given(void **state) {
    struct scene *scene = *state;
    char mode[5];
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    for (unsigned bits = 0; bits <= 07777; bits++) {
        if (bits == 0600) continue;
        assert_int_equal(chmod(scene->path, bits), 0);
        (void)snprintf(mode, sizeof mode, "%04o", bits);
        assert_refused(scene, mode, ": chmod 600 %s");
    }
    assert_int_equal(chmod(scene->path, 0600), 0);
    assert_loads(scene, "secret");
}

static void the_command_can_be_given_to_a_shell(void **state) {
    struct scene *scene = *state;
    name_file(scene, "it's $(a) key");
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_int_equal(chmod(scene->path, 0644), 0);
    assert_int_equal(load(scene), WEFT_KEY_FILE);
    const char *command = strstr(scene->why.text, "chmod");
    assert_non_null(command);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    assert_loads(scene, "secret");
}

static void another_owner_is_refused(void **state) {
    struct scene *scene = *state;
    if (geteuid() != 0) {
        print_message("not tried: only root can give a file to another user\n");
        return;
    }
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_int_equal(chown(scene->path, 12345, (gid_t)-1), 0);
    assert_refused(scene, "belongs to user 12345", "sudo chown 0 %s");
}

/* The owner is told also when the file may not be opened at all. */
static void the_owner_counts_for_the_user_that_the_process_acts_as(void **state) {
    struct scene *scene = *state;
    char *before = getcwd(NULL, 0);
    assert_non_null(before);
    if (geteuid() != 0) {
        print_message("not tried: only root can act as another user\n");
        free(before);
        return;
    }
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    /* From within the folder, for the other user may not see what lies above it. */
    assert_int_equal(chmod(scene->folder, 0755), 0);
    assert_int_equal(chdir(scene->folder), 0);
    memcpy(scene->path, "library-key", 12);
    assert_int_equal(seteuid(12345), 0);
    const enum weft_status status = load(scene);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(status, WEFT_KEY_FILE);
    assert_non_null(strstr(scene->why.text, "belongs to user 0, and this process is user 12345"));
    assert_non_null(strstr(scene->why.text, "sudo chown 12345 library-key"));
}

static void a_symbolic_link_is_refused_wherever_it_leads(void **state) {
    struct scene *scene = *state;
    char target[FILE_PATH];
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    memcpy(target, scene->path, sizeof target);
    name_file(scene, "link");
    assert_int_equal(symlink(target, scene->path), 0);
    assert_refused(scene, "is a symbolic link", "mv \"$(readlink -f %s)\" %s");
    assert_int_equal(make(scene, "other"), WEFT_INVALID);
    /* Also one that leads nowhere. */
    assert_int_equal(unlink(target), 0);
    assert_refused(scene, "is a symbolic link", "mv \"$(readlink -f %s)\" %s");
    assert_int_equal(make(scene, "other"), WEFT_INVALID);
    assert_int_equal(access(target, F_OK), -1);
}

static void what_is_no_file_is_refused_at_once(void **state) {
    struct scene *scene = *state;
    name_file(scene, "folder");
    assert_int_equal(mkdir(scene->path, 0600), 0);
    assert_refused(scene, "is a folder", "mv %s %s.old");
    name_file(scene, "pipe");
    /* Nobody writes to it; opening it must not wait for that. */
    assert_int_equal(mkfifo(scene->path, 0600), 0);
    assert_refused(scene, "is a device, pipe or socket", "mv %s %s.old");
    name_file(scene, "socket");
    assert_int_equal(mknod(scene->path, S_IFSOCK | 0600, 0), 0);
    assert_refused(scene, "is a device, pipe or socket", "mv %s %s.old");
}

static void a_file_with_more_than_there_is_room_for_is_refused(void **state) {
    struct scene *scene = *state;
    char text[sizeof scene->out + 2];
    memset(text, 'x', sizeof text);
    text[sizeof scene->out] = '\0';
    assert_int_equal(make(scene, text), WEFT_OK);
    assert_loads(scene, text);
    assert_int_equal(unlink(scene->path), 0);
    text[sizeof scene->out] = 'x';
    text[sizeof scene->out + 1] = '\0';
    assert_int_equal(make(scene, text), WEFT_OK);
    assert_refused(scene, "has 65 bytes, of which there can be 64 at most", "mv %s %s.old");
}

static void an_empty_file_is_read(void **state) {
    struct scene *scene = *state;
    const int file = open(scene->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    assert_loads(scene, "");
}

/* ---- making ---- */

static void a_file_that_is_there_is_never_overwritten(void **state) {
    struct scene *scene = *state;
    assert_int_equal(make(scene, "first"), WEFT_OK);
    assert_int_equal(make(scene, "second"), WEFT_INVALID);
    assert_int_equal(scene->why.status, WEFT_INVALID);
    assert_non_null(strstr(scene->why.text, scene->path));
    assert_loads(scene, "first");
    assert_int_equal(names(scene), 1);
}

static void a_folder_that_is_missing_is_told(void **state) {
    struct scene *scene = *state;
    name_file(scene, "nowhere/library-key");
    assert_int_equal(make(scene, "secret"), WEFT_IO);
    assert_non_null(strstr(scene->why.text, scene->path));
    assert_int_equal(load(scene), WEFT_NOT_FOUND);
    name_file(scene, "");
    assert_int_equal(make(scene, "secret"), WEFT_IO);
    assert_int_equal(names(scene), 0);
}

static void a_path_without_a_folder_lies_in_the_current_one(void **state) {
    struct scene *scene = *state;
    char *before = getcwd(NULL, 0);
    assert_non_null(before);
    assert_int_equal(chdir(scene->folder), 0);
    memcpy(scene->path, "key", 4);
    const enum weft_status made = make(scene, "secret"), loaded = load(scene);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(made, WEFT_OK);
    assert_int_equal(loaded, WEFT_OK);
    assert_int_equal(names(scene), 1);
}

/* A system call that fails: with `error`, if its first argument is `first` (-1: whatever it is). */
struct fault {
    unsigned call;
    int error, first;
};

static bool filter_calls(const struct fault *faults, unsigned count) {
    struct sock_filter code[32];
    unsigned short at = 0;
    for (unsigned i = 0; i < count; i++) {
        const unsigned error = SECCOMP_RET_ERRNO | (unsigned)faults[i].error;
        code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                  offsetof(struct seccomp_data, nr));
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, faults[i].call, 0,
                                                  faults[i].first < 0 ? 1 : 3);
        if (faults[i].first >= 0) {
            code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                      offsetof(struct seccomp_data, args));
            code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                      (unsigned)faults[i].first, 0, 1);
        }
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, error);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = at, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#define CHILD_UNFILTERED 100

/* What make() answers in a child process whose system calls fail so. */
static enum weft_status make_with(struct scene *scene, const struct fault *faults, unsigned count) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!filter_calls(faults, count)) _exit(CHILD_UNFILTERED);
        _exit(-(int)make(scene, "secret"));
    }
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_not_equal(WEXITSTATUS(code), CHILD_UNFILTERED);
    return (enum weft_status) - WEXITSTATUS(code);
}

/* The descriptor that the folder will have; the file has the next one. */
static int next_descriptor(void) {
    const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    return next;
}

static void every_failure_leaves_the_folder_as_it_was(void **state) {
    struct scene *scene = *state;
    const int folder = next_descriptor();
    const struct {
        struct fault fault;
        enum weft_status status;
    } cases[] = {
        {{SYS_openat, EACCES, -1}, WEFT_READ_ONLY},
        {{SYS_openat, EROFS, folder}, WEFT_READ_ONLY},
        {{SYS_openat, ENOSPC, folder}, WEFT_DISK_FULL},
        {{SYS_openat, EMFILE, folder}, WEFT_IO},
        {{SYS_fchmod, EPERM, -1}, WEFT_READ_ONLY},
        {{SYS_write, ENOSPC, folder + 1}, WEFT_DISK_FULL},
        {{SYS_write, EDQUOT, folder + 1}, WEFT_DISK_FULL},
        {{SYS_write, EIO, folder + 1}, WEFT_IO},
        {{SYS_fsync, EIO, folder + 1}, WEFT_IO},
        {{SYS_close, EIO, folder + 1}, WEFT_IO},
        {{SYS_renameat2, EIO, -1}, WEFT_IO},
        {{SYS_renameat2, ENOSPC, -1}, WEFT_DISK_FULL},
        {{SYS_fsync, EIO, folder}, WEFT_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const enum weft_status status = make_with(scene, &cases[i].fault, 1);
        if (status != cases[i].status) fail_msg("case %zu: %s", i, weft_status_name(status));
        if (names(scene) != 0) fail_msg("case %zu left something behind", i);
    }
}

static void a_file_system_that_keeps_no_permissions_is_refused(void **state) {
    struct scene *scene = *state;
    /* The mode is what the umask leaves of it, because fchmod() does nothing and says it did. */
    const mode_t before = umask(0277);
    const enum weft_status status = make_with(scene, &(struct fault){SYS_fchmod, 0, -1}, 1);
    (void)umask(before);
    assert_int_equal(status, WEFT_IO);
    assert_int_equal(names(scene), 0);
}

static void a_file_system_that_cannot_refuse_to_replace_is_served_by_links(void **state) {
    struct scene *scene = *state;
    const struct fault faults[] = {{SYS_renameat2, EINVAL, -1}, {SYS_linkat, EPERM, -1}};
    assert_int_equal(make_with(scene, faults, 2), WEFT_READ_ONLY);
    assert_int_equal(names(scene), 0);
    assert_int_equal(make_with(scene, faults, 1), WEFT_OK);
    assert_int_equal(names(scene), 1);
    assert_loads(scene, "secret");
    assert_int_equal(make_with(scene, faults, 1), WEFT_INVALID);
    assert_int_equal(names(scene), 1);
}

/* ---- stamps ---- */

static enum weft_status stamp(struct scene *scene, uint8_t out[32]) {
    return scene->vault.stamp(scene->vault.self, scene->path, out, &scene->why);
}

static void a_stamp_stays_with_a_file_that_changes_or_moves(void **state) {
    struct scene *scene = *state;
    uint8_t first[32], second[32];
    char moved[FILE_PATH];
    assert_int_equal(stamp(scene, first), WEFT_NOT_FOUND);
    assert_non_null(strstr(scene->why.text, scene->path));
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_int_equal(stamp(scene, first), WEFT_OK);
    const int file = open(scene->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(file, "x", 1), 1);
    assert_int_equal(close(file), 0);
    assert_int_equal(chmod(scene->path, 0644), 0);
    assert_int_equal(stamp(scene, second), WEFT_OK);
    assert_memory_equal(first, second, sizeof first);
    memcpy(moved, scene->path, sizeof moved);
    name_file(scene, "moved");
    assert_int_equal(rename(moved, scene->path), 0);
    assert_int_equal(stamp(scene, second), WEFT_OK);
    assert_memory_equal(first, second, sizeof first);
}

static void a_copy_has_another_stamp(void **state) {
    struct scene *scene = *state;
    uint8_t first[32], second[32];
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_int_equal(stamp(scene, first), WEFT_OK);
    name_file(scene, "copy");
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_int_equal(stamp(scene, second), WEFT_OK);
    assert_memory_not_equal(first, second, sizeof first);
}

/* The stamp in a child process that sees `machine` as the machine's id; false if this process may
 * not arrange that. */
static bool stamp_elsewhere(struct scene *scene, const char *machine, uint8_t out[32]) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint8_t found[32];
        const bool placed = unshare(CLONE_NEWNS) == 0 &&
                            mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                            mount(machine, "/etc/machine-id", "none", MS_BIND, NULL) == 0;
        if (!placed) _exit(1);
        if (stamp(scene, found) != WEFT_OK) _exit(2);
        _exit(write(ends[1], found, sizeof found) == sizeof found ? 0 : 3);
    }
    int code = -1;
    assert_int_equal(close(ends[1]), 0);
    const ssize_t count = read(ends[0], out, 32);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    if (WEXITSTATUS(code) == 1) return false;
    assert_int_equal(WEXITSTATUS(code), 0);
    assert_int_equal(count, 32);
    return true;
}

static void the_same_file_on_another_machine_has_another_stamp(void **state) {
    struct scene *scene = *state;
    uint8_t here[32], there[32], again[32];
    char machine[FILE_PATH];
    name_file(scene, "machine");
    memcpy(machine, scene->path, sizeof machine);
    assert_int_equal(make(scene, "00112233445566778899aabbccddeeff\n"), WEFT_OK);
    name_file(scene, "library");
    assert_int_equal(make(scene, "secret"), WEFT_OK);
    assert_int_equal(stamp(scene, here), WEFT_OK);
    if (!stamp_elsewhere(scene, machine, there)) {
        print_message("not tried: this process may not mount over /etc/machine-id\n");
        return;
    }
    assert_memory_not_equal(here, there, sizeof here);
    assert_true(stamp_elsewhere(scene, machine, again));
    assert_memory_equal(there, again, sizeof there);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_is_made_is_read_back_and_only_its_owner_may),
        SCENE_TEST(the_mode_does_not_depend_on_the_umask),
        SCENE_TEST(any_other_mode_is_refused_and_mended_by_the_command_given),
        SCENE_TEST(the_command_can_be_given_to_a_shell),
        SCENE_TEST(another_owner_is_refused),
        SCENE_TEST(the_owner_counts_for_the_user_that_the_process_acts_as),
        SCENE_TEST(a_symbolic_link_is_refused_wherever_it_leads),
        SCENE_TEST(what_is_no_file_is_refused_at_once),
        SCENE_TEST(a_file_with_more_than_there_is_room_for_is_refused),
        SCENE_TEST(an_empty_file_is_read),
        SCENE_TEST(a_file_that_is_there_is_never_overwritten),
        SCENE_TEST(a_folder_that_is_missing_is_told),
        SCENE_TEST(a_path_without_a_folder_lies_in_the_current_one),
        SCENE_TEST(every_failure_leaves_the_folder_as_it_was),
        SCENE_TEST(a_file_system_that_keeps_no_permissions_is_refused),
        SCENE_TEST(a_file_system_that_cannot_refuse_to_replace_is_served_by_links),
        SCENE_TEST(a_stamp_stays_with_a_file_that_changes_or_moves),
        SCENE_TEST(a_copy_has_another_stamp),
        SCENE_TEST(the_same_file_on_another_machine_has_another_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
