/* Runs a fuzz target over files, so that its corpus is an ordinary test without a fuzzer.
 *
 *     fuzz_codec tests/fuzz/corpus/fuzz_codec [more directories]
 *
 * A target that finds something wrong aborts. No file at all is a failure: it would prove nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    int result = 1;
    uint8_t *data = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) goto report;
    if (fseek(file, 0, SEEK_END) != 0) goto close;
    const long size = ftell(file);
    if (size < 0 || size > (long)FILE_MAX || fseek(file, 0, SEEK_SET) != 0) goto close;
    /* Exactly as large as the input, so that reading past it is seen. */
    data = malloc(size == 0 ? 1 : (size_t)size);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) goto close;
    LLVMFuzzerTestOneInput(data, (size_t)size);
    result = 0;
close:
    free(data);
    fclose(file);
report:
    if (result != 0) fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    return result;
}

static int replay_directory(const char *path, unsigned *files) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return 1;
    }
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        const int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        result = length < 0 || (size_t)length >= sizeof name ? 1 : replay_file(name);
        ++*files;
    }
    closedir(directory);
    return result;
}

int main(int argc, char **argv) {
    unsigned files = 0;
    for (int i = 1; i < argc; i++) {
        if (replay_directory(argv[i], &files) != 0) return EXIT_FAILURE;
    }
    printf("%u files\n", files);
    return files == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
