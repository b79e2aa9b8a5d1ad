/* The methods that there are. */
#include "broker/auth/auth_method.h"

#include <string.h>

#include "broker/base/broker_config.h"

static const struct auth_method *const methods[] = {&auth_method_scram, &auth_method_mirror};

const struct auth_method *auth_method_find(const struct broker_config *config,
                                           struct mqtt_slice name)
{
    const struct config_strings *allowed = &config->auth.methods;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const struct auth_method *m = methods[i];
        if (strlen(m->name) != name.len || memcmp(m->name, name.data, name.len) != 0)
            continue;
        for (size_t j = 0; j < allowed->count; j++)
            if (strcmp(allowed->items[j], m->name) == 0)
                return m;
    }
    return NULL;
}
