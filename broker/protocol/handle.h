/*
 * handle - what each packet of a client means. One handler per packet type; input.c dispatches
 * here.
 *
 * Handlers may close the client: nothing about it is assumed afterwards but its state.
 */
#ifndef FLOTILLA_BROKER_PROTOCOL_HANDLE_H
#define FLOTILLA_BROKER_PROTOCOL_HANDLE_H

#include "broker/auth/login/login.h"
#include "common/mqtt/mqtt.h"

struct client;
struct peer;

void handle_packet(struct client *c, const struct mqtt_packet *p);

void handle_connect(struct client *c, const struct mqtt_packet *p);
void handle_publish(struct client *c, const struct mqtt_packet *p);
void handle_puback(struct client *c, const struct mqtt_packet *p);
void handle_pubrec(struct client *c, const struct mqtt_packet *p);
void handle_pubrel(struct client *c, const struct mqtt_packet *p);
void handle_pubcomp(struct client *c, const struct mqtt_packet *p);
void handle_subscribe(struct client *c, const struct mqtt_packet *p);
void handle_unsubscribe(struct client *c, const struct mqtt_packet *p);

/* While AUTHENTICATING: goes on if the verdict has come. */
void handle_connect_login_done(struct client *c);
/* CONNECT names an authentication method. False: refused, or out of memory and closed. */
bool handle_auth_take_method(struct client *c, const struct mqtt_connect *p);
/* Goes on with the method, by what CONNECT said to it. */
void handle_auth_begin(struct client *c, const struct mqtt_connect *p);
void handle_auth(struct client *c, const struct mqtt_packet *p);
/* While AUTHENTICATING by a method: goes on if the verdict has come. */
void handle_auth_judged(struct client *c, enum login_verdict verdict);
/* For counting its failures; NULL: not to be told apart. */
const struct peer *handle_connect_source(const struct client *c);
/* The client is who it says. */
void handle_connect_let_in(struct client *c);
/* A long list of filters goes on. */
void handle_list_go_on(struct client *c);

/* Depth and length of a topic or filter are within the limits. */
bool handle_topic_fits(const struct client *c, struct mqtt_slice topic);

#endif
