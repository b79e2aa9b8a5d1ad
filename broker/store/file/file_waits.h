/*
 * file_waits - completions of the store's calls that wait until what they depend on is on the disk, in the order of the
 * calls.
 *
 * Data flow: store_file.c adds one for a call whose changes, or what it shows, isn't written yet, with the number of the
 *            batch that it waits for; it runs those whose batch is written, first thing in a turn.
 * Ownership: copies what the completion needs; a message that is to be delivered is referenced. The hold of a call lives
 *            until the completion (store.h).
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_WAITS_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_WAITS_H

#include <sys/queue.h>

#include "broker/store/store.h"

struct store_memory;
struct timebox;

enum wait_kind { WAIT_DONE, WAIT_CONNECT, WAIT_FETCH, WAIT_TAKE };

struct file_wait {
    STAILQ_ENTRY(file_wait) link;
    uint64_t batch;
    enum wait_kind kind;
    void *arg;
    union {
        struct {
            store_done_fn *done;
            struct message *deliver; /* by the host, before; NULL: nothing */
            bool *reached;           /* set by that; may be NULL */
        } call;
        struct {
            store_connect_fn *done;
            struct store_hold *hold;
            bool session_present;
        } connect;
        struct {
            store_fetch_fn *done;
            struct store_hold *hold;
            uint64_t from, until;
            size_t max, max_bytes;
        } fetch;
        struct {
            store_take_fn *done;
            struct store_share_entry *entries; /* owned */
            size_t count;
            enum store_more more;
        } take;
    } u;
};
STAILQ_HEAD(file_wait_list, file_wait);

struct file_waits {
    struct file_wait_list list;
    struct store_memory *memory; /* which the completions read */
    const struct store_host *host;
};

void file_waits_init(struct file_waits *w, struct store_memory *memory,
                     const struct store_host *host);
static inline bool file_waits_is_empty(const struct file_waits *w)
{
    return STAILQ_EMPTY(&w->list);
}
/* A copy of *as. NULL: out of memory. */
struct file_wait *file_waits_add(struct file_waits *w, const struct file_wait *as);
/* Completes those that wait for this batch or an earlier one, until the box is over. False: there are more. */
bool file_waits_run(struct file_waits *w, uint64_t written, struct timebox *box);
/* Completes all with STORE_UNAVAILABLE: the store ends. */
void file_waits_fail(struct file_waits *w);

#endif
