/*
 * fleet_options - the options of a subscription as bytes, as the log and the sessions in Redis have them.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_OPTIONS_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct store_subscription;

struct fleet_options {
    uint8_t bytes[6];
    size_t len;
};
struct fleet_options fleet_options_write(const struct store_subscription *sub);
void fleet_options_read(const void *data, size_t len, struct store_subscription *sub);

#endif
