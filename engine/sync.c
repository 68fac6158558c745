/* weft_sync_now_wait(): whom it waits for, and what they have come to.
 *
 *   host ─ Sync ─► clock ─► log ─► bulk, share ─► each session asks, and is answered
 *    └─ sleeps ◄─────────────────── board: the newest call that a session has come to the end of
 *
 * A session that begins while somebody waits asks too, so that one that is cut off costs time only.
 * Not here: what is asked and answered (actors/bulk_sync.c). */
#include <stdio.h>
#include <stdlib.h>

#include "engine/host.h"

/* Devices that are waited for. */
struct syncing {
    uint64_t number;
    uint32_t count;
    struct id *devices; /* as many as there may be sessions */
};

static struct id device_of(const struct board_peer *peer) {
    struct id device;
    store_u64(device.bytes, board_get(peer->device[0]));
    store_u64(device.bytes + 8, board_get(peer->device[1]));
    return device;
}

static bool is_live(const struct board_peer *peer) {
    return board_get(peer->state) == WEFT_PEER_LIVE;
}

static bool waits_for(const struct syncing *syncing, const struct id *device) {
    for (uint32_t i = 0; i < syncing->count; i++)
        if (id_equal(&syncing->devices[i], device)) return true;
    return false;
}

static bool is_member(const struct board *board, const struct id *device) {
    const uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    for (uint32_t m = 0; m < seats; m++) {
        const struct board_seat *seat = &board->members[m];
        if (atomic_load_explicit(&seat->state, memory_order_acquire) != BOARD_MEMBER) continue;
        if (board_get(seat->device[0]) == load_u64(device->bytes) &&
            board_get(seat->device[1]) == load_u64(device->bytes + 8))
            return true;
    }
    return false;
}

static enum weft_status choose(const struct weft_engine *engine, const uint8_t *device,
                               struct syncing *out, struct weft_error *why) {
    const struct board *board = engine->board;
    if (device != NULL) {
        memcpy(out->devices[0].bytes, device, WEFT_ID_SIZE);
        out->count = 1;
        if (is_member(board, &out->devices[0])) return WEFT_OK;
        return status_fail(why, WEFT_NOT_FOUND, 0,
                           "the device to be asked what it holds is not another member of the "
                           "library; weft_members() names them");
    }
    for (uint32_t p = 0; p < board->peer_count; p++) {
        const struct id live = device_of(&board->peers[p]);
        if (is_live(&board->peers[p]) && !waits_for(out, &live)) out->devices[out->count++] = live;
    }
    if (out->count != 0) return WEFT_OK;
    return status_fail(why, WEFT_NOT_FOUND, 0,
                       "no session stands with any device, so nobody can be asked what it holds; "
                       "connect first, or name a device to wait for it");
}

/* The order, behind all that was committed. */
static enum weft_status order(struct weft_engine *engine, const uint8_t *device,
                              struct syncing *syncing, struct weft_error *why) {
    Weft__Sync *message = NULL;
    if (atomic_load(&engine->closing))
        return status_fail(why, WEFT_CLOSED, 0, "the engine is being closed");
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_SYNC, &message);
    if (mail == NULL ||
        (device != NULL && !mail_bytes(mail, &message->device, device, WEFT_ID_SIZE))) {
        mail_drop(&mail);
        return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
    }
    message->number = syncing->number = ++engine->syncs;
    if (edge_push(engine->to_clock, mail)) return WEFT_OK;
    mail_drop(&mail);
    return status_fail(why, WEFT_BUSY, 0, "too many orders at once; try again");
}

/* Lets go of those who have come to the end of it. */
static void look(const struct weft_engine *engine, struct syncing *syncing) {
    for (uint32_t p = 0; p < engine->board->peer_count; p++) {
        const struct board_peer *peer = &engine->board->peers[p];
        if (!is_live(peer)) continue;
        if (atomic_load_explicit(&peer->synced_rows, memory_order_acquire) < syncing->number ||
            atomic_load_explicit(&peer->synced_shared, memory_order_acquire) < syncing->number)
            continue;
        const struct id device = device_of(peer);
        for (uint32_t i = 0; i < syncing->count; i++) {
            if (id_equal(&syncing->devices[i], &device))
                syncing->devices[i--] = syncing->devices[--syncing->count];
        }
    }
}

static enum weft_status too_late(const struct weft_engine *engine, const struct syncing *syncing,
                                 int timeout_ms, struct weft_error *why) {
    const struct id *device = &syncing->devices[0];
    char text[ID_TEXT_SIZE], others[48] = "";
    bool live = false;
    for (uint32_t p = 0; p < engine->board->peer_count; p++) {
        const struct id other = device_of(&engine->board->peers[p]);
        live = live || (is_live(&engine->board->peers[p]) && id_equal(&other, device));
    }
    id_text(device, text);
    if (syncing->count > 1)
        (void)snprintf(others, sizeof others, ", and so it is with %u more", syncing->count - 1);
    return status_fail(why, WEFT_TIMEOUT, 0,
                       live ? "device %s and this one have not come to hold the same in %d ms: it "
                              "has not answered, or not all rows have come through%s"
                            : "no session stands with device %s after %d ms, so that it is not "
                              "known what it holds%s",
                       text, timeout_ms, others);
}

enum weft_status weft_sync_now_wait(weft_engine *engine, const uint8_t *device, int timeout_ms,
                                    struct weft_error *why) {
    CHECK(engine != NULL);
    struct deadline deadline = host_deadline(engine, timeout_ms);
    struct syncing syncing = {.devices = calloc(engine->board->peer_count, sizeof(struct id))};
    if (syncing.devices == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
    (void)pthread_mutex_lock(&engine->lock);
    /* Before it is looked who is there: whoever comes later asks for itself. */
    atomic_fetch_add(&engine->board->syncing, 1);
    enum weft_status status = host_fault(engine, why);
    if (status == WEFT_OK) status = choose(engine, device, &syncing, why);
    if (status == WEFT_OK) status = order(engine, device, &syncing, why);
    while (status == WEFT_OK) {
        look(engine, &syncing);
        if (syncing.count == 0) break;
        status = host_fault(engine, why);
        if (status == WEFT_OK && !host_sleep(engine, &deadline))
            status = too_late(engine, &syncing, timeout_ms, why);
    }
    atomic_fetch_sub(&engine->board->syncing, 1);
    (void)pthread_mutex_unlock(&engine->lock);
    free(syncing.devices);
    return status;
}
