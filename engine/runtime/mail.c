/* Mail over arenas.
 *
 *     chunk ┌──────────────┬───────────────┬──────────────┬─ ─ ─
 *           │ struct mail  │ the message   │ what it      │  room
 *           │  .arena .body│ body.<case>   │ points to    │
 *           └──────────────┴───────────────┴──────────────┴─ ─ ─
 *
 * Invariants
 *   1. Everything that a mail reaches through its body lies in its own arena, or is static.
 *   2. The field of weft__mail__descriptor that has the number of a body case describes its
 *      message: the cases of the oneof are its only fields.
 *   3. Dropping the arena frees the mail itself, so the arena is copied out first.
 * Not here: rings and edges. A mail does not know where it goes. */
#include "engine/runtime/mail.h"

#include "engine/base/check.h"

#define MAIL_FNV_PRIME 1099511628211u

static const ProtobufCFieldDescriptor *mail_field(Weft__Mail__BodyCase kind) {
    CHECK(kind > WEFT__MAIL__BODY__NOT_SET);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&weft__mail__descriptor, (unsigned)kind);
    CHECK(field != NULL && field->id == (uint32_t)kind);
    CHECK(field->type == PROTOBUF_C_TYPE_MESSAGE);
    return field;
}

/* A mail of no kind yet. */
static struct mail *mail_blank(struct pool *pool) {
    CHECK(pool != NULL);
    struct arena arena;
    arena_init(&arena, pool);
    struct mail *mail = arena_zero(&arena, sizeof *mail);
    if (mail == NULL) return NULL;
    atomic_init(&mail->references, 1);
    weft__mail__init(&mail->body);
    mail->arena = arena;
    return mail;
}

struct mail *mail_new(struct pool *pool, Weft__Mail__BodyCase kind, void *message) {
    struct mail *mail = mail_blank(pool);
    if (mail == NULL) return NULL;
    void *made = mail_turn_into(mail, kind);
    if (made == NULL) {
        mail_drop(&mail);
        return NULL;
    }
    if (message != NULL) memcpy(message, &made, sizeof made);
    return mail;
}

struct mail *mail_share(struct mail *mail) {
    CHECK(mail != NULL);
    unsigned before = atomic_fetch_add_explicit(&mail->references, 1, memory_order_relaxed);
    CHECK(before > 0);
    return mail;
}

void mail_drop(struct mail **mail) {
    CHECK(mail != NULL);
    struct mail *dropped = *mail;
    *mail = NULL;
    if (dropped == NULL) return;
    unsigned before = atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1) return;
    struct arena arena = dropped->arena;
    if (dropped->secret) arena_wipe(&arena);
    arena_drop(&arena);
}

void *mail_turn_into(struct mail *mail, Weft__Mail__BodyCase kind) {
    CHECK(mail != NULL);
    CHECK(atomic_load_explicit(&mail->references, memory_order_relaxed) == 1);
    const ProtobufCFieldDescriptor *field = mail_field(kind);
    void *message = mail_message(mail, field->descriptor);
    if (message == NULL) return NULL;
    mail->body.body_case = kind;
    memcpy((char *)&mail->body + field->offset, &message, sizeof message);
    return message;
}

const char *mail_kind_name(Weft__Mail__BodyCase kind) {
    if (kind == WEFT__MAIL__BODY__NOT_SET) return "nothing";
    return mail_field(kind)->name;
}

static void *mail_allocate(void *context, size_t size) {
    return arena_take(context, size);
}

static void mail_free(void *context, void *block) {
    (void)context;
    (void)block;
}

static uint64_t mail_hash(uint64_t hash, const uint8_t *data, size_t size) {
    CHECK(data != NULL || size == 0);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * MAIL_FNV_PRIME;
    return hash;
}

struct mail *mail_repack(struct mail **mail, struct pool *pool, uint64_t *hash) {
    CHECK(mail != NULL && *mail != NULL);
    CHECK((*mail)->body.body_case != WEFT__MAIL__BODY__NOT_SET);
    struct arena scratch;
    arena_init(&scratch, pool);
    struct mail *fresh = mail_blank(pool);
    size_t size = weft__mail__get_packed_size(&(*mail)->body);
    uint8_t *packed = arena_take(&scratch, size);
    if (fresh == NULL || packed == NULL) goto out_of_memory;
    CHECK(weft__mail__pack(&(*mail)->body, packed) == size);

    ProtobufCAllocator allocator = {mail_allocate, mail_free, &fresh->arena};
    Weft__Mail *body = weft__mail__unpack(&allocator, size, packed);
    if (body == NULL) goto out_of_memory;
    CHECK(body->body_case == (*mail)->body.body_case);
    fresh->body = *body;
    fresh->order = (*mail)->order;
    fresh->secret = (*mail)->secret;
    if (hash != NULL) *hash = mail_hash(*hash, packed, size);
    if (fresh->secret) arena_wipe(&scratch);
    arena_drop(&scratch);
    mail_drop(mail);
    return fresh;

out_of_memory:
    mail_drop(&fresh);
    arena_drop(&scratch);
    return NULL;
}

void *mail_message(struct mail *mail, const ProtobufCMessageDescriptor *descriptor) {
    CHECK(mail != NULL);
    CHECK(descriptor != NULL);
    ProtobufCMessage *message = arena_zero(&mail->arena, descriptor->sizeof_message);
    if (message == NULL) return NULL;
    protobuf_c_message_init(descriptor, message);
    return message;
}

char *mail_text(struct mail *mail, const char *text) {
    CHECK(mail != NULL);
    CHECK(text != NULL);
    size_t size = strlen(text) + 1;
    char *copy = arena_take(&mail->arena, size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}

bool mail_bytes(struct mail *mail, ProtobufCBinaryData *out, const void *data, size_t size) {
    CHECK(mail != NULL && out != NULL);
    CHECK(data != NULL || size == 0);
    out->len = 0;
    out->data = NULL;
    if (size == 0) return true;
    uint8_t *copy = arena_take(&mail->arena, size);
    if (copy == NULL) return false;
    memcpy(copy, data, size);
    out->len = size;
    out->data = copy;
    return true;
}

void **mail_messages(struct mail *mail, const ProtobufCMessageDescriptor *descriptor,
                     size_t count) {
    CHECK(mail != NULL && descriptor != NULL);
    CHECK(count <= UINT32_MAX);
    /* One block for the messages: each begins as aligned as the arena's own blocks. */
    size_t stride = (descriptor->sizeof_message + 15) / 16 * 16;
    void **list = arena_take(&mail->arena, (count > 0 ? count : 1) * sizeof *list);
    if (list == NULL) return NULL;
    uint8_t *messages = count > 0 ? arena_zero(&mail->arena, count * stride) : NULL;
    if (messages == NULL && count > 0) return NULL;
    for (size_t i = 0; i < count; i++) {
        list[i] = messages + i * stride;
        protobuf_c_message_init(descriptor, list[i]);
    }
    return list;
}
