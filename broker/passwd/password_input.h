/*
 * password_input - a password from whoever runs the program.
 *
 * From the terminal it is asked for without echo, twice where it is to be set. Signals that come meanwhile (Ctrl-C) end
 * the program as usual, with the terminal as it was before.
 * From stdin it is the first line.
 * Errors: a sentence.
 * Secrets: the caller wipes the password.
 */
#ifndef FLOTILLA_BROKER_PASSWD_PASSWORD_INPUT_H
#define FLOTILLA_BROKER_PASSWD_PASSWORD_INPUT_H

#include <stdbool.h>
#include <stddef.h>

enum { PASSWORD_SIZE = 65536 }; /* MQTT's longest, with a NUL behind it */

bool password_input_ask(bool twice, char out[PASSWORD_SIZE], char *err, size_t errlen);
bool password_input_stdin(char out[PASSWORD_SIZE], char *err, size_t errlen);

#endif
