/*
 * Targets in a hash by "host:port"; of each one and family, the addresses in force and those that
 * the question under way has brought. The rules decide which of the two hold.
 */
#include "lb/discovery/discovery_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/address.h"

struct discovery_set {
    struct discovery_target *targets; /* uthash */
    size_t target_count;
    size_t kept;     /* addresses of all targets, held and fresh */
    size_t left_out; /* by this question */
};

struct discovery_set *discovery_set_new(void)
{
    return calloc(1, sizeof(struct discovery_set));
}

static void drop_held(struct discovery_set *set, struct discovery_part *p)
{
    set->kept -= p->held_count;
    free(p->held);
    p->held = NULL;
    p->held_count = 0;
}

static void drop_fresh(struct discovery_set *set, struct discovery_part *p)
{
    set->kept -= p->fresh_count;
    free(p->fresh);
    p->fresh = NULL;
    p->fresh_count = 0;
}

static void drop_target(struct discovery_set *set, struct discovery_target *t)
{
    for (int i = 0; i < DISCOVERY_FAMILIES; i++) {
        drop_held(set, &t->parts[i]);
        drop_fresh(set, &t->parts[i]);
    }
    HASH_DEL(set->targets, t);
    set->target_count--;
    free(t->host);
    free(t);
}

void discovery_set_free(struct discovery_set *set)
{
    struct discovery_target *t;
    struct discovery_target *next;
    if (set == NULL)
        return;
    HASH_ITER (hh, set->targets, t, next) {
        drop_target(set, t);
    }
    free(set);
}

/* ---- a question ---- */

static size_t held_by(const struct discovery_target *t)
{
    size_t n = 0;
    for (int i = 0; i < DISCOVERY_FAMILIES; i++)
        n += t->parts[i].held_count;
    return n;
}

static void forget_answers(struct discovery_set *set, struct discovery_target *t)
{
    t->named = t->expired = false;
    t->status = 0;
    for (int i = 0; i < DISCOVERY_FAMILIES; i++) {
        t->parts[i].answer = DNS_FAILED; /* until something else is heard */
        t->parts[i].lost = false;
        drop_fresh(set, &t->parts[i]);
    }
}

void discovery_set_begin(struct discovery_set *set)
{
    struct discovery_target *t;
    struct discovery_target *next;
    set->left_out = 0;
    HASH_ITER (hh, set->targets, t, next) {
        if (!t->named && held_by(t) == 0)
            drop_target(set, t);
        else
            forget_answers(set, t);
    }
}

static struct discovery_target *make_target(struct discovery_set *set, const char *key,
                                            const char *host, uint16_t port)
{
    if (set->target_count == DISCOVERY_TARGETS_MAX)
        return NULL;
    struct discovery_target *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    snprintf(t->key, sizeof(t->key), "%s", key);
    t->host = strdup(host);
    if (t->host == NULL) {
        free(t);
        return NULL;
    }
    t->port = port;
    for (int i = 0; i < DISCOVERY_FAMILIES; i++)
        t->parts[i].answer = DNS_FAILED;
    HASH_ADD_STR(set->targets, key, t);
    set->target_count++;
    return t;
}

struct discovery_target *discovery_set_name(struct discovery_set *set, const char *host,
                                            uint16_t port, unsigned weight)
{
    struct discovery_target *t;
    char key[sizeof(t->key)];
    int n = snprintf(key, sizeof(key), "%s:%u", host, port);
    HASH_FIND_STR(set->targets, key, t);
    if (t == NULL && n > 0 && (size_t)n < sizeof(key))
        t = make_target(set, key, host, port);
    if (t == NULL) {
        set->left_out++;
        return NULL;
    }
    if (!t->named) /* of several records for one target the first counts */
        t->weight = weight;
    t->named = true;
    return t;
}

static struct discovery_part *part_for(struct discovery_target *t, const struct sockaddr *addr,
                                       socklen_t len)
{
    if (addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in))
        return &t->parts[DISCOVERY_V4];
    if (addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6))
        return &t->parts[DISCOVERY_V6];
    return NULL;
}

/* Room for one more. Grown by doubling, so at powers of two. */
static bool make_room(struct discovery_set *set, struct discovery_part *p)
{
    size_t n = p->fresh_count;
    if (set->kept >= DISCOVERY_KEPT_MAX)
        return false;
    if (n > 0 && (n & (n - 1)) != 0)
        return true;
    struct discovered *fresh = realloc(p->fresh, (n == 0 ? 1 : 2 * n) * sizeof(*fresh));
    if (fresh == NULL) {
        p->lost = true;
        return false;
    }
    p->fresh = fresh;
    return true;
}

void discovery_set_add(struct discovery_set *set, struct discovery_target *t,
                       const struct sockaddr *addr, socklen_t len)
{
    struct discovery_part *p = part_for(t, addr, len);
    if (p == NULL || len > sizeof(p->fresh->addr))
        return;
    if (!make_room(set, p)) {
        set->left_out++;
        return;
    }
    struct discovered *f = &p->fresh[p->fresh_count++];
    *f = (struct discovered){.addrlen = len};
    memcpy(&f->addr, addr, len);
    address_set_port(&f->addr, t->port);
    set->kept++;
}

void discovery_set_answer(struct discovery_target *t, int family, int status, bool own_trouble)
{
    struct discovery_part *p = &t->parts[family];
    p->answer =
        p->lost ? DNS_OWN_TROUBLE : discovery_answer_of(status, p->fresh_count, own_trouble);
    if (p->answer != DNS_ADDRESSES && p->answer != DNS_NONE)
        t->status = status;
}

/* ---- its end ---- */

static void judge_part(struct discovery_set *set, struct discovery_target *t, int family,
                       uint64_t now_ms, uint64_t hold_ms)
{
    struct discovery_part *p = &t->parts[family];
    enum dns_answer sibling = t->parts[DISCOVERY_FAMILIES - 1 - family].answer;
    switch (discovery_judge(&p->memory, p->answer, sibling, now_ms, hold_ms)) {
    case DISCOVERY_KEEP:
        drop_fresh(set, p);
        break;
    case DISCOVERY_REPLACE:
        drop_held(set, p);
        p->held = p->fresh;
        p->held_count = p->fresh_count;
        p->fresh = NULL;
        p->fresh_count = 0;
        break;
    case DISCOVERY_EXPIRE:
        t->expired = t->expired || p->held_count > 0;
        drop_held(set, p);
        drop_fresh(set, p);
        break;
    }
}

static void judge(struct discovery_set *set, struct discovery_target *t, uint64_t now_ms,
                  uint64_t hold_ms)
{
    for (int i = 0; i < DISCOVERY_FAMILIES; i++)
        judge_part(set, t, i, now_ms, hold_ms);
}

static bool could_not_ask(const struct discovery_target *t)
{
    return t->parts[DISCOVERY_V4].answer == DNS_OWN_TROUBLE ||
           t->parts[DISCOVERY_V6].answer == DNS_OWN_TROUBLE;
}

/* The targets that the question named come first: whether the others may be removed depends on
 * them. */
static void judge_all(struct discovery_set *set, enum dns_answer unnamed, uint64_t now_ms,
                      uint64_t hold_ms)
{
    struct discovery_target *t;
    struct discovery_target *next;
    size_t named_hold = 0;
    HASH_ITER (hh, set->targets, t, next) {
        if (!t->named)
            continue;
        judge(set, t, now_ms, hold_ms);
        named_hold += held_by(t);
        if (could_not_ask(t))
            unnamed = DNS_OWN_TROUBLE;
    }
    HASH_ITER (hh, set->targets, t, next) {
        if (t->named)
            continue;
        if (named_hold > 0) {
            drop_target(set, t);
            continue;
        }
        if (unnamed == DNS_ADDRESSES) /* targets there were, but none to be had */
            unnamed = DNS_FAILED;
        t->parts[DISCOVERY_V4].answer = t->parts[DISCOVERY_V6].answer = unnamed;
        judge(set, t, now_ms, hold_ms);
    }
}

static size_t collect(const struct discovery_set *set, struct discovered *all)
{
    size_t n = 0;
    for (const struct discovery_target *t = set->targets; t != NULL; t = t->hh.next)
        for (int i = 0; i < DISCOVERY_FAMILIES; i++)
            for (size_t k = 0; k < t->parts[i].held_count; k++) {
                all[n] = t->parts[i].held[k];
                all[n++].weight = t->weight;
            }
    return n;
}

bool discovery_set_end(struct discovery_set *set, enum dns_answer unnamed, uint64_t now_ms,
                       uint64_t hold_ms, struct discovered *out, size_t max,
                       struct discovery_result *result)
{
    judge_all(set, unnamed, now_ms, hold_ms);
    struct discovered *all = malloc((set->kept + 1) * sizeof(*all));
    if (all == NULL)
        return false;
    /* Sorted before it is cut: the same ones are left out each time. */
    size_t n = discovery_normalize(all, collect(set, all));
    result->count = n < max ? n : max;
    result->left_out = set->left_out + n - result->count;
    memcpy(out, all, result->count * sizeof(*out));
    free(all);
    return true;
}

struct discovery_target *discovery_set_first(const struct discovery_set *set)
{
    return set->targets;
}

struct discovery_target *discovery_set_next(const struct discovery_target *t)
{
    return t->hh.next;
}

bool discovery_target_in_trouble(const struct discovery_target *t)
{
    bool found = false;
    bool only_held = false;
    for (int i = 0; i < DISCOVERY_FAMILIES; i++) {
        bool answered = t->parts[i].answer == DNS_ADDRESSES;
        found = found || answered;
        only_held = only_held || (!answered && t->parts[i].held_count > 0);
    }
    return t->named && (!found || only_held);
}
