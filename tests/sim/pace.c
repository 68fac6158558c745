/* See pace.h. A clock gets ahead of the latest that the wall clock has shown in two ways: it hears
 * a stamp, which may be LIMIT_CLOCK_AHEAD_MS ahead and no more, and it gives out stamps, one each.
 * Deliberately not here: the order of stamps (ledger.c), and that clocks are not behind what they
 * gave out (audit.c). */
#include "tests/sim/pace.h"

#include "engine/base/limits.h"
#include "tests/sim/device.h"

#define MILLISECOND UINT64_C(65536) /* of stamps */
#define ADOPTED MILLISECOND         /* more stamps than opening a file gives to rows it finds */

void pace_turn(struct device *device) {
    const uint64_t wall_ms = device_wall_ms(device);
    if (wall_ms > device->wall_max_ms) device->wall_max_ms = wall_ms;
}

void pace_mail(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    if (edge->from != ACTOR_CLOCK || edge->to != ACTOR_LOG) return;
    uint64_t count = 1;
    if (body->body_case == WEFT__MAIL__BODY_COMMIT) count = body->commit->count;
    if (body->body_case == WEFT__MAIL__BODY_SCAN && body->scan->end) count = LIMIT_SCAN_RANGE;
    device->stamps += count;
}

bool pace_check(struct device *device) {
    sqlite3_stmt *statement = NULL;
    uint64_t clock = 0;
    const uint64_t most = (device->wall_max_ms + LIMIT_CLOCK_AHEAD_MS + 1) * MILLISECOND +
                          device->stamps + device->lives * ADOPTED;
    int code = sqlite3_prepare_v2(device->db, "SELECT value FROM _weft_meta WHERE key = 'clock'",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) clock = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW)
        return world_fail(device->world, "device %u: its clock cannot be read: %s", device->number,
                          sqlite3_errmsg(device->db));
    return clock <= most ||
           world_fail(device->world,
                      "device %u: its clock says %llx, and its wall clock never said more than "
                      "%llx: somebody has dragged it ahead",
                      device->number, (unsigned long long)clock,
                      (unsigned long long)(device->wall_max_ms * MILLISECOND));
}
