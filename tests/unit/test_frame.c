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

#define ROOM (LIMIT_FRAME_BODY + FRAME_HEADER + 2 + 8)
#define FIRST_HEADER (FRAME_HEADER + 8)

static const struct frame_owner nobody = {NULL};

static void push(struct frame_writer *writer, enum frame_lane lane, const void *data, size_t size) {
    const struct bytes message = {data, size};
    assert_int_equal(frame_writer_push(writer, lane, message, 0, nobody, NULL), WEFT_OK);
}

/* Hands bytes to a reader, as many at a time as it has room for. */
static void feed(struct frame_reader *reader, const uint8_t *data, size_t size) {
    while (size > 0) {
        uint8_t *place;
        size_t room;
        assert_int_equal(frame_reader_room(reader, &place, &room), WEFT_OK);
        assert_true(room > 0);
        const size_t part = size < room ? size : room;
        memcpy(place, data, part);
        frame_reader_filled(reader, part);
        data += part;
        size -= part;
    }
}

static bool next(struct frame_reader *reader, struct frame_message *out) {
    bool got;
    struct weft_error why = {0};
    assert_int_equal(frame_reader_next(reader, out, &got, &why), WEFT_OK);
    return got;
}

/* ---- the writer ------------------------------------------------------------------------------ */

/* The example of docs/protocol.md, byte for byte. */
static void frame_writes_the_bytes_of_the_document(void **state) {
    (void)state;
    static const uint8_t document[] = {0x0e, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00,
                                       0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x42, 0x00};
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
        assert_int_equal(out[4], expected[i].lane);
        assert_int_equal(out[3], expected[i].flags);
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
        assert_int_equal(out[4], lane);
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
        assert_int_equal(frame_writer_push(writer, LANE_SHARED, message, raw, nobody, NULL),
                         WEFT_OK);
        for (size_t size; (size = frame_writer_next(writer, out, sizeof out)) > 0;) {
            assert_false(next(reader, &back));
            feed(reader, out, size);
        }
        assert_true(next(reader, &back));
        assert_int_equal(back.body.size, sizes[i]);
        assert_memory_equal(back.body.data, data, sizes[i]);
        assert_int_equal(back.raw_size, raw);
        assert_int_equal(back.lane, LANE_SHARED);
        assert_false(next(reader, &back));
    }
    frame_writer_close(writer);
    frame_reader_close(reader);
}

static void frame_uses_a_whole_message_where_it_lies(void **state) {
    (void)state;
    uint8_t out[ROOM], *place;
    size_t room;
    struct frame_message back;
    struct frame_writer *writer = frame_writer_open();
    struct frame_reader *reader = frame_reader_open();
    push(writer, LANE_CONTROL, "heartbeat", 9);
    const size_t size = frame_writer_next(writer, out, sizeof out);
    assert_int_equal(frame_reader_room(reader, &place, &room), WEFT_OK);
    memcpy(place, out, size);
    frame_reader_filled(reader, size);
    assert_true(next(reader, &back));
    assert_ptr_equal(back.body.data, place + FIRST_HEADER);
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

static void frame_keeps_the_order_of_lanes_under_random_cuts(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct rng rng;
        uint8_t *bodies[MESSAGES], out[ROOM];
        uint32_t pushed = 0, sent[LANE_COUNT] = {0}, seen[LANE_COUNT] = {0};
        struct frame_writer *writer = frame_writer_open();
        struct frame_reader *reader = frame_reader_open();
        rng_seed(&rng, seed, 0);
        for (size_t size = 1; size > 0 || pushed < MESSAGES;) {
            while (pushed < MESSAGES && rng_chance(&rng, 500)) {
                const enum frame_lane lane = (enum frame_lane)rng_below(&rng, LANE_COUNT);
                bodies[pushed] = malloc(80005);
                assert_non_null(bodies[pushed]);
                push(writer, lane, bodies[pushed],
                     make_message(&rng, lane, sent[lane]++, bodies[pushed]));
                pushed++;
            }
            size = frame_writer_next(writer, out, sizeof out);
            for (size_t done = 0; done < size;) {
                const size_t part = 1 + rng_below(&rng, size - done);
                struct frame_message message;
                feed(reader, out + done, part);
                done += part;
                while (rng_chance(&rng, 800) && next(reader, &message))
                    check_message(&message, seen);
            }
        }
        for (struct frame_message message; next(reader, &message);)
            check_message(&message, seen);
        assert_memory_equal(sent, seen, sizeof sent);
        frame_writer_close(writer);
        frame_reader_close(reader);
        for (uint32_t i = 0; i < pushed; i++)
            free(bodies[i]);
    }
}

/* Three messages, one of two fragments with another lane's between them. */
static size_t make_stream(uint8_t *stream) {
    static const uint8_t large[LIMIT_FRAME_BODY + 100];
    size_t size = 0;
    struct frame_writer *writer = frame_writer_open();
    push(writer, LANE_BACKFILL, large, sizeof large);
    size += frame_writer_next(writer, stream + size, ROOM);
    push(writer, LANE_CONTROL, "acknowledged", 12);
    push(writer, LANE_BACKFILL, "more", 4);
    for (unsigned i = 0; i < 3; i++)
        size += frame_writer_next(writer, stream + size, ROOM);
    frame_writer_close(writer);
    return size;
}

static void frame_reads_a_stream_cut_at_every_byte(void **state) {
    (void)state;
    static uint8_t stream[4 * ROOM];
    static const size_t sizes[] = {12, LIMIT_FRAME_BODY + 100, 4};
    const size_t size = make_stream(stream);
    for (size_t cut = 0; cut <= size; cut++) {
        struct frame_reader *reader = frame_reader_open();
        struct frame_message message;
        unsigned seen = 0;
        feed(reader, stream, cut);
        while (next(reader, &message))
            assert_int_equal(message.body.size, sizes[seen++]);
        feed(reader, stream + cut, size - cut);
        while (next(reader, &message))
            assert_int_equal(message.body.size, sizes[seen++]);
        assert_int_equal(seen, 3);
        frame_reader_close(reader);
    }
}

static void frame_reads_a_stream_of_single_bytes(void **state) {
    (void)state;
    static uint8_t stream[4 * ROOM];
    const size_t size = make_stream(stream);
    struct frame_reader *reader = frame_reader_open();
    struct frame_message message;
    unsigned seen = 0;
    for (size_t i = 0; i < size; i++) {
        feed(reader, stream + i, 1);
        while (next(reader, &message))
            seen++;
    }
    assert_int_equal(seen, 3);
    frame_reader_close(reader);
}

static void frame_reader_says_when_messages_have_to_be_taken(void **state) {
    (void)state;
    uint8_t out[ROOM], *place;
    size_t room, fed = 0, messages = 0;
    enum weft_status status;
    struct frame_message message;
    struct frame_writer *writer = frame_writer_open();
    struct frame_reader *reader = frame_reader_open();
    push(writer, LANE_LIVE, "row", 3);
    const size_t size = frame_writer_next(writer, out, sizeof out);
    while ((status = frame_reader_room(reader, &place, &room)) == WEFT_OK) {
        for (size_t i = 0; i < room; i++, fed++)
            place[i] = out[fed % size];
        frame_reader_filled(reader, room);
        assert_true(fed < 1u << 20);
    }
    assert_int_equal(status, WEFT_BUSY);
    while (next(reader, &message))
        messages++;
    assert_int_equal(messages, fed / size);
    assert_int_equal(frame_reader_room(reader, &place, &room), WEFT_OK);
    frame_writer_close(writer);
    frame_reader_close(reader);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refuses(const char *bytes, size_t size, const char *text) {
    struct frame_reader *reader = frame_reader_open();
    struct frame_message message;
    struct weft_error why = {0};
    bool got = true;
    feed(reader, (const uint8_t *)bytes, size - 1);
    enum weft_status status = frame_reader_next(reader, &message, &got, &why);
    assert_int_equal(status, WEFT_OK); /* one byte too few to tell */
    assert_false(got);
    feed(reader, (const uint8_t *)bytes + size - 1, 1);
    status = frame_reader_next(reader, &message, &got, &why);
    assert_int_equal(status, WEFT_PROTOCOL);
    assert_false(got);
    assert_non_null(strstr(why.text, text));
    /* And it stays so, whatever follows. */
    assert_int_equal(frame_reader_next(reader, &message, &got, &why), WEFT_PROTOCOL);
    frame_reader_close(reader);
}

#define REFUSES(literal, text) refuses(literal, sizeof(literal) - 1, text)

static void frame_refuses_headers_before_their_bodies_arrive(void **state) {
    (void)state;
    REFUSES("\x20\x00\x02\x00\x00\x00", "its type is 2");
    REFUSES("\x20\x00\x00\x00\x00\x00", "its type is 0");
    REFUSES("\x20\x00\x01\x02\x00\x00", "flags is 2");
    REFUSES("\x20\x00\x01\x00\x04\x00", "its lane is 4");
    REFUSES("\x20\x00\x01\x00\x00\x01", "its reserved byte is 1");
    REFUSES("\x0c\x00\x01\x00\x00\x00", "its length is 12");
    REFUSES("\x00\x00\x01\x00\x00\x00", "its length is 0");
}

static void frame_refuses_sizes_that_pass_a_limit(void **state) {
    (void)state;
    REFUSES("\x0d\x00\x01\x01\x00\x00\x01\x00\x10\x00\x00\x00\x00\x00x", "size is 1048577");
    REFUSES("\x0d\x00\x01\x01\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00x", "size is 4294967295");
    REFUSES("\x0d\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00x", "size is 0");
    REFUSES("\x0d\x00\x01\x01\x00\x00\x00\x00\x10\x00\x01\x00\x40\x00x", "size is 4194305");
    REFUSES("\x0d\x00\x01\x01\x00\x00\x02\x00\x00\x00\x81\x00\x00\x00x", "size is 129");
}

static void frame_refuses_fragments_that_contradict_their_message(void **state) {
    (void)state;
    REFUSES("\x0e\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00xy", "a fragment is 2");
    REFUSES("\x0d\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00x", "MORE flag");
    REFUSES("\x0d\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00x", "MORE flag");
    /* The second fragment of a message of three bytes: empty, too long, or not the last. */
#define FIRST "\x0d\x00\x01\x01\x03\x00\x03\x00\x00\x00\x00\x00\x00\x00x"
    REFUSES(FIRST "\x04\x00\x01\x01\x03\x00", "its length is 4");
    REFUSES(FIRST "\x07\x00\x01\x00\x03\x00yz!", "a fragment is 3");
    REFUSES(FIRST "\x06\x00\x01\x01\x03\x00yz", "MORE flag");
    REFUSES(FIRST "\x05\x00\x01\x00\x03\x00y", "MORE flag");
}

static void frame_survives_chance(void **state) {
    (void)state;
    static uint8_t stream[4 * ROOM], changed[4 * ROOM];
    const size_t size = make_stream(stream);
    struct rng rng;
    rng_seed(&rng, 9, 0);
    unsigned refused = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct frame_reader *reader = frame_reader_open();
        struct frame_message message;
        struct weft_error why;
        bool got = true;
        enum weft_status status = WEFT_OK;
        memcpy(changed, stream, size);
        changed[rng_chance(&rng, 500) ? rng_below(&rng, 20) : rng_below(&rng, size)] =
            (uint8_t)rng_u64(&rng);
        feed(reader, changed, size);
        while (got && status == WEFT_OK) {
            status = frame_reader_next(reader, &message, &got, &why);
            if (status == WEFT_OK && got) assert_in_range(message.body.size, 1, LIMIT_MESSAGE_WIRE);
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
        cmocka_unit_test(frame_lanes_go_in_order_of_urgency),
        cmocka_unit_test(frame_writer_releases_each_message_once),
        cmocka_unit_test(frame_returns_messages_of_every_size),
        cmocka_unit_test(frame_uses_a_whole_message_where_it_lies),
        cmocka_unit_test(frame_keeps_the_order_of_lanes_under_random_cuts),
        cmocka_unit_test(frame_reads_a_stream_cut_at_every_byte),
        cmocka_unit_test(frame_reads_a_stream_of_single_bytes),
        cmocka_unit_test(frame_reader_says_when_messages_have_to_be_taken),
        cmocka_unit_test(frame_refuses_headers_before_their_bodies_arrive),
        cmocka_unit_test(frame_refuses_sizes_that_pass_a_limit),
        cmocka_unit_test(frame_refuses_fragments_that_contradict_their_message),
        cmocka_unit_test(frame_survives_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
