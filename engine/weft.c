/* Opening and closing an engine, and what needs no actor: ids, models, readers.
 *
 *   open:  keys ─► store (file, schema, models, founder, rows that are not said yet) ─► board
 *          ─► lanes, wakes ─► topology ─► runner: actors turn
 *   close: listener stops (goodbyes) ─► clock and log stop (last commit) ─► the rest, mirrored
 *
 * Not here: transactions (tx.c), tickets, events and peers (host.c), members (members.c). */
#include "engine/weft.h"

#include <sodium.h>
#include <stdlib.h>

#include "engine/base/sheet.h"
#include "engine/host.h"
#include "engine/net/posix.h"
#include "engine/net/sockets.h"
#include "engine/net/vault.h"
#include "engine/store/adopt_shared.h"
#include "engine/store/contacts.h"
#include "engine/store/found.h"
#include "engine/store/keyfile.h"
#include "engine/store/models.h"

#define DOOR_BYTES_DEFAULT (64u << 20)
#define CACHE_BYTES_DEFAULT (64u << 20)
/* How long a close waits for goodbyes to reach the peers. */
#define GOODBYE_MS 2000

/* ---- open ---- */

static void zero_identity(struct weft_engine *engine) {
    identity_wipe(&engine->identity);
}

/* The device's keys: those beside the file, or new ones for a file that is no library yet. */
static enum weft_status open_keys(struct weft_engine *engine, uint8_t secret[IDENTITY_SECRET],
                                  struct weft_error *why) {
    struct id device;
    bool found = false, made = false;
    enum weft_status status = store_device(engine->path, engine->ports.vfs, &device, &found, why);
    if (status != WEFT_OK) return status;
    return keyfile_open(&engine->ports.vault, &engine->ports.entropy, engine->path, !found, secret,
                        &made, why);
}

/* Reads what tells the library's file from a copy of it; a file that is not there has none. */
static enum weft_status read_stamp(struct weft_engine *engine, struct store_seed *seed,
                                   struct weft_error *why) {
    const struct vault_port *vault = &engine->ports.vault;
    struct weft_error said = {0};
    enum weft_status status = vault->stamp(vault->self, engine->path, seed->stamp, &said);
    seed->has_stamp = status == WEFT_OK;
    if (status == WEFT_NOT_FOUND) return WEFT_OK;
    if (status != WEFT_OK && why != NULL) *why = said;
    return status;
}

/* Opens the file as `seed` says, makes sure that somebody is a member, and takes in the rows of
 * shared tables that no record says yet. */
static enum weft_status settle_store(struct weft_engine *engine, struct store_seed *seed,
                                     const uint8_t secret[IDENTITY_SECRET],
                                     struct weft_error *why) {
    struct store *store = &engine->store;
    enum weft_status status = store_open(seed, engine->store_pool, store, why);
    if (status != WEFT_OK) return status;
    identity_make(&engine->identity, secret, &store->library, store->incarnation);
    if (!seed->has_stamp) {
        status = read_stamp(engine, seed, why);
        if (status == WEFT_OK && seed->has_stamp) status = store_take_stamp(seed, store, why);
    }
    uint64_t wall = hlc_pack(hlc_ms(seed->fresh_incarnation), 0);
    uint64_t hlc = wall > store->clock ? wall : store->clock + 1;
    if (status == WEFT_OK) {
        status = store_found(store, engine->path, engine->ports.vfs, &engine->identity,
                             engine->name, hlc, &engine->ports.entropy, engine->store_pool, why);
    }
    if (status == WEFT_OK) {
        status = adopt_shared(store, engine->path, engine->ports.vfs, &engine->identity, wall,
                              engine->store_pool, why);
    }
    if (status != WEFT_OK) store_close(store);
    return status;
}

static enum weft_status open_store(struct weft_engine *engine, const struct weft_config *config,
                                   struct weft_error *why) {
    const struct entropy_port *entropy = &engine->ports.entropy;
    struct time_port time = engine->ports.runner.time;
    struct store_seed seed = {
        .path = engine->path,
        .vfs = engine->ports.vfs,
        .schema = config->schema,
        .device_must_match = true,
        .joining = config->invite != NULL,
        .cache_bytes = engine->settings.cache_bytes,
        .page_bytes = engine->ports.page_bytes,
    };
    struct id library;
    uint8_t secret[IDENTITY_SECRET];
    entropy->fill(entropy->self, seed.fresh_library.bytes, sizeof seed.fresh_library.bytes);
    entropy->fill(entropy->self, engine->id_key, sizeof engine->id_key);
    entropy->fill(entropy->self, &seed.fresh_gap, sizeof seed.fresh_gap);
    seed.fresh_incarnation = hlc_pack(time.now(time.self).wall_ms, seed.fresh_gap);
    if (config->library != NULL || config->invite != NULL) {
        library = engine->invite.library;
        if (config->library != NULL) memcpy(library.bytes, config->library, sizeof library.bytes);
        seed.library = &library;
    }
    engine->store_pool = pool_open(0, 0, NULL);
    if (engine->store_pool == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", engine->path);
    enum weft_status status = open_keys(engine, secret, why);
    if (status == WEFT_OK) status = read_stamp(engine, &seed, why);
    if (status == WEFT_OK) {
        identity_make(&engine->identity, secret, &seed.fresh_library, 0);
        seed.fresh_device = engine->identity.device;
        status = settle_store(engine, &seed, secret, why);
    }
    sodium_memzero(secret, sizeof secret);
    if (status != WEFT_OK) {
        zero_identity(engine);
        pool_close(engine->store_pool);
        engine->store_pool = NULL;
    }
    return status;
}

static void fill_settings(struct weft_engine *engine, const struct weft_config *config) {
    struct settings *settings = &engine->settings;
    const struct engine_ports *ports = &engine->ports;
    settings->path = engine->path;
    settings->vfs = ports->vfs;
    settings->entropy = ports->entropy;
    settings->stopwatch = ports->runner.time;
    settings->cache_bytes = config->cache_bytes != 0 ? config->cache_bytes : CACHE_BYTES_DEFAULT;
    settings->peers = config->peers_max != 0 ? config->peers_max : LIMIT_PEERS_DEFAULT;
    settings->peer_threads =
        runner_settle(config->threads) == WEFT_THREADS_EACH ? LIMIT_PEER_THREADS : 1;
    settings->batch_rows = config->batch_rows != 0 ? config->batch_rows : LIMIT_BATCH_ROWS;
    settings->group_rows = config->group_rows != 0 ? config->group_rows : LIMIT_GROUP_ROWS;
    if (ports->batch_rows != 0) settings->batch_rows = ports->batch_rows;
    if (ports->group_rows != 0) settings->group_rows = ports->group_rows;
    settings->log_records = ports->log_records != 0 ? ports->log_records : LIMIT_LOG_RECORDS;
    settings->snapshot_rows = ports->batch_rows != 0 ? ports->batch_rows : LIMIT_SNAPSHOT_ROWS;
    settings->chunk_bytes = ports->chunk_bytes != 0 ? ports->chunk_bytes : LIMIT_CHUNK;
    settings->checkpoint_pages =
        ports->checkpoint_pages != 0 ? ports->checkpoint_pages : LIMIT_CHECKPOINT_PAGES;
    settings->patience_ms =
        config->patience_h != 0 ? config->patience_h * UINT64_C(3600000) : LIMIT_PATIENCE_MS;
    if (ports->patience_ms != 0) settings->patience_ms = ports->patience_ms;
    settings->hook_mails = ports->hook_mails != 0 ? ports->hook_mails : LIMIT_HOOK_MAILS;
    settings->paused = config->paused;
    engine->door_max = config->door_bytes != 0 ? config->door_bytes : DOOR_BYTES_DEFAULT;
    /* What the tail keeps counts as held: it must leave room, or the door would stay shut. */
    uint64_t tail = ports->tail_bytes != 0 ? ports->tail_bytes : LIMIT_TAIL_BYTES;
    settings->tail_bytes = tail < engine->door_max / 4 ? tail : engine->door_max / 4;
}

static enum weft_status open_host(struct weft_engine *engine, struct weft_error *why) {
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&engine->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    atomic_store(&engine->next_ticket, 1);
    engine->tickets = calloc(LIMIT_TICKETS, sizeof *engine->tickets);
    engine->events = calloc(HOST_EVENTS, sizeof *engine->events);
    engine->sheets = calloc(LIMIT_CONTACTS, sizeof *engine->sheets);
    if (engine->tickets == NULL || engine->events == NULL || engine->sheets == NULL) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the host's side");
    }
    if (!wake_open(&engine->answers)) {
        return status_fail(why, WEFT_LIMIT, 0, "the process has no file descriptors left");
    }
    if (!wake_open(&engine->notices)) {
        wake_close(&engine->answers);
        return status_fail(why, WEFT_LIMIT, 0, "the process has no file descriptors left");
    }
    wake_prepare(&engine->notices); /* The first notice makes the descriptor readable. */
    return WEFT_OK;
}

static void close_host(struct weft_engine *engine) {
    const uint64_t issued = atomic_load(&engine->next_ticket);
    for (uint32_t i = 0; engine->tickets != NULL && i < LIMIT_TICKETS && i < issued; i++) {
        if (engine->tickets[i].marks != engine->tickets[i].few) free(engine->tickets[i].marks);
        free(engine->tickets[i].error);
    }
    free(engine->tickets);
    free(engine->events);
    free(engine->sheets);
    (void)pthread_cond_destroy(&engine->changed);
    (void)pthread_mutex_destroy(&engine->lock);
}

static void find_edges(struct weft_engine *engine) {
    struct topology *topology = engine->topology;
    struct edge *changes = topology_edge(topology, ACTOR_LOG, ACTOR_HOST, WEFT__MAIL__BODY_CHANGES);
    hooks_open(&engine->hooks, changes, engine->board, &engine->settings.device, engine->stepped);
    topology->host_hooks = &engine->hooks.wake;
    engine->to_clock = topology_edge(topology, ACTOR_HOST, ACTOR_CLOCK, WEFT__MAIL__BODY_STOP);
    engine->to_listener =
        topology_edge(topology, ACTOR_HOST, ACTOR_LISTENER, WEFT__MAIL__BODY_LISTEN);
    CHECK(engine->to_clock != NULL && engine->to_listener != NULL);
}

/* Starts the actors; the listener takes the contacts that the file has. */
static enum weft_status start_actors(struct weft_engine *engine, enum weft_threads threads,
                                     struct weft_error *why) {
    sqlite3 *db = NULL;
    struct contacts *contacts = malloc(sizeof *contacts);
    if (contacts == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", engine->path);
    enum weft_status status = store_connect(engine->path, engine->ports.vfs, true, 0, &db, why);
    if (status == WEFT_OK) status = contacts_load(db, engine->path, contacts, why);
    (void)sqlite3_close(db);
    if (status == WEFT_OK) {
        engine->settings.contacts = contacts;
        atomic_store(&engine->paused, contacts->paused || engine->settings.paused);
        status =
            runner_open(engine->topology, threads, &engine->ports.runner, &engine->runner, why);
    }
    engine->settings.contacts = NULL;
    free(contacts);
    return status;
}

static enum weft_status open_actors(struct weft_engine *engine, enum weft_threads threads,
                                    struct weft_error *why) {
    struct settings *settings = &engine->settings;
    settings->device = engine->store.device;
    settings->library = engine->store.library;
    settings->incarnation = engine->store.incarnation;
    settings->identity = &engine->identity;
    settings->name = engine->name;
    settings->clock_stored = engine->store.clock;
    settings->models = engine->store.models;
    settings->board = engine->board;
    settings->sheets = engine->sheets;
    enum weft_status status = topology_open(settings, &engine->topology, why);
    if (status != WEFT_OK) return status;
    engine->topology->repack = engine->ports.repack;
    engine->topology->host_answers = &engine->answers;
    engine->topology->host_notices = &engine->notices;
    if (engine->logger.queue != NULL) engine->topology->host_log = &engine->logger.wake;
    find_edges(engine);
    status = start_actors(engine, threads, why);
    if (status != WEFT_OK) {
        hooks_close(&engine->hooks);
        topology_close(engine->topology);
        engine->topology = NULL;
    }
    return status;
}

static enum weft_status check_config(const struct weft_config *config, struct weft_error *why) {
    if (config == NULL || config->path == NULL || config->path[0] == 0) {
        return status_fail(why, WEFT_INVALID, 0, "weft_open() needs the path of a library");
    }
    if (config->peers_max > LIMIT_PEERS) {
        return status_fail(why, WEFT_LIMIT, 0, "peers_max is %u; at most %u sessions can stand",
                           config->peers_max, LIMIT_PEERS);
    }
    if (config->batch_rows > LIMIT_ROWS || config->group_rows > LIMIT_GROUP_ROWS) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "batch_rows is %u and group_rows %u; give at most %u and %u, or 0 for "
                           "these",
                           config->batch_rows, config->group_rows, LIMIT_ROWS, LIMIT_GROUP_ROWS);
    }
    if (config->name != NULL && !utf8_valid(config->name, strlen(config->name))) {
        return status_fail(why, WEFT_NOT_UTF8, 0, "the device's name is not valid UTF-8");
    }
    size_t name = config->name == NULL ? 0 : strlen(config->name);
    if (name > WEFT_NAME_MAX) {
        return status_fail(why, WEFT_INVALID, 0,
                           "a device's name is UTF-8 of up to %u bytes, this one has %zu; give a "
                           "shorter one",
                           WEFT_NAME_MAX, name);
    }
    if (config->threads > WEFT_THREADS_NONE) {
        return status_fail(why, WEFT_INVALID, 0, "threads is %d, which is no enum weft_threads",
                           (int)config->threads);
    }
    return WEFT_OK;
}

static void take_down(weft_engine *engine);

static void say_open(struct weft_engine *engine) {
    struct time_port time = engine->ports.runner.time;
    char library[ID_TEXT_SIZE];
    id_text(&engine->settings.library, library);
    (void)pthread_mutex_lock(&engine->lock);
    struct logger_entry *entry =
        logger_add(engine, &(struct logger_said){.what = LOGGED_OPENED,
                                                 .wall_ms = time.now(time.self).wall_ms,
                                                 .component = "engine",
                                                 .device = engine->settings.device.bytes});
    logger_text(entry, LOGGED_KEY_PATH, engine->path);
    logger_text(entry, LOGGED_KEY_LIBRARY, library);
    (void)pthread_mutex_unlock(&engine->lock);
}

static enum weft_status open_engine(const struct weft_config *config,
                                    const struct engine_ports *ports, weft_engine **out,
                                    struct weft_error *why) {
    enum weft_status status = check_config(config, why);
    if (status != WEFT_OK) return status;
    struct weft_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", config->path);
    engine->ports = *ports;
    engine->stepped = config->threads == WEFT_THREADS_NONE;
    if (config->name != NULL) {
        memcpy(engine->name, config->name, strnlen(config->name, sizeof engine->name - 1));
    }
    if (config->invite != NULL) {
        status = invite_read(config->invite, &engine->invite, why);
        if (status != WEFT_OK) goto free_engine;
    }
    engine->path = strdup(config->path);
    if (engine->path == NULL) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", config->path);
        goto free_engine;
    }
    fill_settings(engine, config);
    engine->opened_us = ports->runner.time.now(ports->runner.time.self).mono_us;
    status = open_store(engine, config, why);
    if (status != WEFT_OK) goto free_engine;
    engine->board = board_open(engine->settings.peers);
    if (engine->board == NULL) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", config->path);
        goto shut_store;
    }
    status = lanes_open(engine, why);
    if (status != WEFT_OK) goto free_board;
    status = open_host(engine, why);
    if (status != WEFT_OK) goto shut_host;
    status = logger_open(&engine->logger, config->log, engine->stepped, why);
    if (status != WEFT_OK) goto shut_wakes;
    status = open_actors(engine, config->threads, why);
    if (status != WEFT_OK) goto shut_wakes;
    status = logger_start(engine, why);
    if (status == WEFT_OK) say_open(engine);
    if (status == WEFT_OK && config->invite != NULL) status = members_join(engine, why);
    if (status != WEFT_OK) {
        take_down(engine);
        return status;
    }
    if (engine->store.moved) host_tell_restored(engine);
    *out = engine;
    return WEFT_OK;

shut_wakes:
    logger_close(&engine->logger);
    wake_close(&engine->notices);
    wake_close(&engine->answers);
shut_host:
    close_host(engine);
    lanes_close(engine);
free_board:
    board_close(engine->board);
shut_store:
    store_close(&engine->store);
    pool_close(engine->store_pool);
free_engine:
    zero_identity(engine);
    sodium_memzero(&engine->invite, sizeof engine->invite);
    free(engine->path);
    free(engine);
    return status;
}

static void end_ports(const struct engine_ports *ports) {
    if (ports->runner.end != NULL) ports->runner.end(ports->runner.self);
}

enum weft_status engine_open(const struct weft_config *config, const struct engine_ports *ports,
                             weft_engine **out, struct weft_error *why) {
    CHECK(out != NULL && ports != NULL);
    *out = NULL;
    enum weft_status status = open_engine(config, ports, out, why);
    if (status != WEFT_OK) end_ports(ports);
    return status;
}

enum weft_status weft_open(const struct weft_config *config, weft_engine **out,
                           struct weft_error *why) {
    if (sodium_init() < 0) {
        *out = NULL;
        return status_fail(why, WEFT_IO, 0, "the system gives no randomness");
    }
    const struct engine_ports ports = {
        .entropy = posix_entropy(), .runner = sockets_ports(), .vault = vault_posix()};
    return engine_open(config, &ports, out, why);
}

/* ---- close ---- */

static void take_down(weft_engine *engine) {
    atomic_store(&engine->closing, true);
    weft_http_stop_wait(engine);
    hooks_halt(&engine->hooks);
    logger_halt(engine, false);
    runner_close(engine->runner);
    hooks_close(&engine->hooks);
    topology_close(engine->topology);
    wake_close(&engine->notices);
    wake_close(&engine->answers);
    logger_close(&engine->logger);
    close_host(engine);
    lanes_close(engine);
    store_close(&engine->store);
    pool_close(engine->store_pool);
    board_close(engine->board);
    zero_identity(engine);
    sodium_memzero(&engine->invite, sizeof engine->invite);
    free(engine->path);
    free(engine);
}

void engine_kill(weft_engine *engine) {
    if (engine == NULL) return;
    const struct engine_ports ports = engine->ports;
    take_down(engine);
    end_ports(&ports);
}

/* Caller holds the lock. Sends Stop along an edge and waits for the word that it has been done. */
static void stop_and_wait(struct weft_engine *engine, struct edge *edge, const bool *stopped,
                          int timeout_ms) {
    struct deadline deadline = host_deadline(engine, timeout_ms);
    struct mail *mail = NULL;
    while (!*stopped && host_fault(engine, NULL) == WEFT_OK) {
        if (mail == NULL) {
            mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_STOP, NULL);
            if (mail == NULL || !edge_push(edge, mail)) {
                mail_drop(&mail);
                break;
            }
        }
        if (!host_sleep(engine, &deadline)) break;
    }
}

bool engine_close(weft_engine *engine) {
    /* It would wait for itself. */
    CHECK(!hooks_within(&engine->hooks) && !logger_within(engine));
    atomic_store(&engine->closing, true);
    hooks_halt(&engine->hooks);
    (void)pthread_mutex_lock(&engine->lock);
    (void)host_pump(engine);
    stop_and_wait(engine, engine->to_listener, &engine->listener_stopped, GOODBYE_MS);
    stop_and_wait(engine, engine->to_clock, &engine->log_stopped, -1);
    const bool stopped = engine->listener_stopped && engine->log_stopped;
    (void)pthread_mutex_unlock(&engine->lock);
    logger_say(engine, LOGGED_CLOSED, NULL, LOGGED_KEY_PATH, engine->path);
    logger_halt(engine, true);
    engine_kill(engine);
    return stopped;
}

void weft_close(weft_engine *engine) {
    if (engine != NULL) (void)engine_close(engine);
}

/* ---- ids ---- */

void weft_device(const weft_engine *engine, uint8_t out[WEFT_ID_SIZE]) {
    CHECK(engine != NULL && out != NULL);
    memcpy(out, engine->settings.device.bytes, WEFT_ID_SIZE);
}

void weft_library(const weft_engine *engine, uint8_t out[WEFT_ID_SIZE]) {
    CHECK(engine != NULL && out != NULL);
    memcpy(out, engine->settings.library.bytes, WEFT_ID_SIZE);
}

/* 48 bits of milliseconds, 12 of a counter that keeps ids increasing, 62 from a keyed hash of both:
 * unguessable without the key, and no system call. */
void weft_id(weft_engine *engine, uint8_t out[WEFT_ID_SIZE]) {
    CHECK(engine != NULL && out != NULL);
    struct time_port time = engine->ports.runner.time;
    uint64_t wall = time.now(time.self).wall_ms << 12;
    uint64_t last = atomic_load_explicit(&engine->id_clock, memory_order_relaxed);
    uint64_t next = 0;
    do {
        next = wall > last ? wall : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&engine->id_clock, &last, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    (void)crypto_shorthash(out + 8, (const uint8_t *)&next, sizeof next, engine->id_key);
    for (int i = 0; i < 6; i++) {
        out[i] = (uint8_t)(next >> (52 - 8 * i));
    }
    out[6] = (uint8_t)(0x70 | ((next >> 8) & 0x0f));
    out[7] = (uint8_t)next;
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
}

/* ---- models ---- */

static const struct model *model_of(const weft_engine *engine, int model) {
    CHECK(engine != NULL);
    return model < 0 ? NULL : models_get(engine->settings.models, (uint32_t)model + 1);
}

int weft_model(const weft_engine *engine, const char *table) {
    CHECK(engine != NULL && table != NULL);
    const struct model *model = models_find(engine->settings.models, table, strlen(table));
    return model == NULL ? WEFT_NOT_FOUND : (int)model->id - 1;
}

int weft_column(const weft_engine *engine, int model, const char *column) {
    const struct model *found = model_of(engine, model);
    CHECK(column != NULL);
    if (found == NULL) return WEFT_INVALID;
    int at = model_column(found, column, strlen(column));
    return at < 0 ? WEFT_NOT_FOUND : at;
}

unsigned weft_column_count(const weft_engine *engine, int model) {
    const struct model *found = model_of(engine, model);
    return found == NULL ? 0 : found->column_count;
}

unsigned weft_key_count(const weft_engine *engine, int model) {
    const struct model *found = model_of(engine, model);
    return found == NULL ? 0 : found->key_count;
}

/* ---- reading, stepping, looking inside ---- */

enum weft_status weft_open_reader(weft_engine *engine, struct sqlite3 **out,
                                  struct weft_error *why) {
    CHECK(engine != NULL && out != NULL);
    return store_connect(engine->path, engine->ports.vfs, true, 0, out, why);
}

enum weft_status weft_step(weft_engine *engine, uint64_t *due_ms) {
    CHECK(engine != NULL);
    if (!engine->stepped || hooks_within(&engine->hooks) || logger_within(engine))
        return WEFT_INVALID;
    struct time_port time = engine->ports.runner.time;
    uint64_t due = DUE_NEVER;
    runner_step(engine->runner, &due);
    if (hooks_run(&engine->hooks)) due = 0; /* A hook may have written. */
    if (logger_run(engine)) due = 0;
    if (due_ms != NULL) {
        uint64_t now = time.now(time.self).mono_us;
        *due_ms = due == DUE_NEVER ? UINT64_MAX : due <= now ? 0 : (due - now + 999) / 1000;
    }
    return WEFT_OK;
}

size_t weft_topology(const weft_engine *engine, char *out, size_t cap) {
    CHECK(engine != NULL && out != NULL && cap != 0);
    return topology_print(engine->topology, out, cap);
}

bool engine_run_hooks(weft_engine *engine) {
    CHECK(engine != NULL);
    return hooks_run(&engine->hooks);
}

struct topology *engine_topology(weft_engine *engine) {
    CHECK(engine != NULL);
    return engine->topology;
}

struct runner *engine_runner(weft_engine *engine) {
    CHECK(engine != NULL);
    return engine->runner;
}
