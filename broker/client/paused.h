/*
 * paused - the clients that aren't read until the store takes publishes again (PAUSE_STORE), in the order in which
 * they came to wait.
 *
 * Data flow: client_pause and client_resume add and remove; the turn resumes the first one after the
 *            other.
 * Shape:     an array. Each client knows its place in it, and the places of those that left before
 *            their turn are empty. It grows when more than half of its places are in use, and is
 *            packed otherwise, so it has at most four times as many as clients have ever waited.
 *            Most clients never wait, and have no links for it.
 * Ownership: the broker's; the clients are borrowed, and removed before they are freed.
 */
#ifndef FLOTILLA_BROKER_CLIENT_PAUSED_H
#define FLOTILLA_BROKER_CLIENT_PAUSED_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct paused;

/* NULL when out of memory. */
struct paused *paused_new(void);
void paused_free(struct paused *p);
/* `place` is where the client keeps its place, which may change. False when out of memory. */
bool paused_add(struct paused *p, struct client *c, uint32_t *place);
/* The client that has this place. */
void paused_remove(struct paused *p, uint32_t place);
/* Who has waited longest; NULL: nobody waits. */
struct client *paused_first(struct paused *p);
uint32_t paused_count(const struct paused *p);

#endif
