/* Mail: one protobuf-c message in one arena, the only thing actors send each other.
 *
 * Ownership: a `struct mail **` parameter moves the mail and nulls the caller's pointer; a `const`
 * pointer is borrowed for the call. A mail that goes to many is shared by reference count and then
 * read only.
 * Invariants: 1. the mail itself lies in its arena. 2. body->body_case says what it is. 3. one
 * reference may write; with more, nobody does. */
#ifndef WEFT_RUNTIME_MAIL_H
#define WEFT_RUNTIME_MAIL_H

#include <stdatomic.h>

#include "engine/base/arena.h"
#include "proto/mail.pb-c.h"

struct mail {
    atomic_uint references;
    bool secret;       /* its memory is cleared when it is dropped */
    uint64_t order;    /* in the host's door: the ticket, so that lanes merge in order */
    struct mail *next; /* for an actor that keeps several; nothing to a ring */
    struct arena arena;
    Weft__Mail body; /* body.body_case and the message in the arena */
};

/* A new mail of the given case, its message zeroed and initialised in the arena; `*message` (may be
 * NULL) receives it, to be assigned to the right Weft__... pointer. NULL when the pool's bound or
 * memory is exhausted. Thread: the pool's taker. */
struct mail *mail_new(struct pool *pool, Weft__Mail__BodyCase kind, void *message);
/* Another reference. */
struct mail *mail_share(struct mail *mail);
/* Drops a reference and nulls the pointer; the last drop returns the arena. NULL is allowed. */
void mail_drop(struct mail **mail);
/* Changes what an unshared mail is, keeping its arena: the new message, which is returned, replaces
 * the old. NULL when out of memory; then nothing has changed. */
void *mail_turn_into(struct mail *mail, Weft__Mail__BodyCase kind);
/* The message of this kind's name: "commit", "wanted", ... Static. */
const char *mail_kind_name(Weft__Mail__BodyCase kind);
/* Packs and unpacks the mail into a fresh one from `pool`, dropping the old: proof that it carries
 * no hidden pointers. Used by the simulator on every edge. `hash` (may be NULL) is fed the bytes:
 * FNV-1a, 64 bits. NULL when out of memory; then the old one is still the caller's. */
struct mail *mail_repack(struct mail **mail, struct pool *pool, uint64_t *hash);

/* Arena helpers for building messages; NULL when out of memory. */
void *mail_message(struct mail *mail, const ProtobufCMessageDescriptor *descriptor);
char *mail_text(struct mail *mail, const char *text);
bool mail_bytes(struct mail *mail, ProtobufCBinaryData *out, const void *data, size_t size);
/* `count` zeroed messages of one kind, as the pointer array that a repeated field wants. */
void **mail_messages(struct mail *mail, const ProtobufCMessageDescriptor *descriptor, size_t count);

#endif
