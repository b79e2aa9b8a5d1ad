/*
 * Enhanced authentication of 5.0 (4.12): AUTH before CONNACK, and again while the client is online.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/auth/auth_method.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/connect_attempt.h"
#include "broker/client/reason.h"
#include "broker/net/listener.h"
#include "broker/protocol/connack.h"
#include "broker/protocol/handle.h"

enum { PROPS_MAX = 1024 };

bool handle_auth_take_method(struct client *c, const struct mqtt_connect *p)
{
    struct mqtt_prop name;
    if (!mqtt_props_find(&p->props, MQTT_P_AUTH_METHOD, &name))
        return true;
    const struct auth_method *method = auth_method_find(c->broker->config, name.str);
    if (method != NULL && client_v5_use_method(c->v5, method))
        return true;
    connack_refuse(c, MQTT_R_BAD_AUTH_METHOD, REFUSED_AUTH_METHOD,
                   "this method isn't known here, or not allowed");
    return false;
}

static void send_auth(struct client *c, enum mqtt_reason reason, struct mqtt_slice data)
{
    const char *method = c->v5->auth->method->name;
    uint8_t props[PROPS_MAX];
    size_t used = 0;
    mqtt_props_put_str(props, sizeof(props), &used, MQTT_P_AUTH_METHOD,
                       mqtt_slice_of(method, strlen(method)));
    if (data.len > 0)
        mqtt_props_put_str(props, sizeof(props), &used, MQTT_P_AUTH_DATA, data);
    struct mqtt_packet p = {
        .type = MQTT_AUTH,
        .u.ack = {.reason = (uint8_t)reason, .props.raw = mqtt_slice_of(props, used)}};
    if (!client_send(c, &p))
        client_close_later(c, END_NO_MEMORY);
}

static const struct listener_config *listener_of(const struct client *c)
{
    return c->listener != NULL ? listener_config(c->listener) : NULL;
}

/* ---- before CONNACK -------------------------------------------------------------------------- */

/* False: no such user, or with another secret by now, or out of memory. */
static bool take_user(struct client *c, const struct auth_answer *answer)
{
    struct connect_attempt *a = c->connecting;
    struct mqtt_slice name = answer->username;
    if (name.len == 0 || memchr(name.data, 0, name.len) != NULL)
        return false; /* as a user name in CONNECT couldn't be */
    account_free(ACCOUNT_CLIENTS, a->username);
    a->username = account_alloc(ACCOUNT_CLIENTS, (size_t)name.len + 1);
    if (a->username == NULL)
        return false;
    memcpy(a->username, name.data, name.len);
    a->username[name.len] = '\0';
    struct grant *grant = &a->login.source.grant;
    return auth_admit_user(c->broker->auth, listener_of(c), a->username, grant) &&
           (answer->stamp == 0 || answer->stamp == grant->stamp);
}

void handle_auth_judged(struct client *c, enum login_verdict verdict)
{
    switch (verdict) {
    case LOGIN_PENDING:
        break;
    case LOGIN_OK:
        handle_connect_let_in(c);
        break;
    case LOGIN_BUSY:
        connack_refuse(c, MQTT_R_SERVER_BUSY, REFUSED_LOGIN_BUSY, NULL);
        break;
    case LOGIN_BAD:
    case LOGIN_NOT_AUTHORIZED:
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_LOGIN, NULL);
        break;
    }
}

/* Counted, and perhaps answered later, like a password. */
static void settle(struct client *c, const struct auth_answer *answer, bool right)
{
    struct connect_attempt *a = c->connecting;
    struct login_request r = {.username = answer->username, .source = handle_connect_source(c)};
    a->login.done = connect_attempt_judged;
    a->login.arg = c;
    enum login_verdict verdict = auth_settle(c->broker->auth, &r, right, answer->stamp, &a->login);
    if (verdict != LOGIN_PENDING) {
        handle_auth_judged(c, verdict);
        return;
    }
    c->readable = true; /* what came together with it may have been the connection's end */
    client_enter(c, CLIENT_AUTHENTICATING);
}

static void go_on(struct client *c, struct mqtt_slice data)
{
    struct auth_answer answer;
    switch (c->v5->auth->method->step(c->v5->auth->exchange, data, &answer)) {
    case AUTH_STEP_CONTINUE:
        send_auth(c, MQTT_R_CONTINUE_AUTHENTICATION, answer.data);
        if (c->state == CLIENT_CONNECTING)
            client_enter(c, CLIENT_CHALLENGED);
        return;
    case AUTH_STEP_ACCEPTED:
        if (!take_user(c, &answer))
            break;
        c->v5->auth->data = answer.data;
        settle(c, &answer, true);
        return;
    case AUTH_STEP_REFUSED:
        if (answer.username.len == 0)
            break;
        settle(c, &answer, false);
        return;
    }
    connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_LOGIN, NULL);
}

static struct mqtt_slice data_of(const struct mqtt_props *props)
{
    struct mqtt_prop data;
    return mqtt_props_find(props, MQTT_P_AUTH_DATA, &data) ? data.str : (struct mqtt_slice){0};
}

void handle_auth_begin(struct client *c, const struct mqtt_connect *p)
{
    if (!auth_allows_method(c->broker->auth, listener_of(c), c->certificate)) {
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_NOT_AUTHORIZED, NULL);
        return;
    }
    c->v5->auth->exchange = c->v5->auth->method->begin(c->broker->auth);
    if (c->v5->auth->exchange == NULL)
        connack_refuse(c, MQTT_R_SERVER_BUSY, REFUSED_LOGIN_BUSY, NULL);
    else
        go_on(c, data_of(&p->props));
}

/* ---- again, while it is online (4.12.1) ------------------------------------------------------- */

/* It must be the user that it was, with the secret that counts now. */
static bool is_same_user(struct client *c, const struct auth_answer *answer)
{
    const char *user = c->who.username;
    struct mqtt_slice name = answer->username;
    if (user == NULL || strlen(user) != name.len || memcmp(user, name.data, name.len) != 0)
        return false;
    if (answer->stamp == 0)
        return true;
    if (!auth_still_admits(c->broker->auth, listener_of(c), (enum source_kind)c->user_source, user,
                           answer->stamp))
        return false;
    c->user_stamp = answer->stamp;
    return true;
}

/* A failure ends the connection: it isn't answered later as well, only counted. */
static void count(struct client *c, const struct auth_answer *answer, bool right)
{
    struct login_request r = {.username = answer->username, .source = handle_connect_source(c)};
    if (answer->username.len > 0)
        auth_settle(c->broker->auth, &r, right, answer->stamp, NULL);
}

static void go_on_again(struct client *c, struct mqtt_slice data)
{
    struct auth_answer answer;
    enum auth_step step = c->v5->auth->method->step(c->v5->auth->exchange, data, &answer);
    if (step != AUTH_STEP_CONTINUE)
        count(c, &answer, step == AUTH_STEP_ACCEPTED);
    if (step == AUTH_STEP_CONTINUE)
        send_auth(c, MQTT_R_CONTINUE_AUTHENTICATION, answer.data);
    else if (step == AUTH_STEP_ACCEPTED && is_same_user(c, &answer))
        send_auth(c, MQTT_R_SUCCESS, answer.data);
    else
        reason_fail(c, MQTT_R_NOT_AUTHORIZED, "authentication has failed");
    if (step != AUTH_STEP_CONTINUE)
        client_v5_end_exchange(c->v5);
}

/* An exchange takes as long as a login may. */
static bool is_in_time(const struct client *c)
{
    return c->broker->now_ms < c->v5->auth->until_ms;
}

static void begin_again(struct client *c, struct mqtt_slice data)
{
    client_v5_end_exchange(c->v5);
    c->v5->auth->exchange = c->v5->auth->method->begin(c->broker->auth);
    c->v5->auth->until_ms = c->broker->now_ms + c->broker->config->auth.login_timeout_ms;
    if (c->v5->auth->exchange == NULL)
        client_close_later(c, END_NO_MEMORY);
    else
        go_on_again(c, data);
}

/* ---- the packet ------------------------------------------------------------------------------ */

/* It may name no other method than its CONNECT (4.12.0-5, 4.12.1-1). */
static bool names_its_method(const struct client *c, const struct mqtt_props *props)
{
    const struct client_auth *a = c->v5 != NULL ? c->v5->auth : NULL;
    struct mqtt_prop name;
    return a != NULL && mqtt_props_find(props, MQTT_P_AUTH_METHOD, &name) &&
           name.str.len == strlen(a->method->name) &&
           memcmp(name.str.data, a->method->name, name.str.len) == 0;
}

void handle_auth(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_ack *p = &packet->u.ack;
    static const char wrong[] =
        "AUTH that isn't allowed now, or without the authentication method of CONNECT";
    bool begins = p->reason == MQTT_R_REAUTHENTICATE;
    bool goes_on = p->reason == MQTT_R_CONTINUE_AUTHENTICATION;
    bool named = names_its_method(c, &p->props);
    if (c->state == CLIENT_CHALLENGED && named && goes_on)
        go_on(c, data_of(&p->props));
    else if (c->state == CLIENT_CHALLENGED)
        connack_refuse(c, MQTT_R_PROTOCOL_ERROR, REFUSED_AUTH_METHOD, wrong);
    else if (named && begins)
        begin_again(c, data_of(&p->props));
    else if (named && goes_on && c->v5->auth->exchange != NULL && !is_in_time(c))
        reason_fail(c, MQTT_R_NOT_AUTHORIZED, "authentication has taken too long");
    else if (named && goes_on && c->v5->auth->exchange != NULL)
        go_on_again(c, data_of(&p->props));
    else
        reason_fail(c, MQTT_R_PROTOCOL_ERROR, wrong);
}
