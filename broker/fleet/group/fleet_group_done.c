/* Lists by group; one script call for each at the end of a turn. Its answer names nodes to be woken. */
#include "broker/fleet/group/fleet_group_done.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "common/log/log.h"

enum { DONES_MAX = 128 };

struct group_dones {
    STAILQ_ENTRY(group_dones) link;
    struct fleet *f;
    size_t count;
    struct fleet_bytes items; /* what, number, note */
    uint32_t filter_len;
    char filter[];
};

static struct mqtt_slice filter_of(const struct group_dones *d)
{
    return mqtt_slice_of(d->filter, d->filter_len);
}

static struct group_dones *dones_new(struct fleet *f, struct mqtt_slice filter)
{
    struct group_dones *d = calloc(1, sizeof(*d) + filter.len);
    if (d == NULL)
        return NULL;
    d->f = f;
    d->filter_len = filter.len;
    memcpy(d->filter, filter.data, filter.len);
    return d;
}

static void dones_free(struct group_dones *d)
{
    fleet_bytes_fini(&d->items);
    free(d);
}

/* Those of the group that have room. NULL: out of memory. */
static struct group_dones *gathering(struct fleet *f, struct mqtt_slice filter)
{
    struct group_dones *d;
    STAILQ_FOREACH (d, &f->groups->dones, link)
        if (d->count < DONES_MAX && d->filter_len == filter.len &&
            memcmp(d->filter, filter.data, filter.len) == 0)
            return d;
    d = dones_new(f, filter);
    if (d != NULL)
        STAILQ_INSERT_TAIL(&f->groups->dones, d, link);
    return d;
}

void fleet_group_done(struct fleet *f, enum group_done what, struct mqtt_slice filter,
                      struct mqtt_slice number, struct mqtt_slice note)
{
    if (f->state == FLEET_OVER || f->state == FLEET_LEFT)
        return; /* the reaper does it */
    struct group_dones *d = gathering(f, filter);
    if (d == NULL)
        return; /* it is looked after when its member is gone */
    fleet_bytes_u8(&d->items, (uint8_t)what);
    fleet_bytes_slice(&d->items, number);
    fleet_bytes_slice(&d->items, note);
    d->count++;
}

static struct mqtt_slice until_nul(struct mqtt_slice *rest)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\0', rest->len) : NULL;
    uint32_t len = end != NULL ? (uint32_t)(end - rest->data) : rest->len;
    struct mqtt_slice part = {.data = rest->data, .len = len};
    rest->data += len;
    rest->len -= len;
    if (rest->len > 0) {
        rest->data++;
        rest->len--;
    }
    return part;
}

void fleet_group_done_ref(struct fleet *f, enum group_done what, struct mqtt_slice ref)
{
    struct mqtt_slice filter = until_nul(&ref);
    struct mqtt_slice number = until_nul(&ref);
    fleet_group_done(f, what, filter, number, ref);
}

static void note_denied(struct fleet *f, struct mqtt_slice filter, uint64_t messages)
{
    if (messages == 0)
        return;
    metric_add(f->metrics.share_denied, messages);
    LOG_LIMITED(LOG_LEVEL_INFO, "share_denied", KV_BYTES("filter", filter.data, filter.len),
                KV_UINT("messages", messages),
                KV_STR("why", "the ACL lets no member of the group read them"));
}

/* How many ended, and nodes to be woken. */
static void on_done(void *arg, const redisReply *r)
{
    struct group_dones *d = arg;
    if (r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements > 0) {
        note_denied(d->f, filter_of(d), (uint64_t)r->element[0]->integer);
        fleet_group_wake_all(d->f, r, 1, filter_of(d));
    }
    dones_free(d);
}

static void write_dones(struct fleet *f, struct group_dones *d)
{
    struct fleet_reader r = fleet_reader_of(d->items.data, d->items.len);
    fleet_group_script(f, SCRIPT_GROUP_DONE, filter_of(d), 3 * d->count);
    for (size_t i = 0; i < d->count; i++) {
        char what = (char)fleet_reader_u8(&r);
        redis_queue_arg(f->q, &what, 1);
        struct mqtt_slice number = fleet_reader_slice(&r);
        redis_queue_arg(f->q, number.data, number.len);
        struct mqtt_slice note = fleet_reader_slice(&r);
        redis_queue_arg(f->q, note.data, note.len);
    }
    fleet_bytes_fini(&d->items); /* the link has it now */
    redis_queue_end(f->q, REDIS_REPLAY, on_done, d);
}

static void pass_on(struct fleet *f, struct mqtt_slice filter)
{
    if (f->state == FLEET_OVER || f->state == FLEET_LEFT)
        return;
    struct group_dones *d = dones_new(f, filter);
    if (d != NULL)
        write_dones(f, d);
}

void fleet_group_dones_flush(struct fleet *f)
{
    struct group_dones *d;
    while ((d = STAILQ_FIRST(&f->groups->dones)) != NULL) {
        STAILQ_REMOVE_HEAD(&f->groups->dones, link);
        if (d->items.failed)
            dones_free(d);
        else
            write_dones(f, d);
    }
}

void fleet_group_dones_reset(struct fleet *f)
{
    if (f->groups == NULL)
        return;
    struct group_dones *d;
    while ((d = STAILQ_FIRST(&f->groups->dones)) != NULL) {
        STAILQ_REMOVE_HEAD(&f->groups->dones, link);
        dones_free(d);
    }
}

/* ---- wake-ups -------------------------------------------------------------------------------- */

void fleet_group_wake(struct fleet *f, const char *node, size_t len, struct mqtt_slice filter,
                      uint32_t messages)
{
    uint64_t id;
    if (!fleet_hex_parse(node, len, &id))
        return;
    if (id == f->id) {
        fleet_group_woken(f, filter, messages);
        return;
    }
    struct route_node *n = fleet_node_find(f, id);
    if (n != NULL)
        outbox_add_share_wake(f, n, filter, messages);
    else /* it is gone */
        pass_on(f, filter);
}

void fleet_group_wake_all(struct fleet *f, const struct redisReply *nodes, size_t from,
                          struct mqtt_slice filter)
{
    for (size_t i = from; i < nodes->elements; i++)
        fleet_group_wake(f, nodes->element[i]->str, nodes->element[i]->len, filter, 1);
}

void fleet_group_woken(struct fleet *f, struct mqtt_slice filter, uint32_t messages)
{
    if (!f->host.share_wake(f->host.arg, filter, messages))
        pass_on(f, filter);
}

static void finish_ref(struct fleet *f, struct mqtt_slice reference)
{
    fleet_group_done_ref(f, GROUP_FINISHED, reference);
}

bool fleet_group_dones_init(struct fleet *f)
{
    f->share_woken = fleet_group_woken;
    f->share_finished = finish_ref;
    return true;
}
