/* What a node does for all its clients at once goes in pieces: here its turns have no time, so that each
 * piece is as small as it can be. */
#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_reassert.h"
#include "broker/fleet/membership/fleet_taken_apply.h"
#include "broker/fleet/node/fleet.h"
#include "common/base/timebox.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

enum { CROWD = 80, AT_ONCE = 4 };

static struct fleet *fleet_of(struct bed_node *n)
{
    return (struct fleet *)n->store;
}

static void connect_crowd(struct bed_node *n, struct bed_client *crowd[CROWD])
{
    char text[BED_TEXT];
    for (int i = 0; i < CROWD; i++) {
        snprintf(text, sizeof(text), "c%d", i);
        crowd[i] = bed_connect(n, text, true);
        snprintf(text, sizeof(text), "f/%d", i);
        bed_subscribe(crowd[i], text, 1);
    }
}

static size_t holds_unasserted(const struct fleet *f)
{
    size_t count = 0;
    for (const struct fleet_hold *h = f->holds->first; h != NULL; h = h->next)
        count += h->asserted != f->holds->round;
    return count;
}

static long long routes_in_redis(struct bed *b, const struct fleet *f)
{
    redisReply *r = redisCommand(b->redis, "SCARD fl:{r}:n:%s", f->hex);
    long long count = r != NULL && r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
    freeReplyObject(r);
    return count;
}

static long long sessions_in_redis(struct bed *b)
{
    redisReply *r =
        redisCommand(b->redis, "EVAL %s 0", "return #redis.call('keys', 'fl:{s*}:f:c*')");
    long long count = r != NULL && r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
    freeReplyObject(r);
    return count;
}

static void rule_9_a_crowd_is_asserted_again_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct fleet *f = fleet_of(n);
    struct bed_client *crowd[CROWD];
    unsigned round = f->holds->round;
    size_t left = CROWD;
    connect_crowd(n, crowd);
    assert_int_equal(sessions_in_redis(b), CROWD);
    b->without_time = true;
    freeReplyObject(redisCommand(b->redis, "FLUSHALL"));
    BED_UNTIL(b, f->holds->round != round);
    while (f->holds->assert_at != NULL) {
        size_t now = holds_unasserted(f);
        assert_true(left - now <= AT_ONCE);
        left = now;
        if (left == CROWD / 2) { /* who does something before is told first */
            struct fleet_hold *last = crowd[0]->hold.store_data;

            assert_int_not_equal(last->asserted, f->holds->round);
            b->without_time = false;
            fleet_hold_assert_once(last);
            b->without_time = true;
            assert_int_equal(last->asserted, f->holds->round);
            left--;
        }
        bed_turn(b);
    }
    BED_UNTIL(b, !f->reasserting->under_way && holds_unasserted(f) == 0);
    BED_UNTIL(b, sessions_in_redis(b) == CROWD);
    b->without_time = false;
    BED_UNTIL(b, bed_ready(n));
    BED_UNTIL(b, routes_in_redis(b, f) == CROWD);
    assert_int_equal(n->fenced, 0);
    assert_int_equal(n->start_overs, 0);
}

static size_t hold_count(const struct fleet *f)
{
    size_t count = 0;
    for (const struct fleet_hold *h = f->holds->first; h != NULL; h = h->next)
        count++;
    return count;
}

static void rule_2_a_crowd_is_forgotten_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct fleet *f = fleet_of(n);
    struct bed_client *crowd[CROWD];
    uint64_t id = f->id;
    connect_crowd(n, crowd);
    BED_UNTIL(b, route_count(f) == CROWD);
    for (int i = 0; i < CROWD; i++)
        bed_publish_begin(crowd[i], "f/1", "lost", 1, false, 0);
    n->store->ops->flush(n->store);
    assert_true(f->q->count > 0);
    fleet_declared_dead(f);
    b->without_time = true;
    bed_turn(b);
    size_t before = CROWD;
    size_t pieces = 0;
    for (; f->over->step != OVER_NOT; pieces++) {
        size_t now = hold_count(f) + route_count(f) + f->append->routes_added;
        assert_true(n->store->suspended);
        if (pieces > 0)
            assert_true(before - now <= 2 * 16);
        before = now;
        bed_turn(b);
    }
    assert_true(pieces > CROWD / 16);
    assert_false(n->store->suspended);
    assert_int_equal(n->start_overs, 1);
    b->without_time = false;
    BED_UNTIL(b, bed_ready(n));
    assert_true(f->id != id);
    bed_connect(n, "c1", true); /* the id may still be the dead node's */
}

static void a_crowd_that_others_took_is_closed_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct fleet *f = fleet_of(n);
    struct bed_client *crowd[CROWD];
    struct timebox box;
    connect_crowd(n, crowd);
    for (int i = 1; i < CROWD; i++) /* all but the first */
        fleet_taken_add(f, mqtt_slice_of(crowd[i]->id, strlen(crowd[i]->id)), crowd[i]->hold.epoch);
    b->without_time = true;
    timebox_open_at(&box, 0, 0, 0);
    f->box = &box;
    fleet_taken_apply(f);
    for (unsigned before = 0; f->closing_taken; bed_turn(b)) {
        assert_true(n->store->suspended);
        assert_true(n->fenced - before <= AT_ONCE);
        before = n->fenced;
    }
    assert_false(n->store->suspended);
    assert_int_equal(n->fenced, CROWD - 1);
    b->without_time = false;
    bed_subscribe(crowd[0], "still/there", 1);
}

/* ---- connecting (rule 7) --------------------------------------------------------------------- */

enum {
    FILTERS = 480,
    FILTERS_AT_ONCE = 250,
    ANSWERS_AT_ONCE = 16 /* each link has a box of its own */
};

static size_t routes_known(const struct fleet *f)
{
    return route_count(f) + f->append->routes_added;
}

/* A session with many filters, of which this node has no routes and the core knows nothing. */
static void leave_session_of_many(struct bed_node *n)
{
    struct bed_client *c = bed_connect(n, "many", true);
    struct store_subscription subs[FILTERS];
    char text[FILTERS][16];
    for (int i = 0; i < FILTERS; i++) {
        snprintf(text[i], sizeof(text[i]), "f/%d", i);
        subs[i] = (struct store_subscription){.filter = bed_slice(text[i]), .qos = 1};
    }
    c->status = -1;
    n->store->ops->subscribe(n->store, &c->hold, subs, FILTERS, bed_on_done, c);
    BED_UNTIL(n->bed, c->status == STORE_OK);
    bed_disconnect(c, false);
    for (int i = 0; i < FILTERS; i++)
        n->store->ops->interest_ended(n->store, subs[i].filter);
    BED_UNTIL(n->bed, routes_known(fleet_of(n)) == 0);
    assert_int_equal(n->sub_count, 0);
}

static void rule_7_many_filters_are_restored_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct fleet *f = fleet_of(n);
    size_t before = 0;
    leave_session_of_many(n);
    b->without_time = true;
    struct bed_client *c = bed_connect_begin(n, "many", true, false, NULL);
    while (c->status < 0) {
        bed_turn(b);
        assert_true(routes_known(f) - before <= FILTERS_AT_ONCE);
        assert_true(n->sub_count == routes_known(f));
        before = routes_known(f);
    }
    assert_int_equal(c->status, STORE_OK);
    assert_int_equal(c->sub_count, FILTERS);
    assert_int_equal(n->sub_count, FILTERS);
    BED_UNTIL(b, f->releases == NULL);
    bed_run(b, 2 * b->cfg.route_linger_ms);
    assert_int_equal(routes_known(f), FILTERS); /* it is online */
}

static void rule_7_who_is_fenced_while_filters_are_restored_holds_no_routes(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct fleet *f = fleet_of(n);
    leave_session_of_many(n);
    b->without_time = true;
    struct bed_client *c = bed_connect_begin(n, "many", true, false, NULL);
    BED_UNTIL(b, routes_known(f) > 0);
    assert_true(routes_known(f) < FILTERS);
    assert_int_equal(c->status, -1);
    fleet_connect_taken(f, mqtt_slice_of("many", 4), UINT64_MAX);
    assert_int_equal(c->status, STORE_FENCED);
    b->without_time = false;
    BED_UNTIL(b, f->releases == NULL && routes_known(f) == 0);
}

static size_t answered(struct bed_client *crowd[CROWD])
{
    size_t count = 0;
    for (int i = 0; i < CROWD; i++)
        count += crowd[i]->status >= 0;
    return count;
}

/* Turns without time, until all have their answer. */
static void assert_answered_in_pieces(struct bed *b, struct bed_client *crowd[CROWD])
{
    size_t before = answered(crowd);
    assert_int_equal(before, 0);
    b->without_time = true;
    while (before < CROWD) {
        size_t now;
        bed_turn(b);
        now = answered(crowd);
        assert_true(now - before <= ANSWERS_AT_ONCE);
        before = now;
    }
    b->without_time = false;
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(crowd[i]->status, STORE_OK);
}

static void rule_7_a_crowd_goes_online_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct bed_client *crowd[CROWD];
    char text[BED_TEXT];
    for (int i = 0; i < CROWD; i++) {
        snprintf(text, sizeof(text), "c%d", i);
        crowd[i] = bed_connect_begin(n, text, true, false, NULL);
    }
    assert_answered_in_pieces(b, crowd);
}

/* One answer tells the version for all messages of a turn. */
static void rule_5_a_crowd_is_acknowledged_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct bed_client *crowd[CROWD];
    connect_crowd(n, crowd);
    for (int i = 0; i < CROWD; i++)
        bed_publish_begin(crowd[i], "f/1", "all at once", 1, false, 0);
    assert_answered_in_pieces(b, crowd);
}

/* One entry of the log tells the routes of all of them. */
static void rule_6_a_crowd_is_subscribed_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct bed_client *crowd[CROWD];
    char text[BED_TEXT];
    for (int i = 0; i < CROWD; i++) {
        snprintf(text, sizeof(text), "c%d", i);
        crowd[i] = bed_connect(n, text, false);
    }
    for (int i = 0; i < CROWD; i++) {
        struct store_subscription sub = {.filter = bed_slice(crowd[i]->id), .qos = 1};
        crowd[i]->status = -1;
        n->store->ops->subscribe(n->store, &crowd[i]->hold, &sub, 1, bed_on_done, crowd[i]);
    }
    assert_answered_in_pieces(b, crowd);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(rule_9_a_crowd_is_asserted_again_in_pieces),
        IN_BED(rule_2_a_crowd_is_forgotten_in_pieces),
        IN_BED(a_crowd_that_others_took_is_closed_in_pieces),
        IN_BED(rule_7_many_filters_are_restored_in_pieces),
        IN_BED(rule_7_who_is_fenced_while_filters_are_restored_holds_no_routes),
        IN_BED(rule_7_a_crowd_goes_online_in_pieces),
        IN_BED(rule_5_a_crowd_is_acknowledged_in_pieces),
        IN_BED(rule_6_a_crowd_is_subscribed_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
