/* Mail: what is made, shared, turned into another kind, and proven to carry no hidden pointers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "engine/runtime/mail.h"

struct post {
    struct pool *pool;
};

static int open_post(void **state) {
    static struct post post;
    post.pool = pool_open(0, 1 << 20, NULL);
    *state = &post;
    return post.pool == NULL;
}

static int close_post(void **state) {
    struct post *post = *state;
    bool leaked = pool_held(post->pool) != 0;
    pool_close(post->pool);
    return leaked;
}

static void every_kind_can_be_made_and_has_a_name(void **state) {
    struct post *post = *state;
    for (unsigned i = 0; i < weft__mail__descriptor.n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &weft__mail__descriptor.fields[i];
        ProtobufCMessage *message = NULL;
        const int kind = (int)field->id;
        struct mail *mail = mail_new(post->pool, (Weft__Mail__BodyCase)kind, &message);
        assert_non_null(mail);
        assert_int_equal(mail->body.body_case, kind);
        assert_ptr_equal(message, mail->body.tick);
        assert_ptr_equal(message->descriptor, field->descriptor);
        assert_true(protobuf_c_message_check(&mail->body.base));
        assert_string_equal(mail_kind_name((Weft__Mail__BodyCase)kind), field->name);
        mail_drop(&mail);
        assert_null(mail);
    }
    assert_string_equal(mail_kind_name(WEFT__MAIL__BODY_COMMIT), "commit");
    assert_string_equal(mail_kind_name(WEFT__MAIL__BODY_WANTED), "wanted");
}

static void a_mail_lies_in_its_own_arena(void **state) {
    struct post *post = *state;
    size_t before = pool_held(post->pool);
    struct mail *mail = mail_new(post->pool, WEFT__MAIL__BODY_LISTEN, NULL);
    size_t with = pool_held(post->pool);
    assert_true(with > before);
    mail->body.listen->address = mail_text(mail, "127.0.0.1:7000");
    assert_int_equal(pool_held(post->pool), with);
    assert_string_equal(mail->body.listen->address, "127.0.0.1:7000");
    mail_drop(&mail);
    assert_int_equal(pool_held(post->pool), before);
}

static void the_last_of_several_references_frees(void **state) {
    struct post *post = *state;
    struct mail *mail = mail_new(post->pool, WEFT__MAIL__BODY_BATCH, NULL);
    struct mail *again = mail_share(mail);
    assert_ptr_equal(mail, again);
    mail_drop(&mail);
    assert_null(mail);
    assert_true(pool_held(post->pool) > 0);
    assert_int_equal(again->body.body_case, WEFT__MAIL__BODY_BATCH);
    mail_drop(&again);
    assert_int_equal(pool_held(post->pool), 0);
    mail_drop(&again);
}

static void *drop_elsewhere(void *context) {
    struct mail *mail = context;
    mail_drop(&mail);
    return NULL;
}

static void a_shared_mail_may_be_dropped_by_any_thread(void **state) {
    struct post *post = *state;
    for (int i = 0; i < 200; i++) {
        struct mail *mail = mail_new(post->pool, WEFT__MAIL__BODY_BATCH, NULL);
        pthread_t threads[3];
        for (int t = 0; t < 3; t++) {
            assert_int_equal(pthread_create(&threads[t], NULL, drop_elsewhere, mail_share(mail)),
                             0);
        }
        mail_drop(&mail);
        for (int t = 0; t < 3; t++)
            assert_int_equal(pthread_join(threads[t], NULL), 0);
        assert_int_equal(pool_held(post->pool), 0);
    }
}

static void a_mail_turned_into_another_keeps_its_arena(void **state) {
    struct post *post = *state;
    struct mail *mail = mail_new(post->pool, WEFT__MAIL__BODY_SURVEY, NULL);
    mail->order = 7;
    size_t held = pool_held(post->pool);
    Weft__Surveyed *surveyed = mail_turn_into(mail, WEFT__MAIL__BODY_SURVEYED);
    assert_non_null(surveyed);
    assert_ptr_equal(surveyed, mail->body.surveyed);
    assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_SURVEYED);
    assert_int_equal(surveyed->n_members, 0);
    assert_int_equal(pool_held(post->pool), held);
    mail_drop(&mail);
}

static struct mail *make_commit(struct pool *pool) {
    static const uint8_t owner[16] = {1, 2, 3, 4};
    Weft__Commit *commit = NULL;
    struct mail *mail = mail_new(pool, WEFT__MAIL__BODY_COMMIT, &commit);
    assert_non_null(mail);
    mail->order = 42;
    commit->ticket = 42;
    commit->count = 3;
    commit->rows = (Weft__Rows **)mail_messages(mail, &weft__rows__descriptor, 2);
    assert_non_null(commit->rows);
    commit->n_rows = 2;
    for (size_t r = 0; r < 2; r++) {
        Weft__Rows *rows = commit->rows[r];
        rows->model = (uint32_t)r + 1;
        assert_true(mail_bytes(mail, &rows->owner, owner, sizeof owner));
        assert_true(mail_bytes(mail, &rows->versions, "01234567", 8));
        rows->columns = (Weft__Column **)mail_messages(mail, &weft__column__descriptor, 3);
        assert_non_null(rows->columns);
        rows->n_columns = 3;
        for (size_t c = 0; c < 3; c++) {
            assert_true(mail_bytes(mail, &rows->columns[c]->body, "body", c));
        }
    }
    return mail;
}

static void a_repacked_mail_says_the_same(void **state) {
    struct post *post = *state;
    struct mail *mail = make_commit(post->pool);
    uint64_t hash = 1;
    struct mail *fresh = mail_repack(&mail, post->pool, &hash);
    assert_non_null(fresh);
    assert_null(mail);
    assert_true(hash != 1);
    assert_int_equal(fresh->order, 42);
    const Weft__Commit *commit = fresh->body.commit;
    assert_int_equal(commit->ticket, 42);
    assert_int_equal(commit->n_rows, 2);
    for (size_t r = 0; r < 2; r++) {
        assert_int_equal(commit->rows[r]->model, r + 1);
        assert_int_equal(commit->rows[r]->owner.len, 16);
        assert_memory_equal(commit->rows[r]->versions.data, "01234567", 8);
        assert_int_equal(commit->rows[r]->n_columns, 3);
        for (size_t c = 0; c < 3; c++)
            assert_int_equal(commit->rows[r]->columns[c]->body.len, c);
    }
    mail_drop(&fresh);
}

static void equal_mails_hash_equally_and_others_do_not(void **state) {
    struct post *post = *state;
    uint64_t hash[3] = {5, 5, 5};
    for (int i = 0; i < 3; i++) {
        struct mail *mail = make_commit(post->pool);
        if (i == 2) mail->body.commit->ticket++;
        struct mail *fresh = mail_repack(&mail, post->pool, &hash[i]);
        mail_drop(&fresh);
    }
    assert_true(hash[0] == hash[1]);
    assert_true(hash[0] != hash[2]);
}

static void repacking_a_shared_mail_drops_one_reference(void **state) {
    struct post *post = *state;
    struct mail *mail = make_commit(post->pool);
    struct mail *other = mail_share(mail);
    struct mail *fresh = mail_repack(&mail, post->pool, NULL);
    assert_ptr_not_equal(fresh, other);
    assert_int_equal(atomic_load(&other->references), 1);
    assert_int_equal(atomic_load(&fresh->references), 1);
    mail_drop(&other);
    assert_int_equal(fresh->body.commit->n_rows, 2);
    mail_drop(&fresh);
}

static void out_of_memory_gives_null_and_leaks_nothing(void **state) {
    struct post *post = *state;
    struct mail *mail = make_commit(post->pool);
    post->pool->held_max = pool_held(post->pool);
    assert_null(mail_new(post->pool, WEFT__MAIL__BODY_STOP, NULL));
    struct mail *kept = mail;
    assert_null(mail_repack(&mail, post->pool, NULL));
    assert_ptr_equal(mail, kept);
    ProtobufCBinaryData bytes;
    static const uint8_t large[200000];
    assert_false(mail_bytes(mail, &bytes, large, sizeof large));
    assert_int_equal(bytes.len, 0);
    mail_drop(&mail);
}

static void empty_bytes_and_empty_lists_need_no_memory_of_their_own(void **state) {
    struct post *post = *state;
    struct mail *mail = mail_new(post->pool, WEFT__MAIL__BODY_REQUEST, NULL);
    ProtobufCBinaryData bytes = {9, (uint8_t *)"x"};
    assert_true(mail_bytes(mail, &bytes, NULL, 0));
    assert_int_equal(bytes.len, 0);
    assert_non_null(mail_messages(mail, &weft__place__descriptor, 0));
    mail_drop(&mail);
}

enum { CHUNKS = 16, CHUNK_ROOM = 4000 };

/* Writes over the small chunks of a pool, so that there is something in all that are looked at. */
static void blank_chunks(struct pool *pool) {
    struct arena arenas[CHUNKS];
    for (unsigned i = 0; i < CHUNKS; i++) {
        arena_init(&arenas[i], pool);
        uint8_t *data = arena_take(&arenas[i], CHUNK_ROOM);
        assert_non_null(data);
        memset(data, 0, CHUNK_ROOM);
    }
    for (unsigned i = 0; i < CHUNKS; i++)
        arena_drop(&arenas[i]);
}

/* How many of the small chunks that a pool has had back hold these bytes. The pool keeps the memory
 * of what is dropped, and gives it out again as it is. */
static unsigned chunks_that_hold(struct pool *pool, const char *needle, size_t size) {
    struct arena arenas[CHUNKS];
    unsigned count = 0;
    for (unsigned i = 0; i < CHUNKS; i++) {
        arena_init(&arenas[i], pool);
        const uint8_t *data = arena_take(&arenas[i], CHUNK_ROOM);
        assert_non_null(data);
        count += memmem(data, CHUNK_ROOM, needle, size) != NULL;
    }
    for (unsigned i = 0; i < CHUNKS; i++)
        arena_drop(&arenas[i]);
    return count;
}

static void a_secret_mail_is_cleared_when_it_is_dropped(void **state) {
    struct post *post = *state;
    static const char key[] = "nobody else is to read this key";
    blank_chunks(post->pool);
    for (int secret = 1; secret >= 0; secret--) {
        Weft__Dial *dial = NULL;
        struct mail *mail = mail_new(post->pool, WEFT__MAIL__BODY_DIAL, &dial);
        mail->secret = secret == 1;
        assert_true(mail_bytes(mail, &dial->psk, key, sizeof key));
        mail = mail_repack(&mail, post->pool, NULL); /* A copy is as secret. */
        assert_int_equal(mail->secret, secret == 1);
        struct mail *other = mail_share(mail);
        mail_drop(&mail);
        assert_memory_equal(other->body.dial->psk.data, key, sizeof key); /* It is still read. */
        mail_drop(&other);
        /* The mail, what it was packed to, and the copy; the last two can share a chunk. */
        const unsigned count = chunks_that_hold(post->pool, key, sizeof key);
        if (secret == 1) assert_int_equal(count, 0);
        if (secret == 0) assert_in_range(count, 2, 3); /* Or this would prove nothing. */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_can_be_made_and_has_a_name, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(a_mail_lies_in_its_own_arena, open_post, close_post),
        cmocka_unit_test_setup_teardown(the_last_of_several_references_frees, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(a_shared_mail_may_be_dropped_by_any_thread, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(a_mail_turned_into_another_keeps_its_arena, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(a_repacked_mail_says_the_same, open_post, close_post),
        cmocka_unit_test_setup_teardown(equal_mails_hash_equally_and_others_do_not, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(repacking_a_shared_mail_drops_one_reference, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(out_of_memory_gives_null_and_leaks_nothing, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(a_secret_mail_is_cleared_when_it_is_dropped, open_post,
                                        close_post),
        cmocka_unit_test_setup_teardown(empty_bytes_and_empty_lists_need_no_memory_of_their_own,
                                        open_post, close_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
