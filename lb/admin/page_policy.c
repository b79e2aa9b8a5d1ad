/*
 * admin.c makes the policy once and sends it with the page.
 */
#include "lb/admin/page_policy.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { SHA256_BYTES = 32, BASE64_MAX = 48 };

/* Base64 of the SHA-256 of what stands between the two tags (CSP Level 3, 2.3.1). */
static bool hash_between(const char *html, const char *open, const char *close,
                         char out[BASE64_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const char *start = strstr(html, open);
    const char *end = start != NULL ? strstr(start, close) : NULL;
    if (end == NULL)
        return false;
    start += strlen(open);
    if (EVP_Digest(start, (size_t)(end - start), digest, &len, EVP_sha256(), NULL) != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)out, digest, SHA256_BYTES);
    return true;
}

bool page_policy(const char *html, char out[PAGE_POLICY_MAX])
{
    char style[BASE64_MAX];
    char script[BASE64_MAX];
    if (!hash_between(html, "<style>", "</style>", style) ||
        !hash_between(html, "<script>", "</script>", script)) {
        snprintf(out, PAGE_POLICY_MAX, "default-src 'none'; frame-ancestors 'none'");
        return false;
    }
    snprintf(out, PAGE_POLICY_MAX,
             "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             script, style);
    return true;
}
