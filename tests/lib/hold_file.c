/* What is in the file of a hold: rows of all kinds, of this device, of Ann and of Bob; some that
 * wait; deletions; a log whose beginning is forgotten; members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/store/quarantine.h"
#include "tests/lib/hold.h"

#define ALL INT64_MAX

static void must(struct hold *hold, enum weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), hold->library.why.text);
}

static void fill_owned(struct hold *hold) {
    struct writer_tally tally = {0};
    struct library *library = &hold->library;
    struct run *run = hold_fresh(hold, "location");
    run_put(run, "bdt", 0xaa, HOLD_SELF, "/home");
    must(hold, run_commit(run, NULL));
    run = hold_fresh(hold, "entry");
    for (int i = 1; i <= 6; i++)
        run_put(run, "bbti", 20 + i, 0xaa, i == 2 ? "two" : "x", (int64_t)i);
    must(hold, run_commit(run, NULL));
    hold_drop_runs(hold);
    run = hold_fresh(hold, "entry");
    run_delete(run, "b", 25);
    must(hold, run_commit(run, NULL));
    hold_drop_runs(hold);

    run = hold_fresh(hold, "location");
    run_put(run, "bdt", 0xbb, HOLD_ANN, "/ann");
    run_put(run, "bdt", 0xbc, HOLD_ANN, "/home"); /* parked */
    run->builder.rows->upto = library->clock;
    library_receive(library, &hold->devices[HOLD_ANN], run->builder.rows, &tally);
    run = hold_fresh(hold, "entry");
    for (int i = 1; i <= 5; i++)
        run_put(run, "bbti", 0x80 + i, 0xbb, "ann's", i == 5 ? INT64_C(-1) : (int64_t)i);
    run->builder.rows->upto = library->clock;
    library_receive(library, &hold->devices[HOLD_ANN], run->builder.rows, &tally);
    hold_drop_runs(hold);
}

static void fill_shared(struct hold *hold) {
    static const char *const said[] = {
        "tag +@41 name=red color=#5; +@42 name=green color=#6; +@43 name=grey; +@44 name=old",
        "tag -@44; +@45 name=red color=#1; ~@46 name=late; +@47 name=bad color=#1000",
        "link +a,@41 by=node weight=%0.5; +c,@41; -d,@42",
        "wide +x a=#1 b=#2; ~y a=#7; -z",
        "strange +x a=#1; ~y b=text; -z",
        "tag ~@41 later=#1; +@48 name=extra later=text",
        "wide -w; ~w a=#1",
    };
    const struct stream ann = hold_stream(hold, HOLD_ANN, "entry");
    const struct stream own = hold_stream(hold, HOLD_SELF, "entry");
    struct library *library = &hold->library;
    struct weft_error *why = &library->why;
    must(hold, writer_begin(library->writer, why));
    for (unsigned i = 0; i < sizeof said / sizeof said[0]; i++)
        must(hold, hold_hears(hold, HOLD_ANN + (int)(i % 2), HOLD_WALL + 1000 * i,
                              words_body(&hold->arena, said[i])));
    must(hold, writer_sweep_cursor(library->writer, &ann, true, 3, why));
    must(hold, writer_ack(library->writer, &hold->devices[HOLD_ANN], &own, 3, why));
    must(hold, writer_commit(library->writer, why));
}

static void fill_log(struct hold *hold) {
    struct library *library = &hold->library;
    struct writer *writer = library->writer;
    struct weft_error *why = &library->why;
    struct roster_member ann;
    struct horizon_cut cut;
    uint64_t place = 0;
    hold_member(hold, HOLD_ANN, &ann);
    ann.pin_count = 1;
    ann.pins[0] = (struct record_pin){.incarnation = 7, .seq = 4};
    hold_signs(hold, 0, HOLD_ANN, 1, "tag ~@41 color=#7");
    hold_signs(hold, 1, HOLD_ANN, 2, "tag ~@41 color=#8");
    hold_signs(hold, 2, HOLD_ANN, 3, "tag ~@41 color=#9");
    must(hold, writer_begin(writer, why));
    must(hold, shared_save_member(writer, &ann, why));
    for (unsigned i = 0; i < 3; i++)
        must(hold, shared_append(writer, &hold->records[i], hold->signed_records[i], &place, why));
    must(hold, horizon_forget(writer, &library->store.library, &hold->records[0].origin, 1, ALL, 9,
                              &cut, why));
    must(hold, quarantine_add(writer, &hold->records[2].origin, place, hold->records[2].hlc, why));
    must(hold, shared_ack(writer, &hold->devices[HOLD_ANN], &hold->records[0].origin, 2, why));
    must(hold, horizon_heard(writer, &hold->devices[HOLD_ANN], 5, why));
    must(hold, writer_word(writer, &hold->devices[HOLD_ANN], hold->bodies[0], why));
    must(hold, writer_commit(writer, why));
}

struct hold *hold_new(const char *name) {
    struct hold *hold = calloc(1, sizeof *hold);
    assert_non_null(hold);
    hold->disk = disk_open(name, 1, (struct time_port){.now = hold_now});
    hold->library.pool = pool_open(0, 1 << 20, NULL);
    assert_non_null(hold->library.pool);
    const struct id library = library_id(0x99);
    for (int d = 1; d < HOLD_DEVICES; d++) {
        uint8_t secret[IDENTITY_SECRET];
        memset(secret, d, sizeof secret);
        identity_make(&hold->identities[d], secret, &library, 7);
        hold->devices[d] = hold->identities[d].device;
    }
    must(hold, hold_open(hold, hold_schema));
    fill_owned(hold);
    fill_shared(hold);
    fill_log(hold);
    hold_close(hold);
    return hold;
}

void hold_free(struct hold *hold) {
    pool_close(hold->library.pool);
    for (int d = 1; d < HOLD_DEVICES; d++)
        identity_wipe(&hold->identities[d]);
    disk_close(hold->disk);
    free(hold);
}
