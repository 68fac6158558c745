/* Figures of one device.
 *
 * Rows are counted with plain SQL on a reader's connection, not taken from the engine's counters:
 * what is shown is what a program that uses the library would see. */
#include "demo/gauge.h"

#include <stdio.h>
#include <string.h>

#include "demo/instant.h"
#include "demo/must.h"

static enum weft_status gauge_fail(struct gauge *gauge, struct weft_error *why) {
    why->status = WEFT_IO;
    why->native = sqlite3_extended_errcode(gauge->reader);
    snprintf(why->text, sizeof why->text, "counting rows failed: %s",
             sqlite3_errmsg(gauge->reader));
    return WEFT_IO;
}

enum weft_status gauge_open(struct gauge *gauge, weft_engine *engine, struct weft_error *why) {
    MUST(engine != NULL && why != NULL);
    memset(gauge, 0, sizeof *gauge);
    gauge->engine = engine;
    enum weft_status status = weft_open_reader(engine, &gauge->reader, why);
    if (status != WEFT_OK) return status;
    if (sqlite3_prepare_v2(gauge->reader, "SELECT count(*) FROM entry", -1, &gauge->count, NULL) !=
        SQLITE_OK) {
        status = gauge_fail(gauge, why);
        gauge_close(gauge);
    }
    return status;
}

static uint64_t memory_kb(void) {
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) return 0;
    char text[256];
    unsigned long long found = 0;
    while (fgets(text, sizeof text, file) != NULL) {
        if (sscanf(text, "VmRSS: %llu", &found) == 1) break;
    }
    fclose(file);
    return found;
}

enum weft_status gauge_read(struct gauge *gauge, bool exact, struct figures *out,
                            struct weft_error *why) {
    MUST(gauge->count != NULL);
    memset(out, 0, sizeof *out);
    int64_t begun = instant_us();
    if (exact || begun >= gauge->next_us) {
        if (sqlite3_step(gauge->count) != SQLITE_ROW) {
            sqlite3_reset(gauge->count);
            return gauge_fail(gauge, why);
        }
        gauge->rows = (uint64_t)sqlite3_column_int64(gauge->count, 0);
        sqlite3_reset(gauge->count);
        int64_t ended = instant_us();
        gauge->next_us = ended + 20 * (ended - begun);
    }
    struct weft_stats stats;
    weft_stats(gauge->engine, &stats);
    struct weft_peer peers[64];
    unsigned count = weft_peers(gauge->engine, peers, 64);
    for (unsigned i = 0; i < count && i < 64; i++)
        out->peers += peers[i].state == WEFT_PEER_LIVE;
    out->rows = gauge->rows;
    out->bytes_in = stats.bytes_in;
    out->bytes_out = stats.bytes_out;
    out->memory_kb = memory_kb();
    return WEFT_OK;
}

void gauge_close(struct gauge *gauge) {
    sqlite3_finalize(gauge->count);
    sqlite3_close(gauge->reader);
    gauge->count = NULL;
    gauge->reader = NULL;
}
