/* The partition.
 *
 *      A ◄──► B          A ◄──► B  CLASH_EARLY on A          A ◄──► B
 *      ▲      ▲    ─►                                  ─►    ▲      ▲
 *      └► C ◄─┘               C    CLASH_ALL                 └► C ◄─┘
 *                        A ◄──► B  CLASH_LATE on B
 *
 * The last device is cut off: its sessions are paused, its process is closed and started again on
 * the same file, still paused and without a listener. To heal, it is resumed, and told the others'
 * addresses.
 * Invariant: nothing heals that was not cut: while it is cut, the device has no session, and the
 * tables of the two sides differ. */
#include "demo/partition.h"

#include <inttypes.h>
#include <stdio.h>

#include "demo/clash.h"
#include "demo/instant.h"
#include "demo/line.h"
#include "demo/must.h"
#include "demo/tagging.h"

#define PARTITION_STUCK_US 60000000
#define PARTITION_CLOSE_MS 30000

struct partition {
    struct show *show;
    struct device *cut;
    uint64_t beaten[OPTIONS_DEVICES_MAX]; /* by device, A first: before the cut */
    uint64_t touched;                     /* tags renamed and links changed, on both sides */
    uint64_t differed;                    /* tags and links that were not the same on both sides */
    bool healed;                          /* all became equal */
    int64_t healed_us;                    /* ... after so long */
    int64_t kept_cut, kept_others;        /* tags that are now as the side has renamed them */
};

static struct tagger_report *tags_of(struct show *show, unsigned device) {
    return device == 0 ? &show->tags : &show->children[device - 1].tags;
}

/* The sessions of A. */
static unsigned sessions(const struct show *show) {
    struct weft_peer peers[2 * OPTIONS_DEVICES_MAX];
    unsigned count = weft_peers(show->engine, peers, 2 * OPTIONS_DEVICES_MAX), live = 0;
    for (unsigned i = 0; i < count && i < 2 * OPTIONS_DEVICES_MAX; i++)
        live += peers[i].state == WEFT_PEER_LIVE;
    return live;
}

static bool partition_cut(struct partition *partition) {
    struct show *show = partition->show;
    struct device *cut = partition->cut;
    char why[SHOW_TEXT];
    if (!tagging_ask(show)) return false;
    for (unsigned i = 0; i <= show->child_count; i++)
        partition->beaten[i] = tags_of(show, i)->beaten;
    if (!device_send(cut, "pause")) return show_fail(show, "device %s does not listen", cut->name);
    if (!device_close(cut, PARTITION_CLOSE_MS, &show->listener))
        return show_fail(show, "device %s did not close well (status %d)", cut->name,
                         cut->exit_status);
    if (!device_start(cut, NULL, why, sizeof why)) return show_fail(show, "%s", why);
    int64_t begun = instant_us();
    while (!cut->ready || sessions(show) >= show->child_count) {
        if (instant_us() - begun > PARTITION_STUCK_US)
            return show_fail(show, "device %s could not be cut off within a minute", cut->name);
        if (!show_pump(show, 20)) return false;
    }
    return true;
}

/* One round on one device. */
static bool partition_clash(struct partition *partition, struct device *device,
                            enum clash_round round) {
    struct show *show = partition->show;
    struct clash_report report;
    if (device == NULL) {
        struct weft_error why = {0};
        enum weft_status status =
            clash_run(show->engine, show->gauge.reader, "A", round, &report, &why);
        if (status != WEFT_OK) return show_fail_weft(show, "changing tags on A", status, &why);
    } else {
        char command[16];
        snprintf(command, sizeof command, "clash %d", (int)round);
        device->clashed = false;
        if (!device_send(device, command))
            return show_fail(show, "device %s does not listen", device->name);
        while (!device->clashed) {
            if (!show_pump(show, 100)) return false;
        }
        report = device->clash;
    }
    partition->touched += report.tags + report.unlinked + report.linked;
    /* The clock's time has milliseconds: the next round is later than this one. */
    int64_t until = instant_us() + 3000;
    while (instant_us() < until) {
        if (!show_pump(show, 1)) return false;
    }
    return true;
}

/* Pumps until the first `count` children have the same tags and links as A, a minute at most. */
static bool partition_equal(struct partition *partition, unsigned count, bool *equal) {
    struct show *show = partition->show;
    char why[SHOW_TEXT];
    int64_t begun = instant_us();
    for (*equal = false; !*equal && instant_us() - begun < PARTITION_STUCK_US;) {
        uint64_t differ = 0;
        /* From the one that was cut off: the others are equal to A as long as nothing heals. */
        for (unsigned i = count; i > 0 && differ == 0; i--) {
            if (!clash_differ(show->db, show->children[i - 1].db, &differ, why, sizeof why))
                return show_fail(show, "%s", why);
        }
        *equal = differ == 0;
        if (!*equal && !show_pump(show, 5)) return false;
    }
    return true;
}

static bool partition_clashes(struct partition *partition) {
    struct show *show = partition->show;
    struct device *cut = partition->cut;
    char why[SHOW_TEXT];
    struct device *late = show->child_count > 1 ? &show->children[0] : NULL;
    bool agreed;
    if (!partition_clash(partition, NULL, CLASH_EARLY) ||
        !partition_clash(partition, cut, CLASH_ALL) ||
        !partition_clash(partition, late, CLASH_LATE) || !show_ask(show) ||
        !partition_equal(partition, show->child_count - 1, &agreed))
        return false;
    if (!agreed) return show_fail(show, "the devices that were not cut off have not become equal");
    if (cut->figures.peers > 0)
        return show_fail(show, "device %s has a session, though it was cut off", cut->name);
    if (!clash_differ(show->db, cut->db, &partition->differed, why, sizeof why))
        return show_fail(show, "%s", why);
    if (partition->differed == 0)
        return show_fail(show, "both sides of the cut changed tags, and yet they are the same");
    view_say(&show->view,
             "partition: %s was cut off; both sides changed the same tags and links, %" PRIu64
             " changes; %" PRIu64 " of them differ",
             cut->name, partition->touched, partition->differed);
    return true;
}

static bool partition_connect(struct partition *partition) {
    struct show *show = partition->show;
    char id[LINE_ID_TEXT], command[WEFT_ADDRESS_MAX + LINE_ID_TEXT + 16];
    uint8_t device[WEFT_ID_SIZE];
    weft_device(show->engine, device);
    line_id_text(device, id);
    bool sent = device_send(partition->cut, "resume");
    snprintf(command, sizeof command, "connect %s#%s", show->address, id);
    sent = sent && device_send(partition->cut, command);
    for (const struct device *other = show->children; sent && other != partition->cut; other++) {
        snprintf(command, sizeof command, "connect %s#%s", other->address, other->id);
        sent = device_send(partition->cut, command);
    }
    return sent || show_fail(show, "device %s does not listen", partition->cut->name);
}

/* Heals, until every device has the same tags and links as A. */
static bool partition_heal(struct partition *partition) {
    struct show *show = partition->show;
    int64_t begun = instant_us();
    if (!partition_connect(partition)) return false;
    if (!partition_equal(partition, show->child_count, &partition->healed)) return false;
    partition->healed_us = instant_us() - begun;
    if (!partition->healed)
        view_say(&show->view, "the devices have not become equal within a minute");
    return true;
}

static bool partition_kept(struct partition *partition) {
    struct show *show = partition->show;
    sqlite3 *reader = show->gauge.reader;
    const char *late = show->child_count > 1 ? show->children[0].name : "A";
    partition->kept_cut = clash_kept(reader, partition->cut->name);
    partition->kept_others = clash_kept(reader, "A");
    if (show->child_count > 1) partition->kept_others += clash_kept(reader, late);
    return (partition->kept_cut >= 0 && partition->kept_others >= 0) ||
           show_fail(show, "reading tags failed: %s", sqlite3_errmsg(reader));
}

static void partition_json(struct partition *partition, uint64_t conflicts) {
    struct show *show = partition->show;
    struct line line;
    line_open(&line, "partition");
    line_member_text(&line, "cut", partition->cut->name);
    line_member(&line, "changes", partition->touched);
    line_member(&line, "differed", partition->differed);
    line_member_bool(&line, "healed", partition->healed);
    line_member_real(&line, "milliseconds", (double)partition->healed_us / 1e3);
    line_member(&line, "conflicts", conflicts);
    line_member_signed(&line, "kept_cut", partition->kept_cut);
    line_member_signed(&line, "kept_others", partition->kept_others);
    line_close(&line);
    view_json(&show->view, &line);
}

/* What one device says of itself: its lags while the index was built, and its shared tables now. */
struct account {
    const char *name;
    const struct tagger_report *building, *now;
    uint64_t conflicts, healing; /* all of them; of these, those of the healing */
};

static void account_say(struct show *show, const struct account *account) {
    const struct tagger_report *lag = account->building, *now = account->now;
    double half = (double)lag->p50_us / 1e3, most = (double)lag->p99_us / 1e3;
    double longest = (double)lag->longest_us / 1e3;
    if (show->view.form != FORM_JSON)
        view_say(&show->view,
                 "    %-6s %8" PRIu64 " %6.1f ms %6.1f ms %6.1f ms %9" PRIu64 " %8" PRIu64
                 " %6" PRIu64 " %7" PRIu64 " %8" PRIu64,
                 account->name, lag->seen, half, most, longest, account->conflicts,
                 account->healing, now->tags, now->links, now->records);
    struct line line;
    line_open(&line, "shared");
    line_member_text(&line, "name", account->name);
    line_member(&line, "seen", lag->seen);
    line_member_real(&line, "lag_p50_ms", half);
    line_member_real(&line, "lag_p99_ms", most);
    line_member_real(&line, "lag_longest_ms", longest);
    line_member(&line, "conflicts", account->conflicts);
    line_member(&line, "conflicts_healing", account->healing);
    line_member(&line, "tags", now->tags);
    line_member(&line, "links", now->links);
    line_member(&line, "records", now->records);
    line_close(&line);
    view_json(&show->view, &line);
}

/* The table: a line for each device. The engine that was cut off has been opened again, and counts
 * from there. */
static void partition_tell(struct partition *partition, const struct tagger_report *building) {
    struct show *show = partition->show;
    uint64_t conflicts = 0;
    if (show->view.form != FORM_JSON) {
        view_say(&show->view, "    %-6s %8s %29s %9s %8s %6s %7s %8s", "", "of others",
                 "lag while the index was built", "conflicts", "while", "", "", "shared");
        view_say(&show->view, "    %-6s %8s %9s %9s %9s %9s %8s %6s %7s %8s", "device", "seen",
                 "p50", "p99", "longest", "resolved", "healing", "tags", "links", "records");
    }
    for (unsigned i = 0; i <= show->child_count; i++) {
        const struct tagger_report *now = tags_of(show, i);
        uint64_t before = partition->beaten[i];
        uint64_t healing = i == show->child_count ? now->beaten : now->beaten - before;
        struct account account = {.name = i == 0 ? "A" : show->children[i - 1].name,
                                  .building = &building[i],
                                  .now = now,
                                  .conflicts = before + healing,
                                  .healing = healing};
        account_say(show, &account);
        conflicts += healing;
    }
    partition_json(partition, conflicts);
}

bool partition_run(struct show *show, bool *healed) {
    MUST(show->tagger != NULL && show->child_count > 0);
    struct partition partition = {.show = show, .cut = &show->children[show->child_count - 1]};
    struct tagger_report building[OPTIONS_DEVICES_MAX];
    for (unsigned i = 0; i <= show->child_count; i++)
        building[i] = *tags_of(show, i);
    show_phase(show, "partition");
    if (!partition_cut(&partition) || !partition_clashes(&partition)) return false;
    show_phase(show, "healing");
    if (!partition_heal(&partition) || !tagging_ask(show) || !partition_kept(&partition))
        return false;
    if (partition.healed)
        view_say(&show->view,
                 "healed: %.0f ms later all devices had the same again; %" PRId64
                 " tags are as %s left them, %" PRId64 " as the others did",
                 (double)partition.healed_us / 1e3, partition.kept_cut, partition.cut->name,
                 partition.kept_others);
    partition_tell(&partition, building);
    *healed = partition.healed;
    return true;
}
