/*
 * heart_stub - stands in for heart.c where Redis is redis_stub.h: without a thread, a beat is sent when the loop looks
 * whether one was answered, and the model answers at once. To be included by one file of a target.
 *
 * What goes wrong, the target says: `unsure` (no beat is answered), `dead` (another node, which is gone again, declares
 * this one dead before its next beat: whoever comes next, this one under another name, reaps it).
 */
#ifndef FLOTILLA_TESTS_FUZZ_HEART_STUB_H
#define FLOTILLA_TESTS_FUZZ_HEART_STUB_H

#include "broker/fleet/lease/heart.h"
#include "broker/fleet/lease/lease.h"
#include "broker/fleet/lease/watch.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "tests/fuzz/redis_stub.h"

static struct heart_stub {
    bool unsure, dead;
} heart_stub;

struct heart {
    struct heart_config cfg;
    uint64_t node, applied;
    char hex[FLEET_HEX_SIZE], generation[24];
    struct lease lease;
    struct watch watch;
};

struct heart *heart_new(const struct heart_config *cfg)
{
    struct heart *h = calloc(1, sizeof(*h));
    if (h != NULL)
        h->cfg = *cfg;
    return h;
}

void heart_free(struct heart *h)
{
    if (h != NULL)
        watch_fini(&h->watch);
    free(h);
}

void heart_begin(struct heart *h, uint64_t node, uint64_t sent_ms)
{
    h->node = node;
    h->generation[0] = '\0';
    fleet_hex(node, h->hex);
    watch_forget(&h->watch);
    lease_start(&h->lease, h->cfg.lease_ms, h->cfg.interval_ms, sent_ms);
}

void heart_end(struct heart *h)
{
    h->node = 0;
    h->lease.alive_ms = 0;
}

void heart_turned(struct heart *h, uint64_t applied)
{
    h->applied = applied;
}

bool heart_is_unsure(const struct heart *h, uint64_t now_ms)
{
    return heart_stub.unsure || lease_is_unsure(&h->lease, now_ms);
}

uint64_t heart_alive_ms(const struct heart *h)
{
    return h->lease.alive_ms;
}

unsigned heart_connects(const struct heart *h)
{
    (void)h;
    return 1;
}

static struct mqtt_slice heart_word(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

/* A script of the model, of the fleet's key. The caller frees the answer. */
static redisReply *heart_ask(struct heart *h, enum script script, const struct mqtt_slice *args,
                             int count)
{
    lua_State *lua = redis_stub.lua;
    const struct mqtt_slice words[] = {heart_word("EVALSHA"),
                                       heart_word(h->cfg.scripts->sha[script]), heart_word("1"),
                                       heart_word(h->cfg.prefix)};
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    size_t len;
    stub_set_now();
    lua_newtable(lua);
    for (int i = 0; i < WORDS + count; i++) {
        const struct mqtt_slice *word = i < WORDS ? &words[i] : &args[i - WORDS];
        lua_pushlstring(lua, (const char *)word->data, word->len);
        lua_rawseti(lua, -2, i + 1);
    }
    stub_call("run", 1, 2);
    const char *answer = lua_tolstring(lua, -2, &len);
    stub_must(!lua_toboolean(lua, -1), answer);
    stub_must(redisReaderFeed(reader, answer, len) == REDIS_OK &&
                  redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL,
              "a beat without an answer");
    redisReaderFree(reader);
    lua_pop(lua, 2);
    return reply;
}

static void heart_declare_dead(struct heart *h)
{
    static const char observer[] = "00000000000000ff";
    struct fleet_bytes entry = {0};
    fleet_entry_dead(&entry, h->node);
    const struct mqtt_slice args[] = {heart_word(h->hex), heart_word(""), heart_word(observer),
                                      mqtt_slice_of(entry.data, entry.len)};
    freeReplyObject(heart_ask(h, SCRIPT_KILL, args, 4));
    fleet_bytes_fini(&entry);
}

static void heart_take_alive(struct heart *h, const redisReply *r, struct heart_report *out)
{
    watch_begin(&h->watch, out->sent_ms, strtoull(r->element[2]->str, NULL, 10));
    stub_must(heart_report_see(out, r->element[4], &h->watch, &h->lease, out->sent_ms) &&
                  heart_report_take(out, r->element[5], r->element[6]),
              "out of memory");
    watch_end(&h->watch);
    if (out->listed)
        snprintf(h->generation, sizeof(h->generation), "%s", r->element[3]->str);
}

static void heart_beat(struct heart *h, uint64_t now_ms, struct heart_report *out)
{
    char old[24];
    snprintf(old, sizeof(old), "%llu", (unsigned long long)h->cfg.interval_ms * 3 / 2);
    const struct mqtt_slice args[] = {heart_word(h->hex), heart_word(old),
                                      heart_word(h->generation)};
    lease_beat_sent(&h->lease, now_ms);
    redisReply *r = heart_ask(h, SCRIPT_BEAT, args, 3);
    const char *word = r->element[0]->str;
    *out = (struct heart_report){.node = h->node, .applied = h->applied, .sent_ms = now_ms};
    snprintf(out->run_id, sizeof(out->run_id), "%s", stub_run_id());
    if (r->elements > 1)
        out->ver = strtoull(r->element[1]->str, NULL, 10);
    out->word = strcmp(word, "dead") == 0    ? HEART_DEAD
                : strcmp(word, "alive") == 0 ? HEART_ALIVE
                                             : HEART_UNKNOWN;
    if (out->word != HEART_DEAD)
        lease_beat_answered(&h->lease, now_ms);
    if (out->word == HEART_ALIVE)
        heart_take_alive(h, r, out);
    freeReplyObject(r);
}

bool heart_take(struct heart *h, struct heart_report *out)
{
    uint64_t now_ms = clock_boottime_ms();
    *out = (struct heart_report){0};
    if (h->node == 0 || heart_stub.unsure || redis_stub.away)
        return false;
    if (!heart_stub.dead && !lease_beat_is_due(&h->lease, now_ms))
        return false;
    if (heart_stub.dead)
        heart_declare_dead(h);
    heart_stub.dead = false;
    heart_beat(h, now_ms, out);
    return true;
}

#endif
