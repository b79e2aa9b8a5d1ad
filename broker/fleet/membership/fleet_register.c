/* Asks register.lua until there is no cut that this node doesn't know of; closes earlier connections;
 * hands what was taken to fleet_taken.c. */
#include "broker/fleet/membership/fleet_register.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/membership/fleet_taken_apply.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "common/log/log.h"

/*     begin ──► asked ──► done, or failed: the connection is left
 *       ▲        ▲         │
 *       │        └─────────┤ there are more cuts than one answer holds
 *       └──────────────────┘ another connection, also when this one failed */
enum register_state { REGISTER_BEGIN, REGISTER_ASKED, REGISTER_DONE, REGISTER_FAILED };
#define REGISTER_STATES (REGISTER_FAILED + 1)

struct fleet_registration {
    enum register_state state; /* register_enter alone sets it */
    uint64_t connection;       /* the id of `commands` at Redis, 0: unknown */
    uint64_t cut;              /* the last one that this node knows of */
    bool other_run;            /* of Redis, than the one that was spoken with before */
    bool warned;               /* of the right to kill that isn't there */
};

bool fleet_register_init(struct fleet *f)
{
    f->registration = calloc(1, sizeof(*f->registration));
    return f->registration != NULL;
}

void fleet_register_free(struct fleet *f)
{
    free(f->registration);
    f->registration = NULL;
}

/* Which may follow: bits. */
static const unsigned next[REGISTER_STATES] = {
    [REGISTER_BEGIN] = 1u << REGISTER_ASKED | 1u << REGISTER_BEGIN,
    [REGISTER_ASKED] = 1u << REGISTER_DONE | 1u << REGISTER_FAILED,
    [REGISTER_DONE] = 1u << REGISTER_ASKED | 1u << REGISTER_BEGIN,
    [REGISTER_FAILED] = 1u << REGISTER_BEGIN,
};

static void register_enter(struct fleet *f, enum register_state state)
{
    bool may_follow = (next[f->registration->state] & (1u << state)) != 0;
    assert(may_follow);
    (void)may_follow;
    f->registration->state = state;
}

void fleet_register_new_id(struct fleet *f)
{
    *f->registration = (struct fleet_registration){.connection = f->registration->connection,
                                                   .warned = f->registration->warned};
}

static struct redis_queue *out(struct fleet *f)
{
    return redis_link_greeting(f->commands);
}

void fleet_register_begin(struct fleet *f, uint64_t connection, bool other_run)
{
    f->registration->other_run = other_run;
    register_enter(f, REGISTER_BEGIN);
    f->registration->connection = connection;
}

/* ---- may this user close connections? -------------------------------------------------------- */

static void on_may_kill(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (r == NULL)
        return;
    f->may_kill = r->type == REDIS_REPLY_INTEGER && f->registration->connection != 0;
    metric_set(f->metrics.cannot_cut, !f->may_kill);
    if (!f->may_kill && !f->registration->warned)
        LOG_WARN("redis_user_may_not_kill",
                 KV_STR("err", r->type == REDIS_REPLY_ERROR ? r->str : "CLIENT ID is refused"),
                 KV_STR("needed", "+client|id +client|kill in the ACL of the brokers' user"),
                 KV_STR("effect",
                        "clients of a broker that stands still wait for most of its lease "
                        "before they can connect elsewhere"));
    f->registration->warned = !f->may_kill;
}

/* Closes nobody: there is no such id. */
static void ask_may_kill(struct fleet *f)
{
    redis_queue_begin(out(f), 4);
    redis_queue_str(out(f), "CLIENT");
    redis_queue_str(out(f), "KILL");
    redis_queue_str(out(f), "ID");
    redis_queue_u64(out(f), INT64_MAX);
    redis_queue_end(out(f), REDIS_VOLATILE, on_may_kill, f);
}

/* ---- whose are the clients that publish, or whose wills are published? ------------------------ */

struct owner_question {
    struct fleet *f;
    uint64_t epoch;
    size_t len;
    char client[];
};

static void on_epoch(void *arg, const redisReply *r)
{
    struct owner_question *q = arg;
    uint64_t epoch = r != NULL && r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
    if (epoch > q->epoch)
        fleet_taken_add(q->f, q->client, q->len, q->epoch);
    free(q);
}

static void ask_whose(struct fleet *f, struct fleet_session_ref session)
{
    struct owner_question *q = malloc(sizeof(*q) + session.client.len);
    const char *id = (const char *)session.client.data;
    struct fleet_key key =
        fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, id, session.client.len));
    struct fleet_bytes name = {0};
    if (q == NULL)
        return;
    q->f = f;
    q->epoch = session.epoch;
    q->len = session.client.len;
    memcpy(q->client, id, q->len);
    fleet_bytes_put(&name, "s:", 2);
    fleet_bytes_put(&name, q->client, q->len);
    redis_queue_begin(out(f), 3);
    redis_queue_str(out(f), "HGET");
    redis_queue_arg2(out(f), key.text, strlen(key.text), name.data, name.len);
    redis_queue_str(out(f), "epoch");
    redis_queue_end(out(f), REDIS_VOLATILE, on_epoch, q);
    fleet_bytes_fini(&name);
}

/* Their publishes would be replayed before they are asserted (rule 9). */
static void ask_about_publishers(struct fleet *f)
{
    for (const struct fleet_hold *h = f->holds->first; h != NULL; h = h->next)
        if (h->publishes != NULL && h->hold->epoch != 0)
            ask_whose(f, (struct fleet_session_ref){
                             .client = {.data = (const uint8_t *)h->hold->client_id,
                                        .len = h->hold->client_id_len},
                             .epoch = h->hold->epoch});
    fleet_wills_each(f, ask_whose);
}

/* ---- registering ----------------------------------------------------------------------------- */

static void forget_connection(struct fleet *f, const redisReply *id)
{
    struct fleet_key key = fleet_key_node(&f->keys, f->id);
    char field[64];
    snprintf(field, sizeof(field), "c:%s:%s", f->run_tag, id->str);
    redis_queue_begin(out(f), 4);
    redis_queue_str(out(f), "CLIENT");
    redis_queue_str(out(f), "KILL");
    redis_queue_str(out(f), "ID");
    redis_queue_arg(out(f), id->str, id->len);
    redis_queue_end(out(f), REDIS_VOLATILE, NULL, NULL);
    redis_queue_begin(out(f), 3);
    redis_queue_str(out(f), "HDEL");
    redis_queue_arg2(out(f), key.text, strlen(key.text), "link", 4);
    redis_queue_str(out(f), field);
    redis_queue_end(out(f), REDIS_VOLATILE, NULL, NULL);
}

/* "<number> <client, epoch, ...>" */
static void take_cut(struct fleet *f, const redisReply *cut)
{
    char *end;
    uint64_t number = strtoull(cut->str, &end, 10);
    if (*end != ' ' || number <= f->registration->cut)
        return;
    f->registration->cut = number;
    end++;
    fleet_taken_note(f, end, cut->len - (size_t)(end - cut->str));
}

static void ask(struct fleet *f);

/* {'dead'} or {'ok', last cut, more, {earlier connections}, {cuts}} */
static void on_registered(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements == 0) {
        register_enter(f, REGISTER_FAILED);
        if (r != NULL)
            LOG_LIMITED(LOG_LEVEL_ERROR, "redis_error", KV_STR("err", r->str));
        return;
    }
    register_enter(f, REGISTER_DONE);
    if (strcmp(r->element[0]->str, "dead") == 0) {
        LOG_WARN("node_was_declared_dead", KV_STR("node", f->hex));
        fleet_declared_dead(f);
        return;
    }
    for (size_t i = 0; f->may_kill && i < r->element[3]->elements; i++)
        forget_connection(f, r->element[3]->element[i]);
    for (size_t i = 0; i < r->element[4]->elements; i++)
        take_cut(f, r->element[4]->element[i]);
    if (r->element[2]->integer == 1)
        ask(f);
}

static void ask(struct fleet *f)
{
    struct fleet_key key = fleet_key_node(&f->keys, f->id);
    register_enter(f, REGISTER_ASKED);
    scripts_begin(&f->scripts, out(f), SCRIPT_REGISTER, key.text, 4);
    redis_queue_str(out(f), f->run_tag);
    redis_queue_u64(out(f), f->registration->connection);
    redis_queue_u64(out(f), f->registration->cut);
    redis_queue_str(out(f), fleet_is_joined(f) ? "1" : "0");
    redis_queue_end(out(f), REDIS_VOLATILE, on_registered, f);
}

bool fleet_register_enter(struct fleet *f)
{
    if (f->registration->state == REGISTER_BEGIN) {
        ask_may_kill(f);
        ask(f);
        if (f->registration->other_run)
            ask_about_publishers(f);
        return true;
    }
    if (f->registration->state != REGISTER_DONE)
        return false;
    if (out(f)->count == 0 && f->state != FLEET_DEAD)
        fleet_taken_apply(f);
    return true;
}

void fleet_register_keep(struct fleet *f)
{
    struct fleet_key key = fleet_key_node(&f->keys, f->id);
    char field[64];
    snprintf(field, sizeof(field), "c:%s:%" PRIu64, f->run_tag, f->registration->connection);
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "HSET");
    redis_queue_arg2(f->q, key.text, strlen(key.text), "link", 4);
    redis_queue_str(f->q, field);
    redis_queue_str(f->q, "1");
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "PERSIST");
    redis_queue_arg2(f->q, key.text, strlen(key.text), "link", 4);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}
