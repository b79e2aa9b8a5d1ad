/*
 * own_trouble - tells what this process or host lacks from what a peer did.
 *
 * To be out of descriptors, memory, buffers or source ports says nothing about a server or a name
 * server: the caller waits and tries again, and no server's health changes.
 */
#ifndef FLOTILLA_LB_HEALTH_OWN_TROUBLE_H
#define FLOTILLA_LB_HEALTH_OWN_TROUBLE_H

#include <errno.h>
#include <stdbool.h>

/* Of socket, connect, open, send or epoll_ctl. */
static inline bool is_own_trouble(int err)
{
    switch (err) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:        /* epoll watches */
    case EADDRNOTAVAIL: /* source ports, by connect */
    case EAGAIN:        /* likewise, and routes */
        return true;
    default:
        return false;
    }
}

/* Of connect: no source port towards that one address; another one may have some. */
static inline bool is_lack_of_ports(int err)
{
    return err == EADDRNOTAVAIL || err == EAGAIN;
}

#endif
