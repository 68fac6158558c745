/* Annotating a table that is there already. */
#ifndef WEFT_STORE_STORE_ANNOTATE_H
#define WEFT_STORE_STORE_ANNOTATE_H

#include "engine/weft.h"

/* weft_annotate(), through a VFS (NULL: the default). Errors: as that. */
enum weft_status store_annotate(const char *path, const char *vfs, const char *table,
                                const char *annotation, struct weft_error *why);

#endif
