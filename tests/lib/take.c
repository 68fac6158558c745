/* A snapshot on its way from one store to another. */
#include "tests/lib/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/store/writer_private.h"

/* ---- what is said ---------------------------------------------------------------------------- */

static void move_head(struct replica *replica, uint8_t device, uint64_t hlc) {
    const struct id id = library_id(device);
    sqlite3_stmt *move = NULL;
    assert_int_equal(sqlite3_prepare_v2(replica->library.writer->db,
                                        "UPDATE _weft_origin SET seq = seq + 1, hlc = ?2, "
                                        "pruned = seq + 1, pruned_hlc = ?2, "
                                        "proof = zeroblob(168) WHERE device = ?1 AND hlc < ?2",
                                        -1, &move, NULL),
                     SQLITE_OK);
    sqlite3_bind_blob(move, 1, id.bytes, sizeof id.bytes, SQLITE_STATIC);
    sqlite3_bind_int64(move, 2, (int64_t)hlc);
    assert_int_equal(sqlite3_step(move), SQLITE_DONE);
    sqlite3_finalize(move);
}

void take_hears(struct replica *replica, uint8_t device, uint64_t hlc, const char *words) {
    replica_hears(replica, device, hlc, words);
    move_head(replica, device, hlc);
}

void take_hears_body(struct replica *replica, uint8_t device, uint64_t hlc, struct bytes body) {
    struct library *library = &replica->library;
    replica_ok(replica, writer_begin(library->writer, &library->why));
    replica_ok(replica, replica_apply_within(replica, device, hlc, body));
    replica_ok(replica, writer_commit(library->writer, &library->why));
    move_head(replica, device, hlc);
}

uint64_t take_writes(struct replica *replica, const char *words) {
    if (replica_try(replica, words) != WEFT_OK || replica->said.size == 0) return 0;
    move_head(replica, replica->device, replica->hlc);
    return replica->hlc;
}

void take_sql(struct replica *replica, const char *sql) {
    sqlite3 *db = replica->library.writer->db;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

void take_forget(struct replica *replica) {
    take_sql(replica, "BEGIN; UPDATE _weft_shadow SET kind = 0 WHERE kind = 2 AND "
                      "length(fields) = 0; DELETE FROM _weft_shadow WHERE kind = 0; COMMIT");
}

/* ---- taking ---------------------------------------------------------------------------------- */

static void open_reader(struct take *take) {
    struct library *library = &take->from->library;
    const struct record_origin self = {library_id(take->from->device), 7};
    library_ok(library, snapshot_reader_open(library->path, disk_vfs(take->from->disk),
                                             library->store.models, &self, &library->store.library,
                                             &take->reader, &library->why));
}

void take_begin(struct take *take, struct replica *from, struct replica *to) {
    *take = (struct take){.from = from, .to = to};
    open_reader(take);
    struct library *library = &to->library;
    bool more = true;
    replica_ok(to, writer_begin(library->writer, &library->why));
    while (more)
        replica_ok(to, snapshot_forget(library->writer, 100, &more, &library->why));
    replica_ok(to, writer_commit(library->writer, &library->why));
}

void take_end(struct take *take) {
    snapshot_reader_close(take->reader);
    snapshot_taker_free(take->taker);
    packed_free(&take->cursor);
    free(take->heads);
    *take = (struct take){0};
}

void take_interrupt(struct take *take) {
    snapshot_reader_close(take->reader);
    open_reader(take);
}

enum weft_status take_read(struct take *take, struct bytes cursor, size_t bytes_max,
                           struct snapshot_chunk *out) {
    return snapshot_chunk_read(take->reader, cursor, bytes_max, &take->from->arena, out,
                               &take->from->library.why);
}

static void begin_taker(struct take *take, const struct snapshot_chunk *chunk) {
    struct library *library = &take->to->library;
    replica_ok(take->to,
               snapshot_taker_new(chunk->heads, chunk->head_count, &take->taker, &library->why));
    take->heads = calloc(chunk->head_count + 1, sizeof *take->heads);
    assert_non_null(take->heads);
    memcpy(take->heads, chunk->heads, chunk->head_count * sizeof *take->heads);
    take->head_count = chunk->head_count;
}

void take_merge(struct take *take, const struct snapshot_chunk *chunk) {
    struct library *library = &take->to->library;
    take->tally = (struct shared_row_tally){0};
    if (take->taker == NULL) begin_taker(take, chunk);
    replica_ok(take->to, writer_begin(library->writer, &library->why));
    for (uint32_t i = 0; i < chunk->body_count; i++) {
        uint64_t newest = 0;
        assert_true(snapshot_sound(chunk->bodies[i], &newest));
        replica_ok(take->to, snapshot_merge(library->writer, take->taker, chunk->bodies[i],
                                            &take->tally, &library->why));
    }
    replica_ok(take->to, writer_commit(library->writer, &library->why));
}

bool take_chunk(struct take *take, size_t bytes_max, unsigned times) {
    struct snapshot_chunk chunk;
    const struct bytes cursor = {take->cursor.data, take->cursor.size};
    if (take->last) return false;
    replica_ok(take->from, take_read(take, cursor, bytes_max, &chunk));
    assert_false(chunk.lost);
    for (unsigned i = 0; i < times; i++)
        take_merge(take, &chunk);
    take->chunks++;
    for (uint32_t i = 0; i < chunk.body_count; i++) {
        take->bodies++;
        if (chunk.bodies[i].size > take->largest) take->largest = (unsigned)chunk.bodies[i].size;
    }
    take->last = chunk.last;
    if (!chunk.last) assert_int_equal(packed_copy(&take->cursor, chunk.cursor), WEFT_OK);
    replica_forget(take->from);
    return true;
}

bool take_sweep(struct take *take, uint32_t limit) {
    struct library *library = &take->to->library;
    bool more = false;
    take->tally = (struct shared_row_tally){0};
    replica_ok(take->to, writer_begin(library->writer, &library->why));
    replica_ok(take->to, snapshot_sweep(library->writer, take->taker, limit, &more, &take->tally,
                                        &library->why));
    replica_ok(take->to, writer_commit(library->writer, &library->why));
    if (more) return true;
    /* The heads are raised: to what the source held. */
    for (uint32_t i = 0; i < take->head_count; i++)
        move_head(take->to, take->heads[i].origin.device.bytes[0], take->heads[i].hlc);
    return false;
}

void take_all(struct take *take, size_t bytes_max, uint32_t limit) {
    while (take_chunk(take, bytes_max, 1)) {
    }
    while (take_sweep(take, limit)) {
    }
}

bool take_covers(const struct take *take, uint8_t device, uint64_t hlc) {
    const struct id id = library_id(device);
    for (uint32_t i = 0; i < take->head_count; i++) {
        if (id_equal(&take->heads[i].origin.device, &id)) return hlc <= take->heads[i].hlc;
    }
    return false;
}
