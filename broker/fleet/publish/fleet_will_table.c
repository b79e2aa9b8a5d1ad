/* By the message's id. */
#include "broker/fleet/publish/fleet_will_table.h"

#include "broker/fleet/node/fleet.h"

void fleet_will_table_add(struct fleet *f, struct fleet_will_entry *e)
{
    HASH_ADD(hh, f->will_table, id, sizeof(e->id), e);
}

void fleet_will_table_remove(struct fleet *f, struct fleet_will_entry *e)
{
    HASH_DEL(f->will_table, e);
}

struct fleet_will_entry *fleet_will_table_find(const struct fleet *f, const struct message *m)
{
    struct fleet_will_entry *e = NULL;
    if (f->will_table != NULL)
        HASH_FIND(hh, f->will_table, &m->id, sizeof(m->id), e);
    return e;
}

bool fleet_will_is(const struct fleet *f, const struct message *m)
{
    return fleet_will_table_find(f, m) != NULL;
}

struct fleet_behalf fleet_will_behalf(const struct fleet *f, const struct message *m)
{
    const struct fleet_will_entry *e = fleet_will_table_find(f, m);
    return e != NULL ? e->behalf : (struct fleet_behalf){0};
}
