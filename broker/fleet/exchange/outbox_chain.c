/* A table by the nodes' ids. */
#include "broker/fleet/exchange/outbox_chain.h"

#include <stdlib.h>

#include "broker/fleet/node/fleet.h"

static struct outbox_chain *find(struct fleet *f, uint64_t node)
{
    struct outbox_chain *c = NULL;
    HASH_FIND(hh, f->outbox_chains, &node, sizeof(node), c);
    return c;
}

struct outbox_chain *outbox_chain_get(struct fleet *f, uint64_t node)
{
    struct outbox_chain *c = find(f, node);
    if (c != NULL) {
        c->is_gone = false;
        return c;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->node = node;
    HASH_ADD(hh, f->outbox_chains, node, sizeof(c->node), c);
    return c;
}

static void free_if_unused(struct fleet *f, struct outbox_chain *c)
{
    if (!c->is_gone || c->streams[FLEET_BATCH_MESSAGES].under_way > 0 ||
        c->streams[FLEET_BATCH_REQUESTS].under_way > 0)
        return;
    HASH_DEL(f->outbox_chains, c);
    free(c);
}

void outbox_chain_leave(struct fleet *f, uint64_t node)
{
    struct outbox_chain *c = find(f, node);
    if (c == NULL)
        return;
    c->is_gone = true;
    free_if_unused(f, c);
}

bool outbox_chain_is_open(const struct fleet *f, const struct outbox_chain *c,
                          enum fleet_batch_stream stream)
{
    const struct fleet_chain *chain = &c->streams[stream];
    uint64_t before = chain->under_way > 0 ? chain->sent : 0;
    return fleet_chain_is_open(chain) && fleet_batch_may_name(f->calls, before);
}

uint64_t outbox_chain_send(struct fleet *f, struct outbox_chain *c, enum fleet_batch_stream stream)
{
    uint64_t call = f->calls++;
    return fleet_batch_number(stream, call, fleet_chain_send(&c->streams[stream], call));
}

enum outbox_written outbox_chain_answered(struct fleet *f, struct outbox_chain *c, uint64_t number,
                                          enum outbox_written written)
{
    enum fleet_batch_stream stream = fleet_batch_stream(number);
    struct fleet_chain *chain = &c->streams[stream];
    if (written == OUTBOX_WRITTEN && chain->broken)
        written = c->unsure[stream] ? OUTBOX_UNKNOWN : OUTBOX_NOT;
    fleet_chain_answered(chain, fleet_batch_call(number), written == OUTBOX_WRITTEN);
    c->unsure[stream] = chain->broken && (c->unsure[stream] || written == OUTBOX_UNKNOWN);
    free_if_unused(f, c);
    return written;
}

uint64_t outbox_chain_again(const struct outbox_chain *c, uint64_t number)
{
    const struct fleet_chain *chain = &c->streams[fleet_batch_stream(number)];
    bool is_done = fleet_chain_has_done(chain, fleet_batch_before(number));
    return is_done ? fleet_batch_names_none(number) : number;
}
