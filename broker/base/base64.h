/*
 * base64 - bytes as text with padding, without line ends (RFC 4648, 4): salts, hashes, proofs.
 *
 * Strict: blanks, stray '=' and text whose length isn't a multiple of 4 are refused, which OpenSSL by itself
 * overlooks.
 */
#ifndef FLOTILLA_BROKER_BASE_BASE64_H
#define FLOTILLA_BROKER_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

enum { BASE64_DECODED_MAX_BYTES = 192 };

/* Of the text that so many bytes become, with the NUL behind it. */
#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* The number of bytes; -1 when it isn't base64 of 1 to `size` (at most BASE64_DECODED_MAX_BYTES) bytes. */
int base64_decode(const char *text, size_t len, uint8_t *out, size_t size);
/* `out` has BASE64_SIZE(len) bytes; the text's length. */
size_t base64_encode(const uint8_t *bytes, size_t len, char *out);

#endif
