/* The list of holds. One that is dropped stays until nobody refers to it any more. */
#include "broker/fleet/hold/fleet_hold.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/fleet/fence/fleet_resync.h"
#include "broker/fleet/node/fleet.h"

bool fleet_holds_init(struct fleet *f)
{
    f->holds = calloc(1, sizeof(*f->holds));
    return f->holds != NULL;
}

void fleet_holds_free(struct fleet *f)
{
    free(f->holds);
    f->holds = NULL;
}

struct fleet_hold *fleet_hold_new(struct fleet *f, struct store_hold *hold)
{
    struct fleet_hold *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    h->fleet = f;
    h->hold = hold;
    h->refs = 1;
    STAILQ_INIT(&h->releases);
    h->bucket = fleet_client_bucket(&f->keys, hold->client_id, hold->client_id_len);
    h->behalf = fleet_behalf_of(f, hold->client_id, hold->client_id_len, 0);
    h->asserted = f->holds->round;
    h->next = f->holds->first;
    if (h->next != NULL)
        h->next->prev = h;
    f->holds->first = h;
    return h;
}

void fleet_hold_unref(struct fleet_hold *h)
{
    if (h == NULL || --h->refs > 0)
        return;
    fleet_bytes_fini(&h->acks);
    account_uncount(ACCOUNT_CLIENTS, h->will.data);
    fleet_bytes_fini(&h->will);
    free(h);
}

void fleet_hold_drop(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    if (f->holds->sweep_at == h)
        f->holds->sweep_at = h->next;
    if (f->holds->assert_at == h)
        f->holds->assert_at = h->next;
    if (h->prev != NULL)
        h->prev->next = h->next;
    else
        f->holds->first = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
    h->next = h->prev = NULL;
    h->hold->store_data = NULL;
    h->hold = NULL;
    h->ended_ms = f->now_ms;
    fleet_hold_unref(h);
}

void fleet_holds_detach(struct fleet *f)
{
    while (f->holds != NULL && f->holds->first != NULL)
        fleet_hold_drop(f->holds->first);
}

void fleet_hold_fenced(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    struct store_hold *hold = h->hold;
    if (hold == NULL || hold->epoch == 0)
        return;
    if (hold->durable)
        fleet_resync(f, hold->client_id, hold->client_id_len);
    fleet_hold_drop(h); /* the core makes no further calls for it */
    f->host.fenced(f->host.arg, hold);
}

void fleet_hold_write_user(struct redis_queue *q, const struct store_hold *hold)
{
    if (hold->any_user)
        redis_queue_str(q, "");
    else if (hold->user == NULL)
        redis_queue_str(q, "-");
    else
        redis_queue_arg2(q, "=", 1, hold->user, strlen(hold->user));
}

void fleet_hold_write_expiry(struct redis_queue *q, uint32_t expiry_s)
{
    if (expiry_s == STORE_EXPIRES_NEVER)
        redis_queue_str(q, "-1");
    else
        redis_queue_u64(q, expiry_s);
}

void fleet_session_script(struct fleet *f, struct store_hold *hold, enum script id, size_t args)
{
    struct fleet_hold *h = hold->store_data;
    struct fleet_key key = fleet_key_clients(&f->keys, h->bucket);
    scripts_begin(&f->scripts, f->q, id, key.text, 2 + args);
    redis_queue_arg(f->q, hold->client_id, hold->client_id_len);
    redis_queue_u64(f->q, hold->epoch);
}
