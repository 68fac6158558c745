/* weft_node: one device of the tests of processes. The director starts it (crew.h), and it ends
 * with the director, however that ends. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/chaos/node.h"
#include "tests/chaos/tell.h"

static bool take(struct node_orders *orders, const char *name, const char *value) {
    struct {
        const char *name;
        unsigned *number;
    } numbers[] = {{"--number", &orders->number},      {"--epoch", &orders->epoch},
                   {"--rows", &orders->rows_max},      {"--pause", &orders->pause_ms},
                   {"--steady", &orders->steady},      {"--patience", &orders->patience_ms},
                   {"--index", &orders->work.rows},    {"--edits", &orders->work.edits},
                   {"--edited", &orders->work.edited}, {"--seconds", &orders->work.seconds}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) != 0) continue;
        *numbers[i].number = (unsigned)strtoul(value, NULL, 10);
        return true;
    }
    if (strcmp(name, "--seed") == 0)
        orders->seed = orders->work.seed = strtoull(value, NULL, 10);
    else if (strcmp(name, "--begun") == 0)
        orders->work.begun_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "--db") == 0)
        orders->path = value;
    else if (strcmp(name, "--listen") == 0)
        orders->listen = value;
    else if (strcmp(name, "--peer") == 0 && orders->peer_count < NODE_PEERS_MAX)
        orders->peers[orders->peer_count++] = value;
    else
        return false;
    return true;
}

int main(int count, char **arguments) {
    static char who[96];
    struct node_orders orders = {.rows_max = 500, .steady = 50};
    bool well = count % 2 == 1;
    pid_t director = 0;
    for (int i = 1; well && i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--director") == 0)
            director = (pid_t)strtol(arguments[i + 1], NULL, 10);
        else
            well = take(&orders, arguments[i], arguments[i + 1]);
    }
    if (!well || orders.path == NULL || orders.listen == NULL || orders.rows_max == 0) {
        fprintf(stderr, "weft_node is started by weft_chaos, weft_soak and weft_stress\n");
        return 2;
    }
    snprintf(who, sizeof who, "node %u, epoch %u, seed %llu", orders.number, orders.epoch,
             (unsigned long long)orders.seed);
    tell_as(who);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* It may have died before that was said. */
    if (director != 0 && getppid() != director) return 1;
    orders.work.number = orders.number;
    signal(SIGPIPE, SIG_IGN);
    /* Ctrl-C is said to all of a terminal; the director says what is to be done. */
    signal(SIGINT, SIG_IGN);
    return node_run(&orders);
}
