/* share_held: in which groups a client is a member, and how much it expects of them. */
#include "broker/delivery/share_held.h"

#include "tests/unit/broker/core_bed.h"

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static struct client *member(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "c", true);
    bed_subscribe(b, c, "$share/g/a", 1);
    bed_subscribe(b, c, "$share/g/b", 1);
    return c->client;
}

static void a_membership_is_found_by_its_filter(void **state)
{
    struct client *c = member(*state);
    struct membership *a = shares_find(c, text("$share/g/a"));
    assert_non_null(a);
    assert_ptr_not_equal(a, shares_find(c, text("$share/g/b")));
    assert_ptr_equal(a, shares_join(c, text("$share/g/a")));
    assert_null(shares_find(c, text("$share/g/c")));
}

static void one_that_has_left_isnt(void **state)
{
    struct core_bed *b = *state;
    struct client *c = member(b);
    membership_leave(shares_find(c, text("$share/g/a")));
    assert_null(shares_find(c, text("$share/g/a")));
    assert_non_null(shares_find(c, text("$share/g/b")));
}

static void what_memberships_expect_is_summed(void **state)
{
    struct client *c = member(*state);
    struct membership *a = shares_find(c, text("$share/g/a"));
    struct membership *b = shares_find(c, text("$share/g/b"));
    assert_int_equal(shares_expected(c->shares), 0);
    membership_expects(a, 1, 16);
    membership_expects(b, 2, 0);
    assert_int_equal(shares_expected(c->shares), 19);
    membership_expects(a, 1, 0);
    assert_int_equal(shares_expected(c->shares), 3);
    membership_expects(a, 0, 0);
    membership_expects(b, 0, 0);
    assert_int_equal(shares_expected(c->shares), 0);
}

/* The answer to its take may come later. */
static void one_that_leaves_expects_nothing_more(void **state)
{
    struct client *c = member(*state);
    struct membership *a = shares_find(c, text("$share/g/a"));
    membership_expects(a, 1, 16);
    membership_leave(a);
    assert_int_equal(shares_expected(c->shares), 0);
    membership_expects(a, 0, 0);
    assert_int_equal(shares_expected(c->shares), 0);
    membership_answered(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_membership_is_found_by_its_filter),
        BED_TEST(one_that_has_left_isnt),
        BED_TEST(what_memberships_expect_is_summed),
        BED_TEST(one_that_leaves_expects_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
