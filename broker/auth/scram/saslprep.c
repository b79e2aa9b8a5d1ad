/* ASCII is decided here, the rest by libidn's stringprep. */
#include "broker/auth/scram/saslprep.h"

#include <string.h>
#include <stringprep.h>

/* Printable ASCII stays as it is (RFC 4013, 2.1 to 2.3). */
static bool is_plain(struct mqtt_slice text)
{
    for (uint32_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            return false;
    return true;
}

bool saslprep(struct mqtt_slice text, enum saslprep_use use, char *out, size_t size)
{
    if (text.len == 0 || text.len >= size || memchr(text.data, 0, text.len) != NULL)
        return false;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    if (is_plain(text))
        return true;
    if (!mqtt_utf8_valid(text.data, text.len))
        return false;
    const Stringprep_profile_flags flags = use == SASLPREP_STORED ? STRINGPREP_NO_UNASSIGNED : 0;
    return stringprep(out, size, flags, stringprep_saslprep) == STRINGPREP_OK && out[0] != '\0';
}

bool saslprep_is_prepared_name(struct mqtt_slice name)
{
    char prepared[SASLPREP_NAME_MAX_BYTES * 2];
    return name.len <= SASLPREP_NAME_MAX_BYTES &&
           saslprep(name, SASLPREP_STORED, prepared, sizeof(prepared)) &&
           strlen(prepared) == name.len && memcmp(prepared, name.data, name.len) == 0;
}
