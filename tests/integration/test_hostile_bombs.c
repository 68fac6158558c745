/* A member that says what cannot be read, or what is small and unfolds to much: frames, compressed
 * messages, protobuf. Each limit is crossed by one; the session ends, memory stays within its
 * bound, and an honest member is served as before. Well-formed lies: test_hostile_members.c. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/siege.h"

/* ---- frames ---------------------------------------------------------------------------------- */

struct bad_frame {
    uint8_t type, flags, lane, reserved;
    uint32_t wire, raw; /* of the message, as the prefix says */
    uint32_t body;      /* bytes of it that follow; UINT32_MAX: not even a prefix */
};

static void frames_that_cannot_be_end_the_session(void **state) {
    static const struct bad_frame frames[] = {
        {0, 0, 0, 0, 2, 0, 2},
        {3, 0, 0, 0, 2, 0, 2},
        {1, 2, 0, 0, 2, 0, 2},
        {1, 0x80, 0, 0, 2, 0, 2},
        {1, 0, LANE_COUNT, 0, 2, 0, 2},
        {1, 0, 255, 0, 2, 0, 2},
        {1, 0, 0, 1, 2, 0, 2},
        {1, 0, 0, 0, 0, 0, 1},
        {1, 0, 0, 0, 2, 0, 0},
        {1, 0, 0, 0, 2, 0, UINT32_MAX},
        {1, 0, 0, 0, 2, 0, 3}, /* longer than it says */
        {1, 0, 0, 0, 3, 0, 2}, /* shorter, without MORE */
        {1, 1, 0, 0, 2, 0, 2}, /* whole, and with MORE */
        {1, 1, 0, 0, LIMIT_MESSAGE_WIRE + 1, 0, 2},
        {1, 1, 3, 0, UINT32_MAX, 0, 2},
        {1, 1, 3, 0, LIMIT_MESSAGE_WIRE, LIMIT_MESSAGE_RAW + 1, 2},
        {1, 1, 3, 0, 1000, 1000 * LIMIT_RATIO + 1, 2},
        {1, 1, 3, 0, LIMIT_MESSAGE_WIRE, UINT32_MAX, 2},
    };
    struct siege *siege = *state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        const struct bad_frame *bad = &frames[i];
        uint8_t frame[64] = {bad->type, bad->flags, bad->lane, bad->reserved};
        const size_t size = bad->body == UINT32_MAX ? FRAME_HEADER + FRAME_PREFIX - 1
                                                    : FRAME_HEADER + FRAME_PREFIX + bad->body;
        store_u32(frame + 4, bad->wire);
        store_u32(frame + 8, bad->raw);
        assert_true(liar_meet(&siege->liar));
        (void)liar_frames(&siege->liar, (struct bytes){frame, size});
        assert_true(liar_hears_out(&siege->liar));
        assert_int_equal(siege->liar.code, 0); /* A frame that is at fault is not talked about. */
    }
    siege_assert_well(siege);
}

static void records_of_any_other_length_end_the_session(void **state) {
    static const uint16_t lengths[] = {0, 1, 16, 19, 20, 1000, 65535};
    struct siege *siege = *state;
    uint8_t *record = calloc(1, 2 + 65535);
    assert_non_null(record);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        store_u16(record, lengths[i]);
        assert_true(liar_meet(&siege->liar));
        (void)liar_bytes(&siege->liar, (struct bytes){record, 2u + lengths[i]});
        assert_true(liar_hears_out(&siege->liar));
    }
    free(record);
    siege_assert_well(siege);
}

/* Four messages of a MiB each, begun and never finished, and then small ones: that is all that a
 * session gathers. */
static void messages_that_are_never_finished_are_four_at_most(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    uint8_t *frame = calloc(1, FRAME_MAX);
    const uint64_t before = siege_rss();
    assert_non_null(frame);
    assert_true(liar_meet(liar));
    for (uint32_t sent = 0; sent < LIMIT_MESSAGE_WIRE - LIMIT_FRAME_BODY;
         sent += LIMIT_FRAME_BODY) {
        for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
            size_t at = FRAME_HEADER;
            frame[0] = FRAME_TYPE_MESSAGE;
            frame[1] = FRAME_FLAG_MORE;
            frame[2] = (uint8_t)lane;
            if (sent == 0) {
                store_u32(frame + at, LIMIT_MESSAGE_WIRE);
                store_u32(frame + at + 4, 0);
                at += FRAME_PREFIX;
            }
            memset(frame + at, 0, LIMIT_FRAME_BODY);
            assert_true(liar_frames(liar, (struct bytes){frame, at + LIMIT_FRAME_BODY}));
        }
    }
    siege_assert_well(siege);
    assert_in_range(siege_rss(), 0, before + SIEGE_RSS_MAX);
    siege_wait_gone(siege);
    free(frame);
}

/* ---- protobuf -------------------------------------------------------------------------------- */

/* So many times the same bytes, in the body of a StateRequest. */
static struct bytes repeat(uint8_t *out, const void *part, size_t size, uint32_t count) {
    uint8_t inner[8], *at = out;
    const size_t body = size * count;
    size_t length = 0;
    for (size_t rest = body; rest >= 0x80; rest >>= 7)
        inner[length++] = (uint8_t)(rest | 0x80);
    inner[length] = (uint8_t)(body >> 7 * length);
    *at++ = 0x12; /* Wire.state_request */
    memcpy(at, inner, length + 1);
    at += length + 1;
    for (uint32_t i = 0; i < count; i++, at += size)
        memcpy(at, part, size);
    return (struct bytes){out, (size_t)(at - out)};
}

static void messages_of_too_many_parts_are_refused_before_they_are_unpacked(void **state) {
    static const struct {
        const char *part;
        size_t size;
    } parts[] = {
        {"\x0a\x00", 2},                 /* places */
        {"\xc2\x3e\x00", 3},             /* fields that nobody knows */
        {"\x0a\x04\xc2\x3e\x01\x00", 6}, /* ... and within places */
    };
    struct siege *siege = *state;
    uint8_t *room = malloc(LIMIT_MESSAGE_WIRE);
    assert_non_null(room);
    for (size_t i = 0; i < 3; i++) {
        assert_true(liar_meet(&siege->liar));
        (void)liar_packs(&siege->liar, LANE_CONTROL,
                         repeat(room, parts[i].part, parts[i].size, LIMIT_ELEMENTS + 1), 0);
        assert_true(liar_is_thrown_out(&siege->liar, WEFT_LIMIT));
        assert_true(liar_meet(&siege->liar));
        (void)liar_packs(&siege->liar, LANE_CONTROL,
                         repeat(room, parts[i].part, parts[i].size, 170000), 0);
        assert_true(liar_is_thrown_out(&siege->liar, WEFT_LIMIT));
    }
    free(room);
    siege_assert_well(siege);
}

static void bytes_that_are_no_message_end_the_session(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
    } messages[] = {
        {"\x0b", 1},                                          /* a group */
        {"\x02\x00", 2},                                      /* field 0 */
        {"\x0a\x05", 2},                                      /* past the end */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* a tag without end */
        {"\x42\x00\x42\x00", 4},                              /* a heartbeat, twice */
        {"\x42\x00\x3a\x00", 4},                              /* ... and credit */
        {"\x4a\x03\x12\x01\xff", 5},                          /* a text that is none */
        {"\x4a\x03\x12\x01\x00", 5},                          /* ... or ends within */
        {"\x40\x01", 2},                                      /* a heartbeat as a number */
        {"\x22\x00", 2},                                      /* rows on the control lane */
    };
    struct siege *siege = *state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        const struct bytes message = {(const uint8_t *)messages[i].bytes, messages[i].size};
        assert_true(liar_meet(&siege->liar));
        (void)liar_packs(&siege->liar, LANE_CONTROL, message, 0);
        assert_true(liar_is_thrown_out(&siege->liar, WEFT_PROTOCOL));
    }
    siege_assert_well(siege);
}

/* ---- zstd ------------------------------------------------------------------------------------ */

struct zipped {
    uint8_t *bytes;
    size_t size;
    uint32_t raw; /* as it is said to be */
};

/* `noise` bytes of chance and zeros up to `raw`, as one frame. */
static struct zipped zip(uint32_t noise, uint32_t raw, int window_log, bool sized) {
    uint8_t *plain = calloc(1, raw);
    struct zipped out = {.raw = raw};
    const size_t room = ZSTD_compressBound(raw) + 64;
    out.bytes = calloc(1, room);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_true(plain != NULL && out.bytes != NULL && context != NULL);
    randombytes_buf(plain, noise);
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, sized);
    /* In two steps: what comes in one is a single segment, which has no window of its own. */
    ZSTD_outBuffer to = {out.bytes, room, 0};
    ZSTD_inBuffer from = {plain, raw / 2, 0};
    if (sized) assert_false(ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, raw)));
    assert_false(ZSTD_isError(ZSTD_compressStream2(context, &to, &from, ZSTD_e_flush)));
    from.size = raw;
    assert_int_equal(ZSTD_compressStream2(context, &to, &from, ZSTD_e_end), 0);
    out.size = to.pos;
    (void)ZSTD_freeCCtx(context);
    free(plain);
    return out;
}

static void zip_is_refused(struct siege *siege, struct zipped zipped) {
    struct liar *liar = &siege->liar;
    for (int lane = LANE_CONTROL; lane <= LANE_BACKFILL; lane++) {
        assert_true(liar_meet(liar));
        (void)liar_packs(liar, (enum frame_lane)lane, (struct bytes){zipped.bytes, zipped.size},
                         zipped.raw);
        assert_true(liar_hears_out(liar));
    }
    free(zipped.bytes);
}

static void compressed_messages_that_are_not_what_they_say_end_the_session(void **state) {
    struct siege *siege = *state;
    struct zipped zipped = zip(2000, 100000, 17, true);
    zipped.raw++;
    zip_is_refused(siege, zipped);
    zipped = zip(2000, 100000, 17, true);
    zipped.raw--;
    zip_is_refused(siege, zipped);
    zip_is_refused(siege, zip(2000, 100000, 17, false)); /* of a size that is not said */
    zip_is_refused(siege, zip(70000, LIMIT_MESSAGE_RAW, LIMIT_ZSTD_WINDOW_LOG + 2, true));
    zipped = zip(2000, 100000, 17, true);
    zipped.size -= 5; /* cut short */
    zip_is_refused(siege, zipped);
    zipped = zip(2000, 50000, 17, true);
    zipped.bytes = realloc(zipped.bytes, zipped.size * 2);
    assert_non_null(zipped.bytes);
    memcpy(zipped.bytes + zipped.size, zipped.bytes, zipped.size); /* two frames */
    zipped.size *= 2;
    zipped.raw *= 2;
    zip_is_refused(siege, zipped);
    zipped = zip(2000, 100000, 17, true);
    for (size_t i = 20; i < zipped.size; i += 16)
        zipped.bytes[i] ^= 0x55;
    zip_is_refused(siege, zipped);
    siege_assert_well(siege);
}

/* The most that may be asked for: 64 KiB that unfold to 4 MiB, and are no rows then. */
static void the_largest_bomb_that_is_allowed_costs_one_session(void **state) {
    struct siege *siege = *state;
    zip_is_refused(siege, zip(70000, LIMIT_MESSAGE_RAW, LIMIT_ZSTD_WINDOW_LOG, true));
    siege_assert_well(siege);
}

/* ---- on and on ------------------------------------------------------------------------------- */

static void drop_zstd(struct siege *siege, uint32_t round) {
    const struct zipped *bomb = siege->weapon;
    (void)round;
    if (!liar_meet(&siege->liar)) return;
    for (uint32_t i = 0; i < LIMIT_PEER_PACKED; i++)
        (void)liar_packs(&siege->liar, LANE_BACKFILL, (struct bytes){bomb->bytes, bomb->size},
                         bomb->raw);
    (void)liar_hears_out(&siege->liar);
}

static void drop_protobuf(struct siege *siege, uint32_t round) {
    uint8_t room[LIMIT_ELEMENTS * 2 + 64];
    if (!liar_meet(&siege->liar)) return;
    /* As many as are allowed, which are too small to be places; and one more. */
    (void)liar_packs(&siege->liar, LANE_CONTROL,
                     repeat(room, "\x0a\x00", 2, LIMIT_ELEMENTS + round % 2), 0);
    (void)liar_hears_out(&siege->liar);
}

static void drop_frames(struct siege *siege, uint32_t round) {
    uint8_t frame[FRAME_MAX] = {1, 0, (uint8_t)(round % 5), 0};
    if (!liar_meet(&siege->liar)) return;
    randombytes_buf(frame + FRAME_HEADER, sizeof frame - FRAME_HEADER);
    (void)liar_frames(&siege->liar, (struct bytes){frame, sizeof frame});
    (void)liar_hears_out(&siege->liar);
}

static void commits_go_on_while_bombs_fall(void **state) {
    static const struct siege_attack attacks[] = {{"zstd bombs", drop_zstd, 20, 20},
                                                  {"protobuf bombs", drop_protobuf, 10, 50},
                                                  {"junk in frames", drop_frames, 10, 50}};
    struct siege *siege = *state;
    struct zipped bomb = zip(70000, LIMIT_MESSAGE_RAW, LIMIT_ZSTD_WINDOW_LOG, true);
    siege->weapon = &bomb;
    siege_endure(siege, attacks, sizeof attacks / sizeof *attacks);
    siege->weapon = NULL;
    free(bomb.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_cannot_be_end_the_session),
        cmocka_unit_test(records_of_any_other_length_end_the_session),
        cmocka_unit_test(messages_that_are_never_finished_are_four_at_most),
        cmocka_unit_test(messages_of_too_many_parts_are_refused_before_they_are_unpacked),
        cmocka_unit_test(bytes_that_are_no_message_end_the_session),
        cmocka_unit_test(compressed_messages_that_are_not_what_they_say_end_the_session),
        cmocka_unit_test(the_largest_bomb_that_is_allowed_costs_one_session),
        cmocka_unit_test(commits_go_on_while_bombs_fall),
    };
    return cmocka_run_group_tests(tests, siege_setup, siege_teardown);
}
