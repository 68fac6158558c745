/* Statements: what this device holds, signed, and what others say they hold, from whoever passes it
 * on (wire/attest.h). Peers tell each other at once, by acknowledgements; this is for those who
 * never meet.
 *
 *   something new is held ──1 s──► statement, signed ──► share ──► every peer
 *   peer ─► newer than the last? ─► signed by that member? ─► merged ─► share, which passes it on
 *
 * Each says what its device holds, and with which digest (store/digest.h): so two that hold as much
 * see whether it is the same (log_digest.c).
 * Invariants
 *   1. What is said is committed and synced.
 *   2. A statement goes on only if its signature holds, and once. */
#include "actors/log_private.h"

#include <stdlib.h>

#include "engine/store/models.h"
#include "engine/wire/attest.h"

#define ATTEST_DELAY_US 1000000u /* statements gather what has come until then */

void log_attest_again(struct log *log, struct instant now) {
    if (log->attest_due_us == DUE_NEVER) log->attest_due_us = now.mono_us + ATTEST_DELAY_US;
}

void log_attest_wait(struct log *log, struct instant now) {
    if (log->place == log->told_place && log->moved.count == 0) return;
    log_attest_again(log, now);
}

/* ---- this device's ---- */

/* The tables that a statement speaks of: those of this version, and shared ones of which rows are
 * kept for another. */
struct table_list {
    struct bytes names[ATTEST_TABLES];
    uint32_t count;
};

static uint32_t table_number(struct table_list *tables, const char *name) {
    for (uint32_t t = 0; t < tables->count; t++) {
        if (tables->names[t].data == (const uint8_t *)name) return t;
    }
    if (tables->count == ATTEST_TABLES) return ATTEST_TABLES;
    tables->names[tables->count] = (struct bytes){(const uint8_t *)name, strlen(name)};
    return tables->count++;
}

static void list_tables(const struct log *log, const struct digest_list *digests,
                        struct table_list *tables) {
    const struct models *models = log->settings->models;
    for (uint32_t m = 0; m < models->count; m++) {
        const struct model *model = models_owned(models, m + 1);
        if (model != NULL) (void)table_number(tables, model->name);
    }
    for (uint32_t i = 0; i < digests->count; i++) {
        if (digests->list[i].shared) (void)table_number(tables, digests->list[i].table);
    }
}

static void add_places(const struct log *log, struct attest_builder *builder,
                       const struct digest_list *digests, struct table_list *tables, bool own) {
    for (uint32_t i = 0; i < digests->count; i++) {
        const struct digest_found *found = &digests->list[i];
        const bool let_go = found->position < found->gone;
        if (found->shared || (found->position == 0 && !let_go)) continue;
        if (id_equal(&found->owner, &log->settings->device) != own) continue;
        const struct model *model = models_owned(log->settings->models, found->model);
        if (model == NULL) continue;
        if (let_go) {
            const uint32_t table = table_number(tables, model->name);
            log_attest_gone(log, found, table, builder);
            continue;
        }
        const struct attest_place place = {found->owner, table_number(tables, model->name),
                                           found->position, found->known && found->settled,
                                           found->kept};
        attest_add_place(builder, &place);
    }
}

/* Streams that are left out, as places with position 0. */
static void add_skipped(const struct log *log, struct attest_builder *builder,
                        struct table_list *tables) {
    const struct models *models = log->settings->models;
    for (uint32_t m = 0; m < models->count; m++) {
        const struct model *model = models_owned(models, m + 1);
        if (model == NULL) continue;
        log_attest_skipped(log, model->id, table_number(tables, model->name), builder);
    }
}

/* Whether shared rows are not all that the heads say: some wait, or an origin is frozen, of which
 * others may hold another branch. */
static bool is_waiting(const struct log *log) {
    bool waiting = log->quarantine_due_us != DUE_NEVER;
    for (uint32_t i = 0; i < log->head_count; i++)
        waiting = waiting || log->heads[i].frozen;
    return waiting;
}

static enum weft_status write_statement(struct log *log, struct arena *arena, struct bytes *out) {
    const struct record_origin self = {log->settings->device, log->settings->incarnation};
    const struct digest_list *digests = log_digests(log);
    struct table_list tables = {.count = 0};
    struct attest_builder builder;
    if (digests == NULL) return WEFT_IO;
    list_tables(log, digests, &tables);
    attest_begin(&builder, arena, &self, ++log->serial, is_waiting(log), tables.names,
                 tables.count);
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct attest_head head = {log->heads[i].origin, log->heads[i].seq};
        attest_add_head(&builder, &head);
    }
    attest_begin_sums(&builder);
    for (uint32_t i = 0; i < digests->count; i++) {
        const struct digest_found *found = &digests->list[i];
        if (!found->shared || !found->known) continue;
        const uint32_t table = table_number(&tables, found->table);
        if (table < ATTEST_TABLES) attest_add_sum(&builder, table, found->kept);
    }
    attest_begin_places(&builder);
    add_places(log, &builder, digests, &tables, true);
    add_places(log, &builder, digests, &tables, false);
    add_skipped(log, &builder, &tables);
    return attest_end(&builder, log->settings->identity, out);
}

static Weft__Attested *new_mail(struct outbox *out, size_t room, struct mail **mail) {
    Weft__Attested *attested = NULL;
    *mail = outbox_mail(out, WEFT__MAIL__BODY_ATTESTED, &attested);
    attested->statements = arena_zero(&(*mail)->arena, room * sizeof *attested->statements + 1);
    CHECK(attested->statements != NULL);
    return attested;
}

void log_attest(struct log *log, struct instant now, struct outbox *out) {
    struct arena arena;
    struct bytes statement;
    struct mail *mail = NULL;
    CHECK(!log->open);
    log->attest_due_us = DUE_NEVER;
    if (log_reload_shared(log, NULL) != WEFT_OK) {
        log->attest_due_us = now.mono_us + LIMIT_RETRY_US;
        return;
    }
    if (!roster_has(&log->roster, &log->settings->device)) return;
    if (log->taking != NULL) return; /* It is said when the snapshot is whole. */
    arena_init(&arena, log->pool);
    if (write_statement(log, &arena, &statement) == WEFT_OK) {
        Weft__Attested *attested = new_mail(out, 1, &mail);
        CHECK(mail_bytes(mail, &attested->statements[0], statement.data, statement.size));
        attested->n_statements = 1;
        outbox_send(out, ACTOR_SHARE, &mail);
        log_compare_all(log, now, out);
    } else {
        log->attest_due_us = now.mono_us + LIMIT_RETRY_US;
    }
    arena_drop(&arena);
}

/* ---- of others ---- */

/* A statement may come before the record that makes its device a member, and is passed on once.
 * Without memory, or when there are more, those that are lost come again in some minutes. */
static void stray_add(struct log *log, const struct id *device, struct bytes said) {
    struct stray *stray = log->strays;
    while (stray < log->strays + log->stray_count && !id_equal(&stray->device, device))
        stray++;
    uint8_t *copy = stray < log->strays + LOG_STRAYS ? malloc(said.size) : NULL;
    if (copy == NULL) return;
    memcpy(copy, said.data, said.size);
    if (stray == log->strays + log->stray_count) {
        log->stray_count++;
        stray->said = NULL;
    }
    free(stray->said);
    *stray = (struct stray){*device, copy, said.size};
    log->stray_roster = log->roster.version;
}

bool log_strays_due(const struct log *log) {
    return log->stray_count != 0 && log->stray_roster != log->roster.version && !log->open;
}

void log_strays_free(struct log *log) {
    for (uint32_t i = 0; i < log->stray_count; i++)
        free(log->strays[i].said);
    log->stray_count = 0;
}

void log_strays(struct log *log, struct instant now, struct outbox *out) {
    struct stray strays[LOG_STRAYS];
    ProtobufCBinaryData said[LOG_STRAYS];
    Weft__Attested attested = WEFT__ATTESTED__INIT;
    for (uint32_t i = 0; i < log->stray_count; i++) {
        strays[i] = log->strays[i];
        said[i] = (ProtobufCBinaryData){strays[i].size, strays[i].said};
    }
    attested.statements = said;
    attested.n_statements = log->stray_count;
    log->stray_count = 0; /* Who is still unknown comes back. */
    log_attested(log, now, &attested, out);
    for (size_t i = 0; i < attested.n_statements; i++)
        free(strays[i].said);
}

/* Merges what a member says; whether any of it was news. */
static bool merge(struct log *log, struct member *member, const struct attest *attest) {
    const struct models *models = log->settings->models;
    uint32_t model_of[ATTEST_TABLES] = {0}; /* 0: no such table here */
    bool news = false;
    for (uint32_t t = 0; t < attest->table_count; t++) {
        const struct bytes name = attest->tables[t];
        const struct model *model = models_owned_named(models, (const char *)name.data, name.size);
        if (model != NULL) model_of[t] = model->id;
    }
    news = log_take_skips(log, member, attest, model_of);
    for (uint32_t i = 0; i < attest->head_count; i++) {
        const struct attest_head head = attest_head_at(attest, i);
        news = log_holds_shared(log, member, &head.origin, head.seq) || news;
        if (!attest->waiting) log_applies_shared(member, &head.origin, head.seq);
    }
    for (uint32_t i = 0; i < attest->place_count; i++) {
        const struct attest_place place = attest_place_at(attest, i);
        const struct stream stream = {place.owner, model_of[place.table]};
        /* An owner holds its own rows: that is no acknowledgement. */
        if (stream.model == 0 || id_equal(&place.owner, &attest->origin.device)) continue;
        news = log_holds(log, member, &stream, place.position) || news;
    }
    return news;
}

struct taking {
    struct log *log;
    struct instant now;
    bool taken[LIMIT_ROSTER]; /* by seat: of each device at most one of a mail */
    bool news;
};

/* Whether a statement is to be passed on: it is newer than the last one of its device. That what
 * it says is known already, from the device itself, does not matter: others may not know it. What
 * costs most is done last. */
static bool take(struct taking *taking, struct bytes bytes) {
    struct log *log = taking->log;
    struct attest attest;
    if (!attest_read(bytes, &attest)) return false;
    struct member *member = log_member(log, &attest.origin.device);
    const struct roster_member *known = roster_find(&log->roster, &attest.origin.device);
    if (known == NULL) stray_add(log, &attest.origin.device, bytes);
    if (member == NULL || known == NULL || member->state != BOARD_MEMBER) return false;
    bool *taken = &taking->taken[member - log->members];
    const uint64_t incarnation = attest.origin.incarnation;
    if (*taken || incarnation < member->attested_in) return false;
    if (incarnation == member->attested_in && attest.serial <= member->serial) return false;
    if (!attest_signed_by(&attest, &log->settings->library, known->public.id_pk)) return false;
    if (merge(log, member, &attest)) {
        taking->news = true;
        log_figures_held(log, taking->now, member);
    }
    log_heard(log, taking->now, member);
    member->attested_in = incarnation;
    member->serial = attest.serial;
    log_word_new(member, bytes);
    *taken = true;
    return true;
}

void log_attested(struct log *log, struct instant now, const Weft__Attested *attested,
                  struct outbox *out) {
    struct taking taking = {.log = log, .now = now};
    struct mail *mail = NULL;
    /* Who is a member is not known now; statements come again with the next session. */
    if (log->reload_due && (log->open || log_reload_shared(log, NULL) != WEFT_OK)) return;
    Weft__Attested *onward = new_mail(out, attested->n_statements, &mail);
    for (size_t i = 0; i < attested->n_statements; i++) {
        const struct bytes bytes = {attested->statements[i].data, attested->statements[i].len};
        if (!take(&taking, bytes)) continue;
        CHECK(mail_bytes(mail, &onward->statements[onward->n_statements], bytes.data, bytes.size));
        onward->n_statements++;
    }
    if (onward->n_statements == 0) {
        mail_drop(&mail);
    } else {
        outbox_send(out, ACTOR_SHARE, &mail);
    }
    for (uint32_t m = 0; m < log->member_count; m++)
        if (taking.taken[m]) log_compare(log, now, &log->members[m], out);
    if (!taking.news) return;
    log_acks_wait(log, now);
    log_tell_host(out);
}
