/* The method for tests: three messages, and no secret. */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth_method.h"
#include "broker/base/account.h"

enum { CHALLENGE = 16, NAME_MAX_BYTES = 256 };

struct auth_exchange {
    bool asked;
    uint8_t challenge[CHALLENGE];
    uint32_t name_len;
    uint8_t name[NAME_MAX_BYTES];
};

static struct auth_exchange *begin(const struct auth *a)
{
    (void)a;
    return account_zalloc(ACCOUNT_CLIENTS, sizeof(struct auth_exchange));
}

static void end(struct auth_exchange *x)
{
    account_free(ACCOUNT_CLIENTS, x);
}

static enum auth_step ask(struct auth_exchange *x, struct mqtt_slice name, struct auth_answer *out)
{
    if (name.len > sizeof(x->name) || RAND_bytes(x->challenge, sizeof(x->challenge)) != 1)
        return AUTH_STEP_REFUSED;
    if (name.len == 0)
        return AUTH_STEP_CONTINUE; /* it says its name next */
    memcpy(x->name, name.data, name.len);
    x->name_len = name.len;
    x->asked = true;
    out->data = mqtt_slice_of(x->challenge, sizeof(x->challenge));
    return AUTH_STEP_CONTINUE;
}

static bool is_mirrored(const struct auth_exchange *x, struct mqtt_slice data)
{
    if (data.len != CHALLENGE)
        return false;
    for (size_t i = 0; i < CHALLENGE; i++)
        if (data.data[i] != x->challenge[CHALLENGE - 1 - i])
            return false;
    return true;
}

static enum auth_step step(struct auth_exchange *x, struct mqtt_slice data, struct auth_answer *out)
{
    static const char welcome[] = "welcome";
    *out = (struct auth_answer){0};
    if (!x->asked)
        return ask(x, data, out);
    x->asked = false;
    if (!is_mirrored(x, data))
        return AUTH_STEP_REFUSED;
    out->data = mqtt_slice_of(welcome, sizeof(welcome) - 1);
    out->username = mqtt_slice_of(x->name, x->name_len);
    return AUTH_STEP_ACCEPTED;
}

const struct auth_method auth_method_mirror = {
    .name = "X-MIRROR", .begin = begin, .step = step, .end = end};
