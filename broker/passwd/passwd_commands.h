/*
 * passwd_commands - what flotilla-passwd does.
 *
 * Says on stdout what was done, and on stderr what went wrong.
 */
#ifndef FLOTILLA_BROKER_PASSWD_PASSWD_COMMANDS_H
#define FLOTILLA_BROKER_PASSWD_PASSWD_COMMANDS_H

struct passwd_options;

/* The exit status: 0, or 1 if it failed. PASSWD_VERIFY: 1 if that isn't the password or there is no such user, 2 if it
 * failed. */
int passwd_commands_run(struct passwd_options *o);

#endif
