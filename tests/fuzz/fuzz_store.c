/* Fuzzes a library's file: whatever is changed in it, the opening refuses it with a reason, or it
 * can be read, verified, written to and closed. Whether what it says then is true nobody can know;
 * that no byte of it makes the program end, hang, or read what is not its own, is to be seen here.
 *
 *   input := edit*        edit := where u32, little-endian, from the front | byte that is put there
 *
 * The library is made once, on a simulated disk; each input gets a copy. */
#include "engine/base/check.h"
#include "engine/engine.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/rng.h"
#include "tests/sim/vault.h"

#define PATH "/device0/library.db"
#define ROWS 12
#define EDITS_MAX 64u
#define STEPS 20
#define DIGESTS 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                             "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT);\n"
                             "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
                             "  id BLOB PRIMARY KEY, name TEXT UNIQUE, weight REAL, note);\n";

/* A machine that talks to nobody. */
struct machine {
    struct disk *disk;
    struct vault *vault;
    struct net *net;
    struct rng rng;
    weft_engine *engine;
};

static struct instant now(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1000000, .wall_ms = 1760000000000};
}

static void machine_begin(struct machine *machine, const char *name) {
    const struct time_port time = {.self = machine, .now = now};
    machine->disk = disk_open(name, 1, time);
    machine->vault = vault_open(1, machine->disk);
    machine->net = net_open(1, 4096, 1);
    machine->engine = NULL;
    rng_seed(&machine->rng, 1, 1);
    net_boot(machine->net, 0);
}

static void machine_end(struct machine *machine) {
    weft_close(machine->engine);
    CHECK(disk_open_handles(machine->disk) == 0);
    net_close(machine->net);
    vault_close(machine->vault);
    disk_close(machine->disk);
}

static enum weft_status open_library(struct machine *machine, struct weft_error *why) {
    const struct time_port time = {.self = machine, .now = now};
    const struct weft_config config = {
        .path = PATH, .schema = schema, .threads = WEFT_THREADS_NONE, .peers_max = 1};
    const struct engine_ports ports = {.entropy = rng_entropy(&machine->rng),
                                       .runner = net_ports(machine->net, 0, time),
                                       .vault = vault_port(machine->vault),
                                       .vfs = disk_vfs(machine->disk),
                                       .page_bytes = 1024};
    return engine_open(&config, &ports, &machine->engine, why);
}

static void step(struct machine *machine) {
    uint64_t due = 0;
    for (int i = 0; i < STEPS; i++)
        if (weft_step(machine->engine, &due) != WEFT_OK) return;
}

/* A transaction on tables that may not be what they were: it may be refused. */
static void write_rows(struct machine *machine, uint8_t first, int count) {
    weft_tx *tx = NULL;
    uint8_t self[WEFT_ID_SIZE];
    const int location = weft_model(machine->engine, "location");
    const int tag = weft_model(machine->engine, "tag");
    const char name[] = {'t', 'a', 'g', (char)('a' + first)};
    weft_device(machine->engine, self);
    if (weft_begin(machine->engine, &tx) != WEFT_OK) return;
    for (int i = 0; i < count; i++) {
        const uint8_t id[WEFT_ID_SIZE] = {first, (uint8_t)i};
        const struct weft_value own[] = {weft_blob(id, sizeof id), weft_blob(self, sizeof self),
                                         weft_text("/somewhere/else", 10)};
        const struct weft_value all[] = {weft_blob(id, sizeof id), weft_text(name, sizeof name),
                                         weft_real(i), weft_null()};
        if (location >= 0 && weft_put(tx, location, own, 3) != WEFT_OK) break;
        if (i == 0 && tag >= 0 && weft_put(tx, tag, all, 4) != WEFT_OK) break;
    }
    if (weft_commit(tx, NULL) != WEFT_OK) weft_abort(tx);
    step(machine);
}

static struct machine *original(void) {
    static struct machine machine;
    struct weft_error why = {0};
    if (machine.disk != NULL) return &machine;
    machine_begin(&machine, "fuzz-original");
    CHECK(open_library(&machine, &why) == WEFT_OK);
    for (uint8_t first = 1; first < 4; first++)
        write_rows(&machine, first, ROWS);
    weft_close(machine.engine);
    machine.engine = NULL;
    return &machine;
}

static void exercise(struct machine *machine) {
    struct weft_digest digests[DIGESTS];
    struct weft_error why = {0};
    struct weft_event event;
    unsigned count = 0;
    step(machine);
    if (weft_verify_wait(machine->engine, digests, DIGESTS, &count, &why) != WEFT_OK)
        CHECK(why.text[0] != 0);
    write_rows(machine, 9, 3);
    while (weft_next_event(machine->engine, &event))
        CHECK(event.kind != WEFT_EVENT_FAULT || event.error.text[0] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct machine machine, *from = original();
    struct weft_error why = {0};
    machine_begin(&machine, "fuzz-copy");
    disk_copy(machine.disk, from->disk);
    vault_clone(machine.vault, from->vault);
    for (uint32_t i = 0; i < EDITS_MAX && size >= 5; i++, data += 5, size -= 5) {
        const uint32_t where = (uint32_t)data[0] | (uint32_t)data[1] << 8 |
                               (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        disk_put(machine.disk, PATH, where, data[4]);
    }
    if (open_library(&machine, &why) == WEFT_OK)
        exercise(&machine);
    else
        CHECK(why.text[0] != 0);
    machine_end(&machine);
    return 0;
}
