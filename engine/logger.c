/* See logger.h. */
#include "engine/logger.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/host.h"

/* ---- adding ---- */

bool logger_wants(const struct weft_engine *engine, enum logged what, enum weft_status status) {
    return what != LOGGED_NONE &&
           board_get(engine->board->log_level) >= (uint32_t)logged_level(what, status);
}

static struct logger_field *add_field(struct logger_entry *entry, enum logged_key key) {
    if (entry == NULL || entry->field_count == LOGGED_FIELDS) return NULL;
    struct logger_field *field = &entry->fields[entry->field_count++];
    field->key = key;
    field->is_text = false;
    field->number = 0;
    return field;
}

void logger_text(struct logger_entry *entry, enum logged_key key, const char *text) {
    struct logger_field *field = text == NULL || text[0] == 0 ? NULL : add_field(entry, key);
    if (field == NULL) return;
    field->is_text = true;
    (void)snprintf(field->text, sizeof field->text, "%s", text);
}

void logger_number(struct logger_entry *entry, enum logged_key key, uint64_t number) {
    struct logger_field *field = add_field(entry, key);
    if (field != NULL) field->number = number;
}

/* The name of a device, if it is known. */
static void name_of(const struct weft_engine *engine, const uint8_t *device,
                    char out[WEFT_NAME_MAX + 1]) {
    const struct board *board = engine->board;
    const uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    out[0] = 0;
    for (uint32_t i = 0; i < seats; i++) {
        const struct board_seat *seat = &board->members[i];
        if (board_get(seat->device[0]) == load_u64(device) &&
            board_get(seat->device[1]) == load_u64(device + 8))
            host_read_name(seat->name, out);
    }
    if (memcmp(device, engine->settings.device.bytes, WEFT_ID_SIZE) == 0)
        memcpy(out, engine->name, sizeof engine->name);
}

/* The sentence of `what`, with what the device is called in its place, and why. */
static void say(struct logger_entry *entry, const char *called, const char *text) {
    const char *sentence = logged_sentence(entry->what), *gap = strstr(sentence, "%s");
    const bool given = text != NULL && text[0] != 0;
    if (gap == NULL) {
        (void)snprintf(entry->text, sizeof entry->text, "%s", given ? text : sentence);
        return;
    }
    (void)snprintf(entry->text, sizeof entry->text, "%.*s%s%s%s%s", (int)(gap - sentence), sentence,
                   called, gap + 2, given ? ": " : "", given ? text : "");
}

struct logger_entry *logger_add(struct weft_engine *engine, const struct logger_said *said) {
    struct logger *logger = &engine->logger;
    char id_said[ID_TEXT_SIZE] = "", name[WEFT_NAME_MAX + 1] = "";
    struct id id = {0};
    if (!logger_wants(engine, said->what, said->status)) return NULL;
    CHECK(logger->queue != NULL && said->component != NULL);
    wake_signal(&logger->wake); /* It then waits for the lock. */
    if (logger->count == LOGGER_ENTRIES) {
        board_add(engine->board->log_lost, 1);
        return NULL;
    }
    struct logger_entry *entry = &logger->queue[(logger->first + logger->count++) % LOGGER_ENTRIES];
    entry->wall_ms = said->wall_ms;
    entry->what = said->what;
    entry->level = logged_level(said->what, said->status);
    entry->component = said->component;
    entry->field_count = 0;
    if (said->device != NULL) memcpy(id.bytes, said->device, sizeof id.bytes);
    if (!id_is_zero(&id)) {
        id_text(&id, id_said);
        name_of(engine, id.bytes, name);
    }
    const char *text = said->text;
    if (said->what == LOGGED_JOINING && text != NULL && name[0] == 0) {
        (void)snprintf(name, sizeof name, "%s", text); /* What it says of itself. */
        text = NULL;
    }
    say(entry, name[0] != 0 ? name : id_said[0] != 0 ? id_said : "a device", text);
    logger_text(entry, LOGGED_KEY_DEVICE, id_said);
    logger_text(entry, LOGGED_KEY_NAME, name);
    return entry;
}

void logger_say(struct weft_engine *engine, enum logged what, const uint8_t *device,
                enum logged_key key, const char *text) {
    struct time_port time = engine->ports.runner.time;
    if (!logger_wants(engine, what, WEFT_OK)) return;
    (void)pthread_mutex_lock(&engine->lock);
    struct logger_entry *entry =
        logger_add(engine, &(struct logger_said){.what = what,
                                                 .wall_ms = time.now(time.self).wall_ms,
                                                 .component = "engine",
                                                 .device = device});
    if (key != LOGGED_KEY_NONE) logger_text(entry, key, text);
    (void)pthread_mutex_unlock(&engine->lock);
}

/* ---- telling ---- */

/* Says how many found no room, once there is some. Caller holds the lock. */
static void add_lost(struct weft_engine *engine) {
    struct logger *logger = &engine->logger;
    const uint64_t lost = board_get(engine->board->log_lost);
    struct time_port time = engine->ports.runner.time;
    if (lost == logger->told || logger->count == LOGGER_ENTRIES) return;
    logger_number(logger_add(engine, &(struct logger_said){.what = LOGGED_LOST,
                                                           .wall_ms = time.now(time.self).wall_ms,
                                                           .component = "engine"}),
                  LOGGED_KEY_COUNT, lost - logger->told);
    logger->told = lost;
}

/* Takes the next entry; false when there is none. */
static bool take(struct weft_engine *engine) {
    struct logger *logger = &engine->logger;
    (void)pthread_mutex_lock(&engine->lock);
    (void)host_pump(engine);
    host_show_events(engine);
    const bool any = logger->count != 0;
    if (any) {
        logger->entry = logger->queue[logger->first];
        logger->first = (logger->first + 1) % LOGGER_ENTRIES;
        logger->count--;
    }
    add_lost(engine);
    (void)pthread_mutex_unlock(&engine->lock);
    return any;
}

static void tell(struct logger *logger) {
    const struct logger_entry *entry = &logger->entry;
    struct weft_log_field fields[LOGGED_FIELDS];
    for (uint32_t i = 0; i < entry->field_count; i++) {
        const struct logger_field *field = &entry->fields[i];
        fields[i] = (struct weft_log_field){.key = logged_key(field->key),
                                            .text = field->is_text ? field->text : NULL,
                                            .number = field->number};
    }
    const struct weft_log_entry said = {
        .wall_ms = entry->wall_ms,
        .level = entry->level,
        .component = entry->component,
        .event = logged_name(entry->what),
        .text = entry->text,
        .fields = fields,
        .field_count = entry->field_count,
    };
    logger->plan.write(logger->plan.context, &said);
}

static bool tell_all(struct weft_engine *engine) {
    bool any = false;
    while (take(engine)) {
        tell(&engine->logger);
        any = true;
    }
    return any;
}

bool logger_within(struct weft_engine *engine) {
    return atomic_load(&engine->logger.within) &&
           pthread_equal(engine->logger.thread, pthread_self());
}

bool logger_run(struct weft_engine *engine) {
    struct logger *logger = &engine->logger;
    if (logger->queue == NULL || atomic_load(&logger->halt)) return false;
    logger->thread = pthread_self();
    atomic_store(&logger->within, true);
    const bool any = tell_all(engine);
    atomic_store(&logger->within, false);
    return any;
}

/* Notices come with a signal; a fault of the whole engine too. */
static void *thread_main(void *context) {
    struct weft_engine *engine = context;
    struct logger *logger = &engine->logger;
    while (!atomic_load(&logger->halt)) {
        wake_prepare(&logger->wake);
        if (!tell_all(engine) && !atomic_load(&logger->halt)) {
            struct pollfd descriptor = {.fd = logger->wake.descriptor, .events = POLLIN};
            (void)poll(&descriptor, 1, -1);
        }
        wake_cancel(&logger->wake);
    }
    return NULL;
}

/* ---- open and close ---- */

enum weft_status logger_open(struct logger *logger, const struct weft_log *plan, bool stepped,
                             struct weft_error *why) {
    logger->wake.descriptor = -1;
    if (plan == NULL) return WEFT_OK;
    if (plan->write == NULL || plan->level > WEFT_LOG_DEBUG) {
        return status_fail(why, WEFT_INVALID, 0,
                           "config.log needs a function in `write`, and a level from WEFT_LOG_OFF "
                           "to WEFT_LOG_DEBUG, not %d",
                           (int)plan->level);
    }
    logger->plan = *plan;
    if (plan->level == WEFT_LOG_OFF) logger->plan.level = WEFT_LOG_INFO;
    logger->stepped = stepped;
    logger->queue = calloc(LOGGER_ENTRIES, sizeof *logger->queue);
    if (logger->queue == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0,
                           "out of memory for the log's queue; free memory, or open without "
                           "config.log");
    if (!wake_open(&logger->wake)) {
        logger->wake.descriptor = -1;
        return status_fail(why, WEFT_LIMIT, 0,
                           "the process has no file descriptors left for the thread of the log; "
                           "raise the limit (ulimit -n)");
    }
    return WEFT_OK;
}

enum weft_status logger_start(struct weft_engine *engine, struct weft_error *why) {
    struct logger *logger = &engine->logger;
    sigset_t all, before;
    if (logger->queue == NULL) return WEFT_OK;
    board_set(engine->board->log_level, logger->plan.level);
    if (logger->stepped) return WEFT_OK;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    const int error = pthread_create(&logger->thread, NULL, thread_main, engine);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (error != 0)
        return status_fail(why, WEFT_LIMIT, error,
                           "the thread of the log cannot be started; raise the limit of threads");
    logger->thread_stands = true;
    atomic_store(&logger->within, true); /* Only calls of the host's run there. */
    (void)pthread_setname_np(logger->thread, "weft-log");
    return WEFT_OK;
}

void logger_halt(struct weft_engine *engine, bool tell) {
    struct logger *logger = &engine->logger;
    if (logger->queue == NULL || atomic_exchange(&logger->halt, true)) return;
    if (logger->thread_stands) {
        /* Asleep or not, it sees `halt` before it sleeps again. */
        wake_signal(&logger->wake);
        CHECK(pthread_join(logger->thread, NULL) == 0);
        logger->thread_stands = false;
    }
    if (tell) (void)tell_all(engine);
    board_set(engine->board->log_level, WEFT_LOG_OFF);
}

void logger_close(struct logger *logger) {
    CHECK(!logger->thread_stands);
    if (logger->queue != NULL && logger->wake.descriptor >= 0) wake_close(&logger->wake);
    free(logger->queue);
    logger->queue = NULL;
}

void weft_set_log_level(weft_engine *engine, enum weft_log_level level) {
    CHECK(engine != NULL && level <= WEFT_LOG_DEBUG);
    if (engine->logger.queue != NULL) board_set(engine->board->log_level, level);
}
