/* The answer to a heartbeat, from Redis' reply to a value that another thread can have. */
#include "broker/fleet/lease/heart_report.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/lease/lease.h"
#include "broker/fleet/lease/watch.h"
#include "broker/fleet/wire/fleet_keys.h"

void heart_report_fini(struct heart_report *r)
{
    free(r->suspects);
    free(r->reaping);
    free(r->nodes);
    *r = (struct heart_report){0};
}

/* An array with room for `count`, not NULL when there is nothing to put in. */
static void *room(size_t count, size_t size)
{
    return calloc(count + 1, size);
}

static uint64_t number_of(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
}

static bool id_of(const struct redisReply *r, uint64_t *id)
{
    return r->type == REDIS_REPLY_STRING && fleet_hex_parse(r->str, r->len, id);
}

bool heart_report_see(struct heart_report *out, const struct redisReply *stand, struct watch *w,
                      const struct lease *l, uint64_t now_ms)
{
    out->suspects = room(stand->elements / 2, sizeof(*out->suspects));
    if (out->suspects == NULL)
        return false;
    for (size_t i = 0; i + 1 < stand->elements; i += 2) {
        struct heart_suspect *s = &out->suspects[out->suspect_count];
        if (!id_of(stand->element[i], &s->node) || s->node == out->node)
            continue;
        uint64_t since_ms;
        if (!watch_see(w, s->node, number_of(stand->element[i + 1]), &since_ms))
            return false;
        if (!lease_suspects(l, since_ms, now_ms))
            continue;
        s->stood_ms = now_ms - since_ms;
        snprintf(s->beat, sizeof(s->beat), "%s", stand->element[i + 1]->str);
        out->suspect_count++;
    }
    return true;
}

static bool take_reaping(struct heart_report *out, const struct redisReply *reaping)
{
    out->reaping = room(reaping->elements / 3, sizeof(*out->reaping));
    if (out->reaping == NULL)
        return false;
    for (size_t i = 0; i + 2 < reaping->elements; i += 3) {
        struct heart_reaping *r = &out->reaping[out->reaping_count];
        if (!id_of(reaping->element[i], &r->victim) || !id_of(reaping->element[i + 1], &r->reaper))
            continue;
        r->reaper_lives = reaping->element[i + 2]->integer == 1;
        out->reaping_count++;
    }
    return true;
}

static bool take_nodes(struct heart_report *out, const struct redisReply *nodes)
{
    if (nodes->type != REDIS_REPLY_ARRAY)
        return true;
    out->nodes = room(nodes->elements, sizeof(*out->nodes));
    if (out->nodes == NULL)
        return false;
    out->listed = true;
    out->listed_ms = out->sent_ms;
    for (size_t i = 0; i < nodes->elements; i++)
        if (id_of(nodes->element[i], &out->nodes[out->node_count]))
            out->node_count++;
    return true;
}

bool heart_report_take(struct heart_report *out, const struct redisReply *reaping,
                       const struct redisReply *nodes)
{
    return take_reaping(out, reaping) && take_nodes(out, nodes);
}

/* The newer one counts. What only the older one has stays: the list of nodes, which comes only when
 * it has changed; and that the node is dead, which nothing undoes. */
void heart_report_merge(struct heart_report *waiting, struct heart_report *newer)
{
    struct heart_report old = *waiting;
    *waiting = *newer;
    *newer = (struct heart_report){0};
    if (old.node == waiting->node && old.word == HEART_DEAD)
        waiting->word = HEART_DEAD;
    if (old.node == waiting->node && old.listed && !waiting->listed) {
        free(waiting->nodes);
        waiting->listed = true;
        waiting->nodes = old.nodes;
        waiting->node_count = old.node_count;
        waiting->listed_ms = old.listed_ms;
        old.nodes = NULL;
    }
    heart_report_fini(&old);
}
