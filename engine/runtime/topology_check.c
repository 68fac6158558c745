/* The proof that a table cannot deadlock by its shape.
 *
 * Asks may wait, so a cycle of them could stand still with every ring full; they must be acyclic.
 * The host steps when it likes, so nothing may wait for it. Answers never wait, so each must say
 * what its slots cover. A mail that has two ways could overtake itself, so each has one.
 *
 * Not here: whether the sums are right. outbox_send() finds that out, and says so loudly. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/runtime/topology.h"

const char *topology_name(uint32_t actor) {
    static const char *const names[ACTOR_PEER + 1] = {
        [ACTOR_HOST] = "host",         [ACTOR_CLOCK] = "clock",   [ACTOR_LOG] = "log",
        [ACTOR_BULK] = "bulk",         [ACTOR_SHARE] = "share",   [ACTOR_PRUNE] = "prune",
        [ACTOR_LISTENER] = "listener", [ACTOR_COPIER] = "copier", [ACTOR_PEER] = "peer",
    };
    return names[actor < ACTOR_PEER ? actor : ACTOR_PEER];
}

static enum weft_status refuse(const struct edge_rule *rule, struct weft_error *why,
                               const char *reason) {
    return status_fail(why, WEFT_INVALID, 0, "the table's edge %s → %s %s",
                       topology_name(rule->from), topology_name(rule->to), reason);
}

static enum weft_status check_rule(const struct edge_rule *rule, struct weft_error *why) {
    CHECK(rule != NULL);
    uint32_t mails = 0;
    if (rule->from > ACTOR_PEER || rule->to > ACTOR_PEER) {
        return refuse(rule, why, "names an actor that does not exist");
    }
    while (mails < EDGE_MAILS_MAX && rule->mails[mails] != WEFT__MAIL__BODY__NOT_SET)
        mails++;
    if (mails == 0) return refuse(rule, why, "carries no mail; name at least one kind");
    if (mails == EDGE_MAILS_MAX) return refuse(rule, why, "has a list of mails without an end");
    switch (rule->kind) {
    case EDGE_ASK:
        if (rule->to != ACTOR_HOST) return WEFT_OK;
        return refuse(rule, why,
                      "is an ask: a host that does not look would hold the engine back; make it an "
                      "answer or a notice");
    case EDGE_ANSWER:
        if (rule->why_enough != NULL && rule->why_enough[0] != '\0') return WEFT_OK;
        return refuse(rule, why, "is an answer and does not say what its slots cover");
    case EDGE_NOTICE:
        return WEFT_OK;
    }
    return refuse(rule, why, "is of no known kind");
}

#define KINDS 256u /* of mail: their numbers are less */

/* Whether an earlier rule, or this one twice, has a way for the same mail. */
static enum weft_status check_one_way(const struct edge_rule *rules, const struct edge_rule *rule,
                                      struct weft_error *why) {
    bool seen[KINDS] = {false};
    for (const struct edge_rule *other = rules; other <= rule; other++) {
        if (other->from != rule->from || other->to != rule->to) continue;
        for (uint32_t i = 0; other->mails[i] != WEFT__MAIL__BODY__NOT_SET; i++) {
            CHECK((unsigned)other->mails[i] < KINDS);
            if (seen[other->mails[i]]) {
                return status_fail(why, WEFT_INVALID, 0,
                                   "the table has two edges %s → %s for the mail \"%s\"; one must "
                                   "go, or the two could overtake each other",
                                   topology_name(rule->from), topology_name(rule->to),
                                   mail_kind_name(other->mails[i]));
            }
            seen[other->mails[i]] = true;
        }
    }
    return WEFT_OK;
}

/* Takes away actors that nobody left asks, or that ask nobody left, until none is: what then
 * remains are cycles and the ways between them. */
static enum weft_status check_acyclic(const struct edge_rule *rules, struct weft_error *why) {
    uint32_t left = (1u << (ACTOR_PEER + 1)) - 1;
    uint32_t before = 0;
    while (left != before) {
        uint32_t asks = 0, asked = 0;
        for (const struct edge_rule *rule = rules; rule->slots != 0; rule++) {
            if (rule->kind != EDGE_ASK) continue;
            if ((left >> rule->from & left >> rule->to & 1u) == 0) continue;
            asks |= 1u << rule->from;
            asked |= 1u << rule->to;
        }
        before = left;
        left &= asks & asked;
    }
    for (const struct edge_rule *rule = rules; rule->slots != 0; rule++) {
        if (rule->kind != EDGE_ASK) continue;
        if ((left >> rule->from & left >> rule->to & 1u) == 0) continue;
        return refuse(
            rule, why,
            "closes a cycle of asks, which can wait for one another for ever; make one of "
            "them an answer, with slots for all that can be outstanding");
    }
    CHECK(left == 0);
    return WEFT_OK;
}

enum weft_status topology_check(const struct edge_rule *rules, struct weft_error *why) {
    CHECK(rules != NULL);
    for (const struct edge_rule *rule = rules; rule->slots != 0; rule++) {
        enum weft_status status = check_rule(rule, why);
        if (status == WEFT_OK) status = check_one_way(rules, rule, why);
        if (status != WEFT_OK) return status;
    }
    return check_acyclic(rules, why);
}
