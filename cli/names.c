/* See names.h. */
#include "cli/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"

static void take(void *context, const struct weft_look_member *member) {
    struct names *names = context;
    if (names->count == names->room) {
        names->room = names->room == 0 ? 8 : names->room * 2;
        names->list = cli_memory(names->list, names->room * sizeof *names->list);
    }
    names->list[names->count++] = *member;
}

enum weft_status names_read(weft_look *look, struct names *out, struct weft_error *why) {
    *out = (struct names){0};
    return weft_look_members(look, out, take, why);
}

void names_free(struct names *names) {
    free(names->list);
    *names = (struct names){0};
}

void names_label(const struct names *names, const uint8_t device[WEFT_ID_SIZE],
                 char out[NAMES_LABEL]) {
    const char *name = "";
    unsigned same = 0;
    char id[TEXT_ID];
    text_id(device, id);
    for (unsigned i = 0; i < names->count; i++) {
        if (memcmp(names->list[i].member.device, device, WEFT_ID_SIZE) == 0)
            name = names->list[i].member.name;
    }
    for (unsigned i = 0; i < names->count; i++)
        same += strcmp(names->list[i].member.name, name) == 0;
    if (name[0] == '\0') {
        snprintf(out, NAMES_LABEL, "%.8s", id);
    } else if (same > 1) {
        snprintf(out, NAMES_LABEL, "%s (%.8s)", name, id);
    } else {
        snprintf(out, NAMES_LABEL, "%s", name);
    }
}

/* Whether an id begins with these digits, of which there are 4 or more. */
static bool begins(const uint8_t device[WEFT_ID_SIZE], const char *text) {
    char id[TEXT_ID];
    size_t digits = 0;
    text_id(device, id);
    const char *at = id;
    for (; *text != '\0'; text++) {
        if (*text == '-') continue;
        if (*at == '-') at++;
        const char wanted = *text >= 'A' && *text <= 'F' ? (char)(*text - 'A' + 'a') : *text;
        if (*at == '\0' || *at != wanted) return false;
        at++;
        digits++;
    }
    return digits >= 4;
}

enum weft_status names_find(const struct names *names, const char *text,
                            const struct weft_look_member **out, struct weft_error *why) {
    unsigned found = 0;
    *out = NULL;
    for (unsigned i = 0; i < names->count; i++) {
        const struct weft_look_member *member = &names->list[i];
        if (strcmp(member->member.name, text) != 0 && !begins(member->member.device, text))
            continue;
        *out = member;
        found++;
    }
    if (found == 1) return WEFT_OK;
    why->status = WEFT_NOT_FOUND;
    if (found == 0) {
        snprintf(why->text, sizeof why->text,
                 "\"%s\" is no device of this library; weft members lists them", text);
    } else {
        snprintf(why->text, sizeof why->text,
                 "\"%s\" may be %u devices of this library; give more digits of the id", text,
                 found);
    }
    return WEFT_NOT_FOUND;
}
