/* Asked by the admin port and the metrics; the broker's state and the store answer. */
#include "broker/admin/readiness.h"

#include "broker/client/context.h"
#include "broker/store/store.h"

const char *broker_not_ready(const struct broker *b)
{
    if (b->state != BROKER_SERVING)
        return "draining: this broker is going down";
    const char *trouble = store_trouble(b->store);
    if (trouble != NULL)
        return trouble;
    switch (store_health(b->store)) {
    case STORE_STARTING:
        return "starting: the store isn't loaded yet";
    case STORE_TROUBLED:
        return "the store can't be reached";
    case STORE_READY:
        break;
    }
    return NULL;
}
