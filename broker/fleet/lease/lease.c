/* The deciding half of rules 1 and 2. */
#include "broker/fleet/lease/lease.h"

void lease_start(struct lease *l, uint64_t lease_ms, uint64_t interval_ms, uint64_t sent_ms)
{
    *l = (struct lease){.lease_ms = lease_ms,
                        .interval_ms = interval_ms,
                        .alive_ms = sent_ms,
                        .window_ms = sent_ms,
                        .next_ms = sent_ms};
}

bool lease_is_unsure(const struct lease *l, uint64_t now_ms)
{
    return now_ms > l->alive_ms && now_ms - l->alive_ms > l->lease_ms * 4 / 5;
}

bool lease_beat_is_due(struct lease *l, uint64_t now_ms)
{
    if (now_ms < l->next_ms)
        return false;
    if (!l->awaiting)
        return true;
    l->broken = true;
    l->next_ms = now_ms + l->interval_ms;
    return false;
}

void lease_beat_sent(struct lease *l, uint64_t now_ms)
{
    if (now_ms > l->next_ms + l->interval_ms)
        l->broken = true; /* we slept */
    l->sent_ms = now_ms;
    l->next_ms = now_ms + l->interval_ms;
    l->awaiting = true;
}

void lease_beat_answered(struct lease *l, uint64_t now_ms)
{
    l->awaiting = false;
    l->alive_ms = l->sent_ms;
    if (now_ms - l->sent_ms > l->interval_ms)
        l->broken = true;
    if (l->broken)
        l->window_ms = now_ms;
    l->broken = false;
}

void lease_beat_lost(struct lease *l)
{
    l->awaiting = false;
    l->broken = true;
    l->next_ms = l->sent_ms; /* at once */
}

bool lease_suspects(const struct lease *l, uint64_t since_ms, uint64_t now_ms)
{
    uint64_t from = since_ms > l->window_ms ? since_ms : l->window_ms;
    return !l->broken && now_ms >= from && now_ms - from >= l->lease_ms;
}
