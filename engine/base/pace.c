/* See pace.h. */
#include "engine/base/pace.h"

#include "engine/base/check.h"

#define SECOND_NS UINT64_C(1000000000)
#define SLACK_PER_S 50u /* slacks in a second */
#define SLACK_MIN 1460u /* a packet of TCP over Ethernet */

size_t pace_slack(uint64_t rate) {
    const uint64_t slack = rate / SLACK_PER_S;
    return slack < SLACK_MIN ? SLACK_MIN : (size_t)slack;
}

/* How long bytes take, rounded up; without overflow up to 2^34 bytes. */
static uint64_t takes_ns(uint64_t bytes, uint64_t rate) {
    return (bytes * SECOND_NS + rate - 1) / rate;
}

void pace_set(struct pace *pace, uint64_t rate) {
    atomic_store_explicit(&pace->rate, rate, memory_order_relaxed);
    atomic_store_explicit(&pace->gone_ns, 0, memory_order_relaxed);
}

size_t pace_take(struct pace *pace, uint64_t now_us, size_t want, uint64_t *again_us) {
    const uint64_t now_ns = now_us * 1000;
    uint64_t gone = atomic_load_explicit(&pace->gone_ns, memory_order_relaxed);
    CHECK(again_us != NULL);
    for (;;) {
        const uint64_t rate = atomic_load_explicit(&pace->rate, memory_order_relaxed);
        if (rate == 0 || want == 0) return want;
        const uint64_t slack = pace_slack(rate);
        const uint64_t slack_ns = takes_ns(slack, rate);
        const uint64_t from = gone < now_ns ? now_ns : gone;
        if (from - now_ns >= slack_ns) {
            /* Half of the slack is worth a waking. */
            *again_us = (from - slack_ns / 2 + 999) / 1000;
            return 0;
        }
        const uint64_t ahead = (from - now_ns) * rate / SECOND_NS;
        const uint64_t room = ahead < slack ? slack - ahead : 1;
        const size_t take = want < room ? want : (size_t)room;
        if (atomic_compare_exchange_weak_explicit(&pace->gone_ns, &gone,
                                                  from + takes_ns(take, rate), memory_order_relaxed,
                                                  memory_order_relaxed))
            return take;
    }
}

void pace_give_back(struct pace *pace, size_t bytes) {
    const uint64_t rate = atomic_load_explicit(&pace->rate, memory_order_relaxed);
    if (rate == 0 || bytes == 0) return;
    const uint64_t back = (uint64_t)bytes * SECOND_NS / rate;
    uint64_t gone = atomic_load_explicit(&pace->gone_ns, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&pace->gone_ns, &gone,
                                                  gone < back ? 0 : gone - back,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

size_t pace_take_all(struct pace *const *paces, unsigned count, uint64_t now_us, size_t want,
                     uint64_t *again_us) {
    for (unsigned i = 0; i < count && want != 0; i++) {
        const size_t got = pace_take(paces[i], now_us, want, again_us);
        for (unsigned before = 0; before < i && got < want; before++)
            pace_give_back(paces[before], want - got);
        want = got;
    }
    return want;
}
