/* See the header. */
#include "broker/auth/sources/source_certificate.h"

#include "broker/auth/certificate/peer_certificate.h"
#include "broker/base/account.h"

/* Another one when other names count. */
static uint64_t stamp_of(const struct source_certificate *c)
{
    return 2 * (uint64_t)c->config.identity + 1;
}

static enum source_answer ask(struct source *s, const struct source_request *r,
                              struct source_wait *wait)
{
    struct source_certificate *c = (struct source_certificate *)(void *)s;
    enum certificate_identity kind = (enum certificate_identity)c->config.identity;
    if (r->certificate != NULL)
        wait->grant.username = peer_certificate_name(r->certificate, kind);
    if (wait->grant.username == NULL)
        return c->config.require ? SOURCE_DENY : SOURCE_NOT_MINE;
    wait->grant.stamp = stamp_of(c);
    return SOURCE_ADMIT;
}

static void cancel(struct source *s, struct source_wait *wait)
{
    (void)s;
    (void)wait; /* it never answers later */
}

static bool is_there(const struct source *s)
{
    return ((const struct source_certificate *)(const void *)s)->config.identity != CERTIFICATE_OFF;
}

static bool still_admits(const struct source *s, struct mqtt_slice username, uint64_t stamp)
{
    (void)username;
    return is_there(s) && stamp == stamp_of((const struct source_certificate *)(const void *)s);
}

bool source_certificate_knows(const struct source_certificate *c,
                              const struct peer_certificate *certificate)
{
    if (certificate == NULL)
        return false;
    char *name = peer_certificate_name(certificate, (enum certificate_identity)c->config.identity);
    bool known = name != NULL;
    account_free(ACCOUNT_CLIENTS, name);
    return known;
}

void source_certificate_init(struct source_certificate *c)
{
    static const struct source_ops ops = {
        .ask = ask, .cancel = cancel, .is_there = is_there, .still_admits = still_admits};
    *c = (struct source_certificate){.source = {.kind = SOURCE_CERTIFICATE, .ops = &ops}};
}
