/* What people see while the demo runs: a moving view in a terminal, plain lines elsewhere, or JSON.
 *
 *    indexing /usr                                                              2.4 s
 *    A ████████████████████  61,204 rows  25,501/s  …
 *    B ██████████████████▌   58,000 rows  24,980/s  3,204 behind  …
 *
 * Sentences of view_say() stay; the devices' lines below them are drawn again and again. */
#ifndef DEMO_VIEW_H
#define DEMO_VIEW_H

#include "demo/gauge.h"
#include "demo/options.h"

#define VIEW_DEVICES_MAX OPTIONS_DEVICES_MAX

struct view_device {
    const char *name;
    struct figures figures;
    uint64_t of; /* rows at which its bar is full; 0: no bar */
    uint64_t behind;
};

struct view_frame {
    const char *phase;
    unsigned count;
    struct view_device devices[VIEW_DEVICES_MAX];
};

struct view_rate {
    int64_t since_us;
    uint64_t rows;
    double per_second;
};

struct view {
    enum options_form form;
    int64_t begun_us, due_us;
    unsigned drawn; /* lines of the moving part that stand on the terminal */
    struct view_rate rates[VIEW_DEVICES_MAX];
};

void view_open(struct view *view, enum options_form form);
/* Draws if it is time to; cheap otherwise. */
void view_show(struct view *view, const struct view_frame *frame);
/* A sentence that stays. */
void view_say(struct view *view, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An object for scripts; nothing in the other forms. `line` is closed. */
struct line;
void view_json(struct view *view, const struct line *line);
/* Removes the moving part. */
void view_close(struct view *view);

/* 1234567 as "1,234,567"; sizes as "12.3 MB". */
#define VIEW_NUMBER 32u
const char *view_number(uint64_t number, char out[VIEW_NUMBER]);
const char *view_size(uint64_t bytes, char out[VIEW_NUMBER]);

#endif
