/* The log actor alone, a snapshot that it takes: chunk by chunk, over restarts and full disks, to
 * where the log up to the last chunk's heads is here; and what of it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/crdt/hlc.h"
#include "engine/wire/snapshot.h"
#include "tests/lib/scene.h"
#include "tests/lib/solo_log.h"
#include "tests/lib/words.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define TAKING "SELECT count(*) FROM _weft_meta WHERE key = 'snapshot'"
#define ROWS "SELECT count(*) FROM _weft_shadow"
#define HEAD "SELECT max(seq) FROM _weft_origin WHERE pruned <> 0 OR seq > 5"
#define PRUNED "SELECT count(*) FROM _weft_origin WHERE pruned <> 0"
#define WAITING "SELECT count(*) FROM _weft_quarantine"
#define FROZEN "SELECT count(*) FROM _weft_origin WHERE fork IS NOT NULL"
#define SIGNED 12u /* records of THEM at first: the snapshot is of 10, and goes on with 11, 12 */
#define OF 10u

/* The stage of the log, whose library has THEM and OTHERS in it, and all that THEM ever wrote. */
struct stage {
    struct solo_log *log;
    struct author them;
    struct bytes records[SIGNED + 2], proofs[SIGNED + 2];
    uint64_t hlc[SIGNED + 2];
    struct pool *pool;
    struct arena arena;
    bool told_taking; /* what share was told last */
    uint64_t told_missing;
    unsigned slices; /* of the last chunk */
};

static void sign(struct stage *stage, uint64_t seq, uint64_t hlc) {
    struct author *author = &stage->them;
    struct record record = {.origin = author->origin, .seq = seq, .hlc = hlc};
    struct record_ops ops;
    uint8_t *proof = arena_take(&stage->arena, RECORD_PROOF);
    assert_non_null(proof);
    record_ops_begin(&ops, &stage->arena);
    record_ops_change(&ops, words_body(&stage->arena, "strange =x a=#1"));
    memcpy(record.prev, author->hash, RECORD_HASH);
    assert_int_equal(record_ops_end(&ops, &record.ops), WEFT_OK);
    assert_int_equal(
        record_write(&author->identity, &record, &stage->arena, &stage->records[seq], NULL),
        WEFT_OK);
    memcpy(author->hash, record.hash, RECORD_HASH);
    record_prove(&record, proof);
    stage->proofs[seq] = (struct bytes){proof, RECORD_PROOF};
    stage->hlc[seq] = record.hlc;
}

static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    void *log = NULL;
    assert_non_null(stage);
    if (solo_log_setup(&log) != 0) return 1;
    stage->log = log;
    stage->pool = pool_open(0, 0, NULL);
    arena_init(&stage->arena, stage->pool);
    author_init(&stage->them, THEM, SOLO_LOG_INCARNATION);
    solo_log_meet(stage->log, THEM);
    solo_log_meet(stage->log, OTHERS);
    for (uint64_t seq = 1; seq <= SIGNED; seq++)
        sign(stage, seq, 5000 + seq);
    stage->log->stamp = 6000;
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    struct stage *stage = *state;
    void *log = stage->log;
    arena_drop(&stage->arena);
    pool_close(stage->pool);
    free(stage);
    return solo_log_teardown(&log);
}

static int64_t count(struct stage *stage, const char *sql) {
    return solo_log_count(stage->log, sql);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static const struct record_origin *whose(const void *context, uint32_t origin) {
    const struct stage *stage = context;
    assert_int_equal(origin, 1);
    return &stage->them.origin;
}

/* A body of one deleted row of a table that this device has not, by THEM's record `seq`. */
static struct bytes body(struct stage *stage, const char *key, uint64_t seq) {
    struct snapshot_builder builder;
    struct bytes out;
    const struct weft_value text = weft_text(key, strlen(key)), *const values[] = {&text};
    const struct stamp never = {0}, gone = {.hlc = stage->hlc[seq], .origin = 1};
    const struct bytes table = {(const uint8_t *)"strange", 7};
    snapshot_build(&builder, &stage->arena, table, 1, whose, stage);
    snapshot_row(&builder, values, &never, &gone, 0);
    assert_int_equal(snapshot_finish(&builder, &out), WEFT_OK);
    return out;
}

struct chunk {
    uint8_t source; /* THEM, unless it is said otherwise */
    const char *asked, *cursor;
    struct bytes head;
    struct bytes bodies[2];
    bool last, finish, give_up;
};

static struct mail *chunk_mail(struct stage *stage, struct chunk from) {
    struct solo *solo = &stage->log->solo;
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(solo, MAIL(RECORDS), &records);
    Weft__Chunk *chunk = records->chunk = mail_message(mail, &weft__chunk__descriptor);
    const struct id *source = &stage->log->devices[from.source == 0 ? THEM : from.source];
    assert_non_null(chunk);
    records->peer = 1;
    chunk->heads = arena_zero(&mail->arena, sizeof *chunk->heads);
    chunk->bodies = arena_zero(&mail->arena, 2 * sizeof *chunk->bodies);
    if (from.head.size != 0)
        assert_true(
            mail_bytes(mail, &chunk->heads[chunk->n_heads++], from.head.data, from.head.size));
    for (int i = 0; i < 2 && from.bodies[i].size != 0; i++)
        assert_true(mail_bytes(mail, &chunk->bodies[chunk->n_bodies++], from.bodies[i].data,
                               from.bodies[i].size));
    const char *asked = from.asked == NULL ? "" : from.asked;
    const char *cursor = from.cursor == NULL ? "" : from.cursor;
    assert_true(mail_bytes(mail, &chunk->cursor_asked, asked, strlen(asked)));
    assert_true(mail_bytes(mail, &chunk->cursor, cursor, strlen(cursor)));
    assert_true(mail_bytes(mail, &chunk->source, source->bytes, WEFT_ID_SIZE));
    chunk->last = from.last;
    chunk->finish = from.finish;
    chunk->give_up = from.give_up;
    return mail;
}

/* The log does what it does with a mail in one step; it comes home. */
static struct mail *slice(struct stage *stage, struct mail *mail) {
    struct solo *solo = &stage->log->solo;
    mail->body.records->stamp = ++stage->log->stamp;
    solo_tell(solo, ACTOR_CLOCK, mail);
    for (;;) {
        mail = solo_take(solo, ACTOR_SHARE, MAIL(RECORDS));
        assert_non_null(mail);
        if (mail->body.body_case == MAIL(RECORDS)) break;
        if (mail->body.body_case == MAIL(GROWN)) {
            stage->told_taking = mail->body.grown->taking;
            stage->told_missing = mail->body.grown->missing;
        }
        mail_drop(&mail);
    }
    stage->slices++;
    return mail;
}

/* A chunk is dealt with, in at most so many slices; what became of it. */
static enum weft_status take_some(struct stage *stage, struct chunk chunk, unsigned slices) {
    struct mail *mail = chunk_mail(stage, chunk);
    enum weft_status status = WEFT_OK;
    stage->slices = 0;
    for (bool more = true; more && stage->slices < slices;) {
        mail = slice(stage, mail);
        status = (enum weft_status)mail->body.records->status;
        more = status == WEFT_OK && mail->body.records->chunk->more;
    }
    assert_int_equal(mail->body.records->text[0] == 0, status == WEFT_OK);
    mail_drop(&mail);
    return status;
}

static enum weft_status take(struct stage *stage, struct chunk chunk) {
    return take_some(stage, chunk, UINT32_MAX);
}

static enum weft_status deliver(struct stage *stage, uint64_t seq) {
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(&stage->log->solo, MAIL(RECORDS), &records);
    records->peer = 1;
    records->records = arena_zero(&mail->arena, sizeof *records->records);
    assert_non_null(records->records);
    records->n_records = 1;
    assert_true(
        mail_bytes(mail, &records->records[0], stage->records[seq].data, stage->records[seq].size));
    mail = slice(stage, mail);
    const enum weft_status status = (enum weft_status)mail->body.records->status;
    mail_drop(&mail);
    return status;
}

static struct chunk first(struct stage *stage) {
    return (struct chunk){.cursor = "c1",
                          .head = stage->proofs[OF],
                          .bodies = {body(stage, "one", 3), body(stage, "two", 4)}};
}

static struct chunk last(struct stage *stage) {
    return (struct chunk){.asked = "c1",
                          .head = stage->proofs[SIGNED],
                          .bodies = {body(stage, "three", 5)},
                          .last = true};
}

static const struct chunk finish = {.finish = true}, give_up = {.give_up = true};

/* All chunks have been taken; so many rows were here besides. */
static void take_both(struct stage *stage, int64_t others) {
    assert_int_equal(take(stage, first(stage)), WEFT_OK);
    assert_int_equal(take(stage, last(stage)), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 3 + others);
}

/* The log from the heads of the first chunk to those of the last comes; then all is well. */
static void follows(struct stage *stage) {
    assert_int_equal(count(stage, HEAD), OF);
    assert_int_equal(count(stage, TAKING), 1);
    assert_int_equal(deliver(stage, OF + 1), WEFT_OK);
    assert_true(stage->told_taking);
    assert_int_equal(stage->told_missing, 1);
    assert_int_equal(count(stage, TAKING), 1);
    assert_int_equal(deliver(stage, OF + 2), WEFT_OK);
    assert_false(stage->told_taking);
    assert_int_equal(count(stage, TAKING), 0);
    assert_int_equal(count(stage, HEAD), SIGNED);
}

/* ---- the course of one ----------------------------------------------------------------------- */

static void a_snapshot_is_taken_and_the_log_goes_on_behind_it(void **state) {
    struct stage *stage = *state;
    take_both(stage, 0);
    assert_int_equal(count(stage, HEAD " AND pruned <> 0"), 0);
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_true(stage->told_taking);
    assert_int_equal(stage->told_missing, SIGNED - OF);
    follows(stage);
}

static void one_whose_last_heads_are_the_first_ones_is_whole_at_once(void **state) {
    struct stage *stage = *state;
    struct chunk only = first(stage);
    only.cursor = "";
    only.last = true;
    assert_int_equal(take(stage, only), WEFT_OK);
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_false(stage->told_taking);
    assert_int_equal(count(stage, TAKING), 0);
    assert_int_equal(count(stage, HEAD), OF);
    assert_int_equal(deliver(stage, OF), WEFT_OK); /* It is held already. */
    assert_int_equal(deliver(stage, OF + 1), WEFT_OK);
    assert_int_equal(count(stage, HEAD), OF + 1);
}

static void it_is_whole_when_what_lies_behind_it_waits_for_its_time(void **state) {
    struct stage *stage = *state;
    struct chunk end = last(stage);
    sign(stage, SIGNED + 1, hlc_pack(stage->log->solo.now.wall_ms + 86400000, 0));
    end.head = stage->proofs[SIGNED + 1];
    assert_int_equal(take(stage, first(stage)), WEFT_OK);
    assert_int_equal(take(stage, end), WEFT_OK);
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_int_equal(deliver(stage, OF + 1), WEFT_OK);
    assert_int_equal(deliver(stage, OF + 2), WEFT_OK);
    assert_true(stage->told_taking);
    assert_int_equal(deliver(stage, OF + 3), WEFT_OK);
    assert_false(stage->told_taking);
    assert_int_equal(count(stage, TAKING), 0);
    assert_int_equal(count(stage, WAITING), 1);
}

static void what_the_source_has_not_and_the_heads_cover_goes(void **state) {
    struct stage *stage = *state;
    assert_int_equal(deliver(stage, 1), WEFT_OK); /* x, of which the source knows nothing */
    assert_int_equal(count(stage, ROWS), 1);
    assert_int_equal(take(stage, first(stage)), WEFT_OK);
    assert_int_equal(take(stage, last(stage)), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 4);
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 3);
}

static void it_goes_on_after_a_power_cut_in_each_stage(void **state) {
    struct stage *stage = *state;
    /* In the middle of the first chunk. */
    assert_int_equal(take_some(stage, first(stage), 1), WEFT_OK);
    solo_log_power_cut(stage->log);
    assert_int_equal(take(stage, first(stage)), WEFT_OK);
    solo_log_power_cut(stage->log);
    assert_int_equal(count(stage, ROWS), 2);
    /* In the middle of the second, which is asked for again. */
    assert_int_equal(take_some(stage, last(stage), 1), WEFT_OK);
    solo_log_power_cut(stage->log);
    assert_int_equal(take(stage, last(stage)), WEFT_OK);
    solo_log_power_cut(stage->log);
    /* In the sweep. */
    assert_int_equal(take_some(stage, finish, 1), WEFT_OK);
    solo_log_power_cut(stage->log);
    assert_int_equal(take(stage, finish), WEFT_OK);
    solo_log_power_cut(stage->log);
    assert_int_equal(count(stage, ROWS), 3);
    follows(stage);
}

static void a_full_disk_costs_time_and_nothing_else(void **state) {
    struct stage *stage = *state;
    const struct chunk chunks[] = {first(stage), last(stage), finish};
    for (size_t i = 0; i < 3; i++) {
        const int64_t rows = count(stage, ROWS);
        disk_set_full(stage->log->disk, true);
        const enum weft_status status = take(stage, chunks[i]);
        disk_set_full(stage->log->disk, false);
        if (status != WEFT_OK) {
            assert_int_equal(status, WEFT_DISK_FULL);
            assert_true(count(stage, HEAD) != OF || i < 2);
            assert_true(count(stage, ROWS) >= rows);
            assert_int_equal(take(stage, chunks[i]), WEFT_OK);
        }
    }
    assert_true(disk_counts(stage->log->disk).refused > 0);
    follows(stage);
}

static void another_snapshot_takes_the_place_of_one_that_was_given_up(void **state) {
    struct stage *stage = *state;
    assert_int_equal(take(stage, first(stage)), WEFT_OK);
    struct chunk other = first(stage);
    other.source = OTHERS;
    assert_int_equal(take(stage, other), WEFT_OK);
    assert_int_equal(count(stage, TAKING), 1);
    assert_int_equal(take(stage, last(stage)), WEFT_NOT_FOUND); /* of the first source */
    struct chunk end = last(stage), finished = finish;
    end.source = finished.source = OTHERS;
    assert_int_equal(take(stage, end), WEFT_OK);
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND);
    assert_int_equal(take(stage, finished), WEFT_OK);
    follows(stage);
}

static void one_that_is_given_up_leaves_its_rows_and_the_heads_as_they_were(void **state) {
    struct stage *stage = *state;
    assert_int_equal(deliver(stage, 1), WEFT_OK);
    take_both(stage, 1);
    assert_int_equal(take(stage, give_up), WEFT_OK);
    assert_false(stage->told_taking);
    assert_int_equal(count(stage, TAKING), 0);
    assert_int_equal(count(stage, ROWS), 4);
    assert_int_equal(count(stage, HEAD), 0);
    solo_log_power_cut(stage->log);
    assert_int_equal(count(stage, TAKING), 0);
    assert_int_equal(take(stage, last(stage)), WEFT_NOT_FOUND);
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND);
    assert_int_equal(take(stage, give_up), WEFT_OK); /* There is nothing left to give up. */
    /* The log goes on where it stood, and so does another snapshot. */
    assert_int_equal(deliver(stage, 2), WEFT_OK);
    take_both(stage, 1);
    assert_int_equal(take(stage, finish), WEFT_OK);
    follows(stage);
}

static void one_is_given_up_with_its_commit_or_not_at_all(void **state) {
    struct stage *stage = *state;
    take_both(stage, 0);
    disk_set_full(stage->log->disk, true);
    const enum weft_status status = take(stage, give_up);
    disk_set_full(stage->log->disk, false);
    assert_int_equal(status, WEFT_DISK_FULL);
    assert_int_equal(count(stage, TAKING), 1);
    assert_int_equal(take(stage, finish), WEFT_OK);
    follows(stage);
}

static void nothing_is_forgotten_while_it_is_taken(void **state) {
    struct stage *stage = *state;
    take_both(stage, 0);
    assert_int_equal(take(stage, finish), WEFT_OK);
    struct mail *mail = solo_log_survey(stage->log);
    assert_int_equal(mail->body.surveyed->n_held, 0);
    assert_false(mail->body.surveyed->deleted);
    mail_drop(&mail);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void a_chunk_that_does_not_go_on_where_it_stands_is_refused(void **state) {
    struct stage *stage = *state;
    assert_int_equal(take(stage, last(stage)), WEFT_NOT_FOUND); /* None was begun. */
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND);
    assert_int_equal(take(stage, first(stage)), WEFT_OK);
    struct chunk wrong = last(stage);
    wrong.asked = "c2";
    assert_int_equal(take(stage, wrong), WEFT_NOT_FOUND);
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND); /* Not all has come. */
    assert_int_equal(take(stage, last(stage)), WEFT_OK);
    assert_int_equal(take(stage, last(stage)), WEFT_NOT_FOUND); /* All has. */
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND); /* Nor twice. */
    follows(stage);
}

/* A proof that THEM is said to have signed, and has not. */
static struct bytes forged(struct stage *stage, uint64_t seq) {
    uint8_t *copy = arena_take(&stage->arena, RECORD_PROOF);
    assert_non_null(copy);
    memcpy(copy, stage->proofs[OF].data, RECORD_PROOF);
    store_u64(copy + 24, seq);
    return (struct bytes){copy, RECORD_PROOF};
}

static void a_forged_head_is_a_lie_and_nothing_is_raised(void **state) {
    struct stage *stage = *state;
    struct chunk lie = first(stage);
    lie.head = forged(stage, 1000);
    assert_int_equal(take(stage, lie), WEFT_DENIED);
    assert_int_equal(count(stage, TAKING), 0);
    assert_int_equal(count(stage, ROWS), 0);
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND);
    assert_int_equal(deliver(stage, 1), WEFT_OK); /* It is not shut off from THEM. */
    const uint8_t junk[RECORD_PROOF] = {0};
    lie.head = (struct bytes){junk, sizeof junk};
    assert_int_equal(take(stage, lie), WEFT_PROTOCOL);
}

static void a_forged_head_of_a_device_not_known_yet_is_found_out_in_the_end(void **state) {
    struct stage *stage = *state;
    struct author nine;
    author_init(&nine, 9, SOLO_LOG_INCARNATION);
    uint8_t *lie = arena_take(&stage->arena, RECORD_PROOF);
    assert_non_null(lie);
    memcpy(lie, stage->proofs[OF].data, RECORD_PROOF);
    memcpy(lie, nine.origin.device.bytes, WEFT_ID_SIZE);
    struct chunk only = first(stage);
    only.cursor = "";
    only.last = true;
    only.head = (struct bytes){lie, RECORD_PROOF};
    only.bodies[0].size = only.bodies[1].size = 0;
    assert_int_equal(take(stage, only), WEFT_OK);
    solo_log_meet(stage->log, 9);
    assert_int_equal(take(stage, finish), WEFT_DENIED);
    assert_int_equal(count(stage, HEAD " AND pruned <> 0"), 0);
}

static void a_head_of_a_device_that_nobody_ever_adds_is_passed_over(void **state) {
    struct stage *stage = *state;
    struct identity nobody = stage->log->identities[10];
    struct record record = {.origin = {nobody.device, SOLO_LOG_INCARNATION}, .seq = 1, .hlc = 5001};
    struct bytes bytes;
    uint8_t *proof = arena_take(&stage->arena, RECORD_PROOF);
    assert_non_null(proof);
    assert_int_equal(record_write(&nobody, &record, &stage->arena, &bytes, NULL), WEFT_OK);
    record_prove(&record, proof);
    struct chunk only = first(stage);
    only.cursor = "";
    only.last = true;
    only.head = (struct bytes){proof, RECORD_PROOF};
    only.bodies[0].size = only.bodies[1].size = 0;
    assert_int_equal(take(stage, only), WEFT_OK);
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_int_equal(count(stage, PRUNED), 0);
}

/* Else it would lie below the others' horizon for ever, and take one snapshot after another. */
static void a_frozen_origin_is_raised_as_well_and_stays_frozen(void **state) {
    struct stage *stage = *state;
    struct author twin;
    author_init(&twin, THEM, SOLO_LOG_INCARNATION);
    const struct bytes truth = stage->records[1];
    stage->records[1] = author_signs(&stage->arena, &twin, 10).bytes;
    assert_int_equal(deliver(stage, 1), WEFT_OK);
    stage->records[1] = truth;
    assert_int_equal(deliver(stage, 1), WEFT_OK);
    assert_int_equal(count(stage, FROZEN), 1);
    take_both(stage, 0);
    assert_int_equal(take(stage, finish), WEFT_OK);
    assert_int_equal(count(stage, HEAD), OF);
    assert_int_equal(count(stage, TAKING), 0); /* Of a frozen one nothing more comes. */
    assert_int_equal(deliver(stage, OF + 1), WEFT_OK);
    assert_int_equal(count(stage, HEAD), OF);
    assert_int_equal(count(stage, FROZEN), 1);
    solo_log_restart(stage->log);
    assert_int_equal(deliver(stage, OF + 1), WEFT_OK);
    assert_int_equal(count(stage, HEAD), OF);
}

/* A snapshot in one chunk, with a row of each of these records of THEM. */
static struct chunk whole(struct stage *stage, uint64_t of, const char *key, uint64_t seq) {
    struct chunk chunk = first(stage);
    chunk.source = OTHERS;
    chunk.cursor = "";
    chunk.last = true;
    chunk.head = stage->proofs[of];
    chunk.bodies[0] = body(stage, key, seq);
    chunk.bodies[1].size = 0;
    return chunk;
}

static void a_head_beyond_the_pin_of_a_removed_device_is_not_taken_over(void **state) {
    struct stage *stage = *state;
    struct chunk finished = finish;
    finished.source = OTHERS;
    assert_int_equal(deliver(stage, 1), WEFT_OK);
    struct chunk theirs = whole(stage, OF, "past it", 5);
    theirs.source = THEM;
    assert_int_equal(take(stage, theirs), WEFT_OK);
    (void)solo_log_govern(stage->log, THEM, true);
    solo_turn(&stage->log->solo);
    /* Its giver is the removed device. */
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND);
    assert_int_equal(count(stage, PRUNED), 0);
    assert_int_equal(count(stage, TAKING), 1);
    solo_log_power_cut(stage->log);
    assert_int_equal(take(stage, finish), WEFT_NOT_FOUND);
    /* From who has, nothing past the pin comes, and what was taken of it goes. */
    assert_int_equal(count(stage, ROWS), 2);
    assert_int_equal(take(stage, whole(stage, 1, "x", 1)), WEFT_OK);
    assert_int_equal(take(stage, finished), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 1);
    assert_int_equal(count(stage, ROWS " WHERE instr(key, CAST('past it' AS BLOB)) > 0"), 0);
    assert_int_equal(count(stage, TAKING), 0);
    assert_false(stage->told_taking);
}

static void what_a_removed_device_wrote_before_its_pin_is_no_remains(void **state) {
    struct stage *stage = *state;
    struct chunk finished = finish;
    finished.source = OTHERS;
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(deliver(stage, seq), WEFT_OK);
    (void)solo_log_govern(stage->log, THEM, true);
    solo_turn(&stage->log->solo);
    assert_int_equal(count(stage, ROWS), 1);
    /* The giver holds less of it than this device. */
    assert_int_equal(take(stage, whole(stage, 2, "y", 2)), WEFT_OK);
    assert_int_equal(take(stage, finished), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 2);
    assert_int_equal(count(stage, TAKING), 0);
}

static void what_a_snapshot_left_that_was_given_up_goes_with_the_next(void **state) {
    struct stage *stage = *state;
    struct chunk finished = finish;
    finished.source = OTHERS;
    take_both(stage, 0);
    assert_int_equal(take(stage, give_up), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 3);
    /* The giver holds two records: of the others nobody has more than these rows. */
    assert_int_equal(take(stage, whole(stage, 2, "two", 2)), WEFT_OK);
    assert_int_equal(take(stage, finished), WEFT_OK);
    assert_int_equal(count(stage, ROWS), 1);
    assert_int_equal(deliver(stage, 3), WEFT_OK);
}

int main(void) {
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_snapshot_is_taken_and_the_log_goes_on_behind_it),
        LOG_TEST(one_whose_last_heads_are_the_first_ones_is_whole_at_once),
        LOG_TEST(it_is_whole_when_what_lies_behind_it_waits_for_its_time),
        LOG_TEST(what_the_source_has_not_and_the_heads_cover_goes),
        LOG_TEST(it_goes_on_after_a_power_cut_in_each_stage),
        LOG_TEST(a_full_disk_costs_time_and_nothing_else),
        LOG_TEST(another_snapshot_takes_the_place_of_one_that_was_given_up),
        LOG_TEST(one_that_is_given_up_leaves_its_rows_and_the_heads_as_they_were),
        LOG_TEST(one_is_given_up_with_its_commit_or_not_at_all),
        LOG_TEST(nothing_is_forgotten_while_it_is_taken),
        LOG_TEST(a_chunk_that_does_not_go_on_where_it_stands_is_refused),
        LOG_TEST(a_forged_head_is_a_lie_and_nothing_is_raised),
        LOG_TEST(a_forged_head_of_a_device_not_known_yet_is_found_out_in_the_end),
        LOG_TEST(a_head_of_a_device_that_nobody_ever_adds_is_passed_over),
        LOG_TEST(a_frozen_origin_is_raised_as_well_and_stays_frozen),
        LOG_TEST(a_head_beyond_the_pin_of_a_removed_device_is_not_taken_over),
        LOG_TEST(what_a_removed_device_wrote_before_its_pin_is_no_remains),
        LOG_TEST(what_a_snapshot_left_that_was_given_up_goes_with_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
