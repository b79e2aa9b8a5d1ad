/* Fleet protocol with very many wills at once: what is done for one of them, or beside them, costs the
 * same however many others there are. Costs are CPU time, and compared with what the same number of
 * calls takes where there are few: a walk through all of them each time takes ten times that and
 * more. */
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static struct fleet *fleet_of(struct bed_node *n)
{
    return (struct fleet *)n->store;
}

/* Turns may take long, and nobody is to die of it. */
static void allow_long_turns(struct bed *b)
{
    b->cfg.lease_ms = 60000;
    b->cfg.hang_ms = 60000;
    b->cfg.command_timeout_ms = 60000;
}

static void assert_within(uint64_t took_ns, uint64_t bound_ns)
{
    if (took_ns >= bound_ns)
        print_error("it took %llu us, %llu were enough\n", (unsigned long long)took_ns / 1000,
                    (unsigned long long)bound_ns / 1000);
    assert_true(took_ns < bound_ns);
}

/* ---- wills ----------------------------------------------------------------------------------- */

enum { WILLS = 20000 };

static void begin_wills(struct bed_node *n)
{
    struct message *m = bed_message(n, "w", "gone", 1, false);
    struct fleet_bytes frame = {0};
    char id[16];

    n->keeps_wills = true;
    fleet_frame_put(&frame, m, true);
    for (int i = 0; i < WILLS; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        fleet_will_publish(fleet_of(n), id, strlen(id), 1, frame.data, frame.len, NULL, NULL);
    }
    assert_int_equal(n->wills, WILLS);
    fleet_bytes_fini(&frame);
    message_unref(m);
}

static void publish_as_often(struct bed_client *p)
{
    for (int i = 0; i < WILLS; i++)
        bed_publish_begin(p, "t", "x", 1, false, 0);
}

/* Retained values for a new subscription: on nobody's behalf. */
static void publish_values_as_often(struct bed_client *p)
{
    for (int i = 0; i < WILLS; i++) {
        struct message *m = bed_message(p->node, "t", "x", 1, true);
        struct store_publish_request req = {.message = m, .queue_only = true};

        p->node->store->ops->publish(p->node->store, &req, bed_on_done, p);
        message_unref(m);
    }
}

static void wills_under_way_cost_nobody_anything(void **state)
{
    struct bed *b = *state;
    struct bed_node *n;
    struct bed_client *p;
    uint64_t at_ns[5];
    unsigned before;

    allow_long_turns(b);
    n = bed_add_ready(b);
    p = bed_connect(n, "p", false);
    before = p->completions;
    at_ns[0] = clock_thread_cpu_ns();
    publish_as_often(p);
    at_ns[1] = clock_thread_cpu_ns();
    begin_wills(n);
    at_ns[2] = clock_thread_cpu_ns();
    publish_as_often(p);
    at_ns[3] = clock_thread_cpu_ns();
    publish_values_as_often(p);
    at_ns[4] = clock_thread_cpu_ns();
    for (int i = 2; i < 5; i++)
        assert_within(at_ns[i] - at_ns[i - 1], 6 * (at_ns[1] - at_ns[0]));
    BED_UNTIL_MS(b, p->completions - before == 3 * WILLS, 60000);
    assert_int_equal(p->status, STORE_OK);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(wills_under_way_cost_nobody_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
