/* See metrics_text.h. Everything is read through the public interface: a program sees the same.
 *
 * Invariants
 *   1. A name, once published, keeps its meaning; units stand in names, seconds and bytes in full.
 *   2. Lines of one name stand together, below its HELP and TYPE; no two have the same labels.
 *   3. A histogram's buckets are cumulative, and the last of them equals its count. */
#include "engine/metrics_text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/bytes.h"
#include "engine/base/limits.h"

#define METRICS_RINGS 64u
#define METRICS_ACTORS (LIMIT_PEERS_SHOWN + 16u)
#define METRICS_MEMBERS (LIMIT_ROSTER + 1u)

static void head(struct page *page, const char *name, const char *type, const char *help) {
    page_add(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- figures of the engine ---- */

struct figure {
    const char *name, *type, *help;
    size_t offset; /* of a uint64_t, in its struct */
};

#define COUNTER(field, what, help) \
    { "weft_" what "_total", "counter", help, offsetof(struct weft_stats, field) }
#define GAUGE(field, what, help) \
    { "weft_" what, "gauge", help, offsetof(struct weft_stats, field) }

static const struct figure stats_figures[] = {
    COUNTER(commits, "commits", "Transactions of this host that were written."),
    COUNTER(commits_failed, "commits_failed", "Transactions of this host that were refused."),
    COUNTER(syncs, "sqlite_commits", "SQLite commits, each of a group of transactions."),
    COUNTER(rows_local, "rows_local", "Rows and tombstones written for this host."),
    COUNTER(rows_remote, "rows_remote", "Rows and tombstones written for other devices."),
    COUNTER(rows_unchanged, "rows_unchanged", "Puts that were equal to the stored row."),
    COUNTER(rows_parked, "rows_parked", "Received rows that could not be applied yet."),
    COUNTER(fields_beaten, "conflicts_lost",
            "Writes to shared rows that lost against a later one of another device."),
    COUNTER(tombstones_pruned, "tombstones_pruned", "Tombstones forgotten."),
    COUNTER(records_pruned, "log_records_pruned", "Records of the shared log forgotten."),
    COUNTER(batches_encoded, "batches_encoded", "Batches of rows encoded."),
    COUNTER(batches_shared, "batches_shared", "Batches sent again to another peer as they were."),
    COUNTER(batches_decoded, "batches_decoded", "Batches of rows decoded."),
    COUNTER(batches_from_memory, "batches_from_memory", "Batches made of rows still in memory."),
    COUNTER(batches_from_disk, "batches_from_disk", "Batches made of rows read from the file."),
    COUNTER(bytes_in, "received_bytes", "Bytes received from all peers."),
    COUNTER(bytes_out, "sent_bytes", "Bytes sent to all peers."),
    COUNTER(digests_compared, "digests_compared", "Digests compared with other members'."),
    COUNTER(digests_differ, "digests_differ", "Digests that differed."),
    COUNTER(digests_repaired, "digests_repaired", "Digests equal again after a repair."),
    COUNTER(events_lost, "events_lost", "Events that the host did not take in time."),
    GAUGE(door_bytes_held, "door_bytes", "Bytes of transactions not yet let go."),
    GAUGE(pool_bytes_held, "pool_bytes", "Bytes of all mail arenas in use."),
};

#undef COUNTER
#undef GAUGE
#define COUNTER(field, what, help) \
    { "weft_" what "_total", "counter", help, offsetof(struct weft_metrics, field) }
#define GAUGE(field, what, help) \
    { "weft_" what, "gauge", help, offsetof(struct weft_metrics, field) }

static const struct figure metrics_figures[] = {
    COUNTER(syncs_failed, "sqlite_commits_failed", "SQLite commits that could not be made."),
    COUNTER(mails_lost, "mails_lost", "Notices between actors that found no room."),
    COUNTER(log_lost, "log_entries_lost", "Entries of the log that found no room."),
    GAUGE(commits_waiting, "commits_waiting", "Transactions without an answer."),
    GAUGE(door_bytes_max, "door_bytes_max", "Bytes of transactions that may be held."),
    GAUGE(pool_bytes_kept, "pool_bytes_kept", "Bytes of mail arenas kept to be used again."),
    GAUGE(log_records, "log_records", "Records of the shared log that can be forgotten one day."),
    GAUGE(log_pages, "write_ahead_log_pages", "SQLite pages in the write-ahead log."),
    GAUGE(threads, "threads", "Threads of actors."),
    GAUGE(members, "members", "Other devices of the library."),
    GAUGE(members_away, "members_away", "Other devices that nothing waits for any more."),
};

#undef COUNTER
#undef GAUGE

static void figures(struct page *page, const struct figure *list, size_t count, const void *from) {
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)from + list[i].offset, sizeof value);
        head(page, list[i].name, list[i].type, list[i].help);
        page_add(page, "%s %" PRIu64 "\n", list[i].name, value);
    }
}

/* ---- histograms ---- */

/* A number of microseconds, in seconds. */
#define SECONDS "%" PRIu64 ".%06" PRIu64
#define SECONDS_OF(us) (us) / 1000000u, (us) % 1000000u

/* Of its buckets those that end at a power of two, from 16 us on. */
static void histogram(struct page *page, const char *name, const char *help,
                      const struct weft_histogram *histogram) {
    uint64_t below = 0;
    head(page, name, "histogram", help);
    for (unsigned i = 0; i < WEFT_BUCKETS - 1; i++) {
        const uint64_t bound = weft_bucket_us(i);
        below += histogram->bucket[i];
        if (bound < 16 || (bound & (bound - 1)) != 0) continue;
        page_add(page, "%s_bucket{le=\"" SECONDS "\"} %" PRIu64 "\n", name, SECONDS_OF(bound),
                 below);
    }
    page_add(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
    page_add(page, "%s_sum " SECONDS "\n", name, SECONDS_OF(histogram->sum_us));
    page_add(page, "%s_count %" PRIu64 "\n", name, histogram->count);
}

static void histograms(struct page *page, const struct weft_metrics *metrics) {
    histogram(page, "weft_commit_seconds", "SQLite commits, from the first row to the sync.",
              &metrics->commit);
    histogram(page, "weft_sync_seconds", "Of SQLite commits, writing the log and syncing it.",
              &metrics->sync);
    histogram(page, "weft_checkpoint_seconds", "Copying the write-ahead log into the file.",
              &metrics->checkpoint);
    histogram(page, "weft_ticket_seconds", "From submitting a transaction until it is durable.",
              &metrics->ticket);
    histogram(page, "weft_replicate_seconds",
              "From a commit until a member has said that it holds it.", &metrics->replicate);
    histogram(page, "weft_arrival_age_seconds",
              "Age of other devices' rows when durable here, by the clocks of these devices.",
              &metrics->arrive);
}

/* ---- peers ---- */

/* {device="…",name="…"} and what follows it up to the value. */
static void peer_line(struct page *page, const char *name, const struct weft_contact *peer,
                      uint64_t value) {
    struct id device;
    char text[ID_TEXT_SIZE];
    memcpy(device.bytes, peer->device, sizeof device.bytes);
    id_text(&device, text);
    page_add(page, "%s{device=\"%s\",name=\"", name, id_is_zero(&device) ? "" : text);
    page_label(page, peer->name);
    page_add(page, "\"} %" PRIu64 "\n", value);
}

static const struct figure peer_figures[] = {
    {"weft_peer_received_bytes_total", "counter", "Bytes received from a device.",
     offsetof(struct weft_contact, bytes_in)},
    {"weft_peer_sent_bytes_total", "counter", "Bytes sent to a device.",
     offsetof(struct weft_contact, bytes_out)},
    {"weft_peer_received_rows_total", "counter", "Rows received from a device.",
     offsetof(struct weft_contact, rows_in)},
    {"weft_peer_sent_rows_total", "counter", "Rows sent to a device.",
     offsetof(struct weft_contact, rows_out)},
    {"weft_peer_sessions_total", "counter", "Sessions that stood with a device.",
     offsetof(struct weft_contact, sessions)},
    {"weft_peer_failures_total", "counter", "Calls of a device that led to no session.",
     offsetof(struct weft_contact, failures)},
};

/* Brings those at whose addresses nobody has answered yet together, at the end; how many remain. */
static unsigned gather_peers(struct weft_contact *list, unsigned count) {
    static const uint8_t nobody[WEFT_ID_SIZE];
    struct weft_contact unknown = {0};
    unsigned known = 0;
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(list[i].device, nobody, sizeof nobody) != 0) {
            list[known++] = list[i];
            continue;
        }
        any = true;
        unknown.failures += list[i].failures;
        if (list[i].state > unknown.state) unknown.state = list[i].state;
    }
    if (any) list[known++] = unknown;
    return known;
}

static void peers(struct page *page, const weft_engine *engine) {
    struct weft_contact *found = calloc(LIMIT_CONTACTS, sizeof *found);
    if (found == NULL) {
        page->failed = true;
        return;
    }
    unsigned count = weft_contacts(engine, found, LIMIT_CONTACTS);
    count = gather_peers(found, count < LIMIT_CONTACTS ? count : LIMIT_CONTACTS);
    head(page, "weft_peer_state", "gauge",
         "State of a device: 0 is not called, 1 rests, 2 is dialled, 3 is greeted, 4 live.");
    for (unsigned i = 0; i < count; i++)
        peer_line(page, "weft_peer_state", &found[i], (uint64_t)found[i].state);
    for (size_t f = 0; f < sizeof peer_figures / sizeof peer_figures[0]; f++) {
        const struct figure *figure = &peer_figures[f];
        head(page, figure->name, figure->type, figure->help);
        for (unsigned i = 0; i < count; i++) {
            uint64_t value;
            memcpy(&value, (const uint8_t *)&found[i] + figure->offset, sizeof value);
            peer_line(page, figure->name, &found[i], value);
        }
    }
    free(found);
}

/* ---- members ---- */

static void member_labels(struct page *page, const char *name, const uint8_t device[WEFT_ID_SIZE],
                          const struct weft_member *members, unsigned count) {
    struct id id;
    char text[ID_TEXT_SIZE];
    memcpy(id.bytes, device, sizeof id.bytes);
    id_text(&id, text);
    page_add(page, "%s{device=\"%s\",name=\"", name, text);
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(members[i].device, device, WEFT_ID_SIZE) != 0) continue;
        page_label(page, members[i].name);
        break;
    }
    page_add(page, "\"} ");
}

static void lags(struct page *page, const weft_engine *engine) {
    struct weft_member members[METRICS_MEMBERS];
    struct weft_lag found[METRICS_MEMBERS];
    unsigned count = weft_lags(engine, found, METRICS_MEMBERS);
    unsigned known = weft_members(engine, members, METRICS_MEMBERS);
    if (count > METRICS_MEMBERS) count = METRICS_MEMBERS;
    if (known > METRICS_MEMBERS) known = METRICS_MEMBERS;
    head(page, "weft_member_lag_seconds", "gauge",
         "Age of the oldest commit of this device that a member may lack.");
    for (unsigned i = 0; i < count; i++) {
        member_labels(page, "weft_member_lag_seconds", found[i].device, members, known);
        page_add(page, "%" PRIu64 ".%03" PRIu64 "\n", found[i].ms / 1000, found[i].ms % 1000);
    }
    head(page, "weft_member_lag_rows", "gauge",
         "Rows of this device that a member may lack; absent until that is known.");
    for (unsigned i = 0; i < count; i++) {
        if (!found[i].rows_known) continue;
        member_labels(page, "weft_member_lag_rows", found[i].device, members, known);
        page_add(page, "%" PRIu64 "\n", found[i].rows);
    }
    head(page, "weft_member_lag_records", "gauge",
         "Records of the shared log, written by this device, that a member lacks.");
    for (unsigned i = 0; i < count; i++) {
        member_labels(page, "weft_member_lag_records", found[i].device, members, known);
        page_add(page, "%" PRIu64 "\n", found[i].records);
    }
}

/* ---- actors and rings ---- */

static void actors(struct page *page, const weft_engine *engine) {
    static const struct figure list[] = {
        {"weft_actor_steps_total", "counter", "Mails and ticks that an actor has dealt with.",
         offsetof(struct weft_actor, steps)},
        {"weft_actor_mails_waiting", "gauge", "Mails in all rings that lead to an actor.",
         offsetof(struct weft_actor, mails_waiting)},
        {"weft_actor_pool_bytes", "gauge", "Bytes of mails made by an actor and still in use.",
         offsetof(struct weft_actor, pool_bytes_held)},
    };
    struct weft_actor found[METRICS_ACTORS];
    unsigned count = weft_actors(engine, found, METRICS_ACTORS);
    if (count > METRICS_ACTORS) count = METRICS_ACTORS;
    for (size_t f = 0; f < sizeof list / sizeof list[0]; f++) {
        head(page, list[f].name, list[f].type, list[f].help);
        for (unsigned i = 0; i < count; i++) {
            uint64_t value;
            memcpy(&value, (const uint8_t *)&found[i] + list[f].offset, sizeof value);
            page_add(page, "%s{actor=\"%s\",index=\"%u\"} %" PRIu64 "\n", list[f].name,
                     found[i].name, found[i].index, value);
        }
    }
}

static void rings(struct page *page, const weft_engine *engine) {
    static const struct figure list[] = {
        {"weft_ring_mails_total", "counter", "Mails ever sent from actor to actor.",
         offsetof(struct weft_ring, mails)},
        {"weft_ring_mails_lost_total", "counter", "Notices that found no room.",
         offsetof(struct weft_ring, mails_lost)},
        {"weft_ring_mails_waiting", "gauge", "Mails in the rings of this kind.",
         offsetof(struct weft_ring, mails_waiting)},
        {"weft_ring_mails_deepest", "gauge", "Mails in the fullest ring of this kind.",
         offsetof(struct weft_ring, mails_deepest)},
        {"weft_ring_slots", "gauge", "Mails that each ring of this kind has room for.",
         offsetof(struct weft_ring, ring_slots)},
    };
    struct weft_ring found[METRICS_RINGS];
    unsigned count = weft_rings(engine, found, METRICS_RINGS);
    if (count > METRICS_RINGS) count = METRICS_RINGS;
    for (size_t f = 0; f < sizeof list / sizeof list[0]; f++) {
        head(page, list[f].name, list[f].type, list[f].help);
        for (unsigned i = 0; i < count; i++) {
            const struct weft_ring *ring = &found[i];
            uint64_t value;
            memcpy(&value, (const uint8_t *)ring + list[f].offset, sizeof value);
            page_add(page, "%s{from=\"%s\",to=\"%s\",kind=\"%s\",mail=\"%s\"} %" PRIu64 "\n",
                     list[f].name, ring->from, ring->to, ring->kind, ring->mail, value);
        }
    }
}

void metrics_text(const weft_engine *engine, struct page *page) {
    struct weft_stats stats;
    struct weft_metrics metrics;
    struct id device, library;
    char device_text[ID_TEXT_SIZE], library_text[ID_TEXT_SIZE];
    weft_device(engine, device.bytes);
    weft_library(engine, library.bytes);
    weft_stats(engine, &stats);
    (void)weft_metrics(engine, &metrics, sizeof metrics);
    id_text(&device, device_text);
    id_text(&library, library_text);
    head(page, "weft_info", "gauge", "Which device of which library this is.");
    page_add(page, "weft_info{device=\"%s\",library=\"%s\"} 1\n", device_text, library_text);
    head(page, "weft_uptime_seconds", "gauge", "Time since the library was opened.");
    page_add(page, "weft_uptime_seconds %" PRIu64 ".%03" PRIu64 "\n", metrics.uptime_ms / 1000,
             metrics.uptime_ms % 1000);
    head(page, "weft_commit_ok", "gauge", "1 if the last SQLite commit was made, else 0.");
    page_add(page, "weft_commit_ok %d\n", metrics.commit_status == WEFT_OK);
    figures(page, stats_figures, sizeof stats_figures / sizeof stats_figures[0], &stats);
    figures(page, metrics_figures, sizeof metrics_figures / sizeof metrics_figures[0], &metrics);
    histograms(page, &metrics);
    lags(page, engine);
    peers(page, engine);
    actors(page, engine);
    rings(page, engine);
}
