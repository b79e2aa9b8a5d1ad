/* The sender's id, then the number of the batch; and what that number says. */
#include "broker/fleet/wire/fleet_batch.h"

#include "broker/fleet/wire/fleet_bytes.h"

void fleet_batch_begin(struct fleet_bytes *b, uint64_t sender, uint64_t number)
{
    fleet_bytes_u64(b, sender);
    fleet_bytes_u64(b, number);
}

enum { STREAM_BIT = 20, CALL_BIT = 21 };

static bool is_plain(uint64_t number)
{
    return number >> 63 == 0;
}

uint64_t fleet_batch_call(uint64_t number)
{
    return number << 1 >> (CALL_BIT + 1);
}

uint64_t fleet_batch_number(enum fleet_batch_stream stream, uint64_t call, uint64_t before)
{
    return (uint64_t)1 << 63 | call << CALL_BIT | (uint64_t)stream << STREAM_BIT |
           (before != 0 ? call - before : 0);
}

enum fleet_batch_stream fleet_batch_stream(uint64_t number)
{
    bool is_requests = !is_plain(number) && (number >> STREAM_BIT & 1) != 0;
    return is_requests ? FLEET_BATCH_REQUESTS : FLEET_BATCH_MESSAGES;
}

uint64_t fleet_batch_before(uint64_t number)
{
    uint64_t far = number & FLEET_BATCH_FAR;
    return is_plain(number) || far == 0 ? 0 : fleet_batch_call(number) - far;
}

uint64_t fleet_batch_names_none(uint64_t number)
{
    return number & ~(uint64_t)FLEET_BATCH_FAR;
}

bool fleet_batch_follows(uint64_t number, uint64_t last)
{
    return fleet_batch_before(number) <= fleet_batch_call(last);
}
