/* The configuration checks a name here; fleet_keys.c puts it into keys. */
#include "broker/base/fleet_name.h"

#include <string.h>

const char *fleet_name_check(const char *name)
{
    size_t len = strlen(name);
    if (len > FLEET_NAME_MAX)
        return "at most 32 characters";
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != len)
        return "letters, digits, _ and - only";
    return NULL;
}
