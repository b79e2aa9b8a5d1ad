/*
 * fleet_assert - writes a connection's hold into Redis again when Redis may have lost it (rule 9).
 *
 * Data flow: fleet_reassert.c begins a round and goes through all holds; modules that write for a
 *            session call fleet_hold_assert_once, so that the session is asserted before.
 */
#ifndef FLOTILLA_BROKER_FLEET_HOLD_FLEET_ASSERT_H
#define FLOTILLA_BROKER_FLEET_HOLD_FLEET_ASSERT_H

struct fleet;
struct fleet_hold;

/* Before a command of this session: what Redis may have lost of it goes first, once per round. */
void fleet_hold_assert_once(struct fleet_hold *h);
/* At once, whatever was asserted before. */
void fleet_hold_assert(struct fleet_hold *h);
/* Another run of Redis: assertions that weren't answered are made for that one. */
void fleet_holds_run_changed(struct fleet *f);

#endif
