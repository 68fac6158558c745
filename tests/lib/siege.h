/* A siege: a victim, an honest friend whose session with it stands, and an enemy outside.
 *
 *     siege_setup(&state);            members: victim, friend, and two whom liars play
 *     ... attack: the enemy gets what it should ...
 *     siege_assert_well(siege);       memory within its bound, commits replicated both ways
 *     siege_endure(siege, list, n);   the same while each attack goes on and on
 *
 * How long a commit takes until it is durable on the other side is measured in peace, and at once
 * again under attack; of several such pairs the best counts, so that what else the machine does
 * does not decide. Attackers run at the lowest priority, since on a network they would not share
 * the victim's processors. */
#ifndef TESTS_LIB_SIEGE_H
#define TESTS_LIB_SIEGE_H

#include "tests/lib/hostile.h"

/* Sanitizers keep freed memory and shadows of it, and make times their own, as counters of branches
 * do: under them only arenas are counted, and nothing is timed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIEGE_MEASURES false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SIEGE_MEASURES false
#endif
#endif
#ifndef SIEGE_MEASURES
#define SIEGE_MEASURES true
#endif

/* Commits of one measure, and how often it is taken. */
#define SIEGE_COMMITS 400u
#define SIEGE_ROUNDS 5u
/* What one bad peer may make the victim hold, in bytes. docs/protocol.md, "Limits": a queue out of
 * 8 MiB, 8 MiB of batches in, each message unpacked to at most 16 MiB, one at a time in peer and
 * in bulk; and what 8 batches unfold to on their way to the log is bounded by the same 8 MiB window
 * at a ratio of 64, of which a test sends no more than fits here. */
#define SIEGE_POOL_MAX (64u << 20)
#define SIEGE_RSS_MAX (96u << 20)

struct siege {
    char folder[SCRATCH_PATH];
    struct party victim, friend, body, second_body;
    struct liar liar, second; /* who plays body, and second_body */
    uint32_t row;             /* of the last commit */
    uint64_t pool, rss;       /* in peace */
    uint64_t leaked;          /* bytes that strangers were answered */
    void *weapon;             /* the test's own */
};

/* For cmocka's group fixtures. */
int siege_setup(void **state);
int siege_teardown(void **state);

/* What is held from now on counts as held in peace. */
void siege_rest(struct siege *siege);
/* Memory now: of all mail arenas of the victim, and of this process. */
uint64_t siege_pool(struct siege *siege);
uint64_t siege_rss(void);
uint64_t siege_now_us(void);
/* The victim's memory is within its bound, commits are replicated both ways by the session that has
 * stood all along, and no stranger was answered. */
void siege_assert_well(struct siege *siege);

/* An attack, once; `round` counts. It asserts nothing, and ends soon; after it comes a pause. */
struct siege_attack {
    const char *name;
    void (*once)(struct siege *siege, uint32_t round);
    unsigned pause_ms;
    uint32_t rounds; /* in one measure, at least */
};
/* Takes the attacks in turn, each on and on, while victim and friend commit. Asserts that memory
 * stays within its bound all the time, and for each attack that the p99 of a commit is within twice
 * that of peace in the best of SIEGE_ROUNDS rounds (not under sanitizers, which change all times by
 * much more). */
void siege_endure(struct siege *siege, const struct siege_attack *attacks, unsigned count);
/* Waits until the victim has no session with the liar. */
void siege_wait_gone(struct siege *siege);

#endif
