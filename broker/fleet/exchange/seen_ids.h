/*
 * seen_ids - the ids of messages that may come twice, for as long as they may.
 *
 * Data flow: the inbox notes the id of each such message; one that was noted less than `window_ms`
 *            ago is a repeat. The oldest are forgotten as new ones come, a few at each.
 * Bound:     SEEN_IDS_MAX; beyond it the oldest is forgotten early.
 * Ownership: embedded in its owner. Times are ms of a monotonic clock.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_SEEN_IDS_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_SEEN_IDS_H

#include <sys/queue.h>

#include "common/base/hash_table.h"

enum { SEEN_IDS_MAX = 1 << 18, SEEN_ID_BYTES = 16 };

TAILQ_HEAD(seen_id_list, seen_id);

struct seen_ids {
    struct hash_table by_id;
    struct seen_id_list oldest_first;
    uint64_t hash_key, window_ms;
};

/* False when out of memory; seen_ids_fini is for both. */
bool seen_ids_init(struct seen_ids *s, uint64_t hash_key, uint64_t window_ms);
void seen_ids_fini(struct seen_ids *s);

/* True when it was noted before. Without memory it isn't noted. */
bool seen_ids_note(struct seen_ids *s, const uint8_t id[SEEN_ID_BYTES], uint64_t now_ms);
/* It may come once more. */
void seen_ids_forget(struct seen_ids *s, const uint8_t id[SEEN_ID_BYTES]);

#endif
