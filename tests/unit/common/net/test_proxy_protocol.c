/* Tables of bytes and verdicts for both versions, every cut of a header, and round trips. */
#include "common/net/proxy_protocol.h"
#include "common/net/proxy_v2.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define IPV4_BLOCK                                                                                 \
    "\x0a\x00\x00\x01\x0a\x00\x00\x02\x30\x39\x07\x5b" /* 10.0.0.1:12345 10.0.0.2:1883 */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* "address:port" of either family, "-" when there is none. */
static const char *show(const struct sockaddr_storage *a, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(buf, size, "%s:%d", host, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(buf, size, "[%s]:%d", host, ntohs(in6->sin6_port));
    } else {
        snprintf(buf, size, "-");
    }
    return buf;
}

static void assert_address(const struct sockaddr_storage *a, const char *expected)
{
    char buf[80];
    assert_string_equal(show(a, buf, sizeof(buf)), expected);
}

static void set_address(struct sockaddr_storage *out, const char *host, uint16_t port)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &((struct sockaddr_in *)out)->sin_addr) == 1) {
        out->ss_family = AF_INET;
        ((struct sockaddr_in *)out)->sin_port = htons(port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)out)->sin6_addr), 1);
        out->ss_family = AF_INET6;
        ((struct sockaddr_in6 *)out)->sin6_port = htons(port);
    }
}

/* Parses a copy of exactly `len` bytes, so that a sanitizer sees any byte read beyond. */
static enum proxy_result parse(const uint8_t *bytes, size_t len, struct proxy_info *out,
                               size_t *used)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    enum proxy_result result = proxy_parse(copy, len, out, used);
    free(copy);
    return result;
}

static void good_headers_give_addresses(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t len, used;
        bool local;
        const char *source, *destination;
    } cases[] = {
        {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), 47, false, "192.168.0.1:56324",
         "192.168.0.11:443"},
        {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nrest"), 56, false,
         "255.255.255.255:65535", "255.255.255.255:65535"},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 0 1\r\n\r\n"), 32, false, "1.2.3.4:0", "5.6.7.8:1"},
        {BYTES("PROXY TCP6 2001:db8::1 ::1 4242 1883\r\n\x10"), 38, false, "[2001:db8::1]:4242",
         "[::1]:1883"},
        {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         104, false, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {BYTES("PROXY UNKNOWN\r\n"), 15, true, "-", "-"},
        {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         107, true, "-", "-"},
        {BYTES("PROXY UNKNOWN  any thing\r\n"), 26, true, "-", "-"},
        {BYTES(SIG "\x21\x11\x00\x0c" IPV4_BLOCK "\x10\x00"), 28, false, "10.0.0.1:12345",
         "10.0.0.2:1883"},
        {BYTES(SIG "\x21\x12\x00\x0c" IPV4_BLOCK), 28, false, "10.0.0.1:12345", "10.0.0.2:1883"},
        {BYTES(SIG "\x21\x21\x00\x24"
                   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x10\x92\x07\x5b"),
         52, false, "[2001:db8::1]:4242", "[::1]:1883"},
        /* LOCAL: whatever follows is skipped */
        {BYTES(SIG "\x20\x00\x00\x00"), 16, true, "-", "-"},
        {BYTES(SIG "\x20\x11\x00\x0c" IPV4_BLOCK), 28, true, "-", "-"},
        {BYTES(SIG "\x20\x11\x00\x03"
                   "abc"),
         19, true, "-", "-"},
        /* unspecified: likewise */
        {BYTES(SIG "\x21\x00\x00\x00"), 16, true, "-", "-"},
        {BYTES(SIG "\x21\x00\x00\x05\xff\xff\xff\xff\xff"), 21, true, "-", "-"},
        {BYTES(SIG "\x21\x10\x00\x0c" IPV4_BLOCK), 28, true, "-", "-"},
        /* TLVs: NOOP, an unknown one, an empty one */
        {BYTES(SIG "\x21\x11\x00\x16" IPV4_BLOCK "\x04\x00\x01\x00\xee\x00\x00\x01\x00\x00"), 38,
         false, "10.0.0.1:12345", "10.0.0.2:1883"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_info info;
        size_t used;
        enum proxy_result r = parse(cases[i].bytes, cases[i].len, &info, &used);
        if (r != PROXY_OK)
            fail_msg("case %zu: verdict %d", i, (int)r);
        assert_int_equal(used, cases[i].used);
        assert_int_equal(info.local, cases[i].local);
        assert_address(&info.source, cases[i].source);
        assert_address(&info.destination, cases[i].destination);
        assert_false(info.tls);
        for (size_t cut = 0; cut < cases[i].used; cut++)
            assert_int_equal(parse(cases[i].bytes, cut, &info, &used), PROXY_NEED_MORE);
    }
}

static void unix_sockets_count_as_local(void **state)
{
    uint8_t header[16 + 216 + 4] = SIG "\x21\x31\x00\xdb";
    struct proxy_info info;
    size_t used;
    (void)state;
    header[16 + 216] = 0x04; /* an empty TLV behind the addresses */
    assert_int_equal(parse(header, 16 + 216 + 3, &info, &used), PROXY_OK);
    assert_int_equal(used, 16 + 216 + 3);
    assert_true(info.local);
    header[15] = 0xd7; /* one byte too short for the addresses */
    assert_int_equal(parse(header, sizeof(header), &info, &used), PROXY_MALFORMED);
}

static void other_protocols_are_told_at_once(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t len;
    } cases[] = {
        {BYTES("\x10")},
        {BYTES("\x10\x10\x00\x04MQTT")},
        {BYTES("\x16\x03\x01")},
        {BYTES("G")},
        {BYTES("POST / HTTP/1.1\r\n")},
        {BYTES("PROXYTCP4")},
        {BYTES("proxy TCP4")},
        {BYTES("\r\n\r\n\0\r\nQUIX")},
        {BYTES("\n")},
        {BYTES("\r\r")},
        {BYTES("\0")},
        {BYTES("PROXX")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_info info;
        size_t used;
        assert_int_equal(parse(cases[i].bytes, cases[i].len, &info, &used), PROXY_NOT_PROXY);
        assert_int_equal(used, 0);
    }
}

static void malformed_headers_are_refused(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t len;
    } cases[] = {
        /* version 1 */
        {BYTES("PROXY \r\n")},
        {BYTES("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n")},
        {BYTES("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 02\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 +2\r\n")},
        {BYTES("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4 ::1 ::2 1 2\r\n")},
        {BYTES("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")},
        {BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX")},
        {BYTES("PROXY UNKNOWNX\r\n")},
        {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n")},
        /* version 2: version, command, family, transport */
        {BYTES(SIG "\x11")},
        {BYTES(SIG "\x31\x11\x00\x0c" IPV4_BLOCK)},
        {BYTES(SIG "\x22\x11\x00\x0c" IPV4_BLOCK)},
        {BYTES(SIG "\x21\x41\x00\x0c" IPV4_BLOCK)},
        {BYTES(SIG "\x21\x13\x00\x0c" IPV4_BLOCK)},
        /* lengths: addresses that don't fit, more than we accept (told from the head alone) */
        {BYTES(SIG "\x21\x11\x00\x0b\x0a\x00\x00\x01\x0a\x00\x00\x02\x30\x39\x07")},
        {BYTES(SIG "\x21\x21\x00\x0c" IPV4_BLOCK)},
        {BYTES(SIG "\x21\x11\x12\x0c")},
        {BYTES(SIG "\x20\x00\xff\xff")},
        /* TLVs: half a head, a value beyond the end */
        {BYTES(SIG "\x21\x11\x00\x0e" IPV4_BLOCK "\x04\x00")},
        {BYTES(SIG "\x21\x11\x00\x10" IPV4_BLOCK "\x04\x00\x02\x00")},
        /* the TLS one: too short, a broken inner one */
        {BYTES(SIG "\x21\x11\x00\x13" IPV4_BLOCK "\x20\x00\x04\x01\x00\x00\x00")},
        {BYTES(SIG "\x21\x11\x00\x17" IPV4_BLOCK "\x20\x00\x08\x01\x00\x00\x00\x00\x21\x00\x09")},
        /* a checksum of the wrong length, a wrong checksum */
        {BYTES(SIG "\x21\x11\x00\x12" IPV4_BLOCK "\x03\x00\x03\x00\x00\x00")},
        {BYTES(SIG "\x21\x11\x00\x13" IPV4_BLOCK "\x03\x00\x04\x00\x00\x00\x00")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_info info;
        struct proxy_info zero = {0};
        size_t used;
        enum proxy_result r = parse(cases[i].bytes, cases[i].len, &info, &used);
        if (r != PROXY_MALFORMED)
            fail_msg("case %zu: verdict %d", i, (int)r);
        assert_memory_equal(&info, &zero, sizeof(info));
        assert_int_equal(used, 0);
    }
}

static void checksum_is_verified_when_there(void **state)
{
    uint8_t header[] = SIG "\x21\x11\x00\x16" IPV4_BLOCK "\x03\x00\x04@CRC\x04\x00\x00";
    static const uint8_t crc[4] = {0xe3, 0x74, 0x12, 0x53};
    struct proxy_info info;
    size_t used;
    (void)state;
    memcpy(header + 31, crc, 4);
    assert_int_equal(parse(header, sizeof(header) - 1, &info, &used), PROXY_OK);
    for (size_t i = 16; i < sizeof(header) - 1; i++) {
        if (i >= 28 && i < 31)
            continue; /* the checksum's own type and length: then it isn't one */
        header[i] ^= 0x40;
        assert_int_equal(parse(header, sizeof(header) - 1, &info, &used), PROXY_MALFORMED);
        header[i] ^= 0x40;
    }
}

static void tls_details_come_from_the_tlv(void **state)
{
    static const struct {
        const uint8_t *bytes;
        size_t len;
        bool tls, verified;
        const char *version, *name;
    } cases[] = {
        {BYTES(SIG "\x21\x11\x00\x25" IPV4_BLOCK "\x20\x00\x16\x07\x00\x00\x00\x00"
                   "\x21\x00\x07TLSv1.3\x22\x00\x04"
                   "dev1"),
         true, true, "TLSv1.3", "dev1"},
        {BYTES(SIG "\x21\x11\x00\x14" IPV4_BLOCK "\x20\x00\x05\x01\x00\x00\x00\x01"), true, false,
         "", ""},
        /* a certificate that didn't verify, then one that was never given */
        {BYTES(SIG "\x21\x11\x00\x14" IPV4_BLOCK "\x20\x00\x05\x03\x00\x00\x00\x12"), true, false,
         "", ""},
        {BYTES(SIG "\x21\x11\x00\x14" IPV4_BLOCK "\x20\x00\x05\x01\x00\x00\x00\x00"), true, false,
         "", ""},
        {BYTES(SIG "\x21\x11\x00\x14" IPV4_BLOCK "\x20\x00\x05\x00\x00\x00\x00\x01"), false, false,
         "", ""},
        /* names with a NUL, versions that don't fit, inner types that we don't know */
        {BYTES(SIG "\x21\x11\x00\x1a" IPV4_BLOCK "\x20\x00\x0b\x07\x00\x00\x00\x00"
                   "\x22\x00\x03"
                   "a\0b"),
         true, true, "", ""},
        {BYTES(SIG "\x21\x11\x00\x27" IPV4_BLOCK "\x20\x00\x18\x01\x00\x00\x00\x01"
                   "\x21\x00\x10TLSv1.3-and-more"),
         true, false, "", ""},
        {BYTES(SIG "\x21\x11\x00\x18" IPV4_BLOCK "\x20\x00\x09\x01\x00\x00\x00\x01"
                   "\x23\x00\x01"
                   "c"),
         true, false, "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_info info;
        size_t used;
        assert_int_equal(parse(cases[i].bytes, cases[i].len, &info, &used), PROXY_OK);
        assert_int_equal(used, cases[i].len);
        assert_int_equal(info.tls, cases[i].tls);
        assert_int_equal(info.tls_verified, cases[i].verified);
        assert_string_equal(info.tls_version, cases[i].version);
        assert_string_equal(info.tls_common_name, cases[i].name);
    }
}

static void written_bytes_are_those_of_the_specification(void **state)
{
    struct proxy_info info = {0};
    uint8_t buf[PROXY_V2_MAX];
    (void)state;
    set_address(&info.source, "10.0.0.1", 12345);
    set_address(&info.destination, "10.0.0.2", 1883);
    assert_int_equal(proxy_v2_write(&info, buf, sizeof(buf)), 28);
    assert_memory_equal(buf, SIG "\x21\x11\x00\x0c" IPV4_BLOCK, 28);

    info.tls = info.tls_verified = true;
    strcpy(info.tls_version, "TLSv1.3");
    strcpy(info.tls_common_name, "dev1");
    assert_int_equal(proxy_v2_write(&info, buf, sizeof(buf)), 53);
    assert_memory_equal(buf,
                        SIG "\x21\x11\x00\x25" IPV4_BLOCK "\x20\x00\x16\x07\x00\x00\x00\x00"
                            "\x21\x00\x07TLSv1.3\x22\x00\x04"
                            "dev1",
                        53);

    info.local = true;
    assert_int_equal(proxy_v2_write(&info, buf, sizeof(buf)), 16);
    assert_memory_equal(buf, SIG "\x20\x00\x00\x00", 16);
}

static void written_headers_read_back(void **state)
{
    static const struct {
        const char *source, *destination, *read_source, *read_destination;
    } cases[] = {
        {"1.2.3.4", "5.6.7.8", "1.2.3.4:40000", "5.6.7.8:1883"},
        {"2001:db8::1", "::1", "[2001:db8::1]:40000", "[::1]:1883"},
        {"1.2.3.4", "2001:db8::1", "[::ffff:1.2.3.4]:40000", "[2001:db8::1]:1883"},
        {"2001:db8::1", "1.2.3.4", "[2001:db8::1]:40000", "[::ffff:1.2.3.4]:1883"},
        {"::ffff:1.2.3.4", "::ffff:5.6.7.8", "1.2.3.4:40000", "5.6.7.8:1883"},
        {"::ffff:1.2.3.4", "5.6.7.8", "1.2.3.4:40000", "5.6.7.8:1883"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_info info = {.tls = true, .tls_version = "TLSv1.2"};
        struct proxy_info read;
        uint8_t buf[PROXY_V2_MAX];
        size_t used;
        memset(info.tls_common_name, 'n', sizeof(info.tls_common_name) - 1);
        set_address(&info.source, cases[i].source, 40000);
        set_address(&info.destination, cases[i].destination, 1883);
        size_t len = proxy_v2_write(&info, buf, sizeof(buf));
        assert_true(len > 0);
        assert_int_equal(parse(buf, len, &read, &used), PROXY_OK);
        assert_int_equal(used, len);
        assert_false(read.local);
        assert_address(&read.source, cases[i].read_source);
        assert_address(&read.destination, cases[i].read_destination);
        assert_true(read.tls);
        assert_false(read.tls_verified);
        assert_string_equal(read.tls_version, "TLSv1.2");
        assert_string_equal(read.tls_common_name, info.tls_common_name);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t small[PROXY_V2_MAX];
            assert_int_equal(parse(buf, cut, &read, &used), PROXY_NEED_MORE);
            assert_int_equal(proxy_v2_write(&info, small, cut), 0);
        }
    }
}

static void a_certificate_is_written_and_read_back(void **state)
{
    struct proxy_info info = {.tls = true, .tls_verified = true, .tls_version = "TLSv1.3"};
    struct proxy_info read;
    static uint8_t der[PROXY_CERTIFICATE_MAX + 1], buf[PROXY_V2_MAX];
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof(der); i++)
        der[i] = (uint8_t)(i * 31);
    memset(info.tls_common_name, 'n', sizeof(info.tls_common_name) - 1);
    memset(info.tls_version, 'v', sizeof(info.tls_version) - 1);
    set_address(&info.source, "2001:db8::1", 40000);
    set_address(&info.destination, "::1", 1883);
    info.tls_certificate = der;
    for (size_t len = 1; len <= sizeof(der); len = len < 64 ? len + 21 : len * 4 - 3) {
        info.tls_certificate_len = len;
        size_t size = proxy_write_v2(&info, buf, sizeof(buf));
        assert_true(size > len);
        assert_int_equal(proxy_parse(buf, size, &read, &used), PROXY_OK);
        assert_int_equal(used, size);
        assert_int_equal(read.tls_certificate_len, len);
        assert_memory_equal(read.tls_certificate, der, len);
        assert_true(read.tls_certificate > buf && read.tls_certificate + len <= buf + size);
    }
    info.tls_certificate_len = PROXY_CERTIFICATE_MAX;
    assert_true(proxy_write_v2(&info, buf, sizeof(buf)) > PROXY_CERTIFICATE_MAX);
    info.tls_certificate_len = PROXY_CERTIFICATE_MAX + 1; /* left out */
    size_t size = proxy_write_v2(&info, buf, sizeof(buf));
    assert_true(size > 0 && size < 536);
    assert_int_equal(proxy_parse(buf, size, &read, &used), PROXY_OK);
    assert_null(read.tls_certificate);
}

static void addresses_of_other_families_are_written_as_unspecified(void **state)
{
    struct proxy_info info = {.tls = true};
    struct proxy_info read;
    uint8_t buf[PROXY_V2_MAX];
    size_t used;
    (void)state;
    info.source.ss_family = AF_UNIX;
    info.destination.ss_family = AF_UNIX;
    assert_int_equal(proxy_v2_write(&info, buf, sizeof(buf)), 16);
    assert_int_equal(parse(buf, 16, &read, &used), PROXY_OK);
    assert_true(read.local);
}

static void random_bytes_behind_a_signature_do_no_harm(void **state)
{
    unsigned seed = 12345;
    uint8_t buf[600];
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct proxy_info info;
        size_t used;
        size_t len = (size_t)(round % 600);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245u + 12345u;
            buf[i] = (uint8_t)(seed >> 16);
        }
        if (len >= 16) {
            memcpy(buf, SIG, 12);
            buf[12] = 0x21;
            buf[13] = (uint8_t)((buf[13] & 0x3f) == 0x3f ? 0x21 : 0x11);
            buf[14] = (uint8_t)((len - 16) >> 8);
            buf[15] = (uint8_t)(len - 16);
        }
        enum proxy_result r = parse(buf, len, &info, &used);
        assert_true(r != PROXY_OK || used <= len);
    }
}

static void a_beginning_tells_whether_a_header_follows(void **state)
{
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21";
    static const struct {
        const char *bytes;
        size_t len;
        enum proxy_result result;
    } table[] = {
        {"", 0, PROXY_NEED_MORE},
        {"P", 1, PROXY_NEED_MORE},
        {"PROXY", 5, PROXY_NEED_MORE},
        {"PROXY ", 6, PROXY_OK},
        {"PROXY nonsense", 14, PROXY_OK},
        {"PROXY\t", 6, PROXY_NOT_PROXY},
        {"PRX", 3, PROXY_NOT_PROXY},
        {"proxy ", 6, PROXY_NOT_PROXY},
        {v2, 1, PROXY_NEED_MORE},
        {v2, 11, PROXY_NEED_MORE},
        {v2, 12, PROXY_OK},
        {v2, 13, PROXY_OK},
        {"\r\n\r\n\r", 5, PROXY_NOT_PROXY},
        {"\x10\x0f", 2, PROXY_NOT_PROXY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (proxy_peek((const uint8_t *)table[i].bytes, table[i].len) != table[i].result)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_give_addresses),
        cmocka_unit_test(a_beginning_tells_whether_a_header_follows),
        cmocka_unit_test(unix_sockets_count_as_local),
        cmocka_unit_test(other_protocols_are_told_at_once),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(checksum_is_verified_when_there),
        cmocka_unit_test(tls_details_come_from_the_tlv),
        cmocka_unit_test(written_bytes_are_those_of_the_specification),
        cmocka_unit_test(written_headers_read_back),
        cmocka_unit_test(a_certificate_is_written_and_read_back),
        cmocka_unit_test(addresses_of_other_families_are_written_as_unspecified),
        cmocka_unit_test(random_bytes_behind_a_signature_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
