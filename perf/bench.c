/* The harness of the benches: options, figures, JSON. What runs in processes of its own is in
 * side.c.
 *
 * The JSON is an array of objects, one per line:
 *     {"bench","figure","value","unit","ratio_to","ratio","cpu_ratio","written_per_row",
 *      "wire_per_row","p50","p99","p999","n","peers","threads","rows","result_hash"}
 * A member that does not apply is absent. `ratio` is wall time over wall time, but for figures in
 * bytes. */
#include "perf/bench.h"

#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"

double bench_now(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- options ---- */

static void usage(const char *name, const struct bench_size *size) {
    printf("bench_%s [--quick] [--rows N] [--pairs N] [--dir DIR] [--tree DIR] [--seed N]\n"
           "         [--ids v4] [--threads N] [--json FILE]\n"
           "  --quick   %" PRIu64 " rows instead of %" PRIu64 "\n"
           "  --smoke   %" PRIu64
           " rows of a made tree, one pair: proves that it runs; its figures mean nothing\n"
           "  --dir     where databases are made and removed; default: a folder under TMPDIR\n"
           "  --tree    the folder whose walk is the workload; default /usr; 'made': one that is "
           "made\n"
           "            from the seed, the same on every machine\n"
           "  --threads of ingest_bulk and ingest_small: how many write\n"
           "  --ids v4  random ids; default: v7, which grow\n",
           name, size->rows_quick, size->rows, size->rows_smoke);
}

/* A number above zero, or 0 when the text is none. */
static uint64_t number(const char *text) {
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' ? value : 0;
}

/* Reads one option; `value` is the argument after it or NULL. Returns how many arguments were
 * taken, 0 if it makes no sense. */
static int option(struct bench *bench, const struct bench_size *size, const char *name,
                  const char *value) {
    if (strcmp(name, "--quick") == 0) {
        bench->rows = size->rows_quick;
        return 1;
    }
    if (strcmp(name, "--smoke") == 0) {
        bench->rows = size->rows_smoke;
        bench->tree = "made";
        bench->pairs = 1;
        return 1;
    }
    if (value == NULL) return 0;
    if (strcmp(name, "--rows") == 0) return (bench->rows = number(value)) > 0 ? 2 : 0;
    if (strcmp(name, "--seed") == 0) return (bench->seed = number(value)) > 0 ? 2 : 0;
    if (strcmp(name, "--ids") == 0) {
        bench->random_ids = strcmp(value, "v4") == 0;
        return bench->random_ids || strcmp(value, "v7") == 0 ? 2 : 0;
    }
    if (strcmp(name, "--tree") == 0) return (bench->tree = value) != NULL ? 2 : 0;
    if (strcmp(name, "--threads") == 0) {
        uint64_t threads = number(value);
        bench->threads = (unsigned)threads;
        return threads > 0 && threads <= BENCH_THREADS_MAX ? 2 : 0;
    }
    if (strcmp(name, "--pairs") == 0) {
        uint64_t pairs = number(value);
        bench->pairs = (unsigned)pairs;
        return pairs > 0 && pairs <= BENCH_PAIRS_MAX ? 2 : 0;
    }
    if (strcmp(name, "--dir") == 0) {
        int length = snprintf(bench->dir, sizeof bench->dir, "%s", value);
        return length > 0 && (size_t)length < sizeof bench->dir - 64 ? 2 : 0;
    }
    if (strcmp(name, "--json") == 0) {
        bench->json = fopen(value, "w");
        return bench->json != NULL ? 2 : 0;
    }
    return 0;
}

static bool open_dir(struct bench *bench) {
    if (bench->dir[0] != '\0') return mkdir(bench->dir, 0700) == 0 || access(bench->dir, W_OK) == 0;
    const char *tmp = getenv("TMPDIR");
    int length =
        snprintf(bench->dir, sizeof bench->dir, "%s/weft-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (length < 0 || (size_t)length >= sizeof bench->dir - 64) return false;
    bench->own_dir = mkdtemp(bench->dir) != NULL;
    return bench->own_dir;
}

bool bench_open(struct bench *bench, const char *name, const struct bench_size *size, int argc,
                char **argv, int *status) {
    CHECK(bench != NULL && size != NULL && status != NULL);
    *bench = (struct bench){.name = name, .pairs = 5, .seed = 1, .tree = "/usr"};
    bench->rows = size->rows;
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(name, size);
            *status = 0;
            return false;
        }
        int taken = option(bench, size, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (taken == 0) {
            fprintf(stderr, "bench_%s: %s: no such option, or its value makes no sense; --help\n",
                    name, argv[i]);
            *status = 2;
            return false;
        }
        i += taken;
    }
    if (!open_dir(bench)) {
        fprintf(stderr, "bench_%s: cannot make a folder at %s\n", name, bench->dir);
        *status = 2;
        return false;
    }
    printf("%s: %" PRIu64 " rows, %u pair%s, seed %" PRIu64 ", tree %s%s, in %s\n", name,
           bench->rows, bench->pairs, bench->pairs == 1 ? "" : "s", bench->seed, bench->tree,
           bench->random_ids ? ", random ids" : "", bench->dir);
    if (bench->json != NULL) fprintf(bench->json, "[");
    /* Sides are forked: what is in the buffer now would be written again by each. */
    fflush(NULL);
    return true;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int bench_close(struct bench *bench, bool failed) {
    if (bench->json != NULL) {
        fprintf(bench->json, "\n]\n");
        fclose(bench->json);
    }
    if (bench->own_dir) (void)nftw(bench->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return failed ? 1 : 0;
}

void bench_path(const struct bench *bench, const char *name, char out[BENCH_PATH_MAX]) {
    int length = snprintf(out, BENCH_PATH_MAX, "%s/%s", bench->dir, name);
    CHECK(length > 0 && (size_t)length < BENCH_PATH_MAX);
}

void bench_forget(const char *path) {
    static const char *const endings[] = {"", "-wal", "-shm", "-journal", "-lock", "-key"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char file[BENCH_PATH_MAX + 16];
        (void)snprintf(file, sizeof file, "%s%s", path, endings[i]);
        (void)unlink(file);
    }
}

/* ---- figures ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare_doubles);
}

double bench_quantile(const double *sorted, size_t n, double q) {
    CHECK(n > 0 && q >= 0 && q <= 1);
    return sorted[(size_t)((double)(n - 1) * q + 0.5)];
}

double bench_median(double *values, unsigned n) {
    CHECK(n > 0);
    bench_sort(values, n);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct bench_figure bench_figure_of(const char *figure, double value, const char *unit) {
    return (struct bench_figure){.figure = figure,
                                 .value = value,
                                 .unit = unit,
                                 .ratio = NAN,
                                 .cpu_ratio = NAN,
                                 .written_per_row = NAN,
                                 .wire_per_row = NAN,
                                 .p50 = NAN,
                                 .p99 = NAN,
                                 .p999 = NAN};
}

void bench_figure_ratio(struct bench_figure *figure, const char *to, double *ratios, unsigned n) {
    CHECK(n > 0 && to != NULL);
    figure->ratio_to = to;
    figure->ratio = bench_median(ratios, n);
    figure->ratio_min = ratios[0];
    figure->ratio_max = ratios[n - 1];
    figure->n = n;
}

/* One number of a JSON object; nothing when it does not apply. */
static void json_number(FILE *json, const char *name, double value) {
    if (!isnan(value)) fprintf(json, ",\"%s\":%.6g", name, value);
}

static void print_json(struct bench *bench, const struct bench_figure *figure) {
    FILE *json = bench->json;
    fprintf(json, "%s\n{\"bench\":\"%s\",\"figure\":\"%s\",\"value\":%.9g,\"unit\":\"%s\"",
            bench->figures > 0 ? "," : "", bench->name, figure->figure, figure->value,
            figure->unit);
    if (figure->ratio_to != NULL) fprintf(json, ",\"ratio_to\":\"%s\"", figure->ratio_to);
    json_number(json, "ratio", figure->ratio);
    json_number(json, "cpu_ratio", figure->cpu_ratio);
    json_number(json, "written_per_row", figure->written_per_row);
    json_number(json, "wire_per_row", figure->wire_per_row);
    json_number(json, "p50", figure->p50);
    json_number(json, "p99", figure->p99);
    json_number(json, "p999", figure->p999);
    if (figure->n > 0) fprintf(json, ",\"n\":%u", figure->n);
    if (figure->peers > 0) fprintf(json, ",\"peers\":%u", figure->peers);
    if (figure->threads > 0) fprintf(json, ",\"threads\":%u", figure->threads);
    if (figure->rows > 0) fprintf(json, ",\"rows\":%" PRIu64, figure->rows);
    if (figure->result_hash != 0)
        fprintf(json, ",\"result_hash\":\"%016" PRIx64 "\"", figure->result_hash);
    fprintf(json, "}");
}

void bench_print(struct bench *bench, const struct bench_figure *figure) {
    CHECK(figure->figure != NULL && figure->unit != NULL);
    printf("  %-22s %11.*f %s", figure->figure, figure->value < 100 ? 2 : 0, figure->value,
           figure->unit);
    if (!isnan(figure->ratio))
        printf(", %s / %s %.2f [%.2f-%.2f] n=%u",
               figure->ratio_of != NULL ? figure->ratio_of : "time", figure->ratio_to,
               figure->ratio, figure->ratio_min, figure->ratio_max, figure->n);
    if (!isnan(figure->cpu_ratio)) printf(", cpu %.2f", figure->cpu_ratio);
    if (!isnan(figure->written_per_row)) printf(", written %.0f B/row", figure->written_per_row);
    if (!isnan(figure->wire_per_row)) printf(", wire %.1f B/row", figure->wire_per_row);
    if (!isnan(figure->p50)) printf(", p50 %.1f p99 %.1f us", figure->p50, figure->p99);
    if (!isnan(figure->p999)) printf(", p999 %.1f us", figure->p999);
    if (figure->result_hash != 0) printf(", rows %016" PRIx64, figure->result_hash);
    printf("\n");
    if (bench->json != NULL) print_json(bench, figure);
    bench->figures++;
    fflush(NULL);
}
