/* What the log keeps of other devices: where they can be reached, and the sessions with them.
 *
 *   listener ─► contact, session ─► kept here ── with the next commit ──► schema/006_peers.sql
 *
 * A peer that comes and goes every second is not to cost a sync every second: what is kept waits
 * for a commit that is made anyway, and for LIMIT_CONTACTS_US at most; a second, if a person may
 * have asked for it. A power cut may cost that much of it.
 * Invariants
 *   1. Of each contact the newest word is kept until a commit has written it.
 *   2. At most LIMIT_HISTORY_UNSAVED sessions wait; of more, while no commit succeeds, the oldest
 *      are lost. */
#include "actors/log_private.h"
#include "engine/store/contacts.h"

#define SOON_US 1000000u

static void wait_for_commit(struct log *log, struct instant now, uint64_t wait_us) {
    const uint64_t due = now.mono_us + wait_us;
    if (due < log->contacts_due_us) log->contacts_due_us = due;
}

static void keep_contact(struct log *log, struct instant now, struct mail **in) {
    const Weft__Contact *contact = (*in)->body.contact;
    CHECK(contact->number <= LIMIT_CONTACTS);
    struct mail **place = &log->contacts[contact->number];
    const bool soon = contact->soon || (*place != NULL && (*place)->body.contact->soon);
    mail_drop(place);
    *place = *in;
    *in = NULL;
    (*place)->body.contact->soon = soon;
    wait_for_commit(log, now, soon ? SOON_US : LIMIT_CONTACTS_US);
}

static void keep_session(struct log *log, struct instant now, struct mail **in) {
    if (log->session_count == LIMIT_HISTORY_UNSAVED) {
        mail_drop(&log->sessions[0]);
        log->session_count--;
        memmove((void *)log->sessions, (void *)(log->sessions + 1),
                log->session_count * sizeof log->sessions[0]);
    }
    log->sessions[log->session_count++] = *in;
    *in = NULL;
    wait_for_commit(log, now, log->session_count < LIMIT_HISTORY_UNSAVED ? LIMIT_CONTACTS_US : 0);
}

void log_contact(struct log *log, struct instant now, struct mail **in) {
    if ((*in)->body.body_case == WEFT__MAIL__BODY_CONTACT) {
        keep_contact(log, now, in);
    } else {
        keep_session(log, now, in);
    }
}

enum weft_status log_save_contacts(struct log *log, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    if (log->contacts_due_us == DUE_NEVER) return WEFT_OK;
    for (uint32_t i = 0; i <= LIMIT_CONTACTS && status == WEFT_OK; i++) {
        if (log->contacts[i] != NULL)
            status = contacts_save(log->writer, log->contacts[i]->body.contact, why);
    }
    for (uint32_t i = 0; i < log->session_count && status == WEFT_OK; i++)
        status = contacts_session(log->writer, log->sessions[i]->body.session, why);
    return status;
}

void log_drop_contacts(struct log *log) {
    log->contacts_due_us = DUE_NEVER;
    for (uint32_t i = 0; i <= LIMIT_CONTACTS; i++)
        mail_drop(&log->contacts[i]);
    for (uint32_t i = 0; i < log->session_count; i++)
        mail_drop(&log->sessions[i]);
    log->session_count = 0;
}
