/*
 * Fuzzes the broker's core with the memory store, as two clients see it: broker_parties.h.
 */
#include "tests/fuzz/broker_parties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parties p;
    parties_begin(&p, data, size);
    parties_make_broker(&p);
    parties_run(&p);
    end_sessions(&p);
    pass_time(&p, 60000);
    settle(&p);
    await_answers(&p);
    check_nothing_is_left(&p);
    parties_end(&p);
    return 0;
}
