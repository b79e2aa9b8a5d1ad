/*
 * broker - one broker process, put together: configuration in, a running broker out.
 *
 * Ownership: broker_new makes the context (broker/client/context.h) and all that it points at,
 *            broker_free releases it; the configuration is main's. One thread only.
 */
#ifndef FLOTILLA_BROKER_BROKER_H
#define FLOTILLA_BROKER_BROKER_H

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct broker_config;

/* NULL with a sentence in err. Listens when it returns. `implicit_anonymous`: there is no
 * configuration file, so a loopback listener lets anyone in. */
struct broker *broker_new(const struct broker_config *config, bool implicit_anonymous, char *err,
                          size_t errlen);
/* Serves until drained after SIGTERM or SIGINT. */
void broker_run(struct broker *b);
void broker_free(struct broker *b);

#endif
