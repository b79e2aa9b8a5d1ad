/*
 * Fuzzes the broker's core with the redis store, as two clients see it (broker_parties.h), over a Redis in a table
 * (redis_stub.h) that runs the fleet's scripts as they are. Connections to it break off, answers wait, it is full,
 * loses its data, and this node is unsure or declared dead, as the input says.
 */
#include "tests/fuzz/broker_parties.h"
#include "tests/fuzz/fuzz_random.h"
#include "tests/fuzz/heart_stub.h"
#include "tests/fuzz/redis_stub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void all_is_well(void)
{
    redis_stub.holds = redis_stub.away = false;
    redis_stub.refuses = 0;
    heart_stub = (struct heart_stub){0};
}

static void store_step(struct parties *p, uint8_t argument)
{
    (void)p;
    switch (argument % 9) {
    case 0:
        all_is_well();
        break;
    case 1:
        redis_stub.holds = true;
        break;
    case 2:
        redis_stub_lose();
        break;
    case 3:
        redis_stub_lose();
        redis_stub.away = true;
        break;
    case 4:
        redis_stub_lose();
        redis_stub_start_anew();
        break;
    case 5:
        heart_stub.unsure = true;
        break;
    case 6:
        redis_stub.refuses = argument / 9u;
        break;
    case 7:
        heart_stub.dead = true;
        break;
    case 8:
        redis_stub.holds = heart_stub.unsure = false;
        break;
    }
}

static void await_ready(struct parties *p)
{
    for (int i = 0; store_health(p->core.broker->store) != STORE_READY; i++) {
        fuzz_clock_move(50);
        turn(p);
        DEMAND(i < 20000);
    }
}

static void make_broker(struct parties *p)
{
    static const char url[] = "redis://127.0.0.1:1";
    p->core.config.redis.url = strdup(url);
    parties_make_broker(p);
    p->core.broker->listening = true; /* there is nothing to listen on */
    await_ready(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parties p;
    parties_begin(&p, data, size);
    fuzz_random_reset();
    redis_stub_begin();
    heart_stub = (struct heart_stub){0};
    make_broker(&p);
    p.store_step = store_step;
    p.all_is_well = all_is_well;
    parties_run(&p);
    await_ready(&p);
    pass_time(&p, 60000);
    end_sessions(&p);
    settle(&p);
    await_answers(&p);
    check_nothing_is_left(&p);
    parties_end(&p);
    return 0;
}
