/* Reads the properties of CONNECT (3.1.2.11). */
#include "broker/client/client_v5.h"

#include "broker/auth/auth_method.h"
#include "broker/base/account.h"
#include "broker/message/alias_out.h"
#include "broker/store/store.h"

/* What the session's expiry may be, given what the client asks for. A limit of 0 allows all. */
static uint32_t within(uint32_t expiry_s, uint64_t limit_ms)
{
    uint64_t limit_s = (limit_ms + 999) / 1000;
    if (limit_ms == 0 || expiry_s <= limit_s)
        return expiry_s;
    return limit_s < STORE_EXPIRES_NEVER ? (uint32_t)limit_s : STORE_EXPIRES_NEVER;
}

static void take(struct client_v5 *v, const struct mqtt_prop *p)
{
    switch (p->id) {
    case MQTT_P_SESSION_EXPIRY:
        v->session_expiry_s = p->num;
        break;
    case MQTT_P_RECEIVE_MAXIMUM:
        v->receive_maximum = (uint16_t)p->num;
        break;
    case MQTT_P_MAXIMUM_PACKET_SIZE:
        v->max_packet = p->num;
        break;
    case MQTT_P_TOPIC_ALIAS_MAXIMUM:
        v->alias_maximum = (uint16_t)p->num;
        break;
    case MQTT_P_REQUEST_PROBLEM_INFO:
        v->problem_info = p->num != 0;
        break;
    case MQTT_P_REQUEST_RESPONSE_INFO:
        v->response_info = p->num != 0;
        break;
    default: /* authentication is the handler's, user properties mean nothing to us */
        break;
    }
}

struct client_v5 *client_v5_new(const struct mqtt_connect *p, uint64_t expiry_limit_ms,
                                uint16_t alias_limit)
{
    struct client_v5 *v = account_zalloc(ACCOUNT_CLIENTS, sizeof(*v));
    if (v == NULL)
        return NULL;
    v->receive_maximum = UINT16_MAX;
    v->max_packet = UINT32_MAX;
    v->problem_info = true;
    struct mqtt_prop prop;
    for (uint32_t at = 0; mqtt_props_next(&p->props, &at, &prop);)
        take(v, &prop);
    if (v->alias_maximum > alias_limit)
        v->alias_maximum = alias_limit;
    uint32_t asked = v->session_expiry_s;
    v->session_expiry_s = within(asked, expiry_limit_ms);
    v->expiry_differs = v->session_expiry_s != asked;
    return v;
}

void client_v5_end_exchange(struct client_v5 *v)
{
    if (v->auth == NULL)
        return;
    v->auth->method->end(v->auth->exchange);
    v->auth->exchange = NULL;
    v->auth->data = (struct mqtt_slice){0};
}

bool client_v5_use_method(struct client_v5 *v, const struct auth_method *method)
{
    v->auth = account_zalloc(ACCOUNT_CLIENTS, sizeof(*v->auth));
    if (v->auth != NULL)
        v->auth->method = method;
    return v->auth != NULL;
}

void client_v5_free(struct client_v5 *v)
{
    if (v == NULL)
        return;
    client_v5_end_exchange(v);
    account_free(ACCOUNT_CLIENTS, v->auth);
    alias_in_fini(&v->alias_in);
    alias_out_free(v->alias_out);
    account_free(ACCOUNT_CLIENTS, v);
}

bool client_v5_change_expiry(struct client_v5 *v, uint32_t expiry_s, uint64_t limit_ms)
{
    if (v->session_expiry_s == 0 && expiry_s != 0)
        return false;
    v->session_expiry_s = within(expiry_s, limit_ms);
    return true;
}
