/* handle_connect with a token as password: under which name its client goes on, what it may do, and when it ends. */
#include "broker/protocol/handle.h"

#include <time.h>

#include "broker/auth/sources/grant_terms.h"
#include "broker/base/account.h"
#include "broker/client/connect_attempt.h"
#include "tests/unit/broker/auth/jwt/jwt_bed.h"
#include "tests/unit/broker/v5_bed.h"

static struct jwt_bed *keys;

static int set_up(void **state)
{
    keys = jwt_bed_new();
    bed_set_up(state);
    struct core_bed *b = *state;
    b->core.config.auth.jwt.keys = keys->config.keys;
    return 0;
}

static int tear_down(void **state)
{
    struct core_bed *b = *state;
    b->core.config.auth.jwt.keys = (struct config_list){0};
    bed_tear_down(state);
    jwt_bed_free(keys);
    return 0;
}

/* A 5.0 client without user name whose password is a token for `user`; with more claims. */
static struct core_client *join(struct core_bed *b, const char *id, const char *user,
                                const char *more)
{
    char claims[512];
    snprintf(claims, sizeof(claims), "{\"sub\":\"%s\",\"exp\":%lld%s}", user,
             (long long)time(NULL) + 60, more);
    char *token = jwt_bed_token(keys, JWT_HS256, "{\"alg\":\"HS256\"}", claims);
    struct core_client *c = bed_join_as(b, &(struct mqtt_connect){.version = MQTT_V5,
                                                                  .level = 5,
                                                                  .clean_start = true,
                                                                  .client_id = bed_text(id),
                                                                  .has_password = true,
                                                                  .password = bed_text(token)});
    free(token);
    bed_await_login(b, c);
    return c;
}

static void its_client_goes_by_the_tokens_name(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, NULL);
    struct core_client *c = join(b, "c", "dev1", "");
    assert_int_equal(bed_connack(c), 0);
    assert_string_equal(c->client->who.username, "dev1");
    assert_int_equal(c->client->user_source, SOURCE_JWT);
    assert_true(wheel_is_set(&c->client->timer)); /* although it has no keep alive */
    assert_int_equal(bed_connack(join(b, "d", "dev1", ",\"nbf\":99999999999")),
                     MQTT_R_NOT_AUTHORIZED);
}

static void it_may_only_what_the_token_says(void **state)
{
    static const char *const filters[] = {"#", NULL};
    struct core_bed *b = *state;
    struct mqtt_packet p;
    bed_use_auth(b, NULL, NULL);
    struct core_client *c = join(b, "c", "dev1", ",\"acl\":{\"pub\":[\"up\"],\"sub\":[\"down\"]}");
    struct core_client *other = bed_join(b, "other", true);
    assert_int_equal(bed_connack(c), 0);
    assert_int_equal(bed_connack(other), 0);
    bed_filters(b, c, MQTT_SUBSCRIBE, 0, filters);
    bed_filters(b, other, MQTT_SUBSCRIBE, 0, filters);
    bed_publish(b, other, "secret", 0, false);
    bed_publish(b, other, "down", 0, false);
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
    assert_true(bed_is_text(p.u.publish.topic, "down"));
    assert_false(bed_find(c, MQTT_PUBLISH, &p));
    while (bed_find(other, MQTT_PUBLISH, &p))
        continue; /* its own */
    bed_publish(b, c, "up", 0, false);
    assert_true(bed_find(other, MQTT_PUBLISH, &p));
    bed_publish(b, c, "down", 0, false);
    assert_false(bed_find(other, MQTT_PUBLISH, &p));
}

static void it_ends_with_the_token(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, NULL);
    struct core_client *c = join(b, "c", "dev1", "");
    assert_int_equal(bed_connack(c), 0);
    c->client->timer.due(&c->client->timer); /* a minute too early */
    core_settle(&b->core);
    assert_false(c->freed);
    grant_terms_free(c->client->who.terms);
    c->client->who.terms = grant_terms_new(1, false); /* over since 1970 */
    c->client->timer.due(&c->client->timer);
    core_settle(&b->core);
    assert_int_equal(v5_end_reason(c), MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(bed_broker(b)->stats.ended[END_EXPIRED], 1);
}

/* Whoever is gone before the signature was checked leaves nothing behind. */
static void one_that_leaves_early_is_forgotten(void **state)
{
    struct core_bed *b = *state;
    uint64_t before = account.by_kind[ACCOUNT_CLIENTS];
    bed_use_auth(b, NULL, NULL);
    char *token = jwt_bed_token(keys, JWT_RS256, "{\"alg\":\"RS256\"}",
                                "{\"sub\":\"dev1\",\"exp\":99999999999}");
    struct core_client *c = bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                                  .client_id = bed_text("c"),
                                                                  .has_username = true,
                                                                  .username = bed_text("dev1"),
                                                                  .has_password = true,
                                                                  .password = bed_text(token)});
    free(token);
    assert_int_equal(c->client->state, CLIENT_AUTHENTICATING);
    client_close(c->client, END_EOF);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_true(account.by_kind[ACCOUNT_CLIENTS] == before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_client_goes_by_the_tokens_name),
        TEST(it_may_only_what_the_token_says),
        TEST(it_ends_with_the_token),
        TEST(one_that_leaves_early_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
