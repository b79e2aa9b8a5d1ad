/* docs/configuration.md and conf/lb.yaml agree with the tables of the program. */
#define CONFIGURATION_SCHEMA (&lb_config_schema)
#define CONFIGURATION_EXAMPLE "conf/lb.yaml"

#include "lb/config/lb_config.h"

#include "tests/unit/configuration_doc.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_has_the_table_of_the_program),
        cmocka_unit_test(the_example_file_names_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
