/* The groups of shared subscriptions of a node: what is published for one is appended, members take, and what became
 * of it is told. */
#include "broker/fleet/group/fleet_group.h"

#include "broker/fleet/group/fleet_group_away.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/group/fleet_group_members.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/group/fleet_group_take.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define GROUP "$share/g/t"
#define FULL "$share/full/t" /* its members here have no room */
#define APPEND "group_append fl:{g}: " LONE_HEX " 1 40 0 60000 100 '' "

/* ---- publishing ------------------------------------------------------------------------------- */

/* For the group, as if its part had been noted before. */
static struct lone_parts *publish(struct lone_node *n, const char *filter, uint8_t qos,
                                  bool remember)
{
    struct lone_parts *l = malloc(sizeof(*l));
    assert_non_null(l);
    lone_parts_init(l, n, lone_message("t", "payload", qos, false));
    id_set_add(&l->p.clients, fleet_group_part(lone_slice(filter)));
    fleet_group_add(&n->f, &l->p, lone_slice(filter), remember);
    fleet_group_queues_flush(&n->f);
    assert_told(n, "sent");
    return l;
}

static void published(struct lone_parts *l)
{
    lone_parts_fini(l);
    free(l);
}

static void a_message_is_appended_and_hungry_nodes_are_woken(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *l = publish(n, GROUP, 1, false);
    redis_gets_first(n, APPEND GROUP " ");
    assert_non_null(strstr(lone_command(n, 0), "payload"));
    redis_says(n, "[ :0 '" LONE_HEX " '" GROUP " :3 ]");
    assert_told(n, "woken " GROUP " 3");
    redis_gets_nothing(n);
    assert_int_equal(l->p.status, STORE_OK);
    published(l);
}

static void who_has_no_room_lets_the_next_be_named(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *l = publish(n, FULL, 1, false);
    redis_says(n, "[ :0 '" LONE_HEX " '" FULL " :1 ]");
    assert_told(n, "woken " FULL " 1");
    redis_gets(n, "group_done fl:{g}: " FULL);
    redis_says(n, "[ ]");
    redis_gets_nothing(n);
    published(l);
}

static void a_repeat_is_known_by_its_id(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *l = publish(n, GROUP, 2, true);
    assert_non_null(strstr(lone_command(n, 0), " \\00\\00\\00\\00\\00\\00\\00\\0a\\00"));
    published(l);
}

static void without_a_member_it_is_counted_or_tried_again_after_a_loss(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *l = publish(n, GROUP, 1, false);
    redis_says(n, "[ :0 '# '" GROUP " :0 ]");
    assert_int_equal(*n->f.metrics.share_nobody, 1);
    assert_false(l->p.unknown);
    published(l);
    n->f.lost_until_ms = n->f.now_ms + 1000;
    l = publish(n, GROUP, 1, false);
    redis_says(n, "[ :0 '# '" GROUP " :0 ]");
    assert_true(l->p.unknown);
    assert_false(id_set_has(&l->p.clients, fleet_group_part(lone_slice(GROUP))));
    published(l);
}

static void where_redis_is_full_it_is_held(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *l = publish(n, GROUP, 1, false);
    redis_says(n, "!OOM");
    assert_true(l->p.missed);
    published(l);
}

static void a_group_of_the_configuration_says_how_long_it_keeps(void **state)
{
    struct lone_node *n = *state;
    fleet_group_declare(&n->f, lone_slice(GROUP), 5000);
    struct lone_parts *l = publish(n, GROUP, 1, false);
    assert_non_null(strstr(lone_command(n, 0), " '' 5000"));
    published(l);
}

/* ---- taking ----------------------------------------------------------------------------------- */

struct took {
    struct lone_node *n;
    struct store_taken *taken[4];
    size_t count;
};

static void on_taken(void *arg, enum store_status status, const struct store_share_entry *entries,
                     size_t count, bool more)
{
    struct took *t = arg;
    lone_tell(t->n, "took %zu%s%s", count, more ? " more" : "", status == STORE_OK ? "" : " !");
    for (size_t i = 0; i < count; i++) {
        lone_tell(t->n, "%.*s at %u", (int)entries[i].message->payload.len,
                  (const char *)entries[i].message->payload.data, entries[i].qos);
        t->taken[t->count++] = entries[i].taken;
    }
}

static void take(struct took *t, struct store_hold *hold, uint8_t qos)
{
    struct store_member m = {.hold = hold, .filter = lone_slice(GROUP), .options = {.qos = qos}};
    fleet_group_take(&t->n->f, &m, 2, on_taken, t);
}

/* Two messages, "one" at QoS 1 and "two" at QoS 2. */
static void give_two(struct lone_node *n)
{
    struct fleet_bytes a = lone_frame("t", "one", 1);
    struct fleet_bytes b = lone_frame("t", "two", 2);
    char first[128] = "1000 ";
    char second[128] = "1000 ";
    memcpy(first + 5, a.data, a.len);
    memcpy(second + 5, b.data, b.len);
    redis_says(n, "[ :1 :1 '71 %b '72 %b ]", first, a.len + 5, second, b.len + 5);
    fleet_bytes_fini(&a);
    fleet_bytes_fini(&b);
}

static void a_member_joins_takes_and_tells_what_became_of_it(void **state)
{
    struct lone_node *n = *state;
    struct took t = {.n = n};
    struct store_hold *hold = lone_connected(n, "c", false);
    struct store_member m = {.hold = hold, .filter = lone_slice(GROUP)};
    fleet_group_join(&n->f, &m);
    redis_gets(n, "group_join fl:{g}: " GROUP " c 5 " LONE_HEX " 0 0");
    redis_says(n, ":1");
    take(&t, hold, 2);
    redis_gets(n, "group_take fl:{g}: " GROUP " c 5 " LONE_HEX " 1 2 2 c5\\20" LONE_HEX
                  "\\20 \\20c 0");
    give_two(n);
    assert_told(n, "took 2 more; one at 1; two at 2");
    fleet_group_finish(&n->f, t.taken[0]);
    fleet_group_put_back(&n->f, t.taken[1]);
    redis_gets_nothing(n); /* with the turn's flush */
    fleet_group_dones_flush(&n->f);
    redis_gets(n, "group_done fl:{g}: " GROUP " f 71 c5\\20" LONE_HEX
                  "\\201\\20c b 72 c5\\20" LONE_HEX "\\202\\20c");
    redis_says(n, "[ '" LONE_HEX " ]");
    assert_told(n, "woken " GROUP " 1");
}

static void at_qos_0_it_is_finished_at_once(void **state)
{
    struct lone_node *n = *state;
    struct took t = {.n = n};
    take(&t, lone_connected(n, "c", true), 0);
    give_two(n);
    assert_told(n, "took 2 more; one at 0; two at 0");
    assert_null(t.taken[0]);
    fleet_group_dones_flush(&n->f);
    redis_gets(n, "group_done fl:{g}: " GROUP " f 71 d0\\205\\20" LONE_HEX
                  "\\20c f 72 d0\\205\\20" LONE_HEX "\\20c");
}

static void of_who_isnt_a_member_nothing_is_taken(void **state)
{
    struct lone_node *n = *state;
    struct took t = {.n = n};
    take(&t, lone_connected(n, "c", false), 1);
    redis_says(n, "[ :0 ]");
    assert_told(n, "took 0");
    take(&t, lone_connected(n, "d", false), 1);
    redis_says_nothing(n);
    assert_told(n, "took 0 !");
}

/* ---- a durable member ------------------------------------------------------------------------- */

static void a_durable_members_messages_are_copied_into_its_queue(void **state)
{
    struct lone_node *n = *state;
    struct took t = {.n = n};
    take(&t, lone_connected(n, "c", true), 1);
    give_two(n);
    assert_told(n, "");
    redis_gets_first(n, "group_copy fl:{s}: c 5 " LONE_HEX " run00001 60000 " GROUP
                        "\\0071\\00d1\\205\\20" LONE_HEX "\\20c \\01");
    redis_says(n, "[ :1 :2 ]");
    assert_told(n, "wake c; took 0 more");
    fleet_group_dones_flush(&n->f); /* the second one was acknowledged before */
    redis_gets(n, "group_done fl:{g}: " GROUP " f 72 d1\\205\\20" LONE_HEX "\\20c");
}

/* The call may have been done before, when it was: the session is asked. */
static void if_the_session_isnt_here_it_is_asked_for_the_copies(void **state)
{
    struct lone_node *n = *state;
    struct took t = {.n = n};
    take(&t, lone_connected(n, "c", true), 1);
    give_two(n);
    redis_says(n, "[ ]");
    assert_told(n, "took 0 more");
    fleet_group_dones_flush(&n->f);
    redis_gets(n, "group_return fl:{s}: c a " GROUP "\\0071\\00d1\\205\\20" LONE_HEX "\\20c " GROUP
                  "\\0072\\00d1\\205\\20" LONE_HEX "\\20c");
    redis_says(n, "[ 'b %b ]",
               GROUP "\0"
                     "72\0"
                     "d1 5 " LONE_HEX " c",
               sizeof(GROUP "\0"
                            "72\0"
                            "d1 5 " LONE_HEX " c") -
                   1);
    redis_gets(n, "group_done fl:{g}: " GROUP " b 72 d1\\205\\20" LONE_HEX "\\20c");
}

static void when_it_leaves_unsent_copies_go_back(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    ((struct fleet_hold *)hold->store_data)->sent = 9;
    fleet_group_leave(&n->f, hold, lone_slice(GROUP), STORE_LEAVE_AWAY);
    redis_gets(n, "group_return fl:{s}: c u 5 9 " GROUP);
    redis_says(n, "[ 'b '" GROUP " ]");
    redis_gets_first(n, "group_leave fl:{g}: " GROUP " c 5 " LONE_HEX " 1 1 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_message_is_appended_and_hungry_nodes_are_woken),
        LONE_TEST(who_has_no_room_lets_the_next_be_named),
        LONE_TEST(a_repeat_is_known_by_its_id),
        LONE_TEST(without_a_member_it_is_counted_or_tried_again_after_a_loss),
        LONE_TEST(where_redis_is_full_it_is_held),
        LONE_TEST(a_group_of_the_configuration_says_how_long_it_keeps),
        LONE_TEST(a_member_joins_takes_and_tells_what_became_of_it),
        LONE_TEST(at_qos_0_it_is_finished_at_once),
        LONE_TEST(of_who_isnt_a_member_nothing_is_taken),
        LONE_TEST(a_durable_members_messages_are_copied_into_its_queue),
        LONE_TEST(if_the_session_isnt_here_it_is_asked_for_the_copies),
        LONE_TEST(when_it_leaves_unsent_copies_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
