/* Wire messages: packing, and unpacking that is bounded before it begins.
 *
 * The tag stream is walked once before protobuf-c sees it: repeated elements and unknown fields may
 * be LIMIT_ELEMENTS in all, no length may pass the end, nesting is bounded by the descriptors (no
 * message type contains itself; a test checks that). Then it is unpacked into an arena. */
#ifndef WEFT_WIRE_MESSAGE_H
#define WEFT_WIRE_MESSAGE_H

#include "engine/base/arena.h"
#include "proto/wire.pb-c.h"

/* Version of this protocol: the highest and the lowest spoken. */
#define WIRE_VERSION_MIN 1u
#define WIRE_VERSION_MAX 1u

/* A protobuf-c allocator over an arena, which must outlive it: alloc bumps, free does nothing. */
struct ProtobufCAllocator message_allocator(struct arena *arena);

/* Packs any protobuf-c message into a block of `arena`. Errors: WEFT_NO_MEMORY. */
enum weft_status message_pack(const ProtobufCMessage *message, struct arena *arena,
                              struct bytes *out);

/* The walk by itself, along the descriptor of any protobuf-c message.
 * Errors: WEFT_PROTOCOL, WEFT_LIMIT (elements). Thread: any; pure. */
enum weft_status message_scan(const ProtobufCMessageDescriptor *type, struct bytes packed,
                              struct weft_error *why);

/* Unpacks a Wire. A message of a kind this version does not know has body_case NOT_SET.
 * Errors: WEFT_PROTOCOL, WEFT_LIMIT (an element count), WEFT_NO_MEMORY (LIMIT_UNPACKED). */
enum weft_status message_unpack(struct bytes packed, struct arena *arena, Weft__Wire__Wire **out,
                                struct weft_error *why);

#endif
