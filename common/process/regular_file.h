/*
 * regular_file - opens a file that a configuration names.
 *
 * Of a pipe, a terminal or a device a reader would wait for bytes, perhaps for ever, and with it the
 * loop that reads the configuration again; a folder opens and then has nothing in it. All of them
 * are refused at once, by name. A byte order mark, which some editors put before the text, is no
 * part of it.
 */
#ifndef FLOTILLA_COMMON_PROCESS_REGULAR_FILE_H
#define FLOTILLA_COMMON_PROCESS_REGULAR_FILE_H

#include <stdbool.h>
#include <stdio.h>

/* For reading; the caller closes it. NULL: `*cause` says why, borrowed until the next call. */
FILE *regular_file_open(const char *path, const char **cause);
/* At the beginning of the file: goes past a byte order mark. False: it can't be read. */
bool regular_file_skip_mark(FILE *file);

#endif
