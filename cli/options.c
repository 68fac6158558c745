/* See options.h. */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int help(const struct command *command) {
    printf("weft %s %s\n    %s\n\n%s", command->name, command->synopsis, command->summary,
           command->help);
    return CLI_OK;
}

static bool read_number(const struct option *option, const char *text) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || number < option->least ||
        number > option->most)
        return false;
    *(uint64_t *)option->place = number;
    return true;
}

static int read_value(const struct command *command, const struct option *option,
                      const char *text) {
    struct option_list *list = option->place;
    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)option->place = text;
        return OPTIONS_GO;
    case OPTION_NUMBER:
        if (read_number(option, text)) return OPTIONS_GO;
        return cli_fail_text(CLI_USAGE, "%s: %s wants a number from %llu to %llu, not \"%s\"",
                             command->name, option->name, (unsigned long long)option->least,
                             (unsigned long long)option->most, text);
    case OPTION_LIST:
        if (list->count == OPTIONS_LIST)
            return cli_fail_text(CLI_USAGE, "%s: %s may be given %u times", command->name,
                                 option->name, OPTIONS_LIST);
        list->items[list->count++] = text;
        return OPTIONS_GO;
    case OPTION_FLAG:
        break;
    }
    return cli_fail_text(CLI_USAGE, "%s: %s takes no value", command->name, option->name);
}

static const struct option *find(const struct option *options, const char *text) {
    for (; options->name != NULL; options++) {
        const size_t size = strlen(options->name);
        if (strncmp(text, options->name, size) != 0) continue;
        if (text[size] == '\0' || text[size] == '=') return options;
    }
    return NULL;
}

static int read_rest(const struct command *command, const char *text, struct option_rest *rest) {
    if (rest->count == rest->most || rest->count == OPTIONS_REST) {
        return cli_fail_text(CLI_USAGE, "%s: \"%s\" is one argument too many; see weft %s --help",
                             command->name, text, command->name);
    }
    rest->items[rest->count++] = text;
    return OPTIONS_GO;
}

int options_read(const struct command *command, int count, char **arguments,
                 const struct option *options, struct option_rest *rest) {
    bool plain = false;
    int status = OPTIONS_GO;
    for (int i = 0; i < count && status == OPTIONS_GO; i++) {
        const char *text = arguments[i];
        if (plain || text[0] != '-' || text[1] == '\0') {
            status = read_rest(command, text, rest);
            continue;
        }
        if (strcmp(text, "--") == 0) {
            plain = true;
            continue;
        }
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) return help(command);
        const struct option *option = find(options, text);
        if (option == NULL) {
            return cli_fail_text(CLI_USAGE, "%s: \"%s\" is not understood; see weft %s --help",
                                 command->name, text, command->name);
        }
        const char *equals = strchr(text, '=');
        if (option->kind == OPTION_FLAG && equals == NULL) {
            *(bool *)option->place = true;
        } else if (equals == NULL && i + 1 == count) {
            return cli_fail_text(CLI_USAGE, "%s: %s wants a value; see weft %s --help",
                                 command->name, text, command->name);
        } else {
            status = read_value(command, option, equals != NULL ? equals + 1 : arguments[++i]);
        }
    }
    if (status != OPTIONS_GO || rest->count >= rest->least) return status;
    return cli_fail_text(CLI_USAGE, "%s wants %s; see weft %s --help", command->name,
                         command->synopsis, command->name);
}
