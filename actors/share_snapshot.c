/* Snapshots that this device takes, as share drives them: chunk after chunk from one source.
 *
 *   "below" ─► READ ──last chunk──► KEPT ──all that is never forgotten──► END ─► FOLLOW ─► NONE
 *               └ one chunk at a time                              the log up to ┘
 *                 is asked for, or with the log                    the last chunk's heads
 *   first chunk ─► KEPT ─► READ: a newcomer that is cut off comes back with the key that is in it,
 *                                and writes nothing before its clock has passed the heads
 * Invariants
 *   1. One source at a time. When some of it was taken, another is chosen only if it has been away
 *      for LIMIT_SOURCE_US, or has given nothing for long; then all begins anew. It alone is sure
 *      to hold what its heads name: rows here have lost to its rows, and those that changed there
 *      while they were read are whole only with the log behind it. Behind a snapshot of another,
 *      whose heads are lower, this device would say that it holds what it has not.
 *   2. Of two that lie below each other's horizon the one with the lower id takes first: a device
 *      that is taking gives nothing, so both would wait for ever. Who has begun only goes on.
 *   3. Two may still have begun, or more in a ring: each with a source that is gone, or that lied.
 *      Who hears from all that they are busy, and goes on hearing it, gives up what it began, the
 *      lowest id first. Then it gives, and takes what it lacks when somebody else is whole. One
 *      that has raised its heads is the last to: what was beaten behind them is not in its rows.
 *   4. A chunk goes to the log only if it is sound, and, where such can be had, no stamp in it is
 *      ahead of the clock; the clock passes all that are not, and such stamps of the heads. Heads
 *      of the last of several chunks may lie ahead: their log is waited for, and waits here for
 *      its time.
 * Not here: what a snapshot does to rows and heads (log), giving one (share_give.c). */
#include <stdlib.h>

#include "actors/share_private.h"
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/hlc.h"
#include "engine/wire/message.h"
#include "engine/wire/snapshot.h"

#define SNAPSHOT_ZSTD_LEVEL 1
#define SNAPSHOT_AHEAD_US 10000000u /* by so much more may two clocks differ that are not wrong */
#define SNAPSHOT_STILL_US (4u * (uint64_t)LIMIT_SOURCE_US)
#define SNAPSHOT_STUCK_US (2u * (uint64_t)LIMIT_SOURCE_US) /* all are busy, and it is the lowest */

/* ---- where it stands ---- */

static bool cursor_grow(struct share_taking *taking, size_t size) {
    if (size <= taking->cursor_room) return true;
    uint8_t *cursor = realloc(taking->cursor, size);
    if (cursor == NULL) return false;
    taking->cursor = cursor;
    taking->cursor_room = size;
    return true;
}

/* Without memory it begins anew. */
static void set_cursor(struct share_taking *taking, const ProtobufCBinaryData *cursor) {
    taking->cursor_size = cursor_grow(taking, cursor->len) ? cursor->len : 0;
    if (taking->cursor_size != 0) memcpy(taking->cursor, cursor->data, cursor->len);
}

enum weft_status share_snapshot_start(struct share *share, struct weft_error *why) {
    struct share_taking *taking = &share->taking;
    struct arena arena;
    struct bytes packed;
    arena_init(&arena, share->pool);
    struct ProtobufCAllocator allocator = message_allocator(&arena);
    enum weft_status status = shared_reader_taking(share->reader, &arena, &packed, why);
    Weft__Taking *said = NULL;
    if (status == WEFT_OK && packed.size != 0)
        said = weft__taking__unpack(&allocator, packed.size, packed.data);
    /* What cannot be read the log refuses to open. */
    if (said != NULL && id_read(&taking->source, said->source.data, said->source.len)) {
        taking->begun = true;
        taking->unite = said->unite;
        taking->raised = said->raised;
        taking->missing = UINT64_MAX;
        taking->stage = said->raised ? TAKING_FOLLOW : said->read ? TAKING_KEPT : TAKING_READ;
        set_cursor(taking, &said->cursor);
    }
    arena_drop(&arena);
    return status;
}

void share_snapshot_stop(struct share *share) {
    free(share->taking.cursor);
    if (share->snapshots != NULL) snapshot_reader_close(share->snapshots);
    if (share->zip != NULL) zip_close(share->zip);
}

void share_forget_peer(struct share *share, uint32_t index) {
    mail_drop(&share->peers[index].chunk);
}

/* Nothing is being taken any more. */
static void end_taking(struct share_taking *taking) {
    taking->stage = TAKING_NONE;
    taking->begun = taking->raised = taking->repair = taking->unite = false;
    taking->ahead_us = taking->stuck_us = 0;
}

void share_follow_taking(struct share *share, bool taking, uint64_t missing) {
    struct share_taking *mine = &share->taking;
    /* Of rows only chunks are a step on, and of the log behind them what is missing: its source may
     * have been restored, and have it no more, while other records come and come. */
    const bool step = mine->stage == TAKING_FOLLOW && missing != 0 && missing < mine->missing;
    if (!taking || step) mine->still_us = 0;
    if (step) mine->missing = missing;
    if (taking) return;
    if (mine->stage == TAKING_END || mine->stage == TAKING_FOLLOW) {
        end_taking(mine);
    } else if (mine->raised) {
        /* The log behind it has come after all, while another was to take its place. */
        mine->begun = mine->raised = false;
        if (!mine->under_way) end_taking(mine);
    }
}

static bool is_source(const struct share *share, const struct share_peer *peer) {
    return peer->live && id_equal(&peer->device, &share->taking.source);
}

void share_still_giving(struct share *share, const struct share_peer *peer) {
    if (is_source(share, peer)) share->taking.still_us = 0;
}

static struct share_peer *find_source(const struct share *share) {
    for (uint32_t p = 0; p < share->settings->peers; p++) {
        if (is_source(share, &share->peers[p])) return &share->peers[p];
    }
    return NULL;
}

/* ---- taking: asking ---- */

static void begin_with(struct share *share, const struct share_peer *peer) {
    struct share_taking *taking = &share->taking;
    taking->stage = TAKING_READ;
    taking->source = peer->device;
    taking->cursor_size = 0;
    taking->early = false;
    taking->lost_us = taking->still_us = 0;
    taking->lost = taking->repair = taking->unite = false;
}

void share_on_repair(struct share *share, const Weft__Repair *repair) {
    struct share_taking *taking = &share->taking;
    for (uint32_t p = 0; taking->stage == TAKING_NONE && p < share->settings->peers; p++) {
        const struct share_peer *peer = &share->peers[p];
        if (!peer->live || memcmp(peer->device.bytes, repair->device.data, WEFT_ID_SIZE) != 0)
            continue;
        begin_with(share, peer);
        taking->repair = true;
        taking->unite = repair->unite;
    }
}

/* Invariant 2. */
static bool may_give(const struct share *share, const struct share_peer *peer) {
    if (!peer->live || !peer->below) return false;
    return share->taking.begun || !peer->told_below ||
           id_compare(&share->settings->device, &peer->device) < 0;
}

/* Whom to take it from: another than the source so far if there is one; NULL: nobody now. */
static struct share_peer *choose(const struct share *share) {
    struct share_peer *again = NULL;
    for (uint32_t p = 0; p < share->settings->peers; p++) {
        struct share_peer *peer = &share->peers[p];
        if (!may_give(share, peer) || peer->busy_us != 0) continue;
        if (!is_source(share, peer)) return peer;
        again = peer;
    }
    return again;
}

/* The source itself, if it is to give anew. */
static struct share_peer *choose_again(struct share *share) {
    struct share_peer *source = find_source(share);
    if (source == NULL || !may_give(share, source) || source->busy_us != 0) return NULL;
    return source;
}

/* Who may give though it has not said that this device lies below: what is missing may be nowhere
 * any more, and another snapshot is whole without it. */
static void ask_all(struct share *share) {
    for (uint32_t p = 0; p < share->settings->peers; p++)
        share->peers[p].below = share->peers[p].below || share->peers[p].live;
}

static bool is_lost(struct share *share, struct instant now) {
    struct share_taking *taking = &share->taking;
    struct share_peer *source = find_source(share);
    if (taking->still_us == 0) taking->still_us = now.mono_us == 0 ? 1 : now.mono_us;
    if (source != NULL) {
        /* One that is there and gives nothing, or is busy for ever, is lost as well. If it owes an
         * answer it can be asked again, when nobody else gives, only in another session. */
        taking->lost_us = 0;
        taking->lost = now.mono_us >= taking->still_us + SNAPSHOT_STILL_US;
        if (taking->lost && (source->asked_chunk || source->asked_kept))
            share_blame(source, source->session, "no answer to a SnapshotWanted for two minutes");
        return taking->lost;
    }
    if (taking->lost_us == 0) taking->lost_us = now.mono_us == 0 ? 1 : now.mono_us;
    if (now.mono_us >= taking->lost_us + LIMIT_SOURCE_US) taking->lost = true;
    return taking->lost;
}

static void ask_source(struct share *share, struct outbox *out) {
    const struct share_taking *taking = &share->taking;
    struct share_peer *source = find_source(share);
    if (source == NULL || taking->under_way || source->notes == 0) return;
    if (source->asked_chunk || source->asked_kept || source->busy_us != 0) return;
    Weft__SnapshotWanted *wanted = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SNAPSHOT_WANTED, &wanted);
    wanted->records = taking->stage == TAKING_KEPT;
    if (!wanted->records) {
        CHECK(mail_bytes(mail, &wanted->cursor, taking->cursor, taking->cursor_size));
    }
    source->asked_chunk = !wanted->records;
    source->asked_kept = wanted->records;
    source->notes--;
    outbox_send(out, ACTOR_PEER + (uint32_t)(source - share->peers), &mail);
}

void share_ask(struct share *share, struct instant now, struct outbox *out) {
    struct share_taking *taking = &share->taking;
    for (uint32_t p = 0; p < share->settings->peers; p++)
        if (now.mono_us >= share->peers[p].busy_us) share->peers[p].busy_us = 0;
    if (taking->stage == TAKING_END || taking->under_way) return;
    const bool lost = taking->stage != TAKING_NONE && is_lost(share, now);
    if (lost && taking->begun) ask_all(share);
    const struct share_peer *peer = NULL;
    if (taking->stage == TAKING_NONE || lost)
        peer = choose(share);
    else if (taking->stage == TAKING_FOLLOW)
        peer = choose_again(share); /* Invariant 1. */
    if (peer != NULL) begin_with(share, peer);
    if (taking->stage == TAKING_READ || taking->stage == TAKING_KEPT) ask_source(share, out);
}

uint64_t share_ask_due(const struct share *share) {
    const struct share_taking *taking = &share->taking;
    uint64_t due = DUE_NEVER;
    if (taking->stage != TAKING_NONE && !taking->lost) {
        if (taking->lost_us != 0) due = taking->lost_us + LIMIT_SOURCE_US;
        if (taking->still_us != 0 && taking->still_us + SNAPSHOT_STILL_US < due)
            due = taking->still_us + SNAPSHOT_STILL_US;
    }
    for (uint32_t p = 0; p < share->settings->peers; p++) {
        const struct share_peer *peer = &share->peers[p];
        if (peer->live && peer->busy_us != 0 && peer->busy_us < due) due = peer->busy_us;
    }
    return due;
}

/* ---- taking: what comes ---- */

static void later(struct share_peer *peer, struct instant now) {
    peer->busy_us = now.mono_us + LIMIT_RETRY_US;
}

/* The source does not keep to the protocol: whoever else may give is asked at once, and it again
 * only if it says anew that this device lies below. */
static void give_up_source(struct share_taking *taking, struct share_peer *peer) {
    peer->below = false;
    taking->stage = TAKING_READ;
    taking->source = (struct id){{0}};
    taking->cursor_size = 0;
    taking->early = false;
    taking->lost = true;
}

/* For the log: the end of a snapshot, or of taking it. */
static void send_end(struct share *share, uint32_t index, bool give_up, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    Weft__Records *records = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RECORDS, &records);
    records->peer = index;
    records->session = peer->session;
    records->chunk = mail_message(mail, &weft__chunk__descriptor);
    CHECK(records->chunk != NULL);
    records->chunk->finish = !give_up;
    records->chunk->give_up = give_up;
    records->chunk->unite = share->taking.unite;
    CHECK(mail_bytes(mail, &records->chunk->source, peer->device.bytes, WEFT_ID_SIZE));
    if (!give_up) share->taking.stage = TAKING_END;
    share->taking.under_way = true;
    peer->under_way++;
    outbox_send(out, ACTOR_CLOCK, &mail);
}

void share_on_below(struct share *share, struct instant now, uint32_t index, bool kept,
                    struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    if (!kept) {
        peer->below = true;
        return;
    }
    const bool asked = peer->asked_kept, missed = peer->kept_missed;
    peer->asked_kept = peer->kept_missed = false;
    if (missed) later(peer, now);
    if (!asked || missed || share->taking.stage != TAKING_KEPT || !is_source(share, peer)) return;
    if (share->taking.early) {
        share->taking.early = false;
        share->taking.stage = TAKING_READ;
    } else {
        send_end(share, index, false, out);
    }
}

bool share_zip_start(struct share *share) {
    if (share->zip == NULL) share->zip = zip_open(SNAPSHOT_ZSTD_LEVEL);
    return share->zip != NULL;
}

/* Puts bodies that came compressed into their places. */
static enum weft_status unzip(struct share *share, struct mail *mail, Weft__Chunk *chunk,
                              struct weft_error *why) {
    if (chunk->n_raw_sizes == 0 || chunk->n_bodies > SNAPSHOT_BODIES) return WEFT_OK;
    if (chunk->n_raw_sizes != chunk->n_bodies)
        return status_fail(why, WEFT_PROTOCOL, 0, "a SnapshotChunk with too few or many sizes");
    if (!share_zip_start(share))
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a snapshot");
    for (size_t i = 0; i < chunk->n_bodies; i++) {
        const struct bytes packed = {chunk->bodies[i].data, chunk->bodies[i].len};
        struct bytes raw;
        if (chunk->raw_sizes[i] == 0) continue;
        if (chunk->raw_sizes[i] > LIMIT_SNAPSHOT)
            return status_fail(why, WEFT_PROTOCOL, 0, "a SnapshotChunk that is too large");
        enum weft_status status =
            zip_unpack(share->zip, packed, chunk->raw_sizes[i], &mail->arena, &raw, why);
        if (status != WEFT_OK) return status;
        chunk->bodies[i] = (ProtobufCBinaryData){raw.size, (uint8_t *)(uintptr_t)raw.data};
    }
    chunk->n_raw_sizes = 0;
    return WEFT_OK;
}

static bool lies_ahead(struct instant now, uint64_t hlc) {
    return hlc_ms(hlc) > now.wall_ms + LIMIT_CLOCK_AHEAD_MS;
}

/* What share has to know of a chunk. */
struct chunk_news {
    uint64_t newest; /* the greatest stamp in it */
    uint64_t passed; /* ... of those that do not lie ahead: what the clock is to pass */
    bool more;       /* its giver holds more than this device */
};

static void note_stamp(struct chunk_news *news, struct instant now, uint64_t hlc) {
    if (hlc > news->newest) news->newest = hlc;
    if (hlc > news->passed && !lies_ahead(now, hlc)) news->passed = hlc;
}

/* What is wrong with a chunk, or NULL. Of its heads' stamps each counts, since its giver has taken
 * all up to there: what this device writes from now on is later than that also where the giver has
 * forgotten it. Heads of the last of several chunks may name what waits for its time there as well,
 * and are left out if they lie ahead. */
static const char *chunk_fault(const struct share *share, struct instant now,
                               const Weft__Chunk *chunk, struct chunk_news *news) {
    const bool several = share->taking.cursor_size != 0;
    if (chunk->n_heads > LIMIT_ORIGINS || chunk->n_bodies > SNAPSHOT_BODIES)
        return "a SnapshotChunk with too many heads or bodies";
    if (chunk->cursor.len > LIMIT_CURSOR || (!chunk->last && chunk->cursor.len == 0))
        return "a SnapshotChunk with an impossible cursor";
    for (size_t i = 0; i < chunk->n_heads; i++) {
        struct record record;
        const struct bytes proof = {chunk->heads[i].data, chunk->heads[i].len};
        if (!record_read_proof(&share->settings->library, proof, &record))
            return "a SnapshotChunk with an impossible head";
        news->more = news->more || record.seq > heads_seq(&share->heads, &record.origin);
        if (!several || !lies_ahead(now, record.hlc)) note_stamp(news, now, record.hlc);
    }
    for (size_t i = 0; i < chunk->n_bodies; i++) {
        uint64_t stamp = 0;
        const struct bytes body = {chunk->bodies[i].data, chunk->bodies[i].len};
        if (!snapshot_sound(body, &stamp)) return "a SnapshotChunk with rows that cannot be read";
        note_stamp(news, now, stamp);
        /* Rows with earlier stamps stand beside the one that lies ahead. */
        if (lies_ahead(now, stamp))
            note_stamp(news, now, snapshot_newest(body, now.wall_ms + LIMIT_CLOCK_AHEAD_MS));
    }
    return NULL;
}

/* Invariant 3: whether this one is the next to give up what it began. */
static bool gives_up(const struct share *share, struct instant now) {
    const struct share_taking *taking = &share->taking;
    uint64_t due = taking->stuck_us + SNAPSHOT_STUCK_US;
    bool lowest = true;
    for (uint32_t p = 0; p < share->settings->peers; p++) {
        const struct share_peer *peer = &share->peers[p];
        if (!peer->live) continue;
        /* One that has not said so may give; one that says nothing for so long will not. */
        if (!peer->busy && now.mono_us < taking->stuck_us + SNAPSHOT_STILL_US) return false;
        lowest = lowest && id_compare(&share->settings->device, &peer->device) < 0;
    }
    if (taking->raised) due += LIMIT_SOURCE_US;
    if (!lowest) due += LIMIT_SOURCE_US / 2;
    return now.mono_us >= due && (lowest || !taking->raised);
}

/* It is taking a snapshot itself. */
static void on_busy(struct share *share, struct instant now, uint32_t index, struct outbox *out) {
    struct share_taking *taking = &share->taking;
    struct share_peer *peer = &share->peers[index];
    later(peer, now);
    peer->busy = true;
    if (!taking->begun) {
        /* Nothing has been done yet: another may have time. */
        if (taking->cursor_size == 0) taking->stage = TAKING_NONE;
        return;
    }
    if (taking->stuck_us == 0) taking->stuck_us = now.mono_us == 0 ? 1 : now.mono_us;
    const bool lost = now.mono_us >= taking->stuck_us + LIMIT_SOURCE_US;
    if (lost) ask_all(share);
    const struct share_peer *other = lost ? choose(share) : NULL;
    if (gives_up(share, now)) {
        send_end(share, index, true, out);
    } else if (other != NULL) {
        begin_with(share, other);
    }
}

/* Of those who could give, all have stamps that lie ahead: one of the clocks is wrong, and no later
 * try will be better. They are taken then; the clock passes those beside them that do not. */
static bool waited(struct share_taking *taking, struct instant now) {
    if (taking->ahead_us == 0) taking->ahead_us = now.mono_us == 0 ? 1 : now.mono_us;
    return now.mono_us >= taking->ahead_us + SNAPSHOT_AHEAD_US;
}

bool share_on_chunk(struct share *share, struct instant now, struct mail **in, struct outbox *out) {
    Weft__Records *records = (*in)->body.records;
    Weft__Chunk *chunk = records->chunk;
    struct share_taking *taking = &share->taking;
    struct share_peer *peer = &share->peers[records->peer];
    const bool asked = peer->asked_chunk;
    peer->asked_chunk = false;
    if (!asked) {
        share_blame(peer, records->session, "a SnapshotChunk that nobody has asked for");
        return false;
    }
    /* Of another attempt. */
    if (taking->stage != TAKING_READ || !is_source(share, peer) || taking->under_way) return false;
    if (chunk->busy) {
        on_busy(share, now, records->peer, out);
        return false;
    }
    peer->busy = false;
    if (chunk->lost) {
        taking->cursor_size = 0;
        return false;
    }
    struct chunk_news news = {0};
    struct weft_error why = {0};
    enum weft_status status = unzip(share, *in, chunk, &why);
    if (status == WEFT_NO_MEMORY) later(peer, now);
    if (status != WEFT_OK && status != WEFT_NO_MEMORY) {
        share_blame(peer, records->session, why.text);
        give_up_source(taking, peer);
    }
    if (status != WEFT_OK) return false;
    const char *fault = chunk_fault(share, now, chunk, &news);
    if (fault != NULL) {
        share_blame(peer, records->session, fault);
        give_up_source(taking, peer);
        return false;
    }
    if (!taking->begun && !taking->repair && !news.more) {
        /* All that it has is here, from somebody else, or it was not so: the log will do. */
        taking->stage = TAKING_NONE;
        peer->below = peer->asked = false;
        return false;
    }
    if (lies_ahead(now, news.newest) && !waited(taking, now)) {
        later(peer, now); /* Its time has come there, and soon will here; or a clock is wrong. */
        const struct share_peer *other = taking->begun ? NULL : choose(share);
        if (other != NULL) begin_with(share, other);
        return false;
    }
    records->hlc = news.passed;
    chunk->unite = taking->unite;
    CHECK(mail_bytes(*in, &chunk->cursor_asked, taking->cursor, taking->cursor_size));
    taking->under_way = true;
    peer->under_way++;
    outbox_send(out, ACTOR_CLOCK, in);
    return true;
}

/* Others are asked from what is here now. */
static void ask_anew(struct share *share) {
    for (uint32_t p = 0; p < share->settings->peers; p++) {
        share->peers[p].below = share->peers[p].busy = false;
        share->peers[p].asked = false;
        share->peers[p].retry_us = 0;
    }
}

/* All is as the giver had it. */
static void ended(struct share *share) {
    struct share_taking *taking = &share->taking;
    if (taking->stage == TAKING_END) {
        taking->stage = TAKING_FOLLOW;
        taking->raised = true;
        taking->missing = UINT64_MAX;
    }
    ask_anew(share);
}

static void given_up(struct share *share) {
    end_taking(&share->taking);
    share->taking.cursor_size = 0;
    ask_anew(share);
}

static void failed(struct share *share, struct share_peer *peer, struct instant now,
                   const Weft__Records *records) {
    struct share_taking *taking = &share->taking;
    if (records->status == WEFT_PROTOCOL || records->status == WEFT_DENIED) {
        share_blame(peer, records->session, records->text);
        give_up_source(taking, peer);
    } else if (records->status == WEFT_NOT_FOUND) {
        /* Something is wrong with it as a whole: anew, from another if there is one. */
        taking->stage = TAKING_READ;
        taking->cursor_size = 0;
    } else if (taking->stage == TAKING_END) {
        taking->stage = TAKING_KEPT;
    }
    later(peer, now);
    if (records->status != WEFT_NOT_FOUND) return;
    if (taking->begun) ask_all(share);
    const struct share_peer *other = choose(share);
    if (other != NULL) begin_with(share, other);
}

void share_chunk_taken(struct share *share, struct instant now, struct mail **in,
                       struct outbox *out) {
    Weft__Records *records = (*in)->body.records;
    const Weft__Chunk *chunk = records->chunk;
    struct share_taking *taking = &share->taking;
    struct share_peer *peer = &share->peers[records->peer];
    CHECK(peer->under_way > 0 && taking->under_way);
    /* That all is whole may have been told before the end comes home. */
    if (records->status == WEFT_OK && !chunk->finish && !chunk->give_up) {
        taking->begun = true;
        taking->raised = false;
    }
    if (records->status == WEFT_OK) taking->still_us = taking->stuck_us = 0;
    if (records->status == WEFT_OK && chunk->more) {
        records->stamp = 0;
        outbox_send(out, ACTOR_CLOCK, in);
        return;
    }
    taking->under_way = false;
    peer->under_way--;
    if (records->status != WEFT_OK) {
        failed(share, peer, now, records);
    } else if (chunk->give_up) {
        given_up(share);
    } else if (chunk->finish) {
        ended(share);
    } else {
        set_cursor(taking, &chunk->cursor);
        taking->early = !chunk->last && chunk->cursor_asked.len == 0;
        if (chunk->last || taking->early) taking->stage = TAKING_KEPT;
    }
    if (records->wire_bytes != 0) share_done(peer, records->session, records->wire_bytes);
    share_settle_left(share, records->peer, out);
}
