/*
 * The key is read here rather than by SSL_CTX_use_PrivateKey_file, which says of most mistakes only
 * that some number was wrong.
 */
#include "common/tls/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "common/tls/tls_config.h"
#include "common/tls/tls_error.h"

static bool fail(char *err, size_t errlen, const char *what, const char *file)
{
    char reason[160];
    snprintf(err, errlen, "%s '%s': %s", what, file, tls_error(reason, sizeof(reason)));
    return false;
}

/* A key with a passphrase is an error, not a question on the terminal. */
static int note_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    *(bool *)arg = true;
    return -1;
}

static EVP_PKEY *read_key(FILE *file, bool *encrypted)
{
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, note_passphrase, encrypted);
    fclose(file);
    return key;
}

static const char *kind_of(const EVP_PKEY *key)
{
    const char *name = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
    return name == NULL ? "unknown" : name;
}

static bool use_key(SSL_CTX *ctx, EVP_PKEY *key, const struct tls_config *config, char *err,
                    size_t errlen)
{
    const EVP_PKEY *wanted = X509_get0_pubkey(SSL_CTX_get0_certificate(ctx));
    if (wanted == NULL || EVP_PKEY_get_base_id(wanted) != EVP_PKEY_get_base_id(key)) {
        snprintf(err, errlen, "key '%s': is an %s key, but certificate '%s' has an %s key",
                 config->key, kind_of(key), config->certificate, kind_of(wanted));
        return false;
    }
    if (EVP_PKEY_eq(wanted, key) != 1) {
        snprintf(err, errlen, "key '%s': is not the key of certificate '%s'", config->key,
                 config->certificate);
        return false;
    }
    return SSL_CTX_use_PrivateKey(ctx, key) == 1 || fail(err, errlen, "key", config->key);
}

static bool load_key(SSL_CTX *ctx, const struct tls_config *config, char *err, size_t errlen)
{
    bool encrypted = false;
    FILE *file = tls_file_open("key", config->key, err, errlen);
    if (file == NULL)
        return false;
    EVP_PKEY *key = read_key(file, &encrypted);
    if (key == NULL) {
        snprintf(err, errlen, "key '%s': %s", config->key,
                 encrypted ? "is encrypted, and there is nobody to ask for its passphrase; "
                             "'openssl pkey -in FILE -out FILE' writes it without"
                           : "no private key in it that can be read (PEM is expected)");
        return false;
    }
    bool ok = use_key(ctx, key, config, err, errlen);
    EVP_PKEY_free(key);
    return ok;
}

/* OpenSSL reads the chain by name; that it is a file is looked at before. */
static bool load_chain(SSL_CTX *ctx, const char *name, char *err, size_t errlen)
{
    FILE *file = tls_file_open("certificate", name, err, errlen);
    if (file == NULL)
        return false;
    fclose(file);
    if (SSL_CTX_use_certificate_chain_file(ctx, name) == 1)
        return true;
    if (ERR_GET_REASON(ERR_peek_error()) != PEM_R_NO_START_LINE)
        return fail(err, errlen, "certificate", name);
    snprintf(err, errlen, "certificate '%s': no certificate in it (PEM is expected)", name);
    return false;
}

bool tls_identity_load(SSL_CTX *ctx, const struct tls_config *config, char *err, size_t errlen)
{
    ERR_clear_error();
    bool ok =
        load_chain(ctx, config->certificate, err, errlen) && load_key(ctx, config, err, errlen);
    ERR_clear_error();
    return ok;
}
