/* "Sync now": the log's part is to say when all that was committed before has been told.
 * Not here: who is asked and who answers (bulk_sync.c, share_sync.c). */
#include "actors/log_private.h"

void log_sync(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Sync *sync = (*in)->body.sync;
    Weft__Sync *twin = NULL;
    (void)log_flush(log, now, out);
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SYNC, &twin);
    twin->number = sync->number;
    CHECK(mail_bytes(mail, &twin->device, sync->device.data, sync->device.len));
    outbox_send(out, ACTOR_BULK, &mail);
    outbox_send(out, ACTOR_SHARE, in);
}
