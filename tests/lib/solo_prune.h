/* The log actor alone (solo_log.h), of which prune asks what all members hold, and which is told to
 * forget it. Two others are in its library; the test signs what they say. */
#ifndef TESTS_LIB_SOLO_PRUNE_H
#define TESTS_LIB_SOLO_PRUNE_H

#include "tests/lib/scene.h"
#include "tests/lib/solo_log.h"

#define SOLO_PRUNE_STAY 4u /* records that stay though all members hold them */

struct solo_prune {
    struct solo_log *log;
    struct author them, others;
    uint64_t stamp; /* of the last record that one of them signed */
    struct record last;
    bool more; /* of what was forgotten last */
    struct pool *pool;
    struct arena arena;
};

/* For cmocka; *state becomes the stage. */
int solo_prune_setup(void **state);
int solo_prune_teardown(void **state);

/* ---- what others say ---- */

/* An author's next record, with these ops. */
struct bytes solo_prune_sign(struct solo_prune *stage, struct author *author,
                             struct record_ops *ops);
/* It comes; what became of it. */
enum weft_status solo_prune_deliver(struct solo_prune *stage, struct bytes bytes);
/* An author changes rows of a table that this device has not, in so many records. */
void solo_prune_says(struct solo_prune *stage, struct author *author, const char *words, int count);
void solo_prune_calls_away(struct solo_prune *stage, struct author *author, uint8_t device);
/* `device` says that it holds so much of an author; `waiting`: not all of it is applied there. */
void solo_prune_holds(struct solo_prune *stage, uint8_t device, const struct author *author,
                      uint64_t seq, bool waiting);
/* Both others do. */
void solo_prune_all_hold(struct solo_prune *stage, const struct author *author, uint64_t seq);

/* ---- what the log says ---- */

struct solo_prune_said {
    uint64_t held, pruned; /* of THEM's records; 0: nothing of them may go */
    uint64_t place;
    bool deleted;
    uint8_t silent; /* 0: nobody */
};
struct solo_prune_said solo_prune_survey(struct solo_prune *stage);
/* Records of THEM up to `seq` and `place` are to go, or (seq 0) deletions; how many did. */
uint32_t solo_prune_forget(struct solo_prune *stage, uint64_t seq, uint64_t place);

#endif
