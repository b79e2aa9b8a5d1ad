/* cJSON reads the JSON; what it takes easily is looked for before and after. */
#include "broker/auth/jwt/jwt_token.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "broker/auth/jwt/jwt_base64.h"

const char *const jwt_verdict_names[JWT_VERDICTS] = {
    [JWT_OK] = "ok",
    [JWT_TOO_LONG] = "longer than 8 kB",
    [JWT_MALFORMED] = "malformed",
    [JWT_CRITICAL] = "its header has crit",
    [JWT_UNKNOWN_KEY] = "unknown key",
    [JWT_OTHER_ALGORITHM] = "another algorithm than its key's",
    [JWT_NO_EXPIRY] = "no exp",
    [JWT_EXPIRED] = "expired",
    [JWT_NOT_YET] = "not valid yet",
    [JWT_OTHER_ISSUER] = "another issuer",
    [JWT_OTHER_AUDIENCE] = "another audience",
    [JWT_NO_USERNAME] = "no user name",
    [JWT_OTHER_USERNAME] = "another user name than the CONNECT's",
    [JWT_BAD_ACL] = "unusable acl",
    [JWT_NO_MEMORY] = "out of memory",
};

/* ---- the text --------------------------------------------------------------------------------- */

static size_t count_dots(struct mqtt_slice text)
{
    size_t dots = 0;
    for (uint32_t i = 0; i < text.len; i++)
        dots += text.data[i] == '.';
    return dots;
}

bool jwt_is_meant(struct mqtt_slice text)
{
    /* `{"` and `{` with a blank: eyJ, eyA, ewo, ewk, ew0 */
    bool begins =
        text.len > 2 && text.data[0] == 'e' && (text.data[1] == 'y' || text.data[1] == 'w');
    return begins && count_dots(text) == 2;
}

/* What stands before the next dot, or all; moves `rest` behind it. */
static struct mqtt_slice next_part(struct mqtt_slice *rest)
{
    const uint8_t *dot = memchr(rest->data, '.', rest->len);
    struct mqtt_slice part = *rest;
    if (dot != NULL)
        part.len = (uint32_t)(dot - rest->data);
    uint32_t gone = part.len + (dot != NULL);
    rest->data += gone;
    rest->len -= gone;
    return part;
}

bool jwt_split(struct mqtt_slice text, struct jwt_parts *out)
{
    struct mqtt_slice rest = text;
    if (text.len == 0 || count_dots(text) != 2)
        return false;
    out->header = next_part(&rest);
    out->claims = next_part(&rest);
    out->signature = rest;
    out->signed_text =
        (struct mqtt_slice){.data = text.data, .len = out->header.len + 1 + out->claims.len};
    return true;
}

/* ---- JSON ------------------------------------------------------------------------------------- */

static bool has_nul(const char *json, size_t len)
{
    static const char escaped[] = "\\u0000";
    return memchr(json, '\0', len) != NULL ||
           memmem(json, len, escaped, sizeof(escaped) - 1) != NULL;
}

/* The members are few, so each is compared with each. */
static bool has_distinct_members(const cJSON *object)
{
    size_t count = 0;
    for (const cJSON *a = object->child; a != NULL; a = a->next) {
        if (++count > JWT_MEMBERS_MAX)
            return false;
        for (const cJSON *b = a->next; b != NULL; b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return false;
    }
    return true;
}

/* NULL: it isn't an object, or not one that all understand in the same way. */
static cJSON *read_object(struct mqtt_slice base64)
{
    char json[JWT_TOKEN_MAX_BYTES + 1];
    size_t len;
    if (!jwt_base64_read(base64.data, base64.len, (uint8_t *)json, JWT_TOKEN_MAX_BYTES, &len))
        return NULL;
    json[len] = '\0';
    if (has_nul(json, len) || !mqtt_payload_utf8_valid((const uint8_t *)json, len))
        return NULL;
    cJSON *object = cJSON_ParseWithLengthOpts(json, len + 1, NULL, true);
    if (cJSON_IsObject(object) && has_distinct_members(object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

static const char *text_member(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(member) ? member->valuestring : NULL;
}

/* ---- both ------------------------------------------------------------------------------------- */

static enum jwt_verdict read_header(struct jwt_token *t)
{
    t->algorithm = text_member(t->header, "alg");
    t->key_name = text_member(t->header, "kid");
    bool named = cJSON_GetObjectItemCaseSensitive(t->header, "kid") != NULL;
    if (t->algorithm == NULL || (named && t->key_name == NULL))
        return JWT_MALFORMED;
    return cJSON_GetObjectItemCaseSensitive(t->header, "crit") != NULL ? JWT_CRITICAL : JWT_OK;
}

enum jwt_verdict jwt_token_read(struct mqtt_slice text, struct jwt_token *out)
{
    struct jwt_parts parts;
    *out = (struct jwt_token){0};
    if (text.len > JWT_TOKEN_MAX_BYTES)
        return JWT_TOO_LONG;
    if (!jwt_split(text, &parts))
        return JWT_MALFORMED;
    out->header = read_object(parts.header);
    if (out->header == NULL)
        return JWT_MALFORMED;
    enum jwt_verdict verdict = read_header(out);
    if (verdict != JWT_OK)
        return verdict;
    out->claims = read_object(parts.claims);
    return out->claims != NULL ? JWT_OK : JWT_MALFORMED;
}

void jwt_token_fini(struct jwt_token *t)
{
    cJSON_Delete(t->header);
    cJSON_Delete(t->claims);
    *t = (struct jwt_token){0};
}
