/*
 * fleet_bytes - a growing byte buffer, and a bounds-checked reader, for what brokers send each
 * other and keep in Redis.
 *
 * Numbers: fixed ones are big-endian; a varint has 7 bits a byte, least significant first.
 * Errors:  sticky. A writer out of memory and a reader past the end set `failed`; what follows does
 *          nothing and reads as zero, so callers check once at the end.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_BYTES_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_BYTES_H

#include "common/mqtt/mqtt.h"

struct fleet_bytes {
    uint8_t *data;
    size_t len, size;
    bool failed;
};

void fleet_bytes_fini(struct fleet_bytes *b);
/* Empties it; keeps the memory unless it is more than `keep` bytes. */
void fleet_bytes_reset(struct fleet_bytes *b, size_t keep);
void fleet_bytes_put(struct fleet_bytes *b, const void *data, size_t len);
void fleet_bytes_u8(struct fleet_bytes *b, uint8_t n);
void fleet_bytes_u64(struct fleet_bytes *b, uint64_t n);
void fleet_bytes_varint(struct fleet_bytes *b, uint64_t n);
/* A varint of the length, then the bytes. */
void fleet_bytes_slice(struct fleet_bytes *b, struct mqtt_slice s);
static inline struct mqtt_slice fleet_bytes_all(const struct fleet_bytes *b)
{
    return (struct mqtt_slice){.data = b->data, .len = (uint32_t)b->len};
}

struct fleet_reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct fleet_reader fleet_reader_of(const void *data, size_t len)
{
    return (struct fleet_reader){.at = data, .end = len > 0 ? (const uint8_t *)data + len : data};
}
static inline bool fleet_reader_more(const struct fleet_reader *r)
{
    return !r->failed && r->at < r->end;
}
uint8_t fleet_reader_u8(struct fleet_reader *r);
uint64_t fleet_reader_u64(struct fleet_reader *r);
uint64_t fleet_reader_varint(struct fleet_reader *r);
struct mqtt_slice fleet_reader_slice(struct fleet_reader *r);

static inline void fleet_u64_write(uint8_t out[8], uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        out[i] = (uint8_t)n;
}

#endif
