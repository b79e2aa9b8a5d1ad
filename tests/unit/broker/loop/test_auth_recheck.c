/* auth_recheck: who is closed after a reload of the password file, and who stays. */
#include "broker/loop/auth_recheck.h"

#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

/* Of another password. */
#define OTHER_HASH                                                                                 \
    "$6$6b6crkICA6K11Zv2$Y2nU2aqf5isZLuHD4iPOLhbdVl3cmPnM9qZU8aILKLOJrGzEte0yldsnYV/"              \
    "4RvBsVlH1igwDtZZsOxXV8hpKaw==\n"

static struct core_client *login(struct core_bed *b, const char *user)
{
    struct core_client *c = bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                                  .client_id = bed_text(user),
                                                                  .has_username = true,
                                                                  .username = bed_text(user),
                                                                  .has_password = true,
                                                                  .password = bed_text("builder")});
    bed_await_login(b, c);
    assert_int_not_equal(c->client->user_stamp, 0);
    return c;
}

/* The files are these now. The oldest client is looked at last: until it is closed. */
static void reload(struct core_bed *b, const char *users, const struct core_client *oldest)
{
    FILE *f = fopen(b->core.config.auth.password_file, "w");
    assert_non_null(f);
    assert_true(fputs(users, f) >= 0);
    assert_int_equal(fclose(f), 0);
    auth_reload(bed_broker(b)->auth);
    while (!oldest->freed) {
        event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
        core_settle(&b->core);
    }
}

static uint64_t closed(struct core_bed *b)
{
    return bed_broker(b)->stats.ended[END_NOT_AUTHORIZED];
}

static void users_who_are_gone_are_closed(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB BED_EVE, NULL);
    struct core_client *eve = login(b, "eve"), *bob = login(b, "bob");
    reload(b, BED_BOB, eve);
    assert_int_equal(closed(b), 1);
    assert_false(bob->freed);
}

static void so_are_those_with_another_password(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB BED_EVE, NULL);
    struct core_client *eve = login(b, "eve"), *bob = login(b, "bob");
    reload(b, "eve:" OTHER_HASH BED_BOB, eve);
    assert_int_equal(closed(b), 1);
    assert_false(bob->freed);
}

static void so_are_anonymous_ones_that_arent_allowed_any_more(void **state)
{
    struct core_bed *b = *state;
    b->core.config.auth.anonymous = true;
    bed_use_auth(b, BED_BOB, NULL);
    struct core_client *anonymous = bed_join(b, "a", true), *bob = login(b, "bob");
    assert_int_equal(bed_connack(anonymous), 0);
    b->core.config.auth.anonymous = false;
    reload(b, BED_BOB, anonymous);
    assert_int_equal(closed(b), 1);
    assert_false(bob->freed);
}

static void so_is_one_that_waits_for_the_store(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB BED_EVE, NULL);
    held_begin(&b->core, HOLDS(HELD_CONNECT));
    struct core_client *eve = login(b, "eve");
    assert_int_equal(eve->client->state, CLIENT_CLAIMING);
    reload(b, BED_BOB, eve);
    assert_int_equal(closed(b), 1);
    held_end(&b->core);
}

/* Its CONNECT is checked against the new files anyway. */
static void who_isnt_let_in_yet_stays(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB BED_EVE, NULL);
    struct core_client *eve = login(b, "eve"), *fresh = bed_connect(b);
    reload(b, BED_BOB, eve);
    assert_int_equal(closed(b), 1);
    assert_false(fresh->freed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(users_who_are_gone_are_closed),
        BED_TEST(so_are_those_with_another_password),
        BED_TEST(so_are_anonymous_ones_that_arent_allowed_any_more),
        BED_TEST(so_is_one_that_waits_for_the_store),
        BED_TEST(who_isnt_let_in_yet_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
