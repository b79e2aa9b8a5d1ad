/* scripts: all are in the program, Redis knows each by its digest, and a call is written as EVALSHA. */
#include "broker/fleet/wire/scripts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void each_script_is_built_in_and_known_by_its_digest(void **state)
{
    struct scripts s;
    (void)state;
    assert_true(scripts_init(&s));
    assert_int_equal(script_source_count, SCRIPT_COUNT); /* no file that nobody calls */
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        assert_true(s.text[i].len > 0);
        assert_int_equal(strlen(s.sha[i]), 40);
        assert_int_equal(strspn(s.sha[i], "0123456789abcdef"), 40);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(s.sha[i], s.sha[k]);
    }
}

static void a_digest_has_its_scripts_name(void **state)
{
    struct scripts s;
    (void)state;
    assert_true(scripts_init(&s));
    assert_string_equal(scripts_name(&s, s.sha[SCRIPT_ACK]), "ack");
    assert_string_equal(scripts_name(&s, s.sha[SCRIPT_QOS2_END]), "qos2_end");
    assert_string_equal(scripts_name(&s, s.sha[SCRIPT_WILL_CLEAR]), "will_clear");
    assert_null(scripts_name(&s, "0123456789012345678901234567890123456789"));
}

/* A call of two arguments behind another command. */
static void begin_call(struct redis_queue *q, const struct scripts *s)
{
    redis_queue_begin(q, 1);
    redis_queue_str(q, "PING");
    redis_queue_end(q, REDIS_REPLAY, NULL, NULL);
    scripts_begin(s, q, SCRIPT_END_LOGGED, "fl:{s1}:", 2);
    redis_queue_str(q, "first");
    redis_queue_str(q, "abcdefgh");
}

static void a_call_has_the_digest_one_key_and_the_arguments(void **state)
{
    struct redis_queue q = {0};
    struct scripts s;
    char expected[200];
    (void)state;
    assert_true(scripts_init(&s));
    begin_call(&q, &s);
    snprintf(expected, sizeof(expected),
             "*1\r\n$4\r\nPING\r\n*6\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n1\r\n"
             "$8\r\nfl:{s1}:\r\n$5\r\nfirst\r\n$8\r\nabcdefgh\r\n",
             s.sha[SCRIPT_END_LOGGED]);
    assert_int_equal(redis_queue_bytes(&q), strlen(expected));
    assert_memory_equal(q.bytes, expected, strlen(expected));
    redis_queue_end(&q, REDIS_REPLAY, NULL, NULL);
    redis_queue_reset(&q);
    redis_queue_fini(&q);
}

struct change {
    size_t number;
    const char *text;
};

static void on_reply(void *arg, const struct redisReply *r)
{
    (void)arg, (void)r;
}

static void change(void *each_arg, void *arg, struct redis_args args)
{
    const struct change *c = each_arg;
    (void)arg;
    scripts_end_arg(args, c->number, c->text);
}

static void assert_changed_to(struct change c, const char *expected)
{
    struct redis_queue q = {0};
    struct scripts s;
    size_t len = strlen(expected);
    assert_true(scripts_init(&s));
    begin_call(&q, &s);
    redis_queue_end(&q, REDIS_REPLAY, on_reply, NULL);
    redis_queue_each(&q, on_reply, change, &c);
    assert_memory_equal(q.bytes + redis_queue_bytes(&q) - len, expected, len);
    redis_queue_reset(&q);
    redis_queue_fini(&q);
}

static void an_arguments_end_can_be_changed_where_it_stands(void **state)
{
    (void)state;
    assert_changed_to((struct change){2, "XYZ"}, "first\r\n$8\r\nabcdeXYZ\r\n");
    assert_changed_to((struct change){2, "ABCDEFGH"}, "first\r\n$8\r\nABCDEFGH\r\n");
    assert_changed_to((struct change){1, "ST"}, "firST\r\n$8\r\nabcdefgh\r\n");
}

/* There is no such argument, or it is too short for the text. */
static void what_doesnt_fit_is_left_as_it_is(void **state)
{
    (void)state;
    assert_changed_to((struct change){2, "ABCDEFGHI"}, "first\r\n$8\r\nabcdefgh\r\n");
    assert_changed_to((struct change){3, "X"}, "first\r\n$8\r\nabcdefgh\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_script_is_built_in_and_known_by_its_digest),
        cmocka_unit_test(a_digest_has_its_scripts_name),
        cmocka_unit_test(a_call_has_the_digest_one_key_and_the_arguments),
        cmocka_unit_test(an_arguments_end_can_be_changed_where_it_stands),
        cmocka_unit_test(what_doesnt_fit_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
