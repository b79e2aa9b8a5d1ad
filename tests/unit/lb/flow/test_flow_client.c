/*
 * What a flow learns from its client's first bytes. A flow without sockets, whose client says what the
 * test says.
 */
#include "lb/flow/flow_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log/log.h"
#include "common/net/address.h"
#include "lb/backend/backend.h"
#include "lb/flow/attempt.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"
#include "tests/unit/lb/stream/said_stream.h"

#define NOW_MS 100000u
#define HANDSHAKE_MS 500u

static const char connect_packet[] = "\x10\x10\0\4MQTT\4\2\0\x3c\0\4dev7";
#define CONNECT_LEN (sizeof(connect_packet) - 1)

static struct worker worker;
static struct listener_config config;
static struct snapshot_listener settings;
static struct server_set *set;
static struct flow flow;
static struct said said;

static void use_backend(enum lb_balance balance, enum lb_proxy proxy)
{
    const struct backend_config backend = {
        .name = (char *)"b", .balance = balance, .proxy_protocol = proxy};
    backend_free(settings.backend);
    settings.backend = backend_new(&backend, set);
    assert_non_null(settings.backend);
}

static int setup(void **state)
{
    struct sockaddr_storage peer;
    socklen_t len;
    (void)state;
    memset(&worker, 0, sizeof(worker));
    worker.now_ms = NOW_MS;
    wheel_init(&worker.wheel, NOW_MS);
    set = server_set_new();
    config = (struct listener_config){.name = (char *)"l", .handshake_timeout_ms = HANDSHAKE_MS};
    settings = (struct snapshot_listener){.config = &config};
    use_backend(LB_BALANCE_LEASTCONN, LB_PROXY_NONE);
    assert_true(address_parse("192.0.2.7:1", &peer, &len));
    flow = (struct flow){.worker = &worker,
                         .settings = &settings,
                         .attempt = attempt_new(&peer),
                         .since_ms = NOW_MS,
                         .state = FLOW_TRYING};
    assert_true(attempt_set_header(flow.attempt, NULL, 0));
    said_init(&flow.client.stream, &said, "", 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wheel_cancel(&flow.timer);
    attempt_free(flow.attempt);
    backend_free(settings.backend);
    settings.backend = NULL;
    server_set_unref(set);
    return 0;
}

static void say(const char *text, size_t len)
{
    said_more(&flow.client.stream, &said, text, len);
}

/* As flow_setup.c does before it looks. */
static void hold(const char *text, size_t len)
{
    say(text, len);
    attempt_hold(flow.attempt, &flow.client.stream);
}

/* ---- its client id ---- */

static void where_nothing_depends_on_it_the_client_is_not_read(void **state)
{
    (void)state;
    say(connect_packet, CONNECT_LEN);
    assert_true(flow_knows_client(&flow));
    assert_int_equal(attempt_held(flow.attempt), 0);
    assert_false(flow.attempt->hash_known);
}

static void the_hash_is_that_of_the_client_id_as_soon_as_it_is_there(void **state)
{
    (void)state;
    use_backend(LB_BALANCE_HASH, LB_PROXY_V2);
    assert_true(attempt_set_header(flow.attempt, (const uint8_t *)"header", 6));
    assert_false(flow_knows_client(&flow)); /* nothing was said yet */
    say(connect_packet, CONNECT_LEN - 1);
    assert_false(flow_knows_client(&flow));
    say(connect_packet, CONNECT_LEN);
    assert_true(flow_knows_client(&flow));
    assert_true(flow.attempt->hash_known);
    assert_true(flow.attempt->hash == backend_hash("dev7", 4));
    assert_memory_equal(flow.attempt->bytes + 6, connect_packet, CONNECT_LEN);
}

static void once_known_it_stays(void **state)
{
    (void)state;
    use_backend(LB_BALANCE_HASH, LB_PROXY_NONE);
    flow.attempt->hash_known = true;
    flow.attempt->hash = 7;
    say(connect_packet, CONNECT_LEN);
    assert_true(flow_knows_client(&flow));
    assert_int_equal(flow.attempt->hash, 7);
    assert_int_equal(attempt_held(flow.attempt), 0);
}

static void assert_hashed_by_peer(void)
{
    assert_true(flow_knows_client(&flow));
    assert_true(flow.attempt->hash_known);
    assert_true(flow.attempt->hash ==
                backend_hash(&flow.attempt->peer, sizeof(flow.attempt->peer)));
}

static void what_is_no_mqtt_is_spread_by_its_address(void **state)
{
    (void)state;
    use_backend(LB_BALANCE_HASH, LB_PROXY_NONE);
    say("GET / HTTP/1.1\r\n", 16);
    assert_hashed_by_peer();
}

static void a_client_that_ends_before_its_id_is_spread_by_its_address(void **state)
{
    (void)state;
    use_backend(LB_BALANCE_HASH, LB_PROXY_NONE);
    say(connect_packet, 5);
    assert_false(flow_knows_client(&flow));
    said_end(&flow.client.stream, &said);
    assert_hashed_by_peer();
}

static void an_id_behind_all_that_is_held_is_not_waited_for(void **state)
{
    (void)state;
    static char much[ATTEMPT_HELD_MAX];
    /* MQTT 5.0, with so many properties that the id is behind the limit */
    static const char head[] = "\x10\xff\xff\x7f\0\4MQTT\5\2\0\x3c\xff\xff\x7e";
    memcpy(much, head, sizeof(head) - 1);
    use_backend(LB_BALANCE_HASH, LB_PROXY_NONE);
    say(much, sizeof(much) - 1);
    assert_false(flow_knows_client(&flow));
    say(much, sizeof(much));
    assert_hashed_by_peer();
}

/* ---- a PROXY header of its own ---- */

#define HEADER "PROXY TCP4 10.9.8.7 10.0.0.1 5 1883\r\n"

static void ordinary_bytes_are_looked_at_once(void **state)
{
    (void)state;
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    assert_false(flow.attempt->looked_at); /* nothing to look at */
    hold(connect_packet, CONNECT_LEN);
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    assert_true(flow.attempt->looked_at);
    flow.attempt->bytes[0] = 'P'; /* isn't looked at again */
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    assert_false(wheel_is_set(&flow.timer));
}

static void a_header_of_the_client_closes_the_flow(void **state)
{
    (void)state;
    hold(HEADER, sizeof(HEADER) - 1);
    assert_int_equal(flow_look_at_client(&flow), FLOW_CLOSED);
    assert_int_equal(atomic_load(&worker.counters.proxy_headers_refused), 1);
    assert_false(flow.attempt->looked_at);
}

static void where_we_send_one_ourselves_the_clients_is_only_data(void **state)
{
    (void)state;
    use_backend(LB_BALANCE_LEASTCONN, LB_PROXY_V2);
    hold(HEADER, sizeof(HEADER) - 1);
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    assert_true(flow.attempt->looked_at);
}

static void what_may_become_a_header_waits_until_the_handshake_timeout(void **state)
{
    (void)state;
    hold("PROX", 4);
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    assert_false(flow.attempt->looked_at);
    assert_true(wheel_is_set(&flow.timer));
    assert_int_equal(flow.timer.at_ms, NOW_MS + HANDSHAKE_MS);
    worker.now_ms = NOW_MS + HANDSHAKE_MS - 1;
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    worker.now_ms++;
    assert_int_equal(flow_look_at_client(&flow), FLOW_CLOSED);
}

static void a_client_that_has_reset_or_ended_is_not_waited_for(void **state)
{
    (void)state;
    hold("PROX", 4);
    flow.client.stream.reset = true;
    assert_int_equal(flow_look_at_client(&flow), FLOW_CLOSED);
    flow.client.stream.ended = true; /* it says no more, so this is no header */
    assert_int_equal(flow_look_at_client(&flow), FLOW_TRYING);
    assert_true(flow.attempt->looked_at);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(where_nothing_depends_on_it_the_client_is_not_read),
        TEST(the_hash_is_that_of_the_client_id_as_soon_as_it_is_there),
        TEST(once_known_it_stays),
        TEST(what_is_no_mqtt_is_spread_by_its_address),
        TEST(a_client_that_ends_before_its_id_is_spread_by_its_address),
        TEST(an_id_behind_all_that_is_held_is_not_waited_for),
        TEST(ordinary_bytes_are_looked_at_once),
        TEST(a_header_of_the_client_closes_the_flow),
        TEST(where_we_send_one_ourselves_the_clients_is_only_data),
        TEST(what_may_become_a_header_waits_until_the_handshake_timeout),
        TEST(a_client_that_has_reset_or_ended_is_not_waited_for),
    };
    log_init("test_flow_client", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
