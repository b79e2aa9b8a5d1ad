/* Some holds a turn, from the first of them to the last. */
#include "broker/fleet/hold/fleet_sweep.h"

#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"

enum { SWEEP_MS = 30000, SWEEP_AT_ONCE = 200 };

void fleet_sweep_soon(struct fleet *f)
{
    f->sweep_at = f->holds;
}

void fleet_sweep_tick(struct fleet *f)
{
    if (f->now_ms >= f->sweep_next_ms) {
        f->sweep_next_ms = f->now_ms + SWEEP_MS;
        fleet_sweep_soon(f);
    }
    for (int i = 0; i < SWEEP_AT_ONCE && f->sweep_at != NULL; i++) {
        struct fleet_hold *h = f->sweep_at;

        f->sweep_at = h->next;
        if (h->hold->durable && h->hold->epoch != 0)
            f->host.wake(f->host.arg, h->hold->client_id, h->hold->client_id_len);
    }
}
