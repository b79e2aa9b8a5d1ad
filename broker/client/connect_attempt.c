/* Made, kept and ended; what it decides is in protocol/. */
#include "broker/client/connect_attempt.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/client/client.h"
#include "broker/message/message.h"

struct connect_attempt *connect_attempt_new(struct client *c, struct mqtt_slice client_id)
{
    struct connect_attempt *a = calloc(1, sizeof(*a) + client_id.len);
    if (a == NULL)
        return NULL;
    c->connecting = a;
    a->client = c;
    LIST_INIT(&a->rivals);
    memcpy(a->text, client_id.data, client_id.len);
    a->client_id = (struct mqtt_slice){.data = (const uint8_t *)a->text, .len = client_id.len};
    return a;
}

static void forget_rivalry(struct connect_attempt *a)
{
    if (a->is_rival)
        LIST_REMOVE(a, rival_link);
    a->is_rival = false;
}

/* They check again whether the client id is free. */
static void release_rivals(struct connect_attempt *a)
{
    while (!LIST_EMPTY(&a->rivals)) {
        struct connect_attempt *rival = LIST_FIRST(&a->rivals);
        forget_rivalry(rival);
        client_mark_work(rival->client);
    }
}

void connect_attempt_free(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (a == NULL)
        return;
    forget_rivalry(a);
    release_rivals(a);
    chain_cancel(&a->login);
    message_unref(a->will);
    account_free(ACCOUNT_CLIENTS, a->username);
    free(a);
    c->connecting = NULL;
}

void connect_attempt_await(struct connect_attempt *a, struct connect_attempt *other)
{
    if (a->is_rival)
        return;
    a->is_rival = true;
    LIST_INSERT_HEAD(&other->rivals, a, rival_link);
}

void connect_attempt_judged(void *arg, enum login_verdict verdict)
{
    struct client *c = arg;
    c->connecting->verdict = verdict;
    client_mark_work(c);
}

void connect_attempt_late(struct client *c)
{
    if (c->connecting->verdict != LOGIN_PENDING)
        return; /* it came in time, and this turn will say it */
    chain_cancel(&c->connecting->login);
    connect_attempt_judged(c, LOGIN_BUSY); /* thousands may be due at once */
}
