/* The keys of `store:`, and how it goes with `redis:`. */
#include "broker/base/broker_config_parts.h"

#include "broker/base/broker_config.h"

static const char *const sync_names[] = {"always", "second", NULL};

static const struct config_field store_fields[] = {
    {.key = "file",
     .kind = CONFIG_STRING,
     FIELD(store_config, file),
     .fixed = true,
     .help = "File in which a broker without Redis keeps sessions, their queues, retained values "
             "and wills, so that they survive its end. It is made if it isn't there; SQLite writes "
             "a second one beside it, with -wal behind the name. Each broker needs its own."},
    {.key = "sync",
     .kind = CONFIG_ENUM,
     FIELD(store_config, sync),
     .names = sync_names,
     .fallback = "always",
     .fixed = true,
     .help = "always: what a client was answered is on the disk. second: answers don't wait, and a "
             "crash loses what was said in its last second."},
    {.key = "file", .kind = CONFIG_POSITION, FIELD(store_config, file_at)},
};
const struct config_schema store_schema = CONFIG_SCHEMA(struct store_config, store_fields);

bool broker_config_check_store(const struct broker_config *c, struct config_error *err)
{
    const char *file = c->file != NULL ? c->file : "command line";
    if (c->store.file == NULL || *c->store.file == '\0' || c->redis.url == NULL)
        return true;
    return config_fail(
        err, file, c->store.file_at, "store.file",
        "not together with redis.url, which keeps the state of a fleet: leave out one "
        "of the two");
}
