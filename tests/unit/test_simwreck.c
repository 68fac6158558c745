/* What the crash sweep's disk leaves of writes that were not synced. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "tests/sim/image.h"
#include "tests/sim/wreck.h"

#define SECTORS 4u
#define SIZE (SECTORS * 512u)

/* Two files: a database that was synced as dots, then written "a" and, across four sectors, "b";
 * and in between the log beside it, written "w". */
struct scene {
    struct wreck *wreck;
    struct content database, log;
};

static void note(struct scene *scene, struct content *content, const char *path, char byte,
                 size_t at, size_t size) {
    char bytes[SIZE];
    memset(bytes, byte, size);
    wreck_note(scene->wreck, content, path, at, bytes, size);
}

static void begin(struct scene *scene) {
    char dots[SIZE];
    memset(scene, 0, sizeof *scene);
    memset(dots, '.', sizeof dots);
    scene->wreck = wreck_open();
    content_write(&scene->database, 0, dots, sizeof dots);
    content_sync(&scene->database);
    note(scene, &scene->database, "/x.db", 'a', 0, 512);
    note(scene, &scene->log, "/x.db-wal", 'w', 0, 512);
    note(scene, &scene->database, "/x.db", 'b', 0, SIZE);
}

static void end(struct scene *scene) {
    content_free(&scene->database);
    content_free(&scene->log);
    wreck_close(scene->wreck);
}

/* The first bytes of the four sectors of the database, and of the log if there is any. */
static void assert_left(enum wreck_kind kind, const char *sectors, const char *log) {
    struct scene scene;
    char found[SECTORS + 1] = "", beside[2] = "";
    begin(&scene);
    wreck_choose(scene.wreck, kind);
    wreck_lay(scene.wreck, &scene.database, &scene.database);
    wreck_lay(scene.wreck, &scene.log, &scene.log);
    for (size_t s = 0; s < SECTORS; s++)
        found[s] = (char)scene.database.now.bytes[s * 512];
    if (scene.log.now.size > 0) beside[0] = (char)scene.log.now.bytes[0];
    assert_string_equal(found, sectors);
    assert_string_equal(beside, log);
    end(&scene);
}

static void each_kind_leaves_what_it_says(void **state) {
    (void)state;
    assert_left(WRECK_LOST, "....", "");
    assert_left(WRECK_KEPT, "bbbb", "w");
    assert_left(WRECK_TORN_FIRST, "b...", "w");
    assert_left(WRECK_TORN_HALF, "bb..", "w");
    assert_left(WRECK_TORN_LAST, "bbb.", "w");
    assert_left(WRECK_TORN_END, "a..b", "w");
    assert_left(WRECK_LAST_ONLY, "bbbb", "");
    assert_left(WRECK_WITHOUT_FIRST, "bbbb", "w");
    assert_left(WRECK_EVEN, "bbbb", "");
    assert_left(WRECK_ODD, "....", "w");
    assert_left(WRECK_DATABASE, "bbbb", "");
    assert_left(WRECK_BESIDE, "....", "w");
}

static void what_was_synced_is_there_whatever_is_left(void **state) {
    (void)state;
    struct scene scene;
    begin(&scene);
    wreck_forget(scene.wreck, &scene.database);
    wreck_choose(scene.wreck, WRECK_KEPT);
    wreck_lay(scene.wreck, &scene.database, &scene.database);
    assert_int_equal(scene.database.now.bytes[0], '.');
    wreck_lay(scene.wreck, &scene.log, &scene.log);
    assert_int_equal(scene.log.now.size, 512);
    end(&scene);
}

static void a_file_that_shrank_is_short_only_if_that_is_left(void **state) {
    (void)state;
    struct scene scene;
    begin(&scene);
    wreck_forget(scene.wreck, NULL);
    wreck_note(scene.wreck, &scene.database, "/x.db", 0, NULL, 0);
    wreck_choose(scene.wreck, WRECK_LOST);
    wreck_lay(scene.wreck, &scene.database, &scene.database);
    assert_int_equal(scene.database.now.size, SIZE);
    wreck_choose(scene.wreck, WRECK_KEPT);
    wreck_lay(scene.wreck, &scene.database, &scene.database);
    assert_int_equal(scene.database.now.size, 0);
    end(&scene);
}

static void equal_signatures_leave_equal_bytes(void **state) {
    (void)state;
    struct scene scene;
    begin(&scene);
    uint64_t lost = wreck_signature(scene.wreck, WRECK_LOST);
    uint64_t even = wreck_signature(scene.wreck, WRECK_EVEN);
    assert_int_equal(even, wreck_signature(scene.wreck, WRECK_DATABASE));
    assert_int_not_equal(even, lost);
    assert_int_not_equal(even, wreck_signature(scene.wreck, WRECK_KEPT));
    note(&scene, &scene.log, "/x.db-wal", 'v', 0, 100);
    assert_int_equal(lost, wreck_signature(scene.wreck, WRECK_LOST));
    wreck_forget(scene.wreck, &scene.log);
    assert_int_not_equal(lost, wreck_signature(scene.wreck, WRECK_LOST));
    end(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_leaves_what_it_says),
        cmocka_unit_test(what_was_synced_is_there_whatever_is_left),
        cmocka_unit_test(a_file_that_shrank_is_short_only_if_that_is_left),
        cmocka_unit_test(equal_signatures_leave_equal_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
