/* Rule 5: where a message of QoS 1 or 2 comes in, its rounds, and where its call is completed. Each
 * round gathers what the targets of now ask for and didn't get yet; when that is sent, the version is
 * asked for, and its answer says whether another round is needed (fleet_publish_op.h). Those that wait
 * for a round are in fleet_publish_wait.c. */
#include "broker/fleet/publish/fleet_publish.h"

#include <stddef.h>
#include <stdlib.h>

#include "broker/base/account.h"
#include "broker/base/id_set.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_gather.h"
#include "broker/fleet/publish/fleet_publish_op.h"
#include "broker/fleet/publish/fleet_will_table.h"

enum {
    PAST_MS = 50 /* well above a round trip, below what a client needs to come back elsewhere */
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

static struct fleet_publish *take_finished(struct fleet_hold *h)
{
    struct fleet_publish *p = h->publishes;
    if (p == NULL || p->state != FLEET_PUBLISH_DONE)
        return NULL;
    h->publishes = p->next;
    if (h->publishes == NULL)
        h->publishes_tail = NULL;
    return p;
}

/* Calls what is finished at the head of the publisher's list. */
static void complete_in_order(struct fleet_hold *h)
{
    h->refs++;
    struct fleet_publish *p;
    while ((p = take_finished(h)) != NULL) {
        call_done(p);
        fleet_publish_release_behind(h);
    }
    fleet_hold_unref(h);
}

void fleet_publish_finish(struct fleet_publish *p)
{
    struct fleet_hold *h = p->hold;
    fleet_publish_enter(p, FLEET_PUBLISH_DONE);
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

/* ---- rounds ---------------------------------------------------------------------------------- */

static void on_version(struct fleet_version_wait *w, bool ok);

static void ask_version(struct fleet_publish *p)
{
    fleet_publish_enter(p, FLEET_PUBLISH_ASKING);
    p->wait.writes = p->parts.message->qos > 0;
    fleet_version_check(p->parts.f, &p->wait, on_version);
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
        fleet_publish_finish(p);
    else
        fleet_parts_issued(&p->parts);
}

/* One round: what these targets ask for and didn't get yet. */
static void gather(struct fleet_publish *p, const struct store_targets *t)
{
    struct fleet *f = p->parts.f;
    fleet_publish_enter(p, FLEET_PUBLISH_SENDING);
    if (p->matched == UINT64_MAX)
        p->run = f->runs;
    p->matched = fleet_publish_applied(f);
    if (t->queue_count > 0 || t->node_count > 0)
        fleet_publish_note_reached(p);
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

void fleet_publish_match(struct fleet_publish *p)
{
    const struct fleet *f = p->parts.f;
    struct store_targets t = {0};
    p->parts.taken |= is_of_the_past(p);
    fleet_parts_begin(&p->parts);
    f->host.match(f->host.arg, p->parts.message, &t);
    gather(p, &t);
}

/* A publisher that has left may have published it again elsewhere, with newer messages behind it; a
 * new subscriber would get it after those. It was never acknowledged, so it isn't matched again. */
void fleet_publish_match_again(struct fleet_publish *p)
{
    if (p->hold != NULL && p->hold->hold == NULL)
        p->parts.taken = true;
    fleet_publish_match(p);
}

void fleet_publish_match_new(struct fleet_publish *p)
{
    struct fleet_hold *h = p->hold;
    if (h != NULL)
        h->refs++;
    fleet_publish_match_again(p); /* may free it */
    if (h == NULL)
        return;
    fleet_publish_release_behind(h);
    fleet_hold_unref(h);
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
    if (p->parts.message->qos == 2 && !p->remember) {
        fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
        fleet_publish_finish(p);
        return;
    }
    id_set_clear(&p->parts.nodes);
    id_set_clear(&p->parts.clients);
    p->parts.retained = false;
    p->matched = UINT64_MAX;
    p->owed = 0;
    fleet_publish_match_new(p);
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
        fleet_parts_miss(&p->parts);
    if (p->parts.status != STORE_OK)
        fleet_publish_finish(p);
    else if (p->parts.missed)
        fleet_publish_enter(p, FLEET_PUBLISH_HELD);
    else if (p->matched >= p->owed)
        fleet_publish_finish(p);
    else
        fleet_publish_match_new(p);
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
    if (req->reached != NULL && req->targets.node_count > 0)
        *req->reached = true;
    if (req->targets.node_count == 0 && !req->message->retain)
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
    if (req->message->qos == 0 && f->cfg.consistency != CONSISTENCY_STRICT) {
        publish_bulk(f, req);
        fleet_defer(f, done, arg, STORE_OK);
        return;
    }
    struct fleet_publish *p = account_new(ACCOUNT_REQUESTS, sizeof(*p));
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
    p->reached = req->reached;
    p->matched = UINT64_MAX; /* not yet */
    p->remember = req->qos2_packet_id != 0 || fleet_will_is(f, req->message);
    struct fleet_publish *earlier = h != NULL ? h->publishes_tail : NULL;
    if (h != NULL)
        queue_behind(p, h);
    if (req->qos2_packet_id != 0)
        fleet_publish_bind(p, req);
    else if (fleet_publish_must_wait(p, earlier))
        fleet_publish_enter(p, FLEET_PUBLISH_BEHIND);
    else
        gather(p, &req->targets);
}
