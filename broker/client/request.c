/*
 * Unanswered packets of a client, in order. handle_publish.c and handle_subscribe.c make them, the
 * store completes them.
 */
#include "broker/client/request.h"

#include <stdlib.h>

#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/reason.h"
#include "common/base/clock.h"
#include "common/metrics/metrics.h"

enum { BYTES_MAX = 1 << 30 }; /* as large as the limit may be */

static void request_free(struct request *q)
{
    if (q->list != NULL)
        account_free(ACCOUNT_REQUESTS, q->list);
    account_delete(ACCOUNT_REQUESTS, q, sizeof(*q));
}

/* So much of it waits that it isn't read further. */
static bool is_full(const struct client *c)
{
    const struct limits_config *limits = &c->broker->config->limits;
    return c->request_count >= limits->max_unacknowledged ||
           c->request_bytes >= limits->max_unacknowledged_bytes;
}

static struct request *append(struct client *c, enum mqtt_type answer, uint16_t packet_id,
                              size_t bytes)
{
    struct request *q = account_new(ACCOUNT_REQUESTS, sizeof(*q));
    if (q == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return NULL;
    }
    q->client = c;
    q->answer = (uint8_t)answer;
    q->packet_id = packet_id;
    q->bytes = bytes < BYTES_MAX ? (uint32_t)bytes : BYTES_MAX;
    q->next = q;
    if (c->last_request != NULL) {
        q->next = c->last_request->next;
        c->last_request->next = q;
    }
    c->last_request = q;
    c->request_count++;
    c->request_bytes += q->bytes;
    if (is_full(c))
        client_pause(c, PAUSE_UNACKNOWLEDGED);
    return q;
}

struct request *request_new(struct client *c, enum mqtt_type answer, uint16_t packet_id,
                            size_t bytes)
{
    struct request *q = append(c, answer, packet_id, bytes);
    if (q != NULL) {
        q->started_us = clock_monotonic_us();
        c->ops++;
    }
    return q;
}

/* The client may send one more for each of its messages that is answered for good (5.0: 4.9). */
static void answer_v5(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    if (type == MQTT_PUBACK || (type == MQTT_PUBREC && reason >= MQTT_R_UNSPECIFIED))
        client_v5_answered(c->v5);
    reason_answer(c, type, packet_id, reason);
}

static void answer(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    if (c->v5 != NULL)
        answer_v5(c, type, packet_id, reason);
    else
        client_send_ack(c, type, packet_id);
}

static uint8_t reason_of(const struct request *q)
{
    bool published = q->answer == MQTT_PUBACK || q->answer == MQTT_PUBREC;
    if (q->reason != MQTT_R_SUCCESS || !published || q->reached)
        return q->reason;
    return MQTT_R_NO_MATCHING_SUBSCRIBERS;
}

static void send_answer(struct client *c, struct request *q)
{
    if (q->list != NULL)
        q->list->answer(c, q);
    else
        answer(c, (enum mqtt_type)q->answer, q->packet_id, reason_of(q));
}

static void take_first(struct client *c)
{
    struct request *q = c->last_request->next;
    if (q == c->last_request)
        c->last_request = NULL;
    else
        c->last_request->next = q->next;
    c->request_count--;
    c->request_bytes -= q->bytes;
}

/* Answers from the oldest on, up to the first that still waits. */
static void answer_ready(struct client *c)
{
    while (c->last_request != NULL && c->last_request->next->state != REQUEST_WAITING) {
        struct request *q = c->last_request->next;
        if (q->state == REQUEST_FAILED) {
            client_close_later(c, END_STORE_FAILED); /* later ones must not overtake it */
            return;
        }
        take_first(c);
        send_answer(c, q);
        request_free(q);
    }
    if (!is_full(c))
        client_resume(c, PAUSE_UNACKNOWLEDGED);
    if (c->last_request == NULL && c->state == CLIENT_ANSWERING)
        client_mark_work(c);
}

void request_done(void *arg, enum store_status status)
{
    struct request *q = arg;
    struct client *c = q->client;
    metric_observe(c->broker->store_latency, (double)(clock_monotonic_us() - q->started_us) / 1e6);
    if (c->state == CLIENT_CLOSED) {
        request_free(q);
        client_op_done(c);
        return;
    }
    q->state = status == STORE_OK ? REQUEST_DONE : REQUEST_FAILED;
    if (status == STORE_FENCED)
        client_close_later(c, END_TAKEN_OVER);
    answer_ready(c);
    client_op_done(c);
}

void request_answer(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    if (c->last_request == NULL) {
        answer(c, type, packet_id, reason);
        return;
    }
    struct request *q = append(c, type, packet_id, 0);
    if (q == NULL)
        return;
    q->state = REQUEST_DONE;
    q->reason = reason;
    q->reached = true;
}

struct request *requests_list(const struct client *c)
{
    struct request *q = c->last_request;
    if (q == NULL)
        return NULL;
    do {
        q = q->next;
        if (q->list != NULL && q->list->pauses)
            return q;
    } while (q != c->last_request);
    return NULL;
}

/* What is at the store is freed by its completion. */
void requests_drop(struct client *c)
{
    while (c->last_request != NULL) {
        struct request *q = c->last_request->next;
        take_first(c);
        if (q->state != REQUEST_WAITING)
            request_free(q);
        else if (q->list != NULL && q->list->due)
            request_done(q, STORE_UNAVAILABLE);
    }
}
