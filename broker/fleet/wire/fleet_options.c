/* A byte of flags, and four of the subscription's identifier if it has one. */
#include "broker/fleet/wire/fleet_options.h"

#include "broker/store/store.h"

enum { OPTION_QOS = 0x03, OPTION_NO_LOCAL = 0x04, OPTION_AS_PUBLISHED = 0x08, OPTION_ID = 0x10 };

struct fleet_options fleet_options_write(const struct store_subscription *sub)
{
    struct fleet_options o = {.len = 1};
    o.bytes[0] = sub->qos & OPTION_QOS;
    o.bytes[0] |= sub->no_local ? OPTION_NO_LOCAL : 0;
    o.bytes[0] |= sub->retain_as_published ? OPTION_AS_PUBLISHED : 0;
    if (sub->subscription_id != 0) {
        o.bytes[0] |= OPTION_ID;
        for (int i = 0; i < 4; i++)
            o.bytes[o.len++] = (uint8_t)(sub->subscription_id >> (24 - 8 * i));
    }
    return o;
}

void fleet_options_read(const void *data, size_t len, struct store_subscription *sub)
{
    const uint8_t *at = data;
    if (len == 0)
        return;
    sub->qos = at[0] & OPTION_QOS;
    sub->no_local = (at[0] & OPTION_NO_LOCAL) != 0;
    sub->retain_as_published = (at[0] & OPTION_AS_PUBLISHED) != 0;
    if ((at[0] & OPTION_ID) != 0 && len >= 5)
        sub->subscription_id =
            (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}
