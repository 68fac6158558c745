/* See logged.h. */
#include "engine/base/logged.h"

#include "engine/base/check.h"

const char *logged_name(enum logged what) {
    static const char *const names[LOGGED_COUNT] = {
#define LOGGED_NAME(code, name, level, sentence) [code] = name,
        LOGGED_LIST(LOGGED_NAME)
#undef LOGGED_NAME
    };
    CHECK(what > LOGGED_NONE && what < LOGGED_COUNT);
    return names[what];
}

const char *logged_sentence(enum logged what) {
    static const char *const sentences[LOGGED_COUNT] = {
#define LOGGED_SENTENCE(code, name, level, sentence) [code] = sentence,
        LOGGED_LIST(LOGGED_SENTENCE)
#undef LOGGED_SENTENCE
    };
    CHECK(what > LOGGED_NONE && what < LOGGED_COUNT);
    return sentences[what];
}

const char *logged_key(enum logged_key key) {
    static const char *const names[LOGGED_KEYS_END] = {
#define LOGGED_KEY_NAME(code, name) [LOGGED_KEY_##code] = #name,
        LOGGED_KEYS(LOGGED_KEY_NAME)
#undef LOGGED_KEY_NAME
    };
    CHECK(key > LOGGED_KEY_NONE && key < LOGGED_KEYS_END);
    return names[key];
}

enum weft_log_level logged_level(enum logged what, enum weft_status status) {
    static const enum weft_log_level levels[LOGGED_COUNT] = {
#define LOGGED_LEVEL(code, name, level, sentence) [code] = level,
        LOGGED_LIST(LOGGED_LEVEL)
#undef LOGGED_LEVEL
    };
    CHECK(what > LOGGED_NONE && what < LOGGED_COUNT);
    if (what != LOGGED_FAULT) return levels[what];
    switch (status) {
    case WEFT_NO_MEMORY:
    case WEFT_DISK_FULL:
    case WEFT_READ_ONLY:
    case WEFT_IO:
    case WEFT_SYNC_FAILED:
    case WEFT_CORRUPT:
        return WEFT_LOG_ERROR;
    default:
        return levels[what];
    }
}

enum logged logged_of(enum weft_event_kind kind) {
    static const enum logged of[] = {
        [WEFT_EVENT_NONE] = LOGGED_NONE,           [WEFT_EVENT_PEER_UP] = LOGGED_PEER_UP,
        [WEFT_EVENT_PEER_DOWN] = LOGGED_PEER_DOWN, [WEFT_EVENT_MEMBER] = LOGGED_MEMBER,
        [WEFT_EVENT_REMOVED] = LOGGED_REMOVED,     [WEFT_EVENT_JOINING] = LOGGED_JOINING,
        [WEFT_EVENT_RESTORED] = LOGGED_RESTORED,   [WEFT_EVENT_CHANGED] = LOGGED_CHANGED,
        [WEFT_EVENT_FAULT] = LOGGED_FAULT,         [WEFT_EVENT_PARKED] = LOGGED_PARKED,
        [WEFT_EVENT_DIFFERS] = LOGGED_DIFFERS,     [WEFT_EVENT_LOST] = LOGGED_NONE,
    };
    return (size_t)kind < sizeof of / sizeof of[0] ? of[kind] : LOGGED_NONE;
}

const char *weft_log_level_name(enum weft_log_level level) {
    static const char *const names[] = {
        [WEFT_LOG_OFF] = "off",   [WEFT_LOG_ERROR] = "error", [WEFT_LOG_WARN] = "warn",
        [WEFT_LOG_INFO] = "info", [WEFT_LOG_DEBUG] = "debug",
    };
    return (size_t)level < sizeof names / sizeof names[0] ? names[level] : "unknown";
}
