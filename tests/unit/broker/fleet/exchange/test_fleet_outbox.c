/* fleet_outbox: one entry per turn goes into a node's inbox, and what Redis says of it is what becomes of its
 * messages. */
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { CHUNK_BYTES = 256 * 1024 };
#define HEADER_OF_1 "\\00\\00\\00\\00\\00\\00\\00\\0a\\80\\00\\00\\00\\00\\20\\00\\00"
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

static void a_turn_is_one_entry_with_a_number(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct lone_parts a;
    struct lone_parts b;
    outboxes_flush(&n->f);
    redis_gets_nothing(n);
    add(n, &a, "first");
    outbox_add_wake(&n->f, other, lone_slice("c"));
    add(n, &b, "second");
    assert_int_equal(n->f.outbox_bytes, 5 + 6);
    assert_told(n, "");
    outboxes_flush(&n->f);
    assert_told(n, "sent; sent");
    redis_gets(n, ENTRY HEADER_OF_1 "MfirstW\\01cMsecond");
    assert_int_equal(n->f.calls, 2);
    assert_int_equal(n->f.outbox_bytes, 0);
    redis_says(n, "'1-0");
    assert_int_equal(a.p.status, STORE_OK);
    assert_true(id_set_has(&a.p.nodes, OTHER_ID));
    lone_parts_fini(&a);
    lone_parts_fini(&b);
}

static void what_is_too_much_for_one_entry_is_two(void **state)
{
    static char large[CHUNK_BYTES + 1];
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    memset(large, 'x', CHUNK_BYTES);
    add(n, &a, large);
    add(n, &b, "second");
    outboxes_flush(&n->f);
    assert_told(n, "sent; sent");
    assert_int_equal(n->f.calls, 3);
    redis_says(n, "'1-0");
    redis_gets_first(n, ENTRY);
    assert_non_null(strstr(lone_command(n, 0), "@\\00\\01Msecond")); /* behind the first */
    lone_parts_fini(&a);
    lone_parts_fini(&b);
}

static void a_missing_inbox_is_tried_again_and_told(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    add(n, &l, "x");
    outboxes_flush(&n->f);
    assert_told(n, "sent");
    redis_says(n, "nil");
    assert_told(n, "node gone b");
    assert_true(l.p.missed);
    assert_false(id_set_has(&l.p.nodes, OTHER_ID));
    assert_int_equal(l.p.status, STORE_OK);
    lone_parts_fini(&l);
}

static void without_room_it_is_held(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    add(n, &l, "x");
    outboxes_flush(&n->f);
    redis_says(n, "!OOM");
    assert_true(l.p.missed && n->f.full);
    assert_false(id_set_has(&l.p.nodes, OTHER_ID));
    assert_int_equal(l.p.status, STORE_OK);
    lone_parts_fini(&l);
}

static void an_error_or_no_answer_fails_it(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    add(n, &a, "x");
    outboxes_flush(&n->f);
    redis_says(n, "!WRONGTYPE");
    assert_int_equal(a.p.status, STORE_UNAVAILABLE);
    while (lone_count(n) > 0)
        redis_says(n, ":0");
    add(n, &b, "x");
    outboxes_flush(&n->f);
    redis_says_nothing(n);
    assert_int_equal(b.p.status, STORE_UNAVAILABLE);
    assert_false(b.p.missed);
    lone_parts_fini(&a);
    lone_parts_fini(&b);
}

static void an_entry_without_memory_isnt_sent(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    add(n, &l, "x");
    TAILQ_FIRST(&outbox_of(n)->chunks)->items.failed = true;
    outboxes_flush(&n->f);
    assert_told(n, "sent");
    assert_int_equal(l.p.status, STORE_UNAVAILABLE);
    redis_gets(n, ASKED);
    lone_parts_fini(&l);
}

/* Requests and answers go by a script that runs also when Redis is full. */
static void requests_are_a_batch_of_their_own_behind_the_messages(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct lone_parts l;
    outbox_add_hand_over(&n->f, other, 'r', 'e', lone_slice("c"));
    outbox_add_gone(&n->f, other, 'q');
    add(n, &l, "x");
    n->f.now_ms = outbox_of(n)->length_asked_ms; /* isn't asked now */
    outboxes_flush(&n->f);
    redis_gets_first(n, ENTRY);
    redis_says(n, "'1-0");
    redis_gets(n, "send fl:{n:" OTHER_HEX "}:in "
                  "\\00\\00\\00\\00\\00\\00\\00\\0a\\80\\00\\00\\00\\00P\\00\\00"
                  "L\\00\\00\\00\\00\\00\\00\\00r\\00\\00\\00\\00\\00\\00\\00e\\01c"
                  "D\\00\\00\\00\\00\\00\\00\\00q");
    redis_says(n, "nil");
    assert_told(n, "sent; node gone b"); /* nobody waits for its answer */
    outboxes_flush(&n->f);
    redis_gets_nothing(n);
    outbox_add_gone(&n->f, other, 'q');
    outboxes_flush(&n->f);
    redis_says(n, "'1-0");
    assert_told(n, "");
    lone_parts_fini(&l);
}

/* The kinds of the items of an entry. */
static const char *kinds_of(const struct lone_node *n, size_t number)
{
    static char kinds[16];
    struct redis_args args = lone_args(n, number);
    size_t len = 0;
    size_t count = 0;
    const char *items = NULL;
    for (size_t i = 0; i < 6; i++)
        items = redis_args_next(&args, &len);
    assert_non_null(items);
    struct fleet_reader r = fleet_reader_of(items, len);
    fleet_reader_u64(&r);
    fleet_reader_u64(&r);
    while (fleet_reader_more(&r)) {
        kinds[count] = (char)fleet_reader_u8(&r);
        if (kinds[count++] == 'W')
            fleet_reader_slice(&r);
        else
            fleet_frame_skip(&r);
    }
    kinds[count] = '\0';
    assert_false(r.failed);
    return kinds;
}

/* Taken from this node meanwhile: in a chunk, and in what was sent and isn't answered. */
static void what_is_void_isnt_delivered_wherever_it_lies(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct fleet_bytes frame = lone_frame("t", "x", 1);
    struct lone_parts gone;
    struct lone_parts stays;
    lone_parts_init(&gone, n, NULL);
    lone_parts_init(&stays, n, NULL);
    for (int i = 0; i < 2; i++) {
        outbox_add_wake(&n->f, other, lone_slice("c"));
        outbox_add_message(&n->f, other, &stays.p, &frame);
        outbox_add_message(&n->f, other, &gone.p, &frame);
        outbox_add_wake(&n->f, other, lone_slice("c"));
        outbox_add_message(&n->f, other, &stays.p, &frame);
        if (i == 0)
            outboxes_flush(&n->f);
    }
    outboxes_void(&n->f);
    assert_string_equal(kinds_of(n, 0), "WMMWM");
    gone.p.taken = true;
    outboxes_void(&n->f);
    outboxes_void(&n->f); /* again is harmless */
    outboxes_flush(&n->f);
    assert_string_equal(kinds_of(n, 0), "WMVWM");
    redis_says(n, "'1-0");
    redis_says(n, ":1"); /* the length */
    assert_string_equal(kinds_of(n, 0), "WMVWM");
    fleet_bytes_fini(&frame);
    lone_parts_fini(&gone);
    lone_parts_fini(&stays);
}

/* ---- in order, or not at all ------------------------------------------------------------------ */

/* Sends one message; nobody asks how long the inbox is. */
static void send_one(struct lone_node *n, struct lone_parts *l, const char *text)
{
    add(n, l, text);
    outbox_of(n)->length_asked_ms = n->f.now_ms;
    outboxes_flush(&n->f);
}

/* The call that the batch of a command names; 0: none. */
static uint64_t named_by(const struct lone_node *n, size_t number)
{
    struct redis_args args = lone_args(n, number);
    size_t len = 0;
    const char *batch = NULL;
    for (size_t i = 0; i < 6; i++)
        batch = redis_args_next(&args, &len);
    assert_non_null(batch);
    struct fleet_reader r = fleet_reader_of(batch, len);
    fleet_reader_u64(&r);
    return fleet_batch_before(fleet_reader_u64(&r));
}

static void a_batch_names_the_one_before_it_that_isnt_answered(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    struct lone_parts c;
    send_one(n, &a, "a");
    send_one(n, &b, "b");
    assert_int_equal(named_by(n, 0), 0);
    assert_int_equal(named_by(n, 1), 1);
    redis_says(n, "'1-0");
    redis_says(n, "'2-0");
    send_one(n, &c, "c");
    assert_int_equal(named_by(n, 0), 0);
    redis_says(n, "'3-0");
    assert_false(a.p.missed || b.p.missed || c.p.missed);
    lone_parts_fini(&a);
    lone_parts_fini(&b);
    lone_parts_fini(&c);
}

/* Redis took it, but its receiver drops it. Wake-ups in it are sent again, with what waited for its answer. */
static void what_is_behind_a_failed_batch_is_sent_again(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct lone_parts a;
    struct lone_parts b;
    struct lone_parts c;
    send_one(n, &a, "a");
    outbox_add_wake(&n->f, other, lone_slice("w"));
    send_one(n, &b, "b");
    redis_says(n, "nil");
    assert_told(n, "sent; sent; node gone b");
    send_one(n, &c, "c");
    assert_told(n, "");
    redis_says(n, "'1-0");
    assert_true(b.p.missed && b.p.status == STORE_OK);
    assert_false(id_set_has(&b.p.nodes, OTHER_ID));
    redis_gets_nothing(n);
    outboxes_flush(&n->f);
    assert_told(n, "sent");
    assert_int_equal(named_by(n, 0), 0);
    assert_non_null(strstr(lone_command(n, 0), "McW\\01w"));
    redis_says(n, "'2-0");
    assert_false(c.p.missed);
    lone_parts_fini(&a);
    lone_parts_fini(&b);
    lone_parts_fini(&c);
}

/* Its receiver may have it or not, so nobody knows what becomes of those behind it. */
static void what_is_behind_a_batch_without_answer_fails(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    send_one(n, &a, "a");
    send_one(n, &b, "b");
    redis_says_nothing(n);
    redis_says(n, "'1-0");
    assert_int_equal(b.p.status, STORE_UNAVAILABLE);
    assert_false(b.p.missed);
    lone_parts_fini(&a);
    lone_parts_fini(&b);
}

/* Redis takes requests while it is full. */
static void requests_dont_wait_for_messages(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct lone_parts a;
    struct lone_parts b;
    send_one(n, &a, "a");
    send_one(n, &b, "b");
    redis_says(n, "nil");
    assert_told(n, "sent; sent; node gone b");
    outbox_add_gone(&n->f, other, 'q');
    outboxes_flush(&n->f);
    assert_int_equal(lone_count(n), 2);
    redis_says(n, "'1-0");
    redis_gets_first(n, "send fl:{n:" OTHER_HEX "}:in ");
    assert_non_null(strstr(lone_command(n, 0), "p\\00\\00D")); /* call 3, of requests, names none */
    lone_parts_fini(&a);
    lone_parts_fini(&b);
}

/* It may not have the batch that its former run took. */
static void another_run_is_told_of_no_batch_that_was_answered(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    struct lone_parts c;
    send_one(n, &a, "a");
    send_one(n, &b, "b");
    send_one(n, &c, "c");
    redis_says(n, "'1-0");
    assert_int_equal(named_by(n, 0), 1);
    outboxes_run_changed(&n->f);
    assert_int_equal(named_by(n, 0), 0);
    assert_int_equal(named_by(n, 1), 2);
    redis_says(n, "'1-0");
    assert_false(b.p.missed);
    lone_parts_fini(&a);
    lone_parts_fini(&b);
    lone_parts_fini(&c);
}

/* When Redis lost the list of nodes, say. */
static void a_node_that_is_known_again_has_the_batches_of_before_under_way(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    send_one(n, &a, "a");
    fleet_node_remove(&n->f, fleet_node_get(&n->f, OTHER_ID));
    send_one(n, &b, "b");
    assert_int_equal(named_by(n, 1), 1);
    lone_told(n);
    lone_parts_fini(&a);
    lone_parts_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_turn_is_one_entry_with_a_number),
        LONE_TEST(what_is_too_much_for_one_entry_is_two),
        LONE_TEST(a_missing_inbox_is_tried_again_and_told),
        LONE_TEST(without_room_it_is_held),
        LONE_TEST(an_error_or_no_answer_fails_it),
        LONE_TEST(an_entry_without_memory_isnt_sent),
        LONE_TEST(requests_are_a_batch_of_their_own_behind_the_messages),
        LONE_TEST(what_is_void_isnt_delivered_wherever_it_lies),
        LONE_TEST(a_batch_names_the_one_before_it_that_isnt_answered),
        LONE_TEST(what_is_behind_a_failed_batch_is_sent_again),
        LONE_TEST(what_is_behind_a_batch_without_answer_fails),
        LONE_TEST(requests_dont_wait_for_messages),
        LONE_TEST(another_run_is_told_of_no_batch_that_was_answered),
        LONE_TEST(a_node_that_is_known_again_has_the_batches_of_before_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
