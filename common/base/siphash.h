/*
 * siphash - SipHash-2-4: a keyed hash of short byte strings, 64 bits.
 *
 * Without the key one can't find inputs that collide, nor inputs with a chosen remainder. The
 * result is the same in every program with the same key, so it may leave the process, where
 * common/base/hash.h (faster, no promise) may not.
 * Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012.
 */
#ifndef FLOTILLA_COMMON_BASE_SIPHASH_H
#define FLOTILLA_COMMON_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY_SIZE = 16 };

uint64_t siphash(const uint8_t key[SIPHASH_KEY_SIZE], const void *data, size_t len);

#endif
