/* reload: a hangup has everything read again, and put in force as a whole. */
#include "broker/reload.h"

#include <signal.h>

#include "tests/unit/broker/core_bed.h"

static struct reload *reload;
static bool completes;
static int asked;
static char path[] = "/tmp/flotilla-test-XXXXXX";

static bool complete(void *arg, struct broker_config *fresh, char *err, size_t errlen)
{
    (void)arg, (void)fresh;
    asked++;
    snprintf(err, errlen, "the command line doesn't fit");
    return completes;
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    bed_set_up(state);
    struct core_bed *b = *state;
    strcpy(path + sizeof(path) - sizeof("XXXXXX"), "XXXXXX");
    close(mkstemp(path));
    b->core.config.file = path;
    completes = true;
    asked = 0;
    reload = reload_new(bed_broker(b), &b->core.config, complete, NULL);
    return reload != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    reload_free(reload);
    unlink(path);
    return bed_tear_down(state);
}

static void note_change(void *arg)
{
    (*(int *)arg)++;
}

/* The number of changes that auth tells of: 0 when nothing came into force. */
static int reload_file(struct core_bed *b, const char *text)
{
    int changes = 0;
    int before = asked;
    char whole[512];
    snprintf(whole, sizeof(whole), "sys_interval: 0\n%s",
             text); /* as in the core's configuration */
    write_file(whole);
    auth_on_change(bed_broker(b)->auth, note_change, &changes);
    raise(SIGHUP);
    while (asked == before)
        event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
    auth_on_change(bed_broker(b)->auth, NULL, NULL);
    return changes;
}

static void keys_come_into_force(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    assert_int_equal(
        reload_file(b, "limits: {max_packet_size: 4k, max_memory: 77M, max_inflight: 3}\n"
                       "mqtt: {max_qos: 1, drain: server_moved, server_reference: other}\n"
                       "drain_timeout: 3s\ngather: false\n"),
        1);
    assert_int_equal(broker->config->limits.max_inflight, 3);
    assert_int_equal(broker->packet_limits[MQTT_PUBLISH], 4096);
    assert_int_equal(broker->memory.limit, 77 << 20);
    assert_int_equal(broker->output_limit, (77 << 20) / 4);
    assert_false(broker->takes_all_as_it_comes);
    assert_string_equal(broker->config->mqtt.server_reference, "other");
    assert_int_equal(broker->config->drain_timeout_ms, 3000);
    assert_false(broker->config->gather);
    /* and back */
    assert_int_equal(reload_file(b, ""), 1);
    assert_true(broker->takes_all_as_it_comes);
    assert_int_equal(broker->config->drain_timeout_ms, 8000);
}

static void a_key_that_needs_a_restart_keeps_all_as_it_is(void **state)
{
    struct core_bed *b = *state;
    static const char *const fixed[] = {"listeners: [{bind: '127.0.0.1:1'}]\n",
                                        "redis: {url: 'redis://localhost'}\n",
                                        "fleet: {lease: 7s}\n",
                                        "auth: {hash_threads: 2}\n",
                                        "admin: {bind: '127.0.0.1:1'}\n",
                                        "shared: {strategy: random}\n",
                                        "limits: {max_queued_messages: 7}\n"};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "drain_timeout: 3s\n%s", fixed[i]);
        assert_int_equal(reload_file(b, text), 0);
        assert_int_equal(bed_broker(b)->config->drain_timeout_ms, 8000);
    }
}

static void what_doesnt_fit_the_command_line_keeps_all_as_it_is(void **state)
{
    struct core_bed *b = *state;
    completes = false;
    assert_int_equal(reload_file(b, "drain_timeout: 3s\n"), 0);
    assert_int_equal(bed_broker(b)->config->drain_timeout_ms, 8000);
}

static void clients_that_are_there_stay(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    struct mqtt_packet p;
    reload_file(b, "auth: {anonymous: true}\nlimits: {max_connections: 1}\n");
    core_settle(&b->core);
    bed_subscribe(b, c, "t", 1);
    bed_publish(b, c, "t", 1, false);
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keys_come_into_force),
        TEST(a_key_that_needs_a_restart_keeps_all_as_it_is),
        TEST(what_doesnt_fit_the_command_line_keeps_all_as_it_is),
        TEST(clients_that_are_there_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
