/* A new module needs a row here, and nothing else: fleet_start.c and the tests' lone node go by this list. */
#include "broker/fleet/fleet_modules.h"

#include <stddef.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/fleet_leave.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/fleet_log.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_load.h"
#include "broker/fleet/membership/fleet_reassert.h"
#include "broker/fleet/membership/fleet_register.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_gather.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/publish/fleet_retained_expiry.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/storage/fleet_disk.h"
#include "broker/fleet/storage/fleet_full.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "broker/fleet/storage/fleet_totals.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/users/fleet_users.h"

static const struct {
    bool (*init)(struct fleet *f);
    void (*free)(struct fleet *f); /* NULL: another module frees it */
} modules[] = {
    {fleet_clock_init, fleet_clock_free},
    {fleet_replicas_init, fleet_replicas_free},
    {fleet_full_init, fleet_full_free},
    {fleet_disk_init, fleet_disk_free},
    {fleet_usage_init, fleet_usage_free},
    {fleet_users_init, fleet_users_free},
    {fleet_totals_init, fleet_totals_free},
    {fleet_channel_init, fleet_channel_free},
    {inbox_init, inbox_free},
    {inbox_barriers_init, inbox_barriers_free},
    {routes_init, routes_free},
    {fleet_versions_init, fleet_versions_free},
    {fleet_append_init, fleet_append_free},
    {fleet_log_init, fleet_log_free},
    {fleet_subscription_reads_init, fleet_subscription_reads_free},
    {fleet_holds_init, fleet_holds_free},
    {fleet_groups_init, fleet_groups_free},
    {fleet_group_dones_init, NULL},
    {fleet_gathering_init, fleet_gathering_free},
    {fleet_publishing_init, fleet_publishing_free},
    {fleet_queues_init, fleet_queues_free},
    {fleet_retaining_init, fleet_retaining_free},
    {fleet_retained_reads_init, fleet_retained_reads_free},
    {fleet_retained_expiry_init, fleet_retained_expiry_free},
    {fleet_wills_init, fleet_wills_free},
    {fleet_due_init, fleet_due_free},
    {fleet_disconnects_init, fleet_disconnects_free},
    {fleet_connects_init, fleet_connects_free},
    {fleet_load_init, fleet_load_free},
    {fleet_register_init, fleet_register_free},
    {fleet_reassert_init, fleet_reassert_free},
    {fleet_over_init, fleet_over_free},
    {fleet_leave_init, fleet_leave_free},
};
enum { MODULES = sizeof(modules) / sizeof(modules[0]) };

bool fleet_modules_init(struct fleet *f, struct metrics *metrics)
{
    f->epochs = fleet_epochs_new(f->hash_key, f->now_ms);
    if (f->epochs == NULL || !scripts_init(&f->scripts) ||
        !fleet_metrics_init(&f->metrics, metrics))
        return false;
    for (size_t i = 0; i < MODULES; i++)
        if (!modules[i].init(f))
            return false;
    return true;
}

void fleet_modules_free(struct fleet *f)
{
    for (size_t i = MODULES; i > 0; i--)
        if (modules[i - 1].free != NULL)
            modules[i - 1].free(f);
    fleet_epochs_free(f->epochs);
    fleet_metrics_fini(&f->metrics);
}
