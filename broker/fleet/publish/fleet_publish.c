/* Rule 5: a message of QoS 1 or 2 is done when it is in each queue, on its way to each node, and
 * Redis had no change of routes or subscriptions that this node doesn't know.
 *
 *     bind the packet id (QoS 2 of a durable publisher)
 *       -> behind an earlier one of the publisher that may be matched again, wait for it
 *       -> gather: retained value, queues, inboxes   <--.
 *       -> everything sent: ask for the version         |
 *       -> answered: the first answer is what is owed   |
 *       -> the log is that far: match again if need be -' only if somebody is new
 *       -> complete, in the order of the publisher's calls
 *
 * The commands go through one ordered link, so the version's answer comes behind all others. A
 * client that subscribed after the first answer did so after the publish, so a log that never rests
 * is no reason to ask for ever. If Redis may have lost something, it is different: later entries
 * may repeat old ones, so each answer is owed. */
#include "broker/fleet/publish/fleet_publish.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/base/account.h"
#include "broker/base/id_set.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/publish/fleet_gather.h"
#include "broker/fleet/publish/fleet_qos2.h"
#include "broker/fleet/publish/fleet_will_table.h"
#include "broker/fleet/wire/fleet_frame.h"

enum {
    AGAIN_MS = 100,
    PAST_MS = 50, /* well above a round trip, below what a client needs to come back elsewhere */
};

struct fleet_publish {
    struct fleet_version_wait wait; /* first */
    struct fleet_parts parts;
    struct fleet_publish *next; /* of the same publisher, or in a list of those that wait */
    struct fleet_publish *next_again;
    LIST_ENTRY(fleet_publish) all;
    struct fleet_behalf behalf; /* who publishes: a connection, or a will's */
    struct fleet_hold *hold;    /* the publisher's, NULL: none, or it is gone */
    store_done_fn *done;
    void *arg;
    uint64_t matched;      /* version of the log that the targets belong to */
    uint64_t owed;         /* subscribers of this version must get it; 0: not known yet */
    uint64_t owed_lost_ms; /* the fleet's lost_until_ms when that was answered */
    unsigned run;          /* of Redis, when the first of it was gathered */
    bool remember, finished;
    bool behind; /* waits for an earlier one of the publisher before it is matched */
    uint64_t again_ms;
};

struct fleet_publishing {
    LIST_HEAD(, fleet_publish) all;
    struct fleet_publish *again, *again_tail; /* to be matched again a little later */
};

bool fleet_publishing_init(struct fleet *f)
{
    f->publishing = calloc(1, sizeof(*f->publishing));
    return f->publishing != NULL;
}

void fleet_publishing_free(struct fleet *f)
{
    free(f->publishing);
    f->publishing = NULL;
}

static size_t message_size(const struct message *m)
{
    return sizeof(*m) + m->topic.len + m->payload.len + m->props.len + m->publisher.len;
}

/* ---- completing ------------------------------------------------------------------------------ */

static void publish_free(struct fleet_publish *p)
{
    LIST_REMOVE(p, all);
    if (p->hold != NULL)
        fleet_hold_unref(p->hold);
    message_unref(p->parts.message);
    id_set_fini(&p->parts.nodes);
    id_set_fini(&p->parts.clients);
    account_delete(ACCOUNT_REQUESTS, p, sizeof(*p));
}

static void call_done(struct fleet_publish *p)
{
    if (p->done != NULL)
        p->done(p->arg, p->parts.status);
    publish_free(p);
}

static void release_behind(struct fleet_hold *h);

static struct fleet_publish *take_finished(struct fleet_hold *h)
{
    struct fleet_publish *p = h->publishes;

    if (p == NULL || !p->finished)
        return NULL;
    h->publishes = p->next;
    if (h->publishes == NULL)
        h->publishes_tail = NULL;
    return p;
}

/* Calls what is finished at the head of the publisher's list. */
static void complete_in_order(struct fleet_hold *h)
{
    struct fleet_publish *p;

    h->refs++;
    while ((p = take_finished(h)) != NULL) {
        call_done(p);
        release_behind(h);
    }
    fleet_hold_unref(h);
}

static void finish(struct fleet_publish *p)
{
    struct fleet_hold *h = p->hold;

    p->finished = true;
    if (h == NULL)
        call_done(p);
    else
        complete_in_order(h);
}

/* ---- taken away ------------------------------------------------------------------------------ */

void fleet_publish_void(struct fleet *f)
{
    struct fleet_publish *p;

    LIST_FOREACH (p, &f->publishing->all, all)
        p->parts.taken |= fleet_taken_has(f, p->behalf);
}

/* ---- gathering ------------------------------------------------------------------------------- */

static void on_version(struct fleet_version_wait *w, bool ok);

static void ask_version(struct fleet_publish *p)
{
    p->wait.writes = p->parts.message->qos > 0;
    fleet_version_check(p->parts.f, &p->wait, on_version);
}

static uint64_t applied_now(const struct fleet *f)
{
    return fleet_log_is_valid(f) ? fleet_log_applied(f) : 0;
}

/* Nothing was lost since it was answered, and all that was said before is in the log. */
static bool owed_holds(const struct fleet_publish *p)
{
    return p->owed_lost_ms == p->parts.f->lost_until_ms && !fleet_may_be_lost(p->parts.f);
}

/* Nobody else is to be found. */
static bool is_settled(const struct fleet_publish *p)
{
    return p->owed > 0 && p->matched >= p->owed && !p->parts.missed && owed_holds(p);
}

static void all_sent(struct fleet_parts *parts)
{
    ask_version((struct fleet_publish *)((char *)parts - offsetof(struct fleet_publish, parts)));
}

/* The round is gathered. Where the last one found nobody new there is nothing to ask about. */
static void issue(struct fleet_publish *p)
{
    if (p->parts.unsent == 1 && is_settled(p) && p->parts.status == STORE_OK)
        finish(p);
    else
        fleet_parts_issued(&p->parts);
}

/* One round: what these targets ask for and didn't get yet. */
static void gather(struct fleet_publish *p, const struct store_targets *t)
{
    struct fleet *f = p->parts.f;

    if (p->matched == UINT64_MAX)
        p->run = f->runs;
    p->matched = applied_now(f);
    p->parts.unsent++; /* nothing is asked before all is gathered */
    if (p->parts.taken) {
        fleet_parts_issued(&p->parts);
        return;
    }
    fleet_gather(&p->parts, p->behalf, p->remember, t);
    issue(p);
}

/* Its connection ended some time ago, so it isn't acknowledged any more, and its client may have
 * published it again elsewhere, with newer ones. (At QoS 0 it isn't, and who comes late may get it.) */
static bool is_of_the_past(const struct fleet_publish *p)
{
    const struct fleet_hold *h = p->hold;
    bool ended = h != NULL && h->hold == NULL && p->parts.f->now_ms - h->ended_ms >= PAST_MS;

    return ended && (p->parts.message->qos > 0 || p->parts.message->retain);
}

static void match(struct fleet_publish *p)
{
    const struct fleet *f = p->parts.f;
    struct store_targets t = {0};

    p->parts.taken |= is_of_the_past(p);
    p->parts.missed = p->parts.unknown = false;
    f->host.match(f->host.arg, p->parts.message, &t);
    gather(p, &t);
}

/* A publisher that has left may have published it again elsewhere, with newer messages behind it; a
 * new subscriber would get it after those. It was never acknowledged, so it isn't matched again. */
static void match_again(struct fleet_publish *p)
{
    if (p->hold != NULL && p->hold->hold == NULL)
        p->parts.taken = true;
    match(p);
}

/* The log has moved since `earlier` was matched, and Redis' answer may show that. Then it is
 * matched again, and new subscribers must get it before what comes behind it. While everything is
 * loaded anew, routes come without a version. */
static bool may_match_again(const struct fleet_publish *earlier)
{
    const struct fleet *f = earlier->parts.f;

    return earlier->behind || earlier->parts.missed || !fleet_log_is_valid(f) ||
           earlier->matched != applied_now(f);
}

static void wait_behind(struct fleet_publish *p)
{
    p->behind = true;
    p->hold->behind++;
}

/* Matches those that needn't wait any more for the one before them. */
static void release_behind(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    struct fleet_publish *earlier = NULL;
    bool ends = f->freeing || !f->joined; /* nobody is told any more */

    for (struct fleet_publish *p = h->publishes; p != NULL && h->behind > 0;
         earlier = p, p = p->next) {
        if (!p->behind)
            continue;
        if (!ends && earlier != NULL && may_match_again(earlier))
            return;
        p->behind = false;
        h->behind--;
        if (ends) {
            fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
            p->finished = true;
        } else {
            match_again(p);
        }
    }
}

/* The one before it has the last word. */
static void match_in_order(struct fleet_publish *p)
{
    struct fleet_publish *earlier = NULL;

    for (struct fleet_publish *q = p->hold != NULL ? p->hold->publishes : p; q != p; q = q->next)
        earlier = q;
    if (earlier != NULL && may_match_again(earlier))
        wait_behind(p);
    else
        match(p);
}

static void match_new_targets(struct fleet_publish *p)
{
    struct fleet_hold *h = p->hold;

    if (h != NULL)
        h->refs++;
    match_again(p); /* may free it */
    if (h == NULL)
        return;
    release_behind(h);
    fleet_hold_unref(h);
}

/* In order: what waits longest is matched first. */
static void later(struct fleet_publish *p)
{
    struct fleet_publishing *pub = p->parts.f->publishing;

    p->again_ms = p->parts.f->now_ms + AGAIN_MS;
    p->parts.f->held_bytes += message_size(p->parts.message);
    p->next_again = NULL;
    if (pub->again == NULL)
        pub->again = p;
    else
        pub->again_tail->next_again = p;
    pub->again_tail = p;
}

/* `durability: replica`: another Redis took over before a replica had all of it, and may have none
 * of it, although the first one answered. */
static bool may_be_lost(const struct fleet_publish *p)
{
    return p->parts.f->cfg.durability == DURABILITY_REPLICA && p->run != p->parts.f->runs;
}

/* From the beginning. At QoS 2 only if its receivers recognise the repeat; otherwise it isn't
 * acknowledged, and its publisher decides. */
static void publish_again(struct fleet_publish *p)
{
    if (p->parts.queue_only || (p->parts.message->qos == 2 && !p->remember)) {
        fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
        finish(p);
        return;
    }
    id_set_clear(&p->parts.nodes);
    id_set_clear(&p->parts.clients);
    p->parts.retained = false;
    p->matched = UINT64_MAX;
    p->owed = 0;
    match_new_targets(p);
}

static void note_owed(struct fleet_publish *p, uint64_t version)
{
    if (p->owed > 0 && version >= p->owed && owed_holds(p))
        return;
    p->owed = version;
    p->owed_lost_ms = p->parts.f->lost_until_ms;
}

static void on_version(struct fleet_version_wait *w, bool ok)
{
    struct fleet_publish *p = (struct fleet_publish *)w;

    if (p->parts.taken)
        p->parts.status = STORE_FENCED;
    if (!ok)
        fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
    if (p->parts.status == STORE_OK && may_be_lost(p)) {
        publish_again(p);
        return;
    }
    note_owed(p, w->version);
    if (p->parts.unknown && fleet_may_be_lost(p->parts.f))
        p->parts.missed = true;
    if (p->parts.status != STORE_OK || p->parts.queue_only)
        finish(p);
    else if (p->parts.missed)
        later(p);
    else if (p->matched >= p->owed)
        finish(p);
    else
        match_new_targets(p);
}

void fleet_publish_tick(struct fleet *f)
{
    struct fleet_publishing *pub = f->publishing;

    if (!fleet_log_is_valid(f) || f->full)
        return;
    while (pub->again != NULL && f->now_ms >= pub->again->again_ms) {
        struct fleet_publish *p = pub->again;

        pub->again = p->next_again;
        f->held_bytes -= message_size(p->parts.message);
        match_new_targets(p);
    }
}

void fleet_publish_reset(struct fleet *f)
{
    while (f->publishing != NULL && f->publishing->again != NULL) {
        struct fleet_publish *p = f->publishing->again;

        f->publishing->again = p->next_again;
        f->held_bytes -= message_size(p->parts.message);
        fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
        finish(p);
    }
}

/* ---- QoS 2 of a durable publisher ------------------------------------------------------------ */

/* The message takes the id that its packet id is bound to: its own, or that of an earlier try. */
static bool take_bound_id(struct fleet_publish *p, struct message_id bound)
{
    struct message *again;

    if (bound.node == p->parts.message->id.node && bound.sequence == p->parts.message->id.sequence)
        return true;
    again = fleet_message_with_id(p->parts.message, bound);
    if (again == NULL)
        return false;
    message_unref(p->parts.message);
    p->parts.message = again;
    return true;
}

static void on_bound(void *arg, const redisReply *r)
{
    struct fleet_publish *p = arg;
    struct fleet *f = p->parts.f;
    struct message_id bound;
    enum store_status status = fleet_reply_status(r);

    if (status == STORE_OK)
        status = p->parts.taken ? STORE_FENCED : fleet_qos2_bound(r, p->hold, &bound);
    if (status == STORE_OK && !take_bound_id(p, bound))
        status = STORE_UNAVAILABLE;
    p->parts.status = status;
    if (status != STORE_OK) {
        finish(p);
        return;
    }
    if (!inbox_knows(f, p->parts.message->id))
        f->host.deliver(f->host.arg, p->parts.message);
    match_in_order(p);
}

/* ---- the call -------------------------------------------------------------------------------- */

static struct fleet_behalf behalf_of(struct fleet *f, const struct store_publish_request *req)
{
    const struct fleet_hold *h = req->hold != NULL ? req->hold->store_data : NULL;

    if (h != NULL)
        return h->behalf;
    return fleet_will_behalf(f, req->message);
}

/* QoS 0: into the nodes' batches, and it is done (with `consistency: strict` the version is
 * checked, as for the others). */
static void publish_bulk(struct fleet *f, const struct store_publish_request *req)
{
    struct fleet_behalf behalf = {0};

    if (req->queue_only || (req->targets.node_count == 0 && !req->message->retain))
        return;
    if (req->message->retain)
        behalf = behalf_of(f, req);
    fleet_gather_bulk(f, behalf, fleet_will_is(f, req->message), req);
}

/* Behind the publisher's earlier ones: they complete in order. */
static void queue_behind(struct fleet_publish *p, struct fleet_hold *h)
{
    p->hold = h;
    h->refs++;
    if (h->publishes_tail != NULL)
        h->publishes_tail->next = p;
    else
        h->publishes = p;
    h->publishes_tail = p;
}

void fleet_publish(struct fleet *f, const struct store_publish_request *req, store_done_fn *done,
                   void *arg)
{
    struct fleet_hold *h = req->hold != NULL ? req->hold->store_data : NULL;
    struct fleet_publish *earlier;
    struct fleet_publish *p;

    if (req->message->qos == 0 && f->cfg.consistency != CONSISTENCY_STRICT) {
        publish_bulk(f, req);
        fleet_defer(f, done, arg, STORE_OK);
        return;
    }
    p = account_new(ACCOUNT_REQUESTS, sizeof(*p));
    if (p == NULL || f->state == FLEET_LEFT || (req->qos2_packet_id != 0 && h == NULL)) {
        account_delete(ACCOUNT_REQUESTS, p, sizeof(*p));
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    p->parts.f = f;
    p->parts.all_sent = all_sent;
    p->behalf = behalf_of(f, req);
    LIST_INSERT_HEAD(&f->publishing->all, p, all);
    p->parts.nodes.key = p->parts.clients.key = f->id;
    p->parts.message = message_ref(req->message);
    p->done = done;
    p->arg = arg;
    p->parts.queue_only = req->queue_only;
    p->matched = UINT64_MAX; /* not yet */
    p->remember = req->qos2_packet_id != 0 || fleet_will_is(f, req->message);
    earlier = h != NULL ? h->publishes_tail : NULL;
    if (h != NULL)
        queue_behind(p, h);
    if (req->qos2_packet_id != 0)
        fleet_qos2_bind(f, req->hold, req->qos2_packet_id, p->parts.message->id, on_bound, p);
    else if (!p->parts.queue_only && earlier != NULL && may_match_again(earlier))
        wait_behind(p);
    else
        gather(p, &req->targets);
}
