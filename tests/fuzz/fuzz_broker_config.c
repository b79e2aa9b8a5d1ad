/* Fuzzes the broker's whole configuration: its tables and the checks across keys. A file that is
 * refused leaves nothing behind and is told by name; what is accepted is within its limits. */
#include "broker/base/broker_config.h"

#include <string.h>

#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error err = {.text = ""};
    struct broker_config config;
    memset(&config, 0, sizeof(config));
    const char *path = fuzz_file(data, size);
    if (broker_config_load(path, &config, &err)) {
        demand(config.limits.max_packet_size >= 128 && config.limits.max_inflight >= 1);
        const struct listener_config *listeners = config.listeners.items;
        for (size_t i = 0; i < config.listeners.count; i++)
            demand(listeners[i].bind != NULL && listeners[i].max_connections >= 1);
    } else {
        demand(strncmp(err.text, path, strlen(path)) == 0);
    }
    broker_config_free(&config);
    return 0;
}
