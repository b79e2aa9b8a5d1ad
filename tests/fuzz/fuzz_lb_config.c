/* Fuzzes the load balancer's whole configuration: its tables and the checks across keys. A file
 * that is refused leaves nothing behind and is told by name. */
#include "lb/config/lb_config.h"

#include <string.h>

#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error err = {.text = ""};
    struct lb_config config;
    memset(&config, 0, sizeof(config));
    const char *path = fuzz_file(data, size);
    if (!lb_config_load(path, &config, &err))
        demand(strncmp(err.text, path, strlen(path)) == 0);
    lb_config_free(&config);
    return 0;
}
