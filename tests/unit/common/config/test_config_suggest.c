/* The known key that a mistyped one probably meant. */
#include "common/config/config_suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/config_schema.h"

#define KEY_64 "k234567890123456789012345678901234567890123456789012345678901234"

static const struct config_field fields[] = {
    {.kind = CONFIG_STRING}, /* the name of a CONFIG_MAP has no key */
    {.key = "position", .kind = CONFIG_POSITION},
    {.key = "workers", .kind = CONFIG_UINT},
    {.key = "rise", .kind = CONFIG_UINT},
    {.key = "rice", .kind = CONFIG_UINT},
    {.key = "tls", .kind = CONFIG_OPTIONAL},
    {.key = KEY_64, .kind = CONFIG_UINT},
    {.key = KEY_64 "longer", .kind = CONFIG_UINT},
};
static const struct config_schema schema = {.fields = fields,
                                            .count = sizeof(fields) / sizeof(fields[0])};

static void expect(const char *key, const char *suggestion)
{
    const char *got = config_suggest_key(&schema, key);
    if (suggestion == NULL)
        assert_null(got);
    else
        assert_non_null(got);
    if (suggestion != NULL)
        assert_string_equal(got, suggestion);
}

static void a_letter_too_many_too_few_or_wrong_is_forgiven(void **state)
{
    (void)state;
    expect("workerss", "workers");
    expect("workes", "workers");
    expect("wprkers", "workers");
    expect("wrokers", "workers");
    expect("orkers", "workers");
    expect("tl", "tls");
    expect("ttls", "tls");
}

static void a_third_of_the_key_and_one_letter_may_differ(void **state)
{
    (void)state;
    expect("wxyzers", "workers"); /* three of seven */
    expect("wxyzzrs", NULL);      /* four of seven */
    expect("tx", NULL);           /* two of two */
    expect("zzzzzzz", NULL);
    expect("", NULL);
}

static void the_nearest_is_taken_and_of_equals_the_first(void **state)
{
    (void)state;
    expect("ricee", "rice"); /* rise is two away */
    expect("risee", "rise");
    expect("ripe", "rise"); /* both are one away */
}

static void what_nobody_writes_is_not_suggested(void **state)
{
    (void)state;
    expect("positio", NULL);
}

static void keys_of_64_letters_are_the_longest_that_are_compared(void **state)
{
    (void)state;
    expect("K"
           "234567890123456789012345678901234567890123456789012345678901234",
           KEY_64);
    expect(KEY_64 "l", NULL);
    expect(KEY_64 "longe", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_too_many_too_few_or_wrong_is_forgiven),
        cmocka_unit_test(a_third_of_the_key_and_one_letter_may_differ),
        cmocka_unit_test(the_nearest_is_taken_and_of_equals_the_first),
        cmocka_unit_test(what_nobody_writes_is_not_suggested),
        cmocka_unit_test(keys_of_64_letters_are_the_longest_that_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
