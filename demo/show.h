/* The show: device A in this process, the others as children, and the stages people see.
 *
 *      show_open ─► stage_index, while all devices tag ─► partition_run
 *                ─► live_run ─► live_rescan ─► stage_compare ─► show_close
 *
 * One thread runs the stages. Whatever a stage waits for, it waits in show_pump(), which keeps the
 * view moving and hears the children. */
#ifndef DEMO_SHOW_H
#define DEMO_SHOW_H

#include <limits.h>

#include "demo/device.h"
#include "demo/entry.h"
#include "demo/options.h"
#include "demo/view.h"

#define SHOW_TEXT 1024u

struct live;

struct show {
    const struct show_options *options;
    struct view view;
    char folder[PATH_MAX - 64]; /* the databases, and the scratch folder of the live stage */
    bool folder_made;
    char db[PATH_MAX];              /* of A */
    char address[WEFT_ADDRESS_MAX]; /* that it listens on */
    weft_engine *engine;
    struct entry_models models;
    struct gauge gauge;
    struct figures figures;
    char code[8]; /* of whoever came in last, as A showed it */
    struct device children[OPTIONS_DEVICES_MAX - 1];
    unsigned child_count;
    struct device_listener listener;
    struct live *live;     /* while the live stage runs */
    struct tagger *tagger; /* A's, from the first tag on */
    struct tagger_report tags;
    bool tagging; /* A tags, and times what the others tag */
    int signals;
    const char *phase;
    uint64_t of; /* rows expected in the end, for the bars; 0: not known */
    int64_t figures_us;
    /* The first failure. Once set, every stage returns false. */
    bool failed;
    char failure[SHOW_TEXT];
};

/* The whole show; returns an enum exit_status. */
int show_run(const struct show_options *options);

/* What the show is doing now; `phase` must stay until the next one. */
void show_phase(struct show *show, const char *phase);
/* Hears events for at most `timeout_ms` and draws. False once something failed or Ctrl-C came. */
bool show_pump(struct show *show, int timeout_ms);
/* Records a failure; returns false, so that a stage may return it. */
bool show_fail(struct show *show, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a call into the engine. */
bool show_fail_weft(struct show *show, const char *doing, enum weft_status status,
                    const struct weft_error *why);
/* Pumps until the ticket is durable on every device. Fails when nothing moves for a minute. */
bool show_wait_everywhere(struct show *show, uint64_t ticket);
/* Pumps until every device has told figures of this moment, so that those of the stage before do
 * not stand for what has changed since. */
bool show_ask(struct show *show);
/* Closes every device. Doing it again does nothing. */
bool show_stop(struct show *show);

#endif
