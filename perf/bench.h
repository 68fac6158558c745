/* What every bench shares: options, sides that run in processes of their own, figures.
 *
 * A bench compares sides. Each side runs in a forked process, so that its CPU time, its bytes
 * written and its peak memory are its own, and the sides of a pair run back to back:
 *
 *     bench_open ─► for each pair: engine, bare (then bare, engine ...) ─► figures ─► bench_close
 *
 * A quoted ratio is the median of the ratios of the pairs: other load on the machine moves both
 * sides of a pair, and so hardly moves their ratio. */
#ifndef WEFT_PERF_BENCH_H
#define WEFT_PERF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define BENCH_PAIRS_MAX 64u
#define BENCH_THREADS_MAX 16u
#define BENCH_WHY_MAX 600u
#define BENCH_PATH_MAX 512u

/* How much work a bench does unless told otherwise. */
struct bench_size {
    uint64_t rows;       /* a full run */
    uint64_t rows_quick; /* --quick */
    uint64_t rows_smoke; /* --smoke: only proves that the bench still runs */
};

struct bench {
    const char *name;
    uint64_t rows;
    unsigned pairs;
    uint64_t seed;
    const char *tree; /* the folder whose walk is the workload */
    bool random_ids;  /* UUIDs of version 4 instead of 7 */
    unsigned threads; /* that write, or 0: as the bench does it */
    char dir[BENCH_PATH_MAX];
    bool own_dir; /* made by bench_open(), to be removed by bench_close() */
    FILE *json;
    unsigned figures;
};

/* Reads the command line, prints the parameters. Returns false when the program should end with
 * `*status` (help was asked for, or an argument makes no sense). */
bool bench_open(struct bench *bench, const char *name, const struct bench_size *size, int argc,
                char **argv, int *status);
/* Ends the JSON array, removes the folder. Returns the exit status: 1 if `failed`. */
int bench_close(struct bench *bench, bool failed);
/* The path of a file in the bench's folder. */
void bench_path(const struct bench *bench, const char *name, char out[BENCH_PATH_MAX]);
/* Removes a database and what SQLite keeps beside it. */
void bench_forget(const char *path);

/* ---- sides ---- */

/* What one side measured of itself. Zero where it does not apply. */
struct side {
    double seconds;
    double cpu_seconds; /* user and system, all threads, between side_begin() and side_end() */
    uint64_t written;   /* bytes passed to write calls on files, up to side_written() */
    uint64_t rss_max;   /* bytes, beyond what the process had when it was forked */
    uint64_t rows;
    uint64_t commits;   /* SQLite commits */
    uint64_t wire;      /* bytes on the wire, both ways */
    double from_disk;   /* share of the batches that were read back from the database */
    uint64_t hash;      /* of the resulting rows */
    double p50, p99;    /* seconds, of single operations */
    double all_seconds; /* until every other device held everything */
    uint64_t encoded;   /* batches made */
    uint64_t shared;    /* batches made for one peer and sent to another as well */
    uint64_t inherited; /* bytes of memory that it had from its parent */
    uint64_t memory;    /* bytes: RSS, without those */
    uint64_t heap;      /* bytes: what malloc has given away */
    bool failed;
    char why[BENCH_WHY_MAX];
};

typedef void side_run(void *context, struct side *side);

/* A side under way. */
struct side_process {
    pid_t pid;
    int result; /* the pipe on which the side is sent home */
};

/* Forks and runs `run(context, side)` there. */
struct side_process side_start(side_run *run, void *context);
/* Waits for it and takes what it measured; a process that died is a side that failed. */
void side_finish(struct side_process *process, struct side *out);

/* Called by the side: the measured part begins, ends. */
void side_begin(struct side *side);
void side_end(struct side *side);
/* Called by the side when everything is written: takes the bytes since side_begin(). */
void side_written(struct side *side);
/* Called by the side: takes what memory it has now. */
void side_memory(struct side *side);
/* Called by the side: it failed, and why (printf's format). The first reason stays. */
void side_fail(struct side *side, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Seconds of the monotonic clock. */
double bench_now(void);

/* ---- figures ---- */

/* One line and one JSON object. NAN and 0 mean: does not apply. */
struct bench_figure {
    const char *figure;
    double value;
    const char *unit;
    const char *ratio_of; /* what is divided; NULL: time */
    const char *ratio_to;
    double ratio, ratio_min, ratio_max;
    double cpu_ratio;
    double written_per_row;
    double wire_per_row;
    double p50, p99, p999;   /* microseconds */
    unsigned n;              /* runs, or pairs */
    unsigned peers, threads; /* of which this is the figure; 0: does not apply */
    uint64_t rows;
    uint64_t result_hash;
};

struct bench_figure bench_figure_of(const char *figure, double value, const char *unit);
/* Sets ratio, its spread and n from the pair ratios. Sorts them. */
void bench_figure_ratio(struct bench_figure *figure, const char *to, double *ratios, unsigned n);
void bench_print(struct bench *bench, const struct bench_figure *figure);

/* The median; sorts the values. */
double bench_median(double *values, unsigned n);
/* The q-quantile (0..1) of sorted values. */
double bench_quantile(const double *sorted, size_t n, double q);
void bench_sort(double *values, size_t n);

#endif
