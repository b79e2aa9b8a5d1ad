/* Four characters at a time, then what is left. */
#include "broker/auth/jwt/jwt_base64.h"

/* -1: not of the alphabet. */
static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* The bits of `count` characters, in the low end; -1: one isn't of the alphabet. */
static int32_t bits_of(const uint8_t *text, size_t count)
{
    int32_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return -1;
        bits = bits << 6 | value;
    }
    return bits;
}

bool jwt_base64_read(const uint8_t *text, size_t len, uint8_t *out, size_t size, size_t *out_len)
{
    size_t rest = len % 4;
    size_t bytes = len / 4 * 3 + (rest > 0 ? rest - 1 : 0);
    size_t used = 0;
    if (rest == 1 || bytes > size)
        return false;
    for (size_t at = 0; at < len; at += 4) {
        size_t count = len - at < 4 ? len - at : 4;
        unsigned spare = (unsigned)(count * 6 % 8); /* bits of no byte */
        int32_t bits = bits_of(text + at, count);
        if (bits < 0 || (bits & ((1 << spare) - 1)) != 0)
            return false;
        bits >>= spare;
        for (size_t left = count * 6 / 8; left > 0; left--)
            out[used++] = (uint8_t)(bits >> (8 * (left - 1)) & 0xff);
    }
    *out_len = used;
    return true;
}
