#include "broker/auth/http/http_memory.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "broker/auth/http/http_question.h"
#include "common/http/http_client.h"
#include "common/net/peer.h"

enum { ENTRIES_MAX = 16384, ANSWER_MAX = 2048, BYTES_MAX = 8 << 20, KEY_BYTES = 32 };

struct entry {
    struct http_proof proof;
    uint64_t noted_ms;
    long status;
    size_t len;
    TAILQ_ENTRY(entry) age;
    UT_hash_handle hh;
    char body[];
};

struct http_memory {
    uint8_t key[KEY_BYTES];
    struct entry *table;
    TAILQ_HEAD(ages, entry) ages; /* oldest first */
    size_t bytes;
};

struct http_memory *http_memory_new(void)
{
    struct http_memory *m = calloc(1, sizeof(*m));
    if (m == NULL || RAND_bytes(m->key, sizeof(m->key)) != 1) {
        free(m);
        return NULL;
    }
    TAILQ_INIT(&m->ages);
    return m;
}

static void drop(struct http_memory *m, struct entry *e)
{
    HASH_DEL(m->table, e);
    TAILQ_REMOVE(&m->ages, e, age);
    m->bytes -= e->len;
    free(e);
}

void http_memory_clear(struct http_memory *m)
{
    while (!TAILQ_EMPTY(&m->ages))
        drop(m, TAILQ_FIRST(&m->ages));
}

void http_memory_free(struct http_memory *m)
{
    if (m == NULL)
        return;
    http_memory_clear(m);
    OPENSSL_cleanse(m->key, sizeof(m->key));
    free(m);
}

/* Lengths stand before texts, so that no two questions are the same bytes. */
static size_t put(uint8_t *to, bool there, struct mqtt_slice s)
{
    uint32_t len = there ? s.len : UINT32_MAX;
    memcpy(to, &len, sizeof(len));
    if (there && s.len > 0)
        memcpy(to + sizeof(len), s.data, s.len);
    return sizeof(len) + (there ? s.len : 0);
}

bool http_memory_prove(const struct http_memory *m, const struct http_login *l,
                       struct http_proof *out)
{
    uint8_t source[16] = {0};
    size_t size = 3 * sizeof(uint32_t) + sizeof(source) + l->username.len + l->password.len +
                  l->client_id.len;
    uint8_t *text = OPENSSL_malloc(size);
    if (text == NULL)
        return false;
    if (l->peer != NULL)
        memcpy(source, l->peer->address, sizeof(source));
    size_t used = put(text, l->has_username, l->username);
    used += put(text + used, l->has_password, l->password);
    used += put(text + used, true, l->client_id);
    memcpy(text + used, source, sizeof(source));
    used += sizeof(source);
    bool made = HMAC(EVP_sha256(), m->key, KEY_BYTES, text, used, out->bytes, NULL) != NULL;
    OPENSSL_clear_free(text, size);
    return made;
}

static struct entry *find(const struct http_memory *m, const struct http_proof *proof)
{
    struct entry *e;
    HASH_FIND(hh, m->table, proof->bytes, HTTP_PROOF_BYTES, e);
    return e;
}

bool http_memory_ask(struct http_memory *m, const struct http_proof *proof, uint64_t life_ms,
                     uint64_t now_ms, struct http_answer *out)
{
    struct entry *e = find(m, proof);
    if (e == NULL)
        return false;
    if (now_ms - e->noted_ms >= life_ms) {
        drop(m, e);
        return false;
    }
    *out = (struct http_answer){.status = e->status, .body = e->body, .len = e->len};
    return true;
}

void http_memory_note(struct http_memory *m, const struct http_proof *proof,
                      const struct http_answer *answer, uint64_t now_ms)
{
    struct entry *old = find(m, proof);
    if (old != NULL)
        drop(m, old);
    if (answer->len > ANSWER_MAX)
        return;
    while (HASH_COUNT(m->table) >= ENTRIES_MAX || m->bytes + answer->len > BYTES_MAX)
        drop(m, TAILQ_FIRST(&m->ages));
    struct entry *e = calloc(1, sizeof(*e) + answer->len + 1);
    if (e == NULL)
        return;
    e->proof = *proof;
    e->noted_ms = now_ms;
    e->status = answer->status;
    e->len = answer->len;
    memcpy(e->body, answer->body, answer->len);
    HASH_ADD(hh, m->table, proof.bytes, HTTP_PROOF_BYTES, e);
    if (e->hh.tbl == NULL) { /* out of memory */
        free(e);
        return;
    }
    TAILQ_INSERT_TAIL(&m->ages, e, age);
    m->bytes += e->len;
}

size_t http_memory_count(const struct http_memory *m)
{
    return HASH_COUNT(m->table);
}
