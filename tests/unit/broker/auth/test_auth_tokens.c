/* auth with tokens: who is let in by which chain, what is remembered, and what a reload changes. */
#include "broker/auth/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/auth/sources/grant_terms.h"
#include "tests/unit/broker/auth/jwt/jwt_bed.h"

#define HASH                                                                                       \
    "$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ==\n"
#define BOB "bob:" HASH /* builder */

struct bed {
    struct event_base *base;
    struct jwt_bed *jwt;
    struct broker_config config;
    struct listener_config listeners[2];
    char *chains[2][1];
    char users[32], rules[32]; /* paths */
    struct auth *auth;
    int changes;
    struct chain_wait wait;
    enum login_verdict verdict; /* of the last login */
};

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    b->base = event_base_new();
    b->jwt = jwt_bed_new();
    strcpy(b->users, "/tmp/flotilla-users-XXXXXX");
    strcpy(b->rules, "/tmp/flotilla-rules-XXXXXX");
    close(mkstemp(b->users));
    close(mkstemp(b->rules));
    jwt_bed_write(b->users, BOB);
    b->config.auth.max_waiting_logins = 4;
    b->config.auth.hash_threads = 1;
    b->config.auth.jwt = b->jwt->config;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    chain_cancel(&b->wait);
    auth_free(b->auth);
    event_base_free(b->base);
    jwt_bed_free(b->jwt);
    unlink(b->users);
    unlink(b->rules);
    free(b);
    return 0;
}

static void begin(struct bed *b)
{
    char err[256];
    b->auth = auth_new(b->base, &b->config, false, 7, err, sizeof(err));
    if (b->auth == NULL)
        fail_msg("%s", err);
}

static void judged(void *arg, enum login_verdict verdict)
{
    ((struct bed *)arg)->verdict = verdict;
}

/* Through that listener; `user` may be NULL. */
static enum login_verdict login_at(struct bed *b, const struct listener_config *l, const char *user,
                                   const char *password)
{
    struct source_request r = {.has_username = user != NULL,
                               .username = jwt_bed_slice(user),
                               .password = jwt_bed_slice(password)};
    chain_cancel(&b->wait);
    b->wait = (struct chain_wait){.done = judged, .arg = b};
    b->verdict = auth_login(b->auth, l, &r, &b->wait);
    while (b->verdict == LOGIN_PENDING)
        event_base_loop(b->base, EVLOOP_ONCE);
    return b->verdict;
}

static enum login_verdict login(struct bed *b, const char *user, const char *password)
{
    return login_at(b, NULL, user, password);
}

/* For `user`, good for a minute, with `more` claims. The caller frees it. */
static char *token_of(struct bed *b, enum jwt_algorithm by, const char *header, const char *user,
                      const char *more)
{
    char claims[512];
    snprintf(claims, sizeof(claims), "{\"sub\":\"%s\",\"exp\":%lld%s}", user,
             (long long)time(NULL) + 60, more);
    return jwt_bed_token(b->jwt, by, header, claims);
}

static char *token(struct bed *b, const char *user)
{
    return token_of(b, JWT_ES256, "{\"alg\":\"ES256\"}", user, "");
}

static const struct grant *grant(const struct bed *b)
{
    return &b->wait.source.grant;
}

/* ---- who comes in ----------------------------------------------------------------------------- */

static void a_token_of_each_algorithm_lets_in(void **state)
{
    static const char *const headers[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"RS256\"}",
                                          "{\"alg\":\"ES256\",\"kid\":\"ec\"}"};
    struct bed *b = *state;
    begin(b);
    for (int by = JWT_HS256; by <= JWT_ES256; by++) {
        char *t = token_of(b, (enum jwt_algorithm)by, headers[by], "dev1", "");
        assert_int_equal(login(b, NULL, t), LOGIN_OK);
        assert_string_equal(grant(b)->username, "dev1");
        assert_int_equal(grant(b)->source, SOURCE_JWT);
        uint64_t until_s = grant_terms_until_s(grant(b)->terms);
        assert_true(until_s > (uint64_t)time(NULL) && until_s <= (uint64_t)time(NULL) + 60);
        assert_true(auth_still_admits(b->auth, NULL, SOURCE_JWT, "dev1", grant(b)->stamp));
        assert_false(auth_still_admits(b->auth, NULL, SOURCE_JWT, "dev1", grant(b)->stamp + 2));
        assert_false(auth_still_admits(b->auth, NULL, SOURCE_FILE, "dev1", grant(b)->stamp));
        assert_int_equal(login(b, "dev1", t), LOGIN_OK);
        assert_int_equal(login(b, "dev2", t), LOGIN_BAD);
        assert_null(grant(b)->username);
        free(t);
    }
}

static void a_right_token_is_checked_once(void **state)
{
    struct bed *b = *state;
    begin(b);
    char *t = token(b, "dev1");
    for (int i = 0; i < 100; i++)
        assert_int_equal(login(b, NULL, t), LOGIN_OK);
    assert_int_equal(login_stats(auth_logins(b->auth))->hashed, 1);
    assert_int_equal(login_stats(auth_logins(b->auth))->remembered, 99);
    free(t);
}

static void what_is_wrong_with_it_makes_no_difference(void **state)
{
    struct bed *b = *state;
    b->config.auth.jwt.leeway_ms = 30000;
    begin(b);
    char *tokens[] = {
        jwt_bed_token(b->jwt, JWT_HS256, "{\"alg\":\"ES256\"}",
                      "{\"sub\":\"a\",\"exp\":99999999999}"),
        jwt_bed_token(b->jwt, JWT_ES256, "{\"alg\":\"none\"}",
                      "{\"sub\":\"a\",\"exp\":99999999999}"),
        jwt_bed_token(b->jwt, JWT_ES256, "{\"alg\":\"ES256\"}", "{\"sub\":\"a\",\"exp\":1}"),
        jwt_bed_token(b->jwt, JWT_ES256, "{\"alg\":\"ES256\"}", "{\"sub\":\"a\"}"),
        jwt_bed_token(b->jwt, JWT_ES256, "{\"alg\":\"ES256\"}", "{\"exp\":99999999999}"),
        strdup("eyJhbGciOiJub25lIn0.e30."),
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        assert_int_equal(login(b, NULL, tokens[i]), LOGIN_BAD);
        assert_int_equal(login(b, NULL, tokens[i]), LOGIN_BAD);
        assert_null(grant(b)->terms);
        free(tokens[i]);
    }
    const struct login_stats *s = login_stats(auth_logins(b->auth));
    assert_int_equal(s->hashed, 1); /* the forged one */
    assert_int_equal(s->refused, 10);
    assert_int_equal(s->repeated, 6); /* each the second time */
}

static void an_enormous_one_is_not_read(void **state)
{
    struct bed *b = *state;
    begin(b);
    char *t = malloc(60000);
    memset(t, 'A', 60000);
    memcpy(t, "eyJ", 3);
    t[100] = '.';
    t[50000] = '.';
    t[59999] = '\0';
    assert_int_equal(login(b, NULL, t), LOGIN_BAD);
    free(t);
}

/* ---- chains ----------------------------------------------------------------------------------- */

static void the_file_comes_before_tokens(void **state)
{
    struct bed *b = *state;
    b->config.auth.password_file = b->users;
    begin(b);
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
    assert_int_equal(grant(b)->source, SOURCE_FILE);
    char *bobs = token(b, "bob"), *eves = token(b, "eve");
    assert_int_equal(login(b, "bob", bobs),
                     LOGIN_BAD); /* the file knows bob, and another password */
    assert_int_equal(login(b, NULL, bobs), LOGIN_OK);
    assert_int_equal(login(b, "eve", eves), LOGIN_OK);
    assert_int_equal(login(b, "eve", "builder"), LOGIN_BAD);
    assert_int_equal(login(b, NULL, ""), LOGIN_NOT_AUTHORIZED);
    free(bobs);
    free(eves);
}

static void the_configured_order_counts(void **state)
{
    static char *order[] = {"jwt", "file"};
    struct bed *b = *state;
    b->config.auth.password_file = b->users;
    b->config.auth.chain = (struct config_strings){.items = order, .count = 2};
    begin(b);
    char *t = token(b, "bob");
    assert_int_equal(login(b, "bob", t), LOGIN_OK);
    assert_int_equal(grant(b)->source, SOURCE_JWT);
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
    assert_int_equal(grant(b)->source, SOURCE_FILE);
    free(t);
}

static void a_listener_may_have_a_chain_of_its_own(void **state)
{
    struct bed *b = *state;
    b->config.auth.password_file = b->users;
    b->config.auth.anonymous = true;
    b->chains[0][0] = "file";
    b->chains[1][0] = "jwt";
    for (size_t i = 0; i < 2; i++)
        b->listeners[i].auth.chain = (struct config_strings){.items = b->chains[i], .count = 1};
    b->listeners[1].auth.anonymous = ANONYMOUS_NO;
    b->config.listeners = (struct config_list){.items = b->listeners, .count = 2};
    begin(b);
    char *t = token(b, "dev1");
    const struct listener_config *by_file = &b->listeners[0], *by_token = &b->listeners[1];
    assert_int_equal(login_at(b, by_file, "bob", "builder"), LOGIN_OK);
    assert_int_equal(login_at(b, by_token, "bob", "builder"), LOGIN_BAD);
    assert_int_equal(login_at(b, by_token, "dev1", t), LOGIN_OK);
    uint64_t stamp = grant(b)->stamp;
    assert_true(auth_still_admits(b->auth, by_token, SOURCE_JWT, "dev1", stamp));
    assert_false(auth_still_admits(b->auth, by_file, SOURCE_JWT, "dev1", stamp));
    assert_int_equal(login_at(b, by_file, "dev1", t), LOGIN_BAD);
    assert_int_equal(login_at(b, by_file, NULL, ""), LOGIN_OK);
    assert_int_equal(login_at(b, by_token, NULL, ""), LOGIN_NOT_AUTHORIZED);
    assert_true(auth_still_admits(b->auth, by_file, SOURCE_NOBODY, NULL, 0));
    assert_false(auth_still_admits(b->auth, by_token, SOURCE_NOBODY, NULL, 0));
    free(t);
}

/* ---- rights ----------------------------------------------------------------------------------- */

static bool may(struct bed *b, struct grant_terms *terms, const char *topic, bool write)
{
    struct identity who = {.username = "dev1", .client_id = jwt_bed_slice("c"), .terms = terms};
    return write ? auth_may_write(b->auth, &who, jwt_bed_slice(topic))
                 : auth_may_read(b->auth, &who, jwt_bed_slice(topic));
}

static void a_token_narrows_and_never_widens(void **state)
{
    struct bed *b = *state;
    jwt_bed_write(b->rules, "user dev1\ntopic read a/#\ntopic write a/up\n");
    b->config.auth.acl_file = b->rules;
    begin(b);
    char *t = token_of(b, JWT_ES256, "{\"alg\":\"ES256\"}", "dev1",
                       ",\"acl\":{\"pub\":[\"#\"],\"sub\":[\"a/b\",\"z\"]}");
    assert_int_equal(login(b, NULL, t), LOGIN_OK);
    struct grant_terms *terms = grant(b)->terms;
    assert_true(may(b, terms, "a/up", true));
    assert_false(may(b, terms, "a/down", true)); /* the file doesn't let it */
    assert_true(may(b, terms, "a/b", false));
    assert_false(may(b, terms, "a/c", false)); /* the token doesn't */
    assert_true(may(b, NULL, "a/c", false));
    assert_false(may(b, terms, "z", false));
    free(t);
}

static void without_an_acl_file_it_narrows_as_well(void **state)
{
    struct bed *b = *state;
    begin(b);
    char *t = token_of(b, JWT_ES256, "{\"alg\":\"ES256\"}", "dev1",
                       ",\"acl\":{\"pub\":[\"$SYS/#\",\"up\"]}");
    assert_int_equal(login(b, NULL, t), LOGIN_OK);
    struct grant_terms *terms = grant(b)->terms;
    assert_true(may(b, terms, "up", true));
    assert_false(may(b, terms, "up", false));
    assert_false(may(b, terms, "$SYS/broker/x", true)); /* the broker's own */
    assert_true(may(b, NULL, "anything", true));
    free(t);
}

/* ---- reloads ---------------------------------------------------------------------------------- */

static void note_change(void *arg)
{
    ((struct bed *)arg)->changes++;
}

static void reload(struct bed *b)
{
    b->changes = 0;
    auth_on_change(b->auth, note_change, b);
    auth_reload(b->auth);
    while (b->changes == 0)
        event_base_loop(b->base, EVLOOP_ONCE);
}

static void a_removed_key_takes_its_clients_away(void **state)
{
    struct bed *b = *state;
    begin(b);
    char *t = token(b, "dev1");
    assert_int_equal(login(b, NULL, t), LOGIN_OK);
    uint64_t stamp = grant(b)->stamp;
    reload(b);
    assert_true(auth_still_admits(b->auth, NULL, SOURCE_JWT, "dev1", stamp));
    assert_int_equal(login(b, NULL, t), LOGIN_OK);
    b->config.auth.jwt.keys.count = 2; /* the third is ES256's */
    reload(b);
    assert_false(auth_still_admits(b->auth, NULL, SOURCE_JWT, "dev1", stamp));
    assert_int_equal(login(b, NULL, t), LOGIN_BAD);
    b->config.auth.jwt.keys.count = 0;
    reload(b);
    assert_int_equal(login(b, NULL, t), LOGIN_NOT_AUTHORIZED);
    free(t);
}

static void another_key_of_that_name_is_another_one(void **state)
{
    struct bed *b = *state;
    begin(b);
    char *t = token(b, "dev1");
    assert_int_equal(login(b, NULL, t), LOGIN_OK);
    uint64_t stamp = grant(b)->stamp;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    jwt_bed_write_public(b->jwt->files[2], other);
    EVP_PKEY_free(other);
    reload(b);
    assert_false(auth_still_admits(b->auth, NULL, SOURCE_JWT, "dev1", stamp));
    assert_int_equal(login(b, NULL, t), LOGIN_BAD);
    free(t);
}

static void a_reload_while_a_signature_is_checked_does_no_harm(void **state)
{
    struct bed *b = *state;
    begin(b);
    char *t = token(b, "dev1");
    struct source_request r = {.password = jwt_bed_slice(t)};
    b->wait = (struct chain_wait){.done = judged, .arg = b};
    b->verdict = auth_login(b->auth, NULL, &r, &b->wait);
    assert_int_equal(b->verdict, LOGIN_PENDING);
    b->config.auth.jwt.keys.count = 2;
    reload(b);
    while (b->verdict == LOGIN_PENDING)
        event_base_loop(b->base, EVLOOP_ONCE);
    assert_int_equal(b->verdict, LOGIN_OK); /* of then; who lets in asks again */
    assert_false(auth_still_admits(b->auth, NULL, SOURCE_JWT, "dev1", grant(b)->stamp));
    free(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_of_each_algorithm_lets_in),
        TEST(a_right_token_is_checked_once),
        TEST(what_is_wrong_with_it_makes_no_difference),
        TEST(an_enormous_one_is_not_read),
        TEST(the_file_comes_before_tokens),
        TEST(the_configured_order_counts),
        TEST(a_listener_may_have_a_chain_of_its_own),
        TEST(a_token_narrows_and_never_widens),
        TEST(without_an_acl_file_it_narrows_as_well),
        TEST(a_removed_key_takes_its_clients_away),
        TEST(another_key_of_that_name_is_another_one),
        TEST(a_reload_while_a_signature_is_checked_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
