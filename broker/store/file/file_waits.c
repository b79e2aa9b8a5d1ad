/* A list, and what each kind of completion tells. */
#include "broker/store/file/file_waits.h"

#include <stdlib.h>

#include "broker/base/account.h"
#include "broker/store/memory_sessions.h"
#include "common/base/timebox.h"

enum { COMPLETION_US = 2 }; /* about what one costs, with its answer */

void file_waits_init(struct file_waits *w, struct store_memory *memory,
                     const struct store_host *host)
{
    STAILQ_INIT(&w->list);
    w->memory = memory;
    w->host = host;
}

struct file_wait *file_waits_add(struct file_waits *w, const struct file_wait *as)
{
    struct file_wait *wait = account_new(ACCOUNT_REQUESTS, sizeof(*wait));
    if (wait == NULL)
        return NULL;
    *wait = *as;
    STAILQ_INSERT_TAIL(&w->list, wait, link);
    return wait;
}

/* ---- completions ----------------------------------------------------------------------------- */

static void complete_call(const struct file_waits *w, struct file_wait *wait,
                          enum store_status status)
{
    struct message *m = wait->u.call.deliver;
    if (m != NULL && status == STORE_OK) {
        bool reached = w->host->deliver(w->host->arg, m);
        if (wait->u.call.reached != NULL)
            *wait->u.call.reached |= reached;
    }
    message_unref(m);
    if (wait->u.call.done != NULL)
        wait->u.call.done(wait->arg, status);
}

/* As the session is now: nothing but its own connection changes what is told of it. */
static void complete_connect(struct file_wait *wait, enum store_status status)
{
    const struct memory_session *m = wait->u.connect.hold->store_data;
    if (status == STORE_OK && m == NULL)
        status = STORE_FENCED; /* a newer connection took it meanwhile */
    if (status != STORE_OK) {
        wait->u.connect.done(wait->arg, status, NULL);
        return;
    }
    struct store_connect_result result = {.session_present = wait->u.connect.session_present,
                                          .subscriptions_kept = true,
                                          .released = m->released,
                                          .released_count = m->released_count,
                                          .next_sequence = m->queue.first};
    wait->u.connect.done(wait->arg, STORE_OK, &result);
}

static void complete_fetch(const struct file_waits *w, struct file_wait *wait,
                           enum store_status status)
{
    if (status == STORE_OK)
        memory_fetch_until(w->memory, wait->u.fetch.hold, wait->u.fetch.from, wait->u.fetch.until,
                           wait->u.fetch.max, wait->u.fetch.max_bytes, wait->u.fetch.done,
                           wait->arg);
    else
        wait->u.fetch.done(wait->arg, status, NULL, 0, false);
}

/* What was taken is the member's, whatever the status: it puts back what it can't send. */
static void complete_take(struct file_wait *wait, enum store_status status)
{
    wait->u.take.done(wait->arg, status, wait->u.take.entries, wait->u.take.count,
                      wait->u.take.more);
    free(wait->u.take.entries);
}

static void complete(const struct file_waits *w, struct file_wait *wait, enum store_status status)
{
    switch (wait->kind) {
    case WAIT_DONE:
        complete_call(w, wait, status);
        break;
    case WAIT_CONNECT:
        complete_connect(wait, status);
        break;
    case WAIT_FETCH:
        complete_fetch(w, wait, status);
        break;
    case WAIT_TAKE:
        complete_take(wait, status);
        break;
    }
    account_delete(ACCOUNT_REQUESTS, wait, sizeof(*wait));
}

bool file_waits_run(struct file_waits *w, uint64_t written, struct timebox *box)
{
    struct file_wait *wait;
    while ((wait = STAILQ_FIRST(&w->list)) != NULL && wait->batch <= written) {
        STAILQ_REMOVE_HEAD(&w->list, link);
        complete(w, wait, STORE_OK);
        if (timebox_spend(box, COMPLETION_US))
            break;
    }
    wait = STAILQ_FIRST(&w->list);
    return wait == NULL || wait->batch > written;
}

void file_waits_fail(struct file_waits *w)
{
    struct file_wait *wait;
    while ((wait = STAILQ_FIRST(&w->list)) != NULL) {
        STAILQ_REMOVE_HEAD(&w->list, link);
        complete(w, wait, STORE_UNAVAILABLE);
    }
}
