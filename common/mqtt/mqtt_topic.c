/*
 * Text on the wire: UTF-8, topic names, topic filters, and whether a filter matches a name.
 *
 * The decoder validates every string here, so this reads 8 bytes at a time as long as they are
 * plain ASCII. Chosen where the specification leaves it open (1.5.4): control characters and
 * non-characters are accepted, as most brokers do; only what MUST NOT occur is refused.
 */
#include "common/mqtt/mqtt.h"

#include <string.h>

#define MAX_LEN 65535u
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* True if each of 8 bytes is ASCII and not NUL, and with `name` neither '+' nor '#'. Bit 7 of a
 * byte plus 0x7f tells that it isn't 0, if it was below 0x80; '#' is '+' without bit 3. */
static inline bool word_is_plain(uint64_t w, bool name)
{
    uint64_t fine = ~w & (w + EACH(0x7f));
    if (name)
        fine &= ((w | EACH(0x08)) ^ EACH('+')) + EACH(0x7f);
    return (fine & EACH(0x80)) == EACH(0x80);
}

static inline uint64_t load8(const uint8_t *s)
{
    uint64_t w;
    memcpy(&w, s, sizeof(w));
    return w;
}

/* 1 to 7 bytes as a word; the bytes' order and repetition don't matter to word_is_plain. */
static inline uint64_t load_short(const uint8_t *s, size_t len)
{
    uint32_t a;
    uint32_t b;
    if (len >= 4) {
        memcpy(&a, s, 4);
        memcpy(&b, s + len - 4, 4);
    } else {
        a = b = (uint32_t)s[0] << 24 | (uint32_t)s[len / 2] << 16 | (uint32_t)s[len - 1] << 8 | 'a';
    }
    return (uint64_t)a << 32 | b;
}

static inline bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the character at `s`, which is none but U+0000; 0 if it is not well formed. The second
 * byte's bounds rule out overlong forms, surrogates and what is over U+10FFFF. */
static size_t utf8_char(const uint8_t *s, size_t left)
{
    uint8_t c = s[0];
    if (c < 0x80)
        return c != 0;
    if (c < 0xc2 || c > 0xf4 || left < 2)
        return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    if (c < 0xe0)
        return 2;
    if (left < 3 || !is_continuation(s[2]))
        return 0;
    if (c < 0xf0)
        return 3;
    return left >= 4 && is_continuation(s[3]) ? 4 : 0;
}

static bool text_valid_from(const uint8_t *s, size_t len, size_t i, bool name)
{
    while (i < len) {
        if (len - i >= 8 && word_is_plain(load8(s + i), name)) {
            i += 8;
            continue;
        }
        size_t n = utf8_char(s + i, len - i);
        if (n == 0 || (name && (s[i] == '+' || s[i] == '#')))
            return false;
        i += n;
    }
    return true;
}

static inline bool text_valid(const uint8_t *s, size_t len, bool name)
{
    if (len < 8)
        return len == 0 || word_is_plain(load_short(s, len), name) ||
               text_valid_from(s, len, 0, name);
    for (size_t i = 0; len - i >= 8; i += 8)
        if (!word_is_plain(load8(s + i), name))
            return text_valid_from(s, len, i, name);
    /* The last 8, of which some were seen already. */
    return word_is_plain(load8(s + len - 8), name) ||
           text_valid_from(s, len, len & ~(size_t)7, name);
}

bool mqtt_utf8_valid(const uint8_t *s, size_t len)
{
    return text_valid(s, len, false);
}

bool mqtt_payload_utf8_valid(const uint8_t *s, size_t len)
{
    const uint8_t *end = s + len;
    while (s < end) {
        const uint8_t *nul = memchr(s, 0, (size_t)(end - s));
        const uint8_t *part_end = nul != NULL ? nul : end;
        if (!text_valid(s, (size_t)(part_end - s), false))
            return false;
        s = nul != NULL ? nul + 1 : end;
    }
    return true;
}

bool mqtt_topic_name_valid(const uint8_t *s, size_t len)
{
    return len - 1 < MAX_LEN && text_valid(s, len, true);
}

bool mqtt_topic_filter_valid(const uint8_t *s, size_t len)
{
    if (len == 0 || len > MAX_LEN || !text_valid(s, len, false))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '+' && s[i] != '#')
            continue;
        bool begins_level = i == 0 || s[i - 1] == '/';
        bool ends_level = i + 1 == len || (s[i] == '+' && s[i + 1] == '/');
        if (!begins_level || !ends_level)
            return false; /* 4.7.1-1 to 4.7.1-3 */
    }
    return true;
}

/* The level that begins at `from`, which is at most s.len. */
static struct mqtt_slice level_at(struct mqtt_slice s, uint32_t from)
{
    const uint8_t *start = s.data + from;
    const uint8_t *slash = memchr(start, '/', s.len - from);
    return (struct mqtt_slice){start, slash != NULL ? (uint32_t)(slash - start) : s.len - from};
}

static bool level_is(struct mqtt_slice level, char wildcard)
{
    return level.len == 1 && level.data[0] == (uint8_t)wildcard;
}

static bool level_matches(struct mqtt_slice filter, struct mqtt_slice name)
{
    return level_is(filter, '+') ||
           (filter.len == name.len && memcmp(filter.data, name.data, name.len) == 0);
}

bool mqtt_filter_matches(struct mqtt_slice filter, struct mqtt_slice name)
{
    uint32_t i = 0; /* where the filter's level begins, and the name's */
    uint32_t j = 0;
    if (filter.len == 0 || name.len == 0)
        return false;
    if (name.data[0] == '$' && (filter.data[0] == '+' || filter.data[0] == '#'))
        return false; /* 4.7.2-1 */
    for (;;) {
        struct mqtt_slice f = level_at(filter, i);
        struct mqtt_slice n = level_at(name, j);
        if (level_is(f, '#'))
            return true;
        if (!level_matches(f, n))
            return false;
        i += f.len;
        j += n.len;
        if (i == filter.len)
            return j == name.len;
        if (j == name.len) /* "a/#" matches its parent "a", 4.7.1.2 */
            return level_is(level_at(filter, i + 1), '#');
        i++;
        j++;
    }
}

static const uint8_t share_prefix[] = {'$', 's', 'h', 'a', 'r', 'e', '/'};

bool mqtt_filter_is_shared(struct mqtt_slice filter)
{
    return filter.len >= sizeof(share_prefix) &&
           memcmp(filter.data, share_prefix, sizeof(share_prefix)) == 0;
}

bool mqtt_filter_split_shared(struct mqtt_slice filter, struct mqtt_slice *group,
                              struct mqtt_slice *inner)
{
    if (!mqtt_filter_is_shared(filter))
        return false;
    const uint8_t *start = filter.data + sizeof(share_prefix);
    uint32_t left = filter.len - (uint32_t)sizeof(share_prefix);
    const uint8_t *slash = memchr(start, '/', left);
    if (slash == NULL || slash == start)
        return false;
    *group = (struct mqtt_slice){start, (uint32_t)(slash - start)};
    *inner = (struct mqtt_slice){slash + 1, left - group->len - 1};
    return mqtt_topic_name_valid(group->data, group->len) &&
           mqtt_topic_filter_valid(inner->data, inner->len);
}
