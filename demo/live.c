/* The live stages.
 *
 *      file is made ─► row committed on A ─► … ─► a reader on B sees the row
 *      └──────────────────── latency ────────────────────┘
 *
 * A file only ever grows until it is deleted, so the size in a row tells which change it shows: a
 * row of size s shows every change of that file up to s. (A device may skip a state that was
 * overtaken before it was sent: what travels is the row as it is now.)
 *
 * Invariants
 *   1. Each change is one transaction, committed right after the file was touched.
 *   2. The stage ends when every device has seen every change, or the show fails. */
#include "demo/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo/instant.h"
#include "demo/line.h"
#include "demo/must.h"
#include "demo/rescan.h"

#define LIVE_FILES 200u
#define LIVE_PACE_US 8000 /* so that people can follow it */
#define LIVE_DOOR_MS 60000
#define LIVE_STUCK_US 60000000

enum live_kind { LIVE_CREATED, LIVE_CHANGED, LIVE_DELETED, LIVE_KINDS };

struct live_file {
    uint8_t id[16];
    char name[64];
    int64_t size;
    bool there;
};

struct live_change {
    unsigned file;
    enum live_kind kind;
    int64_t size;
    int64_t made_us;
    int64_t seen_us[OPTIONS_DEVICES_MAX]; /* by child; 0: not yet */
};

struct live {
    struct show *show;
    char folder[PATH_MAX];
    int directory; /* descriptor */
    uint8_t location[16];
    struct live_file files[LIVE_FILES];
    struct live_change changes[3 * LIVE_FILES];
    unsigned change_count;
    unsigned unseen; /* (change, child) pairs */
    bool escape_told;
    int64_t seen_us; /* when the last one was seen */
};

struct live *live_open(struct show *show) {
    MUST(show->engine != NULL);
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL) return NULL;
    live->show = show;
    live->directory = -1;
    snprintf(live->folder, sizeof live->folder, "%s/live", show->folder);
    for (unsigned i = 0; i < LIVE_FILES; i++)
        snprintf(live->files[i].name, sizeof live->files[i].name, "photo-%03u.jpg", i);
    /* A name may be any bytes; this one is Latin-1, as old disks hold it. */
    snprintf(live->files[0].name, sizeof live->files[0].name, "caf\xe9.txt");
    return live;
}

void live_seen(struct live *live, unsigned child, const struct watch_change *change, int64_t us) {
    MUST(child < OPTIONS_DEVICES_MAX);
    for (unsigned i = 0; i < live->change_count; i++) {
        struct live_change *made = &live->changes[i];
        if (made->seen_us[child] != 0) continue;
        if (memcmp(live->files[made->file].id, change->id, 16) != 0) continue;
        bool shows = change->gone || (made->kind != LIVE_DELETED && change->size >= made->size);
        if (!shows) continue;
        made->seen_us[child] = us;
        live->seen_us = us;
        MUST(live->unseen > 0);
        live->unseen--;
    }
}

/* Commits the transaction of one change. */
static bool live_commit(struct live *live, weft_tx *tx, enum weft_status status) {
    struct weft_error why = {0};
    if (status != WEFT_OK) why = *weft_tx_why(tx);
    if (status == WEFT_OK) status = weft_commit_wait(tx, LIVE_DOOR_MS, NULL);
    if (status == WEFT_OK) return true;
    weft_abort(tx);
    return show_fail_weft(live->show, "indexing a live change", status, &why);
}

static bool live_location(struct live *live) {
    struct show *show = live->show;
    if (mkdir(live->folder, 0700) != 0)
        return show_fail(show, "cannot make \"%s\": %s", live->folder, strerror(errno));
    live->directory = open(live->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (live->directory < 0)
        return show_fail(show, "cannot open \"%s\": %s", live->folder, strerror(errno));
    uint8_t device[16];
    weft_id(show->engine, live->location);
    weft_device(show->engine, device);
    weft_tx *tx = NULL;
    enum weft_status status = weft_begin_wait(show->engine, LIVE_DOOR_MS, &tx);
    if (status != WEFT_OK) return show_fail_weft(show, "live changes", status, NULL);
    status = entry_put_location(tx, &show->models, live->location, device, live->folder);
    return live_commit(live, tx, status);
}

/* Tells the children which location to watch. */
static bool live_watch(struct live *live) {
    struct show *show = live->show;
    char id[LINE_ID_TEXT], command[64];
    line_id_text(live->location, id);
    snprintf(command, sizeof command, "watch %s", id);
    for (unsigned i = 0; i < show->child_count; i++) {
        struct device *child = &show->children[i];
        (void)device_send(child, command);
        while (!child->watching) {
            if (!show_pump(show, 100)) return false;
        }
    }
    return true;
}

/* Makes the file, or makes it longer. */
static bool live_write(struct live *live, struct live_file *file) {
    static const char text[] = "A few more bytes for this file.\n";
    int fd = openat(live->directory, file->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool wrote = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1);
    int error = errno;
    if (fd >= 0) close(fd);
    if (!wrote)
        return show_fail(live->show, "cannot write in \"%s\": %s", live->folder, strerror(error));
    file->size += sizeof text - 1;
    file->there = true;
    return true;
}

static bool live_put(struct live *live, weft_tx *tx, const struct live_file *file,
                     enum weft_status *status) {
    struct stat stat;
    if (fstatat(live->directory, file->name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return show_fail(live->show, "cannot look at \"%s\": %s", file->name, strerror(errno));
    struct entry_file row = {file->id, live->location, NULL, file->name, &stat};
    bool escaped;
    *status = entry_put(tx, &live->show->models, &row, &escaped);
    if (escaped && !live->escape_told)
        view_say(&live->show->view,
                 "a name that is not UTF-8 was refused by the engine and stored as caf%%E9.txt");
    live->escape_told = live->escape_told || escaped;
    return true;
}

/* Touches one file and indexes it. */
static bool live_change(struct live *live, unsigned number, enum live_kind kind) {
    struct show *show = live->show;
    struct live_file *file = &live->files[number];
    if (kind == LIVE_CREATED) weft_id(show->engine, file->id);
    if (kind == LIVE_DELETED) {
        if (unlinkat(live->directory, file->name, 0) != 0)
            return show_fail(show, "cannot delete \"%s\": %s", file->name, strerror(errno));
        file->there = false;
    } else if (!live_write(live, file)) {
        return false;
    }
    MUST(live->change_count < sizeof live->changes / sizeof *live->changes);
    struct live_change *change = &live->changes[live->change_count++];
    *change = (struct live_change){number, kind, file->size, instant_us(), {0}};
    live->unseen += show->child_count;
    weft_tx *tx = NULL;
    enum weft_status status = weft_begin_wait(show->engine, LIVE_DOOR_MS, &tx);
    if (status != WEFT_OK) return show_fail_weft(show, "live changes", status, NULL);
    if (kind == LIVE_DELETED) {
        struct weft_value key = weft_blob(file->id, sizeof file->id);
        status = weft_delete(tx, show->models.entry, &key, 1);
    } else if (!live_put(live, tx, file, &status)) {
        weft_abort(tx);
        return false;
    }
    return live_commit(live, tx, status);
}

/* One change after the other at an even pace, hearing the children between them. */
static bool live_changes(struct live *live) {
    int64_t next_us = instant_us();
    for (unsigned step = 0; step < 2 * LIVE_FILES; step++) {
        bool goes_on = true;
        if (step < LIVE_FILES) goes_on = live_change(live, step, LIVE_CREATED);
        if (goes_on && step % 4 == 1 && step < LIVE_FILES)
            goes_on = live_change(live, step / 2, LIVE_CHANGED);
        if (goes_on && step >= LIVE_FILES && step % 2 == 0)
            goes_on = live_change(live, step - LIVE_FILES, LIVE_CHANGED);
        if (goes_on && step >= LIVE_FILES && step % 4 == 3)
            goes_on = live_change(live, step - LIVE_FILES, LIVE_DELETED);
        if (!goes_on) return false;
        next_us += LIVE_PACE_US;
        for (int64_t left; (left = next_us - instant_us()) > 0;) {
            if (!show_pump(live->show, (int)(left / 1000 + 1))) return false;
        }
    }
    return true;
}

static bool live_wait_seen(struct live *live) {
    int64_t begun = instant_us();
    while (live->unseen > 0) {
        if (!show_pump(live->show, 100)) return false;
        int64_t last = live->seen_us > begun ? live->seen_us : begun;
        if (instant_us() - last > LIVE_STUCK_US)
            return show_fail(live->show, "%u live changes were not seen within a minute",
                             live->unseen);
    }
    return true;
}

static int compare_us(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* What each child saw, and how soon. */
static void live_tell(struct live *live) {
    static const char *const kinds[LIVE_KINDS] = {"created", "changed", "deleted"};
    struct show *show = live->show;
    unsigned counts[LIVE_KINDS] = {0};
    for (unsigned i = 0; i < live->change_count; i++)
        counts[live->changes[i].kind]++;
    view_say(&show->view, "live: %u files %s, %u %s, %u %s, each indexed as it happened", counts[0],
             kinds[0], counts[1], kinds[1], counts[2], kinds[2]);
    for (unsigned child = 0; child < show->child_count; child++) {
        int64_t took[3 * LIVE_FILES];
        for (unsigned i = 0; i < live->change_count; i++)
            took[i] = live->changes[i].seen_us[child] - live->changes[i].made_us;
        qsort(took, live->change_count, sizeof *took, compare_us);
        double half = (double)took[live->change_count / 2] / 1e3;
        double most = (double)took[live->change_count - 1] / 1e3;
        if (show->view.form != FORM_JSON)
            view_say(&show->view, "    seen on %s after %.1f ms (median), %.1f ms (longest)",
                     show->children[child].name, half, most);
        struct line line;
        line_open(&line, "live");
        line_member_text(&line, "name", show->children[child].name);
        line_member(&line, "changes", live->change_count);
        line_member_real(&line, "median_ms", half);
        line_member_real(&line, "longest_ms", most);
        line_close(&line);
        view_json(&show->view, &line);
    }
}

bool live_run(struct live *live) {
    if (!live_location(live) || !live_watch(live) || !live_changes(live)) return false;
    if (!live_wait_seen(live)) return false;
    live_tell(live);
    return true;
}

/* Deletes, changes and makes files while nobody indexes. */
static bool live_behind(struct live *live, unsigned *deleted, unsigned *changed, unsigned *made) {
    *deleted = *changed = *made = 0;
    for (unsigned i = 0; i < LIVE_FILES; i++) {
        struct live_file *file = &live->files[i];
        bool well = true;
        if (file->there && i % 5 == 2) {
            well = unlinkat(live->directory, file->name, 0) == 0;
            file->there = false;
            ++*deleted;
        } else if (file->there && i % 20 == 4) {
            well = live_write(live, file);
            ++*changed;
        } else if (!file->there && i % 8 == 7) {
            file->size = 0;
            well = live_write(live, file);
            ++*made;
        }
        if (!well)
            return show_fail(live->show, "cannot change \"%s\": %s", file->name, strerror(errno));
    }
    return true;
}

bool live_rescan(struct live *live) {
    struct show *show = live->show;
    unsigned deleted, changed, made;
    if (!live_behind(live, &deleted, &changed, &made)) return false;
    view_say(&show->view, "behind the indexer's back: %u files deleted, %u changed, %u made",
             deleted, changed, made);
    struct rescan_report report;
    int64_t begun = instant_us();
    if (!rescan_run(show, live->directory, live->location, &report)) return false;
    double took = (double)(instant_us() - begun) / 1e3;
    view_say(&show->view,
             "rescan: %llu files looked at, %llu rows and deletions written, %llu unchanged and "
             "not sent; everywhere after %.0f ms",
             (unsigned long long)report.looked, (unsigned long long)report.written,
             (unsigned long long)report.unchanged, took);
    struct line line;
    line_open(&line, "rescan");
    line_member(&line, "looked", report.looked);
    line_member(&line, "written", report.written);
    line_member(&line, "unchanged", report.unchanged);
    line_member_real(&line, "milliseconds", took);
    line_close(&line);
    view_json(&show->view, &line);
    uint64_t expected = (uint64_t)deleted + changed + made;
    if (report.written != expected)
        return show_fail(show, "the rescan wrote %llu rows, but %llu files had changed",
                         (unsigned long long)report.written, (unsigned long long)expected);
    return true;
}

void live_close(struct live *live) {
    if (live == NULL) return;
    if (live->directory >= 0) {
        for (unsigned i = 0; i < LIVE_FILES; i++)
            (void)unlinkat(live->directory, live->files[i].name, 0);
        close(live->directory);
        (void)rmdir(live->folder);
    }
    free(live);
}
