/* Goes through what was matched and hands out the parts. */
#include "broker/fleet/publish/fleet_gather.h"

#include <stdlib.h>

#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"

struct fleet_gathering {
    struct fleet_bytes frame; /* the message being gathered */
};

bool fleet_gathering_init(struct fleet *f)
{
    f->gathering = calloc(1, sizeof(*f->gathering));
    return f->gathering != NULL;
}

void fleet_gathering_free(struct fleet *f)
{
    if (f->gathering == NULL)
        return;
    fleet_bytes_fini(&f->gathering->frame);
    free(f->gathering);
    f->gathering = NULL;
}

static void gather_nodes(struct fleet_parts *p, bool remember, const struct store_targets *t)
{
    struct fleet *f = p->f;
    struct fleet_bytes *frame = &f->gathering->frame;
    fleet_bytes_reset(frame, 1 << 20);
    for (size_t i = 0; i < t->node_count; i++) {
        struct route_node *n = t->nodes[i];
        if (id_set_has(&p->nodes, n->id))
            continue;
        id_set_add(&p->nodes, n->id); /* without memory it is served twice, at worst */
        if (frame->len == 0)
            fleet_frame_put(frame, p->message, remember);
        if (frame->failed)
            fleet_parts_failed(p, STORE_UNAVAILABLE);
        else if (p->message->qos == 0)
            fleet_channel_add(f, n, frame);
        else
            outbox_add_message(f, n, p, frame);
    }
}

static void gather_queues(struct fleet_parts *p, bool remember, const struct store_targets *t)
{
    for (size_t i = 0; i < t->queue_count; i++) {
        const struct store_queue_target *target = &t->queues[i];
        uint64_t id = fleet_hash(target->client_id.data, target->client_id.len);
        if (id_set_has(&p->clients, id))
            continue;
        id_set_add(&p->clients, id);
        fleet_queue_add(p->f, p, p->message, target,
                        (struct fleet_queue_how){.remember = remember, .client = id});
    }
}

static void gather_groups(struct fleet_parts *p, bool remember, const struct store_targets *t)
{
    for (size_t i = 0; i < t->group_count; i++) {
        uint64_t id = fleet_group_part(t->groups[i]);
        if (id_set_has(&p->clients, id))
            continue;
        id_set_add(&p->clients, id);
        fleet_group_add(p->f, p, t->groups[i], remember);
    }
}

void fleet_gather(struct fleet_parts *p, struct fleet_behalf behalf, bool remember,
                  const struct store_targets *t)
{
    if (p->message->retain && !p->retained) {
        p->retained = true;
        fleet_retain(p->f, p, behalf, p->message, remember);
    }
    gather_queues(p, remember, t);
    gather_groups(p, remember, t);
    gather_nodes(p, remember, t);
}

void fleet_gather_bulk(struct fleet *f, struct fleet_behalf behalf, bool remember,
                       const struct store_publish_request *req)
{
    struct fleet_bytes *frame = &f->gathering->frame;
    if (req->message->retain)
        fleet_retain(f, NULL, behalf, req->message, remember);
    if (req->targets.node_count == 0)
        return;
    fleet_bytes_reset(frame, 1 << 20);
    fleet_frame_put(frame, req->message, remember);
    for (size_t i = 0; i < req->targets.node_count; i++)
        if (!frame->failed)
            fleet_channel_add(f, req->targets.nodes[i], frame);
}
