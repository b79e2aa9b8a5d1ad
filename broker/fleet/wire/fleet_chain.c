/* What is under way, and whether all of it can be done. */
#include "broker/fleet/wire/fleet_chain.h"

#include <assert.h>

uint64_t fleet_chain_send(struct fleet_chain *c, uint64_t number)
{
    assert(!c->broken && number > c->sent);
    uint64_t before = c->under_way > 0 ? c->sent : 0;
    c->sent = number;
    c->under_way++;
    return before;
}

void fleet_chain_answered(struct fleet_chain *c, uint64_t number, bool done)
{
    assert(c->under_way > 0);
    c->under_way--;
    c->answered = number;
    c->broken = (c->broken || !done) && c->under_way > 0;
}
