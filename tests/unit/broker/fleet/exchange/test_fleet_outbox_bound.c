/* fleet_outbox: a node that isn't read pauses its senders; then it misses something, and is told so. */
#include "broker/fleet/exchange/fleet_outbox.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { HOLD_MS = 2000, ASK_MS = 50, PAUSED_ASK_MS = 100 };
#define ENTRY "XADD fl:{n:" OTHER_HEX "}:in NOMKSTREAM * d "
#define ASKED "XLEN fl:{n:" OTHER_HEX "}:in"

/* A message that is only its text, for a node. */
static void add(struct lone_node *n, struct lone_parts *l, const char *text)
{
    struct fleet_bytes frame = {0};
    lone_parts_init(l, n, NULL);
    id_set_add(&l->p.nodes, OTHER_ID);
    fleet_bytes_put(&frame, text, strlen(text));
    outbox_add_message(&n->f, fleet_node_get(&n->f, OTHER_ID), &l->p, &frame);
    fleet_bytes_fini(&frame);
}

static struct outbox *outbox_of(struct lone_node *n)
{
    return &fleet_node_get(&n->f, OTHER_ID)->outbox;
}

/* Its inbox has so many entries, as it is asked at the next flush of something. */
static void see_length(struct lone_node *n, const char *length)
{
    outbox_add_wake(&n->f, fleet_node_get(&n->f, OTHER_ID), lone_slice("c"));
    n->f.now_ms += ASK_MS;
    outboxes_flush(&n->f);
    redis_gets_first(n, ENTRY);
    redis_says(n, "'1-0");
    redis_gets(n, ASKED);
    redis_says(n, length);
}

static void an_inbox_at_its_limit_pauses_its_sender(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    see_length(n, ":9");
    assert_int_equal(outbox_of(n)->paused_since_ms, 0);
    see_length(n, ":10");
    assert_int_equal(outbox_of(n)->paused_since_ms, n->f.now_ms);
    add(n, &l, "x");
    outbox_add_gone(&n->f, fleet_node_get(&n->f, OTHER_ID), 1);
    outboxes_flush(&n->f);
    redis_gets_nothing(n);
    n->f.now_ms += PAUSED_ASK_MS;
    outboxes_tick(&n->f);
    redis_gets(n, ASKED);
    redis_says(n, ":10");
    outboxes_tick(&n->f); /* not so soon again */
    redis_gets_nothing(n);
    n->f.now_ms += PAUSED_ASK_MS;
    outboxes_tick(&n->f);
    redis_says(n, ":9");
    assert_told(n, "");
    outboxes_flush(&n->f);
    assert_told(n, "sent");
    redis_gets_first(n, ENTRY);
    lone_parts_fini(&l);
}

static void the_length_is_asked_now_and_then(void **state)
{
    struct lone_node *n = *state;
    see_length(n, ":1");
    n->f.now_ms += ASK_MS - 1;
    outbox_add_wake(&n->f, fleet_node_get(&n->f, OTHER_ID), lone_slice("c"));
    outboxes_flush(&n->f);
    redis_says(n, "'1-0");
    redis_gets_nothing(n);
    see_length(n, "!ERR"); /* says nothing */
    assert_int_equal(outbox_of(n)->length, 1);
}

/* Held for two seconds: what waits is dropped, and a mark tells its receiver. */
static void a_long_pause_ends_in_a_gap_mark(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    see_length(n, ":10");
    add(n, &l, "lost");
    n->f.now_ms += HOLD_MS - 1;
    outboxes_tick(&n->f);
    redis_gets(n, ASKED);
    redis_says(n, ":10");
    assert_told(n, "");
    n->f.now_ms++;
    outboxes_tick(&n->f);
    assert_told(n, "sent");
    assert_int_equal(*n->f.metrics.gaps, 1);
    redis_gets(n, ENTRY "\\00\\00\\00\\00\\00\\00\\00\\0a\\80\\00\\00\\00\\00@\\00\\00G");
    redis_says(n, "'1-0");
    redis_gets_nothing(n);
    assert_int_equal(outbox_of(n)->paused_since_ms, n->f.now_ms); /* the next two seconds begin */
    assert_int_equal(l.p.status, STORE_OK);
    lone_parts_fini(&l);
}

static void a_pause_in_which_nothing_waits_marks_no_gap(void **state)
{
    struct lone_node *n = *state;
    see_length(n, ":10");
    n->f.now_ms += HOLD_MS;
    outboxes_tick(&n->f);
    redis_gets(n, ASKED);
    redis_says(n, ":10");
    redis_gets_nothing(n);
    assert_int_equal(*n->f.metrics.gaps, 0);
}

static void a_node_that_isnt_sure_marks_no_gap(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    see_length(n, ":10");
    add(n, &l, "x");
    n->f.now_ms += HOLD_MS;
    n->f.lease = FLEET_LEASE_UNSURE;
    outboxes_tick(&n->f);
    redis_gets_nothing(n);
    assert_told(n, "");
    outbox_drop(&n->f, outbox_of(n));
    lone_parts_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(an_inbox_at_its_limit_pauses_its_sender),
        LONE_TEST(the_length_is_asked_now_and_then),
        LONE_TEST(a_long_pause_ends_in_a_gap_mark),
        LONE_TEST(a_pause_in_which_nothing_waits_marks_no_gap),
        LONE_TEST(a_node_that_isnt_sure_marks_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
