/* Helpers around the public status and error: one way to fill a struct weft_error. */
#ifndef WEFT_BASE_STATUS_H
#define WEFT_BASE_STATUS_H

#include "engine/weft.h"

/* Fills `why` (may be NULL) and returns `status`, so that a failure is one line:
 *     return status_fail(why, WEFT_SCHEMA, 0, "table \"%s\": ...", name);
 * The text is cut at WEFT_ERROR_TEXT_MAX. Thread: any. */
enum weft_status status_fail(struct weft_error *why, enum weft_status status, int native,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
