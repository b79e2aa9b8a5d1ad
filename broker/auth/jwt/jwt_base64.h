/*
 * jwt_base64 - base64url without padding (RFC 7515, 2), read strictly: one text for each sequence of bytes.
 *
 * Any other character, padding, and bits at the end that no byte has are errors: else one token could be
 * written in many ways.
 */
#ifndef FLOTILLA_BROKER_AUTH_JWT_JWT_BASE64_H
#define FLOTILLA_BROKER_AUTH_JWT_JWT_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most `size` bytes into `out`. */
bool jwt_base64_read(const uint8_t *text, size_t len, uint8_t *out, size_t size, size_t *out_len);

#endif
