/*
 * config_file - the names of files that a configuration includes, as small numbers, so that a position in one of
 * them can be kept and told without a text of its own.
 *
 * Ownership: names are kept as long as the process lives. Bound: 1,024 different ones. Any thread.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_FILE_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_FILE_H

/* The number of a name; 0 when there is no room for another one. */
unsigned config_file_number(const char *name);
/* NULL for 0: the file that was asked for itself. */
const char *config_file_name(unsigned number);

#endif
