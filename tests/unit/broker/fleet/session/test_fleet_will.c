/* fleet_will: a will is published once, cleared when it is out, and tried again when it isn't. */
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/publish/fleet_will_table.h"
#include "broker/fleet/session/fleet_will.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define CLEAR "will_clear fl:{s}: c 5"

static void publish_of(struct lone_node *n, uint64_t epoch, uint8_t qos, const char *name)
{
    struct fleet_bytes frame = lone_frame("w", "gone", qos);
    fleet_will_publish(&n->f,
                       (struct fleet_session_ref){.client = mqtt_slice_of("c", 1), .epoch = epoch},
                       fleet_bytes_all(&frame), name != NULL ? lone_done : NULL,
                       name != NULL ? lone_call(n, name) : NULL);
    fleet_bytes_fini(&frame);
}

static void publish(struct lone_node *n, const char *name)
{
    publish_of(n, LONE_EPOCH, 1, name);
}

static void it_is_cleared_when_it_is_out(void **state)
{
    struct lone_node *n = *state;
    publish(n, "done");
    assert_told(n, "will gone");
    redis_gets_nothing(n);
    lone_will_done(n, STORE_OK);
    assert_told(n, "");
    assert_int_equal(*n->f.metrics.wills, 1);
    redis_gets(n, CLEAR);
    redis_says(n, ":1");
    assert_told(n, "done ok");
}

static void one_that_isnt_cleared_is_no_success(void **state)
{
    struct lone_node *n = *state;
    publish(n, "done");
    lone_will_done(n, STORE_OK);
    redis_says_nothing(n);
    assert_told(n, "will gone; done unavailable");
}

/* Queues and inboxes know by the id whether they had it. */
static void its_id_is_that_of_the_connection(void **state)
{
    struct lone_node *n = *state;
    struct message *m = lone_message("w", "gone", 1, false);
    publish(n, NULL);
    m->id = (struct message_id){.node = fleet_hash("c", 1), .sequence = LONE_EPOCH};
    assert_true(fleet_will_is(&n->f, m));
    assert_int_equal(fleet_will_behalf(&n->f, m).epoch, LONE_EPOCH);
    m->id.sequence++;
    assert_false(fleet_will_is(&n->f, m));
    lone_will_done(n, STORE_OK);
    redis_says(n, ":1");
    m->id.sequence--;
    assert_false(fleet_will_is(&n->f, m)); /* it is over */
    message_unref(m);
}

static void one_that_is_under_way_is_waited_for(void **state)
{
    struct lone_node *n = *state;
    publish(n, "first");
    publish(n, "second");
    publish(n, NULL); /* from `due`: nobody waits */
    assert_told(n, "will gone");
    publish_of(n, LONE_EPOCH + 1, 1, NULL); /* another one */
    assert_told(n, "will gone");
    lone_will_done(n, STORE_UNAVAILABLE);
    assert_told(n, "");
}

static void all_who_wait_are_told(void **state)
{
    static const enum store_status statuses[] = {STORE_FULL, STORE_OK};
    static const char *const told[] = {"will gone; first full; second full",
                                       "will gone; first ok; second ok"};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 2; i++) {
        publish(n, "first");
        publish(n, "second");
        lone_will_done(n, statuses[i]);
        if (statuses[i] == STORE_OK)
            redis_says(n, ":1");
        assert_told(n, told[i]);
        redis_gets_nothing(n); /* what isn't out stays in Redis */
    }
}

/* A node published it before and came to this node's clients. Whether to all others isn't known. */
static void who_had_it_here_gets_it_elsewhere(void **state)
{
    struct lone_node *n = *state;
    publish(n, NULL);
    lone_will_done(n, STORE_OK);
    redis_says(n, ":1");
    assert_told(n, "will gone");
    for (int i = 0; i < 2; i++) { /* also again when it fails */
        publish(n, "done");
        assert_told(n, "match w");
        fleet_versions_flush(&n->f);
        redis_gets(n, "GET fl:{r}:ver");
        if (i == 0)
            redis_says_nothing(n);
        else
            redis_says(n, "'0");
        if (i == 1) {
            redis_gets(n, CLEAR);
            redis_says(n, ":1");
        }
        assert_told(n, i == 0 ? "done unavailable" : "done ok");
    }
}

/* It has come to nobody. */
static void one_that_failed_here_is_published_here_again(void **state)
{
    struct lone_node *n = *state;
    for (int i = 0; i < 2; i++) {
        publish(n, "done");
        assert_told(n, "will gone");
        lone_will_done(n, STORE_UNAVAILABLE);
        assert_told(n, "done unavailable");
    }
    redis_gets_nothing(n);
    assert_int_equal(*n->f.metrics.wills, 0);
}

/* No inbox remembers them: at most once was never more. */
static void at_qos_0_it_isnt_remembered(void **state)
{
    struct lone_node *n = *state;
    for (int i = 0; i < 2; i++) {
        publish_of(n, LONE_EPOCH, 0, NULL);
        assert_told(n, "will gone");
        lone_will_done(n, STORE_OK);
        redis_says(n, ":1");
    }
}

static void one_that_cant_be_read_is_cleared(void **state)
{
    struct lone_node *n = *state;
    fleet_will_publish(
        &n->f, (struct fleet_session_ref){.client = mqtt_slice_of("c", 1), .epoch = LONE_EPOCH},
        mqtt_slice_of("?", 1), lone_done, lone_call(n, "done"));
    redis_gets(n, CLEAR);
    assert_told(n, "");
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done ok"); /* it keeps nobody out */
}

static void tell_each(struct fleet *f, struct fleet_session_ref session)
{
    lone_tell((struct lone_node *)f, "%.*s %llu", (int)session.client.len,
              (const char *)session.client.data, (unsigned long long)session.epoch);
}

static void those_under_way_are_known(void **state)
{
    struct lone_node *n = *state;
    publish_of(n, 1, 1, NULL);
    publish_of(n, 2, 1, NULL);
    publish_of(n, 3, 1, NULL);
    assert_told(n, "will gone; will gone; will gone");
    lone_will_done(n, STORE_UNAVAILABLE); /* the third */
    fleet_wills_each(&n->f, tell_each);
    assert_told(n, "c 2; c 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(it_is_cleared_when_it_is_out),
        LONE_TEST(one_that_isnt_cleared_is_no_success),
        LONE_TEST(its_id_is_that_of_the_connection),
        LONE_TEST(one_that_is_under_way_is_waited_for),
        LONE_TEST(all_who_wait_are_told),
        LONE_TEST(who_had_it_here_gets_it_elsewhere),
        LONE_TEST(one_that_failed_here_is_published_here_again),
        LONE_TEST(at_qos_0_it_isnt_remembered),
        LONE_TEST(one_that_cant_be_read_is_cleared),
        LONE_TEST(those_under_way_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
