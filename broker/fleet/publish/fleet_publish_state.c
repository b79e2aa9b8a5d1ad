/* Rule 5: which states of a publish follow one another, and the one function that changes them
 * (fleet_publish_op.h). */
#include <assert.h>

#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_publish_op.h"

enum { AGAIN_MS = 100 };

#define TO(state) (1u << FLEET_PUBLISH_##state)

/* States that may follow. */
static const unsigned next[FLEET_PUBLISH_STATES] = {
    [FLEET_PUBLISH_NEW] = TO(BINDING) | TO(BEHIND) | TO(SENDING),
    [FLEET_PUBLISH_BINDING] = TO(BEHIND) | TO(SENDING) | TO(DONE),
    [FLEET_PUBLISH_BEHIND] = TO(SENDING) | TO(DONE),
    [FLEET_PUBLISH_SENDING] = TO(ASKING) | TO(DONE),
    [FLEET_PUBLISH_ASKING] = TO(SENDING) | TO(HELD) | TO(DONE),
    [FLEET_PUBLISH_HELD] = TO(BEHIND) | TO(SENDING) | TO(DONE),
    [FLEET_PUBLISH_DONE] = 0,
};

bool fleet_publish_may_enter(enum fleet_publish_state from, enum fleet_publish_state to)
{
    return (next[from] & (1u << to)) != 0;
}

static size_t message_size(const struct message *m)
{
    return sizeof(*m) + m->topic.len + m->payload.len + m->props.len + m->publisher.len;
}

static void enter_behind(struct fleet_publish *p)
{
    p->hold->behind++;
    p->parts.f->held_bytes += message_size(p->parts.message);
}

static void leave_behind(struct fleet_publish *p)
{
    p->hold->behind--;
    p->parts.f->held_bytes -= message_size(p->parts.message);
}

static void enter_held(struct fleet_publish *p)
{
    struct fleet_publishing *pub = p->parts.f->publishing;
    p->again_ms = p->parts.f->now_ms + AGAIN_MS;
    p->parts.f->held_bytes += message_size(p->parts.message);
    p->next_held = NULL;
    if (pub->held == NULL)
        pub->held = p;
    else
        pub->held_tail->next_held = p;
    pub->held_tail = p;
}

static void leave_held(struct fleet_publish *p)
{
    struct fleet_publishing *pub = p->parts.f->publishing;
    assert(pub->held == p);
    pub->held = p->next_held;
    p->parts.f->held_bytes -= message_size(p->parts.message);
}

void fleet_publish_enter(struct fleet_publish *p, enum fleet_publish_state state)
{
    assert(fleet_publish_may_enter(p->state, state));
    if (p->state == FLEET_PUBLISH_BEHIND)
        leave_behind(p);
    else if (p->state == FLEET_PUBLISH_HELD)
        leave_held(p);
    p->state = state;
    if (state == FLEET_PUBLISH_BEHIND)
        enter_behind(p);
    else if (state == FLEET_PUBLISH_HELD)
        enter_held(p);
    else if (state == FLEET_PUBLISH_DONE)
        fleet_parts_begin(&p->parts); /* whom it missed it doesn't go to any more */
}
