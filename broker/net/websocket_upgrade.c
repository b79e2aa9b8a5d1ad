/* First what the request says, then whether that is enough. */
#include "broker/net/websocket_upgrade.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "broker/net/http_head.h"
#include "common/config/config_schema.h"

enum { KEY_LEN = 24, ACCEPT_SIZE = 32 };

/* Fields that may be there once only. */
enum single { HOST, KEY, VERSION, ORIGIN, REAL_IP, SINGLES };
static const char *const single_names[SINGLES] = {
    [HOST] = "host",     [KEY] = "sec-websocket-key", [VERSION] = "sec-websocket-version",
    [ORIGIN] = "origin", [REAL_IP] = "x-real-ip",
};

static const char *const subprotocols[] = {"mqtt", "mqttv3.1"};

struct request {
    struct http_head head;
    struct http_text single[SINGLES]; /* at: NULL when it isn't there */
    bool upgrade;                     /* Upgrade has websocket */
    bool connection;                  /* Connection has Upgrade */
    const char *subprotocol;          /* of ours; NULL: none yet */
};

/* ---- what the request says ------------------------------------------------------------------- */

static bool list_has(struct http_text list, const char *wanted)
{
    struct http_text item;
    while (http_list_next(&list, &item))
        if (http_text_is_nocase(item, wanted))
            return true;
    return false;
}

static const char *first_known(struct http_text list)
{
    struct http_text item;
    while (http_list_next(&list, &item))
        for (size_t i = 0; i < sizeof(subprotocols) / sizeof(subprotocols[0]); i++)
            if (http_text_is(item, subprotocols[i]))
                return subprotocols[i];
    return NULL;
}

/* False: twice what may be there once, or a body is announced. */
static bool note_field(struct request *r, struct http_text name, struct http_text value)
{
    for (int i = 0; i < SINGLES; i++) {
        if (!http_text_is_nocase(name, single_names[i]))
            continue;
        bool first = r->single[i].at == NULL;
        r->single[i] = value;
        return first;
    }
    if (http_text_is_nocase(name, "upgrade"))
        r->upgrade = r->upgrade || list_has(value, "websocket");
    else if (http_text_is_nocase(name, "connection"))
        r->connection = r->connection || list_has(value, "upgrade");
    else if (http_text_is_nocase(name, "sec-websocket-protocol") && r->subprotocol == NULL)
        r->subprotocol = first_known(value);
    else if (http_text_is_nocase(name, "content-length"))
        return http_text_is(value, "0");
    else if (http_text_is_nocase(name, "transfer-encoding"))
        return false;
    return true;
}

static enum websocket_verdict read_request(const uint8_t *buf, size_t len, struct request *r)
{
    struct http_text name;
    struct http_text value;
    size_t used = 0;
    switch (http_head_parse(buf, len, UPGRADE_MAX, &r->head, &used)) {
    case HTTP_HEAD_NEED_MORE:
        return UPGRADE_NEED_MORE;
    case HTTP_HEAD_TOO_LARGE:
        return UPGRADE_TOO_LARGE;
    case HTTP_HEAD_MALFORMED:
        return UPGRADE_MALFORMED;
    case HTTP_HEAD_OK:
        break;
    }
    if (used != len)
        return UPGRADE_MALFORMED;
    struct http_text fields = r->head.fields;
    while (http_head_next(&fields, &name, &value))
        if (!note_field(r, name, value))
            return UPGRADE_MALFORMED;
    return UPGRADE_GRANTED;
}

/* ---- whether that is enough ------------------------------------------------------------------- */

/* 16 bytes in base64. */
static bool is_key(struct http_text t)
{
    if (t.len != KEY_LEN || t.at[22] != '=' || t.at[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        char c = t.at[i];
        bool is_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!is_digit)
            return false;
    }
    return true;
}

static bool origin_may(struct http_text origin, const struct config_strings *allowed)
{
    if (origin.at == NULL || allowed == NULL || allowed->count == 0)
        return true;
    for (size_t i = 0; i < allowed->count; i++)
        if (strcmp(allowed->items[i], "*") == 0 || http_text_is_nocase(origin, allowed->items[i]))
            return true;
    return false;
}

static bool parse_address(struct http_text t, struct peer *out)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (t.len >= sizeof(text))
        return false;
    memcpy(text, t.at, t.len);
    text[t.len] = '\0';
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        *out = peer_from_sockaddr((const struct sockaddr *)&v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        *out = peer_from_sockaddr((const struct sockaddr *)&v6);
    else
        return false;
    return true;
}

static enum websocket_verdict judge(const struct request *r, const struct websocket_rules *rules,
                                    struct websocket_upgrade *out)
{
    const struct http_text *single = r->single;
    bool any_path = rules->path == NULL || rules->path[0] == '\0';
    if (!http_text_is(r->head.method, "GET"))
        return UPGRADE_METHOD;
    if (!any_path && !http_text_is(r->head.path, rules->path))
        return UPGRADE_PATH;
    if (!r->upgrade || !r->connection || !http_text_is(single[VERSION], "13"))
        return UPGRADE_NOT_ASKED;
    if (single[HOST].len == 0 || !is_key(single[KEY]))
        return UPGRADE_MALFORMED;
    if (!origin_may(single[ORIGIN], rules->origins))
        return UPGRADE_ORIGIN;
    if (r->subprotocol == NULL)
        return UPGRADE_SUBPROTOCOL;
    out->has_real_ip = rules->trusts_sender && single[REAL_IP].at != NULL;
    if (out->has_real_ip && !parse_address(single[REAL_IP], &out->real_ip))
        return UPGRADE_MALFORMED;
    return UPGRADE_GRANTED;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* RFC 6455, 4.2.2: the key and a fixed text, hashed. It shows that this server means WebSocket. */
static bool accept_of(struct http_text key, char accept[ACCEPT_SIZE])
{
    static const char fixed[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char text[KEY_LEN + sizeof(fixed) - 1];
    unsigned char digest[SHA_DIGEST_LENGTH];
    memcpy(text, key.at, KEY_LEN);
    memcpy(text + KEY_LEN, fixed, sizeof(fixed) - 1);
    if (SHA1(text, sizeof(text), digest) == NULL)
        return false;
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
    return true;
}

static bool write_grant(const struct request *r, struct websocket_upgrade *out)
{
    char accept[ACCEPT_SIZE];
    if (!accept_of(r->single[KEY], accept))
        return false;
    int n = snprintf(out->answer, sizeof(out->answer),
                     "HTTP/1.1 101 Switching Protocols\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n"
                     "Sec-WebSocket-Protocol: %s\r\n\r\n",
                     accept, r->subprotocol);
    out->answer_len = (size_t)n;
    return true;
}

static void write_refusal(enum websocket_verdict verdict, struct websocket_upgrade *out)
{
    static const struct {
        const char *status, *fields, *text;
    } answers[] = {
        [UPGRADE_MALFORMED] = {"400 Bad Request", "", "not a valid WebSocket request"},
        [UPGRADE_SUBPROTOCOL] = {"400 Bad Request", "", "the subprotocol mqtt is missing"},
        [UPGRADE_ORIGIN] = {"403 Forbidden", "", "not from pages of this origin"},
        [UPGRADE_PATH] = {"404 Not Found", "", "no MQTT at this path"},
        [UPGRADE_METHOD] = {"405 Method Not Allowed", "Allow: GET\r\n", "only GET"},
        [UPGRADE_NOT_ASKED] = {"426 Upgrade Required",
                               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                               "only WebSocket, version 13"},
        [UPGRADE_TOO_LARGE] = {"431 Request Header Fields Too Large", "", "more than 8 kB"},
        [UPGRADE_FAILED] = {"500 Internal Server Error", "", "no SHA-1"},
    };
    const char *upgrade = verdict == UPGRADE_NOT_ASKED ? "Upgrade, close" : "close";
    int n = snprintf(out->answer, sizeof(out->answer),
                     "HTTP/1.1 %s\r\n%sConnection: %s\r\nContent-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n\r\n%s\n",
                     answers[verdict].status, answers[verdict].fields, upgrade,
                     strlen(answers[verdict].text) + 1, answers[verdict].text);
    out->answer_len = (size_t)n;
}

enum websocket_verdict websocket_upgrade_decide(const uint8_t *buf, size_t len,
                                                const struct websocket_rules *rules,
                                                struct websocket_upgrade *out)
{
    struct request r = {0};
    memset(out, 0, sizeof(*out));
    enum websocket_verdict verdict = read_request(buf, len, &r);
    if (verdict == UPGRADE_NEED_MORE)
        return verdict;
    if (verdict == UPGRADE_GRANTED)
        verdict = judge(&r, rules, out);
    if (verdict == UPGRADE_GRANTED && !write_grant(&r, out))
        verdict = UPGRADE_FAILED;
    if (verdict != UPGRADE_GRANTED)
        write_refusal(verdict, out);
    return verdict;
}
