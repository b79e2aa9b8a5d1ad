/* A few dozen entries, looked through one by one. */
#include "broker/message/alias_out.h"

#include <stddef.h>

#include "broker/base/account.h"

enum { SCORE_MAX = 32, RECENT = 16 };

struct alias_entry {
    uint64_t topic;
    uint8_t score;
};

struct alias_out {
    uint16_t max, count;
    uint16_t worn;           /* the entry that is worn next */
    uint8_t recent_at;       /* of `recent`, where the next one goes */
    uint64_t recent[RECENT]; /* topics without an alias that came lately */
    struct alias_entry entries[];
};

struct alias_out *alias_out_new(uint16_t max)
{
    struct alias_out *a =
        account_zalloc(ACCOUNT_CLIENTS, sizeof(*a) + max * sizeof(struct alias_entry));
    if (a != NULL)
        a->max = max;
    return a;
}

void alias_out_free(struct alias_out *a)
{
    account_free(ACCOUNT_CLIENTS, a);
}

static bool is_recent(const struct alias_out *a, uint64_t topic)
{
    for (unsigned i = 0; i < RECENT; i++)
        if (a->recent[i] == topic)
            return true;
    return false;
}

struct alias_choice alias_out_choose(const struct alias_out *a, uint64_t topic)
{
    for (uint16_t i = 0; i < a->count; i++)
        if (a->entries[i].topic == topic)
            return (struct alias_choice){.alias = (uint16_t)(i + 1), .known = true};
    if (a->count < a->max)
        return (struct alias_choice){.alias = (uint16_t)(a->count + 1)};
    if (a->entries[a->worn].score == 0 && is_recent(a, topic))
        return (struct alias_choice){.alias = (uint16_t)(a->worn + 1)};
    return (struct alias_choice){0};
}

/* A topic without an alias. */
static void note_without(struct alias_out *a, uint64_t topic)
{
    struct alias_entry *e = &a->entries[a->worn];
    if (!is_recent(a, topic)) {
        a->recent[a->recent_at] = topic;
        a->recent_at = (uint8_t)((a->recent_at + 1) % RECENT);
        return;
    }
    if (e->score > 0) {
        e->score--;
        a->worn = (uint16_t)((a->worn + 1) % a->count);
    }
}

void alias_out_sent(struct alias_out *a, uint64_t topic, struct alias_choice how)
{
    if (how.alias == 0) {
        note_without(a, topic);
        return;
    }
    struct alias_entry *e = &a->entries[how.alias - 1];
    if (how.alias > a->count)
        a->count = how.alias;
    if (!how.known)
        *e = (struct alias_entry){.topic = topic};
    if (e->score < SCORE_MAX)
        e->score++;
}
