/*
 * fleet_over - what a node does that was declared dead: it forgets everything, in pieces, and begins
 * anew under another id.
 *
 * Data flow: the module that learns of the death calls fleet_declared_dead; fleet_turn.c begins at the
 *            end of the same input and goes on at the begin of the next ones, in which nothing else is
 *            done.
 */
#ifndef FLOTILLA_BROKER_FLEET_FLEET_OVER_H
#define FLOTILLA_BROKER_FLEET_FLEET_OVER_H

#include <stdbool.h>
#include <stddef.h>

struct fleet;
struct timebox;

/* Beside the node's state, because the steps go on when a node that starts over is told to end. */
enum fleet_over_step { OVER_NOT, OVER_HOLDS, OVER_CORE, OVER_COMMANDS, OVER_ROUTES };

struct fleet_over {
    enum fleet_over_step step;
    size_t commands; /* OVER_COMMANDS: left */
};

bool fleet_over_init(struct fleet *f);
void fleet_over_free(struct fleet *f);
/* From DEAD: into OVER. */
void fleet_start_over(struct fleet *f);
/* While a step is to be done: does some. */
void fleet_over_go_on(struct fleet *f, struct timebox *box);
void fleet_take_new_id(struct fleet *f);
/* Everything that waits is completed as failed. */
void fleet_drop_everything(struct fleet *f);

#endif
