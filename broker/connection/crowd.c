#include "broker/connection/crowd.h"

#include <string.h>

#include "broker/base/broker_config.h"
#include "broker/base/tally.h"
#include "broker/client/client.h"
#include "broker/connection/client_life.h"
#include "broker/routing/session.h"
#include "common/base/hash.h"
#include "common/log/log.h"
#include "common/net/peer.h"

static uint64_t address_key(const struct broker *b, const struct peer *peer)
{
    uint8_t source[16];
    peer_source(peer, source);
    return hash_bytes(b->hash_key, source, sizeof(source));
}

static uint64_t user_key(const struct client *c)
{
    return hash_bytes(c->broker->hash_key, c->who.username, strlen(c->who.username));
}

/* Made when a limit asks for it. */
static enum tally_verdict take(struct tally **t, uint64_t key, const struct tally_bounds *bounds,
                               uint32_t leaving, uint64_t now_ms)
{
    if (*t == NULL)
        *t = tally_new();
    return *t != NULL ? tally_come(*t, key, bounds, leaving, now_ms) : TALLY_NO_MEMORY;
}

enum refusal crowd_take_address(struct broker *b, const struct peer *peer, bool *counted)
{
    const struct limits_config *limits = &b->config->limits;
    const struct tally_bounds bounds = {.at_once = limits->max_connections_per_address,
                                        .per_second = limits->max_connect_rate};
    *counted = false;
    if (bounds.at_once == 0 && bounds.per_second == 0)
        return REFUSAL_COUNT;
    switch (take(&b->addresses, address_key(b, peer), &bounds, 0, b->now_ms)) {
    case TALLY_TAKEN:
        *counted = true;
        break;
    case TALLY_TOO_MANY:
        return REFUSED_ADDRESS;
    case TALLY_TOO_FAST:
        return REFUSED_RATE;
    case TALLY_NO_MEMORY:
        break; /* the budget looks after memory */
    }
    return REFUSAL_COUNT;
}

void crowd_give_back(struct broker *b, const struct peer *peer, bool counted)
{
    if (counted)
        tally_go(b->addresses, address_key(b, peer), b->now_ms);
}

bool crowd_admit_address(struct client *c)
{
    bool counted;
    char text[PEER_TEXT_MAX];
    enum refusal why = crowd_take_address(c->broker, &c->transport->peer, &counted);
    c->counts_address = counted;
    if (why == REFUSAL_COUNT)
        return true;
    c->broker->stats.refused[why]++;
    LOG_LIMITED(LOG_LEVEL_WARN, "connection_refused",
                KV_STR("peer", peer_text(&c->transport->peer, text)),
                KV_STR("reason", refusal_names[why]));
    client_close(c, END_REFUSED);
    return false;
}

/* Of this user's connections, the one that this one takes over from. */
static uint32_t leaving(const struct client *c)
{
    const struct session *s = session_table_find(c->broker->sessions, c->who.client_id);
    return s != NULL && s->client != NULL && s->client != c && s->client->counts_user &&
           strcmp(s->client->who.username, c->who.username) == 0;
}

bool crowd_admit_user(struct client *c)
{
    struct broker *b = c->broker;
    const struct tally_bounds bounds = {.at_once = b->config->limits.max_connections_per_user};
    if (bounds.at_once == 0 || c->who.username == NULL)
        return true;
    enum tally_verdict verdict = take(&b->users, user_key(c), &bounds, leaving(c), b->now_ms);
    c->counts_user = verdict == TALLY_TAKEN;
    return verdict != TALLY_TOO_MANY;
}

void crowd_leave(struct client *c)
{
    struct broker *b = c->broker;
    if (c->counts_address)
        tally_go(b->addresses, address_key(b, &c->transport->peer), b->now_ms);
    if (c->counts_user)
        tally_go(b->users, user_key(c), b->now_ms);
    c->counts_address = c->counts_user = false;
}
