/* Two scripts of the session: qos2.lua and qos2_end.lua. */
#include "broker/fleet/publish/fleet_qos2.h"

#include <stdlib.h>

#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_frame.h"

void fleet_qos2_bind(struct fleet *f, struct store_hold *hold, uint16_t packet_id,
                     struct message_id id, redis_reply_fn *fn, void *arg)
{
    struct fleet_hold *h = hold->store_data;
    uint8_t text[16];
    fleet_id_write(text, id);
    fleet_hold_assert_once(h);
    fleet_session_script(f, hold, SCRIPT_QOS2, 2);
    redis_queue_u64(f->q, packet_id);
    redis_queue_arg(f->q, text, sizeof(text));
    redis_queue_end(f->q, REDIS_REPLAY, fn, arg);
}

enum store_status fleet_qos2_bound(const redisReply *r, struct fleet_hold *h,
                                   struct message_id *bound)
{
    if (r->len == 0) {
        fleet_hold_fenced(h);
        return STORE_FENCED;
    }
    return fleet_id_read(r->str, r->len, bound) ? STORE_OK : STORE_UNAVAILABLE;
}

struct qos2_end {
    struct fleet_hold *hold;
    store_done_fn *done;
    void *arg;
};

static void on_qos2_end(void *arg, const redisReply *r)
{
    struct qos2_end *end = arg;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->integer == 0) {
        status = STORE_FENCED;
        fleet_hold_fenced(end->hold);
    }
    if (end->done != NULL)
        end->done(end->arg, status);
    fleet_hold_unref(end->hold);
    free(end);
}

void fleet_qos2_end(struct fleet *f, struct store_hold *hold, uint16_t packet_id,
                    store_done_fn *done, void *arg)
{
    struct fleet_hold *h = hold->store_data;
    struct qos2_end *end = h != NULL ? malloc(sizeof(*end)) : NULL;
    if (end == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    if (!hold->durable) { /* nothing was bound */
        free(end);
        fleet_defer(f, done, arg, STORE_OK);
        return;
    }
    *end = (struct qos2_end){.hold = h, .done = done, .arg = arg};
    h->refs++;
    fleet_hold_assert_once(h);
    struct fleet_key key = fleet_key_clients(&f->keys, h->bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_QOS2_END, key.text, 3);
    redis_queue_arg(f->q, hold->client_id, hold->client_id_len);
    redis_queue_u64(f->q, hold->epoch);
    redis_queue_u64(f->q, packet_id);
    redis_queue_end(f->q, REDIS_REPLAY, on_qos2_end, end);
}
