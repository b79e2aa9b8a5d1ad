/* Walks the levels of two filters side by side; acl_filter.c asks for each rule. */
#include "broker/auth/files/filter_relation.h"

#include <string.h>

/* The levels of a filter, one after another. */
struct levels {
    const uint8_t *next, *end; /* NULL: there are no more */
};

/* '#' stands for no level, too. But a topic isn't empty, so where that is all that would be left it
 * stands for one at least. */
static struct mqtt_slice spelled_out(struct mqtt_slice filter)
{
    if (filter.len == 1 && filter.data[0] == '#')
        return mqtt_slice_of("+/#", 3);
    if (filter.len == 2 && memcmp(filter.data, "/#", 2) == 0)
        return mqtt_slice_of("/+/#", 4);
    return filter;
}

static struct levels levels_of(struct mqtt_slice filter)
{
    return (struct levels){filter.data, filter.data + filter.len};
}

/* False: the filter is over. */
static bool take_level(struct levels *l, struct mqtt_slice *level)
{
    if (l->next == NULL)
        return false;
    const uint8_t *slash = memchr(l->next, '/', (size_t)(l->end - l->next));
    const uint8_t *stop = slash != NULL ? slash : l->end;
    *level = (struct mqtt_slice){l->next, (uint32_t)(stop - l->next)};
    l->next = slash != NULL ? slash + 1 : NULL;
    return true;
}

static bool is(struct mqtt_slice level, char wildcard)
{
    return level.len == 1 && level.data[0] == (uint8_t)wildcard;
}

static bool is_same(struct mqtt_slice a, struct mqtt_slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool begins_with_wildcard(struct mqtt_slice filter)
{
    return filter.data[0] == '+' || filter.data[0] == '#';
}

/* One has topics that start with '$' only, the other has none of these. */
static bool is_parted_by_dollar(struct mqtt_slice a, struct mqtt_slice b)
{
    return (a.data[0] == '$' && begins_with_wildcard(b)) ||
           (b.data[0] == '$' && begins_with_wildcard(a));
}

bool filter_overlaps(struct mqtt_slice a, struct mqtt_slice b)
{
    if (is_parted_by_dollar(a, b))
        return false;
    struct levels in_a = levels_of(spelled_out(a));
    struct levels in_b = levels_of(spelled_out(b));
    for (;;) {
        struct mqtt_slice x;
        struct mqtt_slice y;
        bool has_x = take_level(&in_a, &x);
        bool has_y = take_level(&in_b, &y);
        if ((has_x && is(x, '#')) || (has_y && is(y, '#')))
            return true; /* also where the other one is over: "a/#" matches "a" */
        if (!has_x || !has_y)
            return has_x == has_y;
        if (!is(x, '+') && !is(y, '+') && !is_same(x, y))
            return false;
    }
}

bool filter_covers(struct mqtt_slice wide, struct mqtt_slice narrow)
{
    if (is_parted_by_dollar(wide, narrow))
        return false;
    struct levels in_wide = levels_of(wide);
    struct levels in_narrow = levels_of(spelled_out(narrow));
    for (;;) {
        struct mqtt_slice w;
        struct mqtt_slice n;
        bool has_w = take_level(&in_wide, &w);
        bool has_n = take_level(&in_narrow, &n);
        if (has_w && is(w, '#'))
            return true;
        if (!has_w || !has_n)
            return has_w == has_n;
        if (is(n, '#') || (!is(w, '+') && !is_same(w, n)))
            return false;
    }
}

/* Appends the text from `from` to `end`; returns the length then. */
static size_t append(uint8_t *out, size_t used, bool first, const uint8_t *from, const uint8_t *end)
{
    size_t len = (size_t)(end - from);
    if (!first)
        out[used++] = '/';
    memcpy(out + used, from, len);
    return used + len;
}

size_t filter_meet(struct mqtt_slice a, struct mqtt_slice b, uint8_t *out)
{
    struct levels in_a = levels_of(a);
    struct levels in_b = levels_of(b);
    size_t used = 0;
    if (!filter_overlaps(a, b))
        return 0;
    for (bool first = true;; first = false) {
        struct mqtt_slice x;
        struct mqtt_slice y;
        bool has_x = take_level(&in_a, &x);
        bool has_y = take_level(&in_b, &y);
        if (!has_x || !has_y)
            return used; /* both are over, or one is but for its "#" */
        if (is(x, '#'))
            return append(out, used, first, y.data, in_b.end);
        if (is(y, '#'))
            return append(out, used, first, x.data, in_a.end);
        if (is(x, '+'))
            x = y;
        used = append(out, used, first, x.data, x.data + x.len);
    }
}
