/* The end of a node: it waits for its connections to end, then declares itself dead and is gone when Redis has
 * heard that. */
#include "broker/fleet/fleet_leave.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/fleet_over.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"

struct fleet_leave {
    store_done_fn *done;
    void *arg;
    uint64_t deadline_ms;
    bool kill_sent;
};

bool fleet_leave_init(struct fleet *f)
{
    f->leaving = calloc(1, sizeof(*f->leaving));
    return f->leaving != NULL;
}

void fleet_leave_free(struct fleet *f)
{
    free(f->leaving);
    f->leaving = NULL;
}

static void leave(struct fleet *f, enum store_status status)
{
    store_done_fn *done = f->leaving->done;
    fleet_enter(f, FLEET_LEFT);
    f->leaving->done = NULL;
    if (done != NULL)
        done(f->leaving->arg, status);
}

static void on_killed(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (f->state == FLEET_LEAVING)
        leave(f, r != NULL ? STORE_OK : STORE_UNAVAILABLE);
}

/* The node declares itself dead. Others reap what it still holds; if it holds nothing, it cleans up
 * itself. */
static void send_leave(struct fleet *f)
{
    struct fleet_bytes entry = {0};
    struct fleet_key inbox = fleet_key_inbox(&f->keys, f->id);
    struct fleet_key node = fleet_key_node(&f->keys, f->id);
    f->leaving->kill_sent = true;
    fleet_entry_dead(&entry, f->id);
    scripts_begin(&f->scripts, f->q, SCRIPT_KILL, f->keys.fleet, 4);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, "");
    redis_queue_str(f->q, f->hex);
    redis_queue_arg(f->q, entry.data, entry.len);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    fleet_bytes_fini(&entry);
    if (f->holds->first == NULL) {
        redis_queue_begin(f->q, 3);
        redis_queue_str(f->q, "HDEL");
        redis_queue_str(f->q, f->keys.reap);
        redis_queue_str(f->q, f->hex);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "UNLINK");
    redis_queue_str(f->q, inbox.text);
    redis_queue_arg2(f->q, node.text, strlen(node.text), "link", 4);
    redis_queue_arg2(f->q, node.text, strlen(node.text), "taken", 5);
    redis_queue_end(f->q, REDIS_REPLAY, on_killed, f);
}

void fleet_leave_tick(struct fleet *f)
{
    if (f->state != FLEET_LEAVING)
        return;
    if (f->now_ms >= f->leaving->deadline_ms)
        leave(f, STORE_UNAVAILABLE);
    else if (!f->leaving->kill_sent &&
             (f->holds->first == NULL || f->now_ms + 1000 >= f->leaving->deadline_ms))
        send_leave(f);
}

void fleet_shutdown(struct fleet *f, uint64_t deadline_ms, store_done_fn *done, void *arg)
{
    f->leaving->done = done;
    f->leaving->arg = arg;
    f->leaving->deadline_ms = deadline_ms;
    if (f->state == FLEET_DEAD)
        fleet_start_over(f); /* it may not write any more */
    fleet_enter(f, FLEET_LEAVING);
    if (!fleet_is_joined(f) || !redis_link_is_up(f->commands))
        f->leaving->deadline_ms = 0; /* nobody to tell */
    fleet_wake(f);
}
