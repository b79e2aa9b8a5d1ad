/*
 * convert - writes our configuration from one of Mosquitto 2.0: flotilla-broker --convert.
 *
 * Data flow: main gives the file's name; convert_yaml.c writes what the lines became.
 * Errors:    a file that can't be read, with a sentence for an operator. A line that means nothing
 *            is a comment in the output, not an error.
 * Limits:    line_file's; 256 listeners.
 */
#ifndef FLOTILLA_BROKER_CONVERT_CONVERT_H
#define FLOTILLA_BROKER_CONVERT_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

bool convert_mosquitto(const char *path, FILE *out, char *err, size_t errlen);

#endif
