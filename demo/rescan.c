/* A rescan.
 *
 *      weft_scan_begin ─► for each file: its id by plain SQL, or a new one ─► weft_put ─► commit
 *                      ─► weft_scan_end: rows of the location that were not put are deleted
 *
 * The indexer compares nothing: it writes what it finds, and the engine drops what is as it stood.
 * A file is known again by its name. Ids increase, so the entries of a location lie behind it: the
 * query needs no index but the primary key. */
#include "demo/rescan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo/must.h"
#include "demo/name.h"

#define RESCAN_DOOR_MS 60000

struct rescan {
    struct show *show;
    const uint8_t *location;
    weft_tx *tx;
    sqlite3_stmt *known;
    struct rescan_report *report;
};

static bool rescan_find(struct rescan *rescan, const char *name, uint8_t id[16]) {
    sqlite3_reset(rescan->known);
    sqlite3_bind_text(rescan->known, 2, name, -1, SQLITE_TRANSIENT);
    bool found =
        sqlite3_step(rescan->known) == SQLITE_ROW && sqlite3_column_bytes(rescan->known, 0) == 16;
    if (found) memcpy(id, sqlite3_column_blob(rescan->known, 0), 16);
    sqlite3_reset(rescan->known);
    return found;
}

/* The id that a file had in the last scan, under its own name or the escaped form of it. */
static void rescan_id(struct rescan *rescan, const char *name, uint8_t id[16]) {
    char escaped[NAME_ESCAPED_MAX];
    if (rescan_find(rescan, name, id)) return;
    name_escape(name, escaped, sizeof escaped);
    if (rescan_find(rescan, escaped, id)) return;
    weft_id(rescan->show->engine, id);
}

static bool rescan_file(struct rescan *rescan, int directory, const char *name) {
    struct show *show = rescan->show;
    struct stat stat;
    if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ||
               show_fail(show, "cannot look at \"%s\": %s", name, strerror(errno));
    uint8_t id[16];
    bool escaped;
    rescan_id(rescan, name, id);
    struct entry_file row = {id, rescan->location, NULL, name, &stat};
    enum weft_status status = entry_put(rescan->tx, &show->models, &row, &escaped);
    if (status != WEFT_OK)
        return show_fail_weft(show, "rescanning", status, weft_tx_why(rescan->tx));
    rescan->report->looked++;
    return true;
}

static bool rescan_folder(struct rescan *rescan, int directory) {
    struct show *show = rescan->show;
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = again >= 0 ? fdopendir(again) : NULL;
    if (listing == NULL) {
        if (again >= 0) close(again);
        return show_fail(show, "cannot list the scratch folder: %s", strerror(errno));
    }
    bool goes_on = true;
    struct dirent *item;
    while (goes_on && (item = readdir(listing)) != NULL) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
        goes_on = rescan_file(rescan, directory, item->d_name);
    }
    closedir(listing);
    return goes_on;
}

static bool rescan_put(struct rescan *rescan, int directory) {
    struct show *show = rescan->show;
    enum weft_status status = weft_begin_wait(show->engine, RESCAN_DOOR_MS, &rescan->tx);
    if (status != WEFT_OK) return show_fail_weft(show, "rescanning", status, NULL);
    bool goes_on = rescan_folder(rescan, directory);
    if (goes_on) {
        status = weft_commit_wait(rescan->tx, RESCAN_DOOR_MS, NULL);
        if (status == WEFT_OK) return true;
        goes_on = show_fail_weft(show, "rescanning", status, NULL);
    }
    weft_abort(rescan->tx);
    return goes_on;
}

bool rescan_run(struct show *show, int directory, const uint8_t location[16],
                struct rescan_report *out) {
    MUST(show->engine != NULL && directory >= 0);
    *out = (struct rescan_report){0};
    struct rescan rescan = {.show = show, .location = location, .report = out};
    struct weft_stats before, after;
    struct weft_error why = {0};
    struct weft_value scope = weft_blob(location, 16);
    uint64_t scan, ticket;
    const char *sql = "SELECT id FROM entry WHERE id > ?1 AND location_id = ?1 AND name = ?2";
    weft_stats(show->engine, &before);
    if (sqlite3_prepare_v2(show->gauge.reader, sql, -1, &rescan.known, NULL) != SQLITE_OK)
        return show_fail(show, "rescanning: %s", sqlite3_errmsg(show->gauge.reader));
    sqlite3_bind_blob(rescan.known, 1, location, 16, SQLITE_STATIC);
    enum weft_status status = weft_scan_begin(show->engine, show->models.entry,
                                              show->models.location_of, &scope, &scan, &why);
    bool goes_on = status == WEFT_OK || show_fail_weft(show, "rescanning", status, &why);
    goes_on = goes_on && rescan_put(&rescan, directory);
    sqlite3_finalize(rescan.known);
    if (!goes_on) return false;
    status = weft_scan_end(show->engine, scan, &ticket);
    if (status != WEFT_OK) return show_fail_weft(show, "ending the rescan", status, NULL);
    if (!show_wait_everywhere(show, ticket)) return false;
    weft_stats(show->engine, &after);
    out->written = after.rows_local - before.rows_local;
    out->unchanged = after.rows_unchanged - before.rows_unchanged;
    return true;
}
