/* session: found by client id, freed with the last reference. */
#include "broker/routing/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void sessions_are_found_by_their_id(void **state)
{
    (void)state;
    struct session_table *t = session_table_new(5);
    char id[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(id, sizeof(id), "client-%d", i);
        assert_non_null(session_table_add(t, text(id), true));
    }
    assert_int_equal(session_table_count(t), 2000);
    for (int i = 0; i < 2000; i++) {
        snprintf(id, sizeof(id), "client-%d", i);
        struct session *s = session_table_find(t, text(id));
        assert_non_null(s);
        assert_string_equal(s->id, id);
        if (i % 2 == 0)
            session_table_remove(t, s);
    }
    assert_null(session_table_find(t, text("client-0")));
    assert_non_null(session_table_find(t, text("client-1")));
    assert_int_equal(session_table_count(t), 1000);
    session_table_free(t);
}

static void a_removed_session_lives_as_long_as_it_is_referenced(void **state)
{
    (void)state;
    struct session_table *t = session_table_new(5);
    struct session *s = session_ref(session_table_add(t, text("a"), false));
    session_table_remove(t, s);
    session_table_remove(t, s);
    assert_string_equal(s->id, "a");
    assert_null(session_table_find(t, text("a")));
    session_unref(s);
    session_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_found_by_their_id),
        cmocka_unit_test(a_removed_session_lives_as_long_as_it_is_referenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
