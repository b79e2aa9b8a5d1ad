/*
 * The algorithms are fetched once here: OpenSSL 3.0 looks them up by name at each use otherwise.
 */
#include "common/tls/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

#define KEYS 3 /* the newest makes tickets, all open them */
#define NAME_SIZE 16

struct ticket_key {
    unsigned char name[NAME_SIZE];
    unsigned char cipher[16];
    unsigned char mac[32];
};

struct tls_tickets {
    pthread_rwlock_t lock;
    uint64_t period_ms;
    uint64_t made_at_ms;          /* of the newest */
    unsigned count;               /* keys in use */
    struct ticket_key keys[KEYS]; /* newest first */
    EVP_CIPHER *cipher;
};

static bool add_key(struct tls_tickets *t, uint64_t now_ms)
{
    struct ticket_key fresh;
    if (RAND_bytes((unsigned char *)&fresh, sizeof(fresh)) != 1)
        return false;
    memmove(&t->keys[1], &t->keys[0], sizeof(t->keys[0]) * (KEYS - 1));
    t->keys[0] = fresh;
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    if (t->count < KEYS)
        t->count++;
    t->made_at_ms = now_ms;
    return true;
}

struct tls_tickets *tls_tickets_new(uint64_t period_ms)
{
    struct tls_tickets *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->period_ms = period_ms;
    t->cipher = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    pthread_rwlock_init(&t->lock, NULL);
    if (t->cipher == NULL || !add_key(t, clock_monotonic_ms())) {
        tls_tickets_free(t);
        return NULL;
    }
    return t;
}

void tls_tickets_free(struct tls_tickets *t)
{
    if (t == NULL)
        return;
    EVP_CIPHER_free(t->cipher);
    pthread_rwlock_destroy(&t->lock);
    OPENSSL_cleanse(t->keys, sizeof(t->keys));
    free(t);
}

void tls_tickets_rotate(struct tls_tickets *t, uint64_t now_ms)
{
    pthread_rwlock_rdlock(&t->lock);
    bool due = now_ms >= t->made_at_ms + t->period_ms;
    pthread_rwlock_unlock(&t->lock);
    if (!due)
        return;
    pthread_rwlock_wrlock(&t->lock);
    if (now_ms >= t->made_at_ms + t->period_ms)
        (void)add_key(t, now_ms); /* without randomness the old key goes on */
    pthread_rwlock_unlock(&t->lock);
}

/* Index of the key of that name, KEYS: none. */
static unsigned find_key(struct tls_tickets *t, const unsigned char *name, struct ticket_key *out)
{
    unsigned i;
    pthread_rwlock_rdlock(&t->lock);
    for (i = 0; i < t->count && memcmp(t->keys[i].name, name, NAME_SIZE) != 0; i++)
        ;
    if (i < t->count)
        *out = t->keys[i];
    else
        i = KEYS;
    pthread_rwlock_unlock(&t->lock);
    return i;
}

static void newest_key(struct tls_tickets *t, struct ticket_key *out)
{
    pthread_rwlock_rdlock(&t->lock);
    *out = t->keys[0];
    pthread_rwlock_unlock(&t->lock);
}

static bool set_mac_key(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int make_ticket(struct tls_tickets *t, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    tls_tickets_rotate(t, clock_monotonic_ms());
    newest_key(t, &key);
    memcpy(name, key.name, NAME_SIZE);
    int ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(t->cipher)) == 1 &&
             EVP_EncryptInit_ex(cipher, t->cipher, NULL, key.cipher, iv) == 1 &&
             set_mac_key(mac, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    return ok ? 1 : -1;
}

/* TLS 1.3 clients use a ticket once (RFC 8446, C.4), so each resumption must give them the next. */
static bool wants_new_ticket(const SSL *ssl, unsigned index)
{
    return index > 0 || SSL_version(ssl) >= TLS1_3_VERSION;
}

static int open_ticket(struct tls_tickets *t, const SSL *ssl, const unsigned char *name,
                       unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    tls_tickets_rotate(t, clock_monotonic_ms());
    unsigned index = find_key(t, name, &key);
    if (index == KEYS)
        return 0; /* a full handshake, and a new ticket */
    int ok =
        set_mac_key(mac, &key) && EVP_DecryptInit_ex(cipher, t->cipher, NULL, key.cipher, iv) == 1;
    OPENSSL_cleanse(&key, sizeof(key));
    if (!ok)
        return -1;
    return wants_new_ticket(ssl, index) ? 2 : 1;
}

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int making)
{
    struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return making ? make_ticket(t, name, iv, cipher, mac)
                  : open_ticket(t, ssl, name, iv, cipher, mac);
}

bool tls_tickets_install(struct tls_tickets *t, SSL_CTX *ctx)
{
    /* A ticket must not outlive the keys that open it. */
    uint64_t lifetime_s = t->period_ms * (KEYS - 1) / 1000;
    SSL_CTX_set_timeout(ctx, (long)(lifetime_s > 0 ? lifetime_s : 1));
    return SSL_CTX_set_app_data(ctx, t) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key) == 1;
}
