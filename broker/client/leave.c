/*
 * Between "let go" and the end of a connection. client.c and handle_connect.c begin it, input.c
 * reads and says what came of it, handle_connect.c goes on with the heir.
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

/* All is read. An heir doesn't wait for the answers: its client gets them again. */
static void leave_read(struct client *c)
{
    if (c->leaving->heir != NULL) {
        client_close(c, END_TAKEN_OVER);
        return;
    }
    free(c->leaving);
    c->leaving = NULL;
    client_pause(c, PAUSE_RETIRED);
    client_mark_work(c);
    client_arm_timer(c);
}

void leave_after_input(struct client *c, bool idle)
{
    const struct leaving *l = c->leaving;
    if (l == NULL || c->state != CLIENT_ONLINE)
        return;
    /* Requests that wait for the store hold it up for a while; who doesn't read its answers isn't
     * waited for. */
    bool held_up = c->pause != 0 && !(c->pause & PAUSE_OUTPUT);
    if ((idle && !held_up) || l->bytes_left == 0 || c->broker->now_ms >= l->until_ms)
        leave_read(c);
}

void leave_note_read(struct client *c, size_t n)
{
    if (c->leaving != NULL)
        c->leaving->bytes_left -= n < c->leaving->bytes_left ? n : c->leaving->bytes_left;
}

void leave_time_out(struct client *c)
{
    leave_read(c);
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
