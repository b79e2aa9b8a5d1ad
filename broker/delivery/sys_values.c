/* Filled by sys_topics.c at its interval; a new subscription to $SYS needn't wait for that. */
#include "broker/delivery/sys_values.h"

#include <stdlib.h>

#include "broker/message/message.h"

struct sys_values {
    size_t count;
    struct message *messages[]; /* NULL until the first interval is over */
};

struct sys_values *sys_values_new(size_t count)
{
    struct sys_values *v = calloc(1, sizeof(*v) + count * sizeof(v->messages[0]));
    if (v != NULL)
        v->count = count;
    return v;
}

void sys_values_free(struct sys_values *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->count; i++)
        message_unref(v->messages[i]);
    free(v);
}

void sys_values_set(struct sys_values *v, size_t at, struct message *m)
{
    struct message *before = v->messages[at];
    v->messages[at] = message_ref(m);
    message_unref(before);
}

const struct message *sys_values_at(const struct sys_values *v, size_t at)
{
    return v->messages[at];
}

void sys_values_each(const struct sys_values *v, struct mqtt_slice filter,
                     void (*each)(void *arg, const struct message *m), void *arg)
{
    if (filter.len == 0 || filter.data[0] != '$')
        return;
    for (size_t i = 0; i < v->count; i++)
        if (v->messages[i] != NULL && mqtt_filter_matches(filter, v->messages[i]->topic))
            each(arg, v->messages[i]);
}
