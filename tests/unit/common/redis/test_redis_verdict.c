/* redis_verdict: which replies are answers, which are messages, and which end the connection. */
#include "common/redis/redis_verdict.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Redis' bytes as hiredis parses them. */
static enum redis_verdict verdict(const char *bytes, bool pubsub, bool may_skip)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    assert_int_equal(redisReaderFeed(reader, bytes, strlen(bytes)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    enum redis_verdict v = redis_verdict_of(reply, pubsub, may_skip);
    freeReplyObject(reply);
    redisReaderFree(reader);
    return v;
}

static void ordinary_replies_and_errors_are_answers(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "+OK\r\n",
        ":7\r\n",
        "$-1\r\n",
        "$7\r\nLOADING\r\n",
        "*0\r\n",
        "-ERR unknown command\r\n",
        "-WRONGTYPE Operation against a key\r\n",
        "-OOM command not allowed\r\n",
        "-BUSYGROUP Consumer Group name already exists\r\n",
        "-BUSYKEY Target key name already exists.\r\n",
        "-NOPERM this user has no permissions to run the 'get' command\r\n",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_int_equal(verdict(answers[i], false, true), REDIS_VERDICT_ANSWER);
}

static void what_the_server_cannot_do_now_comes_later(void **state)
{
    (void)state;
    static const char *const later[] = {
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-BUSY Redis is busy running a script.\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-MISCONF Redis is configured to save RDB snapshots\r\n",
        "-NOAUTH Authentication required.\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
        "-UNKILLABLE Sorry the script already executed write commands\r\n",
    };
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        assert_int_equal(verdict(later[i], false, false), REDIS_VERDICT_LATER);
}

static void missing_scripts_are_loaded(void **state)
{
    (void)state;
    assert_int_equal(verdict("-NOSCRIPT No matching script.\r\n", false, false),
                     REDIS_VERDICT_SCRIPTS);
}

static void a_refused_skip_ends_the_connection_where_it_is_in_use(void **state)
{
    (void)state;
    static const char refused[] =
        "-NOPERM this user has no permissions to run the 'client|reply' command\r\n";
    assert_int_equal(verdict(refused, false, true), REDIS_VERDICT_LATER);
    assert_int_equal(verdict(refused, false, false), REDIS_VERDICT_ANSWER);
}

static void messages_come_only_where_channels_are_listened_to(void **state)
{
    (void)state;
    static const char message[] = "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$5\r\nhello\r\n";
    assert_int_equal(verdict(message, true, false), REDIS_VERDICT_MESSAGE);
    assert_int_equal(verdict(message, false, false), REDIS_VERDICT_ANSWER);
    assert_int_equal(verdict("*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n", true, false),
                     REDIS_VERDICT_ANSWER);
    assert_int_equal(verdict("*3\r\n:1\r\n:2\r\n:3\r\n", true, false), REDIS_VERDICT_ANSWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_replies_and_errors_are_answers),
        cmocka_unit_test(what_the_server_cannot_do_now_comes_later),
        cmocka_unit_test(missing_scripts_are_loaded),
        cmocka_unit_test(a_refused_skip_ends_the_connection_where_it_is_in_use),
        cmocka_unit_test(messages_come_only_where_channels_are_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
