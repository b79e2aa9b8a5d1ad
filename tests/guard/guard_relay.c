/* The load balancer's relay with the bursts of devices: small ones, in both directions, over socket
 * pairs. What the kernel does isn't counted. */
#include "tests/guard/guard.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/stream/pipe_pool.h"
#include "lb/stream/relay.h"
#include "lb/stream/stream.h"

enum { BURSTS = 20000, BURST = 90 };

static struct pipe_pool pipes;
static struct relay_env env = {.pipes = &pipes};
static struct relay up, down;
static struct stream client, server;
static int device, broker; /* the far ends */

static void burst(int source, struct stream *from, struct stream *to, struct relay *r, int sink)
{
    static uint8_t bytes[BURST];
    guard_must(write(source, bytes, BURST) == BURST);
    stream_ready(from, EPOLLIN | EPOLLOUT);
    guard_must(relay_pump(r, from, to, &env) == RELAY_WAITING && env.moved == BURST);
    guard_must(read(sink, bytes, BURST) == BURST);
}

static void work(int bursts)
{
    for (int i = 0; i < bursts; i++) {
        burst(device, &client, &server, &up, broker);
        burst(broker, &server, &client, &down, device);
    }
}

static int open_side(struct stream *s)
{
    int fds[2];
    guard_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    stream_init_plain(s, fds[0]);
    stream_ready(s, EPOLLOUT);
    return fds[1];
}

void guard_prepare(void)
{
    env.buffer = malloc(RELAY_BUFFER);
    guard_must(env.buffer != NULL);
    device = open_side(&client);
    broker = open_side(&server);
    work(1);
}

void guard_measured(void)
{
    work(BURSTS);
}

void guard_finish(void)
{
    relay_fini(&up, &pipes);
    relay_fini(&down, &pipes);
    free(env.buffer);
    close(client.fd);
    close(server.fd);
    close(device);
    close(broker);
}
