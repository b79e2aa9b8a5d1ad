/* A turn of a node: the fence, what Redis has to say, what is due; and at its end what was gathered. */
#include "broker/fleet/fleet_turn.h"

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/fleet_leave.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/group/fleet_group_away.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/hold/fleet_sweep.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_log.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_beat.h"
#include "broker/fleet/membership/fleet_load.h"
#include "broker/fleet/membership/fleet_reassert.h"
#include "broker/fleet/membership/fleet_taken_apply.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/publish/fleet_retained_expiry.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "broker/fleet/session/fleet_deliver.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/storage/fleet_disk.h"
#include "broker/fleet/storage/fleet_full.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "broker/fleet/storage/fleet_totals.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/users/fleet_users.h"
#include "common/base/clock.h"
#include "common/base/timebox.h"

static void take_time(struct fleet *f)
{
    f->now_ms = clock_monotonic_ms();
    f->boot_ms = clock_boottime_ms();
}

/* It may write nothing. The links of an unsure node are held. */
static bool rests(const struct fleet *f)
{
    return f->state == FLEET_LEFT || fleet_is_unsure(f);
}

static void run_ticks(struct fleet *f)
{
    fleet_load_tick(f);
    fleet_reassert_tick(f);
    fleet_clock_tick(f);
    fleet_log_tick(f);
    inbox_barriers_tick(f);
    inbox_tick(f);
    fleet_channel_tick(f);
    route_tick(f);
    outboxes_tick(f);
    fleet_publish_tick(f);
    fleet_cut_tick(f);
    fleet_connect_tick(f);
    fleet_disconnect_tick(f);
    fleet_sweep_tick(f);
    fleet_due_tick(f);
    fleet_disk_tick(f);
    fleet_full_tick(f);
    fleet_usage_tick(f);
    fleet_users_tick(f);
    fleet_totals_tick(f);
    fleet_retained_tick(f);
    fleet_retained_expiry_tick(f);
    fleet_groups_tick(f);
}

/* What was read earlier goes first. Each link leaves time to those after it, so that a flood on one
 * holds up nothing else: routes first, they must be fresh before messages are routed. */
static void read_links(struct fleet *f, struct timebox *box)
{
    enum { LOG_LEAVES_US = 5000, COMMANDS_LEAVE_US = 2500 };
    struct timebox part;
    bool held;

    f->box = &part;
    timebox_before(&part, box, LOG_LEAVES_US);
    if (!fleet_is_unsure(f))
        fleet_log_go_on(f);
    redis_link_input(f->log_link, f->now_ms, &part);
    /* The next reading is asked for at once: what comes while none is under way is known later here
     * than elsewhere, and QoS 0 misses it. */
    redis_link_flush(f->log_link, f->now_ms);
    timebox_before(&part, box, COMMANDS_LEAVE_US);
    redis_link_input(f->commands, f->now_ms, &part);
    if (f->replica_link != NULL)
        redis_link_input(f->replica_link, f->now_ms, &part);
    f->box = box;
    /* Not before this node knows which clients it lost: a request for one of them may lie there,
     * and must be answered by the cut, not by an orderly hand-over. */
    held = rests(f) || f->closing_taken || !redis_link_is_up(f->commands);
    redis_link_hold(f->inbox_link, held);
    if (!held)
        inbox_go_on(f);
    redis_link_input(f->inbox_link, f->now_ms, box);
    redis_link_input(f->channel, f->now_ms, box);
}

void fleet_input(struct fleet *f, struct timebox *box)
{
    take_time(f);
    f->box = box;
    if (f->over->step != OVER_NOT) {
        fleet_over_go_on(f, box);
        fleet_leave_tick(f);
        return;
    }
    if (f->state == FLEET_LEFT)
        return;
    fleet_fence(f);
    fleet_beat_input(f);
    if (!fleet_taken_close(f, box)) {
        fleet_wake(f);
        fleet_leave_tick(f);
        return;
    }
    if (!fleet_is_unsure(f)) {
        fleet_run_deferred(f, true);
        fleet_versions_go_on(f);
        fleet_append_go_on(f);
    }
    read_links(f, box);
    if (f->closing_taken)
        fleet_wake(f);
    else if (!rests(f) && f->state != FLEET_DEAD)
        run_ticks(f);
    if (f->state == FLEET_DEAD) {
        fleet_start_over(f);
        fleet_over_go_on(f, box);
    }
    fleet_leave_tick(f);
}

void fleet_flush(struct fleet *f)
{
    take_time(f);
    if (f->over->step != OVER_NOT || f->state == FLEET_LEFT)
        return;
    fleet_fence(f); /* the process may have slept since the turn began */
    if (fleet_can_act(f)) {
        fleet_acks_flush(f);
        fleet_queues_flush(f);
        fleet_group_queues_flush(f);
        fleet_group_dones_flush(f);
        outboxes_flush(f);
    }
    fleet_channel_flush(f, fleet_retaining_is_due(f));
    if (fleet_can_act(f)) {
        /* Behind the live messages: a node that reads a value can be sure that older messages are
         * on their way already, and waits for them (promise 5). */
        fleet_retaining_flush(f);
        fleet_append_flush(f);
        inbox_barriers_flush(f);
        inbox_flush(f);
        fleet_versions_flush(f);
        fleet_replicas_flush(f);
    }
    metric_set(f->metrics.pending_bytes, (int64_t)redis_queue_bytes(f->q));
    redis_link_flush(f->commands, f->now_ms);
    if (f->replica_link != NULL)
        redis_link_flush(f->replica_link, f->now_ms);
    redis_link_flush(f->inbox_link, f->now_ms);
    redis_link_flush(f->log_link, f->now_ms);
    redis_link_flush(f->channel, f->now_ms);
}
