/* fleet_queue: what Redis answers is what becomes of a message, and whose queue has something is woken. */
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/publish/fleet_enqueue.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "tests/unit/broker/fleet/lone_node.h"

static uint64_t hash_of(const char *client)
{
    return fleet_hash(client, strlen(client));
}

/* For these clients, who all have the bucket of "c" in what is sent; `id` of a subscription, 0: none. */
static void add_with(struct lone_parts *l, const char *client, uint32_t id)
{
    struct store_queue_target t = {
        .client_id = mqtt_slice_of("c", 1), .qos = 1, .ids = {.items = &id, .count = id != 0}};
    id_set_add(&l->p.clients, hash_of(client));
    fleet_queue_add(&l->n->f, &l->p, l->p.message, &t,
                    (struct fleet_queue_how){.client = hash_of(client)});
}

static void add(struct lone_parts *l, const char *client)
{
    add_with(l, client, 0);
}

static void begin(struct lone_parts *l, struct lone_node *n)
{
    lone_parts_init(l, n, lone_message("t", "x", 1, false));
    add(l, "a");
    add(l, "b");
    fleet_queues_flush(&n->f);
    assert_told(n, "sent");
}

static void owners_are_woken(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct lone_parts l;
    begin(&l, n);
    redis_says(n, "[ :0 '" LONE_HEX " 'a '" OTHER_HEX " 'b '00000000000000ff 'gone 'nobody 'x ]");
    assert_told(n, "wake a");
    outboxes_flush(&n->f);
    redis_gets_first(n, "XADD fl:{n:" OTHER_HEX "}:in ");
    assert_string_equal(strrchr(lone_command(n, 0), 'W'), "W\\01b");
    assert_int_equal(other->outbox.bytes, 0);
    assert_int_equal(l.p.status, STORE_OK);
    lone_parts_fini(&l);
}

static void a_session_that_redis_doesnt_know_is_served_again(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    redis_says(n, "[ :0 '#1 'b '#2 'beyond ]");
    assert_told(n, "");
    assert_true(id_set_has(&l.p.clients, hash_of("a")));
    assert_false(id_set_has(&l.p.clients, hash_of("b")));
    assert_true(l.p.unknown);
    lone_parts_fini(&l);
}

static void what_is_dropped_is_counted(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    redis_says(n, "[ :3 '~ '17 '!0 'a '!9 'b ]");
    assert_told(n, "");
    assert_int_equal(*n->f.metrics.queue_dropped, 3);
    assert_int_equal(*n->f.metrics.seen_dropped, 17);
    assert_int_equal(l.p.status, STORE_OK); /* a full queue fails no publish */
    assert_false(l.p.unknown);
    lone_parts_fini(&l);
}

static void without_room_it_is_held_for_all(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    redis_says(n, "!OOM");
    assert_int_equal(l.p.status, STORE_OK);
    assert_true(l.p.missed && n->f.full);
    assert_false(id_set_has(&l.p.clients, hash_of("a")));
    assert_false(id_set_has(&l.p.clients, hash_of("b")));
    lone_parts_fini(&l);
}

static void an_error_or_no_answer_fails_it(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    redis_says(n, "!ERR");
    assert_int_equal(l.p.status, STORE_UNAVAILABLE);
    assert_false(l.p.missed);
    l.p.status = STORE_OK;
    add(&l, "a");
    fleet_queues_flush(&n->f);
    redis_says_nothing(n);
    assert_int_equal(l.p.status, STORE_UNAVAILABLE);
    lone_parts_fini(&l);
}

/* ---- sent, and not answered yet -------------------------------------------------------------- */

/* Of two publishes in one call. */
static void what_was_taken_is_skipped(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts gone;
    struct lone_parts stays;
    lone_parts_init(&gone, n, lone_message("t", "x", 1, false));
    lone_parts_init(&stays, n, lone_message("t", "y", 1, false));
    add(&stays, "a");
    add_with(&gone, "b", 5);
    add_with(&stays, "c", 6);
    add(&gone, "d");
    fleet_queues_flush(&n->f);
    fleet_queues_void(&n->f);
    assert_non_null(
        strstr(lone_command(n, 0), " c 0 \\01 c 1 \\11\\01\\05 c 2 \\11\\01\\06 c 3 \\01"));
    gone.p.taken = true;
    fleet_queues_void(&n->f);
    assert_non_null(strstr(lone_command(n, 0), " c 0 \\01 c 1 x\\01\\05 c 2 \\11\\01\\06 c 3 x"));
    lone_parts_fini(&gone);
    lone_parts_fini(&stays);
}

/* It does no more than it has done: the rest is tried again. */
static void another_run_gets_it_as_its_own(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    redis_gets_first(n, "queue fl:{s}: " LONE_HEX ":run00001 1 0 ");
    strcpy(n->f.run_tag, "run00002");
    fleet_queues_run_changed(&n->f);
    redis_gets_first(n, "queue fl:{s}: " LONE_HEX ":run00002 1 x ");
    lone_parts_fini(&l);
}

/* ---- in order, or not at all ------------------------------------------------------------------ */

static struct lone_parts *sent_new(struct lone_node *n, const char *client)
{
    struct lone_parts *l = malloc(sizeof(*l));
    assert_non_null(l);
    lone_parts_init(l, n, lone_message("t", "x", 1, false));
    add(l, client);
    fleet_queues_flush(&n->f);
    return l;
}

static void sent_free(struct lone_parts *l)
{
    fleet_queues_reset(&l->n->f);
    lone_parts_fini(l);
    free(l);
}

#define CALL "queue fl:{s}: " LONE_HEX ":run00001 "

static void a_call_names_the_one_before_it_that_isnt_answered(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = sent_new(n, "a");
    struct lone_parts *b = sent_new(n, "b");
    redis_gets_first(n, CALL "1 0 ");
    redis_says(n, "[ :0 ]");
    redis_gets_first(n, CALL "2 1 ");
    struct lone_parts *c = sent_new(n, "c");
    redis_says(n, "[ :0 ]");
    redis_gets_first(n, CALL "3 2 ");
    redis_says(n, "[ :0 ]");
    assert_told(n, "sent; sent; sent");
    assert_false(a->p.missed || b->p.missed || c->p.missed);
    sent_free(c);
    sent_free(b);
    sent_free(a);
}

/* What comes meanwhile waits, so that it isn't refused as well. */
static void what_is_refused_is_tried_again_behind_what_failed(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = sent_new(n, "a");
    struct lone_parts *b = sent_new(n, "b");
    redis_says(n, "!OOM");
    assert_told(n, "sent; sent");
    struct lone_parts *c = sent_new(n, "c");
    assert_told(n, "");
    assert_int_equal(lone_count(n), 2); /* with the question how full Redis is */
    redis_says(n, "'refused");
    assert_true(b->p.missed && b->p.status == STORE_OK);
    assert_false(id_set_has(&b->p.clients, hash_of("b")));
    assert_false(c->p.missed);
    redis_says_nothing(n);
    fleet_queues_flush(&n->f);
    assert_told(n, "sent");
    redis_gets_first(n, CALL "3 0 ");
    sent_free(c);
    sent_free(b);
    sent_free(a);
}

/* Who asked for it may have gone, and its identifiers with it. */
static void a_value_that_is_refused_comes_again_with_its_identifiers(void **state)
{
    struct lone_node *n = *state;
    struct message *m = lone_message("t", "x", 1, true);
    uint32_t *ids = malloc(2 * sizeof(*ids));
    struct store_queue_target t = {
        .client_id = mqtt_slice_of("c", 1), .qos = 1, .ids = {.items = ids, .count = 2}};
    ids[0] = 7;
    ids[1] = 8;
    fleet_enqueue(&n->f, m, &t, lone_done, lone_call(n, "value"));
    free(ids);
    message_unref(m);
    fleet_queues_flush(&n->f);
    redis_says(n, "'refused");
    fleet_versions_flush(&n->f);
    redis_says(n, "'0");
    assert_told(n, "");
    fleet_queues_flush(&n->f);
    assert_non_null(strstr(lone_command(n, 0), " c 0 \\1d\\02\\07\\08"));
    redis_says(n, "[ :0 ]");
    fleet_versions_flush(&n->f);
    redis_says(n, "'0");
    assert_told(n, "value ok");
}

/* Clients can be taken from this node while a batch waits for that. */
static void what_is_taken_while_it_waits_is_skipped(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = sent_new(n, "a");
    struct lone_parts *b = sent_new(n, "b");
    redis_says(n, "!ERR");
    struct lone_parts *c = sent_new(n, "c");
    c->p.taken = true;
    fleet_queues_void(&n->f);
    redis_says(n, "'refused");
    fleet_queues_flush(&n->f);
    redis_gets_first(n, CALL "3 0 ");
    assert_non_null(strstr(lone_command(n, 0), " c 0 x"));
    sent_free(c);
    sent_free(b);
    sent_free(a);
}

static void a_reset_fails_what_wasnt_sent(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    lone_parts_init(&l, n, lone_message("t", "x", 1, false));
    add(&l, "a");
    fleet_queues_reset(&n->f);
    assert_told(n, "sent");
    assert_int_equal(l.p.status, STORE_UNAVAILABLE);
    fleet_queues_flush(&n->f);
    redis_gets_nothing(n);
    add(&l, "a"); /* and it goes on afterwards */
    fleet_queues_flush(&n->f);
    assert_int_equal(lone_count(n), 1);
    lone_parts_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(owners_are_woken),
        LONE_TEST(a_session_that_redis_doesnt_know_is_served_again),
        LONE_TEST(what_is_dropped_is_counted),
        LONE_TEST(without_room_it_is_held_for_all),
        LONE_TEST(an_error_or_no_answer_fails_it),
        LONE_TEST(what_was_taken_is_skipped),
        LONE_TEST(another_run_gets_it_as_its_own),
        LONE_TEST(a_call_names_the_one_before_it_that_isnt_answered),
        LONE_TEST(what_is_refused_is_tried_again_behind_what_failed),
        LONE_TEST(a_value_that_is_refused_comes_again_with_its_identifiers),
        LONE_TEST(what_is_taken_while_it_waits_is_skipped),
        LONE_TEST(a_reset_fails_what_wasnt_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
