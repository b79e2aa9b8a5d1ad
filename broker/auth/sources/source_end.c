/* See the header. */
#include "broker/auth/sources/source_end.h"

#include "broker/auth/sources/chain.h"
#include "broker/auth/sources/source_login.h"

static enum source_answer ask(struct source *s, const struct source_request *r,
                              struct source_wait *wait)
{
    struct source_end *e = (struct source_end *)(void *)s;
    if (!r->has_username || !chain_knows_anybody(e->chain))
        return e->anonymous ? SOURCE_ADMIT : SOURCE_DENY;
    if (e->logins == NULL)
        return SOURCE_REFUSE;
    struct login_request login = source_login_request(r);
    source_login_expect(wait);
    return source_login_answer(wait, login_refuse(e->logins, &login, true, &wait->login));
}

/* One with a name came in because no source knew anybody, which is still so. */
static bool still_admits(const struct source *s, struct mqtt_slice username, uint64_t stamp)
{
    const struct source_end *e = (const struct source_end *)(const void *)s;
    (void)stamp;
    return e->anonymous && (username.data == NULL || !chain_knows_anybody(e->chain));
}

void source_end_init(struct source_end *e, const struct chain *chain)
{
    static const struct source_ops ops = {
        .ask = ask, .cancel = source_login_cancel, .still_admits = still_admits};
    *e = (struct source_end){.source = {.kind = SOURCE_NOBODY, .ops = &ops}, .chain = chain};
}
