/* weft_mesh: how cost grows with devices. Whole engines, as many as are asked for, in virtual time,
 * on disks in memory, in a mesh in which each knows a few others. Nothing goes wrong in it; what
 * goes wrong is weft_sim's. See docs/testing.md.
 *
 *      found ─► each comes in by an invite of its neighbour ─► all know all ─► all dial ─► quiet
 *            ─► rows:  each writes rows of its own and edits shared ones, at once
 *            ─► edit:  one device writes one field
 *            ─► each of these: until all hold all, and until the writer knows it (EVERYWHERE)
 *
 * One thread; a device is stepped when something comes to it or it is due, by a heap: so a step
 * costs the same however many there are. */
#include <malloc.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/engine.h"
#include "tests/sim/disk.h"
#include "tests/sim/mesh_net.h"
#include "tests/sim/rng.h"
#include "tests/sim/vault.h"

#define WALL_MS UINT64_C(1760000000000)
#define MONO_US UINT64_C(1000000)
#define DELAY_US 2000u
#define STEP_US \
    100u /* a device is stepped again no sooner: what comes together is taken together */
#define LOOK_US 10000u
#define PATIENCE_US UINT64_C(7200000000)
#define SHARED_ROWS 16u
#define CHECKPOINT_PAGES 64u /* the write-ahead logs lie in memory, too */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: device)\n"
    "  id BLOB PRIMARY KEY, device BLOB NOT NULL, number INTEGER, name TEXT\n"
    ") WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS note ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, number INTEGER, text TEXT);\n";

struct options {
    uint64_t seed;
    unsigned devices, degree, rows, edits;
};

struct post {
    struct mesh *mesh;
    struct disk *disk;
    struct vault *vault;
    struct rng entropy;
    weft_engine *engine;
    sqlite3 *reader;
    sqlite3_stmt *look;
    char path[32];
    uint8_t device[WEFT_ID_SIZE];
    uint64_t due_us; /* when it is to be stepped; UINT64_MAX: never */
    uint64_t stepped_us;
    uint32_t place; /* in the heap */
    uint64_t ticket;
    bool holds, everywhere;
};

struct mesh {
    struct options options;
    uint64_t now_us;
    struct mesh_net *net;
    struct post *posts;
    uint32_t open; /* posts of which an engine runs */
    uint32_t *heap;
    uint32_t heap_count;
    bool *linked;
    uint64_t rows, number; /* what all are to hold: how many rows; the shared numbers' sum */
    uint64_t steps;
};

static void must(enum weft_status status, const char *doing, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    fprintf(stderr, "weft_mesh: %s: %s: %s\n", doing, weft_status_name(status),
            why == NULL ? "" : why->text);
    exit(1);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool sooner(const struct mesh *mesh, uint32_t a, uint32_t b) {
    const struct post *first = &mesh->posts[mesh->heap[a]], *second = &mesh->posts[mesh->heap[b]];
    return first->due_us < second->due_us || (first->due_us == second->due_us && first < second);
}

static void heap_swap(struct mesh *mesh, uint32_t a, uint32_t b) {
    const uint32_t post = mesh->heap[a];
    mesh->heap[a] = mesh->heap[b];
    mesh->heap[b] = post;
    mesh->posts[mesh->heap[a]].place = a;
    mesh->posts[mesh->heap[b]].place = b;
}

static void heap_mend(struct mesh *mesh, uint32_t at) {
    while (at > 0 && sooner(mesh, at, (at - 1) / 2)) {
        heap_swap(mesh, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < mesh->heap_count && sooner(mesh, child, least)) least = child;
        if (least == at) return;
        heap_swap(mesh, at, least);
        at = least;
    }
}

static void wakes(void *context, uint32_t device, uint64_t due_us) {
    struct mesh *mesh = context;
    struct post *post = &mesh->posts[device];
    if (due_us >= post->due_us) return;
    post->due_us = due_us;
    heap_mend(mesh, post->place);
}

/* ---- one device ------------------------------------------------------------------------------ */

static struct instant post_now(void *self) {
    const struct post *post = self;
    return (struct instant){.mono_us = MONO_US + post->mesh->now_us,
                            .wall_ms = WALL_MS + post->mesh->now_us / 1000};
}

static void post_step(struct mesh *mesh, uint32_t number) {
    struct post *post = &mesh->posts[number];
    struct weft_event event;
    uint64_t due_ms = UINT64_MAX;
    post->due_us = mesh_net_deliver(mesh->net, number);
    post->stepped_us = mesh->now_us;
    must(weft_step(post->engine, &due_ms), "weft_step", NULL);
    while (weft_next_event(post->engine, &event))
        if (event.kind == WEFT_EVENT_FAULT) must(event.error.status, "a fault", &event.error);
    mesh->steps++;
    if (due_ms != UINT64_MAX) {
        const uint64_t due_us = mesh->now_us + (due_ms == 0 ? STEP_US : due_ms * 1000);
        if (due_us < post->due_us) post->due_us = due_us;
    }
    heap_mend(mesh, post->place);
}

static void post_open(struct mesh *mesh, uint32_t number, const char *invite) {
    struct post *post = &mesh->posts[number];
    struct weft_error why = {0};
    char name[32], address[MESH_ADDRESS];
    const struct time_port time = {.self = post, .now = post_now};
    snprintf(name, sizeof name, "mesh-%u", number);
    snprintf(post->path, sizeof post->path, "/device%u/library.db", number);
    post->mesh = mesh;
    post->disk = disk_open(name, rng_mix(mesh->options.seed, number), time);
    post->vault = vault_open(rng_mix(mesh->options.seed, 5000 + number), post->disk);
    rng_seed(&post->entropy, mesh->options.seed, 10000 + number);
    const struct weft_config config = {.path = post->path,
                                       .schema = schema,
                                       .threads = WEFT_THREADS_NONE,
                                       .invite = invite,
                                       .peers_max = 4 * mesh->options.degree + 8,
                                       .cache_bytes = 1u << 20};
    const struct engine_ports ports = {.entropy = rng_entropy(&post->entropy),
                                       .runner = mesh_net_ports(mesh->net, number, time),
                                       .vault = vault_port(post->vault),
                                       .vfs = disk_vfs(post->disk),
                                       .checkpoint_pages = CHECKPOINT_PAGES};
    must(engine_open(&config, &ports, &post->engine, &why), "opening", &why);
    weft_device(post->engine, post->device);
    mesh_net_address(number, address);
    must(weft_listen_wait(post->engine, address, NULL, &why), "listening", &why);
    must(weft_open_reader(post->engine, &post->reader, &why), "a reader", &why);
    if (sqlite3_prepare_v2(post->reader,
                           "SELECT (SELECT count(*) FROM entry), (SELECT sum(number) FROM note)",
                           -1, &post->look, NULL) != SQLITE_OK)
        must(WEFT_IO, sqlite3_errmsg(post->reader), NULL);
    post->place = mesh->heap_count;
    mesh->heap[mesh->heap_count++] = number;
    post->due_us = mesh->now_us;
    heap_mend(mesh, post->place);
    mesh->open++;
}

static void post_close(struct post *post) {
    sqlite3_finalize(post->look);
    sqlite3_close(post->reader);
    engine_kill(post->engine);
    vault_close(post->vault);
    disk_close(post->disk);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Steps whoever is due, until `holds` or the patience is over. */
static void run_until(struct mesh *mesh, bool (*holds)(struct mesh *mesh), const char *what) {
    const uint64_t end_us = mesh->now_us + PATIENCE_US;
    uint64_t look_us = 0;
    for (;;) {
        if (mesh->now_us >= look_us) {
            if (holds(mesh)) return;
            look_us = mesh->now_us + LOOK_US;
        }
        struct post *next = &mesh->posts[mesh->heap[0]];
        if (next->due_us < next->stepped_us + STEP_US) {
            next->due_us = next->stepped_us + STEP_US;
            heap_mend(mesh, next->place);
            continue;
        }
        if (next->due_us > end_us) must(WEFT_TIMEOUT, what, NULL);
        if (next->due_us >= look_us && mesh->now_us < look_us) {
            mesh->now_us = look_us;
            continue;
        }
        if (next->due_us > mesh->now_us) mesh->now_us = next->due_us;
        post_step(mesh, mesh->heap[0]);
    }
}

static bool all_are_members(struct mesh *mesh) {
    for (uint32_t i = 0; i < mesh->open; i++)
        if (weft_member_count(mesh->posts[i].engine) < mesh->open) return false;
    return true;
}

/* The one that came last. */
static bool newest_is_member(struct mesh *mesh) {
    return weft_member_count(mesh->posts[mesh->open - 1].engine) == mesh->open;
}

static bool post_holds(struct mesh *mesh, struct post *post) {
    if (post->holds) return true;
    CHECK(sqlite3_step(post->look) == SQLITE_ROW);
    post->holds = (uint64_t)sqlite3_column_int64(post->look, 0) == mesh->rows &&
                  (uint64_t)sqlite3_column_int64(post->look, 1) == mesh->number;
    sqlite3_reset(post->look);
    return post->holds;
}

static bool all_hold(struct mesh *mesh) {
    for (uint32_t i = 0; i < mesh->open; i++)
        if (!post_holds(mesh, &mesh->posts[i])) return false;
    return true;
}

/* Every writer has been told that its last transaction is everywhere. */
static bool all_know(struct mesh *mesh) {
    for (uint32_t i = 0; i < mesh->open; i++) {
        struct post *post = &mesh->posts[i];
        if (post->ticket == 0 || post->everywhere) continue;
        struct weft_error why = {0};
        const enum weft_status status =
            weft_wait(post->engine, post->ticket, WEFT_EVERYWHERE, 0, 0, &why);
        if (status == WEFT_TIMEOUT) return false;
        must(status, "a transaction", &why);
        post->everywhere = true;
    }
    return true;
}

/* So long that whatever was to be said has been said. */
static uint64_t quiet_end_us;
static bool is_quiet(struct mesh *mesh) {
    return mesh->now_us >= quiet_end_us;
}

/* ---- what is measured ------------------------------------------------------------------------ */

struct meter {
    uint64_t now_us, bytes, writes, steps;
    double cpu_s;
};

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct meter meter_begin(const struct mesh *mesh) {
    return (struct meter){mesh->now_us, mesh_net_bytes(mesh->net), mesh_net_writes(mesh->net),
                          mesh->steps, cpu_s()};
}

static double resident_mib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file != NULL) fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* One line: of a device, but for the time. */
static void meter_end(const struct mesh *mesh, const char *phase, const struct meter *begun) {
    const double devices = mesh->options.devices;
    printf("%u\t%u\t%s\t%.3f\t%.0f\t%.1f\t%.1f\t%.2f\t%.2f\n", mesh->options.devices,
           mesh->options.degree, phase, (double)(mesh->now_us - begun->now_us) / 1e6,
           (double)(mesh_net_bytes(mesh->net) - begun->bytes) / devices,
           (double)(mesh_net_writes(mesh->net) - begun->writes) / devices,
           (double)(mesh->steps - begun->steps) / devices,
           (cpu_s() - begun->cpu_s) * 1000 / devices, resident_mib() / devices);
    fflush(stdout);
}

/* ---- the story ------------------------------------------------------------------------------- */

static bool *link_at(struct mesh *mesh, uint32_t from, uint32_t to) {
    return &mesh->linked[(size_t)from * mesh->options.devices + to];
}

/* A ring and drawn chords, as weft_stress has them. */
static void link_all(struct mesh *mesh) {
    const uint32_t count = mesh->options.devices;
    const uint32_t least = mesh->options.degree < count ? mesh->options.degree : count - 1;
    struct rng rng;
    uint32_t *degree = calloc(count, sizeof *degree);
    CHECK(degree != NULL);
    rng_seed(&rng, mesh->options.seed, 2);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t to = (i + 1) % count;
        do {
            if (to != i && !*link_at(mesh, i, to)) {
                *link_at(mesh, i, to) = *link_at(mesh, to, i) = true;
                degree[i]++;
                degree[to]++;
            }
            to = (uint32_t)rng_below(&rng, count);
        } while (degree[i] < least);
    }
    free(degree);
}

static void shared_id(uint32_t number, uint8_t id[16]) {
    memset(id, 0, 16);
    id[15] = (uint8_t)number;
}

static void commit(struct post *post, weft_tx *tx) {
    must(weft_commit(tx, &post->ticket), "weft_commit", NULL);
    post->everywhere = false;
    wakes(post->mesh, (uint32_t)(post - post->mesh->posts), post->mesh->now_us);
}

static void found(struct mesh *mesh) {
    struct post *founder = &mesh->posts[0];
    weft_tx *tx = NULL;
    post_open(mesh, 0, NULL);
    must(weft_begin(founder->engine, &tx), "weft_begin", NULL);
    for (uint32_t i = 0; i < SHARED_ROWS; i++) {
        uint8_t id[16];
        shared_id(i, id);
        const struct weft_value row[] = {weft_blob(id, 16), weft_integer(0), weft_null()};
        must(weft_put(tx, weft_model(founder->engine, "note"), row, 3), "put", weft_tx_why(tx));
    }
    commit(founder, tx);
    for (uint32_t i = 1; i < mesh->options.devices; i++) {
        char link[WEFT_LINK_MAX];
        struct weft_error why = {0};
        struct post *inviter = &mesh->posts[i - 1];
        must(weft_invite(inviter->engine, NULL, link, sizeof link, &why), "weft_invite", &why);
        post_step(mesh, i - 1);
        post_open(mesh, i, link);
        run_until(mesh, newest_is_member, "a device does not come in");
    }
    run_until(mesh, all_are_members, "not all know all");
}

static void dial_all(struct mesh *mesh) {
    struct weft_error why = {0};
    for (uint32_t i = 0; i < mesh->options.devices; i++) {
        for (uint32_t to = 0; to < i; to++) {
            char address[MESH_ADDRESS], text[ID_TEXT_SIZE], target[WEFT_ADDRESS_MAX];
            struct id id;
            if (!*link_at(mesh, i, to)) continue;
            mesh_net_address(to, address);
            memcpy(id.bytes, mesh->posts[to].device, sizeof id.bytes);
            id_text(&id, text);
            snprintf(target, sizeof target, "%s#%s", address, text);
            must(weft_connect(mesh->posts[i].engine, target, &why), "weft_connect", &why);
        }
        wakes(mesh, i, mesh->now_us);
    }
}

static void rest(struct mesh *mesh, uint64_t us) {
    quiet_end_us = mesh->now_us + us;
    run_until(mesh, is_quiet, "resting");
}

/* Rows of one's own and edits of shared ones. A number is written by one device only, so that its
 * sum is known. */
static void write_rows(struct mesh *mesh) {
    for (uint32_t d = 0; d < mesh->options.devices; d++) {
        struct post *post = &mesh->posts[d];
        weft_tx *tx = NULL;
        must(weft_begin(post->engine, &tx), "weft_begin", NULL);
        for (uint32_t i = 0; i < mesh->options.rows; i++) {
            uint8_t id[16];
            weft_id(post->engine, id);
            const struct weft_value row[] = {weft_blob(id, 16), weft_blob(post->device, 16),
                                             weft_integer(i), weft_text("IMG_000000.jpg", 14)};
            must(weft_put(tx, weft_model(post->engine, "entry"), row, 4), "put", weft_tx_why(tx));
        }
        for (uint32_t i = 0; i < mesh->options.edits; i++) {
            uint8_t id[16];
            weft_id(post->engine, id);
            const struct weft_value row[] = {weft_blob(id, 16), weft_integer(1), weft_null()};
            must(weft_put(tx, weft_model(post->engine, "note"), row, 3), "put", weft_tx_why(tx));
        }
        commit(post, tx);
        post->holds = false;
    }
    mesh->rows += (uint64_t)mesh->options.rows * mesh->options.devices;
    mesh->number += (uint64_t)mesh->options.edits * mesh->options.devices;
}

static void write_edit(struct mesh *mesh) {
    struct post *post = &mesh->posts[0];
    uint8_t id[16];
    weft_tx *tx = NULL;
    shared_id(1, id);
    const struct weft_value key = weft_blob(id, 16), value = weft_integer(1000);
    must(weft_begin(post->engine, &tx), "weft_begin", NULL);
    must(weft_set(tx, weft_model(post->engine, "note"), &key, 1, 1, &value), "set",
         weft_tx_why(tx));
    for (uint32_t d = 0; d < mesh->options.devices; d++) {
        mesh->posts[d].holds = false;
        mesh->posts[d].ticket = 0;
    }
    commit(post, tx);
    mesh->number += 1000;
}

static void run(struct mesh *mesh) {
    struct meter meter = meter_begin(mesh);
    found(mesh);
    meter_end(mesh, "joined", &meter);
    meter = meter_begin(mesh);
    dial_all(mesh);
    rest(mesh, 10000000);
    meter_end(mesh, "dialled", &meter);
    meter = meter_begin(mesh);
    rest(mesh, 60000000);
    meter_end(mesh, "idle-60s", &meter);
    meter = meter_begin(mesh);
    write_rows(mesh);
    run_until(mesh, all_hold, "not all hold all");
    meter_end(mesh, "rows-held", &meter);
    run_until(mesh, all_know, "not all know that all hold all");
    meter_end(mesh, "rows-known", &meter);
    rest(mesh, 30000000);
    meter = meter_begin(mesh);
    write_edit(mesh);
    run_until(mesh, all_hold, "not all hold the edit");
    meter_end(mesh, "edit-held", &meter);
    run_until(mesh, all_know, "nobody knows that all hold the edit");
    meter_end(mesh, "edit-known", &meter);
    rest(mesh, 30000000);
    meter_end(mesh, "edit-quiet", &meter);
}

/* ---- the command line ------------------------------------------------------------------------ */

static int usage(FILE *to, int status) {
    fprintf(to,
            "weft_mesh [--devices N] [--degree D] [--rows N] [--edits N] [--seed S] [--help]\n"
            "  N devices (10; a library has %u at most) of degree D (6); each writes 20 rows of\n"
            "  its own and 2 shared ones, then one edits one field. A line for each phase, of\n"
            "  columns with a tab between them: devices, degree, phase, virtual seconds; and of\n"
            "  each device: bytes sent, writes to the network, steps, milliseconds of CPU,\n"
            "  resident MiB.\n",
            LIMIT_MEMBERS);
    return status;
}

static bool options_read(struct options *options, int count, char **words) {
    *options = (struct options){.seed = 1, .devices = 10, .degree = 6, .rows = 20, .edits = 2};
    for (int i = 1; i < count; i += 2) {
        struct {
            const char *name;
            unsigned *number;
        } numbers[] = {{"--devices", &options->devices},
                       {"--degree", &options->degree},
                       {"--rows", &options->rows},
                       {"--edits", &options->edits}};
        bool known = i + 1 < count;
        if (known && strcmp(words[i], "--seed") == 0) {
            options->seed = strtoull(words[i + 1], NULL, 10);
            continue;
        }
        size_t n = 0;
        while (known && n < sizeof numbers / sizeof *numbers && strcmp(words[i], numbers[n].name))
            n++;
        if (!known || n == sizeof numbers / sizeof *numbers) return false;
        *numbers[n].number = (unsigned)strtoul(words[i + 1], NULL, 10);
    }
    return options->devices >= 2 && options->devices <= LIMIT_MEMBERS && options->degree >= 2 &&
           options->degree <= 32;
}

int main(int count, char **words) {
    static struct mesh mesh;
    if (count == 2 && strcmp(words[1], "--help") == 0) return usage(stdout, 0);
    if (!options_read(&mesh.options, count, words)) return usage(stderr, 2);
    CHECK(sodium_init() >= 0);
    const uint32_t devices = mesh.options.devices;
    mesh.posts = calloc(devices, sizeof *mesh.posts);
    mesh.heap = calloc(devices, sizeof *mesh.heap);
    mesh.linked = calloc((size_t)devices * devices, sizeof *mesh.linked);
    CHECK(mesh.posts != NULL && mesh.heap != NULL && mesh.linked != NULL);
    mesh.net = mesh_net_open(devices, DELAY_US, &mesh.now_us, wakes, &mesh);
    link_all(&mesh);
    run(&mesh);
    for (uint32_t i = 0; i < devices; i++)
        post_close(&mesh.posts[i]);
    mesh_net_close(mesh.net);
    free(mesh.posts);
    free(mesh.heap);
    free(mesh.linked);
    return 0;
}
