/* A head of 16 bytes with the length of the rest, the addresses, and a list of type-length-values. */
#include "common/net/proxy_v2.h"

#include <netinet/in.h>
#include <string.h>

#include "common/net/proxy_bytes.h"

#define V2_HEAD 16 /* signature, version and command, family, length */
#define V2_CRC_LEN 4

enum v2_command { V2_LOCAL = 0, V2_PROXY = 1 };
enum v2_family { V2_UNSPEC = 0, V2_INET = 1, V2_INET6 = 2, V2_UNIX = 3 };
enum v2_transport { V2_STREAM = 1, V2_DGRAM = 2 };
enum v2_tlv {
    V2_TLV_CRC32C = 0x03,
    V2_TLV_SSL = 0x20,
    V2_TLV_SSL_VERSION = 0x21,
    V2_TLV_SSL_CN = 0x22,
    V2_TLV_CERTIFICATE = 0xe0
};
enum v2_ssl_client { V2_SSL_USED = 0x01, V2_SSL_CERT_CONN = 0x02, V2_SSL_CERT_SESS = 0x04 };

const uint8_t proxy_v2_signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                        '\n', 'Q',  'U',  'I',  'T', '\n'};

/* Address block of each family: source, destination, ports. */
static const size_t v2_address_size[] = {
    [V2_UNSPEC] = 0, [V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216};

/* ---- reading ---- */

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The next type-length-value. False at the end, with `broken` set when it isn't a clean one. */
static bool take_tlv(struct proxy_reader *r, uint8_t *type, struct proxy_reader *value,
                     bool *broken)
{
    if (r->left == 0)
        return false;
    const uint8_t *head = proxy_take(r, 3);
    if (head != NULL) {
        *type = head[0];
        value->left = get_u16(head + 1);
        value->at = proxy_take(r, value->left);
        if (value->at != NULL)
            return true;
    }
    *broken = true;
    return false;
}

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return crc;
}

/* The checksum covers the whole header with its own field taken as zeros. */
static bool crc_is_right(const uint8_t *header, size_t len, const uint8_t *field)
{
    static const uint8_t zeros[V2_CRC_LEN];
    size_t before = (size_t)(field - header);
    uint32_t crc = crc32c(0xffffffffu, header, before);
    crc = crc32c(crc, zeros, V2_CRC_LEN);
    crc = crc32c(crc, field + V2_CRC_LEN, len - before - V2_CRC_LEN);
    return get_u32(field) == (crc ^ 0xffffffffu);
}

/* An identity that was cut would be another identity, so what doesn't fit is left empty. */
static void copy_text(char *out, size_t size, struct proxy_reader value)
{
    if (value.left >= size || memchr(value.at, '\0', value.left) != NULL)
        return;
    memcpy(out, value.at, value.left);
    out[value.left] = '\0';
}

static bool parse_ssl(struct proxy_reader value, struct proxy_info *out)
{
    const uint8_t *client = proxy_take(&value, 1);
    const uint8_t *verify = proxy_take(&value, 4);
    struct proxy_reader text;
    bool broken = false;
    uint8_t type;
    if (client == NULL || verify == NULL)
        return false;
    out->tls = (*client & V2_SSL_USED) != 0;
    out->tls_verified =
        (*client & (V2_SSL_CERT_CONN | V2_SSL_CERT_SESS)) != 0 && get_u32(verify) == 0;
    while (take_tlv(&value, &type, &text, &broken)) {
        if (type == V2_TLV_SSL_VERSION)
            copy_text(out->tls_version, sizeof(out->tls_version), text);
        else if (type == V2_TLV_SSL_CN)
            copy_text(out->tls_common_name, sizeof(out->tls_common_name), text);
    }
    return !broken;
}

static bool parse_tlvs(const uint8_t *header, size_t len, struct proxy_reader tlvs,
                       struct proxy_info *out)
{
    struct proxy_reader value;
    bool broken = false;
    uint8_t type;
    while (take_tlv(&tlvs, &type, &value, &broken)) {
        if (type == V2_TLV_CRC32C &&
            (value.left != V2_CRC_LEN || !crc_is_right(header, len, value.at)))
            return false;
        if (type == V2_TLV_SSL && !parse_ssl(value, out))
            return false;
        if (type == V2_TLV_CERTIFICATE && value.left > 0 && value.left <= PROXY_CERTIFICATE_MAX) {
            out->tls_certificate = value.at;
            out->tls_certificate_len = value.left;
        }
    }
    return !broken;
}

/* `header` is a whole header whose signature, version and length have been looked at. */
static bool parse_body(const uint8_t *header, size_t len, struct proxy_info *out)
{
    struct proxy_reader body = {header + V2_HEAD, len - V2_HEAD};
    unsigned command = header[12] & 0x0fu;
    unsigned family = header[13] >> 4;
    unsigned transport = header[13] & 0x0fu;
    if (command > V2_PROXY || family > V2_UNIX || transport > V2_DGRAM)
        return false;
    out->local =
        command == V2_LOCAL || family == V2_UNSPEC || family == V2_UNIX || transport == V2_UNSPEC;
    /* 2.2: the rest of such a header says nothing about the connection and is skipped. */
    if (command == V2_LOCAL || family == V2_UNSPEC)
        return true;
    const uint8_t *addresses = proxy_take(&body, v2_address_size[family]);
    if (addresses == NULL)
        return false;
    if (!out->local && family == V2_INET) {
        proxy_set_ipv4(&out->source, addresses, addresses + 8);
        proxy_set_ipv4(&out->destination, addresses + 4, addresses + 10);
    } else if (!out->local) {
        proxy_set_ipv6(&out->source, addresses, addresses + 32);
        proxy_set_ipv6(&out->destination, addresses + 16, addresses + 34);
    }
    return parse_tlvs(header, len, body, out);
}

enum proxy_result proxy_v2_parse(const uint8_t *buf, size_t len, struct proxy_info *out,
                                 size_t *used)
{
    if (len > 12 && buf[12] >> 4 != 2)
        return PROXY_MALFORMED;
    if (len < V2_HEAD)
        return PROXY_NEED_MORE;
    size_t whole = V2_HEAD + (size_t)get_u16(buf + 14);
    if (whole > PROXY_V2_MAX)
        return PROXY_MALFORMED;
    if (len < whole)
        return PROXY_NEED_MORE;
    if (!parse_body(buf, whole, out))
        return PROXY_MALFORMED;
    *used = whole;
    return PROXY_OK;
}

/* ---- writing ---- */

struct writer {
    uint8_t *buf;
    size_t size, used;
    bool full;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    if (w->full || n > w->size - w->used) {
        w->full = true;
        return;
    }
    memcpy(w->buf + w->used, bytes, n);
    w->used += n;
}

static void put_u8(struct writer *w, unsigned v)
{
    put(w, &(uint8_t){(uint8_t)v}, 1);
}

static void put_u16(struct writer *w, size_t v)
{
    put_u8(w, (unsigned)(v >> 8 & 0xff));
    put_u8(w, (unsigned)(v & 0xff));
}

static bool is_mapped(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET6 &&
           IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static bool is_ip(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET || a->ss_family == AF_INET6;
}

static bool fits_ipv4(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET || is_mapped(a);
}

/* Address as 16 bytes, IPv4 mapped; the last four are the IPv4 address. */
static void to_ipv6(const struct sockaddr_storage *a, uint8_t out[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    if (a->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
        return;
    }
    memcpy(out, prefix, sizeof(prefix));
    memcpy(out + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
}

static const void *port_bytes(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET6 ? &((const struct sockaddr_in6 *)a)->sin6_port
                                    : &((const struct sockaddr_in *)a)->sin_port;
}

static void put_addresses(struct writer *w, const struct proxy_info *info, bool ipv4)
{
    size_t skip = ipv4 ? 12 : 0;
    uint8_t addr[16];
    to_ipv6(&info->source, addr);
    put(w, addr + skip, 16 - skip);
    to_ipv6(&info->destination, addr);
    put(w, addr + skip, 16 - skip);
    put(w, port_bytes(&info->source), 2);
    put(w, port_bytes(&info->destination), 2);
}

static void put_tlv(struct writer *w, enum v2_tlv type, const char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return;
    put_u8(w, type);
    put_u16(w, len);
    put(w, text, len);
}

static size_t tlv_size(const char *text)
{
    return text[0] != '\0' ? 3 + strlen(text) : 0;
}

static void put_ssl(struct writer *w, const struct proxy_info *info)
{
    unsigned client = V2_SSL_USED;
    if (info->tls_verified)
        client |= V2_SSL_CERT_CONN | V2_SSL_CERT_SESS;
    put_u8(w, V2_TLV_SSL);
    put_u16(w, 5 + tlv_size(info->tls_version) + tlv_size(info->tls_common_name));
    put_u8(w, client);
    put_u16(w, 0);
    put_u16(w, info->tls_verified ? 0 : 1); /* 0: a certificate was given and verified */
    put_tlv(w, V2_TLV_SSL_VERSION, info->tls_version);
    put_tlv(w, V2_TLV_SSL_CN, info->tls_common_name);
}

static void put_certificate(struct writer *w, const struct proxy_info *info)
{
    if (info->tls_certificate == NULL || info->tls_certificate_len > PROXY_CERTIFICATE_MAX)
        return;
    put_u8(w, V2_TLV_CERTIFICATE);
    put_u16(w, info->tls_certificate_len);
    put(w, info->tls_certificate, info->tls_certificate_len);
}

size_t proxy_v2_write(const struct proxy_info *info, uint8_t *buf, size_t size)
{
    struct writer w = {.buf = buf, .size = size};
    bool known = !info->local && is_ip(&info->source) && is_ip(&info->destination);
    bool ipv4 = known && fits_ipv4(&info->source) && fits_ipv4(&info->destination);
    unsigned family = V2_UNSPEC;
    if (known)
        family = (ipv4 ? V2_INET << 4 : V2_INET6 << 4) | V2_STREAM;
    put(&w, proxy_v2_signature, sizeof(proxy_v2_signature));
    put_u8(&w, 0x20u | (info->local ? V2_LOCAL : V2_PROXY));
    put_u8(&w, family);
    put_u16(&w, 0);
    if (known)
        put_addresses(&w, info, ipv4);
    if (known && info->tls) {
        put_ssl(&w, info);
        put_certificate(&w, info);
    }
    if (w.full)
        return 0;
    buf[14] = (uint8_t)((w.used - V2_HEAD) >> 8);
    buf[15] = (uint8_t)(w.used - V2_HEAD);
    return w.used;
}
