/* Two tables of sets; a proof's own first bytes, which nobody can choose, say which set is its. */
#include "broker/auth/login/login_memory.h"

#include "common/process/secret_memory.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

enum { KEY_BYTES = 32, WAYS = 8, RIGHT_SETS = 32768, WRONG_SETS = 2048, SETS_PER_PIECE = 1024 };

struct entry {
    struct login_proof proof; /* all zero: none */
    uint64_t name_hash, stamp;
};

struct set {
    struct entry entries[WAYS];
    uint32_t next; /* the oldest */
};

struct login_memory {
    uint8_t key[KEY_BYTES];
    struct set right[RIGHT_SETS];
    struct set wrong[WRONG_SETS];
};

struct login_memory *login_memory_new(void)
{
    struct login_memory *m = secret_memory_new(sizeof(*m));
    if (m != NULL && RAND_bytes(m->key, sizeof(m->key)) != 1) {
        login_memory_free(m);
        return NULL;
    }
    return m;
}

void login_memory_free(struct login_memory *m)
{
    secret_memory_free(m, sizeof(*m));
}

/* HMAC(HMAC(key, user name) and stamp, password): no two logins share one by moving bytes across. */
bool login_memory_prove(const struct login_memory *m, struct mqtt_slice username, uint64_t stamp,
                        struct mqtt_slice password, struct login_proof *out)
{
    uint8_t inner[EVP_MAX_MD_SIZE + sizeof(stamp)];
    uint8_t outer[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (HMAC(EVP_sha256(), m->key, KEY_BYTES, username.data, username.len, inner, &len) == NULL)
        return false;
    memcpy(inner + len, &stamp, sizeof(stamp));
    bool ok = HMAC(EVP_sha256(), inner, (int)(len + sizeof(stamp)), password.data, password.len,
                   outer, NULL) != NULL;
    memcpy(out->bytes, outer, sizeof(out->bytes));
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
    return ok;
}

static size_t set_of(const struct login_proof *proof, size_t sets)
{
    uint32_t bits;
    memcpy(&bits, proof->bytes, sizeof(bits));
    return bits % sets;
}

static bool set_has(const struct set *set, const struct login_proof *proof)
{
    bool found = false;
    for (unsigned i = 0; i < WAYS; i++)
        found |= CRYPTO_memcmp(&set->entries[i].proof, proof, sizeof(*proof)) == 0;
    return found;
}

enum login_known login_memory_ask(const struct login_memory *m, const struct login_proof *proof)
{
    if (set_has(&m->right[set_of(proof, RIGHT_SETS)], proof))
        return LOGIN_RIGHT;
    if (set_has(&m->wrong[set_of(proof, WRONG_SETS)], proof))
        return LOGIN_WRONG;
    return LOGIN_UNKNOWN;
}

void login_memory_note(struct login_memory *m, const struct login_proof *proof, bool right,
                       uint64_t name_hash, uint64_t stamp)
{
    struct set *set =
        right ? &m->right[set_of(proof, RIGHT_SETS)] : &m->wrong[set_of(proof, WRONG_SETS)];
    set->entries[set->next % WAYS] =
        (struct entry){.proof = *proof, .name_hash = name_hash, .stamp = stamp};
    set->next++;
}

static void forget_in_set(struct set *set,
                          bool (*keeps)(void *arg, uint64_t name_hash, uint64_t stamp), void *arg)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *e = &set->entries[i];
        if (e->stamp != 0 && !keeps(arg, e->name_hash, e->stamp))
            explicit_bzero(e, sizeof(*e));
    }
}

bool login_memory_forget(struct login_memory *m, size_t *at,
                         bool (*keeps)(void *arg, uint64_t name_hash, uint64_t stamp), void *arg)
{
    size_t end = *at + SETS_PER_PIECE;
    for (; *at < end && *at < RIGHT_SETS; (*at)++)
        if (m->right[*at].next > 0)
            forget_in_set(&m->right[*at], keeps, arg);
    return *at < RIGHT_SETS;
}
