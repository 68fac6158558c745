/* See tally.h. A failure's text is written before it says that it is ready, so that the driver can
 * print it at once, while other processes go on.
 * Deliberately not here: who runs the worlds (crew.c). */
#include "tests/sim/tally.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "engine/base/check.h"

struct tally *tally_open(void) {
    struct tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(tally != MAP_FAILED);
    return tally;
}

void tally_close(struct tally *tally) {
    CHECK(munmap(tally, sizeof *tally) == 0);
}

static void add_failure(struct tally *tally, uint64_t seed, const char *text) {
    uint64_t at = atomic_fetch_add(&tally->failed, 1);
    if (at >= TALLY_FAILURES) return;
    struct tally_failure *failure = &tally->failure[at];
    failure->seed = seed;
    snprintf(failure->text, sizeof failure->text, "%s", text);
    atomic_store(&failure->ready, true);
}

static void add_counts(atomic_ullong *sums, atomic_ullong *seeds, const uint64_t *counts,
                       uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (counts[i] == 0) continue;
        atomic_fetch_add(&sums[i], counts[i]);
        atomic_fetch_add(&seeds[i], 1);
    }
}

void tally_add(struct tally *tally, uint64_t seed, const struct outcome *out) {
    atomic_fetch_add(&tally->virtual_us, out->virtual_us);
    atomic_fetch_add(&tally->turns, out->turns);
    atomic_fetch_add(&tally->lives, out->lives);
    atomic_fetch_add(&tally->steps, out->steps);
    atomic_fetch_add(&tally->writes, out->writes);
    atomic_fetch_add(&tally->rows, out->rows);
    add_counts(tally->fault, tally->fault_seeds, out->faults, FAULT_COUNT);
    add_counts(tally->point, tally->point_seeds, out->points, POINT_COUNT);
    atomic_fetch_add(&tally->done, 1);
    if (!out->failed) return;
    char text[TALLY_TEXT];
    snprintf(text, sizeof text, "at %.6f s: %s", (double)out->virtual_us / 1e6, out->failure);
    add_failure(tally, seed, text);
}

void tally_add_dead(struct tally *tally, uint64_t seed, int status) {
    char text[TALLY_TEXT];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "[process signal-%d] ended by signal %d (%s)", WTERMSIG(status),
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "[process code-%d] ended with code %d", WEXITSTATUS(status),
                 WEXITSTATUS(status));
    atomic_fetch_add(&tally->done, 1);
    add_failure(tally, seed, text);
}

uint32_t tally_kinds(const atomic_ullong *counts, uint32_t count) {
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < count; i++)
        kinds += atomic_load(&counts[i]) > 0;
    return kinds;
}

uint64_t tally_faults(const struct tally *tally) {
    uint64_t sum = 0;
    for (int f = 0; f < FAULT_COUNT; f++)
        sum += atomic_load(&tally->fault[f]);
    return sum;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void print_table(const char *title, const char *const *names, const char *const *meanings,
                        const atomic_ullong *sums, const atomic_ullong *seeds, uint32_t count) {
    printf("\n%-22s %12s %8s\n", title, "times", "seeds");
    for (uint32_t i = 0; i < count; i++)
        printf("%-22s %12llu %8llu  %s\n", names[i], atomic_load(&sums[i]), atomic_load(&seeds[i]),
               meanings ? meanings[i] : "");
}

static void print_never(const char *what, const char *const *names, const atomic_ullong *sums,
                        uint32_t count) {
    uint32_t missing = count - tally_kinds(sums, count);
    if (missing == 0) return;
    printf("%s never seen:", what);
    for (uint32_t i = 0; i < count; i++)
        if (atomic_load(&sums[i]) == 0) printf(" %s", names[i]);
    printf("\n");
}

void tally_print(const struct tally *tally) {
    print_table("fault", fault_names, NULL, tally->fault, tally->fault_seeds, FAULT_COUNT);
    print_table("point", point_names, point_meanings, tally->point, tally->point_seeds,
                POINT_COUNT);
    printf("\n");
    print_never("faults", fault_names, tally->fault, FAULT_COUNT);
    print_never("points", point_names, tally->point, POINT_COUNT);
    printf("%llu seeds, %.2f virtual hours, %llu turns, %llu lives, %llu transactions, %llu row "
           "writes, %llu row versions, %llu faults of %u kinds of %d, %u points of %d\n",
           atomic_load(&tally->done), (double)atomic_load(&tally->virtual_us) / 3.6e9,
           atomic_load(&tally->turns), atomic_load(&tally->lives), atomic_load(&tally->steps),
           atomic_load(&tally->writes), atomic_load(&tally->rows),
           (unsigned long long)tally_faults(tally), tally_kinds(tally->fault, FAULT_COUNT),
           FAULT_COUNT, tally_kinds(tally->point, POINT_COUNT), POINT_COUNT);
    printf("%llu failed\n", atomic_load(&tally->failed));
}

static void print_json_table(const char *title, const char *const *names, const atomic_ullong *sums,
                             const atomic_ullong *seeds, uint32_t count) {
    printf(",\"%s\":{", title);
    for (uint32_t i = 0; i < count; i++)
        printf("%s\"%s\":{\"times\":%llu,\"seeds\":%llu}", i ? "," : "", names[i],
               atomic_load(&sums[i]), atomic_load(&seeds[i]));
    printf("}");
}

static void print_json_text(const char *text) {
    putchar('"');
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

void tally_print_json(const struct tally *tally) {
    uint64_t failed = atomic_load(&tally->failed);
    printf("{\"seeds\":%llu,\"failed\":%llu,\"virtual_s\":%.3f,\"turns\":%llu,\"lives\":%llu,"
           "\"steps\":%llu,\"writes\":%llu,\"rows\":%llu,\"failures\":[",
           atomic_load(&tally->done), (unsigned long long)failed,
           (double)atomic_load(&tally->virtual_us) / 1e6, atomic_load(&tally->turns),
           atomic_load(&tally->lives), atomic_load(&tally->steps), atomic_load(&tally->writes),
           atomic_load(&tally->rows));
    for (uint64_t i = 0; i < failed && i < TALLY_FAILURES; i++) {
        printf("%s{\"seed\":%llu,\"text\":", i ? "," : "",
               (unsigned long long)tally->failure[i].seed);
        print_json_text(tally->failure[i].text);
        printf("}");
    }
    printf("]");
    print_json_table("faults", fault_names, tally->fault, tally->fault_seeds, FAULT_COUNT);
    print_json_table("points", point_names, tally->point, tally->point_seeds, POINT_COUNT);
    printf("}\n");
}
