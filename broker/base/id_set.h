/*
 * id_set - a set of 64-bit ids, for what one message has to remember: who has it already. One id
 * needs no allocation; each question costs a probe or two, however many there are.
 *
 * Keyed: ids may be hashes of what clients choose, and shouldn't all fall into one place.
 * Ownership: embedded; id_set_fini frees its memory, and leaves it empty.
 */
#ifndef FLOTILLA_BROKER_BASE_ID_SET_H
#define FLOTILLA_BROKER_BASE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_set {
    uint64_t *ids; /* 0: an empty slot */
    uint32_t count, size;
    uint64_t only; /* the one that there is, while there is no table */
    uint64_t key;
    uint64_t probes; /* of all questions so far */
};

bool id_set_has(struct id_set *s, uint64_t id);
/* False when out of memory. */
bool id_set_add(struct id_set *s, uint64_t id);
void id_set_remove(struct id_set *s, uint64_t id);
void id_set_clear(struct id_set *s);
void id_set_fini(struct id_set *s);

#endif
