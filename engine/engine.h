/* The inner entrance: opening an engine with ports of one's own. For the simulator and tests; not
 * installed. weft_open() is this with the posix ports of engine/net. */
#ifndef WEFT_ENGINE_H
#define WEFT_ENGINE_H

#include "engine/runtime/runner.h"

struct engine_ports {
    struct entropy_port entropy;
    struct runner_ports runner; /* time, and a net port per thread */
    struct vault_port vault;
    const char *vfs; /* SQLite VFS; NULL: the default */
    /* Zero: the defaults of limits.h. */
    uint32_t batch_rows;
    uint32_t group_rows;
    uint64_t tail_bytes;
    uint32_t log_records;
    uint32_t chunk_bytes;
    uint32_t checkpoint_pages;
    uint32_t page_bytes;
    uint64_t patience_ms;
    uint32_t hook_mails;
    bool repack; /* pack and unpack every mail on its edge */
};

/* Takes the ports over, also when it fails: what they hold is ended with the engine. */
enum weft_status engine_open(const struct weft_config *config, const struct engine_ports *ports,
                             weft_engine **out, struct weft_error *why);
/* What weft_close() does, of an engine that is not NULL; false: it has given up waiting for the
 * farewells, or a disk fault kept the last of what was known from being stored. */
bool engine_close(weft_engine *engine);
/* As a power cut: nothing is said, flushed or committed; memory is freed. */
void engine_kill(weft_engine *engine);
/* Calls the hooks of a WEFT_THREADS_NONE engine for all that waits, as weft_step() does. */
bool engine_run_hooks(weft_engine *engine);
struct topology *engine_topology(weft_engine *engine);
struct runner *engine_runner(weft_engine *engine);

#endif
