/* Frames: whatever the cuts, each message comes out whole, in its lane's order, the urgent ones
 * first; what is no frame is refused as soon as it can be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/wire/frame.h"
#include "tests/sim/rng.h"

#define ROOM FRAME_MAX
#define FIRST_HEADER (FRAME_HEADER + FRAME_PREFIX)

static const struct frame_owner nobody = {NULL};

static void push(struct frame_writer *writer, enum frame_lane lane, const void *data, size_t size) {
    const struct bytes message = {data, size};
    assert_int_equal(frame_writer_push(writer, lane, message, 0, nobody, NULL), WEFT_OK);
}

static bool take(struct frame_reader *reader, const uint8_t *frame, size_t size,
                 struct frame_message *out) {
    bool got;
    struct weft_error why = {0};
    assert_int_equal(frame_reader_take(reader, (struct bytes){frame, size}, out, &got, &why),
                     WEFT_OK);
    return got;
}

/* ---- the writer ------------------------------------------------------------------------------ */

/* The example of docs/protocol.md, byte for byte. */
static void frame_writes_the_bytes_of_the_document(void **state) {
    (void)state;
    static const uint8_t document[] = {0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
                                       0x00, 0x00, 0x00, 0x00, 0x00, 0x42, 0x00};
    uint8_t out[ROOM];
    struct frame_writer *writer = frame_writer_open();
    push(writer, LANE_CONTROL, "\x42\x00", 2);
    assert_int_equal(frame_writer_queued(writer), 2);
    assert_int_equal(frame_writer_next(writer, out, sizeof out), sizeof document);
    assert_memory_equal(out, document, sizeof document);
    assert_int_equal(frame_writer_queued(writer), 0);
    assert_int_equal(frame_writer_next(writer, out, sizeof out), 0);
    frame_writer_close(writer);
}

static void no_lane_starves_behind_more_urgent_ones(void **state) {
    (void)state;
    static const uint8_t batch[8 * LIMIT_FRAME_BODY];
    uint8_t out[ROOM];
    unsigned waited = 0, longest = 0, turns = 0;
    struct frame_writer *writer = frame_writer_open();
    push(writer, LANE_BACKFILL, batch, sizeof batch);
    for (unsigned i = 0; i < 5 * FRAME_PASSES; i++) {
        push(writer, LANE_SHARED, "tag", 3);
        push(writer, LANE_LIVE, "row", 3);
        assert_true(frame_writer_next(writer, out, sizeof out) > 0);
        waited = out[2] == LANE_BACKFILL ? 0 : waited + 1;
        turns += out[2] == LANE_BACKFILL;
        longest = waited > longest ? waited : longest;
    }
    assert_in_range(longest, FRAME_PASSES - 1, FRAME_PASSES + LANE_COUNT);
    assert_in_range(turns, 3, 5); /* No more than its turns either. */
    frame_writer_close(writer);
}

static void frame_of_an_urgent_lane_goes_between_fragments(void **state) {
    (void)state;
    static const uint8_t batch[3 * LIMIT_FRAME_BODY];
    static const struct {
        uint8_t lane, flags;
    } expected[] = {{LANE_BACKFILL, FRAME_FLAG_MORE},
                    {LANE_LIVE, 0},
                    {LANE_BACKFILL, 1},
                    {LANE_CONTROL, 0},
                    {LANE_SHARED, 0},
                    {LANE_BACKFILL, 0}};
    uint8_t out[ROOM];
    struct frame_writer *writer = frame_writer_open();
    push(writer, LANE_BACKFILL, batch, sizeof batch);
    for (unsigned i = 0; i < 6; i++) {
        if (i == 1) push(writer, LANE_LIVE, "edit", 4);
        if (i == 3) push(writer, LANE_SHARED, "tag", 3);
        if (i == 3) push(writer, LANE_CONTROL, "ack", 3);
        assert_true(frame_writer_next(writer, out, sizeof out) > 0);
        assert_int_equal(out[2], expected[i].lane);
        assert_int_equal(out[1], expected[i].flags);
    }
    assert_int_equal(frame_writer_next(writer, out, sizeof out), 0);
    frame_writer_close(writer);
}

static void frame_lanes_go_in_order_of_urgency(void **state) {
    (void)state;
    uint8_t out[ROOM];
    struct frame_writer *writer = frame_writer_open();
    for (unsigned lane = LANE_COUNT; lane-- > 0;)
        push(writer, (enum frame_lane)lane, "message", 7);
    for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
        assert_true(frame_writer_next(writer, out, sizeof out) > 0);
        assert_int_equal(out[2], lane);
    }
    frame_writer_close(writer);
}

static void count_release(void *token) {
    ++*(unsigned *)token;
}

static void frame_writer_releases_each_message_once(void **state) {
    (void)state;
    static const uint8_t data[LIMIT_FRAME_BODY + 1];
    const struct frame_owner owner = {count_release};
    const struct bytes message = {data, sizeof data};
    unsigned released[40] = {0};
    uint8_t out[ROOM];
    struct frame_writer *writer = frame_writer_open();
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(frame_writer_push(writer, LANE_LIVE, message, 0, owner, &released[i]),
                         WEFT_OK);
    assert_int_equal(frame_writer_queued(writer), 40 * sizeof data);
    frame_writer_next(writer, out, sizeof out);
    assert_int_equal(released[0], 0); /* a fragment is still to come */
    for (unsigned i = 0; i < 30; i++)
        frame_writer_next(writer, out, sizeof out);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(released[i], i < 15);
    frame_writer_close(writer);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(released[i], 1);
}

/* ---- there and back -------------------------------------------------------------------------- */

static void frame_returns_messages_of_every_size(void **state) {
    (void)state;
    static uint8_t data[LIMIT_MESSAGE_WIRE];
    static const size_t sizes[] = {1,
                                   2,
                                   LIMIT_FRAME_BODY - 1,
                                   LIMIT_FRAME_BODY,
                                   LIMIT_FRAME_BODY + 1,
                                   2 * LIMIT_FRAME_BODY,
                                   LIMIT_MESSAGE_WIRE};
    uint8_t out[ROOM];
    struct rng rng;
    rng_seed(&rng, 5, 0);
    rng_fill(&rng, data, sizeof data);
    struct frame_writer *writer = frame_writer_open();
    struct frame_reader *reader = frame_reader_open();
    for (unsigned i = 0; i < 7; i++) {
        const struct bytes message = {data, sizes[i]};
        const uint32_t raw = i % 2 == 0 ? 0 : (uint32_t)(sizes[i] * 2);
        struct frame_message back;
        bool whole = false;
        assert_int_equal(frame_writer_push(writer, LANE_SHARED, message, raw, nobody, NULL),
                         WEFT_OK);
        for (size_t size; (size = frame_writer_next(writer, out, sizeof out)) > 0;) {
            assert_false(whole);
            whole = take(reader, out, size, &back);
        }
        assert_true(whole);
        assert_int_equal(back.body.size, sizes[i]);
        assert_memory_equal(back.body.data, data, sizes[i]);
        assert_int_equal(back.raw_size, raw);
        assert_int_equal(back.lane, LANE_SHARED);
    }
    frame_writer_close(writer);
    frame_reader_close(reader);
}

static void frame_uses_a_whole_message_where_it_lies(void **state) {
    (void)state;
    uint8_t out[ROOM];
    struct frame_message back;
    struct frame_writer *writer = frame_writer_open();
    struct frame_reader *reader = frame_reader_open();
    push(writer, LANE_CONTROL, "heartbeat", 9);
    const size_t size = frame_writer_next(writer, out, sizeof out);
    assert_true(take(reader, out, size, &back));
    assert_ptr_equal(back.body.data, out + FIRST_HEADER);
    frame_writer_close(writer);
    frame_reader_close(reader);
}

/* Messages whose first bytes say their lane and number, and whose rest follows from these. */
#define MESSAGES 60u

static size_t make_message(struct rng *rng, enum frame_lane lane, uint32_t number, uint8_t *out) {
    size_t size = 5 + rng_below(rng, rng_chance(rng, 300) ? 80000 : 300);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(i * 7 + number * 13 + lane);
    out[0] = (uint8_t)lane;
    memcpy(out + 1, &number, 4);
    return size;
}

static void check_message(const struct frame_message *message, uint32_t *expected) {
    uint32_t number;
    assert_true(message->body.size >= 5);
    assert_int_equal(message->body.data[0], message->lane);
    memcpy(&number, message->body.data + 1, 4);
    assert_int_equal(number, expected[message->lane]);
    expected[message->lane]++;
    for (size_t i = 5; i < message->body.size; i++)
        assert_int_equal(message->body.data[i], (uint8_t)(i * 7 + number * 13 + message->lane));
}

static void frame_keeps_the_order_of_lanes_whatever_is_queued_when(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct rng rng;
        uint8_t *bodies[MESSAGES], out[ROOM];
        uint32_t pushed = 0, sent[LANE_COUNT] = {0}, seen[LANE_COUNT] = {0};
        struct frame_writer *writer = frame_writer_open();
        struct frame_reader *reader = frame_reader_open();
        rng_seed(&rng, seed, 0);
        for (size_t size = 1; size > 0 || pushed < MESSAGES;) {
            struct frame_message message;
            while (pushed < MESSAGES && rng_chance(&rng, 500)) {
                const enum frame_lane lane = (enum frame_lane)rng_below(&rng, LANE_COUNT);
                bodies[pushed] = malloc(80005);
                assert_non_null(bodies[pushed]);
                push(writer, lane, bodies[pushed],
                     make_message(&rng, lane, sent[lane]++, bodies[pushed]));
                pushed++;
            }
            size = frame_writer_next(writer, out, sizeof out);
            if (size > 0 && take(reader, out, size, &message)) check_message(&message, seen);
        }
        assert_memory_equal(sent, seen, sizeof sent);
        frame_writer_close(writer);
        frame_reader_close(reader);
        for (uint32_t i = 0; i < pushed; i++)
            free(bodies[i]);
    }
}

/* A frame may be cut anywhere, not only where this side cuts. */
static void frame_gathers_fragments_of_single_bytes(void **state) {
    (void)state;
    static const char text[] = "one byte at a time";
    struct frame_reader *reader = frame_reader_open();
    struct frame_message message;
    for (size_t i = 0; i < sizeof text; i++) {
        uint8_t frame[FIRST_HEADER + 1] = {FRAME_TYPE_MESSAGE, i + 1 < sizeof text, LANE_LIVE};
        const size_t head = i == 0 ? FIRST_HEADER : FRAME_HEADER;
        if (i == 0) store_u32(frame + FRAME_HEADER, sizeof text);
        frame[head] = (uint8_t)text[i];
        assert_int_equal(take(reader, frame, head + 1, &message), i + 1 == sizeof text);
    }
    assert_int_equal(message.body.size, sizeof text);
    assert_memory_equal(message.body.data, text, sizeof text);
    frame_reader_close(reader);
}

/* Three messages, one of two fragments with another lane's between them. */
#define STREAM 4u

struct stream {
    uint8_t frames[STREAM][ROOM];
    size_t sizes[STREAM];
};

static void make_stream(struct stream *stream) {
    static const uint8_t large[LIMIT_FRAME_BODY + 100];
    struct frame_writer *writer = frame_writer_open();
    push(writer, LANE_BACKFILL, large, sizeof large);
    for (unsigned i = 0; i < STREAM; i++) {
        stream->sizes[i] = frame_writer_next(writer, stream->frames[i], ROOM);
        if (i == 0) push(writer, LANE_CONTROL, "acknowledged", 12);
        if (i == 0) push(writer, LANE_BACKFILL, "more", 4);
    }
    frame_writer_close(writer);
}

static void frame_is_refused_at_every_length_but_its_own(void **state) {
    (void)state;
    static struct stream stream;
    static uint8_t longer[ROOM + 1];
    make_stream(&stream);
    for (unsigned broken = 0; broken < STREAM; broken++) {
        for (size_t size = 0; size <= stream.sizes[broken] + 1; size++) {
            struct frame_reader *reader = frame_reader_open();
            struct frame_message message;
            bool got;
            if (size == stream.sizes[broken]) size++;
            for (unsigned i = 0; i < broken; i++)
                take(reader, stream.frames[i], stream.sizes[i], &message);
            memcpy(longer, stream.frames[broken], stream.sizes[broken]);
            const struct bytes frame = {longer, size};
            enum weft_status status = frame_reader_take(reader, frame, &message, &got, NULL);
            /* A fragment with more to come may be of any length that has a byte of it. */
            const bool more = broken == 0 && size > FIRST_HEADER;
            assert_int_equal(status, more ? WEFT_OK : WEFT_PROTOCOL);
            assert_false(got);
            frame_reader_close(reader);
        }
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

struct part {
    const char *bytes;
    size_t size;
};

/* `first` (which may be empty) is taken, `second` is refused. */
static void refuses(struct part first, struct part second, const char *text) {
    struct frame_reader *reader = frame_reader_open();
    struct frame_message message;
    struct weft_error why = {0};
    bool got = true;
    /* Exactly as large as the frame, so that reading past it is seen. */
    uint8_t *data = malloc(second.size == 0 ? 1 : second.size);
    assert_non_null(data);
    memcpy(data, second.bytes, second.size);
    if (first.size > 0) take(reader, (const uint8_t *)first.bytes, first.size, &message);
    const struct bytes frame = {data, second.size};
    assert_int_equal(frame_reader_take(reader, frame, &message, &got, &why), WEFT_PROTOCOL);
    assert_false(got);
    if (strstr(why.text, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", why.text, text);
    /* And it stays so, whatever follows. */
    static const uint8_t sound[] = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    assert_int_equal(
        frame_reader_take(reader, (struct bytes){sound, sizeof sound}, &message, &got, &why),
        WEFT_PROTOCOL);
    assert_false(got);
    free(data);
    frame_reader_close(reader);
}

#define PART(literal) ((struct part){literal, sizeof(literal) - 1})
#define REFUSES(literal, text) refuses(PART(""), PART(literal), text)

static void frame_refuses_headers_that_cannot_be(void **state) {
    (void)state;
    REFUSES("", "its size is 0");
    REFUSES("\x01\x00\x00", "its size is 3");
    REFUSES("\x02\x00\x00\x00", "its type is 2");
    REFUSES("\x00\x00\x00\x00", "its type is 0");
    REFUSES("\x01\x02\x00\x00", "flags is 2");
    REFUSES("\x01\x00\x04\x00", "its lane is 4");
    REFUSES("\x01\x00\x00\x01", "its reserved byte is 1");
    REFUSES("\x01\x00\x00\x00", "its size is 4");
    REFUSES("\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", "its size is 12");
}

static void frame_refuses_sizes_that_pass_a_limit(void **state) {
    (void)state;
    REFUSES("\x01\x01\x00\x00\x01\x00\x10\x00\x00\x00\x00\x00x", "size is 1048577");
    REFUSES("\x01\x01\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00x", "size is 4294967295");
    REFUSES("\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00x", "size is 0");
    REFUSES("\x01\x01\x00\x00\x00\x00\x10\x00\x01\x00\x40\x00x", "size is 4194305");
    REFUSES("\x01\x01\x00\x00\x02\x00\x00\x00\x81\x00\x00\x00x", "size is 129");
}

static void frame_refuses_fragments_that_contradict_their_message(void **state) {
    (void)state;
    REFUSES("\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00xy", "a fragment is 2");
    REFUSES("\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00x", "MORE flag");
    REFUSES("\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00x", "MORE flag");
    /* The second fragment of a message of three bytes: empty, too long, or not the last. */
    const struct part first = PART("\x01\x01\x03\x00\x03\x00\x00\x00\x00\x00\x00\x00x");
    refuses(first, PART("\x01\x01\x03\x00"), "its size is 4");
    refuses(first, PART("\x01\x00\x03\x00yz!"), "a fragment is 3");
    refuses(first, PART("\x01\x01\x03\x00yz"), "MORE flag");
    refuses(first, PART("\x01\x00\x03\x00y"), "MORE flag");
}

static void frame_survives_chance(void **state) {
    (void)state;
    static struct stream stream, changed;
    struct rng rng;
    unsigned refused = 0;
    make_stream(&stream);
    rng_seed(&rng, 9, 0);
    for (unsigned i = 0; i < 3000; i++) {
        struct frame_reader *reader = frame_reader_open();
        enum weft_status status = WEFT_OK;
        changed = stream;
        const size_t at = rng_below(&rng, STREAM);
        const size_t reach = rng_chance(&rng, 500) ? 12 : stream.sizes[at];
        changed.frames[at][rng_below(&rng, reach)] = (uint8_t)rng_u64(&rng);
        for (unsigned f = 0; f < STREAM && status == WEFT_OK; f++) {
            const struct bytes frame = {changed.frames[f], changed.sizes[f]};
            struct frame_message message;
            bool got = false;
            status = frame_reader_take(reader, frame, &message, &got, NULL);
            if (got) assert_in_range(message.body.size, 1, LIMIT_MESSAGE_WIRE);
        }
        refused += status == WEFT_PROTOCOL;
        frame_reader_close(reader);
    }
    assert_true(refused > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_writes_the_bytes_of_the_document),
        cmocka_unit_test(frame_of_an_urgent_lane_goes_between_fragments),
        cmocka_unit_test(no_lane_starves_behind_more_urgent_ones),
        cmocka_unit_test(frame_lanes_go_in_order_of_urgency),
        cmocka_unit_test(frame_writer_releases_each_message_once),
        cmocka_unit_test(frame_returns_messages_of_every_size),
        cmocka_unit_test(frame_uses_a_whole_message_where_it_lies),
        cmocka_unit_test(frame_keeps_the_order_of_lanes_whatever_is_queued_when),
        cmocka_unit_test(frame_gathers_fragments_of_single_bytes),
        cmocka_unit_test(frame_is_refused_at_every_length_but_its_own),
        cmocka_unit_test(frame_refuses_headers_that_cannot_be),
        cmocka_unit_test(frame_refuses_sizes_that_pass_a_limit),
        cmocka_unit_test(frame_refuses_fragments_that_contradict_their_message),
        cmocka_unit_test(frame_survives_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
