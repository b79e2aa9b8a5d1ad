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
#include <stdint.h>

struct broker;
struct broker_config;

/* What is random in a broker, but for what libraries make so. */
struct broker_random {
    uint64_t hash_key;
    uint64_t message_node; /* in the ids of its messages */
};

/* All of a broker but what comes from outside: signals, admin port, listeners. For tests, which bring
 * clients with transports of their own; else as broker_new. */
struct broker *broker_new_core(const struct broker_config *config, const struct broker_random *r,
                               bool implicit_anonymous, char *err, size_t errlen);
/* NULL with a sentence in err. Listens from when its store is ready on. `implicit_anonymous`: there is no
 * configuration file, so a loopback listener lets anyone in. */
struct broker *broker_new(const struct broker_config *config, bool implicit_anonymous, char *err,
                          size_t errlen);
/* Serves until drained after SIGTERM or SIGINT. False: it ended because it couldn't go on. */
bool broker_run(struct broker *b);
void broker_free(struct broker *b);

#endif
