/*
 * 2,000 questions to made-up ACL files, and 500 filters, compared with a model of its own: what
 * mosquitto's documentation says (and acl.h where it differs), in the plainest form.
 *
 * The model never sees a file: it has the rules as they were made up. The seed is fixed.
 */
#include "broker/auth/files/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

enum {
    FILES = 100,
    QUESTIONS = 20, /* for each file */
    FILTERS = 5,
    RULES_MAX = 24,
    TEXT_MAX = 96,
    LEVELS_MAX = 12,
};

enum whose { ANONYMOUS, USER, PATTERN };

struct model_rule {
    enum whose whose;
    const char *user;
    unsigned grants; /* 0: deny */
    char filter[TEXT_MAX];
};

struct model {
    struct model_rule rules[RULES_MAX];
    size_t count;
    char file[RULES_MAX * (TEXT_MAX + 64)];
};

/* Hostile ones among them. */
static const char *const names[] = {NULL,  "",     "ann", "bob",  "a/b", "+",    "#",
                                    "ann", "$SYS", "a+",  "bob#", "%c",  "/ann", "zz"};
static const char *const ids[] = {"ann", "c1", "+", "#", "a/b", "c1", "$SYS", "%u", "", "c1", "b"};
static const char *const listed[] = {"ann", "bob", "a/b", "+", "$SYS", "zz"};

/* ---- made up ---------------------------------------------------------------------------------- */

static uint64_t seed = 20261201;

static size_t draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % below);
}
#define DRAW_FROM(list) ((list)[draw(sizeof(list) / sizeof((list)[0]))])

/* One to three levels. The first may start with '$'. */
static void make_text(char *out, const char *const *levels, size_t count, const char *tail)
{
    size_t depth = 1 + draw(3);
    out[0] = '\0';
    if (draw(8) == 0)
        strcpy(out, "$SYS");
    else
        strcpy(out, levels[draw(count)]);
    for (size_t i = 1; i < depth; i++) {
        strcat(out, "/");
        strcat(out, levels[draw(count)]);
    }
    if (tail != NULL && draw(3) == 0) {
        strcat(out, out[0] != '\0' ? "/" : "");
        strcat(out, tail);
    }
    if (out[0] == '\0')
        strcpy(out, "a");
}

static void make_filter(char *out, bool pattern)
{
    static const char *const plain[] = {"a", "b", "ann", "+", "", "bob", "+"};
    static const char *const with_names[] = {"a", "%c", "%u", "+", "%u", "b", "x-%c", "%u"};
    if (draw(16) == 0)
        strcpy(out, "#");
    else if (pattern)
        make_text(out, with_names, sizeof(with_names) / sizeof(with_names[0]), "#");
    else
        make_text(out, plain, sizeof(plain) / sizeof(plain[0]), "#");
}

static void make_topic(char *out)
{
    static const char *const levels[] = {"a", "b", "ann", "bob", "c1", "", "zz", "x-c1", "a"};
    make_text(out, levels, sizeof(levels) / sizeof(levels[0]), NULL);
}

static void write_rule(struct model *m, const struct model_rule *r)
{
    static const char *const words[] = {"deny ", "read ", "write ", "readwrite "};
    const char *word = r->grants == 3 && draw(2) == 0 ? "" : words[r->grants];
    sprintf(m->file + strlen(m->file), "%s %s%s\n", r->whose == PATTERN ? "pattern" : "topic", word,
            r->filter);
}

static void add_rules(struct model *m, enum whose whose, const char *user, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct model_rule *r = &m->rules[m->count++];
        /* A pattern may stand anywhere, and goes for all. */
        r->whose = draw(4) == 0 ? PATTERN : whose;
        r->user = user;
        r->grants = draw(4) == 0 ? 0 : 1 + (unsigned)draw(3);
        make_filter(r->filter, r->whose == PATTERN);
        write_rule(m, r);
    }
}

static void make_model(struct model *m)
{
    m->count = 0;
    m->file[0] = '\0';
    add_rules(m, ANONYMOUS, NULL, draw(4));
    for (size_t i = 0; i < 4; i++) {
        const char *user = DRAW_FROM(listed);
        sprintf(m->file + strlen(m->file), "# somebody\nuser %s\n", user);
        add_rules(m, USER, user, draw(5));
    }
}

/* ---- the model -------------------------------------------------------------------------------- */

static int split(char *text, char **levels)
{
    int count = 0;
    for (char *at = text; at != NULL && count < LEVELS_MAX;) {
        levels[count++] = at;
        at = strchr(at, '/');
        if (at != NULL)
            *at++ = '\0';
    }
    return count;
}

static bool levels_match(char **f, int nf, char **t, int nt)
{
    if (nf == 1 && strcmp(f[0], "#") == 0)
        return true;
    if (nf == 0 || nt == 0)
        return nf == nt;
    return (strcmp(f[0], "+") == 0 || strcmp(f[0], t[0]) == 0) &&
           levels_match(f + 1, nf - 1, t + 1, nt - 1);
}

static bool model_matches(const char *filter, const char *topic)
{
    char f[2 * TEXT_MAX];
    char t[2 * TEXT_MAX];
    char *fs[LEVELS_MAX];
    char *ts[LEVELS_MAX];
    if (topic[0] == '$' && (filter[0] == '+' || filter[0] == '#'))
        return false;
    strcpy(f, filter);
    strcpy(t, topic);
    int nf = split(f, fs);
    int nt = split(t, ts);
    return levels_match(fs, nf, ts, nt);
}

/* '+' and '#' stand alone in their level, '#' in the last one. */
static bool model_is_filter(const char *text)
{
    char copy[2 * TEXT_MAX];
    char *levels[LEVELS_MAX];
    strcpy(copy, text);
    int count = split(copy, levels);
    for (int i = 0; i < count; i++) {
        if (strpbrk(levels[i], "+#") != NULL && strlen(levels[i]) > 1)
            return false;
        if (strcmp(levels[i], "#") == 0 && i + 1 < count)
            return false;
    }
    return text[0] != '\0';
}

/* Puts the name in; false: the rule isn't for this client. */
static bool put_in(char *out, const char *pattern, const char *user, const char *id, bool grants)
{
    out[0] = '\0';
    for (const char *p = pattern; *p != '\0'; p++) {
        const char *name = NULL;
        bool placeholder = strncmp(p, "%c", 2) == 0 || strncmp(p, "%u", 2) == 0;
        if (placeholder) {
            name = p[1] == 'c' ? id : user;
            if (name == NULL || name[0] == '\0')
                return false;
            if (grants && strpbrk(name, "+#/") != NULL)
                return false;
            if (grants && p == pattern && name[0] == '$')
                return false;
            strcat(out, name);
            p++;
        } else {
            strcat(out, (const char[]){*p, '\0'});
        }
    }
    return model_is_filter(out);
}

static bool model_applies(const struct model_rule *r, const char *user)
{
    switch (r->whose) {
    case ANONYMOUS:
        return user == NULL || user[0] == '\0';
    case USER:
        return user != NULL && strcmp(user, r->user) == 0;
    case PATTERN:
        break;
    }
    return true;
}

/* The rule's filter for this client; false: it has none. */
static bool model_filter(const struct model_rule *r, const char *user, const char *id, char *out)
{
    if (!model_applies(r, user))
        return false;
    strcpy(out, r->filter);
    return r->whose != PATTERN || put_in(out, r->filter, user, id, r->grants != 0);
}

static bool model_allows(const struct model *m, const char *user, const char *id, const char *topic,
                         unsigned access)
{
    bool granted = false;
    char filter[2 * TEXT_MAX];
    for (size_t i = 0; i < m->count; i++) {
        const struct model_rule *r = &m->rules[i];
        if (!model_filter(r, user, id, filter) || !model_matches(filter, topic))
            continue;
        if (r->grants == 0)
            return false;
        granted = granted || (r->grants & access) != 0;
    }
    return granted;
}

/* ---- questions -------------------------------------------------------------------------------- */

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, text != NULL ? strlen(text) : 0);
}

static struct acl *load(const struct model *m)
{
    char err[300];
    temp_file_write(m->file, strlen(m->file));
    struct acl *acl = acl_load(temp_file, err, sizeof(err));
    if (acl == NULL)
        fail_msg("%s\n%s", err, m->file);
    return acl;
}

static size_t yes[4]; /* so many were allowed, by access */

static void ask(struct acl *acl, const struct model *m)
{
    char topic[TEXT_MAX];
    const char *user = DRAW_FROM(names);
    const char *id = DRAW_FROM(ids);
    make_topic(topic);
    for (unsigned access = 1; access <= 2; access++) {
        bool expected = model_allows(m, user, id, topic, access);
        if (acl_allows(acl, slice(user), slice(id), slice(topic), (enum acl_access)access) !=
            expected)
            fail_msg("user %s, id '%s', access %u on '%s': expected %d of\n%s",
                     user != NULL ? user : "-", id, access, topic, expected, m->file);
        yes[access] += expected;
    }
}

static void topics_are_allowed_as_the_model_says(void **state)
{
    static struct model m;
    (void)state;
    for (int i = 0; i < FILES; i++) {
        make_model(&m);
        struct acl *acl = load(&m);
        for (int q = 0; q < QUESTIONS; q++)
            ask(acl, &m);
        acl_free(acl);
    }
    for (unsigned access = 1; access <= 2; access++) /* it isn't always the same answer */
        assert_true(yes[access] > FILES * QUESTIONS / 20 &&
                    yes[access] < FILES * QUESTIONS * 19 / 20);
}

/* ---- filters ---------------------------------------------------------------------------------- */

/* Topics of the levels that occur in rules and filters, one that doesn't, and one level more. */
static const char *const universe_levels[] = {"a", "b", "ann", "bob", "c1", "x-c1", "", "new"};
enum {
    UNIVERSE_LEVELS = sizeof(universe_levels) / sizeof(universe_levels[0]),
    UNIVERSE_MAX = 2000
};
static char universe[UNIVERSE_MAX][TEXT_MAX];
static size_t universe_count;

static void add_topic(const char *text)
{
    assert_true(universe_count < UNIVERSE_MAX);
    if (text[0] != '\0')
        strcpy(universe[universe_count++], text);
}

static void fill_universe(const char *start, int depth)
{
    for (size_t i = 0; i < UNIVERSE_LEVELS; i++) {
        char text[TEXT_MAX / 2];
        char deeper[TEXT_MAX];
        snprintf(text, sizeof(text), "%s%s%s", start != NULL ? start : "", start != NULL ? "/" : "",
                 universe_levels[i]);
        add_topic(text);
        if (depth > 1) {
            fill_universe(text, depth - 1);
            continue;
        }
        snprintf(deeper, sizeof(deeper), "%s/new", text);
        add_topic(deeper);
    }
}

struct found {
    bool any_readable;
    bool one_grant_has_all; /* a single grant has each topic of the filter */
    bool one_deny_has_all;
    size_t denies; /* that have some of its topics */
};

/* Whether a rule's filter has all of the topics, or some. */
static void compare(const char *rule, const char *filter, bool *all, bool *some)
{
    *all = true;
    *some = false;
    for (size_t t = 0; t < universe_count; t++) {
        if (!model_matches(filter, universe[t]))
            continue;
        bool matches = model_matches(rule, universe[t]);
        *all = *all && matches;
        *some = *some || matches;
    }
    *all = *all && *some;
}

static struct found look(const struct model *m, const char *user, const char *id,
                         const char *filter)
{
    struct found f = {0};
    for (size_t i = 0; i < m->count; i++) {
        char text[2 * TEXT_MAX];
        bool all;
        bool some;
        if (!model_filter(&m->rules[i], user, id, text))
            continue;
        compare(text, filter, &all, &some);
        if (m->rules[i].grants == 0) {
            f.one_deny_has_all = f.one_deny_has_all || all;
            f.denies += some;
        } else if ((m->rules[i].grants & 1) != 0) {
            f.one_grant_has_all = f.one_grant_has_all || all;
        }
    }
    for (size_t t = 0; t < universe_count && !f.any_readable; t++)
        f.any_readable =
            model_matches(filter, universe[t]) && model_allows(m, user, id, universe[t], ACL_READ);
    return f;
}

static void wish(struct acl *acl, const struct model *m, size_t *granted)
{
    static const char *const users[] = {NULL, "ann", "bob", "a/b", "", "ann"};
    char filter[TEXT_MAX];
    const char *user = DRAW_FROM(users);
    const char *id = draw(3) > 0 ? "c1" : "+";
    make_filter(filter, false);
    struct found f = look(m, user, id, filter);
    bool overlap =
        acl_grants_filter(acl, slice(user), slice(id), slice(filter), ACL_FILTER_OVERLAP);
    bool covered =
        acl_grants_filter(acl, slice(user), slice(id), slice(filter), ACL_FILTER_COVERED);
    /* Several denies together may leave nothing: that isn't looked for. */
    bool wrong = f.any_readable ? !overlap : overlap && f.denies < 2;
    if (wrong || covered != (f.one_grant_has_all && !f.one_deny_has_all) || (covered && !overlap))
        fail_msg(
            "user %s, id '%s', filter '%s': overlap %d, covered %d; readable %d, one grant %d, "
            "one deny %d of\n%s",
            user != NULL ? user : "-", id, filter, overlap, covered, f.any_readable,
            f.one_grant_has_all, f.one_deny_has_all, m->file);
    *granted += overlap;
}

static void filters_are_granted_as_the_model_says(void **state)
{
    static struct model m;
    size_t granted = 0;
    (void)state;
    fill_universe(NULL, 3);
    fill_universe("$SYS", 2);
    add_topic("$SYS");
    for (int i = 0; i < FILES; i++) {
        make_model(&m);
        struct acl *acl = load(&m);
        for (int q = 0; q < FILTERS; q++)
            wish(acl, &m, &granted);
        acl_free(acl);
    }
    assert_true(granted > FILES * FILTERS / 10 && granted < FILES * FILTERS * 9 / 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(topics_are_allowed_as_the_model_says),
        TEST(filters_are_granted_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
