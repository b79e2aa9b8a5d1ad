/* Gathers a turn's acknowledgements of each hold, and writes them in one call. */
#include "broker/fleet/hold/fleet_acks.h"

#include <stdlib.h>

#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"

/* Waits for the acknowledgements of its turn to be in. */
struct fleet_release {
    STAILQ_ENTRY(fleet_release) link;
    store_done_fn *done;
    void *arg;
};

struct acks_sent {
    struct fleet_hold *hold;
    struct fleet_releases releases;
};

static void call_releases(struct fleet_releases *list, enum store_status status)
{
    while (!STAILQ_EMPTY(list)) {
        struct fleet_release *r = STAILQ_FIRST(list);
        STAILQ_REMOVE_HEAD(list, link);
        r->done(r->arg, status);
        free(r);
    }
}

/* Nothing is completed while it is written. */
static void refuse_releases(struct fleet *f, struct fleet_releases *list)
{
    while (!STAILQ_EMPTY(list)) {
        struct fleet_release *r = STAILQ_FIRST(list);
        STAILQ_REMOVE_HEAD(list, link);
        fleet_defer(f, r->done, r->arg, STORE_UNAVAILABLE);
        free(r);
    }
}

/* Messages of groups, which are finished there, too. */
static void finish_shared(struct fleet *f, const redisReply *r)
{
    for (size_t i = 0; i < r->elements; i++)
        f->share_finished(f, mqtt_slice_of(r->element[i]->str, r->element[i]->len));
}

static void on_acks(void *arg, const redisReply *r)
{
    struct acks_sent *sent = arg;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->type == REDIS_REPLY_INTEGER && r->integer == 0) {
        status = STORE_FENCED;
        fleet_hold_fenced(sent->hold);
    }
    if (status == STORE_OK && r->type == REDIS_REPLY_ARRAY)
        finish_shared(sent->hold->fleet, r);
    call_releases(&sent->releases, status);
    fleet_hold_unref(sent->hold);
    free(sent);
}

static void write_acks(struct fleet *f, struct fleet_hold *h)
{
    struct acks_sent *sent = malloc(sizeof(*sent));
    struct fleet_key key = fleet_key_clients(&f->keys, h->bucket);
    struct fleet_reader r = fleet_reader_of(h->acks.data, h->acks.len);
    if (sent == NULL || h->acks.failed || h->hold == NULL) {
        refuse_releases(f, &h->releases);
        free(sent);
    } else {
        sent->hold = h;
        STAILQ_INIT(&sent->releases);
        STAILQ_CONCAT(&sent->releases, &h->releases);
        h->refs++;
        scripts_begin(&f->scripts, f->q, SCRIPT_ACK, key.text, 3 + 2 * h->ack_count);
        redis_queue_arg(f->q, h->hold->client_id, h->hold->client_id_len);
        redis_queue_u64(f->q, h->hold->epoch);
        redis_queue_str(f->q, h->run);
        for (unsigned i = 0; i < h->ack_count; i++) {
            char what = (char)fleet_reader_u8(&r);
            redis_queue_arg(f->q, &what, 1);
            redis_queue_u64(f->q, fleet_reader_varint(&r));
        }
        redis_queue_end(f->q, REDIS_REPLAY, on_acks, sent);
    }
    h->ack_count = 0;
    fleet_bytes_reset(&h->acks, 1024);
}

void fleet_acks_write(struct fleet_hold *h)
{
    if (h->ack_count > 0)
        write_acks(h->fleet, h);
}

bool fleet_acks_add(struct fleet_hold *h, char what, uint64_t sequence, store_done_fn *done,
                    void *arg)
{
    struct fleet_holds *holds = h->fleet->holds;
    struct fleet_release *release = done != NULL ? malloc(sizeof(*release)) : NULL;
    if (done != NULL && release == NULL)
        return false;
    fleet_bytes_u8(&h->acks, (uint8_t)what);
    fleet_bytes_varint(&h->acks, sequence);
    h->ack_count++;
    if (release != NULL) {
        *release = (struct fleet_release){.done = done, .arg = arg};
        STAILQ_INSERT_TAIL(&h->releases, release, link);
    }
    if (!h->acking) {
        h->acking = true;
        h->refs++;
        h->next_acking = holds->acking;
        holds->acking = h;
    }
    return true;
}

struct fleet_hold *fleet_acks_take(struct fleet *f)
{
    struct fleet_hold *h = f->holds->acking;
    if (h == NULL)
        return NULL;
    f->holds->acking = h->next_acking;
    h->acking = false;
    return h;
}

void fleet_acks_reset(struct fleet *f)
{
    struct fleet_hold *h;
    while ((h = fleet_acks_take(f)) != NULL) {
        struct fleet_releases releases = STAILQ_HEAD_INITIALIZER(releases);
        STAILQ_CONCAT(&releases, &h->releases);
        h->ack_count = 0;
        call_releases(&releases, STORE_UNAVAILABLE);
        fleet_hold_unref(h);
    }
}
