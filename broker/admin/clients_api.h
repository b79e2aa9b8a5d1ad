/*
 * clients_api - the clients of this broker on its HTTP port: who is here, what is known of one, and closing one.
 *
 *   GET    /api/clients?limit=N&from=CURSOR&username=NAME   a page of those that are connected; `next` is where the
 *                                                          next one begins, null after the last
 *   GET    /api/clients/ID                                 one, with its subscriptions
 *   DELETE /api/clients/ID                                 closes its connection (5.0 clients are told 0x98); its will is
 *                                                          published, its session stays
 *
 * Pages: a client that stays connected all the while is on one of them, perhaps on two; no page looks at more than
 *        PAGE_BUCKETS places of the table, so it may have fewer than `limit`, or none, and still a next one.
 * Who may: whoever reaches the port, as with all of it; not a web page of elsewhere (http_origin.h).
 */
#ifndef FLOTILLA_BROKER_ADMIN_CLIENTS_API_H
#define FLOTILLA_BROKER_ADMIN_CLIENTS_API_H

#include <stdbool.h>

struct broker;

/* False when out of memory. */
bool clients_api_serve(struct broker *b);

#endif
