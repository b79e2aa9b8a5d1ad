/* auth: what clients may write, read and subscribe to, with and without an ACL file. */
#include "broker/auth/auth.h"

#include "tests/unit/broker/core_bed.h"

static struct identity identity(const char *user)
{
    return (struct identity){.username = (char *)(uintptr_t)user, .client_id = bed_text("c")};
}

static bool may_write(struct core_bed *b, const char *user, const char *topic)
{
    struct identity who = identity(user);
    return auth_may_write(bed_broker(b)->auth, &who, bed_text(topic));
}

static bool may_read(struct core_bed *b, const char *user, const char *topic)
{
    struct identity who = identity(user);
    return auth_may_read(bed_broker(b)->auth, &who, bed_text(topic));
}

static void without_rules_all_is_allowed_but_writing_what_is_the_brokers(void **state)
{
    static const char *const allowed[] = {"a", "", "$SYS", "$other/x",
                                          "$SYS/broker/connection/x/state"};
    static const char *const reserved[] = {"$SYS/x", "$share/g/t", "$SYS/broker/connections"};
    struct core_bed *b = *state;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        assert_true(may_write(b, NULL, allowed[i]));
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        assert_false(may_write(b, NULL, reserved[i]));
    assert_true(may_read(b, NULL, "$SYS/x"));
}

static void rules_are_those_of_the_user(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read a\nuser bob\ntopic write b\ntopic write $SYS/x\n");
    assert_true(may_read(b, NULL, "a"));
    assert_false(may_write(b, NULL, "a"));
    assert_false(may_read(b, "bob", "a"));
    assert_true(may_write(b, "bob", "b"));
    assert_false(may_read(b, "bob", "b"));
    assert_false(may_write(b, "bob", "$SYS/x")); /* whatever they say */
}

/* Each message is checked when it is delivered. */
static void anything_may_be_subscribed_to(void **state)
{
    struct core_bed *b = *state;
    struct identity who = identity(NULL);
    assert_true(auth_may_subscribe(bed_broker(b)->auth, &who, bed_text("#")));
    bed_use_auth(b, NULL, "topic read a\n");
    assert_true(auth_may_subscribe(bed_broker(b)->auth, &who, bed_text("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(without_rules_all_is_allowed_but_writing_what_is_the_brokers),
        BED_TEST(rules_are_those_of_the_user),
        BED_TEST(anything_may_be_subscribed_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
