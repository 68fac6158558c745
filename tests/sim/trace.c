/* Mails as text.
 *
 *     seconds  device  sender -> receiver  kind  what is in it
 *
 * Owners are written as device numbers; places as owner/model@position.
 * Deliberately not here: anything that a run depends on. */
#include "tests/sim/trace.h"

#include "engine/wire/attest.h"
#include "engine/wire/snapshot.h"

#include <stdio.h>
#include <string.h>

static uint32_t device_of(const struct cast *cast, ProtobufCBinaryData owner) {
    uint32_t d = 0;
    while (d < cast->device_count && (owner.len != sizeof cast->device[d].bytes ||
                                      memcmp(cast->device[d].bytes, owner.data, owner.len) != 0))
        d++;
    return d;
}

static void print_places(const struct cast *cast, Weft__Place **places, size_t count) {
    for (size_t i = 0; i < count; i++)
        printf(" %u/%u@%llx%s", device_of(cast, places[i]->owner), places[i]->model,
               (unsigned long long)places[i]->position, places[i]->sweep ? "s" : "");
}

static void print_heads(const struct cast *cast, Weft__Head **heads, size_t count) {
    for (size_t i = 0; i < count; i++)
        printf(" %u.%llx:%llu", device_of(cast, heads[i]->device),
               (unsigned long long)heads[i]->incarnation & 0xffff,
               (unsigned long long)heads[i]->seq);
}

/* A snapshot's rows: table, the first byte of the key's last column, stamps. */
static void print_body(struct bytes bytes) {
    static struct snapshot_body body;
    static struct snapshot_row row;
    snapshot_open(&body, bytes);
    printf("\n                %.*s", (int)body.table.size, (const char *)body.table.data);
    while (snapshot_next(&body, &row)) {
        const struct weft_value *key = &row.key[body.key_count - 1];
        printf(" %02x:%llx-%llx", key->size ? ((const uint8_t *)key->as.bytes)[key->size - 1] : 0,
               (unsigned long long)row.created.hlc, (unsigned long long)row.deleted.hlc);
    }
}

static void print_chunk(const Weft__Chunk *chunk) {
    printf(" chunk%s%s%s%s%s%s, %zu heads, %zu bodies, stage %u", chunk->finish ? " finish" : "",
           chunk->give_up ? " give-up" : "", chunk->cursor_asked.len ? "" : " first",
           chunk->last ? " last" : "", chunk->busy ? " busy" : "", chunk->lost ? " lost" : "",
           chunk->n_heads, chunk->n_bodies, chunk->stage);
    for (size_t i = 0; i < chunk->n_bodies && chunk->stage == 0 && !chunk->cursor_asked.len; i++)
        if (i >= chunk->n_raw_sizes || !chunk->raw_sizes[i])
            print_body((struct bytes){chunk->bodies[i].data, chunk->bodies[i].len});
}

static void print_statements(const struct cast *cast, const Weft__Attested *attested) {
    for (size_t i = 0; i < attested->n_statements; i++) {
        static struct attest attest;
        const ProtobufCBinaryData *said = &attested->statements[i];
        if (!attest_read((struct bytes){said->data, said->len}, &attest)) continue;
        const struct id *by = &attest.origin.device;
        printf(" %u:%llu", device_of(cast, (ProtobufCBinaryData){sizeof by->bytes, (uint8_t *)by}),
               (unsigned long long)attest.serial);
    }
}

static void print_rows(const struct cast *cast, const Weft__Rows *rows) {
    printf(" %u/%u (%llx,%llx] %u rows%s", device_of(cast, rows->owner), rows->model,
           (unsigned long long)rows->after, (unsigned long long)rows->upto, rows->count,
           rows->sweep ? " sweep" : "");
    if (rows->horizon) printf(" horizon %llx", (unsigned long long)rows->horizon);
}

static void print_host_mail(const struct cast *cast, const Weft__Mail *body) {
    switch (body->body_case) {
    case WEFT__MAIL__BODY_COMMIT:
        printf(" ticket %llu", (unsigned long long)body->commit->ticket);
        for (size_t r = 0; r < body->commit->n_rows; r++)
            print_rows(cast, body->commit->rows[r]);
        break;
    case WEFT__MAIL__BODY_ANSWERED:
        for (size_t i = 0; i < body->answered->n_outcomes; i++)
            printf(" %llu:%d", (unsigned long long)body->answered->outcomes[i]->ticket,
                   body->answered->outcomes[i]->status);
        break;
    case WEFT__MAIL__BODY_NOTICE:
        printf(" %u status %d %s", body->notice->kind, body->notice->status, body->notice->text);
        break;
    case WEFT__MAIL__BODY_DIAL:
        printf(" %s%s", body->dial->address, body->dial->id_pk.len ? "" : ", nobody");
        break;
    case WEFT__MAIL__BODY_CONNECT:
        printf(" %s", body->connect->address);
        break;
    default:
        break;
    }
}

static void print_peer_mail(const struct cast *cast, const Weft__Mail *body) {
    switch (body->body_case) {
    case WEFT__MAIL__BODY_INCOMING:
        print_rows(cast, body->incoming->rows);
        printf(" status %d position %llx", body->incoming->status,
               (unsigned long long)body->incoming->position);
        break;
    case WEFT__MAIL__BODY_BATCH:
        printf(" %u/%u (%llx,%llx] %u rows", device_of(cast, body->batch->owner),
               body->batch->model, (unsigned long long)body->batch->after,
               (unsigned long long)body->batch->upto, body->batch->rows);
        break;
    case WEFT__MAIL__BODY_WANTED:
        print_places(cast, body->wanted->places, body->wanted->n_places);
        break;
    case WEFT__MAIL__BODY_REQUEST:
        print_places(cast, body->request->places, body->request->n_places);
        break;
    case WEFT__MAIL__BODY_HOLDS:
        print_places(cast, body->holds->places, body->holds->n_places);
        break;
    case WEFT__MAIL__BODY_HELD:
        print_places(cast, body->held->places, body->held->n_places);
        break;
    case WEFT__MAIL__BODY_ACKED:
        print_places(cast, body->acked->places, body->acked->n_places);
        break;
    case WEFT__MAIL__BODY_GROWN:
        print_heads(cast, body->grown->heads, body->grown->n_heads);
        break;
    case WEFT__MAIL__BODY_SHARED_HELD:
        print_heads(cast, body->shared_held->heads, body->shared_held->n_heads);
        break;
    case WEFT__MAIL__BODY_ATTESTED:
        print_statements(cast, body->attested);
        break;
    case WEFT__MAIL__BODY_SHARED_ACKED:
        print_heads(cast, body->shared_acked->heads, body->shared_acked->n_heads);
        break;
    case WEFT__MAIL__BODY_RECORDS:
        printf(" %zu upto %llx stamp %llx status %d %s", body->records->n_records,
               (unsigned long long)body->records->hlc, (unsigned long long)body->records->stamp,
               body->records->status, body->records->text);
        if (body->records->kept) printf(" kept");
        if (body->records->below) printf(" below");
        if (body->records->chunk) print_chunk(body->records->chunk);
        break;
    case WEFT__MAIL__BODY_SHIPMENT:
        printf(" %zu%s%s", body->shipment->n_records, body->shipment->kept ? " kept" : "",
               body->shipment->below ? " below" : "");
        if (body->shipment->chunk) print_chunk(body->shipment->chunk);
        break;
    case WEFT__MAIL__BODY_SNAPSHOT_WANTED:
        printf(" cursor of %zu%s", body->snapshot_wanted->cursor.len,
               body->snapshot_wanted->records ? " records" : "");
        break;
    case WEFT__MAIL__BODY_FORGOTTEN:
        if (body->forgotten->upto) print_places(cast, &body->forgotten->upto, 1);
        printf(" %u", body->forgotten->count);
        break;
    case WEFT__MAIL__BODY_FORGET:
        if (body->forget->upto) print_places(cast, &body->forget->upto, 1);
        if (body->forget->deleted) printf(" deletions");
        if (body->forget->head) print_heads(cast, &body->forget->head, 1);
        break;
    default:
        print_host_mail(cast, body);
    }
}

void trace_step(const struct step *step) {
    static const char *const kinds[] = {[OP_PUT] = "put", [OP_SET] = "set", [OP_DELETE] = "delete"};
    if (step->kind != STEP_TX)
        printf("              %s %llu", step->kind == STEP_SCAN_BEGIN ? "begin scan" : "end scan",
               (unsigned long long)step->scan);
    else
        printf("             ");
    for (uint32_t i = 0; i < step->op_count; i++)
        printf(" %s%s %u", kinds[step->op[i].kind], step->op[i].refused ? " (wrong)" : "",
               step->op[i].row);
    for (uint32_t i = 0; i < step->shared_count; i++)
        printf(" shared %s %u", kinds[step->shared[i].kind], step->shared[i].row);
    printf("\n");
}

void trace_mail(const struct device *device, const struct edge *edge, const struct mail *mail) {
    const struct world *world = device->world;
    const char *from = edge ? topology_name(edge->from) : "door";
    const char *to = edge ? topology_name(edge->to) : "clock";
    printf("%12.6f  %u  %s", (double)world->now_us / 1e6, device->number, from);
    if (edge && edge->from >= ACTOR_PEER) printf("%u", edge->from - ACTOR_PEER);
    printf(" -> %s", to);
    if (edge && edge->to >= ACTOR_PEER) printf("%u", edge->to - ACTOR_PEER);
    printf("  %s", mail_kind_name(mail->body.body_case));
    print_peer_mail(&world->cast, &mail->body);
    printf("\n");
}
