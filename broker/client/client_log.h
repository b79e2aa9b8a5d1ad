/*
 * client_log - the lines in the log that say who has connected and who has gone.
 *
 * With log.connections each connection has a line at its CONNACK and one at its end, at level info
 * and without a rate limit: an operator looks for one client among all. The log writer's bound holds
 * for them as for all lines. Without it, and for connections that never were let in, an end is
 * logged at debug if it is an ordinary one, else at info, a few per reason and time.
 * Cost: about a microsecond per line.
 */
#ifndef FLOTILLA_BROKER_CLIENT_CLIENT_LOG_H
#define FLOTILLA_BROKER_CLIENT_CLIENT_LOG_H

#include <stdbool.h>

#include "broker/base/broker_stats.h"

struct client;

/* CONNACK was sent. `clean` is what the CONNECT asked for, `present` what the CONNACK says. */
void client_log_online(struct client *c, bool clean, bool present);
/* Its transport is still there. */
void client_log_end(const struct client *c, enum client_end why);

#endif
