/*
 * descriptors - file descriptors as a bounded resource: how many there are, and how many of them
 * clients may have, so that the rest of the process never runs out of them.
 *
 * Policy:    the soft limit is raised to the hard one at start. What the process has open once it is
 *            set up, and a spare for what comes and goes (Redis, HTTP, checks, files that are read
 *            again), is taken off; clients get the rest and are turned away or wait beyond it.
 * Errors:    none: a limit that can't be raised stays.
 */
#ifndef FLOTILLA_COMMON_PROCESS_DESCRIPTORS_H
#define FLOTILLA_COMMON_PROCESS_DESCRIPTORS_H

#include <stdint.h>

/* First of all, in main: standard input, output and error that are closed become /dev/null. Their
 * numbers would go to the next socket or pipe, and what is written to standard error into it. */
void descriptors_take_standard(void);

/* Raises the soft limit; returns it (at most INT32_MAX). */
uint32_t descriptors_raise_limit(void);
/* Open now, about: those below the lowest free one. */
uint32_t descriptors_open(void);

/* Of `limit`, for what comes and goes. */
uint32_t descriptors_spare(uint32_t limit);
/* Of `limit`, for clients, when `open` are open without any; at least 1. */
uint32_t descriptors_for_clients(uint32_t limit, uint32_t open);
/* Of the spare, for the HTTP port: a half, that the other half isn't used up by it. */
uint32_t descriptors_for_http(uint32_t limit);

#endif
