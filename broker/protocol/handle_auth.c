/*
 * Enhanced authentication of 5.0 (4.12): AUTH before CONNACK, and again while the client is online.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/auth/auth_method.h"
#include "broker/base/account.h"
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

/* ---- before CONNACK -------------------------------------------------------------------------- */

/* False: no such user, or out of memory. */
static bool take_user(struct client *c, struct mqtt_slice name)
{
    struct connect_attempt *a = c->connecting;
    if (name.len == 0 || memchr(name.data, 0, name.len) != NULL)
        return false; /* as a user name in CONNECT couldn't be */
    account_free(ACCOUNT_CLIENTS, a->username);
    a->username = account_alloc(ACCOUNT_CLIENTS, (size_t)name.len + 1);
    if (a->username == NULL)
        return false;
    memcpy(a->username, name.data, name.len);
    a->username[name.len] = '\0';
    const struct listener_config *l = c->listener != NULL ? listener_config(c->listener) : NULL;
    return auth_admit_user(c->broker->auth, l, a->username, &a->login.source.grant);
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
        if (take_user(c, answer.username)) {
            c->v5->auth->data = answer.data;
            handle_connect_let_in(c);
            return;
        }
        break;
    case AUTH_STEP_REFUSED:
        break;
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
    c->v5->auth->exchange = c->v5->auth->method->begin();
    if (c->v5->auth->exchange == NULL)
        connack_refuse(c, MQTT_R_SERVER_BUSY, REFUSED_LOGIN_BUSY, NULL);
    else
        go_on(c, data_of(&p->props));
}

/* ---- again, while it is online (4.12.1) ------------------------------------------------------- */

/* It must be the user that it was. */
static bool is_same_user(const struct client *c, struct mqtt_slice name)
{
    const char *user = c->who.username;
    return user != NULL && strlen(user) == name.len && memcmp(user, name.data, name.len) == 0;
}

static void go_on_again(struct client *c, struct mqtt_slice data)
{
    struct auth_answer answer;
    enum auth_step step = c->v5->auth->method->step(c->v5->auth->exchange, data, &answer);
    if (step == AUTH_STEP_CONTINUE)
        send_auth(c, MQTT_R_CONTINUE_AUTHENTICATION, answer.data);
    else if (step == AUTH_STEP_ACCEPTED && is_same_user(c, answer.username))
        send_auth(c, MQTT_R_SUCCESS, answer.data);
    else
        reason_fail(c, MQTT_R_NOT_AUTHORIZED, "authentication has failed");
    if (step != AUTH_STEP_CONTINUE)
        client_v5_end_exchange(c->v5);
}

static void begin_again(struct client *c, struct mqtt_slice data)
{
    client_v5_end_exchange(c->v5);
    c->v5->auth->exchange = c->v5->auth->method->begin();
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
    else if (named && goes_on && c->v5->auth->exchange != NULL)
        go_on_again(c, data_of(&p->props));
    else
        reason_fail(c, MQTT_R_PROTOCOL_ERROR, wrong);
}
