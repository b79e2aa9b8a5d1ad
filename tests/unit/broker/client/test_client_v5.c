/* client_v5: what a 5.0 client asks for in its CONNECT (3.1.2.11), within what the configuration allows. */
#include "broker/client/client_v5.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/auth/auth_method.h"
#include "broker/base/account.h"
#include "broker/message/alias_out.h"
#include "broker/store/store.h"

enum { DAY_S = 24 * 3600, ALIASES = 32 };

static struct client_v5 *made(enum mqtt_property id, uint32_t num, uint64_t expiry_limit_ms)
{
    uint8_t buf[16];
    size_t used = 0;
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, id, num));
    const struct mqtt_connect connect = {.version = MQTT_V5, .props.raw = mqtt_slice_of(buf, used)};
    struct client_v5 *v = client_v5_new(&connect, expiry_limit_ms, ALIASES);
    assert_non_null(v);
    return v;
}

/* 3.1.2.11.2 to .7: what absence means. */
static void without_properties_the_specifications_defaults_hold(void **state)
{
    (void)state;
    const struct mqtt_connect connect = {.version = MQTT_V5};
    struct client_v5 *v = client_v5_new(&connect, 1000, ALIASES);
    assert_int_equal(v->session_expiry_s, 0);
    assert_false(v->expiry_differs);
    assert_int_equal(v->receive_maximum, 65535);
    assert_int_equal(v->max_packet, UINT32_MAX);
    assert_int_equal(v->alias_maximum, 0);
    assert_true(v->problem_info);
    assert_false(v->response_info);
    assert_null(v->alias_out);
    client_v5_free(v);
}

static void what_the_client_asks_for_holds(void **state)
{
    (void)state;
    struct client_v5 *v = made(MQTT_P_RECEIVE_MAXIMUM, 7, 0);
    assert_int_equal(v->receive_maximum, 7);
    client_v5_free(v);
    v = made(MQTT_P_MAXIMUM_PACKET_SIZE, 70000, 0);
    assert_int_equal(v->max_packet, 70000);
    client_v5_free(v);
    v = made(MQTT_P_REQUEST_PROBLEM_INFO, 0, 0);
    assert_false(v->problem_info);
    client_v5_free(v);
    v = made(MQTT_P_REQUEST_PROBLEM_INFO, 1, 0);
    assert_true(v->problem_info);
    client_v5_free(v);
    v = made(MQTT_P_REQUEST_RESPONSE_INFO, 1, 0);
    assert_true(v->response_info);
    client_v5_free(v);
}

/* 3.1.2.11.5: the server uses no more than the client takes; nor more than is configured. */
static void as_many_aliases_are_used_as_both_allow(void **state)
{
    static const uint16_t asked[] = {0, 1, ALIASES, ALIASES + 1, UINT16_MAX};
    static const uint16_t used[] = {0, 1, ALIASES, ALIASES, ALIASES};
    (void)state;
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct client_v5 *v = made(MQTT_P_TOPIC_ALIAS_MAXIMUM, asked[i], 0);
        assert_int_equal(v->alias_maximum, used[i]);
        client_v5_free(v);
    }
}

/* ---- session expiry --------------------------------------------------------------------------- */

/* 3.2.2.3.2: the server tells which value it uses instead. */
static void an_expiry_above_the_limit_is_cut_and_that_is_noted(void **state)
{
    static const struct {
        uint32_t asked_s;
        uint64_t limit_ms;
        uint32_t used_s;
    } cases[] = {
        {DAY_S, 0, DAY_S}, /* no limit */
        {STORE_EXPIRES_NEVER, 0, STORE_EXPIRES_NEVER},
        {DAY_S - 1, DAY_S * 1000ull, DAY_S - 1},
        {DAY_S, DAY_S * 1000ull, DAY_S},
        {DAY_S + 1, DAY_S * 1000ull, DAY_S},
        {STORE_EXPIRES_NEVER, DAY_S * 1000ull, DAY_S},
        {5, 1500, 2}, /* a limit that is no whole number of seconds */
        {1, 1, 1},
        {STORE_EXPIRES_NEVER - 1, UINT64_MAX - 1000, STORE_EXPIRES_NEVER - 1},
        {STORE_EXPIRES_NEVER, UINT64_MAX - 1000, STORE_EXPIRES_NEVER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_v5 *v = made(MQTT_P_SESSION_EXPIRY, cases[i].asked_s, cases[i].limit_ms);
        assert_int_equal(v->session_expiry_s, cases[i].used_s);
        assert_int_equal(v->expiry_differs, cases[i].used_s != cases[i].asked_s);
        client_v5_free(v);
    }
}

/* 3.14.2.2.2 */
static void a_disconnect_may_change_the_expiry_within_the_limit(void **state)
{
    (void)state;
    struct client_v5 *v = made(MQTT_P_SESSION_EXPIRY, 60, 0);
    assert_true(client_v5_change_expiry(v, 10, 0));
    assert_int_equal(v->session_expiry_s, 10);
    assert_true(client_v5_change_expiry(v, DAY_S, 3600 * 1000));
    assert_int_equal(v->session_expiry_s, 3600);
    assert_true(client_v5_change_expiry(v, 0, 0));
    assert_int_equal(v->session_expiry_s, 0);
    client_v5_free(v);
}

static void but_not_that_of_a_session_that_ends_with_its_connection(void **state)
{
    (void)state;
    struct client_v5 *v = made(MQTT_P_SESSION_EXPIRY, 0, 0);
    assert_true(client_v5_change_expiry(v, 0, 0));
    assert_false(client_v5_change_expiry(v, 1, 0));
    assert_int_equal(v->session_expiry_s, 0);
    client_v5_free(v);
}

/* ---- the rest --------------------------------------------------------------------------------- */

static void unanswered_messages_are_counted_down_to_none(void **state)
{
    (void)state;
    struct client_v5 v = {.unanswered = 2};
    client_v5_answered(&v);
    assert_int_equal(v.unanswered, 1);
    client_v5_answered(&v);
    client_v5_answered(&v); /* of an earlier connection */
    assert_int_equal(v.unanswered, 0);
}

static void its_bytes_are_those_of_the_clients_aliases(void **state)
{
    (void)state;
    struct client_v5 *v = made(MQTT_P_RECEIVE_MAXIMUM, 7, 0);
    assert_int_equal(client_v5_bytes(v), 0);
    assert_true(alias_in_set(&v->alias_in, 1, mqtt_slice_of("topic", 5)));
    assert_int_equal(client_v5_bytes(v), sizeof(void *) + 5);
    assert_int_equal(client_v5_bytes(NULL), 0); /* a client of an earlier version */
    client_v5_free(v);
}

/* 4.12 */
static void an_exchange_ends_and_the_method_stays(void **state)
{
    (void)state;
    struct client_v5 *v = made(MQTT_P_RECEIVE_MAXIMUM, 7, 0);
    client_v5_end_exchange(v); /* there is none, nor a method */
    assert_true(client_v5_use_method(v, &auth_method_mirror));
    assert_ptr_equal(v->auth->method, &auth_method_mirror);
    v->auth->exchange = auth_method_mirror.begin(NULL);
    v->auth->data = mqtt_slice_of("said", 4);
    client_v5_end_exchange(v);
    assert_null(v->auth->exchange);
    assert_int_equal(v->auth->data.len, 0);
    assert_ptr_equal(v->auth->method, &auth_method_mirror);
    client_v5_free(v);
}

static void nothing_is_left_of_it(void **state)
{
    (void)state;
    uint64_t before = account.by_kind[ACCOUNT_CLIENTS];
    struct client_v5 *v = made(MQTT_P_TOPIC_ALIAS_MAXIMUM, 3, 0);
    assert_true(alias_in_set(&v->alias_in, 1, mqtt_slice_of("topic", 5)));
    v->alias_out = alias_out_new(v->alias_maximum);
    assert_true(client_v5_use_method(v, &auth_method_mirror));
    v->auth->exchange = auth_method_mirror.begin(NULL);
    client_v5_free(v);
    client_v5_free(NULL);
    assert_int_equal(account.by_kind[ACCOUNT_CLIENTS], before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_properties_the_specifications_defaults_hold),
        cmocka_unit_test(what_the_client_asks_for_holds),
        cmocka_unit_test(as_many_aliases_are_used_as_both_allow),
        cmocka_unit_test(an_expiry_above_the_limit_is_cut_and_that_is_noted),
        cmocka_unit_test(a_disconnect_may_change_the_expiry_within_the_limit),
        cmocka_unit_test(but_not_that_of_a_session_that_ends_with_its_connection),
        cmocka_unit_test(unanswered_messages_are_counted_down_to_none),
        cmocka_unit_test(its_bytes_are_those_of_the_clients_aliases),
        cmocka_unit_test(an_exchange_ends_and_the_method_stays),
        cmocka_unit_test(nothing_is_left_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
