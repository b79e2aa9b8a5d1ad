/* What input.c and a claim, which waits for the store, do alike with a read. */
#include "broker/connection/receive.h"

#include <errno.h>

#include "broker/client/client.h"
#include "broker/client/leave.h"
#include "broker/client/rest.h"
#include "broker/connection/client_life.h"

enum { LOOK_BYTES = 4096 }; /* little enough to be kept without a question */

/* Why the client ends whose read has returned `n`, with errno. */
static enum client_end end_of(ssize_t n)
{
    if (n == 0)
        return END_EOF;
    if (errno == EPROTO)
        return END_MALFORMED;
    return errno == ENOMEM ? END_NO_MEMORY : END_IO_ERROR;
}

void receive_end(struct client *c, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        c->readable = c->more; /* what came was none of the client's bytes */
        c->more = false;
    } else {
        client_close(c, end_of(n));
    }
}

void receive_note(struct client *c, const uint8_t *bytes, size_t n, size_t asked)
{
    pace_note_burst(&c->broker->pace, &c->pace, bytes[0], c->broker->now_ms);
    c->last_input_ms = c->broker->client_ms;
    c->broker->stats.received_bytes += n;
    leave_note_read(c, n);
    if (n == asked || c->eof || c->more) {
        c->more = false;
        return;
    }
    c->readable = false; /* edge-triggered: the next byte will tell */
    if (!c->look_again) {
        c->look_again = true;
        if (client_is_connected(c))
            client_arm_timer(c);
    }
}

void receive_look_for_end(struct client *c)
{
    bool waits = c->state == CLIENT_AUTHENTICATING || c->state == CLIENT_CLAIMING;
    if (!waits || !c->readable || c->rest != NULL)
        return;
    uint8_t *buf = c->broker->read_buffer;
    ssize_t n = c->transport->ops->read(c->transport, buf, LOOK_BYTES);
    if (n <= 0) {
        receive_end(c, n);
        return;
    }
    receive_note(c, buf, (size_t)n, LOOK_BYTES);
    if (!rest_keep(c, buf, (size_t)n, 0, false))
        client_close(c, END_NO_MEMORY);
}

bool receive_has_left(struct client *c)
{
    c->readable = true; /* its end may be there unannounced: the process may have stood still */
    receive_look_for_end(c);
    return c->state == CLIENT_CLOSED;
}
