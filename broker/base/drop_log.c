/* The counters are in broker_stats.h, with their names. */
#include "broker/base/drop_log.h"

#include "common/log/log.h"

void drop_note(struct broker_stats *stats, enum drop why, struct mqtt_slice client_id,
               struct mqtt_slice topic)
{
    static _Thread_local struct log_limit limits[DROP_COUNT];
    stats->dropped[why]++;
    LOG_LIMITED_BY(&limits[why], LOG_LEVEL_INFO, "message_dropped",
                   KV_STR("reason", drop_names[why]),
                   KV_BYTES("client_id", client_id.data, client_id.len),
                   KV_BYTES("topic", topic.data, topic.len));
}
