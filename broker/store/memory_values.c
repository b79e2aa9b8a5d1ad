/*
 * What is kept, and what no more; the values themselves are in a retained_tree.
 */
#include "broker/store/memory_values.h"

#include "broker/base/account.h"
#include "broker/base/broker_stats.h"
#include "broker/base/drop_log.h"
#include "broker/base/memory_budget.h"
#include "broker/store/journal.h"
#include "broker/store/retained_tree.h"
#include "common/log/log.h"

enum { SWEEP_MS = 100, SWEEP_NODES = 1000 };

static void on_swept(void *arg, const struct message *m)
{
    const struct memory_values *v = arg;
    journal_retained_gone(v->journal, m->topic);
}

bool memory_values_init(struct memory_values *v, const struct store_memory_config *config)
{
    *v = (struct memory_values){.tree = retained_tree_new(config->hash_key), .config = config};
    if (v->tree != NULL)
        retained_tree_watch(v->tree, on_swept, v);
    return v->tree != NULL;
}

void memory_values_fini(struct memory_values *v)
{
    retained_tree_free(v->tree);
    v->tree = NULL;
}

static void count(const struct memory_values *v)
{
    v->config->stats->retained = retained_tree_count(v->tree);
}

static bool has_memory(const struct memory_values *v, bool is_new)
{
    const struct memory_budget *budget = v->config->budget;
    if (budget == NULL)
        return true;
    return is_new ? memory_budget_takes_lasting(budget, account_lasting())
                  : memory_budget_takes_queued(budget, account_lasting(), 0);
}

static void drop_value(struct memory_values *v, struct mqtt_slice topic)
{
    journal_retained_gone(v->journal, topic);
    retained_tree_remove(v->tree, topic);
}

void memory_values_keep(struct memory_values *v, struct message *m)
{
    bool is_new = retained_tree_get(v->tree, m->topic) == NULL;
    enum drop why = DROP_COUNT;
    if (m->payload.len == 0) {
        if (!is_new)
            drop_value(v, m->topic);
    } else if (is_new && retained_tree_count(v->tree) >= v->config->retained_limit) {
        why = DROP_RETAINED_FULL;
    } else if (!has_memory(v, is_new)) {
        drop_value(v, m->topic); /* no value rather than an old one */
        why = DROP_MEMORY;
    } else if (!retained_tree_put(v->tree, m)) {
        why = DROP_NO_MEMORY;
    } else {
        journal_retained(v->journal, m);
    }
    if (why != DROP_COUNT)
        drop_note(v->config->stats, why, m->publisher, m->topic);
    count(v);
}

bool memory_values_drop_expired(struct memory_values *v, struct message *m, uint64_t now_ms)
{
    if (!message_is_expired(m, now_ms))
        return false;
    drop_value(v, m->topic);
    drop_note(v->config->stats, DROP_EXPIRED, m->publisher, m->topic);
    count(v);
    return true;
}

bool memory_values_restore(struct memory_values *v, struct message *m)
{
    bool kept = retained_tree_put(v->tree, m);
    count(v);
    return kept;
}

void memory_values_sweep(struct memory_values *v, uint64_t monotonic_ms, uint64_t now_ms)
{
    if (monotonic_ms < v->sweep_ms)
        return;
    v->sweep_ms = monotonic_ms + SWEEP_MS;
    size_t removed = retained_tree_sweep(v->tree, SWEEP_NODES, now_ms);
    if (removed == 0)
        return;
    v->config->stats->dropped[DROP_EXPIRED] += removed;
    LOG_LIMITED(LOG_LEVEL_INFO, "message_dropped", KV_STR("reason", drop_names[DROP_EXPIRED]),
                KV_STR("where", "retained"), KV_UINT("messages", removed));
    count(v);
}
