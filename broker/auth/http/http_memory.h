/*
 * http_memory - whom the service let in, for some time, so that a fleet's reconnect doesn't ask anew for each.
 *
 * An entry is found by an HMAC-SHA256 of all that was asked, the password too, under a key of this process. It has the
 * service's answer, from which rights and end are read again.
 * Bounds: 16,384 entries, answers of 2 kB, 8 MB of answers; the oldest go.
 */
#ifndef FLOTILLA_BROKER_AUTH_HTTP_HTTP_MEMORY_H
#define FLOTILLA_BROKER_AUTH_HTTP_HTTP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_PROOF_BYTES = 32 };

struct http_answer;
struct http_login;
struct http_memory;

struct http_proof {
    uint8_t bytes[HTTP_PROOF_BYTES];
};

/* NULL when out of memory or randomness. */
struct http_memory *http_memory_new(void);
void http_memory_free(struct http_memory *m);

/* False when OpenSSL can't. */
bool http_memory_prove(const struct http_memory *m, const struct http_login *l,
                       struct http_proof *out);
/* False: it isn't known, or `life_ms` is over. `out` is good until the next call. */
bool http_memory_ask(struct http_memory *m, const struct http_proof *proof, uint64_t life_ms,
                     uint64_t now_ms, struct http_answer *out);
void http_memory_note(struct http_memory *m, const struct http_proof *proof,
                      const struct http_answer *answer, uint64_t now_ms);
void http_memory_clear(struct http_memory *m);
size_t http_memory_count(const struct http_memory *m);

#endif
