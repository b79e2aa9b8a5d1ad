/*
 * Names are looked up by libevent's resolver, so that the loop goes on meanwhile.
 */
#include "common/redis/redis_dial.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/redis/redis_url.h"

/* The resolver answers in a later turn of the loop also what is cancelled: there may be another question by
 * then, or the dial is gone. */
struct redis_question {
    struct redis_dial *dial; /* NULL: nobody waits for the answer */
    struct evdns_getaddrinfo_request *request;
};

void redis_dial_cancel(struct redis_dial *d)
{
    struct redis_question *q = d->asked;
    if (q == NULL)
        return;
    d->asked = NULL;
    q->dial = NULL;
    evdns_getaddrinfo_cancel(q->request); /* on_resolved frees it */
}

void redis_dial_fini(struct redis_dial *d)
{
    redis_dial_cancel(d);
    if (d->dns != NULL)
        evdns_base_free(d->dns, 0);
    d->dns = NULL;
}

static void take_addresses(struct redis_dial *d, const struct evutil_addrinfo *list)
{
    d->address_count = 0;
    for (const struct evutil_addrinfo *i = list; i != NULL; i = i->ai_next) {
        if (d->address_count == REDIS_DIAL_ADDRESSES_MAX)
            break;
        memcpy(&d->addresses[d->address_count], i->ai_addr, i->ai_addrlen);
        d->address_lens[d->address_count++] = i->ai_addrlen;
    }
}

static void on_resolved(int result, struct evutil_addrinfo *list, void *arg)
{
    struct redis_question *q = arg;
    struct redis_dial *d = q->dial;
    free(q);
    if (d != NULL) {
        d->asked = NULL;
        take_addresses(d, result == 0 ? list : NULL);
    }
    if (list != NULL)
        evutil_freeaddrinfo(list);
    if (d != NULL)
        d->found(d->arg);
}

static enum redis_dial_find ask_resolver(struct redis_dial *d)
{
    static const struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    char port[8];
    if (d->dns == NULL)
        d->dns = evdns_base_new(d->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                             EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    struct redis_question *q = d->dns != NULL ? calloc(1, sizeof(*q)) : NULL;
    if (q == NULL)
        return REDIS_DIAL_FAILED;
    evutil_snprintf(port, sizeof(port), "%u", d->url->port);
    d->address_count = 0;
    q->dial = d;
    d->asked = q;
    /* May call back before it returns, and then returns NULL. */
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(d->dns, d->url->host, port, &hints, on_resolved, q);
    if (request != NULL)
        q->request = request;
    return REDIS_DIAL_ASKED;
}

/* An address that needs no resolver: a unix socket, or numbers. */
static bool take_literal_address(struct redis_dial *d)
{
    struct sockaddr_storage *a = &d->addresses[0];
    memset(a, 0, sizeof(*a));
    d->address_count = 1;
    if (d->url->path[0] != '\0') {
        struct sockaddr_un *un = (struct sockaddr_un *)a;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, d->url->path, sizeof(un->sun_path));
        d->address_lens[0] = sizeof(*un);
        return true;
    }
    struct sockaddr_in *in4 = (struct sockaddr_in *)a;
    if (evutil_inet_pton(AF_INET, d->url->host, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(d->url->port);
        d->address_lens[0] = sizeof(*in4);
        return true;
    }
    memset(a, 0, sizeof(*a));
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;
    if (evutil_inet_pton(AF_INET6, d->url->host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(d->url->port);
        d->address_lens[0] = sizeof(*in6);
        return true;
    }
    return false;
}

enum redis_dial_find redis_dial_find(struct redis_dial *d)
{
    return take_literal_address(d) ? REDIS_DIAL_KNOWN : ask_resolver(d);
}

int redis_dial_open(const struct redis_dial *d, unsigned turn)
{
    static const int on = 1;
    size_t i = turn % d->address_count;
    const struct sockaddr *to = (const struct sockaddr *)&d->addresses[i];
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (to->sa_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    if (connect(fd, to, d->address_lens[i]) == 0 || errno == EINPROGRESS)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}
