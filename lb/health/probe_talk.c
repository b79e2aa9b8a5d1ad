/*
 * What a health check says and how the answer is judged; pure functions on bytes. The socket is
 * probe.c's.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/mqtt/mqtt.h"
#include "common/net/address.h"
#include "common/net/proxy_v2.h"
#include "lb/health/probe.h"

/* Every check is a client of its own, so that checks of several balancers never take each other
 * over. 3.1.3.1 (MQTT 3.1.1): a server must allow ids of up to 23 letters and digits. */
static void make_client_id(char id[24])
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint64_t)(uintptr_t)id;
    snprintf(id, 24, "flcheck%016llx", (unsigned long long)random);
}

static struct mqtt_slice slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static size_t mqtt_request(const struct probe_spec *spec, uint8_t *buf, size_t size)
{
    char id[24];
    make_client_id(id);
    struct mqtt_packet packet = {
        .type = MQTT_CONNECT,
        .u.connect = {.version = MQTT_V311,
                      .level = 4,
                      .clean_start = true,
                      .keep_alive_s = (uint16_t)(spec->timeout_ms / 1000 < 60 ? 60 : 600),
                      .client_id = slice(id)},
    };
    if (spec->username != NULL) {
        packet.u.connect.has_username = true;
        packet.u.connect.username = slice(spec->username);
    }
    if (spec->password != NULL) {
        packet.u.connect.has_password = true;
        packet.u.connect.password = slice(spec->password);
    }
    size_t len = mqtt_encoded_size(&packet, MQTT_V311);
    return len == 0 || len > size ? 0 : mqtt_encode(&packet, MQTT_V311, buf, size);
}

static size_t http_request(const struct probe_spec *spec, uint8_t *buf, size_t size)
{
    char host[ADDRESS_TEXT_MAX];
    address_format(&spec->addr, host, sizeof(host));
    int n = snprintf((char *)buf, size,
                     "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: flotilla-lb\r\n"
                     "Connection: close\r\n\r\n",
                     spec->path, host);
    return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

size_t probe_header_len(const struct probe_spec *spec)
{
    uint8_t header[PROXY_V2_MAX];
    if (!spec->proxy_v2 || spec->type == LB_CHECK_HTTP)
        return 0;
    return proxy_v2_write(&(struct proxy_info){.local = true}, header, sizeof(header));
}

bool probe_request(const struct probe_spec *spec, uint8_t *buf, size_t size, size_t *len)
{
    size_t head = 0;
    size_t body = 0;
    if (spec->proxy_v2 && spec->type != LB_CHECK_HTTP) {
        head = proxy_v2_write(&(struct proxy_info){.local = true}, buf, size);
        if (head == 0)
            return false;
    }
    switch (spec->type) {
    case LB_CHECK_TCP:
    case LB_CHECK_NONE:
        *len = head;
        return true;
    case LB_CHECK_MQTT:
        body = mqtt_request(spec, buf + head, size - head);
        break;
    case LB_CHECK_HTTP:
        body = http_request(spec, buf + head, size - head);
        break;
    }
    *len = head + body;
    return body > 0;
}

/* CONNACK codes of 3.1.1 and 5.0. A code that refuses only the check (its login, its client id, its
 * address) proves that the broker is alive, unless the login was configured for the check. */
static const struct connack_meaning {
    uint8_t code;
    enum probe_verdict without_login, with_login;
    const char *text;
} connack_meanings[] = {
    {0x00, PROBE_PASS, PROBE_PASS, "accepted"},
    {0x01, PROBE_FAIL, PROBE_FAIL, "unsupported protocol version"},
    {0x02, PROBE_LOGIN_REFUSED, PROBE_LOGIN_REFUSED, "client id rejected"},
    {0x03, PROBE_FAIL, PROBE_FAIL, "server unavailable"},
    {0x04, PROBE_LOGIN_REFUSED, PROBE_FAIL, "bad user name or password"},
    {0x05, PROBE_LOGIN_REFUSED, PROBE_FAIL, "not authorized"},
    {0x84, PROBE_FAIL, PROBE_FAIL, "unsupported protocol version"},
    {0x85, PROBE_LOGIN_REFUSED, PROBE_LOGIN_REFUSED, "client id rejected"},
    {0x86, PROBE_LOGIN_REFUSED, PROBE_FAIL, "bad user name or password"},
    {0x87, PROBE_LOGIN_REFUSED, PROBE_FAIL, "not authorized"},
    {0x88, PROBE_FAIL, PROBE_FAIL, "server unavailable"},
    {0x89, PROBE_FAIL, PROBE_FAIL, "server busy"},
    {0x8a, PROBE_LOGIN_REFUSED, PROBE_FAIL, "banned"},
    {0x8c, PROBE_LOGIN_REFUSED, PROBE_FAIL, "bad authentication method"},
};

static enum probe_verdict judge_connack(uint8_t code, bool has_login, char *error, size_t errlen)
{
    struct connack_meaning m = {code, PROBE_FAIL, PROBE_FAIL, "unknown code"};
    for (size_t i = 0; i < sizeof(connack_meanings) / sizeof(connack_meanings[0]); i++)
        if (connack_meanings[i].code == code)
            m = connack_meanings[i];
    enum probe_verdict verdict = has_login ? m.with_login : m.without_login;
    if (verdict != PROBE_PASS)
        snprintf(error, errlen, "CONNACK %u: %s", code, m.text);
    return verdict;
}

/* What isn't a CONNACK: says what it is. */
static enum probe_verdict judge_other(const uint8_t *buf, size_t len, char *error, size_t errlen)
{
    struct mqtt_decode_opts opts = {.version = MQTT_V311, .max_packet = 64, .from_server = true};
    struct mqtt_packet packet;
    struct mqtt_decode_error decode_error;
    size_t size;
    switch (mqtt_decode(buf, len, &opts, &packet, &size, &decode_error)) {
    case DECODE_NEED_MORE:
        return PROBE_WAIT;
    case DECODE_MALFORMED:
        snprintf(error, errlen, "no MQTT answer: %s", decode_error.text);
        break;
    case DECODE_OK:
        snprintf(error, errlen, "expected CONNACK, got %s", mqtt_type_name(packet.type));
        break;
    }
    return PROBE_FAIL;
}

/* Type, length, flags, code: the same for 3.1.1 and 5.0, whose properties follow. A broker may
 * answer in the form of 5.0 although it was asked in that of 3.1.1, so this is read by hand. */
static enum probe_verdict judge_mqtt(bool has_login, const uint8_t *buf, size_t len, char *error,
                                     size_t errlen)
{
    if (len == 0)
        return PROBE_WAIT;
    if (buf[0] != MQTT_CONNACK << 4)
        return judge_other(buf, len, error, errlen);
    if (len >= 2 && (buf[1] < 2 || buf[1] > 127)) {
        snprintf(error, errlen, "no MQTT answer: CONNACK of a wrong length");
        return PROBE_FAIL;
    }
    return len < 4 ? PROBE_WAIT : judge_connack(buf[3], has_login, error, errlen);
}

static enum probe_verdict judge_http(const uint8_t *buf, size_t len, char *error, size_t errlen)
{
    static const char start[] = "HTTP/1.";
    size_t known = len < sizeof(start) - 1 ? len : sizeof(start) - 1;
    if (memcmp(buf, start, known) != 0) {
        snprintf(error, errlen, "no HTTP answer");
        return PROBE_FAIL;
    }
    const uint8_t *end = memchr(buf, '\n', len);
    if (end == NULL)
        return PROBE_WAIT;
    size_t line = (size_t)(end - buf);
    if (line < 12 || buf[8] != ' ' || !isdigit(buf[9]) || !isdigit(buf[10]) || !isdigit(buf[11])) {
        snprintf(error, errlen, "no HTTP answer");
        return PROBE_FAIL;
    }
    if (buf[9] == '2')
        return PROBE_PASS;
    /* Readiness is what is asked for, so a port that doesn't let the check in hasn't passed. */
    bool not_let_in = memcmp(buf + 9, "401", 3) == 0 || memcmp(buf + 9, "403", 3) == 0;
    snprintf(error, errlen, "HTTP status %.3s%s", (const char *)buf + 9,
             not_let_in ? ": the check isn't let in" : "");
    return PROBE_FAIL;
}

enum probe_verdict probe_judge(enum lb_check_type type, bool has_login, const uint8_t *buf,
                               size_t len, char *error, size_t errlen)
{
    switch (type) {
    case LB_CHECK_MQTT:
        return judge_mqtt(has_login, buf, len, error, errlen);
    case LB_CHECK_HTTP:
        return judge_http(buf, len, error, errlen);
    case LB_CHECK_TCP:
    case LB_CHECK_NONE:
        break;
    }
    return PROBE_PASS;
}
