/* Who is who: the devices of a library, by id and by name. */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include "engine/weft_look.h"

#define NAMES_LABEL (WEFT_NAME_MAX + 16u)

struct names {
    struct weft_look_member *list; /* as weft_look_members() has them */
    unsigned count, room;
};

enum weft_status names_read(weft_look *look, struct names *out, struct weft_error *why);
void names_free(struct names *names);
/* What a device is called: its name, and the beginning of its id if others have that name too, or
 * it has none. */
void names_label(const struct names *names, const uint8_t device[WEFT_ID_SIZE],
                 char out[NAMES_LABEL]);
/* The device of this id, beginning of an id (4 digits at least) or name. Errors: WEFT_NOT_FOUND;
 * `why` says when there are several. */
enum weft_status names_find(const struct names *names, const char *text,
                            const struct weft_look_member **out, struct weft_error *why);

#endif
