/* The records of a session that stands: each is opened in its place and in no other, keys change
 * where both sides know it, and whatever is wrong breaks the session for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/wire/session_private.h"
#include "tests/lib/sealed.h"

#define RECORDS 6u
#define RECORD_MAX 100u

static const struct frame_owner nobody = {NULL};
static const uint8_t rekey_frame[FRAME_HEADER] = {SESSION_TYPE_REKEY};

struct scene {
    struct sealed sealed;
    struct session *from, *to; /* the initiator, the responder */
    /* Records in the order in which they were sealed, and what each says: its number. */
    uint8_t records[RECORDS][RECORD_MAX];
    size_t sizes[RECORDS];
    uint8_t large[SEALED_ROOM];
};

static int open_scene(void **state) {
    static struct scene scene;
    scene = (struct scene){0};
    sealed_open(&scene.sealed);
    scene.from = scene.sealed.ends[INITIATOR];
    scene.to = scene.sealed.ends[RESPONDER];
    *state = &scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    sealed_close(&scene->sealed);
    return 0;
}

static void again(void **state) {
    (void)close_scene(state);
    (void)open_scene(state);
}

/* Takes what waits in a session off it: one record. */
static size_t take_record(struct session *session, uint8_t *out, size_t room) {
    const struct bytes waiting = session_to_send(session);
    assert_in_range(waiting.size, 1, room);
    assert_int_equal(waiting.size, 2u + load_u16(waiting.data));
    memcpy(out, waiting.data, waiting.size);
    session_sent(session, waiting.size);
    return waiting.size;
}

static void seal_numbers(struct scene *scene) {
    for (uint8_t i = 0; i < RECORDS; i++) {
        assert_int_equal(
            session_push(scene->from, LANE_LIVE, (struct bytes){&i, 1}, 0, nobody, NULL), WEFT_OK);
        scene->sizes[i] = take_record(scene->from, scene->records[i], RECORD_MAX);
    }
}

/* Record `at` says its number. */
static void opens(struct scene *scene, unsigned at) {
    struct frame_message message;
    struct weft_error why = {0};
    bool got = false;
    sealed_give(scene->to, scene->records[at], scene->sizes[at]);
    if (session_next(scene->to, &message, &got, &why) != WEFT_OK) fail_msg("%s", why.text);
    assert_true(got);
    assert_int_equal(message.body.size, 1);
    assert_int_equal(message.body.data[0], at);
}

static void breaks(struct session *session, const char *text) {
    struct frame_message message;
    struct weft_error why = {0};
    bool got = true;
    assert_int_equal(session_next(session, &message, &got, &why), WEFT_PROTOCOL);
    assert_false(got);
    if (strstr(why.text, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", why.text, text);
    assert_false(session_stands(session));
}

/* A frame of any content, as the peer's next record. */
static void give_frame(struct scene *scene, const void *frame, size_t size) {
    const struct bytes bytes = {frame, size};
    sealed_give(scene->to, scene->large, sealed_record(scene->from, bytes, scene->large));
}

static bool next(struct session *session, struct frame_message *out) {
    bool got = false;
    struct weft_error why = {0};
    if (session_next(session, out, &got, &why) != WEFT_OK) fail_msg("%s", why.text);
    return got;
}

/* ---- order ----------------------------------------------------------------------------------- */

static void records_open_in_their_order_and_in_no_other(void **state) {
    struct scene *scene = *state;
    for (unsigned wrong = 0; wrong < RECORDS; wrong++) {
        seal_numbers(scene);
        opens(scene, 0);
        opens(scene, 1);
        if (wrong == 2) {
            opens(scene, 2);
        } else { /* Sent again, or before those that come first. */
            sealed_give(scene->to, scene->records[wrong], scene->sizes[wrong]);
            breaks(scene->to, "");
            sealed_give(scene->to, scene->records[2], scene->sizes[2]);
            breaks(scene->to, "earlier record"); /* Too late to be good again. */
        }
        again(state);
    }
}

static void a_record_of_one_direction_is_none_of_the_other(void **state) {
    struct scene *scene = *state;
    seal_numbers(scene);
    sealed_give(scene->from, scene->records[0], scene->sizes[0]);
    breaks(scene->from, "");
}

static void a_record_of_one_session_is_none_of_another(void **state) {
    struct scene *scene = *state;
    struct sealed other;
    seal_numbers(scene);
    meeting_draw(&other.meeting);
    sealed_open(&other);
    /* The same devices and even the same ephemeral key on one side: the other's differs. */
    struct handshake read = {0};
    struct session *replayed = NULL;
    uint8_t ephemeral[32] = {1};
    meeting_dial(&other.meeting);
    assert_int_equal(meeting_read(&other.meeting, NULL), WEFT_OK);
    read = other.meeting.sides[RESPONDER];
    assert_int_equal(
        session_accept(&other.meeting.selves[RESPONDER], &read, ephemeral, &replayed, NULL),
        WEFT_OK);
    sealed_give(replayed, scene->records[0], scene->sizes[0]);
    breaks(replayed, "");
    session_close(replayed);
    sealed_close(&other);
}

static void every_flipped_bit_of_a_sealed_frame_breaks_the_session(void **state) {
    struct scene *scene = *state;
    seal_numbers(scene);
    const size_t bits = 8 * (scene->sizes[0] - 2);
    for (size_t bit = 0; bit < bits; bit++) {
        again(state);
        seal_numbers(scene);
        scene->records[0][2 + bit / 8] ^= (uint8_t)(1u << (bit % 8));
        sealed_give(scene->to, scene->records[0], scene->sizes[0]);
        breaks(scene->to, "");
    }
    assert_int_equal(bits, 8 * (FRAME_HEADER + FRAME_PREFIX + 1 + NOISE_TAG_SIZE));
}

static void a_length_that_was_changed_opens_nothing(void **state) {
    struct scene *scene = *state;
    for (unsigned bit = 0; bit < 16; bit++) {
        struct frame_message message;
        struct weft_error why;
        bool got = false;
        seal_numbers(scene);
        const unsigned size = load_u16(scene->records[0]) ^ (1u << bit);
        store_u16(scene->records[0], (uint16_t)size);
        sealed_give(scene->to, scene->records[0], scene->sizes[0]);
        sealed_give(scene->to, scene->records[1], scene->sizes[1]);
        enum weft_status status = session_next(scene->to, &message, &got, &why);
        assert_false(got);
        /* Longer than what has come, it waits for the rest; else it is seen at once. */
        const bool whole = 2 + size <= scene->sizes[0] + scene->sizes[1];
        assert_int_equal(status, whole ? WEFT_PROTOCOL : WEFT_OK);
        again(state);
    }
}

static void a_record_too_short_for_a_frame_breaks_the_session(void **state) {
    struct scene *scene = *state;
    static const uint8_t wrong[] = {0, 1, FRAME_HEADER + NOISE_TAG_SIZE - 1};
    for (unsigned i = 0; i < sizeof wrong; i++) {
        const uint8_t length[2] = {wrong[i], 0};
        sealed_give(scene->to, length, 1);
        struct frame_message message;
        assert_false(next(scene->to, &message));
        sealed_give(scene->to, length + 1, 1); /* Seen before the record has come. */
        breaks(scene->to, "is the least");
        again(state);
    }
}

static void a_record_of_the_greatest_size_is_taken_from_any_place_in_the_buffer(void **state) {
    struct scene *scene = *state;
    static uint8_t frame[LIMIT_FRAME - NOISE_TAG_SIZE];
    struct frame_message message;
    frame[0] = FRAME_TYPE_MESSAGE;
    frame[2] = LANE_BACKFILL;
    const uint32_t wire = sizeof frame - FRAME_HEADER - FRAME_PREFIX;
    store_u32(frame + FRAME_HEADER, wire);
    for (unsigned i = 0; i < 5; i++) {
        const size_t size =
            sealed_record(scene->from, (struct bytes){frame, sizeof frame}, scene->large);
        assert_int_equal(size, SEALED_ROOM);
        for (size_t at = 0; at < size; at += 9973) {
            assert_false(next(scene->to, &message));
            sealed_give(scene->to, scene->large + at, size - at < 9973 ? size - at : 9973);
        }
        assert_true(next(scene->to, &message));
        assert_int_equal(message.body.size, wire);
    }
}

static void records_are_counted_and_the_one_under_way_is_known_by_its_size(void **state) {
    struct scene *scene = *state;
    size_t begun = 1;
    seal_numbers(scene);
    assert_int_equal(session_records(scene->to, &begun), 0);
    assert_int_equal(begun, 0);
    sealed_give(scene->to, scene->records[0], 1);
    assert_int_equal(session_records(scene->to, &begun), 0);
    assert_int_equal(begun, 1);
    sealed_give(scene->to, scene->records[0] + 1, 1);
    assert_int_equal(session_records(scene->to, &begun), 0);
    assert_int_equal(begun, scene->sizes[0]);
    struct frame_message message;
    sealed_give(scene->to, scene->records[0] + 2, scene->sizes[0] - 2);
    assert_true(next(scene->to, &message));
    assert_int_equal(session_records(scene->to, &begun), 1);
    assert_int_equal(begun, 0);
    opens(scene, 1);
    assert_int_equal(session_records(scene->to, &begun), 2);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void a_frame_that_is_none_breaks_the_session_without_a_word(void **state) {
    struct scene *scene = *state;
    static const uint8_t frames[][5] = {
        {0, 0, 0, 0, 1},
        {3, 0, 0, 0, 1},
        {FRAME_TYPE_MESSAGE, 2, 0, 0, 1},
        {1, 0, 4, 0, 1},
        {1, 0, LANE_LIVE, 1, 1},
        {1, 0, 0, 0, 1},
        {2, 0, 0, 0, 1},
        {SESSION_TYPE_REKEY, 255, 255, 255, 255},
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        give_frame(scene, frames[i], sizeof frames[i]);
        breaks(scene->to, "a frame cannot be read");
        assert_int_equal(
            session_push(scene->to, LANE_CONTROL, (struct bytes){frames[0], 1}, 0, nobody, NULL),
            WEFT_OK);
        assert_int_equal(session_to_send(scene->to).size, 0);
        again(state);
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void a_key_that_changes_is_followed_by_the_other_side(void **state) {
    struct scene *scene = *state;
    uint8_t old[NOISE_KEY_SIZE];
    struct frame_message message;
    memcpy(old, scene->from->send.cipher.key, sizeof old);
    for (unsigned round = 0; round < 3; round++) {
        session_rekey(scene->from);
        scene->sizes[0] = take_record(scene->from, scene->records[0], RECORD_MAX);
        assert_int_equal(scene->sizes[0], SEALED_OVERHEAD + FRAME_HEADER);
        assert_memory_not_equal(scene->from->send.cipher.key, old, sizeof old);
        sealed_give(scene->to, scene->records[0], scene->sizes[0]);
        assert_false(next(scene->to, &message));
        assert_memory_equal(scene->to->receive.cipher.key, scene->from->send.cipher.key,
                            sizeof old);
        memcpy(old, scene->from->send.cipher.key, sizeof old);
        seal_numbers(scene);
        for (unsigned i = 0; i < RECORDS; i++)
            opens(scene, i);
    }
    assert_int_equal(session_to_send(scene->from).size, 0); /* Once, as it was asked. */
    size_t begun;
    assert_int_equal(session_records(scene->to, &begun), 3 * (1 + RECORDS));
}

static void a_key_changes_in_one_direction_alone(void **state) {
    struct scene *scene = *state;
    uint8_t other[NOISE_KEY_SIZE];
    memcpy(other, scene->to->send.cipher.key, sizeof other);
    give_frame(scene, rekey_frame, sizeof rekey_frame);
    struct frame_message message;
    assert_false(next(scene->to, &message));
    assert_memory_equal(scene->to->send.cipher.key, other, sizeof other);
}

/* Records 0, 1 under the old key, the rekeying one, then 2 to 5 under the next. */
static size_t seal_across_rekey(struct scene *scene, uint8_t rekey[RECORD_MAX]) {
    size_t size = 0;
    for (uint8_t i = 0; i < RECORDS; i++) {
        if (i == 2) {
            session_rekey(scene->from);
            size = take_record(scene->from, rekey, RECORD_MAX);
        }
        assert_int_equal(
            session_push(scene->from, LANE_LIVE, (struct bytes){&i, 1}, 0, nobody, NULL), WEFT_OK);
        scene->sizes[i] = take_record(scene->from, scene->records[i], RECORD_MAX);
    }
    return size;
}

static void the_order_of_records_holds_across_a_change_of_keys(void **state) {
    struct scene *scene = *state;
    uint8_t rekey[RECORD_MAX];
    struct frame_message message;
    for (unsigned wrong = 0; wrong < 5; wrong++) {
        const size_t size = seal_across_rekey(scene, rekey);
        opens(scene, 0);
        if (wrong != 4) opens(scene, 1);
        if (wrong == 0) { /* All is well. */
            sealed_give(scene->to, rekey, size);
            assert_false(next(scene->to, &message));
            for (unsigned i = 2; i < RECORDS; i++)
                opens(scene, i);
        } else if (wrong == 1) { /* The change of keys is left out, */
            sealed_give(scene->to, scene->records[2], scene->sizes[2]);
        } else if (wrong == 4) { /* comes too early, */
            sealed_give(scene->to, rekey, size);
        } else { /* twice, or is followed by what was sealed before it. */
            sealed_give(scene->to, rekey, size);
            assert_false(next(scene->to, &message));
            if (wrong == 2) sealed_give(scene->to, rekey, size);
            if (wrong == 3) sealed_give(scene->to, scene->records[1], scene->sizes[1]);
        }
        if (wrong != 0) breaks(scene->to, "");
        again(state);
    }
}

/* Nonces go on: a record before and one after the change have different numbers. */
static void a_change_of_keys_begins_no_numbers_anew(void **state) {
    struct scene *scene = *state;
    seal_numbers(scene);
    for (unsigned i = 0; i < RECORDS; i++)
        opens(scene, i);
    give_frame(scene, rekey_frame, sizeof rekey_frame); /* Sealed under the number RECORDS. */
    struct frame_message message;
    assert_false(next(scene->to, &message));
    assert_int_equal(scene->to->receive.cipher.nonce, RECORDS + 1);
}

static void a_key_changes_between_the_fragments_of_a_message(void **state) {
    struct scene *scene = *state;
    static const uint8_t first[] = {1, FRAME_FLAG_MORE, LANE_LIVE, 0, 2, 0, 0, 0, 0, 0, 0, 0, 'a'};
    static const uint8_t second[] = {1, 0, LANE_LIVE, 0, 'b'};
    struct frame_message message;
    give_frame(scene, first, sizeof first);
    assert_false(next(scene->to, &message));
    session_rekey(scene->from);
    assert_true(sealed_carry(scene->from, scene->to, SIZE_MAX) > 0);
    give_frame(scene, second, sizeof second);
    assert_true(next(scene->to, &message));
    assert_int_equal(message.body.size, 2);
    assert_memory_equal(message.body.data, "ab", 2);
}

static void before_a_session_stands_no_key_changes(void **state) {
    (void)state;
    struct sealed sealed;
    sealed_dial(&sealed);
    session_rekey(sealed.ends[INITIATOR]);
    session_sent(sealed.ends[INITIATOR], HANDSHAKE_M1);
    assert_int_equal(session_to_send(sealed.ends[INITIATOR]).size, 0);
    sealed_close(&sealed);
}

/* Both sides count what they seal and open; `records` and `bytes` are where the count is. */
static void wear(struct scene *scene, uint64_t records, uint64_t bytes) {
    scene->from->send.records = scene->to->receive.records = records;
    scene->from->send.bytes = scene->to->receive.bytes = bytes;
}

/* A record is sent and opened; returns whether the key was changed behind it. */
static bool sends_and_rekeys(struct scene *scene) {
    static const uint8_t byte = 7;
    struct frame_message message;
    assert_int_equal(
        session_push(scene->from, LANE_LIVE, (struct bytes){&byte, 1}, 0, nobody, NULL), WEFT_OK);
    uint8_t key[NOISE_KEY_SIZE];
    memcpy(key, scene->from->send.cipher.key, sizeof key);
    const size_t record = SEALED_OVERHEAD + FRAME_HEADER + FRAME_PREFIX + 1;
    const size_t size = sealed_carry(scene->from, scene->to, SIZE_MAX);
    assert_true(next(scene->to, &message));
    assert_int_equal(message.body.data[0], 7);
    const bool changed = memcmp(key, scene->from->send.cipher.key, sizeof key) != 0;
    assert_int_equal(size, changed ? record + SEALED_OVERHEAD + FRAME_HEADER : record);
    return changed;
}

static void a_key_changes_by_itself_before_it_is_worn(void **state) {
    struct scene *scene = *state;
    const uint64_t frame = FRAME_HEADER + FRAME_PREFIX + 1;
    wear(scene, LIMIT_REKEY_RECORDS - 3, 0);
    assert_false(sends_and_rekeys(scene));
    assert_true(sends_and_rekeys(scene)); /* The record that says so is the last of the key. */
    assert_int_equal(scene->from->send.records, 0);
    assert_false(sends_and_rekeys(scene));
    wear(scene, 0, LIMIT_REKEY_BYTES - (LIMIT_FRAME + 1u) - frame - 1);
    assert_false(sends_and_rekeys(scene));
    assert_true(sends_and_rekeys(scene));
    assert_int_equal(scene->from->send.bytes, 0);
    assert_false(sends_and_rekeys(scene));
}

static void a_peer_that_goes_on_with_a_worn_key_is_refused(void **state) {
    struct scene *scene = *state;
    static const uint8_t frame[] = {1, 0, LANE_LIVE, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a'};
    struct frame_message message;
    for (unsigned i = 0; i < 2; i++) {
        wear(scene, i == 0 ? LIMIT_REKEY_RECORDS - 1 : 0,
             i == 0 ? 0 : LIMIT_REKEY_BYTES - sizeof frame);
        give_frame(scene, frame, sizeof frame); /* The last one that may come. */
        assert_true(next(scene->to, &message));
        give_frame(scene, frame, sizeof frame);
        breaks(scene->to, "it had to change");
        again(state);
    }
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(records_open_in_their_order_and_in_no_other),
        SCENE_TEST(a_record_of_one_direction_is_none_of_the_other),
        SCENE_TEST(a_record_of_one_session_is_none_of_another),
        SCENE_TEST(every_flipped_bit_of_a_sealed_frame_breaks_the_session),
        SCENE_TEST(a_length_that_was_changed_opens_nothing),
        SCENE_TEST(a_record_too_short_for_a_frame_breaks_the_session),
        SCENE_TEST(a_record_of_the_greatest_size_is_taken_from_any_place_in_the_buffer),
        SCENE_TEST(records_are_counted_and_the_one_under_way_is_known_by_its_size),
        SCENE_TEST(a_frame_that_is_none_breaks_the_session_without_a_word),
        SCENE_TEST(a_key_that_changes_is_followed_by_the_other_side),
        SCENE_TEST(a_key_changes_in_one_direction_alone),
        SCENE_TEST(the_order_of_records_holds_across_a_change_of_keys),
        SCENE_TEST(a_change_of_keys_begins_no_numbers_anew),
        SCENE_TEST(a_key_changes_between_the_fragments_of_a_message),
        SCENE_TEST(before_a_session_stands_no_key_changes),
        SCENE_TEST(a_key_changes_by_itself_before_it_is_worn),
        SCENE_TEST(a_peer_that_goes_on_with_a_worn_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
