/*
 * One block of records, one after another as the file has them, and an open-addressing index of
 * their places: a million users are loaded in a second and freed at once.
 */
#include "broker/auth/files/passwd.h"

#include "broker/auth/files/line_file.h"
#include "broker/auth/scram/saslprep.h"
#include "broker/auth/scram/scram_keys.h"
#include "common/base/hash.h"
#include "common/process/secret_memory.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 65535, /* of a string in MQTT */
    FIRST_INDEX = 64,
    FIRST_BLOCK = 64 * 1024,
    PLACE_BYTES = 8, /* records begin at multiples of it */
};

/* Followed by the salt and the name. */
struct record {
    uint64_t name_hash;
    uint64_t stamp;
    uint32_t line;
    uint32_t iterations;
    uint32_t memory_kib;
    uint16_t name_len;
    uint8_t lanes, hash_len, salt_len, scram;
    uint8_t hash[PASSWD_HASH_BYTES];
    uint8_t bytes[];
};

struct passwd {
    uint64_t hash_key;
    uint8_t *block;
    size_t block_size, block_used;
    uint32_t *index; /* a record's place / PLACE_BYTES + 1; 0: free */
    size_t index_size, count;
    uint32_t most_iterations;
    uint32_t scram_iterations;        /* of the first user who has keys for SCRAM; 0: nobody */
    uint8_t make_up[SCRAM_KEY_BYTES]; /* follows from all lines */
};

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t name_hash(const struct passwd *p, struct mqtt_slice name)
{
    return hash_bytes(p->hash_key, name.data, name.len);
}

static struct record *record_at(const struct passwd *p, uint32_t place)
{
    return (struct record *)(void *)(p->block + (size_t)(place - 1) * PLACE_BYTES);
}

static bool has_name(const struct record *r, struct mqtt_slice name)
{
    return r->name_len == name.len && memcmp(r->bytes + r->salt_len, name.data, name.len) == 0;
}

/* Where the index has a record of this hash, or would have it. `name` NULL: any name will do. */
static size_t find_slot(const struct passwd *p, uint64_t hash, const struct mqtt_slice *name)
{
    size_t at = hash & (p->index_size - 1);
    for (; p->index[at] != 0; at = (at + 1) & (p->index_size - 1)) {
        const struct record *r = record_at(p, p->index[at]);
        if (r->name_hash == hash && (name == NULL || has_name(r, *name)))
            break;
    }
    return at;
}

static const struct record *find(const struct passwd *p, struct mqtt_slice name)
{
    if (p == NULL)
        return NULL;
    uint32_t place = p->index[find_slot(p, name_hash(p, name), &name)];
    return place != 0 ? record_at(p, place) : NULL;
}

static bool grow_index(struct passwd *p)
{
    struct passwd grown = *p;
    grown.index_size = p->index_size > 0 ? p->index_size * 2 : FIRST_INDEX;
    grown.index = calloc(grown.index_size, sizeof(*grown.index));
    if (grown.index == NULL)
        return false;
    for (size_t i = 0; i < p->index_size; i++) {
        if (p->index[i] == 0)
            continue;
        size_t at = record_at(p, p->index[i])->name_hash & (grown.index_size - 1);
        while (grown.index[at] != 0)
            at = (at + 1) & (grown.index_size - 1);
        grown.index[at] = p->index[i];
    }
    free(p->index);
    *p = grown;
    return true;
}

/* The place of a new record of this size; 0 when out of memory. */
static uint32_t make_room(struct passwd *p, size_t size)
{
    size_t at = p->block_used;
    size_t used = at + (size + PLACE_BYTES - 1) / PLACE_BYTES * PLACE_BYTES;
    while (used > p->block_size) {
        uint8_t *block = secret_memory_grow(p->block, p->block_size, p->block_size * 2);
        if (block == NULL)
            return 0;
        p->block = block;
        p->block_size *= 2;
    }
    p->block_used = used;
    return (uint32_t)(at / PLACE_BYTES) + 1;
}

/* The user's stamp, which also goes into what keys are made up from: brokers with the same file then make up the
 * same ones, and nobody who doesn't have the file can. */
static uint64_t make_stamp(struct passwd *p, const struct passwd_secret *s)
{
    uint8_t digests[sizeof(p->make_up) + SHA256_DIGEST_LENGTH];
    memcpy(digests, p->make_up, sizeof(p->make_up));
    uint8_t *digest = digests + sizeof(p->make_up);
    SHA256((const uint8_t *)s, sizeof(*s), digest);
    SHA256(digests, sizeof(digests), p->make_up);
    uint64_t stamp;
    memcpy(&stamp, digest, sizeof(stamp));
    return stamp | 1; /* 0 means none */
}

static bool add_user(struct passwd *p, struct line_file *f, struct mqtt_slice name,
                     const struct passwd_secret *s)
{
    if ((p->count + 1) * 2 > p->index_size && !grow_index(p))
        return line_file_fail(f, "out of memory");
    uint64_t hash = name_hash(p, name);
    size_t slot = find_slot(p, hash, &name);
    if (p->index[slot] != 0)
        return line_file_fail(f, "user '%.64s' is already in line %u", (const char *)name.data,
                              record_at(p, p->index[slot])->line);
    uint32_t place = make_room(p, sizeof(struct record) + s->salt_len + name.len);
    if (place == 0)
        return line_file_fail(f, "out of memory");
    struct record *r = record_at(p, place);
    r->name_hash = hash;
    r->stamp = make_stamp(p, s);
    r->line = f->number;
    r->iterations = s->iterations;
    r->memory_kib = s->memory_kib;
    r->lanes = (uint8_t)s->lanes;
    r->hash_len = (uint8_t)s->hash_len;
    r->scram = (uint8_t)s->scram;
    r->name_len = (uint16_t)name.len;
    r->salt_len = (uint8_t)s->salt_len;
    memcpy(r->hash, s->hash, sizeof(r->hash));
    memcpy(r->bytes, s->salt, s->salt_len);
    memcpy(r->bytes + s->salt_len, name.data, name.len);
    p->index[slot] = place;
    p->count++;
    if (passwd_secret_cost(s) > p->most_iterations)
        p->most_iterations = passwd_secret_cost(s);
    if (s->scram && p->scram_iterations == 0)
        p->scram_iterations = s->iterations;
    return true;
}

/* ---- the file -------------------------------------------------------------------------------- */

const char *passwd_line_parse(char *line, struct mqtt_slice *name, struct passwd_secret *out)
{
    *name = (struct mqtt_slice){0};
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return "expected user:password";
    *colon = '\0';
    char *text = line_trim(line);
    size_t len = strlen(text);
    *name = mqtt_slice_of(text, len);
    if (len > NAME_MAX_BYTES || !mqtt_utf8_valid((const uint8_t *)text, len))
        return "expected a name of at most 65535 bytes in UTF-8";
    const char *problem = password_hash_parse(line_trim(colon + 1), out);
    if (problem == NULL && out->scram && !saslprep_is_prepared_name(*name))
        return "expected a name as SASLprep (RFC 4013) leaves it, of at most 256 bytes: no client "
               "that uses SCRAM could say another one";
    return problem;
}

static bool parse_line(struct passwd *p, struct line_file *f, char *line)
{
    struct passwd_secret secret = {0};
    struct mqtt_slice name;
    const char *problem = passwd_line_parse(line, &name, &secret);
    if (problem != NULL && name.len == 0)
        return line_file_fail(f, "%s", problem);
    if (problem != NULL)
        return line_file_fail(f, "user '%.64s': %s", (const char *)name.data, problem);
    bool added = add_user(p, f, name, &secret);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return added;
}

static bool load(struct passwd *p, const char *path, char *err, size_t errlen)
{
    struct line_file f;
    bool ok = line_file_open(&f, path, err, errlen);
    for (char *line; ok && (line = line_file_next(&f)) != NULL;)
        ok = parse_line(p, &f, line);
    ok = ok && line_file_ok(&f);
    line_file_fini(&f);
    return ok;
}

struct passwd *passwd_load(const char *path, uint64_t hash_key, char *err, size_t errlen)
{
    struct passwd *p = calloc(1, sizeof(*p));
    if (p != NULL) {
        p->hash_key = hash_key;
        p->block_size = FIRST_BLOCK;
        p->block = secret_memory_new(FIRST_BLOCK);
    }
    if (p == NULL || p->block == NULL || !grow_index(p))
        (void)snprintf(err, errlen, "%s: out of memory", path);
    else if (load(p, path, err, errlen))
        return p;
    passwd_free(p);
    return NULL;
}

void passwd_free(struct passwd *p)
{
    if (p == NULL)
        return;
    secret_memory_free(p->block, p->block_size);
    free(p->index);
    OPENSSL_cleanse(p, sizeof(*p));
    free(p);
}

/* ---- asking ---------------------------------------------------------------------------------- */

uint64_t passwd_stamp(const struct passwd *p, struct mqtt_slice username)
{
    const struct record *r = find(p, username);
    return r != NULL ? r->stamp : 0;
}

uint64_t passwd_stamp_of_hash(const struct passwd *p, uint64_t hash)
{
    if (p == NULL)
        return 0;
    uint32_t place = p->index[find_slot(p, hash, NULL)];
    return place != 0 ? record_at(p, place)->stamp : 0;
}

bool passwd_find(const struct passwd *p, struct mqtt_slice username, struct passwd_secret *out)
{
    const struct record *r = find(p, username);
    if (r == NULL)
        return false;
    out->iterations = r->iterations;
    out->memory_kib = r->memory_kib;
    out->lanes = r->lanes;
    out->hash_len = r->hash_len;
    out->scram = r->scram;
    out->salt_len = r->salt_len;
    memcpy(out->salt, r->bytes, r->salt_len);
    memcpy(out->hash, r->hash, sizeof(out->hash));
    return true;
}

uint64_t passwd_find_scram(const struct passwd *p, struct mqtt_slice username,
                           struct scram_secret *out)
{
    static const uint8_t nobody[SCRAM_KEY_BYTES];
    struct passwd_secret secret = {0};
    bool has = passwd_find(p, username, &secret) && secret.scram;
    uint32_t iterations =
        p != NULL && p->scram_iterations != 0 ? p->scram_iterations : SCRAM_ITERATIONS_USUAL;
    /* Made up for everybody, so that it takes as long. */
    bool made = scram_keys_make_up(out, p != NULL ? p->make_up : nobody, username, iterations);
    if (has)
        password_hash_to_scram(&secret, out);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return has && made ? passwd_stamp(p, username) : 0;
}

uint32_t passwd_most_iterations(const struct passwd *p)
{
    return p != NULL ? p->most_iterations : 0;
}
