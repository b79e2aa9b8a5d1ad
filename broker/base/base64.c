/* OpenSSL's coder, with the checks that it leaves out. */
#include "broker/base/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

static size_t alphabet_span(const char *text, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    while (n < len && text[n] != '\0' && strchr(alphabet, text[n]) != NULL)
        n++;
    return n;
}

int base64_decode(const char *text, size_t len, uint8_t *out, size_t size)
{
    uint8_t buf[BASE64_DECODED_MAX_BYTES];
    size_t pad = 0;
    if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof(buf))
        return -1;
    while (pad < 2 && text[len - 1 - pad] == '=')
        pad++;
    if (alphabet_span(text, len) != len - pad)
        return -1;
    int n = EVP_DecodeBlock(buf, (const uint8_t *)text, (int)len);
    if (n >= 0 && (size_t)n >= pad && (size_t)n - pad <= size)
        memcpy(out, buf, (size_t)n - pad);
    else
        n = -1;
    OPENSSL_cleanse(buf, sizeof(buf));
    return n < 0 ? -1 : n - (int)pad;
}

size_t base64_encode(const uint8_t *bytes, size_t len, char *out)
{
    return (size_t)EVP_EncodeBlock((uint8_t *)out, bytes, (int)len);
}
