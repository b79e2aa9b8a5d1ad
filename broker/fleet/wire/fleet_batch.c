/* The sender's id, then the batch's number. */
#include "broker/fleet/wire/fleet_batch.h"

#include "broker/fleet/wire/fleet_bytes.h"

void fleet_batch_begin(struct fleet_bytes *b, uint64_t sender, uint64_t number)
{
    fleet_bytes_u64(b, sender);
    fleet_bytes_u64(b, number);
}
