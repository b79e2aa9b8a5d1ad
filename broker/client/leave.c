/*
 * Between the wish that a connection ends and its end. claim.c and client_leave begin it, input.c
 * reads, client_life.c ends it, claim.c goes on with the heir.
 */
#include "broker/client/leave.h"

#include "broker/base/account.h"
#include "broker/client/client.h"
#include "broker/client/connect_attempt.h"

/* NULL when out of memory. */
static struct leaving *leaving_of(struct client *c)
{
    if (c->leaving == NULL)
        c->leaving = account_zalloc(ACCOUNT_CLIENTS, sizeof(*c->leaving));
    return c->leaving;
}

bool leave_begin(struct client *c)
{
    if (c->state == CLIENT_LEAVING)
        return true;
    struct leaving *l = leaving_of(c);
    if (l == NULL)
        return false;
    l->until_ms = c->broker->now_ms + LEAVE_MS;
    l->bytes_left = LEAVE_BYTES;
    client_enter(c, CLIENT_LEAVING);
    return true;
}

void leave_to(struct client *c, struct client *heir)
{
    struct client *before = c->leaving->heir;
    if (before == heir)
        return;
    if (before != NULL) {
        before->connecting->awaits = NULL;
        client_close_later(before, END_TAKEN_OVER);
    }
    c->leaving->heir = heir;
    heir->connecting->awaits = c;
}

bool leave_is_over(const struct client *c, bool idle)
{
    const struct leaving *l = c->leaving;
    if (c->state != CLIENT_LEAVING)
        return false;
    /* It waits a while for requests that are at the store, but not for a client that doesn't read
     * its answers. */
    bool held_up = c->pause != 0 && !(c->pause & PAUSE_OUTPUT);
    return (idle && !held_up) || l->bytes_left == 0 || c->broker->now_ms >= l->until_ms;
}

void leave_note_read(struct client *c, size_t n)
{
    if (c->state == CLIENT_LEAVING)
        c->leaving->bytes_left -= n < c->leaving->bytes_left ? n : c->leaving->bytes_left;
}

void leave_end(struct client *c)
{
    struct client *heir = c->leaving != NULL ? c->leaving->heir : NULL;
    if (heir == NULL)
        return;
    c->leaving->heir = NULL;
    heir->connecting->awaits = NULL;
    client_mark_work(heir);
}

void leave_forget_heir(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (a == NULL || a->awaits == NULL)
        return;
    a->awaits->leaving->heir = NULL;
    a->awaits = NULL;
}

void client_leave(struct client *c, enum client_end why)
{
    if (c->state < CLIENT_ONLINE) {
        client_close_later(c, why);
        return;
    }
    if (c->state != CLIENT_ONLINE && c->state != CLIENT_LEAVING)
        return; /* it is on its way already */
    c->end = (uint8_t)why;
    if (!leave_begin(c))
        client_enter(c, CLIENT_ANSWERING);
}

void client_hand_over(struct client *c, store_done_fn *done, void *arg)
{
    struct leaving *l = leaving_of(c);
    if (l == NULL) {
        client_close_later(c, END_NO_MEMORY);
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    leave_tell(c, STORE_OK);
    l->asked = done;
    l->asked_arg = arg;
    client_leave(c, END_TAKEN_OVER);
}

void leave_tell(struct client *c, enum store_status status)
{
    struct leaving *l = c->leaving;
    if (l == NULL || l->asked == NULL)
        return;
    store_done_fn *asked = l->asked;
    l->asked = NULL;
    asked(l->asked_arg, status);
}
