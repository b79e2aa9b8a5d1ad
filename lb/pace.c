/*
 * Decides once a window from what the last one was like.
 */
#include "lb/pace.h"

#include "common/mqtt.h"

/* By the packet's type. In other protocols a byte may look like this as well: then a client in a
 * hurry is overlooked. */
static bool is_acknowledgement(uint8_t first)
{
    uint8_t type = first >> 4;
    return type == MQTT_PUBACK || type == MQTT_PUBREC || type == MQTT_PUBCOMP;
}

void pace_note_burst(struct pace *p, struct pace_client *c, uint8_t first, uint64_t now_ms)
{
    p->bursts++;
    if (is_acknowledgement(first))
        return;
    if (now_ms - c->heard_ms >= PACE_SILENT_MS)
        c->haste = 0;
    else if (c->haste < PACE_HASTE)
        c->haste++;
    c->heard_ms = now_ms;
    p->hurried |= c->haste == PACE_HASTE;
}

static bool is_trickle(const struct pace *p)
{
    return p->bursts >= PACE_BURSTS_MIN && p->bursts <= p->turns * PACE_BURSTS_PER_TURN_MAX &&
           !p->hurried;
}

bool pace_turn(struct pace *p, uint64_t now_ms)
{
    p->turns++;
    if (now_ms - p->window_ms >= PACE_WINDOW_MS) {
        p->resting = is_trickle(p) && now_ms - p->window_ms < 2 * PACE_WINDOW_MS;
        p->window_ms = now_ms;
        p->turns = p->bursts = 0;
        p->hurried = false;
    }
    return p->resting;
}
