/*
 * Which filters a client may subscribe to. A grant and the filter meet in one filter
 * (filter_relation.h); something of it can be read unless a deny covers all of that.
 */
#include "broker/auth/files/acl.h"

#include "broker/auth/files/acl_rules.h"
#include "broker/auth/files/filter_relation.h"

/* Grants times denies could be millions: then it is granted, and the delivery decides. */
enum { COMPARED_MAX = 10000 };

struct question {
    struct acl *acl;
    const struct acl_rules *own;
    const struct acl_asker *who; /* `topic` is the filter */
    unsigned compared;           /* grants with denies */
};

/* A rule of the list covers the whole filter. Grants count if they give `access`. */
static bool list_has_cover(struct question *q, const struct acl_rule_list *list,
                           struct mqtt_slice filter, unsigned access)
{
    for (const struct acl_rule *rule = list->first; rule != NULL; rule = rule->next) {
        q->compared++;
        if (rule->grants != 0 && (rule->grants & access) == 0)
            continue;
        struct mqtt_slice wide = acl_rule_filter(q->acl, rule, q->who);
        if (wide.len > 0 && filter_covers(wide, filter))
            return true;
    }
    return false;
}

static bool is_denied(struct question *q, struct mqtt_slice filter)
{
    return list_has_cover(q, &q->own->denies, filter, 0) ||
           list_has_cover(q, &q->acl->patterns.denies, filter, 0);
}

/* Something that the filter matches is granted by a rule of the list, and not denied. */
static bool list_lets_read(struct question *q, const struct acl_rule_list *list)
{
    for (const struct acl_rule *rule = list->first; rule != NULL; rule = rule->next) {
        if ((rule->grants & ACL_READ) == 0)
            continue;
        struct mqtt_slice granted = acl_rule_filter(q->acl, rule, q->who);
        size_t len = granted.len > 0 ? filter_meet(granted, q->who->topic, q->acl->met) : 0;
        if (len > 0 && !is_denied(q, mqtt_slice_of(q->acl->met, len)))
            return true;
        if (q->compared > COMPARED_MAX)
            return true;
    }
    return false;
}

bool acl_grants_filter(struct acl *acl, struct mqtt_slice username, struct mqtt_slice client_id,
                       struct mqtt_slice filter, enum acl_filter_rule rule)
{
    const struct acl_asker who = {username, client_id, filter};
    struct question q = {.acl = acl, .own = acl_rules_of(acl, &who), .who = &who};
    if (rule == ACL_FILTER_ALWAYS)
        return true;
    if (is_denied(&q, filter))
        return false;
    if (rule == ACL_FILTER_COVERED)
        return list_has_cover(&q, &q.own->grants, filter, ACL_READ) ||
               list_has_cover(&q, &acl->patterns.grants, filter, ACL_READ);
    q.compared = 0;
    return list_lets_read(&q, &q.own->grants) || list_lets_read(&q, &acl->patterns.grants);
}
