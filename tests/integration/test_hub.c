/* A hub: many devices have a session with one, and it stays small.
 *
 *     child: gather ──ready──► parent: open, listen ──address──► child: meet, listen
 *                                      write, wait until all have it, measure, close */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/base/check.h"
#include "engine/weft.h"
#include "tests/lib/crowd.h"
#include "tests/lib/scene.h"
#include "tests/lib/scratch.h"

#define PATIENCE_MS 60000
#define PEERS 100u
#define PEER_BYTES (40u << 10) /* heap that one more may take */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEASURED false /* Another malloc. */
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURED false
#endif
#ifndef MEASURED
#define MEASURED true
#endif

static const char schema[] = "CREATE TABLE IF NOT EXISTS item ( -- @owned(owner: device_id)\n"
                             "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, name TEXT\n"
                             ") WITHOUT ROWID;\n";

struct hub {
    char folder[SCRATCH_PATH], path[SCRATCH_PATH + 16];
    weft_engine *engine;
    pid_t crowd;
    int to_crowd[2], from_crowd[2];
};

static void hub_open(struct hub *hub, uint32_t peers, enum weft_threads threads) {
    struct weft_error why = {0};
    const struct weft_config config = {
        .path = hub->path, .schema = schema, .peers_max = peers, .threads = threads};
    if (weft_open(&config, &hub->engine, &why) != WEFT_OK) fail_msg("%s", why.text);
}

static void hub_close(struct hub *hub) {
    weft_close(hub->engine);
    hub->engine = NULL;
}

/* Writes a row, and waits until so many others hold it. */
static void hub_edit(struct hub *hub, unsigned others) {
    uint8_t own[WEFT_ID_SIZE], id[WEFT_ID_SIZE];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    struct weft_error why = {0};
    weft_device(hub->engine, own);
    weft_id(hub->engine, id);
    const struct weft_value row[] = {weft_blob(id, sizeof id), weft_blob(own, sizeof own),
                                     weft_text("row", 3)};
    assert_int_equal(weft_begin_wait(hub->engine, PATIENCE_MS, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, weft_model(hub->engine, "item"), row, 3), WEFT_OK);
    assert_int_equal(weft_commit_wait(tx, PATIENCE_MS, &ticket), WEFT_OK);
    const enum weft_level level = others == 0 ? WEFT_DURABLE : WEFT_REPLICATED;
    if (weft_wait(hub->engine, ticket, level, others, PATIENCE_MS, &why) != WEFT_OK)
        fail_msg("%s", why.text);
}

static size_t heap(void) {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* ---- the crowd, in a process of its own ---- */

static void run_crowd(const struct hub *hub, uint32_t count) {
    char address[WEFT_ADDRESS_MAX];
    struct crowd *crowd = crowd_gather(hub->path, count);
    CHECK(write(hub->from_crowd[1], "!", 1) == 1);
    CHECK(read(hub->to_crowd[0], address, sizeof address) == (ssize_t)sizeof address);
    crowd_meet(crowd, address, "item");
    crowd_listen(crowd);
    crowd_disperse(crowd);
}

static void crowd_begin(struct hub *hub, uint32_t count) {
    char ready;
    assert_int_equal(pipe(hub->to_crowd), 0);
    assert_int_equal(pipe(hub->from_crowd), 0);
    hub->crowd = fork();
    assert_true(hub->crowd >= 0);
    if (hub->crowd == 0) {
        run_crowd(hub, count);
        _exit(0);
    }
    close(hub->from_crowd[1]);
    assert_int_equal(read(hub->from_crowd[0], &ready, 1), 1);
}

static void crowd_call(const struct hub *hub) {
    char address[WEFT_ADDRESS_MAX] = "";
    struct weft_error why = {0};
    if (weft_listen_wait(hub->engine, "127.0.0.1:0", address, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    assert_int_equal(write(hub->to_crowd[1], address, sizeof address), sizeof address);
}

static void crowd_end(struct hub *hub) {
    int status = -1;
    assert_int_equal(waitpid(hub->crowd, &status, 0), hub->crowd);
    assert_int_equal(status, 0);
    close(hub->from_crowd[0]);
    close(hub->to_crowd[0]);
    close(hub->to_crowd[1]);
}

/* ---- tests ---- */

static int setup(void **state) {
    struct hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) return -1;
    scratch_make(hub->folder);
    (void)snprintf(hub->path, sizeof hub->path, "%s/hub.weft", hub->folder);
    *state = hub;
    return 0;
}

static int teardown(void **state) {
    struct hub *hub = *state;
    scratch_remove(hub->folder);
    free(hub);
    return 0;
}

static void a_hundred_active_peers_take_less_than_four_megabytes_in_all(void **state) {
    struct hub *hub = *state;
    hub_open(hub, 1, WEFT_THREADS_TWO);
    hub_edit(hub, 0);
    const size_t alone = heap();
    hub_close(hub);
    crowd_begin(hub, PEERS);
    hub_open(hub, PEERS, WEFT_THREADS_TWO);
    crowd_call(hub);
    for (int i = 0; i < 20; i++)
        hub_edit(hub, PEERS);
    struct weft_stats stats;
    weft_stats(hub->engine, &stats);
    const size_t together = heap();
    hub_close(hub);
    crowd_end(hub);
    print_message("one more: %zu bytes\n", (together - alone) / PEERS);
    if (MEASURED) assert_in_range(together - alone, 1, PEERS * PEER_BYTES);
}

static void peers_that_share_threads_are_all_served(void **state) {
    enum { FEW = 40, OTHERS = 7 }; /* More than there are threads for peers; other actors. */
    struct hub *hub = *state;
    hub_open(hub, 1, WEFT_THREADS_TWO);
    hub_close(hub);
    crowd_begin(hub, FEW);
    hub_open(hub, FEW, WEFT_THREADS_EACH);
    crowd_call(hub);
    for (int i = 0; i < 5; i++)
        hub_edit(hub, FEW);
    struct weft_metrics metrics;
    weft_metrics(hub->engine, &metrics, sizeof metrics);
    assert_in_range(metrics.threads, OTHERS, OTHERS + 16);
    hub_close(hub);
    crowd_end(hub);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hundred_active_peers_take_less_than_four_megabytes_in_all,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(peers_that_share_threads_are_all_served, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
