/* websocket_upgrade: which requests are granted, and how the others are answered. */
#include "broker/net/websocket_upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/config_schema.h"

/* The example of RFC 6455, 1.3 */
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

#define LINE "GET /mqtt HTTP/1.1\r\n"
#define HOST "Host: example.org:8083\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define MQTT "Sec-WebSocket-Protocol: mqtt\r\n"
#define END "\r\n"

static struct websocket_rules rules;
static struct websocket_upgrade answer;

static int setup(void **state)
{
    (void)state;
    rules = (struct websocket_rules){.path = "/mqtt"};
    return 0;
}

static enum websocket_verdict decide(const char *text)
{
    return websocket_upgrade_decide((const uint8_t *)text, strlen(text), &rules, &answer);
}

static void expect(const char *text, enum websocket_verdict verdict)
{
    if (decide(text) != verdict)
        fail_msg("not %d: %s", verdict, text);
}

static void expect_answer(const char *part)
{
    assert_true(answer.answer_len < sizeof(answer.answer));
    assert_int_equal(strlen(answer.answer), answer.answer_len);
    if (strstr(answer.answer, part) == NULL)
        fail_msg("%s isn't in\n%s", part, answer.answer);
}

static void a_good_request_is_granted(void **state)
{
    (void)state;
    expect(LINE HOST UPGRADE KEY VERSION MQTT END, UPGRADE_GRANTED);
    assert_string_equal(answer.answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                       "Connection: Upgrade\r\n" ACCEPT MQTT END);
    expect(LINE HOST
           "UPGRADE: h2c, WebSocket\r\nconnection: keep-alive, upgrade\r\n" KEY VERSION MQTT
           "Sec-WebSocket-Extensions: permessage-deflate\r\nCookie: a\r\n" END,
           UPGRADE_GRANTED);
    assert_null(strstr(answer.answer, "Extensions"));
    expect(LINE HOST UPGRADE KEY VERSION MQTT "Content-Length: 0\r\n" END, UPGRADE_GRANTED);
}

static void every_beginning_asks_for_more(void **state)
{
    (void)state;
    static const char text[] = LINE HOST UPGRADE KEY VERSION MQTT END;
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_int_equal(websocket_upgrade_decide((const uint8_t *)text, n, &rules, &answer),
                         UPGRADE_NEED_MORE);
}

static void the_first_subprotocol_that_is_ours_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *chosen; /* NULL: refused */
    } cases[] = {
        {"Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n", "Sec-WebSocket-Protocol: mqttv3.1\r\n"},
        {"Sec-WebSocket-Protocol: chat,mqtt,mqttv3.1\r\n", MQTT},
        {"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n", MQTT},
        {"Sec-WebSocket-Protocol: mqttv3.1\r\n" MQTT, "Sec-WebSocket-Protocol: mqttv3.1\r\n"},
        {"", NULL},
        {"Sec-WebSocket-Protocol: MQTT, mqttv5\r\n", NULL},
        {"Sec-WebSocket-Protocol:\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512] = LINE HOST UPGRADE KEY VERSION;
        strcat(strcat(text, cases[i].fields), END);
        expect(text, cases[i].chosen != NULL ? UPGRADE_GRANTED : UPGRADE_SUBPROTOCOL);
        expect_answer(cases[i].chosen != NULL ? cases[i].chosen : "HTTP/1.1 400 ");
    }
}

static void what_is_not_asked_for_rightly_is_refused(void **state)
{
    (void)state;
    expect("POST /mqtt HTTP/1.1\r\n" HOST UPGRADE KEY VERSION MQTT END, UPGRADE_METHOD);
    expect_answer("HTTP/1.1 405 ");
    expect_answer("Allow: GET\r\n");
    static const char *const not_asked[] = {
        LINE HOST END,
        LINE HOST "Connection: Upgrade\r\n" KEY VERSION MQTT END,
        LINE HOST "Upgrade: websocket\r\n" KEY VERSION MQTT END,
        LINE HOST "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION MQTT END,
        LINE HOST UPGRADE KEY MQTT END,
        LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" MQTT END,
        LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n" MQTT END,
    };
    for (size_t i = 0; i < sizeof(not_asked) / sizeof(not_asked[0]); i++) {
        expect(not_asked[i], UPGRADE_NOT_ASKED);
        expect_answer("HTTP/1.1 426 ");
        expect_answer("Sec-WebSocket-Version: 13\r\n");
        expect_answer("Upgrade: websocket\r\n");
    }
    static const char *const malformed[] = {
        LINE UPGRADE KEY VERSION MQTT END, /* no Host */
        LINE "Host:\r\n" UPGRADE KEY VERSION MQTT END,
        LINE HOST HOST UPGRADE KEY VERSION MQTT END,
        LINE HOST UPGRADE VERSION MQTT END, /* no key */
        LINE HOST UPGRADE KEY KEY VERSION MQTT END,
        LINE HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" VERSION MQTT END,
        LINE HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n" VERSION MQTT END,
        LINE HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-==\r\n" VERSION MQTT END,
        LINE HOST UPGRADE KEY VERSION VERSION MQTT END,
        LINE HOST UPGRADE KEY VERSION MQTT "Origin: a\r\nOrigin: a\r\n" END,
        LINE HOST UPGRADE KEY VERSION MQTT "Content-Length: 1\r\n" END,
        LINE HOST UPGRADE KEY VERSION MQTT "Transfer-Encoding: chunked\r\n" END,
        LINE HOST UPGRADE KEY VERSION MQTT END "\x82\x80", /* frames before the answer */
        "GET /mqtt HTTP/1.0\r\n" HOST UPGRADE KEY VERSION MQTT END,
        "\x10\x0d",
    };
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        expect(malformed[i], UPGRADE_MALFORMED);
        expect_answer("HTTP/1.1 400 ");
        expect_answer("Connection: close\r\n");
    }
}

static void eight_kilobytes_are_the_limit(void **state)
{
    (void)state;
    static const char begin[] = LINE HOST UPGRADE KEY VERSION MQTT "Cookie: ";
    char text[UPGRADE_MAX + 2];
    memset(text, 'a', sizeof(text));
    memcpy(text, begin, sizeof(begin) - 1);
    strcpy(text + UPGRADE_MAX - 4, "\r\n\r\n");
    expect(text, UPGRADE_GRANTED);
    strcpy(text + UPGRADE_MAX - 4, "a\r\n\r\n");
    expect(text, UPGRADE_TOO_LARGE);
    expect_answer("HTTP/1.1 431 ");
}

static void the_path_is_the_listeners_or_any(void **state)
{
    (void)state;
    static const char at_root[] = "GET / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION MQTT END;
    static const char with_query[] = "GET /mqtt?a=b HTTP/1.1\r\n" HOST UPGRADE KEY VERSION MQTT END;
    static const char below[] = "GET /mqtt/a HTTP/1.1\r\n" HOST UPGRADE KEY VERSION MQTT END;
    expect(at_root, UPGRADE_PATH);
    expect_answer("HTTP/1.1 404 ");
    expect(below, UPGRADE_PATH);
    expect(with_query, UPGRADE_GRANTED);
    rules.path = "";
    expect(at_root, UPGRADE_GRANTED);
    rules.path = NULL;
    expect(below, UPGRADE_GRANTED);
}

static void pages_from_elsewhere_are_refused(void **state)
{
    (void)state;
    static char *const listed[] = {"https://example.org", "http://localhost:8080"};
    static char *const any[] = {"https://example.org", "*"};
    static const struct {
        const char *origin;
        bool may;
    } cases[] = {
        {"", true}, /* a program */
        {"Origin: https://example.org\r\n", true},
        {"Origin: HTTPS://Example.org\r\n", true},
        {"Origin: http://localhost:8080\r\n", true},
        {"Origin: http://example.org\r\n", false},
        {"Origin: https://example.org:444\r\n", false},
        {"Origin: https://example.org.evil\r\n", false},
        {"Origin: null\r\n", false},
        {"Origin:\r\n", false},
    };
    struct config_strings origins = {(char **)listed, 2};
    struct config_strings all = {(char **)any, 2};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512] = LINE HOST UPGRADE KEY VERSION MQTT;
        strcat(strcat(text, cases[i].origin), END);
        rules.origins = &origins;
        expect(text, cases[i].may ? UPGRADE_GRANTED : UPGRADE_ORIGIN);
        if (!cases[i].may)
            expect_answer("HTTP/1.1 403 ");
        rules.origins = &all;
        expect(text, UPGRADE_GRANTED);
        rules.origins = NULL;
        expect(text, UPGRADE_GRANTED);
    }
}

static void x_real_ip_counts_from_who_is_trusted(void **state)
{
    (void)state;
    static const char v4[] = LINE HOST UPGRADE KEY VERSION MQTT "X-Real-IP: 203.0.113.7\r\n" END;
    static const char v6[] = LINE HOST UPGRADE KEY VERSION MQTT "X-Real-IP: 2001:db8::7\r\n" END;
    static const char twice[] = LINE HOST UPGRADE KEY VERSION MQTT "X-Real-IP: 203.0.113.7\r\n"
                                                                   "X-Real-IP: 203.0.113.8\r\n" END;
    static const char bad[] = LINE HOST UPGRADE KEY VERSION MQTT "X-Real-IP: unknown\r\n" END;
    static const char empty[] = LINE HOST UPGRADE KEY VERSION MQTT "X-Real-IP:\r\n" END;
    char text[PEER_TEXT_MAX];
    expect(v4, UPGRADE_GRANTED);
    assert_false(answer.has_real_ip);
    expect(bad, UPGRADE_GRANTED); /* of no account */
    rules.trusts_sender = true;
    expect(v4, UPGRADE_GRANTED);
    assert_true(answer.has_real_ip);
    assert_string_equal(peer_text(&answer.real_ip, text), "203.0.113.7:0");
    expect(v6, UPGRADE_GRANTED);
    assert_string_equal(peer_text(&answer.real_ip, text), "[2001:db8::7]:0");
    expect(twice, UPGRADE_MALFORMED);
    expect(bad, UPGRADE_MALFORMED);
    expect(empty, UPGRADE_MALFORMED);
    expect(LINE HOST UPGRADE KEY VERSION MQTT END, UPGRADE_GRANTED);
    assert_false(answer.has_real_ip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_good_request_is_granted, setup),
        cmocka_unit_test_setup(every_beginning_asks_for_more, setup),
        cmocka_unit_test_setup(the_first_subprotocol_that_is_ours_is_chosen, setup),
        cmocka_unit_test_setup(what_is_not_asked_for_rightly_is_refused, setup),
        cmocka_unit_test_setup(eight_kilobytes_are_the_limit, setup),
        cmocka_unit_test_setup(the_path_is_the_listeners_or_any, setup),
        cmocka_unit_test_setup(pages_from_elsewhere_are_refused, setup),
        cmocka_unit_test_setup(x_real_ip_counts_from_who_is_trusted, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
