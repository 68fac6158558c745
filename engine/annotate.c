/* Annotating a table of a file that no engine has open. Not here: how; store_annotate.c knows. */
#include "engine/base/check.h"
#include "engine/store/store_annotate.h"

enum weft_status weft_annotate(const char *path, const char *table, const char *annotation,
                               struct weft_error *why) {
    CHECK(path != NULL && table != NULL);
    CHECK(annotation != NULL);
    return store_annotate(path, NULL, table, annotation, why);
}
