/* A table, and one callback. */
#include "broker/auth/sources/source_login.h"

#include <stddef.h>

struct login_request source_login_request(const struct source_request *r)
{
    return (struct login_request){
        .username = r->username, .password = r->password, .source = r->peer};
}

enum source_answer source_login_answer(struct source_wait *wait, enum login_verdict verdict)
{
    static const enum source_answer answers[] = {[LOGIN_PENDING] = SOURCE_LATER,
                                                 [LOGIN_OK] = SOURCE_ADMIT,
                                                 [LOGIN_BAD] = SOURCE_REFUSE,
                                                 [LOGIN_NOT_AUTHORIZED] = SOURCE_DENY,
                                                 [LOGIN_BUSY] = SOURCE_BUSY};
    if (verdict == LOGIN_OK)
        wait->grant.stamp = wait->login.stamp;
    return answers[verdict];
}

static void on_judged(void *arg, enum login_verdict verdict)
{
    struct source_wait *wait = arg;
    source_answer(wait, source_login_answer(wait, verdict));
}

void source_login_expect(struct source_wait *wait)
{
    wait->login = (struct login_wait){.done = on_judged, .arg = wait};
}

void source_login_cancel(struct source *s, struct source_wait *wait)
{
    (void)s;
    login_cancel(&wait->login);
}
