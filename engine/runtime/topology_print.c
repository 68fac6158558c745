/* The drawing of an engine's wiring, from the table it was built from:
 *
 *     clock
 *      └─ask────► log       255 slots   commit, scan, incoming, stop
 *
 * Peers are drawn once. Read only what is fixed before the first step, so any thread may draw. */
#include <stdarg.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/topology.h"

struct page {
    char *out;
    size_t cap;
    size_t length;
};

static void page_add(struct page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void page_add(struct page *page, const char *format, ...) {
    CHECK(page->length < page->cap);
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(page->out + page->length, page->cap - page->length, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    page->length += (size_t)size;
    if (page->length >= page->cap) page->length = page->cap - 1;
}

static void draw_edge(struct page *page, const struct edge *edge, uint32_t peers, bool last) {
    static const char *const arrows[] = {
        [EDGE_ASK] = "ask────►", [EDGE_ANSWER] = "answer─►", [EDGE_NOTICE] = "notice╌►"};
    const struct edge_rule *rule = edge->rule;
    bool many = rule->from == ACTOR_PEER || rule->to == ACTOR_PEER;
    page_add(page, " %s─%s %-9s%5u slots", last ? "└" : "├", arrows[rule->kind],
             topology_name(rule->to), ring_slots(edge->ring));
    if (many) {
        page_add(page, " ×%-4u", peers);
    } else {
        page_add(page, "      ");
    }
    for (uint32_t i = 0; rule->mails[i] != WEFT__MAIL__BODY__NOT_SET; i++) {
        page_add(page, "%s%s", i > 0 ? ", " : " ", mail_kind_name(rule->mails[i]));
    }
    page_add(page, "\n");
}

size_t topology_print(const struct topology *topology, char *out, size_t cap) {
    CHECK(topology != NULL);
    CHECK(out != NULL && cap > 0);
    struct page page = {out, cap, 0};
    uint32_t peers = topology->settings->peers;
    out[0] = '\0';
    page_add(&page,
             "%u actors, %u edges\n"
             "ask: a full one holds its sender back; answer: has room for all that can be "
             "outstanding; notice: a full one drops\n\n",
             topology->actor_count - 1, topology->edge_count);
    for (uint32_t id = 0; id < topology->actor_count && id <= ACTOR_PEER; id++) {
        const struct actor *actor = &topology->actors[id];
        page_add(&page, "%s", topology_name(id));
        if (id == ACTOR_PEER) page_add(&page, " ×%u", peers);
        page_add(&page, "\n");
        if (id == ACTOR_HOST) {
            page_add(&page, " ├─door───► %-9s%5u slots ×%-4u commit, scan\n",
                     topology_name(ACTOR_CLOCK), ring_slots(topology->door.lane[0]), LIMIT_LANES);
        }
        const struct edge_rule *drawn = NULL;
        for (uint32_t i = 0; i < actor->out_count; i++) {
            const struct edge *edge = actor->out[i];
            if (edge->rule == drawn) continue;
            drawn = edge->rule;
            draw_edge(&page, edge, peers, actor->out[actor->out_count - 1]->rule == drawn);
        }
    }
    return page.length;
}
