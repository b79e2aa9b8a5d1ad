/*
 * Between the wish that a connection ends and its end. claim.c and client_retire begin it, input.c
 * reads, client_life.c ends it, claim.c goes on with the heir.
 */
#include "broker/client/leave.h"

#include <stdlib.h>

#include "broker/client/client.h"

bool leave_begin(struct client *c)
{
    if (c->leaving != NULL)
        return true;
    c->leaving = calloc(1, sizeof(*c->leaving));
    if (c->leaving == NULL)
        return false;
    c->leaving->until_ms = c->broker->now_ms + LEAVE_MS;
    c->leaving->bytes_left = LEAVE_BYTES;
    c->readable = true; /* there may be bytes that nobody has announced yet */
    client_arm_timer(c);
    client_mark_ready(c);
    return true;
}

void leave_to(struct client *c, struct client *heir)
{
    struct client *before = c->leaving->heir;
    if (before == heir)
        return;
    if (before != NULL) {
        before->awaits = NULL;
        client_doom(before, END_TAKEN_OVER);
    }
    c->leaving->heir = heir;
    heir->awaits = c;
}

bool leave_is_over(const struct client *c, bool idle)
{
    const struct leaving *l = c->leaving;
    if (l == NULL || c->state != CLIENT_ONLINE)
        return false;
    /* It waits a while for requests that are at the store, but not for a client that doesn't read
     * its answers. */
    bool held_up = c->pause != 0 && !(c->pause & PAUSE_OUTPUT);
    return (idle && !held_up) || l->bytes_left == 0 || c->broker->now_ms >= l->until_ms;
}

void leave_note_read(struct client *c, size_t n)
{
    if (c->leaving != NULL)
        c->leaving->bytes_left -= n < c->leaving->bytes_left ? n : c->leaving->bytes_left;
}

void leave_end(struct client *c)
{
    struct client *heir = c->leaving != NULL ? c->leaving->heir : NULL;
    free(c->leaving);
    c->leaving = NULL;
    if (heir == NULL)
        return;
    heir->awaits = NULL;
    client_mark_work(heir);
}

void leave_forget_heir(struct client *c)
{
    if (c->awaits != NULL)
        c->awaits->leaving->heir = NULL;
    c->awaits = NULL;
}

void client_retire(struct client *c, enum client_end why)
{
    if (c->state == CLIENT_CLOSED || (c->pause & PAUSE_RETIRED))
        return;
    if (!c->doomed)
        c->end = (uint8_t)why;
    if (c->state == CLIENT_ONLINE && leave_begin(c))
        return;
    client_pause(c, PAUSE_RETIRED);
    client_mark_work(c);
}

void client_let_go(struct client *c, store_done_fn *done, void *arg)
{
    if (c->let_go_done != NULL)
        c->let_go_done(c->let_go_arg, STORE_OK);
    c->let_go_done = done;
    c->let_go_arg = arg;
    client_retire(c, END_TAKEN_OVER);
}
