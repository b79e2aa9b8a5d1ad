/*
 * reload - SIGHUP: the whole configuration and the files that it names are read again, and put in force all or not at
 * all.
 *
 * Data flow: auth_reload.c reads in a thread; `complete` adds what the command line says, as at the start; then each key
 *            that changed is a line in the log. A key that can't change while the broker runs (`fixed` in its table), or
 *            anything wrong in a file, refuses the whole, and the log says which and why.
 * Ownership: the configuration is main's. What of it others borrow for as long as they live (listeners' and the store's)
 *            stays where it is.
 */
#ifndef FLOTILLA_BROKER_RELOAD_H
#define FLOTILLA_BROKER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct broker_config;
struct reload;

/* Puts the command line on top of what was read from the file. False with a sentence. */
typedef bool reload_complete_fn(void *arg, struct broker_config *fresh, char *err, size_t errlen);

/* Catches SIGHUP. `live` is the broker's. NULL when out of memory. */
struct reload *reload_new(struct broker *b, struct broker_config *live,
                          reload_complete_fn *complete, void *arg);
void reload_free(struct reload *r);

#endif
