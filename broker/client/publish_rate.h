/*
 * publish_rate - how fast a client may publish: limits.max_publish_rate (messages per second) and max_publish_bytes (per
 * second). A second's worth may come at once; who is faster isn't read for a while (PAUSE_RATE), so that TCP slows it
 * down, and nothing is lost.
 *
 * Data flow: handle_publish.c notes each message where there is such a limit; a timer of the wheel has the client read
 *            again.
 * Ownership: an entry for each client that has published since then, until it is closed.
 * Bound:     one message may cost more than a second's worth; its client waits at most RATE_WAIT_MAX_MS.
 */
#ifndef FLOTILLA_BROKER_CLIENT_PUBLISH_RATE_H
#define FLOTILLA_BROKER_CLIENT_PUBLISH_RATE_H

#include <stddef.h>
#include <stdint.h>

struct broker;
struct client;
struct publish_rates;

enum { RATE_WAIT_MAX_MS = 60000 };

/* It has published so many bytes of topic, properties and payload. */
void publish_rate_note(struct client *c, size_t bytes);
/* It is closed. */
void publish_rate_forget(struct client *c);
void publish_rates_free(struct publish_rates *r);

/* When the next one is due (µs of the clock in which `now_us` is) after `weight` came, if `per_second` are allowed. */
uint64_t publish_rate_due(uint64_t due_us, uint64_t weight, uint64_t per_second, uint64_t now_us);
/* How long to wait with what is due then. */
uint64_t publish_rate_wait_ms(uint64_t due_us, uint64_t now_us);

#endif
