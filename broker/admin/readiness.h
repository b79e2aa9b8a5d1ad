/*
 * readiness - whether this broker takes clients, for load balancers and health checks.
 */
#ifndef FLOTILLA_BROKER_ADMIN_READINESS_H
#define FLOTILLA_BROKER_ADMIN_READINESS_H

struct broker;

/* NULL: takes clients. Else a sentence that says why not (for /readyz). */
const char *broker_not_ready(const struct broker *b);

#endif
