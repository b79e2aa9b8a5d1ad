/* Whom the service let in, for some time. */
#include "broker/auth/http/http_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/auth/http/http_question.h"
#include "common/http/http_client.h"
#include "common/net/peer.h"

static int set_up(void **state)
{
    *state = http_memory_new();
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    http_memory_free(*state);
    return 0;
}

static struct http_login login(const char *username, const char *password, const char *client_id)
{
    struct http_login l = {.has_username = username != NULL,
                           .has_password = password != NULL,
                           .client_id = mqtt_slice_of(client_id, strlen(client_id))};
    if (username != NULL)
        l.username = mqtt_slice_of(username, strlen(username));
    if (password != NULL)
        l.password = mqtt_slice_of(password, strlen(password));
    return l;
}

static struct http_proof proof_of(struct http_memory *m, struct http_login l)
{
    struct http_proof p;
    assert_true(http_memory_prove(m, &l, &p));
    return p;
}

static void note(struct http_memory *m, struct http_proof p, const char *body, uint64_t now_ms)
{
    http_memory_note(m, &p, &(struct http_answer){.status = 200, .body = body, .len = strlen(body)},
                     now_ms);
}

static void an_answer_is_known_for_its_time(void **state)
{
    struct http_memory *m = *state;
    struct http_proof p = proof_of(m, login("alice", "secret", "c"));
    struct http_answer known;
    assert_false(http_memory_ask(m, &p, 60000, 1000, &known));
    note(m, p, "yes", 1000);
    assert_true(http_memory_ask(m, &p, 60000, 60999, &known));
    assert_int_equal(known.status, 200);
    assert_string_equal(known.body, "yes");
    assert_int_equal(known.len, 3);
    assert_false(http_memory_ask(m, &p, 60000, 61000, &known));
    assert_int_equal(http_memory_count(m), 0);
}

static void without_a_time_nothing_is_known(void **state)
{
    struct http_memory *m = *state;
    struct http_proof p = proof_of(m, login("alice", "secret", "c"));
    struct http_answer known;
    note(m, p, "yes", 1000);
    assert_false(http_memory_ask(m, &p, 0, 1000, &known));
}

static void each_part_of_a_question_counts(void **state)
{
    struct http_memory *m = *state;
    struct peer peer = {.address = {1}};
    struct http_login elsewhere = login("alice", "secret", "c");
    elsewhere.peer = &peer;
    const struct http_login all[] = {login("alice", "secret", "c"),
                                     login("alice", "secre", "tc"),
                                     login("alic", "esecret", "c"),
                                     login("alice", "Secret", "c"),
                                     login("bob", "secret", "c"),
                                     login("alice", "secret", "d"),
                                     login(NULL, "secret", "c"),
                                     login("", "secret", "c"),
                                     login("alice", NULL, "c"),
                                     login("alice", "", "c"),
                                     elsewhere};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
            struct http_proof a = proof_of(m, all[i]);
            struct http_proof b = proof_of(m, all[j]);
            assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0, i == j);
        }
    }
}

static void another_process_makes_another_proof(void **state)
{
    struct http_memory *other = http_memory_new();
    struct http_proof a = proof_of(*state, login("alice", "secret", "c"));
    struct http_proof b = proof_of(other, login("alice", "secret", "c"));
    assert_true(memcmp(&a, &b, sizeof(a)) != 0);
    http_memory_free(other);
}

static void what_is_kept_is_bounded(void **state)
{
    struct http_memory *m = *state;
    static char long_body[3000];
    struct http_answer known;
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "user-%d", i);
        note(m, proof_of(m, login(name, "p", "c")), "yes", 1000);
    }
    assert_true(http_memory_count(m) <= 16384);
    struct http_proof oldest = proof_of(m, login("user-0", "p", "c"));
    struct http_proof newest = proof_of(m, login("user-19999", "p", "c"));
    assert_false(http_memory_ask(m, &oldest, 60000, 1000, &known));
    assert_true(http_memory_ask(m, &newest, 60000, 1000, &known));
    memset(long_body, 'x', sizeof(long_body) - 1);
    note(m, newest, long_body, 1000);
    assert_false(http_memory_ask(m, &newest, 60000, 1000, &known)); /* nor is the older answer */
    http_memory_clear(m);
    assert_int_equal(http_memory_count(m), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_known_for_its_time), TEST(without_a_time_nothing_is_known),
        TEST(each_part_of_a_question_counts),  TEST(another_process_makes_another_proof),
        TEST(what_is_kept_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
