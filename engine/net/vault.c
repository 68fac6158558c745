/* The vault port over files.
 *
 *     make:  open the folder ── create PATH.RANDOM, 0600, new ── write ── sync the file
 *              └─ rename it to PATH, unless there is one ── sync the folder
 *
 *     stamp: BLAKE2b-256 of  "weft/stamp" | size u8 | machine id 64, padded by zeros
 *                          | device major u32 | device minor u32 | inode u64
 *                          | birth time known u8 | seconds u64 | nanoseconds u32
 *
 * Invariants
 *   1. A file that is there is never written to, and never replaced.
 *   2. Every failure of make() leaves the folder as it was. Only a lost process or lost power can
 *      leave PATH.RANDOM behind, which nothing reads.
 *   3. A file is judged by its descriptor, so it cannot change between the judging and the reading.
 *   4. No message holds a byte of a file.
 * Not here: what the files say (store/keyfile.h). */
#include "engine/net/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/status.h"

#define VAULT_MODE 0600u
#define VAULT_MODE_BITS 07777u
#define MACHINE_ID_PATH "/etc/machine-id"
#define MACHINE_ID_MAX 64u

/* ---- what is said ---- */

static enum weft_status fail_native(struct weft_error *why, enum weft_status status, int native,
                                    const char *doing, const char *path, const char *advice) {
    char reason[128];
    const char *text = strerror_r(native, reason, sizeof reason);
    return status_fail(why, status, native, "%s %s: %s; %s", doing, path, text, advice);
}

static enum weft_status fail_make(struct weft_error *why, int native, const char *path) {
    switch (native) {
    case EEXIST:
        return status_fail(why, WEFT_INVALID, native,
                           "%s is there already and is not overwritten; move it away to make "
                           "another",
                           path);
    case EACCES:
    case EPERM:
    case EROFS:
        return fail_native(why, WEFT_READ_ONLY, native, "making", path,
                           "make its folder writable for this user");
    case ENOSPC:
    case EDQUOT:
        return fail_native(why, WEFT_DISK_FULL, native, "making", path, "free some space");
    case ENOTSUP:
        return status_fail(why, WEFT_IO, native,
                           "%s cannot be made: its file system keeps no permissions, so others "
                           "could read it; put the library on another file system",
                           path);
    default:
        return fail_native(why, WEFT_IO, native, "making", path, "check its folder and the disk");
    }
}

/* A path as a shell reads it: quoted if it holds more than letters, digits and ._/-+ . Cut if it is
 * longer than a message. */
static const char *shell_word(const char *path, char out[WEFT_ERROR_TEXT_MAX]) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789._/-+";
    size_t at = 0;
    if (path[0] != '-' && path[strspn(path, plain)] == '\0') return path;
    if (path[0] == '-') {
        memcpy(out, "./", 2);
        at = 2;
    }
    out[at++] = '\'';
    for (const char *c = path; *c != '\0' && at < WEFT_ERROR_TEXT_MAX - 6; c++) {
        if (*c == '\'') {
            memcpy(out + at, "'\\'", 3);
            at += 3;
        }
        out[at++] = *c;
    }
    out[at++] = '\'';
    out[at] = '\0';
    return out;
}

/* ---- loading ---- */

/* WEFT_OK if the file is one that only this process's user may read and write. */
static enum weft_status judge(const struct stat *found, const char *path, struct weft_error *why) {
    char buffer[WEFT_ERROR_TEXT_MAX];
    const char *word = shell_word(path, buffer);
    const unsigned mode = (unsigned)found->st_mode & VAULT_MODE_BITS;
    const unsigned own = (unsigned)geteuid();
    if (S_ISLNK(found->st_mode)) {
        return status_fail(why, WEFT_KEY_FILE, 0,
                           "%s is a symbolic link, and must be the file itself: "
                           "mv \"$(readlink -f %s)\" %s",
                           path, word, word);
    }
    if (!S_ISREG(found->st_mode)) {
        return status_fail(
            why, WEFT_KEY_FILE, 0, "%s is a %s, not a file; move it away: mv %s %s.old", path,
            S_ISDIR(found->st_mode) ? "folder" : "device, pipe or socket", word, word);
    }
    if ((unsigned)found->st_uid != own) {
        return status_fail(why, WEFT_KEY_FILE, 0,
                           "%s belongs to user %u, and this process is user %u: run it as that "
                           "user, or: sudo chown %u %s",
                           path, (unsigned)found->st_uid, own, own, word);
    }
    if (mode != VAULT_MODE) {
        return status_fail(why, WEFT_KEY_FILE, 0,
                           "%s has mode %04o, and must have 0600: "
                           "chmod 600 %s",
                           path, mode, word);
    }
    return WEFT_OK;
}

/* Why a file could not be opened. */
static enum weft_status fail_open(struct weft_error *why, int native, const char *path) {
    struct stat found;
    if (native == ENOENT || native == ENOTDIR) {
        return status_fail(why, WEFT_NOT_FOUND, native, "there is no file %s", path);
    }
    if (lstat(path, &found) == 0) {
        enum weft_status status = judge(&found, path, why);
        if (status != WEFT_OK) return status;
    }
    return fail_native(why, WEFT_IO, native, "opening", path,
                       "check its folder's permissions and the disk");
}

/* Reads until the end or until `room` bytes are there; 0 or an errno. */
static int read_whole(int descriptor, uint8_t *out, size_t room, size_t *size) {
    *size = 0;
    while (*size < room) {
        const ssize_t count = read(descriptor, out + *size, room - *size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        if (count == 0) return 0;
        *size += (size_t)count;
    }
    return 0;
}

static enum weft_status vault_load(void *self, const char *path, uint8_t *out, size_t room,
                                   size_t *size, struct weft_error *why) {
    (void)self;
    CHECK(path != NULL && out != NULL);
    CHECK(size != NULL && room > 0);
    struct stat found;
    enum weft_status status;
    /* Not blocking: opening a pipe would else wait for its writer. */
    const int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return fail_open(why, errno, path);
    int error = fstat(file, &found) == 0 ? 0 : errno;
    if (error == 0) {
        status = judge(&found, path, why);
        if (status != WEFT_OK) goto close_file;
        if (found.st_size > (off_t)room) {
            char buffer[WEFT_ERROR_TEXT_MAX];
            const char *word = shell_word(path, buffer);
            status = status_fail(why, WEFT_KEY_FILE, 0,
                                 "%s has %lld bytes, of which there can be %zu at most; move it "
                                 "away: mv %s %s.old",
                                 path, (long long)found.st_size, room, word, word);
            goto close_file;
        }
        error = read_whole(file, out, room, size);
    }
    status =
        error == 0 ? WEFT_OK : fail_native(why, WEFT_IO, error, "reading", path, "check the disk");
    if (status != WEFT_OK) sodium_memzero(out, room);

close_file:
    close(file);
    return status;
}

/* ---- making ---- */

/* A file that is being made. Names are within the folder. */
struct making {
    int folder, file;
    const char *name;
    char working[NAME_MAX + 1];
};

/* Opens the folder that `path` lies in, and finds the name in it; 0 or an errno. */
static int open_folder(struct making *making, const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    /* The slash stays, so that the root has a name. */
    const size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    making->name = path + length;
    if (length >= sizeof folder) return ENAMETOOLONG;
    memcpy(folder, path, length);
    folder[length] = '\0';
    making->folder = open(length == 0 ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return making->folder >= 0 ? 0 : errno;
}

/* Makes the file under a name that nobody else uses; 0 or an errno. */
static int open_working(struct making *making) {
    uint64_t random;
    randombytes_buf(&random, sizeof random);
    const int length = snprintf(making->working, sizeof making->working, "%s.%016llx", making->name,
                                (unsigned long long)random);
    if (making->name[0] == '\0') return EISDIR;
    CHECK(length > 0);
    if ((size_t)length >= sizeof making->working) return ENAMETOOLONG;
    making->file = openat(making->folder, making->working,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, VAULT_MODE);
    return making->file >= 0 ? 0 : errno;
}

/* Writes and syncs the file; 0 or an errno. */
static int fill_file(int file, const uint8_t *data, size_t size) {
    struct stat found;
    /* The process's umask may have taken bits away, and some file systems keep none. */
    if (fchmod(file, VAULT_MODE) != 0 || fstat(file, &found) != 0) return errno;
    if ((found.st_mode & VAULT_MODE_BITS) != VAULT_MODE) return ENOTSUP;
    while (size > 0) {
        const ssize_t count = write(file, data, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        data += count;
        size -= (size_t)count;
    }
    return fsync(file) == 0 ? 0 : errno;
}

/* Gives the file its name unless there is one; the working name is gone after success. */
static int place_file(const struct making *making) {
    if (renameat2(making->folder, making->working, making->folder, making->name,
                  RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) return errno;
    /* A file system that cannot do that: a second name, and then not the first. */
    if (linkat(making->folder, making->working, making->folder, making->name, 0) != 0) return errno;
    (void)unlinkat(making->folder, making->working, 0);
    return 0;
}

static enum weft_status vault_make(void *self, const char *path, const uint8_t *data, size_t size,
                                   struct weft_error *why) {
    (void)self;
    CHECK(path != NULL);
    CHECK(data != NULL && size > 0);
    struct making making = {.folder = -1, .file = -1};
    int error = open_folder(&making, path);
    if (error != 0) goto done;
    error = open_working(&making);
    if (error != 0) goto close_folder;
    error = fill_file(making.file, data, size);
    if (close(making.file) != 0 && error == 0) error = errno;
    if (error == 0) error = place_file(&making);
    if (error != 0) {
        (void)unlinkat(making.folder, making.working, 0);
        goto close_folder;
    }
    if (fsync(making.folder) != 0) {
        error = errno;
        /* Nobody has been told of it, and it may not be there after a loss of power. */
        (void)unlinkat(making.folder, making.name, 0);
    }

close_folder:
    close(making.folder);
done:
    return error == 0 ? WEFT_OK : fail_make(why, error, path);
}

/* ---- stamping ---- */

/* The machine's id as systemd keeps it (machine-id(5)); its size, 0 if there is none. It is not to
 * be shown to anybody, so only a digest leaves here. */
static size_t machine_id(uint8_t out[MACHINE_ID_MAX]) {
    size_t size = 0;
    const int file = open(MACHINE_ID_PATH, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return 0;
    if (read_whole(file, out, MACHINE_ID_MAX, &size) != 0) {
        memset(out, 0, MACHINE_ID_MAX);
        size = 0;
    }
    close(file);
    return size;
}

static enum weft_status vault_stamp(void *self, const char *path, uint8_t out[32],
                                    struct weft_error *why) {
    (void)self;
    CHECK(path != NULL);
    CHECK(out != NULL);
    static const char context[] = "weft/stamp";
    enum { CONTEXT = sizeof context - 1, NUMBERS = 4 + 4 + 8 + 1 + 8 + 4 };
    uint8_t text[CONTEXT + 1 + MACHINE_ID_MAX + NUMBERS] = {0};
    struct statx found;
    if (statx(AT_FDCWD, path, AT_STATX_SYNC_AS_STAT, STATX_INO | STATX_BTIME, &found) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return status_fail(why, WEFT_NOT_FOUND, errno, "there is no file %s", path);
        }
        return fail_native(why, WEFT_IO, errno, "looking at", path,
                           "check its folder's permissions and the disk");
    }
    uint8_t *at = text;
    memcpy(at, context, CONTEXT);
    at += CONTEXT;
    *at = (uint8_t)machine_id(at + 1);
    at += 1 + MACHINE_ID_MAX;
    store_u32(at, found.stx_dev_major);
    store_u32(at + 4, found.stx_dev_minor);
    store_u64(at + 8, found.stx_ino);
    if ((found.stx_mask & STATX_BTIME) != 0) {
        at[16] = 1;
        store_u64(at + 17, (uint64_t)found.stx_btime.tv_sec);
        store_u32(at + 25, found.stx_btime.tv_nsec);
    }
    CHECK(crypto_generichash_blake2b(out, 32, text, sizeof text, NULL, 0) == 0);
    sodium_memzero(text, sizeof text);
    return WEFT_OK;
}

struct vault_port vault_posix(void) {
    CHECK(sodium_init() >= 0);
    return (struct vault_port){
        .self = NULL, .load = vault_load, .make = vault_make, .stamp = vault_stamp};
}
