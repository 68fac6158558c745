/* What the files of the share actor share: heads. */
#ifndef WEFT_ACTORS_SHARE_PRIVATE_H
#define WEFT_ACTORS_SHARE_PRIVATE_H

#include "engine/runtime/mail.h"
#include "engine/store/shared.h"

/* Heads, sorted by origin. */
struct heads {
    struct shared_head *list;
    uint32_t count, capacity;
};

/* The head of an origin, or NULL; then `*at` is where it would stand. */
struct shared_head *heads_find(const struct heads *heads, const struct record_origin *origin,
                               uint32_t *at);
/* A head's entry, added with seq 0 if there is none; NULL without memory, or when there are as many
 * as there may be. */
struct shared_head *heads_add(struct heads *heads, const struct record_origin *origin);
/* 0: nothing is held of the origin. */
uint64_t heads_seq(const struct heads *heads, const struct record_origin *origin);
void heads_free(struct heads *heads);
/* Raises heads by those of a mail. Ones that cannot be are passed over: they only serve to leave
 * out what need not be sent. */
void heads_raise(struct heads *heads, Weft__Head *const *list, size_t count);
Weft__Head **heads_mail(const struct heads *heads, struct mail *mail, size_t *count);

#endif
