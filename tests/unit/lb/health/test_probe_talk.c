/* What a health check says, and how the answer is judged: bytes only. */
#include "lb/health/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/mqtt/mqtt.h"
#include "common/net/proxy_protocol.h"

static const struct {
    enum lb_check_type type;
    bool has_login;
    const char *bytes;
    size_t len;
    enum probe_verdict verdict;
    const char *error; /* contained */
} answers[] = {
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x00", 4, PROBE_PASS, ""},
    {LB_CHECK_MQTT, false, "\x20\x02\x00", 3, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x04", 4, PROBE_LOGIN_REFUSED, "bad user name"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x05", 4, PROBE_LOGIN_REFUSED, "not authorized"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x04", 4, PROBE_FAIL, "CONNACK 4: bad user name"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x05", 4, PROBE_FAIL, "CONNACK 5: not authorized"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x00", 4, PROBE_PASS, ""},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x01", 4, PROBE_FAIL, "protocol version"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x02", 4, PROBE_LOGIN_REFUSED, "client id"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x02", 4, PROBE_LOGIN_REFUSED, "client id"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x03", 4, PROBE_FAIL, "unavailable"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x03", 4, PROBE_FAIL, "unavailable"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x77", 4, PROBE_FAIL, "unknown code"},
    /* 5.0, in its own form and in that of 3.1.1 */
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x84\x00", 5, PROBE_FAIL, "protocol version"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x86\x00", 5, PROBE_LOGIN_REFUSED, "bad user name"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x87\x00", 5, PROBE_LOGIN_REFUSED, "not authorized"},
    {LB_CHECK_MQTT, true, "\x20\x03\x00\x87\x00", 5, PROBE_FAIL, "not authorized"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x87", 4, PROBE_LOGIN_REFUSED, "not authorized"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x88\x00", 5, PROBE_FAIL, "unavailable"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x89\x00", 5, PROBE_FAIL, "busy"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x8a\x00", 5, PROBE_LOGIN_REFUSED, "banned"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x8c\x00", 5, PROBE_LOGIN_REFUSED, "method"},
    {LB_CHECK_MQTT, true, "\x20\x03\x00\x85\x00", 5, PROBE_LOGIN_REFUSED, "client id"},
    /* of which only the beginning is there, or which has a wrong length */
    {LB_CHECK_MQTT, false, "", 0, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\x20", 1, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\x20\x01\x00", 3, PROBE_FAIL, "wrong length"},
    {LB_CHECK_MQTT, false, "\x20\x01", 2, PROBE_FAIL, "wrong length"},
    {LB_CHECK_MQTT, false, "\x20\x7f\x00\x00", 4, PROBE_PASS, ""},
    {LB_CHECK_MQTT, false, "\x20\x80\x01\x00", 4, PROBE_FAIL, "wrong length"},
    {LB_CHECK_MQTT, false, "\xd0", 1, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\x20\x03\x00", 3, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\xd0\x00", 2, PROBE_FAIL, "PINGRESP"},
    {LB_CHECK_MQTT, false, "HTTP/1.1 400", 12, PROBE_FAIL, "no MQTT answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 200 OK\r\n", 17, PROBE_PASS, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.0 204 No Content\r\n", 25, PROBE_PASS, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.1 20", 11, PROBE_WAIT, ""},
    {LB_CHECK_HTTP, false, "H", 1, PROBE_WAIT, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.1 503 Unavailable\r\n", 26, PROBE_FAIL, "503"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 401 Unauthorized\r\n", 27, PROBE_FAIL, "isn't let in"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 403 Forbidden\r\n", 24, PROBE_FAIL, "isn't let in"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 \r\n", 11, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 200\n", 13, PROBE_PASS, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.1 20\n", 12, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1-200\n", 13, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 x00\n", 13, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 20x\n", 13, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 199 \n", 14, PROBE_FAIL, "199"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 300 \n", 14, PROBE_FAIL, "300"},
    {LB_CHECK_HTTP, false, "HTTP/2 200 \n", 12, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "HTTX", 4, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "", 0, PROBE_WAIT, ""},
    /* whoever accepts the connection has answered */
    {LB_CHECK_TCP, false, "", 0, PROBE_PASS, ""},
    {LB_CHECK_NONE, false, "", 0, PROBE_PASS, ""},
    {LB_CHECK_HTTP, false, "\x20\x02\x00\x00", 4, PROBE_FAIL, "no HTTP answer"},
};

static void answers_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char error[96] = "";
        enum probe_verdict v =
            probe_judge(answers[i].type, answers[i].has_login, (const uint8_t *)answers[i].bytes,
                        answers[i].len, error, sizeof(error));
        if (v != answers[i].verdict || strstr(error, answers[i].error) == NULL)
            fail_msg("answer %zu: verdict %d, error '%s'", i, (int)v, error);
    }
}

static void an_mqtt_check_is_a_clean_client_with_an_id_of_its_own(void **state)
{
    (void)state;
    struct probe_spec spec = {
        .type = LB_CHECK_MQTT, .timeout_ms = 1000, .username = "u", .password = "p"};
    uint8_t a[256], b[256];
    size_t len_a, len_b, size;
    assert_true(probe_request(&spec, a, sizeof(a), &len_a));
    assert_true(probe_request(&spec, b, sizeof(b), &len_b));
    assert_int_equal(len_a, len_b);
    assert_memory_not_equal(a, b, len_a);
    struct mqtt_packet packet;
    struct mqtt_decode_error err;
    struct mqtt_decode_opts opts = {0};
    assert_int_equal(mqtt_decode(a, len_a, &opts, &packet, &size, &err), DECODE_OK);
    assert_int_equal(packet.type, MQTT_CONNECT);
    assert_true(packet.u.connect.clean_start);
    assert_int_equal(packet.u.connect.version, MQTT_V311);
    assert_int_equal(packet.u.connect.client_id.len, 23);
    assert_memory_equal(packet.u.connect.username.data, "u", 1);
    assert_memory_equal(packet.u.connect.password.data, "p", 1);
}

static void a_proxy_local_header_goes_first_but_not_to_http(void **state)
{
    (void)state;
    struct probe_spec spec = {
        .type = LB_CHECK_MQTT, .timeout_ms = 1000, .proxy_v2 = true, .path = "/readyz"};
    uint8_t buf[512];
    size_t len, used;
    struct proxy_info info;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(proxy_parse(buf, len, &info, &used), PROXY_OK);
    assert_true(info.local);
    assert_int_equal(buf[used], 0x10);
    spec.type = LB_CHECK_TCP;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(len, used);
    spec.type = LB_CHECK_HTTP;
    spec.addr.ss_family = AF_INET;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_memory_equal(buf, "GET /readyz HTTP/1.1\r\n", 22);
}

static void without_a_login_the_check_has_none(void **state)
{
    (void)state;
    const struct probe_spec spec = {.type = LB_CHECK_MQTT, .timeout_ms = 1000};
    struct mqtt_packet packet;
    struct mqtt_decode_error err;
    struct mqtt_decode_opts opts = {0};
    uint8_t buf[256];
    size_t len;
    size_t size;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(mqtt_decode(buf, len, &opts, &packet, &size, &err), DECODE_OK);
    assert_false(packet.u.connect.has_username || packet.u.connect.has_password);
}

static unsigned keep_alive_of(uint64_t timeout_ms)
{
    const struct probe_spec spec = {.type = LB_CHECK_MQTT, .timeout_ms = timeout_ms};
    struct mqtt_packet packet;
    struct mqtt_decode_error err;
    struct mqtt_decode_opts opts = {0};
    uint8_t buf[256];
    size_t len;
    size_t size;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(mqtt_decode(buf, len, &opts, &packet, &size, &err), DECODE_OK);
    return packet.u.connect.keep_alive_s;
}

static void the_keep_alive_outlasts_the_check(void **state)
{
    (void)state;
    assert_int_equal(keep_alive_of(1000), 60);
    assert_int_equal(keep_alive_of(59999), 60);
    assert_int_equal(keep_alive_of(60000), 600);
}

static void a_request_that_does_not_fit_is_not_made(void **state)
{
    static const enum lb_check_type types[] = {LB_CHECK_TCP, LB_CHECK_MQTT, LB_CHECK_HTTP};
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct probe_spec spec = {
            .type = types[i], .timeout_ms = 1000, .proxy_v2 = true, .path = "/readyz"};
        uint8_t buf[512];
        size_t len;
        size_t unused;
        spec.addr.ss_family = AF_INET;
        assert_true(probe_request(&spec, buf, sizeof(buf), &len));
        size_t least = len + (types[i] == LB_CHECK_HTTP); /* which needs one more, for a NUL */
        assert_true(probe_request(&spec, buf, least, &unused));
        assert_false(probe_request(&spec, buf, least - 1, &unused));
    }
}

static void a_tcp_check_says_nothing(void **state)
{
    (void)state;
    const struct probe_spec spec = {.type = LB_CHECK_TCP};
    uint8_t buf[16];
    size_t len = 99;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(an_mqtt_check_is_a_clean_client_with_an_id_of_its_own),
        cmocka_unit_test(a_proxy_local_header_goes_first_but_not_to_http),
        cmocka_unit_test(without_a_login_the_check_has_none),
        cmocka_unit_test(the_keep_alive_outlasts_the_check),
        cmocka_unit_test(a_request_that_does_not_fit_is_not_made),
        cmocka_unit_test(a_tcp_check_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
