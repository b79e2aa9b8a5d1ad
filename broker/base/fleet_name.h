/*
 * fleet_name - what a fleet may be called: the name is in every key and channel, and in the
 * configuration.
 */
#ifndef FLOTILLA_BROKER_BASE_FLEET_NAME_H
#define FLOTILLA_BROKER_BASE_FLEET_NAME_H

enum { FLEET_NAME_MAX = 32 };

/* What is wrong with a fleet's name (a literal), or NULL. Empty: no name. */
const char *fleet_name_check(const char *name);

#endif
