/*
 * hash - a fast keyed hash of short byte strings for the broker's in-memory tables.
 *
 * Keyed, so that clients can't choose topics or client ids that all fall into one bucket: the key
 * is drawn at start. Not for anything that leaves the process.
 */
#ifndef FLOTILLA_COMMON_BASE_HASH_H
#define FLOTILLA_COMMON_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(uint64_t key, const void *data, size_t len)
{
    const uint8_t *at = data;
    uint64_t h = key ^ (len * 0x9e3779b97f4a7c15u);
    uint64_t word;
    for (; len >= 8; at += 8, len -= 8) {
        memcpy(&word, at, 8);
        h = hash_mix(h ^ word, 0xd6e8feb86659fd93u);
    }
    word = 0;
    if (len > 0) {
        memcpy(&word, at, len);
        h = hash_mix(h ^ word, 0xa0761d6478bd642fu);
    }
    return hash_mix(h, key | 1);
}

#endif
