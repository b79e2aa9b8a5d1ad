/* chain: whose answer counts, with sources that say what the test wants, at once or later. */
#include "broker/auth/sources/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/auth/sources/grant_terms.h"
#include "broker/base/account.h"

enum { SOURCES = 3 };

struct scripted {
    struct source source; /* first member */
    enum source_answer answer;
    bool away;
    unsigned asked, cancelled;
    struct source_wait *wait;
    char username[16], password[16]; /* as it was asked */
    uint8_t address;                 /* the last byte of it */
};

struct bed {
    struct scripted sources[SOURCES];
    struct chain chain;
    struct chain_wait wait;
    enum login_verdict verdict;
    unsigned told;
};

static void note_text(char *to, size_t size, struct mqtt_slice from)
{
    assert_true(from.len < size);
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
}

static enum source_answer ask(struct source *s, const struct source_request *r,
                              struct source_wait *wait)
{
    struct scripted *own = (struct scripted *)(void *)s;
    own->asked++;
    own->wait = wait;
    note_text(own->username, sizeof(own->username), r->username);
    note_text(own->password, sizeof(own->password), r->password);
    own->address = r->peer != NULL ? r->peer->address[15] : 0;
    if (own->answer == SOURCE_ADMIT)
        wait->grant.stamp = 7;
    return own->answer;
}

static void cancel(struct source *s, struct source_wait *wait)
{
    struct scripted *own = (struct scripted *)(void *)s;
    assert_ptr_equal(own->wait, wait);
    own->cancelled++;
}

static bool is_there(const struct source *s)
{
    return !((const struct scripted *)(const void *)s)->away;
}

static bool still_admits(const struct source *s, struct mqtt_slice username, uint64_t stamp)
{
    (void)s;
    (void)username;
    return stamp == 7;
}

static void judged(void *arg, enum login_verdict verdict)
{
    struct bed *b = arg;
    b->verdict = verdict;
    b->told++;
}

/* What the sources say; the fewer there are, the fewer are in the chain. */
static void begin(struct bed *b, const enum source_answer *answers, size_t count)
{
    static const struct source_ops ops = {
        .ask = ask, .cancel = cancel, .is_there = is_there, .still_admits = still_admits};
    static const enum source_kind kinds[SOURCES] = {SOURCE_FILE, SOURCE_JWT, SOURCE_NOBODY};
    *b = (struct bed){.wait = {.done = judged, .arg = b}};
    for (size_t i = 0; i < count; i++) {
        b->sources[i] =
            (struct scripted){.source = {.kind = kinds[i], .ops = &ops}, .answer = answers[i]};
        b->chain.sources[b->chain.count++] = &b->sources[i].source;
    }
}

/* What was asked is gone before an answer comes. */
static enum login_verdict login(struct bed *b)
{
    char username[] = "bob", password[] = "builder";
    struct peer peer = {.address = {[15] = 9}};
    struct source_request r = {.has_username = true,
                               .username = mqtt_slice_of(username, 3),
                               .password = mqtt_slice_of(password, 7),
                               .peer = &peer};
    b->verdict = chain_ask(&b->chain, &r, &b->wait);
    memset(username, 'x', sizeof(username));
    memset(password, 'x', sizeof(password));
    memset(&peer, 0, sizeof(peer));
    return b->verdict;
}

static void the_first_answer_counts(void **state)
{
    static const struct {
        enum source_answer answers[2];
        enum login_verdict verdict;
        unsigned asked; /* of the second */
    } cases[] = {
        {{SOURCE_ADMIT, SOURCE_REFUSE}, LOGIN_OK, 0},
        {{SOURCE_REFUSE, SOURCE_ADMIT}, LOGIN_BAD, 0},
        {{SOURCE_DENY, SOURCE_ADMIT}, LOGIN_NOT_AUTHORIZED, 0},
        {{SOURCE_BUSY, SOURCE_ADMIT}, LOGIN_BUSY, 0},
        {{SOURCE_NOT_MINE, SOURCE_ADMIT}, LOGIN_OK, 1},
        {{SOURCE_NOT_MINE, SOURCE_REFUSE}, LOGIN_BAD, 1},
        {{SOURCE_NOT_MINE, SOURCE_DENY}, LOGIN_NOT_AUTHORIZED, 1},
        {{SOURCE_NOT_MINE, SOURCE_BUSY}, LOGIN_BUSY, 1},
        {{SOURCE_NOT_MINE, SOURCE_NOT_MINE}, LOGIN_NOT_AUTHORIZED, 1},
    };
    struct bed b;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&b, cases[i].answers, 2);
        assert_int_equal(login(&b), cases[i].verdict);
        assert_int_equal(b.sources[0].asked, 1);
        assert_int_equal(b.sources[1].asked, cases[i].asked);
        assert_int_equal(b.told, 0);
        assert_true((b.wait.source.grant.stamp == 7) == (cases[i].verdict == LOGIN_OK));
    }
}

static void the_grant_says_who_gave_it(void **state)
{
    static const enum source_answer answers[] = {SOURCE_NOT_MINE, SOURCE_ADMIT};
    struct bed b;
    (void)state;
    begin(&b, answers, 2);
    assert_int_equal(login(&b), LOGIN_OK);
    assert_int_equal(b.wait.source.grant.source, SOURCE_JWT);
}

static void one_that_knows_nobody_isnt_asked(void **state)
{
    static const enum source_answer answers[] = {SOURCE_REFUSE, SOURCE_ADMIT, SOURCE_REFUSE};
    struct bed b;
    (void)state;
    begin(&b, answers, 3);
    assert_true(chain_knows_anybody(&b.chain));
    b.sources[0].away = true;
    assert_int_equal(login(&b), LOGIN_OK);
    assert_int_equal(b.sources[0].asked, 0);
    b.sources[1].away = true;
    assert_false(chain_knows_anybody(&b.chain)); /* the last one is only the end */
    assert_ptr_equal(chain_find(&b.chain, SOURCE_JWT), &b.sources[1]);
    assert_null(chain_find(&b.chain, SOURCE_HTTP));
}

static void a_later_answer_goes_on_with_what_was_asked(void **state)
{
    static const enum source_answer answers[] = {SOURCE_LATER, SOURCE_LATER, SOURCE_ADMIT};
    struct bed b;
    (void)state;
    begin(&b, answers, 3);
    assert_int_equal(login(&b), LOGIN_PENDING);
    assert_int_equal(b.sources[1].asked, 0);
    source_answer(b.sources[0].wait, SOURCE_NOT_MINE);
    assert_int_equal(b.told, 0);
    assert_string_equal(b.sources[1].username, "bob");
    assert_string_equal(b.sources[1].password, "builder");
    assert_int_equal(b.sources[1].address, 9);
    source_answer(b.sources[1].wait, SOURCE_NOT_MINE);
    assert_string_equal(b.sources[2].password, "builder");
    assert_int_equal(b.told, 1);
    assert_int_equal(b.verdict, LOGIN_OK);
    assert_null(b.wait.text);
    chain_cancel(&b.wait);
}

static void a_later_answer_ends_it(void **state)
{
    static const struct {
        enum source_answer answer;
        enum login_verdict verdict;
    } cases[] = {{SOURCE_ADMIT, LOGIN_OK},
                 {SOURCE_REFUSE, LOGIN_BAD},
                 {SOURCE_DENY, LOGIN_NOT_AUTHORIZED},
                 {SOURCE_BUSY, LOGIN_BUSY}};
    static const enum source_answer answers[] = {SOURCE_LATER, SOURCE_ADMIT};
    struct bed b;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&b, answers, 2);
        assert_int_equal(login(&b), LOGIN_PENDING);
        source_answer(b.sources[0].wait, cases[i].answer);
        assert_int_equal(b.verdict, cases[i].verdict);
        assert_int_equal(b.told, 1);
        assert_int_equal(b.sources[1].asked, 0);
        assert_null(b.wait.text);
    }
}

static void who_is_the_last_needs_no_copy(void **state)
{
    static const enum source_answer answers[] = {SOURCE_LATER};
    struct bed b;
    (void)state;
    begin(&b, answers, 1);
    assert_int_equal(login(&b), LOGIN_PENDING);
    assert_null(b.wait.text);
    source_answer(b.sources[0].wait, SOURCE_REFUSE);
    assert_int_equal(b.verdict, LOGIN_BAD);
}

static void who_goes_away_is_forgotten_by_whom_he_asked(void **state)
{
    static const enum source_answer answers[] = {SOURCE_LATER, SOURCE_ADMIT};
    struct bed b;
    (void)state;
    begin(&b, answers, 2);
    assert_int_equal(login(&b), LOGIN_PENDING);
    chain_cancel(&b.wait);
    chain_cancel(&b.wait);
    assert_int_equal(b.sources[0].cancelled, 1);
    assert_int_equal(b.told, 0);
    assert_null(b.wait.text);
}

/* A grant that was made before a later answer stays until then, and goes with a refusal or a cancel. */
static void a_grant_that_nobody_takes_is_released(void **state)
{
    static const enum source_answer answers[] = {SOURCE_LATER, SOURCE_ADMIT};
    uint64_t before = account.by_kind[ACCOUNT_CLIENTS];
    struct bed b;
    (void)state;
    for (int i = 0; i < 3; i++) {
        begin(&b, answers, 2);
        assert_int_equal(login(&b), LOGIN_PENDING);
        b.sources[0].wait->grant.terms = grant_terms_new(1, false);
        if (i == 0)
            source_answer(b.sources[0].wait, SOURCE_REFUSE);
        if (i == 1)
            source_answer(b.sources[0].wait, SOURCE_ADMIT);
        assert_true((b.wait.source.grant.terms != NULL) == (i != 0));
        chain_cancel(&b.wait);
        assert_true(account.by_kind[ACCOUNT_CLIENTS] == before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answer_counts),
        cmocka_unit_test(the_grant_says_who_gave_it),
        cmocka_unit_test(one_that_knows_nobody_isnt_asked),
        cmocka_unit_test(a_later_answer_goes_on_with_what_was_asked),
        cmocka_unit_test(a_later_answer_ends_it),
        cmocka_unit_test(who_is_the_last_needs_no_copy),
        cmocka_unit_test(who_goes_away_is_forgotten_by_whom_he_asked),
        cmocka_unit_test(a_grant_that_nobody_takes_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
