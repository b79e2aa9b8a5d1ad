/* Some holds a turn, from the first of them to the last. */
#include "broker/fleet/hold/fleet_sweep.h"

#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"

enum { SWEEP_MS = 30000, SWEEP_AT_ONCE = 200 };

void fleet_sweep_tick(struct fleet *f)
{
    struct fleet_holds *holds = f->holds;
    if (f->now_ms >= holds->sweep_next_ms) {
        holds->sweep_next_ms = f->now_ms + SWEEP_MS;
        fleet_sweep_soon(f);
    }
    if (f->sweep_wanted) {
        f->sweep_wanted = false;
        holds->sweep_at = holds->first;
    }
    for (int i = 0; i < SWEEP_AT_ONCE && holds->sweep_at != NULL; i++) {
        struct fleet_hold *h = holds->sweep_at;
        holds->sweep_at = h->next;
        if (h->hold->durable && h->hold->epoch != 0)
            f->host.wake(f->host.arg, store_hold_id(h->hold));
    }
}
