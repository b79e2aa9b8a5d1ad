/* Counts what is gathered and sent, and takes from the sets who must be served again. */
#include "broker/fleet/exchange/fleet_parts.h"

#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_full.h"

void fleet_parts_gathered(struct fleet_parts *p)
{
    p->unsent++;
}

void fleet_parts_issued(struct fleet_parts *p)
{
    if (--p->unsent == 0)
        p->all_sent(p);
}

void fleet_parts_failed(struct fleet_parts *p, enum store_status status)
{
    if (p->status == STORE_OK)
        p->status = status;
}

void fleet_parts_miss(struct fleet_parts *p)
{
    p->f->missed += p->missed ? 0 : 1;
    p->missed = true;
}

void fleet_parts_begin(struct fleet_parts *p)
{
    p->f->missed -= p->missed ? 1 : 0;
    p->missed = p->unknown = false;
}

static void serve_again(struct fleet_parts *p, uint64_t client, uint64_t node)
{
    if (client != 0)
        id_set_remove(&p->clients, client);
    if (node != 0)
        id_set_remove(&p->nodes, node);
    if (client == 0 && node == 0)
        p->retained = false;
    fleet_parts_miss(p);
}

void fleet_parts_held(struct fleet_parts *p, uint64_t client, uint64_t node)
{
    if (p->never_held) {
        fleet_parts_failed(p, STORE_FULL);
        return;
    }
    serve_again(p, client, node);
    fleet_full(p->f);
}

void fleet_parts_refused(struct fleet_parts *p, uint64_t client, uint64_t node)
{
    serve_again(p, client, node);
}

void fleet_parts_missed(struct fleet_parts *p, uint64_t node)
{
    id_set_remove(&p->nodes, node);
    fleet_parts_miss(p);
}

void fleet_parts_unknown(struct fleet_parts *p, uint64_t client)
{
    id_set_remove(&p->clients, client);
    p->unknown = true;
}
