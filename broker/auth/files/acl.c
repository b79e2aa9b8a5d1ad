/*
 * Loaded at start and at each reload. Each user's rules are one list, found by one hash lookup;
 * denies stand apart from grants, so that a check is: any deny? then the first grant.
 */
#include "broker/auth/files/acl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/files/acl_rules.h"
#include "broker/auth/files/line_file.h"

enum { BLOCK_BYTES = 1 << 20, ALIGN_BYTES = 16 };

/* What the file says is kept in a few large blocks: a million users are freed at once. */
struct acl_block {
    struct acl_block *next;
    size_t size, used;
    _Alignas(ALIGN_BYTES) uint8_t bytes[];
};

/* ---- memory ---------------------------------------------------------------------------------- */

static struct acl_block *add_block(struct acl *acl, size_t at_least)
{
    size_t size = at_least > BLOCK_BYTES ? at_least : BLOCK_BYTES;
    if (acl->blocks == NULL && at_least < 4096)
        size = 4096; /* most files are small */
    struct acl_block *b = calloc(1, sizeof(*b) + size);

    if (b != NULL) {
        b->size = size;
        b->next = acl->blocks;
        acl->blocks = b;
    }
    return b;
}

/* All zero, until acl_free; NULL when out of memory. */
static void *take(struct acl *acl, size_t size)
{
    struct acl_block *b = acl->blocks;
    size_t rounded = (size + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (b == NULL || b->size - b->used < rounded)
        b = add_block(acl, rounded);
    if (b == NULL)
        return NULL;
    b->used += rounded;
    return b->bytes + b->used - rounded;
}

void acl_free(struct acl *acl)
{
    if (acl == NULL)
        return;
    HASH_CLEAR(hh, acl->users);
    for (struct acl_block *b = acl->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(acl->spelled);
    free(acl->met);
    free(acl);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void list_add(struct acl_rule_list *list, struct acl_rule *rule)
{
    if (list->last != NULL)
        list->last->next = rule;
    else
        list->first = rule;
    list->last = rule;
}

static struct acl_user *find_user(const struct acl *acl, const void *name, size_t len)
{
    struct acl_user *u = NULL;
    HASH_FIND(hh, acl->users, name, len, u);
    return u;
}

/* The rules of a user, made when the file names it first; NULL when out of memory. */
static struct acl_rules *rules_of(struct acl *acl, const char *name)
{
    size_t len = strlen(name);
    struct acl_user *u = find_user(acl, name, len);
    if (u != NULL)
        return &u->rules;
    u = take(acl, sizeof(*u) + len + 1);
    if (u == NULL)
        return NULL;
    memcpy(u->name, name, len);
    HASH_ADD(hh, acl->users, name[0], len, u);
    return u->hh.tbl != NULL ? &u->rules : NULL;
}

static bool access_of(const char *word, unsigned *grants)
{
    static const struct {
        const char *word;
        unsigned grants;
    } words[] = {
        {"read", ACL_READ}, {"write", ACL_WRITE}, {"readwrite", ACL_READ | ACL_WRITE}, {"deny", 0}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0) {
            *grants = words[i].grants;
            return true;
        }
    }
    return false;
}

/* Cuts the first word off; returns what follows it, "" when nothing does. */
static char *cut_word(char *text)
{
    char *end = text + strcspn(text, " \t");
    if (*end == '\0')
        return end;
    *end = '\0';
    return line_trim(end + 1);
}

static struct acl_rule *make_rule(struct acl *acl, const char *filter, unsigned grants,
                                  bool pattern)
{
    size_t len = strlen(filter);
    struct acl_rule *rule = take(acl, sizeof(*rule) + len + 1);
    if (rule == NULL)
        return NULL;
    rule->grants = grants;
    rule->has_id = pattern && strstr(filter, "%c") != NULL;
    rule->has_name = pattern && strstr(filter, "%u") != NULL;
    rule->len = (uint32_t)len;
    rule->prefix = (uint32_t)strcspn(filter, pattern ? "+#%" : "+#");
    if (rule->prefix > 0 && filter[rule->prefix - 1] == '/')
        rule->prefix--; /* `a/#` also covers `a` */
    memcpy(rule->filter, filter, len);
    return rule;
}

/* `text` is what follows the keyword: an access word, which may be missing, and a filter. Without
 * `rules` it is a pattern. */
static bool parse_rule(struct acl *acl, struct acl_rules *rules, struct line_file *f, char *text)
{
    bool pattern = rules == NULL;
    unsigned grants = ACL_READ | ACL_WRITE;
    char *filter = cut_word(text);
    if (filter[0] == '\0')
        filter = text;
    else if (!access_of(text, &grants))
        return line_file_fail(f, "expected read, write, readwrite or deny, got '%.64s'", text);
    if (!mqtt_topic_filter_valid((const uint8_t *)filter, strlen(filter)))
        return line_file_fail(f, "expected a topic filter, got '%.64s'", filter);
    struct acl_rule *rule = make_rule(acl, filter, grants, pattern);
    if (rule == NULL)
        return line_file_fail(f, "out of memory");
    if (pattern)
        rules = &acl->patterns;
    list_add(grants == 0 ? &rules->denies : &rules->grants, rule);
    return true;
}

/* `current` is whose rules the topic lines are. */
static bool parse_line(struct acl *acl, struct line_file *f, char *line, struct acl_rules **current)
{
    char *rest = cut_word(line);
    bool is_user = strcmp(line, "user") == 0;
    bool is_topic = strcmp(line, "topic") == 0;
    if (!is_user && !is_topic && strcmp(line, "pattern") != 0)
        return line_file_fail(f, "expected topic, pattern or user, got '%.64s'", line);
    if (rest[0] == '\0')
        return line_file_fail(f, "expected a %s after '%s'", is_user ? "name" : "topic filter",
                              line);
    if (is_user && !mqtt_utf8_valid((const uint8_t *)rest, strlen(rest)))
        return line_file_fail(f, "expected a user name in UTF-8");
    if (!is_user)
        return parse_rule(acl, is_topic ? *current : NULL, f, rest);
    *current = rules_of(acl, rest);
    return *current != NULL || line_file_fail(f, "out of memory");
}

/* For what is put together while a question is answered. */
static bool make_room(struct acl *acl)
{
    acl->spelled = malloc(ACL_TOPIC_MAX_BYTES);
    acl->met = malloc((size_t)2 * ACL_TOPIC_MAX_BYTES + 1);
    return acl->spelled != NULL && acl->met != NULL;
}

struct acl *acl_load(const char *path, char *err, size_t errlen)
{
    struct acl *acl = calloc(1, sizeof(*acl));
    struct acl_rules *current = acl != NULL ? &acl->anonymous : NULL;
    struct line_file f;
    bool ok = line_file_open(&f, path, err, errlen);
    if (ok && !(acl != NULL && make_room(acl)))
        ok = line_file_fail(&f, "out of memory");
    for (char *line; ok && (line = line_file_next(&f)) != NULL;)
        ok = parse_line(acl, &f, line, &current);
    ok = ok && line_file_ok(&f);
    line_file_fini(&f);
    if (ok)
        return acl;
    acl_free(acl);
    return NULL;
}

/* ---- checking -------------------------------------------------------------------------------- */

/* '+' and '#' would match other clients' levels, '/' would make levels of its own. */
static bool reaches_beyond(struct mqtt_slice name)
{
    return memchr(name.data, '+', name.len) != NULL || memchr(name.data, '#', name.len) != NULL ||
           memchr(name.data, '/', name.len) != NULL;
}

static bool is_usable(struct mqtt_slice name, bool for_grant)
{
    return name.len > 0 && !(for_grant && reaches_beyond(name));
}

/* The pattern with the client's names put in; an empty slice when there is no such filter. */
static struct mqtt_slice spell(struct acl *acl, const struct acl_rule *rule,
                               const struct acl_asker *who)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < rule->len; i++) {
        struct mqtt_slice piece = {(const uint8_t *)rule->filter + i, 1};
        if (strncmp(rule->filter + i, "%c", 2) == 0)
            piece = who->client_id;
        else if (strncmp(rule->filter + i, "%u", 2) == 0)
            piece = who->username;
        if (piece.len > ACL_TOPIC_MAX_BYTES - used)
            return (struct mqtt_slice){NULL, 0};
        memcpy(acl->spelled + used, piece.data, piece.len);
        used += piece.len;
        if (piece.data != (const uint8_t *)rule->filter + i)
            i++; /* the placeholder's second letter */
    }
    if (!mqtt_topic_filter_valid(acl->spelled, used))
        return (struct mqtt_slice){NULL, 0};
    return (struct mqtt_slice){acl->spelled, used};
}

struct mqtt_slice acl_rule_filter(struct acl *acl, const struct acl_rule *rule,
                                  const struct acl_asker *who)
{
    static const struct mqtt_slice none = {NULL, 0};
    bool for_grant = rule->grants != 0;
    if (!rule->has_id && !rule->has_name)
        return (struct mqtt_slice){(const uint8_t *)rule->filter, rule->len};
    if ((rule->has_id && !is_usable(who->client_id, for_grant)) ||
        (rule->has_name && !is_usable(who->username, for_grant)))
        return none;
    struct mqtt_slice filter = spell(acl, rule, who);
    bool gets_dollar = filter.len > 0 && filter.data[0] == '$' && rule->filter[0] != '$';
    return for_grant && gets_dollar ? none : filter;
}

static bool rule_covers(struct acl *acl, const struct acl_rule *rule, const struct acl_asker *who)
{
    if (who->topic.len < rule->prefix || memcmp(who->topic.data, rule->filter, rule->prefix) != 0)
        return false;
    struct mqtt_slice filter = acl_rule_filter(acl, rule, who);
    return filter.len > 0 && mqtt_filter_matches(filter, who->topic);
}

static bool list_covers(struct acl *acl, const struct acl_rule_list *list,
                        const struct acl_asker *who, unsigned access)
{
    for (const struct acl_rule *rule = list->first; rule != NULL; rule = rule->next) {
        if ((rule->grants == 0 || (rule->grants & access) != 0) && rule_covers(acl, rule, who))
            return true;
    }
    return false;
}

const struct acl_rules *acl_rules_of(const struct acl *acl, const struct acl_asker *who)
{
    static const struct acl_rules none;
    if (who->username.len == 0)
        return &acl->anonymous;
    const struct acl_user *u = find_user(acl, who->username.data, who->username.len);
    return u != NULL ? &u->rules : &none;
}

bool acl_allows(struct acl *acl, struct mqtt_slice username, struct mqtt_slice client_id,
                struct mqtt_slice topic, enum acl_access access)
{
    const struct acl_asker who = {username, client_id, topic};
    if (topic.len == 0)
        return false;
    const struct acl_rules *own = acl_rules_of(acl, &who);
    if (list_covers(acl, &own->denies, &who, access) ||
        list_covers(acl, &acl->patterns.denies, &who, access))
        return false;
    return list_covers(acl, &own->grants, &who, access) ||
           list_covers(acl, &acl->patterns.grants, &who, access);
}
