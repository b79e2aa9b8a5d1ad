/*
 * OpenSSL queues its errors by thread; the oldest is the cause, and what follows only says who passed
 * it on.
 */
#include "common/tls/tls_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
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

/* What a client that speaks no TLS at all looks like to OpenSSL. */
static bool is_plain(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_HTTPS_PROXY_REQUEST;
}

const char *tls_handshake_error(const SSL *ssl, char *buf, size_t size)
{
    long verified = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_error();
    buf[0] = '\0';
    if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        snprintf(buf, size, "certificate: %s", X509_verify_cert_error_string(verified));
    else if (code != 0 && is_plain(ERR_GET_REASON(code)))
        snprintf(buf, size, "what came isn't TLS: a plain connection to a TLS port");
    else if (code != 0)
        return tls_error(buf, size);
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
