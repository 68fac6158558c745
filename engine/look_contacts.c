/* See weft_look.h. Here: other devices as they were met, their addresses and sessions. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/look.h"
#include "engine/store/contacts.h"

static enum weft_status no_memory(struct weft_look *look, struct weft_error *why) {
    return status_fail(why, WEFT_NO_MEMORY, 0,
                       "looking at the devices that %s knows: out of memory; free some",
                       look->path);
}

static void take_name(void *context, const struct weft_look_member *member) {
    struct weft_contact *contact = context;
    if (memcmp(member->member.device, contact->device, WEFT_ID_SIZE) == 0)
        memcpy(contact->name, member->member.name, sizeof contact->name);
}

static void fill(const struct contact_known *known, struct weft_contact *out) {
    *out = (struct weft_contact){.paused = known->paused,
                                 .seen_ms = known->seen_ms,
                                 .sessions = known->sessions,
                                 .failures = known->failures,
                                 .rows_in = known->rows_in,
                                 .rows_out = known->rows_out,
                                 .bytes_in = known->bytes_in,
                                 .bytes_out = known->bytes_out,
                                 .address_count = known->address_count};
    if (known->named) memcpy(out->device, known->device.bytes, WEFT_ID_SIZE);
    memcpy(out->addresses, known->addresses, sizeof out->addresses);
}

enum weft_status weft_look_contacts(weft_look *look, bool *paused, void *context,
                                    void (*visit)(void *context,
                                                  const struct weft_contact *contact),
                                    struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    struct contacts *contacts = malloc(sizeof *contacts);
    if (contacts == NULL) return no_memory(look, why);
    enum weft_status status = contacts_load(look->db, look->path, contacts, why);
    if (status == WEFT_OK && paused != NULL) *paused = contacts->paused;
    for (uint32_t i = 0; i < LIMIT_CONTACTS && status == WEFT_OK; i++) {
        struct weft_contact contact;
        if (!contacts->used[i]) continue;
        fill(&contacts->list[i], &contact);
        if (contacts->list[i].named) status = weft_look_members(look, &contact, take_name, why);
        if (status == WEFT_OK) visit(context, &contact);
    }
    free(contacts);
    return status;
}

enum weft_status weft_look_sessions(
    weft_look *look, const uint8_t *device, unsigned last, void *context,
    void (*visit)(void *context, const struct weft_session *session), struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    const uint32_t most = LIMIT_HISTORY * LIMIT_ROSTER;
    const uint32_t room = last < most ? last : most;
    struct id id;
    uint32_t count = 0;
    if (room == 0) return WEFT_OK;
    struct weft_session *list = calloc(room, sizeof *list);
    if (list == NULL) return no_memory(look, why);
    if (device != NULL) memcpy(id.bytes, device, sizeof id.bytes);
    enum weft_status status = contacts_history(look->db, look->path, device == NULL ? NULL : &id,
                                               list, room, &count, why);
    for (uint32_t i = 0; i < count && status == WEFT_OK; i++)
        visit(context, &list[i]);
    free(list);
    return status;
}
