/* Where things are in Redis. Every broker of a fleet must agree on this file. */
#include "broker/fleet/wire/fleet_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void fleet_wide(const struct fleet_keys *k, char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s{r}:%s", k->base, name);
}

void fleet_keys_init(struct fleet_keys *k, const char *name)
{
    memset(k, 0, sizeof(*k));
    if (name != NULL && name[0] != '\0')
        snprintf(k->base, sizeof(k->base), "fl.%.*s:", FLEET_NAME_MAX, name);
    else
        snprintf(k->base, sizeof(k->base), "fl:");
    fleet_wide(k, k->fleet, sizeof(k->fleet), "");
    fleet_wide(k, k->nodes, sizeof(k->nodes), "nodes");
    fleet_wide(k, k->ver, sizeof(k->ver), "ver");
    fleet_wide(k, k->log, sizeof(k->log), "log");
    fleet_wide(k, k->reap, sizeof(k->reap), "reap");
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

void fleet_secret_write(const uint8_t secret[SIPHASH_KEY_SIZE], char hex[FLEET_SECRET_HEX + 1])
{
    for (size_t i = 0; i < SIPHASH_KEY_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", secret[i]);
}

bool fleet_keys_set_secret(struct fleet_keys *k, const char *hex, size_t len)
{
    if (len != 0 && len != FLEET_SECRET_HEX)
        return false;
    uint8_t secret[SIPHASH_KEY_SIZE];
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        secret[i] = (uint8_t)(high << 4 | low);
    }
    k->keyed = len > 0;
    if (k->keyed)
        memcpy(k->secret, secret, sizeof(secret));
    return true;
}

static struct fleet_key node_key(const struct fleet_keys *k, const char *before, uint64_t node,
                                 const char *after)
{
    char hex[FLEET_HEX_SIZE];
    fleet_hex(node, hex);
    struct fleet_key key;
    snprintf(key.text, sizeof(key.text), "%s%s%s%s", k->base, before, hex, after);
    return key;
}

struct fleet_key fleet_key_routes(const struct fleet_keys *k, uint64_t node)
{
    return node_key(k, "{r}:n:", node, "");
}

struct fleet_key fleet_key_members(const struct fleet_keys *k, uint64_t node)
{
    return node_key(k, "{r}:m:", node, "");
}

struct fleet_key fleet_key_inbox(const struct fleet_keys *k, uint64_t node)
{
    return node_key(k, "{n:", node, "}:in");
}

struct fleet_key fleet_key_node(const struct fleet_keys *k, uint64_t node)
{
    return node_key(k, "{n:", node, "}:");
}

struct fleet_key fleet_key_channel(const struct fleet_keys *k, uint64_t node)
{
    return node_key(k, "n:", node, "");
}

static struct fleet_key bucket_key(const struct fleet_keys *k, char kind, unsigned bucket)
{
    struct fleet_key key;
    snprintf(key.text, sizeof(key.text), "%s{%c%u}:", k->base, kind, bucket);
    return key;
}

struct fleet_key fleet_key_clients(const struct fleet_keys *k, unsigned bucket)
{
    return bucket_key(k, 's', bucket);
}

struct fleet_key fleet_key_topics(const struct fleet_keys *k, unsigned bucket)
{
    return bucket_key(k, 't', bucket);
}

struct fleet_key fleet_key_groups(const struct fleet_keys *k, unsigned bucket)
{
    return bucket_key(k, 'g', bucket);
}

/* FNV-1a, finished by a multiply-xor so that the low bits are good. */
uint64_t fleet_hash(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

unsigned fleet_client_bucket(const struct fleet_keys *k, struct mqtt_slice client_id)
{
    uint64_t h = k->keyed ? siphash(k->secret, client_id.data, client_id.len)
                          : fleet_hash(client_id.data, client_id.len);
    return (unsigned)(h % FLEET_CLIENT_BUCKETS);
}

unsigned fleet_group_bucket(const struct fleet_keys *k, struct mqtt_slice filter)
{
    return fleet_client_bucket(k, filter) % FLEET_GROUP_BUCKETS;
}

unsigned fleet_topic_bucket(struct mqtt_slice topic)
{
    const uint8_t *slash = topic.len > 0 ? memchr(topic.data, '/', topic.len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - topic.data) : topic.len;
    return (unsigned)(fleet_hash(topic.data, len) % FLEET_TOPIC_BUCKETS);
}

void fleet_hex(uint64_t id, char out[FLEET_HEX_SIZE])
{
    snprintf(out, FLEET_HEX_SIZE, "%016" PRIx64, id);
}

bool fleet_hex_parse(const char *text, size_t len, uint64_t *id)
{
    uint64_t n = 0;
    if (len != FLEET_HEX_SIZE - 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        n = n << 4 | (uint64_t)digit;
    }
    *id = n;
    return true;
}
