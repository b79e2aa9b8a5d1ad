#include "broker/delivery/publish_bounds.h"

#include "broker/base/broker_config.h"

bool publish_bounds_none(const struct broker_config *config)
{
    return config->mqtt.max_qos == 2 && config->mqtt.retain == RETAIN_ON &&
           config->limits.max_message_expiry_ms == 0 && config->limits.retained_expiry_ms == 0 &&
           config->limits.max_publish_rate == 0 && config->limits.max_publish_bytes == 0;
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms == 0 || b_ms < a_ms ? b_ms : a_ms;
}

uint64_t publish_bounds_expiry(const struct broker_config *config, bool retain,
                               uint64_t expires_at_ms, uint64_t now_ms)
{
    const struct limits_config *limits = &config->limits;
    if (limits->max_message_expiry_ms > 0)
        expires_at_ms = earlier(expires_at_ms, now_ms + limits->max_message_expiry_ms);
    if (retain && limits->retained_expiry_ms > 0)
        expires_at_ms = earlier(expires_at_ms, now_ms + limits->retained_expiry_ms);
    return expires_at_ms;
}

bool publish_bounds_retain(const struct broker_config *config)
{
    return config->mqtt.retain == RETAIN_ON;
}
