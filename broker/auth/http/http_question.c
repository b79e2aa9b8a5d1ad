#include "broker/auth/http/http_question.h"

#include <cjson/cJSON.h>
#include <openssl/crypto.h>
#include <string.h>

#include "broker/auth/jwt/jwt_judge.h"
#include "common/http/http_client.h"
#include "common/net/peer.h"

/* ---- the question ---------------------------------------------------------------------------- */

/* Text in quotes; each byte may become six. */
struct writer {
    char *text;
    size_t len, size;
};

static void put(struct writer *w, const char *bytes, size_t len)
{
    memcpy(w->text + w->len, bytes, len);
    w->len += len;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_character(struct writer *w, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    if (byte == '"' || byte == '\\') {
        put(w, (const char[]){'\\', (char)byte}, 2);
    } else if (byte < 0x20) {
        put(w, (const char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
    } else {
        put(w, (const char *)&byte, 1);
    }
}

static void put_value(struct writer *w, const char *name, bool there, struct mqtt_slice value)
{
    put_text(w, name);
    if (!there) {
        put_text(w, "null");
        return;
    }
    put_text(w, "\"");
    for (uint32_t i = 0; i < value.len; i++)
        put_character(w, value.data[i]);
    put_text(w, "\"");
}

static bool is_text(struct mqtt_slice s)
{
    return s.len == 0 || mqtt_payload_utf8_valid(s.data, s.len);
}

/* Without the port. */
static struct mqtt_slice host_of(const struct peer *peer, char text[PEER_TEXT_MAX])
{
    peer_text(peer, text);
    const char *end = strrchr(text, ':');
    const char *start = text[0] == '[' ? text + 1 : text;
    size_t len = (size_t)(end - start) - (text[0] == '[');
    return mqtt_slice_of(start, len);
}

char *http_question_make(const struct http_login *l, size_t *len)
{
    enum { NAMES = 128 };
    char peer[PEER_TEXT_MAX];
    struct mqtt_slice host = l->peer != NULL ? host_of(l->peer, peer) : (struct mqtt_slice){0};
    if (!is_text(l->username) || !is_text(l->password) || !is_text(l->client_id))
        return NULL;
    struct writer w = {.size = NAMES + 6 * ((size_t)l->username.len + l->password.len +
                                            l->client_id.len + host.len)};
    w.text = OPENSSL_malloc(w.size);
    if (w.text == NULL)
        return NULL;
    put_value(&w, "{\"username\":", l->has_username, l->username);
    put_value(&w, ",\"password\":", l->has_password, l->password);
    put_value(&w, ",\"clientid\":", true, l->client_id);
    put_value(&w, ",\"peerhost\":", l->peer != NULL, host);
    put_text(&w, "}");
    *len = w.len;
    return w.text;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static bool is_given(const cJSON *value)
{
    return value != NULL && !cJSON_IsNull(value);
}

/* False: what it says makes no sense. */
static bool take_terms(const cJSON *answer, struct http_finding *out)
{
    enum { FURTHEST = 100000000 }; /* thousands of seconds */
    const cJSON *acl = cJSON_GetObjectItemCaseSensitive(answer, "acl");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(answer, "expire_at");
    if (is_given(end)) {
        if (!cJSON_IsNumber(end) || end->valuedouble < 1 || end->valuedouble > FURTHEST * 1000.0)
            return false;
        out->until_s = (uint64_t)end->valuedouble;
    }
    if (!is_given(acl))
        return true;
    out->acl = acl;
    return jwt_acl_is_valid(acl);
}

static enum http_meaning meaning_of(const cJSON *answer, struct http_finding *out, const char **why)
{
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(answer, "result");
    const char *word = cJSON_IsString(result) ? result->valuestring : "";
    if (strcmp(word, "deny") == 0)
        return HTTP_DENIES;
    if (strcmp(word, "ignore") == 0)
        return HTTP_IGNORES;
    *why = "expected \"result\": \"allow\", \"deny\" or \"ignore\" in its answer";
    if (strcmp(word, "allow") != 0)
        return HTTP_FAILED;
    *why = "expected acl with lists of topic filters pub, sub, all, and expire_at in seconds";
    return take_terms(answer, out) ? HTTP_ALLOWS : HTTP_FAILED;
}

enum http_meaning http_question_answered(const struct http_answer *answer, struct http_finding *out,
                                         const char **why)
{
    *out = (struct http_finding){0};
    *why = answer->err != NULL ? answer->err : "expected status 200, 204, 401, 403 or 404";
    if (answer->status == 204)
        return HTTP_ALLOWS;
    if (answer->status == 401 || answer->status == 403)
        return HTTP_DENIES;
    if (answer->status == 404)
        return HTTP_IGNORES;
    if (answer->status != 200)
        return HTTP_FAILED;
    out->json = cJSON_ParseWithLength(answer->body, answer->len);
    *why = "expected JSON in its answer";
    return cJSON_IsObject(out->json) ? meaning_of(out->json, out, why) : HTTP_FAILED;
}

void http_finding_fini(struct http_finding *f)
{
    cJSON_Delete(f->json);
    *f = (struct http_finding){0};
}
