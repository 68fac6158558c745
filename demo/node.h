/* One device as a process: `engine_demo node`. By hand on several machines, or as a child of the
 * demo, which then speaks to it over two pipes:
 *
 *      to its standard input      first the link, after --join -; then commands:
 *                                 connect HOST:PORT[#DEVICE] | watch LOCATION | status | close |
 *                                 pause | resume |
 *                                 admit DEVICE | refuse DEVICE |    (a newcomer, after --confirm)
 *                                 tags [on | off] | clash ROUND                (tagger.h, clash.h)
 *      from its standard output   {"event":"ready","address":…,"device":…,"library":…}
 *                                 {"event":"joining","device":…,"name":…,"code":…}  on both sides
 *                                 {"event":"joined","text":…}       this device is a member now
 *                                 {"event":"invite","link":…}
 *                                 {"event":"member","device":…,"name":…,"removed":…,"self":…}
 *                                                         one of each, whenever one has changed
 *                                 {"event":"status","rows":…,"bytes_in":…,"bytes_out":…,
 *                                  "memory_kb":…,"peers":…,"asked":…}    four times a
 *                                 second, and when asked for: then the rows were counted just now
 *                                 {"event":"watching"}
 *                                 {"event":"seen","id":…,"size":…,"gone":…,"us":…}
 *                                 {"event":"tags","tags":…,"links":…,"records":…,"beaten":…,
 *                                  "seen":…,"p50_us":…,"p99_us":…,"longest_us":…,"behind":…}
 *                                                         when asked: tagger.h says what they are
 *                                 {"event":"clashed","tags":…,"unlinked":…,"linked":…}
 *                                 {"event":"peer"|"changed"|"parked"|"fault"|"failed"|"revoked"|
 *                                  "refused"|"indexed"|"restored","text":…}
 * `us` is the machine's monotonic clock at the moment a reader of this device saw the change. */
#ifndef DEMO_NODE_H
#define DEMO_NODE_H

#include "demo/options.h"

/* Runs until it is told to close; returns an enum exit_status. */
int node_run(const struct node_options *options);

#endif
