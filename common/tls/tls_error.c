/*
 * OpenSSL queues its errors by thread; the oldest is the cause, and what follows only says who passed
 * it on.
 */
#include "common/tls/tls_error.h"

#include <openssl/err.h>
#include <string.h>

#include "common/process/regular_file.h"

const char *tls_error(char *buf, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? "" : ERR_reason_error_string(code);
    /* A system error (no such file) has no reason string of OpenSSL's own. */
    if (code != 0 && ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    snprintf(buf, size, "%s", reason == NULL ? "unknown error" : reason);
    ERR_clear_error();
    return buf;
}

FILE *tls_file_open(const char *what, const char *name, char *err, size_t errlen)
{
    const char *cause;
    FILE *file = regular_file_open(name, &cause);
    if (file == NULL)
        snprintf(err, errlen, "%s '%s': %s", what, name, cause);
    return file;
}
