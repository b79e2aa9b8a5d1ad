/*
 * SCRAM-SHA-256: scram.c reads and writes its messages; here are the user's keys, the nonce, and which message is due.
 */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/auth/auth_method.h"
#include "broker/auth/scram/scram.h"
#include "broker/base/account.h"
#include "broker/base/base64.h"

enum { NONCE_BYTES = 18 };

enum stage {
    STAGE_FIRST, /* client-first-message is due */
    STAGE_ASKED, /* the same, and the client was told so */
    STAGE_FINAL, /* client-final-message is due */
    STAGE_OVER,
};

struct auth_exchange {
    const struct auth *auth;
    enum stage stage;
    uint64_t stamp; /* of the user's keys; 0: they are made up */
    struct scram_secret secret;
    struct scram scram;
};

static struct auth_exchange *begin(const struct auth *a)
{
    struct auth_exchange *x = account_zalloc(ACCOUNT_CLIENTS, sizeof(*x));
    if (x != NULL)
        x->auth = a;
    return x;
}

static void end(struct auth_exchange *x)
{
    if (x != NULL)
        OPENSSL_cleanse(x, sizeof(*x));
    account_free(ACCOUNT_CLIENTS, x);
}

static struct mqtt_slice name_of(const struct auth_exchange *x)
{
    return mqtt_slice_of(x->scram.name, strlen(x->scram.name));
}

static enum auth_step take_first(struct auth_exchange *x, struct mqtt_slice data,
                                 struct auth_answer *out)
{
    uint8_t random[NONCE_BYTES];
    char nonce[BASE64_SIZE(NONCE_BYTES)];
    if (!scram_begin(&x->scram, data) || RAND_bytes(random, sizeof(random)) != 1)
        return AUTH_STEP_REFUSED;
    base64_encode(random, sizeof(random), nonce);
    x->stamp = auth_find_scram(x->auth, name_of(x), &x->secret);
    if (!scram_challenge(&x->scram, &x->secret, nonce, &out->data))
        return AUTH_STEP_REFUSED;
    x->stage = STAGE_FINAL;
    return AUTH_STEP_CONTINUE;
}

/* Whether the user's line is still the one that the client was asked about is for who asks (the stamp). */
static enum auth_step take_final(struct auth_exchange *x, struct mqtt_slice data,
                                 struct auth_answer *out)
{
    bool right = scram_finish(&x->scram, &x->secret.keys, data, &out->data);
    out->username = name_of(x);
    out->stamp = x->stamp;
    x->stage = STAGE_OVER;
    if (right && x->stamp != 0)
        return AUTH_STEP_ACCEPTED;
    out->data = (struct mqtt_slice){0};
    return AUTH_STEP_REFUSED;
}

static enum auth_step step(struct auth_exchange *x, struct mqtt_slice data, struct auth_answer *out)
{
    *out = (struct auth_answer){0};
    switch (x->stage) {
    case STAGE_FIRST:
        if (data.len == 0) { /* it is the client's turn (RFC 4422, 3.3) */
            x->stage = STAGE_ASKED;
            return AUTH_STEP_CONTINUE;
        }
        return take_first(x, data, out);
    case STAGE_ASKED:
        return take_first(x, data, out);
    case STAGE_FINAL:
        return take_final(x, data, out);
    case STAGE_OVER:
        break;
    }
    return AUTH_STEP_REFUSED;
}

const struct auth_method auth_method_scram = {
    .name = "SCRAM-SHA-256", .begin = begin, .step = step, .end = end};
