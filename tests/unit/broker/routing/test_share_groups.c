/* share_groups: a group of shared subscriptions is there as long as it has a member, and chooses among them. */
#include "broker/routing/share_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/routing/match_cache.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/base/clock.h"

#include <cmocka.h>

enum { MEMBERS = 3 };

struct bed {
    struct router *router;
    struct session_table *table;
    struct session *members[MEMBERS];
    int clients[MEMBERS]; /* stand for connections */
    char ended[64];
    bool full[MEMBERS];
};

static struct mqtt_slice text(const char *t)
{
    return mqtt_slice_of(t, strlen(t));
}

static void on_changing(void *arg, struct session *s)
{
    (void)arg, (void)s;
}

static void on_interest_ended(void *arg, struct mqtt_slice filter)
{
    (void)arg, (void)filter;
}

static void on_share_ended(void *arg, struct mqtt_slice filter)
{
    struct bed *b = arg;
    memcpy(b->ended, filter.data, filter.len);
    b->ended[filter.len] = '\0';
}

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    struct router_hooks hooks = {.arg = b,
                                 .changing = on_changing,
                                 .interest_ended = on_interest_ended,
                                 .share_ended = on_share_ended};
    b->router = router_new(7, &hooks);
    b->table = session_table_new(7);
    for (int i = 0; i < MEMBERS; i++) {
        char id[] = {(char)('a' + i), '\0'};
        b->members[i] = session_table_add(b->table, text(id), i == 2);
        b->members[i]->client = (struct client *)(void *)&b->clients[i];
        router_session_joined(b->router, b->members[i]);
    }
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    for (int i = 0; i < MEMBERS; i++)
        router_unsubscribe_all(b->router, b->members[i]);
    router_free(b->router);
    session_table_free(b->table);
    free(b);
    return 0;
}

static void join(struct bed *b, int member, const char *filter, uint8_t qos)
{
    struct subscription_options options = {.qos = qos};
    assert_true(router_subscribe(b->router, b->members[member], text(filter), options));
}

static void leave(struct bed *b, int member, const char *filter)
{
    assert_true(router_unsubscribe(b->router, b->members[member], text(filter)));
}

/* Sessions, then groups that the topic matches: "1+2". */
static const char *matches(struct bed *b, const char *topic)
{
    static char out[16];
    const struct match_entry *e = router_match(b->router, text(topic));
    snprintf(out, sizeof(out), "%u+%u", e->count, e->group_count);
    return out;
}

static struct share_group *group(struct bed *b, const char *filter)
{
    return share_groups_find(router_groups(b->router), text(filter));
}

static bool takes(void *arg, const struct share_member *m)
{
    const struct bed *b = arg;
    return !b->full[m->session->id[0] - 'a'];
}

/* Who is chosen, by his letter; '-': nobody. */
static char choose(struct bed *b, const char *filter, uint32_t start)
{
    struct share_member m;
    if (!share_group_choose(router_groups(b->router), group(b, filter), start, takes, b, &m))
        return '-';
    return m.session->id[0];
}

/* How many targets for group queues a message of QoS 1 has. */
static size_t queues(struct bed *b, const char *topic)
{
    struct store_targets t = {0};
    const struct match_entry *e = router_match(b->router, text(topic));
    assert_true(router_targets_among(b->router, e, 1, text("p"), &t));
    return t.group_count;
}

static void a_group_is_matched_once_for_all_its_members(void **state)
{
    struct bed *b = *state;
    join(b, 0, "$share/g/t/+", 1);
    join(b, 1, "$share/g/t/+", 1);
    join(b, 0, "t/#", 1);
    assert_string_equal(matches(b, "t/x"), "1+1");
    join(b, 2, "$share/h/t/x", 0);
    assert_string_equal(matches(b, "t/x"), "1+2");
    assert_string_equal(matches(b, "other"), "0+0");
}

static void it_ends_with_its_last_member(void **state)
{
    struct bed *b = *state;
    join(b, 0, "$share/g/t", 1);
    join(b, 1, "$share/g/t", 1);
    assert_string_equal(matches(b, "t"), "0+1");
    leave(b, 0, "$share/g/t");
    assert_string_equal(b->ended, "");
    leave(b, 1, "$share/g/t");
    assert_string_equal(b->ended, "$share/g/t");
    assert_null(group(b, "$share/g/t"));
    assert_string_equal(matches(b, "t"), "0+0");
}

static void one_of_the_configuration_stays(void **state)
{
    struct bed *b = *state;
    assert_true(router_declare_group(b->router, text("$share/g/t")));
    assert_int_equal(queues(b, "t"), 1);
    join(b, 0, "$share/g/t", 1);
    leave(b, 0, "$share/g/t");
    assert_string_equal(b->ended, "$share/g/t");
    assert_non_null(group(b, "$share/g/t"));
    assert_int_equal(queues(b, "t"), 1);
}

static void no_topic_matches_a_members_own_text(void **state)
{
    struct bed *b = *state;
    join(b, 0, "$share/g/t", 1);
    join(b, 1, "#", 1);
    assert_string_equal(matches(b, "$share/g/t"), "0+0");
}

static void what_isnt_a_shared_filter_is_refused(void **state)
{
    static const char *const bad[] = {"$share/g", "$share//t", "$share/+/t", "$share/#"};
    struct bed *b = *state;
    struct subscription_options options = {.qos = 1};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(router_subscribe(b->router, b->members[0], text(bad[i]), options));
        assert_int_equal(b->members[0]->subscriber.count, 0);
    }
}

static void its_queue_is_for_members_above_qos_0(void **state)
{
    struct bed *b = *state;
    join(b, 0, "$share/g/t", 0);
    assert_true(share_group_is_drawn(group(b, "$share/g/t")));
    assert_int_equal(queues(b, "t"), 0);
    join(b, 1, "$share/g/t", 1);
    assert_int_equal(queues(b, "t"), 1);
    join(b, 1, "$share/g/t", 0); /* replaced */
    assert_int_equal(queues(b, "t"), 0);
    join(b, 2, "$share/g/t", 2);
    b->members[2]->client = NULL;
    router_session_left(b->router, b->members[2]); /* durable: away */
    assert_int_equal(queues(b, "t"), 1);
}

static void members_take_turns(void **state)
{
    struct bed *b = *state;
    char got[7] = "";
    for (int i = 0; i < MEMBERS; i++)
        join(b, i, "$share/g/t", 1);
    for (int i = 0; i < 6; i++)
        got[i] = choose(b, "$share/g/t", group(b, "$share/g/t")->turn);
    assert_string_equal(got, "abcabc");
}

static void who_has_no_room_or_no_connection_is_passed_over(void **state)
{
    struct bed *b = *state;
    for (int i = 0; i < MEMBERS; i++)
        join(b, i, "$share/g/t", 1);
    b->full[0] = true;
    assert_int_equal(choose(b, "$share/g/t", 0), 'b');
    b->members[1]->client = NULL;
    assert_int_equal(choose(b, "$share/g/t", 0), 'c');
    b->full[2] = true;
    assert_int_equal(choose(b, "$share/g/t", 0), '-');
}

/* Of `total` draws, how many fall to this node (0) and the others. */
static void draw_all(struct bed *b, uint64_t total, unsigned *counts, const int *nodes)
{
    for (uint64_t i = 0; i < total; i++) {
        struct share_draw how = {.number = i};
        void *node;
        assert_true(share_group_draw(router_groups(b->router), group(b, "$share/g/t"), how, &node));
        counts[node == NULL ? 0 : (const int *)node - nodes + 1]++;
    }
}

static void nodes_are_drawn_by_their_numbers(void **state)
{
    static int nodes[2];
    struct bed *b = *state;
    unsigned counts[3] = {0};
    join(b, 0, "$share/g/t", 0);
    router_route_members(b->router, &nodes[0], text("$share/g/t"), 3, 0);
    router_route_members(b->router, &nodes[1], text("$share/g/t"), 2, 0);
    draw_all(b, 60, counts, nodes);
    assert_int_equal(counts[0], 10);
    assert_int_equal(counts[1], 30);
    assert_int_equal(counts[2], 20);
    struct share_draw other = {.not_here = true, .except = &nodes[0]};
    void *node;
    assert_true(share_group_draw(router_groups(b->router), group(b, "$share/g/t"), other, &node));
    assert_ptr_equal(node, &nodes[1]);
    router_node_removed(b->router, &nodes[1]);
    assert_false(share_group_draw(router_groups(b->router), group(b, "$share/g/t"), other, &node));
}

static void a_nodes_qos_counts_and_goes_with_it(void **state)
{
    static int node;
    struct bed *b = *state;
    join(b, 0, "$share/g/t", 0);
    router_route_members(b->router, &node, text("$share/g/t"), 1, 2);
    assert_int_equal(queues(b, "t"), 1);
    router_route_members(b->router, &node, text("$share/g/t"), 0, 0);
    assert_int_equal(queues(b, "t"), 0);
    router_route_remove(b->router, &node, text("$share/g/t"));
    assert_string_equal(matches(b, "t"), "0+1");
    leave(b, 0, "$share/g/t");
    assert_string_equal(matches(b, "t"), "0+0");
}

static void its_qos_falls_with_the_members_that_had_it(void **state)
{
    struct bed *b = *state;
    join(b, 0, "$share/g/t", 2);
    join(b, 1, "$share/g/t", 1);
    join(b, 2, "$share/g/t", 0);
    assert_int_equal(group(b, "$share/g/t")->qos, 2);
    join(b, 0, "$share/g/t", 2); /* the same again */
    leave(b, 0, "$share/g/t");
    assert_int_equal(group(b, "$share/g/t")->qos, 1);
    router_unsubscribe_all(b->router, b->members[1]);
    assert_int_equal(group(b, "$share/g/t")->qos, 0);
    assert_true(share_group_is_drawn(group(b, "$share/g/t")));
}

/* Whoever is away, and whoever has come: members that can't be asked what they may read. */
static void it_is_known_whether_members_are_away(void **state)
{
    struct bed *b = *state;
    uint8_t qos;
    join(b, 1, "$share/g/t", 0);
    join(b, 2, "$share/g/t", 1); /* durable */
    assert_false(share_group_has_away(router_groups(b->router), group(b, "$share/g/t")));
    b->members[2]->client = NULL;
    router_session_left(b->router, b->members[2]);
    assert_true(share_group_has_away(router_groups(b->router), group(b, "$share/g/t")));
    assert_int_equal(
        share_group_members_here(router_groups(b->router), group(b, "$share/g/t"), &qos), 1);
    assert_int_equal(qos, 1); /* all nodes know of it */
}

/* 40,000 that come, change and go: with a look at the others each they cost 10 s and more. */
static void joining_a_large_group_costs_no_more(void **state)
{
    enum { MANY = 40000 };
    static struct session *many[MANY];
    struct bed *b = *state;
    struct subscription_options options = {.qos = 1};
    uint64_t begin_ns = clock_thread_cpu_ns();
    for (int i = 0; i < MANY; i++) {
        char id[16];
        uint8_t qos;
        snprintf(id, sizeof(id), "many%d", i);
        many[i] = session_table_add(b->table, text(id), false);
        router_session_joined(b->router, many[i]);
        assert_true(router_subscribe(b->router, many[i], text("$share/g/t"), options));
        share_group_members_here(router_groups(b->router), group(b, "$share/g/t"), &qos);
        assert_int_equal(qos, 1);
    }
    for (int i = 0; i < MANY; i++)
        router_unsubscribe_all(b->router, many[i]);
    assert_null(group(b, "$share/g/t"));
    assert_true(clock_thread_cpu_ns() - begin_ns < UINT64_C(2000000000));
}

/* Where they are is remembered between two changes of the tree. */
static void members_are_found_wherever_the_tree_has_them(void **state)
{
    struct bed *b = *state;
    const struct share_draw how = {.number = 0};
    void *node;
    assert_true(share_groups_declare(router_groups(b->router), text("$share/g/t")));
    assert_int_equal(choose(b, "$share/g/t", 0), '-');
    join(b, 0, "$share/g/t", 1);
    assert_int_equal(choose(b, "$share/g/t", 0), 'a');
    leave(b, 0, "$share/g/t");
    assert_int_equal(choose(b, "$share/g/t", 0), '-');
    assert_false(share_group_draw(router_groups(b->router), group(b, "$share/g/t"), how, &node));
    join(b, 1, "$share/g/t", 1);
    join(b, 0, "$share/g/t/u", 1); /* below it */
    assert_int_equal(choose(b, "$share/g/t", 0), 'b');
    leave(b, 1, "$share/g/t"); /* its node in the tree goes into the other's */
    assert_int_equal(choose(b, "$share/g/t", 0), '-');
    join(b, 2, "$share/g/t", 1);
    assert_int_equal(choose(b, "$share/g/t", 7), 'c');
    assert_true(share_group_draw(router_groups(b->router), group(b, "$share/g/t"), how, &node));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(members_are_found_wherever_the_tree_has_them),
        TEST(a_group_is_matched_once_for_all_its_members),
        TEST(it_ends_with_its_last_member),
        TEST(one_of_the_configuration_stays),
        TEST(no_topic_matches_a_members_own_text),
        TEST(what_isnt_a_shared_filter_is_refused),
        TEST(its_queue_is_for_members_above_qos_0),
        TEST(members_take_turns),
        TEST(who_has_no_room_or_no_connection_is_passed_over),
        TEST(nodes_are_drawn_by_their_numbers),
        TEST(a_nodes_qos_counts_and_goes_with_it),
        TEST(its_qos_falls_with_the_members_that_had_it),
        TEST(it_is_known_whether_members_are_away),
        TEST(joining_a_large_group_costs_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
