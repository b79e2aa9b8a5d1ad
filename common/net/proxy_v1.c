/* Reads the line word by word: PROXY, TCP4 or TCP6 or UNKNOWN, two addresses, two ports. */
#include "common/net/proxy_v1.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/net/proxy_bytes.h"

const char proxy_v1_signature[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

/* The next word of a v1 line, without its separating space. False when there is none. */
static bool take_word(struct proxy_reader *line, char *out, size_t size)
{
    const uint8_t *space = memchr(line->at, ' ', line->left);
    size_t n = space != NULL ? (size_t)(space - line->at) : line->left;
    if (n == 0 || n >= size)
        return false;
    memcpy(out, proxy_take(line, n), n);
    out[n] = '\0';
    (void)proxy_take(line, space != NULL ? 1 : 0);
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

static bool parse_addresses(struct proxy_reader *line, int family, struct proxy_info *out)
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
            proxy_set_ipv4(to[i], addr, wire_port);
        else
            proxy_set_ipv6(to[i], addr, wire_port);
    }
    return true;
}

static bool parse_line(struct proxy_reader line, struct proxy_info *out)
{
    static const char unknown[] = "UNKNOWN";
    char protocol[8];
    (void)proxy_take(&line, sizeof(proxy_v1_signature));
    /* What follows UNKNOWN is to be ignored, whatever it is. */
    if (line.left >= 7 && memcmp(line.at, unknown, 7) == 0 &&
        (line.left == 7 || line.at[7] == ' ')) {
        out->local = true;
        return true;
    }
    if (!take_word(&line, protocol, sizeof(protocol)))
        return false;
    if (strcmp(protocol, "TCP4") == 0)
        return parse_addresses(&line, AF_INET, out);
    if (strcmp(protocol, "TCP6") == 0)
        return parse_addresses(&line, AF_INET6, out);
    return false;
}

enum proxy_result proxy_v1_parse(const uint8_t *buf, size_t len, struct proxy_info *out,
                                 size_t *used)
{
    size_t within = len < PROXY_V1_MAX ? len : PROXY_V1_MAX;
    const uint8_t *cr = memchr(buf, '\r', within);
    size_t line_len = cr != NULL ? (size_t)(cr - buf) : within;
    if (memchr(buf, '\n', line_len) != NULL)
        return PROXY_MALFORMED;
    if (cr == NULL || line_len + 1 == within)
        return within < PROXY_V1_MAX ? PROXY_NEED_MORE : PROXY_MALFORMED;
    if (cr[1] != '\n' || !parse_line((struct proxy_reader){buf, line_len}, out))
        return PROXY_MALFORMED;
    *used = line_len + 2;
    return PROXY_OK;
}
