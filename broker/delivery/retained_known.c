/* A table by the hash of the topic; two topics of one hash count as one, which costs a value that
 * the client may get once too often or too rarely, one time in 2^63. */
#include "broker/delivery/retained_known.h"

#include "broker/base/account.h"
#include "common/base/hash.h"

enum {
    KNOWN_MAX = 1 << 16, /* topics noted; with more than this an older value may follow a newer */
    CAPACITY_FIRST = 64,
};

/* What the client has got of one topic. */
struct known_topic {
    uint64_t hash;          /* of the topic, 0: an empty slot */
    struct message_id told; /* of the retained value; node 0: none yet */
    struct message_id live; /* of the latest live message with the retain flag; node 0: none yet */
    uint32_t live_at;       /* number of the newest SUBSCRIBE when it came, from 1 on */
};

void retained_known_fini(struct retained_known *r)
{
    account_free(ACCOUNT_READS, r->topics);
}

size_t retained_known_bytes(const struct retained_known *r)
{
    return r->capacity * sizeof(*r->topics);
}

static uint64_t topic_hash(const struct retained_known *r, struct mqtt_slice topic)
{
    return hash_bytes(r->hash_key, topic.data, topic.len) | 1;
}

/* The topic's slot, or the empty one where it belongs. */
static struct known_topic *slot_of(const struct retained_known *r, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (r->capacity - 1);
    while (r->topics[at].hash != 0 && r->topics[at].hash != hash)
        at = (at + 1) & (r->capacity - 1);
    return &r->topics[at];
}

static bool grow(struct retained_known *r)
{
    struct retained_known bigger = {.capacity =
                                        r->capacity == 0 ? CAPACITY_FIRST : r->capacity * 2};
    bigger.topics = account_zalloc(ACCOUNT_READS, bigger.capacity * sizeof(*bigger.topics));
    if (bigger.topics == NULL)
        return false;
    for (uint32_t i = 0; i < r->capacity; i++)
        if (r->topics[i].hash != 0)
            *slot_of(&bigger, r->topics[i].hash) = r->topics[i];
    account_free(ACCOUNT_READS, r->topics);
    r->topics = bigger.topics;
    r->capacity = bigger.capacity;
    return true;
}

static const struct known_topic *find(const struct retained_known *r, struct mqtt_slice topic)
{
    if (r == NULL || r->count == 0)
        return NULL;
    const struct known_topic *k = slot_of(r, topic_hash(r, topic));
    return k->hash != 0 ? k : NULL;
}

/* The topic's entry, made if need be; NULL when there is no room. */
static struct known_topic *note(struct retained_known *r, struct mqtt_slice topic)
{
    if (r == NULL || r->count >= KNOWN_MAX)
        return NULL;
    if (r->count * 2 >= r->capacity && !grow(r))
        return NULL;
    uint64_t hash = topic_hash(r, topic);
    struct known_topic *k = slot_of(r, hash);
    if (k->hash == 0) {
        k->hash = hash;
        r->count++;
    }
    return k;
}

static bool is_older(struct message_id a, struct message_id b)
{
    return a.node != 0 && a.node == b.node && a.sequence < b.sequence;
}

void retained_known_note_told(struct retained_known *r, struct mqtt_slice topic,
                              struct message_id id)
{
    struct known_topic *k = note(r, topic);
    if (k != NULL)
        k->told = id;
}

void retained_known_note_live(struct retained_known *r, struct mqtt_slice topic,
                              struct message_id id)
{
    struct known_topic *k = note(r, topic);
    if (k == NULL)
        return;
    k->live = id;
    k->live_at = r->subscribes;
}

bool retained_known_is_stale(const struct retained_known *r, struct mqtt_slice topic,
                             struct message_id id)
{
    const struct known_topic *k = find(r, topic);
    return k != NULL && ((k->live_at > 0 && k->live_at >= r->since) || is_older(id, k->live));
}

bool retained_known_is_overtaken(const struct retained_known *r, struct mqtt_slice topic,
                                 struct message_id id)
{
    const struct known_topic *k = find(r, topic);
    return k != NULL && k->told.node != 0 && k->told.node == id.node &&
           id.sequence <= k->told.sequence;
}
