/* Where things are in Redis. Every broker of a fleet must agree on this file. */
#include "broker/fleet_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct fleet_key node_key(const char *format, uint64_t node)
{
    struct fleet_key key;
    char hex[FLEET_HEX_SIZE];
    const char *gap = strchr(format, '*');

    fleet_hex(node, hex);
    snprintf(key.text, sizeof(key.text), "%.*s%s%s", (int)(gap - format), format, hex, gap + 1);
    return key;
}

struct fleet_key fleet_key_routes(uint64_t node)
{
    return node_key(FLEET_PREFIX "n:*", node);
}

struct fleet_key fleet_key_inbox(uint64_t node)
{
    return node_key("fl:{n:*}:in", node);
}

struct fleet_key fleet_key_channel(uint64_t node)
{
    return node_key("fl:n:*", node);
}

struct fleet_key fleet_key_clients(unsigned bucket)
{
    struct fleet_key key;

    snprintf(key.text, sizeof(key.text), "fl:{s%u}:", bucket);
    return key;
}

struct fleet_key fleet_key_topics(unsigned bucket)
{
    struct fleet_key key;

    snprintf(key.text, sizeof(key.text), "fl:{t%u}:", bucket);
    return key;
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

unsigned fleet_client_bucket(const char *client_id, size_t len)
{
    return (unsigned)(fleet_hash(client_id, len) % FLEET_CLIENT_BUCKETS);
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
        const char *digits = "0123456789abcdef";
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

        if (digit == NULL)
            return false;
        n = n << 4 | (uint64_t)(digit - digits);
    }
    *id = n;
    return true;
}
