/* What people see.
 *
 * In a terminal the moving part is drawn over itself: up by the lines drawn before, each line
 * written and the rest of it erased. The width is asked for at every frame, so a resize needs no
 * signal.
 *
 * Invariants
 *   1. No drawn line is wider than the terminal: a wrapped line would break the counting of lines.
 *   2. A frame is one write, so the terminal never shows half of it for long.
 *   3. Without a terminal no control sequence is ever written. */
#include "demo/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "demo/instant.h"
#include "demo/line.h"
#include "demo/must.h"

#define VIEW_TERMINAL_US 100000
#define VIEW_LINES_US 1000000
#define VIEW_RATE_US 500000

const char *view_number(uint64_t number, char out[VIEW_NUMBER]) {
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) out[size++] = ',';
        out[size++] = digits[i];
    }
    MUST(size < VIEW_NUMBER);
    out[size] = '\0';
    return out;
}

const char *view_size(uint64_t bytes, char out[VIEW_NUMBER]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    snprintf(out, VIEW_NUMBER, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

void view_open(struct view *view, enum options_form form) {
    memset(view, 0, sizeof *view);
    view->form = form;
    view->begun_us = instant_us();
}

static double view_seconds(const struct view *view) {
    return (double)(instant_us() - view->begun_us) / 1e6;
}

static double rate_update(struct view *view, unsigned device, uint64_t rows) {
    struct view_rate *rate = &view->rates[device];
    int64_t now = instant_us();
    if (rate->since_us == 0) rate->since_us = view->begun_us;
    int64_t passed = now - rate->since_us;
    if (rows < rate->rows) {
        *rate = (struct view_rate){now, rows, 0};
    } else if (passed >= VIEW_RATE_US) {
        *rate = (struct view_rate){now, rows, (double)(rows - rate->rows) * 1e6 / (double)passed};
    }
    return rate->per_second;
}

static unsigned terminal_width(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

/* Eighths of a cell make the bar move smoothly. */
static void bar_add(struct line *line, unsigned cells, uint64_t done, uint64_t of) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned filled = of == 0 ? 0 : done >= of ? cells * 8 : (unsigned)(done * cells * 8 / of);
    unsigned drawn = filled / 8;
    line_add(line, "\x1b[32m");
    for (unsigned i = 0; i < drawn; i++)
        line_add(line, "█");
    if (filled % 8 != 0) {
        line_add(line, "%s", eighths[filled % 8]);
        drawn++;
    }
    line_add(line, "\x1b[90m");
    for (; drawn < cells; drawn++)
        line_add(line, "·");
    line_add(line, "\x1b[0m");
}

/* Columns that a text takes: its characters, since none of ours is wide. */
static unsigned text_width(const char *text) {
    unsigned width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* The words of a device's line, as many as there is room for: the last ones go first. */
static void words_add(struct line *line, unsigned room, const struct view_device *device,
                      double rate) {
    char pieces[5][3 * VIEW_NUMBER], number[VIEW_NUMBER], other[VIEW_NUMBER];
    snprintf(pieces[0], sizeof pieces[0], "%9s rows", view_number(device->figures.rows, number));
    snprintf(pieces[1], sizeof pieces[1], "%7s/s", view_number((uint64_t)rate, number));
    snprintf(pieces[2], sizeof pieces[2], "%7s behind", view_number(device->behind, number));
    snprintf(pieces[3], sizeof pieces[3], "↓%8s ↑%8s", view_size(device->figures.bytes_in, number),
             view_size(device->figures.bytes_out, other));
    snprintf(pieces[4], sizeof pieces[4], "mem%8s",
             view_size(device->figures.memory_kb * 1024, number));
    for (size_t i = 0; i < 5; i++) {
        unsigned width = text_width(pieces[i]) + 1;
        if (width > room) return;
        line_add(line, " %s", pieces[i]);
        room -= width;
    }
}

static void view_erase(struct view *view, struct line *line) {
    if (view->drawn > 0) line_add(line, "\x1b[%uA", view->drawn);
    line_add(line, "\r\x1b[J");
    view->drawn = 0;
}

static void terminal_show(struct view *view, const struct view_frame *frame) {
    struct line line;
    line_clear(&line);
    unsigned width = terminal_width();
    /* The longest line of eight devices must fit a struct line. */
    unsigned cells = width < 90 ? 5 : width < 110 ? 14 : 24;
    if (view->drawn > 0) line_add(&line, "\x1b[%uA", view->drawn);
    line_add(&line, "\r\x1b[1m%.*s\x1b[0m  %.1f s\x1b[K\n", (int)(width > 20 ? width - 16 : 4),
             frame->phase, view_seconds(view));
    for (unsigned i = 0; i < frame->count; i++) {
        const struct view_device *device = &frame->devices[i];
        double rate = rate_update(view, i, device->figures.rows);
        line_add(&line, "%s ", device->name);
        bar_add(&line, cells, device->figures.rows, device->of);
        words_add(&line, width > cells + 4 ? width - cells - 3 : 0, device, rate);
        line_add(&line, "\x1b[K\n");
    }
    view->drawn = frame->count + 1;
    (void)line_write(&line, STDOUT_FILENO);
}

static void plain_show(struct view *view, const struct view_frame *frame) {
    struct line line;
    char number[VIEW_NUMBER], other[VIEW_NUMBER], third[VIEW_NUMBER];
    line_clear(&line);
    line_add(&line, "%6.1f s  %s", view_seconds(view), frame->phase);
    for (unsigned i = 0; i < frame->count; i++) {
        const struct view_device *device = &frame->devices[i];
        double rate = rate_update(view, i, device->figures.rows);
        line_add(&line, " | %s %s rows, %s/s", device->name,
                 view_number(device->figures.rows, number), view_number((uint64_t)rate, other));
        if (device->behind > 0) line_add(&line, ", %s behind", view_number(device->behind, third));
        line_add(&line, ", in %s, out %s, mem %s", view_size(device->figures.bytes_in, number),
                 view_size(device->figures.bytes_out, other),
                 view_size(device->figures.memory_kb * 1024, third));
    }
    line_add(&line, "\n");
    (void)line_write(&line, STDOUT_FILENO);
}

static void json_show(struct view *view, const struct view_frame *frame) {
    for (unsigned i = 0; i < frame->count; i++) {
        const struct view_device *device = &frame->devices[i];
        struct line line;
        line_open(&line, "device");
        line_member_real(&line, "seconds", view_seconds(view));
        line_member_text(&line, "phase", frame->phase);
        line_member_text(&line, "name", device->name);
        line_member(&line, "rows", device->figures.rows);
        line_member_real(&line, "rows_per_second", rate_update(view, i, device->figures.rows));
        line_member(&line, "behind", device->behind);
        line_member(&line, "bytes_in", device->figures.bytes_in);
        line_member(&line, "bytes_out", device->figures.bytes_out);
        line_member(&line, "memory_kb", device->figures.memory_kb);
        line_member(&line, "peers", device->figures.peers);
        line_close(&line);
        (void)line_write(&line, STDOUT_FILENO);
    }
}

void view_show(struct view *view, const struct view_frame *frame) {
    MUST(frame->count <= VIEW_DEVICES_MAX);
    int64_t now = instant_us();
    if (now < view->due_us) return;
    switch (view->form) {
    case FORM_AUTO:
        view->due_us = now + VIEW_TERMINAL_US;
        terminal_show(view, frame);
        break;
    case FORM_PLAIN:
        view->due_us = now + VIEW_LINES_US;
        plain_show(view, frame);
        break;
    case FORM_JSON:
        view->due_us = now + VIEW_LINES_US;
        json_show(view, frame);
        break;
    }
}

void view_say(struct view *view, const char *format, ...) {
    struct line line;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (view->form == FORM_JSON) {
        line_open(&line, "said");
        line_member_real(&line, "seconds", view_seconds(view));
        line_member_text(&line, "text", text);
        line_close(&line);
    } else {
        line_clear(&line);
        if (view->form == FORM_AUTO) view_erase(view, &line);
        line_add(&line, "%s\n", text);
    }
    (void)line_write(&line, STDOUT_FILENO);
    view->due_us = view->form == FORM_AUTO ? 0 : view->due_us;
}

void view_json(struct view *view, const struct line *line) {
    if (view->form == FORM_JSON) (void)line_write(line, STDOUT_FILENO);
}

void view_close(struct view *view) {
    if (view->form != FORM_AUTO || view->drawn == 0) return;
    struct line line;
    line_clear(&line);
    view_erase(view, &line);
    (void)line_write(&line, STDOUT_FILENO);
}
