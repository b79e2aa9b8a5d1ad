/*
 * host - the core's side of struct store_host: what the store asks of it.
 */
#ifndef FLOTILLA_BROKER_LOOP_HOST_H
#define FLOTILLA_BROKER_LOOP_HOST_H

#include "broker/store/store.h"

struct broker;

struct store_host host_of(struct broker *b);

#endif
