/*
 * fuzz_random - random numbers that are the same for the same input. To be included by one file of a target: its
 * functions stand in for those of libevent and OpenSSL.
 */
#ifndef FLOTILLA_TESTS_FUZZ_FUZZ_RANDOM_H
#define FLOTILLA_TESTS_FUZZ_FUZZ_RANDOM_H

#include <event2/util.h>
#include <openssl/rand.h>
#include <stdint.h>

static uint64_t fuzz_random_state = 1;

static inline void fuzz_random_reset(void)
{
    fuzz_random_state = 1;
}

static inline void fuzz_random_fill(unsigned char *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        fuzz_random_state = fuzz_random_state * 6364136223846793005u + 1442695040888963407u;
        to[i] = (unsigned char)(fuzz_random_state >> 56);
    }
}

void evutil_secure_rng_get_bytes(void *buf, size_t n)
{
    fuzz_random_fill(buf, n);
}

int RAND_bytes(unsigned char *buf, int num)
{
    fuzz_random_fill(buf, (size_t)num);
    return 1;
}

#endif
