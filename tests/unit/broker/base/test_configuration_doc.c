/* docs/configuration.md and conf/broker.yaml agree with the tables of the program. */
#define CONFIGURATION_SCHEMA (&broker_config_schema)
#define CONFIGURATION_EXAMPLE "conf/broker.yaml"

#include "broker/base/broker_config.h"

#include "tests/unit/configuration_doc.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_has_the_table_of_the_program),
        cmocka_unit_test(the_example_file_names_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
