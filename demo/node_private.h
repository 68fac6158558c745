/* What the files of the node share. node.c: opening, the loop, figures and commands.
 * node_members.c: coming in, inviting, and who the members are. node_tags.c: tagging. */
#ifndef DEMO_NODE_PRIVATE_H
#define DEMO_NODE_PRIVATE_H

#include "demo/gauge.h"
#include "demo/index.h"
#include "demo/line.h"
#include "demo/node.h"
#include "demo/tagger.h"
#include "demo/watch.h"

struct node {
    const struct node_options *options;
    weft_engine *engine;
    struct entry_models models;
    struct gauge gauge;
    struct watch *watch;
    struct index *index;
    bool index_told;
    struct tagger *tagger; /* once it was told to tag, or asked about tags */
    int signals;           /* descriptor */
    char input[2048];
    size_t input_size;
    int64_t status_us; /* when the next one is due */
    struct figures told;
    bool closing;
    int status; /* an enum exit_status */
    /* Coming in: until this device is a member. */
    bool joining;
    int64_t join_until_us; /* for somebody to answer; 0: somebody has */
    /* A person at the terminal, who says yes or no to newcomers. */
    bool person, asking;
    uint8_t newcomer[WEFT_ID_SIZE];
};

/* ---- node.c ---- */

void node_print(const struct line *line);
/* A sentence, in the form that was asked for. */
void node_say(const struct node *node, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says what failed and why; the node ends with this status. */
int node_fail(struct node *node, const char *doing, const struct weft_error *why);

/* ---- node_members.c ---- */

/* Reads a link, the first line of standard input, into `link`; the lines after it stay in
 * node->input. False when there was none or a signal came. */
bool node_link_read(struct node *node, char link[WEFT_LINK_MAX]);
/* Whether this device is a member now. */
bool node_inside(const struct node *node);
/* Prints the members, each with the id that --revoke and #DEVICE take. */
void node_members(const struct node *node);
/* Makes an invite and shows it. Returns an enum exit_status. */
int node_invite(struct node *node);
/* Removes the device of --revoke. Returns an enum exit_status. */
int node_revoke(struct node *node);
/* Somebody comes in: the code on both sides, and on this one the question, if it is to be asked. */
void node_joining(struct node *node, const struct weft_event *event);
/* What the person said. */
void node_answer(struct node *node, const char *text);
/* Says yes or no to a newcomer. */
void node_admit(struct node *node, const uint8_t device[WEFT_ID_SIZE], bool yes);

/* ---- node_tags.c ---- */

/* The commands: "tags" with on, off or nothing, "clash" with the number of a round. */
void node_tags(struct node *node, const char *command, const char *argument);
/* Does what is due. Returns after how many milliseconds it wants to be called again; -1: never. */
int node_tags_step(struct node *node);
/* Rows of this model have come; -1: perhaps, of any. */
void node_tags_look(struct node *node, int model);

#endif
