/* OpenSSL takes it apart. */
#include "broker/auth/certificate/peer_certificate.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "broker/base/account.h"

struct peer_certificate {
    size_t der_len;
    char common_name[128];
    uint8_t der[];
};

struct peer_certificate *peer_certificate_new(const char *common_name, const uint8_t *der,
                                              size_t len)
{
    struct peer_certificate *c =
        account_zalloc(ACCOUNT_CLIENTS, sizeof(*c) + (der != NULL ? len : 0));
    if (c == NULL)
        return NULL;
    size_t name_len = strlen(common_name);
    if (name_len < sizeof(c->common_name))
        memcpy(c->common_name, common_name, name_len);
    if (der != NULL) {
        memcpy(c->der, der, len);
        c->der_len = len;
    }
    return c;
}

void peer_certificate_free(struct peer_certificate *c)
{
    account_free(ACCOUNT_CLIENTS, c);
}

static char *take_name(const uint8_t *text, size_t len)
{
    if (len == 0 || len > UINT16_MAX || memchr(text, 0, len) != NULL || !mqtt_utf8_valid(text, len))
        return NULL;
    char *name = account_alloc(ACCOUNT_CLIENTS, len + 1);
    if (name == NULL)
        return NULL;
    memcpy(name, text, len);
    name[len] = '\0';
    return name;
}

/* The first of this kind; all three kinds are IA5Strings. */
static char *alternative_name(const X509 *x, int type)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    char *found = NULL;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != type)
            continue;
        const ASN1_STRING *text = name->d.ia5;
        found = take_name(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
        break;
    }
    GENERAL_NAMES_free(names);
    return found;
}

char *peer_certificate_name(const struct peer_certificate *c, enum certificate_identity kind)
{
    static const int types[] = {[CERTIFICATE_SAN_DNS] = GEN_DNS,
                                [CERTIFICATE_SAN_URI] = GEN_URI,
                                [CERTIFICATE_SAN_EMAIL] = GEN_EMAIL};
    if (kind == CERTIFICATE_CN)
        return take_name((const uint8_t *)c->common_name, strlen(c->common_name));
    if (kind == CERTIFICATE_OFF || c->der_len == 0)
        return NULL;
    const uint8_t *at = c->der;
    X509 *x = d2i_X509(NULL, &at, (long)c->der_len);
    bool whole = x != NULL && at == c->der + c->der_len;
    char *name = whole ? alternative_name(x, types[kind]) : NULL;
    X509_free(x);
    ERR_clear_error();
    return name;
}
