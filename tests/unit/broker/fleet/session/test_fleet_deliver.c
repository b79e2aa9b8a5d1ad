/* fleet_deliver: entries of a queue come as they were stored, and acknowledgements go once per turn. */
#include "broker/fleet/session/fleet_deliver.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { ACKS_AT_ONCE = 500 };
enum { RETAIN = 0x04, VALUE = 0x08, IDS = 0x10 };

static void on_fetch(void *arg, enum store_status status, const struct store_entry *entries,
                     size_t count, bool more)
{
    lone_done(arg, status);
    for (size_t i = 0; i < count; i++) {
        char ids[64] = "";
        for (uint32_t k = 0; k < entries[i].ids.count; k++)
            snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), " id %u",
                     entries[i].ids.items[k]);
        lone_tell(((struct lone_call *)arg)->n, "%llu %.*s qos %u%s%s%s%s",
                  (unsigned long long)entries[i].sequence, (int)entries[i].message->payload.len,
                  (const char *)entries[i].message->payload.data, entries[i].qos,
                  entries[i].retain ? " retain" : "", entries[i].is_value ? " value" : "",
                  entries[i].duplicate ? " again" : "", ids);
    }
    if (more)
        lone_tell(((struct lone_call *)arg)->n, "more");
}

static void fetch(struct lone_call *c, struct store_hold *hold)
{
    fleet_fetch(&c->n->f, hold, 3, 10, 1000, on_fetch, c);
}

/* As it stands in the queue. */
static struct fleet_bytes entry(uint8_t flags, const char *payload)
{
    struct fleet_bytes frame = lone_frame("t", payload, 2);
    struct fleet_bytes b = {0};
    fleet_bytes_u8(&b, flags);
    fleet_bytes_put(&b, frame.data, frame.len);
    fleet_bytes_fini(&frame);
    return b;
}

static void entries_come_as_they_were_stored(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_hold *h = hold->store_data;
    struct fleet_bytes a = entry(1, "a");
    struct fleet_bytes b = entry(2 | RETAIN, "b");
    struct fleet_bytes d = entry(RETAIN | VALUE, "d");
    fetch(c, hold);
    redis_gets(n, "fetch fl:{s}: c 5 3-0 10 1000");
    redis_says(n, "[ :1 :1 :4 '3 %b '4 %b '5 %b ]", a.data, a.len, b.data, b.len, d.data, d.len);
    assert_told(n, "fetched ok; 3 a qos 1 again; 4 b qos 2 retain again; "
                   "5 d qos 0 retain value; more");
    assert_int_equal(h->sent, 5);
    fetch(c, hold); /* from an earlier one on: it was sent up to 5 all the same */
    redis_says(n, "[ :1 :0 :0 '3 %b ]", a.data, a.len);
    assert_told(n, "fetched ok; 3 a qos 1");
    assert_int_equal(h->sent, 5);
    fetch(c, hold);
    redis_says(n, "[ :1 :0 :0 ]");
    assert_told(n, "fetched ok");
    fleet_bytes_fini(&a);
    fleet_bytes_fini(&b);
    fleet_bytes_fini(&d);
}

/* Identifiers stand between the flags and the frame. */
static struct fleet_bytes entry_with(const char *ids, size_t len, const char *payload)
{
    struct fleet_bytes frame = lone_frame("t", payload, 2);
    struct fleet_bytes b = {0};
    fleet_bytes_u8(&b, 1 | IDS);
    fleet_bytes_put(&b, ids, len);
    fleet_bytes_put(&b, frame.data, frame.len);
    fleet_bytes_fini(&frame);
    return b;
}

static void identifiers_come_with_them(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_bytes one = entry_with("\1\xff\xff\xff\x7f", 5, "a");
    struct fleet_bytes three = entry_with("\3\1\x80\1\2", 5, "b");
    struct fleet_bytes none = entry(1, "c");
    fetch(c, hold);
    redis_says(n, "[ :1 :0 :0 '3 %b '4 %b '5 %b ]", one.data, one.len, three.data, three.len,
               none.data, none.len);
    assert_told(n, "fetched ok; 3 a qos 1 id 268435455; 4 b qos 1 id 1 id 128 id 2; 5 c qos 1");
    fleet_bytes_fini(&one);
    fleet_bytes_fini(&three);
    fleet_bytes_fini(&none);
}

static void more_identifiers_than_there_are_bytes_are_none(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_bytes a = entry(1, "a");
    fetch(c, hold);
    redis_says(n, "[ :1 :0 :0 '1 '\x11\x7f '2 '\x11\x80 '3 '\x11\2\1 '4 %b ]", a.data, a.len);
    assert_told(n, "fetched ok; 4 a qos 1");
    fleet_bytes_fini(&a);
}

static void one_that_cant_be_read_is_passed_over(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_bytes a = entry(1, "a");
    fetch(c, hold);
    redis_says(n, "[ :1 :0 :0 '1 '\1 '2 '\1x '3 %b '4 %b ]", a.data, a.len - 1, a.data, a.len);
    assert_told(n, "fetched ok; 4 a qos 1");
    assert_int_equal(((struct fleet_hold *)hold->store_data)->sent, 4);
    fleet_bytes_fini(&a);
}

static void who_is_fenced_gets_nothing(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    fetch(c, hold);
    redis_says(n, "[ :0 ]");
    assert_told(n, "fenced c; fetched fenced");
    fetch(c, hold); /* it has ended */
    fleet_run_deferred(&n->f, true);
    assert_told(n, "fetched unavailable");
}

static void an_error_or_no_answer_is_unavailable(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    fetch(c, hold);
    redis_says(n, "!ERR");
    fetch(c, hold);
    redis_says_nothing(n);
    assert_told(n, "fetched unavailable; fetched unavailable");
}

/* The entries may have the sequences of others that the client was sent. */
static void what_another_run_has_is_read_once_it_is_asserted_there(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_hold *h = hold->store_data;
    struct fleet_bytes a = entry(1, "a");
    strcpy(n->f.run_tag, "run00002");
    fetch(c, hold);
    redis_says(n, "[ :1 :1 :0 '3 %b ]", a.data, a.len);
    assert_told(n, "fetched ok");
    assert_true(h->fetch_later);
    assert_int_equal(h->sent, 0);
    fleet_bytes_fini(&a);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static void acknowledgements_go_at_the_turns_end(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "released");
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_ack(&n->f, hold, 'a', 1, NULL, NULL);
    fleet_ack(&n->f, hold, 'r', 2, lone_done, c);
    fleet_ack(&n->f, lone_connected(n, "d", true), 'a', 9, NULL, NULL);
    redis_gets_nothing(n);
    fleet_acks_flush(&n->f);
    assert_int_equal(lone_count(n), 2);
    redis_gets(n, "ack fl:{s}: d 5 run00001 a 9");
    redis_says(n, ":1");
    redis_gets(n, "ack fl:{s}: c 5 run00001 a 1 r 2");
    redis_says(n, ":1");
    assert_told(n, "released ok");
    fleet_acks_flush(&n->f);
    redis_gets_nothing(n);
}

static void many_go_before(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    for (uint64_t i = 1; i < ACKS_AT_ONCE; i++)
        fleet_ack(&n->f, hold, 'a', i, NULL, NULL);
    redis_gets_nothing(n);
    fleet_ack(&n->f, hold, 'a', ACKS_AT_ONCE, NULL, NULL);
    redis_gets_first(n, "ack fl:{s}: c 5 run00001 a 1 a 2 ");
    redis_says(n, ":1");
    fleet_acks_flush(&n->f); /* nothing is left */
    redis_gets_nothing(n);
}

/* What was acknowledged isn't read again. */
static void a_fetch_comes_behind_the_acknowledgements(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "fetched");
    struct store_hold *hold = lone_connected(n, "c", true);
    n->f.holds->round++;
    fleet_ack(&n->f, hold, 'a', 1, NULL, NULL);
    fetch(c, hold);
    redis_gets_first(n, "ack ");
    redis_says(n, ":1");
    redis_gets_first(n, "assert ");
    redis_says(n, ":1");
    redis_gets_first(n, "fetch ");
    redis_says(n, "[ :1 :0 :0 ]");
    n->f.holds->round++;
    fleet_ack(&n->f, hold, 'a', 1, NULL, NULL);
    fleet_acks_flush(&n->f); /* what may be lost is said before, with them */
    redis_gets_first(n, "ack ");
    redis_says(n, ":1");
    redis_gets_first(n, "assert ");
    redis_says(n, ":1");
    redis_gets_nothing(n);
}

static void who_has_ended_acknowledges_nothing(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "released");
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_hold_drop(hold->store_data);
    fleet_ack(&n->f, hold, 'r', 1, lone_done, c);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "released unavailable");
    fleet_acks_flush(&n->f);
    redis_gets_nothing(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(entries_come_as_they_were_stored),
        LONE_TEST(identifiers_come_with_them),
        LONE_TEST(more_identifiers_than_there_are_bytes_are_none),
        LONE_TEST(one_that_cant_be_read_is_passed_over),
        LONE_TEST(who_is_fenced_gets_nothing),
        LONE_TEST(an_error_or_no_answer_is_unavailable),
        LONE_TEST(what_another_run_has_is_read_once_it_is_asserted_there),
        LONE_TEST(acknowledgements_go_at_the_turns_end),
        LONE_TEST(many_go_before),
        LONE_TEST(a_fetch_comes_behind_the_acknowledgements),
        LONE_TEST(who_has_ended_acknowledges_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
