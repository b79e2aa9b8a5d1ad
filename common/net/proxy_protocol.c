/*
 * The load balancer writes a header in front of each server connection (and LOCAL in front of its
 * checks); the broker reads it before MQTT's first byte. Whether a peer may send one is the
 * listener's decision.
 */
#include "common/net/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

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

static const uint8_t v2_signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                         '\n', 'Q',  'U',  'I',  'T', '\n'};
static const char v1_signature[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

/* Address block of each family: source, destination, ports. */
static const size_t v2_address_size[] = {
    [V2_UNSPEC] = 0, [V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216};

/* ---- bounded reading and writing ---- */

struct reader {
    const uint8_t *at;
    size_t left;
};

/* The next n bytes, NULL when there are fewer. */
static const uint8_t *take(struct reader *r, size_t n)
{
    const uint8_t *p = r->at;
    if (n > r->left)
        return NULL;
    r->at += n;
    r->left -= n;
    return p;
}

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The next type-length-value. False at the end, with `broken` set when it isn't a clean one. */
static bool take_tlv(struct reader *r, uint8_t *type, struct reader *value, bool *broken)
{
    if (r->left == 0)
        return false;
    const uint8_t *head = take(r, 3);
    if (head != NULL) {
        *type = head[0];
        value->left = get_u16(head + 1);
        value->at = take(r, value->left);
        if (value->at != NULL)
            return true;
    }
    *broken = true;
    return false;
}

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

/* ---- addresses ---- */

static void set_ipv4(struct sockaddr_storage *out, const uint8_t *addr, const uint8_t *port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, addr, 4);
    memcpy(&in->sin_port, port, 2);
}

static void set_ipv6(struct sockaddr_storage *out, const uint8_t *addr, const uint8_t *port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    memcpy(&in6->sin6_addr, addr, 16);
    memcpy(&in6->sin6_port, port, 2);
}

/* ---- version 1 ---- */

/* The next word of a v1 line, without its separating space. False when there is none. */
static bool take_word(struct reader *line, char *out, size_t size)
{
    const uint8_t *space = memchr(line->at, ' ', line->left);
    size_t n = space != NULL ? (size_t)(space - line->at) : line->left;
    if (n == 0 || n >= size)
        return false;
    memcpy(out, take(line, n), n);
    out[n] = '\0';
    (void)take(line, space != NULL ? 1 : 0);
    return space == NULL || line->left > 0; /* a line doesn't end in a space */
}

static bool parse_port(const char *text, uint8_t out[2])
{
    unsigned port = 0;
    if (text[0] == '0' && text[1] != '\0')
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        port = port * 10 + (unsigned)(*p - '0');
        if (port > 65535)
            return false;
    }
    out[0] = (uint8_t)(port >> 8);
    out[1] = (uint8_t)port;
    return true;
}

static bool parse_v1_addresses(struct reader *line, int family, struct proxy_info *out)
{
    char address[2][INET6_ADDRSTRLEN];
    char port[2][6];
    struct sockaddr_storage *to[2] = {&out->source, &out->destination};
    if (!take_word(line, address[0], sizeof(address[0])) ||
        !take_word(line, address[1], sizeof(address[1])) ||
        !take_word(line, port[0], sizeof(port[0])) || !take_word(line, port[1], sizeof(port[1])) ||
        line->left > 0)
        return false;
    for (int i = 0; i < 2; i++) {
        uint8_t addr[16];
        uint8_t wire_port[2];
        if (inet_pton(family, address[i], addr) != 1 || !parse_port(port[i], wire_port))
            return false;
        if (family == AF_INET)
            set_ipv4(to[i], addr, wire_port);
        else
            set_ipv6(to[i], addr, wire_port);
    }
    return true;
}

static bool parse_v1_line(struct reader line, struct proxy_info *out)
{
    static const char unknown[] = "UNKNOWN";
    char protocol[8];
    (void)take(&line, sizeof(v1_signature));
    /* What follows UNKNOWN is to be ignored, whatever it is. */
    if (line.left >= 7 && memcmp(line.at, unknown, 7) == 0 &&
        (line.left == 7 || line.at[7] == ' ')) {
        out->local = true;
        return true;
    }
    if (!take_word(&line, protocol, sizeof(protocol)))
        return false;
    if (strcmp(protocol, "TCP4") == 0)
        return parse_v1_addresses(&line, AF_INET, out);
    if (strcmp(protocol, "TCP6") == 0)
        return parse_v1_addresses(&line, AF_INET6, out);
    return false;
}

static enum proxy_result parse_v1(const uint8_t *buf, size_t len, struct proxy_info *out,
                                  size_t *used)
{
    size_t within = len < PROXY_V1_MAX ? len : PROXY_V1_MAX;
    const uint8_t *cr = memchr(buf, '\r', within);
    size_t line_len = cr != NULL ? (size_t)(cr - buf) : within;
    if (memchr(buf, '\n', line_len) != NULL)
        return PROXY_MALFORMED;
    if (cr == NULL || line_len + 1 == within)
        return within < PROXY_V1_MAX ? PROXY_NEED_MORE : PROXY_MALFORMED;
    if (cr[1] != '\n' || !parse_v1_line((struct reader){buf, line_len}, out))
        return PROXY_MALFORMED;
    *used = line_len + 2;
    return PROXY_OK;
}

/* ---- version 2 ---- */

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
static void copy_text(char *out, size_t size, struct reader value)
{
    if (value.left >= size || memchr(value.at, '\0', value.left) != NULL)
        return;
    memcpy(out, value.at, value.left);
    out[value.left] = '\0';
}

static bool parse_ssl(struct reader value, struct proxy_info *out)
{
    const uint8_t *client = take(&value, 1);
    const uint8_t *verify = take(&value, 4);
    struct reader text;
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

static bool parse_tlvs(const uint8_t *header, size_t len, struct reader tlvs,
                       struct proxy_info *out)
{
    struct reader value;
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
static bool parse_v2_body(const uint8_t *header, size_t len, struct proxy_info *out)
{
    struct reader body = {header + V2_HEAD, len - V2_HEAD};
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
    const uint8_t *addresses = take(&body, v2_address_size[family]);
    if (addresses == NULL)
        return false;
    if (!out->local && family == V2_INET) {
        set_ipv4(&out->source, addresses, addresses + 8);
        set_ipv4(&out->destination, addresses + 4, addresses + 10);
    } else if (!out->local) {
        set_ipv6(&out->source, addresses, addresses + 32);
        set_ipv6(&out->destination, addresses + 16, addresses + 34);
    }
    return parse_tlvs(header, len, body, out);
}

static enum proxy_result parse_v2(const uint8_t *buf, size_t len, struct proxy_info *out,
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
    if (!parse_v2_body(buf, whole, out))
        return PROXY_MALFORMED;
    *used = whole;
    return PROXY_OK;
}

/* ---- both ---- */

static bool starts_like(const uint8_t *buf, size_t len, const void *signature, size_t size)
{
    return memcmp(buf, signature, len < size ? len : size) == 0;
}

static enum proxy_result peek_signature(const uint8_t *buf, size_t len, const void *signature,
                                        size_t size)
{
    if (!starts_like(buf, len, signature, size))
        return PROXY_NOT_PROXY;
    return len < size ? PROXY_NEED_MORE : PROXY_OK;
}

enum proxy_result proxy_peek(const uint8_t *buf, size_t len)
{
    if (len == 0)
        return PROXY_NEED_MORE;
    enum proxy_result v1 = peek_signature(buf, len, v1_signature, sizeof(v1_signature));
    return v1 != PROXY_NOT_PROXY ? v1
                                 : peek_signature(buf, len, v2_signature, sizeof(v2_signature));
}

enum proxy_result proxy_parse(const uint8_t *buf, size_t len, struct proxy_info *out, size_t *used)
{
    enum proxy_result result = PROXY_NOT_PROXY;
    memset(out, 0, sizeof(*out));
    *used = 0;
    if (len == 0)
        return PROXY_NEED_MORE;
    if (starts_like(buf, len, v1_signature, sizeof(v1_signature)))
        result = len < sizeof(v1_signature) ? PROXY_NEED_MORE : parse_v1(buf, len, out, used);
    else if (starts_like(buf, len, v2_signature, sizeof(v2_signature)))
        result = len < sizeof(v2_signature) ? PROXY_NEED_MORE : parse_v2(buf, len, out, used);
    if (result != PROXY_OK)
        memset(out, 0, sizeof(*out));
    return result;
}

/* ---- writing ---- */

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

size_t proxy_write_v2(const struct proxy_info *info, uint8_t *buf, size_t size)
{
    struct writer w = {.buf = buf, .size = size};
    bool known = !info->local && is_ip(&info->source) && is_ip(&info->destination);
    bool ipv4 = known && fits_ipv4(&info->source) && fits_ipv4(&info->destination);
    unsigned family = V2_UNSPEC;
    if (known)
        family = (ipv4 ? V2_INET << 4 : V2_INET6 << 4) | V2_STREAM;
    put(&w, v2_signature, sizeof(v2_signature));
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
