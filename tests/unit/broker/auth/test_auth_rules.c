/* auth: what clients may write, read and subscribe to, with and without an ACL file. */
#include "broker/auth/auth.h"

#include "broker/auth/files/acl.h"
#include "broker/base/broker_config.h"
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

static bool may_subscribe(struct core_bed *b, const char *user, const char *filter)
{
    struct identity who = identity(user);
    return auth_may_subscribe(bed_broker(b)->auth, &who, bed_text(filter));
}

/* Each message is checked again when it is delivered. */
static void filters_are_granted_as_configured(void **state)
{
    struct core_bed *b = *state;
    static const char rules[] = "topic read a/#\nuser bob\ntopic b\n";
    assert_true(may_subscribe(b, NULL, "#"));
    assert_false(auth_has_rules(bed_broker(b)->auth));
    bed_use_auth(b, NULL, rules);
    assert_true(auth_has_rules(bed_broker(b)->auth));
    assert_true(may_subscribe(b, NULL, "#"));
    assert_true(may_subscribe(b, NULL, "a/b"));
    assert_false(may_subscribe(b, NULL, "b"));
    assert_true(may_subscribe(b, "bob", "b"));
    b->core.config.auth.subscribe = ACL_FILTER_COVERED;
    bed_use_auth(b, NULL, rules);
    assert_false(may_subscribe(b, NULL, "#"));
    assert_true(may_subscribe(b, NULL, "a/b"));
    b->core.config.auth.subscribe = ACL_FILTER_ALWAYS;
    bed_use_auth(b, NULL, rules);
    assert_true(may_subscribe(b, NULL, "b"));
}

static void what_happens_to_a_denied_publish_is_configured(void **state)
{
    struct core_bed *b = *state;
    assert_false(auth_closes_denied(bed_broker(b)->auth));
    b->core.config.auth.denied_publish = DENIED_PUBLISH_CLOSE;
    bed_use_auth(b, NULL, "topic a\n");
    assert_true(auth_closes_denied(bed_broker(b)->auth));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(without_rules_all_is_allowed_but_writing_what_is_the_brokers),
        BED_TEST(rules_are_those_of_the_user),
        BED_TEST(filters_are_granted_as_configured),
        BED_TEST(what_happens_to_a_denied_publish_is_configured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
