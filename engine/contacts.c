/* The host's side of other devices: which are known, where, and what sessions there were.
 *
 *   weft_connect, weft_pause, ... ─► listener
 *   weft_contacts ◄── sheets ◄────── listener          without asking anybody
 *   weft_history_wait ─► log writes what waits ─► a connection of its own
 *
 * Not here: when a device is called (actors/listener_dial.c). */
#include "engine/host.h"

#include "engine/base/sheet.h"
#include "engine/store/contacts.h"

_Static_assert(WEFT_ADDRESSES_MAX == LIMIT_ADDRESSES, "the interface shows every address");

/* ---- orders ---- */

enum weft_status host_order(struct weft_engine *engine, struct mail *mail, struct weft_error *why) {
    enum weft_status status = host_fault(engine, why);
    if (status != WEFT_OK) {
        status = WEFT_CLOSED;
    } else if (!edge_push(engine->to_listener, mail)) {
        status = status_fail(why, WEFT_BUSY, 0, "too many orders at once; try again");
    } else {
        mail = NULL;
    }
    mail_drop(&mail);
    return status;
}

/* Whether one more contact would be too many. */
static bool is_full(const struct weft_engine *engine, const char *address) {
    struct contact_shown shown;
    uint32_t count = 0;
    const char *mark = strchr(address, '#');
    const size_t size = mark == NULL ? strlen(address) : (size_t)(mark - address);
    for (uint32_t i = 0; i < LIMIT_CONTACTS; i++) {
        if (!sheet_written(&engine->sheets[i])) continue;
        sheet_read(&engine->sheets[i], &shown, sizeof shown);
        count += shown.used;
        for (uint32_t k = 0; shown.used && k < shown.contact.address_count; k++) {
            const char *text = shown.contact.addresses[k].text;
            if (strncmp(text, address, size) == 0 && text[size] == 0) return false;
        }
    }
    return count == LIMIT_CONTACTS;
}

/* Sends an order that is about an address. */
static enum weft_status send_address(struct weft_engine *engine, const char *address, bool forget,
                                     struct weft_error *why) {
    Weft__Connect *connect = NULL;
    Weft__Disconnect *disconnect = NULL;
    enum weft_status status = WEFT_OK;
    (void)pthread_mutex_lock(&engine->lock);
    struct mail *mail = forget
                            ? mail_new(engine->store_pool, WEFT__MAIL__BODY_DISCONNECT, &disconnect)
                            : mail_new(engine->store_pool, WEFT__MAIL__BODY_CONNECT, &connect);
    char *text = mail == NULL ? NULL : mail_text(mail, address);
    if (text == NULL) {
        mail_drop(&mail);
        status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory to connect to %s", address);
    } else {
        *(forget ? &disconnect->address : &connect->address) = text;
        status = host_order(engine, mail, why);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (status == WEFT_OK)
        logger_say(engine, forget ? LOGGED_FORGET : LOGGED_CONNECT, NULL, LOGGED_KEY_ADDRESS,
                   address);
    return status;
}

enum weft_status weft_connect(weft_engine *engine, const char *address, struct weft_error *why) {
    CHECK(engine != NULL);
    enum weft_status status = host_check_address(engine, address, why);
    if (status != WEFT_OK) return status;
    if (is_full(engine, address)) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "%u devices and addresses are known already; forget some of these "
                           "addresses first",
                           LIMIT_CONTACTS);
    }
    return send_address(engine, address, false, why);
}

enum weft_status weft_forget_address(weft_engine *engine, const char *address,
                                     struct weft_error *why) {
    CHECK(engine != NULL);
    enum weft_status status = host_check_address(engine, address, why);
    return status == WEFT_OK ? send_address(engine, address, true, why) : status;
}

static enum weft_status set_paused(struct weft_engine *engine, const uint8_t *device, bool paused) {
    Weft__Pausing *pausing = NULL;
    enum weft_status status = WEFT_NO_MEMORY;
    (void)pthread_mutex_lock(&engine->lock);
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_PAUSING, &pausing);
    if (mail != NULL &&
        (device == NULL || mail_bytes(mail, &pausing->device, device, WEFT_ID_SIZE))) {
        pausing->paused = paused;
        status = host_order(engine, mail, NULL);
        if (status == WEFT_OK && device == NULL) atomic_store(&engine->paused, paused);
    } else {
        mail_drop(&mail);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (status == WEFT_OK)
        logger_say(engine, paused ? LOGGED_PAUSED : LOGGED_RESUMED, device, LOGGED_KEY_NONE, NULL);
    return status;
}

enum weft_status weft_pause(weft_engine *engine, const uint8_t device[WEFT_ID_SIZE]) {
    CHECK(engine != NULL);
    return set_paused(engine, device, true);
}

enum weft_status weft_resume(weft_engine *engine, const uint8_t device[WEFT_ID_SIZE]) {
    CHECK(engine != NULL);
    return set_paused(engine, device, false);
}

bool weft_is_paused(const weft_engine *engine) {
    CHECK(engine != NULL);
    return atomic_load(&engine->paused);
}

/* ---- who is known ---- */

/* What the listener does not know: its name, and what the session that stands has moved. */
static void complete(const struct weft_engine *engine, struct contact_shown *shown) {
    struct weft_contact *contact = &shown->contact;
    const struct board *board = engine->board;
    if (shown->live >= 0 && (uint32_t)shown->live < board->peer_count) {
        const struct board_peer *cell = &board->peers[shown->live];
        contact->rows_in += board_get(cell->rows_in) - shown->before.rows_in;
        contact->rows_out += board_get(cell->rows_out) - shown->before.rows_out;
        contact->bytes_in += board_get(cell->bytes_in) - shown->before.bytes_in;
        contact->bytes_out += board_get(cell->bytes_out) - shown->before.bytes_out;
    }
    const uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    for (uint32_t i = 0; i < seats; i++) {
        const struct board_seat *seat = &board->members[i];
        if (board_get(seat->device[0]) != load_u64(contact->device) ||
            board_get(seat->device[1]) != load_u64(contact->device + 8))
            continue;
        host_read_name(seat->name, contact->name);
        if (board_get(seat->state) != BOARD_MEMBER) continue;
        struct weft_lag lag;
        metrics_lag(engine, i, &lag);
        contact->lag_ms = lag.ms;
        contact->lag_rows = lag.rows;
        contact->lag_rows_known = lag.rows_known;
        contact->lag_records = lag.records;
    }
}

unsigned weft_contacts(const weft_engine *engine, struct weft_contact *out, unsigned cap) {
    CHECK(engine != NULL && (out != NULL || cap == 0));
    struct contact_shown shown;
    unsigned count = 0;
    for (uint32_t i = 0; i < LIMIT_CONTACTS; i++) {
        if (!sheet_written(&engine->sheets[i])) continue;
        sheet_read(&engine->sheets[i], &shown, sizeof shown);
        if (!shown.used || count++ >= cap) continue;
        complete(engine, &shown);
        out[count - 1] = shown.contact;
    }
    return count;
}

/* ---- sessions ---- */

enum weft_status weft_history_wait(weft_engine *engine, const uint8_t device[WEFT_ID_SIZE],
                                   struct weft_session *out, unsigned cap, unsigned *count,
                                   struct weft_error *why) {
    CHECK(engine != NULL && count != NULL && (out != NULL || cap == 0));
    sqlite3 *db = NULL;
    struct id id = {0};
    uint32_t read = 0;
    *count = 0;
    if (device != NULL) memcpy(id.bytes, device, sizeof id.bytes);
    enum weft_status status = host_ask_log(engine, false, why);
    if (status == WEFT_OK)
        status = store_connect(engine->path, engine->ports.vfs, true, 0, &db, why);
    if (status != WEFT_OK) return status;
    status = contacts_history(db, engine->path, device == NULL ? NULL : &id, out, cap, &read, why);
    (void)sqlite3_close(db);
    *count = read;
    return status;
}
