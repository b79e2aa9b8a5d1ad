/* outbox_chunk: what waits for one node is in chunks of a bounded size, in order, and is counted. */
#include "broker/fleet/exchange/outbox_chunk.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { CHUNK_BYTES = 256 * 1024, HEADER = 16 };

static void fill(struct outbox_chunk *c, size_t len)
{
    while (c->items.len < len)
        fleet_bytes_u8(&c->items, 0);
}

static void a_chunk_begins_with_its_sender_and_takes_more(void **state)
{
    struct lone_node *n = *state;
    struct outbox o = {.chunks = TAILQ_HEAD_INITIALIZER(o.chunks)};
    struct outbox_chunk *c = outbox_open_chunk(&n->f, &o, OTHER_ID);
    struct fleet_reader r = fleet_reader_of(c->items.data, c->items.len);
    assert_int_equal(c->node, OTHER_ID);
    assert_int_equal(c->items.len, HEADER);
    assert_int_equal(fleet_reader_u64(&r), LONE_ID);
    assert_int_equal(fleet_reader_u64(&r), 0);
    assert_ptr_equal(outbox_open_chunk(&n->f, &o, OTHER_ID), c);
    outbox_drop(&n->f, &o);
}

static void a_full_chunk_is_followed_by_another(void **state)
{
    struct lone_node *n = *state;
    struct outbox o = {.chunks = TAILQ_HEAD_INITIALIZER(o.chunks)};
    struct outbox_chunk *c = outbox_open_chunk(&n->f, &o, OTHER_ID);
    fill(c, CHUNK_BYTES - 1);
    assert_ptr_equal(outbox_open_chunk(&n->f, &o, OTHER_ID), c);
    fill(c, CHUNK_BYTES);
    struct outbox_chunk *second = outbox_open_chunk(&n->f, &o, OTHER_ID);
    assert_ptr_not_equal(second, c);
    assert_ptr_equal(TAILQ_FIRST(&o.chunks), c);
    assert_ptr_equal(TAILQ_NEXT(c, next), second);
    assert_ptr_equal(outbox_open_chunk(&n->f, &o, OTHER_ID), second);
    outbox_drop(&n->f, &o);
}

/* What had no memory isn't filled any further: it would miss something in the middle. */
static void nothing_goes_behind_what_had_no_memory(void **state)
{
    struct lone_node *n = *state;
    struct outbox o = {.chunks = TAILQ_HEAD_INITIALIZER(o.chunks)};
    struct outbox_chunk *c = outbox_open_chunk(&n->f, &o, OTHER_ID);
    c->items.failed = true;
    assert_ptr_not_equal(outbox_open_chunk(&n->f, &o, OTHER_ID), c);
    outbox_drop(&n->f, &o);
}

static void it_notes_publishes_in_their_order_however_many(void **state)
{
    enum { MANY = 40 };
    struct lone_node *n = *state;
    struct outbox o = {.chunks = TAILQ_HEAD_INITIALIZER(o.chunks)};
    struct outbox_chunk *c = outbox_open_chunk(&n->f, &o, OTHER_ID);
    struct lone_parts parts[MANY];

    for (size_t i = 0; i < MANY; i++) {
        lone_parts_init(&parts[i], n, NULL);
        assert_true(outbox_chunk_note(c, &parts[i].p));
        fleet_parts_gathered(&parts[i].p);
    }
    assert_int_equal(c->publish_count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(c->publishes[i], &parts[i].p);
    outbox_drop(&n->f, &o);
}

static void the_sum_over_all_nodes_is_known(void **state)
{
    struct lone_node *n = *state;
    struct outbox a = {0};
    struct outbox b = {0};
    struct outbox_chunks taken = TAILQ_HEAD_INITIALIZER(taken);
    outbox_init(&a);
    outbox_init(&b);
    outbox_count(&n->f, &a, 100);
    outbox_count(&n->f, &b, 30);
    outbox_count(&n->f, &a, 70);
    assert_int_equal(n->f.outbox_bytes, 100);
    outbox_take(&n->f, &a, &taken);
    assert_true(TAILQ_EMPTY(&taken));
    assert_int_equal(n->f.outbox_bytes, 30);
    assert_int_equal(b.bytes, 30);
    outbox_drop(&n->f, &b);
    assert_int_equal(n->f.outbox_bytes, 0);
}

static void what_is_taken_isnt_there_any_more(void **state)
{
    struct lone_node *n = *state;
    struct outbox o = {.chunks = TAILQ_HEAD_INITIALIZER(o.chunks)};
    struct outbox_chunk *c = outbox_open_chunk(&n->f, &o, OTHER_ID);
    struct outbox_chunks taken = TAILQ_HEAD_INITIALIZER(taken);
    fill(c, CHUNK_BYTES);
    struct outbox_chunk *second = outbox_open_chunk(&n->f, &o, OTHER_ID);
    outbox_take(&n->f, &o, &taken);
    assert_ptr_equal(TAILQ_FIRST(&taken), c);
    assert_ptr_equal(TAILQ_NEXT(c, next), second);
    assert_true(TAILQ_EMPTY(&o.chunks));
    assert_ptr_not_equal(outbox_open_chunk(&n->f, &o, OTHER_ID), second);
    outbox_chunk_free(c);
    outbox_chunk_free(second);
    outbox_drop(&n->f, &o);
}

/* Its publishes don't wait for it any more. Requests go, too. */
static void what_is_dropped_counts_as_sent(void **state)
{
    struct lone_node *n = *state;
    struct outbox o = {.chunks = TAILQ_HEAD_INITIALIZER(o.chunks)};
    struct lone_parts a;
    struct lone_parts b;
    lone_parts_init(&a, n, NULL);
    lone_parts_init(&b, n, NULL);
    fleet_parts_gathered(&a.p);
    fleet_parts_gathered(&b.p);
    fleet_parts_gathered(&b.p); /* another one elsewhere */
    outbox_chunk_note(outbox_open_chunk(&n->f, &o, OTHER_ID), &a.p);
    outbox_chunk_note(outbox_open_chunk(&n->f, &o, OTHER_ID), &b.p);
    fleet_bytes_u8(&o.requests, 1);
    outbox_drop(&n->f, &o);
    assert_told(n, "sent");
    assert_int_equal(b.p.unsent, 1);
    assert_int_equal(o.requests.len, 0);
    assert_true(TAILQ_EMPTY(&o.chunks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_chunk_begins_with_its_sender_and_takes_more),
        LONE_TEST(a_full_chunk_is_followed_by_another),
        LONE_TEST(nothing_goes_behind_what_had_no_memory),
        LONE_TEST(it_notes_publishes_in_their_order_however_many),
        LONE_TEST(the_sum_over_all_nodes_is_known),
        LONE_TEST(what_is_taken_isnt_there_any_more),
        LONE_TEST(what_is_dropped_counts_as_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
