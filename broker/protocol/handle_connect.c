/*
 * CONNECT: checks in the order of the specification, then the client id is taken for this
 * connection (here, and by the store in the whole fleet), then CONNACK and the session's unfinished
 * business.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/auth/auth.h"
#include "broker/base/account.h"
#include "broker/client/client.h"
#include "broker/client/deliver.h"
#include "broker/client/holders.h"
#include "broker/client/leave.h"
#include "broker/loop/input.h"
#include "broker/protocol/handle.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/base/clock.h"
#include "common/log/log.h"

/* What a CONNECT asked for, until it is answered. */
struct connect_attempt {
    struct client *client;
    LIST_HEAD(rival_list, connect_attempt) rivals; /* of other users, whom its answer decides */
    LIST_ENTRY(connect_attempt) rival_link;
    bool is_rival;
    bool clean;
    bool claimed; /* the store has been asked */
    bool waits;   /* it didn't answer at once */
    bool made_id; /* the client left its id to us */
    struct message *will;
    char *username; /* NULL: none given */
    struct login_wait login;
    enum login_verdict verdict;
    uint64_t arrived_ms;         /* CLOCK_BOOTTIME */
    struct mqtt_slice client_id; /* points into text */
    char text[];
};

static void forget_rivalry(struct connect_attempt *a)
{
    if (a->is_rival)
        LIST_REMOVE(a, rival_link);
    a->is_rival = false;
}

/* They look again what has become of the client id. */
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
    login_cancel(&a->login);
    message_unref(a->will);
    account_free(ACCOUNT_CLIENTS, a->username);
    free(a);
    c->connecting = NULL;
}

/* The 5.0 reason for each v3 return code; a v5 client is told in its own words. */
static uint8_t connack_code(const struct client *c, enum mqtt_connack3 code)
{
    static const uint8_t v5[] = {
        [MQTT_CONNACK_ACCEPTED] = MQTT_R_SUCCESS,
        [MQTT_CONNACK_BAD_VERSION] = MQTT_R_UNSUPPORTED_VERSION,
        [MQTT_CONNACK_BAD_CLIENT_ID] = MQTT_R_BAD_CLIENT_ID,
        [MQTT_CONNACK_UNAVAILABLE] = MQTT_R_SERVER_UNAVAILABLE,
        [MQTT_CONNACK_BAD_LOGIN] = MQTT_R_BAD_LOGIN,
        [MQTT_CONNACK_NOT_AUTHORIZED] = MQTT_R_NOT_AUTHORIZED,
    };
    return c->version == MQTT_V5 ? v5[code] : (uint8_t)code;
}

static bool send_connack(struct client *c, enum mqtt_connack3 code, bool session_present)
{
    struct mqtt_packet p = {
        .type = MQTT_CONNACK,
        .u.connack = {.session_present = session_present, .code = connack_code(c, code)}};
    return client_send(c, &p);
}

static void refuse(struct client *c, enum mqtt_connack3 code, enum refusal why)
{
    static _Thread_local struct log_limit limits[REFUSAL_COUNT];
    char peer[PEER_TEXT_MAX];
    c->broker->stats.refused[why]++;
    LOG_LIMITED_BY(
        &limits[why], LOG_LEVEL_INFO, "client_refused", KV_STR("client_id", client_id_text(c)),
        KV_STR("peer", peer_text(&c->transport->peer, peer)), KV_STR("reason", refusal_names[why]));
    if (c->version == MQTT_UNKNOWN)
        c->version = MQTT_V311; /* an unknown level is answered as 3.1.1 would (3.1.2.2) */
    send_connack(c, code, false);
    client_close(c, END_REFUSED);
}

static bool check_client_id(struct client *c, const struct mqtt_connect *p)
{
    const struct limits_config *limits = &c->broker->config->limits;
    if (p->client_id.len == 0)
        return p->version == MQTT_V311 && p->clean_start; /* 3.1.3.1 */
    return p->client_id.len <= limits->max_client_id_length &&
           memchr(p->client_id.data, 0, p->client_id.len) == NULL;
}

/* An id that no other client can have by accident. */
static void make_client_id(char out[33])
{
    uint8_t random[12];
    if (RAND_bytes(random, sizeof(random)) != 1)
        memset(random, 0, sizeof(random));
    memcpy(out, "flotilla", 8);
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out + 8 + 2 * i, 3, "%02x", random[i]);
}

static struct message *make_will(struct client *c, const struct mqtt_connect *p,
                                 struct mqtt_slice client_id)
{
    struct mqtt_publish will = {.retain = p->will_retain,
                                .qos = p->will_qos,
                                .topic = p->will_topic,
                                .payload = p->will_payload};
    return message_new(&will, router_next_message_id(c->broker->router), client_id);
}

static char *copy_text(struct mqtt_slice s)
{
    char *text = account_alloc(ACCOUNT_CLIENTS, (size_t)s.len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return text;
}

/* Asked once it is known who the client is, and again when it is published. */
static bool take_will(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (a->will == NULL)
        return true;
    struct mqtt_slice topic = a->will->topic;
    if (handle_topic_fits(c, topic) && auth_may_write(c->broker->auth, &c->who, topic)) {
        c->will_topic = copy_text(topic);
        return c->will_topic != NULL;
    }
    LOG_LIMITED(LOG_LEVEL_INFO, "will_denied",
                KV_BYTES("client_id", a->client_id.data, a->client_id.len),
                KV_BYTES("topic", topic.data, topic.len));
    c->broker->stats.dropped[DROP_DENIED]++;
    message_unref(a->will);
    a->will = NULL;
    return true;
}

/* Not when it was read: while this process stood still, its client may have come back elsewhere. */
static uint64_t arrival_ms(const struct client *c)
{
    const struct transport *t = c->transport;
    return clock_boottime_ms() - (t->ops->silent_ms != NULL ? t->ops->silent_ms(c->transport) : 0);
}

/* They may be long, and stay: whoever has many such connections holds much. The will's topic is kept
 * beside the will. */
static void note_kept(struct client *c, const struct mqtt_connect *p)
{
    c->connect_bytes = p->has_username ? p->username.len : 0;
    if (p->has_will)
        c->connect_bytes += 2 * p->will_topic.len + p->will_payload.len;
    if (c->connect_bytes >= SHED_FLOOR_STRANGER)
        holders_note(c);
}

static bool keep_attempt(struct client *c, const struct mqtt_connect *p)
{
    char made[33];
    struct mqtt_slice id = p->client_id;
    if (id.len == 0) {
        make_client_id(made);
        id = (struct mqtt_slice){.data = (const uint8_t *)made, .len = (uint32_t)sizeof(made) - 1};
    }
    struct connect_attempt *a = calloc(1, sizeof(*a) + id.len);
    if (a == NULL)
        return false;
    c->connecting = a;
    a->client = c;
    LIST_INIT(&a->rivals);
    a->clean = p->clean_start;
    a->made_id = p->client_id.len == 0;
    a->arrived_ms = arrival_ms(c);
    memcpy(a->text, id.data, id.len);
    a->client_id = (struct mqtt_slice){.data = (const uint8_t *)a->text, .len = id.len};
    note_kept(c, p);
    if (p->has_username && (a->username = copy_text(p->username)) == NULL)
        return false;
    if (!p->has_will)
        return true;
    a->will = make_will(c, p, a->client_id);
    return a->will != NULL;
}

/* Whether connections are taken at all now. Asked before a password is hashed, and after it. */
static bool is_serving(struct client *c)
{
    if (c->broker->state != BROKER_SERVING)
        refuse(c, MQTT_CONNACK_UNAVAILABLE, REFUSED_DRAINING);
    else if (store_health(c->broker->store) != STORE_READY)
        refuse(c, MQTT_CONNACK_UNAVAILABLE, REFUSED_STORE);
    return c->state != CLIENT_CLOSED;
}

/* Whether this user may use this client id at all (auth.client_id). */
static bool may_use_id(const struct client *c, const struct connect_attempt *a)
{
    int rule = c->broker->config->auth.client_id;
    if (rule == CLIENT_ID_ANY || a->made_id)
        return true;
    size_t len = a->username != NULL ? strlen(a->username) : 0;
    if (len == 0 || len > a->client_id.len || memcmp(a->text, a->username, len) != 0)
        return false;
    if (len == a->client_id.len)
        return true;
    return rule == CLIENT_ID_BEGINS_WITH_USERNAME && memchr("-_./:", a->text[len], 5) != NULL;
}

/* The password was right. */
static void let_in(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (!auth_still_admits(c->broker->auth, a->username, a->login.stamp)) {
        refuse(c, MQTT_CONNACK_NOT_AUTHORIZED, REFUSED_NOT_AUTHORIZED); /* a reload came between */
        return;
    }
    if (!may_use_id(c, a)) {
        refuse(c, MQTT_CONNACK_NOT_AUTHORIZED, REFUSED_OTHER_USER);
        return;
    }
    if (!is_serving(c))
        return;
    c->who = (struct identity){.username = a->username, .client_id = a->client_id};
    c->user_stamp = a->login.stamp;
    a->username = NULL;
    if (take_will(c))
        client_set_state(c, CLIENT_CLAIMING);
    else
        client_close(c, END_NO_MEMORY);
}

static void go_on(struct client *c, enum login_verdict verdict)
{
    switch (verdict) {
    case LOGIN_PENDING:
        break;
    case LOGIN_OK:
        let_in(c);
        break;
    case LOGIN_BAD:
        refuse(c, MQTT_CONNACK_BAD_LOGIN, REFUSED_LOGIN);
        break;
    case LOGIN_NOT_AUTHORIZED:
        refuse(c, MQTT_CONNACK_NOT_AUTHORIZED, REFUSED_NOT_AUTHORIZED);
        break;
    case LOGIN_BUSY:
        refuse(c, MQTT_CONNACK_UNAVAILABLE, REFUSED_LOGIN_BUSY);
        break;
    }
}

/* Only marks: it may come in the middle of another client's turn. */
static void on_login(void *arg, enum login_verdict verdict)
{
    struct client *c = arg;
    c->connecting->verdict = verdict;
    client_mark_work(c);
}

void handle_connect_login_done(struct client *c)
{
    go_on(c, c->connecting->verdict);
}

void handle_connect_login_late(struct client *c)
{
    if (c->connecting->verdict != LOGIN_PENDING)
        return; /* it came in time, and this turn will say it */
    login_cancel(&c->connecting->login);
    on_login(c, LOGIN_BUSY); /* thousands may be due at once */
}

/* A proxy's own address says nothing about who is behind it. */
static const struct peer *source_of(const struct client *c)
{
    return c->trusted && !c->proxied ? NULL : &c->transport->peer;
}

static void begin_login(struct client *c, const struct mqtt_connect *p)
{
    struct connect_attempt *a = c->connecting;
    struct login_request r = {.username = p->username,
                              .password = p->has_password ? p->password : (struct mqtt_slice){0},
                              .source = source_of(c)};
    a->login.done = on_login;
    a->login.arg = c;
    enum login_verdict verdict = auth_login(c->broker->auth, p->has_username, &r, &a->login);
    if (verdict != LOGIN_PENDING) {
        go_on(c, verdict);
        return;
    }
    c->readable = true; /* a reset that came together with the CONNECT looked like data */
    client_set_state(c, CLIENT_AUTHENTICATING);
}

void handle_connect(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_connect *p = &packet->u.connect;
    c->version = (uint8_t)p->version;
    c->bridge = p->bridge;
    if (p->version != MQTT_V31 && p->version != MQTT_V311) {
        refuse(c, MQTT_CONNACK_BAD_VERSION, REFUSED_VERSION);
        return;
    }
    if (!check_client_id(c, p)) {
        refuse(c, MQTT_CONNACK_BAD_CLIENT_ID, REFUSED_CLIENT_ID);
        return;
    }
    if (!is_serving(c))
        return;
    if (!keep_attempt(c, p)) {
        client_close(c, END_NO_MEMORY);
        return;
    }
    c->keep_alive_s = p->keep_alive_s;
    begin_login(c, p);
}

/* ---- claiming -------------------------------------------------------------------------------- */

static bool add_subscriptions(struct client *c, const struct store_connect_result *r)
{
    for (size_t i = 0; i < r->subscription_count; i++) {
        const struct store_subscription *sub = &r->subscriptions[i];
        struct subscription_options options = {.qos = sub->qos,
                                               .no_local = sub->no_local,
                                               .retain_as_published = sub->retain_as_published};
        if (!router_subscribe(c->broker->router, c->session, sub->filter, options))
            return false;
    }
    return true;
}

/* Makes the tree hold exactly what the store says the durable session subscribes to. Usually it
 * does already: then nothing changes, and the match cache stays. */
static bool restore_subscriptions(struct client *c, const struct store_connect_result *r)
{
    struct router *router = c->broker->router;
    if (r->session_present && r->subscriptions_kept)
        return true;
    if (!r->session_present || r->subscription_count == 0) {
        router_unsubscribe_all(router, c->session);
        return true;
    }
    if (!r->subscriptions_told && !add_subscriptions(c, r))
        return false;
    if (c->session->subscriber.count == r->subscription_count)
        return true;
    router_unsubscribe_all(router, c->session); /* it held some that are no more */
    return add_subscriptions(c, r);
}

static void on_dropped(void *arg, enum store_status status)
{
    (void)status; /* the next connection tries again */
    client_op_done(arg);
}

/* Earlier versions granted "$share/..." as a plain filter, which nothing ever matched. A session
 * that still has one loses it, so that it gets a refusal when it asks again. */
static void drop_shared(struct client *c, const struct store_connect_result *r)
{
    struct mqtt_slice *filters = NULL;
    size_t count = 0;
    for (size_t i = 0; i < r->subscription_count; i++) {
        if (!mqtt_filter_is_shared(r->subscriptions[i].filter))
            continue;
        if (filters == NULL)
            filters = calloc(r->subscription_count - i, sizeof(*filters));
        if (filters == NULL)
            return;
        filters[count++] = r->subscriptions[i].filter;
        router_unsubscribe(c->broker->router, c->session, r->subscriptions[i].filter);
    }
    if (count == 0)
        return;
    LOG_LIMITED(LOG_LEVEL_WARN, "shared_subscriptions_dropped",
                KV_STR("client_id", client_id_text(c)), KV_UINT("filters", count));
    c->ops++;
    store_unsubscribe(c->broker->store, &c->hold, filters, count, on_dropped, c);
    free(filters);
}

/* PUBREL again for what the client had received before (4.4), in order. */
static void resend_released(struct client *c, const struct store_connect_result *r)
{
    for (size_t i = 0; i < r->released_count; i++) {
        if (!inflight_add(&c->inflight, r->released[i], INFLIGHT_RELEASED)) {
            client_doom(c, END_NO_MEMORY);
            return;
        }
        client_send_ack(c, MQTT_PUBREL, inflight_packet_id(r->released[i]));
    }
}

static void go_online(struct client *c, const struct store_connect_result *r)
{
    bool present = r->session_present && !c->connecting->clean;
    c->session->durable = !c->connecting->clean;
    c->next_sequence = c->hold.durable && r->next_sequence > 0 ? r->next_sequence : 1;
    connect_attempt_free(c);
    c->last_input_ms = c->broker->client_ms;
    client_set_state(c, CLIENT_ONLINE);
    router_session_joined(c->broker->router, c->session);
    if (!send_connack(c, MQTT_CONNACK_ACCEPTED, present)) {
        client_doom(c, END_NO_MEMORY);
        return;
    }
    if (c->hold.durable) {
        drop_shared(c, r);
        resend_released(c, r);
        deliver_wake(c);
    }
    if (c->pause & PAUSE_RETIRED)
        client_mark_work(c);
    client_mark_ready(c); /* what came right after the CONNECT waits */
    char peer[PEER_TEXT_MAX];
    LOG_DEBUG("client_online", KV_STR("client_id", client_id_text(c)),
              KV_STR("peer", peer_text(&c->transport->peer, peer)), KV_BOOL("present", present));
}

static void on_given_back(void *arg, enum store_status status)
{
    (void)status;
    client_op_done(arg);
}

/* It went away while the store was asked: what was taken is given back, without a will, since the
 * client was never told that it is connected. */
static void give_back(struct client *c, enum store_status status)
{
    if (status == STORE_OK && !c->disconnected) {
        c->disconnected = true;
        c->ops++;
        store_disconnect(c->broker->store, &c->hold, false, client_session_expiry_s(c),
                         on_given_back, c);
    }
}

/* Once more when its answer has taken time; it was looked for right before the store was asked. */
static bool has_left_meanwhile(struct client *c)
{
    return c->connecting != NULL && c->connecting->waits && input_has_left(c);
}

static void on_claimed(void *arg, enum store_status status, const struct store_connect_result *r)
{
    struct client *c = arg;
    if (c->state != CLIENT_CLOSED && status == STORE_OK && !restore_subscriptions(c, r))
        client_close(c, END_NO_MEMORY);
    if (c->state == CLIENT_CLOSED || has_left_meanwhile(c))
        give_back(c, status);
    else if (status == STORE_OK)
        go_online(c, r);
    else if (status == STORE_FENCED)
        client_close(c, END_TAKEN_OVER);
    else if (status == STORE_NOT_OWNER)
        refuse(c, MQTT_CONNACK_NOT_AUTHORIZED, REFUSED_OTHER_USER);
    else
        refuse(c, MQTT_CONNACK_UNAVAILABLE, REFUSED_STORE);
    client_op_done(c);
}

static bool is_same_user(const struct client *a, const struct client *b)
{
    if (a->who.username == NULL || b->who.username == NULL)
        return a->who.username == b->who.username;
    return strcmp(a->who.username, b->who.username) == 0;
}

/* Another user's connection isn't taken over: one that is online bars this one, and of one that
 * still asks the store nobody knows yet whose the client id is. */
static bool bars(struct client *old, struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (is_same_user(c, old) || c->broker->config->auth.shared_client_ids)
        return false;
    if (old->state == CLIENT_ONLINE) {
        refuse(c, MQTT_CONNACK_NOT_AUTHORIZED, REFUSED_OTHER_USER);
    } else if (!a->is_rival) {
        a->is_rival = true;
        LIST_INSERT_HEAD(&old->connecting->rivals, a, rival_link);
    }
    return true;
}

/* A connection of the same client id is here already. Whether this one may take its place; if not,
 * it is refused or waits, and nothing has changed. */
static bool may_replace(struct client *c, struct client *old)
{
    enum { CLOCKS_MS = 20 }; /* of the kernel's count */
    if (bars(old, c))
        return false;
    if (old->state != CLIENT_ONLINE)
        return true; /* it has nothing yet */
    if (c->connecting->arrived_ms + CLOCKS_MS < old->hold.arrived_ms) {
        client_close(c, END_TAKEN_OVER);
        return false;
    }
    return true;
}

/* An older connection of the client id on this broker goes first, and what it sent before counts.
 * True: it isn't gone yet, or stays and this one is refused. */
static bool awaits_older(struct client *c)
{
    const struct session *s = session_table_find(c->broker->sessions, c->connecting->client_id);
    struct client *old = s != NULL ? s->client : NULL;
    if (old == NULL)
        return false;
    if (!may_replace(c, old))
        return true;
    old->end = END_TAKEN_OVER;
    if (old->state == CLIENT_ONLINE && !old->doomed && !(old->pause & PAUSE_RETIRED) &&
        leave_begin(old)) {
        leave_to(old, c);
        return true;
    }
    client_close(old, END_TAKEN_OVER);
    return false;
}

/* The session entry for the client id. */
static struct session *take_session(struct client *c)
{
    struct broker *b = c->broker;
    struct mqtt_slice id = c->connecting->client_id;
    struct session *s = session_table_find(b->sessions, id);
    if (s == NULL)
        s = session_table_add(b->sessions, id, !c->connecting->clean);
    return s;
}

void handle_connect_claim(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (a == NULL || a->claimed || c->doomed || input_has_left(c) || awaits_older(c))
        return;
    a->claimed = true;
    struct session *s = take_session(c);
    if (s == NULL) {
        client_close(c, END_NO_MEMORY);
        return;
    }
    c->session = session_ref(s);
    c->who.client_id = session_id(s);
    s->client = c;
    c->hold = (struct store_hold){.client_id = s->id,
                                  .client_id_len = s->id_len,
                                  .durable = !a->clean,
                                  .user = c->who.username,
                                  .any_user = c->broker->config->auth.shared_client_ids,
                                  .arrived_ms = a->arrived_ms};
    struct store_connect_request request = {.hold = &c->hold,
                                            .clean_start = a->clean,
                                            .session_expiry_s = client_session_expiry_s(c),
                                            .will = {.message = a->will}};
    c->ops++;
    store_connect(c->broker->store, &request, on_claimed, c);
    if (c->connecting != NULL)
        c->connecting->waits = true;
}
