/* grant_terms: what a narrowed client may still do. */
#include "broker/auth/sources/grant_terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static bool covers(const struct grant_terms *t, const char *topic, enum grant_use use)
{
    return grant_terms_cover(t, slice(topic), use);
}

static void each_filter_is_for_its_uses(void **state)
{
    struct grant_terms *t = grant_terms_new(17, true);
    (void)state;
    assert_int_equal(grant_terms_until_s(t), 17);
    assert_true(grant_terms_allow(t, slice("up/+"), GRANT_PUBLISH));
    assert_true(grant_terms_allow(t, slice("down/#"), GRANT_SUBSCRIBE));
    assert_true(grant_terms_allow(t, slice("both"), GRANT_PUBLISH | GRANT_SUBSCRIBE));
    assert_true(covers(t, "up/1", GRANT_PUBLISH));
    assert_false(covers(t, "up/1", GRANT_SUBSCRIBE));
    assert_false(covers(t, "up/1/2", GRANT_PUBLISH));
    assert_true(covers(t, "down/a/b", GRANT_SUBSCRIBE));
    assert_false(covers(t, "down/a/b", GRANT_PUBLISH));
    assert_true(covers(t, "both", GRANT_PUBLISH));
    assert_true(covers(t, "both", GRANT_SUBSCRIBE));
    assert_false(covers(t, "else", GRANT_PUBLISH));
    grant_terms_free(t);
}

static void without_filters_all_or_nothing_may_be_used(void **state)
{
    struct grant_terms *open = grant_terms_new(0, false), *shut = grant_terms_new(0, true);
    (void)state;
    assert_true(covers(open, "a", GRANT_PUBLISH));
    assert_false(covers(shut, "a", GRANT_PUBLISH));
    assert_false(covers(shut, "a", GRANT_SUBSCRIBE));
    grant_terms_free(open);
    grant_terms_free(shut);
    grant_terms_free(NULL);
    assert_int_equal(grant_terms_until_s(NULL), 0);
    assert_int_equal(grant_terms_bytes(NULL), 0);
}

static void there_is_a_bound_and_all_memory_comes_back(void **state)
{
    uint64_t before = account.by_kind[ACCOUNT_CLIENTS];
    struct grant_terms *t = grant_terms_new(0, true);
    (void)state;
    assert_false(grant_terms_allow(t, slice("a/#/b"), GRANT_PUBLISH));
    for (int i = 0; i < GRANT_FILTERS_MAX; i++)
        assert_true(grant_terms_allow(t, slice("a/b"), GRANT_PUBLISH));
    assert_false(grant_terms_allow(t, slice("a/b"), GRANT_PUBLISH));
    assert_true(grant_terms_bytes(t) > 3 * GRANT_FILTERS_MAX);
    grant_terms_free(t);
    assert_true(account.by_kind[ACCOUNT_CLIENTS] == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_filter_is_for_its_uses),
        cmocka_unit_test(without_filters_all_or_nothing_may_be_used),
        cmocka_unit_test(there_is_a_bound_and_all_memory_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
