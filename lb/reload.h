/*
 * reload - brings a configuration file into force, at the start and on SIGHUP.
 *
 * The whole file is read, checked and built (certificates loaded) before anything changes; on any
 * error the old configuration stays in force. Then: listeners by address, backends by name, servers
 * by name and address; what is in both stays as it is, with its flows and counters.
 * Errors: logged (config_rejected) with file, line, column and key.
 */
#ifndef FLOTILLA_LB_RELOAD_H
#define FLOTILLA_LB_RELOAD_H

#include <stdbool.h>

struct control;

/* The first configuration: also starts the workers and the admin port. */
bool reload_first(struct control *c);
bool reload_again(struct control *c);
/* --check: reads and builds, changes nothing; prints the verdict. */
bool reload_check(const char *path);

#endif
