/* The host's side of what is taken: rules go to the log, and are read from the file.
 *
 * Not here: what becomes of them (actors/log_subscribe.c). */
#include <stdlib.h>

#include "engine/host.h"
#include "engine/store/models.h"
#include "engine/store/subscription.h"

_Static_assert(WEFT_SUBSCRIPTIONS_MAX == LIMIT_SUBSCRIPTIONS && WEFT_TABLE_MAX == LIMIT_NAME,
               "the interface shows every rule");

static enum weft_status check_rule(const weft_engine *engine, int model, const uint8_t *owner,
                                   struct weft_error *why) {
    const bool owned =
        model >= 0 && models_owned(engine->store.models, (uint32_t)model + 1) != NULL;
    if (model != -1 && !owned) {
        return status_fail(why, WEFT_INVALID, 0,
                           "model %d is no owned table: only rows with an owner can be left out",
                           model);
    }
    if (owner != NULL && memcmp(owner, engine->store.device.bytes, WEFT_ID_SIZE) == 0) {
        return status_fail(why, WEFT_INVALID, 0,
                           "a device holds its own rows; delete them, or name another owner");
    }
    return WEFT_OK;
}

enum weft_status weft_subscribe(weft_engine *engine, int model, const uint8_t *owner, bool take,
                                uint64_t *ticket, struct weft_error *why) {
    CHECK(engine != NULL);
    Weft__Subscribe *message = NULL;
    enum weft_status status = check_rule(engine, model, owner, why);
    if (status != WEFT_OK) return status;
    (void)pthread_mutex_lock(&engine->lock);
    struct mail *mail = mail_new(engine->store_pool, WEFT__MAIL__BODY_SUBSCRIBE, &message);
    if (mail != NULL) message->rule = mail_message(mail, &weft__subscription__descriptor);
    if (mail == NULL || message->rule == NULL ||
        (owner != NULL && !mail_bytes(mail, &message->rule->owner, owner, WEFT_ID_SIZE))) {
        status = status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
    } else {
        message->rule->model = (uint32_t)(model + 1);
        message->rule->take = take;
        status = host_order_log(engine, &mail, &message->ticket, ticket, why);
    }
    mail_drop(&mail);
    (void)pthread_mutex_unlock(&engine->lock);
    return status;
}

static void show(const struct subscription *rule, struct weft_subscription *out) {
    *out = (struct weft_subscription){
        .model = rule->model == SUBSCRIPTION_ELSEWHERE ? -2 : (int)rule->model - 1,
        .all_owners = rule->all_owners,
        .take = rule->take};
    memcpy(out->table, rule->table, sizeof out->table);
    memcpy(out->owner, rule->owner.bytes, sizeof out->owner);
}

enum weft_status weft_subscriptions_wait(weft_engine *engine, struct weft_subscription *out,
                                         unsigned cap, unsigned *count, unsigned *clearing,
                                         struct weft_error *why) {
    CHECK(engine != NULL && count != NULL && (out != NULL || cap == 0));
    sqlite3 *db = NULL;
    struct vector streams;
    struct subscriptions *rules = malloc(sizeof *rules);
    vector_init(&streams);
    *count = 0;
    if (rules == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
    enum weft_status status = store_connect(engine->path, engine->ports.vfs, true, 0, &db, why);
    if (status == WEFT_OK)
        status = subscriptions_read(db, engine->path, engine->store.models, rules, &streams, why);
    if (db != NULL) (void)sqlite3_close(db);
    if (status == WEFT_OK) {
        *count = rules->count;
        if (clearing != NULL) *clearing = streams.count;
        for (unsigned i = 0; i < rules->count && i < cap; i++)
            show(&rules->list[i], &out[i]);
    }
    vector_free(&streams);
    free(rules);
    return status;
}
