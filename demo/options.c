/* The demo's command line: one table per command, and one loop for both.
 *
 * A line of a table says where the value goes and how it is read; what is not in the table is an
 * argument (the path) or an error that names it. */
#include "demo/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo/line.h"
#include "demo/must.h"
#include "engine/weft.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_ID, OPTION_CONNECT };

struct option {
    const char *name;
    enum option_kind kind;
    void *place;
    uint64_t least, most; /* OPTION_NUMBER */
};

struct option_reader {
    const struct option *options;
    const char **argument;     /* the one argument that is no option; NULL: none is allowed */
    struct node_options *node; /* for OPTION_CONNECT and OPTION_ID */
    char *why;
    size_t why_cap;
};

const char *options_help(void) {
    return "engine_demo: one SQLite library on several devices, kept the same\n"
           "\n"
           "  engine_demo [PATH]         index PATH (default /usr) on device A while B and C, "
           "which are\n"
           "                             processes of their own and came in by invite, receive "
           "it,\n"
           "                             and all of them tag files meanwhile; then one is cut "
           "off,\n"
           "                             both sides change the same tags, and the cut heals; then\n"
           "                             live changes, a rescan, and a comparison row by row\n"
           "    --walkers N              threads that walk the tree (4)\n"
           "    --devices N              devices, this one included, 2 to 8 (3)\n"
           "    --limit ROWS             stop indexing after so many rows\n"
           "    --dir DIR                make the databases in DIR instead of the temporary "
           "folder\n"
           "    --keep                   keep the databases, and say where they are\n"
           "    --plain                  a line a second instead of the moving view\n"
           "    --json                   one JSON object per line, the verdict last\n"
           "\n"
           "  engine_demo node --db FILE run one device by hand, on as many machines as you like\n"
           "    --listen HOST:PORT       accept other devices here (port 0: any free one)\n"
           "                             a new FILE founds a library, unless there is --join\n"
           "    --invite                 show a link and a QR code that let one device in, once\n"
           "    --confirm                ask before letting it in; both show a code to compare\n"
           "    --address HOST:PORT      how others reach this device, if not by --listen\n"
           "    --join LINK              come in by an invite; -: read the link from standard "
           "input,\n"
           "                             where other users of this machine do not see it\n"
           "    --connect HOST:PORT      keep a session with the device there, a member; may be\n"
           "                             given 8 times; HOST:PORT#DEVICE says which device it is\n"
           "    --name NAME              what people call this device (the machine's name)\n"
           "    --http HOST:PORT         show the engine to browsers of this machine, and "
           "/metrics\n"
           "    --revoke DEVICE          remove a member for good, then go on\n"
           "    --index PATH             index PATH on this device\n"
           "    --walkers N              threads that walk the tree (4)\n"
           "    --watch                  say what other devices change\n"
           "    --json                   one JSON object per line\n"
           "    --control                take commands from standard input: connect HOST:PORT,\n"
           "                             admit DEVICE, refuse DEVICE, watch LOCATION, status, "
           "tags on,\n"
           "                             tags off, tags, clash ROUND, close;\n"
           "                             its end closes, too\n"
           "\n"
           "  engine_demo compare DB1 DB2 ...\n"
           "                             compare the synced tables of databases row by row\n"
           "\n"
           "  --help, -h                 this text\n"
           "\n"
           "Names of files that are not UTF-8 are stored with their invalid bytes as %XX.\n"
           "Exit status: 0 all equal, 1 different, 2 wrong usage, 3 something failed.\n";
}

static bool read_number(const struct option *option, const char *text,
                        const struct option_reader *in) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || number < option->least ||
        number > option->most) {
        snprintf(in->why, in->why_cap, "%s wants a number from %llu to %llu, not \"%s\"",
                 option->name, (unsigned long long)option->least, (unsigned long long)option->most,
                 text);
        return false;
    }
    *(uint64_t *)option->place = number;
    return true;
}

static bool read_value(const struct option *option, const char *text,
                       const struct option_reader *in) {
    switch (option->kind) {
    case OPTION_NUMBER:
        return read_number(option, text, in);
    case OPTION_TEXT:
        *(const char **)option->place = text;
        return true;
    case OPTION_ID:
        in->node->has_revoke = line_id_read(text, option->place);
        if (in->node->has_revoke) return true;
        snprintf(in->why, in->why_cap, "%s wants a device's id (32 hex digits), not \"%s\"",
                 option->name, text);
        return false;
    case OPTION_CONNECT:
        if (in->node->connect_count == OPTIONS_CONNECT_MAX) {
            snprintf(in->why, in->why_cap, "%s may be given %u times", option->name,
                     OPTIONS_CONNECT_MAX);
            return false;
        }
        in->node->connect[in->node->connect_count++] = text;
        return true;
    case OPTION_FLAG:
        break;
    }
    MUST(option->kind == OPTION_FLAG);
    return false;
}

static const struct option *option_find(const struct option *options, const char *text) {
    for (; options->name != NULL; options++) {
        size_t size = strlen(options->name);
        if (strncmp(text, options->name, size) != 0) continue;
        if (text[size] == '\0' || (text[size] == '=' && options->kind != OPTION_FLAG))
            return options;
    }
    return NULL;
}

static enum options_verdict read_all(int count, char **arguments, const struct option_reader *in) {
    for (int i = 0; i < count; i++) {
        const char *text = arguments[i];
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) return OPTIONS_HELP;
        if (text[0] != '-' && in->argument != NULL && *in->argument == NULL) {
            *in->argument = text;
            continue;
        }
        const struct option *option = option_find(in->options, text);
        if (option == NULL) {
            snprintf(in->why, in->why_cap, "\"%s\" is not understood; see engine_demo --help",
                     text);
            return OPTIONS_WRONG;
        }
        if (option->kind == OPTION_FLAG) {
            *(bool *)option->place = true;
            continue;
        }
        const char *equals = strchr(text, '=');
        if (equals == NULL && i + 1 == count) {
            snprintf(in->why, in->why_cap, "%s wants a value; see engine_demo --help", text);
            return OPTIONS_WRONG;
        }
        const char *value = equals != NULL ? equals + 1 : arguments[++i];
        if (!read_value(option, value, in)) return OPTIONS_WRONG;
    }
    return OPTIONS_GO;
}

enum options_verdict options_show(int count, char **arguments, struct show_options *out, char *why,
                                  size_t why_cap) {
    *out = (struct show_options){.path = NULL};
    uint64_t walkers = 4, devices = 3;
    bool plain = false, json = false;
    const struct option options[] = {
        {"--walkers", OPTION_NUMBER, &walkers, 1, 32},
        {"--devices", OPTION_NUMBER, &devices, 2, OPTIONS_DEVICES_MAX},
        {"--limit", OPTION_NUMBER, &out->limit, 1, UINT64_MAX >> 1},
        {"--dir", OPTION_TEXT, &out->folder, 0, 0},
        {"--keep", OPTION_FLAG, &out->keep, 0, 0},
        {"--plain", OPTION_FLAG, &plain, 0, 0},
        {"--json", OPTION_FLAG, &json, 0, 0},
        {NULL, OPTION_FLAG, NULL, 0, 0},
    };
    struct option_reader in = {options, &out->path, NULL, why, why_cap};
    enum options_verdict verdict = read_all(count, arguments, &in);
    if (out->path == NULL) out->path = "/usr";
    out->walkers = (unsigned)walkers;
    out->devices = (unsigned)devices;
    out->form = json ? FORM_JSON : plain || isatty(STDOUT_FILENO) != 1 ? FORM_PLAIN : FORM_AUTO;
    return verdict;
}

/* What one option means without another. */
static bool node_agrees(const struct node_options *node, char *why, size_t why_cap) {
    const char *wrong = NULL;
    bool person = isatty(STDIN_FILENO) == 1 && !node->json;
    if (node->db == NULL) wrong = "node wants --db FILE; see engine_demo --help";
    if (node->confirm && !node->control && !person)
        wrong = "--confirm asks a person at a terminal; a program answers with --control";
    if (node->invite && node->listen == NULL)
        wrong = "--invite wants --listen HOST:PORT: the invited device connects to this one";
    if ((node->confirm || node->address != NULL) && !node->invite)
        wrong = "--confirm and --address say how to invite; they want --invite";
    if (node->name != NULL && strlen(node->name) > WEFT_NAME_MAX)
        wrong = "--name wants 64 bytes at most";
    if (wrong == NULL) return true;
    snprintf(why, why_cap, "%s", wrong);
    return false;
}

enum options_verdict options_node(int count, char **arguments, struct node_options *out, char *why,
                                  size_t why_cap) {
    *out = (struct node_options){.db = NULL};
    uint64_t walkers = 4;
    const struct option options[] = {
        {"--db", OPTION_TEXT, &out->db, 0, 0},
        {"--listen", OPTION_TEXT, &out->listen, 0, 0},
        {"--connect", OPTION_CONNECT, NULL, 0, 0},
        {"--join", OPTION_TEXT, &out->join, 0, 0},
        {"--invite", OPTION_FLAG, &out->invite, 0, 0},
        {"--confirm", OPTION_FLAG, &out->confirm, 0, 0},
        {"--address", OPTION_TEXT, &out->address, 0, 0},
        {"--name", OPTION_TEXT, &out->name, 0, 0},
        {"--http", OPTION_TEXT, &out->http, 0, 0},
        {"--revoke", OPTION_ID, out->revoke, 0, 0},
        {"--index", OPTION_TEXT, &out->index, 0, 0},
        {"--walkers", OPTION_NUMBER, &walkers, 1, 32},
        {"--watch", OPTION_FLAG, &out->watch, 0, 0},
        {"--json", OPTION_FLAG, &out->json, 0, 0},
        {"--control", OPTION_FLAG, &out->control, 0, 0},
        {NULL, OPTION_FLAG, NULL, 0, 0},
    };
    struct option_reader in = {options, NULL, out, why, why_cap};
    enum options_verdict verdict = read_all(count, arguments, &in);
    out->walkers = (unsigned)walkers;
    return verdict == OPTIONS_GO && !node_agrees(out, why, why_cap) ? OPTIONS_WRONG : verdict;
}
