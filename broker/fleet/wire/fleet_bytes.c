/* The bottom of everything the fleet encodes; fleet_frame.c puts messages together from it. */
#include "broker/fleet/wire/fleet_bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 256 };

void fleet_bytes_fini(struct fleet_bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

void fleet_bytes_reset(struct fleet_bytes *b, size_t keep)
{
    if (b->size > keep)
        fleet_bytes_fini(b);
    b->len = 0;
    b->failed = false;
}

static bool make_room(struct fleet_bytes *b, size_t len)
{
    size_t size = b->size == 0 ? FIRST_SIZE : b->size;
    if (b->failed)
        return false;
    if (b->size - b->len >= len)
        return true;
    while (size - b->len < len)
        size *= 2;
    uint8_t *data = realloc(b->data, size);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->size = size;
    return true;
}

void fleet_bytes_put(struct fleet_bytes *b, const void *data, size_t len)
{
    if (len == 0 || !make_room(b, len))
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void fleet_bytes_u8(struct fleet_bytes *b, uint8_t n)
{
    fleet_bytes_put(b, &n, 1);
}

void fleet_bytes_u64(struct fleet_bytes *b, uint64_t n)
{
    uint8_t out[8];
    fleet_u64_write(out, n);
    fleet_bytes_put(b, out, sizeof(out));
}

void fleet_bytes_varint(struct fleet_bytes *b, uint64_t n)
{
    uint8_t out[10];
    size_t len = 0;
    for (; n >= 0x80; n >>= 7)
        out[len++] = (uint8_t)(n | 0x80);
    out[len++] = (uint8_t)n;
    fleet_bytes_put(b, out, len);
}

void fleet_bytes_slice(struct fleet_bytes *b, struct mqtt_slice s)
{
    fleet_bytes_varint(b, s.len);
    fleet_bytes_put(b, s.data, s.len);
}

static const uint8_t *take(struct fleet_reader *r, size_t len)
{
    const uint8_t *at = r->at;
    if (r->failed || (size_t)(r->end - r->at) < len) {
        r->failed = true;
        return NULL;
    }
    r->at += len;
    return at;
}

uint8_t fleet_reader_u8(struct fleet_reader *r)
{
    const uint8_t *at = take(r, 1);
    return at != NULL ? *at : 0;
}

uint64_t fleet_reader_u64(struct fleet_reader *r)
{
    const uint8_t *at = take(r, 8);
    uint64_t n = 0;
    for (size_t i = 0; at != NULL && i < 8; i++)
        n = n << 8 | at[i];
    return n;
}

uint64_t fleet_reader_varint(struct fleet_reader *r)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = fleet_reader_u8(r);
        n |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return n;
    }
    r->failed = true;
    return 0;
}

struct mqtt_slice fleet_reader_slice(struct fleet_reader *r)
{
    uint64_t len = fleet_reader_varint(r);
    const uint8_t *at = len <= UINT32_MAX ? take(r, (size_t)len) : NULL;
    if (at == NULL) {
        r->failed = true;
        return (struct mqtt_slice){0};
    }
    return (struct mqtt_slice){.data = at, .len = (uint32_t)len};
}
