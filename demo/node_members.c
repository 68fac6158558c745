/* The node's side of membership.
 *
 *      --invite ─► link and QR code ─ ─ ─ by people ─ ─ ─► --join
 *          ▼                                                 ▼
 *      the code of six digits  ◄ ─ ─ compared by people ─ ─► the same code
 *          ▼
 *      with --confirm: yes or no
 *
 * Invariants
 *   1. With --confirm nobody comes in without a yes; the end of standard input is a no.
 *   2. What is typed while nothing is asked answers nothing. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "demo/must.h"
#include "demo/node_private.h"
#include "demo/qr.h"

#define NODE_MEMBERS_MAX 64u
#define NODE_REVOKE_MS 10000

/* ---- the link ---- */

static bool take_line(struct node *node, bool ended, char link[WEFT_LINK_MAX]) {
    char *end = strchr(node->input, '\n');
    if (end == NULL && !ended) return false;
    size_t size = end != NULL ? (size_t)(end - node->input) : node->input_size;
    size_t used = end != NULL ? size + 1 : size;
    if (size > WEFT_LINK_MAX - 1) size = WEFT_LINK_MAX - 1;
    memcpy(link, node->input, size);
    link[size] = '\0';
    node->input_size -= used;
    memmove(node->input, node->input + used, node->input_size + 1);
    return true;
}

bool node_link_read(struct node *node, char link[WEFT_LINK_MAX]) {
    bool ended = false;
    if (isatty(STDIN_FILENO) == 1 && !node->options->json)
        node_say(node, "link", "paste the link of the invite, then Enter:");
    while (!take_line(node, ended, link)) {
        struct pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {node->signals, POLLIN, 0}};
        if (poll(watched, 2, -1) < 0 && errno != EINTR) return false;
        if (watched[1].revents != 0) return false;
        if (watched[0].revents == 0) continue;
        size_t room = sizeof node->input - 1 - node->input_size;
        ssize_t got = read(STDIN_FILENO, node->input + node->input_size, room);
        if (got < 0 && errno == EINTR) continue;
        /* A line that fills the buffer is no link; the engine says so. */
        ended = got <= 0;
        if (got > 0) node->input_size += (size_t)got;
        node->input[node->input_size] = '\0';
    }
    return link[0] != '\0';
}

/* ---- who is in ---- */

bool node_inside(const struct node *node) {
    struct weft_member self;
    return weft_members(node->engine, &self, 1) > 0 && self.self && self.state == WEFT_MEMBER;
}

static void member_print(const struct node *node, const struct weft_member *member) {
    bool removed = member->state == WEFT_MEMBER_REMOVED;
    char id[LINE_ID_TEXT];
    struct line line;
    if (node->options->json) {
        line_open(&line, "member");
        line_member_id(&line, "device", member->device);
        line_member_text(&line, "name", member->name);
        line_member_bool(&line, "removed", removed);
        line_member_bool(&line, "self", member->self);
        line_close(&line);
    } else {
        line_id_text(member->device, id);
        line_clear(&line);
        line_add(&line, "  %s  %s%s%s\n", id, member->name, member->self ? "  (this device)" : "",
                 removed ? "  (removed)" : "");
    }
    node_print(&line);
}

void node_members(const struct node *node) {
    struct weft_member members[NODE_MEMBERS_MAX];
    unsigned count = weft_members(node->engine, members, NODE_MEMBERS_MAX);
    if (!node->options->json)
        node_say(node, "members", "members: %u", weft_member_count(node->engine));
    for (unsigned i = 0; i < count && i < NODE_MEMBERS_MAX; i++)
        member_print(node, &members[i]);
}

int node_revoke(struct node *node) {
    struct weft_error why = {0};
    uint64_t ticket = 0;
    char id[LINE_ID_TEXT], doing[96];
    uint8_t self[WEFT_ID_SIZE];
    weft_device(node->engine, self);
    line_id_text(node->options->revoke, id);
    snprintf(doing, sizeof doing, "cannot remove %s", id);
    if (memcmp(self, node->options->revoke, sizeof self) == 0)
        snprintf(why.text, sizeof why.text, "it is this device; another member can remove it");
    why.status = weft_revoke(node->engine, node->options->revoke, &ticket);
    if (why.status == WEFT_OK)
        why.status = weft_wait(node->engine, ticket, WEFT_DURABLE, 0, NODE_REVOKE_MS, &why);
    if (why.status != WEFT_OK) return node_fail(node, doing, &why);
    node_say(node, "revoked", "%s is removed: it gets nothing new, and what it read it keeps", id);
    return EXIT_EQUAL;
}

/* ---- inviting ---- */

/* The code, if standard output is a terminal that is wide enough. */
static void draw_invite(const char *link) {
    struct winsize size;
    if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
    char *drawing = malloc(QR_DRAWING_MAX);
    if (drawing == NULL) return;
    unsigned side = qr_draw(link, drawing, QR_DRAWING_MAX);
    if (side > 0 && side <= size.ws_col) {
        fputs(drawing, stdout);
        fflush(stdout);
    }
    free(drawing);
}

int node_invite(struct node *node) {
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX];
    struct line line;
    struct weft_invite options = {.confirm = node->options->confirm,
                                  .address = node->options->address};
    if (weft_invite(node->engine, &options, link, sizeof link, &why) != WEFT_OK) {
        return node_fail(node,
                         why.status == WEFT_ADDRESS
                             ? "cannot invite (--address HOST:PORT says how others reach this one)"
                             : "cannot invite",
                         &why);
    }
    if (node->options->json) {
        line_open(&line, "invite");
        line_member_text(&line, "link", link);
        line_close(&line);
        node_print(&line);
        return EXIT_EQUAL;
    }
    line_clear(&line);
    line_add(&line,
             "\nto bring one device in, within ten minutes:\n"
             "  engine_demo node --db FILE --join -      and there paste this link, a secret:\n\n"
             "%s\n\n",
             link);
    node_print(&line);
    draw_invite(link);
    return EXIT_EQUAL;
}

/* ---- coming in ---- */

static void joining_json(const struct weft_event *event, const char *code) {
    struct line line;
    line_open(&line, "joining");
    line_member_id(&line, "device", event->device);
    line_member_text(&line, "name", event->error.text);
    line_member_text(&line, "code", code);
    line_close(&line);
    node_print(&line);
}

void node_joining(struct node *node, const struct weft_event *event) {
    char id[LINE_ID_TEXT], code[48];
    unsigned long long number = event->count;
    const char *name = event->error.text[0] != '\0' ? event->error.text : "another device";
    MUST(number < 1000000);
    node->join_until_us = 0;
    if (node->options->json) {
        snprintf(code, sizeof code, "%06llu", number);
        joining_json(event, code);
        return;
    }
    line_id_text(event->device, id);
    snprintf(code, sizeof code, "%03llu %03llu", number / 1000, number % 1000);
    if (node->joining) {
        node_say(node, "joining",
                 "\ncode %s: %s (%s) shows the same, if nobody is in between.\nCompare them. If "
                 "they differ, say no there, or remove this device there with --revoke",
                 code, name, id);
    } else if (!node->options->confirm) {
        node_say(node, "joining",
                 "\n%s (%s) comes in, code %s: compare it with the code there.\nIf they differ, "
                 "end this node and start it with --revoke %s",
                 name, id, code, id);
    } else {
        memcpy(node->newcomer, event->device, sizeof node->newcomer);
        node->asking = true;
        node_say(node, "joining",
                 "\n%s (%s) wants to come in.\nDoes it show the code %s? Type yes or no:", name, id,
                 code);
        if (!node->person && !node->options->control) node_answer(node, "no");
    }
}

void node_admit(struct node *node, const uint8_t device[WEFT_ID_SIZE], bool yes) {
    enum weft_status status = weft_admit(node->engine, device, yes);
    if (status != WEFT_OK)
        node_say(node, "fault", "the answer was not taken: %s", weft_status_text(status));
}

void node_answer(struct node *node, const char *text) {
    if (!node->asking) return;
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "y") == 0;
    bool no = strcmp(text, "no") == 0 || strcmp(text, "n") == 0;
    if (!yes && !no) {
        node_say(node, "joining", "Type yes or no:");
        return;
    }
    node->asking = false;
    node_admit(node, node->newcomer, yes);
    if (no) node_say(node, "refused", "it stays outside; the invite is spent");
}
