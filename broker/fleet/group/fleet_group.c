/* The node's state, and the configuration's groups. */
#include "broker/fleet/group/fleet_group.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

struct group_declared {
    SLIST_ENTRY(group_declared) link;
    uint64_t keep_ms;
    uint32_t len;
    char filter[];
};

bool fleet_groups_init(struct fleet *f)
{
    f->groups = calloc(1, sizeof(*f->groups));
    if (f->groups == NULL)
        return false;
    SLIST_INIT(&f->groups->declared);
    STAILQ_INIT(&f->groups->batches);
    STAILQ_INIT(&f->groups->dones);
    return true;
}

void fleet_groups_free(struct fleet *f)
{
    if (f->groups == NULL)
        return;
    struct group_declared *d;
    while ((d = SLIST_FIRST(&f->groups->declared)) != NULL) {
        SLIST_REMOVE_HEAD(&f->groups->declared, link);
        free(d);
    }
    free(f->groups);
    f->groups = NULL;
}

/* ---- the configuration's --------------------------------------------------------------------- */

static struct mqtt_slice filter_of(const struct group_declared *d)
{
    return mqtt_slice_of(d->filter, d->len);
}

void fleet_group_declare(struct fleet *f, struct mqtt_slice filter, uint64_t keep_ms)
{
    struct group_declared *d = malloc(sizeof(*d) + filter.len);
    if (d == NULL) {
        LOG_ERROR("no_memory", KV_BYTES("filter", filter.data, filter.len));
        return;
    }
    d->keep_ms = keep_ms;
    d->len = filter.len;
    memcpy(d->filter, filter.data, filter.len);
    SLIST_INSERT_HEAD(&f->groups->declared, d, link);
}

uint64_t fleet_group_keep_ms(const struct fleet *f, struct mqtt_slice filter)
{
    const struct group_declared *d;
    SLIST_FOREACH (d, &f->groups->declared, link)
        if (d->len == filter.len && memcmp(d->filter, filter.data, filter.len) == 0)
            return d->keep_ms;
    return 0;
}

size_t fleet_group_declared_args(const struct fleet *f)
{
    size_t count = 0;
    const struct group_declared *d;
    SLIST_FOREACH (d, &f->groups->declared, link)
        count += 2;
    return count;
}

void fleet_group_write_declared(struct fleet *f)
{
    const struct group_declared *d;
    SLIST_FOREACH (d, &f->groups->declared, link) {
        struct mqtt_slice filter = filter_of(d);
        redis_queue_arg(f->q, filter.data, filter.len);
        redis_queue_u64(f->q, d->keep_ms);
    }
}

/* ---- scripts --------------------------------------------------------------------------------- */

void fleet_group_script(struct fleet *f, enum script id, struct mqtt_slice filter, size_t args)
{
    unsigned bucket = fleet_group_bucket(&f->keys, filter);
    struct fleet_key key = fleet_key_groups(&f->keys, bucket);
    f->groups->looked_after[bucket] = true;
    scripts_begin(&f->scripts, f->q, id, key.text, 1 + args);
    redis_queue_arg(f->q, filter.data, filter.len);
}
