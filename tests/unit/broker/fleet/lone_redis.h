/*
 * lone_redis - Redis under a lone node: the test reads each command and answers it (lone_node.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_REDIS_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_REDIS_H

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/unit/broker/fleet/lone_types.h"

static inline size_t lone_count(const struct lone_node *n)
{
    return n->f.q->count;
}

static inline void lone_put_word(char *out, const char *word, size_t len)
{
    size_t at = strlen(out);
    if (at + 8 >= LONE_TEXT)
        return; /* enough to tell them apart */
    if (at > 0)
        out[at++] = ' ';
    if (len == 0)
        at += (size_t)sprintf(out + at, "''");
    for (size_t i = 0; i < len && at + 8 < LONE_TEXT; i++) {
        unsigned char c = (unsigned char)word[i];
        if (c > ' ' && c < 0x7f)
            out[at++] = (char)c;
        else
            at += (size_t)sprintf(out + at, "\\%02x", c);
        if (c == '{' && i + 2 < len && strchr("stg", word[i + 1]) != NULL &&
            isdigit((unsigned char)word[i + 2])) {
            out[at++] = word[i + 1];
            i += 1 + strspn(word + i + 2, "0123456789");
        }
    }
    out[at] = '\0';
}

/* The arguments of a command that isn't answered: 0 is the oldest. */
static inline struct redis_args lone_args(const struct lone_node *n, size_t number)
{
    const struct redis_queue *q = n->f.q;
    char *at = q->bytes + q->start;
    size_t i;
    assert_true(number < q->count);
    for (i = 0; i < number; i++)
        at += q->ring[(q->head + i) & (q->ring_size - 1)].bytes;
    i = q->ring[(q->head + number) & (q->ring_size - 1)].bytes;
    return (struct redis_args){.at = memchr(at, '$', i), .end = at + i};
}

static inline const char *lone_command(const struct lone_node *n, size_t number)
{
    static char text[LONE_TEXT];
    struct redis_args args = lone_args(n, number);
    size_t len;
    const char *word = redis_args_next(&args, &len);
    text[0] = '\0';
    if (len == 7 && memcmp(word, "EVALSHA", 7) == 0) {
        word = scripts_name(&n->f.scripts, redis_args_next(&args, &len));
        assert_non_null(word);
        lone_put_word(text, word, strlen(word));
        redis_args_next(&args, &len);
    } else {
        lone_put_word(text, word, len);
    }
    while ((word = redis_args_next(&args, &len)) != NULL)
        lone_put_word(text, word, len);
    return text;
}

/* NULL: there won't be an answer. */
static inline void lone_answer(struct lone_node *n, const redisReply *r)
{
    size_t len;
    redis_queue_unwritten(n->f.q, &len);
    redis_queue_wrote(n->f.q, len);
    assert_true(redis_queue_answer(n->f.q, r));
}

#define redis_gets(n, text) assert_string_equal(lone_command(n, 0), text)
#define redis_gets_first(n, begin)                                                                 \
    assert_int_equal(strncmp(lone_command(n, 0), begin, strlen(begin)), 0)
#define redis_gets_nothing(n) assert_int_equal(lone_count(n), 0)
#define redis_says(n, ...) lone_answer(n, reply(__VA_ARGS__))
#define redis_says_nothing(n) lone_answer(n, NULL)

static inline bool lone_greeted(void *arg, struct redis_link *l,
                                const struct redis_server_info *info)
{
    (void)arg, (void)l, (void)info;
    return true;
}

/* What is said before the link is up, whatever was asked: a name, CLIENT REPLY (not allowed), an id,
 * twice INFO. */
static inline void lone_greet(struct lone_node *n, int listener)
{
    static const char answers[] = "+OK\r\n:0\r\n:1\r\n$0\r\n\r\n$0\r\n\r\n";
    uint64_t end_ms = clock_monotonic_ms() + 10000;
    char asked[1024];
    int fd = -1;
    for (bool said = false; !redis_link_is_up(n->f.commands);) {
        uint64_t now_ms = clock_monotonic_ms();
        assert_true(now_ms < end_ms);
        event_base_loop(n->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        redis_link_input(n->f.commands, now_ms, NULL);
        redis_link_flush(n->f.commands, now_ms);
        if (fd < 0)
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0 && !said && read(fd, asked, sizeof(asked)) > 0)
            said = write(fd, answers, sizeof(answers) - 1) > 0;
    }
    close(fd);
}

static inline void lone_open_link(struct lone_node *n)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct redis_link_config cfg = {.name = "test",
                                    .url = &n->f.url,
                                    .connect_timeout_ms = 10000,
                                    .command_timeout_ms = 10000,
                                    .backoff_min_ms = 10,
                                    .backoff_max_ms = 10,
                                    .greeted = lone_greeted};
    char url[64];
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", ntohs(a.sin_port));
    assert_null(redis_url_parse(url, &n->f.url));
    n->f.commands = redis_link_new(n->base, &cfg);
    assert_non_null(n->f.commands);
    lone_greet(n, listener);
    close(listener);
    n->f.q = redis_link_queue(n->f.commands);
    n->f.channel = n->f.replica_link = n->f.commands;
}

/* What wasn't answered is kept, and nothing is written. */
static inline void lone_lose_link(struct lone_node *n)
{
    redis_link_leave(n->f.commands, "test");
    assert_false(redis_link_is_up(n->f.commands));
}

#endif
